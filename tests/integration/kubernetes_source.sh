#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The source kubernetes against the lab's API server: a node that dies and comes back, conditions of a node problem
# detector, cordons and Events; watches that break and are forgotten while something changes; a restart; a wrong token.
# timeout: 240
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/kube_api.sh"
needs jq curl
kube_port=$((9000 + $$ % 900))
lab_start --racks 1 --hosts 3 --off-delay 60ms --on-delay 60ms --boot-delay 200ms --soft-delay 100ms \
    --kube-port $kube_port --kube-minor 28 --kube-bookmark 100ms --kube-grace 6s
url=https://$base:$kube_port ca=$dir/lab/ca.pem admin=nightshift-lab-admin
condition() { # TYPE STATUS TIME
    echo "{\"type\":\"$1\",\"status\":\"$2\",\"reason\":\"Test\",\"message\":\"as the test says\",\"lastTransitionTime\":\"$3\"}"
}
conditions() { # NODE CONDITION...
    local node=$1 list
    shift
    list=$(IFS=, && echo "$*")
    must PATCH "/api/v1/nodes/$node/status" "{\"status\":{\"conditions\":[$list]}}"
}

# ---- nightshift: a host whose node has its name, one whose binding says another ---------------------------------------
mkdir "$dir/policies"
cat >"$dir/inventory.conf" <<EOT
hosts: (
  { name = "r1h01"; node = { driver = "kubernetes"; url = "$url"; bearer_file = "$dir/token"; ca_file = "$ca"; }; },
  { name = "r1h02"; node = { driver = "kubernetes"; url = "$url"; bearer_file = "$dir/token"; ca_file = "$ca"; }; },
  { name = "db7"; node = { driver = "kubernetes"; node = "n7"; url = "$url"; bearer_file = "$dir/token"; ca_file = "$ca"; }; },
  { name = "db8"; node = { driver = "kubernetes"; node = "n8"; url = "$url"; bearer_file = "$dir/token"; ca_file = "$ca"; }; } );
EOT
echo nightshift-lab >"$dir/token"
echo nobody >"$dir/wrong"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
sources = (
  { name = "k8s"; type = "kubernetes"; url = "$url"; bearer_file = "$dir/token"; ca_file = "$ca"; lease = "3s"; },
  { name = "stranger"; type = "kubernetes"; url = "$url"; bearer_file = "$dir/wrong"; ca_file = "$ca"; } );
EOT
raised() { ns alarm list -o json | jq -r --arg type "kubernetes.node.$1" '[.items[] | select(.type == $type and .state == "raised") | .host] | sort | join(" ")'; }
raised_is() { [ "$(raised "$1")" = "$2" ]; }
events() { ns event list --limit 1000 -o json | jq -r --arg type "$1" '[.items[] | select(.type == $type)] | length'; }
events_is() { [ "$(events "$1")" = "$2" ]; }
last() { ns event list --type "$1" --limit 1 -o json | jq -c ".items[0] | $2"; }
doctor() { ns source doctor "$1" -o json 2>&1 || true; } # It fails with what it finds.
doctor_says() { grep -qE "$2" <<<"$(doctor "$1")"; }

must POST /api/v1/nodes '{"kind":"Node","apiVersion":"v1","metadata":{"name":"n7"}}'
conditions n7 "$(condition Ready True 2026-01-01T00:00:00Z)" "$(condition KernelDeadlock True 2026-01-02T00:00:00Z)"
daemon_start
await 20 raised_is kernel-deadlock db7 || fail "what is wrong at the start: $(raised kernel-deadlock) $(cat "$dir/log")"
ok "what is wrong at the start, on the host whose binding names the node"
is "as policies want it" "$(last kubernetes.node.kernel-deadlock '[.source, .severity, .state, .data.status, .data.reason]')" \
    '["k8s","major","raise","True","Test"]'
await 20 doctor_says k8s '4 nodes, 1 conditions raised' || fail "doctor: $(doctor k8s)"
is "who is ready is well" "$(raised not-ready)" ""

