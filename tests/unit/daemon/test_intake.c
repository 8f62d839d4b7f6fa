/* SPDX-License-Identifier: Apache-2.0 */
/* The intake: bounded, from any thread, every batch answered exactly once. */

#include "../unit.h"

#include "loop/intake_owner.h"

#include <pthread.h>
#include <stdatomic.h>
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

static void order_is_kept_also_when_put_back(void **state)
{
    struct intake *intake = fresh();
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(push(intake, i, NULL), 0);
    }
    assert_int_equal(wakes, 1); /* Only the first found it empty. */
    struct intake_item *item = intake_take(intake);
    assert_int_equal(item->bytes_count, 1);
    intake_untake(intake, item);
    for (size_t i = 1; i <= 3; i++) {
        item = intake_take(intake);
        assert_int_equal(item->bytes_count, i);
        intake_item_end(item, true);
    }
    assert_null(intake_take(intake));
    intake_free(intake);
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
        cmocka_unit_test(order_is_kept_also_when_put_back),
        cmocka_unit_test(threads),
        cmocka_unit_test(time_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
