/* SPDX-License-Identifier: Apache-2.0 */
/* Who should speak and does not: an alarm, and blindness. Also the daemon's own receivers. */

#include "sources_private.h"

#include "base/assert.h"
#include "loop/intake.h"

#include <stdio.h>

#define SILENT_SOURCE "nightshift"
#define SILENT_TYPE "source.silent"

static int64_t heard_ms(const struct source_watch *watch)
{
    int64_t heard_ms = source_heard_ms(watch->row);
    return heard_ms > watch->since_ms ? heard_ms : watch->since_ms;
}

int64_t watch_silent_ms(const struct source_watch *watch, int64_t now_ms)
{
    int64_t silent_ms = now_ms - heard_ms(watch);
    return watch->allowed_ms > 0 && silent_ms > watch->allowed_ms ? silent_ms : 0;
}

static void add_words(const struct source_watch *watch, bool silent, struct textbuf *out)
{
    textbuf_addf(out, "source %s ", watch->name);
    if (watch->allowed_ms == 0) {
        textbuf_add_chars(out, "is watched no longer");
        return;
    }
    textbuf_add_chars(out, silent ? "is silent, at most " : "is heard, at most ");
    textbuf_add_duration(out, watch->allowed_ms);
    textbuf_add_chars(out, " are allowed");
}

/* The alarm, or its end; false: the intake has no room, it is told later. */
static bool silence_tell(struct sources *sources, const struct source_watch *watch, bool silent,
                         int64_t now_ms)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    add_words(watch, silent, &text);
    struct event event = {
        .time_ms = now_ms,
        .received_ms = now_ms,
        .severity = SEVERITY_MAJOR,
        .state = silent ? EVENT_RAISE : EVENT_CLEAR,
        .source = TEXT(SILENT_SOURCE),
        .type = TEXT(SILENT_TYPE),
        .subject = text_of(watch->name),
        .resource = text_of(watch->name),
        .message = {text.at, (uint32_t)text.count},
    };
    const struct source_events events = {.items = &event, .count = 1};
    const uint8_t *bytes = NULL;
    size_t bytes_count = 0;
    struct intake_batch batch = {.events_count = 1, .received_ms = now_ms};
    if (source_events_pack(&events, &arena, &bytes, &bytes_count, NULL) < 0) {
        return false;
    }
    batch.bytes = bytes;
    batch.bytes_count = bytes_count;
    return intake_push(sources->options.shared.intake, &batch, NULL) == 0;
}

/* Once a second. It is told also once at the start: an alarm may be left of another life. */
static void watch_second(struct sources *sources, struct source_watch *watch, int64_t now_ms,
                         char *reason, size_t reason_bytes)
{
    bool silent = watch_silent_ms(watch, now_ms) > 0;
    bool news = watch->allowed_ms > 0 ? silent != watch->silent || !watch->told : watch->silent;
    if (news && silence_tell(sources, watch, silent, now_ms)) {
        watch->silent = silent;
        watch->told = true;
    }
    if (silent && reason[0] == '\0') {
        CLEANUP(textbuf_donep) struct textbuf allowed = {0};
        textbuf_add_span(&allowed, watch->allowed_ms);
        snprintf(reason, reason_bytes, "source %s silent for %s", watch->name, allowed.at);
    }
}

static void left_add(struct sources *sources, const char *name)
{
    if (sources->left_count < SOURCES_LEFT_MAX && strlen(name) < SOURCE_NAME_BYTES_MAX) {
        snprintf(sources->left[sources->left_count++], SOURCE_NAME_BYTES_MAX, "%s", name);
    }
}

void watch_end(struct sources *sources, struct source_watch *watch, int64_t now_ms)
{
    watch->allowed_ms = 0;
    if (watch->silent && !silence_tell(sources, watch, false, now_ms)) {
        left_add(sources, watch->name);
    }
}

static void left_see(void *arg, const struct source_standing *alarm)
{
    if (strcmp(alarm->type, SILENT_TYPE) == 0) {
        left_add(arg, alarm->resource);
    }
}

void sources_left(struct sources *sources)
{
    const struct source_services *shared = &sources->options.shared;
    struct nsh_error err = {0};
    if (shared->standing != NULL &&
        shared->standing(shared->arg, SILENT_SOURCE, left_see, sources, &err) < 0) {
        shared->log(shared->arg, true, err.text);
    }
}

/* Who is watched tells it himself. */
static bool is_watched(const struct sources *sources, const char *name)
{
    const struct receiver_entry *receiver = sources_receiver_find(sources, name);
    const struct source_entry *entry = sources->entries;
    while (entry != NULL && strcmp(entry->config->name, name) != 0) {
        entry = entry->next;
    }
    return (receiver != NULL && receiver->watch.allowed_ms > 0) ||
           (entry != NULL && entry->watch.allowed_ms > 0);
}

/* What the intake had no room for waits for the next second. */
static void left_second(struct sources *sources, int64_t now_ms)
{
    while (sources->left_count > 0) {
        const struct source_watch watch = {.name = sources->left[sources->left_count - 1]};
        if (!is_watched(sources, watch.name) && !silence_tell(sources, &watch, false, now_ms)) {
            return;
        }
        sources->left_count--;
    }
}

const struct receiver_entry *sources_receiver_find(const struct sources *sources, const char *name)
{
    for (size_t i = 0; i < sources->receivers_count; i++) {
        if (strcmp(sources->receivers[i].is.name, name) == 0) {
            return &sources->receivers[i];
        }
    }
    return NULL;
}

struct source_row *sources_receiver(struct sources *sources, const struct source_receiver *is)
{
    size_t at = 0;
    while (at < sources->receivers_count && strcmp(sources->receivers[at].is.name, is->name) != 0) {
        at++;
    }
    NSH_ASSERT(at < SOURCE_RECEIVERS_MAX);
    struct receiver_entry *entry = &sources->receivers[at];
    if (at == sources->receivers_count) {
        entry->watch.name = is->name;
        entry->watch.row = source_book_row(sources->book, is->name, is->type);
        entry->watch.since_ms = intake_now_ms(sources->options.shared.intake);
        sources->receivers_count++;
    }
    entry->is = *is;
    entry->watch.allowed_ms = is->silence_ms;
    return entry->watch.row;
}

void sources_second(struct sources *sources, int64_t now_ms, char *reason, size_t reason_bytes)
{
    for (size_t i = 0; i < sources->receivers_count; i++) {
        watch_second(sources, &sources->receivers[i].watch, now_ms, reason, reason_bytes);
    }
    for (struct source_entry *entry = sources->entries; entry != NULL; entry = entry->next) {
        watch_second(sources, &entry->watch, now_ms, reason, reason_bytes);
    }
    left_second(sources, now_ms);
    entries_sweep(sources);
}
