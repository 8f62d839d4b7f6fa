/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

/*
 * A world in memory around the engine: hosts that break, heal when they are really power-cycled,
 * lie, fall silent and answer late; a store that makes records durable a little later; a daemon
 * that is killed between any two steps and starts again from what was durable. Everything that
 * happens comes from one seed, and time is simulated, so a failure is its seed.
 *
 * Two engines are fed the same inputs and must say the same. sim_check.c holds what must never
 * happen.
 */

#include "engine/engine.h"

struct sim_options {
    uint64_t seed;
    const struct inventory *inventory; /* Borrowed. */
    const struct policy_set *policies; /* Borrowed. */
    int64_t duration_ms;               /* Faults come until then; two quiet hours follow. */
    uint32_t fault_every_ms;           /* Mean time between two hosts breaking. */
    uint32_t rack_fault_permille;      /* Of the faults: a whole rack at once. */
    uint32_t terse_permille; /* BMCs that say once what is wrong, as an inform until it is heard. */
    uint32_t liars_permille; /* Of the hosts: their BMCs say yes and do nothing. */
    uint32_t lost_permille;  /* Of the calls: no answer comes, the effect may. */
    uint32_t refused_permille; /* Of the calls: busy or refused, nothing was done. */
    uint32_t kill_every_ms;    /* Mean time between two kills; 0: never. */
    uint32_t freeze_every_ms;  /* Mean time between two freezes of a rack; 0: never. */
    uint32_t sick_every_ms;    /* Mean time between two failures of the store; 0: never. */
};

struct sim_report {
    uint64_t steps, faults, rack_faults, orders, reads, lost, refused, lies, heals, pages, kills,
        freezes, sick;
    uint64_t hash;       /* Over every record and call: two runs of a seed agree. */
    char violation[512]; /* Empty: nothing that must not happen happened. */
};

/* 0, or -NSH_NOMEM, or -NSH_FAILED with report->violation. trace: the engine's narrative, or NULL.
 */
int sim_run(const struct sim_options *options, struct sim_report *ret_report,
            struct textbuf *trace);

#endif
