/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: cel json-c
/*
 * Runs a folder of conformance cases (tests/data/cel-conformance/README.md describes the form)
 * through parser, checker and evaluator, each case with the checker and without (errors_static:
 * what is an error of types only, with it); a second evaluator
 * (tests/fuzz/cel_tree.h) must come to the same.
 *
 *     cel_conformance [-o json] [--known FILE] FOLDER
 *
 * Exit status 1: a core case that is not disputed failed, a case failed that the list of known
 * failures does not name, or one that it names passed.
 */

#include "cel/cel_private.h"

#include "../fuzz/cel_tree.h"

#include <dirent.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 200
#define DECLARATIONS_MAX 32
#define KNOWN_MAX 400

static const char *const core[] = {"plumbing", "basic",      "comparisons",   "conversions",
                                   "fields",   "fp_math",    "integer_math",  "lists",
                                   "logic",    "macros",     "namespace",     "parse",
                                   "string",   "timestamps", "type_deduction"};

struct counts {
    unsigned cases, passed, disputed, disputed_passed;
};

struct known {
    char id[160], reason[240];
    bool failed;
};

struct runner {
    struct known known[KNOWN_MAX];
    size_t known_count;
    struct json_object *failures;
    unsigned unknown_failures;
    bool json;
};

/* One case while it runs. */
struct trial {
    struct json_object *object, *bindings;
    struct arena arena;
    struct cel_declaration declarations[DECLARATIONS_MAX];
    size_t declarations_count;
    char why[512];
};

static struct json_object *get(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    return json_object_object_get_ex(object, name, &member) ? member : NULL;
}

static const char *get_text(struct json_object *object, const char *name)
{
    struct json_object *member = get(object, name);
    return member == NULL ? NULL : json_object_get_string(member);
}

static struct text text_at(struct json_object *string)
{
    return (struct text){json_object_get_string(string),
                         (uint32_t)json_object_get_string_len(string)};
}

__attribute__((format(printf, 2, 3))) static bool fail(struct trial *trial, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trial->why, sizeof trial->why, format, arguments);
    va_end(arguments);
    return false;
}

/* --- values from JSON ---------------------------------------------------------------------- */

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static struct cel_value bytes_from(struct arena *arena, struct text text)
{
    char *bytes = arena_alloc(arena, text.count + 1u);
    uint32_t count = 0, bits = 0, have = 0;
    for (uint32_t i = 0; i < text.count && base64_digit(text.at[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_digit(text.at[i]);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[count++] = (char)(bits >> have & 0xff);
        }
    }
    return (struct cel_value){.kind = CEL_BYTES, .count = count, .text = bytes};
}

static struct cel_value value_from(struct arena *arena, struct json_object *object);

static struct cel_value list_from(struct arena *arena, struct json_object *array)
{
    uint32_t count = (uint32_t)json_object_array_length(array);
    struct cel_value *items = arena_array(arena, count, sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        items[i] = value_from(arena, json_object_array_get_idx(array, i));
    }
    return (struct cel_value){.kind = CEL_LIST, .count = count, .pointer = items};
}

static struct cel_value map_from(struct arena *arena, struct json_object *array)
{
    uint32_t count = (uint32_t)json_object_array_length(array);
    struct cel_value *pairs = arena_array(arena, 2 * (size_t)count, sizeof *pairs);
    for (uint32_t i = 0; i < count; i++) {
        struct json_object *pair = json_object_array_get_idx(array, i);
        pairs[2 * i] = value_from(arena, json_object_array_get_idx(pair, 0));
        pairs[2 * i + 1] = value_from(arena, json_object_array_get_idx(pair, 1));
    }
    return (struct cel_value){.kind = CEL_MAP, .count = count, .pointer = pairs};
}

static struct cel_value value_from(struct arena *arena, struct json_object *object)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    const char *name = json_object_iter_peek_name(&at);
    struct json_object *member = json_object_iter_peek_value(&at);
    struct cel_value value = {.kind = CEL_NULL};
    struct text text = text_at(member);
    if (strcmp(name, "bool") == 0) {
        value = cel_of_bool(json_object_get_boolean(member));
    } else if (strcmp(name, "int") == 0) {
        value = cel_of_int(strtoll(text.at, NULL, 10));
    } else if (strcmp(name, "uint") == 0) {
        value = cel_of_uint(strtoull(text.at, NULL, 10));
    } else if (strcmp(name, "double") == 0) {
        value = cel_of_double(strtod(text.at, NULL));
    } else if (strcmp(name, "string") == 0) {
        value = cel_of_text(text);
    } else if (strcmp(name, "bytes") == 0) {
        value = bytes_from(arena, text);
    } else if (strcmp(name, "timestamp") == 0) {
        cel_parse_timestamp(text, &value);
    } else if (strcmp(name, "duration") == 0) {
        cel_parse_duration(text, &value);
    } else if (strcmp(name, "type") == 0) {
        value = cel_of_type(text.at);
    } else if (strcmp(name, "list") == 0) {
        value = list_from(arena, member);
    } else if (strcmp(name, "map") == 0) {
        value = map_from(arena, member);
    }
    return value;
}

