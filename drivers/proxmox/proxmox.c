/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxmox: virtual machines and containers of a Proxmox VE cluster, by an API token. Where a guest
 * runs is looked up with each call, since it migrates. An order gives a task, whose end is awaited
 * and read; then the state is read until it is as wanted.
 */

#include "abi/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPID_BYTES_MAX 256
#define NODE_BYTES_MAX 64
#define BASE_BYTES_MAX 512

struct nsh_device {
    struct nsh_rest *rest;
    int64_t vmid;
};

enum proxmox_aim {
    AIM_STATUS,
    AIM_ON,
    AIM_OFF,
    AIM_SHUTDOWN,
    AIM_CYCLE,
    AIM_HARD,
    AIM_SOFT,
    AIM_MIGRATE
};

struct proxmox_call {
    struct nsh_rest_call rest; /* First. */
    enum proxmox_aim aim;
    char node[NODE_BYTES_MAX]; /* Where the guest is. */
    const char *kind;          /* "qemu", "lxc" */
    char task[UPID_BYTES_MAX], task_node[NODE_BYTES_MAX];
    const char *power, *name;
    const char *ordered;
    bool acted, stopped;
};

static const struct nsh_option options[] = {
    {.name = "address",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "A node of the cluster: https://pve1.example:8006."},
    {.name = "user",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "USER@REALM!NAME of an API token."},
    {.name = "token", .type = NSH_SECRET, .flags = NSH_REQUIRED, .help = "Its secret, a UUID."},
    {.name = "vmid",
     .type = NSH_INT,
     .flags = NSH_REQUIRED,
     .min = "100",
     .max = "999999999",
     .help = "Number of the guest."},
    NSH_REST_OPTIONS,
};

static const struct nsh_option migrate_args[] = {
    {.name = "target", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "Node to go to."},
    {.name = "online",
     .type = NSH_BOOL,
     .preset = "true",
     .help = "While it runs; a container is restarted."},
};

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read the guest's state, and on which node it is."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 180000,
                    "Start; the task is awaited, then it is read as running.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 180000,
                    "Stop, without the operating system.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 360000,
                    "Stop, proven stopped, start.")},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 600000,
                    "Reboot by the operating system, or its agent.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 180000,
                    "Reset; a container is stopped and started.")},
    {NSH_POWER_VERB("proxmox.shutdown", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 600000,
                    "Shut the operating system down.")},
    {.name = "proxmox.migrate",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .args = migrate_args,
     .args_count = sizeof migrate_args / sizeof migrate_args[0],
     .timeout_ms_default = 1800000,
     .help = "Move the guest to another node; the task is awaited."},
};

static const enum proxmox_aim aims[] = {AIM_STATUS, AIM_ON,   AIM_OFF,      AIM_CYCLE,
                                        AIM_SOFT,   AIM_HARD, AIM_SHUTDOWN, AIM_MIGRATE};
_Static_assert(sizeof aims / sizeof aims[0] == sizeof verbs / sizeof verbs[0], "one for each verb");

static struct proxmox_call *call_of(struct nsh_rest_call *call)
{
    return (struct proxmox_call *)(void *)call;
}

static struct nsh_device *device_of(const struct nsh_rest_call *call)
{
    return call->device;
}

static void guest_find(struct nsh_rest_call *rest);

/* ---- the end ---------------------------------------------------------------------------- */

static void guest_done(struct proxmox_call *call)
{
    const struct nsh_member members[] = {
        {"power", nsh_text(call->power)},   {"node", nsh_text(call->node)},
        {"kind", nsh_text(call->kind)},     {"name", nsh_text(call->name)},
        {"changed", nsh_bool(call->acted)},
    };
    size_t count = sizeof members / sizeof members[0];
    struct nsh_value result = nsh_map(members, call->aim == AIM_STATUS ? count - 1 : count);
    nsh_rest_done(&call->rest, &result);
}

/* ---- tasks ------------------------------------------------------------------------------ */

static void task_read(struct nsh_rest_call *rest);

static void task_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    const char *status = nsh_at_text(reply->body, "data.status", NULL);
    const char *exit = nsh_at_text(reply->body, "data.exitstatus", "");
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
    } else if (status == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: task %s tells no status", nsh_rest_base(rest->rest),
                      call_of(rest)->task);
    } else if (strcmp(status, "stopped") != 0) {
        nsh_rest_wait(rest, task_read, "task %s is %s", call_of(rest)->task, status);
    } else if (strcmp(exit, "OK") != 0 && strncmp(exit, "WARNINGS", 8) != 0) {
        nsh_rest_fail(rest, NSH_FAILED, "%s: task %s: %s", nsh_rest_base(rest->rest),
                      call_of(rest)->task, exit);
    } else {
        guest_find(rest);
    }
}

