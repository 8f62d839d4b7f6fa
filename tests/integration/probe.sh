#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Probes: nightshiftd looks by itself whether hosts answer, by echo requests, TCP, sshd's banner and HTTP. Services of this
# test stop and come back; an address of nobody is silent; when most are silent at once nobody is called so.
# timeout: 180
. "$(dirname "$0")/common.sh"
needs jq python3 sshd
port=$((12000 + $$ % 8000))

# ---- a data centre of services on loopback addresses ----------------------------------------------------------------
a=127.$((16 + $$ % 200)).77
serve() { # ADDRESS PORT: an HTTP server; its pid in $served
    python3 -m http.server --bind "$1" "$2" --directory "$dir/www" >/dev/null 2>&1 &
    served=$!
    pids+=("$served")
    await 20 curl -s "http://$1:$2/" || fail "no server at $1:$2"
}
mkdir "$dir/www" "$dir/policies"
ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
mkdir -p /run/sshd
/usr/sbin/sshd -D -e -f /dev/null -h "$dir/key" -p "$port" -o "ListenAddress=$a.1" -o "PidFile=none" 2>"$dir/sshd.log" &
sshd_pid=$!
pids+=("$sshd_pid")
serve "$a.1" $((port + 1))
web1=$served
serve "$a.2" $((port + 1))
{
    echo 'defaults: { bmc = { driver = "probe"; log = "'"$dir"'/calls"; }; };'
    echo 'hosts: ('
    for i in 1 2 3 4 5; do echo "  { name = \"h$i\"; rack = \"r1\"; addresses = [\"$a.$i\"]; bmc = { address = \"bmc$i\"; }; },"; done
    # Of nobody: TEST-NET-3 (RFC 5737); either nothing comes back, or there is no way to it.
    for i in 1 2 3 4 5 6; do echo "  { name = \"x$i\"; addresses = [\"203.0.113.$i\"]; bmc = { address = \"bmcx$i\"; }; },"; done
    echo '  { name = "hgone"; rack = "r1"; addresses = ["203.0.113.77"]; bmc = { address = "bmc9"; }; } );'
} >"$dir/inventory.conf"
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$NS_SOURCE/etc/traps";
sources = (
  { name = "ping"; type = "probe"; probe = "ping"; hosts = "h*"; every = "400ms"; timeout = "350ms"; },
  { name = "ssh"; type = "probe"; probe = "ssh"; port = $port; hosts = "h1"; every = "300ms"; timeout = "5s"; },
  { name = "web"; type = "probe"; probe = "http"; port = $((port + 1)); hosts = "h1"; every = "300ms"; timeout = "5s"; },
  { name = "cut"; type = "probe"; probe = "ping"; every = "400ms"; timeout = "350ms"; event = "host.silent"; },
  { name = "slow"; type = "probe"; probe = "ping"; hosts = "hgone"; every = "2s"; timeout = "1s"; event = "slow.lost"; },
  { name = "refused"; type = "probe"; probe = "tcp"; hosts = "h?"; port = $((port + 1)); every = "300ms"; timeout = "5s"; event = "service.lost"; } );
EOT
daemon_start
raised() { ns alarm list -o json | jq -r --arg type "$1" '[.items[] | select(.type == $type) | .host] | sort | join(" ")'; }
raised_is() { [ "$(raised "$1")" = "$2" ]; }
last() { ns event list --type "$1" --limit 1 -o json | jq -c ".items[0] | $2"; }

# ---- echo requests ---------------------------------------------------------------------------------------------------
await 20 raised_is ping.lost hgone || fail "an address of nobody: $(raised ping.lost) $(cat "$dir/log")"
ok "only the address of nobody is silent"
is "as policies want it" "$(last ping.lost '[.source, .host, .severity, .data.loss, .data.probe]')" '["ping","hgone","major",100,"ping"]'

# ---- SSH and HTTP: stopped, and back again ----------------------------------------------------------------------------
is "who answers is well" "$(raised ssh.lost)$(raised http.failed)" ""
kill "$sshd_pid" && wait "$sshd_pid" 2>/dev/null || true
await 20 raised_is ssh.lost h1 || fail "sshd is gone: $(raised ssh.lost)"
has "why" "$(last ssh.lost .message)" "no answer to ssh, [0-9]+ times: connection refused"
python3 -c '
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    peer, _ = server.accept()
    peer.sendall(b"220 mail.example.net ESMTP\r\n" * 64)
    peer.close()' "$a.1" "$port" &
mail=$!
pids+=("$mail")
said_not_ssh() { last ssh.lost .message | grep -q . && ns source doctor ssh 2>/dev/null | grep -q '1 are silent'; }
await 20 said_not_ssh || fail "the doctor does not see it: $(ns source doctor ssh)"
ok "what answers there is no SSH server: still silent"
kill "$mail" && wait "$mail" 2>/dev/null || true
/usr/sbin/sshd -D -e -f /dev/null -h "$dir/key" -p "$port" -o "ListenAddress=$a.1" -o "PidFile=none" 2>"$dir/sshd.log" &
pids+=($!)
await 20 raised_is ssh.lost "" || fail "sshd is back: $(raised ssh.lost)"
ok "sshd is back, and the alarm over"
kill "$web1" && wait "$web1" 2>/dev/null || true
await 20 raised_is http.failed h1 || fail "the web server is gone: $(raised http.failed)"
ok "a web server that is gone"
serve "$a.1" $((port + 1))
await 20 raised_is http.failed "" || fail "the web server is back: $(raised http.failed)"
ok "and back"

