/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions: `functions` of nightshift.conf gives a name, an effect, a proof and typed parameters
 * to what a program, a kept worker or a remote function does. A policy says that name as it says a
 * driver's verb, and is checked against it when it is loaded.
 */

#include "policy/policy_private.h"

#include <stdio.h>

#define SECOND_MS 1000LL
#define TIMEOUT_MS_PRESET (60 * SECOND_MS)
#define TIMEOUT_MS_MAX (3600 * SECOND_MS)
#define CHOICES_MAX 32 /* Of one parameter. */

static void read_params(struct policy_loader *loader, struct conf *setting, void *object);
static void read_run(struct policy_loader *loader, struct conf *setting, void *object);
static void read_limit(struct policy_loader *loader, struct conf *setting, void *object);
static void read_choices(struct policy_loader *loader, struct conf *setting, void *object);

static const char *const effects[] = {"reads", "changes", "interrupts", "destroys", NULL};

struct function_row {
    const char *name, *help, *verify, *proof, *undo;
    int effect;
    bool restores;
    int64_t timeout_ms;
    struct conf *params, *run;
};

#define TEXT_KEY(key, member)                                                                      \
    .name = (key), .kind = KEY_TEXT, .offset = offsetof(struct function_row, member), .min = 1,    \
    .max = POLICY_TEXT_BYTES_MAX

static const struct policy_key function_rows[] = {
    {.name = "name",
     .kind = KEY_NAME,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct function_row, name),
     .min = 1,
     .max = POLICY_NAME_BYTES_MAX,
     .example = "name = \"reseat_psu\"",
     .help = "What policies say: action = \"reseat_psu\"."},
    {.name = "effect",
     .kind = KEY_WORD,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct function_row, effect),
     .words = effects,
     .example = "effect = \"interrupts\"",
     .help =
         "What it does to the host: reads, changes, interrupts, destroys. The guards go by it."},
    {TEXT_KEY("help", help), .help = "One sentence for people."},
    {TEXT_KEY("verify", verify),
     .help = "What reads the state that proves it: a function that reads, or power.status ..."},
    {TEXT_KEY("proof", proof),
     .help = "The member of that reading's result that proves it: \"power=on\"."},
    {TEXT_KEY("undo", undo), .help = "What takes it back: a function, or a verb."},
    {.name = "restores",
     .kind = KEY_BOOL,
     .offset = offsetof(struct function_row, restores),
     .help = "It gives capacity back: stays allowed under the storm brake."},
    {.name = "timeout",
     .kind = KEY_DURATION,
     .offset = offsetof(struct function_row, timeout_ms),
     .min = SECOND_MS,
     .max = TIMEOUT_MS_MAX,
     .help = "How long a call may take; 60s."},
    {.name = "params", .kind = KEY_READ, .read = read_params, .help = "What it takes, with types."},
    {.name = "run",
     .kind = KEY_READ,
     .flags = KEY_REQUIRED,
     .read = read_run,
     .example = "run = { driver = \"exec\"; program = \"/opt/fn/reseat\"; }",
     .help = "The driver that carries it out, and its settings."},
};

const struct policy_keys policy_keys_function = {"a function", function_rows,
                                                 sizeof function_rows / sizeof function_rows[0]};

/* In the order of these words. */
static const enum nsh_type param_types[] = {NSH_BOOL, NSH_INT, NSH_DOUBLE,  NSH_STRING,
                                            NSH_LIST, NSH_MAP, NSH_DURATION};
static const char *const type_words[] = {"bool", "int", "double",   "text",
                                         "list", "map", "duration", NULL};

struct param_row {
    int type;
    bool required;
    const char *help, *min, *max, *preset;
    const char *const *choices;
};

