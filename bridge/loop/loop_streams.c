/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: one non-blocking TCP socket each, looked at by the loop only while its driver wants
 * something. Names are looked up in libuv's pool; the addresses are tried one after the other.
 *
 * Bounds: STREAMS_MAX streams; ADDRESSES_MAX addresses of a name; the time to connect is the
 * driver's or CONNECT_MS, for all addresses together.
 */

#include "base/assert.h"
#include "loop/loop_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAMS_MAX 20000 /* Below the descriptors a service gets; HTTP has its own share. */
#define ADDRESSES_MAX 8
#define CONNECT_MS 10000
#define TEXT_BYTES_MAX 160

enum stream_state { STREAM_LOOKUP, STREAM_CONNECTING, STREAM_OPEN, STREAM_FAILED };

union stream_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct nsh_stream {
    struct nsh_stream *next, **slot; /* All of the loop. */
    struct loop *loop;
    enum stream_state state;
    uv_getaddrinfo_t lookup;
    uv_poll_t poll;
    struct nsh_timer deadline;
    int fd; /* -1: none. */
    bool looking, closed, polling;
    unsigned wanted;
    uint16_t port;
    union stream_address addresses[ADDRESSES_MAX];
    size_t addresses_count, address;
    char text[TEXT_BYTES_MAX]; /* Why the last address did not work. */
    void (*ready)(void *arg, int code, const char *text);
    void *arg;
};

static void stream_ready(uv_poll_t *poll, int status, int events);

/* ---- ends ---- */

static void stream_free_when_over(struct nsh_stream *stream)
{
    if (stream->closed && !stream->looking && !stream->polling) {
        free(stream);
    }
}

static void poll_closed(uv_handle_t *handle)
{
    struct nsh_stream *stream = handle->data;
    close(stream->fd);
    stream->fd = -1;
    stream->polling = false;
    stream_free_when_over(stream);
}

static void deadline_over(void *arg);

static void stream_end(struct nsh_stream *stream)
{
    *stream->slot = stream->next;
    if (stream->next != NULL) {
        stream->next->slot = stream->slot;
    }
    stream->closed = true;
    stream->loop->streams.count--;
    loop_timer_stop(stream->loop, &stream->deadline);
    if (stream->looking) {
        uv_cancel((uv_req_t *)&stream->lookup); /* Its callback comes in any case. */
    }
    if (stream->polling && !uv_is_closing((uv_handle_t *)&stream->poll)) {
        uv_close((uv_handle_t *)&stream->poll, poll_closed);
    }
    stream_free_when_over(stream);
}

static void connect_ended(struct nsh_stream *stream, int code, const char *text)
{
    loop_timer_stop(stream->loop, &stream->deadline);
    stream->state = code == NSH_OK ? STREAM_OPEN : STREAM_FAILED;
    stream->ready(stream->arg, code, text);
}

static void deadline_over(void *arg)
{
    struct nsh_stream *stream = arg;
    if (stream->polling && !uv_is_closing((uv_handle_t *)&stream->poll)) {
        uv_poll_stop(&stream->poll);
    }
    connect_ended(stream, NSH_TIMEOUT,
                  stream->state == STREAM_LOOKUP ? "no answer from the name service in time"
                                                 : "no connection in time");
}

/* ---- connecting ---- */

static void stream_note(struct nsh_stream *stream, const union stream_address *address, int error)
{
    char host[INET6_ADDRSTRLEN] = "?";
    const void *bytes = address->any.sa_family == AF_INET6 ? (const void *)&address->v6.sin6_addr
                                                           : (const void *)&address->v4.sin_addr;
    inet_ntop(address->any.sa_family, bytes, host, sizeof host);
    snprintf(stream->text, sizeof stream->text, "%s: %s", host, strerror(error));
}

