/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a set to its tables, all mistakes at their places. */

#include "source/snmp/poll_table.h"

#include "base/assert.h"

#include <ctype.h>
#include <stdlib.h>

#define NUMBER_BYTES 8 /* Of a cell that is a number, with some reserve. */
#define TEXT_BYTES 24

struct reader {
    struct arena *arena;
    struct diags *diags;
    struct poll_table *table;
};

#define wrong(reader, setting, remedy, ...)                                                        \
    diag_add((reader)->diags, DIAG_ERROR, (setting)->value_at, remedy, __VA_ARGS__)

/* ---- columns ---- */

/* The place of that column in the table, made when it is new; -1: told. */
static int column_of(struct reader *reader, struct conf *setting, const char *chars, size_t bytes)
{
    struct poll_table *table = reader->table;
    struct poll_oid oid;
    if (!poll_oid_read(chars, &oid) || oid.count > POLL_ARCS_MAX - 2) {
        wrong(reader, setting, "such as \"1.3.6.1.2.1.2.2.1.8\"", "\"%.60s\" is no object", chars);
        return -1;
    }
    for (uint32_t i = 0; i < table->columns_count; i++) {
        if (poll_oid_compare(&table->columns[i].oid, &oid) == 0) {
            return (int)i;
        }
    }
    if (table->columns_count == POLL_COLUMNS_MAX) {
        wrong(reader, setting, NULL, "%s: a table has 48 columns at most", table->name);
        return -1;
    }
    table->columns[table->columns_count] =
        (struct poll_column){.oid = oid, .bytes = (uint16_t)bytes};
    return (int)table->columns_count++;
}

/* A column by the key name of group, or -1. */
static int column_read(struct reader *reader, struct conf *group, const char *name)
{
    struct conf *setting = conf_get(group, name);
    const char *chars = conf_text(setting, NULL, reader->diags);
    return chars == NULL ? -1 : column_of(reader, setting, chars, NUMBER_BYTES);
}

static struct poll_choice choice_read(struct reader *reader, struct conf *group, size_t bytes)
{
    struct poll_choice choice = {0};
    struct conf *setting = conf_get(group, "oid");
    if (setting == NULL) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "oid = \"1.3.6.1.2.1.2.2.1.10\"",
                 "'oid' is missing here");
        return choice;
    }
    bool one = setting->type == CONF_STRING;
    struct conf *item = one ? setting : setting->first;
    for (; item != NULL; item = one ? NULL : item->next) {
        const char *chars = conf_text(item, NULL, reader->diags);
        int column = chars == NULL ? -1 : column_of(reader, item, chars, bytes);
        if (choice.count == POLL_CHOICE_MAX) {
            wrong(reader, item, NULL, "%s: three columns at most say the same",
                  reader->table->name);
            break;
        }
        if (column >= 0) {
            choice.columns[choice.count++] = (uint16_t)column;
        }
    }
    return choice;
}

/* ---- words ---- */

const char *poll_word_of(const struct poll_words *words, int64_t number)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (words->items[i].number == number) {
            return words->items[i].word;
        }
    }
    return NULL;
}

/* "1 up, 2 down", or with bare also "2, 3". */
static struct poll_words words_read(struct reader *reader, struct conf *group, const char *name,
                                    bool bare)
{
    struct poll_words words = {0};
    struct conf *setting = conf_get(group, name);
    const char *at = conf_text(setting, NULL, reader->diags);
    struct poll_word *items =
        at == NULL ? NULL : arena_array(reader->arena, POLL_WORDS_MAX, sizeof *items);
    while (items != NULL && *at != '\0') {
        char *end = NULL;
        long long number = strtoll(at, &end, 10);
        bool good = end != at;
        at = end + strspn(end, " ");
        size_t count = strcspn(at, ",");
        if (!good || (count == 0 && !bare) || words.count == POLL_WORDS_MAX) {
            wrong(reader, setting, "such as \"1 up, 2 down\", at most 32",
                  "numbers and their words, got \"%.80s\"", setting->text);
            break;
        }
        items[words.count++] = (struct poll_word){number, arena_copy(reader->arena, at, count)};
        at += count;
        at += strspn(at, ", ");
    }
    words.items = items;
    return words;
}

/* ---- texts with ${label} ---- */

static bool name_is(const struct poll_table *table, const char *name, size_t count)
{
    static const char *const own[] = {"index", "word", "value"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strlen(own[i]) == count && memcmp(own[i], name, count) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < table->labels_count; i++) {
        if (strlen(table->labels[i].name) == count &&
            memcmp(table->labels[i].name, name, count) == 0) {
            return true;
        }
    }
    return false;
}

