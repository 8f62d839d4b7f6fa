/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a call walks: each state asks for something (or waits) and has a function for the answer. The
 * arrows say what may follow what; an ending is reached from every state.
 */

#include "redfish.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MARGIN_MS 500 /* Ours comes before the caller's. */
#define TIMEOUT_MS_LEAST 100
#define REPLY_BYTES_MAX (1024u * 1024)

typedef void walk_fn(struct redfish_call *call);
typedef void walk_answered_fn(struct redfish_call *call, const struct redfish_result *result);

#define TO(state) (1u << (state))
#define ACTING (TO(WALK_SETTLE) | TO(WALK_INFO) | TO(WALK_ACT) | TO(WALK_PROVE))

static const struct {
    const char *word;
    unsigned to;
    walk_fn *enter; /* Again after a pause; NULL: asked with walk_get(). */
    walk_answered_fn *answered;
} rows[WALKS_COUNT] = {
    [WALK_LIST] = {"list", TO(WALK_LIST) | TO(WALK_MEMBER) | TO(WALK_READ), find_list,
                   find_list_answered},
    [WALK_MEMBER] = {"member", TO(WALK_MEMBER) | TO(WALK_READ), find_member, find_member_answered},
    [WALK_READ] = {"read",
                   TO(WALK_LIST) | TO(WALK_LED) | TO(WALK_LIGHT) | TO(WALK_MANAGER) |
                       TO(WALK_LOGS) | TO(WALK_ACCOUNT_SERVICE) | ACTING,
                   find_read, find_read_answered},
    [WALK_SETTLE] = {"settle", TO(WALK_LIST) | ACTING, find_read, find_read_answered},
    [WALK_INFO] = {"info", TO(WALK_ACT), NULL, power_info_answered},
    [WALK_ACT] = {"act", TO(WALK_TASK) | TO(WALK_PROVE) | TO(WALK_REST), power_act,
                  power_act_answered},
    [WALK_TASK] = {"task", TO(WALK_TASK) | TO(WALK_PROVE), power_task, power_task_answered},
    [WALK_PROVE] = {"prove", TO(WALK_PROVE) | TO(WALK_REST), find_read, power_prove_answered},
    [WALK_REST] = {"rest", TO(WALK_ACT), power_rest_over, NULL},
    [WALK_LED] = {"led", TO(WALK_LIGHT), identify_read, identify_read_answered},
    [WALK_LIGHT] = {"light", TO(WALK_LED) | TO(WALK_LIT), identify_light, identify_light_answered},
    [WALK_LIT] = {"lit", TO(WALK_LIT), identify_read, identify_lit_answered},
    [WALK_MANAGER] = {"manager", TO(WALK_LOGS), NULL, log_manager_answered},
    [WALK_LOGS] = {"logs", TO(WALK_LOG), NULL, log_services_answered},
    [WALK_LOG] = {"log", TO(WALK_ENTRIES), NULL, log_service_answered},
    [WALK_ENTRIES] = {"entries", TO(WALK_ENTRIES) | TO(WALK_ENTRY), NULL, log_entries_answered},
    [WALK_ENTRY] = {"entry", TO(WALK_ENTRY), log_entry, log_entry_answered},
    [WALK_ACCOUNT_SERVICE] = {"account service", TO(WALK_ACCOUNT_LIST), NULL,
                              doctor_service_answered},
    [WALK_ACCOUNT_LIST] = {"account list", TO(WALK_ACCOUNT), NULL, doctor_list_answered},
    [WALK_ACCOUNT] = {"account", TO(WALK_ACCOUNT), doctor_account, doctor_account_answered},
    [WALK_ENDED] = {"ended", 0, NULL, NULL},
};

static void walk_set(struct redfish_call *call, enum walk next)
{
    if ((rows[call->state].to & TO(next)) == 0) {
        fprintf(stderr, "redfish: no arrow from %s to %s\n", rows[call->state].word,
                rows[next].word);
        abort(); /* Ours. */
    }
    call->state = next;
}

void walk_move(struct redfish_call *call, enum walk next)
{
    walk_set(call, next);
    rows[next].enter(call);
}

/* ---- endings ---------------------------------------------------------------------------- */

static void call_free(struct redfish_call *call)
{
    find_free(call);
    log_free(call->log);
    doctor_free(call->doctor);
    free(call->task);
    free(call->led_path);
    free(call);
}

/* It has no op any more; who completes it frees it then: the result may borrow from it. */
static struct nsh_op *call_leave(struct redfish_call *call)
{
    struct nsh_services *services = call->device->services;

    if (call->timer != NULL) {
        services->timer_cancel(services, call->timer);
    }
    call->op->driver_data = NULL;
    call->state = WALK_ENDED;
    return call->op;
}

