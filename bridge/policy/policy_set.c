/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and folders -> a set, with the index that finds candidates.
 *
 * All mistakes are told at once; with any error there is no set, and the old one stays. Everything
 * is read once, with maps: ten thousand policies cost time in proportion.
 */

#include "policy/policy_private.h"

#include "cel/cel_time.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char suffix[] = ".policy";

/* ---- what the set keeps ------------------------------------------------------------------- */

void *policy_alloc(struct policy_loader *loader, size_t count, size_t bytes)
{
    void *memory = arena_array(loader->arena, count, bytes);
    loader->no_memory = loader->no_memory || memory == NULL;
    return memory;
}

const char *policy_keep(struct policy_loader *loader, const char *text)
{
    const char *kept = map_get(&loader->texts, text_of(text));
    if (kept != NULL) {
        return kept;
    }
    char *copy = arena_copy(loader->arena, text, strlen(text));
    if (copy == NULL || map_set(&loader->texts, text_of(copy), copy) < 0) {
        loader->no_memory = true;
        return "";
    }
    return copy;
}

struct nsh_place policy_keep_place(struct policy_loader *loader, struct nsh_place at)
{
    at.file = at.file == NULL ? NULL : policy_keep(loader, at.file);
    return at;
}

/* ---- policies of one file ----------------------------------------------------------------- */

static void tell_no_memory(struct policy_loader *loader, const char *path)
{
    diag_add(loader->diags, DIAG_ERROR, (struct nsh_place){.file = path}, NULL,
             "out of memory while reading policies");
}

/* False after a diagnostic: another policy has the name. */
static bool name_is_new(struct policy_loader *loader, struct conf *group, const char *name)
{
    struct nsh_place *first = map_get(&loader->names, text_of(name));
    struct conf *setting = conf_get(group, "name");
    if (first != NULL) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "names are unique in the whole set",
                 "there is another policy '%s'", name);
        diag_add(loader->diags, DIAG_NOTE, *first, NULL, "it is here");
        return false;
    }
    first = policy_alloc(loader, 1, sizeof *first);
    if (first != NULL) {
        *first = policy_keep_place(loader, setting->value_at);
        loader->no_memory = map_set(&loader->names, text_of(name), first) < 0 || loader->no_memory;
    }
    return true;
}

static bool room_for_one(struct policy_loader *loader, const struct conf *group)
{
    if (loader->policies_count == POLICIES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at, NULL, "more than %d policies",
                 POLICIES_MAX);
        return false;
    }
    if (loader->policies_count < loader->policies_room) {
        return true;
    }
    size_t room = loader->policies_room == 0 ? 16 : loader->policies_room * 2;
    struct policy *grown = realloc(loader->policies, room * sizeof *grown);
    if (grown == NULL) {
        loader->no_memory = true;
        return false;
    }
    loader->policies = grown;
    loader->policies_room = room;
    return true;
}

static void read_group(struct policy_loader *loader, struct conf *group)
{
    struct policy policy = {.name = NULL};
    if (!policy_is(loader, group, CONF_GROUP, "policies: ( { name = \"...\"; ... } );") ||
        !room_for_one(loader, group)) {
        return;
    }
    loader->policy = &policy;
    policy_read(loader, group);
    loader->policy = NULL;
    if (policy.name != NULL && name_is_new(loader, group, policy.name)) {
        policy.index = (uint32_t)loader->policies_count;
        loader->policies[loader->policies_count++] = policy;
    }
}

