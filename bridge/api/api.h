/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_API_H
#define API_API_H

/*
 * The HTTP server: routes, who may ask, problem+json errors, streams. libmicrohttpd with its own
 * threads, on a unix socket (peer credentials) and optionally TCP with TLS and tokens.
 *
 * Handlers of reading routes run on a few reader threads, each with its own store reader, so that a
 * long list never holds up the intake of events; all others run on the server's threads and must
 * not block. What changes something is posted to the loop as a command: the exchange is suspended
 * until the answer is durable.
 *
 * Bounds: API_CONNECTIONS_MAX connections, each with one request at a time; bodies together
 * API_BODIES_BYTES_MAX; a request must be read whole within API_READ_MS_MAX, an answer come within
 * API_ANSWER_MS_MAX; API_READS_MAX reads wait for a reader thread; API_STREAMS_MAX streams. Beyond
 * a bound the answer is 503 with Retry-After, 413 or 504, and it is counted.
 */

#include "abi/error.h"
#include "base/arena.h"
#include "store/store.h"

#define API_CONNECTIONS_MAX 1024
#define API_BODY_BYTES_MAX (1u << 20)
#define API_BODIES_BYTES_MAX (64u << 20)
#define API_READ_MS_MAX 30000
#define API_IDLE_MS_MAX 60000
#define API_ANSWER_MS_MAX 120000
#define API_READS_MAX 256
#define API_STREAMS_MAX 64
#define API_STREAM_BYTES_MAX (1u << 20) /* Not yet taken by the client; then it is too slow. */

struct api;
struct api_exchange;
struct api_route;

/* Rising; of a route, API_NOBODY leaves it to the handler who may. On the unix socket: operator
 * when root, the daemon's own user, or in unix_group. */
enum api_role { API_NOBODY, API_SENDER, API_VIEWER, API_OPERATOR };

const char *api_role_word(enum api_role role);

struct api_token {
    const char *name, *secret;
    enum api_role role;
};

/* An empty text is as good as NULL. */
struct api_options {
    const char *unix_path;   /* NULL: none */
    int unix_fd;             /* A listening unix socket from socket activation, or -1. */
    const char *unix_group;  /* Its members are operators; NULL: none. */
    const char *tcp_address; /* "127.0.0.1:8640", "[::1]:0"; NULL: none */
    const char *tls_cert_file,
        *tls_key_file;            /* NULL: plain, only accepted on a loopback address. */
    const char *tls_clients_file; /* CAs of client certificates, which are then asked for, and not
                                     demanded. NULL: none */
    const struct api_token *tokens;
    size_t tokens_count;
    bool open_reads;          /* Open routes need no token on TCP either. */
    const char *store_path;   /* For readers; NULL: requests have none. */
    unsigned threads;         /* Of the TCP server; 0: 1 */
    unsigned readers;         /* 0: 2 */
    uint32_t body_bytes_max;  /* 0: API_BODY_BYTES_MAX */
    uint32_t connections_max; /* Of each socket; 0: API_CONNECTIONS_MAX */
    uint32_t read_ms_max;     /* 0: API_READ_MS_MAX */
    uint32_t answer_ms_max;   /* 0: API_ANSWER_MS_MAX */
    void *arg;                /* Handed to the handlers. */
    /* Of routes with the role API_NOBODY: whether this path leads somewhere, asked before anything
     * of the body is read; else 404. NULL: all do. */
    bool (*admit)(void *arg, const struct api_route *route, const char *id);
};

