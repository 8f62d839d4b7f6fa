/* SPDX-License-Identifier: Apache-2.0 */
/* aws: EC2 instances and Auto Scaling groups. The table, and devices. */

#include "aws.h"

#include <stdlib.h>
#include <string.h>

static const struct nsh_option options[] = {
    {.name = "region",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "eu-central-1"},
    {.name = "instance", .type = NSH_STRING, .help = "The host's instance: i-0123456789abcdef0."},
    {.name = "group",
     .type = NSH_STRING,
     .help = "Auto Scaling group: of the host, or the one that grows."},
    {.name = "launch_template",
     .type = NSH_STRING,
     .help = "What new instances are made of: lt-0123456789abcdef0, or a name."},
    {.name = "template_version",
     .type = NSH_STRING,
     .preset = "$Default",
     .help = "Of the launch template: a number, $Default, $Latest."},
    {.name = "subnet", .type = NSH_STRING, .help = "Where new instances are."},
    {.name = "access_key",
     .type = NSH_STRING,
     .help = "Id of an access key. Without one, a profile and a web identity: the machine's own "
             "role, from its metadata service (version 2)."},
    {.name = "secret_key", .type = NSH_SECRET, .help = "The key's secret."},
    {.name = "session_token", .type = NSH_SECRET, .help = "Of keys that are a session's."},
    {.name = "credentials_file",
     .type = NSH_SECRET,
     .help = "The text of a credentials file: file:/root/.aws/credentials."},
    {.name = "config_file",
     .type = NSH_SECRET,
     .help = "The text of a config file, for role_arn and source_profile: file:/root/.aws/config."},
    {.name = "profile", .type = NSH_STRING, .preset = "default", .help = "In those files."},
    {.name = "web_identity_token",
     .type = NSH_SECRET,
     .help = "A token that a cluster signed, for role_arn."},
    {.name = "role_arn", .type = NSH_STRING, .help = "A role to assume with those credentials."},
    {.name = "role_external_id", .type = NSH_STRING, .help = "What the role's owner asks for."},
    {.name = "role_session",
     .type = NSH_STRING,
     .preset = "nightshift",
     .help = "Name of the role's session, as CloudTrail shows it."},
    {.name = "endpoint",
     .type = NSH_STRING,
     .help = "Instead of AWS's, for all services: https://cloud.example:8773."},
    {.name = "endpoint_ec2", .type = NSH_STRING, .help = "For EC2."},
    {.name = "endpoint_autoscaling", .type = NSH_STRING, .help = "For Auto Scaling."},
    {.name = "endpoint_sts", .type = NSH_STRING, .help = "For STS."},
    {.name = "metadata_endpoint",
     .type = NSH_STRING,
     .preset = "http://169.254.169.254",
     .help = "The machine's metadata service."},
    NSH_REST_OPTIONS,
};

static const char *const apart[] = {"instance",         "group",  "launch_template",
                                    "template_version", "subnet", NULL};
static const char *const secrets[] = {"secret_key", "session_token", "web_identity_token", NULL};

