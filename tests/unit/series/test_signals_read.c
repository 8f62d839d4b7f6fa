/* SPDX-License-Identifier: Apache-2.0 */
/* What `signals` may say, and where a mistake is shown. */

#include "../unit.h"

#include "series/signals.h"

#include <string.h>

#define REST "raise = { above = 1.0; }; clear = { below = 0.5; }; event = \"e\"; "

#define LONG_104                                                                                   \
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012" \
    "345678901234"
#define LONG_520 LONG_104 LONG_104 LONG_104 LONG_104 LONG_104 /* Too long for an event's texts. */

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *signal;
        uint32_t line, column;
        const char *text;
    } rows[] = {
        {"name = \"a\"; " REST, 1, 12, "'metric' is missing here"},
        {"name = \"A b\"; metric = \"m\"; " REST, 1, 21, "'name' must be a word"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; ", 1, 12, "needs 'raise' with 'above'"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; raise = { above = 1.0; below = 2.0; };", 1,
         76, "one of 'above', 'below', 'outside' and 'equal'"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; raise = { above = 1.0; };"
         " clear = { below = 2.0; };",
         1, 97, "must not lie beyond"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; raise = { above = 1.0; for = \"1m\"; of = "
         "[1, 2]; }; clear = { below = 0.5; };",
         1, 88, "exclude each other"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; raise = { above = 1.0; of = [3, 2]; };"
         " clear = { below = 0.5; };",
         1, 81, "1 <= k <= n <= 64"},
        {"name = \"a\"; metric = \"m\"; where = \"labels.a == 1\"; " REST, 1, 58, "cannot compare"},
        {"name = \"a\"; metric = \"m\"; host = \"label.a\"; " REST, 1, 48, "label"},
        {"name = \"a\"; metric = \"m\"; fold = \"max\"; " REST, 1, 47, "'fold' needs a 'window'"},
        {"name = \"a\"; metric = \"m\"; fold = \"mean\"; window = \"1m\"; " REST, 1, 47,
         "'fold' must be one of last, avg"},
        {"name = \"a\"; metric = \"m\"; message = \"" LONG_520 "\"; " REST, 1, 50,
         "'message' is 520 bytes long; at most 512"},
        {"name = \"a\"; metric = \"" LONG_520 "\"; " REST, 1, 35,
         "'metric' is 520 bytes long; at most 512"},
        {"name = \"a\"; metric = \"m\"; severity = \"majr\"; " REST, 1, 51,
         "'severity' must be one of"},
        {"name = \"a\"; metric = \"m\"; absent = \"10m\"; " REST, 1, 12, "a signal has one of"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; stuck = \"6h\"; baseline = { };", 1, 12,
         "a signal has one of"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; stuck = \"6h\"; raise = { for = \"1m\"; };",
         1, 75, "'stuck' is the time by itself"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; raise = { outside = [27.0, 18.0]; };", 1, 73,
         "'outside' must be two numbers [low, high]"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; raise = { outside = [18.0, 27.0]; }; clear "
         "= { inside = [17.0, 26.0]; };",
         1, 109, "must lie within"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; peers = { at_least = 2; };", 1, 74,
         "'at_least' must be between 3 and"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; peers = { group = \"host.model\"; };", 1, 72,
         "host"},
        {"name = \"a\"; metric = \"m\"; per = \"host\"; resource = \"'x'\"; " REST, 1, 40,
         "exclude each other"},
        {"name = \"a\"; metric = \"m\"; expect = \"time.getHour() == 3\"; " REST, 1, 55, "getHour"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; forecast = { within = \"1d\"; };", 1, 64,
         "needs 'reaches'"},
        {"name = \"a\"; metric = \"m\"; event = \"e\"; baseline = { sensitivity = \"hi\"; };", 1,
         80, "must be one of low, medium, high"},
        {"name = \"a\"; metric = \"m\"; windw = \"1m\"; " REST, 1, 40, "windw"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        const char *text = arena_printf(&arena, "signals: ( { %s } );", rows[i].signal);
        struct conf *root = conf_read_text("t.conf", text, &arena, &diags);
        assert_non_null(root);
        signals_read(conf_get(root, "signals"), &arena, &diags);
        bool found = false;
        for (size_t d = 0; d < diags.count; d++) {
            found = found || (diags.items[d].level == DIAG_ERROR &&
                              strstr(diags.items[d].text, rows[i].text) != NULL &&
                              diags.items[d].at.line == rows[i].line &&
                              diags.items[d].at.column == rows[i].column);
        }
        if (!found) {
            CLEANUP(textbuf_donep) struct textbuf out = {0};
            diags_print(&diags, text, false, &out);
            fail_msg("row %zu: wanted %u:%u %s, got\n%s", i, rows[i].line, rows[i].column,
                     rows[i].text, out.at == NULL ? "nothing" : out.at);
        }
        diags_done(&diags);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct conf *root = conf_read_text(
        "t.conf",
        "signals: ( { name = \"a\"; metric = \"m\"; event = \"e\"; raise = { above = 1; }; },"
        " { name = \"b\"; metric = \"m\"; event = \"e\"; baseline = { }; } );",
        &arena, &diags);
    struct signals signals = signals_read(conf_get(root, "signals"), &arena, &diags);
    assert_int_equal(diags.errors_count, 0);
    assert_int_equal(diags.warnings_count, 1); /* No gap. */
    assert_int_equal(signals.count, 2);
    assert_int_equal(signals.rules[0].window_ms, 0);
    assert_int_equal(signals.rules[0].fold, SIGNAL_LAST);
    assert_int_equal(signals.rules[0].severity, SEVERITY_WARNING);
    assert_int_equal(signals.rules[1].window_ms, 300000);
    assert_int_equal(signals.rules[1].fold, SIGNAL_AVG);
    assert_true(signals.rules[1].sensitivity == 5.0);
    assert_int_equal(signals.rules[1].learn_ms, 3 * 86400000);
    diags_done(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
