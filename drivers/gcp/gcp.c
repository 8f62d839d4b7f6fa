/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gcp: instances and managed instance groups of Compute Engine. An order carries a request id made
 * of the call's token, so that the server does it once; it gives an operation, whose end is
 * awaited; then the state is read until it is as wanted.
 */

#include "abi/rest.h"
#include "gcp_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_DEFAULT "https://compute.googleapis.com/compute/v1"
#define TOKEN_PATH "/computeMetadata/v1/instance/service-accounts/default/token"

struct nsh_device {
    struct nsh_rest *rest;
    struct nsh_pool pool;
    const char *zone, *instance, *group; /* zone: "/projects/p/zones/z"; others NULL: not set. */
};

enum gcp_aim {
    AIM_STATUS,
    AIM_ON,
    AIM_OFF,
    AIM_CYCLE,
    AIM_HARD,
    AIM_REMOVE,
    AIM_ADD,
    AIM_CAPACITY,
    AIM_REPLACE,
    AIM_GROUP
};

struct gcp_call {
    struct nsh_rest_call rest; /* First. */
    enum gcp_aim aim;
    const char *power, *state, *ordered, *operation;
    int64_t desired, size;
    bool acted, stopped;
};

static const struct nsh_option options[] = {
    {.name = "project",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "Its id."},
    {.name = "zone", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "europe-west3-a"},
    {.name = "instance", .type = NSH_STRING, .help = "The host's instance, by name."},
    {.name = "group",
     .type = NSH_STRING,
     .help = "Managed instance group of that zone: of the host, or the one that grows."},
    {.name = "key",
     .type = NSH_SECRET,
     .help =
         "Key file of a service account: file:/etc/nightshift/gcp.json. None: the machine's own "
         "account, from its metadata server."},
    {.name = "endpoint", .type = NSH_STRING, .preset = BASE_DEFAULT, .help = "Of the API."},
    {.name = "metadata_endpoint",
     .type = NSH_STRING,
     .preset = "http://metadata.google.internal",
     .help = "The machine's metadata server."},
    NSH_REST_OPTIONS,
};

static const struct nsh_option add_args[] = {
    {.name = "count",
     .type = NSH_INT,
     .preset = "1",
     .min = "1",
     .max = "100",
     .help = "How many."},
};

static const struct nsh_option capacity_args[] = {
    {.name = "desired",
     .type = NSH_INT,
     .flags = NSH_REQUIRED,
     .min = "0",
     .max = "10000",
     .help = "How many instances."},
};

#define ARGS(array) .args = (array), .args_count = sizeof(array) / sizeof((array)[0])

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read the instance's status."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 600000,
                    "start; then read until it is running.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 600000,
                    "stop; then read until it is stopped.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 1200000,
                    "Stop, proven stopped, start.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 300000,
                    "reset: without the operating system.")},
    {.name = "remove",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 900000,
     .help = "Delete it, by its group when there is one, which shrinks; read until it is gone."},
    {.name = "add",
     .effect = NSH_CHANGES,
     ARGS(add_args),
     .timeout_ms_default = 600000,
     .help = "resize the group to more than now."},
    {.name = "gcp.capacity",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     ARGS(capacity_args),
     .timeout_ms_default = 600000,
     .help = "resize the group; a smaller number deletes instances of its choice."},
    {.name = "gcp.replace",
     .effect = NSH_DESTROYS,
     .flags = NSH_EXCLUSIVE,
     .timeout_ms_default = 900000,
     .help = "recreateInstances: the group makes it anew, under its name."},
    {.name = "gcp.group",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read the group's target size, and whether it is stable."},
};

static const enum gcp_aim aims[] = {AIM_STATUS, AIM_ON,  AIM_OFF,      AIM_CYCLE,   AIM_HARD,
                                    AIM_REMOVE, AIM_ADD, AIM_CAPACITY, AIM_REPLACE, AIM_GROUP};
_Static_assert(sizeof aims / sizeof aims[0] == sizeof verbs / sizeof verbs[0], "one for each verb");

static struct gcp_call *call_of(struct nsh_rest_call *call)
{
    return (struct gcp_call *)(void *)call;
}

static const struct nsh_device *device_of(const struct gcp_call *call)
{
    return call->rest.device;
}

/* ---- login ------------------------------------------------------------------------------ */

