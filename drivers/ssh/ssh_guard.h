/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_GUARD_H
#define SSH_GUARD_H

/*
 * libssh2 1.10 ends the process by assert() when an encrypted packet has a length that its cipher
 * cannot have (transport.c, decrypt()): one changed byte on the way to any host would end the
 * daemon. Therefore this driver has its own copy of the library, and of __assert_fail: it ends the
 * step of the session, which is then dropped as broken.
 */

struct ssh_link;

/* Run step(link); false: the library gave up in it, and its session is good for nothing but to be
 * freed. */
_Bool ssh_guard_run(int (*step)(struct ssh_link *link), struct ssh_link *link, int *ret_result);

#endif
