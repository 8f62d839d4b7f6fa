/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SYSTEMD_H
#define DAEMON_SYSTEMD_H

/* The service manager's protocols, by hand: notifications, handed-over sockets, the journal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSTEMD_SOCKETS_MAX 16

struct systemd_sockets {
    int datagrams[SYSTEMD_SOCKETS_MAX]; /* UDP: traps. */
    size_t datagrams_count;
    int stream; /* Unix stream: the API; or -1. */
};

/* Take LISTEN_FDS, once, before threads; they get close-on-exec and the variables are removed. */
void systemd_sockets_take(struct systemd_sockets *ret_sockets);

/* "READY=1"; nothing happens without NOTIFY_SOCKET. */
void systemd_notify(const char *state);

/* Half of WatchdogSec in ms; 0: no watchdog. */
uint64_t systemd_watchdog_ms(void);

/* stderr is connected to the journal. */
bool systemd_journal(void);

#endif