static const struct policy_key param_rows[] = {
    {.name = "type",
     .kind = KEY_WORD,
     .flags = KEY_REQUIRED,
     .offset = offsetof(struct param_row, type),
     .words = type_words,
     .example = "type = \"int\"",
     .help = "bool, int, double, text, list, map, duration."},
    {.name = "required",
     .kind = KEY_BOOL,
     .offset = offsetof(struct param_row, required),
     .help = "A step that leaves it out is refused when its policy is loaded."},
    {.name = "min", .kind = KEY_READ, .read = read_limit, .help = "Of an int, double, duration."},
    {.name = "max", .kind = KEY_READ, .read = read_limit, .help = "Of an int, double, duration."},
    {.name = "default", .kind = KEY_READ, .read = read_limit, .help = "When a step leaves it out."},
    {.name = "choices",
     .kind = KEY_READ,
     .read = read_choices,
     .help = "The texts that may stand there: [\"a\", \"b\"]."},
    {.name = "help",
     .kind = KEY_TEXT,
     .offset = offsetof(struct param_row, help),
     .min = 1,
     .max = POLICY_TEXT_BYTES_MAX,
     .help = "One sentence for people."},
};

const struct policy_keys policy_keys_param = {"a parameter", param_rows,
                                              sizeof param_rows / sizeof param_rows[0]};

/* ---- keys --------------------------------------------------------------------------------- */

static void read_params(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct function_row *row = object;
    if (policy_is(loader, setting, CONF_GROUP, "params = { slot = { type = \"int\"; }; }")) {
        row->params = setting;
    }
}

static void read_run(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct function_row *row = object;
    if (policy_is(loader, setting, CONF_GROUP,
                  "run = { driver = \"exec\"; program = \"/opt/fn/reseat\"; }")) {
        row->run = setting;
    }
}

/* min, max, default: a number or a text; as the texts that tables of options have. */
static void read_limit(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct param_row *row = object;
    const char **into = strcmp(setting->name, "min") == 0   ? &row->min
                        : strcmp(setting->name, "max") == 0 ? &row->max
                                                            : &row->preset;
    if (setting->type == CONF_STRING) {
        *into = policy_keep(loader, setting->text);
    } else if (setting->type == CONF_INT) {
        *into = arena_printf(loader->arena, "%lld", (long long)setting->integer);
    } else if (setting->type == CONF_FLOAT) {
        *into = arena_printf(loader->arena, "%.17g", setting->real);
    } else if (setting->type == CONF_BOOL) {
        *into = setting->boolean ? "true" : "false";
    } else {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL, "'%s' is a number or a text",
                 setting->name);
    }
}

static void read_choices(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct param_row *row = object;
    if ((setting->type != CONF_ARRAY && setting->type != CONF_LIST) ||
        setting->children_count == 0 || setting->children_count > CHOICES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "choices = [\"a\", \"b\"]",
                 "'choices' is an array of 1 to %d texts", CHOICES_MAX);
        return;
    }
    const char **choices = policy_alloc(loader, setting->children_count + 1, sizeof *choices);
    size_t count = 0;
    for (struct conf *item = setting->first; choices != NULL && item != NULL; item = item->next) {
        choices[count++] = policy_keep(loader, conf_text(item, "", loader->diags));
    }
    row->choices = choices;
}

/* ---- parameters --------------------------------------------------------------------------- */

static void param_read(struct policy_loader *loader, struct conf *setting,
                       struct nsh_option *ret_option)
{
    struct param_row row = {.type = -1};
    if (setting->type == CONF_STRING) { /* slot = "int" */
        for (int i = 0; type_words[i] != NULL; i++) {
            row.type = strcmp(setting->text, type_words[i]) == 0 ? i : row.type;
        }
        if (row.type < 0) {
            diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                     "one of: bool, int, double, text, list, map, duration",
                     "no type is called \"%.40s\"", setting->text);
        }
    } else if (policy_is(loader, setting, CONF_GROUP, "slot = { type = \"int\"; }")) {
        policy_keys_read(loader, setting, &policy_keys_param, &row);
    }
    enum nsh_type type = row.type < 0 ? NSH_STRING : param_types[row.type];
    bool ranged = type == NSH_INT || type == NSH_DOUBLE || type == NSH_DURATION;
    if ((!ranged && (row.min != NULL || row.max != NULL)) ||
        (type != NSH_STRING && row.choices != NULL) ||
        ((type == NSH_LIST || type == NSH_MAP) && row.preset != NULL)) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "'%s' is %s: min and max are of int, double, duration; choices of text; a list or "
                 "map has no default",
                 setting->name, type_words[row.type < 0 ? 3 : row.type]);
    }
    *ret_option = (struct nsh_option){
        .name = policy_keep(loader, setting->name),
        .type = type,
        .flags = row.required ? NSH_REQUIRED : 0,
        .preset = row.preset,
        .min = row.min,
        .max = row.max,
        .choices = row.choices,
        .help = row.help == NULL ? "" : row.help,
    };
}