static const struct nsh_option off_args[] = {
    {.name = "force",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Do not wait for the operating system."},
};

static const struct nsh_option new_args[] = {
    {.name = "launch_template", .type = NSH_STRING, .help = "Instead of the setting."},
    {.name = "image", .type = NSH_STRING, .help = "ami-0123456789abcdef0"},
    {.name = "type", .type = NSH_STRING, .help = "m7i.large"},
    {.name = "subnet", .type = NSH_STRING, .help = "Instead of the setting."},
    {.name = "name", .type = NSH_STRING, .help = "The tag Name."},
    {.name = "spot", .type = NSH_BOOL, .preset = "false", .help = "Of the spot market."},
    {.name = "count",
     .type = NSH_INT,
     .preset = "1",
     .min = "1",
     .max = "100",
     .help = "How many more a group shall want."},
    {.name = "settle",
     .type = NSH_BOOL,
     .preset = "true",
     .help = "Wait until a group has them in service."},
};

static const struct nsh_option remove_args[] = {
    {.name = "replace",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "The group makes another; else it shrinks."},
    {.name = "force",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Also what is protected against termination or scale in."},
};

static const struct nsh_option drain_args[] = {
    {.name = "replace",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "The group makes another meanwhile; else it shrinks."},
};

static const struct nsh_option capacity_args[] = {
    {.name = "desired",
     .type = NSH_INT,
     .flags = NSH_REQUIRED,
     .min = "0",
     .max = "10000",
     .help = "How many instances."},
    {.name = "settle",
     .type = NSH_BOOL,
     .preset = "true",
     .help = "Wait until so many are in service."},
};

static const struct nsh_option hook_args[] = {
    {.name = "hook", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "Name of the hook."},
    {.name = "action_token", .type = NSH_STRING, .help = "As the event of the hook told it."},
    {.name = "abandon",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "ABANDON instead of CONTINUE."},
};

static const struct nsh_option processes_args[] = {
    {.name = "processes",
     .type = NSH_LIST,
     .flags = NSH_REQUIRED,
     .help = "Launch, Terminate, ReplaceUnhealthy, AZRebalance, ..."},
};

static const struct nsh_option interruption_args[] = {
    {.name = "own",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Of the machine nightshift runs on, from its metadata, with rebalance."},
};

#define ARGS(array) .args = (array), .args_count = sizeof(array) / sizeof((array)[0])
#define READ_VERB(verb_name, verb_help)                                                            \
    .name = (verb_name), .effect = NSH_READS, .flags = NSH_IDEMPOTENT,                             \
    .timeout_ms_default = 60000, .help = (verb_help)

static const struct nsh_verb verbs[] = {
    {READ_VERB("power.status", "Read the instance's state.")},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 600000,
                    "StartInstances, then read until it is running.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 600000,
                    "StopInstances, then read until it is stopped."),
     ARGS(off_args)},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 1200000,
                    "Stop, proven stopped, start: on other hardware."),
     ARGS(off_args)},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 60000,
                    "RebootInstances: EC2 resets it itself when it does not in four minutes.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 1200000,
                    "Stop without the operating system, proven stopped, start.")},
    {.name = "provision",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     ARGS(new_args),
     .timeout_ms_default = 600000,
     .help = "RunInstances with a client token: asked twice, one instance."},
    {.name = "add",
     .effect = NSH_CHANGES,
     ARGS(new_args),
     .timeout_ms_default = 900000,
     .help = "One more: in the group when there is one, else as provision."},
    {.name = "remove",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     ARGS(remove_args),
     .timeout_ms_default = 900000,
     .help = "Terminate it, in its group when it is in one; what is protected stays."},
    {.name = "release",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     ARGS(remove_args),
     .timeout_ms_default = 900000,
     .help = "The same as remove."},
    {.name = "drain",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .undo = "undrain",
     ARGS(drain_args),
     .timeout_ms_default = 900000,
     .help = "EnterStandby: out of load balancers, not replaced; read until it is."},
    {.name = "undrain",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 900000,
     .help = "ExitStandby; read until it is in service."},
    {.name = "aws.capacity",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     ARGS(capacity_args),
     .timeout_ms_default = 900000,
     .help = "SetDesiredCapacity: a smaller number terminates instances of the group's choice."},
    {.name = "aws.replace",
     .effect = NSH_DESTROYS,
     .flags = NSH_IDEMPOTENT | NSH_EXCLUSIVE,
     .timeout_ms_default = 60000,
     .help = "SetInstanceHealth Unhealthy: the group terminates and replaces it."},
    {.name = "aws.lifecycle",
     .effect = NSH_CHANGES,
     .flags = NSH_EXCLUSIVE,
     ARGS(hook_args),
     .timeout_ms_default = 60000,
     .help = "CompleteLifecycleAction: the instance that waits goes on."},
    {.name = "aws.heartbeat",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     ARGS(hook_args),
     .timeout_ms_default = 60000,
     .help = "RecordLifecycleActionHeartbeat: it waits longer."},
    {.name = "aws.suspend",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     .undo = "aws.resume",
     ARGS(processes_args),
     .timeout_ms_default = 60000,
     .help = "SuspendProcesses of the group; read back."},
    {.name = "aws.resume",
     .effect = NSH_CHANGES,
     .flags = NSH_IDEMPOTENT,
     .undo = "aws.suspend",
     ARGS(processes_args),
     .timeout_ms_default = 60000,
     .help = "ResumeProcesses of the group; read back."},
    {READ_VERB("aws.status", "Health as EC2 sees it, and the event that is scheduled.")},
    {READ_VERB("aws.group", "Sizes of the group, and what is suspended.")},
    {READ_VERB("aws.interruption", "Whether a spot instance is about to be taken."),
     ARGS(interruption_args)},
    {READ_VERB("aws.doctor", "Identity, clock, and which verbs are permitted (dry runs).")},
};

