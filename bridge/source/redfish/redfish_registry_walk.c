/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message registries of a BMC, read now and then: the collection, each file's place, the
 * registry. BMCs of one kind have the same ones: they are kept once, by what is in them, so that
 * nobody's registry counts for another BMC unless it is the same. Without, the map's own table
 * says what a message means.
 */

#include "redfish_private.h"

#include "base/json.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define REGISTRIES_PATH "/redfish/v1/Registries"
#define AGAIN_MS (24 * 60 * 60 * INT64_C(1000))
#define FILES_MAX 64
#define SCANNED_MAX 4096

enum walk_step { WALK_LIST, WALK_FILE, WALK_REGISTRY };

struct redfish_walk {
    struct redfish_watch *watch; /* NULL: its BMC is gone. */
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

static void walk_done(struct redfish_walk *walk)
{
    struct redfish_watch *watch = walk->watch;
    struct redfish_events *source = walk->peer.source;
    pthread_mutex_lock(&source->lock); /* Requests look into them. */
    if (watch != NULL) {
        redfish_registries_drop(watch);
        memcpy(watch->registries, walk->found, sizeof walk->found);
        watch->registries_count = walk->found_count;
        watch->walk = NULL;
        watch->walk_due_ms = redfish_clock_ms() + AGAIN_MS;
    } else {
        for (size_t i = 0; i < walk->found_count; i++) {
            shared_give(source, walk->found[i]);
        }
    }
    pthread_mutex_unlock(&source->lock);
    walk_free(walk);
}

/* ---- replies ---- */

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
        registry_add(walk, NULL);
        return;
    }
    const struct redfish_registry *known = shared_find(source, walk->digest);
    if (known != NULL || source->shared_count == REDFISH_SHARED_MAX ||
        !redfish_reading_begin(source, bytes, NULL, on_read, walk, &walk->reading)) {
        registry_add(walk, known);
    }
}

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct redfish_walk *walk = arg;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body = nsh_null();
    bool good = reply->code == NSH_OK && reply->status == 200;
    walk->http = NULL;
    if (walk->watch == NULL || (!good && (walk->step == WALK_LIST || reply->status == 401))) {
        walk_done(walk); /* It has none, or they cannot be had: our own table serves. */
        return;
    }
    if (walk->step == WALK_REGISTRY) {
        const struct text bytes = {reply->body, good ? (uint32_t)reply->body_bytes : 0};
        registry_take(walk, bytes);
        return;
    }
    good = good && json_parse(reply->body, reply->body_bytes, &arena, &body, NULL) == 0;
    body = good ? body : nsh_null();
    if (walk->step == WALK_LIST) {
        list_take(walk, &body);
    } else {
        file_take(walk, &body);
    }
    walk_next(walk);
}

static void walk_next(struct redfish_walk *walk)
{
    const char *path = walk->step == WALK_LIST ? REGISTRIES_PATH : walk->path;
    if (walk->step == WALK_FILE) {
        if (walk->next == walk->files_count || walk->found_count == REDFISH_REGISTRIES_MAX) {
            walk_done(walk);
            return;
        }
        path = walk->files[walk->next++];
    }
    const size_t most = walk->step == WALK_REGISTRY ? REDFISH_LONG_BYTES_MAX : 0;
    const struct redfish_call call = {.method = "GET", .path = path, .reply_bytes_max = most};
    if (redfish_peer_call(&walk->peer, &call, on_reply, walk, &walk->http, NULL) < 0) {
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
    walk->place = place;
    source->walks[place] = walk;
    watch->walk = walk;
    if (redfish_peer_open(&walk->peer, source, watch->bmc, NULL) < 0) {
        walk_done(walk);
        return;
    }
    walk_next(walk);
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
            if (walk->http != NULL) {
                source->services->services->http_cancel(source->services->services, walk->http);
            }
            walk->http = NULL;
            redfish_reading_drop(walk->reading);
            walk_done(walk);
        }
    }
}
