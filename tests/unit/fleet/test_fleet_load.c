/* SPDX-License-Identifier: Apache-2.0 */

/* Inventories: defaults, bindings, credentials, identity, and every mistake with its place. */

#include "base/json.h"
#include "fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct inventory *load(const char *text, struct diags *diags)
{
    char path[] = "/tmp/ns-fleet-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
    struct inventory *inventory = fleet_load(path, diags);
    unlink(path);
    return inventory;
}

static struct inventory *load_good(const char *text)
{
    struct diags diags = {0};
    struct inventory *inventory = load(text, &diags);
    if (inventory == NULL) {
        fail_msg("%s", diags.count > 0 ? diags.items[0].text : "no inventory, and no reason");
    }
    diags_done(&diags);
    return inventory;
}

static const char good[] =
    "credentials: ( { name = \"lab\"; user = \"admin\"; password = \"file:bmc\"; } );\n"
    "defaults: { site = \"dc1\"; role = \"none\"; labels = { env = \"lab\"; tier = \"1\"; };\n"
    "  bmc = { driver = \"redfish\"; credentials = \"lab\"; verify = true; port = 443; }; };\n"
    "hosts: (\n"
    "  { name = \"h1\"; rack = \"r1\"; feed = [\"a\", \"b\"]; pool = \"web\"; role = \"web\";\n"
    "    uuid = \"{4C4C4544-0039-3510-8051-B7C04F4A4E31}\"; serial = \"S1\"; engine = "
    "\"0x80001F8803AABB\";\n"
    "    addresses = [\"10.1.1.1\", \"H1.example\"]; labels = { env = \"prod\"; };\n"
    "    ports = [\"sw1/Ethernet1/7\", \"sw2/7\"]; instance = { driver = \"aws\"; instance = "
    "\"i-0abc\"; };\n"
    "    bmc = { address = \"https://10.9.1.1:8443/redfish\"; port = 8443; };\n"
    "    outlet = ( { driver = \"pdu\"; address = \"10.8.1.1\"; outlet = 3; },\n"
    "               { driver = \"pdu\"; address = \"10.8.1.2\"; outlet = 3; } ); },\n"
    "  { name = \"h2\"; pool = \"web\"; maintenance = true; quorum = \"etcd\"; node = "
    "{ driver = \"kubernetes\"; };\n"
    "    bmc = { driver = \"ipmi\"; address = \"::ffff:10.9.1.2\"; user = \"own\"; };\n"
    "    outlet = { driver = \"pdu\"; address = \"10.8.1.1\"; outlet = 4; }; },\n"
    "  { name = \"h3\"; node = { driver = \"kubernetes\"; node = \"worker-3\"; }; }\n"
    ");\n";

static void test_hosts_as_written(void **state)
{
    struct inventory *inventory = load_good(good);
    assert_int_equal(inventory->hosts_count, 3);
    assert_int_equal(inventory->pools_count, 1);
    assert_string_equal(inventory->pools[0].name, "web");
    assert_int_equal(inventory->pools[0].hosts_count, 2);
    const struct host *h1 = inventory_host(inventory, TEXT("h1"));
    assert_non_null(h1);
    assert_string_equal(h1->uuid, "4c4c4544-0039-3510-8051-b7c04f4a4e31");
    assert_string_equal(h1->role, "web");
    assert_string_equal(host_domain(h1, "site"), "dc1"); /* By default. */
    assert_int_equal(h1->domains_count, 4);
    assert_string_equal(nsh_get_text(&h1->labels, "env", ""), "prod");
    assert_string_equal(nsh_get_text(&h1->labels, "tier", ""), "1");
    assert_int_equal(h1->bindings_count, 4);
    const struct binding *bmc = host_binding(h1, BINDING_BMC);
    assert_string_equal(bmc->driver, "redfish");
    CLEANUP(textbuf_donep) struct textbuf json = {0};
    json_write(&bmc->settings, &json);
    assert_string_equal(json.at, "{\"address\":\"https://10.9.1.1:8443/redfish\",\"port\":8443,"
                                 "\"verify\":true,\"user\":\"admin\",\"password\":\"file:bmc\"}");
    textbuf_clear(&json);
    json_write(&h1->record, &json);
    assert_string_equal(json.at,
                        "{\"id\":\"h1\",\"name\":\"h1\",\"role\":\"web\",\"rack\":\"r1\","
                        "\"site\":\"dc1\",\"room\":\"\",\"row\":\"\",\"pool\":\"web\","
                        "\"serial\":\"S1\",\"uuid\":\"4c4c4544-0039-3510-8051-b7c04f4a4e31\","
                        "\"maintenance\":false,\"quorum\":\"\",\"labels\":{\"env\":\"prod\","
                        "\"tier\":\"1\"},\"addresses\":[\"10.1.1.1\",\"h1.example\"],"
                        "\"bindings\":[\"bmc\",\"outlet\",\"instance\"]}");
    const struct host *h2 = inventory_host(inventory, TEXT("h2"));
    assert_true(h2->maintenance);
    assert_string_equal(h2->quorum, "etcd");
    assert_string_equal(h2->role, "none");
    bmc = host_binding(h2, BINDING_BMC);
    assert_string_equal(bmc->driver, "ipmi");
    assert_string_equal(nsh_get_text(&bmc->settings, "user", ""), "own"); /* The host's own wins. */
    const struct host *h3 = inventory_host(inventory, TEXT("h3"));
    assert_int_equal(h3->bindings_count, 1); /* The defaults give none to a host without. */
    assert_null(h3->pool);
    assert_string_equal(nsh_get_text(&h3->labels, "env", ""), "lab");
    inventory_free(inventory);
}

