/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a TCP connection: its address, and the names in its certificate. */

#include "api_private.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>

#define NAME_BYTES_MAX 256
#define NAMES_MAX 32 /* Alternative names that are looked at. */

const char *peer_address(struct MHD_Connection *connection, struct arena *arena)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    char text[INET6_ADDRSTRLEN] = "";
    if (address != NULL && address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
    }
    const char *kept = arena_copy(arena, text, strlen(text));
    return kept == NULL ? "" : kept;
}

/* A name is one line of the answer: what is no plain text is none. */
static void name_add(struct textbuf *names, const char *name, size_t count)
{
    if (count == 0 || !text_is_utf8(name, count)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) {
            return;
        }
    }
    textbuf_addf(names, "%.*s\n", (int)count, name);
}

static void names_read(gnutls_x509_crt_t certificate, struct textbuf *names)
{
    char name[NAME_BYTES_MAX];
    size_t count = sizeof name;
    if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
                                      &count) == GNUTLS_E_SUCCESS) {
        name_add(names, name, count);
    }
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        unsigned critical = 0;
        count = sizeof name;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &count, &critical);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            return;
        }
        if (type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_URI || type == GNUTLS_SAN_RFC822NAME) {
            name_add(names, name, count);
        }
    }
}

const char *peer_certificate(struct MHD_Connection *connection, struct arena *arena)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_session_t session = info == NULL ? NULL : info->tls_session;
    gnutls_x509_crt_t certificate = NULL;
    CLEANUP(textbuf_donep) struct textbuf names = {0};
    unsigned status = 0, count = 0;
    if (session == NULL || gnutls_certificate_get_peers(session, &count) == NULL || count == 0 ||
        gnutls_certificate_verify_peers2(session, &status) < 0 || status != 0) {
        return NULL;
    }
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (gnutls_x509_crt_init(&certificate) < 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) == 0) {
        names_read(certificate, &names);
    }
    gnutls_x509_crt_deinit(certificate);
    return names.count == 0 ? NULL : arena_copy(arena, names.at, names.count);
}
