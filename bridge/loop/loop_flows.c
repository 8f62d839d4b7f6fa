/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows of datagrams: all peers share a few sockets; a datagram finds its flow by the peer's
 * address.
 *
 * Bounds: FLOWS_MAX flows; a datagram longer than DATAGRAM_BYTES_MAX is dropped and counted as
 * unknown, as is one that no flow accepts. One turn of the loop reads at most BATCHES_MAX batches
 * of a socket.
 */

#include "base/assert.h"
#include "loop/loop_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOWS_MAX 200000        /* Two for each of 100,000 hosts. */
#define DATAGRAM_BYTES_MAX 2048 /* IPMI's are below 300, SNMP replies below the MTU. */
#define BATCH_COUNT 64
#define BATCHES_MAX 16
#define RECEIVE_BUFFER_BYTES (8 << 20) /* Asked for; the kernel may give less. */
#define BUCKETS_COUNT_MIN 1024

struct peer {
    uint16_t family, port;
    uint32_t scope;
    uint8_t address[16];
};

struct nsh_flow {
    struct nsh_flow *next; /* In its bucket, oldest first. */
    struct peer peer;
    uint32_t hash;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    struct flow_socket *socket;
    bool (*accept)(void *arg, const uint8_t *bytes, size_t bytes_count);
    void (*received)(void *arg, const uint8_t *bytes, size_t bytes_count);
    void *arg;
};

struct flow_batch {
    struct mmsghdr messages[BATCH_COUNT];
    struct iovec vectors[BATCH_COUNT];
    struct sockaddr_storage peers[BATCH_COUNT];
    uint8_t bytes[BATCH_COUNT][DATAGRAM_BYTES_MAX];
};

static bool peer_of(const struct sockaddr *address, struct peer *ret_peer)
{
    *ret_peer = (struct peer){.family = address->sa_family};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        ret_peer->port = v4->sin_port;
        memcpy(ret_peer->address, &v4->sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        ret_peer->port = v6->sin6_port;
        ret_peer->scope = v6->sin6_scope_id;
        memcpy(ret_peer->address, &v6->sin6_addr, 16);
        return true;
    }
    return false;
}

static uint32_t peer_hash(const struct peer *peer)
{
    uint64_t hash = text_hash((struct text){(const char *)peer, sizeof *peer});
    return (uint32_t)(hash ^ (hash >> 32));
}

static struct nsh_flow *flow_find(struct flows *flows, const struct peer *peer,
                                  const uint8_t *bytes, size_t bytes_count)
{
    if (flows->buckets_count == 0) {
        return NULL;
    }
    uint32_t hash = peer_hash(peer);
    struct nsh_flow *flow = flows->buckets[hash & (flows->buckets_count - 1)];
    for (; flow != NULL; flow = flow->next) {
        if (flow->hash == hash && memcmp(&flow->peer, peer, sizeof *peer) == 0 &&
            (flow->accept == NULL || flow->accept(flow->arg, bytes, bytes_count))) {
            return flow;
        }
    }
    return NULL;
}

static void flow_link(struct flows *flows, struct nsh_flow *flow)
{
    struct nsh_flow **slot = &flows->buckets[flow->hash & (flows->buckets_count - 1)];
    while (*slot != NULL) {
        slot = &(*slot)->next;
    }
    flow->next = NULL;
    *slot = flow;
}

/* Room for one more flow: twice the buckets when they are full. A failed growth is only slower. */
static int flows_grow(struct flows *flows)
{
    if (flows->count < flows->buckets_count) {
        return 0;
    }
    size_t count = flows->buckets_count == 0 ? BUCKETS_COUNT_MIN : flows->buckets_count * 2;
    struct nsh_flow **buckets = calloc(count, sizeof(struct nsh_flow *));
    if (buckets == NULL) {
        return flows->buckets_count == 0 ? -NSH_NOMEM : 0;
    }
    struct nsh_flow **old = flows->buckets;
    size_t old_count = flows->buckets_count;
    flows->buckets = buckets;
    flows->buckets_count = count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct nsh_flow *flow = old[i], *next; flow != NULL; flow = next) {
            next = flow->next;
            flow_link(flows, flow);
        }
    }
    free(old);
    return 0;
}

static void batch_deliver(struct loop *loop, const struct flow_batch *batch, int count)
{
    for (int i = 0; i < count; i++) {
        const struct mmsghdr *message = &batch->messages[i];
        struct peer peer;
        struct nsh_flow *flow = NULL;
        loop->figures.datagrams_received++;
        if ((message->msg_hdr.msg_flags & MSG_TRUNC) == 0 &&
            peer_of((const struct sockaddr *)&batch->peers[i], &peer)) {
            flow = flow_find(&loop->flows, &peer, batch->bytes[i], message->msg_len);
        }
        if (flow == NULL) {
            loop->figures.datagrams_unknown++;
        } else {
            flow->received(flow->arg, batch->bytes[i], message->msg_len);
        }
    }
}

