/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_usm.h"

#include "trap_ber.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/map.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define KEY_BYTES_MAX 64
#define DIGEST_BYTES_MAX 48 /* Of an authentication parameter. */
#define SALT_BYTES 8
#define REPORTS_PER_S_MAX 1000 /* Reports answer unauthenticated datagrams. */
#define USERS_MAX 256
#define PEER_KEY_BYTES_MAX (TRAP_ENGINE_BYTES_MAX + 2)

struct usm_protocol {
    const char *name;
    const char *digest;
    uint32_t key_bytes;
    uint32_t sent_bytes; /* Of the digest, in a message. */
};

static const struct usm_protocol protocols[] = {
    {"MD5", "MD5", 16, 12},          {"SHA", "SHA1", 20, 12},
    {"SHA-1", "SHA1", 20, 12},       {"SHA-224", "SHA2-224", 28, 16},
    {"SHA-256", "SHA2-256", 32, 24}, {"SHA-384", "SHA2-384", 48, 32},
    {"SHA-512", "SHA2-512", 64, 48},
};

struct usm_user {
    char name[TRAP_USER_BYTES_MAX + 1];
    const struct usm_protocol *auth; /* NULL: none */
    const EVP_MD *digest;
    bool priv;
    uint8_t level; /* The flags a message of this user must carry. */
    uint8_t auth_key[KEY_BYTES_MAX], priv_key[KEY_BYTES_MAX]; /* Ku, before localisation. */
    uint8_t engine[TRAP_ENGINE_BYTES_MAX];
    uint32_t engine_bytes; /* 0: any */
};

/* One user at one engine. */
struct usm_peer {
    const struct usm_user *user;
    EVP_MAC_CTX *mac;
    EVP_CIPHER_CTX *decrypt, *encrypt; /* encrypt: only at our own engine */
    uint32_t boots, time;
    int64_t heard_s;
    uint8_t key[PEER_KEY_BYTES_MAX];
    uint32_t key_bytes;
};

struct usm {
    struct usm_user *users;
    size_t users_count;
    struct trap_engine engine;
    struct map peers;
    EVP_MAC *hmac;
    EVP_CIPHER *aes;
    uint64_t salt;
    int64_t reports_s;
    unsigned reports_count;
    uint32_t verdicts_count[USM_DECRYPTION + 1];
    uint8_t plain[TRAP_DATAGRAM_BYTES_MAX];
    uint8_t cipher[TRAP_DATAGRAM_BYTES_MAX];
    uint8_t answer[TRAP_DATAGRAM_BYTES_MAX];
};

static struct text text_bytes(const void *bytes, size_t count)
{
    return (struct text){bytes, (uint32_t)count};
}

