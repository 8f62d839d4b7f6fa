/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over the loop, against real sockets on the loopback. */

#include "../unit.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define TURNS_MAX 10000

struct seen {
    struct nsh_services *services;
    struct nsh_stream *stream;
    int code;
    unsigned ready_count;
    bool close_at_once;
};

struct rig {
    struct loop *loop;
    struct nsh_services *services;
    int listener;
    uint16_t port;
    struct seen seen;
};

static void op_completed(void *arg, struct nsh_op *op, const struct nsh_outcome *outcome)
{
}

static int rig_up(void **state)
{
    static struct rig rig;
    struct nsh_error err;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    rig = (struct rig){0};
    assert_int_equal(loop_new(&(struct loop_options){0},
                              &(struct loop_hooks){.complete = op_completed}, &rig.loop, &err),
                     0);
    rig.services = loop_services(rig.loop);
    rig.seen.services = rig.services;
    rig.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(rig.listener, 8), 0);
    assert_int_equal(getsockname(rig.listener, (struct sockaddr *)&address, &bytes), 0);
    rig.port = ntohs(address.sin_port);
    *state = &rig;
    return 0;
}

static int rig_down(void **state)
{
    struct rig *rig = *state;
    if (rig->listener >= 0) {
        close(rig->listener);
    }
    loop_free(rig->loop);
    return 0;
}

static void ready(void *arg, int code, const char *text)
{
    struct seen *seen = arg;
    seen->code = code;
    seen->ready_count++;
    assert_non_null(text);
    assert_true(code == NSH_OK || text[0] != 0);
    if (seen->close_at_once) {
        seen->services->stream_close(seen->services, seen->stream);
        seen->stream = NULL;
    }
}

static void wait_ready(struct rig *rig, unsigned count)
{
    for (int i = 0; i < TURNS_MAX && rig->seen.ready_count < count; i++) {
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    }
    assert_int_equal(rig->seen.ready_count, count);
}

static void open_to(struct rig *rig, const char *host, uint16_t port, uint32_t timeout_ms)
{
    struct nsh_error err = {0};
    struct nsh_stream_peer peer = {host, port, timeout_ms};
    assert_int_equal(rig->services->stream_open(rig->services, &peer, ready, &rig->seen,
                                                &rig->seen.stream, &err),
                     0);
    assert_int_equal(rig->seen.ready_count, 0); /* Never from inside the call. */
}

static void shut(struct rig *rig)
{
    rig->services->stream_close(rig->services, rig->seen.stream);
    rig->seen.stream = NULL;
}

static void test_bytes_go_both_ways(void **state)
{
    struct rig *rig = *state;
    struct nsh_services *services = rig->services;
    char bytes[16];
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1);
    assert_int_equal(rig->seen.code, NSH_OK);
    int peer = accept(rig->listener, NULL, NULL);
    assert_int_equal(services->stream_read(services, rig->seen.stream, bytes, sizeof bytes),
                     -NSH_BUSY);
    assert_int_equal(services->stream_write(services, rig->seen.stream, "ping", 4), 4);
    assert_int_equal(read(peer, bytes, sizeof bytes), 4);
    services->stream_want(services, rig->seen.stream, NSH_STREAM_READ);
    assert_int_equal(write(peer, "pong!", 5), 5);
    wait_ready(rig, 2);
    assert_int_equal(services->stream_read(services, rig->seen.stream, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "pong!", 5);
    close(peer);
    services->stream_want(services, rig->seen.stream, NSH_STREAM_READ);
    wait_ready(rig, 3);
    assert_int_equal(services->stream_read(services, rig->seen.stream, bytes, sizeof bytes), 0);
    shut(rig);
}

/* Each want is answered once, and only by what was wanted. */
static void test_wants_are_answered_once(void **state)
{
    struct rig *rig = *state;
    struct nsh_services *services = rig->services;
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1);
    int peer = accept(rig->listener, NULL, NULL);
    services->stream_want(services, rig->seen.stream, NSH_STREAM_WRITE);
    wait_ready(rig, 2);
    assert_int_equal(write(peer, "x", 1), 1);
    for (int i = 0; i < 20; i++) {
        uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
    }
    assert_int_equal(rig->seen.ready_count, 2); /* Nothing is wanted. */
    services->stream_want(services, rig->seen.stream, NSH_STREAM_READ);
    wait_ready(rig, 3);
    services->stream_want(services, rig->seen.stream, NSH_STREAM_READ);
    services->stream_want(services, rig->seen.stream, 0);
    for (int i = 0; i < 20; i++) {
        uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
    }
    assert_int_equal(rig->seen.ready_count, 3); /* Taken back. */
    close(peer);
    shut(rig);
}

