/* SPDX-License-Identifier: Apache-2.0 */
/* One test of a file: stubs, timeline, expectations. */

#include "rehearse/rehearse_private.h"

#include <stdlib.h>

static const char *const test_keys[] = {"name",     "mode",   "stubs", "series",
                                        "timeline", "expect", NULL};
static const char *const series_keys[] = {"metric", "host", "subject", "every",
                                          "values", "at",   NULL};
static const char *const stub_keys[] = {"action", "host", "after", "fail", "text",
                                        "reply",  "does", "times", NULL};
static const char *const item_keys[] = {"at",       "event", "set",    "restart", "freeze",
                                        "unfreeze", "store", "blind",  "stop",    "approve",
                                        "deny",     "each",  "repeat", NULL};
static const char *const event_keys[] = {"type",    "host",    "severity", "state",     "id",
                                         "source",  "subject", "resource", "qualifier", "name",
                                         "message", "time",    "data",     NULL};
static const char *const each_keys[] = {"var", "in", "step", NULL};
static const char *const repeat_keys[] = {"times", "every", NULL};
static const char *const freeze_keys[] = {"scope", "for", "reason", NULL};
static const char *const answer_keys[] = {"run", "by", "reason", NULL};
static const char *const down_keys[] = {"down_for", NULL};

struct reading {
    struct rehearsal *rehearsal;
    struct diags *diags;
    struct test *test;
    size_t items_room;
    uint64_t events;
    /* Of `each`: ${var} stands for value. */
    const char *var, *value;
};

static bool is_group(struct reading *reading, struct conf *setting, const char *what)
{
    if (setting->type == CONF_GROUP) {
        return true;
    }
    diag_add(reading->diags, DIAG_ERROR, setting->value_at, NULL, "%s is a group { ... }", what);
    return false;
}

/* A list's length, or 0 with a diagnostic. NULL is an empty list. */
static size_t list_count(struct reading *reading, struct conf *list, const char *what, size_t max)
{
    if (list == NULL) {
        return 0;
    }
    if (list->type != CONF_LIST || list->children_count > max) {
        diag_add(reading->diags, DIAG_ERROR, list->value_at, NULL,
                 "'%s' is a list ( { ... }, { ... } ) of at most %zu", what, max);
        return 0;
    }
    return list->children_count;
}

/* ---- stubs ------------------------------------------------------------------------------------
 */

static void stub_read(struct reading *reading, struct conf *group, struct stub *stub)
{
    struct diags *diags = reading->diags;
    if (!is_group(reading, group, "a stub")) {
        return;
    }
    struct conf *action = conf_get(group, "action"), *fail = conf_get(group, "fail");
    struct conf *reply = conf_get(group, "reply"), *host = conf_get(group, "host");
    stub->at = group->at;
    stub->action = conf_text(action, "", diags);
    if (policy_set_verb(reading->rehearsal->policies, text_of(stub->action)) == NULL) {
        diag_add(diags, DIAG_ERROR, action == NULL ? group->at : action->value_at, NULL,
                 "a stub needs an action that is a verb, got '%s'", stub->action);
    }
    stub->host = conf_text(host, NULL, diags);
    if (stub->host != NULL &&
        inventory_host(reading->rehearsal->inventory, text_of(stub->host)) == NULL) {
        diag_add(diags, DIAG_ERROR, host->value_at, NULL, "no host '%s' here", stub->host);
    }
    stub->after_ms = conf_duration_ms(conf_get(group, "after"), -1, 0, REHEARSE_AT_MAX, diags);
    const char *word = conf_text(fail, "ok", diags);
    stub->fail = nsh_code_of(word);
    if (stub->fail < 0) {
        diag_add(diags, DIAG_ERROR, fail->value_at,
                 "such as timeout, unreachable, busy, refused, failed",
                 "no way to fail is called '%s'", word);
        stub->fail = NSH_FAILED;
    }
    stub->text = conf_text(conf_get(group, "text"), stub->fail == NSH_OK ? "" : word, diags);
    stub->does = conf_bool(conf_get(group, "does"), false, diags);
    stub->times = (uint32_t)conf_int(conf_get(group, "times"), 0, 0, UINT32_MAX, diags);
    stub->reply = nsh_null();
    if (reply != NULL && !conf_value(reply, &reading->rehearsal->arena, &stub->reply)) {
        diag_add(diags, DIAG_ERROR, reply->value_at, NULL, "this is no reply");
    }
    conf_unknown(group, stub_keys, diags);
}

