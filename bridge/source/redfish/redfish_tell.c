/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From states to events. What a poll finds is put into the words of a BMC's own event
 * (ResourceStatusChanged...), and goes through the same map: so both raise and clear the same
 * alarm. What stands is remembered by the alarm's key, whichever way it came, so that neither
 * raises what the other raised, and a part that is well says so only when something hangs on it.
 */

#include "redfish_private.h"

#include "source/map/source_push.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES_MAX 1200
#define MESSAGE_BYTES_MAX 400

struct redfish_standing {
    uint8_t severity;
    uint32_t key_count;
    char key[];
};

/* ---- what stands ---- */

/* host (else subject), type, resource, qualifier. False: too long to be remembered. */
static bool key_make(const struct event *event, struct text host, char key[KEY_BYTES_MAX],
                     struct text *ret_key)
{
    struct text who = host.count > 0 ? host : event->subject;
    int count = snprintf(key, KEY_BYTES_MAX, "%s%.*s\x1f%.*s\x1f%.*s\x1f%.*s",
                         host.count > 0 ? "" : "\x1f", (int)who.count, who.at,
                         (int)event->type.count, event->type.at, (int)event->resource.count,
                         event->resource.at, (int)event->qualifier.count, event->qualifier.at);
    *ret_key = (struct text){key, (uint32_t)count};
    return count > 0 && count < KEY_BYTES_MAX;
}

static void standing_set(struct redfish_events *source, struct text key, uint8_t severity)
{
    struct redfish_standing *standing = map_get(&source->standing, key);
    if (standing != NULL) {
        standing->severity = severity;
        return;
    }
    if (source->standing.count >= REDFISH_STANDING_MAX) {
        return; /* It is raised once more then, which does no harm. */
    }
    standing = malloc(sizeof *standing + key.count + 1);
    if (standing == NULL) {
        return;
    }
    standing->severity = severity;
    standing->key_count = key.count;
    memcpy(standing->key, key.at, key.count);
    standing->key[key.count] = '\0';
    if (map_set(&source->standing, (struct text){standing->key, key.count}, standing) < 0) {
        free(standing);
    }
}

static void standing_note(struct redfish_events *source, const struct event *event)
{
    char room[KEY_BYTES_MAX];
    struct text key;
    if (event->state == EVENT_PULSE || !key_make(event, event->host, room, &key)) {
        return;
    }
    if (event->state == EVENT_RAISE) {
        standing_set(source, key, (uint8_t)event->severity);
    } else {
        free(map_remove(&source->standing, key));
    }
}

void redfish_events_note(struct redfish_events *source, const struct source_events *events)
{
    pthread_mutex_lock(&source->lock);
    for (uint32_t i = 0; i < events->count; i++) {
        standing_note(source, &events->items[i]);
    }
    pthread_mutex_unlock(&source->lock);
}

/* Does the event change anything of what stands? */
static bool standing_changes(const struct redfish_events *source, const struct event *event)
{
    char room[KEY_BYTES_MAX];
    struct text key;
    if (event->state == EVENT_PULSE || !key_make(event, event->host, room, &key)) {
        return true;
    }
    const struct redfish_standing *standing = map_get(&source->standing, key);
    return event->state == EVENT_CLEAR
               ? standing != NULL
               : standing == NULL || standing->severity != (uint8_t)event->severity;
}

static void standing_each(void *arg, const struct source_standing *alarm)
{
    const struct event event = {
        .state = EVENT_RAISE,
        .severity = (enum severity)alarm->severity,
        .host = text_of(alarm->host),
        .subject = text_of(alarm->subject),
        .type = text_of(alarm->type),
        .resource = text_of(alarm->resource),
        .qualifier = text_of(alarm->qualifier),
    };
    standing_note(arg, &event);
}

int redfish_standing_read(struct redfish_events *source, struct nsh_error *err)
{
    const struct source_services *services = source->services;
    return services->standing == NULL ? 0
                                      : services->standing(services->arg, source->config->name,
                                                           standing_each, source, err);
}

