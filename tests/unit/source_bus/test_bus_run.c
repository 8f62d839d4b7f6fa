/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker that does what the rows of a test say, under the real thread: what is acknowledged, in
 * which order, and when not; held back by a full intake; a link that breaks; the end. The intake
 * stands in for the loop's.
 */

#include "../unit.h"

#include "source/bus/bus_private.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 20000
#define MESSAGES_MAX 64

/* ---- the broker: messages to send from the first that was not settled on ---- */

static struct {
    pthread_mutex_t mutex;
    const char *messages[MESSAGES_MAX];
    size_t count, settled; /* settled: for good, in order. */
    char log[512];         /* "ack 3", "reject 4", "open" ... */
    bool break_now, refuse_now;
    unsigned opens, closes;
} broker = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct bus_link {
    int fd;
    size_t next;
};

static void note(const char *word, uint64_t tag)
{
    size_t count = strlen(broker.log);
    snprintf(broker.log + count, sizeof broker.log - count, "%s%s%llu", count > 0 ? ", " : "", word,
             (unsigned long long)tag);
}

static int link_open(const struct bus_options *options, struct bus_link *link,
                     struct nsh_error *err)
{
    pthread_mutex_lock(&broker.mutex);
    link->fd = eventfd(1, EFD_NONBLOCK); /* Always ready: the runner must not depend on it. */
    link->next = broker.settled;
    broker.opens++;
    bool refused = broker.refuse_now;
    broker.refuse_now = false;
    pthread_mutex_unlock(&broker.mutex);
    return refused ? nsh_fail(err, NSH_REFUSED, "nobody gets in") : 0;
}

static void link_watch(struct bus_link *link, struct pollfd *ret_poll)
{
    *ret_poll = (struct pollfd){.fd = -1};
}

static int link_receive(struct bus_link *link, struct bus_message *ret_message,
                        struct nsh_error *err)
{
    pthread_mutex_lock(&broker.mutex);
    bool broken = broker.break_now;
    broker.break_now = false;
    int result = broken ? -NSH_UNREACHABLE : link->next < broker.count;
    if (result == 1) {
        ret_message->bytes = broker.messages[link->next];
        ret_message->bytes_count = strlen(ret_message->bytes);
        ret_message->tag = ++link->next;
    }
    pthread_mutex_unlock(&broker.mutex);
    return broken ? nsh_fail(err, NSH_UNREACHABLE, "pulled") : result;
}

static int link_settle(struct bus_link *link, uint64_t tag, bool kept, struct nsh_error *err)
{
    pthread_mutex_lock(&broker.mutex);
    NSH_ASSERT(tag > broker.settled && tag <= broker.count);
    NSH_ASSERT(kept || tag == broker.settled + 1);
    broker.settled = tag;
    note(kept ? "ack " : "reject ", tag);
    pthread_mutex_unlock(&broker.mutex);
    return 0;
}

static int link_tend(struct bus_link *link, bool paused, struct nsh_error *err)
{
    return 0;
}

static void link_close(struct bus_link *link)
{
    close(link->fd);
    pthread_mutex_lock(&broker.mutex);
    broker.closes++;
    pthread_mutex_unlock(&broker.mutex);
}

static const struct bus_transport stub = BUS_TRANSPORT("stub");

int bus_transport_load(const char *name, const struct bus_transport **ret_transport,
                       struct nsh_error *err)
{
    *ret_transport = &stub;
    return 0;
}

/* ---- the intake: batches wait until the test answers them ---- */

struct intake {
    pthread_mutex_t mutex;
    struct intake_batch waiting[MESSAGES_MAX];
    size_t count;
    unsigned refused;
    bool full;
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
    intake->refused += full;
    if (!full) {
        intake->waiting[intake->count++] = *batch;
    }
    pthread_mutex_unlock(&intake->mutex);
    return full ? nsh_fail(err, NSH_LIMIT, "full") : 0;
}

/* ---- the world ---- */

struct world {
    uv_loop_t loop;
    struct intake intake;
    struct source_book *book;
    struct source_services services;
    struct arena arena;
    struct source_config config;
    struct source_type type;
    void *source;
    bool closed;
};

