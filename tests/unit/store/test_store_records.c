/* SPDX-License-Identifier: Apache-2.0 */

/* Records: the newest body is kept, the living ones come back, lists filter, the audit trail holds
 * every version. */

#include "store_rig.h"

#include <sqlite3.h>

struct seen {
    size_t count;
    char ids[64][24];
    char bodies[64][64];
};

static int see(void *arg, const struct record *record)
{
    struct seen *seen = arg;
    assert_true(seen->count < 64);
    snprintf(seen->ids[seen->count], 24, "%.*s", (int)record->id.count, record->id.at);
    snprintf(seen->bodies[seen->count], 64, "%.*s", (int)record->body.count, record->body.at);
    seen->count++;
    return 0;
}

static int see_loaded(void *arg, const struct record *record, struct nsh_error *err)
{
    assert_true(record->live);
    return see(arg, record);
}

static struct seen look(struct rig *rig, const struct store_query *query)
{
    struct seen seen = {.count = 0};
    struct store_reader *reader = rig_reader(rig);
    struct nsh_error error = {.code = 0};
    if (store_query(reader, query, see, &seen, &error) < 0) {
        fail_msg("store_query: %s", error.text);
    }
    store_reader_close(reader);
    return seen;
}

static uint64_t audit_count(struct rig *rig)
{
    struct store_reader *reader = rig_reader(rig);
    uint64_t count = 0;
    char head[65];
    struct nsh_error error = {.code = 0};
    if (store_audit_verify(reader, &count, head, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(strlen(head), 64);
    store_reader_close(reader);
    return count;
}

static void test_newest_body_wins(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_add_record(&rig, RECORD_RUN, "r1", true, "waiting", 1, "{\"v\":1}");
    rig_add_record(&rig, RECORD_RUN, "r2", true, "running", 2, "{\"v\":2}");
    rig_add_record(&rig, RECORD_RUN, "r1", true, "running", 3, "{\"v\":3}"); /* Same batch. */
    rig_commit(&rig);
    rig_add_record(&rig, RECORD_RUN, "r2", false, "done", 4, "{\"v\":4}"); /* A later one. */
    rig_commit(&rig);
    struct seen seen = look(&rig, &(struct store_query){.kind = RECORD_RUN});
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.bodies[0], "{\"v\":4}");
    assert_string_equal(seen.bodies[1], "{\"v\":3}");
    assert_int_equal(audit_count(&rig), 4); /* Every version, also the replaced one. */
    rig_done(&rig);
}

/* What the next version says as well is not in the trail, when nobody saw it without that. */
static void test_covered_in_one_commit(void **state)
{
    static const struct {
        bool covers, apart;
        uint64_t audited;
        const char *why;
    } rows[] = {
        {true, false, 2, "the end says when it was sent: one row for both"},
        {false, false, 3, "it says something else"},
        {true, true, 3, "it was durable before"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_init(&rig);
        rig_open(&rig);
        rig_add_record(&rig, RECORD_ACTION, "a1", true, "intended", 1, "{\"v\":1}");
        rig_add_record(&rig, RECORD_ACTION, "a1", true, "sent", 2, "{\"v\":2}");
        if (rows[i].apart) {
            rig_commit(&rig);
        }
        struct record end = {.kind = RECORD_ACTION,
                             .covers = rows[i].covers,
                             .time_ms = 3,
                             .id = TEXT("a1"),
                             .state = TEXT("done"),
                             .body = TEXT("{\"v\":3}")};
        assert_int_equal(store_batch_record(rig.store, &end, NULL), 0);
        rig_commit(&rig);
        struct seen seen = look(&rig, &(struct store_query){.kind = RECORD_ACTION});
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.bodies[0], "{\"v\":3}");
        if (audit_count(&rig) != rows[i].audited) {
            fail_msg("%s", rows[i].why);
        }
        rig_done(&rig);
    }
}

static void test_load_gives_the_living_in_order(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_add_record(&rig, RECORD_ALARM, "b", true, "raised", 1, "{}");
    rig_add_record(&rig, RECORD_ALARM, "a", true, "raised", 2, "{}");
    rig_add_record(&rig, RECORD_ALARM, "gone", true, "raised", 2, "{}");
    rig_add_record(&rig, RECORD_ALARM, "over", true, "raised", 2, "{}");
    rig_add_record(&rig, RECORD_DECISION, "d", true, "refused", 2, "{}"); /* No load kind. */
    rig_commit(&rig);
    rig_add_record(&rig, RECORD_ALARM, "b", true, "raised", 9, "{\"n\":2}"); /* Keeps its place. */
    rig_add_record(&rig, RECORD_ALARM, "over", false, "cleared", 9, "{}");
    struct record gone = {.kind = RECORD_ALARM, .remove = true, .id = TEXT("gone")};
    assert_int_equal(store_batch_record(rig.store, &gone, NULL), 0);
    rig_add_record(&rig, RECORD_META, "clock", true, "", 9, "{}");
    rig_commit(&rig);
    rig_close(&rig);
    rig_open(&rig);
    struct seen seen = {.count = 0};
    assert_int_equal(store_load(rig.store, see_loaded, &seen, NULL), 0);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.ids[0], "b");
    assert_string_equal(seen.bodies[0], "{\"n\":2}");
    assert_string_equal(seen.ids[1], "a");
    assert_string_equal(seen.ids[2], "clock");
    rig_done(&rig);
}

