#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The netbox driver and `inventory import`, against the lab's NetBox over real HTTPS: what is written back, what becomes
# of racks, feeds, outlets, cables and BMC addresses, in what an inventory differs, and what NetBox can do wrong.
# NetBox itself is in no package: it is not tested here.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq curl
answer_seconds=60
token=0123456789abcdef0123456789abcdef01234567
never_said="$token|nightshift-lab-view"
world=netbox
netbox_port=$((9000 + $$ % 900))
cli=$bin/nightshift

start() { # OPTION...: a lab with a NetBox
    lab_start --racks 2 --hosts 3 --redfish-share 100 --netbox-port $netbox_port --netbox-page 2 --write-inventory "$dir/inventory.conf" "$@"
    url=https://$base:$netbox_port
}
netbox() { # METHOD PATH [BODY [HEADER]]: the answer in $dir/body, the status on stdout
    curl -s --cacert "$dir/lab/ca.pem" -o "$dir/body" -w '%{http_code}' -H "Authorization: Token $token" -X "$1" \
        ${3:+-H 'Content-Type: application/json' -d "$3"} ${4:+-H "$4"} "$url/api/$2"
}
host() { # NAME
    echo "{ name = \"$1\"; bmc = { driver = \"netbox\"; url = \"$url\"; ca_file = \"$dir/lab/ca.pem\"; token = \"file:$dir/token\"; poll = \"50ms\"; device = \"$1\"; }; }"
}
install -m 600 /dev/stdin "$dir/token" <<<$token
install -m 600 /dev/stdin "$dir/view" <<<nbt_lab.nightshift-lab-view
install -m 600 /dev/stdin "$dir/bad" <<<ffffffffffffffffffffffffffffffffffffffff
start --netbox-etags
echo "hosts: ( $(host r1h01), $(host r1h02), $(host r9h99) );" >"$dir/driver.conf"
drive_open "$dir/driver.conf" "$dir"

