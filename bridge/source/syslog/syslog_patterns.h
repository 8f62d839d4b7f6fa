/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SYSLOG_SYSLOG_PATTERNS_H
#define SOURCE_SYSLOG_SYSLOG_PATTERNS_H

/*
 * Which lines of a log mean something, and what: a folder of NAME.patterns files (libconfig text,
 * see etc/syslog/README.md), read once. Files are read in the order of their names and the first
 * row that matches wins, so that a site's own 00-site.patterns overrides what is shipped.
 *
 * Every row brings lines it must match as examples. They are tried when the file is read: a row
 * that another one hides, or that no longer matches what it was written for, is a mistake.
 */

#include "syslog.h"

#include "base/diag.h"
#include "cel/cel_pattern.h"
#include "model/event.h"

#define SYSLOG_ROWS_MAX 4096
#define SYSLOG_FILES_MAX 256
#define SYSLOG_EXAMPLES_MAX 16 /* Of a row. */

struct syslog_row {
    struct syslog_row *next;
    struct nsh_place at;
    struct text name;
    struct text program; /* A glob; empty: any. */
    const struct cel_pattern *match;
    struct text type;
    enum severity severity;
    enum event_state state;
    struct text resource, qualifier, message; /* Templates; see syslog_expand(). */
};

struct syslog_patterns {
    struct arena arena;
    struct syslog_row *first, *last;
    size_t count;
};

/* NSH_INVALID: diags has the mistakes; NSH_IO: the folder cannot be read; NSH_NOMEM. */
int syslog_patterns_read(const char *folder, struct diags *diags,
                         struct syslog_patterns **ret_patterns, struct nsh_error *err);
void syslog_patterns_free(struct syslog_patterns *patterns);

/* The first row for message; scratch is used and not reset. NULL: none. */
const struct syslog_row *syslog_patterns_find(const struct syslog_patterns *patterns,
                                              struct text program, struct text message,
                                              struct arena *scratch,
                                              struct text ret_groups[CEL_PATTERN_GROUPS_MAX]);

/* Whether every ${...} of the template is a group below groups_count, or program, host, pid. */
bool syslog_template_good(struct text text, uint32_t groups_count);

/* ---- messages to events ---- */

struct syslog_mapper {
    const struct syslog_patterns *patterns; /* Borrowed; NULL: nothing matches. */
    int unmatched_severity; /* Unmatched messages this severe become events; -1: none do. */
    struct arena arena;     /* What the last event borrows from. All zero at first. */
};

struct syslog_origin {
    struct text address; /* Who sent it to us. */
    bool relay;          /* It passes on the messages of others: their host names are believed. */
    int64_t received_ms;
};

/*
 * True: ret_event, which borrows from mapper and message until the next call. False: it means
 * nothing to anyone here.
 */
bool syslog_map(struct syslog_mapper *mapper, const struct syslog_message *message,
                const struct syslog_origin *origin, struct event *ret_event);
void syslog_mapper_done(struct syslog_mapper *mapper);

#endif
