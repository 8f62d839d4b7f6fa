/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPMI 2.0 over LAN, bytes <-> values. All multi-byte fields are little-endian; nonces and GUIDs
 * are used in wire order. Bounds: every length read from a packet is checked against the packet
 * before it is used.
 */

#include "ipmi_codec.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define RMCP_VERSION 0x06
#define RMCP_CLASS_IPMI 0x07
#define RMCP_HEADER_BYTES 4
#define FORMAT_PLAIN 0x00
#define FORMAT_RMCPP 0x06
#define PLUS_HEADER_BYTES 16
#define PLAIN_HEADER_BYTES 14
#define FLAG_ENCRYPTED 0x80
#define FLAG_AUTHENTICATED 0x40
#define NEXT_HEADER 0x07
#define AES_BLOCK 16
#define CODE_BYTES_MAX 16

/* One row for each cipher suite spoken. */
static const struct suite {
    uint8_t id, authentication, integrity;
    uint8_t hash_bytes, code_bytes;
} suites[] = {
    {IPMI_SUITE_SHA256, 3, 4, 32, 16},
    {IPMI_SUITE_SHA1, 1, 1, 20, 12},
};

static const struct suite *suite_of(uint8_t id)
{
    return &suites[id == IPMI_SUITE_SHA256 ? 0 : 1];
}

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value);
    put_u16(at + 2, value >> 16);
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A run of bytes being put together for a hash; sized for the longest one the protocol knows (98
 * bytes). */
struct mix {
    uint8_t bytes[128];
    size_t count;
};

static void mix_add(struct mix *mix, const void *bytes, size_t bytes_count)
{
    memcpy(mix->bytes + mix->count, bytes, bytes_count);
    mix->count += bytes_count;
}

static void mix_u32(struct mix *mix, uint32_t value)
{
    put_u32(mix->bytes + mix->count, value);
    mix->count += 4;
}

static void mix_name(struct mix *mix, const struct ipmi_handshake *handshake)
{
    mix->bytes[mix->count++] = handshake->role;
    mix->bytes[mix->count++] = handshake->user_bytes;
    mix_add(mix, handshake->user, handshake->user_bytes);
}

/* false: the crypto library failed, for want of memory; what it left is no code. */
static bool suite_hmac(const struct suite *suite, const uint8_t *key, size_t key_bytes,
                       const void *bytes, size_t bytes_count, uint8_t out[IPMI_HASH_MAX])
{
    unsigned out_bytes = IPMI_HASH_MAX;
    const EVP_MD *digest = suite->id == IPMI_SUITE_SHA256 ? EVP_sha256() : EVP_sha1();

    memset(out, 0, IPMI_HASH_MAX);
    return HMAC(digest, key, (int)key_bytes, bytes, bytes_count, out, &out_bytes) != NULL;
}

static int no_crypto(struct nsh_error *err)
{
    return nsh_fail(err, NSH_NOMEM, "the crypto library failed: out of memory");
}

/* ---- datagrams -------------------------------------------------------------------------- */

static int packet_parse_plain(struct ipmi_packet *packet, struct nsh_error *err)
{
    if (packet->bytes_count < PLAIN_HEADER_BYTES) {
        return nsh_fail(err, NSH_PROTOCOL, "packet of %zu bytes, need %d", packet->bytes_count,
                        PLAIN_HEADER_BYTES);
    }
    packet->plain = true;
    packet->sequence = get_u32(packet->bytes + 5);
    packet->session_id = get_u32(packet->bytes + 9);
    packet->payload_bytes = packet->bytes[13];
    packet->payload = packet->bytes + PLAIN_HEADER_BYTES;
    if (packet->payload_bytes > packet->bytes_count - PLAIN_HEADER_BYTES) {
        return nsh_fail(err, NSH_PROTOCOL, "packet promises %zu bytes of message and has %zu",
                        packet->payload_bytes, packet->bytes_count - PLAIN_HEADER_BYTES);
    }
    return 0;
}

