/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms of what is not looked at any more: which ones, once, again when they could not be handed
 * over or not be read, not when it came back. The intake is the real one; the test commits. */

#include "../unit.h"

#include "loop/intake_owner.h"
#include "source/map/source_over.h"

#include <stdio.h>

#define NOW 1000000

static const struct source_standing *standing;
static size_t standing_count;
static struct intake *intake;
static struct source_services services;
static struct source_over over;
static char told[4096];
static unsigned settled, reads, said;
static size_t reads_fail; /* So many reads fail, each after its first alarm. */
static const char *back;  /* Came back. */

static int on_standing(void *arg, const char *source,
                       void (*each)(void *arg, const struct source_standing *alarm), void *each_arg,
                       struct nsh_error *err)
{
    reads++;
    for (size_t i = 0; i < standing_count; i++) {
        if (strcmp(standing[i].source, source) != 0) {
            continue;
        }
        each(each_arg, &standing[i]);
        if (reads_fail > 0 && i > 0) {
            reads_fail--;
            return nsh_fail(err, NSH_IO, "the store cannot be read");
        }
    }
    return 0;
}

static bool on_watched(void *arg, const struct source_standing *alarm)
{
    return strcmp(alarm->host, "here") == 0 || (back != NULL && strcmp(alarm->host, back) == 0);
}

static void on_log(void *arg, bool error, const char *text)
{
    said += error;
}

static void on_settled(void *arg)
{
    settled++;
}

static void on_wake(void *arg)
{
}

static int setup(void **state)
{
    struct nsh_error err = {0};
    assert_int_equal(intake_new(1u << 20, on_wake, NULL, &intake, &err), 0);
    intake_clock_set(intake, NOW);
    services = (struct source_services){.intake = intake, .standing = on_standing, .log = on_log};
    over = (struct source_over){
        .services = &services, .source = "ping", .watched = on_watched, .settled = on_settled};
    told[0] = '\0';
    back = NULL;
    settled = reads = said = 0;
    reads_fail = 0;
    return 0;
}

static int teardown(void **state)
{
    source_over_done(&over);
    intake_free(intake);
    return 0;
}

static void commit(bool durable)
{
    struct intake_item *item;
    while ((item = intake_take(intake)) != NULL) {
        size_t at = 0, used = strlen(told);
        for (uint32_t i = 0; i < item->events_count; i++) {
            struct event event;
            long bytes = event_unpack(item->bytes + at, item->bytes_count - at, &event, NULL);
            assert_true(bytes > 0);
            at += (size_t)bytes;
            used += (size_t)snprintf(
                told + used, sizeof told - used, "%s %.*s %.*s %.*s %.*s %.*s; ",
                event_state_word(event.state), (int)event.source.count, event.source.at,
                (int)event.subject.count, event.subject.at, (int)event.hint.count, event.hint.at,
                (int)event.type.count, event.type.at, (int)event.resource.count, event.resource.at);
            assert_true(used < sizeof told);
        }
        intake_item_end(item, durable);
    }
}

/* The clock goes on by itself, too. */
static void pass(int64_t ms)
{
    intake_clock_set(intake, intake_now_ms(intake) + ms);
}

static const struct source_standing alarms[] = {
    {"here", "here", "ping.lost", "", "", SEVERITY_MAJOR, "ping"},
    {"gone", "gone", "ping.lost", "", "", SEVERITY_MAJOR, "ping"},
    {"gone", "gone", "certificate.expiring", "port/443", "", SEVERITY_WARNING, "ping"},
    {"", "ping", "probe.isolated", "", "", SEVERITY_MAJOR, "ping"},
    {"gone", "gone", "ssh.lost", "", "", SEVERITY_MAJOR, "ssh"},
};
#define ENDS                                                                                       \
    "clear ping gone host=gone ping.lost ; "                                                       \
    "clear ping gone host=gone certificate.expiring port/443; clear ping ping  probe.isolated ; "

static void test_once(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    intake_gate_set(intake, INTAKE_ILL);
    over.sweep = true;
    source_over_tick(&over);
    assert_false(over.sweep);
    intake_gate_set(intake, INTAKE_OPEN);
    pass(SOURCE_OVER_AGAIN_MS);
    over.sweep = true;
    source_over_tick(&over); /* Found again before it was told: still once. */
    source_over_tick(&over); /* On its way. */
    assert_true(over.telling);
    assert_int_equal(reads, 2);
    commit(true);
    assert_string_equal(told, ENDS);
    assert_int_equal(settled, 1);
    pass(10 * SOURCE_OVER_AGAIN_MS);
    source_over_tick(&over);
    commit(true);
    assert_string_equal(told, ENDS); /* Nothing waits any more. */
}

