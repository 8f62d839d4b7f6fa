#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The openstack driver against Ironic as Debian packages it, alone: http_basic, SQLite, fake hardware whose power takes
# two seconds. What it says is compared with what curl reads from Ironic itself.
# label: slow
# timeout: 420
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/ironic_real.sh"
needs jq curl python3
needs_packages openstack ironic_missing

seen() { # NODE: what Ironic says of it
    api GET "/v1/nodes/$1" | jq -r '"\(.power_state) \(.target_power_state) \(.provision_state) \(.maintenance)"'
}
node_is() { is "Ironic itself: $1" "$(seen n1)" "$2"; }

# ---- the driver -----------------------------------------------------------------------------------------------------
drive_start() {
    mkdir "$dir/credentials"
    echo "$secret" >"$dir/credentials/right"
    echo wrong >"$dir/credentials/wrong"
    chmod 600 "$dir/credentials"/*
    local name text='' comma=''
    for name in n1 n2 nosuch; do
        text+="$comma{ name = \"$name\"; bmc = { driver = \"openstack\"; baremetal_url = \"$url\"; user = \"admin\"; password = \"file:right\"; node = \"$name\"; poll = \"200ms\"; }; }"
        comma=', '
    done
    text+=", { name = \"stranger\"; bmc = { driver = \"openstack\"; baremetal_url = \"$url\"; user = \"admin\"; password = \"file:wrong\"; node = \"n1\"; poll = \"200ms\"; }; }"
    echo "hosts: ( $text );" >"$dir/inventory.conf"
    never_said=$secret
    drive_open "$dir/inventory.conf" "$dir/credentials"
}
outcome() { # WHAT CODE EFFECT-POSSIBLE [PATTERN of the text alone]
    told "$1" '"\(.code) \(.effect_possible)"' "$2 $3"
    [ $# -lt 4 ] || has "$1: words" "$(jq -r .text <<<"$out")" "$4"
}
state='"\(.code) \(.result.power) \(.result.state) \(.result.maintenance)"'

# ---- the stories ----------------------------------------------------------------------------------------------------
story_provision() {
    call n1 openstack.provide
    told "provide goes by manageable" '"\(.code) \(.result.state)"' "ok available"
    has "Ironic itself: available" "$(seen n1)" ' available false$'
    call n1 openstack.manage
    told "manage" '"\(.code) \(.result.state)"' "ok manageable"
    has "Ironic itself: manageable" "$(seen n1)" ' manageable false$'
    call n1 provision image=file:///none
    told "provision" '"\(.code) \(.result.state)"' "ok active"
    has "Ironic itself: active" "$(seen n1)" ' active false$'
    is "Ironic itself: the image" "$(api GET /v1/nodes/n1 | jq -r .instance_info.image_source)" file:///none
    call n1 openstack.manage
    outcome "manage what is deployed" conflict false 'n1 is active'
    has "Ironic itself: still active" "$(seen n1)" ' active false$'
}
story_power() {
    call n1 power.on
    told "on" "$state" "ok on active no"
    node_is "on" "power on null active false"
    call n1 power.off
    told "off" "$state" "ok off active no"
    node_is "off" "power off null active false"
    call n1 power.off
    told "off again" "$state" "ok off active no"
    call n1 power.cycle
    told "cycle of what is off" "$state" "ok on active no"
    node_is "on by cycle" "power on null active false"
    call n1 power.cycle
    told "cycle" "$state" "ok on active no"
    told "it took both ways" '.ms >= 4000' true
    node_is "on again" "power on null active false"
    call n1 reset.hard
    told "reset" "$state" "ok on active no"
    call n1 power.status
    told "status" "$state" "ok on active no"
}
story_maintenance() {
    call n1 openstack.maintenance reason=fan
    told "maintenance" "$state" "ok on active yes"
    has "Ironic itself: maintenance and why" "$(api GET /v1/nodes/n1 | jq -r '"\(.maintenance) \(.maintenance_reason)"')" '^true nightshift: fan$'
    call n1 openstack.maintenance on=false
    told "out of maintenance" "$state" "ok on active no"
    node_is "out of maintenance" "power on null active false"
}
story_release() {
    call n1 release
    told "release" '"\(.code) \(.result.state)"' "ok available"
    has "Ironic itself: released" "$(seen n1)" ' available false$'
    call n1 openstack.unrescue
    outcome "no way from there" conflict false 'n1 is available: openstack.unrescue does not lead from there'
    call n1 openstack.maintenance reason=fan
    call n1 provision
    outcome "Ironic's own refusal" refused false '400: .*in maintenance mode'
    call n1 provision image=file:///other # The image was set when the deployment is refused: that is an effect.
    outcome "Ironic's own refusal after the image" refused true '400: .*in maintenance mode'
    is "Ironic itself: the image" "$(api GET /v1/nodes/n1 | jq -r .instance_info.image_source)" file:///other
    has "Ironic itself: nothing was deployed" "$(seen n1)" ' available true$'
}
story_lock() {
    is "Ironic takes an order for n2" "$(api PUT /v1/nodes/n2/states/power '{"target":"power on"}')" ""
    call n2 power.off
    outcome "another has the lock" busy false 'is locked by host'
    told "when to come back" '.retry_after_ms > 0' true
    await 30 eval '[[ $(seen n2) = "power on null "* ]]' || fail "the other's order: $(seen n2)"
}
story_errors() {
    call nosuch power.status
    outcome "no such node" not-found false 'nosuch'
    call nosuch power.off
    outcome "off of no such node" not-found false 'nosuch'
    local before
    before=$(seen n2)
    call stranger power.status
    outcome "a wrong password" auth false '401'
    call stranger power.off
    outcome "an order with a wrong password" auth false '401'
    is "Ironic itself: nothing was done" "$(seen n2)" "$before"
}

ironic_start
for node in n1 n2; do
    is "a node" "$(api POST /v1/nodes "{\"name\":\"$node\",\"driver\":\"fake-hardware\"}" | jq -r .provision_state)" enroll
done
drive_start
story_provision
story_power
story_maintenance
story_release
story_lock
story_errors
drive_stop
verdict
