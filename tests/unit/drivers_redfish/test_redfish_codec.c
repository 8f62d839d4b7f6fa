/* SPDX-License-Identifier: Apache-2.0 */
/* Redfish replies to what the driver needs: real resources (tests/data/redfish), and hostile ones.
 */

#include "../unit.h"
#include "redfish_codec.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the corpus: every resource of two services ---- */

struct seen {
    unsigned resources, systems, collections, entries, infos, invalid;
    bool contoso, dell, root;
};

static void resource_read(struct json_object *line, struct seen *seen)
{
    struct json_object *body = json_object_object_get(line, "body"), *doc = NULL;
    const char *uri = json_object_get_string(json_object_object_get(line, "uri"));
    const char *text = json_object_is_type(body, json_type_string)
                           ? json_object_get_string(body)
                           : json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    struct redfish_collection collection;
    struct redfish_system system;
    struct redfish_entry entry;
    struct redfish_root root;
    uint32_t resets = 0;

    seen->resources++;
    if (redfish_parse(text, strlen(text), &doc, NULL) < 0) {
        seen->invalid++;
        return;
    }
    redfish_system_read(doc, &system);
    redfish_root_read(doc, &root);
    seen->systems += system.reset_target != NULL;
    seen->collections += redfish_collection_read(doc, &collection, NULL) == 0;
    seen->infos += redfish_action_info_read(doc, &resets, NULL) == 0;
    seen->entries += redfish_entry_read(doc, &entry) && entry.time_s > 0;
    seen->root = seen->root || (strcmp(uri, "/redfish/v1/") == 0 && root.systems != NULL &&
                                root.sessions != NULL);
    if (strcmp(uri, "/redfish/v1/Systems/437XR1138R2") == 0) {
        seen->contoso = true;
        assert_int_equal(system.power, REDFISH_POWER_ON);
        assert_string_equal(system.serial, "437XR1138R2");
        assert_string_equal(system.uuid, "38947555-7742-3448-3784-823347823834");
        assert_string_equal(system.boot, "OSRunning");
        assert_string_equal(system.chassis, "/redfish/v1/Chassis/1U");
        assert_string_equal(system.manager, "/redfish/v1/Managers/BMC");
        assert_true(system.resets_known && system.led.has_indicator && !system.led.lit);
        assert_int_equal(system.resets,
                         (1u << REDFISH_RESETS_COUNT) - 1 - REDFISH_BIT(REDFISH_POWER_CYCLE));
    }
    if (strcmp(uri, "/redfish/v1/Systems/System.Embedded.1") == 0 && system.resets_known) {
        seen->dell = true;
        assert_int_equal(system.resets, REDFISH_BIT(REDFISH_ON) | REDFISH_BIT(REDFISH_FORCE_OFF) |
                                            REDFISH_BIT(REDFISH_FORCE_RESTART) |
                                            REDFISH_BIT(REDFISH_GRACEFUL_SHUTDOWN));
    }
    redfish_free(doc);
}

static void corpus_read(const char *name, struct seen *seen)
{
    char path[512];
    char *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/tests/data/redfish/%s", TEST_SOURCE_DIR, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (getline(&line, &room, file) > 0) {
        struct json_object *object = json_tokener_parse(line);
        assert_non_null(object);
        resource_read(object, seen);
        json_object_put(object);
    }
    free(line);
    fclose(file);
}

static void test_every_resource(void **state)
{
    struct seen seen = {0};
    (void)state;
    corpus_read("mockup-public-rackmount1.jsonl", &seen);
    corpus_read("resources-dell.jsonl", &seen);
    assert_int_equal(seen.resources, 258);
    assert_true(seen.root && seen.contoso && seen.dell);
    assert_true(seen.systems >= 2 && seen.collections > 40 && seen.entries >= 3);
}

/* ---- rows ---- */

