/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_FAULT_H
#define SIM_SIM_FAULT_H

/* What the files of faults share: each kind's begin and end, by the words of faults.def. */

#include "sim/sim_private.h"

#define FAULT_TELL_MS 1500 /* So long at most until trouble is told. */

typedef void fault_function(struct sim_world *world, const struct sim_fault *fault, int argument);
#define FAULT(NAME, name, begin, end, argument, minutes, what, rule)                               \
    fault_function fault_##begin, fault_##end;
#include "faults.def"
#undef FAULT

struct sim_host *fault_whose(struct sim_world *world, const struct sim_fault *fault);
/* The fault's own chance: the same for a salt whenever it is asked. */
uint64_t fault_random(const struct sim_fault *fault, uint64_t salt, uint64_t below);
struct sim_break fault_break_of(const struct sim_fault *fault, enum sim_cure cure);

#endif
