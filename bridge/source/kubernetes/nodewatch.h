/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_KUBERNETES_NODEWATCH_H
#define SOURCE_KUBERNETES_NODEWATCH_H

/*
 * What a cluster says of its nodes -> events: the nodes as they were told last, and what is new in
 * a list or in a line of a watch. Pure: no clock, no I/O; one thread at a time.
 *
 * A condition is a state: raised or cleared, when it is seen first (an alarm of before the start
 * ends), and whenever it changes. Its event's id is made of the node's uid, the status and
 * lastTransitionTime, so it is the same after a restart, and the engine knows it again. Cordons,
 * taints, nodes that come and go, and the Events of nodes are pulses; the first list tells none of
 * them but recent Events.
 *
 * A list that follows a window in which nothing was seen is compared with what was told: what
 * changed is told, and so is a condition that changed and came back, by its lastTransitionTime.
 */

#include "base/map.h"
#include "model/event.h"

#define NODEWATCH_NODES_MAX 20000 /* Four times what Kubernetes supports. */
#define NODEWATCH_CONDITIONS_MAX 64
#define NODEWATCH_TAINTS_MAX 64
#define NODEWATCH_WORD_BYTES_MAX 96    /* A condition's type; longer ones are left out. */
#define NODEWATCH_VERSION_BYTES_MAX 64 /* A resourceVersion. */
#define NODEWATCH_RECENT_MAX 2048      /* Events of nodes that are known again. */
#define NODEWATCH_STOOD_MAX 20000      /* Alarms of before the start: one of each node. */

enum nodewatch_kind { NODEWATCH_NODES, NODEWATCH_EVENTS, NODEWATCH_LEASES, NODEWATCH_KINDS_COUNT };

struct nodewatch {
    const char *source;              /* event.source. */
    const struct nsh_value *watched; /* Patterns of conditions; NULL: all. */
    const struct nsh_value *good;    /* Those that are well when True; NULL: Ready, EtcdIsVoter. */
    struct map nodes;
    bool listed; /* A list was read to its end. */
    uint32_t round;
    uint32_t full;                         /* Nodes that were left out: too many. */
    uint64_t recent[NODEWATCH_RECENT_MAX]; /* Hashes of ids. */
    uint32_t recent_next;
    int64_t lease_ms; /* Not renewed for that long: told. 0: leases are not watched. */
    struct map leases;
    uint32_t leases_round;
    int64_t leases_heard_ms, leases_from_ms;
    struct nodewatch_standing *standing; /* Until the first list of nodes was read to its end. */
    uint32_t standing_count;
};

/* Where events go. failed: memory ran out, and something is missing. */
struct nodewatch_out {
    struct arena *arena;
    struct event *items;
    uint32_t count, room;
    int64_t now_ms;
    int64_t since_ms; /* Events of nodes that are older are not told. */
    bool failed;
};

enum nodewatch_result {
    NODEWATCH_TAKEN,
    NODEWATCH_EXPIRED, /* 410: the list has to be read again. */
    NODEWATCH_FAILED,  /* err says why; the watch is of no use any more. */
};

/* A list's pages: begin, every page, end. Nodes that were on none of them are gone. */
void nodewatch_list_begin(struct nodewatch *watch, enum nodewatch_kind kind);
void nodewatch_list_page(struct nodewatch *watch, enum nodewatch_kind kind,
                         const struct nsh_value *list, struct nodewatch_out *out);
void nodewatch_list_end(struct nodewatch *watch, enum nodewatch_kind kind,
                        struct nodewatch_out *out);

/* One line of a watch. Its version, when it has one, goes to version. */
enum nodewatch_result nodewatch_line(struct nodewatch *watch, enum nodewatch_kind kind,
                                     const struct nsh_value *line, struct nodewatch_out *out,
                                     char version[NODEWATCH_VERSION_BYTES_MAX],
                                     struct nsh_error *err);

/* Something was heard on the watch of leases; anew: it was just begun, and nobody was looked at
 * before. */
void nodewatch_leases_heard(struct nodewatch *watch, int64_t now_ms, bool anew);
/* Who has not renewed for lease_ms. */
void nodewatch_leases_look(struct nodewatch *watch, struct nodewatch_out *out);

/* An alarm that stood before the start, of this source, by the texts of its events: it ends when
 * the first list of nodes does not have its node, or nothing of that node that is watched says it
 * any more. False: no memory. */
bool nodewatch_stood(struct nodewatch *watch, const char *node, const char *type);

/* Nothing is known any more: all is told again, as after a start. What stood before it stays. */
void nodewatch_forget(struct nodewatch *watch);
/* Its end. */
void nodewatch_done(struct nodewatch *watch);

/* How many nodes, and conditions that are raised. */
void nodewatch_count(const struct nodewatch *watch, uint32_t *ret_nodes, uint32_t *ret_raised);

/* ---- among its parts ---- */

/* A place for one more event, its source, times and hint filled in; NULL: out->failed. */
struct event *nodewatch_tell(const struct nodewatch *watch, struct nodewatch_out *out,
                             const char *node);
/* At most EVENT_TEXT_BYTES_MAX of it, whole characters, in arena. */
struct text nodewatch_cut(struct nodewatch_out *out, const char *text);
/* Packed event.data. */
struct text nodewatch_data(struct nodewatch_out *out, const struct nsh_member *members,
                           size_t count);
/* Whether a condition of that node is one that is told as this type. */
bool nodewatch_says(const struct nodewatch *watch, const char *node, const char *type,
                    struct nodewatch_out *out);
/* nodewatch_lease.c */
/* Whether this is what is told of leases, and they are watched. */
bool nodewatch_lease_says(const struct nodewatch *watch, const char *type);
void nodewatch_lease_seen(struct nodewatch *watch, const struct nsh_value *object,
                          struct nodewatch_out *out);
void nodewatch_lease_gone(struct nodewatch *watch, const char *name, struct nodewatch_out *out);
void nodewatch_leases_end(struct nodewatch *watch, struct nodewatch_out *out);
void nodewatch_leases_forget(struct nodewatch *watch);
/* nodewatch_stood.c: all nodes are known. */
void nodewatch_stood_end(struct nodewatch *watch, struct nodewatch_out *out);
/* A core/v1 Event: nodewatch_tell.c. */
void nodewatch_event(struct nodewatch *watch, const struct nsh_value *object,
                     struct nodewatch_out *out);

#endif
