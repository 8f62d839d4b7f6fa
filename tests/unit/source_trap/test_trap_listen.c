/* SPDX-License-Identifier: Apache-2.0 */
/* The real receiver, sandboxed, with Net-SNMP's own programs as senders; the commit is in the
 * test's hand. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <signal.h>
#include <unistd.h>

#include "trap_host.h"

#define ENGINE "0x8000000001020304"

struct world {
    uv_loop_t loop;
    struct intake intake;
    struct trap_listen *listen;
    uv_timer_t tick;
    char address[64];
    unsigned port;
    bool stopped, expired;
    char logged[512];
};

static struct world world;

static bool starved; /* The daemon's end gets no memory. */

void *__real_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return starved ? NULL : __real_malloc(bytes);
}

static void remember_log(void *arg, bool error, const char *text)
{
    snprintf(world.logged, sizeof world.logged, "%s", text);
}

static void on_tick(uv_timer_t *timer)
{
    if (world.intake.commit) {
        host_commit(&world.intake, true);
    }
}

static void on_expired(uv_timer_t *timer)
{
    world.expired = true;
}

/* Run the loop until condition holds; a bound on waiting for events, not a pause. */
static bool run_until(bool (*condition)(void), unsigned seconds)
{
    uv_timer_t timer;
    uv_timer_init(&world.loop, &timer);
    uv_timer_start(&timer, on_expired, seconds * 1000u, 0);
    world.expired = false;
    while (!condition() && !world.expired) {
        uv_run(&world.loop, UV_RUN_ONCE);
    }
    bool held = !world.expired || condition();
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&world.loop, UV_RUN_NOWAIT);
    return held;
}

static struct trap_figures figures(void)
{
    struct trap_figures now;
    trap_listen_figures(world.listen, &now);
    return now;
}

static bool is_ready(void)
{
    return figures().ready == figures().receivers;
}

static void on_stopped(void *arg)
{
    world.stopped = true;
}

static bool is_stopped(void)
{
    return world.stopped;
}

static const struct trap_user users[] = {
    {.name = "trapuser",
     .auth = "SHA",
     .auth_secret = "authpass12",
     .priv = "AES",
     .priv_secret = "privpass12"},
    {.name = "informuser",
     .auth = "SHA-256",
     .auth_secret = "authpass12",
     .priv = "AES",
     .priv_secret = "privpass12"},
    {.name = "authuser", .auth = "SHA-512", .auth_secret = "authpass12"},
};

static void start(const char *tables, const char *source)
{
    static const char *const listen[] = {"udp:127.0.0.1:0"};
    static const char *const communities[] = {"public"};
    struct nsh_error err = {0};
    memset(&world, 0, sizeof world);
    uv_loop_init(&world.loop);
    uv_timer_init(&world.loop, &world.tick);
    uv_timer_start(&world.tick, on_tick, 1, 1);
    world.intake.keep = true;
    struct trap_options options = {
        .receiver = TEST_BINARY_DIR "/bin/nightshift-trap",
        .tables = tables,
        .listen = listen,
        .listen_count = 1,
        .sources = &source,
        .sources_count = 1,
        .communities = communities,
        .communities_count = 1,
        .users = users,
        .users_count = sizeof users / sizeof users[0],
        .log = remember_log,
    };
    if (trap_listen_new(&world.loop, &world.intake, &options, &world.listen, &err) < 0) {
        fail_msg("%s", err.text);
    }
    world.port = trap_listen_port(world.listen, 0);
    snprintf(world.address, sizeof world.address, "127.0.0.1:%u", world.port);
}

static int stop(void **state)
{
    if (world.listen != NULL) {
        host_commit(&world.intake, false);
        trap_listen_stop(world.listen, on_stopped, NULL);
        assert_true(run_until(is_stopped, 10));
        world.listen = NULL;
        uv_close((uv_handle_t *)&world.tick, NULL);
        uv_run(&world.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&world.loop), 0);
    }
    return 0;
}

