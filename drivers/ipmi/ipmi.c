/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipmi: chassis status and control, identify and the system event log over RMCP+.
 *
 * A verb is a walk: (check the GUID) read, act once, read until it is proven. Reads are repeated by
 * the link; a chassis control is sent once, and never after an unanswered one. Primitives:
 * ipmi_link.h. Bounds: LOG_ENTRIES_MAX records.
 */

#include "ipmi_calls.h"
#include "ipmi_doctor.h"
#include "ipmi_sel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ciphers[] = {"auto", "17", "3", NULL};
static const char *const privileges[] = {"operator", "administrator", NULL};

static const struct nsh_option options[] = {
    {.name = "address",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "IP address of the BMC, with :PORT when it is not 623; [v6]:PORT."},
    {.name = "user", .type = NSH_STRING, .preset = "", .help = "User name, at most 16 bytes."},
    {.name = "password",
     .type = NSH_SECRET,
     .flags = NSH_REQUIRED,
     .help = "Password, at most 20 bytes."},
    {.name = "kg",
     .type = NSH_SECRET,
     .help = "The BMC's key, where one is set (at most 20 bytes)."},
    {.name = "cipher",
     .type = NSH_STRING,
     .preset = "auto",
     .choices = ciphers,
     .help = "Cipher suite; auto: 17, then 3. Nothing weaker is spoken."},
    {.name = "privilege",
     .type = NSH_STRING,
     .preset = "operator",
     .choices = privileges,
     .help = "Privilege level of the session."},
    {.name = "uuid",
     .type = NSH_STRING,
     .help = "The host's UUID: a BMC that tells another is not switched."},
    {.name = "keep_alive",
     .type = NSH_DURATION,
     .preset = "0s",
     .min = "0s",
     .max = "50s",
     .help = "Keep an idle session open by asking this often; 0s: it is closed after 45 s."},
    {.name = "poll",
     .type = NSH_DURATION,
     .preset = "1s",
     .min = "50ms",
     .max = "1m",
     .help = "How often the power state is read while waiting for it."},
    {.name = "off_time",
     .type = NSH_DURATION,
     .preset = "5s",
     .min = "0s",
     .max = "10m",
     .help = "How long the host stays off in a power cycle."},
};

static const struct nsh_option identify_args[] = {
    {.name = "lit", .type = NSH_BOOL, .preset = "true", .help = "Switch the LED on, or off."},
    {.name = "for",
     .type = NSH_DURATION,
     .preset = "0s",
     .min = "0s",
     .max = "255s",
     .help = "How long it is lit; 0s: until it is switched off."},
};

static const struct nsh_option log_args[] = {
    {.name = "count",
     .type = NSH_INT,
     .preset = "20",
     .min = "1",
     .max = "200",
     .help = "How many of the newest records."},
};

static const struct nsh_option sel_args[] = {
    {.name = "after",
     .type = NSH_STRING,
     .preset = "",
     .help = "Records that are known, the newest first, 32 hex digits each, at most 8: those after "
             "the first that is still there are read, else all."},
    {.name = "seen",
     .type = NSH_STRING,
     .preset = "",
     .help = "`state` of an earlier answer: a log that is still in it is not read."},
    {.name = "count",
     .type = NSH_INT,
     .preset = "256",
     .min = "1",
     .max = "256",
     .help = "How many records at most; `more` says that there are others."},
};

static const struct nsh_option sensors_args[] = {
    {.name = "numbers",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "Numbers of sensors, 2 hex digits each, at most 64."},
};

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 20000,
     .help = "Read the chassis status."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 60000,
                    "Chassis control 01h, then read until it is on.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 60000,
                    "Chassis control 00h, then read until it is off twice in a row.")},
    {NSH_POWER_VERB(
        "power.cycle", NSH_INTERRUPTS, 0, "power=on", 120000,
        "Off, proven off, off_time, on, proven on; a host that is off is switched on.")},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 300000,
                    "Ask the operating system to shut down (ACPI); when it did, switch on again.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 30000, "Chassis control 03h.")},
    {.name = "identify",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     .args = identify_args,
     .args_count = sizeof identify_args / sizeof identify_args[0],
     .timeout_ms_default = 20000,
     .help = "Light the locator LED."},
    {.name = "log.read",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = log_args,
     .args_count = sizeof log_args / sizeof log_args[0],
     .timeout_ms_default = 60000,
     .help = "Read the newest records of the system event log."},
    {.name = IPMI_SEL,
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = sel_args,
     .args_count = sizeof sel_args / sizeof sel_args[0],
     .timeout_ms_default = 60000,
     .help = "Follow the system event log: what was added, as the BMC's bytes."},
    {.name = IPMI_SENSORS,
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = sensors_args,
     .args_count = sizeof sensors_args / sizeof sensors_args[0],
     .timeout_ms_default = 60000,
     .help = "Read how sensors are called, from the SDR repository."},
    {.name = IPMI_DOCTOR,
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 40000,
     .help = "For `driver doctor`: the machine, the account's level, doors without a password."},
};

