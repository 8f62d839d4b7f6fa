#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# The shadow score: what became of the hosts that a policy which only looks would have acted on.
source "$(dirname "$0")/common.sh"
needs jq curl
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

mkdir "$dir/policies"
{
    echo 'hosts: ('
    for i in $(seq 12); do
        echo "{ name = \"h$i\"; rack = \"r$i\"; bmc = { driver = \"probe\"; address = \"bmc$i\"; log = \"$dir/calls\"; }; }"
        [ "$i" = 12 ] || echo ,
    done
    echo ');'
} >"$dir/inventory.conf"
cat >"$dir/policies/looks.policy" <<'EOT'
policies: ( { name = "looks"; summary = "s"; owner = "o"; subject = "host"; mode = "observe"; unless = ();
  limits = { once_within = "1h"; };
  when = { event = "memory.uncorrectable"; severity = "major"; };
  do = ( { step = "cycle"; action = "power.cycle"; }, { step = "verify"; check = "cleared"; within = "10m"; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
guards = { brake = { hosts = 1000; }; };
EOT
daemon_start

send() { # HOST TYPE STATE
    jq -n --arg host "$1" --arg type "$2" --arg state "$3" '{specversion: "1.0", id: ($host + $type + $state), source: "t",
        type: $type, subject: $host, host: $host, severity: "major", state: $state}' | ns event send - >/dev/null
}
score() { curl -s --unix-socket "$dir/api.sock" http://x/v1/policies/looks/score | jq -r "$1"; }
decided() { [ "$(score .decided)" = "$1" ]; }

is "nothing to tell" "$(score '.decided, .promote' | xargs)" "0 false"
for i in $(seq 12); do send "h$i" memory.uncorrectable raise; done
await 20 decided 12 || fail "decided: $(score .decided)"
# Ten are restarted by somebody, one gets well alone, of one nothing is heard; a restart after it got well helped nobody.
for i in $(seq 9); do send "h$i" boot.started pulse; done
is "nine say nothing yet" "$(score '.same, .judged, .precision, .promote' | xargs)" "9 9 100 false"
send h10 boot.started pulse
send h11 memory.uncorrectable clear
send h11 boot.started pulse
is "the score" "$(score '.decided, .same, .alone, .judged, .precision, .promote' | xargs)" "12 10 1 11 90 true"
out=$(ns policy show looks)
has "shown" "$out" 'would have acted 12 times'
has "restarted" "$out" '10 +the host was restarted, and not by us'
has "alone" "$out" '1 +the alarm cleared without anybody'
has "promotion" "$out" 'Promotion suggested: from 90 %'
is "no such policy" "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$dir/api.sock" http://x/v1/policies/none/score)" 404
[ ! -e "$dir/calls" ] || fail "something was done"
verdict
