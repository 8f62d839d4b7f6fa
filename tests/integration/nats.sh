#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# NATS: the packaged nats-server with JetStream; what it was acknowledged is on disk, whatever dies.
source "$(dirname "$0")/common.sh"
needs nats-server jq curl python3
[ -x "$bin/nightshiftd" ] && [ -x "$NS_BUILD/tests/journal" ] || skip "nightshiftd or journal is not built"
port=$trap_port
mkdir "$dir/policies" "$dir/js"
cat >"$dir/nats.conf" <<EOT
listen: 127.0.0.1:$port
http: 127.0.0.1:$((port + 1))
jetstream { store_dir: "$dir/js", max_mem: 64M, max_file: 256M }
authorization { token: sesame }
EOT
server() {
    nats-server -c "$dir/nats.conf" >>"$dir/nats.log" 2>&1 &
    server_pid=$!
    pids+=("$server_pid")
    await 20 curl -fs "http://127.0.0.1:$((port + 1))/jsz" || { cat "$dir/nats.log"; fail "nats-server does not start"; verdict; }
}
nats() { python3 "$NS_SOURCE/tests/peers/nats.py" "$port" "$@"; }
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "r1h1"; rack = "r1"; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$dir"; drivers = "$NS_BUILD/tests/drivers"; plain_secrets = true;
api = { socket = "$dir/api.sock"; };
pager = { driver = "probe"; log = "$dir/calls"; };
sources = (
  { name = "jobs"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:sesame"; stream = "JOBS"; ack_wait = "2s"; window = 200;
    map = ( { type = "'job.' + source.subject.split('.')[1]"; resource = "string(body.n)"; host = "body.host"; } ); },
  { name = "ce"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:sesame"; stream = "CE"; },
  { name = "stranger"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:wrong"; stream = "CE"; consumer = "other"; },
  { name = "nowhere"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:sesame"; stream = "NOWHERE"; }
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

server
nats stream JOBS 'job.>'
nats stream CE 'ce.>'
start
await 30 connected jobs && ok "connected with a token" || { ns source doctor jobs; fail "jobs is not connected"; }
await 30 connected ce || fail "ce is not connected"
has "a wrong token is told" "$(ns source doctor stranger 2>&1 || true)" 'Authorization Violation'
has "a stream that is not there is told" "$(ns source doctor nowhere 2>&1 || true)" 'stream not found'
echo '{"n":0,"host":"r1h1"}' | nats pub job.failed
await 20 event JOBS/1 || fail "no event"
is "by its map, the id is its place" "$(event JOBS/1 | jq -r '"\(.type) \(.host) \(.resource)"')" "job.failed r1h1 0"
echo '{"rpm":0}' | nats pub ce.1 ce-specversion:1.0 'ce-id: b1' 'ce-source: /r' 'ce-type: fan.failed' 'Content-Type: application/json'
await 20 event b1 && ok "a CloudEvent in headers" || fail "no CloudEvent: $(ns source doctor ce)"
echo 'no JSON' | nats pub job.failed
malformed() { [ "$(figure jobs malformed)" = 1 ]; }
await 20 malformed && ok "what makes no sense is counted" || fail "malformed: $(figure jobs malformed)"

# ---- kill -9 under load: every message is an event, once
pending() { curl -s "http://127.0.0.1:$((port + 1))/jsz?consumers=true&streams=true" | jq '[.account_details[].stream_detail[]? | select(.name == "JOBS") | .consumer_detail[] | .num_pending + .num_ack_pending] | add'; }
all() { [ "$(pending)" = 0 ]; }
seq 1 10000 | sed 's/.*/{"n":&}/' | nats pub job.order
for n in 1 2 3; do
    progress() { [ "$(figure jobs accepted)" -gt 100 ] || all; }
    await 30 progress || fail "no progress: $(ns source list)"
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true
    start
done
await 60 all && ok "all of them are acknowledged" || fail "not acknowledged: $(pending); $(ns source list)"
kill -TERM "$daemon"
wait "$daemon" || fail "SIGTERM: status $?"
"$NS_BUILD/tests/journal" events "$dir/n.db" | jq -r 'select(.type == "job.order") | .resource' | sort -n >"$dir/orders"
is "every message is an event after three kills" "$(uniq "$dir/orders" | wc -l)" 10000
is "and only once" "$(wc -l <"$dir/orders")" 10000

# ---- a server that goes away and comes back
start
await 30 connected jobs || fail "jobs is not connected"
kill "$server_pid"
gone() { ! connected jobs; }
await 30 gone && ok "a server that is gone is noticed" || fail "the server is gone, nobody knows"
server
await 60 connected jobs && ok "and found again" || fail "not connected again: $(ns source doctor jobs)"
echo '{"n":1,"host":"r1h1"}' | nats pub job.last
last() { ns event list -o jsonl --limit 5 | grep -q '"job.last"'; }
await 20 last && ok "and heard" || fail "no event after the server came back"
if grep -E 'level=error' "$dir/log" | grep -vE 'source (jobs|ce|stranger|nowhere)' | grep .; then fail "errors in the log"; fi
verdict
