/* SPDX-License-Identifier: Apache-2.0 */
/* What only reads: health as EC2 sees it, an interruption that is announced, and the doctor. */

#include "aws.h"

#include <string.h>

/* ---- health ----------------------------------------------------------------------------- */

static void status_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    const struct nsh_value *status = nsh_at_item(document, "instanceStatusSet", 0);
    const struct nsh_value *event = nsh_at_item(status, "eventsSet", 0);
    if (status == NULL || !aws_is(nsh_get_text(status, "instanceId", ""), call->instance)) {
        nsh_rest_fail(rest, NSH_NOT_FOUND, "%s: there is no instance %s", nsh_rest_base(rest->rest),
                      call->instance);
        return;
    }
    const char *state = nsh_at_text(status, "instanceState.name", "");
    const struct nsh_member members[] = {
        {"power", nsh_text(aws_power_word(state))},
        {"state", nsh_text(state)},
        {"system", nsh_text(nsh_at_text(status, "systemStatus.status", "unknown"))},
        {"instance_status", nsh_text(nsh_at_text(status, "instanceStatus.status", "unknown"))},
        {"event", nsh_text(nsh_get_text(event, "code", ""))},
        {"event_not_before", nsh_text(nsh_get_text(event, "notBefore", ""))},
        {"event_text", nsh_text(nsh_get_text(event, "description", ""))},
    };
    aws_done(call, members, sizeof members / sizeof members[0]);
}

void aws_status(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance")) {
        aws_ask(call, AWS_EC2, "DescribeInstanceStatus",
                (const char *const[]){"InstanceId.1", call->instance, "IncludeAllInstances", "true",
                                      NULL},
                NSH_REST_READS, status_answered);
    }
}

/* ---- interruption ----------------------------------------------------------------------- */

/* "marked-for-termination" and its like: two minutes before. */
static const char *interruption_of(const char *code)
{
    return strncmp(code, "marked-for-stop", 15) == 0          ? "stop"
           : strncmp(code, "marked-for-termination", 22) == 0 ? "terminate"
           : strncmp(code, "instance-stopped-", 17) == 0      ? "stopped"
           : strncmp(code, "instance-terminated-", 20) == 0   ? "terminated"
                                                              : "none";
}

static void spot_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    if (nsh_get(document, "spotInstanceRequestSet") == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: no spot requests are told",
                      nsh_rest_base(rest->rest));
        return;
    }
    const struct nsh_value *request = nsh_at_item(document, "spotInstanceRequestSet", 0);
    const char *code = nsh_at_text(request, "status.code", "");
    const struct nsh_member members[] = {
        {"spot", nsh_bool(request != NULL)},
        {"interruption", nsh_text(interruption_of(code))},
        {"status", nsh_text(code)},
        {"at", nsh_text(nsh_at_text(request, "status.updateTime", ""))},
        {"text", nsh_text(nsh_at_text(request, "status.message", ""))},
        {"rebalance", nsh_text("")},
    };
    aws_done(call, members, sizeof members / sizeof members[0]);
}

static void metadata_read(struct aws_call *call, const char *method, const char *path,
                          void (*done)(struct nsh_rest_call *, const struct nsh_rest_reply *))
{
    const char *url = nsh_pool_printf(&call->rest.pool, "%s%s", aws_device(call)->imds, path);
    const char *header =
        call->wanted == NULL
            ? "X-aws-ec2-metadata-token-ttl-seconds: 60"
            : nsh_pool_printf(&call->rest.pool, "X-aws-ec2-metadata-token: %s", call->wanted);
    if (url == NULL || header == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.method = method,
                                             .path = url,
                                             .headers = (const char *const[]){header, NULL},
                                             .timeout_ms = 2000,
                                             .flags = NSH_REST_PLAIN | NSH_REST_READS},
                  done);
}

static void rebalance_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (reply->code != NSH_OK && reply->status != 404) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    const struct nsh_member members[] = {
        {"spot", nsh_bool(true)},
        {"interruption", nsh_text(call->state)},
        {"status", nsh_text("")},
        {"at", nsh_text(call->instance)},
        {"text", nsh_text("")},
        {"rebalance", nsh_text(nsh_at_text(reply->body, "noticeTime", ""))},
    };
    aws_done(call, members, sizeof members / sizeof members[0]);
}

/* 404: nothing is announced. */
static void action_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (reply->code != NSH_OK && reply->status != 404) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    const char *action = reply->code == NSH_OK ? nsh_at_text(reply->body, "action", NULL) : "none";
    call->state = nsh_pool_text(&rest->pool, action);
    call->instance = nsh_pool_text(&rest->pool, nsh_at_text(reply->body, "time", ""));
    if (action == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "the metadata's spot action makes no sense");
    } else if (call->state == NULL || call->instance == NULL) {
        nsh_rest_fail_nomem(rest);
    } else {
        metadata_read(call, "GET", "/latest/meta-data/events/recommendations/rebalance",
                      rebalance_answered);
    }
}

static void token_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    size_t count = strcspn(reply->http->body, " \r\n\t");
    call->wanted = nsh_pool_copy(&rest->pool, reply->http->body, count);
    if (call->wanted == NULL || count == 0 || count > 256) {
        nsh_rest_fail(rest, call->wanted == NULL ? NSH_NOMEM : NSH_PROTOCOL,
                      "the metadata service gave no token");
        return;
    }
    metadata_read(call, "GET", "/latest/meta-data/spot/instance-action", action_answered);
}

