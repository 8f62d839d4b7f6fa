/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange: from the head of a request to the last byte of its answer. */

#include "api_private.h"

#include "base/assert.h"

#include <stdlib.h>
#include <time.h>

#define ARROW(state) (1u << EXCHANGE_##state)
#define STREAM_BLOCK_BYTES 16384

static const unsigned exchange_arrows[EXCHANGE_STATES_COUNT] = {
    [EXCHANGE_IDLE] = ARROW(READING) | ARROW(IDLE),
    [EXCHANGE_READING] = ARROW(HANDLING) | ARROW(IDLE),
    [EXCHANGE_HANDLING] = ARROW(SUSPENDED) | ARROW(ANSWERED) | ARROW(IDLE),
    [EXCHANGE_SUSPENDED] = ARROW(ANSWERED),
    [EXCHANGE_ANSWERED] = ARROW(QUEUED) | ARROW(IDLE),
    [EXCHANGE_QUEUED] = ARROW(IDLE),
};

int64_t api_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void exchange_move(struct api_exchange *exchange, enum exchange_state to)
{
    NSH_ASSERT((exchange_arrows[exchange->state] & (1u << to)) != 0);
    exchange->state = to;
    exchange->since_ms = api_now_ms();
}

struct api_exchange *exchange_new(struct api *api, struct MHD_Connection *connection)
{
    struct api_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange != NULL) {
        pthread_mutex_init(&exchange->lock, NULL);
        exchange->refs = 1;
        exchange->api = api;
        exchange->connection = connection;
        exchange->since_ms = api_now_ms();
    }
    return exchange;
}

void exchange_unref(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    NSH_ASSERT(exchange->refs > 0);
    bool last = --exchange->refs == 0;
    pthread_mutex_unlock(&exchange->lock);
    if (last) {
        if (exchange->response != NULL) {
            MHD_destroy_response(exchange->response);
        }
        arena_done(&exchange->arena);
        textbuf_done(&exchange->body);
        textbuf_done(&exchange->stream_bytes);
        pthread_mutex_destroy(&exchange->lock);
        free(exchange);
    }
}

/* Unlock, and drop the reference of whoever owed the answer. */
static void exchange_paid(struct api_exchange *exchange)
{
    bool owed = exchange->owed;
    exchange->owed = false;
    pthread_mutex_unlock(&exchange->lock);
    if (owed) {
        exchange_unref(exchange);
    }
}

static void exchange_wake(struct api_exchange *exchange)
{
    if (exchange->asleep) {
        exchange->asleep = false;
        MHD_resume_connection(exchange->connection);
    }
}

void exchange_reset(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    bool client_left = exchange->stream && exchange->owed;
    atomic_fetch_sub(&exchange->api->bodies_bytes, exchange->body_counted);
    exchange->body_counted = 0;
    if (exchange->stream) {
        atomic_fetch_sub(&exchange->api->counters.streams, 1);
    }
    if (client_left || exchange->abandoned) {
        exchange->abandoned = true; /* The arena stays with whoever owes. */
        exchange->stream_ended = true;
    } else {
        exchange_move(exchange, EXCHANGE_IDLE);
        if (exchange->response != NULL) {
            MHD_destroy_response(exchange->response);
            exchange->response = NULL;
        }
        exchange->request = (struct api_request){0};
        exchange->request_state = NULL;
        exchange->headers_count = 0;
        arena_reset(&exchange->arena);
        textbuf_done(&exchange->stream_bytes);
        if (exchange->body.room > API_BODY_KEPT_BYTES) {
            textbuf_done(&exchange->body);
        }
        textbuf_clear(&exchange->body);
        exchange->stream_sent = 0;
        exchange->slept = false;
    }
    exchange->stream = false;
    pthread_mutex_unlock(&exchange->lock);
}

/* ---- answers ------------------------------------------------------------------------------- */

static struct MHD_Response *answer_new(const char *content_type, const char *body,
                                       size_t body_bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body_bytes, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    if (response != NULL && content_type != NULL) {
        MHD_add_response_header(response, "Content-Type", content_type);
        MHD_add_response_header(response, "Cache-Control", "no-store");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    }
    return response;
}

static const char *answer_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

