/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_PRIVATE_H
#define LOOP_PRIVATE_H

/* What the files of this room share: the loop's parts, each with its init and done. */

#include "base/heap.h"
#include "base/map.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* ---- timers: one libuv timer, a heap below it ---- */

struct nsh_timer {
    struct heap_node node; /* First: the heap hands back the node. */
    void (*fire)(void *arg);
    void *arg;
    bool owned; /* Freed when it fires or is cancelled. */
};

struct timers {
    uv_timer_t uv;
    struct heap heap;
    uint64_t order;
};

int timers_init(struct loop *loop);
void timers_done(struct loop *loop); /* Pending ones never fire. */
int64_t loop_now_ms(void);

/* A timer inside a struct of the caller. Starting a running one moves it; -NSH_NOMEM leaves it
 * stopped. A timer that ran before never fails: its place in the heap is kept. */
int loop_timer_start(struct loop *loop, struct nsh_timer *timer, int64_t delay_ms,
                     void (*fire)(void *arg), void *arg);
void loop_timer_stop(struct loop *loop, struct nsh_timer *timer);

struct nsh_timer *service_timer(struct nsh_services *services, uint32_t delay_ms,
                                void (*fire)(void *arg), void *arg);
void service_timer_cancel(struct nsh_services *services, struct nsh_timer *timer);

/* ---- flows of datagrams ---- */

#define FLOW_SOCKETS_COUNT 4 /* Each family; together they are the receive buffer. */

struct flow_socket {
    uv_poll_t poll;
    struct loop *loop;
    int fd;
    bool open;
};

struct flows {
    struct flow_socket sockets[2 * FLOW_SOCKETS_COUNT]; /* IPv4, then IPv6; opened when needed. */
    struct nsh_flow **buckets;
    size_t buckets_count, count;
    struct flow_batch *batch;
};

void flows_done(struct loop *loop);
int service_flow_open(struct nsh_services *services, const struct sockaddr *peer,
                      socklen_t peer_bytes,
                      bool (*accept)(void *arg, const uint8_t *bytes, size_t bytes_count),
                      void (*received)(void *arg, const uint8_t *bytes, size_t bytes_count),
                      void *arg, struct nsh_flow **ret_flow, struct nsh_error *err);
int service_flow_send(struct nsh_services *services, struct nsh_flow *flow, const void *bytes,
                      size_t bytes_count);
void service_flow_close(struct nsh_services *services, struct nsh_flow *flow);

/* ---- streams ---- */

struct streams {
    struct nsh_stream *first;
    size_t count;
};

void streams_done(struct loop *loop); /* Nobody is called back. */
int service_stream_open(struct nsh_services *services, const struct nsh_stream_peer *peer,
                        void (*ready)(void *arg, int code, const char *text), void *arg,
                        struct nsh_stream **ret_stream, struct nsh_error *err);
void service_stream_want(struct nsh_services *services, struct nsh_stream *stream,
                         unsigned directions);
ssize_t service_stream_read(struct nsh_services *services, struct nsh_stream *stream, void *bytes,
                            size_t bytes_max);
ssize_t service_stream_write(struct nsh_services *services, struct nsh_stream *stream,
                             const void *bytes, size_t bytes_count);
void service_stream_close(struct nsh_services *services, struct nsh_stream *stream);

/* ---- HTTP ---- */

struct http; /* All of it: http.c */

int http_init(struct loop *loop, struct nsh_error *err);
void http_done(struct loop *loop); /* Running requests never call back. */
size_t http_running(const struct loop *loop);
int service_http(struct nsh_services *services, const struct nsh_http_request *request,
                 void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                 struct nsh_http **ret_http, struct nsh_error *err);
void service_http_cancel(struct nsh_services *services, struct nsh_http *http);
void service_http_pause(struct nsh_services *services, struct nsh_http *http, bool paused);

/* ---- programs ---- */

struct spawner;

int spawner_init(struct loop *loop, struct nsh_error *err); /* Starts the helper. */
void spawner_done(struct loop *loop); /* The helper ends what runs; nobody is called back. */
int service_spawn(struct nsh_services *services, const struct nsh_spawn *spawn,
                  void (*done)(void *arg, const struct nsh_exit *exit), void *arg,
                  struct nsh_process **ret_process, struct nsh_error *err);
void service_spawn_cancel(struct nsh_services *services, struct nsh_process *process);
int service_spawn_tell(struct nsh_services *services, struct nsh_process *process,
                       const void *bytes, size_t bytes_count);

/* ---- the loop ---- */

#define LOOP_SHARED_MAX 64 /* Driver modules that share something; there are some twenty. */

struct loop_shared {
    const void *key;
    void *place;
};

/* ---- callbacks (loop_callbacks.c) ---- */

struct callbacks {
    pthread_mutex_t mutex; /* Of places. */
    struct map places;     /* Token -> struct nsh_callback */
    atomic_ullong refused;
};

void callbacks_init(struct loop *loop);
void callbacks_done(struct loop *loop);
int service_callback(struct nsh_services *services,
                     void (*called)(void *arg, const struct nsh_http_reply *posted), void *arg,
                     struct nsh_callback **ret_callback, struct nsh_error *err);
const char *service_callback_url(struct nsh_services *services,
                                 const struct nsh_callback *callback);
void service_callback_close(struct nsh_services *services, struct nsh_callback *callback);

struct loop {
    uv_loop_t uv;
    struct nsh_services services;
    struct loop_hooks hooks;
    struct loop_options options;
    struct loop_figures figures;
    struct timers timers;
    struct flows flows;
    struct streams streams;
    struct http *http;
    struct spawner *spawner;
    struct callbacks callbacks;
    size_t offloads;
    struct loop_shared shared[LOOP_SHARED_MAX];
    bool closing;
};

static inline struct loop *loop_of(struct nsh_services *services)
{
    return CONTAINER_OF(services, struct loop, services);
}

#endif
