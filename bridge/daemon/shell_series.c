/* SPDX-License-Identifier: Apache-2.0 */
/* The door for samples, and the way of turns into the intake. */

#include "shell_series_private.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#define LOAD_PERCENT_MAX                                                                           \
    70 /* Of the intake, whose usual room is 75: then senders of samples are asked to come again.  \
        */

static const char *const door_words[] = {
#define SERIES_DOOR(NAME, word, help) word,
#include "series_doors.def"
#undef SERIES_DOOR
};

static void lock(struct shell_series *series)
{
    pthread_mutex_lock(&series->mutex);
}

static void unlock(struct shell_series *series)
{
    pthread_mutex_unlock(&series->mutex);
}

/* ---- turns ---- */

/*
 * Turns on their way; or, without turns of its own, somebody who waits for those: what his samples
 * turned may have been picked up by another's batch, and he must not hear "taken" before it is
 * durable.
 */
struct batch {
    struct batch *next;
    uint64_t number; /* Of a batch; of who waits: of the newest batch he waits for. */
    bool lost;
    struct shell *shell;
    struct series_turns turns;
    struct arena own; /* Of those the loop itself sends. */
    void (*done)(void *arg, bool durable);
    void *arg;
};

/* Under the lock. */
static void batch_flies(struct shell_series *series, struct batch *batch)
{
    batch->number = ++series->batches;
    batch->next = series->flying;
    series->flying = batch;
}

/* Under the lock: those who wait for nothing any more, in a list. */
static struct batch *batch_landed(struct shell_series *series, struct batch *batch, bool durable)
{
    uint64_t oldest = UINT64_MAX;
    struct batch *ready = NULL;
    for (struct batch **at = &series->flying; *at != NULL;) {
        if (*at == batch) {
            *at = batch->next;
            continue;
        }
        oldest = (*at)->number < oldest ? (*at)->number : oldest;
        at = &(*at)->next;
    }
    for (struct batch **at = &series->waiting; *at != NULL;) {
        struct batch *who = *at;
        who->lost = who->lost || (!durable && who->number >= batch->number);
        if (who->number < oldest) {
            *at = who->next;
            who->next = ready;
            ready = who;
        } else {
            at = &who->next;
        }
    }
    return ready;
}

static void batch_end(struct batch *batch, bool durable)
{
    struct shell_series *series = batch->shell->series;
    lock(series);
    series_told(series->table, &batch->turns, durable);
    struct batch *ready = batch_landed(series, batch, durable);
    unlock(series);
    while (ready != NULL) {
        struct batch *who = ready;
        ready = who->next; /* done() frees it. */
        who->done(who->arg, !who->lost);
    }
}

static void batch_done(void *arg, bool durable, uint32_t duplicates)
{
    struct batch *batch = arg;
    batch_end(batch, durable);
    if (batch->done != NULL) {
        batch->done(batch->arg, durable);
        return;
    }
    arena_done(&batch->own);
    free(batch);
}

/* Under the lock, for a batch without turns: 1: it waits for those of others; 0: there are none. */
static int batch_wait(struct shell_series *series, struct batch *batch)
{
    if (batch->done == NULL || series->flying == NULL) {
        return 0;
    }
    batch->number = series->batches;
    batch->next = series->waiting;
    series->waiting = batch;
    return 1;
}

/* 1: under way; 0: there is nothing to tell. On failure the table knows that nothing was told. */
static int batch_push(struct batch *batch, struct arena *arena, struct nsh_error *err)
{
    struct shell *shell = batch->shell;
    struct shell_series *series = shell->series;
    int waits = 0;
    lock(series);
    bool made = series_turns(series->table, arena, &batch->turns);
    bool any = made && batch->turns.count > 0;
    if (any) {
        batch_flies(series, batch);
    } else if (made) {
        waits = batch_wait(series, batch);
    }
    unlock(series);
    if (!made) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (!any) {
        return waits;
    }
    const struct intake_batch events = {
        .bytes = batch->turns.bytes,
        .bytes_count = batch->turns.bytes_count,
        .events_count = batch->turns.count,
        .received_ms = intake_now_ms(shell->intake),
        .flow = (uintptr_t)series,
        .done = batch_done,
        .arg = batch,
    };
    int result = intake_push(shell->intake, &events, err);
    if (result == 0) {
        return 1;
    }
    batch_end(batch, false);
    return result;
}

/* What silence turned, and what could not be told before. True: there may be more. */
static bool turns_flush(struct shell *shell)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return false;
    }
    batch->shell = shell;
    if (batch_push(batch, &batch->own, NULL) == 1) {
        return true;
    }
    arena_done(&batch->own);
    free(batch);
    return false;
}

