/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: cel
/*
 * Hostile conditions: compiled, evaluated, explained. Neither folding constants nor what the types
 * tell may change anything (the same source runs as a plain tree beside it), and what is printed
 * must read back as the same.
 */

#include "base/assert.h"
#include "base/json.h"
#include "cel/cel.h"
#include "cel_tree.h"

#include <stdlib.h>

#define SOURCE_MAX 2048
#define ARENA_MAX (64u << 20)

static const struct cel_type double_type = {.kind = CEL_DOUBLE};
static const struct cel_field fields[] = {
    {.name = "s", .type = {.kind = CEL_STRING}},
    {.name = "i", .type = {.kind = CEL_INT}},
    {.name = "d", .type = {.kind = CEL_DOUBLE}},
    {.name = "l", .type = {.kind = CEL_LIST, .of = &double_type}},
    {.name = "t", .type = {.kind = CEL_TIMESTAMP}},
    {.name = "x", .type = {.kind = CEL_DYN}},
};
static const struct cel_record record = {"r", fields, 6};
static const struct cel_variable variables[] = {
    {.name = "r", .type = {.kind = CEL_RECORD, .record = &record}},
    {.name = "m", .type = {.kind = CEL_DYN}},
    {.name = "none", .type = {.kind = CEL_BOOL}},
};
static const char world_json[] =
    "{\"r\": {\"s\": \"text\", \"i\": 4, \"d\": 2, \"l\": [1, 2.5], \"t\": "
    "\"2026-03-02T10:00:00Z\", \"x\": {\"a\": [null, true]}},"
    " \"m\": {\"k\": \"v\", \"n\": [1, [2], {\"z\": 0.5}]}}";

static const struct nsh_value *variable(void *arg, size_t index)
{
    return nsh_get(arg, variables[index].name);
}

/* The outcome as text; false: memory or budget ended, of which nothing is promised. */
static bool outcome(const struct cel_program *program, struct nsh_value *world, struct textbuf *out)
{
    struct arena arena = {.bytes_max = ARENA_MAX};
    struct cel_inputs inputs = {.variable = variable, .arg = world};
    struct cel_value value;
    struct nsh_value copy;
    int r = cel_eval(program, &inputs, &arena, &value, NULL);
    if (r == 0) {
        cel_value_print(&value, out);
        cel_to_value(&value, &arena, &copy);
    }
    textbuf_add_chars(out, r == -NSH_INVALID ? "error" : "");
    arena_done(&arena);
    return r == 0 || r == -NSH_INVALID;
}

static void compare(const struct cel_program *a, const struct cel_program *b,
                    struct nsh_value *world)
{
    struct textbuf first = {0}, second = {0};
    if (outcome(a, world, &first) && outcome(b, world, &second)) {
        NSH_ASSERT(first.count == second.count && memcmp(first.at, second.at, first.count) == 0);
    }
    textbuf_done(&first);
    textbuf_done(&second);
}

static void compare_tree(const struct cel_program *program, struct nsh_value *world)
{
    struct arena arena = {.bytes_max = ARENA_MAX};
    struct textbuf first = {0}, second = {0};
    struct cel_inputs inputs = {.variable = variable, .arg = world};
    NSH_ASSERT(tree_agrees(program, &inputs, &arena, &first, &second));
    textbuf_done(&first);
    textbuf_done(&second);
    arena_done(&arena);
}

static void print_and_read(const struct cel_env *env, const struct cel_program *program,
                           struct arena *arena, struct nsh_value *world)
{
    struct textbuf once = {0}, twice = {0};
    struct cel_program *again = NULL;
    cel_program_print(program, &once);
    if (once.count <= CEL_SOURCE_BYTES_MAX) {
        struct text source = {once.at, (uint32_t)once.count};
        NSH_ASSERT(cel_compile_text(env, source, arena, &again, NULL, NULL) == 0);
        cel_program_print(again, &twice);
        NSH_ASSERT(once.count == twice.count && memcmp(once.at, twice.at, once.count) == 0);
        compare(program, again, world);
    }
    textbuf_done(&once);
    textbuf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.bytes_max = ARENA_MAX};
    struct nsh_value world;
    struct cel_env env = {.variables = variables, .variables_count = 3};
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    struct cel_program *program = NULL, *unfolded = NULL;
    size_t count = 0;
    if (size == 0 || size > SOURCE_MAX) {
        return 0;
    }
    NSH_ASSERT(json_parse(world_json, strlen(world_json), &arena, &world, NULL) == 0);
    env.unchecked = data[0] == '~';
    env.strict = data[0] == '|';
    uint32_t skip = env.unchecked || env.strict;
    struct text source = {(const char *)data + skip, (uint32_t)size - skip};
    int r = cel_compile_text(&env, source, &arena, &program, problems, &count);
    for (size_t i = 0; i < count; i++) {
        NSH_ASSERT(problems[i].offset <= source.count && problems[i].length > 0 &&
                   problems[i].text != NULL);
    }
    NSH_ASSERT(r == 0 || r == -NSH_NOMEM || count > 0);
    if (r == 0) {
        struct cel_env plain = env;
        struct textbuf text = {0};
        struct cel_inputs inputs = {.variable = variable, .arg = &world};
        plain.no_folding = true;
        if (cel_compile_text(&plain, source, &arena, &unfolded, NULL, NULL) == 0) {
            compare(program, unfolded, &world);
        }
        compare_tree(program, &world);
        plain.unchecked = true; /* Neither slots nor overloads chosen by types: the plain tree. */
        plain.strict = false;
        struct cel_program *tree = NULL;
        if (cel_compile_text(&plain, source, &arena, &tree, NULL, NULL) == 0) {
            compare(program, tree, &world);
        }
        print_and_read(&env, program, &arena, &world);
        cel_explain(program, &inputs, &arena, &text);
        textbuf_done(&text);
    }
    arena_done(&arena);
    return 0;
}
