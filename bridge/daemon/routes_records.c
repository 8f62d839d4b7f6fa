/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and objects out of the store, and the explanation, which is three lists about one thing. */

#include "routes_private.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- lists ----------------------------------------------------------------------------------- */

/* Rows that fit, as JSON objects one after the other. */
struct rows {
    struct textbuf *out;
    struct arena arena; /* For looking into a body. */
    uint32_t count, limit;
    bool truncated;     /* There is one more. */
    const char *member; /* Only bodies whose member is value; NULL: all. */
    struct text value;
};

/* row's answer to store_query(): enough. */
#define ROWS_ENOUGH (-1000)

static bool row_wanted(struct rows *rows, const struct record *record)
{
    if (rows->member == NULL) {
        return true;
    }
    struct nsh_value body;
    arena_reset(&rows->arena);
    if (json_parse(record->body.at, record->body.count, &rows->arena, &body, NULL) < 0) {
        return false;
    }
    const char *found = nsh_get_text(&body, rows->member, "");
    return text_is(rows->value, found) ||
           (strcmp(rows->member, "type") == 0 && text_glob(rows->value, text_of(found)));
}

static int row_add(void *arg, const struct record *record)
{
    struct rows *rows = arg;
    if (!row_wanted(rows, record)) {
        return 0;
    }
    if (rows->count == rows->limit) {
        rows->truncated = true;
        return ROWS_ENOUGH;
    }
    textbuf_add_chars(rows->out, rows->count++ == 0 ? "" : ",");
    textbuf_add(rows->out, record->body);
    return rows->out->failed ? ROWS_ENOUGH : 0;
}

static int rows_read(struct store_reader *reader, struct store_query *query, struct rows *rows,
                     struct nsh_error *err)
{
    query->limit = rows->member == NULL ? rows->limit + 1 : ROUTES_LIMIT_MAX;
    int result = store_query(reader, query, row_add, rows, err);
    arena_done(&rows->arena);
    return result == ROWS_ENOUGH ? 0 : result;
}