/* ---- devices ---------------------------------------------------------------------------- */

static int settings_key(const char *name, const char *text, uint8_t key[IPMI_KEY_BYTES],
                        struct nsh_error *err)
{
    size_t count = strlen(text);

    if (count > IPMI_KEY_BYTES) {
        return nsh_fail(err, NSH_INVALID, "%s has %zu bytes, IPMI allows %d", name, count,
                        IPMI_KEY_BYTES);
    }
    memset(key, 0, IPMI_KEY_BYTES);
    memcpy(key, text, count); /* NOLINT(bugprone-not-null-terminated-result): padded by zeros */
    return 0;
}

static int settings_read(const struct nsh_value *given, struct nsh_device *device,
                         struct nsh_error *err)
{
    struct ipmi_settings *settings = &device->link.settings;
    const char *user = nsh_get_text(given, "user", "");
    const char *cipher = nsh_get_text(given, "cipher", "auto");
    const char *kg = nsh_get_text(given, "kg", NULL);
    const char *uuid = nsh_get_text(given, "uuid", NULL);

    if (!nsh_address_read(device->address, IPMI_PORT, &settings->peer)) {
        return nsh_fail(err, NSH_INVALID,
                        "address: want an IP address such as 10.1.1.1 or 10.1.1.1:623, got %s",
                        device->address);
    }
    if (strlen(user) > IPMI_USER_MAX) {
        return nsh_fail(err, NSH_INVALID, "user has %zu bytes, IPMI allows %d", strlen(user),
                        IPMI_USER_MAX);
    }
    settings->user_bytes = (uint8_t)strlen(user);
    memcpy(settings->user, user, strlen(user) + 1);
    settings->suite = (uint8_t)strtoul(cipher, NULL, 10);
    settings->privilege = strcmp(nsh_get_text(given, "privilege", "operator"), "operator") == 0
                              ? IPMI_OPERATOR
                              : IPMI_ADMINISTRATOR;
    settings->keep_alive_ms = (uint32_t)nsh_get_int(given, "keep_alive", 0);
    device->poll_ms = (uint32_t)nsh_get_int(given, "poll", 1000);
    device->off_time_ms = (uint32_t)nsh_get_int(given, "off_time", 5000);
    device->link.suite = settings->suite;
    settings->has_kg = kg != NULL && kg[0] != '\0';
    device->has_uuid = uuid != NULL && uuid[0] != '\0';
    if (device->has_uuid && !ipmi_guid_parse(uuid, device->uuid)) {
        return nsh_fail(err, NSH_INVALID, "uuid: want 32 hex digits, got %s", uuid);
    }
    int result = settings_key("kg", kg != NULL ? kg : "", settings->kg, err);
    return result < 0
               ? result
               : settings_key("password", nsh_get_text(given, "password", ""), settings->key, err);
}

static void ipmi_free(struct nsh_device *device)
{
    free(device->address);
    explicit_bzero(device, sizeof *device); /* Its keys. */
    free(device);
}

static int ipmi_open(struct nsh_services *services, const struct nsh_value *settings,
                     struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);

    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->address = strdup(nsh_get_text(settings, "address", ""));
    if (device->address == NULL) {
        free(device);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->link.services = services;
    device->link.address = device->address;
    int result = settings_read(settings, device, err);
    if (result < 0) {
        ipmi_free(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static void ipmi_close(struct nsh_device *device)
{
    ipmi_link_close(&device->link);
    ipmi_free(device);
}

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "ipmi",
    .version = "1",
    .summary = "IPMI 2.0 over LAN (RMCP+): power, identify, event log",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = ipmi_open,
    .start = ipmi_start,
    .cancel = ipmi_cancel,
    .close = ipmi_close,
};
