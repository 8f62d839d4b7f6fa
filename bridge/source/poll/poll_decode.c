/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of `snmpbulkwalk -Onet -v2c ... .1` (OID = TYPE: VALUE) or a recording of snmpsim
 * (OID|TAG|VALUE) -> the alarms it would make: what `nightshift source test` shows. Pure.
 */

#include "poll_private.h"

#include <stdio.h>
#include <stdlib.h>

#define EVENTS_MAX 512
#define LINE_BYTES_MAX 1024

/* What a line says. */
struct line {
    struct poll_oid oid;
    struct poll_value value;
};

static struct text trimmed(struct text text)
{
    while (text.count > 0 && strchr(" \r\t", text.at[0]) != NULL) {
        text = (struct text){text.at + 1, text.count - 1};
    }
    while (text.count > 0 && strchr(" \r\t", text.at[text.count - 1]) != NULL) {
        text.count--;
    }
    return text;
}

static struct text unquoted(struct text text)
{
    bool quoted = text.count >= 2 && text.at[0] == '"' && text.at[text.count - 1] == '"';
    return quoted ? (struct text){text.at + 1, text.count - 2} : text;
}

/* The words of snmpwalk, and the tags of snmpsim (of ASN.1). */
static enum poll_type type_of(struct text word)
{
    static const struct {
        const char *word, *tag;
        enum poll_type type;
    } types[] = {
        {"INTEGER", "2", POLL_INTEGER},      {"Gauge32", "66", POLL_UNSIGNED},
        {"Unsigned32", "66", POLL_UNSIGNED}, {"Timeticks", "67", POLL_UNSIGNED},
        {"Counter32", "65", POLL_COUNTER32}, {"Counter64", "70", POLL_COUNTER64},
        {"STRING", "4", POLL_OCTETS},        {"OID", "6", POLL_OID},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (text_is(word, types[i].word) || text_is(word, types[i].tag)) {
            return types[i].type;
        }
    }
    return POLL_NOTHING;
}

static bool value_read(enum poll_type type, struct text text, struct poll_value *ret_value)
{
    char chars[32];
    char *end = NULL;
    *ret_value = (struct poll_value){.type = type};
    if (type == POLL_OCTETS) {
        ret_value->octets = unquoted(text);
        return true;
    }
    if (type == POLL_OID) {
        bool dot = text.count > 0 && text.at[0] == '.';
        ret_value->octets = dot ? (struct text){text.at + 1, text.count - 1} : text;
        return true;
    }
    if (type == POLL_NOTHING || text.count == 0 || text.count >= sizeof chars) {
        return false;
    }
    memcpy(chars, text.at, text.count);
    chars[text.count] = '\0';
    if (type == POLL_INTEGER) {
        ret_value->integer = strtoll(chars, &end, 10);
    } else {
        ret_value->natural = strtoull(chars, &end, 10);
    }
    return end != chars;
}

/* False: a line that says no object (snmpwalk wraps long texts). */
static bool line_read(struct text text, struct line *ret_line)
{
    char oid[POLL_OID_CHARS_MAX];
    const char *bar = memchr(text.at, '|', text.count);
    const char *equals = memmem(text.at, text.count, " = ", 3);
    const char *mark = bar != NULL && (equals == NULL || bar < equals) ? bar : equals;
    if (mark == NULL || (size_t)(mark - text.at) >= sizeof oid) {
        return false;
    }
    snprintf(oid, sizeof oid, "%.*s", (int)(mark - text.at), text.at);
    size_t skip = mark == bar ? 1 : 3;
    struct text rest = {mark + skip, text.count - (uint32_t)(mark - text.at) - (uint32_t)skip};
    const char *colon = memchr(rest.at, mark == bar ? '|' : ':', rest.count);
    if (!poll_oid_read(oid, &ret_line->oid)) {
        return false;
    }
    if (colon == NULL) { /* `snmpwalk -Ot` says timeticks without their type; "" is a text. */
        enum poll_type type = rest.count > 0 && rest.at[0] == '"' ? POLL_OCTETS : POLL_UNSIGNED;
        return value_read(type, trimmed(rest), &ret_line->value);
    }
    const struct text word = {rest.at, (uint32_t)(colon - rest.at)};
    const struct text value = {colon + 1, rest.count - word.count - 1};
    return value_read(type_of(trimmed(word)), trimmed(value), &ret_line->value);
}

