/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NetBox' lists -> hosts. The power path: a host's power port leads to an outlet of a PDU, whose
 * own power port leads to a power feed. The BMC's address: oob_ip, else the one address of an
 * interface that is for management only.
 */

#include "dcim/dcim.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 500
#define IDS_A_PART 50
#define REMARKS_MAX 10000

const char *const dcim_field_words[DCIM_FIELDS_COUNT] = {
#define FIELD(NAME, word, is_list) [DCIM_##NAME] = (word),
    DCIM_FIELDS(FIELD)
#undef FIELD
};

const bool dcim_field_lists[DCIM_FIELDS_COUNT] = {
#define FIELD(NAME, word, is_list) [DCIM_##NAME] = (is_list),
    DCIM_FIELDS(FIELD)
#undef FIELD
};

/* While lists become hosts. */
struct build {
    const struct netbox_lists *lists;
    struct dcim *dcim;
    struct map by_id;      /* Device id -> struct dcim_host */
    struct map pdus;       /* Device id -> struct pdu */
    struct map interfaces; /* Interface id -> struct dcim_host */
    struct map racks;      /* Rack id -> its object */
    struct map feeds;      /* Power feed id -> its object */
    struct map managed;    /* Host name -> struct dcim_texts: addresses of its interfaces. */
    bool no_memory;
};

struct pdu {
    const char *name, *address;
    struct dcim_texts feeds;
};

/* ---- values ----------------------------------------------------------------------------- */

static const struct nsh_value *at(const struct nsh_value *value, const char *one, const char *two)
{
    const struct nsh_value *inner = nsh_get(value, one);

    return two == NULL || inner == NULL ? inner : nsh_get(inner, two);
}

static const char *text_at(const struct nsh_value *value, const char *one, const char *two)
{
    const struct nsh_value *found = at(value, one, two);

    return found != NULL && found->type == NSH_STRING ? found->text : "";
}

static int64_t id_at(const struct nsh_value *value, const char *one, const char *two)
{
    const struct nsh_value *found = at(value, one, two);

    return found != NULL && found->type == NSH_INT ? found->integer : 0;
}

static void *by_id(const struct map *map, int64_t id)
{
    char key[24];
    int count = snprintf(key, sizeof key, "%lld", (long long)id);

    return map_get(map, (struct text){key, (uint32_t)count});
}

static void id_set(struct build *build, struct map *map, int64_t id, void *value)
{
    const char *key = arena_printf(&build->dcim->arena, "%lld", (long long)id);

    build->no_memory = key == NULL || map_set(map, text_of(key), value) < 0 || build->no_memory;
}

static const char *copy(struct build *build, const char *text)
{
    const char *kept = arena_copy(&build->dcim->arena, text, strlen(text));

    build->no_memory = kept == NULL || build->no_memory;
    return kept == NULL ? "" : kept;
}

/* "10.0.0.3/24" -> "10.0.0.3"; NULL: there is none. */
static const char *address_of(struct build *build, const struct nsh_value *ip)
{
    const char *cidr = ip == NULL ? "" : text_at(ip, "address", NULL);
    size_t count = strcspn(cidr, "/");

    if (count == 0 || strspn(cidr, "0123456789abcdefABCDEF.:") != count) {
        return NULL;
    }
    const char *kept = arena_copy(&build->dcim->arena, cidr, count);
    build->no_memory = kept == NULL || build->no_memory;
    return kept;
}

static const char *url_of(const struct nsh_value *object)
{
    const char *page = text_at(object, "display_url", NULL);

    return page[0] != '\0' ? page : text_at(object, "url", NULL);
}

/* ---- remarks and texts ------------------------------------------------------------------ */

void dcim_remark(struct dcim *dcim, bool conflict, const char *host, const char *url,
                 const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (dcim->remarks_count == dcim->remarks_room) {
        size_t room = dcim->remarks_room == 0 ? 16 : dcim->remarks_room * 2;
        struct dcim_remark *remarks =
            room > REMARKS_MAX ? NULL : realloc(dcim->remarks, room * sizeof *remarks);
        if (remarks == NULL) {
            return;
        }
        dcim->remarks = remarks;
        dcim->remarks_room = room;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct dcim_remark remark = {
        .conflict = conflict,
        .host = arena_copy(&dcim->arena, host, strlen(host)),
        .url = arena_copy(&dcim->arena, url, strlen(url)),
        .text = arena_copy(&dcim->arena, text, strlen(text)),
    };
    if (remark.host != NULL && remark.url != NULL && remark.text != NULL) {
        dcim->remarks[dcim->remarks_count++] = remark;
    }
}

bool dcim_texts_add(struct dcim_texts *texts, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return false;
    }
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->at[i], text) == 0) {
            return true;
        }
    }
    if (texts->count == DCIM_TEXTS_MAX) {
        return false;
    }
    texts->at[texts->count++] = text;
    return true;
}

