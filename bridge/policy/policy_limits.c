/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of policies and the site's guards: reading both, and refusing a policy that is looser. */

#include "policy/policy_private.h"

#define HOUR_MS (3600LL * 1000)
#define DAY_MS (24 * HOUR_MS)
#define LIMIT_COUNT_MAX 100000
#define LIMIT_WINDOW_MS_MIN 60000
#define LIMIT_WINDOW_MS_MAX (365 * DAY_MS)

static void read_concurrent(struct policy_loader *loader, struct conf *setting, void *object);
static void read_rates(struct policy_loader *loader, struct conf *setting, void *object);
static void read_witnesses(struct policy_loader *loader, struct conf *setting, void *object);

static void read_keep_ready(struct policy_loader *loader, struct conf *setting, void *object);

static const struct policy_key limits_rows[] = {
    {.name = "once_within",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_limits, once_within_ms),
     .min = 0,
     .max = LIMIT_WINDOW_MS_MAX,
     .help = "At most one run per subject in this long."},
    {.name = "concurrent",
     .kind = KEY_READ,
     .read = read_concurrent,
     .example = "concurrent = { rack = 1; }",
     .help = "Runs of this policy at the same time, by domain."},
    {.name = "rates",
     .kind = KEY_READ,
     .read = read_rates,
     .example = "rates = { rack = \"2 in 1h\"; }",
     .help = "Interrupting actions of this policy in a window, by domain."},
    {.name = "witnesses",
     .kind = KEY_READ,
     .read = read_witnesses,
     .example = "witnesses = 3;",
     .help = "Signs on different paths before a host is switched off, fenced or destroyed."},
    {.name = "keep_ready",
     .kind = KEY_READ,
     .read = read_keep_ready,
     .example = "keep_ready = \"80%\"",
     .help = "So much of the host's pool must be ready without it."},
};

const struct policy_keys policy_keys_limits = {"limits", limits_rows,
                                               sizeof limits_rows / sizeof limits_rows[0]};

static const char *const concurrent_kinds[] = {"rack", "pool", "site", "feed", "room",
                                               "row",  "pdu",  "zone", NULL};
static const char *const rate_kinds[] = {"host", "rack", "pool", "site", NULL};

/* ---- the site's side ---------------------------------------------------------------------- */

/* The site's rates as a list: the same form as a policy's. */
static size_t site_rates(const struct policy_guards *guards, struct policy_rate *rates)
{
    const struct policy_rate all[] = {
        {"host", guards->host_interrupts_max, guards->host_interrupts_ms},
        {"rack", guards->rack_10min_max, HOUR_MS / 6},
        {"rack", guards->rack_1h_max, HOUR_MS},
        {"rack", guards->rack_24h_max, DAY_MS},
        {"pool", guards->pool_10min_max, HOUR_MS / 6},
        {"pool", guards->pool_1h_max, HOUR_MS},
        {"pool", guards->pool_24h_max, DAY_MS},
        {"site", guards->site_10min_max, HOUR_MS / 6},
        {"site", guards->site_1h_max, HOUR_MS},
        {"site", guards->site_24h_max, DAY_MS},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].count > 0) {
            rates[count++] = all[i];
        }
    }
    return count;
}

/* The other line: nothing when the guard is the built-in one. */
static void tell_guard(struct policy_loader *loader, enum policy_guard guard)
{
    struct nsh_place at = policy_guard_place(&loader->set->defaults.guards, guard);
    if (at.file != NULL) {
        diag_add(loader->diags, DIAG_NOTE, at, NULL, "the site's guard is here");
    }
}

/* ---- concurrent --------------------------------------------------------------------------- */

