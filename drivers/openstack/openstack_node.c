/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Ironic node. Ironic takes a request when no other holds the node's lock (409 else: come
 * back), does it in the background, and tells the aim as target_*_state until it is over. A
 * provision state is reached by a path of requests (enroll, manageable, available, active); each is
 * awaited before the next.
 */

#include "openstack.h"

#include <stdio.h>
#include <string.h>

#define LOCKED_RETRY_MS 5000 /* What Ironic's own client waits. */
#define STEPS_MAX 6          /* Of a path; the longest has three. */

static bool verb_is(const struct nsh_rest_call *call, const char *name)
{
    return strcmp(call->op->verb->name, name) == 0;
}

static void node_read(struct nsh_rest_call *call);
static void node_decide(struct nsh_rest_call *call, const struct openstack_node *node);

static void node_done(struct nsh_rest_call *call, const struct openstack_node *node)
{
    openstack_done(call, (const char *const[]){"power", openstack_node_power(node), "state",
                                               node->provision, "maintenance",
                                               node->maintenance ? "yes" : "no", "fault",
                                               node->fault[0] == '\0' ? NULL : node->fault, NULL});
}

/* 409: another operation holds the node. Nothing was done. */
static void node_refused(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_reply told = *reply;
    if (reply->status == 409) {
        told.code = NSH_BUSY;
        told.retry_after_ms = reply->retry_after_ms == 0 ? LOCKED_RETRY_MS : reply->retry_after_ms;
    }
    nsh_rest_fail_reply(call, &told);
}

static void asked_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        node_refused(call, reply);
        return;
    }
    openstack_of(call)->asked = true;
    node_read(call);
}

static void put(struct nsh_rest_call *call, const char *what, const struct nsh_member *members,
                size_t count)
{
    struct nsh_value body = nsh_map(members, count);
    openstack_send_value(call, "PUT", &body, asked_answered, "/v1/nodes/%s/%s",
                         openstack_device(call)->path, what);
}

/* ---- power ------------------------------------------------------------------------------- */

static const struct power {
    const char *verb, *target, *wanted;
    bool soft;
} powers[] = {
    {"power.on", "power on", "power on", false},
    {"power.off", "power off", "power off", false},
    {"power.cycle", "power off", "power off", false},
    {"reset.soft", "soft rebooting", "power on", true},
    {"reset.hard", "rebooting", "power on", false},
    {"openstack.soft_off", "soft power off", "power off", true},
};

static const struct power *power_of(struct nsh_rest_call *call)
{
    if (openstack_of(call)->second) {
        return &powers[0];
    }
    for (size_t i = 0; i < sizeof powers / sizeof powers[0]; i++) {
        if (verb_is(call, powers[i].verb)) {
            return &powers[i];
        }
    }
    return NULL;
}

static void power_send(struct nsh_rest_call *call, const struct power *power)
{
    /* Ironic gives up on a soft one after this, and before we do. */
    int64_t seconds = nsh_rest_left_ms(call) / 1000 - 5;
    const struct nsh_member members[] = {{"target", nsh_text(power->target)},
                                         {"timeout", nsh_int(seconds < 1 ? 1 : seconds)}};
    openstack_of(call)->wanted = power->wanted;
    put(call, "states/power", members, power->soft ? 2 : 1);
}

static void power_settled(struct nsh_rest_call *call, const struct openstack_node *node)
{
    struct openstack_call *own = openstack_of(call);
    if (node->target_power[0] != '\0') {
        nsh_rest_wait(call, node_read, "the node is %s, on its way to %s", node->power,
                      node->target_power);
    } else if (strcmp(node->power, own->wanted) != 0) {
        nsh_rest_fail(call, NSH_FAILED, "%s: node %s is %s, not %s: %s", nsh_rest_base(call->rest),
                      openstack_device(call)->name, node->power[0] == '\0' ? "?" : node->power,
                      own->wanted, node->error[0] == '\0' ? "no reason given" : node->error);
    } else if (node->error[0] != '\0') {
        nsh_rest_fail(call, NSH_FAILED, "%s: node %s: %s", nsh_rest_base(call->rest),
                      openstack_device(call)->name, node->error);
    } else if (verb_is(call, "power.cycle") && !own->second) {
        own->second = true;
        power_send(call, power_of(call));
    } else {
        node_done(call, node);
    }
}

static void power_decide(struct nsh_rest_call *call, const struct openstack_node *node)
{
    const struct power *power = power_of(call);
    bool reset = strncmp(call->op->verb->name, "reset.", 6) == 0;
    bool there = strcmp(node->power, power->wanted) == 0 && node->target_power[0] == '\0';
    if (there && verb_is(call, "power.cycle")) {
        openstack_of(call)->second = true; /* It is off: switch it on. */
        power = power_of(call);
    } else if (there && !reset) {
        node_done(call, node);
        return;
    }
    power_send(call, power);
}

