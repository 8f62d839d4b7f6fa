/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of the lab's Redfish service: method and path -> function, who may, and how errors
 * look. */

#include "lab.h"

#include <stdio.h>
#include <string.h>

#define SYSTEM "Systems/*"

static const struct route {
    const char *method, *path; /* Below /redfish/v1; '*' is one part. */
    enum lab_role role;
    lab_redfish_fn *run;
} routes[] = {
    {"GET", "", LAB_ROLE_NONE, lab_redfish_root},
    {"GET", "odata", LAB_ROLE_NONE, lab_redfish_odata},
    {"GET", "$metadata", LAB_ROLE_NONE, lab_redfish_metadata},
    {"POST", "SessionService/Sessions", LAB_ROLE_NONE, lab_redfish_login},
    {"GET", "SessionService", LAB_ROLE_READ, lab_redfish_session_service},
    {"GET", "SessionService/Sessions", LAB_ROLE_READ, lab_redfish_sessions},
    {"GET", "SessionService/Sessions/*", LAB_ROLE_READ, lab_redfish_session},
    {"DELETE", "SessionService/Sessions/*", LAB_ROLE_READ, lab_redfish_logout},
    {"GET", "Systems", LAB_ROLE_READ, lab_redfish_systems},
    {"GET", SYSTEM, LAB_ROLE_READ, lab_redfish_system},
    {"PATCH", SYSTEM, LAB_ROLE_OPERATE, lab_redfish_patch},
    {"GET", SYSTEM "/ResetActionInfo", LAB_ROLE_READ, lab_redfish_action_info},
    {"POST", SYSTEM "/Actions/ComputerSystem.Reset", LAB_ROLE_OPERATE, lab_redfish_reset},
    {"GET", SYSTEM "/LogServices", LAB_ROLE_READ, lab_redfish_log_services},
    {"GET", SYSTEM "/LogServices/SEL", LAB_ROLE_READ, lab_redfish_log},
    {"GET", SYSTEM "/LogServices/SEL/Entries", LAB_ROLE_READ, lab_redfish_entries},
    {"GET", SYSTEM "/LogServices/SEL/Entries/*", LAB_ROLE_READ, lab_redfish_entry},
    {"POST", SYSTEM "/LogServices/SEL/Actions/LogService.ClearLog", LAB_ROLE_OPERATE,
     lab_redfish_log_clear},
    {"GET", "Chassis", LAB_ROLE_READ, lab_redfish_chassis_all},
    {"GET", "Chassis/*", LAB_ROLE_READ, lab_redfish_chassis},
    {"PATCH", "Chassis/*", LAB_ROLE_OPERATE, lab_redfish_chassis_patch},
    {"GET", "Chassis/*/Power", LAB_ROLE_READ, lab_redfish_power},
    {"GET", "Chassis/*/Thermal", LAB_ROLE_READ, lab_redfish_thermal},
    {"GET", "Chassis/*/Sensors", LAB_ROLE_READ, lab_redfish_sensors},
    {"GET", "Chassis/*/Sensors/*", LAB_ROLE_READ, lab_redfish_sensor},
    {"GET", "Chassis/*/ThermalSubsystem", LAB_ROLE_READ, lab_redfish_thermal_subsystem},
    {"GET", "Chassis/*/PowerSubsystem", LAB_ROLE_READ, lab_redfish_power_subsystem},
    {"GET", "Chassis/*/PowerSubsystem/PowerSupplies", LAB_ROLE_READ, lab_redfish_supplies},
    {"GET", "Chassis/*/PowerSubsystem/PowerSupplies/*", LAB_ROLE_READ, lab_redfish_supply},
    {"GET", SYSTEM "/Memory", LAB_ROLE_READ, lab_redfish_memory},
    {"GET", SYSTEM "/Memory/*", LAB_ROLE_READ, lab_redfish_module},
    {"GET", "TelemetryService", LAB_ROLE_READ, lab_redfish_telemetry},
    {"GET", "TelemetryService/MetricReports", LAB_ROLE_READ, lab_redfish_reports},
    {"GET", "TelemetryService/MetricReports/*", LAB_ROLE_READ, lab_redfish_report},
    {"GET", "Registries", LAB_ROLE_READ, lab_redfish_registries},
    {"GET", "Registries/*", LAB_ROLE_READ, lab_redfish_registry_file},
    {"GET", "Managers", LAB_ROLE_READ, lab_redfish_managers},
    {"GET", "Managers/*", LAB_ROLE_READ, lab_redfish_manager},
    {"POST", "Managers/*/Actions/Manager.Reset", LAB_ROLE_ADMINISTER, lab_redfish_manager_reset},
    {"GET", "AccountService", LAB_ROLE_READ, lab_redfish_account_service},
    {"GET", "AccountService/Accounts", LAB_ROLE_READ, lab_redfish_accounts},
    {"GET", "AccountService/Accounts/*", LAB_ROLE_READ, lab_redfish_account},
    {"GET", "EventService", LAB_ROLE_READ, lab_redfish_event_service},
    {"GET", "EventService/Subscriptions", LAB_ROLE_READ, lab_redfish_subscriptions},
    {"POST", "EventService/Subscriptions", LAB_ROLE_OPERATE, lab_redfish_subscribe},
    {"GET", "EventService/Subscriptions/*", LAB_ROLE_READ, lab_redfish_subscription},
    {"DELETE", "EventService/Subscriptions/*", LAB_ROLE_OPERATE, lab_redfish_unsubscribe},
    {"GET", "EventService/SSE", LAB_ROLE_READ, lab_redfish_stream},
    {"GET", "TaskService", LAB_ROLE_READ, lab_redfish_tasks},
    {"GET", "TaskService/Tasks", LAB_ROLE_READ, lab_redfish_task_list},
    {"GET", "TaskService/Tasks/*", LAB_ROLE_READ, lab_redfish_task},
    {"GET", "TaskService/TaskMonitors/*", LAB_ROLE_READ, lab_redfish_task_monitor},
};

