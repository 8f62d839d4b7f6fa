/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_ACCESS_H
#define SOURCE_TRAP_TRAP_ACCESS_H

/* Who may send v1 and v2c: a community is no secret, so the address decides first. */

#include "loop/peer_address.h"

#define TRAP_COMMUNITIES_MAX 256

struct trap_access {
    struct peer_networks networks;
    const char *communities[TRAP_COMMUNITIES_MAX]; /* Borrowed. */
    size_t communities_count;                      /* 0: any */
};

/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.7". NSH_INVALID otherwise. Without any, only loopback may
 * send. */
int trap_access_allow(struct trap_access *access, const char *network, struct nsh_error *err);

bool trap_access_source(const struct trap_access *access, const struct sockaddr_storage *from);
bool trap_access_community(const struct trap_access *access, struct text community);

/* "udp:0.0.0.0:162", "udp6:[::]:162", "127.0.0.1:1162", "[::1]:162". Numeric only: nothing is
 * resolved. */
int trap_listen_parse(const char *listen, struct sockaddr_storage *ret_address,
                      socklen_t *ret_bytes, struct nsh_error *err);

#endif
