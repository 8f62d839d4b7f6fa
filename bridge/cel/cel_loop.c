/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that make or go over many values: list and map literals, comprehensions. */

#include "cel/cel_eval.h"

/* --- literals ------------------------------------------------------------------------------ */

/* Evaluate an entry; 1: add it, 0: an empty optional, -1: out is the error. */
static int run_entry(struct cel_run *run, const struct cel_code *code, bool optional,
                     struct cel_value *ret_value, struct cel_value *out)
{
    cel_eval_code(run, code, ret_value);
    if (ret_value->kind == CEL_ERROR) {
        *out = *ret_value;
        return -1;
    }
    if (!optional) {
        return 1;
    }
    if (ret_value->kind != CEL_OPTIONAL) {
        cel_error(run, code, out, "an entry with '?' must be an optional, and is a %s",
                  cel_type_name(ret_value));
        return -1;
    }
    if (cel_optional_empty(ret_value)) {
        return 0;
    }
    *ret_value = *(const struct cel_value *)ret_value->pointer;
    return 1;
}

CEL_NODE(cel_run_list)
{
    struct cel_value list;
    struct cel_value *items = cel_make_list(run, code->count, &list);
    if (items == NULL) {
        *out = list;
        return;
    }
    list.count = 0;
    for (uint32_t i = 0; i < code->count; i++) {
        struct cel_value value;
        int add = run_entry(run, code->args[i], code->ast->args[i]->entry, &value, out);
        if (add < 0) {
            return;
        }
        if (add > 0) {
            items[list.count++] = value;
        }
    }
    *out = list;
}

/* Append to a map under construction; false: *out is the error. */
static bool map_add(struct cel_run *run, const struct cel_code *code, struct cel_value *map,
                    struct cel_value *pairs, const struct cel_value pair[2], struct cel_value *out)
{
    if (!cel_key_allowed(&pair[0])) {
        cel_error(run, code, out, "a %s cannot be the key of a map", cel_type_name(&pair[0]));
        return false;
    }
    if (cel_map_find(run, map, &pair[0], NULL)) {
        CLEANUP(textbuf_donep) struct textbuf text = {.count_max = 128};
        cel_value_print(&pair[0], &text);
        cel_error(run, code, out, "the key %s comes twice", text.at == NULL ? "" : text.at);
        return false;
    }
    pairs[2 * (size_t)map->count] = pair[0];
    pairs[2 * (size_t)map->count + 1] = pair[1];
    map->count++;
    return run->stop == 0;
}

CEL_NODE(cel_run_map)
{
    struct cel_value map;
    struct cel_value *pairs = cel_make_map(run, code->count / 2, &map);
    if (pairs == NULL) {
        *out = map;
        return;
    }
    map.count = 0;
    for (uint32_t i = 0; i < code->count; i += 2) {
        struct cel_value pair[2];
        if (run_entry(run, code->args[i], false, &pair[0], out) < 0) {
            return;
        }
        int add = run_entry(run, code->args[i + 1], code->ast->args[i]->entry, &pair[1], out);
        if (add < 0 || (add > 0 && !map_add(run, code, &map, pairs, pair, out))) {
            return;
        }
    }
    *out = map;
}

/* --- going over a range -------------------------------------------------------------------- */

static bool loop_range(struct cel_run *run, const struct cel_code *code,
                       struct cel_value *ret_range, struct cel_value *out)
{
    cel_eval_code(run, code->args[0], ret_range);
    if (ret_range->kind == CEL_LIST || ret_range->kind == CEL_MAP) {
        return true;
    }
    if (ret_range->kind == CEL_ERROR) {
        *out = *ret_range;
    } else {
        cel_error(run, code, out, "%s() goes over lists and maps, and this is a %s",
                  code->ast->name.at, cel_type_name(ret_range));
    }
    return false;
}

