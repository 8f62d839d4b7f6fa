/* SPDX-License-Identifier: Apache-2.0 */
/*
 * azure: virtual machines and scale sets of Azure Resource Manager. An order is asynchronous: the
 * URL it names (Azure-AsyncOperation, else Location) is read to its end; then the state is read
 * until it is as wanted.
 */

#include "abi/rest.h"

#include <stdlib.h>
#include <string.h>

#define VERSION "api-version=2023-03-01"
#define MANAGEMENT "https://management.azure.com"

struct nsh_device {
    struct nsh_rest *rest;
    struct nsh_pool pool;
    const char *vm, *set; /* Paths; NULL: not set. */
};

enum azure_aim {
    AIM_STATUS,
    AIM_ON,
    AIM_OFF,
    AIM_CYCLE,
    AIM_SOFT,
    AIM_REDEPLOY,
    AIM_REIMAGE,
    AIM_CAPACITY
};

struct azure_call {
    struct nsh_rest_call rest; /* First. */
    enum azure_aim aim;
    const char *power, *state, *ordered, *watch;
    bool async, acted, stopped;
};

static const struct nsh_option options[] = {
    {.name = "subscription",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "Its id."},
    {.name = "resource_group", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "Its name."},
    {.name = "vm",
     .type = NSH_STRING,
     .help = "The host: a virtual machine, or with scale_set the number of its instance."},
    {.name = "scale_set", .type = NSH_STRING, .help = "The scale set."},
    {.name = "tenant",
     .type = NSH_STRING,
     .help = "Of the client. Without a client: the machine's managed identity."},
    {.name = "client", .type = NSH_STRING, .help = "Application (client) id."},
    {.name = "secret", .type = NSH_SECRET, .help = "The client's secret."},
    {.name = "endpoint", .type = NSH_STRING, .preset = MANAGEMENT, .help = "Resource Manager."},
    {.name = "login_endpoint",
     .type = NSH_STRING,
     .preset = "https://login.microsoftonline.com",
     .help = "Where clients log in."},
    {.name = "metadata_endpoint",
     .type = NSH_STRING,
     .preset = "http://169.254.169.254",
     .help = "The machine's metadata service."},
    NSH_REST_OPTIONS,
};

static const struct nsh_option capacity_args[] = {
    {.name = "desired",
     .type = NSH_INT,
     .flags = NSH_REQUIRED,
     .min = "0",
     .max = "1000",
     .help = "How many instances."},
};

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read the instance view."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 900000,
                    "start; then read until it runs.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 900000,
                    "deallocate: off, and its hardware is given back.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 1800000,
                    "deallocate, proven off, start: on other hardware.")},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 900000, "restart.")},
    {NSH_POWER_VERB("azure.redeploy", NSH_INTERRUPTS, 0, "power=on", 1800000,
                    "redeploy: to another node, disks kept.")},
    {NSH_POWER_VERB("azure.reimage", NSH_DESTROYS, 0, "power=on", 1800000,
                    "reimage: the system disk is made anew.")},
    {.name = "azure.capacity",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .args = capacity_args,
     .args_count = 1,
     .timeout_ms_default = 1800000,
     .help = "Capacity of the scale set; a smaller one deletes instances of its choice."},
};

static const enum azure_aim aims[] = {AIM_STATUS, AIM_ON,       AIM_OFF,     AIM_CYCLE,
                                      AIM_SOFT,   AIM_REDEPLOY, AIM_REIMAGE, AIM_CAPACITY};
_Static_assert(sizeof aims / sizeof aims[0] == sizeof verbs / sizeof verbs[0], "one for each verb");

static struct azure_call *call_of(struct nsh_rest_call *call)
{
    return (struct azure_call *)(void *)call;
}

static const struct nsh_device *device_of(const struct azure_call *call)
{
    return call->rest.device;
}

/* ---- login ------------------------------------------------------------------------------ */

static void token_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    const char *token = nsh_at_text(reply->body, "access_token", NULL);
    const char *text = nsh_at_text(reply->body, "expires_in", "");
    /* The metadata service writes the number as a text. */
    int64_t lifetime_s = nsh_at_int(reply->body, "expires_in", strtol(text, NULL, 10));
    struct nsh_rest_reply told = *reply;
    if (reply->code != NSH_OK) {
        told.code = reply->status == 400 ? NSH_AUTH : reply->code;
        nsh_rest_fail_reply(login, &told);
        return;
    }
    const char *header =
        token == NULL ? NULL : nsh_pool_printf(&login->pool, "Authorization: Bearer %s", token);
    if (token == NULL || lifetime_s <= 0 || strpbrk(token, " \r\n") != NULL) {
        nsh_rest_fail(login, NSH_PROTOCOL, "no access token is told");
    } else if (header == NULL) {
        nsh_rest_fail_nomem(login);
    } else {
        nsh_rest_logged_in(login, header, lifetime_s > 86400 ? 86400000 : lifetime_s * 1000);
    }
}

