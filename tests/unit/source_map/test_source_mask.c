/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in what senders tell: what is left of event.data. */

#include "../unit.h"

#include "base/json.h"
#include "source/map/source_map.h"
#include "source/map/source_mask.h"

#define OUT "\"left out\""

static const struct {
    const char *value, *kept, *why;
} rows[] = {
    {"{\"password\":\"x\"}", "{\"password\":" OUT "}", "a name"},
    {"{\"_context_auth_token\":\"x\",\"a\":1}", "{\"_context_auth_token\":" OUT ",\"a\":1}",
     "of a context, beside others"},
    {"{\"X-Auth-Token\":\"x\"}", "{\"X-Auth-Token\":" OUT "}", "of a header"},
    {"{\"adminPass\":\"x\"}", "{\"adminPass\":" OUT "}", "in any case"},
    {"{\"ipmi_password\":1234}", "{\"ipmi_password\":" OUT "}", "a number"},
    {"{\"auth_psk\":\"x\"}", "{\"auth_psk\":" OUT "}", "of a wireless net"},
    {"{\"a\":[{\"b\":{\"token\":\"x\"}}]}", "{\"a\":[{\"b\":{\"token\":" OUT "}}]}", "deep"},
    {"[[{\"secret\":\"x\"}],2]", "[[{\"secret\":" OUT "}],2]", "in lists"},
    {"{\"secret\":{\"name\":\"n\",\"private_key\":\"x\"}}",
     "{\"secret\":{\"name\":\"n\",\"private_key\":" OUT "}}", "an object is looked into"},
    {"{\"labels\":{\"secret\":\"tls\",\"token\":\"t\"},\"token\":\"x\"}",
     "{\"labels\":{\"secret\":\"tls\",\"token\":\"t\"},\"token\":" OUT "}", "labels are names"},
    {"{\"commonLabels\":{\"secret\":\"tls\"}}", "{\"commonLabels\":{\"secret\":\"tls\"}}",
     "labels of all"},
    {"{\"password\":null,\"passwd\":\"\",\"psk\":true}",
     "{\"password\":null,\"passwd\":\"\",\"psk\":true}", "that there is one is none"},
    {"{\"token_count\":3,\"secretary\":\"s\",\"my_token\":\"t\",\"tokens\":[1]}",
     "{\"token_count\":3,\"secretary\":\"s\",\"my_token\":\"t\",\"tokens\":[1]}",
     "names that only look like it"},
    {"7", "7", "no object"},
};

static void test_kept(void **state)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        struct nsh_value value, kept;
        assert_int_equal(json_parse(rows[i].value, strlen(rows[i].value), &arena, &value, NULL), 0);
        assert_true(source_mask(&value, &arena, &kept));
        json_write(&kept, &out);
        if (strcmp(out.at, rows[i].kept) != 0) {
            fail_msg("%s: %s", rows[i].why, out.at);
        }
    }
}

/* Of a message that no rule takes, of one whose rule makes no data, and of one whose data fails:
 * all of it is kept, but its secrets. */
static void test_of_events(void **state)
{
    static const char *const maps[] = {
        "map = { when = \"false\"; type = \"'x'\"; };",
        "map = { type = \"'x'\"; };",
        "map = { type = \"'x'\"; data = \"{'a': body.nothing}\"; };",
        "map = { type = \"'x'\"; data = \"body\"; };",
    };
    static const char body_json[] =
        "{\"payload\":{\"request_spec\":{\"context\":{\"auth_token\":\"sesame\"}}},\"n\":1}";
    for (size_t i = 0; i < ROWS(maps); i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct diags diags = {0};
        struct nsh_value body;
        struct source_events events;
        struct nsh_error err = {0};
        struct conf *root = conf_read_text("t.conf", maps[i], &arena, &diags);
        struct source_map *map = source_map_read(conf_get(root, "map"), &arena, &diags);
        assert_non_null(map);
        assert_int_equal(json_parse(body_json, sizeof body_json - 1, &arena, &body, &err), 0);
        const struct source_message message = {.body = &body, .name = "src", .received_ms = 7};
        assert_int_equal(source_map_run(map, &message, &arena, &events, &err), 0);
        assert_int_equal(events.count, 1);
        struct text data = events.items[0].data;
        assert_non_null(memmem(data.at, data.count, "left out", 8));
        assert_null(memmem(data.at, data.count, "sesame", 6));
        diags_done(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