/* What a handler sees. It lives, with its arena, until the exchange was answered. */
struct api_request {
    const char *method, *path; /* path: decoded, without the query. */
    const char *id;            /* What stands in the place of the route's {...}, decoded, or "". */
    const char *peer;          /* "10.0.0.1"; "" on the unix socket. */
    const char *certificate; /* Names in a client certificate that was verified, one a line, common
                                name first; NULL: none. */
    const char *actor;       /* "uid:1000(ops)", "token:grafana" */
    enum api_role role;
    const char *body; /* NUL-terminated. */
    size_t body_bytes;
    const char *content_type; /* "" when none. */
    struct arena *arena;
    struct store_reader *reader; /* Only while a reading handler, or api_work(), runs. */
    void *arg;
    void **state; /* The handler's own, kept for api_work() until the exchange was answered. */
    struct api_exchange *exchange;
    const struct api_route *route;
};

struct api_route {
    const char *method;  /* HEAD is answered by GET, OPTIONS by the server unless there is a row. */
    const char *path;    /* A segment "{name}" matches any one that is not empty. */
    enum api_role role;  /* API_NOBODY: no token is asked for; see admit. */
    bool reads;          /* Run on a reader thread, with a reader. */
    bool open;           /* May need no token: see open_reads. */
    const char *queries; /* Names of its query parameters, apart by a space; NULL: none. */
    void (*handle)(const struct api_request *request);
    const char *help;
};

const char *api_query(const struct api_request *request, const char *name); /* Decoded, or NULL. */
/* The first header of that name as it was sent, or NULL. Only before the handler returned. */
const char *api_header(const struct api_request *request, const char *name);
/* Each header; the same. */
void api_headers_each(const struct api_request *request,
                      void (*fn)(void *arg, const char *name, const char *value), void *arg);

/*
 * A handler answers with api_reply() or api_problem(), or returns after api_suspend() and answers
 * later, from any thread, exactly once. Bodies are copied. What is needed for the answer stands in
 * the request's arena. An exchange that ended meanwhile (the server stops, the answer took too
 * long) swallows its answer.
 */
void api_reply(struct api_exchange *exchange, unsigned status, const char *content_type,
               const char *body, size_t body_bytes);
/* problem+json (RFC 9457); the status follows from the error's code. hint may be NULL. */
void api_problem(struct api_exchange *exchange, const struct nsh_error *err, const char *hint);
/* The same with a status no code stands for: 415. */
void api_refuse(struct api_exchange *exchange, unsigned status, const char *detail,
                const char *hint);
/* A header of the answer that follows; on the thread that answers. Texts must be literals. */
void api_answer_header(struct api_exchange *exchange, const char *name, const char *value);
/* Answer later. Call before what will answer is started. */
void api_suspend(struct api_exchange *exchange);
/*
 * Run fn on a reader thread; the exchange was suspended, or is a stream. Any thread.
 * -NSH_LIMIT      API_READS_MAX wait; nothing was started, the caller still owes the answer
 * -NSH_CANCELLED  the exchange ended: nothing more is owed
 */
int api_work(struct api_exchange *exchange, void (*fn)(const struct api_request *request),
             struct nsh_error *err);

/*
 * Answer a suspended exchange with a stream: its head goes out, then whatever api_stream_send() is
 * given, until api_stream_end(). -NSH_LIMIT: API_STREAMS_MAX are open; the answer is still owed.
 */
int api_stream(struct api_exchange *exchange, const char *content_type, struct nsh_error *err);
/* -NSH_CANCELLED: the client is gone or too slow, or the server stops: nothing more is owed. */
int api_stream_send(struct api_exchange *exchange, struct text text);
void api_stream_end(struct api_exchange *exchange);

int api_start(const struct api_options *options, const struct api_route *routes,
              size_t routes_count, struct api **ret_api, struct nsh_error *err);
/* Answers what is suspended with 503, waits for running reads, closes everything. Any thread but
 * the server's. */
void api_stop(struct api *api);
uint16_t api_port(const struct api *api); /* The TCP port it got; 0: none. */

struct api_figures {
    uint64_t connections, requests, unauthorized, refused_busy, refused_large, timeouts;
    uint64_t connections_open, streams_open, suspended;
};
void api_count(const struct api_request *request, struct api_figures *ret_figures);

#endif
