/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SNMP_POLL_LINK_H
#define SOURCE_SNMP_POLL_LINK_H

/*
 * The conversation with one agent: one request at a time, repeated when nothing comes (all of them
 * only read), each wait twice the one before; and on it the read of a whole table. On the loop
 * thread; nothing blocks, so a slow agent delays nobody.
 */

#include "abi/address.h"
#include "source/snmp/poll_walk.h"

#define POLL_PORT 161
#define POLL_LEARNED_MAX 3 /* Reports that ask for the same request again. */

struct poll_link {
    /* Set by the owner. */
    struct nsh_services *services;
    struct poll_answer *answer; /* Shared by the links of a loop. */
    struct nsh_address peer;
    uint32_t timeout_ms, retries;
    struct poll_wire *wire;
    int64_t deadline_ms; /* Monotonic: a walk does not go on beyond it. */
    size_t room;         /* What this agent's answers may hold; kept from read to read. */
    /* The link's. */
    struct nsh_flow *flow;
    struct nsh_timer *timer;
    struct poll_ask ask;
    int32_t id;
    uint32_t tries, learned;
    bool waits;
    void (*done)(void *arg, int code, const char *why);
    void *arg;
    struct poll_walk walk;
    struct poll_rows *rows;
    void (*walked)(void *arg, int code, const char *why);
    void *walked_arg;
    uint64_t asks, answers, timeouts, malformed, smaller;
};

/*
 * Sends link->ask. done() follows once, from the loop: 0 and link->answer is filled, or why not.
 * What was never sent fails at once.
 */
int poll_link_ask(struct poll_link *link, void (*done)(void *arg, int code, const char *why),
                  void *arg, struct nsh_error *err);
/* Reads a table into rows; walked() once, possibly from within. */
void poll_link_walk(struct poll_link *link, const struct poll_table *table, struct poll_rows *rows,
                    void (*walked)(void *arg, int code, const char *why), void *arg);
/* Nothing is called any more. The flow is given back: agents that rest hold none. */
void poll_link_rest(struct poll_link *link);
void poll_link_close(struct poll_link *link);

#endif
