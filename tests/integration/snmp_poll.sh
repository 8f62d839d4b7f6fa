#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SNMP polls against the packaged snmpd: a switch whose ports go down (one alarm, also when its trap comes), counters that go
# round, an agent that starts again with other indices, v3, one that hangs, a UPS, Linux' own tables. What snmpget says of
# the same agents is what we say.
# timeout: 240
. "$(dirname "$0")/common.sh"
needs snmpd snmpget snmpbulkwalk snmptrap jq python3
port=$((trap_port + 2000))
modules="" # That snmpd is to leave to the script.
a=${base%.0}

# ---- agents -------------------------------------------------------------------------------------------------------------
agent_start() { # NAME ADDRESS [LINE...]: further lines of its configuration; its pid in $agent
    local name=$1 address=$2
    shift 2
    mkdir -p "$dir/$name"
    {
        echo "agentaddress udp:$address:$port"
        echo "rocommunity public 127.0.0.0/8"
        echo 'createUser watcher SHA-256 "authpass12" AES "privpass12"'
        echo 'rouser watcher priv'
        printf '%s\n' "$@"
    } >"$dir/$name/snmpd.conf"
    SNMP_PERSISTENT_DIR=$dir/$name snmpd -f -Lf "$dir/$name/log" ${modules:+"$modules"} -C -c "$dir/$name/snmpd.conf" </dev/null &
    agent=$!
    pids+=("$agent")
    await 20 snmpget -v2c -c public -t 0.5 -r 0 "$address:$port" 1.3.6.1.2.1.1.3.0 || fail "$name: $(cat "$dir/$name/log")"
}
serves() { # NAME OID...: a script that has these objects of the file $dir/NAME/objects
    local name=$1 oid
    shift
    for oid in "$@"; do
        echo "pass_persist -p 10 $oid $(command -v python3) $NS_SOURCE/tests/integration/agent.py $dir/$name/objects"
    done
}
port_rows() { # INDEX NAME ADMIN OPER ERRORS CHANGED
    cat <<ROWS
1.3.6.1.2.1.2.2.1.2.$1 string port $2
1.3.6.1.2.1.2.2.1.7.$1 integer $3
1.3.6.1.2.1.2.2.1.8.$1 integer $4
1.3.6.1.2.1.2.2.1.9.$1 timeticks $6
1.3.6.1.2.1.2.2.1.14.$1 counter $5
1.3.6.1.2.1.31.1.1.1.1.$1 string $2
1.3.6.1.2.1.31.1.1.1.6.$1 counter64 $((1 << 40))
1.3.6.1.2.1.31.1.1.1.15.$1 gauge 25000
ROWS
}
switch_is() { # the rows of stdin, at once
    cat >"$dir/sw1/new" && mv "$dir/sw1/new" "$dir/sw1/objects"
}
switch_start() { modules=-I-ifTable,-ifXTable,-interfaces,-interface agent_start sw1 "$a.1" "$(serves sw1 .1.3.6.1.2.1.2 .1.3.6.1.2.1.31)"; switch=$agent; }
ups_is() { # SOURCE SECONDS
    cat >"$dir/ups1/new" <<ROWS
1.3.6.1.2.1.33.1.2.1.0 integer 2
1.3.6.1.2.1.33.1.2.2.0 integer $2
1.3.6.1.2.1.33.1.2.4.0 integer 87
1.3.6.1.2.1.33.1.4.1.0 integer $1
ROWS
    mv "$dir/ups1/new" "$dir/ups1/objects"
}
mkdir -p "$dir/sw1" "$dir/ups1" "$dir/policies"
for i in 1 2 3 4; do port_rows $i "e$i" 1 1 4294967290 0; done | switch_is
port_rows 5 e5 2 2 0 0 >>"$dir/sw1/objects" # Switched off: no alarm.
port_rows 6 e6 1 2 0 0 >>"$dir/sw1/objects" # Down already.
ups_is 3 0
switch_start
agent_start ups1 "$a.2" "$(serves ups1 .1.3.6.1.2.1.33)"
agent_start linux1 "$a.3" 'disk / 99%' 'load 900 900 0.001' # No disk where / is no mount of its own.
agent_start v3only "$a.4"