void redfish_standing_free(struct redfish_events *source)
{
    MAP_EACH (&source->standing, entry) {
        free(entry->value);
    }
    map_done(&source->standing);
}

/* ---- a document ---- */

struct telling {
    struct source_delivery delivery;
    struct redfish_events *source;
};

static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct telling *telling = arg;
    struct redfish_events *source = telling->source;
    (void)durable; /* False: the daemon stops, and looks again when it is there again. */
    (void)duplicates;
    free(telling);
    source->telling--;
    redfish_maybe_done(source);
}

/* mark_of: its parts that are not well are kept with the events; NULL: nothing is. */
static bool events_push(struct redfish_events *source, const struct source_events *events,
                        const struct redfish_watch *mark_of, struct arena *arena)
{
    const struct source_services *services = source->services;
    CLEANUP(textbuf_donep) struct textbuf mark = {0};
    char id[REDFISH_MARK_BYTES_MAX];
    struct telling *telling = calloc(1, sizeof *telling);
    if (telling == NULL) {
        return false;
    }
    if (mark_of != NULL) {
        redfish_ill_id(mark_of, id, sizeof id);
        redfish_ill_write(mark_of, &mark);
    }
    telling->source = source;
    telling->delivery = (struct source_delivery){.row = services->row,
                                                 .received_ms = intake_now_ms(services->intake),
                                                 .mark_id = mark.count > 0 ? id : NULL,
                                                 .mark = mark.count > 0 ? mark.at : NULL,
                                                 .done = on_durable,
                                                 .arg = telling};
    source->telling++;
    source_count(services->row, SOURCE_COUNT_received, 1);
    if (source_push(services->intake, events, &telling->delivery, arena, NULL) < 0) {
        free(telling);
        source->telling--;
        return false;
    }
    return true;
}

/* Under the lock. */
static int records_words(const struct redfish_watch *watch, const struct nsh_value *list,
                         struct arena *arena, struct nsh_value *ret_list)
{
    struct nsh_value *items = arena_array(arena, list->count + 1, sizeof *items);
    if (items == NULL) {
        return -NSH_NOMEM;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        items[i] = list->items[i];
        if (items[i].type == NSH_MAP &&
            redfish_record_words(&list->items[i], watch->registries, watch->registries_count, arena,
                                 &items[i]) < 0) {
            return -NSH_NOMEM;
        }
    }
    *ret_list = nsh_list(items, list->count);
    return 0;
}

int redfish_events_words(struct redfish_events *source, const char *address,
                         const struct nsh_value *body, struct arena *arena,
                         struct nsh_value *ret_body)
{
    const struct nsh_value *events = nsh_get(body, "Events");
    int result = 0;
    pthread_mutex_lock(&source->lock);
    const struct redfish_bmc *bmc =
        source->table == NULL ? NULL : map_get(&source->table->by_address, text_of(address));
    bool known = bmc != NULL && bmc->watch->registries_count > 0 && events != NULL &&
                 events->type == NSH_LIST;
    struct nsh_member *members = known ? arena_array(arena, body->count, sizeof *members) : NULL;
    for (uint32_t i = 0; members != NULL && result == 0 && i < body->count; i++) {
        members[i] = body->members[i];
        if (strcmp(members[i].name, "Events") == 0) {
            result = records_words(bmc->watch, events, arena, &members[i].value);
        }
    }
    pthread_mutex_unlock(&source->lock);
    result = known && members == NULL ? -NSH_NOMEM : result;
    *ret_body = result == 0 && members != NULL ? nsh_map(members, body->count) : *body;
    return result;
}

