/* SPDX-License-Identifier: Apache-2.0 */
/* The extensions of lists and sets. */

#include "cel/cel_private.h"

#define FLATTEN_DEPTH_MAX 64

CEL_IMPL(cel_list_range)
{
    int64_t count = args[0].integer;
    if (count < 0 || count > CEL_STEPS_MAX) {
        cel_error(run, code, out, "lists.range() takes 0 to %d", CEL_STEPS_MAX);
        return;
    }
    struct cel_value *items = cel_make_list(run, (uint32_t)count, out);
    for (int64_t i = 0; items != NULL && i < count; i++) {
        items[i] = cel_of_int(i);
    }
}

CEL_IMPL(cel_list_reverse)
{
    uint32_t count = args[0].count;
    struct cel_value *items = cel_make_list(run, count, out);
    for (uint32_t i = 0; items != NULL && i < count; i++) {
        cel_list_at(run, &args[0], count - 1 - i, &items[i]);
    }
}

CEL_IMPL(cel_list_slice)
{
    int64_t from = args[1].integer, to = args[2].integer;
    if (from < 0 || to < from || to > args[0].count) {
        cel_error(run, code, out, "slice(%lld, %lld) does not lie in a list of %u items",
                  (long long)from, (long long)to, args[0].count);
        return;
    }
    struct cel_value *items = cel_make_list(run, (uint32_t)(to - from), out);
    for (int64_t i = from; items != NULL && i < to; i++) {
        cel_list_at(run, &args[0], (uint32_t)i, &items[i - from]);
    }
}

/* Count the items (items NULL) or put them down. */
static uint32_t flatten(struct cel_run *run, const struct cel_value *list, int64_t depth,
                        struct cel_value *items)
{
    uint32_t count = 0;
    struct cel_value ignored;
    for (uint32_t i = 0; i < list->count && cel_spend(run, 1, &ignored); i++) {
        struct cel_value item;
        cel_list_at(run, list, i, &item);
        if (item.kind == CEL_LIST && depth > 0) {
            count += flatten(run, &item, depth - 1, items == NULL ? NULL : items + count);
        } else {
            if (items != NULL) {
                items[count] = item;
            }
            count++;
        }
    }
    return count;
}

CEL_IMPL(cel_list_flatten)
{
    int64_t depth = code->count > 1 ? args[1].integer : 1;
    if (depth < 0) {
        cel_error(run, code, out, "flatten() takes a level of 0 or more");
        return;
    }
    depth = depth > FLATTEN_DEPTH_MAX ? FLATTEN_DEPTH_MAX : depth;
    struct cel_value *items = cel_make_list(run, flatten(run, &args[0], depth, NULL), out);
    if (items != NULL) {
        flatten(run, &args[0], depth, items);
    }
}

CEL_IMPL(cel_list_sort)
{
    struct cel_value *items = cel_make_list(run, args[0].count, out);
    for (uint32_t i = 0; items != NULL && i < args[0].count; i++) {
        cel_list_at(run, &args[0], i, &items[i]);
    }
    if (items != NULL) {
        cel_sort(run, code, items, items, args[0].count, out);
    }
}

static bool has(struct cel_run *run, const struct cel_value *items, uint32_t count,
                const struct cel_value *item)
{
    for (uint32_t i = 0; i < count && run->stop == 0; i++) {
        if (cel_equal(run, &items[i], item)) {
            return true;
        }
    }
    return false;
}

CEL_IMPL(cel_list_distinct)
{
    struct cel_value list;
    struct cel_value *items = cel_make_list(run, args[0].count, &list);
    uint32_t count = 0;
    for (uint32_t i = 0; items != NULL && i < args[0].count; i++) {
        cel_list_at(run, &args[0], i, &items[count]);
        if (!cel_spend(run, 1 + count / 8, out)) {
            return;
        }
        count += !has(run, items, count, &items[count]);
    }
    list.count = items == NULL ? list.count : count;
    *out = list;
}

static void end_of(struct cel_run *run, const struct cel_value *list, bool last,
                   struct cel_value *out)
{
    struct cel_value item;
    if (list->count > 0) {
        cel_list_at(run, list, last ? list->count - 1 : 0, &item);
    }
    cel_make_optional(run, list->count > 0 ? &item : NULL, out);
}

CEL_IMPL(cel_list_first)
{
    end_of(run, &args[0], false, out);
}

CEL_IMPL(cel_list_last)
{
    end_of(run, &args[0], true, out);
}

