#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Webhooks out of the real monitoring systems that Debian packages: Nagios, Icinga 2, Zabbix. Each is configured with what
# `nightshift source doctor` prints for pasting, taken from its output: what the documentation says is what is tested.
# label: slow
# timeout: 900
source "$(dirname "$0")/common.sh"
source "$NS_SOURCE/tests/peers/monitors.sh"
source "$NS_SOURCE/tests/peers/zabbix.sh"
needs curl jq openssl python3
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
missing() {
    local program
    program=$(first_missing nagios4 icinga2)
    if [ -n "$program" ]; then echo "$program"; else zabbix_missing; fi
}
PATH=$PATH:/usr/sbin
needs_packages monitors missing
trap 'icinga_stop; zabbix_stop; finish' EXIT

api_port=$((25000 + $$ % 4000))
mkdir "$dir/policies" "$dir/drivers" "$dir/credentials" "$dir/tls"
chmod 700 "$dir/credentials"
install -m 600 /dev/stdin "$dir/credentials/sender.token" <<<sender-secret
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/tls/server.key" -out "$dir/tls/ca.pem" -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -days 2 2>/dev/null
chmod 600 "$dir/tls/server.key"
cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "r1h1"; rack = "r1"; addresses = ["192.0.2.1"]; }, { name = "r1h2"; rack = "r1"; addresses = ["192.0.2.2"]; },
         { name = "r1h3"; rack = "r1"; addresses = ["192.0.2.3"]; } );
EOT
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; drivers = "$dir/drivers"; credentials = "credentials";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$api_port"; tls_cert = "tls/ca.pem"; tls_key = "tls/server.key"; };
sources = (
  { name = "nagios"; type = "webhook"; format = "nagios"; tokens = ["file:sender.token"]; },
  { name = "icinga"; type = "webhook"; format = "nagios"; tokens = ["file:sender.token"]; },
  { name = "zabbix"; type = "webhook"; format = "zabbix"; tokens = ["file:sender.token"]; }
);
EOT
daemon_start

alarm_of() { # HOST TYPE: as "state severity resource message"
    ns alarm list --state all -o json |
        jq -r --arg h "$1" --arg t "$2" '.items[] | select(.host == $h and .type == $t) | "\(.state) \(.severity) [\(.resource)] \(.message)"'
}
alarm_is() { [ "$(alarm_of "$1" "$2")" = "$3" ]; }
turns() { # WHAT HOST TYPE WANTED
    await 30 alarm_is "$2" "$3" "$4" && ok "$1" || fail "$1: got '$(alarm_of "$2" "$3")', wanted '$4'"
}
count() { ns source list -o json | jq -r --arg s "$1" ".items[] | select(.name == \$s) | .$2"; }
clean() { # SOURCE: all that it sent was understood
    is "$1: nothing of it was refused, or not understood" "$(count "$1" malformed)/$(count "$1" dropped)/$(count "$1" unmatched)" 0/0/0
}

