/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances that come and go. A new one carries a token made of the call's: asked twice, EC2 makes
 * one. One that is protected against termination stays, unless force says otherwise.
 */

#include "aws.h"

#include <stdio.h>
#include <string.h>

/* ---- a new one -------------------------------------------------------------------------- */

static void new_read(struct aws_call *call)
{
    if (aws_is(call->state, "running")) {
        aws_done_instance(call, true);
    } else if (aws_is(call->state, "pending") || aws_is(call->state, "absent")) {
        aws_look_later(call, new_read);
    } else {
        nsh_rest_fail(&call->rest, NSH_FAILED, "%s: the new instance %s is %s: %s",
                      nsh_rest_base(call->rest.rest), call->instance, call->state,
                      nsh_at_text(call->about, "stateReason.message", "no reason told"));
    }
}

static void run_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    call->instance = nsh_at_text(nsh_at_item(document, "instancesSet", 0), "instanceId", NULL);
    if (call->instance == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: RunInstances told no instance",
                      nsh_rest_base(rest->rest));
        return;
    }
    call->absent_is_new = true;
    call->acted = true;
    aws_look(call, new_read);
}

static const char *arg(const struct aws_call *call, const char *name, const char *fallback)
{
    const char *text = nsh_get_text(call->rest.op->args, name, NULL);
    return text == NULL || text[0] == '\0' ? fallback : text;
}

/*
 * EC2 keeps it for a day or more, for the whole account, and answers it with the instance of then:
 * two installations that name hosts alike, or one whose store was made anew, count their actions
 * from the same number. So each call adds chance. Within a call it stays, whatever is sent again; a
 * call is never repeated by anybody.
 */
static void client_token(struct nsh_rest_call *rest, char token[AWS_TOKEN_BYTES_MAX + 1])
{
    const struct nsh_op *op = rest->op;
    uint64_t chance = 0;
    size_t bytes = strlen(op->token);
    int room = AWS_TOKEN_BYTES_MAX - 18 - (int)(bytes > 24 ? 24 : bytes);
    nsh_rest_random(rest->rest, &chance, sizeof chance);
    snprintf(token, AWS_TOKEN_BYTES_MAX + 1, "%.*s.%.24s.%016llx", room, op->host, op->token,
             (unsigned long long)chance);
}

static void run(struct aws_call *call)
{
    const struct nsh_device *device = aws_device(call);
    const char *template = arg(call, "launch_template", device->launch_template);
    const char *image = arg(call, "image", NULL);
    bool by_id = template != NULL && strncmp(template, "lt-", 3) == 0;
    const char *name = arg(call, "name", NULL);
    char token[AWS_TOKEN_BYTES_MAX + 1];
    if (template == NULL && image == NULL) {
        nsh_rest_fail(&call->rest, NSH_INVALID, "%s needs launch_template or image",
                      call->rest.op->verb->name);
        return;
    }
    client_token(&call->rest, token);
    aws_ask(call, AWS_EC2, "RunInstances",
            (const char *const[]){"MinCount",
                                  "1",
                                  "MaxCount",
                                  "1",
                                  "ClientToken",
                                  token,
                                  "LaunchTemplate.LaunchTemplateId",
                                  by_id ? template : NULL,
                                  "LaunchTemplate.LaunchTemplateName",
                                  by_id ? NULL : template,
                                  "LaunchTemplate.Version",
                                  template == NULL ? NULL : device->template_version,
                                  "ImageId",
                                  image,
                                  "InstanceType",
                                  arg(call, "type", NULL),
                                  "SubnetId",
                                  arg(call, "subnet", device->subnet),
                                  "InstanceMarketOptions.MarketType",
                                  nsh_get_bool(call->rest.op->args, "spot", false) ? "spot" : NULL,
                                  "TagSpecification.1.ResourceType",
                                  "instance",
                                  "TagSpecification.1.Tag.1.Key",
                                  "nightshift-op",
                                  "TagSpecification.1.Tag.1.Value",
                                  token,
                                  "TagSpecification.1.Tag.2.Key",
                                  name == NULL ? NULL : "Name",
                                  "TagSpecification.1.Tag.2.Value",
                                  name,
                                  NULL},
            0, run_answered);
}

