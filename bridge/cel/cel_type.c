/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types of the checker: made, parsed from text, printed, and made equal by binding type parameters.
 * Gradual: dyn goes into and out of everything.
 */

#include "cel/cel_private.h"

const struct cel_ty cel_ty_dyn = {.kind = CEL_DYN}, cel_ty_error = {.kind = CEL_ERROR},
                    cel_ty_bool = {.kind = CEL_BOOL}, cel_ty_int = {.kind = CEL_INT},
                    cel_ty_uint = {.kind = CEL_UINT}, cel_ty_double = {.kind = CEL_DOUBLE},
                    cel_ty_string = {.kind = CEL_STRING}, cel_ty_bytes = {.kind = CEL_BYTES},
                    cel_ty_null = {.kind = CEL_NULL}, cel_ty_timestamp = {.kind = CEL_TIMESTAMP},
                    cel_ty_duration = {.kind = CEL_DURATION};

struct named_type {
    const char *name;
    uint8_t kind, params;
};

static const struct named_type named_types[] = {
    {"dyn", CEL_DYN, 0},
    {"any", CEL_DYN, 0},
    {"null_type", CEL_NULL, 0},
    {"bool", CEL_BOOL, 0},
    {"int", CEL_INT, 0},
    {"uint", CEL_UINT, 0},
    {"double", CEL_DOUBLE, 0},
    {"string", CEL_STRING, 0},
    {"bytes", CEL_BYTES, 0},
    {"timestamp", CEL_TIMESTAMP, 0},
    {"duration", CEL_DURATION, 0},
    {"list", CEL_LIST, 1},
    {"map", CEL_MAP, 2},
    {"type", CEL_TYPE, 1},
    {"optional_type", CEL_OPTIONAL, 1},
    {"wrapper", CEL_TY_WRAPPER, 1},
};

#define NAMED_TYPES_COUNT (sizeof named_types / sizeof *named_types)

static const struct cel_ty *plain(uint8_t kind)
{
    static const struct cel_ty *const plains[] = {
        [CEL_DYN] = &cel_ty_dyn,           [CEL_NULL] = &cel_ty_null,
        [CEL_BOOL] = &cel_ty_bool,         [CEL_INT] = &cel_ty_int,
        [CEL_UINT] = &cel_ty_uint,         [CEL_DOUBLE] = &cel_ty_double,
        [CEL_STRING] = &cel_ty_string,     [CEL_BYTES] = &cel_ty_bytes,
        [CEL_ERROR] = &cel_ty_error,       [CEL_TIMESTAMP] = &cel_ty_timestamp,
        [CEL_DURATION] = &cel_ty_duration,
    };
    return kind < sizeof plains / sizeof(void *) ? plains[kind] : NULL;
}

const struct cel_ty *cel_ty_make(struct arena *arena, uint8_t kind, const struct cel_ty *a,
                                 const struct cel_ty *b)
{
    struct cel_ty *type = arena_alloc(arena, sizeof *type);
    if (type == NULL) {
        return &cel_ty_dyn; /* The arena's end shows elsewhere. */
    }
    *type = (struct cel_ty){.kind = kind, .params = {a, b}};
    type->params_count = (uint8_t)((a != NULL) + (b != NULL));
    return type;
}

const struct cel_ty *cel_ty_of(struct arena *arena, struct cel_type type)
{
    const struct cel_ty *of = NULL;
    if (type.kind == CEL_LIST || type.kind == CEL_MAP || type.kind == CEL_OPTIONAL ||
        type.kind == CEL_TYPE) {
        of = type.of == NULL ? &cel_ty_dyn : cel_ty_of(arena, *type.of);
    }
    if (type.kind == CEL_MAP) {
        return cel_ty_make(arena, CEL_MAP, &cel_ty_string, of);
    }
    if (type.kind == CEL_RECORD) {
        struct cel_ty *record = arena_alloc(arena, sizeof *record);
        if (record == NULL) {
            return &cel_ty_dyn;
        }
        *record = (struct cel_ty){.kind = CEL_RECORD, .record = type.record};
        return record;
    }
    return of != NULL ? cel_ty_make(arena, (uint8_t)type.kind, of, NULL)
                      : plain((uint8_t)type.kind);
}

const struct cel_ty *cel_ty_fresh(struct arena *arena, struct cel_ty_vars *vars)
{
    if (vars->count == CEL_TYPE_VARS_MAX) {
        return &cel_ty_dyn;
    }
    struct cel_ty *type = arena_alloc(arena, sizeof *type);
    if (type == NULL) {
        return &cel_ty_dyn;
    }
    *type = (struct cel_ty){.kind = CEL_TY_PARAM, .var = vars->count};
    vars->bound[vars->count++] = NULL;
    return type;
}

/* --- from text ----------------------------------------------------------------------------- */

