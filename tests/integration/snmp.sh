#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The SNMP driver against the packaged snmpd serving outlets that obey SET (pdu.py): every make by its own rules, two
# feeds on two PDUs as one, v1, v2c and v3, and what goes wrong: read-only communities, relays that lie or take their
# time, agents that hang. fence_apc_snmp, which nobody here wrote, drives the same outlets and agrees.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs snmpd snmpget jq python3

prefix=${base%.0}
port=$trap_port
makes=(apc-rpdu apc-rpdu2 raritan-px2 eaton-g3 servertech-sentry3 servertech-sentry4 vertiv-v5 geist-v3 cyberpower apc-masterswitch)
declare -A system=(
    [apc-rpdu]=318.1.3.4.5 [apc-rpdu2]=318.1.3.4.6 [raritan-px2]=13742.6.1 [eaton-g3]=534.6.6.7
    [servertech-sentry3]=1718.3 [servertech-sentry4]=1718.4 [vertiv-v5]=21239.5.2 [geist-v3]=21239.2 [cyberpower]=3808.1.1.3
    [apc-masterswitch]=318.1.3.4)
declare -A tree=(
    [apc-rpdu]=318.1.1.12 [apc-rpdu2]=318.1.1.26 [raritan-px2]=13742.6.4 [eaton-g3]=534.6.6.7.6 [servertech-sentry3]=1718.3.2
    [servertech-sentry4]=1718.4.1 [vertiv-v5]=21239.5.2.3 [geist-v3]=21239.2.16 [cyberpower]=3808.1.1.3.3 [apc-masterswitch]=318.1.1.4)
declare -A pdu # NAME -> address, folder is $dir/NAME

pdu_start() { # NAME MAKE NUMBER
    local name=$1 make=$2 address=$prefix.$((20 + $3))
    mkdir -p "$dir/$name/state"
    cat >"$dir/$name/snmpd.conf" <<CONF
agentaddress udp:$address:$port
rocommunity public 127.0.0.0/8
rwcommunity private 127.0.0.0/8
createUser operator SHA "authpass12" AES "privpass12"
createUser newer SHA-256 "authpass12" AES "privpass12"
rwuser operator priv
rwuser newer priv
createUser signer SHA "authpass12"
createUser anybody
rwuser signer auth
rwuser anybody noauth
sysobjectid .1.3.6.1.4.1.${system[$make]}
pass_persist .1.3.6.1.4.1.${tree[$make]} $(command -v python3) $NS_SOURCE/tests/integration/pdu.py $dir/$name $make
CONF
    SNMP_PERSISTENT_DIR=$dir/$name/state snmpd -f -Lf "$dir/$name/log" -C -c "$dir/$name/snmpd.conf" </dev/null &
    pids+=("$!")
    pdu[$name]=$address
}
pdu_up() { snmpget -v2c -c public -t 0.5 -r 0 -Oqv "${pdu[$1]}:$port" 1.3.6.1.2.1.1.2.0; }
orders() { # NAME: what its relays were told, and forget it
    [ ! -e "$dir/$1/orders" ] || paste -sd, "$dir/$1/orders"
    rm -f "$dir/$1/orders"
}

number=0
hosts=""
install -m 600 /dev/stdin -D "$dir/lab/private" <<<private
for make in "${makes[@]}"; do
    number=$((number + 1))
    pdu_start "$make" "$make" $number
    hosts+="{ name = \"$make\"; rack = \"r1\"; bmc = { driver = \"snmp\"; address = \"${pdu[$make]}:$port\"; outlets = \"3\";
              community = \"file:private\"; poll = \"50ms\"; off_time = \"100ms\"; }; },
"
done
pdu_start feed-b apc-rpdu 40
cat >"$dir/inventory.conf" <<CONF
hosts: ( $hosts
{ name = "two-feeds"; rack = "r1"; bmc = { driver = "snmp"; address = "${pdu[apc-rpdu]}:$port"; outlets = "5, ${pdu[feed-b]}:$port/7";
  community = "file:private"; poll = "50ms"; off_time = "100ms"; }; } );
CONF
for name in "${!pdu[@]}"; do
    await 20 pdu_up "$name" || { cat "$dir/$name/log"; fail "snmpd of $name does not answer"; verdict; }
done

