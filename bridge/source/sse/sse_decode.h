/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SSE_SSE_DECODE_H
#define SOURCE_SSE_SSE_DECODE_H

/*
 * Server-Sent Events: bytes that break anywhere -> events, as the HTML standard parses an event
 * stream (its section "Server-sent events"). Pure.
 *
 * Lines end by LF, CR or CRLF; a byte order mark at the very beginning is passed over; a field is
 * NAME: VALUE with one blank after the colon left out; `data` lines are joined by LF; `id` stays
 * until another comes, one with NUL is none; `retry` is digits alone; comments and unknown fields
 * are nothing; an event without `data` is none; what is not ended by an empty line is none.
 *
 * Unlike there, everything is bounded, and bytes are handed on as they are: who reads them as JSON
 * refuses what is no UTF-8.
 */

#include "abi/error.h"
#include "base/text.h"

#define SSE_TYPE_BYTES_MAX 128
#define SSE_ID_BYTES_MAX 256
#define SSE_RETRY_MS_MAX 3600000

/* One event, borrowed for the call; its texts end by NUL as well. */
struct sse_event {
    struct text type; /* "message" when it named none. */
    struct text data; /* Without the last LF. */
    struct text id;   /* The last one seen; "": none yet. */
    /* A line, or all of it, was longer than the bound: data is empty, what it said is lost. */
    bool large;
};

struct sse_decoder {
    size_t event_bytes_max; /* Of one line, and of one event's data. */
    struct textbuf line, data;
    char type[SSE_TYPE_BYTES_MAX + 1];
    char id[SSE_ID_BYTES_MAX + 1], next_id[SSE_ID_BYTES_MAX + 1]; /* Next: of an event begun. */
    uint32_t type_bytes, id_bytes, next_id_bytes;
    int64_t retry_ms; /* What the peer asked for, at most SSE_RETRY_MS_MAX; -1: nothing. */
    uint64_t events_count, comments_count, large_count;
    uint8_t mark;  /* Bytes of a byte order mark seen; 3: it is decided. */
    bool after_cr; /* An LF now belongs to the line that ended. */
    bool line_large, large;
};

/* event_bytes_max: 0 is 1 MiB. Nothing is allocated before bytes come. */
void sse_decoder_init(struct sse_decoder *decoder, size_t event_bytes_max);
void sse_decoder_done(struct sse_decoder *decoder);
/* A new connection: what was begun is forgotten, the last id stays. */
void sse_decoder_restart(struct sse_decoder *decoder);
/* Go on from there; one that could not be sent back is none. */
void sse_decoder_last_id_set(struct sse_decoder *decoder, struct text id);

/*
 * Take bytes until event() says false, or all of them. ret_taken counts what was taken, the event
 * that said false included: the rest is to be fed again.
 *
 * NSH_NOMEM  out of memory; the stream is to be read from the last id again.
 */
int sse_decode(struct sse_decoder *decoder, const char *bytes, size_t bytes_count,
               bool (*event)(void *arg, const struct sse_event *event), void *arg,
               size_t *ret_taken, struct nsh_error *err);

#endif
