/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions that stay: each BMC is visited in turn. A visit reads the subscription it knows;
 * one that is gone, or not ours any more, is looked for among those there are, and made anew. One
 * request at a time for each BMC, KEEPER_VISITS_MAX visits at once, each REDFISH_VISIT_MS_MAX at
 * most. A login that was refused is not repeated for an hour: that would lock the account.
 */

#include "redfish_private.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define REFUSED_MS (60 * 60 * INT64_C(1000))
#define SERVICE_PATH "/redfish/v1/EventService"
#define STREAM_WANTED "events = \"sse\""
#define SCANNED_MAX 4096 /* BMCs looked at in one tick. */

enum visit_step { VISIT_KNOWN, VISIT_SERVICE, VISIT_LIST, VISIT_MEMBER, VISIT_DROP, VISIT_MAKE };

struct redfish_visit {
    struct redfish_events *source;
    int64_t begun_ms; /* redfish_clock_ms() */
    struct redfish_peer peer;
    struct nsh_http *http;
    char path[REDFISH_PATH_BYTES_MAX]; /* Of the subscription, or the member that is read. */
    const char *list;                  /* Path of the subscriptions. */
    const char *members[KEEPER_MEMBERS_MAX];
    size_t members_count, member;
    enum visit_step step;
    bool lost, old;                     /* old: the service knows EventTypes alone. */
    bool reports;                       /* The second subscription of two: for metric reports. */
    char first[REDFISH_PATH_BYTES_MAX]; /* Then, of the first. */
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
    redfish_peer_done(&visit->peer);
    free(visit);
}

/* Events that are posted, else a stream that is read, else a look now and then. */
static void way_settle(struct redfish_watch *watch, const char *why, bool refused)
{
    bool fresh = watch->path[0] == '\0'; /* New to us: what happened before is looked for. */
    snprintf(watch->why, sizeof watch->why, "%s", why == NULL ? "" : why);
    if (why == NULL) {
        watch->catch_up = watch->catch_up || fresh;
        watch->way = REDFISH_WAY_PUSH;
        redfish_stream_end(watch);
        return;
    }
    bool stream = !refused && watch->stream_path[0] != '\0' &&
                  redfish_stream_begin(watch, watch->stream_path);
    watch->way = stream ? REDFISH_WAY_SSE : REDFISH_WAY_POLL;
}

static void visit_end(struct redfish_visit *visit, const char *why, bool refused)
{
    struct redfish_events *source = visit->source;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    struct redfish_watch *watch = map_get(&source->watches, text_of(visit->peer.address));
    if (watch != NULL) {
        watch->visiting = false;
        watch->subscribed = why == NULL;
        watch->due_ms = now_ms + (refused ? REFUSED_MS : source->every_ms);
        watch->poll_due_ms = refused ? watch->due_ms : watch->poll_due_ms;
        way_settle(watch, why, refused);
        snprintf(watch->path, sizeof watch->path, "%s",
                 why != NULL      ? ""
                 : visit->reports ? visit->first
                                  : visit->path);
        snprintf(watch->report_path, sizeof watch->report_path, "%s",
                 why == NULL && visit->reports ? visit->path : "");
    }
    source->lost += visit->lost && why == NULL;
    if (watch != NULL && visit->lost && why == NULL) {
        watch->catch_up = true;
        watch->poll_due_ms = redfish_clock_ms();
    }
    if (why == NULL && visit->lost) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        textbuf_addf(&text, "source %s: the subscription at %.200s was lost, and made anew",
                     source->config->name, visit->peer.address);
        source->services->log(source->services->arg, false, text.at);
    }
    visit_free(visit);
}

/* ---- replies ---- */

/*
 * Without why the subscription is there; then the one for metric reports follows, where it is
 * wanted and offered. What fails of the second is told, and the first stays.
 */
static void visit_pass(struct redfish_visit *visit, const char *why, bool refused)
{
    struct redfish_events *source = visit->source;
    struct redfish_watch *watch = map_get(&source->watches, text_of(visit->peer.address));
    if (visit->reports && why != NULL && watch != NULL) {
        snprintf(watch->report_why, sizeof watch->report_why, "%s", why);
        visit->reports = false;
        snprintf(visit->path, sizeof visit->path, "%s", visit->first);
        visit_end(visit, NULL, false);
        return;
    }
    if (why != NULL || visit->reports || watch == NULL || !source->reports ||
        !watch->offers_reports) {
        visit_end(visit, why, refused);
        return;
    }
    watch->report_why[0] = '\0';
    visit->reports = true;
    visit->members_count = visit->member = 0;
    snprintf(visit->first, sizeof visit->first, "%s", visit->path);
    snprintf(visit->path, sizeof visit->path, "%s", watch->report_path);
    visit_next(visit, visit->path[0] == '\0' ? VISIT_SERVICE : VISIT_KNOWN);
}

static bool is_report(const struct nsh_value *subscription)
{
    return strcmp(nsh_get_text(subscription, "EventFormatType", "Event"), "MetricReport") == 0;
}

