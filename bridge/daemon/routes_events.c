/* SPDX-License-Identifier: Apache-2.0 */
/* Events: handed in, listed, and followed (long poll and server-sent events). */

#include "routes_private.h"

#include "source/cloudevents/cloudevents.h"
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- handing in ------------------------------------------------------------------------------ */

#define EVENTS_REPLY_BYTES 96

struct events_post {
    struct source_delivery delivery;
    struct api_exchange *exchange;
};

/* On the loop thread, after the commit. */
static void events_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct events_post *post = arg;
    if (!durable) {
        struct nsh_error err = {0};
        nsh_fail(&err, NSH_CANCELLED, "the daemon stops before the events are durable");
        api_problem(post->exchange, &err,
                    "hand them in again: what is known already is not doubled");
        return;
    }
    char body[EVENTS_REPLY_BYTES];
    int count = snprintf(body, sizeof body, "{\"accepted\":%u,\"duplicates\":%u}\n",
                         post->delivery.events - duplicates, duplicates);
    api_reply(post->exchange, 202, "application/json", body, (size_t)count);
}

struct events_headers {
    struct cloudevents_header items[CLOUDEVENTS_HEADERS_MAX + 1];
    size_t count;
};

static void events_header(void *arg, const char *name, const char *value)
{
    struct events_headers *headers = arg;
    if (headers->count <= CLOUDEVENTS_HEADERS_MAX && cloudevents_is_attribute(name)) {
        headers->items[headers->count++] = (struct cloudevents_header){name, value};
    }
}

static void events_refuse(const struct api_request *request, const struct nsh_error *err)
{
    struct source_row *row = sources_events_row(shell_sources(request->arg));
    source_count(row, err->code == NSH_NOMEM ? SOURCE_COUNT_full : SOURCE_COUNT_malformed, 1);
    source_complain(row, intake_now_ms(shell_intake(request->arg)), err->text);
    if (err->code == NSH_UNSUPPORTED) {
        api_refuse(request->exchange, 415, err->text, NULL);
    } else {
        api_problem(request->exchange, err, "none of the request's events was taken");
    }
}

void routes_events_post(const struct api_request *request)
{
    struct intake *intake = shell_intake(request->arg);
    struct events_headers headers = {.count = 0};
    struct cloudevents events;
    struct nsh_error err = {0};
    api_headers_each(request, events_header, &headers);
    const struct cloudevents_message message = {
        .content_type = request->content_type,
        .body = request->body,
        .body_bytes = request->body_bytes,
        .headers = headers.items,
        .headers_count = headers.count,
    };
    int64_t now_ms = intake_now_ms(intake);
    struct source_row *row = sources_events_row(shell_sources(request->arg));
    source_count(row, SOURCE_COUNT_received, 1);
    if (cloudevents_decode(&message, now_ms, request->arena, &events, &err) < 0) {
        events_refuse(request, &err);
        return;
    }
    struct events_post *post = arena_alloc(request->arena, sizeof *post);
    if (post == NULL || events.events_count == 0) {
        static const char nothing[] = "{\"accepted\":0,\"duplicates\":0}\n";
        source_count(row, post == NULL ? SOURCE_COUNT_full : SOURCE_COUNT_accepted, 1);
        api_reply(request->exchange, post == NULL ? 503 : 200, "application/json", nothing,
                  sizeof nothing - 1);
        return;
    }
    *post = (struct events_post){.exchange = request->exchange};
    post->delivery = (struct source_delivery){.row = row,
                                              .events = events.events_count,
                                              .received_ms = now_ms,
                                              .concurrent = true,
                                              .done = events_durable,
                                              .arg = post};
    api_suspend(request->exchange);
    if (source_push_packed(intake, events.bytes, events.bytes_count, &post->delivery, &err) < 0) {
        api_problem(post->exchange, &err, "none of the request's events was taken");
    }
}

/* The handshake that CloudEvents' webhooks ask for before they send: any origin, any rate. */
void routes_events_options(const struct api_request *request)
{
    api_answer_header(request->exchange, "Allow", "POST");
    if (api_header(request, "WebHook-Request-Origin") != NULL) {
        api_answer_header(request->exchange, "WebHook-Allowed-Origin", "*");
        api_answer_header(request->exchange, "WebHook-Allowed-Rate", "*");
    }
    api_reply(request->exchange, 204, NULL, "", 0);
}

