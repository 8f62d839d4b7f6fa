/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP for thousands of endpoints on one loop: libcurl's multi socket interface, sharded by host,
 * because one multi handle is superlinear in kept connections. Connections are kept and reused; TLS
 * sessions as well (loop_tls.c).
 *
 * A request that may have an effect is never sent twice: libcurl would repeat it when a kept
 * connection turns out dead, prereq() forbids that once a byte left. Redirects are not followed,
 * proxies of the environment not used. Bounds: REQUESTS_MAX running, HEADERS_COUNT_MAX and
 * HEADERS_BYTES_MAX of a reply, its body by the request. At most HANDSHAKES_PER_TURN steps of TLS
 * handshakes run between two looks at the other sockets.
 */

#include "loop/loop_http.h"
#include "base/assert.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define SHARDS_DEFAULT 64
#define CONNECTIONS_DEFAULT 20000
#define REQUESTS_MAX 20000    /* 10,000 calls in flight, and as many logouts. */
#define HANDSHAKES_PER_TURN 8 /* Some 3 ms. */
#define REPLY_BYTES_DEFAULT (1u << 20)
#define TIMEOUT_MS_DEFAULT 30000
#define CONNECT_TIMEOUT_MS_DEFAULT 10000
#define BUFFER_BYTES 4096L
#define CONNECTION_AGE_S 600L         /* A connection idle for longer is not trusted. */
#define AUTHORITIES_AGE_S 60L         /* Then a changed ca_file is read. */
#define HOST_CONNECTIONS_MAX 4L       /* What a management controller bears. */
#define SERVER_CONNECTIONS_DEFAULT 32 /* To one server: more answer no sooner. */
#define BURST_LEAST 256               /* So many requests at once leave memory to give back, */
#define BURST_OVER_MS 1000            /* so long after the last of them began to end. */

static void socket_event(uv_poll_t *poll, int status, int events);
static void shard_timeout(void *arg);
static void shard_collect(struct http_shard *shard);

/* ---- sockets ---- */

static void socket_act(struct http_socket *sock, int bits)
{
    struct http_shard *shard = sock->shard;
    int running = 0;
    curl_multi_socket_action(shard->multi, sock->fd, bits, &running);
    shard_collect(shard);
}

static void queue_add(struct http_queue *queue, struct http_socket *sock)
{
    sock->queue = queue;
    sock->next = NULL;
    sock->previous = queue->last;
    *(queue->last == NULL ? &queue->first : &queue->last->next) = sock;
    queue->last = sock;
}

static void queue_remove(struct http_socket *sock)
{
    struct http_queue *queue = sock->queue;
    if (queue == NULL) {
        return;
    }
    *(sock->previous == NULL ? &queue->first : &sock->previous->next) = sock->next;
    *(sock->next == NULL ? &queue->last : &sock->next->previous) = sock->previous;
    sock->queue = NULL;
}

/* A few handshake steps; those under way come before those that begin, so that some finish early.
 */
static void handshakes_run(uv_idle_t *idle)
{
    struct http *http = idle->data;
    for (int i = 0; i < HANDSHAKES_PER_TURN; i++) {
        struct http_socket *sock =
            http->under_way.first != NULL ? http->under_way.first : http->beginning.first;
        if (sock == NULL) {
            uv_idle_stop(idle);
            return;
        }
        int bits = sock->pending;
        queue_remove(sock);
        http_fd_set(http, sock->fd, http_fd_bits(http, sock->fd) & ~HTTP_FD_WAITS);
        sock->pending = 0;
        sock->begun = true;
        uv_poll_start(&sock->poll, sock->events, socket_event);
        socket_act(sock, bits);
    }
}

static void socket_event(uv_poll_t *poll, int status, int events)
{
    struct http_socket *sock = poll->data;
    struct http *http = sock->shard->loop->http;
    int bits = ((events & UV_READABLE) != 0 || status < 0 ? CURL_CSELECT_IN : 0) |
               ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0) |
               (status < 0 ? CURL_CSELECT_ERR : 0);
    unsigned fresh = http_fd_bits(http, sock->fd);
    if (fresh == 0) {
        socket_act(sock, bits);
        return;
    }
    http_fd_set(http, sock->fd, fresh | HTTP_FD_HEARD | HTTP_FD_WAITS);
    sock->pending |= bits;
    uv_poll_stop(poll); /* Else the loop is told again each turn until its turn comes. */
    if (sock->queue == NULL) {
        queue_add(sock->begun ? &http->under_way : &http->beginning, sock);
        uv_idle_start(&http->idle, handshakes_run);
    }
}

