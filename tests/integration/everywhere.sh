#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One policy, not a word changed, heals hosts of every kind: a machine by Redfish; one by IPMI, and when its BMC hangs by the
# outlets of both its feeds; a server of Nova (tests/peers/nova.py); an instance of AWS (moto); a node of Kubernetes that
# Metal3 switches (the lab). A trap or a CloudEvent comes in, each is healed by its own means, once, and explain says how.
# timeout: 400
. "$(dirname "$0")/common.sh"
needs snmpd snmpget snmptrap jq curl python3

# ---- the peers ------------------------------------------------------------------------------------------------------
kube_port=$((9000 + $$ % 900))
lab_start --racks 2 --hosts 2 --redfish-share 50 --off-delay 60ms --on-delay 60ms --boot-delay 200ms --soft-delay 100ms \
    --kube-port $kube_port --trap-to "127.0.0.1:$trap_port" --write-inventory "$dir/inventory-of-the-lab.conf"
metal=r1h01 old=r1h02 node=r2h01 # A rack has a Redfish BMC first, then an IPMI one.

# These two have controllers of their own: Metal3 would switch them on again.
for name in $metal $old; do
    curl -fsS -o /dev/null --cacert "$dir/lab/ca.pem" -H 'Authorization: Bearer nightshift-lab-admin' -X DELETE \
        "https://$base:$kube_port/apis/metal3.io/v1alpha1/namespaces/metal3/baremetalhosts/$name"
done

pdu_port=$((trap_port + 3000))
pdu_start() { # NAME ADDRESS
    mkdir -p "$dir/$1/state"
    cat >"$dir/$1/snmpd.conf" <<CONF
agentaddress udp:$2:$pdu_port
rocommunity public 127.0.0.0/8
rwcommunity private 127.0.0.0/8
sysobjectid .1.3.6.1.4.1.318.1.3.4.5
pass_persist .1.3.6.1.4.1.318.1.1.12 $(command -v python3) $NS_SOURCE/tests/integration/pdu.py $dir/$1 apc-rpdu
CONF
    SNMP_PERSISTENT_DIR=$dir/$1/state snmpd -f -Lf "$dir/$1/log" -C -c "$dir/$1/snmpd.conf" </dev/null &
    pids+=("$!")
    await 30 snmpget -v2c -c public -t 0.5 -r 0 -Oqv "$2:$pdu_port" 1.3.6.1.2.1.1.2.0 ||
        { cat "$dir/$1/log"; fail "snmpd of $1 does not answer"; verdict; }
}
feed_a=${base%.0}.210 feed_b=${base%.0}.211
pdu_start feed-a "$feed_a"
pdu_start feed-b "$feed_b"
install -m 600 /dev/stdin "$dir/lab/community" <<<private
install -m 600 /dev/stdin "$dir/lab/nova" <<<nova-secret
install -m 600 /dev/stdin "$dir/lab/aws" <<<example-secret
install -m 600 /dev/stdin "$dir/lab/kube" <<<nightshift-lab

read -r nova_port moto_port < <(python3 -c '
import socket
both = [socket.socket() for _ in range(2)]
for one in both: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in both])')
python3 "$NS_SOURCE/tests/peers/nova.py" "$nova_port" nova-secret "$dir/nova.orders" >"$dir/nova.log" 2>&1 &
pids+=("$!")
await 30 curl -fs "http://127.0.0.1:$nova_port/v2.1/" || { cat "$dir/nova.log"; fail "nova.py did not start"; verdict; }

instance=
if moto=$(HOME=$(getent passwd "$(id -u)" | cut -d: -f6) bash "$NS_SOURCE/tests/peers/moto.sh" 2>"$dir/why") &&
    command -v aws >/dev/null; then
    PYTHONPATH=$moto /usr/bin/python3 -c 'import sys; from moto.server import main
sys.argv = ["moto_server", "-H", "127.0.0.1", "-p", sys.argv[1]]; main()' "$moto_port" >"$dir/moto.log" 2>&1 &
    pids+=($!)
    await 90 curl -fs "http://127.0.0.1:$moto_port/moto-api/" || { tail -5 "$dir/moto.log"; fail "moto did not start"; verdict; }
    export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=example-secret AWS_DEFAULT_REGION=eu-central-1 AWS_PAGER=
    ask() { aws --endpoint-url "http://127.0.0.1:$moto_port" --output json "$@"; }
    image=$(ask ec2 describe-images --owners amazon | jq -r '.Images[0].ImageId')
    instance=$(ask ec2 run-instances --image-id "$image" --count 1 --instance-type t3.micro | jq -r '.Instances[0].InstanceId')
