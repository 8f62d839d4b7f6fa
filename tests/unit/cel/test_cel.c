/* SPDX-License-Identifier: Apache-2.0 */
/* The library as an embedding sees it: schema, mistakes and remedies, evaluation of what comes from
 * outside. */

#include "../unit.h"
#include "base/json.h"
#include "cel/cel.h"

#include <stdio.h>

static const struct cel_type string_type = {.kind = CEL_STRING}, double_type = {.kind = CEL_DOUBLE};

static const struct cel_field event_fields[] = {
    {.name = "type", .type = {.kind = CEL_STRING}},
    {.name = "severity", .type = {.kind = CEL_INT}},
    {.name = "message", .type = {.kind = CEL_STRING}},
    {.name = "loss_pct", .type = {.kind = CEL_DOUBLE}},
    {.name = "time", .type = {.kind = CEL_TIMESTAMP}},
    {.name = "age", .type = {.kind = CEL_DURATION}},
    {.name = "data", .type = {.kind = CEL_DYN}},
};
static const struct cel_record event_record = {"event", event_fields, 7};

static const struct cel_field host_fields[] = {
    {.name = "name", .type = {.kind = CEL_STRING}},
    {.name = "role", .type = {.kind = CEL_STRING}},
    {.name = "tags", .type = {.kind = CEL_LIST, .of = &string_type}},
    {.name = "labels", .type = {.kind = CEL_MAP, .of = &string_type}},
    {.name = "amps", .type = {.kind = CEL_LIST, .of = &double_type}},
};
static const struct cel_record host_record = {"host", host_fields, 5};

static const struct cel_variable variables[] = {
    {.name = "event", .type = {.kind = CEL_RECORD, .record = &event_record}},
    {.name = "host", .type = {.kind = CEL_RECORD, .record = &host_record}},
    {.name = "major", .type = {.kind = CEL_INT}},
    {.name = "absent", .type = {.kind = CEL_BOOL}},
};

static const struct cel_function functions[] = {
    {.name = "active",
     .params = {{.kind = CEL_STRING}},
     .params_count = 1,
     .result = {.kind = CEL_BOOL},
     .literal_args = true},
    {.name = "broken", .params_count = 0, .result = {.kind = CEL_BOOL}},
};

static const struct cel_env env = {.variables = variables,
                                   .variables_count = 4,
                                   .functions = functions,
                                   .functions_count = 2,
                                   .wanted = {.kind = CEL_BOOL}};
static const struct cel_env any_env = {
    .variables = variables, .variables_count = 4, .functions = functions, .functions_count = 2};

static const char world[] =
    "{\"event\": {\"type\": \"bmc.memory.uncorrectable\", \"severity\": 4, \"loss_pct\": 100,"
    " \"time\": \"2026-03-02T10:00:00Z\", \"age\": 90000, \"data\": {\"amps\": 13, \"none\": null},"
    " \"message\": null},"
    " \"host\": {\"name\": \"r1h01\", \"role\": 5, \"tags\": [\"a\", \"b\"], \"labels\": {\"env\": "
    "\"prod\"},"
    " \"amps\": [1, 2, 3.5]}, \"major\": 4}";

struct fixture {
    struct arena arena;
    struct nsh_value world;
};

static const struct nsh_value *variable(void *arg, size_t index)
{
    return nsh_get(&((struct fixture *)arg)->world, variables[index].name);
}

static int call(void *arg, size_t index, const struct cel_value *args, size_t args_count,
                struct cel_value *ret_value, struct nsh_error *err)
{
    if (index == 1) {
        return nsh_fail(err, NSH_INVALID, "the function is broken");
    }
    *ret_value =
        (struct cel_value){.kind = CEL_BOOL, .boolean = args_count == 1 && args[0].count == 3};
    return 0;
}

static void fixture_open(struct fixture *fixture)
{
    *fixture = (struct fixture){.arena = ARENA_INIT};
    assert_int_equal(json_parse(world, strlen(world), &fixture->arena, &fixture->world, NULL), 0);
}

