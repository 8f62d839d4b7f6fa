#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The lab's BMCs against clients that nobody here wrote; after each the ledger must agree.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs ipmitool ipmipower ipmi-sel bmc-info redfishtool fence_ipmilan fence_redfish curl jq

# Odd hosts speak Redfish, even ones IPMI.
lab_start --racks 1 --hosts 8 --off-delay 50ms --on-delay 50ms --cycle-delay 100ms --boot-delay 100ms --soft-delay 100ms
lab fail r1h08 psu >/dev/null # So that there is a line to start from.
ledger_mark

# ---- ipmitool, both suites ------------------------------------------------------------------------------------------
ipmi_host=r1h02
ipmi_address=$(address_of $ipmi_host)
tool() { # USER PASSWORD SUITE WORD...
    local user=$1 password=$2 suite=$3
    shift 3
    timeout 20 ipmitool -I lanplus -N 1 -R 2 -p "$ipmi_port" -H "$ipmi_address" -U "$user" -P "$password" -C "$suite" "$@" 2>&1
}
admin() { tool admin nightshift-lab "$@"; }
cycled() { [[ "$(physics_of $ipmi_host)" == "off on os-up off"* ]]; }
for suite in 17 3; do
    has "ipmitool -C $suite status" "$(admin $suite chassis power status)" '^Chassis Power is on$'
    has "ipmitool -C $suite off" "$(admin $suite chassis power off)" 'Down/Off$'
    lab_await $ipmi_host power off
    has "ipmitool -C $suite status when off" "$(admin $suite chassis power status)" '^Chassis Power is off$'
    has "ipmitool -C $suite reset when off is refused" "$(admin $suite chassis power reset || true)" 'not supported in present state'
    has "ipmitool -C $suite on" "$(admin $suite chassis power on)" 'Up/On$'
    lab_await $ipmi_host os_up true
    has "ipmitool -C $suite cycle" "$(admin $suite chassis power cycle)" 'Cycle$'
    await 15 cycled || fail "the cycle did not happen: $(physics_of $ipmi_host)" # Off for too short to be seen.
    lab_await $ipmi_host os_up true
    has "ipmitool -C $suite reset" "$(admin $suite chassis power reset)" 'Reset$'
    lab_await $ipmi_host os_up true
    has "ipmitool -C $suite soft" "$(admin $suite chassis power soft)" 'Soft$'
    lab_await $ipmi_host power off
    is "ipmitool -C $suite: what really happened" "$(physics_of $ipmi_host)" "off on os-up off on os-up reset os-up off"
    admin $suite chassis power on >/dev/null
    lab_await $ipmi_host os_up true
    has "ipmitool -C $suite identify" "$(admin $suite chassis identify 30)" '30 seconds'
    lab_await $ipmi_host identify true
    has "ipmitool -C $suite identify off" "$(admin $suite chassis identify 0)" 'off'
    lab_await $ipmi_host identify false
    ledger_is "ipmitool -C $suite" $ipmi_host "ipmi chassis power down 00 off" "ipmi chassis hard reset d5 none" \
        "ipmi chassis power up 00 on" "ipmi chassis power cycle 00 cycle" "ipmi chassis hard reset 00 reset" \
        "ipmi chassis soft shutdown 00 off" "ipmi chassis power up 00 on" "ipmi identify on ok identify" \
        "ipmi identify off ok identify-off"
done

lab fail $ipmi_host memory >/dev/null
lab fail $ipmi_host psu >/dev/null
lab repair $ipmi_host psu >/dev/null
log=$(admin 17 sel elist)
has "ipmitool sel elist: raised" "$log" 'Memory.*Uncorrectable ECC.*Asserted'
has "ipmitool sel elist: cleared" "$log" 'Power Supply.*Failure detected.*Deasserted'
is "ipmitool sel list: lines" "$(admin 3 sel list | wc -l)" 3
has "ipmitool mc info" "$(admin 17 mc info)" 'IPMI Version +: 2.0'
has "ipmitool mc selftest" "$(admin 17 mc selftest)" 'passed'
has "ipmitool sdr list all" "$(admin 17 sdr list all)" '^BMC'
admin 17 sel clear >/dev/null
has "ipmitool sel clear" "$(admin 17 sel list)" 'no entries'
ledger_is "SEL cleared" $ipmi_host "ipmi clear SEL 00 sel-clear"
lab repair $ipmi_host >/dev/null

