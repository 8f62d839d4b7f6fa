/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of BMCs, parsed. A megabyte of the densest JSON takes half a second, in which the loop
 * would do nothing else: what is longer than SHORT_BYTES_MAX is parsed on a pool thread. A reading
 * holds everything it needs, so that who asked for it may go meanwhile.
 */

#include "redfish_private.h"

#include "base/json.h"

#include <stdlib.h>

#define SHORT_BYTES_MAX (16u << 10) /* Some 8 ms at worst. */

void redfish_shared_free(struct redfish_shared *shared)
{
    if (shared != NULL) {
        arena_done(&shared->arena);
        free(shared);
    }
}

static void reading_free(struct redfish_reading *reading)
{
    redfish_shared_free(reading->shared);
    arena_done(&reading->arena);
    free(reading);
}

static bool registry_read(struct redfish_reading *reading, const struct nsh_value *body)
{
    struct redfish_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL ||
        redfish_registry_read(body, &shared->arena, &shared->registry, NULL) < 0) {
        redfish_shared_free(shared);
        return false;
    }
    shared->bytes = shared->arena.used_bytes;
    reading->shared = shared;
    return true;
}

/* On a pool thread, or on the loop. */
static void reading_work(void *arg)
{
    struct redfish_reading *reading = arg;
    struct nsh_value body = nsh_null();
    if (json_parse(reading->bytes, reading->bytes_count, &reading->arena, &body, NULL) == 0) {
        reading->good =
            reading->path == NULL
                ? registry_read(reading, &body)
                : redfish_page_read(&body, reading->path, &reading->arena, &reading->page) == 0;
    }
}

static void reading_done(void *arg)
{
    struct redfish_reading *reading = arg;
    if (reading->done != NULL) {
        reading->done(reading->arg, reading);
    }
    reading_free(reading);
}

bool redfish_reading_begin(struct redfish_events *source, struct text bytes, const char *path,
                           void (*done)(void *arg, struct redfish_reading *reading), void *arg,
                           struct redfish_reading **ret_reading)
{
    struct nsh_services *services = source->services->services;
    struct redfish_reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) {
        return false;
    }
    reading->done = done;
    reading->arg = arg;
    reading->bytes = arena_copy(&reading->arena, bytes.at, bytes.count);
    reading->bytes_count = bytes.count;
    reading->path = path == NULL ? NULL : arena_copy(&reading->arena, path, strlen(path));
    bool ready = reading->bytes != NULL && (path == NULL || reading->path != NULL);
    bool beside = bytes.count > SHORT_BYTES_MAX;
    if (!ready ||
        (beside && services->offload(services, reading_work, reading_done, reading, NULL) < 0)) {
        reading_free(reading);
        return false;
    }
    *ret_reading = reading;
    if (!beside) {
        reading_work(reading);
        reading_done(reading);
    }
    return true;
}

void redfish_reading_drop(struct redfish_reading *reading)
{
    if (reading != NULL) {
        reading->done = NULL;
    }
}
