#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One session for reading and acting: a host is power-cycled while its long event log is read. Neither waits for the
# other's end, and the reader, which opened the session and is through while the host is off, does not close it under the action.
# timeout: 180
. "$(dirname "$0")/common.sh"
needs jq
lab_start --racks 1 --hosts 2 --redfish-share 0 --off-delay 50ms --on-delay 50ms --boot-delay 50ms \
    --trap-to "127.0.0.1:$trap_port" --write-inventory "$dir/lab.conf"
sed 's|driver = "ipmi";|driver = "ipmi"; off_time = "12s";|' "$dir/lab.conf" >"$dir/inventory.conf"
grep -q 'off_time' "$dir/inventory.conf" || fail "the inventory has no IPMI bindings: $(cat "$dir/lab.conf")"
mkdir "$dir/policies"
cat >"$dir/policies/memory.policy" <<'EOT'
policies: ( { name = "memory"; summary = "cycle once"; owner = "dc"; subject = "host"; mode = "enforce";
  when = { event = "memory.uncorrectable"; severity = "major"; settle = "0s"; };
  do = ( { step = "cycle"; action = "power.cycle"; timeout = "1m"; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
sources = ( { name = "sel"; type = "sel"; every = "1s"; traps = "$NS_SOURCE/etc/traps"; names = false; } );
snmp = { listen = ["udp:127.0.0.1:$trap_port"]; communities = ["public"]; };
EOT
figure() { lab state r1h01 | jq ".$1"; }
at_least() { [ "$(figure "$1")" -ge "$2" ]; }
told() { ns event list --limit 1000 -o json | jq '[.items[] | select(.source == "sel" and .host == "r1h01")] | length'; }
told_is() { [ "$(told)" = "$1" ]; }
switched() { [[ " $(physics_of r1h01) " == *" $1 "* ]]; } # WORD

# A log of 250 records, 40 ms each: its first reading takes more than ten seconds.
for n in $(seq 1 250); do
    lab sel r1h01 add "$(printf '0000020000000020000412076f01%04x' "$n")" >/dev/null
done
lab late r1h01 40ms >/dev/null
ledger_mark
daemon_start
await 30 at_least requests 60 || fail "it is not read: $(ns source doctor sel -o json)"
is "it is being read, in one session" "$(figure logins) $(told)" "1 0"

lab trap r1h01 memory >/dev/null
await 20 switched off || fail "no action: $(ns run list -o json | jq -c '.items[]') $(tail -5 "$dir/log")"
is "the host is switched off while the log is still read" "$(told)" 0
await 40 told_is 250 || fail "told: $(told) of 250: $(ns source doctor sel -o json)"
if switched on; then fail "the reading was no longer than the action: this run proves nothing"; fi
ok "the log is read to its end while the host is off"
done_is() { ns run list -o json | jq -e '.items[] | select(.host == "r1h01" and .state == "done")' >/dev/null; }
await 60 done_is || fail "the action: $(ns run list -o json | jq -c '.items[]') $(ns action list -o json | jq -c '.items[]')"
is "off, and on again" "$(physics_of r1h01 | tr ' ' '\n' | grep -xE 'off|on' | paste -sd' ')" "off on"
is "all of it in the one session" "$(figure logins)" 1
daemon_stop
lab_stop
verdict
