#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# drivers/ADDING_A_DRIVER.md as a stranger follows it: in a copy of the tree its files are written and its commands run;
# the driver passes the contract suite, and nothing outside its folder was touched.
set -eu
cd "${NS_SOURCE:?}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$dir" 2>/dev/null
cd "$dir"
git init -q && git add -A && git -c user.name=test -c user.email=test@example.net commit -qm start
python3 - <<'PY'
import os, re
guide = open("drivers/ADDING_A_DRIVER.md").read()
files = re.findall(r"```\w+ file=(\S+)\n(.*?)```\n", guide, re.S)
commands = re.findall(r"```sh run\n(.*?)```\n", guide, re.S)
assert len(files) == 2 and len(commands) == 1, (len(files), len(commands))
for path, text in files:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
open(".commands", "w").write("set -e\n" + "".join(commands))
PY
bash .commands >"$dir/log" 2>&1 || { tail -40 "$dir/log"; exit 1; }
rm .commands
grep -q '100% tests passed' "$dir/log" || { tail -40 "$dir/log"; exit 1; }
touched=$(git status --porcelain -uall | grep -v ' drivers/lamp/' | grep -v ' log$' || true)
[ -z "$touched" ] || { echo "touched outside of the driver's folder:"; echo "$touched"; exit 1; }

# A driver that breaks the contract does not pass: one that completes twice, one that does not after a cancel, one that
# leaks.
for mutant in 's|    free\(call\);\n    services->complete|    free(call);\n    services->complete(services, op, outcome);\n    services->complete|' \
    's|    lamp_end\(call, &\(struct nsh_outcome\)\{.code = NSH_CANCELLED[^;]*;|    (void)call;|' \
    's|    free\(device->url\);||'; do
    cp drivers/lamp/lamp.c "$dir/lamp.kept"
    perl -0pi -e "$mutant" drivers/lamp/lamp.c
    cmp -s drivers/lamp/lamp.c "$dir/lamp.kept" && { echo "no such place: $mutant"; exit 1; }
    cmake --build --preset debug --target driver_lamp >"$dir/log" 2>&1 || { tail -20 "$dir/log"; exit 1; }
    if ctest --test-dir build/debug -R contract/lamp >"$dir/log" 2>&1; then echo "the suite does not see: $mutant"; exit 1; fi
    mv "$dir/lamp.kept" drivers/lamp/lamp.c
done
