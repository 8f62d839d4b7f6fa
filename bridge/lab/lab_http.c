/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 for the lab's Redfish BMCs and its services: thousands of kept TLS connections on the
 * loop. An idle connection holds its SSL object and nothing else.
 */

#include "lab.h"

#include "base/arena.h"
#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_ROOM 4096

struct lab_conn {
    uv_poll_t poll;
    struct lab_bmc *bmc;
    struct lab_conn *next, **link; /* All connections of the lab. */
    SSL *ssl;
    int fd;
    bool answering, keep, dying;
    struct lab_stream *stream; /* The answer goes on. */
    char *in;
    size_t in_count, in_room;
    struct textbuf out;
    size_t out_sent;
    struct lab_timer timer;
};

static void conn_closed(uv_handle_t *handle)
{
    struct lab_conn *conn = handle->data;

    SSL_free(conn->ssl);
    close(conn->fd);
    free(conn->in);
    textbuf_done(&conn->out);
    free(conn);
}

static void conn_close(struct lab_conn *conn)
{
    if (conn->dying) {
        return;
    }
    conn->dying = true;
    if (conn->stream != NULL) {
        struct lab_stream *stream = TAKE(conn->stream);
        stream->gone(stream);
    }
    conn->bmc->lab->connections--;
    lab_clock_clear(conn->bmc->lab, &conn->timer);
    *conn->link = conn->next;
    if (conn->next != NULL) {
        conn->next->link = conn->link;
    }
    uv_poll_stop(&conn->poll);
    uv_close((uv_handle_t *)&conn->poll, conn_closed);
}

void lab_https_reset(struct lab_bmc *bmc)
{
    for (struct lab_conn *conn = bmc->lab->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->bmc == bmc) {
            conn_close(conn);
        }
    }
}

static void conn_ready(uv_poll_t *poll, int status, int events);

static void conn_wait(struct lab_conn *conn, int events)
{
    uv_poll_start(&conn->poll, events, conn_ready);
}

/* What a failed SSL call (or system call) means: wait, or the end. */
static void conn_stuck(struct lab_conn *conn, int result)
{
    int why = SSL_ERROR_SYSCALL;

    if (conn->ssl != NULL) {
        why = SSL_get_error(conn->ssl, result);
        ERR_clear_error();
    } else if (result < 0 && errno == EAGAIN) {
        why = conn->answering ? SSL_ERROR_WANT_WRITE : SSL_ERROR_WANT_READ;
    }
    if (why == SSL_ERROR_WANT_READ) {
        conn_wait(conn, UV_READABLE);
    } else if (why == SSL_ERROR_WANT_WRITE) {
        conn_wait(conn, UV_WRITABLE);
    } else {
        conn_close(conn);
    }
}

/* ---- answering -------------------------------------------------------------------------- */

static void conn_read(struct lab_conn *conn);

