#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Probes by https against openssl's server: who the certificate says it is, the status, the body, an end that is near; and by
# the ports of switches against the packaged snmpd: a port down is a witness on a path of its own, a switch that does not
# answer is none, and two witnesses let a policy act that one does not.
# timeout: 180
. "$(dirname "$0")/common.sh"
needs jq openssl snmpd snmpget python3
port=$((12000 + $$ % 8000))
a=${base%.0}

# ---- certificates and servers -----------------------------------------------------------------------------------------------
mkdir -p "$dir/tls" "$dir/www" "$dir/policies" "$dir/sw"
cd "$dir/tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=test-ca -keyout ca.key -out ca.pem 2>/dev/null
certificate() { # NAME DAYS SAN
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$2" -out "$1.pem" \
        -extfile <(echo "subjectAltName=$3") 2>/dev/null
}
certificate good 200 "IP:$a.1"
certificate soon 3 "DNS:h2"
certificate other 200 "DNS:elsewhere.example"
echo 'all is ready here' >"$dir/www/health"
cd "$dir/www"
serve() { # ADDRESS CERTIFICATE: an HTTPS server; its pid in $served
    openssl s_server -accept "$1:$port" -cert "$dir/tls/$2.pem" -key "$dir/tls/$2.key" -WWW -quiet >/dev/null 2>&1 </dev/null &
    served=$!
    pids+=("$served")
    await 20 curl -sk "https://$1:$port/health" || fail "no server at $1"
}
serve "$a.1" good
good=$served
serve "$a.2" soon
serve "$a.3" other
cd "$dir"

# ---- two switches ---------------------------------------------------------------------------------------------------------------
switch_rows() { # NAME PORT-OF-H1 PORT-OF-H2: oper
    local i=0 oper
    for oper in "$2" "$3"; do
        i=$((i + 1))
        printf '1.3.6.1.2.1.2.2.1.2.%d string Ethernet1/%d\n1.3.6.1.2.1.2.2.1.7.%d integer 1\n' $i $i $i
        printf '1.3.6.1.2.1.2.2.1.8.%d integer %d\n1.3.6.1.2.1.31.1.1.1.1.%d string Et1/%d\n' $i "$oper" $i $i
        printf '1.3.6.1.2.1.31.1.1.1.6.%d counter64 %d\n' $i $((i * 1000))
    done >"$dir/sw/$1.new"
    mv "$dir/sw/$1.new" "$dir/sw/$1"
}
switch_start() { # NAME ADDRESS; its pid in $served
    {
        echo "agentaddress udp:$2:$port"
        echo "rocommunity public 127.0.0.0/8"
        for oid in .1.3.6.1.2.1.2 .1.3.6.1.2.1.31; do
            echo "pass_persist -p 10 $oid $(command -v python3) $NS_SOURCE/tests/integration/agent.py $dir/sw/$1"
        done
    } >"$dir/sw/$1.conf"
    mkdir -p "$dir/sw/$1.state"
    SNMP_PERSISTENT_DIR=$dir/sw/$1.state snmpd -f -Lf "$dir/sw/$1.log" -I-ifTable,-ifXTable,-interfaces,-interface -C \
        -c "$dir/sw/$1.conf" </dev/null 2>/dev/null &
    served=$!
    pids+=("$served")
    await 20 snmpget -v2c -c public -t 0.5 -r 0 "$2:$port" 1.3.6.1.2.1.1.3.0 || fail "$1: $(cat "$dir/sw/$1.log")"
}
switch_rows sw1 1 1
switch_rows sw2 1 1
switch_start sw1 "$a.11"
sw1=$served
switch_start sw2 "$a.12"
install -m 600 /dev/stdin "$dir/public" <<<public
cat >"$dir/inventory.conf" <<EOT
defaults: { bmc = { driver = "probe"; log = "$dir/calls"; }; };
hosts: (
  { name = "h1"; addresses = ["$a.1"]; ports = ["sw1/Ethernet1/1", "sw2/Et1/1"]; bmc = { address = "bmc1"; }; },
  { name = "h2"; addresses = ["$a.2"]; ports = ["sw1/Ethernet1/2"]; bmc = { address = "bmc2"; }; },
  { name = "h3"; addresses = ["$a.3"]; ports = ["sw1/Ethernet9/9", "sw9/e1"]; bmc = { address = "bmc3"; }; },
  { name = "sw2"; addresses = ["$a.12"]; bmc = { address = "bmcs"; }; } );
EOT
cat >"$dir/policies/fence.policy" <<'EOT'
policies: ( {
  name = "fence"; summary = "Off, when two witnesses say that it is dead"; owner = "test"; subject = "host"; mode = "enforce";
  when = { event = "port.lost"; severity = "major"; };
  limits = { witnesses = 2; };
  do = ( { step = "off"; action = "power.off"; timeout = "20s"; } );
} );
EOT
cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
credentials = "$dir";
sources = (
  { name = "web"; type = "probe"; probe = "https"; port = $port; hosts = "h?"; path = "/health"; ca_file = "$dir/tls/ca.pem";
    body = "*ready*"; status = "2??"; every = "400ms"; timeout = "5s"; expires = "7d"; },
  { name = "any"; type = "probe"; probe = "https"; port = $port; hosts = "h3"; path = "/health"; tls = "insecure";
    reason = "the test"; every = "400ms"; timeout = "5s"; event = "any.failed"; expires = "0s"; },
  { name = "named"; type = "probe"; probe = "https"; port = $port; hosts = "h3"; path = "/health"; server_name = "elsewhere.example";
    ca_file = "$dir/tls/ca.pem"; every = "400ms"; timeout = "5s"; event = "named.failed"; expires = "0s"; },
  { name = "unready"; type = "probe"; probe = "https"; port = $port; hosts = "h1"; path = "/health"; ca_file = "$dir/tls/ca.pem";
    body = "*not there*"; every = "400ms"; timeout = "5s"; event = "unready.failed"; expires = "0s"; },
  { name = "ports"; type = "probe"; probe = "port"; port = $port; community = "file:public"; every = "300ms"; timeout = "5s";
    traffic = true; switches = ( { name = "sw1"; address = "$a.11"; } ); } );
