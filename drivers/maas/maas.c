/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maas: machines of Canonical MAAS, by API key (OAuth 1.0a PLAINTEXT, made anew for each request by
 * the peer's clock). MAAS carries an order out in its own time: its end is read, not believed.
 */

#include "maas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX 32
#define API "/api/2.0"
#define ANY (MAAS_BIT(NEW) * ((1u << MAAS_STATES_COUNT) - 1))

static const struct nsh_option options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "Of the region: https://maas.example:5443/MAAS"},
    {.name = "api_key",
     .type = NSH_SECRET,
     .flags = NSH_REQUIRED,
     .help = "CONSUMER:TOKEN:SECRET, as `maas apikey` prints it: file:maas.key"},
    {.name = "system_id",
     .type = NSH_STRING,
     .help = "The host's machine, as MAAS numbers it (4y3h7n); or hostname."},
    {.name = "hostname",
     .type = NSH_STRING,
     .help = "The host's machine by its name, with or without its domain."},
    {.name = "serial",
     .type = NSH_STRING,
     .help = "Serial number that MAAS must know of the machine, or nothing is done to it."},
    NSH_REST_OPTIONS,
};

/* ---- arguments: named as MAAS' own ------------------------------------------------------ */

#define ARG_COMMENT                                                                                \
    {                                                                                              \
        .name = "comment", .type = NSH_STRING, .help = "For MAAS' event log."                      \
    }
#define ARGS_DEPLOY                                                                                \
    {.name = "distro_series", .type = NSH_STRING, .help = "Release to install: jammy."},           \
        {.name = "hwe_kernel", .type = NSH_STRING, .help = "Kernel: hwe-22.04."},                  \
        {.name = "user_data", .type = NSH_STRING, .help = "For cloud-init, as it is."},            \
    {                                                                                              \
        .name = "ephemeral_deploy", .type = NSH_BOOL, .help = "Into memory, not onto a disk."      \
    }
#define ARGS_CHOOSE                                                                                \
    {.name = "pool", .type = NSH_STRING, .help = "Resource pool to take it from."},                \
        {.name = "zone", .type = NSH_STRING, .help = "Physical zone."},                            \
        {.name = "tags", .type = NSH_STRING, .help = "It must have all of them: gpu,nvme."},       \
        {.name = "not_tags", .type = NSH_STRING, .help = "It must have none of them."},            \
        {.name = "arch", .type = NSH_STRING, .help = "amd64"},                                     \
        {.name = "cpu_count", .type = NSH_INT, .min = "1", .help = "At least so many."},           \
    {                                                                                              \
        .name = "mem", .type = NSH_INT, .min = "1", .help = "At least so many MiB."                \
    }

static const struct nsh_option comment_args[] = {ARG_COMMENT};
static const struct nsh_option deploy_args[] = {ARGS_DEPLOY, ARG_COMMENT};
static const struct nsh_option choose_args[] = {ARGS_CHOOSE, ARG_COMMENT};
static const struct nsh_option add_args[] = {ARGS_CHOOSE, ARGS_DEPLOY, ARG_COMMENT};
static const struct nsh_option release_args[] = {
    {.name = "erase", .type = NSH_BOOL, .help = "Erase its disks."},
    {.name = "secure_erase", .type = NSH_BOOL, .help = "By the drives' own means."},
    {.name = "quick_erase", .type = NSH_BOOL, .help = "Only their beginning and end."},
    {.name = "force", .type = NSH_BOOL, .help = "Also a host of virtual machines, with them."},
    ARG_COMMENT,
};

#define ARGS(array) .args = (array), .args_count = sizeof(array) / sizeof((array)[0])

/* A verb that ends in a state; read by maas.query, and alone on its host. */
#define STATE_VERB(name, effect, flags, proof, timeout_ms, help)                                   \
    NSH_PROVEN_VERB(name, effect, (flags) | NSH_EXCLUSIVE, "maas.query", proof, timeout_ms, help)

