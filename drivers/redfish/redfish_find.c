/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system of the BMC is the host: the one the inventory names, else the only one, else the one
 * with its serial number or UUID. The path is remembered; the identity is checked with every read.
 * Bounds: REDFISH_MEMBERS_MAX systems on PAGES_MAX pages.
 */

#include "redfish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 16

void find_free(struct redfish_call *call)
{
    for (size_t i = 0; i < call->paths_count; i++) {
        free(call->paths[i]);
    }
    free(call->paths);
    free(call->page);
    call->paths = NULL;
    call->page = NULL;
    call->paths_count = call->path_index = call->pages = 0;
}

void find_begin(struct redfish_call *call)
{
    call->state = call->device->system_path == NULL ? WALK_LIST : WALK_READ;
    if (call->state == WALK_LIST) {
        find_list(call);
    } else {
        find_read(call);
    }
}

static bool device_path(struct nsh_device *device, const char *path)
{
    char *copy = path == NULL ? NULL : strdup(path);
    if (copy == NULL) {
        return false;
    }
    free(device->system_path);
    device->system_path = copy;
    return true;
}

static void find_found(struct redfish_call *call, const char *path)
{
    if (!device_path(call->device, path)) {
        walk_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    walk_move(call, WALK_READ);
}

/* ---- the collection --------------------------------------------------------------------- */

void find_list(struct redfish_call *call)
{
    const char *system = call->device->system;
    if (system != NULL && system[0] == '/') { /* The inventory names the very path. */
        find_found(call, system);
        return;
    }
    char path[REDFISH_PATH_BYTES_MAX];
    if (system != NULL && call->device->first_look && !call->looked_again &&
        (size_t)snprintf(path, sizeof path, REDFISH_SYSTEMS_PATH "/%s", system) < sizeof path &&
        redfish_path_good(path)) {
        find_found(call, path); /* Nearly always there; else the collection tells. */
        return;
    }
    walk_request(call, "GET", call->page);
}

static bool list_add(struct redfish_call *call, const struct redfish_collection *collection)
{
    if (call->paths == NULL) {
        call->paths = calloc(REDFISH_MEMBERS_MAX, sizeof *call->paths);
    }
    for (size_t i = 0; call->paths != NULL && i < collection->count; i++) {
        const char *path = redfish_collection_path(collection, i);
        if (path == NULL || call->paths_count == REDFISH_MEMBERS_MAX) {
            continue;
        }
        call->paths[call->paths_count] = strdup(path);
        if (call->paths[call->paths_count] == NULL) {
            return false;
        }
        call->paths_count++;
    }
    return call->paths != NULL;
}

static const char *last_part(const char *path, size_t *ret_bytes)
{
    size_t count = strlen(path);
    while (count > 1 && path[count - 1] == '/') {
        count--;
    }
    size_t begin = count;
    while (begin > 0 && path[begin - 1] != '/') {
        begin--;
    }
    *ret_bytes = count - begin;
    return path + begin;
}

/* The ids there are, for the text of an error. */
static void list_words(const struct redfish_call *call, char *room, size_t room_bytes)
{
    room[0] = '\0';
    for (size_t i = 0; i < call->paths_count && i < 8; i++) {
        size_t count = 0;
        const char *part = last_part(call->paths[i], &count);
        redfish_words_add(room, room_bytes, i == 0 ? "" : ", ", 2);
        redfish_words_add(room, room_bytes, part, count);
    }
}

static void list_choose(struct redfish_call *call)
{
    const struct nsh_device *device = call->device;
    char words[200];

    list_words(call, words, sizeof words);
    for (size_t i = 0; device->system != NULL && i < call->paths_count; i++) {
        size_t count = 0;
        const char *part = last_part(call->paths[i], &count);
        if (strlen(device->system) == count && memcmp(device->system, part, count) == 0) {
            find_found(call, call->paths[i]);
            return;
        }
    }
    if (device->system != NULL) {
        walk_fail(call, NSH_NOT_FOUND, "there is no system %s; there are %s", device->system,
                  words);
    } else if (call->paths_count == 0) {
        walk_fail(call, NSH_NOT_FOUND, "the BMC tells of no system");
    } else if (call->paths_count == 1) {
        find_found(call, call->paths[0]);
    } else if (device->serial == NULL && device->uuid == NULL) {
        walk_fail(call, NSH_INVALID,
                  "several systems (%s): the binding must say which, by system, serial or uuid",
                  words);
    } else {
        walk_move(call, WALK_MEMBER);
    }
}

void find_list_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_collection collection;
    struct nsh_error err = {0};
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    if (redfish_collection_read(doc, &collection, &err) < 0) {
        redfish_free(doc);
        walk_fail(call, err.code, "systems: %s", err.text);
        return;
    }
    bool kept = list_add(call, &collection);
    char *next = collection.next == NULL ? NULL : strdup(collection.next);
    kept = kept && (next != NULL || collection.next == NULL);
    redfish_free(doc);
    free(call->page);
    call->page = next;
    if (!kept) {
        walk_fail(call, NSH_NOMEM, "out of memory");
    } else if (next != NULL && ++call->pages < PAGES_MAX) {
        walk_move(call, WALK_LIST);
    } else {
        list_choose(call);
    }
}

