/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssh: a host's operating system. Options, verbs and devices; the walks are in ssh_calls.c, the
 * connection in ssh_link.c. What runs on a host stands in the settings, word by word; no argument
 * of a policy ever becomes part of a command, but for the one path of ssh.file.
 */

#include "ssh_calls.h"

#include <libssh2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct nsh_option options[] = {
    {.name = "address",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "Host name or IP address, with :PORT when it is not 22; [v6]:PORT."},
    {.name = "user", .type = NSH_STRING, .preset = "root", .help = "Whom to log in as."},
    {.name = "private_key",
     .type = NSH_SECRET,
     .help = "The private key itself (file:NAME): ed25519 or ecdsa, OpenSSH or PEM format."},
    {.name = "passphrase", .type = NSH_SECRET, .help = "Of the private key, when it has one."},
    {.name = "certificate",
     .type = NSH_STRING,
     .help = "The OpenSSH user certificate of the key, as in KEY-cert.pub (ecdsa keys only)."},
    {.name = "password", .type = NSH_SECRET, .help = "Tried when no key is given or taken."},
    {.name = "known_hosts",
     .type = NSH_STRING,
     .preset = "/etc/nightshift/known_hosts",
     .help = "The hosts' keys, as in OpenSSH; unknown and changed ones are errors."},
    {.name = "host_key",
     .type = NSH_STRING,
     .help = "Instead: the fingerprint of this host's key, \"SHA256:...\" as of ssh-keygen -l."},
    {.name = "boot_id_command",
     .type = NSH_LIST,
     .help = "Prints one word that changes with each boot; default: cat "
             "/proc/sys/kernel/random/boot_id."},
    {.name = "reboot_command", .type = NSH_LIST, .help = "Default: systemctl reboot."},
    {.name = "shutdown_command", .type = NSH_LIST, .help = "Default: systemctl poweroff."},
    {.name = "bmc_reset_command", .type = NSH_LIST, .help = "Default: ipmitool mc reset cold."},
    {.name = "drain_command", .type = NSH_LIST, .help = "Moves the work away; ends when done."},
    {.name = "undrain_command", .type = NSH_LIST, .help = "Takes work again."},
    {.name = "commands",
     .type = NSH_MAP,
     .help = "For ssh.run: NAME = [\"program\", \"word\", ...]. They may change the host."},
    {.name = "checks",
     .type = NSH_MAP,
     .help = "For ssh.read: the same, but they only look; any exit status is an answer."},
    {.name = "connect_timeout",
     .type = NSH_DURATION,
     .preset = "10s",
     .min = "100ms",
     .max = "2m",
     .help = "For the name and the connection."},
    {.name = "login_timeout",
     .type = NSH_DURATION,
     .preset = "20s",
     .min = "100ms",
     .max = "5m",
     .help = "From the connection until a command is on its way."},
    {.name = "keep",
     .type = NSH_DURATION,
     .preset = "1m",
     .min = "0s",
     .max = "1h",
     .help = "How long a session is kept for the next call; 0s: not."},
    {.name = "keep_alive",
     .type = NSH_DURATION,
     .preset = "15s",
     .min = "0s",
     .max = "5m",
     .help = "How often a host is asked whether it is there, while a command runs or a session is "
             "kept; silent through a whole one of these, it is given up. 0s: never."},
    {.name = "poll",
     .type = NSH_DURATION,
     .preset = "3s",
     .min = "20ms",
     .max = "1m",
     .help = "How often a host that goes down or comes up is looked at."},
};

static const struct nsh_option name_args[] = {
    {.name = "name",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "Which of the settings' commands."},
};

static const struct nsh_option file_args[] = {
    {.name = "path", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "Absolute."},
};

