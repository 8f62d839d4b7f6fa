/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of each verb. Who the agents are (once), what every outlet's state is, one SET for each
 * that is not as wanted, then reading until all are, or time is up. A SET without an answer is not
 * sent again: the reading after it tells. Off means: all outlets, twice in a row.
 */

#include "snmp_calls.h"
#include "snmp_doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_OBJECT_ID "1.3.6.1.2.1.1.2.0"
#define DEADLINE_MARGIN_MS 500 /* Ours comes before the caller's. */
#define FIRST_POLL_MS 500
#define OFF_READS 2
#define BUSY_RETRY_MS 5000
#define TEXT_MAX 360

enum state { STATE_UNKNOWN, STATE_ON, STATE_OFF, STATE_MOVES };

static const char *const state_words[] = {"unknown", "on", "off", "moving"};

struct snmp_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct snmp_request request;
    struct snmp_agent *asked; /* Where the request is. */
    struct nsh_timer *timer;
    int64_t deadline_ms;
    size_t at; /* Agent or outlet of the walk. */
    enum state states[SNMP_OUTLETS_MAX];
    long numbers[SNMP_OUTLETS_MAX]; /* What was read. */
    void (*after)(struct snmp_call *call);
    enum state wanted;
    bool cycles, proves, acted, unanswered, changed;
    unsigned seen_count;
    int64_t load_mw;
    bool load_known;
};

/* ---- endings ---- */

static void call_end(struct snmp_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    if (call->asked != NULL) {
        snmp_link_abort(&call->asked->link, &call->request);
    }
    if (call->timer != NULL) {
        services->timer_cancel(services, call->timer);
    }
    op->driver_data = NULL;
    free(call);
    services->complete(services, op, outcome);
}

static void call_fail(struct snmp_call *call, int code, const char *text)
{
    call_end(call, &(struct nsh_outcome){
                       .code = code,
                       .effect_possible = call->acted,
                       .text = text,
                       .retry_after_ms = code == NSH_BUSY ? BUSY_RETRY_MS : 0,
                   });
}

static const struct snmp_outlet *outlet_at(const struct snmp_call *call)
{
    return &call->device->outlets[call->at];
}

static void outlet_fail(struct snmp_call *call, int code, const char *what)
{
    const struct snmp_outlet *outlet = outlet_at(call);
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s: outlet %s: %s", outlet->agent->link.address, outlet->index,
             what);
    call_fail(call, code, text);
}

int snmp_error_code(int error)
{
    switch (error) {
    case 2: /* noSuchName: v1 has no other word. */
    case 11:
        return NSH_NOT_FOUND;
    case 4:  /* readOnly */
    case 6:  /* noAccess */
    case 16: /* authorizationError */
    case 17: /* notWritable */
        return NSH_DENIED;
    case 5:  /* genErr: the relays are still at it. */
    case 13: /* resourceUnavailable */
        return NSH_BUSY;
    case 12: /* inconsistentValue: not switched by hand, or locked. */
        return NSH_CONFLICT;
    case 3:
    case 7:
    case 8:
    case 10:
        return NSH_UNSUPPORTED;
    default:
        return error > 0 && error <= 18 ? NSH_REFUSED : NSH_PROTOCOL;
    }
}

/* ---- requests ---- */

static void call_ask(struct snmp_call *call, struct snmp_agent *agent, const struct snmp_ask *ask,
                     void (*done)(void *arg, const struct snmp_result *result))
{
    struct nsh_error err = {.code = NSH_OK};
    call->request = (struct snmp_request){.ask = *ask, .done = done, .arg = call};
    call->asked = agent;
    if (snmp_link_request(&agent->link, &call->request, &err) < 0) {
        call_fail(call, err.code, err.text);
    }
}

static void call_wait(struct snmp_call *call, uint32_t delay_ms, void (*fire)(void *arg))
{
    struct nsh_services *services = call->device->services;
    call->timer = services->timer(services, delay_ms, fire, call);
    if (call->timer == NULL) {
        call_fail(call, NSH_NOMEM, "no memory for a timer");
    }
}

