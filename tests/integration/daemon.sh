#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# The daemon as people run it: real traps and informs by Net-SNMP, the command, reload, SIGTERM, restart.
source "$(dirname "$0")/common.sh"
needs snmptrap snmpinform jq
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

mkdir "$dir/policies"
cat >"$dir/inventory.conf" <<EOT
defaults: { bmc = { driver = "probe"; log = "$dir/calls"; }; };
hosts: (
  { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; bmc = { address = "bmc1"; };
    ports = "sw1/7"; instance = { driver = "probe"; log = "$dir/calls"; address = "cloud1"; instance = "i-0abc"; }; },
  { name = "h2"; rack = "r2"; addresses = ["192.0.2.2"]; bmc = { address = "bmc2"; };
    node = { driver = "probe"; log = "$dir/calls"; address = "cluster"; node = "worker-2"; }; }
);
EOT
cat >"$dir/policies/link.policy" <<EOT
policies: ( { name = "link"; summary = "page when a link is down"; owner = "net"; subject = "host"; mode = "enforce";
  when = { event = "network.link.down"; severity = "major"; settle = "0s"; };
  do = ( { step = "page"; action = "page"; with = { text = "\${host.name}: \${event.message}"; }; } ); } );
EOT
config() { # SILENCE
    cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$NS_SOURCE/etc/traps";
snmp = { listen = ["udp:127.0.0.1:$trap_port"]; communities = ["public"]; silence = "$1"; };
EOT
}
config 0s
down() { # INDEX
    snmptrap -v 2c -c public "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1."$1" i "$1"
}
events() { ns event list -o jsonl "$@" | grep -c . || true; }
events_are() { [ "$(events)" = "$1" ]; }
refused_are() { [ "$(grep -c 'event=reload.refused' "$dir/log")" = "$1" ]; }
logged() { grep -q "$1" "$dir/log"; }

# ---- check before start
has "--check is content" "$("$bin/nightshiftd" --check --config "$dir/nightshift.conf")" '^0 errors'
sed 's/communities/comunities/; s/api = /apo = /' "$dir/nightshift.conf" >"$dir/wrong.conf"
if out=$("$bin/nightshiftd" --check --config "$dir/wrong.conf" 2>&1); then fail "--check accepts a wrong file"; fi
has "--check tells the first mistake" "$out" "did you mean 'communities'"
has "--check tells the second as well" "$out" "did you mean 'api'"
if "$bin/nightshiftd" --config "$dir/wrong.conf" 2>"$dir/wrong.log"; then fail "starts with a wrong file"; fi
has "a wrong file does not start" "$(cat "$dir/wrong.log")" 'event=daemon.start-failed'

# ---- without the daemon: what a trap becomes
test=$("$bin/nightshift" source test trap "$NS_SOURCE/tests/data/snmp/traps.jsonl" --traps "$NS_SOURCE/etc/traps" -o json || true) # Some no table knows.
is "source test says what packets become" "$(jq -c '[.events, .malformed, ([.items[] | select(.type == "network.link.down")] | length > 0)]' <<<"$test")" \
    "[$(grep -c . "$NS_SOURCE/tests/data/snmp/traps.jsonl"),0,true]"

# ---- a trap, to the command
daemon_start
down 7
await 10 events_are 1 || fail "the trap did not arrive"
event=$(ns event list -o jsonl)
has "mapped, resolved" "$event" '"network.link.down"'
has "found its host" "$event" '"h1"'
await 10 grep -q '^page' "$dir/calls" || fail "nobody was paged"
has "the page says what" "$(cat "$dir/calls")" 'h1'
is "the alarm is raised" "$(ns alarm list --host h1 -o jsonl | grep -c .)" 1

# ---- an inform is answered only after the commit: then the event is there
snmpinform -v 2c -c public -r 1 -t 5 "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.8 i 8 ||
    fail "the inform was not answered"
is "the event of an answered inform is there" "$(events)" 2

# ---- reload: a mistake keeps the old set, by signal and by command
sed -i 's/when = /wenn = /' "$dir/policies/link.policy"
if out=$(ns reload 2>&1); then fail "a reload with a mistake says it is fine"; fi
has "reload says where" "$out" 'link.policy:2'
kill -HUP "$daemon"
await 10 refused_are 2 || fail "SIGHUP with a mistake is not logged"
has "the old policy stays" "$(ns policy list)" 'link'
sed -i 's/wenn = /when = /' "$dir/policies/link.policy"
kill -HUP "$daemon"
await 10 logged 'event=reload.done' || fail "SIGHUP does not reload"
has "and is loaded" "$(ns policy list)" 'page when a link is down'

# ---- receivers that die come back
receiver=$(pgrep -P "$daemon" -f nightshift-trap | head -1)
kill -9 "$receiver"
await 10 logged 'event=traps.news' || fail "a dead receiver is not logged"
await 15 bash -c "ns() { '$bin/nightshift' \"\$@\"; }; ns status | grep -q '1/1'" || fail "no new receiver"
snmpinform -v 2c -c public -r 5 -t 2 "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.9 i 9 ||
    fail "the new receiver does not answer"

