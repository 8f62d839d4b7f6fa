/* SPDX-License-Identifier: Apache-2.0 */
/* Who the key belongs to, which MAAS this is, and whether it can switch the machine. */

#include "maas.h"

#include "abi/doctor.h"

#include <stdio.h>
#include <string.h>

static void checks_account(const struct maas_call *call, struct nsh_checks *checks)
{
    nsh_check_add(checks, "firmware", NSH_CHECK_OK, NULL, "MAAS %s", call->version);
    if (call->administers) {
        nsh_check_add(checks, "permissions", NSH_CHECK_WARNING,
                      "a user that is no administrator can do all but maas.fixed and "
                      "maas.commission with the machines it took",
                      "%s is an administrator: the key can do everything to all machines",
                      call->user);
    } else {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL,
                      "%s is no administrator: maas.fixed and maas.commission are not permitted",
                      call->user);
    }
}

void maas_doctor_missing(struct maas_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_checks checks = {0};
    const struct nsh_device *device = device_of(call);

    (void)reply;
    checks_account(call, &checks);
    nsh_check_add(&checks, "objects", NSH_CHECK_FAILED,
                  "`maas PROFILE machines read` lists what the key may see",
                  "there is no machine %s",
                  device->system_id != NULL ? device->system_id : device->hostname);
    nsh_rest_done_checks(&call->rest, &checks);
}

void maas_doctor_found(struct maas_call *call)
{
    const struct maas_machine *machine = &call->machine;
    const char *serial = device_of(call)->serial;
    bool manual = machine->power_type[0] == '\0' || strcmp(machine->power_type, "manual") == 0;
    struct nsh_checks checks = {0};

    checks_account(call, &checks);
    nsh_check_add(&checks, "objects", NSH_CHECK_OK, NULL, "machine %s (%s) is %s",
                  machine->system_id, machine->hostname, maas_state_word(machine->state));
    if (serial == NULL) {
        nsh_check_add(&checks, "identity", NSH_CHECK_SKIPPED,
                      "serial = \"...\" makes sure that it is the machine that is meant",
                      "no serial number is wanted");
    } else {
        bool same = strcmp(serial, machine->serial) == 0;
        nsh_check_add(&checks, "identity", same ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                      same ? NULL : "correct the inventory, or commission the machine again",
                      "MAAS knows serial number %s, the inventory %s",
                      machine->serial[0] == '\0' ? "none" : machine->serial, serial);
    }
    nsh_check_add(&checks, "power", manual ? NSH_CHECK_FAILED : NSH_CHECK_OK,
                  manual ? "give the machine a power type in MAAS" : NULL, "power type %s",
                  machine->power_type[0] == '\0' ? "none" : machine->power_type);
    if (machine->locked) {
        nsh_check_add(&checks, "locked", NSH_CHECK_WARNING, "unlock it in MAAS",
                      "the machine is locked: MAAS refuses to change it");
    }
    nsh_rest_done_checks(&call->rest, &checks);
}

static void whoami_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);
    const struct nsh_device *device = device_of(call);
    const struct nsh_value *administers = nsh_at(reply->body, "is_superuser");

    if (reply->code != NSH_OK) {
        maas_fail(call, reply);
        return;
    }
    if (administers == NULL || administers->type != NSH_BOOL) {
        nsh_rest_fail(rest, NSH_PROTOCOL, "%s: whoami tells no user", nsh_rest_base(rest->rest));
        return;
    }
    call->administers = administers->boolean;
    snprintf(call->user, sizeof call->user, "%s", nsh_at_text(reply->body, "username", "?"));
    if (device->system_id == NULL && device->hostname == NULL) {
        struct nsh_checks checks = {0};
        checks_account(call, &checks);
        nsh_rest_done_checks(rest, &checks);
        return;
    }
    maas_look(rest);
}

static void version_answered(struct nsh_rest_call *rest, const struct nsh_rest_reply *reply)
{
    struct maas_call *call = maas_of(rest);

    if (reply->code != NSH_OK) {
        maas_fail(call, reply);
        return;
    }
    snprintf(call->version, sizeof call->version, "%s", nsh_at_text(reply->body, "version", "?"));
    nsh_rest_send(rest, &(struct nsh_rest_request){.path = "/users/?op=whoami"}, whoami_answered);
}

void maas_doctor_begin(struct maas_call *call)
{
    nsh_rest_send(&call->rest, &(struct nsh_rest_request){.path = "/version/"}, version_answered);
}
