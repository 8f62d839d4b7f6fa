/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SSE_SSE_STREAM_H
#define SOURCE_SSE_SSE_STREAM_H

/*
 * A stream of Server-Sent Events that stays: a GET by the loop's HTTP client whose reply is decoded
 * while it comes, and that is made again after it broke.
 *
 *     sse_stream_new(&options, &hooks, source, &stream, err);
 *     sse_stream_start(stream);               ... opened(), event() ..., closed(), opened() ...
 *     sse_stream_free(stream);
 *
 * - Connected again after a pause that doubles from again_ms_min (or what the peer's `retry` said)
 *   to again_ms_max, half of it by chance, so that a server that comes back is not met by everybody
 *   at once; Retry-After counts. A stream that lived for SSE_CALM_MS begins at the first pause.
 * - Last-Event-ID is sent when an id was seen: the last event that event() was called for.
 * - Silence longer than idle_ms (comments are no silence) ends the connection.
 * - Back-pressure: event() says false, TCP holds the peer back until sse_stream_resume(). What came
 *   already waits here, at most SSE_PIECE_BYTES_MAX of it.
 * - An event longer than event_bytes_max is told as `large`, and the stream goes on.
 *
 * All of it on the loop thread. Hooks may call stop, start and resume, not free; no hook is called
 * from inside those, nor after stop or free.
 */

#include "abi/driver.h"
#include "source/sse/sse_decode.h"

#define SSE_PIECE_BYTES_MAX (1u << 20) /* Between two turns of the loop. */
#define SSE_CALM_MS 10000
#define SSE_WHY_BYTES_MAX 200

struct sse_stream;

/* Texts are copied. */
struct sse_options {
    struct nsh_services *services;
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; Accept is added. May be NULL. */
    const char *user, *password;
    const char *ca_file, *pinned_key, *client_cert, *client_key, *proxy; /* As nsh_http_request. */
    bool insecure;
    uint32_t connect_ms;                 /* 0: 10 s. */
    uint32_t open_ms;                    /* Until the head of the reply is here; 0: 60 s. */
    uint32_t idle_ms;                    /* 0: for ever; TCP notices a peer that is gone. */
    uint32_t again_ms_min, again_ms_max; /* 0: 500 ms, 60 s. */
    size_t event_bytes_max;              /* 0: 1 MiB. */
};

/* How a connection, or the attempt at one, ended. Borrowed for the call. */
struct sse_end {
    int code;          /* NSH_OK: an HTTP answer, by its status; else why there was none. */
    int status;        /* 200: the peer ended the stream. 0: none. */
    bool opened;       /* opened() was called. */
    const char *why;   /* In words, for a person. */
    const char *body;  /* Of an answer that is no stream; else "". */
    uint32_t again_ms; /* Then it is tried again. */
};

struct sse_hooks {
    /* A stream begins: 2xx, text/event-stream. NULL: nobody asks. */
    void (*opened)(void *arg);
    /* False: enough for now. This one was taken; the next comes after sse_stream_resume(). */
    bool (*event)(void *arg, const struct sse_event *event);
    /* It is tried again, unless stopped from here (a login is wanted first). */
    void (*closed)(void *arg, const struct sse_end *end);
};

struct sse_figures {
    uint64_t connects, events, large, comments; /* All connections together. */
    int64_t heard_ms;                           /* Of nsh_services.now_ms; 0: never. */
    bool open, held;
};

/* NSH_INVALID, NSH_NOMEM. Nothing is sent yet. */
int sse_stream_new(const struct sse_options *options, const struct sse_hooks *hooks, void *arg,
                   struct sse_stream **ret_stream, struct nsh_error *err);
void sse_stream_free(struct sse_stream *stream); /* NULL is nothing. */

/* Connect now, if it is not connected: also out of the pause after a failure. -NSH_NOMEM: as
 * before.
 */
int sse_stream_start(struct sse_stream *stream);
/* Disconnect; nothing is tried until start. closed() is not called. */
void sse_stream_stop(struct sse_stream *stream);
/* Events may come again; nothing when none are held back. -NSH_NOMEM: they still are. */
int sse_stream_resume(struct sse_stream *stream);

/* Other request headers from the next connection on: a new token. -NSH_NOMEM: the old ones stay. */
int sse_stream_headers(struct sse_stream *stream, const char *const *headers,
                       struct nsh_error *err);
/* Where to go on: what was kept over a restart. Too long, or no text: from now on. */
void sse_stream_last_id_set(struct sse_stream *stream, const char *id);
const char *sse_stream_last_id(const struct sse_stream *stream); /* "": none. */
struct sse_figures sse_stream_figures(const struct sse_stream *stream);

#endif