on_pdu() { # HOST VERB...: one call; its JSON is kept in $answer
    answer=$("$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/inventory.conf" "$dir/lab" 2>&1 <<<"$*")
}
code_is() { is "$1" "$(jq -r .code <<<"$answer")" "$2"; }
result_is() { is "$1" "$(jq -r "$2" <<<"$answer")" "$3"; }

# ---- every make -----------------------------------------------------------------------------------------------------
for make in "${makes[@]}"; do
    on_pdu "$make" power.status
    result_is "$make: status" .result.power on
    on_pdu "$make" power.off
    result_is "$make: off, proven" .result.power off
    on_pdu "$make" power.off
    result_is "$make: off is off" .result.changed false
    on_pdu "$make" power.on
    result_is "$make: on" .result.power on
    on_pdu "$make" power.cycle
    result_is "$make: cycle" .result.power on
    is "$make: what its relays were told" "$(orders "$make")" "outlet 3 off,outlet 3 on,outlet 3 off,outlet 3 on"
done
on_pdu apc-rpdu2 power.status
result_is "a load where the make tells it" .result.watts 103
has "the make is in the evidence" "$answer" 'is apc-rpdu2'

# ---- two feeds ------------------------------------------------------------------------------------------------------
on_pdu two-feeds power.cycle
result_is "two feeds: cycle" .result.power on
is "two feeds: the first" "$(orders apc-rpdu)" "outlet 5 off,outlet 5 on"
is "two feeds: the second" "$(orders feed-b)" "outlet 7 off,outlet 7 on"
echo 7 >"$dir/feed-b/lies"
on_pdu two-feeds power.off timeout=3000
code_is "two feeds: one stays on" unverified
has "two feeds: which one" "$answer" "${pdu[feed-b]}:$port: outlet 7 is on"
on_pdu two-feeds power.status
result_is "two feeds: with one the host has power" .result.power on
rm "$dir/feed-b/lies"
on_pdu two-feeds power.on
orders apc-rpdu >/dev/null
orders feed-b >/dev/null

# ---- relays that take their time ------------------------------------------------------------------------------------
echo 1 >"$dir/vertiv-v5/slow"
on_pdu vertiv-v5 power.off
result_is "a slow relay is waited for" .result.power off
has "a slow relay was seen moving" "$answer" 'moving'
rm "$dir/vertiv-v5/slow"
on_pdu vertiv-v5 power.on

# ---- versions and rights --------------------------------------------------------------------------------------------
v3="set.version=3 set.user=operator set.auth_password=authpass12 set.priv_password=privpass12"
on_pdu apc-rpdu power.cycle set.version=1
result_is "SNMPv1: cycle" .result.power on
on_pdu apc-rpdu power.cycle $v3
result_is "SNMPv3, SHA and AES: cycle" .result.power on
on_pdu apc-rpdu power.cycle $v3 set.user=newer set.auth_protocol=sha256
result_is "SNMPv3, SHA-256 and AES: cycle" .result.power on
orders apc-rpdu >/dev/null
on_pdu apc-rpdu power.off set.community=public
code_is "a community that may only read" denied
result_is "a community that may only read: nothing was done" .effect_possible false
on_pdu apc-rpdu power.off set.community=wrong
code_is "a community nobody knows" timeout
result_is "a community nobody knows: only a reading was sent" .effect_possible false
on_pdu apc-rpdu power.off $v3 set.auth_password=another-one
code_is "SNMPv3: a wrong password" auth
on_pdu apc-rpdu power.off $v3 set.user=nobody
code_is "SNMPv3: an unknown user" auth
on_pdu apc-rpdu power.off set.version=3 set.user=operator set.auth_password=authpass12
code_is "SNMPv3: without encryption" denied
on_pdu apc-rpdu power.off set.version=3 set.user=operator set.auth_password=short
code_is "SNMPv3: a password that is too short" invalid
on_pdu apc-rpdu power.off set.outlets=99
code_is "an outlet that is not there" not-found
on_pdu apc-rpdu power.off set.outlets=3,3
code_is "an outlet twice" invalid
is "none of that reached a relay" "$(orders apc-rpdu)" ""
on_pdu apc-rpdu snmp.get oid=1.3.6.1.2.1.1.2.0
result_is "any object" .result.value 1.3.6.1.4.1.318.1.3.4.5
on_pdu apc-rpdu snmp.get oid=1.3.6.1.4.1.1
code_is "an object that is not there" not-found

