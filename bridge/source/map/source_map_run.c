/* SPDX-License-Identifier: Apache-2.0 */
/* A message through the rules: which one takes it, its items, the members of each event. */

#include "source/map/source_map_private.h"
#include "source/map/source_mask.h"

#include "base/json.h"
#include "base/pack.h"

#include <math.h>
#include <stdio.h>

#define ID_KEPT_BYTES 960 /* Of an id that is too long; a hash of the whole stands behind. */
#define SECONDS_BELOW 100000000000.0 /* A number below this counts seconds, else milliseconds. */
#define HINT_BYTES_MAX EVENT_TEXT_BYTES_MAX
#define WHY_BYTES_MAX 400

struct run {
    const struct source_message *message;
    const struct source_rule *rule;
    struct arena *arena;
    const struct nsh_value *values[SOURCE_VARS_COUNT];
    struct nsh_value opened;
    struct cel_inputs inputs;
    int64_t steps;
    const char *failed[SOURCE_KEYS_COUNT]; /* Why the last expression of a key gave nothing. */
    bool nomem;
    struct source_events *out;
    size_t made_bytes;
};

/* ---- what expressions read ----------------------------------------------------------------- */

static const struct nsh_value *read_variable(void *arg, size_t index)
{
    const struct run *run = arg;
    return run->values[index];
}

static int call_function(void *arg, size_t index, const struct cel_value *args, size_t args_count,
                         struct cel_value *ret_value, struct nsh_error *err)
{
    struct text host = source_host_of((struct text){args[0].text, args[0].count});
    *ret_value = (struct cel_value){.kind = CEL_STRING, .count = host.count, .text = host.at};
    return 0;
}

/* False: nothing came of it, and run->failed says why when it failed. */
static bool evaluate(struct run *run, enum source_key key, const struct cel_program *program,
                     struct cel_value *ret_value)
{
    struct nsh_error err = {0};
    int result = cel_eval(program, &run->inputs, run->arena, ret_value, &err);
    if (result == 0) {
        return ret_value->kind != CEL_NULL;
    }
    run->nomem = run->nomem || result == -NSH_NOMEM;
    if (run->failed[key] == NULL) {
        run->failed[key] = arena_printf(run->arena, "%.200s", err.text);
    }
    return false;
}

/* ---- values -------------------------------------------------------------------------------- */

static bool value_text(struct run *run, const struct cel_value *value, struct text *ret_text)
{
    struct nsh_value kept;
    CLEANUP(textbuf_donep) struct textbuf buf = {0};
    switch (value->kind) {
    case CEL_STRING:
        *ret_text = (struct text){value->text, value->count};
        return value->count > 0 && text_is_utf8(value->text, value->count);
    case CEL_BOOL:
        *ret_text = value->boolean ? TEXT("true") : TEXT("false");
        return true;
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        if (!cel_to_value(value, run->arena, &kept)) {
            return false;
        }
        json_write(&kept, &buf);
        *ret_text = kept.type == NSH_STRING
                        ? text_of(kept.text)
                        : arena_text(run->arena, (struct text){buf.at, (uint32_t)buf.count});
        return ret_text->count > 0;
    default:
        return false;
    }
}

static bool number_time(double number, int64_t *ret_ms)
{
    double ms = fabs(number) < SECONDS_BELOW ? number * 1000.0 : number;
    if (!(ms > 0 && ms < 253402300800000.0)) { /* The year 10000. */
        return false;
    }
    *ret_ms = (int64_t)ms;
    return true;
}

static bool value_time(const struct cel_value *value, struct arena *arena, int64_t *ret_ms)
{
    struct nsh_value kept;
    int64_t ms = 0;
    switch (value->kind) {
    case CEL_INT:
        return number_time((double)value->integer, ret_ms);
    case CEL_UINT:
        return number_time((double)value->unsigned_integer, ret_ms);
    case CEL_DOUBLE:
        return number_time(value->real, ret_ms);
    case CEL_STRING:
    case CEL_TIMESTAMP:
        if (!cel_to_value(value, arena, &kept) || !event_time_read(kept.text, &ms) || ms <= 0) {
            return false; /* Also year 1: "not yet" of Go's programs. */
        }
        *ret_ms = ms;
        return true;
    default:
        return false;
    }
}

