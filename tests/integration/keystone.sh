#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The openstack driver's logins against Keystone as Debian packages it (SQLite, uWSGI): password, application credential,
# clouds.yaml, the catalogue, a token that expires in between and one that is revoked. Nova is played by tests/peers/nova.py,
# which shows every token to Keystone.
# label: slow
# timeout: 600
. "$(dirname "$0")/common.sh"
needs jq curl python3
needs_packages openstack first_missing keystone-manage uwsgi_python3

# ---- Keystone -------------------------------------------------------------------------------------------------------
read -r port nova_port < <(python3 -c '
import socket
both = [socket.socket() for _ in range(2)]
for one in both: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in both])')
url=http://127.0.0.1:$port/v3
secret=right-$$-secret
life=40 # Seconds that a token lives: a busy machine logs in slowly.
d=$dir/keystone
mkdir -p "$d" && mkdir -m 700 "$d/fernet" "$d/cred"
cat >"$d/keystone.conf" <<CONF
[DEFAULT]
log_dir = $d
[database]
connection = sqlite:///$d/keystone.sqlite?timeout=20
[identity]
password_hash_rounds = 4
[token]
provider = fernet
expiration = $life
[fernet_tokens]
key_repository = $d/fernet
[credential]
key_repository = $d/cred
CONF
user=$(id -un) group=$(id -gn)
manage() { keystone-manage --config-file "$d/keystone.conf" "$@" >>"$d/manage.out" 2>&1 || { tail "$d/manage.out"; echo "keystone-manage $1 failed"; exit 1; }; }
manage fernet_setup --keystone-user "$user" --keystone-group "$group"
manage credential_setup --keystone-user "$user" --keystone-group "$group"
manage db_sync
# Else a reader that forgot to end its transaction stops every writer.
python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA journal_mode = WAL")' "$d/keystone.sqlite"
manage bootstrap --bootstrap-password "$secret" --bootstrap-region-id RegionOne --bootstrap-public-url "$url" \
    --bootstrap-internal-url "$url" --bootstrap-admin-url "$url"
# One thread: several of them lock each other out of SQLite.
OS_KEYSTONE_CONFIG_FILES=$d/keystone.conf uwsgi_python3 --http-socket "127.0.0.1:$port" --wsgi-file /usr/bin/keystone-wsgi-public \
    --processes 1 --threads 1 --master --die-on-term --lazy-apps --enable-threads --add-header "Connection: close" \
    --buffer-size 65535 --post-buffering 8192 >"$d/out" 2>&1 </dev/null &
pids+=("$!")
await 120 curl -fsS "$url" || { tail -20 "$d/out"; echo "Keystone does not start"; exit 1; }

login='{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"'$secret'"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}'
fresh() { curl -sS -D - -o "$d/token.json" -H 'Content-Type: application/json' -d "$login" "$url/auth/tokens" | tr -d '\r' | sed -n 's/^[Xx]-[Ss]ubject-[Tt]oken: //p'; }
api() { # METHOD PATH BODY: as the operator
    curl -sS -m 60 --retry 5 --retry-all-errors -H "X-Auth-Token: $(fresh)" -X "$1" ${3:+-H "Content-Type: application/json" -d "$3"} "$url$2"
}
service=$(api POST /services '{"service":{"type":"compute","name":"nova"}}' | jq -r .service.id)
for interface in public internal; do
    api POST /endpoints "{\"endpoint\":{\"service_id\":\"$service\",\"interface\":\"$interface\",\"region\":\"RegionOne\",\"url\":\"http://127.0.0.1:$nova_port/v2.1\"}}" >/dev/null
done
fresh >/dev/null
admin=$(jq -r .token.user.id "$d/token.json")
credential=$(api POST "/users/$admin/application_credentials" '{"application_credential":{"name":"nightshift","roles":[{"name":"admin"}]}}')
credential_id=$(jq -r .application_credential.id <<<"$credential")
credential_secret=$(jq -r .application_credential.secret <<<"$credential")
python3 "$NS_SOURCE/tests/peers/nova.py" "$nova_port" unused "$dir/orders" "$url" >"$dir/nova.log" 2>&1 &
pids+=("$!")
await 30 curl -fs "http://127.0.0.1:$nova_port/v2.1/" || { cat "$dir/nova.log"; fail "nova.py did not start"; verdict; }

