#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random instants, under a load of informs and CloudEvents and with power actions under way: what was
# acknowledged is in the journal, no host is switched twice for one fault, and nothing stays in doubt.
#   NS_KILLS=N   how often (15; 500 with NS_ALL, 40 with sanitizers)      NS_SEED=N   the same instants again
# timeout: 1500
. "$(dirname "$0")/common.sh"
needs jq
[ -x "$bin/nightshiftd" ] || skip "the daemon is not built"
tools=$NS_BUILD/tests
kills=${NS_KILLS:-15}
[ -z "${NS_ALL:-}" ] || kills=${NS_KILLS:-500}
# With sanitizers a start alone takes as long as a life: 500 of them and the lab gives up telling, before anybody hears.
[ "$(basename "$NS_BUILD")" != debug ] || [ "$kills" -le 40 ] || kills=${NS_KILLS:-40}
seed=${NS_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "seed $seed: NS_SEED=$seed NS_KILLS=$kills repeats it"
RANDOM=$seed

# ---- the world ------------------------------------------------------------------------------------------------------
# Answers take 30 ms each, so that orders are under way for some time. Its informs are repeated until acknowledged.
lab_start --racks 20 --hosts 50 --latency 30ms --off-delay 50ms --on-delay 50ms --cycle-delay 100ms --boot-delay 200ms \
    --trap-to "127.0.0.1:$trap_port" --trap-version v2c --informs --write-inventory "$dir/inventory.conf"
mkdir "$dir/policies"
cat >"$dir/policies/memory.policy" <<EOT
policies: (
{
  name    = "kill-memory";
  summary = "Power-cycle once, verify, else page";
  owner   = "tests";
  subject = "host";
  mode    = "enforce";
  when    = { event = "memory.uncorrectable"; severity = "major"; settle = "100ms"; };
  unless  = ( "host.maintenance" );
  limits  = { once_within = "24h"; };
  do      = ( { step = "cycle";  action = "power.cycle"; timeout = "20s"; },
              { step = "verify"; check = "cleared"; within = "15s"; every = "200ms"; } );
  else    = ( { step = "page"; action = "page"; with = { text = "\${host.name}: \${failure}"; }; } );
}
);
EOT
# One write, one line: pages leave side by side.
cat >"$dir/pager" <<EOT
#!/bin/sh
page=\$(cat)
printf '%s\n' "\$page" >> "$dir/pages.jsonl"
echo '{"ok":true}'
EOT
chmod 755 "$dir/pager"
: >"$dir/pages.jsonl"
cat >"$dir/nightshift.conf" <<EOT
store     = { path = "$dir/nightshift.db"; };
inventory = "$dir/inventory.conf";
policies  = "$dir/policies";
traps     = "$NS_SOURCE/etc/traps";
drivers   = "$NS_BUILD/drivers";
credentials = "$dir/lab";
api   = { socket = "$dir/api.sock"; };
snmp  = { listen = ["udp:127.0.0.1:$trap_port"]; receivers = 2; communities = ["public"]; sources = ["127.0.0.0/8"]; };
pager = { driver = "exec"; program = "$dir/pager"; };
guards = {
  rates = { host = "10 in 24h"; rack = ["1000 in 10m", "1000 in 1h", "1000 in 24h"];
            pool = ["1000 in 10m", "1000 in 1h", "1000 in 24h"]; site = ["1000 in 10m", "1000 in 1h", "1000 in 24h"]; };
  worst_case = { rack = 1000; pool = 1000; site = 1000; };
  concurrent = { rack = 10; site = 100; };
  pool_percent = 50;
  brake = { hosts = 1000; percent = 100; };
};
EOT
"$bin/nightshiftd" --check --config "$dir/nightshift.conf" || { echo "the configuration is wrong"; exit 1; }

nap() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; } # MILLISECONDS
records() { "$tools/journal" records "$dir/nightshift.db" "$1"; } # KIND
open_actions() { records action | jq -r 'select(.state | IN("intended", "sent", "unknown", "verifying")) | .id' | wc -l; }
open_runs() { records run | jq -r 'select(.state | IN("waiting", "running", "verifying")) | .id' | wc -l; }

"$tools/load" "$seed" "$trap_port" "$dir/api.sock" "$dir/acked" 100 >"$dir/load.json" 2>"$dir/load.err" &
load=$!
pids+=("$load")

