/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snmp/poll_meaning.h"

#include "base/assert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES_MAX 256
#define ROUND32 4294967296.0
/* Kept of one table. A table that is always cut, with other rows each time, has no row that is
 * known to be gone: beyond this those not seen are. */
#define ENTRIES_MAX (2 * POLL_ROWS_MAX)

enum told { TOLD_NOTHING, TOLD_WELL, TOLD_BAD };

struct fact {
    enum told told; /* Durable. */
    bool telling, bad;
    bool seen;        /* It had a value before. */
    int64_t number;   /* Of the last read. */
    uint64_t changed; /* The value of `changed`. */
    char *resource;   /* Of what is bad, or was told so. */
    enum severity severity, said;
};

struct counter {
    uint64_t last, base;
    bool known;
};

struct poll_entry {
    char *index;
    uint64_t labels_hash, round, discontinuity;
    bool known; /* labels_hash and discontinuity are of an earlier read. */
    struct fact facts[POLL_STATES_MAX];
    struct counter counters[]; /* By the table's metrics, when it has counters. */
};

struct entries {
    char *name;
    struct map by_index;
    uint64_t round;
    bool restarted;
};

/* ---- memory ---- */

static void entry_free(struct poll_entry *entry)
{
    for (size_t i = 0; i < POLL_STATES_MAX; i++) {
        free(entry->facts[i].resource);
    }
    free(entry->index);
    free(entry);
}

static void entries_free(struct entries *entries)
{
    MAP_EACH (&entries->by_index, at) {
        entry_free(at->value);
    }
    map_done(&entries->by_index);
    free(entries->name);
    free(entries);
}

void poll_memory_done(struct poll_memory *memory)
{
    MAP_EACH (&memory->tables, at) {
        entries_free(at->value);
    }
    map_done(&memory->tables);
}

void poll_memory_restart(struct poll_memory *memory)
{
    MAP_EACH (&memory->tables, at) {
        ((struct entries *)at->value)->restarted = true;
    }
}

static void table_key(const struct poll_table *table, char *key, size_t room)
{
    snprintf(key, room, "%s/%s", table->set, table->name);
}

static struct entries *entries_find(const struct poll_memory *memory,
                                    const struct poll_table *table)
{
    char key[TEXT_BYTES_MAX];
    table_key(table, key, sizeof key);
    return map_get(&memory->tables, text_of(key));
}

static struct entries *entries_of(struct poll_memory *memory, const struct poll_table *table)
{
    char key[TEXT_BYTES_MAX];
    struct entries *entries = entries_find(memory, table);
    if (entries != NULL) {
        return entries;
    }
    table_key(table, key, sizeof key);
    entries = calloc(1, sizeof *entries);
    char *name = strdup(key);
    if (entries == NULL || name == NULL || map_set(&memory->tables, text_of(name), entries) < 0) {
        free(entries);
        free(name);
        return NULL;
    }
    entries->name = name;
    return entries;
}

static size_t counters_count(const struct poll_table *table)
{
    for (uint32_t i = 0; i < table->metrics_count; i++) {
        if (table->metrics[i].counter) {
            return table->metrics_count;
        }
    }
    return 0;
}

static struct poll_entry *entry_of(struct entries *entries, const struct poll_table *table,
                                   struct text index)
{
    struct poll_entry *entry = map_get(&entries->by_index, index);
    if (entry != NULL) {
        return entry;
    }
    entry = calloc(1, sizeof *entry + counters_count(table) * sizeof(struct counter));
    char *copy = strndup(index.at, index.count);
    if (entry == NULL || copy == NULL ||
        map_set(&entries->by_index, (struct text){copy, index.count}, entry) < 0) {
        free(entry);
        free(copy);
        return NULL;
    }
    entry->index = copy;
    return entry;
}

/* ---- texts ---- */

/* A text of an agent as one of ours: UTF-8 without control characters. */
static const char *cleaned(struct arena *arena, struct text octets)
{
    uint32_t count = octets.count;
    while (count > 0 && (octets.at[count - 1] == '\0' || octets.at[count - 1] == ' ')) {
        count--;
    }
    char *copy = arena_copy(arena, octets.at, count);
    bool good = copy != NULL && text_is_utf8(copy, count);
    for (uint32_t i = 0; copy != NULL && i < count; i++) {
        unsigned char c = (unsigned char)copy[i];
        copy[i] = c < 0x20 || c == 0x7f || (c > 0x7f && !good) ? '?' : copy[i];
    }
    return copy;
}

