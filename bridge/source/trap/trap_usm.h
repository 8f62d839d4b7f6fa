/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_USM_H
#define SOURCE_TRAP_TRAP_USM_H

/*
 * The user-based security model (RFC 3414, 3826, 7860) for one receiver: verify before decrypting,
 * keep the key schedules of every engine that proved itself.
 *
 * net-snmp's own user list is a chain that is walked for every message and builds its crypto
 * contexts anew each time (6.3 us a trap); a table of (engine, user) with ready contexts costs a
 * fifth. The BER is still read by net-snmp. Bound: USM_PEERS_MAX pairs, made only by messages with
 * a correct digest: spoofed engines cannot fill it.
 */

#include "trap.h"

#define USM_PEERS_MAX 32768
#define USM_WINDOW_S 150

#define USM_FLAG_AUTH 1u
#define USM_FLAG_PRIV 2u
#define USM_FLAG_REPORTABLE 4u

struct usm;

/* The security parameters of one message, as read; pointers borrow from the datagram. */
struct usm_message {
    const uint8_t *whole; /* The message, header to end. */
    size_t whole_bytes;
    uint32_t msg_id;
    uint8_t flags;
    struct text engine, user;
    uint32_t boots, time;
    struct text auth, salt;
    const uint8_t *data; /* Scoped PDU, or the octets of the encrypted one. */
    size_t data_bytes;
};

enum usm_verdict {
    USM_OK,
    USM_UNKNOWN_ENGINE, /* Not ours, and the message is one we would be authoritative for. */
    USM_UNKNOWN_USER,
    USM_LEVEL,
    USM_WRONG_DIGEST,
    USM_NOT_IN_WINDOW,
    USM_DECRYPTION,
};

int usm_new(const struct trap_user *users, size_t users_count, const struct trap_engine *engine,
            struct usm **ret_usm, struct nsh_error *err);
void usm_free(struct usm *usm);

/*
 * Check message; when it is encrypted, *ret_plain is the decrypted scoped PDU, in usm's own buffer
 * until the next call, else the data itself.
 */
enum usm_verdict usm_check(struct usm *usm, const struct usm_message *message, int64_t now_s,
                           struct text *ret_plain);

/* Whether the message names our own engine. */
bool usm_is_own(const struct usm *usm, struct text engine);

/* The response to an inform that passed usm_check(): scoped (a scoped PDU) under the same user and
 * level. 0: no room. */
size_t usm_answer(struct usm *usm, const struct usm_message *message, const uint8_t *scoped,
                  size_t scoped_bytes, int64_t now_s, const uint8_t **ret_bytes);

/* The report for a verdict, when one is due (reportable flag, rate). 0: none. */
size_t usm_report(struct usm *usm, const struct usm_message *message, enum usm_verdict verdict,
                  uint32_t request_id, int64_t now_s, const uint8_t **ret_bytes);

#endif
