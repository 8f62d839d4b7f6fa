/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a signal, with their ranges and what goes with what. */

#include "series/signals.h"

#include "base/assert.h"

#include <math.h>
#include <stdio.h>

#define S_MS INT64_C(1000)
#define HOUR_MS (INT64_C(3600) * S_MS)
#define DAY_MS (24 * HOUR_MS)

/* Scores: how rare a value is in decades. */
static const struct {
    const char *word;
    double score;
} sensitivities[] = {{"low", 6}, {"medium", 5}, {"high", 4}};

static const char *const kinds[] = {"level", "baseline", "forecast", "peers", "stuck", "absent"};

const char *signals_kind_word(enum signals_kind kind)
{
    return kinds[kind];
}

struct reader {
    struct arena *arena;
    struct diags *diags;
    struct signals_rule *rules;
    size_t count;
};

/* ---- small readings ---- */

static void complain(struct reader *reader, struct nsh_place at, const char *remedy,
                     const char *text)
{
    diag_add(reader->diags, DIAG_ERROR, at, remedy, "%s", text);
}

static double read_number(struct reader *reader, struct conf *setting, double fallback)
{
    if (setting == NULL) {
        return fallback;
    }
    double number = setting->type == CONF_INT ? (double)setting->integer : setting->real;
    if ((setting->type != CONF_INT && setting->type != CONF_FLOAT) || !isfinite(number) ||
        fabs(number) > SIGNALS_LEVEL_MAX) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL, "'%s' must be a number",
                 setting->name);
        return fallback;
    }
    return number;
}

