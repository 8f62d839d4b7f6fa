#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kubernetes driver: the same stories against the lab's API server, always, and against a real control plane 1.20
# (etcd, kube-apiserver, kube-controller-manager) under --all, where tests/peers/kubernetes.sh has or makes one. What only
# the lab can do (break, forget, hang, lie) is told at the end. This script plays the kubelets.
# timeout: 3600
# Two minutes; an hour for the first time under --all, which builds the control plane.
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/kube_api.sh"
. "$NS_SOURCE/tests/peers/kube_real.sh"
needs jq curl openssl

# ---- the API, as the operator -------------------------------------------------------------------------------------
pods_on() { # NODE: names, sorted
    api GET "/api/v1/pods?fieldSelector=spec.nodeName%3D$1" | jq -r '.items[].metadata.name' | sort | xargs
}
node_has() { # NODE FILTER: true
    [ "$(api GET "/api/v1/nodes/$1" | jq -r "$2")" = true ]
}
node() { # NAME: a node that works
    must POST /api/v1/nodes "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"$1\"}}"
    must PATCH "/api/v1/nodes/$1/status" "{\"status\":{\"capacity\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"200\"},\"conditions\":[$(ready True)]}}"
    must POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{\"name\":\"$1\"},\"spec\":{\"holderIdentity\":\"$1\",\"leaseDurationSeconds\":40,\"renewTime\":\"$(now)\"}}"
}
now() { date -u +%Y-%m-%dT%H:%M:%S.000000Z; }
ready() { # STATUS
    echo "{\"type\":\"Ready\",\"status\":\"$1\",\"reason\":\"Test\",\"message\":\"as the test says\",\"lastHeartbeatTime\":\"${2:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}\",\"lastTransitionTime\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}"
}
owned='"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"11111111-1111-1111-1111-111111111111","controller":true}]'
daemon='"ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"agent","uid":"22222222-2222-2222-2222-222222222222","controller":true}]'
pod() { # NAME NODE [METADATA [VOLUMES [PHASE]]]: runs
    local labels=${1%%-*}
    must POST /api/v1/namespaces/shop/pods "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"$1\",\"labels\":{\"app\":\"$labels\"}${3:+,$3}},\"spec\":{\"nodeName\":\"$2\",\"terminationGracePeriodSeconds\":5,\"containers\":[{\"name\":\"c\",\"image\":\"none\"}]${4:+,$4}}}"
    local answer
    answer=$(api PATCH "/api/v1/namespaces/shop/pods/$1/status" "{\"status\":{\"phase\":\"${5:-Running}\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}")
    # One that a drain is waiting for may be gone already.
    if jq -e '.status == "Failure" and .reason != "NotFound"' <<<"$answer" >/dev/null; then echo "$*: $answer"; exit 1; fi
}
pods_many() { # COUNT NODE: at once
    local i
    for i in $(seq 100 $((100 + $1 - 1))); do
        echo "url = $url/api/v1/namespaces/shop/pods"
        echo "data = \"{\\\"kind\\\":\\\"Pod\\\",\\\"apiVersion\\\":\\\"v1\\\",\\\"metadata\\\":{\\\"name\\\":\\\"many-$i\\\",${owned//\"/\\\"}},\\\"spec\\\":{\\\"nodeName\\\":\\\"$2\\\",\\\"containers\\\":[{\\\"name\\\":\\\"c\\\",\\\"image\\\":\\\"none\\\"}]}}\""
        echo "output = /dev/null"
        echo next
    done | sed '$d' | sed "s|^next|next\nsilent\ncacert = $ca\nheader = \"Authorization: Bearer $admin\"\nheader = \"Content-Type: application/json\"|" |
        { printf 'silent\ncacert = %s\nheader = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$ca" "$admin"; cat; } >"$dir/many"
    curl -K "$dir/many"
}
# Ends pods whose deletion was asked for, on nodes that live, and keeps their leases fresh, until it is killed.
kubelets() { # NODE...
    local node path round=0
    while :; do
        for node in "$@"; do
            api GET "/api/v1/pods?fieldSelector=spec.nodeName%3D$node" |
                jq -r '.items[] | select(.metadata.deletionTimestamp) | .metadata.namespace + "/pods/" + .metadata.name' 2>/dev/null |
                while read -r path; do api DELETE "/api/v1/namespaces/$path?gracePeriodSeconds=0" >/dev/null; done || true
            [ $((round % 20)) != 0 ] || api PATCH "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/$node" "{\"spec\":{\"renewTime\":\"$(now)\"}}" >/dev/null || true
        done
        round=$((round + 1))
        sleep 0.25
    done
}

# ---- the driver ---------------------------------------------------------------------------------------------------
host() { # NAME [SETTINGS]
    echo "{ name = \"$1\"; rack = \"r1\"; bmc = { driver = \"kubernetes\"; url = \"$url\"; ca_file = \"$ca\"; poll = \"100ms\"; ${2:-bearer_file = \"$dir/token\";} }; }"
}
drive_start() { # HOST-TEXT...
    local text all=
    for text in "$@"; do all+="${all:+,}$text"; done
    echo "hosts: ( $all );" >"$dir/inventory.conf"
    echo "$token" >"$dir/token"
    never_said=$token
    drive_open "$dir/inventory.conf" "$dir"
}
holds() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then ok "$world: $what"; else fail "$world: $what"; fi
}

# ---- the stories, on both ------------------------------------------------------------------------------------------
cluster_fill() {
    api POST /api/v1/namespaces '{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop"}}' >/dev/null
    api POST /api/v1/namespaces '{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-node-lease"}}' >/dev/null
    node n1
    node n2
    must POST /apis/apps/v1/namespaces/shop/daemonsets '{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"agent"},"spec":{"selector":{"matchLabels":{"app":"agent"}},"template":{"metadata":{"labels":{"app":"agent"}},"spec":{"containers":[{"name":"c","image":"none"}]}}}}'
    pod web-1 n1 "$owned"
    pod web-2 n1 "$owned"
    pod web-3 n2 "$owned"
    pod agent-1 n1 "$daemon"
    pod static-1 n1 '"annotations":{"kubernetes.io/config.mirror":"x"}'
    pod job-1 n1 '' '' Succeeded
    pod lone-1 n1
    must POST "/apis/policy/$policy/namespaces/shop/poddisruptionbudgets" "{\"kind\":\"PodDisruptionBudget\",\"apiVersion\":\"policy/$policy\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"minAvailable\":2,\"selector\":{\"matchLabels\":{\"app\":\"web\"}}}}"
    await 30 budget_allows 1 || fail "$world: the budget: $(api GET "/apis/policy/$policy/namespaces/shop/poddisruptionbudgets/web")"
}
budget_allows() { [ "$(api GET "/apis/policy/$policy/namespaces/shop/poddisruptionbudgets/web" | jq .status.disruptionsAllowed)" = "$1" ]; }
cordoned() { node_has "$1" '.spec.unschedulable == true'; }
takes_work() { node_has "$1" '.spec.unschedulable != true'; }

story_look() {
    call n1 probe
    outcome "probe" ok false
    told "a node that works" '"\(.result.state) \(.result.schedulable)"' "ready yes"
    call n1 kubernetes.status
    told "status" '"\(.result.drained) \(.result.pods)"' "no 4"
    call n9 probe
    outcome "no such node" not-found false 'there is no node n9'
    call n9 kubernetes.status
    told "status of none" .result.state absent
    call n9 drain
    outcome "drain of none" not-found false
}
story_drain() {
    call n1 drain
    outcome "a pod that nothing makes again" refused false 'shop/lone-1 \(nothing makes another\)'
    holds "nothing was done" takes_work n1
    is "$world: all pods are there" "$(pods_on n1)" "agent-1 job-1 lone-1 static-1 web-1 web-2"
    # The budget lets one go; the other waits until its substitute is ready.
    begin n1 drain force=true timeout=60000
    await 20 eval '[ "$(pods_on n1)" = "agent-1 static-1 web-1" ] || [ "$(pods_on n1)" = "agent-1 static-1 web-2" ]' || fail "$world: while draining: $(pods_on n1)"
    holds "it is cordoned" cordoned n1
    pod web-4 n2 "$owned"
    answer
    outcome "drain" ok false
    told "what it did" '"\(.result.drained) \(.result.evicted) \(.result.stayed)"' "yes 4 2"
    # The controller of the real one may still count the pod that goes.
    has "$world: the budget's words are kept" "$out" 'disruption budget web needs 2 healthy pods and has [23] currently; asked again'
    is "$world: what stays" "$(pods_on n1)" "agent-1 static-1"
    call n1 kubernetes.status
    told "the proof" '"\(.result.drained) \(.result.schedulable) \(.result.pods)"' "yes no 0"
    call n1 drain
    outcome "drain again" ok false
    told "there is nothing to do" .result.evicted 0
    # A budget that never lets go: the end is ours, and says why.
    call n2 drain timeout=4000
    outcome "a budget that never lets go" timeout true 'pods are left: shop/web-.*The disruption budget web needs 2 healthy pods'
    call n1 undrain
    outcome "undrain" ok false
    holds "takes work" takes_work n1
    call n2 undrain
    told "undrain of the other" '"\(.result.schedulable) \(.result.changed)"' "yes true"
    call n2 undrain
    told "undrain again" .result.changed false
}
story_pages() {
    must DELETE "/apis/policy/$policy/namespaces/shop/poddisruptionbudgets/web" ''
    pods_many 130 n2
    call n2 kubernetes.status
    told "all pages" .result.pods 132
    call n2 drain timeout=120000
    outcome "drain of many" ok false
    told "all were evicted" .result.evicted 132
    is "$world: nothing stays" "$(pods_on n2)" ""
    call n2 undrain
    outcome "undrain" ok false
}
story_local() {
    pod data-1 n1 "$owned" '"volumes":[{"name":"v","emptyDir":{}}]'
    call n1 drain
    outcome "local data" refused false 'shop/data-1 \(local data\)'
    call n1 drain local_data=true grace=1s
    outcome "local data given up" ok false
    pod orphan-1 n1 '"ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"gone","uid":"33333333-2222-2222-2222-222222222222","controller":true}]'
    call n1 drain
    outcome "a DaemonSet that is gone" refused false 'shop/orphan-1 \(nothing makes another\)'
    call n1 drain force=true
    outcome "its pod given up" ok false
    is "$world: what stays" "$(pods_on n1)" "agent-1 static-1"
}
story_taints() {
    must PATCH /api/v1/nodes/n1 '{"spec":{"taints":[{"key":"team","value":"a","effect":"NoSchedule"}]}}'
    call n1 kubernetes.taint value=op-1
    outcome "taint" ok false
    holds "both are there" node_has n1 '[.spec.taints[].key] | contains(["team", "nightshift/repair"])'
    call n1 kubernetes.taint value=op-1
    told "taint again" .result.changed false
    call n1 kubernetes.untaint
    outcome "untaint" ok false
    holds "the other stays" node_has n1 '[.spec.taints[].key] | (contains(["team"]) and (contains(["nightshift/repair"]) | not))'
    must PATCH /api/v1/nodes/n1 '{"spec":{"taints":null}}'
}
story_rights() {
    call weak undrain
    outcome "an account that may only look" denied false 'cannot patch resource .*nodes'
    call weak probe
    outcome "but look" ok false
    call weak kubernetes.doctor
    told "the doctor says what is missing" '.result.checks[0].state' failed
    has "$world: by name" "$out" 'may not patch nodes, delete nodes, delete pods, create pods/eviction'
    call n1 kubernetes.doctor
    told "the role of role.json suffices" '.result.checks[0].text' "the account may do all of this driver's verbs"
    call nobody probe
    outcome "a wrong token" auth false
    # A token that rotates: the file is read again when the old one is refused.
    echo wrong >"$dir/token2"
    call rotates probe
    outcome "before" auth false
    echo "$token" >"$dir/token2"
    call rotates probe
    outcome "after the file has changed" ok false
    rm "$dir/token2"
    call rotates2 probe
    outcome "no file" auth false 'bearer_file .* cannot be read'
}
story_remove() {
    call n2 remove
    outcome "a node that works is not deleted" refused false 'is ready and takes work'
    call n2 kubernetes.cordon
    outcome "cordon" ok false
    call n2 remove
    outcome "remove" ok false
    call n2 kubernetes.status
    told "the proof" .result.state absent
    call n2 remove
    told "remove again" '"\(.code) \(.result.changed)"' "ok false"
}
story_evacuate() {
    pod web-9 n1 "$owned"
    pod data-9 n1 "$owned" '"volumes":[{"name":"v","emptyDir":{}}]'
    call n1 evacuate
    outcome "a node that lives" refused false 'is not dead'
    kill "$kubelets_pid"
    wait "$kubelets_pid" 2>/dev/null || true
    must PATCH /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1 '{"spec":{"renewTime":"2020-01-01T00:00:00.000000Z"}}'
    must PATCH /api/v1/nodes/n1/status "{\"status\":{\"conditions\":[$(ready Unknown 2020-01-01T00:00:00Z)]}}"
    call n1 probe
    outcome "a silent node" silent false 'Ready is Unknown.*last heard of [0-9]{6,} s ago'
    # The garbage collector of newer servers, for those that take the taint.
    begin n1 evacuate timeout=30000
    if [ "$out_of_service" = yes ]; then
        await 10 node_has n1 '[.spec.taints[]? | select(.key == "node.kubernetes.io/out-of-service" and .effect == "NoExecute")] | length == 1' || fail "$world: no taint"
        for name in web-9 data-9; do api DELETE "/api/v1/namespaces/shop/pods/$name?gracePeriodSeconds=0" >/dev/null; done
    fi
    answer
    outcome "evacuate" ok false
    is "$world: what stays of a dead node" "$(pods_on n1)" "agent-1 static-1"
    call n1 undrain
    outcome "the end of an evacuation" ok false
    holds "the taint is gone" node_has n1 '[.spec.taints[]? | select(.key == "node.kubernetes.io/out-of-service")] | length == 0'
}
stories() {
    cluster_fill
    kubelets n1 n2 &
    kubelets_pid=$!
    pids+=("$kubelets_pid")
    drive_start "$(host n1)" "$(host n2)" "$(host n9)" "$(host weak "node = \"n1\"; bearer_file = \"$dir/weak\";")" \
        "$(host nobody "node = \"n1\"; bearer_file = \"$dir/nobody\";")" \
        "$(host rotates "node = \"n1\"; bearer_file = \"$dir/token2\";")" \
        "$(host rotates2 "node = \"n1\"; bearer_file = \"$dir/none\";")" \
        "$(host bare "node = \"n1\"; bare_metal_host = \"metal3/metal-1\"; bearer_file = \"$dir/token\";")" "$@"
    echo "$weak" >"$dir/weak"
    echo nobody >"$dir/nobody"
    story_look
    story_drain
    story_pages
    story_local
    story_taints
    story_rights
    story_remove
    story_evacuate
}

