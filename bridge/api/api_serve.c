/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd's side of an exchange: head, body, handler, answer. Called on the server's threads.
 *
 * What is wrong with a request is known at its head, but said at its end, so that the connection
 * can be kept; only a body that is far too large is refused at once.
 */

#include "api_private.h"

#include "base/assert.h"

#include <stdlib.h>
#include <strings.h>

static struct api_connection *serve_connection(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void exchange_begin(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->state == EXCHANGE_IDLE && !exchange->abandoned) {
        exchange_move(exchange, EXCHANGE_READING);
    }
    pthread_mutex_unlock(&exchange->lock);
}

void *serve_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    (void)arg;
    (void)uri;
    struct api_connection *found = serve_connection(connection);
    if (found == NULL) {
        return NULL;
    }
    exchange_begin(found->exchange);
    return found->exchange;
}

void serve_completed(void *arg, struct MHD_Connection *connection, void **exchange_slot,
                     enum MHD_RequestTerminationCode code)
{
    struct api *api = arg;
    (void)connection;
    (void)code;
    struct api_exchange *exchange = *exchange_slot;
    *exchange_slot = NULL;
    if (exchange != NULL) {
        exchange_reset(exchange);
        if (atomic_load(&api->stopping)) {
            pthread_mutex_lock(&api->lock);
            pthread_cond_broadcast(&api->changed);
            pthread_mutex_unlock(&api->lock);
        }
    }
}

static const char *serve_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Who asks. False: it was answered. */
static bool serve_authenticate(struct api_connection *from, struct api_request *request)
{
    struct api *api = from->server->api;
    const struct api_route *route = request->route;
    bool open =
        route != NULL && ((route->open && api->options.open_reads) || route->role == API_NOBODY);
    request->role = from->role;
    request->actor = from->actor;
    if (from->server->tcp) {
        const char *header = serve_header(request->exchange->connection, "Authorization");
        const struct api_secret *secret = auth_bearer(api, header);
        request->role = secret == NULL ? API_NOBODY : secret->role;
        request->actor = secret == NULL ? "nobody" : secret->name;
        if (secret == NULL && !open) {
            atomic_fetch_add(&api->counters.unauthorized, 1);
            api_answer_header(request->exchange, "WWW-Authenticate", "Bearer realm=\"nightshift\"");
            api_refuse(request->exchange, 401,
                       header == NULL ? "this needs a bearer token"
                                      : "the daemon does not know this token",
                       "nightshift --token FILE sends one");
            return false;
        }
    }
    return true;
}

static void serve_not_found(struct api_exchange *exchange, const char *allowed)
{
    struct api_request *request = &exchange->request;
    if (allowed[0] == 0) {
        api_refuse(exchange, 404, "no such path", "GET /v1/openapi.json lists what there is");
        return;
    }
    api_answer_header(exchange, "Allow", allowed);
    if (strcmp(request->method, "OPTIONS") == 0) {
        api_reply(exchange, 204, NULL, "", 0);
        return;
    }
    api_refuse(exchange, 405,
               arena_printf(&exchange->arena, "%s is not for this path, only %s", request->method,
                            allowed),
               NULL);
}

static bool serve_permitted(struct api_connection *from, const struct api_request *request)
{
    const struct api_route *route = request->route;
    bool open = route->open && (!from->server->tcp || from->server->api->options.open_reads);
    if (open || request->role >= route->role) {
        return true;
    }
    struct nsh_error err = {0};
    nsh_fail(&err, NSH_DENIED, "%s is %s here; %s %s wants %s", request->actor,
             api_role_word(request->role), route->method, route->path, api_role_word(route->role));
    api_problem(request->exchange, &err,
                from->server->tcp
                    ? NULL
                    : "root, the daemon's user and members of its group may use the socket");
    return false;
}

