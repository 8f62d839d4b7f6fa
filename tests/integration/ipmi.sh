#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The IPMI driver against OpenIPMI's ipmi_sim, which nobody here wrote, and against the lab: every verb, both cipher
# suites, an error of its own for each thing that goes wrong, and 10,000 BMCs at once on one loop.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs ipmi_sim jq

drive_on() { # INVENTORY: lines on stdin are calls
    "$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$1" "$dir/lab" 2>&1
}
call() { # INVENTORY LINE: one call; its JSON is kept in $answer
    answer=$(drive_on "$1" <<<"$2")
}
code_is() { # WHAT CODE
    is "$1" "$(jq -r .code <<<"$answer")" "$2"
}
result_is() { # WHAT FILTER VALUE
    is "$1" "$(jq -r "$2" <<<"$answer")" "$3"
}

# ---- ipmi_sim -------------------------------------------------------------------------------------------------------
sim_start
cat >"$dir/sim.conf" <<CONF
credentials: ({ name = "sim"; user = "admin"; password = "file:sim.password"; });
hosts: ({ name = "sim1"; rack = "r1";
          bmc = { driver = "ipmi"; credentials = "sim"; address = "$sim_address:$ipmi_port"; poll = "100ms"; off_time = "200ms"; }; });
CONF
sim() { call "$dir/sim.conf" "sim1 $*"; }
sim_up() { sim power.status && [ "$(jq -r .code <<<"$answer")" = ok ]; }
await 20 sim_up || { cat "$dir/sim/out"; echo "$answer"; fail "ipmi_sim does not answer"; verdict; }

sim power.on
code_is "ipmi_sim: on" ok
sim power.status
result_is "ipmi_sim: status" .result.power on
sim power.off
result_is "ipmi_sim: off, proven" .result.power off
sim power.cycle
code_is "ipmi_sim: a cycle of a host that is off" ok
sim power.cycle
code_is "ipmi_sim: cycle" ok
is "ipmi_sim: what its chassis was told" "$(grep power "$dir/sim/chassis.log" | paste -sd' ')" \
    "set power 1 set power 0 set power 1 set power 0 set power 1"
sim reset.hard
code_is "ipmi_sim: hard reset" ok
has "ipmi_sim: its chassis was reset" "$(cat "$dir/sim/chassis.log")" 'set reset'
sim identify for=10s
code_is "ipmi_sim: identify" ok
sim log.read count=10
code_is "ipmi_sim: event log" ok
has "ipmi_sim: a record in words" "$answer" 'memory 1: uncorrectable ECC, asserted'
sim power.status set.cipher=3
code_is "ipmi_sim: cipher suite 3" ok
sim power.off set.cipher=17
code_is "ipmi_sim: cipher suite 17 is refused" unsupported
has "ipmi_sim: and it is said" "$answer" 'cipher suite refused'
sim power.off set.password=wrong
code_is "ipmi_sim: wrong password" auth
has "ipmi_sim: the password is named" "$answer" 'wrong password'
sim power.off set.user=nobody
code_is "ipmi_sim: unknown user" auth
sim power.off set.uuid=00000000-0000-0000-0000-000000000009
code_is "ipmi_sim: another machine" mismatch
is "ipmi_sim: nothing of that switched it" "$(grep power "$dir/sim/chassis.log" | wc -l)" 5
kill -STOP "$sim_pid"
sim power.off
code_is "ipmi_sim: stopped" unreachable
has "ipmi_sim: nothing was done" "$answer" '"effect_possible":false'
kill -CONT "$sim_pid"
kill "$sim_pid"

# ---- the lab --------------------------------------------------------------------------------------------------------
lab_start --racks 1 --hosts 6 --redfish-share 0 --off-delay 50ms --on-delay 50ms --boot-delay 50ms --soft-delay 50ms \
    --write-inventory "$dir/inventory.conf"
