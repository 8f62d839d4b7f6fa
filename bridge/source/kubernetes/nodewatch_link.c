/* SPDX-License-Identifier: Apache-2.0 */
/* The source's thread: lists and watches, what they say, and when to try again. */

#include "nodewatch_link.h"

#include "abi/json_value.h"
#include "base/assert.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BACKOFF_MS_MIN 250
#define BACKOFF_MS_MAX 60000
#define CALM_MS 10000 /* A watch that lived that long: the next one is tried soon. */
#define ROUND_MS 1000
#define WINDOW_MARGIN_MS 60000 /* Clocks of the server and ours. */
#define GONE 410

static const char *const kind_words[] = {"nodes", "events", "leases"};

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t engine_ms(const struct nodewatch_source *source)
{
    return intake_now_ms(source->services->intake);
}

/* ---- what came ---- */

static struct nodewatch_out out_begin(struct nodewatch_stream *stream)
{
    struct nodewatch_source *source = stream->source;
    arena_reset(&source->arena);
    return (struct nodewatch_out){
        .arena = &source->arena, .now_ms = engine_ms(source), .since_ms = stream->since_ms};
}

/* Hand over what was found. False: the request ends here. */
static bool out_end(struct nodewatch_stream *stream, const struct nodewatch_out *out)
{
    struct nodewatch_source *source = stream->source;
    bool pushed = nodewatch_push(source, out);
    stream->found += out->count;
    if (out->failed) { /* Something is missing: from the beginning. */
        stream->outcome = NODEWATCH_FAILED;
        nsh_fail(&stream->why, NSH_NOMEM, "out of memory");
    }
    pthread_mutex_lock(&source->mutex);
    source->lost = source->lost || out->failed;
    stream->heard_ms = out->now_ms;
    nodewatch_count(&source->watch, &source->nodes, &source->raised);
    source->full = source->watch.full;
    pthread_mutex_unlock(&source->mutex);
    return pushed && !out->failed;
}

static bool line_take(struct nodewatch_stream *stream, const char *line, size_t count)
{
    struct nodewatch_out out = out_begin(stream);
    struct nsh_value value = nsh_null();
    if (json_parse(line, count, out.arena, &value, &stream->why) < 0) {
        source_count(stream->source->services->row, SOURCE_COUNT_received, 1);
        source_count(stream->source->services->row, SOURCE_COUNT_malformed, 1);
        source_complain(stream->source->services->row, out.now_ms, stream->why.text);
        stream->outcome = NODEWATCH_FAILED;
        return false;
    }
    stream->outcome = nodewatch_line(&stream->source->watch, stream->kind, &value, &out,
                                     stream->version, &stream->why);
    return stream->outcome == NODEWATCH_TAKEN && out_end(stream, &out);
}

/* All whole lines; the rest waits for more. */
static bool lines_take(struct nodewatch_stream *stream)
{
    struct textbuf *in = &stream->in;
    size_t at = 0;
    for (const char *end; (end = memchr(in->at + at, '\n', in->count - at)) != NULL;) {
        size_t count = (size_t)(end - in->at) - at;
        if (count > 0 && !line_take(stream, in->at + at, count)) {
            return false;
        }
        at += count + 1;
    }
    memmove(in->at, in->at + at, in->count - at + 1);
    in->count -= at;
    return true;
}

static size_t on_bytes(char *bytes, size_t one, size_t count, void *arg)
{
    struct nodewatch_stream *stream = arg;
    long status = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    bool watches = stream->phase == PHASE_WATCHES && status == 200;
    size_t bytes_max = watches ? NODEWATCH_LINE_BYTES_MAX : NODEWATCH_PAGE_BYTES_MAX;
    if (stream->in.count + count > bytes_max) {
        source_count(stream->source->services->row, SOURCE_COUNT_received, 1);
        source_count(stream->source->services->row, SOURCE_COUNT_large, 1);
        stream->outcome = NODEWATCH_FAILED;
        nsh_fail(&stream->why, NSH_LIMIT, "more than %zu bytes in one piece", bytes_max);
        return 0;
    }
    textbuf_add(&stream->in, (struct text){bytes, (uint32_t)count});
    if (stream->in.failed) {
        return 0;
    }
    return watches && !lines_take(stream) ? 0 : one * count;
}

