#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The redfish driver against the lab's BMCs over real HTTPS: each verb, what a BMC can do wrong, and 1,000 at once.
# What the driver says must agree with the lab's ledger.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq
answer_seconds=60
never_said=nightshift-lab.*nightshift-lab

world() { # OPTION...: a lab, and a driver host that keeps its devices open between calls
    lab_start --redfish-share 100 --off-delay 60ms --on-delay 60ms --boot-delay 300ms --soft-delay 100ms \
        --write-inventory "$dir/inventory.conf" "$@"
    sed -i 's/driver = "redfish";/driver = "redfish"; poll = "60ms"; off_time = "100ms";/' "$dir/inventory.conf"
    drive_open "$dir/inventory.conf" "$dir"
}
world_end() { # The driver host, then the lab
    drive_stop
    lab_stop
    ledger_seen=0
    rm -rf "$dir/lab" "$dir/ledger.jsonl"
}
sessions() { # HOST: sessions there are
    curl -sk -u admin:nightshift-lab "https://$(address_of "$1"):$https_port/redfish/v1/SessionService/Sessions" |
        jq '."Members@odata.count"'
}
requests() { lab state "$1" | jq .requests; }

# ---- each verb ------------------------------------------------------------------------------------------------------
world --racks 1 --hosts 12
before=$(requests r1h01)
call r1h01 power.status
is "a first status: the systems, the system" "$(($(requests r1h01) - before))" 2
is "a first status needs no session" "$(sessions r1h01)" 0
told "status: on" '.result | "\(.power) \(.health) \(.boot)"' "on OK OSRunning"
call r1h01 power.status
told "the second status opens one" '.result | "\(.power) \(.health) \(.boot)"' "on OK OSRunning"
before=$(requests r1h01)
call r1h01 power.status
is "a later status is one request" "$(($(requests r1h01) - before))" 1
is "one session" "$(sessions r1h01)" 1

# Former lives that were killed left their sessions: none is left, and the BMC is asked all the same.
for _ in $(seq 16); do
    curl -sk -o "$dir/login" -H 'Content-Type: application/json' -d '{"UserName":"admin","Password":"nightshift-lab"}' \
        "https://$(address_of r1h12):$https_port/redfish/v1/SessionService/Sessions"
done
is "all sessions are taken" "$(sessions r1h12)" 16
call r1h12 power.status
call r1h12 power.status
told "status without a session" '.result.power' on
call r1h12 power.cycle
told "cycle without a session" '.result | "\(.power) \(.changed)"' "on true"

call r1h01 power.on
told "on when on" '.result | "\(.power) \(.changed)"' "on false"
ledger_is "on when on" r1h01 ""
call r1h01 power.off
told "off" '.result | "\(.power) \(.changed) \(.reset)"' "off true ForceOff"
lab_is r1h01 power off || fail "off: it is not"
call r1h01 power.off
told "off when off" '.result | "\(.power) \(.changed)"' "off false"
call r1h01 reset.hard
outcome "reset when off" conflict false "the host is off"
call r1h01 reset.soft
outcome "soft reset when off" conflict false
call r1h01 power.cycle
told "cycle when off is on" '.result | "\(.power) \(.changed) \(.reset)"' "on true On"
ledger_is "off and on" r1h01 "redfish ForceOff 204 off" "redfish On 204 on"
lab_await r1h01 os_up true

ledger_mark
call r1h01 power.cycle
told "cycle" '.result | "\(.power) \(.changed)"' "on true"
has "cycle: what really happened" "$(physics_of r1h01)" '^off on( os-up)?$'
ledger_is "cycle" r1h01 "redfish ForceOff 204 off" "redfish On 204 on"
lab_await r1h01 os_up true
call r1h01 reset.hard
told "hard reset" '.result | "\(.power) \(.changed) \(.reset) \(.restart_seen)"' "on true ForceRestart true"
lab_await r1h01 os_up true
call r1h01 reset.soft
told "soft reset" '.result | "\(.power) \(.changed) \(.reset) \(.restart_seen)"' "on true GracefulRestart true"
ledger_is "resets" r1h01 "redfish ForceRestart 204 reset" "redfish GracefulRestart 204 reset"

call r1h01 identify
told "identify" '.result.lit' true
lab_is r1h01 identify true || fail "identify: it is not lit"
call r1h01 identify lit=false
told "identify off" '.result.lit' false
ledger_is "identify" r1h01 "redfish identify on ok identify" "redfish identify off ok identify-off"

lab fail r1h01 memory >/dev/null
lab repair r1h01 memory >/dev/null
call r1h01 log.read count=2
told "log: the newest first" '.result.entries | length as $n | "\($n) \(.[0].severity) \(.[1].severity) \(.[1].sensor)"' "2 OK Critical memory"

