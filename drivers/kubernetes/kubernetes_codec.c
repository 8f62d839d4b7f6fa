/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes objects: nodes, leases, taints, pods. */

#include "kubernetes_codec.h"

#include <stdlib.h>
#include <string.h>

bool kube_name_good(const char *name)
{
    size_t count = strlen(name);

    return count > 0 && count <= KUBE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == count && name[0] != '.' &&
           name[0] != '-' && strstr(name, "..") == NULL;
}

static const char *name_at(const struct nsh_value *value, const char *path)
{
    const char *name = nsh_at_text(value, path, "");

    return kube_name_good(name) ? name : NULL;
}

/* ---- nodes ------------------------------------------------------------------------------ */

static const struct nsh_value *condition_find(const struct nsh_value *object, const char *type)
{
    size_t count = nsh_at_count(object, "status.conditions");

    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *one = nsh_at_item(object, "status.conditions", i);
        if (strcmp(nsh_at_text(one, "type", ""), type) == 0) {
            return one;
        }
    }
    return NULL;
}

bool kube_node_read(const struct nsh_value *object, const char *name, struct kube_node *ret_node)
{
    const struct nsh_value *ready = condition_find(object, "Ready");
    const struct nsh_value *taints = nsh_at(object, "spec.taints");
    const char *uid = nsh_at_text(object, "metadata.uid", "");

    if (strcmp(nsh_at_text(object, "metadata.name", ""), name) != 0 || uid[0] == '\0') {
        return false;
    }
    *ret_node = (struct kube_node){
        .uid = uid,
        .version = nsh_at_text(object, "metadata.resourceVersion", ""),
        .ready = nsh_at_text(ready, "status", ""),
        .reason = nsh_at_text(ready, "reason", ""),
        .words = nsh_at_text(ready, "message", ""),
        .unschedulable = nsh_at_bool(object, "spec.unschedulable", false),
        .taints = taints != NULL && taints->type == NSH_LIST ? taints : NULL,
    };
    ret_node->out_of_service =
        kube_taint_there(ret_node, &(struct kube_taint){KUBE_OUT_OF_SERVICE, "", ""});
    if (!nsh_time_iso(nsh_at_text(ready, "lastHeartbeatTime", ""), &ret_node->heartbeat_ms)) {
        ret_node->heartbeat_ms = 0;
    }
    return true;
}

int64_t kube_lease_renewed_ms(const struct nsh_value *lease)
{
    int64_t unix_ms = 0;

    return nsh_time_iso(nsh_at_text(lease, "spec.renewTime", ""), &unix_ms) ? unix_ms : 0;
}

/* ---- taints ----------------------------------------------------------------------------- */

static bool taint_is(const struct nsh_value *item, const struct kube_taint *taint)
{
    return strcmp(nsh_at_text(item, "key", ""), taint->key) == 0 &&
           (taint->effect[0] == '\0' ||
            strcmp(nsh_at_text(item, "effect", ""), taint->effect) == 0);
}

bool kube_taint_there(const struct kube_node *node, const struct kube_taint *taint)
{
    for (uint32_t i = 0; node->taints != NULL && i < node->taints->count; i++) {
        if (taint_is(&node->taints->items[i], taint)) {
            return true;
        }
    }
    return false;
}

char *kube_taint_patch(struct nsh_pool *pool, const struct kube_node *node,
                       const struct kube_taint *taint, bool add, bool uncordon)
{
    struct nsh_value items[KUBE_TAINTS_MAX];
    size_t count = 0;

    for (uint32_t i = 0; node->taints != NULL && i < node->taints->count; i++) {
        if (taint_is(&node->taints->items[i], taint)) {
            continue;
        }
        if (count == KUBE_TAINTS_MAX - 1) {
            return NULL;
        }
        items[count++] = node->taints->items[i];
    }
    struct nsh_member fresh[] = {{"key", nsh_text(taint->key)},
                                 {"value", nsh_text(taint->value)},
                                 {"effect", nsh_text(taint->effect)}};
    if (add) {
        items[count++] = nsh_map(fresh, 3);
    }
    struct nsh_member identity[] = {{"uid", nsh_text(node->uid)},
                                    {"resourceVersion", nsh_text(node->version)}};
    struct nsh_member spec[] = {{"taints", count == 0 ? nsh_null() : nsh_list(items, count)},
                                {"unschedulable", nsh_null()}};
    struct nsh_member patch[] = {{"metadata", nsh_map(identity, 2)},
                                 {"spec", nsh_map(spec, uncordon ? 2 : 1)}};
    struct nsh_value whole = nsh_map(patch, 2);
    return nsh_json_write(pool, &whole);
}

/* ---- pods ------------------------------------------------------------------------------- */

static const struct nsh_value *controller_of(const struct nsh_value *object)
{
    size_t count = nsh_at_count(object, "metadata.ownerReferences");

    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *owner = nsh_at_item(object, "metadata.ownerReferences", i);
        if (nsh_at_bool(owner, "controller", false)) {
            return owner;
        }
    }
    return NULL;
}

