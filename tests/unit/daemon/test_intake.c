/* SPDX-License-Identifier: Apache-2.0 */
/* The intake: bounded, from any thread, every batch answered exactly once. */

#include "../unit.h"

#include "loop/intake_owner.h"
#include "model/event.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define BOUND (64u << 10)
#define PUSHERS 4
#define PUSHES 5000

static atomic_uint wakes, durable_count, lost_count, pushed_count, refused_count;

static void wake(void *arg)
{
    atomic_fetch_add(&wakes, 1);
}

static void done(void *arg, bool durable, uint32_t duplicates)
{
    atomic_fetch_add(durable ? &durable_count : &lost_count, 1);
}

static int push(struct intake *intake, size_t bytes, struct nsh_error *err)
{
    static const uint8_t zeros[BOUND + 1];
    return intake_push(intake,
                       &(struct intake_batch){
                           .bytes = zeros, .bytes_count = bytes, .events_count = 1, .done = done},
                       err);
}

/* One event of that severity, in a batch. */
static int push_event(struct intake *intake, uintptr_t flow, bool concurrent,
                      enum severity severity, const char *id)
{
    uint8_t bytes[1024];
    const struct event event = {
        .severity = severity, .id = text_of(id), .source = TEXT("test"), .type = TEXT("a.b")};
    struct intake_batch batch = {
        .bytes = bytes, .events_count = 1, .flow = flow, .concurrent = concurrent, .done = done};
    batch.bytes_count = event_pack(&event, bytes, sizeof bytes);
    return intake_push(intake, &batch, NULL);
}

/* The ids of all that waits, in the order it is taken. */
static const char *order(struct intake *intake)
{
    static char ids[256];
    struct intake_item *item;
    ids[0] = '\0';
    while ((item = intake_take(intake)) != NULL) {
        struct event event;
        assert_true(event_unpack(item->bytes, item->bytes_count, &event, NULL) > 0);
        size_t count = strlen(ids);
        snprintf(ids + count, sizeof ids - count, "%s%.*s", count == 0 ? "" : " ",
                 (int)event.id.count, event.id.at);
        intake_item_end(item, true);
    }
    return ids;
}

static struct intake *fresh(void)
{
    struct intake *intake = NULL;
    wakes = durable_count = lost_count = pushed_count = refused_count = 0;
    assert_int_equal(intake_new(BOUND, wake, NULL, &intake, NULL), 0);
    return intake;
}

static void the_bound_holds_to_the_byte(void **state)
{
    struct intake *intake = fresh();
    struct nsh_error err = {0};
    assert_int_equal(push(intake, BOUND / 2, &err), 0);
    assert_int_equal(intake_load(intake), 50);
    assert_int_equal(push(intake, BOUND / 2, &err), 0);
    assert_int_equal(intake_load(intake), 100);
    assert_int_equal(push(intake, 1, &err), -NSH_LIMIT);
    struct intake_item *item = intake_take(intake);
    assert_int_equal(push(intake, BOUND / 2 + 1, &err), -NSH_LIMIT);
    assert_int_equal(push(intake, BOUND / 2, &err), 0); /* Exactly what was taken out. */
    intake_item_end(item, true);
    intake_free(intake);
    assert_int_equal(durable_count, 1);
    assert_int_equal(lost_count, 2); /* What waited is told, too. */
}

static void a_batch_beyond_the_bound_passes_when_empty(void **state)
{
    struct intake *intake = fresh();
    assert_int_equal(push(intake, BOUND + 1, NULL), 0);
    assert_int_equal(push(intake, 1, NULL), -NSH_LIMIT);
    intake_item_end(intake_take(intake), true);
    assert_int_equal(push(intake, 1, NULL), 0);
    intake_free(intake);
}

static void gates(void **state)
{
    struct intake *intake = fresh();
    intake_gate_set(intake, INTAKE_ILL);
    assert_int_equal(push(intake, 1, NULL), -NSH_IO);
    intake_gate_set(intake, INTAKE_OPEN);
    assert_int_equal(push(intake, 1, NULL), 0);
    intake_gate_set(intake, INTAKE_STOPPING);
    assert_int_equal(push(intake, 1, NULL), -NSH_CANCELLED);
    intake_gate_set(intake, INTAKE_OPEN); /* Stopping is for good. */
    assert_int_equal(push(intake, 1, NULL), -NSH_CANCELLED);
    struct intake_figures figures;
    intake_count(intake, &figures);
    assert_int_equal(figures.refused_ill, 1);
    assert_int_equal(figures.refused_stopping, 2);
    assert_int_equal(figures.batches, 1);
    intake_free(intake);
}

static void a_flow_keeps_its_order(void **state)
{
    struct intake *intake = fresh();
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(push(intake, i, NULL), 0);
    }
    assert_int_equal(wakes, 1); /* Only the first found it empty. */
    for (size_t i = 1; i <= 3; i++) {
        struct intake_item *item = intake_take(intake);
        assert_int_equal(item->bytes_count, i);
        intake_item_end(item, true);
    }
    assert_null(intake_take(intake));
    intake_free(intake);
}

static void urgent_requests_overtake(void **state)
{
    struct intake *intake = fresh();
    push_event(intake, 1, true, SEVERITY_MINOR, "minor");
    push_event(intake, 1, true, SEVERITY_MAJOR, "major");
    push_event(intake, 1, true, SEVERITY_INFO, "info");
    push_event(intake, 1, true, SEVERITY_FATAL, "fatal");
    /* Among the urgent it is first come, first served: it may be the same alarm. */
    assert_string_equal(order(intake), "major fatal minor info");
    intake_free(intake);
}

