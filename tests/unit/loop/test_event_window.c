/* SPDX-License-Identifier: Apache-2.0 */
/* How much is under way: as much as is answered in time, on a quick disk and on a slow one. */

#include "../unit.h"

#include "loop/event_window.h"

/* A daemon that answers bytes_a_ms after a wait that every batch has; what it may have under way
 * after `rounds` of full windows. */
static size_t run(struct event_window *window, int64_t wait_us, size_t bytes_a_ms, int rounds)
{
    int64_t now_us = 10 * WINDOW_ALONE_EVERY_US;
    for (int i = 0; i < rounds; i++) {
        size_t sizes[8], count = 0, all = 0;
        int64_t sent_us = now_us;
        for (size_t room; count < 8 && (room = window_room(window, now_us)) > 0; count++) {
            sizes[count] = room;
            all += room;
            window_sent(window, room, sent_us);
        }
        assert_true(count > 0);
        now_us += wait_us + (int64_t)(all * 1000 / bytes_a_ms);
        for (size_t k = 0; k < count; k++) {
            window_answered(window, sizes[k], sent_us, now_us);
        }
        assert_int_equal(window->bytes, 0);
    }
    return window->max;
}

static void quick_and_slow_disks(void **state)
{
    struct event_window idle = {0}, storm = {0}, slow = {0};
    /* 100 MB/s: as large as it gets, soon. */
    assert_true(run(&idle, 500, 100000, 200) > 512u << 10);
    /* 4 MB/s, 2 ms of disk: some 10 ms of it, not the megabytes that would wait a second. */
    size_t max = run(&storm, 2000, 4000, 200);
    assert_true(max >= 16u << 10 && max < 128u << 10);
    /* The same events on a disk that needs 30 ms: its groups stay large enough. */
    assert_true(run(&slow, 30000, 4000, 200) >= 64u << 10);
}

static void one_goes_alone_now_and_then(void **state)
{
    struct event_window window = {0};
    int64_t now_us = 100 * WINDOW_ALONE_EVERY_US;
    assert_int_equal(window_room(&window, now_us), WINDOW_ALONE_BYTES);
    window_sent(&window, 300, now_us);
    assert_int_equal(window_room(&window, now_us + 1000), 0);
    window_answered(&window, 300, now_us, now_us + 2000);
    assert_int_equal(window.alone_us, 2000);
    assert_true(window_room(&window, now_us + 2000) > 0);
    assert_false(window.alone);
}

/* Nobody answers: the others wait no longer than WINDOW_ALONE_US_MAX for it. */
static void who_goes_alone_holds_up_nobody_for_long(void **state)
{
    struct event_window window = {0};
    int64_t now_us = 100 * WINDOW_ALONE_EVERY_US;
    window_room(&window, now_us);
    window_sent(&window, 300, now_us);
    assert_int_equal(window_room(&window, now_us + WINDOW_ALONE_US_MAX), 0);
    assert_true(window_room(&window, now_us + WINDOW_ALONE_US_MAX + 1) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_and_slow_disks),
        cmocka_unit_test(one_goes_alone_now_and_then),
        cmocka_unit_test(who_goes_alone_holds_up_nobody_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
