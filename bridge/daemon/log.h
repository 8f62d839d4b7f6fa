/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

/*
 * The daemon's log: one line for each event of log_events.def, to stderr, as logfmt or JSON; with
 * the journal's <N> in front when it listens. Never a secret. Any thread.
 */

#include "abi/value.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

enum log_event {
#define LOG_EVENT(NAME, id, level, fields) LOG_##NAME,
#include "log_events.def"
#undef LOG_EVENT
    LOG_EVENTS_COUNT
};

struct log_options {
    bool json;
    bool journal; /* stderr is the journal: <N> in front, no time. */
    enum log_level level;
    int fd;
};

/* Before other threads; without it: logfmt, everything, to stderr. */
void log_open(const struct log_options *options);

/* members: the event's fields in the order of its row; asserted. */
void log_write(enum log_event event, const struct nsh_member *members, size_t count);

#define LOG(NAME, ...)                                                                             \
    log_write(LOG_##NAME, (const struct nsh_member[]){__VA_ARGS__},                                \
              sizeof((const struct nsh_member[]){__VA_ARGS__}) / sizeof(struct nsh_member))

/*
 * What would repeat: said at once, then at most once in a while that doubles from 10 s to 1 h,
 * with what was left out counted. One object for each cause; one thread.
 */
struct complaint {
    int64_t next_ms, pause_ms;
    uint64_t suppressed;
};

/* True: say it now. */
bool complain(struct complaint *complaint, enum log_event event, int64_t now_ms);
void complaint_over(struct complaint *complaint); /* The cause is gone: the next one is news. */

/* The line without its end, for tests: appended to out. */
struct textbuf;
void log_format(const struct log_options *options, enum log_event event,
                const struct nsh_member *members, size_t count, int64_t unix_ms,
                struct textbuf *out);

#endif