static void stubs_read(struct reading *reading, struct conf *list)
{
    size_t count = list_count(reading, list, "stubs", REHEARSE_STUBS_MAX);
    struct test *test = reading->test;
    test->stubs = arena_array(&reading->rehearsal->arena, count + 1, sizeof *test->stubs);
    for (struct conf *stub = count == 0 || test->stubs == NULL ? NULL : list->first; stub != NULL;
         stub = stub->next) {
        stub_read(reading, stub, &test->stubs[test->stubs_count++]);
    }
}

/* ---- the timeline -----------------------------------------------------------------------------
 */

static struct item *item_add(struct reading *reading, struct conf *group, int64_t at_ms,
                             enum item_kind kind)
{
    struct test *test = reading->test;
    if (test->items_count == reading->items_room) {
        size_t room = reading->items_room == 0 ? 32 : reading->items_room * 2;
        struct item *grown = arena_array(&reading->rehearsal->arena, room, sizeof *grown);
        if (grown == NULL || room > 2 * REHEARSE_ITEMS_MAX) {
            diag_add(reading->diags, DIAG_ERROR, group->at, NULL, "more than %d things happen",
                     REHEARSE_ITEMS_MAX);
            return NULL;
        }
        if (test->items_count > 0) {
            memcpy(grown, test->items, test->items_count * sizeof *grown);
        }
        test->items = grown;
        reading->items_room = room;
    }
    struct item *item = &test->items[test->items_count];
    *item = (struct item){.at_ms = at_ms, .order = test->items_count, .kind = kind};
    test->items_count++;
    return item;
}

/* ${var} of `each`, in a text of an event. */
static const char *filled(struct reading *reading, const char *text)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    if (reading->var == NULL) {
        return text;
    }
    size_t count = strlen(reading->var);
    for (const char *at = text; *at != 0;) {
        if (at[0] == '$' && at[1] == '{' && strncmp(at + 2, reading->var, count) == 0 &&
            at[2 + count] == '}') {
            textbuf_add_chars(&out, reading->value);
            at += count + 3;
        } else {
            textbuf_add_char(&out, *at++);
        }
    }
    const char *copy =
        arena_copy(&reading->rehearsal->arena, out.at == NULL ? "" : out.at, out.count);
    return copy == NULL ? text : copy;
}

static bool event_members(struct reading *reading, struct conf *group, struct nsh_member *members,
                          size_t *count)
{
    for (struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        setting->seen = true;
        if (setting->type == CONF_STRING) {
            members[*count].value = nsh_text(filled(reading, setting->text));
        } else if (!conf_value(setting, &reading->rehearsal->arena, &members[*count].value)) {
            diag_add(reading->diags, DIAG_ERROR, setting->value_at, NULL, "this is no value");
            return false;
        }
        members[(*count)++].name = setting->name;
    }
    return true;
}