static struct text take_text(struct run *run, enum source_key key)
{
    const struct source_choices *choices = &run->rule->keys[key];
    run->failed[key] = NULL;
    for (uint32_t i = 0; i < choices->count; i++) {
        struct cel_value value;
        struct text text;
        if (evaluate(run, key, choices->programs[i], &value) && value_text(run, &value, &text)) {
            return text;
        }
    }
    return (struct text){NULL, 0};
}

static int64_t take_time(struct run *run)
{
    const struct source_choices *choices = &run->rule->keys[SOURCE_KEY_TIME];
    for (uint32_t i = 0; i < choices->count; i++) {
        struct cel_value value;
        int64_t ms = 0;
        if (evaluate(run, SOURCE_KEY_TIME, choices->programs[i], &value) &&
            value_time(&value, run->arena, &ms)) {
            return ms;
        }
    }
    return 0;
}

/* Absent is yes; what fails or is none, no. */
static bool take_bool(struct run *run, enum source_key key)
{
    const struct source_choices *choices = &run->rule->keys[key];
    run->failed[key] = NULL;
    for (uint32_t i = 0; i < choices->count; i++) {
        struct cel_value value;
        if (evaluate(run, key, choices->programs[i], &value) && value.kind == CEL_BOOL) {
            return value.boolean;
        }
    }
    return choices->count == 0;
}

/* ---- an event ------------------------------------------------------------------------------ */

static struct text shortened(struct text text, uint32_t bytes_max)
{
    if (text.count <= bytes_max) {
        return text;
    }
    uint32_t count = bytes_max;
    while (count > 0 && ((unsigned char)text.at[count] & 0xc0) == 0x80) {
        count--;
    }
    return (struct text){text.at, count};
}

static struct text id_kept(struct run *run, struct text id)
{
    if (id.count <= EVENT_TEXT_BYTES_MAX) {
        return id;
    }
    struct text head = shortened(id, ID_KEPT_BYTES);
    return text_of(arena_printf(run->arena, "%.*s#%016llx", (int)head.count, head.at,
                                (unsigned long long)text_hash(id)));
}

static void hint_add(struct textbuf *hint, const char *name, struct text value)
{
    bool fits = value.count > 0 && hint->count + strlen(name) + value.count + 2 < HINT_BYTES_MAX;
    if (fits && memchr(value.at, ',', value.count) == NULL) {
        textbuf_addf(hint, "%s%s=%.*s", hint->count > 0 ? "," : "", name, (int)value.count,
                     value.at);
    }
}

/* The packed data, or what says that it does not fit: an event is not lost for its decoration. */
static bool data_packed(struct run *run, const struct nsh_value *data, struct text *ret_data)
{
    struct pack_writer measure = {0};
    struct nsh_member member = {"value", *data};
    const struct nsh_value whole = nsh_map(&member, 1);
    struct nsh_value wrapped;
    if (!source_mask(data->type == NSH_MAP ? data : &whole, run->arena, &wrapped)) {
        return false;
    }
    pack_value(&measure, &wrapped);
    if (measure.failed || measure.count > EVENT_DATA_BYTES_MAX) {
        member = (struct nsh_member){"left_out_bytes", nsh_int((int64_t)measure.count)};
        wrapped = nsh_map(&member, 1);
        measure = (struct pack_writer){0};
        pack_value(&measure, &wrapped);
    }
    struct pack_writer writer = {.at = arena_alloc(run->arena, measure.count),
                                 .room = measure.count};
    if (writer.at == NULL) {
        return false;
    }
    pack_value(&writer, &wrapped);
    *ret_data = (struct text){(const char *)writer.at, (uint32_t)writer.count};
    return true;
}