static const struct cel_ty *parse_letter(struct arena *arena, struct cel_ty_vars *vars,
                                         struct cel_ty_names *names, char letter)
{
    size_t i = (size_t)(letter - 'A');
    if (names->vars[i] == NULL) {
        names->vars[i] = cel_ty_fresh(arena, vars);
    }
    return names->vars[i];
}

const struct cel_ty *cel_ty_parse(struct arena *arena, struct cel_ty_vars *vars,
                                  struct cel_ty_names *names, const char **text)
{
    const char *at = *text + strspn(*text, " ,");
    size_t length = strcspn(at, " ,()");
    struct text name = {at, (uint32_t)length};
    at += length;
    struct cel_ty made = {.kind = CEL_OPAQUE};
    if (*at == '(') {
        at++;
        while (*at != ')' && *at != '\0' && made.params_count < 3) {
            made.params[made.params_count++] = cel_ty_parse(arena, vars, names, &at);
            at += strspn(at, " ,");
        }
        at += *at == ')';
    }
    *text = at;
    if (length == 1 && name.at[0] >= 'A' && name.at[0] <= 'Z') {
        return parse_letter(arena, vars, names, name.at[0]);
    }
    for (size_t i = 0; i < NAMED_TYPES_COUNT; i++) {
        if (text_is(name, named_types[i].name)) {
            made.kind = named_types[i].kind;
            while (made.params_count < named_types[i].params && made.kind != CEL_TYPE) {
                made.params[made.params_count++] = &cel_ty_dyn;
            }
        }
    }
    if (made.params_count == 0 && plain(made.kind) != NULL) {
        return plain(made.kind);
    }
    struct cel_ty *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL) {
        return &cel_ty_dyn;
    }
    made.name = arena_copy(arena, name.at, name.count);
    *copy = made;
    return copy;
}

/* --- to text ------------------------------------------------------------------------------- */

static const char *kind_name(uint8_t kind)
{
    for (size_t i = 0; i < NAMED_TYPES_COUNT; i++) {
        if (named_types[i].kind == kind) {
            return named_types[i].name;
        }
    }
    return "error";
}

void cel_ty_print(const struct cel_ty *type, struct textbuf *out)
{
    if (type->kind == CEL_TY_PARAM) {
        textbuf_add_chars(out, "dyn");
        return;
    }
    if (type->kind == CEL_RECORD) {
        textbuf_add_chars(out, type->record->name);
        return;
    }
    textbuf_add_chars(out, type->kind == CEL_OPAQUE ? type->name : kind_name(type->kind));
    for (uint8_t i = 0; i < type->params_count; i++) {
        textbuf_add_chars(out, i == 0 ? "(" : ", ");
        cel_ty_print(type->params[i], out);
    }
    if (type->params_count > 0) {
        textbuf_add_char(out, ')');
    }
}

char *cel_ty_text(struct arena *arena, const struct cel_ty *type)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    cel_ty_print(type, &out);
    char *copy = out.at == NULL ? NULL : arena_copy(arena, out.at, out.count);
    static char none[] = "";
    return copy == NULL ? none : copy;
}

/* --- comparison ---------------------------------------------------------------------------- */

const struct cel_ty *cel_ty_walk(const struct cel_ty_vars *vars, const struct cel_ty *type)
{
    while (type->kind == CEL_TY_PARAM && vars->bound[type->var] != NULL) {
        type = vars->bound[type->var];
    }
    return type;
}

/* The last unbound-or-bound-to-a-type variable of a chain. */
static const struct cel_ty *last_var(const struct cel_ty_vars *vars, const struct cel_ty *type)
{
    while (vars->bound[type->var] != NULL && vars->bound[type->var]->kind == CEL_TY_PARAM) {
        type = vars->bound[type->var];
    }
    return type;
}

static bool occurs(const struct cel_ty_vars *vars, uint32_t var, const struct cel_ty *type)
{
    type = cel_ty_walk(vars, type);
    if (type->kind == CEL_TY_PARAM) {
        return type->var == var;
    }
    for (uint8_t i = 0; i < type->params_count; i++) {
        if (occurs(vars, var, type->params[i])) {
            return true;
        }
    }
    return false;
}

static void bind(struct cel_ty_vars *vars, uint32_t var, const struct cel_ty *type)
{
    if (vars->trail_count < CEL_TYPE_VARS_MAX) {
        vars->trail[vars->trail_count] = var;
        vars->trail_old[vars->trail_count++] = vars->bound[var];
        vars->bound[var] = type;
    }
}

void cel_ty_undo(struct cel_ty_vars *vars, uint32_t trail_count)
{
    while (vars->trail_count > trail_count) {
        vars->trail_count--;
        vars->bound[vars->trail[vars->trail_count]] = vars->trail_old[vars->trail_count];
    }
}

