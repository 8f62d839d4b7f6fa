/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message registries of a BMC, read now and then: the collection, each file's place, the
 * registry. BMCs of one kind have the same ones: they are kept once, by what is in them, so that
 * nobody's registry counts for another BMC unless it is the same. Without, the map's own table
 * says what a message means. A walk of which something fails takes nothing away: what was read
 * comes to what there is, and it is tried again in an hour, later each time, a day at most.
 */

#include "redfish_private.h"

#include "base/json.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define REGISTRIES_PATH "/redfish/v1/Registries"
#define AGAIN_MS (24 * 60 * 60 * INT64_C(1000))
#define FAILED_AGAIN_MS (60 * 60 * INT64_C(1000))
#define DOUBLED_MAX 6 /* Then it is more than a day. */
#define FILES_MAX 64
#define UNANSWERED_MAX 3 /* Requests of one walk until it ends. */
#define SCANNED_MAX 4096

enum walk_step { WALK_LIST, WALK_FILE, WALK_REGISTRY };

struct redfish_walk {
    struct redfish_watch *watch; /* NULL: its BMC is gone. */
    int64_t begun_ms;
    struct redfish_peer peer;
    struct nsh_http *http;
    struct redfish_reading *reading;
    uint8_t digest[REDFISH_DIGEST_BYTES]; /* Of what is read. */
    const char *files[FILES_MAX];
    size_t files_count, next;
    char path[REDFISH_PATH_BYTES_MAX]; /* Of the registry that is read. */
    const struct redfish_registry *found[REDFISH_REGISTRIES_MAX];
    size_t found_count, place;
    enum walk_step step;
    unsigned unanswered;
    char why[REDFISH_WHY_BYTES]; /* Something failed, or empty. */
};

static void walk_next(struct redfish_walk *walk);

/* ---- sharing ---- */

static void shared_give(struct redfish_events *source, const struct redfish_registry *registry)
{
    struct redfish_shared *shared = (struct redfish_shared *)(uintptr_t)registry;
    shared->users--;
    if (shared->users == 0) {
        for (size_t i = 0; i < source->shared_count; i++) {
            if (source->shared[i] == shared) {
                source->shared[i] = source->shared[--source->shared_count];
                break;
            }
        }
        source->shared_bytes -= shared->bytes;
        redfish_shared_free(shared);
    }
}

static const struct redfish_registry *shared_find(struct redfish_events *source,
                                                  const uint8_t digest[REDFISH_DIGEST_BYTES])
{
    for (size_t i = 0; i < source->shared_count; i++) {
        if (memcmp(source->shared[i]->digest, digest, REDFISH_DIGEST_BYTES) == 0) {
            source->shared[i]->users++;
            return &source->shared[i]->registry;
        }
    }
    return NULL;
}

/* What was read becomes the source's; NULL: it is no registry, or there is no room. */
static const struct redfish_registry *shared_take(struct redfish_events *source,
                                                  const uint8_t digest[REDFISH_DIGEST_BYTES],
                                                  struct redfish_reading *reading)
{
    struct redfish_shared *shared = reading->shared;
    if (!reading->good || source->shared_count == REDFISH_SHARED_MAX ||
        source->shared_bytes + shared->bytes > REDFISH_SHARED_BYTES_MAX) {
        return NULL;
    }
    reading->shared = NULL;
    memcpy(shared->digest, digest, sizeof shared->digest);
    shared->users = 1;
    source->shared_bytes += shared->bytes;
    source->shared[source->shared_count++] = shared;
    return &shared->registry;
}

void redfish_registries_drop(struct redfish_watch *watch)
{
    for (size_t i = 0; i < watch->registries_count; i++) {
        shared_give(watch->source, watch->registries[i]);
    }
    watch->registries_count = 0;
}

/* ---- the end of a walk ---- */