story_nagios() {
    check_set nagios-host 0 'PING OK'
    check_set nagios-disk 0 'DISK OK'
    notify_install nagios sender-secret
    nagios_start nagios
    check_set nagios-disk 1 "DISK WARNING - /var is \"80%\" full; it's \$(date) \`id\`"
    turns "Nagios: a warning of a service" r1h1 check.disk-usage "raised warning [Disk Usage] DISK WARNING - /var is 80% full: its (date) id"
    check_set nagios-disk 2 'DISK CRITICAL'
    turns "Nagios: it becomes critical" r1h1 check.disk-usage "raised major [Disk Usage] DISK CRITICAL"
    check_set nagios-disk 0 'DISK OK'
    turns "Nagios: it recovers" r1h1 check.disk-usage "cleared major [Disk Usage] DISK CRITICAL"
    check_set nagios-disk 2 'DISK CRITICAL'
    turns "Nagios: and fails again, which is no repetition" r1h1 check.disk-usage "raised major [Disk Usage] DISK CRITICAL"
    check_set nagios-host 2 'PING CRITICAL'
    turns "Nagios: a host that is down" r1h1 host.down "raised critical [] PING CRITICAL"
    # Its recovery comes while the daemon is away: the script tries again.
    daemon_kill
    check_set nagios-host 0 'PING OK'
    await 30 grep -q 'HOST NOTIFICATION: .*UP' "$dir/nagios/log" || fail "Nagios: no notification of the recovery"
    daemon_start
    turns "Nagios: up again, told although the daemon was away" r1h1 host.down "cleared critical [] PING CRITICAL"
    clean nagios
}
story_icinga() {
    check_set icinga-host 0 'PING OK'
    check_set icinga-fan 0 'FAN OK'
    notify_install icinga sender-secret
    icinga_start icinga
    check_set icinga-fan 3 "FAN UNKNOWN - \"no\" sensor; it's \$(date) \`id\`"
    turns "Icinga: a service that is unknown" r1h2 check.fan-3 "raised minor [Fan 3] FAN UNKNOWN - \"no\" sensor; it's \$(date) \`id\`"
    check_set icinga-fan 2 'FAN CRITICAL'
    turns "Icinga: it becomes critical" r1h2 check.fan-3 "raised major [Fan 3] FAN CRITICAL"
    check_set icinga-fan 0 'FAN OK'
    turns "Icinga: it recovers" r1h2 check.fan-3 "cleared major [Fan 3] FAN CRITICAL"
    check_set icinga-fan 2 'FAN CRITICAL'
    turns "Icinga: and fails again, which is no repetition" r1h2 check.fan-3 "raised major [Fan 3] FAN CRITICAL"
    check_set icinga-host 2 'PING CRITICAL'
    turns "Icinga: a host that is down" r1h2 host.down "raised critical [] PING CRITICAL"
    check_set icinga-host 0 'PING OK'
    turns "Icinga: it is up again" r1h2 host.down "cleared critical [] PING CRITICAL"
    clean icinga
}

