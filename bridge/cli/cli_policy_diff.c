/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy diff: what changes in meaning between two files or folders. Layout, comments and the order
 * of settings are no change; steps are the same by their names.
 */

#include "cli_local.h"

#include "base/json.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DIFF_FILES_MAX 20000

struct side {
    struct arena arena;
    struct map policies; /* name -> struct conf */
    struct diags diags;
};

struct policy_diff {
    struct cli *cli;
    struct textbuf items; /* JSON */
    bool json;
    size_t added, removed, changed;
};

/* ---- reading ----------------------------------------------------------------------------------
 */

static int is_policy(const struct dirent *entry)
{
    size_t count = strlen(entry->d_name);
    return entry->d_name[0] != '.' && count > 7 &&
           strcmp(entry->d_name + count - 7, ".policy") == 0;
}

static void side_file(struct side *side, const char *path)
{
    struct conf *root = path == NULL ? NULL : conf_read(path, &side->arena, &side->diags);
    struct conf *list = conf_get(root, "policies");
    for (struct conf *policy = list == NULL ? NULL : list->first; policy != NULL;
         policy = policy->next) {
        const char *name = conf_text(conf_get(policy, "name"), "", &side->diags);
        (void)map_set(&side->policies, text_of(name), policy); /* No memory: seen by the loader. */
    }
}

