/* SPDX-License-Identifier: Apache-2.0 */
/* What rows mean: counters that go round or begin anew, sensors with their scale, states that turn,
 * are gone, came back between two reads. */

#include "poll_rig.h"

#define IF "1.3.6.1.2.1.2.2.1."
#define IFX "1.3.6.1.2.1.31.1.1.1."

static struct poll_memory memory;
static struct poll_rows rows;

static int setup(void **state)
{
    memory = (struct poll_memory){0};
    rows = (struct poll_rows){0};
    return 0;
}

static int teardown(void **state)
{
    poll_memory_done(&memory);
    poll_rows_done(&rows);
    arena_done(&rig_arena);
    return 0;
}

struct port {
    uint32_t index;
    const char *name;
    int oper, admin;
    uint64_t errors;
    int64_t changed;
};

static const struct poll_table *ports_put(const struct port *ports, size_t count)
{
    const struct poll_table *table = rig_table("interfaces", "ifTable");
    poll_rows_begin(&rows, table->columns_count);
    for (size_t i = 0; i < count; i++) {
        rig_put(&rows, table, ports[i].index, IFX "1", rig_text(ports[i].name));
        rig_put(&rows, table, ports[i].index, IF "8", rig_int(ports[i].oper));
        rig_put(&rows, table, ports[i].index, IF "7", rig_int(ports[i].admin));
        rig_put(&rows, table, ports[i].index, IF "9", rig_int(ports[i].changed));
        rig_put(&rows, table, ports[i].index, IF "14", rig_count(ports[i].errors));
    }
    return table;
}

static const char *ports_mean(const struct port *ports, size_t count, const char *only)
{
    const struct poll_table *table = ports_put(ports, count);
    return rig_mean(&memory, table, &rows, only, true);
}

#define NONE "no metric at all"

static void test_states(void **state)
{
    static const struct {
        struct port ports[2];
        size_t count;
        const char *told, *why;
    } reads[] = {
        {{{1, "e1", 1, 1, 0, 0}, {2, "e2", 1, 1, 0, 0}}, 2, "", "well at first is no news"},
        {{{1, "e1", 2, 1, 0, 0}, {2, "e2", 1, 1, 0, 0}},
         2,
         "major network.link.down if/1: interface e1 (1) is down; ",
         "down"},
        {{{1, "e1", 2, 1, 0, 0}, {2, "e2", 1, 1, 0, 0}}, 2, "", "still down: told once"},
        {{{1, "e1", 2, 2, 0, 0}, {2, "e2", 2, 2, 0, 0}},
         2,
         "clear network.link.down if/1: interface e1 (1) is down; ",
         "somebody switched them off: no alarm, and the one that was is over"},
        {{{1, "e1", 7, 1, 0, 0}, {2, "e2", 4, 1, 0, 0}},
         2,
         "major network.link.down if/1: interface e1 (1) is lowerLayerDown; ",
         "of the layer below; unknown says nothing"},
        {{{2, "e2", 1, 1, 0, 0}},
         1,
         "clear network.link.down if/1: interface  (1) is gone; ",
         "a row that is gone"},
        {{{2, "e2", 1, 1, 0, 50}},
         1,
         "clear network.link.down if/2: interface e2 (2) is up; ",
         "it was down between two reads: a trap may have said so"},
        {{{2, "e2", 1, 1, 0, 50}}, 1, "", "and that once"},
        {{{2, "e9", 2, 1, 0, 60}},
         1,
         "major network.link.down if/2: interface e9 (2) is down; ",
         "the index is another interface's now"},
    };
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        const char *told = ports_mean(reads[i].ports, reads[i].count, NONE);
        if (strcmp(told, reads[i].told) != 0) {
            fail_msg("read %zu (%s): told '%s', wanted '%s'", i, reads[i].why, told, reads[i].told);
        }
    }
}