media_type() { # What is printed for pasting, as the API takes it: parameters by their lines, the script after its heading
    local page
    page=$(paste_of zabbix)
    sed -n 's/^#   \([a-z_]*\)  *\(.*\)$/\1 \2/p' <<<"$page" >"$dir/parameters"
    sed -n '/^# Script:$/,/^# Attempts/p' <<<"$page" | grep -v '^# ' >"$dir/script"
    sed -i 's/THE-SECRET/sender-secret/' "$dir/parameters"
    jq -Rn '[inputs | capture("^(?<name>[a-z_]+) (?<value>.*)$")]' "$dir/parameters" |
        jq -c --rawfile script "$dir/script" '{name: "nightshift", type: 4, status: 0, script: $script, parameters: ., timeout: "30s",
            maxattempts: 10, attempt_interval: "1s", message_templates: [{eventsource: 0, recovery: 0, subject: "", message: ""},
            {eventsource: 0, recovery: 1, subject: "", message: ""}]}'
}
zabbix_site() { # A host with two triggers, and an action that sends to the media type on problem and recovery
    local group host interface media id
    # The action first: a server that knows the items knows it too.
    media=$(zabbix_api mediatype.create "$(media_type)" | jq -r '.mediatypeids[0]')
    zabbix_api user.update "$(jq -nc --arg m "$media" '{userid: "1", medias: [{mediatypeid: $m, sendto: ["nightshift"], active: 0, severity: 63,
        period: "1-7,00:00-24:00"}]}')" >/dev/null
    zabbix_api action.create "$(jq -nc --arg m "$media" '{name: "nightshift", eventsource: 0, status: 0, esc_period: "1h",
        operations: [{operationtype: 0, esc_step_from: 1, esc_step_to: 1, opmessage: {default_msg: 1, mediatypeid: $m}, opmessage_usr: [{userid: "1"}]}],
        recovery_operations: [{operationtype: 0, opmessage: {default_msg: 1, mediatypeid: $m}, opmessage_usr: [{userid: "1"}]}]}')" >/dev/null
    group=$(zabbix_api hostgroup.create '{"name":"nightshift"}' | jq -r '.groupids[0]')
    host=$(zabbix_api host.create "$(jq -nc --arg g "$group" '{host: "r1h3", groups: [{groupid: $g}],
        interfaces: [{type: 1, main: 1, useip: 1, ip: "192.0.2.3", dns: "", port: "10050"}]}')" | jq -r '.hostids[0]')
    for id in fan psu; do
        zabbix_api item.create "$(jq -nc --arg h "$host" --arg k "$id.value" '{hostid: $h, name: $k, key_: $k, type: 2, value_type: 3}')" >/dev/null
    done
    zabbix_api trigger.create '[
        {"description": "Fan of {HOST.NAME} is \"slow\"", "expression": "last(/r1h3/fan.value)<1000", "priority": 4, "opdata": "rpm {ITEM.LASTVALUE1}",
         "tags": [{"tag": "component", "value": "fan/3"}, {"tag": "nightshift_type", "value": "fan.failed"}]},
        {"description": "Supply failed", "expression": "last(/r1h3/psu.value)=0", "priority": 2}]' >/dev/null
}
item() { # KEY VALUE: a value of it, as an agent would send it; not at once, because the server learns of new items by and by
    zabbix_sender -z 127.0.0.1 -p "$zabbix_port" -s r1h3 -k "$1" -o "$2" >"$dir/zabbix/sender" && grep -q 'failed: 0' "$dir/zabbix/sender"
}
seen_with() { # KEY VALUE TYPE
    item "$1" "$2" && [ -n "$(alarm_of r1h3 "$3")" ]
}
story_zabbix() {
    zabbix_start
    echo "Zabbix runs after $SECONDS s"
    zabbix_site
    await 60 item fan.value 5000 || fail "Zabbix: it takes no values: $(cat "$dir/zabbix/sender")"
    await 60 item psu.value 1 || fail "Zabbix: it takes no values: $(cat "$dir/zabbix/sender")"
    # Until it knows the triggers too.
    await 60 seen_with fan.value 300 fan.failed || true
    await 60 seen_with psu.value 0 zabbix.problem || true
    turns "Zabbix: a problem, its type by a tag" r1h3 fan.failed 'raised major [fan/3] Fan of r1h3 is "slow": rpm 300'
    turns "Zabbix: a problem without tags" r1h3 zabbix.problem 'raised warning [] Supply failed: 0'
    item fan.value 4000
    turns "Zabbix: it recovers" r1h3 fan.failed 'cleared major [fan/3] Fan of r1h3 is "slow": rpm 300'
    daemon_kill
    item psu.value 1
    await 60 tried_again || fail "Zabbix: it does not try again"
    daemon_start
    turns "Zabbix: a recovery while the daemon was away" r1h3 zabbix.problem 'cleared warning [] Supply failed: 0'
    # What the streaming connector sends are the lines of Zabbix' own export.
    cat "$dir"/zabbix/export/problems-*.ndjson | grep r1h3 >"$dir/lines"
    cat "$dir"/zabbix/export/problems-*.ndjson | grep p_eventid >>"$dir/lines"
    is "Zabbix: the lines of its export" "$(curl -sS --cacert "$dir/tls/ca.pem" -H 'Authorization: Bearer sender-secret' -H 'Content-Type: application/x-ndjson' \
        --data-binary @"$dir/lines" "https://127.0.0.1:$api_port/v1/webhooks/zabbix" | jq -c .)" '{"accepted":4,"duplicates":0,"unmatched":0,"ignored":0}'
    is "Zabbix: as pulses of their host" "$(ns event list -o jsonl --limit 100 | jq -r 'select(.state == "pulse") | "\(.type) \(.severity) \(.host)"' | sort | paste -sd' ')" \
        "fan.failed major r1h3 zabbix.problem.begun warning r1h3 zabbix.problem.ended info null zabbix.problem.ended info null"
    clean zabbix
}
tried_again() { # The alert of the recovery was refused once, and waits
    [ "$(database=zabbix sql -At -c "SELECT count(*) FROM alerts WHERE retries > 0")" != 0 ]
}

# NS_STORIES="nagios": only these, while something is being looked for.
for story in ${NS_STORIES:-nagios icinga zabbix}; do
    "story_$story"
    echo "-- $story: $SECONDS s"
done
daemon_stop
verdict
