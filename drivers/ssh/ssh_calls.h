/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_CALLS_H
#define SSH_CALLS_H

/* The walk of each verb (ssh_calls.c), and the device that it walks on: one host. */

#include "ssh_link.h"

#define SSH_NAMED_MAX 32
#define SSH_NAME_MAX 64

/* A command that the settings give a name. */
struct ssh_named {
    char *name, *command;
    bool reads; /* It only looks: of `checks`, not of `commands`. */
};

struct nsh_device {
    struct nsh_services *services;
    struct ssh_account account;
    char *boot_id, *reboot, *shutdown, *drain, *undrain, *bmc_reset; /* Commands; NULL: none. */
    struct ssh_named named[SSH_NAMED_MAX];
    size_t named_count;
    uint32_t poll_ms;
    struct ssh_link *kept; /* A session nobody uses; NULL: none. */
};

int ssh_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void ssh_cancel(struct nsh_device *device, struct nsh_op *op);

#endif