/* What a test need not say. */
static void event_presets(struct reading *reading, struct nsh_member *members, size_t *count)
{
    struct nsh_value said = nsh_map(members, *count);
    if (nsh_get(&said, "id") == NULL) {
        const char *id = arena_printf(&reading->rehearsal->arena, "test-%llu",
                                      (unsigned long long)++reading->events);
        members[(*count)++] = (struct nsh_member){"id", nsh_text(id)};
    }
    static const struct {
        const char *name, *preset;
    } rows[] = {
        {"specversion", "1.0"}, {"source", "test"}, {"severity", "major"}, {"state", "raise"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (nsh_get(&said, rows[i].name) == NULL) {
            members[(*count)++] = (struct nsh_member){rows[i].name, nsh_text(rows[i].preset)};
        }
    }
}

static void event_host_check(struct reading *reading, struct conf *group, const struct event *event)
{
    if (event->host.count == 0 ||
        inventory_host(reading->rehearsal->inventory, event->host) != NULL) {
        return;
    }
    struct conf *host = conf_get(group, "host");
    diag_add(reading->diags, DIAG_ERROR, host == NULL ? group->at : host->value_at, NULL,
             "no host '%.*s' here", (int)event->host.count, event->host.at);
}

static void event_read(struct reading *reading, struct conf *group, int64_t at_ms)
{
    struct arena *arena = &reading->rehearsal->arena;
    struct nsh_error err = {0};
    size_t count = 0;
    if (!is_group(reading, group, "an event")) {
        return;
    }
    struct nsh_member *members = arena_array(arena, group->children_count + 5, sizeof *members);
    if (members == NULL || !event_members(reading, group, members, &count)) {
        return;
    }
    event_presets(reading, members, &count);
    for (struct conf *setting = group->first; setting != NULL; setting = setting->next) {
        setting->seen = false;
    }
    for (const char *const *key = event_keys; *key != NULL; key++) {
        (void)conf_get(group, *key);
    }
    conf_unknown(group, event_keys, reading->diags);
    struct item *item = item_add(reading, group, at_ms, ITEM_EVENT);
    struct nsh_value value = nsh_map(members, count);
    if (item != NULL && event_from_value(&value, arena, &item->event, &err) < 0) {
        diag_add(reading->diags, DIAG_ERROR, group->at, NULL, "%s", err.text);
        return;
    }
    if (item != NULL) {
        event_host_check(reading, group, &item->event);
    }
}

static void freeze_read(struct reading *reading, struct conf *group, struct item *item)
{
    struct diags *diags = reading->diags;
    struct nsh_member *members = arena_array(&reading->rehearsal->arena, 4, sizeof *members);
    if (!is_group(reading, group, "a freeze") || members == NULL) {
        return;
    }
    members[0] =
        (struct nsh_member){"scope", nsh_text(conf_text(conf_get(group, "scope"), "all", diags))};
    members[1] = (struct nsh_member){
        "reason", nsh_text(conf_text(conf_get(group, "reason"), "a test", diags))};
    members[2] = (struct nsh_member){
        "for_ms",
        nsh_int(conf_duration_ms(conf_get(group, "for"), 3600000, 1, REHEARSE_AT_MAX, diags))};
    members[3] = (struct nsh_member){"owner", nsh_text("test")};
    item->args = nsh_map(members, 4);
    conf_unknown(group, freeze_keys, diags);
}

/* What a person answers a run that asks: without `run` the first one. */
static void answer_read(struct reading *reading, struct conf *group, struct item *item)
{
    struct diags *diags = reading->diags;
    struct nsh_member *members = arena_array(&reading->rehearsal->arena, 2, sizeof *members);
    if (!is_group(reading, group, "an answer") || members == NULL) {
        return;
    }
    members[0] =
        (struct nsh_member){"id", nsh_text(conf_text(conf_get(group, "run"), "run-000001", diags))};
    members[1] = (struct nsh_member){
        "reason", nsh_text(conf_text(conf_get(group, "reason"), "a test", diags))};
    item->args = nsh_map(members, 2);
    item->actor = conf_text(conf_get(group, "by"), "test", diags);
    conf_unknown(group, answer_keys, diags);
}

static void thing_read(struct reading *reading, struct conf *what, int64_t at_ms)
{
    struct diags *diags = reading->diags;
    static const struct {
        const char *name;
        enum item_kind kind;
    } kinds[] = {{"set", ITEM_SET},           {"restart", ITEM_RESTART}, {"freeze", ITEM_FREEZE},
                 {"unfreeze", ITEM_UNFREEZE}, {"store", ITEM_HEALTH},    {"blind", ITEM_HEALTH},
                 {"stop", ITEM_STOP},         {"approve", ITEM_APPROVE}, {"deny", ITEM_DENY}};
    if (strcmp(what->name, "event") == 0) {
        event_read(reading, what, at_ms);
        return;
    }
    size_t at = 0;
    while (strcmp(kinds[at].name, what->name) != 0) {
        at++;
    }
    struct item *item = item_add(reading, what, at_ms, kinds[at].kind);
    if (item == NULL) {
        return;
    }
    switch (item->kind) {
    case ITEM_SET:
        item->inventory =
            is_group(reading, what, "set") ? rehearsal_set(reading->rehearsal, what, diags) : NULL;
        break;
    case ITEM_RESTART:
        if (is_group(reading, what, "restart")) {
            item->down_ms =
                conf_duration_ms(conf_get(what, "down_for"), 1000, 0, REHEARSE_AT_MAX, diags);
            conf_unknown(what, down_keys, diags);
        }
        reading->test->keeps = true;
        break;
    case ITEM_FREEZE:
        freeze_read(reading, what, item);
        break;
    case ITEM_APPROVE:
    case ITEM_DENY:
        answer_read(reading, what, item);
        break;
    case ITEM_HEALTH:
        item->health = (struct engine_health){.store_ok = true};
        if (strcmp(what->name, "store") == 0) {
            item->health.store_ok = conf_bool(what, true, diags);
        } else {
            item->health.blind = text_of(conf_text(what, "", diags));
        }
        break;
    case ITEM_STOP:
        (void)conf_bool(what, true, diags);
        reading->test->stops = true;
        break;
    case ITEM_UNFREEZE:
        reading->test->keeps = true;
        break;
    case ITEM_EVENT:
        break;
    }
}

static struct conf *thing_of(struct reading *reading, struct conf *group)
{
    static const char *const names[] = {"event", "set",   "restart", "freeze",  "unfreeze",
                                        "store", "blind", "stop",    "approve", "deny"};
    struct conf *found = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct conf *what = conf_get(group, names[i]);
        if (what != NULL && found != NULL) {
            diag_add(reading->diags, DIAG_ERROR, what->at, NULL,
                     "one thing at a time: '%s' stands here already", found->name);
            return NULL;
        }
        found = what != NULL ? what : found;
    }
    if (found == NULL) {
        diag_add(reading->diags, DIAG_ERROR, group->at, NULL,
                 "nothing happens: say event, set, restart, freeze, unfreeze, approve, deny, "
                 "store, blind or stop");
    }
    return found;
}

