/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: store
/*
 * journal_make STORE: a store whose journal holds the CloudEvents of stdin, one JSON object a line,
 * received when they say that they happened. For replays.
 */

#include "base/json.h"
#include "store/store.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_EVENTS 20000

static sem_t woken;

static void wake(void *arg)
{
    sem_post(arg);
}

static void fail(const struct nsh_error *err)
{
    fprintf(stderr, "journal_make: %s\n", err->text);
    exit(1);
}

/* Until the batch is on disk. */
static void commit(struct store *store)
{
    uint64_t batch = store_batch_number(store);
    struct store_done done = {0};
    store_submit(store);
    while (done.batch < batch) {
        sem_wait(&woken);
        (void)store_poll(store, &done);
    }
}

static void line_take(struct store *store, const char *line, size_t count, struct arena *arena)
{
    struct nsh_value value;
    struct event event;
    struct nsh_error err = {0};
    if (json_parse(line, count, arena, &value, &err) < 0 ||
        event_from_value(&value, arena, &event, &err) < 0) {
        fail(&err);
    }
    event.received_ms = event.time_ms;
    event.seq = store_next_seq(store);
    if (store_batch_event(store, &event, &err) < 0) {
        fail(&err);
    }
}

int main(int argc, char **argv)
{
    struct nsh_error err = {0};
    struct store *store = NULL;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    char *line = NULL;
    size_t room = 0, events = 0;
    if (argc != 2) {
        fputs("usage: journal_make STORE <EVENTS.jsonl\n", stderr);
        return 2;
    }
    sem_init(&woken, 0, 0);
    struct store_options options = {.path = argv[1], .wake = wake, .wake_arg = &woken};
    if (store_open(&options, &store, &err) < 0) {
        fail(&err);
    }
    for (ssize_t count = 0; (count = getline(&line, &room, stdin)) > 0;) {
        arena_reset(&arena);
        line_take(store, line, (size_t)count, &arena);
        if (++events % BATCH_EVENTS == 0) {
            commit(store);
        }
    }
    if (events % BATCH_EVENTS != 0) {
        commit(store);
    }
    store_close(store);
    free(line);
    return 0;
}