/* --- comparison: exactly the same type, unlike the language's == ---------------------------- */

static bool same(struct cel_run *run, const struct cel_value *a, const struct cel_value *b);

static bool same_maps(struct cel_run *run, const struct cel_value *a, const struct cel_value *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        struct cel_value key, value, other_key, other;
        bool found = false;
        cel_map_at(run, a, i, &key, &value);
        for (uint32_t j = 0; j < b->count && !found; j++) {
            cel_map_at(run, b, j, &other_key, &other);
            found = same(run, &key, &other_key) && same(run, &value, &other);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool same(struct cel_run *run, const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == CEL_DOUBLE) {
        return (isnan(a->real) && isnan(b->real)) || (a->real <= b->real && a->real >= b->real);
    }
    if (a->kind == CEL_LIST) {
        bool equal = a->count == b->count;
        for (uint32_t i = 0; equal && i < a->count; i++) {
            struct cel_value x, y;
            cel_list_at(run, a, i, &x);
            cel_list_at(run, b, i, &y);
            equal = same(run, &x, &y);
        }
        return equal;
    }
    if (a->kind == CEL_MAP) {
        return a->count == b->count && same_maps(run, a, b);
    }
    return cel_equal(run, a, b);
}

/* --- environment --------------------------------------------------------------------------- */

static void declare(struct trial *trial, const char *name, const char *type)
{
    if (trial->declarations_count < DECLARATIONS_MAX) {
        trial->declarations[trial->declarations_count++] = (struct cel_declaration){name, type};
    }
}

static void declare_overload(struct trial *trial, const char *name, struct json_object *overload)
{
    struct textbuf type = {0};
    struct json_object *params = get(overload, "params");
    textbuf_add_chars(&type, json_object_get_boolean(get(overload, "member")) ? "." : "");
    for (size_t i = 0; params != NULL && i < json_object_array_length(params); i++) {
        textbuf_addf(&type, "%s%s", i == 0 ? "" : ", ",
                     json_object_get_string(json_object_array_get_idx(params, i)));
    }
    textbuf_addf(&type, " -> %s", get_text(overload, "result"));
    declare(trial, name, arena_copy(&trial->arena, type.at, type.count));
    textbuf_done(&type);
}

static void read_env(struct trial *trial)
{
    struct json_object *env = get(trial->object, "env");
    for (size_t i = 0; env != NULL && i < json_object_array_length(env); i++) {
        struct json_object *entry = json_object_array_get_idx(env, i);
        struct json_object *overloads = get(entry, "overloads");
        const char *name = get_text(entry, "name");
        if (overloads == NULL) {
            declare(trial, name, get_text(entry, "type"));
        }
        for (size_t o = 0; overloads != NULL && o < json_object_array_length(overloads); o++) {
            declare_overload(trial, name, json_object_array_get_idx(overloads, o));
        }
    }
}

static bool binding(void *arg, size_t index, struct cel_value *ret_value)
{
    struct trial *trial = arg;
    struct json_object *value =
        trial->bindings == NULL ? NULL : get(trial->bindings, trial->declarations[index].name);
    if (value != NULL) {
        *ret_value = value_from(&trial->arena, value);
    }
    return value != NULL;
}

/* --- trees as the suite writes them --------------------------------------------------------- */

static void dump(const struct cel_ast *ast, struct textbuf *out);

/* a && b && c is a balanced tree there. */
static void dump_chain(const struct cel_ast *ast, uint32_t low, uint32_t high, struct textbuf *out)
{
    if (low == high) {
        dump(ast->args[low], out);
        return;
    }
    uint32_t middle = (low + high) / 2;
    textbuf_addf(out, "%s(", ast->name.at);
    dump_chain(ast, low, middle, out);
    textbuf_add_char(out, ',');
    dump_chain(ast, middle + 1, high, out);
    textbuf_add_char(out, ')');
}

static void dump_args(const struct cel_ast *ast, uint32_t first, struct textbuf *out)
{
    bool map = ast->kind == CEL_AST_MAP;
    for (uint32_t i = first; i < ast->count; i++) {
        textbuf_add_chars(out, i == first ? "" : map && i % 2 == 1 ? ":" : ",");
        textbuf_add_chars(out, ast->args[i]->entry ? "?" : "");
        dump(ast->args[i], out);
    }
}

static void dump_literal(const struct cel_value *literal, struct textbuf *out)
{
    if (literal->kind == CEL_DOUBLE) {
        cel_print_double(literal->real, out);
    } else {
        cel_value_print(literal, out);
    }
}

static void dump_call(const struct cel_ast *ast, struct textbuf *out)
{
    if (text_is(ast->name, "_&&_") || text_is(ast->name, "_||_")) {
        dump_chain(ast, 0, ast->count - 1, out);
        return;
    }
    if (ast->member) {
        dump(ast->args[0], out);
        textbuf_add_char(out, '.');
    }
    textbuf_addf(out, "%s(", ast->name.at);
    dump_args(ast, ast->member ? 1 : 0, out);
    textbuf_add_char(out, ')');
}

static void dump(const struct cel_ast *ast, struct textbuf *out)
{
    switch ((enum cel_ast_kind)ast->kind) {
    case CEL_AST_LITERAL:
        dump_literal(&ast->literal, out);
        break;
    case CEL_AST_IDENT:
        textbuf_addf(out, "%s%s", ast->absolute ? "." : "", ast->name.at);
        break;
    case CEL_AST_SELECT:
        textbuf_add_chars(out, ast->optional ? "_?._(" : "");
        dump(ast->args[0], out);
        textbuf_addf(out, ast->optional ? ",\"%s\")" : ".%s", ast->name.at);
        textbuf_add_chars(out, ast->test ? "~test-only~" : "");
        break;
    case CEL_AST_CALL:
    case CEL_AST_LOOP:
        dump_call(ast, out);
        break;
    case CEL_AST_LIST:
    case CEL_AST_MAP:
        textbuf_add_char(out, ast->kind == CEL_AST_LIST ? '[' : '{');
        dump_args(ast, 0, out);
        textbuf_add_char(out, ast->kind == CEL_AST_LIST ? ']' : '}');
        break;
    }
}

/* --- one case ------------------------------------------------------------------------------ */

static void place_of(struct text source, uint32_t offset, long *ret_line, long *ret_column)
{
    *ret_line = *ret_column = 1;
    for (uint32_t at = 0, length = 0; at < offset && at < source.count; at += length) {
        cel_decode(source.at + at, source.count - at, &length);
        (*ret_column)++;
        if (source.at[at] == '\n') {
            (*ret_line)++;
            *ret_column = 1;
        }
    }
}

/* Whether some problem is where the reference saw one, or up to two columns beside it. */
static bool right_place(struct text source, const struct cel_problem *problems, size_t count,
                        struct json_object *errors)
{
    struct json_object *first = json_object_array_get_idx(errors, 0);
    long want_line = json_object_get_int(get(first, "line"));
    long want_column = json_object_get_int(get(first, "col"));
    for (size_t i = 0; i < count; i++) {
        long line = 0, column = 0, end_line = 0, end = 0;
        place_of(source, problems[i].offset, &line, &column);
        place_of(source, problems[i].offset + problems[i].length, &end_line, &end);
        if (line == want_line && want_column >= column - 2 && want_column <= end + 2) {
            return true;
        }
    }
    return false;
}

static bool run_parse(struct trial *trial, struct text source, struct json_object *expect)
{
    struct cel_problem items[CEL_PROBLEMS_MAX];
    struct cel_problems problems = {.arena = &trial->arena, .items = items};
    struct cel_env env = {0};
    bool wanted = strcmp(get_text(expect, "parse"), "ok") == 0;
    struct cel_ast *ast = cel_parse(&env, source, &problems);
    if ((ast != NULL) != wanted) {
        return fail(trial, "parse: %s", ast != NULL ? "accepted" : items[0].text);
    }
    const char *tree = get_text(expect, "ast");
    if (ast != NULL && tree != NULL) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        dump(ast, &out);
        return strcmp(out.at, tree) == 0 || fail(trial, "tree is %s, not %s", out.at, tree);
    }
    return ast != NULL || right_place(source, items, problems.count, get(expect, "errors")) ||
           fail(trial, "parse: wrong place (offset %u: %s)", items[0].offset, items[0].text);
}

