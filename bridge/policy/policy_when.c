/* SPDX-License-Identifier: Apache-2.0 */
/* The trigger of a policy: its keys, what they must be together, and its branches. */

#include "policy/policy_private.h"

#define WHEN_MS_MAX (30LL * 24 * 3600 * 1000)
#define WHEN_COUNT_MAX 10000

static void read_events(struct policy_loader *loader, struct conf *setting, void *object);
static void read_branch_events(struct policy_loader *loader, struct conf *setting, void *object);
static void read_metric(struct policy_loader *loader, struct conf *setting, void *object);
static void read_branch_metric(struct policy_loader *loader, struct conf *setting, void *object);
static void read_from(struct policy_loader *loader, struct conf *setting, void *object);
static void read_branch_from(struct policy_loader *loader, struct conf *setting, void *object);
static void read_all(struct policy_loader *loader, struct conf *setting, void *object);
static void read_any(struct policy_loader *loader, struct conf *setting, void *object);
static void read_sequence(struct policy_loader *loader, struct conf *setting, void *object);
static void read_breakers(struct policy_loader *loader, struct conf *setting, void *object);
static void read_answers(struct policy_loader *loader, struct conf *setting, void *object);

static const char *const severity_words[] = {
#define SEVERITY(NAME, word) word,
#include "model/severity.def"
#undef SEVERITY
    NULL,
};

static const struct policy_key when_rows[] = {
    {.name = "event",
     .kind = KEY_READ,
     .read = read_events,
     .example = "event = \"memory.uncorrectable\"",
     .help = "A type, or several; '*' and '?' match."},
    {.name = "metric",
     .kind = KEY_READ,
     .read = read_metric,
     .example = "metric = \"temperature.inlet\"",
     .help = "Samples instead of events: `if` is asked at each."},
    {.name = "severity",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy_when, severity_min),
     .words = severity_words,
     .help = "At least this severe."},
    {.name = "from",
     .kind = KEY_READ,
     .read = read_from,
     .example = "from = \"alertmanager*\"",
     .help = "Only of these sources; '*' and '?' match."},
    {.name = "if",
     .kind = KEY_CONDITION,
     .offset = offsetof(struct policy_when, condition),
     .help = "And this is true."},
    {.name = "for",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, for_ms),
     .min = 0,
     .max = WHEN_MS_MAX,
     .help = "And stays so for this long."},
    {.name = "keep",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, keep_ms),
     .min = 0,
     .max = WHEN_MS_MAX,
     .help = "Counts as true for this long after it ended."},
    {.name = "count",
     .kind = KEY_COUNT,
     .offset = offsetof(struct policy_when, count),
     .min = 1,
     .max = WHEN_COUNT_MAX,
     .help = "At least so many events ..."},
    {.name = "within",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, within_ms),
     .min = 1,
     .max = WHEN_MS_MAX,
     .help = "... in this long."},
    {.name = "distinct",
     .kind = KEY_VALUE,
     .offset = offsetof(struct policy_when, distinct),
     .help = "Each value of this expression counts once."},
    {.name = "settle",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, settle_ms),
     .min = 0,
     .max = WHEN_MS_MAX,
     .help = "Wait this long before deciding, so that others can speak first."},
    {.name = "by",
     .kind = KEY_VALUE,
     .offset = offsetof(struct policy_when, by),
     .help = "Counted apart for each value of this expression."},
    {.name = "updates",
     .kind = KEY_BOOL,
     .offset = offsetof(struct policy_when, updates),
     .help = "A repeated raise of an alarm that is raised already occurs again."},
    {.name = "clear",
     .kind = KEY_CONDITION,
     .offset = offsetof(struct policy_when, clear),
     .help = "Once true it stays so until `if` is false and this is true."},
    {.name = "absent",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, absent_ms),
     .min = 1,
     .max = WHEN_MS_MAX,
     .help = "True when no such event came for this long."},
    {.name = "expect",
     .kind = KEY_CONDITION,
     .offset = offsetof(struct policy_when, expect),
     .help = "Which subjects must be heard of, even when they never were."},
    {.name = "all", .kind = KEY_READ, .read = read_all, .help = "All of these, in any order."},
    {.name = "any", .kind = KEY_READ, .read = read_any, .help = "One of these."},
    {.name = "sequence",
     .kind = KEY_READ,
     .read = read_sequence,
     .help = "These, one after the other."},
    {.name = "unless",
     .kind = KEY_READ,
     .read = read_breakers,
     .help = "Of `sequence`: and none of these in between."},
    {.name = "without",
     .kind = KEY_READ,
     .read = read_answers,
     .help = "And none of these follows within the time."},
    {.name = "stale_after",
     .kind = KEY_DURATION,
     .offset = offsetof(struct policy_when, stale_after_ms),
     .min = 1000,
     .max = WHEN_MS_MAX,
     .help = "What waits is dropped when it was not known for so long."},
};

