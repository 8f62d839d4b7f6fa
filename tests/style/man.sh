#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages are clean mdoc and have every command, flag, verb and driver.
set -u
man="${NS_BUILD:?}/man"
bad=0
mandoc -Tlint -W warning "$man"/*.[1-8] || bad=1
has() { # PAGE TEXT
    mandoc -Tascii "$man/$1" | sed 's/.\x08//g' | tr -s ' \n' ' ' | grep -qF -- "$2" || { echo "$1 lacks: $2"; bad=1; }
}
"$NS_BUILD"/bin/nightshift help | awk '/^  / { print $1 }' | sort -u >"${TMPDIR:-/tmp}/nouns.$$"
while read -r noun; do has nightshift.1 "$noun"; done <"${TMPDIR:-/tmp}/nouns.$$"
rm -f "${TMPDIR:-/tmp}/nouns.$$"
for module in "$NS_BUILD"/drivers/*.so; do has nightshift-drivers.7 "DRIVER $(basename "$module" .so)"; done
has nightshift-drivers.7 "power.cycle"
has nightshift-lab.1 "--racks"
has nightshift.conf.5 "guards.rates"
has nightshiftd.8 "SIGHUP"
exit $bad