/* ---- samples ---- */

struct put {
    struct shell *shell;
    struct sample_sink sink; /* The table's. */
    bool locked;
};

static void put_labels(void *arg, const struct sample_label *labels, size_t count)
{
    struct put *put = arg;
    struct shell_series *series = put->shell->series;
    if (!put->locked) {
        lock(series);
        put->locked = true;
        series_now(series->table, intake_now_ms(put->shell->intake));
    }
    put->sink.labels(put->sink.arg, labels, count);
}

static void put_value(void *arg, int64_t at_ms, double value)
{
    struct put *put = arg;
    if (put->locked) { /* Values without labels are nobody's. */
        put->sink.value(put->sink.arg, at_ms, value);
    }
}

static int put_decode(struct shell *shell, const struct shell_series_put *put,
                      struct nsh_error *err)
{
    struct shell_series *series = shell->series;
    struct put state = {.shell = shell, .sink = series_sink(series->table)};
    const struct sample_sink sink = {put_labels, put_value, &state};
    int result = put->decode(put->arg, &sink, err);
    if (!state.locked) {
        lock(series);
    }
    series->requests[put->door].taken += result == 0;
    series->requests[put->door].malformed += result < 0;
    unlock(series);
    return result;
}

/* Nobody waits: what turned is told at once, or later. */
static int put_unasked(struct shell *shell, const struct shell_series_put *put,
                       struct nsh_error *err)
{
    int result = put_decode(shell, put, err);
    turns_flush(shell);
    return result;
}