static const struct poll_value *choice_value(const struct poll_choice *choice,
                                             const struct poll_row *row)
{
    for (uint32_t i = 0; i < choice->count; i++) {
        const struct poll_value *value = &row->cells[choice->columns[i]];
        bool empty = value->type == POLL_OCTETS && value->octets.count == 0;
        if (value->type != POLL_NOTHING && !empty) {
            return value;
        }
    }
    return NULL;
}

static const char *label_text(struct arena *arena, const struct poll_label *label,
                              const struct poll_row *row)
{
    const struct poll_value *value = choice_value(&label->from, row);
    double number = 0;
    if (value == NULL) {
        return "";
    }
    if (value->type == POLL_OID || (value->type == POLL_OCTETS && label->words.count == 0)) {
        return cleaned(arena, value->octets);
    }
    if (!poll_value_number(value, &number)) {
        return "";
    }
    const char *word = poll_word_of(&label->words, (int64_t)number);
    return word != NULL ? word : arena_printf(arena, "%lld", (long long)number);
}

struct words {
    const struct poll_table *table;
    const char *const *labels;
    struct text index;
    const char *word;
    int64_t number;
};

static void add(char *room, size_t *used, const char *chars, size_t count)
{
    count = count > TEXT_BYTES_MAX - 1 - *used ? TEXT_BYTES_MAX - 1 - *used : count;
    memcpy(room + *used, chars, count);
    *used += count;
}

static void name_add(const struct words *words, const char *name, size_t count, char *room,
                     size_t *used)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)words->number);
    if (count == 5 && memcmp(name, "index", 5) == 0) {
        add(room, used, words->index.at, words->index.count);
    } else if (count == 4 && memcmp(name, "word", 4) == 0) {
        const char *word = words->word == NULL ? number : words->word;
        add(room, used, word, strlen(word));
    } else if (count == 5 && memcmp(name, "value", 5) == 0) {
        add(room, used, number, strlen(number));
    }
    for (uint32_t i = 0; i < words->table->labels_count; i++) {
        const char *label = words->table->labels[i].name;
        if (strlen(label) == count && memcmp(label, name, count) == 0) {
            add(room, used, words->labels[i], strlen(words->labels[i]));
        }
    }
}

static void cut_whole(const char *room, size_t *used)
{
    while (*used > 0 && !text_is_utf8(room, *used)) {
        (*used)--; /* Cut within a character. */
    }
}

/* The template with its names filled in; NULL: no memory. */
static const char *filled(struct arena *arena, const char *chars, const struct words *words)
{
    char room[TEXT_BYTES_MAX];
    size_t used = 0;
    for (const char *at = chars; *at != '\0';) {
        size_t count = strncmp(at, "${", 2) == 0 ? strcspn(at + 2, "}") : 0;
        if (count > 0 && at[2 + count] == '}') {
            name_add(words, at + 2, count, room, &used);
            at += count + 3;
        } else {
            add(room, &used, at++, 1);
        }
    }
    cut_whole(room, &used);
    return arena_copy(arena, room, used);
}

void poll_template_glob(const char *chars, char *room, size_t room_bytes)
{
    size_t used = 0;
    while (*chars != '\0' && used + 1 < room_bytes) {
        size_t count = strncmp(chars, "${", 2) == 0 ? strcspn(chars, "}") : 0;
        bool name = count > 0 && chars[count] == '}';
        room[used++] = name ? '*' : *chars;
        chars += name ? count + 1 : 1;
    }
    room[used] = '\0';
}

/* ---- rows ---- */

static bool labels_fill(struct poll_meaning *meaning, const struct poll_row *row,
                        const char *labels[POLL_LABELS_MAX])
{
    for (uint32_t i = 0; i < meaning->table->labels_count; i++) {
        labels[i] = label_text(meaning->arena, &meaning->table->labels[i], row);
        if (labels[i] == NULL) {
            return false;
        }
    }
    return true;
}

static uint64_t labels_hash(const struct poll_table *table, const char *const *labels)
{
    /* The first one names it; others, such as an alias, are only said of it. */
    return table->labels_count == 0 ? 0 : text_hash(text_of(labels[0]));
}

static bool cell_number(const struct poll_row *row, int column, double *ret_number)
{
    return column >= 0 && poll_value_number(&row->cells[column], ret_number);
}

