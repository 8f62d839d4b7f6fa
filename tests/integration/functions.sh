#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Functions of the configuration against a real daemon: checked when policies are loaded, called, verified, shown,
# examined.
source "$(dirname "$0")/common.sh"
needs jq curl python3
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"

export NIGHTSHIFT_SERVER=unix:$dir/api.sock NO_COLOR=1
mkdir "$dir/policies"
mkdir -m 700 "$dir/lab"

# A program for each call: it notes what it was told, and says what the supply is.
cat >"$dir/psu" <<EOT
#!/bin/sh
call=\$(cat)
printf '%s\n' "\$call" >>"$dir/calls"
case \$call in
*'"psu_status"'*) echo "{\"ok\":true,\"result\":{\"psu\":\"\$(cat "$dir/psu.state")\"}}" ;;
*) echo ok >"$dir/psu.state"; echo '{"ok":true,"result":{"said":"done"}}' ;;
esac
EOT
# A kept worker whose answers bring events along: good ones, the same again, and what is none.
cat >"$dir/look" <<'PY'
#!/usr/bin/python3
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    print("looking", file=sys.stderr, flush=True)
    events = [{"type": "look.seen", "id": "fixed", "severity": "minor", "data": {"rack": "r1"}},
              {"type": "look.counted", "host": "r1h02", "source": "forged"}, {"severity": "major"}, "none",
              {"type": "look.bad", "severity": "purple"}] + [{"type": "look.more", "data": {"n": n}} for n in range(20)]
    print(json.dumps({"id": call["id"], "ok": True, "result": {}, "events": events}), flush=True)
PY
chmod 755 "$dir/look"
printf '#!/bin/sh\ncat >>%s/pages\necho "{\\"ok\\":true}"\n' "$dir" >"$dir/pager"
chmod 755 "$dir/psu" "$dir/pager"
echo bad >"$dir/psu.state"
printf 'hosts: ( { name = "r1h01"; rack = "r1"; }, { name = "r1h02"; rack = "r2"; } );\n' >"$dir/inventory.conf"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
credentials = "$dir/lab";
api = { socket = "$dir/api.sock"; };
pager = { driver = "exec"; program = "$dir/pager"; };
defaults = { settle = "0s"; };
functions = (
  { name = "reseat_psu"; effect = "changes"; help = "Switch one supply off and on.";
    verify = "psu_status"; proof = "psu=ok";
    params = { slot = { type = "int"; min = 1; max = 4; required = true; help = "Which supply."; };
               pause = { type = "duration"; default = "5s"; }; };
    run = { driver = "exec"; program = "$dir/psu"; }; },
  { name = "psu_status"; effect = "reads"; run = { driver = "exec"; program = "$dir/psu"; }; },
  { name = "look"; effect = "reads"; run = { driver = "exec"; contract = "worker"; program = "$dir/look"; }; }
);
EOT
cat >"$dir/policies/psu.policy" <<'EOT'
policies: ( {
  name = "psu"; mode = "enforce"; subject = "host";
  when = { event = "psu.failed"; };
  do = ( { step = "reseat"; action = "reseat_psu"; with = { slot = 2; }; } );
}, {
  name = "look"; mode = "enforce"; subject = "host";
  when = { event = "look.wanted"; }; limits = { once_within = "0s"; };
  do = ( { step = "look"; action = "look"; } );
} );
EOT
cat >"$dir/policies/psu.test" <<'EOT'
tests: (
{ name = "reseated, and proven";
  stubs = ( { action = "reseat_psu"; }, { action = "psu_status"; reply = { psu = "ok"; }; } );
  timeline = ( { event = { type = "psu.failed"; host = "r1h01"; }; } );
  expect = ( { action = "reseat_psu"; with = { slot = 2; }; }, { end = "done"; } ); },
{ name = "not proven: a person";
  stubs = ( { action = "reseat_psu"; }, { action = "psu_status"; reply = { psu = "bad"; }; } );
  timeline = ( { event = { type = "psu.failed"; host = "r1h01"; }; } );
  expect = ( { step = "reseat"; ok = false; error = "psu=bad"; }, { action = "page"; } ); }
);
EOT
event() { # TYPE HOST ID
    curl -sS --unix-socket "$dir/api.sock" -o /dev/null -w '%{http_code}' -H 'Content-Type: application/cloudevents+json' \
        -d "{\"specversion\":\"1.0\",\"id\":\"$3\",\"source\":\"test\",\"type\":\"$1\",\"subject\":\"$2\",\"severity\":\"major\",\"data\":{}}" \
        http://x/v1/events
}
check() { "$bin/nightshiftd" --check --config "$dir/nightshift.conf" 2>&1; }