int ipmi_packet_parse(const uint8_t *bytes, size_t bytes_count, struct ipmi_packet *ret_packet,
                      struct nsh_error *err)
{
    struct ipmi_packet packet = {.bytes = bytes, .bytes_count = bytes_count};

    if (bytes_count <= RMCP_HEADER_BYTES || bytes[0] != RMCP_VERSION ||
        bytes[3] != RMCP_CLASS_IPMI) {
        return nsh_fail(err, NSH_PROTOCOL, "not an RMCP packet of class IPMI");
    }
    if (bytes[4] == FORMAT_PLAIN) {
        int result = packet_parse_plain(&packet, err);
        if (result == 0) {
            *ret_packet = packet;
        }
        return result;
    }
    if (bytes[4] != FORMAT_RMCPP) {
        return nsh_fail(err, NSH_PROTOCOL, "authentication type %02xh, only RMCP+ is spoken",
                        bytes[4]);
    }
    if (bytes_count < PLUS_HEADER_BYTES) {
        return nsh_fail(err, NSH_PROTOCOL, "packet of %zu bytes, need %d", bytes_count,
                        PLUS_HEADER_BYTES);
    }
    packet.encrypted = (bytes[5] & FLAG_ENCRYPTED) != 0;
    packet.authenticated = (bytes[5] & FLAG_AUTHENTICATED) != 0;
    packet.payload_type = bytes[5] & 0x3f;
    packet.session_id = get_u32(bytes + 6);
    packet.sequence = get_u32(bytes + 10);
    packet.payload_bytes = (size_t)bytes[14] | (size_t)bytes[15] << 8;
    packet.payload = bytes + PLUS_HEADER_BYTES;
    if (packet.payload_bytes > bytes_count - PLUS_HEADER_BYTES) {
        return nsh_fail(err, NSH_PROTOCOL, "packet promises %zu bytes of payload and has %zu",
                        packet.payload_bytes, bytes_count - PLUS_HEADER_BYTES);
    }
    *ret_packet = packet;
    return 0;
}

static size_t plus_header(uint8_t *out, uint8_t type, uint32_t session_id, uint32_t sequence,
                          size_t payload_bytes)
{
    out[0] = RMCP_VERSION;
    out[1] = 0x00;
    out[2] = 0xff;
    out[3] = RMCP_CLASS_IPMI;
    out[4] = FORMAT_RMCPP;
    out[5] = type;
    put_u32(out + 6, session_id);
    put_u32(out + 10, sequence);
    put_u16(out + 14, payload_bytes);
    return PLUS_HEADER_BYTES + payload_bytes;
}

/* ---- messages --------------------------------------------------------------------------- */

static uint8_t checksum(const uint8_t *bytes, size_t bytes_count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < bytes_count; i++) {
        sum += bytes[i];
    }
    return (uint8_t)(0x100u - (sum & 0xffu));
}

size_t ipmi_message_build(const struct ipmi_message *message, uint8_t out[IPMI_MESSAGE_MAX])
{
    out[0] = message->to;
    out[1] = (uint8_t)(message->netfn << 2 | (message->lun & 3));
    out[2] = checksum(out, 2);
    out[3] = message->from;
    out[4] = (uint8_t)(message->sequence << 2);
    out[5] = message->command;
    if (message->data_bytes > 0) {
        memcpy(out + 6, message->data, message->data_bytes);
    }
    out[6 + message->data_bytes] = checksum(out + 3, 3 + message->data_bytes);
    return 7 + message->data_bytes;
}

int ipmi_message_parse(const uint8_t *bytes, size_t bytes_count, struct ipmi_message *ret_message,
                       struct nsh_error *err)
{
    if (bytes_count < 7 || bytes_count > IPMI_MESSAGE_MAX) {
        return nsh_fail(err, NSH_PROTOCOL, "IPMI message of %zu bytes, need 7 to %d", bytes_count,
                        IPMI_MESSAGE_MAX);
    }
    if (checksum(bytes, 3) != 0 || checksum(bytes + 3, bytes_count - 3) != 0) {
        return nsh_fail(err, NSH_PROTOCOL, "IPMI message with a wrong checksum");
    }
    *ret_message = (struct ipmi_message){
        .to = bytes[0],
        .netfn = bytes[1] >> 2,
        .lun = bytes[1] & 3,
        .from = bytes[3],
        .sequence = bytes[4] >> 2,
        .command = bytes[5],
        .data = bytes + 6,
        .data_bytes = bytes_count - 7,
    };
    return 0;
}

