/* SPDX-License-Identifier: Apache-2.0 */
/* Binary min-heap; nodes know their slot, so that removing is logarithmic too. */

#include "base/heap.h"

#include "abi/error.h"
#include "base/assert.h"

#include <stdlib.h>

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(struct heap *heap, size_t at, struct heap_node *node)
{
    heap->nodes[at] = node;
    node->slot = at + 1;
}

static void rise(struct heap *heap, size_t at, struct heap_node *node)
{
    while (at > 0 && before(node, heap->nodes[(at - 1) / 2])) {
        put(heap, at, heap->nodes[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, node);
}

static void sink(struct heap *heap, size_t at, struct heap_node *node)
{
    for (size_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child])) {
            child++;
        }
        if (!before(heap->nodes[child], node)) {
            break;
        }
        put(heap, at, heap->nodes[child]);
        at = child;
    }
    put(heap, at, node);
}

int heap_add(struct heap *heap, struct heap_node *node)
{
    NSH_ASSERT(!heap_has(node));
    if (heap->count == heap->room) {
        size_t room = heap->room == 0 ? 64 : heap->room * 2;
        struct heap_node **grown = realloc(heap->nodes, room * sizeof(struct heap_node *));
        if (grown == NULL) {
            return -NSH_NOMEM;
        }
        heap->nodes = grown;
        heap->room = room;
    }
    rise(heap, heap->count++, node);
    return 0;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->slot == 0) {
        return;
    }
    size_t at = node->slot - 1;
    struct heap_node *last = heap->nodes[--heap->count];
    node->slot = 0;
    if (last == node) {
        return;
    }
    if (before(last, node)) {
        rise(heap, at, last);
    } else {
        sink(heap, at, last);
    }
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

void heap_done(struct heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        heap->nodes[i]->slot = 0;
    }
    free(heap->nodes);
    *heap = (struct heap){0};
}
