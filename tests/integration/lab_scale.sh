#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 10,000 hosts in one process: start, memory, every one of them answered; and what happens when descriptors run out.
# timeout: 200
. "$(dirname "$0")/common.sh"
needs ipmipower curl jq
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 10500 ] || skip "10,000 sockets are not allowed here (ulimit -Hn)"

san=1 # Sanitizers cost time and memory.
! grep -q 'CMAKE_BUILD_TYPE:STRING=Debug' "$NS_BUILD/CMakeCache.txt" || san=10

now_ms() { date +%s%3N; }
began=$(now_ms)
lab_start --racks 100 --hosts 100 --redfish-share 20 --boot-delay 100ms
took=$(($(now_ms) - began))
[ "$took" -lt $((2000 * san)) ] && ok "10,000 hosts start in $took ms" || fail "10,000 hosts start in $took ms"
rss() { awk '/VmRSS/ {print $2}' "/proc/$lab_pid/status"; }
[ "$(rss)" -lt $((60000 * san)) ] && ok "they take $(rss) KB" || fail "they take $(rss) KB"

# All IPMI hosts; one ipmipower takes 64 KB of names.
lab state | jq -r 'select(.kind == "ipmi").address' | split -l 1000 - "$dir/part."
began=$(now_ms)
answers=$(for part in "$dir"/part.*; do
    ipmipower -D LAN_2_0 -I 17 -h "$(paste -sd, "$part")" -u admin -p nightshift-lab -l ADMIN --stat
done | grep -c ': on$')
is "ipmipower: all on ($(($(now_ms) - began)) ms)" "$answers" 8000
[ "$(rss)" -lt $((100000 * san)) ] && ok "with a session each they take $(rss) KB" || fail "they take $(rss) KB"

# Redfish: a TLS handshake each.
lab state | jq -r 'select(.kind == "redfish").address' | awk -v f="$dir/body" '{print "url = https://" $1 "/redfish/v1/\noutput = /dev/null"}' >"$dir/urls"
began=$(now_ms)
answers=$(curl -s --cacert "$dir/lab/ca.pem" -Z --parallel-max 100 -K "$dir/urls" -w '%{http_code}\n' 2>/dev/null | grep -c 200)
is "curl: a verified handshake and an answer from each ($(($(now_ms) - began)) ms)" "$answers" 2000
[ "$(rss)" -lt $((150000 * san)) ] && ok "with a certificate each they take $(rss) KB" || fail "they take $(rss) KB"
lab fail-feed feed:a >/dev/null
is "a feed: half of them" "$(lab state all | jq -r .power | sort | uniq -c | xargs)" "5000 off 5000 on"
lab_stop

# The demo's size.
began=$(now_ms)
lab_start --racks 4 --hosts 10 --write-inventory "$dir/inventory.conf"
took=$(($(now_ms) - began))
[ "$took" -lt $((2000 * san)) ] && ok "4 racks of 10 start in $took ms" || fail "4 racks of 10 start in $took ms"
is "the inventory names them" "$(grep -c 'name = "r' "$dir/inventory.conf")" 40
lab_stop

# Too few descriptors: said before anything is started. Privileged, the lab would raise the limit itself.
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
    text=$( (ulimit -n 500 && setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --reuid=65534 --clear-groups \
        "$bin/nightshift-lab" --racks 10 --hosts 100 --base "$base" --ipmi-port "$ipmi_port") 2>&1 || true)
    has "too few descriptors" "$text" '1000 BMCs need 1128 file descriptors, the limit is 500: raise it'
    mkdir -m 777 "$dir/few"
    chmod 755 "$dir"
    (ulimit -n 240 && exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --reuid=65534 --clear-groups \
        "$bin/nightshift-lab" --racks 1 --hosts 100 --redfish-share 100 --base "$base" --https-port "$https_port" \
        --control "$dir/few/ctl") >"$dir/few.log" 2>&1 &
    lab_pid=$!
    pids+=("$lab_pid")
    few() { "$bin/nightshift-lab" ctl "$dir/few/ctl" "$@"; }
    await 10 grep -q ready "$dir/few.log" || fail "$(cat "$dir/few.log")"
    for n in $(seq 1 160); do
        exec {fd}<>"/dev/tcp/${base%0}$((n % 100 + 1))/$https_port"
    done
    await 10 grep -q 'no file descriptor is left' "$dir/few.log" && ok "none is left: it says so" || fail "none is left: $(cat "$dir/few.log")"
    is "and says it once" "$(grep -c 'no file descriptor' "$dir/few.log")" 1
    kill -0 "$lab_pid" && ok "and lives" || fail "it died"
fi
verdict
