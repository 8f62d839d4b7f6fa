#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Functions that answer later, as OpenFaaS's queue does: a path of its own for each call, good once, while it waits.
source "$(dirname "$0")/common.sh"
needs jq curl python3
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

export NIGHTSHIFT_SERVER=unix:$dir/api.sock NO_COLOR=1
mkdir "$dir/policies" "$dir/peer"
mkdir -m 700 "$dir/lab"
python3 "$NS_SOURCE/tests/peers/functions.py" "$dir/peer" 2>"$dir/peer/log" &
pids+=("$!")
await 20 test -s "$dir/peer/port" || { cat "$dir/peer/log"; echo "the peer did not start"; exit 1; }
peer=http://127.0.0.1:$(cat "$dir/peer/port")
face=http://127.0.0.1:$((trap_port + 2000))
printf '#!/bin/sh\ncat >>%s/pages\necho "{\\"ok\\":true}"\n' "$dir" >"$dir/pager"
chmod 755 "$dir/pager"
printf 'hosts: ( { name = "r1h01"; rack = "r1"; } );\n' >"$dir/inventory.conf"
functions= policies=
for name in act boom mute late twice other busy; do
    functions="$functions${functions:+,}
  { name = \"$name\"; effect = \"changes\"; timeout = \"$([ $name = late ] && echo 1s || echo 10s)\";
    run = { driver = \"function\"; kind = \"openfaas\"; url = \"$peer\"; function = \"$name\"; mode = \"async\"; }; }"
    policies="$policies${policies:+,}
  { name = \"$name\"; mode = \"enforce\"; subject = \"host\"; when = { event = \"want.$name\"; };
    do = ( { step = \"call\"; action = \"$name\"; $([ $name != mute ] || echo 'timeout = "1s";') } ); }"
done
printf 'policies: ( %s );\n' "$policies" >"$dir/policies/all.policy"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
credentials = "$dir/lab";
api = { socket = "$dir/api.sock"; listen = "${face#http://}"; callback_url = "$face"; };
pager = { driver = "exec"; program = "$dir/pager"; };
defaults = { settle = "0s"; };
functions = ( $functions );
EOT
daemon_start

ended() { # NAME: its run ended
    [ "$("$bin/nightshift" run list -o json | jq "[.items[] | select(.policy == \"$1\" and .ended_ms > 0)] | length")" = 1 ]
}
call() { # NAME: calls that function, waits for its run
    curl -sS --unix-socket "$dir/api.sock" -o /dev/null -H 'Content-Type: application/cloudevents+json' \
        -d "{\"specversion\":\"1.0\",\"id\":\"$1\",\"source\":\"test\",\"type\":\"want.$1\",\"subject\":\"r1h01\",\"severity\":\"major\"}" \
        http://x/v1/events
    await 30 ended "$1" || fail "$1: $("$bin/nightshift" run list -o json | jq -c '.items[]')"
}
action() { # NAME JQ: of its action
    curl -sS --unix-socket "$dir/api.sock" http://x/v1/actions | jq -r "[.items[] | select(.verb == \"$1\")][0] | $2"
}
metric() { curl -sS --unix-socket "$dir/api.sock" http://x/metrics | awk -v name="nightshift_$1" '$1 == name { print $2 }'; }
posted() { awk -v name="$1" '$1 == name { print $2 }' "$dir/peer/callbacks" 2>/dev/null | paste -sd ' '; }
posted_is() { [ "$(posted "$1")" = "$2" ]; }

call act
is "its answer came later, and is the call's" "$(action act .state)" done
is "the peer was thanked" "$(posted act)" 200
call boom
is "the function failed" "$(action boom '.state + " " + .code')" "failed failed"
has "with its status and words" "$(action boom .text)" 'X-Function-Status 500.*no such rack'
call busy
has "the function says busy" "$(action busy .text)" 'later, please'
call twice
is "an answer counts once" "$(action twice .state)" done
await 10 posted_is twice "200 404" || fail "the second answer: $(posted twice)"
call other
is "an answer to another call is none" "$(action other '.state + " " + .code')" "failed protocol"
call mute
is "no answer is a time-out" "$(action mute .code)" timeout
call late
is "so is one that is late" "$(action late .code)" timeout
await 10 posted_is late 404 || fail "the late answer: $(posted late)"

# ---- who does not know the place gets nowhere, and learns nothing
post() { curl -sS -o /dev/null -w '%{http_code}' -X POST -d '{"ok":true}' "$face/v1/callbacks/$1"; }
is "a guess" "$(post "$(printf '0%.0s' $(seq 64))")" 404
is "a short one" "$(post x)" 404
is "none at all" "$(post '')" 401
is "the face asks for a token elsewhere" "$(curl -sS -o /dev/null -w '%{http_code}' "$face/v1/hosts")" 401
is "good ones are counted" "$(metric callbacks_total)" 5
is "and bad ones" "$(metric callbacks_refused_total)" 4
is "no token of a place stands in the log, the store or an answer" \
    "$(grep -cE '[0-9a-f]{64}' "$dir/log" || true) $(curl -sS --unix-socket "$dir/api.sock" http://x/v1/actions | grep -cE 'callbacks/[0-9a-f]' || true)" "0 0"
verdict
