/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks: a body through the source's door and map into the intake; answered when all of it is
 * durable. On the server's threads; nothing here waits.
 *
 * 200 with what became of it; 400 it makes no sense, 401 and 403 it may not, 404 no such source,
 * 413 too large; 503 with Retry-After: too much waits, or the store is not well, come again.
 */

#include "routes_private.h"

#include "source/webhook/webhook.h"
#include "sources.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#define WEBHOOK_REPLY_BYTES 160

struct webhook_post {
    struct source_delivery delivery;
    struct api_exchange *exchange;
    struct sources *sources;
    struct webhook_ticket ticket;
    char name[SOURCE_NAME_BYTES_MAX];
    uint32_t ignored;
    int64_t wall_ms;
};

static void reply_counts(struct api_exchange *exchange, const struct webhook_post *post,
                         uint32_t duplicates)
{
    char body[WEBHOOK_REPLY_BYTES];
    int count = snprintf(
        body, sizeof body, "{\"accepted\":%u,\"duplicates\":%u,\"unmatched\":%u,\"ignored\":%u}\n",
        post->delivery.events - duplicates, duplicates, post->delivery.unmatched, post->ignored);
    api_reply(exchange, 200, "application/json", body, (size_t)count);
}

/* On the loop thread, after the commit; at once when there is nothing to commit. */
static void webhook_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct webhook_post *post = arg;
    struct nsh_error err = {0};
    struct source_use use;
    if (!durable) {
        nsh_fail(&err, NSH_CANCELLED, "the daemon stops before this is durable");
        api_problem(post->exchange, &err, "send it again: what is known already is not doubled");
        return;
    }
    if (post->ticket.signed_by_key && sources_take(post->sources, post->name, &use)) {
        if (use.source != NULL && use.config->type == &source_type_webhook) {
            webhook_seen(use.source, &post->ticket, post->wall_ms);
        }
        sources_give(post->sources, &use);
    }
    reply_counts(post->exchange, post, duplicates);
}

static int64_t wall_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- refusals ------------------------------------------------------------------------------ */

void routes_source_refuse(const struct api_request *request, const struct source_use *use,
                          int64_t now_ms, const struct nsh_error *err)
{
    static const struct {
        int code;
        unsigned status;
        enum source_count count;
    } rows[] = {
        {NSH_AUTH, 401, SOURCE_COUNT_denied}, {NSH_DENIED, 403, SOURCE_COUNT_denied},
        {NSH_STALE, 401, SOURCE_COUNT_stale}, {NSH_BUSY, 503, SOURCE_COUNT_full},
        {NSH_LIMIT, 413, SOURCE_COUNT_large}, {NSH_NOMEM, 503, SOURCE_COUNT_full},
    };
    unsigned status = 400;
    enum source_count count = SOURCE_COUNT_malformed;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == err->code) {
            status = rows[i].status;
            count = rows[i].count;
        }
    }
    source_count(use->row, count, 1);
    source_complain(use->row, now_ms, err->text);
    if (status == 401) {
        api_answer_header(request->exchange, "WWW-Authenticate", "Bearer realm=\"nightshift\"");
    }
    api_refuse(request->exchange, status, arena_printf(request->arena, "%s", err->text), NULL);
}

/* ---- a request ----------------------------------------------------------------------------- */

static const char *request_header(void *arg, const char *name)
{
    return api_header(arg, name);
}

struct shown_headers {
    const struct webhook *webhook;
    struct arena *arena;
    struct nsh_member members[WEBHOOK_HEADERS_MAX];
    size_t count;
};

