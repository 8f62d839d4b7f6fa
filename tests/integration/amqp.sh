#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# AMQP: OpenStack's notifications out of the packaged RabbitMQ; what is acknowledged is on disk, whatever dies.
source "$(dirname "$0")/common.sh"
source "$NS_SOURCE/tests/peers/broker.sh"
source "$NS_SOURCE/tests/peers/rabbitmq.sh"
needs curl jq openssl epmd
[ -n "${NS_ALL:-}" ] || skip "takes more than a minute: tests/run --all"
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || skip "rabbitmq-server is not installed (etc/packages test)"
load=$NS_BUILD/tests/amqp_load
[ -x "$bin/nightshiftd" ] && [ -x "$load" ] || skip "nightshiftd or amqp_load is not built"

mkdir "$dir/policies" "$dir/tls"
broker_certificates DNS:localhost
rabbit_start
trap 'rabbit_stop; finish' EXIT
rabbit_reader
rabbit_put exchanges/%2F/nova '{"type":"topic","durable":true}'
rabbit_put queues/%2F/orders '{"durable":true,"arguments":{"x-dead-letter-exchange":"","x-dead-letter-routing-key":"dead"}}'
rabbit_put queues/%2F/dead '{"durable":true}'
rabbit_bind nova orders orders.info

cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "compute"; rack = "r1"; }, { name = "node-7"; rack = "r1"; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$dir"; credentials = "credentials";
sources = (
  { name = "nova"; type = "amqp"; format = "openstack"; url = "amqps://localhost:$((rabbit_port + 1))/"; user = "nightshift";
    password = "file:rabbit"; tls_ca = "$dir/tls/ca.pem"; queue = "nightshift.nova"; declare = true; exchange = "nova";
    keys = ["versioned_notifications.*", "notifications.*"]; },
  { name = "orders"; type = "amqp"; url = "amqp://127.0.0.1:$rabbit_port/"; user = "nightshift"; password = "file:rabbit"; queue = "orders"; window = 100;
    map = ( { type = "'order'"; id = "string(body.n)"; resource = "string(body.n)"; severity = "'info'"; } ); }
);
EOT
events() { ns event list -o jsonl --limit 1000 "$@"; }
event_of() { events | jq -es --arg t "$1" 'map(select(.type == $t)) | last'; }
unread() { # QUEUE: messages that are neither acknowledged nor rejected, as the broker itself counts them
    rabbit_api "queues/%2F/$1" | jq .messages
}
empty() { [ "$(unread "$1")" = 0 ]; }

daemon_start
await 30 connected nova && ok "connected by TLS" || { cat "$dir/log"; ns source doctor nova; fail "nova is not connected"; }
await 30 connected orders || fail "orders is not connected"

# ---- notifications as OpenStack sends them: with the envelope and without
notification() { jq -c --arg id "$1" 'select(.id == $id) | .body + {message_id: ($id + "-m"), timestamp: "2026-03-02 10:00:00.5"}' "$NS_SOURCE/tests/data/openstack/notifications.jsonl"; }
wrapped() { jq -c '{"oslo.version": "2.0", "oslo.message": tojson}'; }
notification nova-instance-update | wrapped | "$load" 127.0.0.1 "$rabbit_port" nova versioned_notifications.info >/dev/null
notification nova-compute_task-build_instances-error | "$load" 127.0.0.1 "$rabbit_port" nova versioned_notifications.error >/dev/null
echo '{"event_type":"compute.instance.update","publisher_id":"compute.compute","priority":"INFO","message_id":"u1","timestamp":"2026-03-02 10:00:01","payload":{"instance_id":"i1","display_name":"vm","host":"compute","state":"error"}}' |
    wrapped | "$load" 127.0.0.1 "$rabbit_port" nova notifications.info >/dev/null
jq -c 'select(.id == "ironic-baremetal.node.power_state_corrected.success") | .body | .payload["ironic_object.data"] += {name: "node-7", provision_state: "active"} | . + {message_id: "p1", timestamp: "2026-03-02 10:00:02"}' \
    "$NS_SOURCE/tests/data/openstack/notifications.jsonl" | wrapped | "$load" 127.0.0.1 "$rabbit_port" nova notifications.info >/dev/null
await 20 event_of openstack.node.power.lost || fail "no event of Ironic"
is "Nova's capacity" "$(event_of openstack.capacity.exhausted | jq -r '"\(.severity) \(.message)"')" "major No valid host was found. There are not enough hosts available."
is "Nova, unversioned" "$(events | jq -rs 'map(select(.id == "u1")) | .[0] | "\(.type) \(.state) \(.host) \(.resource)"')" "openstack.instance.error raise compute instance/i1"
is "Ironic's power" "$(event_of openstack.node.power.lost | jq -r '"\(.severity) \(.state) \(.host)"')" "critical raise node-7"
await 20 empty nightshift.nova && ok "all are acknowledged" || fail "unread: $(unread nightshift.nova)"

# ---- what makes no sense is rejected: the queue's dead-letter exchange has it
echo 'no JSON' | "$load" 127.0.0.1 "$rabbit_port" nova orders.info >/dev/null
dead() { [ "$(unread dead)" = 1 ]; }
await 20 dead && ok "what makes no sense is rejected" || fail "dead letters: $(unread dead)"
is "and counted" "$(figure orders malformed)" 1

# ---- kill -9 under load, three times: every message is an event, once
echo '{"n":@}' | "$load" 127.0.0.1 "$rabbit_port" nova orders.info 1 20000 >/dev/null
progress() { [ "$(figure orders accepted)" -gt 300 ]; }
killed_thrice progress
last() { [ "$(ns event list -o jsonl --limit 1 --type order | jq -r .id)" = 20000 ]; }
await 120 last || fail "not all came: $(ns source list)"
all_once order id 20000
left() { [ "$("$load" 127.0.0.1 "$rabbit_port" '?' orders)" = 0 ]; }
await 10 left && ok "all of them are acknowledged" || fail "not acknowledged: $("$load" 127.0.0.1 "$rabbit_port" '?' orders)"
daemon_start

# ---- a broker that goes away and comes back
await 30 connected orders || fail "orders is not connected"
rabbit_stop
gone() { ! connected orders; }
await 30 gone && ok "a broker that is gone is noticed" || fail "the broker is gone, nobody knows"
has "doctor says so" "$(ns source doctor orders 2>&1 || true)" 'cannot connect|link broke'
rabbit_start
await 90 connected orders && ok "and found again" || fail "not connected again: $(ns source doctor orders)"
echo '{"n":@}' | "$load" 127.0.0.1 "$rabbit_port" nova orders.info 900001 1 >/dev/null
await 20 empty orders || fail "unread: $(unread orders)"
daemon_stop
no_errors_but 'source (nova|orders)'
verdict
