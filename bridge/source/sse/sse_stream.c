/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection at a time: rests -> asks -> open -> rests. Timers: the pause before the next
 * attempt, or the look at silence. What waits while it is held is one piece of the client.
 */

#include "source/sse/sse_stream.h"

#include "base/arena.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define OPEN_MS_DEFAULT 60000
#define AGAIN_MS_MIN_DEFAULT 500
#define AGAIN_MS_MAX_DEFAULT 60000
#define EVENT_STREAM "text/event-stream"
#define LAST_ID "Last-Event-ID: "

enum sse_state { SSE_STOPPED, SSE_RESTS, SSE_ASKS, SSE_OPEN };

struct sse_stream {
    struct nsh_services *services;
    struct sse_hooks hooks;
    void *arg;
    struct arena texts;
    struct nsh_http_request request; /* Its texts are in the arena; headers are below. */
    struct arena header_texts;
    const char *headers[NSH_HTTP_HEADERS_MAX + 1];
    size_t headers_count; /* Without Last-Event-ID, which is last. */
    char last_id[sizeof LAST_ID + SSE_ID_BYTES_MAX];
    uint32_t open_ms, idle_ms, again_ms_min, again_ms_max;
    enum sse_state state;
    struct nsh_http *http;
    struct nsh_timer *timer;
    struct sse_decoder decoder;
    struct textbuf rest;     /* What came while it was held. */
    struct nsh_timer *going; /* It goes on in the next turn. */
    int64_t begun_ms, heard_ms, ever_ms;
    unsigned failures; /* In a row. */
    unsigned
        connection;   /* Counts up at each end: hooks may have ended the one they are called of. */
    unsigned calling; /* Hooks that run. */
    bool held;
    uint64_t connects;
};

static void ask(struct sse_stream *stream);

static int64_t now_of(const struct sse_stream *stream)
{
    return stream->services->now_ms(stream->services);
}

static void timer_stop(struct sse_stream *stream)
{
    if (stream->timer != NULL) {
        stream->services->timer_cancel(stream->services, TAKE(stream->timer));
    }
}

/* Nothing of the connection is left; what was begun is forgotten. */
static void connection_drop(struct sse_stream *stream)
{
    timer_stop(stream);
    if (stream->http != NULL) {
        stream->services->http_cancel(stream->services, TAKE(stream->http));
    }
    stream->connection++;
    stream->held = false;
    if (stream->going != NULL) {
        stream->services->timer_cancel(stream->services, TAKE(stream->going));
    }
    textbuf_clear(&stream->rest);
    sse_decoder_restart(&stream->decoder);
}

/* ---- the pause ---- */

static uint32_t pause_of(struct sse_stream *stream, int64_t wished_ms)
{
    uint32_t chance = 0;
    int64_t least_ms = stream->decoder.retry_ms > 0 ? stream->decoder.retry_ms : 0;
    int64_t most_ms = (int64_t)stream->again_ms_min
                      << (stream->failures > 12 ? 12 : stream->failures);
    most_ms = most_ms > least_ms ? most_ms : least_ms;
    most_ms = most_ms > stream->again_ms_max ? stream->again_ms_max : most_ms;
    stream->services->random(stream->services, &chance, sizeof chance);
    int64_t pause_ms = most_ms / 2 + (int64_t)(chance % (uint32_t)(most_ms / 2 + 1));
    wished_ms = wished_ms > stream->again_ms_max ? stream->again_ms_max : wished_ms;
    return (uint32_t)(pause_ms > wished_ms ? pause_ms : wished_ms);
}

static void on_again(void *arg)
{
    struct sse_stream *stream = arg;
    stream->timer = NULL;
    ask(stream);
}

/* Tell, and try again later, unless the hook says otherwise. */
static void rest_after(struct sse_stream *stream, struct sse_end *end, int64_t wished_ms)
{
    bool calm = stream->state == SSE_OPEN && now_of(stream) - stream->begun_ms >= SSE_CALM_MS;
    end->opened = stream->state == SSE_OPEN;
    connection_drop(stream);
    stream->failures = calm ? 0 : stream->failures;
    end->again_ms = pause_of(stream, wished_ms);
    stream->failures++;
    stream->state = SSE_RESTS;
    stream->timer = stream->services->timer(stream->services, end->again_ms, on_again, stream);
    if (stream->timer == NULL) { /* Without a timer it would rest for ever. */
        stream->state = SSE_STOPPED;
        end->code = NSH_NOMEM;
        end->why = "out of memory: it is not tried again";
    }
    stream->calling++;
    stream->hooks.closed(stream->arg, end);
    stream->calling--;
}