bool cel_ty_same(const struct cel_ty *a, const struct cel_ty *b)
{
    if (a->kind != b->kind || a->params_count != b->params_count || a->record != b->record ||
        a->var != b->var || (a->kind == CEL_OPAQUE && strcmp(a->name, b->name) != 0)) {
        return false;
    }
    for (uint8_t i = 0; i < a->params_count; i++) {
        if (!cel_ty_same(a->params[i], b->params[i])) {
            return false;
        }
    }
    return true;
}

/* Whether a says no more than b. */
static bool less_specific(const struct cel_ty *a, const struct cel_ty *b)
{
    if (a->kind == CEL_DYN || a->kind == CEL_TY_PARAM) {
        return true;
    }
    if (b->kind == CEL_NULL && a->kind != CEL_NULL) {
        return true;
    }
    if (b->kind == CEL_DYN || b->kind == CEL_TY_PARAM || a->kind != b->kind ||
        a->params_count != b->params_count) {
        return false;
    }
    for (uint8_t i = 0; i < a->params_count; i++) {
        if (!less_specific(a->params[i], b->params[i])) {
            return false;
        }
    }
    return true;
}

const struct cel_ty *cel_ty_general(const struct cel_ty *a, const struct cel_ty *b)
{
    return less_specific(a, b) ? a : b;
}

static bool assign_var(struct cel_ty_vars *vars, const struct cel_ty *var,
                       const struct cel_ty *other, bool var_is_target)
{
    var = last_var(vars, var);
    const struct cel_ty *bound = vars->bound[var->var];
    if (bound == NULL) {
        const struct cel_ty *end = cel_ty_walk(vars, other);
        if (end->kind == CEL_TY_PARAM && end->var == var->var) {
            return true;
        }
        if (occurs(vars, var->var, other)) {
            return false;
        }
        bind(vars, var->var, other);
        return true;
    }
    if (!(var_is_target ? cel_ty_assign(vars, bound, other) : cel_ty_assign(vars, other, bound))) {
        return false;
    }
    const struct cel_ty *general = cel_ty_general(cel_ty_walk(vars, other), bound);
    if (general != bound && !occurs(vars, var->var, general)) {
        bind(vars, var->var, general);
    }
    return true;
}

static bool takes_null(const struct cel_ty *to)
{
    return to->kind == CEL_NULL || to->kind == CEL_OPAQUE || to->kind == CEL_OPTIONAL ||
           to->kind == CEL_TY_WRAPPER || to->kind == CEL_TIMESTAMP || to->kind == CEL_DURATION ||
           to->kind == CEL_RECORD;
}

static bool is_map_like(const struct cel_ty *type)
{
    return type->kind == CEL_MAP && type->params[0]->kind != CEL_INT;
}

bool cel_ty_assign(struct cel_ty_vars *vars, const struct cel_ty *to, const struct cel_ty *from)
{
    if (to->kind == CEL_TY_PARAM) {
        return assign_var(vars, to, from, true);
    }
    if (from->kind == CEL_TY_PARAM) {
        return assign_var(vars, from, to, false);
    }
    if (to->kind == CEL_DYN || from->kind == CEL_DYN || to->kind == CEL_ERROR ||
        from->kind == CEL_ERROR) {
        return true;
    }
    if (from->kind == CEL_NULL) {
        return takes_null(to);
    }
    if (to->kind == CEL_TY_WRAPPER && from->kind != CEL_TY_WRAPPER) {
        return cel_ty_assign(vars, to->params[0], from);
    }
    if ((to->kind == CEL_RECORD && is_map_like(from)) ||
        (from->kind == CEL_RECORD && is_map_like(to))) {
        return true; /* A record is a map that is better known. */
    }
    if (to->kind != from->kind || to->record != from->record ||
        (to->kind == CEL_OPAQUE && strcmp(to->name, from->name) != 0)) {
        return false;
    }
    if (to->kind == CEL_TYPE) {
        return true;
    }
    for (uint8_t i = 0; i < to->params_count && i < from->params_count; i++) {
        if (!cel_ty_assign(vars, to->params[i], from->params[i])) {
            return false;
        }
    }
    return true;
}

static const struct cel_ty *substitute(struct arena *arena, const struct cel_ty_vars *vars,
                                       const struct cel_ty *type, bool keep)
{
    type = cel_ty_walk(vars, type);
    if (type->kind == CEL_TY_PARAM && !keep) {
        return &cel_ty_dyn;
    }
    if (type->params_count == 0) {
        return type;
    }
    struct cel_ty *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL) {
        return &cel_ty_dyn;
    }
    *copy = *type;
    for (uint8_t i = 0; i < type->params_count; i++) {
        copy->params[i] = substitute(arena, vars, type->params[i], keep);
    }
    return copy;
}

const struct cel_ty *cel_ty_resolve(struct arena *arena, const struct cel_ty_vars *vars,
                                    const struct cel_ty *type)
{
    return substitute(arena, vars, type, false);
}

const struct cel_ty *cel_ty_substitute(struct arena *arena, const struct cel_ty_vars *vars,
                                       const struct cel_ty *type)
{
    return substitute(arena, vars, type, true);
}
