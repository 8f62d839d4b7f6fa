/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source over a BMC that stands in for the driver: what it is asked, what is told when, and
 * where it goes on after a commit that was lost, a clear, a record that was deleted, a new start.
 * The intake is the real one; the test commits.
 */

#include "../unit.h"

#include "base/json.h"
#include "loop/intake_owner.h"
#include "source/sel/sel_private.h"

#include <stdio.h>
#include <stdlib.h>

#define LOG_MAX 1024
#define TURNS_MAX 100000
#define CLOCK_S 1772445600u

extern const struct source_type source_type_sel;

/* The BMC: a log, and what the driver's verb says of it. */
static struct {
    uint8_t records[LOG_MAX][SEL_RECORD_BYTES];
    size_t count;
    uint32_t added, erased, clock_s;
    int64_t free_bytes;
    bool overflow;
    int fails;                /* The code of every answer; 0: none. */
    bool hangs, endless;      /* endless: there is always more. */
    unsigned readings, names; /* Calls. */
    char seen[SEL_SEEN_BYTES];
} bmc;

/* The world. */
static struct {
    uv_loop_t loop;
    struct intake *intake;
    struct source_services services;
    struct source_config config;
    void *source;
    bool closed, refuses, loses;
    struct source_call call;
    bool calling;
    uint64_t call_number;
    char mark_id[256], mark[1024]; /* What is durable. */
    struct inventory inventory;
    struct host host;
    struct binding binding;
    struct nsh_member address[1];
    struct nsh_member settings[8];
    char told[LOG_MAX][2 * SEL_RECORD_BYTES + 40]; /* Ids of events that are durable. */
    size_t told_count, batches;
    char last[1024], last_host[64];
    int64_t last_ms;
} world;

/* ---- the BMC ---- */

static void log_add(unsigned id, unsigned number)
{
    uint8_t *record = bmc.records[bmc.count++];
    const uint8_t bytes[SEL_RECORD_BYTES] = {(uint8_t)id,
                                             (uint8_t)(id >> 8),
                                             2,
                                             0,
                                             0,
                                             0,
                                             0,
                                             0x20,
                                             0,
                                             4,
                                             0x12,
                                             7,
                                             0x6f,
                                             1,
                                             (uint8_t)(number >> 8),
                                             (uint8_t)number};
    memcpy(record, bytes, sizeof bytes);
    uint32_t time_s = bmc.clock_s - 10;
    memcpy(record + 3, &time_s, 4); /* Little-endian machines; others only date it otherwise. */
    bmc.added++;
}

static void log_clear(void)
{
    bmc.count = 0;
    bmc.erased++;
}

static size_t log_from(const struct nsh_value *args, bool *ret_restarted)
{
    const char *after = nsh_get_text(args, "after", "");
    *ret_restarted = after[0] != '\0';
    for (; after[0] != '\0'; after += 2 * SEL_RECORD_BYTES) {
        char one[2 * SEL_RECORD_BYTES + 1];
        uint8_t anchor[SEL_RECORD_BYTES];
        snprintf(one, sizeof one, "%.*s", 2 * SEL_RECORD_BYTES, after);
        assert_true(sel_record_hex(one, anchor));
        for (size_t i = 0; i < bmc.count; i++) {
            if (memcmp(bmc.records[i], anchor, sizeof anchor) == 0) {
                *ret_restarted = false;
                return i + 1;
            }
        }
    }
    return 0;
}

