/* SPDX-License-Identifier: Apache-2.0 */
/* What conditions know of signals: signal(). */

#include "../unit.h"

#include "rig.h"

#define UNLESS(condition)                                                                          \
    "policies: ( { name = \"p\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; mode = "      \
    "\"enforce\"; when = { event = \"x.failed\"; }; unless = ( \"" condition                       \
    "\" ); limits = { once_within = \"0s\"; }; do = ( { step = \"tell\"; action = \"notify\"; "    \
    "with = { title = \"t\"; }; } ); } );"

static void turn(struct rig *rig, const char *source, const char *name, enum event_state state)
{
    struct event event = event_of("r1h01", "performance.unusual", state);
    event.source = text_of(source);
    event.qualifier = text_of(name);
    rig_event(rig, &event);
}

static void test_signal(void **state)
{
    static const struct {
        const char *source, *name, *decision, *why;
        bool cleared;
    } rows[] = {
        {"signal/hot", "hot", "skipped", "the signal is raised", false},
        {"signal/hot", "hot", "run", "it was, and is not any more", true},
        {"signal/cold", "cold", "run", "another signal", false},
        {"signal/hot-air", "hot-air", "run", "a name that begins alike", false},
        {"test", "hot", "run", "an alarm of somebody else with that qualifier", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig *rig = rig_new(racks_of(1, 3), UNLESS("signal('hot')"));
        turn(rig, rows[i].source, rows[i].name, EVENT_RAISE);
        if (rows[i].cleared) {
            turn(rig, rows[i].source, rows[i].name, EVENT_CLEAR);
        }
        rig_raise(rig, "r1h02", "x.failed"); /* Not on this host. */
        rig_raise(rig, "r1h01", "x.failed");
        rig_at(rig, 5 * S);
        const char *other = rig_state(rig, RECORD_DECISION, "r1h02");
        assert_string_equal(other, "run");
        const char *found = rig_state(rig, RECORD_DECISION, "r1h01");
        if (strcmp(found, rows[i].decision) != 0) {
            fail_msg("%s: %s", rows[i].why, found);
        }
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
