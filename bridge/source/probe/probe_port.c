/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of switches as witnesses: each switch that hosts hang on is read once in every round, and a
 * host is silent when all its ports are down. A switch that does not answer says nothing about its
 * hosts.
 */

#include "probe_private.h"

#include <stdio.h>
#include <stdlib.h>

#define SWITCHES_MAX 20000
#define SHOWN_MAX 4
#define PORT_HINT "port=" /* As the inventory says what finds a host. */
#define READ_TIMES 4      /* A read may take this many timeouts. */

static const char table_text[] = "tables = ( { name = \"ports\"; labels = ("
                                 "  { name = \"name\"; oid = \"1.3.6.1.2.1.31.1.1.1.1\"; },"
                                 "  { name = \"descr\"; oid = \"1.3.6.1.2.1.2.2.1.2\"; } );"
                                 " metrics = ( { name = \"oper\"; oid = \"1.3.6.1.2.1.2.2.1.8\"; },"
                                 "  { name = \"admin\"; oid = \"1.3.6.1.2.1.2.2.1.7\"; } ); } );";
static const char traffic_text[] =
    "tables = ( { name = \"ports\"; labels = ("
    "  { name = \"name\"; oid = \"1.3.6.1.2.1.31.1.1.1.1\"; },"
    "  { name = \"descr\"; oid = \"1.3.6.1.2.1.2.2.1.2\"; } );"
    " metrics = ( { name = \"oper\"; oid = \"1.3.6.1.2.1.2.2.1.8\"; },"
    "  { name = \"admin\"; oid = \"1.3.6.1.2.1.2.2.1.7\"; },"
    "  { name = \"probe_port_in_bytes_total\"; oid = \"1.3.6.1.2.1.31.1.1.1.6\"; },"
    "  { name = \"probe_port_out_bytes_total\"; oid = \"1.3.6.1.2.1.31.1.1.1.10\"; } ); } );";

/* The columns, in the order they are met in above. */
enum { COLUMN_NAME, COLUMN_DESCR, COLUMN_OPER, COLUMN_ADMIN, COLUMN_IN, COLUMN_OUT };
enum { OPER_UP = 1, ADMIN_DOWN = 2 };

enum port_state { PORT_UNKNOWN, PORT_UP, PORT_DOWN, PORT_OFF, PORT_MISSING };

struct port {
    const char *text; /* "sw1/e7" */
    const char *name; /* "e7" */
    uint32_t target;
    enum port_state state; /* Of the last read of its switch. */
    bool last;             /* Of its host: after it, the host is judged. */
    uint32_t next;         /* Of the same host; UINT32_MAX: none. */
};

struct port_switch {
    struct probe_source *source;
    const char *name, *address;
    struct poll_link link;
    struct poll_rows rows;
    struct port *ports;
    uint32_t ports_count;
    bool flying;
    char why[96]; /* It could not be read; "": it could. */
};

struct probe_switches {
    struct arena arena; /* The table, credentials. */
    struct arena list;  /* Switches and ports of this inventory. */
    struct snmp_credentials credentials;
    struct poll_wire *like;
    const struct poll_table *table;
    bool traffic;
    struct port_switch **items;
    uint32_t count, flying, next, unplaced;
    struct port *ports;
    uint32_t ports_count;
    uint32_t *first_of; /* The first port of each target. */
    struct map by_name;
    struct poll_answer answer;
};

/* ---- what was read ---- */

static bool cell_is(const struct poll_value *cell, const char *name)
{
    return cell->type == POLL_OCTETS && text_is(cell->octets, name);
}

static const struct poll_row *row_of(const struct port_switch *sw, const char *name)
{
    for (uint32_t i = 0; i < sw->rows.count; i++) {
        const struct poll_row *row = sw->rows.items[i];
        if (cell_is(&row->cells[COLUMN_NAME], name) || cell_is(&row->cells[COLUMN_DESCR], name)) {
            return row;
        }
    }
    return NULL;
}

