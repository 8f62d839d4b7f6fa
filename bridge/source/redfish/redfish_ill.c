/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that are not well, by their path: a supply that is drawn, or a module whose slot is empty,
 * never says that it is well again, and its alarm would stand for ever. Gone is what GONE_POLLS
 * whole polls in a row did not find, or found absent: a BMC that starts has no parts for a while.
 * Kept as a mark with the events, for a part that goes while the daemon is down. Bounds:
 * REDFISH_ILL_MAX of a BMC; what is more has to be cleared by hand when it goes.
 */

#include "redfish_private.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

#define GONE_POLLS 3

void redfish_ill_id(const struct redfish_watch *watch, char *id, size_t id_bytes)
{
    snprintf(id, id_bytes, "redfish/%s/%s", watch->source->config->name, watch->address);
}

static struct redfish_ill *ill_find(struct redfish_watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->ill_count; i++) {
        if (strcmp(watch->ill[i].path, path) == 0) {
            return &watch->ill[i];
        }
    }
    return NULL;
}

static void ill_drop(struct redfish_watch *watch, struct redfish_ill *ill)
{
    free(ill->path);
    *ill = watch->ill[--watch->ill_count];
    watch->ill_changed = true;
}

void redfish_ill_set(struct redfish_watch *watch, const char *path, bool ill)
{
    struct redfish_ill *known = ill_find(watch, path);
    if (known != NULL && !ill) {
        ill_drop(watch, known);
    } else if (known == NULL && ill && watch->ill_count < REDFISH_ILL_MAX) {
        char *copy = strdup(path);
        if (copy != NULL) {
            watch->ill[watch->ill_count++] = (struct redfish_ill){.path = copy};
            watch->ill_changed = true;
        }
    }
}

bool redfish_ill_gone(const struct redfish_ill *ill)
{
    return ill->missed >= GONE_POLLS;
}

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/*
 * So is one that another path leads to now, of the same name and not well: the alarm is called by
 * the name, and would be ended for both.
 */
static bool is_there(const struct redfish_part *parts, size_t parts_count, const char *path)
{
    for (size_t i = 0; i < parts_count; i++) {
        const struct redfish_part *part = &parts[i];
        bool moved =
            part->health > REDFISH_HEALTH_OK && strcmp(last_of(part->path), last_of(path)) == 0;
        if (!part->absent && (moved || strcmp(part->path, path) == 0)) {
            return true;
        }
    }
    return false;
}

void redfish_ill_look(struct redfish_watch *watch, const struct redfish_part *parts,
                      size_t parts_count, bool all)
{
    for (size_t i = 0; i < watch->ill_count; i++) {
        struct redfish_ill *ill = &watch->ill[i];
        ill->missed = is_there(parts, parts_count, ill->path) ? 0 : ill->missed + all;
        watch->ill_changed = watch->ill_changed || redfish_ill_gone(ill);
    }
}

void redfish_ill_told(struct redfish_watch *watch)
{
    for (size_t i = watch->ill_count; i > 0; i--) {
        if (redfish_ill_gone(&watch->ill[i - 1])) {
            ill_drop(watch, &watch->ill[i - 1]);
        }
    }
    watch->ill_changed = false;
}

void redfish_ill_write(const struct redfish_watch *watch, struct textbuf *out)
{
    const char *comma = "";
    textbuf_add_chars(out, "{\"ill\":[");
    for (size_t i = 0; i < watch->ill_count; i++) {
        if (!redfish_ill_gone(&watch->ill[i])) {
            textbuf_add_chars(out, comma);
            textbuf_add_json(out, text_of(watch->ill[i].path));
            comma = ",";
        }
    }
    textbuf_add_chars(out, "]}");
}

void redfish_ill_read(struct redfish_watch *watch)
{
    const struct source_services *services = watch->source->services;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value value = nsh_null();
    char id[REDFISH_MARK_BYTES_MAX], path[REDFISH_PATH_BYTES_MAX];
    redfish_ill_id(watch, id, sizeof id);
    const char *mark = services->mark == NULL ? NULL : services->mark(services->arg, id);
    if (mark == NULL || json_parse(mark, strlen(mark), &arena, &value, NULL) < 0) {
        return;
    }
    const struct nsh_value *list = nsh_get(&value, "ill");
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const struct nsh_value *item = &list->items[i];
        if (item->type == NSH_STRING && redfish_path_take(item->text, path)) {
            redfish_ill_set(watch, path, true);
        }
    }
    watch->ill_changed = false;
}

void redfish_ill_done(struct redfish_watch *watch)
{
    while (watch->ill_count > 0) {
        free(watch->ill[--watch->ill_count].path);
    }
}
