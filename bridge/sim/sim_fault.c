/* SPDX-License-Identifier: Apache-2.0 */
/* The faults: made of a seed, begun and ended. What each of them is: faults.def. */

#include "sim/sim_private.h"

#include <stdio.h>

#define FAULTS_MAX 1000000
#define TELL_MS 1500 /* So long at most until trouble is told. */
#define TOLD_LATE_MS (20 * SIM_MINUTE_MS)
#define STORM_HOSTS_PERMILLE 500
#define TRACED_AGAIN_MS (10 * SIM_MINUTE_MS)

typedef void fault_function(struct sim_world *world, const struct sim_fault *fault, int argument);

static struct sim_host *whose(struct sim_world *world, const struct sim_fault *fault)
{
    NSH_ASSERT(world->hosts_count > 0);
    return &world->hosts[fault->host % world->hosts_count];
}

static uint64_t fault_random(const struct sim_fault *fault, uint64_t salt, uint64_t below)
{
    uint64_t state = fault->number + salt;
    return sim_random_of(&state, below);
}

/* ---- hosts and their BMCs ----------------------------------------------------------------------
 */

static struct sim_break break_of(const struct sim_fault *fault, enum sim_cure cure)
{
    static const char *const types[] = {"memory.uncorrectable", "os.watchdog.expired",
                                        "host.unreachable"};
    return (struct sim_break){
        .cure = cure,
        .type = types[fault_random(fault, 1, 3)],
        .severity = SEVERITY_CRITICAL,
        .tell_ms = (int64_t)fault_random(fault, 2, TELL_MS),
        .fault = fault,
    };
}

static void fault_host(struct sim_world *world, const struct sim_fault *fault, int cure)
{
    struct sim_break how = break_of(fault, (enum sim_cure)cure);
    sim_host_break(world, whose(world, fault), &how);
}

static void fault_heal(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    struct sim_host *host = whose(world, fault);
    if (host->broken && host->fault == fault) {
        if (!host->on) {
            sim_host_power(world, host, "power.on", false); /* Who repairs it switches it on. */
        }
        host->cure = CURE_CYCLE;
        sim_host_heal(world, host, false);
    }
}

static void fault_none(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)world, (void)fault, (void)argument;
}

static void fault_flap(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    struct sim_host *host = whose(world, fault);
    if (host->broken) {
        return;
    }
    for (int64_t at_ms = 0, i = 0; at_ms < fault->lasting_ms; i++) {
        sim_plan(world, at_ms,
                 (struct sim_event){.kind = SIM_DO_BREAK, .host = host, .fault = fault});
        at_ms += 2000 + (int64_t)fault_random(fault, (uint64_t)i, 20000);
        sim_plan(world, at_ms, (struct sim_event){.kind = SIM_DO_BREAK, .host = host});
        at_ms += 2000 + (int64_t)fault_random(fault, (uint64_t)i + 100, 20000);
    }
}

static void fault_bmc(struct sim_world *world, const struct sim_fault *fault, int bmc)
{
    struct sim_host *host = whose(world, fault);
    host->bmc = (enum sim_bmc)bmc;
    int64_t in_ms = (int64_t)fault_random(fault, 3, (uint64_t)fault->lasting_ms / 4 + 1);
    sim_plan(world, in_ms, (struct sim_event){.kind = SIM_DO_BREAK, .host = host, .fault = fault});
}

static void fault_bmc_end(struct sim_world *world, const struct sim_fault *fault, int bmc)
{
    struct sim_host *host = whose(world, fault);
    if (host->bmc == (enum sim_bmc)bmc) {
        host->bmc = BMC_WELL;
    }
    fault_heal(world, fault, 0);
}

/* ---- what hosts share -------------------------------------------------------------------------
 */

static const struct rack_row {
    const char *type;
    enum severity severity;
    bool broken, unpowered;
    uint32_t spread_ms;
} rack_rows[] = {
    [RACK_POWER] = {"host.unreachable", SEVERITY_CRITICAL, true, true, 3000},
    [RACK_BROKEN] = {"memory.uncorrectable", SEVERITY_CRITICAL, true, false, 1500},
    [RACK_SWITCH] = {"host.unreachable", SEVERITY_CRITICAL, false, false, 2000},
    [RACK_BMC_NET] = {NULL, 0, false, false, 0},
    [RACK_FEED] = {"power.redundancy.lost", SEVERITY_MAJOR, false, false, 2000},
    [RACK_COOLING] = {"temperature.shutdown", SEVERITY_CRITICAL, true, false, 120000},
    [RACK_SITE] = {"host.unreachable", SEVERITY_CRITICAL, true, true, 8000},
};