static void shown_header(void *arg, const char *name, const char *value)
{
    struct shown_headers *headers = arg;
    if (headers->count == WEBHOOK_HEADERS_MAX || !webhook_header_shown(headers->webhook, name) ||
        !text_is_utf8(value, strlen(value)) || !text_is_utf8(name, strlen(name))) {
        return;
    }
    char *small = arena_copy(headers->arena, name, strlen(name));
    char *kept = arena_copy(headers->arena, value, strlen(value));
    for (char *at = small; at != NULL && *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    for (size_t i = 0; small != NULL && i < headers->count; i++) {
        if (strcmp(headers->members[i].name, small) == 0) {
            return; /* Names are unique: the first counts. */
        }
    }
    if (small != NULL && kept != NULL) {
        headers->members[headers->count++] = (struct nsh_member){small, nsh_text(kept)};
    }
}

/* The events of the body; refused ones were not answered. */
static int events_make(const struct api_request *request, const struct source_use *use,
                       int64_t now_ms, struct source_events *ret_events, struct nsh_error *err)
{
    struct nsh_value body = nsh_null();
    struct shown_headers *headers = arena_alloc(request->arena, sizeof *headers);
    int result = headers == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                 : webhook_body(request->content_type, request->body,
                                                request->body_bytes, request->arena, &body, err);
    if (result < 0) {
        return result;
    }
    headers->webhook = use->source;
    headers->arena = request->arena;
    api_headers_each(request, shown_header, headers);
    const struct nsh_member own[] = {{"name", nsh_text(use->config->name)},
                                     {"type", nsh_text(use->config->type->name)},
                                     {"peer", nsh_text(request->peer)}};
    const struct nsh_value source = nsh_map(own, 3);
    const struct nsh_value shown = nsh_map(headers->members, headers->count);
    const struct source_message message = {.body = &body,
                                           .headers = &shown,
                                           .source = &source,
                                           .name = use->config->name,
                                           .received_ms = now_ms};
    pthread_mutex_lock(use->map_lock);
    result = source_map_run(use->config->format.map, &message, request->arena, ret_events, err);
    pthread_mutex_unlock(use->map_lock);
    return result;
}

static void push(const struct api_request *request, const struct source_use *use,
                 const struct source_events *events, struct webhook_post *post)
{
    struct nsh_error err = {0};
    post->exchange = request->exchange;
    post->sources = shell_sources(request->arg);
    post->ignored = events->ignored;
    snprintf(post->name, sizeof post->name, "%s", use->config->name);
    post->delivery.row = use->row;
    post->delivery.concurrent = true;
    post->delivery.done = webhook_durable;
    post->delivery.arg = post;
    api_suspend(request->exchange);
    if (source_push(shell_intake(request->arg), events, &post->delivery, request->arena, &err) <
        0) {
        api_problem(post->exchange, &err, "none of it was taken: send it again");
    }
}

static void webhook_take(const struct api_request *request, const struct source_use *use)
{
    struct nsh_error err = {0};
    struct source_events events = {0};
    int64_t now_ms = intake_now_ms(shell_intake(request->arg));
    struct webhook_post *post = arena_alloc(request->arena, sizeof *post);
    const struct webhook_request asked = {
        .body = request->body,
        .body_bytes = request->body_bytes,
        .peer = request->peer,
        .local = request->role >= API_OPERATOR && request->peer[0] == '\0',
        .certificate = request->certificate,
        .wall_ms = wall_now_ms(),
        .header = request_header,
        .arg = (void *)(uintptr_t)request,
    };
    source_count(use->row, SOURCE_COUNT_received, 1);
    int result = post == NULL ? nsh_fail(&err, NSH_NOMEM, "out of memory") : 0;
    if (result == 0 && request->body_bytes > webhook_body_bytes_max(use->source)) {
        result = nsh_fail(&err, NSH_LIMIT, "a body is at most %u bytes here",
                          webhook_body_bytes_max(use->source));
    }
    result = result < 0 ? result : webhook_admit(use->source, &asked, &post->ticket, &err);
    if (result == -NSH_EXISTS) {
        source_count(use->row, SOURCE_COUNT_stale, 1);
        static const char known[] = "{\"accepted\":0,\"replayed\":true}\n";
        api_reply(request->exchange, 200, "application/json", known, sizeof known - 1);
        return;
    }
    result = result < 0 ? result : events_make(request, use, now_ms, &events, &err);
    if (result < 0) {
        routes_source_refuse(request, use, now_ms, &err);
        return;
    }
    post->wall_ms = asked.wall_ms;
    post->delivery.received_ms = now_ms;
    push(request, use, &events, post);
}

void routes_webhook(const struct api_request *request)
{
    struct sources *sources = shell_sources(request->arg);
    struct source_use use;
    if (!sources_take(sources, request->id, &use)) {
        api_refuse(request->exchange, 404, "no webhook of that name is configured",
                   "`sources` of nightshift.conf; `nightshift source list` shows those there are");
        return;
    }
    if (use.config->type != &source_type_webhook) {
        api_refuse(request->exchange, 404, "this source is no webhook", NULL);
    } else if (use.source == NULL) {
        source_count(use.row, SOURCE_COUNT_received, 1);
        source_count(use.row, SOURCE_COUNT_full, 1);
        api_refuse(request->exchange, 503, "this webhook did not start",
                   "`nightshift source doctor NAME` says why");
    } else {
        webhook_take(request, &use);
    }
    sources_give(sources, &use);
}
