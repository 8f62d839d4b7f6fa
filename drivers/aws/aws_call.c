/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer; instances looked up. */

#include "aws.h"

#include <string.h>

#define PAIRS_MAX 40

void aws_ask(struct aws_call *call, enum aws_service service, const char *action,
             const char *const *pairs, uint32_t flags,
             void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply))
{
    static const char *const versions[AWS_SERVICES_COUNT] = {
        [AWS_EC2] = "2016-11-15", [AWS_AUTOSCALING] = "2011-01-01", [AWS_STS] = "2011-06-15"};
    const char *all[2 * PAIRS_MAX + 5] = {"Action", action, "Version", versions[service]};
    size_t count = 4;
    for (size_t i = 0; pairs != NULL && pairs[i] != NULL && count < 2 * PAIRS_MAX; i += 2) {
        all[count++] = pairs[i];
        all[count++] = pairs[i + 1];
    }
    all[count] = NULL;
    char *body = nsh_query(&call->rest.pool, all);
    if (body == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){
                      .method = "POST",
                      .path = aws_device(call)->urls[service],
                      .text = body,
                      .content_type = "application/x-www-form-urlencoded; charset=utf-8",
                      .headers = (const char *const[]){"Accept: */*", NULL},
                      .flags = flags | NSH_REST_NO_JSON,
                  },
                  done);
}

const struct nsh_value *aws_answer(struct aws_call *call, const struct nsh_rest_reply *reply,
                                   const char *expected, bool *ret_expected)
{
    struct nsh_value *document = nsh_pool_alloc(&call->rest.pool, sizeof *document);
    struct nsh_error err = {0};
    if (document == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return NULL;
    }
    int read = reply->http == NULL ? -NSH_PROTOCOL
                                   : aws_xml_read(&call->rest.pool, reply->http->body,
                                                  reply->http->body_bytes, document, &err);
    if (reply->code == NSH_OK && read == 0 && aws_error_code(document) == NULL) {
        return document;
    }
    if (reply->code == NSH_OK) {
        nsh_rest_fail(&call->rest, read < 0 ? -read : NSH_PROTOCOL, "%s: %s",
                      nsh_rest_base(call->rest.rest),
                      read < 0 ? err.text : "an error document with status 200");
        return NULL;
    }
    const char *error = read == 0 ? aws_error_code(document) : NULL;
    if (aws_error_known(error)) {
        nsh_rest_effect(&call->rest, call->acted); /* Capacity is refused with a 500. */
    }
    if (error != NULL && expected != NULL && aws_is(error, expected)) {
        *ret_expected = true;
        return NULL;
    }
    enum aws_cure cure = aws_error_cure(error);
    if ((cure == AWS_CURE_CLOCK && nsh_rest_again(&call->rest)) ||
        (cure == AWS_CURE_LOGIN && nsh_rest_renew(&call->rest))) {
        return NULL;
    }
    struct nsh_rest_reply told = *reply;
    told.code = aws_error_means(error, reply->code);
    nsh_rest_fail_reply(&call->rest, &told);
    return NULL;
}

/* ---- instances -------------------------------------------------------------------------- */

/* The instance of that id, in whatever reservation it came. */
static const struct nsh_value *instance_find(const struct nsh_value *document, const char *id)
{
    size_t reservations = nsh_at_count(document, "reservationSet");
    for (size_t i = 0; i < reservations; i++) {
        const struct nsh_value *reservation = nsh_at_item(document, "reservationSet", i);
        size_t instances = nsh_at_count(reservation, "instancesSet");
        for (size_t k = 0; k < instances; k++) {
            const struct nsh_value *instance = nsh_at_item(reservation, "instancesSet", k);
            if (aws_is(nsh_get_text(instance, "instanceId", ""), id)) {
                return instance;
            }
        }
    }
    return NULL;
}

static void look_again(struct nsh_rest_call *call)
{
    aws_look(aws_call_of(call), aws_call_of(call)->looked);
}

static void look_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    bool absent = false;
    const struct nsh_value *document =
        aws_answer(call, reply, call->absent_is_new ? "InvalidInstanceID.NotFound" : NULL, &absent);
    if (document == NULL && !absent) {
        return;
    }
    const struct nsh_value *instance = absent ? NULL : instance_find(document, call->instance);
    if (instance == NULL && call->absent_is_new) {
        call->state = "absent"; /* It was made just now, and not every server knows it. */
        call->looked(call);
        return;
    }
    if (instance == NULL) {
        nsh_rest_fail(rest, NSH_NOT_FOUND, "%s: there is no instance %s", nsh_rest_base(rest->rest),
                      call->instance);
        return;
    }
    call->about = nsh_pool_alloc(&rest->pool, sizeof *call->about);
    if (call->about == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    *call->about = *instance;
    call->absent_is_new = false;
    call->state = nsh_at_text(instance, "instanceState.name", "");
    if (aws_is(aws_power_word(call->state), "unknown")) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: instance %s tells state '%.32s'",
                      nsh_rest_base(rest->rest), call->instance, call->state);
        return;
    }
    call->looked(call);
}

void aws_look(struct aws_call *call, void (*looked)(struct aws_call *call))
{
    call->looked = looked;
    aws_ask(call, AWS_EC2, "DescribeInstances",
            (const char *const[]){"InstanceId.1", call->instance, NULL}, NSH_REST_READS,
            look_answered);
}

void aws_look_later(struct aws_call *call, void (*looked)(struct aws_call *call))
{
    call->looked = looked;
    nsh_rest_wait(&call->rest, look_again, "instance %s is %s", call->instance,
                  call->state == NULL ? "not read" : call->state);
}

/* ---- ends ------------------------------------------------------------------------------- */

void aws_done(struct aws_call *call, const struct nsh_member *members, size_t count)
{
    struct nsh_value result = nsh_map(members, count);
    nsh_rest_done(&call->rest, &result);
}

void aws_done_instance(struct aws_call *call, bool changed)
{
    const struct nsh_value *about = call->about;
    const struct nsh_member members[] = {
        {"power", nsh_text(aws_power_word(call->state))},
        {"state", nsh_text(call->state)},
        {"instance", nsh_text(call->instance)},
        {"changed", nsh_bool(changed)},
        {"type", nsh_text(nsh_at_text(about, "instanceType", ""))},
        {"zone", nsh_text(nsh_at_text(about, "placement.availabilityZone", ""))},
        {"address", nsh_text(nsh_at_text(about, "privateIpAddress", ""))},
        {"launched", nsh_text(nsh_at_text(about, "launchTime", ""))},
    };
    /* A reading has nothing to do with `changed`. */
    struct nsh_member read[] = {members[0], members[1], members[2], members[4],
                                members[5], members[6], members[7]};
    if (call->aim == AIM_STATUS) {
        aws_done(call, read, sizeof read / sizeof read[0]);
    } else {
        aws_done(call, members, sizeof members / sizeof members[0]);
    }
}

bool aws_needs(struct aws_call *call, const char *setting, const char *name)
{
    if (setting != NULL) {
        return true;
    }
    nsh_rest_fail(&call->rest, NSH_INVALID, "%s needs the setting %s", call->rest.op->verb->name,
                  name);
    return false;
}
