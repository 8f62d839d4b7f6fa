#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The openstack driver's servers and compute hosts against Nova as Debian packages it, with two compute hosts whose
# hypervisor is Nova's own fake (tests/peers/nova_real.sh), and a token of the real Keystone. What the driver says is
# compared with what curl reads from Nova itself. Starting all of it takes minutes on a busy machine.
# label: slow
# timeout: 2400
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/rabbitmq.sh"
. "$NS_SOURCE/tests/peers/nova_real.sh"
needs jq curl python3
needs_packages openstack cloud_missing
trap 'cloud_stop; finish' EXIT
answer_seconds=300

# ---- what Nova itself says ------------------------------------------------------------------------------------------
server_id() { cloud_api GET "/servers?name=^$1\$" | jq -r '.servers[0].id // empty'; }
server_seen() { # NAME
    cloud_api GET "/servers/$(server_id "$1")" |
        jq -r '.server | "\(.status) \(."OS-EXT-STS:task_state") \(."OS-EXT-SRV-ATTR:host")"'
}
server_host() { server_seen "$1" | cut -d' ' -f3; }
server_settled() { [[ $(server_seen "$1") = "$2 null "* ]]; }
server_orders() { # NAME: everything it was asked to do, oldest first
    cloud_api GET "/servers/$(server_id "$1")/os-instance-actions" | jq -r '[.instanceActions[].action] | reverse | join(",")'
}
server_order() { # NAME BODY: the operator's own
    cloud_api POST "/servers/$(server_id "$1")/action" "$2"
}
other_of() { if [ "$1" = compute1 ]; then echo compute2; else echo compute1; fi; }

# ---- the driver -----------------------------------------------------------------------------------------------------
host() { # NAME SETTINGS
    echo "{ name = \"$1\"; rack = \"r1\"; bmc = { driver = \"openstack\"; auth_url = \"$keystone_url\"; region = \"RegionOne\";
  user = \"nightshift\"; password = \"file:right\"; project = \"admin\"; poll = \"200ms\"; tls = \"insecure\"; $2 }; }"
}
server() { # NAME [FLAVOR [IMAGE]]
    host "$1" "server = \"$1\"; flavor = \"${2:-$cloud_flavor}\"; image = \"${3:-$cloud_image}\"; network = \"none\";"
}
driver_start() {
    local user role giant service
    # A user of the driver's own: its tokens can be revoked without disturbing Nova.
    user=$(cloud_ask "$keystone_url" POST /users \
        '{"user":{"name":"nightshift","domain_id":"default","password":"'"$cloud_secret"'"}}' | jq -r .user.id)
    role=$(cloud_ask "$keystone_url" GET '/roles?name=admin' | jq -r '.roles[0].id')
    driver_project=$(cloud_ask "$keystone_url" GET '/projects?name=admin' | jq -r '.projects[0].id')
    cloud_ask "$keystone_url" PUT "/projects/$driver_project/users/$user/roles/$role"
    driver_user=$user
    giant=$(cloud_api POST /flavors '{"flavor":{"name":"giant","ram":64,"vcpus":100000,"disk":0}}' | jq -r .flavor.id)
    # Nova's old interface, whose description has no microversions.
    service=$(cloud_ask "$keystone_url" GET '/services?type=compute' | jq -r '.services[0].id')
    cloud_ask "$keystone_url" POST /endpoints \
        "{\"endpoint\":{\"service_id\":\"$service\",\"interface\":\"public\",\"region\":\"RegionOld\",\"url\":\"${nova_url%.1}\"}}" >/dev/null
    mkdir "$dir/credentials"
    install -m 600 /dev/stdin "$dir/credentials/right" <<<"$cloud_secret"
    cat >"$dir/inventory.conf" <<CONF
hosts: (
$(server w1),
$(server w2),
$(server w3),
$(server giant "$giant"),
$(server noflavor nosuch),
$(server noimage "$cloud_flavor" 00000000-0000-4000-8000-000000000000),
$(host compute1 'compute = "compute1";'),
$(host compute2 'compute = "compute2";'),
$(host nosuch 'compute = "nosuch";'),
$(host old 'server = "w1";' | sed s/RegionOne/RegionOld/),
$(host cloud '')
);
CONF
    never_said=$cloud_secret
    drive_open "$dir/inventory.conf" "$dir/credentials"
}
state='"\(.code) \(.result.power) \(.result.state)"'

