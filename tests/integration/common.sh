# SPDX-License-Identifier: Apache-2.0
# Sourced by the integration tests: a folder of one's own, processes that end with the test, waiting for something
# instead of sleeping, a data centre in a box, and checks that say what was seen.
set -euo pipefail

: "${NS_BUILD:?the build tree, set by ctest}" "${NS_SOURCE:?the source tree, set by ctest}"
bin=$NS_BUILD/bin
dir=$(mktemp -d /tmp/nightshift-test.XXXXXX)
pids=()
failed=0
# Addresses and ports of this test alone: tests run side by side.
base=127.$((16 + $$ % 200)).$(($$ / 200 % 128 * 2)).0
https_port=$((10000 + $$ % 9000))
ipmi_port=$((20000 + $$ % 9000))
trap_port=$((30000 + $$ % 2000))
export HOME=$dir MIBS='' SNMP_PERSISTENT_DIR=$dir/snmp PYTHONWARNINGS=ignore

finish() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ -n "${NS_KEEP:-}" ]; then echo "kept: $dir"; else rm -rf "$dir"; fi
}
trap finish EXIT

skip() { # WHY: the machine lacks what the test needs
    echo "skipped: $*"
    exit 77
}
needs() { # PROGRAM...
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed (etc/packages test)"
    done
}
first_missing() { # PROGRAM...: the first that is not there, in /usr/sbin neither
    local program
    for program; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { echo "$program"; return; }
    done
}
needs_packages() { # GROUP COMMAND...: it says what is missing; then the group of etc/packages is installed, if all is to be tested
    local group=$1
    shift
    if [ -n "${NS_ALL:-}" ] && [ -n "$("$@")" ]; then "$NS_SOURCE/etc/packages" "$group" || true; fi
    [ -z "$("$@")" ] || skip "$("$@") is not installed (etc/packages $group)"
}
await() { # SECONDS COMMAND...: until it succeeds
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.05
    done
}
fail() {
    printf 'FAILED: %s\n' "$*"
    failed=1
}
ok() { printf 'ok: %s\n' "$*"; }
is() { # WHAT GOT WANTED
    if [ "$2" = "$3" ]; then ok "$1"; else fail "$1: got '$2', wanted '$3'"; fi
}
has() { # WHAT TEXT PATTERN (extended regular expression)
    if grep -qE -- "$3" <<<"$2"; then ok "$1"; else fail "$1: got '$2', wanted /$3/"; fi
}
verdict() {
    [ "$failed" = 0 ] || exit 1
    echo "all as wanted"
}

# ---- the lab ------------------------------------------------------------------------------------------------------
lab_start() { # OPTION...: state in $dir/lab, ledger in $dir/ledger.jsonl
    "$bin/nightshift-lab" --base "$base" --https-port "$https_port" --ipmi-port "$ipmi_port" --state "$dir/lab" \
        --ledger "$dir/ledger.jsonl" "$@" >"$dir/lab.log" 2>&1 &
    lab_pid=$!
    pids+=("$lab_pid")
    await 30 lab stats || { cat "$dir/lab.log"; echo "the lab did not start"; exit 1; }
}
lab_stop() {
    lab quit >/dev/null
    wait "$lab_pid" || { cat "$dir/lab.log"; fail "the lab ended with $?"; }
}
lab() { "$bin/nightshift-lab" ctl "$dir/lab/ctl" "$@"; }
lab_is() { # HOST FIELD VALUE
    [ "$(lab state "$1" | jq -r ".$2")" = "$3" ]
}
lab_await() { # HOST FIELD VALUE, such as power on
    await 15 lab_is "$@" || fail "$1: $2 is $(lab state "$1" | jq -r ".$2"), wanted $3"
}
# What was ordered since the last call: "via request answer effect" lines of a host, without what followed by itself.
ledger_seen=0
ledger_new() { # HOST
    jq -r --arg h "$1" --argjson n "$ledger_seen" \
        'select(.seq > $n and .host == $h and .via != "physics" and .via != "control") | "\(.via) \(.request) \(.answer) \(.effect)"' \
        "$dir/ledger.jsonl"
}
ledger_mark() {
    ledger_seen=$(tail -1 "$dir/ledger.jsonl" | jq .seq)
    ledger_seen=${ledger_seen:-0}
}
ledger_is() { # WHAT HOST LINE...: exactly these orders since the last call
    local what=$1 host=$2 wanted
    shift 2
    wanted=$(printf '%s\n' "$@")
    is "$what: ledger" "$(ledger_new "$host")" "$wanted"
    ledger_mark
}
physics_of() { # HOST: what really happened since the last mark, in one line
    jq -r --arg h "$1" --argjson n "$ledger_seen" \
        'select(.seq > $n and .host == $h and .via == "physics") | .effect' "$dir/ledger.jsonl" | paste -sd' '
}
address_of() { lab state "$1" | jq -r .address | cut -d: -f1; }

