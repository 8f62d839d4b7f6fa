/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's NetBox: the lab's hosts as devices in racks, each with a power port on an outlet of the
 * rack's PDU, whose own port hangs on the rack's power feed; BMCs as interfaces for management. It
 * can be read by pages, devices can be changed with an ETag, journals written.
 */

#include "lab_netbox.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/api/"
#define VERSION "4.5.1"
#define DEPTH_MAX 16
#define PAGE_DEFAULT 50
#define ID_HOST 1000u /* Of the first host, its ports, its interface ... */
#define ID_PDU 500000u

static const char *const statuses[] = {"offline", "active",    "planned",        "staged",
                                       "failed",  "inventory", "decommissioning"};
#define STATUSES_COUNT (sizeof statuses / sizeof statuses[0])

/* ---- answers ---------------------------------------------------------------------------- */

void netbox_detail(struct lab_reply *reply, int status, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    textbuf_clear(&reply->body);
    textbuf_add_chars(&reply->body, "{\"detail\":");
    textbuf_add_json(&reply->body, text_of(text));
    textbuf_add_char(&reply->body, '}');
    reply->status = status;
}

static void base_url(const struct lab_netbox *netbox, char room[96])
{
    char address[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &netbox->door.bmc.address.sin_addr, address, sizeof address);
    snprintf(room, 96, "%s://%s:%lld", netbox->lab->options.plain ? "http" : "https", address,
             (long long)netbox->lab->options.netbox_port);
}

static void member(struct textbuf *out, const char *name, const char *value)
{
    textbuf_addf(out, ",\"%s\":", name);
    textbuf_add_json(out, text_of(value));
}

/* The beginning of an object: id, url, display. */
static void head(const struct lab_netbox *netbox, struct textbuf *out, const char *path,
                 unsigned id, const char *display)
{
    char base[96];

    base_url(netbox, base);
    textbuf_addf(out, "{\"id\":%u,\"url\":\"%s" PREFIX "%s%u/\",\"display_url\":\"%s/%s%u/\"", id,
                 base, path, id, base, path, id);
    member(out, "display", display);
    member(out, "name", display);
}

/* ---- objects ---------------------------------------------------------------------------- */

static void etag_of(const struct netbox_device *device, char room[64])
{
    CLEANUP(textbuf_donep) struct textbuf time = {0};

    textbuf_add_time(&time, device->changed_ms);
    snprintf(room, 64, "W/\"%s-%u\"", time.at == NULL ? "" : time.at, device->version);
}

static void place_write(struct textbuf *out, uint32_t rack)
{
    textbuf_addf(out,
                 ",\"site\":{\"id\":1,\"name\":\"DC 1\",\"slug\":\"dc1\"},\"location\":{\"id\":1,"
                 "\"name\":\"Hall 1\",\"slug\":\"hall-1\"},\"rack\":{\"id\":%u,\"name\":\"r%u\"}",
                 rack, rack);
}

static void device_write(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    const struct netbox_device *device = &netbox->devices[index];
    const struct lab_host *host = device->host;
    char address[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &host->bmc->address.sin_addr, address, sizeof address);
    head(netbox, out, "dcim/devices/", ID_HOST + (unsigned)index, device->name);
    textbuf_addf(out, ",\"status\":{\"value\":\"%s\",\"label\":\"%s\"}", device->status,
                 device->status);
    member(out, "serial", device->serial);
    textbuf_addf(out,
                 ",\"asset_tag\":null,\"position\":%u.0,\"role\":{\"id\":1,\"name\":\"%s\","
                 "\"slug\":\"%s\"}",
                 (unsigned)(index + 1), lab_world_pool(host), lab_world_pool(host));
    place_write(out, host->bmc->rack);
    textbuf_add_chars(out, ",\"primary_ip\":null,\"primary_ip4\":null,\"primary_ip6\":null");
    if (device->oob && host->slot == 0) {
        textbuf_addf(out, ",\"oob_ip\":{\"id\":%u,\"address\":\"%s/32\"}",
                     ID_HOST + (unsigned)index, address);
    } else {
        textbuf_add_chars(out, ",\"oob_ip\":null");
    }
    textbuf_add_chars(out, ",\"custom_fields\":{},\"tags\":[]}");
}

