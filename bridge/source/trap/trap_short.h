/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_SHORT_H
#define SOURCE_TRAP_TRAP_SHORT_H

/*
 * Varbinds in the form that nearly all have: lengths of one byte, identifiers below 1.x or 0.x with
 * arcs of up to 28 bits, numbers that are not padded. They are read here at a fifth of net-snmp's
 * price; whatever differs in any way is net-snmp's to judge. Wherever this reads, it reads the same
 * (tests/fuzz/fuzz_trap.c compares).
 */

#include "trap.h"

/* The varbind at bytes; its arcs go to trap->arcs. Returns the bytes it takes, or 0: not of that
 * form, nothing changed but *ret_varbind. */
size_t trap_short_varbind(struct trap *trap, const uint8_t *bytes, size_t bytes_count,
                          struct trap_varbind *ret_varbind);

#endif
