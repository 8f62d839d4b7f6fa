/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking by ourselves at BMCs whose events do not come. A poll begins at the service root and
 * follows what pages lead to (redfish_page.h), one request at a time, REDFISH_REQUESTS_MAX at most;
 * what is known by its ETag is asked whether it changed. Values go to the signals as they are read,
 * the health of parts is told when the poll is through (redfish_tell.c). Each BMC has its own
 * moment within the interval, a little moved every time; a login that was refused is not repeated
 * for an hour. One that is not through after REDFISH_VISIT_MS_MAX ends as failed, and its BMC, slow
 * as it is, does not get the place again for as long.
 */

#include "redfish_private.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOT_PATH "/redfish/v1/"
#define EXPAND "?$expand=.($levels=1)"
#define REFUSED_MS (60 * 60 * INT64_C(1000))
#define FAILURES_MAX 3   /* Requests of one poll that fail until it ends. */
#define SCANNED_MAX 4096 /* BMCs looked at in one tick. */
#define STREAM_GRACE_MS INT64_C(15000)
#define STIRRED_MS INT64_C(3000)

struct redfish_poll {
    struct redfish_watch *watch; /* NULL: its BMC is gone. */
    int64_t begun_ms;
    struct redfish_peer peer;
    struct nsh_http *http;
    struct redfish_reading *reading;
    char etag[REDFISH_ETAG_BYTES_MAX]; /* Of what is read; empty: it has none of use. */
    const char *queue[REDFISH_REQUESTS_MAX];
    size_t next, count, place;
    struct redfish_part *found;
    size_t found_count;
    unsigned failures;
    bool expands, sensors, cut;
    bool deep; /* What is in a system is read though it says that it is well. */
};

static void poll_next(struct redfish_poll *poll);

size_t redfish_poll_places(size_t bmcs_count)
{
    size_t wanted = 4 + bmcs_count / 32;
    return wanted > REDFISH_POLLS_MAX ? REDFISH_POLLS_MAX : wanted;
}

/* ---- who is polled ---- */

static bool silent(const struct redfish_watch *watch)
{
    const struct redfish_events *source = watch->source;
    return source->quiet_ms > 0 && redfish_clock_ms() - watch->heard_ms > source->quiet_ms;
}

const char *redfish_poll_reason(const struct redfish_watch *watch)
{
    const struct redfish_events *source = watch->source;
    if (source->polls == REDFISH_POLLS_NEVER || source->services->services == NULL) {
        return NULL;
    }
    if (source->polls == REDFISH_POLLS_ALWAYS) {
        return "poll = \"always\"";
    }
    if (watch->way == REDFISH_WAY_POLL) {
        return watch->why[0] == '\0' ? "its events cannot be had" : watch->why;
    }
    if (watch->way == REDFISH_WAY_SSE) {
        const char *broken = redfish_stream_broken(watch, STREAM_GRACE_MS);
        if (broken != NULL) {
            return broken;
        }
    }
    if (watch->catch_up) {
        return "once, for what may have been missed";
    }
    return watch->way != REDFISH_WAY_UNKNOWN && silent(watch)
               ? "nothing was heard for longer than `quiet`"
               : NULL;
}

/* Within a tenth of the interval, by chance that is always the same. */
static int64_t jitter_ms(const struct redfish_watch *watch)
{
    int64_t poll_ms = watch->source->poll_ms;
    char seed[32];
    int count = snprintf(seed, sizeof seed, "%lld", (long long)watch->polled_ms);
    uint64_t chance =
        text_hash(text_of(watch->address)) ^ text_hash((struct text){seed, (uint32_t)count});
    return (int64_t)(chance % (uint64_t)(poll_ms / 10 + 1)) - poll_ms / 20;
}

/* ---- the end of a poll ---- */

static void poll_free(struct redfish_poll *poll)
{
    struct redfish_events *source = poll->peer.source;
    NSH_ASSERT(source->polling[poll->place] == poll);
    source->polling[poll->place] = NULL;
    source->polling_count--;
    redfish_peer_done(&poll->peer);
    free(poll->found);
    free(poll);
}

