/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/address.h"

#include <arpa/inet.h>
#include <string.h>

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct nsh_address *)NULL)->at,
               "the longest address fits");

static bool port_read(const char *text, uint16_t *ret_port)
{
    unsigned long port = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && i < 6; i++) {
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    if (digits == 0 || digits > 5 || text[digits] != '\0' || port == 0 || port > 65535) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

bool nsh_address_split(const char *text, char *ret_host, size_t host_bytes, uint16_t *port)
{
    const char *begin = text, *colon = strchr(text, ':'), *port_text = NULL;
    size_t count = strlen(text);
    uint16_t port_given = 0;
    if (text[0] == '[') {
        const char *end = strchr(++begin, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        count = (size_t)(end - begin);
        port_text = end[1] == ':' ? end + 2 : NULL;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        count = (size_t)(colon - text);
        port_text = colon + 1;
    }
    if (count == 0 || count >= host_bytes ||
        (port_text != NULL && !port_read(port_text, &port_given))) {
        return false;
    }
    memcpy(ret_host, begin, count);
    ret_host[count] = '\0';
    *port = port_text == NULL ? *port : port_given;
    return true;
}

bool nsh_address_read(const char *text, uint16_t port_preset, struct nsh_address *ret_address)
{
    char host[NSH_NUMBERS_BYTES_MAX];
    uint16_t port = port_preset;
    struct nsh_address address = {.bytes = 0};
    if (!nsh_address_split(text, host, sizeof host, &port)) {
        return false;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        address.bytes = sizeof v4;
        memcpy(address.at, &v4, sizeof v4);
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        address.bytes = sizeof v6;
        memcpy(address.at, &v6, sizeof v6);
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}
