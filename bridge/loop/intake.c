/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues between sources and the loop: one lock, held for a few instructions; the bytes are
 * copied outside of it. Bound: the bytes that wait, INTAKE_BYTES_MAX or less.
 *
 * A flow has a line by the hash of its number; concurrent flows have a second one for what is
 * urgent, and what is in the first never overtakes what came before it into the second: a clear
 * would be told before its raise. Two flows that meet in one line share it: that costs fairness,
 * never order.
 */

#include "base/assert.h"
#include "loop/intake_owner.h"
#include "model/event.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLOWS 64u         /* A power of two. */
#define LINES (2 * FLOWS) /* The odd ones: urgent ones of concurrent flows. */
#define TURN_BYTES (16u << 10)
#define TURN_FOR_ALL 8 /* Every so many batches one of any rank. */

struct line {
    struct intake_item *first, *last;
    size_t bytes;
    uint32_t ranks[EVENT_RANKS]; /* Batches in it. */
};

struct intake {
    pthread_mutex_t mutex;
    struct line lines[LINES];
    uint32_t ranks[EVENT_RANKS];
    unsigned turn, turn_for_all; /* The line whose turn it is. */
    size_t turn_bytes;           /* What it had of it. */
    unsigned taken;
    uint64_t numbers; /* Of items, as they come. */
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
static int gate_check(struct intake *intake, struct nsh_error *err)
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
    return 0;
}

/* Under the lock. */
static int room_check(struct intake *intake, const struct intake_item *item, bool urgent,
                      struct nsh_error *err)
{
    size_t waiting = intake->figures.waiting_bytes, line = intake->lines[item->line].bytes;
    size_t usual = intake->bytes_max / 4 * 3;
    /* A batch larger than the bound passes where nothing waits: else it never would. */
    if (waiting > 0 && waiting + item->bytes_count > (urgent ? intake->bytes_max : usual)) {
        intake->figures.refused_full++;
        return nsh_fail(err, NSH_LIMIT, "the intake is full: %zu KiB wait", waiting >> 10);
    }
    if (!urgent && line > 0 && line + item->bytes_count > usual / 3 * 2) {
        intake->figures.refused_full++;
        intake->figures.refused_share++;
        return nsh_fail(err, NSH_LIMIT, "this source has its share of the intake: %zu KiB wait",
                        line >> 10);
    }
    return 0;
}

static uint16_t line_of(const struct intake_batch *batch, unsigned rank)
{
    uint64_t hash = (uint64_t)batch->flow * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    return (uint16_t)(2 * (hash & (FLOWS - 1)) + (batch->concurrent && rank > 0));
}

static struct intake_item *item_new(const struct intake_batch *batch)
{
    bool marks = batch->mark != NULL;
    size_t id_bytes = marks ? strlen(batch->mark_id) + 1 : 0;
    size_t mark_bytes = marks ? strlen(batch->mark) + 1 : 0;
    struct intake_item *item = malloc(sizeof *item + batch->bytes_count + id_bytes + mark_bytes);
    if (item == NULL) {
        return NULL;
    }
    unsigned rank = event_rank(event_packed_severity(batch->bytes, batch->bytes_count));
    *item = (struct intake_item){
        .events_count = batch->events_count,
        .rank = (uint8_t)rank,
        .line = line_of(batch, rank),
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
    return item;
}

/* Under the lock. */
static void item_append(struct intake *intake, struct intake_item *item)
{
    struct line *line = &intake->lines[item->line];
    *(line->first == NULL ? &line->first : &line->last->next) = item;
    line->last = item;
    item->number = ++intake->numbers;
    line->bytes += item->bytes_count;
    line->ranks[item->rank]++;
    intake->ranks[item->rank]++;
    intake->figures.batches++;
    intake->figures.waiting_batches++;
    intake->figures.events += item->events_count;
    intake->figures.bytes += item->bytes_count;
    waiting_set(intake, intake->figures.waiting_bytes + item->bytes_count);
}

int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err)
{
    NSH_ASSERT(batch->mark != NULL || (batch->bytes_count > 0 && batch->events_count > 0));
    NSH_ASSERT(batch->bytes_count <= INTAKE_BYTES_MAX);
    struct intake_item *item = item_new(batch);
    if (item == NULL) {
        return nsh_fail(err, NSH_LIMIT, "no memory for %zu bytes of events", batch->bytes_count);
    }
    pthread_mutex_lock(&intake->mutex);
    int result = gate_check(intake, err);
    result =
        result == 0 ? room_check(intake, item, item->rank > 0 || batch->flow == 0, err) : result;
    bool was_empty = intake->figures.waiting_batches == 0;
    if (result == 0) {
        item_append(intake, item);
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

/* Does anything of that rank or above wait in the line? */
static bool line_has(const struct line *line, unsigned rank)
{
    for (unsigned i = rank; i < EVENT_RANKS; i++) {
        if (line->ranks[i] > 0) {
            return true;
        }
    }
    return false;
}

/* The next line with something of that rank or above; there is one. */
static unsigned line_after(struct intake *intake, unsigned *turn, unsigned rank)
{
    do {
        *turn = (*turn + 1) % LINES;
    } while (!line_has(&intake->lines[*turn], rank));
    return *turn;
}

/* Under the lock, when something waits: the line whose turn it is. */
static unsigned line_choose(struct intake *intake)
{
    unsigned rank = EVENT_RANKS - 1;
    while (rank > 0 && intake->ranks[rank] == 0) {
        rank--;
    }
    if (++intake->taken % TURN_FOR_ALL == 0) {
        return line_after(intake, &intake->turn_for_all, 0);
    }
    if (intake->turn_bytes >= TURN_BYTES || !line_has(&intake->lines[intake->turn], rank)) {
        intake->turn_bytes = 0;
        return line_after(intake, &intake->turn, rank);
    }
    return intake->turn;
}

/* Under the lock, when something waits. */
static struct line *line_next(struct intake *intake)
{
    unsigned chosen = line_choose(intake);
    struct line *line = &intake->lines[chosen], *urgent = &intake->lines[chosen | 1];
    bool behind = urgent->first != NULL && urgent->first->number < line->first->number;
    return behind ? urgent : line;
}

struct intake_item *intake_take(struct intake *intake)
{
    struct intake_item *item = NULL;
    pthread_mutex_lock(&intake->mutex);
    if (intake->figures.waiting_batches > 0) {
        struct line *line = line_next(intake);
        item = line->first;
        line->first = item->next;
        line->bytes -= item->bytes_count;
        line->ranks[item->rank]--;
        intake->ranks[item->rank]--;
        intake->turn_bytes += item->bytes_count;
        intake->figures.waiting_batches--;
        waiting_set(intake, intake->figures.waiting_bytes - item->bytes_count);
        item->next = NULL;
    }
    pthread_mutex_unlock(&intake->mutex);
    return item;
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