/* The index of the word, or fallback when there is none, or a wrong one. */
static int read_word(struct reader *reader, struct conf *setting, const char *const *words,
                     int fallback)
{
    const char *word = conf_text(setting, NULL, reader->diags);
    if (word == NULL) {
        return fallback;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    CLEANUP(textbuf_donep) struct textbuf all = {0};
    for (int i = 0; words[i] != NULL; i++) {
        textbuf_addf(&all, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    const char *nearest = text_nearest(text_of(word), words);
    char remedy[80];
    snprintf(remedy, sizeof remedy, "did you mean '%s'?", nearest == NULL ? "" : nearest);
    diag_add(reader->diags, DIAG_ERROR, setting->value_at, nearest == NULL ? NULL : remedy,
             "'%s' must be one of %s; got \"%.40s\"", setting->name, all.at == NULL ? "" : all.at,
             word);
    return fallback;
}

static struct conf *read_group(struct reader *reader, struct conf *item, const char *name)
{
    struct conf *group = conf_get(item, name);
    if (group != NULL && group->type != CONF_GROUP) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, NULL, "'%s' must be a group { }",
                 name);
        return NULL;
    }
    return group;
}

static int64_t read_span(struct reader *reader, struct conf *group, const char *name,
                         int64_t fallback_ms, int64_t min_ms)
{
    return conf_duration_ms(conf_get(group, name), fallback_ms, min_ms, 400 * DAY_MS,
                            reader->diags);
}

/* ---- conditions ---- */

static const struct cel_type text_type = {.kind = CEL_STRING};
static const struct cel_variable variables[] = {
    [SIGNALS_VAR_METRIC] = {"metric", {.kind = CEL_STRING}},
    [SIGNALS_VAR_LABELS] = {"labels", {.kind = CEL_MAP, .of = &text_type}},
};
static const struct cel_env env_bool = {
    .variables = variables, .variables_count = 2, .wanted = {.kind = CEL_BOOL}, .strict = true};
static const struct cel_env env_text = {
    .variables = variables, .variables_count = 2, .wanted = {.kind = CEL_STRING}, .strict = true};

static const struct cel_variable expect_variables[] = {
    [SIGNALS_EXPECT_TIME] = {"time", {.kind = CEL_TIMESTAMP}},
    [SIGNALS_EXPECT_HOST] = {"host", {.kind = CEL_STRING}},
    [SIGNALS_EXPECT_RESOURCE] = {"resource", {.kind = CEL_STRING}},
    [SIGNALS_EXPECT_VALUE] = {"value", {.kind = CEL_DOUBLE}},
};
static const struct cel_env env_expect = {.variables = expect_variables,
                                          .variables_count =
                                              sizeof expect_variables / sizeof expect_variables[0],
                                          .wanted = {.kind = CEL_BOOL},
                                          .strict = true};

static const struct cel_program *read_cel(struct reader *reader, struct conf *setting,
                                          const struct cel_env *env)
{
    const char *source = conf_text(setting, NULL, reader->diags);
    if (source == NULL) {
        return NULL;
    }
    struct cel_problem problems[CEL_PROBLEMS_MAX];
    size_t count = 0;
    struct cel_program *program = NULL;
    int result = cel_compile(env, source, reader->arena, &program, problems, &count);
    for (size_t i = 0; i < count; i++) {
        diag_add(reader->diags, problems[i].warning ? DIAG_WARNING : DIAG_ERROR,
                 conf_text_place(setting, problems[i].offset, problems[i].length),
                 problems[i].remedy, "%s", problems[i].text);
    }
    if (result < 0 && count == 0) {
        complain(reader, setting->value_at, NULL, "out of memory");
    }
    return result < 0 ? NULL : program;
}

/* ---- raise and clear ---- */

/* `of = [k, n]` */
static void read_of(struct reader *reader, struct conf *raise, struct signals_rule *rule)
{
    struct conf *of = conf_get(raise, "of");
    if (of == NULL) {
        return;
    }
    struct conf *k = of->first, *n = k == NULL ? NULL : k->next;
    bool good = (of->type == CONF_ARRAY || of->type == CONF_LIST) && of->children_count == 2 &&
                k != NULL && n != NULL && k->type == CONF_INT && n->type == CONF_INT &&
                k->integer >= 1 && k->integer <= n->integer && n->integer <= SIGNAL_OF_MAX;
    if (!good) {
        complain(reader, of->value_at, "of = [3, 4]: three of the last four windows",
                 "'of' must be two integers [k, n], 1 <= k <= n <= 64");
        return;
    }
    if (conf_get(raise, "for") != NULL) {
        complain(reader, of->at, NULL, "'of' and 'for' exclude each other");
    }
    rule->level.of_k = (uint8_t)k->integer;
    rule->level.of_n = (uint8_t)n->integer;
}

/* `outside = [18.0, 27.0]`: false when it is not two numbers in order. */
static bool read_range(struct reader *reader, struct conf *setting, double *ret_low,
                       double *ret_high)
{
    struct conf *low = setting->first, *high = low == NULL ? NULL : low->next;
    bool good = (setting->type == CONF_ARRAY || setting->type == CONF_LIST) &&
                setting->children_count == 2 && high != NULL;
    if (good) {
        *ret_low = read_number(reader, low, 0);
        *ret_high = read_number(reader, high, 0);
    }
    if (!good || *ret_low > *ret_high) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, "such as [18.0, 27.0]",
                 "'%s' must be two numbers [low, high]", setting->name);
        return false;
    }
    return true;
}

static const char *const compare_words[] = {"above", "below", "outside", "equal"};

/* What `raise` compares with; NULL: nothing, or several (that is told). */
static struct conf *read_compare(struct reader *reader, struct conf *raise,
                                 enum signal_compare *ret_compare)
{
    struct conf *found = NULL;
    for (size_t i = 0; i < sizeof compare_words / sizeof compare_words[0]; i++) {
        struct conf *setting = conf_get(raise, compare_words[i]);
        if (setting != NULL && found != NULL) {
            complain(reader, setting->at, "outside = [18.0, 27.0]",
                     "one of 'above', 'below', 'outside' and 'equal'");
        } else if (setting != NULL) {
            found = setting;
            *ret_compare = (enum signal_compare)i;
        }
    }
    return found;
}

