#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The libvirt driver and its program against libvirt's own test driver: every state, every verb, transient domains, another
# UUID, and hypervisors that refuse, do not exist or accept and say nothing. A test driver lives as long as its connection, so
# each call meets the domains as the file has them.
# timeout: 120
. "$(dirname "$0")/common.sh"
needs jq python3
[ -x "$bin/nightshift-libvirt" ] || skip "nightshift-libvirt is not built (libvirt-dev)"

domain() { # NAME NUMBER MORE
    echo "<domain type='test'><name>$1</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e19$2</uuid><memory>1048576</memory><vcpu>2</vcpu>
        <os><type>hvm</type></os>$3</domain>"
}
ns="xmlns:test='http://libvirt.org/schemas/domain/test/1.0'"
one() { # NAME NUMBER RUNSTATE [MORE]
    domain "$1" "$2" "<test:runstate $ns>$3</test:runstate>${4:-}"
}
mkdir -p "$dir/lab"
{
    echo "<node><cpu><mhz>1400</mhz><nodes>1</nodes><sockets>1</sockets><cores>8</cores><active>8</active></cpu><memory>8192000</memory>"
    one running 01 1
    one paused 03 3
    one off 05 5
    one crashed 06 6
    one fleeting 08 1 "<test:transient $ns/>"
    echo "</node>"
} >"$dir/domains.xml"
uri=test://$dir/domains.xml
install -m 600 /dev/stdin "$dir/lab/secret" <<<libvirt-secret
never_said=libvirt-secret

# A listener that accepts and says nothing.
python3 -c 'import socket, sys, time
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(16)
open(sys.argv[1], "w").write("%d\n" % listener.getsockname()[1])
held = []
while True: held.append(listener.accept())' "$dir/port" &
pids+=("$!")
await 20 test -s "$dir/port" || fail "no listener"
mute=$(cat "$dir/port")
closed=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

host() { # NAME URI [SETTINGS]
    echo "{ name = \"$1\"; rack = \"r1\"; bmc = { driver = \"libvirt\"; uri = \"$2\"; helper = \"$bin/nightshift-libvirt\"; ${3:-} }; }"
}
{
    echo "hosts: ("
    for name in running paused off crashed fleeting; do echo "$(host $name "$uri"),"; done
    host other "$uri" 'domain = "running"; uuid = "6695eb01-f6a4-8304-79aa-97f2502e19ff";'
    echo ,
    host by-uuid "$uri" 'domain = "6695EB01-F6A4-8304-79AA-97F2502E1901"; uuid = "6695eb01-f6a4-8304-79aa-97f2502e1901";'
    echo ,
    host nobody "$uri"
    echo ,
    host mute "qemu+tcp://127.0.0.1:$mute/system" 'user = "ns"; password = "file:secret";'
    echo ,
    host closed "qemu+tcp://127.0.0.1:$closed/system"
    echo ,
    host strange "nonsense+tcp://127.0.0.1:$closed/"
    echo ,
    echo "{ name = \"nowhere\"; rack = \"r1\"; bmc = { driver = \"libvirt\"; uri = \"$uri\"; helper = \"$dir/none\"; }; }"
    echo ");"
} >"$dir/inventory.conf"
drive_open "$dir/inventory.conf" "$dir/lab"

# ---- states ---------------------------------------------------------------------------------------------------------
for row in "running on running" "paused on paused" "off off off" "crashed on crashed"; do
    read -r name power word <<<"$row"
    call "$name" power.status
    told "$name: what it is" '"\(.code) \(.result.power) \(.result.state)"' "ok $power $word"
done
call running probe
outcome "probe: runs" ok false
for name in paused off crashed; do
    call "$name" probe
    outcome "probe: $name" silent false "the domain is $name"
done
call running libvirt.status
told "status" '"\(.result.processors) \(.result.memory_mib) \(.result.persistent) \(.result.type)"' "2 1024 true TEST"
call by-uuid power.status
told "found by UUID" '"\(.code) \(.result.name)"' "ok running"

# ---- verbs ----------------------------------------------------------------------------------------------------------
call running power.on
told "on: it is" '"\(.code) \(.result.changed)"' "ok false"
call off power.on
told "on: started" '"\(.code) \(.result.power) \(.result.state) \(.result.changed)"' "ok on running true"
call paused power.on
told "on: resumed" '"\(.code) \(.result.state) \(.result.changed)"' "ok running true"
call crashed power.cycle
told "cycle: what crashed starts again" '"\(.code) \(.result.state)"' "ok running"
call running power.off
told "off" '"\(.code) \(.result.power) \(.result.changed)"' "ok off true"
call off power.off
told "off: it is" '"\(.code) \(.result.changed)"' "ok false"
call running power.cycle
told "cycle" '"\(.code) \(.result.power)"' "ok on"
call off power.cycle
told "cycle: what is off is started" '"\(.code) \(.result.power)"' "ok on"
call running reset.hard
told "reset" '"\(.code) \(.result.power)"' "ok on"
call running reset.soft
told "reboot" '"\(.code) \(.result.power)"' "ok on"
call off reset.hard
outcome "reset: it is off" conflict false 'the domain is off'
call running libvirt.shutdown
told "shutdown" '"\(.code) \(.result.power)"' "ok off"
call running libvirt.doctor
told "doctor" '[.result.checks[].check] | join(" ")' "connection rights domain autostart"

# ---- what must not be -----------------------------------------------------------------------------------------------
for verb in power.off power.cycle libvirt.shutdown; do
    call fleeting $verb
    outcome "$verb: a transient domain would be gone" conflict false 'transient'
done
call other power.cycle
outcome "another UUID" mismatch false '6695eb01-f6a4-8304-79aa-97f2502e1901'
call nobody power.off
outcome "no such domain" not-found false 'Domain not found'
call running libvirt.migrate to=test:///default
outcome "migrate: the test driver cannot" unsupported false 'migrat'
call closed power.cycle
outcome "nobody listens" unreachable false 'refused'
call strange power.cycle
told "no such hypervisor" '"\(.code != "ok") \(.effect_possible)"' "true false"
call mute power.cycle timeout=4000
outcome "a hypervisor that says nothing" timeout false 'no order had left'
call nowhere power.cycle
told "no helper" '"\(.code != "ok") \(.effect_possible)"' "true false"

# ---- many at once ---------------------------------------------------------------------------------------------------
for i in $(seq 20); do begin running power.status; done
good=0
for i in $(seq 20); do
    answer "many"
    [ "$(jq -r .result.power <<<"$out")" != on ] || good=$((good + 1))
done
is "twenty at once" "$good" 20
drive_stop
verdict
