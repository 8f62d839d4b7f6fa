/* SPDX-License-Identifier: Apache-2.0 */
/* Settings -> compiled rules. All mistakes at once, each at its place inside the expression. */

#include "source/map/source_map_private.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct source_key_row source_key_rows[SOURCE_KEYS_COUNT] = {
#define SOURCE_KEY(NAME, word, wanted, help) [SOURCE_KEY_##NAME] = {word, SOURCE_WANTS_##wanted},
#include "source/map/source_keys.def"
#undef SOURCE_KEY
};

static const char *const known_keys[] = {
#define SOURCE_KEY(NAME, word, wanted, help) word,
#include "source/map/source_keys.def"
#undef SOURCE_KEY
    "ignore", NULL};

static const struct cel_variable variables[SOURCE_VARS_COUNT] = {
    [SOURCE_VAR_BODY] = {"body", {.kind = CEL_DYN}},
    [SOURCE_VAR_ITEM] = {"item", {.kind = CEL_DYN}},
    [SOURCE_VAR_HEADERS] = {"headers", {.kind = CEL_DYN}},
    [SOURCE_VAR_SOURCE] = {"source", {.kind = CEL_DYN}},
    [SOURCE_VAR_OUTER] = {"outer", {.kind = CEL_DYN}},
};

static const struct cel_function functions[] = {
    {.name = "host_of",
     .params = {{.kind = CEL_STRING}},
     .params_count = 1,
     .result = {.kind = CEL_STRING}},
};

#define ENV(wanted_kind)                                                                           \
    {                                                                                              \
        .variables = variables, .variables_count = SOURCE_VARS_COUNT, .functions = functions,      \
        .functions_count = COUNT(functions), .wanted = {.kind = (wanted_kind)}, .strict = true,    \
    }

static const struct cel_env env_any = ENV(CEL_DYN), env_bool = ENV(CEL_BOOL);

struct map_reader {
    struct arena *arena;
    struct diags *diags;
};

static void no_memory(struct map_reader *reader, const struct conf *setting)
{
    diag_add(reader->diags, DIAG_ERROR, setting->at, NULL, "out of memory");
}

/* ---- expressions --------------------------------------------------------------------------- */

static bool kind_fits(enum source_wanted wanted, enum cel_kind kind)
{
    bool any = kind == CEL_DYN || kind == CEL_NULL;
    bool scalar = kind == CEL_BOOL || kind == CEL_INT || kind == CEL_UINT || kind == CEL_DOUBLE ||
                  kind == CEL_STRING;
    switch (wanted) {
    case SOURCE_WANTS_TEXT:
        return any || scalar || kind == CEL_TIMESTAMP || kind == CEL_DURATION;
    case SOURCE_WANTS_TIME:
        return any || kind == CEL_TIMESTAMP || kind == CEL_STRING || kind == CEL_INT ||
               kind == CEL_UINT || kind == CEL_DOUBLE;
    case SOURCE_WANTS_LIST:
        return any || kind == CEL_LIST;
    case SOURCE_WANTS_DATA:
        return any || kind == CEL_MAP || kind == CEL_RECORD;
    case SOURCE_WANTS_BOOL:
    default:
        return any || kind == CEL_BOOL;
    }
}

static void tell_problems(struct map_reader *reader, const struct conf *setting,
                          const struct cel_problem *problems, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cel_problem *problem = &problems[i];
        diag_add(reader->diags, problem->warning ? DIAG_WARNING : DIAG_ERROR,
                 conf_text_place(setting, problem->offset, problem->length), problem->remedy, "%s",
                 problem->text);
    }
}

