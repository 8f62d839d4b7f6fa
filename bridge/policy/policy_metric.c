/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: the catalogue (`metrics` of nightshift.conf), and which windows of which metrics a
 * policy looks at, so that every ring has its size when the file is loaded.
 */

#include "policy/policy_private.h"

#include "cel/cel_reason.h"

#include <stdio.h>

#define SECOND_MS 1000LL
#define DAY_MS (24 * 3600 * SECOND_MS)
#define CALLS_MAX 32 /* Of one function in one condition. */

static void read_metric_text(struct policy_loader *loader, struct conf *setting, void *object);

static const char *const type_words[] = {"gauge", "counter", NULL};

struct metric_row {
    const char *name, *unit;
    int64_t interval_ms;
    int type;
};

static const struct policy_key metric_rows[] = {
    {.name = "name",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = read_metric_text,
     .example = "name = \"power.input\"",
     .help = "What samples and policies call it."},
    {.name = "unit", .kind = KEY_READ, .read = read_metric_text, .help = "For people."},
    {.name = "interval",
     .kind = KEY_DURATION,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct metric_row, interval_ms),
     .min = SECOND_MS,
     .max = DAY_MS,
     .example = "interval = \"15s\"",
     .help = "How often a sample is expected."},
    {.name = "type",
     .kind = KEY_WORD,
     .offset = offsetof(struct metric_row, type),
     .words = type_words,
     .help = "gauge, or counter: it only grows, and begins anew."},
};

const struct policy_keys policy_keys_metric = {"a metric", metric_rows,
                                               sizeof metric_rows / sizeof metric_rows[0]};

/* name and unit: kept by value in the defaults, so nothing else is needed of them. */
static void read_metric_text(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct metric_row *row = object;
    const char *text = conf_text(setting, NULL, loader->diags);
    if (text == NULL) {
        return;
    }
    bool name = strcmp(setting->name, "name") == 0;
    size_t most = name ? POLICY_METRIC_NAME_BYTES_MAX : POLICY_METRIC_UNIT_BYTES_MAX;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/";
    if (setting->text_bytes == 0 || setting->text_bytes > most ||
        (name && strspn(text, letters) < setting->text_bytes)) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "such as \"power.input\"",
                 "'%s' is 1 to %zu letters, digits, '.', '_', '-', '/'", setting->name, most);
        return;
    }
    *(name ? &row->name : &row->unit) = text;
}

static struct policy_metric *metric_slot(struct policy_defaults *defaults, const char *name)
{
    for (size_t i = 0; i < defaults->metrics_count; i++) {
        if (strcmp(defaults->metrics[i].name, name) == 0) {
            return &defaults->metrics[i];
        }
    }
    return defaults->metrics_count == POLICY_METRICS_MAX
               ? NULL
               : &defaults->metrics[defaults->metrics_count++];
}

static void metric_put(struct policy_defaults *defaults, const struct metric_row *row,
                       struct policy_metric *metric)
{
    *metric = (struct policy_metric){.interval_ms = row->interval_ms, .counter = row->type == 1};
    snprintf(metric->name, sizeof metric->name, "%s", row->name);
    snprintf(metric->unit, sizeof metric->unit, "%s", row->unit == NULL ? "" : row->unit);
}

void policy_metrics_builtin(struct policy_defaults *defaults)
{
    static const struct metric_row rows[] = {
#define METRIC(name, unit, interval_s, counter) {name, unit, (interval_s)*SECOND_MS, counter},
#include "policy/policy_metrics.def"
#undef METRIC
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy_metric *metric = metric_slot(defaults, rows[i].name);
        if (metric != NULL) {
            metric_put(defaults, &rows[i], metric);
        }
    }
}

void policy_metrics_read(struct policy_loader *loader, struct conf *list,
                         struct policy_defaults *defaults)
{
    static const char example[] = "metrics: ( { name = \"power.input\"; interval = \"15s\"; } );";
    if (!policy_is(loader, list, CONF_LIST, example)) {
        return;
    }
    for (struct conf *group = list->first; group != NULL; group = group->next) {
        struct metric_row row = {.name = NULL};
        if (!policy_is(loader, group, CONF_GROUP, example)) {
            continue;
        }
        policy_keys_read(loader, group, &policy_keys_metric, &row);
        bool whole = row.name != NULL && row.interval_ms > 0;
        struct policy_metric *metric = whole ? metric_slot(defaults, row.name) : NULL;
        if (metric != NULL) {
            metric_put(defaults, &row, metric);
        } else if (whole) {
            diag_add(loader->diags, DIAG_ERROR, group->value_at, NULL, "more than %d metrics",
                     POLICY_METRICS_MAX);
            return;
        }
    }
}

/* ---- what a policy looks at ----------------------------------------------------------------- */

static const struct policy_metric *metric_find(struct policy_loader *loader, const char *name)
{
    const struct policy_defaults *defaults = &loader->set->defaults;
    for (size_t i = 0; i < defaults->metrics_count; i++) {
        if (strcmp(defaults->metrics[i].name, name) == 0) {
            return &defaults->metrics[i];
        }
    }
    return NULL;
}

