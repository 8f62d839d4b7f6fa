/* SPDX-License-Identifier: Apache-2.0 */
/* An alarm whose host left the inventory: the end of it names no host that is known, and still ends
 * it, when it comes from whom raised it. */

#include "rig.h"

static const char *state_of(const struct rig *rig)
{
    const char *state = "none";
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == RECORD_ALARM) {
            state = rig->records[i].state;
        }
    }
    return state;
}

static void test_ends(void **state)
{
    static const struct {
        const char *source, *subject, *type, *wanted, *why;
    } rows[] = {
        {"test", "r1h01", "ping.lost", "cleared", "who raised it says that it is over"},
        {"test", "r1h02", "ping.lost", "raised", "of another"},
        {"test", "r1h01", "ssh.lost", "raised", "another alarm"},
        {"other", "r1h01", "ping.lost", "raised", "another source ends what it raised itself"},
        {"test", "", "ping.lost", "raised", "of nobody"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = rig_new(racks_of(1, 2), MEMORY_POLICY);
        rig_raise(rig, "r1h01", "ping.lost");
        struct event event = event_of("", rows[i].type, EVENT_CLEAR);
        event.source = text_of(rows[i].source);
        event.subject = text_of(rows[i].subject);
        rig_event(rig, &event);
        rig_at(rig, 10 * MIN);
        if (strcmp(state_of(rig), rows[i].wanted) != 0) {
            fail_msg("%s: %s, wanted %s", rows[i].why, state_of(rig), rows[i].wanted);
        }
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
