/* SPDX-License-Identifier: Apache-2.0 */

/* Events in, events out: order, numbers, filters, splitting, opening again. */

#include "store_rig.h"

struct seen {
    uint64_t seqs[64];
    char hosts[64][16];
    size_t count;
    uint64_t total, first, last;
    bool gap;
};

static int see(void *arg, const struct event *event)
{
    struct seen *seen = arg;
    if (seen->count < 64) {
        seen->seqs[seen->count] = event->seq;
        snprintf(seen->hosts[seen->count], 16, "%.*s", (int)event->host.count, event->host.at);
        seen->count++;
    }
    seen->gap = seen->gap || (seen->total > 0 && event->seq != seen->last + 1);
    seen->first = seen->total == 0 ? event->seq : seen->first;
    seen->last = event->seq;
    seen->total++;
    return 0;
}

static struct seen look(struct rig *rig, const struct store_events *query)
{
    struct seen seen = {.count = 0};
    struct store_reader *reader = rig_reader(rig);
    struct nsh_error error = {.code = 0};
    if (store_events(reader, query, see, &seen, &error) < 0) {
        fail_msg("store_events: %s", error.text);
    }
    store_reader_close(reader);
    return seen;
}

static void test_order_and_filters(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    assert_int_equal(store_next_seq(rig.store), 1);
    assert_false(store_submit(rig.store)); /* Nothing to write. */
    rig_add_event(&rig, "power.failed", "h1", 1000);
    rig_add_event(&rig, "power.restored", "h2", 2000);
    rig_commit(&rig);
    rig_add_event(&rig, "fan.failed", "h1", 3000);
    rig_commit(&rig);
    static const struct {
        struct store_events query;
        size_t count;
        uint64_t seqs[3];
        const char *why;
    } rows[] = {
        {{.after_seq = 0}, 3, {3, 2, 1}, "newest first, over segments and inside them"},
        {{.after_seq = 1}, 2, {2, 3}, "rising, from inside a segment"},
        {{.after_seq = 3}, 0, {0}, "nothing after the last"},
        {{.after_seq = 99}, 0, {0}, "far behind the end"},
        {{.limit = 1}, 1, {3}, "a limit"},
        {{.host = {"h1", 2}}, 2, {3, 1}, "one host"},
        {{.type = {"power.*", 7}}, 2, {2, 1}, "a glob"},
        {{.type = {"fan.failed", 10}}, 1, {3}, "a type"},
        {{.type = {"fan", 3}}, 0, {0}, "a type is no prefix"},
        {{.since_ms = 2000}, 2, {3, 2}, "since, inclusive"},
        {{.unmatched = true}, 0, {0}, "only those that no mapping knew"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen seen = look(&rig, &rows[i].query);
        if (seen.count != rows[i].count || memcmp(seen.seqs, rows[i].seqs, 8 * seen.count) != 0) {
            fail_msg("%s: %zu events, first %llu", rows[i].why, seen.count,
                     (unsigned long long)seen.seqs[0]);
        }
    }
    rig_done(&rig);
}

static void test_packed_and_reopened(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct event event = rig_event(&rig, "power.failed", "h9", 1234);
    event.seq = 0; /* As a receiver packs it. */
    event.unmatched = true;
    uint8_t bytes[1024];
    size_t count = event_pack(&event, bytes, sizeof bytes);
    assert_int_equal(store_batch_packed(rig.store, bytes, count, 1234, NULL), 0);
    assert_int_equal(store_batch_packed(rig.store, bytes, count, 1235, NULL), 0);
    rig_commit(&rig);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(store_next_seq(rig.store), 3);
    rig_add_event(&rig, "power.failed", "h9", 5);
    rig_commit(&rig);
    struct seen seen = look(&rig, &(struct store_events){.host = TEXT("h9")});
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.seqs[0], 3);
    assert_int_equal(seen.seqs[2], 1);
    assert_int_equal(look(&rig, &(struct store_events){.unmatched = true}).count, 2);
    rig_done(&rig);
}

static void test_large_batch_is_split(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    char host[16];
    for (int i = 0; i < 30000; i++) {
        snprintf(host, sizeof host, "h%d", i % 700);
        rig_add_event(&rig, i == 12345 ? "rare.thing" : "power.failed", host, i);
    }
    rig_commit(&rig);
    struct seen all = look(&rig, &(struct store_events){.after_seq = 1, .limit = 100000});
    assert_int_equal(all.total, 29999);
    assert_false(all.gap);
    struct seen rare = look(&rig, &(struct store_events){.type = TEXT("rare.thing")});
    assert_int_equal(rare.count, 1);
    assert_int_equal(rare.seqs[0], 12346);
    struct seen host_seen = look(&rig, &(struct store_events){.host = TEXT("h699"), .limit = 3});
    assert_int_equal(host_seen.count, 3);
    assert_int_equal(host_seen.seqs[0], 29400); /* The newest i with i % 700 == 699 is 29399. */
    struct store_reader *reader = rig_reader(&rig);
    struct store_figures figures;
    assert_int_equal(store_figures(reader, &figures, NULL), 0);
    assert_int_equal(figures.events, 30000);
    assert_int_equal(figures.first_seq, 1);
    assert_int_equal(figures.last_seq, 30000);
    store_reader_close(reader);
    rig_done(&rig);
}

