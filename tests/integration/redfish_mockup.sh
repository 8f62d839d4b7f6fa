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
change "{(\$fan): $bad, (\$dimm): $bad, (\$system): $bad}"
await 20 alarms_are "web483/fan.failed/Bay2/critical web483/memory.failed/DIMM2/critical web483/power.supply.failed/Bay1/minor" ||
    fail "a fan and a module: $(alarms)"
ok "parts that fail, and not the system besides"
change '{}'
await 20 alarms_are "web483/power.supply.failed/Bay1/minor" && ok "and are well again" || fail "over: $(alarms)"
verdict
