/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_TYPE_H
#define SOURCE_MAP_SOURCE_TYPE_H

/*
 * Types of sources, and the sources of the configuration:
 *
 *     sources = (
 *         { name = "alertmanager"; type = "webhook"; format = "alertmanager"; silence = "15m"; },
 *         { name = "bus"; type = "amqp"; url = "..."; map = ( { type = "..."; } ); } );
 *
 * A type is one folder with one const table, `source_type_NAME`, named by `set(ROOM_TYPES NAME)` in
 * its room.cmake: nothing else lists it.
 */

#include "abi/doctor.h"
#include "abi/driver.h"
#include "model/sample.h"
#include "model/verb.h"
#include "source/map/source_book.h"
#include "source/map/source_map.h"

#include <uv.h>

#define SOURCES_MAX 128

struct intake;
struct nsh_services;
struct source_config;

/* An alarm that stands; borrowed for the call. */
struct source_standing {
    const char *host, *subject, *type, *resource, *qualifier; /* "" where it has none. */
    int severity;                                             /* enum severity */
    const char *source;                                       /* Who raised it. */
};

/* A reading call of a verb on a host's binding: by the device and the session that actions on this
 * host use too, with its settings and its credentials. Borrowed. */
struct source_call {
    const char *host;
    enum binding_kind binding;
    const char *driver, *verb; /* The binding must have this driver, and the verb must only read. */
    const struct nsh_value *args; /* A map; NULL: none. */
    uint32_t timeout_ms;          /* 0: the verb's. */
    /* On the loop thread, once, not from inside call(); the outcome is borrowed. */
    void (*done)(void *arg, const struct nsh_outcome *outcome);
    void *arg;
};

/* What a running source may use; all of it outlives the source. */
struct source_services {
    uv_loop_t *loop;
    struct nsh_services *services; /* Requests of its own (http); NULL in tests without them. */
    struct intake *intake;
    struct source_row *row;    /* Its counters. */
    pthread_mutex_t *map_lock; /* Held while its map runs: requests run it too. NULL in tests. */
    /* The secret behind a reference of the settings. */
    int (*secret)(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                  struct nsh_error *err);
    /* For a person: what should not stay so (error), or news. Repeats are held back. */
    void (*log)(void *arg, bool error, const char *text);
    /* The inventory as it is now, for the call; its revision tells whether it changed. */
    const struct inventory *(*inventory)(void *arg);
    /*
     * Samples for the signals of the configuration: decode hands all of them to sink, or none and
     * an error. Nobody waits for what turns. Any thread. NULL in tests without it.
     */
    int (*samples)(void *arg,
                   int (*decode)(void *arg, const struct sample_sink *sink, struct nsh_error *err),
                   void *decode_arg, struct nsh_error *err);
    /* The alarms that stand and that source, a source's name (NULL: any), raised: read from the
     * store, for a start. NULL in tests without it. */
    int (*standing)(void *arg, const char *source,
                    void (*each)(void *arg, const struct source_standing *alarm), void *each_arg,
                    struct nsh_error *err);
    /* The folder of the trap tables. */
    const char *(*traps)(void *arg);
    /* -NSH_DENIED: the verb does more than reading. Others as drivers_start(). After call_cancel()
     * done is not called any more. */
    int (*call)(void *arg, const struct source_call *call, uint64_t *ret_number,
                struct nsh_error *err);
    void (*call_cancel)(void *arg, uint64_t number);
    /* What was kept of it last under this id (struct source_delivery), until the next one is; NULL:
     * nothing. */
    const char *(*mark)(void *arg, const char *id);
    void *arg;
};

#define SOURCE_MAPS 0x1u /* Its messages go through `format` or `map`: one of them must be. */
#define SOURCE_RENEWS                                                                              \
    0x4u /* Every reload opens it anew: it costs nothing, and reads its secrets. */
#define SOURCE_MAY_MAP 0x2u /* They may; without, the type knows what its messages mean. */

struct source_type {
    const char *name, *summary;
    const char *path; /* Senders of the API's sources send to /v1/PATH/NAME; NULL: webhooks. */
    uint32_t flags;
    /* Its keys; name, type, format, map and silence are everybody's. */
    const struct nsh_option *options;
    size_t options_count;
    /* What the options' table cannot say, when the configuration is read; NULL: nothing. */
    void (*check)(const struct source_config *config, struct diags *diags);
    /*
     * Start: on the loop thread, without waiting for anything. NULL: nothing runs, the API takes
     * its messages. config outlives the source. What cannot be reached is no failure: it is tried
     * again.
     */
    int (*open)(const struct source_services *services, const struct source_config *config,
                void **ret_source, struct nsh_error *err);
    /* Stop: done(arg) once, on the loop thread, when nothing of it is left and every batch it
     * pushed was answered. */
    void (*close)(void *source, void (*done)(void *arg), void *arg);
    /* What it sees of itself, without waiting. source is NULL for a type without open(). */
    void (*doctor)(void *source, const struct source_config *config, struct nsh_checks *checks);
    /*
     * Without the daemon: bytes of a file as they would come -> events, for a type that decodes
     * itself. NULL: its messages are JSON for the map.
     */
    int (*decode)(const struct source_config *config, const char *bytes, size_t bytes_count,
                  struct arena *arena, struct source_events *ret_events, struct nsh_error *err);
};

/* One source of the configuration. */
struct source_config {
    const char *name;
    const struct source_type *type;
    struct nsh_value
        settings;           /* Its own keys, checked, presets filled in; secrets are references. */
    struct nsh_value given; /* The whole group, to tell whether a reload changed it. */
    struct source_format format; /* format.map NULL: none. */
    int64_t silence_ms;          /* 0: silence is fine. */
    struct nsh_place at;
    struct conf *setting; /* For check(): places of keys. */
};

struct source_configs {
    const struct source_config *items;
    size_t count;
};

/*
 * Read the list `sources` (NULL: none). types is NULL-terminated; folder: that of the
 * configuration, for formats in files. Mistakes are diagnostics. Lives in arena, with what setting
 * was read from.
 */
struct source_configs source_configs_read(struct conf *setting,
                                          const struct source_type *const *types,
                                          const char *folder, struct arena *arena,
                                          struct diags *diags);

const struct source_config *source_config_find(const struct source_configs *configs,
                                               const char *name);

/* Where a key of a source stands: for diagnostics of check(). */
struct nsh_place source_key_place(const struct source_config *config, const char *key);

/* What to configure at the sender: the format's `paste` with {URL}, {NAME}, {SECRET} filled in, or
 * nothing. */
void source_paste(const struct source_config *config, const char *url, struct textbuf *out);

#endif