static void check_concurrent(struct policy_loader *loader, const struct conf *setting,
                             const struct policy_concurrent *concurrent)
{
    const struct policy_guards *guards = &loader->set->defaults.guards;
    uint32_t site = strcmp(concurrent->kind, "rack") == 0   ? guards->rack_concurrent_max
                    : strcmp(concurrent->kind, "site") == 0 ? guards->site_concurrent_max
                                                            : 0;
    if (site > 0 && concurrent->count > site) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "a policy may only tighten the guards of nightshift.conf",
                 "weaker than the site's guard: at most %u at once in a %s", site,
                 concurrent->kind);
        tell_guard(loader, strcmp(concurrent->kind, "rack") == 0 ? POLICY_GUARD_CONCURRENT_RACK
                                                                 : POLICY_GUARD_CONCURRENT_SITE);
    }
}

static bool known_kind(const struct conf *setting, const char *const *kinds, struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    for (size_t i = 0; kinds[i] != NULL; i++) {
        if (strcmp(kinds[i], setting->name) == 0) {
            return true;
        }
        textbuf_addf(&remedy, "%s%s", i == 0 ? "one of: " : ", ", kinds[i]);
    }
    const char *nearest = text_nearest(text_of(setting->name), kinds);
    if (nearest != NULL) {
        textbuf_clear(&remedy);
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    }
    diag_add(diags, DIAG_ERROR, setting->at, remedy.at, "nothing is counted by '%.80s' in %s",
             setting->name, setting->parent->name);
    return false;
}

static void read_concurrent(struct policy_loader *loader, struct conf *group, void *object)
{
    struct policy_limits *limits = object;
    if (!policy_is(loader, group, CONF_GROUP, "concurrent = { rack = 1; }")) {
        return;
    }
    for (struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        if (!known_kind(setting, concurrent_kinds, loader->diags)) {
            continue;
        }
        uint32_t count = (uint32_t)conf_int(setting, 1, 1, LIMIT_COUNT_MAX, loader->diags);
        /* Kinds are unique, and there are as many as there is room for. */
        struct policy_concurrent *concurrent = &limits->concurrent[limits->concurrent_count++];
        *concurrent = (struct policy_concurrent){policy_keep(loader, setting->name), count};
        check_concurrent(loader, setting, concurrent);
    }
}

/* ---- rates -------------------------------------------------------------------------------- */

/* "2 in 24h" */
static bool rate_parse(const char *text, struct policy_rate *rate)
{
    const char *in = strstr(text, " in ");
    int64_t count = 0;
    if (in == NULL || !text_to_int((struct text){text, (uint32_t)(in - text)}, &count) ||
        !text_to_duration_ms(text_of(in + 4), &rate->window_ms)) {
        return false;
    }
    rate->count = (uint32_t)count;
    return count >= 1 && count <= LIMIT_COUNT_MAX && rate->window_ms >= LIMIT_WINDOW_MS_MIN &&
           rate->window_ms <= LIMIT_WINDOW_MS_MAX;
}

static void rate_add(struct conf *setting, const char *kind, struct policy_rates *rates,
                     struct diags *diags)
{
    struct policy_rate rate = {.kind = kind};
    const char *text = conf_text(setting, NULL, diags);
    if (text == NULL) {
        return;
    }
    if (!rate_parse(text, &rate)) {
        diag_add(diags, DIAG_ERROR, setting->value_at,
                 "such as \"2 in 24h\"; windows from 1m to 365d", "\"%.80s\" is no rate", text);
        return;
    }
    if (rates->count == rates->room) {
        diag_add(diags, DIAG_ERROR, setting->value_at, NULL, "at most %zu rates", rates->room);
        return;
    }
    rates->at[rates->count] = setting;
    rates->items[rates->count++] = rate;
}

void policy_rates_read(struct conf *group, const char *const *kinds, struct policy_rates *rates,
                       struct diags *diags)
{
    for (struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        setting->seen = true;
        if (!known_kind(setting, kinds, diags)) {
            continue;
        }
        if (setting->type != CONF_ARRAY && setting->type != CONF_LIST) {
            rate_add(setting, setting->name, rates, diags);
            continue;
        }
        for (struct conf *item = setting->first; item != NULL; item = item->next) {
            rate_add(item, setting->name, rates, diags);
        }
    }
}

