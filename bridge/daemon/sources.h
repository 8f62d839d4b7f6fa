/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SOURCES_H
#define DAEMON_SOURCES_H

/*
 * The sources of the configuration while the daemon runs: those that run themselves are opened and
 * closed as generations change, those that the API serves are found by name. Silence of a source
 * that should speak is an alarm, and blindness.
 *
 * On the loop thread, but for what says otherwise.
 */

#include "generation.h"
#include "loop/loop.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"

struct sources;

/* A source in use by a request. */
struct source_use {
    const struct source_config *config;
    void *source; /* What its type opened; NULL: it did not start. */
    struct source_row *row;
    pthread_mutex_t *map_lock; /* Held while its map runs. */
    struct source_entry *entry;
};

extern const struct source_type *const source_types[]; /* NULL-terminated; made by the build. */

struct sources_options {
    struct loop *loop;
    /* What every source may use: all but the loop, its requests, its row and its map's lock. */
    struct source_services shared;
};

#define SOURCE_RECEIVERS_MAX 4

/* A receiver of the daemon itself (traps, syslog, events by the API): it stands among the sources,
 * with keys of its own. */
struct source_receiver {
    const char *name, *type; /* Literals; no source of the configuration is called so. */
    int64_t silence_ms;      /* 0: silence is fine. */
    const char *freshness;   /* How its silence is noticed, for who does not; NULL: not at all. */
    /* What it sees of itself, and what to configure at a sender. NULL: nothing. */
    void (*doctor)(void *arg, struct nsh_checks *checks);
    void (*paste)(void *arg, struct textbuf *out);
    void *arg;
};

int sources_new(const struct sources_options *options, struct sources **ret_sources,
                struct nsh_error *err);
/* Once, before the first sources_apply(): what an earlier life called silent and is watched no
 * longer is so no more. */
void sources_left(struct sources *sources);
/* Open what generation has and was not there, close what it has no longer, replace what changed.
 * What cannot be opened is told and shown; the others run. */
void sources_apply(struct sources *sources, struct generation *generation);
/* It is there, or is as it is now: it is counted in the row that is given back. */
struct source_row *sources_receiver(struct sources *sources, const struct source_receiver *is);
/* Once a second: writes into reason why we are blind, if a source is silent. Raises and clears
 * alarms of type source.silent. */
void sources_second(struct sources *sources, int64_t now_ms, char *reason, size_t reason_bytes);
/* Close all; done(arg) when nothing is left that may call back. */
void sources_stop(struct sources *sources, void (*done)(void *arg), void *arg);
void sources_free(struct sources *sources); /* After that. */

struct source_book *sources_book(struct sources *sources); /* Any thread. */
/* The row of what comes by POST /v1/events; NULL: none. Any thread. */
struct source_row *sources_events_row(struct sources *sources);
/* The source of that name, until sources_give(). Any thread. False: there is none. */
bool sources_take(struct sources *sources, const char *name, struct source_use *ret_use);
void sources_give(struct sources *sources, const struct source_use *use);

/* {"items":[...]} of all that were heard of or are configured. */
void sources_list_json(struct sources *sources, int64_t now_ms, struct textbuf *out);
/* {"name":...,"checks":[...],"paste":...} of one. -NSH_NOT_FOUND */
int sources_doctor_json(struct sources *sources, const char *name, int64_t now_ms,
                        struct textbuf *out, struct nsh_error *err);

#endif
