/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the lab: an ECDSA authority made at start (STATE/ca.pem, for clients to verify with), one
 * key for all BMCs and a certificate for each, signed when its first client comes: 10,000 would
 * cost a second at start otherwise.
 */

#include "lab.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATE_DAYS 3650

struct lab_https {
    SSL_CTX *context;
    EVP_PKEY *ca_key, *key;
    X509 *ca;
    long serial;
};

static X509 *tls_certificate(struct lab_https *https, const char *name, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new();

    if (certificate == NULL || subject == NULL) {
        X509_free(certificate);
        X509_NAME_free(subject);
        return NULL;
    }
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"nightshift-lab",
                               -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++https->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * CERTIFICATE_DAYS);
    X509_set_subject_name(certificate, subject);
    X509_set_issuer_name(certificate,
                         https->ca == NULL ? subject : X509_get_subject_name(https->ca));
    X509_set_pubkey(certificate, key);
    X509_NAME_free(subject);
    return certificate;
}

static bool tls_extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool tls_make_ca(struct lab_https *https)
{
    https->ca_key = EVP_EC_gen("P-256");
    https->key = EVP_EC_gen("P-256");
    if (https->ca_key == NULL || https->key == NULL) {
        return false;
    }
    X509 *ca = tls_certificate(https, "nightshift-lab CA", https->ca_key);
    bool good = ca != NULL && tls_extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE") &&
                tls_extend(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                tls_extend(ca, ca, NID_subject_key_identifier, "hash") &&
                X509_sign(ca, https->ca_key, EVP_sha256()) > 0;
    https->ca = ca;
    return good;
}

/* The certificate of a BMC, made on first use. */
static X509 *tls_bmc_certificate(struct lab_bmc *bmc)
{
    struct lab_https *https = bmc->lab->https;
    char address[INET_ADDRSTRLEN], names[INET_ADDRSTRLEN + LAB_NAME_MAX + 16];

    if (bmc->certificate != NULL) {
        return bmc->certificate;
    }
    inet_ntop(AF_INET, &bmc->address.sin_addr, address, sizeof address);
    snprintf(names, sizeof names, "IP:%s,DNS:%s", address, bmc->hosts->name);
    X509 *certificate = tls_certificate(https, bmc->hosts->name, https->key);
    if (certificate == NULL) {
        return NULL;
    }
    if (!tls_extend(certificate, https->ca, NID_subject_alt_name, names) ||
        !tls_extend(certificate, https->ca, NID_ext_key_usage, "serverAuth") ||
        !tls_extend(certificate, https->ca, NID_authority_key_identifier, "keyid") ||
        X509_sign(certificate, https->ca_key, EVP_sha256()) <= 0) {
        X509_free(certificate);
        return NULL;
    }
    bmc->certificate = certificate;
    return certificate;
}

static int tls_write_ca(const struct lab *lab, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf path = {0};

    textbuf_addf(&path, "%s/ca.pem", lab->options.state);
    FILE *out = fopen(path.at, "w");
    if (out == NULL) {
        return nsh_fail(err, NSH_IO, "cannot write %s: %s", path.at, strerror(errno));
    }
    int written = PEM_write_X509(out, lab->https->ca);
    if (fclose(out) != 0 || written != 1) {
        return nsh_fail(err, NSH_IO, "cannot write %s: %s", path.at, strerror(errno));
    }
    return 0;
}

int lab_tls_open(struct lab *lab, struct nsh_error *err)
{
    struct lab_https *https = calloc(1, sizeof *https);

    lab->https = https;
    if (https == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for TLS");
    }
    https->context = SSL_CTX_new(TLS_server_method());
    if (https->context == NULL || !tls_make_ca(https)) {
        return nsh_fail(err, NSH_FAILED, "cannot make the lab's certificates");
    }
    SSL_CTX_set_mode(https->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(https->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(https->context, 1);
    return lab->options.state == NULL ? 0 : tls_write_ca(lab, err);
}

void lab_tls_close(struct lab *lab)
{
    struct lab_https *https = lab->https;

    if (https == NULL) {
        return;
    }
    for (size_t i = 0; i < lab->bmcs_count; i++) {
        X509_free(lab->bmcs[i].certificate);
    }
    SSL_CTX_free(https->context);
    EVP_PKEY_free(https->ca_key);
    EVP_PKEY_free(https->key);
    X509_free(https->ca);
    free(https);
    lab->https = NULL;
}

struct ssl_st *lab_tls_accept(struct lab_bmc *bmc, int fd)
{
    struct lab_https *https = bmc->lab->https;
    X509 *certificate = tls_bmc_certificate(bmc);
    SSL *ssl = certificate == NULL ? NULL : SSL_new(https->context);

    if (ssl == NULL || SSL_use_certificate(ssl, certificate) != 1 ||
        SSL_use_PrivateKey(ssl, https->key) != 1 || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