static void walk_free(struct redfish_walk *walk)
{
    walk->peer.source->walks[walk->place] = NULL;
    redfish_peer_done(&walk->peer);
    free(walk);
}

static bool among(const struct redfish_registry *const *registries, size_t count,
                  const struct redfish_registry *registry)
{
    for (size_t i = 0; i < count; i++) {
        if (registries[i] == registry) {
            return true;
        }
    }
    return false;
}

/* What the BMC had, behind what was found: a message is looked for among the fresh ones first. */
static void old_keep(struct redfish_walk *walk)
{
    struct redfish_watch *watch = walk->watch;
    for (size_t i = 0; i < watch->registries_count; i++) {
        const struct redfish_registry *old = watch->registries[i];
        if (walk->found_count == REDFISH_REGISTRIES_MAX ||
            among(walk->found, walk->found_count, old)) {
            shared_give(watch->source, old);
        } else {
            walk->found[walk->found_count++] = old;
        }
    }
    watch->registries_count = 0;
}

static int64_t again_ms(const struct redfish_watch *watch)
{
    unsigned doubled = watch->walks_failed > DOUBLED_MAX ? DOUBLED_MAX : watch->walks_failed;
    int64_t pause_ms = doubled == 0 ? AGAIN_MS : FAILED_AGAIN_MS << (doubled - 1);
    return pause_ms > AGAIN_MS ? AGAIN_MS : pause_ms;
}

/* Under the lock: requests look into them. */
static void found_take(struct redfish_walk *walk)
{
    struct redfish_watch *watch = walk->watch;
    bool failed = walk->why[0] != '\0';
    if (failed) {
        old_keep(walk);
    }
    redfish_registries_drop(watch);
    memcpy(watch->registries, walk->found, sizeof walk->found);
    watch->registries_count = walk->found_count;
    watch->walk = NULL;
    watch->walks_failed = failed ? watch->walks_failed + 1 : 0;
    watch->walk_due_ms = redfish_clock_ms() + again_ms(watch);
    memcpy(watch->walk_why, walk->why, sizeof watch->walk_why);
}

static void walk_done(struct redfish_walk *walk)
{
    struct redfish_events *source = walk->peer.source;
    pthread_mutex_lock(&source->lock);
    if (walk->watch != NULL) {
        found_take(walk);
    } else {
        for (size_t i = 0; i < walk->found_count; i++) {
            shared_give(source, walk->found[i]);
        }
    }
    pthread_mutex_unlock(&source->lock);
    walk_free(walk);
}

/* ---- replies ---- */

/* Of what is asked for now. */
static const char *path_of(const struct redfish_walk *walk)
{
    return walk->step == WALK_LIST   ? REGISTRIES_PATH
           : walk->step == WALK_FILE ? walk->files[walk->next - 1]
                                     : walk->path;
}

/* The first failure is told; whatever follows may come of it. */
static void failure_note(struct redfish_walk *walk, const char *what)
{
    if (walk->why[0] == '\0') {
        snprintf(walk->why, sizeof walk->why, "GET %.80s: %.60s", path_of(walk), what);
    }
}

