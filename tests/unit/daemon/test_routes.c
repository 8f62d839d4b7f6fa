/* SPDX-License-Identifier: Apache-2.0 */
/* Every route but those of events: what it asks the shell, what it reads, what it refuses. */

#include "routes_rig.h"

struct row {
    const char *method, *path, *body;
    unsigned status;
    const char *has;   /* In the answer. */
    const char *asked; /* The beginning of what the shell was asked; NULL: whatever. */
};

static void check(struct routes_rig *routes, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fake.asked[0] = 0;
        rig_ask(routes->fd, rows[i].method, rows[i].path, NULL, rows[i].body, routes->reply);
        if (routes->reply->status != rows[i].status ||
            strstr(routes->reply->bytes, rows[i].has) == NULL ||
            (rows[i].asked != NULL &&
             strncmp(fake.asked, rows[i].asked, strlen(rows[i].asked)) != 0)) {
            fail_msg("%s %s %s: want %u, %s, %s; asked %s, got:\n%s", rows[i].method, rows[i].path,
                     rows[i].body == NULL ? "" : rows[i].body, rows[i].status, rows[i].has,
                     rows[i].asked == NULL ? "" : rows[i].asked, fake.asked, routes->reply->bytes);
        }
    }
}

static void test_commands(void **state)
{
    (void)state;
#define ID(id, reason) "{\"id\":\"" id "\",\"owner\":\"uid:"
    static const struct row rows[] = {
        {"GET", "/v1/status", NULL, 200,
         "\"apiVersion\":\"nightshift/v1\",\"kind\":\"Status\",\"x\":1", "status  uid:"},
        {"GET", "/v1/hosts?host=r1*&state=ok&limit=5", NULL, 200, "HostList",
         "hosts {\"limit\":5,\"host\":\"r1*\",\"state\":\"ok\"} uid:"},
        {"GET", "/v1/hosts/r1h01", NULL, 200, "\"kind\":\"Host\"", "host {\"id\":\"r1h01\"}"},
        {"GET", "/v1/hosts/unknown", NULL, 404, "no such thing", NULL},
        {"GET", "/v1/policies", NULL, 200, "PolicyList", "policies"},
        {"GET", "/v1/policies/p%2F1", NULL, 200, "Policy", "policy {\"id\":\"p/1\"}"},
        {"GET", "/v1/drivers", NULL, 200, "DriverList", "drivers"},
        {"GET", "/v1/drivers/fence_apc", NULL, 200, "\"kind\":\"Driver\"",
         "driver {\"id\":\"fence_apc\"}"},
        {"GET", "/v1/drivers/all/doctor", NULL, 200, "DoctorReport",
         "driver.doctor {\"id\":\"all\",\"host\":\"\"}"},
        {"GET", "/v1/drivers/ipmi/doctor?host=r1h01", NULL, 200, "DoctorReport",
         "driver.doctor {\"id\":\"ipmi\",\"host\":\"r1h01\"}"},
        {"GET", "/v1/plan", NULL, 200, "\"kind\":\"Plan\"", "plan"},
        {"GET", "/v1/freezes", NULL, 200, "FreezeList", "freezes"},
        {"POST", "/v1/reload", "{}", 200, "Reload", "reload"},
        {"POST", "/v1/freezes", "{\"scope\":\"rack=r1\",\"reason\":\"CHG-1\",\"for\":\"2h\"}", 200,
         "\"kind\":\"Freeze\"", "freeze {\"scope\":\"rack=r1\",\"owner\":\"uid:"},
        {"POST", "/v1/freezes", "{\"reason\":\"x\"}", 200, "Freeze", "freeze {\"scope\":\"all\""},
        {"POST", "/v1/freezes", "{}", 400, "the body wants \\\"reason\\\"", ""},
        {"POST", "/v1/freezes", "{\"reason\":\"\"}", 400, "reason", NULL},
        {"POST", "/v1/freezes", "{\"reason\":\"x\",\"for\":\"0s\"}", 400, "a freeze always ends",
         NULL},
        {"POST", "/v1/freezes", "{\"reason\":\"x\",\"for\":\"31d\"}", 400, "30d", NULL},
        {"POST", "/v1/freezes", "{\"reason\":\"x\",\"for\":5}", 400, "for wants", NULL},
        {"POST", "/v1/freezes", "{\"reason\":\"x\",\"scop\":\"all\"}", 400, "did you mean scope?",
         NULL},
        {"POST", "/v1/freezes", "[1]", 400, "JSON object", NULL},
        {"POST", "/v1/freezes", "{", 400, "body: no JSON", NULL},
        {"DELETE", "/v1/freezes/frz-1", NULL, 200, "Freeze",
         "unfreeze {\"id\":\"frz-1\",\"owner\""},
        {"POST", "/v1/runs/run-1/cancel", "{\"reason\":\"x\"}", 200, "\"kind\":\"Run\"",
         "run.cancel {\"id\":\"run-1\",\"owner\":\"uid:"},
        {"POST", "/v1/runs/run-1/cancel", NULL, 400, "reason", ""},
        {"POST", "/v1/runs/refused/cancel", "{\"reason\":\"x\"}", 409, "a guard said no", NULL},
        {"POST", "/v1/alarms/alm-1/clear", "{\"reason\":\"x\"}", 200, "Alarm", "alarm.clear {"},
        {"POST", "/v1/brakes/brk-1/release", "{\"reason\":\"x\"}", 200, "Brake", "brake.release {"},
        {"POST", "/v1/holds", "{\"host\":\"h1\",\"reason\":\"x\"}", 200, "\"kind\":\"Hold\"",
         "hold {\"host\":\"h1\",\"what\":\"maintenance\",\"owner\":\"uid:"},
        {"POST", "/v1/holds", "{\"host\":\"h1\"}", 400, "reason", ""},
        {"DELETE", "/v1/holds/hld-1", "{\"reason\":\"x\"}", 200, "Hold", "hold.release {"},
        {"DELETE", "/v1/holds/hld-1", NULL, 400, "reason", ""},
        {"POST", "/v1/inventory/confirm", "{\"reason\":\"sold\"}", 200, "Inventory",
         "inventory.confirm {\"owner\":\"uid:"},
        {"POST", "/v1/callbacks/waits", "{\"ok\":true}", 200, "Callback",
         "callback "
         "{\"token\":\"waits\",\"status\":200,\"call\":\"\",\"body\":\"{\\\"ok\\\":true}\"}"},
        {"POST", "/v1/callbacks/waits", "\xff", 400, "text in UTF-8", NULL},
        {"POST", "/v1/callbacks/other", "{\"ok\":true}", 404, "nothing waits here", NULL},
        {"POST", "/v1/callbacks/waits%2F", "{\"ok\":true}", 404, "nothing waits here", NULL},
        {"GET", "/healthz", NULL, 200, "ok\n", ""},
        {"GET", "/readyz", NULL, 200, "ready\n", ""},
        {"GET", "/metrics", NULL, 200, "nightshift_events_total 7\n", ""},
        {"GET", "/metrics", NULL, 200, "\nnightshift_api_requests_total ", ""},
        {"GET", "/v1/openapi.json", NULL, 200, "\"/v1/runs/{id}/cancel\":{\"post\":", ""},
    };
    struct routes_rig routes;
    routes_open(&routes);
    check(&routes, rows, ROWS(rows));
    fake.not_ready = true;
    static const struct row ill[] = {{"GET", "/readyz", NULL, 503, "the store is full", NULL},
                                     {"GET", "/healthz", NULL, 200, "ok", NULL}};
    check(&routes, ill, ROWS(ill));
    fake.not_ready = false;
    routes_close(&routes);
}