static void read_outside(struct reader *reader, struct conf *outside, struct conf *clear,
                         struct signal_level_rule *level)
{
    if (!read_range(reader, outside, &level->raise_low, &level->raise)) {
        return;
    }
    level->clear_low = level->raise_low;
    level->clear = level->raise;
    struct conf *inside = conf_get(clear, "inside");
    if (inside == NULL || !read_range(reader, inside, &level->clear_low, &level->clear)) {
        return;
    }
    if (level->clear_low < level->raise_low || level->clear > level->raise) {
        complain(reader, inside->value_at, NULL, "what clears must lie within what does not raise");
    }
}

/* False: there is no comparison. */
static bool read_level(struct reader *reader, struct conf *raise, struct conf *clear,
                       struct signal_level_rule *level, const char *name)
{
    struct conf *setting = read_compare(reader, raise, &level->compare);
    if (setting == NULL) {
        return false;
    }
    if (level->compare == SIGNAL_OUTSIDE) {
        read_outside(reader, setting, clear, level);
        return true;
    }
    bool below = level->compare == SIGNAL_BELOW;
    level->raise = read_number(reader, setting, 0);
    struct conf *back =
        level->compare == SIGNAL_EQUAL ? NULL : conf_get(clear, below ? "above" : "below");
    level->clear = read_number(reader, back, level->raise);
    bool beyond = below ? level->clear < level->raise : level->clear > level->raise;
    if (back != NULL && beyond) {
        complain(reader, back->value_at, NULL,
                 "the level that clears must not lie beyond the one that raises");
    } else if (back == NULL && level->compare != SIGNAL_EQUAL) {
        diag_add(reader->diags, DIAG_WARNING, raise->value_at,
                 below ? "clear = { above = ...; }" : "clear = { below = ...; }",
                 "signal '%s' has no gap: a value that trembles around the level raises and clears "
                 "all the time",
                 name);
    }
    return true;
}

/* The level of the other kinds is on what they make of the value. */
static void learned_level(struct signals_rule *rule)
{
    if (rule->kind == SIGNALS_BASELINE || rule->kind == SIGNALS_PEERS) {
        /* A score that is reached raises; one under it clears. */
        double least = rule->kind == SIGNALS_PEERS ? rule->beyond : rule->sensitivity;
        rule->level.raise = rule->level.clear = nextafter(least, 0);
    } else if (rule->kind == SIGNALS_STUCK) {
        rule->level.raise = rule->level.clear = 0.5;
        rule->level.raise_for_ms = rule->stuck_ms;
    } else {
        rule->level.compare = SIGNAL_BELOW;
        rule->level.raise = rule->level.clear = nextafter((double)rule->within_ms, INFINITY);
    }
}

static void read_compares(struct reader *reader, struct conf *item, struct conf *raise,
                          struct conf *clear, struct signals_rule *rule)
{
    if (rule->kind != SIGNALS_LEVEL) {
        learned_level(rule);
        rule->has_also = rule->kind != SIGNALS_ABSENT &&
                         read_level(reader, raise, clear, &rule->also, rule->name);
    } else if (!read_level(reader, raise, clear, &rule->level, rule->name)) {
        complain(reader, raise == NULL ? item->value_at : raise->value_at,
                 "raise = { above = 35.0; for = \"2m\"; }; clear = { below = 32.0; }",
                 "a signal needs 'raise' with 'above', 'below', 'outside' or 'equal', or "
                 "'baseline', 'forecast', 'peers', 'stuck', 'absent'");
    }
}