fast="set.poll=50ms set.off_time=100ms"
on_lab() { call "$dir/inventory.conf" "$*"; }
for suite in 17 3; do
    host=r1h01
    on_lab $host power.status set.cipher=$suite
    result_is "lab, suite $suite: status" .result.power on
    on_lab $host power.off $fast set.cipher=$suite
    result_is "lab, suite $suite: off" .result.power off
    on_lab $host power.on $fast set.cipher=$suite
    result_is "lab, suite $suite: on" .result.power on
    on_lab $host power.cycle $fast set.cipher=$suite
    result_is "lab, suite $suite: cycle" .result.power on
    on_lab $host reset.hard $fast set.cipher=$suite
    code_is "lab, suite $suite: hard reset" ok
    lab_await $host os_up true
    on_lab $host reset.soft $fast set.cipher=$suite
    result_is "lab, suite $suite: soft reset" .result.power on
    on_lab $host identify set.cipher=$suite
    lab_await $host identify true
    on_lab $host identify lit=false set.cipher=$suite
    lab_await $host identify false
    ledger_is "lab, suite $suite" $host "ipmi chassis power down 00 off" "ipmi chassis power up 00 on" \
        "ipmi chassis power down 00 off" "ipmi chassis power up 00 on" "ipmi chassis hard reset 00 reset" \
        "ipmi chassis soft shutdown 00 off" "ipmi chassis power up 00 on" "ipmi identify on ok identify" \
        "ipmi identify off ok identify-off"
done
lab fail r1h01 memory >/dev/null
on_lab r1h01 log.read
has "lab: event log" "$answer" 'uncorrectable ECC, asserted'

lab busy r1h02 >/dev/null
on_lab r1h02 power.off $fast
code_is "lab: node busy" busy
is "lab: busy, come back" "$(jq '.retry_after_ms > 0' <<<"$answer")" true
lab deny r1h03 >/dev/null
on_lab r1h03 power.off $fast
code_is "lab: credentials denied" auth
on_lab r1h04 power.off $fast set.user=monitor
code_is "lab: a user that may not" denied
lab hang r1h04 >/dev/null
on_lab r1h04 power.off $fast
code_is "lab: no answer" unreachable
lab garbage r1h04 >/dev/null
on_lab r1h04 power.off $fast timeout=3000
has "lab: nonsense is no answer" "$(jq -r .code <<<"$answer")" 'unreachable|timeout|protocol'
is "lab: garbage has no effect" "$(jq .effect_possible <<<"$answer")" false
lab lie r1h05 accepts >/dev/null
on_lab r1h05 power.off $fast timeout=2000
code_is "lab: says yes, stays on" unverified
is "lab: an effect is possible" "$(jq .effect_possible <<<"$answer")" true
answers=$(printf '%s\n' "r1h06 power.status" "r1h06 power.status" | drive_on "$dir/inventory.conf")
is "lab: a kept session answers" "$(jq -r .code <<<"$answers" | paste -sd' ')" "ok ok"

# A BMC that forgot the session: reads are done again in a new one.
coproc DRIVE { drive_on "$dir/inventory.conf"; }
drive_pid=$DRIVE_PID
pids+=("$drive_pid")
echo "r1h06 power.status" >&"${DRIVE[1]}"
read -r answer <&"${DRIVE[0]}"
code_is "lab: before it forgets" ok
lab forget r1h06 >/dev/null
await 10 test "$(lab state r1h06 | jq -r .power)" = on
sleep 3.2 # The driver takes a session for fresh for 3 s after an answer.
echo "r1h06 power.status" >&"${DRIVE[1]}"
read -r -t 20 answer <&"${DRIVE[0]}"
code_is "lab: after it forgot the session" ok
exec {DRIVE[1]}>&-
wait "$drive_pid" || true
lab_stop

# ---- 10,000 at once -------------------------------------------------------------------------------------------------
ulimit -n "$(ulimit -Hn)"
if [ "$(ulimit -n)" -lt 12000 ] && [ "$(ulimit -n)" != unlimited ]; then
    skip "10,000 lab BMCs want 12,000 descriptors, this shell may have $(ulimit -n)"
fi
base=127.$((100 + $$ % 50)).0.0
racks=40 # With sanitizers both sides are several times slower: a tenth shows the same.
[ "$(basename "$NS_BUILD")" != debug ] || racks=4
many=$((racks * 250))
lab_start --racks $racks --hosts 250 --redfish-share 0 --write-inventory "$dir/many.conf"
started=$(date +%s%3N)
drive_on "$dir/many.conf" <<<"* power.status timeout=60000" >"$dir/many.json"
echo "$many BMCs: $(($(date +%s%3N) - started)) ms, with reading the inventory"
is "$many BMCs: every host reported, once" "$(jq -r .host "$dir/many.json" | sort -u | wc -l)" $many
is "$many BMCs: how" "$(jq -r .code "$dir/many.json" | sort | uniq -c | xargs)" "$many ok"
lab_stop
verdict
