/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's MAAS, API 2.0: who may do what, paths, forms in, JSON out, errors as plain text. */

#include "lab_maas.h"

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX "/MAAS/api/2.0/"
#define PENDING_RETRY_S 5 /* What MAAS asks for while a power action is under way. */
#define BOX_CPUS 8
#define BOX_MIB 16384

struct maas_call {
    struct lab_maas *maas;
    const struct lab_request *request;
    struct lab_reply *reply;
    const struct maas_user *user;
    const char *op; /* "" */
    char op_room[64];
    struct maas_box *box;
};

static const char *form_text(const struct maas_call *call, const char *name, char *room,
                             size_t room_bytes)
{
    room[0] = '\0';
    lab_form_find(call->request->body, name, room, room_bytes);
    return room;
}

static bool form_true(const struct maas_call *call, const char *name)
{
    char room[16];

    return strcasecmp(form_text(call, name, room, sizeof room), "true") == 0 ||
           strcmp(room, "1") == 0;
}

/* ---- machines as JSON ------------------------------------------------------------------- */

static void json_member(struct textbuf *out, const char *name, const char *value)
{
    textbuf_addf(out, ",\"%s\":", name);
    if (value == NULL) {
        textbuf_add_chars(out, "null");
    } else {
        textbuf_add_json(out, text_of(value));
    }
}

static void machine_write(const struct lab_maas *maas, const struct maas_box *box,
                          struct textbuf *out)
{
    const struct lab_host *host = box->host;
    char id[8], uuid[37];

    maas_box_id(maas, box, id);
    lab_world_uuid_text(host, uuid);
    textbuf_addf(out,
                 "{\"system_id\":\"%s\",\"hostname\":\"%s\",\"fqdn\":\"%s.maas\",\"status\":%u", id,
                 host->name, host->name, box->state);
    json_member(out, "status_name", maas_box_words[box->state]);
    json_member(out, "status_message", box->message);
    json_member(out, "power_state", box->power);
    json_member(out, "owner", box->owner);
    json_member(out, "distro_series", box->series);
    json_member(out, "osystem", box->series[0] == '\0' ? "" : "ubuntu");
    json_member(out, "hardware_uuid", uuid);
    textbuf_addf(out,
                 ",\"power_type\":\"%s\",\"locked\":false,\"node_type\":0,\"node_type_name\":"
                 "\"Machine\",\"architecture\":\"amd64/generic\",\"cpu_count\":%d,\"memory\":%d,"
                 "\"tag_names\":[\"feed-%c\"],\"ip_addresses\":[],\"domain\":{\"id\":0,\"name\":"
                 "\"maas\"},\"pool\":{\"id\":1,\"name\":\"%s\"},\"zone\":{\"id\":%u,\"name\":"
                 "\"r%u\"},\"hardware_info\":{\"system_vendor\":\"Nightshift\",\"system_serial\":"
                 "\"%s\"},\"resource_uri\":\"" PREFIX "machines/%s/\"}",
                 host->bmc->kind == LAB_IPMI ? "ipmi" : "redfish", BOX_CPUS, BOX_MIB,
                 host->bmc->feed, lab_world_pool(host), host->bmc->rack, host->bmc->rack,
                 host->serial, id);
}

static void reply_machine(struct maas_call *call, const char *effect)
{
    machine_write(call->maas, call->box, &call->reply->body);
    call->reply->status = 200;
    if (effect != NULL) {
        lab_ledger_add(call->maas->lab, call->box->host, "maas", call->op, "200", effect);
    }
}

/* ---- lists and choice ------------------------------------------------------------------- */

static bool text_matches(const char *form, const char *name, const char *value)
{
    char wanted[MAAS_TEXT_MAX];

    return !lab_form_find(form, name, wanted, sizeof wanted) || strcmp(wanted, value) == 0;
}

static bool name_matches(const struct maas_box *box, const char *form, const char *name)
{
    char wanted[MAAS_TEXT_MAX], fqdn[64];

    snprintf(fqdn, sizeof fqdn, "%s.maas", box->host->name);
    return !lab_form_find(form, name, wanted, sizeof wanted) ||
           strcmp(wanted, box->host->name) == 0 || strcmp(wanted, fqdn) == 0;
}

static void answer_list(struct maas_call *call)
{
    struct lab_maas *maas = call->maas;
    struct textbuf *out = &call->reply->body;
    const char *query = call->request->query;
    char id[8], zone[16];
    size_t count = 0;

    textbuf_add_char(out, '[');
    for (size_t i = 0; i < maas->lab->hosts_count; i++) {
        const struct maas_box *box = &maas->boxes[i];
        maas_box_id(maas, box, id);
        snprintf(zone, sizeof zone, "r%u", box->host->bmc->rack);
        if (text_matches(query, "hostname", box->host->name) && text_matches(query, "id", id) &&
            text_matches(query, "agent_name", box->agent) &&
            text_matches(query, "pool", lab_world_pool(box->host)) &&
            text_matches(query, "zone", zone)) {
            textbuf_add_chars(out, count++ == 0 ? "" : ",");
            machine_write(maas, box, out);
        }
    }
    textbuf_add_char(out, ']');
    call->reply->status = 200;
}

