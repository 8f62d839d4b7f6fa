/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of each verb. A restart is proven by another boot id, read over a new connection; a
 * shutdown by a host that answers no connection, twice. A command is sent once: what was cut off
 * after that has an effect that is not known.
 */

#include "ssh_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MARGIN_MS 500 /* Ours comes before the caller's, with better words. */
#define DOWN_SEEN_COUNT 2
#define WORDS_MAX 200
#define EXIT_NOT_FOUND 127

/* ---- endings ---- */

static void kept_gone(void *arg)
{
    struct nsh_device *device = arg;
    struct ssh_link *link = device->kept;
    device->kept = NULL;
    ssh_link_free(link);
}

static void link_return(struct ssh_call *call)
{
    struct nsh_device *device = call->device;
    struct ssh_link *link = call->link;
    call->link = NULL;
    if (link != NULL && device->kept == NULL && ssh_link_keep(link, kept_gone, device)) {
        device->kept = link;
        return;
    }
    ssh_link_free(link);
}

static void link_drop(struct ssh_call *call)
{
    ssh_link_free(call->link);
    call->link = NULL;
}

/* What was borrowed for the call, before its op is completed: completing may close the device. */
static struct nsh_op *call_leave(struct ssh_call *call)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    services->timer_cancel(services, call->deadline);
    services->timer_cancel(services, call->wait);
    link_return(call);
    op->driver_data = NULL;
    return op;
}

static void call_free(struct ssh_call *call)
{
    free(call->checks);
    free(call);
}

static void call_end(struct ssh_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    services->complete(services, call_leave(call), outcome); /* The outcome may lie in the call. */
    call_free(call);
}

void ssh_call_checked(struct ssh_call *call)
{
    struct nsh_services *services = call->device->services;
    nsh_checks_complete(services, call_leave(call), call->checks);
    call_free(call);
}

void ssh_call_fail(struct ssh_call *call, int code, const char *text)
{
    char copy[SSH_TEXT_MAX]; /* It may be the call's. */
    snprintf(copy, sizeof copy, "%s", text);
    call_end(call,
             &(struct nsh_outcome){.code = code, .effect_possible = call->acted, .text = copy});
}

static void call_succeed(struct ssh_call *call, const struct nsh_member *members, size_t count,
                         const char *text)
{
    struct nsh_value result = nsh_map(members, count);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = text});
}

/* A command that is cut off here may have reached the host. */
static void acted_note(struct ssh_call *call)
{
    call->acted = call->acted || (call->changes && call->link != NULL && ssh_link_sent(call->link));
}

static void call_late(void *arg)
{
    struct ssh_call *call = arg;
    char text[SSH_TEXT_MAX];
    call->deadline = NULL;
    acted_note(call);
    link_drop(call);
    snprintf(text, sizeof text, "%.200s: not done within %u s%s%.240s",
             call->device->account.address, (unsigned)(call->op->timeout_ms / 1000),
             call->last[0] == '\0' ? "" : "; last: ", call->last);
    ssh_call_fail(call, NSH_TIMEOUT, text);
}

void ssh_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct ssh_call *call = op->driver_data;
    acted_note(call);
    link_drop(call);
    ssh_call_fail(call, NSH_CANCELLED, "cancelled");
}

/* ---- commands ---- */

static void command_ended(void *arg, const struct ssh_result *result)
{
    struct ssh_call *call = arg;
    call->acted = call->acted || (call->changes && result->sent);
    call->after(call, result);
}

