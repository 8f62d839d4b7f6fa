/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPMI_CODEC_H
#define IPMI_CODEC_H

/*
 * IPMI 2.0 over LAN (RMCP+), bytes <-> values, both ends: the driver is the client, the lab is the
 * BMC.
 *
 * Pure: no I/O, no clock; random numbers are handed in. Cipher suites 3 (SHA-1) and 17 (SHA-256),
 * both with AES-128; nothing weaker is spoken. What is kept for a session are raw keys (struct
 * ipmi_session, 80 bytes), never a crypto context. Bounds: a datagram has at most IPMI_DATAGRAM_MAX
 * bytes, a message IPMI_DATA_MAX bytes of data.
 */

#include "abi/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPMI_PORT 623
#define IPMI_DATAGRAM_MAX 512
#define IPMI_DATA_MAX 255
#define IPMI_MESSAGE_MAX (IPMI_DATA_MAX + 7)
#define IPMI_USER_MAX 16
#define IPMI_KEY_BYTES 20
#define IPMI_GUID_BYTES 16
#define IPMI_NONCE_BYTES 16
#define IPMI_HASH_MAX 32
#define IPMI_SUITE_SHA1 3
#define IPMI_SUITE_SHA256 17

enum ipmi_payload {
    IPMI_PAYLOAD_MESSAGE = 0x00,
    IPMI_PAYLOAD_OPEN = 0x10,
    IPMI_PAYLOAD_OPEN_REPLY = 0x11,
    IPMI_PAYLOAD_RAKP1 = 0x12,
    IPMI_PAYLOAD_RAKP2 = 0x13,
    IPMI_PAYLOAD_RAKP3 = 0x14,
    IPMI_PAYLOAD_RAKP4 = 0x15,
};

/* RMCP+ status codes that either end here gives or tells apart. */
enum ipmi_status {
    IPMI_STATUS_OK = 0x00,
    IPMI_STATUS_NO_RESOURCES = 0x01,
    IPMI_STATUS_NO_SESSION = 0x02,
    IPMI_STATUS_INACTIVE_SESSION = 0x08,
    IPMI_STATUS_INVALID_ROLE = 0x09,
    IPMI_STATUS_ROLE_DENIED = 0x0A,
    IPMI_STATUS_NAME_LENGTH = 0x0C,
    IPMI_STATUS_NAME_UNKNOWN = 0x0D,
    IPMI_STATUS_INTEGRITY = 0x0F,
    IPMI_STATUS_NO_CONFIDENTIALITY = 0x10,
    IPMI_STATUS_NO_SUITE = 0x11,
    IPMI_STATUS_PARAMETER = 0x12,
};

enum ipmi_completion {
    IPMI_CC_OK = 0x00,
    IPMI_CC_BUSY = 0xC0,
    IPMI_CC_INVALID_COMMAND = 0xC1,
    IPMI_CC_OUT_OF_SPACE = 0xC4,
    IPMI_CC_RESERVATION = 0xC5,
    IPMI_CC_LENGTH = 0xC7,
    IPMI_CC_RANGE = 0xC9,
    IPMI_CC_COUNT = 0xCA, /* It cannot give so many bytes. */
    IPMI_CC_NOT_PRESENT = 0xCB,
    IPMI_CC_INVALID_DATA = 0xCC,
    IPMI_CC_SDR_UPDATE = 0xD0,
    IPMI_CC_FIRMWARE_UPDATE = 0xD1,
    IPMI_CC_INITIALISING = 0xD2,
    IPMI_CC_PRIVILEGE = 0xD4,
    IPMI_CC_STATE = 0xD5,
    IPMI_CC_UNSPECIFIED = 0xFF,
};

enum ipmi_privilege { IPMI_USER = 2, IPMI_OPERATOR = 3, IPMI_ADMINISTRATOR = 4 };

enum ipmi_netfn { IPMI_NETFN_CHASSIS = 0x00, IPMI_NETFN_APP = 0x06, IPMI_NETFN_STORAGE = 0x0A };