static void answer_log(const struct source_call *call)
{
    static char texts[SEL_READ_MAX][2 * SEL_RECORD_BYTES + 1];
    static struct nsh_value items[SEL_READ_MAX];
    char state[64];
    bool restarted = false;
    snprintf(state, sizeof state, "%zu.%u.%u", bmc.count, bmc.added, bmc.erased);
    snprintf(bmc.seen, sizeof bmc.seen, "%s", nsh_get_text(call->args, "seen", ""));
    bool unchanged = strcmp(state, bmc.seen) == 0;
    size_t from = log_from(call->args, &restarted), count = 0;
    if (bmc.endless) { /* Another 256, whatever is asked for. */
        restarted = false;
        from = bmc.count = 0;
        while (bmc.count < SEL_READ_MAX + 1) {
            log_add(bmc.added & 0xffff, bmc.added & 0xffff);
        }
    }
    while (!unchanged && from + count < bmc.count && count < SEL_READ_MAX) {
        sel_record_write(bmc.records[from + count], texts[count]);
        items[count] = nsh_text(texts[count]);
        count++;
    }
    const struct nsh_member members[] = {
        {"unchanged", nsh_bool(unchanged)},
        {"state", nsh_text(state)},
        {"entries", nsh_int((int64_t)bmc.count)},
        {"free", nsh_int(bmc.free_bytes)},
        {"overflow", nsh_bool(bmc.overflow)},
        {"clock", nsh_int(unchanged ? 0 : bmc.clock_s)},
        {"restarted", nsh_bool(restarted && !unchanged)},
        {"more", nsh_bool(!unchanged && from + count < bmc.count)},
        {"records", nsh_list(items, count)},
    };
    struct nsh_value result = nsh_map(members, 9);
    bmc.readings++;
    call->done(call->arg, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = ""});
}

static void answer_names(const struct source_call *call)
{
    assert_string_equal(nsh_get_text(call->args, "numbers", ""), "07");
    const struct nsh_member sensor[] = {{"number", nsh_int(7)}, {"name", nsh_text("SYS EVT")}};
    struct nsh_value item = nsh_map(sensor, 2);
    const struct nsh_member members[] = {{"sensors", nsh_list(&item, 1)}};
    struct nsh_value result = nsh_map(members, 1);
    bmc.names++;
    call->done(call->arg, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = ""});
}

/* ---- the daemon ---- */

static struct nsh_value args_copy;
static struct arena args_arena;

static int on_call(void *arg, const struct source_call *call, uint64_t *ret_number,
                   struct nsh_error *err)
{
    assert_false(world.calling);
    assert_string_equal(call->driver, "ipmi");
    assert_string_equal(call->host, world.host.name);
    arena_reset(&args_arena);
    assert_true(arena_value(&args_arena, call->args, &args_copy));
    world.call = *call;
    world.call.args = &args_copy;
    world.calling = true;
    *ret_number = ++world.call_number;
    return 0;
}

static void on_cancel(void *arg, uint64_t number)
{
    assert_true(world.calling && number == world.call_number);
    world.calling = false;
}

static const char *on_mark(void *arg, const char *id)
{
    return strcmp(id, world.mark_id) == 0 ? world.mark : NULL;
}

static void on_log(void *arg, bool error, const char *text)
{
    snprintf(world.last, sizeof world.last, "%s", text);
}

static const struct inventory *on_inventory(void *arg)
{
    return &world.inventory;
}

static const char *on_traps(void *arg)
{
    return TEST_SOURCE_DIR "/etc/traps";
}

static void on_wake(void *arg)
{
}

static void events_keep(const struct intake_item *item)
{
    size_t at = 0;
    for (uint32_t i = 0; i < item->events_count; i++) {
        struct event event;
        long used = event_unpack(item->bytes + at, item->bytes_count - at, &event, NULL);
        assert_true(used > 0 && world.told_count < LOG_MAX);
        at += (size_t)used;
        snprintf(world.told[world.told_count++], sizeof world.told[0], "%.*s", (int)event.id.count,
                 event.id.at);
        snprintf(world.last, sizeof world.last, "%s %.*s: %.*s", event_state_word(event.state),
                 (int)event.type.count, event.type.at, (int)event.message.count, event.message.at);
        snprintf(world.last_host, sizeof world.last_host, "%.*s", (int)event.host.count,
                 event.host.at);
        world.last_ms = event.time_ms;
    }
}

