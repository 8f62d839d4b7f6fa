/* SPDX-License-Identifier: Apache-2.0 */
/* Counters by source: a message ends in one of them, whatever becomes of it; rows stay over
 * reloads. */

#include "../unit.h"

#include "base/json.h"
#include "source/map/source_push.h"

#include <stdio.h>
#include <string.h>

/* ---- an intake that answers as it is told ---- */

static struct {
    int result;
    bool later; /* The answer comes by answer(). */
    struct intake_batch batch;
    unsigned pushed;
} fake;

int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err)
{
    (void)intake;
    fake.pushed++;
    if (fake.result < 0) {
        return nsh_fail(err, (enum nsh_code) - fake.result, "not now");
    }
    fake.batch = *batch;
    return 0;
}

static void done(void *arg, bool durable, uint32_t duplicates)
{
    *(int *)arg = durable ? (int)duplicates : -1;
}

static uint64_t of(const struct source_figures *figures, enum source_count count)
{
    return figures->counts[count];
}

static void check_sum(struct source_book *book, const char *name, uint64_t received)
{
    struct source_figures figures;
    assert_true(source_book_find(book, name, &figures));
    assert_int_equal(of(&figures, SOURCE_COUNT_received), received);
    assert_int_equal(received, of(&figures, SOURCE_COUNT_accepted) +
                                   of(&figures, SOURCE_COUNT_malformed) + source_dropped(&figures));
}

static void test_deliveries(void **state)
{
    struct source_book *book = NULL;
    struct arena arena = ARENA_INIT;
    struct source_figures figures;
    int answer = 7;
    assert_int_equal(source_book_new(&book, NULL), 0);
    struct source_row *row = source_book_row(book, "am", "webhook");
    struct event items[2] = {{.type = TEXT("a"), .source = TEXT("am")},
                             {.type = TEXT("b"), .source = TEXT("am"), .unmatched = true}};
    const struct source_events events = {
        .items = items, .count = 2, .unmatched = 1, .ignored = 3, .why = "no rule"};
    struct source_delivery delivery = {
        .row = row, .received_ms = 5000, .done = done, .arg = &answer};

    source_count(row, SOURCE_COUNT_received, 1);
    assert_int_equal(source_push(NULL, &events, &delivery, &arena, NULL), 0);
    assert_int_equal(fake.batch.events_count, 2);
    assert_int_equal(answer, 7); /* Not before the commit. */
    source_book_find(book, "am", &figures);
    assert_int_equal(of(&figures, SOURCE_COUNT_events), 0);
    fake.batch.done(fake.batch.arg, true, 1);
    assert_int_equal(answer, 1);
    source_book_find(book, "am", &figures);
    assert_int_equal(of(&figures, SOURCE_COUNT_events), 1);
    assert_int_equal(of(&figures, SOURCE_COUNT_duplicates), 1);
    assert_int_equal(of(&figures, SOURCE_COUNT_unmatched), 1);
    assert_int_equal(of(&figures, SOURCE_COUNT_ignored), 3);
    assert_int_equal(figures.heard_ms, 5000);
    assert_string_equal(figures.why, "no rule");
    check_sum(book, "am", 1);

    source_count(row, SOURCE_COUNT_received, 1); /* The daemon stops before the commit. */
    assert_int_equal(source_push(NULL, &events, &delivery, &arena, NULL), 0);
    fake.batch.done(fake.batch.arg, false, 0);
    assert_int_equal(answer, -1);
    check_sum(book, "am", 2);

    static const struct {
        int result;
        enum source_count count;
    } refusals[] = {{-NSH_LIMIT, SOURCE_COUNT_full},
                    {-NSH_IO, SOURCE_COUNT_store},
                    {-NSH_CANCELLED, SOURCE_COUNT_stopping}};
    for (size_t i = 0; i < ROWS(refusals); i++) {
        struct source_figures before;
        source_book_find(book, "am", &before);
        fake.result = refusals[i].result;
        answer = 7;
        source_count(row, SOURCE_COUNT_received, 1);
        assert_int_equal(source_push(NULL, &events, &delivery, &arena, NULL), refusals[i].result);
        assert_int_equal(answer, 7); /* The caller answers. */
        source_book_find(book, "am", &figures);
        assert_int_equal(of(&figures, refusals[i].count), of(&before, refusals[i].count) + 1);
        check_sum(book, "am", 3 + i);
    }
    fake.result = 0;

    const struct source_events none = {.ignored = 1, .why = "a heartbeat"};
    unsigned pushed = fake.pushed;
    source_count(row, SOURCE_COUNT_received, 1);
    delivery.received_ms = 9000;
    assert_int_equal(source_push(NULL, &none, &delivery, &arena, NULL), 0);
    assert_int_equal(fake.pushed, pushed); /* Nothing to commit, and heard all the same. */
    assert_int_equal(answer, 0);
    source_book_find(book, "am", &figures);
    assert_int_equal(figures.heard_ms, 9000);
    check_sum(book, "am", 6);
    source_book_free(book);
    arena_done(&arena);
}