/* Set the variables to item index; false: *out is an error. */
static bool loop_item(struct cel_run *run, const struct cel_code *code,
                      const struct cel_value *range, uint32_t index, struct cel_value *out)
{
    struct cel_value *vars = &run->locals[code->slot];
    bool two = code->ast->vars[1].at != NULL;
    if (!cel_spend(run, 1, out)) {
        return false;
    }
    if (range->kind == CEL_MAP) {
        cel_map_at(run, range, index, &vars[0], two ? &vars[1] : NULL);
    } else if (two) {
        vars[0] = cel_of_int(index);
        cel_list_at(run, range, index, &vars[1]);
    } else {
        cel_list_at(run, range, index, &vars[0]);
    }
    return true;
}

static bool loop_condition(struct cel_run *run, const struct cel_code *condition,
                           struct cel_value *ret_value)
{
    cel_eval_code(run, condition, ret_value);
    if (ret_value->kind != CEL_BOOL && ret_value->kind != CEL_ERROR) {
        cel_error(run, condition, ret_value, "a bool is needed here, and this is a %s",
                  cel_type_name(ret_value));
    }
    return ret_value->kind == CEL_BOOL;
}

static void exists_one(struct cel_run *run, const struct cel_code *code,
                       const struct cel_value *range, struct cel_value *out)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < range->count; i++) {
        struct cel_value value;
        if (!loop_item(run, code, range, i, out)) {
            return;
        }
        if (!loop_condition(run, code->args[1], &value)) {
            *out = value;
            return;
        }
        found += value.boolean;
    }
    *out = cel_of_bool(found == 1);
}

/* all, exists: an error counts only when nothing else decides. */
CEL_NODE(cel_run_quantifier)
{
    struct cel_value range, error = {.kind = CEL_BOOL};
    if (!loop_range(run, code, &range, out)) {
        return;
    }
    if (code->loop == CEL_LOOP_EXISTS_ONE || code->loop == CEL_LOOP_EXISTS_ONE2) {
        exists_one(run, code, &range, out);
        return;
    }
    bool decides = code->loop == CEL_LOOP_EXISTS || code->loop == CEL_LOOP_EXISTS2;
    for (uint32_t i = 0; i < range.count; i++) {
        struct cel_value value;
        if (!loop_item(run, code, &range, i, out)) {
            return;
        }
        if (loop_condition(run, code->args[1], &value)) {
            if (value.boolean == decides) {
                *out = value;
                return;
            }
        } else if (run->stop != 0) {
            *out = value;
            return;
        } else if (error.kind == CEL_BOOL) {
            error = value;
        }
    }
    *out = error.kind == CEL_BOOL ? cel_of_bool(!decides) : error;
}

/* Whether the item passes the filter in args[1]: 1, 0, or -1 with *out the error. */
static int passes(struct cel_run *run, const struct cel_code *code, bool filtered,
                  struct cel_value *out)
{
    struct cel_value value;
    if (!filtered) {
        return 1;
    }
    if (!loop_condition(run, code->args[1], &value)) {
        *out = value;
        return -1;
    }
    return value.boolean;
}

/* filter, map, transformList */
CEL_NODE(cel_run_gather)
{
    struct cel_value range, list;
    if (!loop_range(run, code, &range, out)) {
        return;
    }
    struct cel_value *items = cel_make_list(run, range.count, &list);
    if (items == NULL) {
        *out = list;
        return;
    }
    list.count = 0;
    bool filter = code->loop == CEL_LOOP_FILTER;
    for (uint32_t i = 0; i < range.count; i++) {
        if (!loop_item(run, code, &range, i, out)) {
            return;
        }
        int pass = passes(run, code, filter || code->count == 3, out);
        if (pass < 0) {
            return;
        }
        if (pass == 0) {
            continue;
        }
        struct cel_value value = run->locals[code->slot];
        if (!filter) {
            cel_eval_code(run, code->args[code->count - 1], &value);
        }
        if (value.kind == CEL_ERROR) {
            *out = value;
            return;
        }
        items[list.count++] = value;
    }
    *out = list;
}

