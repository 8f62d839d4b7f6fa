/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream that stays, through the real client, against a peer that the test plays itself: it is
 * connected again with the last id, gives up on silence, holds the peer back, refuses what is no
 * event stream, and can be stopped from its hooks.
 */

#include "../unit.h"

#include "loop/loop.h"
#include "source/sse/sse_stream.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
#define DEADLINE_MS 20000

struct rig {
    struct loop *loop;
    struct nsh_services *services;
    struct sse_stream *stream;
    int listener, peer;
    char asked[2048]; /* The request. */
    char words[4096];
    unsigned opened, events, closed, hold_after;
    size_t bytes;
    struct sse_end end;
    char why[SSE_WHY_BYTES_MAX], body[64];
    bool stop_in_event, stop_in_closed, start_in_closed;
};

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_opened(void *arg)
{
    struct rig *rig = arg;
    rig->opened++;
}

static bool on_event(void *arg, const struct sse_event *event)
{
    struct rig *rig = arg;
    size_t used = strlen(rig->words);
    rig->events++;
    rig->bytes += event->data.count;
    if (event->data.count < 64) {
        snprintf(rig->words + used, sizeof rig->words - used, "%s%s", event->data.at,
                 event->large ? "!" : ";");
    }
    if (rig->stop_in_event) {
        sse_stream_stop(rig->stream);
    }
    return rig->hold_after == 0 || rig->events % rig->hold_after != 0;
}

static void on_closed(void *arg, const struct sse_end *end)
{
    struct rig *rig = arg;
    rig->closed++;
    rig->end = *end;
    snprintf(rig->why, sizeof rig->why, "%s", end->why);
    snprintf(rig->body, sizeof rig->body, "%s", end->body);
    if (rig->stop_in_closed) {
        sse_stream_stop(rig->stream);
    }
    if (rig->start_in_closed) {
        assert_int_equal(sse_stream_start(rig->stream), 0);
    }
}

static void rig_start(struct rig *rig, const struct sse_options *from)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    struct nsh_error err = {0};
    char url[64];
    struct sse_options options = *from;
    rig->peer = -1;
    rig->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(rig->listener, 4), 0);
    getsockname(rig->listener, (struct sockaddr *)&at, &bytes);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/stream?a=b", ntohs(at.sin_port));
    assert_int_equal(loop_new(&(struct loop_options){0}, &(struct loop_hooks){0}, &rig->loop, &err),
                     0);
    rig->services = loop_services(rig->loop);
    options.services = rig->services;
    options.url = url;
    options.again_ms_min = options.again_ms_min == 0 ? 10 : options.again_ms_min;
    const struct sse_hooks hooks = {on_opened, on_event, on_closed};
    assert_int_equal(sse_stream_new(&options, &hooks, rig, &rig->stream, &err), 0);
    assert_int_equal(sse_stream_start(rig->stream), 0);
}

static void rig_stop(struct rig *rig)
{
    sse_stream_free(rig->stream);
    loop_free(rig->loop);
    close(rig->peer);
    close(rig->listener);
}

static void turn(struct rig *rig)
{
    uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
}

/* Until fd says something: the loop turns meanwhile. */
static void turn_until_ready(struct rig *rig, int fd)
{
    int64_t until_ms = clock_ms() + DEADLINE_MS;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    do {
        turn(rig);
        assert_true(clock_ms() < until_ms);
    } while (poll(&poll_fd, 1, 2) == 0);
}

static void turn_until(struct rig *rig, const unsigned *counter, unsigned wanted)
{
    int64_t until_ms = clock_ms() + DEADLINE_MS;
    while (*counter < wanted) {
        assert_true(clock_ms() < until_ms);
        turn(rig);
        poll(NULL, 0, *counter < wanted ? 1 : 0);
    }
}

/* The next connection, and its whole request. */
static void peer_take(struct rig *rig)
{
    size_t count = 0;
    if (rig->peer >= 0) {
        close(rig->peer);
    }
    turn_until_ready(rig, rig->listener);
    rig->peer = accept(rig->listener, NULL, NULL);
    assert_true(rig->peer >= 0);
    do {
        turn_until_ready(rig, rig->peer);
        ssize_t got = recv(rig->peer, rig->asked + count, sizeof rig->asked - 1 - count, 0);
        assert_true(got > 0);
        count += (size_t)got;
        rig->asked[count] = '\0';
    } while (strstr(rig->asked, "\r\n\r\n") == NULL);
}