static void start_usual(void)
{
    start(TEST_SOURCE_DIR "/etc/traps", "127.0.0.1/32");
    assert_true(run_until(is_ready, 20));
}

struct child {
    uv_process_t process;
    bool ended;
    int64_t status;
};
static struct child sender;

static void on_sender_closed(uv_handle_t *handle)
{
    sender.ended = true;
}

static void on_sender_exit(uv_process_t *process, int64_t status, int signal)
{
    sender.status = status;
    uv_close((uv_handle_t *)process, on_sender_closed);
}

static bool sender_ended(void)
{
    return sender.ended;
}

/* Start a program of Net-SNMP; no configuration, no MIB, no state of this machine. */
static void send_with(const char *const *args)
{
    static char environment[4][48] = {"SNMPCONFPATH=/nonexistent",
                                      "SNMP_PERSISTENT_DIR=/nonexistent",
                                      "MIBS=", "PATH=/usr/bin:/bin"};
    char *variables[] = {environment[0], environment[1], environment[2], environment[3], NULL};
    char *copies[40] = {0};
    for (size_t i = 0; args[i] != NULL; i++) {
        copies[i] = strdup(strcmp(args[i], "@") == 0 ? world.address : args[i]);
    }
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t options = {.file = copies[0],
                                    .args = copies,
                                    .env = variables,
                                    .exit_cb = on_sender_exit,
                                    .stdio = stdio,
                                    .stdio_count = 3};
    sender = (struct child){0};
    int r = uv_spawn(&world.loop, &sender.process, &options);
    for (size_t i = 0; copies[i] != NULL; i++) {
        free(copies[i]);
    }
    if (r < 0) {
        fail_msg("%s: %s", args[0], uv_strerror(r));
    }
}

static bool one_event(void)
{
    return world.intake.events_kept >= 1;
}

#define LINK_DOWN "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.7", "i", "7"
#define QUICK "-t", "0.5", "-r", "20"

struct sending {
    const char *why;
    const char *const args[40];
    const char *name, *hint;
};

static const struct sending sendings[] = {
    {"v1, generic",
     {"snmptrap", "-v1", "-c", "public", "@", "1.3.6.1.4.1.9", "192.0.2.9", "2", "0", "",
      "1.3.6.1.2.1.2.2.1.1.7", "i", "7", NULL},
     "IF-MIB::linkDown",
     "addr=127.0.0.1,agent=192.0.2.9"},
    {"v1, specific: enterprise.0.specific",
     {"snmptrap", "-v1", "-c", "public", "@", "1.3.6.1.4.1.318", "192.0.2.9", "6", "5", "",
      "1.3.6.1.4.1.318.2.3.3.0", "s", "UPS: on battery", NULL},
     "PowerNet-MIB::upsOnBattery",
     "addr=127.0.0.1,agent=192.0.2.9"},
    {"v2c",
     {"snmptrap", "-v2c", "-c", "public", "@", "", LINK_DOWN, NULL},
     "IF-MIB::linkDown",
     "addr=127.0.0.1"},
    {"v3 authPriv, the sender's engine",
     {"snmptrap", "-v3",        "-e",  ENGINE, "-u",         "trapuser", "-l",
      "authPriv", "-a",         "SHA", "-A",   "authpass12", "-x",       "AES",
      "-X",       "privpass12", "@",   "",     LINK_DOWN,    NULL},
     "IF-MIB::linkDown",
     "addr=127.0.0.1,engine=8000000001020304"},
    {"v3 authNoPriv, SHA-512",
     {"snmptrap", "-v3", "-e", ENGINE, "-u", "authuser", "-l", "authNoPriv", "-a", "SHA-512", "-A",
      "authpass12", "@", "", LINK_DOWN, NULL},
     "IF-MIB::linkDown",
     "addr=127.0.0.1,engine=8000000001020304"},
};