/* Once, or for each value, or so often. */
static void item_read(struct reading *reading, struct conf *group)
{
    struct diags *diags = reading->diags;
    if (!is_group(reading, group, "an item of a timeline")) {
        return;
    }
    int64_t at_ms = conf_duration_ms(conf_get(group, "at"), 0, 0, REHEARSE_AT_MAX, diags);
    struct conf *what = thing_of(reading, group);
    struct conf *each = conf_get(group, "each"), *repeat = conf_get(group, "repeat");
    conf_unknown(group, item_keys, diags);
    if (what == NULL) {
        return;
    }
    int64_t times = conf_int(conf_get(repeat, "times"), 1, 1, REHEARSE_ITEMS_MAX, diags);
    int64_t every_ms = conf_duration_ms(conf_get(repeat, "every"), 1000, 0, REHEARSE_AT_MAX, diags);
    int64_t step_ms = conf_duration_ms(conf_get(each, "step"), 0, 0, REHEARSE_AT_MAX, diags);
    struct conf *in = conf_get(each, "in");
    reading->var = conf_text(conf_get(each, "var"), NULL, diags);
    conf_unknown(each, each_keys, diags);
    conf_unknown(repeat, repeat_keys, diags);
    for (int64_t i = 0; i < times; i++) {
        int64_t now_ms = at_ms + i * every_ms;
        if (each == NULL) {
            thing_read(reading, what, now_ms);
        }
        for (struct conf *value = in == NULL ? NULL : in->first; value != NULL;
             value = value->next) {
            reading->value = conf_text(value, "", diags);
            thing_read(reading, what, now_ms);
            now_ms += step_ms;
        }
    }
    reading->var = NULL;
}

