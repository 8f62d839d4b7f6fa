/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers that speak SNMP share: the keys a v3 message is signed with. */

#include "../unit.h"

#include "abi/snmp/snmp_pdu.h"

#include <string.h>

static const uint8_t engine[] = {0x80, 0x00, 0x1f, 0x88, 0x04, 'p', 'd', 'u'};

static struct snmp_credentials with_password(const char *password)
{
    return (struct snmp_credentials){.version = "3",
                                     .community = "",
                                     .user = "operator",
                                     .auth_protocol = "sha",
                                     .auth_password = password};
}

static void peer_open(struct snmp_peer *peer, const char *password)
{
    const struct snmp_credentials from = with_password(password);
    struct nsh_error err = {0};
    memset(peer, 0, sizeof *peer);
    if (snmp_peer_open(peer, &from, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static size_t get_build(struct snmp_peer *peer, uint8_t out[SNMP_MESSAGE_MAX])
{
    static const oid name[] = {1, 3, 6, 1, 2, 1, 1, 2, 0};
    netsnmp_pdu *pdu = snmp_peer_pdu(peer, SNMP_MSG_GET);
    assert_non_null(pdu);
    if (peer->discovered) {
        assert_non_null(snmp_add_null_var(pdu, name, sizeof name / sizeof name[0]));
    }
    size_t count = snmp_peer_build(peer, pdu, 5, out);
    snmp_free_pdu(pdu);
    assert_true(count > 0);
    return count;
}

/* The agent's report "unknown engine id" to the discovery message with id 5. */
static void engine_tell(struct snmp_peer *peer)
{
    static const oid unknown[] = {1, 3, 6, 1, 6, 3, 15, 1, 1, 4, 0};
    netsnmp_session agent = {.version = SNMP_VERSION_3,
                             .sndMsgMaxSize = SNMP_MESSAGE_MAX,
                             .rcvMsgMaxSize = SNMP_MAX_MSG_SIZE,
                             .isAuthoritative = SNMP_SESS_AUTHORITATIVE};
    long counter = 1;
    netsnmp_pdu *report = snmp_pdu_create(SNMP_MSG_REPORT), *answer = NULL;
    size_t room = SNMP_MESSAGE_MAX, count = 0;
    u_char *packet = malloc(room);
    struct nsh_error err = {0};
    assert_non_null(report);
    assert_non_null(packet);
    report->version = SNMP_VERSION_3;
    report->securityModel = SNMP_SEC_MODEL_USM;
    report->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
    report->securityName = strdup("");
    report->securityEngineID = netsnmp_memdup(engine, sizeof engine);
    report->securityEngineIDLen = sizeof engine;
    report->contextEngineID = netsnmp_memdup(engine, sizeof engine);
    report->contextEngineIDLen = sizeof engine;
    report->contextName = strdup("");
    report->reqid = report->msgid = 5;
    assert_non_null(snmp_pdu_add_variable(report, unknown, sizeof unknown / sizeof unknown[0],
                                          ASN_COUNTER, &counter, sizeof counter));
    assert_int_equal(snmp_build(&packet, &room, &count, &agent, report), 0);
    assert_int_equal(snmp_peer_read(peer, 5, packet + room - count, count, &answer, &err),
                     SNMP_LEARNED);
    assert_null(answer);
    free(packet);
    snmp_free_pdu(report);
}

/* The same engine time in each message: what differs then is the key alone. */
static size_t signed_build(struct snmp_peer *peer, uint8_t out[SNMP_MESSAGE_MAX])
{
    for (int i = 0; i < 10; i++) {
        u_int boots = 0, time_s = 0;
        assert_int_equal(set_enginetime(engine, sizeof engine, 1, 100, TRUE), SNMPERR_SUCCESS);
        size_t count = get_build(peer, out);
        assert_int_equal(get_enginetime(engine, sizeof engine, &boots, &time_s, TRUE),
                         SNMPERR_SUCCESS);
        if (time_s == 100) {
            return count;
        }
    }
    fail_msg("a message takes longer than a second");
    return 0;
}

/* What a peer that opens with this password writes once it knows the agent. */
static void learned_build(struct snmp_peer *peer, const char *password,
                          uint8_t out[SNMP_MESSAGE_MAX], size_t *ret_count)
{
    peer_open(peer, password);
    assert_false(peer->discovered);
    get_build(peer, out);
    engine_tell(peer);
    assert_true(peer->discovered);
    *ret_count = signed_build(peer, out);
}

/* A password changed and the settings were read again: the old device may still be open, and its
 * user is in the process-wide table. */
static void the_newest_password_signs(void **state)
{
    uint8_t old[SNMP_MESSAGE_MAX], changed[SNMP_MESSAGE_MAX], back[SNMP_MESSAGE_MAX];
    size_t old_count, changed_count, back_count;
    struct snmp_peer first, second, third;
    (void)state;
    learned_build(&first, "the old password", old, &old_count);
    learned_build(&second, "the new password", changed, &changed_count);
    assert_int_equal(old_count, changed_count);
    if (memcmp(old, changed, old_count) == 0) {
        fail_msg("the second session signs with the first one's key");
    }
    /* Nothing else differs: with the first password again the message is the first one. */
    learned_build(&third, "the old password", back, &back_count);
    assert_int_equal(back_count, old_count);
    assert_memory_equal(back, old, old_count);
    snmp_peer_close(&first);
    snmp_peer_close(&second);
    snmp_peer_close(&third);
}

/* The same of traps, where we are the authority. */
static void the_newest_password_signs_traps(void **state)
{
    static const char *const passwords[] = {"the old password", "the new password"};
    uint8_t out[2][SNMP_MESSAGE_MAX];
    struct snmp_peer peers[2];
    size_t counts[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct nsh_error err = {0};
        peer_open(&peers[i], passwords[i]);
        assert_int_equal(snmp_peer_authority(&peers[i], engine, sizeof engine, &err), 0);
        assert_true(peers[i].discovered);
        snmp_peer_forget(&peers[i]); /* Nobody is to be asked. */
        assert_true(peers[i].discovered);
        counts[i] = signed_build(&peers[i], out[i]);
    }
    assert_int_equal(counts[0], counts[1]);
    assert_memory_not_equal(out[0], out[1], counts[0]);
    snmp_peer_close(&peers[0]);
    snmp_peer_close(&peers[1]);
}

/* Another machine may have its address by now: it is asked again, and its user is made again. */
static void what_was_forgotten_is_learned_again(void **state)
{
    uint8_t first[SNMP_MESSAGE_MAX], again[SNMP_MESSAGE_MAX];
    size_t first_count;
    struct snmp_peer peer;
    (void)state;
    learned_build(&peer, "the old password", first, &first_count);
    snmp_peer_forget(&peer);
    assert_false(peer.discovered);
    get_build(&peer, again);
    engine_tell(&peer);
    assert_true(peer.discovered);
    assert_int_equal(signed_build(&peer, again), first_count);
    assert_memory_equal(again, first, first_count);
    snmp_peer_close(&peer);
}

/* A peer made like another signs with the same keys, although nobody told it the password. */
static void the_same_credentials_are_made_once(void **state)
{
    uint8_t first[SNMP_MESSAGE_MAX], second[SNMP_MESSAGE_MAX];
    size_t first_count;
    struct snmp_peer peer, like = {0};
    struct nsh_error err = {0};
    (void)state;
    learned_build(&peer, "the old password", first, &first_count);
    assert_int_equal(snmp_peer_open_like(&like, &peer, &err), 0);
    assert_false(like.discovered);
    get_build(&like, second);
    engine_tell(&like);
    assert_int_equal(signed_build(&like, second), first_count);
    assert_memory_equal(first, second, first_count);
    snmp_peer_close(&peer);
    snmp_peer_close(&like);
}

static void passwords(void **state)
{
    static const struct {
        const char *auth, *priv, *words;
        int code;
    } rows[] = {
        {"correct horse", "correct horse", "", 0},
        {NULL, NULL, "", 0},
        {"short", NULL, "auth_password: 8 characters at least, got 5", -NSH_INVALID},
        {"", NULL, "auth_password: 8 characters at least, got 0", -NSH_INVALID},
        {"correct horse", "short", "priv_password: 8 characters at least", -NSH_INVALID},
        {NULL, "correct horse", "priv_password: needs auth_password", -NSH_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct snmp_credentials from = with_password(rows[i].auth);
        struct snmp_peer peer = {0};
        struct nsh_error err = {0};
        from.priv_protocol = "aes";
        from.priv_password = rows[i].priv;
        int result = snmp_peer_open(&peer, &from, &err);
        if (result != rows[i].code || strstr(err.text, rows[i].words) == NULL) {
            fail_msg("%zu: %d %s", i, result, err.text);
        }
        snmp_peer_close(&peer); /* After a failure as well. */
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_password_signs),
        cmocka_unit_test(the_newest_password_signs_traps),
        cmocka_unit_test(what_was_forgotten_is_learned_again),
        cmocka_unit_test(the_same_credentials_are_made_once),
        cmocka_unit_test(passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
