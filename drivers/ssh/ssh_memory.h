/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_MEMORY_H
#define SSH_MEMORY_H

/*
 * The memory of one session: all that libssh2 asks for, freed with it. libssh2 1.10 forgets pieces
 * when a session ends in the middle of the exchange of keys or by an error; and a peer may send
 * packets that nobody asked for, which it keeps: so a session has a bound.
 */

#include <stdbool.h>
#include <stddef.h>

/* A session that works holds some 100 KiB. */
#define SSH_MEMORY_BYTES_MAX ((size_t)2 << 20)

struct ssh_piece;

/* All zero: empty. */
struct ssh_memory {
    struct ssh_piece *first;
    size_t bytes;
    bool full; /* The bound was reached. */
};

void *ssh_memory_take(struct ssh_memory *memory, size_t bytes); /* NULL: none, or the bound. */
/* As realloc(); what is left behind is wiped. */
void *ssh_memory_resize(struct ssh_memory *memory, void *at, size_t bytes);
void ssh_memory_give(struct ssh_memory *memory, void *at); /* Wiped: it may hold keys. */
void ssh_memory_clear(struct ssh_memory *memory);          /* Give all that is still there. */

#endif