/* ---- provision states -------------------------------------------------------------------- */

/* From a state towards an aim: what to ask for, and where that leads. */
static const struct step {
    const char *aim, *from, *target, *to;
} steps[] = {
    {"active", "enroll", "manage", "manageable"},
    {"active", "manageable", "provide", "available"},
    {"active", "available", "active", "active"},
    {"active", "deploy failed", "active", "active"},
    {"active", "inspect failed", "manage", "manageable"},
    {"active", "clean failed", "manage", "manageable"},
    {"active", "rescue", "unrescue", "active"},
    {"available", "enroll", "manage", "manageable"},
    {"available", "manageable", "provide", "available"},
    {"available", "inspect failed", "manage", "manageable"},
    {"available", "clean failed", "manage", "manageable"},
    {"available", "active", "deleted", "available"},
    {"available", "deploy failed", "deleted", "available"},
    {"available", "error", "deleted", "available"},
    {"available", "rescue", "deleted", "available"},
    {"available", "rescue failed", "deleted", "available"},
    {"available", "unrescue failed", "deleted", "available"},
    {"manageable", "enroll", "manage", "manageable"},
    {"manageable", "available", "manage", "manageable"},
    {"manageable", "inspect failed", "manage", "manageable"},
    {"manageable", "clean failed", "manage", "manageable"},
    {"manageable", "adopt failed", "manage", "manageable"},
    {"rescue", "active", "rescue", "rescue"},
    {"rescue", "rescue failed", "rescue", "rescue"},
};

static const struct {
    const char *verb, *aim;
} aims[] = {
    {"provision", "active"},
    {"release", "available"},
    {"openstack.provide", "available"},
    {"openstack.manage", "manageable"},
    {"openstack.rescue", "rescue"},
    {"openstack.unrescue", "active"},
};

static const char *aim_of(const struct nsh_rest_call *call)
{
    for (size_t i = 0; i < sizeof aims / sizeof aims[0]; i++) {
        if (verb_is(call, aims[i].verb)) {
            return aims[i].aim;
        }
    }
    return NULL;
}

static const struct step *step_of(const struct nsh_rest_call *call, const char *state)
{
    const char *aim = aim_of(call);
    bool retires = verb_is(call, "release"), rescued = verb_is(call, "openstack.unrescue");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        bool destroys = strcmp(steps[i].target, "deleted") == 0;
        if (strcmp(steps[i].aim, aim) != 0 || strcmp(steps[i].from, state) != 0 ||
            (destroys && !retires) || (rescued && strcmp(steps[i].from, "rescue") != 0)) {
            continue; /* Only release gives an instance up; unrescue deploys nothing. */
        }
        return &steps[i];
    }
    return NULL;
}

static void step_send(struct nsh_rest_call *call, const struct step *step)
{
    const char *password = nsh_get_text(&openstack_device(call)->settings, "rescue_password", "");
    const struct nsh_member members[] = {{"target", nsh_text(step->target)},
                                         {"rescue_password", nsh_text(password)}};
    bool rescue = strcmp(step->target, "rescue") == 0;
    if (rescue && password[0] == '\0') {
        nsh_rest_fail(call, NSH_INVALID, "%s: to rescue, the setting rescue_password is needed",
                      nsh_rest_base(call->rest));
        return;
    }
    openstack_of(call)->wanted = step->to;
    put(call, "states/provision", members, rescue ? 2 : 1);
}

static void image_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        node_refused(call, reply);
        return;
    }
    openstack_of(call)->created = true; /* The image is set. */
    node_read(call);
}

/* What is deployed, when the policy says so; else what the node was told before. */
static bool image_send(struct nsh_rest_call *call)
{
    static const char *const names[][2] = {{"image", "image_source"},
                                           {"checksum", "image_checksum"}};
    struct nsh_member patches[2][3];
    struct nsh_value items[2];
    char paths[2][64];
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *text = nsh_get_text(call->op->args, names[i][0], "");
        if (text[0] == '\0') {
            continue;
        }
        snprintf(paths[count], sizeof paths[count], "/instance_info/%s", names[i][1]);
        patches[count][0] = (struct nsh_member){"op", nsh_text("add")};
        patches[count][1] = (struct nsh_member){"path", nsh_text(paths[count])};
        patches[count][2] = (struct nsh_member){"value", nsh_text(text)};
        items[count] = nsh_map(patches[count], 3);
        count++;
    }
    if (count == 0) {
        return false;
    }
    struct nsh_value body = nsh_list(items, count);
    openstack_send_value(call, "PATCH", &body, image_answered, "/v1/nodes/%s",
                         openstack_device(call)->path);
    return true;
}

