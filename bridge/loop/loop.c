/* SPDX-License-Identifier: Apache-2.0 */
/* The loop itself: its parts are made and ended here, and its services table is filled. */

#include "base/assert.h"
#include "loop/loop_private.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define OFFLOADS_MAX 1024   /* Waiting for or in the pool; beyond it a driver is refused. */
#define TRACE_BYTES_MAX 512 /* One line of evidence. */
#define FAREWELL_MS 2000    /* For logouts that are still under way when the loop ends. */

struct offload {
    uv_work_t work;
    struct loop *loop;
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static int64_t service_now_ms(struct nsh_services *services)
{
    return loop_now_ms();
}

static int64_t service_unix_ms(struct nsh_services *services)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void **service_shared(struct nsh_services *services, const void *key)
{
    struct loop_shared *shared = loop_of(services)->shared;
    for (size_t i = 0; i < LOOP_SHARED_MAX; i++) {
        if (shared[i].key == key || shared[i].key == NULL) {
            shared[i].key = key;
            return &shared[i].place;
        }
    }
    return NULL;
}

static void service_random(struct nsh_services *services, void *bytes, size_t bytes_count)
{
    uint8_t *at = bytes;
    while (bytes_count > 0) {
        ssize_t got = getrandom(at, bytes_count, 0);
        NSH_ASSERT(got > 0);
        at += got;
        bytes_count -= (size_t)got;
    }
}

static void offload_run(uv_work_t *work)
{
    struct offload *offload = work->data;
    offload->run(offload->arg);
}

static void offload_done(uv_work_t *work, int status)
{
    struct offload *offload = work->data;
    void (*done)(void *) = offload->done;
    void *arg = offload->arg;
    offload->loop->offloads--;
    free(offload);
    done(arg);
}

static int service_offload(struct nsh_services *services, void (*run)(void *arg),
                           void (*done)(void *arg), void *arg, struct nsh_error *err)
{
    struct loop *loop = loop_of(services);
    if (loop->offloads == OFFLOADS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d jobs wait for the worker pool", OFFLOADS_MAX);
    }
    struct offload *offload = malloc(sizeof *offload);
    if (offload == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *offload = (struct offload){.loop = loop, .run = run, .done = done, .arg = arg};
    offload->work.data = offload;
    int result = uv_queue_work(&loop->uv, &offload->work, offload_run, offload_done);
    NSH_ASSERT(result == 0);
    loop->offloads++;
    return 0;
}

static void service_complete(struct nsh_services *services, struct nsh_op *op,
                             const struct nsh_outcome *outcome)
{
    struct loop *loop = loop_of(services);
    NSH_ASSERT(loop->hooks.complete != NULL);
    loop->hooks.complete(loop->hooks.arg, op, outcome);
}

static void service_observe(struct nsh_services *services, const char *host, const char *type,
                            const struct nsh_value *data)
{
    struct loop *loop = loop_of(services);
    if (loop->hooks.observe != NULL) {
        loop->hooks.observe(loop->hooks.arg, host, type, data);
    }
}

static void service_event(struct nsh_services *services, const struct nsh_op *op,
                          const struct nsh_value *event, unsigned number)
{
    struct loop *loop = loop_of(services);
    if (loop->hooks.event != NULL) {
        loop->hooks.event(loop->hooks.arg, op, event, number);
    }
}

static void service_trace(struct nsh_services *services, const struct nsh_op *op,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));

static void service_trace(struct nsh_services *services, const struct nsh_op *op,
                          const char *format, ...)
{
    struct loop *loop = loop_of(services);
    if (loop->hooks.trace == NULL) {
        return;
    }
    char line[TRACE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    loop->hooks.trace(loop->hooks.arg, op, line);
}

static const struct nsh_services services_table = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_services),
    .now_ms = service_now_ms,
    .unix_ms = service_unix_ms,
    .random = service_random,
    .shared = service_shared,
    .timer = service_timer,
    .timer_cancel = service_timer_cancel,
    .http = service_http,
    .http_cancel = service_http_cancel,
    .http_pause = service_http_pause,
    .flow_open = service_flow_open,
    .flow_send = service_flow_send,
    .flow_close = service_flow_close,
    .spawn = service_spawn,
    .spawn_cancel = service_spawn_cancel,
    .spawn_tell = service_spawn_tell,
    .event = service_event,
    .offload = service_offload,
    .complete = service_complete,
    .observe = service_observe,
    .trace = service_trace,
    .stream_open = service_stream_open,
    .stream_want = service_stream_want,
    .stream_read = service_stream_read,
    .stream_write = service_stream_write,
    .stream_close = service_stream_close,
    .callback = service_callback,
    .callback_url = service_callback_url,
    .callback_close = service_callback_close,
};

