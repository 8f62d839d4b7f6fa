/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come later, or never: suspended exchanges, streams, slow clients, limits, the stop.
 */

#include "api_rig.h"

#include <stdatomic.h>

#define WAITING_MAX 4096

/* Exchanges whose handler suspended them, to be answered by the test. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct api_exchange *items[WAITING_MAX];
    size_t count;
    bool closed;
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void waiting_add(struct api_exchange *exchange)
{
    pthread_mutex_lock(&waiting.lock);
    assert_true(waiting.count < WAITING_MAX);
    waiting.items[waiting.count++] = exchange;
    pthread_cond_broadcast(&waiting.changed);
    pthread_mutex_unlock(&waiting.lock);
}

static struct api_exchange *waiting_take(void)
{
    pthread_mutex_lock(&waiting.lock);
    while (waiting.count == 0 && !waiting.closed) {
        pthread_cond_wait(&waiting.changed, &waiting.lock);
    }
    struct api_exchange *taken = waiting.count == 0 ? NULL : waiting.items[--waiting.count];
    pthread_mutex_unlock(&waiting.lock);
    return taken;
}

static void handle_later(const struct api_request *request)
{
    api_suspend(request->exchange);
    waiting_add(request->exchange);
}

static void handle_now(const struct api_request *request)
{
    api_reply(request->exchange, 200, "text/plain", "now", 3);
}

static void handle_work(const struct api_request *request)
{
    api_reply(request->exchange, 200, "text/plain", "worked", 6);
}

static const struct api_route routes[] = {
    {"GET", "/later", API_VIEWER, .handle = handle_later},
    {"POST", "/later", API_VIEWER, .handle = handle_later},
    {"GET", "/later/reading", API_VIEWER, .reads = true, .handle = handle_later},
    {"GET", "/now", API_VIEWER, .handle = handle_now},
};

static void test_answered_by_another_thread(void **state)
{
    (void)state;
    static const char *const paths[] = {"/later", "/later/reading", "/later"};
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect(&rig);
    for (size_t i = 0; i < ROWS(paths); i++) { /* One connection: each leaves it usable. */
        char head[128];
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        assert_true(rig_send(fd, head, strlen(head)));
        struct api_exchange *exchange = waiting_take();
        struct pollfd early = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&early, 1, 0), 0); /* Nothing before it is answered. */
        api_reply(exchange, 202, "text/plain", "late", 4);
        rig_receive(fd, false, reply);
        assert_int_equal(reply->status, 202);
        assert_string_equal(reply->body, "late");
    }
    assert_true(rig_send(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 32));
    assert_int_equal(api_work(waiting_take(), handle_work, NULL), 0);
    rig_receive(fd, false, reply);
    assert_string_equal(reply->body, "worked");
    close(fd);
    rig_close(&rig);
    free(reply);
}

/* The stop answers what is suspended; who owes the answers may still give them, much later. */
static void test_stop_ends_what_is_suspended(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    struct api_exchange *owed[3];
    int fds[3];
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    for (size_t i = 0; i < ROWS(owed); i++) {
        fds[i] = rig_connect(&rig);
        assert_true(rig_send(fds[i], "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 32));
        owed[i] = waiting_take();
    }
    api_stop(rig.api);
    rig.api = NULL;
    for (size_t i = 0; i < ROWS(owed); i++) {
        rig_receive(fds[i], false, reply);
        assert_int_equal(reply->status, 503);
        assert_non_null(strstr(reply->body, "stopping"));
        assert_non_null(strstr(reply->head, "Connection: close"));
        close(fds[i]);
    }
    api_reply(owed[0], 200, "text/plain", "late", 4);
    assert_int_equal(api_work(owed[1], handle_work, NULL), -NSH_CANCELLED);
    assert_int_equal(api_stream(owed[2], "text/plain", NULL), -NSH_CANCELLED);
    rig_close(&rig);
    free(reply);
}

static void test_answer_that_never_comes(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig.options.answer_ms_max = 100;
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect(&rig);
    rig_ask(fd, "GET", "/later", NULL, NULL, reply);
    assert_int_equal(reply->status, 504);
    assert_non_null(strstr(reply->body, "may still be done"));
    api_reply(waiting_take(), 200, "text/plain", "late", 4); /* Falls on the floor. */
    close(fd);
    rig_close(&rig);
    free(reply);
}

/* A client that dribbles is closed, in the head and in the body; the others are served meanwhile.
 */
static void test_slow_clients(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "GET /now HTTP/1.1\r\nHo",
        "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12",
    };
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig.options.read_ms_max = 200;
    rig_start(&rig, routes, ROWS(routes));
    for (size_t i = 0; i < ROWS(starts); i++) {
        char byte;
        int slow = rig_connect(&rig), fast = rig_connect(&rig);
        assert_true(rig_send(slow, starts[i], strlen(starts[i])));
        rig_ask(fast, "GET", "/now", NULL, NULL, reply);
        assert_int_equal(reply->status, 200);
        assert_int_equal(rig_read(slow, &byte, 1), 0);
        close(slow);
        close(fast);
    }
    rig_close(&rig);
    free(reply);
}

static void test_connections_are_bounded(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    int fds[3];
    rig_open(&rig);
    rig.options.connections_max = 2;
    rig_start(&rig, routes, ROWS(routes));
    for (size_t i = 0; i < 2; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "GET", "/now", NULL, NULL, reply);
        assert_int_equal(reply->status, 200);
    }
    fds[2] = rig_connect(&rig); /* The kernel takes it; the server leaves it waiting. */
    assert_true(rig_send(fds[2], "GET /now HTTP/1.1\r\nHost: x\r\n\r\n", 30));
    rig_ask(fds[1], "GET", "/now", NULL, NULL, reply);
    struct pollfd early = {.fd = fds[2], .events = POLLIN};
    assert_int_equal(poll(&early, 1, 0), 0);
    close(fds[0]);
    rig_receive(fds[2], false, reply);
    assert_int_equal(reply->status, 200);
    close(fds[1]);
    close(fds[2]);
    rig_close(&rig);
    free(reply);
}

