/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_TRACE_H
#define SIM_SIM_TRACE_H

/*
 * Traces of faults that happened, one JSON object a line:
 *     {"t_days": 11.8, "node": "n17", "event": "fault_start", "class": "GPU", "desc": "GPU Lost"}
 *     {"t_days": 12.4, "node": "n17", "event": "fault_end",   "class": "GPU", "desc": "GPU Lost"}
 * `level`, `type`, `severity` and `heals` (of a hundred power-cycles so many heal it) may be said.
 * Without them symptoms.def knows what the words mean.
 */

#include "base/diag.h"
#include "sim/sim.h"

#include <stdio.h>

#define SIM_TRACE_FAULTS_MAX 200000
#define SIM_TRACE_NODES_MAX 100000
#define SIM_TRACE_LINE_BYTES_MAX (64 * 1024)
#define SIM_TRACE_DAYS_MAX 36500

struct sim_traced {
    const char *node, *class_, *desc;
    double from_days, to_days;
    struct sim_symptom symptom;
    bool open; /* No end yet. */
    uint32_t line;
};

struct sim_trace {
    struct arena arena;
    struct sim_traced *items;
    size_t items_count, items_room;
    struct map nodes; /* name -> its place in order + 1 */
    struct map open;  /* node, class, desc -> place in items + 1 */
    uint64_t lines, repeated, endless, beginless;
    double last_days;
};

/* Every line that is wrong is told with its place; then -NSH_INVALID. ret is sim_trace_done()'s. */
int sim_trace_read(FILE *file, const char *name, struct sim_trace *ret, struct diags *diags);
void sim_trace_done(struct sim_trace *trace);

/* The nodes of the trace as an inventory's text: racks of eight, all bindings. */
void sim_trace_inventory(const struct sim_trace *trace, struct textbuf *out);

/* The faults of it on the hosts of inventory; free() them. -NSH_INVALID: a node is not in it. */
int sim_trace_faults(const struct sim_trace *trace, const struct inventory *inventory,
                     const char *name, struct sim_fault **ret_faults, struct diags *diags);

#endif
