/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_access.h"

int trap_access_allow(struct trap_access *access, const char *network, struct nsh_error *err)
{
    return peer_networks_add(&access->networks, network, err);
}

bool trap_access_source(const struct trap_access *access, const struct sockaddr_storage *from)
{
    return peer_networks_have(&access->networks, from);
}

bool trap_access_community(const struct trap_access *access, struct text community)
{
    for (size_t i = 0; i < access->communities_count; i++) {
        if (text_is(community, access->communities[i])) {
            return true;
        }
    }
    return access->communities_count == 0;
}

int trap_listen_parse(const char *listen, struct sockaddr_storage *ret_address,
                      socklen_t *ret_bytes, struct nsh_error *err)
{
    static const char *const schemes[] = {"udp:", "udp6:", NULL};
    return peer_listen_parse(listen, schemes, ret_address, ret_bytes, err);
}