static bool in_it(struct sim_world *world, const struct sim_fault *fault,
                  const struct sim_host *host, int argument)
{
    return argument == RACK_SITE || strcmp(host->rack, whose(world, fault)->rack) == 0;
}

static void rack_host_begin(struct sim_world *world, const struct sim_fault *fault,
                            struct sim_host *host, int argument)
{
    const struct rack_row *row = &rack_rows[argument];
    int64_t in_ms = row->spread_ms == 0 ? 0 : (int64_t)sim_random_of(&host->random, row->spread_ms);
    if (argument == RACK_BMC_NET) {
        host->bmc = BMC_SILENT;
        return;
    }
    if (row->unpowered) {
        host->hidden = true;
        sim_host_power(world, host, "power.off", false);
    }
    if (row->broken) {
        sim_host_break(world, host,
                       &(struct sim_break){.cure = row->unpowered ? CURE_NONE : CURE_CYCLE,
                                           .type = row->type,
                                           .severity = row->severity,
                                           .tell_ms = in_ms,
                                           .fault = fault});
        return;
    }
    sim_plan(world, in_ms,
             (struct sim_event){.kind = SIM_DO_EVENT,
                                .host = host,
                                .type = row->type,
                                .severity = row->severity,
                                .raise = true});
}

static void fault_rack(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        if (in_it(world, fault, &world->hosts[i], argument)) {
            rack_host_begin(world, fault, &world->hosts[i], argument);
        }
    }
    if (argument == RACK_BMC_NET) { /* One of them breaks. */
        fault_host(world, fault, CURE_CYCLE);
    }
}

static void rack_host_end(struct sim_world *world, const struct sim_fault *fault,
                          struct sim_host *host, int argument)
{
    const struct rack_row *row = &rack_rows[argument];
    if (argument == RACK_BMC_NET) {
        host->bmc = host->bmc == BMC_SILENT ? BMC_WELL : host->bmc;
    } else if (!row->broken) {
        int64_t in_ms = (int64_t)sim_random_of(&host->random, 3000);
        sim_plan(
            world, in_ms,
            (struct sim_event){
                .kind = SIM_DO_EVENT, .host = host, .type = row->type, .severity = row->severity});
    }
    if (row->unpowered && host->hidden) {
        host->hidden = false;
        sim_host_power(world, host, "power.on", false);
    }
    if (host->broken && host->fault == fault) {
        host->cure = CURE_CYCLE;
        sim_host_heal(world, host, false);
    }
}

/* By what they were told, not by the rack they are in now. */
static void fault_rack_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        if (in_it(world, fault, host, argument) || host->fault == fault || host->hidden) {
            rack_host_end(world, fault, host, argument);
        }
    }
    fault_heal(world, fault, 0);
}

/* ---- clocks -----------------------------------------------------------------------------------
 */

static void fault_clock(struct sim_world *world, const struct sim_fault *fault, int by_ms)
{
    world->clock_1970 = by_ms == 0;
    world->clock_ms = by_ms;
    fault_host(world, fault, CURE_CYCLE);
}

static void fault_clock_end(struct sim_world *world, const struct sim_fault *fault, int by_ms)
{
    (void)by_ms;
    world->clock_1970 = false;
    world->clock_ms = 0;
    fault_heal(world, fault, 0);
}

static void fault_suspend(struct sim_world *world, const struct sim_fault *fault, int brief)
{
    fault_host(world, fault, CURE_CYCLE);
    world->now_ms += brief ? 1 + (int64_t)fault_random(fault, 4, 40000) : fault->lasting_ms;
}

/* ---- the store and the daemon -----------------------------------------------------------------
 */

static void store_is(struct sim_world *world)
{
    world->store_ok = world->store_bad == 0;
    sim_health(world);
    sim_store_write(world);
}

static void fault_store(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    world->store_bad++;
    store_is(world);
}

static void fault_store_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    world->store_bad--;
    store_is(world);
    fault_heal(world, fault, 0);
}

static void fault_store_slow(struct sim_world *world, const struct sim_fault *fault, int a)
{
    (void)a;
    world->store_slow++;
    fault_host(world, fault, CURE_CYCLE);
}