static void poll_done(struct redfish_poll *poll, const char *why, bool refused)
{
    struct redfish_watch *watch = poll->watch;
    struct redfish_events *source = poll->peer.source;
    if (watch == NULL) {
        poll_free(poll);
        return;
    }
    int64_t now_ms = redfish_clock_ms();
    source->polls_done += why == NULL;
    source->polls_failed += why != NULL;
    watch->poll = NULL;
    watch->polled_ms = why == NULL ? now_ms : watch->polled_ms;
    watch->poll_due_ms = now_ms + (refused ? REFUSED_MS : source->poll_ms + jitter_ms(watch));
    watch->due_ms = refused ? watch->poll_due_ms : watch->due_ms; /* Most lock accounts. */
    snprintf(watch->poll_why, sizeof watch->poll_why, "%s", why == NULL ? "" : why);
    if (why == NULL) { /* Half of it would call parts well that only were not read. */
        watch->catch_up = false;
        redfish_tell_parts(watch, poll->found, poll->found_count, poll->deep && !poll->cut);
    }
    poll_free(poll);
}

/* Nothing is waited for any more. */
static void poll_stop(struct redfish_poll *poll)
{
    struct nsh_services *services = poll->peer.source->services->services;
    if (poll->http != NULL) {
        services->http_cancel(services, poll->http);
        poll->http = NULL;
    }
    redfish_reading_drop(poll->reading);
    poll->reading = NULL;
}

static void poll_expire(struct redfish_poll *poll, int64_t now_ms)
{
    struct redfish_watch *watch = poll->watch;
    int64_t visit_ms = poll->peer.source->visit_ms;
    char why[REDFISH_WHY_BYTES];
    snprintf(why, sizeof why, "not through after %lld s, at request %zu: GET %.80s",
             (long long)(now_ms - poll->begun_ms) / 1000, poll->next, poll->queue[poll->next - 1]);
    poll_stop(poll);
    poll_done(poll, why, false);
    if (watch != NULL && watch->poll_due_ms < now_ms + visit_ms) {
        watch->poll_due_ms = now_ms + visit_ms;
    }
}

static void polls_expire(struct redfish_events *source, int64_t now_ms)
{
    for (size_t i = 0; i < REDFISH_POLLS_MAX; i++) {
        struct redfish_poll *poll = source->polling[i];
        if (poll != NULL && now_ms - poll->begun_ms > source->visit_ms) {
            poll_expire(poll, now_ms);
        }
    }
}

/* ---- pages ---- */

static bool ends_with(const char *path, const char *end)
{
    size_t count = strlen(path), end_count = strlen(end);
    return count >= end_count && strcmp(path + count - end_count, end) == 0;
}

/* Whole collections in one reply, where the service can. */
static bool expandable(const char *path)
{
    static const char *const ends[] = {"/Sensors",       "/Fans",   "/PowerSupplies",
                                       "/MetricReports", "/Memory", "/Processors",
                                       "/Batteries"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (ends_with(path, ends[i])) {
            return true;
        }
    }
    return false;
}

static void queue_add(struct redfish_poll *poll, const char *path)
{
    bool excerpt = ends_with(path, "/ThermalMetrics") || ends_with(path, "/EnvironmentMetrics");
    char room[REDFISH_PATH_BYTES_MAX + sizeof EXPAND];
    snprintf(room, sizeof room, "%s%s", path, poll->expands && expandable(path) ? EXPAND : "");
    if ((poll->sensors && excerpt) ||
        (ends_with(path, "/TelemetryService") && !poll->peer.source->reports)) {
        return; /* The sensors themselves are read; reports are not wanted. */
    }
    for (size_t i = 0; i < poll->count; i++) {
        if (strcmp(poll->queue[i], room) == 0) {
            return;
        }
    }
    const char *kept = arena_copy(&poll->peer.arena, room, strlen(room));
    if (kept == NULL || poll->count == REDFISH_REQUESTS_MAX) {
        poll->cut = true;
        return;
    }
    poll->queue[poll->count++] = kept;
}

