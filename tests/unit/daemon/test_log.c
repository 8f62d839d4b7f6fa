/* SPDX-License-Identifier: Apache-2.0 */
/* One line for each event, whatever the texts contain; repeats are held back and counted. */

#include "../unit.h"

#include "log.h"

#include "base/arena.h"

#include <unistd.h>

static const char *line(const struct log_options *options, const char *text, struct textbuf *out)
{
    textbuf_clear(out);
    const struct nsh_member members[] = {{"errors", nsh_int(2)}, {"first", nsh_text(text)}};
    log_format(options, LOG_RELOAD_REFUSED, members, 2, 0, out);
    return out->at;
}

static void formats(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct log_options plain = {.level = LOG_LEVEL_INFO};
    struct log_options journal = {.journal = true};
    struct log_options json = {.json = true};
    assert_string_equal(line(&plain, "x", &out), "time=1970-01-01T00:00:00.000Z level=error "
                                                 "event=reload.refused errors=2 first=x");
    assert_string_equal(line(&journal, "a b", &out),
                        "<3>level=error event=reload.refused errors=2 first=\"a b\"");
    assert_string_equal(line(&json, "a\nb", &out),
                        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\",\"event\":"
                        "\"reload.refused\",\"errors\":2,\"first\":\"a\\nb\"}");
}

/* Texts come from traps and BMCs: none may forge a line or steer a terminal. */
static void hostile_texts_stay_one_line(void **state)
{
    static const char *const texts[] = {
        "a\nlevel=error event=fake", "\x1b[2Jgone", "\xff\xfe", "quote\" back\\slash", "",
        "\xe2\x80\xae!drowssap"};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct log_options plain = {.level = LOG_LEVEL_INFO};
    for (size_t i = 0; i < ROWS(texts); i++) {
        const char *got = line(&plain, texts[i], &out);
        assert_null(strchr(got, '\n'));
        assert_null(strchr(got, '\x1b'));
        assert_true(text_is_utf8(got, out.count));
    }
}

static void repeats_are_counted(void **state)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    log_open(&(struct log_options){.fd = pipes[1], .level = LOG_LEVEL_INFO});
    struct complaint complaint = {0};
    assert_true(complain(&complaint, LOG_STORE_ILL, 1000)); /* News at once. */
    for (int64_t ms = 1001; ms < 11000; ms += 1000) {
        assert_false(complain(&complaint, LOG_STORE_ILL, ms));
    }
    assert_true(complain(&complaint, LOG_STORE_ILL, 11000));  /* After 10 s, with the count. */
    assert_false(complain(&complaint, LOG_STORE_ILL, 30999)); /* The pause doubled. */
    assert_true(complain(&complaint, LOG_STORE_ILL, 31000));
    complaint_over(&complaint);
    assert_true(complain(&complaint, LOG_STORE_ILL, 31001)); /* News again. */
    char text[1024] = "";
    ssize_t count = read(pipes[0], text, sizeof text - 1);
    assert_true(count > 0);
    assert_non_null(strstr(text, "event=log.suppressed event=store.ill count=10"));
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(hostile_texts_stay_one_line),
        cmocka_unit_test(repeats_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
