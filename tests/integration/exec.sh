#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The exec driver with real programs through the real spawn helper: the limits, the end of a whole process group, no
# shell; and with installed fence agents against the lab.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq python3 fence_ipmilan fence_redfish

lab_start --racks 1 --hosts 2 --off-delay 50ms --on-delay 50ms --boot-delay 50ms
mkdir -p "$dir/fn"
install -m 600 /dev/stdin "$dir/lab/bmc.password" <<<nightshift-lab
program() { # NAME: its text on stdin
    cat >"$dir/fn/$1"
    chmod 755 "$dir/fn/$1"
}
hosts=
host() { # NAME SETTINGS: a host whose bmc is that program
    hosts="$hosts${hosts:+,}
    { name = \"$1\"; rack = \"r1\"; bmc = { driver = \"exec\"; credentials = \"bmc\"; $2 }; }"
}
drive_on() {
    printf 'credentials: ({ name = "bmc"; user = "admin"; password = "file:bmc.password"; });\nhosts: (%s);\n' "$hosts" >"$dir/exec.conf"
    "$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/exec.conf" "$dir/lab" 2>&1
}
call() { answer=$(drive_on <<<"$*"); }
code_is() { is "$1" "$(jq -r .code <<<"$answer")" "$2"; }
result_is() { is "$1" "$(jq -r "$2" <<<"$answer")" "$3"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# ---- JSON in, JSON out ----------------------------------------------------------------------------------------------
program echo.py <<'PY'
#!/usr/bin/python3
import json, os, sys
request = json.load(sys.stdin)
json.dump({"ok": True, "result": {
    "power": "on", "verb": request["verb"], "host": request["host"], "token": request["token"],
    "user": request["settings"]["username"], "hostile": request["settings"].get("hostile", ""),
    "password_bytes": len(request["settings"]["password"]), "argv": len(sys.argv),
    "environment": " ".join(sorted(k for k in os.environ if k != "LC_CTYPE")), "folder": os.getcwd(),
    "session": os.getsid(0) == os.getpid(), "files": len(os.listdir("/proc/self/fd")) - 1}}, sys.stdout)
PY
hostile='$(touch '$dir'/owned); `touch '$dir'/owned` | touch '$dir'/owned \\\" %s%n'
host echo "program = \"$dir/fn/echo.py\"; parameters = { hostile = \"$hostile\"; };"
program no.sh <<'SH'
#!/bin/sh
echo '{"ok": false, "code": "busy", "error": "later, please", "effect_possible": false}'
SH
host no "program = \"$dir/fn/no.sh\";"
program tempfail.sh <<'SH'
#!/bin/sh
exit 75
SH
host tempfail "program = \"$dir/fn/tempfail.sh\";"
program tells.sh <<'SH'
#!/bin/sh
read -r all
echo "login with $all failed" >&2
exit 1
SH
host tells "program = \"$dir/fn/tells.sh\";"
program garbage.sh <<'SH'
#!/bin/sh
echo 'not JSON'
SH
host garbage "program = \"$dir/fn/garbage.sh\";"
program flood.sh <<'SH'
#!/bin/sh
exec yes flood
SH
host flood "program = \"$dir/fn/flood.sh\"; output_kib = 4;"
program hungry.py <<'PY'
#!/usr/bin/python3
bytearray(1 << 30)
print('{"ok": true}')
PY
host hungry "program = \"$dir/fn/hungry.py\"; memory_mib = 128;"
program busy.py <<'PY'
#!/usr/bin/python3
while True: pass
PY
host busy "program = \"$dir/fn/busy.py\"; cpu_s = 1;"
# A family that ignores SIGTERM, one of which leaves the group, one the session.
program family.py <<PY
#!/usr/bin/python3
import os, signal, time
for signal_number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(signal_number, signal.SIG_IGN)
for leave in (lambda: None, lambda: os.setpgid(0, 0), os.setsid):
    if os.fork() == 0:
        leave()
        with open("$dir/family", "a") as file: file.write("%d\n" % os.getpid())
        time.sleep(600)
with open("$dir/family", "a") as file: file.write("%d\n" % os.getpid())
time.sleep(600)
PY
host family "program = \"$dir/fn/family.py\";"
# It ends well and leaves a child behind that holds its output open.
program leaver.py <<PY
#!/usr/bin/python3
import os, sys, time
if os.fork() == 0:
    with open("$dir/leaver", "w") as file: file.write("%d\n" % os.getpid())
    time.sleep(600)
while not os.path.exists("$dir/leaver"): time.sleep(0.01)
print('{"ok": true, "result": {"power": "off"}}')
PY
host leaver "program = \"$dir/fn/leaver.py\";"
host missing "program = \"$dir/fn/no-such-program\";"
echo text >"$dir/fn/not-executable"
host notexec "program = \"$dir/fn/not-executable\";"
host relative "program = \"fn/echo.py\";"

call "echo power.status"
code_is "a program" ok
result_is "the request: verb, host" '.result | "\(.verb) \(.host)"' "power.status echo"
result_is "the password on standard input only" '.result | "\(.user) \(.password_bytes) \(.argv)"' "admin 14 1"
result_is "hostile text stays data" ".result.hostile" "\$(touch $dir/owned); \`touch $dir/owned\` | touch $dir/owned \\\" %s%n"
is "nothing of it was run" "$(ls "$dir" | grep -c owned || true)" 0
result_is "a minimal environment" .result.environment "HOME LANG NIGHTSHIFT_CALL PATH"
result_is "its own session, no files but three, folder /" '.result | "\(.session) \(.files) \(.folder)"' "true 3 /"
call "no power.off"
code_is "it says no" busy
result_is "it did nothing" .effect_possible false
call "tempfail power.off"
code_is "exit status 75 is a temporary failure" busy
call "tells power.off"
code_is "it fails" failed
has "its words are told" "$answer" 'login with'
is "its password is not" "$(grep -c nightshift-lab <<<"$answer" || true)" 0
call "garbage power.off"
code_is "no JSON" protocol
result_is "and who knows what it did" .effect_possible true
call "flood power.status timeout=3000"
has "endless output" "$(jq -r .code <<<"$answer")" 'limit|timeout'
call "hungry power.status"
code_is "too much memory" failed
call "busy power.status timeout=20000"
code_is "too much processor" failed
has "it was ended by a signal" "$answer" 'signal (24|9)'
call "missing power.off"
code_is "no such program" not-found
result_is "it did nothing" .effect_possible false
call "notexec power.off"
code_is "not executable" denied
call "relative power.off"
code_is "a relative path is refused" invalid

call "family power.off timeout=1000"
code_is "time-out" timeout
result_is "an effect is possible" .effect_possible true
is "it was a family of four" "$(wc -l <"$dir/family")" 4
while read -r pid; do await 5 gone "$pid" || fail "process $pid of the family lives"; done <"$dir/family"
ok "the family is gone, also those that left the group and the session"
rm "$dir/family"
call "family power.off timeout=30000 cancel=1000"
code_is "cancelled" cancelled
while read -r pid; do await 5 gone "$pid" || fail "process $pid of the family lives"; done <"$dir/family"
call "leaver power.off"
result_is "its end counts, not that of its child" .result.power off
await 5 gone "$(cat "$dir/leaver")" || fail "what it left behind lives"
# Many at once: more than may run together.
answers=$(for ((i = 0; i < 200; i++)); do echo "echo power.status &"; done | drive_on)
is "200 programs at once" "$(jq -r .code <<<"$answers" | sort | uniq -c | xargs)" "200 ok"

# ---- fence agents ---------------------------------------------------------------------------------------------------
redfish_host=r1h01 ipmi_host=r1h02
fence() { # NAME AGENT PARAMETERS
    host "$1" "program = \"$(command -v "$2")\"; contract = \"fence\"; parameters = { $3 };"
}
fence ipmilan fence_ipmilan "ip = \"$(address_of $ipmi_host)\"; ipport = $ipmi_port; lanplus = true; cipher = \"17\"; power_wait = 0;"
fence redfish fence_redfish "ip = \"$(address_of $redfish_host)\"; ipport = $https_port; ssl_insecure = true; systems_uri = \"/redfish/v1/Systems/$(lab state $redfish_host | jq -r '.system // "System.Embedded.1"')\";"
fence typo fence_ipmilan "ip = \"$(address_of $ipmi_host)\"; ipprot = 623;"
fence denied fence_ipmilan "ip = \"$(address_of $ipmi_host)\"; ipport = $ipmi_port; lanplus = true; cipher = \"17\"; login_timeout = 3;"
lab fail $ipmi_host psu >/dev/null # So that the ledger has a line to start from.
ledger_mark
for name in ipmilan redfish; do
    lab_name=$ipmi_host
    [ $name = ipmilan ] || lab_name=$redfish_host
    call "$name power.status"
    result_is "fence_$name: status" .result.power on
    call "$name power.off"
    result_is "fence_$name: off" .result.power off
    lab_await $lab_name power off
    call "$name power.status"
    result_is "fence_$name: status of a host that is off" .result.power off
    call "$name power.cycle"
    result_is "fence_$name: cycle of a host that is off" .result.power on
    lab_await $lab_name power on
    call "$name power.cycle"
    result_is "fence_$name: cycle" .result.power on
    is "fence_$name: what really happened" "$(physics_of $lab_name | sed 's/ *os-up//g')" "off on off on"
    call "$name probe"
    code_is "fence_$name: monitor" ok
    call "$name reset.soft"
    code_is "fence_$name: has no soft reset" unsupported
done
call "typo power.off"
code_is "a parameter the agent does not know" invalid
has "and it is named" "$answer" "ipprot"
lab deny $ipmi_host >/dev/null
ledger_mark
call "denied power.off"
has "fence_ipmilan: login denied" "$(jq -r .code <<<"$answer")" 'auth|failed'
is "fence_ipmilan: no password in any text" "$(grep -c nightshift-lab <<<"$answer" || true)" 0
is "fence_ipmilan: nothing happened" "$(physics_of $ipmi_host)" ""
lab_stop
verdict
