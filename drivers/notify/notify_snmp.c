/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traps, which nobody answers, and informs, which are sent again until they are answered: with the
 * same request id, so that a receiver can tell.
 */

#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNMP_TRAP_PORT 162
#define TRY_MS 1000 /* Doubled each time: 1 + 2 + 4 + 8 s, within the verb's time-out. */
#define TRIES 4
#define LEARN_MAX 3 /* Reports that ask for the same inform again. */
#define TEXT_MAX 360

struct snmp_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct nsh_flow *flow;
    struct nsh_timer *timer;
    struct nsh_pool pool;
    struct notify_notice notice;
    int32_t id;
    unsigned tries, learned;
    bool sent, examines;
};

/* ---- addresses ---- */

static int address_read(struct nsh_device *device, struct nsh_error *err)
{
    if (!nsh_address_read(notify_setting(device, "address"), SNMP_TRAP_PORT, &device->peer)) {
        return nsh_fail(err, NSH_INVALID,
                        "address: want an IP address such as 10.1.1.1 or 10.1.1.1:162, got '%.80s'",
                        notify_setting(device, "address"));
    }
    return 0;
}

/* ---- ends ---- */

static void call_done(struct snmp_call *call)
{
    struct nsh_services *services = call->device->services;
    if (call->timer != NULL) {
        services->timer_cancel(services, call->timer);
    }
    if (call->flow != NULL) {
        services->flow_close(services, call->flow);
    }
    call->op->driver_data = NULL;
    nsh_pool_done(&call->pool);
    free(call);
}

static void call_end(struct snmp_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    call_done(call);
    services->complete(services, op, outcome);
}

static void call_fail(struct snmp_call *call, int code, const char *what)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s %s: %s", call->device->address,
             notify_setting(call->device, "kind"), what);
    call_end(call,
             &(struct nsh_outcome){.code = code, .effect_possible = call->sent, .text = text});
}

static void call_well(struct snmp_call *call, const char *how)
{
    struct nsh_services *services = call->device->services;
    char text[TEXT_MAX], key[NOTIFY_KEY_BYTES_MAX + 1] = "";
    snprintf(text, sizeof text, "%s %s: %s", call->device->address,
             notify_setting(call->device, "kind"), how);
    if (call->examines) {
        struct nsh_checks checks = {0};
        struct nsh_op *op = call->op;
        nsh_check_add(&checks, "identity", NSH_CHECK_OK, NULL, "the receiver told its engine id");
        call_done(call);
        nsh_checks_complete(services, op, &checks);
        return;
    }
    snprintf(key, sizeof key, "%s", call->notice.key);
    const struct nsh_member members[] = {{"key", nsh_text(key)}, {"receiver", nsh_text(how)}};
    const struct nsh_value result = nsh_map(members, 2);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = text});
}

/* ---- on the wire ---- */

static void unanswered(void *arg);

/* False: it could not be sent. */
static bool transmit(struct snmp_call *call)
{
    struct nsh_device *device = call->device;
    struct nsh_services *services = device->services;
    uint8_t out[SNMP_MESSAGE_MAX];
    struct notify_clocks clocks = {.up_ms = services->now_ms(services) - device->opened_ms,
                                   .unix_ms = services->unix_ms(services)};
    bool discovers = notify_wire_discovers(device->wire);
    size_t count = notify_wire_build(device->wire, &call->notice, clocks, call->id, out);
    if (count == 0 || services->flow_send(services, call->flow, out, count) < 0) {
        return false;
    }
    call->sent = call->sent || !discovers;
    return true;
}

static bool try_once(struct snmp_call *call)
{
    struct nsh_services *services = call->device->services;
    uint32_t wait_ms = (uint32_t)TRY_MS << call->tries;
    call->tries++;
    call->timer = services->timer(services, wait_ms, unanswered, call);
    if (call->timer == NULL) {
        return false;
    }
    (void)transmit(call); /* A full buffer is a lost datagram: the next try follows. */
    return true;
}

static void unanswered(void *arg)
{
    struct snmp_call *call = arg;
    call->timer = NULL;
    if (call->tries < TRIES) {
        if (!try_once(call)) {
            call_fail(call, NSH_NOMEM, "no memory for a timer");
        }
        return;
    }
    call_fail(call, call->sent ? NSH_TIMEOUT : NSH_UNREACHABLE,
              "no answer (does it take informs, and is the version, community or user right?)");
}

static bool accepts(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    const struct snmp_call *call = arg;
    int32_t id = 0;
    return snmp_message_id(bytes, bytes_count, &id) && id == call->id;
}

