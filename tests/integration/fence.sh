#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fence agents by name, as packaged, against peers that nobody here wrote: fence_ipmilan on OpenIPMI's ipmi_sim,
# fence_apc_snmp on the packaged snmpd with a PDU's outlets, fence_redfish on the lab, fence_dummy on a file. And every
# installed agent has a table made from its metadata.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq python3 ipmitool ipmi_sim snmpd snmpget fence_ipmilan fence_apc_snmp fence_redfish fence_dummy

lab_start --racks 1 --hosts 1 --off-delay 50ms --on-delay 50ms --boot-delay 50ms
sim_start

# ---- a PDU ----------------------------------------------------------------------------------------------------------
pdu_address=${base%0}201
mkdir -p "$dir/pdu/state"
cat >"$dir/pdu/snmpd.conf" <<CONF
agentaddress udp:$pdu_address:$trap_port
rocommunity public 127.0.0.0/8
rwcommunity outlets-rw 127.0.0.0/8
sysobjectid .1.3.6.1.4.1.318.1.3.4.5
pass_persist .1.3.6.1.4.1.318.1.1.12 $(command -v python3) $NS_SOURCE/tests/integration/pdu.py $dir/pdu apc-rpdu
CONF
SNMP_PERSISTENT_DIR=$dir/pdu/state snmpd -f -Lf "$dir/pdu/log" -C -c "$dir/pdu/snmpd.conf" </dev/null &
pids+=("$!")
install -m 600 /dev/stdin "$dir/lab/community" <<<outlets-rw
install -m 600 /dev/stdin "$dir/lab/bmc.password" <<<nightshift-lab
install -m 600 /dev/stdin "$dir/lab/wrong" <<<not-the-community

cat >"$dir/inventory.conf" <<CONF
credentials: ({ name = "sim"; user = "admin"; password = "file:sim.password"; },
              { name = "bmc"; user = "admin"; password = "file:bmc.password"; });
hosts: (
  { name = "ipmi"; rack = "r1";
    bmc = { driver = "fence_ipmilan"; credentials = "sim"; ip = "$sim_address"; ipport = $ipmi_port; lanplus = true;
            cipher = "3"; power_wait = 0; };
    outlet = { driver = "fence_apc_snmp"; ip = "$pdu_address"; ipport = $trap_port; community = "file:community"; plug = "3"; }; },
  { name = "wrong"; rack = "r1";
    outlet = { driver = "fence_apc_snmp"; ip = "$pdu_address"; ipport = $trap_port; community = "file:wrong"; plug = "3";
               snmp_version = "2c"; }; },
  { name = "redfish"; rack = "r1";
    bmc = { driver = "fence_redfish"; credentials = "bmc"; ip = "$(address_of r1h01)"; ipport = $https_port;
            ssl_insecure = true; systems_uri = "/redfish/v1/Systems/$(lab state r1h01 | jq -r '.system // "System.Embedded.1"')"; }; },
  { name = "dummy"; rack = "r1"; bmc = { driver = "fence_dummy"; type = "file"; status_file = "$dir/dummy"; }; } );
CONF
call() { # HOST VERB...: one call; its JSON is kept in $answer
    answer=$("$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "${inventory:-$dir/inventory.conf}" "$dir/lab" 2>&1 <<<"$*")
}
code_is() { is "$1" "$(jq -r .code <<<"$answer")" "$2"; }
result_is() { is "$1" "$(jq -r "$2" <<<"$answer")" "$3"; }
sim_up() { ipmitool -I lanplus -C 3 -H "$sim_address" -p "$ipmi_port" -U admin -P secret -N 1 -R 1 chassis power status; }
pdu_up() { snmpget -v2c -c public -t 0.5 -r 0 -Oqv "$pdu_address:$trap_port" 1.3.6.1.2.1.1.2.0; }
await 20 sim_up || { cat "$dir/sim/out"; fail "ipmi_sim does not answer"; verdict; }
await 20 pdu_up || { cat "$dir/pdu/log"; fail "snmpd does not answer"; verdict; }

for host in ipmi redfish dummy; do
    call "$host power.on"
    code_is "$host: on" ok
    call "$host power.status"
    result_is "$host: status" .result.power on
    call "$host power.off"
    result_is "$host: off" .result.power off
    call "$host power.status"
    result_is "$host: status of a host that is off" .result.power off
    call "$host power.cycle"
    result_is "$host: cycle" .result.power on
done
is "ipmi: what really happened" "$(grep -c 'set power' "$dir/sim/chassis.log")" 3
lab_is r1h01 power on || fail "redfish: the lab's host is not on"

call "ipmi fence.status"
result_is "outlet: status" .result.power on
call "ipmi fence"
result_is "outlet: fence" .result.power off
is "outlet: the relay was told" "$(paste -sd, "$dir/pdu/orders")" "outlet 3 off"
call "ipmi fence.status"
result_is "outlet: is off" .result.power off
call "ipmi fence.release"
result_is "outlet: released" .result.power on
call "ipmi fence_apc_snmp.list"
result_is "outlet: list (this tree has no names)" '.result.plugs | type' array
call "ipmi fence_ipmilan.doctor"
result_is "doctor" '.result.checks[0].state' ok
call "wrong fence"
code_is "a community that may not: failed" failed
is "its community is in no text" "$(grep -c not-the-community <<<"$answer" || true)" 0
sed 's/lanplus = true/lanplsu = true/' "$dir/inventory.conf" >"$dir/typo.conf"
inventory=$dir/typo.conf call "ipmi power.status"
has "a parameter the agent does not know, with the nearest" "$answer" "unknown setting 'lanplsu', did you mean 'lanplus'"
sed 's/plug = "3"; }/}/' "$dir/inventory.conf" >"$dir/missing.conf"
inventory=$dir/missing.conf call "ipmi fence.status"
has "a required parameter that is missing" "$answer" "plug is missing: Physical plug"
lab_stop
verdict
