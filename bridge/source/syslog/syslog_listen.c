/* SPDX-License-Identifier: Apache-2.0 */
#include "syslog_private.h"

#include "base/assert.h"

#include <linux/sock_diag.h>
#include <stdlib.h>

#define RECEIVE_BUFFER_BYTES (8 << 20)
#define BACKLOG 128

static const char *const schemes[] = {"udp:", "tcp:", "tls:", NULL};

static enum syslog_kind kind_of(const char *listen)
{
    if (strncmp(listen, "tcp:", 4) == 0) {
        return SYSLOG_TCP;
    }
    return strncmp(listen, "tls:", 4) == 0 ? SYSLOG_TLS : SYSLOG_UDP;
}

/* ---- from a message to an event ---- */

static void on_flush(uv_check_t *check)
{
    syslog_push(check->data, false);
}

void syslog_take(struct syslog_listen *listen, struct text bytes, const char *address, bool relay)
{
    struct syslog_message message;
    struct event event;
    struct syslog_origin origin = {
        .address = text_of(address), .relay = relay, .received_ms = intake_now_ms(listen->intake)};
    syslog_count(listen, SYSLOG_received, 1);
    if (syslog_decode(bytes, &message, NULL) < 0) {
        syslog_count(listen, SYSLOG_malformed, 1);
        return;
    }
    bool mapped = syslog_map(&listen->mapper, &message, &origin, &event);
    if (!mapped || event.unmatched) {
        syslog_count(listen, SYSLOG_unmatched, 1);
    }
    if (mapped) {
        syslog_event(listen, &event);
    }
}

/* ---- datagrams ---- */

static void on_datagrams(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct syslog_socket *socket = handle->data;
    *buf = uv_buf_init(socket->listen->datagrams, SYSLOG_DATAGRAMS_BYTES);
}

static void on_datagram(uv_udp_t *udp, ssize_t count, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct syslog_socket *socket = udp->data;
    struct syslog_listen *listen = socket->listen;
    struct sockaddr_storage address = {0};
    char chars[PEER_ADDRESS_CHARS_MAX];
    if (count <= 0 || from == NULL) {
        return;
    }
    memcpy(&address, from,
           from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    if (!peer_networks_have(&listen->sources, &address)) {
        syslog_count(listen, SYSLOG_denied, 1);
        return;
    }
    peer_address_write(&address, chars);
    bool cut = (size_t)count > SYSLOG_MESSAGE_BYTES_MAX;
    syslog_count(listen, SYSLOG_cut, cut);
    syslog_take(listen, (struct text){buf->base, cut ? SYSLOG_MESSAGE_BYTES_MAX : (uint32_t)count},
                chars, listen->relays.count > 0 && peer_networks_have(&listen->relays, &address));
}

static void drops_read(struct syslog_socket *socket)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t bytes = sizeof info;
    uv_os_fd_t fd;
    if (uv_fileno(&socket->handle, &fd) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &bytes) == 0) {
        syslog_count(socket->listen, SYSLOG_kernel_drops, info[SK_MEMINFO_DROPS] - socket->drops);
        socket->drops = info[SK_MEMINFO_DROPS];
    }
}

/* ---- the thread ---- */

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0) {
        syslog_peer_accept(stream->data);
    }
}

static void on_second(uv_timer_t *timer)
{
    struct syslog_listen *listen = timer->data;
    int64_t now_ms = (int64_t)uv_now(&listen->loop);
    for (size_t i = 0; i < listen->sockets_count; i++) {
        if (listen->sockets[i].kind == SYSLOG_UDP) {
            drops_read(&listen->sockets[i]);
        }
    }
    for (struct syslog_peer *peer = listen->peers; peer != NULL; peer = peer->next) {
        if (!peer->established && now_ms - peer->since_ms > SYSLOG_HANDSHAKE_MS) {
            syslog_count(listen, SYSLOG_tls_failed, !peer->closing);
            syslog_peer_close(peer);
        }
    }
}

static void close_all(struct syslog_listen *listen)
{
    for (size_t i = 0; i < listen->sockets_count; i++) {
        if (listen->sockets[i].open) {
            listen->sockets[i].open = false;
            uv_close(&listen->sockets[i].handle, NULL);
        }
    }
    for (struct syslog_peer *peer = listen->peers; peer != NULL; peer = peer->next) {
        syslog_peer_close(peer);
    }
    uv_close((uv_handle_t *)&listen->wake, NULL);
    uv_close((uv_handle_t *)&listen->retry, NULL);
    uv_close((uv_handle_t *)&listen->second, NULL);
    uv_close((uv_handle_t *)&listen->flush, NULL);
}