size_t ipmi_clear_build(const struct ipmi_message *message, bool plain,
                        uint8_t out[IPMI_DATAGRAM_MAX])
{
    static const uint8_t head[PLAIN_HEADER_BYTES] = {RMCP_VERSION, 0x00, 0xff, RMCP_CLASS_IPMI,
                                                     FORMAT_PLAIN};
    uint8_t bytes[IPMI_MESSAGE_MAX];
    size_t bytes_count = ipmi_message_build(message, bytes);
    size_t head_bytes = plain ? PLAIN_HEADER_BYTES : PLUS_HEADER_BYTES;

    if (plain) {
        memcpy(out, head, sizeof head);
        out[13] = (uint8_t)bytes_count;
    } else {
        plus_header(out, IPMI_PAYLOAD_MESSAGE, 0, 0, bytes_count);
    }
    memcpy(out + head_bytes, bytes, bytes_count);
    return head_bytes + bytes_count;
}

/* ---- active sessions -------------------------------------------------------------------- */

static bool session_cipher(const struct ipmi_session *session, bool encrypt, const uint8_t *iv,
                           const uint8_t *in, size_t bytes_count, uint8_t *out)
{
    int out_bytes = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool good =
        context != NULL &&
        EVP_CipherInit_ex(context, EVP_aes_128_cbc(), NULL, session->k2, iv, encrypt) == 1 &&
        EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
        EVP_CipherUpdate(context, out, &out_bytes, in, (int)bytes_count) == 1 &&
        (size_t)out_bytes == bytes_count;

    EVP_CIPHER_CTX_free(context);
    return good;
}

size_t ipmi_session_seal(struct ipmi_session *session, const uint8_t iv[16],
                         const struct ipmi_message *message, uint8_t out[IPMI_DATAGRAM_MAX])
{
    const struct suite *suite = suite_of(session->suite);
    uint8_t plain[IPMI_MESSAGE_MAX + AES_BLOCK];
    uint8_t code[IPMI_HASH_MAX];
    size_t plain_bytes = ipmi_message_build(message, plain);
    size_t pad = (AES_BLOCK - (plain_bytes + 1) % AES_BLOCK) % AES_BLOCK;

    for (size_t i = 0; i < pad; i++) {
        plain[plain_bytes++] = (uint8_t)(i + 1);
    }
    plain[plain_bytes++] = (uint8_t)pad;
    if (++session->sequence_out == 0) {
        session->sequence_out = 1;
    }
    size_t count = plus_header(out, FLAG_ENCRYPTED | FLAG_AUTHENTICATED | IPMI_PAYLOAD_MESSAGE,
                               session->peer_id, session->sequence_out, AES_BLOCK + plain_bytes);
    memcpy(out + PLUS_HEADER_BYTES, iv, AES_BLOCK);
    if (!session_cipher(session, true, iv, plain, plain_bytes,
                        out + PLUS_HEADER_BYTES + AES_BLOCK)) {
        return 0;
    }
    size_t trailer_pad = (4 - (count - RMCP_HEADER_BYTES + 2) % 4) % 4;
    memset(out + count, 0xff, trailer_pad);
    count += trailer_pad;
    out[count++] = (uint8_t)trailer_pad;
    out[count++] = NEXT_HEADER;
    if (!suite_hmac(suite, session->k1, suite->hash_bytes, out + RMCP_HEADER_BYTES,
                    count - RMCP_HEADER_BYTES, code)) {
        return 0;
    }
    memcpy(out + count, code, suite->code_bytes);
    return count + suite->code_bytes;
}