static void params_take(struct policy_loader *loader, struct conf *group, struct nsh_verb *verb)
{
    size_t count = 0;
    if (group == NULL) {
        return;
    }
    if (group->children_count > POLICY_ARGS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at, NULL,
                 "a function takes %d parameters at most", POLICY_ARGS_MAX);
        return;
    }
    struct nsh_option *args = policy_alloc(loader, group->children_count + 1, sizeof *args);
    for (struct conf *setting = group->first; args != NULL && setting != NULL;
         setting = setting->next) {
        param_read(loader, setting, &args[count++]);
    }
    verb->args = args;
    verb->args_count = args == NULL ? 0 : count;
}

/* ---- one function ------------------------------------------------------------------------- */

static void run_take(struct policy_loader *loader, struct conf *group,
                     struct policy_declared *function)
{
    struct conf *driver = conf_get(group, "driver");
    struct nsh_value all = nsh_map(NULL, 0);
    if (driver == NULL) {
        diag_add(loader->diags, DIAG_ERROR, group->at, "such as driver = \"exec\"",
                 "'run' names no driver");
        return;
    }
    struct nsh_member *members = policy_alloc(loader, group->children_count + 1, sizeof *members);
    if (members == NULL || !conf_value(group, loader->arena, &all)) {
        loader->no_memory = true;
        return;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        if (strcmp(all.members[i].name, "driver") != 0) {
            members[count++] = all.members[i];
        }
    }
    function->driver = policy_keep(loader, conf_text(driver, "", loader->diags));
    function->settings = nsh_map(members, count);
}

/* Its own mistakes; what it says of others is looked at when all are known. */
static void function_check(struct policy_loader *loader, struct conf *group,
                           const struct function_row *row)
{
    const char *equals = row->proof == NULL ? NULL : strchr(row->proof, '=');
    if (verb_find(text_of(row->name)) != NULL || strchr(row->name, '.') != NULL) {
        diag_add(loader->diags, DIAG_ERROR, conf_get(group, "name")->value_at,
                 "letters, digits, '_' and '-'",
                 "a function has a name of its own without a dot: '%s' may be a driver's verb",
                 row->name);
    }
    if ((row->verify == NULL) != (row->proof == NULL) ||
        (row->proof != NULL && (equals == NULL || equals == row->proof || equals[1] == '\0'))) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at,
                 "such as verify = \"psu_status\"; proof = \"psu=ok\"",
                 "%s: 'verify' and 'proof' go together, and a proof is \"member=text\"", row->name);
    }
    if (row->verify == NULL && row->effect >= NSH_INTERRUPTS) {
        diag_add(loader->diags, DIAG_WARNING, group->value_at,
                 "add verify = \"...\"; proof = \"...\"",
                 "%s %s and nothing proves it: after a time-out a person must look", row->name,
                 effects[row->effect]);
    }
    if (row->restores && row->effect != NSH_CHANGES) {
        diag_add(loader->diags, DIAG_ERROR, conf_get(group, "restores")->at, NULL,
                 "%s: only what changes can restore; this one %s", row->name, effects[row->effect]);
    }
}

static bool function_read(struct policy_loader *loader, struct conf *group,
                          struct policy_declared *ret_function)
{
    struct function_row row = {.timeout_ms = TIMEOUT_MS_PRESET};
    size_t errors = loader->diags->errors_count;
    policy_keys_read(loader, group, &policy_keys_function, &row);
    if (row.name == NULL || row.run == NULL || loader->diags->errors_count > errors) {
        return false;
    }
    function_check(loader, group, &row);
    *ret_function = (struct policy_declared){
        .verb = {.name = row.name,
                 .effect = (enum nsh_effect)row.effect,
                 .undo = row.undo,
                 .verify = row.verify,
                 .proof = row.proof,
                 .timeout_ms_default = (uint32_t)row.timeout_ms,
                 .help = row.help == NULL ? "Declared in the configuration." : row.help},
        .restores = row.restores,
        .at = policy_keep_place(loader, group->value_at),
    };
    params_take(loader, row.params, &ret_function->verb);
    run_take(loader, row.run, ret_function);
    return loader->diags->errors_count == errors;
}

