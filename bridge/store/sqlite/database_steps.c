/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SQLite writes a checkpoint in one go and syncs at its end: the disk then has megabytes to do, and
 * a commit that syncs its log meanwhile waits for all of them. Here what was written is synced
 * every STEP_BYTES, and a pause as long as that took lets the others in.
 *
 * Between SQLite and its VFS, as a shim does: the methods of one open file are copied and two of
 * them replaced.
 */

#include "store/sqlite/database.h"

#include "base/assert.h"

#include <stddef.h>
#include <stdint.h>

#define STEP_BYTES (128 << 10)
#define STEP_PAUSE_NS_MAX 20000000L /* A disk that is slower has no use for pauses. */

static struct database_steps *steps_of(const sqlite3_file *file)
{
    return (struct database_steps *)((uintptr_t)file->pMethods -
                                     offsetof(struct database_steps, methods));
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int steps_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    struct database_steps *steps = steps_of(file);
    int code = steps->plain->xWrite(file, bytes, count, at);
    if (code != SQLITE_OK || !steps->on) {
        return code; /* Not counted: nothing says when the next sync is. */
    }
    steps->unsynced += count;
    if (steps->unsynced < STEP_BYTES) {
        return SQLITE_OK;
    }
    int64_t begin_ns = now_ns();
    code = steps->plain->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    int64_t took_ns = now_ns() - begin_ns;
    steps->unsynced = 0;
    if (took_ns > 0 && took_ns <= STEP_PAUSE_NS_MAX) {
        nanosleep(&(struct timespec){.tv_nsec = took_ns}, NULL);
    }
    return code;
}

static int steps_sync(sqlite3_file *file, int flags)
{
    steps_of(file)->unsynced = 0;
    return steps_of(file)->plain->xSync(file, flags);
}

int database_steps_open(struct database_steps *steps, sqlite3 *db)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code == SQLITE_OK) {
        NSH_ASSERT(file != NULL && file->pMethods != NULL);
        *steps = (struct database_steps){.plain = file->pMethods, .methods = *file->pMethods};
        steps->methods.xWrite = steps_write;
        steps->methods.xSync = steps_sync;
        file->pMethods = &steps->methods;
    }
    return code;
}
