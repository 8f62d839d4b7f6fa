# SPDX-License-Identifier: Apache-2.0
# Sourced by tests that call drivers of many kinds side by side (tests/tools/together.c), after common.sh: peers, each a
# process of its own, and the inventory of hosts behind them. The rack of a host is the name of its peer.
PATH=$PATH:/usr/sbin
needs jq curl python3 snmpd snmpget sshd ssh-keygen
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd 2>/dev/null || skip "sshd wants /run/sshd, and it cannot be made"
declare -A peer # NAME -> process
inventory=
verbs=(redfish=power.status ipmi=power.status kubernetes=kubernetes.status snmp=power.status ssh=probe exec=power.status
    function=power.status)
mkdir -p "$dir/secrets"
printf nightshift-lab | install -m 600 /dev/stdin "$dir/secrets/bmc"

host() { # PEER NUMBER BINDING
    inventory+="  { name = \"$1-$2\"; rack = \"$1\"; $3 },
"
}
kinds_lab() { # NAME NUMBER OPTION...: a lab of its own; $lab_at is its state
    lab_at=$dir/$1
    mkdir -p "$lab_at"
    "$bin/nightshift-lab" --base "$base" --https-port $((https_port + $2)) --ipmi-port $((ipmi_port + $2)) --state "$lab_at" \
        --password nightshift-lab --quiet "${@:3}" >"$dir/$1.log" 2>&1 &
    peer[$1]=$!
    pids+=($!)
    await 60 "$bin/nightshift-lab" ctl "$lab_at/ctl" stats || { cat "$dir/$1.log"; echo "$1 did not start"; exit 1; }
}
kinds_bmcs() { # NAME KIND: what the newest lab has of a kind
    local number=0 address
    while read -r address; do
        number=$((number + 1))
        case $2 in
        redfish) host "$1" $2-$number "bmc = { driver = \"redfish\"; address = \"https://$address\"; credentials = \"lab\"; ca_file = \"$lab_at/ca.pem\"; };" ;;
        *) host "$1" $2-$number "bmc = { driver = \"ipmi\"; address = \"$address\"; credentials = \"lab\"; };" ;;
        esac
    done < <("$bin/nightshift-lab" ctl "$lab_at/ctl" state | jq -r "select(.kind == \"$2\").address")
}
kinds_kubernetes() { # NAME NUMBER COUNT: COUNT hosts of ten nodes
    local number kube_port=$((9000 + $$ % 900))
    kinds_lab "$1" "$2" --racks 1 --hosts 10 --kube-port $kube_port
    printf nightshift-lab | install -m 600 /dev/stdin "$dir/secrets/kube"
    for number in $(seq "$3"); do
        host "$1" "$number" "node = { driver = \"kubernetes\"; url = \"https://$base:$kube_port\"; ca_file = \"$lab_at/ca.pem\"; token = \"file:kube\"; node = \"$(printf 'r1h%02d' $((number % 10 + 1)))\"; };"
    done
}
kinds_snmp() { # NAME COUNT: COUNT hosts on the outlets of one PDU
    local number address=${base%.0}.250
    mkdir -p "$dir/$1/state"
    cat >"$dir/$1/snmpd.conf" <<CONF
agentaddress udp:$address:$trap_port
rwcommunity private 127.0.0.0/8
sysobjectid .1.3.6.1.4.1.318.1.3.4.5
pass_persist .1.3.6.1.4.1.318.1.1.12 $(command -v python3) $NS_SOURCE/tests/integration/pdu.py $dir/$1 apc-rpdu
CONF
    SNMP_PERSISTENT_DIR=$dir/$1/state snmpd -f -Lf "$dir/$1/log" -C -c "$dir/$1/snmpd.conf" </dev/null &
    peer[$1]=$!
    pids+=($!)
    await 30 snmpget -v2c -c private -t 1 -r 0 -Oqv "$address:$trap_port" 1.3.6.1.2.1.1.2.0 || { cat "$dir/$1/log"; echo "snmpd did not start"; exit 1; }
    printf private | install -m 600 /dev/stdin "$dir/secrets/community"
    for number in $(seq "$2"); do
        host "$1" "$number" "outlet = { driver = \"snmp\"; address = \"$address:$trap_port\"; outlets = \"$((number % 8 + 1))\"; community = \"file:community\"; };"
    done
}
ssh_up() { kill -0 "${peer[$1]}" 2>/dev/null && (exec 3<>"/dev/tcp/$ssh_address/$ssh_port"); }
# SHLVL: or bash, called by a server, runs the user's .bashrc for each command, which may take longer than all the rest.
kinds_ssh() { # NAME COUNT
    local number last=$((https_port + 9030))
    ssh_address=${base%.0}.251 ssh_port=$((https_port + 9000))
    ssh-keygen -q -t ed25519 -N '' -f "$dir/secrets/$1" -C "$1"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/$1.host"
    while :; do
        cat >"$dir/$1.config" <<CONF
ListenAddress $ssh_address:$ssh_port
HostKey $dir/$1.host
AuthorizedKeysFile $dir/secrets/$1.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 2000
SetEnv SHLVL=5
PermitRootLogin prohibit-password
CONF
        "$(command -v sshd)" -D -f "$dir/$1.config" -E "$dir/$1.log" &
        peer[$1]=$!
        pids+=($!)
        ! await 20 ssh_up "$1" || break
        ssh_port=$((ssh_port + 1))
        [ $ssh_port -lt $last ] || { cat "$dir/$1.log"; echo "sshd did not start"; exit 1; }
    done
    local fingerprint
    fingerprint=$(ssh-keygen -lf "$dir/$1.host.pub" | cut -d' ' -f2)
    for number in $(seq "$2"); do
        host "$1" "$number" "os = { driver = \"ssh\"; address = \"$ssh_address:$ssh_port\"; user = \"$(id -un)\"; private_key = \"file:$1\"; connect_timeout = \"2m\"; login_timeout = \"5m\"; boot_id_command = [\"true\"]; host_key = \"$fingerprint\"; };"
    done
}
# A program for each call: one that hangs while $dir/NAME.hangs is there.
kinds_exec() { # NAME COUNT
    local number
    cat >"$dir/$1.sh" <<PROGRAM
#!/bin/sh
while [ -e $dir/$1.hangs ]; do sleep 0.2; done
echo '{"ok":true,"result":{"power":"on"}}'
PROGRAM
    chmod 755 "$dir/$1.sh"
    for number in $(seq "$2"); do
        host "$1" "$number" "bmc = { driver = \"exec\"; program = \"$dir/$1.sh\"; };"
    done
}
kinds_function() { # NAME COUNT
    local number
    mkdir -p "$dir/$1"
    python3 "$NS_SOURCE/tests/peers/functions.py" "$dir/$1" 2>"$dir/$1/log" &
    peer[$1]=$!
    pids+=($!)
    await 30 test -s "$dir/$1/port" || { cat "$dir/$1/log"; echo "the functions' peer did not start"; exit 1; }
    for number in $(seq "$2"); do
        host "$1" "$number" "bmc = { driver = \"function\"; kind = \"openfaas\"; url = \"http://127.0.0.1:$(cat "$dir/$1/port")\"; function = \"act\"; };"
    done
}
hang() { # NAME: it answers nothing more
    if [ -n "${peer[$1]-}" ]; then kill -STOP "${peer[$1]}" $(pgrep -P "${peer[$1]}" || true); else : >"$dir/$1.hangs"; fi
}
unhang() {
    if [ -n "${peer[$1]-}" ]; then kill -CONT "${peer[$1]}" $(pgrep -P "${peer[$1]}" || true); else rm -f "$dir/$1.hangs"; fi
}
# Runs together as a coprocess: say LINE, then hear one line of its answer in $heard.
together_start() {
    printf 'credentials: ({ name = "lab"; user = "admin"; password = "file:bmc"; });\nhosts: (\n%s);\n' "${inventory%,
}" >"$dir/inventory.conf"
    coproc together { exec "$NS_BUILD/tests/together" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/inventory.conf" "$dir/secrets" "${verbs[@]}" 2>"$dir/together.log"; }
    together_process=$together_PID
    pids+=("$together_process")
}
say() { echo "$*" >&"${together[1]}"; }
hear() { IFS= read -r heard <&"${together[0]}" || { cat "$dir/together.log"; echo "together has ended"; exit 1; }; }
together_end() {
    local input=${together[1]}
    exec {input}>&-
    wait "$together_process" || { cat "$dir/together.log"; fail "together ended with $?"; }
}
