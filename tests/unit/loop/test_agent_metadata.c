/* SPDX-License-Identifier: Apache-2.0 */
/* What a fence agent says of itself, also when it says it badly. */

#include "../unit.h"

#include "abi/secret.h"
#include "loop/agent_metadata.h"

#include <stdlib.h>
#include <string.h>

static const char good[] =
    "<?xml version=\"1.0\" ?>\n"
    "<resource-agent name=\"fence_x\" shortdesc=\"Fence &lt;x&gt; &amp; y\" >\n"
    "<longdesc>a > b</longdesc>\n<parameters>\n"
    "<parameter name=\"ip\" unique=\"0\" required=\"1\" obsoletes=\"ipaddr\">"
    "<getopt mixed=\"-a, --ip=[ip]\" /><content type=\"string\"  />"
    "<shortdesc lang=\"en\">IP address\n\tor name</shortdesc></parameter>\n"
    "<parameter name=\"ipaddr\" required=\"1\" deprecated=\"1\"><content type='string'/>"
    "</parameter>\n"
    "<parameter name=\"cipher\"><content type=\"select\" default=\"3>2\" >"
    "<option value=\"3\" /><option value=\"17\" /></content></parameter>\n"
    "<parameter name=\"power_wait\"><content type=\"second\" default=\"0\"/></parameter>\n"
    "</parameters>\n<actions>\n<action name=\"on\" automatic=\"0\"/><action name=\"status\" />"
    "<action name=\"list-status\" /></actions>\n</resource-agent>\n";

static void reads(void **state)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct agent_metadata metadata;
    struct nsh_error err = {0};
    (void)state;
    assert_int_equal(agent_metadata_read(good, sizeof good - 1, &arena, &metadata, &err), 0);
    assert_string_equal(metadata.summary, "Fence <x> & y");
    assert_int_equal(metadata.parameters_count, 4);
    const struct agent_parameter *at = metadata.parameters;
    assert_string_equal(at[0].name, "ip");
    assert_string_equal(at[0].help, "IP address or name");
    assert_true(at[0].required && !at[0].deprecated && at[0].preset == NULL);
    assert_true(at[1].deprecated);
    assert_string_equal(at[2].type, "select");
    assert_string_equal(at[2].preset, "3>2");
    assert_string_equal(at[2].choices[1], "17");
    assert_null(at[2].choices[2]);
    assert_string_equal(at[3].preset, "0");
    assert_true(metadata.on && metadata.status);
    assert_false(metadata.off || metadata.list || metadata.monitor);
}

/* Every beginning of it, and what is none. */
static void damaged(void **state)
{
    static const char *const rows[] = {
        "",
        "<",
        "<resource-agent",
        "<resource-agent name=\"x\">",
        "<a><b></b></a>",
        "<resource-agent shortdesc=\"x\"><parameter></parameter>",
        "Traceback (most recent call last):\n  File \"<stdin>\"",
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows) + sizeof good; i++) {
        CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
        struct agent_metadata metadata;
        struct nsh_error err = {0};
        const char *xml = i < ROWS(rows) ? rows[i] : good;
        size_t bytes = i < ROWS(rows) ? strlen(rows[i]) : i - ROWS(rows);
        char *copy = malloc(bytes + 1); /* So that a read behind it is seen. */
        assert_non_null(copy);
        memcpy(copy, xml, bytes);
        int result = agent_metadata_read(copy, bytes, &arena, &metadata, &err);
        free(copy);
        if (i < ROWS(rows)) {
            assert_int_equal(result, -NSH_PROTOCOL);
        }
    }
}

static void bounded(void **state)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf xml = {0};
    struct agent_metadata metadata;
    struct nsh_error err = {0};
    (void)state;
    textbuf_add_chars(&xml, "<resource-agent shortdesc=\"x\">");
    for (int i = 0; i <= AGENT_PARAMETERS_MAX; i++) {
        textbuf_addf(&xml, "<parameter name=\"p%d\"></parameter>", i);
    }
    assert_int_equal(agent_metadata_read(xml.at, xml.count, &arena, &metadata, &err), -NSH_LIMIT);
}

static void secrets(void **state)
{
    static const struct {
        const char *name;
        bool secret;
    } rows[] = {
        {"password", true},  {"passwd", true},       {"snmp_priv_passwd", true},
        {"community", true}, {"secret_key", true},   {"password_script", false},
        {"ip", false},       {"no_password", false}, {"identity_file", false},
        {"token", true},     {"access_key", true},   {"passwd_prompt", false},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(nsh_name_says_secret(rows[i].name), rows[i].secret);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(damaged),
        cmocka_unit_test(bounded),
        cmocka_unit_test(secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
