#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every way in which the lab's hosts and BMCs misbehave, seen by clients that nobody here wrote, and by the ledger.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs ipmitool curl jq snmptrapd python3

quick=(--off-delay 50ms --on-delay 50ms --cycle-delay 50ms --boot-delay 100ms --soft-delay 50ms --bmc-boot-delay 200ms)
lab_start --racks 2 --hosts 4 "${quick[@]}" --retry-after 7
ipmi_host=r1h02 ipmi_address=$(address_of r1h02)
redfish_host=r1h01 redfish=$(address_of r1h01):$https_port
tool() { # WORD...: twice a second, two tries
    timeout 20 ipmitool -I lanplus -C 17 -N "${patience:-1}" -R 1 -p "$ipmi_port" -H "$ipmi_address" -U admin -P nightshift-lab "$@" 2>&1
}
web() { curl -sS --max-time "${patience:-2}" --cacert "$dir/lab/ca.pem" -u admin:nightshift-lab "https://$redfish$1" "${@:2}" 2>&1; }
code() { web "$1" -o /dev/null -w '%{http_code}' "${@:2}"; }
one=/redfish/v1/Systems/System.Embedded.1
reset() { code $one/Actions/ComputerSystem.Reset -d "{\"ResetType\":\"$1\"}"; }
power() { web $one | jq -r .PowerState; }
health() { web $one | jq -r .Status.Health; }
no_faults() { [ "$(lab state "$1" | jq -c .faults)" = "[]" ]; }
ledger_mark_here() { lab push-on r2h04 >/dev/null; ledger_mark; } # A line of its own to count from.
ledger_mark_here

# ---- faults, and what cures them ------------------------------------------------------------------------------------
for host in $ipmi_host $redfish_host; do
    lab fail $host memory >/dev/null
    is "$host: memory" "$(lab state $host | jq -c .faults)" '["memory"]'
done
has "fail: the SEL" "$(tool sel list)" 'Memory.*Uncorrectable ECC.*Asserted'
is "fail: Redfish says so" "$(health)" Critical
reset ForceRestart >/dev/null
await 5 eval '[ "$(physics_of $redfish_host)" = "fault memory reset os-up" ]' || fail "reset: $(physics_of $redfish_host)"
is "a reset does not cure memory" "$(lab state $redfish_host | jq -c .faults)" '["memory"]'
reset PowerCycle >/dev/null
tool chassis power cycle >/dev/null
for host in $ipmi_host $redfish_host; do
    await 5 no_faults $host && ok "$host: a power cycle does" || fail "$host is not cured"
done
is "cured: Redfish says so" "$(health)" OK
has "cured: the SEL" "$(tool sel list)" 'Memory.*Deasserted'
lab_await $ipmi_host os_up true
is "what really happened" "$(physics_of $ipmi_host)" "fault memory off on cured memory os-up"
lab fail $ipmi_host hung >/dev/null
is "hung: no operating system" "$(lab state $ipmi_host | jq .os_up)" false
tool chassis power soft >/dev/null
tool chassis power reset >/dev/null
lab_await $ipmi_host os_up true
is "hung: a soft shutdown is not heard, a reset cures" "$(ledger_new $ipmi_host | tail -2 | paste -sd,)" \
    "ipmi chassis soft shutdown 00 none,ipmi chassis hard reset 00 reset"
lab fail $ipmi_host memory sticky >/dev/null
tool chassis power cycle >/dev/null
await 5 lab_is $ipmi_host os_up false
lab_await $ipmi_host os_up true
is "sticky: nothing cures it" "$(lab state $ipmi_host | jq -c .faults)" '["memory"]'
lab repair $ipmi_host >/dev/null
no_faults $ipmi_host && ok "but a repair" || fail "repair"