# ---- killed, and again ------------------------------------------------------------------------------------------------
failed_hosts=0
break_one() { # Each host fails once: more than one order for it is one too many.
    local rack=$((failed_hosts % 20 + 1)) number=$((failed_hosts / 20 + 1))
    failed_hosts=$((failed_hosts + 1))
    lab fail "$(printf 'r%dh%02d' $rack $number)" memory >/dev/null
}
in_doubt=0
for n in $(seq 1 "$kills"); do
    daemon_begin
    # One in four dies while it starts; the others at any instant of the next two seconds.
    if [ $((RANDOM % 4)) = 0 ]; then
        nap $((RANDOM % 150))
    else
        before=$((RANDOM % 600))
        nap $before
        break_one
        [ $((RANDOM % 3)) != 0 ] || break_one
        nap $((RANDOM % 1600))
    fi
    kill -0 "$daemon" 2>/dev/null || { tail -20 "$dir/log"; fail "the daemon died by itself in round $n"; break; }
    daemon_end KILL
    if [ -s "$dir/nightshift.db" ]; then
        now=$(open_actions)
        in_doubt=$((in_doubt + now))
    fi
done

# ---- in peace ---------------------------------------------------------------------------------------------------------
daemon_start
kill -TERM "$load"
wait "$load" || { cat "$dir/load.err"; fail "the load ended badly"; }
await 30 eval '[ "$(lab stats | jq .traps.waiting)" = 0 ]' || fail "informs of the lab that nobody acknowledged: $(lab stats)"
# A fault whose policy still waited (settle) when the kill came is not acted on because of a restart: it must be seen
# again. Its alarm stands meanwhile, none is missing. BMCs say once more that they are ill; with NS_ALL only every other
# one does, and the others become a person's after five minutes.
settling() { records pending | jq -r 'select(.state | IN("pending", "settling")) | .subject'; }
waiting() { records pending | jq -r 'select(.state == "deferred") | .subject'; }
await 30 eval '[ "$(open_actions)" = 0 ]' || true
ill() { lab state | jq -r 'select(.faults != []) | .host' | sort; }
silent() { ill | comm -23 - <(records alarm | jq -r 'select(.state == "raised") | .host' | sort -u); }
await 60 eval '[ -z "$(silent)" ]' || true # One that heals between the two readings is in the first of them only.
is "hosts that are ill without an alarm" "$(silent | xargs)" ""
settling | sort >"$dir/settling"
awk -v all="${NS_ALL:-}" 'all == "" || NR % 2 == 1' "$dir/settling" >"$dir/again"
comm -23 "$dir/settling" "$dir/again" >"$dir/unseen"
while read -r host; do lab trap "$host" memory >/dev/null; done <"$dir/again"
await 10 eval '[ -z "$(settling | sort | comm -12 - "$dir/again")" ]' || fail "seen again, and still waiting: $(settling | xargs)"
await 330 eval '[ -z "$(settling)" ]' || fail "not seen again, and still waiting: $(settling | xargs)"
records decision | jq -r 'select(.outcome == "refused" and (.reason | contains("not seen again"))) | .host' | sort >"$dir/refused"
is "hosts not seen again that are nobody's" "$(comm -23 "$dir/unseen" "$dir/refused" | xargs)" ""
await 330 eval '[ -z "$(waiting)" ]' || fail "still waiting for their turn: $(waiting | xargs)"
settled() { [ "$(open_actions)" = 0 ] && [ "$(open_runs)" = 0 ]; }
await 90 settled || fail "in doubt: $(records action | jq -c 'select(.state | IN("intended", "sent", "unknown", "verifying"))' | head -3) $(records run | jq -c 'select(.state | IN("waiting", "running", "verifying"))' | head -3)"
"$bin/nightshift" audit verify >"$dir/audit" 2>&1 && ok "the audit trail's chain" || fail "audit: $(cat "$dir/audit")"
daemon_end TERM
echo "kills $kills, hosts failed $failed_hosts, actions open at a kill $in_doubt, load $(cat "$dir/load.json")"

