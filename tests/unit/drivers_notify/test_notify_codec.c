/* SPDX-License-Identifier: Apache-2.0 */
/* Notices: what has the same key, what is cut where, who is not called by what a device wrote. */

#include "../unit.h"

#include "abi/encode.h"
#include "abi/json_value.h"
#include "notify_codec.h"

#include <stdio.h>
#include <string.h>

#define TIME_MS INT64_C(1767225600123) /* 2026-01-01T00:00:00Z */

static struct nsh_value json(struct nsh_pool *pool, const char *text)
{
    struct nsh_value value = nsh_null();
    struct nsh_error err = {0};
    assert_int_equal(nsh_json_read(pool, text, strlen(text), &value, &err), 0);
    return value;
}

static struct notify_notice notice_of(struct nsh_pool *pool, const char *args)
{
    struct notify_notice notice;
    struct nsh_value *value = nsh_pool_alloc(pool, sizeof *value);
    *value = json(pool, args);
    assert_true(notify_read(pool, value, "act-000009", "ns", &notice));
    notice.time_ms = TIME_MS;
    return notice;
}

static void keys(void **state)
{
    static const struct {
        const char *args, *key, *why;
    } rows[] = {
        {"{\"alarm\":\"alm-1\",\"run\":\"run-2\",\"host\":\"r1h01\"}", "ns-alm-1-r1h01",
         "all that an alarm of a host makes us say belongs together, whichever run says it"},
        {"{\"run\":\"run-2\"}", "ns-run-2", "without an alarm the run is what belongs together"},
        {"{\"title\":\"x\"}", "ns-act-000009", "nothing else is known: the action alone"},
        {"{\"key\":\"rack r7\\n\\\"\",\"host\":\"r1h01\"}", "ns-rack_r7__",
         "a key of one's own is about no host, and holds nothing that ends a header or a query"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        struct notify_notice notice = notice_of(&pool, rows[i].args);
        if (strcmp(notice.key, rows[i].key) != 0) {
            fail_msg("%s: %s", rows[i].why, notice.key);
        }
        nsh_pool_done(&pool);
    }
}

static void long_keys_stay_two(void **state)
{
    struct nsh_pool pool = {0};
    char one[400], other[400];
    (void)state;
    snprintf(one, sizeof one, "{\"key\":\"%0*d1\"}", 250, 0);
    snprintf(other, sizeof other, "{\"key\":\"%0*d2\"}", 250, 0);
    struct notify_notice a = notice_of(&pool, one), b = notice_of(&pool, other);
    assert_int_equal(strlen(a.key), NOTIFY_KEY_BYTES_MAX);
    assert_string_not_equal(a.key, b.key);
    nsh_pool_done(&pool);
}

static void cuts(void **state)
{
    static const struct {
        const char *text;
        size_t most;
        const char *wanted;
    } rows[] = {
        {"short", 5, "short"},
        {"longer", 5, "lo..."},
        {"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 7, "\xc3\xa4\xc3\xa4..."},
        {"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 6, "\xc3\xa4..."}, /* Never half a character. */
        {"abc", 2, "ab"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        assert_string_equal(notify_cut(&pool, rows[i].text, rows[i].most), rows[i].wanted);
        nsh_pool_done(&pool);
    }
}

static const char everything[] =
    "{\"title\":\"r1h01 <is> dead & @all\",\"text\":\"<!channel> line\",\"severity\":\"fatal\","
    "\"host\":\"r1h01\",\"alarm\":\"alm-1\",\"policy\":\"hang\",\"team\":\"dc\","
    "\"evidence\":[\"one\",7,\"two\"]}";

static void plain_text(void **state)
{
    struct nsh_pool pool = {0};
    struct notify_notice notice = notice_of(&pool, everything);
    (void)state;
    assert_string_equal(notify_plain(&pool, &notice, 4000),
                        "<!channel> line\n\nseverity: fatal\nhost: r1h01\npolicy: hang\n"
                        "alarm: alm-1\nteam: dc\nid: act-000009\n\nEvidence\n  one\n  two\n");
    assert_string_equal(notify_plain(&pool, &notice, 12), "<!channel...");
    nsh_pool_done(&pool);
}

static const char *body_of(struct nsh_pool *pool, enum notify_kind kind, bool resolved,
                           const char *settings, struct nsh_value *ret_body)
{
    struct notify_notice notice = notice_of(pool, everything);
    struct nsh_value value = json(pool, settings);
    notice.resolved = resolved;
    assert_true(notify_body(pool, kind, &notice, &value, ret_body));
    return nsh_json_write(pool, ret_body);
}

static void bodies(void **state)
{
    static const struct {
        enum notify_kind kind;
        bool resolved;
        const char *path, *wanted, *why;
    } rows[] = {
        {KIND_PAGERDUTY, false, "routing_key", "R0", "the key is in the body, as Events v2 has it"},
        {KIND_PAGERDUTY, false, "event_action", "trigger", ""},
        {KIND_PAGERDUTY, false, "dedup_key", "ns-alm-1-r1h01", ""},
        {KIND_PAGERDUTY, false, "payload.severity", "critical", "there is no fatal"},
        {KIND_PAGERDUTY, false, "payload.timestamp", "2026-01-01T00:00:00Z", ""},
        {KIND_PAGERDUTY, false, "payload.source", "r1h01", "required"},
        {KIND_PAGERDUTY, true, "event_action", "resolve", ""},
        {KIND_PAGERDUTY, true, "dedup_key", "ns-alm-1-r1h01", "what ends is what began"},
        {KIND_OPSGENIE, false, "alias", "ns-alm-1-r1h01", ""},
        {KIND_OPSGENIE, false, "priority", "P1", ""},
        {KIND_OPSGENIE, false, "responders.0.name", "dc", ""},
        {KIND_SLACK, false, "text",
         "fatal: r1h01 &lt;is&gt; dead &amp; @\xe2\x80\x8b"
         "all",
         "nobody is called by a title"},
        {KIND_MATTERMOST, false, "text",
         "fatal: r1h01 <is> dead & @\xe2\x80\x8b"
         "all",
         "Mattermost shows entities as they are"},
        {KIND_MATTERMOST, true, "text",
         "Over: fatal: r1h01 <is> dead & @\xe2\x80\x8b"
         "all",
         ""},
        {KIND_TEAMS, false, "type", "message", ""},
        {KIND_TEAMS, false, "attachments.0.contentType", "application/vnd.microsoft.card.adaptive",
         ""},
        {KIND_TEAMS, false, "attachments.0.content.type", "AdaptiveCard", ""},
        {KIND_SERVICENOW, false, "correlation_id", "ns-alm-1-r1h01", ""},
        {KIND_SERVICENOW, false, "correlation_display", "act-000009", "tells a repetition"},
        {KIND_SERVICENOW, false, "urgency", "2", "fields of the settings win"},
        {KIND_JIRA, false, "fields.project.key", "DC", ""},
        {KIND_JIRA, false, "fields.labels.1", "ns-alm-1-r1h01", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        struct nsh_value body;
        const char *text = body_of(&pool, rows[i].kind, rows[i].resolved,
                                   "{\"routing_key\":\"R0\",\"project\":\"DC\","
                                   "\"fields\":{\"urgency\":\"2\"}}",
                                   &body);
        if (strcmp(nsh_at_text(&body, rows[i].path, "(none)"), rows[i].wanted) != 0) {
            fail_msg("%zu %s (%s): %s", i, rows[i].path, rows[i].why, text);
        }
        nsh_pool_done(&pool);
    }
}

static void limits(void **state)
{
    static const struct {
        enum notify_kind kind;
        const char *path;
        size_t most;
    } rows[] = {
        {KIND_PAGERDUTY, "payload.summary", 1024},
        {KIND_OPSGENIE, "message", 130},
        {KIND_OPSGENIE, "description", 15000},
        {KIND_SERVICENOW, "short_description", 160},
        {KIND_SERVICENOW, "description", 4000},
        {KIND_JIRA, "fields.summary", 254},
        {KIND_JIRA, "fields.description", 32767},
        {KIND_SLACK, "attachments.0.text", 40000},
        {KIND_TEAMS, "attachments.0.content.body.1.text", 28000},
    };
    struct nsh_pool pool = {0};
    char *args = nsh_pool_alloc(&pool, 140000);
    (void)state;
    size_t used = (size_t)sprintf(args, "{\"title\":\"%04000d\",\"text\":\"", 0);
    memset(args + used, '&', 120000);
    strcpy(args + used + 120000, "\"}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct notify_notice notice = notice_of(&pool, args);
        struct nsh_value body, settings = nsh_map(NULL, 0);
        assert_true(notify_body(&pool, rows[i].kind, &notice, &settings, &body));
        const struct nsh_value *text = nsh_at(&body, rows[i].path);
        assert_non_null(text);
        if (text->count > rows[i].most || text->count < 100) {
            fail_msg("%s: %u bytes", rows[i].path, text->count);
        }
        assert_true(strlen(nsh_json_write(&pool, &body)) < 80000);
    }
    nsh_pool_done(&pool);
}

static void alerts(void **state)
{
    static const char there[] =
        "[{\"labels\":{\"alertname\":\"hang\",\"severity\":\"fatal\",\"host\":\"r1h01\","
        "\"team\":\"dc\",\"nightshift_key\":\"ns-alm-1-r1h01\"},\"startsAt\":\"2025-12-31T00:00:"
        "00Z\"},"
        "{\"labels\":{\"alertname\":\"hang\",\"severity\":\"minor\","
        "\"nightshift_key\":\"ns-alm-1-r1h01\"},\"annotations\":{\"summary\":\"s\"},"
        "\"startsAt\":\"2025-12-30T00:00:00Z\",\"endsAt\":\"2026-02-01T00:00:00Z\"},"
        "{\"labels\":{\"nightshift_key\":\"ns-alm-2\"}},7]";
    struct nsh_pool pool = {0};
    struct nsh_value open = json(&pool, there), list, settings = json(&pool, "{\"keep\":3600000}");
    struct notify_notice notice = notice_of(&pool, everything);
    (void)state;
    assert_true(notify_alerts(&pool, &notice, &settings, &open, &list));
    assert_int_equal(list.count, 2); /* Itself, and the one with an older severity, which ends. */
    assert_string_equal(nsh_at_text(&list, "0.endsAt", ""), "2026-01-01T01:00:00Z");
    assert_string_equal(nsh_at_text(&list, "1.labels.severity", ""), "minor");
    assert_string_equal(nsh_at_text(&list, "1.startsAt", ""), "2025-12-30T00:00:00Z");
    assert_string_equal(nsh_at_text(&list, "1.endsAt", ""), "2026-01-01T00:00:00Z");

    notice.resolved = true;
    assert_true(notify_alerts(&pool, &notice, &settings, &open, &list));
    assert_int_equal(list.count, 2); /* Both end, with the labels they were raised with. */
    assert_string_equal(nsh_at_text(&list, "0.labels.severity", ""), "fatal");
    assert_string_equal(nsh_at_text(&list, "0.endsAt", ""), "2026-01-01T00:00:00Z");
    nsh_pool_done(&pool);
}

static void issues(void **state)
{
    static const struct {
        const char *issue;
        bool knows;
        const char *why;
    } rows[] = {
        {"{\"fields\":{\"description\":\"x\\nid: act-000009\\n\"}}", true, "it was made by it"},
        {"{\"fields\":{\"description\":\"id: act-0000091\\n\"}}", false, "another action"},
        {"{\"fields\":{\"comment\":{\"comments\":[{\"body\":\"id: act-1\"},"
         "{\"body\":\"a\\r\\nid: act-000009\\r\\n\"}]}}}",
         true, "a comment has it"},
        {"{\"fields\":{\"description\":{\"type\":\"doc\"}}}", false, "no text"},
        {"7", false, "no issue at all"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_pool pool = {0};
        struct nsh_value issue = json(&pool, rows[i].issue);
        if (notify_issue_knows(&issue, "act-000009") != rows[i].knows) {
            fail_msg("%s", rows[i].why);
        }
        nsh_pool_done(&pool);
    }
}

static void transitions(void **state)
{
    struct nsh_pool pool = {0};
    struct nsh_value answer = json(
        &pool, "{\"transitions\":[{\"id\":\"1\",\"name\":\"Start\",\"to\":{\"statusCategory\":"
               "{\"key\":\"new\"}}},{\"id\":\"2\",\"name\":\"Done\",\"to\":{\"statusCategory\":"
               "{\"key\":\"done\"}}},{\"name\":\"No id\"}]}");
    (void)state;
    assert_string_equal(notify_transition(&answer, ""), "2");
    assert_string_equal(notify_transition(&answer, "Start"), "1");
    assert_null(notify_transition(&answer, "No id"));
    assert_null(notify_transition(&answer, "Stop"));
    nsh_pool_done(&pool);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),        cmocka_unit_test(long_keys_stay_two),
        cmocka_unit_test(cuts),        cmocka_unit_test(plain_text),
        cmocka_unit_test(bodies),      cmocka_unit_test(limits),
        cmocka_unit_test(alerts),      cmocka_unit_test(issues),
        cmocka_unit_test(transitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
