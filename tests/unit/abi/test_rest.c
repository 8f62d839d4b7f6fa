/* SPDX-License-Identifier: Apache-2.0 */
/* The REST kit on services of the test's own: virtual time, and a peer that answers when it is told
 * to. */

#include "../unit.h"

#include "abi/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- services ---------------------------------------------------------------------------- */

struct nsh_http {
    void (*done)(void *arg, const struct nsh_http_reply *reply);
    void *arg;
    char line[256], body[256], headers[1024];
    uint32_t timeout_ms;
    bool used;
};

struct nsh_timer {
    void (*fire)(void *arg);
    void *arg;
    int64_t due_ms;
    bool used;
};

static struct {
    struct nsh_http http[8];
    struct nsh_timer timers[8];
    int64_t now_ms, unix_ms;
    void *shared;
    bool refuse; /* http() fails. */
    unsigned completed;
    struct nsh_op *completed_op;
    int code;
    bool effect_possible;
    uint32_t retry_after_ms;
    char text[NSH_ERROR_TEXT_MAX], result[256];
    struct nsh_rest *close_at_end;
} world;

static int64_t now_ms(struct nsh_services *services)
{
    return world.now_ms;
}

static int64_t unix_ms(struct nsh_services *services)
{
    return world.unix_ms;
}

static void **shared(struct nsh_services *services, const void *key)
{
    assert_non_null(key);
    return &world.shared;
}

static struct nsh_timer *timer(struct nsh_services *services, uint32_t delay_ms,
                               void (*fire)(void *arg), void *arg)
{
    for (size_t i = 0; i < ROWS(world.timers); i++) {
        if (!world.timers[i].used) {
            world.timers[i] = (struct nsh_timer){fire, arg, world.now_ms + delay_ms, true};
            return &world.timers[i];
        }
    }
    return NULL;
}

static void timer_cancel(struct nsh_services *services, struct nsh_timer *one)
{
    assert_true(one->used);
    one->used = false;
}

static int http(struct nsh_services *services, const struct nsh_http_request *request,
                void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                struct nsh_http **ret_http, struct nsh_error *err)
{
    if (world.refuse) {
        return nsh_fail(err, NSH_LIMIT, "too many requests");
    }
    for (size_t i = 0; i < ROWS(world.http); i++) {
        struct nsh_http *one = &world.http[i];
        if (one->used) {
            continue;
        }
        *one = (struct nsh_http){.done = done, .arg = arg, .used = true};
        one->timeout_ms = request->timeout_ms;
        snprintf(one->line, sizeof one->line, "%s %s", request->method, request->url);
        snprintf(one->body, sizeof one->body, "%.*s", (int)request->body_bytes,
                 request->body == NULL ? "" : (const char *)request->body);
        for (size_t k = 0; request->headers[k] != NULL; k++) {
            strncat(one->headers, request->headers[k],
                    sizeof one->headers - strlen(one->headers) - 2);
            strcat(one->headers, "\n");
        }
        *ret_http = one;
        return 0;
    }
    return nsh_fail(err, NSH_LIMIT, "the test has too few");
}

static void http_cancel(struct nsh_services *services, struct nsh_http *one)
{
    assert_true(one->used);
    one->used = false;
}

static void complete(struct nsh_services *services, struct nsh_op *op,
                     const struct nsh_outcome *outcome)
{
    struct nsh_pool pool = {0};
    world.completed++;
    world.completed_op = op;
    world.code = outcome->code;
    world.effect_possible = outcome->effect_possible;
    world.retry_after_ms = outcome->retry_after_ms;
    snprintf(world.text, sizeof world.text, "%s", outcome->text);
    snprintf(world.result, sizeof world.result, "%s",
             outcome->result == NULL ? "" : nsh_json_write(&pool, outcome->result));
    nsh_pool_done(&pool);
    if (world.close_at_end != NULL) {
        nsh_rest_close(world.close_at_end);
        world.close_at_end = NULL;
    }
}

__attribute__((format(printf, 3, 4))) static void
trace(struct nsh_services *services, const struct nsh_op *op, const char *format, ...)
{
}

