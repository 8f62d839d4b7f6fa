#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The source kubernetes against a real control plane 1.20 (etcd, kube-apiserver, and of its controllers the one that
# watches the leases of nodes): what the kubelet's silence becomes, conditions, taints of the control plane and of people,
# Events; an apiserver that is killed and comes back; a history that etcd forgets (410).
# label: slow
# timeout: 3600
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/kube_api.sh"
. "$NS_SOURCE/tests/peers/kube_real.sh"
kube_patch=strategic-merge-patch
needs jq curl openssl
peer=$("$NS_SOURCE/tests/peers/kubernetes.sh" $([ -n "${NS_ALL:-}" ] || echo --cached) 2>"$dir/why") || skip "$(tail -1 "$dir/why")"
command -v etcd >/dev/null || skip "etcd is not installed (etc/packages kubernetes)"

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
lease_renew() { # NODE
    api PATCH "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/$1" "{\"spec\":{\"renewTime\":\"$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)\"}}"
}
condition() { # NODE TYPE STATUS REASON
    must PATCH "/api/v1/nodes/$1/status" "{\"status\":{\"conditions\":[{\"type\":\"$2\",\"status\":\"$3\",\"reason\":\"$4\",\"message\":\"as the test says\",\"lastHeartbeatTime\":\"$(now)\",\"lastTransitionTime\":\"$(now)\"}]}}"
}
node() { # NAME: as a kubelet registers
    must POST /api/v1/nodes "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"$1\"}}"
    must POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{\"name\":\"$1\"},\"spec\":{\"holderIdentity\":\"$1\",\"leaseDurationSeconds\":40,\"renewTime\":\"$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)\"}}"
    condition "$1" Ready True KubeletReady
}
kubelets() { # Of the nodes whose file is there, until killed
    set +e
    while :; do
        for file in "$dir"/kubelet/*; do lease_renew "${file##*/}" >/dev/null; done
        sleep 0.5
    done
}

real_start "$peer" nodelifecycle "--node-monitor-grace-period=8s --node-monitor-period=1s --node-startup-grace-period=8s"
real_rights
api POST /api/v1/namespaces '{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-node-lease"}}' >/dev/null
mkdir -p "$dir/kubelet" "$dir/policies"
for name in n1 n2 n3; do node $name; : >"$dir/kubelet/$name"; done
kubelets &
pids+=("$!")

bound() { # HOST NODE
    echo "{ name = \"$1\"; node = { driver = \"kubernetes\"; node = \"$2\"; url = \"$url\"; bearer_file = \"$dir/token\"; ca_file = \"$ca\"; }; }"
}
echo "hosts: ( $(bound n1 n1), $(bound n2 n2), $(bound db7 n3) );" >"$dir/inventory.conf"
echo "$token" >"$dir/token"
echo "$weak" >"$dir/weak"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
sources = (
  { name = "k8s"; type = "kubernetes"; url = "$url"; bearer_file = "$dir/token"; ca_file = "$ca"; lease = "4s"; },
  { name = "weak"; type = "kubernetes"; url = "$url"; bearer_file = "$dir/weak"; ca_file = "$ca"; conditions = ["Never"]; } );
EOT
state() { # TYPE HOST: of its alarm
    ns alarm list --state all -o json | jq -r --arg t "kubernetes.node.$1" --arg h "$2" '[.items[] | select(.type == $t and .host == $h) | .state] | join(" ")'
}
state_is() { [ "$(state "$1" "$2")" = "$3" ]; }
becomes() { # WHAT TYPE HOST STATE
    await 60 state_is "$2" "$3" "$4" && ok "$1" || fail "$1: '$(state "$2" "$3")', wanted '$4'"
}
events() { ns event list --limit 1000 -o json | jq -r --arg s k8s --arg type "$1" '[.items[] | select(.source == $s and .type == $type)] | length'; }
events_is() { [ "$(events "$1")" = "$2" ]; }
last() { ns event list --limit 1000 -o json | jq -c --arg t "$1" "[.items[] | select(.source == \"k8s\" and .type == \$t)] | max_by(.seq) | $2"; }
doctor() { ns source doctor "$1" -o json 2>&1 || true; }
check() { doctor "$1" | jq -r --arg c "$2" '.checks[] | select(.check == $c) | "\(.state) \(.text)"'; }
check_says() { grep -qE "$3" <<<"$(check "$1" "$2")"; }
windows() { check k8s missed | grep -oE '[0-9]+ windows' | cut -d' ' -f1; }

condition n3 KernelDeadlock True DockerHung
daemon_start
becomes "a problem detector's condition, of the host whose binding names the node" kernel-deadlock db7 raised
await 30 check_says k8s nodes '^ok .*watched, 3 nodes, 1 conditions raised' || fail "the doctor: $(doctor k8s)"
await 30 check_says k8s events '^ok .*watched' || fail "the doctor: $(doctor k8s)"
await 30 check_says weak events '403' || fail "who may not read Events is told so: $(doctor weak)"
has "with what to do" "$(doctor weak)" 'role.json'

