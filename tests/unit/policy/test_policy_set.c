/* SPDX-License-Identifier: Apache-2.0 */
/* What a set is after loading: values, defaults, templates, the index, revisions, folders. */

#include "../unit.h"

#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct policy_set *load_with(const char *text, const struct policy_defaults *defaults)
{
    struct diags diags = {0};
    struct policy_set *set = policy_load_text("t.policy", text, defaults, &diags);
    if (diags.count > 0) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        print_error("%s", out.at);
    }
    diags_done(&diags);
    assert_non_null(set);
    return set;
}

static struct policy_set *load(const char *text)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    return load_with(text, &defaults);
}

static void test_values(void **state)
{
    (void)state;
    struct policy_set *set = load(
        "# a comment\n"
        "policies: ( { name = \"p-1.x\"; summary = \"s\"; owner = \"o\"; subject = \"rack\";\n"
        "  mode = \"enforce\"; raises = \"rack.lost\";\n"
        "  when = { event = [\"a.b\", \"c.*\"]; severity = \"major\"; if = \"host.rack == 'r1'\";\n"
        "    for = \"2m\"; settle = \"5s\"; keep = \"15m\"; count = 3; within = \"90s\";\n"
        "    distinct = \"host.name\"; };\n"
        "  unless = ( \"host.maintenance\", \"active('x')\" );\n"
        "  limits = { once_within = \"6h\"; concurrent = { rack = 1; pool = 3; };\n"
        "    rates = { host = \"1 in 24h\"; rack = [\"1 in 10m\", \"2 in 1h\"]; }; };\n"
        "  do = ( { step = \"a\"; action = \"power.off\"; timeout = \"2m\"; retries = 0;\n"
        "           if = \"!cleared\"; on_fail = \"continue\"; },\n"
        "         { step = \"b\"; check = \"steps.a.ok\"; within = \"1m\"; every = \"3s\"; need = "
        "true; },\n"
        "         { step = \"c\"; wait = \"30s\"; on_fail = \"stop\"; } );\n"
        "  else = ( { step = \"d\"; action = \"page\"; if = \"steps.a.ok && failed.step == 'b'\"; "
        "} ); } );");
    const struct policy *policy = map_get(&set->by_name, TEXT("p-1.x"));
    assert_ptr_equal(policy, &set->policies[0]);
    assert_string_equal(policy->summary, "s");
    assert_string_equal(policy->owner, "o");
    assert_string_equal(policy->subject, "rack");
    assert_string_equal(policy->raises, "rack.lost");
    assert_string_equal(policy->file, "t.policy");
    assert_int_equal(policy->at.line, 2);
    assert_int_equal(policy->mode, POLICY_ENFORCE);
    assert_int_equal(policy->when.events_count, 2);
    assert_string_equal(policy->when.events[1], "c.*");
    assert_int_equal(policy->when.severity_min, SEVERITY_MAJOR);
    assert_non_null(policy->when.condition.program);
    assert_non_null(policy->when.condition.source);
    assert_int_equal(policy->when.condition.at.line, 4);
    assert_int_equal(policy->when.for_ms, 120000);
    assert_int_equal(policy->when.settle_ms, 5000);
    assert_int_equal(policy->when.keep_ms, 900000);
    assert_int_equal(policy->when.count, 3);
    assert_int_equal(policy->when.within_ms, 90000);
    assert_non_null(policy->when.distinct.program);
    assert_int_equal(policy->unless_count, 2);
    assert_non_null(policy->unless[1].program);
    assert_int_equal(policy->limits.once_within_ms, 6 * 3600000);
    assert_int_equal(policy->limits.concurrent_count, 2);
    assert_string_equal(policy->limits.concurrent[1].kind, "pool");
    assert_int_equal(policy->limits.concurrent[1].count, 3);
    assert_int_equal(policy->limits.rates_count, 3);
    assert_string_equal(policy->limits.rates[2].kind, "rack");
    assert_int_equal(policy->limits.rates[2].count, 2);
    assert_int_equal(policy->limits.rates[2].window_ms, 3600000);
    assert_int_equal(policy->steps_count, 3);
    const struct policy_step *steps = policy->steps;
    assert_int_equal(steps[0].kind, STEP_ACT);
    assert_string_equal(steps[0].verb->name, "power.off");
    assert_int_equal(steps[0].timeout_ms, 120000);
    assert_int_equal(steps[0].on_fail, ON_FAIL_CONTINUE);
    assert_non_null(steps[0].run_if.program);
    assert_int_equal(steps[1].kind, STEP_CHECK);
    assert_non_null(steps[1].check.program);
    assert_int_equal(steps[1].within_ms, 60000);
    assert_int_equal(steps[1].every_ms, 3000);
    assert_true(steps[1].need);
    assert_int_equal(steps[1].on_fail, ON_FAIL_ELSE);
    assert_int_equal(steps[2].kind, STEP_WAIT);
    assert_int_equal(steps[2].wait_ms, 30000);
    assert_int_equal(steps[2].on_fail, ON_FAIL_STOP);
    assert_int_equal(policy->otherwise_count, 1);
    assert_int_equal(policy->otherwise[0].on_fail, ON_FAIL_CONTINUE);
    policy_set_free(set);
}

