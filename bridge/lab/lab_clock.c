/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of the lab: one heap behind one libuv timer, so that 10,000 hosts cost no handle each. */

#include "lab.h"

#include "base/assert.h"

#include <time.h>

int64_t lab_clock_now_ms(const struct lab *lab)
{
    return (int64_t)uv_now(&lab->loop);
}

int64_t lab_clock_unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void clock_arm(struct lab *lab);

static void clock_fired(uv_timer_t *clock)
{
    struct lab *lab = clock->data;
    struct heap_node *node;

    while ((node = heap_first(&lab->timers)) != NULL && node->due <= lab_clock_now_ms(lab)) {
        struct lab_timer *timer = (struct lab_timer *)node;
        heap_remove(&lab->timers, node);
        timer->fire(timer->arg);
    }
    clock_arm(lab);
}

static void clock_arm(struct lab *lab)
{
    const struct heap_node *node = heap_first(&lab->timers);

    if (node == NULL || lab->stopping) {
        uv_timer_stop(&lab->clock);
        return;
    }
    int64_t delay_ms = node->due - lab_clock_now_ms(lab);
    uv_timer_start(&lab->clock, clock_fired, delay_ms < 0 ? 0 : (uint64_t)delay_ms, 0);
}

void lab_clock_start(struct lab *lab)
{
    uv_timer_init(&lab->loop, &lab->clock);
    lab->clock.data = lab;
}

void lab_clock_set(struct lab *lab, struct lab_timer *timer, int64_t delay_ms,
                   void (*fire)(void *arg), void *arg)
{
    heap_remove(&lab->timers, &timer->node);
    timer->node.due = lab_clock_now_ms(lab) + delay_ms;
    timer->node.order = lab->timers_order++;
    timer->fire = fire;
    timer->arg = arg;
    int result = heap_add(&lab->timers, &timer->node);
    NSH_ASSERT(result == 0); /* A simulator without memory has nothing better to do than to end. */
    if (heap_first(&lab->timers) == &timer->node) {
        clock_arm(lab);
    }
}

void lab_clock_clear(struct lab *lab, struct lab_timer *timer)
{
    heap_remove(&lab->timers, &timer->node);
}
