/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_BUS_BUS_STREAM_H
#define SOURCE_BUS_BUS_STREAM_H

/* A connection to a broker, TCP or TLS, for protocols that are ours. On the source's thread. */

#include "abi/error.h"
#include "abi/value.h"

#include <poll.h>
#include <stdbool.h>

struct bus_stream;

/* Connect within timeout_ms: to every address of the name, one after the other. */
int bus_stream_open(const char *host, int port, int timeout_ms, struct bus_stream **ret_stream,
                    struct nsh_error *err);
/* TLS from here on, the broker's certificate checked against tls_ca (or the system's) and host. */
int bus_stream_tls(struct bus_stream *stream, const struct nsh_value *settings, const char *host,
                   int timeout_ms, struct nsh_error *err);
void bus_stream_close(struct bus_stream *stream);
void bus_stream_watch(const struct bus_stream *stream, struct pollfd *ret_poll);

/* All of it; a peer that does not take it for timeout_ms is gone. */
int bus_stream_write(struct bus_stream *stream, const void *bytes, size_t count, int timeout_ms,
                     struct nsh_error *err);

/*
 * What came and was not taken yet: *ret_bytes, until the next call. wait_ms 0: without waiting.
 * Negative: the connection is over, or more than bytes_max came and was not taken.
 */
int bus_stream_peek(struct bus_stream *stream, size_t bytes_max, int wait_ms,
                    const uint8_t **ret_bytes, size_t *ret_count, struct nsh_error *err);
void bus_stream_take(struct bus_stream *stream, size_t count);

#endif
