/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_POLICY_LINT_H
#define POLICY_POLICY_LINT_H

/* What the two files of warnings share. */

#include "cel/cel_reason.h"
#include "policy/policy.h"

/* The names of severities, event.severity, event.type. */
#define POLICY_LINT_KNOWN_MAX (SEVERITIES_COUNT + 2)

/* What conditions may take for granted about the event; how many rows of known. */
size_t policy_lint_known(struct cel_known *known, const char *const *events, size_t events_count,
                         enum severity severity_min);

/* A type that no table or source gives. */
struct policy_mention {
    const char *type;
    const char *nearest; /* One that a table gives, or "". */
    struct nsh_place at;
    struct policy_mention *next;
};

#endif
