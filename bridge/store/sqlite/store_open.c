/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opening: lock, create when missing, look at it without changing it, migrate, empty the log, read
 * where it ends, start. The log is moved into the file at each start: what a failing disk once left
 * in it must not be built upon.
 */

#include "store/sqlite/store_private.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_PATH_BYTES_MAX 1024

static int open_lock(const char *path, int *ret_fd, struct nsh_error *err)
{
    char name[STORE_PATH_BYTES_MAX + 8];
    snprintf(name, sizeof name, "%s.lock", path);
    CLEANUP(closep) int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return nsh_fail(err, errno == ENOSPC ? NSH_FULL : NSH_IO,
                        "cannot create %s: %s; the store's folder must exist and be writable", name,
                        strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char owner[24] = "";
        ssize_t count = pread(fd, owner, sizeof owner - 1, 0);
        owner[count < 0 ? 0 : (size_t)count] = '\0';
        owner[strspn(owner, "0123456789")] = '\0';
        return nsh_fail(err, NSH_BUSY, "%s is in use by process %s: one daemon for one store", path,
                        owner[0] == '\0' ? "?" : owner);
    }
    char self[24];
    int count = snprintf(self, sizeof self, "%ld\n", (long)getpid());
    /* Only a help for people: a full disk must not keep the daemon from starting. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, self, (size_t)count, 0) != count) {
        errno = 0;
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static void open_sync_folder(const char *path)
{
    char copy[STORE_PATH_BYTES_MAX + 1];
    snprintf(copy, sizeof copy, "%s", path);
    CLEANUP(closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fsync(fd) < 0) {
        errno = 0; /* Some file systems cannot; the file itself is synced by SQLite. */
    }
}

/* Create the file when it is missing, empty: that is version 0. Never opened when it exists (locks
 * would be lost). */
static int open_create(const char *path, bool *ret_created, struct nsh_error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 && errno != EEXIST) {
        return nsh_fail(err, errno == ENOSPC ? NSH_FULL : NSH_IO, "cannot create %s: %s", path,
                        strerror(errno));
    }
    *ret_created = fd >= 0;
    if (fd >= 0) {
        open_sync_folder(path);
    }
    return 0;
}

static int open_database(const char *path, sqlite3 **ret_db, struct nsh_error *err)
{
    CLEANUP(database_closep) sqlite3 *db = NULL;
    int r = database_open(path, DATABASE_WRITE, &db, err);
    if (r == 0) {
        r = schema_check(db, path, err);
    }
    if (r == 0) {
        r = schema_migrate(db, path, err);
    }
    if (r < 0) {
        return r;
    }
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    bool tolerable = (code & 0xff) == SQLITE_BUSY || database_health(db, code) == STORE_FULL;
    if (code != SQLITE_OK && !tolerable) {
        return database_fail(db, code, path, err);
    }
    *ret_db = TAKE(db);
    return 0;
}

static void store_free(struct store *store)
{
    if (store != NULL) {
        store_batch_done(&store->batches[0]);
        store_batch_done(&store->batches[1]);
        closep(&store->lock_fd);
        free(store->path);
        free(store);
    }
}

static void store_freep(struct store **store)
{
    store_free(*store);
}

static struct store *store_new(const char *path)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->lock_fd = -1;
    store->path = strdup(path);
    store->collecting = &store->batches[0];
    store->collecting->number = 1;
    return store;
}

int store_open(const struct store_options *options, struct store **ret_store, struct nsh_error *err)
{
    NSH_ASSERT(options->path != NULL);
    if (strlen(options->path) > STORE_PATH_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "the store's path is longer than %d bytes",
                        STORE_PATH_BYTES_MAX);
    }
    CLEANUP(store_freep) struct store *store = store_new(options->path);
    if (store == NULL || store->path == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the store");
    }
    bool created = false;
    int r = open_lock(options->path, &store->lock_fd, err);
    if (r == 0) {
        r = open_create(options->path, &created, err);
    }
    sqlite3 *db = NULL;
    if (r == 0) {
        r = open_database(options->path, &db, err);
    }
    if (r == 0) {
        r = writer_start(options, db, &store->writer, err);
        if (r < 0) {
            database_close(db);
        }
    }
    if (r < 0) {
        if (created) {
            unlink(options->path);
        }
        return r;
    }
    store->next_seq = writer_next_seq(store->writer);
    *ret_store = TAKE(store);
    return 0;
}

void store_close(struct store *store)
{
    if (store != NULL) {
        writer_stop(store->writer);
        store_free(store);
    }
}
