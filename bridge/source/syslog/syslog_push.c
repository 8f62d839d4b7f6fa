/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an event to the intake: what must wait waits in a pool, where the urgent goes first and the
 * lowest severity is dropped first, counted. Streams are asked to wait when a quarter of it
 * is full, before anything is folded (their senders queue); datagrams are read on: of what nobody
 * reads the kernel drops any.
 */

#include "syslog_private.h"

#include <stdlib.h>

struct flight {
    struct syslog_flights *flights;
    size_t bytes;
    int64_t sent_us;
};

static int64_t now_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

struct syslog_flights *syslog_flights_new(uv_async_t *wake)
{
    struct syslog_flights *flights = calloc(1, sizeof *flights);
    if (flights != NULL) {
        pthread_mutex_init(&flights->mutex, NULL);
        flights->wake = wake;
        flights->refs = 1;
    }
    return flights;
}

/* Unlocks. */
static void flights_unref(struct syslog_flights *flights)
{
    bool last = --flights->refs == 0;
    pthread_mutex_unlock(&flights->mutex);
    if (last) {
        pthread_mutex_destroy(&flights->mutex);
        free(flights);
    }
}

void syslog_flights_end(struct syslog_flights *flights)
{
    if (flights == NULL) {
        return;
    }
    pthread_mutex_lock(&flights->mutex);
    flights->wake = NULL;
    flights_unref(flights);
}

/* On the loop's thread. */
static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct flight *flight = arg;
    struct syslog_flights *flights = flight->flights;
    pthread_mutex_lock(&flights->mutex);
    bool was_full = window_room(&flights->window, flight->sent_us) == 0;
    window_answered(&flights->window, flight->bytes, flight->sent_us, now_us());
    if (was_full && flights->wake != NULL) {
        uv_async_send(flights->wake);
    }
    flights_unref(flights);
    free(flight);
}

/* Of the next batch; 0: it has to wait. */
static size_t room(struct syslog_listen *listen)
{
    pthread_mutex_lock(&listen->flights->mutex);
    size_t most = window_room(&listen->flights->window, now_us());
    pthread_mutex_unlock(&listen->flights->mutex);
    return most < SYSLOG_PUSH_BYTES ? most : SYSLOG_PUSH_BYTES;
}

static void streams_pause(struct syslog_listen *listen)
{
    bool held = listen->pool.alive_bytes > SYSLOG_PAUSE_BYTES ||
                listen->pool.alive_count > SYSLOG_PAUSE_EVENTS;
    if (held != listen->held) {
        listen->held = held;
        syslog_peers_pause(listen, held);
    }
}

static uint32_t no_waiters(uint32_t first, uint32_t second)
{
    return 0;
}

/* The batch; false: the intake has no room. */
static bool batch_push(struct syslog_listen *listen)
{
    struct nsh_error err = {0};
    struct flight *flight = malloc(sizeof *flight);
    if (flight == NULL) {
        return false;
    }
    *flight = (struct flight){listen->flights, listen->batch_bytes, now_us()};
    struct intake_batch batch = {.bytes = listen->batch,
                                 .bytes_count = listen->batch_bytes,
                                 .events_count = listen->batch_events,
                                 .received_ms = intake_now_ms(listen->intake),
                                 .flow = (uintptr_t)listen,
                                 .done = on_durable,
                                 .arg = flight};
    pthread_mutex_lock(&listen->flights->mutex);
    listen->flights->refs++;
    window_sent(&listen->flights->window, flight->bytes, flight->sent_us);
    pthread_mutex_unlock(&listen->flights->mutex);
    if (intake_push(listen->intake, &batch, &err) < 0) {
        pthread_mutex_lock(&listen->flights->mutex);
        listen->flights->window.bytes -= flight->bytes;
        flights_unref(listen->flights);
        free(flight);
        return false;
    }
    syslog_count(listen, SYSLOG_events, listen->batch_events);
    listen->batch_bytes = 0;
    listen->batch_events = 0;
    return true;
}

static void on_retry(uv_timer_t *timer)
{
    syslog_push(timer->data, false);
}

void syslog_push(struct syslog_listen *listen, bool all)
{
    bool taken = true;
    while (taken) {
        size_t most = all ? SYSLOG_PUSH_BYTES : room(listen);
        if (listen->batch_events == 0 && most > 0 && listen->pool.alive_count > 0) {
            uint32_t waiters = 0;
            listen->batch_bytes = pool_take(&listen->pool, listen->batch, most,
                                            &listen->batch_events, &waiters, no_waiters);
        }
        if (listen->batch_events == 0) {
            break;
        }
        taken = batch_push(listen);
    }
    if (!taken && !uv_is_active((uv_handle_t *)&listen->retry) &&
        !uv_is_closing((uv_handle_t *)&listen->retry)) {
        syslog_count(listen, SYSLOG_held, 1);
        uv_timer_start(&listen->retry, on_retry, SYSLOG_RETRY_MS, 0);
    }
    streams_pause(listen);
}

static void counts_book(struct syslog_listen *listen)
{
    static const enum syslog_counter dropped[] = {SYSLOG_dropped_info,     SYSLOG_dropped_warning,
                                                  SYSLOG_dropped_minor,    SYSLOG_dropped_major,
                                                  SYSLOG_dropped_critical, SYSLOG_dropped_fatal};
    _Static_assert(sizeof dropped / sizeof dropped[0] == SEVERITIES_COUNT,
                   "a counter for every severity");
    struct pool_counts *counts = &listen->pool.counts;
    syslog_count(listen, SYSLOG_urgent, counts->urgent);
    syslog_count(listen, SYSLOG_coalesced, counts->coalesced);
    for (unsigned i = 0; i < SEVERITIES_COUNT; i++) {
        syslog_count(listen, dropped[i], counts->dropped[i]);
    }
    *counts = (struct pool_counts){0};
}

void syslog_event(struct syslog_listen *listen, const struct event *event)
{
    bool lagging = room(listen) == 0;
    pool_put(&listen->pool, &(struct pool_add){.event = event, .lagging = lagging}, no_waiters);
    counts_book(listen);
    if (!listen->held) { /* At once: many streams may be ready to be read. */
        streams_pause(listen);
    }
}
