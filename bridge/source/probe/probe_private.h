/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_PROBE_PROBE_PRIVATE_H
#define SOURCE_PROBE_PROBE_PRIVATE_H

/* The parts of the source: the group and its rounds (probe_source.c), its keys (probe_options.c),
 * attempts over streams (probe_stream.c), over TLS (probe_tls.c), echo requests (probe_ping.c),
 * ports of switches (probe_port.c), what is told (probe_tell.c). */

#include "probe.h"

#include "model/host.h"
#include "source/map/source_over.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"
#include "source/snmp/poll_link.h"

#define PROBE_FLIGHT_MAX 512 /* Attempts at once; more wait for their turn. */
#define PROBE_TICK_MS 50
#define PROBE_REPLY_BYTES_MAX 512
#define PROBE_BODY_BYTES_MAX 65536 /* Of an answer whose body is looked at. */
#define PROBE_TLS_BYTES_MAX 16384

enum probe_kind {
    PROBE_PING,
    PROBE_TCP,
    PROBE_SSH,
    PROBE_HTTP,
    PROBE_HTTPS,
    PROBE_PORT,
    PROBE_KINDS_COUNT,
};

struct probe_kind_row {
    const char *word, *event; /* event: the preset. */
    uint16_t port;
};
extern const struct probe_kind_row probe_kinds[PROBE_KINDS_COUNT];

struct probe_source;
struct probe_switches;
struct probe_tls;

/* One attempt. Stream attempts are handles of their own; echo requests wait in a slot. */
struct probe_attempt {
    struct probe_source *source;
    uint32_t target;
    bool used, over;
    uint32_t handles;    /* Open ones: tcp and timer. */
    int64_t deadline_ms; /* Of an echo request, by the loop's clock. */
    uint64_t begun_ns;
    uint16_t sequence;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    char *reply; /* Of streams. */
    size_t reply_bytes, reply_room;
    struct probe_tls *tls; /* Of https, once connected. */
};

struct probe_source {
    const struct source_services *services;
    const struct source_config *config;
    enum probe_kind kind;
    const char *at, *path, *event, *hosts;
    const char *status, *body, *server_name; /* "": none */
    int64_t expires_ms;                      /* 0: an end of certificates is not told. */
    uint16_t port;
    int64_t every_ms, timeout_ms;
    struct probe_group group;
    struct arena arena; /* Of the targets. */
    struct map by_host; /* Targets. */
    uint64_t revision;  /* Of the inventory that they are of. */
    struct source_over over;
    bool partial;     /* There was no memory for all targets. */
    int64_t round_ms; /* Begin of this round, by the loop's clock. */
    uint32_t next;    /* Target of this round. */
    struct probe_attempt *attempts;
    uint32_t flying, telling;
    uv_timer_t tick;
    int echo_fd[2];   /* IPv4, IPv6; -1: none. */
    bool echo_raw[2]; /* With identifier, checksum and, in answers of IPv4, its header. */
    uv_poll_t echo_polls[2];
    void *tls_context; /* SSL_CTX of https. */
    char *tls_bytes;   /* What has just been read, encrypted. */
    struct probe_switches *switches;
    uint32_t handles; /* Of the source itself. */
    uint16_t sequence;
    char failed[200]; /* Why nothing can be probed, or "". */
    bool closing;
    void (*done)(void *arg);
    void *arg;
};

/* ---- probe_source.c, probe_options.c ---- */

enum probe_kind probe_kind_of(const struct source_config *config);
int probe_open(const struct source_services *services, const struct source_config *config,
               void **ret_source, struct nsh_error *err);
void probe_close(void *arg, void (*done)(void *arg), void *done_arg);
void probe_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks);
/* The attempt is over: why is NULL for an answer; reached: something there said no. */
void probe_attempt_end(struct probe_attempt *attempt, const char *why, bool reached);
/* Nothing of it is left. */
void probe_attempt_free(struct probe_attempt *attempt);
void probe_maybe_done(struct probe_source *source);

/* ---- probe_stream.c ---- */

void probe_stream_start(struct probe_attempt *attempt);
void probe_stream_stop(struct probe_attempt *attempt);
/* As probe_attempt_end(), once, and closes its handles. */
void probe_stream_end(struct probe_attempt *attempt, const char *why, bool reached);
/* Bytes of the answer are in reply; ended: no more come. */
void probe_stream_judge(struct probe_attempt *attempt, bool ended);
/* The request of http and https; its length. */
int probe_stream_request(const struct probe_attempt *attempt, char *room, size_t room_bytes);

/* ---- probe_tls.c ---- */

int probe_tls_open(struct probe_source *source, struct nsh_error *err);
void probe_tls_close(struct probe_source *source);
void probe_tls_start(struct probe_attempt *attempt);                  /* It is connected. */
void probe_tls_received(struct probe_attempt *attempt, size_t count); /* Bytes in tls_bytes. */
void probe_tls_free(struct probe_attempt *attempt);

/* ---- probe_ping.c ---- */

/* 0, or why no echo request can be sent. */
int probe_ping_open(struct probe_source *source, struct nsh_error *err);
void probe_ping_start(struct probe_attempt *attempt);
void probe_ping_deadlines(struct probe_source *source);
void probe_ping_close(struct probe_source *source);

/* ---- probe_port.c ---- */

int probe_port_open(struct probe_source *source, struct nsh_error *err);
/* The hosts that hang on ports, by name, for probe_port_of(): its first port; at NULL: none. False:
 * no memory. */
bool probe_port_hosts(const struct inventory *inventory, struct map *ret_first);
struct text probe_port_of(const struct map *first, const struct host *host);
/* The switches of the hosts that are looked at, after these were built. */
void probe_port_build(struct probe_source *source, const struct inventory *inventory);
void probe_port_tick(struct probe_source *source, int64_t now_ms);
void probe_port_stop(struct probe_source *source);
void probe_port_done(struct probe_source *source);
void probe_port_doctor(const struct probe_source *source, struct nsh_checks *checks);

/* ---- probe_tell.c ---- */

#define PROBE_EXPIRING "certificate.expiring"

/* Is what an alarm of ours says still looked at? */
bool probe_is_watched(void *arg, const struct source_standing *alarm);
void probe_tell_isolated(struct probe_source *source);
/* Tell what is to be told of one target, and of the isolation. */
void probe_tell(struct probe_source *source, uint32_t index);
/* Samples of an attempt: up, seconds (negative: none), and how long its certificate lasts. */
void probe_samples(struct probe_source *source, uint32_t index, bool up, double seconds);

#endif
