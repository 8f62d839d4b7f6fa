/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of NetBox' lists: the power path, the BMC's address, and what must stay out. */

#include "../unit.h"

#include "dcim_rig.h"

struct rig {
    struct arena arena;
    struct netbox_lists lists;
    struct dcim dcim;
};

static void rig_open(struct rig *rig, const char *json)
{
    struct nsh_error err = {0};

    *rig = (struct rig){.arena = ARENA_INIT};
    assert_int_equal(rig_lists(json, &rig->arena, &rig->lists), 0);
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

/* Two power supplies on two PDUs, each on a feed of its own. */
static const char two_feeds[] = "{\"devices\":[" DEVICE(
    1, "h1",
    ",\"serial\":\"S1\",\"site\":{\"slug\":\"dc1\"},\"rack\":{\"id\":4,"
    "\"name\":\"r1\"},\"role\":{\"slug\":\"web\"},\"oob_ip\":{\"address\":"
    "\"10.9.0.1/24\"},\"primary_ip4\":{\"address\":\"10.0.0.1/24\"},"
    "\"primary_ip6\":{\"address\":\"2001:db8::1/64\"}") "],"
                                                        "\"racks\":[{\"id\":4,\"name\":\"r1\","
                                                        "\"location\":{\"slug\":\"hall-1\"}}],"
                                                        "\"pdus\":[" DEVICE(
                                                            8, "pdu-a",
                                                            ",\"primary_ip4\":{\"address\":\"10.0."
                                                            "9.1/24\"}") "," DEVICE(9, "pdu-b",
                                                                                    ",\"primary_"
                                                                                    "ip4\":null,"
                                                                                    "\"oob_ip\":{"
                                                                                    "\"address\":"
                                                                                    "\"10.0.9.2/"
                                                                                    "24\"}") "],"
                                                                                             "\"por"
                                                                                             "ts\":"
                                                                                             "["
                                                                                             "{\"id"
                                                                                             "\":1,"
                                                                                             "\"dev"
                                                                                             "ice\""
                                                                                             ":{"
                                                                                             "\"id"
                                                                                             "\":1}"
                                                                                             ",\"na"
                                                                                             "me\":"
                                                                                             "\"PSU"
                                                                                             "1\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints_"
                                                                                             "type"
                                                                                             "\":"
                                                                                             "\"dci"
                                                                                             "m."
                                                                                             "power"
                                                                                             "outle"
                                                                                             "t\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints"
                                                                                             "\":[{"
                                                                                             "\"nam"
                                                                                             "e\":"
                                                                                             "\"Out"
                                                                                             "let "
                                                                                             "7\","
                                                                                             "\"dev"
                                                                                             "ice\""
                                                                                             ":{"
                                                                                             "\"id"
                                                                                             "\":8,"
                                                                                             "\"nam"
                                                                                             "e\":"
                                                                                             "\"pdu"
                                                                                             "-a\"}"
                                                                                             "}]},"
                                                                                             "{\"id"
                                                                                             "\":2,"
                                                                                             "\"dev"
                                                                                             "ice\""
                                                                                             ":{"
                                                                                             "\"id"
                                                                                             "\":1}"
                                                                                             ",\"na"
                                                                                             "me\":"
                                                                                             "\"PSU"
                                                                                             "2\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints_"
                                                                                             "type"
                                                                                             "\":"
                                                                                             "\"dci"
                                                                                             "m."
                                                                                             "power"
                                                                                             "outle"
                                                                                             "t\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints"
                                                                                             "\":[{"
                                                                                             "\"nam"
                                                                                             "e\":"
                                                                                             "\"12"
                                                                                             "\","
                                                                                             "\"dev"
                                                                                             "ice\""
                                                                                             ":{"
                                                                                             "\"id"
                                                                                             "\":9,"
                                                                                             "\"nam"
                                                                                             "e\":"
                                                                                             "\"pdu"
                                                                                             "-b\"}"
                                                                                             "}]},"
                                                                                             "{\"id"
                                                                                             "\":3,"
                                                                                             "\"dev"
                                                                                             "ice\""
                                                                                             ":{"
                                                                                             "\"id"
                                                                                             "\":8}"
                                                                                             ",\"na"
                                                                                             "me\":"
                                                                                             "\"In"
                                                                                             "\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints_"
                                                                                             "type"
                                                                                             "\":"
                                                                                             "\"dci"
                                                                                             "m."
                                                                                             "power"
                                                                                             "feed"
                                                                                             "\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints"
                                                                                             "\":[{"
                                                                                             "\"nam"
                                                                                             "e\":"
                                                                                             "\"a\""
                                                                                             "}]},"
                                                                                             "{\"id"
                                                                                             "\":4,"
                                                                                             "\"dev"
                                                                                             "ice\""
                                                                                             ":{"
                                                                                             "\"id"
                                                                                             "\":9}"
                                                                                             ",\"na"
                                                                                             "me\":"
                                                                                             "\"In"
                                                                                             "\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints_"
                                                                                             "type"
                                                                                             "\":"
                                                                                             "\"dci"
                                                                                             "m."
                                                                                             "power"
                                                                                             "feed"
                                                                                             "\","
                                                                                             "\"con"
                                                                                             "necte"
                                                                                             "d_"
                                                                                             "endpo"
                                                                                             "ints"
                                                                                             "\":[{"
                                                                                             "\"nam"
                                                                                             "e\":"
                                                                                             "\"b\""
                                                                                             "}]}]"
                                                                                             "}";

static void power_path(void **state)
{
    struct rig rig;
    char room[256];

    (void)state;
    rig_open(&rig, two_feeds);
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
    rig_open(&rig, two_feeds);
    assert_string_equal(netbox_list_path(&rig.lists, NETBOX_PDUS, "role=server", 0, &rig.arena),
                        "dcim/devices/?limit=500&exclude=config_context&id=8&id=9");
    assert_null(netbox_list_path(&rig.lists, NETBOX_PDUS, "", 1, &rig.arena));
    assert_string_equal(netbox_list_path(&rig.lists, NETBOX_DEVICES, "role=server", 0, &rig.arena),
                        "dcim/devices/?exclude=config_context&limit=500&role=server");
    assert_null(netbox_list_path(&rig.lists, NETBOX_DEVICES, "", 1, &rig.arena));
    rig_close(&rig);
}

#define PORT(outlet, pdu)                                                                          \
    "\"ports\":[{\"id\":1,\"device\":{\"id\":1},\"name\":\"PSU1\",\"connected_endpoints_type\":"   \
    "\"dcim.poweroutlet\",\"connected_endpoints\":[{\"name\":\"" outlet                            \
    "\",\"device\":{\"id\":" #pdu ",\"name\":\"pdu-a\"}}]}]"
#define PDU "\"pdus\":[" DEVICE(8, "pdu-a", ",\"primary_ip4\":{\"address\":\"10.0.9.1/24\"}") "]"
#define OOB ",\"oob_ip\":{\"address\":\"10.9.0.1/24\"}"
#define MANAGED                                                                                    \
    "\"interfaces\":[{\"id\":5,\"device\":{\"id\":1},\"mgmt_only\":true},{\"id\":6,\"device\":{"   \
    "\"id\":1},\"mgmt_only\":false}]"
#define IP(interface, address)                                                                     \
    "{\"address\":\"" address "\",\"assigned_object_type\":\"dcim.interface\","                    \
    "\"assigned_object_id\":" #interface "}"

/* Each with what is remarked, and what the host has all the same. */
static void nothing_is_guessed(void **state)
{
    static const struct {
        const char *json;
        bool conflict;
        const char *host, *text;
        const char *bmc, *outlets; /* Of host; NULL: none. */
    } rows[] = {
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "]," PDU "," PORT("Outlet 7", 8) "}", false, "h1",
         "on no power feed", "10.9.0.1", "7"},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "]," PDU "," PORT("A3", 8) "}", false, "h1",
         "outlet 'A3' of PDU pdu-a cannot be switched: its name ends in no number", "10.9.0.1",
         NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "]," PORT("Outlet 7", 8) "}", false, "h1",
         "the PDU has no address", "10.9.0.1", NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "],\"ports\":[{\"id\":1,\"device\":{\"id\":1},"
                                               "\"name\":\"PSU1\",\"connected_endpoints\":null}]}",
         false, "h1", "power port 'PSU1' leads nowhere", "10.9.0.1", NULL},
        {"{\"devices\":[" DEVICE(
             1, "h1", OOB) "]," PDU ",\"ports\":[{\"id\":1,\"device\":{\"id\":1},\"name\":\"PSU1\","
                           "\"connected_endpoints_type\":\"dcim.poweroutlet\",\"connected_"
                           "endpoints_reachable\":"
                           "false,\"connected_endpoints\":[{\"name\":\"Outlet "
                           "7\",\"device\":{\"id\":8,\"name\":"
                           "\"pdu-a\"}}]}]}",
         false, "h1", "power port 'PSU1': its cable is not connected", "10.9.0.1", NULL},
        {"{\"devices\":[" DEVICE(
             1, "h1",
             OOB) "],\"feeds\":[{\"id\":3,\"name\":\"a\",\"status\":{\"value\":\"failed\"}}],"
                  "\"ports\":[{"
                  "\"id\":1,\"device\":{\"id\":1},\"name\":\"PSU1\",\"connected_endpoints_type\":"
                  "\"dcim.powerfeed\",\"connected_endpoints\":[{\"id\":3,\"name\":\"a\"}]}]}",
         false, "h1", "hangs on power feed a, which is failed", "10.9.0.1", NULL},
        {"{\"devices\":[" DEVICE(1, "h1", "") "]}", false, "h1", "no BMC address", NULL, NULL},
        {"{\"devices\":[" DEVICE(1, "h1", "") "]," MANAGED
                                              ",\"addresses\":[" IP(6, "10.9.0.7/24") "]}",
         false, "h1", "no BMC address", NULL, NULL}, /* Not an interface for management only. */
        {"{\"devices\":[" DEVICE(1, "h1", "") "]," MANAGED ",\"addresses\":[" IP(
             5, "10.9.0.7/24") "," IP(5, "10.9.0.8/24") "]}",
         true, "h1", "2 addresses at interfaces for management", NULL, NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "]," MANAGED
                                               ",\"addresses\":[" IP(5, "10.9.0.7/24") "]}",
         true, "h1", "oob_ip is 10.9.0.1, its interface for management has 10.9.0.7", "10.9.0.1",
         NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "," DEVICE(2, "h2", OOB) "]}", true, "h2",
         "has BMC address 10.9.0.1, as h1 has: neither is taken", NULL, NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "," DEVICE(2, "h 2", "") "]}", true, "h 2",
         "no name for a host", NULL, NULL},
        {"{\"devices\":[{\"id\":1,\"url\":\"u\",\"name\":null,\"status\":{\"value\":\"active\"}}]}",
         false, "", "without a name", NULL, NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB ",\"serial\":\"S\"") "," DEVICE(
             2, "h2", ",\"serial\":\"S\"") "]}",
         true, "h2", "has serial number S, as h1 has: neither is taken", NULL, NULL},
        {"{\"devices\":[" DEVICE(1, "h1", OOB) "," DEVICE(2, "h1", "") "]}", true, "h1",
         "neither is taken", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_open(&rig, rows[i].json);
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
    rig_open(&rig, "{\"devices\":[" DEVICE(1, "h1", "") "]," MANAGED ",\"addresses\":[" IP(
                       5, "10.9.0.7/24") "]}");
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
        char json[256];
        snprintf(json, sizeof json,
                 "{\"devices\":[{\"id\":1,\"url\":\"u\",\"name\":\"h1\",\"status\":{\"value\":"
                 "\"%s\"}}]}",
                 rows[i].status);
        rig_open(&rig, json);
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
