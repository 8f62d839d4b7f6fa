/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_PEER_ADDRESS_H
#define LOOP_PEER_ADDRESS_H

/* Who may send to us, by network, and addresses as text: what every source that listens needs. */

#include "abi/error.h"
#include "base/text.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define PEER_ADDRESS_CHARS_MAX 64
#define PEER_NETWORKS_MAX 256

struct peer_network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};

struct peer_networks {
    struct peer_network items[PEER_NETWORKS_MAX];
    size_t count;
};

/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.7". NSH_INVALID otherwise. */
int peer_networks_add(struct peer_networks *networks, const char *network, struct nsh_error *err);

/* Whether from is in one of them; without any, only loopback is. */
bool peer_networks_have(const struct peer_networks *networks, const struct sockaddr_storage *from);

/* The address without port; IPv4 inside IPv6 as IPv4. */
struct text peer_address_write(const struct sockaddr_storage *from,
                               char chars[PEER_ADDRESS_CHARS_MAX]);

/*
 * "udp:0.0.0.0:162", "[::1]:162": one of schemes (NULL-terminated, each with its colon) or none,
 * an address, a port. Numeric only: nothing is resolved.
 */
int peer_listen_parse(const char *listen, const char *const *schemes,
                      struct sockaddr_storage *ret_address, socklen_t *ret_bytes,
                      struct nsh_error *err);

#endif
