/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor: over one login, the boot id, then for each command of the settings whether it is
 * there and permitted. Nothing is run of any of them. Bound: NSH_CHECKS_COUNT_MAX lines.
 */

#include "ssh_calls.h"
#include "ssh_trust.h"

#include <stdio.h>
#include <string.h>

#define OWN_COUNT 5 /* Commands of the settings that have a name of their own. */

/* A command of the settings by its number; false: there are no more. */
static bool look_at(const struct nsh_device *device, size_t number, const char **ret_name,
                    const char **ret_command)
{
    const struct {
        const char *name, *command;
    } own[OWN_COUNT] = {
        {"reboot_command", device->reboot},       {"shutdown_command", device->shutdown},
        {"bmc_reset_command", device->bmc_reset}, {"drain_command", device->drain},
        {"undrain_command", device->undrain},
    };
    if (number >= OWN_COUNT + device->named_count) {
        return false;
    }
    *ret_name = number < OWN_COUNT ? own[number].name : device->named[number - OWN_COUNT].name;
    *ret_command =
        number < OWN_COUNT ? own[number].command : device->named[number - OWN_COUNT].command;
    return true;
}

static void look_next(struct ssh_call *call);

/* A program that only root may use, and nothing that makes the user root. */
static bool wants_root(const struct ssh_call *call, const char *name)
{
    return strcmp(call->device->account.user, "root") != 0 &&
           (strcmp(name, "reboot_command") == 0 || strcmp(name, "shutdown_command") == 0 ||
            strcmp(name, "bmc_reset_command") == 0);
}

static void look_judge(struct ssh_call *call, const char *name, bool sudo,
                       const struct ssh_result *result)
{
    char words[NSH_CHECK_TEXT_BYTES_MAX] = "", label[NSH_CHECK_NAME_BYTES_MAX];
    const char *said = result->errors[0] != '\0' ? result->errors : result->output;
    const char *user = call->device->account.user;
    ssh_words_add(words, sizeof words - 80, said, strlen(said));
    snprintf(label, sizeof label, "%.39s", name);
    if (result->status == 0 && !sudo && wants_root(call, name)) {
        nsh_check_add(call->checks, label, NSH_CHECK_WARNING,
                      "put \"sudo\", \"-n\" before it, and the command into sudoers",
                      "it is there, but %.32s is not root and it does not go through sudo", user);
    } else if (result->status == 0) {
        nsh_check_add(call->checks, label, NSH_CHECK_OK, NULL, "%s",
                      sudo ? "sudo permits it without a password" : "it is there");
    } else if (sudo) {
        nsh_check_add(call->checks, label, NSH_CHECK_FAILED,
                      "a line in /etc/sudoers.d with NOPASSWD and exactly this command (README)",
                      "sudo does not permit it: %s", words);
    } else {
        nsh_check_add(call->checks, label,
                      strcmp(name, "bmc_reset_command") == 0 ? NSH_CHECK_WARNING : NSH_CHECK_FAILED,
                      "install it, or name what this host has; a forced command must let "
                      "`command -v` through",
                      "the program is not there: status %d %s", result->status, words);
    }
}

static void look_done(struct ssh_call *call, const struct ssh_result *result)
{
    char look[SSH_COMMAND_MAX];
    const char *name = "", *command = NULL;
    struct nsh_error err = {0};
    bool sudo = false;
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    look_at(call->device, call->look, &name, &command);
    ssh_command_look(command, look, &sudo, &err);
    look_judge(call, name, sudo, result);
    call->look++;
    look_next(call);
}

static void look_next(struct ssh_call *call)
{
    char look[SSH_COMMAND_MAX];
    const char *name, *command = NULL;
    struct nsh_error err = {0};
    bool sudo = false;
    while (look_at(call->device, call->look, &name, &command) && command == NULL) {
        call->look++;
    }
    if (command == NULL || call->checks->count == NSH_CHECKS_COUNT_MAX) {
        ssh_call_checked(call);
    } else if (ssh_command_look(command, look, &sudo, &err) < 0) {
        ssh_call_fail(call, err.code, err.text);
    } else {
        ssh_call_next(call, look, false, look_done);
    }
}

static void account_judge(struct ssh_call *call)
{
    const struct ssh_account *account = &call->device->account;
    if (account->private_key == NULL) {
        nsh_check_add(call->checks, "login", NSH_CHECK_WARNING,
                      "an ed25519 key of nightshift's own (private_key)", "by password");
    } else if (account->password != NULL) {
        nsh_check_add(call->checks, "login", NSH_CHECK_WARNING, "leave the password out",
                      "by key, and by password where the key is refused");
    } else {
        nsh_check_add(call->checks, "login", NSH_CHECK_OK, NULL, "by key");
    }
    if (strcmp(account->user, "root") == 0) {
        nsh_check_add(call->checks, "account", NSH_CHECK_WARNING,
                      "an account of its own, and by sudo exactly the commands (README)",
                      "root: the key opens all of the host");
    } else {
        nsh_check_add(call->checks, "account", NSH_CHECK_OK, NULL, "%.64s", account->user);
    }
    if (ssh_trust_open(account)) {
        nsh_check_add(call->checks, "host-key", NSH_CHECK_FAILED, "chmod go-w",
                      "others may write %.120s: they can vouch for any host", account->known_hosts);
    } else {
        nsh_check_add(call->checks, "host-key", NSH_CHECK_OK, NULL, "as in %.120s",
                      account->host_key != NULL ? "the settings" : account->known_hosts);
    }
}

void ssh_doctor_known(struct ssh_call *call, const struct ssh_result *result)
{
    char boot_id[SSH_BOOT_ID_MAX];
    if (result->code != NSH_OK) {
        ssh_call_fail(call, result->code, result->text);
        return;
    }
    account_judge(call);
    if (result->status == 0 && ssh_boot_id_read(result->output, boot_id)) {
        nsh_check_add(call->checks, "boot-id", NSH_CHECK_OK, NULL, "a restart can be proven");
    } else {
        nsh_check_add(call->checks, "boot-id", NSH_CHECK_FAILED,
                      "boot_id_command: what prints one word that changes with each boot",
                      "none (status %d): reset.soft will refuse", result->status);
    }
    look_next(call);
}