static void fault_store_slow_end(struct sim_world *world, const struct sim_fault *fault, int a)
{
    (void)a;
    world->store_slow--;
    fault_heal(world, fault, 0);
}

static void fault_kill(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    sim_kill(world, (int64_t)fault_random(fault, 5, 60000), false);
}

static void fault_kill_at(struct sim_world *world, const struct sim_fault *fault, int at)
{
    fault_host(world, fault, CURE_CYCLE);
    world->kill_at = (enum sim_kill)at;
}

static void fault_down(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    sim_kill(world, fault->lasting_ms, false);
}

static void fault_restart(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    if (world->store_ok) {
        sim_store_flush(world);
    }
    sim_kill(world, (int64_t)fault_random(fault, 5, 3000), false);
}

static void fault_backup(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    sim_store_backup(world);
}

static void fault_restore(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    if (world->backup_ms > 0) {
        sim_kill(world, (int64_t)fault_random(fault, 5, 120000), true);
    }
}

/* ---- sources ----------------------------------------------------------------------------------
 */

static void told_reordered(struct sim_world *world, struct sim_host *host)
{
    struct sim_event clear = {.kind = SIM_DO_EVENT,
                              .host = host,
                              .type = "memory.uncorrectable",
                              .severity = SEVERITY_CRITICAL,
                              .time_ms = world->now_ms};
    struct sim_event raise = clear;
    raise.raise = true;
    raise.time_ms -= 5000;
    sim_plan(world, 1000, clear);
    sim_plan(world, 2000, raise);
    clear.time_ms = world->now_ms + 3 * SIM_MINUTE_MS; /* It is well, and says so again. */
    sim_plan(world, 3 * SIM_MINUTE_MS, clear);
}

static void fault_told(struct sim_world *world, const struct sim_fault *fault, int told)
{
    struct sim_host *host = whose(world, fault);
    if (told == TOLD_REORDERED) {
        if (!host->broken) {
            told_reordered(world, host);
        }
        return;
    }
    if (host->broken) {
        return;
    }
    struct sim_break how = break_of(fault, told == TOLD_LATE ? CURE_TERSE : CURE_CYCLE);
    how.tell_ms = told == TOLD_LATE ? TOLD_LATE_MS : how.tell_ms;
    host->twice = told == TOLD_TWICE;
    host->no_clear = told == TOLD_NO_CLEAR;
    sim_host_break(world, host, &how);
}

static void fault_told_flap(struct sim_world *world, const struct sim_fault *fault, int a)
{
    (void)a;
    int64_t at_ms = 0;
    bool raise = true;
    for (uint64_t i = 0; at_ms < fault->lasting_ms || !raise; i++) {
        sim_plan(world, at_ms,
                 (struct sim_event){.kind = SIM_DO_EVENT,
                                    .host = whose(world, fault),
                                    .type = "os.watchdog.expired",
                                    .severity = SEVERITY_CRITICAL,
                                    .raise = raise});
        raise = !raise;
        at_ms += 1 + (int64_t)fault_random(fault, i, 15000);
    }
}

static void fault_garbled(struct sim_world *world, const struct sim_fault *fault, int unknown)
{
    char text[EVENT_TEXT_BYTES_MAX];
    memset(text, '#', sizeof text);
    struct event event = {
        .seq = ++world->seq,
        .received_ms = world->now_ms,
        .time_ms = unknown ? world->now_ms : INT64_MAX,
        .severity = SEVERITY_FATAL,
        .state = EVENT_RAISE,
        .unmatched = !unknown,
        .id = {text, unknown ? 20 : sizeof text},
        .source = {text, sizeof text},
        .type = unknown ? TEXT("memory.uncorrectable") : (struct text){text, sizeof text},
        .subject = TEXT("nobody"),
        .hint = TEXT("addr=203.0.113.99"),
        .message = {text, sizeof text},
    };
    if (!unknown && whose(world, fault)->known) {
        event.host = text_of(whose(world, fault)->name);
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_EVENTS, .events = {&event, 1}});
}

static void storm_say(struct sim_world *world, const struct sim_fault *fault, bool raise)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        if (fault_random(fault, i, 1000) < STORM_HOSTS_PERMILLE) {
            sim_plan(world, (int64_t)fault_random(fault, i * 7, 1000),
                     (struct sim_event){.kind = SIM_DO_EVENT,
                                        .host = &world->hosts[i],
                                        .type = "host.unreachable",
                                        .severity = SEVERITY_CRITICAL,
                                        .raise = raise});
        }
    }
}

