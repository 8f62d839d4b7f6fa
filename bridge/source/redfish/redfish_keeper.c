/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions that stay: each BMC is visited in turn. A visit reads the subscription it knows;
 * one that is gone, or not ours any more, is looked for among those there are, and made anew. One
 * request at a time for each BMC, KEEPER_VISITS_MAX visits at once. A login that was refused is not
 * repeated for an hour: that would lock the account.
 */

#include "redfish_private.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define REPLY_BYTES_MAX (256u << 10)
#define REFUSED_MS (60 * 60 * INT64_C(1000))
#define SERVICE_PATH "/redfish/v1/EventService"
#define SCANNED_MAX 4096 /* BMCs looked at in one tick. */

enum visit_step { VISIT_KNOWN, VISIT_SERVICE, VISIT_LIST, VISIT_MEMBER, VISIT_DROP, VISIT_MAKE };

struct redfish_visit {
    struct redfish_events *source;
    struct arena arena;
    struct nsh_http *http;
    const char *address, *context, *base; /* Copies: the table may be replaced meanwhile. */
    struct nsh_value settings;
    const char *user, *password;
    char path[REDFISH_PATH_BYTES_MAX]; /* Of the subscription, or the member that is read. */
    const char *list;                  /* Path of the subscriptions. */
    const char *members[KEEPER_MEMBERS_MAX];
    size_t members_count, member;
    enum visit_step step;
    bool lost, old; /* old: the service knows EventTypes alone. */
};

static void visit_next(struct redfish_visit *visit, enum visit_step step);

/* ---- the end of a visit ---- */

static void visit_free(struct redfish_visit *visit)
{
    struct redfish_events *source = visit->source;
    for (size_t i = 0; i < KEEPER_VISITS_MAX; i++) {
        if (source->visits[i] == visit) {
            source->visits[i] = NULL;
        }
    }
    if (visit->password != NULL) { /* The arena's bytes, which are ours. */
        explicit_bzero((void *)(uintptr_t)visit->password, strlen(visit->password));
    }
    arena_done(&visit->arena);
    free(visit);
}

static void visit_end(struct redfish_visit *visit, const char *why, bool refused)
{
    struct redfish_events *source = visit->source;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    pthread_mutex_lock(&source->lock);
    struct redfish_bmc *bmc =
        source->table == NULL ? NULL : map_get(&source->table->by_address, text_of(visit->address));
    if (bmc != NULL) {
        bmc->visiting = false;
        bmc->subscribed = why == NULL;
        bmc->due_ms = now_ms + (refused ? REFUSED_MS : source->every_ms);
        snprintf(bmc->why, sizeof bmc->why, "%s", why == NULL ? "" : why);
        snprintf(bmc->path, sizeof bmc->path, "%s", why == NULL ? visit->path : "");
    }
    pthread_mutex_unlock(&source->lock);
    source->lost += visit->lost && why == NULL;
    if (why == NULL && visit->lost) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        textbuf_addf(&text, "source %s: the subscription at %.200s was lost, and made anew",
                     source->config->name, visit->address);
        source->services->log(source->services->arg, false, text.at);
    }
    visit_free(visit);
}

/* ---- replies ---- */

static bool path_take(const char *path, char ret_path[REDFISH_PATH_BYTES_MAX])
{
    const char *scheme = path == NULL ? NULL : strstr(path, "://");
    if (scheme != NULL) { /* A Location may be a whole URL: the path of it counts. */
        path = strchr(scheme + 3, '/');
    }
    size_t count = path == NULL ? 0 : strlen(path);
    bool good = count > 1 && count < REDFISH_PATH_BYTES_MAX && path[0] == '/' && path[1] != '/';
    for (size_t i = 0; good && i < count; i++) {
        good = path[i] > ' ' && path[i] < 0x7f;
    }
    if (good) {
        memcpy(ret_path, path, count + 1);
    }
    return good;
}

static bool ours(const struct redfish_visit *visit, const struct nsh_value *subscription)
{
    const struct nsh_value *status = nsh_get(subscription, "Status");
    const char *state = status == NULL ? "Enabled" : nsh_get_text(status, "State", "Enabled");
    return strcmp(nsh_get_text(subscription, "Destination", ""), visit->source->destination) == 0 &&
           strcmp(nsh_get_text(subscription, "Context", ""), visit->context) == 0 &&
           strcmp(state, "Disabled") != 0;
}

static void service_take(struct redfish_visit *visit, const struct nsh_value *body)
{
    const struct nsh_value *link = nsh_get(body, "Subscriptions");
    char path[REDFISH_PATH_BYTES_MAX];
    if (link == NULL || !path_take(nsh_get_text(link, "@odata.id", NULL), path)) {
        visit_end(visit, "its EventService names no subscriptions", false);
        return;
    }
    visit->list = arena_copy(&visit->arena, path, strlen(path));
    visit->old = nsh_get(body, "EventFormatTypes") == NULL;
    visit_next(visit, VISIT_LIST);
}

