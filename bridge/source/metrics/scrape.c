/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target's round: timer, request, reading on the pool, timer. One thing at a time for each, so
 * that a slow exporter is asked less often, never twice at once.
 */

#include "scrape.h"

#include "base/assert.h"
#include "exposition.h"

#include <stdio.h>
#include <stdlib.h>

#define PUT_OFF_MS 1000
#define WHY_BYTES 160
#define BEARER_BYTES_MAX 4096
#define UP_SAMPLES 3
#define ACCEPT                                                                                     \
    "Accept: application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5"

struct target {
    struct scrape *scrape;
    const struct scrape_job *job;
    const char *url, *instance;
    struct nsh_timer *timer;
    struct nsh_http *http;
    int64_t begun_ms, stamp_ms; /* Monotonic; engine time of its samples. */
    int64_t due_ms;             /* Monotonic. */
    double seconds;
    char *body; /* On the pool. */
    size_t body_bytes;
    bool openmetrics, reading, up;
    size_t samples;
    char why[WHY_BYTES]; /* Of the last failure, or empty. */
};

struct scrape {
    struct scrape_services services;
    struct arena arena;
    struct scrape_jobs jobs;
    struct target *targets;
    size_t count, running, reading;
    struct scrape_figures figures;
    void (*gone)(void *arg);
    void *gone_arg;
    bool stopping;
};

static void round_begin(void *arg);

static int64_t clock_ms(const struct scrape *scrape)
{
    return scrape->services.services->now_ms(scrape->services.services);
}

/* ---- the next round ---- */

static void aim(struct target *target, int64_t delay_ms)
{
    struct nsh_services *services = target->scrape->services.services;
    uint32_t delay = (uint32_t)(delay_ms < 1 ? 1 : delay_ms);
    target->timer = services->timer(services, delay, round_begin, target);
    NSH_ASSERT(target->timer != NULL || delay > 0);
}

/* Rounds that were missed are missed. */
static void aim_next(struct target *target)
{
    int64_t now_ms = clock_ms(target->scrape), interval_ms = target->job->interval_ms;
    target->due_ms += interval_ms;
    if (target->due_ms <= now_ms) {
        target->due_ms += (now_ms - target->due_ms + interval_ms) / interval_ms * interval_ms;
    }
    aim(target, target->due_ms - now_ms);
}

/* ---- samples ---- */

static size_t own_labels(const struct target *target, struct sample_label *labels)
{
    size_t count = 0;
    labels[count++] = (struct sample_label){TEXT("job"), text_of(target->job->name)};
    labels[count++] = (struct sample_label){TEXT("instance"), text_of(target->instance)};
    for (size_t i = 0; i < target->job->labels_count; i++) {
        labels[count++] = target->job->labels[i];
    }
    return count;
}

/* What a scrape says of itself. */
static void about_put(const struct target *target, const struct sample_sink *sink)
{
    struct sample_label labels[EXPOSITION_EXTRA_MAX + 1];
    size_t count = own_labels(target, labels + 1) + 1;
    const struct {
        const char *name;
        double value;
    } about[UP_SAMPLES] = {{"up", target->up},
                           {"scrape_duration_seconds", target->seconds},
                           {"scrape_samples_scraped", (double)target->samples}};
    for (size_t i = 0; i < UP_SAMPLES; i++) {
        labels[0] = (struct sample_label){TEXT(SAMPLE_METRIC), text_of(about[i].name)};
        sink->labels(sink->arg, labels, count);
        sink->value(sink->arg, target->stamp_ms, about[i].value);
    }
}

static int decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    struct target *target = arg;
    int result = 0;
    target->samples = 0;
    if (target->body != NULL) {
        struct sample_label labels[EXPOSITION_EXTRA_MAX];
        const struct exposition exposition = {
            .body = {target->body, (uint32_t)target->body_bytes},
            .openmetrics = target->openmetrics,
            .now_ms = target->stamp_ms,
            .extra = labels,
            .extra_count = own_labels(target, labels),
        };
        result = exposition_read(&exposition, sink, &target->samples, err);
    }
    target->up = target->body != NULL && result == 0;
    if (result == 0) {
        about_put(target, sink);
    }
    return result;
}

/* On the pool. */
static void read_body(void *arg)
{
    struct target *target = arg;
    const struct scrape_services *services = &target->scrape->services;
    struct nsh_error err = {0};
    int result = services->put(services->arg, decode, target, &err);
    if (result == -NSH_INVALID) { /* What it says of itself is told all the same. */
        free(target->body);
        target->body = NULL;
        services->put(services->arg, decode, target, NULL);
    }
    if (result < 0) {
        snprintf(target->why, sizeof target->why, "%s", err.text);
    }
}

