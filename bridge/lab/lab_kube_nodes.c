/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's Kubernetes: a node, a lease and a bare metal host for each host of the lab. A kubelet
 * renews its lease while its system is up; the node controller marks who does not; Metal3 carries
 * out `spec.online` and the reboot annotations through the host's power.
 */

#include "lab_kube.h"

#include <json-c/json.h>
#include <stdio.h>

#define TICK_MS 250
#define LEASE_MS 10000 /* A kubelet renews so often. */
#define REBOOT "reboot.metal3.io"

static struct lab_host *node_host(const struct lab_kube *kube, const char *node)
{
    struct lab_host *host = lab_world_host(kube->lab, text_of(node));

    return host == NULL || host == &kube->door ? NULL : host;
}

bool kube_kubelet_runs(const struct lab_kube *kube, const char *node)
{
    const struct lab_host *host = node_host(kube, node);

    return host != NULL && host->os_up;
}

/* ---- conditions and taints -------------------------------------------------------------- */

static struct json_object *condition_ready(const char *status, const char *reason,
                                           const char *message)
{
    struct json_object *one = json_object_new_object();

    kube_put(one, "type", json_object_new_string("Ready"));
    kube_put(one, "status", json_object_new_string(status));
    kube_put(one, "reason", json_object_new_string(reason));
    kube_put(one, "message", json_object_new_string(message));
    kube_put(one, "lastHeartbeatTime", kube_time(lab_clock_unix_ms(), false));
    kube_put(one, "lastTransitionTime", kube_time(lab_clock_unix_ms(), false));
    return one;
}

const char *kube_ready(struct json_object *doc)
{
    struct json_object *conditions = kube_at(doc, "status.conditions");
    size_t count =
        json_object_is_type(conditions, json_type_array) ? json_object_array_length(conditions) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_object_array_get_idx(conditions, i);
        if (strcmp(kube_text_at(one, "type", ""), "Ready") == 0) {
            return kube_text_at(one, "status", "");
        }
    }
    return "";
}

static void node_mark(struct kube_object *node, bool ready)
{
    static const char *const effects[] = {"NoSchedule", "NoExecute"};
    struct json_object *doc = kube_copy(node->doc);
    struct json_object *conditions = json_object_new_array(), *taints = json_object_new_array();
    struct json_object *old = kube_at(doc, "spec.taints");

    json_object_array_add(
        conditions, ready
                        ? condition_ready("True", "KubeletReady", "kubelet is posting ready status")
                        : condition_ready("Unknown", "NodeStatusUnknown",
                                          "Kubelet stopped posting node status."));
    kube_put(doc, "status.conditions", conditions);
    for (size_t i = 0; old != NULL && i < json_object_array_length(old); i++) {
        struct json_object *taint = json_object_array_get_idx(old, i);
        if (strcmp(kube_text_at(taint, "key", ""), "node.kubernetes.io/unreachable") != 0) {
            json_object_array_add(taints, json_object_get(taint));
        }
    }
    for (size_t i = 0; !ready && i < 2; i++) {
        struct json_object *taint = json_object_new_object();
        kube_put(taint, "key", json_object_new_string("node.kubernetes.io/unreachable"));
        kube_put(taint, "effect", json_object_new_string(effects[i]));
        json_object_array_add(taints, taint);
    }
    if (json_object_array_length(taints) == 0) {
        json_object_put(taints);
        taints = NULL;
    }
    kube_put(doc, "spec.taints", taints);
    kube_change(node, doc);
}

/* ---- kubelets and the node controller --------------------------------------------------- */

/* "2026-03-02T10:00:00.123456Z" -> how long ago; a lease without a time is very old. */
static int64_t lease_age_ms(const struct kube_object *lease)
{
    const char *text = kube_text_at(lease->doc, "spec.renewTime", "");
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    int64_t ms = 0;

    if (rest == NULL) {
        return INT64_MAX;
    }
    if (*rest == '.') {
        for (int64_t unit = 100; unit > 0 && rest[1] >= '0' && rest[1] <= '9'; unit /= 10) {
            ms += unit * (*++rest - '0');
        }
    }
    return lab_clock_unix_ms() - ((int64_t)timegm(&parts) * 1000 + ms);
}

static void lease_renew(struct kube_object *lease)
{
    struct json_object *doc = kube_copy(lease->doc);

    kube_put(doc, "spec.renewTime", kube_time(lab_clock_unix_ms(), true));
    kube_change(lease, doc);
}

/* Nodes that are no hosts of the lab are their maker's to keep alive; the controller sees all. */
static void node_look(struct lab_kube *kube, struct kube_object *node)
{
    const char *name = kube_text_at(node->doc, "metadata.name", "");
    struct kube_object *lease = kube_find(kube, KUBE_LEASES, "kube-node-lease", name);
    const char *ready = kube_ready(node->doc);

    if (lease == NULL) {
        return;
    }
    int64_t renew_ms = kube->lab->options.kube_grace_ms / 4;
    if (kube_kubelet_runs(kube, name) &&
        lease_age_ms(lease) >= (renew_ms < LEASE_MS ? renew_ms : LEASE_MS)) {
        lease_renew(lease);
    }
    bool alive = lease_age_ms(lease) < kube->lab->options.kube_grace_ms;
    if (!alive && strcmp(ready, "True") == 0) {
        node_mark(node, false);
    } else if (alive && strcmp(ready, "Unknown") == 0 && node_host(kube, name) != NULL) {
        node_mark(node, true);
    }
}

/* ---- Metal3 ----------------------------------------------------------------------------- */