/* Append, or refuse the message: events_add() owns the bounds. */
static int events_add(struct run *run, const struct event *event, struct nsh_error *err)
{
    run->made_bytes += event_packed_bytes(event);
    if (run->made_bytes > SOURCE_MADE_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "the message makes more than %u bytes of events",
                        SOURCE_MADE_BYTES_MAX);
    }
    run->out->items[run->out->count++] = *event;
    return 0;
}

static void why_keep(struct run *run, const char *why)
{
    if (run->out->why == NULL) {
        run->out->why = why;
    }
}

/* What nobody knew, kept and shown: data is all of it. */
static int add_unmatched(struct run *run, const struct nsh_value *data, const char *why,
                         struct nsh_error *err)
{
    const char *name = run->message->name;
    struct event event = {
        .received_ms = run->message->received_ms,
        .severity = SEVERITY_WARNING,
        .state = EVENT_PULSE,
        .unmatched = true,
        .source = text_of(name),
        .type = text_of(arena_printf(run->arena, "%.200s.unmatched", name)),
        .message = text_of(why),
    };
    if (event.type.at == NULL || why == NULL || !data_packed(run, data, &event.data)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    why_keep(run, why);
    run->out->unmatched++;
    return events_add(run, &event, err);
}

static bool state_read(struct text word, enum event_state *ret_state)
{
    static const struct {
        const char *word;
        enum event_state state;
    } words[] = {
        {"raise", EVENT_RAISE}, {"raised", EVENT_RAISE},  {"clear", EVENT_CLEAR},
        {"pulse", EVENT_PULSE}, {"cleared", EVENT_CLEAR},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text_is(word, words[i].word)) {
            *ret_state = words[i].state;
            return true;
        }
    }
    return word.count == 0;
}