void lab_redfish_error(struct lab_redfish *redfish, int status, const char *key, const char *text)
{
    struct textbuf *body = &redfish->reply->body;

    textbuf_clear(body);
    redfish->reply->status = status;
    textbuf_addf(body, "{\"error\":{\"code\":\"Base.1.12.%s\",\"message\":", key);
    textbuf_add_json(body, text_of(text));
    textbuf_addf(body,
                 ",\"@Message.ExtendedInfo\":[{\"@odata.type\":\"#Message.v1_1_1.Message\","
                 "\"MessageId\":\"Base.1.12.%s\",\"Message\":",
                 key);
    textbuf_add_json(body, text_of(text));
    textbuf_addf(body, ",\"MessageArgs\":[],\"Severity\":\"%s\",\"Resolution\":\"None\"}]}}",
                 status >= 500 ? "Critical" : "Warning");
}

/* ---- paths ------------------------------------------------------------------------------ */

static bool path_split(struct lab_redfish *redfish)
{
    const char *at = redfish->request->path;

    if (strncmp(at, "/redfish/v1", 11) != 0 || (at[11] != '/' && at[11] != '\0')) {
        return false;
    }
    at += 11;
    while (*at != '\0') {
        at += strspn(at, "/");
        size_t count = strcspn(at, "/");
        if (count == 0) {
            break;
        }
        if (redfish->parts_count == sizeof redfish->parts / sizeof redfish->parts[0]) {
            return false;
        }
        redfish->parts[redfish->parts_count++] = (struct text){at, (uint32_t)count};
        at += count;
    }
    return true;
}

static bool route_matches(const struct route *route, const struct lab_redfish *redfish)
{
    const char *at = route->path;

    for (size_t i = 0; i < redfish->parts_count; i++) {
        size_t count = strcspn(at, "/");
        bool any = count == 1 && *at == '*';
        if (count == 0 ||
            (!any && !text_equal(redfish->parts[i], (struct text){at, (uint32_t)count}))) {
            return false;
        }
        at += count;
        at += *at == '/' ? 1 : 0;
    }
    return *at == '\0';
}

/* The host that a path below Systems/ID or Chassis/ID is about; false: there is none of that name.
 */
static bool path_host(struct lab_redfish *redfish)
{
    static const char prefix[] = "System.Embedded.";
    struct lab_bmc *bmc = redfish->bmc;
    int64_t number = 0;

    if (redfish->parts_count < 2 ||
        !(text_is(redfish->parts[0], "Systems") || text_is(redfish->parts[0], "Chassis"))) {
        redfish->host = bmc->hosts;
        return true;
    }
    struct text id = redfish->parts[1];
    if (!text_starts(id, prefix)) {
        return false;
    }
    id.at += sizeof prefix - 1;
    id.count -= (uint32_t)sizeof prefix - 1;
    if (!text_to_int(id, &number) || number < 1 || number > bmc->hosts_count) {
        return false;
    }
    redfish->host = &bmc->hosts[number - 1];
    return true;
}

