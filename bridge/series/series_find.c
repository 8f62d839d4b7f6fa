/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From labels to entries. A label set is asked once whether signals want it; what came out is kept
 * under its hash, of 128 bits and whatever the order of the labels. What is kept here can always be
 * made anew: when it is full, it is thrown away.
 */

#include "series/series_private.h"

#include <stdio.h>
#include <stdlib.h>

#define RESOURCE_BYTES (SERIES_TEXT_BYTES_MAX - 1)

/* ---- names ---- */

void series_names_clear(struct series *series)
{
    MAP_EACH (&series->names, entry) {
        free(entry->value);
    }
    map_done(&series->names);
    series->names = (struct map){0};
}

static struct series_name *name_new(const struct series *series, struct text metric)
{
    uint16_t rules[SIGNALS_MAX];
    uint32_t count = 0;
    for (size_t i = 0; i < series->signals->count; i++) {
        if (text_glob(series->signals->rules[i].metric, metric)) {
            rules[count++] = (uint16_t)i;
        }
    }
    struct series_name *name = malloc(sizeof *name + count * sizeof rules[0] + metric.count + 1);
    if (name != NULL) {
        name->count = count;
        memcpy(name->rules, rules, count * sizeof rules[0]);
        char *chars = (char *)&name->rules[count];
        memcpy(chars, metric.at, metric.count);
        chars[metric.count] = '\0';
    }
    return name;
}

static const struct series_name *name_get(struct series *series, struct text metric)
{
    struct series_name *name = map_get(&series->names, metric);
    if (name != NULL) {
        return name;
    }
    if (series->names.count >= SERIES_NAMES_MAX) {
        series_names_clear(series);
    }
    name = name_new(series, metric);
    if (name == NULL) {
        return NULL;
    }
    struct text key = {(const char *)&name->rules[name->count], metric.count};
    if (map_set(&series->names, key, name) < 0) {
        free(name);
        return NULL;
    }
    return name;
}

/* ---- host and resource by the usual labels ---- */

static const char *const host_labels[] = {"host",      "hostname",      "node",    "nodename",
                                          "host.name", "k8s.node.name", "instance"};
static const char *const not_resource[] = {SAMPLE_METRIC,   "job",      "host",      "hostname",
                                           "node",          "nodename", "host.name", "host.id",
                                           "k8s.node.name", "instance"};

static struct text label_of(const struct sample_label *labels, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_is(labels[i].name, name)) {
            return labels[i].value;
        }
    }
    return (struct text){"", 0};
}

/* "10.0.0.1:9100" -> "10.0.0.1", "[::1]:9100" -> "::1" */
static struct text without_port(struct text text)
{
    const char *colon = memrchr(text.at, ':', text.count);
    if (text.count > 0 && text.at[0] == '[') {
        const char *end = memchr(text.at, ']', text.count);
        return end == NULL ? text : (struct text){text.at + 1, (uint32_t)(end - text.at - 1)};
    }
    if (colon == NULL || memchr(text.at, ':', (size_t)(colon - text.at)) != NULL) {
        return text; /* No port, or an address of IPv6 without one. */
    }
    return (struct text){text.at, (uint32_t)(colon - text.at)};
}

static struct text usual_host(const struct sample_label *labels, size_t count)
{
    for (size_t i = 0; i < sizeof host_labels / sizeof host_labels[0]; i++) {
        struct text host = label_of(labels, count, host_labels[i]);
        if (host.count > 0) {
            return without_port(host);
        }
    }
    return (struct text){"", 0};
}

static bool of_resource(struct text name)
{
    for (size_t i = 0; i < sizeof not_resource / sizeof not_resource[0]; i++) {
        if (text_is(name, not_resource[i])) {
            return false;
        }
    }
    return true;
}