static void test_base_url(void **state)
{
    static const struct {
        const char *address;
        bool plain;
        const char *url, *why;
    } rows[] = {
        {"10.1.1.1", false, "https://10.1.1.1", "an address is https"},
        {"bmc.example:8443", false, "https://bmc.example:8443", "a name and a port"},
        {"https://[2001:db8::1]:443/redfish/v1/", false, "https://[2001:db8::1]:443", "the root"},
        {"http://10.1.1.1", true, "http://10.1.1.1", "http, said explicitly"},
        {"http://10.1.1.1", false, NULL, "http is never by accident"},
        {"https://10.1.1.1", true, NULL, "tls none with https is a contradiction"},
        {"https://user:pw@10.1.1.1", false, NULL, "no secret in an address"},
        {"https://10.1.1.1/other", false, NULL, "another path"},
        {"ftp://10.1.1.1", false, NULL, "another scheme"},
        {"10.1.1.1 evil", false, NULL, "a blank"},
        {"", false, NULL, "nothing"},
        {"2001:db8::1", false, NULL, "IPv6 wants brackets: where would its port begin"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[REDFISH_TEXT_BYTES_MAX] = "untouched";
        int result = redfish_base_url(rows[i].address, rows[i].plain, url, NULL);
        if (result != (rows[i].url == NULL ? -NSH_INVALID : 0) ||
            strcmp(url, rows[i].url == NULL ? "untouched" : rows[i].url) != 0) {
            fail_msg("%s: %s gave %d %s", rows[i].why, rows[i].address, result, url);
        }
    }
}

static void test_paths(void **state)
{
    char path[REDFISH_PATH_BYTES_MAX], long_path[REDFISH_PATH_BYTES_MAX + 2];
    (void)state;
    assert_true(redfish_location_path("/redfish/v1/TaskService/Tasks/1", path));
    assert_true(redfish_location_path("https://evil.example/redfish/v1/x?a=b", path));
    assert_string_equal(path, "/redfish/v1/x?a=b"); /* The host in it is not asked. */
    static const char *const bad[] = {
        "redfish/v1",   "", "/a b", "/a\r\nX: y", "/a#b", "/a\xff", "https://evil.example",
        "javascript:/x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (redfish_location_path(bad[i], path)) {
            fail_msg("taken as a path: %s", bad[i]);
        }
    }
    memset(long_path, 'a', sizeof long_path);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    assert_false(redfish_path_good(long_path));
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t time_s;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2021-07-13T15:09:55+03:00", 1626178195},
        {"2021-07-13T15:09:55+0300", 1626178195},
        {"2021-07-13T12:09:55.123Z", 1626178195},
        {"2012-03-07T14:44Z", 1331131440},
        {"2000-02-29T00:00:00-00:30", 951784200},
        {"2021-13-13T12:09:55Z", 0},
        {"yesterday", 0},
        {"", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (redfish_time_s(rows[i].text) != rows[i].time_s) {
            fail_msg("%s gave %lld", rows[i].text, (long long)redfish_time_s(rows[i].text));
        }
    }
    assert_int_equal(redfish_retry_after_ms("7", NULL), 7000);
    assert_int_equal(redfish_retry_after_ms("99999999999999999999", NULL), REDFISH_WAIT_MS_MAX);
    assert_int_equal(
        redfish_retry_after_ms("Wed, 21 Oct 2015 07:28:05 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"),
        5000);
    assert_int_equal(redfish_retry_after_ms("Wed, 21 Oct 2015 07:28:05 GMT", NULL), 0);
    assert_int_equal(redfish_retry_after_ms("-5", NULL), 0);
}