# ---- who, and which machine -----------------------------------------------------------------------------------------
# The doctor looks with the account it was given, and changes nothing.
doctored() { # WHAT ACCOUNT STATE-OF-permissions WORDS
    call r1h01 redfish.doctor set.user="$2"
    told "$1" '[.result.checks[] | select(.check == "permissions" or .check == "identity" or .check == "actions") | .state] | join(" ")' "ok ok $3"
    has "$1: words" "$(jq -r '.result.checks[] | select(.check == "permissions") | .text' <<<"$out")" "$4"
}
doctored "doctor: an administrator" admin ok 'Operator would be enough'
doctored "doctor: an operator" operator ok 'role is Operator'
doctored "doctor: one that only reads" monitor failed 'every action would be refused'
call r1h02 power.off set.password=wrong
outcome "wrong password" auth false "401"
call r1h02 power.off set.password=wrong
is "a refused login is not repeated within a call" "$(jq -r .trace <<<"$out" | grep -c 'login -> 401')" 1
call r1h02 power.off set.user=monitor
outcome "no privilege" denied false "does not have the privilege"
ledger_is "refused" r1h02 ""
call r1h02 power.off set.serial=WRONG1
outcome "another serial number" mismatch false "another machine: the BMC tells serial number .*WRONG1"
call r1h02 power.cycle set.uuid=00000000-0000-4000-8000-000000000000
outcome "another UUID" mismatch false "another machine: the BMC tells UUID"
call r1h02 power.off set.system=Nowhere
outcome "no such system" not-found false "there is no system Nowhere; there are System.Embedded.1"
ledger_is "mismatch" r1h02 ""
call r1h02 power.status set.system=Nowhere
outcome "no such system, first reading" not-found false "there is no system Nowhere; there are System.Embedded.1"
call r1h02 power.status set.system=System.Embedded.1
is "a first status of a system that is named is one request" "$(jq -r .trace <<<"$out" | grep -c -- ' -> ')" 1
call r1h02 power.status set.system=
told "the only system, first reading" .result.power on
call r1h02 power.status set.password=wrong
outcome "wrong password, first reading" auth false "401"
is "wrong password, first reading: basic once, login once" "$(jq -r .trace <<<"$out" | grep -c -- '-> 401')" 2
call r1h02 power.status set.auth=basic
told "basic authentication" .result.power on
call r1h02 power.status set.tls=insecure set.ca_file=
told "insecure, said explicitly" .result.power on
call r1h02 power.status set.ca_file=
outcome "not in the system's authorities" mismatch false
pin=$(openssl s_client -connect "$(address_of r1h02):$https_port" </dev/null 2>/dev/null | openssl x509 -pubkey -noout |
    openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
call r1h02 power.status set.tls=pin set.ca_file= "set.pinned_key=sha256//$pin"
told "pinned key" .result.power on
call r1h02 power.off set.tls=pin set.ca_file= "set.pinned_key=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
outcome "another key than the pinned one" mismatch false
call r1h02 power.status set.tls=none
outcome "https address without TLS" invalid false 'https:// needs tls'
call r1h02 power.status set.password=
outcome "no password" invalid false "want user and password"
is "each closed device logged out" "$(sessions r1h02)" 0
ledger_is "nothing was switched" r1h02 ""

# ---- what a BMC does wrong ------------------------------------------------------------------------------------------
call r1h03 power.status
call r1h03 power.status
lab forget r1h03 >/dev/null
before=$(requests r1h03)
call r1h03 power.off
told "session forgotten: a new one, the order sent once" '.result | "\(.power) \(.changed)"' "off true"
has "session forgotten: trace" "$out" '-> 401.*login -> 201'
ledger_is "session forgotten" r1h03 "redfish ForceOff 204 off"

call r1h04 power.status
lab busy r1h04 7 >/dev/null
call r1h04 power.off
outcome "busy" busy false "temporarily unavailable"
told "busy: when to come back" .retry_after_ms 7000
lab honest r1h04 >/dev/null
lab deny r1h04 >/dev/null
call r1h04 power.off
outcome "credentials refused now" auth false
lab honest r1h04 >/dev/null
lab garbage r1h04 >/dev/null
call r1h04 power.off
outcome "garbage" protocol false
lab honest r1h04 >/dev/null
lab hang r1h04 >/dev/null
call r1h04 power.off timeout=1500
# In the handshake, when the connection had to be made anew.
told "silence before the order" '(.code | test("^(timeout|unreachable)$")) and (.effect_possible | not)' true
lab honest r1h04 >/dev/null
lab late r1h04 300ms >/dev/null
call r1h04 power.status
told "late" .result.power on
lab honest r1h04 >/dev/null
lab lie r1h04 accepts >/dev/null
call r1h04 power.off timeout=1500
outcome "accepted, and nothing happens" unverified true "accepted ForceOff, but the host is still on"
call r1h04 reset.hard timeout=1500
outcome "accepted, and no restart" unverified true "did not restart"
lab honest r1h04 >/dev/null
ledger_is "sent once each" r1h04 "redfish ForceOff 204 none (ignored)" "redfish ForceRestart 204 none (ignored)"

lab fail r1h05 hung >/dev/null
call r1h05 reset.soft timeout=1500
outcome "a hung system does not restart by itself" unverified true
lab repair r1h05 >/dev/null
lab lose-power r1h06 >/dev/null
call r1h06 power.status timeout=1500
has "no power at the BMC" "$(jq -r .code <<<"$out")" '^(timeout|unreachable)$'
lab restore-power r1h06 >/dev/null

# Cancelled at many moments of a cycle: one outcome each, an effect is admitted when the order left.
for after in 1 20 60 100 140 200 260; do
    call r1h07 power.cycle cancel=$after
    has "cancel after $after ms" "$(jq -r '"\(.code) \(.effect_possible)"' <<<"$out")" '^(cancelled (true|false)|ok false)$'
    if [ "$(jq -r .effect_possible <<<"$out")" = false ] && [ "$(jq -r .code <<<"$out")" = cancelled ]; then
        is "cancel after $after ms: no order left" "$(ledger_new r1h07)" ""
    fi
    call r1h07 power.on
    ledger_mark
    lab_await r1h07 os_up true
done

# A BMC that answers nothing after it got the order.
call r1h08 power.status
call r1h08 power.status
lab late r1h08 2s >/dev/null
call r1h08 power.off timeout=4200
has "no answer to the order" "$(jq -r '"\(.code) \(.effect_possible)"' <<<"$out")" '^(timeout|unknown) true$'
lab honest r1h08 >/dev/null
ledger_is "no answer to the order" r1h08 "redfish ForceOff 204 off"
is "one session for each BMC" "$(sessions r1h08)" 1
world_end

# ---- other BMCs -----------------------------------------------------------------------------------------------------
world --racks 1 --hosts 8 --systems 4 --tasks --action-info --etag-required
call r1h03 power.cycle
told "several systems, tasks, ActionInfo: cycle" '.result | "\(.power) \(.changed)"' "on true"
has "tasks are waited for" "$out" 'TaskMonitors'
ledger_is "the right system" r1h03 "redfish ForceOff 202 off" "redfish On 202 on"
is "the others were not touched" "$(jq -r 'select(.via == "redfish") | .host' "$dir/ledger.jsonl" | sort -u | paste -sd' ')" r1h03
call r1h02 power.off set.system=
told "several systems: found by serial number" '.result | "\(.power) \(.changed)"' "off true"
ledger_is "by serial number" r1h02 "redfish ForceOff 202 off"
call r1h02 power.off set.system= set.serial=
outcome "several systems: none is said" invalid false "System.Embedded.1, System.Embedded.2"
call r1h02 power.off set.system= set.serial=WRONG1
outcome "several systems: none is ours" mismatch false "none of the 4 systems has serial number WRONG1"
call r1h04 identify
told "identify with If-Match" .result.lit true
world_end

world --racks 1 --hosts 2 --plain
call r1h01 reset.hard
told "http, said explicitly" '.result.restart_seen' true
call r1h01 power.status set.tls=verify
outcome "http address with TLS" invalid false
world_end

# ---- a thousand at once ---------------------------------------------------------------------------------------------
world --racks 4 --hosts 250 --latency 20ms
echo '* power.status' >&"$drive_in"
for ((i = 0; i < 1000; i++)); do
    IFS= read -r -t 120 -u "$drive_out" out && echo "$out"
done >"$dir/outcomes"
is "1,000 at once: each tells" "$(jq -r 'select(.code == "ok" and .result.power == "on") | .host' "$dir/outcomes" | sort -u | wc -l)" 1000
is "1,000 at once: one connection each" "$(lab stats | jq .connections)" 1000
before=$(lab state | jq -s 'map(.requests) | add')
echo '* power.off' >&"$drive_in"
for ((i = 0; i < 1000; i++)); do
    IFS= read -r -t 120 -u "$drive_out" out && echo "$out"
done >"$dir/outcomes"
is "1,000 at once: each is off" "$(jq -r 'select(.code == "ok" and .result.power == "off") | .host' "$dir/outcomes" | sort -u | wc -l)" 1000
is "1,000 at once: the lab agrees" "$(lab state | jq -r 'select(.power == "off") | .host' | wc -l)" 1000
is "1,000 at once: one order each" "$(jq -r 'select(.via == "redfish") | .request' "$dir/ledger.jsonl" | sort | uniq -c | tr -s ' ')" " 1000 ForceOff"
is "1,000 at once: still one connection each" "$(lab stats | jq .connections_peak)" 1000
world_end
verdict
