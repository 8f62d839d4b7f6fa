#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# snmp import: modules in, a table of traps out. All notifications of the facts in tests/data/snmp as modules, against the
# facts and against the packaged converter of snmptt; real modules of net-snmp; edits that outlive the next import; what
# is no module.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq python3 snmptranslate snmpttconvertmib
cd "$dir"
export NIGHTSHIFT_MIBS=$NS_SOURCE/etc/mibs
import() { "$bin"/nightshift snmp import "$@"; }
facts() { cat "$NS_SOURCE"/tests/data/snmp/{definitions,vendor-definitions-apc-dell}.jsonl; }
field() { # NAME TABLE: "OID VALUE" of its rows
    sed -nE "s/^ *\{ oid = \"([0-9.]+)\"; name = \"[^\"]*::.*[ ;]$1 = \"([^\"]*)\".*/\1 \2/p" "$2" | sort -u
}

# ---- every notification of the facts, with and without the vendor's annotations ------------------------------------
mkdir said silent tables
python3 "$NS_SOURCE"/tests/tools/mibs_of_facts.py said
python3 "$NS_SOURCE"/tests/tools/mibs_of_facts.py silent --without-severity
import said/*.txt --into tables/all.traps -o json >counts 2>log || fail "import: $(cat log)"
is "the parser has nothing to say" "$(cat log)" ""
facts | jq -r '.trap_oid + " " + (.module | gsub("[^A-Za-z0-9-]"; "-")) + "::" + .name' | sort -u -k1,1 >wanted
sed -nE 's/^ *\{ oid = "([0-9.]+)"; name = "([^"]*::[^"]*)".*/\1 \2/p' tables/all.traps | sort -u -k1,1 >got
is "all notifications" "$(cut -d' ' -f1 got | sort -u | wc -l)" "$(cut -d' ' -f1 wanted | sort -u | wc -l)"
is "and no other" "$(diff <(cut -d' ' -f1 wanted) <(cut -d' ' -f1 got))" ""
facts | jq -r 'select(.severity) | .trap_oid + " " + (if .severity == "ok" then "info" else .severity end)' | sort -u >severities
agreement() { comm -12 severities <(field severity "$1") | wc -l; }
is "severities as the vendors say" "$(agreement tables/all.traps)" "$(wc -l <severities)"
import silent/*.txt --into guessed.traps >/dev/null 2>&1
guessed=$(agreement guessed.traps)
echo "severity by the words of the names alone: the vendor's own for $guessed of $(wc -l <severities)"
is "no fewer than when this was written" "$((guessed >= 742))" 1
# By name, of the notifications that are there once: the facts give some names to many instances, which no module could.
facts | jq -rs 'group_by(.trap_oid)[] | select(length == 1)[0].varbinds[].name' | sort -u >variables
sed -nE 's/^ *\{ oid = "[0-9.]+"; name = "([^":]*)";( enum = "[^"]*";)? \},? # mib.*/\1/p' tables/all.traps | sort -u >got
is "all variables" "$(comm -23 variables got)" ""

# Packets of all of them, by the table alone.
"$bin"/nightshift snmp decode "$NS_SOURCE"/tests/data/snmp/vendor-instances-apc-dell.jsonl --traps tables -o jsonl >decoded 2>log
is "every packet is known" "$(grep -c '"unmatched":true' decoded)" 0
is "packets, those of version 1 as well" "$(wc -l <decoded)" \
    "$(grep -oE '"udp_hex(_v1)?": ?"[0-9a-f]' "$NS_SOURCE"/tests/data/snmp/vendor-instances-apc-dell.jsonl | wc -l)"

