#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The ssh driver against OpenSSH's sshd: logins, hosts' keys, words and bounds of commands, a restart. The servers run as
# the user of the test, on a loopback address of its own. What they saw stands in their logs.
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin
needs jq sshd ssh ssh-keygen python3
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd 2>/dev/null || skip "sshd wants /run/sshd, and it cannot be made"
user=$(id -un)
address=${base%.0}.1
port=$((10000 + $$ % 20000))

# ---- keys, servers ----------------------------------------------------------------------------------------------------
key() { ssh-keygen -q -t "$2" -N "${3-}" -C "$1" -f "$dir/$1"; } # NAME KIND [PASSPHRASE]
key host_ed25519 ed25519; key host_ecdsa ecdsa; key other_host ed25519; key ca ed25519
key login_ed25519 ed25519; key login_ecdsa ecdsa; key login_locked ed25519 opensesame; key login_cert ecdsa; key stranger ed25519
ssh-keygen -q -s "$dir/ca" -I cert -n "$user" "$dir/login_cert.pub" 2>/dev/null
install -m 600 /dev/stdin "$dir/passphrase" <<<opensesame
cat "$dir"/login_{ed25519,ecdsa,locked}.pub >"$dir/keys_plain"

# SHLVL: or bash, called by a server, runs the user's .bashrc for each command, which may take longer than all the rest.
serve() { # NAME: starts a server, whose port is $port then or a later one that is free
    local name=$1 until=$((port + 20))
    while [ "$port" -lt "$until" ]; do
        cat >"$dir/$name.config" <<CONF
ListenAddress $address:$port
HostKey $dir/host_ed25519
HostKey $dir/host_ecdsa
AuthorizedKeysFile $dir/keys_$name
TrustedUserCAKeys $dir/ca.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
ClientAliveInterval 1
ClientAliveCountMax 100
SetEnv SHLVL=5
${extra-}
PermitRootLogin prohibit-password
CONF
        "$(command -v sshd)" -D -f "$dir/$name.config" -E "$dir/$name.log" &
        served=$!
        pids+=("$served")
        await 10 answers && return 0
        port=$((port + 1))
    done
    cat "$dir/$name.log"
    echo "sshd did not start"
    exit 1
}
answers() { # 0: it listens; else await goes on, or gives up at once when the server has ended
    kill -0 "$served" 2>/dev/null && (exec 3<>"/dev/tcp/$address/$port")
}
known() { echo "[$address]:$1 $(cut -d' ' -f1,2 "$dir/$2.pub")"; } # PORT KEY: a line of known_hosts

serve plain
plain=$port
known "$plain" host_ed25519 >"$dir/known"
known "$plain" host_ecdsa >"$dir/known_ecdsa"
known "$plain" other_host >"$dir/known_changed"
echo "@revoked $(known "$plain" host_ed25519)" >"$dir/known_revoked"
: >"$dir/known_none"
cp "$dir/known" "$dir/known_hashed"
ssh-keygen -q -H -f "$dir/known_hashed" >/dev/null 2>&1
# Where OpenSSH's own client is not let in (a locked account, say), the driver proves nothing.
ssh -F none -o BatchMode=yes -o UserKnownHostsFile="$dir/known" -i "$dir/login_ed25519" -p "$plain" "$user@$address" true 2>"$dir/why" ||
    skip "ssh itself cannot log in as $user: $(tail -1 "$dir/why")"

# A host that restarts: a forced command is all that its server runs.
cat >"$dir/model" <<MODEL
#!/bin/sh
case \$SSH_ORIGINAL_COMMAND in
*boot_id*) cat $dir/boot_id ;;
*poweroff*) echo off >$dir/told ;;
*pretend*) echo pretend >>$dir/orders ;;
*reboot*) echo reboot >>$dir/orders; echo \$\$ >$dir/told; exec sleep 10 ;;
*) exit 9 ;;
esac
MODEL
chmod 755 "$dir/model"
echo "command=\"$dir/model\" $(cat "$dir/login_ed25519.pub")" >"$dir/keys_model"
echo 11111111-aaaa >"$dir/boot_id"
port=$((plain + 1))
serve model
model=$port
model_pid=$served
known "$model" host_ed25519 >>"$dir/known"
fingerprint=$(ssh-keygen -lf "$dir/host_ed25519.pub" | cut -d' ' -f2)

