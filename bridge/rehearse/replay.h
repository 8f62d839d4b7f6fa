/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REHEARSE_REPLAY_H
#define REHEARSE_REPLAY_H

/*
 * Events that happened, through a set of policies: what would have been decided. Every call is
 * answered well at once and proven; hosts clear when their recorded events say so. Nothing real is
 * touched.
 */

#include "engine/engine.h"

#define REPLAY_DECISIONS_MAX 1000000 /* Kept; further ones are counted. */
#define REPLAY_STEPS_MAX UINT64_MAX

struct replay_decision {
    int64_t at_ms; /* Unix */
    const char *policy, *subject, *outcome, *reason, *run;
    const char *actions; /* Verbs of its run in order, or "". */
    int64_t cleared_ms;  /* So long after it the events said that the alarm is over; -1: never. */
};

struct replay_report {
    uint64_t events, steps, decisions, dropped;
    int64_t first_ms, last_ms;
    const struct replay_decision *items; /* As long as the replay lives. */
    size_t items_count;
};

struct replay;

/* Borrowed: both, as long as the replay lives. -NSH_NOMEM. */
int replay_new(const struct inventory *inventory, const struct policy_set *policies,
               struct replay **ret_replay, struct nsh_error *err);
void replay_free(struct replay *replay);

/* The next event, at its received_ms; one that is older than the last comes at the same time. */
int replay_event(struct replay *replay, const struct event *event, struct nsh_error *err);
/* Let what is under way end. */
int replay_end(struct replay *replay, struct replay_report *ret_report, struct nsh_error *err);

#endif
