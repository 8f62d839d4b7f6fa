/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metal3: the power of a bare metal host is a wish in its spec, and what is true in its status. The
 * reboot annotation is taken away by the controller when the host was off; then it is switched on.
 */

#include "kubernetes.h"

#include <string.h>

#define REBOOT "reboot.metal3.io"

static const char *metal_path(struct kube_call *call, bool write)
{
    return nsh_pool_printf(&call->rest.pool,
                           "/apis/metal3.io/v1alpha1/namespaces/%s/baremetalhosts/%s%s",
                           call->device->metal_space, call->device->metal_name,
                           write ? "?fieldManager=nightshift" : "");
}

static void metal_send(struct kube_call *call, const char *patch,
                       void (*done)(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply))
{
    const char *path = metal_path(call, patch != NULL);

    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.method = patch == NULL ? "GET" : "PATCH",
                                             .path = path,
                                             .text = patch,
                                             .content_type = KUBE_MERGE_PATCH},
                  done);
}

/* Null: the call has ended. */
static const struct nsh_value *metal_of(struct kube_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        fail_write(call, reply);
        return NULL;
    }
    if (strcmp(nsh_at_text(reply->body, "metadata.name", ""), call->device->metal_name) != 0 ||
        nsh_at(reply->body, "spec") == NULL) {
        nsh_rest_fail(&call->rest, NSH_PROTOCOL, "%s: the answer is no bare metal host %s/%s",
                      nsh_rest_base(call->rest.rest), call->device->metal_space,
                      call->device->metal_name);
        return NULL;
    }
    return reply->body;
}

/* "on", "off"; "unknown": Metal3 has not looked yet. */
static const char *power_of(const struct nsh_value *metal)
{
    const struct nsh_value *on = nsh_at(metal, "status.poweredOn");

    return on == NULL || on->type != NSH_BOOL ? "unknown" : on->boolean ? "on" : "off";
}

static bool rebooting(const struct nsh_value *metal)
{
    return nsh_get(nsh_at(metal, "metadata.annotations"), REBOOT) != NULL;
}

static void metal_done(struct kube_call *call, const struct nsh_value *metal)
{
    struct nsh_member members[] = {
        {"power", nsh_text(power_of(metal))},
        {"changed", nsh_bool(call->changed)},
        {"state", nsh_text(nsh_at_text(metal, "status.provisioning.state", ""))},
        {"health", nsh_text(nsh_at_text(metal, "status.operationalStatus", ""))},
        {"error", nsh_text(nsh_at_text(metal, "status.errorMessage", ""))},
    };
    struct nsh_value result = nsh_map(members, 5);

    nsh_rest_done(&call->rest, &result);
}

/* ---- status ----------------------------------------------------------------------------- */

static void metal_status_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct nsh_value *metal = metal_of(call, reply);

    if (metal != NULL) {
        metal_done(call, metal);
    }
}

void metal_status_begin(struct kube_call *call)
{
    metal_send(call, NULL, metal_status_came);
}

/* ---- on, off, cycle --------------------------------------------------------------------- */

static void metal_aim(struct kube_call *call);

static void metal_wait_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply);

static void metal_look(struct nsh_rest_call *rest)
{
    metal_send(kube_of(rest), NULL, metal_wait_came);
}

/* Prove: the status says what the spec wants, and no reboot is under way. */
static void metal_wait_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct nsh_value *metal = metal_of(call, reply);

    if (metal == NULL) {
        return;
    }
    if (strcmp(power_of(metal), call->aim_on ? "on" : "off") != 0 || rebooting(metal)) {
        nsh_rest_wait(rest, metal_look, "bare metal host %s/%s: power is %s, wanted %s%s%s",
                      call->device->metal_space, call->device->metal_name, power_of(metal),
                      call->aim_on ? "on" : "off",
                      nsh_at_text(metal, "status.errorMessage", "")[0] == '\0' ? "" : ": ",
                      nsh_at_text(metal, "status.errorMessage", ""));
    } else if (call->then_on) {
        call->then_on = false;
        call->aim_on = true;
        metal_aim(call);
    } else {
        metal_done(call, metal);
    }
}

static void metal_patched(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);

    if (metal_of(call, reply) != NULL) {
        call->changed = true;
        metal_look(rest);
    }
}

static void metal_aim(struct kube_call *call)
{
    metal_send(call,
               call->aim_on ? "{\"spec\":{\"online\":true}}" : "{\"spec\":{\"online\":false}}",
               metal_patched);
}

static bool online(const struct nsh_value *metal)
{
    return nsh_at_bool(metal, "spec.online", false);
}

static void metal_aim_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct nsh_value *metal = metal_of(call, reply);

    if (metal == NULL) {
        return;
    }
    if (strcmp(power_of(metal), "off") == 0 && call->then_on) {
        call->then_on = false; /* Off already: only on. */
        call->aim_on = true;
    }
    if (online(metal) != call->aim_on) {
        metal_aim(call);
    } else if (strcmp(power_of(metal), call->aim_on ? "on" : "off") == 0 && !rebooting(metal)) {
        metal_done(call, metal);
    } else {
        metal_look(rest); /* Somebody wished so before us. */
    }
}

static void metal_begin(struct kube_call *call, bool on, bool then_on)
{
    call->aim_on = on;
    call->then_on = then_on;
    metal_send(call, NULL, metal_aim_came);
}

void metal_on_begin(struct kube_call *call)
{
    metal_begin(call, true, false);
}

void metal_off_begin(struct kube_call *call)
{
    metal_begin(call, false, false);
}

void metal_cycle_begin(struct kube_call *call)
{
    metal_begin(call, false, true);
}

/* ---- reboot ----------------------------------------------------------------------------- */

static void metal_reboot_came(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct kube_call *call = kube_of(rest);
    const struct nsh_value *metal = metal_of(call, reply);

    if (metal == NULL) {
        return;
    }
    bool hard = strcmp(call->op->verb->name, "reset.hard") == 0;
    if (!online(metal) || strcmp(power_of(metal), "off") == 0) {
        nsh_rest_fail(rest, NSH_CONFLICT, "bare metal host %s/%s is off: it cannot be restarted",
                      call->device->metal_space, call->device->metal_name);
        return;
    }
    call->aim_on = true;
    metal_send(
        call,
        hard ? "{\"metadata\":{\"annotations\":{\"" REBOOT "\":\"{\\\"mode\\\":\\\"hard\\\"}\"}}}"
             : "{\"metadata\":{\"annotations\":{\"" REBOOT "\":\"{\\\"mode\\\":\\\"soft\\\"}\"}}}",
        metal_patched);
}

void metal_soft_begin(struct kube_call *call)
{
    metal_send(call, NULL, metal_reboot_came);
}

void metal_hard_begin(struct kube_call *call)
{
    metal_send(call, NULL, metal_reboot_came);
}