# ---- the stories ----------------------------------------------------------------------------------------------------
story_add() {
    call w1 power.status
    outcome "no such server yet" not-found false 'no server w1'
    call w1 add
    told "add" "$state" "ok on ACTIVE"
    local id
    id=$(jq -r .result.server <<<"$out")
    is "Nova itself: its id" "$(server_id w1)" "$id"
    has "Nova itself: it runs" "$(server_seen w1)" '^ACTIVE null compute[12]$'
    call w1 add
    told "add again is the same one" '"\(.code) \(.result.server)"' "ok $id"
    is "Nova itself: one" "$(cloud_api GET '/servers?name=w1' | jq '.servers | length')" 1
    call noflavor add
    outcome "no such flavor" refused false '40[04]: .*[Ff]lavor'
    call noimage add
    outcome "no such image" refused false '40[04]: .*[Ii]mage'
    call giant add
    outcome "over the quota" denied false '403: Quota exceeded for cores'
    cloud_api PUT "/os-quota-sets/$driver_project" '{"quota_set":{"cores":-1}}' >/dev/null
    call giant add
    outcome "no room" failed true 'No valid host'
    has "Nova itself: it is there, in ERROR" "$(server_seen giant)" '^ERROR '
    call giant remove
    told "what failed is removed" '"\(.code) \(.result.state)"' "ok DELETED"
    is "Nova itself: gone" "$(server_id giant)" ""
}
story_power() {
    call w1 power.status
    told "status" "$state" "ok on ACTIVE"
    call w1 power.on
    told "on again" "$state" "ok on ACTIVE"
    call w1 power.off
    told "off" "$state" "ok off SHUTOFF"
    has "Nova itself: off" "$(server_seen w1)" '^SHUTOFF null '
    call w1 power.off
    told "off again" "$state" "ok off SHUTOFF"
    call w1 reset.soft
    outcome "reboot of what is off" conflict false '409: .*reboot'
    call w1 power.cycle
    told "cycle of what is off" "$state" "ok on ACTIVE"
    call w1 power.cycle
    told "cycle" "$state" "ok on ACTIVE"
    call w1 reset.soft
    told "soft" "$state" "ok on ACTIVE"
    call w1 reset.hard
    told "hard" "$state" "ok on ACTIVE"
    has "Nova itself: on" "$(server_seen w1)" '^ACTIVE null '
    is "Nova itself: what it was asked for" "$(server_orders w1)" create,stop,start,stop,start,reboot,reboot
    server_order w1 '{"pause":null}'
    await 60 server_settled w1 PAUSED || fail "pause: $(server_seen w1)"
    call w1 power.on
    told "on of what is paused" "$state" "ok on ACTIVE"
    server_order w1 '{"suspend":null}'
    await 60 server_settled w1 SUSPENDED || fail "suspend: $(server_seen w1)"
    call w1 power.on
    told "on of what is suspended" "$state" "ok on ACTIVE"
    has "Nova itself: on again" "$(server_seen w1)" '^ACTIVE null '
}
story_migrate() {
    local from to
    from=$(server_host w1) to=$(other_of "$(server_host w1)")
    call w1 openstack.live_migrate
    told "the scheduler chooses" '"\(.code) \(.result.compute_host)"' "ok $to"
    is "Nova itself: moved" "$(server_seen w1)" "ACTIVE null $to"
    call w1 openstack.live_migrate to="$from"
    told "to a host" '"\(.code) \(.result.compute_host)"' "ok $from"
    call w1 openstack.live_migrate to="$from"
    told "it is there" '"\(.code) \(.result.compute_host)"' "ok $from"
    call w1 openstack.live_migrate to=nowhere
    outcome "no such host" refused false '40[04]: .*nowhere'
    is "Nova itself: it stayed" "$(server_seen w1)" "ACTIVE null $from"
}
story_service() {
    local probe='"\(.code) \(.result.service) \(.result.scheduling) \(.result.forced_down)"'
    call compute1 probe
    told "probe" "$probe" "ok up enabled no"
    call nosuch probe
    outcome "no such compute host" not-found false 'nosuch'
    call compute1 openstack.disable
    told "disable" "$probe" "ok up disabled no"
    is "Nova itself: disabled" "$(compute_state compute1)" "up disabled false"
    has "Nova itself: why" "$(cloud_api GET '/os-services?host=compute1' | jq -r '.services[0].disabled_reason')" '^nightshift: openstack.disable'
    call compute1 evacuate
    outcome "nothing is rebuilt while it is up" conflict false 'is up'
    call compute1 openstack.force_down
    told "force down" '"\(.code) \(.result.forced_down)"' "ok yes"
    is "Nova itself: forced down" "$(compute_state compute1)" "down disabled true"
    call compute1 probe
    told "probe of it" "$probe" "ok down disabled yes"
    call compute1 openstack.force_down down=false
    told "no more" '"\(.code) \(.result.forced_down)"' "ok no"
    call compute1 undrain
    told "undrain" '"\(.code) \(.result.scheduling) \(.result.forced_down)"' "ok enabled no"
    await 60 compute_is compute1 up || true
    is "Nova itself: as before" "$(compute_state compute1)" "up enabled false"
}
story_fill() { # Two more on the same host, one of them off
    local from to
    from=$(server_host w1) to=$(other_of "$(server_host w1)")
    call "$to" openstack.disable # So that all of them are on one host.
    call w2 add
    told "a second" '"\(.code) \(.result.compute_host)"' "ok $from"
    call w3 add
    told "a third" '"\(.code) \(.result.compute_host)"' "ok $from"
    call w3 power.off
    told "which is off" "$state" "ok off SHUTOFF"
    call "$to" undrain
}
story_drain() {
    local from to
    from=$(server_host w1) to=$(other_of "$(server_host w1)")
    call "$from" drain parallel=2
    told "drain" '"\(.code) \(.result.moved) \(.result.stopped)"' "ok 2 1"
    is "Nova itself: the host" "$(compute_state "$from")" "up disabled false"
    is "Nova itself: w1" "$(server_seen w1)" "ACTIVE null $to"
    is "Nova itself: w2" "$(server_seen w2)" "ACTIVE null $to"
    is "Nova itself: w3" "$(server_seen w3)" "SHUTOFF null $from"
    call "$to" drain # Nobody is left who could take them.
    outcome "nowhere to go" failed true "of 2 servers stay on $to: w"
    has "Nova itself: w1 stayed" "$(server_seen w1)" "^ACTIVE null $to\$"
    call "$from" undrain
    call "$to" undrain
    told "undrain" '"\(.code) \(.result.scheduling)"' "ok enabled"
}
undrained() {
    call "$1" undrain
    [ "$(jq -r .code <<<"$out")" != busy ]
}
story_evacuate() {
    local dead to
    dead=$(server_host w1) to=$(other_of "$(server_host w1)")
    compute_kill "$dead"
    call "$dead" evacuate fenced=true
    told "evacuate what was fenced" '"\(.code) \(.result.moved)"' "ok 2"
    is "Nova itself: forced down" "$(compute_state "$dead")" "down enabled true"
    is "Nova itself: w1" "$(server_seen w1)" "ACTIVE null $to"
    is "Nova itself: w2" "$(server_seen w2)" "ACTIVE null $to"
    has "Nova itself: by evacuation" "$(server_orders w1)" ',evacuate$'
    call "$dead" evacuate
    told "again: nothing is left" '"\(.code) \(.result.moved)"' "ok 0"
    call "$dead" undrain
    outcome "undrain before it is back" busy false 'Unable to force up host'
    told "when to come back" '.retry_after_ms > 0' true
    is "Nova itself: still forced down" "$(compute_state "$dead")" "down enabled true"
    compute_start "$dead"
    await 180 undrained "$dead" || fail "undrain: $out"
    told "undrain" '"\(.code) \(.result.forced_down)"' "ok no"
    await 120 compute_is "$dead" up || fail "$dead does not come back: $(compute_state "$dead")"
    # The other one dies, and Nova sees it by itself.
    compute_kill "$to"
    await 120 compute_is "$to" down || fail "$to is not seen as down: $(compute_state "$to")"
    call "$to" probe
    told "probe of the dead" '"\(.code) \(.result.service) \(.result.forced_down)"' "ok down no"
    call "$to" evacuate
    told "evacuate what is down" '"\(.code) \(.result.moved)"' "ok 3"
    is "Nova itself: w1 again" "$(server_seen w1)" "ACTIVE null $dead"
    is "Nova itself: w3, which was off, is so elsewhere" "$(server_seen w3)" "SHUTOFF null $dead"
    compute_start "$to"
    await 120 compute_is "$to" up || fail "$to does not come back: $(compute_state "$to")"
}
story_cloud() {
    call cloud openstack.capacity vcpus=1 memory_mb=64
    told "capacity" '"\(.code) \(.result.candidates)"' "ok $(cloud_ask "$placement_url" GET \
        '/allocation_candidates?resources=VCPU:1,MEMORY_MB:64' | jq '.allocation_requests | length')"
    told "capacity: both hosts" .result.providers 2
    call cloud openstack.capacity vcpus=100000
    told "no room" '"\(.code) \(.result.candidates)"' "ok 0"
    call compute1 openstack.report_failure
    outcome "no Masakari in this catalogue" unsupported false 'no instance-ha service'
    call old power.off
    outcome "Nova's old interface" unsupported false 'no microversions here'
    local name
    for name in w1 compute1 cloud; do
        call "$name" openstack.doctor
        told "doctor of $name" .code ok
        has "doctor of $name: the roles" "$out" admin
    done
}
# The clock of a token, and a token that is revoked while the driver holds it: Nova itself answers 401.
story_token() {
    local life=40 until_over
    cloud_end keystone TERM
    keystone_start $life
    drive_stop
    drive_open "$dir/inventory.conf" "$dir/credentials"
    call w1 power.status
    told "a token that lives $life s" "$state" "ok on ACTIVE"
    until_over=$((SECONDS + life + 2))
    await $((life + 10)) eval '[ $SECONDS -ge '$until_over' ]'
    call w1 power.status
    told "after it is over" "$state" "ok on ACTIVE"
    operator_token=$(cloud_token)
    cloud_ask "$keystone_url" PATCH "/users/$driver_user" "{\"user\":{\"password\":\"$cloud_secret\"}}" >/dev/null
    # Keystone revokes by whole seconds: a login in the very same one would be revoked with the rest.
    until_over=$((SECONDS + 2))
    await 20 eval '[ $SECONDS -ge '$until_over' ]'
    call w1 reset.hard
    told "a reboot with a token that was revoked" "$state" "ok on ACTIVE"
    operator_token=$(cloud_token)
    has "Nova itself: rebooted" "$(server_orders w1)" ',reboot$'
}
story_remove() {
    local name
    for name in w1 w2 w3; do
        call $name remove
        told "remove $name" '"\(.code) \(.result.state)"' "ok DELETED"
    done
    operator_token=$(cloud_token)
    is "Nova itself: none" "$(cloud_api GET '/servers?all_tenants=1' | jq '.servers | length')" 0
    call w1 remove
    told "remove again" '"\(.code) \(.result.state)"' "ok DELETED"
}

cloud_start
echo "the cloud runs after $SECONDS s"
driver_start
# NS_STORIES="add remove": only these, while something is being looked for.
for story in ${NS_STORIES:-add power migrate service fill drain evacuate cloud token remove}; do
    "story_$story"
    echo "-- $story: $SECONDS s"
done
drive_stop
verdict