/* A sequence number counts once, and only within 32 of the highest seen; wraps around. */
static bool session_window(struct ipmi_session *session, uint32_t sequence)
{
    int32_t ahead = (int32_t)(sequence - session->sequence_seen);

    if (sequence == 0 || ahead > 1024 || ahead <= -32) {
        return false;
    }
    if (ahead > 0) {
        session->seen_map = ahead < 32 ? session->seen_map << ahead | 1u : 1u;
        session->sequence_seen = sequence;
        return true;
    }
    uint32_t bit = 1u << -ahead;
    if ((session->seen_map & bit) != 0) {
        return false;
    }
    session->seen_map |= bit;
    return true;
}

static int session_check(const struct ipmi_session *session, const struct ipmi_packet *packet,
                         struct nsh_error *err)
{
    const struct suite *suite = suite_of(session->suite);
    uint8_t code[IPMI_HASH_MAX];

    if (packet->plain || !packet->encrypted || !packet->authenticated) {
        return nsh_fail(err, NSH_PROTOCOL, "a packet that is not encrypted and authenticated");
    }
    if (packet->session_id != session->own_id) {
        return nsh_fail(err, NSH_PROTOCOL, "a packet of session %08x", packet->session_id);
    }
    size_t least = PLUS_HEADER_BYTES + packet->payload_bytes + 2 + suite->code_bytes;
    if (packet->bytes_count < least) {
        return nsh_fail(err, NSH_PROTOCOL, "a packet without its authentication code");
    }
    size_t covered = packet->bytes_count - suite->code_bytes;
    if (!suite_hmac(suite, session->k1, suite->hash_bytes, packet->bytes + RMCP_HEADER_BYTES,
                    covered - RMCP_HEADER_BYTES, code)) {
        return no_crypto(err);
    }
    if (CRYPTO_memcmp(code, packet->bytes + covered, suite->code_bytes) != 0) {
        return nsh_fail(err, NSH_AUTH, "a packet with a wrong authentication code");
    }
    size_t pad = packet->bytes[covered - 2];
    if (packet->bytes[covered - 1] != NEXT_HEADER || least + pad != packet->bytes_count) {
        return nsh_fail(err, NSH_PROTOCOL, "a packet with a wrong trailer");
    }
    return 0;
}

int ipmi_session_open(struct ipmi_session *session, const struct ipmi_packet *packet,
                      uint8_t scratch[IPMI_DATAGRAM_MAX], struct ipmi_message *ret_message,
                      struct nsh_error *err)
{
    int result = session_check(session, packet, err);

    if (result < 0) {
        return result;
    }
    if (!session_window(session, packet->sequence)) {
        return nsh_fail(err, NSH_EXISTS, "a packet seen before, or too old");
    }
    size_t count = packet->payload_bytes;
    if (packet->payload_type != IPMI_PAYLOAD_MESSAGE || count < (size_t)2 * AES_BLOCK ||
        count % AES_BLOCK != 0 || count - AES_BLOCK > IPMI_DATAGRAM_MAX) {
        return nsh_fail(err, NSH_PROTOCOL, "an encrypted payload of type %02xh and %zu bytes",
                        packet->payload_type, count);
    }
    count -= AES_BLOCK;
    if (!session_cipher(session, false, packet->payload, packet->payload + AES_BLOCK, count,
                        scratch)) {
        return nsh_fail(err, NSH_PROTOCOL, "a payload that cannot be decrypted");
    }
    size_t pad = scratch[count - 1];
    if (pad >= AES_BLOCK || pad + 1 > count) {
        return nsh_fail(err, NSH_PROTOCOL, "a payload with wrong padding");
    }
    return ipmi_message_parse(scratch, count - 1 - pad, ret_message, err);
}

/* ---- handshake, both ends --------------------------------------------------------------- */