static void token_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    const char *token = nsh_at_text(reply->body, "access_token", NULL);
    int64_t lifetime_s = nsh_at_int(reply->body, "expires_in", 0);
    struct nsh_rest_reply told = *reply;
    if (reply->code != NSH_OK) {
        /* 400 invalid_grant: the key was revoked, or the clock is wrong. */
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

static void gcp_login(struct nsh_rest_call *login)
{
    const struct nsh_value *settings = nsh_rest_settings(login->rest);
    const char *key = nsh_get_text(settings, "key", "");
    struct gcp_account account;
    struct nsh_error err = {0};
    const char *assertion = NULL;
    if (key[0] == '\0') {
        const char *url = nsh_pool_printf(&login->pool, "%s" TOKEN_PATH,
                                          nsh_get_text(settings, "metadata_endpoint", ""));
        if (url == NULL) {
            nsh_rest_fail_nomem(login);
            return;
        }
        nsh_rest_send(login,
                      &(struct nsh_rest_request){
                          .path = url,
                          .headers = (const char *const[]){"Metadata-Flavor: Google", NULL},
                          .timeout_ms = 5000},
                      token_answered);
        return;
    }
    if (gcp_account_read(&login->pool, key, &account, &err) < 0 ||
        gcp_assertion(&login->pool, &account, nsh_rest_unix_ms(login->rest), &assertion, &err) <
            0) {
        nsh_rest_fail_error(login, &err);
        return;
    }
    const char *form =
        nsh_query(&login->pool,
                  (const char *const[]){"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                        "assertion", assertion, NULL});
    if (form == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    nsh_rest_send(login,
                  &(struct nsh_rest_request){.method = "POST",
                                             .path = account.token_uri,
                                             .text = form,
                                             .content_type = "application/x-www-form-urlencoded",
                                             .flags = NSH_REST_READS},
                  token_answered);
}

/* ---- operations ------------------------------------------------------------------------- */

static void look(struct nsh_rest_call *rest);
static void operation_read(struct nsh_rest_call *rest);

static void reply_fail(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_reply told = *reply;
    const char *reason = nsh_at_text(reply->body, "error.errors.0.reason", NULL);
    told.code = reply->refused ? gcp_error_means(reason, reply->code) : reply->code;
    nsh_rest_fail_reply(rest, &told);
}

/* Both the order's answer and what is read later are the operation. */
static void operation_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct gcp_call *call = call_of(rest);
    const char *status = nsh_at_text(reply->body, "status", NULL);
    const char *name = nsh_at_text(reply->body, "name", NULL);
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    const struct nsh_value *error = nsh_at(reply->body, "error.errors.0");
    if (status == NULL || name == NULL || strchr(name, '/') != NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the answer is no operation",
                      nsh_rest_base(rest->rest));
        return;
    }
    call->acted = true;
    call->operation = nsh_percent(&rest->pool, name);
    if (call->operation == NULL) {
        nsh_rest_fail_nomem(rest);
    } else if (strcmp(status, "DONE") != 0) {
        nsh_rest_wait(rest, operation_read, "operation %s is %s", call->operation, status);
    } else if (error != NULL) {
        const char *code = nsh_get_text(error, "code", "");
        nsh_rest_fail(rest, gcp_error_means(code, NSH_FAILED), "%s: operation %s: %s: %s",
                      nsh_rest_base(rest->rest), call->operation, code,
                      nsh_get_text(error, "message", ""));
    } else {
        look(rest);
    }
}

static void operation_read(struct nsh_rest_call *rest)
{
    struct gcp_call *call = call_of(rest);
    const char *path =
        nsh_pool_printf(&rest->pool, "%s/operations/%s", device_of(call)->zone, call->operation);
    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = path}, operation_answered);
}

/* path behind the zone, ending in what goes in front of requestId: '?' or '&'. */
static void order(struct gcp_call *call, const char *method, const char *path,
                  const struct nsh_value *body)
{
    const struct nsh_op *op = call->rest.op;
    char uuid[GCP_UUID_BYTES];
    const char *whole = NULL;
    if (path != NULL &&
        gcp_request_id((const char *const[]){"nightshift", op->host, op->token, path, NULL},
                       uuid) == 0) {
        whole = nsh_pool_printf(&call->rest.pool, "%s%srequestId=%s", device_of(call)->zone, path,
                                uuid);
    }
    if (whole == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    call->ordered = call->state;
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.method = method, .path = whole, .body = body},
                  operation_answered);
}

