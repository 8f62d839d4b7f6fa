/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_KUBERNETES_NODEWATCH_LINK_H
#define SOURCE_KUBERNETES_NODEWATCH_LINK_H

/*
 * Talking to the API server on the source's own thread: a list by pages, then a watch that is
 * resumed from the last version seen, for nodes, for their Events and, where asked for, their
 * leases each. A watch that breaks is resumed after a pause that doubles; one that is too old (410)
 * is a list again, and a window in which changes were not seen one by one.
 */

#include "abi/pool.h"
#include "nodewatch.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"

#include <curl/curl.h>
#include <pthread.h>

#define NODEWATCH_PAGE_ITEMS 100
#define NODEWATCH_PAGE_BYTES_MAX (32u << 20) /* A node with all its images has some 50 KiB. */
#define NODEWATCH_LINE_BYTES_MAX (4u << 20)  /* etcd's objects end at 1.5 MiB. */
#define NODEWATCH_BATCHES_MAX 64             /* On their way to the disk; then it waits. */
#define NODEWATCH_WINDOWS_MAX 8
#define NODEWATCH_TEXT_BYTES_MAX 240

enum nodewatch_phase { PHASE_RESTS, PHASE_LISTS, PHASE_WATCHES };

struct nodewatch_source;

struct nodewatch_stream {
    struct nodewatch_source *source;
    enum nodewatch_kind kind;
    enum nodewatch_phase phase;
    CURL *easy;
    struct curl_slist *headers;
    struct textbuf in;
    char version[NODEWATCH_VERSION_BYTES_MAX]; /* "": the list is to be read. */
    char *next;                                /* `continue` of the next page, or NULL. */
    char url[4096];
    int64_t due_ms, begun_ms; /* By the monotonic clock. */
    unsigned failures;        /* In a row. */
    int64_t since_ms;         /* Engine time: what is older was told, or is too old. */
    enum nodewatch_result outcome;
    struct nsh_error why;
    uint32_t found; /* Events of this list. */
    bool had;       /* It was listed before: the next list ends a window. */
    /* Everybody's, under the source's mutex: */
    int64_t heard_ms; /* Engine time; 0: never. */
    bool well;
    long status; /* HTTP's, of the last failure. */
    char text[NODEWATCH_TEXT_BYTES_MAX];
};

/* A time in which changes were not seen one by one. */
struct nodewatch_window {
    enum nodewatch_kind kind;
    int64_t from_ms, to_ms;
    uint32_t found;
};

struct nodewatch_source {
    const struct source_services *services;
    const struct source_config *config;
    struct nsh_pool login; /* Texts below. */
    const char *base, *token, *bearer_file, *ca_file, *client_cert, *client_key, *proxy;
    bool insecure, stood_lost; /* stood_lost: no memory for what stood before. */
    pthread_t thread;
    bool running;
    uv_async_t news;
    void (*done)(void *arg);
    void *done_arg;
    /* The thread's: */
    CURLM *multi;
    struct nodewatch watch;
    struct nodewatch_stream streams[NODEWATCH_KINDS_COUNT];
    struct arena arena; /* Of one page or line. */
    int64_t looked_ms;  /* At leases, by the monotonic clock. */
    /* Everybody's: */
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    unsigned flying;
    bool stopping, lost, ended;
    char say[NODEWATCH_TEXT_BYTES_MAX]; /* For the log; "": nothing. */
    bool say_error;
    uint32_t nodes, raised, full;
    struct nodewatch_window windows[NODEWATCH_WINDOWS_MAX];
    uint64_t windows_count;
};

/* ---- nodewatch_link.c ---- */
void *nodewatch_thread(void *source);

/* ---- nodewatch_http.c ---- */
/* Make the request that comes next, a page or a watch, and begin it. */
int nodewatch_request(struct nodewatch_stream *stream, struct nsh_error *err);
void nodewatch_request_end(struct nodewatch_stream *stream);
/* Why it failed, in words: curl's, or the server's. */
void nodewatch_why(struct nodewatch_stream *stream, CURLcode code, long status, char *room,
                   size_t room_bytes);

/* ---- nodewatch_push.c ---- */
/* Hand events over; waits while too much is on its way. False: the source stops. */
bool nodewatch_push(struct nodewatch_source *source, const struct nodewatch_out *out);
/* Until nothing is on its way. */
void nodewatch_drain(struct nodewatch_source *source);
bool nodewatch_stopping(struct nodewatch_source *source);
/* For the log, on the loop thread. */
void nodewatch_say(struct nodewatch_source *source, bool error, const char *text);

#endif
