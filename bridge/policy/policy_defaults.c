/* SPDX-License-Identifier: Apache-2.0 */
/* The groups `defaults` and `guards` of nightshift.conf. On when nothing is said. */

#include "policy/policy_private.h"

#include "base/assert.h"

#define SECOND_MS 1000LL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define GUARD_COUNT_MAX 100000
#define WITNESSES_MAX 8
#define LADDER_RUNS_MAX 50 /* The engine remembers more than these. */

static void read_step(struct policy_loader *loader, struct conf *group, void *object);
static void read_concurrent(struct policy_loader *loader, struct conf *group, void *object);
static void read_rates(struct policy_loader *loader, struct conf *group, void *object);
static void read_brake(struct policy_loader *loader, struct conf *group, void *object);
static void read_ladder(struct policy_loader *loader, struct conf *group, void *object);
static void read_silence(struct policy_loader *loader, struct conf *group, void *object);
static void read_breaker(struct policy_loader *loader, struct conf *group, void *object);
static void read_freeze(struct policy_loader *loader, struct conf *setting, void *object);
static void read_worst(struct policy_loader *loader, struct conf *group, void *object);
static void read_keep_ready(struct policy_loader *loader, struct conf *setting, void *object);
static void read_silent_source(struct policy_loader *loader, struct conf *setting, void *object);

static const struct policy_key defaults_rows[] = {
    {.name = "mode",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy_defaults, mode),
     .words = policy_mode_words,
     .help = "Of policies that do not say."},
    {.name = "settle",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, settle_ms),
     .max = 30 * DAY_MS,
     .help = "`settle` of policies that do not say."},
    {.name = "once_within",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, guards.cooldown_ms),
     .max = 365 * DAY_MS,
     .help = "`once_within` of policies that do not say."},
    {.name = "max_age",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, guards.event_max_age_ms),
     .min = 10 * SECOND_MS,
     .max = DAY_MS,
     .help = "An older event changes alarms, but starts no run."},
    {.name = "queue",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, guards.queue_ms),
     .max = DAY_MS,
     .help = "How long a run may wait for others before a person is asked."},
    {.name = "stale_after",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, stale_after_ms),
     .min = SECOND_MS,
     .max = 30 * DAY_MS,
     .help = "What waits is dropped when it was not known for so long."},
    {.name = "step",
     .kind = KEY_READ,
     .read = read_step,
     .example = "step = { timeout = \"5m\"; }",
     .help = "Of steps that do not say."},
};

static const struct policy_key defaults_step_rows[] = {
    {.name = "timeout",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, step_timeout_ms),
     .min = SECOND_MS,
     .max = DAY_MS,
     .help = "How long an action may take; without it the driver's own, by verb."},
    {.name = "retries",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_defaults, step_retries),
     .max = POLICY_RETRIES_MAX,
     .help = "How often one that failed without any effect is tried again."},
    {.name = "retry_delay",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_defaults, step_retry_delay_ms),
     .max = DAY_MS,
     .help = "How long before each of these."},
};

static const char *const power_on_words[] = {
    [POLICY_POWER_ON_FREE] = "free",
    [POLICY_POWER_ON_OWN] = "own",
    NULL,
};