static void fault_storm(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    storm_say(world, fault, true);
}

static void fault_storm_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    storm_say(world, fault, false);
}

static void fault_blind(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    world->blind = ++world->blinds > 0;
    sim_health(world);
}

static void fault_blind_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    world->blind = --world->blinds > 0;
    sim_health(world);
    fault_heal(world, fault, 0);
}

/* ---- people -----------------------------------------------------------------------------------
 */

static const char *scope_of(struct sim_world *world, const struct sim_host *host, int of)
{
    const char *scope = of == FREEZE_ALL    ? "all"
                        : of == FREEZE_RACK ? arena_printf(&world->arena, "rack=%s", host->rack)
                                            : arena_printf(&world->arena, "host=%s", host->name);
    NSH_ASSERT(scope != NULL);
    return scope;
}

static bool freeze(struct sim_world *world, const struct sim_fault *fault, int of)
{
    struct sim_host *host = whose(world, fault);
    if (world->freezes_count == SIM_FREEZES_MAX || !world->store_ok || !host->known) {
        return false;
    }
    struct nsh_member args[] = {
        {"scope", nsh_text(scope_of(world, host, of))},
        {"owner", nsh_text("sim")},
        {"reason", nsh_text("drill")},
        {"for_ms", nsh_int(fault->lasting_ms)},
    };
    struct sim_freeze lease = {(enum sim_freeze_of)of,
                               host,
                               fault,
                               {0},
                               world->now_ms,
                               world->now_ms + fault->lasting_ms,
                               0};
    if (of != FREEZE_ALL && sim_host_of(world, text_of(host->name)) == NULL) {
        return false;
    }
    struct text reply = sim_command(world, "freeze", args, 4);
    const char *id = reply.count == 0 ? NULL : strstr(reply.at, "frz-");
    if (id == NULL) {
        sim_violation(world, "a freeze was refused");
        return false;
    }
    size_t count = strcspn(id, "\"");
    memcpy(lease.id, id, count < sizeof lease.id - 1 ? count : sizeof lease.id - 1);
    lease.number = world->outputs[0].records_through;
    world->freezes[world->freezes_count++] = lease;
    return true;
}

static void fault_freeze(struct sim_world *world, const struct sim_fault *fault, int of)
{
    if (freeze(world, fault, of)) {
        fault_host(world, fault, CURE_CYCLE);
    }
}

static void fault_freeze_killed(struct sim_world *world, const struct sim_fault *fault, int of)
{
    if (freeze(world, fault, of)) {
        sim_plan(world, 5000, (struct sim_event){.kind = SIM_DO_KILL});
        sim_plan(
            world, SIM_MINUTE_MS + 30000,
            (struct sim_event){.kind = SIM_DO_BREAK, .host = whose(world, fault), .fault = fault});
    }
}

static void fault_unfreeze(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    for (size_t i = 0; i < world->freezes_count; i++) {
        struct sim_freeze *freeze = &world->freezes[i];
        if (freeze->fault == fault) {
            struct nsh_member args[] = {{"id", nsh_text(freeze->id)},
                                        {"owner", nsh_text("sim")},
                                        {"reason", nsh_text("over")}};
            freeze->until_ms = world->now_ms;
            sim_command(world, "unfreeze", args, 3);
            break;
        }
    }
    fault_heal(world, fault, 0);
}

/* The newest one that is alive. */
static const char *live_id(struct sim_world *world, enum record_kind kind, const char *host)
{
    const char *id = NULL;
    MAP_EACH (&world->rows, entry) {
        const struct record *record = &((struct sim_row *)entry->value)->record;
        if (record->kind == kind && record->live &&
            (host == NULL || text_equal(record->host, text_of(host)))) {
            id = record->id.at;
        }
    }
    return id;
}

static void by_id(struct sim_world *world, const char *command, const char *id)
{
    if (id != NULL) {
        const char *copy = arena_printf(&world->arena, "%s", id);
        struct nsh_member args[] = {
            {"id", nsh_text(copy)}, {"owner", nsh_text("sim")}, {"reason", nsh_text("drill")}};
        sim_command(world, command, args, 3);
    }
}

static void fault_cancel(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    by_id(world, "run.cancel", live_id(world, RECORD_RUN, whose(world, fault)->name));
    fault_heal(world, fault, argument);
}