static int map_run(struct redfish_watch *watch, const struct nsh_value *body, struct arena *arena,
                   struct source_events *ret_events)
{
    const struct redfish_events *source = watch->source;
    const struct source_services *services = source->services;
    struct nsh_value who = nsh_null(), shown = nsh_null();
    struct nsh_error err = {0};
    if (!redfish_source_value(source, watch->bmc, watch->address, arena, &who) ||
        redfish_events_shown(body, arena, &shown) < 0 ||
        redfish_events_words(watch->source, watch->address, &shown, arena, &shown) < 0) {
        return -NSH_NOMEM;
    }
    const struct source_message message = {.body = &shown,
                                           .source = &who,
                                           .name = source->config->name,
                                           .received_ms = intake_now_ms(services->intake)};
    if (services->map_lock != NULL) {
        pthread_mutex_lock(services->map_lock);
    }
    int result = source_map_run(source->config->format.map, &message, arena, ret_events, &err);
    if (services->map_lock != NULL) {
        pthread_mutex_unlock(services->map_lock);
    }
    if (result < 0) {
        source_complain(services->row, message.received_ms, err.text);
    }
    return result;
}

bool redfish_tell_document(struct redfish_watch *watch, const struct nsh_value *body)
{
    struct redfish_events *source = watch->source;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct source_events events = {0};
    int result = map_run(watch, body, &arena, &events);
    if (result == -NSH_INVALID) { /* It will never fit: counted, and left. */
        source_count(source->services->row, SOURCE_COUNT_received, 1);
        source_count(source->services->row, SOURCE_COUNT_malformed, 1);
        return true;
    }
    if (result < 0 || !events_push(source, &events, NULL, &arena)) {
        return false;
    }
    redfish_events_note(source, &events);
    return true;
}

/* ---- parts ---- */

static const char *const status_keys[] = {
    [REDFISH_HEALTH_OK] = "ResourceStatusChangedOK",
    [REDFISH_HEALTH_WARNING] = "ResourceStatusChangedWarning",
    [REDFISH_HEALTH_CRITICAL] = "ResourceStatusChangedCritical",
};

/* The record of an event that says what a poll found; gone: that it is not there any more. */
static bool record_make(const struct redfish_part *part, enum redfish_health health, bool gone,
                        struct arena *arena, struct nsh_value *ret_record)
{
    const char *word = redfish_health_word(health);
    struct nsh_member *members = arena_array(arena, 8, sizeof *members);
    struct nsh_member *origin = arena_array(arena, 1, sizeof *origin);
    struct nsh_value *args = arena_array(arena, 2, sizeof *args);
    const char *id = arena_printf(arena, "ResourceEvent.1.3.%s", status_keys[health]);
    const char *message =
        gone ? arena_printf(arena, "%.*s: gone, its BMC has it no more: %.*s",
                            MESSAGE_BYTES_MAX / 2, part->name, MESSAGE_BYTES_MAX / 2, part->path)
             : arena_printf(arena, "%.*s: health is %s, read from %.*s", MESSAGE_BYTES_MAX / 2,
                            part->name, word, MESSAGE_BYTES_MAX / 2, part->path);
    if (members == NULL || origin == NULL || args == NULL || id == NULL || message == NULL) {
        return false;
    }
    origin[0] = (struct nsh_member){"@odata.id", nsh_text(part->path)};
    args[0] = nsh_text(part->name);
    args[1] = nsh_text(word);
    members[0] = (struct nsh_member){"EventType", nsh_text("StatusChange")};
    members[1] = (struct nsh_member){"MessageId", nsh_text(id)};
    members[2] = (struct nsh_member){"MessageSeverity", nsh_text(word)};
    members[3] = (struct nsh_member){"Message", nsh_text(message)};
    members[4] = (struct nsh_member){"MessageArgs", nsh_list(args, 2)};
    members[5] = (struct nsh_member){"OriginOfCondition", nsh_map(origin, 1)};
    members[6] = (struct nsh_member){"Polled", nsh_bool(true)};
    *ret_record = nsh_map(members, 7);
    return true;
}

