/* SPDX-License-Identifier: Apache-2.0 */
/* Samples handed in, and what signals make of them. */

#include "routes_private.h"

#include "shell_series.h"
#include "source/metrics/gzip.h"
#include "source/metrics/otlp.h"
#include "source/metrics/remote_write.h"

#include <string.h>

#define SIGNALS_SHOWN 1000 /* Series of one answer, unless limit says more. */

/* ---- handing in ---- */

struct metrics_post {
    struct api_exchange *exchange;
    struct arena *arena;
    bool json, gzip, otlp;
    const char *body;
    size_t body_bytes;
};

/* What says "taken" to this sender. */
static void metrics_taken(const struct metrics_post *post)
{
    if (!post->otlp) {
        api_reply(post->exchange, 204, NULL, "", 0);
    } else if (post->json) {
        api_reply(post->exchange, 200, "application/json", "{}", 2);
    } else { /* An empty ExportMetricsServiceResponse. */
        api_reply(post->exchange, 200, "application/x-protobuf", "", 0);
    }
}

/* On the loop thread. */
static void metrics_durable(void *arg, bool durable)
{
    struct metrics_post *post = arg;
    if (durable) {
        metrics_taken(post);
        return;
    }
    struct nsh_error err = {0};
    nsh_fail(&err, NSH_CANCELLED, "the daemon stops before what the samples turned is durable");
    api_problem(post->exchange, &err, "send them again: a repeat does no harm");
}

static void metrics_put(const struct api_request *request, const struct metrics_post *how,
                        enum shell_series_door door,
                        int (*decode)(void *arg, const struct sample_sink *sink,
                                      struct nsh_error *err))
{
    struct nsh_error err = {0};
    struct metrics_post *post = arena_alloc(request->arena, sizeof *post);
    if (post == NULL) {
        nsh_fail(&err, NSH_NOMEM, "out of memory");
        api_problem(request->exchange, &err, NULL);
        return;
    }
    *post = *how;
    post->exchange = request->exchange;
    post->arena = request->arena;
    post->body = request->body;
    post->body_bytes = request->body_bytes;
    const struct shell_series_put put = {.door = door,
                                         .decode = decode,
                                         .done = metrics_durable,
                                         .arg = post,
                                         .arena = request->arena};
    api_suspend(post->exchange);
    int result = shell_series_put(request->arg, &put, &err);
    if (result == 0) {
        metrics_taken(post);
    } else if (result < 0) {
        api_problem(post->exchange, &err, NULL);
    }
}

static int decode_remote_write(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    struct metrics_post *post = arg;
    return remote_write_decode(post->body, post->body_bytes, post->arena, sink, err);
}

void routes_metrics_write(const struct api_request *request)
{
    const char *encoding = api_header(request, "Content-Encoding");
    const char *version = api_header(request, "X-Prometheus-Remote-Write-Version");
    if (encoding != NULL && strcasecmp(encoding, "snappy") != 0) {
        api_refuse(request->exchange, 415, "the body must be compressed by Snappy",
                   "Content-Encoding: snappy");
    } else if (version != NULL && strncmp(version, "0.1.", 4) != 0) {
        api_refuse(request->exchange, 415, "remote-write 1.0 (0.1.0) is spoken here", NULL);
    } else {
        static const struct metrics_post how = {.otlp = false};
        metrics_put(request, &how, SHELL_SERIES_REMOTE_WRITE, decode_remote_write);
    }
}

static int decode_otlp(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    struct metrics_post *post = arg;
    struct text body = {post->body, (uint32_t)post->body_bytes};
    int result = post->gzip ? gzip_read(post->body, post->body_bytes, OTLP_BYTES_MAX, post->arena,
                                        &body, err)
                            : 0;
    return result < 0   ? result
           : post->json ? otlp_read_json(body, post->arena, sink, err)
                        : otlp_read_protobuf(body, post->arena, sink, err);
}

static bool media_is(const char *content_type, const char *media)
{
    size_t count = strlen(media);
    return strncasecmp(content_type, media, count) == 0 &&
           strchr("; \t", content_type[count]) != NULL;
}

void routes_metrics_otlp(const struct api_request *request)
{
    const char *encoding = api_header(request, "Content-Encoding");
    struct metrics_post how = {.otlp = true};
    how.json = media_is(request->content_type, "application/json");
    how.gzip = encoding != NULL && strcasecmp(encoding, "gzip") == 0;
    if (!how.json && !media_is(request->content_type, "application/x-protobuf")) {
        api_refuse(request->exchange, 415,
                   "OTLP comes as application/x-protobuf or application/json", NULL);
    } else if (encoding != NULL && !how.gzip && strcasecmp(encoding, "identity") != 0) {
        api_refuse(request->exchange, 415, "the body may be compressed by gzip", NULL);
    } else {
        metrics_put(request, &how, SHELL_SERIES_OTLP, decode_otlp);
    }
}

void routes_scrapes(const struct api_request *request)
{
    routes_post(request, "scrapes", "ScrapeList", NULL);
}

/* ---- signals ---- */

void routes_signals(const struct api_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_add_chars(&out, ROUTES_API_VERSION "SignalList\",");
    shell_series_list(request->arg, &out);
    textbuf_add_chars(&out, "}\n");
    routes_reply(request, &out);
}

void routes_signal(const struct api_request *request)
{
    static const char *const states[] = {"raised", NULL};
    struct nsh_error err = {0};
    struct routes_filter filter;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    if (routes_filter(request, states, &filter, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct series_filter wanted = {
        .signal = text_of(request->id),
        .host = filter.host,
        .raised = filter.state.count > 0,
        .limit = filter.limit < SIGNALS_SHOWN ? filter.limit : SIGNALS_SHOWN,
    };
    textbuf_add_chars(&out, ROUTES_API_VERSION "SeriesList\",");
    if (!shell_series_show(request->arg, &wanted, &out)) {
        nsh_fail(&err, NSH_NOT_FOUND, "no signal '%.64s' is configured", request->id);
        routes_fail(request, &err);
        return;
    }
    textbuf_add_chars(&out, "}\n");
    routes_reply(request, &out);
}
