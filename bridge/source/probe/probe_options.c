/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of probes, and what of them a table of options cannot say. */

#include "probe_private.h"

const struct probe_kind_row probe_kinds[PROBE_KINDS_COUNT] = {
    [PROBE_PING] = {"ping", "ping.lost", 0},        [PROBE_TCP] = {"tcp", "tcp.lost", 0},
    [PROBE_SSH] = {"ssh", "ssh.lost", 22},          [PROBE_HTTP] = {"http", "http.failed", 80},
    [PROBE_HTTPS] = {"https", "https.failed", 443}, [PROBE_PORT] = {"port", "port.lost", 161},
};

static const char *const kinds[] = {"ping", "tcp", "ssh", "http", "https", "port", NULL};
static const char *const places[] = {"host", "os", "bmc", "outlet", NULL};

static const struct nsh_option options[] = {
    {.name = "probe", .type = NSH_STRING, .flags = NSH_REQUIRED, .choices = kinds, .help = "How."},
    {.name = "at",
     .type = NSH_STRING,
     .preset = "host",
     .choices = places,
     .help = "Which address: the host's first, or that of its binding os, bmc or outlet."},
    {.name = "port",
     .type = NSH_INT,
     .min = "1",
     .max = "65535",
     .help = "For tcp; ssh 22, http 80, https 443; port: of SNMP, 161."},
    {.name = "path", .type = NSH_STRING, .preset = "/", .help = "For http, https."},
    {.name = "status",
     .type = NSH_STRING,
     .help = "For http, https: the status wanted, with * and ?: 200, 2??. None: any below 500."},
    {.name = "body",
     .type = NSH_STRING,
     .help = "For http, https: what the body must fit, with * and ?: *ready*."},
    {.name = "tls",
     .type = NSH_STRING,
     .preset = "verify",
     .choices = (const char *const[]){"verify", "insecure", NULL},
     .help = "https: verify the certificate, against ca_file or the system's; or not at all, for a "
             "reason."},
    {.name = "reason", .type = NSH_STRING, .help = "Why tls is insecure."},
    {.name = "ca_file", .type = NSH_STRING, .help = "https: PEM file of the authorities trusted."},
    {.name = "server_name",
     .type = NSH_STRING,
     .help = "https: the name asked for, which the certificate must have. None: the address's or "
             "the host's."},
    {.name = "expires",
     .type = NSH_DURATION,
     .preset = "14d",
     .min = "0s",
     .max = "365d",
     .help = "https: certificate.expiring when it ends within this time; 0s: never."},
    {.name = "switches",
     .type = NSH_LIST,
     .help = "port: switches that are no hosts: ( { name = \"sw1\"; address = \"10.0.0.1\"; } )"},
    {.name = "traffic",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "port: also octets, as samples."},
    SNMP_LOGIN_OPTIONS("port: ", probe_login_versions, PROBE_LOGIN_COMMUNITY),
    {.name = "event", .type = NSH_STRING, .help = "The event's type; ping.lost and so on."},
    {.name = "hosts",
     .type = NSH_STRING,
     .preset = "*",
     .help = "Only hosts of that name, with * and ?."},
    {.name = "every",
     .type = NSH_DURATION,
     .preset = "10s",
     .min = "100ms",
     .max = "1h",
     .help = "A round."},
    {.name = "timeout",
     .type = NSH_DURATION,
     .preset = "2s",
     .min = "10ms",
     .max = "1m",
     .help = "Of an attempt."},
    {.name = "fails",
     .type = NSH_INT,
     .preset = "3",
     .min = "1",
     .max = "100",
     .help = "Attempts without an answer in a row until a host is silent."},
    {.name = "recovers",
     .type = NSH_INT,
     .preset = "2",
     .min = "1",
     .max = "100",
     .help = "Answers in a row until it is not."},
};

enum probe_kind probe_kind_of(const struct source_config *config)
{
    const char *word = nsh_get_text(&config->settings, "probe", "");
    enum probe_kind kind = PROBE_PING;
    while (kind < PROBE_PORT && strcmp(probe_kinds[kind].word, word) != 0) {
        kind++;
    }
    return kind;
}

static void tls_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *settings = &config->settings;
    bool insecure = strcmp(nsh_get_text(settings, "tls", "verify"), "insecure") == 0;
    const char *reason = nsh_get_text(settings, "reason", "");
    if (insecure && reason[0] == '\0') {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "tls"),
                 "reason = \"self-signed BMCs of the lab\";",
                 "tls = \"insecure\" takes anybody's certificate: say why in `reason`");
    }
    if (insecure && nsh_get(settings, "ca_file") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "ca_file"), NULL,
                 "ca_file is for tls = \"verify\"");
    }
}

static void port_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *list = nsh_get(&config->settings, "switches");
    probe_login_check(config, diags);
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        struct nsh_address address;
        const char *name = nsh_get_text(&list->items[i], "name", "");
        const char *text = nsh_get_text(&list->items[i], "address", "");
        if (name[0] == '\0' || !nsh_address_read(text, POLL_PORT, &address)) {
            diag_add(diags, DIAG_ERROR, source_key_place(config, "switches"),
                     "( { name = \"sw1\"; address = \"10.0.0.1\"; } )",
                     "switch %u: a name and an IP address are needed, got \"%.60s\" and \"%.60s\"",
                     i + 1, name, text);
            return;
        }
    }
}

static void probe_check(const struct source_config *config, struct diags *diags)
{
    const char *path = nsh_get_text(&config->settings, "path", "/");
    enum probe_kind kind = probe_kind_of(config);
    if (kind == PROBE_TCP && nsh_get(&config->settings, "port") == NULL) {
        diag_add(diags, DIAG_ERROR, config->at, "port = 443;", "a probe by tcp needs a port");
    }
    if (path[0] != '/' || strlen(path) > 256 || strpbrk(path, " \r\n") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "path"), NULL,
                 "a path begins with / and has no blanks, at most 256 bytes, got \"%s\"", path);
    }
    const char *name = nsh_get_text(&config->settings, "server_name", "");
    if (strlen(name) > 253 || strpbrk(name, " \r\n") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "server_name"), NULL,
                 "a name has no blanks, at most 253 bytes");
    }
    if (kind == PROBE_HTTPS) {
        tls_check(config, diags);
    } else if (kind == PROBE_PORT) {
        port_check(config, diags);
    }
}

const struct source_type source_type_probe = {
    .name = "probe",
    .summary = "looks by itself whether hosts answer: ping, TCP, SSH, HTTP, HTTPS, switch ports",
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .check = probe_check,
    .open = probe_open,
    .close = probe_close,
    .doctor = probe_doctor,
};