static void task_read(struct nsh_rest_call *rest)
{
    struct proxmox_call *call = call_of(rest);
    const char *upid = nsh_percent(&rest->pool, call->task);
    const char *path = upid == NULL ? NULL
                                    : nsh_pool_printf(&rest->pool, "/nodes/%s/tasks/%s/status",
                                                      call->task_node, upid);
    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = path}, task_answered);
}

/* ---- orders ----------------------------------------------------------------------------- */

static void order_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct proxmox_call *call = call_of(rest);
    const char *upid = nsh_at_text(reply->body, "data", NULL);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    if (upid == NULL || strncmp(upid, "UPID:", 5) != 0 || strlen(upid) >= sizeof call->task) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the order gave no task", nsh_rest_base(rest->rest));
        return;
    }
    call->acted = true;
    memcpy(call->task, upid, strlen(upid) + 1);
    memcpy(call->task_node, call->node, sizeof call->node);
    task_read(rest);
}

static void order(struct proxmox_call *call, const char *what)
{
    bool migrate = call->aim == AIM_MIGRATE;
    struct nsh_rest_call *rest = &call->rest;
    const char *path =
        nsh_pool_printf(&rest->pool, "/nodes/%s/%s/%lld/%s%s", call->node, call->kind,
                        (long long)device_of(rest)->vmid, migrate ? "" : "status/", what);
    const char *online =
        !nsh_get_bool(rest->op->args, "online", true) || call->stopped ? NULL : "1";
    const char *const pairs[] = {"target", nsh_get_text(rest->op->args, "target", ""),
                                 strcmp(call->kind, "lxc") == 0 ? "restart" : "online", online,
                                 NULL};
    const char *form = migrate ? nsh_query(&rest->pool, pairs) : NULL;
    if (path == NULL || (migrate && form == NULL)) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    call->ordered = call->power;
    nsh_rest_send(rest,
                  &(struct nsh_rest_request){.method = "POST",
                                             .path = path,
                                             .text = form,
                                             .content_type = "application/x-www-form-urlencoded"},
                  order_answered);
}

/* What the state asks for next. */
static void power_step(struct proxmox_call *call)
{
    bool on = strcmp(call->power, "on") == 0;
    bool lxc = strcmp(call->kind, "lxc") == 0;
    bool off_first = call->aim == AIM_CYCLE || (call->aim == AIM_HARD && lxc);
    bool once = call->aim == AIM_SOFT || (call->aim == AIM_HARD && !lxc);
    call->stopped = call->stopped || !on;
    if (call->aim == AIM_MIGRATE) {
        const char *target = nsh_get_text(call->rest.op->args, "target", "");
        if (strcmp(call->node, target) == 0) {
            guest_done(call);
        } else if (call->acted) {
            nsh_rest_wait(&call->rest, guest_find, "the guest is on %s", call->node);
        } else {
            order(call, "migrate");
        }
    } else if (once && !on && !call->acted) {
        nsh_rest_fail(&call->rest, NSH_CONFLICT, "%s: guest %lld is off: it cannot restart",
                      nsh_rest_base(call->rest.rest), (long long)device_of(&call->rest)->vmid);
    } else if (once && on && call->acted) {
        guest_done(call);
    } else if (once && !call->acted) {
        order(call, call->aim == AIM_SOFT ? "reboot" : "reset");
    } else if (!once && call->ordered != NULL && strcmp(call->ordered, call->power) == 0) {
        nsh_rest_wait(&call->rest, guest_find, "the task ended, and the guest is still %s",
                      call->power);
    } else if (once) {
        nsh_rest_wait(&call->rest, guest_find, "the guest is %s", call->power);
    } else if (!on && call->aim != AIM_OFF && call->aim != AIM_SHUTDOWN) {
        order(call, "start");
    } else if (on && (call->aim == AIM_OFF || (off_first && !call->stopped))) {
        order(call, "stop");
    } else if (on && call->aim == AIM_SHUTDOWN) {
        order(call, "shutdown");
    } else {
        guest_done(call);
    }
}

/* ---- the guest -------------------------------------------------------------------------- */