signals: (
  { name = "certificates"; metric = "probe_certificate_seconds"; raise = { above = 1.0e29; }; clear = { below = 9.0e28; };
    severity = "info"; event = "never"; },
  { name = "traffic"; metric = "probe_port_in_bytes_total"; raise = { above = 1.0e29; }; clear = { below = 9.0e28; };
    severity = "info"; event = "never"; } );
EOT
daemon_start
raised() { ns alarm list -o json | jq -r --arg type "$1" '[.items[] | select(.type == $type and .state == "raised") | .host] | sort | join(" ")'; }
raised_is() { [ "$(raised "$1")" = "$2" ]; }
why() { ns event list --type "$1" --limit 20 -o json | jq -r --arg h "$2" '[.items[] | select(.host == $h and .state == "raise")][0].data.why'; }

# ---- https ----------------------------------------------------------------------------------------------------------------------
await 30 raised_is https.failed h3 || fail "https: $(raised https.failed) $(why https.failed h1) $(why https.failed h2) $(cat "$dir/log")"
ok "by its address, by its host's name; another's certificate is none"
is "and why" "$(why https.failed h3)" "its certificate is another's"
await 20 raised_is unready.failed h1 || fail "a body: $(raised unready.failed)"
has "a body that does not fit" "$(why unready.failed h1)" 'status 200, but its body does not fit'
is "verified by a name, or not at all" "$(raised named.failed)$(raised any.failed)" ""
await 20 raised_is certificate.expiring h2 || fail "an end that is near: $(raised certificate.expiring)"
is "an end that is near, in days" "$(ns event list --type certificate.expiring --limit 20 -o json | jq -r '[.items[] | select(.host == "h2" and .state == "raise")][0].data.days')" 2
left() { ns signal show certificates -o json | jq -r --arg h "$1" '[.items[] | select(.host == $h) | .value][0] / 86400 | floor'; }
is "and as a metric" "$(left h1) $(left h2)" "199 2"
kill "$good" && wait "$good" 2>/dev/null || true
await 20 raised_is https.failed "h1 h3" || fail "a server that is gone: $(raised https.failed)"
await 20 eval '[[ "$(why https.failed h1)" == *refused* ]]' || fail "refused: $(why https.failed h1)"
ok "a server that is gone"

# ---- ports ----------------------------------------------------------------------------------------------------------------------
is "who has a port that is up is well" "$(raised port.lost)" ""
await 20 eval '[ "$(ns signal show traffic -o json | jq -r "[.items[] | select(.host == \"h2\") | .value][0]")" = 2000 ]' ||
    fail "traffic: $(ns signal show traffic -o json)"
ok "traffic of the host's port"
switch_rows sw1 2 1
await 20 eval '[ "$(ns source doctor ports -o json | grep -c "0 do not answer")" = 1 ]' || fail "$(ns source doctor ports)"
switch_rows sw1 2 2
await 20 raised_is port.lost h2 || fail "h2's only port is down: $(raised port.lost)"
ok "one port of two is not enough; the only one is"
is "and why" "$(why port.lost h2)" "sw1/Ethernet1/2 is down"
decision() { ns explain host "$1" 2>&1; }
await 20 eval '[[ "$(decision h2)" == *"1 of 2 witnesses"* ]]' || fail "one witness: $(decision h2)"
ok "one witness does not switch off"
switch_rows sw2 2 1
await 20 raised_is port.lost "h1 h2" || fail "both ports of h1 are down: $(raised port.lost)"
off() { grep -q 'power.off.*h1' "$dir/calls"; }
await 20 off || fail "https and its ports say that h1 is dead: $(decision h1) $(cat "$dir/calls" 2>/dev/null)"
ok "two witnesses on different paths do"
has "the doctor: a name that is none, a switch of nobody" "$(ns source doctor ports -o json 2>&1)" 'sw1/Ethernet9/9 is no interface'
has "and how many" "$(ns source doctor ports -o json 2>&1)" '1 ports are of switches without'
before=$(ns event list --type port.lost --limit 100 -o json | jq '.items | length')
kill "$sw1" && wait "$sw1" 2>/dev/null || true
await 60 eval '[[ "$(ns source doctor ports -o json)" =~ sw1:.(no.answer|it.takes.too.long) ]]' || fail "a switch that is gone: $(ns source doctor ports)"
is "a switch that does not answer says nothing of its hosts" "$(ns event list --type port.lost --limit 100 -o json | jq '.items | length')" "$before"

# ---- mistakes -------------------------------------------------------------------------------------------------------------------------
sed 's/reason = "the test";//; s/community = "file:public"; every/every/' "$dir/nightshift.conf" >"$dir/wrong.conf"
if out=$("$bin/nightshiftd" --check --config "$dir/wrong.conf" 2>&1); then fail "a wrong configuration is taken"; fi
has "insecure needs a reason" "$out" "takes anybody's certificate: say why"
has "a port needs a community" "$out" 'needs a community'
daemon_stop
verdict
