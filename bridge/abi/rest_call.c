/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: how they begin, wait, are cancelled and end. The only place where complete() is called. */

#include "abi/doctor.h"
#include "abi/rest_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nsh_rest_call *call_new(struct nsh_rest *rest, size_t call_bytes)
{
    struct nsh_rest_call *call = calloc(1, call_bytes);
    struct nsh_rest_flight *flight = calloc(1, sizeof *flight);
    if (call == NULL || flight == NULL) {
        free(call);
        free(flight);
        return NULL;
    }
    flight->call = call;
    call->rest = rest;
    call->flight = flight;
    return call;
}

void call_free(struct nsh_rest_call *call)
{
    flight_stop(call);
    if (call->done != NULL) {
        call->done(call);
    }
    nsh_pool_done(&call->flight->memory);
    nsh_pool_done(&call->pool);
    free(call->flight);
    free(call);
}

int nsh_rest_start(struct nsh_rest *rest, void *device, struct nsh_op *op, size_t call_bytes,
                   void (*begin)(struct nsh_rest_call *call), struct nsh_error *err)
{
    struct nsh_rest_call *call = call_new(rest, call_bytes);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    call->device = device;
    call->op = op;
    call->flight->deadline_ms = rest->services->now_ms(rest->services) + op->timeout_ms;
    op->driver_data = call;
    begin(call);
    return 0;
}

void flight_stop(struct nsh_rest_call *call)
{
    struct nsh_rest_flight *flight = call->flight;
    struct nsh_services *services = call->rest->services;
    if (flight->waits) {
        rest_waiting_remove(call->rest, flight);
        call->rest->orphan = call->rest->login != NULL && call->rest->waiting == NULL;
    }
    if (flight->http != NULL) {
        flight->acted = flight->acted || rest_has_effect(flight);
        services->http_cancel(services, flight->http);
        flight->http = NULL;
    }
    if (flight->timer != NULL) {
        services->timer_cancel(services, flight->timer);
        flight->timer = NULL;
    }
}

/* ---- ends ------------------------------------------------------------------------------- */

static void call_end(struct nsh_rest_call *call, struct nsh_outcome *outcome,
                     const struct nsh_checks *checks)
{
    struct nsh_rest *rest = call->rest;
    struct nsh_op *op = call->op;
    rest_enter(rest);
    flight_stop(call);
    if (op == NULL) {
        rest->login = NULL;
        rest_login_failed(rest, outcome);
    } else {
        outcome->effect_possible =
            outcome->code != NSH_OK && call->flight->acted && op->verb->effect != NSH_READS;
        op->driver_data = NULL;
        if (checks != NULL) {
            nsh_checks_complete(rest->services, op, checks);
        } else {
            rest->services->complete(rest->services, op, outcome);
        }
    }
    call_free(call);
    rest_leave(rest);
}

void nsh_rest_done_checks(struct nsh_rest_call *call, const struct nsh_checks *checks)
{
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .text = ""}, checks);
}

void nsh_rest_done(struct nsh_rest_call *call, const struct nsh_value *result)
{
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = result, .text = ""}, NULL);
}

void nsh_rest_fail(struct nsh_rest_call *call, int code, const char *format, ...)
{
    char text[NSH_ERROR_TEXT_MAX], line[NSH_ERROR_TEXT_MAX] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nsh_line_add(line, sizeof line, text, strlen(text));
    rest_redact(call->rest, line);
    call_end(call, &(struct nsh_outcome){.code = code, .text = line}, NULL);
}

void nsh_rest_fail_reply(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    call_end(call,
             &(struct nsh_outcome){
                 .code = reply->code == NSH_OK ? NSH_PROTOCOL : reply->code,
                 .text = reply->text,
                 .retry_after_ms = reply->code == NSH_BUSY ? reply->retry_after_ms : 0,
             },
             NULL);
}

void nsh_rest_fail_error(struct nsh_rest_call *call, const struct nsh_error *err)
{
    nsh_rest_fail(call, err->code == NSH_OK ? NSH_FAILED : err->code, "%s", err->text);
}

void nsh_rest_fail_nomem(struct nsh_rest_call *call)
{
    nsh_rest_fail(call, NSH_NOMEM, "out of memory");
}

void nsh_rest_cancel(struct nsh_device *device, struct nsh_op *op)
{
    (void)device;
    struct nsh_rest_call *call = op->driver_data;
    if (call != NULL) {
        call_end(call, &(struct nsh_outcome){.code = NSH_CANCELLED, .text = "cancelled"}, NULL);
    }
}

void nsh_rest_effect(struct nsh_rest_call *call, bool possible)
{
    call->flight->acted = possible;
}

/* ---- waiting ---------------------------------------------------------------------------- */

int64_t nsh_rest_left_ms(const struct nsh_rest_call *call)
{
    struct nsh_services *services = call->rest->services;
    return call->flight->deadline_ms - services->now_ms(services);
}

static void timer_fired(void *arg)
{
    struct nsh_rest_call *call = arg;
    struct nsh_rest *rest = call->rest;
    call->flight->timer = NULL;
    rest_enter(rest);
    call->flight->then(call);
    rest_leave(rest);
}

void nsh_rest_sleep(struct nsh_rest_call *call, uint32_t delay_ms,
                    void (*then)(struct nsh_rest_call *call))
{
    struct nsh_rest_flight *flight = call->flight;
    struct nsh_services *services = call->rest->services;
    flight->then = then;
    flight->reply = NULL;
    flight->timer = services->timer(services, delay_ms, timer_fired, call);
    if (flight->timer == NULL) {
        nsh_rest_fail_nomem(call);
    }
}

void nsh_rest_wake(struct nsh_rest_call *call)
{
    struct nsh_services *services = call->rest->services;
    if (call->flight->timer != NULL) {
        services->timer_cancel(services, call->flight->timer);
        nsh_rest_sleep(call, 0, call->flight->then);
    }
}

void nsh_rest_wait(struct nsh_rest_call *call, void (*then)(struct nsh_rest_call *call),
                   const char *format, ...)
{
    struct nsh_rest_flight *flight = call->flight;
    uint32_t poll_ms = call->rest->poll_ms, most_ms = poll_ms * NSH_REST_WAIT_GROWTH;
    bool anew = flight->waited_for != then;
    flight->waited_for = then;
    flight->wait_ms = anew ? poll_ms : flight->wait_ms + flight->wait_ms / 2;
    flight->wait_ms = flight->wait_ms > most_ms ? most_ms : flight->wait_ms;
    uint32_t delay_ms =
        flight->retry_after_ms > flight->wait_ms ? flight->retry_after_ms : flight->wait_ms;
    flight->retry_after_ms = 0;
    if (delay_ms >= nsh_rest_left_ms(call)) {
        char text[NSH_REST_TEXT_BYTES_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        nsh_rest_fail(call, NSH_TIMEOUT, "%s: after %u s: %s", call->rest->base,
                      call->op == NULL ? 0 : call->op->timeout_ms / 1000, text);
        return;
    }
    nsh_rest_sleep(call, delay_ms, then);
}
