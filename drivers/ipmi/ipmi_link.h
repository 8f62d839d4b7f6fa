/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPMI_LINK_H
#define IPMI_LINK_H

/*
 * The link to one BMC: an RMCP+ session that is opened when it is needed, kept and reused, and
 * closed politely. Requests wait in a queue and go out one at a time, each with its own sequence
 * number; reads are repeated after LINK_RETRY_MS, at most LINK_TRIES times, a request marked `once`
 * never.
 *
 * A link holds raw keys only: some 400 bytes, and 150 more while a session is being opened.
 */

#include "abi/address.h"
#include "abi/driver.h"
#include "ipmi_codec.h"

#define LINK_RETRY_MS 1000
#define LINK_TRIES 4
#define LINK_TRIES_STALE                                                                           \
    2 /* On a session that was idle: then it is taken for lost, and opened anew. */
#define LINK_ONCE_WAIT_MS 10000 /* For the answer to a request that is never repeated. */
#define LINK_IDLE_MS 45000      /* BMCs drop a session after 60 s. */
#define LINK_FRESH_MS 3000
#define LINK_REQUEST_DATA_MAX 8

enum link_state {
    LINK_CLOSED,
    LINK_OPENING, /* Open session request sent. */
    LINK_RAKP1,
    LINK_RAKP3,
    LINK_RAISING, /* Set session privilege level sent. */
    LINK_READY,
    LINK_STATES_COUNT,
};

/* How a request ended; borrowed. */
struct ipmi_result {
    int code;  /* NSH_OK: an answer came, whatever its completion code. */
    bool sent; /* With a failure: the request itself left, so that it may have been carried out. */
    const char *text;
    uint8_t completion;
    const uint8_t *data; /* After the completion code. */
    size_t data_bytes;
};

struct ipmi_request {
    struct ipmi_request *next;
    void (*done)(void *arg, const struct ipmi_result *result);
    void *arg;
    uint8_t netfn, command, data_bytes, data[LINK_REQUEST_DATA_MAX];
    bool once; /* Never repeated. */
    bool acts; /* It has an effect: that it left counts. */
    /* The link's. */
    bool sent, reopened;
    uint8_t tries, sent_count, sequence;
};

struct ipmi_settings {
    struct nsh_address peer;
    char user[IPMI_USER_MAX + 1];
    uint8_t user_bytes, privilege, suite; /* suite 0: 17, then 3 */
    bool has_kg;
    uint8_t key[IPMI_KEY_BYTES], kg[IPMI_KEY_BYTES];
    uint32_t keep_alive_ms;
};

struct ipmi_link {
    struct nsh_services *services;
    struct ipmi_settings settings;
    const char *address; /* For texts; the device's. */
    enum link_state state;
    struct nsh_flow *flow;
    struct nsh_timer *timer;
    struct ipmi_request *queue, *failing; /* failing: being told that the session did not open. */
    struct ipmi_handshake *handshake;
    struct ipmi_session session;
    bool *gone; /* Told when the link is closed by a done. */
    int64_t answered_ms;
    uint32_t opened_count;
    uint8_t sequence, suite, tries;
    bool pinging;
};

/* Queue a request; request stays the caller's and must live until done or ipmi_link_abort. done is
 * never called from in here. */
int ipmi_link_request(struct ipmi_link *link, struct ipmi_request *request, struct nsh_error *err);
/* Forget a queued request; its done is not called. Nothing when it is not queued. */
void ipmi_link_abort(struct ipmi_link *link, struct ipmi_request *request);
/* Close the session politely, without waiting. No request is queued. */
void ipmi_link_close(struct ipmi_link *link);

#endif