static void test_bad_at_first_and_again(void **state)
{
    static const struct port down[] = {{7, "e7", 2, 1, 0, 0}};
    const struct poll_table *table = ports_put(down, 1);
    assert_string_equal(rig_mean(&memory, table, &rows, NONE, false),
                        "major network.link.down if/7: interface e7 (7) is down; ");
    /* Not durable: again. */
    assert_string_equal(rig_mean(&memory, table, &rows, NONE, true),
                        "major network.link.down if/7: interface e7 (7) is down; ");
    assert_string_equal(rig_mean(&memory, table, &rows, NONE, true), "");
    assert_true(poll_memory_bad(&memory, table, 0, TEXT("if/7")));
    assert_false(poll_memory_bad(&memory, table, 0, TEXT("if/8")));
    assert_int_equal(poll_memory_bad_count(&memory), 1);
    /* A table that was cut says nothing of rows that are not in it. */
    poll_rows_begin(&rows, table->columns_count);
    rows.cut = true;
    assert_string_equal(rig_mean(&memory, table, &rows, NONE, true), "");
}

struct standing {
    struct rig_turns turns;
    uint32_t left; /* So many more are told of this read. */
    int64_t count; /* Told bad, and not well. */
};

static void told_some(void *arg, const struct poll_turn *turn)
{
    struct standing *standing = arg;
    const struct rig_turns *turns = &standing->turns;
    bool durable = standing->left > 0;
    standing->left -= durable;
    standing->count += !durable ? 0 : turn->raise ? 1 : -1;
    poll_turn_told(turns->memory, turns->table, turn->entry, turn->state, turn->raise, durable);
}

/* An agent whose table is longer than what is read, with other rows at each read, all of them bad;
 * of each read no more is told than the source tells at once. */
static void test_memory_is_bounded(void **state)
{
    enum { READS = 8, TOLD_MAX = 2048 };
    const struct poll_table *table = rig_table("interfaces", "ifTable");
    const struct sample_sink sink = {rig_on_labels, rig_on_value, (void *)(uintptr_t)NONE};
    struct standing standing = {.turns = {&memory, table, true}};
    for (uint32_t read = 0; read < READS; read++) {
        struct arena arena = ARENA_INIT;
        struct poll_meaning meaning = {
            .memory = &memory, .table = table, .rows = &rows, .arena = &arena};
        poll_rows_begin(&rows, table->columns_count);
        for (uint32_t i = 0; i <= POLL_ROWS_MAX; i++) {
            rig_put(&rows, table, read * (POLL_ROWS_MAX + 1) + i, IF "8", rig_int(2));
        }
        assert_true(rows.cut);
        standing.left = TOLD_MAX;
        poll_mean_samples(&meaning, &sink);
        poll_mean_states(&meaning, told_some, &standing);
        arena_done(&arena);
        assert_in_range(poll_memory_bad_count(&memory), POLL_ROWS_MAX, 2 * POLL_ROWS_MAX);
        assert_true(standing.count <= 2 * POLL_ROWS_MAX);
    }
}

static void test_counters(void **state)
{
    static const struct {
        const char *name;
        uint64_t raw;
        bool restart;
        const char *value, *why;
    } reads[] = {
        {"e1", 4294967290, false, "4294967290", "as it is"},
        {"e1", 10, false, "4294967306", "32 bits went round"},
        {"e1", 9, false, "8589934601", "and again"},
        {"e1", 9, false, "8589934601", "the same is no round"},
        {"e1", 3, true, "3", "after a restart it begins anew, and falls for those who watch"},
        {"e1", 5, false, "5", "and counts from there"},
        {"e1", 1, false, "4294967297", "a restart is one: then 32 bits go round again"},
        {"e2", 1, false, "1", "another interface has its index"},
    };
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        char wanted[128];
        const struct port port = {1, reads[i].name, 1, 1, reads[i].raw, 0};
        if (reads[i].restart) {
            poll_memory_restart(&memory);
        }
        snprintf(wanted, sizeof wanted, "snmp_interface_in_errors_total,%s=%s ", reads[i].name,
                 reads[i].value);
        const char *told = ports_mean(&port, 1, "in_errors");
        if (strcmp(told, wanted) != 0) {
            fail_msg("%s: '%s', wanted '%s'", reads[i].why, told, wanted);
        }
    }
}

