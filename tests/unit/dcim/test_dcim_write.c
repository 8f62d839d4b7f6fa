/* SPDX-License-Identifier: Apache-2.0 */
/* The text of an inventory, and in what one differs. */

#include "../unit.h"

#include "dcim_rig.h"

static const char known[] =
    "{\"devices\":["
    "{\"id\":1,\"url\":\"u1\",\"name\":\"h1\",\"serial\":\"S1\",\"status\":{\"value\":\"active\"},"
    "\"site\":{\"slug\":\"dc1\"},\"rack\":{\"id\":4,\"name\":\"r1\"},\"role\":{\"slug\":\"web\"},"
    "\"oob_ip\":{\"address\":\"10.9.0.1/24\"},\"primary_ip4\":{\"address\":\"10.0.0.1/24\"}},"
    "{\"id\":2,\"url\":\"u2\",\"name\":\"h2\",\"serial\":\"\",\"status\":{\"value\":\"offline\"},"
    "\"site\":{\"slug\":\"dc1\"},\"oob_ip\":{\"address\":\"10.9.0.2/24\"}}],"
    "\"pdus\":[{\"id\":8,\"name\":\"p1\",\"primary_ip4\":{\"address\":\"10.0.9.1/24\"}}],"
    "\"ports\":[{\"id\":1,\"device\":{\"id\":1},\"name\":\"PSU1\",\"connected_endpoints_type\":"
    "\"dcim.poweroutlet\",\"connected_endpoints\":[{\"name\":\"Outlet 7\",\"device\":{\"id\":8,"
    "\"name\":\"p1\"}}]},{\"id\":2,\"device\":{\"id\":8},\"name\":\"In\","
    "\"connected_endpoints_type\":\"dcim.powerfeed\",\"connected_endpoints\":[{\"name\":\"a\"}]}]}";

static const char before[] =
    "# Ours: what stands here stays.\n"
    "defaults: { site = \"dc1\"; bmc = { driver = \"redfish\"; user = \"u\"; };\n"
    "  outlet = { driver = \"snmp\"; }; };\n"
    "hosts: (\n"
    "  { name = \"old\"; bmc = { address = \"10.9.0.9\"; }; labels = { a = \"b\"; }; },\n"
    "  { name = \"h1\"; rack = \"r9\"; pool = \"web\"; quorum = \"q\"; serial = \"S0\";\n"
    "    addresses = [\"h1.example.net\"];\n"
    "    bmc = { driver = \"ipmi\"; address = \"10.9.0.8:1623\"; cipher = 17; }; }\n"
    ");\n";

static const char after[] = "# Ours: what stands here stays.\n"
                            "defaults: { site = \"dc1\"; bmc = { driver = \"redfish\"; user = "
                            "\"u\"; };\n"
                            "  outlet = { driver = \"snmp\"; }; };\n"
                            "hosts: (\n"
                            "  {\n"
                            "    name = \"old\";\n"
                            "    bmc = { address = \"10.9.0.9\"; };\n"
                            "    labels = { a = \"b\"; };\n"
                            "  },\n"
                            "  {\n"
                            "    name = \"h1\";\n"
                            "    serial = \"S1\";\n"
                            "    rack = \"r1\";\n"
                            "    feed = [\"a\"];\n"
                            "    pdu = [\"p1\"];\n"
                            "    role = \"web\";\n"
                            "    addresses = [\"h1.example.net\", \"10.0.0.1\"];\n"
                            "    pool = \"web\";\n"
                            "    quorum = \"q\";\n"
                            "    bmc = { driver = \"ipmi\"; address = \"10.9.0.1:1623\"; cipher = "
                            "17; };\n"
                            "    outlet = { address = \"10.0.9.1\"; outlets = \"7\"; };\n"
                            "  },\n"
                            "  {\n"
                            "    name = \"h2\";\n"
                            "    maintenance = true;\n"
                            "    bmc = { address = \"10.9.0.2\"; };\n"
                            "  }\n"
                            ");\n";

struct rig {
    struct arena arena;
    struct netbox_lists lists;
    struct dcim dcim;
    struct diags diags;
};

static void rig_open(struct rig *rig)
{
    *rig = (struct rig){.arena = ARENA_INIT};
    assert_int_equal(rig_lists(known, &rig->arena, &rig->lists), 0);
    assert_int_equal(netbox_hosts(&rig->lists, &rig->dcim, NULL), 0);
}

static void rig_close(struct rig *rig)
{
    diags_done(&rig->diags);
    dcim_done(&rig->dcim);
    arena_done(&rig->arena);
}

