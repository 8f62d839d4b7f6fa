/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_SERIES_H
#define ENGINE_ENGINE_SERIES_H

/* Samples: rings of a fixed size (engine_series.c, pure), and samples at work (engine_metric.c). */

#include "engine_operator.h"

#define PREDICT_SAMPLES_MIN 10
#define ANOMALY_SAMPLES_MIN 10
#define ANOMALY_SCORE_MAX 1000.0   /* A change of what never changed. */
#define SERIES_RECORD_MS MINUTE_MS /* Samples alone are written at most so often ... */
#define SERIES_RECORD_PART 20      /* ... and a window at most so many times while it passes. */
#define SAMPLE_MISSES                                                                              \
    2 /* What a sample said holds for so many intervals, then it is not known.                     \
       */

struct sample {
    int64_t at;
    double value;
};

struct series {
    struct sample *items;
    uint32_t first, count, room;
};

/* Of one instance: one ring for each metric of its policy. */
struct series_state {
    struct timer timer;
    bool latched;       /* `if` was true, and `clear` not since. */
    int64_t heard_ms;   /* The newest sample of any came. */
    int64_t written_ms; /* Recorded. */
    uint32_t count;
    struct series items[];
};

struct series_ask {
    enum policy_function function;
    const struct policy_metric *metric;
    int64_t window_ms, ahead_ms, now_ms;
};

/* ---- engine_series.c: pure --------------------------------------------------------------------
 */

uint32_t series_room(const struct policy_series *wanted); /* Samples of its ring. */
void series_put(struct series *series, struct sample sample);
void series_prune(struct series *series, int64_t oldest_ms);
const struct sample *series_newest(const struct series *series); /* NULL: none. */
struct sample series_item(const struct series *series, uint32_t index);
uint32_t series_within(const struct series *series, int64_t window_ms, int64_t now_ms);
/* False: too little is known. values: room for every sample of the ring, for FN_ANOMALY. */
bool series_window(const struct series *series, const struct series_ask *ask, double *values,
                   double *ret_value);

/* ---- engine_metric.c --------------------------------------------------------------------------
 */

bool metric_is_sample(const struct event *event);
void metric_event(struct engine *engine, const struct event *event);
/* A function of conditions; -NSH_INVALID: not known, with why. */
int metric_call(struct scope *scope, enum policy_function function, const struct cel_value *args,
                size_t args_count, struct cel_value *ret_value, struct nsh_error *err);
bool metric_idle(const struct instance *instance);
void metric_free(struct engine *engine, struct instance *instance);
void metric_record(struct engine *engine, struct textbuf *json, struct instance *instance);
void metric_load(struct engine *engine, struct instance *instance, const struct nsh_value *value);
void metric_gap(struct engine *engine, struct instance *instance);
void metric_why(struct engine *engine, const struct instance *instance, struct textbuf *lines);
bool metric_drives(const struct policy *policy); /* Samples make its level. */

#endif
