#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The source sel: logs of the lab's BMCs and of OpenIPMI's ipmi_sim, compared with `ipmitool sel elist -v` row by row;
# 200 records over kill -9 and a log that is cleared; a healing by policy; a trap and a record of the same are one alarm.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs ipmi_sim ipmitool jq python3
sim_start
lab_start --racks 1 --hosts 4 --redfish-share 0 --off-delay 50ms --on-delay 50ms --boot-delay 50ms --soft-delay 50ms \
    --trap-to "127.0.0.1:$trap_port" --write-inventory "$dir/lab.conf"

# ---- the daemon: four hosts of the lab, one of ipmi_sim ---------------------------------------------------------------
mkdir "$dir/policies"
printf '%s' secret >"$dir/sim.password"
sed -E "s|^credentials: \( |credentials: ( { name = \"sim\"; user = \"admin\"; password = \"file:$dir/sim.password\"; }, |; \
s|^hosts: \($|hosts: ( { name = \"sim1\"; bmc = { driver = \"ipmi\"; credentials = \"sim\"; cipher = \"3\"; address = \"$sim_address:$ipmi_port\"; }; },|" \
    "$dir/lab.conf" >"$dir/inventory.conf"
chmod 600 "$dir/sim.password"
cat >"$dir/policies/memory.policy" <<'EOT'
policies: ( { name = "memory"; summary = "cycle once"; owner = "dc"; subject = "host"; mode = "enforce";
  when = { event = "memory.uncorrectable"; severity = "major"; settle = "0s"; };
  do = ( { step = "cycle"; action = "power.cycle"; timeout = "1m"; },
         { step = "verify"; check = "cleared"; within = "1m"; every = "1s"; } ); } );
EOT
config() { # EXTRA
    cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
api = { socket = "$dir/api.sock"; };
sources = ( { name = "sel"; type = "sel"; every = "1s"; traps = "$NS_SOURCE/etc/traps"; } );
$1
EOT
}
config ""
doctor() { ns source doctor sel -o json 2>&1 || true; }
doctor_says() { grep -qE "$1" <<<"$(doctor)"; }
events_of() { ns event list --limit 1000 -o json | jq -c --arg host "$1" '[.items[] | select(.source == "sel" and .host == $host)]'; }
told() { events_of "$1" | jq length; }
told_is() { [ "$(told "$1")" = "$2" ]; }
told_some() { [ "$(told "$1")" -gt "$2" ]; }
raised() { ns alarm list --host "$1" -o json | jq -r '[.items[] | select(.state == "raised") | .type] | sort | join(" ")'; }
raised_is() { [ "$(raised "$1")" = "$2" ]; }
admin() { # ADDRESS PORT PASSWORD SUITE COMMAND...
    local address=$1 port=$2 password=$3 suite=$4
    shift 4
    ipmitool -I lanplus -C "$suite" -H "$address" -p "$port" -U admin -P "$password" "$@" 2>/dev/null
}
lab_password=$(cat "$dir/lab/bmc.password")
on_lab() { local host=$1; shift; admin "$(address_of "$host")" "$ipmi_port" "$lab_password" 17 "$@"; }
on_sim() { admin "$sim_address" "$ipmi_port" secret 3 "$@"; }

# What was there long before us is not news.
lab sel r1h04 add 000002000000402000040c016fa1ffff >/dev/null
daemon_start
await 30 doctor_says '5 BMCs: 5 answer, 0 do not' || { cat "$dir/log"; fail "not all were read: $(doctor)"; verdict; }
ok "all BMCs are read"
is "what was there before is passed over" "$(told r1h04)" 0
is "the two records of the simulator have no time, and are passed over" "$(told sim1)" 0

