/* SPDX-License-Identifier: Apache-2.0 */
/* Contradictions: the claims' parts are taken one by one; each narrows what its operand can be. */

#include "cel/cel_reason.h"

#include "cel/cel_eval.h"

#include <math.h>

#define GOALS_MAX 128   /* Parts of one conjunction. */
#define OPERANDS_MAX 48 /* Different ones; further ones are not followed. */
#define EXCLUDED_MAX 6  /* `!=` of one operand. */
#define PARTS_MAX 4000  /* Looked at in all alternatives together. */
#define CHOICES_MAX 64  /* Of one `in`. */

static const struct cel_value truths[2] = {{.kind = CEL_BOOL, .boolean = false},
                                           {.kind = CEL_BOOL, .boolean = true}};

struct goal {
    const struct cel_code *code;
    size_t claim;
    bool negated;
};

/* What one operand can still be. */
struct operand {
    struct text path;
    const struct cel_known *known;
    double low, high;
    bool low_open, high_open;
    const struct cel_value *equal; /* A text or a bool. */
    const struct cel_value *excluded[EXCLUDED_MAX];
    size_t excluded_count;
    const struct cel_code *low_by, *high_by, *equal_by, *excluded_by[EXCLUDED_MAX];
    bool low_negated, high_negated, equal_negated; /* How *_by is to be read. */
};

struct reasoner {
    const struct cel_known *known;
    size_t known_count;
    struct arena *arena;
    struct goal goals[GOALS_MAX];
    size_t goals_count;
    struct operand operands[OPERANDS_MAX];
    size_t operands_count;
    unsigned parts_left;
    unsigned conflicts;
    struct cel_conflict conflict; /* The first one. */
};

static bool possible(struct reasoner *reasoner, size_t next);

/* ---- operands ----------------------------------------------------------------------------- */

static const char *print_part(struct reasoner *reasoner, const struct cel_code *code, bool negated)
{
    CLEANUP(textbuf_donep) struct textbuf buf = {0};
    bool binary = negated && code->ast->kind == CEL_AST_CALL;
    textbuf_add_chars(&buf, binary ? "!(" : negated ? "!" : "");
    cel_print_ast(code->ast, &buf);
    textbuf_add_chars(&buf, binary ? ")" : "");
    return arena_copy(reasoner->arena, buf.at == NULL ? "" : buf.at, buf.count);
}

static const struct cel_known *known_of(const struct reasoner *reasoner, struct text path)
{
    for (size_t i = 0; i < reasoner->known_count; i++) {
        if (text_is(path, reasoner->known[i].path)) {
            return &reasoner->known[i];
        }
    }
    return NULL;
}

static struct text path_of(struct reasoner *reasoner, const struct cel_code *code)
{
    CLEANUP(textbuf_donep) struct textbuf buf = {0};
    cel_print_ast(code->ast, &buf);
    const char *copy = arena_copy(reasoner->arena, buf.at == NULL ? "" : buf.at, buf.count);
    return (struct text){copy, copy == NULL ? 0 : (uint32_t)buf.count};
}

static struct operand *operand_of(struct reasoner *reasoner, const struct cel_code *code)
{
    struct text path = path_of(reasoner, code);
    for (size_t i = 0; i < reasoner->operands_count; i++) {
        if (text_equal(reasoner->operands[i].path, path)) {
            return &reasoner->operands[i];
        }
    }
    if (reasoner->operands_count == OPERANDS_MAX || path.at == NULL) {
        return NULL;
    }
    struct operand *operand = &reasoner->operands[reasoner->operands_count++];
    *operand = (struct operand){.path = path, .low = -INFINITY, .high = INFINITY};
    operand->known = known_of(reasoner, path);
    if (operand->known != NULL && operand->known->bounded) {
        operand->low = (double)operand->known->min;
        operand->high = (double)operand->known->max;
    }
    return operand;
}

