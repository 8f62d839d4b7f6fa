/* SPDX-License-Identifier: Apache-2.0 */
/* What resources say: the whole of a mockup and of an iDRAC, by golden; what is strange, by rows.
 */

#include "../unit.h"

#include "../golden.h"

#include "base/json.h"
#include "source/redfish/redfish_page.h"

#include <math.h>

#define DATA TEST_SOURCE_DIR "/tests/data/redfish/"

static void page_write(const struct redfish_page *page, struct textbuf *out)
{
    for (uint32_t i = 0; i < page->parts_count; i++) {
        const struct redfish_part *part = &page->parts[i];
        textbuf_addf(out, "%s %s (%s)", part->whole ? "whole" : "part", part->path, part->name);
        textbuf_addf(out, ": %s", redfish_health_word(part->health));
        if (part->whole) {
            textbuf_addf(out, ", all of it %s", redfish_health_word(part->rollup));
        }
        textbuf_add_char(out, '\n');
    }
    for (uint32_t i = 0; i < page->values_count; i++) {
        const struct redfish_value *value = &page->values[i];
        textbuf_addf(out, "value %s sensor=%s context=%s report=%s property=%s at=%lld: %.6g\n",
                     value->metric, value->sensor == NULL ? "" : value->sensor,
                     value->context == NULL ? "" : value->context,
                     value->report == NULL ? "" : value->report,
                     value->property == NULL ? "" : value->property, (long long)value->at_ms,
                     value->value);
    }
    for (uint32_t i = 0; i < page->links_count; i++) {
        textbuf_addf(out, "%s %s\n", page->links[i].deep ? "deep" : "link", page->links[i].path);
    }
    textbuf_add_chars(out, page->cut ? "something is left out\n" : "");
}

static void resource_line(void *arg, const struct nsh_value *line, struct textbuf *out)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const char *path = nsh_get_text(line, "uri", "");
    const struct nsh_value *body = nsh_get(line, "body");
    struct redfish_page page;
    (void)arg;
    assert_int_equal(redfish_page_read(body == NULL ? line : body, path, &arena, &page), 0);
    if (page.parts_count > 0 || page.values_count > 0 ||
        page.cut) { /* Collections have links alone: many. */
        textbuf_addf(out, "== %s\n", path);
        page_write(&page, out);
    }
}

static void test_golden(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf made = {0};
    (void)state;
    golden_each_line(DATA "mockup-public-rackmount1.jsonl", resource_line, NULL, &made);
    golden_each_line(DATA "resources-dell.jsonl", resource_line, NULL, &made);
    golden_each_line(DATA "pages-own.jsonl", resource_line, NULL, &made);
    golden_is(DATA "pages.expected.txt", &made);
}

