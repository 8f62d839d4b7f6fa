/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_BOOK_H
#define SOURCE_MAP_SOURCE_BOOK_H

/*
 * What is known of every source by its name: exact counters (source_counters.def), when it was
 * heard last, what was wrong last. A row stays as long as the daemon runs, so that a reload loses
 * no count. Any thread.
 */

#include "abi/error.h"
#include "base/text.h"

#include <stdatomic.h>

#define SOURCE_BOOK_MAX 256 /* Rows. */
#define SOURCE_NAME_BYTES_MAX 64
#define SOURCE_WHY_BYTES_MAX 240

enum source_count {
#define SOURCE_COUNTER(name, help) SOURCE_COUNT_##name,
#define SOURCE_DROP(name, reason, help) SOURCE_COUNT_##name,
#include "source/map/source_counters.def"
#undef SOURCE_COUNTER
#undef SOURCE_DROP
    SOURCE_COUNTS_COUNT
};

struct source_row;
struct source_book;

int source_book_new(struct source_book **ret_book, struct nsh_error *err);
void source_book_free(struct source_book *book);

/* The row of that name, made when there is none; NULL: SOURCE_BOOK_MAX rows, or no memory. The
 * type's name must be a literal. */
struct source_row *source_book_row(struct source_book *book, const char *name, const char *type);

/* row may be NULL: nothing is counted. */
void source_count(struct source_row *row, enum source_count count, uint64_t times);
/* The same of who counts himself: so many it is in all. What he takes back again (an event that was
 * taken, and dropped later) waits until as many more have come: a counter never falls. One thread.
 */
void source_count_to(struct source_row *row, enum source_count count, uint64_t total);
/* It was heard, at this engine time: also by a message that makes no event. */
void source_heard(struct source_row *row, int64_t now_ms);
int64_t source_heard_ms(const struct source_row *row); /* 0: never, or row is NULL. */
/* What was wrong, for whoever looks. */
void source_complain(struct source_row *row, int64_t now_ms, const char *why);

struct source_figures {
    char name[SOURCE_NAME_BYTES_MAX];
    const char *type;
    uint64_t counts[SOURCE_COUNTS_COUNT];
    int64_t heard_ms; /* 0: never. */
    int64_t why_ms;
    char why[SOURCE_WHY_BYTES_MAX];
};

/* Row number index as it is now; false past the end. */
bool source_book_at(struct source_book *book, size_t index, struct source_figures *ret_figures);
bool source_book_find(struct source_book *book, const char *name,
                      struct source_figures *ret_figures);
/* All messages that were not taken. */
uint64_t source_dropped(const struct source_figures *figures);
const char *source_count_word(enum source_count count); /* "duplicates", "denied" */

/* Prometheus text of all rows: nightshift_source_received_total{source="..",type=".."}. */
void source_book_metrics(struct source_book *book, struct textbuf *out);
/* Members of a JSON object, with a comma in front of each: "received":1,...,"dropped":{...},
 * "heard_ms":... */
void source_figures_json(const struct source_figures *figures, struct textbuf *out);

#endif
