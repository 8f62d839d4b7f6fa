#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# label: slow
# timeout: 2400
# The engine with one safety taken out at a time: the simulated world or the engine's tests must notice each.
set -eu
cd "${NS_SOURCE:?}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git ls-files -co --exclude-standard bridge drivers tests CMakeLists.txt CMakePresets.json etc policies -z |
    xargs -0 cp --parents -t "$dir" 2>/dev/null
cmake -S "$dir" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
mapfile -t tests < <(cd tests/unit && ls sim/test_*.c engine/test_*.c | sed 's|.*/||; s|\.c$||')
build() { ninja -C "$dir/build" "${tests[@]}" >"$dir/log" 2>&1; }
noticed() { # Some test fails.
    for test in "${tests[@]}"; do
        timeout 300 "$dir/build/tests/$test" >"$dir/out" 2>&1 || { by=$test; return 0; }
    done
    return 1
}
build || { cat "$dir/log"; exit 1; }
! noticed || { cat "$dir/out"; echo "the engine itself does not pass $by"; exit 1; }

bad=0 count=0
mutant() { # WHAT FILE SED: apply, look, take back; NS_MUTANTS: only those whose words match
    local file="$dir/bridge/engine/$2"
    [[ $1 =~ ${NS_MUTANTS:-.} ]] || return 0
    cp "$file" "$dir/kept"
    sed -i "$3" "$file"
    count=$((count + 1))
    if cmp -s "$file" "$dir/kept"; then
        echo "NO MUTANT: $1: '$3' changes nothing in $2"
        bad=1
    elif ! build; then
        echo "NO MUTANT: $1: does not compile"
        tail -5 "$dir/log"
        bad=1
    elif noticed; then
        echo "caught by $by: $1"
    else
        echo "MISSED: $1"
        bad=1
    fi
    cp "$dir/kept" "$file"
}
in_worlds() { # The same, and it is the simulated world that must notice
    local tests=(test_sim)
    mutant "$@"
}
# A guard that is never asked.
for guard in $(sed -nE 's/^GUARD\("([a-z_-]+)".*/\1/p' bridge/engine/guards.def); do
    [ "$guard" != mode ] || continue # It only speaks.
    mutant "guard $guard is never asked" guards.def "s/^GUARD(\"$guard\", [A-Z_| ]*,/GUARD(\"$guard\", 0,/"
done
mutant "a call leaves before its intent is durable" engine_action.c \
    's/action->needs = action->dirty ? UINT64_MAX : engine->records_through;/action->needs = 0;/'
mutant "an unknown condition of unless does not block" engine_guard.c 's/if (level == LEVEL_UNKNOWN) {/if (false) {/'
mutant "what was never sent does not give its budget back, or twice" engine_action.c \
    '0,/budget_return(engine, action);/s///'
mutant "what waited over a restart and is not said again is dropped without a word" engine_instance.c \
    's/^    decide_unseen(engine, instance, why);/    (void)why, fall(engine, instance, WHY_ENDED);/'
mutant "a repeat over a restart is taken for new" engine.c 's/^        dedup_known(.*$//'
mutant "a restart hides a storm" engine_load.c 's/^ *brake_host_restore(.*$//'
mutant "two alarms of one sender are two witnesses" engine_witness.c 's/if (text_equal(signs->paths\[i\], path)) {/if (false) {/'
mutant "two traps are two witnesses" engine_witness.c 's/return text_starts(source, "trap\/") ? TEXT("trap") : source;/return source;/'
mutant "a reading that nobody answered is a witness" engine_witness.c 's/return step->state == STEP_OK || (probe/return step->state != STEP_TODO || (probe/'
mutant "the ladder is not asked for each host that a run works through" guards.def \
    's/^GUARD("ladder", STAGE_DECIDE | STAGE_INTEND/GUARD("ladder", STAGE_DECIDE/'