static struct nsh_services services = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_services),
    .now_ms = now_ms,
    .unix_ms = unix_ms,
    .shared = shared,
    .timer = timer,
    .timer_cancel = timer_cancel,
    .http = http,
    .http_cancel = http_cancel,
    .complete = complete,
    .trace = trace,
};

/* ---- the peer ---------------------------------------------------------------------------- */

static unsigned pending(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < ROWS(world.http); i++) {
        count += world.http[i].used;
    }
    return count;
}

/* The request that waits for an answer and begins so. */
static struct nsh_http *asked(const char *line)
{
    for (size_t i = 0; i < ROWS(world.http); i++) {
        if (world.http[i].used && strncmp(world.http[i].line, line, strlen(line)) == 0) {
            return &world.http[i];
        }
    }
    fail_msg("nobody asked %s", line);
    return NULL;
}

static void answer_to(struct nsh_http *one, int status, const char *header, const char *body)
{
    /* Of exactly that size: a sanitizer sees a byte read too many. */
    char *copy = strdup(body);
    const char *const headers[] = {"content-type: application/json", header, NULL};
    one->used = false;
    one->done(one->arg, &(struct nsh_http_reply){.code = NSH_OK,
                                                 .sent = true,
                                                 .status = status,
                                                 .headers = headers,
                                                 .body = copy,
                                                 .body_bytes = strlen(body)});
    free(copy);
}

static void answer(const char *line, int status, const char *header, const char *body)
{
    answer_to(asked(line), status, header, body);
}

/* The request that was sent with this header, whichever came first. */
static void answer_sent_with(const char *header, int status)
{
    struct nsh_http *one = world.http, *end = world.http + ROWS(world.http);
    while (one < end && !(one->used && strstr(one->headers, header) != NULL)) {
        one++;
    }
    assert_true(one < end);
    answer_to(one, status, NULL, "{}");
}

static void break_off(const char *line, int code, bool sent)
{
    struct nsh_http *one = asked(line);
    one->used = false;
    one->done(one->arg, &(struct nsh_http_reply){.code = code, .sent = sent, .text = "it broke"});
}

/* The next timer fires; how long that took. */
static int64_t tick(void)
{
    struct nsh_timer *first = NULL;
    for (size_t i = 0; i < ROWS(world.timers); i++) {
        struct nsh_timer *one = &world.timers[i];
        first = one->used && (first == NULL || one->due_ms < first->due_ms) ? one : first;
    }
    assert_non_null(first);
    int64_t took = first->due_ms - world.now_ms;
    world.now_ms = first->due_ms;
    first->used = false;
    first->fire(first->arg);
    return took;
}

/* ---- a driver ---------------------------------------------------------------------------- */

static const struct nsh_verb cut = {.name = "power.off", .effect = NSH_INTERRUPTS},
                             look = {.name = "power.status", .effect = NSH_READS};

static void login_answered(struct nsh_rest_call *login, const struct nsh_rest_reply *reply)
{
    const char *token = nsh_at_text(reply->body, "token", NULL);
    if (reply->code != NSH_OK || token == NULL) {
        nsh_rest_fail_reply(login, reply);
        return;
    }
    nsh_rest_logged_in(login, nsh_pool_printf(&login->pool, "X-Auth-Token: %s", token),
                       nsh_at_int(reply->body, "seconds", 0) * 1000);
}

static void login_begin(struct nsh_rest_call *login)
{
    nsh_rest_send(login,
                  &(struct nsh_rest_request){.method = "POST", .path = "/login", .text = "{}"},
                  login_answered);
}

static void off_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
        return;
    }
    struct nsh_member member = {"power", nsh_text(nsh_at_text(reply->body, "power", "?"))};
    struct nsh_value result = nsh_map(&member, 1);
    nsh_rest_done(call, &result);
}

static void off_begin(struct nsh_rest_call *call)
{
    nsh_rest_send(call,
                  &(struct nsh_rest_request){.method = "PUT", .path = "/off", .text = "{\"on\":0}"},
                  off_answered);
}

static void state_read(struct nsh_rest_call *call);

static void state_answered(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    const char *state = nsh_at_text(reply->body, "power", "?");
    if (reply->code != NSH_OK) {
        nsh_rest_fail_reply(call, reply);
    } else if (strcmp(state, "off") == 0) {
        nsh_rest_done(call, NULL);
    } else {
        nsh_rest_wait(call, state_read, "it is still %s", state);
    }
}