/* States that a node stays in until it is asked; all others are on their way. */
static bool is_stable(const char *state)
{
    static const char *const states[] = {"enroll", "manageable", "available", "active", "rescue"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i]) == 0) {
            return true;
        }
    }
    return openstack_node_failed(state);
}

static void provision_decide(struct nsh_rest_call *call, const struct openstack_node *node)
{
    struct openstack_call *own = openstack_of(call);
    const char *aim = aim_of(call), *state = node->provision;
    bool spare = verb_is(call, "release") && strcmp(state, "manageable") == 0;
    if (!is_stable(state)) {
        nsh_rest_fail(call, NSH_BUSY, "%s: node %s is %s, on its way to %s",
                      nsh_rest_base(call->rest), openstack_device(call)->name, state,
                      node->target_provision);
        return;
    }
    if (strcmp(state, aim) == 0 || spare) {
        node_done(call, node); /* A retired node is given back as manageable. */
        return;
    }
    const struct step *step = step_of(call, state);
    if (step == NULL || ++own->steps > STEPS_MAX) {
        nsh_rest_fail(call, NSH_CONFLICT, "%s: node %s is %s: %s does not lead from there%s%s",
                      nsh_rest_base(call->rest), openstack_device(call)->name, state,
                      call->op->verb->name, node->error[0] == '\0' ? "" : ": ", node->error);
        return;
    }
    bool deploys = strcmp(step->target, "active") == 0 && verb_is(call, "provision");
    if (deploys && !own->created && image_send(call)) {
        return;
    }
    step_send(call, step);
}

static void provision_settled(struct nsh_rest_call *call, const struct openstack_node *node)
{
    struct openstack_call *own = openstack_of(call);
    const char *state = node->provision;
    if (strcmp(state, own->wanted) == 0 || strcmp(state, aim_of(call)) == 0 ||
        (verb_is(call, "release") && strcmp(state, "manageable") == 0)) {
        provision_decide(call, node);
    } else if (is_stable(state)) {
        nsh_rest_fail(call, NSH_FAILED, "%s: node %s is %s, not %s: %s", nsh_rest_base(call->rest),
                      openstack_device(call)->name, state, own->wanted,
                      node->error[0] == '\0' ? "no reason given" : node->error);
    } else {
        nsh_rest_wait(call, node_read, "the node is %s, on its way to %s", state,
                      node->target_provision);
    }
}

/* ---- maintenance ------------------------------------------------------------------------- */

static void maintenance_decide(struct nsh_rest_call *call, const struct openstack_node *node)
{
    bool on = nsh_get_bool(call->op->args, "on", true);
    if (openstack_of(call)->asked && node->maintenance != on) {
        nsh_rest_wait(call, node_read, "maintenance is still %s", on ? "off" : "on");
    } else if (node->maintenance == on) {
        node_done(call, node);
    } else if (on) {
        char reason[256];
        snprintf(reason, sizeof reason, "nightshift: %.200s",
                 nsh_get_text(call->op->args, "reason", ""));
        put(call, "maintenance", &(struct nsh_member){"reason", nsh_text(reason)}, 1);
    } else {
        openstack_send(call, "DELETE", NULL, asked_answered, "/v1/nodes/%s/maintenance",
                       openstack_device(call)->path);
    }
}

/* ---- reading and deciding ---------------------------------------------------------------- */

static void node_decide(struct nsh_rest_call *call, const struct openstack_node *node)
{
    bool asked = openstack_of(call)->asked;
    if (call->op->verb->effect == NSH_READS) {
        node_done(call, node);
    } else if (verb_is(call, "openstack.maintenance")) {
        maintenance_decide(call, node);
    } else if (aim_of(call) != NULL) {
        (asked ? provision_settled : provision_decide)(call, node);
    } else {
        (asked ? power_settled : power_decide)(call, node);
    }
}

static void node_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_node node;
    if (reply->code != NSH_OK || !openstack_node_read(reply->body, &node)) {
        openstack_nonsense(call, reply, "a node");
        return;
    }
    node_decide(call, &node);
}

static void node_read(struct nsh_rest_call *call)
{
    openstack_send(call, "GET", NULL, node_answered,
                   "/v1/nodes/%s?fields=power_state,target_power_state,provision_state,"
                   "target_provision_state,maintenance,fault,last_error",
                   openstack_device(call)->path);
}

bool openstack_node_begin(struct nsh_rest_call *call)
{
    bool known = verb_is(call, "power.status") || verb_is(call, "probe") ||
                 verb_is(call, "openstack.maintenance") || aim_of(call) != NULL ||
                 power_of(call) != NULL;
    if (known) {
        openstack_use(call, OS_BAREMETAL, node_read);
    }
    return known;
}
