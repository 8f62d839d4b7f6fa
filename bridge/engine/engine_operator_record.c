/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What triggers remember, written with their subject's record and read again at a start. Downtime
 * is unknown time: silence begins anew, and an open `without` is in doubt.
 */

#include "engine_operator.h"

static int64_t ms_or_zero(int64_t ms)
{
    return ms == NEVER ? 0 : ms;
}

static int64_t ms_or_never(int64_t ms)
{
    return ms <= 0 ? NEVER : ms;
}

static void record_links(struct textbuf *json, const struct instance *instance)
{
    json_comma(json);
    textbuf_add_chars(json, "\"links\":[");
    for (const struct link *link = instance->links; link != NULL; link = link->instance_next) {
        textbuf_addf(json, "%s[%u,%lld]", link == instance->links ? "" : ",", link->branch,
                     (long long)link->since_ms);
    }
    textbuf_add_char(json, ']');
}

void operator_record(struct textbuf *json, const struct instance *instance)
{
    const struct operator_state *op = instance->op;
    if (op == NULL) {
        return;
    }
    record_links(json, instance); /* In the order of `alarms`. */
    json_comma(json);
    textbuf_add_chars(json, "\"operator\":{");
    json_bool(json, "armed", op->armed);
    json_bool(json, "doubt", op->doubt);
    json_int(json, "from_ms", ms_or_zero(op->since_ms));
    json_int(json, "seen_ms", ms_or_zero(op->seen_ms));
    json_int(json, "ended_ms", ms_or_zero(op->ended_ms));
    json_comma(json);
    textbuf_add_chars(json, "\"branches\":[");
    for (uint32_t i = 0; i < op->branches_count; i++) {
        textbuf_addf(json, "%s[%lld,%lld]", i == 0 ? "" : ",",
                     (long long)ms_or_zero(op->branches[i].begin_ms),
                     (long long)ms_or_zero(op->branches[i].at_ms));
    }
    textbuf_add_chars(json, "]}");
}

/* A list of pairs of numbers; false: item i is none. */
static bool pair_at(const struct nsh_value *list, uint32_t i, int64_t *ret_a, int64_t *ret_b)
{
    if (list == NULL || list->type != NSH_LIST || i >= list->count) {
        return false;
    }
    const struct nsh_value *pair = &list->items[i];
    if (pair->type != NSH_LIST || pair->count != 2 || pair->items[0].type != NSH_INT ||
        pair->items[1].type != NSH_INT) {
        return false;
    }
    *ret_a = pair->items[0].integer;
    *ret_b = pair->items[1].integer;
    return true;
}

void operator_load_link(struct link *link, const struct nsh_value *value, uint32_t index)
{
    int64_t branch = 0, since_ms = 0;
    if (pair_at(nsh_get(value, "links"), index, &branch, &since_ms) && branch >= 0 &&
        branch < (int64_t)link->instance->policy->when.branches_count) {
        link->branch = (uint8_t)branch;
        link->since_ms = since_ms;
    }
}

void operator_load(struct engine *engine, struct instance *instance, const struct nsh_value *value)
{
    const struct nsh_value *kept = nsh_get(value, "operator");
    if (instance->policy->when.branches_count == 0 || kept == NULL || kept->type != NSH_MAP) {
        return;
    }
    struct operator_state *op = operator_of(engine, instance);
    if (op == NULL) {
        return;
    }
    op->armed = nsh_get_bool(kept, "armed", false);
    op->doubt = nsh_get_bool(kept, "doubt", false);
    op->since_ms = ms_or_never(nsh_get_int(kept, "from_ms", 0));
    op->seen_ms = ms_or_never(nsh_get_int(kept, "seen_ms", 0));
    op->ended_ms = ms_or_never(nsh_get_int(kept, "ended_ms", 0));
    for (uint32_t i = 0; i < op->branches_count; i++) {
        int64_t begin_ms = 0, at_ms = 0;
        if (pair_at(nsh_get(kept, "branches"), i, &begin_ms, &at_ms)) {
            op->branches[i].begin_ms = ms_or_never(begin_ms);
            op->branches[i].at_ms = op->branches[i].metric ? NEVER : ms_or_never(at_ms);
            op->branches[i].heard = op->branches[i].metric && at_ms != 0;
        }
    }
    operator_gap(engine, instance);
}