else
    echo "SKIPPED: the instance of AWS: $(cat "$dir/why")"
fi

# ---- one inventory, one policy --------------------------------------------------------------------------------------
cat >"$dir/inventory.conf" <<CONF
credentials: ( { name = "lab"; user = "admin"; password = "file:bmc.password"; } );
hosts: (
  { name = "$metal"; rack = "a1"; bmc = { driver = "redfish"; address = "https://$(address_of $metal):$https_port"; credentials = "lab";
    ca_file = "$dir/lab/ca.pem"; }; },
  { name = "$old"; rack = "a2"; bmc = { driver = "ipmi"; address = "$(address_of $old):$ipmi_port"; credentials = "lab"; };
    outlet = { driver = "snmp"; address = "$feed_a:$pdu_port"; outlets = "5, $feed_b:$pdu_port/7"; community = "file:community";
               poll = "50ms"; off_time = "100ms"; };
    reach = { power = ["bmc", "outlet"]; }; },
  { name = "web-1"; rack = "a3"; instance = { driver = "openstack"; server = "web-1"; auth_url = "http://127.0.0.1:$nova_port/v3";
    user = "ns"; password = "file:nova"; project = "ops"; region = "R1"; poll = "100ms"; tls = "insecure"; }; },
  { name = "cloud-1"; rack = "a4"; instance = { driver = "aws"; region = "eu-central-1"; endpoint = "http://127.0.0.1:$moto_port";
    poll = "50ms"; access_key = "AKIDEXAMPLE"; secret_key = "file:aws"; instance = "${instance:-i-0123456789abcdef0}"; }; },
  { name = "$node"; rack = "a5"; node = { driver = "kubernetes"; url = "https://$base:$kube_port"; ca_file = "$dir/lab/ca.pem";
    bearer_file = "$dir/lab/kube"; bare_metal_host = "metal3/$node"; poll = "100ms"; }; }
);
CONF
mkdir "$dir/policies"
cat >"$dir/policies/heal.policy" <<'POLICY'
policies: ( { name = "heal"; summary = "Move the work away, restart, verify, else page"; owner = "dc"; subject = "host"; mode = "enforce";
  when   = { event = "memory.uncorrectable"; severity = "major"; settle = "0s"; };
  unless = ( "host.maintenance" ); limits = { once_within = "1s"; };
  do     = ( { step = "drain"; action = "drain"; if = "'node' in host.bindings"; timeout = "60s"; },
             { step = "cycle"; action = "power.cycle"; timeout = "60s"; },
             { step = "verify"; check = "cleared"; within = "2m"; every = "200ms"; },
             { step = "back"; action = "undrain"; if = "steps.drain.ok"; timeout = "60s"; } );
  else   = ( { step = "page"; action = "page"; with = { text = "${host.name}: ${failure}"; }; } ); } );
POLICY
policy_sum=$(sha256sum "$dir/policies/heal.policy")
cat >"$dir/pager" <<EOT
#!/bin/sh
cat >>"$dir/pages"
echo '{"ok":true}'
EOT
chmod 755 "$dir/pager"
: >"$dir/pages"
cat >"$dir/nightshift.conf" <<CONF
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers"; credentials = "$dir/lab";
api = { socket = "$dir/api.sock"; };
snmp = { listen = ["udp:127.0.0.1:$trap_port"]; receivers = 1; communities = ["public"]; sources = ["127.0.0.0/8"]; };
pager = { driver = "exec"; program = "$dir/pager"; };
CONF
daemon_start