# ---- settings ---------------------------------------------------------------------------------------------------------
cat >"$dir/ssh.conf" <<CONF
hosts: (
    { name = "plain"; rack = "r1"; os = { driver = "ssh"; address = "$address:$plain"; user = "$user"; known_hosts = "$dir/known"; private_key = "file:login_ed25519";
CONF
sed "s,DIR,$dir," >>"$dir/ssh.conf" <<'CONF'
      commands = { literal = ["/usr/bin/printf", "[%s]", "$HOME", "`id`", "$(id)", "*", "a  b", "it's", ";id", "&& id", "~", "\"q\"", "back\\slash", "", "-n", "!!"];
                   slow = ["sh", "-c", "echo $$ >$1; exec sleep 20", "sh", "DIR/slow"]; big = ["seq", "1", "50000"]; quiet = ["sleep", "2.5"]; fails = ["sh", "-c", "echo why >&2; exit 3"]; none = ["/nonexistent/program"]; };
      checks = { slow = ["sh", "-c", "echo $$ >$1; exec sleep 20", "sh", "DIR/slow"]; fails = ["sh", "-c", "echo out; exit 3"]; }; }; },
CONF
cat >>"$dir/ssh.conf" <<CONF
    { name = "model"; rack = "r1"; bmc = { driver = "ssh"; address = "$address:$model"; user = "$user"; known_hosts = "$dir/known"; private_key = "file:login_ed25519"; poll = "100ms"; }; },
    { name = "liar"; rack = "r1"; bmc = { driver = "ssh"; address = "$address:$model"; user = "$user"; known_hosts = "$dir/known"; private_key = "file:login_ed25519"; poll = "100ms"; reboot_command = ["pretend"]; }; },
    { name = "cert"; rack = "r1"; os = { driver = "ssh"; address = "$address:$plain"; user = "$user"; known_hosts = "$dir/known"; private_key = "file:login_cert"; certificate = "$(cat "$dir/login_cert-cert.pub")"; }; }
);
CONF
drive() { "$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/ssh.conf" "$dir"; }
call() { answer=$(drive <<<"$*" 2>&1) || true; } # HOST VERB ...
told() { # WHAT FILTER WANTED
    local got
    got=$(jq -r "$2" <<<"$answer" 2>/dev/null) || got=
    if [ "$got" = "$3" ]; then ok "$1"; else fail "$1: got '$got', wanted '$3' in $answer"; fi
    ! grep -qE 'PRIVATE KEY|opensesame' <<<"$answer" || fail "$1: a secret in $answer"
}

# ---- logins -----------------------------------------------------------------------------------------------------------
boot_id=$(cat /proc/sys/kernel/random/boot_id)
call plain probe
told "ed25519" '"\(.code) \(.result.state) \(.result.boot_id)"' "ok up $boot_id"
call plain probe set.private_key=file:login_ecdsa
told "ecdsa" '"\(.code) \(.result.boot_id)"' "ok $boot_id"
call plain probe set.private_key=file:login_locked set.passphrase=file:passphrase
told "a key with a passphrase" .code ok
call cert probe
told "a certificate of an ecdsa key" .code ok
call cert probe set.certificate=
told "the same key without its certificate" '"\(.code) \(.effect_possible)"' "auth false"
call plain probe set.private_key=file:stranger
told "a stranger's key" '"\(.code) \(.effect_possible)"' "auth false"
before=$(grep -c 'Accepted publickey' "$dir/plain.log")
printf 'plain probe\nplain probe\nplain probe\n' | drive >"$dir/three"
is "three calls" "$(jq -r .code "$dir/three" | paste -sd' ')" "ok ok ok"
is "three calls: one login" "$(($(grep -c 'Accepted publickey' "$dir/plain.log") - before))" 1
before=$(grep -c 'Accepted publickey' "$dir/plain.log")
{ echo plain probe; sleep 2.5; echo plain probe; } | drive >"$dir/two"
is "the server asks whether a kept session is there" "$(jq -r .code "$dir/two" | paste -sd' ')" "ok ok"
is "and it was: one login" "$(($(grep -c 'Accepted publickey' "$dir/plain.log") - before))" 1

