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
