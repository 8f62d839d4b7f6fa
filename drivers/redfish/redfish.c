/* SPDX-License-Identifier: Apache-2.0 */
/* redfish: power, locator LED and event log of hosts whose BMC speaks Redfish. The table, and
 * devices. */

#include "redfish.h"

#include <stdlib.h>
#include <string.h>

static const char *const auths[] = {"auto", "session", "basic", NULL};
static const char *const tls_modes[] = {"verify", "pin", "insecure", "none", NULL};

static const struct nsh_option options[] = {
    {.name = "address",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "The BMC: 10.1.1.1, bmc.example:8443, https://[2001:db8::1]."},
    {.name = "user", .type = NSH_STRING, .help = "User name."},
    {.name = "password", .type = NSH_SECRET, .help = "Password."},
    {.name = "auth",
     .type = NSH_STRING,
     .preset = "auto",
     .choices = auths,
     .help = "session: log in once, keep the token. basic: with each request. auto: session; basic "
             "for the first reading, and where the BMC has no session, or none left."},
    {.name = "tls",
     .type = NSH_STRING,
     .preset = "verify",
     .choices = tls_modes,
     .help =
         "verify: certificate and name, against ca_file or the system's. pin: its public key is "
         "pinned_key. insecure: encrypted, to anybody. none: http, everything can be read."},
    {.name = "ca_file", .type = NSH_STRING, .help = "PEM file of the authorities trusted."},
    {.name = "pinned_key",
     .type = NSH_STRING,
     .help = "sha256//BASE64 of the BMC's public key; several with ';' between."},
    {.name = "client_cert", .type = NSH_STRING, .help = "PEM file, instead of a password."},
    {.name = "client_key", .type = NSH_STRING, .help = "PEM file; none: it is in client_cert."},
    {.name = "system",
     .type = NSH_STRING,
     .help = "Which system of the BMC: its id (System.Embedded.1) or its path. None: the only one, "
             "else the one with this serial or uuid."},
    {.name = "serial",
     .type = NSH_STRING,
     .help = "The host's serial number: a system that tells another (as SerialNumber and SKU) is "
             "not touched."},
    {.name = "uuid",
     .type = NSH_STRING,
     .help = "The host's UUID: a system that tells another is not touched."},
    {.name = "request_timeout",
     .type = NSH_DURATION,
     .preset = "30s",
     .min = "1s",
     .max = "5m",
     .help = "For each request; many BMCs take seconds."},
    {.name = "poll",
     .type = NSH_DURATION,
     .preset = "1s",
     .min = "50ms",
     .max = "1m",
     .help = "How often the state is read while waiting for it."},
    {.name = "off_time",
     .type = NSH_DURATION,
     .preset = "5s",
     .min = "0s",
     .max = "10m",
     .help = "How long the host stays off in a power cycle."},
};

static const struct nsh_option identify_args[] = {
    {.name = "lit", .type = NSH_BOOL, .preset = "true", .help = "Switch the LED on, or off."},
};

static const struct nsh_option log_args[] = {
    {.name = "count",
     .type = NSH_INT,
     .preset = "20",
     .min = "1",
     .max = "200",
     .help = "How many of the newest records."},
};

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read the system: power, health, boot progress."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 120000,
                    "Reset On, then read until it is on.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 120000,
                    "Reset ForceOff, then read until it is off twice in a row.")},
    {NSH_POWER_VERB(
        "power.cycle", NSH_INTERRUPTS, 0, "power=on", 240000,
        "ForceOff, proven off, off_time, On, proven on; a host that is off is switched on.")},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 600000,
                    "GracefulRestart; else GracefulShutdown, proven off, On.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 120000,
                    "ForceRestart, seen to restart where the BMC shows it; else ForceOff and On.")},
    {.name = "identify",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     .args = identify_args,
     .args_count = sizeof identify_args / sizeof identify_args[0],
     .timeout_ms_default = 60000,
     .help = "Light the locator LED of the system or its chassis; read back."},
    {.name = "log.read",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = log_args,
     .args_count = sizeof log_args / sizeof log_args[0],
     .timeout_ms_default = 120000,
     .help = "Read the newest records of the event log, the newest first."},
    {.name = "redfish.doctor",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "For `driver doctor`: the machine, its actions, the account's role and state."},
};

