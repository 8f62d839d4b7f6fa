#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# BMCs whose events cannot be had are polled: one without EventService, one that takes no subscription. A polled health is the
# alarm that the event would have been, whichever way it comes and goes; a policy heals by it; over a kill -9 nothing hangs.
# Sensors of both generations and metric reports, polled and posted, become signals.
source "$(dirname "$0")/common.sh"
needs curl jq openssl python3
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
api_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$dir/policies" "$dir/credentials"
chmod 700 "$dir/credentials"
(umask 077 && openssl rand -hex 32 >"$dir/credentials/redfish.key")
lab_start --redfish-share 100 --racks 1 --hosts 4 --plain --boot-delay 300ms --write-inventory "$dir/inventory.conf"
lab events r1h01 none >/dev/null
lab events r1h02 full >/dev/null
cat >"$dir/policies/memory.policy" <<'EOT'
policies: ( { name = "memory"; summary = "A module that failed: power-cycle"; owner = "t"; subject = "host"; mode = "enforce";
  when = { event = "memory.failed"; severity = "critical"; };
  do = ( { step = "cycle"; action = "power.cycle"; timeout = "1m"; }, { step = "ok"; check = "cleared"; within = "30s"; every = "1s"; } ); } );
EOT
cat >"$dir/policies/hot.policy" <<'EOT'
policies: ( { name = "hot"; summary = "A hot inlet: off"; owner = "t"; subject = "host"; mode = "enforce";
  when = { event = "inlet.hot"; severity = "critical"; };
  do = ( { step = "off"; action = "power.off"; timeout = "1m"; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$api_port"; };
credentials = "credentials"; drivers = "$NS_BUILD/drivers";
sources = ( { name = "bmcs"; type = "redfish"; format = "redfish"; key = "file:redfish.key"; url = "http://127.0.0.1:$api_port";
              every = "1s"; poll_every = "1s"; reports = true; } );
signals: ( { name = "inlet"; metric = "redfish_temperature_celsius"; raise = { above = 40.0; }; clear = { below = 35.0; };
             severity = "critical"; event = "inlet.warm"; },
           { name = "report"; metric = "redfish_metric"; labels = { metric = "InletTemp"; }; raise = { above = 50.0; };
             clear = { below = 45.0; }; severity = "critical"; event = "inlet.hot"; } );
EOT
daemon_start

alarms() { ns alarm list -o json | jq -r '[.items[] | select(.state == "raised") | "\(.host)/\(.type)/\(.resource)"] | sort | join(" ")'; }
alarms_are() { [ "$(alarms)" = "$1" ]; }
events_of() { ns event list --type "$1" --host "$2" -o json | jq -r '[.items[].state] | join(" ")'; } # TYPE HOST: newest first
doctor() { ns source doctor bmcs -o json | jq -r '.checks[] | "\(.check) \(.state) \(.text) \(.hint)"'; }
doctor_says() { doctor | grep -qE -- "$1"; }
subscriptions=/redfish/v1/EventService/Subscriptions
bmc() { curl -s -u admin:nightshift-lab "${@:3}" "http://$(address_of "$1"):$https_port$2"; } # HOST PATH [OPTION...]
psu=/redfish/v1/Chassis/System.Embedded.1/Power/PowerSupplies/PSU.Slot.1
send() { # HOST KEY SEVERITY NUMBER: the event of a BMC, as its subscription says
    local said body
    said=$(bmc "$1" "$(bmc "$1" "$subscriptions" | jq -r '.Members[0]."@odata.id"')")
    body=$(jq -nc --arg c "$(jq -r .Context <<<"$said")" --arg k "ResourceEvent.1.3.$2" --arg s "$3" --arg n "$4" --arg at "$psu" '{Context: $c, Id: $n,
        Events: [{EventType: "Alert", MemberId: $n, EventTimestamp: "2026-01-10T04:05:06Z", MessageId: $k, MessageSeverity: $s, OriginOfCondition: {"@odata.id": $at}}]}')
    curl -s --interface "$(address_of "$1")" -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "$body" \
        "$(jq -r .Destination <<<"$said")"
}

# ---- which way, and why ------------------------------------------------------------------------------------------------
await 30 doctor_says '2 events, 2 no events; 2 polled, of which 0' || fail "the ways: $(doctor)"
ok "two are subscribed, two are polled"
both_polled() { [ "$(doctor | grep -c '^polled ok')" = 2 ]; }
await 20 both_polled || fail "polled: $(doctor)"
has "why: no EventService" "$(doctor)" "polled ok http://$(address_of r1h01):[0-9]+: no events; polled: .*no EventService"
has "why: no subscription" "$(doctor)" "polled ok http://$(address_of r1h02):[0-9]+: no events; polled: POST .*503.*SubscriptionLimit"
is "a healthy BMC says nothing" "$(alarms) $(ns event list -o json | jq '[.items[] | select(.source == "bmcs")] | length')" " 0"

# ---- a polled state is the event's alarm -------------------------------------------------------------------------------
lab fail r1h02 psu >/dev/null
await 20 alarms_are "r1h02/power.supply.failed/PSU.Slot.1" || fail "polled: $(alarms)"
ok "a supply, by polling"
daemon_kill
lab repair r1h02 psu >/dev/null
daemon_start
await 20 alarms_are "" || fail "what was mended while the daemon was dead: $(alarms)"
ok "what was mended while the daemon was dead does not hang"
is "one raise, one clear" "$(events_of power.supply.failed r1h02)" "clear raise"

# ---- events and polls: neither raises twice, either clears -------------------------------------------------------------
sed -i 's|poll_every = "1s";|poll_every = "1s"; poll = "always";|' "$dir/nightshift.conf"
ns reload >/dev/null
await 20 doctor_says '4 polled, of which 0' || fail "always: $(doctor)"
subscribed() { [ "$(bmc r1h03 "$subscriptions" | jq '."Members@odata.count"')" = 2 ]; }
await 20 subscribed || fail "events and metric reports: $(bmc r1h03 "$subscriptions")"
polls() { ns source doctor bmcs -o json | jq -r '.checks[] | select(.check == "polls") | .text' | cut -d' ' -f1; }
more_polls() { [ "$(polls)" -ge "$1" ]; }
rounds() { local now; now=$(polls); await 20 more_polls $((now + 12)) || fail "no polls: $(doctor)"; } # Every BMC twice at least.
lab fail r1h03 psu >/dev/null
await 20 alarms_are "r1h03/power.supply.failed/PSU.Slot.1" || fail "by polling: $(alarms)"
is "its event is taken too" "$(send r1h03 ResourceStatusChangedCritical Critical 1)" 204
lab repair r1h03 psu >/dev/null
await 20 alarms_are "" || fail "cleared by polling, raised by both: $(alarms)"
is "raised by an event" "$(send r1h04 ResourceErrorsDetected Critical 2)" 204
await 20 alarms_are "" && ok "what an event raised a poll clears" || fail "a poll finds it well, and clears it: $(alarms)"
before=$(events_of power.supply.failed r1h04)
is "raised by an event, and so it is" "$(send r1h04 ResourceErrorsDetected Critical 3) $(lab fail r1h04 psu >/dev/null)" "204 "
await 20 alarms_are "r1h04/power.supply.failed/PSU.Slot.1" || fail "raised: $(alarms)"
rounds
rounds
is "polls find it, and do not raise it again" "$(events_of power.supply.failed r1h04)" "raise $before"
lab repair r1h04 psu >/dev/null
await 20 alarms_are "" || fail "over: $(alarms)"

# ---- healing by a polled state -----------------------------------------------------------------------------------------
ledger_mark
lab fail r1h01 memory >/dev/null
healed() { ns run list -o json | jq -e '.items[] | select(.policy == "memory" and .host == "r1h01" and .state == "done")'; }
await 60 healed && ok "a module that failed, found by polling, is healed by a policy" || fail "healed by polling: $(ns run list -o json | jq -c '.items[] | {policy, host, state, reason}') $(alarms)"
has "it was power-cycled" "$(physics_of r1h01)" "off on"
await 20 alarms_are "" || fail "and the alarm is over: $(alarms)"

# ---- values ------------------------------------------------------------------------------------------------------------
lab heat r1h02 45 >/dev/null
await 20 alarms_are "r1h02/inlet.warm/sensor=System Board Inlet Temp" || fail "Thermal: $(alarms)"
lab heat r1h02 20 >/dev/null
await 20 alarms_are "" || fail "cool again: $(alarms)"
ok "a sensor of Thermal is a signal"
lab heat r1h04 55 >/dev/null
off() { lab_is r1h04 power off; }
await 40 off || fail "a metric report: $(alarms) $(ns run list -o json | jq -c '.items[] | {policy, host, state, reason}')"
ok "a metric report raises a signal, a policy acts by it"
verdict
