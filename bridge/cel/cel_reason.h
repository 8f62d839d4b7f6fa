/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CEL_CEL_REASON_H
#define CEL_CEL_REASON_H

/*
 * What can be said of conditions without any input: that they can never be true together, and
 * which part is at fault. Comparisons with constants become intervals and sets, everything else
 * is a leaf that is true or not; && || ! ?: are followed. What is too large or too clever is
 * taken for possible: a contradiction that is found is one.
 */

#include "cel/cel.h"

/* What the embedding knows of a name or path before anything runs. */
struct cel_known {
    const char *path; /* As it prints: "event.severity", "critical". */
    bool bounded;     /* A number from min to max; equal: a constant. */
    int64_t min, max;
    const char *const *globs; /* A text that meets one of these ('*' and '?'); NULL: any. */
    size_t globs_count;
};

struct cel_claim {
    const struct cel_program *program;
    bool negated; /* It is claimed to be false. */
};

#define CEL_CLAIMS_MAX 40

/* The part that cannot be true, in the source of claims[claim]. Texts in the arena. */
struct cel_conflict {
    size_t claim;
    uint32_t offset, length;
    bool whole;                    /* Several parts in turn: the range is all of the claim. */
    const char *part;              /* "event.severity < major" */
    const char *against;           /* "event.severity >= critical", or NULL: */
    const struct cel_known *known; /* what is known forbids it (of several parts: all of them);
                                      NULL: it is false by itself. */
};

/* True: the claims, all at once, cannot be. *ret_conflict (may be NULL) says why. */
bool cel_contradict(const struct cel_claim *claims, size_t claims_count,
                    const struct cel_known *known, size_t known_count, struct arena *arena,
                    struct cel_conflict *ret_conflict);

/* A call of name (function or member) in a program whose last argument is a literal text. */
struct cel_call {
    uint32_t offset, length; /* Of the literal, with its quotes. */
    const char *literal;
    /* All of them, while they are texts. */
    struct cel_call_arg {
        uint32_t offset, length;
        const char *literal;
    } args[CEL_PARAMS_MAX];
    size_t args_count;
};

/* The calls of name in the order of the source, at most calls_max; how many. */
size_t cel_program_calls(const struct cel_program *program, const char *name,
                         struct cel_call *calls, size_t calls_max);

#endif
