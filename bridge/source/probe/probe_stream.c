/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts over TCP: a connection (tcp), the first bytes of a server that speaks first (ssh), the
 * first line of an answer (http). A refused connection is no answer of the service, and its words
 * say that the machine's kernel did answer.
 */

#include "probe_private.h"

#include <stdio.h>

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

static void end(struct probe_attempt *attempt, const char *why, bool reached)
{
    if (!attempt->over) {
        attempt->over = true;
        probe_attempt_end(attempt, why, reached);
        probe_stream_stop(attempt);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    end(timer->data, "timed out", false);
}

/* What has come so far: an answer, no answer, or too little to say. */
static void judge(struct probe_attempt *attempt)
{
    const struct text reply = {attempt->reply, (uint32_t)attempt->reply_bytes};
    bool ssh = attempt->source->kind == PROBE_SSH;
    bool line = memchr(reply.at, '\n', reply.count) != NULL;
    if (ssh && reply.count >= 4) {
        /* RFC 4253, 4.2: lines may stand before the banner. */
        bool banner = text_starts(reply, "SSH-") ||
                      memmem(reply.at, reply.count, "\nSSH-", strlen("\nSSH-")) != NULL;
        if (banner || reply.count == sizeof attempt->reply) {
            end(attempt, banner ? NULL : "what answers is no SSH server", true);
        }
    } else if (!ssh && line) {
        int status = 0;
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)(reply.count < 63 ? reply.count : 63), reply.at);
        bool http = sscanf(text, "HTTP/%*[0-9.] %3d", &status) == 1;
        char why[64];
        snprintf(why, sizeof why, http ? "answers with status %d" : "no HTTP answer", status);
        end(attempt, http && status >= 100 && status < 500 ? NULL : why, true);
    } else if (!ssh && reply.count == sizeof attempt->reply) {
        end(attempt, "no HTTP answer", true);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe_attempt *attempt = handle->data;
    *buf = uv_buf_init(attempt->reply + attempt->reply_bytes,
                       (unsigned)(sizeof attempt->reply - attempt->reply_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct probe_attempt *attempt = stream->data;
    if (attempt->over) {
        return;
    }
    if (count < 0) {
        end(attempt, count == UV_EOF ? "closed without an answer" : uv_strerror((int)count), true);
        return;
    }
    attempt->reply_bytes += (size_t)count;
    judge(attempt);
}

static void ask_http(struct probe_attempt *attempt)
{
    const struct probe_source *source = attempt->source;
    char request[512];
    int count = snprintf(request, sizeof request,
                         "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: nightshift\r\n"
                         "Connection: close\r\n\r\n",
                         source->path, source->group.targets[attempt->target].address);
    uv_buf_t buf = uv_buf_init(request, (unsigned)count);
    if (uv_try_write((uv_stream_t *)&attempt->tcp, &buf, 1) != count) {
        end(attempt, "the request could not be written", true);
    }
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct probe_attempt *attempt = connect->data;
    if (attempt->over) {
        return;
    }
    if (status < 0) {
        end(attempt, uv_strerror(status), status == UV_ECONNREFUSED);
        return;
    }
    if (attempt->source->kind == PROBE_TCP) {
        end(attempt, NULL, true);
        return;
    }
    if (attempt->source->kind == PROBE_HTTP) {
        ask_http(attempt);
    }
    if (!attempt->over && uv_read_start((uv_stream_t *)&attempt->tcp, on_room, on_read) < 0) {
        end(attempt, "it could not be read", true);
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
    uv_timer_start(&attempt->timer, on_timeout, (uint64_t)source->timeout_ms, 0);
    const char *text = source->group.targets[attempt->target].address;
    int result = address_parse(text, source->port, &address)
                     ? uv_tcp_connect(&attempt->connect, &attempt->tcp,
                                      (const struct sockaddr *)&address, on_connect)
                     : UV_EINVAL;
    if (result < 0) {
        end(attempt, result == UV_EINVAL ? "its address is no IP address" : uv_strerror(result),
            false);
    }
}
