/* SPDX-License-Identifier: Apache-2.0 */
/* Traces of faults: read, checked, made to faults of a simulated world. */

#include "sim/sim_trace.h"

#include "base/assert.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>

#define RACK_HOSTS 8
#define DAY_MS 86400000.0
#define MEMBER_BYTES_MAX 256

static const struct symptom_row {
    const char *class_, *desc;
    struct sim_symptom symptom;
} symptom_rows[] = {
#define SYMPTOM(class_, desc, type, severity, heals, why)                                          \
    {class_, desc, {type, NULL, SEVERITY_##severity, (heals)*10}},
#include "symptoms.def"
#undef SYMPTOM
};

struct reader {
    struct sim_trace *trace;
    struct diags *diags;
    const char *name;
    struct arena line_arena;
    uint32_t line;
};

static int wrong(struct reader *reader, const char *what)
{
    struct nsh_place at = {reader->name, reader->line, 1, 1};
    diag_add(reader->diags, DIAG_ERROR, at, NULL, "%s", what);
    return -NSH_INVALID;
}

static const char *say(struct reader *reader, const char *format, const char *text)
{
    CLEANUP(textbuf_donep) struct textbuf safe = {0};
    textbuf_add_safe(&safe, (struct text){text, (uint32_t)strnlen(text, 60)});
    const char *said =
        safe.failed ? NULL : arena_printf(&reader->line_arena, "%s%s", format, safe.at);
    return said == NULL ? format : said;
}

/* A short text in the trace's memory; NULL: it was told what is wrong. */
static const char *member_text(struct reader *reader, const struct nsh_value *line,
                               const char *name, const char *fallback)
{
    const struct nsh_value *value = nsh_get(line, name);
    if (value == NULL && fallback != NULL) {
        return fallback;
    }
    if (value == NULL || value->type != NSH_STRING || value->count == 0 ||
        value->count > MEMBER_BYTES_MAX) {
        wrong(reader, say(reader, "no text of 1 to 256 bytes: ", name));
        return NULL;
    }
    return arena_copy(&reader->trace->arena, value->text, value->count);
}

static bool number_of(const struct nsh_value *value, double *ret)
{
    if (value == NULL || (value->type != NSH_DOUBLE && value->type != NSH_INT)) {
        return false;
    }
    *ret = value->type == NSH_INT ? (double)value->integer : value->real;
    return isfinite(*ret);
}

static int symptom_read(struct reader *reader, const struct nsh_value *line,
                        struct sim_traced *item)
{
    size_t i = 0;
    while (!text_glob(text_of(symptom_rows[i].class_), text_of(item->class_)) ||
           !text_glob(text_of(symptom_rows[i].desc), text_of(item->desc))) {
        i++; /* The last row fits everything. */
    }
    item->symptom = symptom_rows[i].symptom;
    item->symptom.message = item->desc;
    item->symptom.type = member_text(reader, line, "type", item->symptom.type);
    const char *word = member_text(reader, line, "severity", severity_word(item->symptom.severity));
    if (item->symptom.type == NULL || word == NULL) {
        return -NSH_INVALID;
    }
    int severity = severity_of(text_of(word));
    if (severity < 0) {
        return wrong(reader, say(reader, "no severity: ", word));
    }
    item->symptom.severity = (enum severity)severity;
    const struct nsh_value *heals = nsh_get(line, "heals");
    double percent = 0;
    if (heals != NULL && (!number_of(heals, &percent) || percent < 0 || percent > 100)) {
        return wrong(reader, "heals wants a number between 0 and 100");
    }
    if (heals != NULL) {
        item->symptom.heals_permille = (uint32_t)(percent * 10);
    }
    return 0;
}

static int fault_starts(struct reader *reader, const struct nsh_value *line, const char *key,
                        const struct sim_traced *from)
{
    struct sim_trace *trace = reader->trace;
    if (map_get(&trace->open, text_of(key)) != NULL) {
        trace->repeated++;
        return 0;
    }
    if (trace->items_count == SIM_TRACE_FAULTS_MAX ||
        (trace->nodes.count == SIM_TRACE_NODES_MAX &&
         map_get(&trace->nodes, text_of(from->node)) == NULL)) {
        return wrong(reader, "more than 200000 faults or 100000 nodes");
    }
    if (trace->items_count == trace->items_room) {
        size_t room = trace->items_room * 2 + 256;
        struct sim_traced *items = realloc(trace->items, room * sizeof *items);
        if (items == NULL) {
            return -NSH_NOMEM;
        }
        trace->items = items;
        trace->items_room = room;
    }
    struct sim_traced *item = &trace->items[trace->items_count];
    *item = *from;
    item->open = true;
    if (symptom_read(reader, line, item) < 0) {
        return -NSH_INVALID;
    }
    trace->items_count++;
    if (map_get(&trace->nodes, text_of(item->node)) == NULL &&
        map_set(&trace->nodes, text_of(item->node), (void *)(trace->nodes.count + 1)) < 0) {
        return -NSH_NOMEM;
    }
    return map_set(&trace->open, text_of(key), (void *)trace->items_count);
}

static int fault_ends(struct reader *reader, const char *key, const struct sim_traced *from)
{
    uintptr_t place = (uintptr_t)map_remove(&reader->trace->open, text_of(key));
    if (place == 0) {
        reader->trace->beginless++;
        return 0;
    }
    reader->trace->items[place - 1].to_days = from->from_days;
    reader->trace->items[place - 1].open = false;
    return 0;
}

static int line_take(struct reader *reader, const struct nsh_value *line)
{
    struct sim_traced item = {.line = reader->line};
    const char *event = member_text(reader, line, "event", NULL);
    item.node = member_text(reader, line, "node", NULL);
    item.class_ = member_text(reader, line, "class", NULL);
    item.desc = member_text(reader, line, "desc", NULL);
    if (event == NULL || item.node == NULL || item.class_ == NULL || item.desc == NULL) {
        return -NSH_INVALID;
    }
    if (!number_of(nsh_get(line, "t_days"), &item.from_days) || item.from_days < 0 ||
        item.from_days > SIM_TRACE_DAYS_MAX) {
        return wrong(reader, "t_days wants a number of days between 0 and 36500");
    }
    if (item.from_days < reader->trace->last_days) {
        return wrong(reader, "t_days goes back: lines must be in order of time");
    }
    reader->trace->last_days = item.from_days;
    const char *key =
        arena_printf(&reader->trace->arena, "%s\n%s\n%s", item.node, item.class_, item.desc);
    if (key == NULL) {
        return -NSH_NOMEM;
    }
    if (strcmp(event, "fault_start") == 0) {
        return fault_starts(reader, line, key, &item);
    }
    if (strcmp(event, "fault_end") == 0) {
        return fault_ends(reader, key, &item);
    }
    return wrong(reader, say(reader, "event must be fault_start or fault_end, got ", event));
}

static int line_read(struct reader *reader, const char *line, size_t count)
{
    struct nsh_value value;
    struct nsh_error err = {0};
    while (count > 0 && (line[count - 1] == '\n' || line[count - 1] == '\r')) {
        count--;
    }
    if (count == 0) {
        return 0;
    }
    if (count > SIM_TRACE_LINE_BYTES_MAX) {
        return wrong(reader, "a line of more than 64 KiB");
    }
    arena_reset(&reader->line_arena);
    if (json_parse(line, count, &reader->line_arena, &value, &err) < 0) {
        return wrong(reader, say(reader, "no JSON object: ", err.text));
    }
    if (value.type != NSH_MAP) {
        return wrong(reader, "no JSON object");
    }
    reader->trace->lines++;
    return line_take(reader, &value);
}

/* What has no end lasts as long as the trace. */
static void ends_set(struct sim_trace *trace)
{
    for (size_t i = 0; i < trace->items_count; i++) {
        if (trace->items[i].open) {
            trace->items[i].to_days = trace->last_days;
            trace->endless++;
        }
    }
}

int sim_trace_read(FILE *file, const char *name, struct sim_trace *ret, struct diags *diags)
{
    *ret = (struct sim_trace){0};
    struct reader reader = {.trace = ret, .diags = diags, .name = name};
    char *line = NULL;
    size_t room = 0;
    int result = 0;
    for (ssize_t count = 0; result != -NSH_NOMEM && (count = getline(&line, &room, file)) >= 0;) {
        reader.line++;
        int one = line_read(&reader, line, (size_t)count);
        result = one < 0 ? one : result;
    }
    free(line);
    if (result == 0 && ret->items_count == 0) {
        result = wrong(&reader, "no fault begins in it");
    }
    arena_done(&reader.line_arena);
    ends_set(ret);
    return result;
}

void sim_trace_done(struct sim_trace *trace)
{
    map_done(&trace->nodes);
    map_done(&trace->open);
    free(trace->items);
    arena_done(&trace->arena);
}

void sim_trace_inventory(const struct sim_trace *trace, struct textbuf *out)
{
    size_t at = 0;
    textbuf_add_chars(out, "hosts: (");
    MAP_EACH (&trace->nodes, entry) {
        textbuf_add_chars(out, at == 0 ? "{ name = " : ",\n{ name = ");
        textbuf_add_json(out, entry->key);
        textbuf_addf(out,
                     "; rack = \"rack-%zu\"; pool = \"trace\"; bmc = { driver = \"sim\"; }; os = { "
                     "driver = \"sim\"; }; node = { driver = \"sim\"; }; instance = { driver = "
                     "\"sim\"; }; }",
                     at / RACK_HOSTS + 1);
        at++;
    }
    textbuf_add_chars(out, ");");
}

int sim_trace_faults(const struct sim_trace *trace, const struct inventory *inventory,
                     const char *name, struct sim_fault **ret_faults, struct diags *diags)
{
    struct sim_fault *faults = calloc(trace->items_count + 1, sizeof *faults);
    int result = faults == NULL ? -NSH_NOMEM : 0;
    for (size_t i = 0; faults != NULL && i < trace->items_count; i++) {
        const struct sim_traced *item = &trace->items[i];
        const struct host *host = inventory_host(inventory, text_of(item->node));
        if (host == NULL) {
            struct nsh_place at = {name, item->line, 1, 1};
            diag_add(diags, DIAG_ERROR, at, NULL, "node %s is not in the inventory", item->node);
            result = -NSH_INVALID;
            continue;
        }
        double lasting_ms = (item->to_days - item->from_days) * DAY_MS;
        faults[i] = (struct sim_fault){
            .at_ms = (int64_t)(item->from_days * DAY_MS),
            .lasting_ms = lasting_ms < 1000 ? 1000 : (int64_t)lasting_ms,
            .kind = SIM_TRACED,
            .host = host->index,
            .number = i + 1,
            .symptom = &item->symptom,
        };
    }
    if (result < 0) {
        free(faults);
        return result;
    }
    *ret_faults = faults;
    return 0;
}
