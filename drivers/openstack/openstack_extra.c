/* SPDX-License-Identifier: Apache-2.0 */
/* The cloud as a whole: room for more (Placement), a dead host reported (Masakari), the doctor. */

#include "openstack.h"

#include "abi/doctor.h"

#include <stdio.h>
#include <string.h>

#define CANDIDATES_MAX 1000 /* Asked for; more room than that is "1000". */

static bool verb_is(const struct nsh_rest_call *call, const char *name)
{
    return strcmp(call->op->verb->name, name) == 0;
}

/* ---- Placement --------------------------------------------------------------------------- */

static void capacity_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const struct nsh_value *requests = nsh_get(reply->body, "allocation_requests");
    const struct nsh_value *hosts = nsh_get(reply->body, "provider_summaries");
    if (reply->code != NSH_OK || requests == NULL || requests->type != NSH_LIST || hosts == NULL ||
        hosts->type != NSH_MAP) {
        openstack_nonsense(call, reply, "allocation candidates");
        return;
    }
    /* Each request is one place for one more of them. */
    const struct nsh_member members[] = {{"candidates", nsh_int(requests->count)},
                                         {"providers", nsh_int(hosts->count)}};
    struct nsh_value result = nsh_map(members, 2);
    nsh_rest_done(call, &result);
}

static void capacity_ask(struct nsh_rest_call *call)
{
    const struct nsh_value *args = call->op->args;
    const char *class = nsh_get_text(args, "resource_class", "");
    char amounts[128] = "", number[48];
    static const char *const names[][2] = {
        {"vcpus", "VCPU"}, {"memory_mb", "MEMORY_MB"}, {"disk_gb", "DISK_GB"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        long long amount = nsh_get_int(args, names[i][0], 0);
        if (amount > 0) {
            snprintf(number, sizeof number, "%s%s:%lld", amounts[0] == '\0' ? "" : ",", names[i][1],
                     amount);
            nsh_line_add(amounts, sizeof amounts, number, strlen(number));
        }
    }
    if (class[0] != '\0') {
        nsh_line_add(amounts, sizeof amounts, ",", amounts[0] == '\0' ? 0 : 1);
        nsh_line_add(amounts, sizeof amounts, class, strlen(class));
        nsh_line_add(amounts, sizeof amounts, ":1", 2);
    }
    char *resources = nsh_percent(&call->pool, amounts);
    if (resources == NULL || amounts[0] == '\0') {
        nsh_rest_fail(call, resources == NULL ? NSH_NOMEM : NSH_INVALID,
                      "%s: say how much: vcpus, memory_mb, disk_gb or resource_class",
                      nsh_rest_base(call->rest));
        return;
    }
    openstack_send(
        call, "GET", NULL, capacity_answered,
        "/allocation_candidates?limit=%d&resources=%s&required=%%21COMPUTE_STATUS_DISABLED",
        CANDIDATES_MAX, resources);
}

/* ---- Masakari ---------------------------------------------------------------------------- */

static void report_read(struct nsh_rest_call *call);

static void report_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    const struct nsh_value *notification = nsh_get(reply->body, "notification");
    const char *status = nsh_get_text(notification, "status", "");
    const char *id = nsh_get_text(notification, "notification_uuid", "");
    if (reply->code != NSH_OK || status[0] == '\0' || !openstack_is_uuid(id)) {
        openstack_nonsense(call, reply, "a notification");
        return;
    }
    snprintf(own->id, sizeof own->id, "%s", id);
    if (strcmp(status, "finished") == 0) {
        openstack_done(call, (const char *const[]){"state", status, "notification", id, NULL});
    } else if (strcmp(status, "new") == 0 || strcmp(status, "running") == 0 ||
               strcmp(status, "error") == 0) {
        /* After an error Masakari tries again by itself, until it says failed. */
        nsh_rest_wait(call, report_read, "notification %s is %s", id, status);
    } else {
        nsh_rest_fail(call, NSH_FAILED, "%s: notification %s ended as %s",
                      nsh_rest_base(call->rest), id, status);
    }
}

static void report_read(struct nsh_rest_call *call)
{
    openstack_send(call, "GET", NULL, report_answered, "/notifications/%s", openstack_of(call)->id);
}

/* host_status NORMAL says that the host is certainly off: who calls this has fenced it. */
static void report_send(struct nsh_rest_call *call)
{
    char time[NSH_TIME_BYTES];
    nsh_time_write(nsh_rest_unix_ms(call->rest), time);
    time[strlen(time) - 1] = '\0'; /* Without the Z, as its schema wants it. */
    const struct nsh_member payload[] = {{"event", nsh_text("STOPPED")},
                                         {"cluster_status", nsh_text("OFFLINE")},
                                         {"host_status", nsh_text("NORMAL")}};
    const struct nsh_member members[] = {{"type", nsh_text("COMPUTE_HOST")},
                                         {"hostname", nsh_text(openstack_device(call)->name)},
                                         {"generated_time", nsh_text(time)},
                                         {"payload", nsh_map(payload, 3)}};
    struct nsh_member outer = {"notification", nsh_map(members, 4)};
    struct nsh_value body = nsh_map(&outer, 1);
    openstack_send_value(call, "POST", &body, report_answered, "/notifications");
}

