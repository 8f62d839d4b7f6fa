/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

/*
 * A world in memory around the engine: hosts that break, heal when they are really power-cycled,
 * lie, fall silent and answer late; a store that makes records durable a little later; a daemon
 * that is killed between any two steps and starts again from what was durable; people, clocks,
 * sources, inventories. What goes wrong is a list of faults, made of a seed or given; time is
 * simulated, so a failure is its seed, and can be shrunk to a few faults.
 *
 * What a life of the daemon was told is replayed into a fresh engine when that life ends, and must
 * give the same. sim_check.c holds what must never happen.
 */

#include "engine/engine.h"

#define SIM_EPOCH_MS INT64_C(1790000000000) /* When every world begins. */

enum sim_fault_kind {
#define FAULT(NAME, name, begin, end, argument, minutes, what, rule) SIM_##NAME,
#include "faults.def"
#undef FAULT
    SIM_FAULTS_COUNT,
    SIM_TRACED = SIM_FAULTS_COUNT, /* Of a trace: says itself what it is. */
};

struct sim_fault_row {
    const char *name, *what, *rule;
    uint32_t minutes;
};
const struct sim_fault_row *sim_fault_row(size_t kind); /* NULL past the end. */

/* What a broken host says, and what heals it: for faults of a trace. */
struct sim_symptom {
    const char *type, *message;
    enum severity severity;
    uint32_t heals_permille; /* A power-cycle heals it with that chance; else only its end does. */
};

struct sim_fault {
    int64_t at_ms, lasting_ms;         /* From the start of the world. */
    uint32_t kind, host;               /* enum sim_fault_kind; index in the inventory. */
    uint64_t number;                   /* Its own chance. */
    const struct sim_symptom *symptom; /* SIM_TRACED. */
};

/* What became of a fault of a trace. */
struct sim_outcome {
    int64_t recovered_ms; /* After it began; -1: not before the world ended. */
    bool by_engine;       /* An action healed it; else time or people did. */
    uint32_t orders;      /* Interrupting ones while it lasted. */
};

struct sim_options {
    uint64_t seed;
    const struct inventory *inventory;       /* Borrowed. */
    const struct policy_set *policies;       /* Borrowed. */
    const struct policy_set *policies_other; /* What SIM_POLICY_CHANGED brings; NULL: nothing. */
    int64_t duration_ms;                     /* Faults come until then; quiet hours follow. */
    uint32_t fault_every_ms;                 /* Mean time between two faults. */
    uint32_t common_permille; /* So many of the faults are those of everyday: a host hangs, dies. */
    const struct sim_fault *faults; /* Or these, in any order; NULL: made of the seed. */
    size_t faults_count;
    struct sim_outcome *outcomes; /* One for each of faults, or NULL. */
    uint32_t hosts_count;         /* Only the first ones of the inventory; 0: all. */
    const struct policy_guards
        *limits;          /* What is checked; NULL: what the policies were loaded with. */
    bool once;            /* No replay: figures, not proof. */
    uint32_t spoil_every; /* For tests: the replay leaves out an event where N divides the step. */
    void (*record)(void *arg, const struct record *record); /* Each one that is durable, or NULL. */
    void *arg;
};

struct sim_report {
    uint64_t steps, faults, broken, orders, reads, lost, refused, heals, pages, kills;
    uint64_t wrong; /* Interrupting orders on hosts that were well and never said otherwise. */
    uint64_t said, leases; /* Answers of people that were taken; leases that were given. */
    uint64_t replayed;     /* Steps that were taken again. */
    uint64_t met[SIM_FAULTS_COUNT];
    uint64_t hash;       /* Over every record and call: two runs of a seed agree. */
    int64_t violated_ms; /* When, from the start of the world. */
    char violation[512]; /* Empty: nothing that must not happen happened. */
};

/* 0, or -NSH_NOMEM, or -NSH_FAILED with report->violation. trace: the engine's narrative, or NULL.
 */
int sim_run(const struct sim_options *options, struct sim_report *ret_report,
            struct textbuf *trace);

/* The faults that options' seed makes; free() them. */
int sim_faults_make(const struct sim_options *options, struct sim_fault **ret_faults,
                    size_t *ret_count);

/*
 * The smallest story that a failing world can be shrunk to: fewer faults, fewer hosts, shorter
 * time. Written to out, with the violation. runs_max bounds the worlds that are tried.
 * -NSH_INVALID: the world does not fail.
 */
int sim_shrink(const struct sim_options *options, size_t runs_max, struct textbuf *out,
               size_t *ret_faults_count);

#endif