static struct cel_program *compiled(struct fixture *fixture, const struct cel_env *with,
                                    const char *source)
{
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    struct cel_program *program = NULL;
    size_t count = 0;
    int r = cel_compile(with, source, &fixture->arena, &program, problems, &count);
    if (r < 0) {
        fail_msg("%s: %s", source, count > 0 ? problems[0].text : "no text");
    }
    return program;
}

/* --- evaluation ---------------------------------------------------------------------------- */

struct eval_row {
    const char *source;
    const char *result; /* As printed, or a part of the error after "!". */
    const char *why;
};

static const struct eval_row eval_rows[] = {
    {"event.type == 'bmc.memory.uncorrectable' && event.severity >= major", "true", "the usual"},
    {"event.loss_pct == 100.0", "true", "an integer of JSON becomes the double its schema says"},
    {"event.loss_pct / 8.0", "12.5", "and divides as one"},
    {"host.amps[0] / 2.0", "0.5", "inside lists too"},
    {"host.amps.map(a, a * 2.0)", "[2.0, 4.0, 7.0]", "and in macros"},
    {"event.data.amps / 8", "1", "what no schema declares stays an integer"},
    {"event.time.getHours()", "10", "a text becomes a timestamp"},
    {"event.age > duration('1m')", "true", "milliseconds become a duration"},
    {"has(event.message)", "false", "null counts as missing where a type is declared"},
    {"event.message == 'x'", "!event has no field 'message'", "and reading it is an error"},
    {"event.data.none == null", "true", "but not where none is"},
    {"event.?message.orValue('-')", "\"-\"", "an optional answers a missing field"},
    {"host.role == 'tor'", "!a value from outside is a int, not a string", "the schema is kept"},
    {"host.role == 'tor' || true", "true", "an error is absorbed to the right"},
    {"true || host.role == 'tor'", "true", "and to the left"},
    {"host.role == 'tor' && false", "false", "by && too"},
    {"false && host.role == 'tor'", "false", "and to the left"},
    {"host.role == 'tor' && true", "!a value from outside", "what nothing decides stays an error"},
    {"absent || true", "true", "an unknown variable is an error value"},
    {"absent", "!absent is not known", "that names it"},
    {"['x'].all(x, host.role == x) || true", "true", "macros hand errors on"},
    {"[1, 2].exists(x, x == 2 || host.role == 'a')", "true", "exists absorbs"},
    {"host.labels['env'] == 'prod' && 'a' in host.tags", "true", "maps and lists from outside"},
    {"host.labels.env", "\"prod\"", "a map's key as a field"},
    {"host.labels['nope']", "!no such key: \"nope\"", "a missing key"},
    {"host.tags[2]", "!index 2 is outside of the list (2 items)", "a missing item"},
    {"active('abc')", "true", "a function of the embedding"},
    {"broken()", "!the function is broken", "that fails"},
    {"broken() || true", "true", "and is absorbed"},
    {"1 / 0 == 1", "!division by zero", "a constant that fails, fails where it stands"},
    {"9223372036854775807 + 1", "!overflow", "no wrap-around"},
};

static void test_eval(void **state)
{
    for (size_t i = 0; i < sizeof eval_rows / sizeof *eval_rows; i++) {
        const struct eval_row *row = &eval_rows[i];
        struct fixture fixture;
        fixture_open(&fixture);
        struct cel_inputs inputs = {.variable = variable, .call = call, .arg = &fixture};
        struct cel_program *program = compiled(&fixture, &any_env, row->source);
        struct cel_value value;
        struct nsh_error error = {0};
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        int r = cel_eval(program, &inputs, &fixture.arena, &value, &error);
        if (row->result[0] == '!') {
            if (r != -NSH_INVALID || strstr(error.text, row->result + 1) == NULL) {
                fail_msg("%s (%s): %s", row->source, row->why, error.text);
            }
        } else {
            if (r == 0) {
                cel_value_print(&value, &text);
            }
            if (r < 0 || text.at == NULL || strcmp(text.at, row->result) != 0) {
                fail_msg("%s (%s): %s", row->source, row->why, r < 0 ? error.text : text.at);
            }
        }
        arena_done(&fixture.arena);
    }
}