#define ALARM(id, type, ms)                                                                        \
    "{\"id\":\"" id "\",\"host\":\"h1\",\"type\":\"" type "\",\"state\":\"raised\"}"

static void records_add(struct routes_rig *routes)
{
    routes_record(routes, RECORD_ALARM, "alm-000001", "h1", "raised", NOW_MS - 9000,
                  ALARM("alm-000001", "power.lost", 1));
    routes_record(routes, RECORD_ALARM, "alm-000002", "h2", "cleared", NOW_MS - 8000,
                  ALARM("alm-000002", "power.back", 2));
    routes_record(routes, RECORD_ALARM, "alm-000003", "h2", "raised", NOW_MS - 7000,
                  ALARM("alm-000003", "memory.failed", 3));
    routes_record(routes, RECORD_RUN, "run-000001", "h1", "done", NOW_MS - 6000,
                  "{\"id\":\"run-000001\",\"host\":\"h1\",\"alarm\":\"alm-000001\"}");
    routes_record(routes, RECORD_RUN, "run-000002", "h1", "running", NOW_MS - 5000,
                  "{\"id\":\"run-000002\",\"host\":\"h1\",\"alarm\":\"alm-000009\"}");
    routes_record(routes, RECORD_ACTION, "act-000001", "h1", "verified", NOW_MS - 5900,
                  "{\"id\":\"act-000001\",\"run\":\"run-000001\"}");
    routes_record(routes, RECORD_ACTION, "act-000002", "h1", "sent", NOW_MS - 4900,
                  "{\"id\":\"act-000002\",\"run\":\"run-000002\"}");
    routes_record(routes, RECORD_DECISION, "dec-000001", "h1", "run", NOW_MS - 6000,
                  "{\"id\":\"dec-000001\",\"alarm\":\"alm-000001\",\"run\":\"run-000001\","
                  "\"outcome\":\"run\"}");
    routes_record(routes, RECORD_DECISION, "dec-000002", "h1", "skipped", NOW_MS - 5500,
                  "{\"id\":\"dec-000002\",\"alarm\":\"alm-000009\",\"outcome\":\"skipped\"}");
    routes_record(routes, RECORD_PENDING, "p h2", "h2", "pending", NOW_MS - 5400,
                  "{\"id\":\"p h2\",\"alarm\":\"alm-000003\"}");
    routes_record(routes, RECORD_PENDING, "q h2", "h2", "idle", NOW_MS - 5400,
                  "{\"id\":\"q h2\",\"alarm\":\"alm-000003\"}");
    routes_commit(routes);
}

