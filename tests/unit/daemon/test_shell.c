/* SPDX-License-Identifier: Apache-2.0 */
/* The shell around the real engine and store: what is durable when, who is answered, what survives.
 */

#include "shell_rig.h"

#include "loop/intake_owner.h"
#include "shell_private.h"

#include <signal.h>
#include <sys/resource.h>

static const struct rig_event memory_h1 = {
    "e", "memory.uncorrectable", "10.0.0.1", "dimm/1", EVENT_RAISE, SEVERITY_CRITICAL};
static const struct rig_event memory_h2 = {
    "e", "memory.uncorrectable", "10.0.0.2", "dimm/1", EVENT_RAISE, SEVERITY_CRITICAL};
static const struct rig_event fan_h1 = {"e",     "fan.failed", "10.0.0.1",
                                        "fan/1", EVENT_RAISE,  SEVERITY_MINOR};
static const struct rig_event stranger = {"e",     "fan.failed", "192.0.2.9",
                                          "fan/1", EVENT_RAISE,  SEVERITY_MINOR};

static void has(const char *document, const char *part)
{
    assert_non_null(document);
    if (strstr(document, part) == NULL) {
        fail_msg("no %s in %s", part, document);
    }
}

/* ---- reading the store as another process would ---- */

struct seen {
    unsigned count;
    char host[64], state[32], body[4096];
    uint64_t seq;
};

static int see_event(void *arg, const struct event *event)
{
    struct seen *seen = arg;
    seen->count++;
    seen->seq = event->seq;
    snprintf(seen->host, sizeof seen->host, "%.*s", (int)event->host.count, event->host.at);
    return 0;
}

static int see_record(void *arg, const struct record *record)
{
    struct seen *seen = arg;
    if (seen->count++ == 0) { /* The newest. */
        snprintf(seen->state, sizeof seen->state, "%.*s", (int)record->state.count,
                 record->state.at);
        snprintf(seen->body, sizeof seen->body, "%.*s", (int)record->body.count, record->body.at);
    }
    return 0;
}

static struct seen look(struct shell_rig *rig, int kind, const char *host)
{
    struct store_reader *reader = rig_reader(rig);
    struct seen seen = {0};
    struct nsh_error err = {0};
    if (kind < 0) {
        assert_int_equal(store_events(reader,
                                      &(struct store_events){.host = text_of(host), .limit = 1000},
                                      see_event, &seen, &err),
                         0);
    } else {
        struct store_query query = {.kind = (enum record_kind)kind, .host = text_of(host)};
        assert_int_equal(store_query(reader, &query, see_record, &seen, &err), 0);
    }
    store_reader_close(reader);
    return seen;
}

/* ---- events ---- */

static void acknowledged_means_on_disk(void **state)
{
    struct shell_rig *rig = *state;
    rig_send(rig, &fan_h1);
    struct seen seen = look(rig, -1, "");
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.seq, 1);
    assert_string_equal(seen.host, "h1"); /* Resolved by its address, and kept so. */
    assert_int_equal(look(rig, RECORD_ALARM, "h1").count, 1);
}

static bool has_observed(struct shell_rig *rig, void *arg)
{
    return look(rig, -1, "h1").count == *(const unsigned *)arg;
}

/* Whoever sees something unasked cannot try again: what has no room is counted, not forgotten. */
static void what_drivers_see_is_kept_or_counted(void **state)
{
    struct shell_rig *rig = *state;
    char long_name[EVENT_TEXT_BYTES_MAX + 2], long_text[8192];
    unsigned kept = 2;
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    struct nsh_member member = {"text", nsh_text(long_text)};
    struct nsh_value large = nsh_map(&member, 1);
    intake_gate_set(rig->shell->intake, INTAKE_ILL);
    shell_observed(rig->shell, "h1", "fan.seen", NULL);
    assert_int_equal(rig->shell->figures.observed_lost, 1);
    intake_gate_set(rig->shell->intake, INTAKE_OPEN);
    shell_observed(rig->shell, "h1", long_name, NULL);
    shell_observed(rig->shell, long_name, "fan.seen", NULL);
    assert_int_equal(rig->shell->figures.observed_lost, 3);
    shell_observed(rig->shell, "h1", "fan.seen", NULL);
    shell_observed(rig->shell, "h1", "fan.seen", &large); /* Without what it told. */
    assert_true(rig_until(rig, has_observed, &kept));
    assert_int_equal(rig->shell->figures.observed_lost, 3);
}

