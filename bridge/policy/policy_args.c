/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of a step against what its verb takes. */

#include "policy/policy_private.h"

static const struct {
    const char *word, *example;
    enum cel_kind kind;
} policy_types[] = {
    [NSH_NULL] = {"nothing", NULL, CEL_NULL},
    [NSH_BOOL] = {"a boolean", "true", CEL_BOOL},
    [NSH_INT] = {"an integer", "20", CEL_INT},
    [NSH_DOUBLE] = {"a number", "0.5", CEL_DOUBLE},
    [NSH_STRING] = {"a text", "\"...\"", CEL_STRING},
    [NSH_LIST] = {"a list", "[\"a\", \"b\"]", CEL_LIST},
    [NSH_MAP] = {"a group", "{ a = 1; }", CEL_MAP},
    [NSH_DURATION] = {"a duration", "\"30s\"", CEL_STRING},
    [NSH_SECRET] = {"a secret", NULL, CEL_STRING},
};

static const char *cel_word(enum cel_kind kind)
{
    static const char *const words[] = {
        [CEL_DYN] = "anything",        [CEL_NULL] = "null",       [CEL_BOOL] = "a bool",
        [CEL_INT] = "an int",          [CEL_UINT] = "a uint",     [CEL_DOUBLE] = "a double",
        [CEL_STRING] = "a string",     [CEL_BYTES] = "bytes",     [CEL_LIST] = "a list",
        [CEL_MAP] = "a map",           [CEL_RECORD] = "a record", [CEL_TIMESTAMP] = "a timestamp",
        [CEL_DURATION] = "a duration", [CEL_TYPE] = "a type",     [CEL_OPTIONAL] = "an optional",
        [CEL_ERROR] = "an error",
    };
    return words[kind];
}

/* What a template gives, as a type of CEL; CEL_DYN: not known before it runs. */
static enum cel_kind template_kind(const struct policy_template *template)
{
    if (template->pieces_count == 1) {
        return cel_program_type(template->pieces[0].program).kind;
    }
    return CEL_STRING;
}

/* An expression must give the type that is wanted. */
static void check_expression(struct policy_loader *loader, const struct conf *setting,
                             const struct nsh_option *option,
                             const struct policy_template *template)
{
    enum cel_kind kind = template_kind(template), wanted = policy_types[option->type].kind;
    if (kind == CEL_DYN || kind == wanted || (kind == CEL_RECORD && wanted == CEL_MAP)) {
        return;
    }
    bool convertible = wanted == CEL_STRING && template->pieces_count == 1;
    diag_add(loader->diags, DIAG_ERROR, setting->value_at,
             convertible ? "write string(...) around it" : NULL,
             "'%s' must be %s, this expression gives %s", option->name,
             policy_types[option->type].word, cel_word(kind));
}

static bool out_of_range(const struct nsh_option *option, int64_t value)
{
    int64_t min = INT64_MIN, max = INT64_MAX;
    bool duration = option->type == NSH_DURATION;
    bool known = option->min == NULL || (duration ? text_to_duration_ms(text_of(option->min), &min)
                                                  : text_to_int(text_of(option->min), &min));
    known =
        known && (option->max == NULL || (duration ? text_to_duration_ms(text_of(option->max), &max)
                                                   : text_to_int(text_of(option->max), &max)));
    return known && (value < min || value > max);
}

static void check_literal(struct policy_loader *loader, const struct conf *setting,
                          const struct nsh_option *option, const struct nsh_value *literal)
{
    int64_t ms = 0;
    bool duration = option->type == NSH_DURATION;
    bool number = option->type == NSH_DOUBLE && literal->type == NSH_INT;
    if (literal->type != (duration ? NSH_STRING : option->type) && !number) {
        CLEANUP(textbuf_donep) struct textbuf remedy = {0};
        textbuf_addf(&remedy, "such as %s = %s", option->name, policy_types[option->type].example);
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, remedy.at, "'%s' must be %s, got %s",
                 option->name, policy_types[option->type].word, policy_types[literal->type].word);
        return;
    }
    if (duration && !text_to_duration_ms(text_of(literal->text), &ms)) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "units are ms, s, m, h, d, w: \"90s\", \"2m30s\", \"1h\"",
                 "'%s' is no duration: \"%.80s\"", option->name, literal->text);
        return;
    }
    if ((duration || option->type == NSH_INT) &&
        out_of_range(option, duration ? ms : literal->integer)) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "'%s' must be between %s and %s", option->name,
                 option->min == NULL ? "any" : option->min,
                 option->max == NULL ? "any" : option->max);
    }
}

