/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_CONTRAIL_CONTRAIL_H
#define SOURCE_CONTRAIL_CONTRAIL_H

/*
 * The alarms of Contrail / Tungsten Fabric analytics, as they are and as they were told. Pure: no
 * clock, no I/O; one thread at a time.
 *
 * An object ("vrouter/compute-7") has alarms by their type. An update of the stream, or the list,
 * carries all alarms of an object: what is new, what changed and what is missing follows from
 * comparing. What is missing is told as cleared when it stays away for settle_ms, since the server
 * takes alarms away and brings them back whenever a partition moves.
 *
 * What changed waits in a queue until it is told; an alarm is freed when it is gone, told, and
 * nothing of it is on its way.
 */

#include "base/map.h"
#include "model/event.h"

#define CONTRAIL_OBJECTS_MAX 20000 /* Ten times the vrouters of a large cluster. */
#define CONTRAIL_ALARMS_MAX 64     /* Of one object. */
#define CONTRAIL_TABLE_BYTES_MAX 64
#define CONTRAIL_NAME_BYTES_MAX 512 /* FQ names have colons, and may be long. */
#define CONTRAIL_TYPE_BYTES_MAX 256
#define CONTRAIL_TOKEN_BYTES_MAX 1024
#define CONTRAIL_MESSAGE_BYTES_MAX (EVENT_TEXT_BYTES_MAX - 16) /* "cleared: " before it. */
#define CONTRAIL_MATCHES_MAX 16 /* Conditions of a rule that event.data shows. */
#define CONTRAIL_DATA_BYTES_MAX 8192

enum contrail_ack {
    ACK_NONE,
    ACK_WAITS,   /* It is ours to do. */
    ACK_SENT,    /* On its way. */
    ACK_UNSURE,  /* It may have been done: the next look at the alarm says. */
    ACK_DONE,    /* Never again for this alarm. */
    ACK_REFUSED, /* Not again with this token. */
};

struct contrail_object;

struct contrail_alarm {
    struct contrail_object *object;
    struct contrail_alarm *next;         /* Of the object. */
    struct contrail_alarm *queue_next;   /* What is to be told. */
    struct contrail_alarm *leaving_next; /* What went, in that order. */
    struct contrail_alarm *ack_next;     /* What is to be acknowledged. */
    char *type, *token, *message;        /* As the server says; "" before it was seen. */
    char *event_type, *qualifier;        /* Its key, with the object's. */
    uint8_t *data;                       /* event.data, packed. */
    uint32_t data_bytes;
    enum severity severity;
    int64_t time_us; /* Raised, as the server says; 0: unknown. */
    int64_t gone_ms; /* When it was missed first. */
    int64_t ack_due_ms;
    int64_t told_us; /* time_us as told; 0: of before a restart; below: the telling was lost. */
    enum severity told_severity;
    enum contrail_ack ack;
    unsigned ack_tries;
    uint32_t ack_round; /* Of the list when it became unsure: a later one says. */
    unsigned flying;    /* Events and acknowledgements on their way. */
    bool present, told, durable, acknowledged;
    bool queued, leaving, ack_queued, seen;
};

struct contrail_object {
    char *key;        /* "vrouter/compute-7": event.resource. */
    const char *name; /* In key. */
    char *table;      /* As the server's REST calls it, for acknowledging. */
    char *host;       /* Of before a restart: which host it was told for; NULL. */
    struct contrail_alarm *alarms;
    uint32_t count;
    uint32_t round;  /* Of the list when it was touched last. */
    uint32_t listed; /* Of the list that has it. */
};

struct contrail_queue {
    struct contrail_alarm *first, *last;
    uint32_t count;
};

struct contrail {
    const char *source; /* event.source */
    int64_t settle_ms;
    bool acknowledges;
    struct map objects;
    struct contrail_queue queue, leaving, acks;
    uint32_t round;
    bool listing; /* A list is awaited: objects without alarms stay, they are newer than it. */
    uint32_t alarms, left_out; /* left_out: looks at what is over the bounds. */
    uint32_t found;            /* Changes since whoever looks set it to 0. */
};

/* ---- contrail_state.c ---- */

/* Nothing is known any more; settings stay. Also its end. */
void contrail_done(struct contrail *contrail);

/* An alarm that stood before: of this source, by the texts of its events. False: no memory. */
bool contrail_seed(struct contrail *contrail, const char *resource, const char *type,
                   const char *qualifier, const char *host, enum severity severity);

/*
 * The `data` of an `update`: {"key", "type", "value"}.
 *
 * NSH_PROTOCOL  it makes no sense: nothing was taken; a list tells what it said
 * NSH_NOMEM     some of it may have been taken; a list is needed
 */
int contrail_update(struct contrail *contrail, const struct nsh_value *update, int64_t now_ms,
                    struct nsh_error *err);

/* A list was asked for: what the stream says from now on is newer than it. */
void contrail_list_begin(struct contrail *contrail);
void contrail_list_end(struct contrail *contrail); /* It does not come. */
/* The list, all or nothing: what it does not have is gone. Errors as above. */
int contrail_list(struct contrail *contrail, const struct nsh_value *list, int64_t now_ms,
                  struct nsh_error *err);

/* What went long enough ago becomes something to tell. */
void contrail_settle(struct contrail *contrail, int64_t now_ms);

/* The next alarm to tell, out of the queue; NULL: none. */
struct contrail_alarm *contrail_next(struct contrail *contrail);
/* It could not be told: it is the first again. */
void contrail_back(struct contrail *contrail, struct contrail_alarm *alarm);
/* It was handed over, as contrail_event() said; it stays until contrail_landed(). */
void contrail_told(struct contrail *contrail, struct contrail_alarm *alarm, bool raised);
/* Its event is durable; or never will be, and what holds is to be told again. The alarm may be
 * freed. */
void contrail_landed(struct contrail *contrail, struct contrail_alarm *alarm, bool raised,
                     bool durable);

/* Is a raise what is to be told; else it is cleared. */
bool contrail_is_raise(const struct contrail_alarm *alarm);

/* The next alarm to acknowledge that is due, out of that queue, as ACK_SENT and flying; or NULL. */
struct contrail_alarm *contrail_ack_next(struct contrail *contrail, int64_t now_ms);
/* What came of it; due_ms: not before. The alarm may be freed. */
void contrail_ack_end(struct contrail *contrail, struct contrail_alarm *alarm,
                      enum contrail_ack ack, int64_t time_us, int64_t due_ms);

/* ---- contrail_decode.c ---- */

/* An alarm as the server says it; texts are borrowed or in the arena. */
struct contrail_item {
    const char *type, *token, *message, *event_type, *qualifier;
    enum severity severity;
    int64_t time_us;
    bool acknowledged;
    const uint8_t *data;
    uint32_t data_bytes;
};

/* "ObjectVRouter" -> "vrouter"; what is unknown stays. "bgp-router" -> "control-node". */
const char *contrail_table(const char *table);
/* The event's type and qualifier of an alarm's type: "contrail.node-status", "". */
bool contrail_type(const char *type, struct arena *arena, const char **ret_type,
                   const char **ret_qualifier);
/* NSH_PROTOCOL: it is none; NSH_NOMEM. */
int contrail_item(const struct nsh_value *value, const char *table, const char *name,
                  struct arena *arena, struct contrail_item *ret_item, struct nsh_error *err);

/* ---- contrail_tell.c ---- */

/* Texts are in arena, or the alarm's. False: no memory. */
bool contrail_event(const struct contrail *contrail, const struct contrail_alarm *alarm,
                    int64_t now_ms, struct arena *arena, struct event *ret_event);

#endif