# ---- most of them at once: refused is told of each, silent it is rather we -------------------------------------------------
await 20 raised_is service.lost "h3 h4 h5" || fail "three of five refuse: $(raised service.lost)"
ok "three of five refuse, and each is told"
isolated() { [ "$(last probe.isolated '[.source, .state]')" = "[\"cut\",\"$1\"]" ]; }
await 20 isolated raise || fail "seven of twelve are silent: $(last probe.isolated .)"
is "nobody of them is called so" "$(raised host.silent)" ""
has "the doctor says it" "$(ns source doctor cut 2>&1)" '7 of 12 hosts do not answer'
is "and the list" "$(ns source list -o json | jq -r '[.items[] | select(.name == "cut" or .name == "ping") | .state] | join(" ")')" "ok failed"
sed -i '/"x[2-6]"/d' "$dir/inventory.conf"
ns reload >/dev/null
await 20 raised_is host.silent "hgone x1" || fail "two of seven are silent: $(raised host.silent)"
await 20 isolated clear || fail "it is not taken back: $(last probe.isolated .)"
ok "when it is over, who is still silent is told"
is "our own words about a source are of no unknown host" "$(ns host unknown -o json | jq -c .items)" '[]'

# ---- a reload keeps what is known ------------------------------------------------------------------------------------
before=$(ns event list --type ping.lost --limit 1000 -o json | jq '.items | length')
sed -i 's/name = "h5"/name = "h6"/' "$dir/inventory.conf"
ns reload >/dev/null
looked() { ns source doctor ping 2>/dev/null | grep -q '6 hosts are looked at, 1 are silent'; }
await 20 looked || fail "after a reload: $(ns source doctor ping)"
new_host() { ns event list --type ping.lost --limit 1 -o json | jq -e '.items[0].host == "h6" and .items[0].state == "clear"'; }
await 20 new_host || fail "the new host is not looked at"
is "nothing was told twice" "$(ns event list --type ping.lost --limit 1000 -o json | jq '.items | length')" $((before + 1))

# ---- who is not looked at any more leaves no alarm ---------------------------------------------------------------------
ends() { ns event list --type "$1" --limit 1000 -o json | jq --arg h "$2" '[.items[] | select(.subject == $h and .state == "clear")] | length'; }
cp "$dir/inventory.conf" "$dir/inventory.full"
before=$(ends ping.lost hgone)
sed -i -z 's/,\n  { name = "hgone"[^\n]*/ );/' "$dir/inventory.conf"
ns reload >/dev/null
await 20 raised_is ping.lost "" || fail "hgone has left: $(raised ping.lost)"
await 20 raised_is host.silent x1 || fail "of both probes: $(raised host.silent)"
ok "a host that left the inventory leaves no alarm"
is "told once" "$(ends ping.lost hgone)" $((before + 1))
daemon_kill
sed -i '/name = "cut"/s/probe = "ping";/probe = "ping"; hosts = "h*";/' "$dir/nightshift.conf"
daemon_start
await 20 raised_is host.silent "" || fail "it was taken out while we were away: $(raised host.silent)"
ok "also when that was while the daemon was not there"
is "told once as well" "$(ends host.silent x1)" 1
sed -i '/name = "cut"/s/hosts = "h\*";//' "$dir/nightshift.conf"
cp "$dir/inventory.full" "$dir/inventory.conf"
for i in 2 3 4 5 6; do sed -i "/\"x1\"/a \  { name = \"x$i\"; addresses = [\"203.0.113.$i\"]; bmc = { address = \"bmcx$i\"; }; }," "$dir/inventory.conf"; done
ns reload >/dev/null
await 20 isolated raise || fail "cut off again: $(last probe.isolated .)"
daemon_kill
sed -i '/"x[2-6]"/d' "$dir/inventory.conf"
daemon_start
await 20 isolated clear || fail "cut off before the start, and not any more: $(last probe.isolated .)"
ok "what was said of our own network before a start is taken back"
await 20 raised_is slow.lost hgone || fail "silent for three slow rounds: $(raised slow.lost)"
daemon_kill
daemon_start
sed -i -z 's/,\n  { name = "hgone"[^\n]*/ );/' "$dir/inventory.conf" # Of this start nothing was told of it yet.
ns reload >/dev/null
await 20 raised_is slow.lost "" || fail "hgone has left, soon after a start: $(raised slow.lost)"
ok "nor does a host of which only the time before the start knew"

# ---- what is wrong is told with its place ------------------------------------------------------------------------------
sed 's/probe = "tcp"; hosts = "h?"; port = [0-9]*;/probe = "tcp";/; s/probe = "http"/probe = "htp"/' "$dir/nightshift.conf" >"$dir/wrong.conf"
if out=$("$bin/nightshiftd" --check --config "$dir/wrong.conf" 2>&1); then fail "a wrong probe is taken"; fi
has "a port is missing" "$out" 'wrong.conf:[0-9]+:[0-9]+: error: a probe by tcp needs a port'
has "a slip" "$out" 'htp'
verdict
