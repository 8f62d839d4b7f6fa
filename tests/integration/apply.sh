#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Policies that are applied stay only when somebody confirms: shown first, checked by the daemon, back in time, across
# a kill and a restart, and in the audit trail.
source "$(dirname "$0")/common.sh"
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

mkdir "$dir/policies" "$dir/changed"
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; } );
EOT
cat >"$dir/policies/fan.policy" <<'EOT'
# Kept with its comment.
policies: ( { name = "fan"; summary = "s"; owner = "o"; subject = "host"; when = { event = "fan.failed"; for = "5m"; };
  do = ( { step = "tell"; action = "notify"; with = { text = "${host.name}"; }; } ); } );
EOT
echo "not ours" >"$dir/policies/README"
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
calendars: ( { name = "night"; from = "22:00"; to = "06:00"; } );
EOT
sed 's/for = "5m"/for = "9m"/' "$dir/policies/fan.policy" >"$dir/changed/fan.policy"
sed 's/"fan"/"drive"/; s/fan.failed/drive.failed/' "$dir/policies/fan.policy" >"$dir/changed/drive.policy"
cp -r "$dir/policies" "$dir/first"
names() { ns policy list -o jsonl | jq -r '.name' | sort | xargs; }
names_are() { [ "$(names)" = "$1" ]; }
same() { diff -r --exclude='.*' "$1" "$2" >/dev/null; }
daemon_start

# ---- shown first; nothing is done without a yes
out=$(ns policy apply --dry-run "$dir/changed" 2>&1) && fail "a difference is no success"
has "the difference: changed" "$out" '~ when.for: 5m -> 9m'
has "the difference: added" "$out" 'added +drive'
mkdir "$dir/night" && sed 's/subject =/calendar = "night"; subject =/' "$dir/policies/fan.policy" >"$dir/night/fan.policy"
has "the difference of what only the daemon can load" "$(ns policy apply --dry-run "$dir/night" 2>&1)" '\+ calendar = "night"'
is "nothing was changed" "$(names)" "fan"
is "without a terminal --yes is needed" "$(ns policy apply "$dir/changed" </dev/null >/dev/null 2>&1; echo $?)" 2
is "nothing to confirm" "$(ns policy confirm >/dev/null 2>&1; echo $?)" 4

# ---- a mistake is found before anything is touched, under the name people know
mkdir "$dir/wrong" && sed 's/for =/fro =/' "$dir/changed/fan.policy" >"$dir/wrong/fan.policy"
out=$(ns policy apply --yes "$dir/wrong" 2>&1) && fail "a wrong policy is applied"
has "the mistake" "$out" "fan.policy:2:[0-9]+: unknown key 'fro' in when \(did you mean 'from'\?\)"
same "$dir/first" "$dir/policies" && ok "the files are as before" || fail "files were touched"

# ---- applied and confirmed
out=$(ns policy apply --yes --reason "CHG-1" --confirm-within 1m "$dir/changed")
has "it says what to do" "$out" 'nightshift policy confirm +within 1m'
is "in force at once" "$(names)" "drive fan"
has "status tells" "$(ns status)" 'wait for .nightshift policy confirm'
out=$(ns policy apply --yes "$dir/first" 2>&1) && fail "two wait at once"
has "one at a time" "$out" 'waits to be confirmed'
ns policy confirm --reason "looks right" >/dev/null && ok "confirmed" || fail "confirm"
is "both files are there, and what is not ours" "$(cd "$dir/policies" && ls | xargs)" "README drive.policy fan.policy"
is "the comment as well" "$(head -1 "$dir/policies/fan.policy")" "# Kept with its comment."

# ---- not confirmed: it comes back
ns policy apply --yes -q --confirm-within 10s "$dir/first"
is "in force" "$(names)" "fan"
await 20 names_are "drive fan" && ok "the old set came back by itself" || fail "nothing came back: $(names)"

# ---- undone by hand; a single file comes to the others
ns policy apply --yes -q "$dir/first/fan.policy" >/dev/null
is "the other file stays" "$(names)" "drive fan"
is "its text is new" "$(ns policy show fan -o json | jq -r '.when.for_ms // .when.for' 2>/dev/null | tr -d ' ')" \
    "$(ns policy show "$dir/first/fan.policy" -o json | jq -r '.when.for_ms // .when.for')"
ns policy undo >/dev/null && ok "undone" || fail "undo"
same_text() { cmp -s "$dir/changed/fan.policy" "$dir/policies/fan.policy"; }
same_text && ok "the file is back" || fail "undo left the new file"

# ---- a daemon that is killed, and away longer than that: the old set is there when it starts
ns policy apply --yes -q --confirm-within 10s "$dir/first"
kill -9 "$daemon" && wait "$daemon" 2>/dev/null || true
sed -i 's/"until_ms":[0-9]*/"until_ms":1/' "$dir/policies/.confirm" # As if the time had passed.
daemon_start
is "back after a restart" "$(names)" "drive fan"
# ... and one that is away for a moment only: it still waits.
ns policy apply --yes -q --confirm-within 10m "$dir/first"
kill -9 "$daemon" && wait "$daemon" 2>/dev/null || true
daemon_start
is "still in force after a restart" "$(names)" "fan"
ns policy undo >/dev/null
is "and still to be undone" "$(names)" "drive fan"

# ---- why, and why not: of a policy and of an event
has "a policy that never heard anything" "$(ns explain policy drive)" 'drive.failed +none was ever received'
send() { # TYPE SEVERITY
    jq -n --arg type "$1" --arg severity "$2" '{specversion: "1.0", id: ($type + $severity), source: "t", type: $type,
        subject: "h1", severity: $severity, state: "raise", data: {message: "slot 3"}}' | ns event send - >/dev/null
}
send drive.failed info
send fan.failed major
send nobody.listens major
await 10 bash -c "[ \$('$bin/nightshift' event list -o jsonl | grep -c .) = 3 ]" || fail "events are missing"
seq_of() { ns event list -o jsonl | jq -r "select(.type == \"$1\").seq"; }
out=$(ns explain event "$(seq_of fan.failed)")
has "the event" "$out" "event [0-9]+ +major raise +fan.failed +host h1"
has "who waits" "$out" 'waiting +policy fan on h1'
has "who listens" "$out" 'fan +looked at it: see above'
has "nobody listens" "$(ns explain event "$(seq_of nobody.listens)")" 'No policy listens to nobody.listens'
has "of the policy as well" "$(ns explain policy fan)" 'waiting +policy fan on h1'
is "no such event" "$(ns explain event 99999 >/dev/null 2>&1; echo $?)" 4
is "no such policy" "$(ns explain policy nonesuch >/dev/null 2>&1; echo $?)" 4

# ---- who did what
trail=$(curl -s --unix-socket "$dir/api.sock" http://x/v1/commands | jq -r '.items[] | "\(.name) \(.args.reason) \(.result)"')
has "applied, with a reason" "$trail" 'policies.apply CHG-1 done'
has "confirmed" "$trail" 'policies.confirm looks right done'
has "undone by the clock" "$trail" 'policies.undo nobody confirmed in time done'
has "the chain is whole" "$(ns audit verify)" 'chain ok'
verdict
