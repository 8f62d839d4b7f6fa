/* SPDX-License-Identifier: Apache-2.0 */
/* Walks against agents in memory: well ones, ones with holes, that say little at once, that are too
 * small for an answer, that do not advance, that never end; and the text of tables with its
 * mistakes. */

#include "poll_rig.h"

#include <stdlib.h>

static struct poll_walk walk;
static struct poll_rows rows;
static struct poll_answer answer;

/* The agent: objects by column and index, in order. */
struct object {
    uint32_t column, index;
    int64_t value;
};

struct agent {
    const struct object *objects;
    size_t count;
    uint32_t bindings_max; /* Of an answer; more is cut, as RFC 3416 allows. */
    size_t big;            /* Repetitions times objects that are too big; 0: none. */
    bool stuck;            /* Says the same again. */
    bool endless;
    uint32_t asks;
};

/* 1.3.6.1.9.COLUMN.INDEX */
static struct poll_oid oid_of(uint32_t column, uint32_t index)
{
    return (struct poll_oid){.count = 7, .arcs = {1, 3, 6, 1, 9, column, index}};
}

static struct poll_binding next_of(const struct agent *agent, const struct poll_oid *after)
{
    struct poll_binding item = {.oid = *after}; /* endOfMibView */
    if (agent->endless) {
        item.oid = *after;
        item.oid.arcs[6] = after->count == 7 ? after->arcs[6] + 1 : 0;
        item.oid.count = 7;
        item.value = rig_int(1);
        return item;
    }
    for (size_t i = 0; i < agent->count; i++) {
        struct poll_oid oid = oid_of(agent->objects[i].column, agent->objects[i].index);
        if (poll_oid_compare(&oid, after) > 0) {
            item.oid = oid;
            item.value = rig_int(agent->objects[i].value);
            return item;
        }
    }
    return item;
}

static void agent_answer(struct agent *agent, const struct poll_ask *ask)
{
    struct poll_oid at[POLL_ASK_MAX];
    answer.error = 0;
    answer.error_index = 0;
    answer.count = 0;
    agent->asks++;
    memcpy(at, ask->oids, sizeof at);
    if (agent->big > 0 && ask->repetitions * ask->count >= agent->big) {
        answer.error = POLL_TOO_BIG;
        return;
    }
    for (uint32_t r = 0; r < ask->repetitions; r++) {
        for (uint32_t i = 0; i < ask->count && answer.count < agent->bindings_max; i++) {
            struct poll_binding item = next_of(agent, &at[i]);
            at[i] = agent->stuck ? at[i] : item.oid;
            answer.items[answer.count++] = item;
        }
    }
}

static const char *text_of_rows(void)
{
    rig_clear();
    for (uint32_t i = 0; i < rows.count; i++) {
        rig_say("%s:", rows.items[i]->index.at);
        for (uint32_t c = 0; c < rows.columns; c++) {
            const struct poll_value *cell = &rows.items[i]->cells[c];
            if (cell->type == POLL_NOTHING) {
                rig_say(" -");
            } else {
                rig_say(" %lld", (long long)cell->integer);
            }
        }
        rig_say("; ");
    }
    return rig_told;
}