bool snmp_outlet_oid(const struct snmp_outlet *outlet, const char *text, struct snmp_oid *ret_oid)
{
    unsigned parts = 1, wanted = outlet->agent->family->parts;
    char index[SNMP_INDEX_MAX + 16];
    size_t used = 0;
    for (const char *c = outlet->index; *c != '\0'; c++) {
        parts += *c == '.' ? 1 : 0;
    }
    for (; parts < wanted; parts++) {
        index[used++] = '1';
        index[used++] = '.';
    }
    snprintf(index + used, sizeof index - used, "%s", outlet->index);
    return snmp_oid_fill(text, index, ret_oid);
}

/* ---- reading all outlets ---- */

static void read_next(struct snmp_call *call);
static void prove_again(struct snmp_call *call, int code, const char *why);

static enum state state_of(const struct snmp_family *family, long number)
{
    if (number == family->is_on || number == family->is_off) {
        return number == family->is_on ? STATE_ON : STATE_OFF;
    }
    bool moves = number >= 0 && number < 32 && (family->moves >> number & 1) != 0;
    return moves ? STATE_MOVES : STATE_UNKNOWN;
}

/* While proving a reading may fail: there is another one. */
static void read_failed(struct snmp_call *call, int code, const char *text)
{
    if (call->proves) {
        call->seen_count = 0;
        prove_again(call, NSH_UNKNOWN, text);
    } else {
        call_fail(call, code, text);
    }
}

static void read_done(void *arg, const struct snmp_result *result)
{
    struct snmp_call *call = arg;
    struct nsh_services *services = call->device->services;
    const struct snmp_outlet *outlet = outlet_at(call);
    const struct snmp_answer *answer = &result->answer;
    char text[TEXT_MAX];
    call->asked = NULL;
    if (result->code != NSH_OK) {
        services->trace(services, call->op, "read outlet %s -> %s", outlet->index, result->text);
        read_failed(call, result->code, result->text);
        return;
    }
    if (answer->error != 0 || answer->kind != SNMP_NUMBER) {
        const char *why = answer->error != 0 ? snmp_error_word(answer->error) : "no such outlet";
        services->trace(services, call->op, "read outlet %s -> %s", outlet->index, why);
        snprintf(text, sizeof text, "%s: outlet %s (%s): %s", outlet->agent->link.address,
                 outlet->index, outlet->agent->family->name, why);
        if (outlet->agent->found && !call->proves) {
            outlet->agent->family = NULL; /* Perhaps it is another one by now: ask again. */
        }
        read_failed(call, answer->error != 0 ? snmp_error_code(answer->error) : NSH_NOT_FOUND,
                    text);
        return;
    }
    call->numbers[call->at] = answer->number;
    call->states[call->at] = state_of(outlet->agent->family, answer->number);
    services->trace(services, call->op, "read outlet %s/%s -> %ld (%s)",
                    outlet->agent->link.address, outlet->index, answer->number,
                    state_words[call->states[call->at]]);
    call->at++;
    read_next(call);
}

static void read_next(struct snmp_call *call)
{
    if (call->at == call->device->outlets_count) {
        call->after(call);
        return;
    }
    const struct snmp_outlet *outlet = outlet_at(call);
    struct snmp_ask ask = {.what = SNMP_GET};
    if (!snmp_outlet_oid(outlet_at(call), outlet->agent->family->status, &ask.oid)) {
        outlet_fail(call, NSH_INVALID, "no object identifier can be made of it");
        return;
    }
    call_ask(call, outlet->agent, &ask, read_done);
}

static void read_all(struct snmp_call *call, void (*after)(struct snmp_call *call))
{
    call->at = 0;
    call->after = after;
    read_next(call);
}

/* On when one is: the host has power. */
static enum state state_of_all(const struct snmp_call *call)
{
    size_t on = 0, off = 0, count = call->device->outlets_count;
    for (size_t i = 0; i < count; i++) {
        on += call->states[i] == STATE_ON ? 1 : 0;
        off += call->states[i] == STATE_OFF ? 1 : 0;
    }
    return on > 0 ? STATE_ON : off == count ? STATE_OFF : STATE_UNKNOWN;
}

/* The first outlet that is not as wanted, or the count. */
static size_t outlet_lacking(const struct snmp_call *call)
{
    size_t i = 0;
    while (i < call->device->outlets_count && call->states[i] == call->wanted) {
        i++;
    }
    return i;
}

/* ---- results ---- */

struct outlet_row {
    char name[sizeof(((struct snmp_link *)NULL)->address) + SNMP_INDEX_MAX];
    struct nsh_member members[2];
};

