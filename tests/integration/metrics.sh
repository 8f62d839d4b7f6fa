#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The packaged Prometheus scrapes an exporter of the test and remote-writes into the daemon: a value crosses a level, an
# alarm is raised, a policy acts; it falls, the alarm is cleared. Across a reload, a stop and a kill -9 nothing is raised
# twice and nothing stays behind.
source "$(dirname "$0")/common.sh"
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
needs prometheus curl jq python3

# ---- an exporter whose value is a file's
temperature() {
    printf '# TYPE inlet_celsius gauge\ninlet_celsius{sensor="front"} %s\ninlet_celsius{sensor="rear"} 20\n' "$1" >"$dir/metrics.tmp"
    mv "$dir/metrics.tmp" "$dir/metrics"
}
temperature 25
python3 "$NS_SOURCE/tests/peers/exporter.py" "$dir" "text/plain; version=0.0.4" &
pids+=($!)
await 20 test -e "$dir/port" || { echo "the exporter did not start"; exit 1; }
exporter_port=$(cat "$dir/port")

# ---- the daemon
mkdir "$dir/policies"
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; } );
EOT
cat >"$dir/policies/hot.policy" <<'EOT'
policies: ( { name = "hot"; summary = "s"; owner = "o"; subject = "host"; mode = "enforce";
  when = { event = "environment.temperature"; if = "double(event.data.value) > double(event.data.level)"; };
  limits = { once_within = "1s"; };
  do = ( { step = "tell"; action = "page"; with = { title = "hot"; text = "${host.name}: ${event.message}"; }; } ); } );
EOT
signals() { # LEVEL: written anew for the reload
    cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; drivers = "$NS_BUILD/tests/drivers";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$https_port"; open_reads = true;
        tokens: ( { name = "prometheus"; secret = "plain:sesame-open-sesame"; role = "sender"; } ); };
plain_secrets = true;
pager = { driver = "probe"; log = "$dir/calls"; };
signals: ( { name = "inlet-hot"; metric = "inlet_celsius"; labels = { sensor = "front"; };
             raise = { above = $1; }; clear = { below = 30.0; };
             severity = "major"; event = "environment.temperature"; },
           { name = "exporter-silent"; metric = "up"; absent = "10m"; event = "telemetry.absent"; } );
EOT
}
signals 35.0
api() { curl -sS --unix-socket "$dir/api.sock" "$@"; }
series() { api "http://x/v1/signals/inlet-hot" | jq -r ".items[0].$1"; }
series_is() { [ "$(series "$1")" = "$2" ]; }
alarm() { api "http://x/v1/alarms" | jq -r '[.items[] | select(.qualifier == "inlet-hot") | .state] | join(" ")'; }
alarm_is() { [ "$(alarm)" = "$1" ]; }
calls() { grep -c hot "$dir/calls" 2>/dev/null || true; }
calls_are() { [ "$(calls)" = "$1" ]; }
counter() { api "http://x/metrics" | awk -v n="nightshift_$1" '$1 == n { print $2 }'; }
counter_above() { [ "$(counter "$1")" -gt "$2" ]; }
daemon_start

# ---- Prometheus
prometheus_port=$((29000 + $$ % 1000)) # Below those that connections are given.
cat >"$dir/prometheus.yml" <<EOT
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: node
    static_configs: [ { targets: [ "127.0.0.1:$exporter_port" ] } ]
remote_write:
  - url: http://127.0.0.1:$https_port/v1/metrics/write
    authorization: { credentials: sesame-open-sesame }
    queue_config: { batch_send_deadline: 200ms, min_backoff: 100ms, max_backoff: 500ms }
EOT
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" \
    --web.listen-address="127.0.0.1:$prometheus_port" >"$dir/prometheus.log" 2>&1 &
pids+=($!)

