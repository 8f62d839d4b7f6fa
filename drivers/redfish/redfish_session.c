/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of one device, one at a time: so a BMC has one connection and one login. The login
 * belongs to the device, not to the call that needed it: when that call is cancelled meanwhile, the
 * token is kept, and no session is lost on the BMC.
 *
 * A device's first call, when it reads the power state, needs no session: it is asked with basic
 * authentication and at the well-known path of the systems, and turned away, in order. Every call
 * after it has a session: many BMCs log each basic request as a login.
 *
 * A 401 renews the session once for each request; a login that is refused is never repeated, that
 * would lock the account. Bounds: REDIRECTS_MAX; replies of SMALL_BYTES_MAX for root and login.
 */

#include "redfish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_PATH "/redfish/v1/"
#define SMALL_BYTES_MAX (128u * 1024)
#define TOKEN_BYTES_MAX 2048
#define REDIRECTS_MAX 2
#define LOGOUT_TIMEOUT_MS 5000
#define LINE_BYTES_MAX (TOKEN_BYTES_MAX + 32)

#define TO(state) (1u << (state))
static const struct {
    const char *word;
    unsigned to;
} link_arrows[LINK_STATES_COUNT] = {
    [LINK_IDLE] = {"idle", TO(LINK_ROOT) | TO(LINK_SERVICE) | TO(LINK_LOGIN) | TO(LINK_REQUEST)},
    [LINK_ROOT] = {"service root", TO(LINK_IDLE)},
    [LINK_SERVICE] = {"session service", TO(LINK_IDLE)},
    [LINK_LOGIN] = {"login", TO(LINK_IDLE)},
    [LINK_REQUEST] = {"request", TO(LINK_IDLE)},
};

static void link_move(struct nsh_device *device, enum link_state next)
{
    if ((link_arrows[device->link].to & TO(next)) == 0) {
        abort(); /* Ours: the flow below has no such arrow. */
    }
    device->link = next;
}

static void link_pump(struct nsh_device *device);

/* ---- devices ---------------------------------------------------------------------------- */

static void text_set(char **text, char *taken)
{
    free(*text);
    *text = taken;
}

