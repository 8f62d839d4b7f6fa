/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The writer: one thread, one connection, one batch at a time. What arrives while a batch becomes
 * durable collects in the next one: that is the group commit.
 *
 * Under load two commits begin WRITER_APART_US apart: a batch of two or three events costs as many
 * syncs as one of fifty, and a disk that is asked too often answers late. Who comes alone does not
 * wait.
 *
 * Faults: the batch is kept and tried again every second, on a fresh connection when the old one
 * may be confused. Until it is durable nothing is reported as such. Forbidden: reporting a batch
 * before COMMIT came back well.
 */

#include "store/sqlite/store_commit.h"

#include "base/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WRITER_PAUSE_MS 1000           /* Between two tries, and between two looks at retention. */
#define WRITER_APART_US 500            /* Between the beginnings of two commits. */
#define WRITER_CHECKPOINT_PAGES 4096   /* 16 MiB of log are worth a checkpoint. */
#define WRITER_HURRY_PAGES 16384       /* 64 MiB: it does not keep up when it lets commits pass. */
#define WRITER_LOG_PAGES_MAX (1 << 18) /* 1 GiB of log that no checkpoint empties: refuse more. */

struct store_writer {
    char *path;
    void (*wake)(void *arg);
    void *wake_arg;
    pthread_t thread;

    /* Between the threads, under mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct store_batch *batch; /* NULL: idle. */
    bool closing, nudged, news;
    struct store_done done;

    /* The writer's own. */
    struct committer committer;
    struct store_upkeep *upkeep;
    struct retention retention;
    enum store_health health;
    int fault;          /* The SQLite code of the newest failure. */
    bool again;         /* The batch was tried before. */
    bool retention_due; /* It failed: it must work again before the store is well. */
    bool retention_more;
    int64_t retention_at_ms;
    int log_pages;
    struct timespec commit_at; /* CLOCK_MONOTONIC, when the newest began. */
    uint64_t first_next_seq;
};

static void writer_publish(struct store_writer *writer, const struct store_batch *durable,
                           const char *text)
{
    pthread_mutex_lock(&writer->mutex);
    writer->done.health = writer->health;
    snprintf(writer->done.text, sizeof writer->done.text, "%s", text);
    if (durable != NULL) {
        NSH_ASSERT(writer->health == STORE_OK);
        writer->done.batch = durable->number;
        writer->batch = NULL;
    }
    writer->news = true;
    pthread_mutex_unlock(&writer->mutex);
    if (writer->wake != NULL) {
        writer->wake(writer->wake_arg);
    }
}

static void writer_ill(struct store_writer *writer, enum store_health health, const char *text)
{
    bool same = writer->health == health && strcmp(writer->done.text, text) == 0;
    writer->health = health;
    if (!same) {
        writer_publish(writer, NULL, text);
    }
}

static void writer_failed(struct store_writer *writer, int code)
{
    char text[sizeof writer->done.text];
    writer->fault = code;
    enum store_health health = database_health(writer->committer.db, code);
    database_explain(writer->committer.db, code, writer->path, text, sizeof text);
    writer_ill(writer, health, text);
}

static int writer_on_log(void *arg, sqlite3 *db, const char *name, int pages)
{
    ((struct store_writer *)arg)->log_pages = pages;
    return SQLITE_OK;
}

/* Faults after which the connection may hold a wrong picture of the file. */
static bool writer_wants_reopen(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
        return false;
    default:
        return code !=
               SQLITE_READONLY_DBMOVED; /* Only the file itself, back in its place, helps. */
    }
}

/* Is what the file holds what this writer committed, plus at most the batch that is being tried? */
static bool writer_same_end(const struct store_writer *writer, const struct committer *fresh)
{
    uint64_t trying = writer->batch == NULL ? 0 : writer->batch->events_count;
    const struct committer *known = &writer->committer;
    return fresh->next_seq >= known->next_seq && fresh->next_seq <= known->next_seq + trying &&
           fresh->head.n >= known->head.n;
}

static enum store_health writer_health_of(const struct nsh_error *error)
{
    return error->code == NSH_FULL      ? STORE_FULL
           : error->code == NSH_CORRUPT ? STORE_CORRUPT
                                        : STORE_FAILING;
}