static void test_rows(void **state)
{
    static const struct {
        const char *body;
        uint32_t parts, values, links;
        const char *why;
    } rows[] = {
        {"[1]", 0, 0, 0, "no map"},
        {"{\"@odata.type\":7,\"Members\":[{\"@odata.id\":\"/a\"}]}", 0, 0, 1, "no type, members"},
        {"{\"Members\":{\"@odata.id\":\"/a\"}}", 0, 0, 0, "members are no list"},
        {"{\"Members\":[{\"@odata.id\":\"a\"},{\"@odata.id\":\"//a/b\"},{\"@odata.id\":\"/a b\"},"
         "{\"@odata.id\":\"/\"},{\"@odata.id\":7},7]}",
         0, 0, 0, "paths that are none"},
        {"{\"Members\":[{\"@odata.id\":\"https://elsewhere/redfish/v1/X\"}]}", 0, 0, 1,
         "of an URL the path counts: nobody is sent elsewhere"},
        {"{\"@odata.type\":\"#Fan.v1_0_0.Fan\",\"Status\":7}", 0, 0, 0, "a status that is none"},
        {"{\"@odata.type\":\"#Fan.v1_0_0.Fan\",\"Status\":{\"Health\":\"OK\"}}", 1, 0, 0,
         "without an id, the path it was read from"},
        {"{\"@odata.type\":\"#Thermal.v1_0_0.Thermal\",\"Temperatures\":[{\"ReadingCelsius\":21}]}",
         0, 0, 0, "a value of nobody"},
        {"{\"@odata.type\":\"#Thermal.v1_0_0.Thermal\",\"Temperatures\":[{\"Name\":\"a\","
         "\"ReadingCelsius\":\"21\"},{\"Name\":\"b\",\"ReadingCelsius\":null},7,"
         "{\"Name\":\"c\",\"ReadingCelsius\":21.5}]}",
         0, 1, 0, "numbers alone are values"},
        {"{\"@odata.type\":\"#MetricReport.v1_0_0.MetricReport\",\"MetricValues\":[{\"MetricId\":"
         "\"a\",\"MetricValue\":\"1.5\"},{\"MetricId\":\"a\",\"MetricValue\":\"nan\"},{"
         "\"MetricId\":"
         "\"a\",\"MetricValue\":\"0x10\"},{\"MetricId\":\"a\",\"MetricValue\":\"\"},{\"MetricId\":"
         "\"a\",\"MetricValue\":\"1e999\"},{\"MetricId\":\"a\",\"MetricValue\":\"On\"},{"
         "\"MetricValue\":\"1\"},{\"MetricId\":\"a\",\"MetricValue\":2}]}",
         0, 2, 0, "of a report too, though they come as texts"},
        {"{\"Members\":[{\"@odata.type\":\"#Fan.v1_0_0.Fan\",\"@odata.id\":\"/f\",\"Status\":{"
         "\"Health\":\"Critical\"}},{\"@odata.id\":\"/g\"}]}",
         1, 0, 1, "expanded members are read at once"},
        {"{\"Members\":[{\"@odata.type\":\"#X.X\",\"Members\":[{\"@odata.type\":\"#Fan.v1_0_0."
         "Fan\","
         "\"Status\":{\"Health\":\"OK\"}}]}]}",
         0, 0, 0, "one level deep"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct redfish_page page;
        struct nsh_value body;
        assert_int_equal(json_parse(rows[i].body, strlen(rows[i].body), &arena, &body, NULL), 0);
        assert_int_equal(redfish_page_read(&body, "/redfish/v1/x", &arena, &page), 0);
        if (page.parts_count != rows[i].parts || page.values_count != rows[i].values ||
            page.links_count != rows[i].links) {
            fail_msg("%s: %u parts, %u values, %u links", rows[i].why, page.parts_count,
                     page.values_count, page.links_count);
        }
    }
}

/* What is more than fits is left out, and said. */
static void test_bounds(void **state)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct redfish_page page;
    struct nsh_value body;
    (void)state;
    textbuf_add_chars(&text, "{\"Members\":[");
    for (int i = 0; i < REDFISH_LINKS_MAX + 5; i++) {
        textbuf_addf(&text, "%s{\"@odata.id\":\"/redfish/v1/%d\"}", i == 0 ? "" : ",", i);
    }
    textbuf_add_chars(&text, "]}");
    assert_int_equal(json_parse(text.at, text.count, &arena, &body, NULL), 0);
    assert_int_equal(redfish_page_read(&body, "/x", &arena, &page), 0);
    assert_true(page.cut);
    assert_int_equal(page.links_count, REDFISH_LINKS_MAX);
}

/* A list behind very many members, as long as a reply may be: minutes, if it were looked up again
 * for each item; the time this test may take says so. */
static void test_late_list(void **state)
{
    static const char *const types[] = {"Thermal\",\"Fans", "Storage\",\"Drives",
                                        "MetricReport\",\"MetricValues", "X\",\"Members"};
    (void)state;
    for (size_t i = 0; i < ROWS(types); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf text = {.count_max = 2u << 20};
        struct redfish_page page;
        struct nsh_value body;
        const char *list = strchr(types[i], ',');
        textbuf_addf(&text, "{\"@odata.type\":\"#A.%.*s", (int)(list - types[i]), types[i]);
        for (int member = 0; text.count < 500000; member++) {
            textbuf_addf(&text, ",\"%x\":0", (unsigned)member);
        }
        textbuf_addf(&text, "%s\":[{}", list);
        while (text.count < 1000000) {
            textbuf_add_chars(&text, ",{}");
        }
        textbuf_add_chars(&text, "]}");
        assert_int_equal(json_parse(text.at, text.count, &arena, &body, NULL), 0);
        assert_int_equal(redfish_page_read(&body, "/x", &arena, &page), 0);
        assert_true(page.cut);
    }
}

