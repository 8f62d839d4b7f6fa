/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SYSLOG_SYSLOG_LISTEN_H
#define SOURCE_SYSLOG_SYSLOG_LISTEN_H

/*
 * Syslog over UDP, TCP and TLS (RFC 5425), on a thread of its own: patterns are tried there, only
 * what they know reaches the intake. What the daemon cannot take yet waits in an event pool:
 * streams are not read on while a quarter of it is full (the sender holds back), of datagrams the
 * lowest severities are dropped first, counted. Syslog has no acknowledgement, not over TCP either:
 * what was read and is not durable is lost in a crash.
 */

#include "syslog_patterns.h"

#include "loop/intake.h"

#define SYSLOG_LISTEN_MAX 16

struct syslog_options {
    const char *patterns;      /* Folder of *.patterns. */
    const char *const *listen; /* "udp:0.0.0.0:514", "tcp:...", "tls:0.0.0.0:6514" */
    size_t listen_count;
    const char *const *sources; /* Networks that may send; none: loopback alone. */
    size_t sources_count;
    const char *const *relays; /* Networks whose senders pass on messages of others. */
    size_t relays_count;
    int unmatched_severity;         /* Unmatched messages this severe become events; -1: none do. */
    const char *tls_cert, *tls_key; /* For tls: listeners. */
    const char
        *tls_clients; /* CA (PEM) that signed every sender's certificate; NULL: any sender. */
};

struct syslog_figures {
#define SYSLOG_COUNTER(name, help) uint64_t name;
#include "syslog_counters.def"
#undef SYSLOG_COUNTER
    uint64_t connections_open;
};

/* Events that were dropped because too many waited, of any severity. */
static inline uint64_t syslog_drops(const struct syslog_figures *figures)
{
    return figures->dropped_info + figures->dropped_warning + figures->dropped_minor +
           figures->dropped_major + figures->dropped_critical + figures->dropped_fatal;
}

struct syslog_listen;

/*
 * Open everything and start the thread. options is not kept, its texts neither.
 *
 * NSH_INVALID  an address, network, certificate or pattern is wrong
 * NSH_IO       a socket cannot be bound
 */
int syslog_listen_new(struct intake *intake, const struct syslog_options *options,
                      struct syslog_listen **ret_listen, struct nsh_error *err);

/* Stop, hand over what was received, free. Waits for the thread. */
void syslog_listen_free(struct syslog_listen *listen);

/* From now on these patterns; listen owns them. */
void syslog_listen_patterns(struct syslog_listen *listen, struct syslog_patterns *patterns);

void syslog_listen_figures(struct syslog_listen *listen, struct syslog_figures *ret_figures);

/* The port of listener index, for listening on port 0. */
unsigned syslog_listen_port(const struct syslog_listen *listen, unsigned index);

/* What options would be refused for, without opening anything: for checks of configuration. */
int syslog_options_check(const struct syslog_options *options, struct nsh_error *err);

#endif
