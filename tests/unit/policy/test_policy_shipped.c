/* SPDX-License-Identifier: Apache-2.0 */
/* The policies that are shipped and those of the manual load without a word; the manual is whole.
 */

#include "../unit.h"

#include "policy/policy.h"
#include "policy/policy_keys.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    struct textbuf buf = {0};
    for (int c = getc(file); c != EOF; c = getc(file)) {
        textbuf_add_char(&buf, (char)c);
    }
    fclose(file);
    return buf.at;
}

static void assert_silent(const struct diags *diags, const char *source)
{
    if (diags->count > 0) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(diags, source, false, &out);
        print_error("%s", out.at);
    }
    assert_int_equal(diags->count, 0);
}

static void read_tables(const char *name, const char *suffix, struct textbuf *out)
{
    char path[1024];
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/etc/%s", name);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strstr(entry->d_name, suffix) != NULL) {
            snprintf(path, sizeof path, TEST_SOURCE_DIR "/etc/%s/%s", name, entry->d_name);
            char *text = read_all(path);
            textbuf_add_chars(out, text);
            free(text);
        }
    }
    closedir(folder);
}

/* All trap tables and patterns as one text. */
static void read_all_tables(struct textbuf *out)
{
    read_tables("traps", ".traps", out);
    read_tables("syslog", ".patterns", out);
}

/* ---- where what they listen to comes from ---- */

static const char *const table_types[] = {
#define EVENT_TYPE(name) name,
#define EVENT_TYPE_OWN(name)
#include "model/event_types.def"
#undef EVENT_TYPE
#undef EVENT_TYPE_OWN
};
static const char *const own_types[] = {
#define EVENT_TYPE(name)
#define EVENT_TYPE_OWN(name) name,
#include "model/event_types.def"
#undef EVENT_TYPE
#undef EVENT_TYPE_OWN
};

static bool is_among(struct text type, const char *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_is(type, types[i])) {
            return true;
        }
    }
    return false;
}

static bool is_own(struct text type)
{
    return is_among(type, table_types, ROWS(table_types)) ||
           is_among(type, own_types, ROWS(own_types));
}

static bool is_raised(const struct policy_set *set, const char *type)
{
    for (size_t i = 0; i < set->policies_count; i++) {
        const char *raises = set->policies[i].raises;
        if (raises != NULL && strcmp(raises, type) == 0) {
            return true;
        }
    }
    return false;
}

/* The text of the manual from begin up to the next empty line. */
static struct text part_of(const char *manual, const char *begin)
{
    const char *at = strstr(manual, begin);
    assert_non_null(at);
    const char *end = strstr(at, "\n\n");
    return (struct text){at, (uint32_t)(end == NULL ? strlen(at) : (size_t)(end - at))};
}

static bool part_says(struct text part, const char *begin, const char *name)
{
    char word[256];
    snprintf(word, sizeof word, "%s`%s`", begin, name);
    const char *at = strstr(part.at, word);
    return at != NULL && at < part.at + part.count;
}

/* Each row of a table of types is where it belongs. */
static void assert_rows(struct text table, bool own)
{
    size_t count = 0;
    static const char key[] = "\n| `";
    for (const char *at = strstr(table.at, key); at != NULL && at < table.at + table.count;
         at = strstr(at + 1, key)) {
        struct text type = {at + sizeof key - 1, (uint32_t)strcspn(at + sizeof key - 1, "`")};
        if (is_own(type) != own) {
            fail_msg("policies/README.md: %.*s is %s", (int)type.count, type.at,
                     own ? "not among bridge/model/event_types.def" : "a type of our own");
        }
        count++;
    }
    assert_true(count > 5);
}

static bool looks_at_metric(const struct policy_when *when)
{
    bool found = when->metric != NULL;
    for (size_t i = 0; i < when->branches_count; i++) {
        found = found || when->branches[i].metric != NULL;
    }
    return found;
}

