#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What signals compute is the same to the bit whatever compiled it, and how: a replay on another machine decides alike.
# timeout: 300
. "$(dirname "$0")/common.sh"

wanted=$("$NS_BUILD"/tests/signal_bits)
# Also over versions: who changes what signals compute writes the new hash here, and the version of the saved state.
is "as it was" "$wanted" 04773c1b5c0db6fd
bridge=$NS_SOURCE/bridge
bits() { # COMPILER FLAG...
    local compiler=$1
    shift
    "$compiler" -std=gnu17 -D_GNU_SOURCE -ffp-contract=off "$@" -I"$bridge" -I"$bridge/base" -I"$bridge/signal" \
        "$NS_SOURCE"/tests/tools/signal_bits.c "$bridge"/signal/*.c "$bridge"/base/{pack,text,assert,arena,textbuf}.c \
        "$bridge"/abi/{error,value,encode,pool}.c -lm -o "$dir/bits" && "$dir/bits"
}
tried=0
for compiler in gcc clang; do
    command -v $compiler >/dev/null || { echo "not tried: $compiler is not installed"; continue; }
    for flags in -O0 -O2 "-O3 -march=native"; do
        # shellcheck disable=SC2086
        is "$compiler $flags" "$(bits $compiler $flags 2>&1)" "$wanted"
        tried=$((tried + 1))
    done
done
[ "$tried" -ge 3 ] && ok "$tried builds" || fail "no compiler"
verdict
