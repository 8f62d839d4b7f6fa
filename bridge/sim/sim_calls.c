/* SPDX-License-Identifier: Apache-2.0 */
/* The calls: what a BMC makes of an order, what it answers, and when. */

#include "sim/sim_private.h"

#include <stdio.h>

#define ANSWER_MS 1500 /* An ordinary BMC, mean. */
#define STALE_MS 60000 /* A stale BMC shows what was so long ago. */
#define AFTERWARDS_MS                                                                              \
    8000               /* Mean: so long after the time-out an order may still be carried out.      \
                        */
#define ORPHAN_MS 2000 /* The same of one whose daemon died. */

/* What a variety of BMC answers; done: in how many of a thousand calls the order has its effect. */
static const struct bmc_row {
    int code;
    bool possible; /* It says that the effect is possible. */
    bool never;    /* Nothing comes until the time-out. */
    uint32_t done, retry_ms;
    const char *text;
} bmc_rows[] = {
    [BMC_WELL] = {NSH_OK, false, false, 1000, 0, "ok"},
    [BMC_SILENT] = {NSH_TIMEOUT, true, true, 0, 0, "no answer"},
    [BMC_ONE_WAY] = {NSH_TIMEOUT, true, true, 1000, 0, "no answer"},
    [BMC_LATE] = {NSH_OK, false, false, 1000, 0, "ok"},
    [BMC_AFTER_TIMEOUT] = {NSH_TIMEOUT, true, true, 0, 0, "no answer"},
    [BMC_LIES_OFF] = {NSH_OK, false, false, 1000, 0, "ok"},
    [BMC_LIES_ON] = {NSH_OK, false, false, 1000, 0, "ok"},
    [BMC_STALE] = {NSH_OK, false, false, 1000, 0, "ok"},
    [BMC_WRONG_HOST] = {NSH_MISMATCH, false, false, 0, 0, "serial SIM2, not SIM1"},
    [BMC_DIES_WITH_HOST] = {NSH_OK, false, false, 1000, 0, "ok"},
    [BMC_SESSIONS_FULL] = {NSH_BUSY, false, false, 0, 60000, "no session is left"},
    [BMC_BUSY] = {NSH_BUSY, false, false, 0, 1000, "busy"},
    [BMC_AUTH] = {NSH_AUTH, false, false, 0, 0, "wrong user or password"},
    [BMC_DENIES] = {NSH_DENIED, false, false, 0, 0, "not permitted"},
    [BMC_5XX] = {NSH_FAILED, true, false, 500, 0, "HTTP 500"},
    [BMC_TRUNCATED] = {NSH_PROTOCOL, true, false, 1000, 0, "reply of 17 bytes, need 90"},
    [BMC_DISCONNECTS] = {NSH_DISCONNECTED, true, false, 500, 0, "connection reset"},
    [BMC_DOES_NOTHING] = {NSH_OK, false, false, 0, 0, "ok"},
    [BMC_TWICE] = {NSH_OK, false, false, 1000, 0, "ok"},
};

struct sim_call *sim_call_of(struct sim_world *world, struct text action)
{
    struct sim_call *call = map_get(&world->calls, action);
    bool again = call != NULL && call->life != world->life &&
                 (call->verb->effect == NSH_READS || call->verb->binding == BINDING_NONE);
    return again ? NULL : call;
}

/* A look of a former life: nobody waits for it, its answer may still be under way. */
static void call_forget(struct sim_world *world, struct text action)
{
    struct sim_call *old = map_remove(&world->calls, action);
    if (old != NULL) {
        old->next_forgotten = world->forgotten;
        world->forgotten = old;
    }
}

static bool reads(const struct sim_call *call)
{
    return call->verb->effect == NSH_READS;
}

static bool is_power(const struct sim_call *call)
{
    return call->verb->binding == BINDING_BMC && !reads(call) &&
           strcmp(call->verb->name, "identify") != 0;
}

/* ---- what is done -----------------------------------------------------------------------------
 */

