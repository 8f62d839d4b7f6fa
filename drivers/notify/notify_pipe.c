/* SPDX-License-Identifier: Apache-2.0 */
/* The connection of a mail: a stream, and OpenSSL between two buffers in memory once it is wanted.
 */

#include "notify_mail.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_BYTES_MAX ((size_t)256 * 1024)
#define TURN_BYTES_MAX (64 * 1024) /* Read in one turn of the loop. */

struct notify_tls {
    SSL_CTX *context;
    char *host, *pins; /* pins: NULL unless tls = "pin". */
    bool verify;
};

/* ---- settings ---- */

static const char *library_words(void)
{
    const char *text = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return text == NULL ? "no reason given" : text;
}

static int context_fill(struct notify_tls *tls, const struct nsh_value *settings,
                        struct nsh_error *err)
{
    const char *ca = nsh_get_text(settings, "ca_file", "");
    const char *cert = nsh_get_text(settings, "client_cert", "");
    const char *key = nsh_get_text(settings, "client_key", "");
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    if (ca[0] != '\0' && SSL_CTX_load_verify_locations(tls->context, ca, NULL) != 1) {
        return nsh_fail(err, NSH_INVALID, "ca_file %.200s: %s", ca, library_words());
    }
    if (ca[0] == '\0' && SSL_CTX_set_default_verify_paths(tls->context) != 1) {
        return nsh_fail(err, NSH_INVALID, "the system's authorities: %s", library_words());
    }
    if (cert[0] != '\0' && (SSL_CTX_use_certificate_chain_file(tls->context, cert) != 1 ||
                            SSL_CTX_use_PrivateKey_file(tls->context, key[0] == '\0' ? cert : key,
                                                        SSL_FILETYPE_PEM) != 1)) {
        return nsh_fail(err, NSH_INVALID, "client_cert %.200s: %s", cert, library_words());
    }
    SSL_CTX_set_verify(tls->context, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return 0;
}

int notify_tls_open(const struct nsh_value *settings, const char *host, struct notify_tls **ret_tls,
                    struct nsh_error *err)
{
    const char *mode = nsh_get_text(settings, "tls", "verify");
    const char *pins = nsh_get_text(settings, "pinned_key", "");
    bool pin = strcmp(mode, "pin") == 0;
    struct notify_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    tls->verify = strcmp(mode, "verify") == 0;
    tls->host = strdup(host);
    tls->pins = pin ? strdup(pins) : NULL;
    tls->context = SSL_CTX_new(TLS_client_method());
    int result = tls->host == NULL || tls->context == NULL || (pin && tls->pins == NULL)
                     ? nsh_fail(err, NSH_NOMEM, "out of memory for TLS")
                 : pin && strncmp(pins, "sha256//", 8) != 0
                     ? nsh_fail(err, NSH_INVALID, "tls = \"pin\" needs pinned_key, sha256//BASE64")
                     : context_fill(tls, settings, err);
    if (result < 0) {
        notify_tls_close(tls);
        return result;
    }
    *ret_tls = tls;
    return 0;
}

void notify_tls_close(struct notify_tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->context);
        free(tls->host);
        free(tls->pins);
        free(tls);
    }
}

static bool pinned(const struct notify_tls *tls, SSL *ssl)
{
    X509 *peer = SSL_get1_peer_certificate(ssl);
    unsigned char digest[EVP_MAX_MD_SIZE], *key = NULL;
    char pin[64] = "sha256//";
    unsigned count = 0;
    int bytes = peer == NULL ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(peer), &key);
    bool good =
        bytes > 0 && EVP_Digest(key, (size_t)bytes, digest, &count, EVP_sha256(), NULL) == 1;
    OPENSSL_free(key);
    X509_free(peer);
    if (!good) {
        return false;
    }
    EVP_EncodeBlock((unsigned char *)pin + 8, digest, (int)count);
    size_t wanted = strlen(pin);
    for (const char *at = strstr(tls->pins, pin); at != NULL; at = strstr(at + 1, pin)) {
        if ((at == tls->pins || at[-1] == ';') && (at[wanted] == '\0' || at[wanted] == ';')) {
            return true;
        }
    }
    return false;
}

