/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5425: syslog over TLS. We are the server. */

#include "syslog_private.h"

#include <openssl/err.h>

static int tls_fail(struct nsh_error *err, const char *what, const char *file)
{
    char text[160];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return nsh_fail(err, NSH_INVALID, "syslog over TLS: %s %s: %s", what, file, text);
}

static int tls_configure(SSL_CTX *tls, const struct syslog_options *options, struct nsh_error *err)
{
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (SSL_CTX_use_certificate_chain_file(tls, options->tls_cert) != 1) {
        return tls_fail(err, "certificate", options->tls_cert);
    }
    if (SSL_CTX_use_PrivateKey_file(tls, options->tls_key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls) != 1) {
        return tls_fail(err, "private key", options->tls_key);
    }
    if (options->tls_clients == NULL) {
        return 0;
    }
    if (SSL_CTX_load_verify_file(tls, options->tls_clients) != 1) {
        return tls_fail(err, "authority of the senders", options->tls_clients);
    }
    SSL_CTX_set_client_CA_list(tls, SSL_load_client_CA_file(options->tls_clients));
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"syslog", 6);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

int syslog_tls_new(const struct syslog_options *options, SSL_CTX **ret_tls, struct nsh_error *err)
{
    if (options->tls_cert == NULL || options->tls_key == NULL) {
        return nsh_fail(err, NSH_INVALID, "a tls: listener needs syslog.tls_cert and tls_key");
    }
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for TLS");
    }
    int result = tls_configure(tls, options, err);
    if (result < 0) {
        SSL_CTX_free(tls);
        return result;
    }
    *ret_tls = tls;
    return 0;
}

SSL *syslog_tls_accept(SSL_CTX *tls)
{
    SSL *ssl = SSL_new(tls);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL) {
        SSL_free(ssl);
        BIO_free(in);
        BIO_free(out);
        return NULL;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* False: it failed, or the peer said goodbye. */
static bool tls_read(struct syslog_peer *peer)
{
    char plain[16 << 10];
    int count;
    while ((count = SSL_read(peer->ssl, plain, sizeof plain)) > 0) {
        if (!syslog_peer_bytes(peer, (struct text){plain, (uint32_t)count})) {
            return false;
        }
    }
    peer->established = SSL_is_init_finished(peer->ssl) == 1;
    int why = SSL_get_error(peer->ssl, count);
    if (why == SSL_ERROR_SSL) {
        syslog_count(peer->listen, SYSLOG_tls_failed, 1);
    }
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

bool syslog_tls_bytes(struct syslog_peer *peer, struct text bytes)
{
    return BIO_write(SSL_get_rbio(peer->ssl), bytes.at, (int)bytes.count) == (int)bytes.count &&
           tls_read(peer);
}

size_t syslog_tls_output(struct syslog_peer *peer, char *bytes, size_t room)
{
    int count = BIO_read(SSL_get_wbio(peer->ssl), bytes, (int)room);
    return count > 0 ? (size_t)count : 0;
}
