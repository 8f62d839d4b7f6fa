/* SPDX-License-Identifier: Apache-2.0 */
/* What people and other tools are asked or ask for: approvals, vetoes, leases, holds. */

#include "sim/sim_fault.h"

#include <stdio.h>

#define LEASE_MS_MIN (2 * SIM_MINUTE_MS)

/* ---- what was said ----------------------------------------------------------------------------
 */

struct sim_said *sim_said_of(struct sim_world *world, const char *run)
{
    struct sim_said *said = map_get(&world->said, text_of(run));
    if (said == NULL) {
        said = calloc(1, sizeof *said);
        NSH_ASSERT(said != NULL);
        snprintf(said->run, sizeof said->run, "%s", run);
        NSH_ASSERT(map_set(&world->said, text_of(said->run), said) == 0);
    }
    return said;
}

static void word_killed(struct sim_word *word, uint64_t durable, int64_t before_ms)
{
    if (word->number > durable || word->ms >= before_ms) {
        *word = (struct sim_word){0};
    }
    word->number = 0;
}

/* What was not durable yet nobody knows any more. */
void sim_said_killed(struct sim_world *world, int64_t before_ms)
{
    MAP_EACH (&world->said, entry) {
        struct sim_said *said = entry->value;
        for (size_t i = 0; i < SIM_PERSONS; i++) {
            word_killed(&said->yes[i], world->durable, before_ms);
        }
        word_killed(&said->no, world->durable, before_ms);
    }
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        int64_t leased_ms = host->lease.ms;
        word_killed(&host->lease, world->durable, before_ms);
        word_killed(&host->hold, world->durable, before_ms);
        if (leased_ms != 0 && host->lease.ms == 0) {
            sim_stamp_return(world, host, leased_ms);
        }
    }
}

void sim_said_done(struct sim_world *world)
{
    MAP_EACH (&world->said, entry) {
        free(entry->value);
    }
    map_done(&world->said);
}

/* ---- approvals and vetoes ---------------------------------------------------------------------
 */

static const char *const persons[SIM_PERSONS] = {"uid:1001(ann)", "uid:1002(bob)", "uid:1003(eve)"};

/* event->number: who; and whether he says no. */
void sim_person(struct sim_world *world, const struct sim_event *event)
{
    const char *id = sim_live_id(world, RECORD_RUN, event->host->name);
    size_t who = event->number % SIM_PERSONS;
    if (id == NULL || !world->store_ok) {
        return;
    }
    struct sim_said *said = sim_said_of(world, id);
    struct nsh_member args[] = {{"id", nsh_text(said->run)}, {"reason", nsh_text("looked at it")}};
    sim_step(world, &(struct engine_input){.kind = INPUT_COMMAND,
                                           .command = {text_of(event->raise ? "approve" : "deny"),
                                                       nsh_map(args, 2), text_of(persons[who])}});
    if (world->output.reply.count > 0) {
        struct sim_word *word = event->raise ? &said->yes[who] : &said->no;
        *word = (struct sim_word){.ms = world->now_ms, .number = world->output.records_through};
        world->report->said++;
    }
}

static void person_comes(struct sim_world *world, const struct sim_fault *fault, uint64_t salt,
                         uint32_t minutes, uint64_t who, bool yes)
{
    sim_plan(
        world, 5000 + (int64_t)fault_random(fault, salt, minutes * SIM_MINUTE_MS),
        (struct sim_event){
            .kind = SIM_DO_PERSON, .host = fault_whose(world, fault), .number = who, .raise = yes});
}

static void asks(struct sim_world *world, const struct sim_fault *fault, const char *type)
{
    struct sim_break how = fault_break_of(fault, CURE_CYCLE);
    how.type = type;
    sim_host_break(world, fault_whose(world, fault), &how);
}