static bool socket_watch(struct nsh_stream *stream, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (uv_poll_init(&stream->loop->uv, &stream->poll, fd) < 0) {
        return false;
    }
    stream->poll.data = stream;
    stream->polling = true;
    stream->fd = fd;
    int result = uv_poll_start(&stream->poll, UV_WRITABLE, stream_ready);
    NSH_ASSERT(result == 0);
    return true;
}

/* Begin with the address whose turn it is, or the next that can be begun; false: none is left. */
static bool connect_begin(struct nsh_stream *stream)
{
    for (; stream->address < stream->addresses_count; stream->address++) {
        const union stream_address *address = &stream->addresses[stream->address];
        bool v6 = address->any.sa_family == AF_INET6;
        int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 &&
            (connect(fd, &address->any, v6 ? sizeof address->v6 : sizeof address->v4) == 0 ||
             errno == EINPROGRESS)) {
            stream->state = STREAM_CONNECTING;
            if (socket_watch(stream, fd)) {
                return true;
            }
            errno = EIO;
        }
        stream_note(stream, address, errno);
        if (fd >= 0) {
            close(fd);
        }
    }
    return false;
}

static void poll_closed_retry(uv_handle_t *handle)
{
    struct nsh_stream *stream = handle->data;
    close(stream->fd);
    stream->fd = -1;
    stream->polling = false;
    if (stream->closed) {
        stream_free_when_over(stream);
    } else if (stream->state == STREAM_CONNECTING && !connect_begin(stream)) {
        connect_ended(stream, NSH_UNREACHABLE, stream->text);
    }
}

static void connect_checked(struct nsh_stream *stream)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0) {
        error = errno;
    }
    uv_poll_stop(&stream->poll);
    if (error == 0) {
        connect_ended(stream, NSH_OK, "");
        return;
    }
    stream_note(stream, &stream->addresses[stream->address], error);
    if (++stream->address < stream->addresses_count) {
        uv_close((uv_handle_t *)&stream->poll, poll_closed_retry);
        return;
    }
    connect_ended(stream, NSH_UNREACHABLE, stream->text);
}

static void stream_ready(uv_poll_t *poll, int status, int events)
{
    struct nsh_stream *stream = poll->data;
    if (stream->state == STREAM_CONNECTING) {
        connect_checked(stream);
        return;
    }
    uv_poll_stop(poll);
    if (stream->state == STREAM_OPEN && stream->wanted != 0) {
        stream->wanted = 0;
        stream->ready(stream->arg, NSH_OK, "");
    }
}

static void address_add(struct nsh_stream *stream, const struct sockaddr *address)
{
    if (stream->addresses_count == ADDRESSES_MAX ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6)) {
        return;
    }
    union stream_address *mine = &stream->addresses[stream->addresses_count++];
    if (address->sa_family == AF_INET) {
        memcpy(&mine->v4, address, sizeof mine->v4);
        mine->v4.sin_port = htons(stream->port);
    } else {
        memcpy(&mine->v6, address, sizeof mine->v6);
        mine->v6.sin6_port = htons(stream->port);
    }
}

static void looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct nsh_stream *stream = lookup->data;
    stream->looking = false;
    if (stream->closed || stream->state != STREAM_LOOKUP) {
        uv_freeaddrinfo(found);
        stream_free_when_over(stream);
        return;
    }
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        address_add(stream, one->ai_addr);
    }
    uv_freeaddrinfo(found);
    if (status < 0 || stream->addresses_count == 0) {
        connect_ended(stream, NSH_NOT_FOUND, status < 0 ? uv_strerror(status) : "no address");
    } else if (!connect_begin(stream)) {
        connect_ended(stream, NSH_UNREACHABLE, stream->text);
    }
}

/* ---- the services ---- */

static bool address_numeric(const char *host, union stream_address *ret_address)
{
    *ret_address = (union stream_address){.v6 = {0}};
    if (inet_pton(AF_INET, host, &ret_address->v4.sin_addr) == 1) {
        ret_address->any.sa_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, host, &ret_address->v6.sin6_addr) == 1) {
        ret_address->any.sa_family = AF_INET6;
        return true;
    }
    return false;
}

