/* SPDX-License-Identifier: Apache-2.0 */
/* NAME.test -> a rehearsal, or every mistake in it with its place. */

#include "rehearse/rehearse_private.h"

#include <stdlib.h>

static const char *const file_keys[] = {"policies",  "inventory", "hosts",  "racks",     "start",
                                        "mode",      "defaults",  "guards", "calendars", "metrics",
                                        "functions", "tests",     NULL};

/* NAME.test -> NAME.policy */
static const char *policy_beside(struct rehearsal *rehearsal)
{
    const char *path = rehearsal->path;
    size_t count = strlen(path);
    if (count < 5 || strcmp(path + count - 5, ".test") != 0) {
        return NULL;
    }
    return arena_printf(&rehearsal->arena, "%.*s.policy", (int)(count - 5), path);
}

static const char *path_beside(struct rehearsal *rehearsal, const char *name)
{
    const char *slash = strrchr(rehearsal->path, '/');
    if (name[0] == '/' || slash == NULL) {
        return name;
    }
    return arena_printf(&rehearsal->arena, "%.*s%s", (int)(slash + 1 - rehearsal->path),
                        rehearsal->path, name);
}

/* The files of several become one text; each policy keeps its own file and line. */
static struct policy_set *policies_read(struct rehearsal *rehearsal, struct conf *list,
                                        struct diags *diags)
{
    if (rehearsal->policies_text != NULL) {
        return policy_load_text("policies", rehearsal->policies_text, &rehearsal->defaults, diags);
    }
    if (list == NULL) {
        const char *path = policy_beside(rehearsal);
        if (path == NULL) {
            diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = rehearsal->path}, NULL,
                     "which policies? Say policies = [\"NAME.policy\"]");
            return NULL;
        }
        return policy_load(path, &rehearsal->defaults, NULL, 0, diags);
    }
    const char *paths[REHEARSE_POLICIES_MAX];
    size_t count = 0;
    if (list->type != CONF_ARRAY && list->type != CONF_LIST) {
        diag_add(diags, DIAG_ERROR, list->value_at, "policies = [\"NAME.policy\"];",
                 "'policies' is an array of files");
        return NULL;
    }
    for (struct conf *file = list->first; file != NULL && count < REHEARSE_POLICIES_MAX;
         file = file->next) {
        const char *name = conf_text(file, NULL, diags);
        paths[count] = name == NULL ? NULL : path_beside(rehearsal, name);
        if (paths[count] == NULL) {
            return NULL;
        }
        count++;
    }
    return policy_load_files(paths, count, &rehearsal->defaults, diags);
}

static void start_read(struct rehearsal *rehearsal, struct conf *setting, struct diags *diags)
{
    const char *text = conf_text(setting, "2026-03-02T10:00:00Z", diags);
    if (!event_time_read(text, &rehearsal->start_ms)) {
        diag_add(diags, DIAG_ERROR, setting->value_at, "such as \"2026-03-02T10:00:00Z\"",
                 "'start' is no time of RFC 3339");
    }
}

static enum policy_mode mode_read(struct conf *setting, enum policy_mode fallback,
                                  struct diags *diags)
{
    const char *word = conf_text(setting, policy_mode_word(fallback), diags);
    int mode = policy_mode_of(text_of(word));
    if (mode < 0) {
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL,
                 "mode wants observe, suggest, approve or enforce, got '%s'", word);
        return fallback;
    }
    return (enum policy_mode)mode;
}

/* Some test is in mode approve: the gate that this mode brings must be there, whatever the policy
 * says; in other modes nobody is asked. */
static bool asks(enum policy_mode mode, struct conf *tests)
{
    bool found = mode == POLICY_APPROVE;
    struct conf *test = tests == NULL || tests->type != CONF_LIST ? NULL : tests->first;
    for (; test != NULL && !found; test = test->next) {
        const struct conf *own = test->type == CONF_GROUP ? conf_get(test, "mode") : NULL;
        found = own != NULL && own->type == CONF_STRING && strcmp(own->text, "approve") == 0;
    }
    return found;
}

