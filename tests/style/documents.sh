#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the documents show is true: links lead somewhere, policies load, commands exist.
set -u
cd "${NS_SOURCE:?}" || exit 1
bad=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mapfile -t pages < <(git ls-files -co --exclude-standard '*.md' | grep -v '^tests/data/')

for page in "${pages[@]}"; do
    # Links to files, relative to the page.
    while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || { echo "$page: no $link"; bad=1; }
    done < <(grep -oE '\]\([^)#:]+\)' "$page" | sed 's/^](//; s/)$//')
    # Files of the tree named in backquotes, from the top: `tests/run`, `bridge/model/verbs.def`.
    while read -r name; do
        [ -e "$name" ] || { echo "$page: no $name"; bad=1; }
    done < <(grep -oE '`(bridge|drivers|etc|tests|policies)/[A-Za-z0-9_./-]+`' "$page" | tr -d '`' | grep -vE 'NAME|ROOM|lamp|/$')
    # Every fenced policy loads. One that is shown to be wrong says `# wrong:` in its first line.
    awk -v dir="$dir" -v page="$(printf '%s' "$page" | tr '/' '_')" '
        /^```/ { if (open) { open = 0; close(file) } else { n++; open = 1; file = dir "/" page "." n ".policy" } next }
        open { print > file }' "$page"
done
# The functions that policies of the language's page use, as a site would declare them.
grep -l '^functions = ' "$dir"/policies_LANGUAGE.md.*.policy | xargs cat >"$dir/site.conf" || bad=1
for file in "$dir"/*.policy; do
    [ -e "$file" ] && grep -q '^policies:' "$file" && ! head -1 "$file" | grep -q '^# wrong:' || continue
    # Not a word is said about it, not even a warning.
    "$NS_BUILD"/bin/nightshift policy check --quiet --config "$dir/site.conf" "$file" >"$dir/out" 2>&1 && [ ! -s "$dir/out" ] || { cat "$dir/out"; bad=1; }
done
# Every fenced file of tests passes, beside the policies that are shipped, and those that a page gives a name in their first line.
cp policies/*.policy "$dir" || bad=1
for file in "$dir"/*.md.*.policy; do
    name=$(sed -nE '1s/^# ([a-z-]+\.policy)$/\1/p' "$file")
    [ -z "$name" ] || cp "$file" "$dir/$name"
done
tests=0
for file in "$dir"/*.md.*.policy; do
    [ -e "$file" ] && grep -q '^tests:' "$file" || continue
    tests=$((tests + 1))
    "$NS_BUILD"/bin/nightshift policy test --quiet "$(mv "$file" "${file%.policy}.test" && echo "${file%.policy}.test")" >"$dir/out" 2>&1 ||
        { cat "$dir/out"; bad=1; }
done
[ "$tests" -ge 1 ] || { echo "no file of tests is shown anywhere"; bad=1; }
# Functions that the architecture names are there.
while read -r name; do
    grep -rqw "$name" bridge drivers --include='*.[ch]' || { echo "bridge/ARCHITECTURE.md: no function $name"; bad=1; }
done < <(grep -oE '`[a-z]+_[a-z_]+[(`]' bridge/ARCHITECTURE.md | tr -d '`(' | sort -u)
# Every `nightshift NOUN` that is shown is a command.
while read -r noun; do
    "$NS_BUILD"/bin/nightshift help "$noun" >/dev/null 2>&1 || { echo "no command: nightshift $noun"; bad=1; }
done < <({ grep -ohE '(\$ |`)nightshift [a-z]+' "${pages[@]}"
    awk '/^```/ { open = !open; next } open' "${pages[@]}" | grep -oE '^nightshift [a-z]+'; } | awk '{print $NF}' | sort -u)
exit $bad
