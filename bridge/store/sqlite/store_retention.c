/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Retention in slices: the oldest journal segments go by age and by size, finished records by age.
 * Never: a living record, the newest segment (it holds the sequence), a row of the audit trail.
 */

#include "store/sqlite/database.h"

#include "base/assert.h"

#include <stdio.h>

#define SLICE_ROWS_MAX 1000
#define SLICE_BYTES_MAX (8 << 20)
#define SLICE_RECORDS_MAX 200
#define MS_PER_DAY 86400000ll

static const int64_t retention_days[] = {
#define RECORD(NAME, word, load, audit, keep_days, help) keep_days,
#include "model/records.def"
#undef RECORD
};

/* How many bytes are in use above the bound; 0: none. */
static int retention_excess(sqlite3 *db, uint64_t bytes_max, int64_t *ret_bytes)
{
    *ret_bytes = 0;
    if (bytes_max == 0) {
        return SQLITE_OK;
    }
    int64_t pages = 0, unused = 0, page_bytes = 0;
    int code = database_number(db, "PRAGMA page_count", &pages);
    if (code == SQLITE_ROW) {
        code = database_number(db, "PRAGMA freelist_count", &unused);
    }
    if (code == SQLITE_ROW) {
        code = database_number(db, "PRAGMA page_size", &page_bytes);
    }
    if (code != SQLITE_ROW) {
        return code;
    }
    uint64_t used = (uint64_t)((pages - unused) * page_bytes);
    *ret_bytes = used > bytes_max ? (int64_t)(used - bytes_max) : 0;
    return SQLITE_OK;
}

/* The last segment that may go, or 0. */
static int retention_find(sqlite3 *db, int64_t before_ms, int64_t excess, int64_t *ret_last,
                          bool *ret_more)
{
    int code = SQLITE_OK;
    CLEANUP(statement_donep)
    sqlite3_stmt *statement = database_prepare(
        db,
        "SELECT first_seq, max_time, length(data) FROM journal"
        " WHERE first_seq < (SELECT max(first_seq) FROM journal) ORDER BY first_seq",
        &code);
    if (statement == NULL) {
        return code;
    }
    int64_t bytes = 0;
    for (int rows = 0; (code = sqlite3_step(statement)) == SQLITE_ROW; rows++) {
        if (sqlite3_column_int64(statement, 1) >= before_ms && excess <= 0) {
            return SQLITE_OK;
        }
        if (rows == SLICE_ROWS_MAX || bytes >= SLICE_BYTES_MAX) {
            *ret_more = true;
            return SQLITE_OK;
        }
        *ret_last = sqlite3_column_int64(statement, 0);
        bytes += sqlite3_column_int64(statement, 2);
        excess -= sqlite3_column_int64(statement, 2);
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int retention_journal(const struct retention *retention, sqlite3 *db, int64_t now_ms,
                             bool *ret_more)
{
    int64_t excess = 0;
    int64_t last = 0;
    int64_t before_ms =
        retention->journal_keep_ms > 0 ? now_ms - retention->journal_keep_ms : INT64_MIN;
    int code = retention_excess(db, retention->bytes_max, &excess);
    if (code == SQLITE_OK) {
        code = retention_find(db, before_ms, excess, &last, ret_more);
    }
    if (code != SQLITE_OK || last == 0) {
        return code;
    }
    char sql[96];
    snprintf(sql, sizeof sql, "DELETE FROM journal WHERE first_seq <= %lld", (long long)last);
    return database_run(db, sql);
}

static int retention_records(struct retention *retention, sqlite3 *db, int64_t now_ms,
                             bool *ret_more)
{
    enum record_kind kind = (enum record_kind)(retention->kind_next % RECORDS_COUNT);
    const char *word = record_word(kind);
    char sql[256];
    int count = snprintf(sql, sizeof sql,
                         "DELETE FROM \"%s\" WHERE n IN (SELECT n FROM \"%s\" WHERE live = 0 AND"
                         " time < %lld ORDER BY time LIMIT %d)",
                         word, word, (long long)(now_ms - retention_days[kind] * MS_PER_DAY),
                         SLICE_RECORDS_MAX);
    NSH_ASSERT(count > 0 && (size_t)count < sizeof sql);
    int code = database_run(db, sql);
    if (code == SQLITE_OK && sqlite3_changes(db) == SLICE_RECORDS_MAX) {
        *ret_more = true;
    } else {
        retention->kind_next++;
    }
    return code;
}

int retention_slice(struct retention *retention, sqlite3 *db, int64_t now_ms, bool *ret_more)
{
    *ret_more = false;
    int64_t clock_ms = now_ms < retention->newest_ms ? now_ms : retention->newest_ms;
    int code = retention_journal(retention, db, clock_ms, ret_more);
    return code == SQLITE_OK ? retention_records(retention, db, clock_ms, ret_more) : code;
}
