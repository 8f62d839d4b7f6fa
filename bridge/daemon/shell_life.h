/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHELL_LIFE_H
#define DAEMON_SHELL_LIFE_H

/*
 * The shell's birth and end, for the daemon's main and for tests. On the loop thread.
 *
 * Order: shell_new (store opened, state loaded, inventory and policies handed to the engine), then
 * sources, then the API; back in the reverse order: sources, shell_stop, API, drivers, shell_free.
 */

#include "generation.h"
#include "loop/loop.h"
#include "shell.h"
#include "source/syslog/syslog_listen.h"
#include "source/trap/trap_listen.h"

struct shell_options {
    struct loop *loop;
    struct drivers *drivers;       /* drivers_run() is the shell's. */
    struct generation *generation; /* Taken over, also on failure. */
    bool undone; /* Policies that nobody confirmed in time were put back: apply.h. */
};

int shell_new(const struct shell_options *options, struct shell **ret_shell, struct nsh_error *err);

/* Trap intake, once it runs: its figures become metrics, its silence blindness. NULL: gone. */
void shell_traps_set(struct shell *shell, struct trap_listen *traps);
/* The same for syslog. */
void shell_syslog_set(struct shell *shell, struct syslog_listen *syslog);

/* Open the sources of the configuration; from then on reloads change them. */
void shell_sources_start(struct shell *shell);

/* Read the configuration anew, as SIGHUP asks; the outcome is logged. */
void shell_reload(struct shell *shell);

/*
 * Take no more events and commands, commit what there is, answer whoever waits; done(arg) once all
 * is durable or after at most 5 s of a store that is not well.
 */
void shell_stop(struct shell *shell, void (*done)(void *arg), void *arg);

/* After shell_stop() ended and drivers_stop(): closes the store; runs the loop until its handles
 * are closed. */
void shell_free(struct shell *shell);

const struct generation *shell_generation(const struct shell *shell);
uint64_t shell_next_seq(const struct shell *shell);
/* Calls of sources, which read: nothing of them is in doubt. */
size_t shell_reading_calls(const struct shell *shell);

#endif