static void strangers_are_kept_without_a_host(void **state)
{
    struct shell_rig *rig = *state;
    rig_send(rig, &stranger);
    struct seen seen = look(rig, -1, "");
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.host, "");
}

static void repeat_is_known(struct shell_rig *rig, const struct rig_event *same)
{
    struct rig_pushed pushed;
    assert_int_equal(rig_push(rig, same, &pushed), 0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_true(pushed.durable);
    assert_int_equal(pushed.duplicates, 1);
    assert_int_equal(look(rig, -1, "").count, 1);
}

static void repeats_are_answered_and_kept_once(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_event same = fan_h1;
    same.id = "=fixed"; /* One id: source and id make it a repeat. */
    rig_send(rig, &same);
    repeat_is_known(rig, &same);
    rig_stop(rig);
    rig_start(rig);
    repeat_is_known(rig, &same); /* Over a restart as well. */
    rig_send(rig, &fan_h1);
    assert_int_equal(look(rig, -1, "").count, 2);
    assert_int_equal(shell_next_seq(rig->shell), 3); /* Repeats leave no gap. */
}

/* A repeat that comes while the first is not durable yet is not answered before it. */
static void a_repeat_waits_for_the_first(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_event same = fan_h1;
    struct rig_pushed first, second;
    same.id = "=fixed";
    assert_int_equal(rig_push(rig, &same, &first), 0);
    assert_int_equal(rig_push(rig, &same, &second), 0);
    assert_true(rig_until(rig, rig_is_pushed, &second));
    assert_true(first.come && first.durable && second.durable);
    assert_int_equal(first.duplicates + second.duplicates, 1);
    assert_int_equal(look(rig, -1, "").count, 1);
}

static void a_damaged_batch_is_not_acknowledged(void **state)
{
    struct shell_rig *rig = *state;
    static const uint8_t nonsense[64] = {64, 0, 0, 0, 0xff};
    struct rig_pushed pushed = {0};
    assert_int_equal(intake_push(shell_intake(rig->shell),
                                 &(struct intake_batch){.bytes = nonsense,
                                                        .bytes_count = sizeof nonsense,
                                                        .events_count = 1,
                                                        .done = rig_pushed_done,
                                                        .arg = &pushed},
                                 NULL),
                     0);
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_false(pushed.durable);
    rig_send(rig, &fan_h1); /* And life goes on. */
}

/* ---- calls ---- */

static bool is_run(struct shell_rig *rig, void *arg)
{
    struct seen seen = look(rig, RECORD_RUN, "");
    return strcmp(seen.state, arg) == 0;
}

static void an_alarm_becomes_a_verified_call(void **state)
{
    struct shell_rig *rig = *state;
    rig_send(rig, &memory_h1);
    assert_true(rig_until(rig, rig_calls_have, (void *)(uintptr_t) "power.cycle h1"));
    assert_int_not_equal(look(rig, RECORD_ACTION, "h1").count, 0); /* Its intent came first. */
    assert_true(rig_until(rig, is_run, (void *)(uintptr_t) "done"));
    CLEANUP(freep) char *calls = rig_read(rig, "calls");
    assert_non_null(strstr(calls, "power.status h1")); /* Read back, not believed. */
    assert_null(strstr(calls, "page"));
}

static void a_failure_wakes_the_pager(void **state)
{
    struct shell_rig *rig = *state;
    rig_send(rig, &memory_h2); /* Its BMC refuses. */
    assert_true(rig_until(rig, rig_calls_have, (void *)(uintptr_t) "page "));
    assert_true(rig_until(rig, is_run, (void *)(uintptr_t) "escalated"));
}

/* ---- requests ---- */

static void documents(void **state)
{
    static const struct {
        const char *name, *args, *part;
    } rows[] = {
        {"hosts", NULL, "\"kind\":\"HostList\""},
        {"hosts", "{\"state\":\"maintenance\"}", "\"items\":[{\"name\":\"h3\""},
        {"hosts", "{\"limit\":1}", "\"total\":3"},
        {"host", "{\"id\":\"h1\"}", "\"addresses\":[\"10.0.0.1\"]"},
        {"host", "{\"id\":\"h1\"}", "\"bmc\":{\"driver\":\"probe\",\"address\":\"a1\"}"},
        {"policies", NULL, "\"name\":\"heal\""},
        {"policy", "{\"id\":\"heal\"}", "\"steps\":[\"cycle: power.cycle (timeout 5s)\"]"},
        {"drivers", NULL, "\"name\":\"probe\""},
        {"drivers", NULL, "\"breakers\":[]"},
        {"policies", NULL, "\"worst_case\":[{\"domain\":\"rack\",\"hosts_in_10m\":"},
        {"driver", "{\"id\":\"probe\"}",
         "\"verbs\":[{\"name\":\"power.status\",\"effect\":\"reads\""},
        {"driver.doctor", "{\"id\":\"probe\"}", "\"failures\":0,\"warnings\":0,\"breakers\":[]"},
        {"freezes", NULL, "\"items\":[]"},
        {"plan", NULL, "{"},
        {"status", NULL, "\"health\":\"ok\""},
        {"hold", "{\"host\":\"h2\",\"owner\":\"ann\",\"reason\":\"DIMM\"}",
         "\"what\":\"maintenance\""},
        {"hold.release", "{\"id\":\"hld-000001\",\"reason\":\"done\"}", "\"state\":\"released\""},
        {"reload", NULL, "\"hosts\":3"},
    };
    struct shell_rig *rig = *state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig_answer answer;
        print_message("%s %s\n", rows[i].name, rows[i].args == NULL ? "" : rows[i].args);
        rig_ask(rig, rows[i].name, rows[i].args, &answer);
        assert_int_equal(answer.code, 0);
        has(answer.document, rows[i].part);
        const char *warnings = strstr(answer.document, "\"warnings\":["); /* One list. */
        assert_true(warnings == NULL || strstr(warnings + 1, "\"warnings\":[") == NULL);
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct nsh_value value;
        struct nsh_error err = {0};
        if (json_parse(answer.document, strlen(answer.document), &arena, &value, &err) < 0) {
            fail_msg("%s: %s", err.text, answer.document);
        }
        free(answer.document);
    }
}

