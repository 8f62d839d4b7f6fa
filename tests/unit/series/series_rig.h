/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_RIG_H
#define SERIES_RIG_H

/* A table of series with the signals of a text; what it tells is written down in one line. */

#include "../unit.h"

#include "series/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS INT64_C(1772409600000) /* Monday 2026-03-02, midnight. */
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

struct series_rig {
    struct arena arena;
    struct signals signals;
    struct series *table;
    struct textbuf told;
};

static inline struct signals rig_signals(const char *text, struct arena *arena)
{
    struct diags diags = {0};
    struct conf *root = conf_read_text("test.conf", text, arena, &diags);
    struct signals signals = {0};
    if (root != NULL) {
        signals = signals_read(conf_get(root, "signals"), arena, &diags);
    }
    if (diags.errors_count > 0) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    return signals;
}

static inline void rig_open_max(struct series_rig *rig, const char *text, size_t most)
{
    *rig = (struct series_rig){.arena = ARENA_INIT};
    rig->signals = rig_signals(text, &rig->arena);
    rig->table = series_new(&(struct series_options){most, 14 * 24 * HOUR_MS});
    assert_non_null(rig->table);
    series_now(rig->table, NOW_MS);
    series_signals(rig->table, &rig->signals);
}

static inline void rig_open(struct series_rig *rig, const char *text)
{
    rig_open_max(rig, text, 100);
}

static inline void rig_close(struct series_rig *rig)
{
    series_free(rig->table);
    textbuf_done(&rig->told);
    arena_done(&rig->arena);
}

/* "metric k=v k=v" */
static inline void rig_labels(struct series_rig *rig, const char *text)
{
    struct sample_label labels[SAMPLE_LABELS_MAX];
    char copy[2048], *save = NULL;
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        char *equals = count == 0 ? NULL : strchr(word, '=');
        if (equals != NULL) {
            *equals = '\0';
        }
        labels[count++] = equals == NULL
                              ? (struct sample_label){TEXT(SAMPLE_METRIC), text_of(word)}
                              : (struct sample_label){text_of(word), text_of(equals + 1)};
    }
    series_labels(rig->table, labels, count);
}

/* Value at minute. */
static inline void rig_put(struct series_rig *rig, const char *labels, double minute, double value)
{
    rig_labels(rig, labels);
    series_value(rig->table, NOW_MS + (int64_t)(minute * (double)MINUTE_MS), value);
}

/* What waits, as "raise SIGNAL HOST RESOURCE at MINUTE" or "clear ...", told as durable or not. */
static inline const char *rig_told_as(struct series_rig *rig, bool durable)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct series_turns turns;
    textbuf_clear(&rig->told);
    assert_true(series_turns(rig->table, &arena, &turns));
    size_t offset = 0;
    for (uint32_t i = 0; i < turns.count; i++) {
        struct event event;
        long used = event_unpack(turns.bytes + offset, turns.bytes_count - offset, &event, NULL);
        assert_true(used > 0);
        offset += (size_t)used;
        textbuf_addf(&rig->told, "%s%s %.*s %.*s %.*s at %g", i == 0 ? "" : "; ",
                     event_state_word(event.state), (int)event.qualifier.count, event.qualifier.at,
                     (int)event.subject.count, event.subject.at, (int)event.resource.count,
                     event.resource.at, (double)(event.time_ms - NOW_MS) / (double)MINUTE_MS);
    }
    assert_int_equal(offset, turns.bytes_count);
    if (turns.count > 0) {
        series_told(rig->table, &turns, durable);
    }
    return rig->told.at == NULL ? "" : rig->told.at;
}

static inline const char *rig_told(struct series_rig *rig)
{
    return rig_told_as(rig, true);
}

static inline struct series_counters rig_counters(const struct series_rig *rig)
{
    struct series_counters counters;
    series_count(rig->table, &counters);
    return counters;
}

#endif
