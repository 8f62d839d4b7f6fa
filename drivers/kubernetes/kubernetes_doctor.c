/* SPDX-License-Identifier: Apache-2.0 */
/* What the account may do, as the API server itself says, for each row of role.json. */

#include "kubernetes.h"

#include <stdio.h>
#include <string.h>

static const struct rule {
    const char *verb, *group, *resource, *subresource;
    bool metal; /* Only of a bare metal host. */
} rules[] = {
    {"get", "", "nodes", "", false},
    {"patch", "", "nodes", "", false},
    {"delete", "", "nodes", "", false},
    {"list", "", "pods", "", false},
    {"watch", "", "pods", "", false},
    {"delete", "", "pods", "", false},
    {"create", "", "pods", "eviction", false},
    {"get", "apps", "daemonsets", "", false},
    {"get", "coordination.k8s.io", "leases", "", false},
    {"get", "metal3.io", "baremetalhosts", "", true},
    {"patch", "metal3.io", "baremetalhosts", "", true},
};
#define RULES_COUNT (sizeof rules / sizeof rules[0])

static void rule_ask(struct kube_call *call);

static void doctor_done(struct kube_call *call)
{
    bool good = call->missing[0] == '\0';
    char text[256];

    snprintf(text, sizeof text, "%s%s",
             good ? "the account may do all of this driver's verbs" : "the account may not ",
             call->missing);
    struct nsh_member check[] = {
        {"check", nsh_text("permissions")},
        {"state", nsh_text(good ? "ok" : "failed")},
        {"text", nsh_text(text)},
        {"hint", nsh_text(good ? ""
                               : "kubectl apply -f drivers/kubernetes/role.json, or leave out "
                                 "the verbs that need it")},
    };
    struct nsh_value item = nsh_map(check, 4);
    struct nsh_member list = {"checks", nsh_list(&item, 1)};
    struct nsh_value result = nsh_map(&list, 1);
    nsh_rest_done(&call->rest, &result);
}

static void rule_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct rule *rule = &rules[call->rule];
    const struct nsh_value *allowed = nsh_at(reply->body, "status.allowed");

    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    if (allowed == NULL || allowed->type != NSH_BOOL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the access review says nothing",
                      nsh_rest_base(rest->rest));
        return;
    }
    if (!allowed->boolean) {
        size_t used = strlen(call->missing);
        snprintf(call->missing + used, sizeof call->missing - used, "%s%s %s%s%s",
                 used == 0 ? "" : ", ", rule->verb, rule->resource,
                 rule->subresource[0] == '\0' ? "" : "/", rule->subresource);
    }
    call->rule++;
    rule_ask(call);
}

static void rule_ask(struct kube_call *call)
{
    while (call->rule < RULES_COUNT && rules[call->rule].metal &&
           call->device->metal_name == NULL) {
        call->rule++;
    }
    if (call->rule == RULES_COUNT) {
        doctor_done(call);
        return;
    }
    const struct rule *rule = &rules[call->rule];
    struct nsh_member what[] = {
        {"verb", nsh_text(rule->verb)},
        {"group", nsh_text(rule->group)},
        {"resource", nsh_text(rule->resource)},
        {"subresource", nsh_text(rule->subresource)},
    };
    struct nsh_member spec = {"resourceAttributes", nsh_map(what, 4)};
    struct nsh_member members[] = {
        {"apiVersion", nsh_text("authorization.k8s.io/v1")},
        {"kind", nsh_text("SelfSubjectAccessReview")},
        {"spec", nsh_map(&spec, 1)},
    };
    struct nsh_value body = nsh_map(members, 3);
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){
                      .method = "POST",
                      .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                      .body = &body,
                      .flags = NSH_REST_READS,
                  },
                  rule_answered);
}

void doctor_begin(struct kube_call *call)
{
    rule_ask(call);
}