static const struct poll_table *table_of(const char *text)
{
    struct diags diags = {0};
    struct poll_set *set = arena_alloc(&rig_arena, sizeof *set);
    struct conf *root = conf_read_text("t.poll", text, &rig_arena, &diags);
    if (root == NULL || !poll_set_read(root, "t", &rig_arena, &diags, set)) {
        struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    return &set->tables[0];
}

static const char three[] =
    "tables = ( { name = \"t\"; metrics = ( { name = \"a\"; oid = \"1.3.6.1.9.1\"; }, "
    "{ name = \"b\"; oid = \"1.3.6.1.9.2\"; }, { name = \"c\"; oid = \"1.3.6.1.9.3\"; } ); } );";

/* How it ended; the rows are in rows. */
static enum poll_step walked(struct agent *agent, const char *text, size_t room,
                             struct nsh_error *err)
{
    const struct poll_table *table = table_of(text);
    struct poll_ask ask;
    enum poll_step step = POLL_STEP_ON;
    poll_rows_begin(&rows, table->columns_count);
    poll_walk_begin(&walk, table);
    while (step == POLL_STEP_ON || (step == POLL_STEP_BIGGER && room / 2 >= POLL_ROOM_BYTES_MIN)) {
        room = step == POLL_STEP_BIGGER ? room / 2 : room;
        poll_walk_ask(&walk, room, &ask);
        agent_answer(agent, &ask);
        step = poll_walk_take(&walk, &answer, &rows, err);
    }
    return step;
}

static int teardown(void **state)
{
    poll_rows_done(&rows);
    arena_done(&rig_arena);
    return 0;
}

static void test_walks(void **state)
{
    static const struct object full[] = {{1, 1, 11}, {1, 2, 12}, {1, 3, 13}, {2, 1, 21},
                                         {2, 2, 22}, {2, 3, 23}, {3, 1, 31}, {3, 2, 32},
                                         {3, 3, 33}, {4, 1, 99}};
    static const struct object holes[] = {{1, 1, 11}, {1, 3, 13}, {2, 2, 22}, {3, 3, 33}};
    static const struct {
        struct agent agent;
        size_t room;
        enum poll_step step;
        const char *rows, *why;
    } cases[] = {
        {{full, ROWS(full), 100, 0, false, false, 0},
         1300,
         POLL_STEP_OVER,
         "1: 11 21 31; 2: 12 22 32; 3: 13 23 33; ",
         "all at once, the next column is not ours"},
        {{full, ROWS(full), 100, 0, false, false, 0},
         60,
         POLL_STEP_OVER,
         "1: 11 21 31; 2: 12 22 32; 3: 13 23 33; ",
         "a row at a time"},
        {{full, ROWS(full), 1, 0, false, false, 0},
         1300,
         POLL_STEP_OVER,
         "1: 11 21 31; 2: 12 22 32; 3: 13 23 33; ",
         "an agent that says one object at a time"},
        {{full, ROWS(full), 100, 4, false, false, 0},
         1300,
         POLL_STEP_OVER,
         "1: 11 21 31; 2: 12 22 32; 3: 13 23 33; ",
         "too big, until it is not"},
        {{full, ROWS(full), 100, 1, false, false, 0},
         1300,
         POLL_STEP_BIGGER,
         "",
         "one object is too big already"},
        {{full, ROWS(full), 0, 0, false, false, 0},
         1300,
         POLL_STEP_BIGGER,
         "",
         "an answer to nothing"},
        {{holes, ROWS(holes), 100, 0, false, false, 0},
         1300,
         POLL_STEP_OVER,
         "1: 11 - -; 2: - 22 -; 3: 13 - 33; ",
         "columns with holes find their rows"},
        {{NULL, 0, 100, 0, false, false, 0},
         1300,
         POLL_STEP_OVER,
         "",
         "the agent has no such table"},
        {{full, ROWS(full), 100, 0, true, false, 0},
         1300,
         POLL_STEP_FAILED,
         NULL,
         "the same again and again"},
    };
    for (size_t i = 0; i < ROWS(cases); i++) {
        struct agent agent = cases[i].agent;
        struct nsh_error err = {0};
        enum poll_step step = walked(&agent, three, cases[i].room, &err);
        if (step != cases[i].step) {
            fail_msg("%s: ended with %d (%s)", cases[i].why, step, err.text);
        }
        const char *told = text_of_rows();
        char sorted[256] = "";
        /* Rows are in the order they were met in: with holes that is not their own. */
        for (const char *index = "123"; *index != '\0' && cases[i].rows != NULL; index++) {
            char head[4] = {*index, ':', ' ', '\0'};
            const char *at = strstr(told, head);
            size_t count = at == NULL ? 0 : strcspn(at, ";") + 2;
            strncat(sorted, at == NULL ? "" : at, count);
        }
        if (cases[i].rows != NULL && strcmp(sorted, cases[i].rows) != 0) {
            fail_msg("%s: '%s', wanted '%s'", cases[i].why, sorted, cases[i].rows);
        }
    }
}

static void test_endless(void **state)
{
    struct agent agent = {.bindings_max = 100, .endless = true};
    struct nsh_error err = {0};
    assert_int_equal(walked(&agent, three, 1300, &err), POLL_STEP_OVER);
    assert_true(rows.cut);
    assert_int_equal(rows.count, POLL_ROWS_MAX);
}

/* An agent that says one object at a time and always goes on: the walk ends by its requests. */
static void test_too_many_requests(void **state)
{
    struct agent agent = {.bindings_max = 1, .endless = true};
    struct nsh_error err = {0};
    enum poll_step step = POLL_STEP_ON;
    struct poll_ask ask;
    poll_rows_begin(&rows, 3);
    poll_walk_begin(&walk, table_of(three));
    for (size_t i = 0; i <= POLL_WALK_ASKS_MAX && step == POLL_STEP_ON; i++) {
        poll_walk_ask(&walk, 1300, &ask);
        agent_answer(&agent, &ask);
        step = poll_walk_take(&walk, &answer, &rows, &err);
    }
    assert_int_equal(step, POLL_STEP_FAILED);
    assert_int_equal(err.code, NSH_LIMIT);
    assert_int_equal(agent.asks, POLL_WALK_ASKS_MAX);
}

static void test_refusals(void **state)
{
    static const struct object full[] = {{1, 1, 11}, {2, 1, 21}, {3, 1, 31}};
    struct agent agent = {.objects = full, .count = ROWS(full), .bindings_max = 100};
    struct nsh_error err = {0};
    struct poll_ask ask;
    poll_rows_begin(&rows, 3);
    poll_walk_begin(&walk, table_of(three));
    poll_walk_ask(&walk, 1300, &ask);
    answer = (struct poll_answer){.error = POLL_GEN_ERR, .error_index = 2};
    assert_int_equal(poll_walk_take(&walk, &answer, &rows, &err), POLL_STEP_ON);
    enum poll_step step = POLL_STEP_ON;
    while (step == POLL_STEP_ON) {
        poll_walk_ask(&walk, 1300, &ask);
        agent_answer(&agent, &ask);
        step = poll_walk_take(&walk, &answer, &rows, &err);
    }
    assert_int_equal(step, POLL_STEP_OVER);
    assert_string_equal(text_of_rows(), "1: 11 - 31; "); /* The one it cannot say is left out. */
    assert_int_equal(walk.lost, 1);
    answer = (struct poll_answer){.error = 16};
    poll_walk_begin(&walk, table_of(three));
    poll_walk_ask(&walk, 1300, &ask);
    assert_int_equal(poll_walk_take(&walk, &answer, &rows, &err), POLL_STEP_FAILED);
    assert_non_null(strstr(err.text, "t: the agent says"));
    for (uint32_t index = 0; index <= ask.count + 1; index += ask.count + 1) {
        answer = (struct poll_answer){.error = POLL_GEN_ERR, .error_index = index};
        poll_walk_begin(&walk, table_of(three));
        poll_walk_ask(&walk, 1300, &ask);
        assert_int_equal(poll_walk_take(&walk, &answer, &rows, &err), POLL_STEP_FAILED);
        assert_int_equal(walk.lost, 0); /* Of nothing that was asked. */
    }
}

/* However much room there is: as many columns as a request has, as many rows as are asked for. */
static void test_bounds_of_a_request(void **state)
{
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "tables = ( { name = \"w\"; metrics = (");
    for (int i = 1; i <= POLL_ASK_MAX + 4; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%s { name = \"m%d\"; oid = \"1.3.6.1.9.%d\"; }",
                                 i == 1 ? "" : ",", i, i);
    }
    snprintf(text + used, sizeof text - used, " ); } );");
    struct poll_ask ask;
    poll_walk_begin(&walk, table_of(text));
    poll_walk_ask(&walk, 1u << 20, &ask);
    assert_int_equal(ask.count, POLL_ASK_MAX);
    assert_int_equal(ask.repetitions, POLL_REPETITIONS_MAX);
}

