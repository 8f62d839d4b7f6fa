/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SQLITE_STORE_COMMIT_H
#define STORE_SQLITE_STORE_COMMIT_H

/* One batch, one transaction: the statements that write, and where the store's content ends. Writer
 * thread only. */

#include "store/sqlite/database.h"

struct committer {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *segment, *audit;
    sqlite3_stmt *put[RECORDS_COUNT], *remove[RECORDS_COUNT];
    struct audit_hasher *hasher;
    struct audit_head head; /* Of what is committed. */
    uint64_t next_seq;      /* The same. */
    int64_t newest_ms;      /* The newest time committed. */
};

/* Prepare db, which stays the caller's on failure. An SQLite result code, here and below. */
int committer_open(struct committer *committer, sqlite3 *db);
void committer_done(
    struct committer *committer); /* Statements only: db stays open, and is the caller's. */

/*
 * All of batch, or nothing. again: an earlier try of the same batch failed in an unknown state, so
 * what it may have left is taken out in the same transaction.
 */
int committer_commit(struct committer *committer, const struct store_batch *batch, bool again);

/* Write something that does not matter, durably: shows that a fault is over. */
int committer_probe(struct committer *committer, int64_t now_ms);

#endif
