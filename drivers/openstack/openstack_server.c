/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Nova server. An action is sent once, when the server is not there already; then the server is
 * read until its task is over and its status is the wanted one, and the action's own record is
 * looked at: a status alone does not tell whether a reboot took place. Nova knows the action by the
 * request id of our POST.
 */

#include "openstack.h"

#include <stdio.h>
#include <string.h>

static void server_read(struct nsh_rest_call *call);
static void server_decide(struct nsh_rest_call *call, const struct openstack_server *server);
static void record_read(struct nsh_rest_call *call);

void openstack_request_id(const struct nsh_rest_reply *reply, char room[64])
{
    const char *id =
        reply->http == NULL ? NULL : nsh_http_header(reply->http, "x-compute-request-id");
    if (id == NULL && reply->http != NULL) {
        id = nsh_http_header(reply->http, "x-openstack-request-id");
    }
    bool good = id != NULL && strncmp(id, "req-", 4) == 0 && strlen(id) < 64 &&
                strspn(id + 4, "0123456789abcdefABCDEF-") == strlen(id + 4);
    snprintf(room, 64, "%s", good ? id : "");
}

static bool verb_is(const struct nsh_rest_call *call, const char *name)
{
    return strcmp(call->op->verb->name, name) == 0;
}

static void server_done(struct nsh_rest_call *call, const struct openstack_server *server)
{
    openstack_done(call, (const char *const[]){
                             "power", openstack_server_power(server), "state", server->status,
                             "server", server->id, "name", server->name, "compute_host",
                             server->host[0] == '\0' ? NULL : server->host, NULL});
}

/* ---- what the verbs do ------------------------------------------------------------------ */

static const struct action {
    const char *verb, *body, *wanted;
    const char *from; /* Sent in this status only; NULL: in any but the wanted one. */
} actions[] = {
    {"power.on", "{\"os-start\":null}", "ACTIVE", "SHUTOFF"},
    {"power.on", "{\"unpause\":null}", "ACTIVE", "PAUSED"},
    {"power.on", "{\"resume\":null}", "ACTIVE", "SUSPENDED"},
    {"power.off", "{\"os-stop\":null}", "SHUTOFF", NULL},
    {"power.cycle", "{\"os-stop\":null}", "SHUTOFF", NULL},
    {"reset.soft", "{\"reboot\":{\"type\":\"SOFT\"}}", "ACTIVE", NULL},
    {"reset.hard", "{\"reboot\":{\"type\":\"HARD\"}}", "ACTIVE", NULL},
};

static const struct action *action_of(struct nsh_rest_call *call, const char *status)
{
    const char *verb = openstack_of(call)->second ? "power.on" : call->op->verb->name;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].verb, verb) == 0 &&
            (actions[i].from == NULL || strcmp(actions[i].from, status) == 0)) {
            return &actions[i];
        }
    }
    return NULL;
}

/* ---- acting ----------------------------------------------------------------------------- */

static void action_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    own->asked = true;
    openstack_request_id(reply, own->request_id);
    nsh_rest_wait(call, server_read, "it has not begun");
}

static void action_send(struct nsh_rest_call *call, const char *body, const char *wanted)
{
    struct openstack_call *own = openstack_of(call);
    own->wanted = wanted;
    openstack_send(call, "POST", body, action_answered, "/servers/%s/action", own->id);
}

static void migrate(struct nsh_rest_call *call, const struct openstack_server *server)
{
    struct openstack_call *own = openstack_of(call);
    const char *to = nsh_get_text(call->op->args, "to", "");
    struct nsh_member inner[] = {{"host", to[0] == '\0' ? nsh_null() : nsh_text(to)},
                                 {"block_migration", nsh_text("auto")}};
    struct nsh_member outer = {"os-migrateLive", nsh_map(inner, 2)};
    struct nsh_value body = nsh_map(&outer, 1);
    snprintf(own->host, sizeof own->host, "%s", server->host);
    if (to[0] != '\0' && strcmp(to, server->host) == 0) {
        server_done(call, server);
        return;
    }
    own->wanted = strcmp(server->status, "PAUSED") == 0 ? "PAUSED" : "ACTIVE";
    openstack_send_value(call, "POST", &body, action_answered, "/servers/%s/action", own->id);
}

