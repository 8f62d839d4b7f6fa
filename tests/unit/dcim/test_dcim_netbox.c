/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of NetBox' lists: the power path, the BMC's address, and what must stay out. */

#include "../unit.h"

#include "dcim_rig.h"

struct rig {
    struct arena arena;
    struct netbox_lists lists;
    struct dcim dcim;
};

/* What each list has, without its brackets; NULL: it is empty. */
struct netbox_says {
    const char *devices, *racks, *feeds, *ports, *interfaces, *addresses, *pdus;
};

static void add_list(struct textbuf *out, const char *name, const char *items)
{
    textbuf_addf(out, "%s\"%s\":[%s]", out->count == 0 ? "{" : ",", name,
                 items == NULL ? "" : items);
}

static void rig_open(struct rig *rig, const struct netbox_says *says)
{
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    struct nsh_error err = {0};

    *rig = (struct rig){.arena = ARENA_INIT};
    add_list(&json, "devices", says->devices);
    add_list(&json, "racks", says->racks);
    add_list(&json, "feeds", says->feeds);
    add_list(&json, "ports", says->ports);
    add_list(&json, "interfaces", says->interfaces);
    add_list(&json, "addresses", says->addresses);
    add_list(&json, "pdus", says->pdus);
    textbuf_add_char(&json, '}');
    assert_int_equal(rig_lists(json.at, &rig->arena, &rig->lists), 0);
    if (netbox_hosts(&rig->lists, &rig->dcim, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void rig_close(struct rig *rig)
{
    dcim_done(&rig->dcim);
    arena_done(&rig->arena);
}

static bool remarked(const struct rig *rig, bool conflict, const char *host, const char *text)
{
    for (size_t i = 0; i < rig->dcim.remarks_count; i++) {
        const struct dcim_remark *remark = &rig->dcim.remarks[i];
        if (remark->conflict == conflict && strcmp(remark->host, host) == 0 &&
            strstr(remark->text, text) != NULL) {
            return true;
        }
    }
    return false;
}

static const char *joined(const struct dcim_texts *texts, char room[256])
{
    room[0] = '\0';
    for (size_t i = 0; i < texts->count; i++) {
        snprintf(room + strlen(room), 256 - strlen(room), "%s%s", i == 0 ? "" : " ", texts->at[i]);
    }
    return room;
}

#define DEVICE(id, name, more)                                                                     \
    "{\"id\":" #id ",\"url\":\"u" #id "\",\"name\":\"" name                                        \
    "\",\"status\":{\"value\":\"active\"}" more "}"
#define ADDRESS(name, address) ",\"" name "\":{\"address\":\"" address "\"}"
#define OOB ADDRESS("oob_ip", "10.9.0.1/24")
#define H1(more) DEVICE(1, "h1", more)
#define PDU_A DEVICE(8, "pdu-a", ADDRESS("primary_ip4", "10.0.9.1/24"))
#define PDU_B DEVICE(9, "pdu-b", ",\"primary_ip4\":null" ADDRESS("oob_ip", "10.0.9.2/24"))
#define PORT(id, device, name, more)                                                               \
    "{\"id\":" #id ",\"device\":{\"id\":" #device "},\"name\":\"" name "\"," more "}"
#define ENDS_AT(type, end)                                                                         \
    "\"connected_endpoints_type\":\"dcim." type "\",\"connected_endpoints\":[{" end "}]"
#define OUTLET(name, pdu, pdu_name)                                                                \
    ENDS_AT("poweroutlet",                                                                         \
            "\"name\":\"" name "\",\"device\":{\"id\":" #pdu ",\"name\":\"" pdu_name "\"}")
#define FEED(name) ENDS_AT("powerfeed", "\"name\":\"" name "\"")
#define ON_PDU_A(outlet) PORT(1, 1, "PSU1", OUTLET(outlet, 8, "pdu-a"))
#define MANAGED                                                                                    \
    "{\"id\":5,\"device\":{\"id\":1},\"mgmt_only\":true},"                                         \
    "{\"id\":6,\"device\":{\"id\":1},\"mgmt_only\":false}"
#define IP(interface, address)                                                                     \
    "{\"address\":\"" address "\",\"assigned_object_type\":\"dcim.interface\","                    \
    "\"assigned_object_id\":" #interface "}"
#define H1_IN_FULL                                                                                 \
    ",\"serial\":\"S1\",\"site\":{\"slug\":\"dc1\"},\"rack\":{\"id\":4,\"name\":\"r1\"},"          \
    "\"role\":{\"slug\":\"web\"}" OOB ADDRESS("primary_ip4", "10.0.0.1/24")                        \
        ADDRESS("primary_ip6", "2001:db8::1/64")
#define TWO_SUPPLIES ON_PDU_A("Outlet 7") "," PORT(2, 1, "PSU2", OUTLET("12", 9, "pdu-b"))
#define TWO_FEEDS PORT(3, 8, "In", FEED("a")) "," PORT(4, 9, "In", FEED("b"))

/* Two power supplies on two PDUs, each on a feed of its own. */
static const struct netbox_says two_feeds = {
    .devices = H1(H1_IN_FULL),
    .racks = "{\"id\":4,\"name\":\"r1\",\"location\":{\"slug\":\"hall-1\"}}",
    .ports = TWO_SUPPLIES "," TWO_FEEDS,
    .pdus = PDU_A "," PDU_B,
};

static void power_path(void **state)
{
    struct rig rig;
    char room[256];

    (void)state;
    rig_open(&rig, &two_feeds);
    assert_int_equal(rig.dcim.hosts_count, 1);
    assert_int_equal(rig.dcim.remarks_count, 0);
    const struct dcim_host *host = dcim_find(&rig.dcim, "h1");
    assert_non_null(host);
    assert_string_equal(joined(&host->fields[DCIM_FEED], room), "a b");
    assert_string_equal(joined(&host->fields[DCIM_PDU], room), "pdu-a pdu-b");
    assert_string_equal(joined(&host->fields[DCIM_ROOM], room), "hall-1"); /* Its rack's. */
    assert_string_equal(joined(&host->fields[DCIM_ADDRESSES], room), "10.0.0.1 2001:db8::1");
    assert_string_equal(host->pdu_address, "10.0.9.1");
    assert_string_equal(host->outlets, "7, 10.0.9.2/12");
    assert_string_equal(host->bmc, "10.9.0.1");
    assert_false(host->maintenance);
    rig_close(&rig);
}

static void pdus_are_asked_for(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, &two_feeds);
    assert_string_equal(netbox_list_path(&rig.lists, NETBOX_PDUS, "role=server", 0, &rig.arena),
                        "dcim/devices/?limit=500&exclude=config_context&id=8&id=9");
    assert_null(netbox_list_path(&rig.lists, NETBOX_PDUS, "", 1, &rig.arena));
    assert_string_equal(netbox_list_path(&rig.lists, NETBOX_DEVICES, "role=server", 0, &rig.arena),
                        "dcim/devices/?exclude=config_context&limit=500&role=server");
    assert_null(netbox_list_path(&rig.lists, NETBOX_DEVICES, "", 1, &rig.arena));
    rig_close(&rig);
}

/* Each with what is remarked, and what the host has all the same. */
static void nothing_is_guessed(void **state)
{
    static const struct {
        struct netbox_says says;
        bool conflict;
        const char *host, *text;
        const char *bmc, *outlets; /* Of host; NULL: none. */
    } rows[] = {
        {{.devices = H1(OOB), .pdus = PDU_A, .ports = ON_PDU_A("Outlet 7")},
         false,
         "h1",
         "on no power feed",
         "10.9.0.1",
         "7"},
        {{.devices = H1(OOB), .pdus = PDU_A, .ports = ON_PDU_A("A3")},
         false,
         "h1",
         "outlet 'A3' of PDU pdu-a cannot be switched: its name ends in no number",
         "10.9.0.1",
         NULL},
        {{.devices = H1(OOB), .ports = ON_PDU_A("Outlet 7")},
         false,
         "h1",
         "the PDU has no address",
         "10.9.0.1",
         NULL},
        {{.devices = H1(OOB), .ports = PORT(1, 1, "PSU1", "\"connected_endpoints\":null")},
         false,
         "h1",
         "power port 'PSU1' leads nowhere",
         "10.9.0.1",
         NULL},
        {{.devices = H1(OOB),
          .pdus = PDU_A,
          .ports = PORT(1, 1, "PSU1",
                        "\"connected_endpoints_reachable\":false," OUTLET("Outlet 7", 8, "pdu-a"))},
         false,
         "h1",
         "power port 'PSU1': its cable is not connected",
         "10.9.0.1",
         NULL},
        {{.devices = H1(OOB),
          .feeds = "{\"id\":3,\"name\":\"a\",\"status\":{\"value\":\"failed\"}}",
          .ports = PORT(1, 1, "PSU1", ENDS_AT("powerfeed", "\"id\":3,\"name\":\"a\""))},
         false,
         "h1",
         "hangs on power feed a, which is failed",
         "10.9.0.1",
         NULL},
        {{.devices = H1("")}, false, "h1", "no BMC address", NULL, NULL},
        {{.devices = H1(""), .interfaces = MANAGED, .addresses = IP(6, "10.9.0.7/24")},
         false,
         "h1",
         "no BMC address",
         NULL,
         NULL}, /* Not an interface for management only. */
        {{.devices = H1(""),
          .interfaces = MANAGED,
          .addresses = IP(5, "10.9.0.7/24") "," IP(5, "10.9.0.8/24")},
         true,
         "h1",
         "2 addresses at interfaces for management",
         NULL,
         NULL},
        {{.devices = H1(OOB), .interfaces = MANAGED, .addresses = IP(5, "10.9.0.7/24")},
         true,
         "h1",
         "oob_ip is 10.9.0.1, its interface for management has 10.9.0.7",
         "10.9.0.1",
         NULL},
        {{.devices = H1(OOB) "," DEVICE(2, "h2", OOB)},
         true,
         "h2",
         "has BMC address 10.9.0.1, as h1 has: neither is taken",
         NULL,
         NULL},
        {{.devices = H1(OOB) "," DEVICE(2, "h 2", "")},
         true,
         "h 2",
         "no name for a host",
         NULL,
         NULL},
        {{.devices = "{\"id\":1,\"url\":\"u\",\"name\":null,\"status\":{\"value\":\"active\"}}"},
         false,
         "",
         "without a name",
         NULL,
         NULL},
        {{.devices = H1(OOB ",\"serial\":\"S\"") "," DEVICE(2, "h2", ",\"serial\":\"S\"")},
         true,
         "h2",
         "has serial number S, as h1 has: neither is taken",
         NULL,
         NULL},
        {{.devices = H1(OOB) "," DEVICE(2, "h1", "")}, true, "h1", "neither is taken", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_open(&rig, &rows[i].says);
        if (!remarked(&rig, rows[i].conflict, rows[i].host, rows[i].text)) {
            fail_msg("row %zu: not remarked: %s", i, rows[i].text);
        }
        const struct dcim_host *host = dcim_find(&rig.dcim, rows[i].host);
        const char *bmc = host == NULL || host->left_out ? NULL : host->bmc;
        const char *outlets = host == NULL ? NULL : host->outlets;
        if ((bmc == NULL) != (rows[i].bmc == NULL) ||
            (outlets == NULL) != (rows[i].outlets == NULL) ||
            (bmc != NULL && strcmp(bmc, rows[i].bmc) != 0) ||
            (outlets != NULL && strcmp(outlets, rows[i].outlets) != 0)) {
            fail_msg("row %zu (%s): bmc %s, outlets %s", i, rows[i].text, bmc == NULL ? "-" : bmc,
                     outlets == NULL ? "-" : outlets);
        }
        bool both = strstr(rows[i].text, "neither is taken") != NULL;
        for (size_t h = 0; both && h < rig.dcim.hosts_count; h++) { /* Nor the other one's. */
            const struct dcim_host *one = &rig.dcim.hosts[h];
            bool serial = strstr(rows[i].text, "serial") != NULL;
            bool has = serial ? one->fields[DCIM_SERIAL].count > 0 : one->bmc != NULL;
            if (has && !one->left_out) {
                fail_msg("row %zu (%s): %s has it", i, rows[i].text, one->name);
            }
        }
        rig_close(&rig);
    }
}

static void management_interface(void **state)
{
    struct rig rig;

    (void)state;
    const struct netbox_says says = {
        .devices = H1(""), .interfaces = MANAGED, .addresses = IP(5, "10.9.0.7/24")};
    rig_open(&rig, &says);
    assert_string_equal(dcim_find(&rig.dcim, "h1")->bmc, "10.9.0.7");
    assert_int_equal(rig.dcim.remarks_count, 0);
    rig_close(&rig);
}

static void statuses(void **state)
{
    static const struct {
        const char *status;
        bool left_out, maintenance;
    } rows[] = {
        {"active", false, false},         {"failed", false, false}, {"offline", false, true},
        {"staged", false, true},          {"planned", true, false}, {"inventory", true, false},
        {"decommissioning", true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        char device[256];
        snprintf(device, sizeof device,
                 "{\"id\":1,\"url\":\"u\",\"name\":\"h1\",\"status\":{\"value\":\"%s\"}}",
                 rows[i].status);
        const struct netbox_says says = {.devices = device};
        rig_open(&rig, &says);
        const struct dcim_host *host = dcim_find(&rig.dcim, "h1");
        assert_non_null(host);
        if (host->left_out != rows[i].left_out || host->maintenance != rows[i].maintenance) {
            fail_msg("%s", rows[i].status);
        }
        rig_close(&rig);
    }
}

static void pages(void **state)
{
    static const char *const wrong[] = {"{}", "[]", "{\"results\":{},\"next\":null}",
                                        "{\"results\":[]}", "{\"results\":[],\"next\":7}"};
    struct arena arena = ARENA_INIT;
    struct netbox_lists lists = {.counts = {0}};
    struct nsh_value page;
    const char *next = "before";

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(json_parse(wrong[i], strlen(wrong[i]), &arena, &page, NULL), 0);
        assert_int_equal(netbox_page_take(&lists, NETBOX_PORTS, &page, &arena, &next, NULL),
                         -NSH_PROTOCOL);
        assert_string_equal(next, "before");
    }
    static const char good[] = "{\"results\":[{\"id\":1}],\"next\":\"https://n/api/?offset=1\"}";
    assert_int_equal(json_parse(good, strlen(good), &arena, &page, NULL), 0);
    assert_int_equal(netbox_page_take(&lists, NETBOX_PORTS, &page, &arena, &next, NULL), 0);
    assert_string_equal(next, "https://n/api/?offset=1");
    assert_int_equal(lists.counts[NETBOX_PORTS], 1);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_path),         cmocka_unit_test(pdus_are_asked_for),
        cmocka_unit_test(nothing_is_guessed), cmocka_unit_test(management_interface),
        cmocka_unit_test(statuses),           cmocka_unit_test(pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
