/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RMCP+ codec: its HMACs against a computation of our own over the same bytes, both ends of a
 * handshake against each other, and packets that are cut, changed or repeated.
 */

#include "../unit.h"

#include "ipmi_codec.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

struct pair {
    struct ipmi_handshake client, bmc;
    struct ipmi_session client_session, bmc_session;
};

static void handshakes_fill(struct pair *pair, uint8_t suite, const char *client_password)
{
    memset(pair, 0, sizeof *pair);
    pair->client = (struct ipmi_handshake){.suite = suite,
                                           .tag = 7,
                                           .role = 0x14,
                                           .user_bytes = 5,
                                           .user = "admin",
                                           .console_id = 0xa0a1a2a3};
    memcpy(pair->client.key, client_password, strlen(client_password));
    memset(pair->client.console_nonce, 0x11, IPMI_NONCE_BYTES);
    pair->bmc = (struct ipmi_handshake){.bmc_id = 0xb0b1b2b3};
    memcpy(pair->bmc.key, "secret", 6);
    memset(pair->bmc.bmc_nonce, 0x22, IPMI_NONCE_BYTES);
    memset(pair->bmc.guid, 0x33, IPMI_GUID_BYTES);
}

/* The whole set-up; the first result that is not 0. rakp2 is kept in out. */
static int handshake_run(struct pair *pair, uint8_t out[IPMI_DATAGRAM_MAX], size_t *ret_rakp2_bytes)
{
    struct ipmi_packet packet;
    uint8_t bytes[IPMI_DATAGRAM_MAX];
    size_t count = ipmi_client_open(&pair->client, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    assert_int_equal(ipmi_bmc_open(&pair->bmc, &packet, NULL), 0);
    count = ipmi_bmc_open_reply(&pair->bmc, IPMI_ADMINISTRATOR, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    int result = ipmi_client_open_reply(&pair->client, &packet, NULL);
    if (result < 0) {
        return result;
    }
    count = ipmi_client_rakp1(&pair->client, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    assert_int_equal(ipmi_bmc_rakp1(&pair->bmc, &packet, NULL), 0);
    *ret_rakp2_bytes = ipmi_bmc_rakp1_reply(&pair->bmc, out);
    assert_int_equal(ipmi_packet_parse(out, *ret_rakp2_bytes, &packet, NULL), 0);
    result = ipmi_client_rakp1_reply(&pair->client, &packet, NULL);
    if (result < 0) {
        return result;
    }
    count = ipmi_client_rakp3(&pair->client, IPMI_STATUS_OK, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    result = ipmi_bmc_rakp3(&pair->bmc, &packet, &pair->bmc_session, NULL);
    if (result < 0) {
        return result;
    }
    count = ipmi_bmc_rakp3_reply(&pair->bmc, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    return ipmi_client_rakp3_reply(&pair->client, &packet, &pair->client_session, NULL);
}

static const uint8_t suites[] = {IPMI_SUITE_SHA1, IPMI_SUITE_SHA256};

static void test_both_ends_agree(void **state)
{
    for (size_t i = 0; i < ROWS(suites); i++) {
        struct pair pair;
        uint8_t rakp2[IPMI_DATAGRAM_MAX];
        size_t count = 0;
        handshakes_fill(&pair, suites[i], "secret");
        assert_int_equal(handshake_run(&pair, rakp2, &count), 0);
        assert_memory_equal(pair.client_session.k1, pair.bmc_session.k1, IPMI_HASH_MAX);
        assert_memory_equal(pair.client_session.k2, pair.bmc_session.k2, 16);
        assert_int_equal(pair.client_session.peer_id, 0xb0b1b2b3);
        handshakes_fill(&pair, suites[i], "another");
        assert_int_equal(handshake_run(&pair, rakp2, &count), -NSH_AUTH);
    }
}

/* RAKP 2's code as IPMI 2.0 section 13.31 lays it out, put together here byte for byte. */
static void test_rakp2_code_is_the_specification_s(void **state)
{
    for (size_t i = 0; i < ROWS(suites); i++) {
        struct pair pair;
        uint8_t rakp2[IPMI_DATAGRAM_MAX], mac[EVP_MAX_MD_SIZE], mixed[63];
        uint8_t key[IPMI_KEY_BYTES] = "secret";
        size_t count = 0;
        unsigned mac_bytes = 0;
        const uint8_t ids[8] = {0xa3, 0xa2, 0xa1, 0xa0, 0xb3, 0xb2, 0xb1, 0xb0};
        const uint8_t name[7] = {0x14, 5, 'a', 'd', 'm', 'i', 'n'};
        handshakes_fill(&pair, suites[i], "secret");
        assert_int_equal(handshake_run(&pair, rakp2, &count), 0);
        memcpy(mixed, ids, 8);
        memset(mixed + 8, 0x11, 16);
        memset(mixed + 24, 0x22, 16);
        memset(mixed + 40, 0x33, 16);
        memcpy(mixed + 56, name, 7);
        HMAC(suites[i] == IPMI_SUITE_SHA1 ? EVP_sha1() : EVP_sha256(), key, sizeof key, mixed,
             sizeof mixed, mac, &mac_bytes);
        assert_int_equal(count, 16 + 40 + mac_bytes);
        assert_memory_equal(rakp2 + 16 + 40, mac, mac_bytes);
    }
}

static void test_sealed_opens_once_and_only_whole(void **state)
{
    static const uint8_t iv[16] = {9};
    for (size_t i = 0; i < ROWS(suites); i++) {
        struct pair pair;
        struct ipmi_packet packet;
        struct ipmi_message got, message = {.to = 0x20, .netfn = 0, .from = 0x81, .command = 2};
        uint8_t out[IPMI_DATAGRAM_MAX], changed[IPMI_DATAGRAM_MAX], scratch[IPMI_DATAGRAM_MAX];
        size_t rakp2_bytes = 0;
        handshakes_fill(&pair, suites[i], "secret");
        assert_int_equal(handshake_run(&pair, out, &rakp2_bytes), 0);
        size_t count = ipmi_session_seal(&pair.client_session, iv, &message, out);
        for (size_t at = 4; at < count; at++) { /* What the code covers, and the code. */
            memcpy(changed, out, count);
            changed[at] ^= 1;
            if (ipmi_packet_parse(changed, count, &packet, NULL) == 0) {
                assert_true(ipmi_session_open(&pair.bmc_session, &packet, scratch, &got, NULL) < 0);
            }
        }
        for (size_t cut = 0; cut < count; cut++) {
            if (ipmi_packet_parse(out, cut, &packet, NULL) == 0) {
                assert_true(ipmi_session_open(&pair.bmc_session, &packet, scratch, &got, NULL) < 0);
            }
        }
        assert_int_equal(ipmi_packet_parse(out, count, &packet, NULL), 0);
        assert_int_equal(ipmi_session_open(&pair.bmc_session, &packet, scratch, &got, NULL), 0);
        assert_int_equal(got.command, 2);
        assert_int_equal(ipmi_session_open(&pair.bmc_session, &packet, scratch, &got, NULL),
                         -NSH_EXISTS);
    }
}

static void test_a_downgrade_is_refused(void **state)
{
    struct pair pair;
    struct ipmi_packet packet;
    uint8_t bytes[IPMI_DATAGRAM_MAX];
    handshakes_fill(&pair, IPMI_SUITE_SHA256, "secret");
    size_t count = ipmi_client_open(&pair.client, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    assert_int_equal(ipmi_bmc_open(&pair.bmc, &packet, NULL), 0);
    pair.bmc.suite = IPMI_SUITE_SHA1; /* The BMC, or somebody between, answers with less. */
    count = ipmi_bmc_open_reply(&pair.bmc, IPMI_ADMINISTRATOR, bytes);
    assert_int_equal(ipmi_packet_parse(bytes, count, &packet, NULL), 0);
    assert_int_equal(ipmi_client_open_reply(&pair.client, &packet, NULL), -NSH_PROTOCOL);
}

static void test_codes(void **state)
{
    static const struct {
        uint8_t completion;
        enum nsh_code code;
        const char *why;
    } rows[] = {
        {0xC0, NSH_BUSY, "node busy: nothing was done, come back"},
        {0xD4, NSH_DENIED, "insufficient privilege"},
        {0xD5, NSH_CONFLICT, "not in this state: a reset of a host that is off"},
        {0xC1, NSH_UNSUPPORTED, "no such command"},
        {0x7E, NSH_REFUSED, "an OEM code: an error without a name is a refusal"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (ipmi_completion_code(rows[i].completion) != rows[i].code) {
            fail_msg("%02x: %s", rows[i].completion, rows[i].why);
        }
    }
    assert_int_equal(ipmi_status_code(IPMI_STATUS_NO_SUITE), NSH_UNSUPPORTED);
    assert_int_equal(ipmi_status_code(IPMI_STATUS_INTEGRITY), NSH_AUTH);
    assert_int_equal(ipmi_status_code(IPMI_STATUS_NO_RESOURCES), NSH_BUSY);
}

static void test_guids_in_any_order(void **state)
{
    static const char *const told[] = {
        "00112233-4455-6677-8899-aabbccddeeff", /* RFC 4122 */
        "33221100-5544-7766-8899-aabbccddeeff", /* SMBIOS */
        "ffeeddccbbaa99887766554433221100",     /* reversed */
    };
    uint8_t uuid[16], guid[16];
    assert_true(ipmi_guid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", uuid));
    for (size_t i = 0; i < ROWS(told); i++) {
        assert_true(ipmi_guid_parse(told[i], guid));
        assert_true(ipmi_guid_is(guid, uuid));
    }
    guid[3] ^= 1;
    assert_false(ipmi_guid_is(guid, uuid));
    assert_false(ipmi_guid_parse("00112233", guid));
    assert_false(ipmi_guid_parse("0011223344556677889900aabbccddeeff", guid));
    assert_false(ipmi_guid_parse("zz112233-4455-6677-8899-aabbccddeeff", guid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends_agree),
        cmocka_unit_test(test_rakp2_code_is_the_specification_s),
        cmocka_unit_test(test_sealed_opens_once_and_only_whole),
        cmocka_unit_test(test_a_downgrade_is_refused),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_guids_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