static void list_take(struct redfish_visit *visit, const struct nsh_value *body)
{
    const struct nsh_value *members = nsh_get(body, "Members");
    uint32_t count = members == NULL || members->type != NSH_LIST ? 0 : members->count;
    char path[REDFISH_PATH_BYTES_MAX];
    for (uint32_t i = 0; i < count && visit->members_count < KEEPER_MEMBERS_MAX; i++) {
        if (path_take(nsh_get_text(&members->items[i], "@odata.id", NULL), path)) {
            const char *copy = arena_copy(&visit->arena, path, strlen(path));
            visit->members[visit->members_count] = copy;
            visit->members_count += copy != NULL;
        }
    }
    visit_next(visit, VISIT_MEMBER);
}

static void member_take(struct redfish_visit *visit, const struct nsh_value *body)
{
    if (ours(visit, body)) {
        visit_end(visit, NULL, false);
        return;
    }
    bool stale = strcmp(nsh_get_text(body, "Destination", ""), visit->source->destination) == 0;
    visit_next(visit, stale ? VISIT_DROP : VISIT_MEMBER);
}

static void make_take(struct redfish_visit *visit, const struct nsh_http_reply *reply,
                      const struct nsh_value *body)
{
    if (reply->status == 400 && !visit->old) {
        visit->old = true;
        visit_next(visit, VISIT_MAKE);
        return;
    }
    char why[REDFISH_WHY_BYTES];
    if (reply->status < 200 || reply->status > 299) {
        snprintf(why, sizeof why, "POST %.100s -> %d", visit->list, reply->status);
        visit_end(visit, why, reply->status == 401);
        return;
    }
    if (!path_take(nsh_http_header(reply, "location"), visit->path) &&
        !path_take(nsh_get_text(body, "@odata.id", NULL), visit->path)) {
        visit_end(visit, "it made a subscription and does not say where", false);
        return;
    }
    visit_end(visit, NULL, false);
}

static void reply_take(struct redfish_visit *visit, const struct nsh_http_reply *reply,
                       const struct nsh_value *body)
{
    char why[REDFISH_WHY_BYTES];
    bool absent = reply->status == 404 || reply->status == 410;
    bool good = reply->status >= 200 && reply->status <= 299;
    if (visit->step == VISIT_MAKE) {
        make_take(visit, reply, body);
    } else if (visit->step == VISIT_KNOWN && good && ours(visit, body)) {
        visit_end(visit, NULL, false);
    } else if (visit->step == VISIT_KNOWN && (good || absent)) {
        visit->lost = true;
        visit_next(visit, VISIT_SERVICE);
    } else if ((visit->step == VISIT_MEMBER || visit->step == VISIT_DROP) && (good || absent)) {
        if (visit->step == VISIT_MEMBER && good) {
            member_take(visit, body);
        } else {
            visit_next(visit, VISIT_MEMBER);
        }
    } else if (!good) {
        snprintf(why, sizeof why, "%.100s -> %d",
                 visit->step == VISIT_LIST ? visit->list : SERVICE_PATH, reply->status);
        visit_end(visit, why, reply->status == 401);
    } else if (visit->step == VISIT_SERVICE) {
        service_take(visit, body);
    } else {
        list_take(visit, body);
    }
}

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct redfish_visit *visit = arg;
    struct nsh_value body = nsh_null();
    visit->http = NULL;
    if (reply->code != NSH_OK) {
        char why[REDFISH_WHY_BYTES];
        snprintf(why, sizeof why, "%s: %.120s", nsh_code_word(reply->code),
                 reply->text == NULL ? "" : reply->text);
        visit_end(visit, why, false);
        return;
    }
    /* What is no JSON is an empty answer: its status still says something. */
    if (reply->body_bytes > 0 &&
        json_parse(reply->body, reply->body_bytes, &visit->arena, &body, NULL) < 0) {
        body = nsh_null();
    }
    reply_take(visit, reply, &body);
}

/* ---- requests ---- */

static void make_body(const struct redfish_visit *visit, struct textbuf *out)
{
    textbuf_add_chars(out, "{\"Destination\":");
    textbuf_add_json(out, text_of(visit->source->destination));
    textbuf_add_chars(out, ",\"Protocol\":\"Redfish\",\"Context\":");
    textbuf_add_json(out, text_of(visit->context));
    textbuf_add_chars(out, visit->old ? ",\"EventTypes\":[\"Alert\"]}"
                                      : ",\"EventFormatType\":\"Event\"}");
}