static void read_turns(struct reader *reader, struct conf *item, struct signals_rule *rule)
{
    static const char *const missing[] = {"keep", "raise", "clear", NULL};
    static const char *const raise_keys[] = {"above", "below", "outside", "equal",
                                             "for",   "of",    NULL};
    static const char *const clear_keys[] = {"above", "below", "inside", "for", NULL};
    struct conf *raise = read_group(reader, item, "raise");
    struct conf *clear = read_group(reader, item, "clear");
    bool at_once =
        rule->kind == SIGNALS_LEVEL || rule->kind == SIGNALS_ABSENT || rule->kind == SIGNALS_STUCK;
    rule->level.raise_for_ms = read_span(reader, raise, "for", 0, 0);
    rule->level.clear_for_ms = read_span(reader, clear, "for", at_once ? 0 : 15 * 60 * S_MS, 0);
    rule->level.missing =
        (enum signal_missing)read_word(reader, conf_get(item, "missing"), missing, SIGNAL_KEEP);
    read_of(reader, raise, rule);
    read_compares(reader, item, raise, clear, rule);
    conf_unknown(raise, raise_keys, reader->diags);
    conf_unknown(clear, clear_keys, reader->diags);
}

/* ---- the other kinds ---- */

static double read_sensitivity(struct reader *reader, struct conf *setting)
{
    if (setting == NULL || setting->type != CONF_STRING) {
        double score = read_number(reader, setting, sensitivities[1].score);
        if (setting != NULL && (score < 1 || score > 20)) {
            complain(reader, setting->value_at, "4.0 is once in ten thousand values",
                     "'sensitivity' must be a score between 1 and 20");
        }
        return score;
    }
    static const char *const words[] = {"low", "medium", "high", NULL};
    return sensitivities[read_word(reader, setting, words, 1)].score;
}

static double read_min_change(struct reader *reader, struct conf *group)
{
    struct conf *setting = conf_get(group, "min_change");
    double change = read_number(reader, setting, 0);
    if (change < 0) {
        complain(reader, setting->value_at, NULL, "'min_change' must not be negative");
    }
    return change;
}

static void read_baseline(struct reader *reader, struct conf *group, struct signals_rule *rule)
{
    static const char *const directions[] = {"both", "up", "down", NULL};
    static const char *const known[] = {"sensitivity", "learn", "direction", "min_change", NULL};
    rule->kind = SIGNALS_BASELINE;
    rule->sensitivity = read_sensitivity(reader, conf_get(group, "sensitivity"));
    rule->learn_ms = read_span(reader, group, "learn", 3 * DAY_MS, 0);
    rule->direction = (enum signals_direction)read_word(reader, conf_get(group, "direction"),
                                                        directions, SIGNALS_BOTH);
    rule->min_change = read_min_change(reader, group);
    conf_unknown(group, known, reader->diags);
}

static void read_forecast(struct reader *reader, struct conf *group, struct signals_rule *rule)
{
    static const char *const known[] = {"reaches", "within", "half_life", "needs", NULL};
    struct conf *reaches = conf_get(group, "reaches");
    rule->kind = SIGNALS_FORECAST;
    if (reaches == NULL) {
        complain(reader, group->value_at, "reaches = 0.95; within = \"7d\"",
                 "'forecast' needs 'reaches': the level in whose sight is raised");
    }
    rule->reaches = read_number(reader, reaches, 0);
    rule->within_ms = read_span(reader, group, "within", 7 * DAY_MS, 60 * S_MS);
    rule->half_life_ms = read_span(reader, group, "half_life", 3 * DAY_MS, 60 * S_MS);
    rule->needs_ms = read_span(reader, group, "needs", DAY_MS, 0);
    conf_unknown(group, known, reader->diags);
}

static void read_peers(struct reader *reader, struct conf *group, struct signals_rule *rule)
{
    static const char *const directions[] = {"both", "up", "down", NULL};
    static const char *const known[] = {"group",     "beyond",     "at_least",
                                        "direction", "min_change", NULL};
    struct conf *at_least = conf_get(group, "at_least");
    rule->kind = SIGNALS_PEERS;
    rule->group = read_cel(reader, conf_get(group, "group"), &env_text);
    rule->beyond = read_number(reader, conf_get(group, "beyond"), 5);
    rule->at_least = 8;
    if (at_least != NULL &&
        (at_least->type != CONF_INT || at_least->integer < 3 || at_least->integer > 100000)) {
        complain(reader, at_least->value_at, NULL, "'at_least' must be between 3 and 100000");
    } else if (at_least != NULL) {
        rule->at_least = (uint32_t)at_least->integer;
    }
    if (rule->beyond < 1 || rule->beyond > 1000) {
        complain(reader, conf_get(group, "beyond")->value_at,
                 "5.0 median deviations are far from the others",
                 "'beyond' must be between 1 and 1000");
    }
    rule->direction = (enum signals_direction)read_word(reader, conf_get(group, "direction"),
                                                        directions, SIGNALS_BOTH);
    rule->min_change = read_min_change(reader, group);
    conf_unknown(group, known, reader->diags);
}

