/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_TRAP_TRAP_MAP_H
#define SOURCE_TRAP_TRAP_MAP_H

/*
 * struct trap + tables -> struct event. Pure, and without allocation: one mapper has the buffers
 * for one event.
 *
 * Nothing is lost: a trap that no table knows becomes an event with numeric names, `unmatched` set,
 * type "snmp.unmatched". The community never enters an event.
 */

#include "trap_pet.h"
#include "trap_table.h"

struct trap_mapper;

/* tables: borrowed, must live longer; NULL: everything is unmatched. NULL: no memory. */
struct trap_mapper *trap_mapper_new(const struct trap_tables *tables);
void trap_mapper_free(struct trap_mapper *mapper);

/* ret_event borrows from mapper, its tables and trap until the next call. source is the sender's
 * address as text. */
void trap_map(struct trap_mapper *mapper, const struct trap *trap, struct text source,
              int64_t received_ms, struct event *ret_event);

/*
 * The same for a platform event that came another way, such as a record of a BMC's log: name, type,
 * severity, state, resource, qualifier, message and data by the tables of platform events; the rest
 * is the caller's. more: members of event.data besides pet's own, which templates name too
 * ("sensor_number"). pet->severity stands in where a row has none.
 */
void trap_map_pet(struct trap_mapper *mapper, const struct pet *pet, const struct nsh_member *more,
                  size_t more_count, struct event *ret_event);

/* What makes two traps the same: sender (its address), identifier, varbinds. */
uint64_t trap_identity(const struct trap *trap, struct text source);

#endif