static void call_succeed(struct snmp_call *call)
{
    struct outlet_row rows[SNMP_OUTLETS_MAX] = {0};
    struct nsh_value items[SNMP_OUTLETS_MAX];
    size_t count = call->device->outlets_count, members_count = 2;
    for (size_t i = 0; i < count; i++) {
        const struct snmp_outlet *outlet = &call->device->outlets[i];
        snprintf(rows[i].name, sizeof rows[i].name, "%s/%s", outlet->agent->link.address,
                 outlet->index);
        rows[i].members[0] = (struct nsh_member){"outlet", nsh_text(rows[i].name)};
        rows[i].members[1] = (struct nsh_member){"state", nsh_text(state_words[call->states[i]])};
        items[i] = nsh_map(rows[i].members, 2);
    }
    struct nsh_member members[4] = {
        {"power", nsh_text(state_words[state_of_all(call)])},
        {"outlets", nsh_list(items, count)},
    };
    if (call->op->verb->effect != NSH_READS) {
        members[members_count++] = (struct nsh_member){"changed", nsh_bool(call->changed)};
    }
    if (call->load_known) {
        members[members_count++] =
            (struct nsh_member){"watts", nsh_int((call->load_mw + 500) / 1000)};
    }
    struct nsh_value result = nsh_map(members, members_count);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = ""});
}

/* ---- loads, where the make tells them ---- */

static void load_next(struct snmp_call *call);

static void load_done(void *arg, const struct snmp_result *result)
{
    struct snmp_call *call = arg;
    const struct snmp_answer *answer = &result->answer;
    call->asked = NULL;
    if (result->code == NSH_OK && answer->error == 0 && answer->kind == SNMP_NUMBER &&
        answer->number >= 0) {
        call->load_known = true;
        call->load_mw += answer->number * outlet_at(call)->agent->family->load_mw;
    }
    call->at++;
    load_next(call);
}

static void load_next(struct snmp_call *call)
{
    const struct nsh_device *device = call->device;
    struct snmp_ask ask = {.what = SNMP_GET};
    while (call->at < device->outlets_count &&
           (outlet_at(call)->agent->family->load == NULL ||
            !snmp_outlet_oid(outlet_at(call), outlet_at(call)->agent->family->load, &ask.oid))) {
        call->at++;
    }
    if (call->at == device->outlets_count) {
        call_succeed(call);
    } else {
        call_ask(call, outlet_at(call)->agent, &ask, load_done);
    }
}

static void status_read(struct snmp_call *call)
{
    call->at = 0;
    load_next(call);
}

/* ---- acting and proving ---- */

static void act_next(struct snmp_call *call);

static void prove_after(struct snmp_call *call);

static void prove_fire(void *arg)
{
    struct snmp_call *call = arg;
    call->timer = NULL;
    read_all(call, prove_after);
}

static void prove_again(struct snmp_call *call, int code, const char *why)
{
    struct nsh_services *services = call->device->services;
    char text[TEXT_MAX];
    if (services->now_ms(services) + call->device->poll_ms < call->deadline_ms) {
        call_wait(call, call->device->poll_ms, prove_fire);
        return;
    }
    snprintf(text, sizeof text, "switched %s%s, but %.280s", state_words[call->wanted],
             call->unanswered ? " (a SET had no answer)" : "", why);
    call_fail(call, code, text);
}

static void act_pause_over(void *arg)
{
    struct snmp_call *call = arg;
    call->timer = NULL;
    call->wanted = STATE_ON;
    call->at = 0;
    act_next(call);
}

static void prove_after(struct snmp_call *call)
{
    char why[TEXT_MAX];
    size_t lacking = outlet_lacking(call);
    if (lacking < call->device->outlets_count) {
        const struct snmp_outlet *outlet = &call->device->outlets[lacking];
        snprintf(why, sizeof why, "%s: outlet %s is %s (%ld)", outlet->agent->link.address,
                 outlet->index, state_words[call->states[lacking]], call->numbers[lacking]);
        call->seen_count = 0;
        prove_again(call, NSH_UNVERIFIED, why);
        return;
    }
    call->seen_count++;
    if (call->wanted == STATE_OFF && call->seen_count < OFF_READS) {
        call_wait(call, call->device->poll_ms, prove_fire);
    } else if (call->wanted == STATE_OFF && call->cycles) {
        call_wait(call, call->device->off_time_ms, act_pause_over);
    } else {
        call_succeed(call);
    }
}

