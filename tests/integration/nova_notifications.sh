#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# OpenStack's own notifications: the packaged Nova (versioned and unversioned ones), over the packaged RabbitMQ, into the
# source amqp with format openstack. nova.conf has what `nightshift source doctor` prints for pasting, taken from there.
# label: slow
# timeout: 2400
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/broker.sh"
. "$NS_SOURCE/tests/peers/rabbitmq.sh"
. "$NS_SOURCE/tests/peers/nova_real.sh"
needs jq curl python3
needs_packages openstack cloud_missing
trap 'cloud_stop; finish' EXIT

format_paste() { ns source format openstack | python3 -c '
import sys, re
print(re.search(r"paste\s*=\s*\"(.*?)(?<!\\)\";", sys.stdin.read(), re.S).group(1).replace("\\\"", "\""))'; }
pasted() { # FILE: what is printed for it, from its comment to the empty line; both kinds at once, to see both
    format_paste | sed -n "/^# $1/,/^\$/p" | grep -v '^#' | sed 's/^notification_format = versioned/notification_format = both/'
}
cloud_more=$(pasted nova.conf)
has "nova.conf as it is printed" "$cloud_more" 'driver = messagingv2'

# ---- nightshift ---------------------------------------------------------------------------------------------------------
source_start() {
    mkdir "$dir/policies"
    rabbit_reader
    echo 'hosts: ( { name = "compute1"; rack = "r1"; }, { name = "compute2"; rack = "r1"; } );' >"$dir/inventory.conf"
    cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$dir"; credentials = "credentials";
sources = (
  { name = "nova"; type = "amqp"; format = "openstack"; url = "amqp://127.0.0.1:$rabbit_port/"; user = "nightshift"; password = "file:rabbit";
    queue = "nightshift.nova"; declare = true; exchange = "nova"; keys = ["versioned_notifications.*"]; },
  { name = "old"; type = "amqp"; format = "openstack"; url = "amqp://127.0.0.1:$rabbit_port/"; user = "nightshift"; password = "file:rabbit";
    queue = "nightshift.old"; declare = true; exchange = "nova"; keys = ["notifications.*"]; }
);
EOT
    daemon_start
    await 60 connected nova && ok "it reads Nova's exchange, with the rights of its README" || { ns source doctor nova || true; fail "nova is not connected"; verdict; }
    await 60 connected old || { ns source doctor old || true; fail "old is not connected"; verdict; }
}
events() { ns event list -o jsonl --limit 1000 | jq -c --arg s "$1" 'select(.source | startswith($s))'; }
event_of() { # SOURCE TYPE: the last one's words
    events "$1" | jq -rs --arg t "$2" 'map(select(.type == $t)) | max_by(.seq) // empty | "\(.state) \(.severity) \(.host) \(.resource // "")"'
}
comes() { # WHAT SOURCE TYPE WANTED
    event_is() { [ "$(event_of "$1" "$2")" = "$3" ]; }
    await 60 event_is "$2" "$3" "$4" && ok "$1" || fail "$1: got '$(event_of "$2" "$3")', wanted '$4'; there are: $(events "$2" | jq -r .type | sort | uniq -c | xargs)"
}
alarm_is() { # HOST RESOURCE STATE
    [ "$(ns alarm list --state all -o json | jq -r --arg h "$1" --arg r "$2" '.items[] | select(.host == $h and .resource == $r) | .state')" = "$3" ]
}

# ---- Nova ---------------------------------------------------------------------------------------------------------------
server_make() { # NAME FLAVOR: its id
    cloud_api POST /servers "{\"server\":{\"name\":\"$1\",\"flavorRef\":\"$2\",\"imageRef\":\"$cloud_image\",\"networks\":\"none\"}}" | jq -r .server.id
}
server_status() { cloud_api GET "/servers/$1" | jq -r .server.status; }
server_becomes() { await 120 eval '[ "$(server_status '"$1"')" = '"$2"' ]' || fail "Nova: $1 is $(server_status "$1"), wanted $2"; }

cloud_start
policy=$(format_paste | grep '^rabbitmqctl')
eval "/usr/lib/rabbitmq/bin/$policy" >"$dir/policy.out" 2>&1 && ok "the broker takes the policy that is printed" || fail "$policy: $(cat "$dir/policy.out")"
echo "the cloud runs after $SECONDS s"
source_start
vm=$(server_make w1 "$cloud_flavor")
server_becomes "$vm" ACTIVE
on=$(cloud_api GET "/servers/$vm" | jq -r '.server."OS-EXT-SRV-ATTR:host"')
comes "a server is made" nova openstack.instance.create.end "pulse info $on instance/$vm"
comes "and as Nova said it before" old openstack.instance.create.end "pulse info $on instance/$vm"
cloud_api POST "/servers/$vm/action" '{"os-stop":null}'
server_becomes "$vm" SHUTOFF
comes "it is switched off" nova openstack.instance.power_off.end "pulse info $on instance/$vm"
comes "and unversioned" old openstack.instance.power_off.end "pulse info $on instance/$vm"
cloud_api POST "/servers/$vm/action" '{"os-start":null}'
server_becomes "$vm" ACTIVE
comes "it is switched on" nova openstack.instance.power_on.end "pulse info $on instance/$vm"

# ---- a server that fails -----------------------------------------------------------------------------------------------
giant=$(cloud_api POST /flavors '{"flavor":{"name":"giant","ram":64,"vcpus":100000,"disk":0}}' | jq -r .flavor.id)
project=$(cloud_ask "$keystone_url" GET '/projects?name=admin' | jq -r '.projects[0].id')
cloud_api PUT "/os-quota-sets/$project" '{"quota_set":{"cores":-1}}' >/dev/null
huge=$(server_make huge "$giant")
server_becomes "$huge" ERROR
comes "no room: capacity is exhausted" nova openstack.capacity.exhausted "pulse major null instance/$huge"
comes "and unversioned" old openstack.capacity.exhausted "pulse major null instance/$huge"
is "the token of who asked is not kept" "$(ns event list -o jsonl --limit 1000 | grep -c auth_token || true)" 0
cloud_api POST "/servers/$vm/action" '{"os-resetState":{"state":"error"}}'
server_becomes "$vm" ERROR
await 60 alarm_is "$on" "instance/$vm" raised && ok "a server in error is an alarm of its host" || fail "no alarm: $(ns alarm list --state all)"
cloud_api POST "/servers/$vm/action" '{"os-resetState":{"state":"active"}}'
await 60 alarm_is "$on" "instance/$vm" cleared && ok "active again: cleared" || fail "not cleared: $(ns alarm list --state all)"

# ---- a compute service -------------------------------------------------------------------------------------------------
service=$(cloud_api GET "/os-services?binary=nova-compute&host=$on" | jq -r '.services[0].id')
cloud_api PUT "/os-services/$service" '{"status":"disabled","disabled_reason":"a test"}' >/dev/null
await 60 alarm_is "$on" service/nova-compute raised && ok "a service that is disabled is an alarm" || fail "no alarm: $(ns alarm list --state all)"
is "as Nova says it" "$(event_of nova openstack.service.disabled)" "raise warning $on service/nova-compute"
cloud_api PUT "/os-services/$service" '{"status":"enabled"}' >/dev/null
await 60 alarm_is "$on" service/nova-compute cleared && ok "enabled: cleared" || fail "not cleared: $(ns alarm list --state all)"
compute_kill "$on"
cloud_api PUT "/os-services/$service" '{"forced_down":true}' >/dev/null
comes "forced down" nova openstack.service.disabled "raise major $on service/nova-compute"
compute_start "$on"
cloud_api PUT "/os-services/$service" '{"forced_down":false}' >/dev/null
await 60 alarm_is "$on" service/nova-compute cleared && ok "no more: cleared" || fail "not cleared: $(ns alarm list --state all)"

# ---- the end; and what was acknowledged while nightshift was away ---------------------------------------------------------
await 180 compute_is "$on" up || fail "$on does not come back"
daemon_kill
cloud_api DELETE "/servers/$vm"
await 120 eval '[ "$(server_status '"$vm"')" = null ]' || fail "Nova: $vm is not gone"
daemon_start
comes "a server that ended while nightshift was away" nova openstack.instance.error "clear info $on instance/$vm"
for name in nova old; do
    is "$name: nothing was malformed, dropped, unknown" "$(figure $name malformed)/$(figure $name dropped)/$(figure $name unmatched)" 0/0/0
    echo "$name: $(events $name | jq -r .type | sort | uniq -c | xargs)"
done
queue_policy() { [ "$(rabbit_api queues/%2F/versioned_notifications.info | jq -r .policy)" = notifications ]; }
await 30 queue_policy && ok "Nova's own queues have an end" || fail "they have none: $(rabbit_api queues | jq -c '[.[] | {name, policy}]')"
daemon_stop
verdict