# ---- the driver -----------------------------------------------------------------------------------------------------
mkdir "$dir/credentials"
install -m 600 /dev/stdin "$dir/credentials/right" <<<"$secret"
install -m 600 /dev/stdin "$dir/credentials/wrong" <<<wrong
install -m 600 /dev/stdin "$dir/credentials/application" <<<"$credential_secret"
install -m 600 /dev/stdin "$dir/credentials/clouds" <<YAML
clouds:
  prod:
    region_name: RegionOne
    auth:
      auth_url: $url
      username: admin
      password: $secret
      project_name: admin
      user_domain_id: default
      project_domain_id: default
YAML
host() { # NAME SETTINGS
    echo "{ name = \"$1\"; rack = \"r1\"; bmc = { driver = \"openstack\"; server = \"web-1\"; poll = \"100ms\"; tls = \"insecure\"; $2 }; }"
}
cat >"$dir/inventory.conf" <<CONF
hosts: (
$(host password "auth_url = \"$url\"; region = \"RegionOne\"; user = \"admin\"; password = \"file:right\"; project = \"admin\";"),
$(host application "auth_url = \"$url\"; region = \"RegionOne\"; application_credential_id = \"$credential_id\"; application_credential_secret = \"file:application\";"),
$(host clouds "clouds = \"file:clouds\"; cloud = \"prod\";"),
$(host stranger "auth_url = \"$url\"; region = \"RegionOne\"; user = \"admin\"; password = \"file:wrong\"; project = \"admin\";"),
$(host elsewhere "auth_url = \"$url\"; region = \"RegionTwo\"; user = \"admin\"; password = \"file:right\"; project = \"admin\";"),
$(host noproject "auth_url = \"$url\"; region = \"RegionOne\"; user = \"admin\"; password = \"file:right\"; project = \"none\";")
);
CONF
never_said="$secret|$credential_secret"
drive_open "$dir/inventory.conf" "$dir/credentials"
tokens() { # How many logins Keystone has answered
    grep -c 'POST /v3/auth/tokens' "$d/out" || true
}

for name in password application clouds; do
    call $name power.status
    told "$name: logs in, finds Nova and the server" '"\(.code) \(.result.power) \(.result.name)"' "ok on web-1"
done
before=$(tokens)
call password power.status
told "the token is kept" .code ok
is "no second login" "$(tokens)" "$before"
call password power.cycle timeout=60000
told "cycle" '"\(.code) \(.result.power)"' "ok on"

# It lives for $life seconds: the clock of the login says so, and it is renewed before or, at the latest, after a 401.
until_over=$((SECONDS + life + 2))
await $((life + 10)) eval '[ $SECONDS -ge '$until_over' ]'
before=$(tokens)
for name in password application; do
    call $name power.status
    told "$name: after its token is over" '"\(.code) \(.result.power)"' "ok on"
done
is "each logged in once more" "$(($(tokens) - before))" 2

# A token that is revoked: everything of that user is, and one 401 is answered by a login.
call password power.status
api PATCH "/users/$admin" "{\"user\":{\"password\":\"$secret\"}}" >/dev/null
call password power.status
told "after its tokens were revoked" '"\(.code) \(.result.power)"' "ok on"

call stranger power.off
outcome "a wrong password" auth false
call noproject power.off
told "no such project" '"\(.code != "ok") \(.effect_possible)"' "true false"
call elsewhere power.off
outcome "a region that the catalogue has not" unsupported false 'RegionTwo'
call password openstack.doctor
told "doctor" .code ok
has "doctor: the roles" "$out" 'admin'
is "what Nova was asked for" "$(paste -sd, "$dir/orders")" "os-stop,os-start"
drive_stop
verdict
