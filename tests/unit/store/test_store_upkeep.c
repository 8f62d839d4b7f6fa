/* SPDX-License-Identifier: Apache-2.0 */

/* Retention, backup, versions, damaged files, quick opening. */

#include "store_rig.h"

#include <sqlite3.h>
#include <time.h>

#define HOUR_MS 3600000ll
#define DAY_MS (24 * HOUR_MS)
#define NOW_MS                                                                                     \
    (400 * DAY_MS) /* A clock of its own: far behind the real one, which must not matter. */

static struct store_figures figures_of(struct rig *rig)
{
    struct store_figures figures;
    struct store_reader *reader = rig_reader(rig);
    assert_int_equal(store_figures(reader, &figures, NULL), 0);
    store_reader_close(reader);
    return figures;
}

/* Wait until the journal begins at first or later; upkeep looks once a second. */
static void wait_first_seq(struct rig *rig, uint64_t first)
{
    for (int i = 0; i < 100; i++) {
        if (figures_of(rig).first_seq >= first) {
            return;
        }
        rig_news(rig, 100);
    }
    fail_msg("the journal begins at %llu, expected %llu",
             (unsigned long long)figures_of(rig).first_seq, (unsigned long long)first);
}

static void test_journal_goes_by_age(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig.options.journal_keep_ms = HOUR_MS;
    rig_open(&rig);
    rig_add_event(&rig, "a.b", "h1", NOW_MS - 3 * HOUR_MS);
    rig_commit(&rig);
    rig_add_event(&rig, "a.b", "h1", NOW_MS - 2 * HOUR_MS);
    rig_commit(&rig);
    rig_add_event(&rig, "a.b", "h1", NOW_MS - HOUR_MS / 2);
    rig_commit(&rig);
    rig_add_event(&rig, "a.b", "h1", NOW_MS);
    rig_commit(&rig);
    wait_first_seq(&rig, 3);
    assert_int_equal(figures_of(&rig).events, 2);
    assert_int_equal(figures_of(&rig).last_seq, 4);
    rig_done(&rig);
}

static void test_newest_segment_stays_and_numbers_go_on(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig.options.journal_keep_ms = HOUR_MS;
    rig_open(&rig);
    rig_add_event(&rig, "a.b", "h1", 1000);
    rig_commit(&rig);
    rig_add_event(&rig, "a.b", "h1", 1000);
    rig_add_record(&rig, RECORD_META, "clock", true, "", NOW_MS,
                   "{}"); /* Time went on, no events. */
    rig_commit(&rig);
    wait_first_seq(&rig, 2);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(store_next_seq(rig.store), 3);
    rig_done(&rig);
}

static void test_journal_goes_by_size(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig.options.bytes_max = 4 << 20;
    rig_open(&rig);
    char *data = calloc(1, 60000);
    memset(data, 'x', 60000);
    for (int batch = 0; batch < 12; batch++) {
        for (int i = 0; i < 17; i++) {
            struct event event = rig_event(&rig, "a.b", "h1", NOW_MS);
            event.data = (struct text){data, 60000};
            assert_int_equal(store_batch_event(rig.store, &event, NULL), 0);
        }
        rig_commit(&rig);
    }
    wait_first_seq(&rig, 17 * 8 + 1);
    struct store_figures figures = figures_of(&rig);
    assert_int_equal(figures.last_seq, 17 * 12);
    assert_true(figures.events >= 17 * 2); /* No more than needed. */
    free(data);
    rig_done(&rig);
}

static void test_records_go_by_age_but_living_ones_stay(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    for (int i = 0; i < 450; i++) { /* More than one slice. */
        char id[16];
        snprintf(id, sizeof id, "old-%d", i);
        rig_add_record(&rig, RECORD_DECISION, id, false, "refused", NOW_MS - 31 * DAY_MS, "{}");
    }
    rig_add_record(&rig, RECORD_DECISION, "new", false, "refused", NOW_MS - 29 * DAY_MS, "{}");
    rig_add_record(&rig, RECORD_HOLD, "live", true, "held", 1000, "{}");
    rig_add_event(&rig, "a.b", "h1", NOW_MS);
    rig_commit(&rig);
    struct store_figures figures = figures_of(&rig);
    for (int i = 0; i < 300 && figures.records[RECORD_DECISION] > 1; i++) {
        rig_news(&rig, 100);
        figures = figures_of(&rig);
    }
    assert_int_equal(figures.records[RECORD_DECISION], 1);
    assert_int_equal(figures.records[RECORD_HOLD], 1);
    assert_int_equal(figures.audit, 452); /* The trail is never cut. */
    rig_done(&rig);
}