cat >"$dir/policies/link.policy" <<EOT
policies: ( {
  name = "link"; summary = "Page for a link that is down"; owner = "test"; subject = "host"; mode = "enforce";
  when = { event = "network.link.down"; severity = "major"; };
  do = ( { step = "page"; action = "page"; with = { text = "\${host.name} lost a link"; }; } );
} );
EOT
cat >"$dir/inventory.conf" <<EOT
defaults: { bmc = { driver = "probe"; log = "$dir/calls"; }; };
hosts: (
  { name = "sw1"; role = "switch"; addresses = ["$a.1"]; },
  { name = "mute"; role = "mute"; addresses = ["$a.6"]; },
  { name = "linux1"; role = "server"; addresses = ["$a.3"]; labels = { snmp = "yes"; }; },
  { name = "other"; role = "server"; addresses = ["$a.9"]; } );
EOT
install -m 600 /dev/stdin "$dir/public" <<<public
install -m 600 /dev/stdin "$dir/auth" <<<authpass12
install -m 600 /dev/stdin "$dir/priv" <<<privpass12
install -m 600 /dev/stdin "$dir/bad" <<<wrongpass12
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
credentials = "$dir";
traps = "$NS_SOURCE/etc/traps";
snmp: { listen = ["udp:$a.1:$((port + 1))"]; };
sources = (
  { name = "net"; type = "snmp-poll"; select = { role = "switch"; }; port = $port; community = "file:public";
    devices = ( { name = "ups1"; address = "$a.2:$port"; }, { name = "hung"; address = "$a.5:$port"; } );
    tables = ["interfaces", "ups"]; every = "300ms"; timeout = "2s"; retries = 0; },
  { name = "mutes"; type = "snmp-poll"; select = { role = "mute"; }; port = $port; community = "file:public"; tables = ["ups"];
    every = "300ms"; timeout = "5s"; retries = 0; },
  { name = "hosts"; type = "snmp-poll"; select = { snmp = "y*"; }; port = $port; community = "file:public"; every = "500ms";
    timeout = "5s"; },
  { name = "secure"; type = "snmp-poll"; devices = ( { name = "v3only"; address = "$a.4:$port"; } ); version = "3";
    user = "watcher"; auth_protocol = "sha256"; auth_password = "file:auth"; priv_password = "file:priv"; every = "300ms";
    timeout = "5s"; },
  { name = "denied"; type = "snmp-poll"; devices = ( { name = "denied"; address = "$a.2:$port"; } ); version = "3";
    user = "watcher"; auth_protocol = "sha256"; auth_password = "file:bad"; priv_password = "file:priv"; every = "300ms";
    timeout = "5s"; tables = ["interfaces"]; fails = 1; } );
signals: (
  { name = "errors"; metric = "snmp_interface_in_errors_total"; resource = "labels.resource"; raise = { above = 9000000000.0; };
    clear = { below = 8999999999.0; }; severity = "warning"; event = "network.errors"; },
  { name = "every-number"; metric = "snmp_*"; raise = { above = 1.0e29; }; clear = { below = 9.0e28; }; severity = "info";
    event = "never"; } );
EOT
# Of nobody: silent. Bound, so that nothing refuses.
python3 -c '
import socket, sys, time
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in sys.argv[2:]]
for s, address in zip(sockets, sys.argv[2:]):
    s.bind((address, int(sys.argv[1])))
time.sleep(3600)' "$port" "$a.5" "$a.6" &
pids+=($!)
daemon_start
alarms() { ns alarm list -o json | jq -r --arg type "$1" '[.items[] | select(.type == $type and .state == "raised") | .host + "/" + .resource] | sort | join(" ")'; }
alarms_are() { [ "$(alarms "$1")" = "$2" ]; }
# What is said of a series: METRIC HOST RESOURCE.
value_of() {
    ns signal show every-number --limit 2000 -o json |
        jq -r --arg m "$1" --arg h "$2" --arg r "$3" '[.items[] | select(.host == $h and (.resource | startswith($m)) and ($r == "" or (.resource | contains("resource=" + $r)))) | .value] | first'
}
shown() { printf '%.6g' "${1/null/0}"; } # As many digits as a series keeps of its last value.
value_is() { [ "$(shown "$(value_of "$1" "$2" "$3")")" = "$(shown "$4")" ]; }