static void on_wake(uv_async_t *wake)
{
    struct syslog_listen *listen = wake->data;
    pthread_mutex_lock(&listen->mutex);
    struct syslog_patterns *patterns = TAKE(listen->patterns_new);
    bool stopping = listen->stopping;
    pthread_mutex_unlock(&listen->mutex);
    if (patterns != NULL) {
        syslog_patterns_free(listen->patterns);
        listen->patterns = patterns;
        listen->mapper.patterns = patterns;
    }
    if (stopping) {
        syslog_push(listen, true);
        close_all(listen);
    }
}

static void *thread_run(void *arg)
{
    struct syslog_listen *listen = arg;
    uv_run(&listen->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- opening ---- */

static int socket_bind(struct syslog_socket *socket, const char *text,
                       const struct sockaddr_storage *address)
{
    struct sockaddr_storage bound = {0};
    int bound_bytes = sizeof bound, buffer_bytes = RECEIVE_BUFFER_BYTES;
    const struct sockaddr *at = (const struct sockaddr *)address;
    int result;
    if (socket->kind == SYSLOG_UDP) {
        result = uv_udp_bind(&socket->udp, at, 0);
        uv_recv_buffer_size(&socket->handle, &buffer_bytes);
        uv_udp_getsockname(&socket->udp, (struct sockaddr *)&bound, &bound_bytes);
        result = result < 0 ? result : uv_udp_recv_start(&socket->udp, on_datagrams, on_datagram);
    } else {
        result = uv_tcp_bind(&socket->tcp, at, 0);
        result =
            result < 0 ? result : uv_listen((uv_stream_t *)&socket->tcp, BACKLOG, on_connection);
        uv_tcp_getsockname(&socket->tcp, (struct sockaddr *)&bound, &bound_bytes);
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)&bound; /* The port is alike. */
    socket->port = ntohs(in->sin_port);
    return result;
}

static int socket_open(struct syslog_listen *listen, const char *text, struct nsh_error *err)
{
    struct sockaddr_storage address;
    socklen_t address_bytes = 0;
    int result = peer_listen_parse(text, schemes, &address, &address_bytes, err);
    if (result < 0) {
        return result;
    }
    struct syslog_socket *socket = &listen->sockets[listen->sockets_count];
    socket->listen = listen;
    socket->kind = kind_of(text);
    int opened = socket->kind == SYSLOG_UDP
                     ? uv_udp_init_ex(&listen->loop, &socket->udp, AF_UNSPEC | UV_UDP_RECVMMSG)
                     : uv_tcp_init(&listen->loop, &socket->tcp);
    if (opened < 0) {
        return nsh_fail(err, NSH_IO, "syslog %s: %s", text, uv_strerror(opened));
    }
    socket->handle.data = socket;
    socket->open = true;
    listen->sockets_count++;
    opened = socket_bind(socket, text, &address);
    return opened < 0 ? nsh_fail(err, NSH_IO, "syslog %s: %s", text, uv_strerror(opened)) : 0;
}

static int networks_read(struct peer_networks *networks, const char *const *texts, size_t count,
                         struct nsh_error *err)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        result = peer_networks_add(networks, texts[i], err);
    }
    return result;
}

static bool wants_tls(const struct syslog_options *options)
{
    for (size_t i = 0; i < options->listen_count; i++) {
        if (kind_of(options->listen[i]) == SYSLOG_TLS) {
            return true;
        }
    }
    return false;
}

/* The loop's handles exist from here on; close_all() ends them. */
static void handles_open(struct syslog_listen *listen)
{
    uv_loop_init(&listen->loop);
    uv_async_init(&listen->loop, &listen->wake, on_wake);
    uv_timer_init(&listen->loop, &listen->retry);
    uv_timer_init(&listen->loop, &listen->second);
    uv_check_init(&listen->loop, &listen->flush);
    listen->wake.data = listen->retry.data = listen->second.data = listen->flush.data = listen;
    uv_timer_start(&listen->second, on_second, 1000, 1000);
    uv_check_start(&listen->flush, on_flush);
}

static int listen_open(struct syslog_listen *listen, const struct syslog_options *options,
                       struct nsh_error *err)
{
    struct diags diags = {0};
    int result = networks_read(&listen->sources, options->sources, options->sources_count, err);
    if (result == 0) {
        result = networks_read(&listen->relays, options->relays, options->relays_count, err);
    }
    if (result == 0) {
        result = syslog_patterns_read(options->patterns, &diags, &listen->patterns, err);
    }
    if (result == 0 && wants_tls(options)) {
        result = syslog_tls_new(options, &listen->tls, err);
    }
    for (size_t i = 0; i < options->listen_count && result == 0; i++) {
        result = i == SYSLOG_LISTEN_MAX
                     ? nsh_fail(err, NSH_LIMIT, "more than %d syslog listeners", SYSLOG_LISTEN_MAX)
                     : socket_open(listen, options->listen[i], err);
    }
    diags_done(&diags);
    listen->mapper.patterns = listen->patterns;
    listen->mapper.unmatched_severity = options->unmatched_severity;
    return result;
}

