/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Budgets: interrupting actions in rolling windows (t-w, t], and how much is worked on at once, for
 * host, pool, rack and site. A policy may only tighten what the site says.
 *
 * An action counts from its intent on; it is given back only when it surely was not sent, or surely
 * did nothing.
 */

#include "engine_private.h"

#include <stdlib.h>

void ring_prune(struct ring *ring, int64_t before_ms)
{
    uint32_t gone = 0;
    while (gone < ring->count && ring->items[gone].ms <= before_ms) {
        gone++;
    }
    if (gone > 0) {
        ring->count -= gone;
        memmove(ring->items, ring->items + gone, ring->count * sizeof *ring->items);
    }
}

void ring_add(struct engine *engine, struct ring *ring, struct stamp stamp, uint32_t max)
{
    if (max != UINT32_MAX) {
        ring_prune(ring, engine->now_ms - engine->stamp_keep_ms);
    }
    if (ring->count >= max) {
        ring->count--; /* The bound is above every limit: what is lost cannot decide. */
        memmove(ring->items, ring->items + 1, ring->count * sizeof *ring->items);
    }
    if (ring->count == ring->room) {
        uint32_t room = ring->room == 0 ? 4 : ring->room * 2;
        struct stamp *grown = realloc(ring->items, room * sizeof *grown);
        if (grown == NULL) {
            engine->nomem = true;
            return;
        }
        ring->items = grown;
        ring->room = room;
    }
    ring->items[ring->count++] = stamp;
}

void ring_remove(struct ring *ring, uint64_t action)
{
    for (uint32_t i = ring->count; i > 0; i--) {
        if (ring->items[i - 1].action == action) {
            memmove(ring->items + i - 1, ring->items + i, (ring->count - i) * sizeof *ring->items);
            ring->count--;
            return;
        }
    }
}

/* Stamps of a domain are those of its hosts, in order of time. */
static int stamp_compare(const void *a, const void *b)
{
    const struct stamp *x = a, *y = b;
    if (x->ms != y->ms) {
        return x->ms < y->ms ? -1 : 1;
    }
    return x->action < y->action ? -1 : x->action > y->action;
}

void ring_settle(struct ring *ring, uint32_t max)
{
    uint32_t kept = 0;
    if (ring->count > 1) {
        qsort(ring->items, ring->count, sizeof *ring->items, stamp_compare);
    }
    for (uint32_t i = 0; i < ring->count; i++) {
        if (kept == 0 || stamp_compare(&ring->items[kept - 1], &ring->items[i]) != 0) {
            ring->items[kept++] = ring->items[i];
        }
    }
    ring->count = kept;
    if (kept > max) {
        memmove(ring->items, ring->items + (kept - max), max * sizeof *ring->items);
        ring->count = max;
    }
}

uint32_t ring_count(const struct ring *ring, int64_t now_ms, int64_t window_ms)
{
    uint32_t count = 0;
    for (uint32_t i = ring->count; i > 0 && ring->items[i - 1].ms > now_ms - window_ms; i--) {
        count++;
    }
    return count;
}

void budget_take(struct engine *engine, struct action *action)
{
    struct host_state *host = action->run->host;
    if (host == NULL || action->verb->effect < NSH_INTERRUPTS || action->stamped) {
        return;
    }
    struct stamp stamp = {.ms = engine->now_ms, .action = action->number};
    action->stamped = true;
    ring_add(engine, &host->interrupts, stamp, HOST_STAMPS_MAX);
    for (uint32_t i = 0; i < host->domains_count; i++) {
        ring_add(engine, &host->domains[i]->interrupts, stamp, STAMPS_MAX);
    }
    host_touch(engine, host);
}

void budget_return(struct engine *engine, struct action *action)
{
    struct host_state *host = action->run->host;
    if (!action->stamped || host == NULL) {
        return;
    }
    action->stamped = false;
    ring_remove(&host->interrupts, action->number);
    for (uint32_t i = 0; i < host->domains_count; i++) {
        ring_remove(&host->domains[i]->interrupts, action->number);
    }
    for (uint32_t i = 0; i < host->moved.stamps_count; i++) {
        if (host->moved.stamps[i].action == action->number) {
            ring_remove(&host->moved.stamps[i].domain->interrupts, action->number);
        }
    }
    host_stamps_drop(host, action->number);
    host_touch(engine, host);
}