# ---- the host's key ---------------------------------------------------------------------------------------------------
before=$(grep -c 'Accepted publickey' "$dir/plain.log")
for row in "unknown none" "changed changed" "revoked revoked"; do
    read -r what file <<<"$row"
    call plain ssh.run name=literal "set.known_hosts=$dir/known_$file"
    told "$what host key" '"\(.code) \(.effect_possible)"' "mismatch false"
    has "$what host key: in words" "$(jq -r .text <<<"$answer")" "$what"
    has "$what host key: its fingerprint" "$(jq -r .text <<<"$answer" | grep -F "$fingerprint" || jq -r .text <<<"$answer" | grep -F "$(ssh-keygen -lf "$dir/host_ecdsa.pub" | cut -d' ' -f2)")" SHA256
done
is "no login where the host is another" "$(grep -c 'Accepted publickey' "$dir/plain.log")" "$before"
for file in ecdsa hashed; do
    call plain probe "set.known_hosts=$dir/known_$file"
    told "known_hosts, $file" .code ok
done
shown=$(call plain probe "set.known_hosts=$dir/known_none"; jq -r .text <<<"$answer" | grep -oE 'SHA256:[A-Za-z0-9+/]+')
call plain probe set.known_hosts= "set.host_key=$shown"
told "the fingerprint instead of known_hosts" .code ok
call plain probe set.known_hosts= "set.host_key=$(ssh-keygen -lf "$dir/other_host.pub" | cut -d' ' -f2)"
told "another fingerprint" .code mismatch

slow_end() { # WHAT: it ran, and ends with the test: sshd leaves programs of a closed channel alone
    if kill "$(cat "$dir/slow")"; then ok "$1: it was on its way"; else fail "$1: it did not run"; fi
    rm -f "$dir/slow"
}

# ---- commands ---------------------------------------------------------------------------------------------------------
call plain ssh.run name=literal
told "words arrive as they stand" .result.output $'[$HOME][`id`][$(id)][*][a  b][it\'s][;id][&& id][~]["q"][back\\slash][][-n][!!]'
call plain ssh.run name=big
told "output is bounded" '"\(.code) \(.result.cut) \(.result.output | length <= 65536) \(.result.output | length > 60000)"' "ok true true true"
call plain ssh.run name=slow timeout=1500
slow_end "too slow"
told "too slow" '"\(.code) \(.effect_possible) \(.ms < 6000)"' "timeout true true"
call plain ssh.read name=slow timeout=1500
slow_end "too slow, but it only looks"
told "too slow, but it only looks" '"\(.code) \(.effect_possible)"' "timeout false"
call plain ssh.run name=fails
told "exit status" '"\(.code) \(.effect_possible) \(.text | test("ended with 3: why"))"' "failed true true"
call plain ssh.read name=fails
told "exit status of a check" '"\(.code) \(.result.status) \(.result.output == "out\n")"' "ok 3 true"
call plain ssh.run name=none
told "no such program" '"\(.code) \(.text | test("ended with 127: .*PATH\\?\\)$"))"' "failed true"
call plain ssh.run name=absent
told "no such command" '"\(.code) \(.effect_possible)"' "not-found false"
touch "$dir/it's\$HOME"
call plain ssh.file "path=$dir/it's\$HOME"
told "file" '"\(.code) \(.result.present)"' "ok true"
call plain ssh.file path=/nonexistent/file
told "no file" '"\(.code) \(.result.present)"' "ok false"

