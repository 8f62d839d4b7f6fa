/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must never happen, looked at from outside the engine: when a call leaves, and when the world
 * has been quiet for two hours. Each check knows only the world, never what the engine thought.
 */

#include "sim/sim_private.h"

#include <stdarg.h>
#include <stdio.h>

#define DAY_MS (24 * SIM_HOUR_MS)
#define SETTLE_GRACE_MS 2000 /* Alarms that came this recently may not have been looked at. */

void sim_violation(struct sim_world *world, const char *format, ...)
{
    if (world->report->violation[0] != '\0') {
        return;
    }
    world->report->violated_ms = world->now_ms - SIM_EPOCH_MS;
    char *text = world->report->violation;
    size_t room = sizeof world->report->violation;
    int used =
        snprintf(text, room, "seed %llu at %lld ms: ", (unsigned long long)world->options->seed,
                 (long long)(world->now_ms - SIM_EPOCH_MS));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, room - (size_t)used, format, arguments);
    va_end(arguments);
}

static const struct policy_guards *limits_of(const struct sim_world *world)
{
    return world->options->limits != NULL ? world->options->limits
                                          : &world->options->policies->defaults.guards;
}

/* An order leaves only when its intent is durable, and only once, ever. */
static void check_intent(struct sim_world *world, const struct engine_call *call,
                         const struct verb *verb)
{
    char key[96];
    snprintf(key, sizeof key, "action/%.*s", (int)call->action.count, call->action.at);
    const struct sim_row *row = map_get(&world->rows, text_of(key));
    bool reads = verb != NULL && verb->effect == NSH_READS; /* Looking needs no intent. */
    if (row == NULL && !reads) {
        sim_violation(world, "%s leaves without a durable intent", key);
    }
    if (sim_call_of(world, call->action) != NULL) {
        sim_violation(world, "%s is sent twice", key);
    }
    if (!world->store_ok) {
        sim_violation(world, "%s leaves while the store is failing", key);
    }
}

/* ---- budgets ----------------------------------------------------------------------------------
 */

static uint32_t interrupts_since(const struct sim_world *world, int64_t since_ms, const char *rack,
                                 const char *pool)
{
    uint32_t found = 0;
    uint64_t count = world->stamps_count < SIM_STAMPS_KEPT ? world->stamps_count : SIM_STAMPS_KEPT;
    for (uint64_t i = 1; i <= count; i++) { /* Newest first. */
        const struct sim_stamp *stamp = &world->stamps[(world->stamps_count - i) % SIM_STAMPS_KEPT];
        if (stamp->ms <= since_ms) {
            if (stamp->ms == 0) { /* Forgotten with an older store. */
                continue;
            }
            break;
        }
        const char *theirs = stamp->host->host->pool;
        found += (rack == NULL || strcmp(stamp->host->rack, rack) == 0 ||
                  strcmp(stamp->rack, rack) == 0) &&
                 (pool == NULL || (theirs != NULL && strcmp(theirs, pool) == 0));
    }
    return found;
}

static void check_window(struct sim_world *world, const struct sim_host *host, const char *rack,
                         const uint32_t most[3])
{
    static const int64_t lengths[] = {10 * SIM_MINUTE_MS, SIM_HOUR_MS, DAY_MS};
    for (size_t i = 0; i < 3; i++) {
        uint32_t count = interrupts_since(world, world->now_ms - lengths[i], rack, NULL);
        if (most[i] > 0 && count >= most[i]) {
            sim_violation(world, "%s: interrupt number %u of %s%s in %lld min", host->name,
                          count + 1, rack == NULL ? "the site" : "rack ", rack == NULL ? "" : rack,
                          (long long)(lengths[i] / SIM_MINUTE_MS));
        }
    }
}

static void check_host_budget(struct sim_world *world, const struct sim_host *host)
{
    const struct policy_guards *guards = limits_of(world);
    uint32_t recent = 0;
    for (size_t i = 0; i < host->interrupts_count; i++) {
        recent += host->interrupts[i] > world->now_ms - guards->host_interrupts_ms;
    }
    if (recent >= guards->host_interrupts_max) {
        sim_violation(world, "%s: interrupt number %u in 24 h", host->name, recent + 1);
    }
}

