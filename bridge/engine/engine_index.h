/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_INDEX_H
#define ENGINE_INDEX_H

/*
 * Which of a type's policies an event can make a difference to. Severities and equality conditions
 * (event.data.slot == 3, host.role in [...], subject.name == "r12") are taken from the compiled
 * conditions; so an event costs what matches it, not what is written for its type.
 *
 * What it leaves out would have been false, and false changes nothing where the subject has no
 * activation of that policy. What cannot be told (a missing field, another kind of value) is left
 * in: it is evaluated and counted as unknown, as without the index.
 */

#include "engine_private.h"

struct index;

/* Of type->policies; NULL: too few policies, or nothing to tell them apart by. */
struct index *index_new(struct engine *engine, const struct type_state *type);
void index_free(struct index *index);

/* A policy to look at, by its position in type->policies. */
struct index_hit {
    uint32_t position;
    /* Operands of its condition that are true, for cel_eval_rest(); INDEX_TRUE: all of it is. */
    uint64_t known;
};
#define INDEX_TRUE UINT64_MAX

/* What to look at, rising, in scratch; *ret_hits NULL: all of them. */
uint32_t index_find(struct engine *engine, const struct type_state *type, const struct event *event,
                    const struct host_state *host, const struct index_hit **ret_hits);

#endif