static void read_root(struct policy_loader *loader, struct conf *root)
{
    static const char *const known[] = {"policies", NULL};
    static const char example[] = "policies: ( { name = \"...\"; ... } );";
    struct conf *list = conf_get(root, "policies");
    if (list == NULL && conf_get(root, "name") != NULL) {
        diag_add(loader->diags, DIAG_ERROR, root->first->at,
                 "write policies: ( { around it, and } ); behind it",
                 "a policy stands in the list 'policies'");
        return;
    }
    conf_unknown(root, known, loader->diags);
    if (list == NULL) {
        if (root->first == NULL) {
            diag_add(loader->diags, DIAG_ERROR, root->at, example, "there is no policy here");
        }
        return;
    }
    if (!policy_is(loader, list, CONF_LIST, example)) {
        return;
    }
    for (struct conf *group = list->first; group != NULL && !loader->no_memory;
         group = group->next) {
        read_group(loader, group);
    }
}

static void read_file(struct policy_loader *loader, const char *path)
{
    struct conf *root = conf_read(path, &loader->scratch, loader->diags);
    if (root != NULL) {
        read_root(loader, root);
    }
    arena_reset(&loader->scratch);
}

/* ---- folders ------------------------------------------------------------------------------ */

static int is_policy_file(const struct dirent *entry)
{
    size_t count = strlen(entry->d_name), suffix_count = sizeof suffix - 1;
    return entry->d_name[0] != '.' && count > suffix_count &&
           strcmp(entry->d_name + count - suffix_count, suffix) == 0;
}

/* Bytewise: the same order everywhere. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_folder(struct policy_loader *loader, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_policy_file, by_bytes);
    size_t path_count = strlen(path);
    bool slash = path_count > 0 && path[path_count - 1] == '/';
    if (count < 0) {
        diag_add(loader->diags, DIAG_ERROR, (struct nsh_place){.file = path}, NULL,
                 "cannot read this folder: %s", strerror(errno));
    } else if (count == 0) {
        diag_add(loader->diags, DIAG_WARNING, (struct nsh_place){.file = path},
                 "policies are files called NAME.policy", "there is no policy in this folder");
    }
    for (int i = 0; i < count; i++) {
        char *file = NULL;
        if (asprintf(&file, "%s%s%s", path, slash ? "" : "/", entries[i]->d_name) < 0) {
            loader->no_memory = true;
        } else if (!loader->no_memory) {
            read_file(loader, file);
        }
        free(file);
        free(entries[i]);
    }
    free(entries);
}

static void read_path(struct policy_loader *loader, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        diag_add(loader->diags, DIAG_ERROR, (struct nsh_place){.file = path}, NULL,
                 "cannot read this: %s", strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
        read_folder(loader, path);
    } else {
        read_file(loader, path);
    }
}

/* ---- the index ---------------------------------------------------------------------------- */

static void list_add(struct policy_loader *loader, struct policy_list *list,
                     const struct policy *policy)
{
    if (list->count > 0 && list->items[list->count - 1] == policy) {
        return; /* By another of its types. */
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 2 : list->room * 2;
        const struct policy **grown = policy_alloc(loader, room, sizeof(const struct policy *));
        if (grown == NULL) {
            return;
        }
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * sizeof(const struct policy *));
        }
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = policy;
}

static void index_into(struct policy_loader *loader, struct map *by_event, const char *type,
                       const struct policy *policy)
{
    struct policy_list *list = map_get(by_event, text_of(type));
    if (list == NULL) {
        list = policy_alloc(loader, 1, sizeof *list);
        if (list == NULL || map_set(by_event, text_of(type), list) < 0) {
            loader->no_memory = true;
            return;
        }
    }
    list_add(loader, list, policy);
}

static void index_type(struct policy_loader *loader, const char *type, const struct policy *policy)
{
    index_into(loader, &loader->set->by_event, type, policy);
}

static bool is_glob(const char *type)
{
    return strpbrk(type, "*?") != NULL;
}

/* The only type that a policy with globs can match, when its condition names it; or NULL. */
static const char *only_type(const struct policy *policy)
{
    return policy->when.condition.program == NULL
               ? NULL
               : cel_program_equals(policy->when.condition.program, "event", "type");
}