/* "chip=coretemp,sensor=temp1": what tells series of one host and metric apart. False: too long. */
static bool usual_resource(const struct signals_rule *rule, const struct sample_label *labels,
                           size_t count, struct arena *arena, struct text *ret_resource)
{
    char *chars = arena_alloc(arena, SERIES_TEXT_BYTES_MAX);
    size_t used = 0;
    bool many = memchr(rule->metric.at, '*', rule->metric.count) != NULL ||
                memchr(rule->metric.at, '?', rule->metric.count) != NULL;
    if (chars == NULL) {
        return false;
    }
    struct text metric = label_of(labels, count, SAMPLE_METRIC);
    if (many && metric.count < RESOURCE_BYTES) {
        memcpy(chars, metric.at, used = metric.count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!of_resource(labels[i].name)) {
            continue;
        }
        int added = snprintf(chars + used, SERIES_TEXT_BYTES_MAX - used, "%s%.*s=%.*s",
                             used == 0 ? "" : ",", (int)labels[i].name.count, labels[i].name.at,
                             (int)labels[i].value.count, labels[i].value.at);
        if (added < 0 || used + (size_t)added >= SERIES_TEXT_BYTES_MAX) {
            return false;
        }
        used += (size_t)added;
    }
    *ret_resource = (struct text){chars, (uint32_t)used};
    return true;
}

/* ---- conditions over labels ---- */

struct view {
    struct nsh_value metric, labels;
};

static const struct nsh_value *view_variable(void *arg, size_t index)
{
    const struct view *view = arg;
    return index == SIGNALS_VAR_METRIC ? &view->metric : &view->labels;
}

static bool view_make(const struct sample_label *labels, size_t count, struct arena *arena,
                      struct view *ret_view)
{
    struct nsh_member *members = arena_array(arena, count + 1, sizeof *members);
    size_t used = 0;
    ret_view->metric = nsh_text("");
    for (size_t i = 0; members != NULL && i < count; i++) {
        struct text name = arena_text(arena, labels[i].name);
        struct text value = arena_text(arena, labels[i].value);
        if (name.at == NULL || value.at == NULL) {
            return false;
        }
        if (text_is(name, SAMPLE_METRIC)) {
            ret_view->metric = nsh_text(value.at);
        } else {
            members[used++] = (struct nsh_member){name.at, nsh_text(value.at)};
        }
    }
    ret_view->labels = nsh_map(members, used);
    return members != NULL;
}

static bool cel_text(const struct cel_program *program, const struct cel_inputs *inputs,
                     struct arena *arena, struct text *ret_text)
{
    struct cel_value value = {0};
    if (cel_eval(program, inputs, arena, &value, NULL) < 0 || value.kind != CEL_STRING) {
        return false;
    }
    *ret_text = (struct text){value.text, value.count};
    return true;
}

static bool text_fits(struct text text)
{
    return text.count < SERIES_TEXT_BYTES_MAX && memchr(text.at, 0x1f, text.count) == NULL &&
           memchr(text.at, '\0', text.count) == NULL;
}

/* ---- nodes ---- */

uint64_t series_node_hash(const void *arg, uint32_t index)
{
    return series_node_at(arg, index)->hash[0];
}

static void node_empty(struct series_node *node)
{
    if (node->entries_count > 1) {
        free(node->many);
    }
    node->entries_count = 0;
}

void series_nodes_clear(struct series *series)
{
    for (uint32_t i = 0; i < series->nodes_count; i++) {
        node_empty(series_node_at(series, i));
    }
    for (size_t i = 0; series->blocks != NULL && i * SERIES_NODES_BLOCK < series->nodes_count;
         i++) {
        free(series->blocks[i]);
        series->blocks[i] = NULL;
    }
    series->nodes_count = 0;
    series_slots_clear(&series->found);
    series->current = NULL;
}

/* A new one of this hash; NULL: no memory. */
static struct series_node *node_add(struct series *series, const uint64_t hash[2])
{
    if (series->nodes_count >= series->options.series_max * SERIES_NODES_EACH) {
        series_nodes_clear(series);
    }
    uint32_t index = series->nodes_count;
    struct series_node **block = &series->blocks[index / SERIES_NODES_BLOCK];
    if (*block == NULL) {
        *block = malloc(SERIES_NODES_BLOCK * sizeof **block);
    }
    if (*block == NULL) {
        return NULL;
    }
    struct series_node *node = series_node_at(series, index);
    *node = (struct series_node){.hash = {hash[0], hash[1]}};
    if (!series_slots_add(&series->found, hash[0], index)) {
        return NULL;
    }
    series->nodes_count++;
    return node;
}

static struct series_node *node_find(const struct series *series, const uint64_t hash[2])
{
    const struct series_slots *slots = &series->found;
    if (slots->count == 0) {
        return NULL;
    }
    for (uint32_t slot = series_slots_first(slots, hash[0]); slots->at[slot] != 0;
         slot = series_slots_next(slots, slot)) {
        struct series_node *node = series_node_at(series, slots->at[slot] - 1);
        if (node->hash[0] == hash[0] && node->hash[1] == hash[1]) {
            return node;
        }
    }
    return NULL;
}

