/* SPDX-License-Identifier: Apache-2.0 */
/* kubernetes: nodes of a cluster: drain, take back, taint, delete, evacuate, ask; and the power of
 * those that Metal3 manages. The table, and devices. */

#include "kubernetes.h"

#include "abi/kube_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", NULL};

static const struct nsh_option options[] = {
    KUBE_LOGIN_OPTIONS("File with one; read again each minute and when it is refused."),
    {.name = "node", .type = NSH_STRING, .help = "Name of the node. None: that of the host."},
    {.name = "bare_metal_host",
     .type = NSH_STRING,
     .help = "NAMESPACE/NAME of its Metal3 BareMetalHost, for power and resets."},
    NSH_REST_OPTIONS,
};

static const struct nsh_option drain_args[] = {
    {.name = "force",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Also pods that nothing makes again elsewhere: they are lost."},
    {.name = "local_data",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Also pods with an emptyDir: its data is lost."},
    {.name = "grace",
     .type = NSH_DURATION,
     .preset = "0s",
     .min = "0s",
     .max = "1h",
     .help = "What a pod gets to stop; 0: what it asks for itself."},
};

static const struct nsh_option taint_args[] = {
    {.name = "key", .type = NSH_STRING, .preset = "nightshift/repair", .help = "Key of the taint."},
    {.name = "value", .type = NSH_STRING, .preset = "", .help = "Its value."},
    {.name = "effect",
     .type = NSH_STRING,
     .preset = "NoSchedule",
     .choices = effects,
     .help = "What it does to new pods; those that run stay."},
};

static const struct nsh_option untaint_args[] = {
    {.name = "key",
     .type = NSH_STRING,
     .preset = "nightshift/repair",
     .help = "Key of the taints to take away, whatever they do."},
};

#define ARGS(table) .args = (table), .args_count = sizeof(table) / sizeof(table)[0]

/* clang-format off */
static const struct nsh_verb verbs[] = {
    {.name = "kubernetes.status", .effect = NSH_READS, .flags = NSH_IDEMPOTENT, .timeout_ms_default = 60000,
     .help = "Read the node, its lease and its pods: state, schedulable, drained."},
    {.name = "probe", .effect = NSH_READS, .flags = NSH_IDEMPOTENT, .timeout_ms_default = 30000,
     .help = "Has its kubelet been heard of? Fails when it is silent for 40 s and not ready."},
    {.name = "drain", .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "undrain",
     ARGS(drain_args), .timeout_ms_default = 900000,
     .help = "Cordon, evict its pods as their disruption budgets allow, wait until they are gone."},
    {.name = "undrain", .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "kubernetes.cordon",
     .timeout_ms_default = 60000,
     .help = "Take work again; also the end of an evacuation."},
    {.name = "kubernetes.cordon", .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "undrain", .verify = "kubernetes.status", .proof = "schedulable=no",
     .timeout_ms_default = 60000,
     .help = "Take no new work; what runs stays."},
    {.name = "kubernetes.taint", .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "kubernetes.untaint", ARGS(taint_args), .timeout_ms_default = 60000,
     .help = "Keep new pods off that do not tolerate the taint."},
    {.name = "kubernetes.untaint", .effect = NSH_CHANGES, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "kubernetes.taint", ARGS(untaint_args), .timeout_ms_default = 60000,
     .help = "Take the taints of a key away."},
    {.name = "evacuate", .effect = NSH_INTERRUPTS, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "undrain", .timeout_ms_default = 600000,
     .help = "Of a silent node that is proven off: release its pods and volumes, for others to be "
             "made elsewhere."},
    {.name = "remove", .effect = NSH_DESTROYS, .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 60000,
     .help = "Delete the node object; one that is ready and takes work is refused."},
    {.name = "kubernetes.doctor", .effect = NSH_READS, .flags = NSH_IDEMPOTENT, .timeout_ms_default = 60000,
     .help = "Ask the API server what this account may do."},
    {.name = "power.status", .effect = NSH_READS, .flags = NSH_IDEMPOTENT, .timeout_ms_default = 60000,
     .help = "Metal3: read status.poweredOn."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 300000,
                    "Metal3: spec.online, then wait until it is on.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 300000,
                    "Metal3: spec.online off, then wait until it is off.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 600000,
                    "Metal3: off, proven off, on, proven on.")},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 900000,
                    "Metal3: reboot annotation, mode soft; done when Metal3 took it away and it is on.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 600000,
                    "Metal3: reboot annotation, mode hard.")},
};
/* clang-format on */

