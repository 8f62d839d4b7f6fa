/* SPDX-License-Identifier: Apache-2.0 */
#include "notify_codec_snmp.h"

#include "abi/snmp/snmp_pdu.h"

#include <stdlib.h>
#include <string.h>

#define ARCS_MAX 32
#define EPOCH_S                                                                                    \
    1600000000 /* Seconds since then are our engine's time, of its only boot: until 2088. */

struct notify_wire {
    struct snmp_peer peer;
    bool v3, informs;
    oid base[ARCS_MAX];
    size_t base_count;
};

static int nibble(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Our engine id, as configured or made: enterprise 8072 (the arc our MIB is below), "text", name.
 */
static int engine_set(struct notify_wire *wire, const struct notify_snmp *from,
                      struct nsh_error *err)
{
    uint8_t id[SNMP_ENGINE_BYTES_MAX] = {0x80, 0x00, 0x1f, 0x88, 0x04};
    size_t count = 5;
    const char *at = from->engine;
    if (at[0] == '\0') {
        for (at = from->name; *at != '\0' && count < sizeof id; at++) {
            id[count++] = (uint8_t)*at;
        }
    } else {
        bool good = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
        count = 0;
        for (at += 2; good && *at != '\0'; at += 2) {
            int high = nibble(at[0]), low = high < 0 ? -1 : nibble(at[1]);
            good = low >= 0 && count < sizeof id;
            if (good) {
                id[count++] = (uint8_t)(high * 16 + low);
            }
        }
        if (!good || count < 5) {
            return nsh_fail(err, NSH_INVALID, "engine: want 0x and 5 to 32 bytes in hex, got %.80s",
                            from->engine);
        }
    }
    return snmp_peer_authority(&wire->peer, id, count, err);
}

static int base_set(struct notify_wire *wire, const char *text, struct nsh_error *err)
{
    const char *at = text[0] == '.' ? text + 1 : text;
    for (;;) {
        char *end = NULL;
        unsigned long arc = *at < '0' || *at > '9' ? ULONG_MAX : strtoul(at, &end, 10);
        if (arc > UINT32_MAX || wire->base_count == ARCS_MAX - 4) {
            break;
        }
        wire->base[wire->base_count++] = arc;
        if (*end == '\0' && wire->base_count >= 7) {
            return 0;
        }
        if (*end != '.') {
            break;
        }
        at = end + 1;
    }
    return nsh_fail(err, NSH_INVALID,
                    "enterprise: want an object identifier such as 1.3.6.1.4.1.99999.1, got %.80s",
                    text);
}

static const char *password_of(const char *password)
{
    return password[0] == '\0' ? NULL : password;
}

int notify_wire_new(const struct notify_snmp *from, struct notify_wire **ret_wire,
                    struct nsh_error *err)
{
    const struct snmp_credentials credentials = {
        .version = from->v3 ? "3" : "2c",
        .community = from->community,
        .user = from->user,
        .auth_protocol = from->auth_protocol,
        .auth_password = password_of(from->auth_password),
        .priv_protocol = from->priv_protocol,
        .priv_password = password_of(from->priv_password),
    };
    struct notify_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    wire->v3 = from->v3;
    wire->informs = from->informs;
    int result = base_set(wire, from->enterprise, err);
    if (result == 0) {
        result = snmp_peer_open(&wire->peer, &credentials, err);
    }
    if (result == 0 && from->v3 && !from->informs) {
        result = engine_set(wire, from, err);
    }
    if (result < 0) {
        notify_wire_free(wire);
        return result;
    }
    *ret_wire = wire;
    return 0;
}

void notify_wire_free(struct notify_wire *wire)
{
    if (wire != NULL) {
        snmp_peer_close(&wire->peer);
        free(wire);
    }
}

bool notify_wire_discovers(const struct notify_wire *wire)
{
    return !wire->peer.discovered;
}

void notify_wire_forget(struct notify_wire *wire)
{
    snmp_peer_forget(&wire->peer);
}

/* ---- building ---- */

static bool text_add(netsnmp_pdu *pdu, struct notify_wire *wire, oid column, const char *text,
                     size_t bytes_max)
{
    struct nsh_pool pool = {0};
    const char *cut = notify_cut(&pool, text, bytes_max);
    size_t count = wire->base_count;
    wire->base[count++] = 1;
    wire->base[count++] = column;
    wire->base[count++] = 0;
    bool good = cut != NULL && snmp_pdu_add_variable(pdu, wire->base, count, ASN_OCTET_STR, cut,
                                                     strlen(cut)) != NULL;
    nsh_pool_done(&pool);
    return good;
}

static bool number_add(netsnmp_pdu *pdu, struct notify_wire *wire, oid column, long value)
{
    size_t count = wire->base_count;
    wire->base[count++] = 1;
    wire->base[count++] = column;
    wire->base[count++] = 0;
    return snmp_pdu_add_variable(pdu, wire->base, count, ASN_INTEGER, &value, sizeof value) != NULL;
}

/* The columns of NIGHTSHIFT-MIB, in its order; together they fit the message. */
static bool objects_add(netsnmp_pdu *pdu, struct notify_wire *wire,
                        const struct notify_notice *notice, int64_t up_ms)
{
    static const oid up_time[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
    static const oid trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
    long ticks = (long)((up_ms / 10) & 0xffffffff);
    size_t count = wire->base_count;
    wire->base[count++] = 0;
    wire->base[count++] = notice->resolved ? 2 : 1;
    return snmp_pdu_add_variable(pdu, up_time, 9, ASN_TIMETICKS, &ticks, sizeof ticks) != NULL &&
           snmp_pdu_add_variable(pdu, trap_oid, 11, ASN_OBJECT_ID, wire->base,
                                 count * sizeof wire->base[0]) != NULL &&
           text_add(pdu, wire, 1, notice->key, NOTIFY_KEY_BYTES_MAX) &&
           number_add(pdu, wire, 2, (long)notify_severity(notice) + 1) &&
           text_add(pdu, wire, 3, notice->title, 120) &&
           text_add(pdu, wire, 4, notice->text, 200) && text_add(pdu, wire, 5, notice->host, 64) &&
           text_add(pdu, wire, 6, notice->policy, 64) && text_add(pdu, wire, 7, notice->run, 32) &&
           text_add(pdu, wire, 8, notice->alarm, 32) &&
           text_add(pdu, wire, 9, notice->reason, 120) &&
           text_add(pdu, wire, 10, notice->token, 32);
}

static void clock_set(struct notify_wire *wire, struct notify_clocks clocks)
{
    netsnmp_session *session = &wire->peer.session;
    int64_t now_s = clocks.unix_ms / 1000;
    set_enginetime(session->securityEngineID, (u_int)session->securityEngineIDLen, 1,
                   now_s > EPOCH_S ? (u_int)(now_s - EPOCH_S) : 0, TRUE);
}

size_t notify_wire_build(struct notify_wire *wire, const struct notify_notice *notice,
                         struct notify_clocks clocks, int32_t id, uint8_t out[SNMP_MESSAGE_MAX])
{
    netsnmp_pdu *pdu = snmp_peer_pdu(&wire->peer, wire->informs ? SNMP_MSG_INFORM : SNMP_MSG_TRAP2);
    if (pdu == NULL) {
        return 0;
    }
    if (wire->v3 && !wire->informs) {
        clock_set(wire, clocks);
    }
    size_t count = !wire->peer.discovered || objects_add(pdu, wire, notice, clocks.up_ms)
                       ? snmp_peer_build(&wire->peer, pdu, id, out)
                       : 0;
    snmp_free_pdu(pdu);
    return count;
}

/* ---- reading ---- */

static enum snmp_verdict status_judge(long status, struct nsh_error *err)
{
    if (status < 0 || status > MAX_SNMP_ERR) {
        return SNMP_FOREIGN; /* Damaged. */
    }
    if (status != 0) {
        nsh_fail(err, NSH_REFUSED, "%s", snmp_errstring((int)status));
        return SNMP_REFUSED;
    }
    return SNMP_ANSWERED;
}

enum snmp_verdict notify_wire_read(struct notify_wire *wire, int32_t id, const uint8_t *bytes,
                                   size_t bytes_count, struct nsh_error *err)
{
    netsnmp_pdu *pdu = NULL;
    enum snmp_verdict verdict = snmp_peer_read(&wire->peer, id, bytes, bytes_count, &pdu, err);
    if (verdict == SNMP_ANSWERED) {
        verdict = status_judge(pdu->errstat, err);
        snmp_free_pdu(pdu);
    }
    return verdict;
}
