/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHELL_SERIES_H
#define DAEMON_SHELL_SERIES_H

/*
 * The series that signals watch, in the daemon: samples come from any thread, turns leave through
 * the intake like all events, states go to a file.
 *
 * Why a file beside the store (STORE.series), and not the store: 100,000 baselines are 70 MB that
 * change all the time, and none of it is worth a place in the audit trail or in the way of an
 * event's commit. It is written anew every SHELL_SERIES_SAVE_MS and at the stop, under another name
 * that is then renamed; a crash forgets what was learned since. What is raised is not taken from
 * it but from the store's alarms.
 */

#include "series/series.h"
#include "shell.h"

#define SHELL_SERIES_SAVE_MS (INT64_C(300) * 1000)

enum shell_series_door {
#define SERIES_DOOR(NAME, word, help) SHELL_SERIES_##NAME,
#include "series_doors.def"
#undef SERIES_DOOR
    SHELL_SERIES_DOORS_COUNT
};

/* A body of samples. */
struct shell_series_put {
    enum shell_series_door door;
    /*
     * Reads the body: all samples go to sink, or none and an error. The table is locked from the
     * first sample on.
     */
    int (*decode)(void *arg, const struct sample_sink *sink, struct nsh_error *err);
    /* On the loop thread, once, after the turns of these samples are durable; false: they are not.
     * NULL: nobody waits, arena is not needed. */
    void (*done)(void *arg, bool durable);
    void *arg;
    struct arena *arena; /* Lives until done. */
};

/*
 * 1: taken, done() follows; 0: taken, nothing turned, done() does not follow.
 *
 * -NSH_LIMIT, -NSH_IO, -NSH_CANCELLED: the daemon cannot take events now. Samples may have been
 * taken; what they turned is told later, and a repeat of them does no harm. Others are decode's,
 * and nothing was taken.
 *
 * Any thread.
 */
int shell_series_put(struct shell *shell, const struct shell_series_put *put,
                     struct nsh_error *err);

/* The members of the lists /v1/signals and /v1/signals/NAME. Any thread. */
void shell_series_list(struct shell *shell, struct textbuf *out);
/* False: there is no such signal. */
bool shell_series_show(struct shell *shell, const struct series_filter *filter,
                       struct textbuf *out);
void shell_series_metrics(struct shell *shell, struct textbuf *out);

/* ---- the shell's, on the loop thread ---- */

int shell_series_open(struct shell *shell, struct nsh_error *err);
void shell_series_reload(struct shell *shell); /* The generation has other signals. */
void shell_series_second(struct shell *shell);
void shell_series_close(struct shell *shell); /* Saves. Nobody puts any more. */

#endif
