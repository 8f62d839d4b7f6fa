/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

/*
 * The store: the event journal, the records, the audit trail. One writer thread of its own, group
 * commit.
 *
 * The loop thread fills a batch (store_batch_*), submits it, and is told when it is durable; while
 * one batch becomes durable the next collects. Readers (API threads) have their own connections.
 * Backends implement this header.
 *
 * Journal: events are kept as segments, one row for each commit: the packed events (model/event.h)
 * one after the other, with their first sequence, count and times. Sequences rise by one, without
 * gaps.
 */

#include "abi/error.h"
#include "base/arena.h"
#include "model/event.h"
#include "model/record.h"

struct store;
struct store_reader;

enum store_health {
    STORE_OK,
    STORE_FULL,    /* No space: nothing is accepted, nothing acts, retried every second. */
    STORE_FAILING, /* I/O errors: the same. */
    STORE_CORRUPT, /* Damaged: the same; the message names the file and what to do. */
};

struct store_options {
    const char *path;        /* The database file; its folder must exist. */
    uint64_t bytes_max;      /* Retention by size: oldest journal segments go first; 0: no bound. */
    int64_t journal_keep_ms; /* Retention by age. */
    /* Called on the writer thread: wake the loop, nothing else. */
    void (*wake)(void *arg);
    void *wake_arg;
};

/* What came back from the writer. Collected by store_poll() on the loop thread. */
struct store_done {
    uint64_t batch;           /* All batches up to this one are durable. */
    enum store_health health; /* Current health; when not OK the failing batch is kept and retried,
                                 nothing is lost. */
    char text[256];           /* "disk full: ..." */
};

/* Open or create, check (quick), migrate. On NSH_CORRUPT, NSH_FULL, NSH_IO nothing was changed. */
int store_open(const struct store_options *options, struct store **ret_store,
               struct nsh_error *err);
/* Commits what was submitted, then closes. */
void store_close(struct store *store);

/* The sequence the next event will get. */
uint64_t store_next_seq(const struct store *store);

/*
 * Fill the batch that collects (loop thread only). Events must be numbered in order from
 * store_next_seq(). Bytes are copied. -NSH_LIMIT when STORE_BATCH_BYTES_MAX is reached: submit
 * first, or refuse the source.
 */
#define STORE_BATCH_BYTES_MAX (64u << 20)
int store_batch_event(struct store *store, const struct event *event, struct nsh_error *err);
/* The same for an already packed event (its seq is implied by order; received_ms as packed). */
int store_batch_packed(struct store *store, const uint8_t *bytes, size_t bytes_count,
                       int64_t received_ms, struct nsh_error *err);
int store_batch_record(struct store *store, const struct record *record, struct nsh_error *err);

/* Number of the batch that collects now. */
uint64_t store_batch_number(const struct store *store);
/* Hand the collecting batch to the writer when it is idle. False: it is busy, or there is nothing
 * to write. */
bool store_submit(struct store *store);
/* True when news came since the last poll. Never blocks. */
bool store_poll(struct store *store, struct store_done *ret_done);

/* Hand every living record (load kinds) to fn, in the order they were first written. */
int store_load(struct store *store,
               int (*fn)(void *arg, const struct record *record, struct nsh_error *err), void *arg,
               struct nsh_error *err);

/*
 * Hand the newest events of the journal to fn, oldest first, some at a time: whole segments, back
 * to the first that holds one received at since_ms or later, or to events_max of them. Older
 * segments are not read.
 */
int store_recent(struct store *store, int64_t since_ms, uint64_t events_max,
                 int (*fn)(void *arg, const struct event *events, size_t count,
                           struct nsh_error *err),
                 void *arg, struct nsh_error *err);

/* ---- reading: any thread, one reader per thread at a time
 * ---------------------------------------------------- */

int store_reader_open(const char *path, struct store_reader **ret_reader, struct nsh_error *err);
void store_reader_close(struct store_reader *reader);

struct store_query {
    enum record_kind kind;
    struct text id;             /* Prefix, or empty. */
    struct text host;           /* Or empty. */
    struct text state;          /* Or empty. */
    int64_t since_ms, until_ms; /* 0: open. */
    uint32_t limit;             /* 0: 1000; at most 100000. Newest first. */
};

/* Called for each row; a negative return stops and is returned. Texts are borrowed for the call. */
int store_query(struct store_reader *reader, const struct store_query *query,
                int (*row)(void *arg, const struct record *record), void *arg,
                struct nsh_error *err);

struct store_events {
    uint64_t after_seq; /* 0: from the newest backwards; else rising from the next one. */
    bool rising;        /* From the oldest, also when after_seq is 0. */
    int64_t since_ms;
    struct text host, type; /* type may be a glob; empty: all */
    bool unmatched;         /* Only those no mapping knew. */
    uint32_t limit;
};

int store_events(struct store_reader *reader, const struct store_events *query,
                 int (*row)(void *arg, const struct event *event), void *arg,
                 struct nsh_error *err);

/* Row counts by kind, journal count and bytes: for status and metrics. */
struct store_figures {
    uint64_t events, first_seq, last_seq, bytes, records[RECORDS_COUNT], audit;
};
int store_figures(struct store_reader *reader, struct store_figures *ret_figures,
                  struct nsh_error *err);

/* Walk the audit trail's hash chain. NSH_CORRUPT names the first record that does not fit. */
int store_audit_verify(struct store_reader *reader, uint64_t *ret_count, char ret_head_hex[65],
                       struct nsh_error *err);

/* A consistent copy of the database while it runs. */
int store_backup(struct store_reader *reader, const char *target_path, struct nsh_error *err);

#endif
