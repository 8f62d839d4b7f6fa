/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The schema and its history. PRAGMA user_version counts the steps taken; a step is never edited
 * once it has shipped. The tables of the record kinds follow model/records.def: a new row there
 * needs no step.
 */

#include "store/sqlite/database.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const schema_steps[SCHEMA_VERSION] = {
    /* Small columns stand before the large ones, so that they are read without the overflow pages.
     */
    "CREATE TABLE journal(first_seq INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
    "  min_time INTEGER NOT NULL, max_time INTEGER NOT NULL, filter BLOB, data BLOB NOT NULL);"
    "CREATE TABLE audit(n INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL,"
    "  id TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);"
    "CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN"
    "  SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
    "CREATE TABLE probe(n INTEGER PRIMARY KEY, time INTEGER NOT NULL);",
};

static int schema_pragmas(sqlite3 *db, int64_t *ret_application, int64_t *ret_version,
                          int64_t *ret_tables)
{
    int code = database_number(db, "PRAGMA application_id", ret_application);
    if (code == SQLITE_ROW) {
        code = database_number(db, "PRAGMA user_version", ret_version);
    }
    if (code == SQLITE_ROW) {
        code = database_number(db, "SELECT count(*) FROM sqlite_master", ret_tables);
    }
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* The newest and the oldest segment must read as events; more would cost a start its second. */
static int schema_check_segment(sqlite3 *db, const char *path, const char *sql,
                                struct nsh_error *err)
{
    int code = SQLITE_OK;
    CLEANUP(statement_donep) sqlite3_stmt *statement = database_prepare(db, sql, &code);
    if (statement == NULL) {
        return database_fail(db, code, path, err);
    }
    code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
        return 0;
    }
    if (code != SQLITE_ROW) {
        return database_fail(db, code, path, err);
    }
    const uint8_t *bytes = sqlite3_column_blob(statement, 2);
    size_t bytes_count = (size_t)sqlite3_column_bytes(statement, 2);
    size_t offset = 0;
    for (int64_t i = 0; i < sqlite3_column_int64(statement, 1); i++) {
        struct event event;
        long used = offset < bytes_count
                        ? event_unpack(bytes + offset, bytes_count - offset, &event, NULL)
                        : -NSH_CORRUPT;
        if (used <= 0) {
            return nsh_fail(err, NSH_CORRUPT,
                            "%s is damaged (journal segment %lld); nothing was changed. Restore a "
                            "backup over it, or move it and its -wal and -shm files away to start "
                            "empty",
                            path, (long long)sqlite3_column_int64(statement, 0));
        }
        offset += (size_t)used;
    }
    return 0;
}

static int schema_check_audit(sqlite3 *db, const char *path, struct nsh_error *err)
{
    struct audit_head head;
    int code = audit_head_read(db, &head);
    return code == SQLITE_OK ? 0 : database_fail(db, code, path, err);
}

int schema_check(sqlite3 *db, const char *path, struct nsh_error *err)
{
    int64_t application = 0, version = 0, tables = 0;
    int code = schema_pragmas(db, &application, &version, &tables);
    if (code != SQLITE_OK) {
        return database_fail(db, code, path, err);
    }
    if (application != DATABASE_APPLICATION_ID && (application != 0 || tables != 0)) {
        return nsh_fail(
            err, NSH_INVALID,
            "%s is an SQLite file of another program; nothing was changed. Name another "
            "file for the store",
            path);
    }
    if (version < 0 || version > SCHEMA_VERSION) {
        return nsh_fail(err, NSH_UNSUPPORTED,
                        "%s has store version %" PRId64 ", this nightshift knows up to %d; nothing "
                        "was changed. Run the newer nightshift, or restore a backup made before it",
                        path, version, SCHEMA_VERSION);
    }
    if (version == 0) {
        return 0;
    }
    int r = schema_check_segment(
        db, path, "SELECT first_seq, count, data FROM journal ORDER BY first_seq DESC LIMIT 1",
        err);
    if (r == 0) {
        r = schema_check_segment(
            db, path, "SELECT first_seq, count, data FROM journal ORDER BY first_seq LIMIT 1", err);
    }
    return r < 0 ? r : schema_check_audit(db, path, err);
}

static int schema_step(sqlite3 *db, int version)
{
    char number[96];
    snprintf(number, sizeof number, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             DATABASE_APPLICATION_ID, version + 1);
    int code = database_run(db, "BEGIN IMMEDIATE");
    if (code == SQLITE_OK) {
        code = database_run(db, schema_steps[version]);
    }
    if (code == SQLITE_OK) {
        code = database_run(db, number);
    }
    return code == SQLITE_OK ? database_run(db, "COMMIT") : code;
}

/* (live, time, state) serves retention, loading and newest-first lists; (host, time) the lists of
 * one host. */
static int schema_add_kind(sqlite3 *db, enum record_kind kind)
{
    const char *word = record_word(kind);
    char sql[640];
    int count = snprintf(sql, sizeof sql,
                         "CREATE TABLE IF NOT EXISTS \"%s\"(n INTEGER PRIMARY KEY,"
                         "  id TEXT NOT NULL UNIQUE, time INTEGER NOT NULL, live INTEGER NOT NULL,"
                         "  host TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL);"
                         "CREATE INDEX IF NOT EXISTS \"%s_by_time\" ON \"%s\"(live, time, state);"
                         "CREATE INDEX IF NOT EXISTS \"%s_by_host\" ON \"%s\"(host, time)"
                         "  WHERE host <> '';",
                         word, word, word, word, word);
    NSH_ASSERT(count > 0 && (size_t)count < sizeof sql);
    return database_run(db, sql);
}

static int schema_add_kinds(sqlite3 *db)
{
    int64_t known = 0;
    int code = database_number(db,
                               "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name "
                               "LIKE '%\\_by\\_time' ESCAPE '\\'",
                               &known);
    if (code != SQLITE_ROW) {
        return code;
    }
    if (known >= RECORDS_COUNT) {
        return SQLITE_OK;
    }
    code = database_run(db, "BEGIN IMMEDIATE");
    for (unsigned kind = 0; kind < RECORDS_COUNT && code == SQLITE_OK; kind++) {
        code = schema_add_kind(db, (enum record_kind)kind);
    }
    return code == SQLITE_OK ? database_run(db, "COMMIT") : code;
}

int schema_migrate(sqlite3 *db, const char *path, struct nsh_error *err)
{
    int64_t version = 0;
    int code = database_number(db, "PRAGMA user_version", &version);
    if (code == SQLITE_ROW) {
        code = database_run(db, "PRAGMA journal_mode = WAL");
    }
    for (int step = (int)version; step < SCHEMA_VERSION && code == SQLITE_OK; step++) {
        code = schema_step(db, step);
    }
    if (code == SQLITE_OK) {
        code = schema_add_kinds(db);
    }
    if (code == SQLITE_OK) {
        return 0;
    }
    int r = database_fail(db, code, path, err);
    database_run(db, "ROLLBACK");
    return r;
}
