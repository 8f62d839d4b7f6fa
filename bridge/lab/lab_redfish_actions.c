/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done through the lab's Redfish service: Reset, PATCH of the locator LED, tasks,
 * clearing the log. */

#include "lab.h"

#include "base/arena.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* ---- tasks ------------------------------------------------------------------------------ */

void lab_redfish_tasks(struct lab_redfish *redfish)
{
    textbuf_add_chars(&redfish->reply->body,
                      "{\"@odata.id\":\"/redfish/v1/TaskService\","
                      "\"@odata.type\":\"#TaskService.v1_2_0.TaskService\",\"Id\":\"TaskService\","
                      "\"Name\":\"Task Service\",\"ServiceEnabled\":true,"
                      "\"Tasks\":{\"@odata.id\":\"/redfish/v1/TaskService/Tasks\"}}");
}

void lab_redfish_task_list(struct lab_redfish *redfish)
{
    const struct lab_tokens *tokens = redfish->bmc->tokens;
    struct textbuf *body = &redfish->reply->body;
    size_t count = 0;

    textbuf_add_chars(body, "{\"@odata.id\":\"/redfish/v1/TaskService/Tasks\","
                            "\"@odata.type\":\"#TaskCollection.TaskCollection\","
                            "\"Name\":\"Task Collection\",\"Members\":[");
    for (size_t i = 0; tokens != NULL && i < LAB_TASKS_MAX; i++) {
        if (tokens->tasks[i].id != 0) {
            textbuf_addf(body, "%s{\"@odata.id\":\"/redfish/v1/TaskService/Tasks/%u\"}",
                         count++ == 0 ? "" : ",", tokens->tasks[i].id);
        }
    }
    textbuf_addf(body, "],\"Members@odata.count\":%zu}", count);
}

static void task_body(struct lab_redfish *redfish, uint32_t id, bool done)
{
    textbuf_addf(&redfish->reply->body,
                 "{\"@odata.id\":\"/redfish/v1/TaskService/Tasks/%u\","
                 "\"@odata.type\":\"#Task.v1_6_0.Task\",\"Id\":\"%u\",\"Name\":\"Reset\","
                 "\"TaskState\":\"%s\",\"TaskStatus\":\"OK\",\"PercentComplete\":%d,"
                 "\"TaskMonitor\":\"/redfish/v1/TaskService/TaskMonitors/%u\"}",
                 id, id, done ? "Completed" : "Running", done ? 100 : 50, id);
}

static int task_find(const struct lab_redfish *redfish)
{
    const struct lab_tokens *tokens = redfish->bmc->tokens;
    int64_t id = 0;

    text_to_int(redfish->parts[redfish->parts_count - 1], &id);
    for (int i = 0; tokens != NULL && id != 0 && i < LAB_TASKS_MAX; i++) {
        if (tokens->tasks[i].id == id) {
            return i;
        }
    }
    return -1;
}

static bool task_done(const struct lab_redfish *redfish, int index)
{
    return lab_clock_now_ms(redfish->bmc->lab) >= redfish->bmc->tokens->tasks[index].due_ms;
}

void lab_redfish_task(struct lab_redfish *redfish)
{
    int index = task_find(redfish);

    if (index < 0) {
        lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The task does not exist.");
        return;
    }
    task_body(redfish, redfish->bmc->tokens->tasks[index].id, task_done(redfish, index));
}

static void task_accepted(struct lab_redfish *redfish, uint32_t id)
{
    redfish->reply->status = 202;
    snprintf(redfish->reply->extra_room, sizeof redfish->reply->extra_room,
             "Location: /redfish/v1/TaskService/TaskMonitors/%u\r\nRetry-After: 1\r\n", id);
    task_body(redfish, id, false);
}

void lab_redfish_task_monitor(struct lab_redfish *redfish)
{
    int index = task_find(redfish);

    if (index < 0) {
        lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The task monitor is gone.");
        return;
    }
    if (!task_done(redfish, index)) {
        task_accepted(redfish, redfish->bmc->tokens->tasks[index].id);
        return;
    }
    redfish->bmc->tokens->tasks[index].id = 0; /* The result is given once. */
    redfish->reply->status = 204;
}

static void task_start(struct lab_redfish *redfish)
{
    struct lab_tokens *tokens = lab_redfish_tokens(redfish->bmc);
    const struct lab *lab = redfish->bmc->lab;

    if (tokens == NULL) {
        redfish->reply->status = 204;
        return;
    }
    uint32_t id = ++tokens->task_next;
    tokens->tasks[id % LAB_TASKS_MAX].id = id;
    tokens->tasks[id % LAB_TASKS_MAX].due_ms =
        lab_clock_now_ms(lab) + lab->options.off_ms + lab->options.on_ms;
    task_accepted(redfish, id);
}

/* ---- reset ------------------------------------------------------------------------------ */

static const struct reset {
    const char *type;
    enum lab_order order;
    bool needs_on, needs_off;
} resets[] = {
    {"On", LAB_ORDER_ON, false, true},
    {"ForceOff", LAB_ORDER_OFF, true, false},
    {"GracefulShutdown", LAB_ORDER_SOFT_OFF, true, false},
    {"GracefulRestart", LAB_ORDER_SOFT_RESET, true, false},
    {"ForceRestart", LAB_ORDER_RESET, true, false},
    {"PowerCycle", LAB_ORDER_CYCLE, true, false},
    {"Nmi", LAB_ORDER_NMI, true, false},
    {"PushPowerButton", LAB_ORDER_SOFT_OFF, false, false},
};

static const struct reset *reset_find(const char *type)
{
    for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++) {
        if (strcmp(resets[i].type, type) == 0) {
            return &resets[i];
        }
    }
    return NULL;
}