#define SHORT(name, event)                                                                         \
    "{ name = \"" name "\"; subject = \"host\"; when = { event = " event                           \
    "; }; do = ( { step = \"a\"; action = \"notify\"; }, "                                         \
    "{ step = \"b\"; check = \"cleared\"; within = \"5s\"; } ); }"

static void test_defaults(void **state)
{
    (void)state;
    struct policy_set *set = load("policies: ( " SHORT("p", "\"x\"") " );");
    const struct policy *policy = &set->policies[0];
    assert_int_equal(policy->mode, POLICY_OBSERVE); /* New policies start there. */
    assert_string_equal(policy->summary, "");
    assert_string_equal(policy->owner, "");
    assert_null(policy->raises);
    assert_int_equal(policy->when.severity_min, SEVERITY_INFO);
    assert_int_equal(policy->when.settle_ms, 0);
    assert_null(policy->when.condition.program);
    assert_int_equal(policy->when.count, 0);
    assert_int_equal(policy->limits.once_within_ms, -1); /* The site's. */
    assert_int_equal(policy->steps[0].timeout_ms, 0);    /* The driver's. */
    assert_int_equal(policy->steps[0].retries, 0);
    assert_int_equal(policy->steps[0].retry_delay_ms, 30000);
    assert_int_equal(policy->steps[1].every_ms, 5000); /* Never longer than within. */
    policy_set_free(set);

    struct policy_defaults defaults = policy_defaults_builtin();
    defaults.mode = POLICY_SUGGEST;
    defaults.settle_ms = 2000;
    defaults.step_timeout_ms = 7000;
    set = load_with("policies: ( " SHORT("p", "\"x\"") " );", &defaults);
    assert_int_equal(set->policies[0].mode, POLICY_SUGGEST);
    assert_int_equal(set->policies[0].when.settle_ms, 2000);
    assert_int_equal(set->policies[0].steps[0].timeout_ms, 7000);
    assert_int_equal(set->policies[0].steps[1].timeout_ms, 0); /* It checks. */
    assert_int_equal(set->defaults.settle_ms, 2000);
    policy_set_free(set);
}