static const struct nsh_verb verbs[] = {
    {.name = "probe",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 30000,
     .help = "Log in and read the boot id."},
    {.name = "reset.soft",
     .effect = NSH_INTERRUPTS,
     .flags = NSH_EXCLUSIVE,
     .verify = "power.status",
     .proof = "power=on",
     .timeout_ms_default = 900000,
     .help = "Tell the system to restart, then wait until it answers with another boot id."},
    {.name = "ssh.shutdown",
     .effect = NSH_INTERRUPTS,
     .flags = NSH_EXCLUSIVE,
     .timeout_ms_default = 300000,
     .help = "Tell the system to power off, then wait until it answers no connection, twice. That "
             "it has no power only the BMC can prove."},
    {.name = "drain",
     .effect = NSH_CHANGES,
     .undo = "undrain",
     .timeout_ms_default = 1800000,
     .help = "Run drain_command."},
    {.name = "undrain",
     .effect = NSH_CHANGES,
     .timeout_ms_default = 300000,
     .help = "Run undrain_command."},
    {.name = "bmc.reset",
     .effect = NSH_CHANGES,
     .verify = "bmc.status",
     .proof = "state=ready",
     .timeout_ms_default = 60000,
     .help = "Restart the management controller from inside the host."},
    {.name = "ssh.run",
     .effect = NSH_INTERRUPTS,
     .flags = NSH_EXCLUSIVE,
     .args = name_args,
     .args_count = 1,
     .timeout_ms_default = 300000,
     .help = "Run one of `commands`; any exit status but 0 is a failure."},
    {.name = "ssh.read",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = name_args,
     .args_count = 1,
     .timeout_ms_default = 60000,
     .help = "Run one of `checks`: its exit status and what it prints."},
    {.name = "ssh.file",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .args = file_args,
     .args_count = 1,
     .timeout_ms_default = 30000,
     .help = "Whether a file is there."},
    {.name = "ssh.doctor",
     .effect = NSH_READS,
     .flags = NSH_IDEMPOTENT,
     .timeout_ms_default = 60000,
     .help = "For `driver doctor`: the account, who may write known_hosts, the boot id, and "
             "whether each command of the settings is there and permitted (sudo -l); none is run."},
};

/* ---- devices ---- */