static void test_traps(void **state)
{
    start_usual();
    world.intake.commit = true;
    for (size_t i = 0; i < sizeof sendings / sizeof sendings[0]; i++) {
        world.intake.events_kept = 0;
        send_with(sendings[i].args);
        if (!run_until(one_event, 10)) {
            fail_msg("%s: no event", sendings[i].why);
        }
        assert_true(run_until(sender_ended, 10));
        assert_string_equal(world.intake.events[0].name, sendings[i].name);
        assert_string_equal(world.intake.events[0].hint, sendings[i].hint);
        assert_string_equal(world.intake.events[0].source, "trap/127.0.0.1");
        assert_string_equal(world.intake.events[0].id, ""); /* A trap has no identity. */
    }
}

static bool two_repetitions(void)
{
    return figures().counters.informs >= 2 && world.intake.events_kept >= 2;
}

/* The answer comes after the commit, never before; a repetition carries the same id. */
static void inform_row(const char *const *args)
{
    start_usual();
    send_with(args);
    assert_true(run_until(two_repetitions, 20));
    assert_false(sender.ended);
    assert_int_equal(figures().counters.answered, 0);
    assert_string_not_equal(world.intake.events[0].id, "");
    assert_string_equal(world.intake.events[0].id, world.intake.events[1].id);
    world.intake.commit = true;
    assert_true(run_until(sender_ended, 20));
    assert_int_equal(sender.status, 0);
}

static void test_inform_v2c(void **state)
{
    inform_row((const char *const[]){"snmpinform", "-v2c", "-c", "public", QUICK, "@", "",
                                     LINK_DOWN, NULL});
}

static void test_inform_v3(void **state)
{
    inform_row((const char *const[]){"snmpinform", "-v3", "-u", "informuser", "-l", "authPriv",
                                     "-a", "SHA-256", "-A", "authpass12", "-x", "AES", "-X",
                                     "privpass12", QUICK, "@", "", LINK_DOWN, NULL});
}

/* The answer needs no memory: without it the sender would wait, and the receiver for ever. */
static void test_inform_starved(void **state)
{
    start_usual();
    send_with((const char *const[]){"snmpinform", "-v2c", "-c", "public", "-t", "10", "-r", "0",
                                    "@", "", LINK_DOWN, NULL});
    assert_true(run_until(one_event, 10));
    starved = true;
    host_commit(&world.intake, true);
    starved = false;
    assert_true(run_until(sender_ended, 20));
    assert_int_equal(sender.status, 0);
}

static bool one_refused(void)
{
    return figures().counters.denied + figures().counters.malformed > 0;
}

/* A batch that did not become durable: no answer. */
static void test_inform_lost(void **state)
{
    start_usual();
    send_with((const char *const[]){"snmpinform", "-v2c", "-c", "public", "-t", "0.3", "-r", "1",
                                    "@", "", LINK_DOWN, NULL});
    assert_true(run_until(one_event, 10));
    host_commit(&world.intake, false);
    while (!sender.ended) {
        uv_run(&world.loop, UV_RUN_ONCE);
        host_commit(&world.intake, false);
    }
    assert_int_equal(sender.status, 1);
    assert_int_equal(figures().counters.answered, 0);
}

static const struct sending refusals[] = {
    {"another community",
     {"snmptrap", "-v2c", "-c", "private", "@", "", LINK_DOWN, NULL},
     NULL,
     NULL},
    {"a source outside the allow-list",
     {"snmptrap", "-v2c", "-c", "public", "--clientaddr=127.0.0.2", "@", "", LINK_DOWN, NULL},
     NULL,
     NULL},
    {"an unknown user",
     {"snmptrap", "-v3", "-e", ENGINE, "-u", "nobody", "-l", "authNoPriv", "-a", "SHA", "-A",
      "authpass12", "@", "", LINK_DOWN, NULL},
     NULL,
     NULL},
    {"a wrong pass phrase",
     {"snmptrap", "-v3",        "-e",  ENGINE, "-u",          "trapuser", "-l",
      "authPriv", "-a",         "SHA", "-A",   "wrongpass12", "-x",       "AES",
      "-X",       "privpass12", "@",   "",     LINK_DOWN,     NULL},
     NULL,
     NULL},
    {"a lower level than the user's",
     {"snmptrap", "-v3", "-e", ENGINE, "-u", "trapuser", "-l", "authNoPriv", "-a", "SHA", "-A",
      "authpass12", "@", "", LINK_DOWN, NULL},
     NULL,
     NULL},
};

