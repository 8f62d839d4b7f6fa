/* SPDX-License-Identifier: Apache-2.0 */
/* What people do. What each of them is: faults.def. */

#include "sim/sim_fault.h"

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
    struct sim_host *host = fault_whose(world, fault);
    if (world->freezes_count == SIM_FREEZES_MAX || !world->store_ok || !host->known) {
        return false;
    }
    struct nsh_member args[] = {
        {"scope", nsh_text(scope_of(world, host, of))},
        {"owner", nsh_text("sim")},
        {"reason", nsh_text("drill")},
        {"for_ms", nsh_int(fault->lasting_ms)},
    };
    struct sim_freeze lease = {.of = (enum sim_freeze_of)of,
                               .host = host,
                               .rack = host->rack,
                               .fault = fault,
                               .since_ms = world->now_ms,
                               .until_ms = world->now_ms + fault->lasting_ms};
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
    lease.number = world->output.records_through;
    world->freezes[world->freezes_count++] = lease;
    return true;
}

void fault_freeze(struct sim_world *world, const struct sim_fault *fault, int of)
{
    if (freeze(world, fault, of)) {
        fault_host(world, fault, CURE_CYCLE);
    }
}

void fault_freeze_killed(struct sim_world *world, const struct sim_fault *fault, int of)
{
    if (freeze(world, fault, of)) {
        sim_plan(world, 5000, (struct sim_event){.kind = SIM_DO_KILL});
        sim_plan(world, SIM_MINUTE_MS + 30000,
                 (struct sim_event){
                     .kind = SIM_DO_BREAK, .host = fault_whose(world, fault), .fault = fault});
    }
}

void fault_unfreeze(struct sim_world *world, const struct sim_fault *fault, int argument)
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

const char *sim_live_id(struct sim_world *world, enum record_kind kind, const char *host)
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

void fault_cancel(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    by_id(world, "run.cancel", sim_live_id(world, RECORD_RUN, fault_whose(world, fault)->name));
    fault_heal(world, fault, argument);
}

void fault_alarm_clear(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    world->brake_excused_ms = world->now_ms + SIM_HOUR_MS;
    by_id(world, "alarm.clear", sim_live_id(world, RECORD_ALARM, fault_whose(world, fault)->name));
    fault_heal(world, fault, argument);
}

void fault_brake_release(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    world->brake_excused_ms = world->now_ms + SIM_HOUR_MS;
    by_id(world, "brake.release", sim_live_id(world, RECORD_BRAKE, NULL));
    fault_rack_end(world, fault, argument);
}

void fault_manual(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    sim_host_power(world, fault_whose(world, fault), "power.cycle", false);
}

void fault_manual_off(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    struct sim_host *host = fault_whose(world, fault);
    sim_host_power(world, host, "power.off", false);
    fault_host(world, fault, argument);
}

void fault_manual_on(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    sim_host_power(world, fault_whose(world, fault), "power.on", false);
    fault_heal(world, fault, argument);
}
