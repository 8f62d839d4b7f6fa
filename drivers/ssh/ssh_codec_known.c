/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_hosts, as OpenSSH's sshd(8) writes it down. libssh2's own reader knows no patterns, no
 * negation and no @revoked, and takes a host with another kind of key for unknown: that must not
 * be the weaker answer.
 *
 * Bounds: a line longer than LINE_BYTES_MAX is skipped, as is one that makes no sense.
 */

#include "ssh_codec.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES_MAX 8192
#define NAME_BYTES_MAX (SSH_HOST_MAX + 10) /* [host]:65535 */
#define KEY_BYTES_MAX 4096
#define HASH_BYTES 20

struct span {
    const char *at;
    size_t count;
};

static const struct {
    unsigned kind;
    const char *word;
} kinds[] = {
    {SSH_ED25519, "ssh-ed25519"},
    {SSH_ECDSA_256, "ecdsa-sha2-nistp256"},
    {SSH_ECDSA_384, "ecdsa-sha2-nistp384"},
    {SSH_ECDSA_521, "ecdsa-sha2-nistp521"},
    {SSH_RSA, "ssh-rsa"},
};
#define KINDS_COUNT (sizeof kinds / sizeof kinds[0])

const char *ssh_key_kind_word(unsigned kind)
{
    for (size_t i = 0; i < KINDS_COUNT; i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].word;
        }
    }
    return NULL;
}

static unsigned kind_of(struct span word)
{
    for (size_t i = 0; i < KINDS_COUNT; i++) {
        if (strlen(kinds[i].word) == word.count &&
            memcmp(kinds[i].word, word.at, word.count) == 0) {
            return kinds[i].kind;
        }
    }
    return 0;
}

/* The next word of a line; empty at its end. */
static struct span word_next(struct span *line)
{
    size_t skip = 0, count = 0;
    while (skip < line->count && (line->at[skip] == ' ' || line->at[skip] == '\t')) {
        skip++;
    }
    while (skip + count < line->count && line->at[skip + count] != ' ' &&
           line->at[skip + count] != '\t') {
        count++;
    }
    struct span word = {line->at + skip, count};
    line->at += skip + count;
    line->count -= skip + count;
    return word;
}

static size_t base64_read(struct span text, uint8_t *bytes, size_t room)
{
    if (text.count == 0 || text.count % 4 != 0 || text.count / 4 * 3 > room) {
        return 0;
    }
    const char *pad = memchr(text.at, '=', text.count);
    if (pad != NULL && pad < text.at + text.count - 2) {
        return 0; /* The library takes it anywhere. */
    }
    int count = EVP_DecodeBlock(bytes, (const uint8_t *)text.at, (int)text.count);
    if (count <= 0) {
        return 0;
    }
    size_t padding =
        (text.at[text.count - 1] == '=' ? 1u : 0u) + (text.at[text.count - 2] == '=' ? 1u : 0u);
    return (size_t)count - padding;
}

/* |1|SALT|HASH: HMAC-SHA1 of the name. */
static bool hashed_matches(struct span field, const char *name)
{
    const char *salt = field.at + 3;
    const char *bar = memchr(salt, '|', field.count - 3);
    uint8_t salt_bytes[64], wanted[64], mac[EVP_MAX_MD_SIZE];
    unsigned mac_bytes = 0;
    if (bar == NULL) {
        return false;
    }
    struct span hash = {bar + 1, field.count - (size_t)(bar + 1 - field.at)};
    size_t salt_count =
        base64_read((struct span){salt, (size_t)(bar - salt)}, salt_bytes, sizeof salt_bytes);
    if (salt_count != HASH_BYTES || base64_read(hash, wanted, sizeof wanted) != HASH_BYTES) {
        return false;
    }
    return HMAC(EVP_sha1(), salt_bytes, HASH_BYTES, (const uint8_t *)name, strlen(name), mac,
                &mac_bytes) != NULL &&
           memcmp(mac, wanted, HASH_BYTES) == 0;
}