/* ---- rows ---- */

static bool line_next(struct text *text, struct text *ret_line)
{
    if (text->count == 0) {
        return false;
    }
    const char *end = memchr(text->at, '\n', text->count);
    uint32_t count = end == NULL ? text->count : (uint32_t)(end - text->at);
    *ret_line = (struct text){text->at, count};
    uint32_t skip = end == NULL ? count : count + 1;
    *text = (struct text){text->at + skip, text->count - skip};
    return true;
}

static void rows_fill(const struct poll_table *table, struct text text, struct poll_rows *rows)
{
    struct text chars;
    struct line line;
    uint32_t hints[POLL_COLUMNS_MAX];
    memset(hints, 0xff, sizeof hints);
    poll_rows_begin(rows, table->columns_count);
    while (line_next(&text, &chars)) {
        if (chars.count > LINE_BYTES_MAX || !line_read(chars, &line)) {
            continue;
        }
        for (uint32_t i = 0; i < table->columns_count; i++) {
            const struct poll_oid *column = &table->columns[i].oid;
            if (poll_oid_under(&line.oid, column)) {
                poll_rows_put(rows, line.oid.arcs + column->count, line.oid.count - column->count,
                              i, &line.value, &hints[i]);
            }
        }
    }
}

struct gathering {
    const struct poll_table *table;
    struct arena *arena;
    struct event *events;
    uint32_t count;
    const char *source;
};

static void gather(void *arg, const struct poll_turn *turn)
{
    struct gathering *gathering = arg;
    if (gathering->count < EVENTS_MAX &&
        poll_event_of(gathering->table, turn, "FILE", "FILE", gathering->arena,
                      &gathering->events[gathering->count])) {
        gathering->events[gathering->count++].source = text_of(gathering->source);
    }
}

static void no_labels(void *arg, const struct sample_label *labels, size_t count)
{
}

static void no_value(void *arg, int64_t at_ms, double value)
{
}

static void table_decode(const struct poll_table *table, struct text text,
                         struct gathering *gathering)
{
    struct poll_memory memory = {0};
    struct poll_rows rows = {0};
    const struct sample_sink none = {no_labels, no_value, NULL};
    struct poll_meaning meaning = {
        .memory = &memory, .table = table, .rows = &rows, .arena = gathering->arena};
    gathering->table = table;
    rows_fill(table, text, &rows);
    poll_mean_samples(&meaning, &none);
    poll_mean_states(&meaning, gather, gathering);
    poll_rows_done(&rows);
    poll_memory_done(&memory);
}

int poll_decode_text(const struct poll_source *source, struct text text, struct arena *arena,
                     struct source_events *ret_events, struct nsh_error *err)
{
    struct gathering gathering = {.arena = arena, .source = source->config->name};
    gathering.events = arena_array(arena, EVENTS_MAX, sizeof *gathering.events);
    if (gathering.events == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    struct text rest = text, chars;
    struct line line;
    bool any = false;
    while (!any && line_next(&rest, &chars)) {
        any = line_read(chars, &line);
    }
    if (!any) {
        return nsh_fail(err, NSH_INVALID,
                        "no line says an object: `snmpbulkwalk -Onet ... .1` is wanted, or a "
                        "recording of snmpsim");
    }
    for (uint32_t i = 0; i < source->tables_count; i++) {
        table_decode(source->tables[i], text, &gathering);
    }
    *ret_events =
        (struct source_events){.items = gathering.events, .count = gathering.count, .rule = -1};
    return 0;
}

int poll_decode(const struct source_config *config, const char *bytes, size_t bytes_count,
                struct arena *arena, struct source_events *ret_events, struct nsh_error *err)
{
    CLEANUP(diags_done) struct diags diags = {0};
    struct poll_source *source = calloc(1, sizeof *source); /* Only for its list of tables. */
    if (source == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    source->config = config;
    poll_tables_read(config, arena, &diags, source); /* Events borrow from them. */
    int result = poll_decode_text(source, (struct text){bytes, (uint32_t)bytes_count}, arena,
                                  ret_events, err);
    arena_done(&source->arena);
    free(source);
    return result;
}
