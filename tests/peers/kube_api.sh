# SPDX-License-Identifier: Apache-2.0
# Sourced: a Kubernetes API server asked as its operator, by $url, $ca and $admin; PATCH is $kube_patch (merge-patch), unless
# a type is given.
api() { # METHOD PATH [BODY [TYPE]]: answer on stdout
    local type=${4:-application/json}
    [ "$1" != PATCH ] || type=${4:-application/${kube_patch:-merge-patch}+json}
    curl -s --cacert "$ca" -H "Authorization: Bearer $admin" -X "$1" ${3:+-H "Content-Type: $type" -d "$3"} "$url$2"
}
must() { # METHOD PATH BODY: or the test ends
    local answer
    answer=$(api "$@")
    if jq -e '.status == "Failure"' <<<"$answer" >/dev/null; then echo "$*: $answer"; exit 1; fi
}
warn() { # NODE NAME COUNT: an Event of the kubelet about it, seen now
    must POST /api/v1/namespaces/default/events "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"$2\",\"namespace\":\"default\"},\"involvedObject\":{\"kind\":\"Node\",\"name\":\"$1\"},\"type\":\"Warning\",\"reason\":\"SystemOOM\",\"message\":\"victim process: java\",\"count\":$3,\"source\":{\"component\":\"kubelet\"},\"lastTimestamp\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}"
}
