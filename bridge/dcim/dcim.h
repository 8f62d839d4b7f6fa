/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DCIM_DCIM_H
#define DCIM_DCIM_H

/*
 * Hosts out of a data centre's register (NetBox), for the inventory: what is known of each, the
 * text of an inventory.conf that says it, and in what an inventory differs from it. Pure: the lists
 * are read elsewhere. Nothing is guessed: what contradicts itself or is not there is a remark with
 * the object's URL, and stays out.
 *
 *   dcim_netbox.c   NetBox' lists -> hosts
 *   dcim_write.c    hosts and the inventory there is -> the new inventory's text
 *   dcim_drift.c    in what an inventory differs
 */

#include "base/confscan.h"
#include "fleet/fleet.h"

#define DCIM_TEXTS_MAX 8 /* Feeds, PDUs, outlets, addresses of one host. */
#define DCIM_OBJECTS_MAX 500000

/* FIELD(NAME, word, is_list): what a register says of a host, as the inventory calls it. */
#define DCIM_FIELDS(FIELD)                                                                         \
    FIELD(SERIAL, "serial", false)                                                                 \
    FIELD(SITE, "site", false)                                                                     \
    FIELD(ROOM, "room", false)                                                                     \
    FIELD(RACK, "rack", false)                                                                     \
    FIELD(FEED, "feed", true)                                                                      \
    FIELD(PDU, "pdu", true)                                                                        \
    FIELD(ROLE, "role", false)                                                                     \
    FIELD(ADDRESSES, "addresses", true)

enum dcim_field {
#define FIELD(NAME, word, is_list) DCIM_##NAME,
    DCIM_FIELDS(FIELD)
#undef FIELD
        DCIM_FIELDS_COUNT
};

extern const char *const dcim_field_words[DCIM_FIELDS_COUNT];
extern const bool dcim_field_lists[DCIM_FIELDS_COUNT];

struct dcim_texts {
    const char *at[DCIM_TEXTS_MAX]; /* Each once. */
    size_t count;
};

struct dcim_host {
    const char *name, *url;
    int64_t id;
    const char *status;
    struct dcim_texts fields[DCIM_FIELDS_COUNT];
    const char *bmc;         /* Address; NULL: not known. */
    const char *pdu_address; /* Of the first outlet's PDU; NULL: not known. */
    const char *outlets;     /* "7, 10.0.9.2/7"; NULL: not known. */
    bool maintenance;
    bool left_out; /* A conflict, or a status that is no host's. */
};

struct dcim_remark {
    bool conflict; /* Else: something is not known. */
    const char *host, *url, *text;
};

struct dcim {
    struct arena arena;
    struct dcim_host *hosts; /* By name. */
    size_t hosts_count;
    struct dcim_remark *remarks;
    size_t remarks_count, remarks_room;
};

void dcim_done(struct dcim *dcim);
/* A remark; the texts are copied. */
void dcim_remark(struct dcim *dcim, bool conflict, const char *host, const char *url,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
struct dcim_host *dcim_find(const struct dcim *dcim, const char *name); /* NULL: none. */
/* Add a text that is not there yet; false: there is no room, or no text. */
bool dcim_texts_add(struct dcim_texts *texts, const char *text);

/* ---- NetBox ----------------------------------------------------------------------------- */

/* In the order in which they are to be read: what is asked may depend on those before. */
enum netbox_list {
    NETBOX_DEVICES,
    NETBOX_RACKS,
    NETBOX_FEEDS,
    NETBOX_PORTS,
    NETBOX_INTERFACES,
    NETBOX_ADDRESSES,
    NETBOX_PDUS,
    NETBOX_LISTS_COUNT
};

/* All objects of each list. */
struct netbox_lists {
    struct nsh_value *items[NETBOX_LISTS_COUNT];
    size_t counts[NETBOX_LISTS_COUNT], rooms[NETBOX_LISTS_COUNT];
};

/* "dcim/devices/?..." to read a list with, the part-th (long questions are asked in parts); NULL:
 * there is no such part. filter: a query for the devices, or "". */
const char *netbox_list_path(const struct netbox_lists *lists, enum netbox_list list,
                             const char *filter, size_t part, struct arena *arena);
/* Take a page's results. NSH_PROTOCOL: it is no page; NSH_LIMIT. ret_next: "": it was the last. */
int netbox_page_take(struct netbox_lists *lists, enum netbox_list list,
                     const struct nsh_value *page, struct arena *arena, const char **ret_next,
                     struct nsh_error *err);
/* Hosts out of the lists. */
int netbox_hosts(const struct netbox_lists *lists, struct dcim *dcim, struct nsh_error *err);

/* ---- the inventory ---------------------------------------------------------------------- */

/*
 * The text of an inventory with what the register knows. before: the inventory there is (its text,
 * and that read), or NULL: what stands in front of its `hosts` stays, so do hosts that the register
 * does not know and settings it does not speak of. NSH_INVALID: `hosts` is not the last setting of
 * that file.
 */
int dcim_write(struct dcim *dcim, const char *before, struct conf *root, struct textbuf *out,
               struct nsh_error *err);

struct dcim_difference {
    const char *host, *field, *inventory, *register_says, *url;
};

/* In what the inventory differs: at most the room's; how many there are. */
size_t dcim_drift(const struct dcim *dcim, const struct inventory *inventory, struct arena *arena,
                  struct dcim_difference *ret_differences, size_t room);

#endif
