#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# The whole tree of a mockup of DMTF, as a service, is polled: what its parts and its sensors say, by ETag from the second
# time on; a part that fails and is well again.
source "$(dirname "$0")/common.sh"
needs jq openssl python3
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
mkdir "$dir/policies" "$dir/credentials"
chmod 700 "$dir/credentials"
(umask 077 && openssl rand -hex 32 >"$dir/credentials/redfish.key" && echo secret >"$dir/credentials/bmc")
python3 "$NS_SOURCE/tests/peers/redfish_mockup.py" "$NS_SOURCE/tests/data/redfish/mockup-public-rackmount1.jsonl" "${base%0}1" "$dir" &
pids+=($!)
await 20 test -e "$dir/port" || { echo "the mockup did not start"; exit 1; }
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "web483"; rack = "r1";
           bmc = { driver = "redfish"; address = "http://${base%0}1:$(cat "$dir/port")"; tls = "none"; user = "root"; password = "file:bmc"; }; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; credentials = "credentials"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
sources = ( { name = "bmcs"; type = "redfish"; format = "redfish"; key = "file:redfish.key"; events = "none"; poll_every = "1s"; } );
signals: ( { name = "any"; metric = "redfish_*"; raise = { above = 1e9; }; clear = { below = 1e8; }; event = "any"; } );
EOT
daemon_start
alarms() { ns alarm list -o json | jq -r '[.items[] | select(.state == "raised") | "\(.host)/\(.type)/\(.resource)/\(.severity)"] | sort | join(" ")'; }
alarms_are() { [ "$(alarms)" = "$1" ]; }
await 30 alarms_are "web483/power.supply.failed/Bay1/minor" || fail "a supply of the mockup is not well: $(alarms)"
ok "its supply that warns"
series() { ns signal show any -o json | jq '.items | length'; }
all_sensors() { [ "$(series)" -ge 30 ]; }
await 20 all_sensors && ok "its sensors: $(series) series" || fail "sensors: $(series)"
unchanged() { [ "$(grep -c '^304' "$dir/asked")" -ge 40 ]; }
await 30 unchanged && ok "what is as it was is not sent again" || fail "ETags: $(sort "$dir/asked" | uniq -c | sort -rn | head -5)"
is "nothing that is not there is asked twice in a poll" "$(grep '^404' "$dir/asked" | sort | uniq -c | awk '$1 > 30' | head -3)" ""
fan=/redfish/v1/Chassis/1U/ThermalSubsystem/Fans/Bay2
dimm=/redfish/v1/Systems/437XR1138R2/Memory/DIMM2
system=/redfish/v1/Systems/437XR1138R2
change() { jq -n "$1" --arg fan "$fan" --arg dimm "$dimm" --arg system "$system" >"$dir/change.new" && mv "$dir/change.new" "$dir/change.json"; }
bad='{Status: {State: "Enabled", Health: "Critical", HealthRollup: "Critical"}}'
change "{(\$fan): ($bad + {Oem: {Long: (\"long \" * 20000)}}), (\$dimm): $bad, (\$system): $bad}" # It is parsed beside the loop.
await 20 alarms_are "web483/fan.failed/Bay2/critical web483/memory.failed/DIMM2/critical web483/power.supply.failed/Bay1/minor" ||
    fail "a fan and a module: $(alarms)"
ok "parts that fail, and not the system besides"
# The fan's place is empty, the module is not listed any more and its own page fails for a while.
others=$(jq -c --arg dimm "$dimm" 'select(.uri | rtrimstr("/") == ($dimm | sub("/[^/]*$"; ""))) | .body.Members | map(select(."@odata.id" != $dimm))' \
    "$NS_SOURCE/tests/data/redfish/mockup-public-rackmount1.jsonl")
[ "$(jq length <<<"$others")" -ge 1 ] || fail "the mockup has no other modules"
change "{(\$fan): {Status: {State: \"Absent\"}}, (\$dimm): $bad, (\$system): $bad, \"/redfish/v1/Chassis/1U/Sensors\": {status: 500}}"
failed_polls() { [ "$(grep -c '^500' "$dir/asked")" -ge 6 ]; }
await 30 failed_polls || fail "no failed reads: $(sort "$dir/asked" | uniq -c | sort -rn | head -5)"
is "polls that fail half-way clear nothing" "$(alarms)" "web483/fan.failed/Bay2/critical web483/memory.failed/DIMM2/critical web483/power.supply.failed/Bay1/minor"
change "{(\$fan): {Status: {State: \"Absent\"}}, (\$dimm): $bad, (\$system): $bad}"
await 30 alarms_are "web483/memory.failed/DIMM2/critical web483/power.supply.failed/Bay1/minor" || fail "a fan that was drawn: $(alarms)"
has "a fan that was drawn is no fan that failed" "$(ns event list --type fan.failed -o json | jq -r '.items[0] | "\(.state) \(.message)"')" 'clear .*Bay2: gone'
change "{(\$fan): $bad, (\$dimm): $bad, (\$system): $bad}"
await 30 alarms_are "web483/fan.failed/Bay2/critical web483/memory.failed/DIMM2/critical web483/power.supply.failed/Bay1/minor" ||
    fail "a fan that came back as it went: $(alarms)"
ok "a fan that comes back as it went is told again"
daemon_kill # What was told is remembered over a start.
without="(\"\(\$dimm | sub(\"/[^/]*\$\"; \"\"))\"): {Members: $others}"
: >"$dir/asked"
change "{$without, (\$system): {PowerState: \"Off\"}}"
daemon_start
whole_polls() { [ "$(grep -c "^[23].* $system\$" "$dir/asked")" -ge 6 ]; }
await 30 whole_polls || fail "not polled: $(sort "$dir/asked" | uniq -c | sort -rn | head -5)"
is "a system that is off lists less, and nothing of it is gone" "$(alarms)" "web483/memory.failed/DIMM2/critical web483/power.supply.failed/Bay1/minor"
change "{$without, (\$system): $bad}"
await 30 alarms_are "web483/power.supply.failed/Bay1/minor web483/resource.failed/437XR1138R2/critical" ||
    fail "a module that is gone: $(alarms)"
ok "a module that went while the daemon was down"
change '{}'
await 20 alarms_are "web483/power.supply.failed/Bay1/minor" && ok "and are well again" || fail "over: $(alarms)"
verdict
