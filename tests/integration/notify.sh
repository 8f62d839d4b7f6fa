#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The notify driver against real receivers (Alertmanager, snmptrapd, an SMTP server with STARTTLS and logins) and strict
# ones of the services that nobody can install (tests/peers/receivers.py); then the daemon, killed between an intent and
# its answer while a receiver is down: everything arrives, with the same key.
# timeout: 240
. "$(dirname "$0")/common.sh"
needs jq python3 openssl curl snmptrapd snmptranslate prometheus-alertmanager
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || skip "python3-aiosmtpd is not installed (etc/packages test)"

mkdir -p "$dir/peer" "$dir/lab" "$dir/mail" "$dir/am"
secret() { install -m 600 /dev/stdin "$dir/lab/$1"; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/mail/key.pem" -out "$dir/mail/cert.pem" -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# ---- the receivers --------------------------------------------------------------------------------------------------
peer_start() {
    rm -f "$dir/peer/port"
    python3 "$NS_SOURCE/tests/peers/receivers.py" "$dir/peer" "$@" 2>>"$dir/peer/log" &
    peer_pid=$!
    pids+=("$peer_pid")
    await 20 test -s "$dir/peer/port" || { cat "$dir/peer/log"; echo "the strict receivers did not start"; exit 1; }
    peer_port=$(cat "$dir/peer/port")
}
peer_start
: >"$dir/peer/calls"
url=http://127.0.0.1:$peer_port

cat >"$dir/am/am.yml" <<'EOT'
route: { receiver: nobody }
receivers: [ { name: nobody } ]
EOT
am_port=$(free_port)
prometheus-alertmanager --config.file="$dir/am/am.yml" --storage.path="$dir/am/data" --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$am_port" >"$dir/am/log" 2>&1 &
pids+=($!)
am=http://127.0.0.1:$am_port

for mode in starttls implicit plain; do
    /usr/bin/python3 "$NS_SOURCE/tests/peers/mailbox.py" "$dir/mail" "$mode" 2>>"$dir/mail/log" &
    pids+=($!)
    await 20 test -s "$dir/mail/$mode.port" || { cat "$dir/mail/log"; echo "the mailbox did not start"; exit 1; }
done

nms_port=$(free_port)
printf 'authCommunity log public\nauthUser log nightshift priv\n%s\n%s\nformat2 %%V|%%N|%%v\\n\n' \
    'createUser nightshift SHA-256 "auth-s3cret" AES "priv-s3cret"' \
    'createUser -e 0x80001f88046e69676874 nightshift SHA-256 "auth-s3cret" AES "priv-s3cret"' >"$dir/snmptrapd.conf"
MIBDIRS=$NS_SOURCE/drivers/notify:$NS_SOURCE/etc/mibs MIBS=NIGHTSHIFT-MIB SNMP_PERSISTENT_DIR=$dir/nms snmptrapd -f -C \
    -c "$dir/snmptrapd.conf" -Lf "$dir/traps" -F '%V|%v\n' "udp:127.0.0.1:$nms_port" >"$dir/snmptrapd.log" 2>&1 &
pids+=($!)
await 20 grep -q NET-SNMP "$dir/traps" || { cat "$dir/snmptrapd.log"; echo "snmptrapd did not start"; exit 1; }
await 20 curl -sf "$am/-/ready" || { cat "$dir/am/log"; echo "Alertmanager did not start"; exit 1; }

is "the MIB has its notifications" "$(snmptranslate -M "$NS_SOURCE/drivers/notify:$NS_SOURCE/etc/mibs" -m NIGHTSHIFT-MIB \
    -On NIGHTSHIFT-MIB::nsResolved)" .1.3.6.1.4.1.8072.9999.9999.746.0.2
is "the MIB is read without a complaint" "$(snmptranslate -M "$NS_SOURCE/drivers/notify:$NS_SOURCE/etc/mibs" \
    -m NIGHTSHIFT-MIB -Pwu -Tp nightshiftMIB 2>&1 | grep -ciE 'warning|error|cannot|undefined|unlinked' || true)" 0

# ---- each kind, by the driver host ----------------------------------------------------------------------------------
printf 0123456789abcdef0123456789abcdef | secret pagerduty
printf genie-s3cret-key | secret opsgenie
printf '%s/slack/services/T0/B0/s3cret-path' "$url" | secret slack
printf '%s/mattermost/hooks/s3cret-path' "$url" | secret mattermost
printf '%s/teams/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=s3cret-sig' "$url" | secret teams
printf '%s/slack/services/T0/B0/s3cret-other' "$url" | secret gone
printf s3cret-pw | secret password
printf s3cret-no | secret wrong
printf jira-s3cret-pat | secret jira
printf public | secret community
printf auth-s3cret | secret auth
printf priv-s3cret | secret priv
never_said='s3cret|0123456789abcdef|wrong-pw'

hosts=
host() { # NAME KIND SETTINGS
    hosts="$hosts${hosts:+,}
    { name = \"$1\"; rack = \"r1\"; bmc = { driver = \"notify\"; kind = \"$2\"; poll = \"20ms\"; instance = \"night\"; $3 }; }"
}
host am alertmanager "url = \"$am\"; labels = { site = \"fra1\"; };"
host pagerduty pagerduty "url = \"$url/pagerduty\"; routing_key = \"file:pagerduty\";"
host opsgenie opsgenie "url = \"$url/opsgenie\"; api_key = \"file:opsgenie\";"
host slack slack 'webhook = "file:slack";'
host gone slack 'webhook = "file:gone";'
host mattermost mattermost 'webhook = "file:mattermost";'
host teams teams 'webhook = "file:teams";'
snow="url = \"$url/snow\"; user = \"nightshift\"; close_code = \"Solved (Permanently)\""
host snow servicenow "$snow; password = \"file:password\";"
host snowno servicenow "$snow; password = \"file:wrong\";"
host jira jira "url = \"$url/jira\"; token = \"file:jira\"; project = \"DC\"; fields = { priority = { name = \"High\"; }; };"
v3="address = \"127.0.0.1:$nms_port\"; version = \"3\"; user = \"nightshift\"; auth_password = \"file:auth\""
host trap trap "address = \"127.0.0.1:$nms_port\"; community = \"file:community\";"
host inform inform "address = \"127.0.0.1:$nms_port\"; community = \"file:community\";"
host trap3 trap "$v3; priv_password = \"file:priv\"; engine = \"0x80001f88046e69676874\";"
host inform3 inform "$v3; priv_password = \"file:priv\";"
host informno inform "${v3/file:auth/file:wrong}; priv_password = \"file:priv\";"
host deaf inform "address = \"127.0.0.1:$(free_port)\"; community = \"file:community\";"
from='from = "nightshift@example.net"; to = "oncall@example.net, boss@example.net"; user = "nightshift"; password = "file:password"'
starttls="address = \"127.0.0.1:$(cat "$dir/mail/starttls.port")\"; ca_file = \"$dir/mail/cert.pem\""
host mail mail "$from; $starttls;"
host mails mail "$from; address = \"127.0.0.1:$(cat "$dir/mail/implicit.port")\"; security = \"implicit\"; ca_file = \"$dir/mail/cert.pem\";"
plain="address = \"127.0.0.1:$(cat "$dir/mail/plain.port")\"; from = \"nightshift@example.net\""
host mailplain mail "$plain; security = \"none\"; to = \"oncall@example.net\";"
host mailclear mail "$plain; to = \"oncall@example.net\";"
host mailno mail "${from/file:password/file:wrong}; $starttls;"
host mailnobody mail "${from/boss@/nobody@}; $starttls;"
host mailgrey mail "${from/boss@/grey@}; $starttls;"
host mailca mail "$from; address = \"127.0.0.1:$(cat "$dir/mail/starttls.port")\";"
pin=$(openssl x509 -in "$dir/mail/cert.pem" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
host mailpin mail "${starttls%; ca_file*}; $from; tls = \"pin\"; pinned_key = \"sha256//$pin\";"
host mailmispin mail "${starttls%; ca_file*}; $from; tls = \"pin\"; pinned_key = \"sha256//${pin/[A-Za-z]/+}\";"
printf 'hosts: (%s);\n' "$hosts" >"$dir/receivers.conf"
drive_open "$dir/receivers.conf" "$dir/lab"
words='title=r1h01<!channel>@all text=it-hangs severity=critical host=r1h01 policy=host-hang alarm=alm-000007 run=run-1 team=dc reason=reset-failed'
key=night-alm-000007-r1h01
last() { tail -1 "$dir/peer/calls" | jq -r "$1"; }
calls_of() { jq -rs --arg k "$1" 'map(select(.kind == $k) | .action // "told") | join(" ")' "$dir/peer/calls"; }

# Alertmanager
alerts() { curl -s "$am/api/v2/alerts?filter=nightshift_key=%22$1%22" | jq -r "$2"; }
call am page $words
outcome "alertmanager" ok false
is "its alert" "$(alerts $key '.[] | "\(.labels.alertname) \(.labels.severity) \(.labels.host) \(.labels.site) \(.annotations.reason) \(.status.state)"')" \
    "host-hang critical r1h01 fra1 reset-failed active"
call am page $words
is "said again it is one alert" "$(alerts $key length)" 1
call am page ${words/critical/major}
is "said with another severity as well" "$(alerts $key 'map(.labels.severity) | join(" ")')" major
call am resolve ${words/host-hang/another-policy}
told "alertmanager: over" .result.receiver closed
is "no alert is left" "$(alerts $key length)" 0
call am resolve $words
told "alertmanager: over twice" .result.receiver "nothing was open"
call am notify.doctor
has "alertmanager: doctor" "$out" 'Alertmanager 0\.'

# services
call pagerduty page $words
outcome "pagerduty" ok false
is "its incident" "$(last '"\(.action) \(.key)"')" "trigger $key"
call pagerduty resolve $words
is "pagerduty: over" "$(last '"\(.action) \(.key)"')" "resolve $key"
call opsgenie page $words
told "opsgenie: done, not only accepted" .result.receiver told
call opsgenie notify $words
is "opsgenie: counted" "$(calls_of opsgenie)" "create count"
call opsgenie resolve $words
told "opsgenie: over" .result.receiver closed
call opsgenie resolve $words
told "opsgenie: over twice" .result.receiver "nothing was open"
for chat in slack mattermost teams; do
    call "$chat" notify $words
    outcome "$chat: nobody is called by a title" ok false
    call "$chat" resolve $words
    has "$chat: over" "$(last .title)" '^Over: '
done
call gone notify $words
outcome "slack: no such webhook, and its path is not told" not-found false 'no_service'
call snow ticket $words
told "servicenow: a ticket" '"\(.result.receiver) \(.result.ticket)"' "told INC0000001"
call snow ticket $words
call snow resolve $words
told "servicenow: over" '"\(.result.receiver) \(.result.ticket)"' "closed INC0000001"
is "servicenow: one ticket, a note, closed" "$(calls_of servicenow)" "create note close"
call snow ticket $words
told "servicenow: the next trouble is another ticket" .result.ticket INC0000002
call snowno ticket $words
outcome "servicenow: a wrong password" auth false 'User Not Authenticated'
call jira ticket $words
told "jira: an issue" '"\(.result.receiver) \(.result.ticket)"' "told DC-1"
call jira ticket $words
call jira resolve $words
told "jira: over" '"\(.result.receiver) \(.result.ticket)"' "closed DC-1"
is "jira: one issue, comments, closed" "$(calls_of jira)" "create comment comment close"
for receiver in opsgenie snow jira; do
    call "$receiver" notify.doctor
    told "$receiver: doctor" '.result.checks[0].state' ok
done
touch "$dir/peer/down"
call pagerduty page $words
outcome "down: later" busy false 'maintenance'
told "down: when to come back" .retry_after_ms 1000
rm "$dir/peer/down"
touch "$dir/peer/mute"
call pagerduty page timeout=4000 $words
told "no answer: it may have arrived" .effect_possible true
is "no answer: it had" "$(last '"\(.action) \(.key)"')" "trigger $key"
rm "$dir/peer/mute"

# SNMP
trapped() { grep -c "nsKey.0 = STRING: \"\?$key.*nsSeverity.0 = INTEGER: critical(5)" "$dir/traps" || true; }
trapped_are() { [ "$(trapped)" = "$1" ]; }
count=0
for receiver in trap inform trap3 inform3; do
    count=$((count + 1))
    call "$receiver" page $words
    outcome "$receiver" ok false
    await 15 trapped_are $count || { cat "$dir/traps"; fail "$receiver: the network management system did not see it"; }
done
call inform3 resolve $words
await 15 grep -q 'NIGHTSHIFT-MIB::nsResolved.*nsHost.0 = STRING: "\?r1h01' "$dir/traps" && ok "inform3: over" || fail "inform3: over"
has "the title" "$(grep nsRaised "$dir/traps" | tail -1)" 'nsTitle.0 = STRING: "?r1h01<!channel>@all'
call inform3 notify.doctor
told "inform3: doctor" '.result.checks[0].state' ok
call informno page $words
outcome "inform: a wrong key" auth false
call deaf page $words
outcome "inform: nobody there" timeout true 'no answer'

# mail
mails() { jq -rs 'length' "$dir/mail/mails" 2>/dev/null || echo 0; }
call mail page $words
outcome "mail" ok false 'kept'
call mails page $words
outcome "mail: TLS from the start" ok false
call mailplain page $words
outcome "mail: without TLS" ok false
python3 - "$dir/mail/mails" "$key" <<'PY' && ok "the mails are what they should be" || fail "the mails"
import email, email.policy, json, sys
mails = [json.loads(line) for line in open(sys.argv[1])]
assert [(m["tls"], m["login"]) for m in mails] == [(True, True), (True, True), (False, False)], mails
assert mails[0]["to"] == ["oncall@example.net", "boss@example.net"]
parsed = email.message_from_string(mails[0]["mail"], policy=email.policy.default)
assert parsed["subject"] == "critical: r1h01<!channel>@all", parsed["subject"]
assert parsed["references"] == "<%s@example.net>" % sys.argv[2], parsed["references"]
assert parsed["message-id"].startswith("<%s.a" % sys.argv[2])
assert "reason: reset-failed" in parsed.get_content()
assert not parsed.defects
PY
before=$(mails)
call mailclear page $words
outcome "mail: no STARTTLS, no mail" unsupported false 'STARTTLS'
call mailno page $words
outcome "mail: a wrong password" auth false '535'
call mailnobody page $words
outcome "mail: one address is not taken" denied false 'no such mailbox'
call mailgrey page $words
outcome "mail: a grey list" busy false 'come back later'
call mailca page $words
outcome "mail: an unknown authority" mismatch false
call mailmispin page $words
outcome "mail: another key than the pinned one" mismatch false
is "none of these left a mail" "$(mails)" "$before"
call mailpin page $words
outcome "mail: the pinned key" ok false
call mail notify.doctor
told "mail: doctor" '.result.checks[0].text' "takes mail from nightshift@example.net to all 2 addresses"
drive_stop

# ---- the daemon: nothing is lost, whenever it dies ------------------------------------------------------------------
mkdir "$dir/policies"
cat >"$dir/inventory.conf" <<'EOT'
hosts: ( { name = "h1"; rack = "r1"; addresses = ["127.0.0.1"]; bmc = { driver = "notify"; kind = "trap"; address = "127.0.0.1:9"; community = "file:community"; }; } );
EOT
cat >"$dir/policies/link.policy" <<'EOT'
policies: ( { name = "link"; summary = "A link is down: tell, and say when it is up"; owner = "net"; subject = "host"; mode = "enforce";
  when = { event = "network.link.down"; severity = "major"; settle = "0s"; };
  do = ( { step = "page";   action = "page"; with = { text = "${host.name}: ${event.message}"; }; },
         { step = "alert";  action = "notify"; with = { to = "alerts"; title = "${host.name} lost its link"; }; },
         { step = "nms";    action = "notify"; with = { to = "nms"; title = "${host.name} lost its link"; }; },
         { step = "up";     check = "cleared"; within = "1h"; },
         { step = "over";   action = "resolve"; with = { title = "up again"; }; },
         { step = "overam"; action = "resolve"; with = { to = "alerts"; title = "up again"; }; } ); } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/drivers";
credentials = "$dir/lab";
api = { socket = "$dir/api.sock"; };
snmp = { listen = ["udp:127.0.0.1:$trap_port"]; communities = ["public"]; };
pager = { driver = "notify"; kind = "pagerduty"; url = "$url/pagerduty"; routing_key = "file:pagerduty"; };
receivers = (
  { name = "alerts"; driver = "notify"; kind = "alertmanager"; url = "$am"; },
  { name = "nms"; driver = "notify"; kind = "inform"; address = "127.0.0.1:$nms_port"; community = "file:community"; } );
EOT
sed 's/to = "nms"/to = "nobody"/' -i "$dir/policies/link.policy"
has "a receiver that nobody configured is a mistake" \
    "$("$bin/nightshiftd" --check --config "$dir/nightshift.conf" 2>&1 || true)" "no receiver 'nobody'"
sed 's/to = "nobody"/to = "nms"/' -i "$dir/policies/link.policy"

touch "$dir/peer/mute"
: >"$dir/peer/calls"
daemon_start
snmptrap -v 2c -c public "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.7 i 7
told_once() { [ "$(jq -s length "$dir/peer/calls")" -ge 1 ]; }
await 20 told_once || { tail "$dir/log"; fail "the pager was not told"; }
daemon_kill # After the intent, and what it did is known; before the answer.
kill "$peer_pid"
wait "$peer_pid" 2>/dev/null || true
rm "$dir/peer/mute"
daemon_start # Nobody listens now: it is said again, and again.
unreachable() { grep -q 'code=unreachable' "$dir/log"; }
await 30 unreachable || { tail "$dir/log"; fail "the pager is tried again after the start"; }
daemon_kill
peer_start "$peer_port"
daemon_start
twice() { [ "$(jq -s length "$dir/peer/calls")" -ge 2 ]; }
await 60 twice || { tail "$dir/log"; fail "the page was lost"; }
is "at least once, with the same key: one incident" "$(jq -rs 'map("\(.action) \(.key)") | unique | length' "$dir/peer/calls")" 1
is "it is the same notice" "$(jq -rs 'map(.id) | unique | length' "$dir/peer/calls")" 1
alarm=$(ns alarm list --host h1 -o jsonl | jq -r .id)
is "its key is the alarm's" "$(jq -rs '.[0].key' "$dir/peer/calls")" "nightshift-$alarm-h1"
am_has() { [ "$(alerts "nightshift-$alarm-h1" length)" = "$1" ]; }
await 30 am_has 1 && ok "the next receiver is told as well" || fail "Alertmanager was not told: $(tail -3 "$dir/log")"
seen() { grep -q "nsKey.0 = STRING: \"\?nightshift-$alarm-h1" "$dir/traps"; }
await 30 seen && ok "and the network management system" || fail "the inform did not arrive"
doctor=$(ns driver doctor notify -o jsonl 2>&1 || true)
is "doctor looks at the receivers by name, and fails none that cannot be asked" \
    "$(jq -c '[.binding, .checks[0].check, .checks[0].state]' <<<"$doctor" | paste -sd' ')" \
    '["bmc","answer","skipped"] ["page","answer","skipped"] ["to/alerts","reachable","ok"] ["to/nms","answer","skipped"]'
snmptrap -v 2c -c public "127.0.0.1:$trap_port" '' 1.3.6.1.6.3.1.1.5.4 1.3.6.1.2.1.2.2.1.1.7 i 7
over() { [ "$(jq -rs '.[-1].action' "$dir/peer/calls")" = resolve ]; }
await 30 over && ok "when the link is up the incident is closed" || { ns run list; fail "the incident was not closed"; }
is "the same one" "$(jq -rs '.[-1].key' "$dir/peer/calls")" "nightshift-$alarm-h1"
await 30 am_has 0 && ok "and the alert" || fail "the alert was not closed"
is "no secret in the log" "$(grep -cE 's3cret|0123456789abcdef' "$dir/log" || true)" 0
daemon_stop
verdict