void redfish_device_free(struct nsh_device *device)
{
    char *texts[] = {device->base,         device->user,          device->ca_file,
                     device->pinned_key,   device->client_cert,   device->client_key,
                     device->system,       device->serial,        device->uuid,
                     device->systems_path, device->sessions_path, device->session_path,
                     device->system_path,  device->reset_target};
    char *secrets[] = {device->password, device->token};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (secrets[i] != NULL) {
            explicit_bzero(secrets[i], strlen(secrets[i]));
            free(secrets[i]);
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    free(device);
}

/* Callbacks end calls, and the end of the last call may close the device under us. */
static void device_enter(struct nsh_device *device)
{
    device->busy++;
}

static void device_leave(struct nsh_device *device)
{
    if (--device->busy == 0 && device->closed) {
        redfish_device_free(device);
    }
}

static void token_drop(struct nsh_device *device)
{
    if (device->token != NULL) {
        explicit_bzero(device->token, strlen(device->token));
    }
    text_set(&device->token, NULL);
    text_set(&device->session_path, NULL);
}

/* ---- sending ---------------------------------------------------------------------------- */

struct message {
    const char *method, *path, *body, *etag;
    size_t reply_bytes_max;
    uint32_t timeout_ms;
    bool token, basic;
};

static int link_send(struct nsh_device *device, const struct message *message,
                     void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                     struct nsh_http **ret_http, struct nsh_error *err)
{
    char url[REDFISH_TEXT_BYTES_MAX + REDFISH_PATH_BYTES_MAX];
    char token[LINE_BYTES_MAX], etag[REDFISH_ETAG_BYTES_MAX + 16];
    const char *headers[8] = {"Accept: application/json", "OData-Version: 4.0",
                              "Accept-Encoding: identity"};
    size_t count = 3;

    snprintf(url, sizeof url, "%s%s", device->base, message->path);
    if (message->token && device->token != NULL) {
        snprintf(token, sizeof token, "X-Auth-Token: %s", device->token);
        headers[count++] = token;
    }
    if (message->body != NULL) {
        headers[count++] = "Content-Type: application/json";
    }
    if (message->etag != NULL) {
        snprintf(etag, sizeof etag, "If-Match: %s", message->etag);
        headers[count++] = etag;
    }
    return device->services->http(
        device->services,
        &(struct nsh_http_request){
            .method = message->method,
            .url = url,
            .headers = headers,
            .body = message->body,
            .body_bytes = message->body == NULL ? 0 : strlen(message->body),
            .reply_bytes_max = message->reply_bytes_max,
            .timeout_ms = message->timeout_ms,
            .user = message->basic ? device->user : NULL,
            .password = message->basic ? device->password : NULL,
            .ca_file = device->ca_file,
            .pinned_key = device->pinned_key,
            .client_cert = device->client_cert,
            .client_key = device->client_key,
            .insecure = device->insecure,
        },
        done, arg, ret_http, err);
}

/* ---- results ---------------------------------------------------------------------------- */

static void request_free_path(struct redfish_request *request)
{
    free(request->path);
    request->path = NULL;
}

static struct redfish_request *queue_take(struct nsh_device *device)
{
    struct redfish_request *request = device->first;
    device->first = request->next;
    device->last = device->first == NULL ? NULL : device->last;
    request->next = NULL;
    request->queued = false;
    return request;
}

static void request_tell(struct redfish_request *request, const struct redfish_result *result)
{
    request_free_path(request);
    request->done(request->arg, result);
}

/* What came of a message, in the peer's words. */
static void result_of(const struct nsh_device *device, const char *what,
                      const struct nsh_http_reply *reply, char text[REDFISH_TEXT_MAX],
                      struct redfish_result *ret_result)
{
    char words[REDFISH_WORDS_BYTES_MAX];
    *ret_result = (struct redfish_result){.code = reply->code, .sent = reply->sent, .text = text};
    if (reply->code != NSH_OK) {
        snprintf(text, REDFISH_TEXT_MAX, "%s: %s: %s", device->base, what,
                 reply->text == NULL ? nsh_code_word(reply->code) : reply->text);
        return;
    }
    ret_result->status = reply->status;
    ret_result->reply = reply;
    ret_result->sent = true;
    ret_result->code = redfish_status_code(reply->status);
    text[0] = '\0';
    if (ret_result->code == NSH_OK) {
        return;
    }
    int code = redfish_error_read(reply->body, reply->body_bytes, ret_result->code, words);
    /* 5xx other than "later" or "cannot": it may have begun. */
    ret_result->refused = reply->status < 500 || reply->status == 501 || reply->status == 503;
    if (ret_result->refused && reply->status >= 400 && reply->status != 401 &&
        reply->status != 412) {
        ret_result->code = code;
    }
    if (ret_result->code == NSH_BUSY) {
        ret_result->retry_after_ms = redfish_retry_after_ms(nsh_http_header(reply, "retry-after"),
                                                            nsh_http_header(reply, "date"));
    }
    snprintf(text, REDFISH_TEXT_MAX, "%s: %s -> %d%s%s", device->base, what, reply->status,
             words[0] == '\0' ? "" : ": ", words);
}

/* Root or login failed: all that wait for it fail, they are not tried one by one. */
static void link_fail(struct nsh_device *device, const struct redfish_result *result)
{
    size_t count = 0;
    bool orphan = device->orphan;
    device->orphan = false;
    if (orphan && result->reply == NULL) {
        return; /* It was begun for a call that is gone: those that wait try anew. */
    }
    for (const struct redfish_request *request = device->first; request != NULL;
         request = request->next) {
        count++;
    }
    struct redfish_result told = *result;
    told.sent = false;
    told.reply = NULL;
    told.refused = true;
    for (; count > 0 && device->first != NULL; count--) {
        request_tell(queue_take(device), &told);
    }
}

static void link_fail_error(struct nsh_device *device, const struct nsh_error *err)
{
    link_fail(device, &(struct redfish_result){.code = err->code, .text = err->text});
}

static void link_trace(struct nsh_device *device, const char *what,
                       const struct redfish_result *result)
{
    if (device->first == NULL) {
        return;
    }
    if (result->reply != NULL) {
        device->services->trace(device->services, device->first->op, "%s -> %d", what,
                                result->status);
    } else {
        device->services->trace(device->services, device->first->op, "%s", result->text);
    }
}

/* ---- root and login --------------------------------------------------------------------- */

/* Begin of a callback for root and login; false: it failed, and all were told. */
static bool link_answered(struct nsh_device *device, const char *what,
                          const struct nsh_http_reply *reply, struct redfish_result *result,
                          char text[REDFISH_TEXT_MAX], struct json_object **ret_doc)
{
    struct nsh_error err = {0};
    device->http = NULL;
    link_move(device, LINK_IDLE);
    result_of(device, what, reply, text, result);
    link_trace(device, what, result);
    if (result->code == NSH_OK && ret_doc != NULL &&
        redfish_parse(reply->body, reply->body_bytes, ret_doc, &err) < 0) {
        result->code = err.code;
        snprintf(text, REDFISH_TEXT_MAX, "%s: %s: %s", device->base, what, err.text);
    }
    device->orphan = device->orphan && result->code != NSH_OK;
    return result->code == NSH_OK;
}

static int path_take(char **ret_path, const char *path)
{
    char *copy = path == NULL ? NULL : strdup(path);
    text_set(ret_path, copy);
    return path != NULL && copy == NULL ? -NSH_NOMEM : 0;
}

/* A reply that speaks of sessions but could not be read to the end is no reply without sessions. */
static int sessions_take(struct nsh_device *device, const char *path,
                         const struct nsh_http_reply *reply)
{
    int taken = path_take(&device->sessions_path, path);
    if (taken == 0 && path == NULL && strstr(reply->body, "Sessions\"") != NULL) {
        taken = -NSH_PROTOCOL;
    }
    device->no_sessions = path == NULL;
    return taken;
}

static int root_take(struct nsh_device *device, struct json_object *doc,
                     const struct nsh_http_reply *reply)
{
    struct redfish_root root;
    redfish_root_read(doc, &root);
    bool direct = root.sessions != NULL;
    if (root.systems == NULL) {
        return -NSH_PROTOCOL; /* Not remembered: a BMC that starts says little. */
    }
    int taken = path_take(&device->systems_path, root.systems);
    if (taken == 0 && !direct && strstr(reply->body, "\"Sessions\"") != NULL) {
        return -NSH_PROTOCOL; /* It has the link, and it is nonsense. */
    }
    if (taken == 0) {
        taken = sessions_take(device, direct ? root.sessions : root.session_service, reply);
    }
    device->service_first = !direct && root.session_service != NULL;
    device->root_known = taken == 0;
    return taken;
}

static void link_failed(struct nsh_device *device, struct redfish_result *result, int code,
                        char text[REDFISH_TEXT_MAX], const char *what)
{
    result->code = code;
    snprintf(text, REDFISH_TEXT_MAX, "%s: %s: %s", device->base, what,
             code == NSH_NOMEM ? "out of memory" : "it names no systems or sessions");
    link_fail(device, result);
}

static void root_done(void *arg, const struct nsh_http_reply *reply)
{
    struct nsh_device *device = arg;
    struct redfish_result result;
    struct json_object *doc = NULL;
    char text[REDFISH_TEXT_MAX];

    device_enter(device);
    if (link_answered(device, "GET " ROOT_PATH, reply, &result, text, &doc)) {
        int taken = root_take(device, doc, reply);
        if (taken < 0) {
            link_failed(device, &result, -taken, text, "GET " ROOT_PATH);
        }
    } else {
        link_fail(device, &result);
    }
    redfish_free(doc);
    link_pump(device);
    device_leave(device);
}

static void service_done(void *arg, const struct nsh_http_reply *reply)
{
    struct nsh_device *device = arg;
    struct redfish_result result;
    struct json_object *doc = NULL;
    char text[REDFISH_TEXT_MAX];

    device_enter(device);
    bool good = link_answered(device, "GET SessionService", reply, &result, text, &doc);
    bool absent = !good && result.status == 404;
    int taken = good ? sessions_take(device, redfish_session_service_read(doc), reply) : 0;
    if (taken < 0) {
        link_failed(device, &result, -taken, text, "GET SessionService");
    } else if (!good && !absent) {
        link_fail(device, &result);
    } else {
        device->no_sessions = absent || device->no_sessions;
        device->service_first = false;
    }
    device->root_known = device->root_known && taken == 0;
    redfish_free(doc);
    link_pump(device);
    device_leave(device);
}

/* A BMC without sessions answers so; with auth = "session" that is a failure. */
static bool sessions_absent(const struct nsh_device *device, const struct redfish_result *result)
{
    return device->auth == AUTH_AUTO &&
           (result->status == 404 || result->status == 405 || result->status == 501);
}

/* All its sessions are taken, perhaps by former lives of ours: it need not have one to be asked. */
static bool sessions_full(const struct nsh_device *device, const struct nsh_http_reply *reply,
                          const struct redfish_result *result)
{
    return device->auth == AUTH_AUTO && result->code == NSH_BUSY && reply->body != NULL &&
           (strstr(reply->body, "SessionLimitExceeded") != NULL ||
            strstr(reply->body, "CreateLimitReachedForResource") != NULL);
}

static void login_take(struct nsh_device *device, const struct nsh_http_reply *reply,
                       struct redfish_result *result, char text[REDFISH_TEXT_MAX])
{
    const char *token = nsh_http_header(reply, "x-auth-token");
    const char *location = nsh_http_header(reply, "location");
    char path[REDFISH_PATH_BYTES_MAX];
    token_drop(device);
    if (token == NULL || token[0] == '\0' || strlen(token) > TOKEN_BYTES_MAX ||
        !redfish_text_clean(token, strlen(token))) {
        result->code = NSH_PROTOCOL;
        snprintf(text, REDFISH_TEXT_MAX, "%s: the login was accepted without a token",
                 device->base);
        return;
    }
    device->token = strdup(token);
    if (location != NULL && redfish_location_path(location, path)) {
        device->session_path = strdup(path);
    }
    if (device->token == NULL) {
        result->code = NSH_NOMEM;
        snprintf(text, REDFISH_TEXT_MAX, "out of memory");
    }
}

static void login_done(void *arg, const struct nsh_http_reply *reply)
{
    struct nsh_device *device = arg;
    struct redfish_result result;
    char text[REDFISH_TEXT_MAX];

    device_enter(device);
    if (link_answered(device, "login", reply, &result, text, NULL)) {
        login_take(device, reply, &result, text);
    } else if (sessions_absent(device, &result) || sessions_full(device, reply, &result)) {
        device->no_sessions = true;
        result.code = NSH_OK;
    } else if (result.code == NSH_DISCONNECTED && !device->login_again) {
        device->login_again = true; /* The kept connection was dead: once more, on a new one. */
        link_pump(device);
        device_leave(device);
        return;
    } else if (result.code == NSH_REFUSED && result.status == 400) {
        result.code = NSH_AUTH; /* Some say so instead of 401. */
    }
    device->login_again = false;
    if (result.code != NSH_OK) {
        link_fail(device, &result);
    }
    link_pump(device);
    device_leave(device);
}

/* ---- the request ------------------------------------------------------------------------ */

static bool basic(const struct nsh_device *device)
{
    return device->auth == AUTH_BASIC ||
           (device->auth == AUTH_AUTO && (device->no_sessions || device->first_look));
}

/* NULL: the service root was not asked, or names none. */
static const char *request_path(const struct nsh_device *device,
                                const struct redfish_request *request)
{
    return request->path != NULL ? request->path
           : device->first_look  ? REDFISH_SYSTEMS_PATH
                                 : device->systems_path;
}

/* The first look was turned away: the BMC takes no basic authentication, or has its systems
 * elsewhere. From now on in order: root, login. */
static bool first_look_failed(struct nsh_device *device, const struct redfish_result *result)
{
    if (!device->first_look || result->status < 400 || result->status >= 500 ||
        result->code == NSH_BUSY) {
        return false;
    }
    device->first_look = false;
    return true;
}

/* A GET that was moved, on this BMC. */
static bool request_redirected(struct redfish_request *request, const struct nsh_http_reply *reply)
{
    char path[REDFISH_PATH_BYTES_MAX];
    const char *location = nsh_http_header(reply, "location");
    int status = reply->status;
    if ((status != 301 && status != 302 && status != 307 && status != 308) || location == NULL ||
        strcmp(request->method, "GET") != 0 || request->redirects == REDIRECTS_MAX ||
        !redfish_location_path(location, path)) {
        return false;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return false;
    }
    free(request->path);
    request->path = copy;
    request->redirects++;
    return true;
}

static void request_done(void *arg, const struct nsh_http_reply *reply)
{
    struct nsh_device *device = arg;
    struct redfish_request *request = device->first;
    struct redfish_result result;
    char text[REDFISH_TEXT_MAX], what[REDFISH_PATH_BYTES_MAX + 16];

    device_enter(device);
    device->http = NULL;
    link_move(device, LINK_IDLE);
    snprintf(what, sizeof what, "%s %s", request->method, request_path(device, request));
    result_of(device, what, reply, text, &result);
    link_trace(device, what, &result);
    bool again = reply->code == NSH_OK && request_redirected(request, reply);
    again = first_look_failed(device, &result) || again;
    if (result.status == 401 && device->token != NULL) {
        token_drop(device);
        again = again || !request->renewed;
        request->renewed = true;
    }
    if (result.code != NSH_OK && device->no_sessions) {
        device->root_known = device->no_sessions = false; /* Perhaps it was only starting. */
    }
    if (!again) {
        queue_take(device);
        request_tell(request, &result);
    }
    link_pump(device);
    device_leave(device);
}

/* ---- what comes next -------------------------------------------------------------------- */

static int link_login(struct nsh_device *device, struct nsh_error *err)
{
    char *body = redfish_login_body(device->user, device->password);
    if (body == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = link_send(device,
                           &(struct message){.method = "POST",
                                             .path = device->sessions_path,
                                             .body = body,
                                             .reply_bytes_max = SMALL_BYTES_MAX,
                                             .timeout_ms = device->request_timeout_ms},
                           login_done, device, &device->http, err);
    explicit_bzero(body, strlen(body));
    free(body);
    return result;
}

static int link_get(struct nsh_device *device, const char *path,
                    void (*done)(void *arg, const struct nsh_http_reply *reply),
                    struct nsh_error *err)
{
    return link_send(device,
                     &(struct message){.method = "GET",
                                       .path = path,
                                       .reply_bytes_max = SMALL_BYTES_MAX,
                                       .timeout_ms = device->request_timeout_ms},
                     done, device, &device->http, err);
}

static int link_request(struct nsh_device *device, struct nsh_error *err)
{
    struct redfish_request *request = device->first;
    const char *path = request_path(device, request);
    if (path == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "%s: the service root names no Systems",
                        device->base);
    }
    return link_send(device,
                     &(struct message){.method = request->method,
                                       .path = path,
                                       .body = request->body[0] == '\0' ? NULL : request->body,
                                       .etag = request->etag[0] == '\0' ? NULL : request->etag,
                                       .reply_bytes_max = request->reply_bytes_max,
                                       .timeout_ms = request->timeout_ms,
                                       .token = true,
                                       .basic = basic(device)},
                     request_done, device, &device->http, err);
}

static enum link_state link_next(const struct nsh_device *device)
{
    bool session = device->auth != AUTH_NONE && !basic(device) && device->token == NULL;
    if (!device->root_known && (session || request_path(device, device->first) == NULL)) {
        return LINK_ROOT;
    }
    return !session ? LINK_REQUEST : device->service_first ? LINK_SERVICE : LINK_LOGIN;
}

/* Send what the first request needs, when nothing is under way. */
static void link_pump(struct nsh_device *device)
{
    struct nsh_error err = {0};
    while (device->link == LINK_IDLE && device->first != NULL && !device->closed) {
        enum link_state next = link_next(device);
        int result = next == LINK_ROOT ? link_get(device, ROOT_PATH, root_done, &err)
                     : next == LINK_SERVICE
                         ? link_get(device, device->sessions_path, service_done, &err)
                     : next == LINK_LOGIN ? link_login(device, &err)
                                          : link_request(device, &err);
        if (result == 0) {
            link_move(device, next);
        } else {
            link_fail_error(device, &err);
        }
    }
}

void redfish_request(struct nsh_device *device, struct redfish_request *request)
{
    request->next = NULL;
    request->queued = true;
    request->renewed = false;
    request->redirects = 0;
    *(device->first == NULL ? &device->first : &device->last->next) = request;
    device->last = request;
    if (device->busy == 0) { /* Else the callback that runs goes on with it. */
        device_enter(device);
        link_pump(device);
        device_leave(device);
    }
}

bool redfish_request_cancel(struct nsh_device *device, struct redfish_request *request)
{
    bool sent = false;
    if (!request->queued) {
        return false;
    }
    if (device->first == request && device->link == LINK_REQUEST) {
        device->services->http_cancel(device->services, device->http);
        device->http = NULL;
        link_move(device, LINK_IDLE);
        sent = true;
    }
    struct redfish_request **at = &device->first;
    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
    device->last = NULL;
    for (struct redfish_request *left = device->first; left != NULL; left = left->next) {
        device->last = left;
    }
    request->queued = false;
    request_free_path(request);
    device->orphan = device->orphan || (device->first == NULL && device->link != LINK_IDLE);
    if (device->busy == 0) {
        device_enter(device);
        link_pump(device);
        device_leave(device);
    }
    return sent;
}

/* ---- closing ---------------------------------------------------------------------------- */

static void logout_done(void *arg, const struct nsh_http_reply *reply)
{
    (void)arg; /* Polite, not needed: the BMC ends idle sessions. */
    (void)reply;
}

void redfish_device_close(struct nsh_device *device)
{
    if (device->http != NULL) {
        device->services->http_cancel(device->services, device->http);
        device->http = NULL;
    }
    if (device->token != NULL && device->session_path != NULL) {
        link_send(device,
                  &(struct message){.method = "DELETE",
                                    .path = device->session_path,
                                    .reply_bytes_max = SMALL_BYTES_MAX,
                                    .timeout_ms = LOGOUT_TIMEOUT_MS,
                                    .token = true},
                  logout_done, NULL, NULL, NULL);
    }
    device->closed = true;
    device_enter(device);
    device_leave(device);
}