static void pdu_write(const struct lab_netbox *netbox, uint32_t rack, struct textbuf *out)
{
    char name[32];

    snprintf(name, sizeof name, "r%u-pdu", rack);
    head(netbox, out, "dcim/devices/", ID_PDU + rack, name);
    textbuf_add_chars(out,
                      ",\"status\":{\"value\":\"active\",\"label\":\"Active\"},\"serial\":\"\","
                      "\"role\":{\"id\":9,\"name\":\"PDU\",\"slug\":\"pdu\"}");
    place_write(out, rack);
    textbuf_addf(out,
                 ",\"primary_ip\":{\"id\":%u,\"address\":\"127.0.9.%u/24\"},\"primary_ip4\":{"
                 "\"id\":%u,\"address\":\"127.0.9.%u/24\"},\"oob_ip\":null,\"custom_fields\":{},"
                 "\"tags\":[]}",
                 ID_PDU + rack, rack % 256, ID_PDU + rack, rack % 256);
}

/* A device as others show it. */
static void brief_device(struct textbuf *out, unsigned id, const char *name)
{
    textbuf_addf(out, ",\"device\":{\"id\":%u", id);
    member(out, "name", name);
    textbuf_add_char(out, '}');
}

/* Which outlet of its rack's PDU a host hangs on. */
static unsigned outlet_of(const struct lab_netbox *netbox, size_t index)
{
    return (unsigned)(index % (size_t)netbox->lab->options.hosts) + 1;
}

static void write_racks(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    char name[16];

    snprintf(name, sizeof name, "r%zu", index + 1);
    head(netbox, out, "dcim/racks/", (unsigned)index + 1, name);
    textbuf_add_chars(out, ",\"status\":{\"value\":\"active\",\"label\":\"Active\"},\"site\":{"
                           "\"id\":1,\"slug\":\"dc1\"},\"location\":{\"id\":1,\"name\":\"Hall "
                           "1\",\"slug\":\"hall-1\"},\"u_height\":42}");
}

static void write_devices(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    if (index < netbox->lab->hosts_count) {
        device_write(netbox, index, out);
    } else {
        pdu_write(netbox, (uint32_t)(index - netbox->lab->hosts_count) + 1, out);
    }
}

static void write_ports(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    const struct lab *lab = netbox->lab;
    char name[32];

    if (index >= lab->hosts_count) {
        uint32_t rack = (uint32_t)(index - lab->hosts_count) + 1;
        snprintf(name, sizeof name, "r%u-pdu", rack);
        head(netbox, out, "dcim/power-ports/", ID_PDU + rack, "Input");
        brief_device(out, ID_PDU + rack, name);
        textbuf_addf(out,
                     ",\"cable\":{\"id\":%u},\"connected_endpoints\":[{\"id\":%u,\"name\":\"%c\"}]"
                     ",\"connected_endpoints_type\":\"dcim.powerfeed\","
                     "\"connected_endpoints_reachable\":true}",
                     ID_PDU + rack, rack, rack % 2 == 1 ? 'a' : 'b');
        return;
    }
    const struct netbox_device *device = &netbox->devices[index];
    uint32_t rack = device->host->bmc->rack;
    head(netbox, out, "dcim/power-ports/", ID_HOST + (unsigned)index, "PSU1");
    brief_device(out, ID_HOST + (unsigned)index, device->name);
    if (!device->cabled) {
        textbuf_add_chars(out, ",\"cable\":null,\"connected_endpoints\":null,"
                               "\"connected_endpoints_type\":null}");
        return;
    }
    snprintf(name, sizeof name, "r%u-pdu", rack);
    textbuf_addf(out,
                 ",\"cable\":{\"id\":%u},\"connected_endpoints\":[{\"id\":%u,\"name\":"
                 "\"Outlet %u\"",
                 ID_HOST + (unsigned)index, ID_HOST + (unsigned)index, outlet_of(netbox, index));
    brief_device(out, ID_PDU + rack, name);
    textbuf_add_chars(out, "}],\"connected_endpoints_type\":\"dcim.poweroutlet\","
                           "\"connected_endpoints_reachable\":true}");
}

