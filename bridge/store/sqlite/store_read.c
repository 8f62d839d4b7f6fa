/* SPDX-License-Identifier: Apache-2.0 */

/* Reading records: the state handed back at a restart, and lists for people. Each call is one short
 * snapshot. */

#include "store/sqlite/store_read.h"

#include "store/sqlite/store_private.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static const bool read_loaded[] = {
#define RECORD(NAME, word, load, audit, keep_days, help) load,
#include "model/records.def"
#undef RECORD
};

static struct text read_text(sqlite3_stmt *statement, int column)
{
    const char *at = (const char *)sqlite3_column_text(statement, column);
    return (struct text){at == NULL ? "" : at, (uint32_t)sqlite3_column_bytes(statement, column)};
}

/* Columns: id, time, live, host, state, body. */
static struct record read_record(sqlite3_stmt *statement, enum record_kind kind)
{
    return (struct record){
        .kind = kind,
        .id = read_text(statement, 0),
        .time_ms = sqlite3_column_int64(statement, 1),
        .live = sqlite3_column_int(statement, 2) != 0,
        .host = read_text(statement, 3),
        .state = read_text(statement, 4),
        .body = read_text(statement, 5),
    };
}

static int load_kind(sqlite3 *db, const char *path, enum record_kind kind,
                     int (*fn)(void *arg, const struct record *record, struct nsh_error *err),
                     void *arg, struct nsh_error *err)
{
    char sql[160];
    int code = SQLITE_OK;
    snprintf(sql, sizeof sql,
             "SELECT id, time, live, host, state, body FROM \"%s\" WHERE live = 1 ORDER BY n",
             record_word(kind));
    CLEANUP(statement_donep) sqlite3_stmt *statement = database_prepare(db, sql, &code);
    if (statement == NULL) {
        return database_fail(db, code, path, err);
    }
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct record record = read_record(statement, kind);
        int r = fn(arg, &record, err);
        if (r < 0) {
            return r;
        }
    }
    return code == SQLITE_DONE ? 0 : database_fail(db, code, path, err);
}

int store_load(struct store *store,
               int (*fn)(void *arg, const struct record *record, struct nsh_error *err), void *arg,
               struct nsh_error *err)
{
    CLEANUP(database_closep) sqlite3 *db = NULL;
    int r = database_open(store->path, DATABASE_READ, &db, err);
    for (unsigned kind = 0; kind < RECORDS_COUNT && r == 0; kind++) {
        if (read_loaded[kind]) {
            r = load_kind(db, store->path, (enum record_kind)kind, fn, arg, err);
        }
    }
    return r;
}

int store_reader_open(const char *path, struct store_reader **ret_reader, struct nsh_error *err)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    char *copy = strdup(path);
    if (reader == NULL || copy == NULL) {
        free(reader);
        free(copy);
        return nsh_fail(err, NSH_NOMEM, "no memory for a store reader");
    }
    reader->path = copy;
    int r = database_open(path, DATABASE_READ, &reader->db, err);
    int64_t application = 0;
    if (r == 0) {
        int code = database_number(reader->db, "PRAGMA application_id", &application);
        r = code == SQLITE_ROW ? 0 : database_fail(reader->db, code, path, err);
    }
    if (r == 0 && application != DATABASE_APPLICATION_ID) {
        r = nsh_fail(err, NSH_INVALID, "%s is no nightshift store", path);
    }
    if (r < 0) {
        store_reader_close(reader);
        return r;
    }
    *ret_reader = reader;
    return 0;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader != NULL) {
        database_close(reader->db);
        free(reader->path);
        free(reader);
    }
}

/* ---- lists
 * ---------------------------------------------------------------------------------------------------
 */

static void query_conditions(const struct store_query *query, const char *first,
                             struct textbuf *sql)
{
    textbuf_add_chars(sql, first);
    if (query->id.count > 0) {
        textbuf_add_chars(sql, " AND id >= ?1 AND id < ?2");
    }
    if (query->host.count > 0) {
        textbuf_add_chars(sql, " AND host = ?3 AND host <> ''");
    }
    if (query->state.count > 0) {
        textbuf_add_chars(sql, " AND state = ?4");
    }
    if (query->since_ms != 0) {
        textbuf_add_chars(sql, " AND time >= ?5");
    }
    if (query->until_ms != 0) {
        textbuf_add_chars(sql, " AND time <= ?6");
    }
}

/*
 * Ids and hosts have an index of their own. Everything else goes by time: two walks along (live,
 * time, state), merged, so that the newest come without a sort.
 */
static void query_sql(const struct store_query *query, struct textbuf *sql)
{
    static const char columns[] = "SELECT id, time, live, host, state, body, n FROM ";
    bool merged = query->id.count == 0 && query->host.count == 0;
    textbuf_addf(sql, "%s\"%s\"", columns, record_word(query->kind));
    query_conditions(query, merged ? " WHERE live = 0" : " WHERE 1", sql);
    if (merged) {
        textbuf_addf(sql, " UNION ALL %s\"%s\"", columns, record_word(query->kind));
        query_conditions(query, " WHERE live = 1", sql);
    }
    textbuf_add_chars(sql, " ORDER BY time DESC, n DESC LIMIT ?7");
}

static uint32_t query_limit(uint32_t limit)
{
    if (limit == 0) {
        return STORE_READ_LIMIT;
    }
    return limit < STORE_READ_LIMIT_MAX ? limit : STORE_READ_LIMIT_MAX;
}

/* The prefix and the text behind all that start with it: no UTF-8 contains the byte FF. */
static bool query_bind(sqlite3_stmt *statement, const struct store_query *query)
{
    struct text id = query->id;
    char *end = malloc((size_t)id.count + 1);
    if (end == NULL) {
        return false;
    }
    if (id.count > 0) {
        memcpy(end, id.at, id.count);
    }
    end[id.count] = '\xff';
    sqlite3_bind_text(statement, 1, id.count == 0 ? "" : id.at, (int)id.count, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, end, (int)id.count + 1, free);
    sqlite3_bind_text(statement, 3, query->host.count == 0 ? "" : query->host.at,
                      (int)query->host.count, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, query->state.count == 0 ? "" : query->state.at,
                      (int)query->state.count, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, query->since_ms);
    sqlite3_bind_int64(statement, 6, query->until_ms);
    sqlite3_bind_int64(statement, 7, query_limit(query->limit));
    return true;
}

int store_query(struct store_reader *reader, const struct store_query *query,
                int (*row)(void *arg, const struct record *record), void *arg,
                struct nsh_error *err)
{
    NSH_ASSERT((unsigned)query->kind < RECORDS_COUNT);
    CLEANUP(textbuf_donep) struct textbuf sql = {0};
    query_sql(query, &sql);
    if (sql.failed) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a query");
    }
    int code = SQLITE_OK;
    CLEANUP(statement_donep) sqlite3_stmt *statement = database_prepare(reader->db, sql.at, &code);
    if (statement == NULL) {
        return database_fail(reader->db, code, reader->path, err);
    }
    if (!query_bind(statement, query)) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a query");
    }
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct record record = read_record(statement, query->kind);
        int r = row(arg, &record);
        if (r < 0) {
            return r;
        }
    }
    return code == SQLITE_DONE ? 0 : database_fail(reader->db, code, reader->path, err);
}