/* A rate that the site's own, over at least as long a window, makes pointless: a mistake. */
static void check_rate(struct policy_loader *loader, const struct conf *setting,
                       const struct policy_rate *rate)
{
    struct policy_rate site[16];
    size_t count = site_rates(&loader->set->defaults.guards, site);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(site[i].kind, rate->kind) != 0 || site[i].window_ms < rate->window_ms ||
            site[i].count >= rate->count) {
            continue;
        }
        CLEANUP(textbuf_donep) struct textbuf window = {0};
        textbuf_add_duration(&window, site[i].window_ms);
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "a policy may only tighten the guards of nightshift.conf",
                 "weaker than the site's guard: %u in %s for a %s", site[i].count,
                 window.at == NULL ? "" : window.at, rate->kind);
        tell_guard(loader, strcmp(rate->kind, "host") == 0   ? POLICY_GUARD_RATES_HOST
                           : strcmp(rate->kind, "rack") == 0 ? POLICY_GUARD_RATES_RACK
                           : strcmp(rate->kind, "pool") == 0 ? POLICY_GUARD_RATES_POOL
                                                             : POLICY_GUARD_RATES_SITE);
        return;
    }
}

static void read_rates(struct policy_loader *loader, struct conf *group, void *object)
{
    struct policy_limits *limits = object;
    struct conf *at[sizeof limits->rates / sizeof limits->rates[0]];
    struct policy_rates rates = {limits->rates, at, 0, sizeof at / sizeof at[0]};
    if (!policy_is(loader, group, CONF_GROUP, "rates = { rack = \"2 in 1h\"; }")) {
        return;
    }
    policy_rates_read(group, rate_kinds, &rates, loader->diags);
    for (size_t i = 0; i < rates.count; i++) {
        limits->rates[i].kind = policy_keep(loader, limits->rates[i].kind);
        check_rate(loader, at[i], &limits->rates[i]);
    }
    limits->rates_count = rates.count;
}

static void read_witnesses(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_limits *limits = object;
    uint32_t site = loader->set->defaults.guards.witnesses;
    limits->witnesses = (uint32_t)conf_int(setting, site, 1, 8, loader->diags);
    if (limits->witnesses < site) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "a policy may only tighten the guards of nightshift.conf",
                 "weaker than the site's guard: %u witnesses", site);
        tell_guard(loader, POLICY_GUARD_WITNESSES);
    }
}

uint32_t policy_percent_read(struct policy_loader *loader, struct conf *setting)
{
    const char *text = conf_text(setting, NULL, loader->diags);
    size_t bytes = text == NULL ? 0 : strlen(text);
    int64_t percent = 0;
    if (text == NULL) {
        return 0;
    }
    if (bytes < 2 || text[bytes - 1] != '%' ||
        !text_to_int((struct text){text, (uint32_t)bytes - 1}, &percent) || percent < 1 ||
        percent > 100) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "from \"1%\" to \"100%\"",
                 "\"%.80s\" is no part of a pool", text);
        return 0;
    }
    return (uint32_t)percent;
}

static void read_keep_ready(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_limits *limits = object;
    uint32_t site = loader->set->defaults.guards.keep_ready;
    limits->keep_ready = policy_percent_read(loader, setting);
    if (limits->keep_ready > 0 && limits->keep_ready < site) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "a policy may only tighten the guards of nightshift.conf",
                 "weaker than the site's guard: %u%% of a pool stay ready", site);
        tell_guard(loader, POLICY_GUARD_KEEP_READY);
    }
}

void policy_limits_read(struct policy_loader *loader, struct conf *group, void *policy)
{
    struct policy *into = policy;
    if (policy_is(loader, group, CONF_GROUP, "limits = { once_within = \"6h\"; }")) {
        policy_keys_read(loader, group, &policy_keys_limits, &into->limits);
    }
}