/* Does what is wrong with the part explain that the whole is not well? */
static bool explains(const struct redfish_watch *watch, const struct redfish_part *part,
                     const struct redfish_part *whole)
{
    size_t count = strlen(whole->path);
    return watch->bmc->systems_count == 1 ||
           (strncmp(part->path, whole->path, count) == 0 && part->path[count] == '/');
}

/* A whole is as bad as what is in it says, unless a part says it by itself. */
static enum redfish_health health_of(const struct redfish_watch *watch,
                                     const struct redfish_part *parts, size_t parts_count,
                                     size_t index)
{
    const struct redfish_part *part = &parts[index];
    enum redfish_health health = part->rollup > part->health ? part->rollup : part->health;
    if (!part->whole || health <= REDFISH_HEALTH_OK) {
        return health;
    }
    for (size_t i = 0; i < parts_count; i++) {
        if (!parts[i].whole && parts[i].health >= health && explains(watch, &parts[i], part)) {
            return REDFISH_HEALTH_UNKNOWN;
        }
    }
    return health;
}

static struct redfish_told *told_find(struct redfish_watch *watch, uint64_t path)
{
    for (size_t i = 0; i < watch->told_count; i++) {
        if (watch->told[i].path == path) {
            return &watch->told[i];
        }
    }
    return NULL;
}

static void told_set(struct redfish_watch *watch, uint64_t path, enum redfish_health health)
{
    struct redfish_told *told = told_find(watch, path);
    if (told == NULL && watch->told_count < REDFISH_FOUND_MAX) {
        size_t count = watch->told_count;
        if (count == watch->told_room) {
            size_t room = count == 0 ? 8 : 2 * count;
            void *more = realloc(watch->told, room * sizeof *watch->told);
            if (more == NULL) {
                return;
            }
            watch->told = more;
            watch->told_room = room;
        }
        told = &watch->told[watch->told_count++];
        told->path = path;
    }
    if (told != NULL) {
        told->health = (uint8_t)health;
    }
}

/* What comes back as it went, not well, is told again. */
static void gone_forget(struct redfish_watch *watch)
{
    for (size_t i = 0; i < watch->ill_count; i++) {
        struct redfish_told *told = redfish_ill_gone(&watch->ill[i])
                                        ? told_find(watch, text_hash(text_of(watch->ill[i].path)))
                                        : NULL;
        if (told != NULL) {
            *told = watch->told[--watch->told_count];
        }
    }
}

/* Those that are gone: what hangs on them is over. */
static bool gone_make(const struct redfish_watch *watch, struct arena *arena,
                      struct nsh_value *records, size_t *count)
{
    for (size_t i = 0; i < watch->ill_count; i++) {
        const char *path = watch->ill[i].path;
        const char *slash = strrchr(path, '/');
        const struct redfish_part part = {.path = path, .name = slash == NULL ? path : slash + 1};
        if (redfish_ill_gone(&watch->ill[i]) &&
            !record_make(&part, REDFISH_HEALTH_OK, true, arena, &records[(*count)++])) {
            return false;
        }
    }
    return true;
}

/* Those whose health is not what was told, as records; a part that does not say stays as it was. */
static bool changes_make(struct redfish_watch *watch, const struct redfish_part *parts,
                         size_t parts_count, struct arena *arena, struct nsh_value *ret_records)
{
    struct nsh_value *records =
        arena_array(arena, parts_count + watch->ill_count + 1, sizeof *records);
    size_t count = 0;
    for (size_t i = 0; records != NULL && i < parts_count; i++) {
        enum redfish_health health = health_of(watch, parts, parts_count, i);
        const struct redfish_told *told = told_find(watch, text_hash(text_of(parts[i].path)));
        if (health == REDFISH_HEALTH_UNKNOWN || (told != NULL && told->health == health)) {
            continue;
        }
        if (!record_make(&parts[i], health, false, arena, &records[count])) {
            return false;
        }
        count++;
    }
    bool made = records != NULL && gone_make(watch, arena, records, &count);
    *ret_records = nsh_list(records, count);
    return made;
}

