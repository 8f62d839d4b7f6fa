#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Contrail's alarms: a strict peer that serves the list and the stream. What is raised and cleared, and what was while nobody
# looked; streams that break amid an event, fall silent, move their partitions, or are hostile; tokens that end; and
# acknowledging: after the commit, once, whatever dies in between.
source "$(dirname "$0")/common.sh"
source "$NS_SOURCE/tests/peers/broker.sh"
needs jq curl python3 openssl
[ -x "$bin/nightshiftd" ] && [ -x "$NS_BUILD/tests/journal" ] || skip "nightshiftd or journal is not built"
port=$((11000 + $$ % 9000))
mkdir "$dir/policies" "$dir/tls"
broker_certificates IP:127.0.0.1

declare -A peer_pids
peer_start() { # NAME PORT OPTION...
    local name=$1 at=$2
    shift 2
    python3 "$NS_SOURCE/tests/peers/contrail.py" "$at" "$@" >>"$dir/peer.$name" 2>&1 &
    peer_pids[$name]=$!
    pids+=("$!")
    await 20 peer "$name" || { cat "$dir/peer.$name"; fail "the peer $name does not start"; verdict; }
}
url_of() { case $1 in sdn) echo "http://127.0.0.1:$port" ;; key) echo "https://127.0.0.1:$((port + 1))" ;; basic) echo "http://127.0.0.1:$((port + 2))" ;; esac; }
peer() { curl -sf --max-time 5 --cacert "$dir/tls/ca.pem" "$(url_of "$1")/_test"; }
order() { # PEER JSON
    curl -sf --max-time 10 --cacert "$dir/tls/ca.pem" -H 'Content-Type: application/json' -d "$2" "$(url_of "$1")/_test" >/dev/null || fail "the peer $1: $2"
}
node=default-global-system-config:system-defined-node-status
conf() { # PEER set|quiet TABLE NAME [SEVERITY [TIMESTAMP]]: one alarm, or none
    local alarms='[]'
    [ $# -lt 5 ] || alarms="[{\"type\": \"$node\", \"severity\": $5, \"timestamp\": ${6:-1700000000000000}}]"
    order "$1" "{\"do\": \"$2\", \"table\": \"$3\", \"name\": \"$4\", \"alarms\": $alarms}"
}
raised() { ns alarm list --limit 1000 -o json | jq -r --arg s "$1" '[.items[] | select(.state == "raised" and .source == $s) | "\(.host):\(.resource)=\(.severity)"] | sort | join(" ")'; }
raised_is() { [ "$(raised "$1")" = "$2" ]; }
events() { ns event list --limit 1000 -o json | jq -r --arg s "$1" --arg r "$2" '[.items[] | select(.source == $s and .resource == $r) | .state] | reverse | join(" ")'; }
doctor() { ns source doctor "$1" -o json 2>&1 | jq -c . || true; } # It fails with what it finds.
doctor_says() { grep -qE "$2" <<<"$(doctor "$1")"; }
windows() { doctor "$1" | grep -oE '[0-9]+ windows' | cut -d' ' -f1; }
windows_are() { [ "$(windows "$1")" = "$2" ]; }
acks() { peer "$1" | jq '.acks | length'; }
acks_are() { [ "$(acks "$1")" = "$2" ]; }
nothing_wrong() { is "the peer $1 has nothing to complain of" "$(peer "$1" | jq -c .wrong)" '[]'; }

cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "c1"; }, { name = "c2"; }, { name = "b1"; }, { name = "x1"; }, { name = "db7"; node = { driver = "probe"; node = "c3.example.com"; log = "$dir/calls"; }; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$dir"; plain_secrets = true;
sources = (
  { name = "sdn"; type = "contrail"; url = "$(url_of sdn)"; settle = "1s"; resync = "3s"; silence = "10s"; },
  { name = "key"; type = "contrail"; url = "$(url_of key)"; ca_file = "$dir/tls/ca.pem"; keystone = "$(url_of key)/v3";
    user = "nightshift"; password = "plain:sesame"; settle = "1s"; acknowledge = true; resync = "5s"; },
  { name = "basic"; type = "contrail"; url = "$(url_of basic)"; user = "admin"; password = "plain:contrail123";
    tables = [ "vrouter", "control-node" ]; settle = "1s"; },
  { name = "wrong"; type = "contrail"; url = "$(url_of basic)"; user = "admin"; password = "plain:guess"; },
  { name = "nobody"; type = "contrail"; url = "https://127.0.0.1:1"; }
);
EOT
peer_start sdn "$port"
peer_start key $((port + 1)) --auth keystone --cert "$dir/tls/server.pem" --key "$dir/tls/server.key"
peer_start basic $((port + 2)) --auth basic

# ---- what a file becomes, and settings that cannot be ------------------------------------------------------------------------
printf 'event: init\ndata: null\n\nevent: update\ndata: {"key": "ObjectVRouter:c1", "type": "UVEAlarms", "value": {"alarms": [{"type": "%s", "severity": 0}]}}\n\nevent: update\ndata: {"key": "ObjectVRouter:c1", "type": null}\n\n' $node >"$dir/stream"
is "a stream in a file" "$(ns source test sdn "$dir/stream" --config "$dir/nightshift.conf" -o json | jq -c '[.items[] | .type, .state, .resource]')" \
    '["contrail.node-status","raise","vrouter/c1","contrail.node-status","clear","vrouter/c1"]'
echo '{"vrouter": 1}' >"$dir/list"
has "a list that is none" "$(ns source test sdn "$dir/list" --config "$dir/nightshift.conf" 2>&1 || true)" 'malformed, it would be refused: vrouter of the list is no list'
sed 's|url = "[^"]*"; settle|url = "http://192.0.2.1:8081"; user = "u"; settle|' "$dir/nightshift.conf" >"$dir/odd.conf"
odd=$("$bin/nightshiftd" --check --config "$dir/odd.conf" 2>&1 || true)
has "in the clear, and nobody said so" "$odd" 'url is not https://'
has "a user without a password" "$odd" 'user and password belong together'

# ---- what stands at the start, on the hosts that the inventory knows -----------------------------------------------------
conf sdn set vrouter c1 0
conf sdn set control-node c3.example.com 1
daemon_start
await 30 raised_is sdn "c1:vrouter/c1=critical db7:control-node/c3.example.com=major" || fail "at the start: $(raised sdn) $(doctor sdn)"
ok "what is wrong at the start, on the hosts that it names"
conf sdn set vrouter c2 2
await 20 raised_is sdn "c1:vrouter/c1=critical c2:vrouter/c2=minor db7:control-node/c3.example.com=major" || fail "by the stream: $(raised sdn)"
ok "what the stream says"
conf sdn set vrouter c2
await 20 raised_is sdn "c1:vrouter/c1=critical db7:control-node/c3.example.com=major" || fail "cleared: $(raised sdn)"
ok "and that it ended"
is "nothing is told twice" "$(events sdn vrouter/c2) / $(events sdn vrouter/c1)" "raise clear / raise"
order sdn '{"do": "move"}'
lists=$(peer sdn | jq .lists)
await 30 sh -c "[ \$(curl -s $(url_of sdn)/_test | jq .lists) -gt $((lists + 1)) ]" || fail "no further lists"
is "a partition that moves is no news" "$(events sdn vrouter/c1)" "raise"

# ---- who may read ----------------------------------------------------------------------------------------------------------
await 20 doctor_says wrong 'HTTP status 401' || fail "a wrong password: $(doctor wrong)"
has "the doctor says what to do" "$(doctor wrong)" 'is not known there: is it right, not expired'
await 20 doctor_says nobody 'unreachable' || fail "nobody: $(doctor nobody)"
conf basic set config-node b2 0
conf basic set vrouter b1 0
await 20 raised_is basic "b1:vrouter/b1=critical" || fail "basic, and tables: $(raised basic) $(doctor basic)"
ok "basic authentication, and only the tables that are wanted"
await 20 doctor_says key '"login","state":"ok","text":"done"' || fail "keystone: $(doctor key)"
conf key set vrouter x1 0
await 20 raised_is key "x1:vrouter/x1=critical" || fail "keystone: $(raised key) $(doctor key)"
ok "a token of Keystone, over TLS"
await 20 acks_are key 1 && ok "acknowledged" || fail "acknowledged: $(peer key) $(doctor key)"

# ---- the stream breaks, amid an event, while things change ---------------------------------------------------------------------
is "no window yet" "$(windows sdn)" 0
conf sdn quiet vrouter c1
conf sdn quiet vrouter c2 1
order sdn '{"do": "drop", "mid": true}'
await 30 raised_is sdn "c2:vrouter/c2=major db7:control-node/c3.example.com=major" || fail "after a break: $(raised sdn)"
ok "what was raised and what ended while the stream was broken"
await 20 windows_are sdn 1 || fail "windows: $(windows sdn)"
has "the window is listed" "$(doctor sdn)" 'the last first: 20[0-9T:.-]+Z for .* alarms'
has "and in the log" "$(cat "$dir/log")" 'the changes since .* were missed, the list tells what is different'
is "of the half event nothing" "$(events sdn vrouter/half)" ""

# ---- not ready, then another set of alarms -------------------------------------------------------------------------------------
order sdn '{"do": "refuse", "seconds": 2}'
order sdn '{"do": "clear"}'
conf sdn quiet vrouter c1 0 1700000000000001
await 30 doctor_says sdn 'HTTP status 503' || fail "503 is not seen: $(doctor sdn)"
await 30 raised_is sdn "c1:vrouter/c1=critical" || fail "after a restart over there: $(raised sdn) $(doctor sdn)"
ok "a server that restarts with other alarms"

# ---- silence, and hostile bytes --------------------------------------------------------------------------------------------------
malformed() { figure sdn malformed; }
raw() { order "$1" "{\"do\": \"raw\", \"bytes\": \"$(printf "$2" | base64 -w0)\"}"; }
before=$(malformed)
raw sdn 'event: update\ndata: {"key": "ObjectVRouter:c1", "type": \n\n'
raw sdn 'event: update\ndata: {"key": "ObjectVRouter:c1", "type": "UVEAlarms", "value": {"alarms": "\\u0000"}}\n\n'
raw sdn 'event: update\ndata: {"key": "ObjectVRouter:\xff\xfe", "type": null}\n\n'
raw sdn '\x00\xff\r\r\rdata\rid: 7\r\n:\r\nevent: update\ndata: []\n\n'
await 20 figure_is sdn malformed $((before + 4)) || fail "malformed: $(malformed), were $before"
ok "what makes no sense is counted, and changes nothing"
is "the alarm stands" "$(raised sdn)" "c1:vrouter/c1=critical"
python3 -c 'import base64, json, sys; sys.stdout.write(json.dumps({"do": "raw", "bytes": base64.b64encode(b"event: update\ndata: " + b"x" * (3 << 20) + b"\n\n").decode()}))' >"$dir/large"
curl -sf -H 'Content-Type: application/json' -d "@$dir/large" "$(url_of sdn)/_test" >/dev/null
large() { ns source list -o json | jq -e '.items[] | select(.name == "sdn") | .dropped_by.large == 1'; }
await 20 large && ok "an update that is too large is passed over" || fail "large: $(ns source list)"
conf sdn set vrouter c2 0
await 20 raised_is sdn "c1:vrouter/c1=critical c2:vrouter/c2=critical" || fail "after hostile bytes: $(raised sdn)"
ok "and the stream goes on"
# An update that is lost while a list is on its way: that list may be older, so another follows it.
before=$(peer basic | jq .lists)
order basic '{"do": "lists", "hold": true}'
order basic '{"do": "drop"}'
listed() { [ "$(peer basic | jq .lists)" -gt "$before" ]; }
await 20 listed || fail "no list: $(peer basic) $(doctor basic)"
conf basic quiet control-node b1 0
raw basic 'event: update\ndata: {"key": "ObjectVRouter:x1", \n\n'
await 20 figure_is basic malformed 1 || fail "malformed: $(figure basic malformed)"
order basic '{"do": "lists", "hold": false}'
await 30 raised_is basic "b1:control-node/b1=critical b1:vrouter/b1=critical" && ok "an update that was lost while a list was on its way" ||
    fail "lost while a list came: $(raised basic)"
order sdn '{"do": "hang", "on": true}' || true
silent() { ns alarm list -o json | jq -e '[.items[] | select(.state == "raised" and .type == "source.silent" and .resource == "sdn")] | length > 0'; }
await 60 silent && ok "silence is an alarm" || fail "no alarm of silence: $(ns alarm list)"

# ---- acknowledging: lost answers, refusals, tokens that end ------------------------------------------------------------------
order key '{"do": "acks", "mode": "lost"}'
conf key set vrouter x2 1 1700000000000002
await 20 acks_are key 2 || fail "acknowledged, with an answer of 500: $(peer key)"
await 30 doctor_says key '1 acknowledged, 0 wait' || fail "$(doctor key)"
order key '{"do": "acks", "mode": "busy"}'
conf key set vrouter x4 1 1700000000000003
await 30 sh -c "[ \$(curl -s --cacert $dir/tls/ca.pem $(url_of key)/_test | jq .refused_acks) -gt 0 ]" || fail "no try"
order key '{"do": "acks", "mode": "ok"}'
await 40 acks_are key 3 && ok "refused, then taken" || fail "after 409: $(peer key) $(doctor key)"
order key '{"do": "expire"}'
order key '{"do": "drop"}'
conf key quiet vrouter x5 1 1700000000000004
await 40 acks_are key 4 && ok "a token that ended is renewed" || fail "after 401: $(peer key) $(doctor key)"
is "Keystone was asked twice" "$(peer key | jq .logins)" 2
nothing_wrong key
nothing_wrong basic

# ---- kill -9 between what is received and what is acknowledged -----------------------------------------------------------------
kill "${peer_pids[key]}"
wait "${peer_pids[key]}" 2>/dev/null || true
peer_start key $((port + 1)) --auth keystone --cert "$dir/tls/server.pem" --key "$dir/tls/server.key" --slow 0.1
for n in $(seq 1 300); do
    echo "{\"do\": \"set\", \"table\": \"vrouter\", \"name\": \"k$n\", \"alarms\": [{\"type\": \"$node\", \"severity\": 1, \"timestamp\": $((1700000001000000 + n))}]}"
done >"$dir/orders.jsonl"
python3 - "$(url_of key)/_test" "$dir/tls/ca.pem" "$dir/orders.jsonl" <<'PY' &
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
for line in open(sys.argv[3], "rb"):
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], line, {"Content-Type": "application/json"}), context=context).read()
PY
sender=$!
taken=0
for n in 1 2 3; do
    some() { [ "$(acks key)" -gt $((taken + 20)) ] || acks_are key 300; }
    await 60 some || fail "no progress: $(acks key) $(doctor key)"
    daemon_kill
    taken=$(acks key)
    echo "killed after $taken acknowledgements"
    daemon_start
done
wait "$sender" || fail "the sender of alarms: status $?"
await 90 acks_are key 300 && ok "all of them are acknowledged after three kills" || fail "acknowledged: $(acks key) $(doctor key)"
nothing_wrong key
is "each of them once" "$(peer key | jq '.acks | unique | length')" 300
daemon_stop
"$NS_BUILD/tests/journal" events "$dir/n.db" | jq -r 'select(.source == "key" and .state == "raise") | .resource' | grep '/k' | sort >"$dir/told"
is "every acknowledged alarm is an event" "$(uniq "$dir/told" | wc -l)" 300
is "and only one" "$(wc -l <"$dir/told")" 300
no_errors_but 'source (wrong|nobody|sdn|key|basic):|source.silent|silent'
verdict
