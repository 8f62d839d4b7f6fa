# SPDX-License-Identifier: Apache-2.0
# Sourced: Ironic as Debian packages it, alone: http_basic (admin, $secret), SQLite, fake hardware whose power takes two
# seconds. In $dir/ironic, on loopback, at $url; ended with the test's other processes.
#   ironic_missing             the first program that is not there
#   ironic_start               ironic_default, ironic_more, if set: further lines of ironic.conf, in [DEFAULT] and after all
#   api METHOD PATH [BODY]     asked of it as the operator
ironic_missing() { # The first program that is not there
    first_missing ironic-api ironic-conductor ironic-dbsync
}
read -r ironic_port rpc_port < <(python3 -c '
import socket
both = [socket.socket() for _ in range(2)]
for one in both: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in both])')
url=http://127.0.0.1:$ironic_port
secret=right-$$-secret
ironic=$dir/ironic

ironic_conf() {
    cat <<END
[DEFAULT]
auth_strategy = http_basic
http_basic_auth_user_file = $ironic/htpasswd
rpc_transport = json-rpc
host = 127.0.0.1
my_ip = 127.0.0.1
state_path = $ironic/state
log_dir = $ironic/log
enabled_hardware_types = fake-hardware
${ironic_default:-}
END
    local interface
    for interface in boot deploy management power; do echo "enabled_${interface}_interfaces = fake"; done
    for interface in inspect console vendor raid bios rescue; do
        echo "enabled_${interface}_interfaces = no-$interface,fake"
    done
    cat <<END
enabled_network_interfaces = noop
enabled_storage_interfaces = noop,fake
[api]
host_ip = 127.0.0.1
port = $ironic_port
api_workers = 1
[fake]
power_delay = 2
[conductor]
automated_clean = false
node_locked_retry_attempts = 1
[json_rpc]
auth_strategy = http_basic
http_basic_auth_user_file = $ironic/htpasswd
host_ip = 127.0.0.1
port = $rpc_port
auth_type = http_basic
username = admin
password = $secret
[database]
connection = sqlite:///$ironic/ironic.sqlite
[pxe]
tftp_root = $ironic/tftp
tftp_master_path = $ironic/tftp/master
images_path = $ironic/images
instance_master_path = $ironic/images/master
[deploy]
http_root = $ironic/http
[oslo_concurrency]
lock_path = $ironic/lock
[dhcp]
dhcp_provider = none
[service_catalog]
auth_type = none
endpoint_override = $url
[nova]
send_power_notifications = false
auth_type = none
END
    for interface in inspector glance neutron swift cinder; do printf '[%s]\nauth_type = none\n' "$interface"; done
    printf '%s\n' "${ironic_more:-}"
}
ironic_answers() { api GET /v1/drivers | grep -q fake-hardware; }
ironic_start() {
    mkdir -p "$ironic/log" "$ironic/state" "$ironic/tftp/master" "$ironic/images/master" "$ironic/http" "$ironic/lock"
    ironic_conf >"$ironic/ironic.conf"
    /usr/bin/python3 -c 'import bcrypt, sys
print("admin:" + bcrypt.hashpw(sys.argv[1].encode(), bcrypt.gensalt(5, prefix=b"2a")).decode())' "$secret" >"$ironic/htpasswd"
    ironic-dbsync --config-file "$ironic/ironic.conf" create_schema >"$ironic/dbsync.out" 2>&1 || { tail "$ironic/dbsync.out"; exit 1; }
    local program
    for program in ironic-conductor ironic-api; do
        $program --config-file "$ironic/ironic.conf" >"$ironic/$program.out" 2>&1 </dev/null &
        pids+=($!)
    done
    await 120 ironic_answers || { tail -5 "$ironic"/*.out "$ironic"/log/*; echo "Ironic does not start"; exit 1; }
}
api() { # METHOD PATH [BODY]: as the operator
    curl -sS -m 30 -u "admin:$secret" -H "X-OpenStack-Ironic-API-Version: 1.81" -X "$1" \
        ${3:+-H "Content-Type: application/json" -d "$3"} "$url$2"
}