static cel_impl_fn *adder_of(uint8_t kind)
{
    return kind == CEL_INT        ? cel_add_int
           : kind == CEL_UINT     ? cel_add_uint
           : kind == CEL_DOUBLE   ? cel_add_double
           : kind == CEL_DURATION ? cel_add_time
                                  : NULL;
}

/* The sum of no items is the int 0. */
CEL_IMPL(cel_list_sum)
{
    struct cel_value pair[2] = {cel_of_int(0)};
    for (uint32_t i = 0; i < args[0].count; i++) {
        cel_list_at(run, &args[0], i, &pair[i == 0 ? 0 : 1]);
        cel_impl_fn *add = adder_of(pair[0].kind);
        if (add == NULL || (i > 0 && pair[1].kind != pair[0].kind) || !cel_spend(run, 1, out)) {
            cel_error(run, code, out, "sum() takes numbers of one type or durations");
            return;
        }
        if (i > 0) {
            add(run, code, pair, out);
            pair[0] = *out;
        }
        if (pair[0].kind == CEL_ERROR) {
            return;
        }
    }
    *out = pair[0];
}

static void extreme(struct cel_run *run, const struct cel_code *code, const struct cel_value *list,
                    int sign, struct cel_value *out)
{
    struct cel_value best = {.kind = CEL_NULL}, item;
    if (list->count == 0) {
        cel_error(run, code, out, "%s() of an empty list", code->ast->name.at);
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        cel_list_at(run, list, i, &item);
        int order = i == 0 ? cel_compare(&item, &item) : cel_compare(&item, &best);
        if (order == 3 || !cel_spend(run, 1, out)) {
            cel_error(run, code, out, "only values that have an order have a least and a greatest");
            return;
        }
        best = i == 0 || order == sign ? item : best;
    }
    *out = best;
}

CEL_IMPL(cel_list_min)
{
    extreme(run, code, &args[0], -1, out);
}

CEL_IMPL(cel_list_max)
{
    extreme(run, code, &args[0], 1, out);
}

CEL_IMPL(cel_list_is_sorted)
{
    struct cel_value before = {.kind = CEL_NULL}, item;
    for (uint32_t i = 0; i < args[0].count; i++) {
        cel_list_at(run, &args[0], i, &item);
        int order = i == 0 ? cel_compare(&item, &item) : cel_compare(&before, &item);
        if (order == 3) {
            cel_error(run, code, out, "only values that have an order can be sorted");
            return;
        }
        if (!cel_spend(run, 1, out)) {
            return;
        }
        if (i > 0 && order != -1 && order != 0) {
            *out = cel_of_bool(false);
            return;
        }
        before = item;
    }
    *out = cel_of_bool(true);
}

static void index_of(struct cel_run *run, const struct cel_value *args, bool last,
                     struct cel_value *out)
{
    for (uint32_t i = 0; i < args[0].count; i++) {
        struct cel_value item;
        uint32_t at = last ? args[0].count - 1 - i : i;
        cel_list_at(run, &args[0], at, &item);
        if (!cel_spend(run, 1, out)) {
            return;
        }
        if (cel_equal(run, &item, &args[1])) {
            *out = cel_of_int(at);
            return;
        }
    }
    *out = cel_of_int(-1);
}

CEL_IMPL(cel_list_index_of)
{
    index_of(run, args, false, out);
}

CEL_IMPL(cel_list_last_index_of)
{
    index_of(run, args, true, out);
}

/* --- sets ---------------------------------------------------------------------------------- */

/* How many items of few stand in all. */
static uint32_t found_in(struct cel_run *run, const struct cel_value *all,
                         const struct cel_value *few)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < few->count && run->stop == 0; i++) {
        struct cel_value pair[2] = {{0}, *all}, there = {0};
        cel_list_at(run, few, i, &pair[0]);
        cel_in(run, NULL, pair, &there);
        found += there.kind == CEL_BOOL && there.boolean;
    }
    return found;
}

CEL_IMPL(cel_set_contains)
{
    *out = cel_of_bool(found_in(run, &args[0], &args[1]) == args[1].count);
}

CEL_IMPL(cel_set_equivalent)
{
    *out = cel_of_bool(found_in(run, &args[0], &args[1]) == args[1].count &&
                       found_in(run, &args[1], &args[0]) == args[0].count);
}

CEL_IMPL(cel_set_intersects)
{
    *out = cel_of_bool(found_in(run, &args[0], &args[1]) > 0);
}
