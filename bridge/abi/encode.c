/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, percent-encoding and base64. */

#include "abi/encode.h"

#include <string.h>

size_t nsh_char_bytes(const char *at, size_t left)
{
    const unsigned char *bytes = (const unsigned char *)at;
    if (left == 0 || bytes[0] == 0) {
        return 0;
    }
    unsigned char first = bytes[0];
    size_t count = first < 0x80   ? 1
                   : first < 0xc2 ? 0
                   : first < 0xe0 ? 2
                   : first < 0xf0 ? 3
                   : first < 0xf5 ? 4
                                  : 0;
    if (count > left) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    bool beyond = (first == 0xed && bytes[1] > 0x9f) || (first == 0xf4 && bytes[1] > 0x8f);
    return overlong || beyond ? 0 : count;
}

void nsh_line_add(char *room, size_t room_bytes, const char *text, size_t text_bytes)
{
    size_t used = strlen(room);
    for (size_t i = 0, step = 0; i < text_bytes; i += step) {
        size_t bytes = nsh_char_bytes(text + i, text_bytes - i);
        bool control = bytes == 1 && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f);
        step = bytes == 0 ? 1 : bytes;
        if (used + step + 1 > room_bytes) {
            break;
        }
        if (bytes == 0 || control) {
            room[used++] = control ? ' ' : '?';
        } else {
            memcpy(room + used, text + i, bytes);
            used += bytes;
        }
    }
    room[used] = '\0';
}

/* ---- percent-encoding ------------------------------------------------------------------- */

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Into out, which has three bytes for each of text; returns the end. */
static char *percent_add(char *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (unreserved(*text)) {
            *out++ = *text;
        } else {
            *out++ = '%';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 15];
        }
    }
    return out;
}

char *nsh_percent(struct nsh_pool *pool, const char *text)
{
    char *room = nsh_pool_array(pool, strlen(text) + 1, 3);
    if (room != NULL) {
        *percent_add(room, text) = '\0';
    }
    return room;
}

char *nsh_query(struct nsh_pool *pool, const char *const *pairs)
{
    size_t bytes = 1;
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        bytes += pairs[i + 1] == NULL ? 0 : 3 * (strlen(pairs[i]) + strlen(pairs[i + 1])) + 2;
    }
    char *room = nsh_pool_alloc(pool, bytes), *out = room;
    for (size_t i = 0; room != NULL && pairs[i] != NULL; i += 2) {
        if (pairs[i + 1] == NULL) {
            continue;
        }
        if (out != room) {
            *out++ = '&';
        }
        out = percent_add(out, pairs[i]);
        *out++ = '=';
        out = percent_add(out, pairs[i + 1]);
    }
    return room; /* The pool's memory is zeroed: it ends with a NUL. */
}

/* ---- base64 ----------------------------------------------------------------------------- */

static const char base64_plain[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *base64_write(struct nsh_pool *pool, const void *bytes, size_t bytes_count,
                          const char *alphabet, bool padded)
{
    const uint8_t *at = bytes;
    char *room = nsh_pool_array(pool, bytes_count / 3 + 2, 4), *out = room;
    if (room == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < bytes_count; i += 3) {
        size_t left = bytes_count - i;
        uint32_t three = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) |
                         (left > 2 ? at[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            if (k <= left) {
                *out++ = alphabet[three >> (18 - 6 * k) & 63];
            } else if (padded) {
                *out++ = '=';
            }
        }
    }
    *out = '\0';
    return room;
}

char *nsh_base64(struct nsh_pool *pool, const void *bytes, size_t bytes_count)
{
    return base64_write(pool, bytes, bytes_count, base64_plain, true);
}

char *nsh_base64url(struct nsh_pool *pool, const void *bytes, size_t bytes_count)
{
    return base64_write(pool, bytes, bytes_count, base64_url, false);
}

static int base64_digit(char c)
{
    const char *found = c == '\0' ? NULL : strchr(base64_plain, c);
    if (found == NULL && c != '\0') {
        const char *other = strchr(base64_url, c);
        return other == NULL ? -1 : (int)(other - base64_url);
    }
    return found == NULL ? -1 : (int)(found - base64_plain);
}

uint8_t *nsh_base64_read(struct nsh_pool *pool, const char *text, size_t *ret_bytes_count)
{
    size_t count = strlen(text), used = 0;
    while (count > 0 && text[count - 1] == '=' && strlen(text) - count < 2) {
        count--;
    }
    uint8_t *bytes = nsh_pool_alloc(pool, count / 4 * 3 + 4);
    uint32_t bits = 0;
    if (bytes == NULL || count % 4 == 1) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0) {
            return NULL;
        }
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0) {
            bytes[used++] = (uint8_t)(bits >> (6 - i % 4 * 2));
        }
    }
    bytes[used] = 0;
    *ret_bytes_count = used;
    return bytes;
}