# ---- the driver -----------------------------------------------------------------------------------------------------
call r1h01 netbox.query
told "query" '.result | "\(.state) \(.site) \(.rack) \(.role)"' "active dc1 r1 web"
is "the BMC's address" "$(jq -r .result.bmc <<<"$out")" "$(address_of r1h01)"
call r1h01 netbox.status status=failed expect=active message=memory
told "status" '"\(.code) \(.result.state) \(.result.before) \(.result.changed)"' "ok failed active true"
netbox GET dcim/devices/1000/ >/dev/null
is "it is written" "$(jq -r .status.value "$dir/body")" failed
ledger_is "once, with its message" r1h01 "netbox memory 200 failed"
call r1h01 netbox.status status=failed expect=active
told "again" '"\(.code) \(.result.changed)"' "ok false"
call r1h01 netbox.status status=offline expect=active,staged
outcome "not as expected" conflict false 'is failed, not active,staged'
call r1h01 netbox.status status=lost
outcome "a status that is none" invalid false
ledger_is "nothing was written" r1h01 ""
netbox PATCH dcim/devices/1000/ '{"status":"active"}' >/dev/null
etag=$(curl -s --cacert "$dir/lab/ca.pem" -H "Authorization: Token $token" -D - -o /dev/null "$url/api/dcim/devices/1000/" | tr -d '\r' | sed -n 's/^ETag: //p')
is "the ETag is checked" "$(netbox PATCH dcim/devices/1000/ '{"status":"staged"}' 'If-Match: W/"1"')" 412
is "and the right one taken" "$(netbox PATCH dcim/devices/1000/ '{"status":"active"}' "If-Match: $etag")" 200
call r1h02 netbox.journal text=off-and-on kind=warning token=act-7
told "journal" '"\(.code) \(.result.entry) \(.result.changed)"' "ok 1 true"
call r1h02 netbox.journal text=off-and-on kind=warning token=act-7
told "the same action writes it once" '"\(.code) \(.result.entry) \(.result.changed)"' "ok 1 false"
call r1h02 netbox.journal text=another token=act-8
told "another action another" '"\(.result.entry) \(.result.changed)"' "2 true"
call r1h02 netbox.journal text=alarm key=alm-3
call r1h02 netbox.journal text=alarm-again key=alm-3
told "a key of one's own" '"\(.result.entry) \(.result.changed)"' "3 false"
call r1h01 netbox.journal text=alarm key=alm-3
told "is each host's own" '"\(.result.entry) \(.result.changed)"' "4 true"
call r1h02 netbox.journal text=page-two key=alm-4
call r1h02 netbox.journal text=page-two key=alm-4
told "found on whatever page" '"\(.result.entry) \(.result.changed)"' "5 false"
netbox GET 'extras/journal-entries/?assigned_object_id=1001&limit=1' >/dev/null
is "what was written" "$(jq -r '.count, .results[0].kind.value, .results[0].comments' "$dir/body" | paste -sd'|')" "4|warning|off-and-on||[nightshift act-7]"
call r1h01 netbox.status status=failed set.serial=WRONG1
outcome "another machine" mismatch false 'not WRONG1'
call r9h99 netbox.journal text=x
outcome "no such device" not-found false 'there is no device r9h99'
call r1h01 netbox.query "set.token=file:$dir/bad"
outcome "a token that is none" auth false 'Invalid token'
call r1h01 netbox.query "set.token=file:$dir/view"
told "a token of version 2" .result.state active
call r1h01 netbox.status status=failed "set.token=file:$dir/view"
outcome "that only reads" denied false 'do not have permission'
lab busy netbox 7 >/dev/null
call r1h01 netbox.status status=failed
outcome "throttled" busy false 'throttled'
told "it comes back when it is told to" .retry_after_ms 7000
lab honest netbox >/dev/null
lab deny netbox >/dev/null
call r1h01 netbox.query
outcome "refused" auth false
lab honest netbox >/dev/null
lab garbage netbox >/dev/null
call r1h01 netbox.status status=failed
told "nonsense" '.code != "ok" and (.effect_possible | not)' true
lab honest netbox >/dev/null
call r1h01 netbox.query
lab mute netbox >/dev/null
call r1h01 netbox.journal text=lost key=lost timeout=4000
outcome "an answer that is lost" timeout true
lab honest netbox >/dev/null
call r1h01 netbox.journal text=lost key=lost
told "it is found when it is asked for again" '"\(.code) \(.result.changed)"' "ok false"
lab hang netbox >/dev/null
call r1h01 netbox.query timeout=4000
told "silence" '(.code | test("^(timeout|unreachable)$")) and (.effect_possible | not)' true
lab honest netbox >/dev/null
check() { # WHAT CHECK STATE PATTERN
    told "$1" ".result.checks[] | select(.check == \"$2\") | .state" "$3"
    has "$1: words" "$out" "$4"
}
call r1h01 netbox.doctor
check "which NetBox" firmware ok 'NetBox 4.5.1'
check "what the token may" permissions ok 'may change devices and may add'
check "the device" objects ok 'r1h01 is active'
call r9h99 netbox.doctor "set.token=file:$dir/view"
check "a token that only reads" permissions failed 'may not change devices and may not add'
check "no device" objects failed 'no device r9h99'
drive_stop
lab_stop

# ---- the inventory: pages of two objects, no ETags ------------------------------------------------------------------
world=import
rm -rf "$dir/lab"
start
import() { # ARGUMENT...: the text in $dir/out, what is said in $dir/said, the exit status in $code
    code=0
    "$cli" inventory import netbox "$url" --token "$dir/token" --ca "$dir/lab/ca.pem" --filter 'role=web&role=db' "$@" >"$dir/out" 2>"$dir/said" || code=$?
    ! grep -qE -- "$never_said" "$dir/out" "$dir/said" || fail "import $*: a secret is said"
}
cp "$dir/inventory.conf" "$dir/before.conf"
import --inventory "$dir/before.conf"
is "import" "$code" 0
cp "$dir/out" "$dir/first.conf"
has "what stands in front of the hosts stays" "$(cat "$dir/out")" '^credentials: .*name = "lab"'
is "each host once" "$(grep -c '^    name = ' "$dir/out")" 6
has "the power path" "$(sed -n '/"r2h01"/,/^  }/p' "$dir/out" | paste -sd' ')" 'rack = "r2";.*feed = \["b"\];.*pdu = \["r2-pdu"\];'
has "what NetBox does not speak of stays" "$(cat "$dir/out")" 'pool = "web";'
has "a BMC's URL stays, when it is the same BMC's" "$(cat "$dir/out")" "address = \"https://$(address_of r1h01):$https_port\""
import --inventory "$dir/first.conf"
is "the same again, byte for byte" "$(cmp "$dir/out" "$dir/first.conf" && echo same)" same
import --inventory "$dir/first.conf" --check
is "no drift" "$code" 0
import --inventory "$dir/before.conf" --check -o json
is "drift" "$code $(jq -r '.kind, ([.items[].field] | unique | join(","))' "$dir/out" | paste -sd' ')" "1 DriftList pdu,room,site"
import --inventory "$dir/before.conf" --check
has "drift: a table with the object" "$(cat "$dir/out")" "^r1h01 +site .*dc1 +https://.*/dcim/devices/1000/"