# ---- a kubelet that falls silent: the control plane says Unknown, and taints -------------------------------------------
rm "$dir/kubelet/n2"
becomes "a silent kubelet: not ready" not-ready n2 raised
is "its lease was stale before" "$(ns event list --limit 1000 -o json | jq -r '[.items[] | select(.state == "raise" and .host == "n2")] | sort_by(.seq) | map(.type) | join(" ")')" \
    "kubernetes.node.lease-stale kubernetes.node.not-ready"
has "in the control plane's words" "$(last kubernetes.node.not-ready .message)" 'Ready is Unknown, NodeStatusUnknown: Kubelet stopped posting node status'
await 30 eval 'api GET /api/v1/nodes/n2 | jq -e ".spec.taints[] | select(.key == \"node.kubernetes.io/unreachable\")"' || fail "the control plane never tainted n2"
is "the controller's own Events are Normal, and left out" "$(events kubernetes.event.node-not-ready)" 0
is "its taints say nothing new" "$(events kubernetes.node.tainted)" 0
: >"$dir/kubelet/n2"
condition n2 Ready True KubeletReady
becomes "it is back: cleared" not-ready n2 cleared
becomes "and its lease" lease-stale n2 cleared
condition n1 MemoryPressure True KubeletHasInsufficientMemory
becomes "pressure" memory-pressure n1 raised
condition n1 MemoryPressure False KubeletHasSufficientMemory
becomes "no more" memory-pressure n1 cleared

# ---- what people do ------------------------------------------------------------------------------------------------------
must PATCH /api/v1/nodes/n1 '{"spec":{"unschedulable":true,"taints":[{"key":"hw/gpu","value":"bad","effect":"NoSchedule"}]}}'
await 30 events_is kubernetes.node.cordoned 1 || fail "no cordon: $(events kubernetes.node.cordoned)"
await 30 events_is kubernetes.node.tainted 1 || fail "no taint: $(events kubernetes.node.tainted)"
is "a cordon and a taint" "$(last kubernetes.node.tainted '[.host, .resource]')" '["n1","hw/gpu=bad:NoSchedule"]'
warn n1 oom.1 1
await 30 events_is kubernetes.event.system-oom 1 || fail "no Event"
is "an Event of a node" "$(last kubernetes.event.system-oom '[.host, .severity, .message]')" '["n1","warning","victim process: java"]'

# ---- the apiserver dies, and comes back ------------------------------------------------------------------------------------
apiserver_stop
await 30 check_says k8s nodes '^failed' || fail "its end went unnoticed: $(doctor k8s)"
apiserver_start
condition n3 KernelDeadlock False DockerBack
becomes "a change after the apiserver came back" kernel-deadlock db7 cleared
# Its cache of changes begins with its start: what it is asked for is too old for it (410), and the list is compared.
await 30 eval '[ "$(windows)" -gt 0 ]' && ok "what it has forgotten is a window" || fail "no window: $(check k8s missed)"
seen=$(windows)

# ---- etcd forgets: what was seen last is too old -------------------------------------------------------------------------
etcd_ask() { curl -fsS "http://127.0.0.1:$etcd_port/v3/kv/$1" -d "$2"; }
apiserver_stop
await 30 check_says k8s nodes '^failed' || fail "its end went unnoticed: $(doctor k8s)"
daemon_pause() { kill -STOP "$daemon"; }
daemon_pause # What happens now it does not see.
apiserver_start
condition n3 KernelDeadlock True DockerHung
must PATCH /api/v1/nodes/n1 '{"spec":{"unschedulable":false}}'
must DELETE /api/v1/nodes/n2
rm -f "$dir/kubelet/n2"
revision=$(etcd_ask range '{"key":"AA=="}' | jq -r .header.revision)
etcd_ask compaction "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null
apiserver_stop # Its cache of recent changes too.
apiserver_start
kill -CONT "$daemon"
becomes "410: a condition that changed meanwhile" kernel-deadlock db7 raised
await 30 events_is kubernetes.node.uncordoned 1 || fail "no end of the cordon"
await 30 events_is kubernetes.node.deleted 1 || fail "no deleted node"
[ "$(windows)" -gt "$seen" ] && ok "the window is listed" || fail "no window: $(doctor k8s)"
has "with its time" "$(check k8s missed)" 'nodes 20[0-9T:.-]+Z for '
is "nothing of it made no sense" "$(ns source list -o json | jq -r '.items[] | select(.name == "k8s") | "\(.malformed)/\(.dropped)/\(.unmatched)"')" 0/0/0
daemon_stop
verdict