static void socket_free(uv_handle_t *handle)
{
    free(handle->data);
}

/* libcurl tells which events it wants of a socket. */
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_shard *shard = arg;
    struct http_socket *sock = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (sock != NULL) {
            queue_remove(sock);
            uv_poll_stop(&sock->poll);
            uv_close((uv_handle_t *)&sock->poll, socket_free);
            curl_multi_assign(shard->multi, fd, NULL);
        }
        return 0;
    }
    if (sock == NULL) {
        sock = calloc(1, sizeof *sock);
        if (sock == NULL || uv_poll_init(&shard->loop->uv, &sock->poll, fd) < 0) {
            free(sock);
            return -1; /* The transfer ends as CURLE_ABORTED_BY_CALLBACK. */
        }
        sock->shard = shard;
        sock->fd = fd;
        sock->poll.data = sock;
        curl_multi_assign(shard->multi, fd, sock);
    }
    sock->events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    uv_poll_start(&sock->poll, sock->events, socket_event);
    return 0;
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_shard *shard = arg;
    if (timeout_ms < 0) {
        loop_timer_stop(shard->loop, &shard->timer);
        return 0;
    }
    return loop_timer_start(shard->loop, &shard->timer, timeout_ms, shard_timeout, shard) < 0 ? -1
                                                                                              : 0;
}

static void shard_timeout(void *arg)
{
    struct http_shard *shard = arg;
    int running = 0;
    curl_multi_socket_action(shard->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    shard_collect(shard);
}

/* ---- the reply ---- */

static void reply_forget(struct nsh_http *request)
{
    request->headers_bytes = 0;
    request->headers_count = 0;
    request->body_bytes = 0;
}

/* Header lines are kept one after the other, lower-case names, each NUL-terminated. */
static size_t header_take(char *bytes, size_t size, size_t count, void *arg)
{
    struct nsh_http *request = arg;
    size_t line_bytes = count;
    while (line_bytes > 0 && (bytes[line_bytes - 1] == '\n' || bytes[line_bytes - 1] == '\r')) {
        line_bytes--;
    }
    if (line_bytes >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        reply_forget(request); /* A 100 Continue came before. */
        return count;
    }
    if (line_bytes == 0 && request->began != NULL) {
        stream_took(request);
    }
    const char *colon = memchr(bytes, ':', line_bytes);
    if (colon == NULL || memchr(bytes, 0, line_bytes) != NULL) {
        return count;
    }
    if (request->headers_count == HEADERS_COUNT_MAX ||
        request->headers_bytes + line_bytes + 1 > HEADERS_BYTES_MAX) {
        request->over_limit = true;
        return 0;
    }
    char *grown = realloc(request->headers, request->headers_bytes + line_bytes + 1);
    if (grown == NULL) {
        request->out_of_memory = true;
        return 0;
    }
    request->headers = grown;
    char *at = grown + request->headers_bytes;
    memcpy(at, bytes, line_bytes);
    at[line_bytes] = 0;
    for (char *c = at; *c != ':'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    request->headers_bytes += line_bytes + 1;
    request->headers_count++;
    return count;
}

static size_t body_take(char *bytes, size_t size, size_t count, void *arg)
{
    struct nsh_http *request = arg;
    if (count > request->body_bytes_max - request->body_bytes) {
        request->over_limit = true;
        return 0;
    }
    if (request->body_bytes + count + 1 > request->body_room) {
        size_t room = request->body_room * 2 < request->body_bytes + count + 1
                          ? request->body_bytes + count + 1
                          : request->body_room * 2;
        char *grown = realloc(request->body, room);
        if (grown == NULL) {
            request->out_of_memory = true;
            return 0;
        }
        request->body = grown;
        request->body_room = room;
    }
    memcpy(request->body + request->body_bytes, bytes, count);
    request->body_bytes += count;
    request->body[request->body_bytes] = 0;
    stream_took(request);
    return count;
}

/* ---- the request ---- */

static void request_end(struct nsh_http *request);
static void request_tell(struct nsh_http *request, CURLcode result);
static void request_free(struct nsh_http *request);

/*
 * A connection is given up when the peer was silent for so long, not when it waits for us:
 * thousands of handshakes at once take longer than any one of them may.
 */
static void connecting_due(void *arg)
{
    struct nsh_http *request = arg;
    struct http *http = request->shard->loop->http;
    unsigned bits = request->fd < 0 ? 0 : http_fd_bits(http, request->fd);
    if ((bits & (HTTP_FD_HEARD | HTTP_FD_WAITS)) != 0) {
        http_fd_set(http, request->fd, bits & ~HTTP_FD_HEARD);
        int result = loop_timer_start(request->shard->loop, &request->connecting,
                                      request->connect_ms, connecting_due, request);
        NSH_ASSERT(result == 0); /* It ran before: its place is kept. */
        return;
    }
    request->unconnected = true;
    request_end(request);
    request_tell(request, CURLE_OPERATION_TIMEDOUT);
    request_free(request);
}

static curl_socket_t fd_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct nsh_http *request = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) {
        return CURL_SOCKET_BAD;
    }
    if (request->tls) {
        http_fd_set(request->shard->loop->http, fd, HTTP_FD_FRESH);
        request->fd = fd;
        loop_timer_start(request->shard->loop, &request->connecting, request->connect_ms,
                         connecting_due, request);
    }
    request->shard->loop->figures.http_connections++;
    return fd;
}

