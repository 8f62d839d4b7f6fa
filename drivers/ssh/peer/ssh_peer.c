/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SSH server for the contract suite, small and deterministic: curve25519-sha256, ssh-ed25519,
 * aes128-ctr, hmac-sha2-256, login by password, one exec at a time. What a command prints, and how
 * it ends, are rules: "exec COMMAND" asks them, "connect" asks whether the host answers at all
 * (status not 0: it does not). "refused": the channel request is; "hang_up": the host goes away
 * in the middle of it. "password" of the device is the one that it takes; "methods" what it says
 * it takes.
 */

#include "contract_peer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define IN_MAX 65536
#define PACKET_MAX 40000
#define BANNER "SSH-2.0-contract"
#define KEY_BYTES 32
#define BLOCK 16

enum {
    MSG_DISCONNECT = 1,
    MSG_SERVICE_REQUEST = 5,
    MSG_SERVICE_ACCEPT = 6,
    MSG_KEXINIT = 20,
    MSG_NEWKEYS = 21,
    MSG_ECDH_INIT = 30,
    MSG_ECDH_REPLY = 31,
    MSG_AUTH_REQUEST = 50,
    MSG_AUTH_FAILURE = 51,
    MSG_AUTH_SUCCESS = 52,
    MSG_GLOBAL_REQUEST = 80,
    MSG_REQUEST_FAILURE = 82,
    MSG_CHANNEL_OPEN = 90,
    MSG_CHANNEL_CONFIRM = 91,
    MSG_CHANNEL_DATA = 94,
    MSG_CHANNEL_EXTENDED = 95,
    MSG_CHANNEL_EOF = 96,
    MSG_CHANNEL_CLOSE = 97,
    MSG_CHANNEL_REQUEST = 98,
    MSG_CHANNEL_SUCCESS = 99,
    MSG_CHANNEL_FAILURE = 100,
};

struct bytes {
    uint8_t at[PACKET_MAX];
    size_t count;
};

/* What is left to read of a packet; reading beyond gives zeros and nothing. */
struct reader {
    const uint8_t *at;
    size_t count;
};

struct way {
    EVP_CIPHER_CTX *cipher; /* NULL: in the clear. */
    uint8_t mac_key[KEY_BYTES];
    uint32_t sequence;
};

struct server {
    const struct nsh_value *device;
};

struct session {
    struct server *server;
    struct contract_reply *reply;
    uint8_t in[IN_MAX];
    size_t in_count;
    bool greeted, rekeyed, over;
    struct bytes client_kex, server_kex, host_key;
    char client_banner[256];
    uint8_t secret[KEY_BYTES], hash[SHA256_DIGEST_LENGTH];
    struct way receives, sends;
    size_t decrypted; /* Bytes of the packet at hand that are plain already. */
    uint32_t channel;
};

/* ---- bytes ---- */

static void put(struct bytes *out, const void *at, size_t count)
{
    if (out->count + count > PACKET_MAX) {
        abort();
    }
    memcpy(out->at + out->count, at, count);
    out->count += count;
}

static void put_u8(struct bytes *out, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(out, &byte, 1);
}

static void put_u32(struct bytes *out, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    put(out, bytes, 4);
}

static void put_string(struct bytes *out, const void *at, size_t count)
{
    put_u32(out, (uint32_t)count);
    put(out, at, count);
}

static void put_text(struct bytes *out, const char *text)
{
    put_string(out, text, strlen(text));
}

static void put_mpint(struct bytes *out, const uint8_t *at, size_t count)
{
    while (count > 0 && at[0] == 0) {
        at++;
        count--;
    }
    bool negative = count > 0 && (at[0] & 0x80) != 0;
    put_u32(out, (uint32_t)(count + (negative ? 1 : 0)));
    if (negative) {
        put_u8(out, 0);
    }
    put(out, at, count);
}