/* The agent says that the counters of a row began anew, without a restart: that is no round. */
static void test_discontinuity(void **state)
{
    static const struct {
        uint64_t raw, stamp;
        const char *value, *why;
    } reads[] = {
        {100, 0, "100", "as it is"},
        {20, 500, "20", "lower, and with another stamp: it began anew"},
        {10, 500, "4294967306", "lower, with the same stamp: it went round"},
    };
    for (size_t i = 0; i < ROWS(reads); i++) {
        char wanted[128];
        const struct port port = {1, "e1", 1, 1, reads[i].raw, 0};
        const struct poll_table *table = ports_put(&port, 1);
        rig_put(&rows, table, 1, IFX "19", rig_int((int64_t)reads[i].stamp));
        snprintf(wanted, sizeof wanted, "snmp_interface_in_errors_total,e1=%s ", reads[i].value);
        const char *told = rig_mean(&memory, table, &rows, "in_errors", true);
        if (strcmp(told, wanted) != 0) {
            fail_msg("%s: '%s', wanted '%s'", reads[i].why, told, wanted);
        }
    }
}

/*
 * What is told by reads that follow each other, of one interface: oper 0 is not said by the agent,
 * silent ones are told by nobody yet.
 */
static void test_reads_in_a_row(void **state)
{
    static const struct {
        int oper;
        int64_t changed;
        const char *told, *why;
    } reads[] = {
        {1, 50, "", "that its state changed before the first read is no news"},
        {0, 90, "", "an agent that does not say says neither up nor down"},
        {2, 90, "major network.link.down if/1: interface e1 (1) is down; ", "down"},
        {0, 90, "", "and does not end what was bad"},
        {1, 99, "clear network.link.down if/1: interface e1 (1) is up; ", "up"},
    };
    for (size_t i = 0; i < ROWS(reads); i++) {
        const struct poll_table *table = rig_table("interfaces", "ifTable");
        poll_rows_begin(&rows, table->columns_count);
        rig_put(&rows, table, 1, IFX "1", rig_text("e1"));
        rig_put(&rows, table, 1, IF "9", rig_int(reads[i].changed));
        if (reads[i].oper != 0) {
            rig_put(&rows, table, 1, IF "8", rig_int(reads[i].oper));
        }
        const char *told = rig_mean(&memory, table, &rows, NONE, true);
        if (strcmp(told, reads[i].told) != 0) {
            fail_msg("%s: '%s', wanted '%s'", reads[i].why, told, reads[i].told);
        }
    }
}

static void count_turn(void *arg, const struct poll_turn *turn)
{
    struct poll_entry **entry = arg;
    assert_null(*entry); /* Not while it is on its way. */
    *entry = turn->entry;
}

static void test_told_once_while_on_its_way(void **state)
{
    const struct port down = {7, "e7", 2, 1, 0, 0};
    const struct poll_table *table = ports_put(&down, 1);
    const struct sample_sink sink = {rig_on_labels, rig_on_value, (void *)(uintptr_t)NONE};
    struct poll_entry *entry = NULL;
    struct poll_meaning meaning = {
        .memory = &memory, .table = table, .rows = &rows, .arena = &rig_arena};
    rig_clear();
    for (size_t i = 0; i < 2; i++) {
        poll_mean_samples(&meaning, &sink);
        poll_mean_states(&meaning, count_turn, &entry);
        assert_non_null(entry);
    }
    poll_rows_begin(&rows, table->columns_count); /* The row is gone, and nobody knows yet. */
    poll_mean_samples(&meaning, &sink);
    poll_mean_states(&meaning, count_turn, &entry);
    poll_turn_told(&memory, table, entry, 0, true, true);
    entry = NULL;
    for (size_t i = 0; i < 2; i++) { /* That it is gone is on its way as well. */
        poll_mean_samples(&meaning, &sink);
        poll_mean_states(&meaning, count_turn, &entry);
        assert_non_null(entry);
    }
    poll_turn_told(&memory, table, entry, 0, false, false);
    assert_string_equal(rig_mean(&memory, table, &rows, NONE, true),
                        "clear network.link.down if/7: interface  (7) is gone; ");
}