static void prove_begin(struct snmp_call *call)
{
    uint32_t poll_ms = call->device->poll_ms;
    call->proves = true;
    call->seen_count = 0;
    call_wait(call, poll_ms < FIRST_POLL_MS ? poll_ms : FIRST_POLL_MS, prove_fire);
}

static void act_done(void *arg, const struct snmp_result *result)
{
    struct snmp_call *call = arg;
    struct nsh_services *services = call->device->services;
    const struct snmp_outlet *outlet = outlet_at(call);
    call->asked = NULL;
    call->acted = call->acted || result->sent;
    services->trace(services, call->op, "set outlet %s/%s %s -> %s", outlet->agent->link.address,
                    outlet->index, state_words[call->wanted],
                    result->code != NSH_OK      ? result->text
                    : result->answer.error != 0 ? snmp_error_word(result->answer.error)
                                                : "ok");
    if (result->code != NSH_OK && !(result->code == NSH_TIMEOUT && result->sent)) {
        call_fail(call, result->code, result->text);
        return;
    }
    if (result->code == NSH_OK && result->answer.error != 0) {
        /* A clear no; what was switched before stays so. */
        call->acted = call->changed || snmp_error_code(result->answer.error) == NSH_PROTOCOL;
        outlet_fail(call, snmp_error_code(result->answer.error),
                    snmp_error_word(result->answer.error));
        return;
    }
    call->unanswered = call->unanswered || result->code != NSH_OK;
    call->changed = true;
    call->at++;
    act_next(call);
}

/* One SET for each outlet that is not as wanted. */
static void act_next(struct snmp_call *call)
{
    const struct nsh_device *device = call->device;
    while (call->at < device->outlets_count && call->states[call->at] == call->wanted) {
        call->at++;
    }
    if (call->at == device->outlets_count) {
        prove_begin(call);
        return;
    }
    const struct snmp_family *family = outlet_at(call)->agent->family;
    bool on = call->wanted == STATE_ON;
    struct snmp_ask ask = {.what = family->is_unsigned ? SNMP_SET_UNSIGNED : SNMP_SET_INTEGER,
                           .value = on ? family->on : family->off};
    const char *control = on || family->control_off == NULL ? family->control : family->control_off;
    if (!snmp_outlet_oid(outlet_at(call), control, &ask.oid)) {
        outlet_fail(call, NSH_INVALID, "no object identifier can be made of it");
        return;
    }
    call_ask(call, outlet_at(call)->agent, &ask, act_done);
}

/* An outlet whose state the PDU itself does not know is for a person. */
static void power_read(struct snmp_call *call)
{
    for (size_t i = 0; i < call->device->outlets_count; i++) {
        if (call->states[i] == STATE_UNKNOWN) {
            char what[64];
            snprintf(what, sizeof what, "its state is unknown (%ld)", call->numbers[i]);
            call->at = i;
            outlet_fail(call, NSH_CONFLICT, what);
            return;
        }
    }
    if (call->cycles && state_of_all(call) == STATE_OFF) {
        call->wanted = STATE_ON;
    }
    if (outlet_lacking(call) == call->device->outlets_count) {
        call_succeed(call);
        return;
    }
    call->at = 0;
    act_next(call);
}

/* ---- who the agents are ---- */

static void identify_next(struct snmp_call *call);

void snmp_oid_text(const struct snmp_oid *oid, char *text, size_t room)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < oid->count && used < room; i++) {
        int written = snprintf(text + used, room - used, i == 0 ? "%lu" : ".%lu", oid->arcs[i]);
        used += written < 0 ? 0 : (size_t)written;
    }
}

