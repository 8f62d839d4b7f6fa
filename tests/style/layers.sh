#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Who may include whom: the include paths refuse what the design refuses. Each row is tried for real.
set -u
commands="${NS_BUILD:?}/compile_commands.json"
bad=0
row() { # ROOM HEADER allowed|refused
    local room=$1 header=$2 want=$3 line got
    line=$(jq -r --arg room "/bridge/$room/" \
        '[.[] | select(.file | contains($room)) | select(.file | ltrimstr("/") | contains($room))][0].command' "$commands")
    if [ -z "$line" ] || [ "$line" = null ]; then
        echo "no source in room $room"
        bad=1
        return
    fi
    local flags
    flags=$(printf '%s\n' "$line" | grep -oE -- '(-I|-isystem )[^ ]+' | tr '\n' ' ')
    # shellcheck disable=SC2086
    if printf '#include "%s"\n' "$header" | cc -D_GNU_SOURCE -fsyntax-only -x c $flags - 2>/dev/null; then
        got=allowed
    else
        got=refused
    fi
    if [ "$got" != "$want" ]; then
        echo "bridge/$room including $header: $got, must be $want"
        bad=1
    fi
}
row abi/snmp abi/driver.h allowed
row abi/snmp base/map.h refused
row base abi/value.h allowed
row base model/event.h refused
row model base/map.h allowed
row model engine/engine.h refused
row cel base/arena.h allowed
row cel model/event.h refused
row policy cel/cel.h allowed
row policy engine/engine.h refused
row engine policy/policy.h allowed
row engine loop/loop.h refused
row engine store/store.h refused
row dcim fleet/fleet.h allowed
row dcim loop/loop.h refused
row loop model/verb.h allowed
row loop engine/engine.h refused
row rehearse engine/engine.h allowed
row rehearse loop/loop.h refused
row rehearse store/store.h refused
row engine rehearse/rehearse.h refused
row fleet engine/engine.h refused
row store model/record.h allowed
row store engine/engine.h refused
row store policy/policy.h refused
row api store/store.h allowed
row api engine/engine.h refused
row source/trap loop/intake.h allowed
row source/trap engine/engine.h refused
row source/trap api/api.h refused
row daemon engine/engine.h allowed

driver=$(jq -r '[.[] | select(.file | contains("/drivers/"))][0].command' "$commands" | grep -oE -- '-I[^ ]+' | tr '\n' ' ')
# shellcheck disable=SC2086
printf '#include "abi/driver.h"\n' | cc -D_GNU_SOURCE -fsyntax-only -x c $driver - || bad=1
# shellcheck disable=SC2086
if printf '#include "base/map.h"\n' | cc -D_GNU_SOURCE -fsyntax-only -x c $driver - 2>/dev/null; then
    echo "a driver can include base/"
    bad=1
fi
exit $bad
