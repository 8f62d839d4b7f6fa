/* SPDX-License-Identifier: Apache-2.0 */

/* Canonical forms of what identifies a host: UUIDs and addresses are written in many ways and
 * compared in one. */

#include "fleet/fleet_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

bool fleet_uuid(struct text text, char ret_uuid[FLEET_UUID_BYTES])
{
    char digits[32];
    size_t count = 0;
    for (uint32_t i = 0; i < text.count; i++) {
        char c = text.at[i];
        if (c == '-' || c == '{' || c == '}') {
            continue;
        }
        if (!isxdigit((unsigned char)c) || count == sizeof digits) {
            return false;
        }
        digits[count++] = (char)tolower((unsigned char)c);
    }
    if (count != sizeof digits) {
        return false;
    }
    snprintf(ret_uuid, FLEET_UUID_BYTES, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
             digits + 12, digits + 16, digits + 20);
    return true;
}

void fleet_uuid_swap(const char *uuid, char ret_uuid[FLEET_UUID_BYTES])
{
    /* Pairs of digits of the first three fields, turned around; the rest stays. */
    static const uint8_t from[] = {6, 4, 2, 0, 11, 9, 16, 14};
    static const uint8_t to[] = {0, 2, 4, 6, 9, 11, 14, 16};
    memcpy(ret_uuid, uuid, FLEET_UUID_BYTES);
    for (size_t i = 0; i < sizeof from; i++) {
        memcpy(ret_uuid + to[i], uuid + from[i], 2);
    }
}

/* The host part between scheme, user, port and path. */
static struct text address_part(struct text text)
{
    const char *scheme = text.count > 3 ? memmem(text.at, text.count, "://", 3) : NULL;
    if (scheme != NULL) {
        uint32_t skip = (uint32_t)(scheme - text.at) + 3;
        text = (struct text){text.at + skip, text.count - skip};
    }
    for (uint32_t i = 0; i < text.count; i++) {
        if (text.at[i] == '/') {
            text.count = i;
        }
    }
    const char *user = text.count > 0 ? memrchr(text.at, '@', text.count) : NULL;
    if (user != NULL) {
        uint32_t skip = (uint32_t)(user - text.at) + 1;
        text = (struct text){text.at + skip, text.count - skip};
    }
    if (text.count > 0 && text.at[0] == '[') {
        const char *end = memchr(text.at, ']', text.count);
        return end == NULL ? text : (struct text){text.at + 1, (uint32_t)(end - text.at) - 1};
    }
    const char *colon = text.count > 0 ? memchr(text.at, ':', text.count) : NULL;
    if (colon != NULL && memrchr(text.at, ':', text.count) == colon) {
        text.count = (uint32_t)(colon - text.at); /* One colon: a port. Several: IPv6. */
    }
    return text;
}

bool fleet_address(struct text text, char ret_address[FLEET_ADDRESS_BYTES_MAX])
{
    struct text part = address_part(text);
    if (part.count == 0 || part.count >= FLEET_ADDRESS_BYTES_MAX) {
        return false;
    }
    char chars[FLEET_ADDRESS_BYTES_MAX];
    for (uint32_t i = 0; i < part.count; i++) {
        unsigned char c = (unsigned char)part.at[i];
        if (c <= ' ' || c == 0x7f || c == ',' || c == '=') {
            return false;
        }
        chars[i] = (char)tolower(c);
    }
    chars[part.count] = '\0';
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET, chars, &four) == 1) {
        inet_ntop(AF_INET, &four, ret_address, FLEET_ADDRESS_BYTES_MAX);
    } else if (inet_pton(AF_INET6, chars, &six) == 1 && IN6_IS_ADDR_V4MAPPED(&six)) {
        inet_ntop(AF_INET, &six.s6_addr[12], ret_address, FLEET_ADDRESS_BYTES_MAX);
    } else if (inet_pton(AF_INET6, chars, &six) == 1) {
        inet_ntop(AF_INET6, &six, ret_address, FLEET_ADDRESS_BYTES_MAX);
    } else {
        memcpy(ret_address, chars, (size_t)part.count + 1);
    }
    return true;
}
