/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "abi/json_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read and written again, or the error's text. */
static void round_trip(const char *json, size_t count, char room[512])
{
    struct nsh_pool pool = {0};
    struct nsh_value value;
    struct nsh_error err = {0};
    /* A copy of exactly that size: a sanitizer sees a byte read too many. */
    char *bytes = malloc(count == 0 ? 1 : count);
    assert_non_null(bytes);
    memcpy(bytes, json, count);
    int result = nsh_json_read(&pool, bytes, count, &value, &err);
    free(bytes);
    snprintf(room, 512, "%s", result == 0 ? nsh_json_write(&pool, &value) : err.text);
    assert_int_equal(result, -err.code);
    nsh_pool_done(&pool);
}

static void test_read(void **state)
{
    static const struct {
        const char *json, *want, *why;
    } rows[] = {
        {" {\"a\" : [1, -2, 0],\n\"b\":{}, \"c\":[] }\t", "{\"a\":[1,-2,0],\"b\":{},\"c\":[]}",
         "blanks anywhere"},
        {"true", "true", "a document need not be an object"},
        {"null", "null", "null"},
        {"9223372036854775807", "9223372036854775807", "the largest integer"},
        {"-9223372036854775808", "-9223372036854775808", "the smallest"},
        {"9223372036854775808", "9.223372036854776e+18", "one more is a double"},
        {"1.5e3", "1500.0", "exponents"},
        {"-0", "-0.0", "minus zero is no integer"},
        {"1e999", "no JSON at byte 0: a number out of range", "beyond doubles"},
        {"01", "no JSON at byte 0: no number", "no octal"},
        {"1.", "no JSON at byte 0: digits must follow '.'", "a digit behind the point"},
        {"-", "no JSON at byte 0: no number", "a sign alone"},
        {"[1,]", "no JSON at byte 3: no value", "no trailing comma"},
        {"[1", "no JSON at byte 2: ',' or ']' must stand here", "ends in a list"},
        {"{\"a\":1", "no JSON at byte 6: ',' or '}' must stand here", "ends in a map"},
        {"{\"a\"", "no JSON at byte 4: ':' must follow a name", "ends behind a name"},
        {"{a:1}", "no JSON at byte 1: a member's name must stand here", "names are texts"},
        {"{'a':1}", "no JSON at byte 1: a member's name must stand here", "double quotes"},
        {"1 2", "no JSON at byte 2: something follows the document", "one document"},
        {"", "no JSON at byte 0: it ends too early", "nothing"},
        {"tru", "no JSON at byte 0: no value", "half a word"},
        {"\"abc", "no JSON at byte 1: a text that does not end", "half a text"},
        {"\"abc\\\"", "no JSON at byte 1: a text that does not end", "an escaped quote ends none"},
        {"\"\\u0041\\n\\\"\\\\\\/\"", "\"A\\n\\\"\\\\/\"", "escapes"},
        {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", "a pair"},
        {"\"\\ud83d\"", "no JSON at byte 7: half of a surrogate pair", "half a pair"},
        {"\"\\ude00\"", "no JSON at byte 7: half of a surrogate pair", "the other half"},
        {"\"\\u0000\"", "no JSON at byte 7: NUL in a text", "no NUL"},
        {"\"\\u12\"", "no JSON at byte 3: four hexadecimal digits must follow \\u", "short"},
        {"\"\\x\"", "no JSON at byte 2: no such escape", "unknown"},
        {"\"\xff\"", "no JSON at byte 1: invalid UTF-8", "stray byte"},
        {"\"\xc0\xaf\"", "no JSON at byte 1: invalid UTF-8", "overlong"},
        {"\"a\nb\"", "no JSON at byte 2: a control character in a text", "raw newline"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}", "the last of doubles"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "32 deep"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
         "JSON deeper than 32", "33 deep"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char got[512];
        round_trip(rows[i].json, strlen(rows[i].json), got);
        if (strcmp(got, rows[i].want) != 0) {
            fail_msg("%s: %s\n got %s\nwant %s", rows[i].why, rows[i].json, got, rows[i].want);
        }
    }
}

/* Every beginning of a document is refused, none is read beyond its end. */
static void test_truncated(void **state)
{
    static const char json[] = "{\"a\":[true,null,{\"b\":\"x\\u00e4\\ud83d\\ude00\"}],\"c\":\"y\"}";
    (void)state;
    for (size_t count = 0; count + 1 < sizeof json; count++) {
        char got[512];
        round_trip(json, count, got);
        assert_memory_equal(got, "no JSON", 7);
    }
}

/* Many members with few names: found by sorting, the last ones stay, in order. */
static void test_many_doubles(void **state)
{
    struct nsh_pool pool = {0};
    struct nsh_value value;
    char *json = malloc(200 * 20), *at = json;
    (void)state;
    assert_non_null(json);
    for (int i = 0; i < 200; i++) {
        at += sprintf(at, "%c\"n%d\":%d", i == 0 ? '{' : ',', i % 50, i);
    }
    at += sprintf(at, "}");
    assert_int_equal(nsh_json_read(&pool, json, (size_t)(at - json), &value, NULL), 0);
    free(json);
    assert_int_equal(value.count, 50);
    assert_int_equal(nsh_at_int(&value, "n0", -1), 150);
    assert_int_equal(nsh_at_int(&value, "n49", -1), 199);
    assert_string_equal(value.members[0].name, "n0");
    nsh_pool_done(&pool);
}

static void test_paths(void **state)
{
    static const char json[] =
        "{\"servers\":[{\"id\":\"s1\",\"up\":true},{\"id\":\"s2\",\"n\":7}],\"a.b\":1}";
    struct nsh_pool pool = {0};
    struct nsh_value value;
    (void)state;
    assert_int_equal(nsh_json_read(&pool, json, sizeof json - 1, &value, NULL), 0);
    assert_string_equal(nsh_at_text(&value, "servers.1.id", "?"), "s2");
    assert_int_equal(nsh_at_int(&value, "servers.1.n", 0), 7);
    assert_true(nsh_at_bool(&value, "servers.0.up", false));
    assert_string_equal(nsh_at_text(&value, "servers.2.id", "?"), "?");
    assert_string_equal(nsh_at_text(&value, "servers.99999999999999999999.id", "?"), "?");
    assert_string_equal(nsh_at_text(&value, "servers.x", "?"), "?");
    assert_string_equal(nsh_at_text(&value, "servers.0.id.deeper", "?"), "?");
    assert_string_equal(nsh_at_text(NULL, "servers", "?"), "?");
    assert_ptr_equal(nsh_at(&value, ""), &value);
    assert_int_equal(nsh_at_count(&value, "servers"), 2);
    assert_int_equal(nsh_at_count(&value, "servers.0"), 0);
    assert_string_equal(nsh_get_text(nsh_at_item(&value, "servers", 0), "id", "?"), "s1");
    assert_null(nsh_at_item(&value, "servers", 2));
    nsh_pool_done(&pool);
}

static void test_write(void **state)
{
    struct nsh_pool pool = {0};
    const struct nsh_member members[] = {{"t", nsh_text("a\"\\\x01\t\xff")},
                                         {"d", nsh_double(0.1)},
                                         {"i", nsh_double(3)},
                                         {"n", nsh_null()}};
    struct nsh_value map = nsh_map(members, ROWS(members)), copy;
    (void)state;
    assert_string_equal(
        nsh_json_write(&pool, &map),
        "{\"t\":\"a\\\"\\\\\\u0001\\t\xef\xbf\xbd\",\"d\":0.1,\"i\":3.0,\"n\":null}");
    assert_true(nsh_pool_value(&pool, &map, &copy));
    assert_true(nsh_equal(&map, &copy));
    assert_ptr_not_equal(copy.members, map.members);
    nsh_pool_done(&pool);
}

static void test_pool(void **state)
{
    struct nsh_pool pool = {0};
    (void)state;
    for (size_t i = 1; i < 3000; i += 37) {
        char *at = nsh_pool_alloc(&pool, i);
        assert_int_equal((uintptr_t)at % 16, 0);
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(at[k], 0);
            at[k] = 'x';
        }
    }
    assert_string_equal(nsh_pool_printf(&pool, "%d-%s", 7, "x"), "7-x");
    assert_null(nsh_pool_text(&pool, NULL));
    assert_null(nsh_pool_array(&pool, SIZE_MAX / 2, 3)); /* Overflow. */
    assert_null(nsh_pool_alloc(&pool, NSH_POOL_BYTES_MAX));
    nsh_pool_done(&pool);
    assert_int_equal(pool.used_bytes, 0);
}

/* The copies outlive the settings; "" is as good as left out; without memory nothing is claimed. */
static void test_pool_settings(void **state)
{
    char region[] = "r4";
    const struct nsh_member members[] = {{"region", nsh_text(region)}, {"site", nsh_text("")}};
    const struct nsh_value settings = nsh_map(members, 2);
    const char *kept = "before", *site = "before", *left_out = "before";
    const struct nsh_pool_setting wanted[] = {
        {"region", &kept},
        {"site", &site},
        {"serial", &left_out},
    };
    struct nsh_pool pool = {0}, full = {.used_bytes = NSH_POOL_BYTES_MAX};
    struct nsh_error err = {0};
    (void)state;
    assert_int_equal(nsh_pool_settings(&full, &settings, wanted, 3, &err), -NSH_NOMEM);
    assert_string_equal(kept, "before");
    assert_int_equal(nsh_pool_settings(&pool, &settings, wanted, 3, &err), 0);
    region[0] = 'x';
    assert_string_equal(kept, "r4");
    assert_null(site);
    assert_null(left_out);
    nsh_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),          cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_many_doubles),  cmocka_unit_test(test_paths),
        cmocka_unit_test(test_write),         cmocka_unit_test(test_pool),
        cmocka_unit_test(test_pool_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
