/* SPDX-License-Identifier: Apache-2.0 */

/* Figures for status and metrics, and the walk along the audit chain. */

#include "store/sqlite/store_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

static int figures_journal(struct store_reader *reader, struct store_figures *figures)
{
    int64_t first = 0, next = 0, pages = 0, page_bytes = 0;
    int code = database_number(reader->db, "SELECT ifnull(min(first_seq), 0) FROM journal", &first);
    if (code == SQLITE_ROW) {
        code = database_number(reader->db,
                               "SELECT ifnull((SELECT first_seq + count FROM journal"
                               " ORDER BY first_seq DESC LIMIT 1), 0)",
                               &next);
    }
    if (code == SQLITE_ROW) {
        code = database_number(reader->db, "PRAGMA page_count", &pages);
    }
    if (code == SQLITE_ROW) {
        code = database_number(reader->db, "PRAGMA page_size", &page_bytes);
    }
    if (code != SQLITE_ROW) {
        return code;
    }
    figures->first_seq = (uint64_t)first;
    figures->last_seq = next == 0 ? 0 : (uint64_t)next - 1;
    figures->events = next == 0 ? 0 : (uint64_t)(next - first);
    figures->bytes = (uint64_t)(pages * page_bytes);
    return SQLITE_OK;
}

static int figures_records(struct store_reader *reader, struct store_figures *figures)
{
    int code = SQLITE_ROW;
    for (unsigned kind = 0; kind < RECORDS_COUNT && code == SQLITE_ROW; kind++) {
        char sql[96];
        int64_t count = 0;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\"",
                 record_word((enum record_kind)kind));
        code = database_number(reader->db, sql, &count);
        figures->records[kind] = (uint64_t)count;
    }
    int64_t audit = 0;
    if (code == SQLITE_ROW) {
        code = database_number(reader->db, "SELECT ifnull(max(n), 0) FROM audit", &audit);
    }
    figures->audit = (uint64_t)audit;
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

int store_figures(struct store_reader *reader, struct store_figures *ret_figures,
                  struct nsh_error *err)
{
    struct store_figures figures = {.events = 0};
    int code = figures_journal(reader, &figures);
    if (code == SQLITE_OK) {
        code = figures_records(reader, &figures);
    }
    if (code != SQLITE_OK) {
        return database_fail(reader->db, code, reader->path, err);
    }
    char log[1100];
    struct stat status;
    snprintf(log, sizeof log, "%s-wal", reader->path);
    if (stat(log, &status) == 0) {
        figures.bytes += (uint64_t)status.st_size;
    }
    *ret_figures = figures;
    return 0;
}

static struct text verify_text(sqlite3_stmt *statement, int column)
{
    const char *at = sqlite3_column_blob(statement, column);
    return (struct text){at == NULL ? "" : at, (uint32_t)sqlite3_column_bytes(statement, column)};
}

/* One row against the chain so far; false: it does not fit. */
static bool verify_row(sqlite3_stmt *statement, struct audit_hasher *hasher,
                       struct audit_head *head)
{
    struct audit_row row = {
        .n = sqlite3_column_int64(statement, 0),
        .time_ms = sqlite3_column_int64(statement, 1),
        .kind = verify_text(statement, 2),
        .id = verify_text(statement, 3),
        .body = verify_text(statement, 4),
    };
    uint8_t hash[DATABASE_HASH_BYTES];
    const void *stored = sqlite3_column_blob(statement, 5);
    audit_hash(hasher, head->hash, &row, hash);
    bool fits = row.n == head->n + 1 && stored != NULL &&
                sqlite3_column_bytes(statement, 5) == DATABASE_HASH_BYTES &&
                memcmp(stored, hash, sizeof hash) == 0;
    head->n = row.n;
    memcpy(head->hash, hash, sizeof hash);
    return fits;
}

int store_audit_verify(struct store_reader *reader, uint64_t *ret_count, char ret_head_hex[65],
                       struct nsh_error *err)
{
    int code = SQLITE_OK;
    CLEANUP(audit_hasher_freep) struct audit_hasher *hasher = audit_hasher_new();
    CLEANUP(statement_donep)
    sqlite3_stmt *statement = database_prepare(
        reader->db, "SELECT n, time, kind, id, body, hash FROM audit ORDER BY n", &code);
    if (hasher == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory to verify the audit trail");
    }
    if (statement == NULL) {
        return database_fail(reader->db, code, reader->path, err);
    }
    struct audit_head head = {.n = 0};
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t expected = head.n + 1;
        if (!verify_row(statement, hasher, &head)) {
            return nsh_fail(err, NSH_CORRUPT,
                            "%s: the audit trail was changed: record %" PRId64
                            " does not follow from the %" PRId64 " before it",
                            reader->path, head.n, expected - 1);
        }
    }
    if (code != SQLITE_DONE) {
        return database_fail(reader->db, code, reader->path, err);
    }
    *ret_count = (uint64_t)head.n;
    for (size_t i = 0; i < DATABASE_HASH_BYTES; i++) {
        snprintf(ret_head_hex + 2 * i, 3, "%02x", head.hash[i]);
    }
    return 0;
}
