#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# MQTT: the packaged mosquitto, plain and TLS; what it was acknowledged is on disk, whatever dies.
source "$(dirname "$0")/common.sh"
source "$NS_SOURCE/tests/peers/broker.sh"
needs mosquitto mosquitto_pub jq openssl
[ -x "$bin/nightshiftd" ] && [ -x "$NS_BUILD/tests/journal" ] || skip "nightshiftd or journal is not built"
port=$trap_port
mkdir "$dir/policies" "$dir/tls"
broker_certificates DNS:localhost,IP:127.0.0.1
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
broker_config <<EOT
  { name = "pdu"; type = "mqtt"; url = "mqtt://127.0.0.1:$port"; user = "nightshift"; password = "plain:secret"; client = "ns-a"; topics = ["pdu/+/alarm", "order"];
    map = ( { when = "source.topic == 'order'"; type = "'order'"; id = "string(body.n)"; resource = "string(body.n)"; },
            { type = "'pdu.' + body.alarm"; state = "body.state"; severity = "'major'"; host = "source.topic.split('/')[1]"; id = "body.id"; } ); },
  { name = "secure"; type = "mqtt"; url = "mqtts://127.0.0.1:$((port + 1))"; tls_ca = "$dir/tls/ca.pem"; client = "ns-b"; topics = ["ce/#"]; },
  { name = "stranger"; type = "mqtt"; url = "mqtt://127.0.0.1:$port"; user = "nightshift"; password = "plain:wrong"; client = "ns-c"; topics = ["x"]; }
EOT

broker
daemon_start
await 30 connected pdu && ok "connected with a password" || { ns source doctor pdu; fail "pdu is not connected"; }
await 30 connected secure && ok "connected by TLS" || { ns source doctor secure; fail "secure is not connected"; }
has "a wrong password is told" "$(ns source doctor stranger 2>&1 || true)" 'refuses us'
pub pdu/r1h1/alarm '{"alarm":"overload","state":"raise","id":"o1"}'
await 20 event o1 || fail "no event"
is "by its map" "$(event o1 | jq -r '"\(.type) \(.state) \(.host)"')" "pdu.overload raise r1h1"
mosquitto_pub -h 127.0.0.1 -p "$((port + 1))" --cafile "$dir/tls/ca.pem" -q 1 -t ce/1 -m '{"specversion":"1.0","id":"c1","source":"/x","type":"fan.failed"}'
await 20 event c1 && ok "a CloudEvent, by TLS" || fail "no CloudEvent"
pub pdu/r1h1/alarm 'no JSON'
await 20 figure_is pdu malformed 1 && ok "what makes no sense is counted" || fail "malformed: $(figure pdu malformed)"

# ---- what comes while we are away is kept by the broker
daemon_stop
pub pdu/r1h1/alarm '{"alarm":"overload","state":"clear","id":"o2"}'
daemon_start
await 20 event o2 && ok "what came while we were away" || fail "the session was not kept"

# ---- kill -9 under load: every message is an event, once
all() { [ "$(ns event list -o jsonl --limit 1 --type order | jq -r .id)" = 5000 ]; }
seq 1 5000 | sed 's/.*/{"n":&}/' | mosquitto_pub -h 127.0.0.1 -p "$port" -u nightshift -P secret -q 1 -t order -l &
load=$!
pids+=("$load")
progress() { [ "$(figure pdu accepted)" -gt 100 ] || all; }
killed_thrice progress
wait "$load" || fail "mosquitto_pub: status $?"
await 60 all || fail "not all came: $(ns source list)"
all_once order id 5000

# ---- a broker that goes away and comes back
daemon_start
await 30 connected pdu || fail "pdu is not connected"
kill "$broker_pid"
gone() { ! connected pdu; }
await 30 gone && ok "a broker that is gone is noticed" || fail "the broker is gone, nobody knows"
broker
await 60 connected pdu && ok "and found again" || fail "not connected again: $(ns source doctor pdu)"
pub pdu/r1h1/alarm '{"alarm":"overload","state":"raise","id":"o3"}'
await 20 event o3 || fail "no event after the broker came back"
no_errors_but 'source (pdu|secure|stranger)'
verdict