for suite in 17 3; do
    has "wrong password, -C $suite" "$(tool admin wrong $suite chassis power off || true)" 'Unable to establish'
    has "unknown user, -C $suite" "$(tool nobody nightshift-lab $suite chassis power off || true)" 'Unable to establish'
done
has "suite 0 is not spoken" "$(tool admin anything 0 chassis power off || true)" 'Unable to establish|no matching cipher suite'
has "a user may not switch" "$(tool monitor nightshift-lab 17 -L USER chassis power off || true)" 'Insufficient privilege'
has "a user may look" "$(tool monitor nightshift-lab 17 -L USER chassis power status)" 'is on$'
has "an operator may switch" "$(tool operator nightshift-lab 17 -L OPERATOR chassis power on)" 'Up/On'
has "IPMI 1.5 is not spoken" "$(timeout 20 ipmitool -I lan -N 1 -R 1 -p "$ipmi_port" -H "$ipmi_address" -U admin \
    -P nightshift-lab chassis power status 2>&1 || true)" 'Unable to establish'
ledger_is "refusals" $ipmi_host "ipmi chassis control d4 none" "ipmi chassis power up 00 none"

# ---- FreeIPMI over a range of hosts ---------------------------------------------------------------------------------
range="${base%0}[2,4,6,8]:$ipmi_port"
power() { ipmipower -D LAN_2_0 -h "$range" -u admin -p "${password:-nightshift-lab}" -l ADMIN "$@" 2>&1; }
for suite in 17 3; do
    is "ipmipower -I $suite --stat" "$(power -I $suite --stat | grep -c ': on$')" 4
done
is "ipmipower --off --wait-until-off" "$(power -I 17 --off --wait-until-off | grep -c ': ok$')" 4
is "they are off" "$(lab state all | jq -r 'select(.kind == "ipmi").power' | paste -sd' ')" "off off off off"
is "ipmipower --stat when off" "$(power -I 17 --stat | grep -c ': off$')" 4
is "ipmipower --on --wait-until-on" "$(power -I 3 --on --wait-until-on | grep -c ': ok$')" 4
ledger_is "ipmipower" r1h06 "ipmi chassis power down 00 off" "ipmi chassis power up 00 on"
is "ipmipower, wrong password" "$(password=wrong power -I 17 --stat | grep -c 'password invalid')" 4
lab fail r1h04 memory >/dev/null
has "ipmi-sel" "$(ipmi-sel -D LAN_2_0 -h "$(address_of r1h04):$ipmi_port" -u admin -p nightshift-lab 2>&1)" 'Uncorrectable memory error'
has "bmc-info" "$(bmc-info -D LAN_2_0 -h "$(address_of r1h04):$ipmi_port" -u admin -p nightshift-lab 2>&1)" 'IPMI Version +: 2.0'

# ---- fence_ipmilan --------------------------------------------------------------------------------------------------
ledger_mark
lab_await r1h06 os_up true
fence() { # ACTION OPTION...
    fence_ipmilan -a "$(address_of r1h06)" --ipport="$ipmi_port" -l admin -p "${password:-nightshift-lab}" -P -C 17 -o "$@" 2>&1
}
has "fence_ipmilan status" "$(fence status)" 'Status: ON'
has "fence_ipmilan off" "$(fence off)" 'Powered OFF|Already OFF'
has "fence_ipmilan status when off" "$(fence status || true)" 'Status: OFF'
has "fence_ipmilan on" "$(fence on)" 'Powered ON'
has "fence_ipmilan reboot" "$(fence reboot)" 'Rebooted'
has "fence_ipmilan reboot by cycle" "$(fence reboot -m cycle)" 'Rebooted'
ledger_is "fence_ipmilan" r1h06 "ipmi chassis power down 00 off" "ipmi chassis power up 00 on" \
    "ipmi chassis power down 00 off" "ipmi chassis power up 00 on" "ipmi chassis power cycle 00 cycle"
