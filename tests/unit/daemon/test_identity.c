/* SPDX-License-Identifier: Apache-2.0 */
/* A host's serial and uuid reach the drivers that check them, and what a binding says itself stays.
 */

#include "../unit.h"

#include "fleet/fleet.h"
#include "generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UUID "4c4c4544-0039-3510-8051-b7c04f4a4e31"
#define OTHER "4c4c4544-0039-3510-8051-000000000000"

static const char *const hosts =
    "hosts: (\n"
    "{ name = \"a\"; serial = \"S1\"; uuid = \"" UUID
    "\"; bmc = { driver = \"redfish\"; address = \"https://192.0.2.1\"; }; },\n"
    "{ name = \"b\"; serial = \"S2\"; uuid = \"4c4c4544-0039-3510-8051-b7c04f4a4e32\"; bmc = { "
    "driver = \"ipmi\"; address = \"192.0.2.2\"; "
    "uuid = \"" OTHER "\"; }; },\n"
    "{ name = \"c\"; serial = \"S3\"; bmc = { driver = \"exec\"; program = \"/bin/true\"; }; } "
    ");\n";

static void test_identity_is_told(void **state)
{
    static const struct {
        const char *host, *key, *wanted, *why;
    } rows[] = {
        {"a", "serial", "S1", "redfish checks it"},
        {"a", "uuid", UUID, "and this"},
        {"b", "uuid", OTHER, "the binding's own word stays"},
        {"b", "serial", "", "ipmi has no such option"},
        {"c", "serial", "", "nor has a program"},
    };
    char path[] = "/tmp/nightshift-identity-XXXXXX";
    int fd = mkstemp(path);
    struct nsh_error err = {0};
    struct diags diags = {0};
    struct drivers *drivers = NULL;
    assert_true(fd >= 0 && write(fd, hosts, strlen(hosts)) == (ssize_t)strlen(hosts));
    close(fd);
    struct inventory *inventory = fleet_load(path, &diags);
    unlink(path);
    if (inventory == NULL) {
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        diags_print(&diags, hosts, false, &out);
        fail_msg("%s", out.at);
    }
    assert_int_equal(drivers_load(TEST_BINARY_DIR "/drivers", &drivers, &err), 0);
    assert_true(generation_tell_identity(inventory, drivers));
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct host *host = inventory_host(inventory, text_of(rows[i].host));
        const struct binding *binding = host_binding(host, BINDING_BMC);
        const char *got = nsh_get_text(&binding->settings, rows[i].key, "");
        if (strcmp(got, rows[i].wanted) != 0) {
            fail_msg("%s %s: %s, got '%s'", rows[i].host, rows[i].key, rows[i].why, got);
        }
    }
    drivers_free(drivers);
    inventory_free(inventory);
    diags_done(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_identity_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
