/* SPDX-License-Identifier: Apache-2.0 */
/* What stands when the source begins, and what left: read again when it could not be read, and not
 * ended when its device came back. The intake is the real one; nobody is asked over the network. */

#include "../unit.h"

#include "loop/intake_owner.h"
#include "source/poll/poll_private.h"

#define NOW 1000000

static struct intake *intake;
static struct source_services services;
static struct poll_source source;
static struct poll_device devices[2];
static struct poll_device *polled[2];
static const struct source_standing *standing;
static size_t standing_count;
static unsigned reads, said;
static bool ill; /* The store. */

static int on_standing(void *arg, const char *name,
                       void (*each)(void *arg, const struct source_standing *alarm), void *each_arg,
                       struct nsh_error *err)
{
    reads++;
    if (ill) {
        return nsh_fail(err, NSH_IO, "the store cannot be read");
    }
    for (size_t i = 0; i < standing_count; i++) {
        each(each_arg, &standing[i]);
    }
    return 0;
}

static const struct inventory *on_inventory(void *arg)
{
    return NULL;
}

static void on_log(void *arg, bool error, const char *text)
{
    said += error;
}

static void on_wake(void *arg)
{
}

static void on_settled(void *arg)
{
}

/* The first count of sw0, sw1 are polled. */
static void poll_them(uint32_t count)
{
    source.generation++;
    source.devices_count = count;
    map_done(&source.by_name);
    source.by_name = (struct map){0};
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(map_set(&source.by_name, text_of(devices[i].name), &devices[i]), 0);
    }
}

static int setup(void **state)
{
    static char names[][8] = {"sw0", "sw1"}, addresses[][16] = {"10.0.0.1", "10.0.0.2"};
    struct nsh_error err = {0};
    assert_int_equal(intake_new(1u << 20, on_wake, NULL, &intake, &err), 0);
    intake_clock_set(intake, NOW);
    services = (struct source_services){
        .intake = intake, .standing = on_standing, .inventory = on_inventory, .log = on_log};
    source = (struct poll_source){
        .services = &services,
        .devices = polled,
        .over = {.services = &services,
                 .source = "switches",
                 .watched = poll_is_watched,
                 .settled = on_settled,
                 .arg = &source},
    };
    for (size_t i = 0; i < ROWS(devices); i++) {
        devices[i] =
            (struct poll_device){.source = &source, .name = names[i], .address = addresses[i]};
        polled[i] = &devices[i];
    }
    standing = NULL;
    standing_count = 0;
    reads = said = 0;
    ill = false;
    return 0;
}

static int teardown(void **state)
{
    poll_standing_done(&source);
    source_over_done(&source.over);
    map_done(&source.by_name);
    intake_free(intake);
    return 0;
}

static size_t commit(void)
{
    size_t events = 0;
    struct intake_item *item;
    while ((item = intake_take(intake)) != NULL) {
        events += item->events_count;
        intake_item_end(item, true);
    }
    return events;
}

/* The clock goes on by itself, too. */
static void pass(int64_t ms)
{
    intake_clock_set(intake, intake_now_ms(intake) + ms);
}

static void test_start_unread(void **state)
{
    poll_them(1);
    source.stand = ill = true;
    poll_standing_tick(&source);
    poll_standing_tick(&source); /* Not at once. */
    assert_int_equal(reads, 1);
    assert_int_equal(said, 1);
    ill = false;
    pass(SOURCE_AGAIN_MS_MIN);
    poll_standing_tick(&source);
    assert_int_equal(reads, 2);
    pass(SOURCE_AGAIN_MS_MAX);
    poll_standing_tick(&source);
    assert_int_equal(reads, 2); /* It is known. */
}

static const struct source_standing alarms[] = {
    {"sw0", "sw0", POLL_UNREACHABLE, "", "", SEVERITY_MAJOR, "switches"},
    {"sw1", "sw1", POLL_UNREACHABLE, "", "", SEVERITY_MAJOR, "switches"},
    /* Of no host of the inventory: its subject is whose traps they would be. */
    {"", "trap/10.0.0.1", POLL_UNREACHABLE, "", "", SEVERITY_MAJOR, "switches"},
};

static void test_left(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    poll_them(1);
    source.over.sweep = true;
    poll_standing_left(&source);
    assert_int_equal(commit(), 1); /* Of sw1. */
    assert_false(source.stand);
}

/* It has forgotten what was bad: what stands of it is asked for, and compared with the next read.
 */
static void test_back(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    poll_them(1);
    source.over.sweep = true;
    intake_gate_set(intake, INTAKE_ILL);
    poll_standing_left(&source);
    assert_false(source.stand);
    intake_gate_set(intake, INTAKE_OPEN);
    pass(SOURCE_OVER_AGAIN_MS);
    poll_them(2);
    poll_standing_left(&source);
    assert_int_equal(commit(), 0);
    assert_true(source.stand);
}

/* The same when it came back before the store could be read. */
static void test_back_unread(void **state)
{
    standing = alarms;
    standing_count = ROWS(alarms);
    poll_them(1);
    source.over.sweep = ill = true;
    poll_standing_left(&source);
    ill = false;
    pass(SOURCE_AGAIN_MS_MIN);
    poll_them(2);
    poll_standing_left(&source);
    assert_int_equal(reads, 2);
    assert_int_equal(commit(), 0);
    assert_true(source.stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_unread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_unread, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
