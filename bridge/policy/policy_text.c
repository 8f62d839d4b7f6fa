/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions and templates: compiling what stands in a string, with mistakes placed inside it.
 *
 * Equal sources in the same scope share one program: many policies say the same.
 */

#include "policy/policy_private.h"

#include "base/assert.h"
#include "cel/cel_reason.h"

#define POLICY_CALLS_MAX 32 /* active() in one condition. */

/* A source inside a setting: the whole of it, or one ${...} of a template. */
struct policy_source {
    struct conf *setting;
    uint32_t offset, count;
    enum cel_kind wanted; /* CEL_BOOL or CEL_DYN */
};

/* ---- mistakes ----------------------------------------------------------------------------- */

/* What is known elsewhere, but not in this scope. */
static const char *scope_remedy(enum policy_scope scope, struct text word)
{
    const struct cel_env *all = policy_env();
    size_t known = policy_scope_env(scope, CEL_DYN)->variables_count;
    NSH_ASSERT(word.at != NULL);
    if (scope != SCOPE_WHEN && text_is(word, "item")) {
        return "it is known in 'with' and 'need' of a step with 'each' only";
    }
    const char *own = policy_subject_word(word);
    if (own != NULL && strcmp(own, "host") != 0) {
        return policy_subject_is_part(own) ? "it is known in policies whose 'subject' it is"
                                           : "it is known in policies whose 'subject' it is; of a "
                                             "host write host.rack, host.pool ...";
    }
    for (size_t i = known; i < all->variables_count; i++) {
        if (text_is(word, all->variables[i].name)) {
            return i < POLICY_STEP_VARIABLES ? "it is known in the steps of do and else only"
                                             : "it is known in the steps of else only";
        }
    }
    return NULL;
}

/* What the condition language cannot know of ours; NULL: nothing to add. */
static const char *domain_remedy(const struct policy_loader *loader,
                                 const struct cel_problem *problem, struct text source)
{
    struct text text = text_of(problem->text);
    bool guessed = problem->remedy != NULL && problem->remedy[0] != '(';
    if (problem->offset + problem->length <= source.count) {
        struct text word = {source.at + problem->offset, problem->length};
        const char *remedy = scope_remedy(loader->scope, word);
        if (remedy != NULL) {
            return remedy;
        }
    }
    if (!guessed && text_starts(text, "event has no field")) {
        return "what the source sent is in event.data";
    }
    if (!guessed && text_starts(text, "cannot compare an int with a string") &&
        strstr(source.at, ".severity") != NULL) {
        return "severities stand without quotes: event.severity >= major";
    }
    return NULL;
}

static void tell_problems(struct policy_loader *loader, const struct policy_source *source,
                          const char *text, const struct cel_problem *problems, size_t count)
{
    static const char steps_prefix[] = "steps has no field ";
    for (size_t i = 0; i < count; i++) {
        const struct cel_problem *problem = &problems[i];
        const char *remedy = domain_remedy(loader, problem, text_of(text));
        bool step = text_starts(text_of(problem->text), steps_prefix);
        diag_add(
            loader->diags, problem->warning ? DIAG_WARNING : DIAG_ERROR,
            conf_text_place(source->setting, source->offset + problem->offset, problem->length),
            remedy != NULL ? remedy : problem->remedy, "%s%s%s", step ? "no step " : "",
            problem->text + (step ? sizeof steps_prefix - 1 : 0),
            step ? " stands before this one" : "");
    }
}

/* ---- programs ----------------------------------------------------------------------------- */

static const struct cel_env *env_of(struct policy_loader *loader, const char *text,
                                    enum cel_kind wanted)
{
    bool steps = strstr(text, "steps") != NULL || strstr(text, "item") != NULL;
    bool self = policy_has_own_name(loader) && strstr(text, loader->subject) != NULL;
    return self || (steps && loader->scope != SCOPE_WHEN) ? policy_steps_env(loader, wanted)
                                                          : policy_scope_env(loader->scope, wanted);
}

/* A new program; kept under key when nothing is to be said about it. */
static struct cel_program *compile_new(struct policy_loader *loader,
                                       const struct policy_source *source,
                                       const struct cel_env *env, const char *key, const char *text)
{
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    size_t problems_count = 0;
    struct cel_program *program = NULL;
    const char *kept = policy_keep(loader, text);
    int result = cel_compile(env, kept, loader->arena, &program, problems, &problems_count);
    tell_problems(loader, source, text, problems, problems_count);
    if (result < 0) {
        loader->no_memory = loader->no_memory || result == -NSH_NOMEM;
        return NULL;
    }
    if (problems_count == 0 && map_set(&loader->programs, text_of(key), program) < 0) {
        loader->no_memory = true;
    }
    return program;
}