await 60 series_is value 25 || { cat "$dir/prometheus.log" "$dir/log"; fail "no value arrived"; verdict; }
ok "samples arrive"
is "the instance became the host" "$(series host)" 127.0.0.1
is "one series: the other sensor is not asked for" "$(api http://x/v1/signals | jq -c '[.items[] | [.name, .series]]')" \
    '[["inlet-hot",1],["exporter-silent",1]]'
is "nothing is raised" "$(alarm)" ""

# ---- up, and down
temperature 40
await 30 alarm_is raised || fail "no alarm"
await 30 calls_are 1 || fail "the policy did not act: $(calls)"
has "what was said" "$(ns alarm list -o jsonl)" 'inlet-hot: inlet_celsius is 40, above 35'
is "of which host" "$(ns alarm list -o jsonl | jq -r 'select(.qualifier == "inlet-hot") | "\(.host) \(.resource) \(.severity)"')" \
    "h1 sensor=front major"
temperature 33
await 30 series_is value 33 || fail "33 did not arrive"
is "between the levels it stays" "$(series state) $(alarm)" "raised raised"
temperature 25
await 30 alarm_is cleared || fail "the alarm stays"
ok "it is cleared under the lower level"

has "the signals" "$(ns signal list)" '^inlet-hot +inlet_celsius +above 35; clears below 30 +major +environment.temperature +1 +0'
has "its series" "$(ns signal show inlet-hot)" '^127.0.0.1 +sensor=front +(ok|-) .*25 +35'
temperature 25.3
await 20 series_is value 25.2999992 # As it is kept: a float.
has "for people without digits that nobody measured" "$(ns signal show inlet-hot 2>&1)" '(ok|-) +25\.3 +35'
has "one series" "$(ns signal show inlet-hot 2>&1)" '^1 series$'
is "no such signal" "$(ns signal show nothing >/dev/null 2>&1; echo $?)" 4

# ---- a reload keeps the series; the new level holds for it
signals 20.0
sed -i 's/clear = { below = 30.0/clear = { below = 15.0/' "$dir/nightshift.conf"
ns reload >/dev/null
await 30 alarm_is raised || fail "the new level is not known"
await 30 calls_are 2 || fail "the policy did not act again: $(calls)"
ok "a reload brings the new level"

# ---- a stop and a kill: raised stays raised, told once, and is cleared afterwards
daemon_stop
[ -s "$dir/n.db.series" ] && ok "what series learned is in a file" || fail "no file of series"
daemon_start
before=$(counter series_watched_total)
await 30 counter_above series_watched_total "$((before + 3))" || fail "Prometheus did not come back"
daemon_kill
rm "$dir/n.db.series" # As if it had been written never.
daemon_start
await 30 counter_above series_watched_total 3 || fail "Prometheus did not come back"
is "raised before, raised now" "$(alarm)" raised
is "nobody is told twice" "$(calls)" 2
temperature 10
await 30 alarm_is cleared || fail "the alarm of before the kill stays"
ok "what was raised before a kill is cleared after it"

# ---- refused
url="http://127.0.0.1:$https_port/v1/metrics/write"
is "without a token" "$(curl -s -o "$dir/answer" -w '%{http_code}' --data-binary x "$url")" 401
is "no Snappy" "$(curl -s -o "$dir/answer" -w '%{http_code}' -H 'Authorization: Bearer sesame-open-sesame' --data-binary xyz "$url")" 400
has "why" "$(cat "$dir/answer")" 'Snappy'
counted() { [ "$(counter 'series_requests_total{door="remote-write",result="malformed"}')" = 1 ]; }
await 10 counted && ok "counted" || fail "not counted as malformed"
is "Prometheus had to drop nothing" "$(curl -s "http://127.0.0.1:$prometheus_port/metrics" |
    awk '/^prometheus_remote_storage_samples_(failed|dropped)_total/ { n += $2 } END { print n + 0 }')" 0
[ "$failed" = 0 ] || tail -20 "$dir/log"
verdict