/* ---- what waits to be written ---- */

static void want(struct notify_pipe *pipe)
{
    pipe->services->stream_want(pipe->services, pipe->stream,
                                NSH_STREAM_READ | (pipe->output_bytes > 0 ? NSH_STREAM_WRITE : 0u));
}

/* A broken connection is told by reading. */
static void flush(struct notify_pipe *pipe)
{
    while (pipe->output_bytes > 0) {
        ssize_t count = pipe->services->stream_write(pipe->services, pipe->stream, pipe->output,
                                                     pipe->output_bytes);
        if (count == -NSH_BUSY || count == 0) {
            break;
        }
        pipe->broken = pipe->broken || count < 0;
        size_t done = count < 0 ? pipe->output_bytes : (size_t)count;
        pipe->output_bytes -= done;
        memmove(pipe->output, pipe->output + done, pipe->output_bytes);
    }
}

static bool output_add(struct notify_pipe *pipe, const char *bytes, size_t count)
{
    size_t needed = pipe->output_bytes + count;
    if (needed > pipe->output_room) {
        char *grown = needed > OUTPUT_BYTES_MAX ? NULL : realloc(pipe->output, needed * 2);
        if (grown == NULL) {
            return false;
        }
        pipe->output = grown;
        pipe->output_room = needed * 2;
    }
    memcpy(pipe->output + pipe->output_bytes, bytes, count);
    pipe->output_bytes = needed;
    return true;
}

bool notify_pipe_written(const struct notify_pipe *pipe)
{
    return pipe->output_bytes == 0 && !pipe->broken;
}

/* What OpenSSL wants to send. */
static bool drain(struct notify_pipe *pipe)
{
    char bytes[4096];
    for (;;) {
        int count = BIO_read(SSL_get_wbio(pipe->ssl), bytes, sizeof bytes);
        if (count <= 0) {
            return true;
        }
        if (!output_add(pipe, bytes, (size_t)count)) {
            return false;
        }
    }
}

bool notify_pipe_write(struct notify_pipe *pipe, const char *bytes, size_t bytes_count)
{
    bool taken =
        pipe->ssl == NULL
            ? output_add(pipe, bytes, bytes_count)
            : SSL_write(pipe->ssl, bytes, (int)bytes_count) == (int)bytes_count && drain(pipe);
    if (taken) {
        flush(pipe);
        want(pipe);
    }
    return taken;
}

/* ---- TLS ---- */

/* Ends the handshake with what is there: 0 not yet, 1 done, -1 err says why. */
static int shake(struct notify_pipe *pipe, struct nsh_error *err)
{
    SSL *ssl = pipe->ssl;
    ERR_clear_error();
    int result = SSL_do_handshake(ssl);
    int why = SSL_get_error(ssl, result);
    if (!drain(pipe)) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return -1;
    }
    if (result == 1 && pipe->tls->pins != NULL && !pinned(pipe->tls, ssl)) {
        nsh_fail(err, NSH_MISMATCH, "TLS: the server's key is not the pinned one");
        return -1;
    }
    if (result == 1) {
        return 1;
    }
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        return 0;
    }
    long verdict = SSL_get_verify_result(ssl);
    if (pipe->tls->verify && verdict != X509_V_OK) {
        nsh_fail(err, NSH_MISMATCH, "TLS: %s", X509_verify_cert_error_string(verdict));
    } else {
        nsh_fail(err, NSH_PROTOCOL, "TLS: %s", library_words());
    }
    return -1;
}

int notify_pipe_encrypt(struct notify_pipe *pipe, struct nsh_error *err)
{
    SSL *ssl = SSL_new(pipe->tls->context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL) {
        SSL_free(ssl);
        BIO_free(in);
        BIO_free(out);
        return nsh_fail(err, NSH_NOMEM, "out of memory for TLS");
    }
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    pipe->ssl = ssl;
    bool address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), pipe->tls->host) == 1;
    if (!address && (SSL_set1_host(ssl, pipe->tls->host) != 1 ||
                     SSL_set_tlsext_host_name(ssl, pipe->tls->host) != 1)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory for TLS");
    }
    if (shake(pipe, err) < 0) {
        return -err->code;
    }
    flush(pipe);
    want(pipe);
    return 0;
}