/* RFC 3414 A.2: the digest of one mebibyte of the repeated pass phrase. */
static bool key_of_secret(const EVP_MD *digest, const char *secret, uint8_t key[KEY_BYTES_MAX])
{
    size_t secret_bytes = strlen(secret);
    uint8_t block[64];
    size_t index = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestInit_ex(context, digest, NULL) == 1;
    for (unsigned done = 0; ok && done < 1048576; done += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++) {
            block[i] = (uint8_t)secret[index++ % secret_bytes];
        }
        ok = EVP_DigestUpdate(context, block, sizeof block) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(context, key, NULL) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

/* RFC 3414 A.2: digest(Ku, engine, Ku). */
static bool key_localise(const struct usm_user *user, const uint8_t *ku, struct text engine,
                         uint8_t key[KEY_BYTES_MAX])
{
    NSH_ASSERT(user->auth != NULL); /* Privacy goes with authentication: user_set(). */
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestInit_ex(context, user->digest, NULL) == 1 &&
              EVP_DigestUpdate(context, ku, user->auth->key_bytes) == 1 &&
              EVP_DigestUpdate(context, engine.at, engine.count) == 1 &&
              EVP_DigestUpdate(context, ku, user->auth->key_bytes) == 1 &&
              EVP_DigestFinal_ex(context, key, NULL) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

static const struct usm_protocol *protocol_of(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        if (strcmp(protocols[i].name, name) == 0) {
            return &protocols[i];
        }
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_engine(struct usm_user *user, const char *hex, struct nsh_error *err)
{
    const char *at = hex;
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        at += 2;
    }
    size_t digits = strlen(at);
    if (digits % 2 != 0 || digits < 10 || digits > 2 * TRAP_ENGINE_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID,
                        "SNMPv3 user %s: engine must be 5 to 32 bytes in hexadecimal, got %s",
                        user->name, hex);
    }
    for (size_t i = 0; i < digits / 2; i++) {
        int high = hex_digit(at[2 * i]);
        int low = hex_digit(at[2 * i + 1]);
        if (high < 0 || low < 0) {
            return nsh_fail(err, NSH_INVALID, "SNMPv3 user %s: engine is not hexadecimal: %s",
                            user->name, hex);
        }
        user->engine[i] = (uint8_t)(high << 4 | low);
    }
    user->engine_bytes = (uint32_t)(digits / 2);
    return 0;
}

static int read_secret(struct usm_user *user, const char *what, const char *secret,
                       uint8_t key[KEY_BYTES_MAX], struct nsh_error *err)
{
    if (secret == NULL || strlen(secret) < 8) {
        return nsh_fail(err, NSH_INVALID, "SNMPv3 user %s: %s must have at least 8 characters",
                        user->name, what);
    }
    if (!key_of_secret(user->digest, secret, key)) {
        return nsh_fail(err, NSH_UNSUPPORTED, "SNMPv3 user %s: OpenSSL refuses %s", user->name,
                        user->auth->name);
    }
    return 0;
}

static int user_set(struct usm_user *user, const struct trap_user *wanted, struct nsh_error *err)
{
    int r = 0;
    if (wanted->name == NULL || wanted->name[0] == '\0' ||
        strlen(wanted->name) > TRAP_USER_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "SNMPv3 user: a name has 1 to %d characters",
                        TRAP_USER_BYTES_MAX);
    }
    memcpy(user->name, wanted->name, strlen(wanted->name));
    if (wanted->engine != NULL && wanted->engine[0] != '\0') {
        r = read_engine(user, wanted->engine, err);
    }
    if (r < 0 || wanted->auth == NULL) {
        return r < 0 || wanted->priv == NULL
                   ? r
                   : nsh_fail(err, NSH_INVALID, "SNMPv3 user %s: priv needs auth", user->name);
    }
    user->auth = protocol_of(wanted->auth);
    if (user->auth == NULL) {
        return nsh_fail(
            err, NSH_INVALID,
            "SNMPv3 user %s: auth must be MD5, SHA, SHA-224, SHA-256, SHA-384 or SHA-512, got %s",
            user->name, wanted->auth);
    }
    user->digest = EVP_MD_fetch(NULL, user->auth->digest, NULL);
    if (user->digest == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "SNMPv3 user %s: OpenSSL has no %s", user->name,
                        wanted->auth);
    }
    user->level = USM_FLAG_AUTH;
    r = read_secret(user, "auth_secret", wanted->auth_secret, user->auth_key, err);
    if (r < 0 || wanted->priv == NULL) {
        return r;
    }
    if (strcmp(wanted->priv, "AES") != 0 && strcmp(wanted->priv, "AES-128") != 0) {
        return nsh_fail(err, NSH_INVALID, "SNMPv3 user %s: priv must be AES, got %s", user->name,
                        wanted->priv);
    }
    user->priv = true;
    user->level = USM_FLAG_AUTH | USM_FLAG_PRIV;
    return read_secret(user, "priv_secret", wanted->priv_secret, user->priv_key, err);
}

static void peer_free(struct usm_peer *peer)
{
    if (peer != NULL) {
        EVP_MAC_CTX_free(peer->mac);
        EVP_CIPHER_CTX_free(peer->decrypt);
        EVP_CIPHER_CTX_free(peer->encrypt);
        free(peer);
    }
}