static void test_refused(void **state)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        start_usual();
        world.intake.commit = true;
        send_with(refusals[i].args);
        if (!run_until(one_refused, 10)) {
            fail_msg("%s: not counted", refusals[i].why);
        }
        assert_true(run_until(sender_ended, 10));
        assert_int_equal(world.intake.events_kept, 0);
        assert_int_equal(figures().counters.denied, 1);
        stop(state);
    }
}

static bool restarted(void)
{
    return figures().restarts == 1 && is_ready();
}

/* The sockets are the daemon's: what arrives while there is no receiver waits. */
static void test_killed(void **state)
{
    start_usual();
    world.intake.commit = true;
    int pid = trap_listen_pid(world.listen, 0);
    assert_true(pid > 0);
    kill(pid, SIGKILL);
    send_with((const char *const[]){"snmptrap", "-v2c", "-c", "public", "@", "", LINK_DOWN, NULL});
    assert_true(run_until(restarted, 20));
    assert_int_not_equal(trap_listen_pid(world.listen, 0), pid);
    assert_true(run_until(one_event, 10));
    assert_true(run_until(sender_ended, 10));
    assert_non_null(strstr(world.logged, "was ended by signal 9"));
}

/* One that starts without memory still gets its configuration. */
static void test_killed_starved(void **state)
{
    start_usual();
    starved = true;
    kill(trap_listen_pid(world.listen, 0), SIGKILL);
    bool well = run_until(restarted, 20);
    starved = false;
    assert_true(well);
}

static void send_raw(unsigned count, unsigned variants)
{
    /* v2c, cold start (info), request id and one varbind patched. */
    static const uint8_t template[] = {
        0x30, 0x4a, 0x02, 0x01, 0x01, 0x04, 0x06, 'p',  'u',  'b',  'l',  'i',  'c',
        0xa7, 0x3d, 0x02, 0x04, 0x01, 0x02, 0x03, 0x04, 0x02, 0x01, 0x00, 0x02, 0x01,
        0x00, 0x30, 0x2f, 0x30, 0x0d, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x02, 0x01, 0x01,
        0x03, 0x00, 0x43, 0x01, 0x01, 0x30, 0x17, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x06,
        0x03, 0x01, 0x01, 0x04, 0x01, 0x00, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x06, 0x03,
        0x01, 0x01, 0x05, 0x01, 0x30, 0x05, 0x06, 0x01, 0x2b, 0x05, 0x00};
    uint8_t bytes[sizeof template];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)world.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    for (unsigned i = 0; i < count; i++) {
        memcpy(bytes, template, sizeof bytes);
        bytes[sizeof bytes - 3] =
            (uint8_t)(i % variants % 0x28 + 0x28); /* Another varbind: not the same trap. */
        assert_int_equal(
            sendto(fd, bytes, sizeof bytes, 0, (const struct sockaddr *)&to, sizeof to),
            sizeof bytes);
    }
    close(fd);
}

static uint64_t wanted;

static uint64_t sum_of(const struct trap_counters *c)
{
    return c->events + c->duplicate + c->coalesced + c->dropped_info + c->dropped_warning +
           c->dropped_minor + c->dropped_major + c->dropped_critical + c->dropped_fatal;
}

static bool all_received(void)
{
    return figures().counters.received + figures().counters.kernel_drops >= wanted;
}

static bool all_accounted(void)
{
    struct trap_counters counters = figures().counters;
    return sum_of(&counters) == counters.received;
}

/* Without commits the window closes, repetitions are dropped, and every trap stands in exactly one
 * counter. */