static const struct policy_key branch_rows[] = {
    {.name = "event",
     .kind = KEY_READ,
     .read = read_branch_events,
     .example = "event = \"fan.failed\"",
     .help = "A type, or several; '*' and '?' match."},
    {.name = "metric",
     .kind = KEY_READ,
     .read = read_branch_metric,
     .example = "metric = \"temperature.inlet\"",
     .help = "Of all and any: samples instead of events."},
    {.name = "severity",
     .kind = KEY_WORD,
     .offset = offsetof(struct policy_branch, severity_min),
     .words = severity_words,
     .help = "At least this severe."},
    {.name = "from",
     .kind = KEY_READ,
     .read = read_branch_from,
     .example = "from = \"alertmanager*\"",
     .help = "Only of these sources; '*' and '?' match."},
    {.name = "if",
     .kind = KEY_CONDITION,
     .offset = offsetof(struct policy_branch, condition),
     .help = "And this is true."},
};

const struct policy_keys policy_keys_when = {"when", when_rows,
                                             sizeof when_rows / sizeof when_rows[0]};
const struct policy_keys policy_keys_branch = {"a condition of when", branch_rows,
                                               sizeof branch_rows / sizeof branch_rows[0]};

/* ---- events --------------------------------------------------------------------------------- */

/* A type of events: dotted words, globs when allowed. NULL after a diagnostic. */
const char *policy_type_read(struct policy_loader *loader, struct conf *setting, bool globs)
{
    const char *type = conf_text(setting, NULL, loader->diags);
    if (type == NULL) {
        return NULL;
    }
    const char *allowed = globs ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/:*?"
                                : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/:";
    size_t good = strspn(type, allowed);
    if (setting->text_bytes == 0 || good < setting->text_bytes) {
        diag_add(loader->diags, DIAG_ERROR, conf_text_place(setting, (uint32_t)good, 1),
                 globs ? "such as \"memory.uncorrectable\" or \"memory.*\""
                       : "such as \"rack.correlated-loss\"",
                 "this is no event type");
        return NULL;
    }
    if (setting->text_bytes > EVENT_TEXT_BYTES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "an event type has at most %d bytes", EVENT_TEXT_BYTES_MAX);
        return NULL;
    }
    return policy_keep(loader, type);
}

/* Adds one type unless it is there. */
static void event_add(struct policy_loader *loader, struct conf *setting, const char **events,
                      size_t *count)
{
    const char *type = policy_type_read(loader, setting, true);
    for (size_t i = 0; type != NULL && i < *count; i++) {
        if (strcmp(events[i], type) == 0) {
            diag_add(loader->diags, DIAG_WARNING, setting->value_at, "remove it",
                     "\"%s\" is there already", type);
            return;
        }
    }
    if (type != NULL) {
        policy_type_mention(loader, setting->value_at, text_of(type));
        events[(*count)++] = type;
    }
}

