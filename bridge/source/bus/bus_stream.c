/* SPDX-License-Identifier: Apache-2.0 */
#include "bus_stream.h"

#include "bus_values.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)

struct bus_stream {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    uint8_t *in;
    size_t in_count, in_room, in_taken;
};

/* Until fd is ready or the time is over: false. */
static bool await(int fd, short events, int64_t until_ms)
{
    struct pollfd poll_one = {.fd = fd, .events = events};
    int64_t left_ms = until_ms - bus_clock_ms();
    return left_ms > 0 && poll(&poll_one, 1, (int)left_ms) > 0;
}

static int connect_one(const struct addrinfo *address, int64_t until_ms)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0, on = 1;
    socklen_t bytes = sizeof error;
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 &&
        (errno != EINPROGRESS || !await(fd, POLLOUT, until_ms) ||
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0 || error != 0)) {
        int why = error != 0 ? error : errno == EINPROGRESS ? ETIMEDOUT : errno;
        close(fd);
        errno = why;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return fd;
}

int bus_stream_open(const char *host, int port, int timeout_ms, struct bus_stream **ret_stream,
                    struct nsh_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    char service[16];
    int fd = -1;
    snprintf(service, sizeof service, "%d", port);
    int code = getaddrinfo(host, service, &hints, &addresses);
    if (code != 0) {
        return nsh_fail(err, NSH_UNREACHABLE, "%s: %s", host, gai_strerror(code));
    }
    int64_t until_ms = bus_clock_ms() + timeout_ms;
    for (struct addrinfo *at = addresses; at != NULL && fd < 0; at = at->ai_next) {
        fd = connect_one(at, until_ms);
    }
    int why = errno;
    freeaddrinfo(addresses);
    if (fd < 0) {
        return nsh_fail(err, NSH_UNREACHABLE, "%s:%d: %s", host, port, strerror(why));
    }
    struct bus_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        close(fd);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    stream->fd = fd;
    *ret_stream = stream;
    return 0;
}

void bus_stream_close(struct bus_stream *stream)
{
    if (stream->ssl != NULL) {
        SSL_shutdown(stream->ssl);
    }
    SSL_free(stream->ssl);
    SSL_CTX_free(stream->context);
    close(stream->fd);
    free(stream->in);
    free(stream);
}

void bus_stream_watch(const struct bus_stream *stream, struct pollfd *ret_poll)
{
    *ret_poll = (struct pollfd){.fd = stream->fd, .events = POLLIN};
}

/* ---- TLS ---- */

static int tls_fail(struct nsh_error *err, enum nsh_code code, const char *what)
{
    char text[200] = "the connection broke";
    unsigned long why = ERR_get_error();
    if (why != 0) {
        ERR_error_string_n(why, text, sizeof text);
    }
    ERR_clear_error();
    return nsh_fail(err, code, "%s: %s", what, text);
}

static int tls_configure(SSL_CTX *context, const struct nsh_value *settings, struct nsh_error *err)
{
    const char *ca = bus_text(settings, "tls_ca"), *cert = bus_text(settings, "tls_cert"),
               *key = bus_text(settings, "tls_key");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if ((ca == NULL ? SSL_CTX_set_default_verify_paths(context)
                    : SSL_CTX_load_verify_file(context, ca)) != 1) {
        return tls_fail(err, NSH_INVALID, "tls_ca");
    }
    if (cert != NULL && key != NULL &&
        (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
         SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)) {
        return tls_fail(err, NSH_INVALID, "tls_cert, tls_key");
    }
    return 0;
}

/* What the TLS layer waits for; 0: nothing, it failed. */
static short wanted(SSL *ssl, int result)
{
    int why = SSL_get_error(ssl, result);
    return why == SSL_ERROR_WANT_READ ? POLLIN : why == SSL_ERROR_WANT_WRITE ? POLLOUT : (short)0;
}

static int tls_shake(struct bus_stream *stream, const char *host, int64_t until_ms,
                     struct nsh_error *err)
{
    int result;
    X509_VERIFY_PARAM *param = SSL_get0_param(stream->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1) {
        SSL_set1_host(stream->ssl, host);
        SSL_ctrl(stream->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)host); /* It copies. */
    }
    SSL_set_fd(stream->ssl, stream->fd);
    while ((result = SSL_connect(stream->ssl)) != 1) {
        short events = wanted(stream->ssl, result);
        if (events == 0) {
            return tls_fail(err, NSH_AUTH, "TLS");
        }
        if (!await(stream->fd, events, until_ms)) {
            return nsh_fail(err, NSH_TIMEOUT, "TLS: no answer");
        }
    }
    return 0;
}