static uint32_t u32_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static unsigned take_u8(struct reader *in)
{
    if (in->count < 1) {
        return 0;
    }
    in->count--;
    return *in->at++;
}

static uint32_t take_u32(struct reader *in)
{
    if (in->count < 4) {
        in->count = 0;
        return 0;
    }
    uint32_t value = u32_at(in->at);
    in->at += 4;
    in->count -= 4;
    return value;
}

static struct reader take_string(struct reader *in)
{
    size_t count = take_u32(in);
    count = count > in->count ? in->count : count;
    struct reader string = {in->at, count};
    in->at += count;
    in->count -= count;
    return string;
}

static bool is(struct reader string, const char *text)
{
    return string.count == strlen(text) && memcmp(string.at, text, string.count) == 0;
}

/* ---- packets ---- */

static void mac_of(const struct way *way, const uint8_t *packet, size_t count,
                   uint8_t mac[SHA256_DIGEST_LENGTH])
{
    static struct bytes text;
    unsigned mac_bytes = 0;
    text.count = 0;
    put_u32(&text, way->sequence);
    put(&text, packet, count);
    HMAC(EVP_sha256(), way->mac_key, KEY_BYTES, text.at, text.count, mac, &mac_bytes);
}

static void packet_send(struct session *session, const struct bytes *payload)
{
    static struct bytes packet;
    struct way *way = &session->sends;
    size_t padding = BLOCK - (5 + payload->count) % BLOCK;
    padding += padding < 4 ? BLOCK : 0;
    static const uint8_t zeros[2 * BLOCK];
    uint8_t mac[SHA256_DIGEST_LENGTH];
    packet.count = 0;
    put_u32(&packet, (uint32_t)(1 + payload->count + padding));
    put_u8(&packet, (unsigned)padding);
    put(&packet, payload->at, payload->count);
    put(&packet, zeros, padding);
    if (way->cipher != NULL) {
        int count = 0;
        size_t plain = packet.count;
        mac_of(way, packet.at, plain, mac);
        EVP_EncryptUpdate(way->cipher, packet.at, &count, packet.at, (int)plain);
        put(&packet, mac, sizeof mac);
    }
    way->sequence++;
    session->reply->answer(session->reply->arg, packet.at, packet.count);
}

static void send_short(struct session *session, unsigned message, const uint32_t *number)
{
    static struct bytes out;
    out.count = 0;
    put_u8(&out, message);
    if (number != NULL) {
        put_u32(&out, *number);
    }
    packet_send(session, &out);
}

/* ---- keys ---- */

static EVP_PKEY *fixed_key(int type, uint8_t seed)
{
    uint8_t bytes[KEY_BYTES];
    memset(bytes, seed, sizeof bytes);
    return EVP_PKEY_new_raw_private_key(type, NULL, bytes, sizeof bytes);
}

static void host_key_fill(struct session *session)
{
    EVP_PKEY *key = fixed_key(EVP_PKEY_ED25519, 7);
    uint8_t public_key[KEY_BYTES];
    size_t count = sizeof public_key;
    EVP_PKEY_get_raw_public_key(key, public_key, &count);
    EVP_PKEY_free(key);
    put_text(&session->host_key, "ssh-ed25519");
    put_string(&session->host_key, public_key, count);
}

static void kexinit_send(struct session *session)
{
    static const char *const lists[] = {
        "curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256",
        "hmac-sha2-256",     "none",        "none",       "",           ""};
    static const uint8_t cookie[16] = {1, 2, 3};
    struct bytes *out = &session->server_kex;
    out->count = 0;
    put_u8(out, MSG_KEXINIT);
    put(out, cookie, sizeof cookie);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        put_text(out, lists[i]);
    }
    put_u8(out, 0);
    put_u32(out, 0);
    packet_send(session, out);
}

