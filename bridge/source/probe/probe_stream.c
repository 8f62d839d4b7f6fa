/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts over TCP: a connection (tcp), the first bytes of a server that speaks first (ssh), the
 * first line of an answer, or all of it when its body is looked at (http, https). A refused
 * connection is no answer of the service, and its words say that the machine's kernel did answer.
 */

#include "probe_private.h"

#include <stdio.h>
#include <stdlib.h>

static void on_closed(uv_handle_t *handle)
{
    struct probe_attempt *attempt = handle->data;
    if (--attempt->handles == 0) {
        probe_attempt_free(attempt);
    }
}

void probe_stream_stop(struct probe_attempt *attempt)
{
    if (!uv_is_closing((uv_handle_t *)&attempt->tcp)) {
        uv_close((uv_handle_t *)&attempt->tcp, on_closed);
    }
    if (!uv_is_closing((uv_handle_t *)&attempt->timer)) {
        uv_close((uv_handle_t *)&attempt->timer, on_closed);
    }
}

void probe_stream_end(struct probe_attempt *attempt, const char *why, bool reached)
{
    if (!attempt->over) {
        attempt->over = true;
        probe_attempt_end(attempt, why, reached);
        probe_stream_stop(attempt);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    probe_stream_end(timer->data, "timed out", false);
}

/* ---- what has come ---- */

/* RFC 4253, 4.2: lines may stand before the banner. */
static void judge_ssh(struct probe_attempt *attempt, struct text reply)
{
    bool banner = text_starts(reply, "SSH-") ||
                  memmem(reply.at, reply.count, "\nSSH-", strlen("\nSSH-")) != NULL;
    if (reply.count >= 4 && (banner || reply.count == attempt->reply_room)) {
        probe_stream_end(attempt, banner ? NULL : "what answers is no SSH server", true);
    }
}

/* What stands after the header; count 0: nothing. */
static struct text body_of(struct text reply)
{
    const char *blank = memmem(reply.at, reply.count, "\r\n\r\n", 4);
    return blank == NULL ? (struct text){"", 0}
                         : (struct text){blank + 4, reply.count - (uint32_t)(blank + 4 - reply.at)};
}

static void judge_http(struct probe_attempt *attempt, struct text reply, bool ended)
{
    const struct probe_source *source = attempt->source;
    int status = 0;
    char text[64], why[96] = "";
    bool full = reply.count == attempt->reply_room;
    bool line = memchr(reply.at, '\n', reply.count) != NULL;
    if (!ended && !full && (!line || source->body[0] != '\0')) {
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)(reply.count < 63 ? reply.count : 63), reply.at);
    bool http = sscanf(text, "HTTP/%*[0-9.] %3d", &status) == 1 && status >= 100;
    snprintf(text, sizeof text, "%d", status);
    bool wanted = source->status[0] == '\0' ? status < 500
                                            : text_glob(text_of(source->status), text_of(text));
    if (!http) {
        snprintf(why, sizeof why, line || !ended ? "no HTTP answer" : "closed without an answer");
    } else if (!wanted) {
        snprintf(why, sizeof why, "answers with status %d", status);
    } else if (source->body[0] != '\0' && !text_glob(text_of(source->body), body_of(reply))) {
        snprintf(why, sizeof why, "status %d, but its body does not fit %.40s", status,
                 source->body);
    }
    probe_stream_end(attempt, why[0] == '\0' ? NULL : why, true);
}

void probe_stream_judge(struct probe_attempt *attempt, bool ended)
{
    const struct text reply = {attempt->reply, (uint32_t)attempt->reply_bytes};
    if (attempt->source->kind != PROBE_SSH) {
        judge_http(attempt, reply, ended);
    } else if (ended) {
        probe_stream_end(attempt, "closed without an answer", true);
    } else {
        judge_ssh(attempt, reply);
    }
}