static int fd_close(void *arg, curl_socket_t fd)
{
    struct loop *loop = arg;
    http_fd_set(loop->http, fd, 0);
    loop->figures.http_connections--;
    return close(fd);
}

static long bytes_sent(CURL *easy)
{
    long bytes = 0;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes;
}

/* The connection stands and the request is about to leave. */
static int prereq(void *arg, char *peer, char *own, int peer_port, int own_port)
{
    struct nsh_http *request = arg;
    if (request->fd >= 0) {
        http_fd_set(request->shard->loop->http, request->fd, 0);
        loop_timer_stop(request->shard->loop, &request->connecting);
        request->fd = -1;
    }
    request->attempts++;
    if (request->attempts > 1 && !request->safe && bytes_sent(request->easy) > 0) {
        request->not_again = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static bool options_basic(struct nsh_http *request, const struct nsh_http_request *from)
{
    CURL *easy = request->easy;
    struct loop *loop = request->shard->loop;
    long timeout_ms = from->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : (long)from->timeout_ms;
    long connect_ms =
        from->connect_timeout_ms == 0 ? CONNECT_TIMEOUT_MS_DEFAULT : (long)from->connect_timeout_ms;
    bool good = true;
#define SET(option, value) good = good && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_URL, from->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, from->proxy == NULL ? "" : from->proxy);
    /* The environment has no say; where a machine asks about itself, a proxy would be another. */
    SET(CURLOPT_NOPROXY, "169.254.169.254,metadata.google.internal");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_MAXAGE_CONN, CONNECTION_AGE_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    request->connect_ms = (uint32_t)connect_ms;
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        !request->tls && connect_ms < timeout_ms ? connect_ms : timeout_ms);
    SET(CURLOPT_ERRORBUFFER, request->words);
    SET(CURLOPT_PRIVATE, (void *)request);
    SET(CURLOPT_HEADERFUNCTION, header_take);
    SET(CURLOPT_HEADERDATA, (void *)request);
    SET(CURLOPT_WRITEFUNCTION, body_take);
    SET(CURLOPT_WRITEDATA, (void *)request);
    SET(CURLOPT_OPENSOCKETFUNCTION, fd_open);
    SET(CURLOPT_OPENSOCKETDATA, (void *)request);
    SET(CURLOPT_CLOSESOCKETFUNCTION, fd_close);
    SET(CURLOPT_CLOSESOCKETDATA, (void *)loop);
    SET(CURLOPT_PREREQFUNCTION, prereq);
    SET(CURLOPT_PREREQDATA, (void *)request);
    if (from->received != NULL) {
        SET(CURLOPT_TCP_KEEPIDLE, HTTP_STREAM_KEEPALIVE_S);
        SET(CURLOPT_TCP_KEEPINTVL, HTTP_STREAM_KEEPALIVE_S / 3);
    }
    if (from->connection_close) {
        SET(CURLOPT_FORBID_REUSE, 1L);
    }
    if (from->user != NULL) {
        SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, from->user);
        SET(CURLOPT_PASSWORD, from->password == NULL ? "" : from->password);
    }
    return good;
}

