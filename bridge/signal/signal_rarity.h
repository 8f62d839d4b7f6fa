/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNAL_SIGNAL_RARITY_H
#define SIGNAL_SIGNAL_RARITY_H

#include "signal.h"

/* Decades: -log10 of the part of all distances before that were at least so far. 0 for a distance
 * of 0. */
double signal_rarity_put(struct signal_rarity *rarity, float distance);
void signal_rarity_put_zeros(struct signal_rarity *rarity, uint32_t times);
/* The distance that one in `one_in` exceeds; 0 when nothing was ever away. */
double signal_rarity_radius(const struct signal_rarity *rarity, double one_in);

#endif
