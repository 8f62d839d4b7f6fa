/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_SIGNALS_H
#define SERIES_SIGNALS_H

/*
 * `signals` of the configuration: which series are watched, what a value of them means, and which
 * event it makes. Read once, with all mistakes at their places; immutable afterwards, but that the
 * conditions in it are evaluated by one thread at a time.
 */

#include "base/confscan.h"
#include "cel/cel.h"
#include "model/event.h"
#include "model/sample.h"
#include "signal/signal.h"

#define SIGNALS_MAX 512
#define SIGNALS_LABELS_MAX 16 /* Of one signal. */
#define SIGNALS_NAME_BYTES_MAX 64
#define SIGNALS_TEXT_BYTES_MAX 512 /* metric, event, message */
#define SIGNALS_LEVEL_MAX 1e30

enum signals_kind {
    SIGNALS_LEVEL,
    SIGNALS_BASELINE,
    SIGNALS_FORECAST,
    SIGNALS_PEERS,
    SIGNALS_STUCK,
    SIGNALS_ABSENT
};

enum signals_direction { SIGNALS_BOTH, SIGNALS_UP, SIGNALS_DOWN };

struct signals_label {
    struct text name, pattern; /* A glob; "" means: not there. */
};

struct signals_rule {
    const char *name, *event, *message; /* message: NULL, or what is told instead of our words. */
    struct text metric;                 /* A glob. */
    struct nsh_place at;
    const struct signals_label *labels;
    size_t labels_count;
    const struct cel_program *where, *host, *resource; /* NULL: all; by the usual labels. */
    enum severity severity;
    enum signals_kind kind;
    enum signal_fold_kind fold;
    int64_t window_ms;              /* 0: each value by itself. */
    struct signal_level_rule level; /* On the value, the score, or the hours that are left. */
    struct signal_level_rule also;  /* On the value, beside another kind: both are required. */
    bool has_also;
    bool per_host;                    /* All series of a host are one. */
    const struct cel_program *expect; /* NULL: no turn is expected. */
    /* Baseline, peers. */
    double sensitivity, min_change;
    int64_t learn_ms;
    enum signals_direction direction;
    double beyond;
    const struct cel_program *group; /* NULL: all series of the signal. */
    uint32_t at_least;
    /* Forecast. */
    double reaches;
    int64_t within_ms, half_life_ms, needs_ms;
    /* Absent. */
    int64_t absent_ms;
    int64_t stuck_ms;
    uint64_t same; /* Rules with the same one may go on with each other's states. */
};

struct signals {
    const struct signals_rule *rules;
    size_t count;
};

const char *signals_kind_word(enum signals_kind kind);

/* The list `signals`; setting may be NULL: none. Everything lives in arena. Mistakes are in diags.
 */
struct signals signals_read(struct conf *setting, struct arena *arena, struct diags *diags);

/* Does the rule want a series of that name, and of these labels? */
bool signals_rule_wants(const struct signals_rule *rule, const struct sample_label *labels,
                        size_t count, const struct cel_inputs *inputs, struct arena *arena);

enum { SIGNALS_VAR_METRIC, SIGNALS_VAR_LABELS };
/* Of `expect`. */
enum {
    SIGNALS_EXPECT_TIME,
    SIGNALS_EXPECT_HOST,
    SIGNALS_EXPECT_RESOURCE,
    SIGNALS_EXPECT_VALUE,
};

#endif
