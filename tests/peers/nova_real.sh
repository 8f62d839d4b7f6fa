# SPDX-License-Identifier: Apache-2.0
# Sourced after rabbitmq.sh: an OpenStack cloud of Debian's packages in $dir/cloud, all of it on loopback. Nova with two compute
# hosts (compute1, compute2) whose hypervisor is Nova's own fake; Placement, Glance, Neutron, Keystone, MariaDB, RabbitMQ are real.
#   cloud_start              $keystone_url, $nova_url, $cloud_image, $cloud_flavor; user admin, password $cloud_secret
#   cloud_api METHOD PATH [BODY]   asked of Nova as the operator; cloud_ask SERVICE METHOD PATH [BODY] of any
#   compute_start NAME, compute_kill NAME, compute_is NAME STATE
#   cloud_more, if set: further sections of nova.conf
#   cloud_stop
cloud_missing() { # The first program that is not there
    first_missing keystone-manage uwsgi_python3 placement-manage glance-api neutron-server nova-api nova-conductor nova-scheduler \
        nova-compute mariadbd /usr/lib/rabbitmq/bin/rabbitmq-server
}
cloud_dead() { # WHAT: it does not start; the last words of everybody
    tail -n 8 "$cloud"/*.out "$cloud"/*.log 2>/dev/null || true
    echo "$1"
    exit 1
}
cloud_run() { # NAME COMMAND...: stays with us, as a process group of its own (uWSGI and the workers of oslo.service have children)
    local name=$1
    shift
    setsid "$@" >>"$cloud/$name.out" 2>&1 </dev/null &
    cloud_pids[$name]=$!
}
cloud_end() { # NAME SIGNAL
    [ -n "${cloud_pids[$1]:-}" ] || return 0
    kill "-$2" -- "-${cloud_pids[$1]}" 2>/dev/null || true
    wait "${cloud_pids[$1]}" 2>/dev/null || true
    kill -KILL -- "-${cloud_pids[$1]}" 2>/dev/null || true
    unset "cloud_pids[$1]"
}
cloud_once() { # NAME COMMAND...: has to succeed
    local name=$1
    shift
    "$@" >>"$cloud/$name.out" 2>&1 || cloud_dead "failed: $*"
}

# ---- settings -------------------------------------------------------------------------------------------------------
cloud_auth() { # SECTION...: how a service logs in
    local section
    for section in "$@"; do
        printf '[%s]\nauth_url = %s\nwww_authenticate_uri = %s\nauth_type = password\n' "$section" "$keystone_url" "$keystone_url"
        printf 'project_domain_name = Default\nuser_domain_name = Default\nproject_name = admin\nusername = admin\n'
        printf 'password = %s\nregion_name = RegionOne\n' "$cloud_secret"
    done
}
cloud_database() { echo "connection = mysql+pymysql://root@127.0.0.1:$mariadb_port/$1"; }
keystone_conf() { # SECONDS a token lives
    cat <<END
[DEFAULT]
log_dir = $cloud
[database]
$(cloud_database keystone)
[identity]
password_hash_rounds = 4
[token]
provider = fernet
expiration = $1
[fernet_tokens]
key_repository = $cloud/fernet
[credential]
key_repository = $cloud/cred
END
}
placement_conf() {
    printf '[api]\nauth_strategy = keystone\n[placement_database]\n%s\n' "$(cloud_database placement)"
    cloud_auth keystone_authtoken
}
glance_conf() {
    cat <<END
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $glance_port
workers = 1
[database]
$(cloud_database glance)
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = $cloud/images
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
[oslo_concurrency]
lock_path = $cloud/lock
END
    cloud_auth keystone_authtoken
}
neutron_conf() {
    cat <<END
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $neutron_port
core_plugin = ml2
service_plugins = router,port_forwarding
transport_url = $rabbit_url
api_workers = 1
rpc_workers = 0
api_paste_config = /etc/neutron/api-paste.ini
state_path = $cloud/neutron
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
[ml2]
type_drivers = local,flat
tenant_network_types = local
mechanism_drivers =
extension_drivers = port_security
[database]
$(cloud_database neutron)
[oslo_concurrency]
lock_path = $cloud/lock
END
    cloud_auth keystone_authtoken
}
nova_conf() { # HOST
    cat <<END
[DEFAULT]
host = $1
state_path = $cloud/$1
my_ip = 127.0.0.1
transport_url = $rabbit_url
enabled_apis = osapi_compute
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $nova_port
osapi_compute_workers = 1
compute_driver = fake.FakeLiveMigrateDriver
heal_instance_info_cache_interval = -1
report_interval = 2
service_down_time = 20
update_resources_interval = 10
graceful_shutdown_timeout = 2
rpc_response_timeout = 120
[api_database]
$(cloud_database nova_api)
[database]
$(cloud_database nova)
[glance]
api_servers = http://127.0.0.1:$glance_port
[scheduler]
workers = 1
[conductor]
workers = 1
[filter_scheduler]
enabled_filters = ComputeFilter,ImagePropertiesFilter
[vnc]
enabled = false
[oslo_concurrency]
lock_path = $cloud/lock
END
    cloud_auth placement neutron cinder keystone_authtoken
    echo "token_cache_time = -1" # It asks Keystone of every token anew: one that was revoked counts at once.
    printf '%s\n' "${cloud_more:-}"
}

# ---- asking ---------------------------------------------------------------------------------------------------------
cloud_token() {
    cat >"$cloud/login.json" <<END
{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"$cloud_secret"}}},
 "scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}
END
    curl -sS -m 60 -D - -o "$cloud/token.json" -H 'Content-Type: application/json' -d "@$cloud/login.json" "$keystone_url/auth/tokens" |
        tr -d '\r' | sed -n 's/^[Xx]-[Ss]ubject-[Tt]oken: //p'
}
cloud_ask() { # URL METHOD PATH [BODY]
    curl -sS -m 120 -H "X-Auth-Token: $operator_token" -H 'OpenStack-API-Version: compute 2.87, placement 1.36' -X "$2" \
        ${4:+-H "Content-Type: application/json" -d "$4"} "$1$3"
}
cloud_api() { cloud_ask "$nova_url" "$@"; }
compute_state() { # NAME: as Nova says it
    cloud_api GET "/os-services?binary=nova-compute&host=$1" | jq -r '.services[0] | "\(.state) \(.status) \(.forced_down)"'
}
compute_is() { # NAME WORD: up or down
    [ "$(compute_state "$1" | cut -d' ' -f1)" = "$2" ]
}
compute_start() { cloud_run "$1" nova-compute --config-file "$cloud/$1.conf"; }
compute_kill() { cloud_end "$1" KILL; }

# ---- starting -------------------------------------------------------------------------------------------------------
cloud_wsgi() { # NAME PORT PROGRAM [VARIABLE=VALUE...]
    local name=$1 port=$2 program=$3
    shift 3
    cloud_run "$name" env "$@" uwsgi_python3 --http-socket "127.0.0.1:$port" --wsgi-file "$program" --processes 1 --threads 4 --master \
        --die-on-term --lazy-apps --enable-threads --add-header "Connection: close" --buffer-size 65535 --post-buffering 8192
}
cloud_databases() {
    local name
    # Without the peer's own settings of this machine.
    cloud_once mariadb mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$cloud/db" \
        --auth-root-authentication-method=normal --skip-test-db
    cloud_run mariadb "$(PATH=$PATH:/usr/sbin command -v mariadbd)" --no-defaults --user="$(id -un)" --datadir="$cloud/db" \
        --socket="$cloud/m.sock" --pid-file="$cloud/m.pid" --port="$mariadb_port" --bind-address=127.0.0.1 --max-connections=500 \
        --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --performance-schema=OFF --skip-log-bin
    await 60 mariadb --no-defaults -u root -S "$cloud/m.sock" -e 'SELECT 1' || cloud_dead "MariaDB does not start"
    for name in keystone placement glance neutron nova nova_api nova_cell0; do
        echo "CREATE DATABASE $name CHARACTER SET utf8mb4;"
    done | mariadb --no-defaults -u root -S "$cloud/m.sock"
}
keystone_start() { # SECONDS a token lives
    keystone_conf "$1" >"$cloud/keystone.conf"
    cloud_wsgi keystone "$keystone_port" /usr/bin/keystone-wsgi-public OS_KEYSTONE_CONFIG_FILES="$cloud/keystone.conf"
    await 120 curl -fsS "$keystone_url" || cloud_dead "Keystone does not start"
}
keystone_make() {
    keystone_conf 3600 >"$cloud/keystone.conf"
    mkdir -m 700 "$cloud/fernet" "$cloud/cred"
    local manage="keystone-manage --config-file $cloud/keystone.conf" user group
    user=$(id -un) group=$(id -gn)
    cloud_once keystone $manage fernet_setup --keystone-user "$user" --keystone-group "$group"
    cloud_once keystone $manage credential_setup --keystone-user "$user" --keystone-group "$group"
    cloud_once keystone $manage db_sync
    cloud_once keystone $manage bootstrap --bootstrap-password "$cloud_secret" --bootstrap-region-id RegionOne \
        --bootstrap-public-url "$keystone_url" --bootstrap-internal-url "$keystone_url" --bootstrap-admin-url "$keystone_url"
}
catalogue_add() { # TYPE URL
    local id interface
    id=$(cloud_ask "$keystone_url" POST /services "{\"service\":{\"type\":\"$1\",\"name\":\"$1\"}}" | jq -r .service.id)
    for interface in public internal admin; do
        cloud_ask "$keystone_url" POST /endpoints \
            "{\"endpoint\":{\"service_id\":\"$id\",\"interface\":\"$interface\",\"region\":\"RegionOne\",\"url\":\"$2\"}}" >/dev/null
    done
}
nova_make() {
    local manage="nova-manage --config-file $cloud/ctl.conf"
    cloud_once nova $manage api_db sync
    cloud_once nova $manage cell_v2 map_cell0 --database_connection "mysql+pymysql://root@127.0.0.1:$mariadb_port/nova_cell0"
    cloud_once nova $manage db sync
    cloud_once nova $manage cell_v2 create_cell --name cell1
}
cloud_image_make() { # A raw image of 64 kB, and a flavor without a disk
    cloud_image=$(cloud_ask "http://127.0.0.1:$glance_port" POST /v2/images \
        '{"name":"small","disk_format":"raw","container_format":"bare"}' | jq -r .id)
    head -c 65536 /dev/zero | curl -sS -m 60 -H "X-Auth-Token: $operator_token" -H 'Content-Type: application/octet-stream' \
        -X PUT --data-binary @- "http://127.0.0.1:$glance_port/v2/images/$cloud_image/file"
    cloud_flavor=$(cloud_api POST /flavors '{"flavor":{"name":"small","ram":64,"vcpus":1,"disk":0}}' | jq -r .flavor.id)
}
cloud_start() {
    local name
    declare -gA cloud_pids=()
    cloud=$dir/cloud
    mkdir -p "$cloud"/{db,images,lock,neutron,ctl/instances,compute1/instances,compute2/instances}
    read -r mariadb_port keystone_port placement_port glance_port neutron_port nova_port < <(python3 -c '
import socket
all = [socket.socket() for _ in range(6)]
for one in all: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in all])')
    keystone_url=http://127.0.0.1:$keystone_port/v3 nova_url=http://127.0.0.1:$nova_port/v2.1
    placement_url=http://127.0.0.1:$placement_port
    cloud_secret=right-$$-secret
    rabbit_start
    rabbit_url=rabbit://guest:guest@127.0.0.1:$rabbit_port/
    cloud_databases
    placement_conf >"$cloud/placement.conf"
    glance_conf >"$cloud/glance.conf"
    neutron_conf >"$cloud/neutron.conf"
    for name in ctl compute1 compute2; do nova_conf "$name" >"$cloud/$name.conf"; done
    # The schemas take longest: side by side.
    local makers=()
    keystone_make & makers+=("$!")
    cloud_once placement placement-manage --config-file "$cloud/placement.conf" db sync & makers+=("$!")
    cloud_once glance glance-manage --config-file "$cloud/glance.conf" db_sync & makers+=("$!")
    cloud_once neutron neutron-db-manage --config-file "$cloud/neutron.conf" upgrade heads & makers+=("$!")
    nova_make & makers+=("$!")
    for name in "${makers[@]}"; do wait "$name" || cloud_dead "a database could not be made"; done
    keystone_start 3600
    operator_token=$(cloud_token)
    catalogue_add placement "$placement_url"
    catalogue_add image "http://127.0.0.1:$glance_port"
    catalogue_add network "http://127.0.0.1:$neutron_port"
    catalogue_add compute "$nova_url"
    cloud_wsgi placement "$placement_port" /usr/bin/placement-api OS_PLACEMENT_CONFIG_DIR="$cloud"
    cloud_run glance glance-api --config-file "$cloud/glance.conf"
    cloud_run neutron neutron-server --config-file "$cloud/neutron.conf"
    cloud_run nova-conductor nova-conductor --config-file "$cloud/ctl.conf"
    cloud_run nova-api nova-api --config-file "$cloud/ctl.conf"
    cloud_run nova-scheduler nova-scheduler --config-file "$cloud/ctl.conf"
    compute_start compute1
    compute_start compute2
    await 180 curl -fsS "http://127.0.0.1:$neutron_port/" || cloud_dead "Neutron does not start"
    # Else its very first list of ports is an error 500 ("Port has no attribute port_forwardings").
    cloud_ask "http://127.0.0.1:$neutron_port" GET /v2.0/networks >/dev/null
    await 180 curl -fsS "$placement_url/" || cloud_dead "Placement does not start"
    await 180 curl -fsS "http://127.0.0.1:$glance_port/versions" || cloud_dead "Glance does not start"
    for name in compute1 compute2; do await 240 compute_is "$name" up || cloud_dead "$name does not come up"; done
    cloud_once nova nova-manage --config-file "$cloud/ctl.conf" cell_v2 discover_hosts
    cloud_image_make
}
cloud_stop() {
    local name
    # All are asked at once, then awaited; the database last.
    for name in "${!cloud_pids[@]}"; do [ "$name" = mariadb ] || kill -TERM -- "-${cloud_pids[$name]}" 2>/dev/null || true; done
    for name in "${!cloud_pids[@]}"; do [ "$name" = mariadb ] || cloud_end "$name" KILL; done
    cloud_end mariadb TERM
    [ -z "${rabbit_pid:-}" ] || rabbit_stop
}