static bool expects_unknown(struct json_object *errors)
{
    for (size_t i = 0; i < json_object_array_length(errors); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(errors, i));
        if (strstr(text, "unbound") != NULL || strstr(text, "undeclared") != NULL ||
            strstr(text, "no such overload") != NULL || strstr(text, "unknown") != NULL) {
            return true;
        }
    }
    return false;
}

static bool judge_error(struct trial *trial, struct json_object *expect, const char *text)
{
    struct json_object *errors = get(expect, "error");
    if (errors == NULL) {
        return fail(trial, "error: %s", text);
    }
    /* A function that is not there must not count as the error that was wanted. */
    return strstr(text, "there is no function") == NULL || expects_unknown(errors) ||
           fail(trial, "function missing: %s", text);
}

static bool judge_value(struct trial *trial, struct json_object *expect,
                        const struct cel_value *value)
{
    struct cel_run run = {.arena = &trial->arena, .steps = CEL_STEPS_MAX};
    struct json_object *wanted = get(expect, "value");
    CLEANUP(textbuf_donep) struct textbuf got = {0};
    cel_value_print(value, &got);
    if (wanted == NULL) {
        return fail(trial, "gives %s instead of an error", got.at);
    }
    struct cel_value other = value_from(&trial->arena, wanted);
    return same(&run, value, &other) ||
           fail(trial, "gives %s, not %s", got.at, json_object_to_json_string(wanted));
}

