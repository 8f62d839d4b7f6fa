/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every format on real bodies: tests/data/webhooks/expected.txt says what each becomes. What a
 * format does not know is an event that says so. NSH_ACCEPT=1 writes the file anew.
 */

#include "../unit.h"

#include "../golden.h"

#include "source/map/source_map.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA TEST_SOURCE_DIR "/tests/data/webhooks/"

/* Which format a body of the corpus is sent to; ids that begin `keep-` hold variants. */
static const struct {
    const char *id, *format;
    bool variants;
} corpus_rows[] = {
    {"keep-cloudwatch", "cloudwatch", true},
    {"keep-datadog", "datadog", true},
    {"keep-grafana", "grafana", true},
    {"keep-prometheus", "alertmanager", true},
    {"keep-sentry", "keep", true},
    {"keep-axiom", "keep", false},
    {"keep-coralogix", "keep", false},
    {"keep-checkly", "checkly", false},
    {"alerta-cloudwatch_subscription_confirmation", "cloudwatch", false},
    {"alerta-cloudwatch_notification", "cloudwatch", false},
    {"alerta-grafana_alert_alerting", "grafana", false},
    {"alerta-grafana_alert_ok", "grafana", false},
    {"alerta-grafana_example", "grafana", false},
    {"alerta-pingdom_down", "pingdom", false},
    {"alerta-pingdom_up", "pingdom", false},
    {"alerta-prometheus_v3_alert", "alertmanager", false},
    {"alerta-prometheus_v4_alert", "alertmanager", false},
    {"alerta-stackdriver_open", "googlecloud", false},
    {"alerta-stackdriver_closed", "googlecloud", false},
};

static void run(const char *id, const char *name, const struct nsh_value *body,
                const struct nsh_value *headers, struct textbuf *out)
{
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct source_format format;
    struct source_events events;
    struct nsh_error err = {0};
    if (!source_format_read(name, NULL, (struct nsh_place){0}, &arena, &diags, &format)) {
        fail_msg("%s: %s", name, diags.items[0].text);
    }
    const struct source_message message = {
        .body = body, .headers = headers, .name = name, .received_ms = 1};
    textbuf_addf(out, "== %s (%s)\n", id, name);
    if (source_map_run(format.map, &message, &arena, &events, &err) < 0) {
        fail_msg("%s: %s", id, err.text); /* Nothing here is too large. */
    }
    if (events.count == 0) {
        textbuf_addf(out, "no event, %u ignored: %s\n", events.ignored,
                     events.why == NULL ? "an empty list" : events.why);
    }
    /* Nothing is lost: each is an event, or left out by a rule that says why. */
    assert_true(events.count > 0 || events.ignored > 0 || strcmp(id, "alertmanager-empty") == 0);
    for (uint32_t i = 0; i < events.count; i++) {
        event_to_json(&events.items[i], out);
        textbuf_add_char(out, '\n');
    }
    diags_done(&diags);
    arena_done(&arena);
}

static void run_variants(const char *id, const char *name, const struct nsh_value *body,
                         struct textbuf *out)
{
    for (uint32_t i = 0; i < body->count; i++) {
        char shown[160];
        const struct nsh_value *payload = nsh_get(&body->members[i].value, "payload");
        snprintf(shown, sizeof shown, "%s/%s", id, body->members[i].name);
        run(shown, name, payload == NULL ? &body->members[i].value : payload, NULL, out);
    }
}

static void run_corpus_line(void *arg, const struct nsh_value *line, struct textbuf *out)
{
    const char *id = nsh_get_text(line, "id", "");
    for (size_t i = 0; i < ROWS(corpus_rows); i++) {
        if (strcmp(corpus_rows[i].id, id) != 0) {
            continue;
        }
        if (corpus_rows[i].variants) {
            run_variants(id, corpus_rows[i].format, nsh_get(line, "body"), out);
        } else {
            run(id, corpus_rows[i].format, nsh_get(line, "body"), NULL, out);
        }
        return;
    }
    fail_msg("%s: no format is named for it", id);
}

static void run_own_line(void *arg, const struct nsh_value *line, struct textbuf *out)
{
    run(nsh_get_text(line, "id", ""), nsh_get_text(line, "format", ""), nsh_get(line, "body"),
        nsh_get(line, "headers"), out);
}

static void test_expected(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf made = {0};
    assert_int_equal(golden_each_line(DATA "corpus.jsonl", run_corpus_line, NULL, &made),
                     ROWS(corpus_rows));
    assert_true(golden_each_line(DATA "own.jsonl", run_own_line, NULL, &made) > 80);
    assert_true(golden_each_line(DATA "sent.jsonl", run_own_line, NULL, &made) > 15);
    golden_is(DATA "expected.txt", &made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expected)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
