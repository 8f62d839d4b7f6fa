/* SPDX-License-Identifier: Apache-2.0 */
/* The text of exporters: what is read, and where a mistake is shown. */

#include "metrics_rig.h"

#include "source/metrics/exposition.h"

#include <stdlib.h>

static int read_text(const char *body, size_t bytes, bool openmetrics, struct textbuf *out,
                     struct nsh_error *err)
{
    static const struct sample_label extra[] = {{TEXT("job"), TEXT("node")},
                                                {TEXT("instance"), TEXT("h:1")}};
    const struct sample_sink sink = {note_labels, note_value, out};
    const struct exposition exposition = {.body = {body, (uint32_t)bytes},
                                          .openmetrics = openmetrics,
                                          .now_ms = 9000,
                                          .extra = extra,
                                          .extra_count = 2};
    size_t samples = 0;
    return exposition_read(&exposition, &sink, &samples, err);
}

#define L ",job=node,instance=h:1"

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool openmetrics;
        int code;
        const char *wanted, *why;
    } rows[] = {
        {"up 1\n", false, 0, "__name__=up" L " 1@9000", "the least"},
        {"# HELP up x\n# TYPE up gauge\n\nup 1", false, 0, "__name__=up" L " 1@9000",
         "comments; no newline at the end"},
        {"a{x=\"1\",y=\"b\"} 2.5e3 123\n", false, 0, "__name__=a" L ",x=1,y=b 2500@123",
         "labels and time"},
        {"a{x=\"1\",} +Inf\r\nb NaN\n", false, 0,
         "__name__=a" L ",x=1 inf@9000; __name__=b" L " nan@9000",
         "a comma too much is allowed; other numbers; returns"},
        {"a { x = \"\\\\ \\\" \\n\" } 1\n", false, 0, "__name__=a" L ",x=\\ \" \n 1@9000",
         "escapes"},
        {"a{job=\"own\"} 1\n", false, 0, "__name__=a" L ",exported_job=own 1@9000",
         "the target's word holds"},
        {"{\"a.b\",x=\"1\"} 1\n", false, 0, "job=node,instance=h:1,__name__=a.b,x=1 1@9000",
         "a name in quotes"},
        {"a_total 1 12.5 # {t=\"x\"} 1 1\n# EOF\n", true, 0, "__name__=a_total" L " 1@12500",
         "OpenMetrics: seconds, exemplars"},
        {"a 1\n", true, -NSH_INVALID, "does not end with # EOF", "OpenMetrics that was cut"},
        {"# EOF\na 1\n", true, -NSH_INVALID, "line 2, column 1: nothing may follow",
         "after the end"},
        {"a 1\nb one\n", false, -NSH_INVALID, "line 2, column 3: here a number",
         "nothing is taken of a body that is wrong at its end"},
        {"a{x=\"1} 1\n", false, -NSH_INVALID, "line 1, column 10: here a text in quotes",
         "a text without end"},
        {"a{x=\"\\t\"} 1\n", false, -NSH_INVALID, "text in quotes", "an unknown escape"},
        {"a{x 1\n", false, -NSH_INVALID, "column 5: here = must", "no value"},
        {"a{x=\"1\" y=\"2\"} 1\n", false, -NSH_INVALID, "column 9: here , or }", "no comma"},
        {"9a 1\n", false, -NSH_INVALID, "column 1: here a metric's name", "a digit first"},
        {"a 0x10\n", false, -NSH_INVALID, "a number", "strtod() would take it"},
        {"a 1 2 3\n", false, -NSH_INVALID, "should have ended", "too much"},
        {"a{x=\"1\",x=\"2\"} 1\n", false, -NSH_INVALID, "twice", "a label twice"},
        {"{x=\"1\"} 1\n", false, -NSH_INVALID, "no label __name__", "no name"},
        {"", false, 0, "", "an empty answer is one"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct nsh_error err = {0};
        int result = read_text(rows[i].body, strlen(rows[i].body), rows[i].openmetrics, &out, &err);
        const char *got = out.at == NULL ? "" : out.at;
        bool good = result == rows[i].code &&
                    (result == 0 ? strcmp(got, rows[i].wanted) == 0
                                 : strstr(err.text, rows[i].wanted) != NULL && out.count == 0);
        if (!good) {
            fail_msg("%s: got %d \"%s\" \"%s\"", rows[i].why, result, got, err.text);
        }
    }
}

/* Any cut is read or refused, and nothing behind it is looked at. */
static void test_cuts(void **state)
{
    (void)state;
    static const char body[] = "# TYPE a gauge\na{x=\"1\\n\",\"y\"=\"2\"} 1.5 1234\nb 2\n";
    for (size_t count = 0; count < sizeof body - 1; count++) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        char *exact = malloc(count == 0 ? 1 : count);
        memcpy(exact, body, count);
        read_text(exact, count, false, &out, NULL);
        free(exact);
    }
}

static void test_content_type(void **state)
{
    (void)state;
    assert_true(exposition_is_openmetrics("application/openmetrics-text; version=1.0.0"));
    assert_false(exposition_is_openmetrics("text/plain; version=0.0.4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