static void socket_readable(uv_poll_t *poll, int status, int events)
{
    struct flow_socket *sock = poll->data;
    struct flow_batch *batch = sock->loop->flows.batch;
    for (int round = 0; round < BATCHES_MAX && sock->open; round++) {
        for (size_t i = 0; i < BATCH_COUNT; i++) {
            batch->vectors[i] = (struct iovec){batch->bytes[i], DATAGRAM_BYTES_MAX};
            batch->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &batch->peers[i],
                                                              .msg_namelen = sizeof batch->peers[i],
                                                              .msg_iov = &batch->vectors[i],
                                                              .msg_iovlen = 1}};
        }
        int count = recvmmsg(sock->fd, batch->messages, BATCH_COUNT, MSG_DONTWAIT, NULL);
        if (count <= 0) {
            return; /* Nothing more; an error of an earlier send is of no interest here. */
        }
        batch_deliver(sock->loop, batch, count);
        if (count < BATCH_COUNT) {
            return;
        }
    }
}

static int socket_open(struct loop *loop, struct flow_socket *sock, int family,
                       struct nsh_error *err)
{
    if (sock->open) {
        return 0;
    }
    if (loop->flows.batch == NULL) {
        loop->flows.batch = calloc(1, sizeof *loop->flows.batch);
        if (loop->flows.batch == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return nsh_fail(err, NSH_IO, "datagram socket: %s", strerror(errno));
    }
    int bytes = RECEIVE_BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    int result = uv_poll_init(&loop->uv, &sock->poll, fd);
    if (result < 0) {
        close(fd);
        return nsh_fail(err, NSH_IO, "datagram socket: %s", uv_strerror(result));
    }
    sock->fd = fd;
    sock->loop = loop;
    sock->open = true;
    sock->poll.data = sock;
    uv_poll_start(&sock->poll, UV_READABLE, socket_readable);
    return 0;
}

int service_flow_open(struct nsh_services *services, const struct sockaddr *peer,
                      socklen_t peer_bytes,
                      bool (*accept)(void *arg, const uint8_t *bytes, size_t bytes_count),
                      void (*received)(void *arg, const uint8_t *bytes, size_t bytes_count),
                      void *arg, struct nsh_flow **ret_flow, struct nsh_error *err)
{
    struct loop *loop = loop_of(services);
    struct flows *flows = &loop->flows;
    struct peer key;
    if (peer_bytes > sizeof(struct sockaddr_storage) || !peer_of(peer, &key)) {
        return nsh_fail(err, NSH_INVALID, "a flow wants an IPv4 or IPv6 address");
    }
    if (flows->count == FLOWS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d flows are open", FLOWS_MAX);
    }
    uint32_t hash = peer_hash(&key);
    size_t index = (hash % FLOW_SOCKETS_COUNT) + (key.family == AF_INET6 ? FLOW_SOCKETS_COUNT : 0);
    int result = socket_open(loop, &flows->sockets[index], key.family, err);
    if (result < 0) {
        return result;
    }
    struct nsh_flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL || flows_grow(flows) < 0) {
        free(flow);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *flow = (struct nsh_flow){.peer = key,
                              .hash = hash,
                              .address_bytes = peer_bytes,
                              .socket = &flows->sockets[index],
                              .accept = accept,
                              .received = received,
                              .arg = arg};
    memcpy(&flow->address, peer, peer_bytes);
    flow_link(flows, flow);
    flows->count++;
    loop->figures.flows++;
    *ret_flow = flow;
    return 0;
}

int service_flow_send(struct nsh_services *services, struct nsh_flow *flow, const void *bytes,
                      size_t bytes_count)
{
    ssize_t sent;
    do {
        sent = sendto(flow->socket->fd, bytes, bytes_count, MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *)&flow->address, flow->address_bytes);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        loop_of(services)->figures.datagrams_sent++;
        return 0;
    }
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? -NSH_LIMIT : -NSH_UNREACHABLE;
}

void service_flow_close(struct nsh_services *services, struct nsh_flow *flow)
{
    struct loop *loop = loop_of(services);
    struct flows *flows = &loop->flows;
    if (flow == NULL) {
        return;
    }
    struct nsh_flow **slot = &flows->buckets[flow->hash & (flows->buckets_count - 1)];
    while (*slot != flow) {
        NSH_ASSERT(*slot != NULL);
        slot = &(*slot)->next;
    }
    *slot = flow->next;
    flows->count--;
    loop->figures.flows--;
    free(flow);
}

static void socket_closed(uv_handle_t *handle)
{
    struct flow_socket *sock = handle->data;
    close(sock->fd);
}

void flows_done(struct loop *loop)
{
    struct flows *flows = &loop->flows;
    for (size_t i = 0; i < flows->buckets_count; i++) {
        for (struct nsh_flow *flow = flows->buckets[i], *next; flow != NULL; flow = next) {
            next = flow->next;
            free(flow);
        }
    }
    free(flows->buckets);
    for (size_t i = 0; i < 2 * (size_t)FLOW_SOCKETS_COUNT; i++) {
        if (flows->sockets[i].open) {
            flows->sockets[i].open = false;
            uv_close((uv_handle_t *)&flows->sockets[i].poll, socket_closed);
        }
    }
    free(flows->batch);
    flows->batch = NULL;
}
