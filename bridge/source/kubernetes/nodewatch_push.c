/* SPDX-License-Identifier: Apache-2.0 */
/* From the source's thread into the intake, and what is answered. */

#include "nodewatch_link.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define AGAIN_MS 100

struct batch {
    struct source_delivery delivery;
    struct nodewatch_source *source;
};

bool nodewatch_stopping(struct nodewatch_source *source)
{
    pthread_mutex_lock(&source->mutex);
    bool stopping = source->stopping;
    pthread_mutex_unlock(&source->mutex);
    return stopping;
}

void nodewatch_say(struct nodewatch_source *source, bool error, const char *text)
{
    pthread_mutex_lock(&source->mutex);
    snprintf(source->say, sizeof source->say, "%s", text);
    source->say_error = error;
    pthread_mutex_unlock(&source->mutex);
    uv_async_send(&source->news);
}

static void on_answer(void *arg, bool durable, uint32_t duplicates)
{
    struct batch *batch = arg;
    struct nodewatch_source *source = batch->source;
    (void)duplicates;
    free(batch);
    pthread_mutex_lock(&source->mutex);
    NSH_ASSERT(source->flying > 0);
    source->flying--;
    if (!durable && !source->stopping) {
        source->lost = true; /* All is read and told again: what is durable is known by its id. */
        curl_multi_wakeup(source->multi);
    }
    pthread_cond_signal(&source->answered); /* Under the lock: with the last the thread may end. */
    pthread_mutex_unlock(&source->mutex);
}

static void wait_locked(struct nodewatch_source *source, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&source->answered, &source->mutex, &until);
}

/* A place among those on their way; false: the source stops. */
static bool place_take(struct nodewatch_source *source)
{
    pthread_mutex_lock(&source->mutex);
    while (!source->stopping && source->flying >= NODEWATCH_BATCHES_MAX) {
        wait_locked(source, AGAIN_MS);
    }
    bool stopping = source->stopping;
    source->flying += !stopping;
    pthread_mutex_unlock(&source->mutex);
    return !stopping;
}

static void place_leave(struct nodewatch_source *source, bool rest)
{
    pthread_mutex_lock(&source->mutex);
    source->flying--;
    if (rest && !source->stopping) {
        wait_locked(source, AGAIN_MS);
    }
    pthread_mutex_unlock(&source->mutex);
}

static int push_once(struct nodewatch_source *source, const struct nodewatch_out *out,
                     struct nsh_error *err)
{
    const struct source_services *services = source->services;
    const struct source_events events = {.items = out->items, .count = out->count};
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    batch->source = source;
    batch->delivery = (struct source_delivery){
        .row = services->row, .received_ms = out->now_ms, .done = on_answer, .arg = batch};
    source_count(services->row, SOURCE_COUNT_received, 1);
    int result = source_push(services->intake, &events, &batch->delivery, &arena, err);
    if (result < 0) {
        free(batch);
    }
    return result;
}

bool nodewatch_push(struct nodewatch_source *source, const struct nodewatch_out *out)
{
    if (out->count == 0) {
        source_heard(source->services->row, out->now_ms);
        return true;
    }
    while (place_take(source)) {
        struct nsh_error err = {0};
        int result = push_once(source, out, &err);
        if (result == 0) {
            return true;
        }
        bool refused = result == -NSH_INVALID; /* It will never fit: counted, and left. */
        place_leave(source, !refused);
        if (refused) {
            source_complain(source->services->row, out->now_ms, err.text);
            return true;
        }
    }
    return false;
}

void nodewatch_drain(struct nodewatch_source *source)
{
    pthread_mutex_lock(&source->mutex);
    while (source->flying > 0) {
        pthread_cond_wait(&source->answered, &source->mutex);
    }
    pthread_mutex_unlock(&source->mutex);
}
