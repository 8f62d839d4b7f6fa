/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snmp: the outlets that feed a host, on one or more PDUs, as one: the host is off when all of them
 * are. Options, verbs and devices; the walks are in snmp_calls.c, the makes in snmp_families.c.
 */

#include "snmp_calls.h"
#include "snmp_doctor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const versions[] = {"1", "2c", "3", NULL};

static struct nsh_option options[] = {
    {.name = "address",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "IP address of the PDU, with :PORT when it is not 161; [v6]:PORT."},
    {.name = "outlets",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "All outlets that feed the host, with commas: 3 or UNIT.3; ADDRESS/3 on another PDU."},
    {.name = "family",
     .type = NSH_STRING,
     .preset = "auto",
     .choices = snmp_family_names,
     .help = "Make of the PDU; auto: by its sysObjectID."},
    SNMP_LOGIN_OPTIONS("", versions, "v1, v2c: the community that may write."),
    {.name = "poll",
     .type = NSH_DURATION,
     .preset = "2s",
     .min = "50ms",
     .max = "1m",
     .help = "How often the state is read while waiting for it."},
    {.name = "off_time",
     .type = NSH_DURATION,
     .preset = "10s",
     .min = "0s",
     .max = "10m",
     .help = "How long all outlets stay off in a power cycle."},
};

static const struct nsh_option get_args[] = {
    {.name = "oid",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "Object identifier, in numbers."},
};

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 30000,
     .help = "Read all outlets: on when one of them is, off when none is; with watts where known."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 90000,
                    "Switch on what is off, one after the other, then read until all are on.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 90000,
                    "Switch off what is on, then read until none is.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 180000,
                    "All off, proven off, off_time, all on, proven on.")},
    {.name = "snmp.get",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = get_args,
     .args_count = sizeof get_args / sizeof get_args[0],
     .timeout_ms_default = 15000,
     .help = "Read one object of the PDU: a sensor, a load."},
    {.name = SNMP_DOCTOR,
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "For `driver doctor`: version, make, outlets, and the right to switch where asking is "
             "harmless."},
};

/* ---- devices ---- */

static const char *secret_of(const struct nsh_value *settings, const char *name)
{
    const char *secret = nsh_get_text(settings, name, NULL);
    return secret == NULL || secret[0] == '\0' ? NULL : secret;
}

static int credentials_read(const struct nsh_value *settings, struct snmp_credentials *ret,
                            struct nsh_error *err)
{
    *ret = (struct snmp_credentials){
        .version = nsh_get_text(settings, "version", "2c"),
        .community = nsh_get_text(settings, "community", ""),
        .user = nsh_get_text(settings, "user", ""),
        .auth_protocol = nsh_get_text(settings, "auth_protocol", "sha"),
        .auth_password = secret_of(settings, "auth_password"),
        .priv_protocol = nsh_get_text(settings, "priv_protocol", "aes"),
        .priv_password = secret_of(settings, "priv_password"),
    };
    if (ret->version[0] == '3') {
        return ret->user[0] == '\0' ? nsh_fail(err, NSH_INVALID, "user: SNMPv3 needs one") : 0;
    }
    return ret->community[0] == '\0'
               ? nsh_fail(err, NSH_INVALID, "community: SNMPv%s needs one", ret->version)
               : 0;
}

/* The agent at an address, new ones at the end. */
static int agent_for(struct nsh_device *device, const char *address,
                     const struct nsh_value *settings, struct snmp_agent **ret_agent,
                     struct nsh_error *err)
{
    const char *family = nsh_get_text(settings, "family", "auto");
    struct snmp_credentials credentials;
    for (size_t i = 0; i < device->agents_count; i++) {
        if (strcmp(device->agents[i].link.address, address) == 0) {
            *ret_agent = &device->agents[i];
            return 0;
        }
    }
    if (device->agents_count == SNMP_AGENTS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "outlets: more than %d PDUs", SNMP_AGENTS_MAX);
    }
    struct snmp_agent *agent = &device->agents[device->agents_count];
    agent->link.services = device->services;
    agent->family = snmp_family_named(family);
    int written = snprintf(agent->link.address, sizeof agent->link.address, "%s", address);
    if (written >= (int)sizeof agent->link.address ||
        !nsh_address_read(address, SNMP_PORT, &agent->link.peer)) {
        return nsh_fail(err, NSH_INVALID,
                        "address: want an IP address such as 10.1.1.1 or 10.1.1.1:161, got %.80s",
                        address);
    }
    int result = credentials_read(settings, &credentials, err);
    if (result == 0) {
        result = snmp_wire_new(&credentials, &agent->link.wire, err);
    }
    if (result == 0) {
        device->agents_count++;
        *ret_agent = agent;
    }
    return result;
}