/* Everything that the head decides: the exchange is answered when something is wrong. */
static void serve_head(struct api_connection *from, const char *url, const char *method)
{
    struct api_exchange *exchange = from->exchange;
    struct api_request *request = &exchange->request;
    const char *type = serve_header(exchange->connection, "Content-Type");
    const char *raw_id = "", *allowed = "";
    *request = (struct api_request){
        .exchange = exchange,
        .state = &exchange->request_state,
        .arena = &exchange->arena,
        .arg = from->server->api->options.arg,
        .method = arena_printf(&exchange->arena, "%s", method),
        .path = route_decode(&exchange->arena, url),
        .content_type = type == NULL ? "" : type,
        .body = "",
        .id = "",
        .peer = "",
    };
    if (from->server->tcp) {
        request->peer = peer_address(exchange->connection, &exchange->arena);
        request->certificate = peer_certificate(exchange->connection, &exchange->arena);
    }
    struct nsh_error err = {0};
    request->route =
        route_find(from->server->api, method, url, &exchange->arena, &raw_id, &allowed);
    if (!serve_authenticate(from, request)) {
        return;
    }
    if (request->path == NULL || request->method == NULL) {
        nsh_fail(&err, NSH_INVALID, "the path is not well encoded");
        api_problem(exchange, &err, NULL);
    } else if (request->route == NULL) {
        serve_not_found(exchange, allowed);
    } else if (serve_permitted(from, request)) {
        const struct api_options *options = &from->server->api->options;
        request->id = route_decode(&exchange->arena, raw_id);
        if (request->route->role == API_NOBODY && request->id != NULL && options->admit != NULL &&
            !options->admit(options->arg, request->route, request->id)) {
            api_refuse(exchange, 404, "nothing waits here, or not any more", NULL);
        } else if (route_queries(request, &err) < 0) {
            api_problem(exchange, &err, NULL);
        }
    }
}

static void serve_too_large(struct api *api, struct api_exchange *exchange)
{
    atomic_fetch_add(&api->counters.refused_large, 1);
    api_refuse(
        exchange, 413,
        arena_printf(&exchange->arena, "a body is at most %u bytes", api->options.body_bytes_max),
        NULL);
}

/* What is read of a body, though most of it is thrown away, so that the client hears why. */
static uint64_t serve_bytes_max(const struct api *api)
{
    return 2 * (uint64_t)api->options.body_bytes_max;
}

static enum MHD_Result serve_start(struct api_connection *from, const char *url, const char *method)
{
    struct api *api = from->server->api;
    struct api_exchange *exchange = from->exchange;
    atomic_fetch_add(&api->counters.requests, 1);
    pthread_mutex_lock(&exchange->lock);
    exchange_move(exchange, EXCHANGE_HANDLING);
    pthread_mutex_unlock(&exchange->lock);
    const char *length = serve_header(exchange->connection, "Content-Length");
    if (length != NULL && strtoull(length, NULL, 10) > serve_bytes_max(api)) {
        serve_too_large(api, exchange);
        return exchange_queue(exchange);
    }
    serve_head(from, url, method);
    return MHD_YES;
}

/* A part of the body. It is thrown away once the exchange is answered. */
static enum MHD_Result serve_upload(struct api *api, struct api_exchange *exchange,
                                    const char *upload, size_t upload_bytes)
{
    if (exchange->state == EXCHANGE_ANSWERED) {
        exchange->body_counted += upload_bytes; /* Bounded all the same. */
        atomic_fetch_add(&api->bodies_bytes, upload_bytes);
        return exchange->body_counted > serve_bytes_max(api) ? MHD_NO : MHD_YES;
    }
    uint64_t all = atomic_fetch_add(&api->bodies_bytes, upload_bytes) + upload_bytes;
    exchange->body_counted += upload_bytes;
    if (exchange->body_counted > api->options.body_bytes_max) {
        serve_too_large(api, exchange);
        return MHD_YES;
    }
    textbuf_add(&exchange->body, (struct text){upload, (uint32_t)upload_bytes});
    if (all > API_BODIES_BYTES_MAX || exchange->body.failed) {
        struct nsh_error err = {0};
        atomic_fetch_add(&api->counters.refused_busy, 1);
        nsh_fail(&err, NSH_LIMIT, "too many bodies are on the way");
        api_problem(exchange, &err, NULL);
    }
    return MHD_YES;
}

