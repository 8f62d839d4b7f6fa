# SPDX-License-Identifier: Apache-2.0
# Sourced: a real control plane 1.20 (etcd, kube-apiserver, kube-controller-manager of tests/peers/kubernetes.sh) in $dir/real,
# on loopback. Asked by tests/peers/kube_api.sh.
#   real_start FOLDER [CONTROLLERS [OPTION]]   sets $url $ca $admin $token $weak $world, and $etcd_port
#   real_rights                       the role as it is shipped, for the user nightshift and the group bridges
#   apiserver_stop, apiserver_start   killed, and again on the same port and store
real_start() { # FOLDER [CONTROLLERS [OPTION-OF-THEM]]
    local peer_port=$((13000 + $$ % 900)) port=$((14000 + $$ % 900))
    local d=$dir/real
    real_folder=$1 etcd_port=$((12000 + $$ % 900))
    mkdir -p "$d"
    world="real 1.20" url=https://127.0.0.1:$port ca=$d/ca.crt admin=admintoken token=nightshifttoken weak=weaktoken
    ( cd "$d"
      openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=test-ca -days 2
      openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=kube-apiserver
      openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 2 -extfile <(echo 'subjectAltName=IP:127.0.0.1')
      openssl req -newkey rsa:2048 -nodes -keyout client.key -out client.csr -subj /O=bridges/CN=nightshift
      openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out client.crt -days 2 -extfile <(echo 'extendedKeyUsage=clientAuth')
      openssl genrsa -out sa.key 2048
      openssl rsa -in sa.key -pubout -out sa.pub
      printf 'admintoken,admin,u1,system:masters\nnightshifttoken,nightshift,u2\nweaktoken,view,u3\n' >tokens.csv
      cat >kubeconfig <<END
{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
 "clusters":[{"name":"c","cluster":{"server":"$url","certificate-authority":"$d/ca.crt"}}],
 "users":[{"name":"u","user":{"token":"admintoken"}}]}
END
    ) >"$d/keys.log" 2>&1 || { cat "$d/keys.log"; exit 1; }
    etcd --data-dir "$d/etcd" --listen-client-urls http://127.0.0.1:$etcd_port --advertise-client-urls http://127.0.0.1:$etcd_port \
        --listen-peer-urls http://127.0.0.1:$peer_port --initial-advertise-peer-urls http://127.0.0.1:$peer_port \
        --initial-cluster default=http://127.0.0.1:$peer_port --unsafe-no-fsync >"$d/etcd.log" 2>&1 &
    pids+=($!)
    apiserver_start
    # Of its controllers only those asked for, else that of the disruption budgets: others would tidy our pretended pods away.
    "$1/kube-controller-manager" --kubeconfig="$d/kubeconfig" --bind-address=127.0.0.1 --port=0 --secure-port=$((port + 1000)) --cert-dir="$d" \
        --leader-elect=false --controllers="${2:-disruption}" ${3:-} >"$d/controllers.log" 2>&1 &
    pids+=($!)
}
apiserver_start() {
    local d=$dir/real port=${url##*:}
    "$real_folder/kube-apiserver" --etcd-servers=http://127.0.0.1:$etcd_port --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
        --secure-port="$port" --insecure-port=0 --tls-cert-file="$d/tls.crt" --tls-private-key-file="$d/tls.key" \
        --client-ca-file="$d/ca.crt" --token-auth-file="$d/tokens.csv" --authorization-mode=Node,RBAC --service-cluster-ip-range=10.96.0.0/24 \
        --service-account-issuer="$url" --service-account-signing-key-file="$d/sa.key" --service-account-key-file="$d/sa.pub" \
        --disable-admission-plugins=ServiceAccount --endpoint-reconciler-type=none --cert-dir="$d" >"$d/apiserver.log" 2>&1 &
    apiserver_pid=$!
    pids+=("$apiserver_pid")
    await 120 eval '[ "$(curl -s --cacert "$ca" -H "Authorization: Bearer $admin" $url/readyz)" = ok ]' || { tail -20 "$d/apiserver.log"; echo "kube-apiserver does not start"; exit 1; }
}
apiserver_stop() {
    kill -KILL "$apiserver_pid"
    wait "$apiserver_pid" 2>/dev/null || true
}
real_rights() { # The role as it is shipped, for a user with a token and for one with a certificate
    local item path
    while read -r item; do
        case $(jq -r .kind <<<"$item") in
        Namespace) path=/api/v1/namespaces ;;
        ServiceAccount) path=/api/v1/namespaces/nightshift/serviceaccounts ;;
        ClusterRole) path=/apis/rbac.authorization.k8s.io/v1/clusterroles ;;
        ClusterRoleBinding) path=/apis/rbac.authorization.k8s.io/v1/clusterrolebindings ;;
        esac
        must POST "$path" "$item"
    done < <(jq -c '.items[]' "$NS_SOURCE/drivers/kubernetes/role.json")
    must POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings '{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"test"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"nightshift"},"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"nightshift"},{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"bridges"}]}'
    must POST /apis/rbac.authorization.k8s.io/v1/clusterroles '{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"look"},"rules":[{"apiGroups":["","coordination.k8s.io","apps"],"resources":["nodes","leases","pods","daemonsets"],"verbs":["get","list","watch"]}]}'
    must POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings '{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"look"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"look"},"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"view"}]}'
}
