#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ten times the sustainable rate, of traps, syslog and HTTP: see tests/bench/storm.py. The plain run is short, and what a
# machine that is slow and busy cannot promise (times) has wide limits there; sums are exact in both.
# timeout: 400
. "$(dirname "$0")/common.sh"
needs python3
[ -x "$bin/nightshiftd" ] || skip "the daemon is not built"
[ "$(basename "$NS_BUILD")" != debug ] || skip "with sanitizers it is the sender that is faster"
seconds=8 p99=5000 freeze=5000
[ -z "${NS_ALL:-}" ] || seconds=60 p99=100 freeze=1000
if python3 "$NS_SOURCE/tests/bench/storm.py" --build "$NS_BUILD" --seconds $seconds --p99 $p99 --freeze $freeze >"$dir/figures" 2>"$dir/errors"; then
    ok "the storm: $(cat "$dir/figures")"
else
    fail "$(cat "$dir/figures") $(tail -5 "$dir/errors")"
fi
verdict