/* Into *ret_events and *ret_count. */
static void events_read(struct policy_loader *loader, struct conf *setting,
                        const char *const **ret_events, size_t *ret_count)
{
    bool several = setting->type == CONF_ARRAY || setting->type == CONF_LIST;
    size_t room = several ? setting->children_count : 1, count = 0;
    if (several && (room == 0 || room > POLICY_EVENTS_MAX)) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, "such as [\"fan.failed\"]",
                 room == 0 ? "a trigger needs at least one event type"
                           : "a trigger has at most %d event types",
                 POLICY_EVENTS_MAX);
        return;
    }
    const char **events = policy_alloc(loader, room, sizeof *events);
    if (events == NULL) {
        return;
    }
    if (!several) {
        event_add(loader, setting, events, &count);
    }
    for (struct conf *item = several ? setting->first : NULL; item != NULL; item = item->next) {
        event_add(loader, item, events, &count);
    }
    *ret_events = events;
    *ret_count = count;
}

static void read_events(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    events_read(loader, setting, &when->events, &when->events_count);
}

static void read_branch_events(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_branch *branch = object;
    events_read(loader, setting, &branch->events, &branch->events_count);
}

static void read_metric(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    when->metric = policy_metric_read(loader, setting);
}

static void read_branch_metric(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_branch *branch = object;
    branch->metric = policy_metric_read(loader, setting);
}

static void read_from(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    policy_from_read(loader, setting, &when->from);
}

static void read_branch_from(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_branch *branch = object;
    policy_from_read(loader, setting, &branch->from);
}

/* ---- branches ------------------------------------------------------------------------------- */

static struct policy_branch *branches_grow(struct policy_loader *loader, struct policy_when *when,
                                           struct conf *setting, size_t more)
{
    size_t count = when->branches_count;
    if (count + more > POLICY_BRANCHES_MAX) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at,
                 "raise an alarm in a policy of its "
                 "own (raises), and name that here",
                 "a trigger has at most %d conditions", POLICY_BRANCHES_MAX);
        return NULL;
    }
    struct policy_branch *grown = policy_alloc(loader, count + more, sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(grown, when->branches, count * sizeof *grown);
    }
    when->branches = grown;
    when->branches_count += more;
    return grown + count;
}

/* Events or samples; samples have no order and answer nothing. */
static void branch_check(struct policy_loader *loader, const struct conf *setting,
                         struct conf *group)
{
    struct conf *event = conf_get(group, "event"), *metric = conf_get(group, "metric");
    bool levels = strcmp(setting->name, "all") == 0 || strcmp(setting->name, "any") == 0;
    static const char *const names[] = {"event", "metric", NULL};
    bool mistyped = false;
    for (const struct conf *key = group->first; key != NULL; key = key->next) {
        mistyped = mistyped || (policy_key_of(&policy_keys_branch, key->name) == NULL &&
                                text_nearest(text_of(key->name), names) != NULL);
    }
    if (event == NULL && metric == NULL && !mistyped) {
        diag_add(loader->diags, DIAG_ERROR, group->value_at, "such as event = \"fan.failed\"",
                 "a condition of when needs 'event'%s", levels ? " or 'metric'" : "");
    } else if (metric != NULL && !levels) {
        diag_add(loader->diags, DIAG_ERROR, metric->at,
                 "raise an alarm in a policy of its own (raises), and name that here",
                 "'metric' cannot stand in '%s'", setting->name);
    } else if (metric != NULL && event != NULL) {
        diag_add(loader->diags, DIAG_ERROR, metric->at, "one condition for each",
                 "'metric' cannot stand beside 'event'");
    } else if (metric != NULL && conf_get(group, "if") == NULL) {
        diag_add(loader->diags, DIAG_ERROR, metric->at,
                 "such as if = \"avg_over('temperature.inlet', '1m') > 32.0\"",
                 "'metric' needs 'if'");
    }
}

