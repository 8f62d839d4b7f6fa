/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cloud: tokens of Keystone, the catalogue, and one microversion for each service, agreed on
 * once for a login. Microversions are fixed numbers, so that what is tested is what runs: the
 * newest that both know, at least `least`.
 */

#include "openstack.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES_MAX 1024
#define TOKEN_BYTES_MAX 4096
#define REVOKED_SECOND_MS 1000

static const struct {
    const char *word;
    const char *const *types;
    const char
        *suffix; /* Of a catalogue's URL, where the description is: what follows is cut off. */
    const char *describe;
    int least, most;
} services[OS_SERVICES_COUNT] = {
    /* Before 2.95: evacuated servers come back running. 2.53: services by their ids. */
    [OS_COMPUTE] = {"compute", (const char *const[]){"compute", NULL}, NULL, "/", 53, 87},
    /* 1.27: soft power and its timeout. */
    [OS_BAREMETAL] = {"baremetal", (const char *const[]){"baremetal", "bare-metal", NULL}, "/v1",
                      "/v1", 27, 81},
    [OS_PLACEMENT] = {"placement", (const char *const[]){"placement", NULL}, NULL, "/", 10, 36},
    [OS_HA] = {"instance-ha", (const char *const[]){"instance-ha", "ha", NULL}, NULL, NULL, 0, 2},
};

const char *openstack_service_word(enum openstack_service service)
{
    return services[service].word;
}

/* ---- the login -------------------------------------------------------------------------- */

void openstack_session_done(void *session)
{
    nsh_pool_done(&((struct openstack_session *)session)->pool);
}

/* A catalogue's URL as paths are put behind it; NULL: out of memory. */
static const char *service_url(struct nsh_pool *pool, enum openstack_service service,
                               const char *url)
{
    const char *suffix = services[service].suffix;
    char *copy = nsh_pool_text(pool, url);
    size_t count = copy == NULL ? 0 : strlen(copy);
    while (count > 0 && copy[count - 1] == '/') {
        copy[--count] = '\0';
    }
    size_t cut = suffix == NULL ? 0 : strlen(suffix);
    if (cut > 0 && count > cut && strcmp(copy + count - cut, suffix) == 0) {
        copy[count - cut] = '\0';
    }
    return copy;
}

static bool catalog_take(struct openstack_session *session, const struct nsh_value *settings,
                         const struct nsh_value *token)
{
    const char *region = nsh_get_text(settings, "region", "");
    const char *interface = nsh_get_text(settings, "interface", "public");
    struct openstack_session before = *session;
    session->pool = (struct nsh_pool){0};
    memset(session->urls, 0, sizeof session->urls);
    memset(session->versions, 0, sizeof session->versions);
    for (size_t i = 0; i < OS_SERVICES_COUNT; i++) {
        const char *url = openstack_catalog_url(token, services[i].types, interface,
                                                region[0] == '\0' ? NULL : region);
        if (url == NULL) {
            continue;
        }
        session->urls[i] = service_url(&session->pool, (enum openstack_service)i, url);
        if (session->urls[i] == NULL) {
            nsh_pool_done(&before.pool);
            return false;
        }
        /* A new token changes no service: calls under way go on with what was agreed. */
        bool same = before.urls[i] != NULL && strcmp(before.urls[i], session->urls[i]) == 0;
        session->versions[i] = same ? before.versions[i] : 0;
    }
    nsh_pool_done(&before.pool);
    session->roles[0] = '\0';
    for (size_t i = 0; i < nsh_at_count(token, "roles"); i++) {
        const char *role = nsh_get_text(nsh_at_item(token, "roles", i), "name", "");
        nsh_line_add(session->roles, sizeof session->roles, ", ", i == 0 ? 0 : 2);
        nsh_line_add(session->roles, sizeof session->roles, role, strlen(role));
    }
    return true;
}

/* How long a token lives: by the clock of who issued it. */
static int64_t lifetime_ms(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    int64_t expires_ms = 0;
    if (!nsh_time_iso(nsh_at_text(reply->body, "token.expires_at", ""), &expires_ms)) {
        return 0;
    }
    int64_t left_ms =
        expires_ms - (reply->date_ms != 0 ? reply->date_ms : nsh_rest_unix_ms(login->rest));
    return left_ms < 1 ? 1 : left_ms;
}