void routes_list(const struct api_request *request)
{
    const struct routes_kind *kind = routes_kind_of(request->route->path);
    struct store_reader *reader = routes_reader(request);
    struct routes_filter filter;
    struct nsh_error err = {0};
    if (reader == NULL) {
        return;
    }
    if (routes_filter(request, kind->states, &filter, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    struct rows rows = {.out = &document, .limit = filter.limit};
    if (filter.type.count > 0) {
        rows.member = "type";
        rows.value = filter.type;
    }
    struct store_query query = {.kind = kind->record,
                                .host = filter.host,
                                .state = filter.state,
                                .since_ms = filter.since_ms};
    textbuf_addf(&document, ROUTES_API_VERSION "%sList\",\"items\":[", kind->kind);
    if (rows_read(reader, &query, &rows, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    textbuf_addf(&document, "],\"truncated\":%s}\n", rows.truncated ? "true" : "false");
    routes_reply(request, &document);
}

/* ---- objects --------------------------------------------------------------------------------- */

struct find {
    const char *id;
    struct arena *arena;
    struct record found;
    char others[120]; /* Ids that begin with it. */
    unsigned count;
    bool exact, failed;
};

static int find_row(void *arg, const struct record *record)
{
    struct find *find = arg;
    bool exact = text_is(record->id, find->id);
    if (find->exact) {
        return 0;
    }
    size_t used = strlen(find->others);
    snprintf(find->others + used, sizeof find->others - used, "%s%.*s", used == 0 ? "" : ", ",
             (int)record->id.count, record->id.at);
    find->count++;
    if (exact || find->count == 1) {
        find->exact = exact;
        find->found = *record;
        find->found.id = arena_text(find->arena, record->id);
        find->found.host = arena_text(find->arena, record->host);
        find->found.state = arena_text(find->arena, record->state);
        find->found.body = arena_text(find->arena, record->body);
        find->failed = find->found.body.at == NULL;
    }
    return 0;
}

int routes_find(struct store_reader *reader, const struct routes_kind *kind, const char *id,
                struct arena *arena, struct record *ret_record, struct nsh_error *err)
{
    struct find find = {.id = id, .arena = arena};
    /* Newest first, so an old exact one may stand behind others that begin with it. */
    struct store_query query = {.kind = kind->record, .id = text_of(id), .limit = ROUTES_LIMIT_MAX};
    int result = store_query(reader, &query, find_row, &find, err);
    if (result < 0) {
        return result;
    }
    if (find.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (find.count == 0) {
        return nsh_fail(err, NSH_NOT_FOUND, "no %s %.100s", record_word(kind->record), id);
    }
    if (find.count > 1 && !find.exact) {
        return nsh_fail(err, NSH_INVALID, "%.60s fits %u %s: %s", id, find.count, kind->word,
                        find.others);
    }
    *ret_record = find.found;
    return 0;
}

void routes_object(const struct api_request *request)
{
    const struct routes_kind *kind = routes_kind_of(request->route->path);
    struct store_reader *reader = routes_reader(request);
    struct record record;
    struct nsh_error err = {0};
    if (reader == NULL) {
        return;
    }
    if (routes_find(reader, kind, request->id, request->arena, &record, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    routes_document(kind->kind, record.body, &document);
    routes_reply(request, &document);
}

/* ---- explanations ---------------------------------------------------------------------------- */

#define EXPLAIN_LIMIT 20

struct explain {
    const char *kind, *id;
    struct text host;   /* Rows of this host; empty: of any. */
    const char *member; /* And whose member is value, or id; NULL: all of the host. */
    const char *value;
    const char *run; /* Actions of this run only, and decisions that led to it. */
    int64_t since_ms;
    uint32_t limit;
};

/* ,"NAME":[rows of kind] */
static int explain_list(struct store_reader *reader, const struct explain *explain,
                        const char *word, const char *member, const char *value,
                        struct textbuf *out, struct nsh_error *err)
{
    char path[32];
    snprintf(path, sizeof path, "/v1/%s", word);
    struct rows rows = {.out = out, .limit = explain->limit, .member = member};
    rows.value = text_of(value);
    struct store_query query = {
        .kind = routes_kind_of(path)->record, .host = explain->host, .since_ms = explain->since_ms};
    if (query.kind == RECORD_PENDING && member != NULL) {
        query.state = TEXT("pending"); /* Of a host also what is watched, and not true yet. */
    }
    textbuf_addf(out, ",\"%s\":[", word);
    int result = rows_read(reader, &query, &rows, err);
    textbuf_add_char(out, ']');
    return result;
}

/* Actions name their run, not their alarm: those of every run in list. */
static int explain_actions(struct store_reader *reader, const struct explain *explain,
                           struct text runs, struct arena *arena, struct textbuf *out,
                           struct nsh_error *err)
{
    struct nsh_value list;
    int result = json_parse(runs.at, runs.count, arena, &list, err);
    bool first = true;
    textbuf_add_chars(out, ",\"actions\":[");
    for (uint32_t i = 0; result == 0 && i < list.count; i++) {
        const char *run = nsh_get_text(&list.items[i], "id", "");
        CLEANUP(textbuf_donep) struct textbuf actions = {0};
        struct rows rows = {.out = &actions, .limit = explain->limit, .member = "run"};
        rows.value = text_of(run);
        struct store_query query = {
            .kind = RECORD_ACTION, .host = explain->host, .since_ms = explain->since_ms};
        result = rows_read(reader, &query, &rows, err);
        if (rows.count > 0) {
            textbuf_add_chars(out, first ? "" : ",");
            textbuf_add(out, (struct text){actions.at, (uint32_t)actions.count});
            first = false;
        }
    }
    textbuf_add_char(out, ']');
    return result;
}

static int explain_write(struct store_reader *reader, const struct explain *explain,
                         struct arena *arena, struct textbuf *out, struct nsh_error *err)
{
    textbuf_addf(out, ROUTES_API_VERSION "Explanation\",\"subject\":{\"kind\":\"%s\",\"id\":",
                 explain->kind);
    textbuf_add_json(out, text_of(explain->id));
    textbuf_add_char(out, '}');
    const char *value = explain->value == NULL ? explain->id : explain->value;
    int result = explain_list(reader, explain, "decisions",
                              explain->run != NULL ? "run" : explain->member, value, out, err);
    if (result == 0 && explain->run == NULL) {
        result = explain_list(reader, explain, "pending", explain->member, value, out, err);
    }
    size_t runs_at = out->count + strlen(",\"runs\":");
    result = result == 0
                 ? explain_list(reader, explain, "runs",
                                explain->run != NULL ? "id" : explain->member, value, out, err)
                 : result;
    if (result < 0 || out->failed) {
        return result;
    }
    if (explain->member == NULL && explain->run == NULL) {
        result = explain_list(reader, explain, "actions", NULL, "", out, err);
    } else {
        struct text runs = {out->at + runs_at, (uint32_t)(out->count - runs_at)};
        runs.at = arena_text(arena, runs).at; /* The buffer moves while it grows. */
        result = runs.at == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                 : explain_actions(reader, explain, runs, arena, out, err);
    }
    textbuf_add_chars(out, "}\n");
    return result;
}

static void explain_reply(const struct api_request *request, struct explain *explain)
{
    struct store_reader *reader = routes_reader(request);
    struct routes_filter filter;
    struct nsh_error err = {0};
    if (reader == NULL) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    int result = routes_filter(request, NULL, &filter, &err);
    if (result == 0) {
        explain->since_ms = filter.since_ms;
        explain->limit = api_query(request, "limit") == NULL ? EXPLAIN_LIMIT : filter.limit;
        result = explain_write(reader, explain, request->arena, &document, &err);
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    routes_reply(request, &document);
}

static void explain_host_read(const struct api_request *request)
{
    struct explain explain = {.kind = "host", .id = request->id, .host = text_of(request->id)};
    explain_reply(request, &explain);
}

/* The inventory knows whether there is such a host; then the store tells of it. */
static void explain_host_known(void *arg, const struct shell_answer *answer)
{
    struct api_exchange *exchange = arg;
    struct nsh_error err = {0};
    if (answer->code != NSH_OK) {
        api_problem(exchange, answer->err, "nightshift host list shows those there are");
    } else if (api_work(exchange, explain_host_read, &err) == -NSH_LIMIT) {
        api_problem(exchange, &err, NULL);
    }
}

/* The shell knows whether there is such a thing. */
static void explain_after(const struct api_request *request, const char *name,
                          shell_answer_fn known)
{
    struct nsh_error err = {0};
    const struct nsh_member members[] = {{"id", nsh_text(request->id)}};
    const struct nsh_value args = nsh_map(members, 1);
    struct api_exchange *exchange = request->exchange;
    const char *actor = request->actor;
    struct shell *shell = request->arg;
    api_suspend(exchange);
    if (shell_post(shell, name, &args, actor, known, exchange, &err) < 0) {
        api_problem(exchange, &err, NULL);
    }
}

void routes_explain_host(const struct api_request *request)
{
    explain_after(request, "host", explain_host_known);
}

static void explain_object(const struct api_request *request, const char *path, const char *kind)
{
    struct store_reader *reader = routes_reader(request);
    struct record record;
    struct nsh_error err = {0};
    if (reader == NULL) {
        return;
    }
    if (routes_find(reader, routes_kind_of(path), request->id, request->arena, &record, &err) < 0) {
        routes_fail(request, &err);
        return;
    }
    struct explain explain = {.kind = kind, .id = record.id.at, .host = record.host};
    if (strcmp(kind, "run") == 0) {
        explain.run = record.id.at;
    } else {
        explain.member = kind;
    }
    explain_reply(request, &explain);
}

void routes_explain_alarm(const struct api_request *request)
{
    explain_object(request, "/v1/alarms", "alarm");
}

void routes_explain_run(const struct api_request *request)
{
    explain_object(request, "/v1/runs", "run");
}

/* ---- of a policy ---- */

static void explain_policy_read(const struct api_request *request)
{
    struct explain explain = {.kind = "policy", .id = request->id, .member = "policy"};
    explain_reply(request, &explain);
}

static void explain_policy_known(void *arg, const struct shell_answer *answer)
{
    struct api_exchange *exchange = arg;
    struct nsh_error err = {0};
    if (answer->code != NSH_OK) {
        api_problem(exchange, answer->err, "nightshift policy list shows those there are");
    } else if (api_work(exchange, explain_policy_read, &err) == -NSH_LIMIT) {
        api_problem(exchange, &err, NULL);
    }
}

void routes_explain_policy(const struct api_request *request)
{
    explain_after(request, "policy", explain_policy_known);
}

/* ---- of an event ---- */

/* The event itself, and the alarm it belongs to. */
struct explain_event {
    struct arena *arena;
    struct textbuf *out;
    struct text host, type, resource, qualifier;
    const char *alarm; /* Its id; NULL: none was found. */
    bool found;
};

static int event_found(void *arg, const struct event *event)
{
    struct explain_event *of = arg;
    of->found = true;
    of->host = arena_text(of->arena, event->host);
    of->type = arena_text(of->arena, event->type);
    of->resource = arena_text(of->arena, event->resource);
    of->qualifier = arena_text(of->arena, event->qualifier);
    event_to_json(event, of->out);
    return ROWS_ENOUGH;
}

static int alarm_found(void *arg, const struct record *record)
{
    struct explain_event *of = arg;
    struct nsh_value body;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    if (json_parse(record->body.at, record->body.count, &arena, &body, NULL) < 0 ||
        !text_is(of->type, nsh_get_text(&body, "type", "")) ||
        !text_is(of->resource, nsh_get_text(&body, "resource", "")) ||
        !text_is(of->qualifier, nsh_get_text(&body, "qualifier", ""))) {
        return 0;
    }
    of->alarm = arena_text(of->arena, record->id).at;
    return ROWS_ENOUGH;
}

static int explain_event_find(struct store_reader *reader, uint64_t seq, struct explain_event *of,
                              struct nsh_error *err)
{
    struct store_events events = {.after_seq = seq - 1, .rising = true, .limit = 1};
    int result = store_events(reader, &events, event_found, of, err);
    if (result < 0 && result != ROWS_ENOUGH) {
        return result;
    }
    if (!of->found) {
        return nsh_fail(err, NSH_NOT_FOUND, "no event %llu is kept", (unsigned long long)seq);
    }
    struct store_query alarms = {.kind = RECORD_ALARM, .host = of->host, .limit = ROUTES_LIMIT_MAX};
    result = of->host.count == 0 ? 0 : store_query(reader, &alarms, alarm_found, of, err);
    return result == ROWS_ENOUGH ? 0 : result;
}

void routes_explain_event(const struct api_request *request)
{
    struct store_reader *reader = routes_reader(request);
    CLEANUP(textbuf_donep) struct textbuf event = {0}, document = {0};
    struct explain_event of = {.arena = request->arena, .out = &event};
    struct nsh_error err = {0};
    int64_t seq = 0;
    if (reader == NULL) {
        return;
    }
    int result = text_to_int(text_of(request->id), &seq) && seq > 0
                     ? explain_event_find(reader, (uint64_t)seq, &of, &err)
                     : nsh_fail(&err, NSH_INVALID, "an event is named by its number, got %.40s",
                                request->id);
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    struct explain explain = {
        .kind = "event", .id = request->id, .host = of.host, .limit = EXPLAIN_LIMIT};
    explain.member = "alarm";
    explain.value = of.alarm == NULL ? "-" : of.alarm; /* "-": no record says that. */
    result = explain_write(reader, &explain, request->arena, &document, &err);
    if (result < 0 || document.failed || document.count < 2) {
        routes_fail(request, &err);
        return;
    }
    document.count -= 2; /* "}\n": what was asked about joins. */
    textbuf_add_chars(&document, ",\"event\":");
    textbuf_add(&document, (struct text){event.at, (uint32_t)event.count});
    textbuf_add_chars(&document, ",\"alarm\":");
    textbuf_add_json(&document, text_of(of.alarm == NULL ? "" : of.alarm));
    textbuf_add_chars(&document, "}\n");
    routes_reply(request, &document);
}