/* Shell patterns of * and ?, without case: one star at a time is looked back to. */
static bool pattern_matches(struct span pattern, const char *name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, mark = 0, count = strlen(name);
    while (n < count) {
        if (p < pattern.count &&
            (pattern.at[p] == '?' || strncasecmp(&pattern.at[p], &name[n], 1) == 0) &&
            pattern.at[p] != '*') {
            p++;
            n++;
        } else if (p < pattern.count && pattern.at[p] == '*') {
            star = p++;
            mark = n;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.count && pattern.at[p] == '*') {
        p++;
    }
    return p == pattern.count;
}

static bool names_match(struct span field, const char *name)
{
    bool found = false;
    if (field.count > 3 && memcmp(field.at, "|1|", 3) == 0) {
        return hashed_matches(field, name);
    }
    while (field.count > 0) {
        const char *comma = memchr(field.at, ',', field.count);
        size_t count = comma == NULL ? field.count : (size_t)(comma - field.at);
        bool negated = count > 0 && field.at[0] == '!';
        struct span pattern = {field.at + (negated ? 1 : 0), count - (negated ? 1u : 0u)};
        if (pattern.count > 0 && pattern_matches(pattern, name)) {
            if (negated) {
                return false;
            }
            found = true;
        }
        field.at += count + (comma == NULL ? 0 : 1);
        field.count -= count + (comma == NULL ? 0 : 1);
    }
    return found;
}

struct look {
    char name[NAME_BYTES_MAX];
    const struct ssh_host_key *key;
    unsigned kinds;
    bool same, revoked;
};

static void line_look(struct look *look, struct span line)
{
    uint8_t bytes[KEY_BYTES_MAX];
    struct span word = word_next(&line);
    bool revoked = word.count == 8 && memcmp(word.at, "@revoked", 8) == 0;
    if (word.count == 0 || word.at[0] == '#' || (word.at[0] == '@' && !revoked)) {
        return; /* @cert-authority: libssh2 cannot check the certificates of hosts. */
    }
    word = revoked ? word_next(&line) : word;
    struct span kind = word_next(&line), blob = word_next(&line);
    if (blob.count == 0 || !names_match(word, look->name)) {
        return;
    }
    size_t count = base64_read(blob, bytes, sizeof bytes);
    bool same = look->key != NULL && count > 0 && count == look->key->bytes_count &&
                memcmp(bytes, look->key->bytes, count) == 0;
    if (revoked) {
        look->revoked = look->revoked || same;
    } else if (count > 0) {
        look->kinds |= kind_of(kind);
        look->same = look->same || same;
    }
}

enum ssh_known ssh_known_host(const char *text, size_t text_bytes, const char *host, uint16_t port,
                              const struct ssh_host_key *key, unsigned *ret_kinds)
{
    struct look look = {.key = key};
    if (port == 22) {
        snprintf(look.name, sizeof look.name, "%s", host);
    } else {
        snprintf(look.name, sizeof look.name, "[%s]:%u", host, (unsigned)port);
    }
    for (size_t at = 0; at < text_bytes;) {
        const char *end = memchr(text + at, '\n', text_bytes - at);
        size_t count = end == NULL ? text_bytes - at : (size_t)(end - text) - at;
        size_t whole = count + 1;
        while (count > 0 && text[at + count - 1] == '\r') {
            count--;
        }
        if (count <= LINE_BYTES_MAX) {
            line_look(&look, (struct span){text + at, count});
        }
        at += whole;
    }
    *ret_kinds = look.kinds;
    return look.revoked      ? SSH_REVOKED
           : look.same       ? SSH_KNOWN
           : look.kinds != 0 ? SSH_CHANGED
                             : SSH_UNKNOWN;
}

void ssh_fingerprint(const struct ssh_host_key *key, char fingerprint[SSH_FINGERPRINT_MAX])
{
    uint8_t hash[SHA256_DIGEST_LENGTH], text[2 * SHA256_DIGEST_LENGTH];
    SHA256(key->bytes, key->bytes_count, hash);
    EVP_EncodeBlock(text, hash, sizeof hash);
    char *padding = strchr((char *)text, '=');
    if (padding != NULL) {
        *padding = '\0';
    }
    snprintf(fingerprint, SSH_FINGERPRINT_MAX, "SHA256:%s", (const char *)text);
}
