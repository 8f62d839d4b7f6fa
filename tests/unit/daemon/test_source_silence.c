/* SPDX-License-Identifier: Apache-2.0 */
/* The alarm of a silent source ends with the silence, and with the watching, whenever that is. */

#include "shell_rig.h"

#include "loop/intake_owner.h"

#define WATCHED                                                                                    \
    "plain_secrets = true; sources = ( { name = \"watched\"; type = \"webhook\"; format = "        \
    "\"alertmanager\"; tokens = [\"plain:x\"]; silence = \"7d\"; }, { name = \"free\"; type = "    \
    "\"webhook\"; format = \"alertmanager\"; tokens = [\"plain:y\"]; } );"

/* An alarm that an earlier life left. */
static const struct row {
    const char *source, *name, *state, *why;
} rows[] = {
    {"nightshift", "removed", "cleared", "no source has that name any more"},
    {"nightshift", "free", "cleared", "it may be silent now"},
    {"nightshift", "watched", "cleared", "it is watched anew, from now on"},
    {"another", "foreign", "raised", "it is not ours"},
};

static void raise_alarm(struct shell_rig *rig, const struct row *row)
{
    const struct event event = {.source = text_of(row->source),
                                .type = TEXT("source.silent"),
                                .subject = text_of(row->name),
                                .resource = text_of(row->name),
                                .state = EVENT_RAISE,
                                .severity = SEVERITY_MAJOR};
    uint8_t bytes[512];
    struct rig_pushed pushed = {0};
    const struct intake_batch batch = {.bytes = bytes,
                                       .bytes_count = event_pack(&event, bytes, sizeof bytes),
                                       .events_count = 1,
                                       .done = rig_pushed_done,
                                       .arg = &pushed};
    assert_int_equal(intake_push(shell_intake(rig->shell), &batch, NULL), 0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_true(pushed.durable);
}

struct look {
    const char *name;
    char state[16];
};

static int see_alarm(void *arg, const struct record *record)
{
    struct look *look = arg;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    assert_int_equal(json_parse(record->body.at, record->body.count, &arena, &body, NULL), 0);
    if (strcmp(nsh_get_text(&body, "resource", ""), look->name) == 0) {
        snprintf(look->state, sizeof look->state, "%.*s", (int)record->state.count,
                 record->state.at);
    }
    return 0;
}

static void alarm_state(struct shell_rig *rig, struct look *look)
{
    struct store_reader *reader = rig_reader(rig);
    const struct store_query query = {.kind = RECORD_ALARM};
    assert_int_equal(store_query(reader, &query, see_alarm, look, NULL), 0);
    store_reader_close(reader);
}

static bool alarm_is(struct shell_rig *rig, void *arg)
{
    const struct row *row = arg;
    struct look look = {.name = row->name};
    alarm_state(rig, &look);
    return strcmp(look.state, row->state) == 0;
}

static void what_another_life_left(void **state)
{
    struct shell_rig *rig = *state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        raise_alarm(rig, &rows[i]);
    }
    rig_stop(rig);
    rig_start(rig);
    shell_sources_start(rig->shell);
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (!rig_until(rig, alarm_is, (void *)(uintptr_t)&rows[i])) {
            fail_msg("%s is not %s: %s", rows[i].name, rows[i].state, rows[i].why);
        }
    }
}

static int setup(void **state)
{
    return rig_set_up_with(state, WATCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_another_life_left, setup, rig_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