static int stream_begin(struct nsh_stream *stream, const char *host, struct nsh_error *err)
{
    union stream_address address;
    if (address_numeric(host, &address)) {
        address_add(stream, &address.any);
        return connect_begin(stream) ? 0 : nsh_fail(err, NSH_UNREACHABLE, "%s", stream->text);
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    stream->lookup.data = stream;
    int result = uv_getaddrinfo(&stream->loop->uv, &stream->lookup, looked_up, host, NULL, &hints);
    stream->looking = result == 0;
    return result == 0 ? 0 : nsh_fail(err, NSH_INVALID, "%s: %s", host, uv_strerror(result));
}

int service_stream_open(struct nsh_services *services, const struct nsh_stream_peer *peer,
                        void (*ready)(void *arg, int code, const char *text), void *arg,
                        struct nsh_stream **ret_stream, struct nsh_error *err)
{
    struct loop *loop = loop_of(services);
    if (loop->streams.count == STREAMS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d streams are open", STREAMS_MAX);
    }
    struct nsh_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *stream = (struct nsh_stream){.next = loop->streams.first,
                                  .slot = &loop->streams.first,
                                  .loop = loop,
                                  .fd = -1,
                                  .port = peer->port,
                                  .ready = ready,
                                  .arg = arg};
    if (stream->next != NULL) {
        stream->next->slot = &stream->next;
    }
    loop->streams.first = stream;
    loop->streams.count++;
    uint32_t timeout_ms = peer->connect_timeout_ms == 0 ? CONNECT_MS : peer->connect_timeout_ms;
    int result = loop_timer_start(loop, &stream->deadline, timeout_ms, deadline_over, stream);
    result = result < 0 ? nsh_fail(err, NSH_NOMEM, "out of memory")
                        : stream_begin(stream, peer->host, err);
    if (result < 0) {
        stream_end(stream);
        return result;
    }
    loop->figures.streams++;
    *ret_stream = stream;
    return 0;
}

void service_stream_want(struct nsh_services *services, struct nsh_stream *stream,
                         unsigned directions)
{
    if (stream->state != STREAM_OPEN) {
        return;
    }
    stream->wanted = directions;
    int events = ((directions & NSH_STREAM_READ) != 0 ? UV_READABLE : 0) |
                 ((directions & NSH_STREAM_WRITE) != 0 ? UV_WRITABLE : 0);
    int result = events == 0 ? uv_poll_stop(&stream->poll)
                             : uv_poll_start(&stream->poll, events, stream_ready);
    NSH_ASSERT(result == 0);
}

static ssize_t io_result(struct nsh_stream *stream, ssize_t done)
{
    if (done >= 0) {
        stream->loop->figures.stream_bytes += (uint64_t)done;
        return done;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -NSH_BUSY
                                                                     : -NSH_DISCONNECTED;
}

ssize_t service_stream_read(struct nsh_services *services, struct nsh_stream *stream, void *bytes,
                            size_t bytes_max)
{
    if (stream->state != STREAM_OPEN) {
        return -NSH_DISCONNECTED;
    }
    return io_result(stream, recv(stream->fd, bytes, bytes_max, MSG_DONTWAIT));
}

ssize_t service_stream_write(struct nsh_services *services, struct nsh_stream *stream,
                             const void *bytes, size_t bytes_count)
{
    if (stream->state != STREAM_OPEN) {
        return -NSH_DISCONNECTED;
    }
    return io_result(stream, send(stream->fd, bytes, bytes_count, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void service_stream_close(struct nsh_services *services, struct nsh_stream *stream)
{
    if (stream != NULL) {
        stream_end(stream);
    }
}

void streams_done(struct loop *loop)
{
    while (loop->streams.first != NULL) {
        stream_end(loop->streams.first);
    }
}
