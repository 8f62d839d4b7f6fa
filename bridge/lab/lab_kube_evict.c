/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's Kubernetes: evictions as the eviction subresource decides them, the disruption
 * controller that keeps budgets, and pods that end when their kubelet has stopped them.
 */

#include "lab_kube.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#define GRACE_S_DEFAULT 30
#define STOP_MS 300 /* What a container takes that obeys SIGTERM. */

/* ---- pods that end ---------------------------------------------------------------------- */

static void pod_stopped(void *arg)
{
    struct kube_object *pod = arg;
    struct lab_kube *kube = pod->kube;

    kube_remove(pod);
    kube_budgets_look(kube);
}

static bool pod_finished(struct json_object *doc)
{
    const char *phase = kube_text_at(doc, "status.phase", "");

    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

bool kube_pod_end(struct kube_object *pod, int64_t grace_s)
{
    const char *node = kube_text_at(pod->doc, "spec.nodeName", "");

    if (grace_s < 0) {
        grace_s = kube_int_at(pod->doc, "spec.terminationGracePeriodSeconds", GRACE_S_DEFAULT);
    }
    if (grace_s == 0 || *node == '\0' || pod_finished(pod->doc)) {
        kube_remove(pod);
        return true;
    }
    if (kube_at(pod->doc, "metadata.deletionTimestamp") != NULL) {
        return false; /* Ends already. */
    }
    struct json_object *doc = kube_copy(pod->doc);
    kube_put(doc, "metadata.deletionTimestamp",
             kube_time(lab_clock_unix_ms() + grace_s * 1000, false));
    kube_put(doc, "metadata.deletionGracePeriodSeconds", json_object_new_int64(grace_s));
    kube_change(pod, doc);
    if (kube_kubelet_runs(pod->kube, node)) {
        int64_t stop_ms =
            kube_at(doc, "metadata.annotations") != NULL &&
                    strcmp(kube_text_at(kube_at(doc, "metadata.annotations"), "stubborn", ""),
                           "true") == 0
                ? grace_s * 1000
                : STOP_MS;
        lab_clock_set(pod->kube->lab, &pod->ending, stop_ms, pod_stopped, pod);
    }
    return false;
}

/* ---- the disruption controller ---------------------------------------------------------- */

static bool pod_ready(struct json_object *doc)
{
    return strcmp(kube_ready(doc), "True") == 0;
}

static bool budget_covers(struct json_object *budget, struct json_object *pod)
{
    return strcmp(kube_text_at(budget, "metadata.namespace", ""),
                  kube_text_at(pod, "metadata.namespace", "")) == 0 &&
           kube_labels_match(kube_at(budget, "spec.selector"), pod);
}

/* A number, or a share of all in percent, rounded up. */
static int64_t share_of(struct json_object *value, int64_t all)
{
    int64_t percent = 0;

    if (json_object_is_type(value, json_type_int)) {
        return json_object_get_int64(value);
    }
    struct text text = text_of(value == NULL ? "" : json_object_get_string(value));
    if (text.count > 0 && text.at[text.count - 1] == '%') {
        text.count--;
        text_to_int(text, &percent);
    }
    return (all * percent + 99) / 100;
}

static void budget_look(struct kube_object *budget)
{
    const struct lab_kube *kube = budget->kube;
    struct json_object *least = kube_at(budget->doc, "spec.minAvailable");
    struct json_object *most = kube_at(budget->doc, "spec.maxUnavailable");
    int64_t expected = 0, healthy = 0;

    for (const struct kube_object *pod = kube->objects[KUBE_PODS]; pod != NULL; pod = pod->next) {
        if (!budget_covers(budget->doc, pod->doc) || pod_finished(pod->doc)) {
            continue;
        }
        expected++;
        healthy +=
            pod_ready(pod->doc) && kube_at(pod->doc, "metadata.deletionTimestamp") == NULL ? 1 : 0;
    }
    int64_t desired =
        most != NULL ? expected - share_of(most, expected) : share_of(least, expected);
    desired = desired < 0 ? 0 : desired;
    int64_t allowed = healthy > desired ? healthy - desired : 0;
    struct json_object *doc = kube_copy(budget->doc);
    kube_put(doc, "status.disruptionsAllowed", json_object_new_int64(allowed));
    kube_put(doc, "status.currentHealthy", json_object_new_int64(healthy));
    kube_put(doc, "status.desiredHealthy", json_object_new_int64(desired));
    kube_put(doc, "status.expectedPods", json_object_new_int64(expected));
    if (json_object_equal(doc, budget->doc) != 0) {
        json_object_put(doc);
    } else {
        kube_change(budget, doc);
    }
}

void kube_budgets_look(struct lab_kube *kube)
{
    for (struct kube_object *at = kube->objects[KUBE_BUDGETS]; at != NULL; at = at->next) {
        budget_look(at);
    }
}

/* ---- evictions -------------------------------------------------------------------------- */

/* The budget over a pod; more than one is nobody's to decide. */
static struct kube_object *budget_of(const struct lab_kube *kube, struct json_object *pod,
                                     size_t *ret_count)
{
    struct kube_object *found = NULL;

    *ret_count = 0;
    for (struct kube_object *at = kube->objects[KUBE_BUDGETS]; at != NULL; at = at->next) {
        if (budget_covers(at->doc, pod)) {
            found = at;
            (*ret_count)++;
        }
    }
    return found;
}

static void evict_refused(struct kube_call *call, const struct kube_object *budget)
{
    struct textbuf *body = &call->reply->body;

    textbuf_addf(
        body,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"Cannot evict pod as it would violate the pod's disruption "
        "budget.\",\"reason\":\"TooManyRequests\",\"details\":{\"causes\":[{\"reason\":"
        "\"DisruptionBudget\",\"message\":\"The disruption budget %s needs %lld healthy "
        "pods and has %lld currently\"}]},\"code\":429}\n",
        kube_text_at(budget->doc, "metadata.name", ""),
        (long long)kube_int_at(budget->doc, "status.desiredHealthy", 0),
        (long long)kube_int_at(budget->doc, "status.currentHealthy", 0));
    call->reply->status = 429;
}

/* Pods that do not serve are not what a budget protects. */
static bool budget_is_ignored(struct json_object *pod)
{
    return pod_finished(pod) || strcmp(kube_text_at(pod, "status.phase", ""), "Pending") == 0 ||
           kube_at(pod, "metadata.deletionTimestamp") != NULL;
}

static bool evict_uid_differs(struct kube_call *call, const struct kube_object *pod)
{
    const char *uid = kube_text_at(pod->doc, "metadata.uid", "");
    const char *wanted = kube_text_at(call->body, "deleteOptions.preconditions.uid", uid);

    if (strcmp(uid, wanted) == 0) {
        return false;
    }
    kube_error(call, 409, "Conflict",
               "Operation cannot be fulfilled on pods \"%s\": Precondition failed: UID in "
               "precondition: %s, UID in object meta: %s",
               call->name, wanted, uid);
    return true;
}

void kube_evict(struct kube_call *call, struct kube_object *pod)
{
    size_t count = 0;
    struct kube_object *budget = budget_of(call->kube, pod->doc, &count);
    char node[KUBE_NAME_MAX], effect[KUBE_NAME_MAX * 2 + 16];

    snprintf(node, sizeof node, "%s", kube_text_at(pod->doc, "spec.nodeName", ""));
    if (strcmp(kube_text_at(call->body, "kind", ""), "Eviction") != 0) {
        kube_error(call, 400, "BadRequest", "the body is no Eviction");
        return;
    }
    if (evict_uid_differs(call, pod)) {
        return;
    }
    if (budget_is_ignored(pod->doc)) {
        budget = NULL;
    } else if (count > 1) {
        kube_error(call, 500, "InternalError",
                   "This pod has more than one PodDisruptionBudget, "
                   "which the eviction subresource does not support.");
        return;
    }
    if (budget != NULL && kube_int_at(budget->doc, "status.disruptionsAllowed", 0) <= 0) {
        evict_refused(call, budget);
        kube_ledger(call, node, "none (budget)");
        return;
    }
    snprintf(effect, sizeof effect, "evict %s", pod->key);
    kube_pod_end(pod, kube_int_at(call->body, "deleteOptions.gracePeriodSeconds", -1));
    textbuf_add_chars(&call->reply->body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":"
                                          "{},\"status\":\"Success\",\"code\":201}\n");
    call->reply->status = 201;
    kube_ledger(call, node, effect);
    kube_budgets_look(call->kube);
}