void budget_window(struct textbuf *text, int64_t window_ms)
{
    if (window_ms > HOUR_MS && window_ms <= 3 * DAY_MS && window_ms % HOUR_MS == 0) {
        textbuf_addf(text, "%lldh", (long long)(window_ms / HOUR_MS)); /* People say 24h. */
    } else {
        textbuf_add_duration(text, window_ms);
    }
}

uint32_t pool_concurrent_max(const struct engine *engine, const struct domain_state *pool)
{
    uint64_t max = (uint64_t)pool->hosts_count * engine->guards->pool_percent_max / 100;
    return max < 1 ? 1 : (uint32_t)max;
}

/* One window of one ring. The text becomes the blocking one, or a list of all. */
static bool rate_passes(struct engine *engine, const struct ring *ring, struct text where,
                        const struct policy_rate *rate, struct textbuf *text)
{
    uint32_t count = ring_count(ring, engine->now_ms, rate->window_ms);
    bool passes = count < rate->count;
    if (!passes) {
        textbuf_clear(text);
    }
    textbuf_addf(text, "%s%u of %u interrupts in %.*s in ", text->count == 0 ? "" : ", ", count,
                 rate->count, PT(where));
    budget_window(text, rate->window_ms);
    return passes;
}

static bool site_rates_pass(struct engine *engine, const struct domain_state *domain,
                            struct textbuf *text)
{
    const struct policy_guards *guards = engine->guards;
    uint32_t percent = pool_concurrent_max(engine, domain);
    const struct policy_rate rates[] = {
        {"rack", guards->rack_10min_max, 10 * MINUTE_MS},
        {"rack", guards->rack_1h_max, HOUR_MS},
        {"rack", guards->rack_24h_max, DAY_MS},
        {"pool", guards->pool_10min_max == 0 ? percent : guards->pool_10min_max, 10 * MINUTE_MS},
        {"pool", guards->pool_1h_max == 0 ? percent : guards->pool_1h_max, HOUR_MS},
        {"pool", guards->pool_24h_max == 0 ? percent : guards->pool_24h_max, DAY_MS},
        {"site", guards->site_10min_max, 10 * MINUTE_MS},
        {"site", guards->site_1h_max, HOUR_MS},
        {"site", guards->site_24h_max, DAY_MS},
    };
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        if (strcmp(rates[i].kind, domain->kind) == 0 &&
            !rate_passes(engine, &domain->interrupts, domain->key, &rates[i], text)) {
            return false;
        }
    }
    return true;
}

bool budget_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct host_state *host = ask->host;
    if (host == NULL && (ask->stage & STAGE_LEASE) != 0) {
        return site_rates_pass(engine, ask->domain, text);
    }
    if (host == NULL) {
        textbuf_add_chars(text, "no host");
        return true;
    }
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (!site_rates_pass(engine, host->domains[i], text)) {
            return false;
        }
    }
    const struct policy_limits *limits = &ask->policy->limits;
    for (size_t r = 0; r < limits->rates_count; r++) {
        const struct policy_rate *rate = &limits->rates[r];
        if (strcmp(rate->kind, "host") == 0 &&
            !rate_passes(engine, &host->interrupts, host->key, rate, text)) {
            return false;
        }
        for (uint32_t i = 0; i < host->domains_count; i++) {
            const struct domain_state *domain = host->domains[i];
            if (strcmp(rate->kind, domain->kind) == 0 &&
                !rate_passes(engine, &domain->interrupts, domain->key, rate, text)) {
                return false;
            }
        }
    }
    return true;
}