/* What came is committed: events and mark together, or neither. */
static void commit(void)
{
    struct intake_item *item;
    while ((item = intake_take(world.intake)) != NULL) {
        bool durable = !world.loses;
        world.batches++;
        if (durable) {
            events_keep(item);
        }
        if (durable && item->mark != NULL) {
            snprintf(world.mark_id, sizeof world.mark_id, "%s", item->mark_id);
            snprintf(world.mark, sizeof world.mark, "%s", item->mark);
        }
        intake_item_end(item, durable);
    }
}

/* One answer of the BMC and what follows from it; false: nothing was asked for a long time. */
static bool visit(void)
{
    for (unsigned turns = 0; !world.calling && turns < TURNS_MAX; turns++) {
        uv_run(&world.loop, UV_RUN_ONCE);
    }
    if (!world.calling) {
        return false;
    }
    if (bmc.hangs) {
        return true;
    }
    struct source_call call = world.call;
    world.calling = false;
    if (bmc.fails != 0) {
        call.done(call.arg, &(struct nsh_outcome){.code = bmc.fails, .text = "10.0.0.1: no"});
    } else if (strcmp(call.verb, "ipmi.sel") == 0) {
        answer_log(&call);
    } else {
        answer_names(&call);
    }
    commit();
    return true;
}

static void visits(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(visit());
    }
}

static void source_start(void)
{
    struct nsh_error err = {0};
    assert_int_equal(source_type_sel.open(&world.services, &world.config, &world.source, &err), 0);
}

static void on_closed(void *arg)
{
    world.closed = true;
}

static void source_stop(void)
{
    world.closed = false;
    source_type_sel.close(world.source, on_closed, NULL);
    while (!world.closed) {
        commit();
        uv_run(&world.loop, UV_RUN_ONCE);
    }
    world.calling = false;
    world.source = NULL;
}

static int set_up(void **state)
{
    struct nsh_error err = {0};
    memset(&bmc, 0, sizeof bmc);
    memset(&world, 0, sizeof world);
    bmc.clock_s = CLOCK_S;
    bmc.free_bytes = 16 * 1000;
    uv_loop_init(&world.loop);
    world.address[0] = (struct nsh_member){"address", nsh_text("10.0.0.1")};
    world.binding = (struct binding){
        .kind = BINDING_BMC, .driver = "ipmi", .settings = nsh_map(world.address, 1)};
    world.host = (struct host){.name = "h1", .bindings = &world.binding, .bindings_count = 1};
    world.inventory = (struct inventory){.revision = 1, .hosts = &world.host, .hosts_count = 1};
    world.settings[0] = (struct nsh_member){"every", nsh_int(1)};
    world.settings[1] = (struct nsh_member){"backlog", nsh_int(3600000)};
    world.config = (struct source_config){
        .name = "sel", .type = &source_type_sel, .settings = nsh_map(world.settings, 2)};
    assert_int_equal(intake_new(1u << 20, on_wake, NULL, &world.intake, &err), 0);
    intake_clock_set(world.intake, (int64_t)CLOCK_S * 1000);
    world.services = (struct source_services){
        .loop = &world.loop,
        .intake = world.intake,
        .log = on_log,
        .inventory = on_inventory,
        .traps = on_traps,
        .call = on_call,
        .call_cancel = on_cancel,
        .mark = on_mark,
    };
    return 0;
}

static int tear_down(void **state)
{
    if (world.source != NULL) {
        source_stop();
    }
    intake_free(world.intake);
    arena_done(&args_arena);
    return uv_loop_close(&world.loop);
}

static void told_once(size_t count)
{
    assert_int_equal(world.told_count, count);
    for (size_t i = 0; i < count; i++) {
        for (size_t n = i + 1; n < count; n++) {
            assert_string_not_equal(world.told[i], world.told[n]);
        }
    }
}

/* ---- tests ---- */

