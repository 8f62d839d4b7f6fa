#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Events of BMCs over TLS, from the addresses of BMCs: who may send, alarms of their hosts that come and go, deliveries that
# are repeated, the token that nobody sees, a reload that changes the inventory, a daemon that was killed, and subscriptions at
# the lab's BMCs that are made, found again, repaired and replaced.
source "$(dirname "$0")/common.sh"
needs curl jq openssl python3
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
api_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
net=127.$((16 + $$ % 200)).78
mkdir "$dir/policies" "$dir/credentials" "$dir/tls"
chmod 700 "$dir/credentials"
(umask 077 && openssl rand -hex 32 >"$dir/credentials/redfish.key" && echo secret >"$dir/credentials/bmc")
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/tls/key" -out "$dir/tls/cert" -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
chmod 600 "$dir/tls/key"
inventory() { # FURTHER HOSTS
    cat >"$dir/inventory.conf" <<EOT
defaults: { bmc = { driver = "redfish"; user = "admin"; password = "file:bmc"; }; };
hosts: ( { name = "h1"; rack = "r1"; bmc = { address = "$net.1"; }; },
         { name = "h2"; rack = "r1"; bmc = { address = "https://$net.2:8443"; }; },
         { name = "b1"; rack = "r2"; bmc = { address = "$net.3"; system = "Blade1"; }; },
         { name = "b2"; rack = "r2"; bmc = { address = "$net.3"; system = "Blade2"; }; } $1 );
EOT
}
inventory ""
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; credentials = "credentials"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$api_port"; tls_cert = "tls/cert"; tls_key = "tls/key"; };
sources = (
  { name = "bmcs"; type = "redfish"; format = "redfish"; key = "file:redfish.key"; },
  { name = "am"; type = "webhook"; format = "alertmanager"; anyone = true; } );
EOT
daemon_start

context() { # HOST
    echo "$1/$(printf %s "bmcs/$1" | openssl dgst -sha256 -hmac "$(cat "$dir/credentials/redfish.key")" -r | cut -c1-32)"
}
event() { # CONTEXT MESSAGE SEVERITY ORIGIN NUMBER: a body
    jq -nc --arg context "$1" --arg id "$2" --arg severity "$3" --arg at "/redfish/v1/$4" --arg number "$5" '{
        "@odata.type": "#Event.v1_7_0.Event", Id: $number, Name: "Event Array", Context: $context,
        Events: [{EventType: "Alert", MemberId: $number, EventTimestamp: "2026-01-10T04:05:06Z", MessageId: $id,
                  MessageSeverity: $severity, Message: "said by a BMC", OriginOfCondition: {"@odata.id": $at}}]}'
}
post() { # FROM BODY [SOURCE]: the status
    curl -sk --interface "$1" -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "$2" \
        "https://127.0.0.1:$api_port/v1/redfish/${3:-bmcs}"
}
alarms() { ns alarm list -o json | jq -r '[.items[] | select(.state == "raised") | "\(.host)/\(.type)/\(.resource)"] | sort | join(" ")'; }
alarms_are() { [ "$(alarms)" = "$1" ]; }
psu=Chassis/1/PowerSubsystem/PowerSupplies/PSU1
broken=ResourceEvent.1.3.ResourceErrorsDetected well=ResourceEvent.1.4.2.ResourceErrorsCorrected

# ---- who may send -----------------------------------------------------------------------------------------------------
is "a BMC" "$(post "$net.1" "$(event "$(context h1)" "$broken" Critical $psu 1)")" 204
await 10 alarms_are "h1/power.supply.failed/PSU1" || fail "its alarm: $(alarms)"
is "an address with scheme and port" "$(post "$net.2" "$(event "$(context h2)" "$broken" Critical $psu 1)")" 204
is "from another BMC" "$(post "$net.2" "$(event "$(context h1)" "$well" OK $psu 2)")" 403
is "with another's context" "$(post "$net.2" "$(event "h2/$(context h1 | cut -d/ -f2)" "$well" OK $psu 3)")" 401
is "without a token" "$(post "$net.1" "$(event h1 "$well" OK $psu 4)")" 401
is "no JSON" "$(post "$net.1" '{"Context": ')" 400
is "no such source" "$(post "$net.1" '{}' nobody)" 404
is "a source of another type" "$(post "$net.1" '{}' am)" 404
head -c 300000 /dev/zero | tr '\0' ' ' >"$dir/large"
is "too large" "$(post "$net.1" "@$dir/large")" 413
is "nothing of it was done" "$(alarms)" "h1/power.supply.failed/PSU1 h2/power.supply.failed/PSU1"

# ---- alarms come and go -----------------------------------------------------------------------------------------------
is "a delivery again" "$(post "$net.1" "$(event "$(context h1)" "$broken" Critical $psu 1)")" 204
is "is no second event" "$(ns event list --type power.supply.failed --host h1 -o json | jq '.items | length')" 1
is "corrected" "$(post "$net.1" "$(event "$(context h1)" "$well" OK $psu 5)")" 204
await 10 alarms_are "h2/power.supply.failed/PSU1" || fail "it is over: $(alarms)"
ok "what raised it is over"
is "a blade" "$(post "$net.3" "$(event "$(context b1)" StorageDevice.1.2.0.DriveFailure Critical Systems/Blade2/Storage/1/Drives/4 6)")" 204
await 10 alarms_are "b2/drive.failed/4 h2/power.supply.failed/PSU1" || fail "the origin says which blade: $(alarms)"
is "nobody's message" "$(post "$net.1" "$(event "$(context h1)" Contoso.1.0.FluxLow Warning Systems/1 7)")" 204
is "is a pulse" "$(ns event list --type redfish.Contoso.FluxLow -o json | jq -r '.items[0] | "\(.host) \(.state) \(.severity)"')" "h1 pulse minor"