/* Whoever says them may be gone when they are needed again. */
static int options_keep(struct loop *loop, const struct loop_options *options,
                        struct nsh_error *err)
{
    const char *helper = options->spawn_helper, *url = options->callback_url;
    loop->options = *options;
    loop->options.spawn_helper = helper == NULL ? NULL : strdup(helper);
    loop->options.callback_url = url == NULL || url[0] == 0 ? NULL : strdup(url);
    bool kept = (helper == NULL || loop->options.spawn_helper != NULL) &&
                (url == NULL || url[0] == 0 || loop->options.callback_url != NULL);
    return kept ? 0 : nsh_fail(err, NSH_NOMEM, "out of memory");
}

static void options_drop(struct loop *loop)
{
    free((char *)(uintptr_t)loop->options.spawn_helper);
    free((char *)(uintptr_t)loop->options.callback_url);
    callbacks_done(loop);
    free(loop);
}

int loop_new(const struct loop_options *options, const struct loop_hooks *hooks,
             struct loop **ret_loop, struct nsh_error *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    loop->services = services_table;
    loop->hooks = *hooks;
    callbacks_init(loop);
    signal(SIGPIPE, SIG_IGN);
    int result = options_keep(loop, options, err);
    if (result < 0) {
        options_drop(loop);
        return result;
    }
    result = uv_loop_init(&loop->uv);
    if (result < 0) {
        options_drop(loop);
        return nsh_fail(err, NSH_IO, "event loop: %s", uv_strerror(result));
    }
    timers_init(loop);
    result = spawner_init(loop, err);
    if (result == 0) {
        result = http_init(loop, err);
    }
    if (result < 0) {
        loop_free(loop);
        return result;
    }
    *ret_loop = loop;
    return 0;
}

static void farewell_over(void *arg)
{
    *(bool *)arg = true;
}

void loop_free(struct loop *loop)
{
    bool over = false;
    struct nsh_timer timer = {0};
    if (loop_timer_start(loop, &timer, FAREWELL_MS, farewell_over, &over) == 0) {
        while (!over && http_running(loop) > 0) {
            uv_run(&loop->uv, UV_RUN_ONCE);
        }
    }
    loop_timer_stop(loop, &timer);
    while (loop->offloads > 0) {
        uv_run(&loop->uv, UV_RUN_ONCE);
    }
    loop->closing = true;
    http_done(loop);
    spawner_done(loop);
    flows_done(loop);
    streams_done(loop);
    timers_done(loop);
    while (uv_loop_close(&loop->uv) == UV_EBUSY) {
        uv_run(&loop->uv, UV_RUN_ONCE);
    }
    options_drop(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

struct nsh_services *loop_services(struct loop *loop)
{
    return &loop->services;
}

void loop_count(const struct loop *loop, struct loop_figures *ret_figures)
{
    *ret_figures = loop->figures;
    ret_figures->callbacks_refused =
        atomic_load_explicit(&loop->callbacks.refused, memory_order_relaxed);
}