static bool judge_type(struct trial *trial, const struct cel_program *program, const char *wanted)
{
    const char *type = cel_ty_text(&trial->arena, program->type);
    return wanted == NULL || strcmp(type, wanted) == 0 ||
           fail(trial, "has type %s, not %s", type, wanted);
}

static bool same_as_tree(struct trial *trial, const struct cel_program *program,
                         const struct cel_inputs *inputs)
{
    CLEANUP(textbuf_donep) struct textbuf compiled = {0};
    CLEANUP(textbuf_donep) struct textbuf walked = {0};
    return tree_agrees(program, inputs, &trial->arena, &compiled, &walked) ||
           fail(trial, "gives %.200s, and %.200s when its tree is walked", compiled.at, walked.at);
}

static bool run_once(struct trial *trial, struct text source, bool unchecked)
{
    struct json_object *expect = get(trial->object, "expect"), *check = get(trial->object, "check");
    struct cel_env env = {.declarations = trial->declarations,
                          .declarations_count = trial->declarations_count,
                          .container = get_text(trial->object, "container"),
                          .unchecked = unchecked,
                          .no_macros = get(trial->object, "disable_macros") != NULL};
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    size_t count = 0;
    struct cel_program *program = NULL;
    struct json_object *errors = check == NULL || unchecked ? NULL : get(check, "errors");
    int r = cel_compile_text(&env, source, &trial->arena, &program, problems, &count);
    if (errors != NULL && get(check, "phase") == NULL) {
        if (r == 0) {
            return fail(trial, "the checker took it");
        }
        return right_place(source, problems, count, errors) ||
               fail(trial, "checker: wrong place (offset %u: %s)", problems[0].offset,
                    problems[0].text);
    }
    if (r < 0) {
        return judge_error(trial, expect, count > 0 ? problems[0].text : "no text");
    }
    if (!unchecked && (!judge_type(trial, program, get_text(expect, "type")) ||
                       (check != NULL && !judge_type(trial, program, get_text(check, "type"))))) {
        return false;
    }
    if (get(trial->object, "check_only") != NULL) {
        return true;
    }
    struct cel_inputs inputs = {.value = binding, .arg = trial};
    struct cel_value value;
    struct nsh_error error = {0};
    r = cel_eval(program, &inputs, &trial->arena, &value, &error);
    if (!same_as_tree(trial, program, &inputs)) {
        return false;
    }
    return r < 0 ? judge_error(trial, expect, error.text) : judge_value(trial, expect, &value);
}

