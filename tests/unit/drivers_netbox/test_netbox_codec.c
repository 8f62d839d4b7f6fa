/* SPDX-License-Identifier: Apache-2.0 */
/* How a token is sent, which answers are devices, how an entry is found again. */

#include "../unit.h"

#include "netbox_codec.h"

#include <string.h>

static void tokens(void **state)
{
    static const struct {
        const char *token, *header;
    } rows[] = {
        {"0123abcd", "Authorization: Token 0123abcd"},
        {"nbt_key.secret", "Authorization: Bearer nbt_key.secret"},
        {"", NULL},
        {"two words", NULL},
        {"line\r\nX: y", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        const char *header = netbox_authorization(&pool, rows[i].token);
        if ((header == NULL) != (rows[i].header == NULL) ||
            (header != NULL && strcmp(header, rows[i].header) != 0)) {
            fail_msg("'%s': %s", rows[i].token, header == NULL ? "none" : header);
        }
        nsh_pool_done(&pool);
    }
}

static void devices(void **state)
{
    static const char text[] =
        "{\"id\":17,\"name\":\"r1h01\",\"status\":{\"value\":\"active\"},\"device_role\":{"
        "\"slug\":\"web\"},\"url\":\"https://n/api/17/\",\"oob_ip\":{\"address\":\"10.9.0.3/"
        "24\"},\"primary_ip\":{\"address\":\"2001:db8::1/64\"},\"rack\":null}";
    static const char *const wrong[] = {
        "{\"id\":0,\"status\":{\"value\":\"active\"}}",
        "{\"id\":17,\"status\":\"active\"}",
        "{\"id\":17}",
        "[]",
    };
    struct nsh_pool pool = {0};
    struct nsh_value json;
    struct netbox_device device;

    (void)state;
    assert_int_equal(nsh_json_read(&pool, text, strlen(text), &json, NULL), 0);
    assert_int_equal(netbox_device_read(&json, &device, NULL), 0);
    assert_string_equal(device.role, "web"); /* As 3.x calls it. */
    assert_string_equal(device.bmc, "10.9.0.3");
    assert_string_equal(device.address, "2001:db8::1");
    assert_string_equal(device.url, "https://n/api/17/");
    assert_string_equal(device.rack, "");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(nsh_json_read(&pool, wrong[i], strlen(wrong[i]), &json, NULL), 0);
        assert_int_equal(netbox_device_read(&json, &device, NULL), -NSH_PROTOCOL);
    }
    nsh_pool_done(&pool);
}

static void marks(void **state)
{
    struct nsh_pool pool = {0};
    const char *mark = netbox_mark(&pool, "act-7");

    (void)state;
    assert_string_equal(mark, "[nightshift act-7]");
    assert_true(netbox_marked("off and on\n\n[nightshift act-7]", mark));
    assert_true(netbox_marked("off and on\n\n[nightshift act-7]\n", mark)); /* As editors do. */
    assert_false(netbox_marked("see [nightshift act-7] above", mark)); /* Somebody quotes it. */
    assert_false(netbox_marked("off\n\n[nightshift act-70]", mark));
    assert_false(netbox_marked("", mark));
    assert_null(strchr(netbox_mark(&pool, "a\nb"), '\n'));
    nsh_pool_done(&pool);
}

static void words(void **state)
{
    (void)state;
    assert_true(netbox_listed("active,staged", "staged"));
    assert_true(netbox_listed("active, staged", "active"));
    assert_false(netbox_listed("active,staged", "stage"));
    assert_false(netbox_listed("", ""));
    assert_int_equal(netbox_refusal_means(403, NSH_DENIED, "Invalid token"), NSH_AUTH);
    assert_int_equal(
        netbox_refusal_means(403, NSH_DENIED, "Authentication credentials were not provided."),
        NSH_AUTH);
    assert_int_equal(
        netbox_refusal_means(403, NSH_DENIED, "You do not have permission to perform this action."),
        NSH_DENIED);
    assert_int_equal(netbox_refusal_means(404, NSH_NOT_FOUND, "token"), NSH_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(devices),
        cmocka_unit_test(marks),
        cmocka_unit_test(words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
