#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Webhooks out of OpenStack's Aodh as Debian packages it: its API, evaluator and notifier, on SQLite and the packaged RabbitMQ.
# What it measures is said by a stub of Gnocchi (tests/peers/gnocchi.py); it proves itself by a client certificate, as
# `nightshift source doctor` says.
# label: slow
# timeout: 600
. "$(dirname "$0")/common.sh"
. "$NS_SOURCE/tests/peers/rabbitmq.sh"
needs curl jq openssl python3
needs_packages openstack first_missing aodh-dbsync aodh-api aodh-evaluator aodh-notifier /usr/lib/rabbitmq/bin/rabbitmq-server
trap 'finish; rabbit_stop' EXIT

read -r api_port aodh_port gnocchi_port < <(python3 -c '
import socket
all = [socket.socket() for _ in range(3)]
for one in all: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in all])')
mkdir "$dir/policies" "$dir/drivers" "$dir/tls" "$dir/aodh"
( cd "$dir/tls"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=test-ca -days 2
  for name in server aodh; do
      openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name.dc1
      openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.crt -days 2 -extfile <(echo 'subjectAltName=IP:127.0.0.1')
  done
  cat aodh.crt aodh.key >aodh.pem
  chmod 600 ./*.key aodh.pem
) 2>"$dir/openssl.log"
echo 'hosts: ( { name = "r1h1"; rack = "r1"; } );' >"$dir/inventory.conf"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; drivers = "$dir/drivers";
api = { socket = "$dir/api.sock"; listen = "127.0.0.1:$api_port"; tls_cert = "tls/server.crt"; tls_key = "tls/server.key"; tls_clients = "tls/ca.pem"; };
sources = ( { name = "aodh"; type = "webhook"; format = "aodh"; clients = ["aodh.*"]; } );
EOT
daemon_start
paste=$(ns source doctor aodh -o json | jq -r .paste || true)

# ---- Aodh: its settings as they are printed ------------------------------------------------------------------------------
rabbit_start
printed=$(sed -n '/^\[DEFAULT\]/,/^$/p' <<<"$paste" | grep = | sed "s|/etc/aodh/nightshift.pem|$dir/tls/aodh.pem|; s|/etc/ssl/certs/site-ca.pem|$dir/tls/ca.pem|")
has "aodh.conf as it is printed" "$printed" rest_notifier_certificate_file
cat >"$dir/aodh/aodh.conf" <<EOT
[DEFAULT]
transport_url = rabbit://guest:guest@127.0.0.1:$rabbit_port/
$printed
[api]
auth_mode =
paste_config = /usr/share/aodh-common/api-paste.ini
[database]
connection = sqlite:///$dir/aodh/db
[evaluator]
evaluation_interval = 1
workers = 1
[notifier]
workers = 1
[service_credentials]
auth_type = none
endpoint = http://127.0.0.1:$gnocchi_port
EOT
aodh-dbsync --config-file "$dir/aodh/aodh.conf" >"$dir/aodh/dbsync.out" 2>&1 || { tail "$dir/aodh/dbsync.out"; fail "Aodh's schema"; verdict; }
echo 5 >"$dir/aodh/value"
python3 "$NS_SOURCE/tests/peers/gnocchi.py" "$gnocchi_port" "$dir/aodh/value" &
pids+=("$!")
aodh-api --host 127.0.0.1 --port "$aodh_port" -- --config-file "$dir/aodh/aodh.conf" >"$dir/aodh/api.out" 2>&1 &
pids+=("$!")
for name in evaluator notifier; do
    "aodh-$name" --config-file "$dir/aodh/aodh.conf" >"$dir/aodh/$name.out" 2>&1 &
    pids+=("$!")
done
api() { # METHOD PATH [BODY]
    curl -sS -m 60 -H 'X-User-Id: u' -H 'X-Project-Id: p' -H 'X-Roles: admin' -H 'Content-Type: application/json' -X "$1" ${3:+-d "$3"} "http://127.0.0.1:$aodh_port$2"
}
await 120 eval 'api GET /v2/alarms | jq -e "type == \"array\""' || { tail "$dir"/aodh/*.out; fail "Aodh does not answer"; verdict; }

# ---- an alarm, with the actions that are printed ---------------------------------------------------------------------------
action() { grep -oE -- "--$1-action [^ ]+" <<<"$paste" | cut -d' ' -f2; }
created=$(api POST /v2/alarms "$(jq -nc --arg a "$(action alarm)" --arg o "$(action ok)" --arg i "$(action insufficient-data)" '{name: "cpu_high",
    type: "gnocchi_aggregation_by_metrics_threshold", severity: "critical", repeat_actions: true, alarm_actions: [$a], ok_actions: [$o], insufficient_data_actions: [$i],
    gnocchi_aggregation_by_metrics_threshold_rule: {metrics: ["11111111-1111-4111-8111-111111111111"], aggregation_method: "mean", granularity: 1,
    evaluation_periods: 3, threshold: 80, comparison_operator: "gt"}}')")
id=$(jq -r '.alarm_id // empty' <<<"$created")
[ -n "$id" ] || { fail "no alarm was made: $created"; tail "$dir"/aodh/*.out; verdict; }
alarm() { ns alarm list --state all -o json | jq -r '.items[] | select(.type == "aodh.alarm") | "\(.state) \(.severity) \(.name) \(.qualifier)"'; }
alarm_is() { [ "$(alarm)" = "$1" ]; }
turns() { # WHAT WANTED
    await 90 alarm_is "$2" && ok "$1" || fail "$1: got '$(alarm)', wanted '$2'; $(tail -n 3 "$dir"/aodh/{evaluator,notifier}.out)"
}
row() { ns source list -o json | jq -r ".items[] | select(.name == \"aodh\") | $1"; }
heard() { [ "$(row .received)" -gt "$1" ]; }
await 90 heard 0 && ok "its first state is heard: ok" || fail "nothing came: $(tail -n 5 "$dir"/aodh/{evaluator,notifier}.out)"
echo 95 >"$dir/aodh/value"
turns "over the threshold" "raised critical cpu_high $id"
daemon_kill
echo 5 >"$dir/aodh/value"
await 60 eval '[ "$(api GET /v2/alarms/'"$id"' | jq -r .state)" = ok ]' || fail "Aodh: it is $(api GET "/v2/alarms/$id" | jq -r .state)"
daemon_start
turns "well again while the daemon was away: told again" "cleared critical cpu_high $id"
: >"$dir/aodh/value"
unknown() { [ "$(ns event list -o jsonl --limit 200 | jq -r 'select(.type == "aodh.insufficient-data") | .state' | sort -u)" = pulse ]; }
await 90 unknown && ok "no data: a pulse" || fail "insufficient data was not told"
is "nothing was malformed, dropped, unknown" "$(row '"\(.malformed)/\(.dropped)/\(.unmatched)"')" 0/0/0
daemon_stop
verdict
