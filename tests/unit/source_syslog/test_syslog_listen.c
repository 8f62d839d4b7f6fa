/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener over an intake that refuses when it is told to: senders hold back and lose nothing;
 * what is no syslog, and who may not send, is counted. (TLS and real senders: integration/syslog.)
 */

#include "../unit.h"

#include "source/syslog/syslog_listen.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000

/* Stands in for the loop's intake, whose symbols it defines. */
struct intake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool full;
    uint64_t events, refused;
};

int64_t intake_now_ms(struct intake *intake)
{
    return 1;
}

unsigned intake_load(const struct intake *intake)
{
    return 0;
}

int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err)
{
    pthread_mutex_lock(&intake->mutex);
    bool full = intake->full;
    size_t offset = 0;
    uint32_t count = 0;
    while (!full && offset < batch->bytes_count) {
        struct event event;
        long used = event_unpack(batch->bytes + offset, batch->bytes_count - offset, &event, NULL);
        NSH_ASSERT(used > 0);
        offset += (size_t)used;
        count++;
    }
    NSH_ASSERT(full || count == batch->events_count);
    intake->events += count;
    intake->refused += full;
    pthread_cond_broadcast(&intake->changed);
    pthread_mutex_unlock(&intake->mutex);
    if (!full && batch->done != NULL) {
        batch->done(batch->arg, true, 0);
    }
    return full ? nsh_fail(err, NSH_LIMIT, "full") : 0;
}

static void intake_fill(struct intake *intake, bool full)
{
    pthread_mutex_lock(&intake->mutex);
    intake->full = full;
    pthread_mutex_unlock(&intake->mutex);
}

/* Until events or refusals are at least so many. */
static void await(struct intake *intake, const uint64_t *count, uint64_t wanted)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&intake->mutex);
    while (*count < wanted) {
        if (pthread_cond_timedwait(&intake->changed, &intake->mutex, &until) != 0) {
            fail_msg("%llu of %llu", (unsigned long long)*count, (unsigned long long)wanted);
        }
    }
    pthread_mutex_unlock(&intake->mutex);
}

struct world {
    struct intake intake;
    struct syslog_listen *listen;
};