/* Whether the machine has the tag, in a list such as "feed-a,gpu". */
static bool tags_match(const struct maas_box *box, const char *form, const char *name, bool wanted)
{
    char list[MAAS_TEXT_MAX], own[8];
    char *rest = list;

    if (!lab_form_find(form, name, list, sizeof list)) {
        return true;
    }
    snprintf(own, sizeof own, "feed-%c", box->host->bmc->feed);
    for (const char *tag; (tag = strsep(&rest, ", ")) != NULL;) {
        if (*tag != '\0' && (strcmp(tag, own) == 0) != wanted) {
            return false;
        }
    }
    return true;
}

static bool number_enough(const char *form, const char *name, long has)
{
    char room[32];

    return !lab_form_find(form, name, room, sizeof room) || strtol(room, NULL, 10) <= has;
}

static bool is_wanted(const struct maas_call *call, const struct maas_box *box)
{
    const char *form = call->request->body;
    char id[8], zone[16], arch[32];

    maas_box_id(call->maas, box, id);
    snprintf(zone, sizeof zone, "r%u", box->host->bmc->rack);
    form_text(call, "arch", arch, sizeof arch);
    return box->state == BOX_READY && name_matches(box, form, "name") &&
           text_matches(form, "system_id", id) &&
           text_matches(form, "pool", lab_world_pool(box->host)) &&
           text_matches(form, "zone", zone) && tags_match(box, form, "tags", true) &&
           tags_match(box, form, "not_tags", false) && number_enough(form, "cpu_count", BOX_CPUS) &&
           number_enough(form, "mem", BOX_MIB) &&
           (arch[0] == '\0' || strncmp(arch, "amd64", 5) == 0);
}

static void answer_allocate(struct maas_call *call)
{
    struct lab_maas *maas = call->maas;

    for (size_t i = 0; i < maas->lab->hosts_count && call->box == NULL; i++) {
        call->box = is_wanted(call, &maas->boxes[i]) ? &maas->boxes[i] : NULL;
    }
    if (call->box == NULL) {
        lab_reply_text(call->reply, 409,
                       "No machine available matching constraints: %.400s (resolved to none)",
                       call->request->body);
        return;
    }
    call->box->state = BOX_ALLOCATED;
    call->box->owner = call->user->name;
    form_text(call, "agent_name", call->box->agent, sizeof call->box->agent);
    reply_machine(call, "allocated");
}

/* ---- one machine ------------------------------------------------------------------------ */

static void refuse_state(struct maas_call *call, const char *what)
{
    lab_reply_text(call->reply, 409, "%s ('%s').", what, maas_box_words[call->box->state]);
}

static void answer_power(struct maas_call *call, bool on)
{
    struct maas_box *box = call->box;
    char mode[16];
    bool soft = strcmp(form_text(call, "stop_mode", mode, sizeof mode), "soft") == 0;

    if (maas_box_switching(box)) {
        lab_reply_text(call->reply, 503,
                       "Unable to power %s: another action is already in progress for that node.",
                       on ? "on" : "off");
        snprintf(call->reply->extra_room, sizeof call->reply->extra_room, "Retry-After: %d\r\n",
                 PENDING_RETRY_S);
        return;
    }
    bool nothing = box->host->power == LAB_OFF && !on;
    maas_box_power(box, on, soft, call->op);
    if (nothing) {
        call->reply->status = 204;
    } else {
        reply_machine(call, NULL);
    }
}

static void answer_query_power(struct maas_call *call)
{
    const char *state = maas_box_look(call->box);

    if (state == NULL) {
        lab_reply_text(call->reply, 503, "Timed out waiting for power response");
        return;
    }
    textbuf_addf(&call->reply->body, "{\"state\":\"%s\"}", state);
    call->reply->status = 200;
}

static void answer_deploy(struct maas_call *call)
{
    struct maas_box *box = call->box;
    char series[64];

    if (box->state == BOX_READY) {
        box->owner = call->user->name;
        box->state = BOX_ALLOCATED;
    }
    if (box->state != BOX_ALLOCATED && box->state != BOX_FAILED_DEPLOYMENT) {
        lab_reply_text(call->reply, 409, "Can't deploy a machine that is in the '%s' state",
                       maas_box_words[box->state]);
        return;
    }
    maas_box_deploy(box, form_text(call, "distro_series", series, sizeof series));
    reply_machine(call, "deploying");
}