static const struct policy_key guards_rows[] = {
    {.name = "rates",
     .kind = KEY_READ,
     .read = read_rates,
     .example = "rates = { host = \"2 in 24h\"; rack = [\"2 in 10m\", \"4 in 1h\"]; }",
     .help = "Interrupting actions in a window, by host, rack, pool, site."},
    {.name = "concurrent",
     .kind = KEY_READ,
     .read = read_concurrent,
     .example = "concurrent = { rack = 1; site = 10; }",
     .help = "Hosts that are worked on at the same time, by rack, site."},
    {.name = "pool_percent",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, pool_percent_max),
     .min = 1,
     .max = 100,
     .help = "How much of a pool is worked on at the same time; at least one host."},
    {.name = "brake",
     .kind = KEY_READ,
     .read = read_brake,
     .example = "brake = { hosts = 3; percent = 20; }",
     .help = "The storm brake."},
    {.name = "worst_case",
     .kind = KEY_READ,
     .read = read_worst,
     .example = "worst_case = { rack = 4; pool = 10; site = 20; }",
     .help = "A policy set that can interrupt more hosts within 10m is refused."},
    {.name = "silence",
     .kind = KEY_READ,
     .read = read_silence,
     .example = "silence = ( { source = \"alertmanager*\"; after = \"15m\"; } )",
     .help = "Sources that should speak, and how long they may be silent before we are blind."},
    {.name = "shrink_percent",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, shrink_percent),
     .min = 1,
     .max = 100,
     .help = "An inventory that lost more of its hosts is not believed until a person confirms."},
    {.name = "power_on",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy_guards, power_on),
     .words = power_on_words,
     .help = "Hosts that may be switched on: free (nobody else holds them off), own."},
    {.name = "witnesses",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, witnesses),
     .min = 1,
     .max = WITNESSES_MAX,
     .help = "Signs on different paths before a host is switched off, fenced or destroyed."},
    {.name = "keep_ready",
     .kind = KEY_READ,
     .read = read_keep_ready,
     .example = "keep_ready = \"70%\"",
     .help = "So much of a host's pool must be ready without it."},
    {.name = "ladder",
     .kind = KEY_READ,
     .read = read_ladder,
     .example = "ladder = { runs = 5; within = \"21d\"; }",
     .help = "Interrupting runs of a chassis, over weeks; then a person."},
    {.name = "breaker",
     .kind = KEY_READ,
     .read = read_breaker,
     .example = "breaker = { failures = 5; open = \"30s\"; open_max = \"10m\"; }",
     .help = "When an endpoint of a driver is left alone, and for how long."},
    {.name = "intent_max_age",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_guards, intent_max_age_ms),
     .min = 10 * SECOND_MS,
     .max = DAY_MS,
     .help = "An action that could not start within this is dropped."},
    {.name = "freeze",
     .kind = KEY_READ,
     .read = read_freeze,
     .example = "freeze = [\"change-freeze\"]",
     .help = "Calendars during which nothing is changed."},
};

static const struct policy_key brake_rows[] = {
    {.name = "hosts",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, brake_hosts_min),
     .min = 1,
     .max = GUARD_COUNT_MAX,
     .help = "More than so many hosts of a domain in trouble ..."},
    {.name = "percent",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, brake_percent),
     .min = 1,
     .max = 100,
     .help = "... and more than this part of it ..."},
    {.name = "window",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_guards, brake_window_ms),
     .min = 10 * SECOND_MS,
     .max = DAY_MS,
     .help = "... whose alarms came within this long: the cause is not the hosts."},
    {.name = "hold",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_guards, brake_hold_ms),
     .min = 10 * SECOND_MS,
     .max = DAY_MS,
     .help = "It stays on for this long after that ended."},
};

static const struct policy_key worst_rows[] = {
    {.name = "rack",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, worst_rack_max),
     .min = 1,
     .max = GUARD_COUNT_MAX,
     .help = "Of one rack."},
    {.name = "pool",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, worst_pool_max),
     .min = 1,
     .max = GUARD_COUNT_MAX,
     .help = "Of one pool."},
    {.name = "site",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, worst_site_max),
     .min = 1,
     .max = GUARD_COUNT_MAX,
     .help = "Of the site."},
};

static const struct policy_key silence_rows[] = {
    {.name = "source",
     .kind = KEY_READ,
     .read = read_silent_source,
     .flags = KEY_REQUIRED,
     .example = "source = \"alertmanager*\"",
     .help = "Sources of events, by glob."},
    {.name = "after",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_silence, after_ms),
     .flags = KEY_REQUIRED,
     .example = "after = \"15m\"",
     .min = 10 * SECOND_MS,
     .max = 7 * DAY_MS,
     .help = "Silent for longer, we are blind."},
};

static const struct policy_key ladder_rows[] = {
    {.name = "runs",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, ladder_runs_max),
     .min = 1,
     .max = LADDER_RUNS_MAX,
     .help = "So many interrupting runs of one chassis ..."},
    {.name = "within",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_guards, ladder_ms),
     .min = DAY_MS,
     .max = 365 * DAY_MS,
     .help = "... in this long: the next one is a person's."},
};

