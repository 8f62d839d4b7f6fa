/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIB_MIB_ROWS_H
#define MIB_MIB_ROWS_H

#include "mib.h"

/* Append "{ oid = ...; }", on one line. The variable must have an identifier. */
void mib_variable_row(const struct mib_variable *variable, struct textbuf *out);
void mib_trap_row(const struct mib_trap *trap, struct textbuf *out);

#endif