# ---- a wrong token --------------------------------------------------------------------------------------------------------
await 20 doctor_says stranger 'HTTP status 401' || fail "a wrong token: $(doctor stranger)"
has "the doctor says what to do" "$(doctor stranger)" 'is it right, and not expired'

# ---- a node dies and comes back ------------------------------------------------------------------------------------------
metal=/apis/metal3.io/v1alpha1/namespaces/metal3/baremetalhosts/r1h02
lab_await r1h02 os_up true
must PATCH $metal '{"spec":{"online":false}}'
await 20 raised_is not-ready r1h02 || fail "r1h02 is off: $(raised not-ready)"
ok "a host that is off: its node is not ready"
await 20 raised_is lease-stale r1h02 || fail "its lease: $(raised lease-stale)"
is "its lease was seen first" "$(ns event list --limit 1000 -o json | jq -r '[.items[] | select(.state == "raise" and .host == "r1h02")] | sort_by(.seq) | map(.type) | join(" ")')" \
    "kubernetes.node.lease-stale kubernetes.node.not-ready"
has "why" "$(last kubernetes.node.not-ready .message)" 'Ready is Unknown, NodeStatusUnknown: Kubelet stopped posting'
must PATCH $metal '{"spec":{"online":true}}'
await 20 raised_is not-ready "" || fail "r1h02 is on: $(raised not-ready)"
await 20 raised_is lease-stale "" || fail "r1h02 is on: $(raised lease-stale)"
ok "on again: cleared"
has "the doctor tells of leases" "$(doctor k8s | jq -r '.checks[] | select(.check == "leases") | "\(.state) \(.text)"')" '^ok .*: watched$'

# ---- cordons, taints and Events ----------------------------------------------------------------------------------------
must PATCH /api/v1/nodes/r1h01 '{"spec":{"unschedulable":true,"taints":[{"key":"hw/gpu","value":"bad","effect":"NoSchedule"}]}}'
await 20 events_is kubernetes.node.cordoned 1 || fail "no cordon"
await 20 events_is kubernetes.node.tainted 1 || fail "no taint"
is "the taint" "$(last kubernetes.node.tainted '[.host, .resource]')" '["r1h01","hw/gpu=bad:NoSchedule"]'
warn r1h01 oom.1 1
await 20 events_is kubernetes.event.system-oom 1 || fail "no Event"
is "an Event of a node" "$(last kubernetes.event.system-oom '[.host, .severity, .state, .message]')" '["r1h01","warning","pulse","victim process: java"]'

# ---- the watch breaks, and its history is forgotten, while things change -----------------------------------------------------
windows() { doctor k8s | grep -oE '[0-9]+ windows' | cut -d' ' -f1; }
# All changes are forgotten: only a bookmark, which those who asked for them get, tells a version that is known still. Ours was
# told one before a second one came on a watch that began later.
lab kube compact >/dev/null
is "bookmarks come" "$(api GET "/api/v1/nodes?watch=1&allowWatchBookmarks=true&timeoutSeconds=10" | grep -m2 -c BOOKMARK || true)" 2
lab kube break >/dev/null
conditions n7 "$(condition Ready True 2026-01-01T00:00:00Z)" "$(condition KernelDeadlock False 2026-01-03T00:00:00Z)"
await 20 raised_is kernel-deadlock "" || fail "a change while the watch was broken: $(raised kernel-deadlock)"
is "a broken watch goes on where the last bookmark was" "$(windows)" 0
# Refused while it is gone, so that nothing can be watched before the change; then all it knew is forgotten.
lab deny kube >/dev/null
lab kube break >/dev/null
await 20 doctor_says k8s 'HTTP status 401: Unauthorized, 4 nodes' || fail "not seen as refused: $(doctor k8s)"
kill -STOP "$daemon" # Until all of it has happened, however slow this machine is.
lab honest kube >/dev/null
lab kube break >/dev/null
must PATCH /api/v1/nodes/r1h01 '{"spec":{"unschedulable":false,"taints":null}}'
conditions n7 "$(condition Ready True 2026-01-05T00:00:00Z)" "$(condition KernelDeadlock True 2026-01-04T00:00:00Z)"
must DELETE /api/v1/nodes/r1h03
lab kube compact >/dev/null
kill -CONT "$daemon"
await 30 raised_is kernel-deadlock db7 || fail "410, and a change before: $(raised kernel-deadlock) $(doctor k8s)"
ok "410: a change in the missed window is told"
await 20 events_is kubernetes.node.uncordoned 1 || fail "no end of the cordon"
await 20 events_is kubernetes.node.deleted 1 || fail "no deleted node"
is "the end of the taint, too" "$(events kubernetes.node.untainted)" 1
if [ "$(windows)" -gt 0 ]; then
    is "a condition that changed and came back" "$(last kubernetes.node.flapped '[.host, .resource]')" '["db7","Ready"]'
    has "the window is listed" "$(doctor k8s)" 'the last first: .*nodes 20[0-9T:.-]+Z for '