/* ---- all of them -------------------------------------------------------------------------- */

const struct policy_declared *policy_function_find(const struct policy_defaults *defaults,
                                                   struct text name)
{
    for (size_t i = 0; i < defaults->functions_count; i++) {
        if (text_is(name, defaults->functions[i].verb.name)) {
            return &defaults->functions[i];
        }
    }
    return NULL;
}

struct verb policy_function_verb(const struct policy_declared *function)
{
    return (struct verb){.name = function->verb.name,
                         .effect = function->verb.effect,
                         .restores = function->restores,
                         .binding = BINDING_FUNCTION,
                         .verify = function->verb.verify,
                         .proof = function->verb.proof,
                         .driver = POLICY_FUNCTIONS_DRIVER,
                         .help = function->verb.help};
}

/* verify and undo name something that is there; verify only reads. */
static void check_named(struct policy_loader *loader, const struct policy_defaults *defaults,
                        const struct policy_declared *function)
{
    const char *names[] = {function->verb.verify, function->verb.undo};
    for (int i = 0; i < 2; i++) {
        struct text name = text_of(names[i] == NULL ? "" : names[i]);
        const struct verb *verb = verb_find(name);
        const struct policy_declared *other = policy_function_find(defaults, name);
        enum nsh_effect effect = other != NULL  ? other->verb.effect
                                 : verb != NULL ? verb->effect
                                                : NSH_READS;
        if (names[i] != NULL && verb == NULL && other == NULL) {
            diag_add(loader->diags, DIAG_ERROR, function->at, NULL,
                     "%s names '%.64s', which is neither a function nor a verb",
                     function->verb.name, names[i]);
        } else if (names[i] != NULL && i == 0 && effect != NSH_READS) {
            diag_add(loader->diags, DIAG_ERROR, function->at, NULL,
                     "%s: '%s', which verifies it, does not only read", function->verb.name,
                     names[i]);
        }
    }
}

static void functions_take(struct policy_loader *loader, struct conf *list,
                           struct policy_defaults *defaults)
{
    static const char example[] = "functions = ( { name = \"reseat_psu\"; effect = \"interrupts\"; "
                                  "run = { driver = \"exec\"; program = \"/opt/fn/reseat\"; }; } )";
    if (!policy_is(loader, list, CONF_LIST, example)) {
        return;
    }
    if (list->children_count > POLICY_FUNCTIONS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, list->value_at, NULL, "more than %d functions",
                 POLICY_FUNCTIONS_MAX);
        return;
    }
    struct policy_declared *items =
        list->first == NULL ? NULL : policy_alloc(loader, list->children_count, sizeof *items);
    defaults->functions = items;
    defaults->functions_count = 0;
    for (struct conf *group = list->first; items != NULL && group != NULL; group = group->next) {
        struct policy_declared function;
        if (!policy_is(loader, group, CONF_GROUP, example) ||
            !function_read(loader, group, &function)) {
            continue;
        }
        if (policy_function_find(defaults, text_of(function.verb.name)) != NULL) {
            diag_add(loader->diags, DIAG_ERROR, group->value_at, NULL,
                     "there is another function '%s'", function.verb.name);
            continue;
        }
        items[defaults->functions_count++] = function;
    }
    for (size_t i = 0; i < defaults->functions_count; i++) {
        check_named(loader, defaults, &items[i]);
    }
}

void policy_functions_read(struct conf *root, struct arena *arena, struct policy_defaults *defaults,
                           struct diags *diags)
{
    struct policy_loader loader = {.diags = diags, .arena = arena};
    struct conf *list = conf_get(root, "functions");
    if (list != NULL) {
        functions_take(&loader, list, defaults);
    }
    if (loader.no_memory) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){0}, NULL, "out of memory");
    }
    map_done(&loader.texts);
}