static void state_read(struct nsh_rest_call *call)
{
    nsh_rest_send(call, &(struct nsh_rest_request){.path = "/state?secret=1"}, state_answered);
}

static const char *const secrets[] = {"password", NULL}, *const apart[] = {"server", NULL};
static const struct nsh_member settings_members[] = {
    {"password", {.type = NSH_STRING, .count = 6, .text = "s3cret"}},
    {"server", {.type = NSH_STRING, .count = 2, .text = "s1"}},
    {"request_timeout", {.type = NSH_INT, .integer = 10000}},
    {"poll", {.type = NSH_INT, .integer = 100}},
};

static struct nsh_rest *api_open(bool login)
{
    struct nsh_rest *rest = NULL;
    struct nsh_value settings = nsh_map(settings_members, ROWS(settings_members));
    assert_int_equal(nsh_rest_open(&services,
                                   &(struct nsh_rest_config){.base = "https://api.example:1/v1",
                                                             .settings = &settings,
                                                             .secrets = secrets,
                                                             .apart = apart,
                                                             .login = login ? login_begin : NULL},
                                   &rest, NULL),
                     0);
    return rest;
}

static void begin(struct nsh_rest *rest, struct nsh_op *op, const struct nsh_verb *verb,
                  void (*first)(struct nsh_rest_call *call))
{
    *op = (struct nsh_op){.verb = verb, .timeout_ms = 60000};
    assert_int_equal(nsh_rest_start(rest, NULL, op, sizeof(struct nsh_rest_call), first, NULL), 0);
}

static int fresh(void **state)
{
    memset(&world, 0, sizeof world);
    world.now_ms = 5000;
    world.unix_ms = INT64_C(1772445600000); /* 2026-03-02T10:00:00Z */
    return 0;
}

/* Nothing is left with the services. */
static int quiet(void **state)
{
    bool left = pending() > 0 || world.shared != NULL;
    for (size_t i = 0; i < ROWS(world.timers); i++) {
        left = left || world.timers[i].used;
    }
    return left ? -1 : 0;
}

/* ---- tests ------------------------------------------------------------------------------ */

static void test_exchange(void **state)
{
    struct nsh_rest *rest = api_open(false);
    struct nsh_op op;
    assert_int_equal(nsh_rest_credential(rest, "Authorization: Token t0ken", NULL), 0);
    begin(rest, &op, &cut, off_begin);
    struct nsh_http *one = asked("PUT https://api.example:1/v1/off");
    assert_string_equal(one->body, "{\"on\":0}");
    assert_string_equal(one->headers, "Accept: application/json\nContent-Type: application/json\n"
                                      "Authorization: Token t0ken\n");
    assert_int_equal(one->timeout_ms, 10000);
    answer("PUT", 200, NULL, "{\"power\":\"off\"}");
    assert_int_equal(world.completed, 1);
    assert_int_equal(world.code, NSH_OK);
    assert_string_equal(world.result, "{\"power\":\"off\"}");
    nsh_rest_close(rest);
}