/* ---- one of several --------------------------------------------------------------------- */

void find_member(struct redfish_call *call)
{
    walk_request(call, "GET", call->paths[call->path_index]);
}

void find_member_answered(struct redfish_call *call, const struct redfish_result *result)
{
    const struct nsh_device *device = call->device;
    struct redfish_system system;
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    redfish_system_read(doc, &system);
    bool ours = redfish_identity_check(&system, device->serial, device->uuid, NULL) == 0;
    redfish_free(doc);
    if (ours) {
        find_found(call, call->paths[call->path_index]);
    } else if (++call->path_index < call->paths_count) {
        walk_move(call, WALK_MEMBER);
    } else {
        walk_fail(call, NSH_MISMATCH, "none of the %u systems has serial number %s, UUID %s",
                  call->paths_count, device->serial == NULL ? "(any)" : device->serial,
                  device->uuid == NULL ? "(any)" : device->uuid);
    }
}

/* ---- the system ------------------------------------------------------------------------- */

void find_read(struct redfish_call *call)
{
    walk_request(call, "GET", call->device->system_path);
}

int find_system(const struct redfish_call *call, struct json_object *doc,
                struct redfish_system *ret_system, struct nsh_error *err)
{
    redfish_system_read(doc, ret_system);
    return redfish_identity_check(ret_system, call->device->serial, call->device->uuid, err);
}

static void read_go_on(struct redfish_call *call, const struct redfish_system *system)
{
    switch (call->what) {
    case WHAT_STATUS:
        power_status(call, system);
        break;
    case WHAT_POWER:
        power_begin(call, system);
        break;
    case WHAT_IDENTIFY:
        identify_begin(call, system);
        break;
    case WHAT_LOG:
        log_begin(call, system);
        break;
    case WHAT_DOCTOR:
        doctor_begin(call, system);
        break;
    }
}

void find_read_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct nsh_device *device = call->device;
    struct redfish_system system;
    struct nsh_error err = {0};

    if (result->code == NSH_NOT_FOUND && !call->looked_again && device->system_path != NULL) {
        free(device->system_path); /* It has another path since; or the BMC is still starting. */
        device->system_path = NULL;
        call->looked_again = true;
        find_free(call);
        walk_move(call, WALK_LIST);
        return;
    }
    struct json_object *doc = walk_document(call, result);
    if (doc == NULL) {
        return;
    }
    if (find_system(call, doc, &system, &err) < 0) {
        free(device->system_path); /* Machines were swapped? Look anew with the next call. */
        device->system_path = NULL;
        redfish_free(doc);
        walk_fail(call, err.code, "%s", err.text);
        return;
    }
    const char *etag = nsh_http_header(result->reply, "etag");
    system.etag = etag != NULL ? etag : system.etag;
    read_go_on(call, &system);
    redfish_free(doc);
}