static int call_run(struct ssh_call *call, const char *command, bool changes,
                    void (*after)(struct ssh_call *call, const struct ssh_result *result),
                    struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    if (call->link == NULL) {
        call->link = device->kept;
        device->kept = NULL;
    }
    if (call->link == NULL) {
        call->link = ssh_link_new(device->services, &device->account);
    }
    if (call->link == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    call->changes = changes;
    call->after = after;
    device->services->trace(device->services, call->op, "ssh %s@%s %s", device->account.user,
                            device->account.address, command);
    return ssh_link_run(call->link, command, command_ended, call, err);
}

void ssh_call_next(struct ssh_call *call, const char *command, bool changes,
                   void (*after)(struct ssh_call *call, const struct ssh_result *result))
{
    struct nsh_error err = {0};
    if (call_run(call, command, changes, after, &err) < 0) {
        ssh_call_fail(call, err.code, err.text);
    }
}

static void call_wait(struct ssh_call *call, void (*fire)(void *arg))
{
    struct nsh_services *services = call->device->services;
    call->wait = services->timer(services, call->device->poll_ms, fire, call);
    if (call->wait == NULL) {
        ssh_call_fail(call, NSH_NOMEM, "no memory for a timer");
    }
}

static const char *said(const struct ssh_result *result)
{
    return result->errors[0] != '\0' ? result->errors : result->output;
}

/* A command that ended with another status than 0, in words. */
static void status_fail(struct ssh_call *call, const struct ssh_result *result)
{
    char text[SSH_TEXT_MAX];
    snprintf(text, sizeof text, "%.160s: %.120s ended with %d: ", call->device->account.address,
             call->command, result->status);
    const char *words = said(result);
    size_t count = strlen(words);
    ssh_words_add(text, sizeof text, words, count > WORDS_MAX ? WORDS_MAX : count);
    if (result->status == EXIT_NOT_FOUND) {
        const char *hint = " (is it installed, and in the user's PATH?)";
        ssh_words_add(text, sizeof text, hint, strlen(hint));
    }
    ssh_call_fail(call, NSH_FAILED, text);
}

static void simple_ended(struct ssh_call *call, const struct ssh_result *result)
{
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    if (result->status != 0 && call->changes) {
        status_fail(call, result);
        return;
    }
    const struct nsh_member members[] = {
        {"status", nsh_int(result->status)},
        {"output", nsh_text(result->output)},
        {"errors", nsh_text(result->errors)},
        {"cut", nsh_bool(result->output_cut || result->errors_cut)},
    };
    call_succeed(call, members, sizeof members / sizeof members[0], "");
}

static void probe_ended(struct ssh_call *call, const struct ssh_result *result)
{
    char boot_id[SSH_BOOT_ID_MAX];
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    bool known = result->status == 0 && ssh_boot_id_read(result->output, boot_id);
    const struct nsh_member members[] = {
        {"state", nsh_text("up")},
        {"boot_id", nsh_text(known ? boot_id : NULL)},
    };
    call_succeed(call, members, 2, "");
}

/* test -e: 0 there, 1 not, anything else is no answer. */
static void file_ended(struct ssh_call *call, const struct ssh_result *result)
{
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
    } else if (result->status != 0 && (result->status != 1 || said(result)[0] != '\0')) {
        status_fail(call, result);
    } else {
        const struct nsh_member member = {"present", nsh_bool(result->status == 0)};
        call_succeed(call, &member, 1, "");
    }
}

/* It was told to go down, and is looked at. Cut off while it does so is what is expected. */
static void going_told(struct ssh_call *call, const struct ssh_result *result,
                       void (*look)(void *arg))
{
    if (result->code != NSH_OK && !result->sent) {
        ssh_call_fail(call, result->code, result->text);
    } else if (result->code == NSH_OK && result->status != 0) {
        status_fail(call, result);
    } else {
        link_drop(call);
        call_wait(call, look);
    }
}

/* ---- restart: another boot id proves it ---- */

static void reboot_look(void *arg);

static void reboot_done(struct ssh_call *call, const char *boot_id)
{
    const struct nsh_member members[] = {
        {"rebooted", nsh_bool(true)},
        {"boot_id", nsh_text(boot_id)},
        {"boot_id_before", nsh_text(call->before)},
    };
    call_succeed(call, members, 3, "");
}