static int host_order(const void *a, const void *b)
{
    return strcmp(((const struct dcim_host *)a)->name, ((const struct dcim_host *)b)->name);
}

struct dcim_host *dcim_find(const struct dcim *dcim, const char *name)
{
    struct dcim_host key = {.name = name};

    return dcim->hosts_count == 0
               ? NULL
               : bsearch(&key, dcim->hosts, dcim->hosts_count, sizeof *dcim->hosts, host_order);
}

void dcim_done(struct dcim *dcim)
{
    free(dcim->remarks);
    arena_done(&dcim->arena);
    *dcim = (struct dcim){.hosts_count = 0};
}

/* ---- lists ------------------------------------------------------------------------------ */

/* PDUs are asked for by number: whatever the filter says, hosts hang on them. */
static const char *pdus_path(const struct netbox_lists *lists, size_t part, struct arena *arena)
{
    CLEANUP(textbuf_donep) struct textbuf path = {0};
    struct map seen = {0};
    size_t skipped = 0, used = 0;

    textbuf_addf(&path, "dcim/devices/?limit=%d&exclude=config_context", PAGE);
    for (size_t i = 0; i < lists->counts[NETBOX_PORTS]; i++) {
        const struct nsh_value *port = &lists->items[NETBOX_PORTS][i];
        const struct nsh_value *ends = nsh_get(port, "connected_endpoints");
        if (strcmp(text_at(port, "connected_endpoints_type", NULL), "dcim.poweroutlet") != 0 ||
            ends == NULL || ends->type != NSH_LIST) {
            continue;
        }
        for (uint32_t e = 0; e < ends->count; e++) {
            int64_t id = id_at(&ends->items[e], "device", "id");
            const char *key = arena_printf(arena, "%lld", (long long)id);
            if (id <= 0 || key == NULL || map_get(&seen, text_of(key)) != NULL ||
                map_set(&seen, text_of(key), &seen) < 0 || skipped++ < part * IDS_A_PART ||
                used == IDS_A_PART) {
                continue;
            }
            textbuf_addf(&path, "&id=%s", key);
            used++;
        }
    }
    map_done(&seen);
    return used == 0 || path.failed ? NULL : arena_copy(arena, path.at, path.count);
}

const char *netbox_list_path(const struct netbox_lists *lists, enum netbox_list list,
                             const char *filter, size_t part, struct arena *arena)
{
    static const char *const paths[NETBOX_LISTS_COUNT] = {
        [NETBOX_DEVICES] = "dcim/devices/?exclude=config_context",
        [NETBOX_RACKS] = "dcim/racks/?exclude=config_context",
        [NETBOX_FEEDS] = "dcim/power-feeds/?exclude=config_context",
        [NETBOX_PORTS] = "dcim/power-ports/?exclude=config_context",
        [NETBOX_INTERFACES] = "dcim/interfaces/?mgmt_only=true",
        [NETBOX_ADDRESSES] = "ipam/ip-addresses/?assigned_object_type=dcim.interface",
    };
    bool filtered = list == NETBOX_DEVICES && filter[0] != '\0';

    if (list == NETBOX_PDUS) {
        return pdus_path(lists, part, arena);
    }
    return part > 0 ? NULL
                    : arena_printf(arena, "%s&limit=%d%s%s", paths[list], PAGE, filtered ? "&" : "",
                                   filtered ? filter : "");
}

int netbox_page_take(struct netbox_lists *lists, enum netbox_list list,
                     const struct nsh_value *page, struct arena *arena, const char **ret_next,
                     struct nsh_error *err)
{
    const struct nsh_value *results = nsh_get(page, "results"), *next = nsh_get(page, "next");
    size_t count = lists->counts[list];

