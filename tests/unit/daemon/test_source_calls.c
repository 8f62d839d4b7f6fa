/* SPDX-License-Identifier: Apache-2.0 */
/* What a source may ask of a host's driver, and how far it has read: kept with what it read. */

#include "shell_rig.h"

#include "shell_private.h"
#include "source/map/source_type.h"

static const struct rig_event without_mark = {"e",     "fan.failed", "10.0.0.1",
                                              "fan/1", EVENT_RAISE,  SEVERITY_MINOR};

struct heard {
    unsigned times;
    int code;
};

static void on_done(void *arg, const struct nsh_outcome *outcome)
{
    struct heard *heard = arg;
    heard->times++;
    heard->code = outcome->code;
}

static bool is_heard(struct shell_rig *rig, void *arg)
{
    return ((struct heard *)arg)->times > 0;
}

static bool is_quiet(struct shell_rig *rig, void *arg)
{
    return drivers_running(rig->drivers) == 0;
}

static int ask(struct shell_rig *rig, const char *host, const char *driver, const char *verb,
               struct heard *heard, uint64_t *ret_number)
{
    struct nsh_error err = {0};
    const struct source_call call = {.host = host,
                                     .binding = BINDING_BMC,
                                     .driver = driver,
                                     .verb = verb,
                                     .done = on_done,
                                     .arg = heard};
    return shell_source_call(rig->shell, &call, ret_number, &err);
}

static void test_only_what_reads(void **state)
{
    struct shell_rig *rig = *state;
    struct heard heard = {0};
    uint64_t number = 0;
    static const struct {
        const char *host, *driver, *verb;
        int result;
        const char *why;
    } rows[] = {
        {"h1", "probe", "power.off", -NSH_DENIED, "it interrupts"},
        {"h1", "probe", "power.on", -NSH_DENIED, "it changes"},
        {"h1", "probe", "power.nothing", -NSH_UNSUPPORTED, "no such verb"},
        {"h9", "probe", "power.status", -NSH_NOT_FOUND, "no such host"},
        {"h1", "ipmi", "power.status", -NSH_NOT_FOUND, "its binding is another driver's"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int result = ask(rig, rows[i].host, rows[i].driver, rows[i].verb, &heard, &number);
        if (result != rows[i].result) {
            fail_msg("%s: %d", rows[i].why, result);
        }
    }
    assert_int_equal(ask(rig, "h1", "probe", "power.status", &heard, &number), 0);
    assert_int_equal(heard.times, 0); /* Not from inside. */
    assert_true(rig_until(rig, is_heard, &heard));
    assert_int_equal(heard.code, NSH_OK);
    assert_false(rig_calls_have(rig, (void *)(uintptr_t) "power.off"));
    assert_false(rig_calls_have(rig, (void *)(uintptr_t) "power.on"));
}

static void test_a_call_that_is_given_up(void **state)
{
    struct shell_rig *rig = *state;
    struct heard heard = {0};
    uint64_t number = 0;
    assert_int_equal(ask(rig, "h1", "probe", "power.status", &heard, &number), 0);
    shell_source_call_cancel(rig->shell, number);
    assert_true(rig_until(rig, is_quiet, NULL));
    assert_int_equal(heard.times, 0);
    shell_source_call_cancel(rig->shell, number); /* Once more does no harm. */
    assert_int_equal(shell_reading_calls(rig->shell), 0);
}

static int push(struct shell_rig *rig, const char *id, const char *mark, bool with_event,
                struct rig_pushed *pushed)
{
    struct intake *intake = shell_intake(rig->shell);
    struct event event = {.source = TEXT("test"), .type = TEXT("fan.failed")};
    uint8_t bytes[512];
    size_t count = with_event ? event_pack(&event, bytes, sizeof bytes) : 0;
    *pushed = (struct rig_pushed){0};
    return intake_push(intake,
                       &(struct intake_batch){.bytes = bytes,
                                              .bytes_count = count,
                                              .events_count = with_event,
                                              .received_ms = intake_now_ms(intake),
                                              .mark_id = id,
                                              .mark = mark,
                                              .done = rig_pushed_done,
                                              .arg = pushed},
                       NULL);
}

static void test_marks_stay(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_pushed pushed;
    assert_null(shell_mark(rig->shell, "sel/a"));
    assert_int_equal(push(rig, "sel/a", "{\"n\":1}", false, &pushed), 0); /* Without an event. */
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_true(pushed.durable);
    assert_string_equal(shell_mark(rig->shell, "sel/a"), "{\"n\":1}");
    assert_int_equal(push(rig, "sel/a", "{\"n\":2}", true, &pushed), 0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_int_equal(push(rig, "sel/b", "{\"n\":3}", true, &pushed), 0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    rig_send(rig, &without_mark);
    struct rig_answer answer;
    rig_ask(rig, "status", NULL, &answer); /* Marks are no state that is shown. */
    assert_null(strstr(answer.document, "sel/a"));
    free(answer.document);
    rig_stop(rig);
    rig_start(rig);
    assert_string_equal(shell_mark(rig->shell, "sel/a"), "{\"n\":2}");
    assert_string_equal(shell_mark(rig->shell, "sel/b"), "{\"n\":3}");
    assert_null(shell_mark(rig->shell, "sel/c"));
}

/* Of more marks than are kept the rest is not known: that is no reason not to start. */
static void test_too_many_marks(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_pushed unkept, pushed;
    char id[32];
    for (unsigned i = 0; i <= 200000; i++) {
        snprintf(id, sizeof id, "sel/%u", i);
        const struct record record = {
            .kind = RECORD_MARK, .id = text_of(id), .body = TEXT("{\"n\":1}")};
        assert_int_equal(shell_mark_load(rig->shell, &record, NULL), 0);
    }
    assert_non_null(shell_mark(rig->shell, "sel/199999"));
    assert_null(shell_mark(rig->shell, "sel/200000"));
    assert_int_equal(push(rig, "sel/more", "{}", false, &unkept), 0);
    assert_int_equal(push(rig, "sel/1", "{\"n\":2}", true, &pushed), 0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_string_equal(shell_mark(rig->shell, "sel/1"), "{\"n\":2}");
    rig_stop(rig);
    rig_start(rig);
    assert_string_equal(shell_mark(rig->shell, "sel/1"), "{\"n\":2}");
    assert_null(shell_mark(rig->shell, "sel/more"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_what_reads, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_a_call_that_is_given_up, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_marks_stay, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_marks, rig_set_up, rig_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