/* Is the row another thing than at the last read, or did its counters begin anew? */
static bool entry_look(struct poll_entry *entry, const struct poll_table *table,
                       const struct poll_row *row, const char *const *labels)
{
    double discontinuity = 0;
    uint64_t hash = labels_hash(table, labels);
    cell_number(row, table->discontinuity, &discontinuity);
    bool anew = entry->known &&
                (entry->labels_hash != hash || entry->discontinuity != (uint64_t)discontinuity);
    entry->labels_hash = hash;
    entry->discontinuity = (uint64_t)discontinuity;
    entry->known = true;
    return anew;
}

static double counted(struct counter *counter, const struct poll_value *value, bool anew)
{
    if (value->type != POLL_COUNTER32) {
        double number = 0;
        poll_value_number(value, &number);
        return number;
    }
    bool fell = counter->known && value->natural < counter->last;
    counter->base = anew ? 0 : counter->base + (fell ? 1 : 0);
    counter->last = value->natural;
    counter->known = true;
    return (double)counter->base * ROUND32 + (double)value->natural;
}

static bool metric_value(const struct poll_metric *metric, const struct poll_row *row,
                         struct counter *counter, bool anew, double *ret_value)
{
    const struct poll_value *value = choice_value(&metric->from, row);
    double number = 0, thousands = 9, decimals = 0, times = 1;
    if (value == NULL || !poll_value_number(value, &number)) {
        return false;
    }
    if (metric->counter && counter != NULL) {
        number = counted(counter, value, anew);
    }
    if (metric->natural && number < 0) {
        number += ROUND32;
    }
    cell_number(row, metric->thousands, &thousands);
    cell_number(row, metric->decimals, &decimals);
    cell_number(row, metric->times, &times);
    if (thousands != 9.0) {
        number *= pow(10, 3 * (thousands - 9));
    }
    if (decimals != 0.0) {
        number /= pow(10, decimals);
    }
    *ret_value = number * metric->scale * times;
    return isfinite(*ret_value);
}

static bool name_has_label(const char *name, const char *label)
{
    char chars[POLL_NAME_BYTES_MAX + 4];
    snprintf(chars, sizeof chars, "${%s}", label);
    return strstr(name, chars) != NULL;
}

/* What is said once need not be said again: labels that are the resource, or in the name. */
static size_t sample_labels(const struct poll_meaning *meaning, const struct poll_metric *metric,
                            const char *const *labels, const char *resource,
                            struct sample_label *out)
{
    size_t count = 1; /* The first is the name. */
    for (size_t i = 0; i < meaning->labels_count; i++) {
        out[count++] = meaning->labels[i];
    }
    if (resource[0] != '\0') {
        out[count++] = (struct sample_label){TEXT("resource"), text_of(resource)};
    }
    for (uint32_t i = 0; i < meaning->table->labels_count; i++) {
        const char *name = meaning->table->labels[i].name;
        if (labels[i][0] != '\0' && strcmp(labels[i], resource) != 0 &&
            !name_has_label(metric->name, name)) {
            out[count++] = (struct sample_label){text_of(name), text_of(labels[i])};
        }
    }
    return count;
}

static void row_samples(struct poll_meaning *meaning, const struct poll_row *row,
                        struct poll_entry *entry, bool anew, const struct sample_sink *sink)
{
    const struct poll_table *table = meaning->table;
    const char *labels[POLL_LABELS_MAX] = {NULL};
    struct sample_label out[SAMPLE_LABELS_MAX];
    if (!labels_fill(meaning, row, labels)) {
        meaning->failed = true;
        return;
    }
    anew = entry_look(entry, table, row, labels) || anew;
    const struct words words = {.table = table, .labels = labels, .index = row->index};
    const char *resource = filled(meaning->arena, table->resource, &words);
    double number = 0;
    bool valid = table->valid < 0 || (cell_number(row, table->valid, &number) &&
                                      poll_word_of(&table->valid_is, (int64_t)number) != NULL);
    bool counts = counters_count(table) > 0;
    for (uint32_t i = 0; valid && resource != NULL && i < table->metrics_count; i++) {
        const struct poll_metric *metric = &table->metrics[i];
        double value = 0;
        const char *name = filled(meaning->arena, metric->name, &words);
        if (name == NULL ||
            !metric_value(metric, row, counts ? &entry->counters[i] : NULL, anew, &value)) {
            continue;
        }
        out[0] = (struct sample_label){TEXT(SAMPLE_METRIC), text_of(name)};
        sink->labels(sink->arg, out, sample_labels(meaning, metric, labels, resource, out));
        sink->value(sink->arg, meaning->at_ms, value);
        meaning->samples++;
    }
}

