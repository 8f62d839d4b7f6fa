/* SPDX-License-Identifier: Apache-2.0 */
/* Timers: a heap below one libuv timer, so that starting one costs no system call and no handle. */

#include "base/assert.h"
#include "loop/loop_private.h"

#include <stdlib.h>

#define FIRED_PER_TURN_MAX 1024 /* The loop looks at its sockets between two such rounds. */

int64_t loop_now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static void timers_fire(uv_timer_t *uv);

static void timers_arm(struct loop *loop)
{
    const struct heap_node *first = heap_first(&loop->timers.heap);
    if (first == NULL) {
        uv_timer_stop(&loop->timers.uv);
        return;
    }
    int64_t delay_ms = first->due - loop_now_ms();
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->timers.uv, timers_fire, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static void timers_fire(uv_timer_t *uv)
{
    struct loop *loop = uv->data;
    int64_t now_ms = loop_now_ms();
    uint64_t order_max =
        loop->timers.order; /* Those started by a callback wait for the next turn. */
    for (int i = 0; i < FIRED_PER_TURN_MAX; i++) {
        struct heap_node *first = heap_first(&loop->timers.heap);
        if (first == NULL || first->due > now_ms || first->order > order_max) {
            break;
        }
        struct nsh_timer *timer = CONTAINER_OF(first, struct nsh_timer, node);
        heap_remove(&loop->timers.heap, first);
        void (*fire)(void *) = timer->fire;
        void *arg = timer->arg;
        if (timer->owned) {
            free(timer);
        }
        fire(arg);
    }
    timers_arm(loop);
}

int timers_init(struct loop *loop)
{
    int result = uv_timer_init(&loop->uv, &loop->timers.uv);
    NSH_ASSERT(result == 0);
    loop->timers.uv.data = loop;
    return 0;
}

void timers_done(struct loop *loop)
{
    for (struct heap_node *node; (node = heap_first(&loop->timers.heap)) != NULL;) {
        struct nsh_timer *timer = CONTAINER_OF(node, struct nsh_timer, node);
        heap_remove(&loop->timers.heap, node);
        if (timer->owned) {
            free(timer);
        }
    }
    heap_done(&loop->timers.heap);
    uv_close((uv_handle_t *)&loop->timers.uv, NULL);
}

int loop_timer_start(struct loop *loop, struct nsh_timer *timer, int64_t delay_ms,
                     void (*fire)(void *arg), void *arg)
{
    heap_remove(&loop->timers.heap, &timer->node);
    timer->fire = fire;
    timer->arg = arg;
    timer->node.due = loop_now_ms() + delay_ms;
    timer->node.order = ++loop->timers.order;
    int result = heap_add(&loop->timers.heap, &timer->node);
    if (result == 0 && heap_first(&loop->timers.heap) == &timer->node) {
        timers_arm(loop);
    }
    return result;
}

void loop_timer_stop(struct loop *loop, struct nsh_timer *timer)
{
    heap_remove(&loop->timers.heap, &timer->node);
}

struct nsh_timer *service_timer(struct nsh_services *services, uint32_t delay_ms,
                                void (*fire)(void *arg), void *arg)
{
    struct nsh_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL) {
        return NULL;
    }
    timer->owned = true;
    if (loop_timer_start(loop_of(services), timer, delay_ms, fire, arg) < 0) {
        free(timer);
        return NULL;
    }
    return timer;
}

void service_timer_cancel(struct nsh_services *services, struct nsh_timer *timer)
{
    if (timer != NULL) {
        heap_remove(&loop_of(services)->timers.heap, &timer->node);
        free(timer);
    }
}
