/* SPDX-License-Identifier: Apache-2.0 */
/* The rows: counters are atomic, texts and the list are behind one lock. */

#include "source/map/source_book.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct source_row {
    struct source_book *book;
    char name[SOURCE_NAME_BYTES_MAX];
    const char *type;
    atomic_uint_least64_t counts[SOURCE_COUNTS_COUNT];
    atomic_int_least64_t heard_ms;
    int64_t why_ms; /* These under the lock. */
    char why[SOURCE_WHY_BYTES_MAX];
};

struct source_book {
    pthread_mutex_t lock;
    struct source_row *rows[SOURCE_BOOK_MAX];
    size_t count;
};

static const struct {
    const char *word, *help;
    bool drop;
} counts[SOURCE_COUNTS_COUNT] = {
#define SOURCE_COUNTER(name, help) [SOURCE_COUNT_##name] = {#name, help, false},
#define SOURCE_DROP(name, reason, help) [SOURCE_COUNT_##name] = {reason, help, true},
#include "source/map/source_counters.def"
#undef SOURCE_COUNTER
#undef SOURCE_DROP
};

int source_book_new(struct source_book **ret_book, struct nsh_error *err)
{
    struct source_book *book = calloc(1, sizeof *book);
    if (book == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    pthread_mutex_init(&book->lock, NULL);
    *ret_book = book;
    return 0;
}

void source_book_free(struct source_book *book)
{
    if (book == NULL) {
        return;
    }
    for (size_t i = 0; i < book->count; i++) {
        free(book->rows[i]);
    }
    pthread_mutex_destroy(&book->lock);
    free(book);
}

static struct source_row *row_find(struct source_book *book, const char *name)
{
    for (size_t i = 0; i < book->count; i++) {
        if (strcmp(book->rows[i]->name, name) == 0) {
            return book->rows[i];
        }
    }
    return NULL;
}

struct source_row *source_book_row(struct source_book *book, const char *name, const char *type)
{
    pthread_mutex_lock(&book->lock);
    struct source_row *row = row_find(book, name);
    if (row == NULL && book->count < SOURCE_BOOK_MAX) {
        row = calloc(1, sizeof *row);
        if (row != NULL) {
            row->book = book;
            snprintf(row->name, sizeof row->name, "%s", name);
            book->rows[book->count++] = row;
        }
    }
    if (row != NULL) {
        row->type = type;
    }
    pthread_mutex_unlock(&book->lock);
    return row;
}

void source_count(struct source_row *row, enum source_count count, uint64_t times)
{
    if (row != NULL && times > 0) {
        atomic_fetch_add_explicit(&row->counts[count], times, memory_order_relaxed);
    }
}

void source_count_to(struct source_row *row, enum source_count count, uint64_t total)
{
    if (row != NULL && total > atomic_load_explicit(&row->counts[count], memory_order_relaxed)) {
        atomic_store_explicit(&row->counts[count], total, memory_order_relaxed);
    }
}

void source_heard(struct source_row *row, int64_t now_ms)
{
    if (row != NULL) {
        atomic_store_explicit(&row->heard_ms, now_ms, memory_order_relaxed);
    }
}

int64_t source_heard_ms(const struct source_row *row)
{
    return row == NULL ? 0 : atomic_load_explicit(&row->heard_ms, memory_order_relaxed);
}

void source_complain(struct source_row *row, int64_t now_ms, const char *why)
{
    if (row == NULL) {
        return;
    }
    pthread_mutex_lock(&row->book->lock);
    row->why_ms = now_ms;
    snprintf(row->why, sizeof row->why, "%s", why);
    size_t count = strlen(row->why);
    while (count > 0 && !text_is_utf8(row->why, count)) { /* Cut inside a character. */
        row->why[--count] = '\0';
    }
    pthread_mutex_unlock(&row->book->lock);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void row_read(const struct source_row *row, struct source_figures *ret_figures)
{
    memset(ret_figures, 0, sizeof *ret_figures);
    memcpy(ret_figures->name, row->name, sizeof row->name);
    memcpy(ret_figures->why, row->why, sizeof row->why);
    ret_figures->type = row->type;
    ret_figures->why_ms = row->why_ms;
    ret_figures->heard_ms = source_heard_ms(row);
    for (size_t i = 0; i < SOURCE_COUNTS_COUNT; i++) {
        ret_figures->counts[i] = atomic_load_explicit(&row->counts[i], memory_order_relaxed);
    }
}

bool source_book_at(struct source_book *book, size_t index, struct source_figures *ret_figures)
{
    pthread_mutex_lock(&book->lock);
    bool there = index < book->count;
    if (there) {
        row_read(book->rows[index], ret_figures);
    }
    pthread_mutex_unlock(&book->lock);
    return there;
}

bool source_book_find(struct source_book *book, const char *name,
                      struct source_figures *ret_figures)
{
    pthread_mutex_lock(&book->lock);
    const struct source_row *row = row_find(book, name);
    if (row != NULL) {
        row_read(row, ret_figures);
    }
    pthread_mutex_unlock(&book->lock);
    return row != NULL;
}

uint64_t source_dropped(const struct source_figures *figures)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < SOURCE_COUNTS_COUNT; i++) {
        dropped += counts[i].drop ? figures->counts[i] : 0;
    }
    return dropped;
}

