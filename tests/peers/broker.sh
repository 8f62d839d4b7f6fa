# SPDX-License-Identifier: Apache-2.0
# Sourced after common.sh by the tests of sources that read from a broker: what a source tells of itself, and what
# every broker's test does to the daemon.

broker_certificates() { # SUBJECT-ALT-NAME: an authority and a server in $dir/tls
    (
        cd "$dir/tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile <(echo "subjectAltName=$1")
        chmod 644 ./*
    ) 2>"$dir/openssl.log" || { cat "$dir/openssl.log"; fail certificates; verdict; }
}
broker_config() { # The sources on standard input, one host r1h1
    cat >"$dir/inventory.conf" <<EOT
hosts: ( { name = "r1h1"; rack = "r1"; } );
EOT
    cat >"$dir/nightshift.conf" <<EOT
$(daemon_head)
traps = "$dir"; plain_secrets = true;
sources = (
$(cat)
);
EOT
}
connected() { ns source doctor "$1" -o json | jq -e '[.checks[] | select(.check == "broker" or .name == "broker") | .state] == ["ok"]'; }
figure() { ns source list -o json | jq -r --arg n "$1" --arg f "$2" '.items[] | select(.name == $n) | .[$f]'; }
figure_is() { [ "$(figure "$1" "$2")" = "$3" ]; }
event() { ns event list -o jsonl --limit 1000 | jq -es --arg i "$1" 'map(select(.id == $i)) | last'; }
killed_thrice() { # COMMAND...: kill -9 under load, whenever COMMAND says that there was progress
    local n
    for n in 1 2 3; do
        await 30 "$@" || fail "no progress: $(ns source list)"
        daemon_kill
        daemon_start
    done
}
all_once() { # TYPE MEMBER COUNT: after a stop the journal has COUNT events, each with a MEMBER of its own
    daemon_stop
    "$NS_BUILD/tests/journal" events "$dir/n.db" | jq -r --arg t "$1" --arg m "$2" 'select(.type == $t) | .[$m]' | sort -n >"$dir/orders"
    is "every message is an event after three kills" "$(uniq "$dir/orders" | wc -l)" "$3"
    is "and only once" "$(wc -l <"$dir/orders")" "$3"
}
no_errors_but() { # PATTERN: of sources that had to fail
    if grep -hE 'level=error' "$dir/log" | grep -vE "$1" | grep .; then fail "errors in the log"; fi
}