/* A receiver that drops what it had taken already: a counter that falls is a restart to whoever
 * reads it, and what is booked in pieces is booked too often. */
static void test_totals(void **state)
{
    struct source_book *book = NULL;
    struct source_figures figures;
    assert_int_equal(source_book_new(&book, NULL), 0);
    struct source_row *row = source_book_row(book, "trap", "trap");
    static const struct {
        uint64_t total, shown;
    } rows[] = {{0, 0}, {100, 100}, {100, 100}, {60, 100}, {90, 100}, {101, 101}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        source_count_to(row, SOURCE_COUNT_accepted, rows[i].total);
        assert_true(source_book_find(book, "trap", &figures));
        assert_int_equal(of(&figures, SOURCE_COUNT_accepted), rows[i].shown);
    }
    source_count_to(NULL, SOURCE_COUNT_accepted, 1);
    source_book_free(book);
}

static void test_decode(void **state)
{
    struct source_book *book = NULL;
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct source_format format;
    struct source_events events;
    struct nsh_error err = {0};
    assert_int_equal(source_book_new(&book, NULL), 0);
    struct source_row *row = source_book_row(book, "am", "amqp");
    assert_true(
        source_format_read("alertmanager", NULL, (struct nsh_place){0}, &arena, &diags, &format));
    const struct source_message message = {.name = "am", .received_ms = 3};
    source_count(row, SOURCE_COUNT_received, 1);
    assert_int_equal(source_decode(format.map, "{", 1, &message, row, &arena, &events, &err),
                     -NSH_INVALID);
    check_sum(book, "am", 1);
    static const char empty[] = "{\"alerts\":[]}";
    assert_int_equal(
        source_decode(format.map, empty, sizeof empty - 1, &message, row, &arena, &events, &err),
        0);
    assert_int_equal(events.count, 0);
    diags_done(&diags);
    source_book_free(book);
    arena_done(&arena);
}

static void test_rows(void **state)
{
    struct source_book *book = NULL;
    char name[16];
    assert_int_equal(source_book_new(&book, NULL), 0);
    struct source_row *first = source_book_row(book, "s0", "a");
    source_count(first, SOURCE_COUNT_received, 2);
    for (int i = 0; i < SOURCE_BOOK_MAX; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_non_null(source_book_row(book, name, "b"));
    }
    assert_null(source_book_row(book, "one-more", "b"));
    source_count(NULL, SOURCE_COUNT_received, 1); /* No row, no harm. */
    assert_ptr_equal(source_book_row(book, "s0", "b"), first);
    struct source_figures figures;
    assert_true(source_book_find(book, "s0", &figures));
    assert_int_equal(of(&figures, SOURCE_COUNT_received), 2);
    assert_string_equal(figures.type, "b");
    struct textbuf out = {0};
    source_book_metrics(book, &out);
    assert_non_null(
        strstr(out.at, "nightshift_source_received_total{source=\"s0\",type=\"b\"} 2\n"));
    assert_non_null(strstr(
        out.at, "nightshift_source_dropped_total{source=\"s0\",type=\"b\",reason=\"full\"} 0\n"));
    textbuf_done(&out);
    source_complain(first, 1, "caf\xc3\xa9");
    source_book_free(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_deliveries),
                                       cmocka_unit_test(test_totals), cmocka_unit_test(test_decode),
                                       cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
