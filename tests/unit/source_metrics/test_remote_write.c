/* SPDX-License-Identifier: Apache-2.0 */
/* Remote-write bodies: what is read of them, and that a wrong one leaves nothing. */

#include "metrics_rig.h"

#include "source/metrics/remote_write.h"

#include <math.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>

static void label(struct message *series, const char *name, const char *value)
{
    struct message part = {.count = 0};
    message_text(&part, 1, name);
    message_text(&part, 2, value);
    message_in(series, 1, &part);
}

static void sample(struct message *series, double value, int64_t at_ms)
{
    struct message part = {.count = 0};
    message_double(&part, 1, value);
    message_number(&part, 2, (uint64_t)at_ms);
    message_in(series, 2, &part);
}

/* "name k=v k=v|value@ms value@ms" */
static void series(struct message *request, const char *text)
{
    struct message out = {.count = 0};
    char copy[4096], *save = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    char *bar = strchr(copy, '|');
    *bar = '\0';
    char *word = strtok_r(copy, " ", &save);
    if (strcmp(word, "-") != 0) {
        label(&out, "__name__", word);
    }
    while ((word = strtok_r(NULL, " ", &save)) != NULL) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        label(&out, word, equals + 1);
    }
    for (word = strtok_r(bar + 1, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        uint64_t stale = SAMPLE_STALE_BITS;
        double value;
        memcpy(&value, &stale, sizeof value);
        value = strncmp(word, "stale", 5) == 0 ? value : strtod(word, NULL);
        sample(&out, value, strtoll(strchr(word, '@') + 1, NULL, 10));
    }
    message_in(request, 1, &out);
}

static int decode(const struct message *request, struct textbuf *out, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    char body[16384];
    size_t bytes = sizeof body;
    assert_int_equal(snappy_compress((const char *)request->bytes, request->count, body, &bytes),
                     SNAPPY_OK);
    const struct sample_sink sink = {note_labels, note_value, out};
    return remote_write_decode(body, bytes, &arena, &sink, err);
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *series[3];
        int code;
        const char *wanted; /* What is handed over, or part of the error. */
        const char *why;
    } rows[] = {
        {{"up job=node|1@1000"}, 0, "__name__=up,job=node 1@1000", "one sample"},
        {{"a|1@1 2@2", "b x=|-0.5@3"}, 0, "__name__=a 1@1 2@2; __name__=b,x= -0.5@3", "in order"},
        {{"a|stale@9"}, 0, "__name__=a stale@9", "the stale marker is handed on as it is"},
        {{"a|nan@9 inf@10"}, 0, "__name__=a nan@9 inf@10", "other numbers are the table's matter"},
        {{"a|1@-5"}, 0, "__name__=a 1@-5", "times before 1970 are ten-byte varints"},
        {{"a|"}, 0, "__name__=a", "a series without samples"},
        {{NULL}, 0, "", "an empty request is one"},
        {{"a|1@1", "- x=y|1@1"},
         -NSH_INVALID,
         "series 1: no label __name__",
         "nothing is taken of a request that is wrong at its end"},
        {{"a x=1 x=2|1@1"}, -NSH_INVALID, "series 0: a label stands there twice", "twice"},
        {{"a x=1 y=2 x=3|1@1"}, -NSH_INVALID, "stands there twice", "twice, out of order"},
        {{"a x=\xff|1@1"}, -NSH_INVALID, "no UTF-8", "labels become texts of events"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct message request = {.count = 0};
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct nsh_error err = {0};
        for (size_t s = 0; s < 3 && rows[i].series[s] != NULL; s++) {
            series(&request, rows[i].series[s]);
        }
        int result = decode(&request, &out, &err);
        const char *got = out.at == NULL ? "" : out.at;
        bool good = result == rows[i].code &&
                    (result == 0 ? strcmp(got, rows[i].wanted) == 0
                                 : strstr(err.text, rows[i].wanted) != NULL && out.count == 0);
        if (!good) {
            fail_msg("%s: got %d \"%s\" \"%s\"", rows[i].why, result, got, err.text);
        }
    }
}

/* What the messages have that is of no use here is passed over. */
static void test_foreign_fields(void **state)
{
    (void)state;
    struct message out = {.count = 0}, part = {.count = 0}, request = {.count = 0};
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct nsh_error err = {0};
    sample(&out, 4, 5); /* Before its labels. */
    label(&out, "__name__", "a");
    message_text(&part, 1, "exemplar");
    message_in(&out, 3, &part);
    message_in(&out, 4, &part); /* A native histogram. */
    message_in(&request, 3, &part);
    message_in(&request, 1, &out);
    message_number(&request, 99, 7);
    assert_int_equal(decode(&request, &text, &err), 0);
    assert_string_equal(text.at, "__name__=a 4@5");
}

static void test_labels_max(void **state)
{
    (void)state;
    for (int count = SAMPLE_LABELS_MAX; count <= SAMPLE_LABELS_MAX + 1; count++) {
        struct message out = {.count = 0}, request = {.count = 0};
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        label(&out, "__name__", "a");
        for (int i = 1; i < count; i++) {
            char name[8];
            snprintf(name, sizeof name, "l%02d", i);
            label(&out, name, "v");
        }
        message_in(&request, 1, &out);
        assert_int_equal(decode(&request, &text, NULL),
                         count <= SAMPLE_LABELS_MAX ? 0 : -NSH_INVALID);
    }
}

/* Every cut of a request is refused or is a shorter request; nothing is read behind it. */
static void test_cuts(void **state)
{
    (void)state;
    struct message request = {.count = 0};
    series(&request, "node_load1 instance=a:9100|0.5@1000 0.6@2000");
    for (size_t count = 1; count < request.count; count++) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        const struct sample_sink sink = {note_labels, note_value, &out};
        uint8_t *exact = malloc(count);
        memcpy(exact, request.bytes, count);
        struct text cut = {(const char *)exact, (uint32_t)count};
        assert_int_equal(remote_write_read(cut, &sink, NULL), -NSH_INVALID);
        assert_int_equal(out.count, 0);
        free(exact);
    }
}

static void test_no_snappy(void **state)
{
    (void)state;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_error err = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    const struct sample_sink sink = {note_labels, note_value, &out};
    assert_int_equal(remote_write_decode("", 0, &arena, &sink, &err), -NSH_INVALID);
    assert_int_equal(remote_write_decode("\x05hello", 6, &arena, &sink, &err), -NSH_INVALID);
    assert_int_equal(remote_write_decode("\xff\xff\xff\xff\x0f", 5, &arena, &sink, &err),
                     -NSH_LIMIT);
    assert_non_null(strstr(err.text, "uncompressed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_foreign_fields),
        cmocka_unit_test(test_labels_max), cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_no_snappy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