static struct cel_program *compile(struct policy_loader *loader, const struct policy_source *source)
{
    if (source->count > CEL_SOURCE_BYTES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, source->setting->value_at, NULL,
                 "an expression has at most %d bytes, this one %u", CEL_SOURCE_BYTES_MAX,
                 source->count);
        return NULL;
    }
    const char *text =
        arena_copy(&loader->scratch, source->setting->text + source->offset, source->count);
    const struct cel_env *env = text == NULL ? NULL : env_of(loader, text, source->wanted);
    const char *key =
        env == NULL ? NULL : arena_printf(&loader->scratch, "%p %s", (const void *)env, text);
    if (key == NULL) {
        loader->no_memory = true;
        return NULL;
    }
    struct cel_program *program = map_get(&loader->programs, text_of(key));
    if (program == NULL) {
        key = arena_copy(&loader->keys, key, strlen(key));
        if (key == NULL) {
            loader->no_memory = true;
            return NULL;
        }
        program = compile_new(loader, source, env, key, text);
    }
    if (loader->policy != NULL && strstr(text, "matched") != NULL) {
        loader->policy->names_matched = true;
    }
    if (program != NULL && strstr(text, "in_calendar") != NULL) {
        policy_calendar_calls(loader, program, source->setting);
    }
    if (program != NULL) {
        policy_metrics_collect(loader, source->setting, source->offset, program);
    }
    return program;
}

/* ---- conditions --------------------------------------------------------------------------- */

/* The types that active() names. */
static void mention_active(struct policy_loader *loader, const struct conf *setting,
                           const struct cel_program *program)
{
    struct cel_call calls[POLICY_CALLS_MAX];
    size_t count = cel_program_calls(program, "active", calls, POLICY_CALLS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t quotes = calls[i].length > 2 ? 1 : 0;
        policy_type_mention(
            loader,
            conf_text_place(setting, calls[i].offset + quotes, calls[i].length - 2 * quotes),
            text_of(calls[i].literal));
    }
}

static void read_program(struct policy_loader *loader, struct conf *setting,
                         struct policy_condition *condition, enum cel_kind wanted)
{
    const char *text = conf_text(setting, NULL, loader->diags);
    if (text == NULL) {
        return;
    }
    if (text[strspn(text, " \t\r\n")] == 0) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "such as \"host.rack == 'r12'\"",
                 "a condition must not be empty");
        return;
    }
    struct policy_source source = {setting, 0, setting->text_bytes, wanted};
    struct cel_program *program = compile(loader, &source);
    if (program == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf canonical = {0};
    cel_program_print(program, &canonical);
    *condition = (struct policy_condition){
        .program = program,
        .source = policy_keep(loader, canonical.at == NULL ? text : canonical.at),
        .at = policy_keep_place(loader, setting->value_at),
    };
    mention_active(loader, setting, program);
}

void policy_condition_read(struct policy_loader *loader, struct conf *setting,
                           struct policy_condition *condition)
{
    if (setting->type == CONF_BOOL) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 setting->boolean ? "write \"true\"" : "write \"false\"",
                 "a condition is a string, got a boolean");
        setting->seen = true;
        return;
    }
    read_program(loader, setting, condition, CEL_BOOL);
}

void policy_value_read(struct policy_loader *loader, struct conf *setting,
                       struct policy_condition *condition)
{
    read_program(loader, setting, condition, CEL_DYN);
}

/* ---- templates ---------------------------------------------------------------------------- */

/* Behind the quoted text of an expression that begins at at; NULL when it does not end. */
static const char *skip_quoted(const char *begin, const char *at)
{
    char quote = *at;
    bool raw = at > begin && (at[-1] == 'r' || at[-1] == 'R');
    bool triple = at[1] == quote && at[2] == quote;
    for (at += triple ? 3 : 1; *at != 0; at++) {
        if (*at == '\\' && !raw && at[1] != 0) {
            at++;
        } else if (*at == quote && (!triple || (at[1] == quote && at[2] == quote))) {
            return at + (triple ? 3 : 1);
        }
    }
    return NULL;
}

/* The '}' that closes the expression at begin, or NULL. Braces and quotes inside are the
 * expression's. */
static const char *expression_end(const char *begin)
{
    unsigned depth = 0;
    for (const char *at = begin; at != NULL && *at != 0;) {
        if (*at == '\'' || *at == '"') {
            at = skip_quoted(begin, at);
            continue;
        }
        if (*at == '}' && depth-- == 0) {
            return at;
        }
        depth += *at == '{';
        at++;
    }
    return NULL;
}