/* ---- series -----------------------------------------------------------------------------------
 */

struct series_row {
    const char *metric, *host, *subject;
    int64_t every_ms;
};

static void sample_add(struct reading *reading, struct conf *group, const struct series_row *row,
                       int64_t at_ms, double value)
{
    struct arena *arena = &reading->rehearsal->arena;
    const char *id = arena_printf(arena, "test-%llu", (unsigned long long)++reading->events);
    struct nsh_member data[] = {{"metric", nsh_text(row->metric)}, {"value", nsh_double(value)}};
    struct nsh_member members[] = {
        {"specversion", nsh_text("1.0")},
        {"id", nsh_text(id == NULL ? "" : id)},
        {"source", nsh_text("test")},
        {"type", nsh_text(POLICY_SAMPLE_TYPE)},
        {"severity", nsh_text("info")},
        {"state", nsh_text("pulse")},
        {"data", nsh_map(data, 2)},
        {row->host != NULL ? "host" : "subject",
         nsh_text(row->host != NULL ? row->host : row->subject)},
    };
    struct nsh_value shown = nsh_map(members, sizeof members / sizeof members[0]), kept;
    struct nsh_error err = {0};
    struct item *item = item_add(reading, group, at_ms, ITEM_EVENT);
    if (item != NULL && (!arena_value(arena, &shown, &kept) ||
                         event_from_value(&kept, arena, &item->event, &err) < 0)) {
        diag_add(reading->diags, DIAG_ERROR, group->at, NULL, "%s", err.text);
    }
}

/* One token of promtool's notation: "12", "12x8" (nine of 12), "1+2x3" (1 3 5 7), "_", "_x4". */
static bool values_token(struct reading *reading, struct conf *group, const struct series_row *row,
                         const char *token, int64_t *at_ms)
{
    bool missing = token[0] == '_';
    char *rest = NULL;
    double value = missing ? 0 : strtod(token, &rest), step = 0;
    const char *at = missing ? token + 1 : rest;
    bool stepped = !missing && (*at == '+' || *at == '-');
    if ((!missing && at == token) || (token[0] == '0' && (token[1] == 'x' || token[1] == 'X'))) {
        return false;
    }
    if (stepped) {
        step = strtod(at, &rest);
        at = rest;
    }
    long times = 0;
    if (*at == 'x') {
        times = strtol(at + 1, &rest, 10);
        at = rest;
    }
    if (*at != 0 || times < 0 || times > REHEARSE_ITEMS_MAX || (missing && stepped)) {
        return false;
    }
    for (long i = missing && times > 0 ? 1 : 0; i <= times; i++, *at_ms += row->every_ms) {
        if (!missing) {
            sample_add(reading, group, row, *at_ms, value + (double)i * step);
        }
    }
    return true;
}