static void write_outlets(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    uint32_t rack = netbox->devices[index].host->bmc->rack;
    char name[32], pdu[32];

    snprintf(name, sizeof name, "Outlet %u", outlet_of(netbox, index));
    snprintf(pdu, sizeof pdu, "r%u-pdu", rack);
    head(netbox, out, "dcim/power-outlets/", ID_HOST + (unsigned)index, name);
    brief_device(out, ID_PDU + rack, pdu);
    textbuf_addf(out, ",\"power_port\":{\"id\":%u,\"name\":\"Input\"},\"feed_leg\":null}",
                 ID_PDU + rack);
}

static void write_feeds(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    head(netbox, out, "dcim/power-feeds/", (unsigned)index + 1, index % 2 == 0 ? "a" : "b");
    textbuf_addf(out,
                 ",\"status\":{\"value\":\"active\",\"label\":\"Active\"},\"type\":{\"value\":"
                 "\"primary\"},\"power_panel\":{\"id\":%zu,\"name\":\"panel-r%zu\"},\"rack\":{"
                 "\"id\":%zu,\"name\":\"r%zu\"},\"voltage\":230,\"amperage\":32,"
                 "\"max_utilization\":80,\"available_power\":5888}",
                 index + 1, index + 1, index + 1, index + 1);
}

static void write_interfaces(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    head(netbox, out, "dcim/interfaces/", ID_HOST + (unsigned)index, "bmc");
    brief_device(out, ID_HOST + (unsigned)index, netbox->devices[index].name);
    textbuf_add_chars(out, ",\"mgmt_only\":true,\"enabled\":true}");
}

static void write_addresses(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    char address[INET_ADDRSTRLEN];
    unsigned id = ID_HOST + (unsigned)index;

    inet_ntop(AF_INET, &netbox->devices[index].host->bmc->address.sin_addr, address,
              sizeof address);
    head(netbox, out, "ipam/ip-addresses/", id, address);
    textbuf_addf(out,
                 ",\"address\":\"%s/32\",\"assigned_object_type\":\"dcim.interface\","
                 "\"assigned_object_id\":%u,\"assigned_object\":{\"id\":%u,\"name\":\"bmc\"",
                 address, id, id);
    brief_device(out, id, netbox->devices[index].name);
    textbuf_add_chars(out, "}}");
}

static void write_entries(const struct lab_netbox *netbox, size_t index, struct textbuf *out)
{
    const struct netbox_entry *entry = &netbox->entries[index];

    head(netbox, out, "extras/journal-entries/", (unsigned)index + 1, "entry");
    textbuf_addf(out,
                 ",\"assigned_object_type\":\"dcim.device\",\"assigned_object_id\":%u,\"kind\":{"
                 "\"value\":\"%s\"}",
                 ID_HOST + (unsigned)entry->device, entry->kind);
    member(out, "comments", entry->comments);
    textbuf_add_char(out, '}');
}

/* ---- lists ------------------------------------------------------------------------------ */

enum count_of { OF_HOSTS, OF_RACKS, OF_HOSTS_AND_PDUS, OF_ENTRIES };

static const struct collection {
    const char *path;
    enum count_of count;
    void (*write)(const struct lab_netbox *netbox, size_t index, struct textbuf *out);
} collections[] = {
    {"dcim/racks/", OF_RACKS, write_racks},
    {"dcim/devices/", OF_HOSTS_AND_PDUS, write_devices},
    {"dcim/power-ports/", OF_HOSTS_AND_PDUS, write_ports},
    {"dcim/power-outlets/", OF_HOSTS, write_outlets},
    {"dcim/power-feeds/", OF_RACKS, write_feeds},
    {"dcim/interfaces/", OF_HOSTS, write_interfaces},
    {"ipam/ip-addresses/", OF_HOSTS, write_addresses},
    {"extras/journal-entries/", OF_ENTRIES, write_entries},
};

