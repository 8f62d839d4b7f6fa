/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer. What is sent is kept until the next request, so that it can be sent
 * again when the peer refused it for a reason that is gone.
 */

#include "abi/rest_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REPLY_BYTES_DEFAULT ((size_t)4 << 20)

bool rest_has_effect(const struct nsh_rest_flight *flight)
{
    bool reads = strcmp(flight->method, "GET") == 0 || strcmp(flight->method, "HEAD") == 0;
    return (flight->flags & NSH_REST_CHANGES) != 0 ||
           (!reads && (flight->flags & NSH_REST_READS) == 0 && flight->call->op != NULL);
}

size_t rest_origin_bytes(const char *url)
{
    size_t scheme = strncasecmp(url, "https://", 8) == 0  ? 8
                    : strncasecmp(url, "http://", 7) == 0 ? 7
                                                          : 0;
    size_t authority = scheme == 0 ? 0 : strcspn(url + scheme, "/?#");
    return authority == 0 ? 0 : scheme + authority;
}

/* ---- the request ------------------------------------------------------------------------ */

static bool headers_take(struct nsh_rest_flight *flight, const struct nsh_rest_request *request)
{
    struct nsh_pool *pool = &flight->memory;
    bool good = true;
    flight->headers_count = 0;
    flight->headers[flight->headers_count++] = "Accept: application/json";
    if (flight->body != NULL) {
        const char *type =
            request->content_type == NULL ? "application/json" : request->content_type;
        flight->headers[flight->headers_count++] = nsh_pool_printf(pool, "Content-Type: %s", type);
        good = flight->headers[flight->headers_count - 1] != NULL;
    }
    for (size_t i = 0; good && request->headers != NULL && request->headers[i] != NULL; i++) {
        if (strncasecmp(request->headers[i], "Accept:", 7) == 0) {
            flight->headers[0] = nsh_pool_text(pool, request->headers[i]);
            good = flight->headers[0] != NULL;
            continue;
        }
        good = flight->headers_count < NSH_HTTP_HEADERS_MAX - 2;
        if (good) {
            flight->headers[flight->headers_count] = nsh_pool_text(pool, request->headers[i]);
            good = flight->headers[flight->headers_count++] != NULL;
        }
    }
    return good;
}

static bool body_take(struct nsh_rest_flight *flight, const struct nsh_rest_request *request)
{
    struct nsh_pool *pool = &flight->memory;
    flight->body = NULL;
    flight->body_bytes = 0;
    if (request->body != NULL) {
        flight->body = nsh_json_write(pool, request->body);
        flight->body_bytes = flight->body == NULL ? 0 : strlen(flight->body);
        return flight->body != NULL;
    }
    if (request->text != NULL) {
        flight->body_bytes = request->text_bytes == 0 ? strlen(request->text) : request->text_bytes;
        flight->body = nsh_pool_copy(pool, request->text, flight->body_bytes);
        return flight->body != NULL;
    }
    return true;
}

static bool request_take(struct nsh_rest_call *call, const struct nsh_rest_request *request)
{
    struct nsh_rest_flight *flight = call->flight;
    struct nsh_pool *pool = &flight->memory;
    flight->method = nsh_pool_text(pool, request->method == NULL ? "GET" : request->method);
    flight->url = nsh_pool_printf(
        pool, "%s%s", rest_origin_bytes(request->path) > 0 ? "" : call->rest->base, request->path);
    flight->user = nsh_pool_text(pool, request->user);
    flight->password = nsh_pool_text(pool, request->password);
    flight->reply_bytes_max =
        request->reply_bytes_max == 0 ? REPLY_BYTES_DEFAULT : request->reply_bytes_max;
    flight->timeout_ms =
        request->timeout_ms == 0 ? call->rest->request_timeout_ms : request->timeout_ms;
    flight->flags = request->flags | (call->op == NULL ? NSH_REST_PLAIN : 0);
    flight->received = request->received;
    flight->repeated = flight->renewed = false;
    return flight->method != NULL && flight->url != NULL &&
           (request->user == NULL || flight->user != NULL) &&
           (request->password == NULL || flight->password != NULL) && body_take(flight, request) &&
           headers_take(flight, request) && strlen(flight->url) <= NSH_REST_URL_BYTES_MAX;
}