/* A file's name, or the file itself: PEM text. */
static bool option_pem(CURL *easy, CURLoption file, CURLoption blob, const char *text)
{
    if (text == NULL || strncmp(text, NSH_PEM_BEGINS, sizeof NSH_PEM_BEGINS - 1) != 0) {
        return curl_easy_setopt(easy, file, text) == CURLE_OK;
    }
    struct curl_blob pem = {
        .data = (void *)(uintptr_t)text, .len = strlen(text), .flags = CURL_BLOB_COPY};
    return curl_easy_setopt(easy, blob, &pem) == CURLE_OK;
}

static bool options_tls(struct nsh_http *request, const struct nsh_http_request *from)
{
    CURL *easy = request->easy;
    bool verify = !from->insecure && from->pinned_key == NULL, good = true;
    SET(CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L); /* Eight sessions are too few: loop_tls.c keeps them. */
    SET(CURLOPT_SSL_CTX_FUNCTION, tls_prepare);
    SET(CURLOPT_SSL_CTX_DATA, (void *)request);
    /* libcurl reads authorities even when it verifies nothing, and shares them between connections
     * when they come from a file alone. */
    const char *preset = curl_version_info(CURLVERSION_NOW)->cainfo;
    if (!verify || from->ca_file != NULL || preset != NULL) {
        good = option_pem(easy, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB,
                          !verify                 ? NULL
                          : from->ca_file != NULL ? from->ca_file
                                                  : preset) &&
               good;
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_CA_CACHE_TIMEOUT, AUTHORITIES_AGE_S);
    }
    if (from->pinned_key != NULL) {
        SET(CURLOPT_PINNEDPUBLICKEY, from->pinned_key);
    }
    if (from->client_cert != NULL) {
        good = option_pem(easy, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB, from->client_cert) &&
               option_pem(easy, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB,
                          from->client_key == NULL ? from->client_cert : from->client_key) &&
               good;
    }
    return good;
}

static bool header_add(struct nsh_http *request, const char *line)
{
    struct curl_slist *grown = curl_slist_append(request->sent_headers, line);
    if (grown == NULL) {
        return false;
    }
    request->sent_headers = grown;
    return true;
}

static bool options_message(struct nsh_http *request, const struct nsh_http_request *from)
{
    CURL *easy = request->easy;
    const char *method = from->method == NULL ? "GET" : from->method;
    bool good = header_add(request, "Expect:");
    for (size_t i = 0; good && from->headers != NULL && from->headers[i] != NULL; i++) {
        good = header_add(request, from->headers[i]);
    }
    request->safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (from->body_bytes > 0 || strcmp(method, "POST") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)from->body_bytes);
        SET(CURLOPT_COPYPOSTFIELDS, from->body_bytes == 0 ? "" : from->body);
        SET(CURLOPT_CUSTOMREQUEST, method);
    } else if (!request->safe) {
        SET(CURLOPT_CUSTOMREQUEST, method);
    }
    SET(CURLOPT_HTTPHEADER, request->sent_headers);
    return good;
#undef SET
}

static void request_free(struct nsh_http *request)
{
    if (request->easy != NULL) {
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->sent_headers);
    free(request->endpoint);
    free(request->headers);
    free(request->body);
    free(request);
}

/* Bad header lines would be two headers, or another request. */
static int request_check(const struct nsh_http_request *from, struct nsh_error *err)
{
    if (strncasecmp(from->url, "http://", 7) != 0 && strncasecmp(from->url, "https://", 8) != 0) {
        return nsh_fail(err, NSH_INVALID, "a URL begins with http:// or https://, got %.64s",
                        from->url);
    }
    for (const char *c = from->url; *c != 0; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return nsh_fail(err, NSH_INVALID, "the URL has a blank or control character");
        }
    }
    for (size_t i = 0; from->headers != NULL && from->headers[i] != NULL; i++) {
        if (i == NSH_HTTP_HEADERS_MAX) {
            return nsh_fail(err, NSH_LIMIT, "more than %d request headers", NSH_HTTP_HEADERS_MAX);
        }
        if (strpbrk(from->headers[i], "\r\n") != NULL || strchr(from->headers[i], ':') == NULL) {
            return nsh_fail(err, NSH_INVALID, "request header %zu is no \"Name: value\"", i + 1);
        }
    }
    return 0;
}

/* scheme://authority of a URL and what its TLS connections depend on: the key of shard and
 * sessions. */
