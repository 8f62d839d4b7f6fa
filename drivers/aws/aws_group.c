/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Auto Scaling groups. Capacities are told as absolute numbers, so that telling one twice is the
 * same as once; what a group does is read back.
 */

#include "aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCESSES_MAX 10 /* There are nine. */

/* ---- the member ------------------------------------------------------------------------- */

static void membership_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    const struct nsh_value *result = nsh_get(document, "DescribeAutoScalingInstancesResult");
    if (result == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the group of %s is not told",
                      nsh_rest_base(rest->rest), call->instance);
        return;
    }
    const struct nsh_value *member = nsh_at_item(result, "AutoScalingInstances", 0);
    if (member != NULL && !aws_is(nsh_get_text(member, "InstanceId", ""), call->instance)) {
        member = NULL;
    }
    call->told(call, member);
}

void aws_membership(struct aws_call *call,
                    void (*told)(struct aws_call *call, const struct nsh_value *member))
{
    call->told = told;
    aws_ask(call, AWS_AUTOSCALING, "DescribeAutoScalingInstances",
            (const char *const[]){"InstanceIds.member.1", call->instance, NULL}, NSH_REST_READS,
            membership_answered);
}

/* ---- standby ---------------------------------------------------------------------------- */

static void standby_member(struct aws_call *call, const struct nsh_value *member);

static void standby_again(struct nsh_rest_call *rest)
{
    aws_membership(aws_call_of(rest), standby_member);
}

static void standby_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) != NULL) {
        call->acted = true;
        nsh_rest_wait(rest, standby_again, "instance %s is not %s", call->instance, call->wanted);
    }
}

static void standby_order(struct aws_call *call, const char *group)
{
    bool enter = aws_is(call->wanted, "Standby");
    const char *decrement = nsh_get_bool(call->rest.op->args, "replace", false) ? "false" : "true";
    aws_ask(call, AWS_AUTOSCALING, enter ? "EnterStandby" : "ExitStandby",
            (const char *const[]){"InstanceIds.member.1", call->instance, "AutoScalingGroupName",
                                  group, "ShouldDecrementDesiredCapacity", enter ? decrement : NULL,
                                  NULL},
            0, standby_answered);
}

static void standby_member(struct aws_call *call, const struct nsh_value *member)
{
    const char *state = nsh_get_text(member, "LifecycleState", NULL);
    const char *group = nsh_get_text(member, "AutoScalingGroupName", NULL);
    const char *from = aws_is(call->wanted, "Standby") ? "InService" : "Standby";
    if (state == NULL || group == NULL) {
        nsh_rest_fail(&call->rest, NSH_NOT_FOUND, "%s: instance %s is in no Auto Scaling group",
                      nsh_rest_base(call->rest.rest), call->instance);
    } else if (aws_is(state, call->wanted)) {
        const struct nsh_member members[] = {{"lifecycle", nsh_text(state)},
                                             {"group", nsh_text(group)},
                                             {"instance", nsh_text(call->instance)},
                                             {"changed", nsh_bool(call->acted)}};
        aws_done(call, members, sizeof members / sizeof members[0]);
    } else if (!call->acted && aws_is(state, from)) {
        standby_order(call, group);
    } else if (!call->acted && !aws_is(state, "EnteringStandby") && !aws_is(state, "Pending")) {
        nsh_rest_fail(&call->rest, NSH_CONFLICT, "%s: instance %s is %s in group %s, not %s",
                      nsh_rest_base(call->rest.rest), call->instance, state, group, from);
    } else {
        nsh_rest_wait(&call->rest, standby_again, "instance %s is %s, not %s", call->instance,
                      state, call->wanted);
    }
}

static void standby_begin(struct nsh_rest_call *rest, const char *wanted)
{
    struct aws_call *call = aws_call_of(rest);
    call->wanted = wanted;
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance")) {
        aws_membership(call, standby_member);
    }
}

void aws_drain(struct nsh_rest_call *call)
{
    standby_begin(call, "Standby");
}