static bool file_read(struct rehearsal *rehearsal, struct conf *root, struct diags *diags)
{
    size_t errors = diags->errors_count;
    struct conf *policies = conf_get(root, "policies"), *tests = conf_get(root, "tests");
    start_read(rehearsal, conf_get(root, "start"), diags);
    enum policy_mode mode = mode_read(conf_get(root, "mode"), POLICY_ENFORCE, diags);
    rehearsal->inventory = rehearsal_hosts(rehearsal, root, diags);
    struct conf site = *root; /* Its readers ask only for these five. */
    policy_defaults_read(&site, &rehearsal->defaults, diags);
    policy_functions_read(&site, &rehearsal->arena, &rehearsal->defaults, diags);
    (void)conf_get(root, "defaults");
    (void)conf_get(root, "guards");
    (void)conf_get(root, "calendars");
    (void)conf_get(root, "metrics");
    (void)conf_get(root, "functions");
    conf_unknown(root, file_keys, diags);
    rehearsal->defaults.asks_always = asks(mode, tests);
    rehearsal->policies = policies_read(rehearsal, policies, diags);
    if (rehearsal->policies == NULL || rehearsal->inventory == NULL) {
        return false;
    }
    if (tests == NULL || tests->type != CONF_LIST || tests->children_count == 0 ||
        tests->children_count > REHEARSE_TESTS_MAX) {
        diag_add(diags, DIAG_ERROR, tests == NULL ? root->at : tests->value_at,
                 "tests: ( { name = \"...\"; timeline = ( ... ); expect = ( ... ); } );",
                 "a file of tests needs 'tests', a list of 1 to %d", REHEARSE_TESTS_MAX);
        return false;
    }
    return rehearsal_read_tests(rehearsal, tests, mode, diags) && diags->errors_count == errors;
}

static struct rehearsal *rehearsal_new(const char *path, const struct policy_defaults *site,
                                       struct diags *diags)
{
    struct rehearsal *rehearsal = calloc(1, sizeof *rehearsal);
    if (rehearsal != NULL) {
        rehearsal->path = arena_printf(&rehearsal->arena, "%s", path);
        rehearsal->defaults = *site;
    }
    if (rehearsal == NULL || rehearsal->path == NULL) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = path}, NULL, "out of memory");
        rehearsal_free(rehearsal);
        return NULL;
    }
    return rehearsal;
}

/* root may be NULL. The rehearsal, or NULL when it cannot be: then it is freed. */
static struct rehearsal *whole_or_null(struct rehearsal *rehearsal, struct conf *root,
                                       struct diags *diags)
{
    if (root == NULL || !file_read(rehearsal, root, diags)) {
        rehearsal_free(rehearsal);
        return NULL;
    }
    return rehearsal;
}

static struct rehearsal *read_path(const char *path, const struct policy_defaults *site,
                                   bool records, struct diags *diags)
{
    struct rehearsal *rehearsal = rehearsal_new(path, site, diags);
    if (rehearsal == NULL) {
        return NULL;
    }
    rehearsal->records = records;
    return whole_or_null(rehearsal, conf_read(rehearsal->path, &rehearsal->arena, diags), diags);
}

struct rehearsal *rehearsal_read(const char *path, const struct policy_defaults *site,
                                 struct diags *diags)
{
    return read_path(path, site, false, diags);
}

struct rehearsal *rehearsal_read_to_record(const char *path, const struct policy_defaults *site,
                                           struct diags *diags)
{
    return read_path(path, site, true, diags);
}

struct rehearsal *rehearsal_read_text(const char *name, const char *text, const char *policies,
                                      const struct policy_defaults *site, struct diags *diags)
{
    struct rehearsal *rehearsal = rehearsal_new(name, site, diags);
    if (rehearsal == NULL) {
        return NULL;
    }
    rehearsal->policies_text = policies;
    struct conf *root = conf_read_text(rehearsal->path, text, &rehearsal->arena, diags);
    return whole_or_null(rehearsal, root, diags);
}

void rehearsal_free(struct rehearsal *rehearsal)
{
    if (rehearsal == NULL) {
        return;
    }
    for (size_t i = 0; i < rehearsal->changed_count; i++) {
        inventory_free(rehearsal->changed[i]);
    }
    free(rehearsal->changed);
    inventory_free(rehearsal->inventory);
    policy_set_free(rehearsal->policies);
    arena_done(&rehearsal->test);
    arena_done(&rehearsal->arena);
    free(rehearsal);
}

size_t rehearsal_tests_count(const struct rehearsal *rehearsal)
{
    return rehearsal->tests_count;
}