/* ---- following ------------------------------------------------------------------------------- */

#define FOLLOW_PACE_MS                                                                             \
    100 /* Between two reads of one follower: what comes meanwhile comes together. */
#define FOLLOW_LOOK_MS 1000 /* No event wakes for a decision: streams look for them so often. */
#define FOLLOW_BEATS 15     /* Looks without news until a sign of life; it shows who is gone. */
#define FOLLOW_DECISIONS_MAX 200
#define FOLLOW_DECISIONS_MS 10000 /* How far back a decision may be dated that is news. */

struct follow {
    struct api_exchange *exchange;
    struct shell *shell;
    struct routes_filter filter;
    uint64_t after, known; /* Read up to; durable by the last answer. */
    int64_t until_ms;      /* When a long poll gives up. */
    bool stream;
    unsigned quiet;      /* Reads in a row that found nothing. */
    uint64_t decision;   /* Number of the last one told. */
    int64_t decision_ms; /* Its time. */
};

static void follow_read(const struct api_request *request);

static void follow_woken(void *arg, const struct shell_answer *answer)
{
    struct follow *follow = arg;
    struct nsh_error err = {0};
    int result = answer->code == NSH_OK ? 0 : -answer->code;
    if (result == 0) {
        static const char name[] = "{\"seq\":";
        if (text_starts(answer->document, name)) {
            follow->known = strtoull(answer->document.at + sizeof name - 1, NULL, 10);
        }
        result = api_work(follow->exchange, follow_read, &err);
        if (result == 0 || result == -NSH_CANCELLED) {
            return;
        }
    }
    if (follow->stream) {
        api_stream_end(follow->exchange); /* The client comes again, and says where it was. */
    } else {
        api_problem(follow->exchange, answer->code == NSH_OK ? &err : answer->err, NULL);
    }
}

static void follow_wait(struct follow *follow, uint64_t after, int64_t wait_ms)
{
    struct nsh_error err = {0};
    struct api_exchange *exchange = follow->exchange;
    bool stream = follow->stream;
    if (shell_follow(follow->shell, after, (uint32_t)wait_ms, follow_woken, follow, &err) < 0) {
        if (stream) {
            api_stream_end(exchange);
        } else {
            api_problem(exchange, &err, NULL);
        }
    }
}

/* Wait for news; right after some, wait a moment whatever comes, so that a storm is read in pieces.
 */
static void follow_again(struct follow *follow, bool had_news)
{
    int64_t left_ms = follow->stream
                          ? FOLLOW_LOOK_MS
                          : follow->until_ms - intake_now_ms(shell_intake(follow->shell));
    follow->quiet = had_news ? 0 : follow->quiet + 1;
    if (had_news && left_ms > FOLLOW_PACE_MS) {
        follow_wait(follow, UINT64_MAX, FOLLOW_PACE_MS);
    } else {
        follow_wait(follow, follow->after, left_ms < 0 ? 0 : left_ms);
    }
}

struct events_rows {
    struct textbuf *out;
    bool stream;
    uint32_t count;
    uint64_t last;
};

static int events_row(void *arg, const struct event *event)
{
    struct events_rows *rows = arg;
    if (rows->stream) {
        textbuf_addf(rows->out, "id: %llu\nevent: event\ndata: ", (unsigned long long)event->seq);
        event_to_json(event, rows->out);
        textbuf_add_chars(rows->out, "\n\n");
    } else {
        textbuf_add_chars(rows->out, rows->count == 0 ? "" : ",");
        event_to_json(event, rows->out);
    }
    rows->count++;
    rows->last = event->seq;
    return 0;
}

static int events_read(struct store_reader *reader, const struct routes_filter *filter, bool rising,
                       uint64_t after, struct events_rows *rows, struct nsh_error *err)
{
    const struct store_events query = {
        .after_seq = after,
        .rising = rising,
        .since_ms = filter->since_ms,
        .host = filter->host,
        .type = filter->type,
        .unmatched = filter->unmatched,
        .limit = filter->limit,
    };
    return store_events(reader, &query, events_row, rows, err);
}

