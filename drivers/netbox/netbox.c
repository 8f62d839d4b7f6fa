/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netbox: what was done to a host is written back to NetBox: its status, and a line in its journal.
 * A status is written by If-Match where NetBox tells an ETag (4.5 and newer), else right after it
 * was read; a journal entry carries a mark, by which it is found again instead of being written
 * twice.
 */

#include "abi/doctor.h"
#include "abi/rest.h"
#include "netbox_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_BASE_BYTES_MAX 512

struct nsh_device {
    struct nsh_rest *rest;
    struct nsh_pool pool;
    const char *name, *serial, *site; /* NULL: not set. */
    int64_t id;                       /* 0: not set */
    bool virtual;
};

enum netbox_aim { AIM_QUERY, AIM_STATUS, AIM_JOURNAL, AIM_DOCTOR };

struct netbox_call {
    struct nsh_rest_call rest; /* First. */
    enum netbox_aim aim;
    struct netbox_device device; /* As last read. */
    const char *etag;            /* NULL: NetBox tells none. */
    const char *mark;
    const char *before; /* The status that was overwritten. */
    int64_t entry;
    bool changed, found;
    bool may_change, may_journal;
    char version[64];
};

static const struct nsh_option options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "https://netbox.example"},
    {.name = "token",
     .type = NSH_SECRET,
     .flags = NSH_REQUIRED,
     .help = "Of the API: 40 hexadecimal digits, or nbt_KEY.TOKEN (version 2): file:netbox.token"},
    {.name = "device", .type = NSH_STRING, .help = "The host's name in NetBox."},
    {.name = "device_id", .type = NSH_INT, .min = "1", .help = "Or its number there."},
    {.name = "site", .type = NSH_STRING, .help = "Slug of its site, when names repeat."},
    {.name = "kind",
     .type = NSH_STRING,
     .preset = "device",
     .choices = (const char *const[]){"device", "virtual-machine", NULL},
     .help = "What the host is in NetBox."},
    {.name = "serial",
     .type = NSH_STRING,
     .help = "Serial number that NetBox must know, or nothing is written."},
    NSH_REST_OPTIONS,
};

static const struct nsh_option status_args[] = {
    {.name = "status",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .choices = (const char *const[]){"offline", "active", "planned", "staged", "failed",
                                      "inventory", "decommissioning", NULL},
     .help = "What it becomes."},
    {.name = "expect",
     .type = NSH_STRING,
     .help = "Only when it is one of these now: active,staged. Another: conflict."},
    {.name = "message", .type = NSH_STRING, .help = "For NetBox' change log."},
};

static const struct nsh_option journal_args[] = {
    {.name = "text", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "Markdown."},
    {.name = "kind",
     .type = NSH_STRING,
     .preset = "info",
     .choices = (const char *const[]){"info", "success", "warning", "danger", NULL},
     .help = "How it is shown."},
    {.name = "key",
     .type = NSH_STRING,
     .help = "Of entries of the same key only the first is written; none: the action's id."},
};

#define ARGS(array) .args = (array), .args_count = sizeof(array) / sizeof((array)[0])