/* ---- backup
 * --------------------------------------------------------------------------------------------------
 */

static int count_event(void *arg, const struct event *event)
{
    (*(int *)arg)++;
    return 0;
}

static void test_backup(void **state)
{
    struct rig rig, copy;
    rig_init(&rig);
    rig_init(&copy);
    rig_open(&rig);
    for (int i = 0; i < 3000; i++) {
        rig_add_event(&rig, "a.b", "h1", NOW_MS);
    }
    rig_add_record(&rig, RECORD_RUN, "r1", true, "running", NOW_MS, "{}");
    rig_commit(&rig);
    struct store_reader *reader = rig_reader(&rig);
    struct nsh_error error = {.code = 0};
    for (int i = 0; i < 5000; i++) { /* A batch is on its way while the copy is made. */
        rig_add_event(&rig, "a.b", "h1", NOW_MS);
    }
    assert_true(store_submit(rig.store));
    if (store_backup(reader, copy.path, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(store_backup(reader, copy.path, &error), -NSH_EXISTS);
    assert_non_null(strstr(error.text, "never overwrites"));
    assert_int_equal(store_backup(reader, "/nowhere/x.db", &error), -NSH_IO);
    store_reader_close(reader);
    rig_open(&copy); /* It is a store: it opens, and goes on. */
    uint64_t next = store_next_seq(copy.store);
    assert_true(next == 3001 || next == 8001);
    int count = 0;
    reader = rig_reader(&copy);
    struct store_events all = {.limit = 100000};
    assert_int_equal(store_events(reader, &all, count_event, &count, &error), 0);
    assert_int_equal(count + 1, next);
    uint64_t audits;
    char head[65];
    assert_int_equal(store_audit_verify(reader, &audits, head, &error), 0);
    assert_int_equal(audits, 1);
    store_reader_close(reader);
    rig_add_event(&copy, "a.b", "h1", NOW_MS);
    rig_commit(&copy);
    DIR *dir = opendir(copy.folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        assert_null(strstr(entry->d_name, ".part-"));
    }
    closedir(dir);
    rig_done(&copy);
    rig_done(&rig);
}

/* ---- versions and damage
 * -------------------------------------------------------------------------------------- */

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(db);
}

static int64_t read_number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static void test_migration(void **state)
{
    static const struct {
        const char *sql, *why;
    } rows[] = {
        {"VACUUM", "version 0: an empty database"},
        {"PRAGMA application_id = 1314080852; PRAGMA journal_mode = WAL",
         "version 0, marked as ours"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_init(&rig);
        run_sql(rig.path, rows[i].sql);
        rig_open(&rig);
        rig_add_event(&rig, "a.b", "h1", NOW_MS);
        rig_commit(&rig);
        rig_close(&rig);
        assert_int_equal(read_number(rig.path, "PRAGMA user_version"), 1);
        assert_int_equal(read_number(rig.path, "PRAGMA application_id"), 0x4e534854);
        assert_int_equal(read_number(rig.path, "SELECT count(*) FROM journal"), 1);
        rig_done(&rig);
    }
}

static void test_a_new_kind_of_record_gets_its_table(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_close(&rig);
    run_sql(rig.path, "DROP TABLE hold");
    rig_open(&rig);
    rig_add_record(&rig, RECORD_HOLD, "x", true, "held", 1, "{}");
    rig_commit(&rig);
    assert_int_equal(figures_of(&rig).records[RECORD_HOLD], 1);
    rig_done(&rig);
}

static char *read_file(const char *path, size_t *ret_count)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *ret_count = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*ret_count + 1);
    assert_int_equal(fread(bytes, 1, *ret_count, file), *ret_count);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

enum damage { HEADER, TAIL, SEGMENT, SCHEMA, FOREIGN, NEWER, NO_DATABASE };

static void damage_file(const char *path, enum damage damage)
{
    size_t count;
    char *bytes = read_file(path, &count);
    if (damage == HEADER) {
        memset(bytes, 'x', 64);
    } else if (damage == TAIL) {
        count = count / 2;
    } else if (damage == SCHEMA) {
        memset(bytes + 100, 0xff, 3996);
    } else if (damage == SEGMENT) {
        char *event = memmem(bytes, count, "power.failed", 12);
        assert_non_null(event);
        memset(event - 30, 0xff, 60);
    } else if (damage == NO_DATABASE) {
        count = (size_t)snprintf(bytes, count, "store = { path = \"/var/lib\"; };\n");
    }
    write_file(path, bytes, count);
    free(bytes);
    if (damage == FOREIGN) {
        unlink(path);
        run_sql(path, "CREATE TABLE bookmarks(x)");
    } else if (damage == NEWER) {
        run_sql(path, "PRAGMA user_version = 99");
    }
}

static void test_damaged_files_are_refused_and_left_alone(void **state)
{
    static const struct {
        enum damage damage;
        int result;
        const char *words, *why;
    } rows[] = {
        {HEADER, -NSH_CORRUPT, "Restore a backup over it", "an overwritten header"},
        {TAIL, -NSH_CORRUPT, "Restore a backup over it", "half a file"},
        {SCHEMA, -NSH_CORRUPT, "Restore a backup over it", "a first page that makes no sense"},
        {SEGMENT, -NSH_CORRUPT, "Restore a backup over it", "a journal segment that does not read"},
        {NO_DATABASE, -NSH_CORRUPT, "Restore a backup over it", "some other file"},
        {FOREIGN, -NSH_INVALID, "of another program", "somebody else's database"},
        {NEWER, -NSH_UNSUPPORTED, "Run the newer nightshift", "a later version"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_init(&rig);
        rig_open(&rig);
        for (int k = 0; k < 200; k++) {
            rig_add_event(&rig, "power.failed", "h1", NOW_MS);
        }
        rig_commit(&rig);
        rig_close(&rig);
        damage_file(rig.path, rows[i].damage);
        size_t before_count, after_count;
        char *before = read_file(rig.path, &before_count);
        struct nsh_error error = {.code = 0};
        int r = rig_try_open(&rig, &error);
        if (r != rows[i].result || strstr(error.text, rows[i].words) == NULL ||
            strstr(error.text, rig.path) == NULL) {
            fail_msg("%s: %d %s", rows[i].why, r, error.text);
        }
        char *after = read_file(rig.path, &after_count);
        if (before_count != after_count || memcmp(before, after, before_count) != 0) {
            fail_msg("%s: the file was changed", rows[i].why);
        }
        free(before);
        free(after);
        rig_done(&rig);
    }
}

static void test_open_errors(void **state)
{
    struct nsh_error error = {.code = 0};
    struct store *store = NULL;
    struct store_options options = {.path = "/nowhere/at/all/s.db"};
    assert_int_equal(store_open(&options, &store, &error), -NSH_IO);
    assert_non_null(strstr(error.text, "folder must exist"));
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open("/nowhere/s.db", &reader, &error), -NSH_IO);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A start reads where the journal ends, not the journal. */
static void test_a_million_events_open_quickly(void **state)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    uint8_t bytes[256];
    struct event event = {.source = TEXT("s"), .type = TEXT("power.failed"), .host = TEXT("h1")};
    size_t count = event_pack(&event, bytes, sizeof bytes);
    for (int batch = 0; batch < 10; batch++) {
        for (int i = 0; i < 100000; i++) {
            assert_int_equal(store_batch_packed(rig.store, bytes, count, NOW_MS, NULL), 0);
        }
        rig_commit(&rig);
    }
    rig_close(&rig);
    double start = seconds();
    rig_open(&rig);
    double took = seconds() - start;
    printf("1000000 events: open in %.1f ms\n", took * 1000);
    assert_int_equal(store_next_seq(rig.store), 1000001);
    assert_true(took < 1.0);
    rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_goes_by_age),
        cmocka_unit_test(test_newest_segment_stays_and_numbers_go_on),
        cmocka_unit_test(test_journal_goes_by_size),
        cmocka_unit_test(test_records_go_by_age_but_living_ones_stay),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_migration),
        cmocka_unit_test(test_a_new_kind_of_record_gets_its_table),
        cmocka_unit_test(test_damaged_files_are_refused_and_left_alone),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_a_million_events_open_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
