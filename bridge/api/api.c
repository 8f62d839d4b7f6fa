/* SPDX-License-Identifier: Apache-2.0 */
/* The server's start and stop, its connections, and the watch over slow ones. */

#include "api_private.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define API_HEAD_BYTES_MAX                                                                         \
    24576 /* Of one connection; libmicrohttpd zeroes all of it for each request. */
#define API_PEM_BYTES_MAX (1u << 20)
#define API_STOP_MS_MAX 1000 /* How long answers may take to leave when the server stops. */

/* ---- connections --------------------------------------------------------------------------- */

static void connection_open(struct api_server *server, struct MHD_Connection *connection,
                            void **slot)
{
    struct api *api = server->api;
    struct api_connection *opened = calloc(1, sizeof *opened);
    struct api_exchange *exchange = opened == NULL ? NULL : exchange_new(api, connection);
    if (exchange == NULL) {
        free(opened);
        return; /* Without a context its requests are refused. */
    }
    opened->server = server;
    opened->exchange = exchange;
    opened->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (!server->tcp) {
        auth_peer(api, opened->fd, &opened->role, opened->actor);
    }
    atomic_fetch_add(&api->counters.connections, 1);
    pthread_mutex_lock(&api->lock);
    opened->next = api->connections;
    if (opened->next != NULL) {
        opened->next->previous = opened;
    }
    api->connections = opened;
    if (api->connections_count++ == 0) {
        pthread_cond_broadcast(&api->changed); /* The watch has something to watch. */
    }
    pthread_mutex_unlock(&api->lock);
    *slot = opened;
}

static void connection_close(struct api *api, struct api_connection *closed)
{
    pthread_mutex_lock(&api->lock);
    if (closed->previous != NULL) {
        closed->previous->next = closed->next;
    } else {
        api->connections = closed->next;
    }
    if (closed->next != NULL) {
        closed->next->previous = closed->previous;
    }
    api->connections_count--;
    if (atomic_load(&api->stopping)) {
        pthread_cond_broadcast(&api->changed);
    }
    pthread_mutex_unlock(&api->lock);
    exchange_unref(closed->exchange);
    free(closed);
}

static void connection_notify(void *arg, struct MHD_Connection *connection, void **slot,
                              enum MHD_ConnectionNotificationCode code)
{
    struct api_server *server = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_open(server, connection, slot);
    } else if (*slot != NULL) {
        connection_close(server->api, *slot);
        *slot = NULL;
    }
}

/* ---- the watch ------------------------------------------------------------------------------- */

/* Under api.lock: the connection stays, and so does its descriptor. */
static void watch_connection(struct api *api, struct api_connection *connection, int64_t now_ms)
{
    struct api_exchange *exchange = connection->exchange;
    pthread_mutex_lock(&exchange->lock);
    enum exchange_state state = exchange->state;
    int64_t age_ms = now_ms - exchange->since_ms;
    pthread_mutex_unlock(&exchange->lock);
    bool reading = state == EXCHANGE_READING || state == EXCHANGE_HANDLING;
    if ((reading && age_ms > api->options.read_ms_max) ||
        (state == EXCHANGE_IDLE && age_ms > 2 * API_IDLE_MS_MAX)) {
        atomic_fetch_add(&api->counters.timeouts, 1);
        shutdown(connection->fd, SHUT_RDWR);
    } else if (state == EXCHANGE_SUSPENDED && age_ms > api->options.answer_ms_max) {
        atomic_fetch_add(&api->counters.timeouts, 1);
        exchange_end(exchange, 504, "no answer in time; what was asked for may still be done");
    }
}

static void *watch_run(void *arg)
{
    struct api *api = arg;
    uint32_t tick_ms = api->options.read_ms_max < api->options.answer_ms_max
                           ? api->options.read_ms_max / 4
                           : api->options.answer_ms_max / 4;
    tick_ms = tick_ms > 1000 ? 1000 : tick_ms < 10 ? 10 : tick_ms;
    pthread_mutex_lock(&api->lock);
    while (!atomic_load(&api->stopping)) {
        if (api->connections_count == 0) {
            pthread_cond_wait(&api->changed, &api->lock);
            continue;
        }
        int64_t now_ms = api_now_ms();
        for (struct api_connection *c = api->connections; c != NULL; c = c->next) {
            watch_connection(api, c, now_ms);
        }
        int64_t until_ms = now_ms + tick_ms;
        struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&api->changed, &api->lock, &until);
    }
    pthread_mutex_unlock(&api->lock);
    return NULL;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* A whole PEM file; freed by the caller. */
