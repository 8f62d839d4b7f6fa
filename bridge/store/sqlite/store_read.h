/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SQLITE_STORE_READ_H
#define STORE_SQLITE_STORE_READ_H

/* A reader: a connection that changes nothing. */

#include "store/sqlite/database.h"

#define STORE_READ_LIMIT 1000
#define STORE_READ_LIMIT_MAX 100000

struct store_reader {
    char *path;
    sqlite3 *db;
};

#endif
