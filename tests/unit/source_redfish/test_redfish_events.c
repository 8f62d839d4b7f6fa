/* SPDX-License-Identifier: Apache-2.0 */
/* Who may send, by context and address, and of which host it speaks; what real events become. */

#include "../unit.h"

#include "../golden.h"

#include "source/redfish/redfish_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA TEST_SOURCE_DIR "/tests/data/redfish/"
#define KEY "0123456789abcdef0123"

static struct inventory inventory;
static uv_loop_t loop;

static const struct inventory *inventory_now(void *arg)
{
    (void)arg;
    return &inventory;
}

static int plain_secret(void *arg, const char *reference, struct arena *arena,
                        const char **ret_secret, struct nsh_error *err)
{
    (void)arg;
    (void)err;
    *ret_secret = arena_copy(arena, reference, strlen(reference));
    return 0;
}

static void quiet(void *arg, bool error, const char *text)
{
    (void)arg;
    (void)error;
    (void)text;
}

/* Hosts h1..h5: two with a BMC each, two behind one, one whose BMC has a name. */
static struct binding bindings[6];
static struct nsh_member settings[6][2];

static void inventory_make(struct host hosts[6])
{
    static const char *const rows[6][3] = {
        {"h1", "192.0.2.1", NULL},
        {"h2", "https://[2001:db8::2]:8443", NULL},
        {"h3", "192.0.2.3:443", "/redfish/v1/Systems/A"},
        {"h4", "192.0.2.3:443", "B"},
        {"h5", "bmc5.example", NULL},
        {"h6", "192.0.2.6", NULL},
    };
    for (size_t i = 0; i < 6; i++) {
        settings[i][0] = (struct nsh_member){"address", nsh_text(rows[i][1])};
        settings[i][1] = (struct nsh_member){"system", nsh_text(rows[i][2])};
        bindings[i] = (struct binding){BINDING_BMC, i == 5 ? "ipmi" : "redfish",
                                       nsh_map(settings[i], rows[i][2] == NULL ? 1 : 2)};
        hosts[i] = (struct host){.name = rows[i][0], .bindings = &bindings[i], .bindings_count = 1};
    }
    inventory.hosts = hosts;
    inventory.hosts_count = 6;
    inventory.revision = 1;
}

struct fixture {
    struct arena arena;
    struct diags diags;
    struct source_configs configs;
    struct source_services services;
    struct host hosts[6];
    void *source;
};

