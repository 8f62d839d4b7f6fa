#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shipped policies pass their tests, and every branch of theirs is taken. Each has a file of tests.
. "$(dirname "$0")/common.sh"

cd "$NS_SOURCE" || exit 1
out=$("$bin"/nightshift policy test -v --coverage 100 policies/ 2>&1) && ok "policies/: $out" || fail "$out"
for policy in policies/*.policy; do
    [ -e "${policy%.policy}.test" ] || fail "$policy has no file of tests"
done
# A policy that lost a branch is noticed: the test of the shipped one fails, and says where.
cp policies/host-hung.* "$dir"
sed -i 's/action = "power.cycle"; timeout = "5m"; if = "!steps.up.ok";/action = "power.cycle"; timeout = "5m";/' "$dir/host-hung.policy"
sed -i 's/within = "8m"/within = "9m"/' "$dir/host-hung.policy"
out=$("$bin"/nightshift policy test "$dir/host-hung.policy" 2>&1) && fail "a changed policy passes: $out"
has "the nearest is told" "$out" 'nearest, at 10m10s: step up failed'
has "the story is told" "$out" '10m10s  step run-000001 up failed'
# What machines read.
out=$("$bin"/nightshift policy test -o json policies/fan-failed.test)
is "json" "$(jq -r '.kind, .failed, .items[0].result, (.coverage.branches == .coverage.taken)' <<<"$out" | xargs)" "PolicyTest 0 passed true"
is "a wrong file" "$("$bin"/nightshift policy test "$dir/none.test" >/dev/null 2>&1; echo $?)" 2
verdict