/* The catalogue's row; NULL after a diagnostic. */
static const struct policy_metric *metric_known(struct policy_loader *loader, const char *name,
                                                struct nsh_place at)
{
    const struct policy_metric *metric = metric_find(loader, name);
    if (metric != NULL) {
        return metric;
    }
    const char *names[POLICY_METRICS_MAX + 1] = {NULL};
    for (size_t i = 0; i < loader->set->defaults.metrics_count; i++) {
        names[i] = loader->set->defaults.metrics[i].name;
    }
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    const char *nearest = text_nearest(text_of(name), names);
    if (nearest != NULL) {
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    } else {
        textbuf_addf(&remedy,
                     "write it into metrics of nightshift.conf: { name = \"%s\"; interval "
                     "= \"15s\"; }",
                     name);
    }
    diag_add(loader->diags, DIAG_ERROR, at, remedy.at, "unknown metric '%.80s'", name);
    return NULL;
}

/* One ring for each metric of a policy, for its longest window. */
static void series_want(struct policy_loader *loader, const struct policy_metric *metric,
                        int64_t window_ms, struct nsh_place at)
{
    struct policy *policy = loader->policy;
    struct policy_series *series = policy->series;
    size_t i = 0;
    while (i < policy->series_count && series[i].metric != metric) {
        i++;
    }
    if (i == POLICY_SERIES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, at, NULL, "a policy looks at %d metrics at most",
                 POLICY_SERIES_MAX);
        return;
    }
    if (i == policy->series_count) {
        policy->series_count++;
        series[i] = (struct policy_series){.metric = metric};
    }
    if (window_ms > series[i].window_ms) {
        series[i].window_ms = window_ms;
    }
}

/* False after a diagnostic. */
static bool window_of(struct policy_loader *loader, const struct conf *setting, uint32_t offset,
                      const struct cel_call_arg *arg, const struct policy_metric *metric,
                      int64_t *ret_ms)
{
    struct nsh_place at = conf_text_place(setting, offset + arg->offset, arg->length);
    if (!text_to_duration_ms(text_of(arg->literal), ret_ms) || *ret_ms <= 0) {
        diag_add(loader->diags, DIAG_ERROR, at, "such as '5m'", "'%.80s' is no duration",
                 arg->literal);
        return false;
    }
    CLEANUP(textbuf_donep) struct textbuf interval = {0};
    textbuf_add_duration(&interval, metric->interval_ms);
    if (*ret_ms < metric->interval_ms) {
        diag_add(loader->diags, DIAG_ERROR, at, NULL,
                 "a window of '%s' is shorter than the time between two samples, %s", metric->name,
                 interval.at);
        return false;
    }
    int64_t samples = *ret_ms / metric->interval_ms;
    if (samples > POLICY_SAMPLES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, at, "a shorter window, or a longer interval",
                 "a window holds %d samples of '%s' at most, this one has %lld (one each %s)",
                 POLICY_SAMPLES_MAX, metric->name, (long long)samples, interval.at);
        return false;
    }
    return true;
}

/* The functions that look at samples, and whether a window stands behind the metric. */
static const struct {
    const char *name;
    bool window;
} functions[] = {
    {"metric", false},   {"avg_over", true},   {"min_over", true}, {"max_over", true},
    {"rate_over", true}, {"delta_over", true}, {"predict", true},  {"anomaly", true},
};

void policy_metrics_collect(struct policy_loader *loader, const struct conf *setting,
                            uint32_t offset, const struct cel_program *program)
{
    for (size_t f = 0; loader->policy != NULL && f < sizeof functions / sizeof functions[0]; f++) {
        struct cel_call calls[CALLS_MAX];
        size_t count = cel_program_calls(program, functions[f].name, calls, CALLS_MAX);
        for (size_t i = 0; i < count; i++) {
            const struct cel_call_arg *args = calls[i].args;
            struct nsh_place at = conf_text_place(setting, offset + args[0].offset, args[0].length);
            const struct policy_metric *metric = metric_known(loader, args[0].literal, at);
            int64_t window_ms = 0, ahead_ms = 0;
            bool windowed = metric != NULL && functions[f].window && calls[i].args_count > 1;
            if (windowed && !window_of(loader, setting, offset, &args[1], metric, &window_ms)) {
                continue;
            }
            if (windowed && calls[i].args_count > 2 &&
                !text_to_duration_ms(text_of(args[2].literal), &ahead_ms)) {
                diag_add(loader->diags, DIAG_ERROR,
                         conf_text_place(setting, offset + args[2].offset, args[2].length),
                         "such as '7d'", "'%.80s' is no duration", args[2].literal);
            }
            if (metric != NULL) {
                series_want(loader, metric, window_ms, at);
            }
        }
    }
}

const char *policy_metric_read(struct policy_loader *loader, struct conf *setting)
{
    const char *name = conf_text(setting, NULL, loader->diags);
    const struct policy_metric *metric =
        name == NULL ? NULL : metric_known(loader, name, setting->value_at);
    if (metric == NULL) {
        return NULL;
    }
    series_want(loader, metric, 0, setting->value_at);
    return metric->name;
}

bool policy_series_same(const struct policy *x, const struct policy *y)
{
    bool same = x->series_count == y->series_count;
    for (size_t i = 0; same && i < x->series_count; i++) {
        const struct policy_metric *a = x->series[i].metric, *b = y->series[i].metric;
        same = x->series[i].window_ms == y->series[i].window_ms && strcmp(a->name, b->name) == 0 &&
               a->interval_ms == b->interval_ms && a->counter == b->counter;
    }
    return same;
}
