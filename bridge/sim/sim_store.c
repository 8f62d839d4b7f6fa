/* SPDX-License-Identifier: Apache-2.0 */
/* The store of the simulated world: newest body for each record, durable one batch later, lost when
 * killed before. */

#include "sim/sim_private.h"

#include <stdio.h>

static void row_free(struct sim_row *row)
{
    if (row != NULL) {
        free((void *)(uintptr_t)row->record.id.at);
        free(row);
    }
}

/* One block for all texts of a record. */
static struct sim_row *row_new(const struct record *record, uint64_t number, int64_t now_ms)
{
    struct sim_row *row = calloc(1, sizeof *row);
    const struct text *from[] = {&record->id, &record->host, &record->policy, &record->state,
                                 &record->body};
    size_t bytes = 5;
    for (size_t i = 0; i < 5; i++) {
        bytes += from[i]->count;
    }
    char *block = calloc(1, bytes);
    NSH_ASSERT(row != NULL && block != NULL);
    row->record = *record;
    row->number = number;
    row->first_ms = now_ms;
    struct text *to[] = {&row->record.id, &row->record.host, &row->record.policy,
                         &row->record.state, &row->record.body};
    for (size_t i = 0; i < 5; i++) {
        if (from[i]->count > 0) {
            memcpy(block, from[i]->at, from[i]->count);
        }
        *to[i] = (struct text){block, from[i]->count};
        block += from[i]->count + 1;
    }
    snprintf(row->key, sizeof row->key, "%s/%.*s", record_word(record->kind), (int)record->id.count,
             record->id.at);
    return row;
}

void sim_store_take(struct sim_world *world, const struct engine_output *output)
{
    uint64_t number = output->records_through - output->records_count;
    for (size_t i = 0; i < output->records_count; i++) {
        if (world->pending_count == world->pending_room) {
            world->pending_room = world->pending_room * 2 + 64;
            world->pending = realloc(world->pending, world->pending_room * sizeof(void *));
            NSH_ASSERT(world->pending != NULL);
        }
        world->pending[world->pending_count++] =
            row_new(&output->records[i], ++number, world->now_ms);
    }
    sim_store_write(world);
}

void sim_store_write(struct sim_world *world)
{
    if (world->writing != 0 || world->pending_count == 0 || !world->store_ok) {
        return;
    }
    world->writing = world->pending[world->pending_count - 1]->number;
    int64_t slow_ms = world->store_slow > 0 ? 1000 + (int64_t)sim_random(world, 7000) : 0;
    sim_plan(world, slow_ms + 1 + (int64_t)sim_random(world, 5),
             (struct sim_event){.kind = SIM_DO_DURABLE, .number = world->life});
}

static void row_commit(struct sim_world *world, struct sim_row *row)
{
    struct sim_row *old = map_get(&world->rows, text_of(row->key));
    sim_check_record(world, old, row);
    if (world->options->record != NULL) {
        world->options->record(world->options->arg, &row->record);
    }
    if (row->record.remove) {
        map_remove(&world->rows, text_of(row->key));
        row_free(old);
        row_free(row);
        return;
    }
    if (old != NULL) { /* Keeps its place and its key. */
        struct record record = row->record;
        row->record = old->record;
        old->record = record;
        row_free(row);
        return;
    }
    NSH_ASSERT(map_set(&world->rows, text_of(row->key), row) == 0);
}

void sim_store_committed(struct sim_world *world)
{
    size_t taken = 0;
    while (taken < world->pending_count && world->pending[taken]->number <= world->writing) {
        row_commit(world, world->pending[taken++]);
    }
    world->pending_count -= taken;
    memmove(world->pending, world->pending + taken, world->pending_count * sizeof(void *));
    world->durable = world->writing;
    world->writing = 0;
}

void sim_store_flush(struct sim_world *world)
{
    if (world->pending_count > 0) {
        world->writing = world->pending[world->pending_count - 1]->number;
        sim_store_committed(world);
    }
}

void sim_store_killed(struct sim_world *world)
{
    for (size_t i = 0; i < world->pending_count; i++) {
        row_free(world->pending[i]);
    }
    world->pending_count = 0;
    world->writing = 0;
    world->durable = 0;
}

static void rows_free(struct map *rows)
{
    MAP_EACH (rows, entry) {
        row_free(entry->value);
    }
    map_done(rows);
    *rows = (struct map){0};
}

void sim_store_backup(struct sim_world *world)
{
    rows_free(&world->backup);
    world->backup_ms = world->now_ms;
    MAP_EACH (&world->rows, entry) {
        const struct sim_row *row = entry->value;
        struct sim_row *copy = row_new(&row->record, row->number, row->first_ms);
        NSH_ASSERT(map_set(&world->backup, text_of(copy->key), copy) == 0);
    }
}

void sim_store_restore(struct sim_world *world)
{
    rows_free(&world->rows);
    world->rows = world->backup;
    world->backup = (struct map){0};
}

void sim_store_done(struct sim_world *world)
{
    sim_store_killed(world);
    free(world->pending);
    rows_free(&world->rows);
    rows_free(&world->backup);
}