static bool peer_set_keys(struct usm *usm, struct usm_peer *peer, struct text engine)
{
    const struct usm_user *user = peer->user;
    uint8_t key[KEY_BYTES_MAX];
    bool ok = true;
    if (user->auth != NULL) {
        char digest[16];
        memcpy(digest, user->auth->digest, strlen(user->auth->digest) + 1);
        OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
        peer->mac = EVP_MAC_CTX_new(usm->hmac);
        ok = peer->mac != NULL && key_localise(user, user->auth_key, engine, key) &&
             EVP_MAC_init(peer->mac, key, user->auth->key_bytes, params) == 1;
    }
    if (ok && user->priv) {
        peer->decrypt = EVP_CIPHER_CTX_new();
        peer->encrypt = EVP_CIPHER_CTX_new();
        ok = peer->decrypt != NULL && peer->encrypt != NULL &&
             key_localise(user, user->priv_key, engine, key) &&
             EVP_DecryptInit_ex2(peer->decrypt, usm->aes, key, NULL, NULL) == 1 &&
             EVP_EncryptInit_ex2(peer->encrypt, usm->aes, key, NULL, NULL) == 1;
    }
    OPENSSL_cleanse(key, sizeof key);
    return ok;
}

static struct usm_peer *peer_new(struct usm *usm, const struct usm_user *user, struct text engine)
{
    struct usm_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return NULL;
    }
    size_t index = (size_t)(user - usm->users);
    peer->user = user;
    peer->key[0] = (uint8_t)index;
    peer->key[1] = (uint8_t)(index >> 8);
    memcpy(peer->key + 2, engine.at, engine.count);
    peer->key_bytes = engine.count + 2;
    if (!peer_set_keys(usm, peer, engine)) {
        peer_free(peer);
        return NULL;
    }
    return peer;
}

static const struct usm_user *user_find(const struct usm *usm, struct text name, struct text engine)
{
    for (size_t i = 0; i < usm->users_count; i++) {
        const struct usm_user *user = &usm->users[i];
        if (!text_is(name, user->name)) {
            continue;
        }
        if (user->engine_bytes == 0 || usm_is_own(usm, engine) ||
            text_equal(engine, text_bytes(user->engine, user->engine_bytes))) {
            return user;
        }
    }
    return NULL;
}

static struct usm_peer *peer_find(const struct usm *usm, const struct usm_user *user,
                                  struct text engine)
{
    uint8_t key[PEER_KEY_BYTES_MAX];
    size_t index = (size_t)(user - usm->users);
    key[0] = (uint8_t)index;
    key[1] = (uint8_t)(index >> 8);
    memcpy(key + 2, engine.at, engine.count);
    return map_get(&usm->peers, text_bytes(key, engine.count + 2));
}

int usm_new(const struct trap_user *users, size_t users_count, const struct trap_engine *engine,
            struct usm **ret_usm, struct nsh_error *err)
{
    if (users_count > USERS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%zu SNMPv3 users, the limit is %d", users_count,
                        USERS_MAX);
    }
    struct usm *usm = calloc(1, sizeof *usm);
    if (usm == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for SNMPv3 users");
    }
    int r = 0;
    usm->engine = *engine;
    usm->users = calloc(users_count + 1, sizeof *usm->users);
    usm->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    usm->aes = EVP_CIPHER_fetch(NULL, "AES-128-CFB", NULL);
    if (usm->users == NULL || usm->hmac == NULL || usm->aes == NULL ||
        RAND_bytes((unsigned char *)&usm->salt, sizeof usm->salt) != 1) {
        r = nsh_fail(err, NSH_UNSUPPORTED, "OpenSSL without HMAC or AES");
    }
    for (size_t i = 0; r == 0 && i < users_count; i++) {
        usm->users_count++;
        r = user_set(&usm->users[i], &users[i], err);
        if (r == 0 && engine->id_bytes > 0) {
            struct usm_peer *peer =
                peer_new(usm, &usm->users[i], text_bytes(engine->id, engine->id_bytes));
            if (peer == NULL ||
                map_set(&usm->peers, text_bytes(peer->key, peer->key_bytes), peer) < 0) {
                peer_free(peer);
                r = nsh_fail(err, NSH_NOMEM, "no memory for SNMPv3 users");
            }
        }
    }
    if (r < 0) {
        usm_free(usm);
        return r;
    }
    *ret_usm = usm;
    return 0;
}

void usm_free(struct usm *usm)
{
    if (usm == NULL) {
        return;
    }
    MAP_EACH (&usm->peers, entry) {
        peer_free(entry->value);
    }
    map_done(&usm->peers);
    for (size_t i = 0; i < usm->users_count; i++) {
        EVP_MD_free((EVP_MD *)(uintptr_t)usm->users[i].digest);
    }
    if (usm->users != NULL) {
        OPENSSL_cleanse(usm->users, usm->users_count * sizeof *usm->users);
    }
    free(usm->users);
    EVP_MAC_free(usm->hmac);
    EVP_CIPHER_free(usm->aes);
    free(usm);
}