static const struct policy_key breaker_rows[] = {
    {.name = "failures",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, breaker_failures),
     .min = 1,
     .max = 1000,
     .help = "So many calls in a row without an answer ..."},
    {.name = "open",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_guards, breaker_open_ms),
     .min = SECOND_MS,
     .max = HOUR_MS,
     .help = "... leave the endpoint alone for this long, then one action tries it ..."},
    {.name = "open_max",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_guards, breaker_open_ms_max),
     .min = SECOND_MS,
     .max = DAY_MS,
     .help = "... and each time it is still dead twice as long, up to this."},
};

static const struct policy_key concurrent_rows[] = {
    {.name = "rack",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, rack_concurrent_max),
     .min = 1,
     .max = GUARD_COUNT_MAX,
     .help = "Per rack."},
    {.name = "site",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_guards, site_concurrent_max),
     .min = 1,
     .max = GUARD_COUNT_MAX,
     .help = "Per site."},
};

#define KEYS(where, rows)                                                                          \
    {                                                                                              \
        (where), (rows), sizeof(rows) / sizeof((rows)[0])                                          \
    }

const struct policy_keys policy_keys_defaults = KEYS("defaults", defaults_rows);
const struct policy_keys policy_keys_defaults_step = KEYS("defaults.step", defaults_step_rows);
const struct policy_keys policy_keys_guards = KEYS("guards", guards_rows);
const struct policy_keys policy_keys_brake = KEYS("guards.brake", brake_rows);
static const struct policy_keys policy_keys_worst = KEYS("guards.worst_case", worst_rows);
static const struct policy_keys policy_keys_silence = KEYS("guards.silence", silence_rows);
static const struct policy_keys policy_keys_ladder = KEYS("guards.ladder", ladder_rows);
static const struct policy_keys policy_keys_breaker = KEYS("guards.breaker", breaker_rows);
static const struct policy_keys policy_keys_concurrent = KEYS("guards.concurrent", concurrent_rows);

struct policy_defaults policy_defaults_builtin(void)
{
    struct policy_defaults defaults = {
        .mode = POLICY_OBSERVE,
        .stale_after_ms = 5 * MINUTE_MS,
        .step_retry_delay_ms = 30 * SECOND_MS,
        .guards =
            {
                .host_interrupts_max = 2,
                .host_interrupts_ms = DAY_MS,
                .pool_percent_max = 5,
                .rack_concurrent_max = 1,
                .site_concurrent_max = 10,
                .site_10min_max = 10,
                .site_1h_max = 30,
                .site_24h_max = 100,
                .pool_10min_max = 3,
                .pool_1h_max = 10,
                .pool_24h_max = 30,
                .rack_10min_max = 2,
                .rack_1h_max = 4,
                .rack_24h_max = 10,
                .brake_hosts_min = 3,
                .brake_percent = 20,
                .brake_window_ms = 5 * MINUTE_MS,
                .brake_hold_ms = 10 * MINUTE_MS,
                .intent_max_age_ms = 10 * MINUTE_MS,
                .event_max_age_ms = 10 * MINUTE_MS,
                .cooldown_ms = HOUR_MS,
                .queue_ms = 10 * MINUTE_MS,
                .worst_rack_max = 4,
                .worst_pool_max = 10,
                .worst_site_max = 20,
                .shrink_percent = 20,
                .witnesses = 2,
                .ladder_runs_max = 5,
                .ladder_ms = 21 * DAY_MS,
                .breaker_failures = 5,
                .breaker_open_ms = 30 * SECOND_MS,
                .breaker_open_ms_max = 10 * MINUTE_MS,
            },
    };
    policy_metrics_builtin(&defaults);
    policy_calendars_builtin(&defaults.calendars);
    return defaults;
}

/* ---- nested groups ------------------------------------------------------------------------ */

static void read_step(struct policy_loader *loader, struct conf *group, void *object)
{
    if (policy_is(loader, group, CONF_GROUP, "step = { timeout = \"5m\"; }")) {
        policy_keys_read(loader, group, &policy_keys_defaults_step, object);
    }
}