static bool has_local_data(const struct nsh_value *object)
{
    size_t count = nsh_at_count(object, "spec.volumes");

    for (size_t i = 0; i < count; i++) {
        if (nsh_get(nsh_at_item(object, "spec.volumes", i), "emptyDir") != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_mirror(const struct nsh_value *object)
{
    return nsh_get(nsh_at(object, "metadata.annotations"), "kubernetes.io/config.mirror") != NULL;
}

/* In the order of `kubectl drain`: what stays for its own reasons first. */
static enum kube_pod_class class_of(const struct nsh_value *object)
{
    const struct nsh_value *owner = controller_of(object);
    const char *phase = nsh_at_text(object, "status.phase", "");
    bool finished = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    bool daemon = owner != NULL && strcmp(nsh_at_text(owner, "kind", ""), "DaemonSet") == 0 &&
                  strncmp(nsh_at_text(owner, "apiVersion", ""), "apps/", 5) == 0;

    return is_mirror(object)        ? KUBE_POD_STAYS
           : finished               ? KUBE_POD_LEAVES
           : daemon                 ? KUBE_POD_DAEMON
           : owner == NULL          ? KUBE_POD_UNMANAGED
           : has_local_data(object) ? KUBE_POD_LOCAL
                                    : KUBE_POD_LEAVES;
}

struct kube_pod *kube_pod_read(struct nsh_pool *pool, const struct nsh_value *object)
{
    const char *name = name_at(object, "metadata.name");
    const char *space = name_at(object, "metadata.namespace");
    const char *uid = nsh_at_text(object, "metadata.uid", "");
    const char *deleted = nsh_at_text(object, "metadata.deletionTimestamp", "");
    struct kube_pod *pod =
        name == NULL || space == NULL || uid[0] == '\0' ? NULL : nsh_pool_alloc(pool, sizeof *pod);

    if (pod == NULL) {
        return NULL;
    }
    pod->class = class_of(object);
    pod->name = nsh_pool_text(pool, name);
    pod->space = nsh_pool_text(pool, space);
    pod->uid = nsh_pool_text(pool, uid);
    pod->version = nsh_pool_text(pool, nsh_at_text(object, "metadata.resourceVersion", ""));
    pod->leaving = deleted[0] != '\0';
    if (!nsh_time_iso(deleted, &pod->leaving_since_ms)) {
        pod->leaving_since_ms = 0;
    }
    if (pod->class == KUBE_POD_DAEMON) {
        const char *daemonset = name_at(controller_of(object), "name");
        pod->daemonset = nsh_pool_text(pool, daemonset == NULL ? "" : daemonset);
    }
    return pod->name == NULL || pod->space == NULL || pod->uid == NULL || pod->version == NULL ||
                   (pod->class == KUBE_POD_DAEMON && pod->daemonset == NULL)
               ? NULL
               : pod;
}

char *kube_eviction(struct nsh_pool *pool, const struct kube_pod *pod, bool v1, int64_t grace_s)
{
    struct nsh_member wanted[] = {{"uid", nsh_text(pod->uid)}};
    struct nsh_member options[] = {{"preconditions", nsh_map(wanted, 1)},
                                   {"gracePeriodSeconds", nsh_int(grace_s)}};
    struct nsh_member names[] = {{"name", nsh_text(pod->name)},
                                 {"namespace", nsh_text(pod->space)}};
    struct nsh_member body[] = {{"apiVersion", nsh_text(v1 ? "policy/v1" : "policy/v1beta1")},
                                {"kind", nsh_text("Eviction")},
                                {"metadata", nsh_map(names, 2)},
                                {"deleteOptions", nsh_map(options, grace_s < 0 ? 1 : 2)}};
    struct nsh_value whole = nsh_map(body, 4);

    return nsh_json_write(pool, &whole);
}

char *kube_delete_options(struct nsh_pool *pool, const char *uid, int64_t grace_s)
{
    struct nsh_member wanted[] = {{"uid", nsh_text(uid)}};
    struct nsh_member body[] = {{"apiVersion", nsh_text("v1")},
                                {"kind", nsh_text("DeleteOptions")},
                                {"preconditions", nsh_map(wanted, 1)},
                                {"gracePeriodSeconds", nsh_int(grace_s)}};
    struct nsh_value whole = nsh_map(body, grace_s < 0 ? 3 : 4);

    return nsh_json_write(pool, &whole);
}

/* ---- others ----------------------------------------------------------------------------- */

static const struct nsh_value *cause_find(const struct nsh_value *status, const char *reason)
{
    size_t count = nsh_at_count(status, "details.causes");

    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *cause = nsh_at_item(status, "details.causes", i);
        if (strcmp(nsh_at_text(cause, "reason", ""), reason) == 0) {
            return cause;
        }
    }
    return NULL;
}

bool kube_cause(const struct nsh_value *status, const char *reason)
{
    return cause_find(status, reason) != NULL;
}

const char *kube_budget_words(const struct nsh_value *status)
{
    const struct nsh_value *cause = cause_find(status, "DisruptionBudget");

    return cause == NULL ? NULL : nsh_at_text(cause, "message", "a disruption budget forbids it");
}

int64_t kube_minor(const struct nsh_value *version)
{
    const char *text = nsh_at_text(version, "minor", "");

    return text[0] >= '0' && text[0] <= '9' && strlen(text) < 8 ? strtol(text, NULL, 10) : 0;
}