# ---- lies -------------------------------------------------------------------------------------------------------------
ledger_mark_here
for host in $ipmi_host $redfish_host; do lab lie $host stays-on >/dev/null; done
tool chassis power off >/dev/null
reset ForceOff >/dev/null
await 5 eval '[ "$(tool chassis power status)" = "Chassis Power is off" ]' || fail "the IPMI BMC does not lie"
await 5 eval '[ "$(power)" = Off ]' || fail "the Redfish BMC does not lie"
is "it says off, and stays on" "$(lab state all | jq -r "select(.host == \"$ipmi_host\" or .host == \"$redfish_host\") | .power" | paste -sd' ')" "on on"
is "ledger: lied, IPMI" "$(ledger_new $ipmi_host)" "ipmi chassis power down 00 none (lied)"
is "ledger: lied, Redfish" "$(ledger_new $redfish_host)" "redfish ForceOff 204 none (lied)"
is "nothing happened" "$(physics_of $ipmi_host)$(physics_of $redfish_host)" ""
for host in $ipmi_host $redfish_host; do lab honest $host >/dev/null; done
is "honest again" "$(tool chassis power status) $(power)" "Chassis Power is on On"
lab lie $ipmi_host accepts >/dev/null
tool chassis power off >/dev/null
sleep 0.2 # Longer than --off-delay: it would have happened by now.
is "accepts: says what is true" "$(tool chassis power status)" "Chassis Power is on"
is "accepts: did nothing" "$(ledger_new $ipmi_host | tail -1)" "ipmi chassis power down 00 none (ignored)"
lab honest $ipmi_host >/dev/null

# ---- BMCs that do not answer, or not in time, or nonsense ------------------------------------------------------------------
ledger_mark_here
for host in $ipmi_host $redfish_host; do lab hang $host >/dev/null; done
has "hang: ipmitool gives up" "$(tool chassis power off || true)" 'Unable to establish'
has "hang: curl times out" "$(patience=1 reset ForceOff || true)" 'timed out|000'
for host in $ipmi_host $redfish_host; do lab honest $host >/dev/null; done
is "hang ended" "$(tool chassis power status) $(power)" "Chassis Power is on On"
is "hang: nothing was done" "$(physics_of $ipmi_host)$(physics_of $redfish_host)" ""
for host in $ipmi_host $redfish_host; do lab mute $host >/dev/null; done
ledger_mark_here
has "mute: ipmitool gets no answer" "$(tool chassis power off || true)" 'No response|Unable|failed|timeout|Timeout'
has "mute: curl neither" "$(patience=1 reset ForceOff || true)" 'timed out'
for host in $ipmi_host $redfish_host; do
    lab_await $host power off
    has "mute: but it was done" "$(ledger_new $host | head -1)" '(chassis power down|ForceOff) lost off'
    lab clear $host >/dev/null
    lab_await $host os_up true
done
lab late $ipmi_host 300ms >/dev/null
lab late $redfish_host 1s >/dev/null
began=$(date +%s%N)
is "late: IPMI" "$(tool chassis power status)" "Chassis Power is on"
took=$((($(date +%s%N) - began) / 1000000))
[ "$took" -ge 1500 ] && ok "late: five answers or more, $took ms" || fail "late: $took ms"
has "late: too late for half a second" "$(patience=0.5 web $one || true)" 'timed out'
is "late: not for five" "$(patience=5 power)" On
for host in $ipmi_host $redfish_host; do lab honest $host >/dev/null; lab garbage $host >/dev/null; done
has "garbage: ipmitool" "$(tool chassis power status || true)" 'Unable|Error|Invalid|failed'
if power >/dev/null 2>&1; then fail "garbage: curl takes it"; else ok "garbage: curl"; fi
for host in $ipmi_host $redfish_host; do lab honest $host >/dev/null; lab deny $host >/dev/null; done
has "deny: ipmitool" "$(tool chassis power status || true)" 'Unable to establish'
is "deny: curl" "$(code $one)" 401
for host in $ipmi_host $redfish_host; do lab honest $host >/dev/null; lab busy $host >/dev/null; done
has "busy: ipmitool" "$(tool chassis power status || true)" 'busy|Busy'
is "busy: curl" "$(code $one)" 503
has "busy: Retry-After" "$(web $one -D - -o /dev/null)" 'Retry-After: 7'
for host in $ipmi_host $redfish_host; do lab honest $host >/dev/null; done
is "all honest" "$(lab state all | jq -c .modes | sort -u)" "[]"