int bus_stream_tls(struct bus_stream *stream, const struct nsh_value *settings, const char *host,
                   int timeout_ms, struct nsh_error *err)
{
    NSH_ASSERT(stream->ssl == NULL && stream->in_count == stream->in_taken);
    stream->context = SSL_CTX_new(TLS_client_method());
    if (stream->context == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for TLS");
    }
    int result = tls_configure(stream->context, settings, err);
    if (result < 0) {
        return result;
    }
    stream->ssl = SSL_new(stream->context);
    return stream->ssl == NULL ? nsh_fail(err, NSH_NOMEM, "no memory for TLS")
                               : tls_shake(stream, host, bus_clock_ms() + timeout_ms, err);
}

/* ---- bytes ---- */

/* Bytes written, 0: wait for *ret_events, negative: the connection is over. */
static ssize_t write_some(struct bus_stream *stream, const void *bytes, size_t count,
                          short *ret_events)
{
    *ret_events = POLLOUT;
    if (stream->ssl == NULL) {
        ssize_t written = send(stream->fd, bytes, count, MSG_NOSIGNAL);
        return written < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : written;
    }
    int written = SSL_write(stream->ssl, bytes, count > INT32_MAX ? INT32_MAX : (int)count);
    if (written > 0) {
        return written;
    }
    *ret_events = wanted(stream->ssl, written);
    ERR_clear_error();
    return *ret_events == 0 ? -1 : 0;
}

int bus_stream_write(struct bus_stream *stream, const void *bytes, size_t count, int timeout_ms,
                     struct nsh_error *err)
{
    int64_t until_ms = bus_clock_ms() + timeout_ms;
    const uint8_t *at = bytes;
    short events = 0;
    while (count > 0) {
        ssize_t written = write_some(stream, at, count, &events);
        if (written < 0) {
            return nsh_fail(err, NSH_DISCONNECTED, "the broker closed the connection");
        }
        at += written;
        count -= (size_t)written;
        if (written == 0 && !await(stream->fd, events, until_ms)) {
            return nsh_fail(err, NSH_TIMEOUT, "the broker does not take what we write");
        }
    }
    return 0;
}

/* Bytes read, 0: none now, negative: the connection is over. */
static ssize_t read_some(struct bus_stream *stream, void *bytes, size_t room)
{
    if (stream->ssl == NULL) {
        ssize_t count = recv(stream->fd, bytes, room, 0);
        return count > 0 ? count : count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    int count = SSL_read(stream->ssl, bytes, room > INT32_MAX ? INT32_MAX : (int)room);
    if (count > 0) {
        return count;
    }
    short events = wanted(stream->ssl, count);
    ERR_clear_error();
    return events == 0 ? -1 : 0;
}

static int make_room(struct bus_stream *stream, size_t bytes_max, struct nsh_error *err)
{
    if (stream->in_taken > 0) {
        memmove(stream->in, stream->in + stream->in_taken, stream->in_count - stream->in_taken);
        stream->in_count -= stream->in_taken;
        stream->in_taken = 0;
    }
    if (stream->in_count > bytes_max) {
        return nsh_fail(err, NSH_LIMIT, "the broker sent more than %zu bytes at once", bytes_max);
    }
    if (stream->in_room - stream->in_count < READ_BYTES) {
        size_t room = 2 * stream->in_room + READ_BYTES;
        uint8_t *grown = realloc(stream->in, room);
        if (grown == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        stream->in = grown;
        stream->in_room = room;
    }
    return 0;
}

int bus_stream_peek(struct bus_stream *stream, size_t bytes_max, int wait_ms,
                    const uint8_t **ret_bytes, size_t *ret_count, struct nsh_error *err)
{
    int result = make_room(stream, bytes_max, err);
    if (result < 0) {
        return result;
    }
    int64_t until_ms = bus_clock_ms() + wait_ms;
    ssize_t count;
    do {
        count =
            read_some(stream, stream->in + stream->in_count, stream->in_room - stream->in_count);
    } while (count == 0 && wait_ms > 0 && await(stream->fd, POLLIN, until_ms));
    if (count < 0 && stream->in_count == 0) {
        return nsh_fail(err, NSH_DISCONNECTED, "the broker closed the connection");
    }
    stream->in_count += count > 0 ? (size_t)count : 0;
    *ret_bytes = stream->in;
    *ret_count = stream->in_count;
    return count < 0 ? nsh_fail(err, NSH_DISCONNECTED, "the broker closed the connection") : 0;
}

void bus_stream_take(struct bus_stream *stream, size_t count)
{
    NSH_ASSERT(count <= stream->in_count - stream->in_taken);
    stream->in_taken += count;
}