password=wrong
if fence status >/dev/null; then fail "fence_ipmilan: a wrong password is taken"; else ok "fence_ipmilan, wrong password"; fi
password=

# ---- redfishtool ----------------------------------------------------------------------------------------------------
redfish_host=r1h01
redfish=$(address_of $redfish_host):$https_port
rtool() { # AUTHENTICATION WORD...
    local how=$1
    shift
    redfishtool -A "$how" -r "$redfish" -u admin -p "${password:-nightshift-lab}" -S Always "$@" 2>&1
}
system="Systems -I System.Embedded.1"
is "redfishtool root" "$(rtool Basic root | jq -r .RedfishVersion)" 1.11.0
is "redfishtool Systems list" "$(rtool Basic Systems list | jq -r '.Members[0].Id')" System.Embedded.1
for how in Basic Session; do
    # shellcheck disable=SC2086
    {
        is "redfishtool $how PowerState" "$(rtool $how $system -P PowerState get | jq -r .PowerState)" On
        rtool $how $system reset ForceOff
        lab_await $redfish_host power off
        is "redfishtool $how PowerState when off" "$(rtool $how $system -P PowerState get | jq -r .PowerState)" Off
        has "redfishtool $how ForceRestart when off is refused" "$(rtool $how $system reset ForceRestart || true)" '409'
        rtool $how $system reset On
        lab_await $redfish_host os_up true
        rtool $how $system reset GracefulRestart
        lab_await $redfish_host os_up true
        await 10 eval '[ "$(physics_of $redfish_host)" = "off on os-up reset os-up" ]' || fail "GracefulRestart: $(physics_of $redfish_host)"
        rtool $how $system reset ForceRestart
        lab_await $redfish_host os_up true
        rtool $how $system reset PowerCycle
        await 15 eval '[[ "$(physics_of $redfish_host)" == *"reset os-up reset os-up off"* ]]' || fail "PowerCycle: $(physics_of $redfish_host)"
        lab_await $redfish_host os_up true
        rtool $how $system reset GracefulShutdown
        lab_await $redfish_host power off
        rtool $how $system reset On
        lab_await $redfish_host os_up true
        is "redfishtool $how: what really happened" "$(physics_of $redfish_host)" \
            "off on os-up reset os-up reset os-up off on os-up off on os-up"
        is "redfishtool $how Chassis setIndicatorLed" \
            "$(rtool $how Chassis -I System.Embedded.1 setIndicatorLed Blinking | jq -r .IndicatorLED)" Blinking
        lab_await $redfish_host identify true
        rtool $how Chassis -I System.Embedded.1 setIndicatorLed Off >/dev/null
        lab_await $redfish_host identify false
    }
    ledger_is "redfishtool $how" $redfish_host "redfish ForceOff 204 off" "redfish ForceRestart 409 none" "redfish On 204 on" \
        "redfish GracefulRestart 204 reset" "redfish ForceRestart 204 reset" "redfish PowerCycle 204 cycle" \
        "redfish GracefulShutdown 204 off" "redfish On 204 on" "redfish identify on ok identify" \
        "redfish identify off ok identify-off"
done
has "redfishtool, wrong password" "$(password=wrong rtool Basic Systems list || true)" '401'

