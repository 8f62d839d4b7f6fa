/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn as an event. Its id is made of the series and the time of the turn, so that one that is
 * handed over again is a repeat.
 */

#include "series/series_private.h"

#include "base/assert.h"
#include "signal/signal.h"

#include <math.h>
#include <stdio.h>

#define MEMBERS_MAX 16
#define MS_PER_HOUR 3600000.0

struct turn_words {
    struct series *series;
    struct series_entry *entry;
    struct arena *arena;
    struct nsh_member members[MEMBERS_MAX];
    size_t count;
    bool failed;
};

static void add(struct turn_words *words, const char *name, struct nsh_value value)
{
    NSH_ASSERT(words->count < MEMBERS_MAX);
    words->members[words->count++] = (struct nsh_member){name, value};
}

static void add_number(struct turn_words *words, const char *name, double number)
{
    if (isfinite(number)) {
        add(words, name, nsh_double(number));
    }
}

static struct text made(struct turn_words *words, const struct textbuf *buf)
{
    struct text text = {buf->at, (uint32_t)buf->count};
    text = buf->failed || buf->at == NULL ? (struct text){NULL, 0} : arena_text(words->arena, text);
    words->failed = words->failed || text.at == NULL;
    return text.at == NULL ? (struct text){"", 0} : text;
}

/* ---- what is said ---- */

static void say_limits(struct turn_words *words, struct textbuf *out)
{
    const struct signal_level_rule *level = &words->entry->rule->level;
    bool raised = words->entry->raised;
    double limit = raised ? level->raise : level->clear;
    if (level->compare == SIGNAL_OUTSIDE) {
        double low = raised ? level->raise_low : level->clear_low;
        textbuf_addf(out, "%s %g to %g", raised ? "outside" : "inside", low, limit);
        add_number(words, "level_low", low);
    } else if (level->compare == SIGNAL_EQUAL) {
        textbuf_addf(out, "%s %g", raised ? "equal to" : "not", limit);
    } else {
        textbuf_addf(out, "%s %g", raised == (level->compare == SIGNAL_BELOW) ? "below" : "above",
                     limit);
    }
    add_number(words, "level", limit);
}

static void say_level(struct turn_words *words, struct textbuf *out)
{
    const struct signal_level_rule *level = &words->entry->rule->level;
    bool raised = words->entry->raised;
    textbuf_addf(out, "%g, ", (double)words->entry->turn_value);
    say_limits(words, out);
    if (raised && level->of_n > 0) {
        textbuf_addf(out, " in %u of %u windows", level->of_k, level->of_n);
    } else if ((raised ? level->raise_for_ms : level->clear_for_ms) > 0) {
        textbuf_add_chars(out, " for ");
        textbuf_add_duration(out, raised ? level->raise_for_ms : level->clear_for_ms);
    }
}

static void say_peers(struct turn_words *words, struct textbuf *out)
{
    struct series_entry *entry = words->entry;
    textbuf_addf(out, "%g; ", (double)entry->turn_value);
    if (!entry->raised) {
        textbuf_add_chars(out, "as its peers again");
        return;
    }
    uint32_t fresh = series_peers_fresh(words->series, entry);
    textbuf_addf(out, "the median of %u peers is %g, %.3g median deviations away", fresh,
                 (double)entry->turn_expected, (double)entry->turn_score);
    add_number(words, "score", (double)entry->turn_score);
    add_number(words, "expected", (double)entry->turn_expected);
    add_number(words, "peers", fresh);
}

static void say_stuck(struct turn_words *words, struct textbuf *out)
{
    const struct series_entry *entry = words->entry;
    textbuf_addf(out, "%g", (double)entry->turn_value);
    if (entry->raised) {
        textbuf_add_chars(out, ", and nothing else for ");
        textbuf_add_duration(out, entry->rule->level.raise_for_ms);
    } else {
        textbuf_add_chars(out, ": it moves again");
    }
}