static bool found_add(struct redfish_poll *poll, const struct redfish_part *part)
{
    struct redfish_part copy = *part;
    if (poll->found_count == REDFISH_FOUND_MAX) {
        poll->cut = true;
        return true;
    }
    copy.path = arena_copy(&poll->peer.arena, part->path, strlen(part->path));
    copy.name = arena_copy(&poll->peer.arena, part->name, strlen(part->name));
    if (copy.path == NULL || copy.name == NULL) {
        return false;
    }
    poll->found[poll->found_count++] = copy;
    return true;
}

static bool page_take(struct redfish_poll *poll, const struct redfish_page *page)
{
    poll->expands = poll->expands || page->expands;
    poll->cut = poll->cut || page->cut;
    for (uint32_t i = 0; i < page->links_count; i++) {
        poll->sensors = poll->sensors || ends_with(page->links[i].path, "/Sensors");
    }
    for (uint32_t i = 0; i < page->links_count; i++) {
        if (!page->links[i].deep || page->ill || poll->deep) {
            queue_add(poll, page->links[i].path);
        }
    }
    for (uint32_t i = 0; i < page->parts_count; i++) {
        if (!found_add(poll, &page->parts[i])) {
            return false;
        }
    }
    redfish_tell_samples(poll->watch, page);
    return true;
}

/* ---- replies ---- */

static void failure_take(struct redfish_poll *poll, const char *path, const char *what)
{
    char why[REDFISH_WHY_BYTES];
    poll->failures++;
    snprintf(why, sizeof why, "GET %.80s: %.60s", path, what);
    if (poll->next == 1 || poll->failures >= FAILURES_MAX) {
        poll_done(poll, why, false);
        return;
    }
    if (poll->watch != NULL) {
        snprintf(poll->watch->poll_why, sizeof poll->watch->poll_why, "%s", why);
    }
    poll_next(poll);
}

static void on_read(void *arg, struct redfish_reading *reading)
{
    struct redfish_poll *poll = arg;
    poll->reading = NULL;
    if (poll->watch == NULL) {
        poll_free(poll);
        return;
    }
    if (!reading->good) {
        failure_take(poll, reading->path, "the reply is no JSON object");
        return;
    }
    redfish_kept_put(poll->watch, reading->path, poll->etag, &reading->page);
    if (page_take(poll, &reading->page)) {
        poll_next(poll);
    } else {
        failure_take(poll, reading->path, "out of memory");
    }
}

static void body_take(struct redfish_poll *poll, const char *path,
                      const struct nsh_http_reply *reply)
{
    const struct text bytes = {reply->body, (uint32_t)reply->body_bytes};
    const char *etag = nsh_http_header(reply, "etag");
    bool fits = etag != NULL && strlen(etag) < sizeof poll->etag;
    snprintf(poll->etag, sizeof poll->etag, "%s", fits ? etag : "");
    if (!redfish_reading_begin(poll->peer.source, bytes, path, on_read, poll, &poll->reading)) {
        failure_take(poll, path, "no room to read the reply");
    }
}

static void reply_take(struct redfish_poll *poll, const struct nsh_http_reply *reply)
{
    const char *path = poll->queue[poll->next - 1];
    struct redfish_page page = {0};
    char status[32];
    snprintf(status, sizeof status, "HTTP status %d", reply->status);
    if (reply->code != NSH_OK) {
        failure_take(poll, path, reply->text == NULL ? nsh_code_word(reply->code) : reply->text);
    } else if (reply->status == 401) {
        poll_done(poll, "the login was refused: it is not tried again for an hour", true);
    } else if (reply->status == 304 && redfish_kept_page(poll->watch, path, &page)) {
        if (page_take(poll, &page)) {
            poll_next(poll);
        } else {
            failure_take(poll, path, "out of memory");
        }
    } else if (reply->status == 404 && poll->next > 1) {
        poll_next(poll); /* A link to nothing: firmware has those. */
    } else if (reply->status != 200) {
        failure_take(poll, path, status);
    } else {
        body_take(poll, path, reply);
    }
}

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct redfish_poll *poll = arg;
    poll->http = NULL;
    if (poll->watch == NULL) {
        poll_free(poll);
        return;
    }
    reply_take(poll, reply);
}