static bool matches_any(const struct policy *policy, const char *type)
{
    for (size_t i = 0; i < policy->when.events_count; i++) {
        if (text_glob(text_of(policy->when.events[i]), text_of(type))) {
            return true;
        }
    }
    return false;
}

static void index_policy(struct policy_loader *loader, const struct policy *policy,
                         struct policy_list *globs)
{
    for (size_t i = 0; i < policy->series_count; i++) {
        index_into(loader, &loader->set->by_metric, policy->series[i].metric->name, policy);
    }
    const char *only = only_type(policy);
    if (only != NULL) {
        if (matches_any(policy, only)) {
            index_type(loader, policy_keep(loader, only), policy);
        }
        return;
    }
    bool globbed = false;
    for (size_t i = 0; i < policy->when.events_count; i++) {
        globbed = globbed || is_glob(policy->when.events[i]);
    }
    if (globbed) { /* Among the globs once, for all its types: never a candidate twice. */
        list_add(loader, globs, policy);
        return;
    }
    for (size_t i = 0; i < policy->when.events_count; i++) {
        index_type(loader, policy->when.events[i], policy);
    }
}

static void build_set(struct policy_loader *loader)
{
    struct policy_set *set = loader->set;
    struct policy_list globs = {.count = 0};
    struct policy *policies = policy_alloc(loader, loader->policies_count + 1, sizeof *policies);
    if (policies == NULL) {
        return;
    }
    set->revision = 0xcbf29ce484222325u;
    for (size_t i = 0; i < loader->policies_count; i++) {
        policies[i] = loader->policies[i];
        index_policy(loader, &policies[i], &globs);
        set->revision = (set->revision ^ policies[i].revision) * 0x100000001b3u;
        loader->no_memory = map_set(&set->by_name, text_of(policies[i].name), &policies[i]) < 0 ||
                            loader->no_memory;
    }
    set->policies = policies;
    set->policies_count = loader->policies_count;
    set->globs = globs.items;
    set->globs_count = globs.count;
}

/* ---- the doors ---------------------------------------------------------------------------- */

static bool loader_init(struct policy_loader *loader)
{
    size_t count = 0, used = 0;
    while (verb_at(count) != NULL) {
        count++;
    }
    loader->set = calloc(1, sizeof *loader->set);
    size_t others = loader->extra_verbs_count + loader->functions_count;
    loader->verb_names = calloc(count + others + 1, sizeof(const char *));
    if (loader->set == NULL || loader->verb_names == NULL) {
        return false;
    }
    loader->arena = &loader->set->arena;
    loader->arena->bytes_max = loader->keys.bytes_max = POLICY_ARENA_BYTES_MAX;
    for (size_t i = 0; i < count; i++) {
        loader->verb_names[used++] = verb_at(i)->name;
    }
    for (size_t i = 0; i < loader->extra_verbs_count; i++) {
        loader->verb_names[used++] = loader->extra_verbs[i].name;
    }
    for (size_t i = 0; i < loader->functions_count; i++) {
        loader->verb_names[used++] = loader->functions[i].verb.name;
    }
    return true;
}

/* What they take is looked up in the caller's table, while the set is loaded. */
static void functions_keep(struct policy_loader *loader)
{
    struct verb *verbs = policy_alloc(loader, loader->functions_count + 1, sizeof *verbs);
    for (size_t i = 0; verbs != NULL && i < loader->functions_count; i++) {
        struct verb verb = policy_function_verb(&loader->functions[i]);
        const struct verb *kept = policy_keep_verb(loader, &verb);
        if (kept != NULL) {
            verbs[loader->set->functions_count++] = *kept;
        }
    }
    loader->set->functions = verbs;
    loader->set->defaults.functions = NULL;
    loader->set->defaults.functions_count = 0;
}

const struct verb *policy_set_verb(const struct policy_set *set, struct text name)
{
    const struct verb *verb = verb_find(name);
    for (size_t i = 0; verb == NULL && i < set->functions_count; i++) {
        verb = text_is(name, set->functions[i].name) ? &set->functions[i] : NULL;
    }
    return verb;
}