static void check_budgets(struct sim_world *world, const struct sim_host *host)
{
    const struct policy_guards *guards = limits_of(world);
    check_host_budget(world, host);
    check_window(
        world, host, NULL,
        (const uint32_t[]){guards->site_10min_max, guards->site_1h_max, guards->site_24h_max});
    check_window(
        world, host, host->rack,
        (const uint32_t[]){guards->rack_10min_max, guards->rack_1h_max, guards->rack_24h_max});
    uint32_t here = 0, everywhere = 0;
    for (size_t i = 0; i < world->hosts_count; i++) {
        const struct sim_host *other = &world->hosts[i];
        bool leased = other->lease.ms != 0 && world->now_ms < other->lease.until_ms;
        bool runs = other->interrupting != NULL || leased;
        bool was_here =
            other->interrupting != NULL && strcmp(other->interrupting_rack, host->rack) == 0;
        here += runs && (strcmp(other->rack, host->rack) == 0 || was_here);
        everywhere += runs;
    }
    if (here >= guards->rack_concurrent_max) {
        sim_violation(world, "rack %s: %u interrupting orders at once", host->rack, here + 1);
    }
    if (everywhere >= guards->site_concurrent_max) {
        sim_violation(world, "%u interrupting orders at once", everywhere + 1);
    }
}

static bool host_counts(const struct sim_world *world, const struct sim_host *host,
                        int64_t window_ms)
{
    return host->broken && host->late_ms == 0 && host->told_ms >= host->broken_ms &&
           host->broken_ms > world->now_ms - window_ms && host->known &&
           host->told_ms < world->now_ms - SETTLE_GRACE_MS;
}

static void check_brake(struct sim_world *world, const struct sim_host *host)
{
    const struct policy_guards *guards = limits_of(world);
    uint32_t broken = 0, size = 0;
    for (size_t i = 0; i < world->hosts_count; i++) {
        const struct sim_host *other = &world->hosts[i];
        if (strcmp(other->rack, host->rack) == 0) {
            size++;
            broken += host_counts(world, other, guards->brake_window_ms);
        }
    }
    uint32_t brake = size * guards->brake_percent / 100;
    brake = brake < guards->brake_hosts_min ? guards->brake_hosts_min : brake;
    if (broken > brake && world->now_ms >= world->brake_excused_ms) {
        sim_violation(world, "rack %s: %s is interrupted while %u of %u hosts are broken",
                      host->rack, host->name, broken, size);
    }
}

/* ---- who stops everything ---------------------------------------------------------------------
 */

static bool freezes(const struct sim_freeze *freeze, const struct sim_host *host)
{
    switch (freeze->of) {
    case FREEZE_ALL:
        return true;
    case FREEZE_RACK:
        return strcmp(freeze->rack, host->rack) == 0;
    case FREEZE_HOST:
        return freeze->host == host;
    }
    return false;
}

static void check_stops(struct sim_world *world, const struct sim_host *host,
                        const struct verb *verb)
{
    for (size_t i = 0; i < world->freezes_count; i++) {
        if (world->now_ms < world->freezes[i].until_ms && freezes(&world->freezes[i], host)) {
            sim_violation(world, "%s on %s, which is frozen", verb->name, host->name);
        }
    }
    if (world->blind) {
        sim_violation(world, "%s on %s while a source is silent", verb->name, host->name);
    }
    if (host->maintenance) {
        sim_violation(world, "%s on %s, which is in maintenance", verb->name, host->name);
    }
    if (host->lease.ms != 0 && world->now_ms < host->lease.until_ms) {
        sim_violation(world, "%s on %s, which is leased", verb->name, host->name);
    }
    if (host->hold.ms != 0) {
        sim_violation(world, "%s on %s, which a person holds", verb->name, host->name);
    }
    if (host->late_ms > 0 && host->fresh_ms < host->late_ms) {
        sim_violation(world, "%s on %s, of which only old things were told", verb->name,
                      host->name);
    }
}

/* ---- who was asked ----------------------------------------------------------------------------
 */

