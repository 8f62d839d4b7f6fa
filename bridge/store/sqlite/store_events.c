/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading the journal: segment by segment, newest first or rising. The times and the word filter of
 * a segment decide whether its bytes are read at all.
 */

#include "store/sqlite/store_read.h"

#include "store/sqlite/store_private.h"

#include "base/assert.h"

#include <stdlib.h>

struct events_scan {
    const struct store_events *query;
    const char *path;
    bool rising;
    bool type_is_glob;
    uint32_t left;
    int (*row)(void *arg, const struct event *event);
    void *arg;
    uint32_t *offsets; /* Of the events of one segment: the newest come first. */
    size_t offsets_room;
    struct nsh_error *err;
};

static bool scan_wants(const struct events_scan *scan, const struct event *event)
{
    const struct store_events *query = scan->query;
    if (event->received_ms < query->since_ms && query->since_ms != 0) {
        return false;
    }
    if (query->unmatched && !event->unmatched) {
        return false;
    }
    if (query->host.count > 0 && !text_equal(query->host, event->host)) {
        return false;
    }
    if (query->type.count == 0) {
        return true;
    }
    return scan->type_is_glob ? text_glob(query->type, event->type)
                              : text_equal(query->type, event->type);
}

static bool scan_segment_may_have(const struct events_scan *scan, sqlite3_stmt *statement)
{
    const struct store_events *query = scan->query;
    if (query->since_ms != 0 && sqlite3_column_int64(statement, 2) < query->since_ms) {
        return false;
    }
    const uint8_t *filter = sqlite3_column_blob(statement, 3);
    size_t filter_bytes = (size_t)sqlite3_column_bytes(statement, 3);
    if (query->host.count > 0 && !journal_filter_has(filter, filter_bytes, 'h', query->host)) {
        return false;
    }
    return query->type.count == 0 || scan->type_is_glob ||
           journal_filter_has(filter, filter_bytes, 't', query->type);
}

static int scan_damaged(const struct events_scan *scan, int64_t first_seq)
{
    return nsh_fail(scan->err, NSH_CORRUPT, "%s: the journal segment from event %lld is damaged",
                    scan->path, (long long)first_seq);
}

static int scan_offsets(struct events_scan *scan, const uint8_t *bytes, size_t bytes_count,
                        int64_t first_seq, size_t count)
{
    if (count > bytes_count) {
        return scan_damaged(scan, first_seq);
    }
    if (count > scan->offsets_room) {
        uint32_t *grown = realloc(scan->offsets, count * sizeof *grown);
        if (grown == NULL) {
            return nsh_fail(scan->err, NSH_NOMEM, "no memory to read the journal");
        }
        scan->offsets = grown;
        scan->offsets_room = count;
    }
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        struct event event;
        long used = offset < bytes_count
                        ? event_unpack(bytes + offset, bytes_count - offset, &event, NULL)
                        : -NSH_CORRUPT;
        if (used <= 0) {
            return scan_damaged(scan, first_seq);
        }
        scan->offsets[i] = (uint32_t)offset;
        offset += (size_t)used;
    }
    return 0;
}

static int scan_segment(struct events_scan *scan, sqlite3_stmt *statement)
{
    int64_t first_seq = sqlite3_column_int64(statement, 0);
    int64_t count = sqlite3_column_int64(statement, 1);
    const uint8_t *bytes = sqlite3_column_blob(statement, 4);
    size_t bytes_count = (size_t)sqlite3_column_bytes(statement, 4);
    int r = count < 0 ? scan_damaged(scan, first_seq)
                      : scan_offsets(scan, bytes, bytes_count, first_seq, (size_t)count);
    for (int64_t i = 0; i < count && r >= 0 && scan->left > 0; i++) {
        int64_t index = scan->rising ? i : count - 1 - i;
        struct event event;
        uint32_t offset = scan->offsets[index];
        event_unpack(bytes + offset, bytes_count - offset, &event, NULL);
        event.seq = (uint64_t)(first_seq + index);
        if (event.seq > scan->query->after_seq && scan_wants(scan, &event)) {
            scan->left--;
            r = scan->row(scan->arg, &event);
        }
    }
    return r < 0 ? r : 0;
}

static int scan_journal(struct events_scan *scan, struct store_reader *reader)
{
    static const char newest_first[] =
        "SELECT first_seq, count, max_time, filter, data FROM journal"
        " ORDER BY first_seq DESC";
    static const char rising[] = "SELECT first_seq, count, max_time, filter, data FROM journal"
                                 " WHERE first_seq >= ifnull((SELECT max(first_seq) FROM journal"
                                 " WHERE first_seq <= ?1), 0) ORDER BY first_seq";
    int code = SQLITE_OK;
    CLEANUP(statement_donep)
    sqlite3_stmt *statement =
        database_prepare(reader->db, scan->rising ? rising : newest_first, &code);
    if (statement == NULL) {
        return database_fail(reader->db, code, reader->path, scan->err);
    }
    if (scan->rising) {
        sqlite3_bind_int64(statement, 1, (int64_t)scan->query->after_seq + 1);
    }
    while (scan->left > 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (scan_segment_may_have(scan, statement)) {
            int r = scan_segment(scan, statement);
            if (r < 0) {
                return r;
            }
        }
    }
    return scan->left == 0 || code == SQLITE_DONE
               ? 0
               : database_fail(reader->db, code, reader->path, scan->err);
}

