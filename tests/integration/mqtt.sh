#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# MQTT: the packaged mosquitto, plain and TLS; what it was acknowledged is on disk, whatever dies.
source "$(dirname "$0")/common.sh"
needs mosquitto mosquitto_pub jq openssl
[ -x "$bin/nightshiftd" ] && [ -x "$NS_BUILD/tests/journal" ] || skip "nightshiftd or journal is not built"
port=$trap_port
mkdir "$dir/policies" "$dir/tls"
(
    cd "$dir/tls"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1")
    chmod 644 ./*
) 2>"$dir/openssl.log" || { cat "$dir/openssl.log"; fail certificates; verdict; }
chmod 755 "$dir"
mosquitto_passwd -c -b "$dir/passwords" nightshift secret
chmod 644 "$dir/passwords"
cat >"$dir/mosquitto.conf" <<EOT
per_listener_settings true
persistence false
max_queued_messages 0
listener $port 127.0.0.1
allow_anonymous false
password_file $dir/passwords
listener $((port + 1)) 127.0.0.1
allow_anonymous true
cafile $dir/tls/ca.pem
certfile $dir/tls/server.pem
keyfile $dir/tls/server.key
EOT
broker() {
    mosquitto -c "$dir/mosquitto.conf" >>"$dir/mosquitto.log" 2>&1 &
    broker_pid=$!
    pids+=("$broker_pid")
    await 20 pub never '{}' || { cat "$dir/mosquitto.log"; fail "mosquitto does not start"; verdict; }
}
pub() { mosquitto_pub -h 127.0.0.1 -p "$port" -u nightshift -P secret -q 1 -t "$1" -m "$2"; }
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "r1h1"; rack = "r1"; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$dir"; drivers = "$NS_BUILD/tests/drivers"; plain_secrets = true;
api = { socket = "$dir/api.sock"; };
pager = { driver = "probe"; log = "$dir/calls"; };
sources = (
  { name = "pdu"; type = "mqtt"; url = "mqtt://127.0.0.1:$port"; user = "nightshift"; password = "plain:secret"; client = "ns-a"; topics = ["pdu/+/alarm", "order"];
    map = ( { when = "source.topic == 'order'"; type = "'order'"; id = "string(body.n)"; resource = "string(body.n)"; },
            { type = "'pdu.' + body.alarm"; state = "body.state"; severity = "'major'"; host = "source.topic.split('/')[1]"; id = "body.id"; } ); },
  { name = "secure"; type = "mqtt"; url = "mqtts://127.0.0.1:$((port + 1))"; tls_ca = "$dir/tls/ca.pem"; client = "ns-b"; topics = ["ce/#"]; },
  { name = "stranger"; type = "mqtt"; url = "mqtt://127.0.0.1:$port"; user = "nightshift"; password = "plain:wrong"; client = "ns-c"; topics = ["x"]; }
);
EOT
export NIGHTSHIFT_SERVER=unix:$dir/api.sock NO_COLOR=1
ns() { "$bin/nightshift" "$@"; }
start() {
    "$bin/nightshiftd" --config "$dir/nightshift.conf" 2>>"$dir/log" &
    daemon=$!
    pids+=("$daemon")
    await 30 ns status || { cat "$dir/log"; fail "the daemon does not answer"; verdict; }
}
connected() { ns source doctor "$1" -o json | jq -e '[.checks[] | select(.check == "broker" or .name == "broker") | .state] == ["ok"]'; }
event() { ns event list -o jsonl --limit 1000 | jq -es --arg i "$1" 'map(select(.id == $i)) | last'; }
figure() { ns source list -o json | jq -r --arg n "$1" --arg f "$2" '.items[] | select(.name == $n) | .[$f]'; }

broker
start
await 30 connected pdu && ok "connected with a password" || { ns source doctor pdu; fail "pdu is not connected"; }
await 30 connected secure && ok "connected by TLS" || { ns source doctor secure; fail "secure is not connected"; }
has "a wrong password is told" "$(ns source doctor stranger 2>&1 || true)" 'refuses us'
pub pdu/r1h1/alarm '{"alarm":"overload","state":"raise","id":"o1"}'
await 20 event o1 || fail "no event"
is "by its map" "$(event o1 | jq -r '"\(.type) \(.state) \(.host)"')" "pdu.overload raise r1h1"
mosquitto_pub -h 127.0.0.1 -p "$((port + 1))" --cafile "$dir/tls/ca.pem" -q 1 -t ce/1 -m '{"specversion":"1.0","id":"c1","source":"/x","type":"fan.failed"}'
await 20 event c1 && ok "a CloudEvent, by TLS" || fail "no CloudEvent"
pub pdu/r1h1/alarm 'no JSON'
malformed() { [ "$(figure pdu malformed)" = 1 ]; }
await 20 malformed && ok "what makes no sense is counted" || fail "malformed: $(figure pdu malformed)"

# ---- what comes while we are away is kept by the broker
kill -TERM "$daemon"
wait "$daemon" || fail "SIGTERM: status $?"
pub pdu/r1h1/alarm '{"alarm":"overload","state":"clear","id":"o2"}'
start
await 20 event o2 && ok "what came while we were away" || fail "the session was not kept"

# ---- kill -9 under load: every message is an event, once
all() { [ "$(ns event list -o jsonl --limit 1 --type order | jq -r .id)" = 5000 ]; }
seq 1 5000 | sed 's/.*/{"n":&}/' | mosquitto_pub -h 127.0.0.1 -p "$port" -u nightshift -P secret -q 1 -t order -l &
load=$!
pids+=("$load")
for n in 1 2 3; do
    progress() { [ "$(figure pdu accepted)" -gt 100 ] || all; }
    await 30 progress || fail "no progress: $(ns source list)"
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true
    start
done
wait "$load" || fail "mosquitto_pub: status $?"
await 60 all || fail "not all came: $(ns source list)"
kill -TERM "$daemon"
wait "$daemon" || fail "SIGTERM: status $?"
"$NS_BUILD/tests/journal" events "$dir/n.db" | jq -r 'select(.type == "order") | .id' | sort -n >"$dir/orders"
is "every message is an event after three kills" "$(uniq "$dir/orders" | wc -l)" 5000
is "and only once" "$(wc -l <"$dir/orders")" 5000

# ---- a broker that goes away and comes back
start
await 30 connected pdu || fail "pdu is not connected"
kill "$broker_pid"
gone() { ! connected pdu; }
await 30 gone && ok "a broker that is gone is noticed" || fail "the broker is gone, nobody knows"
broker
await 60 connected pdu && ok "and found again" || fail "not connected again: $(ns source doctor pdu)"
pub pdu/r1h1/alarm '{"alarm":"overload","state":"raise","id":"o3"}'
await 20 event o3 || fail "no event after the broker came back"
if grep -E 'level=error' "$dir/log" | grep -vE 'source (pdu|secure|stranger)' | grep .; then fail "errors in the log"; fi
verdict
