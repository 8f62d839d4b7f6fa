/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DCIM_RIG_H
#define DCIM_RIG_H

/* NetBox' lists out of one JSON text: {"devices": [...], "racks": [...], "ports": ...}. */

#include "base/json.h"
#include "dcim/dcim.h"

#include <stdio.h>
#include <string.h>

static inline int rig_lists(const char *json, struct arena *arena, struct netbox_lists *lists)
{
    static const char *const names[NETBOX_LISTS_COUNT] = {
        [NETBOX_DEVICES] = "devices",
        [NETBOX_RACKS] = "racks",
        [NETBOX_FEEDS] = "feeds",
        [NETBOX_PORTS] = "ports",
        [NETBOX_INTERFACES] = "interfaces",
        [NETBOX_ADDRESSES] = "addresses",
        [NETBOX_PDUS] = "pdus",
    };
    struct nsh_value all = nsh_null();
    const char *next = "";

    if (json_parse(json, strlen(json), arena, &all, NULL) < 0) {
        return -NSH_INVALID;
    }
    for (enum netbox_list list = 0; list < NETBOX_LISTS_COUNT; list++) {
        const struct nsh_value *items = nsh_get(&all, names[list]);
        struct nsh_member members[] = {{"results", items == NULL ? nsh_list(NULL, 0) : *items},
                                       {"next", nsh_null()}};
        struct nsh_value page = nsh_map(members, 2);
        int result = netbox_page_take(lists, list, &page, arena, &next, NULL);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

#endif