static void fail(struct sse_stream *stream, int code, const char *why)
{
    char words[SSE_WHY_BYTES_MAX];
    snprintf(words, sizeof words, "%s", why); /* Might be in what is dropped. */
    rest_after(stream, &(struct sse_end){.code = code, .why = words, .body = ""}, 0);
}

/* ---- silence ---- */

static void on_silence(void *arg);

static void silence_watch(struct sse_stream *stream, int64_t delay_ms)
{
    timer_stop(stream);
    if (delay_ms > 0) {
        stream->timer =
            stream->services->timer(stream->services, (uint32_t)delay_ms, on_silence, stream);
    }
}

static void on_silence(void *arg)
{
    struct sse_stream *stream = arg;
    char words[SSE_WHY_BYTES_MAX];
    stream->timer = NULL;
    if (stream->state == SSE_ASKS) {
        snprintf(words, sizeof words, "no answer in %u ms", stream->open_ms);
        fail(stream, NSH_TIMEOUT, words);
        return;
    }
    if (stream->held) { /* We do not listen. */
        stream->heard_ms = now_of(stream);
    }
    int64_t left_ms = stream->heard_ms + stream->idle_ms - now_of(stream);
    if (left_ms > 0) {
        silence_watch(stream, left_ms);
        return;
    }
    snprintf(words, sizeof words, "nothing came for %u ms", stream->idle_ms);
    fail(stream, NSH_TIMEOUT, words);
}

/* ---- what comes ---- */

static bool on_event(void *arg, const struct sse_event *event)
{
    struct sse_stream *stream = arg;
    unsigned connection = stream->connection;
    stream->calling++;
    bool more = stream->hooks.event(stream->arg, event);
    stream->calling--;
    if (stream->connection != connection) {
        return false;
    }
    stream->held = !more;
    return more;
}

/* False: the connection is gone. */
static bool feed(struct sse_stream *stream, const char *bytes, size_t count, size_t *ret_taken)
{
    struct nsh_error err = {0};
    unsigned connection = stream->connection;
    int result = sse_decode(&stream->decoder, bytes, count, on_event, stream, ret_taken, &err);
    if (stream->connection != connection) { /* A hook ended it amid an event. */
        sse_decoder_restart(&stream->decoder);
        return false;
    }
    if (result < 0) {
        fail(stream, NSH_NOMEM, err.text);
    }
    return result == 0;
}

static void on_received(void *arg, const char *bytes, size_t count)
{
    struct sse_stream *stream = arg;
    size_t taken = 0;
    stream->heard_ms = stream->ever_ms = now_of(stream);
    if (!stream->held && !feed(stream, bytes, count, &taken)) {
        return;
    }
    if (!stream->held) {
        return;
    }
    textbuf_add(&stream->rest, (struct text){bytes + taken, (uint32_t)(count - taken)});
    if (stream->rest.failed) {
        stream->rest.failed = false;
        fail(stream, NSH_LIMIT, "too much came while nothing could be taken");
        return;
    }
    stream->services->http_pause(stream->services, stream->http, true);
}

static void on_going(void *arg)
{
    struct sse_stream *stream = arg;
    struct textbuf *rest = &stream->rest;
    size_t taken = 0;
    stream->going = NULL;
    stream->held = false;
    stream->heard_ms = now_of(stream);
    if (rest->count > 0 && !feed(stream, rest->at, rest->count, &taken)) {
        return;
    }
    if (taken < rest->count) {
        memmove(rest->at, rest->at + taken, rest->count - taken);
    }
    rest->count -= taken;
    if (!stream->held) {
        stream->services->http_pause(stream->services, stream->http, false);
    }
}

/* Not from inside: neither the client nor a hook is entered twice. */
int sse_stream_resume(struct sse_stream *stream)
{
    if (!stream->held || stream->going != NULL) {
        return 0;
    }
    stream->going = stream->services->timer(stream->services, 0, on_going, stream);
    return stream->going == NULL ? -NSH_NOMEM : 0;
}

/* ---- the request ---- */