static void received(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct snmp_call *call = arg;
    struct nsh_device *device = call->device;
    struct nsh_services *services = device->services;
    struct nsh_error err = {0};
    switch (notify_wire_read(device->wire, call->id, bytes, bytes_count, &err)) {
    case SNMP_ANSWERED:
        call_well(call, "acknowledged");
        return;
    case SNMP_REFUSED:
        call->sent = false; /* It says that it did not take it. */
        call_fail(call, err.code, err.text);
        return;
    case SNMP_LEARNED:
        break;
    case SNMP_FOREIGN:
        return;
    }
    if (call->examines) {
        call_well(call, "known");
        return;
    }
    if (++call->learned > LEARN_MAX) {
        call->sent = false;
        call_fail(call, NSH_PROTOCOL, "the receiver's engine changes with every answer");
        return;
    }
    services->timer_cancel(services, call->timer);
    call->timer = NULL;
    call->tries = 0;
    call->sent = false;
    if (!try_once(call)) {
        call_fail(call, NSH_NOMEM, "no memory for a timer");
    }
}

/* ---- the door ---- */

static int examine_check(const struct nsh_device *device, struct nsh_error *err)
{
    if (device->kind == KIND_TRAP) {
        return nsh_fail(err, NSH_UNSUPPORTED,
                        "%s: nobody answers a trap; kind = \"inform\" is answered",
                        device->address);
    }
    return strcmp(notify_setting(device, "version"), "3") == 0
               ? 0
               : nsh_fail(err, NSH_UNSUPPORTED,
                          "%s: v2c cannot be asked anything without telling somebody",
                          device->address);
}

static int call_go(struct snmp_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    struct nsh_services *services = device->services;
    bool trap = device->kind == KIND_TRAP;
    if (!call->examines && !notify_of(device, &call->pool, call->op, &call->notice)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result =
        services->flow_open(services, (const struct sockaddr *)device->peer.at, device->peer.bytes,
                            trap ? NULL : accepts, received, call, &call->flow, err);
    if (result < 0) {
        return result;
    }
    if (trap && !transmit(call)) {
        return nsh_fail(err, NSH_UNREACHABLE, "%s trap: could not be sent", device->address);
    }
    if (trap) {
        call_well(call, "sent; nobody answers a trap");
        return 0;
    }
    return try_once(call) ? 0 : nsh_fail(err, NSH_NOMEM, "out of memory");
}

int notify_snmp_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    bool examines = notify_verb_of(op) == VERB_DOCTOR;
    int result = examines ? examine_check(device, err) : 0;
    if (result < 0) {
        return result;
    }
    struct snmp_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (device->id == 0) {
        device->services->random(device->services, &device->id, sizeof device->id);
    }
    device->id = (int32_t)(((uint32_t)device->id + 1) & 0x7fffffff);
    *call = (struct snmp_call){.device = device, .op = op, .id = device->id, .examines = examines};
    op->driver_data = call;
    if (examines) { /* Whatever is known: ask again. */
        notify_wire_forget(device->wire);
    }
    result = call_go(call, err);
    if (result < 0) {
        call_done(call);
    }
    return result;
}

void notify_snmp_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct snmp_call *call = op->driver_data;
    (void)device;
    if (call != NULL) {
        call_fail(call, NSH_CANCELLED, "cancelled");
    }
}

void notify_snmp_close(struct nsh_device *device)
{
    notify_wire_free(device->wire);
}

int notify_snmp_open(struct nsh_device *device, struct nsh_error *err)
{
    bool v3 = strcmp(notify_setting(device, "version"), "3") == 0;
    device->address = notify_setting(device, "address");
    if (notify_setting(device, v3 ? "user" : "community")[0] == '\0') {
        return nsh_fail(err, NSH_INVALID, "%s: SNMPv%s needs one", v3 ? "user" : "community",
                        notify_setting(device, "version"));
    }
    int result = address_read(device, err);
    return result < 0 ? result
                      : notify_wire_new(
                            &(struct notify_snmp){
                                .v3 = v3,
                                .informs = device->kind == KIND_INFORM,
                                .community = notify_setting(device, "community"),
                                .user = notify_setting(device, "user"),
                                .auth_protocol = notify_setting(device, "auth_protocol"),
                                .auth_password = notify_setting(device, "auth_password"),
                                .priv_protocol = notify_setting(device, "priv_protocol"),
                                .priv_password = notify_setting(device, "priv_password"),
                                .engine = notify_setting(device, "engine"),
                                .name = device->instance,
                                .enterprise = notify_setting(device, "enterprise"),
                            },
                            &device->wire, err);
}
