/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting: stable, in n log n comparisons, each of which takes a step. */

#include "cel/cel_private.h"

struct pair {
    struct cel_value key, item;
};

static bool have_order(const struct cel_value *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i].kind != keys[0].kind || cel_compare(&keys[0], &keys[i]) == 3) {
            return false;
        }
    }
    return true;
}

static void merge(const struct pair *from, struct pair *to, uint32_t low, uint32_t middle,
                  uint32_t high)
{
    uint32_t a = low, b = middle;
    for (uint32_t i = low; i < high; i++) {
        bool left = a < middle && (b >= high || cel_compare(&from[a].key, &from[b].key) <= 0);
        to[i] = left ? from[a++] : from[b++];
    }
}

void cel_sort(struct cel_run *run, const struct cel_code *code, struct cel_value *items,
              struct cel_value *keys, uint32_t count, struct cel_value *out)
{
    if (!have_order(keys, count)) {
        cel_error(run, code, out, "only values of one type that has an order can be sorted");
        return;
    }
    struct pair *from = cel_room(run, count * sizeof *from, out);
    struct pair *to = from == NULL ? NULL : cel_room(run, count * sizeof *to, out);
    if (to == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        from[i] = (struct pair){keys[i], items[i]};
    }
    for (uint32_t width = 1; width < count; width *= 2) {
        if (!cel_spend(run, count / 8, out)) {
            return;
        }
        for (uint32_t low = 0; low < count; low += 2 * width) {
            uint32_t middle = low + width < count ? low + width : count;
            uint32_t high = low + 2 * width < count ? low + 2 * width : count;
            merge(from, to, low, middle, high);
        }
        struct pair *other = from;
        from = to;
        to = other;
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i] = from[i].item;
    }
}