/* So many persons, or so long, before a policy of the simulated world may act: sim_policies.h. */
static const struct asked_row {
    const char *policy;
    uint32_t persons;
    int64_t after_ms; /* Then it may without them; 0: never. */
} asked_rows[] = {
    {"ask-one", 1, 0},
    {"ask-two", 2, 0},
    {"ask-nobody", 1, 5 * SIM_MINUTE_MS},
    {"vetoable", 1, 2 * SIM_MINUTE_MS},
};

static void check_asked(struct sim_world *world, const struct sim_host *host, const char *id)
{
    char key[96];
    snprintf(key, sizeof key, "run/%s", id);
    const struct sim_row *run = map_get(&world->rows, text_of(key));
    const struct sim_said *said = map_get(&world->said, text_of(id));
    for (size_t i = 0; run != NULL && i < sizeof asked_rows / sizeof asked_rows[0]; i++) {
        const struct asked_row *row = &asked_rows[i];
        if (!text_is(run->record.policy, row->policy)) {
            continue;
        }
        uint32_t yes = 0;
        for (size_t k = 0; said != NULL && k < SIM_PERSONS; k++) {
            yes += said->yes[k].ms != 0;
        }
        bool waited = row->after_ms > 0 && world->now_ms - run->first_ms >= row->after_ms;
        if (yes < row->persons && !waited) {
            sim_violation(world, "%s acts on %s after %u of %u persons said yes", id, host->name,
                          yes, row->persons);
        }
        if (said != NULL && said->no.ms != 0) {
            sim_violation(world, "%s acts on %s after a person said no", id, host->name);
        }
    }
}

/* ---- one run, fresh intents -------------------------------------------------------------------
 */

static bool is_over(enum record_kind kind, struct text state)
{
    static const char *const run[] = {"done", "escalated", "refused", "expired", "cancelled", NULL};
    static const char *const action[] = {"done",    "verified",  "failed",
                                         "refused", "cancelled", NULL};
    const char *const *words = kind == RECORD_RUN ? run : kind == RECORD_ACTION ? action : NULL;
    for (; words != NULL && *words != NULL; words++) {
        if (text_is(state, *words)) {
            return true;
        }
    }
    return false;
}

static void run_of(const struct sim_row *row, char id[32])
{
    static const char member[] = "\"run\":\"";
    const char *at = row == NULL ? NULL : strstr(row->record.body.at, member);
    size_t count = at == NULL ? 0 : strcspn(at + sizeof member - 1, "\"");
    if (count > 0 && count < 31) {
        memcpy(id, at + sizeof member - 1, count);
    }
}

/* One that ended without knowing told a person. */
static bool run_lives(struct sim_world *world, const char *id)
{
    char key[96];
    snprintf(key, sizeof key, "run/%s", id);
    const struct sim_row *run = map_get(&world->rows, text_of(key));
    return run != NULL && !is_over(RECORD_RUN, run->record.state);
}

static void check_run(struct sim_world *world, const struct engine_call *call,
                      struct sim_host *host)
{
    char key[96], id[32] = {0};
    const struct policy_guards *guards = limits_of(world);
    snprintf(key, sizeof key, "action/%.*s", (int)call->action.count, call->action.at);
    const struct sim_row *action = map_get(&world->rows, text_of(key));
    run_of(action, id);
    if (action != NULL && world->now_ms - action->first_ms > guards->intent_max_age_ms) {
        sim_violation(world, "%s leaves %lld s after its intent", key,
                      (long long)(world->now_ms - action->first_ms) / 1000);
    }
    if (strcmp(host->acting_run, id) != 0 && run_lives(world, host->acting_run)) {
        sim_violation(world, "%s acts on %s while %s does", id, host->name, host->acting_run);
    }
    memcpy(host->acting_run, id, sizeof id);
    check_asked(world, host, id);
}

void sim_check_record(struct sim_world *world, const struct sim_row *old, const struct sim_row *row)
{
    enum record_kind kind = row->record.kind;
    if (old == NULL || (kind != RECORD_RUN && kind != RECORD_ACTION)) {
        return;
    }
    if (is_over(kind, old->record.state) && !text_equal(old->record.state, row->record.state)) {
        sim_violation(world, "%s was %.*s and is now %.*s", row->key, (int)old->record.state.count,
                      old->record.state.at, (int)row->record.state.count, row->record.state.at);
    }
}