static void test_full_batch_is_refused(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    char *data = calloc(1, 60000);
    struct event event = rig_event(&rig, "big.one", "h1", 1);
    memset(data, 'x', 60000);
    event.data = (struct text){data, 60000};
    int r = 0;
    uint64_t count = 0;
    struct nsh_error error = {.code = 0};
    while ((r = store_batch_event(rig.store, &event, &error)) == 0) {
        count++;
        event.seq = store_next_seq(rig.store);
    }
    assert_int_equal(r, -NSH_LIMIT);
    assert_in_range(count, 1000, 1200);
    assert_non_null(strstr(error.text, "64 MiB"));
    assert_int_equal(store_next_seq(rig.store), count + 1); /* The refused one has no number. */
    rig_commit(&rig);
    assert_int_equal(store_batch_event(rig.store, &event, NULL), 0);
    rig_commit(&rig);
    free(data);
    rig_done(&rig);
}

static void test_one_daemon_for_one_store(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct store *second = NULL;
    struct nsh_error error = {.code = 0};
    assert_int_equal(store_open(&rig.options, &second, &error), -NSH_BUSY);
    assert_non_null(strstr(error.text, "in use by process"));
    rig_done(&rig);
}

static void test_close_commits_what_was_submitted(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_add_event(&rig, "a.b", "h1", 1);
    assert_true(store_submit(rig.store));
    rig_add_event(&rig, "a.b", "h1", 1); /* Not submitted: nobody was told that it is safe. */
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(store_next_seq(rig.store), 2);
    rig_done(&rig);
}

struct recent {
    size_t count, calls;
    uint64_t first, last;
    bool gap;
    size_t stop_after;
};

static int see_recent(void *arg, const struct event *events, size_t count, struct nsh_error *err)
{
    struct recent *recent = arg;
    recent->calls++;
    for (size_t i = 0; i < count; i++) {
        recent->gap = recent->gap || (recent->count > 0 && events[i].seq != recent->last + 1);
        recent->first = recent->count == 0 ? events[i].seq : recent->first;
        recent->last = events[i].seq;
        recent->count++;
    }
    return recent->calls == recent->stop_after ? nsh_fail(err, NSH_LIMIT, "enough") : 0;
}

/* Ten commits of 100 events, one a second: whole segments, oldest first, no older ones. */
static void test_recent(void **state)
{
    static const struct {
        int64_t since_ms;
        uint64_t events_max;
        size_t count;
        const char *why;
    } rows[] = {
        {0, UINT64_MAX, 1000, "all"},
        {9000, UINT64_MAX, 200, "since, inclusive"},
        {9001, UINT64_MAX, 100, "the last second"},
        {11000, UINT64_MAX, 0, "nothing so new"},
        {0, 250, 300, "bounded: whole segments"},
        {0, 0, 0, "none wanted"},
    };
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct recent none = {0};
    assert_int_equal(store_recent(rig.store, 0, 10, see_recent, &none, NULL), 0);
    assert_int_equal(none.calls, 0);
    for (int second = 1; second <= 10; second++) {
        for (int i = 0; i < 100; i++) {
            rig_add_event(&rig, "power.failed", "h1", second * 1000);
        }
        rig_commit(&rig);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct recent recent = {0};
        struct nsh_error err = {0};
        int r = store_recent(rig.store, rows[i].since_ms, rows[i].events_max, see_recent, &recent,
                             &err);
        if (r < 0 || recent.count != rows[i].count || recent.gap ||
            (recent.count > 0 && recent.last != 1000)) {
            fail_msg("%s: %zu events to %llu %s", rows[i].why, recent.count,
                     (unsigned long long)recent.last, err.text);
        }
    }
    struct recent stopped = {.stop_after = 2};
    assert_int_equal(store_recent(rig.store, 0, 1000, see_recent, &stopped, NULL), -NSH_LIMIT);
    assert_int_equal(stopped.calls, 2);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_filters),
        cmocka_unit_test(test_packed_and_reopened),
        cmocka_unit_test(test_large_batch_is_split),
        cmocka_unit_test(test_recent),
        cmocka_unit_test(test_full_batch_is_refused),
        cmocka_unit_test(test_one_daemon_for_one_store),
        cmocka_unit_test(test_close_commits_what_was_submitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
