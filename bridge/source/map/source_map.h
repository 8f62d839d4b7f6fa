/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_MAP_H
#define SOURCE_MAP_SOURCE_MAP_H

/*
 * What a message means, as data: rules of conditions (bridge/cel) turn one JSON document, or a map
 * of attributes, into 0..SOURCE_EVENTS_MAX events. Used by every source whose messages are JSON,
 * whatever brought them.
 *
 *     map = (
 *         { when = "has(body.heartbeat)"; ignore = "a heartbeat"; },
 *         { each = "body.alerts";
 *           type = "'alert.' + item.labels.alertname";
 *           state = "item.status == 'firing' ? 'raise' : 'clear'";
 *           severity = "item.labels.severity";
 *           host = [ "item.labels.host", "host_of(item.labels.instance)" ];
 *           id = "item.fingerprint + '/' + item.startsAt + '/' + item.status"; } );
 *
 * The first rule whose `when` is true takes the message. A key holds one expression or several:
 * the first that gives something counts, one that fails (a member that is not there) or gives null
 * or "" gives nothing. A message that no rule takes, and an item without a type, becomes an event
 * that says so (`unmatched`, its data what came): nothing is lost silently.
 *
 * Pure and bounded: no clock, no I/O, SOURCE_STEPS_MAX steps for one message, and the bounds below.
 * One thread at a time for each map (bridge/cel).
 */

#include "base/confscan.h"
#include "model/event.h"

#define SOURCE_EVENTS_MAX 10000   /* Of one message: more are refused, as a whole. */
#define SOURCE_RULES_MAX 32       /* Of one map. */
#define SOURCE_CHOICES_MAX 8      /* Expressions of one key. */
#define SOURCE_STEPS_MAX 20000000 /* Of one message, over all its expressions: under a second. */
#define SOURCE_MESSAGE_BYTES_MAX (8u << 20) /* What `open` may parse. */
#define SOURCE_MADE_BYTES_MAX (32u << 20)   /* Of all events of one message, packed. */

struct source_map;

/*
 * Compile the map in setting (a group, or a list of groups). Mistakes are diagnostics with the
 * place inside the expression; NULL when there was one. The map lives in arena, as what setting was
 * read from must.
 */
struct source_map *source_map_read(struct conf *setting, struct arena *arena, struct diags *diags);

/* What an expression sees. */
struct source_message {
    const struct nsh_value *body; /* `body` (and `item` when the rule has no `each`). */
    const struct nsh_value
        *headers; /* `headers`: a map of texts, names in small letters; NULL: {} */
    const struct nsh_value *source; /* `source`: {name, type, and what the type adds}; NULL: {} */
    const char *name;               /* The source's name: event.source, "alertmanager". */
    int64_t received_ms;
};

/* One event of a message, or why an item gave none; in the arena. */
struct source_events {
    struct event *items;
    uint32_t count;
    uint32_t unmatched; /* Events among items that say "nothing knew this". */
    uint32_t ignored;   /* Items, or the message, that a rule leaves out on purpose. */
    const char *why;    /* Of the first unmatched or ignored one, or NULL. */
    int rule;           /* The rule that took the message, from 0; -1: none. */
};

/*
 * All events of a message, or none. Texts are in arena or borrowed from the message.
 *
 * NSH_INVALID  more than SOURCE_EVENTS_MAX items, SOURCE_STEPS_MAX or SOURCE_MADE_BYTES_MAX: the
 *              sender's mistake, it may not come again
 * NSH_NOMEM
 */
int source_map_run(const struct source_map *map, const struct source_message *message,
                   struct arena *arena, struct source_events *ret_events, struct nsh_error *err);

/* The packed form that intake_push() takes, in arena. */
int source_events_pack(const struct source_events *events, struct arena *arena,
                       const uint8_t **ret_bytes, size_t *ret_bytes_count, struct nsh_error *err);

/* The host in "r1:9100", "http://r1:80/x", "[::1]:9100", "10.0.0.1": what stands before a port. */
struct text source_host_of(struct text text);

/* A severity in the words and numbers of monitoring systems ("page", "high", "P1"); -1: none is
 * meant. */
int source_severity(struct text word);

/* "MemoryPressure" -> "memory-pressure", "SystemOOM" -> "system-oom". */
void source_kebab(const char *word, char *room, size_t room_bytes);

/* ---- formats: source_formats.c ---- */

/*
 * What a known sender's messages mean: a file NAME.map with `summary`, `map`, `paste` (what to
 * configure over there; {URL}, {NAME} and {SECRET} stand for ours) and, for webhooks, `signature`.
 * Those of formats/ are built in.
 */
struct source_format {
    const char *name, *summary, *paste; /* paste: NULL: it says nothing. */
    struct source_map *map;
    struct conf *signature; /* Or NULL. */
    bool is_file;           /* Not built in: it may change. */
};

/*
 * The format called name, or that of a file when name ends in ".map" (relative to folder, which may
 * be NULL). False after diagnostics at `at`, or inside the file.
 */
bool source_format_read(const char *name, const char *folder, struct nsh_place at,
                        struct arena *arena, struct diags *diags, struct source_format *ret_format);

/* Text of a built-in format, or NULL; and their names, NULL past the end. */
const char *source_format_text(const char *name);
const char *source_format_name(size_t index);

#endif