static void test_scalars(void **state)
{
    const struct poll_table *table =
        table_of("tables = ( { name = \"s\"; scalar = true; metrics = ( { name = \"a\"; oid = "
                 "\"1.3.6.1.9.1\"; }, { name = \"b\"; oid = \"1.3.6.1.9.2\"; } ); } );");
    struct poll_ask ask;
    struct nsh_error err = {0};
    poll_rows_begin(&rows, table->columns_count);
    poll_walk_begin(&walk, table);
    poll_walk_ask(&walk, 1300, &ask);
    assert_int_equal(ask.repetitions, 0);
    assert_int_equal(ask.oids[1].arcs[6], 0);
    answer = (struct poll_answer){.count = 2};
    answer.items[0] = (struct poll_binding){.oid = oid_of(1, 0), .value = rig_int(5)};
    answer.items[1] = (struct poll_binding){.oid = oid_of(2, 0)}; /* noSuchObject */
    assert_int_equal(poll_walk_take(&walk, &answer, &rows, &err), POLL_STEP_OVER);
    assert_string_equal(text_of_rows(), "0: 5 -; ");
    /* What was not asked for is no answer. */
    poll_rows_begin(&rows, table->columns_count);
    poll_walk_begin(&walk, table);
    poll_walk_ask(&walk, 1300, &ask);
    answer.items[1] = (struct poll_binding){.oid = oid_of(3, 0), .value = rig_int(6)};
    assert_int_equal(poll_walk_take(&walk, &answer, &rows, &err), POLL_STEP_OVER);
    assert_string_equal(text_of_rows(), "0: 5 -; ");
}