static void write_of(struct rig *rig, const char *text, struct textbuf *out)
{
    struct conf *root = conf_read_text("inventory", text, &rig->arena, &rig->diags);
    struct nsh_error err = {0};

    assert_non_null(root);
    if (dcim_write(&rig->dcim, text, root, out, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void merged(void **state)
{
    struct rig rig;
    struct textbuf first = {0}, second = {0};

    (void)state;
    rig_open(&rig);
    write_of(&rig, before, &first);
    assert_string_equal(first.at, after);
    write_of(&rig, first.at, &second); /* Once more: nothing changes. */
    assert_string_equal(second.at, first.at);
    textbuf_done(&first);
    textbuf_done(&second);
    rig_close(&rig);
}

static void hosts_come_last(void **state)
{
    static const char text[] = "hosts: ( );\ndefaults: { };\n";
    struct rig rig;
    struct textbuf out = {0};

    (void)state;
    rig_open(&rig);
    struct conf *root = conf_read_text("inventory", text, &rig.arena, &rig.diags);
    assert_int_equal(dcim_write(&rig.dcim, text, root, &out, NULL), -NSH_INVALID);
    assert_int_equal(out.count, 0);
    textbuf_done(&out);
    rig_close(&rig);
}

/* Texts with quotes and control characters are read as they were. */
static void quoted(void **state)
{
    static const char text[] =
        "hosts: ( { name = \"x\"; labels = { a = \"q\\\"b\\\\c\\t\"; }; n = 3000000000L; f = 2.0; "
        "l = (1, \"two\", [3]); } );\n";
    struct rig rig;
    struct textbuf out = {0};

    (void)state;
    rig_open(&rig);
    write_of(&rig, text, &out);
    struct conf *root = conf_read_text("again", out.at, &rig.arena, &rig.diags);
    assert_non_null(root);
    struct conf *host = conf_get(root, "hosts")->first;
    assert_string_equal(conf_get(conf_get(host, "labels"), "a")->text, "q\"b\\c\t");
    assert_int_equal(conf_get(host, "n")->integer, INT64_C(3000000000));
    assert_true(conf_get(host, "f")->type == CONF_FLOAT);
    assert_int_equal(conf_get(host, "l")->children_count, 3);
    textbuf_done(&out);
    rig_close(&rig);
}

static bool differs(const struct dcim_difference *differences, size_t count, const char *wanted)
{
    for (size_t i = 0; i < count; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s %s: %s -> %s", differences[i].host, differences[i].field,
                 differences[i].inventory, differences[i].register_says);
        if (strcmp(line, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static void drift(void **state)
{
    static const char *const wanted[] = {
        "old host: is there -> is not there",
        "h1 serial: S0 -> S1",
        "h1 rack: r9 -> r1",
        "h1 feed:  -> a",
        "h1 pdu:  -> p1",
        "h1 role:  -> web",
        "h1 addresses: h1.example.net -> 10.0.0.1",
        "h1 bmc: 10.9.0.8:1623 -> 10.9.0.1",
        "h2 host: is not there -> offline",
    };
    struct rig rig;
    struct textbuf out = {0};
    struct dcim_difference differences[32];

    (void)state;
    rig_open(&rig);
    for (int round = 0; round < 2; round++) {
        const char *text = round == 0 ? before : after;
        struct conf *root = conf_read_text("inventory", text, &rig.arena, &rig.diags);
        struct inventory *inventory = fleet_load_conf(root, &rig.diags);
        assert_non_null(inventory);
        size_t count = dcim_drift(&rig.dcim, inventory, &rig.arena, differences, 32);
        if (round == 0) {
            for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
                if (!differs(differences, count, wanted[i])) {
                    fail_msg("not told: %s", wanted[i]);
                }
            }
            assert_int_equal(count, sizeof wanted / sizeof wanted[0]);
        } else {
            assert_int_equal(count, 1); /* Who is not in NetBox stays, and stays told. */
            assert_true(differs(differences, count, wanted[0]));
        }
        /* A room that is too small is not overrun; the count is told all the same. */
        assert_int_equal(dcim_drift(&rig.dcim, inventory, &rig.arena, differences, 1), count);
        inventory_free(inventory);
    }
    textbuf_done(&out);
    rig_close(&rig);
}

/* A feed that only the inventory knows: a budget would count it. An address of ours is no drift. */
static void more_than_known(void **state)
{
    static const char text[] =
        "hosts: ( { name = \"h1\"; serial = \"S1\"; site = \"dc1\"; rack = \"r1\"; feed = [\"a\", "
        "\"b\"]; pdu = \"p1\"; role = \"web\"; addresses = [\"10.0.0.1\", \"10.0.0.2\"]; bmc = { "
        "driver "
        "= \"redfish\"; address = \"10.9.0.1\"; }; }, { name = \"h2\"; site = \"dc1\"; maintenance "
        "= "
        "true; bmc = { driver = \"redfish\"; address = \"https://10.9.0.2\"; }; } );\n";
    struct rig rig;
    struct dcim_difference differences[8];

    (void)state;
    rig_open(&rig);
    struct conf *root = conf_read_text("inventory", text, &rig.arena, &rig.diags);
    struct inventory *inventory = fleet_load_conf(root, &rig.diags);
    assert_non_null(inventory);
    assert_int_equal(dcim_drift(&rig.dcim, inventory, &rig.arena, differences, 8), 1);
    assert_true(differs(differences, 1, "h1 feed: a, b -> a"));
    inventory_free(inventory);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged), cmocka_unit_test(hosts_come_last), cmocka_unit_test(quoted),
        cmocka_unit_test(drift),  cmocka_unit_test(more_than_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
