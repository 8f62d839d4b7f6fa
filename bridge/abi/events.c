/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a call brings along. */

#include "abi/events.h"

#include "abi/json_value.h"

void nsh_events_tell(struct nsh_services *services, const struct nsh_op *op,
                     const struct nsh_value *answer)
{
    size_t count = nsh_at_count(answer, "events");
    if (count > NSH_EVENTS_MAX) {
        services->trace(services, op, "%zu events in one answer: the first %d are taken", count,
                        NSH_EVENTS_MAX);
        count = NSH_EVENTS_MAX;
    }
    for (unsigned i = 0; i < count; i++) {
        services->event(services, op, nsh_at_item(answer, "events", i), i);
    }
}
