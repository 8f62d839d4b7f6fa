/* SPDX-License-Identifier: Apache-2.0 */
/* nightshift.conf: all mistakes at once and where they stand; defaults; the shipped example. */

#include "../unit.h"

#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLDER TEST_SOURCE_DIR "/tests/unit/daemon"

static char *file_read(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t count = fread(text, 1, (1 << 20) - 1, file);
    text[count] = '\0';
    fclose(file);
    return text;
}

/* Compare with a golden file; NSH_ACCEPT=1 rewrites it. */
static void golden(const char *path, const char *text)
{
    if (getenv("NSH_ACCEPT") != NULL) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    CLEANUP(freep) char *wanted = file_read(path);
    assert_non_null(wanted);
    assert_string_equal(text, wanted);
}

static void all_mistakes_at_once(void **state)
{
    CLEANUP(freep) char *text = file_read(FOLDER "/mistakes.conf");
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct diags diags = {0};
    assert_null(config_load_text("mistakes.conf", text, &diags));
    diags_print(&diags, text, false, &out);
    diags_done(&diags);
    golden(FOLDER "/mistakes.golden", out.at);
}

static struct config *parse(const char *text)
{
    struct diags diags = {0};
    struct config *config = config_load_text("/etc/test/nightshift.conf", text, &diags);
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(&diags, text, false, &out);
    if (config == NULL) {
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    return config;
}

static void an_empty_file_is_all_defaults(void **state)
{
    struct config *config = parse("");
    assert_string_equal(config->store_path, "/var/lib/nightshift/nightshift.db");
    assert_int_equal(config->store_bytes_max, 20LL << 30);
    assert_int_equal(config->store_journal_keep_ms, 90LL * 86400 * 1000);
    assert_string_equal(config->inventory, "/etc/test/inventory.conf"); /* Beside the file. */
    assert_int_equal(config->snmp_receivers, 1);
    assert_int_equal(config->snmp_listen.count, 0);
    assert_null(config->pager.driver);
    assert_false(config->plain_secrets);
    assert_int_equal(config->policy.mode, POLICY_OBSERVE);
    config_free(config);
}

static void values_arrive(void **state)
{
    struct config *config = parse(
        "store = { path = \"/srv/n.db\"; bytes_max = \"2GiB\"; journal_keep = \"7d\"; };\n"
        "snmp = { listen = [\"udp:127.0.0.1:1162\", \"udp6:[::1]:1162\"]; receivers = 2;\n"
        "  users = ( { name = \"bmc\"; auth = \"SHA-256\"; auth_secret = \"file:a\"; } ); };\n"
        "api = { tokens = ( { name = \"g\"; secret = \"file:g\"; role = \"viewer\"; } ); };\n"
        "pager = { driver = \"exec\"; program = \"/bin/true\"; };\n"
        "receivers = ( { name = \"noc\"; driver = \"notify\"; kind = \"mail\"; } );\n"
        "defaults = { mode = \"enforce\"; settle = \"2s\"; };\n");
    assert_string_equal(config->store_path, "/srv/n.db");
    assert_int_equal(config->store_bytes_max, 2LL << 30);
    assert_int_equal(config->snmp_listen.count, 2);
    assert_string_equal(config->snmp_listen.items[1], "udp6:[::1]:1162");
    assert_int_equal(config->snmp_users.count, 1);
    assert_string_equal(config->snmp_users.items[0].auth_secret, "file:a");
    assert_int_equal(config->api_tokens.items[0].role, API_VIEWER);
    assert_string_equal(config->pager.driver, "exec");
    assert_null(nsh_get(&config->pager.settings, "driver")); /* It is no setting of the driver. */
    assert_int_equal(config->receivers.count, 1);
    assert_null(config_receiver(config, "chat"));
    const struct config_receiver *noc = config_receiver(config, "noc");
    assert_string_equal(noc->place, "to/noc");
    assert_string_equal(nsh_get_text(&noc->service.settings, "kind", ""), "mail");
    assert_int_equal(noc->service.settings.count, 1); /* Nor is its name. */
    assert_string_equal(nsh_get_text(&config->pager.settings, "program", ""), "/bin/true");
    assert_int_equal(config->policy.mode, POLICY_ENFORCE);
    assert_int_equal(config->policy.settle_ms, 2000);
    config_free(config);
}

static void receivers_are_told_apart(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"receivers = ( { name = \"a\"; driver = \"page\"; }, { name = \"a\"; driver = \"page\"; } "
         ");",
         "two receivers 'a'"},
        {"receivers = ( 7 );", "must be a list ( ) of groups"},
        {"receivers = { name = \"a\"; };", "must be a list ( ) of groups"},
        {"receivers = ( { name = \"to/b\"; driver = \"page\"; } );", "letters, digits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diags diags = {0};
        CLEANUP(textbuf_donep) struct textbuf out = {0};
        assert_null(config_load_text("n.conf", rows[i].text, &diags));
        diags_print(&diags, rows[i].text, false, &out);
        diags_done(&diags);
        assert_non_null(strstr(out.at, rows[i].words));
    }
}