/* ---- a call leaves ----------------------------------------------------------------------------
 */

static void check_interrupt(struct sim_world *world, struct sim_host *host, const struct verb *verb)
{
    if (host->interrupting != NULL) {
        sim_violation(world, "%s on %s while another order runs", verb->name, host->name);
    }
    if (strcmp(verb->name, "evacuate") == 0 && !host->off_seen) {
        sim_violation(world, "evacuate of %s, which was not seen off", host->name);
    }
    check_stops(world, host, verb);
    check_budgets(world, host);
    check_brake(world, host);
    world->report->wrong += !host->broken && host->alarmed_ms < host->told_ms &&
                            host->told_ms < world->now_ms - SETTLE_GRACE_MS;
}

void sim_check_lease(struct sim_world *world, struct sim_host *host)
{
    static const struct verb lease = {.name = "a lease"};
    int64_t late_ms = host->late_ms;
    if (host->interrupting != NULL) {
        sim_violation(world, "a lease of %s while an order runs", host->name);
    }
    if (run_lives(world, host->acting_run)) {
        sim_violation(world, "a lease of %s while %s acts on it", host->name, host->acting_run);
    }
    host->late_ms = 0; /* Whoever leases it knows what he does. */
    check_stops(world, host, &lease);
    host->late_ms = late_ms;
    check_budgets(world, host);
    check_brake(world, host);
}

void sim_check_call(struct sim_world *world, const struct engine_call *call, struct sim_host *host,
                    const struct verb *verb)
{
    check_intent(world, call, verb);
    if (verb == NULL || (call->host.count > 0 && host == NULL)) {
        sim_violation(world, "a call of %.*s on %.*s", (int)call->verb.count, call->verb.at,
                      (int)call->host.count, call->host.at);
        return;
    }
    if (verb->binding == BINDING_NONE) {
        return;
    }
    if (host == NULL) {
        sim_violation(world, "%s without a host", verb->name);
        return;
    }
    if (verb->effect == NSH_READS) {
        return;
    }
    if (host->in_doubt && run_lives(world, host->acting_run)) {
        sim_violation(world, "%s on %s, whose last order is in doubt, before anybody looked",
                      verb->name, host->name);
    }
    check_run(world, call, host);
    if (verb->effect >= NSH_INTERRUPTS) {
        check_interrupt(world, host, verb);
    }
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* Since then there was a decision about it, or a run ended. */
static bool cared_for(struct sim_world *world, const struct sim_host *host, int64_t since_ms)
{
    size_t count = strlen(host->name_first);
    MAP_EACH (&world->rows, entry) {
        const struct record *record = &((struct sim_row *)entry->value)->record;
        if ((record->kind == RECORD_RUN || record->kind == RECORD_DECISION) &&
            record->time_ms >= since_ms && text_starts(record->host, host->name_first) &&
            (record->host.count == count || record->host.at[count] == '-')) {
            return true;
        }
    }
    return false;
}

static void check_rest(struct sim_world *world)
{
    MAP_EACH (&world->rows, entry) {
        const struct record *record = &((struct sim_row *)entry->value)->record;
        bool ends = record->kind == RECORD_RUN || record->kind == RECORD_ACTION;
        if (ends && !is_over(record->kind, record->state)) {
            sim_violation(world, "after %lld quiet hours %.*s is %.*s",
                          (long long)(SIM_QUIET_MS / SIM_HOUR_MS), (int)record->id.count,
                          record->id.at, (int)record->state.count, record->state.at);
        }
    }
}

/* Nothing hangs: with the world quiet every run and action has ended, and who is still broken had a
 * page. */
void sim_check_end(struct sim_world *world)
{
    check_rest(world);
    for (size_t i = 0; i < world->hosts_count; i++) {
        const struct sim_host *host = &world->hosts[i];
        if (!host->on && !cared_for(world, host, host->off_ms)) {
            sim_violation(world, "%s was left off", host->name);
        }
        if (host->broken && !host->stuck && !cared_for(world, host, host->care_ms)) {
            sim_violation(world, "%s broke at %lld ms, and nothing was decided, run or told",
                          host->name, (long long)(host->broken_ms - SIM_EPOCH_MS));
        }
    }
}