static void test_revision_follows_the_content(void **state)
{
    struct inventory *a = load_good("hosts: ( { name = \"h1\"; } );");
    struct inventory *b = load_good("# a comment\nhosts: (\n { name = \"h1\"; }\n );");
    struct inventory *c = load_good("hosts: ( { name = \"h2\"; } );");
    assert_true(a->revision == b->revision);
    assert_true(a->revision != c->revision);
    inventory_free(a);
    inventory_free(b);
    inventory_free(c);
}

static void test_resolve(void **state)
{
    static const struct {
        const char *host, *hint, *expected;
        bool conflict;
        const char *why;
    } rows[] = {
        {"h2", "", "h2", false, "named by the source"},
        {"nosuch", "addr=10.1.1.1", "h1", false, "an unknown name falls back to the hints"},
        {"", "", NULL, false, "nothing known"},
        {"", "addr=10.7.7.7", NULL, false, "an unknown address is not guessed"},
        {"", "addr=10.9.1.1", "h1", false, "the controller's address, out of a URL"},
        {"", "addr=10.9.1.2", "h2", false, "an IPv4 address mapped into IPv6"},
        {"", "addr=::ffff:10.1.1.1", "h1", false, "the same the other way round"},
        {"", "addr=10.8.1.1", NULL, false, "a PDU is no host"},
        {"", "agent=h1.EXAMPLE", "h1", false, "names in any case"},
        {"", "uuid=4c4c4544-0039-3510-8051-b7c04f4a4e31", "h1", false, "a UUID"},
        {"", "uuid=44454C4C390010358051B7C04F4A4E31", "h1", false,
         "the other byte order, no dashes"},
        {"", "uuid=none", NULL, false, "no UUID"},
        {"", "serial=S1", "h1", false, "a serial"},
        {"", "engine=80001f8803aabb", "h1", false, "an SNMP engine"},
        {"", "engine=0x80001F8803AABB", "h1", false, "the same with 0x"},
        {"", "instance=i-0abc", "h1", false, "what a cloud calls it"},
        {"", "node=h2", "h2", false, "a node without a word is called as the host is"},
        {"", "node=worker-3", "h3", false, "a node with a name of its own"},
        {"", "node=h3", NULL, false, "then not by the host's"},
        {"", "port=sw1/Ethernet1/7", "h1", false, "the port of a switch"},
        {"", "port=sw1/Ethernet1/8", NULL, false, "the next port is nobody's"},
        {"", "node=h2,port=sw1/Ethernet1/7", "h2", true, "a name against a place"},
        {"", "host=h3,addr=10.1.1.1", "h3", true, "two hints that differ: the stronger wins"},
        {"", "addr=10.9.1.2,serial=S1", "h1", true, "strength, not order"},
        {"h2", "addr=10.1.1.1", "h2", true, "the name against the address"},
        {"", "addr=10.1.1.1,addr=10.9.1.2", "h1", true, "two addresses of two hosts"},
        {"", "addr=10.1.1.1,addr=10.9.1.1,serial=S1", "h1", false, "three that agree"},
        {"", ",,=,x,addr,addr=,=h1,mac=1,addr=10.1.1.1", "h1", false, "odd lists"},
        {"", "HOST=h1", NULL, false, "hint names have one case"},
    };
    struct inventory *inventory = load_good(good);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct event event = {.host = text_of(rows[i].host), .hint = text_of(rows[i].hint)};
        bool conflict;
        const struct host *host = fleet_resolve(inventory, &event, &conflict);
        const char *name = host == NULL ? "none" : host->name;
        const char *expected = rows[i].expected == NULL ? "none" : rows[i].expected;
        if (strcmp(name, expected) != 0 || conflict != rows[i].conflict) {
            fail_msg("%s: got %s, conflict %d", rows[i].why, name, conflict);
        }
    }
    inventory_free(inventory);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *error, *remedy;
        unsigned line;
        const char *why;
    } rows[] = {
        {"hosts: ( { name = \"a\"; rak = \"r1\"; } );", "unknown key 'rak'", "did you mean 'rack'?",
         1, "a slip in a key"},
        {"host: ( );", "unknown key 'host'", "did you mean 'hosts'?", 1, "a slip in a section"},
        {"defaults: { };", "needs a list of hosts", "hosts: (", 1, "no hosts at all"},
        {"hosts: ( { rack = \"r1\"; } );", "needs a name", NULL, 1, "no name"},
        {"hosts: ( { name = \"a b\"; } );", "is no host name", NULL, 1, "a blank in a name"},
        {"hosts: ( { name = \"../a\"; } );", "is no host name", NULL, 1, "a path as a name"},
        {"hosts: ( { name = \"a\"; },\n { name = \"a\"; } );", "taken by host a (", NULL, 2,
         "a name twice, naming the first place"},
        {"hosts: ( { name = \"a\"; addresses = [\"10.0.0.1\"]; },\n"
         "{ name = \"b\"; addresses = \"10.0.0.1\"; } );",
         "address 10.0.0.1 of host b is taken by host a", NULL, 2, "an address twice"},
        {"hosts: ( { name = \"a\"; addresses = [\"10.0.0.1\"]; },\n"
         "{ name = \"b\"; bmc = { driver = \"x\"; address = \"10.0.0.1\"; }; } );",
         "address 10.0.0.1 of host b is taken by host a", NULL, 2,
         "a controller that is another host"},
        {"hosts: ( { name = \"a\"; uuid = \"4c4c4544003935108051b7c04f4a4e31\"; },\n"
         "{ name = \"b\"; uuid = \"4C4C4544-0039-3510-8051-B7C04F4A4E31\"; } );",
         "uuid 4c4c4544-0039-3510-8051-b7c04f4a4e31 of host b is taken", NULL, 2,
         "a UUID twice, written in two ways"},
        {"hosts: ( { name = \"a\"; uuid = \"123\"; } );", "is no UUID", NULL, 1, "half a UUID"},
        {"hosts: ( { name = \"a\"; ports = \"sw1\"; } );", "is no port of a switch",
         "such as \"sw1/Ethernet1/7\"", 1, "a switch without a port"},
        {"hosts: ( { name = \"a\"; ports = \"sw1/7\"; },\n { name = \"b\"; ports = \"sw1/7\"; } );",
         "port sw1/7 of host b is taken by host a", NULL, 2, "two hosts on one port"},
        {"hosts: ( { name = \"a\"; bmc = { driver = \"x\"; address = \"10.0.0.9\"; }; },\n"
         "{ name = \"b\"; bmc = { driver = \"x\"; address = \"10.0.0.9\"; }; } );",
         "have the same bmc", NULL, 2, "two hosts, one controller"},
        {"hosts: ( { name = \"a\"; outlet = { driver = \"x\"; address = \"p\"; outlet = 3; }; },\n"
         "{ name = \"b\"; outlet = { driver = \"x\"; address = \"p\"; outlet = 3; }; } );",
         "have the same outlet", NULL, 2, "two hosts, one outlet"},
        {"hosts: ( { name = \"a\"; bmc = { address = \"10.0.0.9\"; }; } );", "names no driver",
         NULL, 1, "a binding without a driver"},
        {"credentials: ( { name = \"lab\"; user = \"u\"; password = \"env:P\"; } );\n"
         "hosts: ( { name = \"a\"; bmc = { driver = \"x\"; credentials = \"lap\"; }; } );",
         "no credentials named \"lap\"", "did you mean 'lab'?", 2, "a slip in credentials"},
        {"credentials: ( { name = \"l\"; pasword = \"env:P\"; } );\nhosts: ( { name = \"a\"; } );",
         "unknown key 'pasword'", "did you mean 'password'?", 1, "a slip inside credentials"},
        {"credentials: ( { name = \"l\"; },\n { name = \"l\"; } );\nhosts: ( { name = \"a\"; } );",
         "were given before", NULL, 2, "credentials twice"},
        {"defaults: { serial = \"1\"; };\nhosts: ( { name = \"a\"; } );", "belongs to one host",
         NULL, 1, "a serial for everybody"},
        {"hosts: ( { name = \"a\"; labels = { x = 3; }; } );", "must be a string", NULL, 1,
         "a label that is no text"},
        {"hosts: ( { name = \"a\"; maintenance = \"yes\"; } );", "must be a boolean", NULL, 1,
         "a text for a boolean"},
        {"hosts: ( { name = \"a\"; rack = 7; } );", "must be a string", NULL, 1,
         "a number for a rack"},
        {"hosts: ( { name = \"a\"; bmc = \"10.0.0.1\"; } );", "must be a group", NULL, 1,
         "an address for a binding"},
        {"hosts: ( { name = \"a\"; engine = \"xyz\"; } );", "is no SNMP engine id", NULL, 1,
         "an engine id that is none"},
        {"hosts: ( { name = \"a\"; feed = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
         "\"10\",\"11\",\"12\",\"13\"]; } );",
         "at most 12 failure domains", NULL, 1, "too many domains"},
        {"hosts: ( { name = \"a\"; reach = { power = [\"bmc\"]; }; } );", "host a has no bmc", NULL,
         1, "a way that is not there"},
        {"hosts: ( { name = \"a\"; reach = { powr = [\"bmc\"]; }; } );", "unknown key 'powr'",
         "power, fence", 1, "a purpose that is none"},
        {"hosts: ( { name = \"a\"; reach = { power = [\"ipmi\"]; }; } );", "cannot be \"ipmi\"",
         "one of: bmc, outlet", 1, "a driver for a binding"},
        {"defaults: { reach = { power = [\"bmc\", \"bmc\"]; }; };\nhosts: ( { name = \"a\"; } );",
         "bmc is named twice", NULL, 1, "twice the same"},
        {"hosts: ( { name = \"a\"; reach = { when = [\"mismatch\"]; }; } );",
         "cannot be \"mismatch\"", "one of: ", 1, "another machine is no reason to go on"},
        {"hosts: ( { name = \"a\"; reach = \"outlet\"; } );", "must be a group", "power = ", 1,
         "a text for reach"},
        {"hosts: ( \"a\" );", "a host is a group", NULL, 1, "names alone"},
        {"hosts = (", "", NULL, 1, "cut off"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diags diags = {0};
        struct inventory *inventory = load(rows[i].text, &diags);
        bool found = false;
        for (size_t k = 0; k < diags.count; k++) {
            const struct diag *diag = &diags.items[k];
            found = found || (diag->level == DIAG_ERROR && diag->at.line == rows[i].line &&
                              strstr(diag->text, rows[i].error) != NULL &&
                              (rows[i].remedy == NULL ||
                               (diag->remedy != NULL && strstr(diag->remedy, rows[i].remedy))));
        }
        if (inventory != NULL || !found) {
            fail_msg("%s: %s", rows[i].why, diags.count > 0 ? diags.items[0].text : "accepted");
        }
        diags_done(&diags);
    }
}