# ---- the doctor -----------------------------------------------------------------------------------------------------
says() { # WHAT CHECK STATE WORDS
    local line
    line=$(jq -r --arg name "$2" '.result.checks[]? | select(.check == $name) | "\(.state): \(.text) [\(.hint)]"' <<<"$answer")
    has "doctor, $1: $2" "${line:-$answer}" "^$3: .*$4"
}
on_pdu apc-rpdu snmp.doctor
says "v2c" version warning 'SNMPv2c: the community .* readable \[version = "3"'
says "v2c" make ok 'apc-rpdu'
says "v2c" objects ok 'outlet 3 is on, named socket 3'
says "any SET is an order" permissions skipped 'with apc-rpdu any SET is an order'
is "doctor: an order was not given" "$(orders apc-rpdu)" ""
on_pdu apc-masterswitch snmp.doctor
says "it may write" permissions ok 'it may switch'
is "doctor: it was told what it is" "$(orders apc-masterswitch)" "outlet 3 on"
on_pdu apc-masterswitch power.off
on_pdu apc-masterswitch snmp.doctor
says "off" objects ok 'outlet 3 is off'
is "doctor: off stays off" "$(orders apc-masterswitch)" "outlet 3 off,outlet 3 off"
on_pdu apc-masterswitch power.on
orders apc-masterswitch >/dev/null
on_pdu apc-masterswitch snmp.doctor set.community=public
says "it may only read" permissions failed 'read-only: every action .*\[give it the right'
on_pdu apc-masterswitch snmp.doctor set.community=public set.version=1
says "it may only read, v1" permissions failed 'read-only: every action'
is "doctor: nothing was written" "$(orders apc-masterswitch)" ""
on_pdu apc-rpdu snmp.doctor $v3
says "v3" version ok 'authPriv'
on_pdu apc-rpdu snmp.doctor set.version=3 set.user=operator set.auth_password=authpass12
code_is "doctor, v3 without encryption where it is a must" denied
on_pdu apc-masterswitch snmp.doctor set.version=3 set.user=signer set.auth_password=authpass12
says "v3, signed alone" version warning 'authNoPriv: signed, and readable'
on_pdu apc-masterswitch snmp.doctor set.version=3 set.user=anybody
says "v3, no password" version failed 'noAuthNoPriv'
says "v3, no password" permissions ok 'it may switch'
orders apc-masterswitch >/dev/null
on_pdu apc-rpdu snmp.doctor set.outlets=99
says "an outlet that is not there" objects failed 'outlet 99 .*no such outlet .*\[correct .outlets.'
on_pdu apc-rpdu snmp.doctor set.family=apc-rpdu2
says "another make" make warning 'set as apc-rpdu2, and it says that it is apc-rpdu'
on_pdu apc-rpdu snmp.doctor set.community=wrong
code_is "doctor: a community nobody knows" timeout
on_pdu two-feeds snmp.doctor
is "doctor: both feeds" "$(jq -r '[.result.checks[] | select(.check == "objects" or .check == "make") | .state] | join(" ")' <<<"$answer")" \
    "ok ok ok ok"

# ---- another program, the same outlets ------------------------------------------------------------------------------
if command -v fence_apc_snmp >/dev/null; then
    fence() { fence_apc_snmp -a "${pdu[apc-rpdu]}" -u "$port" -c private -n 3 -o "$1" 2>&1 || true; }
    on_pdu apc-rpdu power.off
    has "fence_apc_snmp sees it off" "$(fence status)" 'OFF'
    fence on >/dev/null
    on_pdu apc-rpdu power.status
    result_is "what fence_apc_snmp switched on is on" .result.power on
    orders apc-rpdu >/dev/null
else
    echo "not compared with fence_apc_snmp: it is not installed"
fi

# ---- an agent that hangs --------------------------------------------------------------------------------------------
mapfile -t agents < <(pgrep -f "snmpd.*$dir/feed-b/" || true)
kill -STOP "${agents[@]}"
on_pdu two-feeds power.off
code_is "one of two PDUs hangs" timeout
result_is "one of two PDUs hangs: nothing was switched" .effect_possible false
is "one of two PDUs hangs: the other was left alone" "$(orders apc-rpdu)" ""
kill -CONT "${agents[@]}"
verdict
