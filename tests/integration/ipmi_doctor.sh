#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `driver doctor` finds with BMCs: all doors of OpenIPMI's ipmi_sim stand open, as ipmitool shows by walking in
# without the password; those of the lab are shut. The daemon adds what follows from the settings.
# timeout: 120
. "$(dirname "$0")/common.sh"
needs ipmi_sim ipmitool jq

drive_on() { # INVENTORY: lines on stdin are calls
    "$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$1" "$dir/lab" 2>&1
}
call() { answer=$(drive_on "$1" <<<"$2"); } # INVENTORY LINE
code_is() { is "$1" "$(jq -r .code <<<"$answer")" "$2"; }
says() { # WHAT CHECK STATE WORDS
    local line
    line=$(jq -r --arg name "$2" '.result.checks[]? | select(.check == $name) | "\(.state): \(.text) [\(.hint)]"' <<<"$answer")
    has "$1: $2" "${line:-$answer}" "^$3: .*$4"
}

# ---- ipmi_sim -------------------------------------------------------------------------------------------------------
sim_start
cat >"$dir/sim.conf" <<CONF
credentials: ({ name = "sim"; user = "admin"; password = "file:sim.password"; });
hosts: ({ name = "sim1"; rack = "r1";
          bmc = { driver = "ipmi"; credentials = "sim"; address = "$sim_address:$ipmi_port"; }; });
CONF
sim() { call "$dir/sim.conf" "sim1 $*"; }
sim_up() { sim power.status && [ "$(jq -r .code <<<"$answer")" = ok ]; }
await 20 sim_up || { cat "$dir/sim/out"; echo "$answer"; fail "ipmi_sim does not answer"; verdict; }

sim ipmi.doctor
code_is "ipmi_sim" ok
says "ipmi_sim" power ok 'the host is off; cipher suite 3'
says "ipmi_sim, no uuid in the inventory" identity warning 'a1234567-89ab-cdef-a123-456789abc001 \[uuid in the inventory'
says "ipmi_sim" permissions ok 'administrator; operator would be enough'
says "ipmi_sim" anonymous failed 'neither name nor password .*\[disable user 1'
says "ipmi_sim" ipmi-1.5 failed 'without authentication .*\[remove NONE'
says "ipmi_sim" cipher-0 failed 'no password \[no level may use suite 0'
has "ipmitool agrees: with suite 0 any password will do" \
    "$(ipmitool -I lanplus -C 0 -H "$sim_address" -p "$ipmi_port" -U admin -P wrong -L operator chassis status 2>&1)" 'System Power'
sim ipmi.doctor set.user=nobody
code_is "ipmi_sim: an unknown user" auth
sim ipmi.doctor set.password=wrong
code_is "ipmi_sim: a wrong password" auth
sim ipmi.doctor set.uuid=a1234567-89ab-cdef-a123-456789abc001
says "ipmi_sim, its uuid" identity ok 'the machine of the inventory'
sim ipmi.doctor set.uuid=00000000-0000-0000-0000-000000000009
says "ipmi_sim, another uuid" identity failed 'another machine: GUID a1234567'
# It has 63 sessions: those that the doctor asked for with suite 0 are not left to lie there.
for _ in {1..70}; do echo "sim1 ipmi.doctor"; done | drive_on "$dir/sim.conf" >"$dir/many"
is "ipmi_sim: 70 times, the same answer" "$(jq -r '.code, (.result.checks[]? | select(.check == "cipher-0") | .state)' "$dir/many" |
    sort | uniq -c | xargs)" "70 failed 70 ok"
is "ipmi_sim: it was asked, not switched" "$(cat "$dir/sim/chassis.log" 2>/dev/null)" ""
kill -STOP "$sim_pid"
sim ipmi.doctor
code_is "ipmi_sim: stopped" unreachable
kill -CONT "$sim_pid"
kill "$sim_pid"

# ---- the lab --------------------------------------------------------------------------------------------------------
lab_start --racks 1 --hosts 2 --redfish-share 0 --write-inventory "$dir/inventory.conf"
on_lab() { call "$dir/inventory.conf" "$*"; }
on_lab r1h01 ipmi.doctor
code_is "lab" ok
says "lab" power ok 'the host is on; cipher suite 17'
says "lab" permissions ok 'operator'
says "lab" anonymous ok 'every user has a name'
says "lab" ipmi-1.5 ok 'no IPMI 1.5'
says "lab" cipher-0 ok 'refused: '
on_lab r1h01 ipmi.doctor set.user=monitor
code_is "lab: a user that only looks" denied
lab deny r1h02 >/dev/null
on_lab r1h02 ipmi.doctor
code_is "lab: credentials denied" auth
ledger_is "lab: looked at, not touched" r1h01 ""
lab_stop
verdict