static char *endpoint_of(const struct nsh_http_request *from)
{
    const char *authority = strstr(from->url, "://") + 3;
    size_t bytes = (size_t)(authority - from->url) + strcspn(authority, "/?#");
    char *endpoint = NULL;
    int result =
        asprintf(&endpoint, "%.*s %s %s %s %d", (int)bytes, from->url,
                 from->ca_file == NULL ? "" : from->ca_file,
                 from->pinned_key == NULL ? "" : from->pinned_key,
                 from->client_cert == NULL ? "" : from->client_cert, from->insecure ? 1 : 0);
    return result < 0 ? NULL : endpoint;
}

int service_http(struct nsh_services *services, const struct nsh_http_request *from,
                 void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                 struct nsh_http **ret_http, struct nsh_error *err)
{
    struct loop *loop = loop_of(services);
    struct http *http = loop->http;
    int result = request_check(from, err);
    if (result < 0) {
        return result;
    }
    if (http->running == REQUESTS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d HTTP requests are running", REQUESTS_MAX);
    }
    if (from->received != NULL && http->streams_count == HTTP_STREAMS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d HTTP streams are open", HTTP_STREAMS_MAX);
    }
    struct nsh_http *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    request->endpoint = endpoint_of(from);
    request->easy = curl_easy_init();
    request->done = done;
    request->arg = arg;
    request->received = from->received;
    request->began = from->received == NULL ? NULL : from->began;
    request->fd = -1;
    request->tls = strncasecmp(from->url, "https", 5) == 0;
    request->body_bytes_max =
        from->reply_bytes_max == 0 ? REPLY_BYTES_DEFAULT : from->reply_bytes_max;
    if (request->endpoint != NULL) {
        unsigned index = (unsigned)(text_hash(text_of(request->endpoint)) % http->shards_count);
        unsigned place = from->server ? http->shards_count + 1 + index : index;
        request->shard = http_shard(loop, from->received != NULL ? http->shards_count : place);
    }
    if (request->easy == NULL || request->shard == NULL || !options_basic(request, from) ||
        !options_tls(request, from) || !options_message(request, from) ||
        curl_multi_add_handle(request->shard->multi, request->easy) != CURLM_OK) {
        request_free(request);
        return nsh_fail(err, NSH_NOMEM, "out of memory for an HTTP request");
    }
    request->next = request->shard->requests;
    if (request->next != NULL) {
        request->next->previous = request;
    }
    request->shard->requests = request;
    http->running++;
    http->streams_count += request->received != NULL ? 1 : 0;
    http->running_most = http->running > http->running_most ? http->running : http->running_most;
    loop->figures.http_requests++;
    if (ret_http != NULL) {
        *ret_http = request;
    }
    return 0;
}

/* A burst of handshakes leaves holes between the connections that are kept, some 40 KB for each:
 * the pages go back to the kernel, else they are ours for ever. */
static void burst_over(void *arg)
{
    struct http *http = arg;
    http->running_most = http->running;
    http->burst_waits = false;
    malloc_trim(0);
}

static void burst_look(struct loop *loop)
{
    struct http *http = loop->http;
    if (http->running_most >= BURST_LEAST && http->running <= http->running_most / 8 &&
        !http->burst_waits) {
        http->burst_waits =
            loop_timer_start(loop, &http->burst, BURST_OVER_MS, burst_over, http) == 0;
    }
}

static void request_end(struct nsh_http *request)
{
    struct http *http = request->shard->loop->http;
    loop_timer_stop(request->shard->loop, &request->connecting);
    stream_forget(request);
    curl_multi_remove_handle(request->shard->multi, request->easy);
    *(request->previous == NULL ? &request->shard->requests : &request->previous->next) =
        request->next;
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
    http->running--;
    http->streams_count -= request->received != NULL ? 1 : 0;
    burst_look(request->shard->loop);
}

void service_http_cancel(struct nsh_services *services, struct nsh_http *request)
{
    if (request != NULL) {
        request_end(request);
        request_free(request);
    }
}

/* ---- endings ---- */

static int code_of(const struct nsh_http *request, CURLcode result, bool sent)
{
    if (request->over_limit || request->out_of_memory) {
        return request->over_limit ? NSH_LIMIT : NSH_NOMEM;
    }
    if (request->not_again) {
        return NSH_DISCONNECTED;
    }
    switch ((int)result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return NSH_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return sent ? NSH_TIMEOUT : NSH_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return NSH_MISMATCH;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
        return NSH_PROTOCOL;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
        return NSH_INVALID;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_ABORTED_BY_CALLBACK:
        return NSH_NOMEM;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return sent ? NSH_DISCONNECTED : NSH_UNREACHABLE;
    default:
        return NSH_PROTOCOL;
    }
}