bool usm_is_own(const struct usm *usm, struct text engine)
{
    return usm->engine.id_bytes > 0 &&
           text_equal(engine, text_bytes(usm->engine.id, usm->engine.id_bytes));
}

/* The digest of the message as it was before its authentication parameters were filled in. */
static bool digest_message(struct usm_peer *peer, const uint8_t *whole, size_t whole_bytes,
                           const uint8_t *auth, uint8_t digest[EVP_MAX_MD_SIZE])
{
    static const uint8_t zeros[DIGEST_BYTES_MAX];
    size_t sent = peer->user->auth->sent_bytes;
    size_t before = (size_t)(auth - whole);
    size_t digest_bytes = 0;
    return EVP_MAC_init(peer->mac, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(peer->mac, whole, before) == 1 &&
           EVP_MAC_update(peer->mac, zeros, sent) == 1 &&
           EVP_MAC_update(peer->mac, auth + sent, whole_bytes - before - sent) == 1 &&
           EVP_MAC_final(peer->mac, digest, &digest_bytes, EVP_MAX_MD_SIZE) == 1;
}

static bool verify(struct usm_peer *peer, const struct usm_message *message)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t sent = peer->user->auth->sent_bytes;
    return message->auth.count == sent &&
           digest_message(peer, message->whole, message->whole_bytes,
                          (const uint8_t *)message->auth.at, digest) &&
           CRYPTO_memcmp(digest, message->auth.at, sent) == 0;
}

static uint32_t own_time(const struct usm *usm, int64_t now_s)
{
    return now_s > usm->engine.start_s ? (uint32_t)(now_s - usm->engine.start_s) : 0;
}

/* RFC 3414 3.2 (7): ours exactly; a sender's own may only go forward, up to the window. */
static bool in_window(const struct usm *usm, struct usm_peer *peer,
                      const struct usm_message *message, int64_t now_s)
{
    if (usm_is_own(usm, message->engine)) {
        int64_t distance = (int64_t)own_time(usm, now_s) - message->time;
        return message->boots == usm->engine.boots && distance <= USM_WINDOW_S &&
               distance >= -USM_WINDOW_S;
    }
    if (message->boots >= INT32_MAX || message->boots < peer->boots) {
        return false;
    }
    if (message->boots == peer->boots && peer->heard_s != 0) {
        int64_t expected = (int64_t)peer->time + (now_s - peer->heard_s);
        if ((int64_t)message->time + USM_WINDOW_S < expected) {
            return false;
        }
        if (message->time < peer->time) {
            return true; /* Late, yet inside the window: the clock stays. */
        }
    }
    peer->boots = message->boots;
    peer->time = message->time;
    peer->heard_s = now_s == 0 ? 1 : now_s;
    return true;
}

static void vector_of(uint32_t boots, uint32_t time, const void *salt, uint8_t vector[16])
{
    uint8_t clock[8] = {(uint8_t)(boots >> 24), (uint8_t)(boots >> 16), (uint8_t)(boots >> 8),
                        (uint8_t)boots,         (uint8_t)(time >> 24),  (uint8_t)(time >> 16),
                        (uint8_t)(time >> 8),   (uint8_t)time};
    memcpy(vector, clock, sizeof clock);
    memcpy(vector + sizeof clock, salt, SALT_BYTES);
}

static bool decrypt(struct usm *usm, struct usm_peer *peer, const struct usm_message *message,
                    struct text *ret_plain)
{
    uint8_t vector[16];
    int count = 0;
    if (message->salt.count != SALT_BYTES || message->data_bytes > sizeof usm->plain) {
        return false;
    }
    vector_of(message->boots, message->time, message->salt.at, vector);
    if (EVP_DecryptInit_ex2(peer->decrypt, NULL, NULL, vector, NULL) != 1 ||
        EVP_DecryptUpdate(peer->decrypt, usm->plain, &count, message->data,
                          (int)message->data_bytes) != 1) {
        return false;
    }
    *ret_plain = text_bytes(usm->plain, (size_t)count);
    return true;
}

