/* SPDX-License-Identifier: Apache-2.0 */
/* Senders that are connected: TCP and TLS. */

#include "syslog_private.h"

#include <stdlib.h>

static void on_closed(uv_handle_t *handle)
{
    struct syslog_peer *peer = handle->data;
    *peer->link = peer->next;
    if (peer->next != NULL) {
        peer->next->link = peer->link;
    }
    atomic_fetch_sub_explicit(&peer->listen->peers_count, 1, memory_order_relaxed);
    SSL_free(peer->ssl);
    free(peer);
}

void syslog_peer_close(struct syslog_peer *peer)
{
    if (!peer->closing) {
        peer->closing = true;
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
    }
}

/* Bytes that are no message, but were to be one: they came. */
static void frame_damaged(struct syslog_peer *peer)
{
    syslog_count(peer->listen, SYSLOG_received, 1);
    syslog_count(peer->listen, SYSLOG_malformed, 1);
    syslog_frames_clear(&peer->frames); /* Once: the rest of it is no other one. */
}

bool syslog_peer_bytes(struct syslog_peer *peer, struct text bytes)
{
    size_t used = 0, total = 0;
    while (total < bytes.count) {
        struct text rest = {bytes.at + total, bytes.count - (uint32_t)total};
        enum syslog_frame frame = syslog_frames_next(&peer->frames, rest, &used);
        total += used;
        if (frame == SYSLOG_FRAME_DAMAGED) {
            frame_damaged(peer);
            return false;
        }
        if (frame == SYSLOG_FRAME_WHOLE) {
            syslog_count(peer->listen, SYSLOG_cut, peer->frames.cut);
            syslog_take(peer->listen,
                        (struct text){peer->frames.bytes, (uint32_t)peer->frames.count},
                        peer->address, peer->relay);
            syslog_frames_clear(&peer->frames);
        }
    }
    return true;
}

struct late_write {
    uv_write_t write;
    char bytes[];
};

static void on_written(uv_write_t *write, int status)
{
    free(write);
}

/* What TLS has to say: handshakes, tickets, alerts. Little, and bounded by what was received. */
static void peer_answer(struct syslog_peer *peer)
{
    char bytes[16 << 10];
    size_t count;
    while (peer->ssl != NULL && (count = syslog_tls_output(peer, bytes, sizeof bytes)) > 0) {
        struct late_write *late = malloc(sizeof *late + count);
        if (late == NULL) {
            syslog_peer_close(peer);
            return;
        }
        memcpy(late->bytes, bytes, count);
        uv_buf_t buf = uv_buf_init(late->bytes, (unsigned)count);
        if (uv_write(&late->write, (uv_stream_t *)&peer->tcp, &buf, 1, on_written) < 0) {
            free(late);
            syslog_peer_close(peer);
            return;
        }
    }
}

/* A last line without its end is a line: a sender that closes said all it had to say. */
static void peer_rest(struct syslog_peer *peer)
{
    if (!peer->frames.counting && peer->frames.digits == 0 && peer->frames.count > 0) {
        syslog_peer_bytes(peer, TEXT("\n"));
    } else if (peer->frames.count > 0 || peer->frames.digits > 0) {
        frame_damaged(peer);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct syslog_peer *peer = handle->data;
    *buf = uv_buf_init(peer->listen->read, SYSLOG_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct syslog_peer *peer = stream->data;
    if (count < 0) {
        peer_rest(peer);
        syslog_peer_close(peer);
        return;
    }
    struct text bytes = {buf->base, (uint32_t)count};
    bool good = peer->ssl == NULL ? syslog_peer_bytes(peer, bytes) : syslog_tls_bytes(peer, bytes);
    peer_answer(peer);
    if (!good) {
        peer_rest(peer);
        syslog_peer_close(peer);
    }
}

static bool peer_open(struct syslog_peer *peer, struct syslog_socket *socket)
{
    struct syslog_listen *listen = socket->listen;
    struct sockaddr_storage from = {0};
    int from_bytes = sizeof from;
    if (uv_accept((uv_stream_t *)&socket->tcp, (uv_stream_t *)&peer->tcp) < 0 ||
        uv_tcp_getpeername(&peer->tcp, (struct sockaddr *)&from, &from_bytes) < 0) {
        return false;
    }
    if (!peer_networks_have(&listen->sources, &from)) {
        syslog_count(listen, SYSLOG_denied, 1);
        return false;
    }
    peer_address_write(&from, peer->address);
    peer->relay = listen->relays.count > 0 && peer_networks_have(&listen->relays, &from);
    peer->since_ms = (int64_t)uv_now(&listen->loop);
    peer->established = socket->kind != SYSLOG_TLS;
    if (socket->kind == SYSLOG_TLS) {
        peer->ssl = syslog_tls_accept(listen->tls);
        if (peer->ssl == NULL) {
            return false;
        }
    }
    uv_tcp_keepalive(&peer->tcp, 1, 60); /* A sender that is gone without a word is noticed. */
    syslog_count(listen, SYSLOG_connections, 1);
    return listen->held || uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read) == 0;
}

void syslog_peer_accept(struct syslog_socket *socket)
{
    struct syslog_listen *listen = socket->listen;
    struct syslog_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL || uv_tcp_init(&listen->loop, &peer->tcp) < 0) {
        free(peer);
        return;
    }
    peer->listen = listen;
    peer->tcp.data = peer;
    peer->next = listen->peers;
    peer->link = &listen->peers;
    if (peer->next != NULL) {
        peer->next->link = &peer->next;
    }
    listen->peers = peer;
    uint64_t before = atomic_fetch_add_explicit(&listen->peers_count, 1, memory_order_relaxed);
    bool good = peer_open(peer, socket);
    if (good && before >= SYSLOG_CONNECTIONS_MAX) {
        syslog_count(listen, SYSLOG_connections_refused, 1);
        good = false;
    }
    if (!good) {
        syslog_peer_close(peer);
    }
}

void syslog_peers_pause(struct syslog_listen *listen, bool pause)
{
    for (struct syslog_peer *peer = listen->peers; peer != NULL; peer = peer->next) {
        if (peer->closing) {
            continue;
        }
        if (pause) {
            uv_read_stop((uv_stream_t *)&peer->tcp);
        } else {
            uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
        }
    }
}
