#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Every command against a real daemon with a data centre behind it: exit code and content, for people and as JSON.
source "$(dirname "$0")/common.sh"
needs jq curl
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

export NIGHTSHIFT_SERVER=unix:$dir/api.sock NO_COLOR=1
mkdir "$dir/policies"
mkdir -m 700 "$dir/lab"
cp "$NS_SOURCE/policies/memory-fatal.policy" "$NS_SOURCE/policies/power-supply-lost.policy" "$dir/policies/"
lab_start --racks 2 --hosts 2 --trap-to "127.0.0.1:$trap_port" --write-inventory "$dir/inventory.conf"
printf '#!/bin/sh\ncat >>%s/pages\necho "{\\"ok\\":true}"\n' "$dir" >"$dir/pager"
chmod 755 "$dir/pager"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
credentials = "$dir/lab";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$((trap_port + 2000))"; open_reads = true;
        tokens = ( { name = "wall"; role = "viewer"; secret = "file:$dir/token"; } ); };
snmp = { listen = ["udp:127.0.0.1:$trap_port"]; receivers = 1; communities = ["public"]; sources = ["127.0.0.0/8"]; };
pager = { driver = "exec"; program = "$dir/pager"; };
defaults = { settle = "0s"; };
EOT
printf 'a-token-of-the-wall-0123456789\n' >"$dir/token"
chmod 600 "$dir/token"

code=0 out='' err=''
ns() { # ARGUMENT...: sets code, out, err
    code=0
    "$bin/nightshift" "$@" >"$dir/out" 2>"$dir/err" || code=$?
    out=$(cat "$dir/out") err=$(cat "$dir/err")
}
row() { # CODE PATTERN-OF-OUT|- PATTERN-OF-ERR|- ARGUMENT...
    local wanted=$1 of_out=$2 of_err=$3
    shift 3
    ns "$@"
    is "nightshift $*: exit code" "$code" "$wanted"
    [ "$of_out" = - ] || has "nightshift $*: output" "$out" "$of_out"
    [ "$of_err" = - ] || has "nightshift $*: messages" "$err" "$of_err"
}
json() { # JQ-EXPRESSION ARGUMENT...: is true of the document
    local expression=$1
    shift
    ns "$@" -o json
    is "nightshift $* -o json: $expression" "$(jq -r "$expression" <<<"$out" 2>&1)" true
}

# ---- nobody there
row 3 - 'cannot reach the daemon' status
row 3 - 'is nightshiftd running' host list
row 2 - "did you mean 'status'" statsu
row 2 - 'did you mean --reason' freeze --raeson x
row 0 'Usage' - help
row 0 '^nightshift [0-9]' - version
row 0 'complete' - completion bash
row 0 'no errors' - config check "$dir/nightshift.conf"
row 0 '2 policies, no errors' - policy check "$dir/policies"
sed 's/severity/servity/' "$dir/policies/memory-fatal.policy" >"$dir/wrong.policy"
row 1 - "unknown key 'servity'" policy check "$dir/wrong.policy"

daemon_start

# ---- before anything happened
row 0 '^nightshift .* health ok' - status
row 0 'POLICIES.*enforce 1' - status
json '.apiVersion == "nightshift/v1" and .kind == "Status" and .health == "ok"' status
row 0 '^r1h01 +r1 +web +ok +redfish' '^4 hosts' host list
row 0 '^r1h02$' - host list -o name
json '.kind == "HostList" and (.items | length) == 1' host list --host r2h01
row 0 '^bindings +bmc=ipmi' - host show r1h02
row 4 - "no host 'r9h99'" host show r9h99
row 0 - '^0 alarms' alarm list
row 2 - 'state wants one of raised, cleared' alarm list --state risen
row 2 - 'limit wants a number' run list --limit none
row 0 'memory-fatal +enforce' '^2 policies' policy list
row 0 '^do +cycle: power.cycle' - policy show memory-fatal
row 4 - "no policy 'nothing'" policy show nothing
row 0 '^redfish .*power.cycle' "^$(ls "$NS_BUILD"/drivers/*.so /usr/sbin/fence_* 2>/dev/null | wc -l) drivers" driver list
row 0 '^password +secret' - driver show redfish
row 4 - "no driver 'fence_nothing'" driver show fence_nothing
row 0 '^ipmi +r1h02 +ok' '^5 endpoints asked' driver doctor
row 0 '^tls +ok +redfish +r1h01' '^1 endpoint asked' driver doctor redfish --host r1h01
row 4 - "no host 'r9h99'" driver doctor --host r9h99
json '(.items | length) == 2 and .failures == 0' driver doctor ipmi
row 4 - "no driver" driver doctor nothing
row 0 - '^0 actions planned' plan
row 0 'No policy looked at host r1h01' - explain host r1h01
row 4 - 'host list shows' explain host r9h99
row 4 - 'no alarm alm-9' explain alarm alm-9
row 4 - 'no run run-9' explain run run-9