# ---- row by row as ipmitool reads it ------------------------------------------------------------------------------------
rows() { # Types, directions, makers' records; id and time are the BMC's
    local z=000002000000002000
    local type
    for type in 01:01:59a0a5 01:81:57a0a5 02:01:52ffff 04:01:50ffff 04:0b:01ffff 04:08:00ffff 05:6f:00ffff 07:6f:01ffff 07:6f:0cffff \
        08:6f:01ffff 08:ef:01ffff 08:6f:36ff02 08:0b:00ffff 09:6f:04ffff 0c:6f:00ffff 0c:6f:31ff03 0c:ef:31ff03 0c:6f:05ffff \
        0d:6f:01ffff 0d:6f:07ffff 10:6f:02ffff 11:6f:05ffff 12:6f:05ffff 13:6f:04ffff 13:6f:08ffff 14:6f:00ffff 19:6f:01ffff \
        1d:6f:01ffff 1e:6f:00ffff 1f:6f:01ffff 20:6f:01ffff 21:6f:f00907 22:6f:06ffff 23:6f:01ffff 25:6f:01ffff 27:6f:00ffff \
        28:6f:04ffff 29:6f:01ffff 2b:6f:02ffff 2c:6f:07ffff 03:07:02ffff 16:0a:06ffff 15:04:01ffff 17:05:01ffff 26:06:01ffff \
        18:09:00ffff 0b:0c:03ffff 0b:02:02ffff 08:03:01ffff; do
        IFS=: read -r sensor kind data <<<"$type"
        echo "${z}04${sensor}07${kind}${data}"
    done
    echo 0000c1000000005a3100aabbccddeeff
    echo 0000e20102030405060708090a0b0c0d
}
compare() { # EVENTS ELIST LIST: ours against ipmitool's, every field of every record; LIST has the times, which -v lacks
    python3 - "$@" <<'PY'
import json, re, sys, time
ours = sorted(json.load(open(sys.argv[1])), key=lambda e: e["seq"])
ours = [e["data"] for e in ours if "record" in e["data"]]
theirs, row = [], None
times = {}
for line in open(sys.argv[3]):
    parts = [part.strip() for part in line.split("|")]
    if len(parts) > 2:
        times["%04x" % int(parts[0], 16)] = parts[1] + " " + parts[2].replace(" UTC", "")
for line in open(sys.argv[2]):
    found = re.match(r"\s*([A-Za-z][A-Za-z0-9 /()]*?)\s*: ?(.*)$", line)
    if not found:
        continue
    name, value = found.group(1).strip(), found.group(2).strip()
    if name == "SEL Record ID":
        row = {}
        theirs.append(row)
    if row is not None:
        row.setdefault(name, value)
bad = []
if len(ours) != len(theirs):
    bad.append("%d records, ipmitool has %d" % (len(ours), len(theirs)))
for own, row in zip(ours, theirs):
    said = {"SEL Record ID": "%04x" % own["record"], "Record Type": "%02x" % own["record_type"]}
    if own["record_type"] < 0xe0:
        set = own["bmc_time"] >= 0x20000000
        form = time.strftime("%m/%d/%y %H:%M:%S", time.gmtime(own["bmc_time"]))
        said["Timestamp"] = form if set else "Pre-Init %010d" % own["bmc_time"]
        row["Timestamp"] = times.get(said["SEL Record ID"], "(none)")
    if own["record_type"] == 2:
        said.update({"Generator ID": "%04x" % own["generator"], "Sensor Type": own["sensor_words"],
                     "Sensor Number": "%02x" % own["sensor_number"], "Event Data": own["event_data"],
                     "Event Direction": ("Dea" if own["deasserted"] else "A") + "ssertion Event"})
        said["Description"] = own["event_words"]
    elif own["record_type"] < 0xe0:
        said["OEM Defined"] = own["event_data"]
    for name in said:
        theirs_said = row.get(name, "(none)")
        if name in ("OEM Defined", "Record Type"):
            theirs_said = theirs_said.split()[0] if theirs_said.split() else ""
        if said[name].lower() != theirs_said.lower():
            bad.append("record %s: %s is %r, ipmitool says %r" % (said["SEL Record ID"], name, said[name], theirs_said))
print("\n".join(bad) if bad else "%d records agree" % len(ours))
PY
}
on_lab r1h04 sel clear >/dev/null
count=0
while read -r record; do
    lab sel r1h04 add "$record" >/dev/null
    count=$((count + 1))
done < <(rows)
await 30 told_is r1h04 $count || fail "told: $(told r1h04) of $count: $(doctor)"
events_of r1h04 >"$dir/ours.json"
on_lab r1h04 sel elist -v >"$dir/elist"
on_lab r1h04 sel list >"$dir/list"
is "the lab's log, as ipmitool reads it" "$(compare "$dir/ours.json" "$dir/elist" "$dir/list")" "$count records agree"
printf '0x04 0x0c 0x01 0x6f 0x01 0xff 0xff\n0x04 0x01 0x30 0x01 0x59 0xff 0xff\n0x04 0x08 0x02 0xef 0x01 0xff 0xff\n' >"$dir/add"
on_sim sel clear >/dev/null
on_sim sel add "$dir/add" >/dev/null
on_sim sel time set now >/dev/null # Until here its clock was never set.
on_sim sel add "$dir/add" >/dev/null
sim_count() { on_sim sel info | sed -n 's/^Entries *: *//p'; }
await 30 told_is sim1 "$(sim_count)" || fail "ipmi_sim: told $(told sim1) of $(sim_count): $(doctor)"
is "ipmi_sim has records" "$(sim_count)" 6
events_of sim1 >"$dir/ours.json"
on_sim sel elist -v >"$dir/elist"
on_sim sel list >"$dir/list"
is "ipmi_sim's log, as ipmitool reads it" "$(compare "$dir/ours.json" "$dir/elist" "$dir/list")" "$(sim_count) records agree"

# The same records as a file.
on_lab r1h04 sel writeraw "$dir/raw" >/dev/null
is "source test, of ipmitool's file" "$(ns source test sel "$dir/raw" --config "$dir/nightshift.conf" -o json | jq -c '[.items[] | [.type, .resource]]')" \
    "$(events_of r1h04 | jq -c '[sort_by(.seq)[] | [.type, .resource]]')"

