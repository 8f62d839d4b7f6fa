/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_ROWS_H
#define SOURCE_SNMP_POLL_ROWS_H

/* The rows of one table of one agent as they are read: cells by index and column. Pure. */

#include "base/map.h"
#include "source/snmp/poll_table.h"

#define POLL_ROWS_MAX 4096       /* A chassis has 2,000 interfaces. */
#define POLL_INDEX_CHARS_MAX 200 /* As text: "7", "3.1.12". */

struct poll_row {
    struct text index;        /* "7" */
    struct poll_value *cells; /* One for each column. */
};

struct poll_rows {
    struct arena arena;
    struct map by_index;
    struct poll_row **items;
    uint32_t count, room, columns;
    bool cut;    /* There were more. */
    bool failed; /* Memory ran out: what is here is not all. */
};

void poll_rows_begin(struct poll_rows *rows, uint32_t columns);
/* Value of a cell; *hint is the place of the row of its column's last cell, or UINT32_MAX. */
void poll_rows_put(struct poll_rows *rows, const uint32_t *arcs, size_t arcs_count, uint32_t column,
                   const struct poll_value *value, uint32_t *hint);
void poll_rows_done(struct poll_rows *rows);

#endif
