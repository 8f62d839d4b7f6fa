/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SOURCES_PRIVATE_H
#define DAEMON_SOURCES_PRIVATE_H

/* What the files of the sources share. */

#include "sources.h"

#include <pthread.h>

enum entry_end { ENTRY_SERVES, ENTRY_ENDED, ENTRY_CLOSING, ENTRY_CLOSED };

struct source_entry {
    struct source_entry *next; /* Under the lock, as users. */
    struct sources *sources;
    const struct source_config *config;
    struct generation *generation;
    struct source_row *row;
    struct source_services services;
    void *source; /* NULL: the API serves it, or it did not start. */
    enum entry_end end;
    unsigned users;
    pthread_mutex_t map_lock;
    int64_t since_ms;  /* Silence counts from here, until it is heard. */
    bool silent, told; /* What was said of its silence, and whether anything was. */
    char failed[200];  /* Why it did not start, or empty. */
};

struct sources {
    struct sources_options options;
    struct source_book *book;
    struct source_row *events_row;
    pthread_mutex_t lock;
    struct source_entry *entries, *ended;
    unsigned closing;
    void (*stop_done)(void *arg);
    void *stop_arg;
};

/* How long it is silent already, when that is too long; else 0. */
int64_t source_silent_ms(const struct source_entry *entry, int64_t now_ms);

#endif
