/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What series learned, over a restart. Slices of entries, each by itself, so that a table that is
 * used meanwhile is held only for a moment. What is raised is not in it: the store's alarms know
 * that better. Times that a level was held begin anew: nobody watched meanwhile.
 */

#include "series/series_private.h"

#include <math.h>

#define SAVE_VERSION 2

static void pack_real(struct pack_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    pack_u64(writer, bits);
}

/* A value; or a sum of values, or of their squares, which may lie far beyond any value. */
static double unpack_sum(struct pack_reader *reader)
{
    uint64_t bits = unpack_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    reader->failed = reader->failed || !isfinite(value);
    return value;
}

static double unpack_real(struct pack_reader *reader)
{
    double value = unpack_sum(reader);
    reader->failed = reader->failed || !signal_value_is_good(value);
    return value;
}

static void line_save(const struct series_line *line, struct pack_writer *writer)
{
    const struct signal_forecast *forecast = &line->forecast;
    pack_u64(writer, (uint64_t)line->first_ms);
    pack_u64(writer, (uint64_t)forecast->last_ms);
    const double sums[] = {forecast->w, forecast->t,  forecast->tt,
                           forecast->x, forecast->tx, forecast->xx};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        pack_real(writer, sums[i]);
    }
}

static void line_load(struct pack_reader *reader, struct series_line *ret_line)
{
    struct signal_forecast *forecast = &ret_line->forecast;
    ret_line->first_ms = (int64_t)unpack_u64(reader);
    forecast->last_ms = (int64_t)unpack_u64(reader);
    double *const sums[] = {&forecast->w, &forecast->t,  &forecast->tt,
                            &forecast->x, &forecast->tx, &forecast->xx};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        *sums[i] = unpack_sum(reader);
    }
    reader->failed = reader->failed || ret_line->first_ms < 0 || forecast->last_ms < 0;
}

static void top_save(const struct signal_top *top, struct pack_writer *writer)
{
    pack_u32(writer, top->seen);
    pack_u32(writer, top->counted);
    pack_u8(writer, top->kept);
    pack_u8(writer, top->halved);
    for (uint8_t i = 0; i < top->kept; i++) {
        pack_real(writer, (double)top->at[i]);
    }
}

static void top_load(struct pack_reader *reader, struct signal_top *ret_top)
{
    struct signal_top top = {.seen = unpack_u32(reader)};
    uint32_t counted = unpack_u32(reader);
    top.kept = unpack_u8(reader);
    top.halved = unpack_u8(reader);
    if (top.kept > SIGNAL_TOP_VALUES || counted > UINT16_MAX || counted < top.kept) {
        reader->failed = true;
        return;
    }
    top.counted = (uint16_t)counted;
    for (uint8_t i = 0; i < top.kept; i++) {
        top.at[i] = (float)unpack_real(reader);
    }
    *ret_top = top;
}

static void learned_save(const struct series *series, const struct series_entry *entry,
                         struct pack_writer *writer)
{
    switch (entry->rule->kind) {
    case SIGNALS_BASELINE:
        signal_baseline_save(series_entry_baseline(entry), writer);
        break;
    case SIGNALS_FORECAST:
        line_save(series_entry_line(entry), writer);
        break;
    case SIGNALS_STUCK:
        pack_real(writer, series_entry_stuck(entry)->value);
        break;
    case SIGNALS_PEERS:
        pack_text(writer, series_peers_group(series, entry));
        break;
    case SIGNALS_LEVEL:
    case SIGNALS_ABSENT:
    default:
        break;
    }
}

static void entry_save(const struct series *series, const struct series_entry *entry,
                       struct pack_writer *writer)
{
    pack_text(writer, text_of(entry->rule->name));
    pack_u64(writer, entry->rule->same);
    pack_text(writer, series_entry_host(entry));
    pack_text(writer, series_entry_resource(entry));
    pack_u64(writer, (uint64_t)entry->last_ms);
    pack_u32(writer, entry->owner);
    pack_real(writer, entry->fold_last);
    pack_real(writer, entry->fold_sum);
    pack_u32(writer, entry->fold_count);
    pack_u64(writer, entry->bits);
    bool none = isnan((double)entry->value) != 0;
    pack_u8(writer, (uint8_t)none);
    pack_real(writer, none ? 0 : (double)entry->value);
    pack_u8(writer, (uint8_t)entry->rule->kind);
    pack_u8(writer, (uint8_t)entry->rule->fold);
    if (series_rule_has_top(entry->rule)) {
        top_save(series_entry_top(entry), writer);
    }
    learned_save(series, entry, writer);
}