/* The first words of an answer: a watch begins, though nothing happens yet. */
static size_t on_header(char *bytes, size_t one, size_t count, void *arg)
{
    struct nodewatch_stream *stream = arg;
    struct nodewatch_source *source = stream->source;
    char text[NODEWATCH_TEXT_BYTES_MAX];
    long status = 0;
    (void)bytes;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    if (stream->phase != PHASE_WATCHES || status != 200 || stream->well) {
        return one * count;
    }
    pthread_mutex_lock(&source->mutex);
    stream->well = true;
    snprintf(stream->text, sizeof stream->text, "watched");
    pthread_mutex_unlock(&source->mutex);
    snprintf(text, sizeof text, "%s: watched", kind_words[stream->kind]);
    nodewatch_say(source, false, text);
    return one * count;
}

/* ---- a request ends ---- */

static void window_add(struct nodewatch_stream *stream)
{
    struct nodewatch_source *source = stream->source;
    char text[NODEWATCH_TEXT_BYTES_MAX];
    CLEANUP(textbuf_donep) struct textbuf from = {0};
    pthread_mutex_lock(&source->mutex);
    source->windows[source->windows_count++ % NODEWATCH_WINDOWS_MAX] =
        (struct nodewatch_window){.kind = stream->kind,
                                  .from_ms = stream->since_ms + WINDOW_MARGIN_MS,
                                  .to_ms = engine_ms(source),
                                  .found = stream->found};
    pthread_mutex_unlock(&source->mutex);
    textbuf_add_time(&from, stream->since_ms + WINDOW_MARGIN_MS);
    snprintf(text, sizeof text,
             "%s: the changes since %s were missed, the list tells what is different: %u events",
             kind_words[stream->kind], from.at == NULL ? "" : from.at, stream->found);
    nodewatch_say(source, false, text);
}

static void list_done(struct nodewatch_stream *stream, const char *version)
{
    struct nodewatch_out out = out_begin(stream);
    nodewatch_list_end(&stream->source->watch, stream->kind, &out);
    if (!out_end(stream, &out)) {
        return;
    }
    snprintf(stream->version, sizeof stream->version, "%s", version);
    if (stream->had && stream->kind != NODEWATCH_LEASES) { /* What a lease was says nothing. */
        window_add(stream);
    }
    stream->had = true;
}

/* A page. What comes next is due at once. False: it makes no sense. */
static bool page_take(struct nodewatch_stream *stream)
{
    struct nsh_value list = nsh_null();
    struct nodewatch_out out = out_begin(stream);
    int result = json_parse(stream->in.at == NULL ? "" : stream->in.at, stream->in.count, out.arena,
                            &list, &stream->why);
    const char *version = nsh_at_text(&list, "metadata.resourceVersion", "");
    if (result < 0 || version[0] == '\0' || strlen(version) >= NODEWATCH_VERSION_BYTES_MAX ||
        nsh_at(&list, "items") == NULL) {
        stream->outcome = NODEWATCH_FAILED;
        if (result == 0) {
            nsh_fail(&stream->why, NSH_PROTOCOL, "the answer is no list");
        }
        return false;
    }
    char kept[NODEWATCH_VERSION_BYTES_MAX];
    snprintf(kept, sizeof kept, "%s", version);
    const char *next = nsh_at_text(&list, "metadata.continue", "");
    free(stream->next);
    stream->next = next[0] == '\0' ? NULL : strdup(next);
    bool last = next[0] == '\0';
    nodewatch_list_page(&stream->source->watch, stream->kind, &list, &out);
    if (!out_end(stream, &out)) {
        return false;
    }
    if (last) {
        list_done(stream, kept);
    }
    return last || stream->next != NULL;
}