/* The tighter of what the site and the policy say; UINT32_MAX: nobody says anything. */
static uint32_t concurrent_max(const struct engine *engine, const struct policy *policy,
                               const struct domain_state *domain)
{
    uint32_t max = UINT32_MAX;
    if (strcmp(domain->kind, "rack") == 0) {
        max = engine->guards->rack_concurrent_max;
    } else if (strcmp(domain->kind, "site") == 0) {
        max = engine->guards->site_concurrent_max;
    } else if (strcmp(domain->kind, "pool") == 0) {
        max = pool_concurrent_max(engine, domain);
    }
    for (size_t i = 0; i < policy->limits.concurrent_count; i++) {
        const struct policy_concurrent *limit = &policy->limits.concurrent[i];
        if (strcmp(limit->kind, domain->kind) == 0 && limit->count < max) {
            max = limit->count;
        }
    }
    return max;
}

static bool counts_in(const struct host_state *host, const struct domain_state *domain)
{
    for (uint32_t i = 0; i < host->domains_count; i++) {
        if (host->domains[i] == domain) {
            return true;
        }
    }
    for (uint32_t i = 0; i < host->moved.left_count; i++) {
        if (host->moved.left[i] == domain) {
            return true;
        }
    }
    return false;
}

static bool disturbs(const struct run *run)
{
    const struct action *action = run->action;
    return action != NULL && action->verb->effect >= NSH_INTERRUPTS && action->state < ACTION_DONE;
}

/*
 * A run that counts already goes on; but hosts can be moved together while they are worked on.
 * Then one at a time goes on, the oldest first; what restores does not wait for the oldest.
 */
static const struct run *goes_before(const struct engine *engine, const struct ask *ask,
                                     const struct domain_state *domain)
{
    bool older = !ask->verb->restores;
    for (const struct run *run = engine->runs_first; run != NULL; run = run->next) {
        if (run == ask->run || run == ask->run->parent) {
            older = false;
            continue;
        }
        bool here = run->host != NULL && run->host != ask->host && counts_in(run->host, domain);
        if (here && (disturbs(run) || (older && run->interrupting))) {
            return run;
        }
    }
    return NULL;
}

static bool concurrent_goes_on(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    for (uint32_t i = 0; ask->host != NULL && i < ask->host->domains_count; i++) {
        const struct domain_state *domain = ask->host->domains[i];
        uint32_t max = concurrent_max(engine, ask->policy, domain);
        const struct run *other = domain->runs > max ? goes_before(engine, ask, domain) : NULL;
        if (other != NULL) {
            textbuf_clear(text);
            textbuf_addf(text, "%u of %u hosts worked on in %s: %s goes first", domain->runs, max,
                         domain->key.at, other->id);
            return false;
        }
    }
    textbuf_add_chars(text, "counted already");
    return true;
}

bool concurrent_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    bool alone = ask->host == NULL && (ask->stage & STAGE_LEASE) != 0;
    if (ask->stage == STAGE_INTEND) {
        return concurrent_goes_on(engine, ask, text);
    }
    uint32_t count = alone ? 1 : ask->host == NULL ? 0 : ask->host->domains_count;
    for (uint32_t i = 0; i < count; i++) {
        struct domain_state *domain = alone ? ask->domain : ask->host->domains[i];
        uint32_t max = concurrent_max(engine, ask->policy, domain);
        if (max == UINT32_MAX) {
            continue;
        }
        bool passes = domain->runs < max;
        if (!passes) {
            textbuf_clear(text);
        }
        textbuf_addf(text, "%s%u of %u hosts worked on in %s", text->count == 0 ? "" : ", ",
                     domain->runs, max, domain->key.at);
        if (!passes) {
            leases_in(engine, domain, text);
            ask->wait_on = &domain->waiting;
            return false;
        }
    }
    return true;
}

void concurrent_take(struct engine *engine, struct run *run)
{
    NSH_ASSERT(!run->interrupting);
    run->interrupting = true;
    if (run->host != NULL) {
        host_counts(engine, run->host, 1);
        host_touch(engine, run->host);
    }
}

void concurrent_return(struct engine *engine, struct run *run)
{
    if (!run->interrupting) {
        return;
    }
    run->interrupting = false;
    if (run->host != NULL) {
        host_counts(engine, run->host, -1);
    }
}
