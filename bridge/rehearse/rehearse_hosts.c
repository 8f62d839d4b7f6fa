/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hosts of a file of tests: an inventory file, a list of hosts as there, or racks with so many
 * each; and what `set` changes.
 */

#include "rehearse/rehearse_private.h"

#include <stdio.h>
#include <stdlib.h>

#define RACK_HOSTS_MAX 1000
#define RACKS_MAX 1000

/* r1h01 ... in site dc1 and pool web, each with every binding: tests rarely care. */
static void rack_add(struct textbuf *text, const char *rack, int64_t count)
{
    for (int64_t i = 1; i <= count; i++) {
        textbuf_addf(
            text,
            "%s{ name = \"%sh%02lld\"; rack = \"%s\"; site = \"dc1\"; pool = \"web\"; "
            "serial = \"S-%s-%02lld\"; bmc = { driver = \"rehearsal\"; }; "
            "os = { driver = \"rehearsal\"; }; node = { driver = \"rehearsal\"; }; "
            "instance = { driver = \"rehearsal\"; }; outlet = { driver = \"rehearsal\"; }; }\n",
            text->count == 0 ? "" : ", ", rack, (long long)i, rack, rack, (long long)i);
    }
}

static struct conf *racks_read(struct rehearsal *rehearsal, struct conf *racks, struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf hosts = {0};
    if (racks == NULL) {
        rack_add(&hosts, "r1", 8);
    } else if (racks->type != CONF_GROUP || racks->children_count > RACKS_MAX) {
        diag_add(diags, DIAG_ERROR, racks->value_at, "racks = { r1 = 8; r2 = 8; };",
                 "'racks' is a group of at most %d racks with the number of their hosts",
                 RACKS_MAX);
        return NULL;
    }
    for (struct conf *rack = racks == NULL ? NULL : racks->first; rack != NULL; rack = rack->next) {
        rack->seen = true;
        rack_add(&hosts, rack->name, conf_int(rack, 1, 1, RACK_HOSTS_MAX, diags));
    }
    const char *text =
        arena_printf(&rehearsal->arena, "hosts: (%s);", hosts.at == NULL ? "" : hosts.at);
    return text == NULL ? NULL : conf_read_text("racks", text, &rehearsal->arena, diags);
}

/* Relative to the file that names it. */
static const char *beside(struct rehearsal *rehearsal, const char *name)
{
    const char *slash = strrchr(rehearsal->path, '/');
    if (name[0] == '/' || slash == NULL) {
        return name;
    }
    const char *path = arena_printf(&rehearsal->arena, "%.*s%s", (int)(slash + 1 - rehearsal->path),
                                    rehearsal->path, name);
    return path == NULL ? name : path;
}

static struct inventory *hosts_make(struct rehearsal *rehearsal, struct diags *diags)
{
    struct conf hosts = *rehearsal->hosts;
    hosts.next = NULL;
    struct conf root = {.type = CONF_GROUP,
                        .first = &hosts,
                        .children_count = 1,
                        .at = rehearsal->hosts->at,
                        .value_at = rehearsal->hosts->value_at};
    hosts.parent = &root;
    return fleet_load_conf(&root, diags);
}

struct inventory *rehearsal_hosts(struct rehearsal *rehearsal, struct conf *root,
                                  struct diags *diags)
{
    struct conf *file = conf_get(root, "inventory");
    struct conf *hosts = conf_get(root, "hosts");
    struct conf *racks = conf_get(root, "racks");
    if ((file != NULL) + (hosts != NULL) + (racks != NULL) > 1) {
        diag_add(diags, DIAG_ERROR, (racks != NULL ? racks : hosts)->at, NULL,
                 "only one of 'inventory', 'hosts' and 'racks'");
        return NULL;
    }
    if (file != NULL) {
        const char *name = conf_text(file, NULL, diags);
        const char *path = name == NULL ? NULL : beside(rehearsal, name);
        struct conf *read = path == NULL ? NULL : conf_read(path, &rehearsal->arena, diags);
        if (read == NULL) {
            return NULL;
        }
        rehearsal->hosts = conf_get(read, "hosts");
        return fleet_load_conf(read, diags);
    }
    if (hosts == NULL) {
        struct conf *made = racks_read(rehearsal, racks, diags);
        hosts = made == NULL ? NULL : conf_get(made, "hosts");
    }
    rehearsal->hosts = hosts;
    return hosts == NULL ? NULL : hosts_make(rehearsal, diags);
}

static struct conf *host_group(struct rehearsal *rehearsal, const char *name)
{
    for (struct conf *host = rehearsal->hosts->first; host != NULL; host = host->next) {
        const char *own = conf_text(conf_get(host, "name"), "", &(struct diags){0});
        if (strcmp(own, name) == 0) {
            return host;
        }
    }
    return NULL;
}

static bool setting_put(struct rehearsal *rehearsal, struct conf *host, const struct conf *from)
{
    struct conf *copy = arena_alloc(&rehearsal->arena, sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *from;
    copy->parent = host;
    struct conf **at = &host->first;
    while (*at != NULL && strcmp((*at)->name, from->name) != 0) {
        at = &(*at)->next;
    }
    copy->next = *at == NULL ? NULL : (*at)->next;
    host->children_count += *at == NULL;
    *at = copy;
    return true;
}

struct inventory *rehearsal_set(struct rehearsal *rehearsal, struct conf *group,
                                struct diags *diags)
{
    struct conf *named = conf_get(group, "host");
    const char *name = conf_text(named, NULL, diags);
    struct conf *host = name == NULL ? NULL : host_group(rehearsal, name);
    if (host == NULL) {
        diag_add(diags, DIAG_ERROR, named == NULL ? group->at : named->value_at,
                 "set = { host = \"r1h01\"; maintenance = true; };", "no host '%s' here",
                 name == NULL ? "" : name);
        return NULL;
    }
    for (struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        setting->seen = true;
        if (setting != named && !setting_put(rehearsal, host, setting)) {
            diag_add(diags, DIAG_ERROR, group->at, NULL, "out of memory");
            return NULL;
        }
    }
    if (rehearsal->changed_count == rehearsal->changed_room) {
        size_t room = rehearsal->changed_room * 2 + 16;
        struct inventory **grown = realloc(rehearsal->changed, room * sizeof(struct inventory *));
        if (grown == NULL) {
            diag_add(diags, DIAG_ERROR, group->at, NULL, "out of memory");
            return NULL;
        }
        rehearsal->changed = grown;
        rehearsal->changed_room = room;
    }
    struct inventory *inventory = hosts_make(rehearsal, diags);
    if (inventory != NULL) {
        rehearsal->changed[rehearsal->changed_count++] = inventory;
    }
    return inventory;
}