static const char *words_of(const struct nsh_http *request, CURLcode result)
{
    if (request->over_limit) {
        return "the reply is longer than allowed";
    }
    if (request->unconnected) {
        return "the peer did not answer while connecting";
    }
    if (request->not_again) {
        return "the connection broke after the request was sent, it is not sent again";
    }
    return request->words[0] != 0 ? request->words : curl_easy_strerror(result);
}

void http_headers(const struct nsh_http *request, const char *ret_headers[HEADERS_COUNT_MAX + 1])
{
    const char *at = request->headers;
    for (size_t i = 0; i < request->headers_count; i++) {
        ret_headers[i] = at;
        at += strlen(at) + 1;
    }
    ret_headers[request->headers_count] = NULL;
}

static void request_tell(struct nsh_http *request, CURLcode result)
{
    const char *headers[HEADERS_COUNT_MAX + 1];
    http_headers(request, headers);
    struct nsh_http_reply reply = {
        .sent = bytes_sent(request->easy) > 0,
        .headers = headers,
        .body = request->body == NULL || request->body_bytes == 0 ? "" : request->body,
        .body_bytes = request->body_bytes,
    };
    if (result == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        reply.status = (int)status;
    } else {
        reply.code = code_of(request, result, reply.sent);
        reply.text = words_of(request, result);
    }
    request->done(request->arg, &reply);
}

static void shard_collect(struct http_shard *shard)
{
    int left = 0;
    stream_deliver(shard);
    for (CURLMsg *message; (message = curl_multi_info_read(shard->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        struct nsh_http *request = NULL;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        request_end(request);
        request_tell(request, result);
        request_free(request);
    }
}

/* ---- the whole ---- */

struct http_shard *http_shard(struct loop *loop, unsigned index)
{
    struct http *http = loop->http;
    struct http_shard *shard = &http->shards[index];
    unsigned connections = loop->options.http_connections_max == 0
                               ? CONNECTIONS_DEFAULT
                               : loop->options.http_connections_max;
    if (shard->multi != NULL) {
        return shard;
    }
    shard->loop = loop;
    shard->multi = curl_multi_init();
    if (shard->multi == NULL) {
        return NULL;
    }
    long each = (long)((connections + http->shards_count - 1) / http->shards_count);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, each);
    /* Streams would take all of a host's connections, and its other requests wait for ever. */
    bool streams = index == http->shards_count;
    long most = shard->loop->options.server_connections_max;
    most = most == 0 ? SERVER_CONNECTIONS_DEFAULT : most;
    most = index > http->shards_count ? most : HOST_CONNECTIONS_MAX;
    curl_multi_setopt(shard->multi, CURLMOPT_MAX_HOST_CONNECTIONS, streams ? 0L : most);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return shard;
}

int http_init(struct loop *loop, struct nsh_error *err)
{
    unsigned count = loop->options.http_shards == 0 ? SHARDS_DEFAULT : loop->options.http_shards;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return nsh_fail(err, NSH_NOMEM, "libcurl does not start");
    }
    loop->http = calloc(1, sizeof *loop->http);
    if (loop->http != NULL) {
        loop->http->shards = calloc(HTTP_SHARDS(count), sizeof *loop->http->shards);
    }
    if (loop->http == NULL || loop->http->shards == NULL) {
        free(loop->http);
        loop->http = NULL;
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    loop->http->shards_count = count;
    uv_idle_init(&loop->uv, &loop->http->idle);
    loop->http->idle.data = loop->http;
    return 0;
}

size_t http_running(const struct loop *loop)
{
    return loop->http == NULL ? 0 : loop->http->running;
}

static void http_free(uv_handle_t *idle)
{
    struct http *http = idle->data;
    tls_sessions_done(http);
    free(http->fds);
    free(http->shards);
    free(http);
}

void http_done(struct loop *loop)
{
    struct http *http = loop->http;
    if (http == NULL) {
        return;
    }
    http->burst_waits = true; /* No more of them. */
    loop_timer_stop(loop, &http->burst);
    for (unsigned i = 0; i < HTTP_SHARDS(http->shards_count); i++) {
        struct http_shard *shard = &http->shards[i];
        while (shard->requests != NULL) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it takes itself out of the list. */
            service_http_cancel(&loop->services, shard->requests);
        }
        if (shard->multi != NULL) {
            curl_multi_cleanup(shard->multi);
        }
    }
    uv_close((uv_handle_t *)&http->idle, http_free);
}