# ---- fence_redfish --------------------------------------------------------------------------------------------------
rfence() { # ACTION
    fence_redfish -a "${redfish%:*}" --ipport="$https_port" -l admin -p nightshift-lab --ssl-insecure \
        --systems-uri=/redfish/v1/Systems/System.Embedded.1 -o "$@" 2>&1
}
has "fence_redfish status" "$(rfence status)" 'Status: ON'
has "fence_redfish off" "$(rfence off)" 'Powered OFF'
has "fence_redfish status when off" "$(rfence status || true)" 'Status: OFF'
has "fence_redfish on" "$(rfence on)" 'Powered ON'
lab_await $redfish_host power on
has "fence_redfish reboot" "$(rfence reboot)" 'Rebooted'
ledger_is "fence_redfish" $redfish_host "redfish ForceOff 204 off" "redfish On 204 on" "redfish ForceOff 204 off" "redfish On 204 on"

# ---- curl: sessions, ETag, who may what ---------------------------------------------------------------------------------
web() { # PATH OPTION...: with the lab's own authority, no -k
    local path=$1
    shift
    curl -sS --max-time 10 --cacert "$dir/lab/ca.pem" "$@" "https://$redfish$path"
}
code() { web "$@" -o /dev/null -w '%{http_code}'; }
one=/redfish/v1/Systems/System.Embedded.1
is "curl verifies the certificate" "$(code /redfish/v1/)" 200
is "/redfish names v1" "$(web /redfish | jq -r .v1)" /redfish/v1/
is "no credentials" "$(code /redfish/v1/Systems)" 401
is "wrong ones" "$(code /redfish/v1/Systems -u admin:wrong)" 401
is "an unknown path" "$(code /redfish/v1/Nothing -u admin:nightshift-lab)" 404
is "a method that is not allowed" "$(code $one -u admin:nightshift-lab -X DELETE)" 405
is "a monitor may look" "$(code $one -u monitor:nightshift-lab)" 200
is "a monitor may not reset" "$(code $one/Actions/ComputerSystem.Reset -u monitor:nightshift-lab -d '{"ResetType":"ForceOff"}')" 403
is "HEAD has no body" "$(web $one -u admin:nightshift-lab -I | grep -c PowerState || true)" 0
login=$(web /redfish/v1/SessionService/Sessions -D "$dir/head" -d '{"UserName":"admin","Password":"nightshift-lab"}')
token=$(sed -n 's/^X-Auth-Token: *\([0-9a-f]*\)\r*$/\1/p' "$dir/head")
session=$(sed -n 's/^Location: *\([^ \r]*\)\r*$/\1/p' "$dir/head")
is "login names the user" "$(jq -r .UserName <<<"$login")" admin
is "a token serves" "$(code $one -H "X-Auth-Token: $token")" 200
is "a wrong token does not" "$(code $one -H "X-Auth-Token: 0123")" 401
is "logout" "$(code "$session" -X DELETE -H "X-Auth-Token: $token")" 204
is "the token is gone" "$(code $one -H "X-Auth-Token: $token")" 401
is "a wrong login" "$(code /redfish/v1/SessionService/Sessions -d '{"UserName":"admin","Password":"x"}')" 401
ledger_mark
etag=$(web $one -u admin:nightshift-lab -D - -o /dev/null | sed -n 's/^ETag: *\(.*\)\r$/\1/p')
patch() { code $one -u admin:nightshift-lab -X PATCH -d "$1" "${@:2}"; }
is "PATCH with the ETag" "$(patch '{"IndicatorLED":"Lit"}' -H "If-Match: $etag")" 200
is "PATCH with the one before" "$(patch '{"IndicatorLED":"Off"}' -H "If-Match: $etag")" 412
is "PATCH of another property" "$(patch '{"SerialNumber":"1"}')" 400
is "PATCH with a value that is none" "$(patch '{"IndicatorLED":"Loud"}')" 400
is "PATCH of LocationIndicatorActive" "$(patch '{"LocationIndicatorActive":false}')" 200
is "a body that is no JSON" "$(code $one/Actions/ComputerSystem.Reset -u admin:nightshift-lab -d '{"ResetType":')" 400
is "a ResetType that is none" "$(code $one/Actions/ComputerSystem.Reset -u admin:nightshift-lab -d '{"ResetType":"Explode"}')" 400
ledger_is "curl" $redfish_host "redfish identify on ok identify" "redfish identify off ok identify-off" "redfish Explode 400 none"
lab fail $redfish_host memory >/dev/null
has "LogServices" "$(web $one/LogServices/SEL/Entries -u admin:nightshift-lab | jq -r '.Members[0].Message')" 'memory'
is "several requests in one connection" \
    "$(curl -sS --cacert "$dir/lab/ca.pem" -u admin:nightshift-lab -w '%{num_connects} ' -o /dev/null -o /dev/null -o /dev/null \
        "https://$redfish$one" "https://$redfish$one" "https://$redfish$one")" "1 0 0 "