static void test_an_unchanged_log_is_one_request(void **state)
{
    log_add(1, 1);
    source_start();
    visits(2); /* The log, and a name. */
    assert_int_equal(world.told_count, 1);
    assert_int_equal(bmc.names, 1);
    assert_string_equal(world.last, "pulse system.event: system event "
                                    "(SYS EVT: OEM System boot event)");
    size_t batches = world.batches;
    visits(3);
    assert_string_equal(bmc.seen, "1.1.0");
    assert_int_equal(world.batches, batches); /* Nothing to write. */
    log_add(2, 2);
    visits(1);
    told_once(2);
    assert_int_equal(bmc.names, 1); /* It is known. */
}

static void test_times_of_a_log_are_not_trusted_for_ever(void **state)
{
    bool looked = false;
    log_add(1, 1);
    source_start();
    visits(2);
    for (unsigned i = 0; i < 2 * SEL_LOOK_EACH; i++) {
        visits(1);
        looked = looked || bmc.seen[0] == '\0';
    }
    assert_true(looked);
    told_once(1);
}

static void test_what_was_there_before(void **state)
{
    log_add(1, 1);
    uint32_t old_s = CLOCK_S - 2 * 3600;
    memcpy(bmc.records[0] + 3, &old_s, 4);
    log_add(2, 2);
    source_start();
    visits(2);
    told_once(1); /* The one of ten seconds ago. */
    assert_non_null(strstr(world.told[0], "10.0.0.1/0200"));
}

static void test_a_lost_commit_is_read_again(void **state)
{
    source_start();
    visits(1);
    world.loses = true;
    log_add(1, 1);
    log_add(2, 2);
    visits(2);
    assert_int_equal(world.told_count, 0);
    world.loses = false;
    visits(1);
    told_once(2);
    visits(2);
    told_once(2);
}

static void test_a_start_goes_on(void **state)
{
    source_start();
    visits(1);
    log_add(1, 1);
    visits(2);
    source_stop();
    log_add(2, 2);
    uint32_t old_s = CLOCK_S - 5 * 3600; /* We were away for long: it is news all the same. */
    memcpy(bmc.records[1] + 3, &old_s, 4);
    source_start();
    visits(2);
    told_once(2);
}

static void test_cleared(void **state)
{
    source_start();
    visits(1);
    for (unsigned i = 1; i <= 5; i++) {
        log_add(i, i);
    }
    visits(2);
    log_clear();
    for (unsigned i = 1; i <= 6; i++) {
        log_add(i, 100 + i); /* The same ids. */
    }
    visits(1);
    told_once(11);
    log_clear();
    visits(1); /* Empty. */
    log_add(1, 200);
    visits(1);
    told_once(12);
    source_stop();
    log_clear();
    log_add(1, 300);
    source_start();
    visits(2);
    told_once(13);
}

static void test_one_record_is_deleted(void **state)
{
    source_start();
    visits(1);
    for (unsigned i = 1; i <= 5; i++) {
        log_add(i, i);
    }
    visits(2);
    bmc.count--; /* The newest, which is the first that is looked for. */
    bmc.erased++;
    log_add(6, 6);
    visits(1);
    told_once(6);
}

static void test_a_long_log_is_read_in_parts(void **state)
{
    for (unsigned i = 1; i <= 600; i++) {
        log_add(600 - i, i); /* Ids fall. */
    }
    source_start();
    visits(2); /* The first part and the name. */
    assert_int_equal(world.told_count, SEL_READ_MAX);
    source_stop(); /* In the middle: what is left is still of the first reading. */
    source_start();
    visits(3);
    told_once(600);
    assert_non_null(strstr(world.mark, "\"past\":false"));
}

