/* SPDX-License-Identifier: Apache-2.0 */
/*
 * https: a handshake over the attempt's stream, who the certificate says it is, the request. The
 * certificate is judged after the handshake, so that why it does not do can be told, and when it
 * ends.
 */

#include "probe_private.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OUT_BYTES_MAX 8192
#define MS_PER_S 1000

struct probe_tls {
    SSL *ssl;
    BIO *in, *out; /* The SSL's. */
    bool asked;
};

int probe_tls_open(struct probe_source *source, struct nsh_error *err)
{
    const char *file = nsh_get_text(&source->config->settings, "ca_file", NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    source->tls_context = context;
    source->tls_bytes = malloc(PROBE_TLS_BYTES_MAX);
    if (context == NULL || source->tls_bytes == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* Looked at afterwards. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    int loaded = file == NULL ? SSL_CTX_set_default_verify_paths(context)
                              : SSL_CTX_load_verify_file(context, file);
    if (loaded != 1) {
        ERR_clear_error();
        return nsh_fail(err, NSH_INVALID, "%s: no certificates of authorities can be read there",
                        file == NULL ? "the system's store" : file);
    }
    return 0;
}

void probe_tls_close(struct probe_source *source)
{
    SSL_CTX_free(source->tls_context);
    free(source->tls_bytes);
}

void probe_tls_free(struct probe_attempt *attempt)
{
    if (attempt->tls != NULL) {
        SSL_free(attempt->tls->ssl); /* And its BIOs. */
        free(attempt->tls);
        attempt->tls = NULL;
    }
}

/* ---- who it is ---- */

static void expiry_note(struct probe_target *target, const X509 *certificate)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1) {
        target->expires_ms = (int64_t)timegm(&end) * MS_PER_S;
    }
}

static bool name_fits(const struct probe_attempt *attempt, X509 *certificate)
{
    const struct probe_source *source = attempt->source;
    const struct probe_target *target = &source->group.targets[attempt->target];
    if (source->server_name[0] != '\0') {
        return X509_check_host(certificate, source->server_name, 0, 0, NULL) == 1 ||
               X509_check_ip_asc(certificate, source->server_name, 0) == 1;
    }
    return X509_check_ip_asc(certificate, target->address, 0) == 1 ||
           X509_check_host(certificate, target->host, 0, 0, NULL) == 1;
}

/* False: it is not who it should be, and why says so. */
static bool peer_judge(struct probe_attempt *attempt, char *why, size_t why_bytes)
{
    struct probe_source *source = attempt->source;
    SSL *ssl = attempt->tls->ssl;
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == NULL) {
        snprintf(why, why_bytes, "it shows no certificate");
        return false;
    }
    expiry_note(&source->group.targets[attempt->target], certificate);
    if (strcmp(nsh_get_text(&source->config->settings, "tls", "verify"), "insecure") == 0) {
        return true;
    }
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) {
        snprintf(why, why_bytes, "certificate: %s", X509_verify_cert_error_string(verified));
        return false;
    }
    if (!name_fits(attempt, certificate)) {
        snprintf(why, why_bytes, "its certificate is another's");
        return false;
    }
    return true;
}

/* ---- bytes ---- */

/* What the SSL has to say goes out; false: it cannot, the attempt is over. */
static bool flush(struct probe_attempt *attempt)
{
    char bytes[OUT_BYTES_MAX];
    int count = BIO_read(attempt->tls->out, bytes, sizeof bytes);
    uv_buf_t buf = uv_buf_init(bytes, (unsigned)(count < 0 ? 0 : count));
    if (count > 0 && uv_try_write((uv_stream_t *)&attempt->tcp, &buf, 1) != count) {
        probe_stream_end(attempt, "the request could not be written", true);
        return false;
    }
    return true;
}

static void tls_fail(struct probe_attempt *attempt)
{
    char why[96];
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(why, sizeof why, "TLS: %s", reason == NULL ? "it broke off" : reason);
    ERR_clear_error();
    probe_stream_end(attempt, why, true);
}

static bool wants_more(const struct probe_attempt *attempt, int result)
{
    int error = SSL_get_error(attempt->tls->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* False: not yet, or over. */
static bool handshake(struct probe_attempt *attempt)
{
    struct probe_tls *tls = attempt->tls;
    char why[96], request[1024];
    int result = SSL_do_handshake(tls->ssl);
    bool waits = result != 1 && wants_more(attempt, result);
    if (!flush(attempt) || waits) {
        return false;
    }
    if (result != 1) {
        tls_fail(attempt);
        return false;
    }
    if (!peer_judge(attempt, why, sizeof why)) {
        probe_stream_end(attempt, why, true);
        return false;
    }
    tls->asked = true;
    int count = probe_stream_request(attempt, request, sizeof request);
    if (SSL_write(tls->ssl, request, count) != count) {
        tls_fail(attempt);
        return false;
    }
    return flush(attempt);
}

/* What was decrypted goes to reply, and is judged. */
static void answer_take(struct probe_attempt *attempt)
{
    struct probe_tls *tls = attempt->tls;
    while (!attempt->over && attempt->reply_bytes < attempt->reply_room) {
        ERR_clear_error();
        int count = SSL_read(tls->ssl, attempt->reply + attempt->reply_bytes,
                             (int)(attempt->reply_room - attempt->reply_bytes));
        if (count > 0) {
            attempt->reply_bytes += (size_t)count;
            probe_stream_judge(attempt, false);
        } else if (wants_more(attempt, count)) {
            flush(attempt);
            return;
        } else if (SSL_get_error(tls->ssl, count) == SSL_ERROR_ZERO_RETURN) {
            probe_stream_judge(attempt, true);
        } else {
            tls_fail(attempt);
        }
    }
}

static void go_on(struct probe_attempt *attempt)
{
    ERR_clear_error();
    if (attempt->tls->asked || handshake(attempt)) {
        answer_take(attempt);
    }
}

void probe_tls_received(struct probe_attempt *attempt, size_t count)
{
    if (BIO_write(attempt->tls->in, attempt->source->tls_bytes, (int)count) != (int)count) {
        probe_stream_end(attempt, "out of memory", true);
        return;
    }
    go_on(attempt);
}

void probe_tls_start(struct probe_attempt *attempt)
{
    struct probe_source *source = attempt->source;
    struct probe_tls *tls = calloc(1, sizeof *tls);
    SSL *ssl = tls == NULL ? NULL : SSL_new(source->tls_context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(ssl);
        free(tls);
        probe_stream_end(attempt, "out of memory", true);
        return;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    if (source->server_name[0] != '\0') {
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)source->server_name); /* The macro drops a const. */
    }
    *tls = (struct probe_tls){.ssl = ssl, .in = in, .out = out};
    attempt->tls = tls;
    go_on(attempt);
}
