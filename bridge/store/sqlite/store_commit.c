/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One batch, one transaction. Order inside: journal segments, then records with their audit rows,
 * as they were added. A record that a later one in the same batch replaces is not written, except
 * to the audit trail, and there not when the next one covers it.
 */

#include "store/sqlite/store_commit.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static const bool commit_audited[] = {
#define RECORD(NAME, word, load, audit, keep_days, help) audit,
#include "model/records.def"
#undef RECORD
};

static int commit_prepare_kind(struct committer *committer, enum record_kind kind)
{
    char sql[400];
    int code = SQLITE_OK;
    const char *word = record_word(kind);
    snprintf(sql, sizeof sql,
             "INSERT INTO \"%s\"(id, time, live, host, state, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
             " ON CONFLICT(id) DO UPDATE SET time = excluded.time, live = excluded.live,"
             " host = excluded.host, state = excluded.state, body = excluded.body",
             word);
    committer->put[kind] = database_prepare(committer->db, sql, &code);
    if (code == SQLITE_OK) {
        snprintf(sql, sizeof sql, "DELETE FROM \"%s\" WHERE id = ?1", word);
        committer->remove[kind] = database_prepare(committer->db, sql, &code);
    }
    return code;
}

static int commit_prepare(struct committer *committer)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } rows[] = {
        {&committer->begin, "BEGIN IMMEDIATE"},
        {&committer->commit, "COMMIT"},
        {&committer->segment,
         "INSERT INTO journal(first_seq, count, min_time, max_time, filter, data)"
         " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"},
        {&committer->audit, "INSERT INTO audit(n, time, kind, id, body, hash)"
                            " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"},
    };
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && code == SQLITE_OK; i++) {
        *rows[i].statement = database_prepare(committer->db, rows[i].sql, &code);
    }
    for (unsigned kind = 0; kind < RECORDS_COUNT && code == SQLITE_OK; kind++) {
        code = commit_prepare_kind(committer, (enum record_kind)kind);
    }
    return code;
}

static int commit_read_end(struct committer *committer)
{
    int64_t next = 1;
    int64_t newest = 0;
    int code = database_number(
        committer->db, "SELECT first_seq + count FROM journal ORDER BY first_seq DESC LIMIT 1",
        &next);
    if (code == SQLITE_ROW) {
        code = database_number(
            committer->db, "SELECT max_time FROM journal ORDER BY first_seq DESC LIMIT 1", &newest);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return code;
    }
    committer->next_seq = (uint64_t)next;
    committer->newest_ms = newest;
    return audit_head_read(committer->db, &committer->head);
}

int committer_open(struct committer *committer, sqlite3 *db)
{
    *committer = (struct committer){.db = db};
    committer->hasher = audit_hasher_new();
    int code = committer->hasher == NULL ? SQLITE_NOMEM : commit_prepare(committer);
    if (code == SQLITE_OK) {
        code = commit_read_end(committer);
    }
    if (code != SQLITE_OK) {
        committer_done(committer);
    }
    return code;
}

void committer_done(struct committer *committer)
{
    sqlite3_finalize(committer->begin);
    sqlite3_finalize(committer->commit);
    sqlite3_finalize(committer->segment);
    sqlite3_finalize(committer->audit);
    for (unsigned kind = 0; kind < RECORDS_COUNT; kind++) {
        sqlite3_finalize(committer->put[kind]);
        sqlite3_finalize(committer->remove[kind]);
    }
    audit_hasher_free(committer->hasher);
    *committer = (struct committer){.db = NULL};
}

/* Run a bound statement that returns no row. */
static int commit_run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int commit_bind_text(sqlite3_stmt *statement, int index, struct text text)
{
    return sqlite3_bind_text(statement, index, text.count == 0 ? "" : text.at, (int)text.count,
                             SQLITE_STATIC);
}

/* Which hosts and types a segment holds. Its bytes are our own packing: that they read is asserted.
 */
