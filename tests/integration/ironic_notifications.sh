#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ironic's own notifications (power, provision, maintenance), out of the packaged Ironic with fake hardware over the packaged
# RabbitMQ into the source amqp. ironic.conf has what `nightshift source doctor` prints for pasting, taken from there.
# label: slow
# timeout: 600
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/broker.sh"
. "$NS_SOURCE/tests/peers/rabbitmq.sh"
. "$NS_SOURCE/tests/peers/ironic_real.sh"
needs jq curl python3
needs_packages openstack ironic_missing
needs_packages openstack first_missing /usr/lib/rabbitmq/bin/rabbitmq-server
trap 'finish; rabbit_stop' EXIT

rabbit_start
pasted=$("$bin/nightshift" source format openstack | sed -n '/^# ironic.conf/,/^$/p')
ironic_default=$(sed -n '/^\[DEFAULT\]/,/^\[/p' <<<"$pasted" | grep -v '^\[')
ironic_more="$(sed -n '/^\[oslo_messaging_notifications\]/,$p' <<<"$pasted")
transport_url = rabbit://guest:guest@127.0.0.1:$rabbit_port/"
has "ironic.conf as it is printed" "$ironic_default $ironic_more" 'notification_level = info.*driver = messagingv2|driver = messagingv2'

mkdir "$dir/policies"
rabbit_reader
echo 'hosts: ( { name = "n1"; rack = "r1"; } );' >"$dir/inventory.conf"
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$dir"; credentials = "credentials";
sources = (
  { name = "ironic"; type = "amqp"; format = "openstack"; url = "amqp://127.0.0.1:$rabbit_port/"; user = "nightshift"; password = "file:rabbit";
    queue = "nightshift.ironic"; declare = true; exchange = "ironic"; keys = ["ironic_versioned_notifications.*"]; }
);
EOT
daemon_start
ironic_start
api POST /v1/nodes '{"name":"n1","driver":"fake-hardware"}' >/dev/null
# Ironic makes its exchange with the first word it says: from then on it is read.
await 90 connected ironic && ok "it reads Ironic's exchange, with the rights of its README" || { ns source doctor ironic || true; fail "not connected"; verdict; }

events() { ns event list -o jsonl --limit 1000; }
event_of() { events | jq -rs --arg t "$1" 'map(select(.type == $t)) | max_by(.seq) // empty | "\(.state) \(.severity) \(.host): \(.message)"'; }
event_is() { grep -qE -- "$2" <<<"$(event_of "$1")"; }
comes() { # WHAT TYPE PATTERN
    await 60 event_is "$2" "$3" && ok "$1" || fail "$1: got '$(event_of "$2")', wanted /$3/; there are: $(events | jq -r .type | sort | uniq -c | xargs)"
}
node_is() { [ "$(api GET /v1/nodes/n1 | jq -r ".$1")" = "$2" ]; }
becomes() { await 60 node_is "$1" "$2" || fail "Ironic: $1 is $(api GET /v1/nodes/n1 | jq -r ".$1"), wanted $2"; }
provision() { # TARGET STATE
    api PUT /v1/nodes/n1/states/provision "{\"target\":\"$1\"}"
    becomes provision_state "$2"
}
provision manage manageable
comes "provisioning" openstack.node.provision.failed '^clear info n1: .* to manageable'
api PUT /v1/nodes/n1/states/power '{"target":"power on"}'
becomes power_state "power on"
comes "power: what worked clears" openstack.node.power.failed '^clear info n1: to power on'
api PUT /v1/nodes/n1/maintenance '{"reason":"a fan"}'
comes "maintenance is an alarm of its host" openstack.node.maintenance '^raise info n1: a fan'
api DELETE /v1/nodes/n1/maintenance
comes "its end clears" openstack.node.maintenance '^clear info n1'
# A deployment; the fake hardware needs no image.
provision provide available
api PATCH /v1/nodes/n1 '[{"op":"add","path":"/instance_info","value":{"image_source":"http://127.0.0.1:1/nothing","image_checksum":"0","root_gb":1}},{"op":"add","path":"/instance_uuid","value":"11111111-1111-4111-8111-111111111111"}]' >/dev/null
api PUT /v1/nodes/n1/states/provision '{"target":"active"}'
becomes provision_state active
comes "a deployment" openstack.node.provision.failed '^clear info n1: .* to active'
# Gone while nightshift was away: the queue kept it.
daemon_kill
api PUT /v1/nodes/n1/states/power '{"target":"power off"}'
becomes power_state "power off"
daemon_start
comes "what happened while nightshift was away" openstack.node.power.failed '^clear info n1: to power off'
is "nothing was malformed, dropped, unknown" "$(figure ironic malformed)/$(figure ironic dropped)/$(figure ironic unmatched)" 0/0/0
events | jq -r '"\(.type) \(.state)"' | sort | uniq -c
daemon_stop
verdict