# ---- states -------------------------------------------------------------------------------------------------------------
await 30 alarms_are network.link.down "sw1/if/6" || fail "at first: $(alarms network.link.down) $(cat "$dir/log")"
ok "what is down at the first read is an alarm; what was switched off is none"
{ for i in 1 2 4; do port_rows $i "e$i" 1 1 4294967290 0; done; port_rows 3 e3 1 2 4294967290 50; port_rows 6 e6 1 1 0 60; } | switch_is
await 30 alarms_are network.link.down "sw1/if/3" || fail "port 3 is down: $(alarms network.link.down)"
ok "a port goes down, another comes back"
paged() { grep -q 'page - sw1: link' "$dir/calls"; }
await 20 paged || fail "no policy acted: $(cat "$dir/calls" 2>/dev/null)"
ok "and a policy acts"
count_of() { ns alarm list -o json | jq -r --arg r "$1" '[.items[] | select(.type == "network.link.down" and .resource == $r)] | length'; }
trap_from_switch() { # DOWN-OR-UP INDEX
    local oid=3 oper=2
    [ "$1" = down ] || { oid=4; oper=1; }
    snmptrap -v2c -c public --clientaddr="$a.1" "$a.1:$((port + 1))" '' 1.3.6.1.6.3.1.1.5.$oid 1.3.6.1.2.1.2.2.1.1."$2" i "$2" \
        1.3.6.1.2.1.2.2.1.7."$2" i 1 1.3.6.1.2.1.2.2.1.8."$2" i $oper
}
traps_seen() { [ "$(ns event list --type network.link.down --limit 50 -o json | jq '[.items[] | select(.source | startswith("trap/"))] | length')" = "$1" ]; }
trap_from_switch down 3
await 20 traps_seen 1 || fail "the trap did not come: $(cat "$dir/log")"
is "its trap as well: one alarm" "$(count_of if/3)" 1
is "paged once" "$(grep -c 'page - sw1: link' "$dir/calls")" 1
{ for i in 1 2 3 4; do port_rows $i "e$i" 1 1 4294967290 70; done; port_rows 6 e6 1 1 0 60; } | switch_is
await 30 alarms_are network.link.down "" || fail "port 3 is up: $(alarms network.link.down)"
ok "up again, without a trap that says so"
trap_from_switch down 2
await 20 alarms_are network.link.down "sw1/if/2" || fail "a trap alone: $(alarms network.link.down)"
{ for i in 1 3 4; do port_rows $i "e$i" 1 1 4294967290 70; done; port_rows 2 e2 1 1 4294967290 90; } | switch_is
await 30 alarms_are network.link.down "" || fail "linkUp was lost: $(alarms network.link.down)"
ok "a trap linkUp that was lost: ifLastChange tells it"

# ---- the same values as snmpget -----------------------------------------------------------------------------------------
get() { snmpget -v2c -c public -Oqvt "$1:$port" "$2"; }
await 20 value_is snmp_interface_in_bytes_total sw1 e1 "$(get "$a.1" 1.3.6.1.2.1.31.1.1.1.6.1)" || fail "octets: $(value_of snmp_interface_in_bytes_total sw1 e1)"
ok "64 bits of octets as snmpget reads them"
is "speed" "$(value_of snmp_interface_speed_mbps sw1 e1)" "$(get "$a.1" 1.3.6.1.2.1.31.1.1.1.15.1)"
is "errors" "$(shown "$(value_of snmp_interface_in_errors_total sw1 e1)")" "$(shown "$(get "$a.1" 1.3.6.1.2.1.2.2.1.14.1)")"
is "memory of a Linux host, in bytes" "$(shown "$(value_of snmp_memory_total_bytes linux1 '')")" "$(shown $(($(get "$a.3" 1.3.6.1.4.1.2021.4.5.0 | sed 's/ .*//') * 1024)))"
rows_ours=$(ns signal show every-number --limit 2000 -o json | jq '[.items[] | select(.host == "linux1" and (.resource | startswith("snmp_interface_in_errors_total")))] | length')
is "as many interfaces as snmpbulkwalk finds" "$rows_ours" "$(snmpbulkwalk -v2c -c public "$a.3:$port" 1.3.6.1.2.1.2.2.1.14 | wc -l)"
storages=$(ns signal show every-number --limit 2000 -o json | jq '[.items[] | select(.host == "linux1" and (.resource | startswith("snmp_storage_size_bytes")))] | length')
is "and storages" "$storages" "$(snmpbulkwalk -v2c -c public "$a.3:$port" 1.3.6.1.2.1.25.2.3.1.3 | awk '{$1=""; print}' | sort -u | wc -l)"