static void call_end(struct redfish_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    services->complete(services, call_leave(call), outcome);
    call_free(call);
}

void walk_done_checks(struct redfish_call *call, const struct nsh_checks *checks)
{
    struct nsh_services *services = call->device->services;
    nsh_checks_complete(services, call_leave(call), checks);
    call_free(call);
}

void walk_done(struct redfish_call *call, const struct nsh_value *result)
{
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = result, .text = ""});
}

void walk_fail(struct redfish_call *call, int code, const char *format, ...)
{
    char text[REDFISH_TEXT_MAX];
    va_list arguments;

    int used = snprintf(text, sizeof text, "%s: ", call->device->base);
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    call_end(call,
             &(struct nsh_outcome){.code = code, .effect_possible = call->acted, .text = text});
}

void walk_fail_result(struct redfish_call *call, const struct redfish_result *result)
{
    call_end(call, &(struct nsh_outcome){.code = result->code,
                                         .effect_possible = call->acted,
                                         .text = result->text,
                                         .retry_after_ms = result->retry_after_ms});
}

struct json_object *walk_document(struct redfish_call *call, const struct redfish_result *result)
{
    struct json_object *doc = NULL;
    struct nsh_error err = {0};

    if (result->code != NSH_OK) {
        walk_fail_result(call, result);
        return NULL;
    }
    if (redfish_parse(result->reply->body, result->reply->body_bytes, &doc, &err) < 0) {
        walk_fail(call, err.code, "%s", err.text);
        return NULL;
    }
    return doc;
}

/* ---- asking ----------------------------------------------------------------------------- */

int64_t walk_left_ms(const struct redfish_call *call)
{
    return call->deadline_ms - call->device->services->now_ms(call->device->services);
}

static void walk_answered(void *arg, const struct redfish_result *result)
{
    struct redfish_call *call = arg;
    rows[call->state].answered(call, result);
}

void walk_request(struct redfish_call *call, const char *method, const char *path)
{
    struct redfish_request *request = &call->request;
    int64_t left_ms = walk_left_ms(call), most_ms = call->device->request_timeout_ms;

    request->path = path == NULL ? NULL : strdup(path);
    if (path != NULL && request->path == NULL) {
        walk_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    left_ms = left_ms < most_ms ? left_ms : most_ms;
    request->timeout_ms = (uint32_t)(left_ms < TIMEOUT_MS_LEAST ? TIMEOUT_MS_LEAST : left_ms);
    request->reply_bytes_max = REPLY_BYTES_MAX;
    request->method = method;
    request->done = walk_answered;
    request->arg = call;
    request->op = call->op;
    redfish_request(call->device, request);
}

void walk_get(struct redfish_call *call, enum walk next, const char *path)
{
    walk_set(call, next);
    walk_request(call, "GET", path);
}

static void walk_fire(void *arg)
{
    struct redfish_call *call = arg;
    call->timer = NULL;
    rows[call->state].enter(call);
}

void walk_pause(struct redfish_call *call, enum walk next, uint32_t delay_ms)
{
    struct nsh_services *services = call->device->services;

    walk_set(call, next);
    call->timer = services->timer(services, delay_ms, walk_fire, call);
    if (call->timer == NULL) {
        walk_fail(call, NSH_NOMEM, "no memory for a timer");
    }
}

/* ---- the door --------------------------------------------------------------------------- */

int redfish_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct redfish_call *call = calloc(1, sizeof *call);
    uint32_t timeout_ms = op->timeout_ms == 0 ? op->verb->timeout_ms_default : op->timeout_ms;

    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    call->device = device;
    call->op = op;
    call->what = power_plan(call)                                ? WHAT_POWER
                 : strcmp(op->verb->name, "identify") == 0       ? WHAT_IDENTIFY
                 : strcmp(op->verb->name, "log.read") == 0       ? WHAT_LOG
                 : strcmp(op->verb->name, "redfish.doctor") == 0 ? WHAT_DOCTOR
                                                                 : WHAT_STATUS;
    call->deadline_ms =
        device->services->now_ms(device->services) + timeout_ms - DEADLINE_MARGIN_MS;
    op->driver_data = call;
    device->first_look = !device->called && call->what == WHAT_STATUS && device->auth == AUTH_AUTO;
    device->called = true;
    find_begin(call);
    return 0;
}

void redfish_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct redfish_call *call = op->driver_data;

    if (call == NULL) {
        return;
    }
    bool left = redfish_request_cancel(device, &call->request);
    call->acted = call->acted || (left && (call->state == WALK_ACT || call->state == WALK_LIGHT));
    walk_fail(call, NSH_CANCELLED, "cancelled");
}