void aws_provision(struct nsh_rest_call *rest)
{
    aws_call_of(rest)->aim = AIM_ON;
    run(aws_call_of(rest));
}

void aws_add(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    call->aim = AIM_ON;
    if (aws_device(call)->group != NULL) {
        aws_grow(call);
    } else {
        run(call);
    }
}

/* ---- one that goes ---------------------------------------------------------------------- */

static void gone_read(struct aws_call *call)
{
    if (aws_is(call->state, "terminated")) {
        aws_done_instance(call, true);
    } else {
        aws_look_later(call, gone_read);
    }
}

static void terminate_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) != NULL) {
        call->acted = true;
        aws_look_later(call, gone_read);
    }
}

static void terminate(struct aws_call *call)
{
    if (call->wanted == NULL) { /* In no group. */
        aws_ask(call, AWS_EC2, "TerminateInstances",
                (const char *const[]){"InstanceId.1", call->instance, NULL}, 0, terminate_answered);
        return;
    }
    aws_ask(call, AWS_AUTOSCALING, "TerminateInstanceInAutoScalingGroup",
            (const char *const[]){
                "InstanceId", call->instance, "ShouldDecrementDesiredCapacity",
                nsh_get_bool(call->rest.op->args, "replace", false) ? "false" : "true", NULL},
            0, terminate_answered);
}

static void unprotected(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (aws_answer(call, reply, NULL, NULL) != NULL) {
        terminate(call);
    }
}

/* A group terminates what is protected all the same: so it is looked at here. */
static void protection_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    const char *protected = nsh_at_text(document, "disableApiTermination.value", NULL);
    if (protected == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: whether %s is protected is not told",
                      nsh_rest_base(rest->rest), call->instance);
    } else if (!aws_is(protected, "true")) {
        terminate(call);
    } else if (!call->forced) {
        nsh_rest_fail(rest, NSH_REFUSED,
                      "%s: instance %s is protected against termination (force = true ends that)",
                      nsh_rest_base(rest->rest), call->instance);
    } else {
        aws_ask(call, AWS_EC2, "ModifyInstanceAttribute",
                (const char *const[]){"InstanceId", call->instance, "DisableApiTermination.Value",
                                      "false", NULL},
                0, unprotected);
    }
}

static void protection_look(struct aws_call *call)
{
    aws_ask(call, AWS_EC2, "DescribeInstanceAttribute",
            (const char *const[]){"InstanceId", call->instance, "Attribute",
                                  "disableApiTermination", NULL},
            NSH_REST_READS, protection_answered);
}

static void remove_member(struct aws_call *call, const struct nsh_value *member)
{
    const char *group = nsh_get_text(member, "AutoScalingGroupName", NULL);
    const char *wanted = aws_device(call)->group;
    call->wanted = group;
    if (group != NULL && wanted != NULL && !aws_is(group, wanted)) {
        nsh_rest_fail(&call->rest, NSH_MISMATCH, "%s: instance %s is in group %s, not in %s",
                      nsh_rest_base(call->rest.rest), call->instance, group, wanted);
    } else if (aws_is(nsh_get_text(member, "ProtectedFromScaleIn", "false"), "true") &&
               !call->forced) {
        nsh_rest_fail(&call->rest, NSH_REFUSED,
                      "%s: instance %s is protected from scale in (force = true ends it all the "
                      "same)",
                      nsh_rest_base(call->rest.rest), call->instance);
    } else {
        protection_look(call);
    }
}

static void remove_read(struct aws_call *call)
{
    if (aws_is(call->state, "terminated")) {
        aws_done_instance(call, false);
    } else if (aws_is(call->state, "shutting-down")) {
        aws_look_later(call, gone_read);
    } else {
        aws_membership(call, remove_member);
    }
}

void aws_remove(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    call->aim = AIM_OFF;
    call->forced = nsh_get_bool(rest->op->args, "force", false);
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance")) {
        aws_look(call, remove_read);
    }
}