static bool handshake_code2(const struct ipmi_handshake *handshake, uint8_t out[IPMI_HASH_MAX])
{
    struct mix mix = {.count = 0};

    mix_u32(&mix, handshake->console_id);
    mix_u32(&mix, handshake->bmc_id);
    mix_add(&mix, handshake->console_nonce, IPMI_NONCE_BYTES);
    mix_add(&mix, handshake->bmc_nonce, IPMI_NONCE_BYTES);
    mix_add(&mix, handshake->guid, IPMI_GUID_BYTES);
    mix_name(&mix, handshake);
    return suite_hmac(suite_of(handshake->suite), handshake->key, IPMI_KEY_BYTES, mix.bytes,
                      mix.count, out);
}

static bool handshake_code3(const struct ipmi_handshake *handshake, uint8_t out[IPMI_HASH_MAX])
{
    struct mix mix = {.count = 0};

    mix_add(&mix, handshake->bmc_nonce, IPMI_NONCE_BYTES);
    mix_u32(&mix, handshake->console_id);
    mix_name(&mix, handshake);
    return suite_hmac(suite_of(handshake->suite), handshake->key, IPMI_KEY_BYTES, mix.bytes,
                      mix.count, out);
}

static bool handshake_code4(const struct ipmi_handshake *handshake, uint8_t out[IPMI_HASH_MAX])
{
    const struct suite *suite = suite_of(handshake->suite);
    struct mix mix = {.count = 0};

    mix_add(&mix, handshake->console_nonce, IPMI_NONCE_BYTES);
    mix_u32(&mix, handshake->bmc_id);
    mix_add(&mix, handshake->guid, IPMI_GUID_BYTES);
    return suite_hmac(suite, handshake->sik, suite->hash_bytes, mix.bytes, mix.count, out);
}

static bool handshake_sik(struct ipmi_handshake *handshake)
{
    struct mix mix = {.count = 0};

    mix_add(&mix, handshake->console_nonce, IPMI_NONCE_BYTES);
    mix_add(&mix, handshake->bmc_nonce, IPMI_NONCE_BYTES);
    mix_name(&mix, handshake);
    return suite_hmac(suite_of(handshake->suite),
                      handshake->has_kg ? handshake->kg : handshake->key, IPMI_KEY_BYTES, mix.bytes,
                      mix.count, handshake->sik);
}

static bool handshake_session(const struct ipmi_handshake *handshake, bool client,
                              struct ipmi_session *ret_session)
{
    const struct suite *suite = suite_of(handshake->suite);
    struct ipmi_session session = {
        .suite = handshake->suite,
        .own_id = client ? handshake->console_id : handshake->bmc_id,
        .peer_id = client ? handshake->bmc_id : handshake->console_id,
    };
    uint8_t constant[IPMI_KEY_BYTES], k2[IPMI_HASH_MAX];

    memset(constant, 0x01, sizeof constant);
    if (!suite_hmac(suite, handshake->sik, suite->hash_bytes, constant, sizeof constant,
                    session.k1)) {
        return false;
    }
    memset(constant, 0x02, sizeof constant);
    if (!suite_hmac(suite, handshake->sik, suite->hash_bytes, constant, sizeof constant, k2)) {
        return false;
    }
    memcpy(session.k2, k2, sizeof session.k2);
    *ret_session = session;
    return true;
}

static void put_algorithms(uint8_t *at, uint8_t suite_id)
{
    const struct suite *suite = suite_of(suite_id);
    const uint8_t algorithms[3] = {suite->authentication, suite->integrity, 1};

    memset(at, 0, 24);
    for (size_t i = 0; i < 3; i++) {
        at[8 * i] = (uint8_t)i;
        at[8 * i + 3] = 8;
        at[8 * i + 4] = algorithms[i];
    }
}