static bool writer_reopen(struct store_writer *writer)
{
    struct nsh_error error = {.code = 0};
    CLEANUP(database_closep) sqlite3 *db = NULL;
    int r = database_open(writer->path, DATABASE_WRITE, &db, &error);
    if (r == 0) {
        r = schema_check(db, writer->path, &error);
    }
    struct committer fresh;
    if (r == 0) {
        int code = committer_open(&fresh, db);
        r = code == SQLITE_OK ? 0 : database_fail(db, code, writer->path, &error);
    }
    if (r == 0 && !writer_same_end(writer, &fresh)) {
        committer_done(&fresh);
        r = nsh_fail(&error, NSH_IO, "%s is not the store that was open: restart nightshiftd",
                     writer->path);
    }
    if (r < 0) {
        char text[sizeof writer->done.text];
        snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, error.text);
        writer_ill(writer, writer_health_of(&error), text);
        return false;
    }
    fresh.next_seq = writer->committer.next_seq;
    fresh.head = writer->committer.head;
    fresh.newest_ms = writer->committer.newest_ms;
    sqlite3 *old = writer->committer.db;
    committer_done(&writer->committer);
    database_close(old);
    writer->committer = fresh;
    sqlite3_wal_hook(TAKE(db), writer_on_log, writer);
    return true;
}

/* The log may only grow so far without a checkpoint that works. */
static bool writer_log_bounded(struct store_writer *writer)
{
    struct upkeep_state state;
    upkeep_look(writer->upkeep, &state);
    if (state.failing && writer->log_pages > WRITER_LOG_PAGES_MAX) {
        writer->fault = SQLITE_FULL; /* Nothing to reopen. */
        writer_ill(writer, state.health, state.text);
        upkeep_due(writer->upkeep, true);
        return false;
    }
    if (state.tail_due) {
        /* Short, because the upkeep thread has just moved the rest. Failure is the upkeep thread's
         * to report. */
        sqlite3_wal_checkpoint_v2(writer->committer.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                  NULL);
    }
    return true;
}

static bool writer_keep(struct store_writer *writer)
{
    int64_t now_ms = database_now_ms();
    if (!writer->retention_due && !writer->retention_more && now_ms >= 0 &&
        now_ms - writer->retention_at_ms < WRITER_PAUSE_MS && now_ms >= writer->retention_at_ms) {
        return true;
    }
    writer->retention_at_ms = now_ms;
    writer->retention.newest_ms = writer->committer.newest_ms;
    int code =
        retention_slice(&writer->retention, writer->committer.db, now_ms, &writer->retention_more);
    writer->retention_due = code != SQLITE_OK && code != SQLITE_BUSY;
    if (writer->retention_due) {
        writer->retention_more = false;
        writer_failed(writer, code);
        return false;
    }
    return true;
}

