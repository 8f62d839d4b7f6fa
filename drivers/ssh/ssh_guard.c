/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The net below libssh2, and the list of what it owes. One thread calls drivers: what is kept here
 * needs no lock.
 *
 * The linker (driver.cmake) sends the library's calls of a few functions of OpenSSL here. Noted are
 * only objects that it never hands over to others (no set0, no assign), so what is still noted when
 * a session ends is one reference that nobody has: also with a library that forgets nothing.
 */

#include "ssh_guard.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf *net; /* Of the innermost step; NULL: none runs. */
static struct ssh_debts *account;

/* Hidden: only this module, and the library linked into it, get here. */
#define GUARD_HIDDEN __attribute__((visibility("hidden")))

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
    __attribute__((noreturn, visibility("hidden")));

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    if (net == NULL) {
        fprintf(stderr, "ssh: %s:%u: %s: %s\n", file, line, function, assertion);
        abort();
    }
    siglongjmp(*net, 1);
}

bool ssh_guard_run(struct ssh_debts *debts, int (*step)(struct ssh_link *link),
                   struct ssh_link *link, int *ret_result)
{
    sigjmp_buf here;
    sigjmp_buf *volatile outer = net;
    struct ssh_debts *volatile outer_account = account;
    if (sigsetjmp(here, 0) != 0) {
        net = outer;
        account = outer_account;
        return false;
    }
    net = &here;
    account = debts;
    int result = step(link);
    net = outer;
    account = outer_account;
    *ret_result = result;
    return true;
}

/* ---- what is owed ---- */

static void debt_note(void *object, void (*pay)(void *object))
{
    for (size_t i = 0; object != NULL && account != NULL && i < SSH_DEBTS_MAX; i++) {
        if (account->items[i].object == NULL) {
            account->items[i] = (struct ssh_debt){object, pay};
            return;
        }
    }
}

static void debt_strike(const void *object)
{
    for (size_t i = 0; object != NULL && account != NULL && i < SSH_DEBTS_MAX; i++) {
        if (account->items[i].object == object) {
            account->items[i] = (struct ssh_debt){0};
            return;
        }
    }
}

void ssh_debts_pay(struct ssh_debts *debts)
{
    for (size_t i = 0; i < SSH_DEBTS_MAX; i++) {
        if (debts->items[i].object != NULL) {
            debts->items[i].pay(debts->items[i].object);
        }
    }
    *debts = (struct ssh_debts){0};
}

/* ---- OpenSSL, as libssh2 sees it ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

EVP_PKEY *__real_EVP_PKEY_new_raw_public_key(int type, ENGINE *engine, const unsigned char *key,
                                             size_t bytes);
EVP_PKEY *__wrap_EVP_PKEY_new_raw_public_key(int type, ENGINE *engine, const unsigned char *key,
                                             size_t bytes) GUARD_HIDDEN;
EVP_PKEY *__real_EVP_PKEY_new_raw_private_key(int type, ENGINE *engine, const unsigned char *key,
                                              size_t bytes);
EVP_PKEY *__wrap_EVP_PKEY_new_raw_private_key(int type, ENGINE *engine, const unsigned char *key,
                                              size_t bytes) GUARD_HIDDEN;
void __real_EVP_PKEY_free(EVP_PKEY *key);
void __wrap_EVP_PKEY_free(EVP_PKEY *key) GUARD_HIDDEN;
RSA *__real_RSA_new(void);
RSA *__wrap_RSA_new(void) GUARD_HIDDEN;
void __real_RSA_free(RSA *key);
void __wrap_RSA_free(RSA *key) GUARD_HIDDEN;
EC_KEY *__real_EC_KEY_new_by_curve_name(int curve);
EC_KEY *__wrap_EC_KEY_new_by_curve_name(int curve) GUARD_HIDDEN;
void __real_EC_KEY_free(EC_KEY *key);
void __wrap_EC_KEY_free(EC_KEY *key) GUARD_HIDDEN;
int __real_EC_KEY_set_private_key(EC_KEY *key, const BIGNUM *number);
int __wrap_EC_KEY_set_private_key(EC_KEY *key, const BIGNUM *number) GUARD_HIDDEN;
void __real_BN_clear_free(BIGNUM *number);
void __wrap_BN_clear_free(BIGNUM *number) GUARD_HIDDEN;

static void evp_pay(void *object)
{
    __real_EVP_PKEY_free(object);
}

static void rsa_pay(void *object)
{
    __real_RSA_free(object);
}

static void ec_pay(void *object)
{
    __real_EC_KEY_free(object);
}

static void number_pay(void *object)
{
    __real_BN_clear_free(object);
}

EVP_PKEY *__wrap_EVP_PKEY_new_raw_public_key(int type, ENGINE *engine, const unsigned char *key,
                                             size_t bytes)
{
    EVP_PKEY *made = __real_EVP_PKEY_new_raw_public_key(type, engine, key, bytes);
    debt_note(made, evp_pay);
    return made;
}

EVP_PKEY *__wrap_EVP_PKEY_new_raw_private_key(int type, ENGINE *engine, const unsigned char *key,
                                              size_t bytes)
{
    EVP_PKEY *made = __real_EVP_PKEY_new_raw_private_key(type, engine, key, bytes);
    debt_note(made, evp_pay);
    return made;
}

void __wrap_EVP_PKEY_free(EVP_PKEY *key)
{
    debt_strike(key);
    __real_EVP_PKEY_free(key);
}

RSA *__wrap_RSA_new(void)
{
    RSA *made = __real_RSA_new();
    debt_note(made, rsa_pay);
    return made;
}

void __wrap_RSA_free(RSA *key)
{
    debt_strike(key);
    __real_RSA_free(key);
}

EC_KEY *__wrap_EC_KEY_new_by_curve_name(int curve)
{
    EC_KEY *made = __real_EC_KEY_new_by_curve_name(curve);
    debt_note(made, ec_pay);
    return made;
}

void __wrap_EC_KEY_free(EC_KEY *key)
{
    debt_strike(key);
    __real_EC_KEY_free(key);
}

/* The key gets a copy; the number itself is what the library then forgets. */
int __wrap_EC_KEY_set_private_key(EC_KEY *key, const BIGNUM *number)
{
    union {
        const BIGNUM *lent;
        void *owed;
    } same = {.lent = number};
    debt_note(same.owed, number_pay);
    return __real_EC_KEY_set_private_key(key, number);
}

void __wrap_BN_clear_free(BIGNUM *number)
{
    debt_strike(number);
    __real_BN_clear_free(number);
}

#pragma GCC diagnostic pop