static void exchange_hash(struct session *session, struct reader client_key,
                          const uint8_t *server_key)
{
    static struct bytes text;
    text.count = 0;
    put_text(&text, session->client_banner);
    put_text(&text, BANNER);
    put_string(&text, session->client_kex.at, session->client_kex.count);
    put_string(&text, session->server_kex.at, session->server_kex.count);
    put_string(&text, session->host_key.at, session->host_key.count);
    put_string(&text, client_key.at, client_key.count);
    put_string(&text, server_key, KEY_BYTES);
    put_mpint(&text, session->secret, KEY_BYTES);
    SHA256(text.at, text.count, session->hash);
}

static void key_derive(const struct session *session, char letter, uint8_t key[KEY_BYTES])
{
    static struct bytes text;
    text.count = 0;
    put_mpint(&text, session->secret, KEY_BYTES);
    put(&text, session->hash, sizeof session->hash);
    put_u8(&text, (unsigned)letter);
    put(&text, session->hash, sizeof session->hash); /* The first is the session's id. */
    SHA256(text.at, text.count, key);
}

static void way_open(const struct session *session, struct way *way, const char letters[3],
                     bool encrypts)
{
    uint8_t iv[KEY_BYTES], key[KEY_BYTES];
    key_derive(session, letters[0], iv);
    key_derive(session, letters[1], key);
    key_derive(session, letters[2], way->mac_key);
    way->cipher = EVP_CIPHER_CTX_new();
    EVP_CipherInit_ex(way->cipher, EVP_aes_128_ctr(), NULL, key, iv, encrypts ? 1 : 0);
}

static bool secret_make(struct session *session, struct reader client_key, uint8_t *server_key)
{
    EVP_PKEY *mine = fixed_key(EVP_PKEY_X25519, 9);
    EVP_PKEY *theirs =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, client_key.at, client_key.count);
    EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new(mine, NULL);
    size_t count = KEY_BYTES, secret_count = KEY_BYTES;
    bool ok = theirs != NULL && EVP_PKEY_get_raw_public_key(mine, server_key, &count) == 1 &&
              EVP_PKEY_derive_init(derive) == 1 && EVP_PKEY_derive_set_peer(derive, theirs) == 1 &&
              EVP_PKEY_derive(derive, session->secret, &secret_count) == 1;
    EVP_PKEY_CTX_free(derive);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    return ok;
}

static void key_exchange(struct session *session, struct reader client_key)
{
    static struct bytes out, signature;
    uint8_t server_key[KEY_BYTES], signed_bytes[64];
    size_t signed_count = sizeof signed_bytes;
    if (client_key.count != KEY_BYTES || !secret_make(session, client_key, server_key)) {
        session->over = true;
        return;
    }
    exchange_hash(session, client_key, server_key);
    EVP_PKEY *key = fixed_key(EVP_PKEY_ED25519, 7);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_DigestSignInit(md, NULL, NULL, NULL, key);
    EVP_DigestSign(md, signed_bytes, &signed_count, session->hash, sizeof session->hash);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    signature.count = out.count = 0;
    put_text(&signature, "ssh-ed25519");
    put_string(&signature, signed_bytes, signed_count);
    put_u8(&out, MSG_ECDH_REPLY);
    put_string(&out, session->host_key.at, session->host_key.count);
    put_string(&out, server_key, KEY_BYTES);
    put_string(&out, signature.at, signature.count);
    packet_send(session, &out);
    send_short(session, MSG_NEWKEYS, NULL);
    way_open(session, &session->sends, "BDF", true);
}

/* ---- what is asked of it ---- */

static void auth_answer(struct session *session, struct reader in)
{
    static struct bytes out;
    take_string(&in);
    take_string(&in);
    struct reader method = take_string(&in);
    take_u8(&in);
    if (is(method, "password") &&
        is(take_string(&in), nsh_get_text(session->server->device, "password", ""))) {
        send_short(session, MSG_AUTH_SUCCESS, NULL);
        return;
    }
    out.count = 0;
    put_u8(&out, MSG_AUTH_FAILURE);
    put_text(&out, nsh_get_text(session->server->device, "methods", "publickey,password"));
    put_u8(&out, 0);
    packet_send(session, &out);
}