# ---- a host that says nothing -----------------------------------------------------------------------------------------
call plain ssh.run name=quiet set.keep_alive=500ms
told "a long command without output: it is asked, and there" '"\(.code) \(.result.status)"' "ok 0"
freeze() { # The server of the command that runs stops, as a machine that hangs.
    await 20 test -s "$dir/slow" || return 1
    ps -o ppid= -p "$(cat "$dir/slow")" | tr -d ' ' >"$dir/frozen"
    kill -STOP "$(cat "$dir/frozen")"
}
freeze &
pids+=($!)
call plain ssh.run name=slow set.keep_alive=2s timeout=60000
kill -CONT "$(cat "$dir/frozen")" || fail "nothing was stopped"
slow_end "a host that hangs"
told "a host that hangs is given up before the time is over" \
    '"\(.code) \(.effect_possible) \(.ms < 30000) \(.text | test("fallen silent"))"' "disconnected true true true"

# In the middle of the exchange of keys, where libssh2 holds numbers that only it can free: a sanitizer's build sees it.
cat >"$dir/cut.py" <<'CUT'
import socket, sys, threading
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
def carry(a, b, left):
    while left > 0 and (data := a.recv(min(left, 65536))):
        b.sendall(data)
        left -= len(data)
    threading.Event().wait()
while True:
    client = listener.accept()[0]
    server = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    for args in ((client, server, 1 << 30), (server, client, int(sys.argv[3]))):
        threading.Thread(target=carry, args=args, daemon=True).start()
CUT
port=$((model + 1))
extra="KexAlgorithms diffie-hellman-group14-sha256"
serve groups
unset extra
groups=$port
known "$groups" host_ed25519 >>"$dir/known"
for bytes in 30 1100; do
    python3 "$dir/cut.py" "$address" "$groups" "$bytes" >"$dir/cut.$bytes" &
    pids+=($!)
    await 20 test -s "$dir/cut.$bytes" || fail "the cut does not listen"
    call plain probe "set.address=$address:$(cat "$dir/cut.$bytes")" "set.host_key=$fingerprint" set.known_hosts= timeout=2500
    told "silent after $bytes bytes" '"\(.code) \(.effect_possible)"' "timeout false"
done

# ---- the doctor -------------------------------------------------------------------------------------------------------
check() { jq -r --arg name "$1" '.result.checks[] | select(.check == $name) | .state' <<<"$answer"; }
call plain ssh.doctor
told "doctor" .code ok
for row in "login ok" "host-key ok" "boot-id ok" "literal ok" "none failed"; do
    read -r name state <<<"$row"
    is "doctor: $name" "$(check "$name")" "$state"
done
is "doctor: none of the commands ran" "$(ls "$dir/slow" 2>/dev/null)" ""
chmod o+w "$dir/known"
call plain ssh.doctor
is "doctor: others may write known_hosts" "$(check host-key)" failed
chmod o-w "$dir/known"

# ---- a restart --------------------------------------------------------------------------------------------------------
restart() { # What the machine does once it is told: it is gone with its sessions, then there with another boot id.
    await 20 test -s "$dir/told" || return 1
    pkill -P "$1" || true
    kill "$1" "$(cat "$dir/told")"
    sleep 0.5
    echo 22222222-bbbb >"$dir/boot_id"
    exec "$(command -v sshd)" -D -f "$dir/model.config" -E "$dir/model.log"
}
call liar reset.soft timeout=3000
told "told, but runs as before" '"\(.code) \(.effect_possible) \(.text | test("still runs as before"))"' "timeout true true"
: >"$dir/orders"
restart "$model_pid" &
pids+=($!)
call model reset.soft timeout=25000
told "restart" '"\(.code) \(.result.boot_id_before) \(.result.boot_id)"' "ok 11111111-aaaa 22222222-bbbb"
is "restart: told once" "$(cat "$dir/orders")" reboot
call model ssh.shutdown timeout=2500
told "told to shut down, but it answers" '"\(.code) \(.effect_possible)"' "timeout true"
verdict