/* A datagram taken apart; borrows from the bytes it was parsed from. */
struct ipmi_packet {
    const uint8_t *bytes;
    size_t bytes_count;
    bool plain; /* The session-less IPMI 1.5 format; else RMCP+. */
    bool encrypted, authenticated;
    uint8_t payload_type;
    uint32_t session_id, sequence;
    const uint8_t *payload;
    size_t payload_bytes;
};

/* An IPMI message. In a response data[0] is the completion code. data is borrowed. */
struct ipmi_message {
    uint8_t to, netfn, lun, from, sequence, command;
    const uint8_t *data;
    size_t data_bytes;
};

/* An active session: all that is kept of it. */
struct ipmi_session {
    uint32_t own_id, peer_id;
    uint32_t sequence_out;            /* Of the last packet sent. */
    uint32_t sequence_seen, seen_map; /* Highest sequence received, and a map of the 32 up to it. */
    uint8_t suite;
    uint8_t k1[IPMI_HASH_MAX], k2[16];
};

/* While a session is being set up; the same at both ends. */
struct ipmi_handshake {
    uint8_t suite, tag, role, user_bytes;
    uint8_t status; /* The peer's word when a parser here returned an error for it. */
    bool has_kg;
    char user[IPMI_USER_MAX + 1];
    uint32_t console_id, bmc_id;
    uint8_t console_nonce[IPMI_NONCE_BYTES], bmc_nonce[IPMI_NONCE_BYTES], guid[IPMI_GUID_BYTES];
    uint8_t key[IPMI_KEY_BYTES],
        kg[IPMI_KEY_BYTES]; /* The password, and the BMC's key, zero-padded. */
    uint8_t sik[IPMI_HASH_MAX];
};

/* Take a datagram apart. -NSH_PROTOCOL: it is no RMCP+ or session-less IPMI packet. */
int ipmi_packet_parse(const uint8_t *bytes, size_t bytes_count, struct ipmi_packet *ret_packet,
                      struct nsh_error *err);

size_t ipmi_message_build(const struct ipmi_message *message, uint8_t out[IPMI_MESSAGE_MAX]);
/* -NSH_PROTOCOL: too short or a checksum is wrong. */
int ipmi_message_parse(const uint8_t *bytes, size_t bytes_count, struct ipmi_message *ret_message,
                       struct nsh_error *err);

/* Outside of a session (Get Channel Authentication Capabilities and the like), in the format of
 * IPMI 1.5 or RMCP+. */
size_t ipmi_clear_build(const struct ipmi_message *message, bool plain,
                        uint8_t out[IPMI_DATAGRAM_MAX]);

/* Encrypt and authenticate message with the next sequence number; iv is 16 random bytes. 0: the
 * crypto library failed. */
size_t ipmi_session_seal(struct ipmi_session *session, const uint8_t iv[16],
                         const struct ipmi_message *message, uint8_t out[IPMI_DATAGRAM_MAX]);
/*
 * Check, decrypt and parse; *ret_message borrows from scratch.
 * -NSH_AUTH: the authentication code is wrong. -NSH_EXISTS: seen before, or too old. -NSH_PROTOCOL:
 * anything else.
 */
int ipmi_session_open(struct ipmi_session *session, const struct ipmi_packet *packet,
                      uint8_t scratch[IPMI_DATAGRAM_MAX], struct ipmi_message *ret_message,
                      struct nsh_error *err);

/* ---- the client's end of the handshake -------------------------------------------------- */

/*
 * Set before: suite, tag, role (privilege | 0x10), user, user_bytes, key, kg, console_id,
 * console_nonce. The *_reply functions return 0, or: -NSH_STALE not an answer to this handshake
 * (ignore it); -NSH_AUTH, -NSH_BUSY, -NSH_UNSUPPORTED, -NSH_DENIED by the peer's status
 * (ipmi_status_code); -NSH_AUTH "password" when its code is wrong; -NSH_NOMEM when the crypto
 * library failed. A builder returns 0 bytes then.
 */
