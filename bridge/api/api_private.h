/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_API_PRIVATE_H
#define API_API_PRIVATE_H

/*
 * The parts of the server.
 *
 * Locks, outer first: api.lock (the list of connections), exchange.lock, workers.lock. An exchange
 * belongs to its connection and, while suspended or a stream, also to whoever owes the answer
 * (refs); the last one frees it, so an answer that comes after api_stop() finds its exchange and
 * nothing else.
 */

#include "api/api.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define API_ACTOR_BYTES_MAX 96
#define API_HEADERS_MAX 4
#define API_DIGEST_BYTES 32
#define API_BODY_KEPT_BYTES 16384 /* A connection keeps this much for its next request. */
#define API_SERVERS_MAX 2         /* Unix and TCP. */
#define API_READERS_MAX 16

enum exchange_state {
    EXCHANGE_IDLE,      /* No request. */
    EXCHANGE_READING,   /* Its head is on the way. */
    EXCHANGE_HANDLING,  /* Its body is on the way, then the handler runs on the server's thread. */
    EXCHANGE_SUSPENDED, /* Somebody owes the answer. */
    EXCHANGE_ANSWERED,  /* The answer is there. */
    EXCHANGE_QUEUED,    /* The answer is libmicrohttpd's. */
    EXCHANGE_STATES_COUNT
};

struct exchange_header {
    const char *name, *value;
};

struct api_exchange {
    pthread_mutex_t lock;
    unsigned refs;
    enum exchange_state state;
    bool owed;      /* Somebody took the duty to answer, and a reference. */
    bool abandoned; /* Ended by the server: what is owed is swallowed, no request follows. */
    bool asleep;    /* Suspended in libmicrohttpd. */
    bool slept;     /* Was, during this request. */
    struct api *api;
    struct MHD_Connection *connection;
    int64_t since_ms; /* When the state began. */

    struct api_request request;
    void *request_state;
    struct arena arena;
    struct textbuf body;
    size_t body_counted; /* Part of api.bodies_bytes. */

    unsigned status;
    struct MHD_Response *response;
    struct exchange_header headers[API_HEADERS_MAX];
    size_t headers_count;

    bool stream, stream_ended;
    struct textbuf stream_bytes;
    size_t stream_sent;
};

struct api_server {
    struct api *api;
    struct MHD_Daemon *daemon;
    int fd;
    bool tcp;
};

/* One connection; its exchange serves one request after the other. */
struct api_connection {
    struct api_connection *next, *previous;
    struct api_server *server;
    struct api_exchange *exchange;
    int fd;
    enum api_role role; /* By peer credentials. */
    char actor[API_ACTOR_BYTES_MAX];
};

struct api_job {
    struct api_exchange *exchange;
    void (*fn)(const struct api_request *request);
};

struct api_workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[API_READERS_MAX];
    unsigned threads_count;
    struct api_job jobs[API_READS_MAX];
    size_t first, count;
    bool stopping;
    const char *store_path;
};

struct api_secret {
    char name[API_ACTOR_BYTES_MAX];
    uint8_t digest[API_DIGEST_BYTES];
    enum api_role role;
};

struct api_counters {
    atomic_uint_least64_t connections, requests, unauthorized, refused_busy, refused_large,
        timeouts, suspended, streams;
};

struct api {
    struct api_options options; /* Texts are not kept. */
    const struct api_route *routes;
    size_t routes_count;
    struct api_server servers[API_SERVERS_MAX];
    size_t servers_count;
    char *unix_path; /* To remove; NULL: not ours. */
    uid_t own_uid;
    gid_t unix_gid; /* (gid_t)-1: none */
    uint16_t port;
    struct api_secret *secrets;
    size_t secrets_count;
    char *store_path;

    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* A connection came or went, an exchange ended, or stopping. */
    struct api_connection *connections;
    size_t connections_count;
    pthread_t watch;
    bool watch_started;
    atomic_uint_least64_t bodies_bytes;
    struct api_workers workers;
    struct api_counters counters;
};

int64_t api_now_ms(void);

/* ---- api_listen.c -------------------------------------------------------------------------- */

int listen_unix(const char *path, gid_t gid, int *ret_fd, struct nsh_error *err);
/* *ret_port is the port it got; loopback says whether plain HTTP is fit for the address. */
int listen_tcp(const char *address, int *ret_fd, uint16_t *ret_port, bool *ret_loopback,
               struct nsh_error *err);

/* ---- api_auth.c ---------------------------------------------------------------------------- */

int auth_group(const char *name, gid_t *ret_gid, struct nsh_error *err);
int auth_secrets(struct api *api, const struct api_options *options, struct nsh_error *err);
/* Who is at the other end of a unix socket. */
void auth_peer(const struct api *api, int fd, enum api_role *ret_role, char *actor);
/* The secret that header ("Bearer ...") names, or NULL. Takes the same time for any wrong one. */
const struct api_secret *auth_bearer(const struct api *api, const char *header);

/* ---- api_peer.c ---------------------------------------------------------------------------- */

/* Address of the other end, without the port; in arena. */
const char *peer_address(struct MHD_Connection *connection, struct arena *arena);
/* Names in its certificate, when one was shown and verified; NULL: none. */
const char *peer_certificate(struct MHD_Connection *connection, struct arena *arena);

/* ---- api_route.c --------------------------------------------------------------------------- */

/* Percent-decoded into arena; NULL: a wrong escape, NUL or invalid UTF-8. */
const char *route_decode(struct arena *arena, const char *raw);
/*
 * The route of method and the raw path. NULL: none; then *ret_allowed holds the methods the path
 * has ("GET, POST"), or "". On success *ret_id is the raw text in the place of {...}, or "".
 */
const struct api_route *route_find(const struct api *api, const char *method, const char *path,
                                   struct arena *arena, const char **ret_id,
                                   const char **ret_allowed);
/* Every query parameter is one the route takes, and well encoded. */
int route_queries(const struct api_request *request, struct nsh_error *err);

/* ---- api_exchange.c ------------------------------------------------------------------------ */

struct api_exchange *exchange_new(struct api *api, struct MHD_Connection *connection);
void exchange_unref(struct api_exchange *exchange);
void exchange_move(struct api_exchange *exchange, enum exchange_state to); /* Under its lock. */
/* The server ends what is suspended or a stream, with this status. */
void exchange_end(struct api_exchange *exchange, unsigned status, const char *detail);
/* Hand the answer to libmicrohttpd, on the server's thread. */
enum MHD_Result exchange_queue(struct api_exchange *exchange);
/* The request is over: ready for the next one. */
void exchange_reset(struct api_exchange *exchange);

/* ---- api_serve.c --------------------------------------------------------------------------- */

enum MHD_Result serve_request(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **exchange_slot);
void *serve_uri(void *arg, const char *uri, struct MHD_Connection *connection);
void serve_completed(void *arg, struct MHD_Connection *connection, void **exchange_slot,
                     enum MHD_RequestTerminationCode code);

/* ---- api_workers.c ------------------------------------------------------------------------- */

int workers_start(struct api_workers *workers, unsigned count, const char *store_path,
                  struct nsh_error *err);
void workers_stop(struct api_workers *workers); /* What waits is dropped. */
int workers_push(struct api_workers *workers, const struct api_job *job, struct nsh_error *err);

#endif