# ---- counters -----------------------------------------------------------------------------------------------------------
for errors in 30000000 20000000 10000000; do
    { port_rows 1 e1 1 1 $errors 70; for i in 2 3 4; do port_rows $i "e$i" 1 1 4294967290 90; done; } | switch_is
    wanted=$(case $errors in 30000000) echo $((4294967296 + 30000000)) ;; 20000000) echo $((2 * 4294967296 + 20000000)) ;; 10000000) echo $((3 * 4294967296 + 10000000)) ;; esac)
    await 30 value_is snmp_interface_in_errors_total sw1 e1 "$wanted" || fail "round at $errors: $(value_of snmp_interface_in_errors_total sw1 e1)"
done
ok "a counter of 32 bits that goes round goes on"
await 20 alarms_are network.errors "sw1/e1" || fail "the signal on it: $(ns alarm list -o json | jq -c '[.items[] | [.type, .host, .resource]]')"
ok "and a signal watches it"
# ---- the agent starts again, with other indices -----------------------------------------------------------------------------
kill "$switch" && wait "$switch" 2>/dev/null || true
{ for i in 11 12 13; do port_rows $i "e$((i - 10))" 1 1 7 0; done; port_rows 14 e4 1 2 7 0; } | switch_is
unreachable() { ns alarm list -o json | jq -e --arg h "$1" '.items[] | select(.type == "snmp.unreachable" and .host == $h and .state == "raised")'; }
await 40 unreachable sw1 || fail "sw1 is off: $(ns source doctor net)"
ok "an agent that is gone is an alarm of its own"
is "and no port is called down for it" "$(alarms network.link.down)" ""
switch_start
await 40 alarms_are network.link.down "sw1/if/14" || fail "with other indices: $(alarms network.link.down)"
await 20 value_is snmp_interface_in_errors_total sw1 e1 7 || fail "counters after the restart: $(value_of snmp_interface_in_errors_total sw1 e1)"
ok "after the restart indices are other interfaces, and counters begin anew"
await 20 eval '! unreachable sw1' || fail "it answers again"
is "the restart is told" "$(ns event list --type agent.restarted --limit 5 -o json | jq -r '.items[0].host')" sw1

# ---- a UPS, of no host of the inventory ----------------------------------------------------------------------------------------
await 20 value_is snmp_ups_charge_percent ups1 battery 87 || fail "the UPS's charge: $(value_of snmp_ups_charge_percent ups1 battery)"
ups_is 5 12
on_battery() { ns alarm list -o json | jq -e --arg s "trap/$a.2" '.items[] | select(.type == "ups.on-battery" and .state == "raised" and .source == $s)'; }
await 30 on_battery || fail "the UPS is on battery: $(ns alarm list -o json)"
ok "a UPS on battery, as its trap would say it"

# ---- v3, and who may not ---------------------------------------------------------------------------------------------------------
await 30 eval 'ns signal show every-number --limit 2000 -o json | jq -e ".items[] | select(.host == \"v3only\" and (.resource | startswith(\"snmp_uptime\")))"' || fail "v3: $(ns source doctor secure)"
ok "v3 by SHA-256 and AES"
await 20 eval 'ns event list --type snmp.unreachable --limit 50 -o json | jq -e ".items[] | select(.data.device == \"denied\" and .state == \"raise\")"' || fail "a wrong password: $(ns source doctor denied)"
has "a wrong password, and why" "$(ns source doctor denied -o json 2>&1)" 'denied: .*([Aa]uthentication|digest|[Ww]rong|user)'

# ---- one that hangs delays nobody ---------------------------------------------------------------------------------------------------
await 30 eval 'ns event list --type snmp.unreachable --limit 50 -o json | jq -e ".items[] | select(.data.device == \"hung\" and .state == \"raise\")"' || fail "the one that hangs: $(ns source doctor net)"
{ for i in 11 12 13; do port_rows $i "e$((i - 10))" 1 1 7 0; done; port_rows 14 e4 1 1 7 0; } | switch_is
await 20 alarms_are network.link.down "" || fail "while one hangs: $(alarms network.link.down)"
ok "the others go on"
has "the doctor names it" "$(ns source doctor net -o json 2>&1)" 'hung: no answer'
has "and counts" "$(ns source doctor net 2>&1)" '[0-9]+ reads, [0-9]+ failed'

