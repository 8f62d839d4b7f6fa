/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For `driver doctor`: how the PDUs are spoken to, which make they say they are, whether the
 * outlets exist, what they are called, and whether they may be switched.
 *
 * The last is asked by a SET of the value that was read a moment before, once for each PDU, and
 * only where that cannot switch anything: where one object is both the state and the order, and its
 * values mean the same in both. Elsewhere an order would be an order: it is skipped, and said.
 */

#include "snmp_doctor.h"

#include "abi/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_OBJECT_ID "1.3.6.1.2.1.1.2.0"
#define SYSTEM_TEXT_MAX 100

struct doctor {
    struct nsh_device *device;
    struct nsh_op *op;
    struct snmp_request request;
    struct snmp_agent *asked; /* Where the request is. */
    size_t at;                /* Agent, then outlet. */
    long state;               /* Of the outlet at hand. */
    bool may_known[SNMP_AGENTS_MAX];
    struct nsh_checks checks;
};

typedef void doctor_done(void *arg, const struct snmp_result *result);

/* ---- endings ---- */

static struct nsh_op *doctor_leave(struct doctor *doctor)
{
    struct nsh_op *op = doctor->op;
    if (doctor->asked != NULL) {
        snmp_link_abort(&doctor->asked->link, &doctor->request);
    }
    op->driver_data = NULL;
    return op;
}

static void doctor_fail(struct doctor *doctor, int code, const char *text)
{
    struct nsh_services *services = doctor->device->services;
    struct nsh_op *op = doctor_leave(doctor);
    free(doctor);
    nsh_checks_fail(services, op, code, text);
}

static void doctor_complete(struct doctor *doctor)
{
    struct nsh_services *services = doctor->device->services;
    struct nsh_op *op = doctor_leave(doctor);
    nsh_checks_complete(services, op, &doctor->checks);
    free(doctor);
}

/* ---- asking ---- */

static void doctor_ask(struct doctor *doctor, struct snmp_agent *agent, const struct snmp_ask *ask,
                       doctor_done *done)
{
    struct nsh_error err = {.code = NSH_OK};
    doctor->request = (struct snmp_request){.ask = *ask, .done = done, .arg = doctor};
    doctor->asked = agent;
    if (snmp_link_request(&agent->link, &doctor->request, &err) < 0) {
        doctor_fail(doctor, err.code, err.text);
    }
}

/* Whether an answer came. Else the doctor is gone. */
static bool answered(struct doctor *doctor, const struct snmp_result *result)
{
    doctor->asked = NULL;
    if (result->code != NSH_OK) {
        doctor_fail(doctor, result->code, result->text);
    }
    return result->code == NSH_OK;
}

static const struct snmp_outlet *outlet_at(const struct doctor *doctor)
{
    return &doctor->device->outlets[doctor->at];
}

static void outlet_next(struct doctor *doctor);

static void outlet_over(struct doctor *doctor)
{
    doctor->at++;
    outlet_next(doctor);
}

/* ---- whether it may be switched ---- */

static bool harmless(const struct snmp_family *family)
{
    return family->control_off == NULL && strcmp(family->control, family->status) == 0 &&
           family->on == family->is_on && family->off == family->is_off;
}

static void may_look(struct doctor *doctor, const struct snmp_result *result)
{
    static const char hint[] = "give it the right to write the outlets' control column";
    const char *address = outlet_at(doctor)->agent->link.address;
    struct nsh_checks *checks = &doctor->checks;
    int error = result->answer.error;
    int code = result->code != NSH_OK ? result->code : error != 0 ? snmp_error_code(error) : NSH_OK;
    if (code == NSH_OK) {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL, "%s: it may switch", address);
    } else if (code == NSH_DENIED || code == NSH_NOT_FOUND) { /* SNMPv1 has no other word. */
        nsh_check_add(checks, "permissions", NSH_CHECK_FAILED, hint,
                      "%s: read-only: every action would be refused (%s)", address,
                      snmp_error_word(error));
    } else if (code == NSH_TIMEOUT) {
        nsh_check_add(checks, "permissions", NSH_CHECK_FAILED, hint,
                      "%s: it answers readings, and no SET", address);
    } else {
        nsh_check_add(checks, "permissions", NSH_CHECK_SKIPPED, NULL, "%s: not known: %.100s",
                      address, result->code != NSH_OK ? result->text : snmp_error_word(error));
    }
}

