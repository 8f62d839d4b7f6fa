/* SPDX-License-Identifier: Apache-2.0 */
/* A node: reading it and its lease; cordon, uncordon, taints, delete. */

#include "kubernetes.h"

#include <stdio.h>
#include <string.h>

#define SILENT_MS_MAX 40000 /* The node controller's own patience, as it is shipped. */

/* ---- reading ---------------------------------------------------------------------------- */

static const char *node_path(struct kube_call *call)
{
    return nsh_pool_printf(&call->rest.pool, "/api/v1/nodes/%s", call->name);
}

/* A path that memory did not suffice for. */
static bool path_failed(struct kube_call *call, const char *path)
{
    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
    }
    return path == NULL;
}

static void node_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);

    call->absent = reply->status == 404;
    if (call->absent) {
        call->then(call);
        return;
    }
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    if (!nsh_pool_value(&rest->pool, reply->body, &call->object)) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    if (!kube_node_read(&call->object, call->name, &call->node)) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the answer is no node %s", nsh_rest_base(rest->rest),
                      call->name);
        return;
    }
    call->now_ms = reply->date_ms != 0 ? reply->date_ms : nsh_rest_unix_ms(rest->rest);
    call->then(call);
}

void node_read(struct kube_call *call, kube_fn *then)
{
    const char *path = node_path(call);

    call->then = then;
    if (!path_failed(call, path)) {
        nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = path}, node_came);
    }
}

static void lease_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);

    if (reply->code != NSH_OK && reply->status != 404) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    call->lease_ms = reply->code == NSH_OK ? kube_lease_renewed_ms(reply->body) : 0;
    call->then(call);
}

void lease_read(struct kube_call *call, kube_fn *then)
{
    const char *path = nsh_pool_printf(
        &call->rest.pool, "/apis/coordination.k8s.io/v1/namespaces/" KUBE_LEASE_SPACE "/leases/%s",
        call->name);

    call->then = then;
    if (!path_failed(call, path)) {
        nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = path}, lease_came);
    }
}

int64_t node_silent_ms(const struct kube_call *call)
{
    int64_t heard_ms =
        call->lease_ms > call->node.heartbeat_ms ? call->lease_ms : call->node.heartbeat_ms;

    return heard_ms == 0 ? INT64_MAX : call->now_ms > heard_ms ? call->now_ms - heard_ms : 0;
}

bool node_alive(const struct kube_call *call)
{
    return node_silent_ms(call) < SILENT_MS_MAX;
}

const char *node_state(const struct kube_call *call)
{
    return call->absent                             ? "absent"
           : strcmp(call->node.ready, "True") == 0  ? "ready"
           : strcmp(call->node.ready, "False") == 0 ? "not-ready"
                                                    : "unknown";
}

/* ---- status and probe ------------------------------------------------------------------- */

static void status_done(struct kube_call *call, bool with_pods)
{
    size_t left = with_pods ? pods_left(call) : 0;
    bool drained = call->absent || (call->node.unschedulable && left == 0);
    int64_t silent_ms = call->absent ? INT64_MAX : node_silent_ms(call);
    struct nsh_member members[8] = {{"state", nsh_text(node_state(call))}};
    size_t count = 1;

    members[count++] = (struct nsh_member){
        "schedulable", nsh_text(call->absent || call->node.unschedulable ? "no" : "yes")};
    members[count++] = (struct nsh_member){
        "out_of_service", nsh_text(!call->absent && call->node.out_of_service ? "yes" : "no")};
    if (with_pods || call->absent) {
        members[count++] = (struct nsh_member){"drained", nsh_text(drained ? "yes" : "no")};
        members[count++] = (struct nsh_member){"pods", nsh_int((int64_t)left)};
    }
    if (silent_ms != INT64_MAX) {
        members[count++] = (struct nsh_member){"silent_ms", nsh_int(silent_ms)};
    }
    if (!call->absent) {
        members[count++] = (struct nsh_member){"reason", nsh_text(call->node.reason)};
    }
    struct nsh_value result = nsh_map(members, count);
    nsh_rest_done(&call->rest, &result);
}