/* ---- the doctor -------------------------------------------------------------------------- */

/* Services that the catalogue names, one after the other; those of the device's object must be
 * there. */
struct openstack_doctor {
    struct nsh_checks checks;
    enum openstack_service at;
};

static enum openstack_service service_of(enum openstack_object object)
{
    return object == OS_NODE ? OS_BAREMETAL : OS_COMPUTE;
}

static void doctor_end(struct nsh_rest_call *call)
{
    nsh_rest_done_checks(call, &openstack_of(call)->doctor->checks);
}

static void doctor_object_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_checks *checks = &openstack_of(call)->doctor->checks;
    const struct nsh_device *device = openstack_device(call);
    static const char *const rights[OS_OBJECTS_COUNT] = {
        [OS_CLOUD] = "",
        [OS_SERVER] = "the user needs a role in the server's project (member or reader), or admin",
        [OS_HOST] = "services of compute hosts are for the role admin",
        [OS_NODE] = "nodes are for the roles baremetal_admin and admin, or system scope"};
    bool denied = reply->status == 403 || reply->status == 401;
    const char *hint = reply->code == NSH_OK ? NULL
                       : denied              ? rights[device->object]
                                             : "look at the name in the inventory";
    nsh_check_add(checks, "object", reply->code == NSH_OK ? NSH_CHECK_OK : NSH_CHECK_FAILED, hint,
                  "%s: %s", device->name, reply->code == NSH_OK ? "readable" : reply->text);
    if (device->object == OS_HOST && reply->code == NSH_OK &&
        nsh_at_count(reply->body, "services") == 0) {
        nsh_check_add(checks, "object", NSH_CHECK_FAILED, "look at the name in the inventory",
                      "no nova-compute service on %s", device->name);
    }
    doctor_end(call);
}

static void doctor_object(struct nsh_rest_call *call)
{
    const struct nsh_device *device = openstack_device(call);
    if (device->object == OS_NODE) {
        openstack_send(call, "GET", NULL, doctor_object_answered, "/v1/nodes/%s?fields=uuid",
                       device->path);
    } else if (device->object == OS_HOST) {
        openstack_send(call, "GET", NULL, doctor_object_answered,
                       "/os-services?binary=nova-compute&host=%s", device->path);
    } else {
        openstack_send(call, "GET", NULL, doctor_object_answered,
                       openstack_is_uuid(device->name) ? "/servers/%s" : "/servers?name=%s",
                       device->path);
    }
}

static void doctor_logged_in(struct nsh_rest_call *call)
{
    struct nsh_checks *checks = &openstack_of(call)->doctor->checks;
    const struct openstack_session *session = nsh_rest_session(call->rest);
    const struct nsh_device *device = openstack_device(call);
    const struct nsh_value *settings = nsh_rest_settings(call->rest);
    int64_t skew_ms = nsh_rest_unix_ms(call->rest) - device->services->unix_ms(device->services);
    if (session->roles[0] != '\0') {
        nsh_check_add(checks, "roles", NSH_CHECK_OK, NULL, "%s", session->roles);
    }
    nsh_check_add(checks, "clock", skew_ms == 0 ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  skew_ms == 0 ? NULL : "run a time service on both", "differs by %lld s",
                  (long long)(skew_ms / 1000));
    if (nsh_get_text(settings, "password", "")[0] != '\0' &&
        nsh_get_text(settings, "baremetal_url", "")[0] == '\0') {
        nsh_check_add(checks, "credential", NSH_CHECK_WARNING,
                      "an application credential with access rules can do less, and be revoked "
                      "alone",
                      "a user's password");
    }
    for (size_t i = 0; i < OS_SERVICES_COUNT; i++) {
        bool needed = device->object != OS_CLOUD && i == service_of(device->object);
        bool there = session->urls[i] != NULL;
        nsh_check_add(checks, openstack_service_word((enum openstack_service)i),
                      there    ? NSH_CHECK_OK
                      : needed ? NSH_CHECK_FAILED
                               : NSH_CHECK_SKIPPED,
                      needed && !there ? "look at region and interface" : NULL, "%s",
                      there ? session->urls[i] : "not in the catalogue");
    }
    if (device->object == OS_CLOUD || session->urls[service_of(device->object)] == NULL) {
        doctor_end(call);
    } else {
        openstack_use(call, service_of(device->object), doctor_object);
    }
}

static void doctor_begin(struct nsh_rest_call *call)
{
    struct openstack_call *own = openstack_of(call);
    own->doctor = nsh_pool_alloc(&call->pool, sizeof *own->doctor);
    if (own->doctor == NULL) {
        nsh_rest_fail_nomem(call);
        return;
    }
    nsh_rest_ready(call, doctor_logged_in);
}

/* ---- which ------------------------------------------------------------------------------- */

bool openstack_cloud_begin(struct nsh_rest_call *call)
{
    bool host = openstack_device(call)->object == OS_HOST;
    if (verb_is(call, "openstack.doctor")) {
        doctor_begin(call);
    } else if (verb_is(call, "openstack.capacity")) {
        openstack_use(call, OS_PLACEMENT, capacity_ask);
    } else if (verb_is(call, "openstack.report_failure") && host) {
        openstack_use(call, OS_HA, report_send);
    } else {
        return false;
    }
    return true;
}
