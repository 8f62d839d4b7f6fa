#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Faults of a real cluster on simulated hosts with policies awake: figures add up, nothing wrong is done, the same seed
# says the same; lines that make no sense are told with their place.
. "$(dirname "$0")/common.sh"
needs jq
cd "$dir"
simulate() { "$bin"/nightshift simulate --policies "$NS_SOURCE/policies" "$@"; }
trace=$NS_SOURCE/tests/data/faults/gpu-cluster-faults.jsonl

out=$(simulate --faults "$trace" --enforce -o json 2>notes)
is "faults of the trace" "$(jq .faults <<<"$out")" 321
is "node-days lost with nothing done, as the trace has them" "$(jq '.node_days_nothing | round' <<<"$out")" 1562
is "wrong actions" "$(jq .wrong_actions <<<"$out")" 0
is "what must not happen" "$(jq -r .violation <<<"$out")" ""
is "each fault is counted once" "$(jq '.repaired + .escalated + .told + .untouched' <<<"$out")" 321
is "the kinds add up" "$(jq '[.items[].faults] | add' <<<"$out")" 321
is "some are repaired without a person" "$(jq '.repaired > 20' <<<"$out")" true
is "no later than with nothing done" "$(jq '.node_days < .node_days_nothing and .median_ms <= .median_nothing_ms' <<<"$out")" true
is "the same seed says the same" "$(simulate --faults "$trace" --enforce -o json 2>/dev/null)" "$out"
has "whose inventory" "$(cat notes)" '122 hosts as the trace names them'
has "for people" "$(simulate --faults "$trace" --enforce 2>/dev/null)" 'wrong actions              0'

# Policies that only observe repair nothing.
printf 'policies: ( { name = "watch"; summary = "w"; owner = "ops"; subject = "host"; mode = "observe"; when = { event = "memory.uncorrectable"; severity = "major"; }; unless = ( "host.maintenance" ); do = ( { step = "cycle"; action = "power.cycle"; }, { step = "verify"; check = "cleared"; within = "5m"; every = "5s"; } ); else = ( { step = "page"; action = "page"; with = { text = "x"; }; } ); } );\n' >watch.policy
out=$("$bin"/nightshift simulate --policies watch.policy --faults "$trace" -o json 2>/dev/null)
is "observing repairs nothing" "$(jq -c '[.repaired, .actions, .node_days == .node_days_nothing]' <<<"$out")" '[0,0,true]'

# A host that hangs ten times: two interrupts a day, then people. Every other one is not worth a cycle.
for day in 0.1 0.2 0.3 0.4 0.5; do
    printf '{"t_days":%s,"node":"n1","event":"fault_start","class":"c","desc":"d","type":"memory.uncorrectable","severity":"critical","heals":100}\n' "$day"
    printf '{"t_days":%s9,"node":"n1","event":"fault_end","class":"c","desc":"d"}\n' "$day"
done >again.jsonl
sed -i 's/once_within = "6h"/once_within = "10m"/' watch.policy
sed 's/mode = "observe"; when/mode = "enforce"; limits = { once_within = "10m"; }; when/' watch.policy >act.policy
out=$("$bin"/nightshift simulate --policies act.policy --faults again.jsonl -o json 2>/dev/null)
is "two in a day, then a person" "$(jq -c '[.repaired, .actions, .escalated, .guards.interrupts]' <<<"$out")" '[2,2,3,3]'

# Wrong actions are seen: a policy that waits ten minutes and does not look again, on hosts that are well by then.
line() { printf '{"t_days":%s,"node":"%s","event":"fault_%s","class":"c","desc":"d","type":"memory.uncorrectable","severity":"critical","heals":%s}\n' "$@"; }
sed 's/settle = "2s"; //; s/severity = "major"; };/severity = "major"; keep = "30m"; };/; s/do = ( /do = ( { step = "w"; wait = "10m"; }, /' act.policy >late.policy
{ line 0.1 n1 start 100; line 0.103 n1 end 100; line 0.5 n1 start 100; line 0.501 n1 end 100; } >short.jsonl
code=0
out=$("$bin"/nightshift simulate --policies late.policy --faults short.jsonl -o json 2>/dev/null) || code=$?
is "and are a failure" "$code" 1
is "both actions are wrong" "$(jq -c '[.actions, .wrong_actions, .repaired]' <<<"$out")" '[2,2,0]'

# By hand: n1 for a day, and a cycle heals it; n2 for half a day, and only a person does. One of two is repaired within
# a minute, the other one costs its half day.
{ line 0.1 n1 start 100; line 0.2 n2 start 0; line 0.7 n2 end 0; line 1.1 n1 end 100; } >two.jsonl
out=$("$bin"/nightshift simulate --policies act.policy --faults two.jsonl -o json 2>/dev/null)
is "one repaired, one a person's" "$(jq -c '[.repaired, .escalated, .told, .untouched, .actions, .wrong_actions, .pages]' <<<"$out")" '[1,1,0,0,2,0,1]'
is "lost with nothing done" "$(jq '.node_days_nothing * 1000 | round' <<<"$out")" 1500
is "lost now" "$(jq '.node_days > 0.5 and .node_days < 0.501' <<<"$out")" true
is "mean of a day and a half day" "$(jq '.mean_nothing_ms / 1000 | round' <<<"$out")" 64800
is "mean of a minute and half a day" "$(jq '.mean_ms > 21600000 and .mean_ms < 21630000' <<<"$out")" true

# The line of what makes no sense, all at once; nothing is simulated.
cat >wrong.jsonl <<'X'
{"t_days": 1, "node": "a", "event": "fault_start", "class": "GPU", "desc": "GPU Lost"}
not JSON
{"t_days": 2, "node": "a", "event": "begins", "class": "GPU", "desc": "GPU Lost"}
{"t_days": 1.5, "node": "a", "event": "fault_end", "class": "GPU", "desc": "GPU Lost"}
{"t_days": -1, "node": "a", "event": "fault_start", "class": "GPU", "desc": "GPU Lost"}
{"t_days": 3, "node": 7, "event": "fault_start", "class": "GPU", "desc": "GPU Lost"}
{"t_days": 3, "node": "a", "event": "fault_start", "class": "x", "desc": "y", "heals": 101}
{"t_days": 3, "node": "a", "event": "fault_start", "class": "x", "desc": "z", "severity": "worst"}
[1]
X
code=0
simulate --faults wrong.jsonl >said 2>&1 || code=$?
is "exit" "$code" 1
for line in 2 3 4 5 6 7 8 9; do
    has "line $line" "$(cat said)" "wrong.jsonl:$line:1: error: "
done
code=0
head -c 20000 /dev/urandom | simulate --faults - >said 2>&1 || code=$?
is "noise" "$code" 1
: >empty.jsonl
code=0
simulate --faults empty.jsonl >said 2>&1 || code=$?
has "nothing in it" "$(cat said)" 'no fault begins in it'
code=0
simulate --faults "$trace" --seed x >said 2>&1 || code=$?
is "a seed that is none" "$code" 2
verdict
