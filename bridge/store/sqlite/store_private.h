/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SQLITE_STORE_PRIVATE_H
#define STORE_SQLITE_STORE_PRIVATE_H

/* The store as the loop thread sees it: two batches that take turns, and the writer. */

#include "store/sqlite/database.h"

struct store {
    char *path;
    int lock_fd; /* PATH.lock: one daemon for one store. */
    struct store_batch batches[2];
    struct store_batch *collecting;
    uint64_t next_seq;
    struct store_writer *writer;
};

#endif
