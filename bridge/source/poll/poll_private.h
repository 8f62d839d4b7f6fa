/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_POLL_POLL_PRIVATE_H
#define SOURCE_POLL_POLL_PRIVATE_H

/*
 * The source `snmp-poll`: devices and when their turn is (poll_source.c), which those are
 * (poll_devices.c), the read of one (poll_device.c), what is told (poll_tell.c), alarms of before
 * the start (poll_standing.c), its keys (poll_options.c).
 *
 * On the loop thread. At most POLL_FLIGHT_MAX devices are read at once, one request each; further
 * ones wait, the longest due first.
 */

#include "base/heap.h"
#include "model/host.h"
#include "source/map/source_over.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"
#include "source/probe/probe.h"
#include "source/snmp/poll_link.h"
#include "source/snmp/poll_meaning.h"

#define POLL_DEVICES_MAX 50000
#define POLL_FLIGHT_MAX 256
#define POLL_TICK_MS 20
#define POLL_TABLES_MAX 64       /* Of all sets of a source. */
#define POLL_ABSENT_ROUNDS 10    /* A table that a device does not have is looked for again. */
#define POLL_BACKOFF_MAX 4       /* Times `every`, when it does not answer. */
#define POLL_STANDING_MAX 100000 /* Alarms of before the start. */
#define POLL_BATCH_MAX 2048      /* States told at once; more of a table at its next read. */

struct poll_source;

/* What is polled: a host of the inventory, or a device of the configuration. */
struct poll_device {
    struct heap_node due; /* By the loop's clock. */
    struct poll_source *source;
    char *name, *address; /* As it is told: without port. */
    struct poll_link link;
    struct poll_memory memory;
    struct poll_rows *rows; /* While it is read. */
    bool of_host, flying, gone, looked;
    bool troubled;    /* Something was wrong in this read: why says what. */
    uint32_t telling; /* Batches on their way. */
    uint32_t target;  /* Its place in the group. */
    uint32_t generation;
    /* This read. */
    uint32_t table;
    int64_t begun_ms; /* By the loop's clock. */
    uint64_t samples;
    /* What is known of the agent. */
    bool has_uptime, has_boots;
    uint32_t uptime, boots;
    int64_t uptime_at_ms;
    struct poll_oid object; /* sysObjectID. */
    uint64_t absent;        /* Tables it does not have, by place. */
    uint64_t known;         /* Tables that were read once since the start. */
    uint32_t rounds, failures;
    int64_t due_ms;
    char why[120]; /* What was wrong in the last read, or "". */
};

struct poll_figures {
    uint64_t polls, failed, tables, rows, samples, restarts, asks, timeouts, malformed, smaller;
    uint64_t put_off; /* Devices whose turn came later: too many were read. */
};

struct poll_source {
    const struct source_services *services;
    const struct source_config *config;
    struct arena arena; /* Tables, credentials. */
    struct snmp_credentials credentials;
    struct poll_wire *like;
    const struct poll_table *tables[POLL_TABLES_MAX];
    const struct poll_oid *only[POLL_TABLES_MAX];
    uint32_t tables_count;
    const char *at, *hosts;
    const struct nsh_value *select;
    uint16_t port;
    int64_t every_ms;
    uint32_t timeout_ms, retries;
    struct poll_device **devices;
    uint32_t devices_count;
    struct map by_name;
    struct probe_group group;
    struct map standing; /* Of before the start, by whose they are. */
    struct arena standing_arena;
    struct source_again standing_again;
    struct map owners; /* Whose alarms the devices' are, where it is not the device. */
    struct arena owners_arena;
    uint32_t owners_generation;
    struct source_over over;
    uint64_t revision;          /* Of the inventory that the devices are of. */
    uint32_t generation, alive; /* alive: devices in memory, also gone ones. */
    struct heap due;
    uint64_t order;
    uint32_t flying, telling;
    uv_timer_t tick;
    uint32_t handles;
    struct poll_answer answer;
    struct poll_figures figures;
    char failed[200]; /* Why nothing can be polled, or "". */
    bool built, closing;
    bool stand; /* What stands is to be read, as soon as nothing is on its way. */
    void (*done)(void *arg);
    void *arg;
};

/* ---- poll_options.c ---- */

/* The tables of the sets that the configuration names; false: mistakes, in diags. */
bool poll_tables_read(const struct source_config *config, struct arena *arena, struct diags *diags,
                      struct poll_source *source);

/* ---- poll_source.c ---- */

int poll_open(const struct source_services *services, const struct source_config *config,
              void **ret_source, struct nsh_error *err);
void poll_close(void *arg, void (*done)(void *arg), void *done_arg);
void poll_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks);

/* ---- poll_decode.c ---- */

/* What `snmpbulkwalk -Onet` or a recording of snmpsim says of a device -> its alarms. */
int poll_decode(const struct source_config *config, const char *bytes, size_t bytes_count,
                struct arena *arena, struct source_events *ret_events, struct nsh_error *err);
/* The same with the tables of source, which is looked at for them and its name alone. */
int poll_decode_text(const struct poll_source *source, struct text text, struct arena *arena,
                     struct source_events *ret_events, struct nsh_error *err);

/* ---- poll_devices.c ---- */

/* Anew, from inventory and configuration; what is known of a device stays. */
void poll_devices_build(struct poll_source *source, const struct inventory *inventory);
void poll_device_free(struct poll_device *device);
void poll_device_gone(struct poll_device *device);

/* ---- poll_device.c ---- */

void poll_device_begin(struct poll_device *device);
void poll_device_stop(struct poll_device *device);
/* The read is over: poll_source.c. */
void poll_device_over(struct poll_device *device, const char *why, bool reached);

/* ---- poll_tell.c ---- */

struct poll_batch;

/* Gathers turns of one table; poll_batch_push() sends or forgets them. */
struct poll_batch *poll_batch_new(struct poll_device *device, const struct poll_table *table);
void poll_batch_turn(void *arg, const struct poll_turn *turn);
/* The event of a turn, without source, id and identity. */
bool poll_event_of(const struct poll_table *table, const struct poll_turn *turn, const char *name,
                   const char *address, struct arena *arena, struct event *ret_event);
/* An alarm of before the start that is over; *over tells whether it was told, or is being. */
void poll_batch_over(struct poll_batch *batch, const char *type, const char *resource, bool *over);
void poll_batch_push(struct poll_batch *batch);
void poll_tell_isolated(struct poll_source *source);
/* Tell whether the device answers, and whether it is rather we who are cut off. */
void poll_tell_answers(struct poll_source *source, uint32_t target);
void poll_tell_restart(struct poll_device *device, int64_t uptime_ms);
void poll_maybe_done(struct poll_source *source);

/* ---- poll_standing.c ---- */

/* As soon as nothing is on its way: what stands, and for each device whether it still does. */
void poll_standing_tick(struct poll_source *source);
/* What stands of devices that are not polled any more is over. */
void poll_standing_left(struct poll_source *source);
/* Is what an alarm of ours says still polled? For poll_standing_left(). */
bool poll_is_watched(void *arg, const struct source_standing *alarm);
/* After the first read of a table: its alarms of before that are over. */
void poll_standing_table(struct poll_device *device, const struct poll_table *table,
                         struct poll_batch *batch);
void poll_standing_done(struct poll_source *source);
/* Whose alarms a device's are: the host of the inventory, or the source of its traps. */
bool poll_owner(const struct poll_device *device, char *room, size_t room_bytes);

#define POLL_UNREACHABLE "snmp.unreachable"

#endif
