/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_REDFISH_REDFISH_PRIVATE_H
#define SOURCE_REDFISH_REDFISH_PRIVATE_H

/* What the files of the source share. */

#include "abi/driver.h"
#include "loop/peer_address.h"
#include "redfish_events.h"
#include "redfish_page.h"
#include "redfish_registry.h"

#include "model/host.h"

#include <pthread.h>

#define REDFISH_WHY_BYTES 160
#define KEEPER_VISITS_MAX 16  /* BMCs that are asked at once. */
#define KEEPER_MEMBERS_MAX 64 /* Subscriptions of one BMC that are looked at. */

#define REDFISH_POLLS_MAX 128    /* BMCs that are polled at once, of many. */
#define REDFISH_REQUESTS_MAX 160 /* Of one poll of one BMC. */
#define REDFISH_VISIT_MS_MAX                                                                       \
    (15 * 60 * INT64_C(1000)) /* Of a poll, visit or walk: a request may take half a minute. */
#define REDFISH_FOUND_MAX 512 /* Parts of one BMC. */
#define REDFISH_ILL_MAX 64    /* Of those, that are not well, and remembered by their path. */
#define REDFISH_ETAG_BYTES_MAX 80
#define REDFISH_REPLY_BYTES_MAX                                                                    \
    (64u << 10)                           /* Of what is parsed on the loop: some 30 ms at worst. */
#define REDFISH_LONG_BYTES_MAX (1u << 20) /* Of pages and registries: redfish_reading.c. */
#define REDFISH_DIGEST_BYTES 32
#define REDFISH_MARK_BYTES_MAX 400 /* Of the id of a BMC's mark. */
#define REDFISH_STREAMS_MAX 512    /* Of events; each has a connection. */
#define REDFISH_WALKS_MAX 4        /* BMCs whose registries are read at once. */
#define REDFISH_SHARED_MAX 256     /* Registries of all BMCs that differ. */
#define REDFISH_SHARED_BYTES_MAX (64u << 20)
#define REDFISH_STANDING_MAX 100000        /* Alarms that are remembered. */
#define REDFISH_KEPT_BYTES_MAX (64u << 20) /* Of all pages that are kept by their ETag. */

struct redfish_visit;
struct redfish_poll;
struct redfish_stream;
struct redfish_walk;
struct redfish_kept;

/* A registry that at least one BMC has. */
struct redfish_shared {
    struct redfish_registry registry; /* First. */
    struct arena arena;
    uint8_t
        digest[REDFISH_DIGEST_BYTES]; /* SHA-256: no BMC can make one that passes for another's. */
    size_t users, bytes;
};

/* How a BMC's trouble comes to us. */
enum redfish_way {
    REDFISH_WAY_UNKNOWN, /* It was not asked yet. */
    REDFISH_WAY_BY_HAND, /* Whoever subscribed it: nobody asks. */
    REDFISH_WAY_PUSH,    /* It is subscribed, and posts. */
    REDFISH_WAY_SSE,     /* We read its stream. */
    REDFISH_WAY_POLL,    /* We look by ourselves. */
    REDFISH_WAYS_COUNT,
};

enum redfish_asks { REDFISH_ASKS_PUSH, REDFISH_ASKS_SSE, REDFISH_ASKS_NONE };
enum redfish_polls { REDFISH_POLLS_FALLBACK, REDFISH_POLLS_ALWAYS, REDFISH_POLLS_NEVER };

/* A part, as it was told. */
struct redfish_told {
    uint64_t path; /* Its hash. */
    uint8_t health;
};

/* A part that was not well when it was polled last, by which an alarm may hang. */
struct redfish_ill {
    char *path;
    unsigned missed; /* Whole polls in a row that did not find it. */
};