static void scrape_end(struct scrape *scrape)
{
    if (!scrape->stopping || scrape->reading > 0) {
        return;
    }
    void (*gone)(void *arg) = scrape->gone;
    void *arg = scrape->gone_arg;
    arena_done(&scrape->arena);
    free(scrape->targets);
    free(scrape);
    gone(arg);
}

static void read_done(void *arg)
{
    struct target *target = arg;
    struct scrape *scrape = target->scrape;
    target->reading = false;
    scrape->reading--;
    scrape->running--;
    scrape->figures.done += target->up;
    scrape->figures.failed += !target->up;
    scrape->figures.samples += target->up ? target->samples : 0;
    free(target->body);
    target->body = NULL;
    if (scrape->stopping) {
        scrape_end(scrape);
        return;
    }
    aim_next(target);
}

static void read_begin(struct target *target)
{
    struct scrape *scrape = target->scrape;
    struct nsh_services *services = scrape->services.services;
    target->seconds = (double)(clock_ms(scrape) - target->begun_ms) / 1000.0;
    if (services->offload(services, read_body, read_done, target, NULL) < 0) {
        free(target->body);
        target->body = NULL;
        scrape->running--;
        scrape->figures.put_off++;
        aim(target, PUT_OFF_MS);
        return;
    }
    target->reading = true;
    scrape->reading++;
}

/* ---- the request ---- */

static void on_reply(void *arg, const struct nsh_http_reply *reply)
{
    struct target *target = arg;
    target->http = NULL;
    target->why[0] = '\0';
    if (reply->code != NSH_OK) {
        snprintf(target->why, sizeof target->why, "%s: %s", nsh_code_word(reply->code),
                 reply->text == NULL ? "" : reply->text);
    } else if (reply->status != 200) {
        snprintf(target->why, sizeof target->why, "HTTP status %d", reply->status);
    } else {
        const char *type = nsh_http_header(reply, "content-type");
        target->openmetrics = type != NULL && exposition_is_openmetrics(type);
        target->body = malloc(reply->body_bytes + 1);
        target->body_bytes = reply->body_bytes;
        if (target->body != NULL) {
            memcpy(target->body, reply->body, reply->body_bytes);
        }
    }
    read_begin(target);
}

static int request_send(struct target *target, struct nsh_error *err)
{
    struct scrape *scrape = target->scrape;
    const struct scrape_job *job = target->job;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const char *bearer = NULL;
    char authorization[BEARER_BYTES_MAX];
    const char *headers[] = {ACCEPT, NULL, NULL};
    if (job->bearer != NULL) {
        int result =
            scrape->services.secret(scrape->services.arg, job->bearer, &arena, &bearer, err);
        if (result < 0) {
            return result;
        }
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", bearer);
        headers[1] = authorization;
    }
    const struct nsh_http_request request = {
        .method = "GET",
        .url = target->url,
        .headers = headers,
        .reply_bytes_max = SCRAPE_BODY_BYTES_MAX,
        .timeout_ms = (uint32_t)job->timeout_ms,
        .connect_timeout_ms = (uint32_t)job->timeout_ms,
        .ca_file = job->ca_file,
        .insecure = job->insecure,
    };
    struct nsh_services *services = scrape->services.services;
    int result = services->http(services, &request, on_reply, target, &target->http, err);
    explicit_bzero(authorization, sizeof authorization);
    return result;
}

static void round_begin(void *arg)
{
    struct target *target = arg;
    struct scrape *scrape = target->scrape;
    struct nsh_error err = {0};
    target->timer = NULL;
    if (scrape->running >= SCRAPE_RUNNING_MAX) {
        scrape->figures.put_off++;
        aim(target, PUT_OFF_MS);
        return;
    }
    scrape->running++;
    target->begun_ms = clock_ms(scrape);
    target->stamp_ms = scrape->services.now_ms(scrape->services.arg);
    if (request_send(target, &err) < 0) {
        snprintf(target->why, sizeof target->why, "%s", err.text);
        target->http = NULL;
        read_begin(target);
    }
}

/* ---- life ---- */

static const char *copied(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, text, strlen(text));
}