static void world_open(struct world *world, const char *const *messages, int64_t window)
{
    struct nsh_error err = {0};
    struct diags diags = {0};
    *world = (struct world){.intake.mutex = PTHREAD_MUTEX_INITIALIZER};
    memset(broker.messages, 0, sizeof broker.messages);
    broker.count = broker.settled = broker.opens = broker.closes = 0;
    broker.log[0] = '\0';
    broker.break_now = false;
    for (; messages[broker.count] != NULL; broker.count++) {
        broker.messages[broker.count] = messages[broker.count];
    }
    uv_loop_init(&world->loop);
    assert_int_equal(source_book_new(&world->book, &err), 0);
    world->services = (struct source_services){.loop = &world->loop,
                                               .intake = &world->intake,
                                               .row = source_book_row(world->book, "s", "stub")};
    world->type = (struct source_type){.name = "stub"};
    struct conf *root = conf_read_text(
        "t", "map = ( { when = \"body.n == 0\"; ignore = \"nothing\"; }, { type = \"'t'\"; } );",
        &world->arena, &diags);
    struct nsh_member *members = arena_array(&world->arena, 1, sizeof *members);
    members[0] = (struct nsh_member){"window", nsh_int(window)};
    world->config = (struct source_config){
        .name = "s",
        .type = &world->type,
        .settings = nsh_map(members, 1),
        .format.map = source_map_read(conf_get(root, "map"), &world->arena, &diags)};
    assert_non_null(world->config.format.map);
    diags_done(&diags);
    assert_int_equal(bus_open(&world->services, &world->config, &world->source, &err), 0);
}