static void azure_login(struct nsh_rest_call *login)
{
    const struct nsh_value *settings = nsh_rest_settings(login->rest);
    const char *client = nsh_get_text(settings, "client", "");
    struct nsh_pool *pool = &login->pool;
    const char *resource = nsh_pool_printf(pool, "%s/", nsh_rest_base(login->rest));
    const char *scope = nsh_pool_printf(pool, "%s/.default", nsh_rest_base(login->rest));
    const char *form = NULL, *url = NULL;
    if (resource == NULL || scope == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    if (client[0] == '\0') {
        form = nsh_query(
            pool, (const char *const[]){"api-version", "2018-02-01", "resource", resource, NULL});
        url = form == NULL ? NULL
                           : nsh_pool_printf(pool, "%s/metadata/identity/oauth2/token?%s",
                                             nsh_get_text(settings, "metadata_endpoint", ""), form);
    } else {
        form = nsh_query(pool, (const char *const[]){"grant_type", "client_credentials",
                                                     "client_id", client, "client_secret",
                                                     nsh_get_text(settings, "secret", ""), "scope",
                                                     scope, NULL});
        url = nsh_pool_printf(pool, "%s/%s/oauth2/v2.0/token",
                              nsh_get_text(settings, "login_endpoint", ""),
                              nsh_get_text(settings, "tenant", ""));
    }
    if (form == NULL || url == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    struct nsh_rest_request request = {.path = url, .flags = NSH_REST_READS};
    const char *const headers[] = {"Metadata: true", NULL};
    if (client[0] == '\0') {
        request.headers = headers;
    } else {
        request.method = "POST";
        request.text = form;
        request.content_type = "application/x-www-form-urlencoded";
    }
    nsh_rest_send(login, &request, token_answered);
}

/* ---- orders ----------------------------------------------------------------------------- */

static void look(struct nsh_rest_call *rest);
static void watch_read(struct nsh_rest_call *rest);

static void reply_fail(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    static const char *const full[] = {"AllocationFailed", "ZonalAllocationFailed",
                                       "SkuNotAvailable", "OverconstrainedAllocationRequest",
                                       "QuotaExceeded"};
    const char *code = nsh_at_text(reply->body, "error.code", "");
    struct nsh_rest_reply told = *reply;
    for (size_t i = 0; reply->refused && i < sizeof full / sizeof full[0]; i++) {
        told.code = strcmp(code, full[i]) == 0 ? NSH_LIMIT : told.code;
    }
    nsh_rest_fail_reply(rest, &told);
}

static void watch_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct azure_call *call = call_of(rest);
    const char *status = nsh_at_text(reply->body, "status", NULL);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(rest, reply);
    } else if (call->async ? status == NULL : false) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the operation tells no status",
                      nsh_rest_base(rest->rest));
    } else if (call->async && (strcmp(status, "Failed") == 0 || strcmp(status, "Canceled") == 0)) {
        nsh_rest_fail(rest, NSH_FAILED, "%s: the operation %s: %s: %s", nsh_rest_base(rest->rest),
                      status, nsh_at_text(reply->body, "error.code", ""),
                      nsh_at_text(reply->body, "error.message", ""));
    } else if (call->async ? strcmp(status, "Succeeded") != 0 : reply->status == 202) {
        nsh_rest_wait(rest, watch_read, "the operation is %s", status == NULL ? "running" : status);
    } else {
        look(rest);
    }
}

static void watch_read(struct nsh_rest_call *rest)
{
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = call_of(rest)->watch}, watch_answered);
}

static void order_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct azure_call *call = call_of(rest);
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    call->acted = true;
    const char *url = nsh_http_header(reply->http, "azure-asyncoperation");
    call->async = url != NULL;
    url = url == NULL ? nsh_http_header(reply->http, "location") : url;
    const char *base = nsh_rest_base(rest->rest);
    if (url == NULL) {
        look(rest);
        return;
    }
    if (strncmp(url, base, strlen(base)) != 0 || url[strlen(base)] != '/') {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the operation is elsewhere: the token stays here",
                      base);
        return;
    }
    call->watch = nsh_pool_text(&rest->pool, url);
    if (call->watch == NULL) {
        nsh_rest_fail_nomem(rest);
    } else {
        nsh_rest_wait(rest, watch_read, "the operation runs");
    }
}

