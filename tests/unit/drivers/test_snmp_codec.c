/* SPDX-License-Identifier: Apache-2.0 */
/* SNMP messages byte by byte, and what a PDU's answer is taken for. */

#include "../unit.h"

#include "snmp_codec.h"

#include <string.h>

static const struct snmp_credentials v2c = {.version = "2c", .community = "public", .user = ""};
static const char system_oid[] = "1.3.6.1.2.1.1.2.0";

/* 30 26 | 02 01 01 | 04 06 public | a0 19 id 5, 0, 0 | sysObjectID.0 null */
static const uint8_t get_message[] = {0x30, 0x26, 0x02, 0x01, 0x01, 0x04, 0x06, 'p',  'u',  'b',
                                      'l',  'i',  'c',  0xa0, 0x19, 0x02, 0x01, 0x05, 0x02, 0x01,
                                      0x00, 0x02, 0x01, 0x00, 0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08,
                                      0x2b, 0x06, 0x01, 0x02, 0x01, 0x01, 0x02, 0x00, 0x05, 0x00};

static struct snmp_wire *wire_open(const struct snmp_credentials *credentials)
{
    struct snmp_wire *wire = NULL;
    struct nsh_error err = {0};
    assert_int_equal(snmp_wire_new(credentials, &wire, &err), 0);
    return wire;
}

static void builds_what_the_standard_says(void **state)
{
    struct snmp_wire *wire = wire_open(&v2c);
    struct snmp_ask ask = {.what = SNMP_GET};
    uint8_t out[SNMP_MESSAGE_MAX];
    int32_t id = 0;
    assert_true(snmp_oid_fill(system_oid, "", &ask.oid));
    assert_false(snmp_wire_discovers(wire));
    assert_int_equal(snmp_wire_build(wire, &ask, 5, out), sizeof get_message);
    assert_memory_equal(out, get_message, sizeof get_message);
    assert_true(snmp_message_id(out, sizeof get_message, &id));
    assert_int_equal(id, 5);
    snmp_wire_free(wire);
}

/* The same message as a response, with another value or error. */
static enum snmp_verdict response(struct snmp_wire *wire, uint8_t error, uint8_t type,
                                  struct snmp_answer *ret_answer)
{
    struct snmp_ask ask = {.what = SNMP_GET};
    struct nsh_error err = {0};
    uint8_t bytes[sizeof get_message];
    memcpy(bytes, get_message, sizeof bytes);
    bytes[13] = 0xa2;
    bytes[20] = error;
    bytes[38] = type; /* Of no bytes. */
    snmp_oid_fill(system_oid, "", &ask.oid);
    return snmp_wire_read(wire, &ask, 5, bytes, sizeof bytes, ret_answer, &err);
}

static void answers(void **state)
{
    struct snmp_wire *wire = wire_open(&v2c);
    struct snmp_answer answer = {0};
    assert_int_equal(response(wire, 0, 0x81, &answer), SNMP_ANSWERED); /* noSuchInstance */
    assert_int_equal(answer.kind, SNMP_MISSING);
    assert_int_equal(response(wire, 17, 0x05, &answer), SNMP_ANSWERED);
    assert_int_equal(answer.error, 17);
    assert_int_equal(response(wire, 0, 0x04, &answer), SNMP_ANSWERED); /* An empty text. */
    assert_int_equal(answer.kind, SNMP_TEXT);
    snmp_wire_free(wire);
}

/* Its own question, another id, another object, half a message: as if nothing had come. */
static void foreign(void **state)
{
    struct snmp_wire *wire = wire_open(&v2c);
    struct snmp_ask ask = {.what = SNMP_GET};
    struct snmp_answer answer;
    struct nsh_error err = {0};
    uint8_t bytes[sizeof get_message];
    snmp_oid_fill(system_oid, "", &ask.oid);
    memcpy(bytes, get_message, sizeof bytes);
    assert_int_equal(snmp_wire_read(wire, &ask, 5, bytes, sizeof bytes, &answer, &err),
                     SNMP_FOREIGN);
    bytes[13] = 0xa2;
    assert_int_equal(snmp_wire_read(wire, &ask, 6, bytes, sizeof bytes, &answer, &err),
                     SNMP_FOREIGN);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(snmp_wire_read(wire, &ask, 5, bytes, i, &answer, &err), SNMP_FOREIGN);
    }
    ask.oid.arcs[ask.oid.count - 1] = 1;
    assert_int_equal(snmp_wire_read(wire, &ask, 5, bytes, sizeof bytes, &answer, &err),
                     SNMP_FOREIGN);
    snmp_wire_free(wire);
}

static void identifiers(void **state)
{
    struct snmp_oid oid, with;
    assert_true(snmp_oid_fill("1.3.6.{}.0", "1.3", &oid));
    assert_int_equal(oid.count, 6);
    assert_int_equal(oid.arcs[4], 3);
    assert_true(snmp_oid_fill(".1.3.6", "", &with));
    assert_true(snmp_oid_begins(&oid, &with));
    assert_false(snmp_oid_begins(&with, &oid));
    static const char *const bad[] = {"",      "1",    "1.",           ".",    "1..3",
                                      "1.3.x", "1.-3", "1.4294967296", "1.3 ", "sysObjectID.0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (snmp_oid_fill(bad[i], "", &oid)) {
            fail_msg("'%s' is no object identifier", bad[i]);
        }
    }
}

static void a_v3_agent_is_asked_who_it_is_first(void **state)
{
    const struct snmp_credentials v3 = {.version = "3",
                                        .community = "",
                                        .user = "operator",
                                        .auth_protocol = "sha256",
                                        .auth_password = "authpass12",
                                        .priv_protocol = "aes",
                                        .priv_password = "privpass12"};
    const struct snmp_credentials none = {.version = "3",
                                          .community = "",
                                          .user = "operator",
                                          .priv_protocol = "aes",
                                          .priv_password = "privpass12"};
    struct snmp_wire *wire = wire_open(&v3), *no = NULL;
    struct snmp_ask ask = {.what = SNMP_SET_INTEGER, .value = 2};
    struct nsh_error err = {0};
    uint8_t out[SNMP_MESSAGE_MAX];
    snmp_oid_fill(system_oid, "", &ask.oid);
    assert_true(snmp_wire_discovers(wire));
    size_t count = snmp_wire_build(wire, &ask, 5, out);
    assert_in_range(count, 40, 80);
    assert_null(memmem(out, count, "operator", 8)); /* Nothing of it is told. */
    assert_int_equal(snmp_wire_new(&none, &no, &err), -NSH_INVALID);
    assert_null(no);
    snmp_wire_free(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_what_the_standard_says),
        cmocka_unit_test(answers),
        cmocka_unit_test(foreign),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(a_v3_agent_is_asked_who_it_is_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