bool notify_pipe_secure(const struct notify_pipe *pipe)
{
    return pipe->shaken;
}

/* ---- reading ---- */

/* The bytes that came, to OpenSSL. False: no memory. */
static bool take(struct notify_pipe *pipe)
{
    char bytes[4096];
    for (size_t taken = 0; taken < TURN_BYTES_MAX && !pipe->ended;) {
        ssize_t count =
            pipe->services->stream_read(pipe->services, pipe->stream, bytes, sizeof bytes);
        if (count == -NSH_BUSY) {
            break;
        }
        pipe->ended = count <= 0;
        if (count > 0 && BIO_write(SSL_get_rbio(pipe->ssl), bytes, (int)count) != (int)count) {
            return false;
        }
        taken += count > 0 ? (size_t)count : 0;
    }
    return true;
}

long notify_pipe_read(struct notify_pipe *pipe, char *room, size_t room_bytes)
{
    size_t used = 0;
    while (used < room_bytes) {
        ssize_t count;
        if (pipe->ssl == NULL) {
            count = pipe->services->stream_read(pipe->services, pipe->stream, room + used,
                                                room_bytes - used);
            pipe->ended = count <= 0 && count != -NSH_BUSY;
        } else {
            ERR_clear_error();
            count = SSL_read(pipe->ssl, room + used, (int)(room_bytes - used));
            int why = SSL_get_error(pipe->ssl, (int)count);
            pipe->ended = pipe->ended || (count <= 0 && why != SSL_ERROR_WANT_READ);
        }
        if (count <= 0) {
            break;
        }
        used += (size_t)count;
    }
    return used == 0 && pipe->ended ? -1 : (long)used;
}

/* ---- the loop's turns ---- */

static void turn_tls(struct notify_pipe *pipe)
{
    struct nsh_error err = {0};
    if (!take(pipe)) {
        pipe->ready(pipe->arg, NSH_NOMEM, "out of memory");
        return;
    }
    if (pipe->shaken) {
        want(pipe);
        pipe->ready(pipe->arg, NSH_OK, "");
        return;
    }
    int shaken = shake(pipe, &err);
    flush(pipe);
    if (shaken < 0) {
        pipe->ready(pipe->arg, err.code, err.text);
    } else if (shaken == 0 && pipe->ended) {
        pipe->ready(pipe->arg, NSH_DISCONNECTED, "the connection broke during the TLS handshake");
    } else {
        pipe->shaken = shaken == 1;
        want(pipe);
        if (pipe->shaken) {
            pipe->ready(pipe->arg, NSH_OK, "");
        }
    }
}

static void turn(void *arg, int code, const char *text)
{
    struct notify_pipe *pipe = arg;
    struct nsh_error err = {0};
    if (code != NSH_OK) {
        pipe->ready(pipe->arg, code, text);
        return;
    }
    bool first = !pipe->connected;
    pipe->connected = true;
    if (first && pipe->at_once) {
        if (notify_pipe_encrypt(pipe, &err) < 0) {
            pipe->ready(pipe->arg, err.code, err.text);
        }
        return;
    }
    flush(pipe);
    if (pipe->ssl != NULL) {
        turn_tls(pipe);
        return;
    }
    want(pipe);
    if (!first) {
        pipe->ready(pipe->arg, NSH_OK, "");
    }
}

int notify_pipe_open(struct notify_pipe *pipe, bool at_once, struct nsh_error *err)
{
    pipe->at_once = at_once;
    return pipe->services->stream_open(
        pipe->services, &(struct nsh_stream_peer){.host = pipe->host, .port = pipe->port}, turn,
        pipe, &pipe->stream, err);
}

void notify_pipe_close(struct notify_pipe *pipe)
{
    SSL_free(pipe->ssl);
    pipe->ssl = NULL;
    if (pipe->stream != NULL) {
        pipe->services->stream_close(pipe->services, pipe->stream);
        pipe->stream = NULL;
    }
    if (pipe->output != NULL) {
        explicit_bzero(pipe->output, pipe->output_bytes); /* It may be a password. */
        free(pipe->output);
        pipe->output = NULL;
    }
}