static size_t count_of(const struct lab_netbox *netbox, enum count_of what)
{
    size_t racks = (size_t)netbox->lab->options.racks;

    return what == OF_RACKS            ? racks
           : what == OF_HOSTS_AND_PDUS ? netbox->lab->hosts_count + racks
           : what == OF_ENTRIES        ? netbox->entries_count
                                       : netbox->lab->hosts_count;
}

/* The filters that there are; others filter nothing, as in NetBox. */
static bool device_wanted(const struct lab_netbox *netbox, const char *query, size_t index)
{
    bool host = index < netbox->lab->hosts_count;
    char text[256], name[64], id[16];
    bool one_id = false;

    snprintf(id, sizeof id, "%zu",
             host ? ID_HOST + index : ID_PDU + index - netbox->lab->hosts_count + 1);
    snprintf(name, sizeof name, "r%zu-pdu", host ? 0 : index - netbox->lab->hosts_count + 1);
    const char *role = host ? lab_world_pool(netbox->devices[index].host) : "pdu";
    const char *status = host ? netbox->devices[index].status : "active";
    if (lab_form_find(query, "name", text, sizeof text) &&
        strcmp(text, host ? netbox->devices[index].name : name) != 0) {
        return false;
    }
    if (lab_form_find(query, "site", text, sizeof text) && strcmp(text, "dc1") != 0) {
        return false;
    }
    if (lab_form_find(query, "status", text, sizeof text) && strcmp(text, status) != 0) {
        return false;
    }
    if (lab_form_find(query, "id", text, sizeof text)) {
        for (size_t i = 0; !one_id && lab_form_nth(query, "id", i, text, sizeof text); i++) {
            one_id = strcmp(text, id) == 0;
        }
        return one_id;
    }
    bool role_asked = false;
    for (size_t i = 0; lab_form_nth(query, "role", i, text, sizeof text); i++) {
        role_asked = true;
        if (strcmp(text, role) == 0) {
            return true;
        }
    }
    return !role_asked;
}

static bool entry_wanted(const struct lab_netbox *netbox, const char *query, size_t index)
{
    const struct netbox_entry *entry = &netbox->entries[index];
    char text[512], id[16];

    snprintf(id, sizeof id, "%zu", ID_HOST + entry->device);
    return (!lab_form_find(query, "assigned_object_id", text, sizeof text) ||
            strcmp(text, id) == 0) &&
           (!lab_form_find(query, "assigned_object_type", text, sizeof text) ||
            strcmp(text, "dcim.device") == 0) &&
           (!lab_form_find(query, "q", text, sizeof text) || strstr(entry->comments, text) != NULL);
}

static bool is_wanted(const struct lab_netbox *netbox, const struct collection *collection,
                      const char *query, size_t index)
{
    return collection->write == write_devices   ? device_wanted(netbox, query, index)
           : collection->write == write_entries ? entry_wanted(netbox, query, index)
                                                : true;
}

static size_t number_of(const char *query, const char *name, size_t fallback)
{
    char room[32];

    return lab_form_find(query, name, room, sizeof room) ? strtoul(room, NULL, 10) : fallback;
}

/* The query without limit and offset: what a link to another page keeps. */
static void query_rest(const char *query, char *room, size_t room_bytes)
{
    size_t used = 0;

    room[0] = '\0';
    for (const char *at = query == NULL ? "" : query; *at != '\0';) {
        size_t count = strcspn(at, "&");
        bool paging = strncmp(at, "limit=", 6) == 0 || strncmp(at, "offset=", 7) == 0;
        if (!paging && used + count + 2 < room_bytes) {
            used += (size_t)snprintf(room + used, room_bytes - used, "&%.*s", (int)count, at);
        }
        at += count;
        at += *at == '&' ? 1 : 0;
    }
}