/* What is known of a BMC beyond one inventory; found by its address. On the loop thread alone. */
struct redfish_watch {
    struct redfish_events *source;
    const char *address;
    struct redfish_bmc *bmc; /* Of the table of now. */
    bool visiting, subscribed;
    int64_t due_ms;                    /* Next visit, by the loop's clock. */
    char path[REDFISH_PATH_BYTES_MAX]; /* Of its subscription, or empty. */
    char why[REDFISH_WHY_BYTES];       /* It is not subscribed, or empty. */
    bool offers_reports;               /* Metric reports, to subscribers. */
    char report_path[REDFISH_PATH_BYTES_MAX], report_why[REDFISH_WHY_BYTES];
    char stream_path[REDFISH_PATH_BYTES_MAX]; /* Of the stream it offers, or empty. */
    enum redfish_way way;
    struct redfish_stream *stream;
    bool catch_up;              /* Something may have been missed: one poll. */
    _Atomic int64_t heard_ms;   /* redfish_clock_ms(); any thread. */
    _Atomic int64_t stirred_ms; /* The last event that no poll has looked at; 0: none. */
    struct redfish_poll *poll;
    int64_t poll_due_ms, polled_ms;   /* 0: never. */
    char poll_why[REDFISH_WHY_BYTES]; /* The last poll was not good, or empty. */
    struct redfish_told *told;
    size_t told_count, told_room;
    struct redfish_ill ill[REDFISH_ILL_MAX];
    size_t ill_count;
    bool ill_changed; /* Since the last mark. */
    struct redfish_kept *kept;
    struct redfish_walk *walk;
    int64_t walk_due_ms;
    unsigned walks_failed;            /* In a row. */
    char walk_why[REDFISH_WHY_BYTES]; /* The last one, or empty. */
    /* Under the lock. */
    const struct redfish_registry *registries[REDFISH_REGISTRIES_MAX];
    size_t registries_count;
};

/* One host behind a BMC; a BMC has one, or several that differ by their system. */
struct redfish_system {
    const char *host, *system; /* system: the last part of its path, or "". */
};

/* One BMC: the hosts whose binding has the same address. */
struct redfish_bmc {
    const char *address; /* As the binding writes it. */
    uint8_t from[16];    /* Its own address, IPv4 as ::ffff:a.b.c.d. */
    bool numeric;        /* Else the address is a name, and from nothing. */
    struct redfish_system *systems;
    size_t systems_count;
    const struct nsh_value *settings; /* Of the first host's binding; in the table's arena. */
    char context[REDFISH_CONTEXT_BYTES_MAX];
    struct redfish_watch *watch;
};

/* The BMCs of one inventory. */
struct redfish_table {
    struct arena arena;
    struct map by_host;    /* struct redfish_bmc, by the first host's name. */
    struct map by_address; /* The same, by the binding's address. */
    struct redfish_bmc *items;
    size_t count;
    uint64_t revision;
};

struct redfish_events {
    const struct source_services *services;
    const struct source_config *config;
    struct arena arena;
    const char *key; /* In the arena; wiped. */
    struct peer_networks networks;
    pthread_mutex_t lock; /* Of the table, against the loop's replacing it. */
    struct redfish_table *table;
    struct map watches;  /* struct redfish_watch, by address. */
    struct map standing; /* What is raised, by the alarm's key; under the lock. */
    uv_timer_t tick;
    uint64_t strangers;      /* Bodies that were refused, under the lock. */
    const char *destination; /* Where BMCs shall send to; NULL: they are subscribed by hand. */
    int64_t every_ms;
    struct redfish_visit *visits[KEEPER_VISITS_MAX];
    size_t next;   /* BMC to look at. */
    uint64_t lost; /* Subscriptions that were made anew. */
    bool reports;  /* Metric reports are wanted. */
    enum redfish_asks asks;
    enum redfish_polls polls;
    bool registries; /* Those of BMCs are read. */
    struct redfish_walk *walks[REDFISH_WALKS_MAX];
    size_t walk_next;
    struct redfish_shared *shared[REDFISH_SHARED_MAX];
    size_t shared_count, shared_bytes;
    size_t streams_count;
    uint64_t streams_broken;
    int64_t poll_ms, quiet_ms; /* quiet_ms 0: silence is fine. */
    int64_t visit_ms;          /* REDFISH_VISIT_MS_MAX; tests have less. */
    struct redfish_poll *polling[REDFISH_POLLS_MAX];
    size_t poll_next, polling_count, kept_bytes;
    uint64_t polls_done, polls_failed;
    size_t telling; /* Batches on their way. */
    bool closed;
    void (*done)(void *arg);
    void *arg;
};

