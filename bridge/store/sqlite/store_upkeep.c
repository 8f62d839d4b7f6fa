/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpoints, off the path of commits: a thread moves the log (-wal) into the file with a
 * connection of its own, in PASSIVE mode, which blocks nobody. What arrives meanwhile stays in the
 * log, so a last short PASSIVE one is left to the writer, between two batches: then all is moved,
 * and the log starts again at its beginning instead of growing.
 */

#include "store/sqlite/database.h"

#include <stdlib.h>

#define UPKEEP_ROUNDS_MAX 4
#define UPKEEP_TAIL_PAGES 256 /* 1 MiB: short enough for the writer. */

struct store_upkeep {
    char *path;
    void (*nudge)(void *arg);
    void *nudge_arg;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    bool due, hurry, closing;
    struct upkeep_state state;
    sqlite3 *db;
    struct database_steps steps;
};

static void upkeep_report(struct store_upkeep *upkeep, int code)
{
    struct upkeep_state state = {.tail_due = code == SQLITE_OK};
    if (code != SQLITE_OK) {
        state.failing = true;
        state.health = database_health(upkeep->db, code);
        database_explain(upkeep->db, code, upkeep->path, state.text, sizeof state.text);
    }
    pthread_mutex_lock(&upkeep->mutex);
    upkeep->state = state;
    upkeep->due = upkeep->due && !state.tail_due;
    pthread_mutex_unlock(&upkeep->mutex);
    if (code == SQLITE_OK) {
        upkeep->nudge(upkeep->nudge_arg);
    }
}

/* In steps, but for what came while the first round took its time. */
static void upkeep_checkpoint(struct store_upkeep *upkeep, bool hurry)
{
    int code = SQLITE_OK;
    for (int round = 0; round < UPKEEP_ROUNDS_MAX; round++) {
        int log = 0, moved = 0;
        upkeep->steps.on = round == 0 && !hurry;
        code = sqlite3_wal_checkpoint_v2(upkeep->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
        if (code != SQLITE_OK || log - moved < UPKEEP_TAIL_PAGES) {
            break;
        }
    }
    upkeep_report(upkeep, (code & 0xff) == SQLITE_BUSY ? SQLITE_OK : code);
}

static void *upkeep_main(void *arg)
{
    struct store_upkeep *upkeep = arg;
    pthread_mutex_lock(&upkeep->mutex);
    while (!upkeep->closing) {
        if (!upkeep->due) {
            pthread_cond_wait(&upkeep->work, &upkeep->mutex);
            continue;
        }
        upkeep->due = false;
        bool hurry = upkeep->hurry;
        pthread_mutex_unlock(&upkeep->mutex);
        upkeep_checkpoint(upkeep, hurry);
        pthread_mutex_lock(&upkeep->mutex);
    }
    pthread_mutex_unlock(&upkeep->mutex);
    return NULL;
}

static void upkeep_free(struct store_upkeep *upkeep)
{
    database_close(upkeep->db);
    pthread_cond_destroy(&upkeep->work);
    pthread_mutex_destroy(&upkeep->mutex);
    free(upkeep->path);
    free(upkeep);
}

int upkeep_start(const char *path, void (*nudge)(void *arg), void *nudge_arg,
                 struct store_upkeep **ret_upkeep, struct nsh_error *err)
{
    struct store_upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (upkeep == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the store's upkeep");
    }
    pthread_mutex_init(&upkeep->mutex, NULL);
    pthread_cond_init(&upkeep->work, NULL);
    upkeep->nudge = nudge;
    upkeep->nudge_arg = nudge_arg;
    upkeep->path = strdup(path);
    int r = upkeep->path == NULL ? nsh_fail(err, NSH_NOMEM, "no memory for the store's upkeep")
                                 : database_open(path, DATABASE_WRITE, &upkeep->db, err);
    if (r == 0) {
        int code = database_steps_open(&upkeep->steps, upkeep->db);
        r = code == SQLITE_OK ? 0 : database_fail(upkeep->db, code, path, err);
    }
    if (r == 0) {
        r = database_thread(&upkeep->thread, "store-upkeep", upkeep_main, upkeep, err);
    }
    if (r < 0) {
        upkeep_free(upkeep);
        return r;
    }
    *ret_upkeep = upkeep;
    return 0;
}

void upkeep_stop(struct store_upkeep *upkeep)
{
    pthread_mutex_lock(&upkeep->mutex);
    upkeep->closing = true;
    pthread_cond_signal(&upkeep->work);
    pthread_mutex_unlock(&upkeep->mutex);
    pthread_join(upkeep->thread, NULL);
    upkeep_free(upkeep);
}

void upkeep_due(struct store_upkeep *upkeep, bool hurry)
{
    pthread_mutex_lock(&upkeep->mutex);
    upkeep->hurry = hurry;
    if (!upkeep->due && !upkeep->state.tail_due) { /* The writer's part would find us busy. */
        upkeep->due = true;
        pthread_cond_signal(&upkeep->work);
    }
    pthread_mutex_unlock(&upkeep->mutex);
}

void upkeep_look(struct store_upkeep *upkeep, struct upkeep_state *ret_state)
{
    pthread_mutex_lock(&upkeep->mutex);
    *ret_state = upkeep->state;
    upkeep->state.tail_due = false;
    pthread_mutex_unlock(&upkeep->mutex);
}