static const struct nsh_verb verbs[] = {
    {.name = "power.status",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 90000,
     .help = "Have MAAS ask the machine's BMC."},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 180000,
                    "power_on; the BMC is asked until it is.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 180000,
                    "power_off, hard.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 360000,
                    "power_off, proven off, power_on.")},
    {NSH_POWER_VERB("maas.shutdown", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 600000,
                    "power_off, soft: the operating system shuts down."),
     ARGS(comment_args)},
    {.name = "maas.query",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Read what MAAS knows: state, power as last seen, owner, pool, zone, series."},
    {.name = "provision",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 3600000,
     .help = "deploy; a machine that is deployed already stays as it is.",
     ARGS(deploy_args)},
    {.name = "release",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 3600000,
     .help = "release, until it is ready for others.",
     ARGS(release_args)},
    {.name = "remove",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 3600000,
     .help = "The same: out of the pool is back into MAAS' own.",
     ARGS(release_args)},
    {.name = "maas.abort",
     .effect = NSH_INTERRUPTS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 300000,
     .help = "abort what MAAS is doing to it; doing nothing is success.",
     ARGS(comment_args)},
    {STATE_VERB("maas.broken", NSH_DESTROYS, NSH_IDEMPOTENT, "state=broken", 300000,
                "mark_broken: nobody gets it any more; MAAS releases it first."),
     ARGS(comment_args)},
    {.name = "maas.fixed",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 300000,
     .help = "mark_fixed, for administrators.",
     ARGS(comment_args)},
    {.name = "maas.commission",
     .effect = NSH_INTERRUPTS,
     .flags = NSH_EXCLUSIVE,
     .verify = "maas.query",
     .proof = "state=ready",
     .timeout_ms_default = 3600000,
     .help = "commission, for administrators: inventory and tests once more.",
     ARGS(comment_args)},
    {STATE_VERB("maas.rescue", NSH_INTERRUPTS, NSH_IDEMPOTENT, "state=rescue", 1800000,
                "rescue_mode: boot a system from the network."),
     ARGS(comment_args)},
    {.name = "maas.rescue_exit",
     .effect = NSH_INTERRUPTS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 1800000,
     .help = "exit_rescue_mode: back to what it was.",
     ARGS(comment_args)},
    {.name = "maas.allocate",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Take a machine that is ready; asked again, the action gets the one it took.",
     ARGS(choose_args)},
    {.name = "add",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 3600000,
     .help = "Allocate and deploy; a deployment that fails leaves the machine taken.",
     ARGS(add_args)},
    {.name = "maas.doctor",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "Look who we are, whether the machine exists and MAAS can switch it."},
};

#define DEPLOY_STATES                                                                              \
    .wanted = MAAS_BIT(DEPLOYED), .running = MAAS_BIT(DEPLOYING),                                  \
    .failed = MAAS_BIT(FAILED_DEPLOYMENT)
#define RELEASE_STATES                                                                             \
    .op = "release", .wanted = MAAS_BIT(READY),                                                    \
    .running = MAAS_BIT(RELEASING) | MAAS_BIT(DISK_ERASING),                                       \
    .failed = MAAS_BIT(FAILED_RELEASING) | MAAS_BIT(FAILED_DISK_ERASING)
#define BUSY_STATES                                                                                \
    (MAAS_BIT(COMMISSIONING) | MAAS_BIT(DEPLOYING) | MAAS_BIT(DISK_ERASING) | MAAS_BIT(TESTING))
#define RESCUE_STATES (MAAS_BIT(RESCUE) | MAAS_BIT(ENTERING_RESCUE) | MAAS_BIT(EXITING_RESCUE))

static const struct maas_work works[] = {
    {.aim = AIM_STATUS},
    {.aim = AIM_ON, .op = "power_on"},
    {.aim = AIM_OFF, .op = "power_off"},
    {.aim = AIM_CYCLE, .op = "power_off"},
    {.aim = AIM_SHUTDOWN, .op = "power_off"},
    {.aim = AIM_QUERY},
    {.aim = AIM_STATE, .op = "deploy", DEPLOY_STATES},
    {.aim = AIM_STATE, RELEASE_STATES},
    {.aim = AIM_STATE, RELEASE_STATES},
    {.aim = AIM_STATE, .op = "abort", .wanted = ANY & ~BUSY_STATES},
    {.aim = AIM_STATE, .op = "mark_broken", .wanted = MAAS_BIT(BROKEN)},
    {.aim = AIM_STATE, .op = "mark_fixed", .wanted = ANY & ~MAAS_BIT(BROKEN)},
    {.aim = AIM_STATE,
     .op = "commission",
     .wanted = MAAS_BIT(READY),
     .running = MAAS_BIT(COMMISSIONING) | MAAS_BIT(TESTING),
     .failed = MAAS_BIT(FAILED_COMMISSIONING) | MAAS_BIT(FAILED_TESTING),
     .again = true},
    {.aim = AIM_STATE,
     .op = "rescue_mode",
     .wanted = MAAS_BIT(RESCUE),
     .running = MAAS_BIT(ENTERING_RESCUE),
     .failed = MAAS_BIT(FAILED_ENTERING_RESCUE)},
    {.aim = AIM_STATE,
     .op = "exit_rescue_mode",
     .wanted = ANY & ~(RESCUE_STATES | MAAS_BIT(FAILED_EXITING_RESCUE)),
     .running = MAAS_BIT(EXITING_RESCUE),
     .failed = MAAS_BIT(FAILED_EXITING_RESCUE)},
    {.aim = AIM_ALLOCATE},
    {.aim = AIM_ADD, .op = "deploy", DEPLOY_STATES},
    {.aim = AIM_DOCTOR},
};
_Static_assert(sizeof works / sizeof works[0] == sizeof verbs / sizeof verbs[0],
               "one for each verb");