# ---- the lab --------------------------------------------------------------------------------------------------------
lab_world() { # MINOR
    world="lab 1.$1"
    kube_port=$((9000 + $$ % 900))
    lab_start --racks 1 --hosts 2 --off-delay 60ms --on-delay 60ms --boot-delay 200ms --soft-delay 100ms \
        --kube-port $kube_port --kube-minor "$1" --kube-bookmark 100ms
    url=https://$base:$kube_port ca=$dir/lab/ca.pem admin=nightshift-lab-admin token=nightshift-lab weak=nightshift-lab-view
}
lab_world_end() {
    drive_stop
    lab_stop
    ledger_seen=0
    rm -rf "$dir/lab" "$dir/ledger.jsonl"
}
kubelet_again() {
    must PATCH /api/v1/nodes/n1/status "{\"status\":{\"conditions\":[$(ready True)]}}"
    kubelets n1 &
    kubelets_pid=$!
    pids+=("$kubelets_pid")
}
# r1h01 is a host of the lab: its kubelet is the lab's.
story_watch() {
    pod stubborn-1 r1h01 "$owned,\"annotations\":{\"stubborn\":\"true\"}"
    begin r1h01 drain timeout=30000
    await 10 eval 'api GET /api/v1/namespaces/shop/pods/stubborn-1 | jq -e .metadata.deletionTimestamp' || fail "$world: not evicted"
    lab kube break >/dev/null
    lab kube compact >/dev/null
    lab kube break >/dev/null
    pod late-1 r1h01 "$owned" # In spite of the cordon: it has to go as well.
    answer
    outcome "a watch that breaks, and forgets" ok false
    told "who came late went, too" .result.evicted 2
    call r1h01 undrain
}
story_faults() {
    lab kube conflict >/dev/null
    call r1h01 kubernetes.taint
    outcome "somebody was faster" busy false 'the object has been modified'
    lab busy kube 7 >/dev/null
    call r1h01 kubernetes.cordon
    outcome "busy" busy false 'too many requests'
    told "comes back when it is told to" .retry_after_ms 7000
    lab honest kube >/dev/null
    lab deny kube >/dev/null
    call r1h01 drain
    outcome "refused" auth false Unauthorized
    lab honest kube >/dev/null
    lab garbage kube >/dev/null
    call r1h01 kubernetes.cordon
    told "nonsense" '.code != "ok" and (.effect_possible | not)' true
    lab honest kube >/dev/null
    lab hang kube >/dev/null
    call r1h01 probe timeout=5000
    # Whoever was connected waits for an answer, whoever was not for the handshake: what came before decides.
    told "silence" '(.code | test("^(timeout|unreachable)$")) and (.effect_possible | not)' true
    lab honest kube >/dev/null
    lab mute kube >/dev/null
    call r1h01 kubernetes.cordon timeout=2000
    outcome "an answer that is lost" timeout true
    lab honest kube >/dev/null
    call r1h01 kubernetes.status
    told "reading it back tells" .result.schedulable no
    call r1h01 undrain
    begin r1h01 drain timeout=20000
    begin r1h01 kubernetes.status cancel=1
    answer
    answer
}
story_physics() {
    lab push-off r1h02 >/dev/null
    await 20 node_has r1h02 '[.status.conditions[] | select(.type == "Ready")][0].status == "Unknown"' || fail "$world: r1h02 does not go unready"
    call r1h02 kubernetes.status
    told "a host that is off" .result.state unknown
    lab push-on r1h02 >/dev/null
    await 20 node_has r1h02 '[.status.conditions[] | select(.type == "Ready")][0].status == "True"' || fail "$world: r1h02 does not come back"
    call r1h02 probe
    told "and on again" .result.state ready
}
story_metal() {
    ledger_mark
    call r1h01 power.status
    told "power" .result.power on
    call r1h01 power.off
    outcome "off" ok false
    told "off is proven" .result.power off
    is "$world: it is really off" "$(lab state r1h01 | jq -r .power)" off
    call r1h01 power.off
    told "off again" '"\(.result.power) \(.result.changed)"' "off false"
    call r1h01 reset.hard
    outcome "restart of what is off" conflict false
    call r1h01 power.on
    told "on" '"\(.code) \(.result.power)"' "ok on"
    ledger_mark
    call r1h01 power.cycle
    told "cycle" '"\(.code) \(.result.power)"' "ok on"
    has "$world: it was off between" "$(physics_of r1h01)" '^off on'
    ledger_mark
    call r1h01 reset.hard
    told "hard" '"\(.code) \(.result.power)"' "ok on"
    has "$world: off and on" "$(physics_of r1h01)" '^off on'
    has "$world: hard" "$(ledger_new r1h01)" 'metal3'
    lab_await r1h01 os_up true
    call r1h01 reset.soft
    told "soft" '"\(.code) \(.result.power)"' "ok on"
    call n1 power.off
    outcome "no bare metal host" unsupported false
}
story_config() {
    call config probe
    outcome "a kubeconfig with its authority inside" ok false
    call program probe
    outcome "a kubeconfig with a program" unsupported false 'exec: a program that makes tokens is never run'
}
lab_stories() { # MINOR
    lab_world "$1"
    cat >"$dir/kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: lab
clusters: [{name: lab, cluster: {server: "$url", certificate-authority-data: "$(base64 -w0 "$ca")"}}]
users: [{name: ns, user: {token: "$token"}}, {name: program, user: {exec: {command: "/bin/true"}}}]
contexts: [{name: lab, context: {cluster: lab, user: ns}}, {name: program, context: {cluster: lab, user: program}}]
YAML
    chmod 600 "$dir/kubeconfig"
    local config="driver = \"kubernetes\"; kubeconfig = \"file:$dir/kubeconfig\"; node = \"r1h02\";"
    stories "{ name = \"config\"; bmc = { $config }; }" "{ name = \"program\"; bmc = { $config context = \"program\"; }; }" "$(host r1h01 "bearer_file = \"$dir/token\"; bare_metal_host = \"metal3/r1h01\";")" "$(host r1h02)"
}

