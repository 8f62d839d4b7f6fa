/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

/*
 * Diagnostics: all mistakes of a file at once, each as file:line:column, the line, a caret, what
 * was wanted, what was got, and a remedy. Used by configuration, inventory, trap tables and
 * policies.
 */

#include "abi/error.h"
#include "base/arena.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

#define DIAG_COUNT_MAX 20 /* Per file; further ones are counted, not kept. */

struct diag {
    enum diag_level level;
    struct nsh_place at;
    const char *text;
    const char *remedy; /* "did you mean 'limits'?", or NULL */
};

struct diags {
    struct arena arena;
    struct diag *items;
    size_t count, room;
    size_t errors_count, warnings_count; /* All, also those not kept. */
    bool last_dropped;                   /* The last one was not kept: its notes are not either. */
};

void diag_add(struct diags *diags, enum diag_level level, struct nsh_place at, const char *remedy,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * Print all to out in the form
 *     FILE:LINE:COL: error: TEXT
 *        15 |   limits = { once_witin = "6h"; };
 *           |              ^~~~~~~~~~
 *           = did you mean 'once_within'?
 * Source lines are read from the file (or from source when given, for texts that are no file).
 */
void diags_print(const struct diags *diags, const char *source, bool color, struct textbuf *out);
void diags_done(struct diags *diags);

#endif