/* What is not whole proves of no part that it is gone. */
static void test_left_out(void **state)
{
    static const struct {
        const char *body;
        bool cut;
        const char *why;
    } rows[] = {
        {"{\"Members\":[{\"@odata.id\":\"/redfish/v1/a\"}]}", false, "a collection"},
        {"{\"@odata.type\":\"#X.X\"}", false, "a resource of a kind that says nothing here"},
        {"{\"error\":{\"code\":\"Base.1.0.GeneralError\"}}", true, "an error, with status 200"},
        {"{}", true, "nothing"},
        {"{\"Members\":[{\"@odata.id\":\"/a b\"}]}", true, "a member that cannot be asked for"},
        {"{\"Members\":[],\"Members@odata.nextLink\":\"a?$skip=9\"}", true, "nor the next page"},
        {"{\"@odata.type\":\"#A.ComputerSystem\",\"PowerState\":\"On\"}", false, "a system"},
        {"{\"@odata.type\":\"#A.ComputerSystem\",\"PowerState\":\"Off\"}", true, "that is off"},
        {"{\"@odata.type\":\"#A.ComputerSystem\",\"PowerState\":\"PoweringOn\"}", true, "begins"},
        {"{\"@odata.type\":\"#A.ComputerSystem\",\"PowerState\":null}", false, "does not say"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct nsh_value body;
        struct redfish_page page;
        assert_int_equal(json_parse(rows[i].body, strlen(rows[i].body), &arena, &body, NULL), 0);
        assert_int_equal(redfish_page_read(&body, "/redfish/v1/x", &arena, &page), 0);
        if (page.cut != rows[i].cut) {
            fail_msg("%s: %s", rows[i].why, rows[i].body);
        }
    }
}

struct seen {
    struct textbuf out;
};

static void seen_labels(void *arg, const struct sample_label *labels, size_t count)
{
    struct seen *seen = arg;
    for (size_t i = 0; i < count; i++) {
        textbuf_addf(&seen->out, "%.*s=%.*s ", (int)labels[i].name.count, labels[i].name.at,
                     (int)labels[i].value.count, labels[i].value.at);
    }
}

static void seen_value(void *arg, int64_t at_ms, double value)
{
    textbuf_addf(&((struct seen *)arg)->out, "%lld %g\n", (long long)at_ms, value);
}

static void test_samples(void **state)
{
    struct redfish_value values[] = {
        {.metric = "redfish_temperature_celsius",
         .sensor = "Inlet",
         .context = "Intake",
         .value = 21},
        {.metric = "redfish_metric",
         .sensor = "T",
         .report = "R",
         .property = "/p",
         .value = 2,
         .at_ms = 7},
    };
    const struct redfish_page page = {.values = values, .values_count = 2};
    struct seen seen = {.out = {0}};
    const struct sample_sink sink = {seen_labels, seen_value, &seen};
    (void)state;
    redfish_page_samples(&page, "h1", "192.0.2.1", 1000, &sink);
    redfish_page_samples(&page, NULL, "192.0.2.1", 1000, &sink);
    assert_string_equal(
        seen.out.at,
        "__name__=redfish_temperature_celsius host=h1 sensor=Inlet context=Intake 1000 21\n"
        "__name__=redfish_metric host=h1 metric=T report=R property=/p 7 2\n"
        "__name__=redfish_temperature_celsius instance=192.0.2.1 sensor=Inlet context=Intake 1000 "
        "21\n"
        "__name__=redfish_metric instance=192.0.2.1 metric=T report=R property=/p 7 2\n");
    textbuf_done(&seen.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bounds),   cmocka_unit_test(test_late_list),
        cmocka_unit_test(test_left_out), cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