void lab_redfish_reset(struct lab_redfish *redfish)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct lab_request *request = redfish->request;
    struct lab_host *host = redfish->host;
    struct nsh_value body;

    if (json_parse(request->body, request->body_bytes, &arena, &body, NULL) < 0) {
        lab_redfish_error(redfish, 400, "MalformedJSON", "The request body is not JSON.");
        return;
    }
    const char *type = nsh_get_text(&body, "ResetType", NULL);
    if (type == NULL) {
        lab_redfish_error(redfish, 400, "ActionParameterMissing",
                          "The action requires that the parameter ResetType be present.");
        return;
    }
    const struct reset *reset = reset_find(type);
    if (reset == NULL) {
        lab_ledger_add(redfish->bmc->lab, host, "redfish", type, "400", "none");
        lab_redfish_error(redfish, 400, "ActionParameterValueNotInList",
                          "The value for the parameter ResetType is not in the list of "
                          "acceptable values.");
        return;
    }
    unsigned power = lab_physics_shown(host);
    bool on = power == LAB_ON || power == LAB_TURNING_ON;
    if ((on && reset->needs_off) || (!on && reset->needs_on)) {
        lab_ledger_add(redfish->bmc->lab, host, "redfish", type, "409", "none");
        lab_redfish_error(redfish, 409, "ActionParameterValueConflict",
                          on ? "The host is powered on already." : "The host is powered off.");
        return;
    }
    enum lab_order order = !on && reset->order == LAB_ORDER_SOFT_OFF ? LAB_ORDER_ON : reset->order;
    bool task = redfish->bmc->lab->options.tasks;
    lab_physics_order(host, order, "redfish", type, task ? "202" : "204");
    if (redfish->bmc->swallow) {
        redfish->bmc->swallow = false;
        redfish->reply->status = 0;
    } else if (task) {
        task_start(redfish);
    } else {
        redfish->reply->status = 204;
    }
}

/* ---- PATCH ------------------------------------------------------------------------------ */

static bool patch_precondition(struct lab_redfish *redfish)
{
    const char *match = redfish->request->if_match;
    char etag[16];

    snprintf(etag, sizeof etag, "\"%u\"", redfish->host->etag);
    if (match == NULL && redfish->bmc->lab->options.etag_required) {
        lab_redfish_error(redfish, 428, "PreconditionRequired", "If-Match is required.");
        return false;
    }
    if (match != NULL && strcmp(match, "*") != 0 && strcmp(match, etag) != 0) {
        lab_redfish_error(redfish, 412, "PreconditionFailed", "The ETag does not match.");
        return false;
    }
    return true;
}

/* Whether one member is writable and its value good; its effect on the LED goes to *ret_lit. */
static bool patch_member(struct lab_redfish *redfish, const struct nsh_member *member, int *ret_lit)
{
    const char *led = member->value.type == NSH_STRING ? member->value.text : "";

    if (strcmp(member->name, "IndicatorLED") == 0) {
        bool off = strcmp(led, "Off") == 0;
        if (!off && strcmp(led, "Lit") != 0 && strcmp(led, "Blinking") != 0) {
            lab_redfish_error(redfish, 400, "PropertyValueNotInList",
                              "IndicatorLED must be Lit, Blinking or Off.");
            return false;
        }
        *ret_lit = off ? 0 : 1;
        return true;
    }
    if (strcmp(member->name, "LocationIndicatorActive") == 0) {
        if (member->value.type != NSH_BOOL) {
            lab_redfish_error(redfish, 400, "PropertyValueTypeError",
                              "LocationIndicatorActive must be true or false.");
            return false;
        }
        *ret_lit = member->value.boolean ? 1 : 0;
        return true;
    }
    if (strcmp(member->name, "Boot") == 0 || strcmp(member->name, "AssetTag") == 0) {
        lab_ledger_add(redfish->bmc->lab, redfish->host, "redfish", member->name, "200", "setting");
        return true;
    }
    lab_redfish_error(redfish, 400, "PropertyNotWritable", "The property cannot be written.");
    return false;
}

static bool patch_apply(struct lab_redfish *redfish)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct lab_request *request = redfish->request;
    struct nsh_value body;
    int lit = -1;

    if (!patch_precondition(redfish)) {
        return false;
    }
    if (json_parse(request->body, request->body_bytes, &arena, &body, NULL) < 0 ||
        body.type != NSH_MAP || body.count == 0) {
        lab_redfish_error(redfish, 400, "MalformedJSON", "The request body is no JSON object.");
        return false;
    }
    for (size_t i = 0; i < body.count; i++) {
        if (!patch_member(redfish, &body.members[i], &lit)) {
            return false;
        }
    }
    if (lit >= 0) {
        lab_physics_identify(redfish->host, lit == 1, 0, "redfish");
    }
    return true;
}

void lab_redfish_patch(struct lab_redfish *redfish)
{
    if (patch_apply(redfish)) {
        lab_redfish_system(redfish);
    }
}

void lab_redfish_chassis_patch(struct lab_redfish *redfish)
{
    if (patch_apply(redfish)) {
        lab_redfish_chassis(redfish);
    }
}

/* ---- the rest --------------------------------------------------------------------------- */

void lab_redfish_log_clear(struct lab_redfish *redfish)
{
    lab_sel_clear(redfish->bmc);
    lab_ledger_add(redfish->bmc->lab, redfish->host, "redfish", "ClearLog", "204", "sel-clear");
    redfish->reply->status = 204;
}

void lab_redfish_manager_reset(struct lab_redfish *redfish)
{
    lab_ledger_add(redfish->bmc->lab, redfish->host, "redfish", "Manager.Reset", "204",
                   "bmc-reset");
    lab_redfish_forget(redfish->bmc);
    redfish->reply->status = 204;
}
