/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp_link.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MS 1000 /* Old PDUs answer within half a second. */
#define TRIES 4     /* Of a reading. */
#define SET_WAIT_MS 5000
#define LEARN_MAX 3 /* Reports that ask for the same request again. */
#define TEXT_MAX 320

static void link_serve(struct snmp_link *link);

/* ---- endings ---- */

static void timer_stop(struct snmp_link *link)
{
    if (link->timer != NULL) {
        link->services->timer_cancel(link->services, link->timer);
        link->timer = NULL;
    }
}

static void flow_drop(struct snmp_link *link)
{
    if (link->flow != NULL) {
        link->services->flow_close(link->services, link->flow);
        link->flow = NULL;
    }
}

/* The first of the queue has its answer, or will not get one. */
static void first_end(struct snmp_link *link, struct snmp_result *result)
{
    struct snmp_request *request = link->queue;
    timer_stop(link);
    link->queue = request->next;
    request->queued = false;
    result->sent = request->sent;
    if (link->queue == NULL) {
        flow_drop(link); /* Thousands of outlets keep no socket busy. */
    } else {
        link_serve(link);
    }
    request->done(request->arg, result);
}

static void first_fail(struct snmp_link *link, int code, const char *what)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s: %s", link->address, what);
    first_end(link, &(struct snmp_result){.code = code, .text = text});
}

/* ---- sending ---- */

static void first_unanswered(void *arg);

static void first_send(struct snmp_link *link)
{
    struct snmp_request *request = link->queue;
    uint8_t out[SNMP_MESSAGE_MAX];
    bool discovers = snmp_wire_discovers(link->wire);
    bool sets = !discovers && request->ask.what != SNMP_GET;
    if (request->tries == 0) {
        link->id = (link->id + 1) & 0x7fffffff;
        request->id = link->id;
    }
    request->tries++;
    timer_stop(link);
    link->timer =
        link->services->timer(link->services, sets ? SET_WAIT_MS : TRY_MS, first_unanswered, link);
    size_t count =
        link->timer == NULL ? 0 : snmp_wire_build(link->wire, &request->ask, request->id, out);
    if (count > 0 && link->flow != NULL &&
        link->services->flow_send(link->services, link->flow, out, count) == 0 && !discovers) {
        request->sent = true;
    }
}

static void first_unanswered(void *arg)
{
    struct snmp_link *link = arg;
    struct snmp_request *request = link->queue;
    link->timer = NULL;
    bool sets = request->ask.what != SNMP_GET && request->sent;
    if (!sets && request->tries < TRIES) {
        first_send(link);
        if (link->timer != NULL) {
            return;
        }
    }
    if (!request->sent && !snmp_wire_discovers(link->wire)) {
        first_fail(link, NSH_UNREACHABLE, "no request could be sent");
    } else {
        first_fail(link, request->sent ? NSH_TIMEOUT : NSH_UNREACHABLE,
                   "no answer (is SNMP on, and its version and community or user right?)");
    }
}

/* ---- receiving ---- */

static bool link_accept(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    const struct snmp_link *link = arg;
    int32_t id = 0;
    return link->queue != NULL && snmp_message_id(bytes, bytes_count, &id) && id == link->queue->id;
}

static void link_received(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct snmp_link *link = arg;
    struct snmp_request *request = link->queue;
    struct snmp_result result = {.code = NSH_OK, .text = ""};
    struct nsh_error err = {.code = NSH_OK};
    if (request == NULL) {
        return;
    }
    switch (snmp_wire_read(link->wire, &request->ask, request->id, bytes, bytes_count,
                           &result.answer, &err)) {
    case SNMP_ANSWERED:
        first_end(link, &result);
        return;
    case SNMP_REFUSED:
        request->sent = false; /* The agent says that it did not look into it. */
        first_fail(link, err.code, err.text);
        return;
    case SNMP_LEARNED:
        if (++request->learned > LEARN_MAX) {
            request->sent = false;
            first_fail(link, NSH_PROTOCOL, "the agent's engine changes with every answer");
            return;
        }
        request->tries = 0;
        request->sent = false;
        first_send(link);
        return;
    case SNMP_FOREIGN:
        return;
    }
}

static int flow_open(struct snmp_link *link, struct nsh_error *err)
{
    if (link->id == 0) {
        link->services->random(link->services, &link->id, sizeof link->id);
        link->id &= 0x7fffffff;
    }
    return link->services->flow_open(link->services, (const struct sockaddr *)link->peer.at,
                                     link->peer.bytes, link_accept, link_received, link,
                                     &link->flow, err);
}

static void link_serve(struct snmp_link *link)
{
    first_send(link);
    if (link->timer == NULL) { /* No memory: it fails at its turn in the loop, if there is one. */
        struct snmp_request *request = link->queue;
        link->queue = request->next;
        request->queued = false;
        request->done(request->arg,
                      &(struct snmp_result){.code = NSH_NOMEM, .text = "no memory for a timer"});
        if (link->queue != NULL) {
            link_serve(link);
        }
    }
}

/* ---- the door ---- */

int snmp_link_request(struct snmp_link *link, struct snmp_request *request, struct nsh_error *err)
{
    int result = link->flow == NULL ? flow_open(link, err) : 0;
    if (result < 0) {
        return result;
    }
    struct snmp_request **last = &link->queue;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    request->next = NULL;
    request->tries = request->learned = 0;
    request->sent = false;
    request->queued = true;
    *last = request;
    if (link->queue != request) {
        return 0;
    }
    first_send(link);
    if (link->timer != NULL) {
        return 0;
    }
    link->queue = NULL;
    request->queued = false;
    flow_drop(link);
    return nsh_fail(err, NSH_NOMEM, "out of memory");
}

void snmp_link_abort(struct snmp_link *link, struct snmp_request *request)
{
    if (!request->queued) {
        return;
    }
    bool was_first = link->queue == request;
    struct snmp_request **at = &link->queue;
    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
    request->queued = false;
    if (!was_first) {
        return;
    }
    timer_stop(link);
    if (link->queue != NULL) {
        link_serve(link);
    } else {
        flow_drop(link);
    }
}

void snmp_link_close(struct snmp_link *link)
{
    timer_stop(link);
    flow_drop(link);
    snmp_wire_free(link->wire);
    link->wire = NULL;
}
