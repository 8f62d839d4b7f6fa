/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTES_RIG_H
#define ROUTES_RIG_H

/*
 * The routes on a real server over a real store, with a shell that is only a thread: it notes what
 * it was asked and answers from there, as the loop would.
 */

#include "../api/api_rig.h"

#include "base/json.h"
#include "routes.h"
#include "shell_series.h"
#include "sources.h"

#include <sys/eventfd.h>

#define NOW_MS 1900000000000

struct rig_job {
    shell_answer_fn answer;
    void (*done)(void *arg, bool durable, uint32_t duplicates);
    void *arg;
    uint64_t after;
    bool follow;
    char name[32];
};

static struct shell_fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct rig_job jobs[64];
    size_t count;
    bool stop;
    char asked[512]; /* The last "name args actor". */
    uint64_t seq;    /* Newest durable event. */
    uint32_t duplicates;
    int64_t now_ms;
    bool intake_full, intake_stops, not_ready;
    uint8_t pushed[65536];
    size_t pushed_bytes;
    uint32_t pushed_count;
    uint32_t series, samples; /* Handed in. */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline int fake_add(const struct rig_job *job)
{
    pthread_mutex_lock(&fake.lock);
    assert_true(fake.count < ROWS(fake.jobs));
    fake.jobs[fake.count++] = *job;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static inline void fake_answer(const struct rig_job *job)
{
    struct nsh_error err = {0};
    struct shell_answer answer = {.document = TEXT("{\"x\":1}"), .err = &err};
    char seq[48];
    if (job->done != NULL) {
        job->done(job->arg, !fake.intake_stops, fake.duplicates);
        return;
    }
    if (job->follow) {
        snprintf(seq, sizeof seq, "{\"seq\":%llu}", (unsigned long long)fake.seq);
        answer.document = text_of(seq);
    } else if (strstr(job->name, "unknown") != NULL) {
        nsh_fail(&err, NSH_NOT_FOUND, "no such thing");
        answer = (struct shell_answer){.code = NSH_NOT_FOUND, .err = &err};
    } else if (strstr(job->name, "refused") != NULL) {
        nsh_fail(&err, NSH_REFUSED, "a guard said no");
        answer = (struct shell_answer){.code = NSH_REFUSED, .err = &err};
    }
    job->answer(job->arg, &answer);
}

/* Followers wait until seq rises, or, as time would, until the test says so by stop or now_ms. */
static inline bool fake_take(struct rig_job *ret_job)
{
    for (;;) {
        for (size_t i = 0; i < fake.count; i++) {
            if (!fake.jobs[i].follow || fake.seq > fake.jobs[i].after || fake.stop ||
                fake.jobs[i].after == UINT64_MAX || fake.now_ms > NOW_MS) {
                *ret_job = fake.jobs[i];
                fake.jobs[i] = fake.jobs[--fake.count];
                return true;
            }
        }
        if (fake.stop) {
            return false;
        }
        pthread_cond_wait(&fake.changed, &fake.lock);
    }
}

static inline void *fake_run(void *arg)
{
    struct rig_job job;
    pthread_mutex_lock(&fake.lock);
    while (fake_take(&job)) {
        pthread_mutex_unlock(&fake.lock);
        fake_answer(&job);
        pthread_mutex_lock(&fake.lock);
    }
    pthread_mutex_unlock(&fake.lock);
    return arg;
}

int shell_post(struct shell *shell, const char *name, const struct nsh_value *args,
               const char *actor, shell_answer_fn answer, void *arg, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    (void)shell;
    if (args != NULL) {
        json_write(args, &json);
    }
    pthread_mutex_lock(&fake.lock);
    snprintf(fake.asked, sizeof fake.asked, "%s %s %.4s", name, json.at == NULL ? "" : json.at,
             actor);
    pthread_mutex_unlock(&fake.lock);
    struct rig_job job = {.answer = answer, .arg = arg};
    snprintf(job.name, sizeof job.name, "%s",
             json.at != NULL && strstr(json.at, "unknown") != NULL   ? "unknown"
             : json.at != NULL && strstr(json.at, "refused") != NULL ? "refused"
                                                                     : "");
    (void)err;
    return fake_add(&job);
}

int shell_follow(struct shell *shell, uint64_t after_seq, uint32_t wait_ms, shell_answer_fn answer,
                 void *arg, struct nsh_error *err)
{
    (void)shell;
    (void)wait_ms;
    (void)err;
    return fake_add(
        &(struct rig_job){.answer = answer, .arg = arg, .follow = true, .after = after_seq});
}

struct intake *shell_intake(struct shell *shell)
{
    return (struct intake *)(void *)shell;
}

struct text shell_metrics(struct shell *shell, struct arena *arena)
{
    (void)shell;
    (void)arena;
    return TEXT("nightshift_events_total 7\n");
}

bool shell_ready(struct shell *shell, char *reason, size_t reason_bytes)
{
    (void)shell;
    snprintf(reason, reason_bytes, "the store is full");
    return !fake.not_ready;
}

static inline void rig_labels(void *arg, const struct sample_label *labels, size_t count)
{
    (void)arg;
    (void)labels;
    fake.series += count > 0;
}

static inline void rig_value(void *arg, int64_t at_ms, double value)
{
    (void)arg;
    fake.samples += at_ms > 0 && value >= 0;
}

int shell_series_put(struct shell *shell, const struct shell_series_put *put, struct nsh_error *err)
{
    (void)shell;
    const struct sample_sink sink = {rig_labels, rig_value, NULL};
    return fake.intake_full ? nsh_fail(err, NSH_LIMIT, "too many events wait")
                            : put->decode(put->arg, &sink, err);
}

void shell_series_list(struct shell *shell, struct textbuf *out)
{
    (void)shell;
    textbuf_add_chars(out, "\"items\":[{\"name\":\"inlet-hot\"}]");
}

bool shell_series_show(struct shell *shell, const struct series_filter *filter, struct textbuf *out)
{
    (void)shell;
    textbuf_addf(out, "\"items\":[{\"signal\":\"%.*s\"}]", (int)filter->signal.count,
                 filter->signal.at);
    return text_is(filter->signal, "inlet-hot");
}

bool shell_callback_waits(struct shell *shell, const char *token)
{
    (void)shell;
    return strcmp(token, "waits") == 0;
}

int64_t intake_now_ms(struct intake *intake)
{
    (void)intake;
    pthread_mutex_lock(&fake.lock);
    int64_t now_ms = fake.now_ms;
    pthread_mutex_unlock(&fake.lock);
    return now_ms;
}

int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err)
{
    (void)intake;
    if (fake.intake_full) {
        return nsh_fail(err, NSH_LIMIT, "48 MiB of events wait already");
    }
    assert_true(batch->bytes_count <= sizeof fake.pushed);
    memcpy(fake.pushed, batch->bytes, batch->bytes_count);
    fake.pushed_bytes = batch->bytes_count;
    fake.pushed_count = batch->events_count;
    return fake_add(&(struct rig_job){.done = batch->done, .arg = batch->arg});
}