/* Blanks stand between the values. A nought that is repeated is "0.0x3": 0x3 is a number. */
static void values_read(struct reading *reading, struct conf *group, const struct series_row *row,
                        int64_t at_ms)
{
    struct conf *values = conf_get(group, "values");
    const char *text = conf_text(values, "", reading->diags);
    for (const char *at = text + strspn(text, " \n\t"); *at != 0;) {
        size_t count = strcspn(at, " \n\t");
        char token[64];
        bool good = count < sizeof token;
        memcpy(token, at, good ? count : 0);
        token[good ? count : 0] = 0;
        if (!good || !values_token(reading, group, row, token, &at_ms)) {
            diag_add(reading->diags, DIAG_ERROR,
                     conf_text_place(values, (uint32_t)(at - text), (uint32_t)count),
                     "such as \"12x8 13.4x16 _x4 11 1+2x3\"", "this is no value of a series");
            return;
        }
        at += count;
        at += strspn(at, " \n\t");
    }
}

static void series_read(struct reading *reading, struct conf *list)
{
    struct diags *diags = reading->diags;
    size_t count = list_count(reading, list, "series", REHEARSE_STUBS_MAX);
    for (struct conf *group = count == 0 ? NULL : list->first; group != NULL; group = group->next) {
        if (!is_group(reading, group, "a series")) {
            continue;
        }
        struct conf *host = conf_get(group, "host");
        struct series_row row = {
            .metric = conf_text(conf_get(group, "metric"), "", diags),
            .host = conf_text(host, NULL, diags),
            .subject = conf_text(conf_get(group, "subject"), NULL, diags),
            .every_ms =
                conf_duration_ms(conf_get(group, "every"), 15000, 1, REHEARSE_AT_MAX, diags),
        };
        int64_t at_ms = conf_duration_ms(conf_get(group, "at"), 0, 0, REHEARSE_AT_MAX, diags);
        (void)conf_get(group, "values"); /* Known, whatever is wrong with the others. */
        bool known = row.host == NULL ||
                     inventory_host(reading->rehearsal->inventory, text_of(row.host)) != NULL;
        if (row.metric[0] == 0 || (row.host == NULL) == (row.subject == NULL)) {
            diag_add(diags, DIAG_ERROR, group->at,
                     "{ metric = \"power.input\"; host = \"r1h01\"; every = \"15s\"; values = "
                     "\"400x8\"; }",
                     "a series needs 'metric', and 'host' or 'subject'");
        } else if (!known) {
            diag_add(diags, DIAG_ERROR, host->value_at, NULL, "no host '%s' here", row.host);
        } else {
            values_read(reading, group, &row, at_ms);
        }
        conf_unknown(group, series_keys, diags);
    }
}

static int item_compare(const void *a, const void *b)
{
    const struct item *one = a, *two = b;
    if (one->at_ms != two->at_ms) {
        return one->at_ms < two->at_ms ? -1 : 1;
    }
    return one->order < two->order ? -1 : 1;
}

static void timeline_read(struct reading *reading, struct conf *test)
{
    struct conf *list = conf_get(test, "timeline");
    size_t count = list_count(reading, list, "timeline", REHEARSE_ITEMS_MAX);
    for (struct conf *item = count == 0 ? NULL : list->first; item != NULL; item = item->next) {
        item_read(reading, item);
    }
    series_read(reading, conf_get(test, "series"));
    if (reading->test->items_count > 1) {
        qsort(reading->test->items, reading->test->items_count, sizeof *reading->test->items,
              item_compare);
    }
}

/* ---- a test -----------------------------------------------------------------------------------
 */

static int64_t last_of(const struct expectation *expect)
{
    int64_t last_ms = expect->at_ms > expect->by_ms ? expect->at_ms : expect->by_ms;
    return last_ms > expect->before_ms ? last_ms : expect->before_ms;
}

static void until_find(struct test *test)
{
    int64_t last_ms = test->items_count == 0 ? 0 : test->items[test->items_count - 1].at_ms;
    for (size_t i = 0; test->stops && i < test->items_count; i++) {
        if (test->items[i].kind == ITEM_STOP) {
            test->until_ms = test->items[i].at_ms;
            return;
        }
    }
    for (size_t i = 0; i < test->expects_count; i++) {
        int64_t ms = last_of(&test->expects[i]);
        last_ms = ms > last_ms ? ms : last_ms;
    }
    test->until_ms = last_ms + REHEARSE_AFTER_MS;
}