static void channel_confirm(struct session *session, struct reader in)
{
    static struct bytes out;
    take_string(&in);
    session->channel = take_u32(&in);
    out.count = 0;
    put_u8(&out, MSG_CHANNEL_CONFIRM);
    put_u32(&out, session->channel);
    put_u32(&out, 0);
    put_u32(&out, 1u << 20);
    put_u32(&out, 32768);
    packet_send(session, &out);
}

static void channel_print(struct session *session, const char *text, bool errors)
{
    static struct bytes out;
    if (text[0] == '\0') {
        return;
    }
    out.count = 0;
    put_u8(&out, errors ? MSG_CHANNEL_EXTENDED : MSG_CHANNEL_DATA);
    put_u32(&out, session->channel);
    if (errors) {
        put_u32(&out, 1);
    }
    put_text(&out, text);
    packet_send(session, &out);
}

static void channel_exit(struct session *session, uint32_t status)
{
    static struct bytes out;
    out.count = 0;
    put_u8(&out, MSG_CHANNEL_REQUEST);
    put_u32(&out, session->channel);
    put_text(&out, "exit-status");
    put_u8(&out, 0);
    put_u32(&out, status);
    packet_send(session, &out);
    send_short(session, MSG_CHANNEL_EOF, &session->channel);
    send_short(session, MSG_CHANNEL_CLOSE, &session->channel);
}

static void exec_answer(struct session *session, struct reader in)
{
    char request[4096] = "exec ";
    take_u32(&in);
    struct reader type = take_string(&in);
    take_u8(&in);
    struct reader command = take_string(&in);
    struct contract_answer answer = {0};
    if (!is(type, "exec") || command.count + 8 > sizeof request) {
        send_short(session, MSG_CHANNEL_FAILURE, &session->channel);
        return;
    }
    memcpy(request + 5, command.at, command.count);
    strcpy(request + 5 + command.count, "\n");
    bool found = session->reply->ask(session->reply->arg, request, &answer);
    if (session->reply->refused) {
        send_short(session, MSG_CHANNEL_FAILURE, &session->channel);
        return;
    }
    send_short(session, MSG_CHANNEL_SUCCESS, &session->channel);
    channel_print(session, answer.output, false);
    channel_print(session, found ? answer.errors : "command not found", true);
    if (answer.hang_up) {
        session->reply->hang_up = true;
        session->over = true;
        return;
    }
    channel_exit(session, found ? (uint32_t)answer.status : 127);
}

static void message_answer(struct session *session, struct reader in)
{
    static const struct bytes accept = {.at = {MSG_SERVICE_ACCEPT, 0, 0, 0, 12, 's', 's', 'h', '-',
                                               'u', 's', 'e', 'r', 'a', 'u', 't', 'h'},
                                        .count = 17};
    struct reader whole = in;
    switch (take_u8(&in)) {
    case MSG_KEXINIT:
        session->client_kex.count = 0;
        put(&session->client_kex, whole.at, whole.count);
        return;
    case MSG_ECDH_INIT:
        key_exchange(session, take_string(&in));
        return;
    case MSG_NEWKEYS:
        if (session->sends.cipher != NULL && session->receives.cipher == NULL) {
            way_open(session, &session->receives, "ACE", false);
        }
        return;
    case MSG_SERVICE_REQUEST:
        packet_send(session, &accept);
        return;
    case MSG_AUTH_REQUEST:
        auth_answer(session, in);
        return;
    case MSG_CHANNEL_OPEN:
        channel_confirm(session, in);
        return;
    case MSG_CHANNEL_REQUEST:
        exec_answer(session, in);
        return;
    case MSG_GLOBAL_REQUEST:
        send_short(session, MSG_REQUEST_FAILURE, NULL);
        return;
    case MSG_DISCONNECT:
        session->over = true;
        return;
    default:
        return;
    }
}