static void an_ordered_flow_goes_first_as_a_whole(void **state)
{
    struct intake *intake = fresh();
    push_event(intake, 2, false, SEVERITY_MINOR, "other");
    push_event(intake, 1, false, SEVERITY_INFO, "clear"); /* Of the alarm that comes next. */
    push_event(intake, 1, false, SEVERITY_CRITICAL, "raise");
    push_event(intake, 1, false, SEVERITY_INFO, "later");
    const char *got = order(intake);
    assert_memory_equal(got, "clear raise ", 12);
    intake_free(intake);
}

static void one_loud_flow_starves_nobody(void **state)
{
    struct intake *intake = fresh();
    unsigned taken = 0;
    while (push_event(intake, 1, true, SEVERITY_MINOR, "loud") == 0) {
        taken++;
    }
    struct intake_figures figures;
    intake_count(intake, &figures);
    assert_true(taken > 100);
    assert_true(figures.waiting_bytes <= BOUND / 2); /* Two thirds of the usual three quarters. */
    assert_int_equal(figures.refused_share, 1);
    while (push_event(intake, 2, true, SEVERITY_MINOR, "other") == 0) {
    }
    intake_count(intake, &figures);
    assert_true(figures.waiting_bytes > BOUND / 2 && figures.waiting_bytes <= BOUND / 4 * 3);
    /* The last quarter is kept. */
    assert_int_equal(push_event(intake, 3, true, SEVERITY_CRITICAL, "kept"), 0);
    struct intake_item *item = intake_take(intake);
    assert_int_equal(item->rank, 2);
    intake_item_end(item, true);
    intake_free(intake);
}

/* 20 batches of 20 KiB: after some of them it is the other's turn. */
static void flows_take_turns(void **state)
{
    static const uint8_t zeros[20u << 10];
    struct intake *intake = NULL;
    const struct intake_batch loud = {
        .bytes = zeros, .bytes_count = sizeof zeros, .events_count = 1, .flow = 1};
    unsigned before = 0;
    assert_int_equal(intake_new(1u << 20, wake, NULL, &intake, NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(intake_push(intake, &loud, NULL), 0);
    }
    push_event(intake, 2, false, SEVERITY_INFO, "quiet");
    for (bool found = false; !found; before += !found) {
        struct intake_item *item = intake_take(intake);
        found = item->bytes_count < sizeof zeros;
        intake_item_end(item, true);
    }
    assert_true(before <= 4); /* A turn is TURN_BYTES. */
    intake_free(intake);
}

static void urgent_ones_do_not_starve_the_rest(void **state)
{
    struct intake *intake = fresh();
    push_event(intake, 9, true, SEVERITY_INFO, "info");
    unsigned turns = 0;
    for (bool found = false; !found; turns++) {
        assert_true(turns < 64);
        push_event(intake, 1, true, SEVERITY_FATAL, "fatal");
        struct intake_item *item = intake_take(intake);
        found = item->rank == 0;
        intake_item_end(item, true);
    }
    assert_true(turns > 1); /* But not before the urgent. */
    intake_free(intake);
}

/* The turn that is given regardless must not tell a clear before its raise: that would stand for
 * ever. */
static void no_turn_overtakes_what_was_urgent(void **state)
{
    for (uintptr_t flow = 1; flow <= 64; flow++) {
        struct intake *intake = fresh();
        for (unsigned i = 0; i < 20; i++) {
            push_event(intake, 1000, false, SEVERITY_FATAL, "f");
        }
        push_event(intake, flow, true, SEVERITY_MAJOR, "raise");
        push_event(intake, flow, true, SEVERITY_INFO, "clear");
        const char *got = order(intake);
        assert_non_null(strstr(got, "raise"));
        assert_true(strstr(got, "clear") > strstr(got, "raise"));
        intake_free(intake);
    }
}

static void *pusher(void *arg)
{
    for (int i = 0; i < PUSHES; i++) {
        atomic_fetch_add(push(arg, 100, NULL) == 0 ? &pushed_count : &refused_count, 1);
        intake_now_ms(arg);
        intake_load(arg);
    }
    return NULL;
}

/* Threads push while the loop takes: each batch that was taken in is answered, none twice. */
static void threads(void **state)
{
    struct intake *intake = fresh();
    pthread_t threads[PUSHERS];
    for (size_t i = 0; i < PUSHERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, pusher, intake), 0);
    }
    while (pushed_count + refused_count < PUSHERS * PUSHES) {
        struct intake_item *item = intake_take(intake);
        if (item != NULL) {
            intake_item_end(item, true);
        }
    }
    for (size_t i = 0; i < PUSHERS; i++) {
        pthread_join(threads[i], NULL);
    }
    intake_free(intake);
    assert_int_equal(pushed_count + refused_count, PUSHERS * PUSHES);
    assert_int_equal(durable_count + lost_count, pushed_count);
}

static void time_never_goes_back(void **state)
{
    struct intake *intake = fresh();
    intake_clock_set(intake, 1000000);
    int64_t first = intake_now_ms(intake);
    assert_true(first >= 1000000 && first < 1000000 + 5000);
    assert_true(intake_now_ms(intake) >= first);
    intake_free(intake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_holds_to_the_byte),
        cmocka_unit_test(a_batch_beyond_the_bound_passes_when_empty),
        cmocka_unit_test(gates),
        cmocka_unit_test(a_flow_keeps_its_order),
        cmocka_unit_test(urgent_requests_overtake),
        cmocka_unit_test(an_ordered_flow_goes_first_as_a_whole),
        cmocka_unit_test(one_loud_flow_starves_nobody),
        cmocka_unit_test(flows_take_turns),
        cmocka_unit_test(urgent_ones_do_not_starve_the_rest),
        cmocka_unit_test(no_turn_overtakes_what_was_urgent),
        cmocka_unit_test(threads),
        cmocka_unit_test(time_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