/* ---- redfish_watch.c: on the loop thread ---- */

/* A watch for every BMC of a table to be. False: out of memory. */
bool redfish_watches_renew(struct redfish_events *source, struct redfish_table *table);
/* The table is the source's now: watches of BMCs that it does not have end. */
void redfish_watches_point(struct redfish_events *source);
void redfish_watches_end(struct redfish_events *source); /* Their streams end. */
void redfish_watches_free(struct redfish_events *source);
int64_t redfish_clock_ms(void);                              /* The loop's clock, any thread. */
int64_t redfish_now_ms(const struct redfish_events *source); /* Engine time, any thread. */
bool redfish_asked(const struct redfish_events *source);     /* Are BMCs visited? */
const char *redfish_way_word(enum redfish_way way);
/* Which way a BMC's trouble comes, and why; checks get a line for some of those that are polled. */
void redfish_ways_doctor(const struct redfish_events *source, struct nsh_checks *checks);
void redfish_maybe_done(struct redfish_events *source);

/* ---- redfish_peer.c: requests to a BMC, with what its binding says ---- */

struct redfish_peer {
    struct redfish_events *source;
    struct arena arena;
    const char *address, *context, *base; /* Copies: the table may be replaced meanwhile. */
    struct nsh_value settings;
    const char *user, *password;
};

struct redfish_call {
    const char *method, *path;
    const char *const *headers; /* Besides those of all; NULL-terminated; may be NULL. */
    const char *body;
    size_t body_bytes;
    size_t reply_bytes_max; /* 0: REDFISH_REPLY_BYTES_MAX. */
};

int redfish_peer_open(struct redfish_peer *peer, struct redfish_events *source,
                      const struct redfish_bmc *bmc, struct nsh_error *err);
void redfish_peer_done(struct redfish_peer *peer); /* Forgets the password. */
int redfish_peer_call(struct redfish_peer *peer, const struct redfish_call *call,
                      void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                      struct nsh_http **ret_http, struct nsh_error *err);

/* ---- redfish_reading.c: long replies are parsed beside the loop ---- */

struct redfish_reading {
    void (*done)(void *arg, struct redfish_reading *reading); /* NULL: nobody waits any more. */
    void *arg;
    struct arena arena;
    const char *bytes;
    size_t bytes_count;
    bool good;                     /* What follows is there. */
    const char *path;              /* Of a page; NULL: it is a registry. */
    struct redfish_page page;      /* In arena. */
    struct redfish_shared *shared; /* done() may take it, and leave NULL. */
};

/*
 * Parse bytes as the page of path, or, without path, as a registry. done() is called exactly once
 * on the loop thread, for short ones before this returns, with *ret_reading set already; the
 * reading is freed behind it. False: out of memory, done() is not called.
 */
bool redfish_reading_begin(struct redfish_events *source, struct text bytes, const char *path,
                           void (*done)(void *arg, struct redfish_reading *reading), void *arg,
                           struct redfish_reading **ret_reading);
void redfish_reading_drop(struct redfish_reading *reading); /* done() is not called; NULL: none. */
void redfish_shared_free(struct redfish_shared *shared);

/* ---- redfish_stream.c: on the loop thread ---- */

/* Read that stream, if it is not read already. False: it cannot be; the watch says why. */
bool redfish_stream_begin(struct redfish_watch *watch, const char *path);
void redfish_stream_end(struct redfish_watch *watch); /* Nothing when there is none. */
void redfish_streams_tick(struct redfish_events *source);
bool redfish_stream_open(const struct redfish_watch *watch);
/* Why it is not open, for longer than grace_ms; NULL: it is, or there is none. */
const char *redfish_stream_broken(const struct redfish_watch *watch, int64_t grace_ms);

/* ---- redfish_registry_walk.c: on the loop thread ---- */