else
    fail "no window was listed: $(doctor k8s)"
fi

# ---- a restart tells nothing twice, and all that changed meanwhile ------------------------------------------------------------
# But for leases: that they are renewed is told once after each start.
told() { ns event list --limit 1000 -o json | jq -c '[.items[] | select(.type != "kubernetes.node.lease-stale") | [.type, .id]] | sort'; }
before=$(told)
alarms() { ns alarm list -o json | jq -c '[.items[] | select(.type != "kubernetes.node.lease-stale") | {id, state, count}] | sort'; }
alarms=$(alarms)
daemon_stop
daemon_start
await 20 doctor_says k8s '3 nodes, 1 conditions raised' || fail "after a restart: $(doctor k8s)"
told_again() { ns source list -o json | jq -e '.items[] | select(.name == "k8s") | .duplicates > 0'; }
await 20 told_again || fail "the repeats were not known: $(ns source list -o json)"
is "nothing is told twice" "$(told)" "$before"
is "no alarm moved" "$(alarms)" "$alarms"
must POST /api/v1/nodes '{"kind":"Node","apiVersion":"v1","metadata":{"name":"n8"}}'
conditions n8 "$(condition Ready False 2026-01-06T00:00:00Z)"
await 20 raised_is not-ready db8 || fail "a node that goes while nightshift is away: $(raised not-ready)"
daemon_stop
must DELETE /api/v1/nodes/n8
conditions n7 "$(condition Ready False 2026-01-06T00:00:00Z)" "$(condition KernelDeadlock False 2026-01-06T00:00:00Z)"
# The same cluster by a kubeconfig, with its authority and token inside.
cat >"$dir/kubeconfig" <<EOT
apiVersion: v1
kind: Config
current-context: lab
clusters: [{name: lab, cluster: {server: "$url/", certificate-authority-data: "$(base64 -w0 "$ca")"}}]
users: [{name: ns, user: {token: nightshift-lab}}, {name: program, user: {exec: {command: "/bin/true"}}}]
contexts: [{name: lab, context: {cluster: lab, user: ns}}, {name: program, context: {cluster: lab, user: program}}]
EOT
chmod 600 "$dir/kubeconfig"
sed -i "s|name = \"k8s\"; type = \"kubernetes\"; .*}|name = \"k8s\"; type = \"kubernetes\"; kubeconfig = \"file:$dir/kubeconfig\"; }|; s|name = \"stranger\"; .*}|name = \"stranger\"; type = \"kubernetes\"; kubeconfig = \"file:$dir/kubeconfig\"; context = \"program\"; }|" "$dir/nightshift.conf"
daemon_start
await 20 raised_is not-ready db7 && ok "a node that was deleted meanwhile has no alarm any more, who is not ready has one" ||
    fail "not ready while nightshift was away, and another's end: $(raised not-ready)"
is "an alarm of before ends" "$(raised kernel-deadlock)" ""
is "by a kubeconfig" "$(doctor k8s | jq -r '.checks[] | select(.check == "nodes") | "\(.state) \(.text)"')" "ok $url: watched, 3 nodes, 1 conditions raised"
has "of which no program is run" "$(doctor stranger)" 'exec: a program that makes tokens is never run'
is "its token is nowhere" "$( (doctor k8s; cat "$dir/log") | grep -c nightshift-lab || true)" 0
verdict
