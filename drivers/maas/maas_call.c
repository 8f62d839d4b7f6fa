/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the machine; its power, as its BMC tells MAAS; its state, until it is as wanted. An order
 * is given once: what follows only reads.
 */

#include "maas.h"

#include <stdio.h>
#include <string.h>

#define FORM_PAIRS_MAX 48
#define STRAYS_MAX 3
#define SOON_MS 5000 /* When MAAS asks for patience without saying how much. */

/* ---- the end ---------------------------------------------------------------------------- */

void maas_done(struct maas_call *call)
{
    const struct maas_machine *machine = &call->machine;
    enum maas_aim aim = call->work->aim;
    bool query = aim == AIM_QUERY;
    const struct nsh_member members[] = {
        {"power", nsh_text(query ? machine->power : call->power)},
        {"state", nsh_text(maas_state_word(machine->state))},
        {"name", nsh_text(machine->hostname)},
        {"system_id", nsh_text(machine->system_id)},
        {"locked", nsh_bool(machine->locked)},
        {"owner", nsh_text(machine->owner)},
        {"pool", nsh_text(machine->pool)},
        {"zone", nsh_text(machine->zone)},
        {"series", nsh_text(machine->series)},
        {"power_type", nsh_text(machine->power_type)},
        {"serial", nsh_text(machine->serial)},
    };
    struct nsh_member kept[sizeof members / sizeof members[0] + 1];
    size_t count = 0, all = query ? sizeof members / sizeof members[0] : 4;

    for (size_t i = 0; i < all; i++) {
        if (members[i].value.type != NSH_NULL) {
            kept[count++] = members[i];
        }
    }
    if (aim != AIM_STATUS && aim != AIM_QUERY) {
        kept[count++] = (struct nsh_member){"changed", nsh_bool(call->acted)};
    }
    struct nsh_value result = nsh_map(kept, count);
    nsh_rest_done(&call->rest, &result);
}

void maas_fail(struct maas_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_reply told = *reply;

    told.code =
        maas_refusal_means(reply->status, reply->code, reply->retry_after_ms != 0, reply->words);
    if (told.code == NSH_BUSY && told.retry_after_ms == 0) {
        told.retry_after_ms = SOON_MS;
    }
    /* Older than MAAS takes it: with the clock that the answer tells it is not. */
    if (reply->status == 401 && strstr(reply->words, "timestamp") != NULL &&
        nsh_rest_again(&call->rest)) {
        return;
    }
    nsh_rest_fail_reply(&call->rest, &told);
}

/* ---- orders ----------------------------------------------------------------------------- */

static const char *argument_text(struct maas_call *call, const struct nsh_member *arg, bool *good)
{
    struct nsh_pool *pool = &call->rest.pool;
    const struct nsh_value *value = &arg->value;
    const char *text = NULL;

    if (value->type == NSH_STRING && strcmp(arg->name, "user_data") == 0) {
        text = nsh_base64(pool, value->text, value->count);
    } else if (value->type == NSH_STRING) {
        text = value->text;
    } else if (value->type == NSH_BOOL) {
        text = value->boolean ? "true" : "false";
    } else if (value->type == NSH_INT) {
        text = nsh_pool_printf(pool, "%lld", (long long)value->integer);
    } else {
        return NULL;
    }
    *good = *good && text != NULL;
    return text;
}

/* Which of its orders an argument belongs to, when a verb has two of them. */
static bool is_of(const char *name, bool deploying)
{
    static const char *const deploy[] = {"distro_series", "hwe_kernel", "user_data",
                                         "ephemeral_deploy"};

    for (size_t i = 0; i < sizeof deploy / sizeof deploy[0]; i++) {
        if (strcmp(name, deploy[i]) == 0) {
            return deploying;
        }
    }
    return !deploying;
}

const char *maas_form(struct maas_call *call, const char *const *pairs)
{
    const struct nsh_op *op = call->rest.op;
    bool deploying = call->work->aim == AIM_ADD && call->known, good = true;
    const char *all[FORM_PAIRS_MAX + 3] = {NULL};
    size_t count = 0;
    const char *comment = nsh_get_text(op->args, "comment", NULL);

    for (; pairs != NULL && pairs[count] != NULL; count++) {
        all[count] = pairs[count];
    }
    for (uint32_t i = 0; op->args->type == NSH_MAP && i < op->args->count; i++) {
        const struct nsh_member *arg = &op->args->members[i];
        if (count + 2 > FORM_PAIRS_MAX || strcmp(arg->name, "comment") == 0 ||
            (call->work->aim == AIM_ADD && !is_of(arg->name, deploying))) {
            continue;
        }
        all[count + 1] = argument_text(call, arg, &good);
        all[count] = arg->name;
        count += all[count + 1] == NULL ? 0 : 2;
    }
    all[count] = "comment";
    all[count + 1] = comment != NULL ? comment
                                     : nsh_pool_printf(&call->rest.pool, "nightshift %s %s",
                                                       op->verb->name, op->token);
    all[count + 2] = NULL;
    return good && all[count + 1] != NULL ? nsh_query(&call->rest.pool, all) : NULL;
}

