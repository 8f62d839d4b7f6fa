/* SPDX-License-Identifier: Apache-2.0 */
/* Who is polled: hosts of the inventory that are selected, and devices of the configuration. */

#include "poll_private.h"

#include <stdlib.h>

void poll_device_free(struct poll_device *device)
{
    heap_remove(&device->source->due, &device->due);
    poll_link_close(&device->link);
    poll_memory_done(&device->memory);
    free(device->name);
    free(device->address);
    device->source->alive--;
    free(device);
}

/* Not any more; what is on its way for it ends first. */
void poll_device_gone(struct poll_device *device)
{
    device->gone = true;
    heap_remove(&device->source->due, &device->due);
    if (device->flying) {
        poll_device_stop(device);
    } else if (device->telling == 0) {
        poll_device_free(device);
    }
}

static struct poll_device *device_new(struct poll_source *source, const char *name,
                                      const char *address, const struct nsh_address *peer)
{
    struct poll_device *device = calloc(1, sizeof *device);
    char host[64];
    uint16_t port = 0;
    if (device == NULL) {
        return NULL;
    }
    bool split = nsh_address_split(address, host, sizeof host, &port);
    device->source = source;
    device->name = strdup(name);
    device->address = strdup(split ? host : address);
    device->link = (struct poll_link){.services = source->services->services,
                                      .answer = &source->answer,
                                      .peer = *peer,
                                      .timeout_ms = source->timeout_ms,
                                      .retries = source->retries,
                                      .room = POLL_ROOM_BYTES};
    source->alive++;
    if (device->name == NULL || device->address == NULL) {
        poll_device_free(device);
        return NULL;
    }
    return device;
}

/* Its moment within the interval, always the same: they do not come together. */
static void device_aim(struct poll_source *source, struct poll_device *device)
{
    uint64_t moment = text_hash(text_of(device->name)) % (uint64_t)source->every_ms;
    device->due_ms = (int64_t)uv_now(source->services->loop) + (int64_t)moment;
    device->due.due = device->due_ms;
    device->due.order = source->order++;
    heap_add(&source->due, &device->due); /* No memory: it is not polled until the next reload. */
}

/* Keeps the one that is there when it is at the same place. */
static void device_put(struct poll_source *source, const char *name, const char *text,
                       uint16_t port, bool of_host)
{
    struct nsh_address peer;
    if (source->devices_count == POLL_DEVICES_MAX || !nsh_address_read(text, port, &peer)) {
        return;
    }
    struct poll_device *device = map_get(&source->by_name, text_of(name));
    if (device != NULL && device->generation == source->generation) {
        return; /* A host and a device of the same name. */
    }
    if (device != NULL && (device->link.peer.bytes != peer.bytes ||
                           memcmp(device->link.peer.at, peer.at, sizeof peer.at) != 0)) {
        map_remove(&source->by_name, text_of(name));
        source->stand = true; /* What was bad of the old one is not polled there any more. */
        poll_device_gone(device);
        device = NULL;
    }
    if (device == NULL) {
        device = device_new(source, name, text, &peer);
        if (device == NULL || map_set(&source->by_name, text_of(device->name), device) < 0) {
            if (device != NULL) {
                poll_device_free(device);
            }
            return;
        }
        device_aim(source, device);
    }
    device->of_host = of_host;
    device->generation = source->generation;
    source->devices[source->devices_count++] = device;
}

static bool is_selected(const struct poll_source *source, const struct host *host)
{
    if (!text_glob(text_of(source->hosts), text_of(host->name))) {
        return false;
    }
    for (uint32_t i = 0; source->select != NULL && i < source->select->count; i++) {
        const struct nsh_member *member = &source->select->members[i];
        const char *value = nsh_get_text(&host->labels, member->name, NULL);
        value = value == NULL ? nsh_get_text(&host->record, member->name, NULL) : value;
        if (value == NULL || !text_glob(text_of(member->value.text), text_of(value))) {
            return false;
        }
    }
    return true;
}

static void hosts_put(struct poll_source *source, const struct inventory *inventory)
{
    char address[64];
    for (size_t i = 0; source->hosts[0] != '\0' && i < inventory->hosts_count; i++) {
        const struct host *host = &inventory->hosts[i];
        const char *text = is_selected(source, host) ? probe_address(source->at, host) : NULL;
        uint16_t port = 0;
        if (text != NULL && nsh_address_split(text, address, sizeof address, &port)) {
            device_put(source, host->name, address, source->port, true);
        }
    }
}

/* The group's targets by the new places, with what was known. */
static void group_build(struct poll_source *source, struct probe_target *targets)
{
    struct probe_target *old = source->group.targets;
    uint32_t old_count = source->group.count;
    for (uint32_t i = 0; i < source->devices_count; i++) {
        struct poll_device *device = source->devices[i];
        if (device->looked && device->target < old_count) {
            targets[i] = old[device->target];
        }
        targets[i].host = device->name;
        targets[i].address = device->address;
        device->target = i;
        device->looked = true;
    }
    source->group.targets = targets;
    source->group.count = source->devices_count;
    probe_group_look(&source->group);
    free(old);
}

static void others_gone(struct poll_source *source)
{
    MAP_EACH (&source->by_name, at) {
        struct poll_device *device = at->value;
        if (device->generation != source->generation) {
            map_remove(&source->by_name, at->key);
            source->over.sweep = true; /* Also what was told before the start may stand. */
            poll_device_gone(device);
        }
    }
}

void poll_devices_build(struct poll_source *source, const struct inventory *inventory)
{
    const struct nsh_value *list = nsh_get(&source->config->settings, "devices");
    size_t most = (list == NULL ? 0 : list->count) + inventory->hosts_count;
    most = most > POLL_DEVICES_MAX ? POLL_DEVICES_MAX : most;
    struct poll_device **devices = calloc(most + 1, sizeof(struct poll_device *));
    struct probe_target *targets = calloc(most + 1, sizeof *targets);
    if (devices == NULL || targets == NULL) {
        free(devices);
        free(targets);
        return; /* At the next turn. */
    }
    free(source->devices);
    source->revision = inventory->revision;
    source->built = true;
    source->devices = devices;
    source->devices_count = 0;
    source->generation++;
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        device_put(source, nsh_get_text(&list->items[i], "name", ""),
                   nsh_get_text(&list->items[i], "address", ""), source->port, false);
    }
    hosts_put(source, inventory);
    group_build(source, targets);
    others_gone(source);
}