static void answer_list(struct lab_netbox *netbox, const struct collection *collection,
                        const struct lab_request *request, struct lab_reply *reply)
{
    size_t total = count_of(netbox, collection->count), matches = 0, shown = 0;
    size_t limit = number_of(request->query, "limit", PAGE_DEFAULT);
    size_t offset = number_of(request->query, "offset", 0);
    size_t max = (size_t)netbox->lab->options.netbox_page;
    CLEANUP(textbuf_donep) struct textbuf items = {0};
    char base[96], rest[1024];

    limit = limit == 0 || limit > max ? max : limit;
    for (size_t i = 0; i < total; i++) {
        if (!is_wanted(netbox, collection, request->query, i)) {
            continue;
        }
        if (matches++ >= offset && shown < limit) {
            textbuf_add_chars(&items, shown++ == 0 ? "" : ",");
            collection->write(netbox, i, &items);
        }
    }
    base_url(netbox, base);
    query_rest(request->query, rest, sizeof rest);
    textbuf_addf(&reply->body, "{\"count\":%zu,\"next\":", matches);
    if (offset + shown < matches) {
        textbuf_addf(&reply->body, "\"%s" PREFIX "%s?limit=%zu&offset=%zu%s\"", base,
                     collection->path, limit, offset + shown, rest);
    } else {
        textbuf_add_chars(&reply->body, "null");
    }
    textbuf_addf(&reply->body, ",\"previous\":null,\"results\":[%s]}",
                 items.at == NULL ? "" : items.at);
    reply->status = 200;
}

/* ---- changes ---------------------------------------------------------------------------- */

static void etag_add(const struct netbox_device *device, struct lab_reply *reply)
{
    char etag[64];

    if (device->host->bmc->lab->options.netbox_etags) {
        etag_of(device, etag);
        snprintf(reply->extra_room, sizeof reply->extra_room, "ETag: %s\r\n", etag);
    }
}