static const char *template_read(struct reader *reader, struct conf *group, const char *name,
                                 const char *preset)
{
    struct conf *setting = conf_get(group, name);
    const char *chars = conf_text(setting, preset, reader->diags);
    for (const char *at = chars; at != NULL && (at = strstr(at, "${")) != NULL;) {
        size_t count = strcspn(at + 2, "}");
        if (at[2 + count] == '\0' || !name_is(reader->table, at + 2, count)) {
            wrong(reader, setting == NULL ? group : setting,
                  "${index}, ${word}, ${value} or a label", "what is meant by \"%.60s\"?", at);
            break;
        }
        at += 2 + count;
    }
    return chars;
}

/* ---- labels, metrics, states ---- */

static bool name_fits(const char *name)
{
    bool fits = isalpha((unsigned char)name[0]) && strlen(name) < POLL_NAME_BYTES_MAX;
    for (size_t i = 0; fits && name[i] != '\0'; i++) {
        fits = isalnum((unsigned char)name[i]) || strchr("_${}", name[i]) != NULL;
    }
    return fits;
}

static const char *name_read(struct reader *reader, struct conf *group, const char *key)
{
    struct conf *setting = conf_get(group, key);
    const char *name = conf_text(setting, NULL, reader->diags);
    if (setting == NULL) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, NULL, "'%s' is missing here", key);
    } else if (name != NULL && !name_fits(name)) {
        wrong(reader, setting, NULL, "a name is made of letters, digits and _, got \"%.60s\"",
              name);
    }
    return name == NULL ? "" : name;
}

/* The groups of a list, at most count_max; false: told. */
static bool list_is(struct reader *reader, struct conf *setting, size_t count_max)
{
    bool good = setting->type == CONF_LIST && setting->children_count <= count_max;
    for (struct conf *item = setting->first; good && item != NULL; item = item->next) {
        good = item->type == CONF_GROUP;
    }
    if (!good) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, "( { ... }, { ... } )",
                 "'%s' is a list ( ) of at most %zu groups { }",
                 setting->name == NULL ? "" : setting->name, count_max);
    }
    return good;
}

static void labels_read(struct reader *reader, struct conf *setting)
{
    static const char *const known[] = {"name", "oid", "words", NULL};
    struct poll_table *table = reader->table;
    if (setting == NULL || !list_is(reader, setting, POLL_LABELS_MAX)) {
        return;
    }
    for (struct conf *group = setting->first; group != NULL; group = group->next) {
        struct poll_label label = {.name = name_read(reader, group, "name"),
                                   .words = words_read(reader, group, "words", false)};
        label.from = choice_read(reader, group, label.words.count > 0 ? NUMBER_BYTES : TEXT_BYTES);
        conf_unknown(group, known, reader->diags);
        table->labels[table->labels_count++] = label;
    }
}

static double scale_read(struct reader *reader, struct conf *group)
{
    struct conf *setting = conf_get(group, "scale");
    if (setting == NULL) {
        return 1.0;
    }
    if (setting->type == CONF_FLOAT && setting->real != 0.0) {
        return setting->real;
    }
    return (double)conf_int(setting, 1, -1000000000, 1000000000, reader->diags);
}

static bool counter_read(struct reader *reader, struct conf *group)
{
    struct conf *setting = conf_get(group, "kind");
    const char *word = conf_text(setting, "gauge", reader->diags);
    bool counter = strcmp(word, "counter") == 0;
    if (!counter && strcmp(word, "gauge") != 0) {
        wrong(reader, setting, "gauge or counter", "\"%.40s\" is no kind of a metric", word);
    }
    return counter;
}

static void metrics_read(struct reader *reader, struct conf *setting)
{
    static const char *const known[] = {"name",    "oid",       "kind",     "scale", "times",
                                        "natural", "thousands", "decimals", NULL};
    struct poll_table *table = reader->table;
    if (setting == NULL || !list_is(reader, setting, POLL_METRICS_MAX)) {
        return;
    }
    struct poll_metric *metrics =
        arena_array(reader->arena, setting->children_count + 1, sizeof *metrics);
    table->metrics = metrics;
    for (struct conf *group = setting->first; metrics != NULL && group != NULL;
         group = group->next) {
        name_read(reader, group, "name");
        metrics[table->metrics_count++] = (struct poll_metric){
            .name = template_read(reader, group, "name", ""),
            .from = choice_read(reader, group, NUMBER_BYTES),
            .scale = scale_read(reader, group),
            .thousands = column_read(reader, group, "thousands"),
            .decimals = column_read(reader, group, "decimals"),
            .times = column_read(reader, group, "times"),
            .counter = counter_read(reader, group),
            .natural = conf_bool(conf_get(group, "natural"), false, reader->diags),
        };
        conf_unknown(group, known, reader->diags);
    }
}

static void bad_check(struct reader *reader, struct conf *group, const struct poll_state *state)
{
    struct conf *setting = conf_get(group, "bad");
    for (uint32_t i = 0; i < state->bad.count; i++) {
        if (severity_of(text_of(state->bad.items[i].word)) < 0) {
            wrong(reader, setting, "critical, major, minor, warning, info",
                  "\"%.40s\" is no severity", state->bad.items[i].word);
        }
    }
    if (state->column >= 0 && state->bad.count == 0) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "bad = \"2 major\"",
                 "which numbers are bad?");
    }
}