static void gone_read(struct nsh_rest_call *call);

static void gone_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_server server;
    bool read =
        reply->code == NSH_OK && openstack_server_read(nsh_get(reply->body, "server"), &server);
    if (reply->status == 404 || (read && (strcmp(server.status, "DELETED") == 0 ||
                                          strcmp(server.status, "SOFT_DELETED") == 0))) {
        openstack_done(call, (const char *const[]){"state", "DELETED", "server",
                                                   openstack_of(call)->id, NULL});
    } else if (!read) {
        openstack_nonsense(call, reply, "a server");
    } else if (strcmp(server.status, "ERROR") == 0 && server.task[0] == '\0') {
        nsh_rest_fail(call, NSH_FAILED, "%s: server %s: deleting ended in ERROR: %s",
                      nsh_rest_base(call->rest), server.id, server.fault);
    } else {
        nsh_rest_wait(call, gone_read, "server %s is %s %s", server.id, server.status, server.task);
    }
}

static void gone_read(struct nsh_rest_call *call)
{
    openstack_send(call, "GET", NULL, gone_answered, "/servers/%s", openstack_of(call)->id);
}

static void delete_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK && reply->status != 404) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    gone_read(call);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* What was wanted is proven. */
static void server_finished(struct nsh_rest_call *call, const struct openstack_server *server)
{
    struct openstack_call *own = openstack_of(call);
    if (own->host[0] != '\0' && strcmp(server->host, own->host) == 0) {
        nsh_rest_fail(call, NSH_FAILED, "%s: server %s is still on %s", nsh_rest_base(call->rest),
                      server->id, server->host);
    } else if (verb_is(call, "power.cycle") && !own->second) {
        own->second = true;
        server_decide(call, server);
    } else {
        server_done(call, server);
    }
}

/* The task is over: is it what was wanted? */
static void server_settled(struct nsh_rest_call *call, const struct openstack_server *server)
{
    struct openstack_call *own = openstack_of(call);
    bool there = strcmp(server->status, own->wanted) == 0;
    if (strcmp(server->status, "ERROR") == 0) {
        nsh_rest_fail(call, NSH_FAILED, "%s: server %s is in ERROR: %s", nsh_rest_base(call->rest),
                      server->id, server->fault[0] == '\0' ? "no reason given" : server->fault);
    } else if (own->created && there) {
        server_done(call, server);
    } else if (own->request_id[0] != '\0') {
        record_read(call);
    } else if (there) {
        server_finished(call, server);
    } else {
        nsh_rest_wait(call, server_read, "server %s is %s, not %s", server->id, server->status,
                      own->wanted);
    }
}

static void server_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    struct openstack_server server;
    if (reply->code != NSH_OK || !openstack_server_read(nsh_get(reply->body, "server"), &server)) {
        openstack_nonsense(call, reply, "a server");
        return;
    }
    snprintf(own->id, sizeof own->id, "%s", server.id);
    if (!own->asked) {
        server_decide(call, &server);
    } else if (server.task[0] != '\0') {
        nsh_rest_wait(call, server_read, "server %s is %s (%s), not %s", server.id, server.status,
                      server.task, own->wanted);
    } else {
        server_settled(call, &server);
    }
}

static void server_read(struct nsh_rest_call *call)
{
    openstack_send(call, "GET", NULL, server_answered, "/servers/%s", openstack_of(call)->id);
}

/* ---- the record of the action ------------------------------------------------------------ */

static void proven_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    struct openstack_server server;
    if (reply->code != NSH_OK || !openstack_server_read(nsh_get(reply->body, "server"), &server)) {
        openstack_nonsense(call, reply, "a server");
    } else if (strcmp(server.status, own->wanted) != 0 || server.task[0] != '\0') {
        nsh_rest_wait(call, server_read, "server %s is %s, not %s", server.id, server.status,
                      own->wanted);
    } else {
        server_finished(call, &server);
    }
}