static void read_kind(struct reader *reader, struct conf *item, struct signals_rule *rule)
{
    struct conf *baseline = read_group(reader, item, "baseline");
    struct conf *forecast = read_group(reader, item, "forecast");
    struct conf *peers = read_group(reader, item, "peers");
    struct conf *absent = conf_get(item, "absent"), *stuck = conf_get(item, "stuck");
    struct conf *raise = conf_get(item, "raise");
    int said = (baseline != NULL) + (forecast != NULL) + (peers != NULL) + (absent != NULL) +
               (stuck != NULL);
    bool turns = raise != NULL || conf_get(item, "clear") != NULL;
    if (said > 1 || (absent != NULL && turns)) {
        complain(reader, item->value_at, "several signals, and one policy over their events",
                 "a signal has one of 'baseline', 'forecast', 'peers', 'stuck' (a level beside it "
                 "is required, too) or 'absent' alone");
    }
    if (baseline != NULL) {
        read_baseline(reader, baseline, rule);
    } else if (forecast != NULL) {
        read_forecast(reader, forecast, rule);
    } else if (peers != NULL) {
        read_peers(reader, peers, rule);
    } else if (stuck != NULL) {
        rule->kind = SIGNALS_STUCK;
        rule->stuck_ms = conf_duration_ms(stuck, HOUR_MS, S_MS, 30 * DAY_MS, reader->diags);
        if (raise != NULL && (conf_get(raise, "for") != NULL || conf_get(raise, "of") != NULL)) {
            complain(reader, raise->value_at, NULL, "'stuck' is the time by itself");
        }
    } else if (absent != NULL) {
        rule->kind = SIGNALS_ABSENT;
        rule->absent_ms = conf_duration_ms(absent, HOUR_MS, S_MS, 30 * DAY_MS, reader->diags);
    }
}

/* `per = "host"` */
static void read_per(struct reader *reader, struct conf *item, struct signals_rule *rule)
{
    static const char *const words[] = {"series", "host", NULL};
    struct conf *per = conf_get(item, "per");
    rule->per_host = read_word(reader, per, words, 0) == 1;
    if (rule->per_host && conf_get(item, "resource") != NULL) {
        complain(reader, per->at, NULL, "'per' and 'resource' exclude each other");
    }
}

/* ---- one signal ---- */

static void read_labels(struct reader *reader, struct conf *group, struct signals_rule *rule)
{
    if (group == NULL) {
        return;
    }
    struct signals_label *labels =
        arena_array(reader->arena, group->children_count + 1, sizeof *labels);
    if (labels == NULL || group->children_count > SIGNALS_LABELS_MAX) {
        complain(reader, group->value_at, NULL, "at most 16 labels can be asked for");
        return;
    }
    for (struct conf *child = group->first; child != NULL; child = child->next) {
        conf_get(group, child->name);
        labels[rule->labels_count++] = (struct signals_label){
            text_of(child->name), text_of(conf_text(child, "*", reader->diags))};
    }
    rule->labels = labels;
}

