/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of hosts, of their BMCs, and of what they share. What each of them is: faults.def. */

#include "sim/sim_fault.h"

/* ---- hosts and their BMCs ----------------------------------------------------------------------
 */

struct sim_break fault_break_of(const struct sim_fault *fault, enum sim_cure cure)
{
    static const char *const types[] = {"memory.uncorrectable", "os.watchdog.expired",
                                        "host.unreachable"};
    return (struct sim_break){
        .cure = cure,
        .type = types[fault_random(fault, 1, 3)],
        .severity = SEVERITY_CRITICAL,
        .tell_ms = (int64_t)fault_random(fault, 2, FAULT_TELL_MS),
        .fault = fault,
    };
}

void fault_host(struct sim_world *world, const struct sim_fault *fault, int cure)
{
    struct sim_break how = fault_break_of(fault, (enum sim_cure)cure);
    sim_host_break(world, fault_whose(world, fault), &how);
}

void fault_heal(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    struct sim_host *host = fault_whose(world, fault);
    if (host->broken && host->fault == fault) {
        if (!host->on) {
            sim_host_power(world, host, "power.on", false); /* Who repairs it switches it on. */
        }
        host->cure = CURE_CYCLE;
        sim_host_heal(world, host, false);
    }
}

void fault_none(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)world, (void)fault, (void)argument;
}

void fault_flap(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    struct sim_host *host = fault_whose(world, fault);
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

void fault_bmc(struct sim_world *world, const struct sim_fault *fault, int bmc)
{
    struct sim_host *host = fault_whose(world, fault);
    host->bmc = (enum sim_bmc)bmc;
    int64_t in_ms = (int64_t)fault_random(fault, 3, (uint64_t)fault->lasting_ms / 4 + 1);
    sim_plan(world, in_ms, (struct sim_event){.kind = SIM_DO_BREAK, .host = host, .fault = fault});
}

void fault_bmc_end(struct sim_world *world, const struct sim_fault *fault, int bmc)
{
    struct sim_host *host = fault_whose(world, fault);
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
    return argument == RACK_SITE || strcmp(host->rack, fault_whose(world, fault)->rack) == 0;
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

void fault_rack(struct sim_world *world, const struct sim_fault *fault, int argument)
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
void fault_rack_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        if (in_it(world, fault, host, argument) || host->fault == fault || host->hidden) {
            rack_host_end(world, fault, host, argument);
        }
    }
    fault_heal(world, fault, 0);
}