/* --- mistakes ------------------------------------------------------------------------------ */

struct mistake_row {
    const char *source, *marked; /* The part of the source that is underlined. */
    const char *text, *remedy;   /* Parts of both. */
    bool warning;
    const char *why;
};

static const struct mistake_row mistake_rows[] = {
    {"host.rol == 'k8s'", "rol", "host has no field 'rol'", "did you mean 'role'?", false, "field"},
    {"host.xyzzy == 'k8s'", "xyzzy", "host has no field", "(host has: name, role", false,
     "none near"},
    {"host['rol'] == 'k8s'", "'rol'", "host has no field 'rol'", "did you mean 'role'?", false,
     "index"},
    {"evnt.type == 'a'", "evnt", "'evnt' is not known", "did you mean 'event'?", false, "variable"},
    {"event.type.startWith('a')", "startWith", "no function 'startWith'", "'startsWith'", false,
     "method"},
    {"event.type = 'x'", "=", "'=' does not compare", "write '=='", false, "assignment"},
    {"event.severity > 3 and true", "and", "'and' is not an operator", "write '&&'", false, "word"},
    {"event.loss_pct > 2.0 * 16", "*", "cannot multiply a double with an int", "write 16.0", false,
     "number"},
    {"event.loss_pct == 16", "==", "cannot compare a double with an int", "write 16.0", false,
     "compare"},
    {"event.loss_pct + event.severity > 1.0", "+", "cannot add", "write double(event.severity)",
     false, "field"},
    {"event.type + 1 == ''", "+", "cannot add a string and an int", "write string(x)", false,
     "text"},
    {"13 / 16 > 0.8", "/", "drops the remainder", "use double(13) / double(16)", true,
     "the silent one"},
    {"event.type.matches('(')", "'('", "no regular expression", NULL, false, "pattern"},
    {"event.type.matches('\\d+')", "'\\d", "escape is not known", "r'\\d+'", false, "escape"},
    {"active(event.type)", "type", "must be written out", NULL, false, "literal"},
    {"event.severity", "severity", "must be bool, and is int", NULL, false, "wanted"},
    {"event.severity && true", "severity", "joins bools", NULL, false, "logic"},
    {"event.time.getHours('Europe/Berln') > 1", "'Europe/Berln'", "zone is not known", "IANA",
     false, "zone"},
    {"event.type.size() > 'a'", ">", "cannot order an int and a string", NULL, false, "order"},
    {"true ? 1 : 'a'", "?", "different types: int and string", NULL, false, "ternary"},
    {"(true", "", "ends here", NULL, false, "bracket"},
    {"event.in == 1", "in", "is a word of the language", "['name']", false, "keyword"},
    {"'abc", "'abc", "not closed", NULL, false, "string"},
    {"event.tags.all(a.b, true)", "b", "simple name", NULL, false, "macro"},
};

static void test_mistakes(void **state)
{
    for (size_t i = 0; i < sizeof mistake_rows / sizeof *mistake_rows; i++) {
        const struct mistake_row *row = &mistake_rows[i];
        struct fixture fixture;
        fixture_open(&fixture);
        struct cel_problem problems[CEL_PROBLEMS_MAX];
        struct cel_program *program = NULL;
        size_t count = 0;
        int r = cel_compile(&env, row->source, &fixture.arena, &program, problems, &count);
        assert_int_equal(r, row->warning ? 0 : -NSH_INVALID);
        bool good = count > 0 && problems[0].warning == row->warning &&
                    strstr(problems[0].text, row->text) != NULL &&
                    (row->remedy == NULL || (problems[0].remedy != NULL &&
                                             strstr(problems[0].remedy, row->remedy) != NULL));
        good = good &&
               strncmp(row->source + problems[0].offset, row->marked, strlen(row->marked)) == 0 &&
               (row->marked[0] == '\0' || problems[0].length == strlen(row->marked));
        if (!good) {
            fail_msg("%s (%s): at %u+%u: %s = %s", row->source, row->why, problems[0].offset,
                     problems[0].length, problems[0].text,
                     problems[0].remedy == NULL ? "" : problems[0].remedy);
        }
        arena_done(&fixture.arena);
    }
}