void redfish_walk_tick(struct redfish_events *source); /* Read registries that are due. */
void redfish_walk_forget(struct redfish_watch *watch);
void redfish_walk_end(struct redfish_events *source);
void redfish_registries_drop(
    struct redfish_watch *watch); /* Under the lock, or with nobody left. */

/* ---- redfish_poll.c: on the loop thread ---- */

void redfish_poll_tick(struct redfish_events *source); /* Begin the polls that are due. */
void redfish_poll_forget(struct redfish_watch *watch); /* Its BMC is gone. */
void redfish_poll_end(struct redfish_events *source);
/* Is it polled now, and why; the word is a literal or the watch's. NULL: it is not. */
const char *redfish_poll_reason(const struct redfish_watch *watch);
size_t redfish_poll_places(size_t bmcs_count); /* How many at once, of so many. */

/* ---- redfish_kept.c: pages that are known by their ETag ---- */

const char *redfish_kept_etag(const struct redfish_watch *watch, const char *path);
/* The page that was kept; false: there is none. */
bool redfish_kept_page(const struct redfish_watch *watch, const char *path,
                       struct redfish_page *ret_page);
void redfish_kept_put(struct redfish_watch *watch, const char *path, const char *etag,
                      const struct redfish_page *page);
void redfish_kept_free(struct redfish_watch *watch);

/* ---- redfish_tell.c: from states to events ---- */

/* What a map sees of who said it, in arena. False: out of memory. */
bool redfish_source_value(const struct redfish_events *source, const struct redfish_bmc *bmc,
                          const char *peer, struct arena *arena, struct nsh_value *ret_source);
/*
 * The health of a BMC's parts, as a poll found it: what changed is handed over as the BMC's own
 * events would have been; all: nothing was left out, so that what is missing is gone. On the loop
 * thread.
 */
void redfish_tell_parts(struct redfish_watch *watch, const struct redfish_part *parts,
                        size_t parts_count, bool all);
/* A document of a BMC, as it would have been posted. On the loop thread. False: it was not taken.
 */
bool redfish_tell_document(struct redfish_watch *watch, const struct nsh_value *body);
/* The samples of a page of that BMC. */
void redfish_tell_samples(const struct redfish_watch *watch, const struct redfish_page *page);
int redfish_standing_read(struct redfish_events *source, struct nsh_error *err);
void redfish_standing_free(struct redfish_events *source);

/* ---- redfish_ill.c: parts that vanish take their alarms with them ---- */

/* What was kept of a BMC over a start. */
void redfish_ill_read(struct redfish_watch *watch);
void redfish_ill_done(struct redfish_watch *watch);
/* Once for each poll: which of them it found. */
void redfish_ill_look(struct redfish_watch *watch, const struct redfish_part *parts,
                      size_t parts_count, bool all);
bool redfish_ill_gone(const struct redfish_ill *ill);
void redfish_ill_set(struct redfish_watch *watch, const char *path, bool ill);
/* Those that are gone were told. */
void redfish_ill_told(struct redfish_watch *watch);
/* Without those that are gone, as JSON, for the mark under this id. */
void redfish_ill_write(const struct redfish_watch *watch, struct textbuf *out);
void redfish_ill_id(const struct redfish_watch *watch, char *id, size_t id_bytes);

/* ---- redfish_keeper.c: on the loop thread ---- */

void redfish_keep(struct redfish_events *source); /* Begin the visits that are due. */
void redfish_keep_end(struct redfish_events *source);

/* ---- redfish_table.c ---- */

int redfish_table_new(const struct redfish_events *source, const struct inventory *inventory,
                      struct redfish_table **ret_table, struct nsh_error *err);
void redfish_table_free(struct redfish_table *table);
/* An address without port; IPv4 as ::ffff:a.b.c.d. False: it is none. */
bool redfish_address_bytes(struct text address, uint8_t ret_bytes[16]);
/* Does peer, an address as text, stand in networks? */
bool redfish_peer_in(const struct peer_networks *networks, const char *peer);

#endif