void aws_undrain(struct nsh_rest_call *call)
{
    standby_begin(call, "InService");
}

/* ---- groups ----------------------------------------------------------------------------- */

static void group_read(struct aws_call *call,
                       void (*told)(struct aws_call *call, const struct nsh_value *group));

static void group_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    const struct nsh_value *result = nsh_get(document, "DescribeAutoScalingGroupsResult");
    const struct nsh_value *group = nsh_at_item(result, "AutoScalingGroups", 0);
    const char *wanted = aws_device(call)->group;
    if (result == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: no groups are told", nsh_rest_base(rest->rest));
    } else if (group == NULL || !aws_is(nsh_get_text(group, "AutoScalingGroupName", ""), wanted)) {
        nsh_rest_fail(rest, NSH_NOT_FOUND, "%s: there is no group %s", nsh_rest_base(rest->rest),
                      wanted);
    } else {
        call->told(call, group);
    }
}

static void group_read(struct aws_call *call,
                       void (*told)(struct aws_call *call, const struct nsh_value *group))
{
    const char *group = aws_device(call)->group;
    call->told = told;
    if (aws_needs(call, group, "group")) {
        aws_ask(call, AWS_AUTOSCALING, "DescribeAutoScalingGroups",
                (const char *const[]){"AutoScalingGroupNames.member.1", group, NULL},
                NSH_REST_READS, group_answered);
    }
}

/* A number of a group; -1: it is not told. */
static int64_t group_number(const struct nsh_value *group, const char *name)
{
    const char *text = nsh_get_text(group, name, "");
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    return text[0] == '\0' || *end != '\0' || number < 0 ? -1 : number;
}

static int64_t group_in(const struct nsh_value *group, const char *lifecycle)
{
    int64_t count = 0;
    size_t instances = nsh_at_count(group, "Instances");
    for (size_t i = 0; i < instances; i++) {
        const struct nsh_value *instance = nsh_at_item(group, "Instances", i);
        count += aws_is(nsh_get_text(instance, "LifecycleState", ""), lifecycle);
    }
    return count;
}

/* The suspended processes with ',' between; NULL: no memory. */
static const char *group_suspended(struct aws_call *call, const struct nsh_value *group)
{
    const char *all = "";
    size_t count = nsh_at_count(group, "SuspendedProcesses");
    for (size_t i = 0; all != NULL && i < count && i < PROCESSES_MAX; i++) {
        const struct nsh_value *process = nsh_at_item(group, "SuspendedProcesses", i);
        all = nsh_pool_printf(&call->rest.pool, "%s%s%s", all, i == 0 ? "" : ",",
                              nsh_get_text(process, "ProcessName", "?"));
    }
    return all;
}

static void group_done(struct aws_call *call, const struct nsh_value *group)
{
    const char *suspended = group_suspended(call, group);
    int64_t desired = group_number(group, "DesiredCapacity");
    if (suspended == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    if (desired < 0) {
        nsh_rest_fail(&call->rest, NSH_PROTOCOL, "%s: group %s tells no desired capacity",
                      nsh_rest_base(call->rest.rest), aws_device(call)->group);
        return;
    }
    const struct nsh_member members[] = {
        {"group", nsh_text(aws_device(call)->group)},
        {"desired", nsh_int(desired)},
        {"min", nsh_int(group_number(group, "MinSize"))},
        {"max", nsh_int(group_number(group, "MaxSize"))},
        {"in_service", nsh_int(group_in(group, "InService"))},
        {"standby", nsh_int(group_in(group, "Standby"))},
        {"suspended", nsh_text(suspended)},
        {"changed", nsh_bool(call->acted)},
    };
    size_t count = sizeof members / sizeof members[0];
    aws_done(call, members, call->rest.op->verb->effect == NSH_READS ? count - 1 : count);
}

void aws_group(struct nsh_rest_call *call)
{
    group_read(aws_call_of(call), group_done);
}

/* ---- capacity --------------------------------------------------------------------------- */

static void capacity_told(struct aws_call *call, const struct nsh_value *group);

static void capacity_again(struct nsh_rest_call *rest)
{
    group_read(aws_call_of(rest), capacity_told);
}

static void capacity_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) != NULL) {
        call->acted = true;
        group_read(call, capacity_told);
    }
}