/* The suite that three algorithm records name, or 0. */
static uint8_t get_algorithms(const uint8_t *at)
{
    for (size_t i = 0; i < 3; i++) {
        if (at[8 * i] != i || at[8 * i + 3] != 8) {
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        if ((at[4] & 0x3f) == suites[i].authentication && (at[12] & 0x3f) == suites[i].integrity &&
            (at[20] & 0x3f) == 1) {
            return suites[i].id;
        }
    }
    return 0;
}

uint32_t ipmi_setup_session_id(const struct ipmi_packet *packet)
{
    return packet->payload_bytes < 8 ? 0 : get_u32(packet->payload + 4);
}

/* ---- handshake, client ------------------------------------------------------------------ */

size_t ipmi_client_open(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX])
{
    uint8_t *at = out + PLUS_HEADER_BYTES;

    memset(at, 0, 8);
    at[0] = handshake->tag;
    at[1] = handshake->role & 0x0f;
    put_u32(at + 4, handshake->console_id);
    put_algorithms(at + 8, handshake->suite);
    return plus_header(out, IPMI_PAYLOAD_OPEN, 0, 0, 32);
}

/* The common head of the BMC's answers: payload type, tag, status, console id. */
static int client_reply_head(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                             uint8_t type, size_t bytes_least, struct nsh_error *err)
{
    if (packet->plain || packet->payload_type != type || packet->payload_bytes < 2 ||
        packet->payload[0] != handshake->tag) {
        return nsh_fail(err, NSH_STALE, "not the answer waited for");
    }
    handshake->status = packet->payload[1];
    if (packet->payload_bytes >= 8 && get_u32(packet->payload + 4) != handshake->console_id) {
        return nsh_fail(err, NSH_STALE, "an answer for another session");
    }
    if (handshake->status != IPMI_STATUS_OK) {
        return nsh_fail(err, ipmi_status_code(handshake->status), "%s (RMCP+ status %02xh)",
                        ipmi_status_text(handshake->status), handshake->status);
    }
    if (packet->payload_bytes < bytes_least) {
        return nsh_fail(err, NSH_PROTOCOL, "session set-up answer %02xh of %zu bytes, need %zu",
                        type, packet->payload_bytes, bytes_least);
    }
    return 0;
}

int ipmi_client_open_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                           struct nsh_error *err)
{
    int result = client_reply_head(handshake, packet, IPMI_PAYLOAD_OPEN_REPLY, 36, err);

    if (result < 0) {
        return result;
    }
    if (get_algorithms(packet->payload + 12) != handshake->suite) {
        return nsh_fail(err, NSH_PROTOCOL,
                        "the BMC answered with other algorithms than asked for: a downgrade");
    }
    uint32_t bmc_id = get_u32(packet->payload + 8);
    if (bmc_id == 0) {
        return nsh_fail(err, NSH_PROTOCOL, "the BMC gave session id 0");
    }
    handshake->bmc_id = bmc_id;
    return 0;
}

size_t ipmi_client_bare_open(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX])
{
    size_t count = ipmi_client_open(handshake, out);

    for (size_t i = 0; i < 3; i++) {
        out[PLUS_HEADER_BYTES + 8 + 8 * i + 4] = 0; /* none */
    }
    return count;
}

int ipmi_client_bare_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                           uint8_t type, struct nsh_error *err)
{
    bool opens = type == IPMI_PAYLOAD_OPEN_REPLY;
    int result = client_reply_head(handshake, packet, type, opens ? 36 : 8, err);

    if (result < 0 || !opens) {
        return result;
    }
    if ((packet->payload[16] & 0x3f) != 0) {
        return nsh_fail(err, NSH_UNSUPPORTED, "the BMC wants another authentication");
    }
    handshake->bmc_id = get_u32(packet->payload + 8);
    return 0;
}

size_t ipmi_client_rakp1(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX])
{
    uint8_t *at = out + PLUS_HEADER_BYTES;

    memset(at, 0, 28);
    at[0] = handshake->tag;
    put_u32(at + 4, handshake->bmc_id);
    memcpy(at + 8, handshake->console_nonce, IPMI_NONCE_BYTES);
    at[24] = handshake->role;
    at[27] = handshake->user_bytes;
    memcpy(at + 28, handshake->user, handshake->user_bytes);
    return plus_header(out, IPMI_PAYLOAD_RAKP1, 0, 0, 28u + handshake->user_bytes);
}