static bool status_good(const char *text)
{
    for (size_t i = 0; text != NULL && i < STATUSES_COUNT; i++) {
        if (strcmp(statuses[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static const char *text_of_member(struct json_object *body, const char *name)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(body, name, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static void device_change(struct lab_netbox *netbox, size_t index, struct json_object *body,
                          const struct lab_request *request, struct lab_reply *reply)
{
    struct netbox_device *device = &netbox->devices[index];
    struct json_object *value = NULL;
    const char *status = text_of_member(body, "status"), *name = text_of_member(body, "name");
    const char *serial = text_of_member(body, "serial");
    char etag[64];

    etag_of(device, etag);
    if (netbox->lab->options.netbox_etags && request->if_match != NULL &&
        strcmp(request->if_match, etag) != 0 && strcmp(request->if_match, "*") != 0) {
        netbox_detail(reply, 412, "Precondition failed.");
        etag_add(device, reply);
        return;
    }
    if (json_object_object_get_ex(body, "status", &value) && !status_good(status)) {
        textbuf_addf(&reply->body, "{\"status\":[\"%.64s is not a valid choice.\"]}",
                     status == NULL ? "null" : status);
        reply->status = 400;
        return;
    }
    if (status != NULL) {
        snprintf(device->status, sizeof device->status, "%s", status);
    }
    if (name != NULL) {
        snprintf(device->name, sizeof device->name, "%s", name);
    }
    if (serial != NULL) {
        snprintf(device->serial, sizeof device->serial, "%s", serial);
    }
    if (json_object_object_get_ex(body, "oob_ip", &value)) {
        device->oob = value != NULL;
    }
    if (json_object_object_get_ex(body, "cabled", &value)) { /* The lab's own, to unplug it. */
        device->cabled = json_object_get_boolean(value);
    }
    device->changed_ms = lab_clock_unix_ms();
    device->version++;
    device_write(netbox, index, &reply->body);
    etag_add(device, reply);
    reply->status = 200;
    const char *message = text_of_member(body, "changelog_message");
    lab_ledger_add(netbox->lab, device->host, "netbox", message == NULL ? "" : message, "200",
                   status != NULL ? device->status : "changed");
}

static void entry_add(struct lab_netbox *netbox, struct json_object *body, struct lab_reply *reply)
{
    static const char *const kinds[] = {"info", "success", "warning", "danger"};
    struct json_object *id = NULL;
    const char *kind = text_of_member(body, "kind");
    const char *comments = text_of_member(body, "comments");
    const char *type = text_of_member(body, "assigned_object_type");
    bool good = false;

    json_object_object_get_ex(body, "assigned_object_id", &id);
    size_t device = (size_t)json_object_get_int64(id) - ID_HOST;
    for (size_t i = 0; i < 4; i++) {
        good = good || (kind != NULL && strcmp(kinds[i], kind) == 0);
    }
    if (!good || comments == NULL || *comments == '\0' || type == NULL ||
        strcmp(type, "dcim.device") != 0 || device >= netbox->lab->hosts_count ||
        netbox->entries_count == NETBOX_ENTRIES_MAX) {
        textbuf_add_chars(&reply->body, "{\"comments\":[\"This field is required.\"]}");
        reply->status = 400;
        return;
    }
    struct netbox_entry *entry = &netbox->entries[netbox->entries_count];
    snprintf(entry->kind, sizeof entry->kind, "%s", kind);
    entry->device = device;
    entry->comments = strdup(comments);
    if (entry->comments == NULL) {
        netbox_detail(reply, 500, "out of memory");
        return;
    }
    write_entries(netbox, netbox->entries_count++, &reply->body);
    reply->status = 201;
    lab_ledger_add(netbox->lab, netbox->devices[device].host, "netbox", comments, "201", "journal");
}

/* ---- requests --------------------------------------------------------------------------- */

static void answer_change(struct lab_netbox *netbox, const struct collection *collection,
                          size_t index, const struct lab_request *request, struct lab_reply *reply)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *body = NULL;
    bool patch = strcmp(request->method, "PATCH") == 0;

    if (tokener != NULL && request->body_bytes > 0) {
        body = json_tokener_parse_ex(tokener, request->body, (int)request->body_bytes);
    }
    json_tokener_free(tokener);
    if (!json_object_is_type(body, json_type_object)) {
        netbox_detail(reply, 400, "JSON parse error");
    } else if (patch && collection->write == write_devices && index < netbox->lab->hosts_count) {
        device_change(netbox, index, body, request, reply);
    } else if (!patch && collection->write == write_entries && index == SIZE_MAX) {
        entry_add(netbox, body, reply);
    } else {
        netbox_detail(reply, 405, "Method \"%s\" not allowed.", request->method);
    }
    json_object_put(body);
}

static void answer_options(bool writes, struct lab_reply *reply)
{
    textbuf_add_chars(&reply->body, writes
                                        ? "{\"name\":\"List\",\"actions\":{\"POST\":{},\"PUT\":{}}}"
                                        : "{\"name\":\"List\"}");
    reply->status = 200;
}

static void answer_object(struct lab_netbox *netbox, const struct collection *collection,
                          size_t index, struct lab_reply *reply)
{
    collection->write(netbox, index, &reply->body);
    if (collection->write == write_devices && index < netbox->lab->hosts_count) {
        etag_add(&netbox->devices[index], reply);
    }
    reply->status = 200;
}

/* "1017/" -> which object of the collection; SIZE_MAX - 1: none. */
static size_t index_of(const struct lab_netbox *netbox, const struct collection *collection,
                       const char *rest)
{
    char *end = NULL;
    size_t id = strtoul(rest, &end, 10), hosts = netbox->lab->hosts_count;
    size_t count = count_of(netbox, collection->count);
    size_t first = collection->count == OF_RACKS || collection->count == OF_ENTRIES ? 1 : ID_HOST;

    if (end == rest || strcmp(end, "/") != 0) {
        return SIZE_MAX - 1;
    }
    size_t index = collection->count == OF_HOSTS_AND_PDUS && id > ID_PDU ? id - ID_PDU - 1 + hosts
                                                                         : id - first;
    return index < count ? index : SIZE_MAX - 1;
}

static void answer_path(struct lab_netbox *netbox, const char *path, bool writes,
                        const struct lab_request *request, struct lab_reply *reply)
{
    bool get = strcmp(request->method, "GET") == 0;

    for (size_t i = 0; i < sizeof collections / sizeof collections[0]; i++) {
        const struct collection *collection = &collections[i];
        size_t count = strlen(collection->path);
        if (strncmp(path, collection->path, count) != 0) {
            continue;
        }
        size_t index = path[count] == '\0' ? SIZE_MAX : index_of(netbox, collection, path + count);
        if (index == SIZE_MAX - 1) {
            netbox_detail(reply, 404, "No object matches the given query.");
        } else if (strcmp(request->method, "OPTIONS") == 0) {
            answer_options(writes, reply);
        } else if (!get && !writes) {
            netbox_detail(reply, 403, "You do not have permission to perform this action.");
        } else if (!get) {
            answer_change(netbox, collection, index, request, reply);
        } else if (index == SIZE_MAX) {
            answer_list(netbox, collection, request, reply);
        } else {
            answer_object(netbox, collection, index, reply);
        }
        return;
    }
    netbox_detail(reply, 404, "Not found.");
}

/* Whether the token is one, and whether it writes. */
static bool authorize(const struct lab_netbox *netbox, const char *authorization, bool *ret_writes)
{
    if (authorization == NULL || (netbox->door.bmc.modes & LAB_DENY) != 0) {
        return false;
    }
    *ret_writes = strcmp(authorization, "Token " NETBOX_TOKEN) == 0;
    return *ret_writes || strcmp(authorization, "Bearer " NETBOX_TOKEN_VIEW) == 0;
}

static void netbox_answer(const struct lab_request *request, struct lab_reply *reply)
{
    struct lab_netbox *netbox = request->bmc->lab->netbox;
    bool writes = false;
    size_t prefix = sizeof PREFIX - 1;

    if ((netbox->door.bmc.modes & LAB_BUSY) != 0) {
        netbox_detail(reply, 429, "Request was throttled.");
        snprintf(reply->extra_room, sizeof reply->extra_room, "Retry-After: %u\r\n",
                 netbox->door.bmc.retry_after_s);
        return;
    }
    if (strncmp(request->path, PREFIX, prefix) != 0) {
        netbox_detail(reply, 404, "Not found.");
        return;
    }
    if (!authorize(netbox, request->authorization, &writes)) {
        netbox_detail(reply, 403, "%s",
                      request->authorization == NULL
                          ? "Authentication credentials were not provided."
                          : "Invalid token");
        return;
    }
    if (strcmp(request->path + prefix, "status/") == 0) {
        textbuf_add_chars(&reply->body,
                          "{\"netbox-version\":\"" VERSION "\",\"installed_apps\":{}}");
        return;
    }
    answer_path(netbox, request->path + prefix, writes, request, reply);
    if ((netbox->door.bmc.modes & LAB_MUTE) != 0 && strcmp(request->method, "GET") != 0) {
        lab_reply_lose(reply);
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

int lab_netbox_open(struct lab *lab, struct nsh_error *err)
{
    if (lab->options.netbox_port == 0) {
        return 0;
    }
    struct lab_netbox *netbox = calloc(1, sizeof *netbox);
    if (netbox == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for NetBox");
    }
    lab->netbox = netbox;
    netbox->lab = lab;
    netbox->devices = calloc(lab->hosts_count, sizeof *netbox->devices);
    netbox->entries = calloc(NETBOX_ENTRIES_MAX, sizeof *netbox->entries);
    if (netbox->devices == NULL || netbox->entries == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for NetBox");
    }
    for (size_t i = 0; i < lab->hosts_count; i++) {
        struct netbox_device *device = &netbox->devices[i];
        *device = (struct netbox_device){.host = &lab->hosts[i],
                                         .oob = true,
                                         .cabled = true,
                                         .status = "active",
                                         .changed_ms = lab_clock_unix_ms()};
        snprintf(device->name, sizeof device->name, "%s", lab->hosts[i].name);
        snprintf(device->serial, sizeof device->serial, "%s", lab->hosts[i].serial);
    }
    return lab_door_open(lab, &netbox->door, "netbox", lab->options.netbox_port, netbox_answer,
                         err);
}

void lab_netbox_close(struct lab *lab)
{
    struct lab_netbox *netbox = lab->netbox;

    if (netbox == NULL) {
        return;
    }
    lab_door_close(&netbox->door);
    for (size_t i = 0; netbox->entries != NULL && i < netbox->entries_count; i++) {
        free(netbox->entries[i].comments);
    }
    free(netbox->entries);
    free(netbox->devices);
    free(netbox);
    lab->netbox = NULL;
}