/* A resource out of a label that is another by now: what was raised is cleared by its old name. */
static void test_raised_name_is_cleared(void **state)
{
    const struct poll_table *table = rig_table("linux", "dskTable");
    static const char error_flag[] = "1.3.6.1.4.1.2021.9.1.100", path[] = "1.3.6.1.4.1.2021.9.1.2";
    static const struct {
        const char *path;
        int flag;
        const char *told;
    } reads[] = {
        {"a", 1, "major filesystem.full disk/a"},
        {"b", 1, ""},
        {"b", 0, "clear filesystem.full disk/a"},
        {"b", 1, "major filesystem.full disk/b"},
    };
    for (size_t i = 0; i < ROWS(reads); i++) {
        poll_rows_begin(&rows, table->columns_count);
        rig_put(&rows, table, 1, path, rig_text(reads[i].path));
        rig_put(&rows, table, 1, error_flag, rig_int(reads[i].flag));
        const char *told = rig_mean(&memory, table, &rows, NONE, true);
        if (strncmp(told, reads[i].told, strlen(reads[i].told)) != 0 ||
            (reads[i].told[0] == '\0' && told[0] != '\0')) {
            fail_msg("read %zu: '%s', wanted '%s'", i, told, reads[i].told);
        }
    }
}

static void test_wide_before_narrow(void **state)
{
    const struct poll_table *table = rig_table("interfaces", "ifTable");
    poll_rows_begin(&rows, table->columns_count);
    rig_put(&rows, table, 1, IFX "1", rig_text("e1"));
    rig_put(&rows, table, 1, IF "10", rig_count(7));
    assert_string_equal(rig_mean(&memory, table, &rows, "in_bytes", true),
                        "snmp_interface_in_bytes_total,e1=7 ");
    rig_put(&rows, table, 1, IFX "6",
            (struct poll_value){.type = POLL_COUNTER64, .natural = UINT64_C(1) << 40});
    rig_put(&rows, table, 1, IFX "18", rig_text("up\x01link \xff"));
    assert_string_equal(rig_mean(&memory, table, &rows, "in_bytes", true),
                        "snmp_interface_in_bytes_total,e1,up?link ?=1099511627776 ");
}

static void test_sensors(void **state)
{
    const struct poll_table *table = rig_table("sensors", "entPhySensorTable");
    static const char sensor[] = "1.3.6.1.2.1.99.1.1.1.";
    static const struct {
        int type, scale, precision, value, status;
        const char *told, *why;
    } rows_of[] = {
        {8, 9, 1, 235, 1, "snmp_sensor_celsius,S=23.5 ", "one digit after the point"},
        {8, 8, 0, 23500, 1, "snmp_sensor_celsius,S=23.5 ", "thousandths"},
        {6, 10, 0, 2, 1, "snmp_sensor_watts,S=2000 ", "thousands"},
        {10, 9, 0, 4200, 1, "snmp_sensor_rpm,S=4200 ", "fans"},
        {8, 9, 0, 99, 2, "", "unavailable: its value is none"},
        {8, 9, 0, 99, 3, "minor sensor.failed sensor/4: sensor S is nonoperational; ",
         "broken: an alarm, and no value"},
    };
    for (size_t i = 0; i < sizeof rows_of / sizeof rows_of[0]; i++) {
        const int cells[] = {rows_of[i].type, rows_of[i].scale, rows_of[i].precision,
                             rows_of[i].value, rows_of[i].status};
        poll_rows_begin(&rows, table->columns_count);
        rig_put(&rows, table, 4, "1.3.6.1.2.1.47.1.1.1.1.7", rig_text("S"));
        for (uint32_t c = 0; c < 5; c++) {
            char oid[64];
            snprintf(oid, sizeof oid, "%s%u", sensor, c + 1);
            rig_put(&rows, table, 4, oid, rig_int(cells[c]));
        }
        const char *told = rig_mean(&memory, table, &rows, NULL, true);
        if (strcmp(told, rows_of[i].told) != 0) {
            fail_msg("%s: '%s', wanted '%s'", rows_of[i].why, told, rows_of[i].told);
        }
    }
}