static void conn_write(struct lab_conn *conn)
{
    while (conn->out_sent < conn->out.count) {
        const char *at = conn->out.at + conn->out_sent;
        size_t count = conn->out.count - conn->out_sent;
        int result = conn->ssl != NULL
                         ? SSL_write(conn->ssl, at, (int)count)
                         : (int)send(conn->fd, at, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (result <= 0) {
            conn_stuck(conn, result);
            return;
        }
        conn->out_sent += (size_t)result;
    }
    textbuf_done(&conn->out);
    conn->out = (struct textbuf){0};
    conn->out_sent = 0;
    if (conn->stream != NULL) {
        conn_wait(conn, UV_DISCONNECT); /* For more of it, or for the client to go. */
        return;
    }
    conn->answering = false;
    if (!conn->keep) {
        if (conn->ssl != NULL) {
            SSL_shutdown(conn->ssl);
        }
        conn_close(conn);
        return;
    }
}

/* Send what is left of an answer; when all is sent, go on with what the client sent meanwhile. */
static void conn_go_on(struct lab_conn *conn)
{
    conn_write(conn);
    conn_read(conn);
}

static void conn_due(void *arg)
{
    struct lab_conn *conn = arg;

    if ((conn->bmc->modes & (LAB_DEAD | LAB_HANG)) == 0) {
        conn_go_on(conn);
    }
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Payload Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Status";
}

static void conn_date(struct textbuf *out)
{
    time_t now = (time_t)(lab_clock_unix_ms() / 1000);
    struct tm parts;
    char text[48];

    gmtime_r(&now, &parts);
    strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    textbuf_add_chars(out, text);
}

static void stream_chunk(struct lab_conn *conn, const char *bytes, size_t bytes_count)
{
    textbuf_addf(&conn->out, "%zx\r\n", bytes_count);
    textbuf_add(&conn->out, (struct text){bytes, (uint32_t)bytes_count});
    textbuf_add_chars(&conn->out, "\r\n");
}

static void conn_answer_head(struct lab_conn *conn, const struct lab_reply *reply)
{
    bool service = conn->bmc->kind == LAB_SERVICE;

    textbuf_addf(&conn->out, "HTTP/1.1 %d %s\r\n", reply->status, status_text(reply->status));
    if (service) {
        conn_date(&conn->out);
    } else {
        textbuf_add_chars(&conn->out, "Server: nightshift-lab\r\nOData-Version: 4.0\r\n");
    }
    if (reply->stream != NULL) {
        textbuf_addf(&conn->out, "Content-Type: %s\r\nTransfer-Encoding: chunked\r\n",
                     reply->type != NULL ? reply->type : "application/json");
    } else if (reply->body.count > 0) {
        textbuf_addf(&conn->out, "Content-Type: %s\r\n",
                     reply->type != NULL ? reply->type
                     : service           ? "application/json"
                                         : "application/json;charset=utf-8");
    }
    if (reply->status != 204 && reply->status != 304 && reply->stream == NULL) {
        textbuf_addf(&conn->out, "Content-Length: %zu\r\n", reply->body.count);
    }
    textbuf_add_chars(&conn->out, reply->extra_room);
    textbuf_addf(&conn->out, "Cache-Control: no-cache\r\nConnection: %s\r\n\r\n",
                 conn->keep ? "keep-alive" : "close");
}

static void conn_answer(struct lab_conn *conn, struct lab_reply *reply, bool head)
{
    const struct lab *lab = conn->bmc->lab;
    int64_t delay_ms = lab->options.latency_ms + conn->bmc->late_ms;

    conn->answering = true;
    if (reply->status == 0) {
        conn_wait(conn, UV_DISCONNECT); /* Until the client has enough. */
        return;
    }
    conn_answer_head(conn, reply);
    if (reply->stream != NULL) {
        conn->stream = reply->stream;
        conn->stream->conn = conn;
        if (reply->body.count > 0) {
            stream_chunk(conn, reply->body.at, reply->body.count);
        }
    } else if (!head) {
        textbuf_add(&conn->out, (struct text){reply->body.at, (uint32_t)reply->body.count});
    }
    textbuf_done(&reply->body);
    if ((conn->bmc->modes & LAB_GARBAGE) != 0 && conn->out.count > 0) {
        RAND_bytes((unsigned char *)conn->out.at, (int)conn->out.count);
        conn->keep = false;
    }
    if (delay_ms == 0 && (conn->bmc->modes & (LAB_DEAD | LAB_HANG)) == 0) {
        conn_write(conn);
    } else {
        conn_wait(conn, UV_DISCONNECT);
        lab_clock_set(conn->bmc->lab, &conn->timer, delay_ms, conn_due, conn);
    }
}

/* Send now, unless the answer's time has not come, or the socket is full: then it goes by itself.
 */
static void stream_flush(struct lab_conn *conn, bool was_idle)
{
    if (was_idle && (conn->bmc->modes & (LAB_DEAD | LAB_HANG)) == 0) {
        conn_write(conn);
    }
}

void lab_stream_write(struct lab_stream *stream, const char *bytes, size_t bytes_count)
{
    struct lab_conn *conn = stream->conn;
    bool was_idle = conn->out.count == 0;

    stream_chunk(conn, bytes, bytes_count);
    stream_flush(conn, was_idle);
}

void lab_stream_end(struct lab_stream *stream)
{
    struct lab_conn *conn = stream->conn;
    bool was_idle = conn->out.count == 0;

    conn->stream = NULL;
    conn->keep = false; /* What the client sent meanwhile need not be looked at. */
    textbuf_add_chars(&conn->out, "0\r\n\r\n");
    stream->gone(stream);
    stream_flush(conn, was_idle);
}

void lab_stream_break(struct lab_stream *stream)
{
    conn_close(stream->conn);
}

static void conn_refuse(struct lab_conn *conn, int status)
{
    struct lab_reply reply = {.status = status};

    conn->keep = false;
    conn->in_count = 0;
    conn_answer(conn, &reply, false);
}

/* ---- requests --------------------------------------------------------------------------- */

/* Answer one request when it is complete; false: more bytes are needed. */
static bool conn_serve(struct lab_conn *conn)
{
    struct lab_http head = {.request.bmc = conn->bmc};
    struct lab_reply reply = {.status = 200};
    int status = 0;

    conn->in[conn->in_count] = '\0';
    status = lab_http_parse(conn->in, conn->in_count, &head);
    if (status == 0) {
        return false;
    }
    conn->bmc->requests++;
    if (status != 200) {
        conn_refuse(conn, status);
        return true;
    }
    char *body = conn->in + head.head_bytes;
    char after = body[head.body_bytes];
    body[head.body_bytes] = '\0';
    head.request.body = body;
    head.request.body_bytes = head.body_bytes;
    conn->keep = !head.close;
    (conn->bmc->answer == NULL ? lab_redfish_answer : conn->bmc->answer)(&head.request, &reply);
    bool is_head = strcmp(head.request.method, "HEAD") == 0;
    body[head.body_bytes] = after;
    conn->in_count -= head.head_bytes + head.body_bytes;
    memmove(conn->in, body + head.body_bytes, conn->in_count);
    conn_answer(conn, &reply, is_head);
    return true;
}

static bool conn_grow(struct lab_conn *conn)
{
    size_t room = conn->in_room == 0 ? REQUEST_ROOM : conn->in_room * 2;
    char *in = room > LAB_HTTP_REQUEST_MAX ? NULL : realloc(conn->in, room + 1);

    if (in == NULL) {
        return false;
    }
    conn->in = in;
    conn->in_room = room;
    return true;
}

/* An idle connection keeps no buffer. */
static void conn_shrink(struct lab_conn *conn)
{
    if (conn->in_count == 0) {
        free(TAKE(conn->in));
        conn->in_room = 0;
    }
}

static void conn_read(struct lab_conn *conn)
{
    while (!conn->answering && !conn->dying) {
        if (conn->in_count > 0 && conn_serve(conn)) {
            continue; /* Answered already, or answering is true now. */
        }
        if (conn->in_count == conn->in_room && !conn_grow(conn)) {
            conn_refuse(conn, 413);
            return;
        }
        char *at = conn->in + conn->in_count;
        size_t count = conn->in_room - conn->in_count;
        int result = conn->ssl != NULL ? SSL_read(conn->ssl, at, (int)count)
                                       : (int)recv(conn->fd, at, count, MSG_DONTWAIT);
        if (result <= 0) {
            conn_shrink(conn);
            conn_stuck(conn, result);
            return;
        }
        conn->in_count += (size_t)result;
    }
}

static void conn_ready(uv_poll_t *poll, int status, int events)
{
    struct lab_conn *conn = poll->data;

    if (status < 0 || (events & UV_DISCONNECT) != 0) {
        conn_close(conn);
    } else if ((conn->bmc->modes & (LAB_DEAD | LAB_HANG)) != 0) {
        uv_poll_stop(poll); /* Silence, until its connections are reset. */
    } else if (conn->answering) {
        conn_go_on(conn);
    } else {
        conn_read(conn);
    }
}

/* ---- listening -------------------------------------------------------------------------- */

static void listener_accept(struct lab_bmc *bmc, int fd)
{
    struct lab *lab = bmc->lab;
    struct lab_conn *conn = calloc(1, sizeof *conn);
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (conn == NULL || uv_poll_init(&lab->loop, &conn->poll, fd) != 0) {
        free(conn);
        close(fd);
        return;
    }
    conn->poll.data = conn;
    conn->bmc = bmc;
    conn->fd = fd;
    conn->next = lab->conns;
    conn->link = &lab->conns;
    if (lab->conns != NULL) {
        lab->conns->link = &conn->next;
    }
    lab->conns = conn;
    if (++lab->connections > lab->connections_peak) {
        lab->connections_peak = lab->connections;
    }
    if (!lab->options.plain) {
        conn->ssl = lab_tls_accept(bmc, fd);
        if (conn->ssl == NULL) {
            conn_close(conn);
            return;
        }
    }
    conn_wait(conn, UV_READABLE);
}

/* No descriptor is left: let the client see the end at once, instead of asking us for ever. */
static void listener_refuse(struct lab_bmc *bmc)
{
    struct lab *lab = bmc->lab;

    if (lab->refused++ == 0) {
        fprintf(
            stderr,
            "nightshift-lab: no file descriptor is left for a connection to %s; raise the limit "
            "(ulimit -n)\n",
            bmc->hosts->name);
    }
    closep(&lab->spare_fd);
    int fd = accept4(bmc->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    closep(&fd);
    lab->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(uv_poll_t *poll, int status, int events)
{
    struct lab_bmc *bmc = poll->data;
    int fd = accept4(bmc->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        listener_accept(bmc, fd);
    } else if (errno == EMFILE || errno == ENFILE) {
        listener_refuse(bmc);
    }
}

int lab_https_listen(struct lab_bmc *bmc, struct nsh_error *err)
{
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&bmc->address, sizeof bmc->address) != 0 ||
        listen(fd, 128) != 0) {
        return nsh_fail(err, NSH_IO, "%s: TCP port %u: %s", bmc->hosts->name,
                        ntohs(bmc->address.sin_port), strerror(errno));
    }
    int result = uv_poll_init(&bmc->lab->loop, &bmc->poll, fd);
    if (result < 0) {
        return nsh_fail(err, NSH_LIMIT, "%s: %s", bmc->hosts->name, uv_strerror(result));
    }
    bmc->fd = fd;
    fd = -1;
    bmc->poll.data = bmc;
    uv_poll_start(&bmc->poll, UV_READABLE, listener_ready);
    return 0;
}

int lab_https_open(struct lab *lab, struct nsh_error *err)
{
    lab->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return lab_tls_open(lab, err);
}

void lab_https_close(struct lab *lab)
{
    while (lab->conns != NULL) {
        conn_close(lab->conns);
    }
    closep(&lab->spare_fd);
}