/* Registries that no event is from. */
static bool of_events(const char *path)
{
    static const char *const others[] = {"/Base.", "Privilege", "Attribute", "/Bios"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strstr(path, others[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static void list_take(struct redfish_walk *walk, const struct nsh_value *body)
{
    const struct nsh_value *members = nsh_get(body, "Members");
    uint32_t count = members == NULL || members->type != NSH_LIST ? 0 : members->count;
    char path[REDFISH_PATH_BYTES_MAX];
    for (uint32_t i = 0; i < count && walk->files_count < FILES_MAX; i++) {
        const char *link = nsh_get_text(&members->items[i], "@odata.id", NULL);
        if (redfish_path_take(link, path) && of_events(path)) {
            const char *copy = arena_copy(&walk->peer.arena, path, strlen(path));
            walk->files[walk->files_count] = copy;
            walk->files_count += copy != NULL;
        }
    }
    walk->step = WALK_FILE;
}

/* Where the English one is; else the first. */
static void file_take(struct redfish_walk *walk, const struct nsh_value *body)
{
    const struct nsh_value *places = nsh_get(body, "Location");
    const char *uri = NULL;
    for (uint32_t i = 0; places != NULL && places->type == NSH_LIST && i < places->count; i++) {
        const struct nsh_value *place = &places->items[i];
        bool english = strncmp(nsh_get_text(place, "Language", ""), "en", 2) == 0;
        uri = uri == NULL || english ? nsh_get_text(place, "Uri", uri) : uri;
    }
    walk->step = redfish_path_take(uri, walk->path) ? WALK_REGISTRY : WALK_FILE;
}

static void registry_add(struct redfish_walk *walk, const struct redfish_registry *registry)
{
    if (registry != NULL) {
        walk->found[walk->found_count++] = registry;
    }
    walk->step = WALK_FILE;
    walk_next(walk);
}

static void on_read(void *arg, struct redfish_reading *reading)
{
    struct redfish_walk *walk = arg;
    struct redfish_events *source = walk->peer.source;
    walk->reading = NULL;
    if (walk->watch == NULL) {
        walk_done(walk);
        return;
    }
    /* Another walk may have read the same one meanwhile. */
    const struct redfish_registry *known = shared_find(source, walk->digest);
    registry_add(walk, known != NULL ? known : shared_take(source, walk->digest, reading));
}

static void registry_take(struct redfish_walk *walk, struct text bytes)
{
    struct redfish_events *source = walk->peer.source;
    unsigned made = 0;
    if (EVP_Digest(bytes.at, bytes.count, walk->digest, &made, EVP_sha256(), NULL) != 1) {
        failure_note(walk, "out of memory");
        registry_add(walk, NULL);
        return;
    }
    const struct redfish_registry *known = shared_find(source, walk->digest);
    if (known != NULL || source->shared_count == REDFISH_SHARED_MAX) {
        registry_add(walk, known);
    } else if (!redfish_reading_begin(source, bytes, NULL, on_read, walk, &walk->reading)) {
        failure_note(walk, "no room to read the reply");
        registry_add(walk, NULL);
    }
}

/* What is not there, or longer than may be, is so the next time too: our own table serves. */
static void failure_take(struct redfish_walk *walk, const struct nsh_http_reply *reply)
{
    bool answered = reply->code == NSH_OK;
    bool absent =
        answered ? reply->status == 404 || reply->status == 410 : reply->code == NSH_LIMIT;
    char status[32];
    snprintf(status, sizeof status, "HTTP status %d", reply->status);
    if (!absent) {
        failure_note(walk, answered              ? status
                           : reply->text == NULL ? nsh_code_word(reply->code)
                                                 : reply->text);
        walk->unanswered += !answered;
    }
    if (walk->step == WALK_LIST || (answered && reply->status == 401) ||
        walk->unanswered >= UNANSWERED_MAX) {
        walk_done(walk);
    } else {
        registry_add(walk, NULL);
    }
}

static void body_take(struct redfish_walk *walk, const struct nsh_http_reply *reply)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body = nsh_null();
    if (json_parse(reply->body, reply->body_bytes, &arena, &body, NULL) < 0) {
        failure_note(walk, "the reply is no JSON");
        body = nsh_null();
    }
    if (walk->step == WALK_LIST) {
        list_take(walk, &body);
    } else {
        file_take(walk, &body);
    }
    walk_next(walk);
}

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct redfish_walk *walk = arg;
    walk->http = NULL;
    if (walk->watch == NULL) {
        walk_done(walk);
    } else if (reply->code != NSH_OK || reply->status != 200) {
        failure_take(walk, reply);
    } else if (walk->step == WALK_REGISTRY) {
        registry_take(walk, (struct text){reply->body, (uint32_t)reply->body_bytes});
    } else {
        body_take(walk, reply);
    }
}

static void walk_next(struct redfish_walk *walk)
{
    struct nsh_error err = {0};
    if (walk->step == WALK_FILE) {
        if (walk->next == walk->files_count || walk->found_count == REDFISH_REGISTRIES_MAX) {
            walk_done(walk);
            return;
        }
        walk->next++;
    }
    const size_t most = walk->step == WALK_REGISTRY ? REDFISH_LONG_BYTES_MAX : 0;
    const struct redfish_call call = {
        .method = "GET", .path = path_of(walk), .reply_bytes_max = most};
    if (redfish_peer_call(&walk->peer, &call, on_reply, walk, &walk->http, &err) < 0) {
        failure_note(walk, err.text);
        walk_done(walk);
    }
}

/* ---- rounds ---- */

static void walk_begin(struct redfish_watch *watch, size_t place)
{
    struct redfish_events *source = watch->source;
    struct redfish_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) {
        return;
    }
    walk->watch = watch;
    walk->begun_ms = redfish_clock_ms();
    walk->place = place;
    source->walks[place] = walk;
    watch->walk = walk;
    struct nsh_error err = {0};
    if (redfish_peer_open(&walk->peer, source, watch->bmc, &err) < 0) {
        failure_note(walk, err.text);
        walk_done(walk);
        return;
    }
    walk_next(walk);
}

/* Nothing is waited for any more. */
static void walk_stop(struct redfish_walk *walk)
{
    struct nsh_services *services = walk->peer.source->services->services;
    if (walk->http != NULL) {
        services->http_cancel(services, walk->http);
        walk->http = NULL;
    }
    redfish_reading_drop(walk->reading);
    walk->reading = NULL;
}

static void walks_expire(struct redfish_events *source, int64_t now_ms)
{
    for (size_t i = 0; i < REDFISH_WALKS_MAX; i++) {
        struct redfish_walk *walk = source->walks[i];
        if (walk != NULL && now_ms - walk->begun_ms > source->visit_ms) {
            char what[48];
            snprintf(what, sizeof what, "not through after %lld s",
                     (long long)(now_ms - walk->begun_ms) / 1000);
            failure_note(walk, what);
            walk_stop(walk);
            walk_done(walk);
        }
    }
}

/* A BMC whose login was refused is left alone: it answered something well before. */
static bool walk_wanted(const struct redfish_watch *watch, int64_t now_ms)
{
    bool known = watch->way == REDFISH_WAY_PUSH || watch->way == REDFISH_WAY_SSE;
    return watch->walk == NULL && watch->walk_due_ms <= now_ms && (known || watch->polled_ms > 0);
}

void redfish_walk_tick(struct redfish_events *source)
{
    struct redfish_table *table = source->table;
    int64_t now_ms = redfish_clock_ms();
    size_t place = 0;
    walks_expire(source, now_ms);
    for (size_t i = 0; source->registries && table != NULL && i < SCANNED_MAX && i < table->count;
         i++) {
        while (place < REDFISH_WALKS_MAX && source->walks[place] != NULL) {
            place++;
        }
        if (place == REDFISH_WALKS_MAX) {
            return;
        }
        source->walk_next = source->walk_next >= table->count ? 0 : source->walk_next;
        struct redfish_watch *watch = table->items[source->walk_next++].watch;
        if (walk_wanted(watch, now_ms)) {
            walk_begin(watch, place);
        }
    }
}

void redfish_walk_forget(struct redfish_watch *watch)
{
    if (watch->walk != NULL) {
        watch->walk->watch = NULL;
        watch->walk = NULL;
    }
}

void redfish_walk_end(struct redfish_events *source)
{
    for (size_t i = 0; i < REDFISH_WALKS_MAX; i++) {
        struct redfish_walk *walk = source->walks[i];
        if (walk != NULL) {
            walk_stop(walk);
            walk_done(walk);
        }
    }
}
