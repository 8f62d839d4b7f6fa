/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

/* The daemon's life: everything is opened in its order, served, closed in the reverse order. */

#include "abi/error.h"

struct daemon_options {
    const char *config; /* nightshift.conf */
};

/* Runs until SIGTERM or SIGINT. 0, or what kept it from starting, logged as well. Call before any
 * other thread exists. */
int daemon_run(const struct daemon_options *options, struct nsh_error *err);

#endif