static const char *way(const struct inventory *inventory, const char *host, const char *verb,
                       size_t index)
{
    const struct binding *ways[HOST_REACH_MAX];
    size_t count =
        host_reach(inventory_host(inventory, text_of(host)), verb_find(text_of(verb)), ways);
    return index < count ? binding_word(ways[index]->kind) : "none";
}

static void test_reach(void **state)
{
    (void)state;
    struct inventory *inventory = load_good(
        "defaults: { reach = { power = [\"bmc\", \"outlet\"]; }; };\n"
        "hosts: ( { name = \"both\"; bmc = { driver = \"x\"; }; outlet = { driver = \"y\"; }; },\n"
        "{ name = \"cloud\"; instance = { driver = \"z\"; }; },\n"
        "{ name = \"own\"; bmc = { driver = \"x\"; }; outlet = { driver = \"y\"; };\n"
        "  reach = { power = [\"outlet\"]; when = [\"auth\", \"busy\"]; }; } );");
    assert_string_equal(way(inventory, "both", "power.cycle", 0), "bmc");
    assert_string_equal(way(inventory, "both", "power.cycle", 1), "outlet");
    assert_string_equal(way(inventory, "both", "fence", 1), "none"); /* Nothing said of these. */
    assert_string_equal(way(inventory, "cloud", "power.cycle", 0), "instance");
    assert_string_equal(way(inventory, "cloud", "power.cycle", 1), "none");
    assert_string_equal(way(inventory, "own", "power.cycle", 0), "outlet");
    assert_string_equal(way(inventory, "own", "power.cycle", 1), "none");
    assert_int_equal(inventory_host(inventory, TEXT("both"))->reach->when, REACH_WHEN_PRESET);
    assert_int_equal(inventory_host(inventory, TEXT("own"))->reach->when,
                     1u << NSH_AUTH | 1u << NSH_BUSY);
    assert_ptr_equal(inventory_host(inventory, TEXT("both"))->reach,
                     inventory_host(inventory, TEXT("cloud"))->reach);
    inventory_free(inventory);
}