/* ---- devices ---------------------------------------------------------------------------- */

/* A copy of a text setting; an empty one counts as not given. */
static int setting_copy(const struct nsh_value *settings, const char *name, char **ret_copy,
                        struct nsh_error *err)
{
    const char *text = nsh_get_text(settings, name, NULL);
    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    *ret_copy = strdup(text);
    return *ret_copy == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

static int settings_copy(struct nsh_device *device, const struct nsh_value *settings,
                         struct nsh_error *err)
{
    const struct {
        const char *name;
        char **copy;
    } texts[] = {
        {"user", &device->user},
        {"password", &device->password},
        {"ca_file", &device->ca_file},
        {"pinned_key", &device->pinned_key},
        {"client_cert", &device->client_cert},
        {"client_key", &device->client_key},
        {"system", &device->system},
        {"serial", &device->serial},
        {"uuid", &device->uuid},
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof texts / sizeof texts[0]; i++) {
        result = setting_copy(settings, texts[i].name, texts[i].copy, err);
    }
    return result;
}

static int settings_tls(struct nsh_device *device, const char *tls, struct nsh_error *err)
{
    bool pin = strcmp(tls, "pin") == 0, verify = strcmp(tls, "verify") == 0;
    device->insecure = strcmp(tls, "insecure") == 0;
    if (pin && device->pinned_key == NULL) {
        return nsh_fail(err, NSH_INVALID, "tls = \"pin\" needs pinned_key");
    }
    if (!pin && device->pinned_key != NULL) {
        return nsh_fail(err, NSH_INVALID, "pinned_key needs tls = \"pin\"");
    }
    if (device->pinned_key != NULL && strncmp(device->pinned_key, "sha256//", 8) != 0) {
        return nsh_fail(err, NSH_INVALID, "pinned_key: want sha256//BASE64, got %.64s",
                        device->pinned_key);
    }
    if (!verify && device->ca_file != NULL) {
        return nsh_fail(err, NSH_INVALID, "ca_file needs tls = \"verify\"");
    }
    return 0;
}

static int settings_auth(struct nsh_device *device, const char *auth, struct nsh_error *err)
{
    device->auth = strcmp(auth, "session") == 0 ? AUTH_SESSION
                   : strcmp(auth, "basic") == 0 ? AUTH_BASIC
                                                : AUTH_AUTO;
    if (device->user != NULL && device->password != NULL) {
        return 0;
    }
    if (device->client_cert == NULL || device->user != NULL || device->password != NULL) {
        return nsh_fail(err, NSH_INVALID, "want user and password, or client_cert");
    }
    device->auth = AUTH_NONE;
    return 0;
}

static int settings_read(struct nsh_device *device, const struct nsh_value *settings,
                         struct nsh_error *err)
{
    char url[REDFISH_TEXT_BYTES_MAX];
    const char *tls = nsh_get_text(settings, "tls", "verify");
    int result =
        redfish_base_url(nsh_get_text(settings, "address", ""), strcmp(tls, "none") == 0, url, err);
    if (result < 0) {
        return result;
    }
    device->base = strdup(url);
    if (device->base == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    result = settings_copy(device, settings, err);
    result = result < 0 ? result : settings_tls(device, tls, err);
    result =
        result < 0 ? result : settings_auth(device, nsh_get_text(settings, "auth", "auto"), err);
    if (result == 0 && device->system != NULL && device->system[0] == '/' &&
        !redfish_path_good(device->system)) {
        result = nsh_fail(err, NSH_INVALID, "system: this is no path: %.128s", device->system);
    }
    device->request_timeout_ms = (uint32_t)nsh_get_int(settings, "request_timeout", 30000);
    device->poll_ms = (uint32_t)nsh_get_int(settings, "poll", 1000);
    device->off_time_ms = (uint32_t)nsh_get_int(settings, "off_time", 5000);
    return result;
}

static int redfish_open(struct nsh_services *services, const struct nsh_value *settings,
                        struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);

    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    int result = settings_read(device, settings, err);
    if (result < 0) {
        redfish_device_free(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "redfish",
    .version = "1",
    .summary = "Redfish over HTTPS: power, locator LED, event log",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = redfish_open,
    .start = redfish_start,
    .cancel = redfish_cancel,
    .close = redfish_device_close,
};