static void capacity_order(struct aws_call *call)
{
    char desired[24];
    snprintf(desired, sizeof desired, "%lld", (long long)call->desired);
    aws_ask(call, AWS_AUTOSCALING, "SetDesiredCapacity",
            (const char *const[]){"AutoScalingGroupName", aws_device(call)->group,
                                  "DesiredCapacity", desired, "HonorCooldown", "false", NULL},
            0, capacity_answered);
}

/* A group that is asked beyond its limits would say so too, in words of its own. */
static bool capacity_fits(struct aws_call *call, const struct nsh_value *group)
{
    int64_t min = group_number(group, "MinSize"), max = group_number(group, "MaxSize");
    if (call->desired >= min && call->desired <= max) {
        return true;
    }
    nsh_rest_fail(&call->rest, NSH_LIMIT, "%s: group %s is for %lld to %lld instances, not %lld",
                  nsh_rest_base(call->rest.rest), aws_device(call)->group, (long long)min,
                  (long long)max, (long long)call->desired);
    return false;
}

static void capacity_told(struct aws_call *call, const struct nsh_value *group)
{
    int64_t desired = group_number(group, "DesiredCapacity");
    int64_t in_service = group_in(group, "InService");
    bool settled =
        !nsh_get_bool(call->rest.op->args, "settle", true) || (in_service >= call->desired);
    if (desired == call->desired && settled) {
        group_done(call, group);
    } else if (desired == call->desired) {
        nsh_rest_wait(&call->rest, capacity_again, "group %s has %lld of %lld in service",
                      aws_device(call)->group, (long long)in_service, (long long)desired);
    } else if (call->acted) {
        nsh_rest_wait(&call->rest, capacity_again,
                      "group %s wants %lld, not %lld: something else "
                      "sets it",
                      aws_device(call)->group, (long long)desired, (long long)call->desired);
    } else if (capacity_fits(call, group)) {
        capacity_order(call);
    }
}

void aws_capacity(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    call->desired = nsh_get_int(rest->op->args, "desired", 0);
    group_read(call, capacity_told);
}

static void grow_told(struct aws_call *call, const struct nsh_value *group)
{
    int64_t desired = group_number(group, "DesiredCapacity");
    if (desired < 0) {
        group_done(call, group); /* It says what is missing. */
        return;
    }
    call->desired = desired + nsh_get_int(call->rest.op->args, "count", 1);
    if (capacity_fits(call, group)) {
        capacity_order(call);
    }
}

void aws_grow(struct aws_call *call)
{
    group_read(call, grow_told);
}

/* ---- processes -------------------------------------------------------------------------- */

/* Whether all that is asked for is (or is not) suspended. */
static bool processes_are(struct aws_call *call, const struct nsh_value *group, bool suspended)
{
    const struct nsh_value *asked = nsh_get(call->rest.op->args, "processes");
    size_t there = nsh_at_count(group, "SuspendedProcesses");
    for (uint32_t i = 0; asked != NULL && asked->type == NSH_LIST && i < asked->count; i++) {
        bool found = false;
        for (size_t k = 0; k < there; k++) {
            const struct nsh_value *process = nsh_at_item(group, "SuspendedProcesses", k);
            found =
                found || (asked->items[i].type == NSH_STRING &&
                          aws_is(nsh_get_text(process, "ProcessName", ""), asked->items[i].text));
        }
        if (found != suspended) {
            return false;
        }
    }
    return true;
}

static void processes_told(struct aws_call *call, const struct nsh_value *group);

static void processes_again(struct nsh_rest_call *rest)
{
    group_read(aws_call_of(rest), processes_told);
}