static void test_storm(void **state)
{
    start_usual();
    world.intake.keep = false;
    wanted = 60000;
    for (unsigned i = 0; i < 60; i++) {
        send_raw(1000, 8);
        uv_run(&world.loop, UV_RUN_NOWAIT);
    }
    assert_true(run_until(all_received, 20));
    struct trap_counters counters = figures().counters;
    assert_true(counters.duplicate > 0);
    assert_true(counters.events < counters.received);
    world.intake.commit = true;
    assert_true(run_until(all_accounted, 20));
    counters = figures().counters;
    assert_int_equal(counters.received + counters.kernel_drops, wanted);
    assert_int_equal(counters.events, world.intake.events_count);
}

static bool some_batches_refused(void)
{
    return figures().refused > 0;
}

/* A full intake: batches wait, none is lost. */
static void test_full(void **state)
{
    start_usual();
    world.intake.keep = false;
    world.intake.full = true;
    world.intake.commit = true;
    wanted = 500;
    send_raw(500, 1);
    assert_true(run_until(some_batches_refused, 10));
    assert_int_equal(world.intake.events_count, 0);
    world.intake.full = false;
    assert_true(run_until(all_received, 10));
    assert_true(run_until(all_accounted, 10));
    assert_int_equal(world.intake.events_count, figures().counters.events);
}

static int pid_before;

static bool replaced(void)
{
    int pid = trap_listen_pid(world.listen, 0);
    return pid != 0 && pid != pid_before;
}

static void test_reload(void **state)
{
    start_usual();
    world.intake.keep = false;
    world.intake.commit = true;
    wanted = 2000;
    send_raw(1000, 8);
    pid_before = trap_listen_pid(world.listen, 0);
    trap_listen_reload(world.listen);
    send_raw(1000, 8);
    assert_true(run_until(replaced, 20));
    assert_true(run_until(all_received, 20));
    assert_true(run_until(all_accounted, 20));
    assert_int_equal(figures().restarts, 0); /* Wanted: not counted as a failure. */
    assert_int_equal(world.intake.events_count + figures().counters.duplicate, wanted);
}

static bool complained(void)
{
    return strstr(world.logged, "/nonexistent/traps") != NULL;
}

static void test_bad_tables(void **state)
{
    start("/nonexistent/traps", "127.0.0.1/32");
    assert_true(run_until(complained, 20));
}

static void test_bad_options(void **state)
{
    struct {
        const char *listen, *source, *text;
    } rows[] = {
        {"udp:127.0.0.1:70000", "127.0.0.0/8", "udp:ADDRESS:PORT"},
        {"udp:localhost:162", "127.0.0.0/8", "numeric"},
        {"udp:127.0.0.1:0", "10.0.0.0/33", "at most 32 bits"},
        {"udp:127.0.0.1:0", "ten", "such as 10.0.0.0/8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsh_error err = {0};
        struct trap_options options = {.receiver = TEST_BINARY_DIR "/bin/nightshift-trap",
                                       .tables = TEST_SOURCE_DIR "/etc/traps",
                                       .listen = &rows[i].listen,
                                       .listen_count = 1,
                                       .sources = &rows[i].source,
                                       .sources_count = 1};
        uv_loop_t loop;
        uv_loop_init(&loop);
        struct trap_listen *listen = NULL;
        assert_true(trap_listen_new(&loop, &world.intake, &options, &listen, &err) < 0);
        assert_non_null(strstr(err.text, rows[i].text));
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_traps, stop),
        cmocka_unit_test_teardown(test_inform_v2c, stop),
        cmocka_unit_test_teardown(test_inform_v3, stop),
        cmocka_unit_test_teardown(test_inform_lost, stop),
        cmocka_unit_test_teardown(test_inform_starved, stop),
        cmocka_unit_test_teardown(test_refused, stop),
        cmocka_unit_test_teardown(test_killed, stop),
        cmocka_unit_test_teardown(test_killed_starved, stop),
        cmocka_unit_test_teardown(test_storm, stop),
        cmocka_unit_test_teardown(test_full, stop),
        cmocka_unit_test_teardown(test_reload, stop),
        cmocka_unit_test_teardown(test_bad_tables, stop),
        cmocka_unit_test_teardown(test_bad_options, NULL),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
