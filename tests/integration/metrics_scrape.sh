#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The daemon scrapes the packaged node-exporter and an exporter of the test that can break, and takes metrics by
# OTLP/HTTP: as JSON, as protocol buffers, by gzip. Metrics of the daemon itself are good enough for its own scrape.
source "$(dirname "$0")/common.sh"
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
needs prometheus-node-exporter curl jq python3 gzip

tell() { printf '%b' "$1" >"$dir/metrics.tmp" && mv "$dir/metrics.tmp" "$dir/metrics"; }
tell '# TYPE amps gauge\namps{outlet="3"} 4\n# EOF\n'
python3 "$NS_SOURCE/tests/peers/exporter.py" "$dir" "application/openmetrics-text; version=1.0.0; charset=utf-8" open-sesame &
pids+=($!)
node_port=$((29000 + $$ % 1000)) # Below those that connections are given.
prometheus-node-exporter --web.listen-address="127.0.0.2:$node_port" --collector.disable-defaults --collector.loadavg \
    --collector.meminfo --collector.filesystem >"$dir/node.log" 2>&1 &
pids+=($!)
await 20 test -e "$dir/port" || { echo "the exporter did not start"; exit 1; }
await 20 curl -sf "http://127.0.0.2:$node_port/metrics" || { cat "$dir/node.log"; echo "the node-exporter did not start"; exit 1; }
port=$(cat "$dir/port")

mkdir "$dir/policies" "$dir/credentials"
install -m 600 /dev/stdin "$dir/credentials/exporter.token" <<<open-sesame
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; }, { name = "h2"; rack = "r1"; addresses = ["127.0.0.2"]; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
scrape: ( { name = "outlets"; targets = ["127.0.0.1:$port"]; interval = "1s"; bearer = "file:exporter.token";
            labels = { site = "ams1"; }; },
          { name = "node"; targets = ["http://127.0.0.2:$node_port/metrics"]; interval = "1s"; },
          { name = "locked"; targets = ["127.0.0.1:$port"]; interval = "1s"; path = "/other"; } );
signals: ( { name = "outlet"; metric = "amps"; where = "labels.site == 'ams1'"; resource = "'outlet/' + labels.outlet";
             raise = { above = 15.0; }; clear = { below = 12.0; }; severity = "major"; event = "outlet.overload"; },
           { name = "down"; metric = "up"; labels = { job = "outlets"; }; raise = { below = 1.0; };
             severity = "minor"; event = "telemetry.absent"; },
           { name = "memory"; metric = "node_memory_MemTotal_bytes"; raise = { above = 1.0; }; clear = { below = 0.5; };
             event = "memory.present"; },
           { name = "otlp"; metric = "hw.temperature"; raise = { above = 60.0; }; clear = { below = 50.0; };
             event = "environment.temperature"; } );
EOT
api() { curl -sS --unix-socket "$dir/api.sock" "$@"; }
alarm() { api "http://x/v1/alarms" | jq -r --arg q "$1" '[.items[] | select(.qualifier == $q) | "\(.state) \(.host) \(.resource)"] | join("; ")'; }
alarm_is() { [ "$(alarm "$1")" = "$2" ]; }
daemon_start

# ---- the real node-exporter: its text is read, its host known by its address
await 30 alarm_is memory "raised h2 " && ok "the node-exporter's memory, of host h2" || fail "memory: $(alarm memory)"
scrapes() { api http://x/v1/scrapes | jq -c "[.items[] | select(.job == \"$1\") | .up, .why, .samples > 10][$2]"; }
is "it is up" "$(scrapes node 0)" true
is "and has samples" "$(scrapes node 2)" true

# ---- an exporter that says too much, breaks, and comes back
is "quiet" "$(alarm outlet)$(alarm down)" ""
tell '# TYPE amps gauge\namps{outlet="3"} 17.5\n# EOF\n'
await 30 alarm_is outlet "raised h1 outlet/3" && ok "17.5 A" || fail "outlet: $(alarm outlet)"
tell 'amps{outlet="3"} 1\namps{outlet=3} 1\n# EOF\n'
await 30 alarm_is down "raised h1 site=ams1" && ok "a body that is wrong is a target that is down" || fail "down: $(alarm down)"
has "why" "$(scrapes outlets 1)" 'line 2, column 13: here a text in quotes'
is "nothing of it was taken" "$(alarm outlet)" "raised h1 outlet/3"
tell 'amps{outlet="3"} 1\n'
scrape_says() { grep -q "$1" <<<"$(scrapes outlets 1)"; }
await 30 scrape_says 'does not end with # EOF' && ok "a body that was cut" || fail "cut: $(scrapes outlets 1)"
tell 'amps{outlet="3"} 1\n# EOF\n'
await 30 alarm_is outlet "cleared h1 outlet/3" || fail "outlet: $(alarm outlet)"
await 30 alarm_is down "cleared h1 site=ams1" && ok "it is back" || fail "down: $(alarm down)"
is "without its token a target is down, and says why" "$(scrapes locked 1)" '"HTTP status 401"'

# ---- OTLP/HTTP
point() { # VALUE
    printf '{"resourceMetrics":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h1"}}]},"scopeMetrics":[{"metrics":[{"name":"hw.temperature","gauge":{"dataPoints":[{"attributes":[{"key":"id","value":{"stringValue":"cpu0"}}],"timeUnixNano":"%s","asDouble":%s}]}}]}]}]}' \
        "$(date +%s%N)" "$1"
}
post() { # CONTENT-TYPE OPTION...: status
    local type=$1
    shift
    api -o "$dir/answer" -w '%{http_code}' -H "Content-Type: $type" "$@" http://x/v1/otlp/v1/metrics
}
point 70 >"$dir/point"
is "OTLP as JSON" "$(post application/json --data-binary @"$dir/point") $(cat "$dir/answer")" "200 {}"
is "answered when it is durable" "$(alarm otlp)" "raised h1 id=cpu0"
point 40 | gzip >"$dir/point.gz"
is "OTLP by gzip" "$(post application/json -H 'Content-Encoding: gzip' --data-binary @"$dir/point.gz")" 200
is "it is over" "$(alarm otlp)" "cleared h1 id=cpu0"
python3 - "$dir/point.pb" <<'PY'
import struct, sys, time
def varint(n):
    out = b""
    while n >= 0x80: out += bytes([n & 0x7f | 0x80]); n >>= 7
    return out + bytes([n])
def part(field, body): return varint(field << 3 | 2) + varint(len(body)) + body
def attribute(field, key, value): return part(field, part(1, key) + part(2, part(1, value)))
point = attribute(7, b"id", b"cpu0") + varint(3 << 3 | 1) + struct.pack("<Q", time.time_ns()) + varint(4 << 3 | 1) + struct.pack("<d", 80)
metric = part(1, b"hw.temperature") + part(5, part(1, point))
open(sys.argv[1], "wb").write(part(1, part(1, attribute(1, b"host.name", b"h1")) + part(2, part(2, metric))))
PY
is "OTLP as protocol buffers" "$(post application/x-protobuf --data-binary @"$dir/point.pb") $(cat "$dir/answer")" "200 "
is "it is raised again" "$(alarm otlp)" "raised h1 id=cpu0"
is "another content type" "$(post text/plain --data-binary x)" 415
is "no JSON" "$(post application/json --data-binary '{')" 400
is "no gzip" "$(post application/json -H 'Content-Encoding: gzip' --data-binary x)" 400

# ---- it stops while it scrapes
daemon_stop
[ "$failed" = 0 ] || tail -20 "$dir/log"
verdict