static bool run_case(struct trial *trial)
{
    struct text source = text_at(get(trial->object, "expr"));
    struct json_object *expect = get(trial->object, "expect"), *check = get(trial->object, "check");
    if (get(expect, "parse") != NULL) {
        return run_parse(trial, source, expect);
    }
    trial->bindings = get(trial->object, "bindings");
    read_env(trial);
    bool refused = check != NULL && get(check, "errors") != NULL;
    bool checked = get(trial->object, "disable_check") == NULL || refused;
    if (checked && !run_once(trial, source, false)) {
        return false;
    }
    const char *section = get_text(trial->object, "section");
    bool only_checker = checked && section != NULL && strcmp(section, "errors_static") == 0;
    if (get(trial->object, "check_only") == NULL && !only_checker &&
        !run_once(trial, source, true)) {
        char why[400];
        snprintf(why, sizeof why, "%.390s", trial->why);
        return fail(trial, "unchecked: %s", why);
    }
    return true;
}

/* --- files --------------------------------------------------------------------------------- */

static struct known *known_of(struct runner *runner, const char *id)
{
    for (size_t i = 0; i < runner->known_count; i++) {
        if (strcmp(runner->known[i].id, id) == 0) {
            return &runner->known[i];
        }
    }
    return NULL;
}

static void report_failure(struct runner *runner, const char *id, const char *why, bool disputed)
{
    struct known *known = known_of(runner, id);
    struct json_object *entry = json_object_new_object();
    json_object_object_add(entry, "id", json_object_new_string(id));
    json_object_object_add(entry, "why", json_object_new_string(why));
    json_object_object_add(entry, "disputed", json_object_new_boolean(disputed));
    if (known != NULL) {
        known->failed = true;
        json_object_object_add(entry, "known", json_object_new_string(known->reason));
    }
    json_object_array_add(runner->failures, entry);
    runner->unknown_failures += known == NULL && !disputed;
    if (!runner->json) {
        printf("  %s %s: %s\n",
               known != NULL ? "known "
               : disputed    ? "disputed"
                             : "FAILED",
               id, why);
    }
}

static struct counts run_file(struct runner *runner, const char *path)
{
    struct counts counts = {0};
    struct json_object *array = json_object_from_file(path);
    for (size_t i = 0; array != NULL && i < json_object_array_length(array); i++) {
        struct trial trial = {.object = json_object_array_get_idx(array, i), .arena = ARENA_INIT};
        bool disputed = get(trial.object, "disputed") != NULL;
        bool passed = run_case(&trial);
        counts.cases += !disputed;
        counts.passed += passed && !disputed;
        counts.disputed += disputed;
        counts.disputed_passed += passed && disputed;
        if (!passed) {
            report_failure(runner, get_text(trial.object, "id"), trial.why, disputed);
        }
        arena_done(&trial.arena);
    }
    if (array == NULL) {
        fprintf(stderr, "cel_conformance: %s cannot be read\n", path);
        runner->unknown_failures++;
    }
    json_object_put(array);
    return counts;
}