/* The value of what needs no input; names that are known constants are among it. */
static bool constant_of(struct reasoner *reasoner, const struct cel_code *code,
                        struct cel_value *ret_value)
{
    if (code->run == cel_run_constant) {
        *ret_value = code->value;
        return true;
    }
    if (code->ast->kind != CEL_AST_IDENT) {
        return false;
    }
    const struct cel_known *known = known_of(reasoner, code->ast->name);
    if (known == NULL || !known->bounded || known->min != known->max) {
        return false;
    }
    *ret_value = cel_of_int(known->min);
    return true;
}

static bool number_of(const struct cel_value *value, double *ret_number)
{
    switch (value->kind) {
    case CEL_INT:
        *ret_number = (double)value->integer;
        return true;
    case CEL_UINT:
        *ret_number = (double)value->unsigned_integer;
        return true;
    case CEL_DOUBLE:
        *ret_number = value->real;
        return true;
    default:
        return false;
    }
}

static bool text_value_is(const struct cel_value *a, const struct cel_value *b)
{
    double left, right;
    if (number_of(a, &left) && number_of(b, &right)) {
        return !(left < right) && !(left > right);
    }
    return a->kind == b->kind &&
           (a->kind == CEL_STRING ? text_equal(cel_text(a), cel_text(b))
                                  : a->kind == CEL_BOOL && a->boolean == b->boolean);
}

/* ---- one part more: false when the operand can be nothing any more ------------------------ */

/* Why not: by what it contradicts, or by what is known. */
struct why {
    const struct cel_code *against;
    bool negated;
    const struct cel_known *known;
};

static bool range_is_left(const struct operand *operand, const struct goal *goal, struct why *why)
{
    bool empty = operand->low > operand->high ||
                 (!(operand->low < operand->high) && (operand->low_open || operand->high_open));
    for (size_t i = 0; !empty && !(operand->low < operand->high) && i < operand->excluded_count;
         i++) {
        double number;
        if (number_of(operand->excluded[i], &number) && !(number < operand->low) &&
            !(number > operand->low)) {
            why->against = operand->excluded_by[i];
            why->negated = true;
            if (why->against == goal->code) {
                why->against = operand->low_by;
                why->negated = operand->low_negated;
            }
            return false;
        }
    }
    if (!empty) {
        return true;
    }
    bool low = operand->high_by == goal->code;
    why->against = low ? operand->low_by : operand->high_by;
    why->negated = low ? operand->low_negated : operand->high_negated;
    why->known = why->against == NULL ? operand->known : NULL;
    return false;
}

static void set_low(struct operand *operand, double number, bool open, const struct goal *goal)
{
    if (number > operand->low || (open && !(number < operand->low))) {
        operand->low = number;
        operand->low_open = open;
        operand->low_by = goal->code;
        operand->low_negated = goal->negated;
    }
}

static void set_high(struct operand *operand, double number, bool open, const struct goal *goal)
{
    if (number < operand->high || (open && !(number > operand->high))) {
        operand->high = number;
        operand->high_open = open;
        operand->high_by = goal->code;
        operand->high_negated = goal->negated;
    }
}

/* The six ways to compare. */
enum relation { IS_EQUAL, IS_NOT, IS_LESS, IS_LESS_EQUAL, IS_MORE, IS_MORE_EQUAL };
#define RELATIONS 6

static const struct {
    const char *function;
    enum relation negated, mirrored;
} relations[RELATIONS] = {
    [IS_EQUAL] = {"_==_", IS_NOT, IS_EQUAL},     [IS_NOT] = {"_!=_", IS_EQUAL, IS_NOT},
    [IS_LESS] = {"_<_", IS_MORE_EQUAL, IS_MORE}, [IS_LESS_EQUAL] = {"_<=_", IS_MORE, IS_MORE_EQUAL},
    [IS_MORE] = {"_>_", IS_LESS_EQUAL, IS_LESS}, [IS_MORE_EQUAL] = {"_>=_", IS_LESS, IS_LESS_EQUAL},
};