# ---- the daemon ---------------------------------------------------------------------------------------------------
daemon_head() { # [NAME]: how a configuration begins: all of it in $dir, the tests' drivers, a pager that writes $dir/calls
    cat <<HEAD
store = { path = "$dir/${1:-n}.db"; };
inventory = "inventory.conf"; policies = "policies"; drivers = "$NS_BUILD/tests/drivers";
api = { socket = "$dir/${1:-api}.sock"; };
pager = { driver = "probe"; log = "$dir/calls"; };
HEAD
}
daemon_begin() { # [NAME]: as $daemon, by $dir/NAME.conf (nightshift.conf), at $dir/NAME.sock (api.sock), into $dir/NAME.log (log)
    export NIGHTSHIFT_SERVER=unix:$dir/${1:-api}.sock NO_COLOR=1
    "$bin/nightshiftd" --config "$dir/${1:-nightshift}.conf" >>"$dir/${1:+$1.}log" 2>&1 &
    daemon=$!
    pids+=("$daemon")
}
daemon_start() { # [NAME]: begin, and wait until it answers
    daemon_begin "$@"
    await 30 "$bin/nightshift" status || { cat "$dir/${1:+$1.}log"; fail "the daemon does not answer"; verdict; }
}
daemon_end() { # SIGNAL: of one that may be gone already; it was begun last
    kill "-$1" "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    unset 'pids[-1]'
}
daemon_kill() {
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true
}
daemon_stop() {
    kill -TERM "$daemon"
    wait "$daemon" && ok "SIGTERM ends with status 0" || fail "SIGTERM: status $?"
}
ns() { "$bin/nightshift" "$@"; }

# ---- BMCs of OpenIPMI ---------------------------------------------------------------------------------------------
sim_start() { # ipmi_sim on $sim_address and $ipmi_port, as $sim_pid; $dir/sim/chassis.log has what its chassis was told
    sim_address=${base%0}200
    mkdir -p "$dir/sim/state" "$dir/lab"
    cat >"$dir/sim/chassis.sh" <<'CHASSIS'
#!/bin/bash
dir=$1 what=$2
shift 2
case $what in
get) for name in "$@"; do echo "$name:$(cat "$dir/$name" 2>/dev/null || echo 0)"; done ;;
set) while [ $# -ge 2 ]; do echo "$2" >"$dir/$1"; echo "set $1 $2" >>"$dir/chassis.log"; shift 2; done ;;
esac
CHASSIS
    chmod 755 "$dir/sim/chassis.sh"
    cat >"$dir/sim/lan.conf" <<CONF
name "bmc1"
set_working_mc 0x20
  startlan 1
    addr $sim_address $ipmi_port
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abc001
  endlan
  chassis_control "$dir/sim/chassis.sh $dir/sim"
  user 1 true "" "" user 10
  user 2 true "admin" "secret" admin 10
CONF
    cat >"$dir/sim/sim.emu" <<'EMU'
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
sel_add 0x20 0x02 0 0 0 0 0x20 0 4 0x0c 1 0x6f 0xa1 0xff 0xff
sel_add 0x20 0x02 0 0 0 0 0x20 0 4 0x08 2 0x6f 0xa1 0xff 0xff
EMU
    (
        trap '' PIPE
        cd "$dir/sim"
        exec ipmi_sim -c lan.conf -f sim.emu -s "$dir/sim/state" -n </dev/null >out 2>&1
    ) &
    sim_pid=$!
    pids+=("$sim_pid")
    install -m 600 /dev/stdin "$dir/lab/sim.password" <<<secret
}

# ---- outcomes of drivers ------------------------------------------------------------------------------------------
answer_seconds=90
drive_open() { # INVENTORY FOLDER: a driver host that keeps its devices open between calls
    coproc DRIVE { exec "$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$1" "$2"; }
    drive_pid=$DRIVE_PID
    pids+=("$drive_pid")
    drive_in=${DRIVE[1]} drive_out=${DRIVE[0]}
}
drive_stop() { # It ends cleanly: a leak or a race would say so
    exec {drive_in}>&-
    local code=0
    wait "$drive_pid" || code=$?
    is "${world:+$world: }the driver host ends" "$code" 0
}
begin() { echo "$*" >&"$drive_in"; }
answer() { # The next outcome, in $out
    IFS= read -r -t "$answer_seconds" -u "$drive_out" out || { fail "${world:+$world: }${*:+$*: }no outcome"; exit 1; }
    unsaid "$@"
}
unsaid() { # $never_said, a secret (extended regular expression), is not in $out
    [ -z "${never_said:-}" ] || ! grep -qE -e "$never_said" <<<"$out" || fail "${world:+$world: }$*: a secret in $out"
}
call() { # HOST VERB [NAME=VALUE...]: the outcome in $out
    begin "$@"
    answer "$@"
}
told() { # WHAT FILTER WANTED
    local got
    got=$(jq -r "$2" <<<"$out") || got="no JSON"
    if [ "$got" = "$3" ]; then ok "${world:+$world: }$1"; else fail "${world:+$world: }$1: got '$got', wanted '$3' in $out"; fi
}
outcome() { # WHAT CODE EFFECT-POSSIBLE [PATTERN]
    told "$1" '"\(.code) \(.effect_possible)"' "$2 $3"
    [ $# -lt 4 ] || has "${world:+$world: }$1: words" "$out" "$4"
}