static void test_all_mistakes_at_once(void **state)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    struct cel_program *program = NULL;
    size_t count = 0;
    assert_int_equal(cel_compile(&env, "host.rol == 'a' && evnt.x == 1 && event.typ == 'a'",
                                 &fixture.arena, &program, problems, &count),
                     -NSH_INVALID);
    assert_int_equal(count, 3);
    assert_null(program);
    arena_done(&fixture.arena);
}

/* --- print, explain, index ----------------------------------------------------------------- */

struct print_row {
    const char *source, *printed;
};

static const struct print_row print_rows[] = {
    {"event.severity>=4&&event.type=='a'", "event.severity >= 4 && event.type == \"a\""},
    {"((true))||(false&&true)", "true || false && true"},
    {"(true || false) && true", "(true || false) && true"},
    {"!(true && false)", "!(true && false)"},
    {"-(1) == 1 - (2 - 3)", "-(1) == 1 - (2 - 3)"},
    {"[1,2,].exists(x,x==1)", "[1, 2].exists(x, x == 1)"},
    {"has(event.type)?true:(false?true:false)", "has(event.type) ? true : false ? true : false"},
    {"event.?type.orValue(r'\\d')=='a'", "event.?type.orValue(\"\\\\d\") == \"a\""},
    {"host.labels[\"a.b\"]==''", "host.labels[\"a.b\"] == \"\""},
    {"{'a':1,}['a']==1", "{\"a\": 1}[\"a\"] == 1"},
};

static void test_print(void **state)
{
    for (size_t i = 0; i < sizeof print_rows / sizeof *print_rows; i++) {
        struct fixture fixture;
        fixture_open(&fixture);
        CLEANUP(textbuf_donep) struct textbuf once = {0}, twice = {0};
        cel_program_print(compiled(&fixture, &env, print_rows[i].source), &once);
        assert_string_equal(once.at, print_rows[i].printed);
        cel_program_print(compiled(&fixture, &env, once.at), &twice);
        assert_string_equal(twice.at, once.at);
        arena_done(&fixture.arena);
    }
}

static void test_explain(void **state)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct cel_inputs inputs = {.variable = variable, .call = call, .arg = &fixture};
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    cel_explain(compiled(&fixture, &env,
                         "event.severity >= major && (event.message == 'x' || "
                         "host.tags.exists(t, t == 'b')) && active('abcd')"),
                &inputs, &fixture.arena, &text);
    assert_string_equal(
        text.at, "event.severity >= major = true (event.severity = 4)\n"
                 "event.message == \"x\" = unknown: event has no field 'message' (event.message = "
                 "unknown: event has no field 'message')\n"
                 "host.tags.exists(t, t == \"b\") = true (host.tags = [\"a\", \"b\"])\n"
                 "active(\"abcd\") = false\n");
    arena_done(&fixture.arena);
}

struct equals_row {
    const char *source, *literal, *why;
};

static const struct equals_row equals_rows[] = {
    {"event.type == 'a.b'", "a.b", "alone"},
    {"event.severity > 3 && 'a.b' == event.type", "a.b", "either side, in a conjunction"},
    {"(event.severity > 3 && event.type == 'a.b') && true", "a.b", "in brackets"},
    {"event.type == 'a.b' || true", NULL, "not in a disjunction"},
    {"!(event.type == 'a.b')", NULL, "not under a negation"},
    {"event.message == 'a.b'", NULL, "another field"},
    {"event.type == event.message", NULL, "no literal"},
};

