/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of BMCs: through the source's door and map into the intake. On the server's threads;
 * nothing here waits.
 *
 * 204 when all of it is durable; 400 it makes no sense, 401 and 403 it may not, 404 no such source,
 * 413 too large; 503 with Retry-After: come again.
 */

#include "routes_private.h"

#include "base/json.h"
#include "source/redfish/redfish_events.h"
#include "sources.h"

struct redfish_post {
    struct source_delivery delivery;
    struct api_exchange *exchange;
};

/* On the loop thread, after the commit; at once when there is nothing to commit. */
static void redfish_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct redfish_post *post = arg;
    struct nsh_error err = {0};
    (void)duplicates;
    if (!durable) {
        nsh_fail(&err, NSH_CANCELLED, "the daemon stops before this is durable");
        api_problem(post->exchange, &err, "send it again: what is known already is not doubled");
        return;
    }
    api_reply(post->exchange, 204, NULL, "", 0);
}

static int events_make(const struct api_request *request, const struct source_use *use,
                       int64_t now_ms, struct source_events *ret_events, struct nsh_error *err)
{
    struct nsh_value body = nsh_null(), source = nsh_null(), shown = nsh_null();
    if (request->body_bytes > REDFISH_EVENT_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "a body is at most %u bytes here", REDFISH_EVENT_BYTES_MAX);
    }
    int result = json_parse(request->body, request->body_bytes, request->arena, &body, err);
    if (result == 0) {
        result =
            redfish_events_admit(use->source, &body, request->peer, request->arena, &source, err);
    }
    if (result == 0 && redfish_events_shown(&body, request->arena, &shown) < 0) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result == 0 && redfish_events_words(use->source, nsh_get_text(&source, "bmc", ""), &shown,
                                            request->arena, &shown) < 0) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result == 0 && redfish_events_report(use->source, &body, &source, request->arena) < 0) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result < 0) {
        return result;
    }
    const struct source_message message = {
        .body = &shown, .source = &source, .name = use->config->name, .received_ms = now_ms};
    pthread_mutex_lock(use->map_lock);
    result = source_map_run(use->config->format.map, &message, request->arena, ret_events, err);
    pthread_mutex_unlock(use->map_lock);
    return result;
}

static void redfish_take(const struct api_request *request, const struct source_use *use)
{
    struct nsh_error err = {0};
    struct source_events events = {0};
    struct intake *intake = shell_intake(request->arg);
    int64_t now_ms = intake_now_ms(intake);
    struct redfish_post *post = arena_alloc(request->arena, sizeof *post);
    source_count(use->row, SOURCE_COUNT_received, 1);
    int result = post == NULL ? nsh_fail(&err, NSH_NOMEM, "out of memory")
                              : events_make(request, use, now_ms, &events, &err);
    if (result < 0) {
        routes_source_refuse(request, use, now_ms, &err);
        return;
    }
    post->exchange = request->exchange;
    post->delivery = (struct source_delivery){
        .row = use->row,
        .received_ms = now_ms,
        .concurrent = true,
        .done = redfish_durable,
        .arg = post,
    };
    api_suspend(request->exchange);
    if (source_push(intake, &events, &post->delivery, request->arena, &err) < 0) {
        api_problem(post->exchange, &err, "none of it was taken: send it again");
        return;
    }
    redfish_events_note(use->source, &events);
}

void routes_redfish(const struct api_request *request)
{
    struct sources *sources = shell_sources(request->arg);
    struct source_use use;
    if (!sources_take(sources, request->id, &use)) {
        api_refuse(request->exchange, 404, "no source of that name is configured",
                   "`sources` of nightshift.conf; `nightshift source list` shows those there are");
        return;
    }
    if (use.config->type != &source_type_redfish) {
        api_refuse(request->exchange, 404, "this source takes no events of BMCs", NULL);
    } else if (use.source == NULL) {
        source_count(use.row, SOURCE_COUNT_received, 1);
        source_count(use.row, SOURCE_COUNT_full, 1);
        api_refuse(request->exchange, 503, "this source did not start",
                   "`nightshift source doctor NAME` says why");
    } else {
        redfish_take(request, &use);
    }
    sources_give(sources, &use);
}