static void test_identity(void **state)
{
    static const struct {
        const char *serial, *sku, *uuid, *want_serial, *want_uuid;
        int result;
        const char *why;
    } rows[] = {
        {"A1", NULL, NULL, "a1", NULL, 0, "letters of either size"},
        {"board", "A1", NULL, "A1", NULL, 0, "a Dell service tag is its SKU"},
        {"B2", "C3", NULL, "A1", NULL, -NSH_MISMATCH, "another machine"},
        {NULL, NULL, NULL, "A1", NULL, -NSH_MISMATCH, "what tells nothing proves nothing"},
        {NULL, NULL, NULL, NULL, NULL, 0, "nothing is wanted"},
        {NULL, NULL, "4C4C4544-0039-3510-8051-B7C04F4A4E31", NULL,
         "4c4c4544-0039-3510-8051-b7c04f4a4e31", 0, "UUID, letters of either size"},
        {NULL, NULL, "44454c4c-3900-1035-8051-b7c04f4a4e31", NULL,
         "4c4c4544-0039-3510-8051-b7c04f4a4e31", 0, "UUID in the other byte order"},
        {"A1", NULL, "44454c4c-3900-1035-8051-b7c04f4a4e32", "A1",
         "4c4c4544-0039-3510-8051-b7c04f4a4e31", -NSH_MISMATCH, "both must agree"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct redfish_system system = {
            .serial = rows[i].serial, .sku = rows[i].sku, .uuid = rows[i].uuid};
        if (redfish_identity_check(&system, rows[i].want_serial, rows[i].want_uuid, NULL) !=
            rows[i].result) {
            fail_msg("%s", rows[i].why);
        }
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *body;
        int status, code;
        const char *words;
    } rows[] = {
        {"{\"error\":{\"code\":\"x\",\"message\":\"general\",\"@Message.ExtendedInfo\":[{"
         "\"MessageId\":\"Base.1.12.ActionParameterValueNotInList\",\"Message\":\"not\\nlisted\"}]}"
         "}",
         400, NSH_UNSUPPORTED, "not listed"},
        {"{\"error\":{\"message\":\"only this\"}}", 409, NSH_CONFLICT, "only this"},
        {"<html>busy</html>", 503, NSH_BUSY, ""},
        {"{\"error\":7,\"@Message.ExtendedInfo\":{}}", 400, NSH_REFUSED, ""},
        {"", 403, NSH_DENIED, ""},
        {"{\"error\":{\"@Message.ExtendedInfo\":[{\"MessageId\":\"IDRAC.2.8.SYS446\",\"Message\":"
         "\"a\"},{\"Message\":\"b\"}]}}",
         400, NSH_REFUSED, "a b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char words[REDFISH_WORDS_BYTES_MAX];
        int code = redfish_error_read(rows[i].body, strlen(rows[i].body),
                                      redfish_status_code(rows[i].status), words);
        assert_int_equal(code, rows[i].code);
        assert_string_equal(words, rows[i].words);
    }
}

static void test_hostile(void **state)
{
    static const char *const texts[] = {
        "", "[]", "null", "{", "{\"a\":", "\"text\"", "{\"Members\":{}}{", "\xff\xfe{}",
    };
    struct json_object *doc = NULL;
    struct redfish_system system;
    char deep[400];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (redfish_parse(texts[i], strlen(texts[i]), &doc, NULL) == 0) {
            struct redfish_collection collection; /* What follows an object is not looked at. */
            assert_int_equal(redfish_collection_read(doc, &collection, NULL), -NSH_PROTOCOL);
            redfish_free(doc);
            doc = NULL;
        }
    }
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    assert_int_equal(redfish_parse(deep, sizeof deep, &doc, NULL), -NSH_PROTOCOL);

    static const char lies[] =
        "{\"PowerState\":[\"On\"],\"SerialNumber\":\"A\\u0000B\",\"UUID\":\"a\\nb\",\"Id\":"
        "\"\xc3\x28\","
        "\"Actions\":{\"#ComputerSystem.Reset\":{\"target\":\"http://evil/\",\"ResetType@Redfish."
        "AllowableValues\":[7,\"On\",null,{}]}},\"Links\":{\"Chassis\":[]},\"LogServices\":\"/x\"}";
    assert_int_equal(redfish_parse(lies, sizeof lies - 1, &doc, NULL), 0);
    redfish_system_read(doc, &system);
    assert_int_equal(system.power, REDFISH_POWER_UNKNOWN);
    assert_null(system.serial); /* A text with a NUL is no serial number. */
    assert_null(system.uuid);
    assert_null(system.id);
    assert_null(system.reset_target); /* Requests go to this BMC only. */
    assert_null(system.chassis);
    assert_null(system.log_services);
    assert_int_equal(system.resets, REDFISH_BIT(REDFISH_ON));
    redfish_free(doc);
}

static void test_login_body(void **state)
{
    (void)state;
    char *body = redfish_login_body("adm\"in", "p\\w\n\xc3\xa4");
    assert_string_equal(body,
                        "{\"UserName\":\"adm\\\"in\",\"Password\":\"p\\\\w\\u000a\xc3\xa4\"}");
    free(body);
}

/* A reply holds the loop for as long as it is parsed: what is denser than logs are is refused. */
static void test_dense(void **state)
{
    static const struct {
        const char *head, *fill, *tail;
        size_t bytes;
        int code;
        const char *why;
    } rows[] = {
        {"{\"Members\":[{}", ",{}", "]}", 98000, 0, "as dense as may be"},
        {"{\"Members\":[{}", ",{}", "]}", 99000, -NSH_LIMIT, "a little more"},
        {"{\"Members\":[{}", ",{}", "]}", 1u << 20, -NSH_LIMIT, "as long as a reply may be"},
        {"{\"Members\":[0", ",[]", "]}", 1u << 20, -NSH_LIMIT, "lists"},
        {"{\"Members\":[0", ",0", "]}", 1u << 20, -NSH_LIMIT, "numbers"},
        {"{/*\"*/\"Members\":[0", ",{}", "]}", 1u << 20, -NSH_LIMIT, "a quote that is none"},
        {"{\"Members\":[{}",
         ",{\"@odata.id\":\"/redfish/v1/Systems/1/LogServices/Log/Entries/1\",\"@odata.type\":"
         "\"#LogEntry.v1_4_0.LogEntry\",\"Id\":\"1\",\"Name\":\"System Event Log Entry\","
         "\"EntryType\":\"Event\",\"Severity\":\"OK\",\"Created\":\"2026-01-01T00:00:00Z\","
         "\"Message\":\"Drive 1, bay 2, is well.\",\"MessageArgs\":[\"1\",\"2\"]}",
         "]}", 1u << 20, 0, "a long log"},
        {"{\"a\":\"", "long ", "\"}", 1u << 20, 0, "a long text"},
    };
    (void)state;
    char *text = malloc((1u << 20) + 1024);
    assert_non_null(text);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct json_object *doc = NULL;
        size_t count = (size_t)sprintf(text, "%s", rows[i].head), fill = strlen(rows[i].fill);
        while (count < rows[i].bytes) {
            memcpy(text + count, rows[i].fill, fill);
            count += fill;
        }
        count += (size_t)sprintf(text + count, "%s", rows[i].tail);
        int result = redfish_parse(text, count, &doc, NULL);
        if (result != rows[i].code) {
            fail_msg("%s: %d", rows[i].why, result);
        }
        redfish_free(doc);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_resource), cmocka_unit_test(test_base_url),
        cmocka_unit_test(test_paths),          cmocka_unit_test(test_times),
        cmocka_unit_test(test_identity),       cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hostile),        cmocka_unit_test(test_login_body),
        cmocka_unit_test(test_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