static bool ours(const struct redfish_visit *visit, const struct nsh_value *subscription)
{
    const struct nsh_value *status = nsh_get(subscription, "Status");
    const char *state = status == NULL ? "Enabled" : nsh_get_text(status, "State", "Enabled");
    return strcmp(nsh_get_text(subscription, "Destination", ""), visit->source->destination) == 0 &&
           strcmp(nsh_get_text(subscription, "Context", ""), visit->peer.context) == 0 &&
           is_report(subscription) == visit->reports && strcmp(state, "Disabled") != 0;
}

/* What the service offers besides. */
static void service_note(struct redfish_visit *visit, const struct nsh_value *body)
{
    struct redfish_watch *watch = map_get(&visit->source->watches, text_of(visit->peer.address));
    const struct nsh_value *formats = nsh_get(body, "EventFormatTypes");
    if (watch == NULL) {
        return;
    }
    watch->offers_reports = false;
    if (!redfish_path_take(nsh_get_text(body, "ServerSentEventUri", NULL), watch->stream_path)) {
        watch->stream_path[0] = '\0';
    }
    for (uint32_t i = 0; formats != NULL && formats->type == NSH_LIST && i < formats->count; i++) {
        const struct nsh_value *format = &formats->items[i];
        watch->offers_reports =
            watch->offers_reports ||
            (format->type == NSH_STRING && strcmp(format->text, "MetricReport") == 0);
    }
}

/* Streams are wanted first, and there is one. */
static bool stream_serves(const struct redfish_visit *visit)
{
    const struct redfish_watch *watch =
        map_get(&visit->source->watches, text_of(visit->peer.address));
    return visit->source->asks == REDFISH_ASKS_SSE && watch != NULL &&
           watch->stream_path[0] != '\0';
}

static void service_take(struct redfish_visit *visit, const struct nsh_value *body)
{
    const struct nsh_value *link = nsh_get(body, "Subscriptions");
    char path[REDFISH_PATH_BYTES_MAX];
    service_note(visit, body);
    if (!nsh_get_bool(body, "ServiceEnabled", true)) {
        visit_pass(visit, "its EventService is switched off", false);
        return;
    }
    if (stream_serves(visit)) {
        visit_pass(visit, STREAM_WANTED, false);
        return;
    }
    if (visit->source->destination == NULL) {
        visit_pass(visit, "it offers no stream of events", false);
        return;
    }
    if (link == NULL || !redfish_path_take(nsh_get_text(link, "@odata.id", NULL), path)) {
        visit_pass(visit, "its EventService names no subscriptions", false);
        return;
    }
    visit->list = arena_copy(&visit->peer.arena, path, strlen(path));
    visit->old = nsh_get(body, "EventFormatTypes") == NULL;
    visit_next(visit, VISIT_LIST);
}

static void list_take(struct redfish_visit *visit, const struct nsh_value *body)
{
    const struct nsh_value *members = nsh_get(body, "Members");
    uint32_t count = members == NULL || members->type != NSH_LIST ? 0 : members->count;
    char path[REDFISH_PATH_BYTES_MAX];
    for (uint32_t i = 0; i < count && visit->members_count < KEEPER_MEMBERS_MAX; i++) {
        if (redfish_path_take(nsh_get_text(&members->items[i], "@odata.id", NULL), path)) {
            const char *copy = arena_copy(&visit->peer.arena, path, strlen(path));
            visit->members[visit->members_count] = copy;
            visit->members_count += copy != NULL;
        }
    }
    visit_next(visit, VISIT_MEMBER);
}

static void member_take(struct redfish_visit *visit, const struct nsh_value *body)
{
    if (ours(visit, body)) {
        visit_pass(visit, NULL, false);
        return;
    }
    bool stale = strcmp(nsh_get_text(body, "Destination", ""), visit->source->destination) == 0;
    /* The other one of ours stays, as long as it is wanted. */
    bool other = stale && strcmp(nsh_get_text(body, "Context", ""), visit->peer.context) == 0 &&
                 is_report(body) != visit->reports && visit->source->reports;
    visit_next(visit, stale && !other ? VISIT_DROP : VISIT_MEMBER);
}

/* What an error is called: the MessageId of its first message, or nothing. */
static const char *error_key(const struct nsh_value *body)
{
    const struct nsh_value *info = nsh_get(nsh_get(body, "error"), "@Message.ExtendedInfo");
    if (info == NULL || info->type != NSH_LIST || info->count == 0) {
        return "";
    }
    const char *id = nsh_get_text(&info->items[0], "MessageId", "");
    const char *dot = strrchr(id, '.');
    return dot == NULL ? id : dot + 1;
}