static void test_remove_and_return_in_one_batch(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_add_record(&rig, RECORD_FREEZE, "f1", true, "on", 1, "{\"v\":1}");
    rig_add_record(&rig, RECORD_FREEZE, "f2", true, "on", 1, "{}");
    rig_commit(&rig);
    struct record gone = {.kind = RECORD_FREEZE, .remove = true, .id = TEXT("f1")};
    assert_int_equal(store_batch_record(rig.store, &gone, NULL), 0);
    rig_add_record(&rig, RECORD_FREEZE, "f1", true, "on", 2, "{\"v\":2}");
    rig_commit(&rig);
    struct seen seen = {.count = 0};
    assert_int_equal(store_load(rig.store, see_loaded, &seen, NULL), 0);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.ids[1], "f1"); /* A new object: at the end. */
    assert_string_equal(seen.bodies[1], "{\"v\":2}");
    assert_int_equal(audit_count(&rig), 4);
    rig_done(&rig);
}

static void test_lists(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_add_record(&rig, RECORD_RUN, "run-1", false, "done", 100, "{}");
    rig_add_record(&rig, RECORD_RUN, "run-2", true, "running", 200, "{}");
    rig_add_record(&rig, RECORD_RUN, "run-22", false, "refused", 300, "{}");
    rig_add_record(&rig, RECORD_RUN, "other", true, "running", 400, "{}");
    struct record hostless = {
        .kind = RECORD_RUN, .id = TEXT("z"), .time_ms = 50, .body = TEXT("{}")};
    assert_int_equal(store_batch_record(rig.store, &hostless, NULL), 0);
    rig_commit(&rig);
    static const struct {
        struct store_query query;
        const char *ids;
        const char *why;
    } rows[] = {
        {{.kind = RECORD_RUN}, "other run-22 run-2 run-1 z ", "living and finished, newest first"},
        {{.kind = RECORD_RUN, .id = {"run-2", 5}}, "run-22 run-2 ", "an id is a prefix"},
        {{.kind = RECORD_RUN, .id = {"run-%", 5}}, "", "no wildcard in an id"},
        {{.kind = RECORD_RUN, .host = {"h1", 2}}, "other run-22 run-2 run-1 ", "a host"},
        {{.kind = RECORD_RUN, .host = {"h", 1}}, "", "a host is no prefix"},
        {{.kind = RECORD_RUN, .state = {"running", 7}}, "other run-2 ", "a state"},
        {{.kind = RECORD_RUN, .since_ms = 200}, "other run-22 run-2 ", "since, inclusive"},
        {{.kind = RECORD_RUN, .until_ms = 200}, "run-2 run-1 z ", "until, inclusive"},
        {{.kind = RECORD_RUN, .limit = 2}, "other run-22 ", "a limit"},
        {{.kind = RECORD_RUN, .host = {"h1", 2}, .state = {"done", 4}, .since_ms = 1},
         "run-1 ",
         "all"},
        {{.kind = RECORD_HOLD}, "", "an empty kind"},
        {{.kind = RECORD_RUN, .id = {"'; drop table run; --", 21}}, "", "text is data"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen seen = look(&rig, &rows[i].query);
        char ids[256] = "";
        for (size_t k = 0; k < seen.count; k++) {
            strcat(strcat(ids, seen.ids[k]), " ");
        }
        if (strcmp(ids, rows[i].ids) != 0) {
            fail_msg("%s: got '%s', expected '%s'", rows[i].why, ids, rows[i].ids);
        }
    }
    rig_done(&rig);
}

/* ---- the audit trail
 * ----------------------------------------------------------------------------------------- */

static void tamper(struct rig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(db);
}

static void test_audit_finds_every_change(void **state)
{
    static const struct {
        const char *sql, *named, *why;
    } rows[] = {
        {"UPDATE audit SET body = '{\"v\":9}' WHERE n = 3", "record 3 ", "a changed body"},
        {"UPDATE audit SET time = time + 1 WHERE n = 2", "record 2 ", "a changed time"},
        {"UPDATE audit SET id = id || 'x' WHERE n = 5", "record 5 ", "a changed id"},
        {"UPDATE audit SET kind = 'hold' WHERE n = 1", "record 1 ", "a changed kind"},
        {"UPDATE audit SET hash = zeroblob(32) WHERE n = 4", "record 4 ", "a changed hash"},
        {"UPDATE audit SET hash = x'00' WHERE n = 4", "record 4 ", "a short hash"},
        {"UPDATE audit SET id = 'r1{', body = substr(body, 2) WHERE n = 1", "record 1 ",
         "a character moved over a border"},
        {"DELETE FROM audit WHERE n = 4", "record 5 ", "a deleted row"},
        {"DELETE FROM audit WHERE n = 1", "record 2 ", "the first row deleted"},
        {"UPDATE audit SET n = 100 WHERE n = 2; UPDATE audit SET n = 2 WHERE n = 3;"
         "UPDATE audit SET n = 3 WHERE n = 100",
         "record 2 ", "two rows swapped"},
        {"INSERT INTO audit SELECT n + 1, time, kind, id, body, hash FROM audit WHERE n = 6",
         "record 7 ", "a row put in"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_init(&rig);
        rig_open(&rig);
        for (int k = 1; k <= 6; k++) {
            char id[8];
            snprintf(id, sizeof id, "r%d", k);
            rig_add_record(&rig, RECORD_RUN, id, true, "running", k, "{\"v\":1}");
        }
        rig_commit(&rig);
        rig_close(&rig);
        tamper(&rig, "DROP TRIGGER audit_stays");
        tamper(&rig, rows[i].sql);
        struct store_reader *reader = rig_reader(&rig);
        uint64_t count;
        char head[65];
        struct nsh_error error = {.code = 0};
        int r = store_audit_verify(reader, &count, head, &error);
        if (r != -NSH_CORRUPT || strstr(error.text, rows[i].named) == NULL) {
            fail_msg("%s: %d %s", rows[i].why, r, error.text);
        }
        store_reader_close(reader);
        rig_done(&rig);
    }
}

static void test_audit_is_append_only_and_goes_on_after_a_restart(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_add_record(&rig, RECORD_RUN, "r1", true, "running", 1, "{}");
    rig_commit(&rig);
    rig_close(&rig);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(rig.path, &db), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db, "UPDATE audit SET body = ''", NULL, NULL, NULL),
                         SQLITE_OK);
    sqlite3_close(db);
    rig_open(&rig);
    rig_add_record(&rig, RECORD_RUN, "r1", false, "done", 2, "{}");
    rig_commit(&rig);
    assert_int_equal(audit_count(&rig), 2);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_body_wins),
        cmocka_unit_test(test_covered_in_one_commit),
        cmocka_unit_test(test_load_gives_the_living_in_order),
        cmocka_unit_test(test_remove_and_return_in_one_batch),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_audit_finds_every_change),
        cmocka_unit_test(test_audit_is_append_only_and_goes_on_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