static const struct nsh_verb verbs[] = {
    {.name = "netbox.query",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read what NetBox says: state, serial, site, rack, role, addresses."},
    {.name = "netbox.status",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     ARGS(status_args),
     .timeout_ms_default = 60000,
     .help = "Write the host's status, unless somebody changed it meanwhile."},
    {.name = "netbox.journal",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     ARGS(journal_args),
     .timeout_ms_default = 60000,
     .help = "Write a line into the host's journal, once."},
    {.name = "netbox.doctor",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Look which NetBox, what the token may, whether the host is there."},
};

static const enum netbox_aim aims[] = {AIM_QUERY, AIM_STATUS, AIM_JOURNAL, AIM_DOCTOR};
_Static_assert(sizeof aims / sizeof aims[0] == sizeof verbs / sizeof verbs[0], "one for each verb");

static struct netbox_call *call_of(struct nsh_rest_call *rest)
{
    return (struct netbox_call *)(void *)rest;
}

static const struct nsh_device *device_of(const struct netbox_call *call)
{
    return call->rest.device;
}

static const char *collection(const struct nsh_device *device)
{
    return device->virtual ? "/virtualization/virtual-machines/" : "/dcim/devices/";
}

static const char *content_type(const struct nsh_device *device)
{
    return device->virtual ? "virtualization.virtualmachine" : "dcim.device";
}

static void reply_fail(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_reply told = *reply;

    told.code = netbox_refusal_means(reply->status, reply->code, reply->words);
    nsh_rest_fail_reply(rest, &told);
}

static void send_path(struct netbox_call *call, const char *path,
                      void (*done)(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply))
{
    if (path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = path}, done);
}

/* ---- the end ---------------------------------------------------------------------------- */

static void netbox_done(struct netbox_call *call)
{
    const struct netbox_device *device = &call->device;
    const struct nsh_member members[] = {
        {"state", nsh_text(device->state)},
        {"name", nsh_text(device->name)},
        {"id", nsh_int(device->id)},
        {"url", nsh_text(device->url)},
        {"changed", nsh_bool(call->changed)},
        {"before", nsh_text(call->before)},
        {"entry", nsh_int(call->entry)},
        {"serial", nsh_text(device->serial)},
        {"asset_tag", nsh_text(device->asset_tag)},
        {"site", nsh_text(device->site)},
        {"rack", nsh_text(device->rack)},
        {"role", nsh_text(device->role)},
        {"address", nsh_text(device->address)},
        {"bmc", nsh_text(device->bmc)},
    };
    struct nsh_member kept[sizeof members / sizeof members[0]];
    size_t count = 0;

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        bool query = call->aim == AIM_QUERY;
        bool wanted = i < 4 || (i == 4 && !query) || (i == 5 && call->before != NULL) ||
                      (i == 6 && call->aim == AIM_JOURNAL) || (i > 6 && query);
        if (wanted) {
            kept[count++] = members[i];
        }
    }
    struct nsh_value result = nsh_map(kept, count);
    nsh_rest_done(&call->rest, &result);
}

/* ---- status ----------------------------------------------------------------------------- */

static bool device_take(struct netbox_call *call, const struct nsh_value *json)
{
    struct nsh_error err = {0};

    if (netbox_device_read(json, &call->device, &err) < 0) {
        nsh_rest_fail(&call->rest, NSH_PROTOCOL, "%s: %s", nsh_rest_base(call->rest.rest),
                      err.text);
        return false;
    }
    return true;
}

static void status_written(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);
    const char *wanted = nsh_get_text(rest->op->args, "status", "");
    struct nsh_rest_reply told = *reply;

    if (reply->code != NSH_OK) {
        /* Somebody was faster: what he wrote has to be looked at first. */
        told.code = reply->status == 412 ? NSH_BUSY : reply->code;
        reply_fail(rest, &told);
        return;
    }
    call->changed = true;
    if (!device_take(call, reply->body)) {
        return;
    }
    if (strcmp(call->device.state, wanted) != 0) {
        nsh_rest_fail(rest, NSH_UNVERIFIED, "%s: device %lld is %s after %s was written",
                      nsh_rest_base(rest->rest), (long long)call->device.id, call->device.state,
                      wanted);
        return;
    }
    netbox_done(call);
}

static void status_write(struct netbox_call *call)
{
    struct nsh_rest_call *rest = &call->rest;
    const struct nsh_op *op = rest->op;
    const char *wanted = nsh_get_text(op->args, "status", "");
    const char *expect = nsh_get_text(op->args, "expect", "");
    const char *message = nsh_get_text(op->args, "message", NULL);
    const char *path = nsh_pool_printf(&rest->pool, "%s%lld/", collection(device_of(call)),
                                       (long long)call->device.id);
    const char *match =
        call->etag == NULL ? NULL : nsh_pool_printf(&rest->pool, "If-Match: %s", call->etag);

    if (strcmp(call->device.state, wanted) == 0) {
        netbox_done(call);
        return;
    }
    if (expect[0] != '\0' && !netbox_listed(expect, call->device.state)) {
        nsh_rest_fail(rest, NSH_CONFLICT, "%s: %s is %s, not %s", nsh_rest_base(rest->rest),
                      call->device.name, call->device.state, expect);
        return;
    }
    message = message != NULL ? message : nsh_pool_printf(&rest->pool, "nightshift %s", op->token);
    call->before = nsh_pool_text(&rest->pool, call->device.state);
    if (path == NULL || message == NULL || call->before == NULL ||
        (call->etag != NULL && match == NULL)) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    const struct nsh_member members[] = {{"status", nsh_text(wanted)},
                                         {"changelog_message", nsh_text(message)}};
    struct nsh_value body = nsh_map(members, 2);
    nsh_rest_send(rest,
                  &(struct nsh_rest_request){.method = "PATCH",
                                             .path = path,
                                             .body = &body,
                                             .headers = (const char *const[]){match, NULL}},
                  status_written);
}

