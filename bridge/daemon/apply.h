/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_APPLY_H
#define DAEMON_APPLY_H

/*
 * Policies that are applied for a while: the folder gets the new files, the old ones wait in
 * FOLDER/.before until a person confirms. FOLDER/.confirm says what waits; it is written before
 * the first file is touched and goes when the last one is right, so that a crash at any moment ends
 * in the old set or the new one, never in between. Only NAME.policy and NAME.test are touched.
 *
 * Everything here is blocking file work: on a pool thread, or before the loop runs.
 */

#include "abi/error.h"
#include "base/arena.h"

#define APPLY_FILES_MAX 20000
#define APPLY_FILE_BYTES_MAX (1u << 20)
#define APPLY_CONFIRM_MS_MIN 10000
#define APPLY_CONFIRM_MS_MAX (INT64_C(24) * 3600 * 1000)

struct apply_note {
    int64_t until_ms; /* Engine time: then the old set comes back. */
    char actor[128], reason[256];
};

/*
 * Put files (a list of {name, text}) into FOLDER/.apply, to be checked there. whole: they are all
 * there is; otherwise they come to those of the folder. -NSH_INVALID: a name or text that cannot
 * be. -NSH_IO, -NSH_NOMEM.
 */
int apply_stage(const char *folder, const struct nsh_value *files, bool whole,
                struct nsh_error *err);
/* FOLDER/.apply; borrowed from arena. */
const char *apply_staged(const char *folder, struct arena *arena);
/* What is staged becomes what is there; what was there waits. -NSH_BUSY: something waits already.
 */
int apply_begin(const char *folder, const struct apply_note *note, struct nsh_error *err);
/* Keep the new set. */
int apply_keep(const char *folder, struct nsh_error *err);
/* Back to the old set. Does nothing when nothing waits. */
int apply_undo(const char *folder, struct nsh_error *err);
/* True: something waits, and note says what. */
bool apply_waits(const char *folder, struct apply_note *ret_note);
/*
 * At a start: what was interrupted, or waited too long, is undone; *ret_undone says so. What still
 * waits goes on waiting.
 */
int apply_recover(const char *folder, int64_t now_ms, bool *ret_undone, struct nsh_error *err);

/* Appends {"name":..., "text":...} for each file, with commas between. */
int apply_list(const char *folder, struct textbuf *out, struct nsh_error *err);

#endif
