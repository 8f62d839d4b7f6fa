/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of events that BMCs offer (ServerSentEventUri): read by us, so that a BMC need not reach
 * us, and needs no subscription of its few. What comes is what would have been posted, and goes the
 * same way. A stream that broke is read on from the last event; what fell between is found by a
 * poll, which a stream that begins asks for. One connection for each BMC, REDFISH_STREAMS_MAX of a
 * source.
 */

#include "redfish_private.h"

#include "base/json.h"
#include "source/sse/sse_stream.h"

#include <stdio.h>
#include <stdlib.h>

#define EVENT_BYTES_MAX REDFISH_EVENT_BYTES_MAX
#define REFUSED_MS (60 * 60 * INT64_C(1000))

struct redfish_stream {
    struct redfish_watch *watch;
    struct sse_stream *sse;
    struct textbuf held; /* An event that could not be handed over yet. */
    char path[REDFISH_PATH_BYTES_MAX], why[REDFISH_WHY_BYTES];
    bool open, over; /* over: it is not wanted any more; freed by the next tick. */
    int64_t closed_ms;
    uint64_t broken;
};

/* ---- what comes ---- */

static bool document_take(struct redfish_watch *watch, struct text data)
{
    const struct source_services *services = watch->source->services;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body = nsh_null();
    struct redfish_page page = {0};
    struct nsh_error err = {0};
    if (json_parse(data.at, data.count, &arena, &body, &err) < 0) {
        source_count(services->row, SOURCE_COUNT_received, 1);
        source_count(services->row, SOURCE_COUNT_malformed, 1);
        source_complain(services->row, redfish_now_ms(watch->source), err.text);
        return true;
    }
    if (text_is(redfish_type_of(&body), "MetricReport") &&
        redfish_page_read(&body, "", &arena, &page) == 0) {
        redfish_tell_samples(watch, &page);
    }
    return redfish_tell_document(watch, &body);
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct redfish_stream *stream = arg;
    struct redfish_watch *watch = stream->watch;
    watch->heard_ms = watch->stirred_ms = redfish_clock_ms();
    if (event->large) {
        source_count(watch->source->services->row, SOURCE_COUNT_received, 1);
        source_count(watch->source->services->row, SOURCE_COUNT_large, 1);
        return true;
    }
    if (document_take(watch, event->data)) {
        return true;
    }
    textbuf_clear(&stream->held); /* The peer is held back until this one is taken. */
    textbuf_add(&stream->held, event->data);
    return stream->held.failed;
}

/* ---- its life ---- */

static void on_opened(void *arg)
{
    struct redfish_stream *stream = arg;
    struct redfish_watch *watch = stream->watch;
    stream->open = true;
    stream->why[0] = '\0';
    watch->heard_ms = redfish_clock_ms();
    watch->catch_up = true;
    watch->poll_due_ms = watch->heard_ms;
}

static void on_closed(void *arg, const struct sse_end *end)
{
    struct redfish_stream *stream = arg;
    struct redfish_watch *watch = stream->watch;
    int64_t now_ms = redfish_clock_ms();
    stream->broken += stream->open;
    watch->source->streams_broken += stream->open;
    stream->closed_ms = stream->open || stream->closed_ms == 0 ? now_ms : stream->closed_ms;
    stream->open = false;
    snprintf(stream->why, sizeof stream->why, "%s", end->why);
    if (end->status == 401 || end->status == 404 || end->status == 410) {
        bool refused = end->status == 401;
        snprintf(watch->why, sizeof watch->why, "its stream: %.120s", end->why);
        sse_stream_stop(stream->sse);
        stream->over = true;
        watch->way = REDFISH_WAY_POLL;
        watch->due_ms = now_ms + (refused ? REFUSED_MS : watch->source->every_ms);
        watch->poll_due_ms = refused ? watch->due_ms : watch->poll_due_ms;
    }
}