static void status_pods(struct kube_call *call)
{
    status_done(call, true);
}

static void status_lease(struct kube_call *call)
{
    pods_read(call, status_pods);
}

static void status_node(struct kube_call *call)
{
    if (call->absent) {
        status_done(call, false);
    } else {
        lease_read(call, status_lease);
    }
}

void status_begin(struct kube_call *call)
{
    node_read(call, status_node);
}

/* A witness: fails when the node says nothing. A kubelet that says that it is not ready lives. */
static void probe_lease(struct kube_call *call)
{
    int64_t silent_ms = node_silent_ms(call);

    if (strcmp(call->node.ready, "True") == 0 || silent_ms < SILENT_MS_MAX) {
        status_done(call, false);
        return;
    }
    nsh_rest_fail(&call->rest, NSH_SILENT,
                  "node %s: Ready is %s%s%s, its kubelet was last heard of %lld s ago", call->name,
                  call->node.ready[0] == '\0' ? "not known" : call->node.ready,
                  call->node.words[0] == '\0' ? "" : ": ", call->node.words,
                  (long long)(silent_ms == INT64_MAX ? -1 : silent_ms / 1000));
}

static void probe_node(struct kube_call *call)
{
    if (call->absent) {
        nsh_rest_fail(&call->rest, NSH_NOT_FOUND, "%s: there is no node %s",
                      nsh_rest_base(call->rest.rest), call->name);
    } else {
        lease_read(call, probe_lease);
    }
}

void probe_begin(struct kube_call *call)
{
    node_read(call, probe_node);
}

/* ---- patches ---------------------------------------------------------------------------- */

/* Somebody was faster: the caller may look again and repeat. */
void fail_write(struct kube_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->status == 409) {
        nsh_rest_fail(&call->rest, NSH_BUSY, "%s", reply->text);
    } else {
        nsh_rest_fail_reply(&call->rest, reply);
    }
}

static void patched(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    struct kube_node node;

    if (reply->code != NSH_OK) {
        fail_write(call, reply);
        return;
    }
    if (!kube_node_read(reply->body, call->name, &node) || strcmp(node.uid, call->node.uid) != 0) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the patch of node %s was answered with another node",
                      nsh_rest_base(rest->rest), call->name);
        return;
    }
    call->node.unschedulable = node.unschedulable;
    call->node.out_of_service = node.out_of_service;
    call->changed = true;
    call->then(call);
}

void node_patch(struct kube_call *call, const char *patch, kube_fn *then)
{
    const char *path =
        nsh_pool_printf(&call->rest.pool, "/api/v1/nodes/%s?fieldManager=nightshift", call->name);

    call->then = then;
    if (patch == NULL || path == NULL) {
        nsh_rest_fail(&call->rest, NSH_LIMIT, "node %s: more than %d taints, or out of memory",
                      call->name, KUBE_TAINTS_MAX);
        return;
    }
    nsh_rest_send(
        &call->rest,
        &(struct nsh_rest_request){
            .method = "PATCH", .path = path, .text = patch, .content_type = KUBE_MERGE_PATCH},
        patched);
}

/* True: the call has ended. */
static bool node_missing(struct kube_call *call)
{
    if (!call->absent) {
        return false;
    }
    nsh_rest_fail(&call->rest, NSH_NOT_FOUND, "%s: there is no node %s",
                  nsh_rest_base(call->rest.rest), call->name);
    return true;
}

/* What was read, or what a patch answered. */
static void write_done(struct kube_call *call)
{
    struct nsh_member members[] = {
        {"state", nsh_text(node_state(call))},
        {"schedulable", nsh_text(call->node.unschedulable ? "no" : "yes")},
        {"changed", nsh_bool(call->changed)},
    };
    struct nsh_value result = nsh_map(members, 3);

    nsh_rest_done(&call->rest, &result);
}