static void read_concurrent(struct policy_loader *loader, struct conf *group, void *object)
{
    if (policy_is(loader, group, CONF_GROUP, "concurrent = { rack = 1; site = 10; }")) {
        policy_keys_read(loader, group, &policy_keys_concurrent, object);
    }
}

static void read_brake(struct policy_loader *loader, struct conf *group, void *object)
{
    if (policy_is(loader, group, CONF_GROUP, "brake = { hosts = 3; percent = 20; }")) {
        policy_keys_read(loader, group, &policy_keys_brake, object);
    }
}

static void read_ladder(struct policy_loader *loader, struct conf *group, void *object)
{
    if (policy_is(loader, group, CONF_GROUP, "ladder = { runs = 5; within = \"21d\"; }")) {
        policy_keys_read(loader, group, &policy_keys_ladder, object);
    }
}

static void read_worst(struct policy_loader *loader, struct conf *group, void *object)
{
    if (policy_is(loader, group, CONF_GROUP, "worst_case = { rack = 4; pool = 10; site = 20; }")) {
        policy_keys_read(loader, group, &policy_keys_worst, object);
    }
}

static void read_keep_ready(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_guards *guards = object;
    guards->keep_ready = policy_percent_read(loader, setting);
}

static void read_silent_source(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_silence *silence = object;
    const char *text = conf_text(setting, NULL, loader->diags);
    if (text == NULL) {
        return;
    }
    if (text[0] == 0 || strlen(text) >= sizeof silence->source) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "such as \"alertmanager*\"",
                 "a source has 1 to %zu bytes", sizeof silence->source - 1);
        return;
    }
    memcpy(silence->source, text, strlen(text) + 1);
}

static void read_silence(struct policy_loader *loader, struct conf *list, void *object)
{
    struct policy_guards *guards = object;
    if (!policy_is(loader, list, CONF_LIST,
                   "silence = ( { source = \"alertmanager*\"; after = \"15m\"; } )")) {
        return;
    }
    for (struct conf *item = list->first; item != NULL; item = item->next) {
        if (guards->silences_count == POLICY_SILENCES_MAX) {
            diag_add(loader->diags, DIAG_ERROR, item->value_at, NULL, "at most %d sources",
                     POLICY_SILENCES_MAX);
            return;
        }
        struct policy_silence *silence = &guards->silences[guards->silences_count];
        if (policy_is(loader, item, CONF_GROUP, "{ source = \"trap/*\"; after = \"15m\"; }")) {
            policy_keys_read(loader, item, &policy_keys_silence, silence);
            guards->silences_count++;
        }
    }
}

static void read_breaker(struct policy_loader *loader, struct conf *group, void *object)
{
    if (policy_is(loader, group, CONF_GROUP, "breaker = { failures = 5; open = \"30s\"; }")) {
        policy_keys_read(loader, group, &policy_keys_breaker, object);
    }
}

static void read_freeze(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_guards *guards = object;
    guards->freeze_calendars = policy_calendars_of(loader->calendars, setting, loader->diags);
}

/* ---- rates -------------------------------------------------------------------------------- */

/* The member that holds a rate; NULL: there is no such window. */
static uint32_t *rate_member(struct policy_guards *guards, const struct policy_rate *rate)
{
    const struct {
        const char *kind;
        int64_t window_ms;
        uint32_t *member;
    } all[] = {
        {"rack", 10 * MINUTE_MS, &guards->rack_10min_max},
        {"rack", HOUR_MS, &guards->rack_1h_max},
        {"rack", DAY_MS, &guards->rack_24h_max},
        {"pool", 10 * MINUTE_MS, &guards->pool_10min_max},
        {"pool", HOUR_MS, &guards->pool_1h_max},
        {"pool", DAY_MS, &guards->pool_24h_max},
        {"site", 10 * MINUTE_MS, &guards->site_10min_max},
        {"site", HOUR_MS, &guards->site_1h_max},
        {"site", DAY_MS, &guards->site_24h_max},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i].kind, rate->kind) == 0 && all[i].window_ms == rate->window_ms) {
            return all[i].member;
        }
    }
    return NULL;
}