static void what_is_not_there(void **state)
{
    struct shell_rig *rig = *state;
    static const char *const names[] = {"host", "policy", "driver.doctor", "unfreeze",
                                        "run.cancel"};
    for (size_t i = 0; i < ROWS(names); i++) {
        struct rig_answer answer;
        rig_ask(rig, names[i], "{\"id\":\"frz-000999\",\"reason\":\"r\",\"owner\":\"o\"}", &answer);
        assert_int_equal(answer.code, NSH_NOT_FOUND);
        assert_null(answer.document);
    }
    struct nsh_error err = {0};
    assert_int_equal(shell_post(rig->shell, "explode", NULL, "t", rig_answered, NULL, &err),
                     -NSH_NOT_FOUND);
}

static void a_freeze_is_durable_when_answered_and_survives(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_answer answer;
    rig_ask(rig, "freeze",
            "{\"scope\":\"all\",\"owner\":\"o\",\"reason\":\"PDU work\",\"for_ms\":3600000}",
            &answer);
    assert_int_equal(answer.code, 0);
    free(answer.document);
    assert_int_equal(look(rig, RECORD_FREEZE, "").count, 1);
    rig_stop(rig);
    rig_start(rig);
    rig_ask(rig, "freezes", NULL, &answer);
    has(answer.document, "PDU work");
    free(answer.document);
    rig_send(rig, &memory_h1);
    rig_ask(rig, "status", NULL, &answer); /* A round trip: what would act has had its turn. */
    free(answer.document);
    CLEANUP(freep) char *calls = rig_read(rig, "calls");
    assert_null(strstr(calls, "power.cycle"));
}

static void requests_are_bounded(void **state)
{
    struct shell_rig *rig = *state;
    static struct rig_answer answers[SHELL_REQUESTS_MAX];
    struct rig_answer over = {0};
    memset(answers, 0, sizeof answers);
    for (size_t i = 0; i < SHELL_REQUESTS_MAX; i++) {
        assert_int_equal(
            shell_post(rig->shell, "drivers", NULL, "t", rig_answered, &answers[i], NULL), 0);
    }
    assert_int_equal(shell_post(rig->shell, "drivers", NULL, "t", rig_answered, &over, NULL),
                     -NSH_LIMIT);
    assert_true(rig_until(rig, rig_has_come, &answers[SHELL_REQUESTS_MAX - 1]));
    for (size_t i = 0; i < SHELL_REQUESTS_MAX; i++) {
        assert_true(answers[i].come);
        free(answers[i].document);
    }
    assert_false(over.come);
    rig_ask(rig, "drivers", NULL, &over); /* The places are free again. */
    free(over.document);
}