/* A group, or a list of groups. */
static void branches_read(struct policy_loader *loader, struct conf *setting,
                          struct policy_when *when, bool ends)
{
    static const char example[] = "( { event = \"a\"; }, { event = \"b\"; } )";
    bool single = setting->type == CONF_GROUP && ends;
    setting->seen = true;
    if (!single && !policy_is(loader, setting, CONF_LIST, example)) {
        return;
    }
    size_t least = ends ? 1 : 2;
    if (!single && setting->children_count < least) {
        diag_add(loader->diags, DIAG_ERROR, setting->value_at, example,
                 "'%s' needs at least %zu conditions, got %u", setting->name, least,
                 (unsigned)setting->children_count);
        return;
    }
    size_t more = single ? 1 : setting->children_count;
    struct policy_branch *branch = branches_grow(loader, when, setting, more);
    struct conf *group = single ? setting : setting->first;
    for (size_t i = 0; branch != NULL && i < more; i++, group = single ? NULL : group->next) {
        branch[i] =
            (struct policy_branch){.ends = ends, .at = policy_keep_place(loader, group->value_at)};
        if (policy_is(loader, group, CONF_GROUP, example)) {
            policy_keys_read(loader, group, &policy_keys_branch, &branch[i]);
            branch_check(loader, setting, group);
        }
    }
}

static void read_all(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    when->trigger = TRIGGER_ALL;
    branches_read(loader, setting, when, false);
}

static void read_any(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    when->trigger = TRIGGER_ANY;
    branches_read(loader, setting, when, false);
}

static void read_sequence(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    when->trigger = TRIGGER_SEQUENCE;
    branches_read(loader, setting, when, false);
}

/* Read when the rest of the group is: their branches stand behind those they end. */
static void read_breakers(struct policy_loader *loader, struct conf *setting, void *object)
{
    (void)loader;
    (void)object;
    setting->seen = true;
}

static void read_answers(struct policy_loader *loader, struct conf *setting, void *object)
{
    struct policy_when *when = object;
    (void)loader;
    setting->seen = true;
    when->trigger = TRIGGER_WITHOUT;
}

/* ---- what the keys must be together --------------------------------------------------------- */

/* The keys that say what makes the trigger true. */
static const char *const bases[] = {"event", "metric", "all", "any", "sequence", NULL};

/* A key, and one of which it needs. */
static const struct {
    const char *key, *needs[5], *remedy;
} needs[] = {
    {"count", {"within"}, "such as within = \"10m\""},
    {"all", {"within"}, "such as within = \"60s\""},
    {"sequence", {"within"}, "such as within = \"10m\""},
    {"without", {"within"}, "such as within = \"10m\""},
    {"within", {"count", "all", "sequence", "without"}, "such as count = 3"},
    {"distinct", {"count"}, "such as count = 3"},
    {"by", {"count"}, "such as count = 3"},
    {"updates", {"count", "all", "sequence", "without"}, "such as count = 3"},
    {"expect", {"absent"}, "such as absent = \"5m\""},
    {"metric", {"if"}, "such as if = \"avg_over('temperature.inlet', '1m') > 32.0\""},
    {"clear", {"if"}, "such as if = \"event.data.celsius > 35.0\""},
    {"unless", {"sequence"}, "conditions that forbid the run stand beside 'when', not in it"},
};