static void test_all_mistakes_at_once(void **state)
{
    struct diags diags = {0};
    assert_null(load("hosts: ( { name = \"a\"; rak = \"1\"; },\n { name = \"a\"; },\n"
                     " { name = \"c\"; uuid = \"1\"; maintenance = 3; } );",
                     &diags));
    assert_int_equal(diags.errors_count, 4);
    diags_done(&diags);
}

static void test_shared_controller_is_no_hint(void **state)
{
    struct inventory *inventory = load_good(
        "hosts: (\n"
        "{ name = \"a\"; bmc = { driver = \"x\"; address = \"10.0.0.9\"; system = \"1\"; }; },\n"
        "{ name = \"b\"; bmc = { driver = \"x\"; address = \"10.0.0.9\"; system = \"2\"; }; },\n"
        "{ name = \"c\"; bmc = { driver = \"x\"; address = \"10.0.0.9\"; system = \"3\"; }; } );");
    struct event event = {.hint = TEXT("addr=10.0.0.9")};
    bool conflict;
    assert_null(fleet_resolve(inventory, &event, &conflict));
    assert_false(conflict);
    inventory_free(inventory);
}

static void test_placeholder_uuid_is_ignored(void **state)
{
    struct diags diags = {0};
    struct inventory *inventory = load(
        "hosts: ( { name = \"a\"; uuid = \"00000000-0000-0000-0000-000000000000\"; } );", &diags);
    assert_non_null(inventory);
    assert_int_equal(diags.warnings_count, 1);
    assert_null(inventory->hosts[0].uuid);
    inventory_free(inventory);
    diags_done(&diags);
}