# ---- whom an event is about: by what clouds, clusters and switches call it; what fits nobody is listed, never guessed
about() { # ID IDENTITY
    jq -cn --arg id "$1" --arg identity "$2" '{specversion: "1.0", id: $id, source: "test", type: "fan.failed", identity: $identity}' |
        ns event send - >/dev/null || fail "event $1 is not taken"
}
about i1 instance=i-0abc
about i2 node=worker-2
about i3 port=sw1/7
about i4 instance=i-gone
about i5 instance=i-gone
about i6 port=sw1/7,instance=i-other
is "by instance, node and port" "$(ns event list --type fan.failed -o json | jq -r '[.items[] | .id + "=" + (.host // "")] | sort | join(" ")')" \
    "i1=h1 i2=h2 i3=h1 i4= i5= i6=h1"
is "who is not known is listed, once" "$(ns host unknown -o json | jq -c '[.items[] | select(.source == "test") | [.identity, .count]]')" \
    '[["instance=i-gone",2]]'
about i7 instance=i-0abc,node=worker-2
await 10 logged 'event=identity.conflict' || fail "two hosts at once are not told"

# ---- SIGTERM, restart
before=$(events)
daemon_stop
has "said so" "$(tail -1 "$dir/log")" 'event=daemon.stopped'
daemon_start
is "the events are still there" "$(events)" "$before"
is "the alarms as well" "$(ns alarm list --host h1 -o jsonl | grep -c .)" 3
is "nobody was paged again" "$(grep -c '^page' "$dir/calls")" "$(grep '^page' "$dir/calls" | sort -u | wc -l)"
has "the trail is whole" "$(ns audit verify)" '[Oo][Kk]|whole|fits'

# ---- kill -9: nothing that was answered is lost
snmpinform -v 2c -c public -r 1 -t 5 "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.10 i 10 ||
    fail "the inform was not answered"
daemon_kill
daemon_start
is "an answered inform survives kill -9" "$(events)" $((before + 1))

# ---- silence is blindness where it was said to be; the configuration is read anew for it
config 1s
kill -HUP "$daemon"
await 10 logged 'event=health.blind reason="source trap silent for 1s"' || fail "silence is not noticed"
has "status warns" "$(ns status)" 'blind'
silences() { ns event list --type source.silent -o jsonl | jq -rs --arg s "$1" 'map(select(.resource == "trap" and .state == $s)) | length'; }
silence_more() { [ "$(silences "$1")" -gt "$2" ]; } # With 1s it comes and goes.
await 10 silence_more raise 0 || fail "the silence is no alarm: $(ns alarm list)"
has "the list says so" "$(ns source list)" 'trap +trap +silent'
has "and the doctor" "$(ns source doctor trap || true)" 'heard +failed'
cleared=$(silences clear)
config 0s
ns reload >/dev/null || fail "the reload is refused"
await 10 silence_more clear "$cleared" && ok "what is watched no longer is not silent" || fail "the alarm stays"
config 1s
ns reload >/dev/null || fail "the reload is refused"
await 10 silence_more raise 1 || fail "watched again, the silence is no alarm"
sees=$(grep -c 'event=health.sees' "$dir/log" || true)
cleared=$(silences clear)
down 11
sees_more() { [ "$(grep -c 'event=health.sees' "$dir/log")" -gt "$sees" ]; }
await 10 sees_more || fail "a trap does not end the blindness"
await 10 silence_more clear "$cleared" && ok "a trap ends the silence" || fail "the alarm stays: $(ns alarm list)"

# ---- the doctor, and its counters: all that came is accepted, or refused by reason
config 0s
ns reload >/dev/null || fail "the reload is refused"
snmptrap -v 2c -c private "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3
echo nonsense >"/dev/udp/127.0.0.1/$trap_port"
counted() { ns source list -o json | jq -e '.items[] | select(.name == "trap") | .malformed >= 1 and .dropped_by.denied >= 1 and
    .received == .accepted + .malformed + .dropped'; }
await 10 counted && ok "the book of traps adds up" || fail "the book: $(ns source list -o json)"
doctor=$(ns source doctor trap)
has "the doctor says who may send" "$doctor" 'only this machine may send traps'
has "what proves nothing" "$doctor" 'anybody in those networks can make up a trap'
has "and that receivers run" "$doctor" '1 of 1 receivers run'
paste=$(grep '^snmpinform' <<<"$doctor" | sed "s/COMMUNITY NIGHTSHIFT/public 127.0.0.1/")
before=$(events)
bash -c "$paste" && ok "what it says to paste is answered" || fail "cannot be pasted: $paste"
is "and is an event" "$(events)" $((before + 1))
sed 's/^snmp = /sources = ( { name = "trap"; type = "webhook"; format = "keep"; tokens = ["file:x"]; } );\nsnmp = /' "$dir/nightshift.conf" >"$dir/wrong.conf"
if out=$("$bin/nightshiftd" --check --config "$dir/wrong.conf" 2>&1); then fail "a source may be called trap"; fi
has "the name is taken" "$out" "the daemon's own receivers are called"

if grep -E 'level=error' "$dir/log" | grep -vE 'reload.refused|traps.news|start-failed|health.blind' | grep .; then fail "errors in the log"; fi
verdict