/* ---- reading and writing ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe_attempt *attempt = handle->data;
    if (attempt->tls != NULL) {
        *buf = uv_buf_init(attempt->source->tls_bytes, PROBE_TLS_BYTES_MAX);
        return;
    }
    *buf = uv_buf_init(attempt->reply + attempt->reply_bytes,
                       (unsigned)(attempt->reply_room - attempt->reply_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct probe_attempt *attempt = stream->data;
    if (attempt->over || count == 0) {
        return;
    }
    if (count == UV_EOF) {
        probe_stream_judge(attempt, true);
    } else if (count < 0) {
        probe_stream_end(attempt, uv_strerror((int)count), true);
    } else if (attempt->tls != NULL) {
        probe_tls_received(attempt, (size_t)count);
    } else {
        attempt->reply_bytes += (size_t)count;
        probe_stream_judge(attempt, false);
    }
}

int probe_stream_request(const struct probe_attempt *attempt, char *room, size_t room_bytes)
{
    const struct probe_source *source = attempt->source;
    const char *host = source->server_name[0] == '\0'
                           ? source->group.targets[attempt->target].address
                           : source->server_name;
    /* 1.0 where the body is looked at: it comes in one piece then. */
    return snprintf(room, room_bytes,
                    "GET %s HTTP/1.%d\r\nHost: %s\r\nUser-Agent: nightshift\r\n"
                    "Connection: close\r\n\r\n",
                    source->path, source->body[0] == '\0', host);
}

static void ask_http(struct probe_attempt *attempt)
{
    char request[1024];
    int count = probe_stream_request(attempt, request, sizeof request);
    uv_buf_t buf = uv_buf_init(request, (unsigned)count);
    if (uv_try_write((uv_stream_t *)&attempt->tcp, &buf, 1) != count) {
        probe_stream_end(attempt, "the request could not be written", true);
    }
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct probe_attempt *attempt = connect->data;
    if (attempt->over) {
        return;
    }
    if (status < 0) {
        probe_stream_end(attempt, uv_strerror(status), status == UV_ECONNREFUSED);
        return;
    }
    if (attempt->source->kind == PROBE_TCP) {
        probe_stream_end(attempt, NULL, true);
        return;
    }
    if (attempt->source->kind == PROBE_HTTP) {
        ask_http(attempt);
    } else if (attempt->source->kind == PROBE_HTTPS) {
        probe_tls_start(attempt);
    }
    if (!attempt->over && uv_read_start((uv_stream_t *)&attempt->tcp, on_room, on_read) < 0) {
        probe_stream_end(attempt, "it could not be read", true);
    }
}

static bool address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_address)
{
    return uv_ip4_addr(text, port, (struct sockaddr_in *)ret_address) == 0 ||
           uv_ip6_addr(text, port, (struct sockaddr_in6 *)ret_address) == 0;
}

void probe_stream_start(struct probe_attempt *attempt)
{
    struct probe_source *source = attempt->source;
    struct sockaddr_storage address = {0};
    uv_tcp_init(source->services->loop, &attempt->tcp);
    uv_timer_init(source->services->loop, &attempt->timer);
    attempt->tcp.data = attempt->timer.data = attempt->connect.data = attempt;
    attempt->handles = 2;
    attempt->reply_room = source->body[0] == '\0' ? PROBE_REPLY_BYTES_MAX : PROBE_BODY_BYTES_MAX;
    attempt->reply = malloc(attempt->reply_room);
    uv_timer_start(&attempt->timer, on_timeout, (uint64_t)source->timeout_ms, 0);
    const char *text = source->group.targets[attempt->target].address;
    int result = attempt->reply == NULL ? UV_ENOMEM
                 : address_parse(text, source->port, &address)
                     ? uv_tcp_connect(&attempt->connect, &attempt->tcp,
                                      (const struct sockaddr *)&address, on_connect)
                     : UV_EINVAL;
    if (result < 0) {
        probe_stream_end(attempt,
                         result == UV_EINVAL ? "its address is no IP address" : uv_strerror(result),
                         false);
    }
}