static size_t commit_filter(const uint8_t *bytes, const struct store_segment *segment,
                            uint8_t *filter)
{
    size_t filter_bytes = journal_filter_bytes(segment->count);
    memset(filter, 0, filter_bytes);
    size_t offset = 0;
    for (uint32_t i = 0; i < segment->count && filter_bytes > 0; i++) {
        struct event event;
        long used = event_unpack(bytes + offset, segment->bytes - offset, &event, NULL);
        NSH_ASSERT(used > 0);
        offset += (size_t)used;
        journal_filter_add(filter, filter_bytes, 't', event.type);
        if (event.host.count > 0) {
            journal_filter_add(filter, filter_bytes, 'h', event.host);
        }
    }
    return filter_bytes;
}

static int commit_segment(struct committer *committer, const struct store_batch *batch,
                          const struct store_segment *segment)
{
    uint8_t filter[JOURNAL_FILTER_BYTES_MAX];
    const uint8_t *bytes = batch->events + segment->offset;
    size_t filter_bytes = commit_filter(bytes, segment, filter);
    sqlite3_stmt *statement = committer->segment;
    sqlite3_bind_int64(statement, 1, (int64_t)segment->first_seq);
    sqlite3_bind_int64(statement, 2, segment->count);
    sqlite3_bind_int64(statement, 3, segment->min_ms);
    sqlite3_bind_int64(statement, 4, segment->max_ms);
    if (filter_bytes == 0) {
        sqlite3_bind_null(statement, 5);
    } else {
        sqlite3_bind_blob(statement, 5, filter, (int)filter_bytes, SQLITE_STATIC);
    }
    sqlite3_bind_blob(statement, 6, bytes, (int)segment->bytes, SQLITE_STATIC);
    int code = commit_run(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

static int commit_audit(struct committer *committer, const struct record *record,
                        struct audit_head *head)
{
    struct audit_row row = {
        .n = head->n + 1,
        .time_ms = record->time_ms,
        .kind = text_of(record_word(record->kind)),
        .id = record->id,
        .body =
            record->remove && record->body.count == 0 ? TEXT("{\"removed\":true}") : record->body,
    };
    struct audit_head next = {.n = row.n};
    audit_hash(committer->hasher, head->hash, &row, next.hash);
    sqlite3_stmt *statement = committer->audit;
    sqlite3_bind_int64(statement, 1, row.n);
    sqlite3_bind_int64(statement, 2, row.time_ms);
    commit_bind_text(statement, 3, row.kind);
    commit_bind_text(statement, 4, row.id);
    commit_bind_text(statement, 5, row.body);
    sqlite3_bind_blob(statement, 6, next.hash, sizeof next.hash, SQLITE_STATIC);
    int code = commit_run(statement);
    sqlite3_clear_bindings(statement);
    *head = next;
    return code;
}

static int commit_record(struct committer *committer, const struct record *record)
{
    sqlite3_stmt *statement =
        record->remove ? committer->remove[record->kind] : committer->put[record->kind];
    commit_bind_text(statement, 1, record->id);
    if (!record->remove) {
        sqlite3_bind_int64(statement, 2, record->time_ms);
        sqlite3_bind_int(statement, 3, record->live);
        commit_bind_text(statement, 4, record->host);
        commit_bind_text(statement, 5, record->state);
        commit_bind_text(statement, 6, record->body);
    }
    int code = commit_run(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

static bool commit_same(const struct record *a, const struct record *b)
{
    return a->kind == b->kind && text_equal(a->id, b->id);
}

enum commit_fate { KEPT, REPLACED, COVERED };

/*
 * Mark the records that a later one replaces. Removals are never marked: an object that comes back
 * after one takes its place at the end. Without memory nothing is marked, which costs time and
 * nothing else.
 */
static uint8_t *commit_fates(const struct store_batch *batch)
{
    size_t slots_count = 16;
    while (slots_count < batch->records_count * 2) {
        slots_count *= 2;
    }
    uint8_t *fates = calloc(batch->records_count, sizeof *fates);
    uint32_t *slots = calloc(slots_count, sizeof *slots);
    for (size_t i = batch->records_count; i > 0 && fates != NULL && slots != NULL; i--) {
        const struct record *record = &batch->records[i - 1];
        size_t slot = (size_t)(text_hash(record->id) + record->kind) & (slots_count - 1);
        while (slots[slot] != 0 && !commit_same(record, &batch->records[slots[slot] - 1])) {
            slot = (slot + 1) & (slots_count - 1);
        }
        if (slots[slot] != 0 && !record->remove) {
            fates[i - 1] = batch->records[slots[slot] - 1].covers ? COVERED : REPLACED;
        }
        slots[slot] = (uint32_t)i; /* The one before it asks its successor. */
    }
    free(slots);
    return fates;
}

static int commit_records(struct committer *committer, const struct store_batch *batch,
                          struct audit_head *head)
{
    CLEANUP(freep) uint8_t *fates = batch->records_count > 1 ? commit_fates(batch) : NULL;
    int code = SQLITE_OK;
    for (size_t i = 0; i < batch->records_count && code == SQLITE_OK; i++) {
        const struct record *record = &batch->records[i];
        enum commit_fate fate = fates == NULL ? KEPT : (enum commit_fate)fates[i];
        if (commit_audited[record->kind] && fate != COVERED) {
            code = commit_audit(committer, record, head);
        }
        if (code == SQLITE_OK && fate == KEPT) {
            code = commit_record(committer, record);
        }
    }
    return code;
}

/* What a try that failed while it was being made durable may have left after all. */
static int commit_clean(struct committer *committer)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "DELETE FROM journal WHERE first_seq >= %lld; DELETE FROM audit WHERE n > %lld;",
             (long long)committer->next_seq, (long long)committer->head.n);
    return database_run(committer->db, sql);
}

static int commit_content(struct committer *committer, const struct store_batch *batch, bool again,
                          struct audit_head *head)
{
    int code = again ? commit_clean(committer) : SQLITE_OK;
    for (size_t i = 0; i < batch->segments_count && code == SQLITE_OK; i++) {
        code = commit_segment(committer, batch, &batch->segments[i]);
    }
    if (code == SQLITE_OK && batch->records_count > 0) {
        code = commit_records(committer, batch, head);
    }
    return code;
}

static void commit_advance(struct committer *committer, const struct store_batch *batch,
                           const struct audit_head *head)
{
    committer->head = *head;
    if (batch->events_count > 0) {
        committer->next_seq = batch->first_seq + batch->events_count;
    }
    for (size_t i = 0; i < batch->segments_count; i++) {
        int64_t max_ms = batch->segments[i].max_ms;
        committer->newest_ms = max_ms > committer->newest_ms ? max_ms : committer->newest_ms;
    }
    for (size_t i = 0; i < batch->records_count; i++) {
        int64_t time_ms = batch->records[i].time_ms;
        committer->newest_ms = time_ms > committer->newest_ms ? time_ms : committer->newest_ms;
    }
}

int committer_commit(struct committer *committer, const struct store_batch *batch, bool again)
{
    NSH_ASSERT(batch->events_count == 0 || batch->first_seq == committer->next_seq);
    int moved = 0;
    sqlite3_file_control(committer->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved != 0) {
        return SQLITE_READONLY_DBMOVED;
    }
    struct audit_head head = committer->head;
    int code = commit_run(committer->begin);
    if (code == SQLITE_OK) {
        code = commit_content(committer, batch, again, &head);
    }
    if (code == SQLITE_OK) {
        code = commit_run(committer->commit);
    }
    if (code == SQLITE_OK) {
        commit_advance(committer, batch, &head);
    } else if (sqlite3_get_autocommit(committer->db) == 0) {
        database_run(committer->db, "ROLLBACK");
    }
    return code;
}

int committer_probe(struct committer *committer, int64_t now_ms)
{
    int moved = 0;
    sqlite3_file_control(committer->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved != 0) {
        return SQLITE_READONLY_DBMOVED;
    }
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO probe(n, time) VALUES(1, %lld)",
             (long long)now_ms);
    return database_run(committer->db, sql);
}