static void test_documented_example_loads(void **state)
{
    struct diags diags = {0};
    struct inventory *inventory = fleet_load(TEST_SOURCE_DIR "/etc/inventory.conf", &diags);
    if (inventory == NULL) {
        fail_msg("%s", diags.items[0].text);
    }
    assert_int_equal(diags.count, 0);
    assert_true(inventory->hosts_count >= 2);
    assert_string_equal(host_binding(&inventory->hosts[0], BINDING_BMC)->driver, "redfish");
    inventory_free(inventory);
    diags_done(&diags);
}

static void test_missing_file(void **state)
{
    struct diags diags = {0};
    assert_null(fleet_load("/nowhere/inventory.conf", &diags));
    assert_int_equal(diags.errors_count, 1);
    diags_done(&diags);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_ten_thousand_hosts_are_quick(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_add_chars(&text,
                      "credentials: ( { name = \"l\"; user = \"u\"; password = \"env:P\"; } );\n"
                      "defaults: { bmc = { driver = \"redfish\"; credentials = \"l\"; }; };\n"
                      "hosts: (\n");
    for (int i = 0; i < 10000; i++) {
        textbuf_addf(&text,
                     "%s{ name = \"h%05d\"; rack = \"r%d\"; feed = [\"a\", \"b\"]; pool = \"p%d\"; "
                     "serial = \"S%d\"; addresses = [\"10.1.%d.%d\"]; bmc = { address = "
                     "\"10.2.%d.%d\"; }; }",
                     i == 0 ? "" : ",\n", i, i / 40, i % 7, i, i / 200, i % 200, i / 200, i % 200);
    }
    textbuf_add_chars(&text, ");\n");
    assert_false(text.failed);
    double start = seconds();
    struct inventory *inventory = load_good(text.at);
    double took = seconds() - start;
    assert_int_equal(inventory->hosts_count, 10000);
    assert_int_equal(inventory->pools_count, 7);
    printf("10000 hosts: %.0f ms, %zu KiB\n", took * 1000, inventory->arena.used_bytes / 1024);
#ifndef NS_SANITIZED
    assert_true(took < 1.0); /* Generous: others use the machine. Measured: well under 200 ms. */
#endif
    inventory_free(inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_as_written),
        cmocka_unit_test(test_revision_follows_the_content),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_shared_controller_is_no_hint),
        cmocka_unit_test(test_placeholder_uuid_is_ignored),
        cmocka_unit_test(test_documented_example_loads),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_ten_thousand_hosts_are_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
