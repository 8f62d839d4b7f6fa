/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRAP_RECEIVER_H
#define TRAP_RECEIVER_H

/*
 * nightshift-trap: receives, decodes and maps traps in a process that can do nothing else.
 *
 * It reads its configuration from fd 3, the tables from their folder, then locks itself in
 * (receiver_sandbox.c): from the first datagram on it can read and write what it has open, and
 * nothing more.
 */

#include "source/trap/trap_access.h"
#include "source/trap/trap_map.h"
#include "source/trap/trap_pipe.h"

/* Give up root, limits, new privileges and all system calls but a few. NSH_FAILED: not possible; do
 * not go on. */
int receiver_sandbox_enter(struct nsh_error *err);

/* Try from inside what must not work; prints a line each. 0: everything was refused. */
int receiver_sandbox_test(void);

struct receiver_loop {
    int sockets[TRAP_SOCKETS_MAX];
    size_t sockets_count;
    struct trap_decoder *decoder;
    struct trap_mapper *mapper;
    struct trap_access access;
};

/* Receive until the daemon goes or SIGTERM: then hand over the rest, wait for its commit, and
 * return. */
void receiver_loop_run(struct receiver_loop *loop);

/* Before the sandbox: buffers and signals. NSH_NOMEM. */
int receiver_loop_prepare(struct nsh_error *err);

#endif
