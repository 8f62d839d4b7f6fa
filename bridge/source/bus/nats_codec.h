/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_BUS_NATS_CODEC_H
#define SOURCE_BUS_NATS_CODEC_H

/* NATS' text protocol, what a receiver needs of it; pure. */

#include "abi/error.h"
#include "base/text.h"

#define NATS_LINE_BYTES_MAX 65536 /* INFO is the longest. */

enum nats_kind { NATS_INFO, NATS_MSG, NATS_PING, NATS_PONG, NATS_OK, NATS_ERR };

struct nats_op {
    enum nats_kind kind;
    struct text subject, reply; /* MSG; reply may be empty. */
    struct text headers; /* MSG: "NATS/1.0 404 No Messages\r\nName: value\r\n\r\n", or empty. */
    struct text payload; /* MSG, or the text of INFO and ERR. */
};

/* 1: an operation, *ret_used bytes; 0: it is not whole yet; -NSH_PROTOCOL; -NSH_LIMIT. */
int nats_read(const char *bytes, size_t count, size_t bytes_max, struct nats_op *ret_op,
              size_t *ret_used, struct nsh_error *err);

/* The status of a message without content: 404 none, 408 the request is over; 0: it has none. */
int nats_status(struct text headers);

/* The next "Name: value" of headers, which are shortened; false: there is none. */
bool nats_header_next(struct text *headers, struct text *ret_name, struct text *ret_value);

/* Fields of "$JS.ACK.STREAM.CONSUMER.DELIVERED.STREAM-SEQ.CONSUMER-SEQ.TIME.PENDING" (older), or
 * with a domain and an account hash behind "$JS.ACK"; false: it is none. */
struct nats_place {
    struct text stream, sequence;
    int64_t delivered;
};
bool nats_place_read(struct text reply, struct nats_place *ret_place);

#endif
