/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_EVENTS_H
#define NSH_EVENTS_H

/* Events that a call brings along: "events": [{"type", "host", "severity", "data": {}}]. */

#include "abi/driver.h"

#define NSH_EVENTS_MAX 16 /* Of one answer; more are left out, and the run's evidence says so. */

/* Tell of each in the list `events` of answer; none when it has no such list. */
void nsh_events_tell(struct nsh_services *services, const struct nsh_op *op,
                     const struct nsh_value *answer);

#endif
