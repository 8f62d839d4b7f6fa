/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of alarms and what it asks for: opened, then the list; broken, then again, with a
 * window in which changes were missed. Messages: init, update, stop.
 */

#include "contrail_private.h"

#include "base/json.h"

#include <stdio.h>

#define STREAM_PATH "/analytics/alarm-stream"
#define AGAIN_MS_MAX 30000
#define LIST_SOON_MS 1000 /* After an update that was lost. */

static const char *who(int status)
{
    return status == 401   ? ": who we are is not known there"
           : status == 403 ? ": it needs the role of a cloud admin"
                           : "";
}

/* ---- what the stream says ---- */

/* Something of it is lost: a list tells. */
static void lost(struct contrail_source *source, enum source_count count, const char *why)
{
    int64_t now_ms = link_now_ms(source);
    source_count(source->services->row, SOURCE_COUNT_received, 1);
    source_count(source->services->row, count, 1);
    source_complain(source->services->row, now_ms, why);
    link_list_soon(source, now_ms + LIST_SOON_MS);
}

static void update_take(struct contrail_source *source, struct text data)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value update = nsh_null();
    struct nsh_error err = {0};
    int result = json_parse(data.at, data.count, &arena, &update, &err);
    result =
        result < 0 ? result : contrail_update(&source->state, &update, link_now_ms(source), &err);
    if (result < 0) {
        lost(source, result == -NSH_NOMEM ? SOURCE_COUNT_full : SOURCE_COUNT_malformed, err.text);
    }
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct contrail_source *source = arg;
    source_heard(source->services->row, link_now_ms(source));
    if (event->large) {
        lost(source, SOURCE_COUNT_large, "an update of more than 1 MiB");
    } else if (text_is(event->type, "update")) {
        update_take(source, event->data);
    } /* init: the beginning; stop: the end, which comes by itself. */
    link_push(source);
    return source->state.queue.count < LINK_HELD_MAX;
}

/* ---- the stream ---- */

static void stand_each(void *arg, const struct source_standing *alarm)
{
    struct contrail_source *source = arg;
    if (!contrail_seed(&source->state, alarm->resource, alarm->type, alarm->qualifier, alarm->host,
                       (enum severity)alarm->severity)) {
        source->stand_read = false;
    }
}

/* What stood before the start, so that what ended meanwhile is told, and nothing is told twice. */
static bool stand_take(struct contrail_source *source)
{
    const struct source_services *services = source->services;
    struct nsh_error err = {0};
    if (source->stand_read || services->standing == NULL) {
        return true;
    }
    contrail_done(&source->state);
    source->stand_read = true;
    if (services->standing(services->arg, source->config->name, stand_each, source, &err) < 0 ||
        !source->stand_read) {
        source->stand_read = false;
        link_say(source, true, err.text[0] == '\0' ? "out of memory" : err.text);
        return false;
    }
    return true;
}

static void on_opened(void *arg)
{
    struct contrail_source *source = arg;
    source->open = true;
    source->why[0] = '\0';
    source->status = 0;
    link_say(source, false, "the stream of alarms is open");
    source->state.found = 0;
    link_list_begin(source);
}

static void on_closed(void *arg, const struct sse_end *end)
{
    struct contrail_source *source = arg;
    if (source->away_ms == 0) {
        source->away_ms = link_now_ms(source);
    }
    source->open = source->listed = false;
    source->status = end->status;
    link_list_drop(source);
    snprintf(source->why, sizeof source->why, "%.150s%s", end->why, who(end->status));
    source_complain(source->services->row, source->away_ms, source->why);
    link_say(source, true, source->why);
    if (end->status == 401) {
        link_unauthorized(source);
    }
    if (end->code == NSH_NOMEM && source->login_due_ms == 0) { /* It may not be tried again. */
        source->login_due_ms = link_now_ms(source) + link_pause_ms(source, 3);
    }
    if (source->login_due_ms != 0 || source->login_http != NULL) {
        sse_stream_stop(source->stream); /* Until we are known. */
    }
}

