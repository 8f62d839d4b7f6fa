/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "abi/encode.h"

#include <string.h>

static void test_percent(void **state)
{
    struct nsh_pool pool = {0};
    (void)state;
    assert_string_equal(nsh_percent(&pool, "a/b c~\xc3\xa4+&="), "a%2Fb%20c~%C3%A4%2B%26%3D");
    assert_string_equal(nsh_percent(&pool, ""), "");
    assert_string_equal(
        nsh_query(&pool, (const char *const[]){"a b", "1&2", "none", NULL, "c", "", NULL}),
        "a%20b=1%262&c=");
    assert_string_equal(nsh_query(&pool, (const char *const[]){NULL}), "");
    nsh_pool_done(&pool);
}

static void test_base64(void **state)
{
    static const struct {
        const char *plain, *padded, *url;
    } rows[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"\xff\xfe\xfd>?", "//79Pj8=", "__79Pj8"},
    };
    struct nsh_pool pool = {0};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t count = 99;
        assert_string_equal(nsh_base64(&pool, rows[i].plain, strlen(rows[i].plain)),
                            rows[i].padded);
        assert_string_equal(nsh_base64url(&pool, rows[i].plain, strlen(rows[i].plain)),
                            rows[i].url);
        assert_string_equal(nsh_base64_read(&pool, rows[i].padded, &count), rows[i].plain);
        assert_int_equal(count, strlen(rows[i].plain));
        assert_string_equal(nsh_base64_read(&pool, rows[i].url, &count), rows[i].plain);
    }
    size_t count = 0;
    assert_null(nsh_base64_read(&pool, "Zm9vY", &count)); /* One digit is no byte. */
    assert_null(nsh_base64_read(&pool, "Zm9*", &count));
    assert_null(nsh_base64_read(&pool, "====", &count));
    nsh_pool_done(&pool);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        bool http;
        int64_t unix_ms; /* -1: no time. */
        const char *why;
    } rows[] = {
        {"2026-03-02T10:00:00Z", false, 1772445600000, "ISO"},
        {"2026-03-02T10:00:00.123456Z", false, 1772445600123, "microseconds, as Keystone writes"},
        {"2026-03-02T12:00:00+02:00", false, 1772445600000, "a zone"},
        {"2026-03-02T05:30:00-0430", false, 1772445600000, "a zone without colon"},
        {"2026-03-02 10:00:00", false, 1772445600000, "no zone: UTC"},
        {"1970-01-01T00:00:00Z", false, 0, "the beginning"},
        {"2024-02-29T00:00:00Z", false, 1709164800000, "a leap day"},
        {"2026-13-02T10:00:00Z", false, -1, "no month"},
        {"2026-03-02", false, -1, "a date alone"},
        {"2026-03-02T10:00:00 rubbish", false, -1, "something behind"},
        {"Sun, 06 Nov 1994 08:49:37 GMT", true, 784111777000, "HTTP"},
        {"Sun, 06 Xyz 1994 08:49:37 GMT", true, -1, "no month"},
        {"120", true, -1, "seconds"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t got = -1;
        bool good =
            rows[i].http ? nsh_time_http(rows[i].text, &got) : nsh_time_iso(rows[i].text, &got);
        if (good != (rows[i].unix_ms != -1) || got != rows[i].unix_ms) {
            fail_msg("%s: %s: %lld", rows[i].why, rows[i].text, (long long)got);
        }
    }
    char text[NSH_TIME_BYTES];
    for (int64_t day = -20000; day < 60000; day += 17) {
        int64_t back = 0, unix_ms = day * 86400000 + 45296000;
        nsh_time_write(unix_ms, text);
        assert_true(nsh_time_iso(text, &back));
        assert_int_equal(back, unix_ms);
    }
}

static void test_line(void **state)
{
    char room[16] = "a";
    (void)state;
    nsh_line_add(room, sizeof room, "\n\xff\x1b\xc3\xa4", 5);
    assert_string_equal(room, "a ? \xc3\xa4");
    nsh_line_add(room, sizeof room, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 10);
    assert_string_equal(room, "a ? \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"); /* Cut between. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