static void cordon_node(struct kube_call *call)
{
    if (node_missing(call)) {
        return;
    }
    if (call->node.unschedulable) {
        write_done(call);
        return;
    }
    node_patch(call,
               nsh_pool_printf(&call->rest.pool,
                               "{\"metadata\":{\"uid\":\"%s\"},\"spec\":{\"unschedulable\":true}}",
                               call->node.uid),
               write_done);
}

void cordon_begin(struct kube_call *call)
{
    node_read(call, cordon_node);
}

static void undrain_proven(struct kube_call *call)
{
    if (call->node.unschedulable || call->node.out_of_service) {
        nsh_rest_fail(&call->rest, NSH_UNVERIFIED,
                      "%s: node %s still takes no work after the patch was accepted",
                      nsh_rest_base(call->rest.rest), call->name);
        return;
    }
    write_done(call);
}

static void undrain_node(struct kube_call *call)
{
    const struct kube_taint taint = {KUBE_OUT_OF_SERVICE, "", ""};

    if (node_missing(call)) {
        return;
    }
    if (call->node.out_of_service) {
        node_patch(call, kube_taint_patch(&call->rest.pool, &call->node, &taint, false, true),
                   undrain_proven);
    } else if (call->node.unschedulable) {
        node_patch(
            call,
            nsh_pool_printf(&call->rest.pool,
                            "{\"metadata\":{\"uid\":\"%s\"},\"spec\":{\"unschedulable\":null}}",
                            call->node.uid),
            undrain_proven);
    } else {
        write_done(call);
    }
}

void undrain_begin(struct kube_call *call)
{
    node_read(call, undrain_node);
}

/* ---- taints ----------------------------------------------------------------------------- */

static struct kube_taint taint_wanted(const struct kube_call *call)
{
    return (struct kube_taint){.key = nsh_get_text(call->op->args, "key", ""),
                               .value = nsh_get_text(call->op->args, "value", ""),
                               .effect = nsh_get_text(call->op->args, "effect", "")};
}

static void taint_node(struct kube_call *call)
{
    struct kube_taint taint = taint_wanted(call);

    if (node_missing(call)) {
        return;
    }
    if (kube_taint_there(&call->node, &taint)) {
        write_done(call);
        return;
    }
    node_patch(call, kube_taint_patch(&call->rest.pool, &call->node, &taint, true, false),
               write_done);
}

void taint_begin(struct kube_call *call)
{
    node_read(call, taint_node);
}

static void untaint_node(struct kube_call *call)
{
    struct kube_taint taint = taint_wanted(call);

    if (node_missing(call)) {
        return;
    }
    if (!kube_taint_there(&call->node, &taint)) {
        write_done(call);
        return;
    }
    node_patch(call, kube_taint_patch(&call->rest.pool, &call->node, &taint, false, false),
               write_done);
}

void untaint_begin(struct kube_call *call)
{
    node_read(call, untaint_node);
}

/* ---- delete ----------------------------------------------------------------------------- */

static void remove_done(struct kube_call *call)
{
    struct nsh_member members[] = {{"state", nsh_text("absent")},
                                   {"changed", nsh_bool(call->changed)}};
    struct nsh_value result = nsh_map(members, 2);

    nsh_rest_done(&call->rest, &result);
}

static void removed(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);

    if (reply->code != NSH_OK && reply->status != 404) {
        fail_write(call, reply);
        return;
    }
    call->changed = reply->code == NSH_OK;
    remove_done(call);
}

/* A node that works would come back by itself, and its pods with it, as another. */
static void remove_node(struct kube_call *call)
{
    if (call->absent) {
        remove_done(call);
        return;
    }
    if (!call->node.unschedulable && strcmp(call->node.ready, "True") == 0) {
        nsh_rest_fail(&call->rest, NSH_REFUSED,
                      "node %s is ready and takes work: drain it first, or switch it off",
                      call->name);
        return;
    }
    const char *path = node_path(call);
    const char *body = kube_delete_options(&call->rest.pool, call->node.uid, -1);
    if (path == NULL || body == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.method = "DELETE", .path = path, .text = body},
                  removed);
}

void remove_begin(struct kube_call *call)
{
    node_read(call, remove_node);
}