static bool job_copy(struct arena *arena, const struct scrape_job *job, struct scrape_job *ret_job)
{
    struct sample_label *labels = arena_array(arena, job->labels_count + 1, sizeof *labels);
    *ret_job = *job;
    ret_job->name = copied(arena, job->name);
    ret_job->bearer = copied(arena, job->bearer);
    ret_job->ca_file = copied(arena, job->ca_file);
    for (size_t i = 0; labels != NULL && i < job->labels_count; i++) {
        labels[i].name = arena_text(arena, job->labels[i].name);
        labels[i].value = arena_text(arena, job->labels[i].value);
    }
    ret_job->labels = labels;
    return labels != NULL && ret_job->name != NULL;
}

static bool targets_add(struct scrape *scrape, const struct scrape_job *job)
{
    for (size_t i = 0; i < job->targets_count; i++) {
        struct target *target = &scrape->targets[scrape->count++];
        target->scrape = scrape;
        target->job = job;
        target->url = copied(&scrape->arena, job->targets[i].url);
        target->instance = copied(&scrape->arena, job->targets[i].instance);
        if (target->url == NULL || target->instance == NULL) {
            return false;
        }
    }
    return true;
}

static bool jobs_copy(struct scrape *scrape, const struct scrape_jobs *jobs)
{
    size_t count = 0;
    for (size_t i = 0; i < jobs->count; i++) {
        count += jobs->items[i].targets_count;
    }
    struct scrape_job *items = arena_array(&scrape->arena, jobs->count + 1, sizeof *items);
    scrape->targets = calloc(count + 1, sizeof *scrape->targets);
    bool copied_all = items != NULL && scrape->targets != NULL;
    for (size_t i = 0; copied_all && i < jobs->count; i++) {
        copied_all =
            job_copy(&scrape->arena, &jobs->items[i], &items[i]) && targets_add(scrape, &items[i]);
    }
    scrape->jobs = (struct scrape_jobs){items, jobs->count};
    return copied_all;
}

int scrape_new(const struct scrape_services *services, const struct scrape_jobs *jobs,
               struct scrape **ret_scrape, struct nsh_error *err)
{
    struct scrape *scrape = calloc(1, sizeof *scrape);
    if (scrape == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    scrape->services = *services;
    if (!jobs_copy(scrape, jobs)) {
        arena_done(&scrape->arena);
        free(scrape->targets);
        free(scrape);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int64_t now_ms = clock_ms(scrape);
    for (size_t i = 0; i < scrape->count; i++) { /* Each at its own moment, always the same. */
        struct target *target = &scrape->targets[i];
        NSH_ASSERT(target->job != NULL);
        uint64_t moment = text_hash(text_of(target->url)) % (uint64_t)target->job->interval_ms;
        target->due_ms = now_ms + (int64_t)moment;
        aim(target, (int64_t)moment);
    }
    *ret_scrape = scrape;
    return 0;
}

void scrape_stop(struct scrape *scrape, void (*gone)(void *arg), void *arg)
{
    struct nsh_services *services = scrape->services.services;
    scrape->stopping = true;
    scrape->gone = gone;
    scrape->gone_arg = arg;
    for (size_t i = 0; i < scrape->count; i++) {
        struct target *target = &scrape->targets[i];
        if (target->timer != NULL) {
            services->timer_cancel(services, target->timer);
        }
        if (target->http != NULL) {
            services->http_cancel(services, target->http);
        }
        target->timer = NULL;
        target->http = NULL;
    }
    scrape_end(scrape);
}

void scrape_count(const struct scrape *scrape, struct scrape_figures *ret_figures)
{
    *ret_figures = scrape->figures;
    ret_figures->targets = scrape->count;
    ret_figures->running = scrape->running;
    for (size_t i = 0; i < scrape->count; i++) {
        ret_figures->up += !scrape->targets[i].reading && scrape->targets[i].up;
    }
}

void scrape_json(const struct scrape *scrape, size_t limit, struct textbuf *out)
{
    for (size_t i = 0; i < scrape->count && i < limit; i++) {
        const struct target *target = &scrape->targets[i];
        textbuf_add_chars(out, i == 0 ? "{\"job\":" : ",{\"job\":");
        textbuf_add_json(out, text_of(target->job->name));
        textbuf_add_chars(out, ",\"url\":");
        textbuf_add_json(out, text_of(target->url));
        if (!target->reading) { /* Else the pool writes it. */
            textbuf_addf(out, ",\"up\":%s,\"samples\":%zu,\"seconds\":%.3f,\"why\":",
                         target->up ? "true" : "false", target->samples, target->seconds);
            textbuf_add_json(out, text_of(target->why));
        }
        textbuf_add_char(out, '}');
    }
}