static void test_records(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", "/v1/alarms", NULL, 200, "[{\"id\":\"alm-000003\"", NULL},
        {"GET", "/v1/alarms", NULL, 200, "\"kind\":\"AlarmList\"", NULL},
        {"GET", "/v1/alarms?state=cleared", NULL, 200,
         "[" ALARM("alm-000002", "power.back", 2) "],\"truncated\":false", NULL},
        {"GET", "/v1/alarms?state=all&limit=2", NULL, 200, "\"truncated\":true", NULL},
        {"GET", "/v1/alarms?host=h1", NULL, 200, "[" ALARM("alm-000001", "power.lost", 1) "]",
         NULL},
        {"GET", "/v1/alarms?type=power.*&limit=1", NULL, 200,
         "[" ALARM("alm-000002", "power.back", 2) "],\"truncated\":true", NULL},
        {"GET", "/v1/alarms?type=memory.failed", NULL, 200, "alm-000003", NULL},
        {"GET", "/v1/alarms?since=1899999993000", NULL, 200,
         "[" ALARM("alm-000003", "memory.failed", 3) "]", NULL},
        {"GET", "/v1/alarms?since=7s", NULL, 200, "[" ALARM("alm-000003", "memory.failed", 3) "]",
         NULL},
        {"GET", "/v1/alarms?state=risen", NULL, 400,
         "state wants one of raised, cleared, or all; got "
         "risen",
         NULL},
        {"GET", "/v1/alarms?limit=0", NULL, 400, "limit wants a number from 1 to 100000", NULL},
        {"GET", "/v1/alarms?limit=ten", NULL, 400, "got ten", NULL},
        {"GET", "/v1/alarms?since=yesterday", NULL, 400, "since wants a duration", NULL},
        {"GET", "/v1/alarms?host=", NULL, 400, "host wants 1 to 512 bytes", NULL},
        {"GET", "/v1/alarms?rack=r1", NULL, 400, "unknown query parameter rack", NULL},
        {"GET", "/v1/alarms/alm-000002", NULL, 200,
         "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"Alarm\",\"id\":\"alm-000002\"", NULL},
        {"GET", "/v1/alarms/alm-0", NULL, 400, "fits 3 alarms: alm-000003, alm-000002", NULL},
        {"GET", "/v1/alarms/alm-9", NULL, 404, "no alarm alm-9", NULL},
        {"GET", "/v1/runs", NULL, 200, "[{\"id\":\"run-000002\"", NULL},
        {"GET", "/v1/runs?state=done", NULL, 200, "[{\"id\":\"run-000001\"", NULL},
        {"GET", "/v1/runs/run-000001", NULL, 200, "\"kind\":\"Run\",\"id\":\"run-000001\"", NULL},
        {"GET", "/v1/decisions?state=skipped", NULL, 200, "dec-000002", NULL},
        {"GET", "/v1/actions?state=verified", NULL, 200, "act-000001", NULL},
        {"GET", "/v1/actions/act-000002", NULL, 200, "\"kind\":\"Action\"", NULL},
        {"GET", "/v1/brakes", NULL, 200, "\"items\":[]", NULL},
        {"GET", "/v1/commands", NULL, 200, "CommandList", NULL},
    };
    struct routes_rig routes;
    routes_open(&routes);
    records_add(&routes);
    check(&routes, rows, ROWS(rows));
    routes_close(&routes);
}