netbox PATCH dcim/devices/1000/ '{"serial":"NEW1"}' >/dev/null
netbox PATCH dcim/devices/1001/ '{"status":"staged"}' >/dev/null
netbox PATCH dcim/devices/1002/ '{"status":"decommissioning"}' >/dev/null
netbox PATCH dcim/devices/1003/ '{"name":"r2h77"}' >/dev/null
import --inventory "$dir/first.conf" --check -o json
is "drift: what changed" "$(jq -r '.items[] | "\(.host) \(.field) \(.netbox)"' "$dir/out" | sort | paste -sd'|')" \
    "r1h01 serial NEW1|r1h02 maintenance staged|r1h03 host decommissioning|r2h01 host is not there|r2h77 host active"
import --inventory "$dir/first.conf"
is "its difference" "$(diff "$dir/first.conf" "$dir/out" | grep -c '^<')" 1
has "a serial number that changed" "$(diff "$dir/first.conf" "$dir/out")" '^> +serial = "NEW1";'
has "people work on it" "$(sed -n '/"r1h02"/,/^  }/p' "$dir/out" | paste -sd' ')" 'maintenance = true'
has "who is not in NetBox stays, and is told" "$(cat "$dir/said")" 'r2h01: is in the inventory and not in NetBox: kept'
has "no host any more" "$(cat "$dir/said")" 'r1h03: is decommissioning: no host \(https://.*/dcim/devices/1002/\)'
has "a new host" "$(cat "$dir/out")" 'name = "r2h77"'
has "has no driver yet" "$(cat "$dir/said")" 'names no driver'
is "and so the text is not right yet" "$code" 1
netbox PATCH dcim/devices/1001/ '{"status":"active","serial":"NEW1","oob_ip":null,"cabled":false}' >/dev/null
import --inventory "$dir/first.conf"
has "two with one serial number" "$(cat "$dir/said")" 'conflict: r1h02: has serial number NEW1, as r1h01 has: neither is taken'
has "neither is taken" "$(sed -n '/"r1h01"/,/^  }/p' "$dir/out")" 'serial = "[^N]'
has "no cable" "$(cat "$dir/said")" "r1h02: power port 'PSU1' leads nowhere"
has "without oob_ip the interface for management counts" "$(sed -n '/"r1h02"/,/^  }/p' "$dir/out")" "address = \"https://$(address_of r1h02):$https_port\""
printf 'hosts: ( );\ndefaults: { };\n' >"$dir/order.conf"
import --inventory "$dir/order.conf"
has "hosts must come last" "$(cat "$dir/said")" '`hosts` must be the last setting'
printf 'defaults: { bmc = { driver = "redfish"; }; outlet = { driver = "snmp"; community = "env:HOME"; }; };\nhosts: ( );\n' >"$dir/empty.conf"
import --inventory "$dir/empty.conf"
has "an outlet that can be switched" "$(sed -n '/"r2h77"/,/^  }/p' "$dir/out")" 'outlet = \{ address = "127.0.9.2"; outlets = "1"; \}'
has "and the BMC" "$(sed -n '/"r2h77"/,/^  }/p' "$dir/out")" "bmc = \{ address = \"$(address_of r2h01)\"; \}"

code=0
"$cli" inventory import netbox "$url" --token "$dir/bad" --ca "$dir/lab/ca.pem" >"$dir/out" 2>"$dir/said" || code=$?
is "a token that is none" "$code" 5
has "in its words" "$(cat "$dir/said")" '403: Invalid token'
code=0
"$cli" inventory import netbox "$url" --token "$dir/token" >"$dir/out" 2>"$dir/said" || code=$?
is "an authority that is not known" "$code" 3
lab garbage netbox >/dev/null
import
is "nonsense: nothing is written" "$code $(wc -c <"$dir/out")" "3 0"
lab honest netbox >/dev/null
lab busy netbox >/dev/null
import
has "throttled" "$(cat "$dir/said")" '429: Request was throttled'
lab honest netbox >/dev/null
lab hang netbox >/dev/null
import --timeout 4s
is "silence" "$code" 7
lab honest netbox >/dev/null
lab_stop
verdict
