/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: one receiver of what is to be told: an alert manager, a pager service, a chat, a ticket
 * system, a network management system, a mailbox. Options, verbs, devices.
 */

#include "notify.h"

#include "abi/notice.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"alertmanager", "pagerduty", "opsgenie",   "slack",
                                    "mattermost",   "teams",     "servicenow", "jira",
                                    "trap",         "inform",    "mail",       NULL};
static const char *const versions[] = {"2c", "3", NULL};
static const char *const securities[] = {"starttls", "implicit", "none", NULL};

static const struct nsh_option options[] = {
    {.name = "kind",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .choices = kinds,
     .help = "Who hears it."},
    {.name = "instance",
     .type = NSH_STRING,
     .preset = "nightshift",
     .help = "Begins every key: another for each nightshift that tells the same receiver."},
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_IDENTIFIES,
     .help = "alertmanager, servicenow, jira: https://host:port. pagerduty, opsgenie: as the "
             "service has it."},
    {.name = "webhook",
     .type = NSH_SECRET,
     .help = "slack, mattermost, teams: the whole URL, which is the secret."},
    {.name = "routing_key",
     .type = NSH_SECRET,
     .help = "pagerduty: the integration key of a service (Events API v2)."},
    {.name = "api_key", .type = NSH_SECRET, .help = "opsgenie: the key of an API integration."},
    {.name = "user",
     .type = NSH_STRING,
     .preset = "",
     .help = "alertmanager, servicenow, jira, mail: with password. trap, inform: the v3 user."},
    {.name = "password", .type = NSH_SECRET, .help = "Of user."},
    {.name = "token",
     .type = NSH_SECRET,
     .help = "alertmanager, servicenow, jira: a bearer token instead of user and password."},
    {.name = "labels",
     .type = NSH_MAP,
     .help = "alertmanager: labels of each alert, beside ours: { site = \"fra1\"; }."},
    {.name = "keep",
     .type = NSH_DURATION,
     .preset = "24h",
     .min = "5m",
     .max = "30d",
     .help = "alertmanager: when an alert ends that nobody ended."},
    {.name = "table",
     .type = NSH_STRING,
     .preset = "incident",
     .help = "servicenow: a table that extends task."},
    {.name = "close_state",
     .type = NSH_STRING,
     .preset = "6",
     .help = "servicenow: what state is set to when it is over; 6: resolved."},
    {.name = "close_code",
     .type = NSH_STRING,
     .preset = "",
     .help = "servicenow: a choice of the table's close_code."},
    {.name = "project", .type = NSH_STRING, .preset = "", .help = "jira: its key."},
    {.name = "issue_type", .type = NSH_STRING, .preset = "Task", .help = "jira: by name."},
    {.name = "transition",
     .type = NSH_STRING,
     .preset = "",
     .help = "jira: which closes an issue, by name; none: the first that leads to a done status."},
    {.name = "fields",
     .type = NSH_MAP,
     .help = "servicenow, jira: further fields of a new ticket: "
             "{ assignment_group = \"hardware\"; }."},
    {.name = "address",
     .type = NSH_STRING,
     .flags = NSH_IDENTIFIES,
     .help = "trap, inform: IP address, with :PORT when it is not 162. mail: the server, with "
             ":PORT when it is not 587 (implicit: 465, none: 25)."},
    {.name = "version",
     .type = NSH_STRING,
     .preset = "2c",
     .choices = versions,
     .help = "trap, inform: of SNMP."},
    {.name = "community", .type = NSH_SECRET, .help = "trap, inform: v2c."},
    SNMP_USER_OPTIONS("sha256"),
    {.name = "engine",
     .type = NSH_STRING,
     .preset = "",
     .help = "trap with v3: our engine id, 0x and hex; none: 0x80001f8804 and the instance."},
    {.name = "enterprise",
     .type = NSH_STRING,
     .preset = NOTIFY_ENTERPRISE,
     .help = "trap, inform: where NIGHTSHIFT-MIB is rooted."},
    {.name = "security",
     .type = NSH_STRING,
     .preset = "starttls",
     .choices = securities,
     .help = "mail: starttls is demanded, never only tried. none: for a server on this machine."},
    {.name = "from", .type = NSH_STRING, .preset = "", .help = "mail: the sender's address."},
    {.name = "to",
     .type = NSH_STRING,
     .preset = "",
     .help = "mail: addresses, with commas; each must be taken."},
    NSH_REST_OPTIONS,
};