static void order_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);

    if (reply->code != NSH_OK) {
        maas_fail(call, reply);
        return;
    }
    call->acted = true;
    maas_look(rest);
}

void maas_order(struct maas_call *call, const char *op)
{
    bool soft = call->work->aim == AIM_SHUTDOWN, off = strcmp(op, "power_off") == 0;
    const char *const mode[] = {"stop_mode", soft ? "soft" : "hard", NULL};
    const char *form = maas_form(call, off ? mode : NULL);
    const char *path =
        nsh_pool_printf(&call->rest.pool, "/machines/%s/?op=%s", call->machine.system_id, op);

    if (form == NULL || path == NULL) {
        nsh_rest_fail_nomem(&call->rest);
        return;
    }
    call->ordered = call->power;
    nsh_rest_send(&call->rest,
                  &(struct nsh_rest_request){.method = "POST",
                                             .path = path,
                                             .text = form,
                                             .content_type = "application/x-www-form-urlencoded"},
                  order_answered);
}

/* ---- power ------------------------------------------------------------------------------ */

static void power_step(struct maas_call *call)
{
    bool on = strcmp(call->power, "on") == 0;
    bool wants_off = call->work->aim == AIM_OFF || call->work->aim == AIM_SHUTDOWN;
    bool cycling = call->work->aim == AIM_CYCLE && !call->stopped;

    call->stopped = call->stopped || !on;
    if (call->work->aim == AIM_STATUS) {
        maas_done(call);
    } else if (call->ordered != NULL && strcmp(call->ordered, call->power) == 0) {
        nsh_rest_wait(&call->rest, maas_look, "machine %s is still %s", call->machine.system_id,
                      call->power);
    } else if (on && (wants_off || cycling)) {
        maas_order(call, "power_off");
    } else if (!on && !wants_off) {
        maas_order(call, "power_on");
    } else {
        maas_done(call);
    }
}

static void power_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);
    const char *state = nsh_at_text(reply->body, "state", NULL);

    if (reply->code == NSH_BUSY && call->acted) { /* Its BMC is at it. */
        nsh_rest_wait(rest, maas_look, "the power of machine %s cannot be read: %.200s",
                      call->machine.system_id, reply->words);
    } else if (reply->code != NSH_OK) {
        maas_fail(call, reply);
    } else if (state == NULL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: machine %s tells no power state",
                      nsh_rest_base(rest->rest), call->machine.system_id);
    } else if (strcmp(state, "on") == 0 || strcmp(state, "off") == 0) {
        call->power = strcmp(state, "on") == 0 ? "on" : "off";
        power_step(call);
    } else if (call->acted) {
        nsh_rest_wait(rest, maas_look, "the power of machine %s is '%.32s'",
                      call->machine.system_id, state);
    } else {
        nsh_rest_fail(rest, NSH_UNKNOWN, "%s: MAAS says the power of machine %s is '%.32s'",
                      nsh_rest_base(rest->rest), call->machine.system_id, state);
    }
}

static void power_read(struct nsh_rest_call *rest)
{
    const char *path = nsh_pool_printf(&rest->pool, "/machines/%s/?op=query_power_state",
                                       maas_of(rest)->machine.system_id);

    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = path}, power_answered);
}

/* ---- states ----------------------------------------------------------------------------- */

static void state_step(struct maas_call *call)
{
    const struct maas_work *work = call->work;
    const struct maas_machine *machine = &call->machine;
    uint32_t bit = 1u << machine->state;
    bool begun = call->acted || call->joined;

    if ((work->wanted & bit) != 0 && (begun || !work->again)) {
        maas_done(call);
    } else if (begun && (work->failed & bit) != 0) {
        nsh_rest_fail(&call->rest, NSH_FAILED, "%s: machine %s (%s) is %s%s%s",
                      nsh_rest_base(call->rest.rest), machine->system_id, machine->hostname,
                      maas_state_word(machine->state), machine->message[0] == '\0' ? "" : ": ",
                      machine->message);
    } else if (begun && (work->running & bit) == 0 && work->running != 0 &&
               ++call->strays > STRAYS_MAX) {
        nsh_rest_fail(&call->rest, NSH_FAILED,
                      "%s: machine %s (%s) is %s: somebody ended what was ordered",
                      nsh_rest_base(call->rest.rest), machine->system_id, machine->hostname,
                      maas_state_word(machine->state));
    } else if (begun || (work->running & bit) != 0) {
        call->joined = true;
        nsh_rest_wait(&call->rest, maas_look, "machine %s is %s", machine->system_id,
                      maas_state_word(machine->state));
    } else {
        maas_order(call, work->op);
    }
}

/* ---- the machine ------------------------------------------------------------------------ */