/* Until it is so; the loop runs meanwhile. */
static void await(struct world *world, bool (*so)(struct world *world, size_t count), size_t count)
{
    for (int waited = 0; waited < LIMIT_MS; waited++) {
        uv_run(&world->loop, UV_RUN_NOWAIT);
        pthread_mutex_lock(&world->intake.mutex);
        pthread_mutex_lock(&broker.mutex);
        bool good = so(world, count);
        pthread_mutex_unlock(&broker.mutex);
        pthread_mutex_unlock(&world->intake.mutex);
        if (good) {
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("waited in vain for %zu; log: %s", count, broker.log);
}

static bool pushed(struct world *world, size_t count)
{
    return world->intake.count >= count;
}

static bool refused(struct world *world, size_t count)
{
    return world->intake.refused >= count;
}

static bool settled(struct world *world, size_t count)
{
    return broker.settled >= count;
}

static bool opened(struct world *world, size_t count)
{
    return broker.opens >= count;
}

static void answer(struct world *world, size_t index, bool durable)
{
    struct intake_batch batch = world->intake.waiting[index];
    batch.done(batch.arg, durable, 0);
}

static void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static bool closed(struct world *world, size_t count)
{
    return world->closed;
}

static void world_close(struct world *world)
{
    if (!world->closed) {
        bus_close(world->source, on_closed, world);
        await(world, closed, 1);
    }
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    source_book_free(world->book);
    arena_done(&world->arena);
}

/* ---- the tests ---- */

static void test_order(void **state)
{
    struct world world;
    world_open(&world, (const char *const[]){"{\"n\":1}", "{\"n\":2}", "{\"n\":3}", NULL}, 10);
    await(&world, pushed, 3);
    answer(&world, 1, true); /* The second is durable, the first is not: nothing is said. */
    assert_int_equal(broker.settled, 0);
    answer(&world, 0, true);
    await(&world, settled, 2);
    answer(&world, 2, true);
    await(&world, settled, 3);
    world_close(&world);
    assert_null(strstr(broker.log, "reject"));
}

static void test_makes_no_sense(void **state)
{
    struct world world;
    world_open(&world,
               (const char *const[]){"{\"n\":1}", "no JSON", "{\"n\":0}", "{\"n\":2}", NULL}, 10);
    await(&world, pushed, 2);
    answer(&world, 1, true);
    assert_int_equal(broker.settled, 0); /* A rejection waits for its turn too. */
    answer(&world, 0, true);
    await(&world, settled, 4);
    assert_string_equal(broker.log, "ack 1, reject 2, ack 4");
    struct source_figures figures;
    assert_true(source_book_find(world.book, "s", &figures));
    assert_int_equal(figures.counts[SOURCE_COUNT_received], 4);
    assert_int_equal(figures.counts[SOURCE_COUNT_accepted], 3);
    assert_int_equal(figures.counts[SOURCE_COUNT_malformed], 1);
    assert_int_equal(figures.counts[SOURCE_COUNT_ignored], 1);
    world_close(&world);
}

static void test_window(void **state)
{
    struct world world;
    world_open(&world, (const char *const[]){"{\"n\":1}", "{\"n\":2}", "{\"n\":3}", NULL}, 2);
    await(&world, pushed, 2);
    for (int i = 0; i < 20; i++) { /* It has time to do wrong. */
        uv_run(&world.loop, UV_RUN_NOWAIT);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(world.intake.count, 2);
    answer(&world, 0, true);
    await(&world, pushed, 3);
    answer(&world, 1, true);
    answer(&world, 2, true);
    await(&world, settled, 3);
    world_close(&world);
}

static void test_full(void **state)
{
    struct world world;
    world_open(&world, (const char *const[]){NULL}, 10);
    await(&world, opened, 1);
    pthread_mutex_lock(&world.intake.mutex);
    world.intake.full = true;
    pthread_mutex_unlock(&world.intake.mutex);
    pthread_mutex_lock(&broker.mutex);
    broker.messages[0] = "{\"n\":1}";
    broker.messages[1] = "{\"n\":2}";
    broker.count = 2;
    pthread_mutex_unlock(&broker.mutex);
    await(&world, refused, 2); /* Tried again, the same one. */
    pthread_mutex_lock(&world.intake.mutex);
    world.intake.full = false;
    pthread_mutex_unlock(&world.intake.mutex);
    await(&world, pushed, 2);
    answer(&world, 0, true);
    answer(&world, 1, true);
    await(&world, settled, 2);
    world_close(&world);
}

/* What was not made durable is not acknowledged: the link is opened anew, and it comes again. */
static void test_not_durable(void **state)
{
    struct world world;
    world_open(&world, (const char *const[]){"{\"n\":1}", "{\"n\":2}", NULL}, 10);
    await(&world, pushed, 2);
    answer(&world, 0, false);
    answer(&world, 1, true);
    await(&world, opened, 2);
    assert_int_equal(broker.settled, 0);
    await(&world, pushed, 4);
    answer(&world, 2, true);
    answer(&world, 3, true);
    await(&world, settled, 2);
    world_close(&world);
}

/* A link that did not open is closed all the same, and opened again. */
static void test_refused(void **state)
{
    struct world world;
    broker.refuse_now = true;
    world_open(&world, (const char *const[]){"{\"n\":1}", NULL}, 10);
    await(&world, pushed, 1);
    assert_int_equal(broker.opens, 2);
    assert_int_equal(broker.closes, 1);
    answer(&world, 0, true);
    await(&world, settled, 1);
    world_close(&world);
    assert_int_equal(broker.closes, 2);
}

/* A link that breaks waits for what is on its way, and acknowledges none of it. */
static void test_breaks(void **state)
{
    struct world world;
    world_open(&world, (const char *const[]){"{\"n\":1}", NULL}, 10);
    await(&world, pushed, 1);
    pthread_mutex_lock(&broker.mutex);
    broker.break_now = true;
    pthread_mutex_unlock(&broker.mutex);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 200000000}, NULL); /* Its next look. */
    assert_int_equal(broker.opens, 1);
    answer(&world, 0, true);
    await(&world, opened, 2);
    assert_int_equal(broker.settled, 0);
    await(&world, pushed, 2);
    answer(&world, 1, true);
    await(&world, settled, 1);
    world_close(&world);
}

/* The end waits for the last answers, and acknowledges them. */
static void test_end(void **state)
{
    struct world world;
    world_open(&world, (const char *const[]){"{\"n\":1}", NULL}, 10);
    await(&world, pushed, 1);
    bus_close(world.source, on_closed, &world);
    for (int i = 0; i < 20; i++) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_false(world.closed);
    answer(&world, 0, true);
    await(&world, closed, 1);
    assert_int_equal(broker.settled, 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_makes_no_sense),
        cmocka_unit_test(test_window),      cmocka_unit_test(test_full),
        cmocka_unit_test(test_not_durable), cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
