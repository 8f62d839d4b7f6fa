/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions of service accounts, request ids, states. */

#include "gcp_codec.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define SCOPE "https://www.googleapis.com/auth/compute"
#define SIGNATURE_BYTES_MAX 1024 /* Of a key of 8192 bits. */

int gcp_account_read(struct nsh_pool *pool, const char *text, struct gcp_account *ret_account,
                     struct nsh_error *err)
{
    struct nsh_value json;
    if (nsh_json_read(pool, text, strlen(text), &json, NULL) < 0) {
        return nsh_fail(err, NSH_INVALID, "key: no key file of a service account (JSON)");
    }
    struct gcp_account account = {
        .email = nsh_get_text(&json, "client_email", NULL),
        .key_id = nsh_get_text(&json, "private_key_id", ""),
        .private_key = nsh_get_text(&json, "private_key", NULL),
        .token_uri = nsh_get_text(&json, "token_uri", "https://oauth2.googleapis.com/token"),
    };
    if (account.email == NULL || account.private_key == NULL ||
        (strncmp(account.token_uri, "https://", 8) != 0 &&
         strncmp(account.token_uri, "http://127.", 11) != 0)) {
        return nsh_fail(err, NSH_INVALID,
                        "key: no client_email or private_key, or a token_uri that is not https");
    }
    *ret_account = account;
    return 0;
}

static bool sign(EVP_PKEY *key, const char *text, unsigned char *room, size_t *bytes)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(context, room, bytes, (const unsigned char *)text, strlen(text)) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static const char *assertion_text(struct nsh_pool *pool, const struct gcp_account *account,
                                  int64_t unix_ms)
{
    const struct nsh_member header[] = {
        {"alg", nsh_text("RS256")}, {"typ", nsh_text("JWT")}, {"kid", nsh_text(account->key_id)}};
    const struct nsh_member claims[] = {{"iss", nsh_text(account->email)},
                                        {"scope", nsh_text(SCOPE)},
                                        {"aud", nsh_text(account->token_uri)},
                                        {"iat", nsh_int(unix_ms / 1000)},
                                        {"exp", nsh_int(unix_ms / 1000 + 3600)}};
    struct nsh_value header_map = nsh_map(header, 3), claims_map = nsh_map(claims, 5);
    const char *first = nsh_json_write(pool, &header_map);
    const char *second = nsh_json_write(pool, &claims_map);
    if (first == NULL || second == NULL) {
        return NULL;
    }
    first = nsh_base64url(pool, first, strlen(first));
    second = nsh_base64url(pool, second, strlen(second));
    return first == NULL || second == NULL ? NULL : nsh_pool_printf(pool, "%s.%s", first, second);
}

int gcp_assertion(struct nsh_pool *pool, const struct gcp_account *account, int64_t unix_ms,
                  const char **ret_assertion, struct nsh_error *err)
{
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t bytes = sizeof signature;
    const char *text = assertion_text(pool, account, unix_ms);
    if (text == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    BIO *memory = BIO_new_mem_buf(account->private_key, -1);
    EVP_PKEY *key = memory == NULL ? NULL : PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL);
    bool good = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
                EVP_PKEY_get_size(key) <= SIGNATURE_BYTES_MAX && sign(key, text, signature, &bytes);
    EVP_PKEY_free(key);
    BIO_free(memory);
    if (!good) {
        return nsh_fail(err, NSH_INVALID, "key: its private_key is no RSA key in PEM");
    }
    const char *third = nsh_base64url(pool, signature, bytes);
    const char *all = third == NULL ? NULL : nsh_pool_printf(pool, "%s.%s", text, third);
    if (all == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_assertion = all;
    return 0;
}

int gcp_request_id(const char *const *parts, char ret_uuid[GCP_UUID_BYTES])
{
    unsigned char hash[32];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; good && parts[i] != NULL; i++) {
        good = EVP_DigestUpdate(context, parts[i], strlen(parts[i]) + 1) == 1;
    }
    good = good && EVP_DigestFinal_ex(context, hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!good) {
        return -NSH_NOMEM;
    }
    hash[6] = (unsigned char)(0x80 | (hash[6] & 0x0f)); /* Version 8: our own. */
    hash[8] = (unsigned char)(0x80 | (hash[8] & 0x3f));
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        at += (size_t)snprintf(ret_uuid + at, GCP_UUID_BYTES - at, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", hash[i]);
    }
    return 0;
}

const char *gcp_power_word(const char *status)
{
    static const char *const words[][2] = {
        {"RUNNING", "on"},
        {"TERMINATED", "off"},
        {"STOPPED", "off"},
        {"SUSPENDED", "off"},
        {"PROVISIONING", "powering-on"},
        {"STAGING", "powering-on"},
        {"PENDING", "powering-on"},
        {"REPAIRING", "powering-on"},
        {"STOPPING", "powering-off"},
        {"PENDING_STOP", "powering-off"},
        {"SUSPENDING", "powering-off"},
        {"DEPROVISIONING", "powering-off"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(status, words[i][0]) == 0) {
            return words[i][1];
        }
    }
    return "unknown";
}

int gcp_error_means(const char *error, int code)
{
    static const struct {
        const char *begins;
        int code;
    } rows[] = {
        {"ZONE_RESOURCE_POOL_EXHAUSTED", NSH_LIMIT},
        {"STOCKOUT", NSH_LIMIT},
        {"QUOTA_EXCEEDED", NSH_LIMIT},
        {"quotaExceeded", NSH_LIMIT},
        {"RESOURCE_NOT_FOUND", NSH_NOT_FOUND},
        {"rateLimitExceeded", NSH_BUSY},
        {"userRateLimitExceeded", NSH_BUSY},
        {"resourceNotReady", NSH_BUSY},
        {"alreadyExists", NSH_EXISTS},
    };
    for (size_t i = 0; error != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (strncmp(error, rows[i].begins, strlen(rows[i].begins)) == 0) {
            return rows[i].code;
        }
    }
    return code;
}
