/* SPDX-License-Identifier: Apache-2.0 */
/* The table, and what the handlers share. */

#include "routes_private.h"

#include "base/json.h"

#include <stdlib.h>

static const struct api_route routes[] = {
#define ROUTE(method, path, role, reads, open, queries, handler, help)                             \
    {method, path, API_##role, reads, open, queries, handler, help},
#include "routes.def"
#undef ROUTE
};
#define ROUTES_COUNT (sizeof routes / sizeof routes[0])

const struct api_route *routes_table(size_t *ret_count)
{
    *ret_count = ROUTES_COUNT;
    return routes;
}

/* ---- records by the word in the path --------------------------------------------------------- */

static const char *const alarm_states[] = {"raised", "cleared", NULL};
static const char *const run_states[] = {"waiting", "running", "verifying", "done", "escalated",
                                         "refused", "expired", "cancelled", NULL};
static const char *const decision_states[] = {
    "run", "would-run", "suggested", "skipped", "refused", "deferred", "held", "expired", NULL};
static const char *const action_states[] = {"intended",  "sent",    "done",      "failed",
                                            "refused",   "unknown", "verifying", "verified",
                                            "cancelled", NULL};

static const char *const lease_states[] = {"active", "ended", NULL};
static const char *const hold_states[] = {"held", "released", NULL};

static const struct routes_kind kinds[] = {
    {"alarms", "Alarm", RECORD_ALARM, alarm_states},
    {"runs", "Run", RECORD_RUN, run_states},
    {"decisions", "Decision", RECORD_DECISION, decision_states},
    {"actions", "Action", RECORD_ACTION, action_states},
    {"brakes", "Brake", RECORD_BRAKE, NULL},
    {"holds", "Hold", RECORD_HOLD, hold_states},
    {"leases", "Lease", RECORD_LEASE, lease_states},
    {"commands", "Command", RECORD_COMMAND, NULL},
    {"pending", "Pending", RECORD_PENDING, NULL},
};

const struct routes_kind *routes_kind_of(const char *path)
{
    const char *word = path + strlen("/v1/");
    size_t count = strcspn(word, "/");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i].word) == count && strncmp(kinds[i].word, word, count) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* ---- filters --------------------------------------------------------------------------------- */

static int filter_text(const struct api_request *request, const char *name, struct text *ret_text,
                       struct nsh_error *err)
{
    const char *value = api_query(request, name);
    if (value == NULL) {
        return 0;
    }
    if (value[0] == 0 || strlen(value) > ROUTES_TEXT_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "%s wants 1 to %d bytes, got %zu", name,
                        ROUTES_TEXT_BYTES_MAX, strlen(value));
    }
    *ret_text = text_of(value);
    return 0;
}

static int filter_state(const char *const *states, struct text *state, struct nsh_error *err)
{
    if (text_is(*state, "all")) {
        *state = (struct text){NULL, 0};
    }
    if (state->count == 0 || states == NULL) {
        return 0;
    }
    CLEANUP(textbuf_donep) struct textbuf list = {0};
    for (size_t i = 0; states[i] != NULL; i++) {
        if (text_is(*state, states[i])) {
            return 0;
        }
        textbuf_addf(&list, "%s%s", i == 0 ? "" : ", ", states[i]);
    }
    return nsh_fail(err, NSH_INVALID, "state wants one of %s, or all; got %.*s",
                    list.at == NULL ? "?" : list.at, (int)state->count, state->at);
}

/* "2h" before now, or Unix milliseconds. */
static int filter_since(const struct api_request *request, int64_t *ret_ms, struct nsh_error *err)
{
    const char *value = api_query(request, "since");
    int64_t ms = 0;
    if (value == NULL) {
        return 0;
    }
    if (text_to_int(text_of(value), &ms) && ms > 0) {
        *ret_ms = ms;
        return 0;
    }
    if (text_to_duration_ms(text_of(value), &ms) && ms >= 0) {
        int64_t now_ms = intake_now_ms(shell_intake(request->arg));
        *ret_ms = ms < now_ms ? now_ms - ms : 1;
        return 0;
    }
    return nsh_fail(err, NSH_INVALID,
                    "since wants a duration such as 2h, or Unix milliseconds; got %.60s", value);
}

static int filter_limit(const struct api_request *request, uint32_t *ret_limit,
                        struct nsh_error *err)
{
    const char *value = api_query(request, "limit");
    int64_t limit = ROUTES_LIMIT;
    if (value != NULL &&
        (!text_to_int(text_of(value), &limit) || limit < 1 || limit > ROUTES_LIMIT_MAX)) {
        return nsh_fail(err, NSH_INVALID, "limit wants a number from 1 to %d, got %.60s",
                        ROUTES_LIMIT_MAX, value);
    }
    *ret_limit = (uint32_t)limit;
    return 0;
}

static int filter_switch(const struct api_request *request, const char *name, bool *ret_on,
                         struct nsh_error *err)
{
    static const char *const on[] = {"yes", "true", "1", ""}, *const off[] = {"no", "false", "0"};
    const char *value = api_query(request, name);
    for (size_t i = 0; value != NULL && i < sizeof on / sizeof on[0]; i++) {
        if (strcmp(value, on[i]) == 0) {
            *ret_on = true;
            return 0;
        }
    }
    for (size_t i = 0; value != NULL && i < sizeof off / sizeof off[0]; i++) {
        if (strcmp(value, off[i]) == 0) {
            return 0;
        }
    }
    return value == NULL ? 0
                         : nsh_fail(err, NSH_INVALID, "%s wants yes or no, got %.60s", name, value);
}