static void record_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    const struct nsh_value *action = nsh_get(reply->body, "instanceAction");
    if (reply->code != NSH_OK && reply->status != 404) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    const char *message = nsh_get_text(action, "message", "");
    const char *words = "";
    bool running = action != NULL && nsh_at_count(action, "events") == 0;
    for (size_t i = 0; i < nsh_at_count(action, "events"); i++) {
        const struct nsh_value *event = nsh_at_item(action, "events", i);
        const char *result = nsh_get_text(event, "result", "");
        running = running || result[0] == '\0';
        words = strcmp(result, "Error") == 0
                    ? nsh_get_text(event, "details", nsh_get_text(event, "event", ""))
                    : words;
    }
    if (strcmp(message, "Error") == 0 || words[0] != '\0') {
        nsh_rest_fail(call, NSH_FAILED, "%s: server %s: %s failed (%s): %s",
                      nsh_rest_base(call->rest), own->id, nsh_get_text(action, "action", "action"),
                      own->request_id, words);
    } else if (running) {
        nsh_rest_wait(call, server_read, "server %s: the action has not ended", own->id);
    } else {
        openstack_send(call, "GET", NULL, proven_answered, "/servers/%s", own->id);
    }
}

static void record_read(struct nsh_rest_call *call)
{
    struct openstack_call *own = openstack_of(call);
    openstack_send(call, "GET", NULL, record_answered, "/servers/%s/os-instance-actions/%s",
                   own->id, own->request_id);
}

/* ---- deciding --------------------------------------------------------------------------- */

static void act(struct nsh_rest_call *call, const struct openstack_server *server)
{
    struct openstack_call *own = openstack_of(call);
    bool reset = strncmp(call->op->verb->name, "reset.", 6) == 0;
    bool cycle = verb_is(call, "power.cycle") && !own->second;
    const char *status = server->status;
    const struct action *action = action_of(call, status);
    const char *wanted = action != NULL ? action->wanted : "ACTIVE";
    if (!reset && strcmp(status, wanted) == 0 && server->task[0] == '\0') {
        if (!cycle) {
            server_done(call, server); /* It is there already. */
            return;
        }
        own->second = true; /* It is off: switch it on. */
        action = action_of(call, status);
    }
    if (action == NULL) {
        nsh_rest_fail(call, NSH_CONFLICT, "%s: server %s is %s %s: %s does not lead from there",
                      nsh_rest_base(call->rest), server->id, status, server->task,
                      call->op->verb->name);
        return;
    }
    action_send(call, action->body, action->wanted);
}

static void server_decide(struct nsh_rest_call *call, const struct openstack_server *server)
{
    struct openstack_call *own = openstack_of(call);
    if (call->op->verb->effect == NSH_READS) {
        server_done(call, server);
    } else if (verb_is(call, "remove") || verb_is(call, "release")) {
        openstack_send(call, "DELETE", NULL, delete_answered, "/servers/%s", own->id);
    } else if (verb_is(call, "add")) {
        /* It exists: by us, before an outcome was lost, or by somebody else. */
        own->asked = own->created = true;
        own->wanted = "ACTIVE";
        if (server->task[0] != '\0' || strcmp(server->status, "BUILD") == 0) {
            nsh_rest_wait(call, server_read, "server %s is %s", server->id, server->status);
        } else {
            server_settled(call, server);
        }
    } else if (verb_is(call, "openstack.live_migrate")) {
        migrate(call, server);
    } else {
        act(call, server);
    }
}

/* ---- creating --------------------------------------------------------------------------- */

static void create_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct openstack_call *own = openstack_of(call);
    const char *id = nsh_at_text(reply->body, "server.id", "");
    if (reply->code != NSH_OK || !openstack_is_uuid(id)) {
        openstack_nonsense(call, reply, "a server that was created");
        return;
    }
    snprintf(own->id, sizeof own->id, "%s", id);
    own->asked = own->created = true;
    own->wanted = "ACTIVE";
    nsh_rest_wait(call, server_read, "server %s is being built", own->id);
}

static const char *setting(const struct nsh_rest_call *call, const char *name)
{
    const char *text = nsh_get_text(&openstack_device(call)->settings, name, "");
    return text[0] == '\0' ? NULL : text;
}