/* Integers have nothing between two neighbours: > 3 is >= 4. */
static double open_bound(const struct operand *operand, const struct cel_code *code, double number,
                         double step, bool *open)
{
    bool whole = (operand->known != NULL && operand->known->bounded) ||
                 (code->ast->type != NULL && code->ast->type->kind == CEL_INT);
    *open = !whole;
    return whole && number >= -1e15 && number <= 1e15 ? number + step : number;
}

static bool narrow_number(struct operand *operand, const struct cel_code *code,
                          enum relation relation, double number, const struct goal *goal,
                          struct why *why)
{
    bool open = false;
    switch (relation) {
    case IS_EQUAL:
        set_low(operand, number, false, goal);
        set_high(operand, number, false, goal);
        break;
    case IS_LESS:
        number = open_bound(operand, code, number, -1, &open);
        set_high(operand, number, open, goal);
        break;
    case IS_LESS_EQUAL:
        set_high(operand, number, false, goal);
        break;
    case IS_MORE:
        number = open_bound(operand, code, number, 1, &open);
        set_low(operand, number, open, goal);
        break;
    case IS_MORE_EQUAL:
        set_low(operand, number, false, goal);
        break;
    case IS_NOT:
        break;
    }
    return range_is_left(operand, goal, why);
}

static bool among_known(const struct operand *operand, const struct cel_value *value)
{
    const struct cel_known *known = operand->known;
    for (size_t i = 0; known != NULL && i < known->globs_count; i++) {
        if (text_glob(text_of(known->globs[i]), cel_text(value))) {
            return true;
        }
    }
    return known == NULL || known->globs == NULL || value->kind != CEL_STRING;
}

static bool narrow_equal(struct operand *operand, const struct cel_value *value,
                         const struct goal *goal, struct why *why)
{
    if (operand->equal != NULL && !text_value_is(operand->equal, value)) {
        *why = (struct why){operand->equal_by, operand->equal_negated, NULL};
        return false;
    }
    if (!among_known(operand, value)) {
        why->known = operand->known;
        return false;
    }
    for (size_t i = 0; i < operand->excluded_count; i++) {
        if (text_value_is(operand->excluded[i], value)) {
            *why = (struct why){operand->excluded_by[i], false, NULL};
            return false;
        }
    }
    operand->equal = value;
    operand->equal_by = goal->code;
    operand->equal_negated = goal->negated;
    return true;
}

/* Whether nothing of what is known is left: each of its types, as far as they are no globs, is
 * excluded. */
static bool known_is_left(const struct operand *operand)
{
    const struct cel_known *known = operand->known;
    if (known == NULL || known->globs == NULL) {
        return true;
    }
    for (size_t i = 0; i < known->globs_count; i++) {
        bool excluded = false;
        for (size_t j = 0; j < operand->excluded_count; j++) {
            excluded = excluded || (operand->excluded[j]->kind == CEL_STRING &&
                                    text_is(cel_text(operand->excluded[j]), known->globs[i]));
        }
        if (!excluded || strpbrk(known->globs[i], "*?") != NULL) {
            return true;
        }
    }
    return false;
}

static bool narrow_not(struct operand *operand, const struct cel_value *value,
                       const struct goal *goal, struct why *why)
{
    if (operand->equal != NULL && text_value_is(operand->equal, value)) {
        *why = (struct why){operand->equal_by, operand->equal_negated, NULL};
        return false;
    }
    if (operand->excluded_count < EXCLUDED_MAX) {
        operand->excluded[operand->excluded_count] = value;
        operand->excluded_by[operand->excluded_count++] = goal->code;
    }
    if (!known_is_left(operand)) {
        why->known = operand->known;
        return false;
    }
    return range_is_left(operand, goal, why);
}

