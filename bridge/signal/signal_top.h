/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNAL_SIGNAL_TOP_H
#define SIGNAL_SIGNAL_TOP_H

#include "signal.h"

void signal_top_put(struct signal_top *top, double value);
double signal_top_p95(const struct signal_top *top); /* Of one value at least. */

#endif
