#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Eight peers of seven kinds are asked side by side; each in turn answers nothing any more (its process is stopped, or its
# programs wait): all calls to the others are answered, and when it goes on, so are its own. NS_BENCH=ROUNDS measures
# instead what the hung one does to the others' times (tests/bench/run hung).
# timeout: 300
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/kinds.sh"

hosts=6
kinds_lab redfish-a 0 --racks 1 --hosts $hosts --redfish-share 100
kinds_bmcs redfish-a redfish
kinds_lab redfish-b 1 --racks 1 --hosts $hosts --redfish-share 100
kinds_bmcs redfish-b redfish
kinds_lab ipmi 2 --racks 1 --hosts $hosts --redfish-share 0
kinds_bmcs ipmi ipmi
kinds_kubernetes kubernetes 3 $hosts
kinds_snmp snmp $hosts
kinds_ssh ssh $hosts
kinds_exec exec $hosts
kinds_function function $hosts
all=(redfish-a redfish-b ipmi kubernetes snmp ssh exec function)
together_start

phase() { # NAME MS PERIOD [HUNG]: its answers are in $dir/phase
    say "phase $*"
    for _ in "${all[@]}"; do hear; echo "$heard"; done >"$dir/phase"
}
answered() { # WHAT [BUT]: all calls, but of one
    local bad
    bad=$(jq -c --arg but "${2-}" 'select(.group != $but) | select(.calls == 0 or .ok != .calls)' "$dir/phase")
    is "$1: $(jq -s --arg but "${2-}" 'map(select(.group != $but).calls) | add' "$dir/phase") calls answered" "$bad" ""
}

if [ -n "${NS_BENCH-}" ]; then
    phase warm 3000 500
    answered "warm" >&2
    for _ in $(seq "$NS_BENCH"); do
        for name in "${all[@]}"; do
            phase quiet 4000 200
            hang "$name"
            phase hung 4000 200 "$name"
            answered "$name hangs" "$name" >&2
            unhang "$name"
            phase after 2000 200
        done
    done
    for name in quiet hung; do
        say "report $name"
        for _ in "${all[@]}"; do hear; echo "$heard"; done
    done
    together_end
    exit "$failed"
fi

phase warm 1000 500
answered "all"
for name in "${all[@]}"; do
    hang "$name"
    phase hung 2500 250 "$name"
    unhang "$name"
    answered "$name hangs" "$name"
    is "$name hangs: it does" "$(jq -c --arg name "$name" 'select(.group == $name) | [.calls > 0, .ok]' "$dir/phase")" "[true,0]"
    phase after 500 250
    answered "$name goes on"
done
together_end
verdict