/* ---- the text of tables ---- */

static void test_built_in(void **state)
{
    size_t count = 0;
    for (; poll_set_name(count) != NULL; count++) {
        rig_set(poll_set_name(count)); /* Fails with its mistakes. */
    }
    assert_true(count >= 8);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"summary = \"none\";", "'tables' is missing"},
        {"tables = ( { } );", "'name' is missing here"},
        {"tables = ( { name = \"t\"; } );", "a table without columns says nothing"},
        {"tables = ( { name = \"t\"; metrics = ( { name = \"m\"; } ); } );",
         "'oid' is missing here"},
        {"tables = ( { name = \"t\"; metrics = ( { name = \"m\"; oid = \"1.3.x\"; } ); } );",
         "\"1.3.x\" is no object"},
        {"tables = ( { name = \"t\"; metrics = ( { name = \"m m\"; oid = \"1.3.6\"; } ); } );",
         "a name is made of letters"},
        {"tables = ( { name = \"t\"; metrics = ( { name = \"m\"; oid = \"1.3.6\"; kind = \"x\"; } "
         "); "
         "} );",
         "\"x\" is no kind of a metric"},
        {"tables = ( { name = \"t\"; resource = \"${port}\"; metrics = ( { name = \"m\"; oid = "
         "\"1.3.6\"; } ); } );",
         "what is meant by"},
        {"tables = ( { name = \"t\"; states = ( { type = \"x.y\"; oid = \"1.3.6\"; bad = \"2 "
         "bad\"; "
         "} ); } );",
         "\"bad\" is no severity"},
        {"tables = ( { name = \"t\"; states = ( { type = \"x.y\"; oid = \"1.3.6\"; } ); } );",
         "which numbers are bad?"},
        {"tables = ( { name = \"t\"; states = ( { oid = \"1.3.6\"; bad = \"2 major\"; } ); } );",
         "'type' is missing here"},
        {"tables = ( { name = \"t\"; metics = ( ); metrics = ( { name = \"m\"; oid = \"1.3.6\"; } "
         "); "
         "} );",
         "metics"},
        {"only = \"no\"; tables = ( );", "\"no\" is no object"},
    };
    for (size_t i = 0; i < ROWS(cases); i++) {
        struct diags diags = {0};
        struct poll_set set;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct conf *root = conf_read_text("t.poll", cases[i].text, &rig_arena, &diags);
        assert_non_null(root);
        bool read = poll_set_read(root, "t", &rig_arena, &diags, &set);
        diags_print(&diags, cases[i].text, false, &out);
        if (read || out.at == NULL || strstr(out.at, cases[i].wanted) == NULL) {
            fail_msg("%s: %s", cases[i].text, out.at == NULL ? "taken" : out.at);
        }
        diags_done(&diags);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } oids[] = {{"1.3.6.1", true},         {".1.3.6.1", true}, {"1", false},
                {"1.3.", false},           {"1..3", false},    {"", false},
                {"1.3.4294967296", false}, {"1.40", false},    {"3.1", false},
                {"1.3.4294967295", true}};
    struct poll_oid oid;
    for (size_t i = 0; i < ROWS(oids); i++) {
        if (poll_oid_read(oids[i].text, &oid) != oids[i].good) {
            fail_msg("%s", oids[i].text);
        }
    }
    assert_true(poll_oid_read("1.3.6.1.4.1.8072", &oid));
    assert_int_equal(poll_oid_bytes(&oid), 7);
    double number = 0;
    const struct poll_value load = rig_text("0.42"), none = rig_text("up");
    assert_true(poll_value_number(&load, &number));
    assert_true(number > 0.419 && number < 0.421);
    assert_false(poll_value_number(&none, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_walks, teardown),
        cmocka_unit_test_teardown(test_endless, teardown),
        cmocka_unit_test_teardown(test_too_many_requests, teardown),
        cmocka_unit_test_teardown(test_refusals, teardown),
        cmocka_unit_test_teardown(test_bounds_of_a_request, teardown),
        cmocka_unit_test_teardown(test_scalars, teardown),
        cmocka_unit_test_teardown(test_built_in, teardown),
        cmocka_unit_test_teardown(test_mistakes, teardown),
        cmocka_unit_test_teardown(test_numbers, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