    if (results == NULL || results->type != NSH_LIST || next == NULL ||
        (next->type != NSH_STRING && next->type != NSH_NULL)) {
        return nsh_fail(err, NSH_PROTOCOL, "the answer is no page of a list");
    }
    if (count + results->count > DCIM_OBJECTS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d objects in a list", DCIM_OBJECTS_MAX);
    }
    if (count + results->count > lists->rooms[list]) {
        size_t room = (count + results->count) * 2;
        struct nsh_value *items = arena_array(arena, room, sizeof *items);
        if (items == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
        if (count > 0) {
            memcpy(items, lists->items[list], count * sizeof *items);
        }
        lists->items[list] = items;
        lists->rooms[list] = room;
    }
    for (uint32_t i = 0; i < results->count; i++) {
        lists->items[list][count + i] = results->items[i];
    }
    lists->counts[list] += results->count;
    *ret_next = next->type == NSH_STRING ? next->text : "";
    return 0;
}

/* ---- devices ---------------------------------------------------------------------------- */

static bool name_good(const char *name)
{
    bool good = isalnum((unsigned char)name[0]) && strlen(name) <= 253;

    for (const char *c = name; good && *c != '\0'; c++) {
        good = isalnum((unsigned char)*c) || strchr("._-:", *c) != NULL;
    }
    return good;
}

/* Whether a device of this status is a host, and one that people work on. */
static bool status_hosts(const char *status, bool *ret_maintenance)
{
    *ret_maintenance = strcmp(status, "offline") == 0 || strcmp(status, "staged") == 0;
    return *ret_maintenance || strcmp(status, "active") == 0 || strcmp(status, "failed") == 0;
}

static const char *room_of(const struct build *build, const struct nsh_value *device)
{
    const char *room = text_at(device, "location", "slug");
    const struct nsh_value *rack = by_id(&build->racks, id_at(device, "rack", "id"));

    return room[0] != '\0' || rack == NULL ? room : text_at(rack, "location", "slug");
}

static void host_fill(struct build *build, const struct nsh_value *device, struct dcim_host *host)
{
    const char *role = text_at(device, "role", "slug");
    const struct {
        enum dcim_field field;
        const char *text;
    } texts[] = {
        {DCIM_SERIAL, text_at(device, "serial", NULL)},
        {DCIM_SITE, text_at(device, "site", "slug")},
        {DCIM_ROOM, room_of(build, device)},
        {DCIM_RACK, text_at(device, "rack", "name")},
        {DCIM_ROLE, role[0] != '\0' ? role : text_at(device, "device_role", "slug")},
    };

    *host = (struct dcim_host){
        .name = copy(build, text_at(device, "name", NULL)),
        .url = copy(build, url_of(device)),
        .id = id_at(device, "id", NULL),
        .status = copy(build, text_at(device, "status", "value")),
        .bmc = address_of(build, nsh_get(device, "oob_ip")),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        dcim_texts_add(&host->fields[texts[i].field],
                       texts[i].text[0] == '\0' ? NULL : copy(build, texts[i].text));
    }
    dcim_texts_add(&host->fields[DCIM_ADDRESSES],
                   address_of(build, nsh_get(device, "primary_ip4")));
    dcim_texts_add(&host->fields[DCIM_ADDRESSES],
                   address_of(build, nsh_get(device, "primary_ip6")));
}

static void hosts_take(struct build *build)
{
    struct dcim *dcim = build->dcim;
    size_t count = build->lists->counts[NETBOX_DEVICES];

    dcim->hosts = arena_array(&dcim->arena, count, sizeof *dcim->hosts);
    if (dcim->hosts == NULL) {
        build->no_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct nsh_value *device = &build->lists->items[NETBOX_DEVICES][i];
        struct dcim_host *host = &dcim->hosts[dcim->hosts_count];
        bool maintenance = false;
        host_fill(build, device, host);
        if (host->id <= 0) {
            continue;
        }
        if (host->name[0] == '\0') {
            dcim_remark(dcim, false, "", host->url, "a device without a name");
        } else if (!name_good(host->name)) {
            dcim_remark(dcim, true, host->name, host->url, "that is no name for a host");
        } else {
            host->left_out = !status_hosts(host->status, &maintenance);
            host->maintenance = maintenance;
            if (host->left_out) {
                dcim_remark(dcim, false, host->name, host->url, "is %s: no host", host->status);
            }
            dcim->hosts_count++;
        }
    }
    if (dcim->hosts_count > 1) {
        qsort(dcim->hosts, dcim->hosts_count, sizeof *dcim->hosts, host_order);
    }
    for (size_t i = 0; i < dcim->hosts_count; i++) {
        id_set(build, &build->by_id, dcim->hosts[i].id, &dcim->hosts[i]);
    }
}

static void ids_take(struct build *build, enum netbox_list list, struct map *map)
{
    for (size_t i = 0; i < build->lists->counts[list]; i++) {
        struct nsh_value *object = &build->lists->items[list][i];
        id_set(build, map, id_at(object, "id", NULL), object);
    }
}

static void pdus_take(struct build *build)
{
    for (size_t i = 0; i < build->lists->counts[NETBOX_PDUS]; i++) {
        const struct nsh_value *device = &build->lists->items[NETBOX_PDUS][i];
        struct pdu *pdu = arena_alloc(&build->dcim->arena, sizeof *pdu);
        if (pdu == NULL) {
            build->no_memory = true;
            return;
        }
        pdu->name = copy(build, text_at(device, "name", NULL));
        pdu->address = address_of(build, nsh_get(device, "primary_ip4"));
        pdu->address =
            pdu->address != NULL ? pdu->address : address_of(build, nsh_get(device, "primary_ip"));
        pdu->address =
            pdu->address != NULL ? pdu->address : address_of(build, nsh_get(device, "oob_ip"));
        id_set(build, &build->pdus, id_at(device, "id", NULL), pdu);
    }
}

/* ---- power ------------------------------------------------------------------------------ */

/* The number an outlet's name ends in: "7", "Outlet 7", "outlet-7"; 0: it has none of its own. */
static int64_t outlet_number(const char *name)
{
    size_t count = strlen(name), digits = 0;

    while (digits < count && isdigit((unsigned char)name[count - digits - 1])) {
        digits++;
    }
    bool apart = digits == count || strchr(" -_#", name[count - digits - 1]) != NULL;
    return digits == 0 || digits > 6 || !apart ? 0 : strtoll(name + count - digits, NULL, 10);
}

/* A host's power port at an outlet: the PDU, its feeds, the outlet for who can switch it. */
static void outlet_take(struct build *build, struct dcim_host *host, const struct nsh_value *port,
                        const struct nsh_value *outlet)
{
    const struct pdu *pdu = by_id(&build->pdus, id_at(outlet, "device", "id"));
    const char *name = text_at(outlet, "name", NULL), *pdu_name = text_at(outlet, "device", "name");
    int64_t number = outlet_number(name);

    if (!dcim_texts_add(&host->fields[DCIM_PDU], copy(build, pdu_name))) {
        dcim_remark(build->dcim, true, host->name, url_of(port), "leads to a PDU without a name");
        return;
    }
    for (size_t i = 0; pdu != NULL && i < pdu->feeds.count; i++) {
        dcim_texts_add(&host->fields[DCIM_FEED], pdu->feeds.at[i]);
    }
    if (pdu == NULL || pdu->feeds.count == 0) {
        dcim_remark(build->dcim, false, host->name, url_of(port), "PDU %s is on no power feed",
                    pdu_name);
    }
    if (number == 0 || pdu == NULL || pdu->address == NULL) {
        dcim_remark(build->dcim, false, host->name, url_of(port),
                    "outlet '%s' of PDU %s cannot be switched: %s", name, pdu_name,
                    number == 0 ? "its name ends in no number" : "the PDU has no address");
        return;
    }
    bool first = host->outlets == NULL;
    host->pdu_address = first ? pdu->address : host->pdu_address;
    bool same = strcmp(host->pdu_address, pdu->address) == 0;
    host->outlets = arena_printf(&build->dcim->arena, "%s%s%s%s%lld", first ? "" : host->outlets,
                                 first ? "" : ", ", same ? "" : pdu->address, same ? "" : "/",
                                 (long long)number);
    build->no_memory = host->outlets == NULL || build->no_memory;
}

/* NetBox tells the end of a path also when a cable of it is only planned: then it is not reachable.
 */
static bool port_planned(const struct nsh_value *port)
{
    const struct nsh_value *reachable = nsh_get(port, "connected_endpoints_reachable");
    const struct nsh_value *ends = nsh_get(port, "connected_endpoints");

    return reachable != NULL && reachable->type == NSH_BOOL && !reachable->boolean &&
           ends != NULL && ends->type == NSH_LIST && ends->count > 0;
}

static const struct nsh_value *port_ends(const struct nsh_value *port, const char *type)
{
    const struct nsh_value *ends = nsh_get(port, "connected_endpoints");

    return ends != NULL && ends->type == NSH_LIST && !port_planned(port) &&
                   strcmp(text_at(port, "connected_endpoints_type", NULL), type) == 0
               ? ends
               : NULL;
}

/* A feed counts whatever its state is: what hangs on it fails with it. */
static void feed_check(struct build *build, const char *on, int64_t id)
{
    const struct nsh_value *feed = by_id(&build->feeds, id);
    const char *status = feed == NULL ? "active" : text_at(feed, "status", "value");

    if (on[0] != '\0' && strcmp(status, "active") != 0) {
        dcim_remark(build->dcim, false, on, url_of(feed), "hangs on power feed %s, which is %s",
                    text_at(feed, "name", NULL), status);
    }
}

static void feeds_take(struct build *build)
{
    for (size_t i = 0; i < build->lists->counts[NETBOX_PORTS]; i++) {
        const struct nsh_value *port = &build->lists->items[NETBOX_PORTS][i];
        const struct nsh_value *feeds = port_ends(port, "dcim.powerfeed");
        struct pdu *pdu = by_id(&build->pdus, id_at(port, "device", "id"));
        struct dcim_host *host = by_id(&build->by_id, id_at(port, "device", "id"));
        for (uint32_t e = 0; feeds != NULL && e < feeds->count; e++) {
            const char *name = copy(build, text_at(&feeds->items[e], "name", NULL));
            feed_check(build,
                       pdu != NULL    ? pdu->name
                       : host == NULL ? ""
                                      : host->name,
                       id_at(&feeds->items[e], "id", NULL));
            if (pdu != NULL) {
                dcim_texts_add(&pdu->feeds, name);
            }
            if (host != NULL) {
                dcim_texts_add(&host->fields[DCIM_FEED], name);
            }
        }
    }
}

static void outlets_take(struct build *build)
{
    for (size_t i = 0; i < build->lists->counts[NETBOX_PORTS]; i++) {
        const struct nsh_value *port = &build->lists->items[NETBOX_PORTS][i];
        const struct nsh_value *outlets = port_ends(port, "dcim.poweroutlet");
        struct dcim_host *host = by_id(&build->by_id, id_at(port, "device", "id"));
        if (host == NULL || host->left_out) {
            continue;
        }
        if (outlets == NULL && port_ends(port, "dcim.powerfeed") == NULL) {
            dcim_remark(build->dcim, false, host->name, url_of(port),
                        port_planned(port) ? "power port '%s': its cable is not connected"
                                           : "power port '%s' leads nowhere",
                        text_at(port, "name", NULL));
        }
        for (uint32_t e = 0; outlets != NULL && e < outlets->count; e++) {
            outlet_take(build, host, port, &outlets->items[e]);
        }
    }
}

/* ---- BMCs ------------------------------------------------------------------------------- */

static void managed_take(struct build *build)
{
    for (size_t i = 0; i < build->lists->counts[NETBOX_INTERFACES]; i++) {
        const struct nsh_value *one = &build->lists->items[NETBOX_INTERFACES][i];
        const struct nsh_value *only = nsh_get(one, "mgmt_only");
        struct dcim_host *host = by_id(&build->by_id, id_at(one, "device", "id"));
        if (host != NULL && only != NULL && only->type == NSH_BOOL && only->boolean) {
            id_set(build, &build->interfaces, id_at(one, "id", NULL), host);
        }
    }
    for (size_t i = 0; i < build->lists->counts[NETBOX_ADDRESSES]; i++) {
        const struct nsh_value *ip = &build->lists->items[NETBOX_ADDRESSES][i];
        const char *address = address_of(build, ip);
        struct dcim_host *host =
            strcmp(text_at(ip, "assigned_object_type", NULL), "dcim.interface") == 0
                ? by_id(&build->interfaces, id_at(ip, "assigned_object_id", NULL))
                : NULL;
        if (host == NULL || address == NULL) {
            continue;
        }
        struct dcim_texts *texts = map_get(&build->managed, text_of(host->name));
        if (texts == NULL) {
            texts = arena_alloc(&build->dcim->arena, sizeof *texts);
            build->no_memory = texts == NULL ||
                               map_set(&build->managed, text_of(host->name), texts) < 0 ||
                               build->no_memory;
        }
        if (texts != NULL) {
            dcim_texts_add(texts, address);
        }
    }
}

static void bmc_take(struct build *build, struct dcim_host *host)
{
    const struct dcim_texts *texts = map_get(&build->managed, text_of(host->name));
    bool agrees = texts == NULL || texts->count == 0;

    for (size_t i = 0; host->bmc != NULL && texts != NULL && i < texts->count; i++) {
        agrees = agrees || strcmp(texts->at[i], host->bmc) == 0;
    }
    if (host->bmc != NULL && !agrees) {
        dcim_remark(build->dcim, true, host->name, host->url,
                    "oob_ip is %s, its interface for management has %s; oob_ip counts", host->bmc,
                    texts->at[0]);
    } else if (host->bmc == NULL && texts != NULL && texts->count == 1) {
        host->bmc = texts->at[0];
    } else if (host->bmc == NULL && texts != NULL && texts->count > 1) {
        dcim_remark(build->dcim, true, host->name, host->url,
                    "no oob_ip, and %zu addresses at interfaces for management: %s, %s",
                    texts->count, texts->at[0], texts->at[1]);
    } else if (host->bmc == NULL) {
        dcim_remark(build->dcim, false, host->name, host->url,
                    "no BMC address: no oob_ip, and no address at an interface for management");
    }
}

/* ---- what must be one host's own -------------------------------------------------------- */

/* Two hosts that share a serial number, or a BMC: neither has it. */
static void own_check(struct build *build, const char *what, const char *(*get)(struct dcim_host *),
                      void (*take)(struct dcim_host *))
{
    struct dcim *dcim = build->dcim;
    struct map owners = {0};

    for (size_t i = 0; i < dcim->hosts_count; i++) {
        struct dcim_host *host = &dcim->hosts[i];
        const char *text = host->left_out ? NULL : get(host);
        if (text == NULL) {
            continue;
        }
        struct dcim_host *other = map_get(&owners, text_of(text));
        if (other == NULL) {
            build->no_memory = map_set(&owners, text_of(text), host) < 0 || build->no_memory;
            continue;
        }
        dcim_remark(dcim, true, host->name, host->url, "has %s %s, as %s has: neither is taken",
                    what, text, other->name);
        take(host);
        take(other);
    }
    map_done(&owners);
}

static const char *serial_get(struct dcim_host *host)
{
    return host->fields[DCIM_SERIAL].count == 0 ? NULL : host->fields[DCIM_SERIAL].at[0];
}

static void serial_take(struct dcim_host *host)
{
    host->fields[DCIM_SERIAL].count = 0;
}

static const char *bmc_get(struct dcim_host *host)
{
    return host->bmc;
}

static void bmc_drop(struct dcim_host *host)
{
    host->bmc = NULL;
}

static void names_check(struct dcim *dcim)
{
    for (size_t i = 1; i < dcim->hosts_count; i++) {
        struct dcim_host *one = &dcim->hosts[i - 1], *two = &dcim->hosts[i];
        if (strcmp(one->name, two->name) == 0) {
            dcim_remark(dcim, true, two->name, two->url, "is called as %s is: neither is taken",
                        one->url);
            one->left_out = two->left_out = true;
        }
    }
}

int netbox_hosts(const struct netbox_lists *lists, struct dcim *dcim, struct nsh_error *err)
{
    struct build build = {.lists = lists, .dcim = dcim};

    ids_take(&build, NETBOX_RACKS, &build.racks);
    ids_take(&build, NETBOX_FEEDS, &build.feeds);
    hosts_take(&build);
    names_check(dcim);
    pdus_take(&build);
    feeds_take(&build);
    outlets_take(&build);
    managed_take(&build);
    for (size_t i = 0; i < dcim->hosts_count; i++) {
        if (!dcim->hosts[i].left_out) {
            bmc_take(&build, &dcim->hosts[i]);
        }
    }
    own_check(&build, "serial number", serial_get, serial_take);
    own_check(&build, "BMC address", bmc_get, bmc_drop);
    map_done(&build.by_id);
    map_done(&build.pdus);
    map_done(&build.interfaces);
    map_done(&build.racks);
    map_done(&build.feeds);
    map_done(&build.managed);
    return build.no_memory ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}
