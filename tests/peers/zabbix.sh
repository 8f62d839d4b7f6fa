# SPDX-License-Identifier: Apache-2.0
# Sourced: the packaged Zabbix server on a PostgreSQL of its own, and its frontend for the API, all on loopback, in
# $dir/zabbix and $postgres (which PostgreSQL has to reach as somebody else than root).
#   zabbix_missing                 the first program that is not there
#   zabbix_start                   $zabbix_port, $zabbix_web
#   zabbix_api METHOD PARAMS       its answer's result, as JSON
#   zabbix_stop
postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1 || true)
zabbix_missing() {
    local program
    program=$(first_missing zabbix_server zabbix_sender php "$postgres_bin/postgres" "$postgres_bin/psql")
    [ -n "$program" ] || [ -e /usr/share/zabbix/api_jsonrpc.php ] || program=zabbix-frontend-php
    echo "$program"
}
postgres_as() { # COMMAND...: as the package's user when we are root, whom it refuses
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
postgres_start() { # On $postgres_port
    postgres=$(mktemp -d /tmp/nightshift-pg.XXXXXX)
    [ "$(id -u)" != 0 ] || chown postgres: "$postgres"
    postgres_as "$postgres_bin/initdb" -D "$postgres/data" -U zabbix -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.out" 2>&1
    setsid setpriv $([ "$(id -u)" != 0 ] || echo --reuid=postgres --regid=postgres --clear-groups) \
        "$postgres_bin/postgres" -D "$postgres/data" -p "$postgres_port" -h 127.0.0.1 -k "$postgres" \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off >"$dir/postgres.out" 2>&1 </dev/null &
    postgres_pid=$!
    await 60 sql -c 'SELECT 1' || { tail "$dir/postgres.out"; fail "PostgreSQL does not start"; verdict; }
}
sql() { "$postgres_bin/psql" -h 127.0.0.1 -p "$postgres_port" -U zabbix -d "${database:-postgres}" -q -v ON_ERROR_STOP=1 "$@"; }
zabbix_start() {
    zabbix_port=$((29000 + $$ % 3700)) # It takes none above 32767.
    read -r postgres_port zabbix_web < <(python3 -c '
import socket
all = [socket.socket() for _ in range(2)]
for one in all: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in all])')
    local at=$dir/zabbix file
    mkdir -p "$at/export"
    postgres_start
    sql -c 'CREATE DATABASE zabbix'
    for file in schema images data; do zcat /usr/share/zabbix-server-pgsql/$file.sql.gz | database=zabbix sql >/dev/null; done
    cat >"$at/server.conf" <<END
ListenIP=127.0.0.1
ListenPort=$zabbix_port
LogFile=$at/log
PidFile=$at/pid
SocketDir=$at
DBHost=127.0.0.1
DBPort=$postgres_port
DBName=zabbix
DBUser=zabbix
AllowRoot=1
StartPollers=1
StartPollersUnreachable=1
StartPingers=0
StartHTTPPollers=0
StartDiscoverers=0
StartAlerters=1
StartLLDProcessors=1
StartHistoryPollers=1
StartTimers=1
CacheUpdateFrequency=1
ExportDir=$at/export
ExportType=events
END
    setsid zabbix_server -f -c "$at/server.conf" >"$at/out" 2>&1 </dev/null &
    zabbix_pid=$!
    # The frontend has its settings in /etc: a copy that has them here.
    cp -r /usr/share/zabbix "$at/web"
    sed -i "s|/etc/zabbix/zabbix.conf.php|$at/zabbix.conf.php|" "$at/web/include/classes/core/CConfigFile.php"
    cat >"$at/zabbix.conf.php" <<END
<?php
\$DB['TYPE'] = 'POSTGRESQL';
\$DB['SERVER'] = '127.0.0.1';
\$DB['PORT'] = '$postgres_port';
\$DB['DATABASE'] = 'zabbix';
\$DB['USER'] = 'zabbix';
\$DB['PASSWORD'] = '';
\$DB['SCHEMA'] = '';
\$DB['ENCRYPTION'] = false;
\$DB['DOUBLE_IEEE754'] = true;
\$ZBX_SERVER = '127.0.0.1';
\$ZBX_SERVER_PORT = '$zabbix_port';
\$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
END
    php -S "127.0.0.1:$zabbix_web" -t "$at/web" >"$at/php.out" 2>&1 </dev/null &
    pids+=("$!")
    zabbix_auth=null
    await 60 zabbix_api apiinfo.version '[]' || { tail "$at/php.out"; fail "Zabbix's frontend does not start"; verdict; }
    zabbix_auth=$(zabbix_api user.login '{"user":"Admin","password":"zabbix"}')
    await 60 grep -q 'server #0 started' "$at/log" || { tail "$at/log" "$at/out"; fail "Zabbix does not start"; verdict; }
}
zabbix_api() { # METHOD PARAMS
    jq -nc --arg m "$1" --argjson p "$2" --argjson a "$zabbix_auth" '{jsonrpc: "2.0", id: 1, method: $m, params: $p, auth: $a}' |
        curl -fsS -m 60 -H 'Content-Type: application/json-rpc' --data-binary @- "http://127.0.0.1:$zabbix_web/api_jsonrpc.php" |
        jq -ec 'if .error then (.error | tostring | halt_error(1)) else .result end'
}
zabbix_stop() {
    local pid
    for pid in ${zabbix_pid:-} ${postgres_pid:-}; do
        kill -- "-$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    zabbix_pid='' postgres_pid=''
    [ -z "${postgres:-}" ] || rm -rf "$postgres"
}
