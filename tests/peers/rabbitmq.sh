# SPDX-License-Identifier: Apache-2.0
# Sourced: the packaged RabbitMQ as nobody's service, in $dir/rabbit, on $rabbit_port (AMQP), $rabbit_port + 1 (TLS when
# $dir/tls has server.pem, server.key and ca.pem) and $rabbit_http (management).
rabbit_env() {
    rabbit_port=${rabbit_port:-$((20000 + $$ % 1500 * 4))} # Below those that connections are given.
    rabbit_http=$((rabbit_port + 2))
    export RABBITMQ_NODENAME=ns$$@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$rabbit_port \
        RABBITMQ_DIST_PORT=$((rabbit_port + 3)) ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((27000 + $$ % 4000)) \
        RABBITMQ_MNESIA_BASE=$dir/rabbit/mnesia RABBITMQ_LOG_BASE=$dir/rabbit/log RABBITMQ_PID_FILE=$dir/rabbit/pid \
        RABBITMQ_ENABLED_PLUGINS_FILE=$dir/rabbit/enabled_plugins RABBITMQ_CONFIG_FILE=$dir/rabbit/rabbitmq.conf \
        RABBITMQ_ADVANCED_CONFIG_FILE=$dir/rabbit/advanced.config RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2'
}
rabbit_start() {
    rabbit_env
    mkdir -p "$dir/rabbit"
    echo '[rabbitmq_management].' >"$dir/rabbit/enabled_plugins"
    {
        echo "listeners.tcp.1 = 127.0.0.1:$rabbit_port"
        echo "management.tcp.ip = 127.0.0.1"
        echo "management.tcp.port = $rabbit_http"
        if [ -e "$dir/tls/server.pem" ]; then
            echo "listeners.ssl.1 = 127.0.0.1:$((rabbit_port + 1))"
            echo "ssl_options.cacertfile = $dir/tls/ca.pem"
            echo "ssl_options.certfile = $dir/tls/server.pem"
            echo "ssl_options.keyfile = $dir/tls/server.key"
            echo "ssl_options.verify = verify_none"
        fi
    } >"$dir/rabbit/rabbitmq.conf"
    setsid /usr/lib/rabbitmq/bin/rabbitmq-server >"$dir/rabbit/out" 2>&1 </dev/null &
    rabbit_pid=$!
    await 90 rabbit_api "health/checks/port-listener/$rabbit_port" || { tail -20 "$dir/rabbit/out"; fail "RabbitMQ does not start"; rabbit_stop; verdict; }
}
rabbit_api() { # PATH [CURL-OPTION...]
    local path=$1
    shift
    curl -fsS -u guest:guest "$@" "http://127.0.0.1:$rabbit_http/api/$path"
}
rabbit_put() { # PATH JSON
    rabbit_api "$1" -X PUT -H 'content-type: application/json' -d "$2"
}
rabbit_bind() { # EXCHANGE QUEUE KEY
    rabbit_api "bindings/%2F/e/$1/q/$2" -X POST -H 'content-type: application/json' -d "{\"routing_key\":\"$3\"}" >/dev/null
}
rabbit_reader() { # The user nightshift, with the rights of the source's README; its password is the credential rabbit
    rabbit_put users/nightshift '{"password":"secret","tags":""}'
    rabbit_put permissions/%2F/nightshift '{"configure":"^nightshift\\.","write":"^nightshift\\.","read":".*"}'
    mkdir -p "$dir/credentials"
    install -m 600 /dev/stdin "$dir/credentials/rabbit" <<<secret
}
rabbit_stop() { # Its node, its port mapper: all by the session it was started in.
    kill -- "-$rabbit_pid" 2>/dev/null || true
    wait "$rabbit_pid" 2>/dev/null || true
    epmd -port "$ERL_EPMD_PORT" -kill >/dev/null 2>&1 || true
}
