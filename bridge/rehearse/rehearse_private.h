/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REHEARSE_REHEARSE_PRIVATE_H
#define REHEARSE_REHEARSE_PRIVATE_H

#include "base/json.h"
#include "rehearse/world.h"

#define REHEARSE_STUBS_MAX 200
#define REHEARSE_POLICIES_MAX 200
#define REHEARSE_AT_MAX INT64_C(31536000000) /* One year. */
#define REHEARSE_AFTER_MS INT64_C(3600000)   /* Watched on after the last thing in the file. */

enum item_kind {
    ITEM_EVENT,
    ITEM_SET,
    ITEM_RESTART,
    ITEM_FREEZE,
    ITEM_UNFREEZE,
    ITEM_HEALTH,
    ITEM_APPROVE,
    ITEM_DENY,
    ITEM_STOP
};

/* Something that happens to the engine. */
struct item {
    int64_t at_ms;
    uint64_t order;
    enum item_kind kind;
    struct event event;          /* ITEM_EVENT */
    struct inventory *inventory; /* ITEM_SET */
    int64_t down_ms;             /* ITEM_RESTART */
    struct nsh_value args;       /* ITEM_FREEZE, ITEM_APPROVE, ITEM_DENY */
    const char *actor;           /* ITEM_APPROVE, ITEM_DENY */
    struct engine_health health; /* ITEM_HEALTH */
};

enum expect_kind {
#define EXPECT(NAME, word) EXPECT_##NAME,
#include "rehearse/expects.def"
#undef EXPECT
    EXPECT_KINDS_COUNT
};

struct expectation {
    struct nsh_place at;
    enum expect_kind kind;
    const char *name;                                                /* The value of that key. */
    int64_t at_ms, by_ms, before_ms, count;                          /* -1: not said */
    int ok;                                                          /* -1: not said */
    const char *policy, *subject, *because, *error, *action, *state; /* NULL: not said */
    bool with_wanted;
    struct nsh_value with;
};

struct test {
    struct rehearsal_test shown;
    enum policy_mode mode;
    struct item *items;
    size_t items_count;
    struct stub *stubs;
    size_t stubs_count;
    struct expectation *expects;
    size_t expects_count;
    int64_t until_ms;
    bool stops;
    bool keeps; /* Its records are needed: it restarts, or ends a freeze. */
};

struct rehearsal {
    struct arena arena; /* What was read. */
    struct arena test;  /* What one test saw. */
    const char *path;
    struct policy_defaults defaults;
    struct policy_set *policies;
    struct inventory *inventory;
    struct inventory **changed; /* By `set`. */
    size_t changed_count, changed_room;
    struct conf *hosts; /* The list they came from, for `set`. */
    int64_t start_ms;
    struct test *tests;
    size_t tests_count;
    const char *policies_text; /* Instead of files; or NULL. */
    bool records;              /* Tests without expectations get some. */
};

/* What was seen. Times since the start. */
enum happening_kind {
    HAPPENED_DECISION,
    HAPPENED_PENDING,
    HAPPENED_BEGIN,
    HAPPENED_STEP,
    HAPPENED_CALL,
    HAPPENED_END
};

struct happening {
    enum happening_kind kind;
    int64_t at_ms;
    const char *policy, *subject;
    const char *name;  /* Outcome, step, verb, or how the run ended. */
    const char *step;  /* HAPPENED_CALL */
    const char *state; /* HAPPENED_STEP: done, failed, skipped, refused */
    const char *text;
    struct nsh_value args;
};

struct seen_run {
    const char *id, *policy, *subject;
    bool ended;
    uint8_t steps[2 * POLICY_STEPS_MAX + 1]; /* 0: not yet, 1: begun, 2: ended; by number. */
};

struct observer {
    struct rehearsal *rehearsal;
    struct world *world;
    struct coverage *coverage; /* Or NULL. */
    struct happening *items;
    size_t items_count, items_room;
    struct map runs;    /* id -> struct seen_run */
    struct map actions; /* id -> struct seen_action */
    struct map pending; /* id -> bool: it waits */
    struct map kept;    /* Living records, for a restart. */
    bool keeps;
    uint64_t steps;
    struct arena scratch; /* Of one record. */
    struct textbuf *trace;
    struct nsh_value unstubbed; /* First call that had no stub: {verb, host}. */
    bool no_memory;
};

#define HAPPENINGS_MAX 1000000

void observe_record(void *arg, const struct record *record);
void observe_call(void *arg, const struct engine_call *call, const struct verb *verb, bool stubbed);
void observe_step(void *arg, const struct engine_output *output);
void observer_done(struct observer *observer);

/* rehearse_read_test.c */
bool rehearsal_read_tests(struct rehearsal *rehearsal, struct conf *list, enum policy_mode mode,
                          struct diags *diags);
/* rehearse_hosts.c */
struct inventory *rehearsal_hosts(struct rehearsal *rehearsal, struct conf *root,
                                  struct diags *diags);
/* The inventory after `set`: keys of the group but host replace those of the host. NULL: diags. */
struct inventory *rehearsal_set(struct rehearsal *rehearsal, struct conf *group,
                                struct diags *diags);
/* rehearse_expect.c */
void expectations_check(const struct test *test, const struct observer *observer,
                        struct diags *diags);
bool expectation_read(struct rehearsal *rehearsal, struct conf *group,
                      struct expectation *expectation, struct diags *diags);

/* rehearse_record.c */
/* An `expect` that what was seen meets. NULL: no memory. */
const char *expectations_record(const struct rehearsal *rehearsal, const struct observer *observer,
                                struct arena *arena);

/* rehearse_cover.c */
void coverage_seen(struct coverage *coverage, const struct policy_set *set,
                   const struct engine_seen *seen);
void coverage_decision(struct coverage *coverage, const struct policy *policy, const char *outcome);
void coverage_step(struct coverage *coverage, const struct policy *policy, const char *step,
                   const char *state);

#endif
