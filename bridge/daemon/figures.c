/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX 512

/* Upper bounds; from a commit on a fast disk to a server that boots. */
static const struct {
    uint64_t us;
    const char *seconds;
} buckets[] = {
    {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"},   {5000, "0.005"},
    {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},    {100000, "0.1"},    {250000, "0.25"},
    {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},   {5000000, "5"},     {10000000, "10"},
    {30000000, "30"}, {60000000, "60"}, {120000000, "120"}, {300000000, "300"},
};

#define BUCKETS_COUNT (sizeof buckets / sizeof buckets[0])

struct figure {
    uint64_t count, sum_us;
    uint64_t *buckets; /* NULL: a counter. */
    size_t name_bytes;
    char key[]; /* name{labels} */
};

static struct figure *figure_for(struct figures *figures, const char *name, const char *labels)
{
    char key[KEY_BYTES_MAX];
    int bytes = snprintf(key, sizeof key, "%s{%s}", name, labels);
    if (bytes < 0 || (size_t)bytes >= sizeof key) {
        figures->left_out++;
        return NULL;
    }
    struct figure *figure = map_get(&figures->series, text_of(key));
    if (figure != NULL) {
        return figure;
    }
    figures->series.count_max = FIGURES_MAX;
    figure = calloc(1, sizeof *figure + (size_t)bytes + 1);
    if (figure != NULL) {
        memcpy(figure->key, key, (size_t)bytes + 1);
        figure->name_bytes = strlen(name);
    }
    if (figure == NULL || map_set(&figures->series, text_of(figure->key), figure) < 0) {
        free(figure);
        figures->left_out++;
        return NULL;
    }
    return figure;
}

void figures_count(struct figures *figures, const char *name, const char *labels)
{
    struct figure *figure = figure_for(figures, name, labels);
    if (figure != NULL) {
        figure->count++;
    }
}

void figures_observe(struct figures *figures, const char *name, const char *labels, uint64_t us)
{
    struct figure *figure = figure_for(figures, name, labels);
    if (figure == NULL) {
        return;
    }
    if (figure->buckets == NULL) {
        figure->buckets = calloc(BUCKETS_COUNT, sizeof *figure->buckets);
        if (figure->buckets == NULL) {
            figures->left_out++;
            return;
        }
    }
    figure->count++;
    figure->sum_us += us;
    for (size_t i = 0; i < BUCKETS_COUNT; i++) {
        if (us <= buckets[i].us) {
            figure->buckets[i]++;
            return;
        }
    }
}

static void add_histogram(const struct figure *figure, const char *name, struct textbuf *out)
{
    const char *labels = figure->key + figure->name_bytes + 1; /* With the closing brace. */
    int bytes = (int)strlen(labels) - 1;
    const char *comma = bytes == 0 ? "" : ",";
    uint64_t below = 0;
    for (size_t i = 0; i < BUCKETS_COUNT; i++) {
        below += figure->buckets[i];
        textbuf_addf(out, "nightshift_%s_bucket{%.*s%sle=\"%s\"} %llu\n", name, bytes, labels,
                     comma, buckets[i].seconds, (unsigned long long)below);
    }
    textbuf_addf(out, "nightshift_%s_bucket{%.*s%sle=\"+Inf\"} %llu\n", name, bytes, labels, comma,
                 (unsigned long long)figure->count);
    textbuf_addf(out, "nightshift_%s_sum{%.*s} %llu.%06llu\n", name, bytes, labels,
                 (unsigned long long)(figure->sum_us / 1000000),
                 (unsigned long long)(figure->sum_us % 1000000));
    textbuf_addf(out, "nightshift_%s_count{%.*s} %llu\n", name, bytes, labels,
                 (unsigned long long)figure->count);
}

void figures_add(const struct figures *figures, const char *name, const char *help,
                 struct textbuf *out)
{
    size_t bytes = strlen(name);
    bool counter = bytes > 6 && strcmp(name + bytes - 6, "_total") == 0;
    textbuf_addf(out, "# HELP nightshift_%s %s\n# TYPE nightshift_%s %s\n", name, help, name,
                 counter ? "counter" : "histogram");
    MAP_EACH (&figures->series, entry) {
        const struct figure *figure = entry->value;
        if (figure->name_bytes != bytes || memcmp(figure->key, name, bytes) != 0) {
            continue;
        }
        if (figure->buckets != NULL) {
            add_histogram(figure, name, out);
        } else {
            textbuf_addf(out, "nightshift_%s %llu\n", figure->key,
                         (unsigned long long)figure->count);
        }
    }
}

void figures_done(struct figures *figures)
{
    MAP_EACH (&figures->series, entry) {
        struct figure *figure = entry->value;
        free(figure->buckets);
        free(figure);
    }
    map_done(&figures->series);
}