policy=v1 out_of_service=yes
lab_stories 28
kubelet_again
story_watch
story_faults
story_metal
story_config
kill "$kubelets_pid"
lab_world_end
if [ -n "${NS_ALL:-}" ]; then # As old as the real one: the same stories once more.
    policy=v1beta1 out_of_service=no
    lab_stories 20
    lab_world_end
fi

# ---- the real control plane -------------------------------------------------------------------------------------------
real_metal() {
    must POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions '{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"baremetalhosts.metal3.io"},"spec":{"group":"metal3.io","scope":"Namespaced","names":{"plural":"baremetalhosts","singular":"baremetalhost","kind":"BareMetalHost"},"versions":[{"name":"v1alpha1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}'
    must POST /api/v1/namespaces '{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"metal3"}}'
    await 30 eval 'api GET /apis/metal3.io/v1alpha1/baremetalhosts | jq -e ".items"' || fail "$world: the definition is not served"
    must POST /apis/metal3.io/v1alpha1/namespaces/metal3/baremetalhosts '{"kind":"BareMetalHost","apiVersion":"metal3.io/v1alpha1","metadata":{"name":"metal-1"},"spec":{"online":true}}'
    must PATCH $metal/status '{"status":{"poweredOn":true,"operationalStatus":"OK","provisioning":{"state":"provisioned"}}}'
}
metal=/apis/metal3.io/v1alpha1/namespaces/metal3/baremetalhosts/metal-1
# What Metal3's controller does: the wish, then what is true; a reboot goes through off.
metal3() {
    local object
    set +e
    while :; do
        object=$(api GET $metal)
        if jq -e '.metadata.annotations["reboot.metal3.io"] and .status.poweredOn' <<<"$object" >/dev/null; then
            api PATCH $metal/status '{"status":{"poweredOn":false}}' >/dev/null
            api PATCH $metal '{"metadata":{"annotations":{"reboot.metal3.io":null}}}' >/dev/null
        elif jq -e '.spec.online != .status.poweredOn' <<<"$object" >/dev/null; then
            api PATCH $metal/status "{\"status\":{\"poweredOn\":$(jq .spec.online <<<"$object")}}" >/dev/null
        fi
        sleep 0.2
    done
}
story_real() {
    call cert kubernetes.status
    outcome "a client certificate" ok false
    real_metal
    metal3 &
    pids+=($!)
    local pair
    for pair in power.off=off power.on=on power.cycle=on reset.soft=on reset.hard=on; do
        call bare "${pair%=*}"
        told "Metal3 ${pair%=*}" '"\(.code) \(.result.power) \(.result.changed)"' "ok ${pair#*=} true"
    done
    has "$world: the annotation is taken" "$(api GET $metal | jq -c .metadata.annotations)" '^(null|\{\})$'
}
if [ -n "${NS_ALL:-}" ]; then
    peer=$("$NS_SOURCE/tests/peers/kubernetes.sh" 2>"$dir/why") || peer=
    if [ -z "$peer" ] || ! command -v etcd >/dev/null; then
        [ "$failed" = 0 ] || verdict
        skip "the real control plane (the lab's stories passed): $(tail -1 "$dir/why")"
    fi
    real_start "$peer"
    policy=v1beta1 out_of_service=no
    real_rights
    stories "$(host cert "node = \"n1\"; client_cert = \"$dir/real/client.crt\"; client_key = \"$dir/real/client.key\";")"
    story_real
    drive_stop
else
    echo "the real control plane is part of tests/run --all"
fi

verdict