struct traffic {
    const struct probe_source *source;
    const struct port *port;
    const struct poll_row *row;
};

static int traffic_decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    const struct traffic *traffic = arg;
    const struct probe_source *source = traffic->source;
    static const struct {
        const char *name;
        int column;
    } counters[] = {{"probe_port_in_bytes_total", COLUMN_IN},
                    {"probe_port_out_bytes_total", COLUMN_OUT}};
    struct sample_label labels[] = {
        {TEXT(SAMPLE_METRIC), {0}},
        {TEXT("job"), text_of(source->config->name)},
        {TEXT("host"), text_of(source->group.targets[traffic->port->target].host)},
        {TEXT("port"), text_of(traffic->port->text)},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        double number = 0;
        if (poll_value_number(&traffic->row->cells[counters[i].column], &number)) {
            labels[0].value = text_of(counters[i].name);
            sink->labels(sink->arg, labels, sizeof labels / sizeof labels[0]);
            sink->value(sink->arg, intake_now_ms(source->services->intake), number);
        }
    }
    return 0;
}

static void port_read(struct port_switch *sw, struct port *port)
{
    const struct poll_row *row = row_of(sw, port->name);
    struct probe_source *source = sw->source;
    double oper = 0, admin = 0;
    if (row == NULL) {
        port->state = PORT_MISSING; /* Another name over there: it says nothing. */
        return;
    }
    bool known = poll_value_number(&row->cells[COLUMN_OPER], &oper);
    poll_value_number(&row->cells[COLUMN_ADMIN], &admin);
    port->state = !known                     ? PORT_UNKNOWN
                  : (int)oper == OPER_UP     ? PORT_UP
                  : (int)admin == ADMIN_DOWN ? PORT_OFF
                                             : PORT_DOWN;
    if (source->switches->traffic && source->services->samples != NULL) {
        struct traffic traffic = {source, port, row};
        source->services->samples(source->services->arg, traffic_decode, &traffic, NULL);
    }
}

/* A host whose last port was read: up when one of its ports is, down when all are known and none.
 */
static void host_judge(struct probe_source *source, uint32_t target)
{
    const struct probe_switches *switches = source->switches;
    const struct port *down = NULL;
    bool up = false, unknown = false;
    for (uint32_t i = switches->first_of[target]; i != UINT32_MAX; i = switches->ports[i].next) {
        const struct port *port = &switches->ports[i];
        up = up || port->state == PORT_UP;
        unknown = unknown || port->state == PORT_UNKNOWN || port->state == PORT_MISSING;
        down = port->state == PORT_DOWN || port->state == PORT_OFF ? port : down;
    }
    if (!up && (unknown || down == NULL)) {
        return;
    }
    char why[96];
    snprintf(why, sizeof why, "%.60s is %s", down == NULL ? "" : down->text,
             down != NULL && down->state == PORT_OFF ? "switched off" : "down");
    /* The switch was reached: that a port is down is no silence of the network between. */
    probe_result(&source->group, target, up ? NULL : why, true);
    probe_tell(source, target);
    probe_samples(source, target, up, -1); /* How long a switch takes says nothing of a host. */
}

static void switch_over(struct port_switch *sw, const char *why)
{
    struct probe_source *source = sw->source;
    poll_link_rest(&sw->link);
    sw->flying = false;
    source->switches->flying--;
    snprintf(sw->why, sizeof sw->why, "%s", why == NULL ? "" : why);
    if (source->closing) {
        return;
    }
    if (why == NULL) {
        source_heard(source->services->row, intake_now_ms(source->services->intake));
    } else {
        source_complain(source->services->row, intake_now_ms(source->services->intake), why);
        poll_wire_forget(sw->link.wire);
    }
    for (uint32_t i = 0; i < sw->ports_count; i++) {
        if (why == NULL) {
            port_read(sw, &sw->ports[i]);
        } else {
            sw->ports[i].state = PORT_UNKNOWN;
        }
    }
    for (uint32_t i = 0; i < sw->ports_count; i++) {
        if (sw->ports[i].last) {
            host_judge(source, sw->ports[i].target);
        }
    }
    poll_rows_done(&sw->rows);
}

