/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told: the services of page, notify and ticket, and the receivers that steps name. */

#include "config_private.h"

#include <string.h>

#define RECEIVERS_MAX 64
#define RECEIVER_NAME_BYTES_MAX 64

static bool named_in(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

struct config_service config_read_service(struct config_reader *reader, struct conf *setting,
                                          const char *const *but)
{
    struct config_service service = {0};
    if (setting == NULL) {
        return service;
    }
    if (setting->type != CONF_GROUP) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, "write { driver = \"page\"; ... }",
                 "'%s' must be a group", setting->name);
        return service;
    }
    struct conf *driver = conf_get(setting, "driver");
    if (driver == NULL) {
        diag_add(reader->diags, DIAG_ERROR, setting->at, NULL, "'%s' names no driver",
                 setting->name == NULL ? "this receiver" : setting->name);
        return service;
    }
    struct nsh_value all = {.type = NSH_MAP};
    service.at = setting->at;
    service.driver = conf_text(driver, NULL, reader->diags);
    struct nsh_member *members =
        arena_array(&reader->config->arena, setting->children_count + 1, sizeof *members);
    if (!conf_value(setting, &reader->config->arena, &all) || members == NULL) {
        return service;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        if (!named_in(all.members[i].name, but)) {
            members[count++] = all.members[i];
        }
    }
    service.settings = nsh_map(members, count);
    return service;
}

const struct config_receiver *config_receiver(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->receivers.count; i++) {
        if (strcmp(config->receivers.items[i].name, name) == 0) {
            return &config->receivers.items[i];
        }
    }
    return NULL;
}

/* It stands in paths and texts: letters, digits, '-', '_' and '.'. */
static bool name_good(const char *name)
{
    size_t count =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return count > 0 && name[count] == '\0' && count <= RECEIVER_NAME_BYTES_MAX;
}

/* Its name, or NULL after a diagnostic. */
static const char *receiver_name(struct config_reader *reader, struct conf *item,
                                 const struct config_receiver *items, size_t count)
{
    struct conf *setting = conf_get(item, "name");
    const char *name = conf_text(setting, "", reader->diags);
    struct nsh_place at = setting == NULL ? item->value_at : setting->value_at;
    if (!name_good(name)) {
        diag_add(reader->diags, DIAG_ERROR, at, "such as name = \"noc-chat\"",
                 "a receiver needs a name of letters, digits, '-', '_', '.'");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].name, name) == 0) {
            diag_add(reader->diags, DIAG_ERROR, at, NULL, "there are two receivers '%s'", name);
            return NULL;
        }
    }
    return name;
}

struct config_receivers config_read_receivers(struct config_reader *reader, struct conf *setting)
{
    static const char *const but[] = {"driver", "name", NULL};
    struct config_receivers receivers = {0};
    if (setting == NULL) {
        return receivers;
    }
    struct config_receiver *items =
        arena_array(&reader->config->arena, RECEIVERS_MAX, sizeof *items);
    bool list = setting->type == CONF_LIST;
    for (struct conf *item = setting->first; items != NULL && list && item != NULL;
         item = item->next) {
        const char *name =
            item->type != CONF_GROUP ? NULL : receiver_name(reader, item, items, receivers.count);
        list = item->type == CONF_GROUP;
        if (name != NULL && receivers.count == RECEIVERS_MAX) {
            diag_add(reader->diags, DIAG_ERROR, item->value_at, NULL, "more than %d receivers",
                     RECEIVERS_MAX);
            break;
        }
        if (name != NULL) {
            const char *place = arena_printf(&reader->config->arena, "to/%s", name);
            items[receivers.count++] =
                (struct config_receiver){.name = name,
                                         .place = place == NULL ? "to/" : place,
                                         .service = config_read_service(reader, item, but)};
        }
    }
    if (!list) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at,
                 "( { name = \"noc-chat\"; driver = \"notify\"; kind = \"slack\"; ... } )",
                 "'%s' must be a list ( ) of groups { }", setting->name);
    }
    receivers.items = items;
    return receivers;
}