static void order(struct azure_call *call, const char *what)
{
    const char *path =
        nsh_pool_printf(&call->rest.pool, "%s/%s?" VERSION, device_of(call)->vm, what);
    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    call->ordered = call->state;
    nsh_rest_send(&call->rest, &(struct nsh_rest_request){.method = "POST", .path = path},
                  order_answered);
}

/* ---- machines --------------------------------------------------------------------------- */

static void vm_done(struct azure_call *call)
{
    const struct nsh_member members[] = {{"power", nsh_text(call->power)},
                                         {"state", nsh_text(call->state)},
                                         {"changed", nsh_bool(call->acted)}};
    struct nsh_value result = nsh_map(members, call->aim == AIM_STATUS ? 2 : 3);
    nsh_rest_done(&call->rest, &result);
}

static void power_step(struct azure_call *call)
{
    bool on = strcmp(call->power, "on") == 0, off = strcmp(call->power, "off") == 0;
    bool once = call->aim == AIM_SOFT || call->aim == AIM_REDEPLOY || call->aim == AIM_REIMAGE;
    /* Stopped, not deallocated: still on its hardware. */
    bool held = strcmp(call->state, "stopped") == 0;
    call->stopped = call->stopped || (off && !held);
    if ((!on && !off) ||
        (call->ordered != NULL && !once && strcmp(call->ordered, call->state) == 0)) {
        nsh_rest_wait(&call->rest, look, "the machine is %s", call->state);
    } else if (once && call->acted && on) {
        vm_done(call);
    } else if (once && call->acted) {
        nsh_rest_wait(&call->rest, look, "the machine is %s", call->state);
    } else if (once && !on) {
        nsh_rest_fail(&call->rest, NSH_CONFLICT, "%s: the machine is %s",
                      nsh_rest_base(call->rest.rest), call->state);
    } else if (once) {
        order(call, call->aim == AIM_SOFT       ? "restart"
                    : call->aim == AIM_REDEPLOY ? "redeploy"
                                                : "reimage");
    } else if (call->aim == AIM_OFF && on) {
        order(call, "deallocate");
    } else if (call->aim == AIM_CYCLE && !call->stopped) {
        order(call, "deallocate");
    } else if (call->aim != AIM_OFF && off) {
        order(call, "start");
    } else {
        vm_done(call);
    }
}

static void view_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct azure_call *call = call_of(rest);
    const char *state = NULL;
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    size_t count = nsh_at_count(reply->body, "statuses");
    for (size_t i = 0; i < count && state == NULL; i++) {
        const char *code = nsh_get_text(nsh_at_item(reply->body, "statuses", i), "code", "");
        state = strncmp(code, "PowerState/", 11) == 0 ? code + 11 : NULL;
    }
    if (state == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: no power state is told", nsh_rest_base(rest->rest));
        return;
    }
    call->state = nsh_pool_text(&rest->pool, state);
    call->power = strcmp(state, "running") == 0                                        ? "on"
                  : strcmp(state, "stopped") == 0 || strcmp(state, "deallocated") == 0 ? "off"
                  : strcmp(state, "starting") == 0 ? "powering-on"
                  : strcmp(state, "stopping") == 0 || strcmp(state, "deallocating") == 0
                      ? "powering-off"
                      : "unknown";
    if (call->state == NULL) {
        nsh_rest_fail_nomem(rest);
    } else if (call->aim == AIM_STATUS) {
        vm_done(call);
    } else {
        power_step(call);
    }
}

/* ---- scale sets ------------------------------------------------------------------------- */

static void set_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct azure_call *call = call_of(rest);
    int64_t capacity = nsh_at_int(reply->body, "sku.capacity", -1);
    int64_t desired = nsh_get_int(rest->op->args, "desired", 0);
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
    } else if (capacity < 0) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the scale set tells no capacity",
                      nsh_rest_base(rest->rest));
    } else if (capacity == desired) {
        const struct nsh_member members[] = {{"desired", nsh_int(capacity)},
                                             {"changed", nsh_bool(call->acted)}};
        struct nsh_value result = nsh_map(members, 2);
        nsh_rest_done(rest, &result);
    } else if (call->acted) {
        nsh_rest_wait(rest, look, "the capacity is %lld", (long long)capacity);
    } else {
        const char *path = nsh_pool_printf(&rest->pool, "%s?" VERSION, device_of(call)->set);
        const struct nsh_member sku[] = {{"capacity", nsh_int(desired)}};
        const struct nsh_member body_members[] = {{"sku", nsh_map(sku, 1)}};
        struct nsh_value body = nsh_map(body_members, 1);
        if (path == NULL) {
            nsh_rest_fail_nomem(rest);
            return;
        }
        nsh_rest_send(rest,
                      &(struct nsh_rest_request){.method = "PATCH", .path = path, .body = &body},
                      order_answered);
    }
}