static void answer_release(struct maas_call *call)
{
    const uint32_t releasable = 1u << BOX_ALLOCATED | 1u << BOX_BROKEN | 1u << BOX_DEPLOYED |
                                1u << BOX_DEPLOYING | 1u << BOX_FAILED_DEPLOYMENT |
                                1u << BOX_FAILED_DISK_ERASING | 1u << BOX_FAILED_RELEASING |
                                1u << BOX_RESERVED;

    if (call->box->state == BOX_READY || call->box->state == BOX_RELEASING) {
        reply_machine(call, "none");
    } else if ((releasable & 1u << call->box->state) == 0) {
        refuse_state(call, "Machine cannot be released in its current state");
    } else {
        maas_box_release(call->box, form_true(call, "erase"));
        reply_machine(call, "releasing");
    }
}

static void answer_abort(struct maas_call *call)
{
    enum maas_box_state state = call->box->state;

    if (state != BOX_DEPLOYING && state != BOX_COMMISSIONING && state != BOX_DISK_ERASING) {
        refuse_state(call, "Cannot abort in state");
        return;
    }
    maas_box_abort(call->box);
    reply_machine(call, "aborted");
}

static void answer_broken(struct maas_call *call)
{
    char comment[MAAS_TEXT_MAX];

    maas_box_break(call->box, form_text(call, "comment", comment, sizeof comment));
    reply_machine(call, "broken");
}

static void answer_fixed(struct maas_call *call)
{
    if (call->box->state != BOX_BROKEN) {
        refuse_state(call, "Can't mark a non-broken node as 'Ready'");
        return;
    }
    call->box->state = BOX_READY;
    call->box->message[0] = '\0';
    reply_machine(call, "fixed");
}

static void answer_commission(struct maas_call *call)
{
    const uint32_t may =
        1u << BOX_NEW | 1u << BOX_READY | 1u << BOX_FAILED_COMMISSIONING | 1u << BOX_BROKEN;

    if ((may & 1u << call->box->state) == 0) {
        refuse_state(call, "Commissioning is not available because of the current state");
        return;
    }
    maas_box_commission(call->box);
    reply_machine(call, "commissioning");
}

static void answer_rescue(struct maas_call *call)
{
    bool enter = strcmp(call->op, "rescue_mode") == 0;
    bool inside = call->box->state == BOX_RESCUE || call->box->state == BOX_FAILED_EXITING_RESCUE;
    const uint32_t may = 1u << BOX_READY | 1u << BOX_BROKEN | 1u << BOX_DEPLOYED;

    if (enter ? (may & 1u << call->box->state) == 0 : !inside) {
        refuse_state(call, "Cannot enter or exit rescue mode in state");
        return;
    }
    maas_box_rescue(call->box, enter);
    reply_machine(call, enter ? "rescue" : "rescue-exit");
}

static void answer_power_on(struct maas_call *call)
{
    answer_power(call, true);
}

static void answer_power_off(struct maas_call *call)
{
    answer_power(call, false);
}

static const struct maas_op {
    const char *name;
    void (*answer)(struct maas_call *call);
    bool administers;
} ops[] = {
    {"power_on", answer_power_on, false},  {"power_off", answer_power_off, false},
    {"deploy", answer_deploy, false},      {"release", answer_release, false},
    {"abort", answer_abort, false},        {"mark_broken", answer_broken, false},
    {"mark_fixed", answer_fixed, true},    {"commission", answer_commission, true},
    {"rescue_mode", answer_rescue, false}, {"exit_rescue_mode", answer_rescue, false},
};

static void answer_op(struct maas_call *call)
{
    const char *owner = call->box->owner;
    bool own = call->user->administers || (owner == NULL ? call->box->state == BOX_READY
                                                         : strcmp(owner, call->user->name) == 0);

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].name, call->op) != 0) {
            continue;
        }
        if (!own || (ops[i].administers && !call->user->administers)) {
            lab_reply_text(call->reply, 403, "Forbidden");
        } else {
            ops[i].answer(call);
        }
        return;
    }
    lab_reply_text(call->reply, 400, "Unrecognised signature: method=POST op=%s", call->op);
}

/* ---- paths ------------------------------------------------------------------------------ */

/* "machines/4y3h7n/" -> "4y3h7n"; a path without the last '/' is none of MAAS'. */
static bool path_id(const char *path, char room[16])
{
    size_t count = strcspn(path, "/");

    if (count == 0 || count >= 16 || strcmp(path + count, "/") != 0) {
        return false;
    }
    memcpy(room, path, count);
    room[count] = '\0';
    return true;
}