void sim_host_power(struct sim_world *world, struct sim_host *host, const char *verb,
                    bool by_engine)
{
    bool was_on = host->on;
    host->on = strcmp(verb, "power.off") != 0;
    if (host->hidden) { /* No power comes. */
        host->on = false;
    }
    if (host->on != was_on) {
        host->shown_on = was_on;
        host->shown_ms = world->now_ms;
        host->off_ms = host->on ? 0 : world->now_ms;
    }
    bool restarted = host->on && (!was_on || strcmp(verb, "power.on") != 0);
    if (!restarted || !host->broken) {
        return;
    }
    if (host->cure == CURE_DIES || host->cure == CURE_NONE) {
        host->cure = CURE_NONE;
    } else if (host->heals_permille == 0 || sim_chance(host, host->heals_permille)) {
        sim_host_heal(world, host, by_engine);
    } else {
        host->cure = CURE_NONE; /* Once more helps no more. */
    }
}

void sim_call_effect(struct sim_world *world, struct sim_call *call)
{
    if (is_power(call)) {
        sim_host_power(world, call->host, call->verb->name, true);
    }
}

void sim_call_effect_late(struct sim_world *world, struct sim_call *call)
{
    struct sim_host *host = call->host;
    bool was_on = host->on;
    sim_call_effect(world, call);
    /* cppcheck-suppress incorrectLogicOperator ; the call between may switch it off */
    if (was_on && !host->on && call->bmc == BMC_TWICE) { /* Nobody expects that any more. */
        sim_host_break(world, host,
                       &(struct sim_break){.cure = CURE_CYCLE,
                                           .type = "host.unreachable",
                                           .severity = SEVERITY_CRITICAL,
                                           .tell_ms = ANSWER_MS});
    }
}

/* ---- beginning --------------------------------------------------------------------------------
 */

static enum sim_bmc bmc_of(struct sim_host *host, const struct verb *verb)
{
    static const enum sim_bmc unsure[] = {BMC_WELL,          BMC_SILENT,    BMC_ONE_WAY, BMC_BUSY,
                                          BMC_AFTER_TIMEOUT, BMC_TRUNCATED, BMC_WELL,    BMC_LATE};
    if (host == NULL || verb->binding != BINDING_BMC) {
        return BMC_WELL;
    }
    if (host->bmc == BMC_UNSURE) {
        return unsure[sim_random_of(&host->random, 8)];
    }
    if (host->bmc == BMC_DIES_WITH_HOST && !host->on) {
        return BMC_SILENT;
    }
    if (host->bmc == BMC_DENIES && verb->effect == NSH_READS) {
        return BMC_WELL;
    }
    return host->bmc;
}

void sim_stamp_take(struct sim_world *world, struct sim_host *host)
{
    if (host->interrupts_count == SIM_INTERRUPTS_KEPT) {
        memmove(host->interrupts, host->interrupts + 1,
                (SIM_INTERRUPTS_KEPT - 1) * sizeof host->interrupts[0]);
        host->interrupts_count--;
    }
    host->interrupts[host->interrupts_count++] = world->now_ms;
    world->stamps[world->stamps_count++ % SIM_STAMPS_KEPT] =
        (struct sim_stamp){world->now_ms, host, host->rack};
}

static void host_takes(struct sim_world *world, struct sim_call *call)
{
    struct sim_host *host = call->host;
    if (is_power(call)) {
        host->off_seen = false;
    }
    if (call->interrupts) {
        host->interrupting = call;
        host->interrupting_rack = host->rack;
        host->orders_since++;
        sim_stamp_take(world, host);
        world->report->orders++;
        if (host->outcome != NULL && host->broken) {
            host->outcome->orders++;
        }
        if (host->cure == CURE_DIES) {
            host->cure = CURE_NONE;
        }
    }
}