# ---- before it runs: everything is checked
has "the configuration is fine" "$(check)" '2 hosts, 2 policies: no errors'
is "a policy is rehearsed with the site's functions" \
    "$("$bin/nightshift" policy test --config "$dir/nightshift.conf" "$dir/policies" 2>&1 | grep -c FAILED || true)" 0
has "and its tests did run" "$("$bin/nightshift" policy test --config "$dir/nightshift.conf" "$dir/policies" 2>&1)" '2 (tests )?passed|2 tests'
cp "$dir/policies/psu.policy" "$dir/good"
for row in 's/slot = 2/slot = 9/|must be between 1 and 4' 's/slot = 2/slto = 2/|takes no .slto.' \
    's/with = { slot = 2; };//|needs .slot.' 's/reseat_psu/reseat_psy/|did you mean .reseat_psu.'; do
    sed "${row%%|*}" "$dir/good" >"$dir/policies/psu.policy"
    has "${row%%|*} is told" "$(check || true)" "${row#*|}"
done
cp "$dir/good" "$dir/policies/psu.policy"
cp "$dir/nightshift.conf" "$dir/good.conf"
for row in 's/program =/programme =/|unknown setting .programme' 's/driver = "exec"; program = "[^"]*psu"/driver = "redfish"; address = "x"/|runs no functions' \
    's/max = 4/max = "x"/|is not' 's/driver = "exec"; program = "[^"]*psu"/driver = "exek"/|no driver .exek.'; do
    sed "${row%%|*}" "$dir/good.conf" >"$dir/nightshift.conf"
    has "${row%%|*} is told" "$(check || true)" "${row#*|}"
done
cp "$dir/good.conf" "$dir/nightshift.conf"

# ---- called and verified
daemon_start
runs_are() { [ "$("$bin/nightshift" run list -o json | jq -r '[.items[].state] | sort | join(" ")')" = "$1" ]; }
is "an event" "$(event psu.failed r1h01 1)" 202
await 20 runs_are done || fail "the run: $("$bin/nightshift" run list -o json | jq -c '.items[]')"
is "the function got its arguments, with defaults, durations in ms" \
    "$(grep -m1 reseat_psu "$dir/calls" | jq -c '[.verb, .host, .args.slot, .args.pause]')" '["reseat_psu","r1h01",2,5000]'
is "then its proof was read" "$(sed -n 2p "$dir/calls" | jq -r .verb)" psu_status
has "the run says so" "$("$bin/nightshift" explain run-000001 2>&1 || "$bin/nightshift" run show run-000001)" 'psu=ok'

# ---- answers that bring events
events_of() { "$bin/nightshift" event list --limit 500 -o json | jq -c "[.items[] | select(.source == \"function/look\") | $1]"; }
seen() { [ "$(events_of .type | jq length)" = "$1" ]; }
is "a reading is wanted" "$(event look.wanted r1h01 2)" 202
await 20 seen 13 || fail "events: $(events_of .type)"
is "an event has the host of the call" "$(events_of 'select(.type == "look.seen") | [.host, .severity, .id]')" '[["r1h01","minor","fixed"]]'
is "or its own; its source is not its to say; its id is made of the token" \
    "$(events_of 'select(.type == "look.counted") | [.host, (.id | test("^act-[0-9]+/1$"))]')" '[["r1h02",true]]'
has "what is no event is refused with words" "$(cat "$dir/log")" 'function.event-refused.*source=function/look'
has "and counted" "$("$bin/nightshift" metrics 2>/dev/null || curl -sS --unix-socket "$dir/api.sock" http://x/metrics)" 'function_events_refused_total 3'
is "the same again" "$(event look.wanted r1h02 3)" 202
await 20 seen 25 || fail "events: $(events_of .type)"
is "an id that was seen raises nothing twice" "$(events_of 'select(.type == "look.seen")' | jq length)" 1

# ---- shown and examined
has "driver list" "$("$bin/nightshift" driver list)" '^functions'
has "driver show: parameters" "$("$bin/nightshift" driver show functions -o json | jq -c '.verbs[0]')" \
    '"name":"reseat_psu","effect":"changes","verify":"psu_status","proof":"psu=ok".*"slot","type":"int","required":true,"min":"1","max":"4"'
is "driver doctor looks at each, and calls none" \
    "$("$bin/nightshift" driver doctor functions -o json | jq -c '[.items[] | [.binding, .state]]')" \
    '[["function/reseat_psu","ok"],["function/psu_status","ok"],["function/look","ok"]]'
is "no call came of that" "$(wc -l <"$dir/calls")" 2
verdict