mutant "the ladder forgets at a restart" engine_load.c 's/^ *load_kind(engine, RECORD_CHASSIS.*$//'
mutant "the ladder goes by the name of the host" engine_ladder.c 's/return host->serial != NULL .*/return false/'
mutant "a half-open endpoint lets all through" engine_breaker.c 's/if (breaker->probe != 0 .*{/if (false) {/'
mutant "a run that finds its endpoint dead ends without a word" engine_step.c 's/bool breaker = .*/bool breaker = false;/'
mutant "a hold is not as durable as its intent" engine_action.c 's/^    hold_intended(engine, action);$//'
mutant "what somebody else did before is held" engine_hold.c 's/!nsh_get_bool(&action->step->result, "changed", true)/false/'
mutant "what may have been done is not held" engine_hold.c 's/) && action->undone);/));/'
mutant "what somebody else holds is undone" engine_hold.c 's/return own(hold);/return true;/'
mutant "holds are forgotten at a restart" engine_load.c 's/^ *load_kind(engine, RECORD_HOLD.*$//'
mutant "a restart believes a shrunken inventory" engine_load.c 's/^ *blind_load(.*$//'
mutant "a source that fell silent is not missed" engine_blind.c 's/if (silent_ms <= silence->after_ms) {/if (silent_ms >= 0) {/'
mutant "a set that can do too much is loaded" ../policy/policy_worst.c 's/if (worst->hosts <= worst->limit) {/if (worst->limit > 0) {/'
mutant "after an unknown outcome the ladder goes on" engine_verify.c 's/if (!known && action->doubt) {/if (false) {/'
mutant "a wide brake is released over a narrower storm" engine_brake.c 's/if (narrower_storm(engine, brake)) {/if (narrower_storm(engine, brake) \&\& false) {/'
mutant "a wide brake is released while its racks are braked" engine_brake.c 's/ brake->domain->brakes_inside < BRAKES_INSIDE_MAX;/ brake->hosts_count < UINT32_MAX;/'
mutant "a wide brake that explains no host stays for ever" engine_brake.c 's/^    if (wider->brake != NULL) {/    if (false) {/'
mutant "an unknown outcome is a failure, not looked at" engine_action.c 's/} else if (!result->effect_possible ||/} else if (true ||/'
mutant "success is believed, not verified" engine_action.c 's/if (verb->verify != NULL \&\& verb->proof != NULL) {/if (false) {/'
mutant "budgets are forgotten at a restart" engine_load.c 's/i < stamps->count; i++) {/i > stamps->count; i++) {/'
mutant "freezes are forgotten at a restart" engine_load.c 's/load_kind(engine, RECORD_FREEZE, load_freeze);/(void)load_freeze;/'
mutant "a renamed host is another one" engine_fleet.c 's/^    move_names(engine, inventory);$//'
mutant "a run that moved counts only where it is now" engine_move.c 's/^        left_add(engine, host, domain);$//'
mutant "interrupts leave the rack they happened in" engine_move.c 's/^            stamp_add(engine, host, (struct left_stamp).*$/(void)stamp;/'
mutant "a freeze stays with the name" engine_move.c 's/^    freezes_follow(engine, from->name, to);$//'
mutant "what was moved together goes on together" engine_budget.c 's/ domain->runs > max ? goes_before(engine, ask, domain) : NULL/ domain->runs > max \&\& false ? goes_before(engine, ask, domain) : NULL/'
in_worlds "a no is not heard" engine_approve.c \
    's/^    step_denied(engine, run, text, true);/    if (ask_of(run)->veto) { step_denied(engine, run, text, true); }/'
in_worlds "a veto is not heard" engine_approve.c \
    's/^    step_denied(engine, run, text, true);/    if (!ask_of(run)->veto) { step_denied(engine, run, text, true); }/'
in_worlds "a lease holds nobody off" engine_lease.c \
    '/^bool lease_check/,/^}/s/if (lease == NULL) {/if (lease == NULL || ask != NULL) {/; s/^        host_counts(engine, lease->host, change);/        (void)engine;/'
in_worlds "a lease is not at work for the others" engine_lease.c 's/^        host_counts(engine, lease->host, change);/        (void)engine;/'
in_worlds "a lease takes nothing from the budgets" engine_lease.c 's/^    stamp_in(engine, lease);/    (void)stamp_in;/'
in_worlds "what is too old is acted on" guards.def 's/^GUARD("age", [A-Z_| ]*,/GUARD("age", 0,/'
mutant "a host that is taken away counts as ready" engine_ready.c 's/ready += pool->members\[i\] != ask->host \&\& is_ready/ready += is_ready/'
echo "$count mutants"
exit $bad
