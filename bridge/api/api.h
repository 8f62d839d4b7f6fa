/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_API_H
#define API_API_H

/*
 * The HTTP server: routes, who may ask, problem+json errors, an event stream. libmicrohttpd with its own threads, on a
 * unix socket (peer credentials) and optionally TCP with TLS and tokens.
 *
 * Reads come from the store's readers, on the server's threads. Everything that changes something is posted to the loop
 * as a command; the request is suspended until the answer is durable.
 */

#include "base/arena.h"
#include "abi/error.h"
#include "store/store.h"

struct api;
struct api_request;

enum api_role { API_NOBODY, API_SENDER, API_VIEWER, API_OPERATOR }; /* Rising; unix socket: operator when root or group. */

struct api_token {
    const char *name, *secret;
    enum api_role role;
};

struct api_options {
    const char *unix_path;  /* NULL: none */
    int unix_fd;            /* From socket activation, or -1. */
    const char *tcp_address; /* "127.0.0.1:8640", NULL: none */
    const char *tls_cert_file, *tls_key_file; /* NULL: plain, only accepted on loopback. */
    const struct api_token *tokens;
    size_t tokens_count;
    bool open_reads;        /* /metrics, /healthz, /readyz need no token (always on the unix socket). */
    const char *store_path; /* For readers; NULL: no store routes. */
    unsigned threads;       /* 0: 1 */
    uint32_t body_bytes_max; /* 0: 1 MiB */
    void *arg;              /* Handed to the handlers. */
};

/* What a handler sees; borrowed until it answered. */
struct api_request {
    const char *method, *path;   /* path: decoded, without the query. */
    const char *tail;            /* What stands after the route's path: "/v1/runs/" -> "run-000123". */
    const char *actor;           /* "uid:1000(ops)", "token:grafana" */
    enum api_role role;
    const char *body;            /* NUL-terminated. */
    size_t body_bytes;
    const char *content_type;    /* "" when none. */
    struct arena *arena;         /* Of the request. */
    struct store_reader *reader; /* NULL when there is no store. */
    void *arg;
    struct api_exchange *exchange; /* The server's. */
};

const char *api_query(const struct api_request *request, const char *name);  /* Decoded, or NULL. */
const char *api_header(const struct api_request *request, const char *name); /* Or NULL. */
/* Each header, for CloudEvents' binary mode. */
void api_headers_each(const struct api_request *request, void (*fn)(void *arg, const char *name, const char *value), void *arg);

/*
 * A handler answers now with api_reply(), or returns after api_suspend() and answers later, from any thread, exactly once,
 * through the exchange it was given. The body is copied.
 */
void api_reply(struct api_exchange *exchange, unsigned status, const char *content_type, const char *body, size_t body_bytes);
/* problem+json (RFC 9457) out of an error: status from its code (404 not found, 409 refused, 503 limit, ...). */
void api_problem(struct api_exchange *exchange, const struct nsh_error *err, const char *hint);
void api_suspend(struct api_exchange *exchange);

struct api_route {
    const char *method, *path; /* A path that ends in '/' matches everything below it. */
    enum api_role role;
    void (*handle)(const struct api_request *request);
    const char *help;
};

int api_start(const struct api_options *options, const struct api_route *routes, size_t routes_count, struct api **ret_api,
              struct nsh_error *err);
void api_stop(struct api *api); /* Ends all exchanges. */
uint16_t api_port(const struct api *api); /* The TCP port it got, for tests with port 0. */

#endif
