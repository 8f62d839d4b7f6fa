#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Remote functions on every platform, against one strict peer (tests/peers/functions.py) that checks keys, signatures
# and event headers as the platforms do. No real platform runs without containers.
# timeout: 120
. "$(dirname "$0")/common.sh"
needs jq python3

mkdir -p "$dir/peer" "$dir/lab"
python3 "$NS_SOURCE/tests/peers/functions.py" "$dir/peer" 2>"$dir/peer/log" &
pids+=("$!")
await 20 test -s "$dir/peer/port" || { cat "$dir/peer/log"; echo "the peer did not start"; exit 1; }
url=http://127.0.0.1:$(cat "$dir/peer/port")
secret() { install -m 600 /dev/stdin "$dir/lab/$1" <<<"$2"; }
secret whisk s3cret-key
secret key wJalr
secret id an-id-token
secret azure a-key
secret wrong not-the-key
hosts=
host() { # NAME KIND SETTINGS
    hosts="$hosts${hosts:+,}
    { name = \"$1\"; rack = \"r1\"; bmc = { driver = \"function\"; kind = \"$2\"; poll = \"10ms\"; $3 }; }"
}
host openwhisk openwhisk "url = \"$url\"; function = \"act\"; user = \"uuid\"; password = \"file:whisk\";"
host later openwhisk "url = \"$url\"; function = \"act\"; user = \"uuid\"; password = \"file:whisk\"; mode = \"async\";"
host whiskboom openwhisk "url = \"$url\"; function = \"boom\"; user = \"uuid\"; password = \"file:whisk\";"
host denied openwhisk "url = \"$url\"; function = \"act\"; user = \"uuid\"; password = \"file:wrong\";"
aws="region = \"eu-west-1\"; access_key = \"AKID\"; secret_key = \"file:key\";"
host lambda lambda "url = \"$url\"; function = \"act\"; qualifier = \"live\"; $aws"
host event lambda "url = \"$url\"; function = \"act\"; mode = \"async\"; $aws"
host lambdaboom lambda "url = \"$url\"; function = \"boom\"; $aws"
host forged lambda "url = \"$url\"; function = \"act\"; region = \"eu-west-1\"; access_key = \"AKID\"; secret_key = \"file:wrong\";"
host openfaas openfaas "url = \"$url\"; function = \"act\";"
host queued openfaas "url = \"$url\"; function = \"act\"; mode = \"async\";"
host busy openfaas "url = \"$url\"; function = \"busy\";"
host fission fission "url = \"$url/fission/act\";"
host kubeless kubeless "url = \"$url/kubeless/act\";"
host binary knative "url = \"$url/events/act\";"
host structured cloudevents "url = \"$url/events/act\"; format = \"structured\";"
host broker knative "url = \"$url/broker/default\";"
host google google "url = \"$url/google/act\"; token = \"file:id\";"
host azure azure "url = \"$url/azure/act\"; function_key = \"file:azure\";"
printf 'hosts: (%s);\n' "$hosts" >"$dir/inventory.conf"
call() { # HOST VERB...: one call; its JSON is kept in $answer
    answer=$("$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/inventory.conf" "$dir/lab" 2>&1 <<<"$*")
}
code_is() { is "$1" "$(jq -r .code <<<"$answer")" "$2"; }
result_is() { is "$1" "$(jq -r "$2" <<<"$answer")" "$3"; }

for name in openwhisk later lambda openfaas fission kubeless binary structured google azure; do
    call "$name power.off"
    result_is "$name: off" .result.power off
    call "$name power.on"
    result_is "$name: on" .result.power on
done
for name in event queued broker; do
    call "$name power.off"
    result_is "$name: only accepted" .result.accepted true
    call "$name power.status"
    code_is "$name: a reading that is only accepted" protocol
done
for name in whiskboom lambdaboom; do
    call "$name power.off"
    code_is "$name: the function failed, whatever the status" failed
    result_is "$name: an effect is possible" .effect_possible true
done
call "busy power.off"
code_is "the function says busy" busy
result_is "and that it did nothing" .effect_possible false
call "denied power.off"
code_is "a wrong key" auth
result_is "a wrong key did nothing" .effect_possible false
call "forged power.off"
code_is "a wrong signature" denied
is "no secret in any text" "$(grep -c not-the-key <<<"$answer" || true)" 0
before=$(wc -l <"$dir/peer/calls")
for name in lambda openwhisk openfaas; do
    call "$name function.doctor"
    result_is "$name: doctor" '.result.checks[0].state' ok
done
is "the doctor ran no function" "$(wc -l <"$dir/peer/calls")" "$before"
verdict
