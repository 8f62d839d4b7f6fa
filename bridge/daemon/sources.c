/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries: one for each source of the newest generation, and those that end. An entry holds its
 * generation, because its settings live there; it is freed on the loop thread when its source is
 * closed and no request uses it.
 */

#include "sources_private.h"

#include "base/assert.h"
#include "loop/intake.h"

#include <stdio.h>
#include <stdlib.h>

#define SOURCE_TYPE(name) extern const struct source_type source_type_##name;
#include "source_types.inc"
#undef SOURCE_TYPE

const struct source_type *const source_types[] = {
#define SOURCE_TYPE(name) &source_type_##name,
#include "source_types.inc"
#undef SOURCE_TYPE
    NULL};

int sources_new(const struct sources_options *options, struct sources **ret_sources,
                struct nsh_error *err)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    sources->options = *options;
    pthread_mutex_init(&sources->lock, NULL);
    int result = source_book_new(&sources->book, err);
    if (result < 0) {
        sources_free(sources);
        return result;
    }
    sources->events_row =
        sources_receiver(sources, &(struct source_receiver){.name = "events", .type = "api"});
    *ret_sources = sources;
    return 0;
}

struct source_book *sources_book(struct sources *sources)
{
    return sources->book;
}

struct source_row *sources_events_row(struct sources *sources)
{
    return sources->events_row;
}

/* ---- entries ------------------------------------------------------------------------------- */

static void entry_free(struct source_entry *entry)
{
    generation_unref(entry->generation);
    pthread_mutex_destroy(&entry->map_lock);
    free(entry);
}

static void on_closed(void *arg)
{
    struct source_entry *entry = arg;
    struct sources *sources = entry->sources;
    entry->source = NULL;
    entry->end = ENTRY_CLOSED;
    sources->closing--;
    if (sources->closing == 0 && sources->stop_done != NULL) {
        void (*done)(void *arg) = sources->stop_done;
        sources->stop_done = NULL;
        done(sources->stop_arg);
    }
}

/* An ended entry that nobody uses, in that state; NULL: none. */
static struct source_entry *ended_in(struct sources *sources, enum entry_end end)
{
    pthread_mutex_lock(&sources->lock);
    struct source_entry *entry = sources->ended;
    while (entry != NULL && (entry->end != end || entry->users > 0)) {
        entry = entry->next;
    }
    pthread_mutex_unlock(&sources->lock);
    return entry;
}

static void unlink_from(struct sources *sources, struct source_entry **list,
                        struct source_entry *entry)
{
    pthread_mutex_lock(&sources->lock);
    while (*list != entry) {
        list = &(*list)->next;
    }
    *list = entry->next;
    entry->next = NULL;
    pthread_mutex_unlock(&sources->lock);
}

void entries_sweep(struct sources *sources)
{
    struct source_entry *entry;
    while ((entry = ended_in(sources, ENTRY_ENDED)) != NULL) {
        entry->end = ENTRY_CLOSING;
        if (entry->source != NULL) {
            entry->config->type->close(entry->source, on_closed, entry);
        } else {
            on_closed(entry);
        }
    }
    while ((entry = ended_in(sources, ENTRY_CLOSED)) != NULL) {
        unlink_from(sources, &sources->ended, entry);
        entry_free(entry);
    }
}

/* Out of the list of those that serve. */
static void entry_end(struct sources *sources, struct source_entry *entry)
{
    unlink_from(sources, &sources->entries, entry);
    pthread_mutex_lock(&sources->lock);
    entry->end = ENTRY_ENDED;
    entry->next = sources->ended;
    sources->ended = entry;
    pthread_mutex_unlock(&sources->lock);
    sources->closing++;
}

static struct source_entry *entry_new(struct sources *sources, struct generation *generation,
                                      const struct source_config *config)
{
    struct source_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    entry->sources = sources;
    entry->config = config;
    entry->generation = generation_ref(generation);
    entry->watch = (struct source_watch){
        .name = config->name,
        .row = source_book_row(sources->book, config->name, config->type->name),
        .allowed_ms = config->silence_ms,
        .since_ms = intake_now_ms(sources->options.shared.intake),
    };
    pthread_mutex_init(&entry->map_lock, NULL);
    return entry;
}

