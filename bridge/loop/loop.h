/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

/*
 * The loop: one libuv thread that owns the engine, the sources' ends and all drivers, and the
 * services drivers get. HTTP: curl multi handles, sharded by host (one is superlinear in kept
 * connections). Flows: a few UDP sockets for all peers, batched receive. Programs: a small helper
 * process, started first, that spawns them. Pool: libuv's.
 */

#include "abi/driver.h"

#include <uv.h>

struct loop;

struct loop_options {
    const char *spawn_helper;        /* Path of nightshift-spawn; NULL: programs cannot be run. */
    const char *callback_url;        /* Where peers reach our HTTP face; NULL: nowhere. */
    unsigned http_shards;            /* 0: 64 */
    unsigned http_connections_max;   /* Kept, all shards together; 0: 20000 */
    unsigned server_connections_max; /* To one server at once; 0: 32 */
};

/* What drivers do outwards; called on the loop thread. */
struct loop_hooks {
    void (*complete)(void *arg, struct nsh_op *op, const struct nsh_outcome *outcome);
    void (*observe)(void *arg, const char *host, const char *type, const struct nsh_value *data);
    void (*trace)(void *arg, const struct nsh_op *op, const char *line); /* op NULL: for the log. */
    void (*event)(void *arg, const struct nsh_op *op, const struct nsh_value *event,
                  unsigned number);
    void *arg;
};

/* Call first thing in main, before threads and big memory: forks the spawn helper. */
int loop_new(const struct loop_options *options, const struct loop_hooks *hooks,
             struct loop **ret_loop, struct nsh_error *err);
void loop_free(struct loop *loop); /* Runs the loop until its handles are closed. */

uv_loop_t *loop_uv(struct loop *loop);
struct nsh_services *loop_services(struct loop *loop);

struct loop_figures {
    uint64_t http_requests, http_connections, flows, datagrams_sent, datagrams_received,
        datagrams_unknown, programs, streams, stream_bytes;
    uint64_t spawn_helper_restarts, callbacks, callbacks_refused;
};
void loop_count(const struct loop *loop, struct loop_figures *ret_figures);

/* ---- callbacks of peers ---- */

#define LOOP_CALLBACK_PATH "/v1/callbacks/"
#define LOOP_CALLBACK_TOKEN_CHARS 64
/* Whether a call waits for an answer there; false is counted as refused. Any thread. */
bool loop_callback_waits(struct loop *loop, const char *token);
/* Hand it over; false: nothing waits any more. */
bool loop_callback_take(struct loop *loop, const char *token, const struct nsh_http_reply *posted);

#endif
