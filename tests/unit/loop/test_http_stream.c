/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streamed HTTP replies through the real client: pieces while the reply goes on, errors as whole
 * replies, cancelled from inside, and many of them beside the requests to the same host.
 */

#include "../unit.h"

#include "loop/loop.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 32

/* A server that answers by path: /stream two chunks and then whatever go() allows, /gone 410. */
struct server {
    pthread_t thread;
    int listener,
        go[2]; /* A byte written to go lets /stream go on: 'm' more, 'e' end, 'b' break. */
    int clients[CLIENTS_MAX];
    int streams[CLIENTS_MAX];
    size_t clients_count, streams_count;
    uint16_t port;
};

static void server_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void server_request(struct server *server, int fd, const char *bytes)
{
    if (strncmp(bytes, "GET /stream", 11) == 0) {
        server_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"one\"\r\n");
        server->streams[server->streams_count++] = fd;
    } else if (strncmp(bytes, "GET /gone", 9) == 0) {
        server_say(fd, "HTTP/1.1 410 Gone\r\nContent-Length: 7\r\n\r\ntoo old");
    } else {
        server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong");
    }
}

static void server_go(const struct server *server, char what)
{
    for (size_t i = 0; i < server->streams_count; i++) {
        int fd = server->streams[i];
        if (what == 'b') {
            shutdown(fd, SHUT_RDWR);
        } else {
            server_say(fd, what == 'm' ? "5\r\n:1}\n{\r\n" : "0\r\n\r\n");
        }
    }
}

static void *server_run(void *arg)
{
    struct server *server = arg;
    for (;;) {
        struct pollfd polls[CLIENTS_MAX + 2] = {{.fd = server->listener, .events = POLLIN},
                                                {.fd = server->go[0], .events = POLLIN}};
        char bytes[4096] = "";
        for (size_t i = 0; i < server->clients_count; i++) {
            polls[i + 2] = (struct pollfd){.fd = server->clients[i], .events = POLLIN};
        }
        poll(polls, (nfds_t)server->clients_count + 2, -1);
        if (polls[1].revents != 0) {
            if (read(server->go[0], bytes, 1) != 1 || bytes[0] == 'q') {
                return NULL;
            }
            server_go(server, bytes[0]);
        }
        for (size_t i = 0; i < server->clients_count; i++) {
            if (polls[i + 2].revents == 0) {
                continue;
            }
            ssize_t count = recv(server->clients[i], bytes, sizeof bytes - 1, 0);
            if (count > 0) {
                bytes[count] = '\0';
                server_request(server, server->clients[i], bytes);
            } else {
                close(server->clients[i]);
                server->clients[i] = -1; /* poll() passes over it. */
            }
        }
        if (polls[0].revents != 0) {
            server->clients[server->clients_count++] = accept(server->listener, NULL, NULL);
        }
    }
}

static void server_start(struct server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    *server = (struct server){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    getsockname(server->listener, (struct sockaddr *)&at, &bytes);
    server->port = ntohs(at.sin_port);
    assert_int_equal(pipe(server->go), 0);
    pthread_create(&server->thread, NULL, server_run, server);
}

static void server_stop(struct server *server)
{
    assert_int_equal(write(server->go[1], "q", 1), 1);
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < server->clients_count; i++) {
        if (server->clients[i] >= 0) {
            close(server->clients[i]);
        }
    }
    close(server->listener);
    close(server->go[0]);
    close(server->go[1]);
}

struct rig {
    struct server server;
    struct loop *loop;
    struct nsh_services *services;
};

struct asked {
    struct rig *rig;
    struct nsh_http *http;
    char got[256], body[64];
    unsigned pieces, dones;
    int code, status;
    bool cancel_inside;
};

static void took(void *arg, const char *bytes, size_t bytes_count)
{
    struct asked *asked = arg;
    strncat(asked->got, bytes, bytes_count);
    asked->pieces++;
    if (asked->cancel_inside) {
        asked->rig->services->http_cancel(asked->rig->services, asked->http);
    }
}

static void ended(void *arg, const struct nsh_http_reply *reply)
{
    struct asked *asked = arg;
    asked->dones++;
    asked->code = reply->code;
    asked->status = reply->status;
    snprintf(asked->body, sizeof asked->body, "%s", reply->body);
}

static void rig_start(struct rig *rig)
{
    struct nsh_error err = {0};
    server_start(&rig->server);
    assert_int_equal(loop_new(&(struct loop_options){0}, &(struct loop_hooks){0}, &rig->loop, &err),
                     0);
    rig->services = loop_services(rig->loop);
}

static void rig_stop(struct rig *rig)
{
    loop_free(rig->loop);
    server_stop(&rig->server);
}

static void ask_at(struct rig *rig, struct asked *asked, const char *path, bool streamed,
                   bool server)
{
    char url[64];
    struct nsh_error err = {0};
    asked->rig = rig;
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", rig->server.port, path);
    assert_int_equal(
        rig->services->http(rig->services,
                            &(struct nsh_http_request){.url = url,
                                                       .reply_bytes_max = 128,
                                                       .timeout_ms = 10000,
                                                       .server = server,
                                                       .received = streamed ? took : NULL},
                            ended, asked, &asked->http, &err),
        0);
}

static void ask(struct rig *rig, struct asked *asked, const char *path, bool streamed)
{
    ask_at(rig, asked, path, streamed, false);
}

