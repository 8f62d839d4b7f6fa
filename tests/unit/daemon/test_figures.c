/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled figures as Prometheus reads them: buckets add up, series are bounded. */

#include "../unit.h"

#include "figures.h"

#include "base/arena.h"

#include <stdio.h>
#include <string.h>

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in:\n%s", part, text);
    }
}

static void counts(void **state)
{
    struct figures figures = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    figures_count(&figures, "decisions_total", "policy=\"a\",result=\"run\"");
    figures_count(&figures, "decisions_total", "policy=\"a\",result=\"run\"");
    figures_count(&figures, "decisions_total", "policy=\"b\",result=\"refused\"");
    figures_count(&figures, "decisions_totally_other", "");
    figures_add(&figures, "decisions_total", "decisions", &out);
    assert_string_equal(out.at, "# HELP nightshift_decisions_total decisions\n"
                                "# TYPE nightshift_decisions_total counter\n"
                                "nightshift_decisions_total{policy=\"a\",result=\"run\"} 2\n"
                                "nightshift_decisions_total{policy=\"b\",result=\"refused\"} 1\n");
    figures_done(&figures);
}

/* A bucket holds what is at most its bound, and all below it. */
static void buckets_add_up(void **state)
{
    struct figures figures = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    figures_observe(&figures, "action_seconds", "driver=\"x\"", 1000);
    figures_observe(&figures, "action_seconds", "driver=\"x\"", 1001);
    figures_observe(&figures, "action_seconds", "driver=\"x\"", 301000000);
    figures_add(&figures, "action_seconds", "how long", &out);
    has(out.at, "# TYPE nightshift_action_seconds histogram\n");
    has(out.at, "_bucket{driver=\"x\",le=\"0.0005\"} 0\n");
    has(out.at, "_bucket{driver=\"x\",le=\"0.001\"} 1\n");
    has(out.at, "_bucket{driver=\"x\",le=\"0.0025\"} 2\n");
    has(out.at, "_bucket{driver=\"x\",le=\"300\"} 2\n");
    has(out.at, "_bucket{driver=\"x\",le=\"+Inf\"} 3\n");
    has(out.at, "_sum{driver=\"x\"} 301.002001\n");
    has(out.at, "_count{driver=\"x\"} 3\n");
    figures_done(&figures);
}

static void no_labels(void **state)
{
    struct figures figures = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    figures_observe(&figures, "store_commit_seconds", "", 90);
    figures_add(&figures, "store_commit_seconds", "commit", &out);
    has(out.at, "_bucket{le=\"0.00025\"} 1\n");
    has(out.at, "_count{} 1\n");
    figures_done(&figures);
}

static void series_are_bounded(void **state)
{
    struct figures figures = {0};
    char labels[600];
    for (int i = 0; i < FIGURES_MAX + 3; i++) {
        snprintf(labels, sizeof labels, "n=\"%d\"", i);
        figures_count(&figures, "many_total", labels);
    }
    assert_int_equal(figures.series.count, FIGURES_MAX);
    assert_int_equal(figures.left_out, 3);
    memset(labels, 'x', sizeof labels - 1);
    labels[sizeof labels - 1] = '\0';
    figures_count(&figures, "many_total", labels); /* Longer than a key may be. */
    assert_int_equal(figures.left_out, 4);
    figures_done(&figures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(buckets_add_up),
        cmocka_unit_test(no_labels),
        cmocka_unit_test(series_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