/* ---- its input ---- */

static void in_drop(struct session *session, size_t count)
{
    memmove(session->in, session->in + count, session->in_count - count);
    session->in_count -= count;
}

static bool banner_take(struct session *session)
{
    const uint8_t *end = memchr(session->in, '\n', session->in_count);
    if (end == NULL) {
        return false;
    }
    size_t count = (size_t)(end - session->in);
    size_t kept = count > 0 && session->in[count - 1] == '\r' ? count - 1 : count;
    if (kept < sizeof session->client_banner) {
        memcpy(session->client_banner, session->in, kept);
    }
    in_drop(session, count + 1);
    session->greeted = true;
    return true;
}

static void in_decrypt(struct session *session, size_t count)
{
    int done = 0;
    if (session->receives.cipher != NULL && count > session->decrypted) {
        EVP_DecryptUpdate(session->receives.cipher, session->in + session->decrypted, &done,
                          session->in + session->decrypted, (int)(count - session->decrypted));
    }
    session->decrypted = count > session->decrypted ? count : session->decrypted;
}

static bool packet_take(struct session *session)
{
    uint8_t mac[SHA256_DIGEST_LENGTH];
    bool encrypted = session->receives.cipher != NULL;
    if (session->in_count < BLOCK) {
        return false;
    }
    in_decrypt(session, BLOCK);
    size_t count = (size_t)u32_at(session->in) + 4, mac_bytes = encrypted ? sizeof mac : 0;
    if (count < 6 || count > 36000) {
        session->over = true;
        return false;
    }
    if (session->in_count < count + mac_bytes) {
        return false;
    }
    in_decrypt(session, count);
    if (encrypted) {
        mac_of(&session->receives, session->in, count, mac);
        if (memcmp(mac, session->in + count, sizeof mac) != 0) {
            session->over = true;
            return false;
        }
    }
    session->receives.sequence++;
    session->decrypted = 0;
    size_t padding = session->in[4];
    if (padding + 5 <= count) {
        message_answer(session, (struct reader){session->in + 5, count - 5 - padding});
    }
    in_drop(session, count + mac_bytes);
    return true;
}

static void peer_received(void *connection, const uint8_t *bytes, size_t bytes_count,
                          struct contract_reply *reply)
{
    struct session *session = connection;
    session->reply = reply;
    if (session->over || session->in_count + bytes_count > IN_MAX) {
        return;
    }
    memcpy(session->in + session->in_count, bytes, bytes_count);
    session->in_count += bytes_count;
    while (!session->over && (session->greeted ? packet_take(session) : banner_take(session))) {
    }
    reply->hang_up = reply->hang_up || session->over;
}

static void *peer_connected(void *peer, struct contract_reply *reply)
{
    struct contract_answer answer = {0};
    if (reply->ask(reply->arg, "connect\n", &answer) && answer.status != 0) {
        return NULL;
    }
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        abort();
    }
    session->server = peer;
    session->reply = reply;
    host_key_fill(session);
    reply->answer(reply->arg, (const uint8_t *)BANNER "\r\n", sizeof BANNER + 1);
    kexinit_send(session);
    return session;
}

static void peer_disconnected(void *connection)
{
    struct session *session = connection;
    EVP_CIPHER_CTX_free(session->receives.cipher);
    EVP_CIPHER_CTX_free(session->sends.cipher);
    free(session);
}

static void *peer_open(const struct nsh_value *device)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        abort();
    }
    server->device = device;
    return server;
}

static void peer_close(void *peer)
{
    free(peer);
}

const struct contract_peer contract_peer = {.open = peer_open,
                                            .close = peer_close,
                                            .connected = peer_connected,
                                            .received = peer_received,
                                            .disconnected = peer_disconnected};