int ipmi_client_rakp1_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                            struct nsh_error *err)
{
    const struct suite *suite = suite_of(handshake->suite);
    uint8_t code[IPMI_HASH_MAX];
    int result =
        client_reply_head(handshake, packet, IPMI_PAYLOAD_RAKP2, 40u + suite->hash_bytes, err);

    if (result < 0) {
        return result;
    }
    memcpy(handshake->bmc_nonce, packet->payload + 8, IPMI_NONCE_BYTES);
    memcpy(handshake->guid, packet->payload + 24, IPMI_GUID_BYTES);
    if (!handshake_code2(handshake, code)) {
        return no_crypto(err);
    }
    if (CRYPTO_memcmp(code, packet->payload + 40, suite->hash_bytes) != 0) {
        return nsh_fail(err, NSH_AUTH, "wrong password: the BMC's proof does not match ours");
    }
    return 0;
}

size_t ipmi_client_rakp3(struct ipmi_handshake *handshake, uint8_t status,
                         uint8_t out[IPMI_DATAGRAM_MAX])
{
    uint8_t *at = out + PLUS_HEADER_BYTES;
    size_t count = 8;

    memset(at, 0, 8);
    at[0] = handshake->tag;
    at[1] = status;
    put_u32(at + 4, handshake->bmc_id);
    if (status == IPMI_STATUS_OK) {
        if (!handshake_code3(handshake, at + 8) || !handshake_sik(handshake)) {
            return 0;
        }
        count += suite_of(handshake->suite)->hash_bytes;
    }
    return plus_header(out, IPMI_PAYLOAD_RAKP3, 0, 0, count);
}

int ipmi_client_rakp3_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                            struct ipmi_session *ret_session, struct nsh_error *err)
{
    const struct suite *suite = suite_of(handshake->suite);
    uint8_t code[IPMI_HASH_MAX];
    int result =
        client_reply_head(handshake, packet, IPMI_PAYLOAD_RAKP4, 8u + suite->code_bytes, err);

    if (result < 0) {
        return result;
    }
    if (!handshake_code4(handshake, code)) {
        return no_crypto(err);
    }
    if (CRYPTO_memcmp(code, packet->payload + 8, suite->code_bytes) != 0) {
        return nsh_fail(err, NSH_AUTH,
                        "wrong BMC key (kg): the BMC's session key does not match ours");
    }
    return handshake_session(handshake, true, ret_session) ? 0 : no_crypto(err);
}

/* ---- handshake, BMC --------------------------------------------------------------------- */

int ipmi_bmc_open(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                  struct nsh_error *err)
{
    if (packet->payload_type != IPMI_PAYLOAD_OPEN || packet->payload_bytes < 32) {
        return nsh_fail(err, NSH_PROTOCOL, "not an open session request");
    }
    handshake->tag = packet->payload[0];
    handshake->role = packet->payload[1] & 0x0f;
    handshake->console_id = get_u32(packet->payload + 4);
    handshake->suite = get_algorithms(packet->payload + 8);
    handshake->status = handshake->suite == 0        ? IPMI_STATUS_NO_SUITE
                        : handshake->console_id == 0 ? IPMI_STATUS_NO_SESSION
                                                     : IPMI_STATUS_OK;
    return 0;
}

static size_t bmc_refuse(const struct ipmi_handshake *handshake, uint8_t type, uint8_t *out)
{
    uint8_t *at = out + PLUS_HEADER_BYTES;

    memset(at, 0, 8);
    at[0] = handshake->tag;
    at[1] = handshake->status;
    put_u32(at + 4, handshake->console_id);
    return plus_header(out, type, 0, 0, 8);
}