/* In the order of the verbs. */
static void (*const begins[])(struct nsh_rest_call *call) = {
    aws_power_status, aws_power_on,  aws_power_off, aws_power_cycle, aws_reset_soft,
    aws_reset_hard,   aws_provision, aws_add,       aws_remove,      aws_remove,
    aws_drain,        aws_undrain,   aws_capacity,  aws_replace,     aws_lifecycle,
    aws_heartbeat,    aws_suspend,   aws_resume,    aws_status,      aws_group,
    aws_interruption, aws_doctor,
};
_Static_assert(sizeof begins / sizeof begins[0] == sizeof verbs / sizeof verbs[0],
               "a beginning for each verb");

/* ---- devices ---------------------------------------------------------------------------- */

static void device_free(struct nsh_device *device)
{
    nsh_pool_done(&device->pool);
    free(device);
}

static bool id_good(const char *text)
{
    return text == NULL ||
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               strlen(text);
}

static int settings_check(const struct nsh_value *settings, struct nsh_error *err)
{
    static const char *const endpoints[] = {"endpoint", "endpoint_ec2", "endpoint_autoscaling",
                                            "endpoint_sts", "metadata_endpoint"};
    char url[NSH_REST_TEXT_BYTES_MAX];
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof endpoints / sizeof endpoints[0]; i++) {
        const char *endpoint = nsh_get_text(settings, endpoints[i], "");
        if (endpoint[0] != '\0') {
            result = nsh_rest_base_check(endpoints[i], endpoint, url, sizeof url, err);
        }
    }
    bool key = nsh_get_text(settings, "access_key", "")[0] != '\0';
    bool secret = nsh_get_text(settings, "secret_key", "")[0] != '\0';
    bool web = nsh_get_text(settings, "web_identity_token", "")[0] != '\0';
    if (result < 0) {
        return result;
    }
    if (key != secret) {
        return nsh_fail(err, NSH_INVALID, "access_key and secret_key need each other");
    }
    if (web && nsh_get_text(settings, "role_arn", "")[0] == '\0') {
        return nsh_fail(err, NSH_INVALID, "web_identity_token needs role_arn");
    }
    if (!id_good(nsh_get_text(settings, "region", "")) ||
        !id_good(nsh_get_text(settings, "instance", NULL))) {
        return nsh_fail(err, NSH_INVALID, "region and instance are letters, digits and '-'");
    }
    return 0;
}

static int device_fill(struct nsh_device *device, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    const struct nsh_pool_setting texts[] = {
        {"instance", &device->instance},
        {"group", &device->group},
        {"launch_template", &device->launch_template},
        {"template_version", &device->template_version},
        {"subnet", &device->subnet},
        {"metadata_endpoint", &device->imds},
    };
    bool good = true;
    for (int i = 0; i < AWS_SERVICES_COUNT; i++) {
        device->urls[i] = aws_url(&device->pool, settings, (enum aws_service)i);
        good = good && device->urls[i] != NULL;
    }
    return good ? nsh_pool_settings(&device->pool, settings, texts, sizeof texts / sizeof texts[0],
                                    err)
                : nsh_fail(err, NSH_NOMEM, "out of memory");
}

static int aws_open(struct nsh_services *services, const struct nsh_value *settings,
                    struct nsh_device **ret_device, struct nsh_error *err)
{
    int result = settings_check(settings, err);
    if (result < 0) {
        return result;
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    result = device_fill(device, settings, err);
    char base[NSH_REST_TEXT_BYTES_MAX];
    if (result == 0) {
        result = nsh_rest_base_check("endpoint", device->urls[AWS_EC2], base, sizeof base, err);
    }
    if (result == 0) {
        result = nsh_rest_open(services,
                               &(struct nsh_rest_config){
                                   .base = base,
                                   .settings = settings,
                                   .secrets = secrets,
                                   .apart = apart,
                                   .login = aws_login,
                                   .sign = aws_sign,
                                   .session_bytes = sizeof(struct aws_session),
                               },
                               &device->rest, err);
    }
    if (result < 0) {
        device_free(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int aws_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    size_t index = 0;
    while (strcmp(verbs[index].name, op->verb->name) != 0) {
        index++; /* It is one of the table's: the caller took it from there. */
    }
    return nsh_rest_start(device->rest, device, op, sizeof(struct aws_call), begins[index], err);
}

static void aws_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    device_free(device);
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "aws",
    .version = "1",
    .summary = "EC2 instances and Auto Scaling groups.",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = aws_open,
    .start = aws_start,
    .cancel = nsh_rest_cancel,
    .close = aws_close,
};