static enum usm_verdict check_peer(struct usm *usm, struct usm_peer *peer,
                                   const struct usm_message *message, int64_t now_s,
                                   struct text *ret_plain)
{
    if (peer->user->auth != NULL) {
        if (!verify(peer, message)) {
            return USM_WRONG_DIGEST;
        }
        if (!in_window(usm, peer, message, now_s)) {
            return USM_NOT_IN_WINDOW;
        }
    }
    if (!peer->user->priv) {
        *ret_plain = text_bytes(message->data, message->data_bytes);
        return USM_OK;
    }
    return decrypt(usm, peer, message, ret_plain) ? USM_OK : USM_DECRYPTION;
}

enum usm_verdict usm_check(struct usm *usm, const struct usm_message *message, int64_t now_s,
                           struct text *ret_plain)
{
    if (message->engine.count < 5 || message->engine.count > TRAP_ENGINE_BYTES_MAX) {
        return USM_UNKNOWN_ENGINE;
    }
    const struct usm_user *user = user_find(usm, message->user, message->engine);
    if (user == NULL) {
        return USM_UNKNOWN_USER;
    }
    if ((message->flags & (USM_FLAG_AUTH | USM_FLAG_PRIV)) != user->level) {
        return USM_LEVEL;
    }
    struct usm_peer *peer = peer_find(usm, user, message->engine);
    if (peer != NULL) {
        return check_peer(usm, peer, message, now_s, ret_plain);
    }
    peer = peer_new(usm, user, message->engine);
    if (peer == NULL) {
        return USM_DECRYPTION;
    }
    enum usm_verdict verdict = check_peer(usm, peer, message, now_s, ret_plain);
    if (verdict != USM_OK || user->auth == NULL || usm->peers.count >= USM_PEERS_MAX ||
        map_set(&usm->peers, text_bytes(peer->key, peer->key_bytes), peer) < 0) {
        peer_free(peer);
    }
    return verdict;
}

struct usm_build {
    const struct usm_message *message; /* What is answered. */
    struct usm_peer *peer;             /* NULL: noAuthNoPriv */
    uint8_t flags;
    const uint8_t *scoped;
    size_t scoped_bytes;
};

/* A whole message of ours in usm->answer. */
static size_t build(struct usm *usm, const struct usm_build *parts, int64_t now_s,
                    const uint8_t **ret_bytes)
{
    struct ber ber = {.bytes = usm->answer, .room = sizeof usm->answer};
    uint32_t time = own_time(usm, now_s);
    uint64_t salt = usm->salt++;
    static const uint8_t zeros[DIGEST_BYTES_MAX];
    if ((parts->flags & USM_FLAG_PRIV) != 0) {
        uint8_t vector[16];
        int count = 0;
        vector_of(usm->engine.boots, time, &salt, vector);
        if (parts->scoped_bytes > sizeof usm->cipher ||
            EVP_EncryptInit_ex2(parts->peer->encrypt, NULL, NULL, vector, NULL) != 1 ||
            EVP_EncryptUpdate(parts->peer->encrypt, usm->cipher, &count, parts->scoped,
                              (int)parts->scoped_bytes) != 1) {
            return 0;
        }
        ber_put_octets(&ber, usm->cipher, (size_t)count);
    } else {
        ber_put_bytes(&ber, parts->scoped, parts->scoped_bytes);
    }
    size_t mark = ber.count;
    ber_put_octets(&ber, &salt, (parts->flags & USM_FLAG_PRIV) != 0 ? SALT_BYTES : 0);
    size_t auth_bytes =
        (parts->flags & USM_FLAG_AUTH) != 0 ? parts->peer->user->auth->sent_bytes : 0;
    ber_put_bytes(&ber, zeros, auth_bytes);
    size_t auth_mark = ber.count;
    ber_put_header(&ber, 0x04, auth_bytes);
    ber_put_octets(&ber, parts->message->user.at, parts->message->user.count);
    ber_put_unsigned(&ber, 0x02, time);
    ber_put_unsigned(&ber, 0x02, usm->engine.boots);
    ber_put_octets(&ber, usm->engine.id, usm->engine.id_bytes);
    ber_wrap(&ber, 0x30, mark);
    ber_wrap(&ber, 0x04, mark);
    mark = ber.count;
    ber_put_unsigned(&ber, 0x02, 3); /* The user-based model. */
    ber_put_octets(&ber, &parts->flags, 1);
    ber_put_unsigned(&ber, 0x02, 65507);
    ber_put_unsigned(&ber, 0x02, parts->message->msg_id);
    ber_wrap(&ber, 0x30, mark);
    ber_put_unsigned(&ber, 0x02, 3);
    ber_wrap(&ber, 0x30, 0);
    if (ber.failed) {
        return 0;
    }
    if (auth_bytes > 0) {
        uint8_t digest[EVP_MAX_MD_SIZE];
        uint8_t *auth = usm->answer + (sizeof usm->answer - auth_mark);
        if (!digest_message(parts->peer, ber_at(&ber), ber.count, auth, digest)) {
            return 0;
        }
        memcpy(auth, digest, auth_bytes);
    }
    *ret_bytes = ber_at(&ber);
    return ber.count;
}

