#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# A disk that is full, a disk that fails, a damaged file, under the real daemon: sources are refused, nothing acts, one
# loud line, /readyz says why; well again by itself, with all that was acknowledged. A damaged file does not start.
if [ "$(id -u)" != 0 ] && [ -z "${NS_UNSHARED:-}" ] && unshare -Urm true 2>/dev/null; then
    NS_UNSHARED=1 exec unshare -Urm "$0"
fi
source "$(dirname "$0")/common.sh"
needs snmpinform curl jq prlimit
[ -x "$bin/nightshiftd" ] || skip "the daemon is not built"
mkdir "$dir/disk" "$dir/policies"
mount -t tmpfs -o size=6m,mode=700 tmpfs "$dir/disk" 2>/dev/null || skip "no file system of its own may be mounted here"
unmount() {
    umount -l "$dir/disk" 2>/dev/null || true
    finish
}
trap unmount EXIT

cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; bmc = { driver = "probe"; log = "$dir/calls"; address = "bmc1"; }; } );
EOT
cat >"$dir/policies/memory.policy" <<EOT
policies: ( { name = "memory"; summary = "power-cycle"; owner = "tests"; subject = "host"; mode = "enforce";
  when = { event = "memory.uncorrectable"; severity = "major"; settle = "1s"; };
  limits = { once_within = "1s"; };
  do = ( { step = "cycle"; action = "power.cycle"; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/disk/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/tests/drivers";
api = { socket = "$dir/api.sock"; };
snmp = { listen = ["udp:127.0.0.1:$trap_port"]; communities = ["public"]; };
pager = { driver = "probe"; log = "$dir/calls"; };
EOT
touch "$dir/calls" "$dir/sent"
http() { curl -s --max-time 3 --unix-socket "$dir/api.sock" "$@"; }
status_of() { http -o /dev/null -w '%{http_code}' "http://x$1"; }
is_ready() { [ "$(status_of /readyz)" = 200 ]; }
is_unready() { [ "$(status_of /readyz)" = 503 ]; }
start() { # Its log goes through a pipe: a limit on files is not for it.
    (trap '' XFSZ; exec "$bin/nightshiftd" --config "$dir/nightshift.conf" 2> >(exec cat >>"$dir/log")) &
    daemon=$!
    pids+=("$daemon")
    await 20 is_ready || { cat "$dir/log"; fail "the daemon is not ready"; verdict; }
}
stop() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "SIGTERM: status $?"
    unset 'pids[-1]'
}
event() { # ID TYPE STATE [BYTES]: the HTTP status; an acknowledged id is remembered
    local status
    status=$(printf '{"specversion":"1.0","id":"%s","source":"/t","type":"%s","host":"h1","severity":"critical","state":"%s","data":{"pad":"%s"}}' \
        "$1" "$2" "$3" "$(head -c "${4:-0}" /dev/zero | tr '\0' x)" |
        http -o /dev/null -w '%{http_code}' -H 'Content-Type: application/cloudevents+json' --data-binary @- http://x/v1/events)
    [ "$status" != 202 ] || echo "$1" >>"$dir/sent"
    echo "$status"
}
inform() { snmpinform -v 2c -c public -r 0 -t 2 "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1."$1" i "$1" >/dev/null 2>&1; }
lines() { grep -c "$1" "$dir/log" || true; }
cycles() { grep -c '^power.cycle' "$dir/calls" || true; }
until_refused() { # WHAT: large events until one is refused; the one that finds out waits for its commit
    local status=202 number
    for number in $(seq 1 200); do
        status=$(event "$1-$number" load.test pulse 60000)
        [ "$status" != 503 ] || break
    done
    echo "$status"
}

ill() { # WHAT HEALTH REASON: all that must hold while the store is ill
    is "$1: an event is refused" "$(until_refused "$1")" 503
    await 10 is_unready || fail "$1: still ready"
    has "$1: /readyz says why" "$(http http://x/readyz)" "$3"
    is "$1: a small event as well" "$(event "ill-$1" load.test pulse)" 503
    if inform 99; then fail "$1: an inform is answered"; else ok "$1: an inform is not answered"; fi
    is "$1: a command that changes is refused" "$(http -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
        -d '{"scope":"all","reason":"r","for":"1m"}' http://x/v1/freezes)" 503
    is "$1: it lives, and is read" "$(status_of /healthz) $(status_of /v1/alarms)" "200 200"
    sleep 2.5 # Longer than it settles, and than some retries: nothing acts, and the line is not repeated.
    is "$1: nothing acts" "$(cycles)" "$4"
    is "$1: one loud line" "$(lines 'level=error event=store.ill')" "$5"
    has "$1: and it says what" "$(grep 'event=store.ill' "$dir/log" | tail -1)" "health=$2 .*$3"
}
well() { # WHAT CYCLES
    await 15 is_ready || fail "$1: not ready again: $(http http://x/readyz)"
    is "$1: an event is taken again" "$(event "well-$1" load.test pulse)" 202
    inform 7 || fail "$1: an inform is not answered again"
    await 15 eval "[ \"\$(cycles)\" = $2 ]" || fail "$1: what waited did not go on: $(cycles) calls"
}

# ---- a full disk
start
is "taken" "$(event begin memory.uncorrectable raise)" 202
fallocate -l "$(($(df --output=avail -B1 "$dir/disk" | tail -1) - 200000))" "$dir/disk/fill"
before=$(cycles)
[ "$before" = 0 ] || fail "it acted before it settled"
ill "full" full "disk full" 0 1
rm "$dir/disk/fill"
well "full" 1

# ---- a disk that fails: no file may grow. The file system has room.
is "clear" "$(event clear memory.uncorrectable clear)" 202
sleep 1.2 # once_within
is "raise" "$(event again memory.uncorrectable raise)" 202
prlimit --pid "$daemon" --fsize=65536:unlimited
ill "failing" failing "n.db" 1 2
prlimit --pid "$daemon" --fsize=unlimited:unlimited
well "failing" 2
is "it told that it is well" "$(lines 'event=store.well')" 2

# ---- all that was acknowledged is there, once
stop
sort -u "$dir/sent" >"$dir/sent.sorted"
"$NS_BUILD/tests/journal" events "$dir/disk/n.db" >"$dir/events" && ok "the journal has no gap" || fail "the journal has a gap"
jq -r 'select(.source == "/t") | .id' "$dir/events" | sort >"$dir/stored"
is "acknowledged and lost" "$(comm -23 "$dir/sent.sorted" "$dir/stored" | xargs)" ""
is "stored twice" "$(uniq -d "$dir/stored" | xargs)" ""
is "refused and kept all the same" "$(grep -c '^ill-' "$dir/stored" || true)" 0
[ "$(wc -l <"$dir/sent")" -ge 6 ] || fail "too few events were taken to show anything"

# ---- a full disk at the start, and a damaged file
refuses() { # WHAT TEXT: does not start, says why, changes nothing
    local sums status=0
    sums=$(cd "$dir/disk" && sha256sum n.db n.db-*)
    timeout 20 "$bin/nightshiftd" --config "$dir/nightshift.conf" 2>"$dir/refused" || status=$?
    is "$1: exit code" "$status" 1
    has "$1: says why" "$(grep 'event=daemon.start-failed' "$dir/refused")" "$2"
    is "$1: nothing was changed" "$(cd "$dir/disk" && sha256sum n.db n.db-*)" "$sums"
}
cp "$dir/disk/n.db" "$dir/good.db"
dd if=/dev/urandom of="$dir/disk/n.db" bs=100 count=1 conv=notrunc status=none
refuses "head damaged" 'code=corrupt .*n\.db'
cp "$dir/good.db" "$dir/disk/n.db"
size=$(stat -c %s "$dir/disk/n.db")
dd if=/dev/zero of="$dir/disk/n.db" bs=4096 seek=1 count=$((size / 4096 - 1)) conv=notrunc status=none
refuses "pages damaged" 'code=corrupt .*n\.db'
truncate -s 5000 "$dir/disk/n.db"
refuses "cut off" 'n\.db'
echo "no database" >"$dir/disk/n.db"
refuses "another file" 'n\.db'
cp "$dir/good.db" "$dir/disk/n.db"
start
is "the good one starts" "$(status_of /readyz)" 200
stop
verdict
