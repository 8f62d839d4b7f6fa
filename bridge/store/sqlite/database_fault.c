/* SPDX-License-Identifier: Apache-2.0 */

/* Faults of the disk and the file in words: what file, what happened, what to do. */

#include "store/sqlite/database.h"

#include <errno.h>
#include <stdio.h>

static bool fault_is_full(sqlite3 *db, int code)
{
    if ((code & 0xff) == SQLITE_FULL) {
        return true;
    }
    int number = db == NULL ? 0 : sqlite3_system_errno(db);
    return (code & 0xff) == SQLITE_IOERR && (number == ENOSPC || number == EDQUOT);
}

static bool fault_is_corrupt(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

enum store_health database_health(sqlite3 *db, int code)
{
    if (fault_is_full(db, code)) {
        return STORE_FULL;
    }
    return fault_is_corrupt(code) ? STORE_CORRUPT : STORE_FAILING;
}

/* A long path is shown by its end: the words after it matter more. */
static const char *fault_path(const char *path, const char **ret_dots)
{
    size_t count = strlen(path);
    *ret_dots = count > 80 ? "..." : "";
    return count > 80 ? path + count - 77 : path;
}

void database_explain(sqlite3 *db, int code, const char *path, char *text, size_t text_bytes)
{
    const char *dots;
    const char *shown = fault_path(path, &dots);
    int number = db == NULL ? 0 : sqlite3_system_errno(db);
    const char *why =
        number != 0 && (code & 0xff) == SQLITE_IOERR ? strerror(number) : sqlite3_errstr(code);
    if (fault_is_full(db, code)) {
        snprintf(text, text_bytes,
                 "disk full: %s%s cannot grow: free space there; nothing is lost, retried every "
                 "second",
                 dots, shown);
    } else if (fault_is_corrupt(code)) {
        snprintf(text, text_bytes,
                 "store damaged: %s%s (%s): stop nightshiftd and restore a backup over it; retried "
                 "every second",
                 dots, shown, why);
    } else if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
        snprintf(text, text_bytes,
                 "store locked: another program holds %s%s: end it; nothing is lost, retried every "
                 "second",
                 dots, shown);
    } else {
        snprintf(text, text_bytes,
                 "store failing: %s%s: %s: check the disk and the kernel log; nothing is lost, "
                 "retried every second",
                 dots, shown, why);
    }
}

int database_fail(sqlite3 *db, int code, const char *path, struct nsh_error *err)
{
    int number = db == NULL ? 0 : sqlite3_system_errno(db);
    const char *system = number == 0 ? "" : strerror(number);
    const char *join = number == 0 ? "" : ": ";
    if (fault_is_full(db, code)) {
        return nsh_fail(err, NSH_FULL, "%s: no space left: free space on its file system", path);
    }
    if (fault_is_corrupt(code)) {
        return nsh_fail(
            err, NSH_CORRUPT,
            "%s is damaged (%s); nothing was changed. Restore a backup over it, or move "
            "it and its -wal and -shm files away to start empty",
            path, sqlite3_errstr(code));
    }
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) {
        return nsh_fail(err, NSH_BUSY, "%s is locked by another program: end it and try again",
                        path);
    }
    if ((code & 0xff) == SQLITE_NOMEM) {
        return nsh_fail(err, NSH_NOMEM, "%s: out of memory", path);
    }
    return nsh_fail(err, NSH_IO, "%s: %s%s%s", path, sqlite3_errstr(code), join, system);
}