size_t usm_answer(struct usm *usm, const struct usm_message *message, const uint8_t *scoped,
                  size_t scoped_bytes, int64_t now_s, const uint8_t **ret_bytes)
{
    const struct usm_user *user = user_find(usm, message->user, message->engine);
    NSH_ASSERT(user != NULL);
    struct usm_peer *peer = peer_find(usm, user, message->engine);
    if (peer == NULL) {
        return 0;
    }
    return build(usm,
                 &(struct usm_build){.message = message,
                                     .peer = peer,
                                     .flags = user->level,
                                     .scoped = scoped,
                                     .scoped_bytes = scoped_bytes},
                 now_s, ret_bytes);
}

/* usmStats.N.0 (RFC 3414 5) for each verdict. */
static const uint8_t stats_arc[] = {
    [USM_OK] = 0,           [USM_UNKNOWN_ENGINE] = 4, [USM_UNKNOWN_USER] = 3, [USM_LEVEL] = 1,
    [USM_WRONG_DIGEST] = 5, [USM_NOT_IN_WINDOW] = 2,  [USM_DECRYPTION] = 6,
};

size_t usm_report(struct usm *usm, const struct usm_message *message, enum usm_verdict verdict,
                  uint32_t request_id, int64_t now_s, const uint8_t **ret_bytes)
{
    NSH_ASSERT(verdict != USM_OK);
    usm->verdicts_count[verdict]++;
    if ((message->flags & USM_FLAG_REPORTABLE) == 0 || usm->engine.id_bytes == 0 ||
        message->user.count > TRAP_USER_BYTES_MAX) {
        return 0;
    }
    if (usm->reports_s != now_s) {
        usm->reports_s = now_s;
        usm->reports_count = 0;
    }
    if (usm->reports_count++ >= REPORTS_PER_S_MAX) {
        return 0;
    }
    uint8_t oid[] = {0x2b, 6, 1, 6, 3, 15, 1, 1, stats_arc[verdict], 0};
    uint8_t bytes[256];
    struct ber ber = {.bytes = bytes, .room = sizeof bytes};
    ber_put_unsigned(&ber, 0x41, usm->verdicts_count[verdict]);
    ber_put_bytes(&ber, oid, sizeof oid);
    ber_put_header(&ber, 0x06, sizeof oid);
    ber_wrap(&ber, 0x30, 0);
    ber_wrap(&ber, 0x30, 0);
    ber_put_unsigned(&ber, 0x02, 0);
    ber_put_unsigned(&ber, 0x02, 0);
    ber_put_unsigned(&ber, 0x02, request_id);
    ber_wrap(&ber, 0xa8, 0);
    ber_put_octets(&ber, "", 0);
    ber_put_octets(&ber, usm->engine.id, usm->engine.id_bytes);
    ber_wrap(&ber, 0x30, 0);
    NSH_ASSERT(!ber.failed);
    struct usm_build parts = {
        .message = message, .scoped = ber_at(&ber), .scoped_bytes = ber.count};
    if (verdict ==
        USM_NOT_IN_WINDOW) { /* Authenticated, so that the sender may believe our clock. */
        const struct usm_user *user = user_find(usm, message->user, message->engine);
        parts.peer = user == NULL ? NULL : peer_find(usm, user, message->engine);
        parts.flags = parts.peer == NULL || user->auth == NULL ? 0 : (uint8_t)USM_FLAG_AUTH;
    }
    return build(usm, &parts, now_s, ret_bytes);
}
