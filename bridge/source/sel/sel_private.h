/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SEL_SEL_PRIVATE_H
#define SOURCE_SEL_SEL_PRIVATE_H

/*
 * The parts of the source: BMCs and where they stand (sel_bmc.c), a visit to one (sel_visit.c),
 * rounds and life (sel_source.c). All on the loop thread.
 *
 * Where a BMC's log was read to are its newest SEL_ANCHORS_MAX records: one that is still there is
 * where reading goes on, so one record that is deleted loses nothing; none of them: the log was
 * cleared, and all of it is news. This is the mark, which is kept in the commit of the events.
 */

#include "sel_record.h"

#include "model/host.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"

#define SEL_VISITS_MAX 512
#define SEL_ANCHORS_MAX 8
#define SEL_READ_MAX 256    /* Records of one reading. */
#define SEL_READINGS_MAX 64 /* Of one visit; what is left is for the next one. */
#define SEL_NAMES_MAX 64    /* Of one BMC. */
#define SEL_NAME_BYTES 36
#define SEL_WHY_BYTES 160
#define SEL_SEEN_BYTES 64
#define SEL_LOOK_EACH                                                                              \
    12 /* Visits in a row that trust the times of a log that says "unchanged".                     \
        */

struct sel_source;
struct sel_visit;

struct sel_name {
    uint8_t number;
    char text[SEL_NAME_BYTES]; /* "": the BMC does not say. */
};

/* How far a log was read. */
struct sel_mark {
    uint8_t anchors[SEL_ANCHORS_MAX][SEL_RECORD_BYTES]; /* The newest first. */
    size_t anchors_count;
    char seen[SEL_SEEN_BYTES]; /* The log's own state then; "": look into it. */
    bool past;                 /* What was there before us is still being passed over. */
    bool full;                 /* Its alarm stands. */
    int64_t at_ms;             /* When it was read to its end; 0: it never was. */
};

struct sel_bmc {
    char *address, *host;
    bool gone;  /* Not in the inventory any more. */
    bool known; /* It has a mark. */
    struct sel_mark mark;
    struct sel_visit *visit;      /* NULL: none. */
    int64_t due_ms;               /* By the loop's clock. */
    unsigned failures, unchanged; /* In a row. */
    struct sel_name *names;
    size_t names_count;
    /* For the doctor. */
    bool reached, has_skew, unset, overflow;
    int64_t entries, free_bytes, skew_ms;
    char why[SEL_WHY_BYTES]; /* Not reached last time, or "". */
};

struct sel_source {
    const struct source_services *services;
    const struct source_config *config;
    struct trap_tables *tables;
    struct trap_mapper *mapper;
    const char *hosts;
    int64_t every_ms, backlog_ms, timeout_ms;
    size_t parallel;
    int64_t nearly_full;
    bool names;
    struct map bmcs; /* By address. */
    uint64_t revision;
    bool listed;
    size_t next, shared; /* shared: hosts whose BMC another host has too. */
    struct sel_visit *visits[SEL_VISITS_MAX];
    size_t visits_count;
    uint64_t chance, restarts;
    uv_timer_t tick;
    bool closing, ticking;
    void (*done)(void *arg);
    void *arg;
};

/* ---- sel_bmc.c ---- */

/* The BMCs of the inventory as it is now. */
void sel_bmcs_renew(struct sel_source *source);
void sel_bmcs_free(struct sel_source *source);
void sel_bmc_free(struct sel_bmc *bmc);
/* When it is asked next: after an answer, or a failure of this code. */
void sel_bmc_later(struct sel_source *source, struct sel_bmc *bmc, int code);
const char *sel_bmc_name(const struct sel_bmc *bmc, uint8_t number); /* NULL: not asked yet. */
void sel_bmc_name_add(struct sel_bmc *bmc, uint8_t number, const char *text);

/* The mark after records were read that follow it (restarted: that do not). Pure. */
void sel_mark_next(const struct sel_mark *mark, bool restarted,
                   uint8_t (*records)[SEL_RECORD_BYTES], size_t records_count,
                   struct sel_mark *ret_next);
void sel_mark_write(const struct sel_mark *mark, struct textbuf *out);
bool sel_mark_read(const char *text, struct sel_mark *ret_mark); /* False: it is none. */
/* "the newest first" as the driver takes it. */
void sel_anchors_write(const struct sel_mark *mark,
                       char text[SEL_ANCHORS_MAX * 2 * SEL_RECORD_BYTES + 1]);

/* ---- sel_visit.c ---- */

void sel_visit_begin(struct sel_source *source, struct sel_bmc *bmc);
/* Nothing of it comes back any more; what is on its way to the disk still does. */
void sel_visits_stop(struct sel_source *source);

/* ---- sel_source.c ---- */

void sel_maybe_done(struct sel_source *source);

#endif