/* Keys that cannot stand together, and what to do instead. */
static const struct {
    const char *key, *others[10], *remedy;
} excludes[] = {
    {"all",
     {"event", "metric", "severity", "from", "if", "any", "sequence", "count", "absent", "without"},
     "these stand in the conditions of 'all', or in a policy of their own"},
    {"any",
     {"event", "metric", "severity", "from", "if", "sequence", "count", "absent", "without"},
     "these stand in the conditions of 'any', or in a policy of their own"},
    {"sequence",
     {"event", "metric", "severity", "from", "if", "count", "absent", "without"},
     "these stand in the conditions of 'sequence', or in a policy of their own"},
    {"sequence", {"for"}, "a sequence is true for the instant in which it is complete"},
    {"metric",
     {"event", "severity", "from", "absent", "without", "updates"},
     "samples have no severity and no end; absent = \"5m\" of event = \"metric.sample\" tells "
     "silence"},
    {"absent", {"count", "without", "clear"}, "a policy of its own can raise an alarm for one"},
    {"without", {"count", "clear"}, "a policy of its own can raise an alarm for one"},
    {"count", {"clear"}, "it ends when fewer are within the time; 'keep' makes it last"},
};

static void tell_needs(struct policy_loader *loader, struct conf *group)
{
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        struct conf *key = conf_get(group, needs[i].key);
        bool met = key == NULL;
        CLEANUP(textbuf_donep) struct textbuf words = {0};
        for (size_t n = 0; n < 5 && needs[i].needs[n] != NULL; n++) {
            met = met || conf_get(group, needs[i].needs[n]) != NULL;
            bool last = n + 1 == 5 || needs[i].needs[n + 1] == NULL;
            textbuf_addf(&words, "%s'%s'", n == 0 ? "" : last ? " or " : ", ", needs[i].needs[n]);
        }
        if (!met) {
            diag_add(loader->diags, DIAG_ERROR, key->at, needs[i].remedy, "'%s' needs %s",
                     needs[i].key, words.at);
        }
    }
}

static void tell_excludes(struct policy_loader *loader, struct conf *group)
{
    for (size_t i = 0; i < sizeof excludes / sizeof excludes[0]; i++) {
        struct conf *key = conf_get(group, excludes[i].key);
        for (size_t n = 0; key != NULL && n < 10 && excludes[i].others[n] != NULL; n++) {
            struct conf *other = conf_get(group, excludes[i].others[n]);
            if (other != NULL) {
                diag_add(loader->diags, DIAG_ERROR, other->at, excludes[i].remedy,
                         "'%s' cannot stand beside '%s'", other->name, key->name);
            }
        }
    }
}

/* False after a diagnostic: nothing says what it waits for. */
static bool has_base(struct policy_loader *loader, struct conf *group)
{
    for (size_t i = 0; bases[i] != NULL; i++) {
        if (conf_get(group, bases[i]) != NULL) {
            return true;
        }
    }
    for (const struct conf *key = group->first; key != NULL; key = key->next) {
        if (policy_key_of(&policy_keys_when, key->name) == NULL &&
            text_nearest(text_of(key->name), bases) != NULL) {
            return false; /* Told as an unknown key. */
        }
    }
    diag_add(loader->diags, DIAG_ERROR, group->at, "such as event = \"memory.uncorrectable\"",
             "when needs 'event'");
    return false;
}

/* absent and without have their own event as the first branch, then what ends it. */
static void branches_finish(struct policy_loader *loader, struct conf *group,
                            struct policy_when *when)
{
    struct conf *without = conf_get(group, "without"), *unless = conf_get(group, "unless");
    if (when->absent_ms > 0) {
        when->trigger = TRIGGER_ABSENT;
    }
    if (when->trigger == TRIGGER_ABSENT || when->trigger == TRIGGER_WITHOUT) {
        struct policy_branch *first = branches_grow(loader, when, group, 1);
        if (first != NULL) {
            *first = (struct policy_branch){.events = when->events,
                                            .events_count = when->events_count,
                                            .severity_min = when->severity_min,
                                            .from = when->from,
                                            .condition = when->condition,
                                            .at = policy_keep_place(loader, group->value_at)};
        }
    }
    if (without != NULL && when->trigger == TRIGGER_WITHOUT) {
        branches_read(loader, without, when, true);
    }
    if (unless != NULL && when->trigger == TRIGGER_SEQUENCE) {
        branches_read(loader, unless, when, true);
    }
}

