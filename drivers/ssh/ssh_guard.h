/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_GUARD_H
#define SSH_GUARD_H

/*
 * What libssh2 1.10 gets wrong, mended around it. This driver has its own copy of the library,
 * linked into the module, so that nothing else in the process is touched.
 *
 * It ends the process by assert() when an encrypted packet has a length that its cipher cannot have
 * (transport.c, decrypt()): one changed byte on the way to any host would end the daemon. The guard
 * ends the step of the session instead, which is then dropped as broken.
 *
 * It forgets what it had OpenSSL make: the host's key when a session ends before both sides use
 * their new keys, and the number of each private ecdsa key in OpenSSH's format. The guard notes
 * what was made during a session's steps and not freed, and frees it with the session. (What it
 * allocates itself: ssh_memory.h.)
 */

#include <stdbool.h>
#include <stddef.h>

/* A session makes two or three: the host's key, the user's, one more when keys are renewed. */
#define SSH_DEBTS_MAX 16

struct ssh_debt {
    void *object;
    void (*pay)(void *object);
};

/* All zero: none. One that finds no room stays lost. */
struct ssh_debts {
    struct ssh_debt items[SSH_DEBTS_MAX];
};

struct ssh_link;

/* Run step(link) on this account; false: the library gave up in it, and its session is good for
 * nothing but to be freed. */
bool ssh_guard_run(struct ssh_debts *debts, int (*step)(struct ssh_link *link),
                   struct ssh_link *link, int *ret_result);

void ssh_debts_pay(struct ssh_debts *debts); /* The session is gone. */

#endif
