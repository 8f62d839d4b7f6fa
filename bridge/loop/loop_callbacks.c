/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callbacks: places where a peer answers a call later, by HTTP. A place is a token of 256 random
 * bits, good once, as long as its call waits; who knows it may answer. What comes later, or to a
 * place that never was, is counted and refused. The table may be looked at by any thread, all else
 * is the loop's.
 */

#include "base/assert.h"
#include "loop/loop_private.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLBACKS_MAX 4096
#define TOKEN_BYTES 32

struct nsh_callback {
    struct loop *loop;
    void (*called)(void *arg, const struct nsh_http_reply *posted);
    void *arg;
    char *url;
    char token[LOOP_CALLBACK_TOKEN_CHARS + 1];
    bool used;
};

int service_callback(struct nsh_services *services,
                     void (*called)(void *arg, const struct nsh_http_reply *posted), void *arg,
                     struct nsh_callback **ret_callback, struct nsh_error *err)
{
    struct loop *loop = loop_of(services);
    uint8_t random[TOKEN_BYTES];
    if (loop->options.callback_url == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "api.callback_url is not configured");
    }
    struct nsh_callback *callback = calloc(1, sizeof *callback);
    if (callback == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *callback = (struct nsh_callback){.loop = loop, .called = called, .arg = arg};
    services->random(services, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(callback->token + 2 * i, 3, "%02x", random[i]);
    }
    int result = asprintf(&callback->url, "%s" LOOP_CALLBACK_PATH "%s", loop->options.callback_url,
                          callback->token);
    if (result < 0) {
        free(callback);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pthread_mutex_lock(&loop->callbacks.mutex);
    result = loop->callbacks.places.count == CALLBACKS_MAX
                 ? -NSH_LIMIT
                 : map_set(&loop->callbacks.places, text_of(callback->token), callback);
    pthread_mutex_unlock(&loop->callbacks.mutex);
    if (result < 0) {
        free(callback->url);
        free(callback);
        return nsh_fail(err, (enum nsh_code) - result, "%d callbacks are waited for",
                        CALLBACKS_MAX);
    }
    *ret_callback = callback;
    return 0;
}

const char *service_callback_url(struct nsh_services *services, const struct nsh_callback *callback)
{
    return callback->url;
}

static void callback_forget(struct nsh_callback *callback)
{
    struct callbacks *callbacks = &callback->loop->callbacks;
    pthread_mutex_lock(&callbacks->mutex);
    struct nsh_callback *known = map_remove(&callbacks->places, text_of(callback->token));
    pthread_mutex_unlock(&callbacks->mutex);
    NSH_ASSERT(known == callback);
    callback->used = true;
}

void service_callback_close(struct nsh_services *services, struct nsh_callback *callback)
{
    if (callback == NULL) {
        return;
    }
    if (!callback->used) {
        callback_forget(callback);
    }
    free(callback->url);
    free(callback);
}

bool loop_callback_waits(struct loop *loop, const char *token)
{
    bool waits = false;
    if (strlen(token) == LOOP_CALLBACK_TOKEN_CHARS) {
        pthread_mutex_lock(&loop->callbacks.mutex);
        waits = map_get(&loop->callbacks.places, text_of(token)) != NULL;
        pthread_mutex_unlock(&loop->callbacks.mutex);
    }
    if (!waits) {
        atomic_fetch_add_explicit(&loop->callbacks.refused, 1, memory_order_relaxed);
    }
    return waits;
}

bool loop_callback_take(struct loop *loop, const char *token, const struct nsh_http_reply *posted)
{
    pthread_mutex_lock(&loop->callbacks.mutex);
    struct nsh_callback *callback = map_get(&loop->callbacks.places, text_of(token));
    pthread_mutex_unlock(&loop->callbacks.mutex);
    if (callback == NULL) {
        atomic_fetch_add_explicit(&loop->callbacks.refused, 1, memory_order_relaxed);
        return false;
    }
    callback_forget(callback); /* Once. Its call may close it from inside. */
    loop->figures.callbacks++;
    callback->called(callback->arg, posted);
    return true;
}

void callbacks_init(struct loop *loop)
{
    pthread_mutex_init(&loop->callbacks.mutex, NULL);
}

void callbacks_done(struct loop *loop)
{
    map_done(&loop->callbacks.places);
    pthread_mutex_destroy(&loop->callbacks.mutex);
}