static void read_rates(struct policy_loader *loader, struct conf *group, void *object)
{
    static const char *const kinds[] = {"host", "rack", "pool", "site", NULL};
    struct policy_guards *guards = object;
    struct policy_rate items[16];
    struct conf *at[sizeof items / sizeof items[0]];
    struct policy_rates rates = {items, at, 0, sizeof items / sizeof items[0]};
    NSH_ASSERT(guards != NULL);
    if (!policy_is(loader, group, CONF_GROUP, "rates = { host = \"2 in 24h\"; }")) {
        return;
    }
    policy_rates_read(group, kinds, &rates, loader->diags);
    for (size_t i = 0; i < rates.count; i++) {
        uint32_t *member = rate_member(guards, &items[i]);
        if (strcmp(items[i].kind, "host") == 0) {
            guards->host_interrupts_max = items[i].count;
            guards->host_interrupts_ms = items[i].window_ms;
        } else if (member != NULL) {
            *member = items[i].count;
        } else {
            diag_add(loader->diags, DIAG_ERROR, at[i]->value_at,
                     "windows of 10m, 1h and 24h: \"2 in 10m\"",
                     "guards count a %s over other windows", items[i].kind);
        }
    }
}

/* Where the guards stand that policies may only tighten, for messages that name both lines. */
static void places_read(struct conf *group, struct policy_guards *guards)
{
    static const struct {
        const char *group, *name;
    } rows[POLICY_GUARDS_PLACED] = {
        [POLICY_GUARD_RATES_HOST] = {"rates", "host"},
        [POLICY_GUARD_RATES_RACK] = {"rates", "rack"},
        [POLICY_GUARD_RATES_POOL] = {"rates", "pool"},
        [POLICY_GUARD_RATES_SITE] = {"rates", "site"},
        [POLICY_GUARD_CONCURRENT_RACK] = {"concurrent", "rack"},
        [POLICY_GUARD_CONCURRENT_SITE] = {"concurrent", "site"},
        [POLICY_GUARD_WITNESSES] = {"witnesses", NULL},
        [POLICY_GUARD_WORST] = {"worst_case", NULL},
        [POLICY_GUARD_KEEP_READY] = {"keep_ready", NULL},
    };
    for (size_t i = 0; i < POLICY_GUARDS_PLACED; i++) {
        struct conf *setting = conf_get(group, rows[i].group);
        if (setting != NULL && rows[i].name != NULL) {
            setting = setting->type == CONF_GROUP ? conf_get(setting, rows[i].name) : NULL;
        }
        if (setting != NULL && setting->at.file != NULL &&
            strlen(setting->at.file) < sizeof guards->file) {
            memcpy(guards->file, setting->at.file, strlen(setting->at.file) + 1);
            guards->lines[i] = setting->at.line;
        }
    }
}

struct nsh_place policy_guard_place(const struct policy_guards *guards, enum policy_guard guard)
{
    struct nsh_place place = {.file = NULL};
    if (guards->lines[guard] != 0) {
        place.file = guards->file;
        place.line = guards->lines[guard];
    }
    return place;
}

void policy_defaults_read(struct conf *root, struct policy_defaults *defaults, struct diags *diags)
{
    struct policy_loader loader = {.diags = diags, .calendars = &defaults->calendars};
    struct conf *group = conf_get(root, "defaults"), *guards = conf_get(root, "guards");
    struct conf *calendars = conf_get(root, "calendars");
    if (calendars != NULL) { /* First: the guards name some. */
        defaults->calendars.count = 0;
        policy_calendars_read(calendars, &defaults->calendars, diags);
        policy_calendars_builtin(&defaults->calendars);
    }
    if (group != NULL && policy_is(&loader, group, CONF_GROUP, "defaults = { settle = \"2s\"; }")) {
        policy_keys_read(&loader, group, &policy_keys_defaults, defaults);
    }
    struct conf *metrics = conf_get(root, "metrics");
    if (metrics != NULL) {
        policy_metrics_read(&loader, metrics, defaults);
    }
    if (guards != NULL &&
        policy_is(&loader, guards, CONF_GROUP, "guards = { pool_percent = 5; }")) {
        policy_keys_read(&loader, guards, &policy_keys_guards, &defaults->guards);
        places_read(guards, &defaults->guards);
    }
}