/* The option of that name; NULL after a diagnostic. */
static const struct nsh_option *find_option(struct policy_loader *loader,
                                            const struct conf *setting, const struct verb *verb,
                                            const struct nsh_option *options, size_t count)
{
    const char *names[POLICY_ARGS_MAX + 1] = {NULL};
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    for (size_t i = 0; i < count && i < POLICY_ARGS_MAX; i++) {
        if (strcmp(options[i].name, setting->name) == 0) {
            return &options[i];
        }
        names[i] = options[i].name;
        textbuf_addf(&remedy, "%s%s", i == 0 ? "it takes: " : ", ", names[i]);
    }
    const char *nearest = text_nearest(text_of(setting->name), names);
    if (count == 0) {
        textbuf_addf(&remedy, "%s takes no arguments", verb->name);
    }
    if (nearest != NULL) {
        textbuf_clear(&remedy);
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    }
    diag_add(loader->diags, DIAG_ERROR, setting->at, remedy.at, "%s takes no '%.80s'", verb->name,
             setting->name);
    return NULL;
}

void policy_args_read(struct policy_loader *loader, struct conf *group, const struct verb *verb,
                      struct policy_step *step)
{
    if (!policy_is(loader, group, CONF_GROUP, "with = { text = \"...\"; }")) {
        return;
    }
    if (group->children_count > POLICY_ARGS_MAX) {
        diag_add(loader->diags, DIAG_ERROR, group->at, NULL, "a step has at most %d arguments",
                 POLICY_ARGS_MAX);
        return;
    }
    const struct nsh_option *options = NULL;
    size_t count = 0, used = 0;
    bool known = verb != NULL && policy_args_of(loader, verb, &options, &count);
    struct policy_template *with = policy_alloc(loader, group->children_count + 1, sizeof *with);
    for (struct conf *setting = group->first; setting != NULL && with != NULL;
         setting = setting->next) {
        struct policy_template *template = &with[used++];
        size_t errors_before = loader->diags->errors_count;
        policy_template_read(loader, setting, template);
        const struct nsh_option *option =
            known ? find_option(loader, setting, verb, options, count) : NULL;
        if (option == NULL || loader->diags->errors_count > errors_before) {
            continue;
        }
        if (template->pieces_count > 0) {
            check_expression(loader, setting, option, template);
        } else {
            check_literal(loader, setting, option, &template->literal);
        }
    }
    step->with = with;
    step->with_count = used;
}

bool policy_args_of(const struct policy_loader *loader, const struct verb *verb,
                    const struct nsh_option **ret_args, size_t *ret_count)
{
    for (size_t i = 0; verb->binding == BINDING_FUNCTION && i < loader->functions_count; i++) {
        const struct nsh_verb *declared = &loader->functions[i].verb;
        if (strcmp(declared->name, verb->name) == 0) {
            *ret_args = declared->args;
            *ret_count = declared->args_count;
            return true;
        }
    }
    return verb_args(verb, ret_args, ret_count);
}

void policy_args_required(struct policy_loader *loader, const struct conf *group,
                          const struct policy_step *step)
{
    const struct nsh_option *options = NULL;
    size_t count = 0;
    if (step->verb == NULL || !policy_args_of(loader, step->verb, &options, &count)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool given = (options[i].flags & NSH_REQUIRED) == 0 || options[i].preset != NULL;
        for (size_t w = 0; !given && w < step->with_count; w++) {
            given = step->with[w].name != NULL && strcmp(step->with[w].name, options[i].name) == 0;
        }
        if (!given) {
            CLEANUP(textbuf_donep) struct textbuf remedy = {0};
            textbuf_addf(&remedy, "such as with = { %s = %s; }", options[i].name,
                         policy_types[options[i].type].example);
            diag_add(loader->diags, DIAG_ERROR, group->value_at, remedy.at, "%s needs '%s'",
                     step->verb->name, options[i].name);
        }
    }
}
