/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power verbs: read the state, order once, read until it is so. A stop and a start move an instance
 * to other hardware, which heals what is wrong with the hardware below it; a reboot does not.
 */

#include "aws.h"

static void power_step(struct aws_call *call);

static void order_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) == NULL) {
        return;
    }
    call->acted = true;
    if (call->aim == AIM_SOFT) {
        aws_done_instance(call, true); /* A reboot shows in no state. */
        return;
    }
    aws_look_later(call, power_step);
}

static void order(struct aws_call *call, const char *action, bool force)
{
    call->ordered = call->state;
    aws_ask(
        call, AWS_EC2, action,
        (const char *const[]){"InstanceId.1", call->instance, "Force", force ? "true" : NULL, NULL},
        0, order_answered);
}

static void wrong_state(struct aws_call *call)
{
    nsh_rest_fail(&call->rest, NSH_CONFLICT, "%s: instance %s is %s: it cannot %s",
                  nsh_rest_base(call->rest.rest), call->instance, call->state,
                  call->aim == AIM_SOFT ? "reboot" : "be switched");
}

/* What the state asks for next, until it is the one wanted. */
static void power_step(struct aws_call *call)
{
    bool running = aws_is(call->state, "running"), stopped = aws_is(call->state, "stopped");
    bool moving = aws_is(call->state, "pending") || aws_is(call->state, "stopping");
    bool restart = call->aim == AIM_CYCLE || call->aim == AIM_HARD;
    call->stopped = call->stopped || stopped;
    if (!running && !stopped && !moving) {
        wrong_state(call);
    } else if (call->ordered != NULL && aws_is(call->ordered, call->state)) {
        aws_look_later(call, power_step); /* Not every server knows of the order yet. */
    } else if (call->aim == AIM_SOFT && !running) {
        wrong_state(call);
    } else if (call->aim == AIM_SOFT) {
        order(call, "RebootInstances", false);
    } else if (call->aim == AIM_HARD && aws_is(call->state, "stopping") && !call->forced) {
        call->forced = true; /* An instance that hangs in stopping is what Force is for. */
        order(call, "StopInstances", true);
    } else if (moving) {
        aws_look_later(call, power_step);
    } else if (stopped && call->aim != AIM_OFF) {
        order(call, "StartInstances", false);
    } else if (running && (call->aim == AIM_OFF || (restart && !call->stopped))) {
        call->forced = call->aim == AIM_HARD || nsh_get_bool(call->rest.op->args, "force", false);
        order(call, "StopInstances", call->forced);
    } else {
        aws_done_instance(call, call->acted);
    }
}

static void status_read(struct aws_call *call)
{
    aws_done_instance(call, false);
}

static void power_begin(struct nsh_rest_call *rest, enum aws_aim aim)
{
    struct aws_call *call = aws_call_of(rest);
    call->aim = aim;
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance")) {
        aws_look(call, aim == AIM_STATUS ? status_read : power_step);
    }
}

void aws_power_status(struct nsh_rest_call *call)
{
    power_begin(call, AIM_STATUS);
}

void aws_power_on(struct nsh_rest_call *call)
{
    power_begin(call, AIM_ON);
}

void aws_power_off(struct nsh_rest_call *call)
{
    power_begin(call, AIM_OFF);
}

void aws_power_cycle(struct nsh_rest_call *call)
{
    power_begin(call, AIM_CYCLE);
}

void aws_reset_hard(struct nsh_rest_call *call)
{
    power_begin(call, AIM_HARD);
}

void aws_reset_soft(struct nsh_rest_call *call)
{
    power_begin(call, AIM_SOFT);
}