static void reboot_looked(struct ssh_call *call, const struct ssh_result *result)
{
    char boot_id[SSH_BOOT_ID_MAX];
    bool known =
        result->code == NSH_OK && result->status == 0 && ssh_boot_id_read(result->output, boot_id);
    link_drop(call);
    if (result->code == NSH_MISMATCH) { /* Another machine, or the same reinstalled: a person. */
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    if (known && strcmp(boot_id, call->before) != 0) {
        reboot_done(call, boot_id);
        return;
    }
    snprintf(call->last, sizeof call->last, "%.240s",
             known                    ? "it still runs as before"
             : result->code == NSH_OK ? "no boot id"
                                      : result->text);
    call_wait(call, reboot_look);
}

static void reboot_look(void *arg)
{
    struct ssh_call *call = arg;
    struct nsh_error err = {0};
    call->wait = NULL;
    if (call_run(call, call->device->boot_id, false, reboot_looked, &err) < 0) {
        link_drop(call); /* No route at the moment: it is on its way down. */
        snprintf(call->last, sizeof call->last, "%.240s", err.text);
        if (err.code == NSH_NOMEM) {
            ssh_call_fail(call, err.code, err.text);
            return;
        }
        call_wait(call, reboot_look);
    }
}

static void reboot_told(struct ssh_call *call, const struct ssh_result *result)
{
    going_told(call, result, reboot_look);
}

static void reboot_known(struct ssh_call *call, const struct ssh_result *result)
{
    char text[SSH_TEXT_MAX];
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    if (result->status != 0 || !ssh_boot_id_read(result->output, call->before)) {
        snprintf(text, sizeof text,
                 "%.160s: no boot id from '%.120s' (status %d), so a restart could not be proven",
                 call->device->account.address, call->device->boot_id, result->status);
        ssh_call_fail(call, NSH_UNSUPPORTED, text);
        return;
    }
    ssh_call_next(call, call->command, true, reboot_told);
}

/* ---- shutdown: it answers no more ---- */

static void down_look(void *arg);

static void down_looked(struct ssh_call *call, const struct ssh_result *result)
{
    char boot_id[SSH_BOOT_ID_MAX];
    bool answers = result->code == NSH_OK;
    bool restarted = answers && call->before[0] != '\0' &&
                     ssh_boot_id_read(result->output, boot_id) &&
                     strcmp(boot_id, call->before) != 0;
    link_drop(call);
    if (restarted) {
        ssh_call_fail(call, NSH_FAILED, "the host restarted instead of staying down");
        return;
    }
    bool down = result->code == NSH_UNREACHABLE || result->code == NSH_TIMEOUT;
    call->down_count = down ? call->down_count + 1 : 0;
    if (call->down_count >= DOWN_SEEN_COUNT) {
        const struct nsh_member member = {"state", nsh_text("down")};
        call_succeed(call, &member, 1,
                     "it answers no connection any more; whether it has power, its BMC knows");
        return;
    }
    snprintf(call->last, sizeof call->last, "%.240s", answers ? "it still answers" : result->text);
    call_wait(call, down_look);
}

static void down_look(void *arg)
{
    struct ssh_call *call = arg;
    struct nsh_error err = {0};
    call->wait = NULL;
    if (call_run(call, call->device->boot_id, false, down_looked, &err) < 0) {
        if (err.code != NSH_UNREACHABLE) {
            ssh_call_fail(call, err.code, err.text);
            return;
        }
        down_looked(call, &(struct ssh_result){
                              .code = err.code, .text = err.text, .output = "", .errors = ""});
    }
}

static void down_told(struct ssh_call *call, const struct ssh_result *result)
{
    going_told(call, result, down_look);
}

static void down_known(struct ssh_call *call, const struct ssh_result *result)
{
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    if (result->status != 0 || !ssh_boot_id_read(result->output, call->before)) {
        call->before[0] = '\0';
    }
    ssh_call_next(call, call->command, true, down_told);
}

/* ---- starting ---- */

static int named_find(const struct nsh_device *device, const struct nsh_op *op, bool reads,
                      const char **ret_command, struct nsh_error *err)
{
    const char *name = nsh_get_text(op->args, "name", "");
    for (size_t i = 0; i < device->named_count; i++) {
        if (device->named[i].reads == reads && strcmp(device->named[i].name, name) == 0) {
            *ret_command = device->named[i].command;
            return 0;
        }
    }
    return nsh_fail(err, NSH_NOT_FOUND, "%s: the setting %s has no '%.64s'",
                    device->account.address, reads ? "checks" : "commands", name);
}

static int hook_start(struct ssh_call *call, const char *command, const char *setting,
                      struct nsh_error *err)
{
    if (command == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "%s: the setting %s names no command",
                        call->device->account.address, setting);
    }
    call->command = command;
    return call_run(call, command, true, simple_ended, err);
}