# ---- a fault is healed, and everything tells of it
"$bin/nightshift" tail --limit 2 >"$dir/tail" &
tail_pid=$!
pids+=("$tail_pid")
streams() { curl -s --unix-socket "$dir/api.sock" http://x/metrics | grep -q '^nightshift_api_streams_open 1$'; }
await 10 streams || fail "the tail does not follow"
lab fail r1h01 memory >/dev/null
run_done() { "$bin/nightshift" run list --host r1h01 --state done -o name | grep -q run-; }
await 60 run_done || { cat "$dir/log"; fail "r1h01 was not healed"; }
wait "$tail_pid" || fail "tail ended with $?"
has "tail shows the event" "$(cat "$dir/tail")" 'raise +critical +r1h01 +memory.uncorrectable'
has "tail shows the decision" "$(cat "$dir/tail")" 'decided +run +r1h01 +memory-fatal +all guards pass'
alarm=$("$bin/nightshift" alarm list --state all --host r1h01 -o name)
run=$("$bin/nightshift" run list --host r1h01 -o name)
row 0 "^$alarm +critical +cleared +r1h01" '^1 alarm' alarm list --state all
row 0 "^type +memory.uncorrectable" 'explain alarm' alarm show "$alarm"
row 0 "^$run +done +memory-fatal +r1h01" '^1 run' run list
row 0 '^ +1 +cycle +power.cycle +done .*verified: power=on' - run show "$run"
json '.state == "done" and (.steps | length) == 2' run show "$run"
for about in "host r1h01" "alarm $alarm" "run $run"; do
    # shellcheck disable=SC2086
    row 0 'guard +interrupts +pass +0 of 2 interrupts on r1h01' - explain $about
    # shellcheck disable=SC2086
    row 0 'act-[0-9]+ +power.cycle r1h01 via redfish: verified' - explain $about
done
json '(.decisions | length) == 1 and (.runs | length) == 1 and (.actions | length) == 1' explain host r1h01
row 0 '^r1h01 .*power.cycle verified' - host list
row 0 'RUNS' - host show r1h01
row 0 'memory.uncorrectable' '^2 events' event list --type 'memory.*'
json '.items[0].seq == 2' event list --limit 1
row 4 - 'no such run is alive' run cancel "$run" --reason late

# ---- a fault that only waits
lab fail r1h02 psu >/dev/null
raised() { "$bin/nightshift" alarm list --host r1h02 -o name | grep -q alm-; }
await 20 raised || fail "the power supply's alarm is not raised"
row 0 'waiting +policy power-supply-lost on r1h02' - explain host r1h02
row 0 '^ticket +r1h02 +power-supply-lost' - plan
psu=$("$bin/nightshift" alarm list --host r1h02 -o name)
row 2 - 'needs --reason' alarm clear "$psu"
row 0 cleared - alarm clear "$psu" --reason "cord was pulled"
row 4 - 'no such alarm is raised' alarm clear "$psu" --reason again

# ---- events by hand
event='{"specversion":"1.0","id":"1","source":"/test","type":"fan.failed","subject":"r2h01","severity":"minor","state":"raise"}'
printf '%s' "$event" >"$dir/one.json"
printf '[%s,%s]' "$event" "${event/\"id\":\"1\"/\"id\":\"2\"}" >"$dir/two.json"
row 0 'accepted' - event send "$dir/one.json"
json '.accepted == 1 and .duplicates == 1' event send "$dir/two.json"
printf '[%s,{"specversion":"1.0","id":"3","type":"t"}]' "${event/\"id\":\"1\"/\"id\":\"4\"}" >"$dir/half.json"
row 2 - 'event 1 of 2: attribute source is missing' event send "$dir/half.json"
json '([.items[].id] | unique | length) == 2 and .items[0].host == "r2h01"' event list --type fan.failed

# ---- stop and go
row 2 - 'needs --reason' freeze
row 2 - 'wants a duration' freeze --reason x --for long
row 0 'rack=r1 frozen for 30m' - freeze --scope rack=r1 --reason "PDU work" --for 30m
freeze=$("$bin/nightshift" freeze list -o name)
row 0 "^$freeze +rack=r1 .*PDU work" '^1 freeze' freeze list
row 0 "^FROZEN +$freeze" - status
row 0 'ended' - unfreeze "$freeze" --reason done
row 4 - '.' unfreeze "$freeze" --reason again
row 0 - '^0 freezes' freeze list
row 4 - 'no such run' run cancel run-999999 --reason x

# ---- upkeep
row 0 'reloaded' - reload
cp "$dir/wrong.policy" "$dir/policies/"
row 2 - 'servity|severity' reload
rm "$dir/policies/wrong.policy"
row 0 '^[0-9]+ records, chain ok' - audit verify
json '.ok == true and .records > 0' audit verify
row 0 "^wrote $dir/copy.db" - backup "$dir/copy.db"
row 1 - 'never overwrites' backup "$dir/copy.db"
[ -s "$dir/copy.db" ] || fail "the backup is empty"

# ---- over TCP: a viewer looks, and no more
export NIGHTSHIFT_SERVER=http://127.0.0.1:$((trap_port + 2000))
row 5 - 'needs a bearer token' status
row 0 'health ok' - status --token "$dir/token"
row 5 - 'wants operator' freeze --reason x --token "$dir/token"
printf 'some-other-token-0123456789\n' >"$dir/wrong"
row 5 - 'does not know this token' status --token "$dir/wrong"
is "metrics are open" "$(curl -s -o "$dir/metrics" -w '%{http_code}' "$NIGHTSHIFT_SERVER/metrics")" 200
has "metrics count" "$(cat "$dir/metrics")" '^nightshift_api_unauthorized_total [1-9]'
is "ready" "$(curl -s "$NIGHTSHIFT_SERVER/readyz")" ready
is "the OpenAPI document is JSON" "$(curl -s "$NIGHTSHIFT_SERVER/v1/openapi.json" -H "Authorization: Bearer $(cat "$dir/token")" | jq -r .openapi)" 3.1.0

daemon_stop
verdict