/* It goes on at the next visit, and not for ever at this one. */
static void test_a_log_without_an_end(void **state)
{
    world.settings[0] = (struct nsh_member){"every", nsh_int(3600000)};
    bmc.endless = true;
    source_start();
    visits(2); /* The first part and the name. */
    for (unsigned i = 1; i < SEL_READINGS_MAX; i++) {
        world.told_count = 0;
        visits(1);
    }
    assert_int_equal(world.told_count, SEL_READ_MAX); /* All of them were taken. */
    uv_run(&world.loop, UV_RUN_ONCE);                 /* Two ticks. */
    uv_run(&world.loop, UV_RUN_ONCE);
    assert_false(world.calling);
}

/* A BMC starts with a clock of years ago, logs, and is told the time: the record is of now. */
static void test_a_clock_that_was_set(void **state)
{
    const int64_t now_ms = (int64_t)CLOCK_S * 1000; /* When the test began, which takes less. */
    log_add(1, 1);
    source_start();
    visits(2);
    assert_in_range(world.last_ms, now_ms - 10000, now_ms + 20000); /* By its clock. */
    for (unsigned pass = 0; pass < 2; pass++) {                     /* And after a new start. */
        bmc.clock_s = CLOCK_S - 8 * 365 * 86400u;
        log_add(2 + pass, 2);
        bmc.clock_s = CLOCK_S;
        visits(1 + pass); /* A new start asks for the name too. */
        assert_int_equal(world.told_count, 2 + pass);
        assert_in_range(world.last_ms, now_ms, now_ms + 30000);
        source_stop();
        source_start();
    }
}

static void test_full(void **state)
{
    log_add(1, 1);
    source_start();
    visits(2);
    bmc.free_bytes = 0;
    log_add(2, 2);
    visits(1);
    assert_non_null(
        strstr(world.last, "raise event-log.full: the event log of 10.0.0.1 is nearly"));
    source_stop();
    source_start();
    visits(1);
    assert_int_equal(world.told_count, 3); /* It is known to stand. */
    log_clear();
    bmc.free_bytes = 16 * 1000;
    visits(1);
    assert_non_null(strstr(world.last, "clear event-log.full"));
}

static void test_failures(void **state)
{
    struct nsh_checks checks = {0};
    source_start();
    bmc.fails = NSH_UNREACHABLE;
    visits(1);
    assert_non_null(strstr(world.last, "the event log of h1 cannot be read: unreachable"));
    source_type_sel.doctor(world.source, &world.config, &checks);
    assert_int_equal(checks.items[0].state, NSH_CHECK_FAILED);
    assert_string_equal(checks.items[1].name, "h1");
    bmc.fails = 0;
    log_add(1, 1);
    visits(2); /* It is asked again, and what it holds is news. */
    told_once(1);
}

/* The inventory is loaded anew between the log and the names: the host of before is gone. */
static void test_its_host_is_called_otherwise_meanwhile(void **state)
{
    source_start();
    log_add(1, 1);
    visits(1);
    assert_true(world.calling);
    assert_string_equal(world.call.verb, "ipmi.sensors");
    world.host.name = "a-host-with-a-longer-name";
    world.inventory.revision = 2;
    uv_run(&world.loop, UV_RUN_ONCE); /* Its tick. */
    visits(1);
    told_once(1);
    assert_string_equal(world.last_host, "a-host-with-a-longer-name");
}

static void test_it_stops_while_a_bmc_hangs(void **state)
{
    source_start();
    bmc.hangs = true;
    visits(1);
    source_stop();
    assert_false(world.calling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_an_unchanged_log_is_one_request),
        TEST(test_times_of_a_log_are_not_trusted_for_ever),
        TEST(test_what_was_there_before),
        TEST(test_a_lost_commit_is_read_again),
        TEST(test_a_start_goes_on),
        TEST(test_cleared),
        TEST(test_one_record_is_deleted),
        TEST(test_a_long_log_is_read_in_parts),
        TEST(test_a_log_without_an_end),
        TEST(test_a_clock_that_was_set),
        TEST(test_full),
        TEST(test_failures),
        TEST(test_its_host_is_called_otherwise_meanwhile),
        TEST(test_it_stops_while_a_bmc_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
