#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Two persons who approve, by their uids; a veto; leases and FleetLock over HTTP; all of it over a restart.
source "$(dirname "$0")/common.sh"
needs curl jq setpriv
[ -x "$bin/nightshiftd" ] && [ -x "$bin/nightshift" ] || skip "nightshiftd or nightshift is not built"
[ "$(id -u)" = 0 ] || skip "two persons need two uids, and that needs root"

mkdir "$dir/policies"
chmod 711 "$dir"
cat >"$dir/inventory.conf" <<EOT
defaults: { bmc = { driver = "probe"; log = "$dir/calls"; }; };
hosts: (
  { name = "h1"; rack = "r1"; pool = "web"; addresses = ["192.0.2.1"]; bmc = { address = "bmc1"; }; },
  { name = "h2"; rack = "r1"; pool = "web"; addresses = ["192.0.2.2"]; bmc = { address = "bmc2"; };
    labels = { machine-id = "0123456789abcdef"; }; },
  { name = "h3"; rack = "r2"; pool = "db"; addresses = ["192.0.2.3"]; bmc = { address = "bmc3"; }; }
);
EOT
policy() { # NAME EVENT KEYS
    cat >"$dir/policies/$1.policy" <<EOT
policies: ( { name = "$1"; summary = "asks"; owner = "net"; subject = "host"; unless = ();
  when = { event = "$2"; settle = "0s"; }; limits = { once_within = "1s"; concurrent = { rack = 1; }; }; $3
  do = ( { step = "tell"; action = "page"; with = { text = "$1 did it on \${host.name}"; }; } ); } );
EOT
}
policy two psu.failed 'mode = "approve"; approve = { by = ["daemon", "nobody"]; count = 2; timeout = "1h"; };'
policy late fan.failed 'mode = "enforce"; veto = "1h";'
policy acts memory.uncorrectable 'mode = "approve";'
sed -i 's/action = "page".*/action = "power.cycle"; } ); } );/' "$dir/policies/acts.policy"
cat >"$dir/nightshift.conf" <<EOT
store = { path = "$dir/n.db"; };
inventory = "inventory.conf"; policies = "policies"; traps = "$NS_SOURCE/etc/traps"; drivers = "$NS_BUILD/tests/drivers";
api = { socket = "$dir/api.sock"; group = "nogroup"; };
pager = { driver = "probe"; log = "$dir/calls"; };
EOT
as() { # USER COMMAND...
    setpriv --reuid="$1" --regid=nogroup --clear-groups "$bin/nightshift" "${@:2}"
}
raise() { # HOST TYPE
    printf '{"specversion":"1.0","id":"%s","source":"test","type":"%s","subject":"%s","state":"raise","severity":"critical"}' \
        "$1-$2-$RANDOM" "$2" "$1" | ns event send - >/dev/null
}
asks() { [ "$(ns approvals -o jsonl | grep -c .)" = "$1" ]; }
run_of() { ns approvals -o json | jq -r ".items[] | select(.policy == \"$1\") | .id"; }
state_of() { ns run show "$1" -o json | jq -r .state; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
post() { # PATH BODY CURL-OPTION...: the status, then the body
    curl -s --unix-socket "$dir/api.sock" -X POST "http://localhost$1" -d "$2" -w '\n%{http_code} %header{retry-after}' "${@:3}"
}

# ---- two persons
daemon_start
raise h1 psu.failed
await 10 asks 1 || { ns run list; fail "nobody is asked"; verdict; }
run=$(run_of two)
has "plan counts down" "$(ns plan -o json)" 'wants approval, 0 of 2 given.*in 59m'
has "run show as well" "$(ns run show "$run")" 'denied in 59m.*0 of 2'
has "status too" "$(ns status)" "ASKS +$run"
if out=$(ns approve "$run" 2>&1); then fail "root is none of them, and may"; fi
has "who is asked is said" "$out" 'asked of daemon, nobody'
has "the first" "$(as daemon approve "$run" --reason 'seen')" '1 of 2 approved'
if out=$(as daemon approve "$run" 2>&1); then fail "one person counts twice"; fi
has "the same person is refused" "$out" 'approved .* already.*2 different persons'
daemon_kill
daemon_start
has "what was said is kept" "$(ns approvals -o json)" '"given": *1'
has "the second" "$(as nobody approve "$run")" "$run"
await 10 is_state "$run" done || fail "approved, and $(state_of "$run")"
has "who said yes stands in the run" "$(ns run show "$run")" 'approved by uid:1\(daemon\): seen, uid:65534\(nobody\)'

# ---- a veto, a no, a freeze
raise h1 fan.failed
await 10 asks 1 || fail "no veto window"
run=$(run_of late)
has "it is announced" "$(ns run show "$run")" 'done in 59m'
if ns veto "$run" 2>/dev/null; then fail "a veto without a reason"; fi
ns veto "$run" --reason 'works on it' >/dev/null
is "vetoed" "$(state_of "$run")" cancelled
raise h3 memory.uncorrectable
await 10 asks 1 || fail "mode approve asks nobody"
run=$(run_of acts)
ns freeze --scope rack=r2 --reason works >/dev/null
has "freeze wins" "$(ns approve "$run")" 'frozen by'
is "and ends it" "$(state_of "$run")" cancelled

# ---- leases
out=$(post /v1/leases '{"host":"h1","owner":"kured","reason":"kernel","ttl":"10m"}')
has "a lease" "$out" '^200'
lease=$(head -1 <<<"$out" | jq -r .id)
out=$(post /v1/leases '{"host":"h2","owner":"other","reason":"kernel"}')
has "the budget is used up" "$out" '^409 30'
has "and says by whom" "$out" 'guard concurrent: 1 of 1 hosts worked on in .*leased: h1 by kured'
has "listed" "$(ns lease list)" "$lease +h1 .*kured"
has "renewed" "$(post "/v1/leases/$lease/renew" '{"ttl":"20m"}')" '^200'
daemon_kill
daemon_start
has "kept over kill -9" "$(post /v1/leases '{"host":"h2","owner":"other","reason":"kernel"}')" '^409'
ns lease release "$lease" >/dev/null
is "given back" "$(ns lease list -o jsonl | grep -c . || true)" 0

# ---- FleetLock, as Zincati speaks it
lock='{"client_params":{"id":"0123456789ABCDEF","group":"default"}}'
proto=(-H 'fleet-lock-protocol: true')
has "without its header" "$(post /v1/fleetlock/v1/pre-reboot "$lock")" '^400'
has "a host by its machine-id" "$(post /v1/fleetlock/v1/pre-reboot "$lock" "${proto[@]}")" '"host":"h2"'
out=$(post /v1/fleetlock/v1/pre-reboot '{"client_params":{"id":"h1","group":"default"}}' "${proto[@]}")
has "the same budget" "$out" '^409 30'
has "errors are of its form" "$(head -1 <<<"$out" | jq -c 'keys')" '"kind","value"'
has "back in steady state" "$(post /v1/fleetlock/v1/steady-state "$lock" "${proto[@]}")" '^200|released'
ns unfreeze rack=r2 >/dev/null
lock='{"client_params":{"id":"h3","group":"default"}}'
has "a lock" "$(post /v1/fleetlock/v1/pre-reboot "$lock" "${proto[@]}")" '^200'
has "again" "$(post /v1/fleetlock/v1/pre-reboot "$lock" "${proto[@]}")" '^200'
has "it is a lease" "$(ns lease list)" 'h3 .*fleetlock:h3'
has "back" "$(post /v1/fleetlock/v1/steady-state "$lock" "${proto[@]}")" '^200'
has "back again" "$(post /v1/fleetlock/v1/steady-state "$lock" "${proto[@]}")" '^200'
is "nothing is left" "$(ns lease list -o jsonl | grep -c . || true)" 0
has "an unknown group" "$(post /v1/fleetlock/v1/pre-reboot '{"client_params":{"id":"x","group":"none"}}' "${proto[@]}")" '^404'
has "the trail is whole" "$(ns audit verify)" 'ok'
verdict
