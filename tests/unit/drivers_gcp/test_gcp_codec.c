/* SPDX-License-Identifier: Apache-2.0 */
/* An assertion is verified with the public key, as Google would; request ids repeat and differ. */

#include "../unit.h"

#include "gcp_codec.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

static EVP_PKEY *key_make(struct nsh_pool *pool, const char **ret_pem)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *memory = BIO_new(BIO_s_mem());
    char *at = NULL;
    assert_non_null(key);
    assert_int_equal(PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL), 1);
    long count = BIO_get_mem_data(memory, &at);
    *ret_pem = nsh_pool_copy(pool, at, (size_t)count);
    BIO_free(memory);
    return key;
}

static void assertion_is_signed(void **state)
{
    struct nsh_pool pool = {0};
    const char *pem = NULL, *assertion = NULL;
    EVP_PKEY *key = key_make(&pool, &pem);
    (void)state;
    const struct nsh_member members[] = {{"client_email", nsh_text("ops@p1.iam")},
                                         {"private_key_id", nsh_text("k1")},
                                         {"private_key", nsh_text(pem)},
                                         {"token_uri", nsh_text("https://oauth2.example/token")}};
    struct nsh_value file = nsh_map(members, 4), claims;
    struct gcp_account account;
    struct nsh_error err = {0};
    assert_int_equal(gcp_account_read(&pool, nsh_json_write(&pool, &file), &account, &err), 0);
    assert_int_equal(gcp_assertion(&pool, &account, INT64_C(1767225600000), &assertion, &err), 0);

    const char *first = strchr(assertion, '.'), *last = strrchr(assertion, '.');
    size_t bytes = 0;
    uint8_t *signature = nsh_base64_read(&pool, last + 1, &bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(context, signature, bytes, (const unsigned char *)assertion,
                                      (size_t)(last - assertion)),
                     1);
    EVP_MD_CTX_free(context);
    uint8_t *json =
        nsh_base64_read(&pool, nsh_pool_copy(&pool, first + 1, (size_t)(last - first - 1)), &bytes);
    assert_int_equal(nsh_json_read(&pool, (const char *)json, bytes, &claims, &err), 0);
    assert_string_equal(nsh_get_text(&claims, "iss", ""), "ops@p1.iam");
    assert_string_equal(nsh_get_text(&claims, "aud", ""), "https://oauth2.example/token");
    assert_int_equal(nsh_get_int(&claims, "iat", 0), 1767225600);
    assert_int_equal(nsh_get_int(&claims, "exp", 0), 1767229200);
    EVP_PKEY_free(key);
    nsh_pool_done(&pool);
}

static void accounts_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"secret-text", "no JSON"},
        {"{\"client_email\":\"a\"}", "no private key"},
        {"{\"client_email\":\"a\",\"private_key\":\"secret-text\",\"token_uri\":\"http://evil/\"}",
         "an assertion in clear text"},
    };
    struct nsh_pool pool = {0};
    struct gcp_account account;
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_error err = {0};
        print_message("%s\n", rows[i].why);
        assert_int_equal(gcp_account_read(&pool, rows[i].text, &account, &err), -NSH_INVALID);
        assert_null(strstr(err.text, "secret-text"));
    }
    const char *assertion = NULL;
    account = (struct gcp_account){"a", "k", "no PEM", "https://t/"};
    assert_int_equal(gcp_assertion(&pool, &account, 0, &assertion, NULL), -NSH_INVALID);
    assert_null(assertion);
    nsh_pool_done(&pool);
}

static void request_ids(void **state)
{
    char one[GCP_UUID_BYTES], again[GCP_UUID_BYTES], other[GCP_UUID_BYTES];
    (void)state;
    assert_int_equal(gcp_request_id((const char *const[]){"h1", "act-1", NULL}, one), 0);
    assert_int_equal(gcp_request_id((const char *const[]){"h1", "act-1", NULL}, again), 0);
    assert_int_equal(gcp_request_id((const char *const[]){"h1a", "ct-1", NULL}, other), 0);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other); /* Texts do not run together. */
    assert_int_equal(strlen(one), 36);
    assert_int_equal(one[14], '8');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assertion_is_signed),
        cmocka_unit_test(accounts_refused),
        cmocka_unit_test(request_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