static void writer_pace(struct store_writer *writer)
{
    struct timespec now, *at = &writer->commit_at;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t since_us =
        (int64_t)(now.tv_sec - at->tv_sec) * 1000000 + (now.tv_nsec - at->tv_nsec) / 1000;
    if (since_us >= 0 && since_us < WRITER_APART_US) {
        nanosleep(&(struct timespec){.tv_nsec = (WRITER_APART_US - since_us) * 1000}, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    *at = now;
}

static bool writer_write(struct store_writer *writer, const struct store_batch *batch)
{
    writer_pace(writer);
    int code = committer_commit(&writer->committer, batch, writer->again);
    writer->again = code != SQLITE_OK;
    if (code != SQLITE_OK) {
        writer_failed(writer, code);
        return false;
    }
    writer->health = STORE_OK;
    writer_publish(writer, batch, "");
    if (writer->log_pages >= WRITER_CHECKPOINT_PAGES) {
        upkeep_due(writer->upkeep, writer->log_pages >= WRITER_HURRY_PAGES);
    }
    return true;
}

/* Everything there is to do now. */
static void writer_turn(struct store_writer *writer, const struct store_batch *batch)
{
    if (writer->health != STORE_OK && writer_wants_reopen(writer->fault) &&
        !writer_reopen(writer)) {
        return;
    }
    if (writer->retention_due && !writer_keep(writer)) {
        return;
    }
    if (!writer_log_bounded(writer)) {
        return;
    }
    if (batch != NULL) {
        if (!writer_write(writer, batch)) {
            return;
        }
    } else if (writer->health != STORE_OK) {
        int code = committer_probe(&writer->committer, database_now_ms());
        if (code != SQLITE_OK) {
            writer_failed(writer, code);
            return;
        }
        writer->health = STORE_OK;
        writer_publish(writer, NULL, "");
    }
    writer_keep(writer);
}

/* Wait for a batch, a nudge or the next look; while ill, for the pause only. True: closing. */
static bool writer_wait(struct store_writer *writer, struct store_batch **ret_batch)
{
    struct timespec until;
    bool well = writer->health == STORE_OK;
    database_deadline(&until, writer->retention_more && well ? 0 : WRITER_PAUSE_MS);
    pthread_mutex_lock(&writer->mutex);
    while (!writer->closing && !(well && (writer->batch != NULL || writer->nudged))) {
        if (pthread_cond_timedwait(&writer->work, &writer->mutex, &until) == ETIMEDOUT) {
            break;
        }
    }
    writer->nudged = false;
    *ret_batch = writer->batch;
    bool closing = writer->closing;
    pthread_mutex_unlock(&writer->mutex);
    return closing;
}

static void *writer_main(void *arg)
{
    struct store_writer *writer = arg;
    bool closing = false;
    while (!closing) {
        struct store_batch *batch;
        closing = writer_wait(writer, &batch);
        if (!closing || batch != NULL) {
            writer_turn(writer, batch);
        }
    }
    return NULL;
}

bool writer_take(struct store_writer *writer, struct store_batch *batch)
{
    pthread_mutex_lock(&writer->mutex);
    bool idle = writer->batch == NULL;
    if (idle) {
        writer->batch = batch;
        pthread_cond_signal(&writer->work);
    }
    pthread_mutex_unlock(&writer->mutex);
    return idle;
}

bool writer_poll(struct store_writer *writer, struct store_done *ret_done)
{
    pthread_mutex_lock(&writer->mutex);
    bool news = writer->news;
    writer->news = false;
    if (news) {
        *ret_done = writer->done;
    }
    pthread_mutex_unlock(&writer->mutex);
    return news;
}

static void writer_nudge(void *arg)
{
    struct store_writer *writer = arg;
    pthread_mutex_lock(&writer->mutex);
    writer->nudged = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->mutex);
}

uint64_t writer_next_seq(const struct store_writer *writer)
{
    return writer->first_next_seq;
}

static void writer_free(struct store_writer *writer)
{
    if (writer != NULL) {
        pthread_cond_destroy(&writer->work);
        pthread_mutex_destroy(&writer->mutex);
        free(writer->path);
        free(writer);
    }
}

static struct store_writer *writer_new(const struct store_options *options)
{
    struct store_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&writer->mutex, NULL);
    writer->path = strdup(options->path);
    writer->wake = options->wake;
    writer->wake_arg = options->wake_arg;
    writer->retention = (struct retention){
        .bytes_max = options->bytes_max,
        .journal_keep_ms = options->journal_keep_ms,
    };
    if (writer->path == NULL) {
        writer_free(writer);
        return NULL;
    }
    return writer;
}

int writer_start(const struct store_options *options, sqlite3 *db, struct store_writer **ret_writer,
                 struct nsh_error *err)
{
    struct store_writer *writer = writer_new(options);
    if (writer == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the store's writer");
    }
    int code = committer_open(&writer->committer, db);
    if (code != SQLITE_OK) {
        writer_free(writer);
        return database_fail(db, code, options->path, err);
    }
    writer->first_next_seq = writer->committer.next_seq;
    sqlite3_wal_hook(db, writer_on_log, writer);
    int r = upkeep_start(options->path, writer_nudge, writer, &writer->upkeep, err);
    if (r == 0) {
        r = database_thread(&writer->thread, "store-writer", writer_main, writer, err);
        if (r < 0) {
            upkeep_stop(writer->upkeep);
        }
    }
    if (r < 0) {
        committer_done(&writer->committer);
        writer_free(writer);
        return r;
    }
    *ret_writer = writer;
    return 0;
}

void writer_stop(struct store_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->closing = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    upkeep_stop(writer->upkeep);
    sqlite3 *db = writer->committer.db;
    committer_done(&writer->committer);
    if (writer->health == STORE_OK) {
        database_finish(db);
    } else {
        database_close(db);
    }
    writer_free(writer);
}