static void secret_free(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

static void ssh_close(struct nsh_device *device)
{
    struct ssh_account *account = &device->account;
    ssh_link_free(device->kept);
    secret_free(account->private_key);
    secret_free(account->passphrase);
    secret_free(account->password);
    char *texts[] = {account->address,  account->user,   account->certificate, account->known_hosts,
                     account->host_key, device->boot_id, device->reboot,       device->shutdown,
                     device->drain,     device->undrain, device->bmc_reset};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    for (size_t i = 0; i < device->named_count; i++) {
        free(device->named[i].name);
        free(device->named[i].command);
    }
    free(device);
}

static int text_take(const struct nsh_value *settings, const char *name, char **ret_text,
                     struct nsh_error *err)
{
    const char *text = nsh_get_text(settings, name, NULL);
    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    *ret_text = strdup(text);
    return *ret_text == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

static int command_take(const struct nsh_value *words, const char *name, char **ret_command,
                        struct nsh_error *err)
{
    char command[SSH_COMMAND_MAX];
    int result = ssh_command_build(words, command, err);
    if (result < 0) {
        nsh_wrap(err, "%s", name);
        return result;
    }
    *ret_command = strdup(command);
    return *ret_command == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

static int command_setting(const struct nsh_value *settings, const char *name, const char *preset,
                           char **ret_command, struct nsh_error *err)
{
    const struct nsh_value *words = nsh_get(settings, name);
    if (words != NULL && words->type != NSH_NULL) {
        return command_take(words, name, ret_command, err);
    }
    if (preset == NULL) {
        return 0;
    }
    *ret_command = strdup(preset);
    return *ret_command == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

static int named_take(struct nsh_device *device, const struct nsh_value *settings, bool reads,
                      struct nsh_error *err)
{
    const char *setting = reads ? "checks" : "commands";
    const struct nsh_value *map = nsh_get(settings, setting);
    for (uint32_t i = 0; map != NULL && map->type == NSH_MAP && i < map->count; i++) {
        const struct nsh_member *member = &map->members[i];
        if (device->named_count == SSH_NAMED_MAX) {
            return nsh_fail(err, NSH_LIMIT, "%s: more than %d", setting, SSH_NAMED_MAX);
        }
        struct ssh_named *named = &device->named[device->named_count++];
        named->reads = reads;
        named->name = strdup(member->name);
        int result = named->name == NULL
                         ? nsh_fail(err, NSH_NOMEM, "out of memory")
                         : command_take(&member->value, member->name, &named->command, err);
        if (result < 0) {
            nsh_wrap(err, "%s", setting);
            return result;
        }
    }
    return 0;
}

static int commands_take(struct nsh_device *device, const struct nsh_value *settings,
                         struct nsh_error *err)
{
    const struct {
        const char *name, *preset;
        char **command;
    } rows[] = {
        {"boot_id_command", "cat /proc/sys/kernel/random/boot_id", &device->boot_id},
        {"reboot_command", "systemctl reboot", &device->reboot},
        {"shutdown_command", "systemctl poweroff", &device->shutdown},
        {"bmc_reset_command", "ipmitool mc reset cold", &device->bmc_reset},
        {"drain_command", NULL, &device->drain},
        {"undrain_command", NULL, &device->undrain},
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof rows / sizeof rows[0]; i++) {
        result = command_setting(settings, rows[i].name, rows[i].preset, rows[i].command, err);
    }
    result = result < 0 ? result : named_take(device, settings, false, err);
    return result < 0 ? result : named_take(device, settings, true, err);
}

static int account_take(struct ssh_account *account, const struct nsh_value *settings,
                        struct nsh_error *err)
{
    const struct {
        const char *name;
        char **text;
    } rows[] = {
        {"address", &account->address},         {"user", &account->user},
        {"private_key", &account->private_key}, {"passphrase", &account->passphrase},
        {"certificate", &account->certificate}, {"password", &account->password},
        {"known_hosts", &account->known_hosts}, {"host_key", &account->host_key},
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof rows / sizeof rows[0]; i++) {
        result = text_take(settings, rows[i].name, rows[i].text, err);
    }
    if (result < 0) {
        return result;
    }
    account->connect_timeout_ms = (uint32_t)nsh_get_int(settings, "connect_timeout", 10000);
    account->login_timeout_ms = (uint32_t)nsh_get_int(settings, "login_timeout", 20000);
    account->alive_ms = (uint32_t)nsh_get_int(settings, "keep_alive", 15000);
    account->keep_ms = (uint32_t)nsh_get_int(settings, "keep", 60000);
    if (account->private_key == NULL && account->password == NULL) {
        return nsh_fail(err, NSH_INVALID, "ssh wants a private_key or a password");
    }
    if (account->user == NULL) {
        return nsh_fail(err, NSH_INVALID, "ssh wants a user");
    }
    if (account->certificate != NULL && account->private_key == NULL) {
        return nsh_fail(err, NSH_INVALID, "a certificate wants its private_key");
    }
    if (account->host_key != NULL && strncmp(account->host_key, "SHA256:", 7) != 0) {
        return nsh_fail(err, NSH_INVALID, "host_key: want \"SHA256:...\" as of ssh-keygen -l");
    }
    if (account->host_key == NULL && account->known_hosts == NULL) {
        return nsh_fail(err, NSH_INVALID, "ssh wants known_hosts or host_key");
    }
    return ssh_address_read(account->address == NULL ? "" : account->address, account->host,
                            &account->port, err);
}

static int ssh_open(struct nsh_services *services, const struct nsh_value *settings,
                    struct nsh_device **ret_device, struct nsh_error *err)
{
    if (libssh2_init(0) != 0) { /* Counted by the library; the first sets up its crypto. */
        return nsh_fail(err, NSH_NOMEM, "libssh2 does not start");
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->poll_ms = (uint32_t)nsh_get_int(settings, "poll", 3000);
    int result = account_take(&device->account, settings, err);
    result = result < 0 ? result : commands_take(device, settings, err);
    if (result < 0) {
        ssh_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "ssh",
    .version = "1",
    .summary = "A host's operating system over SSH: restart with proof, shutdown, hooks, checks.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = ssh_open,
    .start = ssh_start,
    .cancel = ssh_cancel,
    .close = ssh_close,
};
