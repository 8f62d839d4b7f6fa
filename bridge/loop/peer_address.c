/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_address.h"

#include <arpa/inet.h>
#include <stdlib.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int peer_networks_add(struct peer_networks *networks, const char *network, struct nsh_error *err)
{
    char address[INET6_ADDRSTRLEN];
    struct peer_network parsed = {.bits = 128};
    const char *slash = strchr(network, '/');
    size_t count = slash == NULL ? strlen(network) : (size_t)(slash - network);
    int64_t bits = -1;
    if (networks->count == PEER_NETWORKS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d sources", PEER_NETWORKS_MAX);
    }
    if (count >= sizeof address ||
        (slash != NULL && (!text_to_int(text_of(slash + 1), &bits) || bits < 0))) {
        return nsh_fail(err, NSH_INVALID,
                        "a source is an address or a network such as 10.0.0.0/8, got %s", network);
    }
    memcpy(address, network, count);
    address[count] = '\0';
    unsigned bits_max = 128;
    if (inet_pton(AF_INET, address, parsed.address + 12) == 1) {
        memcpy(parsed.address, mapped, sizeof mapped);
        bits_max = 32;
    } else if (inet_pton(AF_INET6, address, parsed.address) != 1) {
        return nsh_fail(err, NSH_INVALID,
                        "a source is an address or a network such as 10.0.0.0/8, got %s", network);
    }
    if (bits > bits_max) {
        return nsh_fail(err, NSH_INVALID, "a network of that kind has at most %u bits, got %s",
                        bits_max, network);
    }
    if (bits >= 0) {
        parsed.bits = 128 - bits_max + (unsigned)bits;
    }
    networks->items[networks->count++] = parsed;
    return 0;
}

static bool address_bytes(const struct sockaddr_storage *from, uint8_t bytes[16])
{
    if (from->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(bytes, mapped, sizeof mapped);
        memcpy(bytes + 12, &in.sin_addr, 4);
        return true;
    }
    if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        memcpy(bytes, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool network_has(const struct peer_network *network, const uint8_t address[16])
{
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return memcmp(network->address, address, whole) == 0 &&
           (rest == 0 || ((network->address[whole] ^ address[whole]) & mask) == 0);
}

bool peer_networks_have(const struct peer_networks *networks, const struct sockaddr_storage *from)
{
    static const struct peer_network loopback[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127}, 104},
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128},
    };
    uint8_t address[16];
    if (!address_bytes(from, address)) {
        return false;
    }
    const struct peer_network *items = networks->count == 0 ? loopback : networks->items;
    size_t count = networks->count == 0 ? 2 : networks->count;
    for (size_t i = 0; i < count; i++) {
        if (network_has(&items[i], address)) {
            return true;
        }
    }
    return false;
}

struct text peer_address_write(const struct sockaddr_storage *from,
                               char chars[PEER_ADDRESS_CHARS_MAX])
{
    uint8_t address[16] = {0};
    uint32_t used = 0;
    (void)address_bytes(from, address);
    if (memcmp(address, mapped, sizeof mapped) != 0) {
        if (inet_ntop(AF_INET6, address, chars, PEER_ADDRESS_CHARS_MAX) == NULL) {
            return (struct text){0};
        }
        return text_of(chars);
    }
    for (int i = 12; i < 16; i++) { /* By hand: inet_ntop() goes through printf. */
        uint8_t byte = address[i];
        if (byte >= 100) {
            chars[used++] = (char)('0' + byte / 100);
        }
        if (byte >= 10) {
            chars[used++] = (char)('0' + byte / 10 % 10);
        }
        chars[used++] = (char)('0' + byte % 10);
        chars[used++] = '.';
    }
    chars[--used] = '\0';
    return (struct text){chars, used};
}

int peer_listen_parse(const char *listen, const char *const *schemes,
                      struct sockaddr_storage *ret_address, socklen_t *ret_bytes,
                      struct nsh_error *err)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *at = listen;
    for (size_t i = 0; schemes[i] != NULL; i++) {
        size_t scheme = strlen(schemes[i]);
        if (strncmp(listen, schemes[i], scheme) == 0) {
            at = listen + scheme;
            break;
        }
    }
    const char *colon = strrchr(at, ':');
    int64_t port = 0;
    size_t count = colon == NULL ? 0 : (size_t)(colon - at);
    if (count == 0 || count >= sizeof host || !text_to_int(text_of(colon + 1), &port) || port < 0 ||
        port > 65535) {
        return nsh_fail(err, NSH_INVALID,
                        "listen is %sADDRESS:PORT, such as %s0.0.0.0:10162, got %s", schemes[0],
                        schemes[0], listen);
    }
    memcpy(host, at, count);
    host[count] = '\0';
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(ret_address, 0, sizeof *ret_address);
    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        memcpy(ret_address, &in, sizeof in);
        *ret_bytes = sizeof in;
        return 0;
    }
    if (host[0] == '[' && host[count - 1] == ']') {
        host[count - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) == 1) {
            memcpy(ret_address, &in6, sizeof in6);
            *ret_bytes = sizeof in6;
            return 0;
        }
    }
    return nsh_fail(err, NSH_INVALID, "listen needs a numeric address ([::1] for IPv6), got %s",
                    listen);
}
