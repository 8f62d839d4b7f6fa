/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_WALK_H
#define SOURCE_SNMP_POLL_WALK_H

/*
 * One table of one agent, read by GETBULK: several columns side by side, as many rows at once as
 * fit into a datagram. What the agent answers is not trusted: a column that does not advance, rows
 * without end, an answer to nothing asked end it. Pure.
 */

#include "source/snmp/poll_rows.h"
#include "source/snmp/poll_wire.h"

#define POLL_ROOM_BYTES 1300   /* Of the bindings of an answer, at first. */
#define POLL_ROOM_BYTES_MIN 48 /* Agents that cannot say one object are of no use. */
#define POLL_REPETITIONS_MAX 64
#define POLL_WALK_ASKS_MAX 4096 /* Requests of one table. */

struct poll_walk {
    const struct poll_table *table;
    struct {
        struct poll_oid at; /* The last cell, or the column itself. */
        uint32_t hint;
        bool over;
    } columns[POLL_COLUMNS_MAX];
    uint8_t asked[POLL_ASK_MAX]; /* Columns of the last ask. */
    uint32_t asked_count;
    uint32_t asks;
    uint32_t lost; /* Columns that the agent could not say. */
};

enum poll_step {
    POLL_STEP_ON,     /* poll_walk_ask() again. */
    POLL_STEP_OVER,   /* The table is read. */
    POLL_STEP_BIGGER, /* Too big for the agent: with less room, ask again. */
    POLL_STEP_FAILED, /* err says why; the rows are not to be used. */
};

void poll_walk_begin(struct poll_walk *walk, const struct poll_table *table);
/* room: bytes that the bindings of an answer may take. */
void poll_walk_ask(struct poll_walk *walk, size_t room, struct poll_ask *ret_ask);
enum poll_step poll_walk_take(struct poll_walk *walk, const struct poll_answer *answer,
                              struct poll_rows *rows, struct nsh_error *err);

#endif
