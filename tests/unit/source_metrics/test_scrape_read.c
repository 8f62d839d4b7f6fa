/* SPDX-License-Identifier: Apache-2.0 */
/* The list `scrape`: what becomes of a target, and where a mistake is shown. */

#include "../unit.h"

#include "source/metrics/scrape.h"

#include <string.h>

static struct scrape_jobs read_text(const char *text, struct arena *arena, struct diags *diags)
{
    struct conf *root = conf_read_text("t.conf", text, arena, diags);
    assert_non_null(root);
    return scrape_read(conf_get(root, "scrape"), arena, diags);
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *target, *url, *instance;
    } rows[] = {
        {"10.0.0.1:9100", "http://10.0.0.1:9100/m", "10.0.0.1:9100"},
        {"https://h1:9100", "https://h1:9100/m", "h1:9100"},
        {"http://h1/ipmi?target=10.1.0.7", "http://h1/ipmi?target=10.1.0.7", "h1"},
        {"[::1]:9100", "http://[::1]:9100/m", "[::1]:9100"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        const char *text = arena_printf(
            &arena, "scrape: ( { name = \"n\"; path = \"/m\"; targets = [\"%s\"]; } );",
            rows[i].target);
        struct scrape_jobs jobs = read_text(text, &arena, &diags);
        assert_int_equal(diags.errors_count, 0);
        assert_string_equal(jobs.items[0].targets[0].url, rows[i].url);
        assert_string_equal(jobs.items[0].targets[0].instance, rows[i].instance);
        assert_int_equal(jobs.items[0].interval_ms, 15000);
        assert_int_equal(jobs.items[0].timeout_ms, 10000);
        diags_done(&diags);
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *job;
        uint32_t column;
        const char *text;
    } rows[] = {
        {"name = \"n\";", 11, "needs 'targets'"},
        {"targets = [\"a:1\"];", 11, "'name' is missing"},
        {"name = \"n\"; targets = [\"user@a:1\"];", 36, "a target is HOST:PORT"},
        {"name = \"n\"; targets = [\"a:1/metrics\"];", 36, "a target is HOST:PORT"},
        {"name = \"n\"; targets = [\"http://\"];", 36, "a target is HOST:PORT"},
        {"name = \"n\"; targets = [\"a:1\"]; timeout = \"20s\";", 54, "must not be longer"},
        {"name = \"n\"; targets = [\"a:1\"]; interval = \"10ms\";", 55, "'interval' must be"},
        {"name = \"n\"; targets = [\"a:1\"]; labels = { job = \"x\"; };", 55, "job and instance"},
        {"name = \"n\"; targets = [\"a:1\"]; path = \"m\";", 51, "must begin with /"},
        {"name = \"n\"; targets = [\"a:1\"]; pth = \"/m\";", 44, "pth"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        const char *text = arena_printf(&arena, "scrape: ( { %s } );", rows[i].job);
        read_text(text, &arena, &diags);
        bool found = false;
        for (size_t d = 0; d < diags.count; d++) {
            found = found || (strstr(diags.items[d].text, rows[i].text) != NULL &&
                              diags.items[d].at.column == rows[i].column);
        }
        if (!found) {
            CLEANUP(textbuf_donep) struct textbuf out = {0};
            diags_print(&diags, text, false, &out);
            fail_msg("row %zu: wanted column %u %s, got\n%s", i, rows[i].column, rows[i].text,
                     out.at == NULL ? "nothing" : out.at);
        }
        diags_done(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