static void hash_labels(const struct sample_label *labels, size_t count, uint64_t ret_hash[2])
{
    uint64_t sum = 0, other = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t name = text_hash(labels[i].name), value = text_hash(labels[i].value);
        uint64_t both = (name ^ (value << 31 | value >> 33)) * UINT64_C(0x9e3779b97f4a7c15);
        both ^= both >> 32;
        sum += both;
        other += (both ^ name) * UINT64_C(0xd6e8feb86659fd93);
    }
    ret_hash[0] = sum ^ sum >> 29;
    ret_hash[1] = other;
}

/* The entry of one rule for these labels: NULL when the rule does not want them, or there is no
 * room (then *ret_refused). */
static struct series_entry *entry_of(struct series *series, const struct signals_rule *rule,
                                     const struct sample_label *labels, size_t count,
                                     bool *ret_refused)
{
    struct arena *arena = &series->scratch;
    struct view view;
    arena_reset(arena);
    if (!view_make(labels, count, arena, &view)) {
        return NULL;
    }
    const struct cel_inputs inputs = {.variable = view_variable, .arg = &view};
    if (!signals_rule_wants(rule, labels, count, &inputs, arena)) {
        return NULL;
    }
    struct text host = usual_host(labels, count), resource = {"", 0}, group = {"", 0};
    bool known = rule->host == NULL || cel_text(rule->host, &inputs, arena, &host);
    known =
        known && (rule->per_host           ? host.count > 0
                  : rule->resource == NULL ? usual_resource(rule, labels, count, arena, &resource)
                                           : cel_text(rule->resource, &inputs, arena, &resource));
    known = known && (rule->group == NULL || cel_text(rule->group, &inputs, arena, &group));
    if (!known || !text_fits(host) || !text_fits(resource) || !text_fits(group)) {
        series->counters.unmapped++;
        return NULL;
    }
    struct series_entry *entry = series_entry_get(series, rule, host, resource, group);
    *ret_refused = *ret_refused || entry == NULL;
    return entry;
}

/* Which entries the values of these labels go to. */
static void node_fill(struct series *series, struct series_node *node,
                      const struct series_name *name, const struct sample_label *labels,
                      size_t count)
{
    struct series_ref entries[SIGNALS_MAX];
    uint16_t entries_count = 0;
    bool refused = false;
    for (uint32_t i = 0; i < name->count; i++) {
        const struct series_entry *entry =
            entry_of(series, &series->signals->rules[name->rules[i]], labels, count, &refused);
        if (entry != NULL) {
            entries[entries_count++] = (struct series_ref){entry->index, entry->serial};
        }
    }
    node->last_ms = INT64_MIN;
    node->refused = refused;
    if (entries_count > 1) {
        node->many = malloc(entries_count * sizeof entries[0]);
        if (node->many == NULL) {
            node->refused = true; /* The next value asks again. */
            return;
        }
        memcpy(node->many, entries, entries_count * sizeof entries[0]);
    } else {
        node->one = entries_count == 1 ? entries[0] : (struct series_ref){0, 0};
    }
    node->entries_count = entries_count;
}

/* Not when an entry went, or there may be room by now for one that was refused. */
static bool node_holds(const struct series *series, const struct series_node *node)
{
    const struct series_ref *refs = series_node_refs(node);
    for (uint32_t i = 0; i < node->entries_count; i++) {
        if (series_entry_at(series, refs[i]) == NULL) {
            return false;
        }
    }
    return !node->refused;
}

void series_labels(struct series *series, const struct sample_label *labels, size_t count)
{
    series->current = NULL;
    const struct series_name *name = name_get(series, label_of(labels, count, SAMPLE_METRIC));
    if (name == NULL || name->count == 0) {
        return;
    }
    uint64_t hash[2];
    hash_labels(labels, count, hash);
    struct series_node *node = node_find(series, hash);
    if (node == NULL || !node_holds(series, node)) {
        node = node == NULL ? node_add(series, hash) : node;
        if (node == NULL) {
            return;
        }
        node_empty(node);
        node_fill(series, node, name, labels, count);
    }
    series->current = node;
}
