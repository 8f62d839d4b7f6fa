/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_FIGURES_H
#define DAEMON_FIGURES_H

/*
 * Labelled counters and histograms for Prometheus. A series is made when it is first counted;
 * further ones than FIGURES_MAX are left out and counted themselves. One thread.
 */

#include "base/map.h"
#include "base/text.h"

#define FIGURES_MAX 10000

struct figures {
    struct map series; /* name{labels} -> struct figure */
    uint64_t left_out;
};

/* labels as Prometheus writes them: driver="ipmi",verb="power.on". */
void figures_count(struct figures *figures, const char *name, const char *labels);
void figures_observe(struct figures *figures, const char *name, const char *labels, uint64_t us);
/* All series of a name with their HELP and TYPE, also when there are none yet. */
void figures_add(const struct figures *figures, const char *name, const char *help,
                 struct textbuf *out);
void figures_done(struct figures *figures);

#endif