static int64_t answer_in(struct sim_call *call, uint32_t timeout_ms)
{
    uint64_t *random = call->host == NULL ? NULL : &call->host->random;
    if (bmc_rows[call->bmc].never) {
        return timeout_ms;
    }
    if (random == NULL) {
        return 500;
    }
    if (call->bmc == BMC_LATE) {
        return (int64_t)(timeout_ms - timeout_ms / 5 + sim_random_of(random, timeout_ms / 5));
    }
    return sim_spread(random, ANSWER_MS);
}

static void call_cancel(struct sim_world *world, struct sim_call *call)
{
    if (call != NULL && !call->answered && !call->cancelled) {
        call->cancelled = true;
        sim_plan(world, 100, (struct sim_event){.kind = SIM_DO_ANSWER, .call = call});
    }
}

void sim_call_start(struct sim_world *world, const struct engine_call *from)
{
    struct sim_call *call = sim_call_of(world, from->action);
    if (from->cancel) {
        call_cancel(world, call);
        return;
    }
    struct sim_host *host = from->host.count == 0 ? NULL : sim_host_of(world, from->host);
    const struct verb *verb = verb_find(from->verb);
    sim_check_call(world, from, host, verb);
    if (call != NULL || verb == NULL || (host == NULL && from->host.count > 0)) {
        return; /* A violation: it was noted. */
    }
    call = calloc(1, sizeof *call);
    NSH_ASSERT(call != NULL && from->action.count < sizeof call->action);
    memcpy(call->action, from->action.at, from->action.count);
    call->host = host;
    call->verb = verb;
    call->life = world->life;
    call->sent_ms = world->now_ms;
    call->interrupts = host != NULL && verb->effect >= NSH_INTERRUPTS;
    call->bmc = bmc_of(host, verb);
    call_forget(world, from->action);
    NSH_ASSERT(map_set(&world->calls, text_of(call->action), call) == 0);
    if (host != NULL) {
        host_takes(world, call);
    }
    sim_plan(world, answer_in(call, from->timeout_ms),
             (struct sim_event){.kind = SIM_DO_ANSWER, .call = call});
    if (call->interrupts && world->kill_at == KILL_CALL) {
        sim_kill_later(world);
    }
}

/* ---- ending -----------------------------------------------------------------------------------
 */

static bool effect_now(struct sim_world *world, struct sim_call *call)
{
    uint32_t done = call->cancelled ? 500 : bmc_rows[call->bmc].done;
    bool now = sim_chance(call->host, done);
    if (now) {
        sim_call_effect(world, call);
    }
    if (call->bmc == BMC_AFTER_TIMEOUT || (now && call->bmc == BMC_TWICE)) {
        sim_plan(world, sim_spread(&call->host->random, AFTERWARDS_MS),
                 (struct sim_event){.kind = SIM_DO_EFFECT, .call = call});
    }
    return now;
}

static bool power_shown(const struct sim_world *world, const struct sim_call *call)
{
    const struct sim_host *host = call->host;
    if (call->bmc == BMC_LIES_OFF || call->bmc == BMC_LIES_ON) {
        return call->bmc == BMC_LIES_ON;
    }
    bool stale = call->bmc == BMC_STALE && world->now_ms - host->shown_ms < STALE_MS;
    return stale ? host->shown_on : host->on;
}

static struct engine_result result_of(struct sim_world *world, struct sim_call *call)
{
    const struct bmc_row *row = &bmc_rows[call->bmc];
    struct engine_result result = {
        .action = text_of(call->action),
        .code = row->code,
        .effect_possible = row->possible && !reads(call),
        .text = text_of(row->text),
        .retry_after_ms = row->retry_ms,
    };
    if (call->cancelled) {
        result.code = NSH_CANCELLED;
        result.effect_possible = !reads(call);
    }
    bool probe = call->host != NULL && call->verb->binding == BINDING_OS;
    if (probe && (!call->host->on || call->host->broken)) {
        result.code = NSH_UNREACHABLE;
    }
    world->report->lost += result.effect_possible;
    world->report->refused += result.code != NSH_OK && !result.effect_possible;
    return result;
}