static const struct nsh_option tell_args[] = {
    {.name = "title", .type = NSH_STRING, .help = "One line."},
    NSH_NOTICE_ARGS("Not told: severity is.",
                    "What belongs together; none: the alarm and host, else the run and host."),
};

static const struct nsh_verb verbs[] = {
    NSH_NOTICE_VERB("page", tell_args, 30000,
                    "Tell the receiver: wakes a person where the receiver does."),
    NSH_NOTICE_VERB("notify", tell_args, 30000,
                    "The same: the receiver decides how loud it is, by severity."),
    NSH_NOTICE_VERB("ticket", tell_args, 30000, "The same: servicenow and jira open a ticket."),
    NSH_NOTICE_VERB("resolve", tell_args, 30000,
                    "It is over: close what was told with the same key."),
    {.name = "notify.doctor",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 30000,
     .help = "For `driver doctor`: asks the receiver what can be asked, tells nobody."},
};

enum notify_verb notify_verb_of(const struct nsh_op *op)
{
    return strcmp(op->verb->name, "resolve") == 0         ? VERB_RESOLVE
           : strcmp(op->verb->name, "notify.doctor") == 0 ? VERB_DOCTOR
                                                          : VERB_TELL;
}

const char *notify_setting(const struct nsh_device *device, const char *name)
{
    return nsh_get_text(&device->settings, name, "");
}

bool notify_of(struct nsh_device *device, struct nsh_pool *pool, const struct nsh_op *op,
               struct notify_notice *ret_notice)
{
    struct notify_notice notice;
    if (!notify_read(pool, op->args, op->token, device->instance, &notice)) {
        return false;
    }
    notice.resolved = notify_verb_of(op) == VERB_RESOLVE;
    if (notice.time_ms <= 0) {
        notice.time_ms = device->services->unix_ms(device->services);
    }
    *ret_notice = notice;
    return true;
}

static bool is_web(enum notify_kind kind)
{
    return kind < KIND_TRAP;
}

static void notify_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    notify_snmp_close(device);
    notify_tls_close(device->tls);
    nsh_pool_done(&device->pool);
    free(device);
}

static int kind_open(struct nsh_device *device, struct nsh_error *err)
{
    if (is_web(device->kind)) {
        return notify_web_open(device, err);
    }
    return device->kind == KIND_MAIL ? notify_mail_open(device, err)
                                     : notify_snmp_open(device, err);
}

static int notify_open(struct nsh_services *services, const struct nsh_value *settings,
                       struct nsh_device **ret_device, struct nsh_error *err)
{
    const char *word = nsh_get_text(settings, "kind", "");
    int kind = 0;
    while (kind < KINDS_COUNT - 1 && strcmp(kinds[kind], word) != 0) {
        kind++;
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->kind = (enum notify_kind)kind;
    device->opened_ms = services->now_ms(services);
    int result = nsh_pool_value(&device->pool, settings, &device->settings)
                     ? 0
                     : nsh_fail(err, NSH_NOMEM, "out of memory");
    if (result == 0) {
        device->instance = notify_setting(device, "instance");
        result = kind_open(device, err);
    }
    if (result < 0) {
        notify_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static int notify_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    if (is_web(device->kind)) {
        return notify_web_start(device, op, err);
    }
    return device->kind == KIND_MAIL ? notify_mail_start(device, op, err)
                                     : notify_snmp_start(device, op, err);
}

static void notify_cancel(struct nsh_device *device, struct nsh_op *op)
{
    if (is_web(device->kind)) {
        nsh_rest_cancel(device, op);
    } else if (device->kind == KIND_MAIL) {
        notify_mail_cancel(device, op);
    } else {
        notify_snmp_cancel(device, op);
    }
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "notify",
    .version = "1",
    .summary =
        "Alertmanager, PagerDuty, Opsgenie, Slack, Mattermost, Teams, ServiceNow, Jira, SNMP "
        "traps and informs, mail",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = notify_open,
    .start = notify_start,
    .cancel = notify_cancel,
    .close = notify_close,
};