static void events_head(struct textbuf *out)
{
    textbuf_add_chars(out, ROUTES_API_VERSION "EventList\",\"items\":[");
}

/* The long poll: answer when there is something, or when its time is over. */
static void follow_poll(const struct api_request *request, struct follow *follow)
{
    struct nsh_error err = {0};
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    struct events_rows rows = {.out = &document};
    uint64_t known = follow->known;
    events_head(&document);
    if (events_read(request->reader, &follow->filter, true, follow->after, &rows, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    uint64_t next = rows.count > 0 ? rows.last : known > follow->after ? known : follow->after;
    bool news = next > follow->after;
    follow->after = next;
    if (rows.count == 0 && intake_now_ms(shell_intake(follow->shell)) < follow->until_ms) {
        follow_again(follow, news);
        return;
    }
    textbuf_addf(&document, "],\"next\":%llu}\n", (unsigned long long)next);
    routes_reply(request, &document);
}

/* ---- the stream ------------------------------------------------------------------------------ */

struct decisions_rows {
    struct follow *follow;
    struct arena *arena;
    struct record items[FOLLOW_DECISIONS_MAX];
    size_t count;
};

/* "dec-000123" -> 123: ids rise. */
static uint64_t decision_number(struct text id)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < id.count; i++) {
        char c = id.at[i];
        number = c >= '0' && c <= '9' ? number * 10 + (uint64_t)(c - '0') : 0;
    }
    return number;
}

static int decisions_row(void *arg, const struct record *record)
{
    struct decisions_rows *rows = arg;
    const struct text host = rows->follow->filter.host;
    bool wanted = decision_number(record->id) > rows->follow->decision &&
                  (host.count == 0 || text_equal(host, record->host));
    if (wanted && rows->count < FOLLOW_DECISIONS_MAX) {
        struct record *kept = &rows->items[rows->count];
        *kept = *record;
        kept->body = arena_text(rows->arena, record->body);
        kept->id = arena_text(rows->arena, record->id);
        rows->count += kept->body.at != NULL && kept->id.at != NULL;
    }
    return 0;
}

