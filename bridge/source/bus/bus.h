/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_BUS_BUS_H
#define SOURCE_BUS_BUS_H

/*
 * What brings messages from a broker: one table of functions for AMQP, Kafka, MQTT and NATS each.
 *
 * A link is one connection. All of its functions are called on one thread, the source's own, which
 * may wait in open() and nowhere else. A transport that needs a large library is a module
 * (NAME.so, with the symbol `bus_transport`), loaded when a source of its type is configured:
 * who has none pays nothing.
 */

#include "abi/error.h"
#include "abi/value.h"

#include <poll.h>

#define BUS_ABI 2
#define BUS_PAIRS_MAX 48
#define BUS_OPEN_MS 10000                /* A connection that takes longer has failed. */
#define BUS_MESSAGE_BYTES_MAX (4u << 20) /* Larger ones are refused and counted. */
#define BUS_WINDOW_MAX 4096

struct bus_pair {
    const char *name, *value;
};

/* One message; borrowed from the link until its next receive(). */
struct bus_message {
    uint64_t tag; /* Rises with every message of a link. */
    const char *bytes;
    size_t bytes_count;
    const char *content_type; /* Or NULL. */
    const char *id; /* Where it stands in the broker, the same whenever it comes; NULL: nowhere. */
    struct bus_pair headers[BUS_PAIRS_MAX]; /* What the sender added. */
    size_t headers_count;
    struct bus_pair attributes[8]; /* What the broker says: topic, partition, routing key. */
    size_t attributes_count;
    bool again; /* It was delivered before, as far as the broker knows. */
};

struct bus_link;

struct bus_options {
    const char *name;                 /* Of the source: for the broker's own lists of clients. */
    const struct nsh_value *settings; /* Checked, secrets resolved. */
    unsigned window;                  /* So many messages may be on their way. */
};

struct bus_transport {
    uint32_t abi, size;
    const char *name;
    size_t link_bytes; /* Of its struct bus_link: whoever calls has the memory, zeroed. */
    /* Connect and subscribe. close() follows in any case. */
    int (*open)(const struct bus_options *options, struct bus_link *link, struct nsh_error *err);
    /* What to wait for. */
    void (*watch)(struct bus_link *link, struct pollfd *ret_poll);
    /* 1: a message; 0: none now; negative: the link is of no use any more. */
    int (*receive)(struct bus_link *link, struct bus_message *ret_message, struct nsh_error *err);
    /*
     * In the order of the tags. kept: all up to tag that were not settled yet are durable;
     * else this one makes no sense: the broker is not to send it again.
     */
    int (*settle)(struct bus_link *link, uint64_t tag, bool kept, struct nsh_error *err);
    /* At least every second, also while nothing is received because too much waits (paused). */
    int (*tend)(struct bus_link *link, bool paused, struct nsh_error *err);
    void (*close)(struct bus_link *link);
};

/* The table of a transport whose functions are called link_open, link_watch ... */
#define BUS_TRANSPORT(name_shown)                                                                  \
    {                                                                                              \
        .abi = BUS_ABI, .size = sizeof(struct bus_transport), .name = (name_shown),                \
        .link_bytes = sizeof(struct bus_link), .open = link_open, .watch = link_watch,             \
        .receive = link_receive, .settle = link_settle, .tend = link_tend, .close = link_close     \
    }

/* Helpers that modules may use as well: bus_values.h. */

#endif