void link_start(struct contrail_source *source)
{
    if (source->open) { /* It lives longer than its token; the list does not. */
        source->list_due_ms = source->listed ? source->list_due_ms : link_now_ms(source);
        return;
    }
    if (!stand_take(source) || sse_stream_start(source->stream) < 0) {
        source->login_due_ms = link_now_ms(source) + link_pause_ms(source, 3);
    }
}

/* With our TLS. The password goes into it only for basic authentication: that of Keystone is
 * Keystone's alone. */
static struct nsh_http_request request_make(const struct contrail_source *source,
                                            const char *method, const char *url)
{
    bool basic = source->login == LOGIN_BASIC;
    return (struct nsh_http_request){
        .method = method,
        .url = url,
        .user = basic ? source->user : NULL,
        .password = basic ? source->password : NULL,
        .ca_file = source->ca_file,
        .client_cert = source->client_cert,
        .client_key = source->client_key,
        .insecure = source->insecure,
    };
}

int link_ask(const struct contrail_source *source, const struct link_question *question,
             struct nsh_http **ret_http, struct nsh_error *err)
{
    struct nsh_services *services = source->services->services;
    const struct textbuf *url = question->url, *body = question->body;
    const bool known = source->token[0] != '\0' && !question->stranger;
    const char *const headers[] = {"Accept: application/json", "Content-Type: application/json",
                                   known ? source->token : NULL, NULL};
    if (url->at == NULL || url->failed || (body != NULL && (body->at == NULL || body->failed))) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    struct nsh_http_request request = request_make(source, question->method, url->at);
    request.headers = headers;
    request.body = body == NULL ? NULL : body->at;
    request.body_bytes = body == NULL ? 0 : body->count;
    request.timeout_ms = question->timeout_ms;
    request.reply_bytes_max = question->reply_bytes_max;
    return services->http(services, &request, question->done, question->arg, ret_http, err);
}

int link_open(struct contrail_source *source, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf url = {0};
    textbuf_addf(&url, "%s" STREAM_PATH "%s", source->base, source->query);
    if (url.at == NULL || url.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    const struct nsh_http_request request = request_make(source, "GET", url.at);
    const struct sse_options options = {
        .services = source->services->services,
        .url = request.url,
        .user = request.user,
        .password = request.password,
        .ca_file = request.ca_file,
        .client_cert = request.client_cert,
        .client_key = request.client_key,
        .insecure = request.insecure,
        .again_ms_max = AGAIN_MS_MAX,
        .event_bytes_max = LINK_EVENT_BYTES_MAX,
        /* It has no heartbeat: TCP notices a peer that is gone, the list what was missed. */
    };
    const struct sse_hooks hooks = {.opened = on_opened, .event = on_event, .closed = on_closed};
    return sse_stream_new(&options, &hooks, source, &source->stream, err);
}

void link_close(struct contrail_source *source)
{
    struct nsh_services *services = source->services->services;
    source->open = false;
    sse_stream_free(TAKE(source->stream));
    link_list_drop(source);
    if (source->login_http != NULL) {
        services->http_cancel(services, TAKE(source->login_http));
    }
    link_acks_close(source);
}

/* ---- time ---- */

void link_tick(struct contrail_source *source)
{
    int64_t now_ms = link_now_ms(source);
    bool renew = source->login_until_ms != 0 && now_ms >= source->login_until_ms;
    if (renew || (source->login_due_ms != 0 && now_ms >= source->login_due_ms)) {
        link_login_begin(source);
    }
    if (source->open && source->logged_in && source->list_due_ms != 0 &&
        now_ms >= source->list_due_ms) {
        link_list_begin(source);
    }
    if (source->listed) { /* Away from the server nothing is known to be gone. */
        contrail_settle(&source->state, now_ms);
    }
    link_push(source);
    link_acks(source);
}
