/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What series learned, over a restart. Slices of entries, each by itself, so that a table that is
 * used meanwhile is held only for a moment. What is raised is not in it: the store's alarms know
 * that better. Times that a level was held begin anew: nobody watched meanwhile.
 */

#include "series/series_private.h"

#define SAVE_VERSION 1

static void pack_real(struct pack_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    pack_u64(writer, bits);
}

static double unpack_real(struct pack_reader *reader)
{
    uint64_t bits = unpack_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
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
        *sums[i] = unpack_real(reader);
    }
}

static void entry_save(const struct series_entry *entry, struct pack_writer *writer)
{
    pack_text(writer, text_of(entry->rule->name));
    pack_u64(writer, entry->rule->same);
    pack_text(writer, series_entry_host(entry));
    pack_text(writer, series_entry_resource(entry));
    pack_u64(writer, (uint64_t)entry->last_ms);
    pack_u64(writer, entry->owner);
    pack_u64(writer, (uint64_t)entry->fold.last_ms);
    pack_real(writer, entry->fold.last);
    pack_real(writer, entry->fold.sum);
    pack_u32(writer, entry->fold.count);
    pack_u64(writer, entry->level.bits);
    pack_u8(writer, entry->level.values);
    pack_real(writer, (double)entry->value);
    pack_u8(writer, (uint8_t)entry->rule->kind);
    if (entry->rule->kind == SIGNALS_BASELINE) {
        signal_baseline_save((const struct signal_baseline *)(const void *)entry->learned, writer);
    } else if (entry->rule->kind == SIGNALS_FORECAST) {
        line_save((const struct series_line *)(const void *)entry->learned, writer);
    }
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
            entry_save(series->entries[i], writer);
        }
    }
    *cursor = end;
    return true;
}

/* ---- loading ---- */

struct saved {
    struct text signal, host, resource;
    uint64_t same;
    union {
        struct signal_baseline baseline;
        struct series_line line;
    } learned;
    int64_t last_ms;
    uint64_t owner;
    struct series_fold fold;
    struct signal_level level;
    float value;
    enum signals_kind kind;
};

static void saved_read(struct pack_reader *reader, struct saved *saved)
{
    saved->signal = unpack_text(reader);
    saved->same = unpack_u64(reader);
    saved->host = unpack_text(reader);
    saved->resource = unpack_text(reader);
    saved->last_ms = (int64_t)unpack_u64(reader);
    saved->owner = unpack_u64(reader);
    saved->fold.last_ms = (int64_t)unpack_u64(reader);
    saved->fold.last = unpack_real(reader);
    saved->fold.sum = unpack_real(reader);
    saved->fold.count = unpack_u32(reader);
    saved->level.bits = unpack_u64(reader);
    saved->level.values = unpack_u8(reader);
    double value = unpack_real(reader);
    saved->value = (float)value;
    saved->kind = unpack_u8(reader);
    if (saved->kind == SIGNALS_BASELINE) {
        reader->failed =
            reader->failed || signal_baseline_load(reader, &saved->learned.baseline) < 0;
    } else if (saved->kind == SIGNALS_FORECAST) {
        line_load(reader, &saved->learned.line);
    }
    reader->failed = reader->failed || saved->last_ms < 0 || saved->fold.last_ms < 0 ||
                     saved->host.count >= SERIES_TEXT_BYTES_MAX ||
                     saved->resource.count >= SERIES_TEXT_BYTES_MAX ||
                     saved->level.values > SIGNAL_OF_MAX;
}

static const struct signals_rule *saved_rule(const struct series *series, const struct saved *saved)
{
    for (size_t i = 0; i < series->signals->count; i++) {
        const struct signals_rule *rule = &series->signals->rules[i];
        if (text_is(saved->signal, rule->name) && rule->same == saved->same &&
            rule->kind == saved->kind) {
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
    struct series_entry *entry = series_entry_get(series, rule, saved->host, saved->resource);
    if (entry == NULL || entry->last_ms > 0) {
        return; /* No room, or twice. */
    }
    entry->last_ms = saved->last_ms;
    entry->owner = saved->owner;
    entry->fold = saved->fold;
    entry->level = saved->level;
    entry->value = saved->value;
    if (rule->kind == SIGNALS_BASELINE) {
        *series_entry_baseline(entry) = saved->learned.baseline;
    } else if (rule->kind == SIGNALS_FORECAST) {
        *series_entry_line(entry) = saved->learned.line;
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
