/* SPDX-License-Identifier: Apache-2.0 */
/* Its keys, and what of them a table of options cannot say. */

#include "poll_private.h"

#include "abi/address.h"

#include <stdlib.h>

static const char *const places[] = {"host", "os", "bmc", "outlet", NULL};

static const struct nsh_option options[] = {
    {.name = "hosts", .type = NSH_STRING, .help = "Hosts of the inventory, by name, with * and ?."},
    {.name = "select",
     .type = NSH_MAP,
     .help = "Of these, those whose labels, role, rack, pool fit: { role = \"switch\"; }, with * "
             "and ?."},
    {.name = "at",
     .type = NSH_STRING,
     .preset = "host",
     .choices = places,
     .help = "Which address of a host: its first, or that of its binding os, bmc or outlet."},
    {.name = "port", .type = NSH_INT, .preset = "161", .min = "1", .max = "65535", .help = "UDP."},
    {.name = "devices",
     .type = NSH_LIST,
     .help = "Others: ( { name = \"sw1\"; address = \"10.0.0.1\"; } ), with :PORT if need be."},
    {.name = "tables",
     .type = NSH_LIST,
     .help = "Sets of tables: [\"interfaces\", \"ups\"], or files NAME.poll. None: all that are "
             "built in."},
    SNMP_LOGIN_OPTIONS("", probe_login_versions, PROBE_LOGIN_COMMUNITY),
    {.name = "every",
     .type = NSH_DURATION,
     .preset = "60s",
     .min = "200ms",
     .max = "1h",
     .help = "How often each is read."},
    {.name = "timeout",
     .type = NSH_DURATION,
     .preset = "2s",
     .min = "50ms",
     .max = "1m",
     .help = "Of a request at first; each repeat waits twice as long."},
    {.name = "retries", .type = NSH_INT, .preset = "2", .min = "0", .max = "5", .help = "Of one."},
    {.name = "fails",
     .type = NSH_INT,
     .preset = "2",
     .min = "1",
     .max = "100",
     .help = "Reads without an answer in a row until a device is unreachable."},
};

static void devices_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *list = nsh_get(&config->settings, "devices");
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        const struct nsh_value *item = &list->items[i];
        const char *name = nsh_get_text(item, "name", ""),
                   *text = nsh_get_text(item, "address", "");
        struct nsh_address address;
        bool whole = item->type == NSH_MAP && item->count == 2;
        if (!whole || name[0] == '\0' || strlen(name) > 200 || strchr(name, ',') != NULL ||
            !nsh_address_read(text, POLL_PORT, &address)) {
            diag_add(diags, DIAG_ERROR, source_key_place(config, "devices"),
                     "( { name = \"sw1\"; address = \"10.0.0.1\"; } )",
                     "device %u: a name and an IP address are needed, got \"%.60s\" and \"%.60s\"",
                     i + 1, name, text);
            return;
        }
        for (uint32_t other = 0; other < i; other++) {
            if (strcmp(nsh_get_text(&list->items[other], "name", ""), name) == 0) {
                diag_add(diags, DIAG_ERROR, source_key_place(config, "devices"), NULL,
                         "two devices are called %.60s", name);
                return;
            }
        }
    }
}

static void select_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *select = nsh_get(&config->settings, "select");
    for (uint32_t i = 0; select != NULL && i < select->count; i++) {
        if (select->members[i].value.type != NSH_STRING) {
            diag_add(diags, DIAG_ERROR, source_key_place(config, "select"),
                     "{ role = \"switch\"; }", "%.60s: a text is needed", select->members[i].name);
        }
    }
}

/* "DIR" of "DIR/nightshift.conf". */
static const char *folder_of(const struct source_config *config, struct arena *arena)
{
    const char *slash = config->at.file == NULL ? NULL : strrchr(config->at.file, '/');
    return slash == NULL ? NULL
                         : arena_copy(arena, config->at.file, (size_t)(slash - config->at.file));
}

static void set_take(struct poll_source *source, const struct poll_set *set, struct diags *diags)
{
    for (uint32_t i = 0; i < set->tables_count; i++) {
        if (source->tables_count == POLL_TABLES_MAX) {
            diag_add(diags, DIAG_ERROR, source->config->at, NULL, "more than %d tables",
                     POLL_TABLES_MAX);
            return;
        }
        struct poll_oid *only = arena_alloc(&source->arena, sizeof *only);
        if (only == NULL) {
            return;
        }
        *only = set->only;
        source->only[source->tables_count] = only;
        source->tables[source->tables_count++] = &set->tables[i];
    }
}

bool poll_tables_read(const struct source_config *config, struct arena *arena, struct diags *diags,
                      struct poll_source *source)
{
    const struct nsh_value *list = nsh_get(&config->settings, "tables");
    struct nsh_place at = source_key_place(config, "tables");
    const char *folder = folder_of(config, arena);
    size_t before = diags->errors_count;
    struct poll_set set;
    for (uint32_t i = 0; list == NULL ? poll_set_name(i) != NULL : i < list->count; i++) {
        const char *name = list == NULL                        ? poll_set_name(i)
                           : list->items[i].type == NSH_STRING ? list->items[i].text
                                                               : "";
        if (poll_set_find(name, folder, at, arena, diags, &set)) {
            set_take(source, &set, diags);
        }
    }
    return diags->errors_count == before;
}

static void poll_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *settings = &config->settings;
    struct poll_source *source = NULL;
    devices_check(config, diags);
    select_check(config, diags);
    probe_login_check(config, diags);
    if (nsh_get(settings, "devices") == NULL && nsh_get(settings, "hosts") == NULL &&
        nsh_get(settings, "select") == NULL) {
        diag_add(diags, DIAG_ERROR, config->at, "select = { role = \"switch\"; };",
                 "whom to poll: hosts, select or devices is needed");
    }
    source = calloc(1, sizeof *source); /* Only for its list of tables. */
    if (source != NULL) {
        source->config = config;
        poll_tables_read(config, &source->arena, diags, source);
        arena_done(&source->arena);
    }
    free(source);
}

const struct source_type source_type_snmp_poll = {
    .name = "snmp-poll",
    .summary = "reads interfaces, sensors, UPSes, PDUs of network devices and hosts by SNMP",
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .check = poll_check,
    .open = poll_open,
    .close = poll_close,
    .doctor = poll_doctor,
    .decode = poll_decode,
};
