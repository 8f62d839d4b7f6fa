#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Kafka: librdkafka's mock cluster of three brokers; offsets are committed when events are on disk, whatever dies; two
# daemons in one group share the partitions, and one takes over when the other is killed.
source "$(dirname "$0")/common.sh"
source "$NS_SOURCE/tests/peers/broker.sh"
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
$(daemon_head "$1")
traps = "$dir";
sources = (
  { name = "alarms"; type = "kafka"; brokers = "$brokers"; group = "ns"; topics = ["alarms"]; from = "earliest"; session_timeout = "6s"; window = 200;
    map = ( { type = "'alarm'"; resource = "string(body.n)"; host = "body.host"; } ); },
  { name = "$1-ce"; type = "kafka"; brokers = "$brokers"; group = "$1-ce"; topics = ["ce"]; from = "earliest"; session_timeout = "6s"; }
);
EOT
}
config a
config b
as() { # DAEMON COMMAND...: with ns for that one
    local -x NIGHTSHIFT_SERVER=unix:$dir/$1.sock
    "${@:2}"
}
declare -A daemons
start() { # DAEMON
    daemon_start "$1"
    daemons[$1]=$daemon
}
kill9() { # DAEMON
    daemon=${daemons[$1]}
    daemon_kill
}
accepted() { [ "$(as "$1" figure alarms accepted)" -ge "$2" ]; }
committed() { # COUNT
    mock offset ns alarms 4
    [ "$answer" = "$1" ]
}
kept() { # DAEMON...: what is on disk, once for each place
    local one
    for one in "$@"; do "$NS_BUILD/tests/journal" events "$dir/$one.db" | jq -r 'select(.type == "alarm") | .resource'; done | sort -n
}

mock ce ce b1
start a
await 40 as a event b1 && ok "a CloudEvent in headers" || { as a ns source doctor a-ce; fail "no CloudEvent"; }
mock pub alarms 1 4000 '{"n":@,"host":"r1h1"}'
await 60 accepted a 4000 && ok "all partitions are read" || fail "not all came: $(as a ns source list)"
await 20 committed 4000 && ok "the group's offsets are committed" || fail "committed: $answer"
has "ids are places" "$(as a ns event list -o jsonl --limit 1 --type alarm | jq -r .id)" '^alarms/[0-3]/[0-9]+$'

# ---- kill -9 under load: what was committed is on disk, what comes again is known
mock pub alarms 4001 16000 '{"n":@,"host":"r1h1"}'
await 60 accepted a 4500 || fail "no progress: $(as a ns source list)"
kill9 a
start a
done_all() { committed 20000; }
await 90 done_all && ok "all is committed after a kill" || fail "committed: $answer; $(as a ns source list)"
is "every message is an event" "$(kept a | uniq | wc -l)" 20000
is "and only once" "$(kept a | wc -l)" 20000

# ---- two members share the partitions; one is killed, the other takes over: sessions have to end (tests/run --all)
group() {
    start b
    mock pub alarms 20001 2000 '{"n":@}'
    both() { mock pub alarms 30001 40 '{"n":@}' && [ "$(as b figure alarms accepted)" -gt 0 ]; }
    await 60 both && ok "a second member gets its share" || fail "b gets nothing: $(as b ns source list)"
    kill9 b
    mock pub alarms 40001 4000 '{"n":@}'
    over() { kept a b | uniq | awk '$1 > 40000' | wc -l | grep -qx 4000; }
    await 90 over && ok "who stays takes over" || fail "of 4000: $(kept a b | uniq | awk '$1 > 40000' | wc -l)"
    is "nothing of the first two thousand is lost" "$(kept a b | uniq | awk '$1 > 20000 && $1 <= 30000' | wc -l)" 2000
}
[ -z "${NS_ALL:-}" ] || group

# ---- what makes no sense is counted, and does not stop the rest
mock pub alarms 1 1 'no JSON'
await 30 as a figure_is alarms malformed 1 && ok "what makes no sense is counted" || fail "malformed: $(as a figure alarms malformed)"
daemon=${daemons[a]}
daemon_stop
if grep -hE 'level=error' "$dir"/[ab].log | grep -v 'source ' | grep .; then fail "errors in the log"; fi
verdict