static void on_began(void *arg, const struct nsh_http_reply *reply)
{
    struct sse_stream *stream = arg;
    const char *type = nsh_http_header(reply, "content-type");
    char words[SSE_WHY_BYTES_MAX];
    if (reply->status != 200 || type == NULL ||
        strncasecmp(type, EVENT_STREAM, sizeof EVENT_STREAM - 1) != 0) {
        snprintf(words, sizeof words, "HTTP status %d with %.80s, which is no event stream",
                 reply->status, type == NULL ? "no content-type" : type);
        fail(stream, NSH_PROTOCOL, words);
        return;
    }
    stream->state = SSE_OPEN;
    stream->begun_ms = stream->heard_ms = stream->ever_ms = now_of(stream);
    silence_watch(stream, stream->idle_ms);
    if (stream->hooks.opened != NULL) {
        stream->calling++;
        stream->hooks.opened(stream->arg);
        stream->calling--;
    }
}

static int64_t retry_after_ms(const struct nsh_http_reply *reply)
{
    const char *after = nsh_http_header(reply, "retry-after");
    int64_t seconds = 0;
    bool good = after != NULL && text_to_int(text_of(after), &seconds) && seconds > 0;
    return !good ? 0 : seconds > SSE_RETRY_MS_MAX / 1000 ? SSE_RETRY_MS_MAX : seconds * 1000;
}

static void on_done(void *arg, const struct nsh_http_reply *reply)
{
    struct sse_stream *stream = arg;
    char words[SSE_WHY_BYTES_MAX];
    struct sse_end end = {.code = reply->code, .status = reply->status, .body = "", .why = words};
    stream->http = NULL;
    if (reply->code != NSH_OK) {
        snprintf(words, sizeof words, "%s: %.150s", nsh_code_word(reply->code),
                 reply->text == NULL ? "" : reply->text);
    } else if (stream->state == SSE_OPEN) {
        snprintf(words, sizeof words, "the server ended the stream");
    } else {
        snprintf(words, sizeof words, "HTTP status %d", reply->status);
        end.body = reply->body;
    }
    rest_after(stream, &end, retry_after_ms(reply));
}

static void ask(struct sse_stream *stream)
{
    struct nsh_error err = {0};
    const char *id = stream->decoder.id;
    stream->headers[stream->headers_count] = NULL;
    if (id[0] != '\0') {
        snprintf(stream->last_id, sizeof stream->last_id, LAST_ID "%s", id);
        stream->headers[stream->headers_count] = stream->last_id;
        stream->headers[stream->headers_count + 1] = NULL;
    }
    stream->request.headers = stream->headers;
    stream->state = SSE_ASKS;
    stream->connects++;
    silence_watch(stream, stream->open_ms);
    if (stream->services->http(stream->services, &stream->request, on_done, stream, &stream->http,
                               &err) < 0) {
        stream->http = NULL;
        fail(stream, err.code < 0 ? -err.code : err.code, err.text);
    }
}

int sse_stream_start(struct sse_stream *stream)
{
    if (stream->state == SSE_ASKS || stream->state == SSE_OPEN) {
        return 0;
    }
    struct nsh_timer *soon = stream->services->timer(stream->services, 0, on_again, stream);
    if (soon == NULL) {
        return -NSH_NOMEM;
    }
    timer_stop(stream);
    stream->timer = soon;
    stream->state = SSE_RESTS;
    return 0;
}

void sse_stream_stop(struct sse_stream *stream)
{
    connection_drop(stream);
    stream->failures = 0;
    stream->state = SSE_STOPPED;
}

/* ---- settings ---- */

/* With room for Accept in front and Last-Event-ID behind. */
static bool headers_copy(struct arena *arena, const char *const *from,
                         const char *ret_headers[NSH_HTTP_HEADERS_MAX + 1], size_t *ret_count)
{
    size_t count = 0;
    ret_headers[count++] = "Accept: " EVENT_STREAM;
    ret_headers[count++] = "Cache-Control: no-cache";
    for (size_t i = 0; from != NULL && from[i] != NULL; i++) {
        if (count == NSH_HTTP_HEADERS_MAX - 1) {
            return false;
        }
        ret_headers[count] = arena_copy(arena, from[i], strlen(from[i]));
        if (ret_headers[count++] == NULL) {
            return false;
        }
    }
    *ret_count = count;
    return true;
}

static void headers_wipe(struct sse_stream *stream)
{
    for (size_t i = 2; i < stream->headers_count;
         i++) { /* The arena's bytes: a token may be here. */
        explicit_bzero((void *)(uintptr_t)stream->headers[i], strlen(stream->headers[i]));
    }
    arena_done(&stream->header_texts);
}