static void test_failures(void **state)
{
    static const struct {
        int status;
        const char *header, *body;
        int code;
        bool effect;
        uint32_t retry_after_ms;
        const char *words, *why;
    } rows[] = {
        {400, NULL, "{\"error\":{\"message\":\"no such flavour\",\"code\":400}}", NSH_REFUSED,
         false, 0, ": no such flavour", "Keystone, Google, Azure"},
        {403, NULL, "{\"message\":\"pods is forbidden\",\"reason\":\"Forbidden\"}", NSH_DENIED,
         false, 0, ": pods is forbidden", "Kubernetes"},
        {404, NULL, "{\"itemNotFound\":{\"code\":404,\"message\":\"Instance 7 is gone\"}}",
         NSH_NOT_FOUND, false, 0, ": Instance 7 is gone", "Nova"},
        {409, NULL,
         "{\"error_message\":\"{\\\"faultcode\\\":\\\"Client\\\",\\\"faultstring\\\":\\\"Node 7 is "
         "locked\\\",\\\"debuginfo\\\":null}\"}",
         NSH_CONFLICT, false, 0, ": Node 7 is locked", "Ironic: JSON in a text"},
        {400, NULL, "{\"name\":[\"This field is required.\"]}", NSH_REFUSED, false, 0,
         ": name: This field is required.", "NetBox"},
        {409, NULL, "{\"errors\":[{\"status\":409,\"title\":\"Conflict\",\"detail\":\"full\"}]}",
         NSH_CONFLICT, false, 0, ": full", "Placement"},
        {400, NULL, "{\"error\":\"invalid_client\",\"error_description\":\"expired\"}", NSH_REFUSED,
         false, 0, ": expired", "OAuth"},
        {503, "retry-after: 7", "<html><head><title>503 Wait</title></head>", NSH_BUSY, false, 7000,
         ": 503 Wait", "a proxy's page"},
        {429, "retry-after: 99999999999", "", NSH_BUSY, false, NSH_REST_RETRY_MS_MAX, "",
         "bounded, no words"},
        {400, NULL, "<?xml?><Error><Code>Bad</Code><Message>Clock\nskew</Message></Error>",
         NSH_REFUSED, false, 0, ": Bad: Clock skew", "AWS"},
        {500, NULL, "it is dead\xff \x1b[31m", NSH_FAILED, true, 0, ": it is dead?  [31m",
         "it may have begun; plain text, made harmless"},
        {502, NULL, "{\"message\":\"upstream said s3cret\"}", NSH_FAILED, true, 0,
         ": upstream said ******", "a secret that comes back"},
        {200, NULL, "{\"power\":", NSH_PROTOCOL, true, 0, ": no JSON at byte 9: it ends too early",
         "done, but half an answer"},
        {302, NULL, "", NSH_PROTOCOL, false, 0, "", "redirects are not followed"},
        {418, NULL, "", NSH_REFUSED, false, 0, "", "any other 4xx"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        fresh(state);
        struct nsh_rest *rest = api_open(false);
        struct nsh_op op;
        char want[512];
        begin(rest, &op, &cut, off_begin);
        answer("PUT", rows[i].status, rows[i].header, rows[i].body);
        snprintf(want, sizeof want, "https://api.example:1 PUT /v1/off: %d%s", rows[i].status,
                 rows[i].words);
        if (world.code != rows[i].code || strcmp(world.text, want) != 0 ||
            world.effect_possible != rows[i].effect ||
            world.retry_after_ms != rows[i].retry_after_ms) {
            fail_msg("%s: %s, effect %d, retry %u: %s", rows[i].why, nsh_code_word(world.code),
                     world.effect_possible, world.retry_after_ms, world.text);
        }
        nsh_rest_close(rest);
    }
}

static void test_retry_date(void **state)
{
    struct nsh_rest *rest = api_open(false);
    struct nsh_op op;
    begin(rest, &op, &look, state_read);
    struct nsh_http *one = asked("GET");
    const char *const headers[] = {"retry-after: Mon, 02 Mar 2026 11:00:30 GMT",
                                   "date: Mon, 02 Mar 2026 11:00:00 GMT", NULL};
    one->used = false;
    one->done(one->arg, &(struct nsh_http_reply){
                            .code = NSH_OK, .status = 503, .headers = headers, .body = ""});
    assert_int_equal(world.code, NSH_BUSY);
    assert_int_equal(world.retry_after_ms, 30000);
    /* Its clock is an hour ahead of ours; so are signatures from now on. */
    assert_int_equal(nsh_rest_unix_ms(rest) - world.unix_ms, 3600000);
    assert_false(world.effect_possible);
    nsh_rest_close(rest);
}

static void test_no_answer(void **state)
{
    static const struct {
        int code;
        bool sent;
    } rows[] = {{NSH_TIMEOUT, true}, {NSH_UNREACHABLE, false}, {NSH_DISCONNECTED, true}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_rest *rest = api_open(false);
        struct nsh_op op;
        begin(rest, &op, &cut, off_begin);
        break_off("PUT", rows[i].code, rows[i].sent);
        assert_int_equal(world.code, rows[i].code);
        assert_int_equal(world.effect_possible, rows[i].sent);
        assert_string_equal(world.text, "https://api.example:1 PUT /v1/off: it broke");
        begin(rest, &op, &look, state_read);
        break_off("GET", rows[i].code, rows[i].sent);
        assert_false(world.effect_possible); /* It only looked. */
        assert_null(strstr(world.text, "secret=1"));
        nsh_rest_close(rest);
    }
    struct nsh_rest *rest = api_open(false);
    struct nsh_op op;
    world.refuse = true;
    world.completed = 0;
    begin(rest, &op, &cut, off_begin);
    assert_int_equal(world.completed, 1);
    assert_int_equal(world.code, NSH_LIMIT);
    assert_false(world.effect_possible);
    nsh_rest_close(rest);
}

/* One login for all that wait; kept when the call that began it is cancelled. */
static void test_login_shared(void **state)
{
    struct nsh_rest *rest = api_open(true);
    struct nsh_op ops[3];
    for (size_t i = 0; i < ROWS(ops); i++) {
        begin(rest, &ops[i], &cut, off_begin);
    }
    assert_int_equal(pending(), 1);
    nsh_rest_cancel(NULL, &ops[0]);
    assert_int_equal(world.code, NSH_CANCELLED);
    assert_false(world.effect_possible); /* It never left. */
    answer("POST https://api.example:1/v1/login", 200, NULL,
           "{\"token\":\"tok1\",\"seconds\":3600}");
    assert_int_equal(pending(), 2);
    assert_non_null(strstr(asked("PUT")->headers, "X-Auth-Token: tok1\n"));
    answer("PUT", 200, NULL, "{}");
    nsh_rest_cancel(NULL, &ops[2]);
    assert_true(world.effect_possible); /* It had left. */
    assert_int_equal(world.completed, 3);
    nsh_rest_close(rest);
}

static void test_login_fails(void **state)
{
    struct nsh_rest *rest = api_open(true);
    struct nsh_op ops[2];
    begin(rest, &ops[0], &cut, off_begin);
    begin(rest, &ops[1], &cut, off_begin);
    answer("POST", 401, NULL, "{\"error\":{\"message\":\"bad s3cret\"}}");
    assert_int_equal(world.completed, 2);
    assert_int_equal(world.code, NSH_AUTH);
    assert_string_equal(world.text, "https://api.example:1 POST /v1/login: 401: bad ******");
    assert_false(world.effect_possible);
    assert_int_equal(pending(), 0); /* Not tried again for them. */
    begin(rest, &ops[0], &cut, off_begin);
    break_off("POST", NSH_TIMEOUT, true);
    assert_int_equal(world.code, NSH_TIMEOUT);
    assert_false(world.effect_possible); /* A login is no effect. */
    /* The end of a call closes the API in the middle of telling. */
    begin(rest, &ops[0], &cut, off_begin);
    world.close_at_end = rest;
    answer("POST", 500, NULL, "");
}

static void test_token_renewed(void **state)
{
    struct nsh_rest *rest = api_open(true);
    struct nsh_op ops[2];
    begin(rest, &ops[0], &cut, off_begin);
    answer("POST", 200, NULL, "{\"token\":\"tok1\",\"seconds\":3600}");
    answer("PUT", 200, NULL, "{}");
    /* Before it expires. */
    world.now_ms += 3600000 - NSH_REST_EARLY_MS - 1;
    begin(rest, &ops[0], &cut, off_begin);
    answer("PUT", 200, NULL, "{}");
    world.now_ms += 1;
    begin(rest, &ops[0], &cut, off_begin);
    answer("POST", 200, NULL, "{\"token\":\"tok2\",\"seconds\":10}");
    answer("PUT", 200, NULL, "{}");
    world.now_ms += 5000; /* Half of a short life. */
    begin(rest, &ops[0], &cut, off_begin);
    answer("POST", 200, NULL, "{\"token\":\"tok3\"}");
    /* A 401 mid-run: two calls that were sent with the same token cause one login. */
    begin(rest, &ops[1], &cut, off_begin);
    unsigned completed = world.completed;
    answer("PUT", 401, NULL, "{}");
    answer("POST", 200, NULL, "{\"token\":\"tok4\"}");
    answer_sent_with("X-Auth-Token: tok3\n", 401);
    assert_int_equal(pending(), 2);
    assert_int_equal(world.completed, completed);
    answer_sent_with("X-Auth-Token: tok4\n", 200);
    answer_sent_with("X-Auth-Token: tok4\n", 200);
    assert_int_equal(world.code, NSH_OK);
    assert_int_equal(world.completed, completed + 2);
    assert_int_equal(pending(), 0);
    nsh_rest_close(rest);
}

/* What is refused twice is refused; what is not refused is never sent again. */
static void test_again(void **state)
{
    struct nsh_rest *rest = api_open(true);
    struct nsh_op op;
    begin(rest, &op, &cut, off_begin);
    answer("POST", 200, NULL, "{\"token\":\"tok1\"}");
    answer("PUT", 401, NULL, "{}");
    answer("POST", 200, NULL, "{\"token\":\"tok2\"}");
    assert_non_null(strstr(asked("PUT")->headers, "X-Auth-Token: tok2\n"));
    assert_string_equal(asked("PUT")->body, "{\"on\":0}");
    assert_int_equal(world.completed, 0);
    answer("PUT", 401, NULL, "{\"message\":\"tok2 is bad\"}");
    assert_int_equal(world.code, NSH_AUTH);
    assert_false(world.effect_possible);
    assert_string_equal(world.text, "https://api.example:1 PUT /v1/off: 401: **** is bad");
    nsh_rest_close(rest);
}

static void test_waiting(void **state)
{
    static const int64_t grows[] = {100, 150, 225, 337, 505, 757, 800, 800};
    struct nsh_rest *rest = api_open(false);
    struct nsh_op op;
    begin(rest, &op, &cut, state_read);
    for (size_t i = 0; i < ROWS(grows); i++) {
        answer("GET", 200, NULL, "{\"power\":\"on\"}");
        assert_int_equal(tick(), grows[i]);
    }
    answer("GET", 200, "retry-after: 5", "{\"power\":\"on\"}"); /* The peer's wish. */
    assert_int_equal(tick(), 5000);
    answer("GET", 200, NULL, "{\"power\":\"off\"}");
    assert_int_equal(world.code, NSH_OK);
    /* The last look is before the time-out, not after it. */
    begin(rest, &op, &cut, state_read);
    int64_t began_ms = world.now_ms;
    while (world.completed == 1) {
        answer("GET", 200, NULL, "{\"power\":\"on\"}");
        if (world.completed == 1) {
            tick();
        }
    }
    assert_true(world.now_ms - began_ms < 60000 && world.now_ms - began_ms > 59000);
    assert_int_equal(world.code, NSH_TIMEOUT);
    assert_string_equal(world.text, "https://api.example:1/v1: after 60 s: it is still on");
    begin(rest, &op, &cut, state_read);
    answer("GET", 200, NULL, "{\"power\":\"on\"}");
    nsh_rest_cancel(NULL, &op); /* While it waits. */
    assert_int_equal(world.code, NSH_CANCELLED);
    nsh_rest_close(rest);
}

/* Devices whose settings differ in the object only share the login; the last one closes it. */
static void test_shared(void **state)
{
    struct nsh_rest *one = api_open(true);
    struct nsh_member members[ROWS(settings_members)];
    memcpy(members, settings_members, sizeof members);
    members[1].value = nsh_text("s2");
    struct nsh_value settings = nsh_map(members, ROWS(members));
    struct nsh_rest_config config = {.base = "https://api.example:1/v1",
                                     .settings = &settings,
                                     .secrets = secrets,
                                     .apart = apart,
                                     .login = login_begin};
    struct nsh_rest *two = NULL, *other = NULL;
    struct nsh_op op;
    assert_int_equal(nsh_rest_open(&services, &config, &two, NULL), 0);
    assert_ptr_equal(one, two);
    members[0].value = nsh_text("another");
    assert_int_equal(nsh_rest_open(&services, &config, &other, NULL), 0);
    assert_ptr_not_equal(one, other);
    assert_null(nsh_get(nsh_rest_settings(one), "server"));
    nsh_rest_close(one);
    begin(two, &op, &cut, off_begin);
    nsh_rest_cancel(NULL, &op);
    assert_int_equal(pending(), 1); /* The login, of nobody now. */
    nsh_rest_close(two);
    assert_int_equal(pending(), 0);
    nsh_rest_close(other);
    nsh_rest_close(NULL);
}

static void test_settings(void **state)
{
    static const struct {
        const char *name, *text, *name2, *text2;
        const char *want, *why;
    } rows[] = {
        {"tls", "pin", NULL, NULL, "tls = \"pin\" and pinned_key need each other", "no key"},
        {"pinned_key", "sha256//x", NULL, NULL, "tls = \"pin\" and pinned_key need each other",
         "a key that would not be looked at"},
        {"tls", "pin", "pinned_key", "x", "pinned_key: want sha256//BASE64, got x", "no hash"},
        {"tls", "insecure", "ca_file", "/x", "ca_file needs tls = \"verify\"", "not looked at"},
        {"client_key", "/x", NULL, NULL, "client_key needs client_cert", "half a pair"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_member members[] = {{rows[i].name, nsh_text(rows[i].text)},
                                       {rows[i].name2, nsh_text(rows[i].text2)}};
        struct nsh_value settings = nsh_map(members, rows[i].name2 == NULL ? 1 : 2);
        struct nsh_rest *rest = NULL;
        struct nsh_error err = {0};
        assert_int_equal(
            nsh_rest_open(&services, &(struct nsh_rest_config){.settings = &settings}, &rest, &err),
            -NSH_INVALID);
        assert_string_equal(err.text, rows[i].want);
        assert_null(rest);
    }
    static const struct {
        const char *text, *want; /* "": refused */
    } bases[] = {
        {"https://a.example", "https://a.example"},
        {"https://[2001:db8::1]:5000/v3/", "https://[2001:db8::1]:5000/v3"},
        {"http://a//", "http://a"},
        {"a.example", ""},
        {"https://", ""},
        {"ftp://a", ""},
        {"https://a/?x=1", ""},
        {"https://user@a", ""},
        {"https://a b", ""},
    };
    for (size_t i = 0; i < ROWS(bases); i++) {
        char url[64] = "";
        nsh_rest_base_check("url", bases[i].text, url, sizeof url, NULL);
        assert_string_equal(url, bases[i].want);
    }
    /* Several at once: the first is given; any of them is refused, by its name. */
    static const char *const names[] = {"endpoint", "login", NULL};
    const struct nsh_member good[] = {{"login", nsh_text("http://b/")},
                                      {"endpoint", nsh_text("https://a/")}};
    const struct nsh_member bad[] = {{"login", nsh_text("b")}, {"endpoint", nsh_text("https://a")}};
    struct nsh_value settings = nsh_map(good, 2);
    struct nsh_error err = {0};
    char url[64] = "";
    assert_int_equal(nsh_rest_bases_check(&settings, names, url, sizeof url, &err), 0);
    assert_string_equal(url, "https://a");
    settings = nsh_map(bad, 2);
    assert_int_equal(nsh_rest_bases_check(&settings, names, url, sizeof url, &err), -NSH_INVALID);
    assert_non_null(strstr(err.text, "login: "));
}

/* ---- lists ------------------------------------------------------------------------------ */

static char listed[64];

static bool item_add(struct nsh_rest_call *call, const struct nsh_value *item)
{
    strcat(listed, nsh_get_text(item, "id", "?"));
    return strcmp(nsh_get_text(item, "id", "?"), "stop") != 0;
}

static void list_done(struct nsh_rest_call *call)
{
    nsh_rest_done(call, NULL);
}

static struct nsh_rest_list list_now;

static void list_begin(struct nsh_rest_call *call)
{
    list_now.each = item_add;
    list_now.done = list_done;
    listed[0] = '\0';
    nsh_rest_read_list(call, &list_now);
}

static void test_lists(void **state)
{
    static const struct {
        struct nsh_rest_list list;
        const char *page, *second, *why;
    } rows[] = {
        {{.request = {.path = "/n"}, .items = "nodes", .how = NSH_REST_LINK, .next = "next"},
         "{\"nodes\":[{\"id\":\"a\"}],\"next\":\"http://evil.example:8/v1/n?marker=a\"}",
         "GET https://api.example:1/v1/n?marker=a",
         "a link; never to another host"},
        {{.request = {.path = "/n?x=1"}, .items = "nodes", .how = NSH_REST_LINK, .next = "next"},
         "{\"nodes\":[{\"id\":\"a\"}],\"next\":\"?marker=a\"}",
         "GET https://api.example:1/v1/n?marker=a",
         "another query"},
        {{.request = {.path = "/n"}, .items = "servers", .how = NSH_REST_LINKS, .next = "links"},
         "{\"servers\":[{\"id\":\"a\"}],\"links\":[{\"rel\":\"self\"},{\"rel\":\"next\",\"href\":"
         "\"/v1/n?p=2\"}]}",
         "GET https://api.example:1/v1/n?p=2",
         "links by their relation"},
        {{.request = {.path = "/n?limit=1"},
          .items = "items",
          .how = NSH_REST_TOKEN,
          .next = "metadata.continue",
          .parameter = "continue"},
         "{\"items\":[{\"id\":\"a\"}],\"metadata\":{\"continue\":\"b/=\"}}",
         "GET https://api.example:1/v1/n?limit=1&continue=b%2F%3D",
         "a token, encoded"},
        {{.request = {.path = "/n"}, .items = "", .how = NSH_REST_MARKER, .next = "id"},
         "[{\"id\":\"z\"},{\"id\":\"a\"}]",
         "GET https://api.example:1/v1/n?marker=a",
         "the last item's id"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_rest *rest = api_open(false);
        struct nsh_op op;
        list_now = rows[i].list;
        world.completed = 0;
        begin(rest, &op, &look, list_begin);
        answer("GET https://api.example:1/v1/n", 200, NULL, rows[i].page);
        if (pending() != 1 || strcmp(asked("GET")->line, rows[i].second) != 0) {
            fail_msg("%s: %s %s", rows[i].why, pending() == 1 ? asked("GET")->line : "",
                     world.text);
        }
        answer("GET", 200, NULL,
               i == 4 ? "[]" : "{\"nodes\":[],\"items\":[],\"servers\":[{\"id\":\"b\"}]}");
        assert_int_equal(world.code, NSH_OK);
        assert_int_equal(world.completed, 1);
        assert_non_null(strchr(listed, 'a'));
        nsh_rest_close(rest);
    }
}

/* A peer whose pages never end, one whose page is no list, one that breaks off. */
static void test_bad_lists(void **state)
{
    struct nsh_rest *rest = api_open(false);
    struct nsh_op op;
    list_now = (struct nsh_rest_list){
        .request = {.path = "/n"}, .items = "n", .how = NSH_REST_LINK, .next = "next"};
    begin(rest, &op, &look, list_begin);
    for (int i = 0; i < NSH_REST_PAGES_MAX; i++) {
        answer("GET", 200, NULL, "{\"n\":[],\"next\":\"/v1/n\"}");
    }
    assert_int_equal(world.code, NSH_LIMIT);
    begin(rest, &op, &look, list_begin);
    answer("GET", 200, NULL, "{\"n\":{}}");
    assert_int_equal(world.code, NSH_PROTOCOL);
    begin(rest, &op, &look, list_begin);
    answer("GET", 200, NULL, "{\"n\":[{\"id\":\"x\"}],\"next\":\"/v1/n\"}");
    answer("GET", 500, NULL, "");
    assert_int_equal(world.code, NSH_FAILED);
    begin(rest, &op, &look, list_begin);
    answer("GET", 200, NULL, "{\"n\":[{\"id\":\"stop\"},{\"id\":\"x\"}],\"next\":\"/v1/n\"}");
    assert_int_equal(world.code, NSH_OK);
    assert_string_equal(listed, "stop");
    nsh_rest_close(rest);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, quiet)
    const struct CMUnitTest tests[] = {
        TEST(test_exchange),      TEST(test_failures),     TEST(test_retry_date),
        TEST(test_no_answer),     TEST(test_login_shared), TEST(test_login_fails),
        TEST(test_token_renewed), TEST(test_again),        TEST(test_waiting),
        TEST(test_shared),        TEST(test_settings),     TEST(test_lists),
        TEST(test_bad_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