/* ---- journal ---------------------------------------------------------------------------- */

static void entry_written(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);

    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    call->entry = nsh_at_int(reply->body, "id", 0);
    call->changed = true;
    if (call->entry <= 0) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the entry that was written has no id",
                      nsh_rest_base(rest->rest));
        return;
    }
    netbox_done(call);
}

static void entry_write(struct netbox_call *call)
{
    struct nsh_rest_call *rest = &call->rest;
    const struct nsh_value *args = rest->op->args;
    const char *text = nsh_get_text(args, "text", "");
    const char *comments = nsh_pool_printf(&rest->pool, "%s\n\n%s", text, call->mark);

    if (comments == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    const struct nsh_member members[] = {
        {"assigned_object_type", nsh_text(content_type(device_of(call)))},
        {"assigned_object_id", nsh_int(call->device.id)},
        {"kind", nsh_text(nsh_get_text(args, "kind", "info"))},
        {"comments", nsh_text(comments)},
    };
    struct nsh_value body = nsh_map(members, 4);
    nsh_rest_send(rest,
                  &(struct nsh_rest_request){
                      .method = "POST", .path = "/extras/journal-entries/", .body = &body},
                  entry_written);
}

static bool entry_seen(struct nsh_rest_call *rest, const struct nsh_value *item)
{
    struct netbox_call *call = call_of(rest);

    if (netbox_marked(nsh_at_text(item, "comments", ""), call->mark)) {
        call->entry = nsh_at_int(item, "id", 0);
        call->found = true;
    }
    return !call->found;
}

static void entries_read(struct nsh_rest_call *rest)
{
    struct netbox_call *call = call_of(rest);

    if (call->found) {
        netbox_done(call);
    } else {
        entry_write(call);
    }
}

static void journal_begin(struct netbox_call *call)
{
    struct nsh_rest_call *rest = &call->rest;
    struct nsh_pool *pool = &rest->pool;
    const char *key = nsh_get_text(rest->op->args, "key", rest->op->token);
    const char *id = nsh_pool_printf(pool, "%lld", (long long)call->device.id);

    call->mark = netbox_mark(pool, key);
    if (strlen(nsh_get_text(rest->op->args, "text", "")) > NETBOX_COMMENTS_BYTES_MAX) {
        nsh_rest_fail(rest, NSH_INVALID, "text: at most %d bytes", NETBOX_COMMENTS_BYTES_MAX);
        return;
    }
    const char *query =
        call->mark == NULL || id == NULL
            ? NULL
            : nsh_query(pool, (const char *const[]){
                                  "assigned_object_type", content_type(device_of(call)),
                                  "assigned_object_id", id, "q", call->mark, "limit", "50", NULL});
    const char *path =
        query == NULL ? NULL : nsh_pool_printf(pool, "/extras/journal-entries/?%s", query);
    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_read_list(rest, &(struct nsh_rest_list){.request = {.path = path},
                                                     .items = "results",
                                                     .how = NSH_REST_LINK,
                                                     .next = "next",
                                                     .each = entry_seen,
                                                     .done = entries_read,
                                                     .failed = reply_fail});
}

/* ---- the doctor ------------------------------------------------------------------------- */

static void doctor_done(struct netbox_call *call)
{
    const struct nsh_device *own = device_of(call);
    const struct netbox_device *device = &call->device;
    struct nsh_checks checks = {0};
    bool may = call->may_change && call->may_journal;

    nsh_check_add(&checks, "firmware", NSH_CHECK_OK, NULL, "NetBox %s", call->version);
    nsh_check_add(&checks, "permissions", may ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  may ? NULL
                      : "give the token's user change on this kind of object and add on journal "
                        "entries, and the token write access",
                  "the token may%s change %s and may%s add journal entries",
                  call->may_change ? "" : " not", own->virtual ? "virtual machines" : "devices",
                  call->may_journal ? "" : " not");
    if (own->id == 0 && own->name == NULL) {
        nsh_rest_done_checks(&call->rest, &checks);
        return;
    }
    if (call->found) {
        nsh_check_add(&checks, "objects", NSH_CHECK_OK, NULL, "%s is %s, %.100s", device->name,
                      device->state, device->url);
    } else {
        nsh_check_add(&checks, "objects", NSH_CHECK_FAILED, "correct device, device_id or site",
                      "there is no %s %s", own->virtual ? "virtual machine" : "device",
                      own->name != NULL ? own->name : "of that number");
    }
    if (call->found && own->serial != NULL) {
        bool same = strcmp(own->serial, device->serial) == 0;
        nsh_check_add(&checks, "identity", same ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                      same ? NULL : "correct the inventory or NetBox",
                      "NetBox knows serial number %s, the inventory %s",
                      device->serial[0] == '\0' ? "none" : device->serial, own->serial);
    }
    nsh_rest_done_checks(&call->rest, &checks);
}

static void object_find(struct nsh_rest_call *rest);

/* OPTIONS tells under `actions` what the token may: POST is add, PUT is change. */
static void entries_permitted(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);
    const struct nsh_device *own = device_of(call);

    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    call->may_journal = nsh_at(reply->body, "actions.POST") != NULL;
    if (own->id == 0 && own->name == NULL) {
        doctor_done(call);
    } else {
        object_find(rest);
    }
}