static void read_fold(struct reader *reader, struct conf *item, struct signals_rule *rule)
{
    const char *words[SIGNAL_FOLDS_COUNT + 1] = {NULL};
    for (int i = 0; i < SIGNAL_FOLDS_COUNT; i++) {
        words[i] = signal_fold_word((enum signal_fold_kind)i);
    }
    bool learned = rule->kind == SIGNALS_BASELINE || rule->kind == SIGNALS_FORECAST ||
                   rule->kind == SIGNALS_PEERS;
    struct conf *fold = conf_get(item, "fold");
    rule->window_ms = read_span(reader, item, "window", learned ? 5 * 60 * S_MS : 0, 0);
    rule->fold = (enum signal_fold_kind)read_word(reader, fold, words,
                                                  rule->window_ms > 0 ? SIGNAL_AVG : SIGNAL_LAST);
    if (rule->window_ms > 0 && (rule->window_ms < S_MS || rule->window_ms > DAY_MS)) {
        complain(reader, conf_get(item, "window")->value_at, NULL,
                 "'window' must be between 1s and 1d");
    }
    if (rule->window_ms == 0 && rule->fold != SIGNAL_LAST) {
        complain(reader, fold->value_at, "window = \"1m\"", "'fold' needs a 'window'");
    }
}

static const char *required(struct reader *reader, struct conf *item, const char *name)
{
    struct conf *setting = conf_get(item, name);
    if (setting == NULL) {
        diag_add(reader->diags, DIAG_ERROR, item->value_at, NULL, "'%s' is missing here", name);
    }
    return conf_text(setting, "", reader->diags);
}

/* What stands in the event: its texts are bounded, and our own words go around the metric. */
static const char *bounded(struct reader *reader, struct conf *item, const char *name,
                           const char *text)
{
    if (text != NULL && strlen(text) > SIGNALS_TEXT_BYTES_MAX) {
        diag_add(reader->diags, DIAG_ERROR, conf_get(item, name)->value_at, NULL,
                 "'%s' is %zu bytes long; at most %d", name, strlen(text), SIGNALS_TEXT_BYTES_MAX);
        return "";
    }
    return text;
}

static bool name_is_good(const char *name)
{
    size_t count = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._");
    return name[0] != '\0' && name[count] == '\0' && count <= SIGNALS_NAME_BYTES_MAX;
}

static void read_name(struct reader *reader, struct conf *item, struct signals_rule *rule)
{
    rule->name = required(reader, item, "name");
    if (!name_is_good(rule->name) && conf_get(item, "name") != NULL) {
        complain(reader, conf_get(item, "name")->value_at, NULL,
                 "'name' must be a word of a-z, 0-9, '-', '.', '_', at most 64 long");
    }
    for (size_t i = 0; i < reader->count; i++) {
        if (strcmp(reader->rules[i].name, rule->name) == 0 && rule->name[0] != '\0') {
            diag_add(reader->diags, DIAG_ERROR, rule->at, NULL,
                     "there is a signal '%s' already, in line %u", rule->name,
                     reader->rules[i].at.line);
        }
    }
}

static void mix(uint64_t *hash, struct text text)
{
    *hash = (*hash ^ text_hash(text)) * UINT64_C(0x9e3779b97f4a7c15);
    *hash ^= *hash >> 29;
}

/* What makes states comparable: all but levels, times and words for people. */
static uint64_t same_of(const struct signals_rule *rule, struct conf *item)
{
    uint64_t hash = (uint64_t)rule->kind;
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    textbuf_addf(&words, "%d %d %lld %lld", (int)rule->kind, (int)rule->fold,
                 (long long)rule->window_ms, (long long)rule->half_life_ms);
    mix(&hash, text_of(words.at == NULL ? "" : words.at));
    mix(&hash, rule->metric);
    mix(&hash, text_of(rule->event));
    for (size_t i = 0; i < rule->labels_count; i++) {
        mix(&hash, rule->labels[i].name);
        mix(&hash, rule->labels[i].pattern);
    }
    mix(&hash, text_of(rule->per_host ? "host" : ""));
    struct conf *group = conf_get(conf_get(item, "peers"), "group");
    mix(&hash, text_of(group == NULL || group->text == NULL ? "" : group->text));
    static const char *const programs[] = {"where", "host", "resource"};
    for (size_t i = 0; i < 3; i++) {
        struct conf *setting = conf_get(item, programs[i]);
        mix(&hash, text_of(setting == NULL || setting->text == NULL ? "" : setting->text));
    }
    return hash;
}