static void login_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    struct openstack_session *session = nsh_rest_session(login->rest);
    const char *token =
        reply->http == NULL ? NULL : nsh_http_header(reply->http, "x-subject-token");
    const struct nsh_value *body = nsh_get(reply->body, "token");
    char header[TOKEN_BYTES_MAX + 32];
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(login, reply);
        return;
    }
    if (token == NULL || token[0] == '\0' || strlen(token) > TOKEN_BYTES_MAX || body == NULL ||
        body->type != NSH_MAP) {
        nsh_rest_fail(login, NSH_PROTOCOL, "%s POST /auth/tokens: the answer has no token",
                      nsh_rest_base(login->rest));
        return;
    }
    if (!catalog_take(session, nsh_rest_settings(login->rest), body)) {
        nsh_rest_fail_nomem(login);
        return;
    }
    snprintf(header, sizeof header, "X-Auth-Token: %s", token);
    nsh_rest_logged_in(login, header, lifetime_ms(login, reply));
    explicit_bzero(header, sizeof header);
}

static void token_ask(struct nsh_rest_call *login)
{
    struct nsh_value body;
    if (!openstack_login_body(&login->pool, nsh_rest_settings(login->rest), &body)) {
        nsh_rest_fail_nomem(login);
        return;
    }
    nsh_rest_send(
        login, &(struct nsh_rest_request){.method = "POST", .path = "/auth/tokens", .body = &body},
        login_answered);
}

/*
 * Keystone writes into a token when it was issued in whole seconds, and revokes by that: a token of
 * the second in which all of its user's were revoked is revoked, too. So after a refusal the second
 * passes first.
 */
void openstack_login(struct nsh_rest_call *login)
{
    if (nsh_rest_spoiled(login->rest)) {
        nsh_rest_sleep(login, REVOKED_SECOND_MS, token_ask);
    } else {
        token_ask(login);
    }
}

/* ---- services --------------------------------------------------------------------------- */

static void version_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    struct openstack_session *session = nsh_rest_session(call->rest);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    int newest = openstack_version_newest(reply->body),
        oldest = openstack_version_oldest(reply->body);
    int least = services[own->service].least, most = services[own->service].most;
    /* Nova's old interface, /v2, says so with an empty text. */
    if (newest < 0 && nsh_at_text(reply->body, "version.id", NULL) != NULL &&
        nsh_at_text(reply->body, "version.version", "?")[0] == '\0') {
        nsh_rest_fail(call, NSH_UNSUPPORTED, "%s: %s has no microversions here; wanted is .%d",
                      session->urls[own->service], services[own->service].word, least);
        return;
    }
    if (newest < 0) {
        openstack_nonsense(call, reply, "the description of its versions");
        return;
    }
    if (newest < least || oldest > most) {
        nsh_rest_fail(call, NSH_UNSUPPORTED,
                      "%s: %s speaks the microversions .%d to .%d; wanted is one of .%d to .%d",
                      session->urls[own->service], services[own->service].word, oldest, newest,
                      least, most);
        return;
    }
    session->versions[own->service] = newest < most ? newest : most;
    own->then(call);
}

/* ".../v2.1/<project>" is described at ".../v2.1/". */
static void version_ask(struct nsh_rest_call *call)
{
    struct openstack_call *own = openstack_of(call);
    const struct openstack_session *session = nsh_rest_session(call->rest);
    const char *url = session->urls[own->service], *last = strrchr(url, '/');
    char path[PATH_BYTES_MAX];
    int count = last != NULL && openstack_is_uuid(last + 1) ? (int)(last - url) : (int)strlen(url);
    snprintf(path, sizeof path, "%.*s%s", count, url, services[own->service].describe);
    nsh_rest_send(call, &(struct nsh_rest_request){.path = path}, version_answered);
}

static void service_known(struct nsh_rest_call *call)
{
    struct openstack_call *own = openstack_of(call);
    struct openstack_session *session = nsh_rest_session(call->rest);
    const struct nsh_value *settings = nsh_rest_settings(call->rest);
    if (session->urls[own->service] == NULL) {
        const char *region = nsh_get_text(settings, "region", "");
        nsh_rest_fail(call, NSH_UNSUPPORTED, "%s: the catalogue has no %s service (%s%s%s)",
                      nsh_rest_base(call->rest), services[own->service].word,
                      nsh_get_text(settings, "interface", "public"),
                      region[0] == '\0' ? "" : ", region ", region);
        return;
    }
    if (services[own->service].describe == NULL) {
        session->versions[own->service] = services[own->service].most;
    }
    if (session->versions[own->service] == 0) {
        version_ask(call);
    } else {
        own->then(call);
    }
}

