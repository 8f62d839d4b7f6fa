/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drain, as `kubectl drain` decides it: look first, refuse while nothing has changed; cordon; look
 * again; evict one after the other; wait until the pods are gone. A disruption budget's 429 is no
 * failure: that pod is asked again later, the others go on.
 *
 * Evacuate is for a node that is dead and proven off: its pods are released so that others can be
 * made elsewhere, by the out-of-service taint where the server knows it, else by deleting them.
 */

#include "kubernetes.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_MS 5000 /* After a 429 without a Retry-After. */
#define NAMED_MAX 3   /* Pods that a text names. */
#define LAST_MS 1500  /* The end comes so long before the caller would cancel. */
#define OUT_OF_SERVICE_MINOR 26

static void pods_name(const struct kube_call *call,
                      bool (*named)(const struct kube_call *call, const struct kube_pod *pod),
                      char *room, size_t room_bytes)
{
    size_t count = 0, used = 0;

    room[0] = '\0';
    for (const struct kube_pod *pod = call->pods; pod != NULL; pod = pod->next) {
        if (!named(call, pod)) {
            continue;
        }
        if (count++ < NAMED_MAX && used < room_bytes) {
            const char *why = pod->class == KUBE_POD_LOCAL       ? " (local data)"
                              : pod->class == KUBE_POD_UNMANAGED ? " (nothing makes another)"
                                                                 : "";
            int added = snprintf(room + used, room_bytes - used, "%s%s/%s%s",
                                 count == 1 ? "" : ", ", pod->space, pod->name, why);
            used += added > 0 ? (size_t)added : 0;
        }
    }
    if (count > NAMED_MAX && used < room_bytes) {
        snprintf(room + used, room_bytes - used, ", and %zu more", count - NAMED_MAX);
    }
}

static bool is_left(const struct kube_call *call, const struct kube_pod *pod)
{
    (void)call;
    return pod_must_leave(pod);
}

/* A pod that would be lost, and nobody allowed it. One that is leaving is lost already. */
static bool is_lost(const struct kube_call *call, const struct kube_pod *pod)
{
    return !call->evacuates && !pod->leaving && !pod->evicted &&
           ((pod->class == KUBE_POD_LOCAL && !call->local_data) ||
            (pod->class == KUBE_POD_UNMANAGED && !call->force));
}

/* True: the call has ended. */
static bool drain_refused(struct kube_call *call)
{
    char names[512];

    for (const struct kube_pod *pod = call->pods; pod != NULL; pod = pod->next) {
        if (!is_lost(call, pod)) {
            continue;
        }
        pods_name(call, is_lost, names, sizeof names);
        nsh_rest_fail(&call->rest, NSH_REFUSED,
                      "node %s%s: these pods would be lost: %s; drain with local_data = true, or "
                      "force = true",
                      call->name, call->cordoned ? " (cordoned)" : "", names);
        return true;
    }
    return false;
}

static void drain_done(struct kube_call *call)
{
    size_t stayed = 0;

    for (const struct kube_pod *pod = call->pods; pod != NULL; pod = pod->next) {
        stayed++;
    }
    struct nsh_member members[] = {
        {"drained", nsh_text("yes")},
        {"schedulable", nsh_text("no")},
        {"evicted", nsh_int(call->evicted_count)},
        {"stayed", nsh_int((int64_t)stayed)},
    };
    struct nsh_value result = nsh_map(members, 4);
    nsh_rest_done(&call->rest, &result);
}

void drain_late(struct kube_call *call)
{
    char names[512];

    pods_name(call, is_left, names, sizeof names);
    nsh_rest_fail(&call->rest, NSH_TIMEOUT, "node %s: after %u s %zu pods are left: %s%s%s",
                  call->name, call->op->timeout_ms / 1000, pods_left(call), names,
                  call->words[0] == '\0' ? "" : "; ", call->words);
}

/* ---- evictions -------------------------------------------------------------------------- */

static int64_t now_ms(const struct kube_call *call)
{
    return call->device->services->now_ms(call->device->services);
}

static void evict_later(struct kube_call *call, const struct nsh_rest_reply *reply)
{
    const char *budget = kube_budget_words(reply->body);
    uint32_t wait_ms = reply->retry_after_ms > 0 ? reply->retry_after_ms : AGAIN_MS;

    call->pod->due_ms = now_ms(call) + wait_ms;
    snprintf(call->words, sizeof call->words, "%s/%s: %s", call->pod->space, call->pod->name,
             budget != NULL ? budget : reply->words);
    call->device->services->trace(call->device->services, call->op, "%s; asked again in %u s",
                                  call->words, wait_ms / 1000);
    drain_go(call);
}

static void evict_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    bool replaced = reply->status == 409;
    bool ends_anyway = reply->status == 403 && kube_cause(reply->body, "NamespaceTerminating");

    if (reply->status == 429) {
        evict_later(call, reply);
    } else if (reply->code == NSH_OK || ends_anyway) {
        call->pod->evicted = true;
        call->evicted_count++;
        drain_go(call);
    } else if (reply->status == 404 || replaced) {
        pods_remove(call,
                    call->pod->uid); /* Gone; or another of its name, which the watch shows. */
        drain_go(call);
    } else {
        nsh_rest_fail_reply(rest, reply);
    }
}

