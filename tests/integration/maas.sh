#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The maas driver against the lab's MAAS over real HTTPS: each verb, what MAAS and BMCs can do wrong. What the driver says
# must agree with the lab's ledger. MAAS itself is a snap and cannot be installed by a package: it is not tested here.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq curl
answer_seconds=60
key=lab-consumer:lab-token:lab-secret
guest=guest-consumer:guest-token:guest-secret
never_said='lab-secret|guest-secret'
world=maas
maas_port=$((9000 + $$ % 900))

host() { # NAME [SETTINGS]
    echo "{ name = \"$1\"; rack = \"r1\"; bmc = { driver = \"maas\"; url = \"$url\"; ca_file = \"$dir/lab/ca.pem\"; api_key = \"file:$dir/key\"; poll = \"50ms\"; ${2:-hostname = \"$1\";} }; }"
}
api() { # METHOD PATH [FORM [HEADER]]: as curl does it, with a header of our own
    curl -s --cacert "$dir/lab/ca.pem" -o "$dir/body" -w '%{http_code}' -X "$1" ${3:+-d "$3"} ${4:+-H "$4"} "$url/api/2.0/$2"
}
oauth() { # NONCE [TIMESTAMP [SECRET [METHOD]]]: a header
    echo "Authorization: OAuth oauth_version=\"1.0\", oauth_signature_method=\"${4:-PLAINTEXT}\", oauth_consumer_key=\"lab-consumer\", oauth_token=\"lab-token\", oauth_signature=\"%26${3:-lab-secret}\", oauth_nonce=\"$1\", oauth_timestamp=\"${2:-$(date +%s)}\""
}

lab_start --racks 2 --hosts 4 --off-delay 60ms --on-delay 60ms --boot-delay 300ms --soft-delay 100ms \
    --maas-port $maas_port --maas-limit 3s
url=https://$base:$maas_port/MAAS
install -m 600 /dev/stdin "$dir/key" <<<"$key"
install -m 600 /dev/stdin "$dir/guest" <<<"$guest"
install -m 600 /dev/stdin "$dir/bad" <<<lab-consumer:lab-token:another-secret
install -m 600 /dev/stdin "$dir/none" <<<lab-consumer:lab-token
serial=$(api GET 'machines/?hostname=r1h02' '' "$(oauth first)" >/dev/null; jq -r '.[0].hardware_info.system_serial' "$dir/body")
{
    echo "hosts: ("
    for name in r1h01 r1h02 r1h03 r2h01 r2h02 r2h03 r9h99; do host $name; echo ","; done
    host taker ' '
    echo ");"
} >"$dir/inventory.conf"
drive_open "$dir/inventory.conf" "$dir"

# ---- who may come in: the simulator is strict, or the driver's header would prove nothing ---------------------------
is "no header" "$(api GET machines/)" 401
good=$(oauth n1)
is "a good one" "$(api GET machines/ '' "$good")" 200
is "its nonce again" "$(api GET machines/ '' "$good")" 401
has "in its words" "$(cat "$dir/body")" 'Nonce already used'
is "too old" "$(api GET machines/ '' "$(oauth n2 $(($(date +%s) - 400)))")" 401
has "in its words" "$(cat "$dir/body")" 'Expired timestamp'
is "too new" "$(api GET machines/ '' "$(oauth n3 $(($(date +%s) + 400)))")" 401
is "another secret" "$(api GET machines/ '' "$(oauth n4 '' other)")" 401
is "another method" "$(api GET machines/ '' "$(oauth n5 '' '' HMAC-SHA1)")" 401
is "a parameter twice" "$(api GET machines/ '' "$(oauth n6), oauth_nonce=\"n7\"")" 401
is "a parameter less" "$(api GET machines/ '' "$(oauth n8 | sed 's/oauth_version="1.0", //')")" 401
is "a path without its end" "$(api GET machines '' "$(oauth n9)")" 404
is "JSON instead of a form" "$(curl -s --cacert "$dir/lab/ca.pem" -o /dev/null -w '%{http_code}' -H "$(oauth n10)" -H 'Content-Type: application/json' -d '{}' "$url/api/2.0/machines/?op=allocate")" 400
call r1h01 power.status "set.api_key=file:$dir/bad"
outcome "a wrong key" auth false 'Invalid access token'
call r1h01 power.status "set.api_key=file:$dir/none"
outcome "half a key" invalid false 'CONSUMER:TOKEN:SECRET'