# ---- what happens ---------------------------------------------------------------------------------------------------
run_of() { ns run list --host "$1" -o jsonl | head -1; }
run_is() { # HOST STATE
    [ "$(run_of "$1" | jq -r .state)" = "$2" ]
}
cycled() { # HOST: its power.cycle is verified
    [ "$(ns explain host "$1" -o json | jq -r '[.actions[] | select(.verb == "power.cycle" and .state == "verified")] | length')" = 1 ]
}
number=0
event() { # HOST raise|clear
    number=$((number + 1))
    jq -n --arg h "$1" --arg s "$2" --arg n "$number" '{specversion: "1.0", id: $n, source: "test", type: "memory.uncorrectable",
        subject: $h, host: $h, severity: "critical", state: $s, data: {message: "DIMM 3"}}' | ns event send - >/dev/null
}
heal() { # HOST: what was raised is cleared when it was cycled
    await 90 cycled "$1" || { ns explain host "$1"; fail "$1 was not cycled"; verdict; }
    event "$1" clear
    await 60 run_is "$1" done || { ns explain host "$1"; fail "$1 was not healed"; }
}
explains() { # HOST WHAT PATTERN
    has "$1: $2" "$(ns explain host "$1")" "$3"
}

# By Redfish: the trap comes from its BMC, and the fault is gone when it was off and on.
ledger_mark
lab fail "$metal" memory >/dev/null
await 90 run_is "$metal" done || { ns explain host "$metal"; fail "$metal was not healed"; }
is "$metal: off and on, once" "$(physics_of "$metal" | grep -oE '\b(off|on)\b' | xargs)" "off on"
explains "$metal" "by Redfish" "power.cycle $metal via redfish: verified"

# By IPMI, as long as its BMC answers.
ledger_mark
event "$old" raise
heal "$old"
is "$old: off and on, once" "$(physics_of "$old" | grep -oE '\b(off|on)\b' | xargs)" "off on"
explains "$old" "by IPMI" "power.cycle $old via ipmi: verified"
[ ! -e "$dir/feed-a/orders" ] && [ ! -e "$dir/feed-b/orders" ] && ok "$old: its outlets were left alone" || fail "$old: its outlets were switched"

# Its BMC hangs: both outlets, off before on.
lab hang "$old" >/dev/null
event "$old" raise
await 90 eval '[ "$(ns explain host '"$old"' -o json | jq -r "[.actions[] | select(.binding == \"outlet\" and .state == \"verified\")] | length")" = 1 ]' ||
    { ns explain host "$old"; fail "$old was not cycled by its outlets"; verdict; }
event "$old" clear
await 60 run_is "$old" done || { ns explain host "$old"; fail "$old was not healed by its outlets"; }
is "$old: feed a" "$(paste -sd, "$dir/feed-a/orders")" "outlet 5 off,outlet 5 on"
is "$old: feed b" "$(paste -sd, "$dir/feed-b/orders")" "outlet 7 off,outlet 7 on"
explains "$old" "by its outlets" "power.cycle $old via snmp: verified"
explains "$old" "and why" 'by its outlet, after bmc \(ipmi\): (timeout|unreachable): .*nothing was done'

# A server of Nova.
event web-1 raise
heal web-1
is "web-1: what Nova was asked for" "$(paste -sd, "$dir/nova.orders")" "os-stop,os-start"
explains web-1 "by Nova" 'power.cycle web-1 via openstack: verified'

# An instance of AWS.
if [ -n "$instance" ]; then
    event cloud-1 raise
    heal cloud-1
    is "cloud-1: awscli agrees" "$(ask ec2 describe-instances --instance-ids "$instance" | jq -r '.Reservations[0].Instances[0].State.Name')" running
    explains cloud-1 "by EC2" 'power.cycle cloud-1 via aws: verified'
fi

# A node of Kubernetes: drained, switched by Metal3, taken back.
ledger_mark
event "$node" raise
heal "$node"
explains "$node" "drained" "drain $node via kubernetes: done"
explains "$node" "by Metal3" "power.cycle $node via kubernetes: verified"
explains "$node" "taken back" "undrain $node via kubernetes: done"
is "$node: off and on, once" "$(physics_of "$node" | grep -oE '\b(off|on)\b' | xargs)" "off on"
has "$node: takes work" "$(curl -s --cacert "$dir/lab/ca.pem" -H 'Authorization: Bearer nightshift-lab-admin' "https://$base:$kube_port/api/v1/nodes/$node" | jq -c .spec.unschedulable)" '^(null|false)$'

is "nobody was paged" "$(cat "$dir/pages")" ""
is "one policy, unchanged" "$(sha256sum "$dir/policies/heal.policy")" "$policy_sum"
verdict