static void create(struct nsh_rest_call *call)
{
    const char *network = setting(call, "network"), *flavor = setting(call, "flavor");
    struct nsh_member net = {"uuid", nsh_text(network)};
    struct nsh_value nets = nsh_map(&net, 1);
    struct nsh_member token = {"nightshift-op", nsh_text(call->op->token)};
    bool word = network == NULL || strcmp(network, "auto") == 0 || strcmp(network, "none") == 0;
    struct nsh_member members[10] = {
        {"name", nsh_text(openstack_device(call)->name)},
        {"flavorRef", nsh_text(flavor)},
        {"imageRef", nsh_text(setting(call, "image") == NULL ? "" : setting(call, "image"))},
        {"networks", word ? nsh_text(network == NULL ? "auto" : network) : nsh_list(&nets, 1)},
        {"metadata", nsh_map(&token, call->op->token == NULL ? 0 : 1)},
    };
    static const char *const optional[][2] = {
        {"zone", "availability_zone"}, {"key_name", "key_name"}, {"user_data", "user_data"}};
    size_t count = 5;
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (setting(call, optional[i][0]) != NULL) {
            members[count++] =
                (struct nsh_member){optional[i][1], nsh_text(setting(call, optional[i][0]))};
        }
    }
    struct nsh_member server = {"server", nsh_map(members, count)};
    struct nsh_value body = nsh_map(&server, 1);
    if (flavor == NULL) {
        nsh_rest_fail(call, NSH_INVALID, "%s: to create a server the setting flavor is needed",
                      nsh_rest_base(call->rest));
        return;
    }
    openstack_send_value(call, "POST", &body, create_answered, "/servers");
}

/* ---- finding ---------------------------------------------------------------------------- */

static bool found_each(struct nsh_rest_call *call, const struct nsh_value *item)
{
    struct openstack_call *own = openstack_of(call);
    struct openstack_server server;
    /* Nova matches by pattern: only the very name counts. */
    if (!openstack_server_read(item, &server) ||
        strcmp(server.name, openstack_device(call)->name) != 0) {
        return true;
    }
    own->steps++;
    snprintf(own->id, sizeof own->id, "%s", server.id);
    return true;
}

static void found_done(struct nsh_rest_call *call)
{
    struct openstack_call *own = openstack_of(call);
    const char *name = openstack_device(call)->name;
    if (own->steps > 1) {
        nsh_rest_fail(call, NSH_CONFLICT, "%s: %u servers have the name %s: give the id",
                      nsh_rest_base(call->rest), own->steps, name);
    } else if (own->steps == 1) {
        server_read(call);
    } else if (verb_is(call, "add")) {
        create(call);
    } else if (verb_is(call, "remove") || verb_is(call, "release")) {
        openstack_done(call, (const char *const[]){"state", "DELETED", NULL}); /* Gone already. */
    } else {
        nsh_rest_fail(call, NSH_NOT_FOUND, "%s: no server %s", nsh_rest_base(call->rest), name);
    }
}

static void found_first(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->status == 404 && (verb_is(call, "remove") || verb_is(call, "release"))) {
        openstack_done(call, (const char *const[]){"state", "DELETED", NULL});
    } else {
        server_answered(call, reply);
    }
}

static void server_find(struct nsh_rest_call *call)
{
    const struct nsh_device *device = openstack_device(call);
    char path[OPENSTACK_NAME_BYTES_MAX * 4];
    if (openstack_is_uuid(device->name) && !verb_is(call, "add")) {
        openstack_send(call, "GET", NULL, found_first, "/servers/%s", device->path);
        return;
    }
    snprintf(path, sizeof path, "/servers/detail?limit=1000&name=%s", device->path);
    openstack_read_servers(call, path, found_each, found_done);
}

bool openstack_server_begin(struct nsh_rest_call *call)
{
    static const char *const verbs[] = {"power.status",
                                        "power.on",
                                        "power.off",
                                        "power.cycle",
                                        "reset.soft",
                                        "reset.hard",
                                        "probe",
                                        "add",
                                        "remove",
                                        "release",
                                        "openstack.live_migrate"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (verb_is(call, verbs[i])) {
            openstack_use(call, OS_COMPUTE, server_find);
            return true;
        }
    }
    return false;
}