static bool narrow(struct operand *operand, const struct cel_code *code, enum relation relation,
                   const struct cel_value *value, const struct goal *goal, struct why *why)
{
    double number;
    if (relation == IS_NOT) {
        return narrow_not(operand, value, goal, why);
    }
    if (number_of(value, &number)) {
        return narrow_number(operand, code, relation, number, goal, why);
    }
    bool comparable = value->kind == CEL_STRING || value->kind == CEL_BOOL;
    return relation != IS_EQUAL || !comparable || narrow_equal(operand, value, goal, why);
}

/* From the first to the last byte of a part. */
static void extend(const struct cel_ast *ast, uint32_t *begin, uint32_t *end)
{
    *begin = ast->offset < *begin ? ast->offset : *begin;
    *end = ast->offset + ast->length > *end ? ast->offset + ast->length : *end;
    for (uint32_t i = 0; ast->args != NULL && i < ast->count; i++) {
        extend(ast->args[i], begin, end);
    }
}

/* ---- parts -------------------------------------------------------------------------------- */

static void conflict_note(struct reasoner *reasoner, const struct goal *goal, const struct why *why)
{
    if (reasoner->conflicts++ > 0) {
        bool same = reasoner->conflict.known == why->known;
        reasoner->conflict.whole = true;
        reasoner->conflict.known = same ? why->known : NULL;
        return;
    }
    reasoner->conflict = (struct cel_conflict){
        .claim = goal->claim,
        .part = print_part(reasoner, goal->code, goal->negated),
        .against = why->against == NULL ? NULL : print_part(reasoner, why->against, why->negated),
        .known = why->known,
    };
    uint32_t begin = UINT32_MAX, end = 0;
    extend(goal->code->ast, &begin, &end);
    reasoner->conflict.offset = begin;
    reasoner->conflict.length = end - begin;
}

/* The part narrows its operand, then the rest is looked at; afterwards the operand is as before. */
static bool with_operand(struct reasoner *reasoner, size_t next, const struct cel_code *code,
                         enum relation relation, const struct cel_value *value)
{
    size_t operands_count = reasoner->operands_count;
    struct operand *operand = operand_of(reasoner, code);
    if (operand == NULL) {
        return possible(reasoner, next + 1);
    }
    struct operand before = *operand;
    struct why why = {.known = NULL};
    const struct goal goal = reasoner->goals[next];
    bool result = narrow(operand, code, relation, value, &goal, &why);
    if (result) {
        result = possible(reasoner, next + 1);
    } else {
        conflict_note(reasoner, &goal, &why);
    }
    *operand = before;
    reasoner->operands_count = operands_count;
    return result;
}

static bool constant_part(struct reasoner *reasoner, size_t next, bool holds)
{
    if (holds) {
        return possible(reasoner, next + 1);
    }
    struct why why = {.known = NULL};
    conflict_note(reasoner, &reasoner->goals[next], &why);
    return false;
}

/* A comparison of two constants that only the known names made so. */
static bool constants_hold(enum relation relation, double left, double right)
{
    switch (relation) {
    case IS_EQUAL:
        return !(left < right) && !(left > right);
    case IS_NOT:
        return left < right || left > right;
    case IS_LESS:
        return left < right;
    case IS_LESS_EQUAL:
        return left <= right;
    case IS_MORE:
        return left > right;
    case IS_MORE_EQUAL:
        break;
    }
    return left >= right;
}

static bool comparison(struct reasoner *reasoner, size_t next, enum relation relation)
{
    const struct goal *goal = &reasoner->goals[next];
    const struct cel_code *left = goal->code->args[0], *right = goal->code->args[1];
    struct cel_value a, b;
    bool left_known = constant_of(reasoner, left, &a),
         right_known = constant_of(reasoner, right, &b);
    double x, y;
    relation = goal->negated ? relations[relation].negated : relation;
    if (left_known && right_known) {
        return number_of(&a, &x) && number_of(&b, &y)
                   ? constant_part(reasoner, next, constants_hold(relation, x, y))
                   : possible(reasoner, next + 1);
    }
    if (right_known) {
        return with_operand(reasoner, next, left, relation, &b);
    }
    if (left_known) {
        return with_operand(reasoner, next, right, relations[relation].mirrored, &a);
    }
    return with_operand(reasoner, next, goal->code, IS_EQUAL, &truths[!goal->negated]);
}