static void identify_done(void *arg, const struct snmp_result *result)
{
    struct snmp_call *call = arg;
    struct snmp_agent *agent = call->asked;
    const struct snmp_answer *answer = &result->answer;
    char text[TEXT_MAX], system[160] = "nothing";
    call->asked = NULL;
    if (result->code != NSH_OK) {
        call_fail(call, result->code, result->text);
        return;
    }
    if (answer->error != 0) {
        snprintf(text, sizeof text, "%s: who it is: %s", agent->link.address,
                 snmp_error_word(answer->error));
        call_fail(call, snmp_error_code(answer->error), text);
        return;
    }
    if (answer->kind == SNMP_OID) {
        snmp_oid_text(&answer->oid, system, sizeof system);
        agent->family = snmp_family_of(&answer->oid);
        agent->found = true;
    }
    if (agent->family == NULL) {
        snprintf(text, sizeof text,
                 "%s: its outlets are of no make known here (sysObjectID %s): set `family`",
                 agent->link.address, system);
        call_fail(call, NSH_UNSUPPORTED, text);
        return;
    }
    call->device->services->trace(call->device->services, call->op, "%s is %s", agent->link.address,
                                  agent->family->name);
    identify_next(call);
}

static void identify_next(struct snmp_call *call)
{
    struct nsh_device *device = call->device;
    struct snmp_ask ask = {.what = SNMP_GET};
    for (size_t i = 0; i < device->agents_count; i++) {
        if (device->agents[i].family == NULL) {
            snmp_oid_fill(SYSTEM_OBJECT_ID, "", &ask.oid);
            call_ask(call, &device->agents[i], &ask, identify_done);
            return;
        }
    }
    read_all(call, call->after);
}

/* ---- any object ---- */

static void get_done(void *arg, const struct snmp_result *result)
{
    struct snmp_call *call = arg;
    const struct snmp_answer *answer = &result->answer;
    const char *address = call->asked->link.address;
    char text[TEXT_MAX], value[160];
    call->asked = NULL;
    if (result->code != NSH_OK) {
        call_fail(call, result->code, result->text);
        return;
    }
    if (answer->error != 0 || answer->kind == SNMP_MISSING) {
        snprintf(text, sizeof text, "%s: %s: %s", address, nsh_get_text(call->op->args, "oid", ""),
                 answer->error != 0 ? snmp_error_word(answer->error) : "no such object");
        call_fail(call, answer->error != 0 ? snmp_error_code(answer->error) : NSH_NOT_FOUND, text);
        return;
    }
    struct nsh_member member = {"value", nsh_int(answer->number)};
    if (answer->kind == SNMP_OID) {
        snmp_oid_text(&answer->oid, value, sizeof value);
        member.value = nsh_text(value);
    } else if (answer->kind == SNMP_TEXT) {
        member.value = nsh_text(answer->text);
    }
    struct nsh_value map = nsh_map(&member, 1);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &map, .text = ""});
}

static int get_begin(struct snmp_call *call, struct nsh_error *err)
{
    const char *text = nsh_get_text(call->op->args, "oid", "");
    struct snmp_ask ask = {.what = SNMP_GET};
    if (!snmp_oid_fill(text, "", &ask.oid)) {
        return nsh_fail(err, NSH_INVALID, "oid: want numbers such as 1.3.6.1.2.1.1.2.0, got %.80s",
                        text);
    }
    call_ask(call, &call->device->agents[0], &ask, get_done);
    return 0;
}

/* ---- the door ---- */

int snmp_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    uint32_t timeout_ms = op->timeout_ms == 0 ? op->verb->timeout_ms_default : op->timeout_ms;
    if (strcmp(op->verb->name, SNMP_DOCTOR) == 0) {
        return snmp_doctor_start(device, op, err);
    }
    struct snmp_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    call->device = device;
    call->op = op;
    call->deadline_ms =
        device->services->now_ms(device->services) + timeout_ms - DEADLINE_MARGIN_MS;
    op->driver_data = call;
    if (strcmp(op->verb->name, "snmp.get") == 0) {
        int result = get_begin(call, err);
        if (result < 0) {
            op->driver_data = NULL;
            free(call);
        }
        return result;
    }
    call->cycles = strcmp(op->verb->name, "power.cycle") == 0;
    call->wanted = strcmp(op->verb->name, "power.on") == 0 ? STATE_ON : STATE_OFF;
    call->after = op->verb->effect == NSH_READS ? status_read : power_read;
    identify_next(call);
    return 0;
}

void snmp_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct snmp_call *call = op->driver_data;
    if (strcmp(op->verb->name, SNMP_DOCTOR) == 0) {
        snmp_doctor_cancel(op);
    } else if (call != NULL) {
        bool sets = call->asked != NULL && call->request.ask.what != SNMP_GET;
        call->acted = call->acted || (sets && call->request.sent);
        call_fail(call, NSH_CANCELLED, "cancelled");
    }
}