static int stream_open(struct redfish_stream *stream, const char *path, struct nsh_error *err)
{
    static const struct sse_hooks hooks = {on_opened, on_event, on_closed};
    static const char *const headers[] = {"OData-Version: 4.0", NULL};
    struct redfish_watch *watch = stream->watch;
    struct redfish_peer peer = {.source = NULL};
    int result = redfish_peer_open(&peer, watch->source, watch->bmc, err);
    const char *url = result < 0 ? NULL : arena_printf(&peer.arena, "%s%s", peer.base, path);
    if (result == 0 && url == NULL) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result == 0) {
        const char *tls = nsh_get_text(&peer.settings, "tls", "verify");
        const struct sse_options options = {
            .services = watch->source->services->services,
            .url = url,
            .headers = headers,
            .user = peer.user,
            .password = peer.password,
            .ca_file = nsh_get_text(&peer.settings, "ca_file", NULL),
            .pinned_key = nsh_get_text(&peer.settings, "pinned_key", NULL),
            .client_cert = nsh_get_text(&peer.settings, "client_cert", NULL),
            .client_key = nsh_get_text(&peer.settings, "client_key", NULL),
            .insecure = strcmp(tls, "insecure") == 0,
            .event_bytes_max = EVENT_BYTES_MAX,
        };
        result = sse_stream_new(&options, &hooks, stream, &stream->sse, err);
    }
    redfish_peer_done(&peer);
    return result < 0                          ? result
           : sse_stream_start(stream->sse) < 0 ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                               : 0;
}

void redfish_stream_end(struct redfish_watch *watch)
{
    struct redfish_stream *stream = watch->stream;
    if (stream != NULL) {
        watch->stream = NULL;
        watch->source->streams_count--;
        sse_stream_free(stream->sse);
        textbuf_done(&stream->held);
        free(stream);
    }
}

bool redfish_stream_begin(struct redfish_watch *watch, const char *path)
{
    struct redfish_events *source = watch->source;
    struct nsh_error err = {0};
    if (watch->stream != NULL && !watch->stream->over && strcmp(watch->stream->path, path) == 0) {
        return true;
    }
    redfish_stream_end(watch);
    if (source->streams_count == REDFISH_STREAMS_MAX) {
        snprintf(watch->why, sizeof watch->why,
                 "%d streams are read already, as many as there may be", REDFISH_STREAMS_MAX);
        return false;
    }
    struct redfish_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return false;
    }
    stream->watch = watch;
    snprintf(stream->path, sizeof stream->path, "%s", path);
    watch->stream = stream;
    source->streams_count++;
    stream->closed_ms = redfish_clock_ms();
    if (stream_open(stream, path, &err) < 0) {
        snprintf(watch->why, sizeof watch->why, "%.150s", err.text);
        redfish_stream_end(watch);
        return false;
    }
    return true;
}

static void stream_tick(struct redfish_watch *watch)
{
    struct redfish_stream *stream = watch->stream;
    if (stream->over) {
        redfish_stream_end(watch);
        return;
    }
    if (stream->held.count > 0 &&
        document_take(watch, (struct text){stream->held.at, (uint32_t)stream->held.count})) {
        textbuf_clear(&stream->held);
        sse_stream_resume(stream->sse);
    }
}

void redfish_streams_tick(struct redfish_events *source)
{
    for (size_t i = 0; source->streams_count > 0 && i < source->table->count; i++) {
        struct redfish_watch *watch = source->table->items[i].watch;
        if (watch->stream != NULL) {
            stream_tick(watch);
        }
    }
}

bool redfish_stream_open(const struct redfish_watch *watch)
{
    return watch->stream != NULL && watch->stream->open;
}

const char *redfish_stream_broken(const struct redfish_watch *watch, int64_t grace_ms)
{
    const struct redfish_stream *stream = watch->stream;
    if (stream == NULL || stream->open || redfish_clock_ms() - stream->closed_ms < grace_ms) {
        return NULL;
    }
    return stream->why[0] == '\0' ? "its stream does not begin" : stream->why;
}