void aws_interruption(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    if (nsh_get_bool(rest->op->args, "own", false)) {
        metadata_read(call, "PUT", "/latest/api/token", token_answered);
        return;
    }
    call->instance = aws_device(call)->instance;
    if (aws_needs(call, call->instance, "instance")) {
        aws_ask(call, AWS_EC2, "DescribeSpotInstanceRequests",
                (const char *const[]){"Filter.1.Name", "instance-id", "Filter.1.Value.1",
                                      call->instance, NULL},
                NSH_REST_READS, spot_answered);
    }
}

/* ---- doctor ----------------------------------------------------------------------------- */

/* EC2 tells, without doing it, whether it would be permitted. */
static const struct {
    const char *action, *permission, *verbs;
} dry_runs[] = {
    {"RebootInstances", "ec2:RebootInstances", "reset.soft"},
    {"StopInstances", "ec2:StopInstances", "power.off, power.cycle, reset.hard"},
    {"StartInstances", "ec2:StartInstances", "power.on, power.cycle, reset.hard"},
    {"TerminateInstances", "ec2:TerminateInstances", "remove, release"},
};
#define DRY_RUNS_COUNT (sizeof dry_runs / sizeof dry_runs[0])

static void doctor_next(struct aws_call *call);

static void doctor_end(struct aws_call *call)
{
    struct nsh_checks *checks = call->checks;
    struct nsh_value items[NSH_CHECKS_COUNT_MAX];
    struct nsh_member members[NSH_CHECKS_COUNT_MAX][4];
    for (size_t i = 0; i < checks->count; i++) {
        members[i][0] = (struct nsh_member){"check", nsh_text(checks->items[i].name)};
        members[i][1] =
            (struct nsh_member){"state", nsh_text(nsh_check_word(checks->items[i].state))};
        members[i][2] = (struct nsh_member){"text", nsh_text(checks->items[i].text)};
        members[i][3] = (struct nsh_member){"hint", nsh_text(checks->items[i].hint)};
        items[i] = nsh_map(members[i], 4);
    }
    const struct nsh_member result[] = {{"checks", nsh_list(items, checks->count)}};
    aws_done(call, result, 1);
}

static void dry_run_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    struct nsh_value document = nsh_null();
    size_t at = call->step++;
    if (reply->http == NULL) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    bool readable =
        aws_xml_read(&rest->pool, reply->http->body, reply->http->body_bytes, &document, NULL) == 0;
    const char *error = readable ? aws_error_code(&document) : NULL;
    error = error == NULL ? "" : error;
    if (aws_is(error, "DryRunOperation")) {
        nsh_check_add(call->checks, dry_runs[at].permission, NSH_CHECK_OK, NULL, "permitted on %s",
                      call->instance);
    } else if (aws_is(error, "UnauthorizedOperation")) {
        nsh_check_add(call->checks, dry_runs[at].permission, NSH_CHECK_FAILED,
                      "allow it in the role's policy, for instances with your tag only",
                      "not permitted on %s: %s cannot work", call->instance, dry_runs[at].verbs);
    } else {
        nsh_check_add(call->checks, dry_runs[at].permission, NSH_CHECK_SKIPPED, NULL,
                      "EC2 did not say: %.120s", reply->text);
    }
    doctor_next(call);
}

static void doctor_next(struct aws_call *call)
{
    if (call->step == DRY_RUNS_COUNT || call->instance == NULL) {
        doctor_end(call);
        return;
    }
    aws_ask(call, AWS_EC2, dry_runs[call->step].action,
            (const char *const[]){"InstanceId.1", call->instance, "DryRun", "true", NULL},
            NSH_REST_READS, dry_run_answered);
}

static void clock_check(struct aws_call *call, const struct nsh_rest_reply *reply)
{
    int64_t own_ms = aws_device(call)->services->unix_ms(aws_device(call)->services);
    int64_t skew_s = reply->date_ms == 0 ? 0 : (own_ms - reply->date_ms) / 1000;
    if (skew_s > 60 || skew_s < -60) {
        nsh_check_add(call->checks, "clock", NSH_CHECK_WARNING,
                      "run an NTP client; signatures are made by AWS's clock meanwhile",
                      "this machine's clock is %lld s off AWS's", (long long)skew_s);
    } else {
        nsh_check_add(call->checks, "clock", NSH_CHECK_OK, NULL, "agrees with AWS's");
    }
}

static void identity_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct aws_call *call = aws_call_of(rest);
    const struct nsh_value *settings = nsh_rest_settings(rest->rest);
    const struct nsh_value *document = aws_answer(call, reply, NULL, NULL);
    if (document == NULL) {
        return;
    }
    const char *arn = nsh_at_text(document, "GetCallerIdentityResult.Arn", NULL);
    if (arn == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: no identity is told", nsh_rest_base(rest->rest));
        return;
    }
    nsh_check_add(call->checks, "identity", NSH_CHECK_OK, NULL, "%.160s", arn);
    if (strstr(arn, ":root") != NULL) {
        nsh_check_add(call->checks, "root-account", NSH_CHECK_FAILED,
                      "make a role with the permissions of drivers/aws/README.md",
                      "these are the keys of the whole account");
    }
    const char *key = nsh_get_text(settings, "access_key", "");
    if (key[0] != '\0' && nsh_get_text(settings, "role_arn", "")[0] == '\0') {
        nsh_check_add(call->checks, "long-lived-key", NSH_CHECK_WARNING,
                      "use the machine's role, or role_arn with a key that may only assume it",
                      "a key that never expires is used directly");
    }
    clock_check(call, reply);
    doctor_next(call);
}

void aws_doctor(struct nsh_rest_call *rest)
{
    struct aws_call *call = aws_call_of(rest);
    call->checks = nsh_pool_alloc(&rest->pool, sizeof *call->checks);
    call->instance = aws_device(call)->instance;
    if (call->checks == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    aws_ask(call, AWS_STS, "GetCallerIdentity", NULL, NSH_REST_READS, identity_answered);
}
