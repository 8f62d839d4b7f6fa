/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worst case of a set: how many hosts of a rack, of a pool, of a site its policies may
 * interrupt within ten minutes, when everything breaks at once. From the policies' own limits and
 * the site's guards; above `guards.worst_case` the set is refused. Not counted on: the storm brake,
 * and that work takes time.
 */

#include "policy/policy_private.h"

#include "base/assert.h"

#define WINDOW_MS (10LL * 60 * 1000)

/* Of one policy in one kind of domain; UINT32_MAX: nothing bounds it. */
struct bound {
    uint32_t hosts;
    const struct policy_rate *rate; /* What bounds it; NULL: nothing of its own. */
};

static const char *const kinds[POLICY_WORST_COUNT] = {"rack", "pool", "site"};

static enum nsh_effect worst_effect(const struct policy_step *steps, size_t count)
{
    enum nsh_effect worst = NSH_READS;
    for (size_t i = 0; i < count; i++) {
        const struct verb *verb = steps[i].kind == STEP_ACT ? steps[i].verb : NULL;
        if (verb != NULL && verb->binding != BINDING_NONE && verb->effect > worst) {
            worst = verb->effect;
        }
    }
    return worst;
}

/* It acts, and what it does takes hosts away. */
static bool interrupts(const struct policy *policy)
{
    return policy->mode >= POLICY_APPROVE &&
           (worst_effect(policy->steps, policy->steps_count) >= NSH_INTERRUPTS ||
            worst_effect(policy->otherwise, policy->otherwise_count) >= NSH_INTERRUPTS);
}

/* So many may fall into ten minutes: "2 in 1m" fits ten times. */
static uint32_t in_window(const struct policy_rate *rate)
{
    if (rate->window_ms >= WINDOW_MS) {
        return rate->count;
    }
    uint64_t times = (uint64_t)((WINDOW_MS + rate->window_ms - 1) / rate->window_ms);
    uint64_t hosts = times * rate->count;
    return hosts > UINT32_MAX ? UINT32_MAX : (uint32_t)hosts;
}

/* What bounds the site bounds its racks and pools. */
static struct bound bound_of(const struct policy *policy, const char *kind)
{
    struct bound bound = {.hosts = UINT32_MAX};
    for (size_t i = 0; i < policy->limits.rates_count; i++) {
        const struct policy_rate *rate = &policy->limits.rates[i];
        bool counts = strcmp(rate->kind, kind) == 0 || strcmp(rate->kind, "site") == 0;
        if (counts && in_window(rate) < bound.hosts) {
            bound = (struct bound){in_window(rate), rate};
        }
    }
    return bound;
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t least = UINT32_MAX; /* 0: says nothing. */
    least = a > 0 && a < least ? a : least;
    least = b > 0 && b < least ? b : least;
    return c > 0 && c < least ? c : least;
}

static uint32_t site_guard(const struct policy_guards *guards)
{
    return least(guards->site_10min_max, guards->site_1h_max, guards->site_24h_max);
}

static uint32_t guard_of(const struct policy_guards *guards, enum policy_worst_kind kind)
{
    uint32_t own = kind == POLICY_WORST_RACK
                       ? least(guards->rack_10min_max, guards->rack_1h_max, guards->rack_24h_max)
                   : kind == POLICY_WORST_POOL
                       ? least(guards->pool_10min_max, guards->pool_1h_max, guards->pool_24h_max)
                       : UINT32_MAX;
    uint32_t site = site_guard(guards);
    return own < site ? own : site;
}

static uint32_t limit_of(const struct policy_guards *guards, enum policy_worst_kind kind)
{
    return kind == POLICY_WORST_RACK   ? guards->worst_rack_max
           : kind == POLICY_WORST_POOL ? guards->worst_pool_max
                                       : guards->worst_site_max;
}

static void tell_policies(struct policy_loader *loader, const char *kind)
{
    uint32_t told = 0;
    for (size_t i = 0; i < loader->set->policies_count; i++) {
        const struct policy *policy = &loader->set->policies[i];
        if (!interrupts(policy) || told++ >= POLICY_WORST_NAMED_MAX) {
            continue;
        }
        struct bound bound = bound_of(policy, kind);
        if (bound.rate == NULL) {
            diag_add(loader->diags, DIAG_NOTE, policy->at,
                     "limits = { rates = { site = \"2 in 10m\"; }; };",
                     "policy %s: as many as the site's guards let it, by no limit of its own",
                     policy->name);
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf window = {0};
        textbuf_add_duration(&window, bound.rate->window_ms);
        diag_add(loader->diags, DIAG_NOTE, policy->at, NULL,
                 "policy %s: %u in 10m, by rates %s = \"%u in %s\"", policy->name, bound.hosts,
                 bound.rate->kind, bound.rate->count, window.at == NULL ? "" : window.at);
    }
}

static void judge(struct policy_loader *loader, const struct policy_worst *worst)
{
    const struct policy_guards *guards = &loader->set->defaults.guards;
    if (worst->hosts <= worst->limit) {
        return;
    }
    diag_add(loader->diags, DIAG_ERROR, policy_guard_place(guards, POLICY_GUARD_WORST),
             "tighten `limits.rates` of the policies, or `guards.rates`; or raise "
             "`guards.worst_case`",
             "at worst %u hosts of a %s are interrupted within 10m, more than worst_case %s = %u "
             "(%s)",
             worst->hosts, worst->kind, worst->kind, worst->limit,
             worst->by_guard ? "by the site's guards" : "by the limits of the policies");
    tell_policies(loader, worst->kind);
}

void policy_worst_find(struct policy_loader *loader)
{
    struct policy_set *set = loader->set;
    for (int k = 0; k < POLICY_WORST_COUNT; k++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < set->policies_count; i++) {
            if (interrupts(&set->policies[i])) {
                sum += bound_of(&set->policies[i], kinds[k]).hosts;
            }
        }
        uint32_t guard = guard_of(&set->defaults.guards, (enum policy_worst_kind)k);
        bool by_guard = guard < sum;
        set->worst[k] = (struct policy_worst){
            .kind = kinds[k],
            .hosts = by_guard ? guard : (uint32_t)sum,
            .limit = limit_of(&set->defaults.guards, (enum policy_worst_kind)k),
            .by_guard = by_guard,
        };
        judge(loader, &set->worst[k]);
    }
}

void policy_add_worst(struct textbuf *out, const struct policy_set *set)
{
    textbuf_add_chars(out, ",\"worst_case\":[");
    for (int k = 0; k < POLICY_WORST_COUNT; k++) {
        const struct policy_worst *worst = &set->worst[k];
        textbuf_addf(out, "%s{\"domain\":\"%s\",\"hosts_in_10m\":%u,\"limit\":%u,\"by\":\"%s\"}",
                     k == 0 ? "" : ",", worst->kind, worst->hosts, worst->limit,
                     worst->by_guard ? "guards" : "limits");
    }
    textbuf_add_char(out, ']');
}

void policy_worst_words(struct textbuf *out, const struct policy_set *set)
{
    textbuf_add_chars(out, "worst case within 10m: ");
    for (int k = 0; k < POLICY_WORST_COUNT; k++) {
        const struct policy_worst *worst = &set->worst[k];
        textbuf_addf(out, "%s%u of %u hosts per %s%s", k == 0 ? "" : ", ", worst->hosts,
                     worst->limit, worst->kind,
                     worst->hosts == 0 ? ""
                     : worst->by_guard ? " (guards)"
                                       : " (limits)");
    }
}