static void on_walked(void *arg, int code, const char *why)
{
    switch_over(arg, code == NSH_OK ? NULL : why);
}

static void switch_read(struct port_switch *sw)
{
    struct probe_source *source = sw->source;
    struct probe_switches *switches = source->switches;
    struct nsh_services *services = source->services->services;
    struct nsh_error err = {0};
    sw->flying = true;
    switches->flying++;
    sw->link.deadline_ms = services->now_ms(services) + READ_TIMES * source->timeout_ms;
    if (sw->link.wire == NULL &&
        poll_wire_new(&switches->credentials, switches->like, &sw->link.wire, &err) < 0) {
        sw->flying = false;
        switches->flying--;
        return;
    }
    poll_link_walk(&sw->link, switches->table, &sw->rows, on_walked, sw);
}

void probe_port_tick(struct probe_source *source, int64_t now_ms)
{
    struct probe_switches *switches = source->switches;
    while (switches->next < switches->count && switches->flying < PROBE_FLIGHT_MAX) {
        int64_t due_ms = source->round_ms +
                         source->every_ms * (int64_t)switches->next / (int64_t)switches->count;
        if (now_ms < due_ms) {
            return;
        }
        struct port_switch *sw = switches->items[switches->next++];
        if (!sw->flying) { /* One that takes longer than a round is not read twice at once. */
            switch_read(sw);
        }
    }
    if (switches->next >= switches->count && now_ms >= source->round_ms + source->every_ms) {
        source->round_ms = now_ms;
        switches->next = 0;
    }
}

/* ---- the switches of an inventory ---- */

bool probe_port_hosts(const struct inventory *inventory, struct map *ret_first)
{
    MAP_EACH (&inventory->by_hint, entry) {
        const struct host *host = entry->value;
        if (text_starts(entry->key, PORT_HINT) && map_get(ret_first, text_of(host->name)) == NULL &&
            map_set(ret_first, text_of(host->name), entry) < 0) {
            return false;
        }
    }
    return true;
}

struct text probe_port_of(const struct map *first, const struct host *host)
{
    const struct map_entry *entry = map_get(first, text_of(host->name));
    uint32_t skip = sizeof PORT_HINT - 1;
    return entry == NULL ? (struct text){NULL, 0}
                         : (struct text){entry->key.at + skip, entry->key.count - skip};
}

static void switches_free(struct probe_switches *switches)
{
    for (uint32_t i = 0; i < switches->count; i++) {
        struct port_switch *sw = switches->items[i];
        poll_link_close(&sw->link);
        poll_rows_done(&sw->rows);
    }
    map_done(&switches->by_name);
    arena_done(&switches->list);
    switches->list = (struct arena)ARENA_INIT;
    switches->by_name = (struct map){0};
    switches->items = NULL;
    switches->count = switches->flying = switches->next = switches->ports_count = 0;
}

/* Its address: the configuration's, or that of a host of this name. */
static const char *switch_address(const struct probe_source *source,
                                  const struct inventory *inventory, const char *name)
{
    const struct nsh_value *list = nsh_get(&source->config->settings, "switches");
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        if (strcmp(nsh_get_text(&list->items[i], "name", ""), name) == 0) {
            return nsh_get_text(&list->items[i], "address", "");
        }
    }
    const struct host *host = inventory_host(inventory, text_of(name));
    return host == NULL ? NULL : probe_address(source->at, host);
}