# ---- a reload, a kill -------------------------------------------------------------------------------------------------
is "a host nobody knows yet" "$(post "$net.4" "$(event "$(context h4)" "$broken" Critical $psu 8)")" 401
inventory ", { name = \"h4\"; rack = \"r1\"; bmc = { address = \"$net.4\"; }; }"
ns reload >/dev/null
known() { [ "$(post "$net.4" "$(event "$(context h4)" "$broken" Critical $psu 8)")" = 204 ]; }
await 10 known || fail "after a reload: $(cat "$dir/answer")"
ok "after a reload it may"
daemon_kill
daemon_start
is "what was acknowledged is there" "$(alarms)" "b2/drive.failed/4 h2/power.supply.failed/PSU1 h4/power.supply.failed/PSU1"
is "the same context after a restart" "$(post "$net.2" "$(event "$(context h2)" "$well" OK $psu 9)")" 204
await 10 alarms_are "b2/drive.failed/4 h4/power.supply.failed/PSU1" || fail "cleared after the restart: $(alarms)"

# ---- subscriptions that stay, at the lab's BMCs -----------------------------------------------------------------------
lab_start --redfish-share 100 --racks 1 --hosts 3 --write-inventory "$dir/inventory.conf"
sed -i "s|key = \"file:redfish.key\";|key = \"file:redfish.key\"; url = \"https://127.0.0.1:$api_port/\"; every = \"1s\";|" "$dir/nightshift.conf"
ns reload >/dev/null
subscriptions=/redfish/v1/EventService/Subscriptions
bmc() { # HOST PATH [OPTION...]
    curl -sk -u admin:nightshift-lab "${@:3}" "https://$(address_of "$1"):$https_port$2"
}
subscription() { bmc "$1" "$(bmc "$1" "$subscriptions" | jq -r '.Members[0]."@odata.id"')"; } # HOST: the first
count() { bmc "$1" "$subscriptions" | jq '."Members@odata.count"'; }
all_subscribed() { ns source doctor bmcs 2>&1 | grep -q '3 of 3 BMCs are subscribed'; }
await 30 all_subscribed || fail "$(ns source doctor bmcs 2>&1)"
is "what the BMC was told" "$(subscription r1h01 | jq -r '"\(.Destination) \(.Context)"')" \
    "https://127.0.0.1:$api_port/v1/redfish/bmcs $(context r1h01)"
send() { # HOST MESSAGE SEVERITY NUMBER: as its subscription says
    local said
    said=$(subscription "$1")
    curl -sk --interface "$(address_of "$1")" -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
        --data-binary "$(event "$(jq -r .Context <<<"$said")" "$2" "$3" $psu "$4")" "$(jq -r .Destination <<<"$said")"
}
is "what it sends is taken" "$(send r1h02 "$broken" Critical 20)" 204
raised() { alarms | grep -q 'r1h02/power.supply.failed/PSU1'; }
await 10 raised || fail "its alarm: $(alarms)"
lab forget r1h01 >/dev/null
repaired() { ns source doctor bmcs 2>&1 | grep -q '1 were lost and made anew' && [ "$(count r1h01)" = 1 ]; }
await 20 repaired || fail "lost: $(ns source doctor bmcs 2>&1) $(count r1h01)"
ok "a BMC that forgot it is subscribed again, and counted"
daemon_kill
daemon_start
await 30 all_subscribed || fail "after a restart: $(ns source doctor bmcs 2>&1)"
is "a restart makes no second one" "$(count r1h02)" 1
head -c 64 /dev/zero | tr '\0' x >"$dir/credentials/other.key" && chmod 600 "$dir/credentials/other.key"
sed -i 's/file:redfish.key/file:other.key/' "$dir/nightshift.conf"
old=$(subscription r1h03 | jq -r .Context)
ns reload >/dev/null
replaced() { [ "$(count r1h03)" = 1 ] && [ "$(subscription r1h03 | jq -r .Context)" != "$old" ]; }
await 20 replaced || fail "another key: $(subscription r1h03)"
ok "with another key, the old subscription is replaced"
sed -i 's/file:other.key/file:redfish.key/' "$dir/nightshift.conf"

# ---- for people -------------------------------------------------------------------------------------------------------
has "the doctor" "$(ns source doctor bmcs 2>&1)" '3 BMCs may send'
has "what to paste" "$(ns source doctor bmcs 2>&1)" '/v1/redfish/bmcs'
sum=$(ns source list -o json | jq -c '.items[] | select(.name == "bmcs")')
is "the sum holds" "$(jq '.received == .accepted + .malformed + .denied + .stale + .large + .full + .store + .stopping' <<<"$sum")" true
token=$(context h1 | cut -d/ -f2)
if ns event list --limit 100 -o json | grep -q "$token" || grep -q "$token" "$dir/log"; then fail "a token is shown"; else ok "no token is shown"; fi
sed 's/key = "file:redfish.key"; //' "$dir/nightshift.conf" >"$dir/wrong.conf"
if out=$("$bin/nightshiftd" --check --config "$dir/wrong.conf" 2>&1); then fail "no key is taken"; fi
has "a key is needed" "$out" "wrong.conf:[0-9]+:[0-9]+: error: source bmcs: .*key"
verdict
