/* SPDX-License-Identifier: Apache-2.0 */
/* Who a request is from: tokens, passwords, signatures, networks. Pure; in constant time. */

#include "webhook_private.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SIGNATURES_MAX 16 /* In one header. */
#define LOGIN_BYTES_MAX 1024
#define SECONDS_BELOW INT64_C(100000000000) /* A smaller timestamp counts seconds. */

bool webhook_digest(const void *bytes, size_t count, uint8_t digest[WEBHOOK_DIGEST_BYTES])
{
    unsigned made = 0;
    return EVP_Digest(bytes, count, digest, &made, EVP_sha256(), NULL) == 1 &&
           made == WEBHOOK_DIGEST_BYTES;
}

/* ---- networks ------------------------------------------------------------------------------ */

bool webhook_network_holds(const struct peer_networks *networks, const char *peer)
{
    struct sockaddr_storage from = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1) {
        memcpy(&from, &v4, sizeof v4);
    } else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1) {
        memcpy(&from, &v6, sizeof v6);
    } else {
        return false;
    }
    return peer_networks_have(networks, &from);
}

/* ---- tokens and passwords ------------------------------------------------------------------ */

static bool secret_known(const struct webhook_secrets *secrets, const void *bytes, size_t count)
{
    uint8_t digest[WEBHOOK_DIGEST_BYTES];
    bool known = false;
    if (!webhook_digest(bytes, count, digest)) {
        return false;
    }
    for (size_t i = 0; i < secrets->count; i++) { /* All of them, whichever fits. */
        known |= CRYPTO_memcmp(digest, secrets->items[i].digest, sizeof digest) == 0;
    }
    return known;
}

bool webhook_authorized(const struct webhook_secrets *tokens, const struct webhook_secrets *logins,
                        const char *header)
{
    if (header == NULL) {
        return false;
    }
    if (strncasecmp(header, "Bearer ", 7) == 0) {
        const char *token = header + 7 + strspn(header + 7, " ");
        return secret_known(tokens, token, strlen(token));
    }
    if (strncasecmp(header, "Basic ", 6) != 0) {
        return false;
    }
    const char *text = header + 6 + strspn(header + 6, " ");
    unsigned char login[LOGIN_BYTES_MAX];
    size_t count = strlen(text);
    if (count == 0 || count % 4 != 0 || count / 4 * 3 > sizeof login) {
        return false;
    }
    int made = EVP_DecodeBlock(login, (const unsigned char *)text, (int)count);
    for (size_t pad = count; made > 0 && pad > count - 2 && text[pad - 1] == '='; pad--) {
        made--; /* It counts the padding. */
    }
    bool known = made > 0 && secret_known(logins, login, (size_t)made);
    OPENSSL_cleanse(login, sizeof login);
    return known;
}

/* ---- signatures ---------------------------------------------------------------------------- */

static int hex_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0));
    return found == NULL ? -1 : (int)(found - digits);
}

/* The bytes of one signature as it was sent; 0: it is none. */
static size_t signature_bytes(const struct webhook_signature *signature, struct text text,
                              uint8_t bytes[EVP_MAX_MD_SIZE])
{
    size_t lead = strlen(signature->prefix), count = 0;
    if (!text_starts(text, signature->prefix)) {
        return 0;
    }
    text = (struct text){text.at + lead, text.count - (uint32_t)lead};
    if (signature->base64) {
        unsigned char room[EVP_MAX_MD_SIZE + 8];
        if (text.count == 0 || text.count % 4 != 0 || text.count / 4 * 3 > sizeof room) {
            return 0;
        }
        int made = EVP_DecodeBlock(room, (const unsigned char *)text.at, (int)text.count);
        made -= made > 0 && text.at[text.count - 1] == '=';
        made -= made > 0 && text.at[text.count - 2] == '=';
        if (made <= 0 || made > EVP_MAX_MD_SIZE) {
            return 0;
        }
        memcpy(bytes, room, (size_t)made);
        return (size_t)made;
    }
    for (uint32_t i = 0; i + 1 < text.count && count < EVP_MAX_MD_SIZE; i += 2) {
        int high = hex_of(text.at[i]), low = hex_of(text.at[i + 1]);
        if (high < 0 || low < 0) {
            return 0;
        }
        bytes[count++] = (uint8_t)(high * 16 + low);
    }
    return text.count == count * 2 ? count : 0;
}

