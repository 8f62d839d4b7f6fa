/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snmp/poll_rows.h"

#define ROOM_MIN 64

void poll_rows_begin(struct poll_rows *rows, uint32_t columns)
{
    map_done(&rows->by_index);
    arena_reset(&rows->arena);
    rows->by_index = (struct map){0};
    rows->items = NULL;
    rows->count = rows->room = 0;
    rows->columns = columns;
    rows->cut = rows->failed = false;
}

void poll_rows_done(struct poll_rows *rows)
{
    map_done(&rows->by_index);
    arena_done(&rows->arena);
    *rows = (struct poll_rows){0};
}

static struct poll_row *row_add(struct poll_rows *rows, struct text index)
{
    if (rows->count == rows->room) {
        uint32_t room = rows->room == 0 ? ROOM_MIN : rows->room * 2;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): the items are pointers. */
        struct poll_row **items = arena_array(&rows->arena, room, sizeof *items);
        if (items == NULL) {
            return NULL;
        }
        if (rows->count > 0) {
            /* NOLINTNEXTLINE(bugprone-sizeof-expression): the items are pointers. */
            memcpy(items, rows->items, rows->count * sizeof *items);
        }
        rows->items = items;
        rows->room = room;
    }
    struct poll_row *row = arena_alloc(&rows->arena, sizeof *row);
    struct poll_value *cells = arena_array(&rows->arena, rows->columns, sizeof *cells);
    struct text kept = arena_text(&rows->arena, index);
    if (row == NULL || cells == NULL || kept.at == NULL ||
        map_set(&rows->by_index, kept, row) < 0) {
        return NULL;
    }
    *row = (struct poll_row){.index = kept, .cells = cells};
    rows->items[rows->count++] = row;
    return row;
}

/* Cells come in the order of their rows, so it is mostly the next one. */
static struct poll_row *row_of(struct poll_rows *rows, struct text index, uint32_t *hint)
{
    uint32_t next = *hint == UINT32_MAX ? 0 : *hint + 1;
    if (next < rows->count && text_equal(rows->items[next]->index, index)) {
        *hint = next;
        return rows->items[next];
    }
    struct poll_row *row = map_get(&rows->by_index, index);
    if (row != NULL) {
        return row;
    }
    if (rows->count == POLL_ROWS_MAX) {
        rows->cut = true;
        return NULL;
    }
    row = row_add(rows, index);
    rows->failed = rows->failed || row == NULL;
    *hint = row == NULL ? *hint : rows->count - 1;
    return row;
}

void poll_rows_put(struct poll_rows *rows, const uint32_t *arcs, size_t arcs_count, uint32_t column,
                   const struct poll_value *value, uint32_t *hint)
{
    char chars[POLL_INDEX_CHARS_MAX];
    size_t count = poll_oid_write(arcs, arcs_count, chars, sizeof chars);
    struct poll_row *row = row_of(rows, (struct text){chars, (uint32_t)count}, hint);
    if (row == NULL) {
        return;
    }
    struct poll_value *cell = &row->cells[column];
    *cell = *value;
    if (value->type == POLL_OCTETS || value->type == POLL_OID) {
        cell->octets = arena_text(&rows->arena, value->octets);
        if (cell->octets.at == NULL) {
            cell->type = POLL_NOTHING;
            rows->failed = true;
        }
    }
}
