#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# A hundred simulated years of a site of 400 hosts, in two halves side by side: nothing happens that must not.
. "$(dirname "$0")/common.sh"
[ -x "$NS_BUILD/tests/test_years" ] || skip "no test_years in $NS_BUILD"
years=${NS_YEARS:-100}
half=$((years / 2))
NS_SEED=1 NS_YEARS=$half "$NS_BUILD/tests/test_years" >"$dir/first" 2>&1 &
pids+=($!)
second=0
NS_SEED=$((half + 1)) NS_YEARS=$((years - half)) "$NS_BUILD/tests/test_years" >"$dir/second" 2>&1 || second=$?
first=0
wait "${pids[0]}" || first=$?
grep -hE 'years|seed|smallest|^at |^then' "$dir/first" "$dir/second" || true
is "the first half" "$first" 0
is "the second half" "$second" 0
verdict
