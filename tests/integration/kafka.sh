#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Kafka: librdkafka's mock cluster of three brokers; offsets are committed when events are on disk, whatever dies; two
# daemons in one group share the partitions, and one takes over when the other is killed.
source "$(dirname "$0")/common.sh"
needs jq
[ -x "$bin/nightshiftd" ] && [ -x "$NS_BUILD/tests/kafka_mock" ] && [ -x "$NS_BUILD/tests/journal" ] || skip "nightshiftd, kafka_mock or journal is not built"
mkdir "$dir/policies"
coproc MOCK { exec "$NS_BUILD/tests/kafka_mock" 2>"$dir/mock.log"; }
pids+=("$MOCK_PID")
mock_in=${MOCK[1]} mock_out=${MOCK[0]}
read -r -t 20 -u "$mock_out" brokers || { cat "$dir/mock.log"; fail "the mock cluster does not start"; verdict; }
mock() { # LINE: its answer in $answer
    echo "$*" >&"$mock_in"
    read -r -t 40 -u "$mock_out" answer || { cat "$dir/mock.log"; fail "the mock does not answer: $*"; verdict; }
}
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "r1h1"; rack = "r1"; } );
EOT
config() { # NAME
    cat >"$dir/$1.conf" <<EOT
store = { path = "$dir/$1.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$dir"; drivers = "$NS_BUILD/tests/drivers";
api = { socket = "$dir/$1.sock"; };
pager = { driver = "probe"; log = "$dir/calls"; };
sources = (
  { name = "alarms"; type = "kafka"; brokers = "$brokers"; group = "ns"; topics = ["alarms"]; from = "earliest"; session_timeout = "6s"; window = 200;
    map = ( { type = "'alarm'"; resource = "string(body.n)"; host = "body.host"; } ); },
  { name = "$1-ce"; type = "kafka"; brokers = "$brokers"; group = "$1-ce"; topics = ["ce"]; from = "earliest"; session_timeout = "6s"; }
);
EOT
}
config a
config b
export NO_COLOR=1
ns() { # DAEMON ARGUMENT...
    local server=unix:$dir/$1.sock
    shift
    "$bin/nightshift" --server "$server" "$@"
}
declare -A daemon
start() { # DAEMON
    "$bin/nightshiftd" --config "$dir/$1.conf" 2>>"$dir/$1.log" &
    daemon[$1]=$!
    pids+=("${daemon[$1]}")
    await 30 ns "$1" status || { cat "$dir/$1.log"; fail "the daemon does not answer"; verdict; }
}
kill9() {
    kill -9 "${daemon[$1]}"
    wait "${daemon[$1]}" 2>/dev/null || true
}
figure() { ns "$1" source list -o json | jq -r --arg n "$2" --arg f "$3" '.items[] | select(.name == $n) | .[$f]'; }
accepted() { [ "$(figure "$1" alarms accepted)" -ge "$2" ]; }
committed() { # COUNT
    mock offset ns alarms 4
    [ "$answer" = "$1" ]
}
event() { ns a event list -o jsonl --limit 1000 | jq -es --arg i "$1" 'map(select(.id == $i)) | last'; }
kept() { # DAEMON...: what is on disk, once for each place
    local one
    for one in "$@"; do "$NS_BUILD/tests/journal" events "$dir/$one.db" | jq -r 'select(.type == "alarm") | .resource'; done | sort -n
}

mock ce ce b1
start a
await 40 event b1 && ok "a CloudEvent in headers" || { ns a source doctor a-ce; fail "no CloudEvent"; }
mock pub alarms 1 4000 '{"n":@,"host":"r1h1"}'
await 60 accepted a 4000 && ok "all partitions are read" || fail "not all came: $(ns a source list)"
await 20 committed 4000 && ok "the group's offsets are committed" || fail "committed: $answer"
has "ids are places" "$(ns a event list -o jsonl --limit 1 --type alarm | jq -r .id)" '^alarms/[0-3]/[0-9]+$'

# ---- kill -9 under load: what was committed is on disk, what comes again is known
mock pub alarms 4001 16000 '{"n":@,"host":"r1h1"}'
await 60 accepted a 4500 || fail "no progress: $(ns a source list)"
kill9 a
start a
done_all() { committed 20000; }
await 90 done_all && ok "all is committed after a kill" || fail "committed: $answer; $(ns a source list)"
is "every message is an event" "$(kept a | uniq | wc -l)" 20000
is "and only once" "$(kept a | wc -l)" 20000

# ---- two members share the partitions; one is killed, the other takes over: sessions have to end (tests/run --all)
group() {
    start b
    mock pub alarms 20001 2000 '{"n":@}'
    both() { mock pub alarms 30001 40 '{"n":@}' && [ "$(figure b alarms accepted)" -gt 0 ]; }
    await 60 both && ok "a second member gets its share" || fail "b gets nothing: $(ns b source list)"
    kill9 b
    mock pub alarms 40001 4000 '{"n":@}'
    over() { kept a b | uniq | awk '$1 > 40000' | wc -l | grep -qx 4000; }
    await 90 over && ok "who stays takes over" || fail "of 4000: $(kept a b | uniq | awk '$1 > 40000' | wc -l)"
    is "nothing of the first two thousand is lost" "$(kept a b | uniq | awk '$1 > 20000 && $1 <= 30000' | wc -l)" 2000
}
[ -z "${NS_ALL:-}" ] || group

# ---- what makes no sense is counted, and does not stop the rest
mock pub alarms 1 1 'no JSON'
malformed() { [ "$(figure a alarms malformed)" = 1 ]; }
await 30 malformed && ok "what makes no sense is counted" || fail "malformed: $(figure a alarms malformed)"
kill -TERM "${daemon[a]}"
wait "${daemon[a]}" && ok "SIGTERM ends with status 0" || fail "SIGTERM: status $?"
if grep -hE 'level=error' "$dir"/[ab].log | grep -v 'source ' | grep .; then fail "errors in the log"; fi
verdict
