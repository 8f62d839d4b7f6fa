/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_EVENT_WINDOW_H
#define LOOP_EVENT_WINDOW_H

/*
 * How much a source with an event pool has under way: what the daemon commits in WINDOW_AIM_US and
 * what the disk needs anyway, so that an urgent event that comes into a storm waits no longer than
 * that for what went before it. As in TCP it grows a little while answers come soon, and shrinks at
 * once when they do not. What the disk needs is measured: now and then all is let come home, and a
 * small batch goes alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_BYTES_MAX (4u << 20)
#define WINDOW_BYTES_MIN (16u << 10)
#define WINDOW_AIM_US 8000
#define WINDOW_ALONE_US_MAX 100000 /* A disk that slow has other troubles. */
#define WINDOW_ALONE_EVERY_US INT64_C(5000000)
#define WINDOW_ALONE_BYTES 4096u

struct event_window {
    size_t bytes, max; /* Under way, and how many may be; 0: not used yet. */
    int64_t shrunk_us;
    int64_t alone_us; /* What one that went alone took. */
    int64_t alone_begun_us, alone_sent_us, alone_done_us;
    bool alone; /* One is to go alone, or does. */
};

/* The size of the next batch; 0: it has to wait. */
static inline size_t window_room(struct event_window *window, int64_t now_us)
{
    if (window->max == 0 || now_us - window->alone_done_us > WINDOW_ALONE_EVERY_US) {
        window->max = window->max == 0 ? WINDOW_BYTES_MIN : window->max;
        window->alone = true;
        window->alone_begun_us = window->alone_done_us = now_us;
        window->alone_sent_us = 0;
    }
    if (window->alone && now_us - window->alone_begun_us > WINDOW_ALONE_US_MAX) {
        window->alone = false; /* So slow: nobody waits longer to learn how much. */
        window->alone_us = WINDOW_ALONE_US_MAX;
    }
    if (window->alone) {
        return window->bytes > 0 ? 0 : WINDOW_ALONE_BYTES;
    }
    /* In pieces: others have their turn between them. */
    size_t left = window->bytes < window->max ? window->max - window->bytes : 0;
    return left < window->max / 4 ? left : window->max / 4;
}

static inline void window_sent(struct event_window *window, size_t bytes, int64_t now_us)
{
    window->bytes += bytes;
    window->alone_sent_us = window->alone ? now_us : 0;
}

/* Bytes that were sent at sent_us are answered. */
static inline void window_answered(struct event_window *window, size_t bytes, int64_t sent_us,
                                   int64_t now_us)
{
    int64_t took_us = now_us - sent_us;
    window->bytes -= bytes;
    if (window->alone && window->alone_sent_us == sent_us) {
        window->alone = false;
        window->alone_done_us = now_us;
        window->alone_us = took_us < WINDOW_ALONE_US_MAX ? took_us : WINDOW_ALONE_US_MAX;
        return;
    }
    /* Half a commit more: another may be under way when it comes. */
    if (took_us <= WINDOW_AIM_US + window->alone_us + window->alone_us / 2) {
        size_t max = window->max + bytes / 2;
        window->max = max > WINDOW_BYTES_MAX ? WINDOW_BYTES_MAX : max;
    } else if (sent_us > window->shrunk_us) { /* Sent since the last time: it knows. */
        size_t max = window->max / 4 * 3;
        window->max = max < WINDOW_BYTES_MIN ? WINDOW_BYTES_MIN : max;
        window->shrunk_us = now_us;
    }
}

#endif
