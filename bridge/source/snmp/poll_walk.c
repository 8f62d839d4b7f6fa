/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snmp/poll_walk.h"

#include "base/assert.h"

#define BINDING_BYTES 6 /* Headers of a binding, its name and value. */
#define INDEX_BYTES 4   /* Of a name beyond its column. */

void poll_walk_begin(struct poll_walk *walk, const struct poll_table *table)
{
    walk->table = table;
    walk->asks = walk->asked_count = walk->lost = 0;
    for (uint32_t i = 0; i < table->columns_count; i++) {
        walk->columns[i].at = table->columns[i].oid;
        walk->columns[i].hint = UINT32_MAX;
        walk->columns[i].over = false;
    }
}

/* What one more column costs in each row. */
static size_t cell_bytes(const struct poll_column *column)
{
    return poll_oid_bytes(&column->oid) + INDEX_BYTES + BINDING_BYTES + column->bytes;
}

void poll_walk_ask(struct poll_walk *walk, size_t room, struct poll_ask *ret_ask)
{
    const struct poll_table *table = walk->table;
    size_t row_bytes = 0;
    ret_ask->count = 0;
    for (uint32_t i = 0; i < table->columns_count && ret_ask->count < POLL_ASK_MAX; i++) {
        size_t bytes = walk->columns[i].over ? 0 : cell_bytes(&table->columns[i]);
        if (bytes == 0 || (ret_ask->count > 0 && row_bytes + bytes > room)) {
            continue;
        }
        row_bytes += bytes;
        walk->asked[ret_ask->count] = (uint8_t)i;
        struct poll_oid *oid = &ret_ask->oids[ret_ask->count++];
        *oid = walk->columns[i].at;
        if (table->scalar) {
            oid->arcs[oid->count++] = 0;
        }
    }
    NSH_ASSERT(ret_ask->count > 0);
    size_t repetitions = row_bytes == 0 ? 1 : room / row_bytes;
    repetitions = repetitions < 1 ? 1 : repetitions;
    repetitions = repetitions > POLL_REPETITIONS_MAX ? POLL_REPETITIONS_MAX : repetitions;
    ret_ask->repetitions = table->scalar ? 0 : (uint32_t)repetitions;
    walk->asked_count = ret_ask->count;
    walk->asks++;
}

static bool is_over(const struct poll_walk *walk)
{
    for (uint32_t i = 0; i < walk->table->columns_count; i++) {
        if (!walk->columns[i].over) {
            return false;
        }
    }
    return true;
}

static enum poll_step refused(struct poll_walk *walk, const struct poll_answer *answer,
                              struct nsh_error *err)
{
    if (answer->error == POLL_TOO_BIG) {
        return POLL_STEP_BIGGER;
    }
    uint32_t index = answer->error_index;
    if (answer->error == POLL_GEN_ERR && index > 0 && index <= walk->asked_count) {
        walk->columns[walk->asked[index - 1]].over = true; /* It cannot say this one. */
        walk->lost++;
        return is_over(walk) ? POLL_STEP_OVER : POLL_STEP_ON;
    }
    nsh_fail(err, NSH_PROTOCOL, "%s: the agent says %s", walk->table->name,
             poll_error_word(answer->error));
    return POLL_STEP_FAILED;
}

/* One object of a table without rows: there, or not. */
static void scalars_take(struct poll_walk *walk, const struct poll_answer *answer,
                         struct poll_rows *rows)
{
    static const uint32_t zero = 0;
    for (uint32_t i = 0; i < walk->asked_count; i++) {
        uint32_t column = walk->asked[i];
        walk->columns[column].over = true;
        if (i < answer->count && answer->items[i].value.type != POLL_NOTHING &&
            poll_oid_under(&answer->items[i].oid, &walk->table->columns[column].oid)) {
            poll_rows_put(rows, &zero, 1, column, &answer->items[i].value,
                          &walk->columns[column].hint);
        }
    }
}

/* False: it does not advance. */
static bool cell_take(struct poll_walk *walk, uint32_t column, const struct poll_binding *item,
                      struct poll_rows *rows)
{
    const struct poll_oid *prefix = &walk->table->columns[column].oid;
    if (walk->columns[column].over) {
        return true;
    }
    if (!poll_oid_under(&item->oid, prefix)) {
        walk->columns[column].over = true;
        return true;
    }
    if (item->value.type == POLL_NOTHING &&
        poll_oid_compare(&item->oid, &walk->columns[column].at) == 0) {
        walk->columns[column].over = true; /* endOfMibView names what was asked. */
        return true;
    }
    if (poll_oid_compare(&item->oid, &walk->columns[column].at) <= 0) {
        return false;
    }
    walk->columns[column].at = item->oid;
    if (item->value.type != POLL_NOTHING) {
        poll_rows_put(rows, item->oid.arcs + prefix->count, item->oid.count - prefix->count, column,
                      &item->value, &walk->columns[column].hint);
    }
    return true;
}

enum poll_step poll_walk_take(struct poll_walk *walk, const struct poll_answer *answer,
                              struct poll_rows *rows, struct nsh_error *err)
{
    const char *name = walk->table->name;
    if (answer->error != 0) {
        return refused(walk, answer, err);
    }
    if (walk->table->scalar) {
        scalars_take(walk, answer, rows);
    } else if (answer->count == 0) {
        return POLL_STEP_BIGGER; /* Not even one object: as if it had said so. */
    }
    for (uint32_t i = 0; !walk->table->scalar && i < answer->count; i++) {
        if (!cell_take(walk, walk->asked[i % walk->asked_count], &answer->items[i], rows)) {
            nsh_fail(err, NSH_PROTOCOL, "%s: the agent's table does not advance", name);
            return POLL_STEP_FAILED;
        }
    }
    if (rows->failed) {
        nsh_fail(err, NSH_NOMEM, "%s: out of memory", name);
        return POLL_STEP_FAILED;
    }
    if (rows->cut || is_over(walk)) {
        return POLL_STEP_OVER;
    }
    if (walk->asks >= POLL_WALK_ASKS_MAX) {
        nsh_fail(err, NSH_LIMIT, "%s: not read after %d requests", name, POLL_WALK_ASKS_MAX);
        return POLL_STEP_FAILED;
    }
    return POLL_STEP_ON;
}