static void read_choice(struct map_reader *reader, struct conf *setting, enum source_key key,
                        struct source_choices *choices)
{
    static const char *const wanted_words[] = {
        [SOURCE_WANTS_TEXT] = "a text", [SOURCE_WANTS_BOOL] = "true or false",
        [SOURCE_WANTS_LIST] = "a list", [SOURCE_WANTS_TIME] = "a time",
        [SOURCE_WANTS_DATA] = "a map",
    };
    enum source_wanted wanted = source_key_rows[key].wanted;
    const char *source = conf_text(setting, NULL, reader->diags);
    if (source == NULL) {
        return; /* Told by conf_text(). */
    }
    if (choices->count == SOURCE_CHOICES_MAX) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "a key has at most %d expressions", SOURCE_CHOICES_MAX);
        return;
    }
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    size_t problems_count = 0;
    struct cel_program *program = NULL;
    int result = cel_compile(wanted == SOURCE_WANTS_BOOL ? &env_bool : &env_any, source,
                             reader->arena, &program, problems, &problems_count);
    tell_problems(reader, setting, problems, problems_count);
    if (result < 0) {
        if (problems_count == 0) {
            no_memory(reader, setting);
        }
        return;
    }
    if (!kind_fits(wanted, cel_program_type(program).kind)) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "'%s' wants an expression that gives %s", source_key_rows[key].word,
                 wanted_words[wanted]);
        return;
    }
    choices->programs[choices->count++] = program;
}

static void read_key(struct map_reader *reader, struct conf *setting, enum source_key key,
                     struct source_choices *choices)
{
    if (setting == NULL) {
        return;
    }
    if (setting->type != CONF_ARRAY && setting->type != CONF_LIST) {
        read_choice(reader, setting, key, choices);
        return;
    }
    for (struct conf *item = setting->first; item != NULL; item = item->next) {
        read_choice(reader, item, key, choices);
    }
    if (setting->first == NULL) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL, "'%s' has no expression",
                 source_key_rows[key].word);
    }
}

/* ---- rules --------------------------------------------------------------------------------- */

static void read_rule(struct map_reader *reader, struct conf *group, struct source_rule *rule)
{
    if (group->type != CONF_GROUP) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "map = ( { type = \"...\"; } )",
                 "a rule must be a group { }");
        return;
    }
    for (int key = 0; key < SOURCE_KEYS_COUNT; key++) {
        read_key(reader, conf_get(group, source_key_rows[key].word), (enum source_key)key,
                 &rule->keys[key]);
    }
    struct conf *ignore = conf_get(group, "ignore");
    rule->ignore = conf_text(ignore, NULL, reader->diags);
    bool typed = conf_get(group, "type") != NULL;
    if (ignore == NULL && !typed) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at,
                 "type = \"'alert.' + item.name\", or ignore = \"why\"", "'type' is missing here");
    } else if (ignore != NULL && typed) {
        diag_add(reader->diags, DIAG_ERROR, ignore->at, NULL,
                 "a rule ignores what it takes, or makes events of a type of it: not both");
    }
    conf_unknown(group, known_keys, reader->diags);
}

/* What stands behind a rule that takes everything is never reached. */
static void check_reached(struct map_reader *reader, const struct source_map *map,
                          const struct conf *setting)
{
    for (uint32_t i = 0; i + 1 < map->rules_count; i++) {
        const struct source_rule *rule = &map->rules[i];
        if (rule->keys[SOURCE_KEY_WHEN].count == 0 && rule->keys[SOURCE_KEY_OPEN].count == 0 &&
            rule->keys[SOURCE_KEY_EACH].count == 0) {
            diag_add(reader->diags, DIAG_ERROR, setting->value_at, "when = \"has(body.alerts)\"",
                     "rule %u takes every message: the rules behind it are never reached", i + 1);
            return;
        }
    }
}

struct source_map *source_map_read(struct conf *setting, struct arena *arena, struct diags *diags)
{
    struct map_reader reader = {arena, diags};
    size_t before = diags->errors_count;
    struct source_map *map = arena_alloc(arena, sizeof *map);
    if (map == NULL) {
        no_memory(&reader, setting);
        return NULL;
    }
    if (setting->type == CONF_GROUP) {
        read_rule(&reader, setting, &map->rules[map->rules_count++]);
    } else if (setting->type != CONF_LIST || setting->first == NULL) {
        diag_add(diags, DIAG_ERROR, setting->value_at, "map = ( { type = \"...\"; } )",
                 "'map' must be a rule { } or a list ( ) of rules");
    } else if (setting->children_count > SOURCE_RULES_MAX) {
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL, "a map has at most %d rules",
                 SOURCE_RULES_MAX);
    } else {
        for (struct conf *item = setting->first; item != NULL; item = item->next) {
            read_rule(&reader, item, &map->rules[map->rules_count++]);
        }
    }
    check_reached(&reader, map, setting);
    return diags->errors_count > before ? NULL : map;
}