static struct MHD_Response *answer_problem(unsigned status, const char *code, const char *detail,
                                           const char *hint)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    textbuf_addf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":",
                 answer_title(status), status);
    textbuf_add_json(&body, text_of(detail));
    if (code != NULL) {
        textbuf_addf(&body, ",\"code\":\"%s\"", code);
    }
    if (hint != NULL) {
        textbuf_add_chars(&body, ",\"hint\":");
        textbuf_add_json(&body, text_of(hint));
    }
    textbuf_add_chars(&body, "}\n");
    struct MHD_Response *response =
        body.failed ? NULL : answer_new("application/problem+json", body.at, body.count);
    if (response != NULL && status == 503) {
        MHD_add_response_header(response, "Retry-After", "1");
    }
    return response;
}

static void exchange_answer(struct api_exchange *exchange, unsigned status,
                            struct MHD_Response *response)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->abandoned) {
        if (response != NULL) {
            MHD_destroy_response(response);
        }
        exchange_paid(exchange);
        return;
    }
    for (size_t i = 0; i < exchange->headers_count && response != NULL; i++) {
        MHD_add_response_header(response, exchange->headers[i].name, exchange->headers[i].value);
    }
    if (exchange->state == EXCHANGE_SUSPENDED) {
        atomic_fetch_sub(&exchange->api->counters.suspended, 1);
    }
    exchange_move(exchange, EXCHANGE_ANSWERED);
    exchange->status = status;
    exchange->response = response;
    exchange_wake(exchange);
    exchange_paid(exchange);
}

enum MHD_Result exchange_queue(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange_move(exchange, EXCHANGE_QUEUED);
    struct MHD_Response *response = TAKE(exchange->response);
    unsigned status = exchange->status;
    bool close = exchange->abandoned || atomic_load(&exchange->api->stopping);
    pthread_mutex_unlock(&exchange->lock);
    if (response == NULL) {
        return MHD_NO; /* Out of memory: the connection closes. */
    }
    if (close) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(exchange->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

void api_reply(struct api_exchange *exchange, unsigned status, const char *content_type,
               const char *body, size_t body_bytes)
{
    exchange_answer(exchange, status, answer_new(content_type, body, body_bytes));
}

static unsigned problem_status(int code)
{
    switch (code) {
    case NSH_INVALID:
    case NSH_STALE:
        return 400;
    case NSH_AUTH:
        return 401;
    case NSH_DENIED:
        return 403;
    case NSH_NOT_FOUND:
        return 404;
    case NSH_EXISTS:
    case NSH_REFUSED:
    case NSH_CONFLICT:
    case NSH_MISMATCH:
        return 409;
    case NSH_UNSUPPORTED:
        return 501;
    case NSH_PROTOCOL:
    case NSH_UNREACHABLE:
    case NSH_DISCONNECTED:
        return 502;
    case NSH_LIMIT:
    case NSH_BUSY:
    case NSH_CANCELLED:
    case NSH_NOMEM:
    case NSH_IO:
    case NSH_FULL:
    case NSH_CORRUPT:
        return 503;
    case NSH_TIMEOUT:
        return 504;
    default:
        return 500;
    }
}

void api_problem(struct api_exchange *exchange, const struct nsh_error *err, const char *hint)
{
    unsigned status = problem_status(err->code);
    exchange_answer(exchange, status,
                    answer_problem(status, nsh_code_word(err->code), err->text, hint));
}

void api_refuse(struct api_exchange *exchange, unsigned status, const char *detail,
                const char *hint)
{
    exchange_answer(exchange, status, answer_problem(status, NULL, detail, hint));
}

void api_answer_header(struct api_exchange *exchange, const char *name, const char *value)
{
    NSH_ASSERT(exchange->headers_count < API_HEADERS_MAX);
    exchange->headers[exchange->headers_count++] = (struct exchange_header){name, value};
}

/* ---- answers that come later ----------------------------------------------------------------- */

static void exchange_abandon(struct api_exchange *exchange, unsigned status, const char *detail)
{
    exchange->abandoned = true;
    exchange->status = status;
    exchange->response = answer_problem(status, NULL, detail, NULL);
    exchange_move(exchange, EXCHANGE_ANSWERED);
}

void api_suspend(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    if (!exchange->owed) {
        exchange->owed = true;
        exchange->refs++;
        if (atomic_load(&exchange->api->stopping)) {
            exchange_abandon(exchange, 503, "the daemon is stopping");
        } else {
            exchange_move(exchange, EXCHANGE_SUSPENDED);
            exchange->asleep = true;
            exchange->slept = true;
            atomic_fetch_add(&exchange->api->counters.suspended, 1);
            MHD_suspend_connection(exchange->connection);
        }
    }
    pthread_mutex_unlock(&exchange->lock);
}

void exchange_end(struct api_exchange *exchange, unsigned status, const char *detail)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->owed && !exchange->abandoned) {
        if (exchange->state == EXCHANGE_SUSPENDED) {
            atomic_fetch_sub(&exchange->api->counters.suspended, 1);
            exchange_abandon(exchange, status, detail);
        } else if (exchange->stream) {
            exchange->abandoned = true;
            exchange->stream_ended = true;
        }
        exchange_wake(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
}

int api_work(struct api_exchange *exchange, void (*fn)(const struct api_request *request),
             struct nsh_error *err)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->abandoned) {
        exchange_paid(exchange);
        return nsh_fail(err, NSH_CANCELLED, "the exchange ended");
    }
    NSH_ASSERT(exchange->owed);
    int result = workers_push(&exchange->api->workers, &(struct api_job){exchange, fn}, err);
    pthread_mutex_unlock(&exchange->lock);
    return result;
}