void fault_asked(struct sim_world *world, const struct sim_fault *fault, int how)
{
    static const char *const types[] = {
        [ASKED_ONE] = "processor.failed", [ASKED_TWO] = "os.crashed",
        [ASKED_TWICE] = "os.crashed",     [ASKED_NO] = "processor.failed",
        [ASKED_NOBODY] = "pci.error",     [ASKED_VETO] = "gpu.lost"};
    asks(world, fault, types[how]);
    switch ((enum sim_asked)how) {
    case ASKED_ONE:
        person_comes(world, fault, 20, 12, 0, true); /* Perhaps too late. */
        break;
    case ASKED_TWO:
        person_comes(world, fault, 20, 9, 0, true);
        person_comes(world, fault, 21, 9, 1, true);
        break;
    case ASKED_TWICE: /* One person is not two. */
        person_comes(world, fault, 20, 4, 2, true);
        person_comes(world, fault, 21, 9, 2, true);
        break;
    case ASKED_NO: /* And another, who does not know of it, says yes later. */
        person_comes(world, fault, 20, 5, 1, false);
        person_comes(world, fault, 21, 9, 0, true);
        break;
    case ASKED_NOBODY:
        break;
    case ASKED_VETO:
        person_comes(world, fault, 20, 3, 1, false); /* Perhaps after the window. */
        break;
    }
}

/* ---- leases and holds -------------------------------------------------------------------------
 */

static bool id_take(struct sim_world *world, const char *prefix, char id[40])
{
    struct text reply = world->output.reply;
    const char *at = reply.count == 0 ? NULL : strstr(reply.at, prefix);
    size_t count = at == NULL ? 0 : strcspn(at, "\"");
    if (count == 0 || count >= 40) {
        return false;
    }
    memcpy(id, at, count);
    id[count] = '\0';
    return true;
}

static bool can_ask(struct sim_world *world, const struct sim_host *host)
{
    return world->store_ok && sim_host_of(world, text_of(host->name)) == host;
}

/* Another tool takes the host down; fleet: in the words of FleetLock. Then it breaks, of all hosts.
 */
void fault_lease(struct sim_world *world, const struct sim_fault *fault, int fleet)
{
    struct sim_host *host = fault_whose(world, fault);
    int64_t ttl_ms = fault->lasting_ms + LEASE_MS_MIN;
    struct nsh_member lease[] = {{"host", nsh_text(host->name)},
                                 {"owner", nsh_text("kured")},
                                 {"reason", nsh_text("kernel")},
                                 {"ttl_ms", nsh_int(ttl_ms)}};
    struct nsh_member lock[] = {{"id", nsh_text(host->name)}, {"group", nsh_text("web")}};
    if (can_ask(world, host) && host->lease.ms == 0) {
        sim_command(world, fleet ? "fleetlock" : "lease", fleet ? lock : lease, fleet ? 2 : 4);
        if (id_take(world, "lse-", host->lease.id)) {
            sim_check_lease(world, host);
            sim_stamp_take(world, host);
            host->lease.ms = world->now_ms;
            host->lease.until_ms = world->now_ms + (fleet ? 24 * SIM_HOUR_MS : ttl_ms);
            host->lease.number = world->output.records_through;
            world->report->leases++;
        }
    }
    fault_host(world, fault, CURE_CYCLE);
}

static void give_back(struct sim_world *world, struct sim_word *word, const char *command)
{
    char id[40];
    memcpy(id, word->id, sizeof id);
    struct nsh_member args[] = {
        {"id", nsh_text(id)}, {"owner", nsh_text("sim")}, {"reason", nsh_text("done")}};
    if (word->ms != 0) {
        *word = (struct sim_word){0};
        sim_command(world, command, args, 3);
    }
}

void fault_lease_end(struct sim_world *world, const struct sim_fault *fault, int fleet)
{
    (void)fleet;
    give_back(world, &fault_whose(world, fault)->lease, "lease.release");
    fault_heal(world, fault, 0);
}

void fault_hold(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    struct sim_host *host = fault_whose(world, fault);
    struct nsh_member args[] = {{"host", nsh_text(host->name)},
                                {"what", nsh_text("maintenance")},
                                {"owner", nsh_text("sim")},
                                {"reason", nsh_text("a disk is changed")}};
    if (can_ask(world, host) && host->hold.ms == 0) {
        sim_command(world, "hold", args, 4);
        if (id_take(world, "hld-", host->hold.id)) {
            host->hold.ms = world->now_ms;
            host->hold.until_ms = INT64_MAX;
            host->hold.number = world->output.records_through;
        }
    }
    fault_host(world, fault, argument);
}

void fault_hold_end(struct sim_world *world, const struct sim_fault *fault, int argument)
{
    (void)argument;
    give_back(world, &fault_whose(world, fault)->hold, "hold.release");
    fault_heal(world, fault, 0);
}
