/* SPDX-License-Identifier: Apache-2.0 */
/* Finding rows and objects. Reading them is in trap_table_read.c. */

#include "trap_table.h"

#include <stdlib.h>

static size_t slots_for(size_t count)
{
    size_t slots = 64;
    while (slots < 2 * count) {
        slots *= 2;
    }
    return slots;
}

static struct trap_oid slot_oid(const struct trap_tables *tables, bool objects, uint32_t slot)
{
    return objects ? tables->objects[slot - 1].oid : tables->rows[slot - 1].oid;
}

static void slot_add(const struct trap_tables *tables, bool objects, size_t index)
{
    uint32_t *slots = objects ? tables->object_slots : tables->row_slots;
    size_t mask = (objects ? tables->object_slots_count : tables->row_slots_count) - 1;
    struct trap_oid oid = slot_oid(tables, objects, (uint32_t)index + 1);
    size_t at = (size_t)trap_hash_arcs(TRAP_HASH_SEED, oid.arcs, oid.count) & mask;
    for (; slots[at] != 0; at = (at + 1) & mask) {
        if (!trap_oid_equal(slot_oid(tables, objects, slots[at]), oid)) {
            continue;
        }
        if (!objects) {
            struct trap_row *row = &tables->rows[slots[at] - 1];
            while (row->next != NULL) {
                row = row->next;
            }
            row->next = row->with == NULL ? NULL : &tables->rows[index];
        }
        return; /* The first one wins. */
    }
    slots[at] = (uint32_t)index + 1;
}

bool trap_tables_index(struct trap_tables *tables)
{
    tables->row_slots_count = slots_for(tables->rows_count);
    tables->object_slots_count = slots_for(tables->objects_count);
    tables->row_slots =
        arena_array(&tables->arena, tables->row_slots_count, sizeof *tables->row_slots);
    tables->object_slots =
        arena_array(&tables->arena, tables->object_slots_count, sizeof *tables->object_slots);
    if (tables->row_slots == NULL || tables->object_slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < tables->rows_count; i++) {
        slot_add(tables, false, i);
    }
    for (size_t i = 0; i < tables->objects_count; i++) {
        slot_add(tables, true, i);
        tables->objects[i].number = i;
        tables->lengths[tables->objects[i].oid.count] = true;
    }
    return true;
}

static uint32_t find(const struct trap_tables *tables, bool objects, struct trap_oid oid,
                     uint64_t hash)
{
    const uint32_t *slots = objects ? tables->object_slots : tables->row_slots;
    size_t mask = (objects ? tables->object_slots_count : tables->row_slots_count) - 1;
    for (size_t at = (size_t)hash & mask; slots[at] != 0; at = (at + 1) & mask) {
        if (trap_oid_equal(slot_oid(tables, objects, slots[at]), oid)) {
            return slots[at];
        }
    }
    return 0;
}

const struct trap_row *trap_tables_find(const struct trap_tables *tables, struct trap_oid oid)
{
    uint32_t arcs[TRAP_OID_ARCS_MAX];
    uint32_t slot = find(tables, false, oid, trap_hash_arcs(TRAP_HASH_SEED, oid.arcs, oid.count));
    if (slot == 0 && oid.count >= 3 && oid.count < TRAP_OID_ARCS_MAX) {
        struct trap_oid other = {oid.count, arcs};
        memcpy(arcs, oid.arcs, oid.count * sizeof *arcs);
        if (arcs[oid.count - 2] == 0) {
            arcs[oid.count - 2] = arcs[oid.count - 1];
            other.count--;
        } else {
            arcs[oid.count] = arcs[oid.count - 1];
            arcs[oid.count - 1] = 0;
            other.count++;
        }
        slot = find(tables, false, other, trap_hash_arcs(TRAP_HASH_SEED, other.arcs, other.count));
    }
    return slot == 0 ? NULL : &tables->rows[slot - 1];
}

static bool pet_matches(int wanted, int got)
{
    return wanted < 0 || wanted == got;
}

const struct trap_row *trap_tables_find_pet(const struct trap_tables *tables,
                                            const struct trap_pet_key *key)
{
    for (size_t i = 0; i < tables->pets_count; i++) {
        const struct trap_pet_key *row = &tables->pets[i].pet;
        if (pet_matches(row->sensor, key->sensor) && pet_matches(row->event, key->event) &&
            pet_matches(row->offset, key->offset)) {
            return &tables->pets[i];
        }
    }
    return NULL;
}

#define OBJECT_ARCS_MIN 5

const struct trap_object *trap_tables_find_object(const struct trap_tables *tables,
                                                  struct trap_oid oid)
{
    uint64_t hashes[TRAP_OID_ARCS_MAX + 1];
    uint64_t hash = TRAP_HASH_SEED;
    for (uint32_t i = 0; i < oid.count; i++) {
        hash = trap_hash_arcs(hash, oid.arcs + i, 1);
        hashes[i + 1] = hash;
    }
    for (uint32_t count = oid.count; count >= OBJECT_ARCS_MIN; count--) {
        if (!tables->lengths[count]) {
            continue;
        }
        uint32_t slot = find(tables, true, (struct trap_oid){count, oid.arcs}, hashes[count]);
        if (slot != 0) {
            return &tables->objects[slot - 1];
        }
    }
    return NULL;
}

void trap_tables_free(struct trap_tables *tables)
{
    if (tables != NULL) {
        map_done(&tables->names);
        free(tables->rows);
        free(tables->pets);
        free(tables->objects);
        arena_done(&tables->arena);
        free(tables);
    }
}