/* The signature that key makes of what is signed. */
static size_t signature_made(const struct webhook_signature *signature,
                             const struct webhook_secret *key, const char *timestamp,
                             const struct webhook_request *request, uint8_t made[EVP_MAX_MD_SIZE])
{
    const EVP_MD *algorithm = EVP_get_digestbyname(signature->algorithm);
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    const void *bytes = request->body;
    size_t count = request->body_bytes;
    unsigned made_bytes = 0;
    if (timestamp != NULL) {
        textbuf_addf(&text, "%s%s%s", signature->lead, timestamp, signature->join);
        textbuf_add(&text, (struct text){request->body, (uint32_t)request->body_bytes});
        bytes = text.at;
        count = text.count;
    }
    bool good =
        algorithm != NULL && !text.failed &&
        HMAC(algorithm, key->text, (int)key->count, bytes, count, made, &made_bytes) != NULL;
    return good ? made_bytes : 0;
}

static bool fits_any(const struct webhook_signature *signature, struct text given,
                     const uint8_t made[EVP_MAX_MD_SIZE], size_t made_bytes)
{
    bool fits = false;
    for (unsigned i = 0; i < SIGNATURES_MAX && given.count > 0; i++) {
        const char *comma = signature->list ? memchr(given.at, ',', given.count) : NULL;
        uint32_t count = comma == NULL ? given.count : (uint32_t)(comma - given.at);
        struct text one = {given.at, count};
        while (one.count > 0 && one.at[0] == ' ') {
            one = (struct text){one.at + 1, one.count - 1};
        }
        uint8_t sent[EVP_MAX_MD_SIZE];
        size_t sent_bytes = signature_bytes(signature, one, sent);
        fits |= sent_bytes == made_bytes && CRYPTO_memcmp(sent, made, made_bytes) == 0;
        uint32_t skip = comma == NULL ? count : count + 1;
        given = (struct text){given.at + skip, given.count - skip};
    }
    return fits;
}

static int timestamp_check(const char *text, int64_t window_ms, int64_t wall_ms,
                           struct nsh_error *err)
{
    int64_t at = 0;
    if (!text_to_int(text_of(text), &at) && !event_time_read(text, &at)) {
        return nsh_fail(err, NSH_AUTH, "the timestamp of the signature is none: %.40s", text);
    }
    int64_t at_ms = at > 0 && at < SECONDS_BELOW ? at * 1000 : at;
    int64_t age_ms = at_ms > 0 && at_ms < 4 * wall_ms ? wall_ms - at_ms : window_ms + 1;
    if (age_ms > window_ms || age_ms < -window_ms) {
        CLEANUP(textbuf_donep) struct textbuf window = {0};
        textbuf_add_span(&window, window_ms);
        return nsh_fail(err, NSH_STALE, "signed at %.40s, more than %s from now", text, window.at);
    }
    return 0;
}

int webhook_signed(const struct webhook_signature *signature, const struct webhook_secrets *keys,
                   int64_t window_ms, const struct webhook_request *request,
                   struct webhook_ticket *ret_ticket, struct nsh_error *err)
{
    const char *given = request->header(request->arg, signature->header);
    const char *timestamp =
        signature->timestamp == NULL ? NULL : request->header(request->arg, signature->timestamp);
    bool fits = false;
    if (given == NULL) {
        return nsh_fail(err, NSH_AUTH, "no signature: the header %s is missing", signature->header);
    }
    if (signature->timestamp != NULL && timestamp == NULL) {
        return nsh_fail(err, NSH_AUTH, "the header %s is missing", signature->timestamp);
    }
    for (size_t i = 0; i < keys->count; i++) { /* All of them, whichever fits. */
        uint8_t made[EVP_MAX_MD_SIZE];
        size_t made_bytes = signature_made(signature, &keys->items[i], timestamp, request, made);
        if (made_bytes > 0 && fits_any(signature, text_of(given), made, made_bytes)) {
            fits = true;
            ret_ticket->signed_by_key = webhook_digest(made, made_bytes, ret_ticket->digest);
        }
    }
    if (!fits) {
        return nsh_fail(err, NSH_AUTH, "the signature fits none of the keys");
    }
    return timestamp == NULL ? 0 : timestamp_check(timestamp, window_ms, request->wall_ms, err);
}