void poll_mean_samples(struct poll_meaning *meaning, const struct sample_sink *sink)
{
    struct entries *entries = entries_of(meaning->memory, meaning->table);
    if (entries == NULL) {
        meaning->failed = true;
        return;
    }
    entries->round++;
    for (uint32_t i = 0; i < meaning->rows->count; i++) {
        const struct poll_row *row = meaning->rows->items[i];
        struct poll_entry *entry = entry_of(entries, meaning->table, row->index);
        if (entry == NULL) {
            meaning->failed = true;
            continue;
        }
        entry->round = entries->round;
        row_samples(meaning, row, entry, entries->restarted, sink);
    }
    entries->restarted = false;
}

/* ---- states ---- */

static bool numbers_have(const struct poll_words *words, double number)
{
    return poll_word_of(words, (int64_t)number) != NULL;
}

/* False: the agent does not say. */
static bool state_judge(const struct poll_state *state, const struct poll_row *row,
                        struct fact *fact)
{
    double number = 0, unless = 0;
    if (state->column < 0) {
        fact->bad = true;
        fact->severity = state->severity;
        return true;
    }
    if (!cell_number(row, state->column, &number)) {
        return false;
    }
    const char *severity = poll_word_of(&state->bad, (int64_t)number);
    bool expected =
        cell_number(row, state->unless, &unless) && numbers_have(&state->expected, unless);
    fact->number = (int64_t)number;
    fact->bad = severity != NULL && !expected;
    if (fact->bad) {
        fact->severity = (enum severity)severity_of(text_of(severity));
    }
    return true;
}

static bool resource_keep(struct fact *fact, const char *resource)
{
    if (fact->resource != NULL && strcmp(fact->resource, resource) == 0) {
        return true;
    }
    if (fact->resource != NULL && fact->told == TOLD_BAD) {
        return true; /* What was raised under another name has to be cleared under it. */
    }
    char *copy = strdup(resource);
    if (copy == NULL) {
        return false;
    }
    free(fact->resource);
    fact->resource = copy;
    return true;
}

struct telling {
    struct poll_meaning *meaning;
    void (*turn)(void *arg, const struct poll_turn *turn);
    void *arg;
};

static void say(struct telling *telling, struct poll_entry *entry, uint32_t index,
                const struct poll_row *row, const char *const *labels)
{
    struct poll_meaning *meaning = telling->meaning;
    const struct poll_state *state = &meaning->table->states[index];
    struct fact *fact = &entry->facts[index];
    const char *word = row == NULL ? "gone" : poll_word_of(&state->words, fact->number);
    const struct words words = {.table = meaning->table,
                                .labels = labels,
                                .index = text_of(entry->index),
                                .word = word,
                                .number = fact->number};
    const char *message = filled(meaning->arena, state->message, &words);
    const char *resource = fact->resource == NULL
                               ? NULL
                               : arena_copy(meaning->arena, fact->resource, strlen(fact->resource));
    if (message == NULL || resource == NULL) {
        meaning->failed = true;
        return;
    }
    fact->telling = true;
    fact->said = fact->severity;
    telling->turn(telling->arg, &(struct poll_turn){
                                    .entry = entry,
                                    .state = index,
                                    .raise = fact->bad,
                                    .severity = fact->bad ? fact->severity : SEVERITY_INFO,
                                    .number = fact->number,
                                    .resource = resource,
                                    .message = message,
                                    .word = word == NULL ? "" : word,
                                    .index = text_of(entry->index),
                                    .labels = labels,
                                });
}

static void state_read(struct telling *telling, struct poll_entry *entry, uint32_t index,
                       const struct poll_row *row, const char *const *labels)
{
    struct poll_meaning *meaning = telling->meaning;
    const struct poll_state *state = &meaning->table->states[index];
    struct fact *fact = &entry->facts[index];
    double changed = 0;
    const struct words words = {
        .table = meaning->table, .labels = labels, .index = text_of(entry->index)};
    if (fact->telling || !state_judge(state, row, fact)) {
        return; /* On its way; or unknown, which is no news. */
    }
    bool moved = cell_number(row, state->changed, &changed) && fact->seen &&
                 fact->changed != (uint64_t)changed;
    fact->seen = true;
    fact->changed = (uint64_t)changed;
    const char *resource = filled(meaning->arena, state->resource, &words);
    if (resource == NULL || !resource_keep(fact, resource)) {
        meaning->failed = true;
        return;
    }
    bool worse = fact->told == TOLD_BAD && fact->bad && fact->said != fact->severity;
    bool raise = fact->bad && (fact->told != TOLD_BAD || worse);
    bool clear = !fact->bad && (fact->told == TOLD_BAD || moved);
    if (raise || clear) {
        say(telling, entry, index, row, labels);
    }
}

