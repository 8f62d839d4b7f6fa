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
    CLEANUP(textbuf_donep) struct textbuf traps = {0};
    read_all_tables(&traps);
    char *readme = read_all(TEST_SOURCE_DIR "/policies/README.md");
    for (size_t i = 0; i < set->policies_count; i++) {
        const struct policy *policy = &set->policies[i];
        char file[256], type[256], row[256];
        snprintf(file, sizeof file, "/%s.policy", policy->name);
        assert_non_null(strstr(policy->file, file)); /* NAME.policy holds NAME. */
        /* Only the one the demo shows acts by itself; others that do more than tell only watch. */
        bool enforces = strcmp(policy->name, "memory-fatal") == 0 || only_tells(policy);
        if (policy->mode != POLICY_OBSERVE && !enforces) {
            fail_msg("%s acts, so it ships with mode observe", policy->name);
        }
        for (size_t j = 0; j < policy->when.events_count; j++) {
            snprintf(type, sizeof type, "type = \"%s\"", policy->when.events[j]);
            snprintf(row, sizeof row, "| `%s` |", policy->when.events[j]);
            if (strstr(traps.at, type) == NULL && strstr(readme, row) == NULL) {
                fail_msg("%s: no trap table gives %s, and policies/README.md does not say who does",
                         policy->name, policy->when.events[j]);
            }
        }
    }
    free(readme);
    policy_set_free(set);
}

/* What policies are warned by is what the trap tables and patterns give, no more and no less. */
static void test_event_types(void **state)
{
    (void)state;
    static const char *const types[] = {
#define EVENT_TYPE(name) name,
#define EVENT_TYPE_OWN(name)
#include "model/event_types.def"
#undef EVENT_TYPE
#undef EVENT_TYPE_OWN
        NULL,
    };
    CLEANUP(textbuf_donep) struct textbuf traps = {0};
    read_all_tables(&traps);
    for (size_t i = 0; types[i] != NULL; i++) {
        char type[256];
        snprintf(type, sizeof type, "type = \"%s\"", types[i]);
        if (strstr(traps.at, type) == NULL) {
            fail_msg("no table gives %s", types[i]);
        }
    }
    static const char key[] = "type = \"";
    for (const char *at = strstr(traps.at, key); at != NULL; at = strstr(at + 1, key)) {
        struct text type = {at + sizeof key - 1, (uint32_t)strcspn(at + sizeof key - 1, "\"")};
        bool known = type.count == 0 || text_starts(type, "snmp.");
        for (size_t i = 0; types[i] != NULL; i++) {
            known = known || text_is(type, types[i]);
        }
        if (!known) {
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