bool maas_machine_take(struct maas_call *call, const struct nsh_value *json)
{
    struct nsh_error err = {0};
    const char *serial = device_of(call)->serial;
    enum maas_aim aim = call->work->aim;
    bool looks = aim == AIM_QUERY || aim == AIM_DOCTOR;

    if (maas_machine_read(json, &call->machine, &err) < 0) {
        nsh_rest_fail(&call->rest, NSH_PROTOCOL, "%s: %s", nsh_rest_base(call->rest.rest),
                      err.text);
        return false;
    }
    call->known = true;
    if (serial != NULL && !looks && strcmp(serial, call->machine.serial) != 0) {
        nsh_rest_fail(&call->rest, NSH_MISMATCH,
                      "%s: another machine: MAAS knows %s (%s) by serial number %s, not %s",
                      nsh_rest_base(call->rest.rest), call->machine.system_id,
                      call->machine.hostname,
                      call->machine.serial[0] == '\0' ? "none" : call->machine.serial, serial);
        return false;
    }
    return true;
}

static void machine_go_on(struct maas_call *call)
{
    switch (call->work->aim) {
    case AIM_QUERY:
    case AIM_ALLOCATE:
        maas_done(call);
        break;
    case AIM_STATE:
    case AIM_ADD:
        state_step(call);
        break;
    case AIM_DOCTOR:
        maas_doctor_found(call);
        break;
    case AIM_STATUS:
    case AIM_ON:
    case AIM_OFF:
    case AIM_SHUTDOWN:
    case AIM_CYCLE:
        power_read(&call->rest);
        break;
    }
}

static void machine_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);

    if (reply->code == NSH_BUSY && (call->acted || call->joined)) {
        nsh_rest_wait(rest, maas_look, "MAAS is busy: %.200s", reply->words);
    } else if (reply->code != NSH_OK && call->work->aim == AIM_DOCTOR && reply->status == 404) {
        maas_doctor_missing(call, reply);
    } else if (reply->code != NSH_OK) {
        maas_fail(call, reply);
    } else if (maas_machine_take(call, reply->body)) {
        machine_go_on(call);
    }
}

/* Of the machines of that host name the one that is meant: in which domain, the name may say. */
static void machines_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);
    const char *name = device_of(call)->hostname;
    const struct nsh_value *found = NULL;
    size_t matches = 0;

    if (reply->code != NSH_OK) {
        maas_fail(call, reply);
        return;
    }
    if (reply->body->type != NSH_LIST) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: the answer is no list of machines",
                      nsh_rest_base(rest->rest));
        return;
    }
    for (uint32_t i = 0; i < reply->body->count; i++) {
        const struct nsh_value *item = &reply->body->items[i];
        if (maas_machine_named(item, name)) {
            found = item;
            matches++;
        }
    }
    if (matches == 0 && call->work->aim == AIM_DOCTOR) {
        maas_doctor_missing(call, reply);
    } else if (matches == 0) {
        nsh_rest_fail(rest, NSH_NOT_FOUND, "%s: there is no machine %s that the key may see",
                      nsh_rest_base(rest->rest), name);
    } else if (matches > 1) {
        nsh_rest_fail(rest, NSH_MISMATCH, "%s: %zu machines are called %s: add the domain",
                      nsh_rest_base(rest->rest), matches, name);
    } else if (maas_machine_take(call, found)) {
        machine_go_on(call);
    }
}

void maas_look(struct nsh_rest_call *rest)
{
    struct maas_call *call = maas_of(rest);
    const struct nsh_device *device = device_of(call);
    const char *id = call->known ? call->machine.system_id : device->system_id;
    struct nsh_pool *pool = &rest->pool;
    const char *path = NULL;

    if (id != NULL) {
        const char *encoded = nsh_percent(pool, id);
        path = encoded == NULL ? NULL : nsh_pool_printf(pool, "/machines/%s/", encoded);
    } else {
        const char *dot = strchr(device->hostname, '.');
        const char *name = nsh_pool_copy(pool, device->hostname,
                                         dot == NULL ? strlen(device->hostname)
                                                     : (size_t)(dot - device->hostname));
        const char *query =
            name == NULL ? NULL : nsh_query(pool, (const char *const[]){"hostname", name, NULL});
        path = query == NULL ? NULL : nsh_pool_printf(pool, "/machines/?%s", query);
    }
    if (path == NULL) {
        nsh_rest_fail_nomem(rest);
        return;
    }
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = path},
                  id != NULL ? machine_answered : machines_answered);
}

void maas_begin(struct nsh_rest_call *rest)
{
    struct maas_call *call = maas_of(rest);
    const struct nsh_device *device = device_of(call);

    if (call->work->aim == AIM_DOCTOR) {
        maas_doctor_begin(call);
    } else if (call->work->aim == AIM_ALLOCATE || call->work->aim == AIM_ADD) {
        maas_take_begin(call);
    } else if (device->system_id == NULL && device->hostname == NULL) {
        nsh_rest_fail(rest, NSH_INVALID, "%s needs the setting system_id or hostname",
                      rest->op->verb->name);
    } else {
        maas_look(rest);
    }
}
