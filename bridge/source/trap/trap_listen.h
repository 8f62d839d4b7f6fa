/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_LISTEN_H
#define SOURCE_TRAP_TRAP_LISTEN_H

/*
 * The daemon's end of trap intake: opens the sockets, keeps the receivers (nightshift-trap)
 * running, pushes what they hand over into the intake, and tells them what is durable. On the loop
 * thread only.
 *
 * The sockets belong to the daemon and outlive a receiver: what arrives while one restarts waits in
 * the kernel.
 */

#include "trap_pipe.h"

#include "loop/intake.h"

#include <uv.h>

#define TRAP_RECEIVERS_MAX 16

struct trap_options {
    const char *receiver;      /* Path of nightshift-trap. */
    const char *tables;        /* Folder of *.traps. */
    const char *const *listen; /* "udp:0.0.0.0:162"; see trap_listen_parse() */
    size_t listen_count;
    const int
        *fds; /* Bound UDP sockets from socket activation; used by the first receiver as well. */
    size_t fds_count;
    unsigned receivers;         /* Processes on the same ports (SO_REUSEPORT); 0: 1 */
    const char *const *sources; /* Networks that may send v1 and v2c; none: loopback */
    size_t sources_count;
    const char *const *communities; /* None: any */
    size_t communities_count;
    const struct trap_user *users; /* With the secrets themselves, not their references. */
    size_t users_count;
    struct trap_engine engine; /* id_bytes 0: made from the machine id; boots 0: from the clock;
                                  start_s is not read. */
    /* Called on the loop thread with what a person should know: a receiver that ended, a table that
     * is wrong. */
    void (*log)(void *arg, bool error, const char *text);
    void *log_arg;
};

struct trap_listen;

struct trap_figures {
    struct trap_counters counters;       /* Over all receivers and their restarts. */
    uint64_t restarts, batches, refused; /* refused: the intake was full, the batch waited */
    unsigned receivers, ready;
};

/*
 * Open the sockets and start the receivers. options is not kept, its texts neither.
 *
 * NSH_INVALID  an address, source or user is wrong (users: as a receiver would say)
 * NSH_IO       a socket cannot be bound, the program cannot be started
 */
int trap_listen_new(uv_loop_t *loop, struct intake *intake, const struct trap_options *options,
                    struct trap_listen **ret_listen, struct nsh_error *err);

/* Stop and free; done(arg) once all is closed and every batch is answered by the intake. */
void trap_listen_stop(struct trap_listen *listen, void (*done)(void *arg), void *arg);

/* Read the tables anew: receivers are replaced one after the other, no datagram is lost. */
void trap_listen_reload(struct trap_listen *listen);

void trap_listen_figures(const struct trap_listen *listen, struct trap_figures *ret_figures);

/* The port of socket index, for listening on port 0; 0: no such socket. */
unsigned trap_listen_port(const struct trap_listen *listen, unsigned index);

/* The process id of receiver number, for tests; 0: not running. */
int trap_listen_pid(const struct trap_listen *listen, unsigned number);

#endif
