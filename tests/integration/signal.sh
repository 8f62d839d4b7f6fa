#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# signal score: one score for each row, out of that row and earlier ones only, the same every time; files that make no
# sense are told with their place.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq /usr/bin/python3
cd "$dir"
data=$NS_SOURCE/tests/data/nab
score() { "$bin"/nightshift signal score "$@"; }

# The labelled windows of the whole set: no worse than the floor that the project set itself.
while read -r path; do
    mkdir -p "scores/$(dirname "$path")"
    score "$data/data/$path" >"scores/$path"
done < <(cd "$data/data" && find . -name '*.csv' | sort)
result=$(/usr/bin/python3 "$NS_SOURCE/tests/bench/nab_score.py" --labels "$data/windows.json" --data "$data/data" --scores scores --json)
is "standard score of at least 68" "$(jq '.profiles.standard.score >= 68' <<<"$result")" true
[ "$(jq '.profiles.standard.score >= 68' <<<"$result")" = true ] || jq . <<<"$result"
result=$(/usr/bin/python3 "$NS_SOURCE/tests/bench/nab_score.py" --labels "$data/windows.json" --data "$data/data" --scores scores \
    --threshold 0.555555 --events --json)
is "at medium at most one false event in 5,000 rows" \
    "$(jq '.profiles.standard.false_events_per_1000_rows <= 0.2' <<<"$result")" true

# No look ahead: the first half of a file has the scores it has in the whole one.
series=$data/data/realKnownCause/nyc_taxi.csv
head -5000 "$series" >half.csv
is "no look ahead" "$(score half.csv | sha256sum)" "$(head -5000 scores/realKnownCause/nyc_taxi.csv | sha256sum)"
is "stdin is a file, too" "$(score - <half.csv | sha256sum)" "$(score half.csv | sha256sum)"

# Times in three forms.
printf 'timestamp,value\n2026-03-02 10:00:00,1\n2026-03-02T10:05:00Z,2.5\r\n1772446200,-3e2\n' >forms.csv
is "forms of time" "$(score forms.csv | cut -d, -f1 | tr '\n' ' ')" \
    'timestamp 2026-03-02 10:00:00 2026-03-02T10:05:00Z 1772446200 '

wrong() { # WHAT FILE-TEXT PATTERN
    printf '%b' "$2" >bad.csv
    local out
    if out=$(score bad.csv 2>&1 >/dev/null); then
        fail "$1: taken"
    else
        has "$1" "$out" "$3"
    fi
}
wrong "an empty file" '' "bad.csv:1:1: error: the first row is 'timestamp,value'"
wrong "another header" 'time;value\n' "bad.csv:1:1: error: .* got 'time;value'"
wrong "a row without a comma" 'timestamp,value\n17\n' "bad.csv:2:1: error: a row is timestamp,value, got '17'"
wrong "no time" 'timestamp,value\nyesterday,1\n' "bad.csv:2:1: error: a time is .* got 'yesterday'"
wrong "no number" 'timestamp,value\n1772446200,1\n1772446500,1x\n' "bad.csv:3:12: error: a value is a finite number, got '1x'"
wrong "not a number" 'timestamp,value\n1772446200,nan\n' "bad.csv:2:12: error: a value is a finite number"
wrong "backwards" 'timestamp,value\n1772446200,1\n1772446100,1\n' "bad.csv:3:1: error: rows are in the order of time"
is "a file that is not there" "$(score nosuch.csv 2>&1; echo $?)" "nightshift: cannot read nosuch.csv: No such file or directory
2"

# The shipped list is included from where the configuration lies.
mkdir -p conf/signals conf/drivers conf/policies
echo "hosts: ( );" >conf/inventory.conf
cp "$NS_SOURCE"/etc/signals/predictive.signals conf/signals
printf 'store = { path = "%s/db"; };\ndrivers = "drivers";\nsignals: (\n@include "signals/predictive.signals"\n);\n' "$dir" >conf/n.conf
out=$("$bin"/nightshiftd --check --config conf/n.conf 2>&1) && ok "shipped signals: $out" || fail "shipped signals: $out"
sed -i 's/stuck = "1d"/stuck = "1x"/' conf/signals/predictive.signals
out=$("$bin"/nightshiftd --check --config conf/n.conf 2>&1) && fail "a mistake in the included list is taken"
has "its place is in the included file" "$out" 'signals/predictive.signals:[0-9]+:[0-9]+: error'
verdict