static void say_baseline(struct turn_words *words, struct textbuf *out)
{
    struct series_entry *entry = words->entry;
    double low = 0, high = 0;
    textbuf_addf(out, "%g", (double)entry->turn_value);
    if (signal_baseline_usual(series_entry_baseline(entry), entry->turned_ms, &low, &high)) {
        textbuf_addf(out, "; usual at this time of the week: %g to %g", low, high);
        add_number(words, "low", low);
        add_number(words, "high", high);
    }
    if (entry->raised) {
        textbuf_addf(out, "; as rare as once in %.0f values",
                     pow(10, (double)(entry->turn_score > 12 ? 12 : entry->turn_score)));
    }
    add_number(words, "score", (double)entry->turn_score);
    add_number(words, "expected", (double)entry->turn_expected);
}

static void say_forecast(struct turn_words *words, struct textbuf *out)
{
    struct series_entry *entry = words->entry;
    const struct signals_rule *rule = entry->rule;
    textbuf_addf(out, "%g, ", (double)entry->turn_value);
    add_number(words, "level", rule->reaches);
    if (!entry->raised) {
        textbuf_addf(out, "%g is not in sight", rule->reaches);
        return;
    }
    textbuf_addf(out, "reaches %g in ", rule->reaches);
    textbuf_add_span(out, (int64_t)((double)entry->turn_score * MS_PER_HOUR));
    textbuf_add_chars(out, " to ");
    double late_h = (double)entry->turn_expected;
    textbuf_add_span(out, (int64_t)((late_h > 1e6 ? 1e6 : late_h) * MS_PER_HOUR));
    add_number(words, "hours_early", (double)entry->turn_score);
    add_number(words, "hours_late", late_h);
}

static struct text say(struct turn_words *words)
{
    struct series_entry *entry = words->entry;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_addf(&out, "%s: ", entry->rule->name);
    if (entry->dying) {
        textbuf_add_chars(&out, entry->kept ? "the signal is configured no more"
                                            : "the series is forgotten: it was silent");
        return made(words, &out);
    }
    textbuf_addf(&out, "%.*s is ", (int)entry->rule->metric.count, entry->rule->metric.at);
    switch (entry->rule->kind) {
    case SIGNALS_LEVEL:
        say_level(words, &out);
        break;
    case SIGNALS_BASELINE:
        say_baseline(words, &out);
        break;
    case SIGNALS_FORECAST:
        say_forecast(words, &out);
        break;
    case SIGNALS_PEERS:
        say_peers(words, &out);
        break;
    case SIGNALS_STUCK:
        say_stuck(words, &out);
        break;
    case SIGNALS_ABSENT:
    default:
        textbuf_add_chars(&out, entry->raised ? "silent for " : "back; limit ");
        textbuf_add_duration(&out, entry->rule->absent_ms);
        break;
    }
    return made(words, &out);
}

/* ---- the event ---- */

static struct text source_of(struct turn_words *words)
{
    const char *chars = arena_printf(words->arena, "signal/%s", words->entry->rule->name);
    words->failed = words->failed || chars == NULL;
    return text_of(chars == NULL ? "" : chars);
}

/* Of a host a hint, by name and by address; its text could not hold a comma. */
static struct text hint_of(struct turn_words *words, struct text host)
{
    if (host.count == 0 || memchr(host.at, ',', host.count) != NULL) {
        return (struct text){"", 0};
    }
    const char *chars = arena_printf(words->arena, "host=%.*s,addr=%.*s", (int)host.count, host.at,
                                     (int)host.count, host.at);
    words->failed = words->failed || chars == NULL;
    return text_of(chars == NULL ? "" : chars);
}

static struct text data_of(struct turn_words *words)
{
    struct nsh_value map = nsh_map(words->members, words->count);
    struct pack_writer counter = {0};
    pack_value(&counter, &map);
    struct pack_writer writer = {.at = arena_alloc(words->arena, counter.count + 1),
                                 .room = counter.count};
    if (writer.at == NULL) {
        words->failed = true;
        return (struct text){"", 0};
    }
    pack_value(&writer, &map);
    return (struct text){(const char *)writer.at, (uint32_t)writer.count};
}

