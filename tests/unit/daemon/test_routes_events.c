/* SPDX-License-Identifier: Apache-2.0 */
/* Events over HTTP: handed in, listed, waited for, streamed. */

#include "routes_rig.h"

#define STRUCTURED "Content-Type: application/cloudevents+json\r\n"
#define BATCH "Content-Type: application/cloudevents-batch+json\r\n"
#define EVENT(id) "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/s\",\"type\":\"t\"}"
#define BINARY "ce-specversion: 1.0\r\nce-id: 7\r\nce-source: /s\r\nce-type: t\r\n"

static void test_post(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
        uint32_t duplicates;
        bool full, stops;
        unsigned status;
        const char *has;
        uint32_t pushed; /* Events that reached the intake. */
    } rows[] = {
        {STRUCTURED, EVENT("1"), 0, false, false, 202, "{\"accepted\":1,\"duplicates\":0}", 1},
        {STRUCTURED, EVENT("1"), 1, false, false, 202, "{\"accepted\":0,\"duplicates\":1}", 1},
        {BATCH, "[" EVENT("1") "," EVENT("2") "]", 1, false, false, 202,
         "{\"accepted\":1,\"duplicates\":1}", 2},
        {BATCH, "[]", 0, false, false, 200, "{\"accepted\":0,\"duplicates\":0}", 0},
        {BINARY, "{\"a\":1}", 0, false, false, 202, "\"accepted\":1", 1},
        {BATCH, "[" EVENT("1") ",{}]", 0, false, false, 400, "event 1 of 2: attribute specversion",
         0},
        {"Content-Type: application/cloudevents+avro\r\n", "x", 0, false, false, 415, "avro", 0},
        {"Content-Type: application/json\r\n", "{}", 0, false, false, 400, "no CloudEvent", 0},
        {STRUCTURED, EVENT("1"), 0, true, false, 503, "Retry-After: 1", 0},
        {STRUCTURED, EVENT("1"), 0, false, true, 503, "before the events are durable", 1},
    };
    struct routes_rig routes;
    routes_open(&routes);
    for (size_t i = 0; i < ROWS(rows); i++) {
        fake.duplicates = rows[i].duplicates;
        fake.intake_full = rows[i].full;
        fake.intake_stops = rows[i].stops;
        fake.pushed_count = 0;
        rig_ask(routes.fd, "POST", "/v1/events", rows[i].headers, rows[i].body, routes.reply);
        if (routes.reply->status != rows[i].status ||
            strstr(routes.reply->bytes, rows[i].has) == NULL ||
            fake.pushed_count != rows[i].pushed) {
            fail_msg("row %zu: want %u, %s, %u events; got %u events,\n%s", i, rows[i].status,
                     rows[i].has, rows[i].pushed, fake.pushed_count, routes.reply->bytes);
        }
    }
    fake.intake_full = fake.intake_stops = false;
    routes_close(&routes);
}

static void test_handshake(void **state)
{
    (void)state;
    struct routes_rig routes;
    routes_open(&routes);
    rig_ask(routes.fd, "OPTIONS", "/v1/events", "WebHook-Request-Origin: eventgrid.azure.net\r\n",
            NULL, routes.reply);
    assert_int_equal(routes.reply->status, 204);
    assert_non_null(strstr(routes.reply->head, "WebHook-Allowed-Origin: *"));
    assert_non_null(strstr(routes.reply->head, "Allow: POST"));
    routes_close(&routes);
}

static void test_list(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned status;
        const char *has, *lacks;
    } rows[] = {
        {"/v1/events", 200, "\"items\":[{\"specversion\":\"1.0\",\"seq\":3", NULL},
        {"/v1/events?limit=1", 200, "\"seq\":3", "\"seq\":2"},
        {"/v1/events?host=h1", 200, "\"seq\":1", "\"seq\":2"},
        {"/v1/events?type=b.*", 200, "\"seq\":2", "\"seq\":1"},
        {"/v1/events?after=1", 200, "\"seq\":2,", "\"seq\":1,"},
        {"/v1/events?after=0&limit=1", 200, "\"seq\":1,", "\"seq\":2,"},
        {"/v1/events?after=0&limit=1", 200, "\"next\":1}", NULL},
        {"/v1/events?after=3", 200, "\"items\":[],\"next\":3", NULL},
        {"/v1/events?unmatched=yes", 200, "\"items\":[]", NULL},
        {"/v1/events?after=x", 400, "after wants the seq", NULL},
        {"/v1/events?wait=5s", 400, "wait needs after", NULL},
        {"/v1/events?after=1&wait=2h", 400, "wait wants a duration up to 60s", NULL},
        {"/v1/events?unmatched=perhaps", 400, "unmatched wants yes or no", NULL},
        {"/v1/events?state=raise", 400, "unknown query parameter state", NULL},
    };
    struct routes_rig routes;
    routes_open(&routes);
    routes_event(&routes, "a.one", "h1");
    routes_event(&routes, "b.two", "h2");
    routes_event(&routes, "c.three", "h3");
    routes_commit(&routes);
    for (size_t i = 0; i < ROWS(rows); i++) {
        rig_ask(routes.fd, "GET", rows[i].path, NULL, NULL, routes.reply);
        if (routes.reply->status != rows[i].status ||
            strstr(routes.reply->body, rows[i].has) == NULL ||
            (rows[i].lacks != NULL && strstr(routes.reply->body, rows[i].lacks) != NULL)) {
            fail_msg("%s: want %u, %s, not %s; got %s", rows[i].path, rows[i].status, rows[i].has,
                     rows[i].lacks == NULL ? "" : rows[i].lacks, routes.reply->bytes);
        }
    }
    routes_close(&routes);
}

