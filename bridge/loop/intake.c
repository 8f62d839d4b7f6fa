/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue between sources and the loop: one lock, held for a few instructions; the bytes are
 * copied outside of it. Bound: the bytes that wait, INTAKE_BYTES_MAX or less.
 */

#include "base/assert.h"
#include "loop/intake_owner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct intake {
    pthread_mutex_t mutex;
    struct intake_item *first, *last;
    enum intake_gate gate;
    struct intake_figures figures;
    size_t bytes_max;
    void (*wake)(void *arg);
    void *wake_arg;
    atomic_size_t waiting_bytes;  /* As figures.waiting_bytes, for intake_load() without lock. */
    _Atomic int64_t clock_offset; /* Engine time minus time since boot. */
};

static int64_t boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int intake_new(size_t bytes_max, void (*wake)(void *arg), void *wake_arg,
               struct intake **ret_intake, struct nsh_error *err)
{
    NSH_ASSERT(bytes_max > 0 && bytes_max <= INTAKE_BYTES_MAX);
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the intake");
    }
    pthread_mutex_init(&intake->mutex, NULL);
    intake->bytes_max = bytes_max;
    intake->wake = wake;
    intake->wake_arg = wake_arg;
    *ret_intake = intake;
    return 0;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL) {
        return;
    }
    struct intake_item *item;
    while ((item = intake_take(intake)) != NULL) {
        intake_item_end(item, false);
    }
    pthread_mutex_destroy(&intake->mutex);
    free(intake);
}

void intake_clock_set(struct intake *intake, int64_t now_ms)
{
    atomic_store_explicit(&intake->clock_offset, now_ms - boot_ms(), memory_order_relaxed);
}

int64_t intake_now_ms(struct intake *intake)
{
    return atomic_load_explicit(&intake->clock_offset, memory_order_relaxed) + boot_ms();
}

unsigned intake_load(const struct intake *intake)
{
    size_t waiting = atomic_load_explicit(&intake->waiting_bytes, memory_order_relaxed);
    return waiting >= intake->bytes_max ? 100 : (unsigned)(waiting * 100 / intake->bytes_max);
}

void intake_gate_set(struct intake *intake, enum intake_gate gate)
{
    pthread_mutex_lock(&intake->mutex);
    if (intake->gate != INTAKE_STOPPING) {
        intake->gate = gate;
    }
    pthread_mutex_unlock(&intake->mutex);
}

static void waiting_set(struct intake *intake, size_t bytes)
{
    intake->figures.waiting_bytes = bytes;
    atomic_store_explicit(&intake->waiting_bytes, bytes, memory_order_relaxed);
}

/* Under the lock. */
static int gate_check(struct intake *intake, size_t bytes_count, struct nsh_error *err)
{
    switch (intake->gate) {
    case INTAKE_STOPPING:
        intake->figures.refused_stopping++;
        return nsh_fail(err, NSH_CANCELLED, "the daemon is stopping");
    case INTAKE_ILL:
        intake->figures.refused_ill++;
        return nsh_fail(err, NSH_IO, "the store is not healthy: nothing can be kept");
    case INTAKE_OPEN:
    default:
        break;
    }
    /* A batch larger than the bound passes an empty intake: else it never would. */
    if (intake->figures.waiting_bytes > 0 &&
        intake->figures.waiting_bytes + bytes_count > intake->bytes_max) {
        intake->figures.refused_full++;
        return nsh_fail(err, NSH_LIMIT, "the intake is full: %zu KiB wait",
                        intake->figures.waiting_bytes >> 10);
    }
    return 0;
}

int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err)
{
    bool marks = batch->mark != NULL;
    NSH_ASSERT(marks || (batch->bytes_count > 0 && batch->events_count > 0));
    NSH_ASSERT(batch->bytes_count <= INTAKE_BYTES_MAX);
    size_t id_bytes = marks ? strlen(batch->mark_id) + 1 : 0;
    size_t mark_bytes = marks ? strlen(batch->mark) + 1 : 0;
    struct intake_item *item = malloc(sizeof *item + batch->bytes_count + id_bytes + mark_bytes);
    if (item == NULL) {
        return nsh_fail(err, NSH_LIMIT, "no memory for %zu bytes of events", batch->bytes_count);
    }
    *item = (struct intake_item){
        .events_count = batch->events_count,
        .received_ms = batch->received_ms,
        .done = batch->done,
        .arg = batch->arg,
        .bytes_count = batch->bytes_count,
    };
    if (batch->bytes_count > 0) {
        memcpy(item->bytes, batch->bytes, batch->bytes_count);
    }
    if (marks) {
        char *at = (char *)item->bytes + batch->bytes_count;
        item->mark_id = memcpy(at, batch->mark_id, id_bytes);
        item->mark = memcpy(at + id_bytes, batch->mark, mark_bytes);
    }
    pthread_mutex_lock(&intake->mutex);
    int result = gate_check(intake, batch->bytes_count, err);
    bool was_empty = intake->first == NULL;
    if (result == 0) {
        if (was_empty) {
            intake->first = item;
        } else {
            intake->last->next = item;
        }
        intake->last = item;
        intake->figures.batches++;
        intake->figures.waiting_batches++;
        intake->figures.events += batch->events_count;
        intake->figures.bytes += batch->bytes_count;
        waiting_set(intake, intake->figures.waiting_bytes + batch->bytes_count);
    }
    pthread_mutex_unlock(&intake->mutex);
    if (result < 0) {
        free(item);
        return result;
    }
    if (was_empty) {
        intake->wake(intake->wake_arg);
    }
    /* cppcheck-suppress memleak ; the queue owns it */
    return 0;
}

struct intake_item *intake_take(struct intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    struct intake_item *item = intake->first;
    if (item != NULL) {
        intake->first = item->next;
        intake->figures.waiting_batches--;
        waiting_set(intake, intake->figures.waiting_bytes - item->bytes_count);
        item->next = NULL;
    }
    pthread_mutex_unlock(&intake->mutex);
    return item;
}

void intake_untake(struct intake *intake, struct intake_item *item)
{
    pthread_mutex_lock(&intake->mutex);
    item->next = intake->first;
    intake->last = intake->first == NULL ? item : intake->last;
    intake->first = item;
    intake->figures.waiting_batches++;
    waiting_set(intake, intake->figures.waiting_bytes + item->bytes_count);
    pthread_mutex_unlock(&intake->mutex);
}

void intake_item_end(struct intake_item *item, bool durable)
{
    if (item->done != NULL) {
        item->done(item->arg, durable, item->duplicates);
    }
    free(item);
}

void intake_count(struct intake *intake, struct intake_figures *ret_figures)
{
    pthread_mutex_lock(&intake->mutex);
    *ret_figures = intake->figures;
    pthread_mutex_unlock(&intake->mutex);
}