lab forget $redfish_host >/dev/null
lab_stop
is "the ledger says all of it, in order" "$(jq .seq "$dir/ledger.jsonl" | awk '$1 != NR' | wc -l)" 0

# ---- several systems behind one BMC, tasks, ActionInfo, ETags wanted -----------------------------------------------------
rm "$dir/ledger.jsonl"
ledger_seen=0
lab_start --racks 1 --hosts 4 --systems 4 --redfish-share 100 --tasks --action-info --etag-required --sessions-max 2 \
    --off-delay 200ms --on-delay 200ms --boot-delay 100ms
redfish=${base%0}1:$https_port
is "one BMC for four hosts" "$(lab stats | jq -c '[.hosts, .bmcs]')" "[4,1]"
is "four members" "$(rtool Basic Systems list | jq '.Members | length')" 4
is "the third host's serial" "$(web /redfish/v1/Systems/System.Embedded.3 -u admin:nightshift-lab | jq -r .HostName)" r1h03
is "allowable values are not inline" \
    "$(web $one -u admin:nightshift-lab | jq '.Actions["#ComputerSystem.Reset"] | has("ResetType@Redfish.AllowableValues")')" false
info=$(web $one -u admin:nightshift-lab | jq -r '.Actions["#ComputerSystem.Reset"]["@Redfish.ActionInfo"]')
has "ActionInfo" "$(web "$info" -u admin:nightshift-lab | jq -c '.Parameters[0].AllowableValues')" '"ForceOff"'
target=/redfish/v1/Systems/System.Embedded.3/Actions/ComputerSystem.Reset
monitor=$(web $target -u admin:nightshift-lab -d '{"ResetType":"ForceOff"}' -D - -o "$dir/task" | sed -n 's/^Location: *\([^ \r]*\)\r*$/\1/p')
is "202 with a task" "$(jq -r .TaskState "$dir/task")" Running
is "the monitor says not yet" "$(code "$monitor" -u admin:nightshift-lab)" 202
await 10 eval '[ "$(web "$(jq -r "[\"@odata.id\"][0] as \$k | .[\$k]" "$dir/task")" -u admin:nightshift-lab | jq -r .TaskState)" = Completed ]' ||
    fail "the task does not complete"
is "then its result" "$(code "$monitor" -u admin:nightshift-lab)" 204
is "and is gone" "$(code "$monitor" -u admin:nightshift-lab)" 404
lab_await r1h03 power off
is "only that system is off" "$(lab state all | jq -r .power | paste -sd' ')" "on on off on"
ledger_is "one of four" r1h03 "redfish ForceOff 202 off"
is "PATCH without an ETag" "$(patch '{"IndicatorLED":"Lit"}')" 428
has "redfishtool sends it" "$(rtool Basic Chassis -I System.Embedded.2 setIndicatorLed Lit)" 'Blinking|Lit'
lab_await r1h02 identify true
is "fence_redfish through tasks" "$(rfence off | grep -c 'Powered OFF')" 1
is "fence_redfish: that host" "$(lab state r1h01 | jq -r .power)" off
for n in 1 2; do
    is "session $n of 2" "$(code /redfish/v1/SessionService/Sessions -d '{"UserName":"admin","Password":"nightshift-lab"}')" 201
done
is "no third one" "$(code /redfish/v1/SessionService/Sessions -d '{"UserName":"admin","Password":"nightshift-lab"}')" 503
verdict
