/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

/*
 * The event: one CloudEvents 1.0 record with what nightshift knows of it. Everything that enters
 * becomes one.
 *
 * Texts are struct text: borrowed, not NUL-terminated, valid UTF-8. `data` stays in its packed form
 * (base/pack.h) until a condition reads it: most events are never looked into.
 *
 * On the wire between receiver and daemon, and in the journal, an event is one packed record:
 * event_pack().
 */

#include "abi/error.h"
#include "base/arena.h"
#include "base/text.h"

enum severity {
#define SEVERITY(NAME, word) SEVERITY_##NAME,
#include "model/severity.def"
#undef SEVERITY
    SEVERITIES_COUNT
};

/* How urgent an event is: what waits goes in this order, the highest first. 2: critical and fatal,
 * 1: major, 0: the rest. */
#define EVENT_RANKS 3
unsigned event_rank(enum severity severity);

enum event_state {
    EVENT_PULSE, /* Something happened; nothing stays. */
    EVENT_RAISE, /* A condition began, or is still there. */
    EVENT_CLEAR, /* It ended. */
};

#define EVENT_TEXT_BYTES_MAX 1024        /* Any one text of an event. */
#define EVENT_DATA_BYTES_MAX (64 * 1024) /* CloudEvents consumers should accept 64 KiB. */
#define EVENT_PACKED_BYTES_MAX (EVENT_DATA_BYTES_MAX + 12 * EVENT_TEXT_BYTES_MAX)

struct event {
    uint64_t seq;        /* Journal sequence, 1..; 0 before the shell numbered it. */
    int64_t time_ms;     /* When the source says it happened, Unix; 0: it does not say. */
    int64_t received_ms; /* When it reached nightshift, engine time. */
    enum severity severity;
    enum event_state state;
    bool unmatched; /* No mapping knew it: numeric names, shown and counted, never lost. */
    struct text
        id; /* CloudEvents id; with source the key of de-duplication. Empty: never a duplicate. */
    struct text source;    /* "trap/127.0.1.7", "/dc1/r12" */
    struct text type;      /* "power.supply.failed"; for alarms the alarm type of RFC 8632. */
    struct text subject;   /* As sent. */
    struct text host;      /* Resolved by the inventory; empty: none found. */
    struct text resource;  /* What on the host: "psu/1"; empty: the host itself. With type and
                              qualifier the alarm's key. */
    struct text qualifier; /* RFC 8632 alarm-type-qualifier; mostly empty. */
    struct text
        name; /* The source's own name: "PowerNet-MIB::upsOnBattery", "1.3.6.1.4.1.9.9.9.0.1". */
    struct text message; /* For people. */
    struct text hint;    /* Comma-separated identity hints for the inventory:
                            "addr=127.0.1.7,agent=..,engine=..,uuid=..,host=.." */
    struct text data;    /* Packed nsh_value map (base/pack.h), or empty. */
};

const char *severity_word(enum severity severity);
int severity_of(struct text word);                    /* enum severity, or -1 */
const char *event_state_word(enum event_state state); /* "pulse", "raise", "clear" */

/* The known type (model/event_types.def) that type was probably meant to be; NULL: it is known, or
 * like none. */
const char *event_type_nearest(struct text type);

/* Bytes event_pack() needs. */
size_t event_packed_bytes(const struct event *event);

/* Pack event into bytes[room]; returns the bytes used. room >= event_packed_bytes(event). */
size_t event_pack(const struct event *event, uint8_t *bytes, size_t room);

/*
 * Read one packed event at bytes; texts borrow from bytes. Hostile input is refused.
 * Returns the bytes consumed (> 0), or -NSH_CORRUPT.
 */
long event_unpack(const uint8_t *bytes, size_t bytes_count, struct event *ret_event,
                  struct nsh_error *err);

/* The highest severity of the packed events in bytes, as far as they make sense. */
enum severity event_packed_severity(const uint8_t *bytes, size_t bytes_count);

/* RFC 3339 -> Unix milliseconds; false: it is none. */
bool event_time_read(const char *text, int64_t *ret_ms);

/* The JSON object of an event (CloudEvents structured form plus nightshift's attributes) appended
 * to out. */
void event_to_json(const struct event *event, struct textbuf *out);

/*
 * CloudEvents JSON object (a map) -> event; texts are borrowed from value or copied into arena.
 * NSH_INVALID names the attribute that is missing or wrong. Extension attributes "severity",
 * "state", "resource", "qualifier", "host", "message" are read when present.
 */
int event_from_value(const struct nsh_value *value, struct arena *arena, struct event *ret_event,
                     struct nsh_error *err);

/* The object that event_to_json() wrote, of any event: traps have no id. */
int event_from_kept(const struct nsh_value *value, struct arena *arena, struct event *ret_event,
                    struct nsh_error *err);

#endif