void nsh_rest_send(struct nsh_rest_call *call, const struct nsh_rest_request *request,
                   void (*done)(struct nsh_rest_call *call, const struct nsh_rest_reply *reply))
{
    struct nsh_rest_flight *flight = call->flight;
    struct nsh_pool before = flight->memory; /* The request may point into it. */
    flight->memory = (struct nsh_pool){0};
    flight->done = done;
    flight->reply = NULL;
    bool taken = request_take(call, request);
    nsh_pool_done(&before);
    if (!taken) {
        nsh_rest_fail(call, NSH_LIMIT, "%s: out of memory, or a request that is too long",
                      call->rest->base);
        return;
    }
    rest_depart(call);
}

int nsh_rest_header(struct nsh_rest_message *message, const char *format, ...)
{
    char line[NSH_REST_URL_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int count = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t name_bytes = strcspn(line, ":") + 1, at = 0;
    char *copy = count < 0 || (size_t)count >= sizeof line
                     ? NULL
                     : nsh_pool_copy(message->pool, line, (size_t)count);
    explicit_bzero(line, sizeof line);
    if (copy == NULL) {
        return -NSH_NOMEM;
    }
    while (at < message->headers_count &&
           strncasecmp(message->headers[at], copy, name_bytes) != 0) {
        at++;
    }
    if (at >= NSH_HTTP_HEADERS_MAX - 1) {
        return -NSH_LIMIT;
    }
    message->headers[at] = copy;
    message->headers_count += at == message->headers_count;
    return 0;
}

static void answered(void *arg, const struct nsh_http_reply *http);
static void piece_came(void *arg, const char *bytes, size_t bytes_count);

/* All headers of the message, signed. */
static int message_make(struct nsh_rest_call *call, struct nsh_rest_message *message,
                        struct nsh_error *err)
{
    struct nsh_rest *rest = call->rest;
    struct nsh_rest_flight *flight = call->flight;
    *message = (struct nsh_rest_message){
        .method = flight->method,
        .url = flight->url,
        .body = flight->body == NULL ? "" : flight->body,
        .body_bytes = flight->body_bytes,
        .unix_ms = nsh_rest_unix_ms(rest),
        .pool = message->pool,
        .headers_count = flight->headers_count,
    };
    memcpy(message->headers, flight->headers, sizeof flight->headers);
    bool plain = (flight->flags & NSH_REST_PLAIN) != 0;
    int result = 0;
    if (!plain && rest->credential != NULL) {
        result = nsh_rest_header(message, "%s", rest->credential);
    }
    if (result < 0) {
        return nsh_fail(err, (enum nsh_code) - result, "%s: the credential does not fit",
                        rest->base);
    }
    if (!plain && rest->config.sign != NULL) {
        result = rest->config.sign(rest, message, err);
    }
    if (result == 0) {
        message->headers[message->headers_count] = NULL;
    }
    return result;
}

void flight_send(struct nsh_rest_call *call)
{
    struct nsh_rest *rest = call->rest;
    struct nsh_rest_flight *flight = call->flight;
    struct nsh_pool pool = {0};
    struct nsh_rest_message message = {.pool = &pool};
    struct nsh_error err = {0};
    int64_t left_ms = nsh_rest_left_ms(call);
    int result = message_make(call, &message, &err);
    flight->generation = rest->generation;
    if (result == 0) {
        result = rest->services->http(rest->services,
                                      &(struct nsh_http_request){
                                          .method = flight->method,
                                          .url = flight->url,
                                          .headers = message.headers,
                                          .body = flight->body,
                                          .body_bytes = flight->body_bytes,
                                          .reply_bytes_max = flight->reply_bytes_max,
                                          .timeout_ms = left_ms < flight->timeout_ms
                                                            ? (uint32_t)(left_ms < 1 ? 1 : left_ms)
                                                            : flight->timeout_ms,
                                          .user = flight->user,
                                          .password = flight->password,
                                          .ca_file = rest->ca_file,
                                          .pinned_key = rest->pinned_key,
                                          .client_cert = rest->client_cert,
                                          .client_key = rest->client_key,
                                          .proxy = rest->proxy,
                                          .insecure = rest->insecure,
                                          .server = rest->config.server,
                                          .received = flight->received == NULL ? NULL : piece_came,
                                      },
                                      answered, call, &flight->http, &err);
    }
    nsh_pool_done(&pool);
    if (result < 0) {
        flight->http = NULL;
        flight_tell(call, &(struct nsh_outcome){.code = -result, .text = err.text});
    }
}

/* ---- the answer ------------------------------------------------------------------------- */

/* "https://host:8774 POST /v2.1/servers": without a query, that may hold anything, and without a
 * path that is a secret. */
static void request_name(const struct nsh_rest_call *call, char *room, size_t room_bytes)
{
    const struct nsh_rest_flight *flight = call->flight;
    size_t origin = rest_origin_bytes(flight->url);
    const char *path = flight->url + origin;
    size_t path_bytes = strcspn(path, "?");
    if ((flight->flags & NSH_REST_HIDE_PATH) != 0) {
        path = "/...";
        path_bytes = 4;
    }
    snprintf(room, room_bytes, "%.*s %s %.*s", (int)(origin > 128 ? 128 : origin), flight->url,
             flight->method, (int)(path_bytes > 160 ? 160 : path_bytes), path);
    rest_redact(call->rest, room);
}

static void give(struct nsh_rest_call *call, const struct nsh_rest_reply *reply)
{
    struct nsh_rest_flight *flight = call->flight;
    flight->reply = reply;
    flight->done(call, reply); /* The call may be gone. */
}

void flight_tell(struct nsh_rest_call *call, const struct nsh_outcome *outcome)
{
    static const struct nsh_value nothing = {.type = NSH_NULL};
    struct nsh_rest_reply reply = {
        .code = outcome->code,
        .refused = true,
        .retry_after_ms = outcome->retry_after_ms,
        .body = &nothing,
        .words = "",
        .text = outcome->text,
    };
    give(call, &reply);
}

static bool is_json(const struct nsh_http_reply *http)
{
    const char *type = nsh_http_header(http, "content-type");
    size_t blanks = strspn(http->body, " \t\r\n");
    return (type != NULL && strstr(type, "json") != NULL) || http->body[blanks] == '{' ||
           http->body[blanks] == '[';
}

struct answer {
    struct nsh_pool pool;
    struct nsh_value body;
    struct nsh_error err;
    char words[NSH_REST_WORDS_BYTES_MAX];
    char text[NSH_REST_TEXT_BYTES_MAX];
};

/* Statuses, words and JSON of an answer that came. */
static void answer_read(struct nsh_rest_call *call, const struct nsh_http_reply *http,
                        struct answer *answer, struct nsh_rest_reply *reply)
{
    char name[NSH_REST_TEXT_BYTES_MAX / 2];
    bool readable = (call->flight->flags & NSH_REST_NO_JSON) == 0 && http->body != NULL &&
                    http->body_bytes > 0 && is_json(http);
    int read = 0;
    request_name(call, name, sizeof name);
    if (readable) {
        read =
            nsh_json_read(&answer->pool, http->body, http->body_bytes, &answer->body, &answer->err);
    }
    reply->status = http->status;
    reply->code = nsh_rest_status_code(http->status);
    reply->refused =
        http->status >= 300 && (http->status < 500 || http->status == 501 || http->status == 503);
    const char *date = nsh_http_header(http, "date");
    if (date == NULL || !nsh_time_http(date, &reply->date_ms)) {
        reply->date_ms = 0;
    }
    reply->retry_after_ms =
        rest_retry_after_ms(nsh_http_header(http, "retry-after"), reply->date_ms);
    if (reply->code == NSH_OK && read < 0) {
        reply->code = read == -NSH_INVALID ? NSH_PROTOCOL : -read;
        nsh_line_add(answer->words, sizeof answer->words, answer->err.text,
                     strlen(answer->err.text));
    } else if (reply->code != NSH_OK && http->body != NULL) {
        nsh_rest_words(http->body, http->body_bytes, readable && read == 0 ? &answer->body : NULL,
                       answer->words, sizeof answer->words);
    }
    rest_redact(call->rest, answer->words);
    if (reply->code != NSH_OK) {
        snprintf(answer->text, sizeof answer->text, "%s: %d%s%s", name, http->status,
                 answer->words[0] == '\0' ? "" : ": ", answer->words);
    }
    if (call->op != NULL) {
        call->rest->services->trace(call->rest->services, call->op, "%s -> %d", name, http->status);
    }
}

static void answer_none(struct nsh_rest_call *call, const struct nsh_http_reply *http,
                        struct answer *answer, struct nsh_rest_reply *reply)
{
    char name[NSH_REST_TEXT_BYTES_MAX / 2], line[NSH_REST_WORDS_BYTES_MAX] = "";
    const char *why = http->text == NULL ? nsh_code_word(http->code) : http->text;
    request_name(call, name, sizeof name);
    nsh_line_add(line, sizeof line, why, strlen(why));
    rest_redact(call->rest, line);
    snprintf(answer->text, sizeof answer->text, "%s: %s", name, line);
    reply->code = http->code;
    reply->refused = !http->sent;
    if (call->op != NULL) {
        call->rest->services->trace(call->rest->services, call->op, "%s", answer->text);
    }
}

/* The peer's clock, when it differs by more than an answer takes. */
static void clock_read(struct nsh_rest *rest, int64_t date_ms)
{
    int64_t skew_ms = date_ms - rest->services->unix_ms(rest->services);
    rest->skew_ms = skew_ms > -3000 && skew_ms < 3000 ? 0 : skew_ms;
}

static void answered(void *arg, const struct nsh_http_reply *http)
{
    struct nsh_rest_call *call = arg;
    struct nsh_rest *rest = call->rest;
    struct nsh_rest_flight *flight = call->flight;
    struct answer answer = {.body = nsh_null()};
    struct nsh_rest_reply reply = {
        .body = &answer.body, .words = answer.words, .text = answer.text};
    flight->http = NULL;
    rest_enter(rest);
    if (http->code == NSH_OK) {
        reply.http = http;
        answer_read(call, http, &answer, &reply);
    } else {
        answer_none(call, http, &answer, &reply);
    }
    if (reply.date_ms != 0) {
        clock_read(rest, reply.date_ms);
    }
    flight->acted = flight->acted || (rest_has_effect(flight) && !reply.refused);
    flight->retry_after_ms = reply.retry_after_ms;
    flight->reply = &reply;
    if (reply.status != 401 || !nsh_rest_renew(call)) {
        give(call, &reply);
    }
    nsh_pool_done(&answer.pool);
    rest_leave(rest);
}

/* A piece of a watch. Enough: the request is taken back, and ends well. */
static void piece_came(void *arg, const char *bytes, size_t bytes_count)
{
    struct nsh_rest_call *call = arg;
    struct nsh_rest *rest = call->rest;
    struct nsh_rest_flight *flight = call->flight;
    struct nsh_value nothing = nsh_null();
    struct nsh_rest_reply reply = {.status = 200, .body = &nothing, .words = "", .text = ""};
    rest_enter(rest);
    if (!flight->received(call, bytes, bytes_count)) {
        rest->services->http_cancel(rest->services, flight->http);
        flight->http = NULL;
        give(call, &reply);
    }
    rest_leave(rest);
}

bool nsh_rest_again(struct nsh_rest_call *call)
{
    struct nsh_rest_flight *flight = call->flight;
    if (flight->repeated || flight->reply == NULL || !flight->reply->refused ||
        flight->reply->status == 0) {
        return false;
    }
    flight->repeated = true;
    flight->reply = NULL;
    rest_depart(call);
    return true;
}

bool nsh_rest_renew(struct nsh_rest_call *call)
{
    struct nsh_rest_flight *flight = call->flight;
    if (call->rest->config.login == NULL || (flight->flags & NSH_REST_PLAIN) != 0 ||
        flight->renewed || flight->reply == NULL || !flight->reply->refused ||
        flight->reply->status == 0) {
        return false;
    }
    flight->renewed = true;
    flight->reply = NULL;
    rest_login_spoil(call->rest, flight->generation);
    rest_depart(call);
    return true;
}
