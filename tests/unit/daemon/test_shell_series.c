/* SPDX-License-Identifier: Apache-2.0 */
/* Samples handed to the daemon: "taken" is said when what they turned is durable, whoever told it.
 */

#include "shell_rig.h"

#include "loop/intake_owner.h"
#include "shell_series.h"

struct hand_in {
    struct arena arena;
    const char *sensor;
    double value;
    int64_t at_ms;
    unsigned sensors; /* So many, each with its number behind its name; 0: the one. */
    bool come, durable;
    int result;
};

static int decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    struct hand_in *in = arg;
    for (unsigned i = 0; i < (in->sensors == 0 ? 1 : in->sensors); i++) {
        char sensor[32];
        snprintf(sensor, sizeof sensor, "%s%u", in->sensor, i);
        const struct sample_label labels[] = {
            {TEXT("__name__"), TEXT("inlet")},
            {TEXT("host"), TEXT("h1")},
            {TEXT("sensor"), text_of(sensor)},
        };
        sink->labels(sink->arg, labels, 3);
        sink->value(sink->arg, in->at_ms, in->value);
    }
    return 0;
}

static void taken(void *arg, bool durable)
{
    struct hand_in *in = arg;
    assert_false(in->come); /* Exactly once. */
    in->come = true;
    in->durable = durable;
}

static void hand_in(struct shell_rig *rig, struct hand_in *in)
{
    static int64_t later_ms;
    struct nsh_error err = {0};
    in->at_ms = intake_now_ms(shell_intake(rig->shell)) + ++later_ms;
    const struct shell_series_put put = {.door = SHELL_SERIES_REMOTE_WRITE,
                                         .decode = decode,
                                         .done = taken,
                                         .arg = in,
                                         .arena = &in->arena};
    in->result = shell_series_put(rig->shell, &put, &err);
}

static bool is_taken(struct shell_rig *rig, void *arg)
{
    return ((struct hand_in *)arg)->come;
}

static int count_event(void *arg, const struct event *event)
{
    ++*(unsigned *)arg;
    return 0;
}

static unsigned events_stored(struct shell_rig *rig)
{
    unsigned count = 0;
    struct store_reader *reader = rig_reader(rig);
    const struct store_events query = {.limit = 100000};
    assert_int_equal(store_events(reader, &query, count_event, &count, NULL), 0);
    store_reader_close(reader);
    return count;
}

/* The second one's sample turned nothing, but stands for what the first one turned: before that is
 * durable he must not hear that it was taken. */
static void who_comes_second_waits_too(void **state)
{
    struct shell_rig *rig = *state;
    struct hand_in first = {.sensor = "a", .value = 40}, second = {.sensor = "a", .value = 41};
    hand_in(rig, &first);
    assert_int_equal(first.result, 1);
    hand_in(rig, &second);
    assert_int_equal(second.result, 1);
    assert_int_equal(events_stored(rig), 0);
    assert_true(rig_until(rig, is_taken, &second));
    assert_true(second.durable);
    assert_true(rig_until(rig, is_taken, &first));
    assert_int_equal(events_stored(rig), 1);
    arena_done(&first.arena);
    arena_done(&second.arena);
}

static void nothing_to_wait_for(void **state)
{
    struct shell_rig *rig = *state;
    struct hand_in quiet = {.sensor = "a", .value = 20};
    hand_in(rig, &quiet);
    assert_int_equal(quiet.result, 0);
    assert_false(quiet.come);
    arena_done(&quiet.arena);
}

/* More turns than one batch holds: all of them before the answer. */
static void a_body_of_many_turns(void **state)
{
    struct shell_rig *rig = *state;
    struct hand_in many = {.sensor = "s", .value = 40, .sensors = 3 * SERIES_TURNS_MAX + 7};
    hand_in(rig, &many);
    assert_int_equal(many.result, 1);
    assert_true(rig_until(rig, is_taken, &many));
    assert_true(many.durable);
    assert_int_equal(events_stored(rig), many.sensors);
    arena_done(&many.arena);
}

static void who_waits_hears_that_it_stops(void **state)
{
    struct shell_rig *rig = *state;
    struct hand_in first = {.sensor = "a", .value = 40}, second = {.sensor = "a", .value = 41};
    hand_in(rig, &first);
    hand_in(rig, &second);
    rig_stop(rig);
    assert_true(first.come && second.come); /* One answer each, whichever. */
    assert_int_equal(first.durable, second.durable);
    arena_done(&first.arena);
    arena_done(&second.arena);
}

/* The engine refused it, or the daemon ended first: neither was taken, and both send again. */
static void who_waits_hears_that_it_was_lost(void **state)
{
    struct shell_rig *rig = *state;
    struct hand_in first = {.sensor = "a", .value = 40}, second = {.sensor = "a", .value = 41};
    hand_in(rig, &first);
    hand_in(rig, &second);
    struct intake_item *item = intake_take(shell_intake(rig->shell));
    assert_non_null(item);
    intake_item_end(item, false);
    assert_true(first.come && second.come);
    assert_false(first.durable);
    assert_false(second.durable);
    struct hand_in again = {.sensor = "a", .value = 42};
    hand_in(rig, &again);
    assert_int_equal(again.result, 1); /* The turn was not forgotten. */
    assert_true(rig_until(rig, is_taken, &again));
    assert_true(again.durable);
    assert_int_equal(events_stored(rig), 1);
    arena_done(&first.arena);
    arena_done(&second.arena);
    arena_done(&again.arena);
}

static int setup(void **state)
{
    return rig_set_up_with(
        state, "signals: ( { name = \"hot\"; metric = \"inlet\"; raise = { above = 35.0; }; "
               "clear = { below = 30.0; }; severity = \"major\"; event = "
               "\"environment.temperature\"; } );");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_comes_second_waits_too, setup, rig_tear_down),
        cmocka_unit_test_setup_teardown(nothing_to_wait_for, setup, rig_tear_down),
        cmocka_unit_test_setup_teardown(a_body_of_many_turns, setup, rig_tear_down),
        cmocka_unit_test_setup_teardown(who_waits_hears_that_it_stops, setup, rig_tear_down),
        cmocka_unit_test_setup_teardown(who_waits_hears_that_it_was_lost, setup, rig_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