int sse_stream_headers(struct sse_stream *stream, const char *const *headers, struct nsh_error *err)
{
    struct arena arena = ARENA_INIT;
    const char *copied[NSH_HTTP_HEADERS_MAX + 1];
    size_t count = 0;
    if (!headers_copy(&arena, headers, copied, &count)) {
        arena_done(&arena);
        return nsh_fail(err, NSH_NOMEM, "no room for %d request headers", NSH_HTTP_HEADERS_MAX - 3);
    }
    headers_wipe(stream);
    stream->header_texts = arena;
    memcpy(stream->headers, copied, count * sizeof copied[0]);
    stream->headers_count = count;
    return 0;
}

static bool text_keep(struct sse_stream *stream, const char **text)
{
    if (*text != NULL) {
        *text = arena_copy(&stream->texts, *text, strlen(*text));
        return *text != NULL;
    }
    return true;
}

static int request_keep(struct sse_stream *stream, const struct sse_options *options,
                        struct nsh_error *err)
{
    struct nsh_http_request *request = &stream->request;
    *request = (struct nsh_http_request){
        .method = "GET",
        .url = options->url,
        .user = options->user,
        .password = options->password,
        .ca_file = options->ca_file,
        .pinned_key = options->pinned_key,
        .client_cert = options->client_cert,
        .client_key = options->client_key,
        .proxy = options->proxy,
        .insecure = options->insecure,
        .reply_bytes_max = SSE_PIECE_BYTES_MAX,
        .timeout_ms = INT32_MAX, /* 24 days; then it is made again. */
        .connect_timeout_ms = options->connect_ms,
        .connection_close = true,
        .received = on_received,
        .began = on_began,
    };
    const char **const texts[] = {&request->url,        &request->user,       &request->password,
                                  &request->ca_file,    &request->pinned_key, &request->client_cert,
                                  &request->client_key, &request->proxy};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!text_keep(stream, texts[i])) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    return sse_stream_headers(stream, options->headers, err);
}

static uint32_t or_preset(uint32_t value, uint32_t preset)
{
    return value == 0 ? preset : value;
}

int sse_stream_new(const struct sse_options *options, const struct sse_hooks *hooks, void *arg,
                   struct sse_stream **ret_stream, struct nsh_error *err)
{
    NSH_ASSERT(options->services != NULL && hooks->event != NULL && hooks->closed != NULL);
    struct sse_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    stream->services = options->services;
    stream->hooks = *hooks;
    stream->arg = arg;
    stream->open_ms = or_preset(options->open_ms, OPEN_MS_DEFAULT);
    stream->idle_ms = options->idle_ms;
    stream->again_ms_min = or_preset(options->again_ms_min, AGAIN_MS_MIN_DEFAULT);
    stream->again_ms_max = or_preset(options->again_ms_max, AGAIN_MS_MAX_DEFAULT);
    stream->rest.count_max = 2 * (size_t)SSE_PIECE_BYTES_MAX;
    sse_decoder_init(&stream->decoder, options->event_bytes_max);
    int result = request_keep(stream, options, err);
    if (result < 0) {
        sse_stream_free(stream);
        return result;
    }
    *ret_stream = stream;
    return 0;
}

void sse_stream_free(struct sse_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    NSH_ASSERT(stream->calling == 0);
    connection_drop(stream);
    headers_wipe(stream);
    if (stream->request.password != NULL) {
        explicit_bzero((void *)(uintptr_t)stream->request.password,
                       strlen(stream->request.password));
    }
    arena_done(&stream->texts);
    textbuf_done(&stream->rest);
    sse_decoder_done(&stream->decoder);
    free(stream);
}

/* ---- what is known of it ---- */

void sse_stream_last_id_set(struct sse_stream *stream, const char *id)
{
    sse_decoder_last_id_set(&stream->decoder, text_of(id));
}

const char *sse_stream_last_id(const struct sse_stream *stream)
{
    return stream->decoder.id;
}

struct sse_figures sse_stream_figures(const struct sse_stream *stream)
{
    return (struct sse_figures){
        .connects = stream->connects,
        .events = stream->decoder.events_count,
        .large = stream->decoder.large_count,
        .comments = stream->decoder.comments_count,
        .heard_ms = stream->ever_ms,
        .open = stream->state == SSE_OPEN,
        .held = stream->held,
    };
}