static void look(struct nsh_rest_call *rest)
{
    struct azure_call *call = call_of(rest);
    bool set = call->aim == AIM_CAPACITY;
    const char *object = set ? device_of(call)->set : device_of(call)->vm;
    if (object == NULL) {
        nsh_rest_fail(rest, NSH_INVALID, "%s needs the setting %s", rest->op->verb->name,
                      set ? "scale_set" : "vm");
        return;
    }
    const char *path =
        nsh_pool_printf(&rest->pool, "%s%s?" VERSION, object, set ? "" : "/instanceView");
    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = path},
                  set ? set_answered : view_answered);
}

static void call_begin(struct nsh_rest_call *rest)
{
    size_t index = 0;
    while (strcmp(verbs[index].name, rest->op->verb->name) != 0) {
        index++; /* It is one of the table's: the caller took it from there. */
    }
    call_of(rest)->aim = aims[index];
    look(rest);
}

/* ---- devices ---------------------------------------------------------------------------- */

static int device_fill(struct nsh_device *device, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    static const char *const names[] = {"subscription", "resource_group", "vm", "scale_set",
                                        "tenant"};
    const char *texts[5];
    for (size_t i = 0; i < 5; i++) {
        texts[i] = nsh_get_text(settings, names[i], "");
        if (strpbrk(texts[i], "/?#%& \r\n") != NULL || strstr(texts[i], "..") != NULL) {
            return nsh_fail(err, NSH_INVALID, "%s is no name", names[i]);
        }
    }
    bool client = nsh_get_text(settings, "client", "")[0] != '\0';
    if (client && (texts[4][0] == '\0' || nsh_get_text(settings, "secret", "")[0] == '\0')) {
        return nsh_fail(err, NSH_INVALID, "client needs tenant and secret");
    }
    const char *group = nsh_pool_printf(
        &device->pool, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute", texts[0],
        texts[1]);
    bool set = texts[3][0] != '\0', vm = texts[2][0] != '\0', good = group != NULL;
    device->set = !set || !good ? NULL
                                : nsh_pool_printf(&device->pool, "%s/virtualMachineScaleSets/%s",
                                                  group, texts[3]);
    good = good && (!set || device->set != NULL);
    device->vm =
        !vm || !good ? NULL
        : set ? nsh_pool_printf(&device->pool, "%s/virtualMachines/%s", device->set, texts[2])
              : nsh_pool_printf(&device->pool, "%s/virtualMachines/%s", group, texts[2]);
    good = good && (!vm || device->vm != NULL);
    return good ? 0 : nsh_fail(err, NSH_NOMEM, "out of memory");
}

static void azure_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    nsh_pool_done(&device->pool);
    free(device);
}

static int azure_open(struct nsh_services *services, const struct nsh_value *settings,
                      struct nsh_device **ret_device, struct nsh_error *err)
{
    static const char *const apart[] = {"vm", "scale_set", "resource_group", NULL};
    static const char *const secrets[] = {"secret", NULL};
    static const char *const bases[] = {"endpoint", "login_endpoint", "metadata_endpoint", NULL};
    char base[NSH_REST_TEXT_BYTES_MAX];
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = device_fill(device, settings, err);
    if (result == 0) {
        result = nsh_rest_bases_check(settings, bases, base, sizeof base, err);
    }
    if (result == 0) {
        result = nsh_rest_open(services,
                               &(struct nsh_rest_config){.base = base,
                                                         .settings = settings,
                                                         .secrets = secrets,
                                                         .apart = apart,
                                                         .login = azure_login},
                               &device->rest, err);
    }
    if (result < 0) {
        azure_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int azure_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct azure_call), call_begin, err);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "azure",
    .version = "1",
    .summary = "Virtual machines and scale sets of Azure.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = azure_open,
    .start = azure_start,
    .cancel = nsh_rest_cancel,
    .close = azure_close,
};