/* ---- answering -------------------------------------------------------------------------- */

static const struct route *route_find(const struct lab_redfish *redfish, bool *ret_known)
{
    const char *method = redfish->request->method;

    *ret_known = false;
    if (strcmp(method, "HEAD") == 0) {
        method = "GET";
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (route_matches(&routes[i], redfish)) {
            *ret_known = true;
            if (strcmp(method, routes[i].method) == 0) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

static bool redfish_may(struct lab_redfish *redfish, const struct route *route)
{
    if (route->role == LAB_ROLE_NONE) {
        return true;
    }
    redfish->role = lab_redfish_authenticate(redfish->request);
    if (redfish->role == LAB_ROLE_NONE) {
        lab_redfish_error(redfish, 401, "AccessDenied", "Authentication is needed, or failed.");
        snprintf(redfish->reply->extra_room, sizeof redfish->reply->extra_room,
                 "WWW-Authenticate: Basic realm=\"RedfishService\"\r\n");
        return false;
    }
    if (redfish->role < route->role) {
        lab_redfish_error(redfish, 403, "InsufficientPrivilege",
                          "The account does not have the privilege for this.");
        return false;
    }
    return true;
}

/* A BMC may have no EventService, or one without a stream. */
static bool events_missing(const struct lab_redfish *redfish)
{
    uint8_t events = redfish->bmc->events;

    if (redfish->parts_count == 0 || !text_is(redfish->parts[0], "EventService")) {
        return false;
    }
    return (events & LAB_EVENTS_NONE) != 0 ||
           ((events & LAB_EVENTS_STREAM) == 0 && redfish->parts_count == 2 &&
            text_is(redfish->parts[1], "SSE"));
}

/* What is as the client knows it is not sent again. */
static void etag_compare(const struct lab_request *request, struct lab_reply *reply)
{
    char etag[32];

    if (reply->status != 200 || reply->stream != NULL || strcmp(request->method, "GET") != 0) {
        return;
    }
    if (reply->extra_room[0] == '\0') {
        struct text body = {reply->body.at, (uint32_t)reply->body.count};
        snprintf(reply->extra_room, sizeof reply->extra_room, "ETag: W/\"%016llx\"\r\n",
                 (unsigned long long)text_hash(body));
    }
    if (request->if_none_match == NULL || strncmp(reply->extra_room, "ETag: ", 6) != 0) {
        return;
    }
    snprintf(etag, sizeof etag, "%.*s", (int)strcspn(reply->extra_room + 6, "\r"),
             reply->extra_room + 6);
    if (strcmp(etag, request->if_none_match) == 0) {
        reply->status = 304;
        textbuf_clear(&reply->body);
    }
}

void lab_redfish_answer(const struct lab_request *request, struct lab_reply *reply)
{
    struct lab_redfish redfish = {.request = request, .reply = reply, .bmc = request->bmc};
    bool known = false;

    if (strcmp(request->path, "/redfish") == 0 || strcmp(request->path, "/redfish/") == 0) {
        lab_redfish_versions(&redfish);
        return;
    }
    if (!path_split(&redfish)) {
        lab_redfish_error(&redfish, 404, "ResourceMissingAtURI", "There is nothing here.");
        return;
    }
    const struct route *route = route_find(&redfish, &known);
    if (route == NULL) {
        lab_redfish_error(&redfish, known ? 405 : 404,
                          known ? "OperationNotAllowed" : "ResourceMissingAtURI",
                          known ? "The method is not allowed here." : "There is nothing here.");
        return;
    }
    if (!redfish_may(&redfish, route)) {
        return;
    }
    if ((request->bmc->modes & LAB_BUSY) != 0 && route->role != LAB_ROLE_NONE) {
        lab_redfish_error(&redfish, 503, "ServiceTemporarilyUnavailable",
                          "The service is temporarily unavailable.");
        snprintf(reply->extra_room, sizeof reply->extra_room, "Retry-After: %u\r\n",
                 request->bmc->retry_after_s);
        return;
    }
    if (!path_host(&redfish)) {
        lab_redfish_error(&redfish, 404, "ResourceMissingAtURI", "The resource does not exist.");
        return;
    }
    if (events_missing(&redfish)) {
        lab_redfish_error(&redfish, 404, "ResourceMissingAtURI", "There is nothing here.");
        return;
    }
    route->run(&redfish);
    etag_compare(request, reply);
}