# ---- power: the lab's hosts are really switched ---------------------------------------------------------------------
ledger_mark
call r1h01 power.status
told "status" '.result | "\(.power) \(.state) \(.name)"' "on deployed r1h01"
call r1h01 power.status set.hostname=r1h01.maas
told "by its full name" '.result.name' r1h01
call r1h01 power.on
told "on when on" '.result | "\(.power) \(.changed)"' "on false"
ledger_is "on when on" r1h01 ""
call r1h01 power.off
told "off" '"\(.code) \(.result.power) \(.result.changed)"' "ok off true"
lab_is r1h01 power off && ok "it is really off" || fail "off: it is not"
call r1h01 power.off
told "off when off" '.result | "\(.power) \(.changed)"' "off false"
ledger_is "off" r1h01 "maas power_off accepted off"
call r1h01 power.on
told "on" '"\(.code) \(.result.power)"' "ok on"
lab_await r1h01 os_up true
ledger_mark
call r1h01 power.cycle
told "cycle" '"\(.code) \(.result.power) \(.result.changed)"' "ok on true"
has "cycle: what really happened" "$(physics_of r1h01)" '^off on'
ledger_is "cycle" r1h01 "maas power_off accepted off" "maas power_on accepted on"
lab_await r1h01 os_up true
call r1h01 maas.shutdown
told "shutdown" '"\(.code) \(.result.power)"' "ok off"
ledger_is "shutdown" r1h01 "maas power_off accepted off"
call r1h01 power.on
call r1h02 power.off "set.serial=$serial"
told "the serial number that was wanted" '"\(.code) \(.result.power)"' "ok off"
call r1h02 power.on set.serial=WRONG1
outcome "another machine" mismatch false "knows .* by serial number $serial, not WRONG1"
lab_is r1h02 power off && ok "nothing was switched" || fail "another machine: it was switched"
call r9h99 power.off
outcome "no such machine" not-found false 'there is no machine r9h99'
call taker power.off
outcome "no machine named" invalid false 'needs the setting system_id or hostname'
call r1h01 power.off "set.api_key=file:$dir/guest"
outcome "somebody else's machine" denied false '403'

# ---- BMCs that do not do what they should ---------------------------------------------------------------------------
lab hang r1h03 >/dev/null
call r1h03 power.status
outcome "a silent BMC" busy false 'Timed out waiting for power response'
lab honest r1h03 >/dev/null
lab deny r1h03 >/dev/null
call r1h03 power.off
outcome "a BMC that refuses MAAS" unknown false "is 'error'"
lab honest r1h03 >/dev/null
lab lie r1h03 accepts >/dev/null
call r1h03 power.off timeout=4000
outcome "a BMC that says yes and does nothing" timeout true 'is still on'
lab honest r1h03 >/dev/null
ledger_mark
lab push-off r1h03 >/dev/null
call r1h03 power.off
told "off by hand meanwhile" '"\(.code) \(.result.power)"' "ok off"

# ---- the way from deployed to free and back -------------------------------------------------------------------------
call r1h01 maas.query
told "query" '.result | "\(.state) \(.owner) \(.series) \(.pool) \(.zone) \(.power_type | test("ipmi|redfish"))"' "deployed admin jammy web r1 true"
call r1h01 provision
told "provision when deployed" '.result | "\(.state) \(.changed)"' "deployed false"
ledger_mark
call r1h01 release
told "release" '"\(.code) \(.result.state) \(.result.changed)"' "ok ready true"
lab_is r1h01 power off && ok "released: off" || fail "released: still on"
call r1h01 maas.query
told "released: nobody's" '.result | "\(.state) \(.owner)\(.series)"' "ready "
call r1h01 release
told "release when ready" '.result.changed' false
call r1h01 provision distro_series=noble
told "provision" '"\(.code) \(.result.state) \(.result.changed)"' "ok deployed true"
lab_is r1h01 os_up true && ok "deployed: it is up" || fail "deployed: not up"
call r1h01 maas.query
told "what was installed" '.result.series' noble
ledger_mark
call r1h01 remove erase=true
told "remove, erasing" '"\(.code) \(.result.state)"' "ok ready"
has "it booted to be erased" "$(physics_of r1h01)" '^off on os-up off'
lab fail r1h01 hung sticky >/dev/null
call r1h01 provision
outcome "a deployment that fails" failed true "failed-deployment: Node operation 'Deploying' timed out"
lab repair r1h01 >/dev/null
call r1h01 release
told "released after that" .result.state ready
lab fail r1h01 hung sticky >/dev/null
begin r1h01 provision
id=$(jq -r .result.system_id <<<"$out")
await 3 eval 'api GET "machines/$id/" "" "$(oauth w$RANDOM$RANDOM)" >/dev/null; jq -e ".status == 9" "$dir/body"' || fail "it does not deploy"
is "somebody aborts it" "$(api POST "machines/$id/?op=abort" comment=no "$(oauth a1)")" 200
answer
outcome "aborted by somebody" failed true 'is allocated: somebody ended what was ordered'
is "deploying again" "$(api POST "machines/$id/?op=deploy" comment=yes "$(oauth a2)")" 200
call r1h01 maas.abort
told "abort" '"\(.code) \(.result.state) \(.result.changed)"' "ok allocated true"
lab repair r1h01 >/dev/null
call r1h01 maas.abort
told "abort when nothing is done" '"\(.code) \(.result.changed)"' "ok false"
call r1h01 maas.broken comment=DIMM-A1
told "broken" '"\(.code) \(.result.state)"' "ok broken"
call r1h01 maas.commission
told "commission" '"\(.code) \(.result.state)"' "ok ready"
call r1h01 maas.broken
call r1h01 maas.fixed
told "fixed" '"\(.code) \(.result.state) \(.result.changed)"' "ok ready true"
call r1h01 maas.fixed
told "fixed when it is not broken" '.result.changed' false
call r2h01 maas.rescue
told "rescue" '"\(.code) \(.result.state)"' "ok rescue"
call r2h01 release
outcome "not in rescue mode" conflict false "current state \('Rescue mode'\)"
call r2h01 maas.rescue_exit
told "back" '"\(.code) \(.result.state)"' "ok deployed"