/* ---- streams --------------------------------------------------------------------------------- */

static int stream_begin(struct rig *rig, struct api_exchange **ret_exchange)
{
    int fd = rig_connect(rig);
    assert_true(rig_send(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 32));
    *ret_exchange = waiting_take();
    assert_int_equal(api_stream(*ret_exchange, "text/event-stream", NULL), 0);
    return fd;
}

/* Read until text came. */
static void stream_until(int fd, const char *text)
{
    char bytes[8192];
    size_t used = 0;
    for (bool found = false; !found;) {
        size_t got = rig_read(fd, bytes + used, sizeof bytes - 1 - used);
        assert_true(got > 0);
        used += got;
        bytes[used] = 0;
        found = strstr(bytes, text) != NULL;
    }
}

static void test_stream(void **state)
{
    (void)state;
    struct rig rig;
    struct api_exchange *exchange;
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    int fd = stream_begin(&rig, &exchange);
    stream_until(fd, "text/event-stream"); /* The head goes out before there is anything to say. */
    assert_int_equal(api_stream_send(exchange, TEXT("data: one\n\n")), 0);
    stream_until(fd, "data: one\n\n");
    assert_int_equal(api_stream_send(exchange, TEXT("data: two\n\n")), 0);
    stream_until(fd, "data: two\n\n");
    api_stream_end(exchange);
    stream_until(fd, "0\r\n\r\n");
    close(fd);
    rig_close(&rig);
}

/* Who left is noticed when something is sent; who does not read is let go at a bound. */
static void test_stream_without_reader(void **state)
{
    (void)state;
    struct rig rig;
    struct api_exchange *exchange;
    char *much = calloc(1, API_STREAM_BYTES_MAX / 4);
    assert_non_null(much);
    struct text piece = {much, API_STREAM_BYTES_MAX / 4};
    memset(much, 'x', piece.count);
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));

    int fd = stream_begin(&rig, &exchange);
    stream_until(fd, "text/event-stream");
    close(fd);
    unsigned sent = 0;
    while (api_stream_send(exchange, TEXT(": \n")) == 0) {
        assert_true(++sent < 1000000);
    }

    fd = stream_begin(&rig, &exchange);
    for (sent = 0; api_stream_send(exchange, piece) == 0;) {
        assert_true(++sent < 1000);
    }
    assert_true(sent >= 4);
    close(fd);

    fd = stream_begin(&rig, &exchange);
    api_stop(rig.api);
    rig.api = NULL;
    assert_int_equal(api_stream_send(exchange, TEXT(": \n")), -NSH_CANCELLED);
    close(fd);
    rig_close(&rig);
    free(much);
}

/* ---- many at once ---------------------------------------------------------------------------- */

#define CROWD_CLIENTS 8
#define CROWD_REQUESTS 100

static void *crowd_answer(void *arg)
{
    (void)arg;
    for (struct api_exchange *exchange; (exchange = waiting_take()) != NULL;) {
        api_reply(exchange, 202, "application/json", "{\"accepted\":1}", 14);
    }
    return NULL;
}

static void *crowd_ask(void *arg)
{
    const struct rig *rig = arg;
    struct rig_reply *reply = rig_reply_new();
    int fd = rig_connect(rig);
    for (unsigned i = 0; i < CROWD_REQUESTS; i++) {
        const char *path = i % 3 == 0 ? "/later/reading" : "/later";
        rig_ask(fd, "GET", path, NULL, NULL, reply);
        assert_int_equal(reply->status, 202);
        assert_string_equal(reply->body, "{\"accepted\":1}");
    }
    close(fd);
    free(reply);
    return NULL;
}

static void test_crowd(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t answers[2], clients[CROWD_CLIENTS];
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    for (size_t i = 0; i < ROWS(answers); i++) {
        assert_int_equal(pthread_create(&answers[i], NULL, crowd_answer, NULL), 0);
    }
    for (size_t i = 0; i < ROWS(clients); i++) {
        assert_int_equal(pthread_create(&clients[i], NULL, crowd_ask, &rig), 0);
    }
    for (size_t i = 0; i < ROWS(clients); i++) {
        pthread_join(clients[i], NULL);
    }
    pthread_mutex_lock(&waiting.lock);
    waiting.closed = true;
    pthread_cond_broadcast(&waiting.changed);
    pthread_mutex_unlock(&waiting.lock);
    for (size_t i = 0; i < ROWS(answers); i++) {
        pthread_join(answers[i], NULL);
    }
    waiting.closed = false;
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered_by_another_thread),
        cmocka_unit_test(test_stop_ends_what_is_suspended),
        cmocka_unit_test(test_answer_that_never_comes),
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_connections_are_bounded),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_without_reader),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