/* Decisions since the last one told, oldest first. Kept out when only some events are wanted. */
static int decisions_read(struct store_reader *reader, struct follow *follow, struct textbuf *out,
                          struct nsh_error *err)
{
    if (follow->filter.type.count > 0 || follow->filter.unmatched) {
        return 0;
    }
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct decisions_rows *rows = arena_alloc(&arena, sizeof *rows);
    if (rows == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    rows->follow = follow;
    rows->arena = &arena;
    const struct store_query query = {.kind = RECORD_DECISION,
                                      .since_ms = follow->decision_ms - FOLLOW_DECISIONS_MS,
                                      .limit = FOLLOW_DECISIONS_MAX};
    int result = store_query(reader, &query, decisions_row, rows, err);
    for (size_t i = rows->count; i > 0; i--) {
        const struct record *record = &rows->items[i - 1];
        textbuf_addf(out, "event: decision\ndata: %.*s\n\n", (int)record->body.count,
                     record->body.at);
        uint64_t number = decision_number(record->id);
        follow->decision = number > follow->decision ? number : follow->decision;
        follow->decision_ms =
            record->time_ms > follow->decision_ms ? record->time_ms : follow->decision_ms;
    }
    return result;
}

static void follow_stream(const struct api_request *request, struct follow *follow)
{
    struct api_exchange *exchange = follow->exchange;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct events_rows rows = {.out = &out, .stream = true};
    uint64_t known = follow->known;
    int result = events_read(request->reader, &follow->filter, true, follow->after, &rows, NULL);
    result = result == 0 ? decisions_read(request->reader, follow, &out, NULL) : result;
    if (result < 0) {
        api_stream_end(exchange);
        return;
    }
    uint64_t next = rows.count > 0 ? rows.last : known > follow->after ? known : follow->after;
    bool news = next > follow->after || out.count > 0;
    follow->after = next;
    if (out.count == 0 && follow->quiet >= FOLLOW_BEATS) {
        textbuf_add_chars(&out, ": \n\n");
        follow->quiet = 0;
    }
    if (out.failed || (out.count > 0 &&
                       api_stream_send(exchange, (struct text){out.at, (uint32_t)out.count}) < 0)) {
        if (out.failed) {
            api_stream_end(exchange);
        }
        return;
    }
    follow_again(follow, news);
}

static void follow_read(const struct api_request *request)
{
    struct follow *follow = *request->state;
    if (follow->stream && request->reader == NULL) {
        api_stream_end(follow->exchange);
    } else if (follow->stream) {
        follow_stream(request, follow);
    } else if (routes_reader(request) != NULL) {
        follow_poll(request, follow);
    }
}

static int follow_after(const char *text, uint64_t *ret_after, struct nsh_error *err)
{
    int64_t after = 0;
    if (text != NULL && (!text_to_int(text_of(text), &after) || after < 0)) {
        return nsh_fail(err, NSH_INVALID, "after wants the seq of an event, got %.60s", text);
    }
    *ret_after = (uint64_t)after;
    return 0;
}

static struct follow *follow_new(const struct api_request *request,
                                 const struct routes_filter *filter)
{
    struct follow *follow = arena_alloc(request->arena, sizeof *follow);
    if (follow != NULL) {
        *follow = (struct follow){
            .exchange = request->exchange, .shell = request->arg, .filter = *filter};
        *request->state = follow;
    }
    return follow;
}

void routes_events_list(const struct api_request *request)
{
    struct routes_filter filter;
    struct nsh_error err = {0};
    const char *after_text = api_query(request, "after");
    uint64_t after = 0;
    int64_t wait_ms = 0;
    if (routes_reader(request) == NULL) {
        return;
    }
    int result = routes_filter(request, NULL, &filter, &err);
    result = result == 0 ? follow_after(after_text, &after, &err) : result;
    result =
        result == 0 ? routes_duration(request, "wait", ROUTES_WAIT_MS_MAX, &wait_ms, &err) : result;
    if (result == 0 && wait_ms > 0 && after_text == NULL) {
        result = nsh_fail(&err, NSH_INVALID, "wait needs after: the seq it waits to be passed");
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    if (after_text != NULL) {
        struct follow *follow = follow_new(request, &filter);
        if (follow != NULL) {
            follow->after = after;
            follow->until_ms = intake_now_ms(shell_intake(request->arg)) + wait_ms;
            follow_poll(request, follow);
            return;
        }
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    struct events_rows rows = {.out = &document};
    events_head(&document);
    if (events_read(request->reader, &filter, false, 0, &rows, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    textbuf_add_chars(&document, "]}\n");
    routes_reply(request, &document);
}

void routes_stream(const struct api_request *request)
{
    struct routes_filter filter;
    struct store_figures figures;
    struct nsh_error err = {0};
    const char *after_text = api_query(request, "after");
    uint64_t after = 0;
    if (routes_reader(request) == NULL) {
        return;
    }
    if (after_text == NULL) {
        after_text = api_header(request, "Last-Event-ID");
    }
    int result = routes_filter(request, NULL, &filter, &err);
    result = result == 0 ? follow_after(after_text, &after, &err) : result;
    result = result == 0 ? store_figures(request->reader, &figures, &err) : result;
    struct follow *follow = result < 0 ? NULL : follow_new(request, &filter);
    if (result == 0 && follow == NULL) {
        result = nsh_fail(&err, NSH_NOMEM, "out of memory");
    }
    if (result == 0) {
        follow->stream = true;
        follow->after = after_text == NULL ? figures.last_seq : after;
        follow->decision_ms = intake_now_ms(shell_intake(request->arg));
        struct textbuf none = {0};
        result = decisions_read(request->reader, follow, &none, &err); /* Those are no news. */
        textbuf_done(&none);
    }
    result = result == 0 ? api_stream(request->exchange, "text/event-stream", &err) : result;
    if (result == -NSH_CANCELLED) {
        return; /* The exchange ended: it is not ours any more. */
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    if (api_stream_send(follow->exchange, TEXT("retry: 2000\n\n")) == 0) {
        follow_stream(request, follow);
    }
}