/* What is on when nothing is configured. A change here is a change of how careful nightshift is. */
static void test_builtin_guards(void **state)
{
    (void)state;
    const struct policy_guards guards = policy_defaults_builtin().guards;
    assert_int_equal(guards.host_interrupts_max, 2);
    assert_int_equal(guards.host_interrupts_ms, 24 * 3600000);
    assert_int_equal(guards.pool_percent_max, 5);
    assert_int_equal(guards.rack_concurrent_max, 1);
    assert_int_equal(guards.site_concurrent_max, 10);
    assert_int_equal(guards.site_10min_max, 10);
    assert_int_equal(guards.site_1h_max, 30);
    assert_int_equal(guards.site_24h_max, 100);
    assert_int_equal(guards.pool_10min_max, 3);
    assert_int_equal(guards.pool_1h_max, 10);
    assert_int_equal(guards.pool_24h_max, 30);
    assert_int_equal(guards.rack_10min_max, 2);
    assert_int_equal(guards.rack_1h_max, 4);
    assert_int_equal(guards.rack_24h_max, 10);
    assert_int_equal(guards.brake_hosts_min, 3);
    assert_int_equal(guards.brake_percent, 20);
    assert_int_equal(guards.brake_window_ms, 300000);
    assert_int_equal(guards.brake_hold_ms, 600000);
    assert_int_equal(guards.intent_max_age_ms, 600000);
    assert_int_equal(guards.event_max_age_ms, 600000);
    assert_int_equal(guards.cooldown_ms, 3600000);
    assert_int_equal(guards.queue_ms, 600000);
}

static void test_configured(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    struct conf *root = conf_read_text(
        "c",
        "defaults = { mode = \"suggest\"; settle = \"2s\"; once_within = \"30m\"; max_age = "
        "\"5m\"; queue = \"1m\"; step = { timeout = \"4m\"; }; };\n"
        "guards = { pool_percent = 10; intent_max_age = \"3m\"; concurrent = { rack = 2; site = 5; "
        "}; rates = { host = \"3 in 12h\"; rack = [\"1 in 10m\", \"5 in 1h\", \"6 in 24h\"]; "
        "pool = \"7 in 1h\"; site = \"8 in 1d\"; };\n"
        "  brake = { hosts = 4; percent = 30; window = \"2m\"; hold = \"9m\"; }; };",
        &arena, &diags);
    policy_defaults_read(root, &defaults, &diags);
    assert_int_equal(diags.count, 0);
    diags_done(&diags);
    const struct policy_guards *guards = &defaults.guards;
    assert_int_equal(defaults.mode, POLICY_SUGGEST);
    assert_int_equal(defaults.settle_ms, 2000);
    assert_int_equal(defaults.step_timeout_ms, 240000);
    assert_int_equal(guards->cooldown_ms, 1800000);
    assert_int_equal(guards->event_max_age_ms, 300000);
    assert_int_equal(guards->queue_ms, 60000);
    assert_int_equal(guards->pool_percent_max, 10);
    assert_int_equal(guards->intent_max_age_ms, 180000);
    assert_int_equal(guards->rack_concurrent_max, 2);
    assert_int_equal(guards->site_concurrent_max, 5);
    assert_int_equal(guards->host_interrupts_max, 3);
    assert_int_equal(guards->host_interrupts_ms, 12 * 3600000);
    assert_int_equal(guards->rack_10min_max, 1);
    assert_int_equal(guards->rack_1h_max, 5);
    assert_int_equal(guards->rack_24h_max, 6);
    assert_int_equal(guards->pool_1h_max, 7);
    assert_int_equal(guards->pool_10min_max, 3); /* Not said: stays. */
    assert_int_equal(guards->site_24h_max, 8);
    assert_int_equal(guards->brake_hosts_min, 4);
    assert_int_equal(guards->brake_percent, 30);
    assert_int_equal(guards->brake_window_ms, 120000);
    assert_int_equal(guards->brake_hold_ms, 540000);
    assert_int_equal(guards->site_1h_max, 30);
}