static struct event event_of(struct turn_words *words)
{
    struct series_entry *entry = words->entry;
    const struct signals_rule *rule = entry->rule;
    bool raised = entry->raised;
    struct text host = series_entry_host(entry);
    add(words, "signal", nsh_text(rule->name));
    add(words, "kind", nsh_text(signals_kind_word(rule->kind)));
    add(words, "metric", nsh_text(rule->metric.at));
    add(words, "resource", nsh_text(entry->resource->chars));
    add_number(words, "value", (double)entry->turn_value);
    struct text message = say(words);
    const char *id =
        arena_printf(words->arena, "%016llx-%lld-%c", (unsigned long long)series_entry_hash(entry),
                     (long long)entry->turned_ms, raised ? 'r' : 'c');
    words->failed = words->failed || id == NULL;
    return (struct event){
        .time_ms = entry->turned_ms,
        .received_ms = words->series->now_ms,
        .severity = rule->severity,
        .state = raised ? EVENT_RAISE : EVENT_CLEAR,
        .id = text_of(id == NULL ? "" : id),
        .source = source_of(words),
        .type = text_of(rule->event),
        .subject = host,
        .resource = series_entry_resource(entry),
        .qualifier = text_of(rule->name),
        .name = text_of(rule->name),
        .message = rule->message != NULL && raised ? text_of(rule->message) : message,
        .hint = hint_of(words, host),
        .data = data_of(words),
    };
}

static bool event_add(struct turn_words *words, struct series_turns *turns, uint8_t *bytes,
                      size_t room)
{
    struct event event = event_of(words);
    size_t needed = event_packed_bytes(&event);
    if (words->failed || needed > room - turns->bytes_count) {
        return false;
    }
    turns->bytes_count += event_pack(&event, bytes + turns->bytes_count, room - turns->bytes_count);
    turns->entries[turns->count] = words->entry->index;
    turns->raised[turns->count++] = words->entry->raised;
    return true;
}

/* ---- telling ---- */

#define TURN_BYTES_MAX 4096 /* One event, with room for its longest texts. */

bool series_turns(struct series *series, struct arena *arena, struct series_turns *ret_turns)
{
    struct series_turns turns = {0};
    size_t most = series->turned_count < SERIES_TURNS_MAX ? series->turned_count : SERIES_TURNS_MAX;
    *ret_turns = turns;
    if (most == 0) {
        return true;
    }
    uint8_t *bytes = arena_alloc(arena, most * TURN_BYTES_MAX);
    turns.bytes = bytes;
    turns.entries = arena_array(arena, most, sizeof *turns.entries);
    turns.raised = arena_array(arena, most, sizeof *turns.raised);
    if (bytes == NULL || turns.entries == NULL || turns.raised == NULL) {
        return false;
    }
    size_t at = 0;
    for (; at < most; at++) {
        struct series_entry *entry = series->entries[series->turned[at]];
        struct turn_words words = {.series = series, .entry = entry, .arena = arena};
        if (entry->told == entry->raised) { /* It turned back before anybody was told. */
            entry->listed = false;
            series_entry_settle(series, entry);
            continue;
        }
        if (!event_add(&words, &turns, bytes, most * TURN_BYTES_MAX)) {
            break;
        }
        entry->listed = false;
        entry->sending = true;
    }
    memmove(series->turned, series->turned + at,
            (series->turned_count - at) * sizeof *series->turned);
    series->turned_count -= at;
    *ret_turns = turns;
    return true;
}

void series_told(struct series *series, const struct series_turns *turns, bool durable)
{
    for (uint32_t i = 0; i < turns->count; i++) {
        NSH_ASSERT(series->entries[turns->entries[i]] != NULL);
        struct series_entry *entry = series->entries[turns->entries[i]];
        NSH_ASSERT(entry->sending);
        entry->sending = false;
        entry->told = durable ? turns->raised[i] : entry->told;
        series->counters.told += durable;
        series->counters.untold += !durable;
        series_list(series, entry);
        series_entry_settle(series, entry);
    }
}