static void rest_for(struct nodewatch_stream *stream, bool failed)
{
    stream->phase = PHASE_RESTS;
    stream->failures = failed ? stream->failures + 1 : 0;
    unsigned doublings = stream->failures > 8 ? 8 : stream->failures;
    int64_t most_ms = failed ? (int64_t)BACKOFF_MS_MIN << doublings : 0;
    most_ms = most_ms > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : most_ms;
    /* The clock is chance enough for clients to not come all together. */
    int64_t part_ms = most_ms == 0 ? 0 : (clock_ms() * 7919) % (most_ms / 2 + 1);
    stream->due_ms = clock_ms() + most_ms / 2 + part_ms;
}

static void expired(struct nodewatch_stream *stream)
{
    free(stream->next);
    stream->next = NULL;
    stream->version[0] = '\0';
    /* At once, but not again and again. */
    rest_for(stream, clock_ms() - stream->begun_ms < CALM_MS);
}

static void failed(struct nodewatch_stream *stream, CURLcode code, long status)
{
    struct nodewatch_source *source = stream->source;
    char why[NODEWATCH_TEXT_BYTES_MAX - 40], text[NODEWATCH_TEXT_BYTES_MAX];
    bool calm = stream->phase == PHASE_WATCHES && clock_ms() - stream->begun_ms >= CALM_MS;
    nodewatch_why(stream, code, status, why, sizeof why);
    snprintf(text, sizeof text, "%s: %s", kind_words[stream->kind], why);
    pthread_mutex_lock(&source->mutex);
    stream->well = false;
    stream->status = status;
    snprintf(stream->text, sizeof stream->text, "%s", why);
    pthread_mutex_unlock(&source->mutex);
    source_complain(source->services->row, engine_ms(source), text);
    nodewatch_say(source, true, text);
    stream->failures = calm ? 0 : stream->failures;
    free(stream->next);
    stream->next = NULL;
    rest_for(stream, true);
}

static void request_over(struct nodewatch_stream *stream, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    nodewatch_request_end(stream);
    if (stream->outcome == NODEWATCH_EXPIRED || status == GONE) {
        expired(stream);
    } else if (code == CURLE_OPERATION_TIMEDOUT && status == 200 &&
               stream->phase == PHASE_WATCHES) { /* No bookmarks, or nobody: the next one tells. */
        rest_for(stream, false);
    } else if (code != CURLE_OK || status != 200 || stream->outcome == NODEWATCH_FAILED) {
        failed(stream, code, status);
    } else if (stream->phase == PHASE_WATCHES) { /* Its time is over, as it was asked for. */
        rest_for(stream, clock_ms() - stream->begun_ms < ROUND_MS);
    } else if (page_take(stream)) {
        stream->phase = PHASE_RESTS; /* Failures count until a watch lives. */
        stream->due_ms = clock_ms();
    } else {
        failed(stream, code, status);
    }
}

/* ---- the thread ---- */

static void stream_begin(struct nodewatch_stream *stream)
{
    struct nsh_error err = {0};
    bool lists = stream->version[0] == '\0';
    stream->phase = lists ? PHASE_LISTS : PHASE_WATCHES;
    stream->begun_ms = clock_ms();
    if (lists && stream->next == NULL) {
        stream->found = 0;
        if (stream->had) {
            stream->since_ms = stream->heard_ms - WINDOW_MARGIN_MS;
        }
        nodewatch_list_begin(&stream->source->watch, stream->kind);
    }
    if (stream->kind == NODEWATCH_LEASES) {
        nodewatch_leases_heard(&stream->source->watch, engine_ms(stream->source), true);
    }
    if (nodewatch_request(stream, &err) < 0) {
        stream->outcome = NODEWATCH_FAILED;
        stream->why = err;
        failed(stream, CURLE_OK, 0);
    }
}

static bool is_wanted(const struct nodewatch_stream *stream)
{
    return stream->kind != NODEWATCH_LEASES || stream->source->watch.lease_ms > 0;
}

