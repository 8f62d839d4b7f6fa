/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SOURCES_PRIVATE_H
#define DAEMON_SOURCES_PRIVATE_H

/* What the files of the sources share. */

#include "sources.h"

#include <pthread.h>

/* Whoever should speak, and for how long it may not: a source or a receiver. */
struct source_watch {
    const char *name;
    struct source_row *row;
    int64_t allowed_ms; /* 0: silence is fine. */
    int64_t since_ms;   /* Silence counts from here, until it is heard. */
    bool silent, told;  /* What was said of its silence, and whether anything was. */
};

enum entry_end { ENTRY_SERVES, ENTRY_ENDED, ENTRY_CLOSING, ENTRY_CLOSED };

struct source_entry {
    struct source_entry *next; /* Under the lock, as users. */
    struct sources *sources;
    const struct source_config *config;
    struct generation *generation;
    struct source_watch watch;
    struct source_services services;
    void *source; /* NULL: the API serves it, or it did not start. */
    enum entry_end end;
    unsigned users;
    pthread_mutex_t map_lock;
    char failed[200]; /* Why it did not start, or empty. */
};

/* One of the daemon's own, as it was told last. */
struct receiver_entry {
    struct source_receiver is;
    struct source_watch watch;
};

#define SOURCES_LEFT_MAX 256 /* As many rows as the book has. */

struct sources {
    struct sources_options options;
    struct source_book *book;
    struct source_row *events_row;
    pthread_mutex_t lock;
    struct source_entry *entries, *ended;
    struct receiver_entry receivers[SOURCE_RECEIVERS_MAX];
    size_t receivers_count;
    /* Whose alarm is to end although nobody watches them. */
    char left[SOURCES_LEFT_MAX][SOURCE_NAME_BYTES_MAX];
    size_t left_count;
    unsigned closing;
    void (*stop_done)(void *arg);
    void *stop_arg;
};

/* sources.c: ended ones that no request uses any more are closed, closed ones freed. */
void entries_sweep(struct sources *sources);
/* sources_watch.c */
/* How long it is silent already, when that is too long; else 0. */
int64_t watch_silent_ms(const struct source_watch *watch, int64_t now_ms);
/* What is watched no longer is not called silent any more. */
void watch_end(struct sources *sources, struct source_watch *watch, int64_t now_ms);
/* NULL: none of that name. */
const struct receiver_entry *sources_receiver_find(const struct sources *sources, const char *name);

#endif
