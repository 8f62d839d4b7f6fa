#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every command that etc/lab/README.md shows is run, in its order; every ctl command and option that it names exists.
. "$(dirname "$0")/common.sh"
needs ipmitool curl jq

page=$NS_SOURCE/etc/lab/README.md
PATH=$bin:$PATH
cd "$dir"
awk '/^```sh$/ { open = 1; n++; next } /^```$/ { open = 0 } open { print > ("block." n) }' "$page"
blocks=$(ls block.* | wc -l)
[ "$blocks" -ge 5 ] || fail "only $blocks blocks of commands in the page"
# The labs that the page starts end with the test, however it ends.
trap 'for lab in lab night; do nightshift-lab ctl $lab/ctl quit >/dev/null 2>&1 || true; done; finish' EXIT
for n in $(seq 1 "$blocks"); do
    # shellcheck disable=SC1090
    if (set -e; . "./block.$n") >"out.$n" 2>&1; then ok "block $n"; else fail "block $n: $(cat "block.$n" "out.$n")"; fi
    case $n in
    1) await 10 nightshift-lab ctl lab/ctl stats || fail "the lab does not start: $(cat out.1)" ;;
    esac
done
has "the lab is ready" "$(cat out.1)" 'ready: 40 hosts, 40 BMCs'
has "state" "$(cat out.2)" '"host":"r1h01"'
has "curl" "$(cat out.2)" '"PowerState":"On"'
has "ipmitool" "$(cat out.2)" 'Chassis Power is on'
has "the event log" "$(cat out.3)" 'Memory.*Uncorrectable ECC'
has "the liar" "$(cat out.3)" '"power":"on".*"modes":\["lie-stays-on"\]'
await 10 nightshift-lab ctl night/ctl stats || fail "the script's lab: $(cat out.5)"
await 10 eval '[ "$(nightshift-lab ctl night/ctl state r2 | grep -c hung)" = 10 ]' && ok "the script runs" || fail "the script: $(nightshift-lab ctl night/ctl state r2)"

# What the tables name exists, and nothing is left out.
nightshift-lab ctl lab/ctl help | awk '$1 != "TARGET:" { print $1 }' | sort -u >commands
sed -n '/^## Break/,/^## The ledger/p' "$page" | grep '^| `' | cut -d'|' -f2 | grep -oE '`[a-z-]+' | tr -d '`' | sort -u >shown
is "commands that the page leaves out" "$(comm -23 commands shown | grep -v help | xargs)" ""
is "commands that do not exist" "$(comm -13 commands shown | xargs)" ""
nightshift-lab --help | grep -oE '^ +--[a-z0-9-]+' | tr -d ' ' | sort -u >options
is "options that do not exist" "$(grep -oE -- '(^|[ `])--[a-z][a-z0-9-]+' "$page" | grep -v cacert | tr -d ' `' | sort -u | comm -13 options - | xargs)" ""
verdict
