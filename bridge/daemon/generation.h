/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_GENERATION_H
#define DAEMON_GENERATION_H

/*
 * One generation of everything a person writes: configuration, inventory, policies, checked
 * together. Immutable; who still reads an old one holds a reference (taken and dropped on the loop
 * thread alone).
 */

#include "config.h"
#include "loop/drivers.h"
#include "model/host.h"

struct syslog_options;
struct syslog_patterns;

struct generation {
    unsigned refs;
    struct config *config;
    struct inventory *inventory;
    struct policy_set *policies;
    struct syslog_patterns *syslog_patterns; /* Until syslog takes them over; or NULL. */
    struct generation *retired_next;         /* The shell's: an old one that runs still walk. */
};

/*
 * Read what config names, check it against the drivers, and with `deep` also what costs
 * time and trap intake finds at its start anyway: SNMPv3 users. Takes config
 * over, also on failure. NULL when diags has an error. Any thread.
 */
struct generation *generation_load(struct config *config, const struct drivers *drivers, bool deep,
                                   struct diags *diags);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

/* generation_syslog.c. Texts are borrowed from config. */
void generation_syslog_options(const struct config *config, struct syslog_options *ret_options);
void generation_read_syslog(struct generation *generation, struct diags *diags);

/* generation_identity.c. False: no memory. */
bool generation_tell_identity(struct inventory *inventory, const struct drivers *drivers);

/* Checks everything; prints to out. The number of errors. */
size_t generation_check(const char *file, bool color, struct textbuf *out);

#endif