static void expects_read(struct reading *reading, struct conf *list, struct conf *group)
{
    struct test *test = reading->test;
    size_t count = list_count(reading, list, "expect", REHEARSE_EXPECTS_MAX);
    if (count == 0 && list == NULL && reading->rehearsal->records) {
        return;
    }
    if (count == 0) {
        diag_add(reading->diags, DIAG_ERROR, list == NULL ? group->at : list->at,
                 "nightshift policy test --record writes down what happens, for you to judge",
                 "a test that expects nothing cannot fail");
        return;
    }
    test->expects = arena_array(&reading->rehearsal->arena, count, sizeof *test->expects);
    for (struct conf *at = test->expects == NULL ? NULL : list->first; at != NULL; at = at->next) {
        if (is_group(reading, at, "an expectation") &&
            expectation_read(reading->rehearsal, at, &test->expects[test->expects_count],
                             reading->diags)) {
            test->expects_count++;
        }
    }
}

static void test_read(struct reading *reading, struct conf *group, enum policy_mode mode)
{
    struct test *test = reading->test;
    struct diags *diags = reading->diags;
    if (!is_group(reading, group, "a test")) {
        return;
    }
    struct conf *name = conf_get(group, "name"), *word = conf_get(group, "mode");
    if (name == NULL) {
        diag_add(diags, DIAG_ERROR, group->at, NULL,
                 "a test needs a name: what it shows, in words");
    }
    test->shown = (struct rehearsal_test){.name = conf_text(name, "", diags), .at = group->at};
    int own = policy_mode_of(text_of(conf_text(word, policy_mode_word(mode), diags)));
    if (own < 0) {
        diag_add(diags, DIAG_ERROR, word->value_at, NULL,
                 "mode wants observe, suggest, approve or enforce");
    }
    test->mode = own < 0 ? mode : (enum policy_mode)own;
    stubs_read(reading, conf_get(group, "stubs"));
    timeline_read(reading, group);
    expects_read(reading, conf_get(group, "expect"), group);
    conf_unknown(group, test_keys, diags);
    until_find(test);
}

/*
 * Each test begins with the hosts as the file has them; `set` replaces settings, it changes none:
 * a copy down to the settings of a host is enough.
 */
static struct conf *hosts_copy(struct rehearsal *rehearsal, struct conf *from, unsigned depth)
{
    struct conf *copy = arena_alloc(&rehearsal->arena, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *from;
    struct conf **last = &copy->first;
    for (struct conf *child = depth >= 2 ? NULL : from->first; child != NULL; child = child->next) {
        struct conf *own = hosts_copy(rehearsal, child, depth + 1);
        if (own == NULL) {
            return NULL;
        }
        own->parent = copy;
        own->next = NULL;
        *last = own;
        last = &own->next;
    }
    return copy;
}

bool rehearsal_read_tests(struct rehearsal *rehearsal, struct conf *list, enum policy_mode mode,
                          struct diags *diags)
{
    rehearsal->tests = arena_array(&rehearsal->arena, list->children_count, sizeof(struct test));
    struct conf *hosts = rehearsal->hosts;
    for (struct conf *group = rehearsal->tests == NULL ? NULL : list->first; group != NULL;
         group = group->next) {
        struct reading reading = {.rehearsal = rehearsal,
                                  .diags = diags,
                                  .test = &rehearsal->tests[rehearsal->tests_count++]};
        rehearsal->hosts = hosts_copy(rehearsal, hosts, 0);
        if (rehearsal->hosts == NULL) {
            break;
        }
        test_read(&reading, group, mode);
    }
    rehearsal->hosts = hosts;
    return rehearsal->tests_count == list->children_count;
}
