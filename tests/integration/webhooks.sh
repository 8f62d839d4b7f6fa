#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Webhooks with real senders: the packaged Prometheus and Alertmanager (a target that goes down is an alarm here, and is
# cleared when it is back; their Watchdog keeps the source fresh, its end is an alarm and blindness), curl with true
# signatures, client certificates, and kill -9 under load: nothing that was acknowledged is lost, nothing doubled.
source "$(dirname "$0")/common.sh"
needs curl jq openssl python3 prometheus prometheus-alertmanager
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
api_port=$(port) prometheus_port=$(port) alertmanager_port=$(port) target_port=$(port)
mkdir "$dir/policies" "$dir/drivers" "$dir/credentials" "$dir/tls" "$dir/target"
chmod 700 "$dir/credentials"
secret() { (umask 077; printf '%s\n' "$2" >"$dir/credentials/$1"); }
secret am.token am-secret
secret nb.old old-key
secret nb.new new-key
secret pd.key pd-key
secret kill.token kill-secret

# ---- certificates: a CA, a server, a client it signed, and one that it did not -------------------------------------
certificate() { # NAME CA SUBJECT: signed by CA, or by itself
    openssl req -newkey rsa:2048 -nodes -keyout "$dir/tls/$1.key" -subj "/CN=$3" -out "$dir/tls/$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s,IP:127.0.0.1\n' "$3" >"$dir/tls/$1.ext"
    if [ "$2" = "$1" ]; then
        openssl x509 -req -in "$dir/tls/$1.csr" -signkey "$dir/tls/$1.key" -days 2 -out "$dir/tls/$1.pem" 2>/dev/null
    else
        openssl x509 -req -in "$dir/tls/$1.csr" -CA "$dir/tls/$2.pem" -CAkey "$dir/tls/$2.key" -CAcreateserial -days 2 \
            -extfile "$dir/tls/$1.ext" -out "$dir/tls/$1.pem" 2>/dev/null
    fi
}
certificate ca ca nightshift-ca
certificate server ca localhost
certificate client ca am.dc1
certificate stranger stranger am.dc1
chmod 600 "$dir"/tls/*.key

cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "r1h1"; rack = "r1"; pool = "web"; serial = "SN42"; addresses = ["192.0.2.1"]; },
         { name = "r1h2"; rack = "r1"; pool = "web"; addresses = ["192.0.2.2"]; } );
EOT
configure() { # PLUS: further keys
    cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; drivers = "$dir/drivers"; credentials = "credentials";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$api_port"; tls_cert = "tls/server.pem"; tls_key = "tls/server.key";
        tls_clients = "tls/ca.pem"; };
sources = (
  { name = "alertmanager"; type = "webhook"; format = "alertmanager"; tokens = ["file:am.token"]; silence = "12s"; },
  { name = "netbox"; type = "webhook"; format = "netbox"; keys = ["file:nb.old", "file:nb.new"]; },
  { name = "pagerduty"; type = "webhook"; format = "pagerduty"; keys = ["file:pd.key"]; },
  { name = "mtls"; type = "webhook"; format = "nagios"; clients = ["am.*"]; },
  { name = "elsewhere"; type = "webhook"; format = "nagios"; networks = ["192.0.2.0/24"]; },
  { name = "small"; type = "webhook"; format = "zabbix"; anyone = true; body_bytes_max = 2048; },
  { name = "kill"; type = "webhook"; tokens = ["file:kill.token"];
    map = { each = "body.items"; type = "'load.event'"; id = "item.id"; host = "'r1h2'"; }; } $1
);
EOT
}
configure ""
daemon_start
url=https://127.0.0.1:$api_port/v1/webhooks
post() { # NAME BODY CURL-OPTIONS...: status, and the answer in $dir/answer
    local name=$1 body=$2
    shift 2
    curl -sS --cacert "$dir/tls/ca.pem" -o "$dir/answer" -w '%{http_code}' "$@" --data-binary "$body" "$url/$name"
}
count() { # SOURCE WHAT
    ns source list -o json | jq -r --arg s "$1" ".items[] | select(.name == \$s) | .$2"
}
alarms() { ns alarm list --state all -o json | jq -r "$1"; }

# ---- the real Prometheus and Alertmanager --------------------------------------------------------------------------
cat >"$dir/rules.yml" <<EOT
groups:
  - name: t
    interval: 1s
    rules:
      - { alert: Watchdog, expr: vector(1), labels: { severity: info } }
      - alert: HostDown
        expr: up{job="hosts"} == 0
        labels: { severity: page }
        annotations: { summary: "{{ \$labels.nodename }} does not answer" }
EOT
cat >"$dir/prometheus.yml" <<EOT
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ rules.yml ]
alerting: { alertmanagers: [ { static_configs: [ { targets: [ "127.0.0.1:$alertmanager_port" ] } ] } ] }
scrape_configs:
  - job_name: hosts
    static_configs: [ { targets: [ "127.0.0.1:$target_port" ], labels: { nodename: r1h1 } } ]
EOT
cat >"$dir/alertmanager.yml" <<EOT
route:
  receiver: nightshift
  group_by: [ alertname ]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 3s
receivers:
  - name: nightshift
    webhook_configs:
      - url: $url/alertmanager
        http_config:
          authorization: { type: Bearer, credentials: am-secret }
          tls_config: { ca_file: $dir/tls/ca.pem }
EOT
printf '# TYPE t gauge\nt 1\n' >"$dir/target/metrics"
start_target() {
    python3 -m http.server --bind 127.0.0.1 --directory "$dir/target" "$target_port" >/dev/null 2>&1 &
    target=$!
    pids+=("$target")
}
start_target
await 10 curl -fsS "http://127.0.0.1:$target_port/metrics" || fail "the scraped target does not run"
prometheus-alertmanager --config.file="$dir/alertmanager.yml" --storage.path="$dir/am" --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$alertmanager_port" >"$dir/alertmanager.log" 2>&1 &
alertmanager=$!
pids+=("$alertmanager")
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" --rules.alert.resend-delay=2s \
    --web.listen-address="127.0.0.1:$prometheus_port" >"$dir/prometheus.log" 2>&1 &
prometheus=$!
pids+=("$prometheus")
heard() { [ "$(count alertmanager received)" -ge "${1:-1}" ]; }
await 40 heard || { tail -n 5 -- "$dir/alertmanager.log" "$dir/prometheus.log" || true; fail "Alertmanager's Watchdog never came"; verdict; }
ok "the packaged Alertmanager is heard"
is "what it sends is known" "$(count alertmanager unmatched)" 0

kill "$target"
raised() { [ "$(alarms '.items[] | select(.type == "alert.HostDown") | .state')" = raised ]; }
await 30 raised && ok "a target that went down is an alarm" || fail "no alarm of the target: $(ns alarm list)"
is "of the host its labels name" "$(alarms '.items[] | select(.type == "alert.HostDown") | .host')" r1h1
is "as severe as its rule says" "$(alarms '.items[] | select(.type == "alert.HostDown") | .severity')" critical
is "with its summary" "$(alarms '.items[] | select(.type == "alert.HostDown") | .message')" "r1h1 does not answer"
before=$(count alertmanager received)
await 20 heard $((before + 3)) || fail "Alertmanager does not repeat itself"
is "repeated, it is one alarm" "$(alarms '[.items[] | select(.type == "alert.HostDown")] | length')" 1
known() { [ "$(count alertmanager duplicates)" -gt 0 ]; }
await 20 known && ok "repetitions are known already" || fail "no repetition was recognised"
start_target
cleared() { [ "$(alarms '.items[] | select(.type == "alert.HostDown") | .state')" = cleared ]; }
await 30 cleared && ok "and it is cleared when the target is back" || fail "not cleared: $(ns alarm list --state all)"
is "nothing of the real sender was refused" "$(count alertmanager malformed)/$(count alertmanager dropped)" 0/0

kill "$prometheus" "$alertmanager"
silent() { [ "$(alarms '.items[] | select(.type == "source.silent" and .resource == "alertmanager") | .state')" = raised ]; }
await 40 silent && ok "a source that falls silent is an alarm" || fail "its silence went unnoticed"
has "and blindness" "$(ns status)" 'blind: source alertmanager silent'
has "the doctor says so" "$(ns source doctor alertmanager || true)" 'heard +failed'
doctor_exit=0
ns source doctor alertmanager >/dev/null || doctor_exit=$?
is "with its exit code" "$doctor_exit" 1
post alertmanager '{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"Watchdog"},"annotations":{},"startsAt":"2026-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":""}]}' \
    -H 'Authorization: Bearer am-secret' >/dev/null
speaks() { [ "$(alarms '.items[] | select(.type == "source.silent" and .resource == "alertmanager") | .state')" = cleared ]; }
await 10 speaks && ok "heard again, the alarm is cleared" || fail "the silence never ended"

# ---- signatures and certificates, with curl -------------------------------------------------------------------------
netbox='{"event":"updated","timestamp":"2026-03-09 17:55:33.968016+00:00","model":"device","username":"ops","request_id":"r-1","data":{"id":19,"display":"r1h1","name":"r1h1","serial":"SN42"}}'
sign() { printf '%s' "$1" | openssl dgst "-$2" -hmac "$3" -hex | sed 's/.*= //'; }
is "signed with the old key" "$(post netbox "$netbox" -H "X-Hook-Signature: $(sign "$netbox" sha512 old-key)")" 200
second=${netbox/r-1/r-2}
is "and with the new one" "$(post netbox "$second" -H "X-Hook-Signature: $(sign "$second" sha512 new-key)")" 200
is "a replay is answered, and does nothing" "$(post netbox "$second" -H "X-Hook-Signature: $(sign "$second" sha512 new-key)") $(jq -c . "$dir/answer")" '200 {"accepted":0,"replayed":true}'
is "another key is refused" "$(post netbox "$netbox" -H "X-Hook-Signature: $(sign "$netbox" sha512 bad)")" 401
is "so is a changed body" "$(post netbox "$netbox " -H "X-Hook-Signature: $(sign "$netbox" sha512 new-key)")" 401
is "and none" "$(post netbox "$netbox")" 401
is "the counts are exact" "$(count netbox received) $(count netbox accepted) $(count netbox events) $(count netbox dropped_by.denied) $(count netbox dropped_by.stale)" "6 2 2 3 1"
pagerduty='{"event":{"id":"01D","event_type":"incident.triggered","occurred_at":"2026-01-10T04:05:06Z","data":{"id":"P1","title":"a bump","urgency":"high","service":{"id":"S","summary":"API"}}}}'
is "PagerDuty's list of signatures" "$(post pagerduty "$pagerduty" -H "X-PagerDuty-Signature: v1=00,v1=$(sign "$pagerduty" sha256 pd-key)")" 200

nagios='{"host":"r1h2","address":"192.0.2.2","service":"","state":"DOWN","type":"PROBLEM","output":"no \"ping\"","time":"1767931506"}'
is "a client certificate" "$(post mtls "$nagios" --cert "$dir/tls/client.pem" --key "$dir/tls/client.key")" 200
is "no certificate" "$(post mtls "$nagios")" 403
stranger=$(post mtls "$nagios" --cert "$dir/tls/stranger.pem" --key "$dir/tls/stranger.key" 2>/dev/null || true)
case "$stranger" in
403 | 000) ok "a certificate of another CA" ;;
*) fail "a certificate of another CA: got '$stranger'" ;;
esac
is "the host of it is known" "$(alarms '.items[] | select(.type == "host.down") | .host')" r1h2
is "from a network that may not" "$(post elsewhere "$nagios")" 403
is "the API's other routes want a token as before" "$(curl -sS --cacert "$dir/tls/ca.pem" -o /dev/null -w '%{http_code}' "https://127.0.0.1:$api_port/v1/status")" 401
is "no source of that name" "$(post nobody '{}')" 404

# ---- what is refused, and what is kept although nobody knows it ------------------------------------------------------
is "no JSON" "$(post small '{"a":')" 400
has "says where" "$(cat "$dir/answer")" 'no JSON at byte'
is "nothing at all" "$(post small '')" 400
is "too long for this source" "$(post small "\"$(printf '%03000d' 0)\"")" 413
is "JSON that no rule knows is kept" "$(post small '{"strange":[1,2]}') $(jq -c . "$dir/answer")" '200 {"accepted":1,"duplicates":0,"unmatched":1,"ignored":0}'
has "and shown" "$(ns event list --unmatched -o json | jq -c '.items[0].data')" 'strange'
is "an update is left out on purpose" "$(post small '{"event_value":"1","event_update_status":"1"}') $(jq -c .ignored "$dir/answer")" '200 1'
is "all of it is counted" "$(count small received) $(count small accepted) $(count small malformed) $(count small dropped_by.large)" "5 2 2 1"
has "in the metrics too" "$(curl -sS --unix-socket "$dir/api.sock" http://x/metrics)" 'nightshift_source_malformed_total\{source="small",type="webhook"\} 2'

# ---- source test: without the daemon, and as the daemon does it -----------------------------------------------------
printf '%s' "$nagios" >"$dir/nagios.json"
is "source test says what a file becomes" "$(ns source test mtls "$dir/nagios.json" --config "$dir/nightshift.conf" -o json | jq -c '.items[0] | [.type, .state, .severity, .host]')" '["host.down","raise","critical","r1h2"]'
is "a format by its name" "$(ns source test nagios "$dir/nagios.json" -o json | jq -r .items[0].type)" host.down
is "a map in a file" "$(printf 'map = { type = "body.state"; };' >"$dir/own.map"; ns source test "$dir/own.map" "$dir/nagios.json" -o json | jq -r .items[0].type)" DOWN
printf 'map = { type = "body.state +"; };' >"$dir/own.map"
has "a mistake in it has its place" "$(ns source test "$dir/own.map" "$dir/nagios.json" 2>&1 || true)" 'own.map:1:[0-9]+: error'

# ---- reload -----------------------------------------------------------------------------------------------------------
secret nb.new newer-key
configure ', { name = "late"; type = "webhook"; format = "nagios"; anyone = true; }'
ns reload >/dev/null
is "a reload brings a source" "$(post late "$nagios")" 200
third=${netbox/r-1/r-3}
is "and a key that was renewed" "$(post netbox "$third" -H "X-Hook-Signature: $(sign "$third" sha512 newer-key)")" 200
is "what was counted stays" "$(count netbox received)" 7
configure ', { name = "open"; type = "webhook"; format = "nagios"; }'
has "a webhook that anyone could use is refused" "$(ns reload 2>&1 || true)" 'from anyone'
is "and the old set serves on" "$(post late "$nagios")" 200
configure ""

# ---- kill -9 under load -----------------------------------------------------------------------------------------------
cat >"$dir/load.py" <<'EOT'
import json, ssl, sys, threading, urllib.request, urllib.error
url, ca, acknowledged = sys.argv[1], sys.argv[2], open(sys.argv[3], "a", buffering=1)
context = ssl.create_default_context(cafile=ca)
lock, stop = threading.Lock(), threading.Event()
def run(worker):
    number = 0
    while not stop.is_set():
        number += 1
        ids = ["%d-%d-%d" % (worker, number, i) for i in range(5)]
        body = json.dumps({"items": [{"id": i} for i in ids]}).encode()
        while not stop.is_set():  # The same message until it is acknowledged, as senders do.
            try:
                request = urllib.request.Request(url, body, {"Authorization": "Bearer kill-secret"})
                with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                    answer.read()
                with lock:
                    acknowledged.write("\n".join(ids) + "\n")
                break
            except (OSError, urllib.error.URLError):
                stop.wait(0.05)
threads = [threading.Thread(target=run, args=(w,)) for w in range(8)]
for t in threads: t.start()
sys.stdin.readline()
stop.set()
for t in threads: t.join()
EOT
mkfifo "$dir/end"
: >"$dir/acknowledged"
python3 "$dir/load.py" "$url/kill" "$dir/tls/ca.pem" "$dir/acknowledged" <"$dir/end" &
load=$!
pids+=("$load")
exec 9>"$dir/end"
more() { [ "$(wc -l <"$dir/acknowledged")" -ge "$1" ]; }
for round in 1 2 3 4 5; do
    now=$(wc -l <"$dir/acknowledged")
    await 30 more $((now + 100)) || fail "round $round: nothing is acknowledged"
    daemon_kill
    daemon_start
done
now=$(wc -l <"$dir/acknowledged")
await 30 more $((now + 100)) || fail "after the last start nothing is acknowledged"
echo >&9
exec 9>&-
wait "$load"
ns event list --type load.event --limit 100000 -o json | jq -r '.items[].id' | sort >"$dir/stored"
sort "$dir/acknowledged" >"$dir/acknowledged.sorted"
is "five kills: what was acknowledged is there ($(wc -l <"$dir/acknowledged") events)" "$(comm -23 "$dir/acknowledged.sorted" "$dir/stored" | wc -l)" 0
is "and nothing twice" "$(uniq -d "$dir/stored" | wc -l)" 0
verdict