/* Why the host is to be off: "" it is not, "hard", "soft". Suffixed annotations hold it off. */
static const char *reboot_wanted(struct json_object *doc, bool *ret_held)
{
    struct json_object *annotations = kube_at(doc, "metadata.annotations");
    const char *mode = "";

    *ret_held = false;
    if (annotations == NULL) {
        return mode;
    }
    json_object_object_foreach(annotations, name, value)
    {
        if (strncmp(name, REBOOT, sizeof REBOOT - 1) != 0) {
            continue;
        }
        *ret_held = *ret_held || name[sizeof REBOOT - 1] == '/';
        bool hard = strstr(json_object_get_string(value), "\"hard\"") != NULL;
        mode = hard || strcmp(mode, "hard") == 0 ? "hard" : "soft";
    }
    return mode;
}

static void metal_show(struct kube_object *metal, const struct lab_host *host)
{
    bool on = host->power == LAB_ON || host->power == LAB_TURNING_OFF;
    struct json_object *shown = kube_at(metal->doc, "status.poweredOn");

    if (shown == NULL || json_object_get_boolean(shown) != on) {
        struct json_object *doc = kube_copy(metal->doc);
        kube_put(doc, "status.poweredOn", json_object_new_boolean(on));
        kube_change(metal, doc);
    }
}

static void metal_look(struct kube_object *metal)
{
    struct lab_host *host = node_host(metal->kube, kube_text_at(metal->doc, "metadata.name", ""));
    bool held = false, online = json_object_get_boolean(kube_at(metal->doc, "spec.online"));
    const char *mode = reboot_wanted(metal->doc, &held);

    if (host == NULL) {
        return;
    }
    metal_show(metal, host);
    metal->rebooting = metal->rebooting && host->power != LAB_OFF;
    if (*mode != '\0' && host->power == LAB_OFF && !held) {
        struct json_object *doc = kube_copy(metal->doc);
        json_object_object_del(kube_at(doc, "metadata.annotations"), REBOOT);
        kube_change(metal, doc);
        mode = "";
    }
    bool off = *mode != '\0' || !online;
    if (off && host->power == LAB_ON && !metal->rebooting) {
        metal->rebooting = true; /* Asked once. */
        lab_physics_order(host, strcmp(mode, "hard") == 0 ? LAB_ORDER_OFF : LAB_ORDER_SOFT_OFF,
                          "metal3", "power off", "accepted");
    } else if (!off && host->power == LAB_OFF) {
        lab_physics_order(host, LAB_ORDER_ON, "metal3", "power on", "accepted");
    }
}

static void nodes_tick(void *arg)
{
    struct lab_kube *kube = arg;

    for (struct kube_object *node = kube->objects[KUBE_NODES]; node != NULL; node = node->next) {
        node_look(kube, node);
    }
    for (struct kube_object *metal = kube->objects[KUBE_METAL]; metal != NULL;
         metal = metal->next) {
        metal_look(metal);
    }
    lab_clock_set(kube->lab, &kube->tick, TICK_MS, nodes_tick, kube);
}

/* ---- what there is at the start --------------------------------------------------------- */

static bool nodes_add(struct lab_kube *kube, const struct lab_host *host)
{
    struct json_object *node = json_object_new_object(), *lease = json_object_new_object();
    struct json_object *metal = json_object_new_object();
    struct json_object *conditions = json_object_new_array();
    char rack[16];

    snprintf(rack, sizeof rack, "r%u", host->bmc->rack);
    kube_put(node, "apiVersion", json_object_new_string("v1"));
    kube_put(node, "metadata.labels", json_object_new_object());
    json_object_object_add(kube_at(node, "metadata.labels"), "topology.kubernetes.io/zone",
                           json_object_new_string(rack));
    json_object_array_add(conditions, host->os_up
                                          ? condition_ready("True", "KubeletReady",
                                                            "kubelet is posting ready "
                                                            "status")
                                          : condition_ready("Unknown", "NodeStatusNeverUpdated",
                                                            "Kubelet never posted node status."));
    kube_put(node, "spec", json_object_new_object());
    kube_put(node, "status.conditions", conditions);
    kube_put(lease, "apiVersion", json_object_new_string("coordination.k8s.io/v1"));
    kube_put(lease, "spec.holderIdentity", json_object_new_string(host->name));
    kube_put(lease, "spec.leaseDurationSeconds", json_object_new_int(40));
    kube_put(lease, "spec.renewTime", kube_time(lab_clock_unix_ms(), true));
    kube_put(metal, "apiVersion", json_object_new_string("metal3.io/v1alpha1"));
    kube_put(metal, "spec.online", json_object_new_boolean(host->power == LAB_ON));
    kube_put(metal, "status.poweredOn", json_object_new_boolean(host->power == LAB_ON));
    kube_put(metal, "status.operationalStatus", json_object_new_string("OK"));
    kube_put(metal, "status.provisioning.state", json_object_new_string("provisioned"));
    return kube_add(kube, KUBE_NODES, "", host->name, node) != NULL &&
           kube_add(kube, KUBE_LEASES, "kube-node-lease", host->name, lease) != NULL &&
           kube_add(kube, KUBE_METAL, "metal3", host->name, metal) != NULL;
}

int kube_nodes_open(struct lab_kube *kube)
{
    static const char *const spaces[] = {"default", "kube-node-lease", "kube-system", "metal3"};
    const struct lab *lab = kube->lab;

    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        kube_add(kube, KUBE_NAMESPACES, "", spaces[i], json_object_new_object());
    }
    for (size_t i = lab->hosts_count; i > 0; i--) { /* Backwards: the lists are sorted. */
        if (!nodes_add(kube, &lab->hosts[i - 1])) {
            return -NSH_LIMIT;
        }
    }
    kube_compact(kube); /* A server's history does not begin with its first object. */
    lab_clock_set(kube->lab, &kube->tick, TICK_MS, nodes_tick, kube);
    return 0;
}