static struct port_switch *switch_of(struct probe_source *source, const struct inventory *inventory,
                                     struct text name)
{
    struct probe_switches *switches = source->switches;
    struct port_switch *sw = map_get(&switches->by_name, name);
    if (sw != NULL || switches->count == SWITCHES_MAX) {
        return sw;
    }
    struct nsh_address peer;
    const char *kept = arena_text(&switches->list, name).at;
    const char *address = kept == NULL ? NULL : switch_address(source, inventory, kept);
    if (address == NULL || !nsh_address_read(address, source->port, &peer)) {
        return NULL;
    }
    sw = arena_alloc(&switches->list, sizeof *sw);
    if (sw == NULL || map_set(&switches->by_name, text_of(kept), sw) < 0) {
        return NULL;
    }
    sw->source = source;
    sw->name = kept;
    sw->address = arena_copy(&switches->list, address, strlen(address));
    sw->link = (struct poll_link){.services = source->services->services,
                                  .answer = &switches->answer,
                                  .peer = peer,
                                  .timeout_ms = (uint32_t)source->timeout_ms,
                                  .retries = 1,
                                  .room = POLL_ROOM_BYTES};
    switches->items[switches->count++] = sw;
    return sw;
}

/* Ports of one switch stand together. */
struct placing {
    struct port_switch *sw;
    struct port port;
};

static int by_switch(const void *a, const void *b)
{
    const struct placing *one = a, *other = b;
    uintptr_t left = (uintptr_t)one->sw, right = (uintptr_t)other->sw;
    if (left != right) {
        return left < right ? -1 : 1;
    }
    return one->port.target < other->port.target ? -1 : one->port.target > other->port.target;
}

/* The next port of the inventory that a host of ours hangs on; false: there are none. */
static bool port_next(const struct probe_source *source, const struct inventory *inventory,
                      size_t *at, struct text *ret_port, uint32_t *ret_target)
{
    static const char prefix[] = PORT_HINT;
    while (*at < inventory->by_hint.used) {
        const struct map_entry *entry = &inventory->by_hint.entries[(*at)++];
        if (entry->value == NULL || !text_starts(entry->key, prefix)) {
            continue;
        }
        const struct host *host = entry->value;
        const struct probe_target *target = map_get(&source->by_host, text_of(host->name));
        if (target != NULL) {
            uint32_t skip = sizeof prefix - 1;
            *ret_port = (struct text){entry->key.at + skip, entry->key.count - skip};
            *ret_target = (uint32_t)(target - source->group.targets);
            return true;
        }
    }
    return false;
}

static uint32_t placings_fill(struct probe_source *source, const struct inventory *inventory,
                              struct placing *placings)
{
    struct probe_switches *switches = source->switches;
    uint32_t count = 0, target = 0;
    struct text port;
    for (size_t at = 0; port_next(source, inventory, &at, &port, &target);) {
        const char *text = arena_text(&switches->list, port).at;
        const char *slash = text == NULL ? NULL : strchr(text, '/');
        struct port_switch *sw =
            slash == NULL
                ? NULL
                : switch_of(source, inventory, (struct text){text, (uint32_t)(slash - text)});
        switches->unplaced += sw == NULL;
        if (sw != NULL) {
            placings[count++] = (struct placing){
                sw, {.text = text, .name = slash + 1, .target = target, .next = UINT32_MAX}};
        }
    }
    return count;
}

static void ports_link(struct probe_source *source, const struct placing *placings, uint32_t count)
{
    struct probe_switches *switches = source->switches;
    for (uint32_t i = 0; i < count; i++) {
        struct port *port = &switches->ports[i];
        struct port_switch *sw = placings[i].sw;
        *port = placings[i].port;
        sw->ports = sw->ports == NULL ? port : sw->ports;
        sw->ports_count++;
        port->next = switches->first_of[port->target];
        port->last = true; /* Until another of the same host comes. */
        if (port->next != UINT32_MAX) {
            switches->ports[port->next].last = false;
        }
        switches->first_of[port->target] = i;
    }
    switches->ports_count = count;
}

/* In the order of their ports, so that the last port of a host is of its last switch. */
static void switches_order(struct probe_switches *switches, const struct placing *placings,
                           uint32_t count)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || placings[i].sw != placings[i - 1].sw) {
            switches->items[used++] = placings[i].sw;
        }
    }
    switches->count = used;
}