/* ---- streams --------------------------------------------------------------------------------- */

static ssize_t stream_read(void *arg, uint64_t position, char *buffer, size_t room)
{
    (void)position;
    struct api_exchange *exchange = arg;
    pthread_mutex_lock(&exchange->lock);
    size_t left = exchange->stream_bytes.count - exchange->stream_sent;
    size_t taken = left < room ? left : room;
    ssize_t result = (ssize_t)taken;
    if (taken > 0) {
        memcpy(buffer, exchange->stream_bytes.at + exchange->stream_sent, taken);
        exchange->stream_sent += taken;
        if (exchange->stream_sent == exchange->stream_bytes.count) {
            textbuf_clear(&exchange->stream_bytes);
            exchange->stream_sent = 0;
        }
    } else if (exchange->stream_ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        exchange->asleep = true;
        MHD_suspend_connection(exchange->connection);
    }
    pthread_mutex_unlock(&exchange->lock);
    return result;
}

int api_stream(struct api_exchange *exchange, const char *content_type, struct nsh_error *err)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->abandoned) {
        exchange_paid(exchange);
        return nsh_fail(err, NSH_CANCELLED, "the exchange ended");
    }
    NSH_ASSERT(exchange->owed && exchange->state == EXCHANGE_SUSPENDED);
    struct MHD_Response *response = NULL;
    struct api_counters *counters = &exchange->api->counters;
    if (atomic_fetch_add(&counters->streams, 1) >= API_STREAMS_MAX ||
        (response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
                                                      stream_read, exchange, NULL)) == NULL) {
        atomic_fetch_sub(&counters->streams, 1);
        atomic_fetch_add(&counters->refused_busy, 1);
        pthread_mutex_unlock(&exchange->lock);
        return nsh_fail(err, NSH_LIMIT, "%d streams are open already", API_STREAMS_MAX);
    }
    MHD_add_response_header(response, "Content-Type", content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    atomic_fetch_sub(&counters->suspended, 1);
    exchange_move(exchange, EXCHANGE_ANSWERED);
    exchange->stream = true;
    exchange->stream_ended = false;
    exchange->status = 200;
    exchange->response = response;
    exchange_wake(exchange);
    pthread_mutex_unlock(&exchange->lock);
    return 0;
}

int api_stream_send(struct api_exchange *exchange, struct text text)
{
    pthread_mutex_lock(&exchange->lock);
    struct textbuf *bytes = &exchange->stream_bytes;
    if (!exchange->abandoned &&
        bytes->count - exchange->stream_sent + text.count > API_STREAM_BYTES_MAX) {
        exchange->abandoned = true; /* Too slow: it reconnects and says where it was. */
        exchange->stream_ended = true;
        exchange_wake(exchange);
    }
    if (exchange->abandoned) {
        exchange_paid(exchange);
        return -NSH_CANCELLED;
    }
    if (exchange->stream_sent > 0) {
        memmove(bytes->at, bytes->at + exchange->stream_sent, bytes->count - exchange->stream_sent);
        bytes->count -= exchange->stream_sent;
        exchange->stream_sent = 0;
    }
    textbuf_add(bytes, text);
    exchange_wake(exchange);
    pthread_mutex_unlock(&exchange->lock);
    return 0;
}

void api_stream_end(struct api_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->stream_ended = true;
    exchange_wake(exchange);
    exchange_paid(exchange);
}