/* Events that say what stands already, or that nothing hangs, are left out. */
static void unchanged_drop(struct redfish_events *source, struct source_events *events)
{
    uint32_t count = 0;
    pthread_mutex_lock(&source->lock);
    for (uint32_t i = 0; i < events->count; i++) {
        if (standing_changes(source, &events->items[i])) {
            events->items[count++] = events->items[i];
        }
    }
    pthread_mutex_unlock(&source->lock);
    events->count = count;
}

static void ill_take(struct redfish_watch *watch, const struct redfish_part *parts,
                     size_t parts_count)
{
    for (size_t i = 0; i < parts_count; i++) {
        enum redfish_health health = health_of(watch, parts, parts_count, i);
        if (health != REDFISH_HEALTH_UNKNOWN) {
            redfish_ill_set(watch, parts[i].path, health > REDFISH_HEALTH_OK);
        }
    }
}

void redfish_tell_parts(struct redfish_watch *watch, const struct redfish_part *parts,
                        size_t parts_count, bool all)
{
    struct redfish_events *source = watch->source;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value records = nsh_null();
    struct source_events events = {0};
    redfish_ill_look(watch, parts, parts_count, all);
    if (!changes_make(watch, parts, parts_count, &arena, &records)) {
        return;
    }
    ill_take(watch, parts, parts_count);
    const struct nsh_member members[] = {{"Name", nsh_text("Polled")}, {"Events", records}};
    const struct nsh_value body = nsh_map(members, 2);
    if (records.count > 0) {
        if (map_run(watch, &body, &arena, &events) < 0) {
            return;
        }
        unchanged_drop(source, &events);
    }
    if (events.count == 0 && !watch->ill_changed) {
        source_heard(source->services->row, intake_now_ms(source->services->intake));
    } else if (!events_push(source, &events, watch->ill_changed ? watch : NULL, &arena)) {
        return; /* All of it is found again by the next poll. */
    } else {
        gone_forget(watch);
        redfish_ill_told(watch);
    }
    redfish_events_note(source, &events);
    for (size_t i = 0; i < parts_count; i++) {
        enum redfish_health health = health_of(watch, parts, parts_count, i);
        if (health != REDFISH_HEALTH_UNKNOWN) {
            told_set(watch, text_hash(text_of(parts[i].path)), health);
        }
    }
}

/* ---- samples ---- */

struct samples {
    const struct redfish_page *page;
    const char *host, *address;
    int64_t now_ms;
};

static int samples_decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    const struct samples *samples = arg;
    (void)err;
    redfish_page_samples(samples->page, samples->host, samples->address, samples->now_ms, sink);
    return 0;
}

static void samples_put(const struct redfish_events *source, struct samples *samples)
{
    const struct source_services *services = source->services;
    if (services->samples != NULL && samples->page->values_count > 0) {
        samples->now_ms = intake_now_ms(services->intake);
        services->samples(services->arg, samples_decode, samples, NULL);
    }
}

void redfish_tell_samples(const struct redfish_watch *watch, const struct redfish_page *page)
{
    const struct redfish_bmc *bmc = watch->bmc;
    struct samples samples = {.page = page,
                              .host = bmc->systems_count == 1 ? bmc->systems[0].host : NULL,
                              .address = bmc->address};
    samples_put(watch->source, &samples);
}

int redfish_events_report(struct redfish_events *source, const struct nsh_value *body,
                          const struct nsh_value *who, struct arena *arena)
{
    struct redfish_page page = {0};
    if (!text_is(redfish_type_of(body), "MetricReport")) {
        return 0;
    }
    int result = redfish_page_read(body, "", arena, &page);
    if (result < 0) {
        return result;
    }
    struct samples samples = {.page = &page,
                              .host = nsh_get_text(who, "host", NULL),
                              .address = nsh_get_text(who, "bmc", "")};
    samples_put(source, &samples);
    return 0;
}