static void test_a_full_peer_is_busy_then_writable(void **state)
{
    static char bytes[65536];
    struct rig *rig = *state;
    struct nsh_services *services = rig->services;
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1);
    int peer = accept(rig->listener, NULL, NULL);
    ssize_t done = 0;
    for (int i = 0; i < TURNS_MAX && done >= 0; i++) {
        done = services->stream_write(services, rig->seen.stream, bytes, sizeof bytes);
    }
    assert_int_equal(done, -NSH_BUSY);
    services->stream_want(services, rig->seen.stream, NSH_STREAM_WRITE);
    fcntl(peer, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < TURNS_MAX && rig->seen.ready_count < 2; i++) {
        while (read(peer, bytes, sizeof bytes) > 0) {
        }
        uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
    }
    assert_int_equal(rig->seen.ready_count, 2);
    assert_true(services->stream_write(services, rig->seen.stream, bytes, 10) > 0);
    close(peer);
    shut(rig);
}

static void test_a_reset_is_told_by_reading(void **state)
{
    struct rig *rig = *state;
    struct nsh_services *services = rig->services;
    char byte;
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1);
    int peer = accept(rig->listener, NULL, NULL);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peer);
    services->stream_want(services, rig->seen.stream, NSH_STREAM_READ);
    wait_ready(rig, 2);
    assert_int_equal(services->stream_read(services, rig->seen.stream, &byte, 1),
                     -NSH_DISCONNECTED);
    assert_int_equal(services->stream_write(services, rig->seen.stream, "x", 1), -NSH_DISCONNECTED);
    shut(rig);
}

static void test_a_refused_connection_says_so(void **state)
{
    struct rig *rig = *state;
    close(rig->listener);
    rig->listener = -1;
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1);
    assert_int_equal(rig->seen.code, NSH_UNREACHABLE);
    assert_int_equal(rig->services->stream_write(rig->services, rig->seen.stream, "x", 1),
                     -NSH_DISCONNECTED);
    shut(rig);
}

static void test_names_are_looked_up(void **state)
{
    struct rig *rig = *state;
    open_to(rig, "localhost", rig->port, 0); /* ::1 may be first; then nobody listens there. */
    wait_ready(rig, 1);
    assert_int_equal(rig->seen.code, NSH_OK);
    shut(rig);
    rig->seen.ready_count = 0;
    open_to(rig, "no-such-host.invalid", rig->port, 0);
    wait_ready(rig, 1);
    assert_true(rig->seen.code == NSH_NOT_FOUND || rig->seen.code == NSH_TIMEOUT);
    shut(rig);
}

/* A listener whose backlog is full answers nothing. */
static void test_a_silent_peer_times_out(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(rig->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fillers[64];
    size_t count = 0;
    assert_int_equal(listen(rig->listener, 0), 0);
    for (; count < 64; count++) {
        fillers[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[count], (struct sockaddr *)&address, sizeof address);
        struct pollfd connected = {.fd = fillers[count], .events = POLLOUT};
        if (poll(&connected, 1, 100) == 0) {
            break;
        }
    }
    assert_true(count < 64);
    open_to(rig, "127.0.0.1", rig->port, 50);
    wait_ready(rig, 1);
    assert_int_equal(rig->seen.code, NSH_TIMEOUT);
    shut(rig);
    for (size_t i = 0; i <= count; i++) {
        close(fillers[i]);
    }
}

/* Closed at every stage: nobody is called back, nothing leaks (the sanitizer says). */
static void test_closing_is_allowed_at_any_time(void **state)
{
    struct rig *rig = *state;
    open_to(rig, "127.0.0.1", rig->port, 0);
    shut(rig);
    open_to(rig, "localhost", rig->port, 0);
    shut(rig);
    for (int i = 0; i < 20; i++) {
        uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
    }
    assert_int_equal(rig->seen.ready_count, 0);
    rig->seen.close_at_once = true;
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1);
    assert_null(rig->seen.stream);
    rig->seen.close_at_once = false;
    rig->seen.ready_count = 0;
    open_to(rig, "127.0.0.1", rig->port, 0);
    wait_ready(rig, 1); /* Left open: the loop's end frees it. */
}

static void test_what_cannot_begin_is_refused(void **state)
{
    struct rig *rig = *state;
    struct nsh_error err = {0};
    struct nsh_stream_peer peer = {"255.255.255.255", 22, 0};
    assert_int_equal(rig->services->stream_open(rig->services, &peer, ready, &rig->seen,
                                                &rig->seen.stream, &err),
                     -NSH_UNREACHABLE);
    assert_non_null(strstr(err.text, "255.255.255.255: "));
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)
    const struct CMUnitTest tests[] = {
        ROW(test_bytes_go_both_ways),
        ROW(test_wants_are_answered_once),
        ROW(test_a_full_peer_is_busy_then_writable),
        ROW(test_a_reset_is_told_by_reading),
        ROW(test_a_refused_connection_says_so),
        ROW(test_names_are_looked_up),
        ROW(test_a_silent_peer_times_out),
        ROW(test_closing_is_allowed_at_any_time),
        ROW(test_what_cannot_begin_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