/* An explanation is about one thing: nothing of another alarm or run is in it. */
static void test_explain(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned status;
        const char *has[4], *lacks[3];
    } rows[] = {
        {"/v1/explain/host/h1",
         200,
         {"dec-000001", "dec-000002", "run-000002", "act-000002"},
         {NULL}},
        {"/v1/explain/alarm/alm-000001",
         200,
         {"\"subject\":{\"kind\":\"alarm\",\"id\":\"alm-000001\"}", "dec-000001",
          "\"runs\":[{\"id\":\"run-000001\"", "\"actions\":[{\"id\":\"act-000001\""},
         {"dec-000002", "run-000002", "act-000002"}},
        {"/v1/explain/run/run-000001",
         200,
         {"\"subject\":{\"kind\":\"run\"", "dec-000001", "\"runs\":[{\"id\":\"run-000001\"",
          "act-000001"},
         {"dec-000002", "run-000002", "act-000002"}},
        {"/v1/explain/alarm/alm-000003",
         200,
         {"\"decisions\":[],\"pending\":[{\"id\":\"p "
          "h2\",\"alarm\":\"alm-000003\"}],\"runs\":[],\"actions\":[]"},
         {NULL}},
        {"/v1/explain/host/unknown", 404, {"nightshift host list"}, {NULL}},
        {"/v1/explain/alarm/alm-7", 404, {"no alarm alm-7"}, {NULL}},
        {"/v1/explain/run/run-7", 404, {"no run run-7"}, {NULL}},
        {"/v1/explain/run/run-000001?state=done", 400, {"unknown query parameter"}, {NULL}},
    };
    struct routes_rig routes;
    routes_open(&routes);
    records_add(&routes);
    for (size_t i = 0; i < ROWS(rows); i++) {
        rig_ask(routes.fd, "GET", rows[i].path, NULL, NULL, routes.reply);
        bool good = routes.reply->status == rows[i].status;
        for (size_t k = 0; k < ROWS(rows[i].has) && rows[i].has[k] != NULL; k++) {
            good = good && strstr(routes.reply->body, rows[i].has[k]) != NULL;
        }
        for (size_t k = 0; k < ROWS(rows[i].lacks) && rows[i].lacks[k] != NULL; k++) {
            good = good && strstr(routes.reply->body, rows[i].lacks[k]) == NULL;
        }
        if (!good) {
            fail_msg("%s: got %s", rows[i].path, routes.reply->bytes);
        }
    }
    routes_close(&routes);
}

static void test_store(void **state)
{
    (void)state;
    struct routes_rig routes;
    char body[256], nowhere[256], target[128];
    routes_open(&routes);
    records_add(&routes);
    snprintf(target, sizeof target, "%s/copy.db", routes.rig.folder);
    snprintf(body, sizeof body, "{\"path\":\"%s\"}", target);
    snprintf(nowhere, sizeof nowhere, "{\"path\":\"%s/none/copy.db\"}", routes.rig.folder);
    const struct row rows[] = {
        {"GET", "/v1/audit/verify", NULL, 200, "\"ok\":true,\"records\":6,\"head\":\"", NULL},
        {"POST", "/v1/backup", "{}", 400, "path", NULL},
        {"POST", "/v1/backup", "{\"path\":\"copy.db\"}", 400, "absolute", NULL},
        {"POST", "/v1/backup", "{\"path\":\"/tmp/../x\"}", 400, "no \\\"..\\\"", NULL},
        {"POST", "/v1/backup", "{\"path\":\"/tmp/x/\"}", 400, "file name", NULL},
        {"POST", "/v1/backup", nowhere, 503, "none/copy.db", NULL},
        {"POST", "/v1/backup", body, 200, "copy.db", NULL},
        {"POST", "/v1/backup", body, 409, "a backup never overwrites", NULL},
    };
    check(&routes, rows, ROWS(rows));
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(target, &reader, NULL), 0);
    uint64_t records = 0;
    char head[65];
    assert_int_equal(store_audit_verify(reader, &records, head, NULL), 0);
    assert_int_equal(records, 6);
    store_reader_close(reader);
    unlink(target);
    routes_close(&routes);
}

/* The document is JSON, and has every row of the table. */
static void test_openapi(void **state)
{
    (void)state;
    struct routes_rig routes;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value document;
    size_t count = 0;
    const struct api_route *table = routes_table(&count);
    routes_open(&routes);
    rig_ask(routes.fd, "GET", "/v1/openapi.json", NULL, NULL, routes.reply);
    assert_int_equal(
        json_parse(routes.reply->body, routes.reply->body_bytes, &arena, &document, NULL), 0);
    const struct nsh_value *paths = nsh_get(&document, "paths");
    for (size_t i = 0; i < count; i++) {
        char method[16] = "";
        for (size_t k = 0; table[i].method[k] != 0; k++) {
            method[k] = (char)(table[i].method[k] | 0x20);
        }
        const struct nsh_value *operation = nsh_get(nsh_get(paths, table[i].path), method);
        assert_non_null(operation);
        assert_string_equal(nsh_get_text(operation, "summary", ""), table[i].help);
    }
    routes_close(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands), cmocka_unit_test(test_records),
        cmocka_unit_test(test_explain),  cmocka_unit_test(test_store),
        cmocka_unit_test(test_openapi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