/* Somebody says each type that is listened to; whoever waits for others alone is named. */
static void assert_heard(const struct policy_set *set, const struct policy *policy,
                         const char *manual)
{
    struct text elsewhere = part_of(manual, "\n| type from elsewhere |");
    struct text deaf = part_of(manual, "So these policies hear nothing before");
    bool hears = false;
    for (size_t i = 0; i < policy->when.events_count; i++) {
        const char *type = policy->when.events[i];
        bool ours = is_own(text_of(type)) || is_raised(set, type);
        hears = hears || ours;
        if (!ours && !part_says(elsewhere, "\n| ", type)) {
            fail_msg("%s: no source and no policy gives %s, and policies/README.md does not say "
                     "that it comes from elsewhere",
                     policy->name, type);
        }
    }
    assert_true(policy->when.events_count > 0 || looks_at_metric(&policy->when));
    if (hears == part_says(deaf, "", policy->name)) {
        fail_msg("policies/README.md: %s hears %s; name it there among those that hear nothing "
                 "before something of the site speaks, or no more",
                 policy->name, hears ? "what nightshift says" : "only what others send");
    }
    if (policy->raises != NULL) {
        struct text raised = part_of(manual, "And these come from policies");
        assert_true(part_says(raised, "", policy->raises));
    }
}

static bool only_tells(const struct policy *policy)
{
    for (size_t i = 0; i < policy->steps_count + policy->otherwise_count; i++) {
        const struct policy_step *step = i < policy->steps_count
                                             ? &policy->steps[i]
                                             : &policy->otherwise[i - policy->steps_count];
        if (step->verb != NULL && step->verb->binding != BINDING_NONE &&
            step->verb->effect != NSH_READS) {
            return false;
        }
    }
    return true;
}

static void test_shipped(void **state)
{
    (void)state;
    struct diags diags = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    struct policy_set *set = policy_load(TEST_SOURCE_DIR "/policies", &defaults, NULL, 0, &diags);
    assert_silent(&diags, NULL);
    assert_non_null(set);
    assert_true(set->policies_count >= 6);
    char *readme = read_all(TEST_SOURCE_DIR "/policies/README.md");
    assert_rows(part_of(readme, "\n| type of our own |"), true);
    assert_rows(part_of(readme, "\n| type from elsewhere |"), false);
    for (size_t i = 0; i < set->policies_count; i++) {
        const struct policy *policy = &set->policies[i];
        char file[256];
        snprintf(file, sizeof file, "/%s.policy", policy->name);
        assert_non_null(strstr(policy->file, file)); /* NAME.policy holds NAME. */
        /* Only the one the demo shows acts by itself; others that do more than tell only watch. */
        bool enforces = strcmp(policy->name, "memory-fatal") == 0 || only_tells(policy);
        if (policy->mode != POLICY_OBSERVE && !enforces) {
            fail_msg("%s acts, so it ships with mode observe", policy->name);
        }
        assert_heard(set, policy, readme);
    }
    free(readme);
    policy_set_free(set);
}

/* What policies are warned by is what the trap tables and patterns give, no more and no less. */
static void test_event_types(void **state)
{
    (void)state;
    CLEANUP(textbuf_donep) struct textbuf traps = {0};
    read_all_tables(&traps);
    for (size_t i = 0; i < ROWS(table_types); i++) {
        char type[256];
        snprintf(type, sizeof type, "type = \"%s\"", table_types[i]);
        if (strstr(traps.at, type) == NULL) {
            fail_msg("no table gives %s", table_types[i]);
        }
    }
    static const char key[] = "type = \"";
    for (const char *at = strstr(traps.at, key); at != NULL; at = strstr(at + 1, key)) {
        struct text type = {at + sizeof key - 1, (uint32_t)strcspn(at + sizeof key - 1, "\"")};
        if (type.count > 0 && !text_starts(type, "snmp.") &&
            !is_among(type, table_types, ROWS(table_types))) {
            fail_msg("bridge/model/event_types.def lacks %.*s", (int)type.count, type.at);
        }
    }
}

/* Those that its policies name. */
static void manual_functions(const char *manual, struct arena *arena,
                             struct policy_defaults *defaults)
{
    struct diags diags = {0};
    const char *at = strstr(manual, "\n```\nfunctions = ");
    assert_non_null(at);
    const char *end = strstr(at + 5, "\n```");
    assert_non_null(end);
    char *text = arena_copy(arena, at + 5, (size_t)(end - at - 5));
    struct conf *root = conf_read_text("LANGUAGE.md", text, arena, &diags);
    assert_non_null(root);
    policy_functions_read(root, arena, defaults, &diags);
    assert_silent(&diags, text);
    assert_int_equal(defaults->functions_count, 2);
}