static int pem_read(const char *path, char **ret_text, struct nsh_error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) < 0) {
        return nsh_fail(err, NSH_IO, "cannot read %s: %s", path, strerror(errno));
    }
    if (file.st_size <= 0 || file.st_size > API_PEM_BYTES_MAX) {
        /* cppcheck-suppress resourceLeak ; CLEANUP closes it */
        return nsh_fail(err, NSH_INVALID, "%s is no PEM file: %lld bytes", path,
                        (long long)file.st_size);
    }
    size_t count = (size_t)file.st_size, used = 0;
    CLEANUP(freep) char *text = calloc(1, count + 1);
    while (text != NULL && used < count) {
        ssize_t got = read(fd, text + used, count - used);
        if (got <= 0) {
            return nsh_fail(err, NSH_IO, "cannot read %s", path);
        }
        used += (size_t)got;
    }
    if (text == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory to read %s", path);
    }
    *ret_text = TAKE(text);
    return 0;
}

/* Decoding is ours (route_decode): strict, and after the path was taken apart. */
static size_t server_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

struct server_tls {
    char *cert, *key, *clients; /* PEM; NULL: none. */
};

static int server_start(struct api *api, int fd, bool tcp, const struct server_tls *tls,
                        struct nsh_error *err)
{
    struct api_server *server = &api->servers[api->servers_count];
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_TURBO;
    struct MHD_OptionItem options[8] = {0};
    size_t used = 0;
    if (tls->cert != NULL) {
        flags |= MHD_USE_TLS;
        options[used++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, tls->cert};
        options[used++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key};
        options[used++] = (struct MHD_OptionItem){
            MHD_OPTION_HTTPS_PRIORITIES, 0,
            (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"};
    }
    if (tls->clients != NULL) {
        options[used++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, tls->clients};
    }
    if (tcp && api->options.threads > 1) {
        options[used++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE,
                                                  (intptr_t)api->options.threads, NULL};
    }
    options[used] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    *server = (struct api_server){.api = api, .fd = fd, .tcp = tcp};
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, serve_request, api, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, api->options.connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(API_IDLE_MS_MAX / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)API_HEAD_BYTES_MAX, MHD_OPTION_NOTIFY_COMPLETED, serve_completed, api,
        MHD_OPTION_NOTIFY_CONNECTION, connection_notify, server, MHD_OPTION_URI_LOG_CALLBACK,
        serve_uri, api, MHD_OPTION_UNESCAPE_CALLBACK, server_unescape, NULL,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (server->daemon == NULL) {
        close(fd);
        return nsh_fail(err, tls->cert == NULL ? NSH_IO : NSH_INVALID,
                        "the HTTP server does not start%s",
                        tls->cert == NULL ? "" : ": certificate or key do not fit");
    }
    api->servers_count++;
    return 0;
}

static int start_unix(struct api *api, const struct api_options *options, struct nsh_error *err)
{
    int fd = options->unix_fd, result = 0;
    api->unix_gid = (gid_t)-1;
    if (options->unix_path == NULL && fd < 0) {
        return 0;
    }
    if (options->unix_group != NULL) {
        result = auth_group(options->unix_group, &api->unix_gid, err);
    }
    if (result == 0 && fd < 0) {
        result = listen_unix(options->unix_path, api->unix_gid, &fd, err);
        if (result == 0) {
            api->unix_path = strdup(options->unix_path);
        }
    }
    return result < 0 ? result : server_start(api, fd, false, &(struct server_tls){0}, err);
}

static void tls_done(struct server_tls *tls)
{
    if (tls->key != NULL) {
        explicit_bzero(tls->key, strlen(tls->key)); /* GnuTLS has its own. */
    }
    free(tls->cert);
    free(tls->key);
    free(tls->clients);
}

static int start_tcp(struct api *api, const struct api_options *options, struct nsh_error *err)
{
    CLEANUP(tls_done) struct server_tls pem = {0};
    bool tls = options->tls_cert_file != NULL, loopback = false;
    if (options->tcp_address == NULL) {
        return 0;
    }
    if (tls != (options->tls_key_file != NULL)) {
        return nsh_fail(err, NSH_INVALID, "TLS wants a certificate and a key, not one of them");
    }
    int fd = -1;
    int result = tls ? pem_read(options->tls_cert_file, &pem.cert, err) : 0;
    result = result == 0 && tls ? pem_read(options->tls_key_file, &pem.key, err) : result;
    if (result == 0 && options->tls_clients_file != NULL) {
        result = tls ? pem_read(options->tls_clients_file, &pem.clients, err)
                     : nsh_fail(err, NSH_INVALID, "client certificates want TLS");
    }
    result =
        result == 0 ? listen_tcp(options->tcp_address, &fd, &api->port, &loopback, err) : result;
    if (result == 0 && !tls && !loopback) {
        close(fd);
        return nsh_fail(err, NSH_INVALID,
                        "%s is reachable from other machines: tokens must not travel without TLS",
                        options->tcp_address);
    }
    return result == 0 ? server_start(api, fd, true, &pem, err) : result;
}

static void api_defaults(struct api *api, const struct api_options *options)
{
    api->options = *options;
    api->own_uid = geteuid();
    struct api_options *own = &api->options;
    own->body_bytes_max = own->body_bytes_max == 0 ? API_BODY_BYTES_MAX : own->body_bytes_max;
    own->connections_max = own->connections_max == 0 ? API_CONNECTIONS_MAX : own->connections_max;
    own->read_ms_max = own->read_ms_max == 0 ? API_READ_MS_MAX : own->read_ms_max;
    own->answer_ms_max = own->answer_ms_max == 0 ? API_ANSWER_MS_MAX : own->answer_ms_max;
    own->readers = own->readers == 0 ? 2 : own->readers;
    const char **texts[] = {&own->unix_path,       &own->unix_group,   &own->tcp_address,
                            &own->tls_cert_file,   &own->tls_key_file, &own->store_path,
                            &own->tls_clients_file};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = *texts[i] != NULL && (*texts[i])[0] == 0 ? NULL : *texts[i];
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&api->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&api->lock, NULL);
}

int api_start(const struct api_options *options, const struct api_route *routes,
              size_t routes_count, struct api **ret_api, struct nsh_error *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the HTTP server");
    }
    api_defaults(api, options);
    api->routes = routes;
    api->routes_count = routes_count;
    api->store_path = api->options.store_path == NULL ? NULL : strdup(api->options.store_path);
    int result = workers_start(&api->workers, api->options.readers, api->store_path, err);
    result = result == 0 ? auth_secrets(api, &api->options, err) : result;
    result = result == 0 ? start_unix(api, &api->options, err) : result;
    result = result == 0 ? start_tcp(api, &api->options, err) : result;
    if (result == 0 && pthread_create(&api->watch, NULL, watch_run, api) != 0) {
        result = nsh_fail(err, NSH_LIMIT, "cannot start the HTTP server's watch");
    }
    if (result < 0) {
        api_stop(api);
        return result;
    }
    api->watch_started = true;
    *ret_api = api;
    return 0;
}