/* It was refused, nothing was done: that is no interrupt. */
void sim_stamp_return(struct sim_world *world, struct sim_host *host, int64_t ms)
{
    for (size_t i = host->interrupts_count; i > 0; i--) {
        if (host->interrupts[i - 1] == ms) {
            memmove(&host->interrupts[i - 1], &host->interrupts[i],
                    (host->interrupts_count - i) * sizeof host->interrupts[0]);
            host->interrupts_count--;
            break;
        }
    }
    for (size_t i = 0; i < SIM_STAMPS_KEPT; i++) {
        if (world->stamps[i].host == host && world->stamps[i].ms == ms) {
            world->stamps[i].ms = 0;
        }
    }
}

/* What the daemon hears of it, and what the world then holds it to know. */
static void host_hears(struct sim_call *call, const struct engine_result *result, bool shown)
{
    struct sim_host *host = call->host;
    if (is_power(call)) {
        host->in_doubt = result->effect_possible;
    } else if (reads(call) && call->verb->binding == BINDING_BMC && result->code == NSH_OK) {
        host->in_doubt = false;
        host->off_seen = !shown;
    }
}

void sim_call_answer(struct sim_world *world, struct sim_call *call)
{
    struct sim_host *host = call->host;
    if (call->answered) {
        return;
    }
    call->answered = true;
    if (host == NULL) {
        world->report->pages += strcmp(call->verb->name, "page") == 0;
    } else if (!reads(call)) {
        effect_now(world, call);
    }
    if (host != NULL && host->interrupting == call) {
        host->interrupting = NULL;
    }
    if (call->life != world->life) {
        return; /* Nobody is there to hear it. */
    }
    struct engine_result result = result_of(world, call);
    bool shown = host != NULL && power_shown(world, call);
    struct nsh_member power = {"power", nsh_text(shown ? "on" : "off")};
    if (host != NULL) {
        host_hears(call, &result, shown);
        if (call->interrupts && result.code != NSH_OK && !result.effect_possible) {
            sim_stamp_return(world, host, call->sent_ms);
        }
        world->report->reads += reads(call);
        if (reads(call) && result.code == NSH_OK) {
            result.result = nsh_map(&power, 1);
        }
    }
    sim_step(world, &(struct engine_input){.kind = INPUT_RESULT, .result = result});
}

void sim_calls_orphan(struct sim_world *world)
{
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        struct sim_call *call = host->interrupting;
        if (call == NULL) {
            continue;
        }
        if (bmc_rows[call->bmc].done > 0 && sim_chance(host, 500)) {
            sim_plan(world, sim_spread(&host->random, ORPHAN_MS),
                     (struct sim_event){.kind = SIM_DO_EFFECT, .call = call});
        }
        call->answered = true;
        host->interrupting = NULL;
        host->in_doubt |= is_power(call);
    }
}

/* An older store is in force: nobody can know what was ordered since. */
void sim_calls_restore(struct sim_world *world)
{
    MAP_EACH (&world->calls, entry) {
        struct sim_call *call = entry->value;
        char key[96];
        snprintf(key, sizeof key, "action/%s", call->action);
        if (map_get(&world->rows, text_of(key)) == NULL) {
            call_forget(world, text_of(call->action));
        }
    }
    for (size_t i = 0; i < world->hosts_count; i++) {
        struct sim_host *host = &world->hosts[i];
        while (host->interrupts_count > 0 &&
               host->interrupts[host->interrupts_count - 1] >= world->backup_ms) {
            host->interrupts_count--;
        }
        host->acting_run[0] = '\0';
        host->in_doubt = false;
        host->told_number = UINT64_MAX; /* All is told again. */
    }
    for (size_t i = 0; i < SIM_STAMPS_KEPT; i++) {
        if (world->stamps[i].ms >= world->backup_ms) {
            world->stamps[i].ms = 0;
        }
    }
}
