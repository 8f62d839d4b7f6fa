/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snmp/poll_link.h"

#include "base/assert.h"

#include <stdio.h>

static void timer_stop(struct poll_link *link)
{
    if (link->timer != NULL) {
        link->services->timer_cancel(link->services, link->timer);
        link->timer = NULL;
    }
}

static void ask_end(struct poll_link *link, int code, const char *why)
{
    timer_stop(link);
    link->waits = false;
    link->done(link->arg, code, why);
}

/* ---- sending ---- */

static void on_unanswered(void *arg);

/* False: it could not be sent, now or ever. */
static bool ask_send(struct poll_link *link)
{
    uint8_t out[SNMP_MESSAGE_MAX];
    struct nsh_services *services = link->services;
    uint32_t wait_ms = link->timeout_ms << (link->tries < 4 ? link->tries : 4);
    size_t count = poll_wire_build(link->wire, &link->ask, link->id, out);
    timer_stop(link);
    link->timer = services->timer(services, wait_ms, on_unanswered, link);
    link->tries++;
    link->asks++;
    /* A full socket buffer is a lost datagram: it is sent again when nothing comes. */
    int sent = count == 0 ? -NSH_NOMEM : services->flow_send(services, link->flow, out, count);
    return link->timer != NULL && (sent == 0 || sent == -NSH_LIMIT);
}

static void on_unanswered(void *arg)
{
    struct poll_link *link = arg;
    link->timer = NULL;
    link->timeouts++;
    if (link->tries <= link->retries && ask_send(link)) {
        return;
    }
    ask_end(link, NSH_TIMEOUT,
            "no answer (is SNMP on, and are version and community or user right?)");
}

/* ---- receiving ---- */

static bool link_accept(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    const struct poll_link *link = arg;
    int32_t id = 0;
    return link->waits && snmp_message_id(bytes, bytes_count, &id) && id == link->id;
}

static void on_learned(struct poll_link *link)
{
    link->tries = 0;
    if (++link->learned > POLL_LEARNED_MAX) {
        ask_end(link, NSH_PROTOCOL, "the agent's engine changes with every answer");
    } else if (!ask_send(link)) {
        ask_end(link, NSH_UNREACHABLE, "it could not be asked");
    }
}

static void link_received(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct poll_link *link = arg;
    struct nsh_error err = {.code = NSH_OK};
    if (!link->waits) {
        return;
    }
    switch (poll_wire_read(link->wire, link->id, bytes, bytes_count, link->answer, &err)) {
    case SNMP_ANSWERED:
        link->answers++;
        ask_end(link, NSH_OK, "");
        return;
    case SNMP_REFUSED:
        link->malformed++;
        ask_end(link, err.code, err.text);
        return;
    case SNMP_LEARNED:
        on_learned(link);
        return;
    case SNMP_FOREIGN:
        link->malformed++;
        return;
    }
}

int poll_link_ask(struct poll_link *link, void (*done)(void *arg, int code, const char *why),
                  void *arg, struct nsh_error *err)
{
    struct nsh_services *services = link->services;
    NSH_ASSERT(!link->waits);
    if (link->flow == NULL) {
        int result =
            services->flow_open(services, (const struct sockaddr *)link->peer.at, link->peer.bytes,
                                link_accept, link_received, link, &link->flow, err);
        if (result < 0) {
            return result;
        }
    }
    if (link->id == 0) {
        services->random(services, &link->id, sizeof link->id);
    }
    link->id = (link->id + 1) & 0x7fffffff;
    link->done = done;
    link->arg = arg;
    link->tries = link->learned = 0;
    link->waits = true;
    if (!ask_send(link)) {
        timer_stop(link);
        link->waits = false;
        return nsh_fail(err, NSH_UNREACHABLE, "it could not be asked");
    }
    return 0;
}

/* ---- tables ---- */

static void walk_go(struct poll_link *link);

static void walk_end(struct poll_link *link, int code, const char *why)
{
    link->walked(link->walked_arg, code, why);
}

/* Half of it at once from now on; false: it is as little as it can be. */
static bool room_halve(struct poll_link *link)
{
    bool can = link->room / 2 >= POLL_ROOM_BYTES_MIN;
    link->room = can ? link->room / 2 : link->room;
    link->smaller += can;
    return can;
}

static void on_walk_answer(void *arg, int code, const char *why)
{
    struct poll_link *link = arg;
    struct nsh_error err = {0};
    if (code == NSH_TIMEOUT && room_halve(link)) {
        walk_go(link); /* Long answers may be lost where short ones are not. */
        return;
    }
    if (code != NSH_OK) {
        walk_end(link, code, why);
        return;
    }
    switch (poll_walk_take(&link->walk, link->answer, link->rows, &err)) {
    case POLL_STEP_ON:
        walk_go(link);
        return;
    case POLL_STEP_OVER:
        walk_end(link, NSH_OK, "");
        return;
    case POLL_STEP_BIGGER:
        if (room_halve(link)) {
            walk_go(link);
        } else {
            walk_end(link, NSH_LIMIT, "one object is too big for the agent to say");
        }
        return;
    case POLL_STEP_FAILED:
        link->malformed++;
        walk_end(link, err.code, err.text);
        return;
    }
}

static void walk_go(struct poll_link *link)
{
    struct nsh_error err = {0};
    if (link->services->now_ms(link->services) > link->deadline_ms) {
        walk_end(link, NSH_TIMEOUT, "it takes too long to answer");
        return;
    }
    poll_walk_ask(&link->walk, link->room, &link->ask);
    if (poll_link_ask(link, on_walk_answer, link, &err) < 0) {
        walk_end(link, err.code, err.text);
    }
}

void poll_link_walk(struct poll_link *link, const struct poll_table *table, struct poll_rows *rows,
                    void (*walked)(void *arg, int code, const char *why), void *arg)
{
    link->rows = rows;
    link->walked = walked;
    link->walked_arg = arg;
    poll_rows_begin(rows, table->columns_count);
    poll_walk_begin(&link->walk, table);
    walk_go(link);
}

void poll_link_rest(struct poll_link *link)
{
    timer_stop(link);
    link->waits = false;
    if (link->flow != NULL) {
        link->services->flow_close(link->services, link->flow);
        link->flow = NULL;
    }
}

void poll_link_close(struct poll_link *link)
{
    poll_link_rest(link);
    poll_wire_free(link->wire);
    link->wire = NULL;
}