static void make_take(struct redfish_visit *visit, const struct nsh_http_reply *reply,
                      const struct nsh_value *body)
{
    if (reply->status == 400 && !visit->old && !visit->reports) {
        visit->old = true;
        visit_next(visit, VISIT_MAKE);
        return;
    }
    char why[REDFISH_WHY_BYTES];
    if (reply->status < 200 || reply->status > 299) {
        snprintf(why, sizeof why, "POST %.70s -> %d %.60s", visit->list, reply->status,
                 error_key(body));
        visit_pass(visit, why, reply->status == 401);
        return;
    }
    if (!redfish_path_take(nsh_http_header(reply, "location"), visit->path) &&
        !redfish_path_take(nsh_get_text(body, "@odata.id", NULL), visit->path)) {
        visit_pass(visit, "it made a subscription and does not say where", false);
        return;
    }
    visit_pass(visit, NULL, false);
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
        visit_pass(visit, NULL, false);
    } else if (visit->step == VISIT_KNOWN && (good || absent)) {
        visit->lost = true;
        visit_next(visit, VISIT_SERVICE);
    } else if ((visit->step == VISIT_MEMBER || visit->step == VISIT_DROP) && (good || absent)) {
        if (visit->step == VISIT_MEMBER && good) {
            member_take(visit, body);
        } else {
            visit_next(visit, VISIT_MEMBER);
        }
    } else if (absent && visit->step == VISIT_SERVICE) {
        visit_pass(visit, "it has no EventService", false);
    } else if (!good) {
        snprintf(why, sizeof why, "%.100s -> %d",
                 visit->step == VISIT_LIST ? visit->list : SERVICE_PATH, reply->status);
        visit_pass(visit, why, reply->status == 401);
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
        visit_pass(visit, why, false);
        return;
    }
    /* What is no JSON is an empty answer: its status still says something. */
    if (reply->body_bytes > 0 &&
        json_parse(reply->body, reply->body_bytes, &visit->peer.arena, &body, NULL) < 0) {
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
    textbuf_add_json(out, text_of(visit->peer.context));
    textbuf_add_chars(out, visit->old       ? ",\"EventTypes\":[\"Alert\"]}"
                           : visit->reports ? ",\"EventFormatType\":\"MetricReport\"}"
                                            : ",\"EventFormatType\":\"Event\"}");
}

static void visit_next(struct redfish_visit *visit, enum visit_step step)
{
    static const char *const methods[] = {"GET", "GET", "GET", "GET", "DELETE", "POST"};
    CLEANUP(textbuf_donep) struct textbuf body = {0};
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
        visit_pass(visit, "out of memory", false);
        return;
    }
    const struct redfish_call call = {
        .method = methods[visit->step], .path = path, .body = body.at, .body_bytes = body.count};
    if (redfish_peer_call(&visit->peer, &call, on_reply, visit, &visit->http, &err) < 0) {
        visit_pass(visit, err.text, false);
    }
}

/* ---- rounds ---- */

/* Takes one of the places, which is free. */
static void visit_begin(struct redfish_events *source, struct redfish_watch *watch, size_t place)
{
    struct redfish_visit *visit = calloc(1, sizeof *visit);
    struct nsh_error err = {0};
    if (visit == NULL) {
        return;
    }
    visit->source = source;
    visit->begun_ms = redfish_clock_ms();
    if (redfish_peer_open(&visit->peer, source, watch->bmc, &err) < 0) {
        snprintf(watch->why, sizeof watch->why, "%.150s", err.text);
        watch->way = REDFISH_WAY_POLL;
        watch->due_ms = (int64_t)uv_now(source->services->loop) + source->every_ms;
        visit_free(visit);
        return;
    }
    snprintf(visit->path, sizeof visit->path, "%s", watch->path);
    watch->visiting = true;
    source->visits[place] = visit;
    visit_next(visit, visit->path[0] == '\0' ? VISIT_SERVICE : VISIT_KNOWN);
}

bool redfish_asked(const struct redfish_events *source)
{
    return source->asks == REDFISH_ASKS_SSE || source->destination != NULL;
}

static void visit_stop(struct redfish_visit *visit)
{
    struct nsh_services *services = visit->source->services->services;
    if (visit->http != NULL) {
        services->http_cancel(services, visit->http);
        visit->http = NULL;
    }
}

static void visits_expire(struct redfish_events *source)
{
    int64_t now_ms = redfish_clock_ms();
    for (size_t i = 0; i < KEEPER_VISITS_MAX; i++) {
        struct redfish_visit *visit = source->visits[i];
        if (visit != NULL && now_ms - visit->begun_ms > source->visit_ms) {
            char why[REDFISH_WHY_BYTES];
            snprintf(why, sizeof why, "the visit was not through after %lld s",
                     (long long)(now_ms - visit->begun_ms) / 1000);
            visit_stop(visit);
            visit_pass(visit, why, false);
        }
    }
}

void redfish_keep(struct redfish_events *source)
{
    struct redfish_table *table = source->table;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    size_t place = 0;
    visits_expire(source);
    if (!redfish_asked(source) || table == NULL) {
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
        struct redfish_watch *watch = table->items[source->next++].watch;
        if (!watch->visiting && watch->due_ms <= now_ms) {
            visit_begin(source, watch, place);
        }
    }
}

void redfish_keep_end(struct redfish_events *source)
{
    for (size_t i = 0; i < KEEPER_VISITS_MAX; i++) {
        struct redfish_visit *visit = source->visits[i];
        if (visit != NULL) {
            visit_stop(visit);
            visit_free(visit);
        }
    }
}