static void visit_next(struct redfish_visit *visit, enum visit_step step)
{
    static const char *const methods[] = {"GET", "GET", "GET", "GET", "DELETE", "POST"};
    static const char *const headers[] = {"Accept: application/json", "OData-Version: 4.0",
                                          "Content-Type: application/json", NULL};
    CLEANUP(textbuf_donep) struct textbuf url = {0}, body = {0};
    struct nsh_error err = {0};
    const char *path = visit->path;
    visit->step = step;
    if (step == VISIT_MEMBER && visit->member == visit->members_count) {
        visit->step = VISIT_MAKE;
    } else if (step == VISIT_MEMBER) {
        snprintf(visit->path, sizeof visit->path, "%s", visit->members[visit->member++]);
    }
    if (visit->step == VISIT_SERVICE) {
        path = SERVICE_PATH;
    } else if (visit->step == VISIT_LIST || visit->step == VISIT_MAKE) {
        path = visit->list;
    }
    if (visit->step == VISIT_MAKE) {
        make_body(visit, &body);
    }
    if (path == NULL) {
        visit_end(visit, "out of memory", false);
        return;
    }
    textbuf_addf(&url, "%s%s", visit->base, path);
    const char *tls = nsh_get_text(&visit->settings, "tls", "verify");
    const struct nsh_http_request request = {
        .method = methods[visit->step],
        .url = url.at,
        .headers = headers,
        .body = body.at,
        .body_bytes = body.count,
        .reply_bytes_max = REPLY_BYTES_MAX,
        .user = visit->user,
        .password = visit->password,
        .ca_file = nsh_get_text(&visit->settings, "ca_file", NULL),
        .pinned_key = nsh_get_text(&visit->settings, "pinned_key", NULL),
        .client_cert = nsh_get_text(&visit->settings, "client_cert", NULL),
        .client_key = nsh_get_text(&visit->settings, "client_key", NULL),
        .insecure = strcmp(tls, "insecure") == 0,
    };
    struct nsh_services *services = visit->source->services->services;
    if (services->http(services, &request, on_reply, visit, &visit->http, &err) < 0) {
        visit_end(visit, err.text, false);
    }
}

/* ---- rounds ---- */

static bool visit_read(struct redfish_visit *visit, const struct redfish_bmc *bmc,
                       struct nsh_error *err)
{
    const struct source_services *services = visit->source->services;
    struct arena *arena = &visit->arena;
    const char *scheme = strstr(bmc->address, "://");
    const char *authority = scheme == NULL ? bmc->address : scheme + 3;
    visit->address = arena_text(arena, text_of(bmc->address)).at;
    visit->context = arena_text(arena, text_of(bmc->context)).at;
    if (!arena_value(arena, bmc->settings, &visit->settings)) {
        return false;
    }
    bool plain = strcmp(nsh_get_text(&visit->settings, "tls", "verify"), "none") == 0;
    visit->base = arena_printf(arena, "%s://%.*s", plain ? "http" : "https",
                               (int)strcspn(authority, "/?#"), authority);
    visit->user = nsh_get_text(&visit->settings, "user", NULL);
    const char *reference = nsh_get_text(&visit->settings, "password", NULL);
    if (reference != NULL &&
        services->secret(services->arg, reference, arena, &visit->password, err) < 0) {
        return false;
    }
    snprintf(visit->path, sizeof visit->path, "%s", bmc->path);
    return visit->address != NULL && visit->context != NULL && visit->base != NULL;
}

/* Takes one of the places, which is free. */
static void visit_begin(struct redfish_events *source, struct redfish_bmc *bmc, size_t place)
{
    struct redfish_visit *visit = calloc(1, sizeof *visit);
    struct nsh_error err = {0};
    if (visit == NULL) {
        return;
    }
    visit->source = source;
    bool read = visit_read(visit, bmc, &err);
    if (!read) {
        snprintf(bmc->why, sizeof bmc->why, "%.150s", err.code == 0 ? "out of memory" : err.text);
        bmc->due_ms = (int64_t)uv_now(source->services->loop) + source->every_ms;
        visit_free(visit);
        return;
    }
    bmc->visiting = true;
    source->visits[place] = visit;
    visit_next(visit, visit->path[0] == '\0' ? VISIT_SERVICE : VISIT_KNOWN);
}

void redfish_keep(struct redfish_events *source)
{
    struct redfish_table *table = source->table;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    size_t place = 0;
    if (source->destination == NULL || table == NULL) {
        return;
    }
    for (size_t i = 0; i < SCANNED_MAX && i < table->count; i++) {
        while (place < KEEPER_VISITS_MAX && source->visits[place] != NULL) {
            place++;
        }
        if (place == KEEPER_VISITS_MAX) {
            return;
        }
        source->next = source->next >= table->count ? 0 : source->next;
        struct redfish_bmc *bmc = &table->items[source->next++];
        if (!bmc->visiting && bmc->due_ms <= now_ms) {
            visit_begin(source, bmc, place);
        }
    }
}

void redfish_keep_end(struct redfish_events *source)
{
    for (size_t i = 0; i < KEEPER_VISITS_MAX; i++) {
        struct redfish_visit *visit = source->visits[i];
        if (visit != NULL) {
            if (visit->http != NULL) {
                source->services->services->http_cancel(source->services->services, visit->http);
            }
            visit_free(visit);
        }
    }
}