static bool index_is(const char *text)
{
    bool digit = false;
    for (; *text != '\0'; text++) {
        if (*text != '.' && !isdigit((unsigned char)*text)) {
            return false;
        }
        if (*text == '.' && !digit) {
            return false;
        }
        digit = *text != '.';
    }
    return digit;
}

static int outlet_read(struct nsh_device *device, char *text, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    const char *address = nsh_get_text(settings, "address", "");
    char *slash = strrchr(text, '/');
    char *index = slash == NULL ? text : slash + 1;
    if (slash != NULL) {
        *slash = '\0';
        address = text;
    }
    if (device->outlets_count == SNMP_OUTLETS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "outlets: more than %d", SNMP_OUTLETS_MAX);
    }
    if (!index_is(index) || strlen(index) >= SNMP_INDEX_MAX) {
        return nsh_fail(err, NSH_INVALID, "outlets: want a number such as 3 or 1.3, got '%.40s'",
                        index);
    }
    struct snmp_outlet *outlet = &device->outlets[device->outlets_count];
    int result = agent_for(device, address, settings, &outlet->agent, err);
    if (result < 0) {
        return result;
    }
    snprintf(outlet->index, sizeof outlet->index, "%s", index);
    for (size_t i = 0; i < device->outlets_count; i++) {
        if (device->outlets[i].agent == outlet->agent &&
            strcmp(device->outlets[i].index, outlet->index) == 0) {
            return nsh_fail(err, NSH_INVALID, "outlets: %s/%s stands twice",
                            outlet->agent->link.address, outlet->index);
        }
    }
    device->outlets_count++;
    return 0;
}

static int outlets_read(struct nsh_device *device, const struct nsh_value *settings,
                        struct nsh_error *err)
{
    char *list = strdup(nsh_get_text(settings, "outlets", ""));
    if (list == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = 0;
    for (char *at = list, *next = NULL; result == 0 && at != NULL; at = next) {
        next = strchr(at, ',');
        if (next != NULL) {
            *next++ = '\0';
        }
        while (*at == ' ') {
            at++;
        }
        char *end = at + strlen(at);
        while (end > at && end[-1] == ' ') {
            *--end = '\0';
        }
        result = outlet_read(device, at, settings, err);
    }
    free(list);
    return result;
}

static void snmp_close(struct nsh_device *device)
{
    for (size_t i = 0; i < SNMP_AGENTS_MAX; i++) {
        if (device->agents[i].link.services != NULL) {
            snmp_link_close(&device->agents[i].link);
        }
    }
    free(device);
}

static int snmp_open_device(struct nsh_services *services, const struct nsh_value *settings,
                            struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->poll_ms = (uint32_t)nsh_get_int(settings, "poll", 2000);
    device->off_time_ms = (uint32_t)nsh_get_int(settings, "off_time", 10000);
    device->version = nsh_get_text(settings, "version", "2c")[0];
    device->has_auth = secret_of(settings, "auth_password") != NULL;
    device->has_priv = secret_of(settings, "priv_password") != NULL;
    int result = outlets_read(device, settings, err);
    if (result < 0) {
        snmp_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "snmp",
    .version = "1",
    .summary = "Outlets of PDUs over SNMP v1, v2c, v3: the feeds of a host as one",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = snmp_open_device,
    .start = snmp_start,
    .cancel = snmp_cancel,
    .close = snmp_close,
};