/* Turn the loop until something was counted; the request's own time limit ends a failing test. */
static void turn_until(struct rig *rig, const unsigned *counter, unsigned wanted)
{
    while (*counter < wanted) {
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    }
    assert_int_equal(*counter, wanted);
}

static void test_pieces_come_while_the_reply_goes_on(void **state)
{
    struct rig rig;
    struct asked asked = {0};
    rig_start(&rig);
    ask(&rig, &asked, "/stream", true);
    turn_until(&rig, &asked.pieces, 1);
    assert_string_equal(asked.got, "{\"one\"");
    assert_int_equal(asked.dones, 0);
    assert_int_equal(write(rig.server.go[1], "m", 1), 1);
    turn_until(&rig, &asked.pieces, 2);
    assert_string_equal(asked.got, "{\"one\":1}\n{");
    assert_int_equal(write(rig.server.go[1], "e", 1), 1);
    turn_until(&rig, &asked.dones, 1);
    assert_int_equal(asked.code, NSH_OK);
    assert_int_equal(asked.status, 200);
    assert_string_equal(asked.body, "");
    rig_stop(&rig);
}

static void test_an_endless_stream_is_not_over_the_limit(void **state)
{
    struct rig rig;
    struct asked asked = {0};
    rig_start(&rig);
    ask(&rig, &asked, "/stream", true);
    for (unsigned i = 1; i <= 40; i++) { /* 200 bytes through a limit of 128. */
        turn_until(&rig, &asked.pieces, i);
        asked.got[0] = '\0';
        assert_int_equal(write(rig.server.go[1], "m", 1), 1);
    }
    turn_until(&rig, &asked.pieces, 41);
    assert_int_equal(asked.dones, 0);
    rig.services->http_cancel(rig.services, asked.http);
    rig_stop(&rig);
    assert_int_equal(asked.dones, 0);
}

static void test_an_error_is_a_whole_reply(void **state)
{
    struct rig rig;
    struct asked asked = {0};
    rig_start(&rig);
    ask(&rig, &asked, "/gone", true);
    turn_until(&rig, &asked.dones, 1);
    assert_int_equal(asked.pieces, 0);
    assert_int_equal(asked.status, 410);
    assert_string_equal(asked.body, "too old");
    rig_stop(&rig);
}

static void test_a_broken_stream_says_so_after_its_pieces(void **state)
{
    struct rig rig;
    struct asked asked = {0};
    rig_start(&rig);
    ask(&rig, &asked, "/stream", true);
    turn_until(&rig, &asked.pieces, 1);
    assert_int_equal(write(rig.server.go[1], "b", 1), 1);
    turn_until(&rig, &asked.dones, 1);
    assert_int_equal(asked.code, NSH_DISCONNECTED);
    rig_stop(&rig);
}

static void test_cancelled_from_inside(void **state)
{
    struct rig rig;
    struct asked asked = {.cancel_inside = true}, other = {0};
    rig_start(&rig);
    ask(&rig, &asked, "/stream", true);
    turn_until(&rig, &asked.pieces, 1);
    ask(&rig, &other, "/ping", false);
    turn_until(&rig, &other.dones, 1);
    assert_int_equal(asked.dones, 0);
    rig_stop(&rig);
    assert_int_equal(asked.dones, 0);
}

/* A host gets four connections; its streams must not take them. */
static void test_streams_leave_the_connections_to_requests(void **state)
{
    struct rig rig;
    struct asked streams[8] = {{0}}, asked = {0};
    unsigned begun = 0;
    rig_start(&rig);
    for (size_t i = 0; i < ROWS(streams); i++) {
        ask(&rig, &streams[i], "/stream", true);
    }
    for (size_t i = 0; i < ROWS(streams); i++) {
        turn_until(&rig, &streams[i].pieces, 1);
        begun += streams[i].pieces;
    }
    assert_int_equal(begun, ROWS(streams));
    for (size_t i = 0; i < ROWS(streams); i++) {
        assert_int_equal(streams[i].dones, 0); /* Nobody had to wait until another's end. */
    }
    ask(&rig, &asked, "/ping", false);
    turn_until(&rig, &asked.dones, 1);
    assert_string_equal(asked.body, "pong");
    rig_stop(&rig);
}

/* What is made for many at once gets more than the four: eight that take long stop nobody. */
static void test_a_server_has_more_connections(void **state)
{
    struct rig rig;
    struct asked slow[8] = {{0}}, asked = {0};
    rig_start(&rig);
    for (size_t i = 0; i < ROWS(slow); i++) {
        ask_at(&rig, &slow[i], "/stream", false, true);
    }
    ask_at(&rig, &asked, "/ping", false, true);
    turn_until(&rig, &asked.dones, 1);
    assert_string_equal(asked.body, "pong");
    for (size_t i = 0; i < ROWS(slow); i++) {
        assert_int_equal(slow[i].dones, 0);
    }
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_come_while_the_reply_goes_on),
        cmocka_unit_test(test_an_endless_stream_is_not_over_the_limit),
        cmocka_unit_test(test_an_error_is_a_whole_reply),
        cmocka_unit_test(test_a_broken_stream_says_so_after_its_pieces),
        cmocka_unit_test(test_cancelled_from_inside),
        cmocka_unit_test(test_streams_leave_the_connections_to_requests),
        cmocka_unit_test(test_a_server_has_more_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