static void world_open(struct world *world, const char *source)
{
    const char *const listen[] = {"udp:127.0.0.1:0", "tcp:127.0.0.1:0"};
    struct syslog_options options = {.patterns = TEST_SOURCE_DIR "/etc/syslog",
                                     .listen = listen,
                                     .listen_count = 2,
                                     .sources = &source,
                                     .sources_count = 1,
                                     .unmatched_severity = -1};
    struct nsh_error err = {0};
    *world = (struct world){
        .intake = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    if (syslog_listen_new(&world->intake, &options, &world->listen, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static int client(const struct world *world, unsigned index, int type)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)syslog_listen_port(world->listen, index)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, type, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static const char line[] = "<4>Mar  1 10:00:00 h kernel: md: md0: recovery done.\n";

/* A sender that writes as fast as it may; the receiver reads on only when the intake does. */
static void test_holds_back(void **state)
{
    enum { LINES = 60000 };
    struct world *world = malloc(sizeof *world);
    world_open(world, "127.0.0.0/8");
    intake_fill(&world->intake, true);
    int fd = client(world, 1, SOCK_STREAM), room = 65536; /* The kernel is not to take it all. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    char *bytes = malloc(LINES * (sizeof line - 1));
    for (size_t i = 0; i < LINES; i++) {
        memcpy(bytes + i * (sizeof line - 1), line, sizeof line - 1);
    }
    size_t total = LINES * (sizeof line - 1), at = 0;
    bool blocked = false;
    while (at < total) {
        ssize_t written = send(fd, bytes + at, total - at, MSG_DONTWAIT);
        if (written > 0) {
            at += (size_t)written;
            continue;
        }
        if (!blocked) { /* The way is full: the receiver does not read on. */
            blocked = true;
            await(&world->intake, &world->intake.refused, 3);
            intake_fill(&world->intake, false);
        }
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    }
    assert_true(blocked);
    await(&world->intake, &world->intake.events, LINES);
    struct syslog_figures figures;
    syslog_listen_figures(world->listen, &figures);
    assert_int_equal(figures.received, LINES);
    assert_int_equal(syslog_drops(&figures), 0);
    assert_true(figures.held >= 1);
    close(fd);
    syslog_listen_free(world->listen);
    assert_int_equal(world->intake.events, LINES);
    free(bytes);
    free(world);
}

static void test_last_line(void **state)
{
    struct world *world = malloc(sizeof *world);
    world_open(world, "127.0.0.0/8");
    int fd = client(world, 1, SOCK_STREAM);
    assert_true(write(fd, line, sizeof line - 2) > 0); /* Without its newline; then goodbye. */
    close(fd);
    await(&world->intake, &world->intake.events, 1);
    syslog_listen_free(world->listen);
    free(world);
}

static void test_denied(void **state)
{
    struct world *world = malloc(sizeof *world);
    struct syslog_figures figures;
    char byte;
    world_open(world, "192.0.2.0/24");
    int tcp = client(world, 1, SOCK_STREAM), udp = client(world, 0, SOCK_DGRAM);
    assert_true(send(udp, line, sizeof line - 1, 0) > 0);
    assert_true(read(tcp, &byte, 1) <= 0); /* Closed by the other side. */
    close(tcp);
    close(udp);
    do {
        syslog_listen_figures(world->listen, &figures);
        sched_yield();
    } while (figures.denied < 2); /* The test's own limit ends it. */
    syslog_listen_free(world->listen);
    assert_int_equal(figures.received, 0);
    assert_int_equal(world->intake.events, 0);
    free(world);
}

/* Frames that are none: each came, each is counted, once. */
static void test_damaged(void **state)
{
    static const char *const frames[] = {"99999999 x", "5x<13>", "7 <13>a"};
    struct world *world = malloc(sizeof *world);
    struct syslog_figures figures;
    char byte;
    world_open(world, "127.0.0.0/8");
    for (size_t i = 0; i < ROWS(frames); i++) {
        int fd = client(world, 1, SOCK_STREAM);
        assert_true(send(fd, frames[i], strlen(frames[i]), 0) > 0);
        shutdown(fd, SHUT_WR);
        assert_true(read(fd, &byte, 1) <= 0); /* Closed by the other side. */
        close(fd);
    }
    syslog_listen_figures(world->listen, &figures);
    assert_int_equal(figures.malformed, ROWS(frames));
    assert_int_equal(figures.received, ROWS(frames));
    syslog_listen_free(world->listen);
    assert_int_equal(world->intake.events, 0);
    free(world);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *listen, *source, *wanted;
        int code;
    } rows[] = {
        {"udp:localhost:1", "127.0.0.1", "numeric address", -NSH_INVALID},
        {"udp:127.0.0.1:0", "10.0.0.0/33", "at most 32 bits", -NSH_INVALID},
        {"tls:127.0.0.1:0", "127.0.0.1", "tls_cert", -NSH_INVALID},
        {"tcp:192.0.2.1:1", "127.0.0.1", "tcp:192.0.2.1:1", -NSH_IO},
    };
    struct intake intake = {.full = true};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct syslog_options options = {.patterns = TEST_SOURCE_DIR "/etc/syslog",
                                         .listen = &rows[i].listen,
                                         .listen_count = 1,
                                         .sources = &rows[i].source,
                                         .sources_count = 1};
        struct syslog_listen *listen = NULL;
        struct nsh_error err = {0};
        assert_int_equal(syslog_listen_new(&intake, &options, &listen, &err), rows[i].code);
        assert_null(listen);
        assert_non_null(strstr(err.text, rows[i].wanted));
        if (rows[i].code == -NSH_INVALID) { /* The check of a configuration finds it too. */
            assert_int_equal(syslog_options_check(&options, &err), -NSH_INVALID);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_back), cmocka_unit_test(test_last_line),
        cmocka_unit_test(test_denied),     cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
