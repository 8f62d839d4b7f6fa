/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_KIT_H
#define SNMP_KIT_H

/*
 * What drivers that speak SNMP share: v1 (RFC 1157), v2c (RFC 3416), v3 with USM (RFC 3414, 7860,
 * 3826), one peer each, built and read by net-snmp; no sockets. Here stands what needs no header of
 * net-snmp; the messages are in snmp_pdu.h, for codecs alone.
 */

#include "abi/driver.h"

#define SNMP_MESSAGE_MAX 1472 /* Fits one Ethernet frame. */
#define SNMP_ENGINE_BYTES_MAX 32

struct snmp_credentials {
    const char *version; /* "1", "2c", "3" */
    const char *community;
    const char *user;                                                          /* v3 */
    const char *auth_protocol, *auth_password, *priv_protocol, *priv_password; /* NULL: none */
};

enum snmp_verdict {
    SNMP_FOREIGN, /* No message, or not an answer to this id: as if it had not come. */
    SNMP_ANSWERED,
    SNMP_LEARNED, /* A report: the engine, or its clock. Send the message again. */
    SNMP_REFUSED, /* A report, or an error-status; the error says which. */
};

/* The id (request id; v3: message id) of a message, in clear; false: no SNMP message. */
bool snmp_message_id(const uint8_t *bytes, size_t bytes_count, int32_t *ret_id);

/* Rows of a driver's options: how a v3 user signs and encrypts. */
#define SNMP_USER_OPTIONS(auth_preset)                                                             \
    {.name = "auth_protocol",                                                                      \
     .type = NSH_STRING,                                                                           \
     .preset = (auth_preset),                                                                      \
     .choices = (const char *const[]){"sha", "sha256", "sha512", NULL},                            \
     .help = "v3: how messages are signed."},                                                      \
        {.name = "auth_password", .type = NSH_SECRET, .help = "v3: 8 characters at least."},       \
        {.name = "priv_protocol",                                                                  \
         .type = NSH_STRING,                                                                       \
         .preset = "aes",                                                                          \
         .choices = (const char *const[]){"aes", NULL},                                            \
         .help = "v3: how messages are encrypted."},                                               \
    {                                                                                              \
        .name = "priv_password", .type = NSH_SECRET, .help = "v3: 8 characters at least."          \
    }

/* Rows of options: who asks. where: "port: ", before each help of keys that not every user of the
 * table needs; versions: a list that ends in NULL. */
#define SNMP_LOGIN_OPTIONS(where, snmp_versions, community_help)                                   \
    {.name = "version",                                                                            \
     .type = NSH_STRING,                                                                           \
     .preset = "2c",                                                                               \
     .choices = (snmp_versions),                                                                   \
     .help = where "SNMP's version."},                                                             \
        {.name = "community", .type = NSH_SECRET, .help = where community_help},                   \
        {.name = "user", .type = NSH_STRING, .preset = "", .help = where "v3: the user name."},    \
        SNMP_USER_OPTIONS("sha")

#endif