/* Each second: who has not renewed. */
static void leases_look(struct nodewatch_source *source)
{
    const struct nodewatch_stream *stream = &source->streams[NODEWATCH_LEASES];
    if (!is_wanted(stream) || stream->phase != PHASE_WATCHES || !stream->well ||
        clock_ms() - source->looked_ms < ROUND_MS) {
        return;
    }
    source->looked_ms = clock_ms();
    arena_reset(&source->arena);
    struct nodewatch_out out = {.arena = &source->arena, .now_ms = engine_ms(source)};
    nodewatch_leases_look(&source->watch, &out);
    if (out.count > 0) {
        nodewatch_push(source, &out);
    }
    if (out.failed) {
        pthread_mutex_lock(&source->mutex);
        source->lost = true;
        pthread_mutex_unlock(&source->mutex);
    }
}

/* Events that did not become durable: nothing was told, all is read again. */
static void lost_look(struct nodewatch_source *source)
{
    pthread_mutex_lock(&source->mutex);
    bool lost = source->lost;
    source->lost = false;
    pthread_mutex_unlock(&source->mutex);
    if (!lost) {
        return;
    }
    nodewatch_forget(&source->watch);
    for (size_t i = 0; i < NODEWATCH_KINDS_COUNT; i++) {
        struct nodewatch_stream *stream = &source->streams[i];
        if (!is_wanted(stream)) {
            continue;
        }
        if (stream->phase != PHASE_RESTS) {
            nodewatch_request_end(stream);
        }
        free(stream->next);
        stream->next = NULL;
        stream->version[0] = '\0';
        rest_for(stream, true);
    }
}

static struct nodewatch_stream *stream_of(struct nodewatch_source *source, const CURL *easy)
{
    size_t i = 0;
    while (source->streams[i].easy != easy) {
        i++;
        NSH_ASSERT(i < NODEWATCH_KINDS_COUNT);
    }
    return &source->streams[i];
}

static void round_run(struct nodewatch_source *source)
{
    int running = 0, left = 0;
    int64_t now_ms = clock_ms(), wait_ms = ROUND_MS;
    lost_look(source);
    leases_look(source);
    for (size_t i = 0; i < NODEWATCH_KINDS_COUNT; i++) {
        struct nodewatch_stream *stream = &source->streams[i];
        if (!is_wanted(stream)) {
            continue;
        }
        if (stream->phase == PHASE_RESTS && stream->due_ms <= now_ms) {
            stream_begin(stream);
        }
        if (stream->phase == PHASE_RESTS && stream->due_ms - now_ms < wait_ms) {
            wait_ms = stream->due_ms > now_ms ? stream->due_ms - now_ms : 0;
        }
    }
    curl_multi_perform(source->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(source->multi, &left)) != NULL;) {
        CURLcode code = message->data.result;
        struct nodewatch_stream *stream = stream_of(source, message->easy_handle);
        request_over(stream, code);
        wait_ms = 0;
    }
    curl_multi_poll(source->multi, NULL, 0, (int)wait_ms, NULL);
}

void *nodewatch_thread(void *arg)
{
    struct nodewatch_source *source = arg;
    for (size_t i = 0; i < NODEWATCH_KINDS_COUNT; i++) {
        struct nodewatch_stream *stream = &source->streams[i];
        curl_easy_setopt(stream->easy, CURLOPT_WRITEFUNCTION, on_bytes);
        curl_easy_setopt(stream->easy, CURLOPT_WRITEDATA, stream);
        curl_easy_setopt(stream->easy, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(stream->easy, CURLOPT_HEADERDATA, stream);
    }
    while (!nodewatch_stopping(source)) {
        round_run(source);
    }
    for (size_t i = 0; i < NODEWATCH_KINDS_COUNT; i++) {
        nodewatch_request_end(&source->streams[i]);
    }
    nodewatch_drain(source);
    pthread_mutex_lock(&source->mutex);
    source->ended = true;
    pthread_mutex_unlock(&source->mutex);
    uv_async_send(&source->news);
    return NULL;
}
