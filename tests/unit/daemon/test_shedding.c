/* SPDX-License-Identifier: Apache-2.0 */
/* The alarm about dropped events: it comes however short the storm was, gets worse, and ends. */

#include "shell_rig.h"

#include "loop/intake_owner.h"
#include "shell_private.h"
#include "source/syslog/syslog_private.h"

/* A listener of which only the counters are looked at. */
static struct syslog_listen listener;

struct look {
    char state[16], severity[16];
};

static int see_alarm(void *arg, const struct record *record)
{
    struct look *look = arg;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    assert_int_equal(json_parse(record->body.at, record->body.count, &arena, &body, NULL), 0);
    assert_string_equal(nsh_get_text(&body, "type", ""), "intake.shedding");
    snprintf(look->state, sizeof look->state, "%s", nsh_get_text(&body, "state", ""));
    snprintf(look->severity, sizeof look->severity, "%s", nsh_get_text(&body, "severity", ""));
    return 0;
}

static bool alarm_is(struct shell_rig *rig, void *arg)
{
    const struct look *wanted = arg;
    struct store_reader *reader = rig_reader(rig);
    const struct store_query query = {.kind = RECORD_ALARM};
    struct look look = {.state = ""};
    assert_int_equal(store_query(reader, &query, see_alarm, &look, NULL), 0);
    store_reader_close(reader);
    return strcmp(look.state, wanted->state) == 0 &&
           (wanted->severity[0] == '\0' || strcmp(look.severity, wanted->severity) == 0);
}

static void await_alarm(struct shell_rig *rig, const char *state, const char *severity)
{
    struct look wanted = {.state = ""};
    snprintf(wanted.state, sizeof wanted.state, "%s", state);
    snprintf(wanted.severity, sizeof wanted.severity, "%s", severity);
    if (!rig_until(rig, alarm_is, &wanted)) {
        fail_msg("the alarm is never %s %s", state, severity);
    }
}

static void drop(struct shell_rig *rig, enum syslog_counter counter)
{
    syslog_count(&listener, counter, 1);
    shell_shedding_second(rig->shell);
}

/* Dropped in one second, in which the alarm found no room either. */
static void a_short_storm_is_told(void **state)
{
    struct shell_rig *rig = *state;
    intake_gate_set(rig->shell->intake, INTAKE_ILL);
    drop(rig, SYSLOG_dropped_minor);
    intake_gate_set(rig->shell->intake, INTAKE_OPEN);
    await_alarm(rig, "raised", "major");
}

static void it_gets_worse_and_ends(void **state)
{
    struct shell_rig *rig = *state;
    drop(rig, SYSLOG_coalesced);
    await_alarm(rig, "raised", "warning");
    drop(rig, SYSLOG_dropped_info);
    await_alarm(rig, "raised", "major");
    drop(rig, SYSLOG_kernel_drops);
    await_alarm(rig, "raised", "critical");
    rig->shell->shedding_ms -= 60000; /* It was a minute ago. */
    await_alarm(rig, "cleared", "");
    drop(rig, SYSLOG_dropped_info);
    await_alarm(rig, "raised", "major"); /* Not what the storm before was. */
}

static void one_of_another_life_ends(void **state)
{
    struct shell_rig *rig = *state;
    drop(rig, SYSLOG_dropped_info);
    await_alarm(rig, "raised", "major");
    rig->shell->syslog = NULL;
    rig_stop(rig);
    rig_start(rig);
    await_alarm(rig, "cleared", "");
}

static int setup(void **state)
{
    int result = rig_set_up(state);
    listener = (struct syslog_listen){.held = false};
    ((struct shell_rig *)*state)->shell->syslog = &listener;
    return result;
}

static int teardown(void **state)
{
    ((struct shell_rig *)*state)->shell->syslog = NULL;
    return rig_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_short_storm_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(it_gets_worse_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_another_life_ends, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
