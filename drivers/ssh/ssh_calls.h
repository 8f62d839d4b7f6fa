/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_CALLS_H
#define SSH_CALLS_H

/* The walk of each verb (ssh_calls.c), and the device that it walks on: one host. */

#include "abi/doctor.h"
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

/* One call while it runs. */
struct ssh_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct ssh_link *link;
    struct nsh_timer *deadline, *wait;
    const char *command;
    void (*after)(struct ssh_call *call, const struct ssh_result *result);
    char before[SSH_BOOT_ID_MAX]; /* Boot id; "" when the host has none. */
    char last[SSH_TEXT_MAX];      /* What the last look at the host gave. */
    unsigned down_count;
    bool changes;              /* The command at hand has an effect ... */
    bool acted;                /* ... and one that has may have reached the host. */
    struct nsh_checks *checks; /* Of the doctor; NULL: another verb. */
    size_t look;               /* Which command it looks at. */
};

/* Run a command next, on the call's link; what goes wrong ends the call. */
void ssh_call_next(struct ssh_call *call, const char *command, bool changes,
                   void (*after)(struct ssh_call *call, const struct ssh_result *result));
void ssh_call_fail(struct ssh_call *call, int code, const char *text);
void ssh_call_checked(struct ssh_call *call); /* Ends it with its checks. */

/* The doctor's walk (ssh_doctor.c) begins with what the command for the boot id gave. */
void ssh_doctor_known(struct ssh_call *call, const struct ssh_result *result);

int ssh_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void ssh_cancel(struct nsh_device *device, struct nsh_op *op);

#endif
