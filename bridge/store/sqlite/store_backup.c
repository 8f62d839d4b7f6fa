/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Online backup: one snapshot copied page by page into a file beside the target, synced, and only
 * then given the target's name. The log cannot be emptied beyond the snapshot meanwhile: it grows
 * by what is written during the copy.
 */

#include "store/sqlite/store_read.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKUP_PATH_BYTES_MAX 1024

static int backup_target_fail(const char *path, struct nsh_error *err)
{
    if (errno == EEXIST) {
        return nsh_fail(err, NSH_EXISTS, "%s exists: a backup never overwrites; name another file",
                        path);
    }
    return nsh_fail(err, errno == ENOSPC || errno == EDQUOT ? NSH_FULL : NSH_IO,
                    "cannot write the backup %s: %s", path, strerror(errno));
}

static int backup_copy(sqlite3 *source, const char *part, const char *target, struct nsh_error *err)
{
    CLEANUP(database_closep) sqlite3 *db = NULL;
    int code = sqlite3_open_v2(part, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_extended_result_codes(db, 1);
    if (code == SQLITE_OK) {
        /* The whole file is synced once at the end, and thrown away when anything fails before. */
        code = database_run(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;");
    }
    if (code != SQLITE_OK) {
        return database_fail(db, code, target, err);
    }
    sqlite3_backup *backup = sqlite3_backup_init(db, "main", source, "main");
    code = backup == NULL ? sqlite3_extended_errcode(db) : sqlite3_backup_step(backup, -1);
    int end = backup == NULL ? SQLITE_OK : sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE && end == SQLITE_OK) {
        return 0;
    }
    return database_fail(db, code == SQLITE_DONE ? end : code, target, err);
}

static bool backup_sync(const char *path, int flags)
{
    CLEANUP(closep) int fd = open(path, flags | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

static int backup_place(const char *part, const char *target, struct nsh_error *err)
{
    char folder[BACKUP_PATH_BYTES_MAX + 1];
    snprintf(folder, sizeof folder, "%s", target);
    /* link() refuses an existing name on every file system, rename() does not. */
    if (!backup_sync(part, O_RDONLY) || link(part, target) < 0) {
        return backup_target_fail(target, err);
    }
    if (!backup_sync(dirname(folder), O_RDONLY | O_DIRECTORY)) {
        return backup_target_fail(target, err);
    }
    return 0;
}

int store_backup(struct store_reader *reader, const char *target_path, struct nsh_error *err)
{
    char part[BACKUP_PATH_BYTES_MAX + 16];
    if (strlen(target_path) > BACKUP_PATH_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "the path of the backup is longer than %d bytes",
                        BACKUP_PATH_BYTES_MAX);
    }
    if (access(target_path, F_OK) == 0) {
        errno = EEXIST;
        return backup_target_fail(target_path, err);
    }
    snprintf(part, sizeof part, "%s.part-XXXXXX", target_path);
    int fd = mkostemp(part, O_CLOEXEC);
    if (fd < 0) {
        return backup_target_fail(target_path, err);
    }
    close(fd);
    int r = backup_copy(reader->db, part, target_path, err);
    if (r == 0) {
        r = backup_place(part, target_path, err);
    }
    unlink(part);
    return r;
}
