/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPMI_CALLS_H
#define IPMI_CALLS_H

/* The walk of each verb (ipmi_calls.c), and the device that it walks on. */

#include "ipmi_link.h"

struct nsh_device {
    struct ipmi_link link;
    char *address;
    uint8_t uuid[IPMI_GUID_BYTES];
    bool has_uuid;
    uint32_t
        guid_session; /* The session (opened_count) in which the GUID was found right; 0: none. */
    uint32_t poll_ms, off_time_ms;
    unsigned ops_count; /* Verbs that run: the session is theirs, also between their requests. */
};

int ipmi_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void ipmi_cancel(struct nsh_device *device, struct nsh_op *op);
/* A verb is over, for whoever completes op next. */
void ipmi_op_over(struct nsh_device *device, struct nsh_op *op);

#endif
