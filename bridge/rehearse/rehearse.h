/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REHEARSE_REHEARSE_H
#define REHEARSE_REHEARSE_H

/*
 * Rehearsals: policies in the real engine, with a clock that jumps, and drivers that are stubs.
 * Nothing real is touched: this room knows no driver, loop or store.
 *
 * NAME.test beside NAME.policy says what happens and what is expected (policies/LANGUAGE.md, "Test
 * it"); a replay takes events that happened.
 */

#include "base/confscan.h"
#include "engine/engine.h"
#include "fleet/fleet.h"

#define REHEARSE_TESTS_MAX 1000     /* In one file. */
#define REHEARSE_ITEMS_MAX 100000   /* Of one test's timeline, repetitions included. */
#define REHEARSE_EXPECTS_MAX 10000  /* Of one test. */
#define REHEARSE_STEPS_MAX 10000000 /* Steps of the engine in one test. */
#define REHEARSE_TRACE_BYTES_MAX (1 << 20)

/* ---- which branches were taken
 * ----------------------------------------------------------------------- */

struct branch {
    const char *policy, *what; /* "step cycle: fails" */
    struct nsh_place at;
    bool taken;
};

/* Branches of policies by their place and words, over all files of tests. */
struct coverage {
    struct arena arena;
    struct map branches; /* -> struct branch */
    size_t taken_count;
};

/* The branches of every policy of the set; they stand in coverage from now on, taken or not. */
void coverage_policies(struct coverage *coverage, const struct policy_set *set);
void coverage_done(struct coverage *coverage);

/* ---- tests
 * ------------------------------------------------------------------------------------------- */

struct rehearsal;

struct rehearsal_test {
    const char *name;
    struct nsh_place at;
    bool failed;
    uint64_t steps;    /* Of the engine. */
    const char *trace; /* Of a failed one: what happened when, in lines. */
    /* Of one without expectations: those that what happened would meet, to be judged by a person.
     */
    const char *recorded;
};

/*
 * Read the tests of path, and the policies they name relative to it. NULL when diags got an error.
 */
struct rehearsal *rehearsal_read(const char *path, const struct policy_defaults *site,
                                 struct diags *diags);
/* The same; tests without `expect` are no mistake: they are recorded when they run. */
struct rehearsal *rehearsal_read_to_record(const char *path, const struct policy_defaults *site,
                                           struct diags *diags);
/* The same for a text that names no files; policies: the text of those it rehearses. */
struct rehearsal *rehearsal_read_text(const char *name, const char *text, const char *policies,
                                      const struct policy_defaults *site, struct diags *diags);
void rehearsal_free(struct rehearsal *rehearsal);
size_t rehearsal_tests_count(const struct rehearsal *rehearsal);

/*
 * Run one test. What was expected and did not happen is an error in diags, at the expectation.
 * *ret_test is borrowed until the next call. coverage may be NULL. -NSH_NOMEM, or 0 also when it
 * failed.
 */
int rehearsal_run(struct rehearsal *rehearsal, size_t index, struct coverage *coverage,
                  struct diags *diags, struct rehearsal_test *ret_test, struct nsh_error *err);

#endif
