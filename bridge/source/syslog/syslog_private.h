/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SYSLOG_SYSLOG_PRIVATE_H
#define SOURCE_SYSLOG_SYSLOG_PRIVATE_H

#include "syslog_listen.h"

#include "loop/event_pool.h"
#include "loop/event_window.h"
#include "loop/peer_address.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#define SYSLOG_CONNECTIONS_MAX 2048
#define SYSLOG_READ_BYTES (64u << 10)
#define SYSLOG_DATAGRAMS_BYTES (16u * 65536u) /* So many datagrams at once. */
#define SYSLOG_PUSH_BYTES (256u << 10)        /* Of a batch at most. */
#define SYSLOG_PAUSE_BYTES (POOL_BYTES / 4)   /* So much waits: streams are not read on. */
#define SYSLOG_PAUSE_EVENTS (POOL_ENTRIES / 4)
#define SYSLOG_RETRY_MS 20
#define SYSLOG_HANDSHAKE_MS 10000

enum syslog_counter {
#define SYSLOG_COUNTER(name, help) SYSLOG_##name,
#include "syslog_counters.def"
#undef SYSLOG_COUNTER
    SYSLOG_COUNTERS_COUNT
};

enum syslog_kind { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS };

struct syslog_socket {
    struct syslog_listen *listen;
    enum syslog_kind kind;
    unsigned port;
    uint32_t drops; /* Of the kernel, as last read. */
    bool open;
    union {
        uv_handle_t handle;
        uv_udp_t udp;
        uv_tcp_t tcp;
    };
};

struct syslog_peer {
    uv_tcp_t tcp;
    struct syslog_listen *listen;
    struct syslog_peer *next, **link;
    SSL *ssl; /* NULL: plain */
    bool established, closing;
    int64_t since_ms;
    char address[PEER_ADDRESS_CHARS_MAX];
    bool relay;
    struct syslog_frames frames;
};

/* What is under way to the commit. It outlives the listener: answers come from the loop. */
struct syslog_flights {
    pthread_mutex_t mutex;
    struct event_window window;
    uv_async_t *wake; /* NULL: the listener is gone. */
    unsigned refs;
};

struct syslog_listen {
    struct intake *intake;
    uv_loop_t loop;
    pthread_t thread;
    uv_async_t wake;
    uv_timer_t retry, second;
    uv_check_t flush;
    struct peer_networks sources, relays;
    SSL_CTX *tls;
    struct syslog_socket sockets[SYSLOG_LISTEN_MAX];
    size_t sockets_count;
    struct syslog_peer *peers;
    struct syslog_mapper mapper;
    struct syslog_patterns *patterns;
    bool held, running; /* held: the streams wait. */
    struct event_pool pool;
    uint8_t *batch; /* One that the intake refused, or room for the next. */
    size_t batch_bytes;
    uint32_t batch_events;
    struct syslog_flights *flights;
    int64_t now_ms;
    char *datagrams, *read;
    _Atomic uint64_t counters[SYSLOG_COUNTERS_COUNT];
    _Atomic uint64_t peers_count;
    pthread_mutex_t mutex; /* What other threads hand over: */
    struct syslog_patterns *patterns_new;
    bool stopping;
};

static inline void syslog_count(struct syslog_listen *listen, enum syslog_counter counter,
                                uint64_t count)
{
    atomic_fetch_add_explicit(&listen->counters[counter], count, memory_order_relaxed);
}

/* ---- syslog_push.c: from an event to the intake ---- */

struct syslog_flights *syslog_flights_new(uv_async_t *wake);
void syslog_flights_end(struct syslog_flights *flights); /* The listener is gone. */
void syslog_event(struct syslog_listen *listen, const struct event *event);
/* What waits, as far as there is room under way; all: at the end, whether there is or not. */
void syslog_push(struct syslog_listen *listen, bool all);

/* One message: decoded, mapped, put into the batch. */
void syslog_take(struct syslog_listen *listen, struct text bytes, const char *address, bool relay);

/* Bytes of a stream, as the sender wrote them. False: the stream makes no sense any more. */
bool syslog_peer_bytes(struct syslog_peer *peer, struct text bytes);

void syslog_peer_accept(struct syslog_socket *socket);
void syslog_peer_close(struct syslog_peer *peer);
void syslog_peers_pause(struct syslog_listen *listen, bool pause);

/* ---- TLS by memory: bytes from the network in, bytes of the sender out ---- */

int syslog_tls_new(const struct syslog_options *options, SSL_CTX **ret_tls, struct nsh_error *err);
SSL *syslog_tls_accept(SSL_CTX *tls);
/* False: the connection is over; what there is to say to the peer is still in the output. */
bool syslog_tls_bytes(struct syslog_peer *peer, struct text bytes);
/* What is to be sent; count 0: nothing. */
size_t syslog_tls_output(struct syslog_peer *peer, char *bytes, size_t room);

#endif