int shell_series_put(struct shell *shell, const struct shell_series_put *put, struct nsh_error *err)
{
    if (put->done == NULL) {
        return put_unasked(shell, put, err);
    }
    struct shell_series *series = shell->series;
    struct batch *batch = arena_alloc(put->arena, sizeof *batch);
    if (batch == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = intake_load(shell->intake) > LOAD_PERCENT_MAX
                     ? nsh_fail(err, NSH_LIMIT, "too many events wait: send the samples again")
                     : put_decode(shell, put, err);
    if (result == 0) {
        while (turns_flush(shell)) { /* SERIES_TURNS_MAX at a time; then he waits for all. */
        }
        *batch = (struct batch){.shell = shell, .done = put->done, .arg = put->arg};
        result = batch_push(batch, put->arena, err);
    }
    if (result < 0 && result != -NSH_INVALID) {
        lock(series);
        series->requests[put->door].refused++;
        unlock(series);
    }
    return result;
}

/* ---- for people ---- */

void shell_series_list(struct shell *shell, struct textbuf *out)
{
    struct series_counters counters;
    lock(shell->series);
    textbuf_add_chars(out, "\"items\":[");
    series_signals_json(shell->series->table, out);
    series_count(shell->series->table, &counters);
    textbuf_addf(out, "],\"series\":%zu", series_entries_count(shell->series->table));
    unlock(shell->series);
#define SERIES_COUNTER(name, help)                                                                 \
    textbuf_addf(out, ",\"" #name "\":%llu", (unsigned long long)counters.name);
#include "series/series_counters.def"
#undef SERIES_COUNTER
}

bool shell_series_show(struct shell *shell, const struct series_filter *filter, struct textbuf *out)
{
    lock(shell->series);
    bool known = series_has_signal(shell->series->table, filter->signal);
    if (known) {
        textbuf_add_chars(out, "\"items\":[");
        series_entries_json(shell->series->table, filter, out);
        textbuf_add_char(out, ']');
    }
    unlock(shell->series);
    return known;
}

static void add_counter(struct textbuf *out, const char *name, uint64_t value, const char *help)
{
    textbuf_addf(out,
                 "# HELP nightshift_series_%s_total %s\n# TYPE nightshift_series_%s_total counter\n"
                 "nightshift_series_%s_total %llu\n",
                 name, help, name, name, (unsigned long long)value);
}

void shell_series_metrics(struct shell *shell, struct textbuf *out)
{
    struct shell_series *series = shell->series;
    struct series_counters counters;
    lock(series);
    series_count(series->table, &counters);
    size_t count = series_entries_count(series->table);
    textbuf_add_chars(out, "# HELP nightshift_series_requests_total bodies of samples, by where "
                           "they came in and what became of them\n"
                           "# TYPE nightshift_series_requests_total counter\n");
    for (size_t i = 0; i < SHELL_SERIES_DOORS_COUNT; i++) {
        textbuf_addf(out,
                     "nightshift_series_requests_total{door=\"%s\",result=\"taken\"} %llu\n"
                     "nightshift_series_requests_total{door=\"%s\",result=\"malformed\"} %llu\n"
                     "nightshift_series_requests_total{door=\"%s\",result=\"refused\"} %llu\n",
                     door_words[i], (unsigned long long)series->requests[i].taken, door_words[i],
                     (unsigned long long)series->requests[i].malformed, door_words[i],
                     (unsigned long long)series->requests[i].refused);
    }
    unlock(series);
#define SERIES_COUNTER(name, help) add_counter(out, #name, counters.name, help);
#include "series/series_counters.def"
#undef SERIES_COUNTER
    add_counter(out, "saves", series->saves, "times that what series learned was written");
    add_counter(out, "saves_failed", series->saves_failed, "times that it could not be written");
    textbuf_addf(out,
                 "# HELP nightshift_series series that signals watch\n# TYPE nightshift_series "
                 "gauge\nnightshift_series %zu\n",
                 count);
}

/* ---- life ---- */

static void save_work(uv_work_t *work)
{
    struct shell *shell = work->data;
    shell->series->save_err = (struct nsh_error){0};
    shell->series->save_result = shell_series_save(shell->series, &shell->series->save_err);
}

static void saved(struct shell *shell)
{
    struct shell_series *series = shell->series;
    series->saving = false;
    series->saved_ms = shell_now(shell);
    series->saves += series->save_result == 0;
    series->saves_failed += series->save_result < 0;
    if (series->save_result < 0 && shell_complain(shell, LOG_SERIES_UNSAVED)) {
        LOG(SERIES_UNSAVED, {"text", nsh_text(series->save_err.text)});
    }
}

static void save_done(uv_work_t *work, int status)
{
    struct shell *shell = work->data;
    shell->jobs--;
    saved(shell);
    shell_wake(shell);
}

static bool save_wanted(const struct shell *shell)
{
    return !shell->series->saving && !shell->stopping &&
           shell->generation->config->signals.count > 0 &&
           shell->now_ms - shell->series->saved_ms > SHELL_SERIES_SAVE_MS;
}

void shell_series_second(struct shell *shell)
{
    struct shell_series *series = shell->series;
    lock(series);
    series_now(series->table, shell_now(shell));
    series_sweep(series->table);
    unlock(series);
    shell_series_known_again(shell);
    turns_flush(shell);
    if (save_wanted(shell)) {
        series->saving = true;
        series->work.data = shell;
        int result = uv_queue_work(loop_uv(shell->loop), &series->work, save_work, save_done);
        NSH_ASSERT(result == 0);
        shell->jobs++;
    }
}

static struct shell_series *series_alloc(const struct config *config)
{
    struct shell_series *series = calloc(1, sizeof *series);
    if (series == NULL) {
        return NULL;
    }
    pthread_mutex_init(&series->mutex, NULL);
    const struct series_options options = {(size_t)config->series_max, config->series_keep_ms};
    series->table = series_new(&options);
    if (asprintf(&series->path, "%s.series", config->store_path) < 0) {
        series->path = NULL;
    }
    if (asprintf(&series->path_new, "%s.series.new", config->store_path) < 0) {
        series->path_new = NULL;
    }
    return series;
}

int shell_series_open(struct shell *shell, struct nsh_error *err)
{
    const struct config *config = shell->generation->config;
    struct shell_series *series = series_alloc(config);
    shell->series = series;
    if (series == NULL || series->table == NULL || series->path == NULL ||
        series->path_new == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    series_now(series->table, shell_now(shell));
    series->saved_ms = shell_now(shell);
    series_signals(series->table, &config->signals);
    if (config->signals.count > 0 && shell_series_load(series, err) < 0) {
        LOG(SERIES_FORGOTTEN, {"text", nsh_text(err->text)});
        *err = (struct nsh_error){0};
    }
    return shell_series_known(shell, err);
}

void shell_series_reload(struct shell *shell)
{
    lock(shell->series);
    series_now(shell->series->table, shell_now(shell));
    series_signals(shell->series->table, &shell->generation->config->signals);
    unlock(shell->series);
}

void shell_series_close(struct shell *shell)
{
    struct shell_series *series = shell->series;
    if (series == NULL) {
        return;
    }
    if (series->table != NULL && series->path_new != NULL &&
        shell->generation->config->signals.count > 0 && shell->started_ms > 0) {
        struct nsh_error err = {0};
        if (shell_series_save(series, &err) < 0) {
            LOG(SERIES_UNSAVED, {"text", nsh_text(err.text)});
        }
    }
    series_free(series->table);
    pthread_mutex_destroy(&series->mutex);
    arena_done(&series->known_arena);
    free(series->path);
    free(series->path_new);
    free(series);
    shell->series = NULL;
}
