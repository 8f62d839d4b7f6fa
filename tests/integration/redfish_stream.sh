#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Streams of events that BMCs offer: read where that is wanted, and where a BMC takes no subscription. A stream that breaks in the
# middle of an event is read on from the last one; what fell between is found by a poll. Metric reports come by the stream too.
# What an event does not say of itself the BMC's own message registry says.
source "$(dirname "$0")/common.sh"
needs curl jq openssl
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
mkdir "$dir/policies" "$dir/credentials"
chmod 700 "$dir/credentials"
(umask 077 && openssl rand -hex 32 >"$dir/credentials/redfish.key")
lab_start --redfish-share 100 --racks 1 --hosts 3 --sensors --write-inventory "$dir/inventory.conf"
lab events r1h01 stream >/dev/null
lab events r1h02 stream full >/dev/null
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; credentials = "credentials"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
sources = ( { name = "bmcs"; type = "redfish"; format = "redfish"; key = "file:redfish.key"; events = "sse"; every = "1s";
              poll_every = "1s"; reports = true; } );
signals: ( { name = "report"; metric = "redfish_metric"; labels = { metric = "InletTemp"; }; raise = { above = 50.0; };
             clear = { below = 45.0; }; severity = "critical"; event = "inlet.hot"; },
           { name = "fan"; metric = "redfish_fan_speed_rpm"; labels = { sensor = "Fan1"; }; raise = { above = 7000.0; };
             clear = { below = 100.0; }; event = "fan.turns"; } );
EOT
daemon_start

alarms() { ns alarm list -o json | jq -r '[.items[] | select(.state == "raised" and .type != "fan.turns") | "\(.host)/\(.type)/\(.resource)"] | sort | join(" ")'; }
alarms_are() { [ "$(alarms)" = "$1" ]; }
doctor() { ns source doctor bmcs -o json | jq -r '.checks[] | "\(.check) \(.state) \(.text) \(.hint)"'; }
doctor_says() { doctor | grep -qE -- "$1"; }
await 30 doctor_says '^ways ok 2 a stream of events, 1 no events; 1 polled' || fail "the ways: $(doctor)"
has "who has no stream is polled, and why" "$(doctor)" 'polled .*it offers no stream of events'
registries() { doctor_says '^registries ok 3 of 3 BMCs'; }
await 30 registries || fail "registries: $(doctor)"
ok "registries of BMCs are read"

# ---- events by the stream ----------------------------------------------------------------------------------------------
lab fail r1h01 psu >/dev/null
await 10 alarms_are "r1h01/power.supply.failed/PSU.Slot.1" || fail "by the stream: $(alarms)"
lab repair r1h01 psu >/dev/null
await 10 alarms_are "" && ok "comes and goes" || fail "over: $(alarms)"
is "by events, not by polls" "$(ns event list --type power.supply.failed --host r1h01 -o json | jq -c '[.items[].data.Polled] | unique')" "[null]"

# ---- what only the BMC knows -------------------------------------------------------------------------------------------
lab say r1h01 Lab.1.2.CoolantLow loop 1 >/dev/null
await 10 alarms_are "r1h01/redfish.Lab.CoolantLow/System.Embedded.1" || fail "its own registry: $(alarms)"
is "severity and words" "$(ns event list --type redfish.Lab.CoolantLow -o json | jq -r '.items[0] | "\(.severity) \(.message) (\(.data.Registry.Name))"')" \
    "critical The coolant of loop 1 is low. (Lab.1.2.0)"
lab say r1h01 Lab.1.2.CoolantRefilled loop 1 >/dev/null
await 10 alarms_are "" && ok "what its registry says clears it, clears it" || fail "cleared: $(alarms)"

# ---- a stream that breaks ----------------------------------------------------------------------------------------------
broken() { ns source doctor bmcs -o json | jq -r '.checks[] | select(.check == "streams") | .text' | grep -qE "$1"; }
await 10 broken '2 of 2 are open, 0 broke' || fail "streams: $(doctor)"
lab cut r1h01 >/dev/null
lab say r1h01 Lab.1.2.CoolantLow loop 2 >/dev/null # Nobody listens: it is sent again by Last-Event-ID.
await 20 alarms_are "r1h01/redfish.Lab.CoolantLow/System.Embedded.1" || fail "read on: $(alarms)"
ok "an event while the stream was broken is not lost"
await 20 broken '2 of 2 are open, 1 broke' && ok "and the doctor counts it" || fail "streams: $(doctor)"
lab say r1h01 Lab.1.2.CoolantRefilled loop 2 >/dev/null
await 10 alarms_are "" || fail "cleared: $(alarms)"
daemon_kill
lab fail r1h02 memory >/dev/null
daemon_start
await 20 alarms_are "r1h02/memory.failed/DIMM.Socket.A1" || fail "while the daemon was dead: $(alarms)"
ok "what failed while the daemon was dead is found by a poll"
lab repair r1h02 memory >/dev/null
await 10 alarms_are "" || fail "over, by the stream: $(alarms)"

# ---- a BMC that takes no subscription, but offers a stream ---------------------------------------------------------------
sed -i 's|events = "sse";|url = "https://127.0.0.1:1";|' "$dir/nightshift.conf"
ns reload >/dev/null
await 20 doctor_says '^ways ok 2 events, 1 a stream of events' || fail "push first: $(doctor)"
lab fail r1h02 psu >/dev/null
await 10 alarms_are "r1h02/power.supply.failed/PSU.Slot.1" && ok "its stream is read in place of that" || fail "by the stream: $(alarms)"
lab events r1h02 stream >/dev/null
await 20 doctor_says '^ways ok 3 events' && ok "until it takes one" || fail "push: $(doctor)"
lab events r1h02 full >/dev/null
lab forget r1h02 >/dev/null
await 20 doctor_says '^ways ok 2 events, 1 no events; 1 polled' && ok "and when it offers nothing, it is polled" || fail "poll: $(doctor)"
lab repair r1h02 psu >/dev/null
await 20 alarms_are "" && ok "which clears what the stream raised" || fail "by polling: $(alarms)"

# ---- metric reports by the stream --------------------------------------------------------------------------------------
sed -i 's|url = "https://127.0.0.1:1";|events = "sse"; poll = "never";|' "$dir/nightshift.conf"
lab events r1h02 stream >/dev/null
ns reload >/dev/null
await 20 doctor_says '^ways ok 2 a stream of events' || fail "streams: $(doctor)"
await 10 broken '2 of 2 are open' || fail "streams: $(doctor)"
has "who is neither heard nor polled" "$(doctor)" '^blind warning 1 BMCs send no events, and are not polled'
lab heat r1h02 60 >/dev/null
await 20 alarms_are "r1h02/inlet.hot/metric=InletTemp,report=Inlets,property=Inlet" || fail "a report: $(alarms)"
lab heat r1h02 20 >/dev/null
await 20 alarms_are "" && ok "a metric report raises a signal, and clears it" || fail "cool: $(alarms)"
verdict