static void answer_machine(struct maas_call *call, const char *id)
{
    bool get = strcmp(call->request->method, "GET") == 0;

    call->box = maas_box_find(call->maas, id);
    if (call->box == NULL) {
        lab_reply_text(call->reply, 404, "No Machine matches the given query.");
    } else if (get && call->op[0] == '\0') {
        reply_machine(call, NULL);
    } else if (get && strcmp(call->op, "query_power_state") == 0) {
        answer_query_power(call);
    } else if (!get) {
        answer_op(call);
    } else {
        lab_reply_text(call->reply, 400, "Unrecognised signature: method=GET op=%s", call->op);
    }
}

static void answer_path(struct maas_call *call, const char *path)
{
    bool post = strcmp(call->request->method, "POST") == 0;
    char id[16];

    if (strncmp(path, "machines/", 9) == 0 && path_id(path + 9, id)) {
        answer_machine(call, id);
    } else if (strcmp(path, "machines/") == 0 && !post && call->op[0] == '\0') {
        answer_list(call);
    } else if (strcmp(path, "machines/") == 0 && post && strcmp(call->op, "allocate") == 0) {
        answer_allocate(call);
    } else if (strcmp(path, "users/") == 0 && !post && strcmp(call->op, "whoami") == 0) {
        textbuf_addf(&call->reply->body,
                     "{\"username\":\"%s\",\"email\":\"\",\"is_superuser\":%s,\"is_local\":true}",
                     call->user->name, call->user->administers ? "true" : "false");
        call->reply->status = 200;
    } else {
        lab_reply_text(call->reply, 404, "Not Found");
    }
}

static bool method_good(const struct maas_call *call)
{
    const struct lab_request *request = call->request;

    if (strcmp(request->method, "GET") == 0) {
        return true;
    }
    if (strcmp(request->method, "POST") != 0) {
        lab_reply_text(call->reply, 405, "Method Not Allowed");
        return false;
    }
    if (request->body_bytes > 0 &&
        (request->content_type == NULL ||
         strncmp(request->content_type, "application/x-www-form-urlencoded", 33) != 0)) {
        lab_reply_text(call->reply, 400, "Bad Request: forms only");
        return false;
    }
    return true;
}

static void maas_answer(const struct lab_request *request, struct lab_reply *reply)
{
    struct lab_maas *maas = request->bmc->lab->maas;
    struct maas_call call = {.maas = maas, .request = request, .reply = reply};
    char why[256];
    size_t prefix = sizeof PREFIX - 1;

    lab_form_find(request->query, "op", call.op_room, sizeof call.op_room);
    call.op = call.op_room;
    if ((maas->door.bmc.modes & LAB_BUSY) != 0) {
        lab_reply_text(reply, 503, "The server is overloaded.");
        snprintf(reply->extra_room, sizeof reply->extra_room, "Retry-After: %u\r\n",
                 maas->door.bmc.retry_after_s);
        return;
    }
    if (strncmp(request->path, PREFIX, prefix) != 0) {
        lab_reply_text(reply, 404, "Not Found");
        return;
    }
    if (strcmp(request->path + prefix, "version/") == 0) {
        textbuf_add_chars(&reply->body, "{\"version\":\"3.4.4\",\"subversion\":\"nightshift-lab\","
                                        "\"capabilities\":[\"networks-management\"]}");
        return;
    }
    call.user = maas_authorize(maas, request->authorization, why, sizeof why);
    if (call.user == NULL) {
        lab_reply_text(reply, 401, "%s", why);
        return;
    }
    if (!method_good(&call)) {
        return;
    }
    answer_path(&call, request->path + prefix);
    if ((maas->door.bmc.modes & LAB_MUTE) != 0 && strcmp(request->method, "GET") != 0) {
        lab_reply_lose(reply);
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

int lab_maas_open(struct lab *lab, struct nsh_error *err)
{
    if (lab->options.maas_port == 0) {
        return 0;
    }
    struct lab_maas *maas = calloc(1, sizeof *maas);
    if (maas == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for MAAS");
    }
    lab->maas = maas;
    maas->lab = lab;
    maas->nonces = calloc(MAAS_NONCES_MAX, sizeof *maas->nonces);
    if (maas->nonces == NULL || maas_boxes_open(maas) < 0) {
        return nsh_fail(err, NSH_NOMEM, "no memory for MAAS");
    }
    return lab_door_open(lab, &maas->door, "maas", lab->options.maas_port, maas_answer, err);
}

void lab_maas_close(struct lab *lab)
{
    struct lab_maas *maas = lab->maas;

    if (maas == NULL) {
        return;
    }
    lab_door_close(&maas->door);
    lab_clock_clear(lab, &maas->tick);
    free(maas->nonces);
    free(maas->boxes);
    free(maas);
    lab->maas = NULL;
}