static void side_path(struct side *side, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        side_file(side, path);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_policy, alphasort);
    for (int i = 0; i < count; i++) {
        side_file(side, arena_printf(&side->arena, "%s/%s", path, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
}

/* Only what loads has a meaning that could differ. */
static enum cli_exit side_read(struct cli *cli, const char *path,
                               const struct policy_defaults *defaults, struct side *side)
{
    struct diags diags = {0};
    struct policy_set *set = policy_load(path, defaults, NULL, 0, &diags);
    if (set == NULL) {
        cli_diags_show(cli, &diags);
        diags_done(&diags);
        return CLI_NO;
    }
    policy_set_free(set);
    diags_done(&diags);
    side_path(side, path);
    return CLI_OK;
}

static void side_done(struct side *side)
{
    map_done(&side->policies);
    diags_done(&side->diags);
    arena_done(&side->arena);
}

/* ---- flat: "do.cycle.timeout" -> text ---------------------------------------------------------
 */

static const char *value_text(struct side *side, const struct conf *setting)
{
    switch (setting->type) {
    case CONF_STRING: {
        int64_t ms = 0;
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        if (text_to_duration_ms(text_of(setting->text), &ms)) {
            textbuf_add_duration(&text, ms); /* 90s and 1m30s are the same. */
        } else {
            textbuf_add_json(&text, text_of(setting->text));
        }
        return arena_printf(&side->arena, "%s", text.at == NULL ? "" : text.at);
    }
    case CONF_INT:
        return arena_printf(&side->arena, "%lld", (long long)setting->integer);
    case CONF_FLOAT:
        return arena_printf(&side->arena, "%g", setting->real);
    case CONF_BOOL:
        return setting->boolean ? "true" : "false";
    case CONF_GROUP:
    case CONF_LIST:
    case CONF_ARRAY:
        break;
    }
    return setting->type == CONF_GROUP ? "{}" : "()";
}

/* Of a list: the name of a step, else its number. */
static const char *child_name(struct side *side, struct conf *child, size_t number)
{
    if (child->name != NULL) {
        return child->name;
    }
    struct conf *step = child->type == CONF_GROUP ? conf_get(child, "step") : NULL;
    if (step != NULL && step->type == CONF_STRING) {
        return step->text;
    }
    return arena_printf(&side->arena, "%zu", number);
}

static void flatten(struct side *side, struct conf *setting, const char *path, struct map *flat)
{
    size_t number = 0;
    if (setting->first == NULL) {
        const char *text = value_text(side, setting);
        /* The map gives back what it was given; nothing writes to it. */
        (void)map_set(flat, text_of(path), (void *)(uintptr_t)(text == NULL ? "" : text));
        return;
    }
    for (struct conf *child = setting->first; child != NULL; child = child->next) {
        const char *name = child_name(side, child, ++number);
        const char *below = path[0] == 0 ? name : arena_printf(&side->arena, "%s.%s", path, name);
        if (below != NULL && name != NULL) {
            flatten(side, child, below, flat);
        }
    }
}

/* The order of steps is a meaning of its own. */
static void order_add(struct side *side, struct conf *policy, const char *list, struct map *flat)
{
    CLEANUP(textbuf_donep) struct textbuf order = {0};
    struct conf *steps = conf_get(policy, list);
    size_t number = 0;
    for (struct conf *step = steps == NULL ? NULL : steps->first; step != NULL; step = step->next) {
        const char *name = child_name(side, step, ++number);
        textbuf_addf(&order, "%s%s", number == 1 ? "" : ", ", name == NULL ? "" : name);
    }
    const char *text = arena_printf(&side->arena, "%s", order.at == NULL ? "" : order.at);
    const char *path = arena_printf(&side->arena, "%s", list);
    if (steps != NULL && text != NULL && path != NULL) {
        (void)map_set(flat, text_of(path), (void *)(uintptr_t)text);
    }
}

static void flat_make(struct side *side, struct conf *policy, struct map *flat)
{
    flatten(side, policy, "", flat);
    order_add(side, policy, "do", flat);
    order_add(side, policy, "else", flat);
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static void change_add(struct policy_diff *diff, const char *policy, struct text path,
                       const char *from, const char *to, size_t *count)
{
    if (*count == 0 && !diff->json) {
        cli_print_line("changed  %s", policy);
    }
    if (diff->json) {
        struct textbuf *out = &diff->items;
        textbuf_add_chars(out, *count == 0 ? "" : ",");
        textbuf_add_chars(out, "{\"key\":");
        textbuf_add_json(out, path);
        textbuf_add_chars(out, ",\"from\":");
        textbuf_add_json(out, text_of(from == NULL ? "" : from));
        textbuf_add_chars(out, ",\"to\":");
        textbuf_add_json(out, text_of(to == NULL ? "" : to));
        textbuf_add_char(out, '}');
    } else if (from == NULL) {
        cli_print_line("    + %.*s = %s", (int)path.count, path.at, to);
    } else if (to == NULL) {
        cli_print_line("    - %.*s = %s", (int)path.count, path.at, from);
    } else {
        cli_print_line("    ~ %.*s: %s -> %s", (int)path.count, path.at, from, to);
    }
    ++*count;
}

static void policy_begin(struct policy_diff *diff, const char *policy, const char *what)
{
    struct textbuf *out = &diff->items;
    textbuf_add_chars(out, out->count > 0 ? ",{\"policy\":" : "{\"policy\":");
    textbuf_add_json(out, text_of(policy));
    textbuf_addf(out, ",\"change\":\"%s\",\"keys\":[", what);
}

static void compare(struct policy_diff *diff, struct side *old, struct side *new, const char *name)
{
    struct map from = {0}, to = {0};
    size_t count = 0, before = diff->items.count;
    flat_make(old, map_get(&old->policies, text_of(name)), &from);
    flat_make(new, map_get(&new->policies, text_of(name)), &to);
    policy_begin(diff, name, "changed");
    MAP_EACH (&from, entry) {
        const char *other = map_get(&to, entry->key);
        if (other == NULL || strcmp(other, entry->value) != 0) {
            change_add(diff, name, entry->key, entry->value, other, &count);
        }
    }
    MAP_EACH (&to, entry) {
        if (map_get(&from, entry->key) == NULL) {
            change_add(diff, name, entry->key, NULL, entry->value, &count);
        }
    }
    textbuf_add_chars(&diff->items, "]}");
    if (count == 0) {
        diff->items.count = before;
    }
    diff->changed += count > 0;
    map_done(&from);
    map_done(&to);
}

static void only_in(struct policy_diff *diff, const char *name, const char *what)
{
    if (!diff->json) {
        cli_print_line("%-8s %s", what, name);
    }
    policy_begin(diff, name, what);
    textbuf_add_chars(&diff->items, "]}");
}

static void sides_compare(struct policy_diff *diff, struct side *old, struct side *new)
{
    MAP_EACH (&old->policies, entry) {
        const char *name = arena_text(&diff->cli->arena, entry->key).at;
        if (name == NULL) {
            continue;
        }
        if (map_get(&new->policies, entry->key) != NULL) {
            compare(diff, old, new, name);
        } else {
            diff->removed++;
            only_in(diff, name, "removed");
        }
    }
    MAP_EACH (&new->policies, entry) {
        const char *name = arena_text(&diff->cli->arena, entry->key).at;
        if (name != NULL && map_get(&old->policies, entry->key) == NULL) {
            diff->added++;
            only_in(diff, name, "added");
        }
    }
}

/* CLI_NO: they differ. */
static enum cli_exit difference_tell(struct cli *cli, struct side *old, struct side *new)
{
    struct policy_diff diff = {.cli = cli,
                               .json = cli->output == CLI_JSON || cli->output == CLI_JSONL};
    sides_compare(&diff, old, new);
    if (diff.json) {
        cli_print_line("{\"apiVersion\":\"nightshift/v1\",\"kind\":\"PolicyDiff\",\"added\":%zu,"
                       "\"removed\":%zu,\"changed\":%zu,\"items\":[%s]}",
                       diff.added, diff.removed, diff.changed,
                       diff.items.at == NULL ? "" : diff.items.at);
    } else if (cli->flags.quiet == NULL) {
        cli_print_line("%zu added, %zu removed, %zu changed", diff.added, diff.removed,
                       diff.changed);
    }
    textbuf_done(&diff.items);
    return diff.added + diff.removed + diff.changed == 0 ? CLI_OK : CLI_NO;
}

enum cli_exit cli_policy_diff(struct cli *cli)
{
    struct policy_defaults defaults;
    struct side old = {.diags = {.errors_count = 0}}, new = {.diags = {.errors_count = 0}};
    enum cli_exit result = cli_site_defaults(cli, &defaults);
    result = result == CLI_OK ? side_read(cli, cli->args[0], &defaults, &old) : result;
    result = result == CLI_OK ? side_read(cli, cli->args[1], &defaults, &new) : result;
    result = result == CLI_OK ? difference_tell(cli, &old, &new) : result;
    side_done(&old);
    side_done(&new);
    return result;
}

enum cli_exit cli_policy_difference(struct cli *cli, const char *before, const char *after)
{
    struct side old = {.diags = {.errors_count = 0}}, new = {.diags = {.errors_count = 0}};
    side_path(&old, before);
    side_path(&new, after);
    enum cli_exit result = difference_tell(cli, &old, &new);
    side_done(&old);
    side_done(&new);
    return result;
}
