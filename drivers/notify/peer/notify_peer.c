/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver of traps and informs (v2c, by net-snmp's own reading and writing) and an SMTP server
 * without TLS, for the contract suite. What they may be told (NAME.peer.json): "community"; "error"
 * (error-status of every inform); "smtp", replies by command: {"RCPT": "550 5.1.1 nobody"}.
 */

#include "contract_peer.h"
#include "notify_codec_snmp.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 65536

struct peer {
    const char *community;
    long error;
    const struct nsh_value *smtp;
};

struct connection {
    struct peer *peer;
    char line[LINE_MAX_BYTES];
    size_t count;
    bool data; /* Between DATA and its end. */
};

static void *peer_open(const struct nsh_value *device)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        abort();
    }
    peer->community = nsh_get_text(device, "community", "s3cr3t-m4rker");
    peer->error = (long)nsh_get_int(device, "error", 0);
    peer->smtp = nsh_get(device, "smtp");
    return peer;
}

static void peer_close(void *arg)
{
    free(arg);
}

/* ---- SNMP ---- */

static void peer_datagram(void *arg, const uint8_t *bytes, size_t bytes_count,
                          struct contract_reply *reply)
{
    struct peer *peer = arg;
    netsnmp_session session = {.version = SNMP_VERSION_2c, .rcvMsgMaxSize = SNMP_MESSAGE_MAX};
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_INFORM);
    u_char copy[SNMP_MESSAGE_MAX], *packet = malloc(SNMP_MESSAGE_MAX);
    size_t room = SNMP_MESSAGE_MAX, count = 0;
    session.sndMsgMaxSize = SNMP_MESSAGE_MAX;
    pdu->version = SNMP_VERSION_2c;
    memcpy(copy, bytes, bytes_count);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_REVERSE_ENCODE, 1);
    if (snmp_parse(NULL, &session, pdu, copy, bytes_count) == 0 && pdu->variables != NULL &&
        pdu->community_len == strlen(peer->community) &&
        memcmp(pdu->community, peer->community, pdu->community_len) == 0) {
        reply->effect = true;
        reply->refused = peer->error != 0;
        if (pdu->command == SNMP_MSG_INFORM) {
            pdu->command = SNMP_MSG_RESPONSE;
            pdu->errstat = peer->error;
            pdu->errindex = peer->error == 0 ? 0 : 1;
            if (snmp_build(&packet, &room, &count, &session, pdu) == 0) {
                reply->answer(reply->arg, packet + room - count, count);
            }
        }
    }
    free(packet);
    snmp_free_pdu(pdu);
}

/* ---- SMTP ---- */

static void say(const struct connection *connection, struct contract_reply *reply,
                const char *command, const char *usual)
{
    char text[512];
    const char *words = nsh_get_text(connection->peer->smtp, command, usual);
    int count = snprintf(text, sizeof text, "%s\r\n", words);
    reply->answer(reply->arg, (const uint8_t *)text, (size_t)count);
    if (words[0] == '4' || words[0] == '5') {
        reply->refused = true;
    }
}

static void *peer_connected(void *arg, struct contract_reply *reply)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        abort();
    }
    connection->peer = arg;
    say(connection, reply, "greeting", "220 mail.example ESMTP");
    return connection;
}

static void line_read(struct connection *connection, const char *line, struct contract_reply *reply)
{
    static const struct {
        const char *command, *reply;
    } usual[] = {{"EHLO", "250-mail.example\r\n250 8BITMIME"},
                 {"MAIL", "250 2.1.0 Ok"},
                 {"RCPT", "250 2.1.5 Ok"},
                 {"DATA", "354 go ahead"}};
    if (connection->data) {
        if (strcmp(line, ".") == 0) {
            connection->data = false;
            reply->effect = true;
            say(connection, reply, "mail", "250 2.0.0 Ok: queued as 42");
        }
        return;
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (strncmp(line, usual[i].command, 4) == 0) {
            connection->data = i == 3 && nsh_get(connection->peer->smtp, "DATA") == NULL;
            say(connection, reply, usual[i].command, usual[i].reply);
            return;
        }
    }
    say(connection, reply, "", "500 5.5.2 what?");
}

static void peer_received(void *arg, const uint8_t *bytes, size_t bytes_count,
                          struct contract_reply *reply)
{
    struct connection *connection = arg;
    for (size_t i = 0; i < bytes_count; i++) {
        if (connection->count == sizeof connection->line - 1) {
            abort();
        }
        connection->line[connection->count++] = (char)bytes[i];
        if (bytes[i] == '\n') {
            connection->line[connection->count - 2] = '\0';
            connection->count = 0;
            line_read(connection, connection->line, reply);
        }
    }
}

static void peer_disconnected(void *arg)
{
    free(arg);
}

const struct contract_peer contract_peer = {
    .open = peer_open,
    .datagram = peer_datagram,
    .close = peer_close,
    .connected = peer_connected,
    .received = peer_received,
    .disconnected = peer_disconnected,
};