static void row_states(struct telling *telling, struct poll_entry *entry,
                       const struct poll_row *row)
{
    const char *labels[POLL_LABELS_MAX] = {NULL};
    if (!labels_fill(telling->meaning, row, labels)) {
        telling->meaning->failed = true;
        return;
    }
    for (uint32_t i = 0; i < telling->meaning->table->states_count; i++) {
        state_read(telling, entry, i, row, labels);
    }
}

static bool entry_waits(const struct poll_entry *entry)
{
    for (size_t i = 0; i < POLL_STATES_MAX; i++) {
        if (entry->facts[i].telling || entry->facts[i].told == TOLD_BAD) {
            return true;
        }
    }
    return false;
}

/* Rows that are gone: what was bad of them is over, and then nothing is kept of them. */
static void rows_gone(struct telling *telling, struct entries *entries)
{
    static const char *const none[POLL_LABELS_MAX] = {"", "", "", "", "", "", "", ""};
    MAP_EACH (&entries->by_index, at) {
        struct poll_entry *entry = at->value;
        for (uint32_t i = 0;
             entry->round != entries->round && i < telling->meaning->table->states_count; i++) {
            struct fact *fact = &entry->facts[i];
            fact->bad = false;
            if (!fact->telling && fact->told == TOLD_BAD) {
                say(telling, entry, i, NULL, none);
            }
        }
        if (entry->round != entries->round && !entry_waits(entry)) {
            map_remove(&entries->by_index, at->key);
            entry_free(entry);
        }
    }
}

void poll_mean_states(struct poll_meaning *meaning,
                      void (*turn)(void *arg, const struct poll_turn *turn), void *arg)
{
    struct telling telling = {meaning, turn, arg};
    struct entries *entries = entries_find(meaning->memory, meaning->table);
    if (entries == NULL) {
        meaning->failed = true;
        return;
    }
    /* What is over goes first: of what is told at once it gets its part. */
    if (!meaning->rows->cut || entries->by_index.count > ENTRIES_MAX) {
        rows_gone(&telling, entries);
    }
    for (uint32_t i = 0; meaning->table->states_count > 0 && i < meaning->rows->count; i++) {
        struct poll_entry *entry = map_get(&entries->by_index, meaning->rows->items[i]->index);
        if (entry != NULL) {
            row_states(&telling, entry, meaning->rows->items[i]);
        }
    }
}

void poll_turn_told(struct poll_memory *memory, const struct poll_table *table,
                    struct poll_entry *entry, uint32_t state, bool raise, bool durable)
{
    struct fact *fact = &entry->facts[state];
    struct entries *entries = entries_find(memory, table);
    NSH_ASSERT(entries != NULL && fact->telling);
    fact->telling = false;
    if (durable) {
        fact->told = raise ? TOLD_BAD : TOLD_WELL;
    } else {
        fact->said = SEVERITIES_COUNT; /* Again, whatever was said before. */
    }
}

bool poll_memory_bad(const struct poll_memory *memory, const struct poll_table *table,
                     uint32_t state, struct text resource)
{
    const struct entries *entries = entries_find(memory, table);
    if (entries == NULL) {
        return false;
    }
    MAP_EACH (&entries->by_index, at) {
        const struct fact *fact = &((const struct poll_entry *)at->value)->facts[state];
        if (fact->bad && fact->resource != NULL && text_is(resource, fact->resource)) {
            return true;
        }
    }
    return false;
}

uint32_t poll_memory_bad_count(const struct poll_memory *memory)
{
    uint32_t count = 0;
    MAP_EACH (&memory->tables, table) {
        const struct entries *entries = table->value;
        MAP_EACH (&entries->by_index, at) {
            const struct poll_entry *entry = at->value;
            for (size_t i = 0; i < POLL_STATES_MAX; i++) {
                count += entry->facts[i].bad;
            }
        }
    }
    return count;
}