# ---- nothing acknowledged is lost ------------------------------------------------------------------------------------------
"$tools/journal" events "$dir/nightshift.db" >"$dir/events" && ok "the journal has no gap" || fail "the journal has a gap"
# An inform's token is in its data and in its message: the first one of each line counts.
awk 'match($0, /kill-[ie]-[0-9]+/) { print substr($0, RSTART, RLENGTH) }' "$dir/events" | sort >"$dir/stored"
sort "$dir/acked" >"$dir/acked.sorted"
for kind in i e; do
    word=$([ $kind = i ] && echo informs || echo CloudEvents)
    count=$(grep -c "kill-$kind" "$dir/acked.sorted" || true)
    [ "$count" -ge $((kills * 5)) ] || fail "only $count $word were acknowledged: too few to show anything"
    lost=$(comm -23 <(grep "kill-$kind" "$dir/acked.sorted") <(grep "kill-$kind" "$dir/stored" | uniq))
    is "$count acknowledged $word: lost" "$(wc -w <<<"$lost") $(head -3 <<<"$lost" | xargs)" "0 "
done
# What was stored when the kill came, but not answered yet, is handed in again: it is known.
for kind in i:informs e:events; do
    IFS=: read -r letter word <<<"$kind"
    is "$word stored twice" "$(grep "kill-$letter" "$dir/stored" | uniq -d | wc -l)" 0
    [ "$(jq ".$word.repeated" "$dir/load.json")" -gt 0 ] || fail "no $word were handed in again: the test shows nothing"
done

# ---- nothing is done twice ----------------------------------------------------------------------------------------------------
orders='select(.via == "redfish" or .via == "ipmi") | select(.effect | IN("off", "cycle", "reset")) | .host'
is "hosts ordered off twice for one fault" "$(jq -r "$orders" "$dir/ledger.jsonl" | sort | uniq -d | xargs)" ""
is "hosts that went off twice" "$(jq -r 'select(.via == "physics" and .effect == "off") | .host' "$dir/ledger.jsonl" | sort | uniq -d | xargs)" ""
[ "$(jq -r "$orders" "$dir/ledger.jsonl" | wc -l)" -gt 0 ] || fail "no host was ordered off at all"

# ---- nothing is forgotten --------------------------------------------------------------------------------------------------------
ill >"$dir/ill"
jq -r 'select(.effect == "fault memory") | .host' "$dir/ledger.jsonl" | sort -u >"$dir/fell"
records run | jq -r 'select(.state | IN("escalated", "refused")) | .host' | sort -u >"$dir/escalated"
records run | jq -r 'select(.state == "done") | .host' | sort -u >"$dir/done"
is "hosts that fell and nobody cares for" "$(comm -23 "$dir/ill" "$dir/escalated" | xargs)" ""
jq -r '.args.run // empty' "$dir/pages.jsonl" | sort -u >"$dir/paged"
is "escalated runs without a page" "$(records run | jq -r 'select(.state | IN("escalated", "refused")) | .id' | sort | comm -23 - "$dir/paged" | xargs)" ""
is "runs that say done of a host that is ill" "$(comm -12 "$dir/ill" "$dir/done" | xargs)" ""
# Off at the end: only with a page of an escalated run that says so, or says that it could not be read (each kill leaves
# a session at the BMC, which has 16: IPMI tells nothing without one).
jq -r 'select(.args | tostring | test("power=off|unknown; not known: power.status")) | .args.host' "$dir/pages.jsonl" | sort -u | comm -12 - "$dir/escalated" >"$dir/told_off"
is "hosts left off, and nobody was told" "$(lab state | jq -r 'select(.power != "on") | .host' | sort | comm -23 - "$dir/told_off" | xargs)" ""
echo "$(wc -l <"$dir/fell") hosts fell: $(comm -12 "$dir/fell" "$dir/done" | wc -l) healed, $(wc -l <"$dir/escalated") escalated, $(grep -c . "$dir/pages.jsonl" || true) pages"
[ "$(wc -l <"$dir/done")" -gt 0 ] || fail "nothing was healed"
[ "$kills" -lt 100 ] || [ "$in_doubt" -gt 0 ] || fail "no kill met an action under way: the test shows nothing"
# Helpers end with the daemon that started them.
is "processes left behind" "$(pgrep -f "$dir/nightshift.conf" | xargs)" ""
[ "$failed" = 0 ] || { echo "seed $seed"; tail -5 "$dir/log"; }
verdict