size_t ipmi_bmc_open_reply(const struct ipmi_handshake *handshake, uint8_t privilege_max,
                           uint8_t out[IPMI_DATAGRAM_MAX])
{
    uint8_t *at = out + PLUS_HEADER_BYTES;

    if (handshake->status != IPMI_STATUS_OK) {
        return bmc_refuse(handshake, IPMI_PAYLOAD_OPEN_REPLY, out);
    }
    memset(at, 0, 12);
    at[0] = handshake->tag;
    at[2] = privilege_max;
    put_u32(at + 4, handshake->console_id);
    put_u32(at + 8, handshake->bmc_id);
    put_algorithms(at + 12, handshake->suite);
    return plus_header(out, IPMI_PAYLOAD_OPEN_REPLY, 0, 0, 36);
}

int ipmi_bmc_rakp1(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                   struct nsh_error *err)
{
    if (packet->payload_type != IPMI_PAYLOAD_RAKP1 || packet->payload_bytes < 28) {
        return nsh_fail(err, NSH_PROTOCOL, "not a RAKP message 1");
    }
    const uint8_t *at = packet->payload;
    handshake->tag = at[0];
    handshake->status = IPMI_STATUS_OK;
    memcpy(handshake->console_nonce, at + 8, IPMI_NONCE_BYTES);
    handshake->role = at[24];
    if (at[27] > IPMI_USER_MAX || packet->payload_bytes < 28u + at[27]) {
        handshake->status = IPMI_STATUS_NAME_LENGTH;
        return 0;
    }
    handshake->user_bytes = at[27];
    memset(handshake->user, 0, sizeof handshake->user);
    memcpy(handshake->user, at + 28, at[27]);
    return 0;
}

size_t ipmi_bmc_rakp1_reply(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX])
{
    uint8_t *at = out + PLUS_HEADER_BYTES;

    if (handshake->status != IPMI_STATUS_OK) {
        return bmc_refuse(handshake, IPMI_PAYLOAD_RAKP2, out);
    }
    memset(at, 0, 8);
    at[0] = handshake->tag;
    put_u32(at + 4, handshake->console_id);
    memcpy(at + 8, handshake->bmc_nonce, IPMI_NONCE_BYTES);
    memcpy(at + 24, handshake->guid, IPMI_GUID_BYTES);
    if (!handshake_code2(handshake, at + 40)) {
        return 0;
    }
    return plus_header(out, IPMI_PAYLOAD_RAKP2, 0, 0, 40u + suite_of(handshake->suite)->hash_bytes);
}

int ipmi_bmc_rakp3(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                   struct ipmi_session *ret_session, struct nsh_error *err)
{
    const struct suite *suite = suite_of(handshake->suite);
    uint8_t code[IPMI_HASH_MAX];

    if (packet->payload_type != IPMI_PAYLOAD_RAKP3 || packet->payload_bytes < 8) {
        return nsh_fail(err, NSH_PROTOCOL, "not a RAKP message 3");
    }
    handshake->tag = packet->payload[0];
    handshake->status = packet->payload[1];
    if (handshake->status != IPMI_STATUS_OK) {
        return nsh_fail(err, NSH_AUTH, "the client did not accept our proof");
    }
    if (!handshake_code3(handshake, code)) {
        return no_crypto(err);
    }
    if (packet->payload_bytes < 8u + suite->hash_bytes ||
        CRYPTO_memcmp(code, packet->payload + 8, suite->hash_bytes) != 0) {
        handshake->status = IPMI_STATUS_INTEGRITY;
        return nsh_fail(err, NSH_AUTH, "the client's proof does not match");
    }
    if (!handshake_sik(handshake) || !handshake_session(handshake, false, ret_session)) {
        return no_crypto(err);
    }
    return 0;
}

size_t ipmi_bmc_rakp3_reply(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX])
{
    uint8_t *at = out + PLUS_HEADER_BYTES;

    if (handshake->status != IPMI_STATUS_OK) {
        return bmc_refuse(handshake, IPMI_PAYLOAD_RAKP4, out);
    }
    memset(at, 0, 8);
    at[0] = handshake->tag;
    put_u32(at + 4, handshake->console_id);
    if (!handshake_code4(handshake, at + 8)) {
        return 0;
    }
    return plus_header(out, IPMI_PAYLOAD_RAKP4, 0, 0, 8u + suite_of(handshake->suite)->code_bytes);
}