static void may_done(void *arg, const struct snmp_result *result)
{
    struct doctor *doctor = arg;
    doctor->asked = NULL;
    if (result->code != NSH_OK && !result->sent) { /* No memory, no socket: nothing was learned. */
        doctor_fail(doctor, result->code, result->text);
        return;
    }
    may_look(doctor, result);
    outlet_over(doctor);
}

static void may_begin(struct doctor *doctor)
{
    const struct snmp_outlet *outlet = outlet_at(doctor);
    const struct snmp_family *family = outlet->agent->family;
    bool *known = &doctor->may_known[outlet->agent - doctor->device->agents];
    bool settled = doctor->state == family->is_on || doctor->state == family->is_off;
    struct snmp_ask ask = {.what = family->is_unsigned ? SNMP_SET_UNSIGNED : SNMP_SET_INTEGER,
                           .value = doctor->state};
    if (*known || (harmless(family) && !settled) ||
        !snmp_outlet_oid(outlet, family->control, &ask.oid)) {
        outlet_over(doctor);
        return;
    }
    *known = true;
    if (harmless(family)) {
        doctor_ask(doctor, outlet->agent, &ask, may_done);
        return;
    }
    nsh_check_add(&doctor->checks, "permissions", NSH_CHECK_SKIPPED,
                  "switch an outlet that feeds nothing, once",
                  "%s: whether it may switch is not tried: with %s any SET is an order",
                  outlet->agent->link.address, family->name);
    outlet_over(doctor);
}

/* ---- the outlets ---- */

static void outlet_look(struct doctor *doctor, const char *name)
{
    const struct snmp_outlet *outlet = outlet_at(doctor);
    const struct snmp_family *family = outlet->agent->family;
    bool on = doctor->state == family->is_on, off = doctor->state == family->is_off;
    bool moves =
        doctor->state >= 0 && doctor->state < 32 && (family->moves >> doctor->state & 1) != 0;
    if (!on && !off && !moves) {
        nsh_check_add(&doctor->checks, "objects", NSH_CHECK_FAILED,
                      "look at the PDU: it is not switched while nobody knows its state",
                      "%s: outlet %s: the PDU says %ld, which is neither on nor off",
                      outlet->agent->link.address, outlet->index, doctor->state);
        return;
    }
    nsh_check_add(&doctor->checks, "objects", NSH_CHECK_OK, NULL, "%s: outlet %s is %s%s%.60s",
                  outlet->agent->link.address, outlet->index,
                  on    ? "on"
                  : off ? "off"
                        : "moving",
                  name[0] == '\0' ? "" : ", named ", name);
}

static void name_done(void *arg, const struct snmp_result *result)
{
    struct doctor *doctor = arg;
    if (!answered(doctor, result)) {
        return;
    }
    bool told = result->answer.error == 0 && result->answer.kind == SNMP_TEXT;
    outlet_look(doctor, told ? result->answer.text : "");
    may_begin(doctor);
}

static void state_done(void *arg, const struct snmp_result *result)
{
    struct doctor *doctor = arg;
    const struct snmp_outlet *outlet = outlet_at(doctor);
    const struct snmp_family *family = outlet->agent->family;
    const struct snmp_answer *answer = &result->answer;
    struct snmp_ask ask = {.what = SNMP_GET};
    if (!answered(doctor, result)) {
        return;
    }
    if (answer->error != 0 || answer->kind != SNMP_NUMBER) {
        nsh_check_add(&doctor->checks, "objects", NSH_CHECK_FAILED,
                      "correct `outlets`: numbers as the PDU counts them, UNIT.3 where linked",
                      "%s: outlet %s (%s): %s", outlet->agent->link.address, outlet->index,
                      family->name,
                      answer->error != 0 ? snmp_error_word(answer->error) : "no such outlet");
        outlet_over(doctor);
        return;
    }
    doctor->state = answer->number;
    if (family->label != NULL && snmp_outlet_oid(outlet, family->label, &ask.oid)) {
        doctor_ask(doctor, outlet->agent, &ask, name_done);
    } else {
        outlet_look(doctor, "");
        may_begin(doctor);
    }
}

