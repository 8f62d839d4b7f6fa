/* SPDX-License-Identifier: Apache-2.0 */

/* Connections: opened alike everywhere, and the few calls that make SQLite pleasant. */

#include "store/sqlite/database.h"

#include "base/assert.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static const char database_setup_write[] = "PRAGMA synchronous = FULL;"
                                           "PRAGMA wal_autocheckpoint = 0;"
                                           "PRAGMA journal_size_limit = 67108864;"
                                           "PRAGMA cache_size = -4096;"
                                           "PRAGMA temp_store = MEMORY;";

static const char database_setup_read[] = "PRAGMA query_only = ON;"
                                          "PRAGMA wal_autocheckpoint = 0;"
                                          "PRAGMA cache_size = -1024;"
                                          "PRAGMA temp_store = MEMORY;";

int database_open(const char *path, enum database_use use, sqlite3 **ret_db, struct nsh_error *err)
{
    NSH_ASSERT(path != NULL);
    bool write = use == DATABASE_WRITE;
    int flags = (write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
    CLEANUP(database_closep) sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, flags, NULL);
    if (code != SQLITE_OK) {
        return database_fail(db, code, path, err);
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, DATABASE_BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (write && sqlite3_db_readonly(db, "main") == 1) {
        return nsh_fail(err, NSH_IO,
                        "%s cannot be written: it, its folder or the file system is read-only for "
                        "this user",
                        path);
    }
    code = database_run(db, write ? database_setup_write : database_setup_read);
    if (code != SQLITE_OK) {
        return database_fail(db, code, path, err);
    }
    *ret_db = TAKE(db);
    return 0;
}

void database_close(sqlite3 *db)
{
    if (db != NULL) {
        NSH_ASSERT(sqlite3_close(db) == SQLITE_OK);
    }
}

void database_finish(sqlite3 *db)
{
    if (db != NULL) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        database_close(db);
    }
}

void database_closep(sqlite3 **db)
{
    database_close(*db);
}

void statement_donep(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

int database_run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int database_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
    int code = SQLITE_OK;
    CLEANUP(statement_donep) sqlite3_stmt *statement = database_prepare(db, sql, &code);
    if (statement == NULL) {
        return code;
    }
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_number = sqlite3_column_int64(statement, 0);
    }
    return code;
}

sqlite3_stmt *database_prepare(sqlite3 *db, const char *sql, int *ret_code)
{
    sqlite3_stmt *statement = NULL;
    *ret_code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    return statement;
}

int64_t database_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void database_deadline(struct timespec *ret_at, int64_t ms)
{
    clock_gettime(CLOCK_MONOTONIC, ret_at);
    ret_at->tv_sec += ms / 1000;
    ret_at->tv_nsec += (ms % 1000) * 1000000;
    if (ret_at->tv_nsec >= 1000000000) {
        ret_at->tv_sec++;
        ret_at->tv_nsec -= 1000000000;
    }
}

int database_thread(pthread_t *ret_thread, const char *name, void *(*main)(void *), void *arg,
                    struct nsh_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(ret_thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        return nsh_fail(err, NSH_LIMIT, "cannot start the thread %s: %s", name, strerror(r));
    }
    pthread_setname_np(*ret_thread, name);
    return 0;
}
