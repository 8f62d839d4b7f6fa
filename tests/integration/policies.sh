#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shipped policies pass their tests, and every branch of theirs is taken. Each has a file of tests.
. "$(dirname "$0")/common.sh"

cd "$NS_SOURCE" || exit 1
out=$("$bin"/nightshift policy test -v --coverage 100 policies/ 2>&1) && ok "policies/: $out" || fail "$out"
for policy in policies/*.policy; do
    [ -e "${policy%.policy}.test" ] || fail "$policy has no file of tests"
done
# The table of policies/README.md is what they are.
table=$(tests/tools/policy_table "$bin"/nightshift policies)
is "as many rows as policies" "$(wc -l <<<"$table")" "$(($(ls policies/*.policy | wc -l) + 2))"
diff <(grep '^| .*policy' policies/README.md) <(grep '^| .*policy' <<<"$table") && ok "the table" ||
    fail "policies/README.md: put there what tests/tools/policy_table $bin/nightshift policies prints"
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

# Coverage: all of what is shipped; of a policy without tests nothing, and that is told line by line.
out=$("$bin"/nightshift policy coverage policies/ --coverage 100 2>&1) && ok "all branches" || fail "coverage: $out"
mkdir "$dir/half" && cp policies/fan-failed.policy policies/host-hung.* "$dir/half"
out=$(cd "$dir/half" && "$bin"/nightshift policy coverage . --coverage 90 2>&1) && fail "less than 90 % is enough"
has "a policy without tests" "$out" 'fan-failed +4 +0 +0 %'
has "the place" "$out" 'fan-failed.policy:15:14: warning: no test of fan-failed: unless forbids'
has "the verdict" "$out" '13 of 17 branches are taken \(76 %\), --coverage wants 90 %'
is "coverage as json" "$("$bin"/nightshift policy coverage -o json "$dir/half/fan-failed.policy" |
    jq -r '.kind, .branches, .taken, .items[0].never[1].line' | xargs)" "PolicyCoverage 4 0 15"

# A new one is a good one: no warning, every branch taken. Nothing is written over.
cd "$dir"
"$bin"/nightshift policy new fresh >/dev/null
is "a new policy says nothing" "$("$bin"/nightshift policy check -q fresh.policy 2>&1)" ""
"$bin"/nightshift policy test -q --coverage 100 fresh.policy && ok "its tests pass" || fail "its tests"
is "not written over" "$("$bin"/nightshift policy new fresh >/dev/null 2>&1; echo $?)" 2
is "show" "$("$bin"/nightshift policy show fresh.policy -o json | jq -r '.name, .mode, .steps[0]' | xargs)" \
    "fresh observe cycle: power.cycle (timeout 5m)"

# What happens is recorded where nothing is expected, and nowhere else; what was recorded passes, and notices a change.
cp "$NS_SOURCE"/policies/host-hung.policy "$NS_SOURCE"/policies/host-hung.test .
perl -0pi -e 's/  expect = \(.*?\n  \);\n//s' host-hung.test
"$bin"/nightshift policy test -q host-hung.test 2>/dev/null && fail "a test without expectations is one"
sed 's/# Recorded.*//' host-hung.test >before
"$bin"/nightshift policy test --record host-hung.test >/dev/null 2>&1 && ok "recorded" || fail "not recorded"
is "one test was recorded" "$(grep -c '# Recorded' host-hung.test)" 1
has "a step" "$(cat host-hung.test)" '{ at = "1m10s"; step = "reset"; ok = true; }'
has "what never came" "$(cat host-hung.test)" '{ never = "power.cycle"; }'
is "it passes" "$("$bin"/nightshift policy test -q host-hung.test >/dev/null 2>&1; echo $?)" 0
is "it has the form" "$("$bin"/nightshift policy fmt --dry-run host-hung.test)" ""
cp host-hung.test again && "$bin"/nightshift policy test --record -q host-hung.test >/dev/null 2>&1
cmp again host-hung.test && ok "nothing is recorded twice" || fail "recorded twice"
sed -i 's/settle   = "5s"/settle   = "6s"/' host-hung.policy
"$bin"/nightshift policy test -q host-hung.test >/dev/null 2>&1 && fail "a change of the policy is not noticed"
rm host-hung.policy host-hung.test before again

# The form: the shipped ones and new ones have it; what lost it gets it back, with every comment.
is "in form" "$("$bin"/nightshift policy fmt --dry-run "$NS_SOURCE"/policies fresh.policy fresh.test 2>&1)" ""
sed 's/^ *//' fresh.policy >flat.policy
"$bin"/nightshift policy fmt --dry-run flat.policy >/dev/null && fail "a file without form is told"
"$bin"/nightshift policy fmt -q flat.policy && cmp fresh.policy flat.policy && ok "its form came back"
echo '} }' >>flat.policy
cp flat.policy broken
"$bin"/nightshift policy fmt flat.policy 2>/dev/null && fail "a file that cannot be read"
cmp broken flat.policy && ok "a wrong file is left alone"

# What differs in meaning, and what does not.
cp fresh.policy other.policy
sed -i 's/once_within = "6h"/once_within = "360m"/; s/# Step by step.*//; s/  owner   =/owner=/' other.policy
is "layout is no difference" "$("$bin"/nightshift policy diff fresh.policy other.policy)" "0 added, 0 removed, 0 changed"
sed -i 's/"5m"; },$/"4m"; retries = 1; },/; s/mode    = "observe"/mode = "enforce"/' other.policy
out=$("$bin"/nightshift policy diff fresh.policy other.policy) && fail "a difference is no success"
has "a mode" "$out" '~ mode: "observe" -> "enforce"'
has "a value of a step" "$out" '~ do.cycle.timeout: 5m -> 4m'
has "a new key" "$out" '\+ do.cycle.retries = 1'

# Every key of the language, changed alone, is seen in the difference, and by who reads the policy.
keys=$NS_SOURCE/tests/data/policy-keys
names=$(sed -n 's/.*name = "\([a-z]*\.[a-z_]*\)".*/\1/p' "$keys/before.policy" | sort)
out=$("$bin"/nightshift policy diff -o json "$keys"/before.policy "$keys"/after.policy) && fail "no key differs"
is "every key in the difference" "$(jq -r '.items[] | select(.keys | length > 0) | .policy' <<<"$out" | sort)" "$names"
is "for people too" "$("$bin"/nightshift policy diff "$keys"/before.policy "$keys"/after.policy | sed -n 's/^changed *//p' | sort)" "$names"
shown() { # each policy on a line, without what changes with any change
    "$bin"/nightshift policy show "$1" 2>/dev/null | grep -Ev '^(file|revision|worst) ' |
        awk '/^policy / { if (line) print line; line = $2 " " } !/^policy / { line = line "|" $0 } END { print line }' | sort
}
is "every key is shown" "$(comm -13 <(shown "$keys"/before.policy) <(shown "$keys"/after.policy) | cut -d ' ' -f 1 | sort)" "$names"
verdict