/* Each fenced text that is a policy. */
static void test_manual_snippets(void **state)
{
    (void)state;
    size_t count = 0;
    struct arena arena = ARENA_INIT;
    struct policy_defaults defaults = policy_defaults_builtin();
    char *manual = read_all(TEST_SOURCE_DIR "/policies/LANGUAGE.md");
    manual_functions(manual, &arena, &defaults);
    for (char *at = strstr(manual, "\n```\npolicies:"); at != NULL;) {
        char *text = at + 5, *end = strstr(text, "\n```");
        assert_non_null(end);
        *end = 0;
        struct diags diags = {0};
        struct policy_set *set = policy_load_text("LANGUAGE.md", text, &defaults, &diags);
        assert_silent(&diags, text);
        assert_non_null(set);
        policy_set_free(set);
        count++;
        at = strstr(end + 1, "\n```\npolicies:");
    }
    free(manual);
    arena_done(&arena);
    assert_true(count >= 5);
}

/* The row of the manual's table of names that begins with `name`. */
static struct text names_row(const char *manual, const char *name)
{
    char begin[100];
    const char *table = strstr(manual, "\n| name | where |");
    assert_non_null(table);
    snprintf(begin, sizeof begin, "\n| `%s", name);
    const char *row = strstr(table, begin);
    return (struct text){row, row == NULL ? 0 : (uint32_t)strcspn(row + 1, "\n") + 1};
}

static size_t check_environment(const char *manual)
{
    const struct cel_env *env = policy_env();
    size_t missing = 0;
    for (size_t i = 0; i < env->variables_count; i++) {
        bool severity = i > VAR_INFO && i <= VAR_FATAL; /* They share a row. */
        const char *name = severity ? "info" : env->variables[i].name;
        const struct cel_record *record = env->variables[i].type.record;
        CLEANUP(textbuf_donep) struct textbuf row = {0};
        textbuf_add(&row, names_row(manual, name));
        if (row.count == 0 || strstr(row.at, env->variables[i].name) == NULL) {
            print_error("%s is not in the manual\n", env->variables[i].name);
            missing++;
            continue;
        }
        for (size_t j = 0; record != NULL && j < record->fields_count; j++) {
            if (strstr(row.at, record->fields[j].name) == NULL) {
                print_error("%s.%s is not in the manual\n", name, record->fields[j].name);
                missing++;
            }
        }
    }
    return missing;
}

/* Every key, variable, field and verb is in the manual, in backquotes. */
static void test_manual_is_whole(void **state)
{
    (void)state;
    static const struct policy_keys *const tables[] = {
        &policy_keys_policy, &policy_keys_when,     &policy_keys_limits,        &policy_keys_step,
        &policy_keys_branch, &policy_keys_defaults, &policy_keys_defaults_step, &policy_keys_guards,
        &policy_keys_brake,  &policy_keys_function, &policy_keys_param,
    };
    char *manual = read_all(TEST_SOURCE_DIR "/policies/LANGUAGE.md");
    size_t missing = 0;
    for (size_t i = 0; i < ROWS(tables); i++) {
        for (size_t j = 0; j < tables[i]->count; j++) {
            const char *name = tables[i]->rows[j].name;
            char row[100], setting[100];
            snprintf(row, sizeof row, "`%s`", name);
            snprintf(setting, sizeof setting, "%s = ", name);
            bool found = strstr(manual, row) != NULL || (i >= 4 && strstr(manual, setting) != NULL);
            if (!found) {
                print_error("%s: `%s` is not in the manual\n", tables[i]->where, name);
                missing++;
            }
            assert_non_null(tables[i]->rows[j].help);
        }
    }
    for (size_t i = 0; verb_at(i) != NULL; i++) {
        char name[100];
        snprintf(name, sizeof name, "`%s`", verb_at(i)->name);
        if (strstr(manual, name) == NULL) {
            print_error("verb %s is not in the manual\n", name);
            missing++;
        }
    }
    missing += check_environment(manual);
    free(manual);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_event_types),
        cmocka_unit_test(test_manual_snippets),
        cmocka_unit_test(test_manual_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