static void fault_alarm_clear(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    world->brake_excused_ms = world->now_ms + SIM_HOUR_MS;
    by_id(world, "alarm.clear", live_id(world, RECORD_ALARM, whose(world, fault)->name));
    fault_heal(world, fault, argument);
}

static void fault_brake_release(struct sim_world *world, const struct sim_fault *fault,
                                int argument)
{
    world->brake_excused_ms = world->now_ms + SIM_HOUR_MS;
    by_id(world, "brake.release", live_id(world, RECORD_BRAKE, NULL));
    fault_rack_end(world, fault, argument);
}

static void fault_manual(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    sim_host_power(world, whose(world, fault), "power.cycle", false);
}

static void fault_manual_off(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    struct sim_host *host = whose(world, fault);
    sim_host_power(world, host, "power.off", false);
    fault_host(world, fault, argument);
}

static void fault_manual_on(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    sim_host_power(world, whose(world, fault), "power.on", false);
    fault_heal(world, fault, argument);
}

/* ---- inventory and policies -------------------------------------------------------------------
 */

static void inventory_is(struct sim_world *world)
{
    sim_inventory_make(world);
    sim_step(world, &(struct engine_input){.kind = INPUT_INVENTORY,
                                           .inventory = sim_inventory_now(world)});
}

static void inventory_change(struct sim_world *world, struct sim_host *host, int what, bool on)
{
    switch ((enum sim_inventory)what) {
    case INVENTORY_SAME:
        break;
    case INVENTORY_MAINTENANCE:
        host->maintenance_wanted = on;
        break;
    case INVENTORY_MOVED:
        host->moved = on;
        break;
    case INVENTORY_RENAMED:
        host->renamed = on;
        host->renamed_ms = world->now_ms;
        break;
    case INVENTORY_REMOVED:
        host->known = !on;
        break;
    case INVENTORY_SHRUNKEN:
        world->shrunken = on ? world->hosts_count / 2 : 0;
        break;
    }
}

static void fault_inventory(struct sim_world *world, const struct sim_fault *fault, int what)
{
    struct sim_host *host = whose(world, fault);
    fault_host(world, fault, CURE_CYCLE); /* With luck it works when the inventory comes. */
    inventory_change(world, host, what, true);
    if (what >= INVENTORY_MOVED) { /* Other domains, other brakes. */
        world->brake_excused_ms = world->now_ms + fault->lasting_ms + SIM_HOUR_MS;
        world->moved_ms = world->now_ms;
    }
    inventory_is(world);
}

static void fault_inventory_end(struct sim_world *world, const struct sim_fault *fault, int what)
{
    inventory_change(world, whose(world, fault), what, false);
    world->moved_ms = what >= INVENTORY_MOVED ? world->now_ms : world->moved_ms;
    inventory_is(world);
    fault_heal(world, fault, 0);
}

static void fault_policies(struct sim_world *world, const struct sim_fault *fault, int other)
{
    fault_host(world, fault, CURE_CYCLE);
    if (other && world->options->policies_other != NULL) {
        world->policies = world->options->policies_other;
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_POLICIES, .policies = world->policies});
}

static void fault_policies_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    world->policies = world->options->policies;
    sim_step(world, &(struct engine_input){.kind = INPUT_POLICIES, .policies = world->policies});
    fault_heal(world, fault, argument);
}

/* ---- the table --------------------------------------------------------------------------------
 */

static fault_function fault_two;

