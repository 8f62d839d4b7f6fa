/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are API keys, the header that one makes, which answers are machines. */

#include "../unit.h"

#include "maas_codec.h"

#include <string.h>

static void keys(void **state)
{
    static const struct {
        const char *text, *why;
        bool good;
    } rows[] = {
        {"ck:tk:secret", "what MAAS shows", true},
        {"ck::secret", "no token", false},
        {":tk:secret", "no consumer", false},
        {"ck:tk:", "no secret", false},
        {"ck:tk", "two parts", false},
        {"ck:tk:se:cret", "four parts", false},
        {"ck:tk:sec ret", "a blank ends a header's word", false},
        {"ck:tk:secret\r\nX: y", "would add a header", false},
        {"", "nothing", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        struct maas_key key = {0};
        struct nsh_error err = {0};
        bool good = maas_key_read(&pool, rows[i].text, &key, &err) == 0;
        if (good != rows[i].good) {
            fail_msg("'%s' (%s): %s", rows[i].text, rows[i].why, err.text);
        }
        if (!good && rows[i].text[0] != '\0' && strstr(err.text, "secret") != NULL) {
            fail_msg("'%s' (%s): the error shows it: %s", rows[i].text, rows[i].why, err.text);
        }
        nsh_pool_done(&pool);
    }
}

/* As RFC 5849 has it: the signature is the empty consumer secret, '&', the token's secret. */
static void header(void **state)
{
    static const uint8_t nonce[MAAS_NONCE_BYTES] = {0x00, 0xff, 0x10};
    struct nsh_pool pool = {0};
    struct maas_key key = {"ck", "t/k", "se+cret"};

    (void)state;
    assert_string_equal(maas_authorization(&pool, &key, INT64_C(1767225600999), nonce),
                        "Authorization: OAuth oauth_version=\"1.0\", "
                        "oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"ck\", "
                        "oauth_token=\"t%2Fk\", oauth_signature=\"%26se%252Bcret\", "
                        "oauth_nonce=\"00ff1000000000000000000000000000\", "
                        "oauth_timestamp=\"1767225600\"");
    nsh_pool_done(&pool);
}

static void machines(void **state)
{
    static const struct {
        const char *json, *why;
        int result;
        enum maas_state wanted;
    } rows[] = {
        {"{\"system_id\":\"4y3h7n\",\"status\":6}", "the least", 0, MAAS_DEPLOYED},
        {"{\"system_id\":\"4y3h7n\",\"status\":22}", "the last state", 0, MAAS_FAILED_TESTING},
        {"{\"system_id\":\"4y3h7n\",\"status\":23}", "beyond it", -NSH_PROTOCOL, 0},
        {"{\"system_id\":\"4y3h7n\",\"status\":-1}", "before it", -NSH_PROTOCOL, 0},
        {"{\"system_id\":\"4y3h7n\"}", "no state", -NSH_PROTOCOL, 0},
        {"{\"system_id\":\"4y3h7n\",\"status\":\"6\"}", "a text", -NSH_PROTOCOL, 0},
        {"{\"system_id\":\"../users\",\"status\":6}", "leads elsewhere", -NSH_PROTOCOL, 0},
        {"{\"status\":6}", "no id", -NSH_PROTOCOL, 0},
        {"[]", "a list", -NSH_PROTOCOL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        struct nsh_value json;
        struct maas_machine machine;
        assert_int_equal(nsh_json_read(&pool, rows[i].json, strlen(rows[i].json), &json, NULL), 0);
        int result = maas_machine_read(&json, &machine, NULL);
        if (result != rows[i].result || (result == 0 && machine.state != rows[i].wanted)) {
            fail_msg("%s (%s): %d", rows[i].json, rows[i].why, result);
        }
        nsh_pool_done(&pool);
    }
}

static void unknown_serial(void **state)
{
    static const char text[] = "{\"system_id\":\"a1\",\"status\":4,\"fqdn\":\"r1h01.maas\","
                               "\"hostname\":\"r1h01\",\"hardware_info\":{\"system_serial\":"
                               "\"Unknown\"}}";
    struct nsh_pool pool = {0};
    struct nsh_value json;
    struct maas_machine machine;

    (void)state;
    assert_int_equal(nsh_json_read(&pool, text, strlen(text), &json, NULL), 0);
    assert_int_equal(maas_machine_read(&json, &machine, NULL), 0);
    assert_string_equal(machine.serial, ""); /* MAAS' word for none must not match anything. */
    assert_true(maas_machine_named(&json, "r1h01"));
    assert_true(maas_machine_named(&json, "r1h01.maas"));
    assert_false(maas_machine_named(&json, "r1h0"));
    assert_false(maas_machine_named(&json, "r1h01.lab"));
    nsh_pool_done(&pool);
}

static void refusals(void **state)
{
    (void)state;
    assert_int_equal(maas_refusal_means(409, NSH_CONFLICT, false, "wrong state"), NSH_CONFLICT);
    assert_int_equal(maas_refusal_means(409, NSH_CONFLICT, true, ""), NSH_BUSY);
    assert_int_equal(maas_refusal_means(409, NSH_CONFLICT, false,
                                        "Conflict error. Try your request again, as it will most "
                                        "likely succeed."),
                     NSH_BUSY);
    assert_int_equal(maas_refusal_means(503, NSH_BUSY, true, "in progress"), NSH_BUSY);
    assert_int_equal(maas_refusal_means(503, NSH_BUSY, false, "No available IP addresses"),
                     NSH_LIMIT);
    assert_int_equal(maas_refusal_means(403, NSH_DENIED, false, "Forbidden"), NSH_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),           cmocka_unit_test(header),   cmocka_unit_test(machines),
        cmocka_unit_test(unknown_serial), cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
