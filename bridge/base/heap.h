/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

/*
 * A binary min-heap of timers, intrusive: embed struct heap_node. Ties break by order, so that
 * equal deadlines fire in a fixed sequence.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t due;
    uint64_t order;
    size_t slot; /* position + 1; 0: not in a heap */
};

struct heap {
    struct heap_node **nodes;
    size_t count, room;
};

int heap_add(struct heap *heap,
             struct heap_node *node); /* 0 or -NSH_NOMEM; node->due and ->order set before. */
void heap_remove(struct heap *heap,
                 struct heap_node *node);              /* Nothing when it is not in the heap. */
struct heap_node *heap_first(const struct heap *heap); /* NULL when empty. */
void heap_done(struct heap *heap);

static inline bool heap_has(const struct heap_node *node)
{
    return node->slot != 0;
}

#endif
