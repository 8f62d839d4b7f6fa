/* SPDX-License-Identifier: Apache-2.0 */
/* Traps and informs: sizes, ids, answers; the real receiver is in tests/integration/notify.sh. */

#include "../unit.h"

#include "notify_codec_snmp.h"

#include <string.h>

static const struct notify_snmp community = {.informs = true,
                                             .community = "public",
                                             .user = "",
                                             .auth_protocol = "sha256",
                                             .auth_password = "",
                                             .priv_protocol = "aes",
                                             .priv_password = "",
                                             .engine = "",
                                             .name = "nightshift",
                                             .enterprise = NOTIFY_ENTERPRISE};
static const struct notify_clocks clocks = {.up_ms = 5000, .unix_ms = INT64_C(1767225600000)};

static struct notify_notice notice_make(const char *text)
{
    return (struct notify_notice){.key = text,
                                  .token = text,
                                  .title = text,
                                  .text = text,
                                  .severity = "major",
                                  .team = text,
                                  .host = text,
                                  .policy = text,
                                  .run = text,
                                  .alarm = text,
                                  .reason = text};
}

static struct notify_wire *wire_of(const struct notify_snmp *from)
{
    struct notify_wire *wire = NULL;
    struct nsh_error err = {0};
    if (notify_wire_new(from, &wire, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return wire;
}

/* The longest texts there are fit one frame, signed and encrypted as well. */
static void the_longest_fits(void **state)
{
    char text[2000];
    uint8_t out[SNMP_MESSAGE_MAX];
    struct notify_snmp secret = community;
    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct notify_notice notice = notice_make(text);
    struct notify_wire *wire = wire_of(&community);
    size_t plain = notify_wire_build(wire, &notice, clocks, 7, out);
    assert_in_range(plain, 900, SNMP_MESSAGE_MAX);
    notify_wire_free(wire);

    secret.v3 = true;
    secret.informs = false;
    secret.user = "a-user-name-of-thirty-two-letters";
    secret.auth_protocol = "sha512";
    secret.auth_password = secret.priv_password = "correct horse";
    secret.engine = "0x80001f8804000102030405060708090a0b0c0d0e0f101112131415161718191a";
    secret.enterprise = "1.3.6.1.4.1.4294967295.4294967295.4294967295.4294967295";
    wire = wire_of(&secret);
    size_t hidden = notify_wire_build(wire, &notice, clocks, 7, out);
    assert_in_range(hidden, plain, SNMP_MESSAGE_MAX);
    notify_wire_free(wire);
}

static void answers(void **state)
{
    uint8_t out[SNMP_MESSAGE_MAX];
    struct notify_notice notice = notice_make("r1h01");
    struct notify_wire *wire = wire_of(&community);
    struct nsh_error err = {0};
    int32_t id = 0;
    (void)state;
    size_t count = notify_wire_build(wire, &notice, clocks, 4711, out);
    assert_true(snmp_message_id(out, count, &id));
    assert_int_equal(id, 4711);
    assert_int_equal(notify_wire_read(wire, 4711, out, count, &err), SNMP_FOREIGN);

    uint8_t *pdu = memchr(out, 0xa6, count); /* Of InformRequest: make it the Response. */
    assert_non_null(pdu);
    *pdu = 0xa2;
    assert_int_equal(notify_wire_read(wire, 4711, out, count, &err), SNMP_ANSWERED);
    assert_int_equal(notify_wire_read(wire, 4712, out, count, &err), SNMP_FOREIGN);
    for (size_t cut = 0; cut < count; cut++) {
        assert_int_equal(notify_wire_read(wire, 4711, out, cut, &err), SNMP_FOREIGN);
    }
    notify_wire_free(wire);
}

static void settings(void **state)
{
    static const struct {
        const char *auth, *priv, *engine, *enterprise, *words;
    } rows[] = {
        {"correct horse", "correct horse", "", NOTIFY_ENTERPRISE, NULL},
        {"correct horse", "", "0x8000000001", NOTIFY_ENTERPRISE, NULL},
        {"short", "", "", NOTIFY_ENTERPRISE, "auth_password: 8 characters at least, got 5"},
        {"", "correct horse", "", NOTIFY_ENTERPRISE, "priv_password: needs auth_password"},
        {"", "", "8000", NOTIFY_ENTERPRISE, "engine: want 0x"},
        {"", "", "0x800", NOTIFY_ENTERPRISE, "engine: want 0x"},
        {"", "", "", "1.3.6", "enterprise: want an object identifier"},
        {"", "", "", "1.3.6.1.4.1.x", "enterprise: want an object identifier"},
        {"", "", "", "1.3.6.1.4.1.4294967296", "enterprise: want an object identifier"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct notify_snmp from = community;
        struct notify_wire *wire = NULL;
        struct nsh_error err = {0};
        from.v3 = true;
        from.informs = false;
        from.user = "ns";
        from.auth_password = rows[i].auth;
        from.priv_password = rows[i].priv;
        from.engine = rows[i].engine;
        from.enterprise = rows[i].enterprise;
        int result = notify_wire_new(&from, &wire, &err);
        if ((result == 0) != (rows[i].words == NULL) ||
            (result < 0 && strstr(err.text, rows[i].words) == NULL)) {
            fail_msg("%zu: %d %s", i, result, err.text);
        }
        notify_wire_free(wire);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(answers),
        cmocka_unit_test(settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