static void serve_read_failed(const struct api_request *request, struct nsh_error *err)
{
    atomic_fetch_add(&request->exchange->api->counters.refused_busy, 1);
    api_problem(request->exchange, err, NULL);
}

/* False: it went to sleep; libmicrohttpd calls again when it is answered. */
static bool serve_handle(struct api_exchange *exchange)
{
    struct api_request *request = &exchange->request;
    struct nsh_error err = {0};
    if (exchange->body.count > 0) {
        request->body = exchange->body.at;
        request->body_bytes = exchange->body.count;
    }
    if (request->route->reads) {
        api_suspend(exchange);
        if (api_work(exchange, request->route->handle, &err) == -NSH_LIMIT) {
            serve_read_failed(request, &err);
        }
    } else {
        request->route->handle(request);
    }
    pthread_mutex_lock(&exchange->lock);
    bool awake = !exchange->slept;
    NSH_ASSERT(exchange->state != EXCHANGE_HANDLING); /* Neither answered nor suspended. */
    pthread_mutex_unlock(&exchange->lock);
    return awake;
}

static enum exchange_state serve_state(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    enum exchange_state state = exchange->state;
    pthread_mutex_unlock(&exchange->lock);
    return state;
}

enum MHD_Result serve_request(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **exchange_slot)
{
    struct api *api = arg;
    struct api_exchange *exchange = *exchange_slot;
    (void)version;
    if (exchange == NULL) {
        return MHD_NO;
    }
    enum exchange_state state = serve_state(exchange);
    if (state == EXCHANGE_READING) {
        return serve_start(serve_connection(connection), url, method);
    }
    if (*upload_bytes > 0) {
        size_t bytes = *upload_bytes;
        *upload_bytes = 0;
        return serve_upload(api, exchange, upload, bytes);
    }
    if (state == EXCHANGE_HANDLING && !serve_handle(exchange)) {
        return MHD_YES;
    }
    state = serve_state(exchange);
    if (state == EXCHANGE_SUSPENDED) {
        return MHD_YES;
    }
    /* A request after the server ended one on this connection finds it still busy with that. */
    return state == EXCHANGE_ANSWERED ? exchange_queue(exchange) : MHD_NO;
}

/* ---- for handlers ---------------------------------------------------------------------------- */

const char *api_header(const struct api_request *request, const char *name)
{
    return serve_header(request->exchange->connection, name);
}

struct headers_each {
    void (*fn)(void *arg, const char *name, const char *value);
    void *arg;
};

static enum MHD_Result headers_row(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct headers_each *each = arg;
    (void)kind;
    each->fn(each->arg, name, value == NULL ? "" : value);
    return MHD_YES;
}

void api_headers_each(const struct api_request *request,
                      void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
    struct headers_each each = {fn, arg};
    MHD_get_connection_values(request->exchange->connection, MHD_HEADER_KIND, headers_row, &each);
}

void api_count(const struct api_request *request, struct api_figures *ret_figures)
{
    struct api *api = request->exchange->api;
    struct api_counters *counters = &api->counters;
    pthread_mutex_lock(&api->lock);
    size_t open_count = api->connections_count;
    pthread_mutex_unlock(&api->lock);
    *ret_figures = (struct api_figures){
        .connections = atomic_load(&counters->connections),
        .requests = atomic_load(&counters->requests),
        .unauthorized = atomic_load(&counters->unauthorized),
        .refused_busy = atomic_load(&counters->refused_busy),
        .refused_large = atomic_load(&counters->refused_large),
        .timeouts = atomic_load(&counters->timeouts),
        .connections_open = open_count,
        .streams_open = atomic_load(&counters->streams),
        .suspended = atomic_load(&counters->suspended),
    };
}