static void test_templates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *literal;   /* When there are no pieces. */
        const char *pieces[5]; /* "$": a program. */
        const char *why;
    } rows[] = {
        {"plain", "plain", {NULL}, "no expression"},
        {"", "", {NULL}, "empty"},
        {"a $${b} $c", "a ${b} $c", {NULL}, "$${ is a plain ${, a lone $ is itself"},
        {"${host.name}", NULL, {"$"}, "one expression keeps its type"},
        {"${host.name}: ${host.rack}.", NULL, {"$", ": ", "$", "."}, "mixed"},
        {"$${${host.name}", NULL, {"${", "$"}, "an escape before an expression"},
        {"${{'a': 'b'}['a']}}", NULL, {"$", "}"}, "braces of the expression are its own"},
        {"${'}' + host.name}", NULL, {"$"}, "a brace in a text"},
        {"${r'\\\\' + '}'}", NULL, {"$"}, "a raw text ends at its quote"},
        {"${'''}'}''' + host.name}x", NULL, {"$", "x"}, "a text in three quotes"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        textbuf_addf(
            &text,
            "policies: ( { name = \"p\"; subject = \"host\"; when = { event = \"x\"; }; do "
            "= ( { step = \"a\"; action = \"notify\"; with = { text = \"%s\"; }; } ); } );",
            rows[i].text);
        struct policy_set *set = load(text.at);
        const struct policy_step *step = &set->policies[0].steps[0];
        assert_int_equal(step->with_count, 1);
        assert_string_equal(step->with[0].name, "text");
        if (rows[i].literal != NULL) {
            assert_int_equal(step->with[0].pieces_count, 0);
            assert_string_equal(step->with[0].literal.text, rows[i].literal);
        }
        size_t count = 0;
        for (; rows[i].pieces[count] != NULL; count++) {
            assert_true(count < step->with[0].pieces_count);
            const struct policy_piece *piece = &step->with[0].pieces[count];
            bool program = strcmp(rows[i].pieces[count], "$") == 0;
            assert_int_equal(program, piece->program != NULL);
            if (!program) {
                assert_string_equal(piece->text, rows[i].pieces[count]);
            }
        }
        assert_int_equal(step->with[0].pieces_count, count);
        policy_set_free(set);
    }
}

static void test_literals_keep_their_type(void **state)
{
    (void)state;
    struct policy_set *set =
        load("policies: ( { name = \"p\"; subject = \"host\"; when = { event = \"x\"; }; do = ( { "
             "step = \"a\"; action = \"drain\"; with = { grace = 30; soft = true; pools = [\"a\", "
             "\"b\"]; }; } ); } );");
    const struct policy_step *step = &set->policies[0].steps[0];
    assert_int_equal(step->with_count, 3);
    assert_int_equal(step->with[0].literal.integer, 30);
    assert_true(step->with[1].literal.boolean);
    assert_int_equal(step->with[2].literal.count, 2);
    assert_string_equal(step->with[2].literal.items[1].text, "b");
    policy_set_free(set);
}

static void test_index(void **state)
{
    (void)state;
    struct policy_set *set = load(
        "policies: ( " SHORT("exact", "\"a.b\"") ", " SHORT("two", "[\"a.b\", \"c\"]") ", " SHORT(
            "glob",
            "[\"a.*\", \"c\"]") ",\n"
                                "{ name = \"only\"; subject = \"host\"; when = { event = \"*\"; if "
                                "= \"event.type == 'c' && "
                                "host.rack == 'r1'\"; }; do = ( { step = \"a\"; action = "
                                "\"notify\"; } ); },\n"
                                "{ name = \"never\"; subject = \"host\"; when = { event = \"z.*\"; "
                                "if = \"event.type == "
                                "'c'\"; }; do = ( { step = \"a\"; action = \"notify\"; } ); } );");
    const struct policy_list *list = map_get(&set->by_event, TEXT("a.b"));
    assert_int_equal(list->count, 2);
    assert_string_equal(list->items[0]->name, "exact");
    assert_string_equal(list->items[1]->name, "two");
    list = map_get(&set->by_event, TEXT("c"));
    assert_int_equal(list->count, 2);
    assert_string_equal(list->items[0]->name, "two");
    assert_string_equal(list->items[1]->name, "only"); /* Its condition names the type. */
    assert_int_equal(set->globs_count, 1);
    assert_string_equal(set->globs[0]->name, "glob"); /* Once, though "c" is no glob. */
    assert_null(map_get(&set->by_event, TEXT("z")));
    policy_set_free(set);
}

static uint64_t revision_of(const char *text)
{
    struct policy_set *set = load(text);
    uint64_t revision = set->policies[0].revision;
    policy_set_free(set);
    return revision;
}