static enum severity severity_read(struct reader *reader, struct conf *group)
{
    struct conf *setting = conf_get(group, "severity");
    const char *word = conf_text(setting, "major", reader->diags);
    int severity = severity_of(text_of(word));
    if (severity < 0) {
        wrong(reader, setting, NULL, "\"%.40s\" is no severity", word);
    }
    return severity < 0 ? SEVERITY_MAJOR : (enum severity)severity;
}

static void states_read(struct reader *reader, struct conf *setting)
{
    static const char *const known[] = {"type",     "oid",     "bad",      "words",
                                        "resource", "unless",  "expected", "changed",
                                        "severity", "message", NULL};
    struct poll_table *table = reader->table;
    if (setting == NULL || !list_is(reader, setting, POLL_STATES_MAX)) {
        return;
    }
    for (struct conf *group = setting->first; group != NULL; group = group->next) {
        const char *type = conf_text(conf_get(group, "type"), NULL, reader->diags);
        struct poll_state state = {
            .type = type == NULL ? "" : type,
            .column = column_read(reader, group, "oid"),
            .bad = words_read(reader, group, "bad", false),
            .words = words_read(reader, group, "words", false),
            .resource = template_read(reader, group, "resource", ""),
            .message = template_read(reader, group, "message", "${word}"),
            .unless = column_read(reader, group, "unless"),
            .expected = words_read(reader, group, "expected", true),
            .changed = column_read(reader, group, "changed"),
            .severity = severity_read(reader, group),
        };
        if (type == NULL) {
            diag_add(reader->diags, DIAG_ERROR, group->value_at, "type = \"network.link.down\"",
                     "'type' is missing here");
        }
        bad_check(reader, group, &state);
        conf_unknown(group, known, reader->diags);
        table->states[table->states_count++] = state;
    }
}

/* ---- tables ---- */

static void table_read(struct reader *reader, struct conf *group, const char *set)
{
    static const char *const known[] = {"name",     "scalar",        "labels", "metrics",  "states",
                                        "resource", "discontinuity", "valid",  "valid_is", NULL};
    struct poll_table *table = reader->table;
    const char *name = conf_text(conf_get(group, "name"), NULL, reader->diags);
    table->name = name == NULL ? "" : name;
    table->set = set;
    table->scalar = conf_bool(conf_get(group, "scalar"), false, reader->diags);
    if (name == NULL) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "name = \"ifTable\"",
                 "'name' is missing here");
    }
    labels_read(reader, conf_get(group, "labels"));
    metrics_read(reader, conf_get(group, "metrics"));
    states_read(reader, conf_get(group, "states"));
    table->resource = template_read(reader, group, "resource", "");
    table->discontinuity = column_read(reader, group, "discontinuity");
    table->valid = column_read(reader, group, "valid");
    table->valid_is = words_read(reader, group, "valid_is", true);
    conf_unknown(group, known, reader->diags);
    if (table->columns_count == 0) {
        diag_add(reader->diags, DIAG_ERROR, group->value_at, "metrics = ( ... );",
                 "a table without columns says nothing");
    }
}

bool poll_set_read(struct conf *root, const char *name, struct arena *arena, struct diags *diags,
                   struct poll_set *ret_set)
{
    static const char *const known[] = {"summary", "only", "tables", NULL};
    struct reader reader = {.arena = arena, .diags = diags};
    size_t before = diags->errors_count;
    struct poll_set set = {.name = name,
                           .summary = conf_text(conf_get(root, "summary"), "", diags)};
    struct conf *only = conf_get(root, "only"), *setting = conf_get(root, "tables");
    const char *chars = conf_text(only, NULL, diags);
    if (chars != NULL && !poll_oid_read(chars, &set.only)) {
        wrong(&reader, only, "such as \"1.3.6.1.4.1.318\"", "\"%.60s\" is no object", chars);
    }
    conf_unknown(root, known, diags);
    if (setting == NULL) {
        diag_add(diags, DIAG_ERROR, root->at, "tables = ( { name = \"ifTable\"; } );",
                 "'tables' is missing in %.60s", name);
        return false;
    }
    if (!list_is(&reader, setting, POLL_SET_TABLES_MAX)) {
        return false;
    }
    struct poll_table *tables =
        arena_array(arena, setting->children_count + 1, sizeof(struct poll_table));
    for (struct conf *group = setting->first; tables != NULL && group != NULL;
         group = group->next) {
        reader.table = &tables[set.tables_count++];
        table_read(&reader, group, name);
    }
    set.tables = tables;
    if (tables == NULL || diags->errors_count > before) {
        return false;
    }
    *ret_set = set;
    return true;
}
