#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# Syslog as it really comes: the packaged rsyslog over UDP, TCP and TLS (OpenSSL and GnuTLS, with and without a
# certificate of its own), and logger; to the daemon, to events.
source "$(dirname "$0")/common.sh"
needs rsyslogd logger openssl jq
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
modules=$(dirname "$(find /usr/lib -name lmnsd_ossl.so 2>/dev/null | head -1)")
[ -e "$modules/lmnsd_ossl.so" ] && [ -e "$modules/lmnsd_gtls.so" ] || skip "rsyslog-openssl and rsyslog-gnutls are not installed (etc/packages test)"

port=$trap_port
mkdir "$dir/policies" "$dir/tls" "$dir/syslog"
cp "$NS_SOURCE"/etc/syslog/*.patterns "$dir/syslog/"
cat >"$dir/inventory.conf" <<EOT
hosts: (
  { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; },
  { name = "h2"; rack = "r1"; addresses = ["127.0.0.2"]; },
  { name = "r1h02"; rack = "r2"; addresses = ["192.0.2.2"]; }
);
EOT
cat >"$dir/policies/gpu.policy" <<EOT
policies: ( { name = "gpu"; summary = "page when a GPU is lost"; owner = "hpc"; subject = "host"; mode = "observe";
  when = { event = "gpu.failed"; severity = "critical"; settle = "0s"; };
  do = ( { step = "page"; action = "page"; with = { text = "\${host.name}: \${event.message}"; }; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$dir";
syslog = {
  listen = ["udp:127.0.0.1:$port", "tcp:127.0.0.1:$port", "tls:127.0.0.1:$((port + 1))"];
  sources = ["127.0.0.0/8"]; relays = ["127.0.0.9"]; patterns = "syslog"; unmatched = "crit";
  tls_cert = "tls/server.pem"; tls_key = "tls/server.key"; tls_clients = "tls/ca.pem";
};
EOT

# ---- an authority, a server, a sender; and a stranger
(
    cd "$dir/tls"
    for name in ca other; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" -keyout $name.key -out $name.pem
    done
    sign() { # NAME CA
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
        openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -out "$1.pem" \
            -extfile <(echo "subjectAltName=DNS:$1")
    }
    sign server ca; sign sender ca; sign stranger other
) 2>"$dir/openssl.log" || { cat "$dir/openssl.log"; fail "certificates"; verdict; }

daemon_start
events() { ns event list -o jsonl "$@"; }
seen() { events | jq -es --arg n "$1" 'map(select(.resource == $n)) | last'; }
metric() { curl -s --unix-socket "$dir/api.sock" http://x/metrics | sed -n "s/^nightshift_syslog_$1 //p"; }
metric_is() { [ "$(metric "$1")" = "$2" ]; }
fault() { echo "NVRM: Xid (PCI:$1): 79, pid=1, name=x, GPU has fallen off the bus."; }

# ---- rsyslog: what is written into its socket goes out by the wanted way
rsyslog_seen=0
rsyslog() { # NAME ACTION-OPTION...
    local name=$1
    shift
    cat >"$dir/$name.conf" <<EOT
global(workDirectory="$dir" DefaultNetstreamDriverCAFile="$dir/tls/ca.pem"
  DefaultNetstreamDriverCertFile="$dir/tls/${cert:-sender}.pem" DefaultNetstreamDriverKeyFile="$dir/tls/${cert:-sender}.key")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$dir/$name.sock" UseSysTimeStamp="off")
action(type="omfwd" target="127.0.0.1" $*)
EOT
    rsyslogd -n -iNONE -f "$dir/$name.conf" >"$dir/$name.log" 2>&1 &
    rsyslog_pid=$!
    pids+=("$rsyslog_pid")
    await 10 test -S "$dir/$name.sock" || { cat "$dir/$name.log"; fail "$name: rsyslog does not start"; verdict; }
}
rsyslog_stop() { kill "$rsyslog_pid" && wait "$rsyslog_pid" || true; }
say() { # SOCKET TAG PRIORITY TEXT
    logger -u "$dir/$1.sock" -t "$2" -p "$3" "$4"
}
through() { # NAME BUS-ID ACTION-OPTION...
    local name=$1 id=$2
    shift 2
    rsyslog "$name" "$@"
    say "$name" kernel user.crit "$(fault "$id")"
    await 20 seen "gpu/$id" || { cat "$dir/$name.log"; fail "rsyslog by $name: no event"; return 0; }
    is "rsyslog by $name" "$(seen "gpu/$id" | jq -r '"\(.type) \(.host) \(.source)"')" "gpu.failed h1 syslog/127.0.0.1"
    rsyslog_stop
}
tls="port=\"$((port + 1))\" protocol=\"tcp\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"server\""
through udp 0000:01:00 "port=\"$port\" protocol=\"udp\""
through tcp-lines 0000:02:00 "port=\"$port\" protocol=\"tcp\" template=\"RSYSLOG_TraditionalForwardFormat\""
through tcp-counted 0000:03:00 "port=\"$port\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\""
through tls-openssl 0000:04:00 "$tls StreamDriver=\"ossl\" TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\""
through tls-gnutls 0000:05:00 "$tls StreamDriver=\"gtls\""

# ---- a sender that the authority does not know gets nowhere
cert=stranger rsyslog tls-stranger "$tls StreamDriver=\"ossl\""
say tls-stranger kernel user.crit "$(fault 0000:06:00)"
refused() { [ "$(metric tls_failed_total)" -gt 0 ]; }
await 20 refused && ok "a stranger's certificate is refused" || fail "a stranger's certificate is not refused"
rsyslog_stop
is "what a stranger said is not believed" "$(events | jq -c 'select(.resource == "gpu/0000:06:00")')" ""

# ---- logger, both formats, both ways
logger -n 127.0.0.1 -P "$port" -d --rfc5424 -t kernel -p user.crit "$(fault 0000:11:00)"
await 10 seen gpu/0000:11:00 && ok "logger by UDP, RFC 5424" || fail "logger by UDP, RFC 5424"
logger -n 127.0.0.1 -P "$port" -T --rfc3164 -t kernel -p user.crit "$(fault 0000:12:00)"
await 10 seen gpu/0000:12:00 && ok "logger by TCP, RFC 3164" || fail "logger by TCP, RFC 3164"
logger -n 127.0.0.1 -P "$port" -T --octet-count --rfc5424 -t kernel -p user.crit "$(fault 0000:13:00)"
await 10 seen gpu/0000:13:00 && ok "logger by TCP, counted" || fail "logger by TCP, counted"

# ---- whose message: the address, or from a relay the name
send() { # FROM TEXT
    python3 -c 'import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((sys.argv[1],0)); s.sendto(sys.argv[3].encode(),("127.0.0.1",int(sys.argv[2])))' "$1" "$port" "$2"
}
host_is() { [ "$(seen "$1" | jq -r .host)" = "$2" ]; }
send 127.0.0.2 "<2>Mar  1 10:00:00 r1h02 kernel: $(fault 0000:21:00)"
await 10 host_is gpu/0000:21:00 h2 && ok "a name in a message makes nobody else's event" || fail "host of a message: $(seen gpu/0000:21:00)"
send 127.0.0.9 "<2>Mar  1 10:00:00 r1h02.example.com kernel: $(fault 0000:22:00)"
await 10 host_is gpu/0000:22:00 r1h02 && ok "a relay's message is of the host it names" || fail "host of a relayed message: $(seen gpu/0000:22:00)"

# ---- counters: what means nothing, what is none
before=$(events | wc -l) unmatched=$(metric unmatched_total)
send 127.0.0.2 "<6>Mar  1 10:00:00 h2 sshd[1]: Accepted publickey"
send 127.0.0.2 "no priority"
await 10 metric_is unmatched_total $((unmatched + 1)) && ok "what means nothing is counted" || fail "unmatched: $(metric unmatched_total)"
await 10 metric_is malformed_total 1 && ok "what is no syslog is counted" || fail "malformed: $(metric malformed_total)"
is "neither is an event" "$(events | wc -l)" "$before"
send 127.0.0.2 "<1>Mar  1 10:00:00 h2 raidd: the array is on fire"
await 10 bash -c "'$bin/nightshift' event list -o jsonl | grep -q syslog.unmatched" && ok "a severe line that no pattern knows is an event" || fail "no event of a severe unknown line"

figure() { ns source list -o json | jq -r --arg f "$1" '.items[] | select(.name == "syslog") | .[$f]'; }
listed() { [ "$(figure malformed)" = 1 ] && [ "$(figure received)" = "$(($(metric received_total) + $(metric denied_total)))" ]; }
await 10 listed && ok "it is listed among the sources" || fail "source list: $(ns source list)"

# ---- reload: patterns of one's own come first; a mistake keeps the old ones
cat >"$dir/syslog/00-site.patterns" <<'EOT'
patterns = ( { name = "site.fire"; type = "site.fire"; severity = "fatal"; state = "raise"; match = "([a-z]+) is on fire"; resource = "${1}";
  examples = ["the array is on water"]; } );
EOT
if out=$(ns reload 2>&1); then fail "a pattern that misses its example is loaded"; fi
has "a pattern's mistake is told" "$out" '00-site.patterns:2:.*does not match its own example'
sed -i 's/on water/on fire/' "$dir/syslog/00-site.patterns"
ns reload >/dev/null || fail "the reload is refused"
site() { send 127.0.0.2 "<1>Mar  1 10:00:00 h2 raidd: the array is on fire"; seen array; }
await 10 site && ok "patterns are read anew" || fail "the new pattern is not there"

# ---- silence is blindness where it was said to be
sed -i 's/unmatched = "crit";/unmatched = "crit"; silence = "1s";/' "$dir/nightshift.conf"
ns reload >/dev/null
await 10 grep -q 'event=health.blind reason="source syslog silent for 1s"' "$dir/log" && ok "silence is noticed" || fail "silence is not noticed"
silences() { ns event list --type source.silent -o jsonl | jq -rs --arg s "$1" 'map(select(.resource == "syslog" and .state == $s)) | length'; }
silence_more() { [ "$(silences "$1")" -gt "$2" ]; } # With 1s it comes and goes.
await 10 silence_more raise 0 && ok "and is an alarm" || fail "the silence is no alarm: $(ns alarm list)"
doctor=$(ns source doctor syslog || true)
has "the doctor says it" "$doctor" 'heard +failed'
has "where it listens" "$doctor" "udp:127.0.0.1:$port and others"
has "what came through" "$doctor" 'TLS of [1-9]'
cleared=$(silences clear)
send 127.0.0.2 "<6>Mar  1 10:00:00 h2 cron: tick"
await 10 grep -q 'event=health.sees' "$dir/log" && ok "any line ends it" || fail "a line does not end the blindness"
await 10 silence_more clear "$cleared" && ok "and the alarm" || fail "the alarm stays: $(ns alarm list)"

# ---- without the daemon: what a line becomes
{ echo "<4>Mar  1 10:00:00 h2 kernel: $(fault 0000:b1:00)"; echo '<6>Mar  1 10:00:00 h2 sshd[1]: Accepted'; echo 'no priority'; } >"$dir/lines"
test=$(ns source test syslog "$dir/lines" --patterns "$NS_SOURCE/etc/syslog" -o json 2>"$dir/err" || true)
is "source test says what lines become" "$(jq -c '[.items[0].type, .items[0].resource, .events, .ignored, .malformed]' <<<"$test")" \
    '["gpu.failed","gpu/0000:b1:00",1,1,1]'
has "and which are none" "$(cat "$dir/err")" 'line 3: it does not begin with a priority'

daemon_stop
if grep -E 'level=error' "$dir/log" | grep -vE 'reload.refused|health.blind' | grep .; then fail "errors in the log"; fi
verdict