# ---- a restart of ours --------------------------------------------------------------------------------------------------------------
{ for i in 11 12 13; do port_rows $i "e$((i - 10))" 1 1 7 0; done; port_rows 14 e4 1 2 7 0; } | switch_is
await 20 alarms_are network.link.down "sw1/if/14" || fail "before the restart: $(alarms network.link.down)"
daemon_kill
{ for i in 11 12 13; do port_rows $i "e$((i - 10))" 1 1 7 0; done; port_rows 14 e4 1 1 7 0; } | switch_is
ups_is 3 0
daemon_start
await 30 alarms_are network.link.down "" || fail "what ended while we were away: $(alarms network.link.down)"
await 30 eval '! on_battery' || fail "the UPS is back"
ok "what ended while we were away is over, of a host and of a device"

# ---- who is not polled any more leaves no alarm ---------------------------------------------------------------------------------------
port_14_down() { { for i in 11 12 13; do port_rows $i "e$((i - 10))" 1 1 7 0; done; port_rows 14 e4 1 2 7 0; } | switch_is; }
clears() { ns event list --type "$1" --limit 1000 -o json | jq --arg s "$2" '[.items[] | select(.subject == $s and .state == "clear" and .message == "it is not looked at any more")] | length'; }
port_14_down
await 20 alarms_are network.link.down "sw1/if/14" || fail "down again: $(alarms network.link.down)"
sed -i '/"sw1"/s/role = "switch"/role = "other"/' "$dir/inventory.conf"
ns reload >/dev/null
await 20 alarms_are network.link.down "" || fail "sw1 is not selected any more: $(alarms network.link.down)"
ok "a device that the selector leaves out leaves no alarm"
is "told once" "$(clears network.link.down sw1)" 1
sed -i '/"sw1"/s/role = "other"/role = "switch"/' "$dir/inventory.conf"
ns reload >/dev/null
await 20 alarms_are network.link.down "sw1/if/14" || fail "selected again: $(alarms network.link.down)"
sed -i '/"sw1"/d' "$dir/inventory.conf"
ns reload >/dev/null
await 20 alarms_are network.link.down "" || fail "sw1 has left the inventory: $(alarms network.link.down)"
ok "nor one that left the inventory"
silent() { ns alarm list -o json | jq -e --arg s "$1" '.items[] | select(.type == "snmp.unreachable" and .state == "raised" and (.subject == $s or .host == $s))'; }
await 20 silent hung || fail "hung is silent: $(ns alarm list -o json)"
await 30 silent mute || fail "mute is silent: $(ns alarm list -o json)"
daemon_kill
sed -i 's/, { name = "hung"; address = "[^"]*"; }//' "$dir/nightshift.conf"
daemon_start
await 20 eval '! silent hung' || fail "hung is not configured any more"
ok "nor one that left the configuration while the daemon was not there"
is "told once as well" "$(clears snmp.unreachable hung)" 1
silent mute >/dev/null || fail "mute is silent from before: $(ns alarm list -o json)"
sed -i '/"mute"/d' "$dir/inventory.conf" # Of this start nothing was told of it yet: that takes two timeouts.
ns reload >/dev/null
await 20 eval '! silent mute' || fail "mute has left the inventory"
ok "nor one of which only the time before the start knew"

# ---- without the daemon: what a walk says --------------------------------------------------------------------------------------------
snmpbulkwalk -Onet -v2c -c public "$a.3:$port" .1.3.6.1.4.1.2021 >"$dir/walk"
has "source test shows what a walk becomes" "$("$bin/nightshift" source test hosts "$dir/walk" --config "$dir/nightshift.conf" 2>&1)" 'filesystem.full|performance.load'
sed 's/"interfaces", "ups"/"interfaces", "upps"/; s/community = "file:public"; every = "500ms"/every = "500ms"/' "$dir/nightshift.conf" >"$dir/wrong.conf"
if out=$("$bin/nightshiftd" --check --config "$dir/wrong.conf" 2>&1); then fail "a wrong configuration is taken"; fi
has "a set that is none" "$out" "wrong.conf:[0-9]+:[0-9]+: error: no set of tables 'upps'"
has "no community" "$out" 'v2c needs a community'
daemon_stop
verdict