static const struct fault_row {
    struct sim_fault_row row;
    fault_function *begin, *end;
    int argument;
} fault_rows[] = {
#define FAULT(NAME, name, begin, end, argument, minutes, what, rule)                               \
    {{name, what, rule, minutes}, fault_##begin, fault_##end, (int)(argument)},
#include "faults.def"
#undef FAULT
};

const struct sim_fault_row *sim_fault_row(size_t kind)
{
    return kind < SIM_FAULTS_COUNT ? &fault_rows[kind].row : NULL;
}

static void fault_two(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    for (uint64_t i = 0; i < 2; i++) {
        struct sim_fault *one = arena_alloc(&world->arena, sizeof *one);
        NSH_ASSERT(one != NULL);
        *one = *fault;
        one->kind = (uint32_t)fault_random(fault, 10 + i, SIM_TWO_AT_ONCE);
        one->number += i;
        one->at_ms = world->now_ms - SIM_EPOCH_MS;
        one->lasting_ms = 1 + sim_fault_row(one->kind)->minutes * SIM_MINUTE_MS / 2;
        sim_fault_begin(world, one);
    }
}

/* Broken already: this trouble shows when the other one is over. */
static void traced_wait(struct sim_world *world, const struct sim_fault *fault)
{
    if (world->now_ms + TRACED_AGAIN_MS < SIM_EPOCH_MS + fault->at_ms + fault->lasting_ms) {
        sim_plan(world, TRACED_AGAIN_MS, (struct sim_event){.kind = SIM_DO_AGAIN, .fault = fault});
    }
}

void sim_fault_traced(struct sim_world *world, const struct sim_fault *fault)
{
    if (whose(world, fault)->broken) {
        traced_wait(world, fault);
        return;
    }
    const struct sim_symptom *symptom = fault->symptom;
    sim_host_break(world, whose(world, fault),
                   &(struct sim_break){
                       .cure = symptom->heals_permille > 0 ? CURE_CYCLE : CURE_NONE,
                       .type = symptom->type,
                       .message = symptom->message,
                       .severity = symptom->severity,
                       .heals_permille = symptom->heals_permille,
                       .tell_ms = (int64_t)fault_random(fault, 2, TELL_MS),
                       .fault = fault,
                   });
}

void sim_fault_begin(struct sim_world *world, const struct sim_fault *fault)
{
    world->report->faults++;
    sim_plan(world, fault->lasting_ms, (struct sim_event){.kind = SIM_DO_END, .fault = fault});
    if (fault->kind >= SIM_FAULTS_COUNT) {
        sim_fault_traced(world, fault);
        return;
    }
    world->report->met[fault->kind]++;
    fault_rows[fault->kind].begin(world, fault, fault_rows[fault->kind].argument);
}

void sim_fault_end(struct sim_world *world, const struct sim_fault *fault)
{
    if (fault->kind >= SIM_FAULTS_COUNT) {
        fault_heal(world, fault, 0);
        if (world->options->outcomes != NULL) { /* It was never seen behind another one. */
            struct sim_outcome *outcome = &world->options->outcomes[fault - world->faults];
            outcome->recovered_ms =
                outcome->recovered_ms < 0 ? fault->lasting_ms : outcome->recovered_ms;
        }
        return;
    }
    fault_rows[fault->kind].end(world, fault, fault_rows[fault->kind].argument);
}

/* ---- made of a seed ---------------------------------------------------------------------------
 */

static uint32_t kind_of(uint64_t *random, uint32_t common_permille)
{
    static const uint32_t common[] = {SIM_HOST_HUNG,      SIM_HOST_HUNG,         SIM_HOST_DEAD,
                                      SIM_HOST_SLOW_BOOT, SIM_HOST_HEALS_ITSELF, SIM_HOST_HUNG};
    return sim_random_of(random, 1000) < common_permille
               ? common[sim_random_of(random, sizeof common / sizeof common[0])]
               : (uint32_t)sim_random_of(random, SIM_FAULTS_COUNT);
}

int sim_faults_make(const struct sim_options *options, struct sim_fault **ret_faults,
                    size_t *ret_count)
{
    uint64_t random = options->seed * 0x9e3779b97f4a7c15u + 1;
    size_t count = 0, room = 64;
    struct sim_fault *faults = malloc(room * sizeof *faults);
    if (faults == NULL) {
        return -NSH_NOMEM;
    }
    for (int64_t at_ms = 0; count < FAULTS_MAX;) {
        at_ms += sim_spread(&random, options->fault_every_ms);
        if (at_ms >= options->duration_ms) {
            *ret_faults = faults;
            *ret_count = count;
            return 0;
        }
        if (count == room) {
            struct sim_fault *more = realloc(faults, (room *= 2) * sizeof *faults);
            if (more == NULL) {
                break;
            }
            faults = more;
        }
        uint32_t kind = kind_of(&random, options->common_permille);
        uint32_t mean_ms = fault_rows[kind].row.minutes * (uint32_t)SIM_MINUTE_MS / 2;
        faults[count++] = (struct sim_fault){
            .at_ms = at_ms,
            .lasting_ms = 1000 + sim_spread(&random, mean_ms == 0 ? 15000 : mean_ms),
            .kind = kind,
            .host = (uint32_t)sim_random_of(&random, UINT32_MAX),
            .number = sim_random_of(&random, UINT64_MAX),
        };
    }
    free(faults);
    return -NSH_NOMEM;
}