void openstack_use(struct nsh_rest_call *call, enum openstack_service service,
                   void (*then)(struct nsh_rest_call *call))
{
    struct openstack_call *own = openstack_of(call);
    own->service = service;
    own->then = then;
    nsh_rest_ready(call, service_known);
}

/* ---- requests --------------------------------------------------------------------------- */

/* The header that says which microversion is meant. */
static void version_header(struct nsh_rest_call *call)
{
    struct openstack_call *own = openstack_of(call);
    const struct openstack_session *session = nsh_rest_session(call->rest);
    int minor = session->versions[own->service];
    if (own->service == OS_BAREMETAL) {
        snprintf(own->version, sizeof own->version, "X-OpenStack-Ironic-API-Version: 1.%d", minor);
    } else {
        snprintf(own->version, sizeof own->version, "OpenStack-API-Version: %s %d.%d",
                 services[own->service].word, own->service == OS_COMPUTE ? 2 : 1, minor);
    }
    own->headers[0] = own->version;
}

void openstack_read_servers(struct nsh_rest_call *call, const char *path,
                            bool (*each)(struct nsh_rest_call *call, const struct nsh_value *item),
                            void (*done)(struct nsh_rest_call *call))
{
    const struct openstack_session *session = nsh_rest_session(call->rest);
    char url[2 * PATH_BYTES_MAX];
    version_header(call);
    snprintf(url, sizeof url, "%.1000s%.1000s", session->urls[OS_COMPUTE], path);
    nsh_rest_read_list(call, &(struct nsh_rest_list){
                                 .request = {.path = url, .headers = openstack_of(call)->headers},
                                 .items = "servers",
                                 .how = NSH_REST_LINKS,
                                 .next = "servers_links",
                                 .each = each,
                                 .done = done,
                             });
}

__attribute__((format(printf, 5, 0))) static void
send_to(struct nsh_rest_call *call, const char *method, const struct nsh_rest_request *body,
        openstack_answered *done, const char *path, va_list args)
{
    const struct openstack_call *own = openstack_of(call);
    const struct openstack_session *session = nsh_rest_session(call->rest);
    char url[2 * PATH_BYTES_MAX];
    int used = snprintf(url, sizeof url, "%s", session->urls[own->service]);
    if (used < 0 || used > PATH_BYTES_MAX ||
        vsnprintf(url + used, sizeof url - (size_t)used, path, args) >= PATH_BYTES_MAX) {
        nsh_rest_fail(call, NSH_LIMIT, "%s: a path of more than %d bytes",
                      session->urls[own->service], PATH_BYTES_MAX);
        return;
    }
    version_header(call);
    struct nsh_rest_request request = *body;
    request.method = method;
    request.path = url;
    request.headers = own->headers;
    nsh_rest_send(call, &request, done);
}

void openstack_send(struct nsh_rest_call *call, const char *method, const char *body,
                    openstack_answered *done, const char *path, ...)
{
    va_list args;
    va_start(args, path);
    send_to(call, method, &(struct nsh_rest_request){.text = body}, done, path, args);
    va_end(args);
}

void openstack_send_value(struct nsh_rest_call *call, const char *method,
                          const struct nsh_value *body, openstack_answered *done, const char *path,
                          ...)
{
    va_list args;
    va_start(args, path);
    send_to(call, method, &(struct nsh_rest_request){.body = body}, done, path, args);
    va_end(args);
}

void openstack_nonsense(struct nsh_rest_call *call, const struct nsh_rest_reply *reply,
                        const char *what)
{
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else {
        nsh_rest_fail(call, NSH_PROTOCOL, "%s: the answer makes no sense: %s",
                      nsh_rest_base(call->rest), what);
    }
}

void openstack_done(struct nsh_rest_call *call, const char *const *pairs)
{
    struct nsh_member members[12];
    size_t count = 0;
    for (size_t i = 0; pairs[i] != NULL && count < sizeof members / sizeof members[0]; i += 2) {
        if (pairs[i + 1] != NULL) {
            members[count++] = (struct nsh_member){pairs[i], nsh_text(pairs[i + 1])};
        }
    }
    struct nsh_value result = nsh_map(members, count);
    nsh_rest_done(call, &result);
}