static void evict(struct kube_call *call)
{
    struct nsh_pool *pool = &call->rest.pool;
    const struct kube_session *session = nsh_rest_session(call->rest.rest);
    const struct kube_pod *pod = call->pod;
    const char *path = nsh_pool_printf(pool, "/api/v1/namespaces/%s/pods/%s%s", pod->space,
                                       pod->name, call->evacuates ? "" : "/eviction");
    const char *body = call->evacuates
                           ? kube_delete_options(pool, pod->uid, 0)
                           : kube_eviction(pool, pod, session->policy_v1, call->grace_s);

    if (path == NULL || body == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){
                      .method = call->evacuates ? "DELETE" : "POST", .path = path, .text = body},
                  evict_answered);
}

/* Evict who is due; when nobody is, wait for those who go and for those who may be asked again. */
void drain_go(struct kube_call *call)
{
    int64_t due_ms = INT64_MAX;

    if (drain_refused(call)) {
        return;
    }
    if (pods_left(call) == 0) {
        drain_done(call);
        return;
    }
    if (nsh_rest_left_ms(&call->rest) <= LAST_MS) {
        drain_late(call);
        return;
    }
    for (struct kube_pod *pod = call->pods; pod != NULL; pod = pod->next) {
        bool waits = pod->evicted || (pod->leaving && !call->evacuates) || call->waits_only;
        if (!pod_must_leave(pod) || waits) {
            continue;
        }
        if (pod->due_ms <= now_ms(call)) {
            call->pod = pod;
            evict(call);
            return;
        }
        due_ms = pod->due_ms < due_ms ? pod->due_ms : due_ms;
    }
    drain_wait(call, due_ms);
}

/* ---- drain ------------------------------------------------------------------------------ */

static void policy_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    struct kube_session *session = nsh_rest_session(rest->rest);
    size_t count = nsh_at_count(reply->body, "versions");
    bool v1 = false, any = false;

    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *version = nsh_at_text(nsh_at_item(reply->body, "versions", i), "version", "");
        v1 = v1 || strcmp(version, "v1") == 0;
        any = any || strcmp(version, "v1beta1") == 0;
    }
    if (!v1 && !any) {
        nsh_rest_fail(rest, NSH_UNSUPPORTED, "%s: the server knows no evictions (policy/v1)",
                      nsh_rest_base(rest->rest));
        return;
    }
    session->policy_known = true;
    session->policy_v1 = v1;
    drain_go(call);
}

/* The version of the policy API that the server speaks: asked once for each connection. */
static void drain_policy(struct kube_call *call)
{
    const struct kube_session *session = nsh_rest_session(call->rest.rest);

    if (session->policy_known) {
        drain_go(call);
    } else {
        nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = "/apis/policy"}, policy_came);
    }
}

void drain_list(struct kube_call *call)
{
    pods_read(call, drain_go);
}

static void drain_cordoned(struct kube_call *call)
{
    if (!call->node.unschedulable) {
        nsh_rest_fail(&call->rest, NSH_UNVERIFIED,
                      "%s: node %s still takes work after the cordon was accepted",
                      nsh_rest_base(call->rest.rest), call->name);
        return;
    }
    call->cordoned = true;
    pods_read(call, drain_policy); /* Some may have come before the cordon. */
}

static void drain_looked(struct kube_call *call)
{
    if (drain_refused(call)) {
        return;
    }
    if (call->cordoned) {
        drain_policy(call);
        return;
    }
    node_patch(call,
               nsh_pool_printf(&call->rest.pool,
                               "{\"metadata\":{\"uid\":\"%s\"},\"spec\":{\"unschedulable\":true}}",
                               call->node.uid),
               drain_cordoned);
}

static void drain_node(struct kube_call *call)
{
    if (call->absent) {
        nsh_rest_fail(&call->rest, NSH_NOT_FOUND, "%s: there is no node %s",
                      nsh_rest_base(call->rest.rest), call->name);
        return;
    }
    call->cordoned = call->node.unschedulable;
    pods_read(call, drain_looked);
}

void drain_begin(struct kube_call *call)
{
    int64_t grace_ms = nsh_get_int(call->op->args, "grace", -1);

    call->force = nsh_get_bool(call->op->args, "force", false);
    call->local_data = nsh_get_bool(call->op->args, "local_data", false);
    call->grace_s = grace_ms <= 0 ? -1 : (grace_ms + 999) / 1000;
    node_read(call, drain_node);
}

/* ---- evacuate --------------------------------------------------------------------------- */

static void version_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct kube_taint taint = {KUBE_OUT_OF_SERVICE, "nodeshutdown", "NoExecute"};

    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    call->waits_only = kube_minor(reply->body) >= OUT_OF_SERVICE_MINOR;
    if (!call->waits_only || call->node.out_of_service) {
        drain_list(call);
        return;
    }
    node_patch(call, kube_taint_patch(&rest->pool, &call->node, &taint, true, false), drain_list);
}

static void evacuate_lease(struct kube_call *call)
{
    if (strcmp(call->node.ready, "True") == 0 || node_alive(call)) {
        nsh_rest_fail(
            &call->rest, NSH_REFUSED,
            "node %s is not dead: Ready is %s, its kubelet was heard of %lld s ago; drain "
            "it instead",
            call->name, call->node.ready, (long long)(node_silent_ms(call) / 1000));
        return;
    }
    nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = "/version"}, version_came);
}

static void evacuate_node(struct kube_call *call)
{
    if (call->absent) {
        nsh_rest_fail(&call->rest, NSH_NOT_FOUND, "%s: there is no node %s",
                      nsh_rest_base(call->rest.rest), call->name);
        return;
    }
    call->cordoned = call->node.unschedulable;
    lease_read(call, evacuate_lease);
}

void evacuate_begin(struct kube_call *call)
{
    call->evacuates = true;
    call->grace_s = 0;
    node_read(call, evacuate_node);
}