static void test_equals(void **state)
{
    for (size_t i = 0; i < sizeof equals_rows / sizeof *equals_rows; i++) {
        struct fixture fixture;
        fixture_open(&fixture);
        const char *literal =
            cel_program_equals(compiled(&fixture, &env, equals_rows[i].source), "event", "type");
        if ((literal == NULL) != (equals_rows[i].literal == NULL) ||
            (literal != NULL && strcmp(literal, equals_rows[i].literal) != 0)) {
            fail_msg("%s: %s", equals_rows[i].source, equals_rows[i].why);
        }
        arena_done(&fixture.arena);
    }
}

/* --- bounds -------------------------------------------------------------------------------- */

static void test_budget(void **state)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct cel_inputs inputs = {.variable = variable, .arg = &fixture};
    struct cel_value value;
    struct nsh_error error = {0};
    struct cel_program *program =
        compiled(&fixture, &env,
                 "[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, "
                 "[1,2,3,4,5,6,7,8].all(d, [1,2,3,4,5,6,7,8].all(e, [1,2,3,4,5,6,7,8].all(f, "
                 "a + b + c + d + e + f > 0)))))) || true");
    assert_int_equal(cel_eval(program, &inputs, &fixture.arena, &value, &error), -NSH_LIMIT);
    arena_done(&fixture.arena);
}

static void test_depth(void **state)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct cel_program *program = NULL;
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    size_t count = 0;
    static char source[4001];
    memset(source, '(', 4000);
    assert_int_equal(cel_compile(&env, source, &fixture.arena, &program, problems, &count),
                     -NSH_INVALID);
    assert_non_null(strstr(problems[0].text, "nested deeper"));
    memset(source, '!', 4000); /* Two negations are none: this is the value itself. */
    snprintf(source + 3996, 5, "true");
    assert_int_equal(cel_compile(&env, source, &fixture.arena, &program, problems, &count), 0);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(source + 4 * i, sizeof source - 4 * i, "1 + ");
    }
    assert_int_equal(cel_compile(&env, source, &fixture.arena, &program, problems, &count),
                     -NSH_INVALID);
    arena_done(&fixture.arena);
}

static void test_no_allocation(void **state)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct cel_inputs inputs = {.variable = variable, .call = call, .arg = &fixture};
    struct cel_program *program =
        compiled(&fixture, &env,
                 "event.type == 'bmc.memory.uncorrectable' && event.severity >= major && "
                 "host.labels['env'] in ['prod', 'test'] && host.amps.all(a, a < 4.0) && "
                 "event.type.matches('^bmc[.]') && timestamp('2026-01-01T00:00:00Z') < event.time");
    struct arena arena = ARENA_INIT;
    struct cel_value value;
    assert_int_equal(cel_eval(program, &inputs, &arena, &value, NULL), 0);
    assert_true(value.boolean);
    assert_int_equal(arena.used_bytes, 0);
    arena_done(&arena);
    arena_done(&fixture.arena);
}

static void test_to_value(void **state)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct cel_inputs inputs = {.variable = variable, .arg = &fixture};
    struct cel_value value;
    struct nsh_value result;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct cel_program *program = compiled(
        &fixture, &any_env, "{'t': event.time, 'd': event.age, 'l': [host.tags, 1.5, null, true]}");
    assert_int_equal(cel_eval(program, &inputs, &fixture.arena, &value, NULL), 0);
    assert_true(cel_to_value(&value, &fixture.arena, &result));
    json_write(&result, &text);
    assert_string_equal(
        text.at,
        "{\"t\":\"2026-03-02T10:00:00Z\",\"d\":\"90s\",\"l\":[[\"a\",\"b\"],1.5,null,true]}");
    program = compiled(&fixture, &any_env, "{1: 2}");
    assert_int_equal(cel_eval(program, &inputs, &fixture.arena, &value, NULL), 0);
    assert_false(cel_to_value(&value, &fixture.arena, &result));
    arena_done(&fixture.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_equals),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_to_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