static bool node_good(const char *node)
{
    return node[0] != '\0' && strlen(node) < NODE_BYTES_MAX &&
           strspn(node, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
               strlen(node);
}

static void guest_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct proxmox_call *call = call_of(rest);
    const struct nsh_value *guest = NULL;
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
        return;
    }
    const struct nsh_value *data = nsh_get(reply->body, "data");
    size_t count = nsh_at_count(reply->body, "data");
    for (size_t i = 0; i < count && guest == NULL; i++) {
        const struct nsh_value *item = nsh_at_item(reply->body, "data", i);
        guest = nsh_get_int(item, "vmid", 0) == device_of(rest)->vmid ? item : NULL;
    }
    if (data == NULL || data->type != NSH_LIST) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: no resources are told", nsh_rest_base(rest->rest));
        return;
    }
    if (guest == NULL) {
        nsh_rest_fail(rest, NSH_NOT_FOUND, "%s: there is no guest %lld that the token may see",
                      nsh_rest_base(rest->rest), (long long)device_of(rest)->vmid);
        return;
    }
    const char *node = nsh_get_text(guest, "node", ""), *type = nsh_get_text(guest, "type", "");
    const char *status = nsh_get_text(guest, "status", "");
    bool lxc = strcmp(type, "lxc") == 0, on = strcmp(status, "running") == 0;
    if (!node_good(node) || (!lxc && strcmp(type, "qemu") != 0)) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: guest %lld tells no node or kind",
                      nsh_rest_base(rest->rest), (long long)device_of(rest)->vmid);
        return;
    }
    if (!on && strcmp(status, "stopped") != 0) { /* "unknown": its node is away. */
        nsh_rest_fail(rest, NSH_UNKNOWN, "%s: guest %lld is '%.32s': node %s does not tell",
                      nsh_rest_base(rest->rest), (long long)device_of(rest)->vmid, status, node);
        return;
    }
    memcpy(call->node, node, strlen(node) + 1);
    call->kind = lxc ? "lxc" : "qemu";
    call->power = on ? "on" : "off";
    call->name = nsh_pool_text(&rest->pool, nsh_get_text(guest, "name", ""));
    if (call->name == NULL) {
        nsh_rest_fail_nomem(rest);
    } else if (call->aim == AIM_STATUS) {
        guest_done(call);
    } else {
        power_step(call);
    }
}

static void guest_find(struct nsh_rest_call *rest)
{
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = "/cluster/resources?type=vm"},
                  guest_answered);
}

static void call_begin(struct nsh_rest_call *rest)
{
    size_t index = 0;
    while (strcmp(verbs[index].name, rest->op->verb->name) != 0) {
        index++; /* It is one of the table's: the caller took it from there. */
    }
    const char *target = nsh_get_text(rest->op->args, "target", NULL);
    call_of(rest)->aim = aims[index];
    if (target != NULL && !node_good(target)) {
        nsh_rest_fail(rest, NSH_INVALID, "target: no name of a node");
        return;
    }
    guest_find(rest);
}

/* ---- devices ---------------------------------------------------------------------------- */

static int credential_set(struct nsh_device *device, const struct nsh_value *settings,
                          struct nsh_error *err)
{
    const char *id = nsh_get_text(settings, "user", ""),
               *secret = nsh_get_text(settings, "token", "");
    char header[512];
    if (strchr(id, '!') == NULL || strchr(id, '@') == NULL || strpbrk(id, " \r\n") != NULL ||
        strpbrk(secret, " \r\n") != NULL || strlen(id) + strlen(secret) > sizeof header - 32) {
        return nsh_fail(err, NSH_INVALID, "user: want USER@REALM!NAME (of the token), and a token");
    }
    snprintf(header, sizeof header, "Authorization: PVEAPIToken=%s=%s", id, secret);
    int result = nsh_rest_credential(device->rest, header, err);
    explicit_bzero(header, sizeof header);
    return result;
}

static int proxmox_open(struct nsh_services *services, const struct nsh_value *settings,
                        struct nsh_device **ret_device, struct nsh_error *err)
{
    static const char *const apart[] = {"vmid", NULL};
    static const char *const secrets[] = {"token", NULL};
    char address[BASE_BYTES_MAX], base[BASE_BYTES_MAX + 16];
    int result = nsh_rest_base_check("address", nsh_get_text(settings, "address", ""), address,
                                     sizeof address, err);
    if (result < 0) {
        return result;
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    snprintf(base, sizeof base, "%s/api2/json", address);
    device->vmid = nsh_get_int(settings, "vmid", 0);
    result =
        nsh_rest_open(services,
                      &(struct nsh_rest_config){
                          .base = base, .settings = settings, .secrets = secrets, .apart = apart},
                      &device->rest, err);
    if (result == 0) {
        result = credential_set(device, settings, err);
    }
    if (result < 0) {
        nsh_rest_close(device->rest);
        free(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int proxmox_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct proxmox_call), call_begin, err);
}

static void proxmox_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    free(device);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "proxmox",
    .version = "1",
    .summary = "Virtual machines and containers of Proxmox VE.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = proxmox_open,
    .start = proxmox_start,
    .cancel = nsh_rest_cancel,
    .close = proxmox_close,
};