static void loader_done(struct policy_loader *loader)
{
    map_done(&loader->texts);
    map_done(&loader->names);
    map_done(&loader->verbs);
    map_done(&loader->types);
    map_done(&loader->envs);
    map_done(&loader->programs);
    arena_done(&loader->keys);
    arena_done(&loader->scratch);
    free(loader->policies);
    free(loader->verb_names);
}

/* They were there when the site's configuration was read. */
static void zones_load(struct policy_loader *loader)
{
    const struct policy_calendars *calendars = &loader->set->defaults.calendars;
    for (size_t i = 0; i < calendars->count; i++) {
        struct text zone = text_of(calendars->items[i].zone);
        int64_t offset = 0;
        if (!cel_zone_is_fixed(zone, &offset)) {
            loader->set->zones[i] = cel_zone_load(loader->arena, zone);
            loader->no_memory = loader->no_memory || loader->set->zones[i] == NULL;
        }
    }
}

/* Either paths (files or folders) or text, which the one path stands for. */
static struct policy_set *load(struct policy_loader *loader, const char *const *paths,
                               size_t paths_count, const char *text,
                               const struct policy_defaults *defaults)
{
    size_t errors_before = loader->diags->errors_count;
    loader->functions = defaults->functions;
    loader->functions_count = defaults->functions_count;
    loader->no_memory = !loader_init(loader);
    if (!loader->no_memory) {
        loader->set->defaults = *defaults;
        functions_keep(loader);
        zones_load(loader);
        for (size_t i = 0; text == NULL && i < paths_count; i++) {
            read_path(loader, paths[i]);
        }
        if (text != NULL) {
            struct conf *root = conf_read_text(paths[0], text, &loader->scratch, loader->diags);
            if (root != NULL) {
                read_root(loader, root);
            }
        }
    }
    if (!loader->no_memory && loader->diags->errors_count == errors_before) {
        build_set(loader);
        policy_lint_set(loader);
        policy_worst_find(loader);
    }
    if (loader->no_memory) {
        tell_no_memory(loader, paths_count == 0 ? "" : paths[0]);
    }
    loader_done(loader);
    if (loader->diags->errors_count > errors_before) {
        policy_set_free(loader->set);
        return NULL;
    }
    return loader->set;
}

struct policy_set *policy_load(const char *path, const struct policy_defaults *defaults,
                               const struct verb *extra_verbs, size_t extra_verbs_count,
                               struct diags *diags)
{
    struct policy_loader loader = {
        .diags = diags,
        .extra_verbs = extra_verbs,
        .extra_verbs_count = extra_verbs == NULL ? 0 : extra_verbs_count,
    };
    return load(&loader, &path, 1, NULL, defaults);
}

struct policy_set *policy_load_files(const char *const *paths, size_t paths_count,
                                     const struct policy_defaults *defaults, struct diags *diags)
{
    struct policy_loader loader = {.diags = diags};
    return load(&loader, paths, paths_count, NULL, defaults);
}

struct policy_set *policy_load_text(const char *name, const char *text,
                                    const struct policy_defaults *defaults, struct diags *diags)
{
    struct policy_loader loader = {.diags = diags};
    return load(&loader, &name, 1, text, defaults);
}

void policy_set_free(struct policy_set *set)
{
    if (set == NULL) {
        return;
    }
    map_done(&set->by_name);
    map_done(&set->by_event);
    map_done(&set->by_metric);
    arena_done(&set->arena);
    free(set);
}

void policy_set_mode(struct policy_set *set, enum policy_mode mode)
{
    struct policy *policies = (struct policy *)(uintptr_t)set->policies; /* Of the set's arena. */
    for (size_t i = 0; i < set->policies_count; i++) {
        policies[i].mode = mode;
    }
}
