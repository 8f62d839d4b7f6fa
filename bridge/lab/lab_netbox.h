/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_NETBOX_H
#define LAB_NETBOX_H

/* The lab's NetBox: what is in it. */

#include "lab_service.h"

#define NETBOX_ENTRIES_MAX 10000 /* Of the journal; then it is full. */
#define NETBOX_TOKEN "0123456789abcdef0123456789abcdef01234567"
#define NETBOX_TOKEN_VIEW "nbt_lab.nightshift-lab-view" /* Reads. */

/* A host of the lab, as NetBox has it. */
struct netbox_device {
    const struct lab_host *host;
    char name[64], serial[64], status[24];
    bool oob;    /* Its BMC's address is told as oob_ip too, not only by its interface. */
    bool cabled; /* Its power port is connected. */
    int64_t changed_ms;
    unsigned version;
};

struct netbox_entry {
    size_t device;
    char kind[16];
    char *comments;
};

struct lab_netbox {
    struct lab_door door;
    struct lab *lab;
    struct netbox_device *devices; /* One for each host, in their order. */
    struct netbox_entry *entries;
    size_t entries_count;
};

/* {"detail": TEXT} */
void netbox_detail(struct lab_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