# ---- power lost, with the BMC ----------------------------------------------------------------------------------------------
ledger_mark_here
for host in $ipmi_host $redfish_host; do lab lose-power $host >/dev/null; done
has "lost power: ipmitool" "$(tool chassis power status || true)" 'Unable to establish'
has "lost power: curl" "$(patience=1 web $one || true)" 'timed out'
is "lost power: off" "$(lab state $ipmi_host | jq -c '[.power, .modes]')" '["off",["dead"]]'
lab push-on $ipmi_host >/dev/null
is "lost power: the button does nothing" "$(ledger_new $ipmi_host)" "button on  none"
for host in $ipmi_host $redfish_host; do lab restore-power $host >/dev/null; done
for host in $ipmi_host $redfish_host; do await 5 lab_is $host 'modes|length' 0 || fail "$host: the BMC does not start"; done
is "restored: the host stays off" "$(tool chassis power status) $(power)" "Chassis Power is off Off"
tool chassis power on >/dev/null
is "restored: 204" "$(reset On)" 204
lab_await $ipmi_host os_up true
lab_await $redfish_host os_up true
is "lost power: ledger" "$(physics_of $ipmi_host)" "power-lost power-restored on os-up"

# ---- sessions forgotten, buttons, flapping, together -------------------------------------------------------------------------
token=$(web /redfish/v1/SessionService/Sessions -u : -D - -o /dev/null -d '{"UserName":"admin","Password":"nightshift-lab"}' |
    sed -n 's/^X-Auth-Token: *\([0-9a-f]*\)\r*$/\1/p')
is "a session" "$(curl -sS --cacert "$dir/lab/ca.pem" -H "X-Auth-Token: $token" -o /dev/null -w '%{http_code}' "https://$redfish$one")" 200
lab forget $redfish_host >/dev/null
is "forgotten" "$(curl -sS --cacert "$dir/lab/ca.pem" -H "X-Auth-Token: $token" -o /dev/null -w '%{http_code}' "https://$redfish$one")" 401
lab push-off $redfish_host >/dev/null
lab_await $redfish_host power off
lab push-on $redfish_host >/dev/null
lab_await $redfish_host os_up true
ledger_mark_here
lab flap $ipmi_host psu 3 50ms >/dev/null
await 5 eval '[ "$(physics_of $ipmi_host | grep -o "cured psu" | wc -l)" = 3 ]' || fail "flap: $(physics_of $ipmi_host)"
is "flap: three times" "$(physics_of $ipmi_host)" "fault psu cured psu fault psu cured psu fault psu cured psu"
ledger_mark_here
is "a rack together" "$(lab fail-rack r1 memory)" '{"ok":true,"hosts":4}'
is "a rack: its hosts" "$(lab state r1 | jq -c .faults | sort -u) $(lab state r2 | jq -c .faults | sort -u)" '["memory"] []'
lab clear r1 >/dev/null
is "a feed together" "$(lab fail-feed feed:b)" '{"ok":true,"hosts":4}'
is "a feed: its racks" "$(lab state r1 | jq -c '[.power, .modes]' | sort -u) $(lab state r2 | jq -c '[.power, .modes]' | sort -u)" \
    '["on",[]] ["off",["dead"]]'
lab restore-power feed:b >/dev/null
await 5 eval '[ "$(lab state r2 | jq -c .modes | sort -u)" = "[]" ]' || fail "feed b does not come back"
lab clear all >/dev/null
await 5 eval '[ "$(lab state all | jq -c "[.power, .os_up, .faults, .modes]" | sort -u)" = "[\"on\",true,[],[]]" ]' && ok "clear" || fail "clear"

