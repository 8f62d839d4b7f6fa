/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SQLITE_DATABASE_H
#define STORE_SQLITE_DATABASE_H

/*
 * What the parts of the SQLite store share: connections, faults, the schema, the audit chain.
 * Private to store/sqlite.
 *
 * Connections: the writer's (all changes), the upkeep thread's (checkpoints only), one for each
 * reader. None of them checkpoints by itself, so that no commit ever waits for one it did not ask
 * for.
 */

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <time.h>

#define DATABASE_APPLICATION_ID 0x4e534854 /* "NSHT": tells a store from any other SQLite file. */
#define DATABASE_BUSY_MS                                                                           \
    5000                       /* How long a foreign lock (a shell, a backup tool) is waited for.  \
                                */
#define DATABASE_HASH_BYTES 32 /* SHA-256. */

enum database_use {
    DATABASE_WRITE, /* The file must exist. */
    DATABASE_READ,
};

int database_open(const char *path, enum database_use use, sqlite3 **ret_db, struct nsh_error *err);
void database_close(sqlite3 *db);   /* Leaves the log (-wal) as it is. */
void database_finish(sqlite3 *db);  /* The last one out moves the log into the file. */
void database_closep(sqlite3 **db); /* For CLEANUP(). */
void statement_donep(sqlite3_stmt **statement);

/* Run statements that return nothing that matters; an SQLite result code. */
int database_run(sqlite3 *db, const char *sql);
/* The first column of the first row; SQLITE_ROW, or SQLITE_DONE when there is none, or a fault. */
int database_number(sqlite3 *db, const char *sql, int64_t *ret_number);
sqlite3_stmt *database_prepare(sqlite3 *db, const char *sql, int *ret_code);

/* The main file of a connection, written in steps: database_steps.c. Lives longer than it. */
struct database_steps {
    bool on; /* Else as SQLite does. */
    int unsynced;
    const sqlite3_io_methods *plain;
    sqlite3_io_methods methods;
};
int database_steps_open(struct database_steps *steps, sqlite3 *db);

/* ---- faults
 * --------------------------------------------------------------------------------------------------
 */

/* Sort an SQLite result code (db may be NULL) into what the daemon must know. */
enum store_health database_health(sqlite3 *db, int code);
/* One line: what file, what happened, what to do. */
void database_explain(sqlite3 *db, int code, const char *path, char *text, size_t text_bytes);
/* The same as an error: -NSH_FULL, -NSH_CORRUPT, -NSH_IO or -NSH_BUSY. */
int database_fail(sqlite3 *db, int code, const char *path, struct nsh_error *err);

/* ---- the schema
 * ---------------------------------------------------------------------------------------------- */

#define SCHEMA_VERSION 1

/* Refuse what is no store, is damaged at first sight or was written by a newer nightshift. Changes
 * nothing. */
int schema_check(sqlite3 *db, const char *path, struct nsh_error *err);
/* Bring it to SCHEMA_VERSION step by step, each a transaction, and add the tables of new record
 * kinds. */
int schema_migrate(sqlite3 *db, const char *path, struct nsh_error *err);

/* ---- the audit chain
 * ----------------------------------------------------------------------------------------- */

struct audit_head {
    int64_t n; /* 0: empty, the hash is all zero. */
    uint8_t hash[DATABASE_HASH_BYTES];
};

struct audit_row {
    int64_t n, time_ms;
    struct text kind, id, body;
};

struct audit_hasher;
struct audit_hasher *audit_hasher_new(void); /* NULL: no memory. */
void audit_hasher_free(struct audit_hasher *hasher);
void audit_hasher_freep(struct audit_hasher **hasher);

/* The hash of row after previous: SHA-256 over previous, n, time and the three texts with their
 * lengths. */
void audit_hash(struct audit_hasher *hasher, const uint8_t *previous, const struct audit_row *row,
                uint8_t *ret_hash);

/* Read the newest row's number and hash. An SQLite result code. */
int audit_head_read(sqlite3 *db, struct audit_head *ret_head);