static void test_again(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    over.sweep = true;
    intake_gate_set(intake, INTAKE_ILL);
    source_over_tick(&over);
    assert_false(over.telling);
    intake_gate_set(intake, INTAKE_OPEN);
    source_over_tick(&over);
    assert_false(over.telling); /* Not at once. */
    pass(SOURCE_OVER_AGAIN_MS);
    source_over_tick(&over);
    commit(true);
    assert_string_equal(told, ENDS);
}

static void test_many(void **state)
{
    enum { MANY = SOURCE_OVER_BATCH_MAX + 10 };
    static struct source_standing many[MANY];
    static char names[MANY][8];
    size_t events = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[0], "h%zu", i);
        many[i] = (struct source_standing){names[i], names[i], "ping.lost", "", "", 0, "ping"};
    }
    standing = many;
    standing_count = MANY;
    over.sweep = true;
    for (int64_t tick = 0; tick < 2; tick++) {
        pass(tick * SOURCE_OVER_AGAIN_MS);
        source_over_tick(&over);
        struct intake_item *item = intake_take(intake);
        assert_non_null(item);
        assert_true(item->events_count <= SOURCE_OVER_BATCH_MAX);
        events += item->events_count;
        intake_item_end(item, true);
    }
    assert_int_equal(events, MANY);
}

/* What differs only there is told apart: one id would make the second a duplicate of the first. */
static void test_qualifier(void **state)
{
    static const struct source_standing two[] = {
        {"gone", "gone", "temperature.high", "cpu", "low", SEVERITY_MAJOR, "ping"},
        {"gone", "gone", "temperature.high", "cpu", "high", SEVERITY_MAJOR, "ping"},
    };
    standing = two;
    standing_count = ROWS(two);
    over.sweep = true;
    source_over_tick(&over);
    struct intake_item *item = intake_take(intake);
    assert_non_null(item);
    assert_int_equal(item->events_count, 2);
    struct event first, second;
    long bytes = event_unpack(item->bytes, item->bytes_count, &first, NULL);
    assert_true(bytes > 0);
    assert_true(
        event_unpack(item->bytes + bytes, item->bytes_count - (size_t)bytes, &second, NULL) > 0);
    assert_false(text_equal(first.id, second.id));
    intake_item_end(item, true);
}

/* The late clear would end what was raised since. */
static void test_back(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    over.sweep = true;
    intake_gate_set(intake, INTAKE_ILL);
    assert_false(source_over_tick(&over));
    intake_gate_set(intake, INTAKE_OPEN);
    pass(SOURCE_OVER_AGAIN_MS);
    back = "gone";
    assert_true(source_over_tick(&over)); /* Its owner looks at what stands of it. */
    commit(true);
    assert_string_equal(told, "clear ping ping  probe.isolated ; ");
}

static void test_all_back(void **state)
{
    standing = &alarms[1];
    standing_count = 1;
    over.sweep = true;
    intake_gate_set(intake, INTAKE_ILL);
    assert_false(source_over_tick(&over));
    back = "gone";
    assert_false(source_over_tick(&over)); /* Not at once. */
    pass(SOURCE_OVER_AGAIN_MS);
    assert_true(source_over_tick(&over));
    assert_false(over.telling);
    assert_false(source_over_tick(&over)); /* Nothing waits any more. */
    assert_null(intake_take(intake));
}

/* What stands could not be read: what was found is told, the rest when it can be. */
static void test_unread(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    reads_fail = 2;
    over.sweep = true;
    assert_false(source_over_tick(&over));
    commit(true);
    assert_string_equal(told, "clear ping gone host=gone ping.lost ; ");
    told[0] = '\0';
    assert_false(source_over_tick(&over)); /* Not at once. */
    assert_int_equal(reads, 1);
    standing = &alarms[2]; /* What was told is over. */
    standing_count = ROWS(alarms) - 2;
    pass(SOURCE_AGAIN_MS_MIN);
    assert_false(source_over_tick(&over));
    assert_int_equal(reads, 2);
    pass(SOURCE_AGAIN_MS_MIN);
    source_over_tick(&over);
    assert_int_equal(reads, 2); /* The pause doubles. */
    pass(SOURCE_AGAIN_MS_MIN);
    assert_true(source_over_tick(&over)); /* Something may have left and come back meanwhile. */
    commit(true);
    assert_string_equal(told, "clear ping gone host=gone certificate.expiring port/443; "
                              "clear ping ping  probe.isolated ; ");
    pass(10 * SOURCE_AGAIN_MS_MAX);
    assert_false(source_over_tick(&over));
    assert_int_equal(reads, 3);
    assert_int_equal(said, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_qualifier, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unread, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