# ---- mistakes are told --------------------------------------------------------------------------------------------------------
wrong() { # WHAT PATTERN COMMAND...
    local what=$1 pattern=$2 text status=0
    shift 2
    text=$("$@" 2>&1) || status=$?
    [ "$status" != 0 ] || fail "$what: exit status 0"
    has "$what" "$text" "$pattern"
}
wrong "unknown command" 'did you mean fail' lab fial r1h01
wrong "unknown host" 'no host, rack or feed r9h01' lab fail r9h01
wrong "unknown fault" 'unknown fault disk' lab fail r1h01 disk
wrong "a time that is none" 'want a time' lab late r1h01 soon
wrong "unknown option" 'did you mean --racks' "$bin/nightshift-lab" --rakcs 3
wrong "a number that is none" 'want a number from 1 to 1000, got many' "$bin/nightshift-lab" --racks many
wrong "no loopback" 'want a loopback address' "$bin/nightshift-lab" --base 10.0.0.0
wrong "inventory without state" 'needs --state' "$bin/nightshift-lab" --write-inventory "$dir/i"
printf 'at 1s fail r1h01\nin 2s fail r1h02\n' >"$dir/wrong.script"
wrong "a script with a mistake" 'wrong.script:2: want' "$bin/nightshift-lab" --base "${base%.*}.200" --racks 1 --hosts 1 --script "$dir/wrong.script"
wrong "a port that is taken" 'Address already in use' "$bin/nightshift-lab" --base "$base" --https-port "$https_port" --ipmi-port "$ipmi_port" --racks 1 --hosts 1
lab_stop
rm "$dir/ledger.jsonl"
ledger_seen=0

# ---- a script ------------------------------------------------------------------------------------------------------------------
cat >"$dir/day.script" <<EOT
# A bad half second.
at 100ms fail r1h01 memory
at 200ms lie r1h02 accepts   # it will not go off
at 300ms fail-rack r2 psu
at 400ms lose-power r1h03
EOT
lab_start --racks 2 --hosts 4 --script "$dir/day.script"
lab_await r1h03 power off
is "script: faults" "$(lab state all | jq -c '[.host, .faults]' | grep -vc '\[\]')" 5
is "script: modes" "$(lab state all | jq -c 'select(.modes != []) | [.host, .modes]' | paste -sd' ')" '["r1h02",["lie-accepts"]] ["r1h03",["dead"]]'
at=$(jq -r 'select(.host == "r1h01" and .effect == "fault memory") | .at_ms' "$dir/ledger.jsonl")
[ "$at" -ge 100 ] && [ "$at" -lt 600 ] && ok "script: at 100 ms ($at)" || fail "script: at $at ms"
lab_stop