/* ---- the journal
 * --------------------------------------------------------------------------------------------- */

/*
 * The word filter of a segment: which hosts and types are in it, as a Bloom filter with two probes.
 * A reader that looks for one host skips the segments that cannot have it without reading them.
 */
#define JOURNAL_FILTER_BYTES_MAX 1024
#define JOURNAL_FILTER_EVENTS_MIN                                                                  \
    16 /* Smaller segments are read faster than they are filtered.                                 \
        */

size_t journal_filter_bytes(uint32_t events_count);
void journal_filter_add(uint8_t *filter, size_t filter_bytes, char field, struct text word);
bool journal_filter_has(const uint8_t *filter, size_t filter_bytes, char field, struct text word);

/* ---- the batch and the store
 * --------------------------------------------------------------------------------- */

#define SEGMENT_BYTES (1u << 20) /* A row of the journal is split here. */

struct store_segment {
    size_t offset, bytes; /* In the batch's events. */
    uint64_t first_seq;
    uint32_t count;
    int64_t min_ms, max_ms;
};

struct store_batch {
    uint64_t number;
    uint64_t first_seq; /* Of its first event. */
    uint64_t events_count;
    uint8_t *events;
    size_t events_bytes, events_room;
    struct store_segment *segments;
    size_t segments_count, segments_room;
    struct record *records; /* Texts are in arena. */
    size_t records_count, records_room, records_bytes;
    struct arena arena;
};

bool store_batch_empty(const struct store_batch *batch);
void store_batch_clear(struct store_batch *batch); /* Keeps a moderate amount of memory. */
void store_batch_done(struct store_batch *batch);

struct store_writer;
struct store_upkeep;

/*
 * The writer: a thread that owns the one connection that changes anything. writer_start() has the
 * connection checked and migrated; on success it owns db.
 */
int writer_start(const struct store_options *options, sqlite3 *db, struct store_writer **ret_writer,
                 struct nsh_error *err);
void writer_stop(
    struct store_writer *writer); /* Commits what was handed over (or gives up), closes, frees. */
uint64_t writer_next_seq(const struct store_writer *writer); /* As read at the start. */
bool writer_take(struct store_writer *writer,
                 struct store_batch *batch); /* False: busy. It lends the batch. */
bool writer_poll(struct store_writer *writer, struct store_done *ret_done);

/* Retention, on the writer's connection, in slices: *ret_more says that another slice is
 * worthwhile. */
struct retention {
    uint64_t bytes_max;
    int64_t journal_keep_ms;
    int64_t newest_ms; /* The newest time stored: a clock that jumps ahead alone deletes nothing. */
    uint32_t kind_next; /* Record kinds take turns. */
};
int retention_slice(struct retention *retention, sqlite3 *db, int64_t now_ms, bool *ret_more);

/* Checkpoints, on a thread and connection of their own. */
struct upkeep_state {
    bool failing;  /* The newest checkpoint failed: text says how. */
    bool tail_due; /* All but the newest frames are in the file: the writer should move those, then
                      the log restarts. */
    enum store_health health;
    char text[256];
};
int upkeep_start(const char *path, void (*nudge)(void *arg), void *nudge_arg,
                 struct store_upkeep **ret_upkeep, struct nsh_error *err);
void upkeep_stop(struct store_upkeep *upkeep);
/* From the writer: the log is worth a checkpoint. hurry: it grows faster than they empty it. */
void upkeep_due(struct store_upkeep *upkeep, bool hurry);
void upkeep_look(struct store_upkeep *upkeep,
                 struct upkeep_state *ret_state); /* Takes tail_due away. */

int64_t database_now_ms(void);                               /* Wall clock. */
void database_deadline(struct timespec *ret_at, int64_t ms); /* Monotonic, from now. */
/* A thread without signals, so that they reach the loop. 0 or -NSH_LIMIT. */
int database_thread(pthread_t *ret_thread, const char *name, void *(*main)(void *), void *arg,
                    struct nsh_error *err);

#endif
