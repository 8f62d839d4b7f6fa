/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SNMP_CALLS_H
#define SNMP_CALLS_H

/* The walk of each verb (snmp_calls.c), and the device that it walks on: one host's outlets. */

#include "snmp_families.h"
#include "snmp_link.h"

#define SNMP_AGENTS_MAX 4
#define SNMP_OUTLETS_MAX 8
#define SNMP_INDEX_MAX 32

struct snmp_agent {
    struct snmp_link link;
    const struct snmp_family *family; /* NULL: to be asked for. */
    bool found;                       /* By its sysObjectID, not as configured. */
};

struct snmp_outlet {
    struct snmp_agent *agent;
    char index[SNMP_INDEX_MAX]; /* "3", "1.3" as configured */
};

struct nsh_device {
    struct nsh_services *services;
    struct snmp_agent agents[SNMP_AGENTS_MAX];
    size_t agents_count;
    struct snmp_outlet outlets[SNMP_OUTLETS_MAX];
    size_t outlets_count;
    uint32_t poll_ms, off_time_ms;
    char version; /* '1', '2', '3' */
    bool has_auth, has_priv;
};

/* The object of an outlet, as its make writes it; false: none can be made of it. */
bool snmp_outlet_oid(const struct snmp_outlet *outlet, const char *text, struct snmp_oid *ret_oid);
/* What an error-status (RFC 3416, section 3) means. */
int snmp_error_code(int error);
/* "1.3.6.1", cut to the room. */
void snmp_oid_text(const struct snmp_oid *oid, char *text, size_t room);

int snmp_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void snmp_cancel(struct nsh_device *device, struct nsh_op *op);

#endif