static void entry_open(struct sources *sources, struct source_entry *entry)
{
    struct nsh_error err = {0};
    entry->services = sources->options.shared;
    entry->services.loop = loop_uv(sources->options.loop);
    entry->services.services = loop_services(sources->options.loop);
    entry->services.row = entry->watch.row;
    entry->services.map_lock = &entry->map_lock;
    if (entry->config->type->open != NULL &&
        entry->config->type->open(&entry->services, entry->config, &entry->source, &err) < 0) {
        snprintf(entry->failed, sizeof entry->failed, "%s", err.text);
        source_complain(entry->watch.row, entry->watch.since_ms, err.text);
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        textbuf_addf(&text, "source %s did not start: %s", entry->config->name, err.text);
        sources->options.shared.log(sources->options.shared.arg, true, text.at);
    }
    pthread_mutex_lock(&sources->lock);
    struct source_entry **at = &sources->entries;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = entry;
    pthread_mutex_unlock(&sources->lock);
}

/* ---- generations --------------------------------------------------------------------------- */

static struct source_entry *entry_find(struct sources *sources, const char *name)
{
    for (struct source_entry *entry = sources->entries; entry != NULL; entry = entry->next) {
        if (strcmp(entry->config->name, name) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* A source that runs and is the same goes on. */
static bool entry_stays(const struct source_entry *entry, const struct source_config *config)
{
    return config != NULL && entry->source != NULL && config->type == entry->config->type &&
           (config->type->flags & SOURCE_RENEWS) == 0 && !config->format.is_file &&
           nsh_equal(&config->given, &entry->config->given);
}

void sources_apply(struct sources *sources, struct generation *generation)
{
    const struct source_configs *configs = &generation->config->sources;
    for (struct source_entry *entry = sources->entries, *next; entry != NULL; entry = next) {
        const struct source_config *config = source_config_find(configs, entry->config->name);
        next = entry->next;
        if (entry->generation == generation || entry_stays(entry, config)) {
            continue;
        }
        struct source_entry *fresh = config == NULL ? NULL : entry_new(sources, generation, config);
        if (fresh != NULL) { /* What was heard and said of it goes on. */
            fresh->watch.since_ms = entry->watch.since_ms;
            fresh->watch.silent = entry->watch.silent;
            fresh->watch.told = entry->watch.told;
        } else {
            watch_end(sources, &entry->watch, intake_now_ms(sources->options.shared.intake));
        }
        entry_end(sources, entry);
        if (fresh != NULL) {
            entry_open(sources, fresh);
        }
    }
    for (size_t i = 0; i < configs->count; i++) {
        if (entry_find(sources, configs->items[i].name) == NULL) {
            struct source_entry *entry = entry_new(sources, generation, &configs->items[i]);
            if (entry != NULL) {
                entry_open(sources, entry);
            }
        }
    }
    entries_sweep(sources);
}

void sources_stop(struct sources *sources, void (*done)(void *arg), void *arg)
{
    sources->closing++; /* Until all were asked. */
    while (sources->entries != NULL) {
        entry_end(sources, sources->entries);
    }
    entries_sweep(sources);
    sources->closing--;
    if (sources->closing == 0) {
        done(arg);
        return;
    }
    sources->stop_done = done;
    sources->stop_arg = arg;
}

void sources_free(struct sources *sources)
{
    if (sources == NULL) {
        return;
    }
    entries_sweep(sources);
    NSH_ASSERT(sources->entries == NULL && sources->ended == NULL);
    source_book_free(sources->book);
    pthread_mutex_destroy(&sources->lock);
    free(sources);
}

/* ---- use by requests: any thread ----------------------------------------------------------- */

bool sources_take(struct sources *sources, const char *name, struct source_use *ret_use)
{
    pthread_mutex_lock(&sources->lock);
    struct source_entry *entry = entry_find(sources, name);
    if (entry != NULL) {
        entry->users++;
        *ret_use = (struct source_use){entry->config, entry->source, entry->watch.row,
                                       &entry->map_lock, entry};
    }
    pthread_mutex_unlock(&sources->lock);
    return entry != NULL;
}

void sources_give(struct sources *sources, const struct source_use *use)
{
    pthread_mutex_lock(&sources->lock);
    NSH_ASSERT(use->entry->users > 0);
    use->entry->users--;
    pthread_mutex_unlock(&sources->lock);
}