/* ---- devices ---------------------------------------------------------------------------- */

/* The settings, and the key's secret part alone: that one no text may show either. */
static int settings_fill(struct nsh_device *device, const struct nsh_value *settings,
                         struct nsh_member members[SETTINGS_MAX + 1], struct nsh_value *ret_all,
                         struct nsh_error *err)
{
    struct maas_key key;
    uint32_t count = settings->count < SETTINGS_MAX ? settings->count : SETTINGS_MAX;
    int result = maas_key_read(&device->pool, nsh_get_text(settings, "api_key", ""), &key, err);

    if (result < 0) {
        return result;
    }
    memcpy(members, settings->members, count * sizeof members[0]);
    members[count] = (struct nsh_member){"api_secret", nsh_text(key.secret)};
    *ret_all = nsh_map(members, count + 1);
    return 0;
}

static int sign(struct nsh_rest *rest, struct nsh_rest_message *message, struct nsh_error *err)
{
    struct maas_key key;
    uint8_t nonce[MAAS_NONCE_BYTES];
    int result = maas_key_read(message->pool, nsh_get_text(nsh_rest_settings(rest), "api_key", ""),
                               &key, err);

    if (result < 0) {
        return result;
    }
    nsh_rest_random(rest, nonce, sizeof nonce);
    const char *header = maas_authorization(message->pool, &key, message->unix_ms, nonce);
    result = header == NULL ? -NSH_NOMEM : nsh_rest_header(message, "%s", header);
    return result < 0 ? nsh_fail(err, (enum nsh_code) - result, "the authorization does not fit")
                      : 0;
}

static int device_fill(struct nsh_device *device, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    const struct nsh_pool_setting texts[] = {
        {"system_id", &device->system_id},
        {"hostname", &device->hostname},
        {"serial", &device->serial},
    };
    return nsh_pool_settings(&device->pool, settings, texts, sizeof texts / sizeof texts[0], err);
}

static void maas_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    nsh_pool_done(&device->pool);
    free(device);
}

static int maas_open(struct nsh_services *services, const struct nsh_value *settings,
                     struct nsh_device **ret_device, struct nsh_error *err)
{
    static const char *const apart[] = {"system_id", "hostname", "serial", NULL};
    static const char *const secrets[] = {"api_key", "api_secret", NULL};
    struct nsh_member members[SETTINGS_MAX + 1];
    struct nsh_value all = nsh_null();
    char url[NSH_REST_TEXT_BYTES_MAX], base[NSH_REST_TEXT_BYTES_MAX + sizeof API];
    struct nsh_device *device = calloc(1, sizeof *device);

    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result =
        nsh_rest_base_check("url", nsh_get_text(settings, "url", ""), url, sizeof url, err);
    if (result == 0) {
        result = settings_fill(device, settings, members, &all, err);
    }
    if (result == 0) {
        result = device_fill(device, settings, err);
    }
    if (result == 0) {
        snprintf(base, sizeof base, "%s" API, url);
        result = nsh_rest_open(
            services,
            &(struct nsh_rest_config){
                .base = base, .settings = &all, .secrets = secrets, .apart = apart, .sign = sign},
            &device->rest, err);
    }
    if (result < 0) {
        maas_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static void call_begin(struct nsh_rest_call *rest)
{
    size_t index = 0;

    while (strcmp(verbs[index].name, rest->op->verb->name) != 0) {
        index++; /* It is one of the table's: the caller took it from there. */
    }
    maas_of(rest)->work = &works[index];
    maas_begin(rest);
}

static int maas_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct maas_call), call_begin, err);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "maas",
    .version = "1",
    .summary = "Machines of Canonical MAAS: power, allocation, deployment, release.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = maas_open,
    .start = maas_start,
    .cancel = nsh_rest_cancel,
    .close = maas_close,
};