/* The items of a list of constants; how many, 0: it is none, or too long. */
static uint32_t choices_of(struct reasoner *reasoner, const struct cel_code *list,
                           struct cel_value choices[CHOICES_MAX])
{
    bool constant = list->run == cel_run_constant && list->value.kind == CEL_LIST &&
                    list->value.form == CEL_FORM_OWN;
    uint32_t count = constant ? list->value.count : list->run == cel_run_list ? list->count : 0;
    for (uint32_t i = 0; i < count && count <= CHOICES_MAX; i++) {
        if (constant) {
            choices[i] = ((const struct cel_value *)list->value.pointer)[i];
        } else if (!constant_of(reasoner, list->args[i], &choices[i])) {
            return 0;
        }
    }
    return count <= CHOICES_MAX ? count : 0;
}

/* x in [a, b]: one of the equalities; negated: none. */
static bool membership(struct reasoner *reasoner, size_t next)
{
    struct cel_value choices[CHOICES_MAX];
    const struct goal goal = reasoner->goals[next];
    uint32_t count = choices_of(reasoner, goal.code->args[1], choices);
    if (count == 0) {
        return possible(reasoner, next + 1);
    }
    for (uint32_t i = 0; !goal.negated && i < count; i++) {
        if (with_operand(reasoner, next, goal.code->args[0], IS_EQUAL, &choices[i])) {
            return true;
        }
    }
    /* Of many exclusions, each alone: which is all that equality with one of them needs. */
    for (uint32_t i = 0; goal.negated && i < count; i++) {
        if (!with_operand(reasoner, next, goal.code->args[0], IS_NOT, &choices[i])) {
            return false;
        }
    }
    return goal.negated;
}

/* All children join the goals. */
static bool conjunction(struct reasoner *reasoner, size_t next, bool negated)
{
    const struct goal goal = reasoner->goals[next];
    size_t count = reasoner->goals_count;
    if (count + goal.code->count > GOALS_MAX) {
        return true;
    }
    for (uint32_t i = 0; i < goal.code->count; i++) {
        reasoner->goals[reasoner->goals_count++] =
            (struct goal){goal.code->args[i], goal.claim, negated};
    }
    bool result = possible(reasoner, next + 1);
    reasoner->goals_count = count;
    return result;
}

/* One child stands for the part. */
static bool disjunction(struct reasoner *reasoner, size_t next, bool negated)
{
    const struct goal goal = reasoner->goals[next];
    bool result = false;
    for (uint32_t i = 0; i < goal.code->count && !result; i++) {
        reasoner->goals[next] = (struct goal){goal.code->args[i], goal.claim, negated};
        result = possible(reasoner, next);
    }
    reasoner->goals[next] = goal;
    return result;
}

static bool negation(struct reasoner *reasoner, size_t next)
{
    const struct goal goal = reasoner->goals[next];
    reasoner->goals[next] = (struct goal){goal.code->args[0], goal.claim, !goal.negated};
    bool result = possible(reasoner, next);
    reasoner->goals[next] = goal;
    return result;
}