/* The index of candidates looks at `events`: those of all branches. */
static void branches_union(struct policy_loader *loader, struct policy_when *when)
{
    size_t room = 0, count = 0;
    for (size_t b = 0; b < when->branches_count; b++) {
        room += when->branches[b].events_count;
    }
    const char **all = policy_alloc(loader, room + 1, sizeof *all);
    for (size_t b = 0; all != NULL && b < when->branches_count; b++) {
        for (size_t e = 0; e < when->branches[b].events_count; e++) {
            const char *type = when->branches[b].events[e];
            bool known = false;
            for (size_t i = 0; i < count; i++) {
                known = known || strcmp(all[i], type) == 0;
            }
            if (!known) {
                all[count++] = type;
            }
        }
    }
    when->events = all;
    when->events_count = all == NULL ? 0 : count;
    when->severity_min = SEVERITY_INFO;
    when->from = (struct policy_names){NULL, 0};
    when->condition = (struct policy_condition){.program = NULL};
}

void policy_when_read(struct policy_loader *loader, struct conf *group, void *object)
{
    struct policy *policy = object;
    struct policy_when *when = &policy->when;
    if (!policy_is(loader, group, CONF_GROUP, "when = { event = \"memory.uncorrectable\"; }")) {
        return;
    }
    loader->scope = SCOPE_WHEN;
    policy_keys_read(loader, group, &policy_keys_when, when);
    if (has_base(loader, group)) {
        tell_needs(loader, group);
        tell_excludes(loader, group);
    }
    branches_finish(loader, group, when);
    if (when->branches_count > 0) {
        branches_union(loader, when);
    }
}

/* ---- the same after a reload ---------------------------------------------------------------- */

static bool source_same(const struct policy_condition *a, const struct policy_condition *b)
{
    const char *x = a->source == NULL ? "" : a->source, *y = b->source == NULL ? "" : b->source;
    return strcmp(x, y) == 0;
}

static bool events_same(const char *const *x, size_t x_count, const char *const *y, size_t y_count)
{
    bool same = x_count == y_count;
    for (size_t i = 0; same && i < x_count; i++) {
        same = strcmp(x[i], y[i]) == 0;
    }
    return same;
}

static bool name_same(const char *x, const char *y)
{
    return strcmp(x == NULL ? "" : x, y == NULL ? "" : y) == 0;
}

static bool branch_same(const struct policy_branch *x, const struct policy_branch *y)
{
    return name_same(x->metric, y->metric) && x->ends == y->ends &&
           policy_names_same(&x->from, &y->from) && x->severity_min == y->severity_min &&
           source_same(&x->condition, &y->condition) &&
           events_same(x->events, x->events_count, y->events, y->events_count);
}

bool policy_when_same(const struct policy_when *x, const struct policy_when *y)
{
    bool same = x->trigger == y->trigger && name_same(x->metric, y->metric) &&
                x->severity_min == y->severity_min && x->for_ms == y->for_ms &&
                x->settle_ms == y->settle_ms && x->keep_ms == y->keep_ms && x->count == y->count &&
                x->within_ms == y->within_ms && x->absent_ms == y->absent_ms &&
                x->stale_after_ms == y->stale_after_ms && x->updates == y->updates &&
                x->branches_count == y->branches_count && policy_names_same(&x->from, &y->from) &&
                source_same(&x->condition, &y->condition) &&
                source_same(&x->distinct, &y->distinct) && source_same(&x->by, &y->by) &&
                source_same(&x->clear, &y->clear) && source_same(&x->expect, &y->expect) &&
                events_same(x->events, x->events_count, y->events, y->events_count);
    for (size_t i = 0; same && i < x->branches_count; i++) {
        same = branch_same(&x->branches[i], &y->branches[i]);
    }
    return same;
}
