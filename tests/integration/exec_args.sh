#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A program gets whatever arguments a policy hands over: it knows what they mean, the driver does not.
set -u
cd "${NS_SOURCE:?}" || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
spawn=$(find "${NS_BUILD:?}" -name nightshift-spawn -type f | head -1)
[ -x "$NS_BUILD/tests/drive" ] && [ -n "$spawn" ] || { echo "drive or nightshift-spawn is not built"; exit 77; }
cat >"$dir/pager" <<EOT
#!/bin/sh
cat >"$dir/got"
echo '{"ok": true}'
EOT
chmod 755 "$dir/pager"
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "h1"; bmc = { driver = "exec"; program = "$dir/pager"; }; } );
EOT
reply=$(echo 'h1 page text=hello title=x queue=night' |
    "$NS_BUILD/tests/drive" "$spawn" "$NS_BUILD/drivers" "$dir/inventory.conf" "$dir")
grep -q '"code":"ok"' <<<"$reply" || { echo "refused: $reply"; exit 1; }
for wanted in '"text": *"hello"' '"title": *"x"' '"queue": *"night"'; do
    grep -qE "$wanted" "$dir/got" || { echo "the program did not get $wanted: $(cat "$dir/got")"; exit 1; }
done