static void what_needs_a_restart(void **state)
{
    struct config *now = parse("store = { path = \"/a\"; }; snmp = { silence = \"1h\"; };");
    struct config *then = parse("store = { path = \"/b\"; }; snmp = { silence = \"2h\"; };\n"
                                "api = { listen = \"127.0.0.1:1\"; }; policies = \"other\";");
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    config_fixed_differ(now, then, &out);
    assert_string_equal(out.at, "store.path, api.listen");
    config_free(now);
    config_free(then);
}

static void engine_ids(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        size_t bytes;
        const char *why;
    } rows[] = {
        {"0x80001f8804", true, 5, "the shortest"},
        {"0x80001f88", false, 0, "four bytes: too short"},
        {"80001f8804", false, 0, "no 0x: could be anything"},
        {"0x80001f880", false, 0, "half a byte"},
        {"0x80001f88zz", false, 0, "not hexadecimal"},
        {"0x8000000000000000000000000000000000000000000000000000000000000000", true, 32, "longest"},
        {"0x800000000000000000000000000000000000000000000000000000000000000000", false, 0,
         "33 bytes"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint8_t id[TRAP_ENGINE_BYTES_MAX];
        size_t count = 0;
        print_message("%s\n", rows[i].why);
        assert_int_equal(config_engine_id(rows[i].text, id, &count), rows[i].valid);
        if (rows[i].valid) {
            assert_int_equal(count, rows[i].bytes);
            assert_int_equal(id[0], 0x80);
        }
    }
}

/* The shipped file is what the table says. */
static void the_example_is_the_table(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    config_example(&out);
    golden(TEST_SOURCE_DIR "/etc/nightshift.conf", out.at);
}

/* Every line of the example, its mark taken away, is good: keys are known, defaults in range. */
static void the_example_is_valid(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    config_example(&out);
    for (char *at = out.at; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1) {
        char *mark = at + strspn(at, " ");
        if (mark[0] == '#' && islower((unsigned char)mark[1])) {
            mark[0] = ' ';
        }
    }
    struct config *config = parse(out.at), *defaults = parse("");
    CLEANUP(textbuf_donep) struct textbuf differ = {0};
    config_fixed_differ(config, defaults, &differ);
    assert_int_equal(differ.count, 0); /* What is shown as default is the default. */
    struct policy_guards *guards = &config->policy.guards; /* Where they stand is no value. */
    memset(guards->file, 0, sizeof guards->file);
    memset(guards->lines, 0, sizeof guards->lines);
    assert_memory_equal(&config->policy, &defaults->policy, sizeof config->policy);
    config_free(config);
    config_free(defaults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_mistakes_at_once),
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(values_arrive),
        cmocka_unit_test(receivers_are_told_apart),
        cmocka_unit_test(what_needs_a_restart),
        cmocka_unit_test(engine_ids),
        cmocka_unit_test(the_example_is_the_table),
        cmocka_unit_test(the_example_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