static void instance_order(struct gcp_call *call, const char *what)
{
    order(call, "POST",
          nsh_pool_printf(&call->rest.pool, "/instances/%s/%s?", device_of(call)->instance, what),
          NULL);
}

static void group_order(struct gcp_call *call, const char *what)
{
    const struct nsh_device *device = device_of(call);
    const char *zone = strstr(device->zone, "zones/");
    struct nsh_value name =
        nsh_text(nsh_pool_printf(&call->rest.pool, "%s/instances/%s", zone, device->instance));
    struct nsh_member member = {"instances", nsh_list(&name, 1)};
    struct nsh_value body = nsh_map(&member, 1);
    order(call, "POST",
          name.type == NSH_NULL ? NULL
                                : nsh_pool_printf(&call->rest.pool, "/instanceGroupManagers/%s/%s?",
                                                  device->group, what),
          &body);
}

/* ---- instances -------------------------------------------------------------------------- */

static void instance_done(struct gcp_call *call)
{
    const struct nsh_member members[] = {{"power", nsh_text(call->power)},
                                         {"state", nsh_text(call->state)},
                                         {"changed", nsh_bool(call->acted)}};
    struct nsh_value result = nsh_map(members, call->aim == AIM_STATUS ? 2 : 3);
    nsh_rest_done(&call->rest, &result);
}

static void later(struct gcp_call *call)
{
    nsh_rest_wait(&call->rest, look, "instance %s is %s", device_of(call)->instance, call->state);
}

static void power_step(struct gcp_call *call)
{
    bool on = strcmp(call->power, "on") == 0, off = strcmp(call->power, "off") == 0;
    call->stopped = call->stopped || off;
    if (call->aim == AIM_REMOVE && !call->acted) {
        if (device_of(call)->group != NULL) {
            group_order(call, "deleteInstances");
        } else {
            order(call, "DELETE",
                  nsh_pool_printf(&call->rest.pool, "/instances/%s?", device_of(call)->instance),
                  NULL);
        }
    } else if (call->aim == AIM_REPLACE && !call->acted) {
        group_order(call, "recreateInstances");
    } else if (call->aim == AIM_REMOVE) {
        later(call);
    } else if ((!on && !off) || (call->aim == AIM_REPLACE && !on)) {
        later(call);
    } else if (call->aim == AIM_REPLACE || (call->aim == AIM_HARD && call->acted)) {
        instance_done(call);
    } else if (call->aim == AIM_HARD && !on) {
        nsh_rest_fail(&call->rest, NSH_CONFLICT, "%s: instance %s is %s: it cannot be reset",
                      nsh_rest_base(call->rest.rest), device_of(call)->instance, call->state);
    } else if (call->aim == AIM_HARD) {
        instance_order(call, "reset");
    } else if (call->ordered != NULL && strcmp(call->ordered, call->state) == 0) {
        later(call);
    } else if (off && call->aim != AIM_OFF) {
        instance_order(call, strcmp(call->state, "SUSPENDED") == 0 ? "resume" : "start");
    } else if (on && (call->aim == AIM_OFF || (call->aim == AIM_CYCLE && !call->stopped))) {
        instance_order(call, "stop");
    } else {
        instance_done(call);
    }
}

static void instance_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct gcp_call *call = call_of(rest);
    if (reply->status == 404 && call->aim == AIM_REMOVE) {
        call->power = "off";
        call->state = "DELETED";
        instance_done(call);
        return;
    }
    if (reply->status == 404 && call->aim == AIM_REPLACE && call->acted) {
        later(call); /* Between the old one and the new one. */
        return;
    }
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    const char *status = nsh_at_text(reply->body, "status", "");
    call->power = gcp_power_word(status);
    call->state = nsh_pool_text(&rest->pool, status);
    if (call->state == NULL) {
        nsh_rest_fail_nomem(rest);
    } else if (strcmp(call->power, "unknown") == 0) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: instance %s tells status '%.32s'",
                      nsh_rest_base(rest->rest), device_of(call)->instance, status);
    } else if (call->aim == AIM_STATUS) {
        instance_done(call);
    } else {
        power_step(call);
    }
}

/* ---- groups ----------------------------------------------------------------------------- */