/* The sources: one webhook, when a test brings it. */

static struct source_use fake_use;

struct sources *shell_sources(struct shell *shell)
{
    return (struct sources *)(void *)shell;
}

bool sources_take(struct sources *sources, const char *name, struct source_use *ret_use)
{
    (void)sources;
    bool there = fake_use.config != NULL && strcmp(fake_use.config->name, name) == 0;
    if (there) {
        *ret_use = fake_use;
    }
    return there;
}

struct source_row *sources_events_row(struct sources *sources)
{
    (void)sources;
    return NULL;
}

void sources_give(struct sources *sources, const struct source_use *use)
{
    (void)sources;
    (void)use;
}

/* ---- the rig --------------------------------------------------------------------------------- */

struct routes_rig {
    struct rig rig;
    char path[96];
    int wake;
    struct store *store;
    struct rig_reply *reply;
    int fd;
};

static inline void routes_wake(void *arg)
{
    uint64_t one = 1;
    assert_int_equal(write(*(int *)arg, &one, sizeof one), sizeof one);
}

static inline void routes_open(struct routes_rig *routes)
{
    struct nsh_error err = {0};
    size_t count = 0;
    const struct api_route *table = routes_table(&count);
    *routes = (struct routes_rig){.wake = eventfd(0, EFD_CLOEXEC), .reply = rig_reply_new()};
    rig_open(&routes->rig);
    snprintf(routes->path, sizeof routes->path, "%s/s.db", routes->rig.folder);
    const struct store_options options = {
        .path = routes->path, .wake = routes_wake, .wake_arg = &routes->wake};
    assert_int_equal(store_open(&options, &routes->store, &err), 0);
    routes->rig.options.store_path = routes->path;
    routes->rig.options.admit = routes_admit;
    fake.stop = false;
    fake.now_ms = NOW_MS;
    fake.seq = 0;
    assert_int_equal(pthread_create(&fake.thread, NULL, fake_run, NULL), 0);
    rig_start(&routes->rig, table, count);
    routes->fd = rig_connect(&routes->rig);
}

static inline void routes_close(struct routes_rig *routes)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[128];
    close(routes->fd);
    api_stop(routes->rig.api);
    routes->rig.api = NULL;
    pthread_mutex_lock(&fake.lock);
    fake.stop = true;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    pthread_join(fake.thread, NULL);
    store_close(routes->store);
    for (size_t i = 0; i < ROWS(ends); i++) {
        snprintf(path, sizeof path, "%s%s", routes->path, ends[i]);
        unlink(path);
    }
    close(routes->wake);
    rig_close(&routes->rig);
    free(routes->reply);
}

static inline void routes_commit(struct routes_rig *routes)
{
    uint64_t number = store_batch_number(routes->store);
    struct store_done done = {0};
    assert_true(store_submit(routes->store));
    while (done.batch < number) {
        uint64_t count;
        assert_int_equal(read(routes->wake, &count, sizeof count), sizeof count);
        store_poll(routes->store, &done);
    }
}

static inline void routes_record(struct routes_rig *routes, enum record_kind kind, const char *id,
                                 const char *host, const char *state, int64_t ms, const char *body)
{
    const struct record record = {.kind = kind,
                                  .live = kind != RECORD_DECISION,
                                  .time_ms = ms,
                                  .id = text_of(id),
                                  .host = text_of(host),
                                  .state = text_of(state),
                                  .body = text_of(body)};
    assert_int_equal(store_batch_record(routes->store, &record, NULL), 0);
}

static inline void routes_event(struct routes_rig *routes, const char *type, const char *host)
{
    const struct event event = {.seq = store_next_seq(routes->store),
                                .received_ms = NOW_MS,
                                .id = text_of(type),
                                .source = TEXT("/s"),
                                .type = text_of(type),
                                .host = text_of(host)};
    assert_int_equal(store_batch_event(routes->store, &event, NULL), 0);
}

/* What the daemon does after a commit: whoever follows is told. */
static inline void routes_tell(struct routes_rig *routes)
{
    pthread_mutex_lock(&fake.lock);
    fake.seq = store_next_seq(routes->store) - 1;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
}

#endif