static void poll_next(struct redfish_poll *poll)
{
    struct nsh_error err = {0};
    if (poll->next == poll->count) {
        char why[REDFISH_WHY_BYTES];
        snprintf(why, sizeof why, "%s", poll->watch->poll_why);
        poll_done(poll, poll->failures == 0 ? NULL : why, false);
        return;
    }
    const char *path = poll->queue[poll->next++];
    const char *etag = redfish_kept_etag(poll->watch, path);
    char header[REDFISH_ETAG_BYTES_MAX + 24];
    const char *headers[] = {NULL, NULL};
    if (etag != NULL) {
        snprintf(header, sizeof header, "If-None-Match: %s", etag);
        headers[0] = header;
    }
    const struct redfish_call call = {.method = "GET",
                                      .path = path,
                                      .headers = headers,
                                      .reply_bytes_max = REDFISH_LONG_BYTES_MAX};
    if (redfish_peer_call(&poll->peer, &call, on_reply, poll, &poll->http, &err) < 0) {
        poll_done(poll, err.text, false);
    }
}

/* ---- rounds ---- */

static size_t place_find(const struct redfish_events *source)
{
    size_t place = 0;
    while (place < REDFISH_POLLS_MAX && source->polling[place] != NULL) {
        place++;
    }
    return place;
}

/* Something was wrong, or nobody knows: then it is looked for. */
static bool deep_wanted(const struct redfish_watch *watch)
{
    bool ill = watch->told_count == 0 || watch->ill_count > 0;
    for (size_t i = 0; !ill && i < watch->told_count; i++) {
        ill = watch->told[i].health != REDFISH_HEALTH_OK;
    }
    return ill;
}

/*
 * An event said something since: what was told before counts no more. Not at once, because a BMC
 * may say it before its resources do.
 */
static void stirred_take(struct redfish_watch *watch, int64_t now_ms)
{
    if (watch->stirred_ms != 0 && now_ms - watch->stirred_ms > STIRRED_MS) {
        watch->stirred_ms = 0;
        watch->told_count = 0;
    }
}

static void poll_begin(struct redfish_watch *watch)
{
    struct redfish_events *source = watch->source;
    struct nsh_error err = {0};
    struct redfish_poll *poll = calloc(1, sizeof *poll);
    if (poll == NULL) {
        return;
    }
    poll->watch = watch;
    poll->begun_ms = redfish_clock_ms();
    poll->place = place_find(source);
    NSH_ASSERT(poll->place < REDFISH_POLLS_MAX);
    source->polling[poll->place] = poll;
    source->polling_count++;
    watch->poll = poll;
    poll->found = calloc(REDFISH_FOUND_MAX, sizeof *poll->found);
    if (poll->found == NULL || redfish_peer_open(&poll->peer, source, watch->bmc, &err) < 0) {
        poll->peer.source = source;
        poll_done(poll, err.text[0] == '\0' ? "out of memory" : err.text, false);
        return;
    }
    stirred_take(watch, poll->begun_ms);
    poll->deep = deep_wanted(watch);
    queue_add(poll, ROOT_PATH);
    poll_next(poll);
}

void redfish_poll_tick(struct redfish_events *source)
{
    struct redfish_table *table = source->table;
    int64_t now_ms = redfish_clock_ms();
    size_t places = table == NULL ? 0 : redfish_poll_places(table->count);
    polls_expire(source, now_ms);
    for (size_t i = 0; table != NULL && i < SCANNED_MAX && i < table->count; i++) {
        if (source->polling_count >= places) {
            return;
        }
        source->poll_next = source->poll_next >= table->count ? 0 : source->poll_next;
        struct redfish_watch *watch = table->items[source->poll_next++].watch;
        if (watch->poll == NULL && watch->poll_due_ms <= now_ms &&
            redfish_poll_reason(watch) != NULL) {
            poll_begin(watch);
        }
    }
}

void redfish_poll_forget(struct redfish_watch *watch)
{
    if (watch->poll != NULL) {
        watch->poll->watch = NULL;
        watch->poll = NULL;
    }
}

void redfish_poll_end(struct redfish_events *source)
{
    for (size_t i = 0; i < REDFISH_POLLS_MAX; i++) {
        struct redfish_poll *poll = source->polling[i];
        if (poll != NULL) {
            poll_stop(poll);
            if (poll->watch != NULL) {
                poll->watch->poll = NULL;
            }
            poll_free(poll);
        }
    }
}