# ---- the packaged converter, on modules of both kinds --------------------------------------------------------------
cp "$NIGHTSHIFT_MIBS"/*.txt said/
for module in DELL-RAC-MIB StorageManagement-MIB IDRAC-MIB-SMIv2; do
    rm -f theirs
    MIBDIRS=$dir/said MIBS=+$module snmpttconvertmib --in="said/$module.txt" --out=theirs >log 2>&1 || fail "snmpttconvertmib $module: $(tail -3 log)"
    sed -nE 's/^EVENT [^ ]+ \.?([0-9.]+) "[^"]*" (.*)/\1 \2/p' theirs | sort -u >their_rows
    import "said/$module.txt" --into "$module.traps" >/dev/null 2>&1
    field severity "$module.traps" >our_rows
    lacking=$(comm -23 <(cut -d' ' -f1 their_rows | sort -u) <(cut -d' ' -f1 our_rows | sort -u) | wc -l)
    is "$module: what snmptt converts is there" "$lacking" 0
    same=$(join their_rows our_rows | awk 'tolower($2) == $3 || (tolower($2) ~ /^(normal|informational)$/ && $3 == "info") ||
        (tolower($2) == "severe" && $3 == "critical")' | wc -l)
    echo "$module: snmptt has $(wc -l <their_rows), we have $(wc -l <our_rows); severity alike for $same"
    [ "$(wc -l <their_rows)" -gt 0 ] || fail "$module: snmptt converted nothing: $(tail -3 log)"
done

# ---- real modules ---------------------------------------------------------------------------------------------------
mibs=/usr/share/snmp/mibs
out=$(import $mibs/NET-SNMP-AGENT-MIB.txt $mibs/UCD-SNMP-MIB.txt 2>log)
is "net-snmp's own" "$(grep -c 'name = "[A-Z].*::' <<<"$out")" 5
has "words out of the description" "$out" 'nsNotifyShutdown"; .*message = "An indication that the agent is in the process of being shut down"'
has "what a module lacks is told" "$(cat log)" 'Cannot find module \(HCNUM-TC\)'

# ---- a table that people changed --------------------------------------------------------------------------------------
import said/DELL-RAC-MIB.txt --into mine.traps >/dev/null
sed -i '0,/severity = "critical"/s//severity = "major"/; s/^traps = ($/&\n  # changed at our site/' mine.traps
cp mine.traps before
out=$(import said/DELL-RAC-MIB.txt --into mine.traps --dry-run)
has "it says what it keeps" "$out" 'kept: 1 edited, 0 gone'
has "by its identifier" "$out" '^edited  1\.3\.6'
is "a dry run changes nothing" "$(cmp mine.traps before)" ""
rows_of() { grep -F 'DELL-RAC' "$1" | sed 's/},/}/'; }
import said/DELL-RAC-MIB.txt said/StorageManagement-MIB.txt --into mine.traps >/dev/null
is "the edit and the comment are still there" "$(grep -c 'changed at our site' mine.traps) $(diff <(rows_of mine.traps) <(rows_of before))" "1 "
has "new rows came" "$(cat mine.traps)" 'StorageManagement-MIB::alertFanFailure'
mkdir last && cp mine.traps last
is "the daemon's reader takes it" "$("$bin"/nightshift snmp decode --traps last <(echo 00) 2>&1 | grep -c error)" 0

# ---- what is no module ------------------------------------------------------------------------------------------------
wrong() { # WHAT PATTERN ARGUMENT...
    local what=$1 pattern=$2 out
    shift 2
    if out=$(import "$@" 2>&1 >/dev/null); then fail "$what: taken"; else has "$what" "$out" "$pattern"; fi
}
echo 'nothing here' >text
printf 'X-MIB DEFINITIONS ::= BEGIN\nx OBJECT IDENTIFIER ::= { iso 9 }\nEND\n' >quiet.txt
printf 'X-MIB DEFINITIONS ::= BEGIN\nfan TRAP-TYPE ENTERPRISE nobody VARIABLES { gone } ::=\n' >cut.txt
printf 'traps = ( { oid = "x"; } );\n' >bad.traps
wrong "a file that is not there" 'cannot read nosuch: No such file' nosuch
wrong "no module" 'text:1:1: no MIB module' text
wrong "no notification" 'no notification' quiet.txt
wrong "half a module" 'no notification' cut.txt
wrong "no table to merge into" 'bad.traps:1:.*oid must be numbers' said/DELL-RAC-MIB.txt --into bad.traps
is "and it stays as it was" "$(cat bad.traps)" 'traps = ( { oid = "x"; } );'
wrong "a folder that is not there" 'cannot write' said/DELL-RAC-MIB.txt --into no/such.traps
head -c 300000 /dev/urandom >noise
wrong "noise" 'no MIB module|no notification' noise
verdict