# ---- machines for whoever needs one ---------------------------------------------------------------------------------
call taker maas.allocate pool=db
outcome "none is free" limit false 'No machine available'
call r2h02 release
call taker maas.allocate pool=db tags=feed-b cpu_count=4 token=act-1
told "allocate" '"\(.code) \(.result.state) \(.result.name) \(.result.changed)"' "ok allocated r2h02 true"
call taker maas.allocate pool=db token=act-1
told "the same action asks again" '"\(.code) \(.result.name) \(.result.changed)"' "ok r2h02 false"
call taker add pool=db token=act-1
told "deploying what it took" '"\(.code) \(.result.state) \(.result.name)"' "ok deployed r2h02"
call taker add pool=db token=act-1
told "asked again, it is there" '"\(.code) \(.result.name) \(.result.changed)"' "ok r2h02 false"
call r2h03 release
call taker add pool=db token=act-2
told "another action gets another" '"\(.code) \(.result.state) \(.result.name) \(.result.changed)"' "ok deployed r2h03 true"
call taker maas.allocate pool=web "set.api_key=file:$dir/guest"
told "a guest takes its own" '"\(.code) \(.result.state)"' "ok allocated"
taken=$(jq -r .result.system_id <<<"$out")
mine="set.api_key=file:$dir/guest set.system_id=$taken"
call taker power.on $mine
told "and may switch it" '"\(.code) \(.result.power)"' "ok on"
call taker maas.commission $mine
outcome "and no more" denied false
call taker release $mine
told "and gives it back" '.result.state' ready

# ---- MAAS itself ----------------------------------------------------------------------------------------------------
lab busy maas 7 >/dev/null
call r2h01 power.off
outcome "busy" busy false 'overloaded'
told "it comes back when it is told to" .retry_after_ms 7000
lab honest maas >/dev/null
lab deny maas >/dev/null
call r2h01 power.off
outcome "a key that was withdrawn" auth false 'Invalid access token'
lab honest maas >/dev/null
lab garbage maas >/dev/null
call r2h01 power.off
told "nonsense" '.code != "ok" and (.effect_possible | not)' true
lab honest maas >/dev/null
call r2h01 power.status
lab hang maas >/dev/null
call r2h01 power.status timeout=4000
told "silence" '(.code | test("^(timeout|unreachable)$")) and (.effect_possible | not)' true # By when it is noticed.
lab honest maas >/dev/null
lab mute maas >/dev/null
call r2h01 power.off timeout=4000
outcome "an answer that is lost" timeout true
lab honest maas >/dev/null
call r2h01 power.status
told "reading it back tells" .result.power off
begin r2h01 power.cycle "&"
begin r2h01 maas.query cancel=1
answer
answer
lab_await r2h01 power on

# ---- the doctor -----------------------------------------------------------------------------------------------------
check() { # WHAT CHECK STATE PATTERN
    told "$1" ".result.checks[] | select(.check == \"$2\") | .state" "$3"
    has "$1: words" "$out" "$4"
}
call r1h02 maas.doctor "set.serial=$serial"
check "which MAAS" firmware ok 'MAAS 3.4.4'
check "an administrator" permissions warning 'admin is an administrator'
check "the machine" objects ok 'r1h02'
check "its serial number" identity ok "$serial"
check "its power" power ok 'redfish|ipmi'
call r1h02 maas.doctor set.serial=WRONG1
check "another machine" identity failed 'WRONG1'
call r1h01 maas.doctor "set.api_key=file:$dir/guest"
check "least privilege" permissions ok 'guest is no administrator'
call r9h99 maas.doctor
check "no machine" objects failed 'no machine r9h99'
drive_stop
lab_stop
verdict