static void devices_permitted(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);

    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    call->may_change = nsh_at(reply->body, "actions.PUT") != NULL;
    nsh_rest_send(rest,
                  &(struct nsh_rest_request){.method = "OPTIONS",
                                             .path = "/extras/journal-entries/",
                                             .flags = NSH_REST_READS},
                  entries_permitted);
}

static void version_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);
    const char *version = nsh_at_text(reply->body, "netbox-version", NULL);

    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    if (version == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: it tells no netbox-version",
                      nsh_rest_base(rest->rest));
        return;
    }
    snprintf(call->version, sizeof call->version, "%s", version);
    nsh_rest_send(rest,
                  &(struct nsh_rest_request){.method = "OPTIONS",
                                             .path = collection(device_of(call)),
                                             .flags = NSH_REST_READS},
                  devices_permitted);
}

/* ---- the object ------------------------------------------------------------------------- */

static void object_go_on(struct netbox_call *call)
{
    const char *serial = device_of(call)->serial;

    if (serial != NULL && (call->aim == AIM_STATUS || call->aim == AIM_JOURNAL) &&
        strcmp(serial, call->device.serial) != 0) {
        nsh_rest_fail(&call->rest, NSH_MISMATCH,
                      "%s: another machine: NetBox knows %s by serial number %s, not %s",
                      nsh_rest_base(call->rest.rest), call->device.name,
                      call->device.serial[0] == '\0' ? "none" : call->device.serial, serial);
    } else if (call->aim == AIM_STATUS) {
        status_write(call);
    } else if (call->aim == AIM_JOURNAL) {
        journal_begin(call);
    } else if (call->aim == AIM_DOCTOR) {
        call->found = true;
        doctor_done(call);
    } else {
        netbox_done(call);
    }
}

static void object_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);
    const char *etag = reply->http == NULL ? NULL : nsh_http_header(reply->http, "etag");

    if (reply->status == 404 && call->aim == AIM_DOCTOR) {
        doctor_done(call);
        return;
    }
    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    if (etag != NULL && strlen(etag) < NETBOX_TEXT_BYTES_MAX && strpbrk(etag, "\r\n,") == NULL) {
        call->etag = nsh_pool_text(&rest->pool, etag);
        if (call->etag == NULL) {
            nsh_rest_fail_nomem(rest);
            return;
        }
    }
    if (device_take(call, reply->body)) {
        object_go_on(call);
    }
}

static void object_read(struct netbox_call *call, int64_t id)
{
    send_path(
        call,
        nsh_pool_printf(&call->rest.pool, "%s%lld/", collection(device_of(call)), (long long)id),
        object_answered);
}