int syslog_listen_new(struct intake *intake, const struct syslog_options *options,
                      struct syslog_listen **ret_listen, struct nsh_error *err)
{
    struct syslog_listen *listen = calloc(1, sizeof *listen);
    if (listen == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    listen->intake = intake;
    pthread_mutex_init(&listen->mutex, NULL);
    handles_open(listen);
    listen->batch = malloc(SYSLOG_PUSH_BYTES);
    listen->flights = syslog_flights_new(&listen->wake);
    listen->datagrams = malloc(SYSLOG_DATAGRAMS_BYTES);
    listen->read = malloc(SYSLOG_READ_BYTES);
    bool memory = pool_init(&listen->pool, err) == 0 && listen->flights != NULL &&
                  listen->batch != NULL && listen->datagrams != NULL && listen->read != NULL;
    int result =
        memory ? listen_open(listen, options, err) : nsh_fail(err, NSH_NOMEM, "out of memory");
    if (result == 0) {
        listen->running = pthread_create(&listen->thread, NULL, thread_run, listen) == 0;
        result = listen->running ? 0 : nsh_fail(err, NSH_IO, "no thread for syslog");
    }
    if (result < 0) {
        syslog_listen_free(listen);
        return result;
    }
    *ret_listen = listen;
    return 0;
}

void syslog_listen_free(struct syslog_listen *listen)
{
    if (listen->running) {
        pthread_mutex_lock(&listen->mutex);
        listen->stopping = true;
        pthread_mutex_unlock(&listen->mutex);
        uv_async_send(&listen->wake);
        pthread_join(listen->thread, NULL);
    } else {
        close_all(listen);
        uv_run(&listen->loop, UV_RUN_DEFAULT);
    }
    NSH_ASSERT(uv_loop_close(&listen->loop) == 0);
    syslog_flights_end(listen->flights);
    SSL_CTX_free(listen->tls);
    syslog_mapper_done(&listen->mapper);
    syslog_patterns_free(listen->patterns);
    syslog_patterns_free(listen->patterns_new);
    pthread_mutex_destroy(&listen->mutex);
    pool_done(&listen->pool);
    free(listen->batch);
    free(listen->datagrams);
    free(listen->read);
    free(listen);
}

void syslog_listen_patterns(struct syslog_listen *listen, struct syslog_patterns *patterns)
{
    pthread_mutex_lock(&listen->mutex);
    syslog_patterns_free(listen->patterns_new);
    listen->patterns_new = patterns;
    pthread_mutex_unlock(&listen->mutex);
    uv_async_send(&listen->wake);
}

void syslog_listen_figures(struct syslog_listen *listen, struct syslog_figures *ret_figures)
{
#define SYSLOG_COUNTER(name, help)                                                                 \
    ret_figures->name =                                                                            \
        atomic_load_explicit(&listen->counters[SYSLOG_##name], memory_order_relaxed);
#include "syslog_counters.def"
#undef SYSLOG_COUNTER
    ret_figures->connections_open =
        atomic_load_explicit(&listen->peers_count, memory_order_relaxed);
}

unsigned syslog_listen_port(const struct syslog_listen *listen, unsigned index)
{
    return index < listen->sockets_count ? listen->sockets[index].port : 0;
}

int syslog_options_check(const struct syslog_options *options, struct nsh_error *err)
{
    struct sockaddr_storage address;
    socklen_t bytes = 0;
    int result = 0;
    struct peer_networks *networks = calloc(1, sizeof *networks);
    SSL_CTX *tls = NULL;
    if (networks == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < options->listen_count && result == 0; i++) {
        result = peer_listen_parse(options->listen[i], schemes, &address, &bytes, err);
    }
    if (result == 0) {
        result = networks_read(networks, options->sources, options->sources_count, err);
    }
    networks->count = 0;
    if (result == 0) {
        result = networks_read(networks, options->relays, options->relays_count, err);
    }
    if (result == 0 && wants_tls(options)) {
        result = syslog_tls_new(options, &tls, err);
    }
    SSL_CTX_free(tls);
    /* A reload asks on a thread of the pool, which never ends: OpenSSL keeps nothing for it. */
    OPENSSL_thread_stop();
    free(networks);
    return result;
}