size_t ipmi_client_open(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX]);
int ipmi_client_open_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                           struct nsh_error *err);
size_t ipmi_client_rakp1(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX]);
int ipmi_client_rakp1_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                            struct nsh_error *err);
/* status other than OK tells the BMC that RAKP2 did not verify. */
size_t ipmi_client_rakp3(struct ipmi_handshake *handshake, uint8_t status,
                         uint8_t out[IPMI_DATAGRAM_MAX]);
int ipmi_client_rakp3_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                            struct ipmi_session *ret_session, struct nsh_error *err);

/*
 * A question, not a session: whether a session without authentication, integrity and encryption
 * (suite 0) would be opened for the user of the handshake. After the first reply
 * ipmi_client_rakp1() asks for the user, and ipmi_client_rakp3() with a status other than OK takes
 * it back. type: IPMI_PAYLOAD_OPEN_REPLY or IPMI_PAYLOAD_RAKP2. Results as above; 0: it would be.
 */
size_t ipmi_client_bare_open(const struct ipmi_handshake *handshake,
                             uint8_t out[IPMI_DATAGRAM_MAX]);
int ipmi_client_bare_reply(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                           uint8_t type, struct nsh_error *err);

/* ---- the BMC's end ---------------------------------------------------------------------- */

/* What is wrong with the request is left in handshake->status; then only the *_reply may follow. */
int ipmi_bmc_open(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                  struct nsh_error *err);
size_t ipmi_bmc_open_reply(const struct ipmi_handshake *handshake, uint8_t privilege_max,
                           uint8_t out[IPMI_DATAGRAM_MAX]);
int ipmi_bmc_rakp1(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                   struct nsh_error *err);
/* key, kg, guid and bmc_nonce are set before. */
size_t ipmi_bmc_rakp1_reply(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX]);
/* -NSH_AUTH: the client's code is wrong, or it says that ours was (handshake->status). */
int ipmi_bmc_rakp3(struct ipmi_handshake *handshake, const struct ipmi_packet *packet,
                   struct ipmi_session *ret_session, struct nsh_error *err);
size_t ipmi_bmc_rakp3_reply(const struct ipmi_handshake *handshake, uint8_t out[IPMI_DATAGRAM_MAX]);

/* The console session id, or the BMC's (RAKP1, RAKP3), that a set-up payload names; 0: too short.
 */
uint32_t ipmi_setup_session_id(const struct ipmi_packet *packet);

/* ---- words ------------------------------------------------------------------------------ */

enum nsh_code ipmi_status_code(uint8_t status);
const char *ipmi_status_text(uint8_t status);
enum nsh_code ipmi_completion_code(uint8_t completion);
const char *ipmi_completion_text(uint8_t completion);

/*
 * A text UUID as 16 bytes in RFC 4122 order; false: not one. The dashes may be missing.
 */
bool ipmi_guid_parse(const char *text, uint8_t ret_guid[IPMI_GUID_BYTES]);
/* Whether a GUID from a BMC is that UUID in any of the orders in use: RFC 4122, SMBIOS (first three
 * fields swapped), wholly reversed. */
bool ipmi_guid_is(const uint8_t guid[IPMI_GUID_BYTES], const uint8_t uuid[IPMI_GUID_BYTES]);

/* A system event record (16 bytes, type 02h) in words: "memory: uncorrectable ECC, asserted". */
struct ipmi_record {
    uint16_t id;
    uint8_t type, sensor_type, sensor_number, event_type, data[3];
    bool asserted;
    uint32_t time_s;
};
bool ipmi_record_parse(const uint8_t bytes[16], struct ipmi_record *ret_record);
const char *ipmi_record_sensor(uint8_t sensor_type);
const char *ipmi_record_event(const struct ipmi_record *record);

#endif
