/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_RIG_H
#define STORE_RIG_H

/* A store in a folder of its own, and the waiting for it: every wait ends by an event, or fails the
 * test. */

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define RIG_WAIT_MS 20000

struct rig {
    char folder[64];
    char path[96];
    int wake;
    struct store_options options;
    struct store *store;
    struct store_done done;
};

static inline void rig_wake(void *arg)
{
    uint64_t one = 1;
    assert_int_equal(write(*(int *)arg, &one, sizeof one), sizeof one);
}

static inline void rig_init_in(struct rig *rig, const char *base)
{
    *rig = (struct rig){.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    snprintf(rig->folder, sizeof rig->folder, "%s/ns-store-XXXXXX", base);
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->path, sizeof rig->path, "%s/s.db", rig->folder);
    rig->options =
        (struct store_options){.path = rig->path, .wake = rig_wake, .wake_arg = &rig->wake};
}

static inline void rig_init(struct rig *rig)
{
    rig_init_in(rig, "/tmp");
}

static inline int rig_try_open(struct rig *rig, struct nsh_error *err)
{
    rig->done = (struct store_done){.batch = 0};
    return store_open(&rig->options, &rig->store, err);
}

static inline void rig_open(struct rig *rig)
{
    struct nsh_error error = {.code = 0};
    if (rig_try_open(rig, &error) < 0) {
        fail_msg("store_open: %s", error.text);
    }
}

static inline void rig_close(struct rig *rig)
{
    store_close(rig->store);
    rig->store = NULL;
}

static inline void rig_remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(folder);
}

static inline void rig_done(struct rig *rig)
{
    if (rig->store != NULL) {
        rig_close(rig);
    }
    close(rig->wake);
    rig_remove_folder(rig->folder);
}

/* Wait for the next news; false when none came in ms. */
static inline bool rig_news(struct rig *rig, int ms)
{
    while (!store_poll(rig->store, &rig->done)) {
        struct pollfd poller = {.fd = rig->wake, .events = POLLIN};
        if (poll(&poller, 1, ms) <= 0) {
            return false;
        }
        uint64_t count;
        if (read(rig->wake, &count, sizeof count) < 0) {
            continue;
        }
    }
    return true;
}

static inline void rig_wait_batch(struct rig *rig, uint64_t number)
{
    while (rig->done.batch < number) {
        if (!rig_news(rig, RIG_WAIT_MS)) {
            fail_msg("batch %llu is not durable: health %d %s", (unsigned long long)number,
                     (int)rig->done.health, rig->done.text);
        }
    }
}

static inline void rig_wait_health(struct rig *rig, enum store_health health)
{
    while (rig->done.health != health) {
        if (!rig_news(rig, RIG_WAIT_MS)) {
            fail_msg("health stays %d (%s), expected %d", (int)rig->done.health, rig->done.text,
                     (int)health);
        }
    }
}

/* Submit what collects and wait until it is durable. */
static inline void rig_commit(struct rig *rig)
{
    uint64_t number = store_batch_number(rig->store);
    while (!store_submit(rig->store)) {
        assert_true(rig_news(rig, RIG_WAIT_MS));
    }
    rig_wait_batch(rig, number);
}

static inline struct event rig_event(struct rig *rig, const char *type, const char *host,
                                     int64_t ms)
{
    return (struct event){
        .seq = store_next_seq(rig->store),
        .received_ms = ms,
        .severity = SEVERITY_MAJOR,
        .state = EVENT_RAISE,
        .source = TEXT("trap/127.0.1.7"),
        .type = text_of(type),
        .host = text_of(host),
        .message = TEXT("a message of the usual length, as equipment writes them"),
    };
}

static inline void rig_add_event(struct rig *rig, const char *type, const char *host, int64_t ms)
{
    struct event event = rig_event(rig, type, host, ms);
    assert_int_equal(store_batch_event(rig->store, &event, NULL), 0);
}

static inline void rig_add_record(struct rig *rig, enum record_kind kind, const char *id, bool live,
                                  const char *state, int64_t ms, const char *body)
{
    struct record record = {
        .kind = kind,
        .live = live,
        .time_ms = ms,
        .id = text_of(id),
        .host = TEXT("h1"),
        .state = text_of(state),
        .body = text_of(body),
    };
    assert_int_equal(store_batch_record(rig->store, &record, NULL), 0);
}

static inline struct store_reader *rig_reader(struct rig *rig)
{
    struct store_reader *reader = NULL;
    struct nsh_error error = {.code = 0};
    if (store_reader_open(rig->path, &reader, &error) < 0) {
        fail_msg("store_reader_open: %s", error.text);
    }
    return reader;
}

#endif