int routes_filter(const struct api_request *request, const char *const *states,
                  struct routes_filter *ret_filter, struct nsh_error *err)
{
    struct routes_filter filter = {.limit = ROUTES_LIMIT};
    int result = filter_text(request, "host", &filter.host, err);
    result = result == 0 ? filter_text(request, "state", &filter.state, err) : result;
    result = result == 0 ? filter_state(states, &filter.state, err) : result;
    result = result == 0 ? filter_text(request, "type", &filter.type, err) : result;
    result = result == 0 ? filter_since(request, &filter.since_ms, err) : result;
    result = result == 0 ? filter_limit(request, &filter.limit, err) : result;
    result = result == 0 ? filter_switch(request, "unmatched", &filter.unmatched, err) : result;
    if (result == 0) {
        *ret_filter = filter;
    }
    return result;
}

int routes_duration(const struct api_request *request, const char *name, int64_t max_ms,
                    int64_t *ret_ms, struct nsh_error *err)
{
    const char *value = api_query(request, name);
    int64_t ms = 0;
    if (value != NULL && (!text_to_duration_ms(text_of(value), &ms) || ms < 0 || ms > max_ms)) {
        return nsh_fail(err, NSH_INVALID, "%s wants a duration up to %llds such as 10s, got %.60s",
                        name, (long long)max_ms / 1000, value);
    }
    *ret_ms = ms;
    return 0;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

int routes_body(const struct api_request *request, const char *const *known,
                struct nsh_value *ret_body, struct nsh_error *err)
{
    *ret_body = nsh_map(NULL, 0);
    if (request->body_bytes == 0) {
        return 0;
    }
    int result = json_parse(request->body, request->body_bytes, request->arena, ret_body, err);
    if (result < 0) {
        return nsh_wrap(err, "body");
    }
    if (ret_body->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "the body wants a JSON object");
    }
    for (uint32_t i = 0; i < ret_body->count; i++) {
        const char *name = ret_body->members[i].name;
        size_t k = 0;
        while (known[k] != NULL && strcmp(known[k], name) != 0) {
            k++;
        }
        const char *nearest = known[k] == NULL ? text_nearest(text_of(name), known) : NULL;
        if (known[k] == NULL) {
            return nsh_fail(err, NSH_INVALID, "the body has an unknown member %.60s%s%s%s", name,
                            nearest == NULL ? "" : "; did you mean ",
                            nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
        }
    }
    return 0;
}

int routes_body_text(const struct nsh_value *body, const char *name, const char **ret_text,
                     struct nsh_error *err)
{
    const struct nsh_value *member = nsh_get(body, name);
    if (member == NULL || member->type != NSH_STRING || member->count == 0) {
        return nsh_fail(err, NSH_INVALID, "the body wants \"%s\", a text", name);
    }
    if (member->count > ROUTES_TEXT_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "%s wants at most %d bytes, got %u", name,
                        ROUTES_TEXT_BYTES_MAX, member->count);
    }
    *ret_text = member->text;
    return 0;
}

/* ---- documents ------------------------------------------------------------------------------- */

void routes_document(const char *kind, struct text object, struct textbuf *out)
{
    static const char first[] = "{\"apiVersion\"";
    static const char last[] = "\"apiVersion\":\"nightshift/v1\"";
    bool has = text_starts(object, first) ||
               (object.count > 0 && memmem(object.at, object.count, last, sizeof last - 1) != NULL);
    if (has || object.count < 2) {
        textbuf_add(out, object.count < 2 ? TEXT("{}") : object);
    } else {
        textbuf_addf(out, ROUTES_API_VERSION "%s\"%s", kind, object.at[1] == '}' ? "" : ",");
        textbuf_add(out, (struct text){object.at + 1, object.count - 1});
    }
    textbuf_add_char(out, '\n');
}

void routes_fail(const struct api_request *request, const struct nsh_error *err)
{
    api_problem(request->exchange, err, NULL);
}

void routes_reply(const struct api_request *request, const struct textbuf *document)
{
    if (document->failed) {
        struct nsh_error err = {0};
        nsh_fail(&err, NSH_INVALID, "the answer is larger than 64 MiB; ask for less with limit");
        routes_fail(request, &err);
        return;
    }
    api_reply(request->exchange, 200, "application/json", document->at, document->count);
}

struct store_reader *routes_reader(const struct api_request *request)
{
    if (request->reader == NULL) {
        struct nsh_error err = {0};
        nsh_fail(&err, NSH_IO, "the store cannot be read now");
        api_problem(request->exchange, &err, "nightshift status says how the store is");
    }
    return request->reader;
}

/* ---- the shell's answers --------------------------------------------------------------------- */

struct post {
    struct api_exchange *exchange;
    const char *kind;
};

static void post_answer(void *arg, const struct shell_answer *answer)
{
    struct post *post = arg;
    struct api_exchange *exchange = post->exchange;
    if (answer->code != NSH_OK) {
        api_problem(exchange, answer->err, NULL);
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf document = {0};
    routes_document(post->kind, answer->document, &document);
    api_reply(exchange, 200, "application/json", document.at == NULL ? "" : document.at,
              document.count);
}

void routes_post(const struct api_request *request, const char *name, const char *kind,
                 const struct nsh_value *args)
{
    struct nsh_error err = {0};
    struct post *post = arena_alloc(request->arena, sizeof *post);
    if (post == NULL) {
        nsh_fail(&err, NSH_NOMEM, "out of memory");
        routes_fail(request, &err);
        return;
    }
    *post = (struct post){request->exchange, kind};
    const char *actor = request->actor;
    struct shell *shell = request->arg;
    api_suspend(request->exchange);
    if (shell_post(shell, name, args, actor, post_answer, post, &err) < 0) {
        api_problem(post->exchange, &err, NULL);
    }
}