struct policy_pieces {
    struct policy_piece items[POLICY_PIECES_MAX];
    size_t count;
    struct textbuf text; /* Literal text so far. */
    bool failed;
};

static void piece_add(struct policy_pieces *pieces, struct policy_piece piece)
{
    if (pieces->count < POLICY_PIECES_MAX) {
        pieces->items[pieces->count] = piece;
    }
    pieces->count++;
}

static void piece_flush(struct policy_loader *loader, struct policy_pieces *pieces)
{
    if (pieces->text.count > 0) {
        piece_add(pieces, (struct policy_piece){.text = policy_keep(loader, pieces->text.at)});
        textbuf_clear(&pieces->text);
    }
}

/* One ${...} that begins at offset; returns the offset behind it. */
static uint32_t piece_expression(struct policy_loader *loader, struct conf *setting,
                                 uint32_t offset, struct policy_pieces *pieces)
{
    const char *begin = setting->text + offset + 2;
    const char *end = expression_end(begin);
    if (end == NULL) {
        diag_add(loader->diags, DIAG_ERROR, conf_text_place(setting, offset, 2),
                 "write '}' behind the expression; a plain ${ is written $${",
                 "this ${ is not closed");
        pieces->failed = true;
        return setting->text_bytes;
    }
    struct policy_source source = {setting, offset + 2, (uint32_t)(end - begin), CEL_DYN};
    struct policy_piece piece = {0};
    if (source.count == 0) {
        diag_add(loader->diags, DIAG_ERROR, conf_text_place(setting, offset, 3),
                 "such as ${host.name}", "nothing stands in this ${}");
    } else {
        piece.program = compile(loader, &source);
    }
    pieces->failed = pieces->failed || piece.program == NULL;
    piece_flush(loader, pieces);
    piece_add(pieces, piece);
    return (uint32_t)(end + 1 - setting->text);
}

static void template_text(struct policy_loader *loader, struct conf *setting,
                          struct policy_template *template)
{
    struct policy_pieces pieces = {.count = 0};
    uint32_t offset = 0;
    while (offset < setting->text_bytes) {
        const char *at = setting->text + offset;
        if (strncmp(at, "$${", 3) == 0) {
            textbuf_add_chars(&pieces.text, "${");
            offset += 3;
        } else if (strncmp(at, "${", 2) == 0) {
            offset = piece_expression(loader, setting, offset, &pieces);
        } else {
            textbuf_add_char(&pieces.text, *at);
            offset++;
        }
    }
    bool literal = pieces.count == 0;
    if (literal && !pieces.failed) {
        template->literal =
            nsh_text(policy_keep(loader, pieces.text.at == NULL ? "" : pieces.text.at));
    }
    piece_flush(loader, &pieces);
    if (pieces.count > POLICY_PIECES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "a text has at most %d pieces around its ${}", POLICY_PIECES_MAX);
    } else if (!literal && !pieces.failed) {
        struct policy_piece *kept = policy_alloc(loader, pieces.count, sizeof *kept);
        if (kept != NULL) {
            memcpy(kept, pieces.items, pieces.count * sizeof *kept);
            template->pieces = kept;
            template->pieces_count = pieces.count;
        }
    }
    loader->no_memory = loader->no_memory || pieces.text.failed;
    textbuf_done(&pieces.text);
}

/* Expressions stand in a setting of `with` itself, not deeper. */
static void tell_nested(struct policy_loader *loader, const struct conf *setting)
{
    for (const struct conf *child = setting->first; child != NULL; child = child->next) {
        const char *found = child->type == CONF_STRING ? strstr(child->text, "${") : NULL;
        if (found != NULL) {
            diag_add(loader->diags, DIAG_ERROR,
                     conf_text_place(child, (uint32_t)(found - child->text), 2),
                     "write the whole value as one expression: \"${[host.name, host.rack]}\"",
                     "${} stands in the values of 'with', not inside lists and groups");
        }
        tell_nested(loader, child);
    }
}

void policy_template_read(struct policy_loader *loader, struct conf *setting,
                          struct policy_template *template)
{
    template->name = policy_keep(loader, setting->name);
    if (setting->type == CONF_STRING) {
        setting->seen = true;
        template_text(loader, setting, template);
        return;
    }
    struct nsh_value value;
    tell_nested(loader, setting);
    if (!conf_value(setting, &loader->scratch, &value) ||
        !arena_value(loader->arena, &value, &template->literal)) {
        loader->no_memory = true;
    }
}