uint16_t api_port(const struct api *api)
{
    return api->port;
}

/* ---- stop ------------------------------------------------------------------------------------ */

/* Under api.lock. True when an answer still has to leave. */
static bool stop_connection(struct api_connection *connection)
{
    struct api_exchange *exchange = connection->exchange;
    exchange_end(exchange, 503, "the daemon is stopping");
    pthread_mutex_lock(&exchange->lock);
    bool busy = exchange->state == EXCHANGE_ANSWERED || exchange->state == EXCHANGE_HANDLING ||
                (exchange->state == EXCHANGE_QUEUED && !exchange->abandoned);
    pthread_mutex_unlock(&exchange->lock);
    return busy;
}

/* End what is suspended and give answers a moment to leave. */
static void stop_exchanges(struct api *api)
{
    int64_t until_ms = api_now_ms() + API_STOP_MS_MAX;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&api->lock);
    pthread_cond_broadcast(&api->changed);
    for (int waited = 0; waited == 0;) {
        bool busy = false;
        for (struct api_connection *c = api->connections; c != NULL; c = c->next) {
            busy = stop_connection(c) || busy;
        }
        if (!busy) {
            break;
        }
        waited = pthread_cond_timedwait(&api->changed, &api->lock, &until);
    }
    pthread_mutex_unlock(&api->lock);
}

void api_stop(struct api *api)
{
    if (api == NULL) {
        return;
    }
    atomic_store(&api->stopping, true);
    for (size_t i = 0; i < api->servers_count; i++) {
        MHD_quiesce_daemon(api->servers[i].daemon); /* No new connections. */
    }
    if (api->unix_path != NULL) {
        unlink(api->unix_path);
    }
    stop_exchanges(api);
    if (api->watch_started) {
        pthread_join(api->watch, NULL);
    }
    workers_stop(&api->workers);
    for (size_t i = 0; i < api->servers_count; i++) {
        MHD_stop_daemon(api->servers[i].daemon);
        close(api->servers[i].fd);
    }
    NSH_ASSERT(api->connections_count == 0);
    pthread_cond_destroy(&api->changed);
    pthread_mutex_destroy(&api->lock);
    free(api->secrets);
    free(api->unix_path);
    free(api->store_path);
    free(api);
}