static void followers(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_answer early = {0}, late = {0};
    assert_int_equal(shell_follow(rig->shell, 0, RIG_WAIT_MS, rig_answered, &early, NULL), 0);
    assert_int_equal(shell_follow(rig->shell, 1000, 50, rig_answered, &late, NULL), 0);
    rig_send(rig, &fan_h1);
    assert_true(rig_until(rig, rig_has_come, &early));
    assert_string_equal(early.document, "{\"seq\":1}");
    assert_true(rig_until(rig, rig_has_come, &late)); /* Nothing that new came: by its time. */
    free(early.document);
    free(late.document);
}

static void metrics(void **state)
{
    struct shell_rig *rig = *state;
    rig_send(rig, &fan_h1);
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct text text = shell_metrics(rig->shell, &arena);
    has(text.at, "\nnightshift_intake_events_total 1\n");
    has(text.at, "# TYPE nightshift_store_commits_total counter\n");
    has(text.at, "nightshift_driver_devices{driver=\"probe\"} 0\n");
    has(text.at, "# TYPE nightshift_store_commit_seconds histogram\n");
}

static bool metrics_tell_of_the_call(struct shell_rig *rig, void *arg)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    shell_metrics_make(rig->shell);
    return strstr(shell_metrics(rig->shell, &arena).at,
                  "nightshift_actions_total{driver=\"probe\",action=\"power.cycle\","
                  "outcome=\"ok\"} 1\n") != NULL;
}

static void metrics_by_policy_and_driver(void **state)
{
    struct shell_rig *rig = *state;
    rig_send(rig, &memory_h1);
    assert_true(rig_until(rig, metrics_tell_of_the_call, NULL));
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct text text = shell_metrics(rig->shell, &arena);
    has(text.at, "nightshift_decisions_total{policy=\"heal\",result=\"run\"} 1\n");
    has(text.at, "nightshift_action_seconds_count{driver=\"probe\",action=\"power.cycle\"} 1\n");
}

/* ---- reload ---- */

static void a_reload_with_a_mistake_keeps_the_old_set(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_answer answer;
    rig_write(rig, "policies/heal.policy", "policies: ( { name = \"heal\"; summry = \"x\"; } );\n");
    rig_ask(rig, "reload", NULL, &answer);
    assert_int_equal(answer.code, NSH_INVALID);
    has(answer.text, "heal.policy:1:");
    has(answer.text, "summry");
    rig_ask(rig, "policy", "{\"id\":\"heal\"}", &answer);
    assert_int_equal(answer.code, 0); /* Still there, whole. */
    has(answer.document, "cycle, else page");
    free(answer.document);
    rig_ask(rig, "status", NULL, &answer);
    has(answer.document, "the last reload was refused");
    free(answer.document);
    rig_write(rig, "policies/heal.policy", RIG_POLICY);
    rig_write(
        rig, "policies/more.policy",
        "policies: ( { name = \"more\"; summary = \"s\"; owner = \"o\"; subject = \"host\";\n"
        " when = { event = \"fan.failed\"; severity = \"minor\"; };\n"
        " do = ( { step = \"page\"; action = \"page\"; with = { text = \"t\"; }; } ); } );\n");
    rig_ask(rig, "reload", NULL, &answer);
    assert_int_equal(answer.code, 0);
    has(answer.document, "\"policies\":2");
    free(answer.document);
    rig_send(rig, &memory_h1); /* The new generation works. */
    assert_true(rig_until(rig, rig_calls_have, (void *)(uintptr_t) "power.cycle h1"));
}

static bool has_reloaded_twice(struct shell_rig *rig, void *arg)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    shell_metrics_make(rig->shell);
    return strstr(shell_metrics(rig->shell, &arena).at, "nightshift_reloads_total 2\n") != NULL;
}

/* A signal during a reload means files that changed after they were read. */
static void a_signal_during_a_reload_reads_again(void **state)
{
    struct shell_rig *rig = *state;
    shell_reload(rig->shell);
    shell_reload(rig->shell);
    assert_true(rig_until(rig, has_reloaded_twice, NULL));
}

/* ---- restart ---- */