static int file_start(struct ssh_call *call, struct nsh_error *err)
{
    const char *path = nsh_get_text(call->op->args, "path", "");
    struct nsh_value words[] = {nsh_text("test"), nsh_text("-e"), nsh_text(path)};
    struct nsh_value list = nsh_list(words, 3);
    char command[SSH_COMMAND_MAX];
    if (path[0] != '/') {
        return nsh_fail(err, NSH_INVALID, "path: want an absolute one, got %.120s", path);
    }
    int result = ssh_command_build(&list, command, err);
    call->command = "test -e";
    return result < 0 ? result : call_run(call, command, false, file_ended, err);
}

static int verb_start(struct ssh_call *call, struct nsh_error *err)
{
    const struct nsh_device *device = call->device;
    const char *verb = call->op->verb->name, *command = NULL;
    int result = 0;
    if (strcmp(verb, "probe") == 0) {
        return call_run(call, device->boot_id, false, probe_ended, err);
    }
    if (strcmp(verb, "reset.soft") == 0) {
        call->command = device->reboot;
        return call_run(call, device->boot_id, false, reboot_known, err);
    }
    if (strcmp(verb, "ssh.shutdown") == 0) {
        call->command = device->shutdown;
        return call_run(call, device->boot_id, false, down_known, err);
    }
    if (strcmp(verb, "drain") == 0) {
        return hook_start(call, device->drain, "drain_command", err);
    }
    if (strcmp(verb, "undrain") == 0) {
        return hook_start(call, device->undrain, "undrain_command", err);
    }
    if (strcmp(verb, "bmc.reset") == 0) {
        return hook_start(call, device->bmc_reset, "bmc_reset_command", err);
    }
    if (strcmp(verb, "ssh.file") == 0) {
        return file_start(call, err);
    }
    if (strcmp(verb, "ssh.doctor") == 0) {
        call->checks = calloc(1, sizeof *call->checks);
        return call->checks == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                    : call_run(call, device->boot_id, false, ssh_doctor_known, err);
    }
    bool reads = strcmp(verb, "ssh.read") == 0;
    result = named_find(device, call->op, reads, &command, err);
    call->command = command;
    return result < 0 ? result : call_run(call, command, !reads, simple_ended, err);
}

int ssh_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct nsh_services *services = device->services;
    uint32_t timeout_ms = op->timeout_ms > 2 * DEADLINE_MARGIN_MS
                              ? op->timeout_ms - DEADLINE_MARGIN_MS
                              : op->timeout_ms;
    struct ssh_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *call = (struct ssh_call){.device = device, .op = op};
    call->deadline = services->timer(services, timeout_ms, call_late, call);
    int result =
        call->deadline == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : verb_start(call, err);
    if (result < 0) {
        services->timer_cancel(services, call->deadline);
        ssh_link_free(call->link);
        call_free(call);
        return result;
    }
    op->driver_data = call;
    return 0;
}