static void peer_say(struct rig *rig, const char *text)
{
    assert_int_equal(send(rig->peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void peer_hangs_up(struct rig *rig)
{
    shutdown(rig->peer, SHUT_RDWR);
}

static void test_events_and_on_from_the_last_one(void **state)
{
    struct rig rig = {0};
    rig_start(&rig,
              &(struct sse_options){.headers = (const char *const[]){"X-Auth-Token: t", NULL}});
    peer_take(&rig);
    assert_non_null(strstr(rig.asked, "GET /stream?a=b HTTP/1.1\r\n"));
    assert_non_null(strstr(rig.asked, "\r\nAccept: text/event-stream\r\n"));
    assert_non_null(strstr(rig.asked, "\r\nX-Auth-Token: t\r\n"));
    assert_null(strstr(rig.asked, "Last-Event-ID"));
    peer_say(&rig, HEAD);
    turn_until(&rig, &rig.opened, 1); /* Before any event. */
    peer_say(&rig, "id: 41\ndata: a\n\nid: 42\nda");
    turn_until(&rig, &rig.events, 1);
    peer_say(&rig, "ta: b\n\nid: 43\ndata: lost");
    turn_until(&rig, &rig.events, 2);
    assert_int_equal(rig.closed, 0);
    peer_hangs_up(&rig);
    turn_until(&rig, &rig.closed, 1);
    assert_int_equal(rig.end.opened, true);
    peer_take(&rig);
    assert_non_null(strstr(rig.asked, "\r\nLast-Event-ID: 42\r\n")); /* 43 was not told. */
    peer_say(&rig, HEAD "id: 43\ndata: found\n\n");
    turn_until(&rig, &rig.events, 3);
    assert_string_equal(rig.words, "a;b;found;");
    assert_int_equal(sse_stream_figures(rig.stream).connects, 2);
    rig_stop(&rig);
    assert_int_equal(rig.closed, 1);
}

static void test_what_is_no_event_stream(void **state)
{
    static const struct {
        const char *answer;
        int code, status;
        const char *why, *body;
    } answers[] = {
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nwho", NSH_OK, 401,
         "HTTP status 401", "who"},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", NSH_PROTOCOL,
         0, "no event stream", ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", NSH_PROTOCOL, 0, "no content-type", ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", NSH_PROTOCOL, 0, "status 204", ""},
        {"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NSH_OK,
         301, "HTTP status 301", ""},
        {"SSH-2.0-x\r\n\r\n", NSH_PROTOCOL, 0, "", ""},
    };
    struct rig rig = {0};
    rig_start(&rig, &(struct sse_options){.again_ms_max = 20});
    for (unsigned i = 0; i < ROWS(answers); i++) {
        peer_take(&rig);
        peer_say(&rig, answers[i].answer);
        turn_until(&rig, &rig.closed, i + 1);
        assert_int_equal(rig.end.status, answers[i].status);
        assert_int_equal(rig.end.code, answers[i].code);
        assert_non_null(strstr(rig.why, answers[i].why));
        assert_string_equal(rig.body, answers[i].body);
        assert_false(rig.end.opened);
    }
    assert_int_equal(rig.opened + rig.events, 0);
    rig_stop(&rig);
}

/* Doubled from what the peer said, never above the most; Retry-After is kept. */
static void test_the_pause(void **state)
{
    static const char *const refusal = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
    struct rig rig = {0};
    rig_start(&rig, &(struct sse_options){.again_ms_min = 8, .again_ms_max = 100});
    for (unsigned i = 0; i < 6; i++) {
        uint32_t most_ms = 8u << i > 100 ? 100 : 8u << i;
        peer_take(&rig);
        peer_say(&rig, refusal);
        turn_until(&rig, &rig.closed, i + 1);
        assert_in_range(rig.end.again_ms, most_ms / 2, most_ms);
    }
    peer_take(&rig);
    peer_say(&rig, HEAD "retry: 90\n\n");
    turn_until(&rig, &rig.opened, 1);
    peer_hangs_up(&rig);
    turn_until(&rig, &rig.closed, 7);
    assert_in_range(rig.end.again_ms, 45, 100);
    peer_take(&rig);
    peer_say(&rig, "HTTP/1.1 503 x\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n");
    turn_until(&rig, &rig.closed, 8);
    assert_int_equal(rig.end.again_ms, 100); /* As long as we would ever wait. */
    rig_stop(&rig);
}

static void test_silence_ends_it(void **state)
{
    struct rig rig = {0};
    rig_start(&rig, &(struct sse_options){.idle_ms = 2000});
    peer_take(&rig);
    peer_say(&rig, HEAD);
    turn_until(&rig, &rig.opened, 1);
    int64_t begun_ms = clock_ms();
    while (clock_ms() - begun_ms < 3000) { /* Comments are no silence. */
        peer_say(&rig, ":\n");
        turn(&rig);
        poll(NULL, 0, 20);
    }
    assert_int_equal(rig.closed, 0);
    turn_until(&rig, &rig.closed, 1);
    assert_int_equal(rig.end.code, NSH_TIMEOUT);
    assert_string_equal(rig.why, "nothing came for 2000 ms");
    peer_take(&rig); /* And it comes again. */
    rig_stop(&rig);
}

static void test_a_head_that_never_comes(void **state)
{
    struct rig rig = {0};
    rig_start(&rig, &(struct sse_options){.open_ms = 100});
    peer_take(&rig);
    turn_until(&rig, &rig.closed, 1);
    assert_int_equal(rig.end.code, NSH_TIMEOUT);
    assert_int_equal(rig.opened, 0);
    rig_stop(&rig);
}

/* One event at a time, and far more than the sockets hold: nothing is lost, memory is bounded. */
static void test_the_peer_is_held_back(void **state)
{
    enum { EVENTS = 4000, DATA_BYTES = 4000 };
    static char event[DATA_BYTES + 16];
    struct rig rig = {.hold_after = 1};
    size_t sent = 0;
    int event_bytes = snprintf(event, sizeof event, "data: %0*d\n\n", DATA_BYTES, 7);
    rig_start(&rig, &(struct sse_options){.idle_ms = 1000}); /* While held, silence is ours. */
    peer_take(&rig);
    peer_say(&rig, HEAD);
    turn_until(&rig, &rig.opened, 1);
    int64_t stuck_ms = clock_ms();
    while (clock_ms() - stuck_ms < 1500) { /* Until nothing more can be sent for a while. */
        ssize_t got =
            send(rig.peer, event + sent % (size_t)event_bytes,
                 (size_t)event_bytes - sent % (size_t)event_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (got > 0) {
            sent += (size_t)got;
            stuck_ms = clock_ms();
        }
        assert_true(sent < (size_t)EVENTS * (size_t)event_bytes); /* It would take all there is. */
        turn(&rig);
    }
    assert_int_equal(rig.events, 1);
    assert_true(sse_stream_figures(rig.stream).held);
    assert_int_equal(rig.closed, 0);
    while (sent % (size_t)event_bytes != 0 || rig.events < sent / (size_t)event_bytes) {
        ssize_t got = sent % (size_t)event_bytes == 0
                          ? 0
                          : send(rig.peer, event + sent % (size_t)event_bytes,
                                 (size_t)event_bytes - sent % (size_t)event_bytes,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += got > 0 ? (size_t)got : 0;
        unsigned before = rig.events;
        assert_int_equal(sse_stream_resume(rig.stream), 0);
        turn(&rig);
        assert_true(rig.events - before <= 1);
        assert_true(clock_ms() - stuck_ms < DEADLINE_MS * 2);
    }
    assert_int_equal(rig.bytes, rig.events * (size_t)DATA_BYTES);
    assert_true(rig.events > 100);
    assert_int_equal(rig.closed, 0);
    rig_stop(&rig);
}

static void test_stopped_from_inside(void **state)
{
    struct rig rig = {.stop_in_event = true};
    rig_start(&rig, &(struct sse_options){0});
    peer_take(&rig);
    peer_say(&rig, HEAD "data: a\n\ndata: b\n\n");
    turn_until(&rig, &rig.events, 1);
    turn_until_ready(&rig, rig.peer); /* It hung up. */
    assert_int_equal(recv(rig.peer, rig.asked, sizeof rig.asked, 0), 0);
    assert_string_equal(rig.words, "a;");
    assert_int_equal(rig.closed, 0);
    rig.stop_in_event = false;
    assert_int_equal(sse_stream_start(rig.stream), 0);
    assert_int_equal(sse_stream_start(rig.stream), 0); /* Twice is once. */
    peer_take(&rig);
    peer_say(&rig, HEAD "data: c\n\n");
    turn_until(&rig, &rig.events, 2);
    assert_string_equal(rig.words, "a;c;"); /* b went with its connection. */
    rig_stop(&rig);
}

static void test_a_login_first(void **state)
{
    struct rig rig = {.stop_in_closed = true};
    rig_start(&rig, &(struct sse_options){.headers = (const char *const[]){"X-T: old", NULL}});
    peer_take(&rig);
    peer_say(&rig, "HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n");
    turn_until(&rig, &rig.closed, 1);
    for (int i = 0; i < 20; i++) {
        turn(&rig);
        poll(NULL, 0, 2);
    }
    assert_int_equal(sse_stream_figures(rig.stream).connects, 1); /* It waits for us. */
    assert_int_equal(sse_stream_headers(rig.stream, (const char *const[]){"X-T: new", NULL}, NULL),
                     0);
    rig.stop_in_closed = false;
    assert_int_equal(sse_stream_start(rig.stream), 0);
    peer_take(&rig);
    assert_non_null(strstr(rig.asked, "\r\nX-T: new\r\n"));
    assert_null(strstr(rig.asked, "old"));
    rig_stop(&rig);
}

static void test_at_once_again(void **state)
{
    struct rig rig = {.start_in_closed = true};
    rig_start(&rig, &(struct sse_options){.again_ms_min = 600000, .again_ms_max = 600000});
    peer_take(&rig);
    peer_say(&rig, HEAD);
    turn_until(&rig, &rig.opened, 1);
    peer_hangs_up(&rig);
    peer_take(&rig);
    rig_stop(&rig);
}

static void test_a_large_event_is_told_and_passed_over(void **state)
{
    struct rig rig = {0};
    rig_start(&rig, &(struct sse_options){.event_bytes_max = 16});
    peer_take(&rig);
    peer_say(&rig, HEAD "data: 0123456789012345678901234567890123456789\n\ndata: b\n\n");
    turn_until(&rig, &rig.events, 2);
    assert_string_equal(rig.words, "!b;");
    assert_int_equal(sse_stream_figures(rig.stream).large, 1);
    rig_stop(&rig);
}

static void test_settings_that_cannot_be(void **state)
{
    const char *headers[NSH_HTTP_HEADERS_MAX];
    struct rig rig = {0};
    for (size_t i = 0; i < ROWS(headers) - 1; i++) {
        headers[i] = "A: b";
    }
    headers[ROWS(headers) - 1] = NULL;
    rig_start(&rig, &(struct sse_options){0});
    assert_int_equal(sse_stream_headers(rig.stream, headers, NULL), -NSH_NOMEM);
    sse_stream_last_id_set(rig.stream, "9");
    peer_take(&rig);
    assert_non_null(strstr(rig.asked, "\r\nLast-Event-ID: 9\r\n"));
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_and_on_from_the_last_one),
        cmocka_unit_test(test_what_is_no_event_stream),
        cmocka_unit_test(test_the_pause),
        cmocka_unit_test(test_silence_ends_it),
        cmocka_unit_test(test_a_head_that_never_comes),
        cmocka_unit_test(test_the_peer_is_held_back),
        cmocka_unit_test(test_stopped_from_inside),
        cmocka_unit_test(test_a_login_first),
        cmocka_unit_test(test_at_once_again),
        cmocka_unit_test(test_a_large_event_is_told_and_passed_over),
        cmocka_unit_test(test_settings_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