const char *source_count_word(enum source_count count)
{
    return counts[count].word;
}

static void metric_rows(struct source_book *book, size_t count, struct textbuf *out)
{
    struct source_figures figures;
    for (size_t i = 0; source_book_at(book, i, &figures); i++) {
        textbuf_addf(out, "nightshift_source_%s_total{source=\"%s\",type=\"%s\"",
                     counts[count].drop ? "dropped" : counts[count].word, figures.name,
                     figures.type);
        if (counts[count].drop) {
            textbuf_addf(out, ",reason=\"%s\"", counts[count].word);
        }
        textbuf_addf(out, "} %llu\n", (unsigned long long)figures.counts[count]);
    }
}

void source_book_metrics(struct source_book *book, struct textbuf *out)
{
    bool dropped_told = false;
    for (size_t i = 0; i < SOURCE_COUNTS_COUNT; i++) {
        const char *word = counts[i].drop ? "dropped" : counts[i].word;
        if (!counts[i].drop || !dropped_told) {
            textbuf_addf(out,
                         "# HELP nightshift_source_%s_total %s\n"
                         "# TYPE nightshift_source_%s_total counter\n",
                         word, counts[i].drop ? "messages not taken, by reason" : counts[i].help,
                         word);
        }
        dropped_told = dropped_told || counts[i].drop;
        metric_rows(book, i, out);
    }
    struct source_figures figures;
    textbuf_add_chars(out, "# HELP nightshift_source_heard_timestamp_seconds when it was heard "
                           "last\n# TYPE nightshift_source_heard_timestamp_seconds gauge\n");
    for (size_t i = 0; source_book_at(book, i, &figures); i++) {
        textbuf_addf(out,
                     "nightshift_source_heard_timestamp_seconds{source=\"%s\",type=\"%s\"} %lld\n",
                     figures.name, figures.type, (long long)(figures.heard_ms / 1000));
    }
}

void source_figures_json(const struct source_figures *figures, struct textbuf *out)
{
    const char *separator = "";
    for (size_t i = 0; i < SOURCE_COUNTS_COUNT; i++) {
        if (!counts[i].drop) {
            textbuf_addf(out, ",\"%s\":%llu", counts[i].word,
                         (unsigned long long)figures->counts[i]);
        }
    }
    textbuf_addf(out, ",\"dropped\":%llu,\"dropped_by\":{",
                 (unsigned long long)source_dropped(figures));
    for (size_t i = 0; i < SOURCE_COUNTS_COUNT; i++) {
        if (counts[i].drop && figures->counts[i] > 0) {
            textbuf_addf(out, "%s\"%s\":%llu", separator, counts[i].word,
                         (unsigned long long)figures->counts[i]);
            separator = ",";
        }
    }
    textbuf_add_char(out, '}');
    if (figures->heard_ms > 0) {
        textbuf_addf(out, ",\"heard_ms\":%lld", (long long)figures->heard_ms);
    }
    if (figures->why[0] != '\0') {
        textbuf_addf(out, ",\"wrong_ms\":%lld,\"wrong\":", (long long)figures->why_ms);
        textbuf_add_json(out, text_of(figures->why));
    }
}
