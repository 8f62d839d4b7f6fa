#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Recorded events through policies: the same out of JSON lines and out of a store; refusals with their reasons; what
# changed policies would have decided otherwise; the store is as it was.
. "$(dirname "$0")/common.sh"
needs jq sqlite3
cd "$dir"

event() { # TIME HOST TYPE STATE
    printf '{"specversion":"1.0","id":"%s-%s-%s","source":"/t","type":"%s","time":"2026-03-02T%sZ","severity":"critical","state":"%s","host":"%s"}\n' \
        "$1" "$2" "$4" "$3" "$1" "$4" "$2"
}
{
    event 10:00:00 r1h01 memory.uncorrectable raise
    event 10:02:00 r1h01 memory.uncorrectable clear
    event 10:10:00 r1h02 fan.failed raise
    event 12:00:00 r1h01 memory.uncorrectable raise
    event 12:01:00 r1h01 memory.uncorrectable clear
    event 17:00:00 r1h01 memory.uncorrectable raise
    event 17:01:00 r1h01 memory.uncorrectable clear
    event 23:30:00 r1h01 memory.uncorrectable raise
} >events.jsonl
"$NS_BUILD"/tests/journal_make store.db <events.jsonl
sum=$(sqlite3 store.db .dump | sha256sum)
replay() { "$bin"/nightshift replay "$@" --policies "$NS_SOURCE/policies" -o json; }

out=$(replay events.jsonl 2>/dev/null)
is "decisions" "$(jq -r '.items[] | "\(.when[11:]) \(.policy) \(.outcome)"' <<<"$out")" \
    "10:00:02 memory-fatal run
10:15:00 fan-failed would-run
12:00:02 memory-fatal skipped
17:00:02 memory-fatal run
23:30:02 memory-fatal refused"
is "actions" "$(jq -r '.items[0].actions' <<<"$out")" "power.cycle"
is "cleared by itself after" "$(jq -r '.items | map(.cleared_ms) | @csv' <<<"$out")" "118000,,58000,58000,"
has "why skipped" "$(jq -r '.items[2].reason' <<<"$out")" 'once within 6h'
has "why refused" "$(jq -r '.items[4].reason' <<<"$out")" '2 of 2 interrupts'
is "a refusal pages" "$(jq -r '.items[4].actions' <<<"$out")" "page"
is "out of the store" "$(replay store.db 2>/dev/null | jq -c .items)" "$(jq -c .items <<<"$out")"
is "again" "$(replay store.db 2>/dev/null)" "$(replay store.db 2>/dev/null)"
is "enforced" "$(replay store.db --enforce 2>/dev/null | jq -r '.items[1] | .outcome, .actions' | xargs)" "run notify"
is "the store is as it was" "$(sqlite3 store.db .dump | sha256sum)" "$sum"

# An inventory of one's own: racks, maintenance.
cat >inventory.conf <<'EOF'
hosts: ( { name = "r1h01"; rack = "r1"; maintenance = true; bmc = { driver = "x"; }; }, { name = "r1h02"; rack = "r1"; } );
EOF
out=$(replay store.db --inventory inventory.conf 2>/dev/null)
has "maintenance" "$(jq -r '.items[0] | .outcome, .reason' <<<"$out" | xargs)" 'skipped host.maintenance is true'

# Changed policies.
mkdir changed
cp "$NS_SOURCE"/policies/*.policy changed
is "no change" "$("$bin"/nightshift policy backtest store.db changed --policies "$NS_SOURCE/policies" -o json 2>/dev/null |
    jq '.items | length')" 0
sed -i 's/once_within = "6h"/once_within = "1h"/' changed/memory-fatal.policy
out=$("$bin"/nightshift policy backtest store.db changed --policies "$NS_SOURCE/policies" -o json 2>/dev/null) && fail "a difference is no success"
is "what differs" "$(jq -r '.items[] | "\(.change) \(.when[11:]) \(.outcome)"' <<<"$out")" \
    "no more 12:00:02 skipped
no more 17:00:02 run
new 12:00:02 run
new 17:00:02 refused"

is "one new run, and its host got well by itself" "$(jq -r '.new_runs, .recovered_alone, (.items[] | select(.alone_ms) | .alone_ms)' \
    <<<"$out" | xargs)" "1 1 58000"
sqlite3 store.db ".backup backup.db"
for from in backup.db events.jsonl; do
    is "the same out of $from" "$("$bin"/nightshift policy backtest $from changed --policies "$NS_SOURCE/policies" \
        -o json 2>/dev/null | jq -c .items)" "$(jq -c .items <<<"$out")"
done
out=$("$bin"/nightshift policy backtest store.db changed --policies "$NS_SOURCE/policies" 2>&1 || true)
has "what it adds up to" "$out" 'page +1 +2 +\+1'
has "who got well alone" "$out" '! 1 of 1 new runs are about a host that got well by itself, within 58s at most'
has "only what is newer" "$("$bin"/nightshift policy backtest store.db changed --from 1h --policies "$NS_SOURCE/policies" 2>&1)" '^0 events'

# What is wrong.
echo 'not json' >>events.jsonl
has "lines that are no events" "$("$bin"/nightshift replay events.jsonl --policies "$NS_SOURCE/policies" 2>&1)" '1 lines? (is|are) no events?'
is "no file" "$("$bin"/nightshift replay none.db >/dev/null 2>&1; echo $?)" 2
has "no policies" "$("$bin"/nightshift replay store.db --policies none 2>&1 || true)" 'none: error: cannot read'
verdict
