/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_PROBE_PROBE_PRIVATE_H
#define SOURCE_PROBE_PROBE_PRIVATE_H

/* The parts of the source: the group and its rounds (probe_source.c), attempts over streams
 * (probe_stream.c), echo requests (probe_ping.c), what is told (probe_tell.c). */

#include "probe.h"

#include "model/host.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"

#define PROBE_FLIGHT_MAX 512 /* Attempts at once; more wait for their turn. */
#define PROBE_TICK_MS 50
#define PROBE_REPLY_BYTES_MAX 512

enum probe_kind { PROBE_PING, PROBE_TCP, PROBE_SSH, PROBE_HTTP };

struct probe_source;

/* One attempt. Stream attempts are handles of their own; echo requests wait in a slot. */
struct probe_attempt {
    struct probe_source *source;
    uint32_t target;
    bool used, over;
    uint32_t handles;    /* Open ones: tcp and timer. */
    int64_t deadline_ms; /* Of an echo request, by the loop's clock. */
    uint16_t sequence;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    char reply[PROBE_REPLY_BYTES_MAX];
    size_t reply_bytes;
};

struct probe_source {
    const struct source_services *services;
    const struct source_config *config;
    enum probe_kind kind;
    const char *at, *path, *event, *hosts;
    uint16_t port;
    int64_t every_ms, timeout_ms;
    struct probe_group group;
    struct arena arena; /* Of the targets. */
    struct map by_host; /* Targets. */
    uint64_t revision;  /* Of the inventory that they are of. */
    int64_t round_ms;   /* Begin of this round, by the loop's clock. */
    uint32_t next;      /* Target of this round. */
    struct probe_attempt *attempts;
    uint32_t flying, telling;
    uv_timer_t tick;
    int echo_fd[2];   /* IPv4, IPv6; -1: none. */
    bool echo_raw[2]; /* With identifier, checksum and, in answers of IPv4, its header. */
    uv_poll_t echo_polls[2];
    uint32_t handles; /* Of the source itself. */
    uint16_t sequence;
    char failed[200]; /* Why nothing can be probed, or "". */
    bool closing;
    void (*done)(void *arg);
    void *arg;
};

/* The attempt is over: why is NULL for an answer; reached: something there said no. */
void probe_attempt_end(struct probe_attempt *attempt, const char *why, bool reached);
/* Nothing of it is left. */
void probe_attempt_free(struct probe_attempt *attempt);
void probe_stream_start(struct probe_attempt *attempt);
void probe_stream_stop(struct probe_attempt *attempt);
/* 0, or why no echo request can be sent. */
int probe_ping_open(struct probe_source *source, struct nsh_error *err);
void probe_ping_start(struct probe_attempt *attempt);
void probe_ping_deadlines(struct probe_source *source);
void probe_ping_close(struct probe_source *source);
/* Tell what is to be told of one target, and of the isolation. */
void probe_tell(struct probe_source *source, uint32_t index);
void probe_maybe_done(struct probe_source *source);

#endif
