/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One compute host, by its nova-compute service. Disabled: nothing new is scheduled there. Forced
 * down: Nova believes that it is dead, and lets its servers be rebuilt elsewhere: only for a host
 * that was fenced, else two hosts write the same disks.
 */

#include "openstack.h"

#include <stdio.h>
#include <string.h>

#define RAISE_RETRY_MS 10000 /* A nova-compute starts in some seconds. */

static bool verb_is(const struct nsh_rest_call *call, const char *name)
{
    return strcmp(call->op->verb->name, name) == 0;
}

static void service_read(struct nsh_rest_call *call);

/* What a service says of itself. */
static void service_done(struct nsh_rest_call *call, const struct nsh_value *service)
{
    bool forced = nsh_get_bool(service, "forced_down", false);
    bool disabled = strcmp(nsh_get_text(service, "status", ""), "disabled") == 0;
    openstack_done(call,
                   (const char *const[]){"service", nsh_get_text(service, "state", "unknown"),
                                         "scheduling", disabled ? "disabled" : "enabled",
                                         "forced_down", forced ? "yes" : "no", "compute_host",
                                         nsh_get_text(service, "host", ""), "reason",
                                         nsh_get_text(service, "disabled_reason", NULL), NULL});
}

void openstack_service_put(struct nsh_rest_call *call, const char *body, openstack_answered *done)
{
    openstack_send(call, "PUT", body, done, "/os-services/%s", openstack_of(call)->id);
}

/*
 * "Unable to force up": after an evacuation Nova wants to see the host's nova-compute start first,
 * and forget the servers that were rebuilt elsewhere. It will; until then nothing is done.
 */
static bool raise_refused(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_reply told = *reply;
    if (reply->status != 400 || strstr(reply->words, "Unable to force up") == NULL) {
        return false;
    }
    told.code = NSH_BUSY;
    told.retry_after_ms = RAISE_RETRY_MS;
    nsh_rest_fail_reply(call, &told);
    return true;
}

static void put_done(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_value *service = nsh_get(reply->body, "service");
    if (raise_refused(call, reply)) {
        return;
    }
    if (reply->code != NSH_OK || service == NULL) {
        openstack_nonsense(call, reply, "a service that was changed");
    } else {
        service_done(call, service);
    }
}

/* ---- taking a host out of scheduling ---------------------------------------------------- */

static void disabled_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (verb_is(call, "drain")) {
        openstack_move_begin(call, false);
    } else {
        put_done(call, reply);
    }
}

static void disable(struct nsh_rest_call *call)
{
    char reason[200];
    snprintf(reason, sizeof reason, "nightshift: %s %s", call->op->verb->name,
             call->op->token == NULL ? "" : call->op->token);
    const struct nsh_member members[] = {{"status", nsh_text("disabled")},
                                         {"disabled_reason", nsh_text(reason)}};
    struct nsh_value body = nsh_map(members, 2);
    openstack_send_value(call, "PUT", &body, disabled_answered, "/os-services/%s",
                         openstack_of(call)->id);
}

/* ---- and back ---------------------------------------------------------------------------- */

static void raised_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (raise_refused(call, reply)) {
        return;
    }
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else {
        openstack_service_put(call, "{\"status\":\"enabled\"}", put_done);
    }
}

/* A service that was enabled first would be given servers while Nova holds it for dead. */
static void enable(struct nsh_rest_call *call, const struct nsh_value *service)
{
    if (nsh_get_bool(service, "forced_down", false)) {
        openstack_service_put(call, "{\"forced_down\":false}", raised_answered);
    } else if (strcmp(nsh_get_text(service, "status", ""), "enabled") == 0) {
        service_done(call, service);
    } else {
        openstack_service_put(call, "{\"status\":\"enabled\"}", put_done);
    }
}

/* ---- a dead host -------------------------------------------------------------------------- */

static void lowered_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else {
        openstack_move_begin(call, true);
    }
}

static void evacuate(struct nsh_rest_call *call, const struct nsh_value *service)
{
    bool forced = nsh_get_bool(service, "forced_down", false);
    bool down = strcmp(nsh_get_text(service, "state", ""), "down") == 0;
    if (forced || down) {
        openstack_move_begin(call, true);
    } else if (nsh_get_bool(call->op->args, "fenced", false)) {
        openstack_service_put(call, "{\"forced_down\":true}", lowered_answered);
    } else {
        nsh_rest_fail(call, NSH_CONFLICT,
                      "%s: the service of %s is %s: nothing is rebuilt elsewhere while it may run "
                      "(fence it, then say fenced = true)",
                      nsh_rest_base(call->rest), openstack_device(call)->name,
                      nsh_get_text(service, "state", "unknown"));
    }
}

/* ---- deciding ---------------------------------------------------------------------------- */

static void service_decide(struct nsh_rest_call *call, const struct nsh_value *service)
{
    bool disabled = strcmp(nsh_get_text(service, "status", ""), "disabled") == 0;
    if (call->op->verb->effect == NSH_READS) {
        service_done(call, service);
    } else if (verb_is(call, "drain") && disabled) {
        openstack_move_begin(call, false);
    } else if (verb_is(call, "openstack.disable") && disabled) {
        service_done(call, service);
    } else if (verb_is(call, "drain") || verb_is(call, "openstack.disable")) {
        disable(call);
    } else if (verb_is(call, "undrain")) {
        enable(call, service);
    } else if (verb_is(call, "evacuate")) {
        evacuate(call, service);
    } else {
        bool down = nsh_get_bool(call->op->args, "down", true);
        openstack_service_put(call, down ? "{\"forced_down\":true}" : "{\"forced_down\":false}",
                              put_done);
    }
}

static void service_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    const char *name = openstack_device(call)->name;
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    const struct nsh_value *services = nsh_get(reply->body, "services");
    if (services == NULL || services->type != NSH_LIST) {
        openstack_nonsense(call, reply, "a list of services");
        return;
    }
    for (uint32_t i = 0; i < services->count; i++) {
        const struct nsh_value *service = &services->items[i];
        const char *id = nsh_get_text(service, "id", "");
        if (strcmp(nsh_get_text(service, "host", ""), name) != 0 ||
            strcmp(nsh_get_text(service, "binary", ""), "nova-compute") != 0) {
            continue;
        }
        if (strcmp(nsh_get_text(service, "status", "UNKNOWN"), "UNKNOWN") == 0) {
            /* Its cell does not answer: that says nothing about the host. */
            nsh_rest_fail(call, NSH_UNREACHABLE, "%s: Nova cannot reach the cell of %s",
                          nsh_rest_base(call->rest), name);
            return;
        }
        if (!openstack_is_uuid(id)) {
            openstack_nonsense(call, reply, "a service without an id");
            return;
        }
        snprintf(own->id, sizeof own->id, "%s", id);
        service_decide(call, service);
        return;
    }
    nsh_rest_fail(call, NSH_NOT_FOUND, "%s: no nova-compute service on a host %s",
                  nsh_rest_base(call->rest), name);
}

static void service_read(struct nsh_rest_call *call)
{
    openstack_send(call, "GET", NULL, service_answered, "/os-services?binary=nova-compute&host=%s",
                   openstack_device(call)->path);
}

bool openstack_host_begin(struct nsh_rest_call *call)
{
    static const char *const verbs[] = {
        "probe", "drain", "undrain", "evacuate", "openstack.disable", "openstack.force_down"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (verb_is(call, verbs[i])) {
            openstack_use(call, OS_COMPUTE, service_read);
            return true;
        }
    }
    return false;
}