static void test_ups(void **state)
{
    const struct poll_table *battery = rig_table("ups", "upsBattery");
    const struct poll_table *alarms = rig_table("ups", "upsAlarmTable");
    poll_rows_begin(&rows, battery->columns_count);
    rig_put(&rows, battery, 0, "1.3.6.1.2.1.33.1.4.1", rig_int(5));
    rig_put(&rows, battery, 0, "1.3.6.1.2.1.33.1.2.1", rig_int(3));
    assert_string_equal(rig_mean(&memory, battery, &rows, NONE, true),
                        "major ups.on-battery : the output comes from battery; "
                        "major battery.failed battery: the battery is low; ");
    rig_put(&rows, battery, 0, "1.3.6.1.2.1.33.1.2.1", rig_int(4));
    for (int i = 0; i < 2; i++) { /* Not durable: again. */
        assert_string_equal(rig_mean(&memory, battery, &rows, NONE, i == 1),
                            "critical battery.failed battery: the battery is depleted; ");
    }
    assert_string_equal(rig_mean(&memory, battery, &rows, NONE, true), "");
    poll_rows_begin(&rows, alarms->columns_count);
    rig_put(&rows, alarms, 1, "1.3.6.1.2.1.33.1.6.2.1.2",
            (struct poll_value){.type = POLL_OID, .octets = TEXT("1.3.6.1.2.1.33.1.6.3.2")});
    assert_string_equal(rig_mean(&memory, alarms, &rows, NONE, true),
                        "major ups.alarm alarm/1.3.6.1.2.1.33.1.6.3.2: the UPS has the alarm "
                        "1.3.6.1.2.1.33.1.6.3.2; ");
    poll_rows_begin(&rows, alarms->columns_count);
    assert_string_equal(rig_mean(&memory, alarms, &rows, NONE, true),
                        "clear ups.alarm alarm/1.3.6.1.2.1.33.1.6.3.2: the UPS has the alarm ; ");
}

/* Names of agents: the first that says something, cut between characters. */
static void test_names(void **state)
{
    char name[302] = "";
    const struct poll_table *table = ports_put(NULL, 0);
    rig_put(&rows, table, 1, IFX "1", rig_text(""));
    rig_put(&rows, table, 1, IF "2", rig_text("Ethernet 1"));
    rig_put(&rows, table, 1, IF "8", rig_int(2));
    assert_string_equal(rig_mean(&memory, table, &rows, NONE, true),
                        "major network.link.down if/1: interface Ethernet 1 (1) is down; ");
    for (uint32_t i = 0; i < 2; i++) { /* One of both is cut within a character. */
        for (size_t at = i; at + 2 < sizeof name; at += 2) {
            memcpy(name + at, "\xc3\xa9", 2);
        }
        name[0] = i == 0 ? name[0] : 'x';
        poll_rows_begin(&rows, table->columns_count);
        rig_put(&rows, table, 2 + i, IFX "1", rig_text(name));
        rig_put(&rows, table, 2 + i, IF "8", rig_int(2));
        const char *told = rig_mean(&memory, table, &rows, NONE, true);
        assert_true(text_is_utf8(told, strlen(told)));
    }
}

static void test_storage(void **state)
{
    const struct poll_table *table = rig_table("host", "hrStorageTable");
    poll_rows_begin(&rows, table->columns_count);
    rig_put(&rows, table, 31, "1.3.6.1.2.1.25.2.3.1.3", rig_text("/"));
    rig_put(&rows, table, 31, "1.3.6.1.2.1.25.2.3.1.4", rig_int(4096));
    rig_put(&rows, table, 31, "1.3.6.1.2.1.25.2.3.1.5", rig_int(-1));
    assert_string_equal(rig_mean(&memory, table, &rows, NULL, true),
                        "snmp_storage_size_bytes,/=17592186040320 "); /* 2^32 - 1 units. */
}

static void test_globs(void **state)
{
    char glob[16];
    poll_template_glob("if/${index}", glob, sizeof glob);
    assert_string_equal(glob, "if/*");
    poll_template_glob("", glob, sizeof glob);
    assert_string_equal(glob, "");
    poll_template_glob("a${b", glob, sizeof glob);
    assert_string_equal(glob, "a${b");
    poll_template_glob("0123456789012345678", glob, sizeof glob);
    assert_string_equal(glob, "012345678901234");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_at_first_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_discontinuity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reads_in_a_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_told_once_while_on_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_raised_name_is_cleared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wide_before_narrow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sensors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_globs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
