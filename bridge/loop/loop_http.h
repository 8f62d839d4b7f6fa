/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_HTTP_H
#define LOOP_HTTP_H

/* What the HTTP client's two files share: requests and sockets (loop_http.c), TLS (loop_tls.c). */

#include "loop/loop_private.h"

#include <curl/curl.h>

#define HEADERS_COUNT_MAX 64    /* Kept of a reply; a BMC sends about a dozen. */
#define HEADERS_BYTES_MAX 16384 /* All of them together. */

struct http_shard {
    struct loop *loop;
    CURLM *multi; /* NULL until used. */
    struct nsh_timer timer;
    struct nsh_http *requests; /* Running. */
    struct nsh_http *fresh;    /* Streams with a piece that is not delivered. */
};

#define HTTP_SHARDS(count) (2 * (count) + 1)

struct http_socket;

struct http_queue {
    struct http_socket *first, *last;
};

/* A socket of which libcurl wants events: while a request runs, not while its connection is kept.
 */
struct http_socket {
    uv_poll_t poll;
    struct http_shard *shard;
    int fd;
    int events;  /* What libcurl wants of it. */
    int pending; /* Events that wait in a queue. */
    bool begun;  /* Its TLS handshake had a first step. */
    struct http_queue *queue;
    struct http_socket *next, *previous;
};

struct http {
    struct http_shard *shards; /* shards_count, one for streams, shards_count for servers. */
    unsigned shards_count;
    unsigned streams_count;
    size_t running, running_most; /* The most since memory was given back. */
    struct nsh_timer burst;
    bool burst_waits;
    uv_idle_t idle;                         /* Active while handshakes wait. */
    struct http_queue beginning, under_way; /* TLS handshakes with an event. */
    uint8_t *fds;                           /* By descriptor: HTTP_FD bits. */
    size_t fds_count;
    struct map sessions; /* endpoint -> struct tls_endpoint */
};

struct nsh_http {
    struct http_shard *shard;
    struct nsh_http *next, *previous; /* In shard->requests. */
    CURL *easy;
    char *endpoint; /* Where to, and the TLS settings: the key of shard and session. */
    struct curl_slist *sent_headers;
    void (*done)(void *arg, const struct nsh_http_reply *reply);
    void *arg;
    void (*received)(void *arg, const char *bytes, size_t bytes_count);
    void (*began)(void *arg, const struct nsh_http_reply *reply); /* NULL: told, or nobody asks. */
    struct nsh_http *fresh_next;                                  /* In shard->fresh. */
    int fd; /* Of a connection being made for it, or -1. */
    struct nsh_timer connecting;
    uint32_t connect_ms;
    unsigned attempts;
    bool tls, safe, over_limit, out_of_memory, not_again, unconnected, fresh;
    char *headers;
    size_t headers_bytes, headers_count;
    char *body;
    size_t body_bytes, body_room, body_bytes_max;
    char words[CURL_ERROR_SIZE];
};

struct http_shard *http_shard(struct loop *loop, unsigned index); /* NULL: out of memory. */
/* The kept header lines as a list. */
void http_headers(const struct nsh_http *request, const char *ret_headers[HEADERS_COUNT_MAX + 1]);

/* ---- loop_http_stream.c ---- */

#define HTTP_STREAMS_MAX 2048 /* Each keeps a connection busy. */

#define HTTP_STREAM_KEEPALIVE_S 30L /* A peer that is gone is noticed within two minutes. */

/* The head, or a piece of the body, was taken; deliver it when libcurl is left. */
void stream_took(struct nsh_http *request);
void stream_deliver(struct http_shard *shard);
void stream_forget(struct nsh_http *request);

/* ---- loop_tls.c ---- */

#define HTTP_FD_FRESH 1u /* Its TLS handshake is not done. */
#define HTTP_FD_HEARD 2u /* The peer did something since the last look. */
#define HTTP_FD_WAITS 4u /* It is the peer's turn no more: the event waits for us. */

unsigned http_fd_bits(const struct http *http, int fd);
void http_fd_set(struct http *http, int fd, unsigned bits);
/* CURLOPT_SSL_CTX_FUNCTION: small buffers, and the endpoint's last session to resume. */
CURLcode tls_prepare(CURL *easy, void *context, void *arg);
void tls_sessions_done(struct http *http);

#endif
