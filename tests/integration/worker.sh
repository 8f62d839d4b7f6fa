#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Kept workers, real programs through the real spawn helper: the README's examples, one process for many calls, time
# limits, and programs that hang, flood, lie, speak unasked, die.
source "$(dirname "$0")/common.sh"
needs jq python3
[ -x "$NS_BUILD/tests/drive" ] || skip "drive is not built"

mkdir -p "$dir/fn"
hosts=
host() { # NAME PROGRAM SETTINGS; the program's text on stdin
    cat >"$dir/fn/$2"
    chmod 755 "$dir/fn/$2"
    hosts="$hosts${hosts:+,}
    { name = \"$1\"; rack = \"r1\"; bmc = { driver = \"exec\"; contract = \"worker\"; program = \"$dir/fn/$2\"; $3 }; }"
}
calls() { # Lines of calls on stdin; their JSON is kept in $answers
    printf 'hosts: (%s);\n' "$hosts" >"$dir/inventory.conf"
    answers=$("$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/inventory.conf" "$dir" 2>&1)
}
codes_are() { is "$1" "$(jq -r .code <<<"$answers" | paste -sd ' ')" "$2"; }
of() { jq -r "select(.host == \"$1\") | $2" <<<"$answers" | paste -sd ' '; }
example() { # LANGUAGE: that block of the README
    awk -v fence="\`\`\`$1" '$0 == fence { on = 1; next } /^```/ { on = 0 } on' "$NS_SOURCE/drivers/exec/README.md"
}

# ---- the examples that are documented
host python example.py '' < <(example python)
host shell example.sh '' < <(example sh)
calls <<'EOT'
python power.status
python probe
shell power.status
shell power.status
EOT
codes_are "the examples of the README answer" "ok ok ok ok"
is "the example in Python says what it was asked" "$(of python .result.said)" "power.status probe"

# ---- one process, one question at a time, as many as are allowed
counting=$(cat <<'PY'
#!/usr/bin/python3
import json, os, sys, time
n = 0
for line in sys.stdin:
    call = json.loads(line)
    n += 1
    time.sleep(float(call["args"].get("sleep", 0)))
    print(json.dumps({"id": call["id"], "ok": True, "result": {"pid": os.getpid(), "n": n}}), flush=True)
PY
)
host one one.py '' <<<"$counting"
host three three.py 'workers = 3;' <<<"$counting"
host brief brief.py 'idle = "200ms";' <<<"$counting"
calls <<'EOT'
one probe
one probe
one probe &
one probe &
one probe
three probe sleep=0.5 &
three probe sleep=0.5 &
three probe sleep=0.5 &
three probe sleep=0.5
brief probe
one probe sleep=1
brief probe
EOT
is "one process answers all calls" "$(of one .result.pid | tr ' ' '\n' | sort -u | wc -l)" 1
is "and in turn" "$(of one .result.n)" "1 2 3 4 5 6"
is "three calls at once are three processes" "$(of three .result.pid | tr ' ' '\n' | sort -u | wc -l)" 3
is "one that had nothing to do is ended" "$(of brief .result.pid | tr ' ' '\n' | sort -u | wc -l)" 2

# ---- time limits: the process and what it started are killed, the next call gets a new one
host hangs hangs.sh '' <<'SH'
#!/bin/sh
# Answers once, then hangs with a child, deaf to SIGTERM.
read -r call
printf '{"id":1,"ok":true,"result":{"power":"on"}}\n'
trap '' TERM
read -r call
sleep 300 &
echo $! >"${0%/*}/child"
echo $$ >"${0%/*}/parent"
wait
SH
calls <<'EOT'
hangs power.status
hangs power.off timeout=1000
hangs identify timeout=4000
one probe sleep=4
EOT
is "a hang is a time-out with a possible effect" "$(of hangs '.code + " " + (.effect_possible | tostring)' | cut -d' ' -f3,4)" "timeout true"
has "the next one gets a new process, which says another id" "$(of hangs .code)" '(protocol|ok)$'
gone() { ! kill -0 "$1" 2>/dev/null; }
await 10 gone "$(cat "$dir/fn/parent")" || fail "the hanging worker still runs"
await 10 gone "$(cat "$dir/fn/child")" || fail "its child still runs"

# ---- hostile ones: each call fails with words, and the process is gone
host floods floods.sh 'output_kib = 64;' <<'SH'
#!/bin/sh
exec tr '\0' x </dev/zero
SH
host lies lies.sh '' <<'SH'
#!/bin/sh
while read -r call; do echo '{"id":99,"ok":true,"result":{"power":"on"}}'; done
SH
host twice twice.sh '' <<'SH'
#!/bin/sh
while read -r call; do printf '{"id":1,"ok":true}\n{"id":1,"ok":true}\n'; done
SH
host babbles babbles.sh '' <<'SH'
#!/bin/sh
while read -r call; do
    n=$((n + 1))
    printf '{"id":%d,"ok":true,"result":{"power":"on"}}\n' "$n"
    sleep 0.3
    echo surprise
done
SH
host garbage garbage.sh '' <<'SH'
#!/bin/sh
while read -r call; do head -c 300 /dev/urandom | tr '\n' x; echo; done
SH
host dies dies.sh '' <<'SH'
#!/bin/sh
read -r call
echo "no such rack" >&2
exit 3
SH
host deaf deaf.sh '' <<'SH'
#!/bin/sh
sleep 300
SH
host closed closed.sh '' <<'SH'
#!/bin/sh
exec >&-
sleep 300
SH
host none none.sh '' </dev/null
rm "$dir/fn/none.sh"
calls <<'EOT'
floods power.off
lies power.off
lies probe
twice power.off
garbage power.off
dies power.off
dies power.off
deaf power.off timeout=1000
closed probe timeout=1000
none power.off
babbles power.status
one probe sleep=1
babbles power.status
EOT
is "a line without an end" "$(of floods .code)" limit
is "another id; its next call meets the back-off" "$(of lies .code)" "protocol busy"
has "in words" "$(of lies .text)" 'id it was asked.*tried again in 1 s'
is "one answer too many" "$(of twice .code)" protocol
is "no JSON" "$(of garbage .code)" protocol
is "its death is a failure, with a possible effect" "$(jq -r 'select(.host == "dies") | [.code, .effect_possible] | join(" ")' <<<"$answers" | head -1)" "failed true"
has "with its last words" "$(of dies .text)" 'status 3. no such rack'
has "and its standard error is evidence" "$(of dies .trace)" 'stderr: .*no such rack'
is "the back-off did nothing" "$(jq -r 'select(.host == "dies") | [.code, .effect_possible, .retry_after_ms > 0] | join(" ")' <<<"$answers" | tail -1)" "busy false true"
is "deaf" "$(of deaf .code)" timeout
is "its output closed" "$(of closed .code)" timeout
is "a program that cannot run did nothing" "$(jq -r 'select(.host == "none") | [.code, .effect_possible] | join(" ")' <<<"$answers")" "not-found false"
is "one that speaks unasked is replaced" "$(of babbles .code)" "ok protocol"
is "the others never noticed" "$(of one .code)" ok
none_left() { ! pgrep -f "$dir/fn/"; }
await 10 none_left || fail "left behind: $(pgrep -af "$dir/fn/")"
verdict
