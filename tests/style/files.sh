#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a machine can check of the house style: SPDX lines, sizes, pure rooms, names, layout.
set -u
cd "${NS_SOURCE:?}" || exit 1
bad=0
complain() {
    echo "$*"
    bad=1
}

mapfile -t files < <(git ls-files -co --exclude-standard '*.c' '*.h' '*.def')
for file in "${files[@]}"; do
    [ -e "$file" ] || continue
    head -3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || complain "$file: no SPDX line"
    lines=$(wc -l <"$file")
    [ "$lines" -le 800 ] || complain "$file: $lines lines, a room to divide (800)"
done
mapfile -t scripts < <(git ls-files -co --exclude-standard 'CMakeLists.txt' '*.cmake' '*.sh' etc/demo etc/packages tests/run .ci/run)
for file in "${scripts[@]}"; do
    head -3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || complain "$file: no SPDX line"
done

# Functions of at most 70 lines: from the line of the opening brace in column 1 to the closing one.
for file in "${files[@]}"; do
    case "$file" in bridge/*.c | drivers/*.c) ;; *) continue ;; esac
    awk -v file="$file" '
        /^\{/ { start = NR; name = previous }
        /^\}/ && start { if (NR - start - 1 > 70) { printf "%s:%d: function of %d lines: %s\n", file, start, NR - start - 1, name; bad = 1 } start = 0 }
        { previous = $0 }
        END { exit bad }' "$file" || bad=1
done

# Pure rooms do no I/O, have no clock and no threads.
for room in abi abi/snmp base model cel policy engine signal; do
    [ -d "bridge/$room" ] || continue
    found=$(grep -nE '#include <(uv|sys/time|sys/socket|netinet|pthread|curl/|sqlite3|poll|signal|time|sys/epoll)' \
        bridge/$room/*.c bridge/$room/*.h 2>/dev/null | grep -vE '^bridge/(abi/driver\.h|base/|abi/[a-z0-9_]+\.c:[0-9]+:#include <time\.h>)') # Its calendar, not its clock.
    [ -z "$found" ] || complain "pure room includes I/O: $found"
done
found=$(grep -nE '\b(time|clock_gettime|gettimeofday|rand|random|getrandom)\(' bridge/{abi,cel,signal,policy,engine}/*.c 2>/dev/null |
    grep -v 'services->random(') # A driver's door, that the caller hands in.
[ -z "$found" ] || complain "a clock or chance in a pure room: $found"

# File names are unique; functions that are not static as well.
duplicates=$(printf '%s\n' "${files[@]}" | grep -E '^(bridge|drivers)/' | xargs -n1 basename | sort | uniq -d)
[ -z "$duplicates" ] || complain "file names used twice: $duplicates"

grep -rnE '/work/|\.\./shared' --include='*' $(git ls-files -co --exclude-standard | grep -vE '^tests/style/files.sh$') 2>/dev/null | head -5 | grep . && complain "a path of one machine"
exit $bad