static bool events_is_glob(struct text type)
{
    return type.count > 0 &&
           (memchr(type.at, '*', type.count) != NULL || memchr(type.at, '?', type.count) != NULL);
}

int store_events(struct store_reader *reader, const struct store_events *query,
                 int (*row)(void *arg, const struct event *event), void *arg, struct nsh_error *err)
{
    if (query->after_seq >= INT64_MAX) {
        return 0;
    }
    uint32_t limit = query->limit == 0 ? STORE_READ_LIMIT : query->limit;
    struct events_scan scan = {
        .query = query,
        .path = reader->path,
        .rising = query->rising || query->after_seq > 0,
        .type_is_glob = events_is_glob(query->type),
        .left = limit < STORE_READ_LIMIT_MAX ? limit : STORE_READ_LIMIT_MAX,
        .row = row,
        .arg = arg,
        .err = err,
    };
    int r = scan_journal(&scan, reader);
    free(scan.offsets);
    return r;
}

/* ---- what a start needs to know
 * ------------------------------------------------------------------- */

#define RECENT_AT_ONCE 256

struct recent {
    const char *path;
    int (*fn)(void *arg, const struct event *events, size_t count, struct nsh_error *err);
    void *arg;
    struct nsh_error *err;
};

/* The first segment that is wanted; only small columns are read, from the newest backwards. */
static int recent_first(sqlite3 *db, int64_t since_ms, uint64_t events_max, int64_t *ret_first_seq)
{
    int code = SQLITE_OK;
    CLEANUP(statement_donep)
    sqlite3_stmt *statement = database_prepare(
        db, "SELECT first_seq, count, max_time FROM journal ORDER BY first_seq DESC", &code);
    uint64_t count = 0;
    *ret_first_seq = INT64_MAX;
    while (statement != NULL && count < events_max &&
           (code = sqlite3_step(statement)) == SQLITE_ROW &&
           sqlite3_column_int64(statement, 2) >= since_ms) {
        *ret_first_seq = sqlite3_column_int64(statement, 0);
        count += (uint64_t)sqlite3_column_int64(statement, 1);
    }
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int recent_segment(const struct recent *recent, sqlite3_stmt *statement)
{
    struct event events[RECENT_AT_ONCE];
    int64_t first_seq = sqlite3_column_int64(statement, 0);
    int64_t left = sqlite3_column_int64(statement, 1);
    const uint8_t *bytes = sqlite3_column_blob(statement, 2);
    size_t bytes_count = (size_t)sqlite3_column_bytes(statement, 2), offset = 0, count = 0;
    int r = 0;
    for (uint64_t seq = (uint64_t)first_seq; left > 0 && r == 0; left--, seq++) {
        long used = offset < bytes_count
                        ? event_unpack(bytes + offset, bytes_count - offset, &events[count], NULL)
                        : -NSH_CORRUPT;
        if (used <= 0) {
            return nsh_fail(recent->err, NSH_CORRUPT,
                            "%s: the journal segment from event %lld is damaged", recent->path,
                            (long long)first_seq);
        }
        offset += (size_t)used;
        events[count++].seq = seq;
        if (count == RECENT_AT_ONCE || left == 1) {
            r = recent->fn(recent->arg, events, count, recent->err);
            count = 0;
        }
    }
    return r;
}

int store_recent(struct store *store, int64_t since_ms, uint64_t events_max,
                 int (*fn)(void *arg, const struct event *events, size_t count,
                           struct nsh_error *err),
                 void *arg, struct nsh_error *err)
{
    struct recent recent = {.path = store->path, .fn = fn, .arg = arg, .err = err};
    CLEANUP(database_closep) sqlite3 *db = NULL;
    int r = database_open(store->path, DATABASE_READ, &db, err);
    if (r < 0) {
        return r;
    }
    int64_t first_seq = 0;
    int code = recent_first(db, since_ms, events_max, &first_seq);
    CLEANUP(statement_donep)
    sqlite3_stmt *statement = code != SQLITE_OK
                                  ? NULL
                                  : database_prepare(db,
                                                     "SELECT first_seq, count, data FROM journal"
                                                     " WHERE first_seq >= ?1 ORDER BY first_seq",
                                                     &code);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, first_seq);
    }
    while (statement != NULL && r == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        r = recent_segment(&recent, statement);
    }
    return r < 0 || code == SQLITE_DONE ? r : database_fail(db, code, store->path, err);
}