static void group_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct gcp_call *call = call_of(rest);
    int64_t size = nsh_at_int(reply->body, "targetSize", -1);
    bool stable = nsh_at_bool(reply->body, "status.isStable", false);
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    if (size < 0) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: group %s tells no targetSize",
                      nsh_rest_base(rest->rest), device_of(call)->group);
        return;
    }
    if (call->aim == AIM_ADD && !call->acted) {
        call->desired = size + nsh_get_int(rest->op->args, "count", 1);
    }
    if (call->aim == AIM_GROUP || (size == call->desired && stable)) {
        const struct nsh_member members[] = {{"desired", nsh_int(size)},
                                             {"stable", nsh_bool(stable)},
                                             {"changed", nsh_bool(call->acted)}};
        struct nsh_value result = nsh_map(members, call->aim == AIM_GROUP ? 2 : 3);
        nsh_rest_done(rest, &result);
    } else if (call->acted || size == call->desired) {
        nsh_rest_wait(rest, look, "group %s has target size %lld and is not stable",
                      device_of(call)->group, (long long)size);
    } else {
        order(call, "POST",
              nsh_pool_printf(&rest->pool, "/instanceGroupManagers/%s/resize?size=%lld&",
                              device_of(call)->group, (long long)call->desired),
              NULL);
    }
}

static void look(struct nsh_rest_call *rest)
{
    struct gcp_call *call = call_of(rest);
    const struct nsh_device *device = device_of(call);
    bool group = call->aim == AIM_ADD || call->aim == AIM_CAPACITY || call->aim == AIM_GROUP;
    const char *name = group ? device->group : device->instance;
    if (name == NULL || (call->aim == AIM_REPLACE && device->group == NULL)) {
        nsh_rest_fail(rest, NSH_INVALID, "%s needs the setting %s", rest->op->verb->name,
                      name == NULL && !group ? "instance" : "group");
        return;
    }
    const char *path = nsh_pool_printf(&rest->pool, "%s/%s/%s", device->zone,
                                       group ? "instanceGroupManagers" : "instances", name);
    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = path},
                  group ? group_answered : instance_answered);
}

static void call_begin(struct nsh_rest_call *rest)
{
    size_t index = 0;
    while (strcmp(verbs[index].name, rest->op->verb->name) != 0) {
        index++; /* It is one of the table's: the caller took it from there. */
    }
    call_of(rest)->aim = aims[index];
    call_of(rest)->desired = nsh_get_int(rest->op->args, "desired", 0);
    look(rest);
}

/* ---- devices ---------------------------------------------------------------------------- */

static bool name_good(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.:") == strlen(text);
}

static int device_fill(struct nsh_device *device, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    const char *instance = nsh_get_text(settings, "instance", "");
    const char *group = nsh_get_text(settings, "group", "");
    const char *project = nsh_get_text(settings, "project", "");
    const char *zone = nsh_get_text(settings, "zone", "");
    if (!name_good(instance) || !name_good(group) || !name_good(project) || !name_good(zone)) {
        return nsh_fail(err, NSH_INVALID,
                        "project, zone, instance and group are names of a-z, 0-9 and '-'");
    }
    device->zone = nsh_pool_printf(&device->pool, "/projects/%s/zones/%s", project, zone);
    if (device->zone == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    const struct nsh_pool_setting texts[] = {
        {"instance", &device->instance},
        {"group", &device->group},
    };
    return nsh_pool_settings(&device->pool, settings, texts, sizeof texts / sizeof texts[0], err);
}

static void gcp_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    nsh_pool_done(&device->pool);
    free(device);
}

static int gcp_open(struct nsh_services *services, const struct nsh_value *settings,
                    struct nsh_device **ret_device, struct nsh_error *err)
{
    static const char *const apart[] = {"instance", "group", "zone", NULL};
    static const char *const secrets[] = {"key", NULL};
    static const char *const bases[] = {"endpoint", "metadata_endpoint", NULL};
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
                                                         .login = gcp_login},
                               &device->rest, err);
    }
    if (result < 0) {
        gcp_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int gcp_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct gcp_call), call_begin, err);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "gcp",
    .version = "1",
    .summary = "Instances and managed instance groups of Google Compute Engine.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = gcp_open,
    .start = gcp_start,
    .cancel = nsh_rest_cancel,
    .close = gcp_close,
};