static const struct {
    const char *verb;
    kube_fn *begin;
    bool metal;
} begins[] = {
    {"kubernetes.status", status_begin, false},
    {"probe", probe_begin, false},
    {"drain", drain_begin, false},
    {"undrain", undrain_begin, false},
    {"kubernetes.cordon", cordon_begin, false},
    {"kubernetes.taint", taint_begin, false},
    {"kubernetes.untaint", untaint_begin, false},
    {"evacuate", evacuate_begin, false},
    {"remove", remove_begin, false},
    {"kubernetes.doctor", doctor_begin, false},
    {"power.status", metal_status_begin, true},
    {"power.on", metal_on_begin, true},
    {"power.off", metal_off_begin, true},
    {"power.cycle", metal_cycle_begin, true},
    {"reset.soft", metal_soft_begin, true},
    {"reset.hard", metal_hard_begin, true},
};

/* ---- devices ---------------------------------------------------------------------------- */

static void kubernetes_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    free(device->node);
    free(device->metal_space);
    free(device->metal_name);
    free(device);
}

/* The names of settings; false: no memory. */
static int names_take(struct nsh_device *device, const struct nsh_value *settings,
                      struct nsh_error *err)
{
    const char *node = nsh_get_text(settings, "node", "");
    const char *metal = nsh_get_text(settings, "bare_metal_host", "");
    const char *slash = strchr(metal, '/');

    if (node[0] != '\0' && !kube_name_good(node)) {
        return nsh_fail(err, NSH_INVALID, "node: want a name such as r1h01, got %.64s", node);
    }
    device->node = node[0] == '\0' ? NULL : strdup(node);
    if (node[0] != '\0' && device->node == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (metal[0] == '\0') {
        return 0;
    }
    device->metal_space = strndup(metal, slash == NULL ? 0 : (size_t)(slash - metal));
    device->metal_name = strdup(slash == NULL ? "" : slash + 1);
    if (device->metal_space == NULL || device->metal_name == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (!kube_name_good(device->metal_space) || !kube_name_good(device->metal_name)) {
        return nsh_fail(err, NSH_INVALID, "bare_metal_host: want NAMESPACE/NAME, got %.64s", metal);
    }
    return 0;
}

static int kubernetes_open(struct nsh_services *services, const struct nsh_value *settings,
                           struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);

    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    int result = names_take(device, settings, err);
    if (result == 0) {
        result = login_open(services, settings, &device->rest, err);
    }
    if (result < 0) {
        device->rest = NULL;
        kubernetes_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------ */

static void call_done(struct nsh_rest_call *rest)
{
    kube_lines_done(&kube_of(rest)->lines);
}

static void call_begin(struct nsh_rest_call *rest)
{
    struct kube_call *call = kube_of(rest);

    call->device = rest->device;
    call->op = rest->op;
    call->name = call->device->node != NULL ? call->device->node : rest->op->host;
    rest->done = call_done;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        if (strcmp(begins[i].verb, rest->op->verb->name) != 0) {
            continue;
        }
        if (begins[i].metal && call->device->metal_name == NULL) {
            nsh_rest_fail(rest, NSH_UNSUPPORTED, "%s needs bare_metal_host", begins[i].verb);
        } else if (!begins[i].metal && !kube_name_good(call->name)) {
            nsh_rest_fail(rest, NSH_INVALID, "\"%.64s\" is no name of a node; give it as node",
                          call->name);
        } else {
            begins[i].begin(call);
        }
        return;
    }
    nsh_rest_fail(rest, NSH_UNSUPPORTED, "no verb %s", rest->op->verb->name);
}

static int kubernetes_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct kube_call), call_begin, err);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "kubernetes",
    .version = "1",
    .summary = "Nodes of a Kubernetes cluster, and the power of Metal3's bare metal hosts.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = kubernetes_open,
    .start = kubernetes_start,
    .cancel = nsh_rest_cancel,
    .close = kubernetes_close,
};
