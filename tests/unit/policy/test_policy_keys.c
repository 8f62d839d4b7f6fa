/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No key is forgotten by who shows a policy: data/policy-keys has each key of the tables alone,
 * before and after it was changed. integration/policies.sh looks at the same two files with
 * `policy diff` and `policy show`.
 */

#include "../unit.h"

#include "policy/policy.h"
#include "policy/policy_keys.h"

#include <stdio.h>

static const struct {
    const char *name;
    const struct policy_keys *keys;
} tables[] = {
    {"policy", &policy_keys_policy},   {"when", &policy_keys_when}, {"branch", &policy_keys_branch},
    {"limits", &policy_keys_limits},   {"hold", &policy_keys_hold}, {"step", &policy_keys_step},
    {"approve", &policy_keys_approve}, {"veto", &policy_keys_veto},
};

static struct policy_set *load(const char *path)
{
    struct policy_defaults defaults = policy_defaults_builtin();
    struct diags diags = {0};
    struct policy_set *set = policy_load(path, &defaults, NULL, 0, &diags);
    if (diags.errors_count > 0) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        print_error("%s", out.at);
    }
    diags_done(&diags);
    assert_non_null(set);
    return set;
}

/* Without file, line and revision, which stand together and change with anything. */
static void shown(const struct policy_set *set, const char *name, struct textbuf *out)
{
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    const struct policy *policy = map_get(&set->by_name, text_of(name));
    if (policy == NULL) {
        fail_msg("data/policy-keys has no policy '%s': a key without a test", name);
        return;
    }
    policy_add_json(&json, policy, true);
    assert_false(json.failed);
    char *file = strstr(json.at, ",\"file\":");
    const char *behind = strstr(json.at, ",\"events\":");
    assert_non_null(file);
    assert_non_null(behind);
    textbuf_addf(out, "%.*s%s", (int)(file - json.at), json.at, behind);
}

static void test_every_key_is_shown(void **state)
{
    (void)state;
    struct policy_set *before = load(TEST_SOURCE_DIR "/tests/data/policy-keys/before.policy");
    struct policy_set *after = load(TEST_SOURCE_DIR "/tests/data/policy-keys/after.policy");
    size_t keys = 0, names = 0;
    for (size_t t = 0; t < ROWS(tables); t++) {
        for (size_t i = 0; i < tables[t].keys->count; i++, keys++) {
            CLEANUP(textbuf_donep) struct textbuf old = {0}, new = {0};
            char name[128];
            snprintf(name, sizeof name, "%s.%s", tables[t].name, tables[t].keys->rows[i].name);
            if (strcmp(name, "policy.name") == 0) {
                names++; /* With another name it is another policy. */
                continue;
            }
            shown(before, name, &old);
            shown(after, name, &new);
            if (strcmp(old.at, new.at) == 0) {
                fail_msg("a change of '%s' is not seen in the policy's JSON:\n%s", name, old.at);
            }
        }
    }
    /* And nothing else stands there: keys that are gone leave the files too. */
    assert_int_equal(before->policies_count, keys - names);
    assert_int_equal(after->policies_count, keys - names);
    policy_set_free(before);
    policy_set_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_key_is_shown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