static void fixture_open(struct fixture *fixture, const char *keys)
{
    static const struct source_type *const types[] = {&source_type_redfish, NULL};
    struct nsh_error err = {0};
    const char *text = arena_printf(
        &fixture->arena,
        "sources = ({ name = \"bmcs\"; type = \"redfish\"; format = \"redfish\"; %s });", keys);
    inventory_make(fixture->hosts);
    struct conf *root = conf_read_text("t.conf", text, &fixture->arena, &fixture->diags);
    assert_non_null(root);
    fixture->configs = source_configs_read(conf_get(root, "sources"), types, NULL, &fixture->arena,
                                           &fixture->diags);
    if (fixture->diags.errors_count > 0) {
        fail_msg("%s:%u: %s", fixture->diags.items[0].at.file, fixture->diags.items[0].at.line,
                 fixture->diags.items[0].text);
    }
    uv_loop_init(&loop);
    fixture->services = (struct source_services){
        .loop = &loop, .secret = plain_secret, .log = quiet, .inventory = inventory_now};
    if (source_type_redfish.open(&fixture->services, &fixture->configs.items[0], &fixture->source,
                                 &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void closed(void *arg)
{
    *(bool *)arg = true;
}

static void fixture_done(struct fixture *fixture)
{
    bool done = false;
    source_type_redfish.close(fixture->source, closed, &done);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(done);
    assert_int_equal(uv_loop_close(&loop), 0);
    diags_done(&fixture->diags);
    arena_done(&fixture->arena);
}

static int admit(struct fixture *fixture, const char *json, const char *peer,
                 struct nsh_value *ret_source)
{
    struct nsh_error err = {0};
    struct nsh_value body;
    if (json_parse(json, strlen(json), &fixture->arena, &body, &err) < 0) {
        fail_msg("%s: %s", json, err.text);
    }
    return redfish_events_admit(fixture->source, &body, peer, &fixture->arena, ret_source, &err);
}

static const char *context(struct fixture *fixture, const char *key, const char *source,
                           const char *host)
{
    char text[REDFISH_CONTEXT_BYTES_MAX];
    assert_true(redfish_context(key, source, host, text));
    return arena_copy(&fixture->arena, text, strlen(text));
}

/* What README tells people to compute with openssl gives the same. */
static void test_context(void **state)
{
    char text[REDFISH_CONTEXT_BYTES_MAX], name[REDFISH_CONTEXT_BYTES_MAX];
    (void)state;
    assert_true(redfish_context("0123456789abcdef0123", "bmcs", "r1h03", text));
    assert_string_equal(text, "r1h03/b515c6ff3324d7391d830360c0bcdadd");
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_false(redfish_context(KEY, "bmcs", name, text));
}

static void test_admit(void **state)
{
    static const struct {
        const char *key, *source, *host, *peer, *form;
        int wanted;
        const char *why;
    } rows[] = {
        {KEY, "bmcs", "h1", "192.0.2.1", "{\"Context\":\"%s\"}", 0, "its own context, its address"},
        {KEY, "bmcs", "h1", "::ffff:192.0.2.1", "{\"Context\":\"%s\"}", 0, "IPv4 inside IPv6"},
        {KEY, "bmcs", "h2", "2001:db8::2", "{\"Context\":\"%s\"}", 0, "IPv6, with scheme and port"},
        {KEY, "bmcs", "h1", "192.0.2.1", "{\"Events\":[{\"Context\":\"%s\"}]}", 0,
         "old firmware says it with the record"},
        {KEY, "bmcs", "h1", "192.0.2.2", "{\"Context\":\"%s\"}", -NSH_DENIED, "another address"},
        {KEY, "bmcs", "h1", "", "{\"Context\":\"%s\"}", -NSH_DENIED, "no address: the socket"},
        {KEY, "bmcs", "h5", "10.9.0.1", "{\"Context\":\"%s\"}", 0, "a name, from a network given"},
        {KEY, "bmcs", "h5", "192.0.2.5", "{\"Context\":\"%s\"}", -NSH_DENIED,
         "a name, from elsewhere"},
        {"0123456789abcdef0124", "bmcs", "h1", "192.0.2.1", "{\"Context\":\"%s\"}", -NSH_AUTH,
         "another key"},
        {KEY, "other", "h1", "192.0.2.1", "{\"Context\":\"%s\"}", -NSH_AUTH, "of another source"},
        {KEY, "bmcs", "h4", "192.0.2.3", "{\"Context\":\"%s\"}", -NSH_AUTH,
         "a BMC of several hosts has one context, that of the first"},
        {KEY, "bmcs", "h6", "192.0.2.6", "{\"Context\":\"%s\"}", -NSH_AUTH, "no Redfish BMC"},
        {KEY, "bmcs", "h9", "192.0.2.9", "{\"Context\":\"%s\"}", -NSH_AUTH, "a host nobody knows"},
        {KEY, "bmcs", "h1", "192.0.2.1", "{\"Context\":\"%sa\"}", -NSH_AUTH, "longer"},
        {KEY, "bmcs", "h1", "192.0.2.1", "{\"Name\":\"%s\"}", -NSH_AUTH, "no context"},
        {KEY, "bmcs", "h1", "192.0.2.1", "[\"%s\"]", -NSH_AUTH, "no map"},
        {KEY, "bmcs", "h1", "192.0.2.1", "{\"Events\":{\"a\":\"%s\"}}", -NSH_AUTH, "no list"},
    };
    struct fixture fixture = {.source = NULL};
    (void)state;
    fixture_open(&fixture, "key = \"" KEY "\"; networks = [\"10.9.0.0/16\"];");
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct textbuf body = {0};
        struct nsh_value source = nsh_null();
        const char *mark = strstr(rows[i].form, "%s");
        textbuf_add(&body, (struct text){rows[i].form, (uint32_t)(mark - rows[i].form)});
        textbuf_add_chars(&body, context(&fixture, rows[i].key, rows[i].source, rows[i].host));
        textbuf_add_chars(&body, mark + 2);
        int result = admit(&fixture, body.at, rows[i].peer, &source);
        if (result != rows[i].wanted) {
            fail_msg("%s: got %d", rows[i].why, result);
        }
        if (result == 0) {
            assert_string_equal(nsh_get_text(&source, "host", ""), rows[i].host);
        }
        textbuf_done(&body);
    }
    fixture_done(&fixture);
}

/* What body, sent from a host's BMC, becomes. */
static void run(struct fixture *fixture, const struct nsh_value *body,
                const struct nsh_value *source, struct textbuf *out)
{
    struct source_events events;
    struct nsh_error err = {0};
    const struct source_message message = {
        .body = body, .source = source, .name = "bmcs", .received_ms = 1};
    if (source_map_run(fixture->configs.items[0].format.map, &message, &fixture->arena, &events,
                       &err) < 0) {
        fail_msg("%s", err.text);
    }
    if (events.count == 0) {
        textbuf_addf(out, "no event, %u ignored: %s\n", events.ignored,
                     events.why == NULL ? "" : events.why);
    }
    assert_true(events.count + events.ignored > 0); /* Nothing is lost. */
    for (uint32_t i = 0; i < events.count; i++) {
        event_to_json(&events.items[i], out);
        textbuf_add_char(out, '\n');
    }
}

struct sender {
    struct fixture *fixture;
    struct nsh_value source;
};

static void run_line(void *arg, const struct nsh_value *line, struct textbuf *out)
{
    struct sender *sender = arg;
    struct nsh_value shown;
    textbuf_addf(out, "== %s\n", nsh_get_text(line, "id", ""));
    assert_int_equal(redfish_events_shown(nsh_get(line, "body"), &sender->fixture->arena, &shown),
                     0);
    run(sender->fixture, &shown, &sender->source, out);
}

static void test_expected(void **state)
{
    struct fixture fixture = {.source = NULL};
    CLEANUP(textbuf_donep) struct textbuf made = {0}, first = {0};
    struct sender sender = {&fixture, nsh_null()};
    (void)state;
    fixture_open(&fixture, "key = \"" KEY "\";");
    textbuf_addf(&first, "{\"Context\":\"%s\"}", context(&fixture, KEY, "bmcs", "h3"));
    assert_int_equal(admit(&fixture, first.at, "192.0.2.3", &sender.source), 0);
    assert_null(nsh_get(&sender.source, "host")); /* Two hosts: the origin says which. */
    assert_int_equal(golden_each_line(DATA "events.jsonl", run_line, &sender, &made), 7);
    assert_true(golden_each_line(DATA "events-own.jsonl", run_line, &sender, &made) >= 10);
    golden_is(DATA "events.expected.txt", &made);
    fixture_done(&fixture);
}

/* The token is a secret: nobody who looks at an event sees it. */
static void test_shown(void **state)
{
    static const struct {
        const char *body, *wanted;
    } rows[] = {
        {"{\"Context\":\"h/t\",\"Id\":\"1\",\"Events\":[{\"Context\":\"h/"
         "t\",\"MessageId\":\"A.1.0.B\"},7]}",
         "{\"Id\":\"1\",\"Events\":[{\"MessageId\":\"A.1.0.B\"},7]}"},
        {"{\"Context\":\"h/t\"}", "{}"},
        {"{\"Events\":{}}", "{\"Events\":{}}"},
        {"[1]", "[1]"},
    };
    struct arena arena = ARENA_INIT;
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_value body, shown;
        struct textbuf text = {0};
        assert_int_equal(json_parse(rows[i].body, strlen(rows[i].body), &arena, &body, NULL), 0);
        assert_int_equal(redfish_events_shown(&body, &arena, &shown), 0);
        json_write(&shown, &text);
        assert_string_equal(text.at, rows[i].wanted);
        textbuf_done(&text);
    }
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_admit),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