/* NetBox may have a name in several sites, and a filter it does not know filters nothing. */
static void objects_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct netbox_call *call = call_of(rest);
    const struct nsh_device *own = device_of(call);
    size_t count = nsh_at_count(reply->body, "results"), matches = 0;
    int64_t id = 0;

    if (reply->code != NSH_OK) {
        reply_fail(rest, reply);
        return;
    }
    if (nsh_at(reply->body, "results") == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the answer is no list", nsh_rest_base(rest->rest));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *item = nsh_at_item(reply->body, "results", i);
        if (strcmp(nsh_at_text(item, "name", ""), own->name) == 0) {
            id = nsh_at_int(item, "id", 0);
            matches++;
        }
    }
    if (matches == 1 && id > 0) {
        object_read(call, id);
    } else if (matches == 0 && call->aim == AIM_DOCTOR) {
        doctor_done(call);
    } else if (matches == 0) {
        nsh_rest_fail(rest, NSH_NOT_FOUND, "%s: there is no %s %s that the token may see",
                      nsh_rest_base(rest->rest), own->virtual ? "virtual machine" : "device",
                      own->name);
    } else {
        nsh_rest_fail(rest, NSH_MISMATCH, "%s: %zu are called %s: add site, or use device_id",
                      nsh_rest_base(rest->rest), matches, own->name);
    }
}

static void object_find(struct nsh_rest_call *rest)
{
    struct netbox_call *call = call_of(rest);
    const struct nsh_device *own = device_of(call);

    if (own->id > 0) {
        object_read(call, own->id);
        return;
    }
    const char *query =
        nsh_query(&rest->pool,
                  (const char *const[]){"name", own->name, "site", own->site, "limit", "10", NULL});
    send_path(call,
              query == NULL ? NULL : nsh_pool_printf(&rest->pool, "%s?%s", collection(own), query),
              objects_answered);
}

static void call_begin(struct nsh_rest_call *rest)
{
    struct netbox_call *call = call_of(rest);
    const struct nsh_device *own = device_of(call);
    size_t index = 0;

    while (strcmp(verbs[index].name, rest->op->verb->name) != 0) {
        index++; /* It is one of the table's: the caller took it from there. */
    }
    call->aim = aims[index];
    if (call->aim == AIM_DOCTOR) {
        send_path(call, "/status/", version_answered);
    } else if (own->id == 0 && own->name == NULL) {
        nsh_rest_fail(rest, NSH_INVALID, "%s needs the setting device or device_id",
                      rest->op->verb->name);
    } else {
        object_find(rest);
    }
}

/* ---- devices ---------------------------------------------------------------------------- */

static int device_fill(struct nsh_device *device, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    const struct nsh_pool_setting texts[] = {
        {"device", &device->name},
        {"serial", &device->serial},
        {"site", &device->site},
    };
    device->id = nsh_get_int(settings, "device_id", 0);
    device->virtual = strcmp(nsh_get_text(settings, "kind", "device"), "device") != 0;
    return nsh_pool_settings(&device->pool, settings, texts, sizeof texts / sizeof texts[0], err);
}

static int credential_set(struct nsh_device *device, const struct nsh_value *settings,
                          struct nsh_error *err)
{
    const char *token = nsh_get_text(settings, "token", "");
    const char *header = netbox_authorization(&device->pool, token);

    if (header == NULL) {
        return nsh_fail(err, NSH_INVALID, "token: want an API token of NetBox, without blanks");
    }
    return nsh_rest_credential(device->rest, header, err);
}

static void netbox_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    nsh_pool_done(&device->pool);
    free(device);
}

static int netbox_open(struct nsh_services *services, const struct nsh_value *settings,
                       struct nsh_device **ret_device, struct nsh_error *err)
{
    static const char *const apart[] = {"device", "device_id", "site", "kind", "serial", NULL};
    static const char *const secrets[] = {"token", NULL};
    char url[SETTINGS_BASE_BYTES_MAX], base[SETTINGS_BASE_BYTES_MAX + 8];
    struct nsh_device *device = calloc(1, sizeof *device);

    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result =
        nsh_rest_base_check("url", nsh_get_text(settings, "url", ""), url, sizeof url, err);
    if (result == 0) {
        result = device_fill(device, settings, err);
    }
    if (result == 0) {
        snprintf(base, sizeof base, "%s/api", url);
        result = nsh_rest_open(
            services,
            &(struct nsh_rest_config){
                .base = base, .settings = settings, .secrets = secrets, .apart = apart},
            &device->rest, err);
    }
    if (result == 0) {
        result = credential_set(device, settings, err);
    }
    if (result < 0) {
        netbox_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int netbox_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct netbox_call), call_begin, err);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "netbox",
    .version = "1",
    .summary = "Status and journal of hosts, written back to NetBox.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = netbox_open,
    .start = netbox_start,
    .cancel = nsh_rest_cancel,
    .close = netbox_close,
};
