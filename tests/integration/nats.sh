#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# NATS: the packaged nats-server with JetStream; what it was acknowledged is on disk, whatever dies.
source "$(dirname "$0")/common.sh"
source "$NS_SOURCE/tests/peers/broker.sh"
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
broker_config <<EOT
  { name = "jobs"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:sesame"; stream = "JOBS"; ack_wait = "2s"; window = 200;
    map = ( { type = "'job.' + source.subject.split('.')[1]"; resource = "string(body.n)"; host = "body.host"; } ); },
  { name = "ce"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:sesame"; stream = "CE"; },
  { name = "stranger"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:wrong"; stream = "CE"; consumer = "other"; },
  { name = "nowhere"; type = "nats"; url = "nats://127.0.0.1:$port"; token = "plain:sesame"; stream = "NOWHERE"; }
EOT

server
nats stream JOBS 'job.>'
nats stream CE 'ce.>'
daemon_start
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
await 20 figure_is jobs malformed 1 && ok "what makes no sense is counted" || fail "malformed: $(figure jobs malformed)"

# ---- kill -9 under load: every message is an event, once
pending() { curl -s "http://127.0.0.1:$((port + 1))/jsz?consumers=true&streams=true" | jq '[.account_details[].stream_detail[]? | select(.name == "JOBS") | .consumer_detail[] | .num_pending + .num_ack_pending] | add'; }
all() { [ "$(pending)" = 0 ]; }
seq 1 10000 | sed 's/.*/{"n":&}/' | nats pub job.order
progress() { [ "$(figure jobs accepted)" -gt 100 ] || all; }
killed_thrice progress
await 60 all && ok "all of them are acknowledged" || fail "not acknowledged: $(pending); $(ns source list)"
all_once job.order resource 10000

# ---- a server that goes away and comes back
daemon_start
await 30 connected jobs || fail "jobs is not connected"
kill "$server_pid"
gone() { ! connected jobs; }
await 30 gone && ok "a server that is gone is noticed" || fail "the server is gone, nobody knows"
server
await 60 connected jobs && ok "and found again" || fail "not connected again: $(ns source doctor jobs)"
echo '{"n":1,"host":"r1h1"}' | nats pub job.last
last() { ns event list -o jsonl --limit 5 | grep -q '"job.last"'; }
await 20 last && ok "and heard" || fail "no event after the server came back"
no_errors_but 'source (jobs|ce|stranger|nowhere)'
verdict