bool series_save(const struct series *series, size_t *cursor, struct pack_writer *writer)
{
    size_t begin = *cursor, end = begin + SERIES_SLICE_ENTRIES;
    if (begin >= series->entries_used) {
        return false;
    }
    end = end < series->entries_used ? end : series->entries_used;
    uint32_t count = 0;
    for (size_t i = begin; i < end; i++) {
        count += series->entries[i] != NULL && !series->entries[i]->dying;
    }
    pack_u8(writer, SAVE_VERSION);
    pack_u32(writer, count);
    for (size_t i = begin; i < end; i++) {
        if (series->entries[i] != NULL && !series->entries[i]->dying) {
            entry_save(series, series->entries[i], writer);
        }
    }
    *cursor = end;
    return true;
}

/* ---- loading ---- */

struct saved {
    struct text signal, host, resource, group;
    uint64_t same;
    union {
        struct signal_baseline baseline;
        struct series_line line;
        struct series_stuck stuck;
    } learned;
    struct signal_top top;
    int64_t last_ms;
    double fold_last, fold_sum;
    uint64_t bits;
    uint32_t fold_count, owner;
    float value;
    enum signals_kind kind;
    enum signal_fold_kind fold;
};

static void saved_learned(struct pack_reader *reader, struct saved *saved)
{
    switch (saved->kind) {
    case SIGNALS_BASELINE:
        reader->failed =
            reader->failed || signal_baseline_load(reader, &saved->learned.baseline) < 0;
        break;
    case SIGNALS_FORECAST:
        line_load(reader, &saved->learned.line);
        break;
    case SIGNALS_STUCK:
        saved->learned.stuck.value = unpack_real(reader);
        break;
    case SIGNALS_PEERS:
        saved->group = unpack_text(reader);
        reader->failed = reader->failed || saved->group.count >= SERIES_TEXT_BYTES_MAX;
        break;
    case SIGNALS_LEVEL:
    case SIGNALS_ABSENT:
        break;
    default:
        reader->failed = true;
        break;
    }
}

static void saved_read(struct pack_reader *reader, struct saved *saved)
{
    saved->signal = unpack_text(reader);
    saved->same = unpack_u64(reader);
    saved->host = unpack_text(reader);
    saved->resource = unpack_text(reader);
    saved->last_ms = (int64_t)unpack_u64(reader);
    saved->owner = unpack_u32(reader);
    saved->fold_last = unpack_real(reader);
    saved->fold_sum = unpack_sum(reader);
    saved->fold_count = unpack_u32(reader);
    saved->bits = unpack_u64(reader);
    bool none = unpack_u8(reader) != 0;
    double value = unpack_real(reader);
    saved->value = none ? NAN : (float)value;
    saved->kind = unpack_u8(reader);
    saved->fold = unpack_u8(reader);
    if (saved->fold == SIGNAL_P95) {
        top_load(reader, &saved->top);
        reader->failed = reader->failed || (saved->fold_count > 0) != (saved->top.kept > 0);
    }
    saved_learned(reader, saved);
    reader->failed = reader->failed || saved->last_ms < 0 ||
                     saved->host.count >= SERIES_TEXT_BYTES_MAX ||
                     saved->resource.count >= SERIES_TEXT_BYTES_MAX;
}

static const struct signals_rule *saved_rule(const struct series *series, const struct saved *saved)
{
    for (size_t i = 0; i < series->signals->count; i++) {
        const struct signals_rule *rule = &series->signals->rules[i];
        if (text_is(saved->signal, rule->name) && rule->same == saved->same &&
            rule->kind == saved->kind && rule->fold == saved->fold) {
            return rule;
        }
    }
    return NULL;
}

static void saved_take(struct series *series, const struct saved *saved)
{
    const struct signals_rule *rule = saved_rule(series, saved);
    if (rule == NULL) {
        return;
    }
    struct series_entry *entry =
        series_entry_get(series, rule, saved->host, saved->resource, saved->group);
    if (entry == NULL || entry->last_ms > 0) {
        return; /* No room, or twice. */
    }
    entry->last_ms = saved->last_ms;
    entry->owner = saved->owner;
    entry->fold_last = saved->fold_last;
    entry->fold_sum = saved->fold_sum;
    entry->fold_count = saved->fold_count;
    entry->bits = saved->bits;
    entry->value = saved->value;
    if (series_rule_has_top(rule)) {
        *series_entry_top(entry) = saved->top;
    }
    if (rule->kind == SIGNALS_BASELINE) {
        *series_entry_baseline(entry) = saved->learned.baseline;
    } else if (rule->kind == SIGNALS_FORECAST) {
        *series_entry_line(entry) = saved->learned.line;
    } else if (rule->kind == SIGNALS_STUCK) {
        *series_entry_stuck(entry) = saved->learned.stuck;
    }
}

int series_load(struct series *series, struct pack_reader *reader)
{
    uint8_t version = unpack_u8(reader);
    uint32_t count = unpack_u32(reader);
    if (reader->failed || version != SAVE_VERSION || count > SERIES_SLICE_ENTRIES) {
        return -NSH_CORRUPT;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct saved saved = {0};
        saved_read(reader, &saved);
        if (reader->failed) {
            return -NSH_CORRUPT;
        }
        saved_take(series, &saved);
    }
    return 0;
}
