#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random instants under a load of samples by remote-write and OTLP: whoever heard "taken" finds the alarm that its
# sample raised, and nothing is decided twice. (What series learned is at most five minutes behind: bridge/source/metrics.)
#   NS_KILLS=N   how often (5; 40 with NS_ALL)      NS_SEED=N   the same instants again
# timeout: 600
. "$(dirname "$0")/common.sh"
needs python3 jq
[ -x "$bin/nightshiftd" ] || skip "the daemon is not built"
kills=${NS_KILLS:-5}
[ -z "${NS_ALL:-}" ] || kills=${NS_KILLS:-40}
seed=${NS_SEED:-$RANDOM}
echo "seed $seed: NS_SEED=$seed repeats it"
RANDOM=$seed
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "h1"; } );
EOT
mkdir "$dir/policies"
cat >"$dir/policies/hot.policy" <<EOT
policies: ( { name = "hot"; summary = "says so"; owner = "tests"; subject = "host"; mode = "observe";
              when = { event = "environment.temperature"; settle = "0s"; };
              do = ( { step = "page"; action = "page"; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "$dir/inventory.conf";
policies = "$dir/policies";
drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
signals: ( { name = "hot"; metric = "inlet_celsius"; raise = { above = 35.0; }; clear = { below = 30.0; };
             severity = "major"; event = "environment.temperature"; } );
EOT
"$bin/nightshiftd" --check --config "$dir/nightshift.conf" || { echo "the configuration is wrong"; exit 1; }
acked() { wc -l <"$dir/acked"; }
more() { [ "$(acked)" -ge "$wanted" ]; }
: >"$dir/acked"
python3 "$NS_SOURCE/tests/peers/metrics_sender.py" "$dir/api.sock" "$dir/acked" >"$dir/sent.json" 2>"$dir/sent.err" &
sender=$!
pids+=("$sender")
for n in $(seq 1 "$kills"); do
    daemon_begin
    wanted=$(($(acked) + 20 + RANDOM % 200))
    await 60 more || { cat "$dir/sent.err"; tail -5 "$dir/log"; fail "nothing is acknowledged in round $n"; break; }
    daemon_end KILL
done
daemon_begin
wanted=$(($(acked) + 20))
await 60 more || fail "nothing is acknowledged after the last kill"
kill -TERM "$sender"
wait "$sender" || fail "the sender ended badly: $(cat "$dir/sent.err")"
is "the sender had nothing to say" "$(cat "$dir/sent.err")" ""
daemon_end TERM
echo "kills $kills, $(cat "$dir/sent.json")"
"$NS_BUILD/tests/journal" records "$dir/n.db" alarm | jq -r 'select(.state == "raised") | .resource | ltrimstr("sensor=")' | sort >"$dir/raised"
# An event may be told once more after a kill: the alarm is there, and nothing is decided about it again.
"$NS_BUILD/tests/journal" records "$dir/n.db" alarm | jq -r .resource | sort >"$dir/alarms"
"$NS_BUILD/tests/journal" records "$dir/n.db" decision | jq -r 'select(.outcome == "would-run") | .alarm' | sort >"$dir/decided"
sort "$dir/acked" >"$dir/acked.sorted"
for kind in rw otlp; do
    count=$(grep -c "^$kind-" "$dir/acked" || true)
    [ "$count" -ge $((kills * 5)) ] || fail "only $count of $kind were acknowledged: too few to show anything"
    is "$count acknowledged by $kind: without their alarm" "$(comm -23 <(grep "^$kind-" "$dir/acked.sorted") "$dir/raised" | head -3 | xargs)" ""
done
is "alarms that are there twice" "$(uniq -d "$dir/alarms" | head -3 | xargs)" ""
is "alarms decided about twice" "$(uniq -d "$dir/decided" | head -3 | xargs)" ""
[ "$(wc -l <"$dir/decided")" -gt 0 ] || fail "nothing was decided at all"
[ "$(jq '.repeated // 0' "$dir/sent.json")" -gt 0 ] || fail "no sample was handed in again: the test shows nothing"
verdict