static void a_restart_keeps_state_sequence_and_time(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_answer answer;
    rig_send(rig, &fan_h1);
    int64_t before_ms = intake_now_ms(shell_intake(rig->shell));
    rig_stop(rig);
    rig_start(rig);
    assert_true(intake_now_ms(shell_intake(rig->shell)) >= before_ms);
    assert_int_equal(shell_next_seq(rig->shell), 2);
    rig_ask(rig, "host", "{\"id\":\"h1\"}", &answer);
    has(answer.document, "\"alarms\":1");
    free(answer.document);
}

static void stopping_answers_everybody(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_answer follower = {0}, doctor = {0}, reload = {0};
    struct rig_pushed pushed;
    assert_int_equal(shell_follow(rig->shell, 1000, 600000, rig_answered, &follower, NULL), 0);
    char text[512];
    snprintf(text, sizeof text,
             "hosts: ( { name = \"h1\"; addresses = [\"10.0.0.1\"]; bmc = { driver = \"probe\"; "
             "log = \"%s\"; answer = \"never\"; }; } );\n",
             rig->calls);
    rig_write(rig, "inventory.conf", text);
    rig_ask(rig, "reload", NULL, &reload);
    free(reload.document);
    assert_int_equal(
        shell_post(rig->shell, "driver.doctor", NULL, "t", rig_answered, &doctor, NULL), 0);
    assert_true(rig_until(rig, rig_calls_have, (void *)(uintptr_t) "power.status h1"));
    assert_int_equal(rig_push(rig, &fan_h1, &pushed), 0);
    rig_stop(rig);
    assert_true(follower.come);
    assert_int_equal(follower.code, NSH_CANCELLED);
    assert_true(doctor.come); /* Its host never answers. */
    assert_int_equal(doctor.code, NSH_CANCELLED);
    assert_true(pushed.come && pushed.durable); /* It was taken in: so it was committed. */
}

/* ---- a store that cannot write ---- */

static bool is_ill(struct shell_rig *rig, void *arg)
{
    char reason[256];
    return !shell_ready(rig->shell, reason, sizeof reason);
}

static bool is_well(struct shell_rig *rig, void *arg)
{
    return !is_ill(rig, arg);
}

/* The process may not make files longer: what a full disk does, without one. */
static void files_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_store_that_cannot_write_stops_everything_and_recovers(void **state)
{
    struct shell_rig *rig = *state;
    struct rig_pushed pushed, refused;
    struct rig_answer answer;
    signal(SIGXFSZ, SIG_IGN);
    rig_send(rig, &fan_h1);
    files_limit(1024);
    assert_int_equal(rig_push(rig, &memory_h1, &pushed), 0);
    assert_true(rig_until(rig, is_ill, NULL));
    assert_int_equal(rig_push(rig, &memory_h2, &refused), -NSH_IO); /* Sources hold back. */
    rig_ask(rig, "freeze", "{\"scope\":\"all\",\"reason\":\"r\",\"owner\":\"o\",\"for_ms\":60000}",
            &answer);
    assert_int_equal(answer.code, NSH_IO);
    assert_false(pushed.come); /* Neither acknowledged nor dropped. */
    files_limit(RLIM_INFINITY);
    CLEANUP(freep) char *calls = rig_read(rig, "calls");
    assert_string_equal(calls, ""); /* Nothing acted. */
    assert_true(rig_until(rig, is_well, NULL));
    assert_true(rig_until(rig, rig_is_pushed, &pushed));
    assert_true(pushed.durable);
    assert_true(rig_until(rig, rig_calls_have, (void *)(uintptr_t) "power.cycle h1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(acknowledged_means_on_disk),
        TEST(what_drivers_see_is_kept_or_counted),
        TEST(strangers_are_kept_without_a_host),
        TEST(repeats_are_answered_and_kept_once),
        TEST(a_repeat_waits_for_the_first),
        TEST(a_damaged_batch_is_not_acknowledged),
        TEST(an_alarm_becomes_a_verified_call),
        TEST(a_failure_wakes_the_pager),
        TEST(documents),
        TEST(what_is_not_there),
        TEST(a_freeze_is_durable_when_answered_and_survives),
        TEST(requests_are_bounded),
        TEST(followers),
        TEST(metrics),
        TEST(metrics_by_policy_and_driver),
        TEST(a_reload_with_a_mistake_keeps_the_old_set),
        TEST(a_signal_during_a_reload_reads_again),
        TEST(a_restart_keeps_state_sequence_and_time),
        TEST(a_store_that_cannot_write_stops_everything_and_recovers),
    };
    const struct CMUnitTest stopping[] = {
        TEST(stopping_answers_everybody),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests(stopping, NULL, NULL);
}