# ---- 200 records over kill -9 and clear -------------------------------------------------------------------------------------
put() { # FROM TO: System Event records, told apart by their data
    local n
    for n in $(seq "$1" "$2"); do
        lab sel r1h02 add "$(printf '0000020000000020000412076f01%04x' "$n")" >/dev/null
    done
}
put 1 40
daemon_kill
put 41 60
daemon_start
await 30 told_some r1h02 0 || fail "nothing after kill -9"
daemon_kill
daemon_start
await 30 told_is r1h02 60 || fail "after two kills: $(told r1h02) of 60"
lab sel r1h02 halves >/dev/null # From here on by halves, under reservations.
put 61 100
await 30 told_is r1h02 100 || fail "by halves: $(told r1h02) of 100: $(doctor)"
lab sel r1h02 restart-ids >/dev/null
put 101 130
daemon_kill
put 131 150
daemon_start
await 30 told_is r1h02 150 || fail "cleared, ids again from 1, and killed: $(told r1h02) of 150: $(doctor)"
daemon_kill
lab sel r1h02 restart-ids >/dev/null
put 151 200
daemon_start
await 30 told_is r1h02 200 || fail "cleared while it was away: $(told r1h02) of 200: $(doctor)"
is "200 records: none lost, none twice" "$(events_of r1h02 | jq -r '[.[].data.event_data[2:]] | "\(length) \(unique | length) \(min) \(max)"')" "200 200 0001 00c8"
lab sel r1h02 well >/dev/null

# ---- faults -------------------------------------------------------------------------------------------------------------------
lab sel r1h02 lost >/dev/null
put 201 201
await 30 doctor_says 'was reserved 8 times and lost each time' || fail "lost reservations: $(doctor)"
lab sel r1h02 well >/dev/null
lab hang r1h03 >/dev/null
await 40 doctor_says 'no answer to open session after 4 tries' || fail "a BMC that hangs: $(doctor)"
lab sel r1h04 add "$(printf '0000020000000020000412076f01%04x' 999)" >/dev/null
await 20 told_is r1h04 $((count + 1)) || fail "one that hangs delays the others"
ok "one that hangs delays nobody"
lab honest r1h03 >/dev/null
lab sel r1h04 room $((count + 5)) >/dev/null
lab sel r1h04 add "$(printf '0000020000000020000412076f01%04x' 998)" >/dev/null
full() { ns alarm list --host r1h04 -o json | jq -r '[.items[] | select(.type == "event-log.full" and .state == "raised") | .state] | join(" ")'; }
full_is() { [ "$(full)" = "$1" ]; }
await 30 full_is raised || fail "a log that is nearly full: $(full) $(doctor)"
has "the doctor tells full logs" "$(doctor)" '1 logs are full or nearly so, such as r1h04'
lab sel r1h04 clear >/dev/null
await 30 full_is "" || fail "cleared by a person: $(full)"
lab sel r1h04 clock 7200 >/dev/null
lab sel r1h04 add "$(printf '0000020000000020000412076f01%04x' 997)" >/dev/null
await 30 doctor_says 'the worst: r1h04, (1h59m|2h)[0-9ms]* ahead' || fail "a clock that is off: $(doctor)"
age() { events_of r1h04 | jq -c 'max_by(.seq) | now - (.time[0:19] + "Z" | fromdate) < 60'; }
is "its record is of now all the same" "$(age)" true

# ---- a healing by policy ----------------------------------------------------------------------------------------------------------
ledger_mark
lab fail r1h01 memory >/dev/null
cured() { physics_of r1h01 | grep -q 'cured memory'; }
await 40 cured || fail "not healed: $(ns run list -o json | jq -c '.items[]') $(cat "$dir/log" | tail -5)"
ok "a record of its log: the host was cycled"
await 40 raised_is r1h01 "" || fail "the alarm stands: $(raised r1h01)"
is "by one run" "$(ns run list -o json | jq -c '[.items[] | select(.host == "r1h01") | .policy]')" '["memory"]'
has "the sensor has its name" "$(events_of r1h01 | jq -r '.[].message')" 'uncorrectable ECC error \(DIMM A1: Uncorrectable ECC\)'

# ---- a trap and a record of the same -----------------------------------------------------------------------------------------------
daemon_stop
config "snmp = { listen = [\"udp:127.0.0.1:$trap_port\"]; communities = [\"public\"]; };"
daemon_start
lab fail r1h03 psu >/dev/null
both() {
    ns event list --limit 1000 -o json | jq -e '[.items[] | select(.host == "r1h03" and .type == "power.supply.failed" and .state == "raise" and .resource == "psu/3") | .source | sub("/.*"; "")] | unique == ["sel", "trap"]'
}
await 30 both || fail "not both came: $(ns event list --limit 20 -o json | jq -c '.items[] | [.source, .host, .type, .resource]')"
is "a trap and a record: one alarm" "$(ns alarm list --host r1h03 -o json | jq -c '[.items[] | select(.type == "power.supply.failed") | [.state, .resource, .count >= 2]]')" '[["raised","psu/3",true]]'
lab repair r1h03 psu >/dev/null
await 30 raised_is r1h03 "" || fail "mended: $(raised r1h03)"
daemon_stop
lab_stop
verdict