static void test_revision(void **state)
{
    (void)state;
    const char *a = "policies: ( " SHORT("p", "\"x\"") " );";
    const char *same = "# why\npolicies : (\n  " SHORT("p", "\"\" \"x\"") "\n);";
    const char *other = "policies: ( " SHORT("p", "\"y\"") " );";
    assert_true(revision_of(a) == revision_of(same)); /* Layout and comments do not count. */
    assert_true(revision_of(a) != revision_of(other));
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-policies-XXXXXX", path[256];
    struct policy_defaults defaults = policy_defaults_builtin();
    struct diags diags = {0};
    assert_non_null(mkdtemp(folder));
    policy_set_free(policy_load(folder, &defaults, NULL, 0, &diags));
    assert_int_equal(diags.errors_count, 0);
    assert_int_equal(diags.warnings_count, 1); /* An empty folder is worth a word. */
    diags_done(&diags);

    write_file(folder, "b.policy", "policies: ( " SHORT("second", "\"x\"") " );");
    write_file(folder, "a.policy", "policies: ( " SHORT("first", "\"x\"") " );");
    write_file(folder, "a.test", "this is no policy");
    write_file(folder, ".hidden.policy", "nor is this");
    struct policy_set *set = policy_load(folder, &defaults, NULL, 0, &diags);
    assert_non_null(set);
    assert_int_equal(diags.count, 0);
    assert_int_equal(set->policies_count, 2);
    assert_string_equal(set->policies[0].name, "first"); /* By name of file. */
    assert_int_equal(set->policies[1].index, 1);
    uint64_t revision = set->revision;
    policy_set_free(set);

    write_file(folder, "c.policy", "policies: ( " SHORT("first", "\"y\"") " );");
    write_file(folder, "d.policy", "policies: ( { name = \"d\"; } );");
    assert_null(policy_load(folder, &defaults, NULL, 0, &diags));
    assert_int_equal(diags.errors_count, 4); /* The double and what d lacks: all files are read. */
    snprintf(path, sizeof path, "%s/c.policy", folder);
    assert_string_equal(diags.items[0].at.file, path);
    snprintf(path, sizeof path, "%s/a.policy", folder);
    assert_string_equal(diags.items[1].at.file, path); /* The note: where the first one is. */
    diags_done(&diags);

    write_file(folder, "c.policy", "policies: ( " SHORT("third", "\"y\"") " );");
    write_file(folder, "d.policy", "policies: ( " SHORT("fourth", "\"y\"") " );");
    set = policy_load(folder, &defaults, NULL, 0, &diags);
    assert_non_null(set);
    assert_true(set->revision != revision);
    policy_set_free(set);
    static const char *const names[] = {"a.policy", "b.policy", "c.policy",
                                        "d.policy", "a.test",   ".hidden.policy"};
    for (size_t i = 0; i < ROWS(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    assert_null(policy_load(folder, &defaults, NULL, 0, &diags));
    assert_int_equal(diags.errors_count, 1);
    diags_done(&diags);
}

static void test_verbs_of_drivers(void **state)
{
    (void)state;
    char name[] = "redfish.set_power_limit"; /* The daemon's table is gone after loading. */
    struct verb extra[] = {{.name = name, .effect = NSH_CHANGES, .driver = "redfish"}};
    char path[] = "/tmp/ns-policy-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs("policies: ( { name = \"p\"; subject = \"host\"; when = { event = \"x\"; };\n"
          "do = ( { step = \"a\"; action = \"redfish.set_power_limit\"; with = { watts = 300; }; } "
          "); } );",
          file);
    fclose(file);
    struct policy_defaults defaults = policy_defaults_builtin();
    struct diags diags = {0};
    assert_null(policy_load(path, &defaults, NULL, 0, &diags));
    assert_int_equal(diags.errors_count, 1);
    diags_done(&diags);
    struct policy_set *set = policy_load(path, &defaults, extra, 1, &diags);
    assert_non_null(set);
    memset(extra, 0, sizeof extra);
    memset(name, '-', sizeof name - 1);
    const struct verb *verb = set->policies[0].steps[0].verb;
    assert_string_equal(verb->name, "redfish.set_power_limit");
    assert_string_equal(verb->driver, "redfish");
    assert_int_equal(verb->effect, NSH_CHANGES);
    policy_set_free(set);
    unlink(path);
}

static void test_modes(void **state)
{
    (void)state;
    assert_string_equal(policy_mode_word(POLICY_APPROVE), "approve");
    assert_int_equal(policy_mode_of(TEXT("enforce")), POLICY_ENFORCE);
    assert_int_equal(policy_mode_of(TEXT("off")), -1);
}

/* The engine supplies variables by index: names and order are the contract. */
static void test_environment(void **state)
{
    (void)state;
    static const char *const names[] = {
        [VAR_EVENT] = "event",       [VAR_HOST] = "host",       [VAR_SUBJECT] = "subject",
        [VAR_POLICY] = "policy",     [VAR_ALARM] = "alarm",     [VAR_INFO] = "info",
        [VAR_WARNING] = "warning",   [VAR_MINOR] = "minor",     [VAR_MAJOR] = "major",
        [VAR_CRITICAL] = "critical", [VAR_FATAL] = "fatal",     [VAR_RUN] = "run",
        [VAR_STEPS] = "steps",       [VAR_CLEARED] = "cleared", [VAR_MATCHED] = "matched",
        [VAR_FAILED] = "failed",     [VAR_FAILURE] = "failure", [VAR_HOSTS] = "hosts",
        [VAR_ITEM] = "item",         [VAR_SELF] = "", /* Named by the subject: rack, disk ... */
    };
    const struct cel_env *env = policy_env();
    assert_int_equal(env->variables_count, POLICY_VARIABLES_COUNT);
    for (size_t i = 0; i < POLICY_VARIABLES_COUNT; i++) {
        assert_string_equal(env->variables[i].name, names[i]);
    }
    assert_int_equal(env->functions_count, POLICY_FUNCTIONS_COUNT);
    assert_string_equal(env->functions[FN_ACTIVE].name, "active");
}

static void generate(struct textbuf *out, size_t count)
{
    textbuf_add_chars(out, "policies: (\n");
    for (size_t i = 0; i < count; i++) {
        textbuf_addf(
            out,
            "%s{ name = \"p%zu\"; summary = \"Policy number %zu does what policies do\"; owner = "
            "\"team-%zu\"; subject = \"host\"; mode = \"enforce\";\n"
            "  when = { event = \"type.%zu\"; severity = \"major\"; if = \"host.rack == 'r%zu' && "
            "event.severity >= critical\"; settle = \"2s\"; };\n"
            "  unless = ( \"host.maintenance\", \"active('rack.lost')\" );\n"
            "  limits = { once_within = \"6h\"; concurrent = { rack = 1; }; };\n"
            "  do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"5m\"; },\n"
            "         { step = \"verify\"; check = \"cleared && steps.cycle.ok\"; within = "
            "\"10m\"; "
            "} );\n"
            "  else = ( { step = \"page\"; action = \"page\"; with = { text = \"${host.name}: "
            "${failure}\"; }; } ); }\n",
            i == 0 ? "" : ",", i, i, i % 20, i / 2, i);
    }
    textbuf_add_chars(out, ");\n");
}

/* A thousand policies in a few megabytes: the index and the conditions included. */
static void test_memory(void **state)
{
    (void)state;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    generate(&text, 1000);
    struct policy_set *set = load(text.at);
    assert_int_equal(set->policies_count, 1000);
    print_message("1,000 policies: %zu bytes\n", set->arena.used_bytes);
    assert_true(set->arena.used_bytes < 6u << 20);
    policy_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),         cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_builtin_guards), cmocka_unit_test(test_configured),
        cmocka_unit_test(test_templates),      cmocka_unit_test(test_literals_keep_their_type),
        cmocka_unit_test(test_index),          cmocka_unit_test(test_revision),
        cmocka_unit_test(test_folder),         cmocka_unit_test(test_verbs_of_drivers),
        cmocka_unit_test(test_modes),          cmocka_unit_test(test_environment),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