static void read_rule(struct reader *reader, struct conf *item, struct signals_rule *rule)
{
    static const char *const known[] = {
        "name",  "metric", "labels",   "where",   "host",     "resource", "per",      "window",
        "fold",  "raise",  "clear",    "missing", "baseline", "absent",   "forecast", "peers",
        "stuck", "expect", "severity", "event",   "message",  NULL};
    static const char *const severities[] = {
#define SEVERITY(NAME, word) word,
#include "model/severity.def"
#undef SEVERITY
        NULL};
    rule->at = item->value_at;
    read_name(reader, item, rule);
    rule->metric = text_of(bounded(reader, item, "metric", required(reader, item, "metric")));
    rule->event = bounded(reader, item, "event", required(reader, item, "event"));
    rule->message =
        bounded(reader, item, "message", conf_text(conf_get(item, "message"), NULL, reader->diags));
    rule->severity =
        (enum severity)read_word(reader, conf_get(item, "severity"), severities, SEVERITY_WARNING);
    read_labels(reader, read_group(reader, item, "labels"), rule);
    rule->where = read_cel(reader, conf_get(item, "where"), &env_bool);
    rule->host = read_cel(reader, conf_get(item, "host"), &env_text);
    rule->resource = read_cel(reader, conf_get(item, "resource"), &env_text);
    rule->expect = read_cel(reader, conf_get(item, "expect"), &env_expect);
    read_per(reader, item, rule);
    read_kind(reader, item, rule);
    read_fold(reader, item, rule);
    read_turns(reader, item, rule);
    conf_unknown(item, known, reader->diags);
    rule->same = same_of(rule, item);
}

struct signals signals_read(struct conf *setting, struct arena *arena, struct diags *diags)
{
    struct signals none = {0};
    if (setting == NULL) {
        return none;
    }
    bool good = setting->type == CONF_LIST && setting->children_count <= SIGNALS_MAX;
    for (struct conf *item = setting->first; good && item != NULL; item = item->next) {
        good = item->type == CONF_GROUP;
    }
    struct reader reader = {.arena = arena, .diags = diags};
    reader.rules = arena_array(arena, setting->children_count + 1, sizeof *reader.rules);
    if (!good || reader.rules == NULL) {
        diag_add(diags, DIAG_ERROR, setting->value_at,
                 "( { name = \"inlet-hot\"; metric = \"...\"; raise = { above = 35.0; }; event = "
                 "\"...\"; } )",
                 "'signals' must be a list ( ) of at most %d groups { }", SIGNALS_MAX);
        return none;
    }
    for (struct conf *item = setting->first; item != NULL; item = item->next) {
        read_rule(&reader, item, &reader.rules[reader.count]);
        reader.count++;
    }
    return (struct signals){reader.rules, reader.count};
}

/* ---- matching ---- */

static const struct text *value_of(const struct sample_label *labels, size_t count,
                                   struct text name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(labels[i].name, name)) {
            return &labels[i].value;
        }
    }
    return NULL;
}

bool signals_rule_wants(const struct signals_rule *rule, const struct sample_label *labels,
                        size_t count, const struct cel_inputs *inputs, struct arena *arena)
{
    for (size_t i = 0; i < rule->labels_count; i++) {
        const struct text *value = value_of(labels, count, rule->labels[i].name);
        struct text given = value == NULL ? (struct text){"", 0} : *value;
        if (!text_glob(rule->labels[i].pattern, given) ||
            (value == NULL && rule->labels[i].pattern.count > 0)) {
            return false;
        }
    }
    struct cel_value wanted = {0};
    return rule->where == NULL ||
           (cel_eval(rule->where, inputs, arena, &wanted, NULL) == 0 && wanted.boolean);
}
