/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of clocks, the store, the daemon; inventories and policies that change. What each of them
 * is: faults.def. */

#include "sim/sim_fault.h"

/* ---- clocks -----------------------------------------------------------------------------------
 */

void fault_clock(struct sim_world *world, const struct sim_fault *fault, int by_ms)
{
    world->clock_1970 = by_ms == 0;
    world->clock_ms = by_ms;
    fault_host(world, fault, CURE_CYCLE);
}

void fault_clock_end(struct sim_world *world, const struct sim_fault *fault, int by_ms)
{
    (void)by_ms;
    world->clock_1970 = false;
    world->clock_ms = 0;
    fault_heal(world, fault, 0);
}

void fault_suspend(struct sim_world *world, const struct sim_fault *fault, int brief)
{
    fault_host(world, fault, CURE_CYCLE);
    world->now_ms += brief ? 1 + (int64_t)fault_random(fault, 4, 40000) : fault->lasting_ms;
}

/* ---- the store and the daemon -----------------------------------------------------------------
 */

static void store_is(struct sim_world *world)
{
    world->store_ok = world->store_bad == 0;
    sim_health(world);
    sim_store_write(world);
}

void fault_store(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    world->store_bad++;
    store_is(world);
}

void fault_store_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    world->store_bad--;
    store_is(world);
    fault_heal(world, fault, 0);
}

void fault_store_slow(struct sim_world *world, const struct sim_fault *fault, int a)
{
    (void)a;
    world->store_slow++;
    fault_host(world, fault, CURE_CYCLE);
}

void fault_store_slow_end(struct sim_world *world, const struct sim_fault *fault, int a)
{
    (void)a;
    world->store_slow--;
    fault_heal(world, fault, 0);
}

void fault_kill(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    sim_kill(world, (int64_t)fault_random(fault, 5, 60000), false);
}

void fault_kill_at(struct sim_world *world, const struct sim_fault *fault, int at)
{
    fault_host(world, fault, CURE_CYCLE);
    world->kill_at = (enum sim_kill)at;
}

void fault_down(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    sim_kill(world, fault->lasting_ms, false);
}

void fault_restart(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    if (world->store_ok) {
        sim_store_flush(world);
    }
    sim_kill(world, (int64_t)fault_random(fault, 5, 3000), false);
}

void fault_backup(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    fault_host(world, fault, CURE_CYCLE);
    sim_store_backup(world);
}

void fault_restore(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    if (world->backup_ms > 0) {
        sim_kill(world, (int64_t)fault_random(fault, 5, 120000), true);
    }
}

/* ---- inventory and policies -------------------------------------------------------------------
 */

static void inventory_is(struct sim_world *world)
{
    sim_inventory_make(world);
    sim_step(world, &(struct engine_input){.kind = INPUT_INVENTORY,
                                           .inventory = sim_inventory_now(world)});
}

static void inventory_change(struct sim_world *world, struct sim_host *host, int what, bool on)
{
    switch ((enum sim_inventory)what) {
    case INVENTORY_SAME:
        break;
    case INVENTORY_MAINTENANCE:
        host->maintenance_wanted = on;
        break;
    case INVENTORY_MOVED:
        host->moved = on;
        break;
    case INVENTORY_RENAMED:
        host->renamed = on;
        break;
    case INVENTORY_REMOVED:
        host->known = !on;
        break;
    case INVENTORY_SHRUNKEN:
        world->shrunken = on ? world->hosts_count / 2 : 0;
        break;
    }
}

void fault_inventory(struct sim_world *world, const struct sim_fault *fault, int what)
{
    struct sim_host *host = fault_whose(world, fault);
    fault_host(world, fault, CURE_CYCLE); /* With luck it works when the inventory comes. */
    inventory_change(world, host, what, true);
    if (what >= INVENTORY_MOVED) { /* Other domains, other brakes. */
        world->brake_excused_ms = world->now_ms + fault->lasting_ms + SIM_HOUR_MS;
    }
    inventory_is(world);
}

void fault_inventory_end(struct sim_world *world, const struct sim_fault *fault, int what)
{
    inventory_change(world, fault_whose(world, fault), what, false);
    inventory_is(world);
    fault_heal(world, fault, 0);
}

void fault_policies(struct sim_world *world, const struct sim_fault *fault, int other)
{
    fault_host(world, fault, CURE_CYCLE);
    if (other && world->options->policies_other != NULL) {
        world->policies = world->options->policies_other;
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_POLICIES, .policies = world->policies});
}

void fault_policies_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    world->policies = world->options->policies;
    sim_step(world, &(struct engine_input){.kind = INPUT_POLICIES, .policies = world->policies});
    fault_heal(world, fault, argument);
}