static bool is_core(const char *name)
{
    for (size_t i = 0; i < sizeof core / sizeof *core; i++) {
        if (strncmp(name, core[i], strlen(core[i])) == 0 &&
            strcmp(name + strlen(core[i]), ".json") == 0) {
            return true;
        }
    }
    return false;
}

static void read_known(struct runner *runner, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL &&
           runner->known_count < KNOWN_MAX) {
        struct known *known = &runner->known[runner->known_count];
        if (line[0] != '#' && sscanf(line, "%159s %239[^\n]", known->id, known->reason) == 2) {
            runner->known_count++;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list_files(const char *folder, char *names[FILES_MAX])
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry;
         dir != NULL && (entry = readdir(dir)) != NULL && count < FILES_MAX;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && strcmp(dot, ".json") == 0) {
            names[count++] = strdup(entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    qsort(names, count, sizeof *names, by_name);
    return count;
}

static void add_counts(struct counts *all, struct counts more)
{
    all->cases += more.cases;
    all->passed += more.passed;
    all->disputed += more.disputed;
    all->disputed_passed += more.disputed_passed;
}

static struct json_object *json_counts(const char *name, struct counts counts)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "name", json_object_new_string(name));
    json_object_object_add(object, "cases", json_object_new_int((int)counts.cases));
    json_object_object_add(object, "passed", json_object_new_int((int)counts.passed));
    json_object_object_add(object, "disputed", json_object_new_int((int)counts.disputed));
    json_object_object_add(object, "disputed_passed",
                           json_object_new_int((int)counts.disputed_passed));
    return object;
}

static void print_counts(const struct runner *runner, struct json_object *files, const char *name,
                         struct counts counts)
{
    json_object_array_add(files, json_counts(name, counts));
    if (!runner->json) {
        printf("%-30s %4u / %4u", name, counts.passed, counts.cases);
        printf(counts.disputed > 0 ? "   disputed: %u / %u\n" : "\n", counts.disputed_passed,
               counts.disputed);
    }
}

static unsigned stale(const struct runner *runner)
{
    unsigned count = 0;
    for (size_t i = 0; i < runner->known_count; i++) {
        if (!runner->known[i].failed) {
            fprintf(stderr, "cel_conformance: %s is listed as failing and passes\n",
                    runner->known[i].id);
            count++;
        }
    }
    return count;
}

static int run_folder(struct runner *runner, const char *folder)
{
    char *names[FILES_MAX];
    size_t count = list_files(folder, names);
    struct counts all = {0}, of_core = {0};
    struct json_object *files = json_object_new_array(), *result = json_object_new_object();
    for (size_t i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        struct counts counts = run_file(runner, path);
        print_counts(runner, files, names[i], counts);
        add_counts(&all, counts);
        if (is_core(names[i])) {
            add_counts(&of_core, counts);
        }
        free(names[i]);
    }
    print_counts(runner, files, "core", of_core);
    print_counts(runner, files, "all", all);
    json_object_object_add(result, "files", files);
    json_object_object_add(result, "failures", runner->failures);
    if (runner->json) {
        puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY));
    }
    json_object_put(result);
    bool bad = all.cases == 0 || of_core.passed < of_core.cases || runner->unknown_failures > 0;
    return stale(runner) > 0 || bad;
}

int main(int argc, char **argv)
{
    static struct runner runner;
    const char *folder = NULL;
    runner.failures = json_object_new_array();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            runner.json = strcmp(argv[++i], "json") == 0;
        } else if (strcmp(argv[i], "--known") == 0 && i + 1 < argc) {
            read_known(&runner, argv[++i]);
        } else {
            folder = argv[i];
        }
    }
    if (folder == NULL) {
        fprintf(stderr, "usage: cel_conformance [-o json] [--known FILE] FOLDER\n");
        return 2;
    }
    return run_folder(&runner, folder);
}