void probe_port_build(struct probe_source *source, const struct inventory *inventory)
{
    struct probe_switches *switches = source->switches;
    size_t most = 1;
    if (switches == NULL) {
        return;
    }
    switches_free(switches);
    switches->unplaced = 0;
    MAP_EACH (&inventory->by_hint, entry) {
        most += text_starts(entry->key, PORT_HINT);
    }
    struct placing *placings = calloc(most, sizeof *placings);
    switches->items = arena_array(&switches->list, most, sizeof(struct port_switch *));
    switches->ports = arena_array(&switches->list, most, sizeof *switches->ports);
    switches->first_of =
        arena_array(&switches->list, source->group.count + 1, sizeof *switches->first_of);
    if (placings != NULL && switches->items != NULL && switches->ports != NULL &&
        switches->first_of != NULL) {
        memset(switches->first_of, 0xff, source->group.count * sizeof *switches->first_of);
        uint32_t count = placings_fill(source, inventory, placings);
        qsort(placings, count, sizeof *placings, by_switch);
        ports_link(source, placings, count);
        switches_order(switches, placings, count);
    }
    free(placings);
}

/* ---- life ---- */

static int table_read(struct probe_switches *switches, struct nsh_error *err)
{
    CLEANUP(diags_done) struct diags diags = {0};
    struct poll_set *set = arena_alloc(&switches->arena, sizeof *set);
    struct conf *root = set == NULL
                            ? NULL
                            : conf_read_text("ports", switches->traffic ? traffic_text : table_text,
                                             &switches->arena, &diags);
    if (root == NULL || !poll_set_read(root, "ports", &switches->arena, &diags, set)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    switches->table = &set->tables[0];
    return 0;
}

int probe_port_open(struct probe_source *source, struct nsh_error *err)
{
    const struct nsh_value *settings = &source->config->settings;
    struct probe_switches *switches = calloc(1, sizeof *switches);
    if (switches == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    source->switches = switches;
    switches->traffic = nsh_get_bool(settings, "traffic", false);
    struct snmp_credentials *credentials = &switches->credentials;
    int result = table_read(switches, err);
    result = result < 0 ? result
                        : probe_login_read(source->services, source->config, &switches->arena,
                                           credentials, err);
    return result < 0 ? result : poll_wire_new(credentials, NULL, &switches->like, err);
}

void probe_port_stop(struct probe_source *source)
{
    if (source->switches != NULL) {
        switches_free(source->switches);
    }
}

void probe_port_done(struct probe_source *source)
{
    if (source->switches != NULL) {
        switches_free(source->switches);
        poll_wire_free(source->switches->like);
        arena_done(&source->switches->arena);
        free(source->switches);
    }
}

void probe_port_doctor(const struct probe_source *source, struct nsh_checks *checks)
{
    const struct probe_switches *switches = source->switches;
    uint32_t silent = 0, missing = 0;
    if (switches == NULL) {
        return;
    }
    for (uint32_t i = 0; i < switches->count; i++) {
        const struct port_switch *sw = switches->items[i];
        silent += sw->why[0] != '\0';
        if (sw->why[0] != '\0' && silent <= SHOWN_MAX) {
            nsh_check_add(checks, "switch", NSH_CHECK_FAILED,
                          "its hosts have no witness here: they are neither up nor down",
                          "%.60s: %s", sw->name, sw->why);
        }
    }
    for (uint32_t i = 0; i < switches->ports_count; i++) {
        const struct port *port = &switches->ports[i];
        missing += port->state == PORT_MISSING;
        if (port->state == PORT_MISSING && missing == 1) {
            nsh_check_add(checks, "port", NSH_CHECK_WARNING,
                          "ports of the inventory are named as ifName or ifDescr say",
                          "%.100s is no interface of its switch", port->text);
        }
    }
    nsh_check_add(checks, "switches", switches->unplaced == 0 ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                  switches->unplaced == 0 ? NULL : "name it in `switches`, or as a host",
                  "%u are read for %u ports, %u do not answer; %u ports are of switches without "
                  "an address, %u are not there",
                  switches->count, switches->ports_count, silent, switches->unplaced, missing);
}
