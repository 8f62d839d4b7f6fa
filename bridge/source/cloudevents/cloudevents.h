/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_CLOUDEVENTS_CLOUDEVENTS_H
#define SOURCE_CLOUDEVENTS_CLOUDEVENTS_H

/*
 * CloudEvents 1.0 over HTTP: the body and headers of a request -> packed events (model/event.h).
 * Pure. Structured, batched and binary mode, told apart by the content type.
 *
 * An event without an attribute "host" gets its subject as a hint: the inventory decides whether
 * that names a host.
 */

#include "abi/error.h"
#include "base/arena.h"
#include "model/event.h"

#define CLOUDEVENTS_BATCH_MAX 10000 /* Events of one request. */
#define CLOUDEVENTS_HEADERS_MAX 64  /* Attributes in binary mode. */

/* A header as it was sent; in binary mode those whose name begins with "ce-" are attributes. */
struct cloudevents_header {
    const char *name, *value;
};

struct cloudevents_message {
    const char *content_type; /* "" when there is none. */
    const char *body;
    size_t body_bytes;
    const struct cloudevents_header *headers;
    size_t headers_count;
};

struct cloudevents {
    const uint8_t *bytes; /* In the arena. */
    size_t bytes_count;
    uint32_t events_count;
};

/* Does a header of that name carry an attribute ("ce-...")? */
bool cloudevents_is_attribute(const char *header_name);

/*
 * All events of message, or none of them.
 *
 * NSH_UNSUPPORTED  a format or charset that is not spoken here: HTTP 415
 * NSH_INVALID      no CloudEvent: the text names the event of a batch by its index, and the
 * attribute NSH_NOMEM
 */
int cloudevents_decode(const struct cloudevents_message *message, int64_t received_ms,
                       struct arena *arena, struct cloudevents *ret_events, struct nsh_error *err);

#endif
