/* SPDX-License-Identifier: Apache-2.0 */
/* Message registries: what is found by which MessageId, and what a record becomes by it. */

#include "../unit.h"

#include "base/json.h"
#include "source/redfish/redfish_registry.h"

static const char lab[] =
    "{\"@odata.type\":\"#MessageRegistry.v1_4_0.MessageRegistry\",\"RegistryPrefix\":\"Lab\","
    "\"RegistryVersion\":\"1.2.0\",\"Messages\":{"
    "\"Low\":{\"Message\":\"%1 of %2 is low: %3 %%\",\"MessageSeverity\":\"Critical\"},"
    "\"Full\":{\"Message\":\"%1 is "
    "full\",\"Severity\":\"OK\",\"ClearingLogic\":{\"ClearsMessage\":["
    "\"Lab.1.0.Low\"]}},\"Odd\":7}}";
static const char lab_old[] =
    "{\"RegistryPrefix\":\"Lab\",\"RegistryVersion\":\"1.1.3\",\"Messages\":{\"Low\":{\"Message\":"
    "\"old\",\"MessageSeverity\":\"Warning\"},\"Gone\":{\"Message\":\"gone\"}}}";
static const char other[] =
    "{\"RegistryPrefix\":\"LabX\",\"RegistryVersion\":\"1.2.0\",\"Messages\":{\"Low\":{\"Message\":"
    "\"x\",\"MessageSeverity\":\"OK\"}}}";

struct fixture {
    struct arena arena;
    struct redfish_registry items[3];
    const struct redfish_registry *all[3];
};

static int registry_read(struct fixture *fixture, const char *json,
                         struct redfish_registry *ret_registry)
{
    struct nsh_value body;
    assert_int_equal(json_parse(json, strlen(json), &fixture->arena, &body, NULL), 0);
    return redfish_registry_read(&body, &fixture->arena, ret_registry, NULL);
}

static void fixture_open(struct fixture *fixture)
{
    static const char *const texts[] = {lab_old, lab, other};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(registry_read(fixture, texts[i], &fixture->items[i]), 0);
        fixture->all[i] = &fixture->items[i];
    }
}

static void test_find(void **state)
{
    static const struct {
        const char *id, *registry, *severity, *why;
    } rows[] = {
        {"Lab.1.2.Low", "1.2.0", "Critical", "the version it says"},
        {"Lab.1.2.0.Low", "1.2.0", "Critical", "with three numbers"},
        {"Lab.1.1.Low", "1.1.3", "Warning", "the older one"},
        {"Lab.1.9.Low", "1.1.3", "Warning", "a version that nobody has: the first of that prefix"},
        {"Lab.1.2.Gone", "1.1.3", "", "a key that only another version has"},
        {"Low", "1.1.3", "Warning", "a key alone: the first that has it"},
        {"LabX.1.2.Low", "1.2.0", "OK", "a prefix is no beginning of another"},
        {"La.1.2.Low", NULL, NULL, "nor another of it"},
        {"Lab.1.2.Odd", NULL, NULL, "a message that is none"},
        {"Lab.1.2.", NULL, NULL, "no key"},
        {"", NULL, NULL, "nothing"},
        {".", NULL, NULL, "a dot"},
    };
    struct fixture fixture = {.arena = ARENA_INIT};
    (void)state;
    fixture_open(&fixture);
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct redfish_registry *whose = NULL;
        const struct redfish_message *found =
            redfish_registries_find(fixture.all, 3, rows[i].id, &whose);
        if ((found == NULL) != (rows[i].registry == NULL) ||
            (found != NULL && (strcmp(whose->version, rows[i].registry) != 0 ||
                               strcmp(found->severity, rows[i].severity) != 0))) {
            fail_msg("%s: %s of %s", rows[i].why, found == NULL ? "none" : found->severity,
                     whose == NULL ? "" : whose->version);
        }
    }
    arena_done(&fixture.arena);
}

static void test_words(void **state)
{
    static const struct {
        const char *record, *wanted, *why;
    } rows[] = {
        {"{\"MessageId\":\"Lab.1.2.Low\",\"MessageArgs\":[\"A\",\"B\"]}",
         "{\"MessageId\":\"Lab.1.2.Low\",\"MessageArgs\":[\"A\",\"B\"],\"Registry\":{\"Name\":"
         "\"Lab.1.2.0\",\"Severity\":\"Critical\",\"Clears\":\"\",\"Clearable\":true},"
         "\"MessageSeverity\":\"Critical\",\"Message\":\"A of B is low: %3 %%\"}",
         "severity and words, an argument too few"},
        {"{\"MessageId\":\"Lab.1.2.Full\",\"Severity\":\"Warning\",\"Message\":\"own\"}",
         "{\"MessageId\":\"Lab.1.2.Full\",\"Severity\":\"Warning\",\"Message\":\"own\","
         "\"Registry\":{"
         "\"Name\":\"Lab.1.2.0\",\"Severity\":\"OK\",\"Clears\":\"Low\",\"Clearable\":false}}",
         "what the record says itself counts"},
        {"{\"MessageId\":\"X.1.0.Y\"}", "{\"MessageId\":\"X.1.0.Y\"}", "nobody knows it"},
        {"{\"MessageId\":7}", "{\"MessageId\":7}", "no MessageId"},
        {"{\"Registry\":7,\"MessageId\":\"Lab.1.1.Gone\"}",
         "{\"MessageId\":\"Lab.1.1.Gone\",\"Registry\":{\"Name\":\"Lab.1.1.3\",\"Severity\":\"\","
         "\"Clears\":\"\",\"Clearable\":false},\"Message\":\"gone\"}",
         "Registry is ours to say"},
    };
    struct fixture fixture = {.arena = ARENA_INIT};
    (void)state;
    fixture_open(&fixture);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_value record, made;
        struct textbuf text = {0};
        assert_int_equal(
            json_parse(rows[i].record, strlen(rows[i].record), &fixture.arena, &record, NULL), 0);
        assert_int_equal(redfish_record_words(&record, fixture.all, 3, &fixture.arena, &made), 0);
        json_write(&made, &text);
        if (strcmp(text.at, rows[i].wanted) != 0) {
            fail_msg("%s: %s", rows[i].why, text.at);
        }
        textbuf_done(&text);
    }
    arena_done(&fixture.arena);
}

static void test_none(void **state)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"RegistryPrefix\":\"\",\"Messages\":{}}",
        "{\"RegistryPrefix\":\"A\",\"Messages\":[]}",
        "{\"RegistryPrefix\":7,\"Messages\":{}}",
    };
    struct fixture fixture = {.arena = ARENA_INIT};
    struct redfish_registry registry = {.prefix = "untouched"};
    (void)state;
    for (size_t i = 0; i < ROWS(texts); i++) {
        assert_int_equal(registry_read(&fixture, texts[i], &registry), -NSH_INVALID);
    }
    assert_string_equal(registry.prefix, "untouched");
    arena_done(&fixture.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
