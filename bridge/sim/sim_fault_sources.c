/* SPDX-License-Identifier: Apache-2.0 */
/* What sources tell wrongly. What each of them is: faults.def. */

#include "sim/sim_fault.h"

#define TOLD_LATE_MS (20 * SIM_MINUTE_MS)
#define STORM_HOSTS_PERMILLE 500

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

void fault_told(struct sim_world *world, const struct sim_fault *fault, int told)
{
    struct sim_host *host = fault_whose(world, fault);
    if (told == TOLD_REORDERED) {
        if (!host->broken) {
            told_reordered(world, host);
        }
        return;
    }
    if (host->broken) {
        return;
    }
    struct sim_break how = fault_break_of(fault, told == TOLD_LATE ? CURE_TERSE : CURE_CYCLE);
    how.tell_ms = told == TOLD_LATE ? TOLD_LATE_MS : how.tell_ms;
    host->twice = told == TOLD_TWICE;
    host->no_clear = told == TOLD_NO_CLEAR;
    sim_host_break(world, host, &how);
}

void fault_told_flap(struct sim_world *world, const struct sim_fault *fault, int a)
{
    (void)a;
    int64_t at_ms = 0;
    bool raise = true;
    for (uint64_t i = 0; at_ms < fault->lasting_ms || !raise; i++) {
        sim_plan(world, at_ms,
                 (struct sim_event){.kind = SIM_DO_EVENT,
                                    .host = fault_whose(world, fault),
                                    .type = "os.watchdog.expired",
                                    .severity = SEVERITY_CRITICAL,
                                    .raise = raise});
        raise = !raise;
        at_ms += 1 + (int64_t)fault_random(fault, i, 15000);
    }
}

void fault_garbled(struct sim_world *world, const struct sim_fault *fault, int unknown)
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
    if (!unknown && fault_whose(world, fault)->known) {
        event.host = text_of(fault_whose(world, fault)->name);
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

void fault_storm(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    storm_say(world, fault, true);
}

void fault_storm_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    storm_say(world, fault, false);
}

void fault_blind(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    world->blind = ++world->blinds > 0;
    sim_health(world);
}

void fault_blind_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    world->blind = --world->blinds > 0;
    sim_health(world);
    fault_heal(world, fault, 0);
}