/* The entries of one transformMapEntry() body. */
static bool add_entries(struct cel_run *run, const struct cel_code *code, struct cel_value *map,
                        struct cel_value *pairs, const struct cel_value *entry,
                        struct cel_value *out)
{
    if (entry->kind != CEL_MAP || entry->count > 1) {
        cel_error(run, code, out, "transformMapEntry() needs a map of at most one entry");
        return false;
    }
    struct cel_value pair[2];
    if (entry->count == 1) {
        cel_map_at(run, entry, 0, &pair[0], &pair[1]);
    }
    return entry->count == 0 || map_add(run, code, map, pairs, pair, out);
}

/* transformMap, transformMapEntry */
CEL_NODE(cel_run_gather_map)
{
    struct cel_value range, map;
    if (!loop_range(run, code, &range, out)) {
        return;
    }
    struct cel_value *pairs = cel_make_map(run, range.count, &map);
    if (pairs == NULL) {
        *out = map;
        return;
    }
    map.count = 0;
    bool entries =
        code->loop == CEL_LOOP_TRANSFORM_ENTRY || code->loop == CEL_LOOP_TRANSFORM_ENTRY_IF;
    for (uint32_t i = 0; i < range.count; i++) {
        if (!loop_item(run, code, &range, i, out)) {
            return;
        }
        int pass = passes(run, code, code->count == 3, out);
        if (pass < 0) {
            return;
        }
        if (pass == 0) {
            continue;
        }
        struct cel_value pair[2] = {run->locals[code->slot]};
        cel_eval_code(run, code->args[code->count - 1], &pair[1]);
        if (pair[1].kind == CEL_ERROR) {
            *out = pair[1];
            return;
        }
        if (!(entries ? add_entries(run, code, &map, pairs, &pair[1], out)
                      : map_add(run, code, &map, pairs, pair, out))) {
            return;
        }
    }
    *out = map;
}

/* --- others -------------------------------------------------------------------------------- */

CEL_NODE(cel_run_sort_by)
{
    struct cel_value list, sorted;
    cel_eval_code(run, code->args[0], &list);
    if (list.kind != CEL_LIST) {
        if (list.kind != CEL_ERROR) {
            cel_error(run, code, &list, "sortBy() sorts lists");
        }
        *out = list;
        return;
    }
    struct cel_value *items = cel_make_list(run, list.count, &sorted);
    struct cel_value *keys =
        items == NULL ? NULL : cel_room(run, list.count * sizeof *keys, &sorted);
    if (keys == NULL) {
        *out = sorted;
        return;
    }
    for (uint32_t i = 0; i < list.count; i++) {
        if (!loop_item(run, code, &list, i, out)) {
            return;
        }
        items[i] = run->locals[code->slot];
        cel_eval_code(run, code->args[1], &keys[i]);
        if (keys[i].kind == CEL_ERROR) {
            *out = keys[i];
            return;
        }
    }
    *out = sorted;
    cel_sort(run, code, items, keys, list.count, out);
}

CEL_NODE(cel_run_bind)
{
    struct cel_value value;
    cel_eval_code(run, code->args[0], &value);
    run->locals[code->slot] = value; /* An error is one wherever the name is used. */
    if (run->stop != 0) {
        *out = value;
        return;
    }
    cel_eval_code(run, code->args[1], out);
}

/* optMap, optFlatMap */
CEL_NODE(cel_run_optional_map)
{
    struct cel_value value;
    cel_eval_code(run, code->args[0], &value);
    if (value.kind == CEL_OPTIONAL && cel_optional_empty(&value)) {
        *out = value;
        return;
    }
    if (value.kind != CEL_OPTIONAL) {
        if (value.kind != CEL_ERROR) {
            cel_error(run, code, &value, "this must be an optional");
        }
        *out = value;
        return;
    }
    run->locals[code->slot] = *(const struct cel_value *)value.pointer;
    cel_eval_code(run, code->args[1], out);
    if (out->kind == CEL_ERROR) {
        return;
    }
    if (code->loop == CEL_LOOP_OPT_MAP) {
        struct cel_value result = *out;
        cel_make_optional(run, &result, out);
    } else if (out->kind != CEL_OPTIONAL) {
        cel_error(run, code, out, "optFlatMap() must give an optional");
    }
}