static bool call_part(struct reasoner *reasoner, size_t next)
{
    const struct goal *goal = &reasoner->goals[next];
    struct text name = goal->code->ast->name;
    if (text_is(name, "_&&_") || text_is(name, "_||_")) {
        bool joins = text_is(name, "_&&_") != goal->negated;
        return joins ? conjunction(reasoner, next, goal->negated)
                     : disjunction(reasoner, next, goal->negated);
    }
    if (text_is(name, "!_")) {
        return negation(reasoner, next);
    }
    if (text_is(name, "@in")) {
        return membership(reasoner, next);
    }
    for (int i = 0; i < RELATIONS; i++) {
        if (text_is(name, relations[i].function)) {
            return comparison(reasoner, next, (enum relation)i);
        }
    }
    return with_operand(reasoner, next, goal->code, IS_EQUAL, &truths[!goal->negated]);
}

/* Whether all goals from next on can be true, with what the operands still can be. */
static bool possible(struct reasoner *reasoner, size_t next)
{
    if (next == reasoner->goals_count || reasoner->parts_left == 0) {
        return true;
    }
    reasoner->parts_left--;
    const struct goal *goal = &reasoner->goals[next];
    if (goal->code->run == cel_run_constant && goal->code->value.kind == CEL_BOOL) {
        return constant_part(reasoner, next, goal->code->value.boolean != goal->negated);
    }
    if (goal->code->ast->kind == CEL_AST_CALL) {
        return call_part(reasoner, next);
    }
    return with_operand(reasoner, next, goal->code, IS_EQUAL, &truths[!goal->negated]);
}

bool cel_contradict(const struct cel_claim *claims, size_t claims_count,
                    const struct cel_known *known, size_t known_count, struct arena *arena,
                    struct cel_conflict *ret_conflict)
{
    struct reasoner reasoner = {
        .known = known, .known_count = known_count, .arena = arena, .parts_left = PARTS_MAX};
    for (size_t i = 0; i < claims_count; i++) {
        if (claims[i].program == NULL && claims[i].negated) {
            return false; /* "Always" cannot be denied by what a person wrote: no place to show. */
        }
        if (claims[i].program != NULL && reasoner.goals_count < GOALS_MAX) {
            reasoner.goals[reasoner.goals_count++] =
                (struct goal){claims[i].program->code, i, claims[i].negated};
        }
    }
    bool contradict = !possible(&reasoner, 0);
    if (contradict && ret_conflict != NULL) {
        *ret_conflict = reasoner.conflict;
        if (reasoner.conflict.whole) {
            uint32_t begin = UINT32_MAX, end = 0;
            extend(claims[reasoner.conflict.claim].program->ast, &begin, &end);
            ret_conflict->offset = begin;
            ret_conflict->length = end - begin;
        }
    }
    return contradict;
}

/* ---- calls -------------------------------------------------------------------------------- */

static void find_calls(const struct cel_ast *ast, const char *name, struct cel_call *calls,
                       size_t calls_max, size_t *count)
{
    for (uint32_t i = 0; ast->args != NULL && i < ast->count; i++) {
        find_calls(ast->args[i], name, calls, calls_max, count);
    }
    if (ast->kind != CEL_AST_CALL || !text_is(ast->name, name) || ast->args == NULL ||
        *count == calls_max) {
        return;
    }
    const struct cel_ast *last = ast->count == 0 ? ast : ast->args[ast->count - 1];
    if (last->kind == CEL_AST_LITERAL && last->literal.kind == CEL_STRING) {
        struct cel_call *call = &calls[(*count)++];
        *call = (struct cel_call){
            .offset = last->offset, .length = last->length, .literal = last->literal.text};
        for (uint32_t i = 0; i < ast->count && i < CEL_PARAMS_MAX; i++) {
            const struct cel_ast *arg = ast->args[i];
            if (arg->kind != CEL_AST_LITERAL || arg->literal.kind != CEL_STRING) {
                break;
            }
            call->args[call->args_count++] =
                (struct cel_call_arg){arg->offset, arg->length, arg->literal.text};
        }
    }
}

size_t cel_program_calls(const struct cel_program *program, const char *name,
                         struct cel_call *calls, size_t calls_max)
{
    size_t count = 0;
    find_calls(program->ast, name, calls, calls_max, &count);
    return count;
}
