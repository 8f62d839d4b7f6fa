#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 10,000 calls to peers of seven kinds that have stopped, all in flight at once: what they take, and that each ends once
# when the peers go on: answered, or given up by those that speak in datagrams and count their tries (IPMI, SNMP).
# Sessions and connections are kept from a round before.
# timeout: 400
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/kinds.sh"
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 12000 ] || skip "12,000 descriptors are not allowed here (ulimit -Hn)"
limit_kib=$((400 * 1024))
# Peers with sanitizers need minutes for the handshakes of a thousand connections at once: time limits would be all that is seen.
! grep -q 'NS_SANITIZE:STRING=.' "$NS_BUILD/CMakeCache.txt" || skip "the build without sanitizers runs this test: it is about memory and numbers"

kinds_lab bmcs 0 --racks 90 --hosts 100 --redfish-share 15
kinds_bmcs redfish redfish
kinds_bmcs ipmi ipmi
kinds_kubernetes kubernetes 1 742
kinds_snmp snmp 8
kinds_ssh ssh 50
kinds_exec exec 8
kinds_function function 192
all=(bmcs kubernetes snmp ssh exec function)
together_start

drained() { # WHAT [BUT...]: all have ended, and well but for these groups
    local what=$1 but=" ${*:2} " group bad=
    say drain
    while hear && ! jq -e 'has("drain")' <<<"$heard" >/dev/null; do
        group=$(jq -r .group <<<"$heard")
        [[ $but == *" $group "* ]] || jq -e '.ok == .calls' <<<"$heard" >/dev/null || bad+="$heard"
    done
    is "$what: all have ended" "$(jq .drain <<<"$heard")" 10000
    is "$what" "$bad" ""
}
say burst 100
hear
drained "a first round, that connects"
for name in "${all[@]}"; do hang "$name"; done
say burst 3000
hear
is "in flight, and nobody answers" "$(jq -c '[.burst, .in_flight]' <<<"$heard")" "[10000,10000]"
rss=$(jq .rss_kib <<<"$heard")
if [ "$rss" -lt "$limit_kib" ]; then ok "10,000 calls in flight take $((rss / 1024)) MiB"; else fail "10,000 calls in flight take $((rss / 1024)) MiB, more than $((limit_kib / 1024))"; fi
for name in "${all[@]}"; do unhang "$name"; done
drained "they go on, each is answered" ipmi snmp
together_end
verdict