/* Outlets of a PDU whose make is not known cannot be asked for. */
static void outlet_next(struct doctor *doctor)
{
    struct snmp_ask ask = {.what = SNMP_GET};
    while (doctor->at < doctor->device->outlets_count) {
        const struct snmp_outlet *outlet = outlet_at(doctor);
        if (outlet->agent->family != NULL &&
            snmp_outlet_oid(outlet, outlet->agent->family->status, &ask.oid)) {
            doctor_ask(doctor, outlet->agent, &ask, state_done);
            return;
        }
        doctor->at++;
    }
    doctor_complete(doctor);
}

/* ---- the makes ---- */

static void agent_look(struct doctor *doctor, struct snmp_agent *agent,
                       const struct snmp_answer *answer)
{
    struct nsh_checks *checks = &doctor->checks;
    const struct snmp_family *told = NULL;
    char system[SYSTEM_TEXT_MAX] = "nothing";
    if (answer->error == 0 && answer->kind == SNMP_OID) {
        snmp_oid_text(&answer->oid, system, sizeof system);
        told = snmp_family_of(&answer->oid);
    }
    bool configured = agent->family != NULL && !agent->found;
    if (!configured && told != NULL) {
        agent->family = told;
        agent->found = true;
    }
    if (agent->family == NULL) {
        nsh_check_add(checks, "make", NSH_CHECK_FAILED, "set `family`",
                      "%s: of no make known here (sysObjectID %s)", agent->link.address, system);
    } else if (told != NULL && told != agent->family) {
        nsh_check_add(checks, "make", NSH_CHECK_WARNING, "`family` = \"auto\", or another",
                      "%s: set as %s, and it says that it is %s", agent->link.address,
                      agent->family->name, told->name);
    } else {
        nsh_check_add(checks, "make", NSH_CHECK_OK, NULL, "%s: %s%s", agent->link.address,
                      agent->family->name, told == NULL ? ", as configured" : "");
    }
}

static void agent_next(struct doctor *doctor);

static void agent_done(void *arg, const struct snmp_result *result)
{
    struct doctor *doctor = arg;
    struct snmp_agent *agent = doctor->asked;
    int code = snmp_error_code(result->answer.error);
    char text[SYSTEM_TEXT_MAX * 2];
    if (!answered(doctor, result)) {
        return;
    }
    if (result->answer.error != 0 && code != NSH_NOT_FOUND) {
        snprintf(text, sizeof text, "%s: who it is: %s", agent->link.address,
                 snmp_error_word(result->answer.error));
        doctor_fail(doctor, code, text);
        return;
    }
    agent_look(doctor, agent, &result->answer);
    doctor->at++;
    agent_next(doctor);
}

static void agent_next(struct doctor *doctor)
{
    struct snmp_ask ask = {.what = SNMP_GET};
    if (doctor->at == doctor->device->agents_count) {
        doctor->at = 0;
        outlet_next(doctor);
        return;
    }
    snmp_oid_fill(SYSTEM_OBJECT_ID, "", &ask.oid);
    doctor_ask(doctor, &doctor->device->agents[doctor->at], &ask, agent_done);
}

/* ---- the door ---- */

static void version_look(const struct nsh_device *device, struct nsh_checks *checks)
{
    static const char hint[] = "version = \"3\" with auth_password and priv_password";
    if (device->version != '3') {
        nsh_check_add(checks, "version", NSH_CHECK_WARNING, hint,
                      "SNMPv%s: the community that may switch goes over the wire readable",
                      device->version == '1' ? "1" : "2c");
    } else if (!device->has_auth) {
        nsh_check_add(checks, "version", NSH_CHECK_FAILED, hint,
                      "SNMPv3 noAuthNoPriv: whoever knows the user's name may do the same");
    } else if (!device->has_priv) {
        nsh_check_add(checks, "version", NSH_CHECK_WARNING, "set priv_password",
                      "SNMPv3 authNoPriv: signed, and readable by anybody on the way");
    } else {
        nsh_check_add(checks, "version", NSH_CHECK_OK, NULL, "SNMPv3 authPriv");
    }
}

int snmp_doctor_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct doctor *doctor = calloc(1, sizeof *doctor);
    if (doctor == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    doctor->device = device;
    doctor->op = op;
    op->driver_data = doctor;
    version_look(device, &doctor->checks);
    agent_next(doctor);
    return 0;
}

void snmp_doctor_cancel(struct nsh_op *op)
{
    struct doctor *doctor = op->driver_data;
    if (doctor != NULL) {
        doctor_fail(doctor, NSH_CANCELLED, "cancelled");
    }
}