static void ask(const struct routes_rig *routes, const char *path)
{
    char head[256];
    int count = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_true(rig_send(routes->fd, head, (size_t)count));
}

/* Wait until a follower waits in the shell. */
static void await_follower(void)
{
    for (bool found = false; !found;) {
        pthread_mutex_lock(&fake.lock);
        for (size_t i = 0; i < fake.count; i++) {
            found = found || fake.jobs[i].follow;
        }
        if (!found) {
            pthread_cond_wait(&fake.changed, &fake.lock);
        }
        pthread_mutex_unlock(&fake.lock);
    }
}

/* An event that the filter does not want moves the mark, and wakes nobody. */
static void test_long_poll(void **state)
{
    (void)state;
    struct routes_rig routes;
    routes_open(&routes);
    ask(&routes, "/v1/events?after=0&wait=10s&type=b.*");
    await_follower();
    routes_event(&routes, "a.one", "h1");
    routes_commit(&routes);
    routes_tell(&routes);
    await_follower();
    routes_event(&routes, "b.two", "h2");
    routes_commit(&routes);
    routes_tell(&routes);
    rig_receive(routes.fd, false, routes.reply);
    assert_int_equal(routes.reply->status, 200);
    assert_non_null(strstr(routes.reply->body, "\"type\":\"b.two\""));
    assert_null(strstr(routes.reply->body, "a.one"));
    assert_non_null(strstr(routes.reply->body, "\"next\":2}"));

    ask(&routes, "/v1/events?after=2&wait=10s");
    await_follower();
    pthread_mutex_lock(&fake.lock);
    fake.now_ms += 10001; /* Nothing comes in time. */
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    rig_receive(routes.fd, false, routes.reply);
    assert_int_equal(routes.reply->status, 200);
    assert_non_null(strstr(routes.reply->body, "\"items\":[],\"next\":2}"));
    routes_close(&routes);
}

/* Read until text came; all that came before it is in bytes. */
static void read_until(int fd, char *bytes, size_t room, const char *text)
{
    size_t used = 0;
    bytes[0] = 0;
    while (strstr(bytes, text) == NULL) {
        size_t got = rig_read(fd, bytes + used, room - 1 - used);
        assert_true(got > 0);
        used += got;
        bytes[used] = 0;
    }
}

static void test_stream(void **state)
{
    (void)state;
    struct routes_rig routes;
    char bytes[16384];
    routes_open(&routes);
    routes_event(&routes, "old.one", "h1");
    routes_record(&routes, RECORD_DECISION, "dec-000001", "h1", "run", NOW_MS - 1,
                  "{\"id\":\"dec-000001\"}");
    routes_commit(&routes);
    routes_tell(&routes);
    ask(&routes, "/v1/stream");
    read_until(routes.fd, bytes, sizeof bytes, "retry: 2000");
    assert_non_null(strstr(bytes, "Content-Type: text/event-stream"));
    await_follower();
    routes_event(&routes, "new.one", "h1");
    routes_record(&routes, RECORD_DECISION, "dec-000002", "h1", "run", NOW_MS,
                  "{\"id\":\"dec-000002\"}");
    routes_commit(&routes);
    routes_tell(&routes);
    read_until(routes.fd, bytes, sizeof bytes, "dec-000002");
    assert_non_null(strstr(bytes, "id: 2\nevent: event\ndata: {\"specversion\""));
    assert_non_null(strstr(bytes, "\n\nevent: decision\ndata: {\"id\":\"dec-000002\"}\n\n"));
    assert_null(strstr(bytes, "old.one"));
    assert_null(strstr(bytes, "dec-000001"));
    close(routes.fd);

    routes.fd = rig_connect(&routes.rig); /* Come back, and say where it was. */
    const char *again = "GET /v1/stream?host=h1 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1\r\n\r\n";
    assert_true(rig_send(routes.fd, again, strlen(again)));
    read_until(routes.fd, bytes, sizeof bytes, "new.one");
    assert_null(strstr(bytes, "old.one"));
    routes_close(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post),   cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_list),   cmocka_unit_test(test_long_poll),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