# ---- traps and informs, received by snmptrapd -----------------------------------------------------------------------------------
cat >"$dir/snmptrapd.conf" <<EOT
disableAuthorization yes
createUser -e 0x8000000001020304 sha SHA "lab-auth-password" AES "lab-priv-password"
createUser -e 0x8000000001020304 sha256 SHA-256 "lab-auth-password" AES "lab-priv-password"
createUser sha SHA "lab-auth-password" AES "lab-priv-password"
createUser sha256 SHA-256 "lab-auth-password" AES "lab-priv-password"
EOT
receiver_start() {
    : >"$dir/traps"
    snmptrapd -f -Lf "$dir/traps" -On -C -c "$dir/snmptrapd.conf" "udp:127.0.0.1:$trap_port" >"$dir/snmptrapd.log" 2>&1 &
    receiver=$!
    pids+=("$receiver")
    await 10 grep -q 'NET-SNMP version' "$dir/traps" || { cat "$dir/snmptrapd.log"; fail "snmptrapd does not start"; }
}
receiver_stop() {
    kill "$receiver"
    wait "$receiver" || true
}
received() { grep -cE -- "$1" "$dir/traps" || true; }
pet='\.1\.3\.6\.1\.4\.1\.3183\.1\.1'
idrac='\.1\.3\.6\.1\.4\.1\.674\.10892\.5\.3\.2\.1\.0\.2265'
traps() { # NAME PATTERN OPTION...: a fault on an IPMI and on a Redfish host, raised and cleared
    local name=$1 pattern=$2
    shift 2
    receiver_start
    lab_start --racks 1 --hosts 4 "${quick[@]}" --trap-to "127.0.0.1:$trap_port" "$@"
    lab fail r1h01 memory >/dev/null
    lab fail r1h02 memory >/dev/null
    lab repair r1h01 memory >/dev/null
    lab repair r1h02 memory >/dev/null
    await 10 eval '[ "$(lab stats | jq .traps.sent)" = 4 ]' || fail "$name: $(lab stats)"
    await 10 eval '[ "$(received "$pattern")" = 4 ]' && ok "$name: four received" ||
        fail "$name: $(received "$pattern") received: $(cat "$dir/traps")"
    is "$name: the iDRAC alert" "$(received '674\.10892\.5\.3\.2\.1.*2265|Enterprise Specific Trap \(2265\)')" 1
    is "$name: the PET" "$(received "$pet(\.0\.| Enterprise Specific Trap .)81?[0-9]+")" 2
    case " $* " in *" --informs "*)
        await 10 eval '[ "$(lab stats | jq .traps.acknowledged)" = 4 ]' && ok "$name: acknowledged" || fail "$name: $(lab stats)" ;;
    esac
    lab_stop
    receiver_stop
}
traps "v1" 'Enterprise Specific Trap' --trap-version v1
traps "v2c" 'snmpTrapOID|\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0 = ' --trap-version v2c
traps "v2c informs" '\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0 = ' --trap-version v2c --informs
for user in sha sha256; do
    word=SHA
    [ $user = sha ] || word=SHA-256
    traps "v3 $word" '\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0 = ' --trap-version v3 --v3-user $user --v3-auth $word
    traps "v3 $word informs" '\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0 = ' --trap-version v3 --v3-user $user --v3-auth $word --informs
done

# Informs are repeated until somebody listens.
lab_start --racks 1 --hosts 4 --trap-to "127.0.0.1:$trap_port" --trap-version v2c --informs
lab fail r1h01 memory >/dev/null
await 5 eval '[ "$(lab stats | jq .traps.waiting)" = 1 ]' || fail "an inform waits: $(lab stats)"
receiver_start
await 10 eval '[ "$(lab stats | jq .traps.acknowledged)" = 1 ]' && ok "an inform is repeated until it is acknowledged" || fail "$(lab stats)"
receiver_stop
lab_stop

# ---- the same datagrams, mapped by nightshift --------------------------------------------------------------------------------------
if [ -x "$bin/nightshift" ]; then
    /usr/bin/python3 - "$trap_port" "$dir/datagrams" <<'EOT' &
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
out = open(sys.argv[2], "w")
for n in range(8):
    out.write(s.recv(65536).hex() + "\n")
    out.flush()
EOT
    collector=$!
    pids+=("$collector")
    await 5 grep -qi "$(printf ':%04X ' "$trap_port")" /proc/net/udp
    lab_start --racks 1 --hosts 2 "${quick[@]}" --trap-to "127.0.0.1:$trap_port"
    for host in r1h01 r1h02; do
        lab fail $host memory >/dev/null
        lab repair $host memory >/dev/null
        lab fail $host hung >/dev/null
        lab repair $host hung >/dev/null
    done
    await 10 eval '[ "$(grep -c . "$dir/datagrams")" = 8 ]' || fail "datagrams: $(cat "$dir/datagrams")"
    "$bin/nightshift" snmp decode "$dir/datagrams" --traps "$NS_SOURCE/etc/traps" -o jsonl >"$dir/decoded" || fail "snmp decode"
    is "decoded: raised and cleared memory" "$(jq -r 'select(.type == "memory.uncorrectable") | .state' "$dir/decoded" | sort | uniq -c | xargs)" \
        "2 clear 2 raise"
    is "decoded: none unmatched" "$(jq -r 'select(.unmatched == true) | .name' "$dir/decoded")" ""
    lab_stop
else
    echo "the command is not built: its decoding is not looked at"
fi
verdict