static void processes_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) != NULL) {
        call->acted = true;
        group_read(call, processes_told);
    }
}

static void processes_order(struct aws_call *call)
{
    const struct nsh_value *asked = nsh_get(call->rest.op->args, "processes");
    const char *pairs[2 * PROCESSES_MAX + 4] = {"AutoScalingGroupName", aws_device(call)->group};
    size_t count = 2;
    uint32_t asked_count = asked == NULL || asked->type != NSH_LIST ? 0 : asked->count;
    for (uint32_t i = 0; i < asked_count; i++) {
        pairs[count] =
            nsh_pool_printf(&call->rest.pool, "ScalingProcesses.member.%u", (unsigned)i + 1);
        pairs[count + 1] = asked->items[i].type == NSH_STRING ? asked->items[i].text : "";
        if (pairs[count] == NULL || i == PROCESSES_MAX) {
            nsh_rest_fail(&call->rest, NSH_LIMIT, "processes: at most %d", PROCESSES_MAX);
            return;
        }
        count += 2;
    }
    if (asked_count == 0) {
        nsh_rest_fail(&call->rest, NSH_INVALID,
                      "processes: name at least one, such as ReplaceUnhealthy");
        return;
    }
    aws_ask(call, AWS_AUTOSCALING, call->stopped ? "SuspendProcesses" : "ResumeProcesses", pairs, 0,
            processes_answered);
}

static void processes_told(struct aws_call *call, const struct nsh_value *group)
{
    const struct nsh_value *asked = nsh_get(call->rest.op->args, "processes");
    bool some = asked != NULL && asked->type == NSH_LIST && asked->count > 0;
    if (some && processes_are(call, group, call->stopped)) {
        group_done(call, group);
    } else if (!call->acted) {
        processes_order(call);
    } else {
        nsh_rest_wait(&call->rest, processes_again, "group %s does not show it yet",
                      aws_device(call)->group);
    }
}

void aws_suspend(struct nsh_rest_call *rest)
{
    aws_call_of(rest)->stopped = true;
    group_read(aws_call_of(rest), processes_told);
}

void aws_resume(struct nsh_rest_call *rest)
{
    group_read(aws_call_of(rest), processes_told);
}

/* ---- what a group is told of an instance ------------------------------------------------ */

static void accepted(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) != NULL) {
        const struct nsh_member members[] = {{"instance", nsh_text(call->instance)},
                                             {"accepted", nsh_bool(true)}};
        aws_done(call, members, sizeof members / sizeof members[0]);
    }
}

void aws_replace(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance")) {
        aws_ask(call, AWS_AUTOSCALING, "SetInstanceHealth",
                (const char *const[]){"InstanceId", call->instance, "HealthStatus", "Unhealthy",
                                      "ShouldRespectGracePeriod", "false", NULL},
                0, accepted);
    }
}

static void hook(struct nsh_rest_call *rest, const char *action, const char *result)
{
    struct aws_call *call = aws_call_of(rest);
    const char *token = nsh_get_text(rest->op->args, "action_token", NULL);
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance") &&
        aws_needs(call, aws_device(call)->group, "group")) {
        aws_ask(call, AWS_AUTOSCALING, action,
                (const char *const[]){"AutoScalingGroupName", aws_device(call)->group,
                                      "LifecycleHookName", nsh_get_text(rest->op->args, "hook", ""),
                                      "InstanceId", call->instance, "LifecycleActionResult", result,
                                      "LifecycleActionToken", token, NULL},
                0, accepted);
    }
}

void aws_lifecycle(struct nsh_rest_call *rest)
{
    bool abandon = nsh_get_bool(rest->op->args, "abandon", false);
    hook(rest, "CompleteLifecycleAction", abandon ? "ABANDON" : "CONTINUE");
}

void aws_heartbeat(struct nsh_rest_call *rest)
{
    hook(rest, "RecordLifecycleActionHeartbeat", NULL);
}