static bool take_texts(struct run *run, struct event *event, const char **ret_why)
{
    const struct {
        struct text *text;
        enum source_key key;
        bool names; /* Part of what it is: not shortened. */
    } rows[] = {
        {&event->type, SOURCE_KEY_TYPE, true},
        {&event->host, SOURCE_KEY_HOST, true},
        {&event->resource, SOURCE_KEY_RESOURCE, true},
        {&event->qualifier, SOURCE_KEY_QUALIFIER, true},
        {&event->subject, SOURCE_KEY_SUBJECT, true},
        {&event->name, SOURCE_KEY_NAME, false},
        {&event->message, SOURCE_KEY_MESSAGE, false},
        {&event->id, SOURCE_KEY_ID, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text text = take_text(run, rows[i].key);
        if (rows[i].names && text.count > EVENT_TEXT_BYTES_MAX) {
            *ret_why =
                arena_printf(run->arena, "%s has %u bytes, at most %d",
                             source_key_rows[rows[i].key].word, text.count, EVENT_TEXT_BYTES_MAX);
            return false;
        }
        *rows[i].text = rows[i].key == SOURCE_KEY_ID ? id_kept(run, text)
                                                     : shortened(text, EVENT_TEXT_BYTES_MAX);
    }
    if (event->type.count == 0) {
        const char *failed = run->failed[SOURCE_KEY_TYPE];
        *ret_why = arena_printf(run->arena, "no type: %.*s", WHY_BYTES_MAX,
                                failed == NULL ? "its expression gives nothing" : failed);
        return false;
    }
    return true;
}

static void take_identity(struct run *run, struct event *event)
{
    CLEANUP(textbuf_donep) struct textbuf hint = {0};
    hint_add(&hint, "host", event->host);
    hint_add(&hint, "uuid", take_text(run, SOURCE_KEY_UUID));
    hint_add(&hint, "serial", take_text(run, SOURCE_KEY_SERIAL));
    hint_add(&hint, "instance", take_text(run, SOURCE_KEY_INSTANCE));
    hint_add(&hint, "node", take_text(run, SOURCE_KEY_NODE));
    hint_add(&hint, "port", take_text(run, SOURCE_KEY_PORT));
    hint_add(&hint, "addr", take_text(run, SOURCE_KEY_ADDRESS));
    if (hint.count > 0) {
        event->hint = arena_text(run->arena, (struct text){hint.at, (uint32_t)hint.count});
    }
    struct text sender = take_text(run, SOURCE_KEY_SENDER);
    event->source = text_of(run->message->name);
    if (sender.count > 0) {
        struct text head = shortened(sender, EVENT_TEXT_BYTES_MAX / 2);
        event->source = text_of(
            arena_printf(run->arena, "%.200s/%.*s", run->message->name, (int)head.count, head.at));
    }
}

static bool take_data(struct run *run, struct event *event)
{
    const struct source_choices *choices = &run->rule->keys[SOURCE_KEY_DATA];
    const struct nsh_value *data = run->values[SOURCE_VAR_ITEM];
    struct nsh_value made;
    for (uint32_t i = 0; i < choices->count; i++) {
        struct cel_value value;
        if (evaluate(run, SOURCE_KEY_DATA, choices->programs[i], &value) &&
            cel_to_value(&value, run->arena, &made)) {
            data = &made;
            break;
        }
    }
    return data_packed(run, data, &event->data);
}

/* Severity and state; false: a word that means none, *ret_why says which. */
static bool take_words(struct run *run, struct event *event, const char **ret_why)
{
    struct text severity = take_text(run, SOURCE_KEY_SEVERITY);
    struct text state = take_text(run, SOURCE_KEY_STATE);
    int found = severity.count == 0 ? SEVERITY_WARNING : source_severity(severity);
    event->severity = found < 0 ? SEVERITY_WARNING : (enum severity)found;
    event->state = EVENT_PULSE;
    if (!state_read(state, &event->state)) {
        *ret_why = arena_printf(run->arena, "state wants raise, clear or pulse, got %.*s",
                                (int)shortened(state, 80).count, state.at);
        return false;
    }
    if (state.count == 0 && run->failed[SOURCE_KEY_STATE] != NULL) {
        *ret_why = arena_printf(run->arena, "no state: %.*s", WHY_BYTES_MAX,
                                run->failed[SOURCE_KEY_STATE]);
        return false;
    }
    return true;
}

static int add_item(struct run *run, const struct nsh_value *item, struct nsh_error *err)
{
    struct event event = {.received_ms = run->message->received_ms};
    const char *why = NULL;
    run->values[SOURCE_VAR_ITEM] = item;
    bool wanted = take_bool(run, SOURCE_KEY_WHERE);
    if (!wanted && run->failed[SOURCE_KEY_WHERE] != NULL) {
        why = arena_printf(run->arena, "`where` fails: %.*s", WHY_BYTES_MAX,
                           run->failed[SOURCE_KEY_WHERE]);
        return run->steps <= 0 ? 0 : add_unmatched(run, item, why, err);
    }
    if (!wanted) {
        run->out->ignored++;
        why_keep(run, "`where` leaves it out");
        return 0;
    }
    if (!take_texts(run, &event, &why) || !take_words(run, &event, &why)) {
        return run->steps <= 0 ? 0 : add_unmatched(run, item, why, err);
    }
    take_identity(run, &event);
    event.time_ms = take_time(run);
    if (!take_data(run, &event) || run->nomem || event.source.at == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return events_add(run, &event, err);
}

/* ---- a message ----------------------------------------------------------------------------- */

/* JSON in a text becomes the body. False: the rule does not take the message. */
static bool open_body(struct run *run)
{
    if (run->rule->keys[SOURCE_KEY_OPEN].count == 0) {
        return true;
    }
    struct text text = take_text(run, SOURCE_KEY_OPEN);
    if (text.count == 0 || text.count > SOURCE_MESSAGE_BYTES_MAX ||
        json_parse(text.at, text.count, run->arena, &run->opened, NULL) < 0) {
        return false;
    }
    run->values[SOURCE_VAR_BODY] = &run->opened;
    run->values[SOURCE_VAR_ITEM] = &run->opened;
    return true;
}

/* The items of `each`; false: there is no list, the rule does not take the message. */
static bool take_items(struct run *run, struct nsh_value *ret_items)
{
    const struct source_choices *choices = &run->rule->keys[SOURCE_KEY_EACH];
    *ret_items = nsh_list(run->values[SOURCE_VAR_BODY], 1);
    for (uint32_t i = 0; i < choices->count; i++) {
        struct cel_value value;
        if (evaluate(run, SOURCE_KEY_EACH, choices->programs[i], &value) &&
            value.kind == CEL_LIST && cel_to_value(&value, run->arena, ret_items)) {
            return true;
        }
    }
    return choices->count == 0;
}

static bool rule_takes(struct run *run, const struct source_rule *rule, struct nsh_value *ret_items)
{
    run->rule = rule;
    run->values[SOURCE_VAR_BODY] = run->message->body;
    run->values[SOURCE_VAR_ITEM] = run->message->body;
    memset(run->failed, 0, sizeof run->failed);
    return open_body(run) && take_bool(run, SOURCE_KEY_WHEN) && take_items(run, ret_items);
}

static int add_items(struct run *run, const struct nsh_value *items, struct nsh_error *err)
{
    if (items->count > SOURCE_EVENTS_MAX) {
        return nsh_fail(err, NSH_INVALID, "a message of %u items, at most %d", items->count,
                        SOURCE_EVENTS_MAX);
    }
    run->out->items = arena_array(run->arena, items->count + 1, sizeof *run->out->items);
    if (run->out->items == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < items->count; i++) {
        int result = add_item(run, &items->items[i], err);
        if (result < 0) {
            return result;
        }
        if (run->steps <= 0) {
            return nsh_fail(err, NSH_INVALID, "the message takes more than %d steps",
                            SOURCE_STEPS_MAX);
        }
    }
    return 0;
}

static int run_rules(struct run *run, const struct source_map *map, struct nsh_error *err)
{
    struct nsh_value items = nsh_null();
    for (uint32_t i = 0; i < map->rules_count; i++) {
        if (!rule_takes(run, &map->rules[i], &items)) {
            continue;
        }
        run->out->rule = (int)i;
        if (map->rules[i].ignore != NULL) {
            run->out->ignored = items.count;
            run->out->why = map->rules[i].ignore;
            return 0;
        }
        return add_items(run, &items, err);
    }
    if (run->nomem) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    run->out->items = arena_array(run->arena, 1, sizeof *run->out->items);
    return run->out->items == NULL
               ? nsh_fail(err, NSH_NOMEM, "out of memory")
               : add_unmatched(run, run->message->body, "no rule of the map takes it", err);
}

int source_map_run(const struct source_map *map, const struct source_message *message,
                   struct arena *arena, struct source_events *ret_events, struct nsh_error *err)
{
    static const struct nsh_value empty = {.type = NSH_MAP};
    struct source_events made = {.rule = -1};
    struct run run = {.message = message, .arena = arena, .steps = SOURCE_STEPS_MAX, .out = &made};
    run.values[SOURCE_VAR_HEADERS] = message->headers == NULL ? &empty : message->headers;
    run.values[SOURCE_VAR_SOURCE] = message->source == NULL ? &empty : message->source;
    run.values[SOURCE_VAR_OUTER] = message->body;
    run.inputs = (struct cel_inputs){.variable = read_variable,
                                     .call = call_function,
                                     .arg = &run,
                                     .now_ms = message->received_ms,
                                     .steps_left = &run.steps};
    int result = run_rules(&run, map, err);
    if (result == 0 && run.nomem) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result == 0) {
        *ret_events = made;
    }
    return result;
}

int source_events_pack(const struct source_events *events, struct arena *arena,
                       const uint8_t **ret_bytes, size_t *ret_bytes_count, struct nsh_error *err)
{
    size_t wanted = 0, used = 0;
    for (uint32_t i = 0; i < events->count; i++) {
        wanted += event_packed_bytes(&events->items[i]);
    }
    uint8_t *bytes = arena_alloc(arena, wanted + 1);
    if (bytes == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < events->count; i++) {
        used += event_pack(&events->items[i], bytes + used, wanted - used);
    }
    *ret_bytes = bytes;
    *ret_bytes_count = used;
    return 0;
}
