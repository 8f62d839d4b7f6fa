#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 500 hosts over SSH at once, against OpenSSH's sshd: each logs in and reads its boot id; then again, over the sessions that
# were kept; then the server stops with all of them on it, and goes on. Its own work (500 forks, exchanges, shells) is most
# of the time.
# timeout: 300
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/kinds.sh"

kinds_ssh ssh 500
together_start
logins() { grep -c 'Accepted publickey' "$dir/ssh.log" || true; }
round() { # WHAT
    say drain
    hear
    jq -e 'has("drain")' <<<"$heard" >/dev/null || { echo "$heard"; hear; }
    is "$1" "$(jq -c '[.drain, .ok, .first]' <<<"$heard")" '[500,500,""]'
}
hang ssh
say burst 1000
hear
is "500 at once" "$(jq .in_flight <<<"$heard")" 500
unhang ssh
round "all are answered"
is "a login for each" "$(logins)" 500
say burst 0
hear
round "again"
is "without a login" "$(logins)" 500
hang ssh
say burst 1000
hear
is "the server stops, with 500 on it" "$(jq .in_flight <<<"$heard")" 500
unhang ssh
round "it goes on: all are answered"
limit_kib=$((150 * 1024))
! grep -q 'NS_SANITIZE:STRING=.' "$NS_BUILD/CMakeCache.txt" || limit_kib=$((4 * limit_kib))
rss=$(jq .rss_kib <<<"$heard")
if [ "$rss" -lt "$limit_kib" ]; then ok "at most $((rss / 1024)) MiB"; else fail "$((rss / 1024)) MiB"; fi
together_end
verdict
