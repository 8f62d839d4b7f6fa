/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services table of the suite: virtual time, one queue of callbacks, peers by rules. It is as
 * strict as the real one: what a driver may not rely on does not work here.
 */

#include "contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum event_kind {
    EVENT_TIMER,
    EVENT_HTTP,
    EVENT_PROGRAM,
    EVENT_DATAGRAM,
    EVENT_OFFLOAD,
    EVENT_PIECE,
    EVENT_LATER,
};

/* A pending callback. The handles drivers hold are these. */
struct event {
    struct event *next;
    enum event_kind kind;
    int64_t due_ms;
    uint64_t order;
    void (*fire)(void *arg);
    void (*work)(void *arg);
    void (*replied)(void *arg, const struct nsh_http_reply *reply);
    void (*exited)(void *arg, const struct nsh_exit *exit);
    void *arg;
    struct nsh_http_reply reply;
    struct nsh_exit end;
    const char *headers[8];
    void (*received)(void *arg, const char *bytes, size_t bytes_count);
    const struct event *stream; /* Of a piece: the exchange it belongs to. */
    struct nsh_flow *flow;
    char *bytes, *errors;
    size_t bytes_count;
    bool cancelled;
};

struct nsh_flow {
    struct nsh_flow *next;
    bool (*accept)(void *arg, const uint8_t *bytes, size_t bytes_count);
    void (*received)(void *arg, const uint8_t *bytes, size_t bytes_count);
    void *arg;
    struct sockaddr_storage peer;
    socklen_t peer_bytes;
};

void world_complain(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("      ", stdout);
    vprintf(format, args); /* NOLINT: the format is checked by the attribute. */
    putchar('\n');
    va_end(args);
    world->violations_count++;
}

static struct world *world_of(struct nsh_services *services)
{
    return (struct world *)(void *)services;
}

/* ---- the queue of callbacks ---- */

static struct event *event_add(struct world *world, enum event_kind kind, int64_t delay_ms)
{
    struct event *event = calloc(1, sizeof *event);
    struct event **slot = &world->events;
    if (event == NULL) {
        abort();
    }
    event->kind = kind;
    event->due_ms = world->now_ms + delay_ms;
    event->order = ++world->order;
    while (*slot != NULL && (*slot)->due_ms <= event->due_ms) {
        slot = &(*slot)->next;
    }
    event->next = *slot;
    *slot = event;
    return event;
}

static bool event_unlink(struct world *world, struct event *event)
{
    for (struct event **slot = &world->events; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == event) {
            *slot = event->next;
            return true;
        }
    }
    return false;
}

static void event_free(struct event *event)
{
    free(event->bytes);
    free(event->errors);
    free(event);
}

/* A handle that is gone, or never was, is the driver's mistake. */
static bool event_drop(struct world *world, void *handle, const char *what)
{
    if (handle == NULL || !event_unlink(world, handle)) {
        world_complain(world, "%s of a handle that is gone", what);
        return false;
    }
    return true;
}

int64_t world_next_ms(const struct world *world)
{
    return world->events == NULL ? INT64_MAX : world->events->due_ms;
}

static void datagram_deliver(struct world *world, const struct event *event)
{
    const uint8_t *bytes = (const uint8_t *)event->bytes;
    for (struct nsh_flow *flow = world->flows; flow != NULL; flow = flow->next) {
        if (flow == event->flow) {
            if (flow->accept == NULL || flow->accept(flow->arg, bytes, event->bytes_count)) {
                flow->received(flow->arg, bytes, event->bytes_count);
            }
            return;
        }
    }
}

bool world_step(struct world *world)
{
    struct event *event = world->events;
    if (event == NULL) {
        return false;
    }
    world->events = event->next;
    world->now_ms = event->due_ms > world->now_ms ? event->due_ms : world->now_ms;
    world->dispatched_count++;
    switch (event->kind) {
    case EVENT_TIMER:
        world->timers_count--;
        event->fire(event->arg);
        break;
    case EVENT_HTTP:
        world->http_count--;
        world->effect_untold = false;
        event->replied(event->arg, &event->reply);
        break;
    case EVENT_PROGRAM:
        world->programs_count--;
        event->exited(event->arg, &event->end);
        break;
    case EVENT_OFFLOAD:
        world->offloads_count--;
        event->work(event->arg);
        event->fire(event->arg);
        break;
    case EVENT_DATAGRAM:
        datagram_deliver(world, event);
        break;
    case EVENT_PIECE:
        event->received(event->arg, event->bytes, event->bytes_count);
        break;
    case EVENT_LATER:
        event->fire(event->arg);
        break;
    }
    alloc_quiet(1);
    event_free(event);
    alloc_quiet(-1);
    return true;
}

struct event *world_later(struct world *world, int64_t delay_ms, void (*fire)(void *arg), void *arg)
{
    struct event *event = event_add(world, EVENT_LATER, delay_ms);
    event->fire = fire;
    event->arg = arg;
    return event;
}

void world_never(struct world *world, struct event *event)
{
    if (event != NULL && event_unlink(world, event)) {
        event_free(event);
    }
}

/* ---- the services ---- */

static int64_t fake_now_ms(struct nsh_services *services)
{
    return world_of(services)->now_ms;
}

static int64_t fake_unix_ms(struct nsh_services *services)
{
    return INT64_C(1767225600000) + world_of(services)->now_ms; /* 2026 */
}

static void **fake_shared(struct nsh_services *services, const void *key)
{
    return key == NULL ? NULL : &world_of(services)->shared;
}

static void fake_random(struct nsh_services *services, void *bytes, size_t bytes_count)
{
    struct world *world = world_of(services);
    uint8_t *at = bytes;
    for (size_t i = 0; i < bytes_count; i++) {
        world->random = world->random * 6364136223846793005u + 1442695040888963407u;
        at[i] = (uint8_t)(world->random >> 33);
    }
}

static struct nsh_timer *fake_timer(struct nsh_services *services, uint32_t delay_ms,
                                    void (*fire)(void *arg), void *arg)
{
    struct world *world = world_of(services);
    if (world_call_fails(world)) {
        return NULL;
    }
    alloc_quiet(1);
    struct event *event = event_add(world, EVENT_TIMER, delay_ms);
    alloc_quiet(-1);
    event->fire = fire;
    event->arg = arg;
    world->timers_count++;
    return (struct nsh_timer *)(void *)event;
}

static void fake_timer_cancel(struct nsh_services *services, struct nsh_timer *timer)
{
    struct world *world = world_of(services);
    if (timer != NULL && event_drop(world, timer, "timer_cancel")) {
        world->timers_count--;
        event_free((struct event *)(void *)timer);
    }
}

/* Secrets may travel in headers and bodies, never where others can read them. */
static void no_secret_in(struct world *world, const char *text, const char *what)
{
    if (text != NULL && strstr(text, CONTRACT_MARKER) != NULL) {
        world_complain(world, "a secret stands in %s", what);
    }
}

/* Let an exchange end later. */
static void event_delay(struct world *world, struct event *event, int64_t delay_ms)
{
    event_unlink(world, event);
    event->due_ms = world->now_ms + delay_ms;
    for (struct event **slot = &world->events;; slot = &(*slot)->next) {
        if (*slot == NULL || (*slot)->due_ms > event->due_ms) {
            event->next = *slot;
            *slot = event;
            break;
        }
    }
}

static void http_outcome(struct world *world, struct event *event, const struct twist *twist,
                         const struct rule_reply *rule, uint32_t timeout_ms)
{
    struct nsh_http_reply *reply = &event->reply;
    memcpy(event->headers, rule->header_room, sizeof event->headers);
    event->bytes = world_twisted(twist, rule->output, strlen(rule->output), &event->bytes_count);
    *reply = (struct nsh_http_reply){.sent = true,
                                     .status = rule->status == 0 ? 200 : rule->status,
                                     .headers = event->headers,
                                     .body = event->bytes,
                                     .body_bytes = event->bytes_count};
    int code = NSH_OK;
    switch (twist->kind) {
    case TWIST_STATUS:
        reply->status = (int)twist->value;
        return;
    case TWIST_SILENCE:
    case TWIST_SILENCE_EVER:
        code = NSH_TIMEOUT;
        event_delay(world, event, timeout_ms == 0 ? 30000 : timeout_ms);
        break;
    case TWIST_DISCONNECT:
        code = NSH_DISCONNECTED;
        break;
    case TWIST_UNREACHABLE:
        code = NSH_UNREACHABLE;
        break;
    case TWIST_TOO_LONG:
        code = NSH_LIMIT;
        break;
    case TWIST_NONE:
    case TWIST_SIGNAL:
    case TWIST_GARBAGE:
    case TWIST_TRUNCATE:
    case TWIST_FLIP:
    case TWIST_TWICE:
    case TWIST_RESET:
    case TWIST_SLOW:
        return;
    }
    *reply = (struct nsh_http_reply){.code = code,
                                     .sent = code != NSH_UNREACHABLE,
                                     .headers = event->headers + 7,
                                     .body = "",
                                     .text = "as the suite says"};
}

/*
 * A streamed reply comes in two pieces that break in the middle, then its end; a broken one after
 * the first; an open one ends when its time is over.
 */
static void http_stream(struct world *world, struct event *event,
                        const struct nsh_http_request *request, const struct twist *twist,
                        bool stays_open)
{
    struct nsh_http_reply *reply = &event->reply;
    bool broken = twist->kind == TWIST_DISCONNECT;
    size_t half = event->bytes_count / 2;
    if ((reply->code != NSH_OK && !broken) || (!broken && reply->status / 100 != 2)) {
        return;
    }
    for (size_t i = 0; i < (broken ? 1u : 2u); i++) {
        size_t count = i == 0 ? half : event->bytes_count - half;
        if (count == 0) {
            continue;
        }
        struct event *piece = event_add(world, EVENT_PIECE, 3 + (int64_t)i);
        piece->stream = event;
        piece->received = request->received;
        piece->arg = event->arg;
        piece->bytes =
            world_twisted(&(struct twist){.kind = TWIST_TRUNCATE, .value = (unsigned)count},
                          event->bytes + (i == 0 ? 0 : half), count, &piece->bytes_count);
    }
    reply->body = "";
    reply->body_bytes = 0;
    if (stays_open && !broken) {
        *reply = (struct nsh_http_reply){.code = NSH_TIMEOUT,
                                         .sent = true,
                                         .headers = event->headers + 7,
                                         .body = "",
                                         .text = "the stream's time is over"};
        event_delay(world, event, request->timeout_ms == 0 ? 30000 : request->timeout_ms);
    }
}

static void stream_drop(struct world *world, const struct event *stream)
{
    for (struct event **slot = &world->events; *slot != NULL;) {
        struct event *event = *slot;
        if (event->stream == stream) {
            *slot = event->next;
            event_free(event);
        } else {
            slot = &event->next;
        }
    }
}

static void http_describe(const struct nsh_http_request *request, struct textbuf *out)
{
    textbuf_addf(out, "%s %s\n", request->method == NULL ? "GET" : request->method, request->url);
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        textbuf_addf(out, "%s\n", request->headers[i]);
    }
    textbuf_add_char(out, '\n');
    textbuf_add(out, (struct text){request->body == NULL ? "" : request->body,
                                   (uint32_t)request->body_bytes});
}

void world_request_note(struct world *world, const char *request)
{
    textbuf_add_chars(&world->requests, request);
    textbuf_add_char(&world->requests, '\x1e');
}

static int fake_http_now(struct world *world, const struct nsh_http_request *request,
                         void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                         struct nsh_http **ret_http)
{
    struct textbuf text = {0};
    struct rule_reply rule;
    http_describe(request, &text);
    world_request_note(world, text.at);
    if (!world->subject->secret_url) {
        no_secret_in(world, request->url, "a URL");
    }
    struct twist twist = world_exchange(world, CHANNEL_HTTP);
    rules_answer(world, text.at, twist.kind != TWIST_UNREACHABLE, &rule);
    world_exchange_note(world, strlen(rule.output), rule.effect, rule.refused, &twist);
    world->effect_untold = rule.effect && twist.kind == TWIST_UNREACHABLE;
    textbuf_done(&text);
    struct event *event = event_add(world, EVENT_HTTP, 5);
    event->replied = done;
    event->arg = arg;
    http_outcome(world, event, &twist, &rule, request->timeout_ms);
    if (request->received != NULL) {
        http_stream(world, event, request, &twist, rule.open);
    }
    free(rule.owned);
    world->http_count++;
    if (ret_http != NULL) {
        *ret_http = (struct nsh_http *)(void *)event;
    }
    return 0;
}

static int fake_http(struct nsh_services *services, const struct nsh_http_request *request,
                     void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                     struct nsh_http **ret_http, struct nsh_error *err)
{
    struct world *world = world_of(services);
    if (world_call_fails(world)) {
        return nsh_fail(err, NSH_LIMIT, "too many requests run");
    }
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        if (strpbrk(request->headers[i], "\r\n") != NULL ||
            strchr(request->headers[i], ':') == NULL) {
            return nsh_fail(err, NSH_INVALID, "request header %zu is no \"Name: value\"", i + 1);
        }
    }
    alloc_quiet(1);
    int result = fake_http_now(world, request, done, arg, ret_http);
    alloc_quiet(-1);
    return result;
}

static void fake_http_cancel(struct nsh_services *services, struct nsh_http *http)
{
    struct world *world = world_of(services);
    if (http != NULL && event_drop(world, http, "http_cancel")) {
        world->http_count--;
        stream_drop(world, (struct event *)(void *)http);
        event_free((struct event *)(void *)http);
    }
}

static int fake_flow_open(struct nsh_services *services, const struct sockaddr *peer,
                          socklen_t peer_bytes,
                          bool (*accept)(void *arg, const uint8_t *bytes, size_t bytes_count),
                          void (*received)(void *arg, const uint8_t *bytes, size_t bytes_count),
                          void *arg, struct nsh_flow **ret_flow, struct nsh_error *err)
{
    struct world *world = world_of(services);
    if (world_call_fails(world)) {
        return nsh_fail(err, NSH_LIMIT, "too many flows are open");
    }
    alloc_quiet(1);
    struct nsh_flow *flow = calloc(1, sizeof *flow);
    alloc_quiet(-1);
    if (flow == NULL) {
        abort();
    }
    *flow =
        (struct nsh_flow){.next = world->flows, .accept = accept, .received = received, .arg = arg};
    memcpy(&flow->peer, peer, peer_bytes);
    world->flows = flow;
    *ret_flow = flow;
    return 0;
}

/* The answers of one datagram, as events. */
struct answering {
    struct world *world;
    struct nsh_flow *flow;
    struct twist twist;
    size_t bytes_count;
};

static void answer_take(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct answering *answering = arg;
    enum twist_kind kind = answering->twist.kind;
    answering->bytes_count = bytes_count;
    if (kind == TWIST_SILENCE || kind == TWIST_SILENCE_EVER || kind == TWIST_DISCONNECT) {
        return;
    }
    for (int i = 0; i < (kind == TWIST_TWICE ? 2 : 1); i++) {
        struct event *event = event_add(answering->world, EVENT_DATAGRAM, 2);
        event->flow = answering->flow;
        event->bytes =
            world_twisted(&answering->twist, (const char *)bytes, bytes_count, &event->bytes_count);
    }
}

static int fake_flow_send(struct nsh_services *services, struct nsh_flow *flow, const void *bytes,
                          size_t bytes_count)
{
    struct world *world = world_of(services);
    if (world_call_fails(world)) {
        return -NSH_LIMIT;
    }
    alloc_quiet(1);
    struct twist twist = world_exchange(world, CHANNEL_DATAGRAM);
    struct answering answering = {world, flow, twist, 0};
    struct contract_reply reply = {.answer = answer_take, .arg = &answering};
    if (twist.kind != TWIST_UNREACHABLE && world->datagram_peer != NULL) {
        world->subject->datagrams->datagram(world->datagram_peer, bytes, bytes_count, &reply);
        world_exchange_note(world, answering.bytes_count, reply.effect, reply.refused, &twist);
    }
    alloc_quiet(-1);
    return twist.kind == TWIST_UNREACHABLE ? -NSH_UNREACHABLE : 0;
}

static void fake_flow_close(struct nsh_services *services, struct nsh_flow *flow)
{
    struct world *world = world_of(services);
    for (struct nsh_flow **slot = &world->flows; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == flow) {
            *slot = flow->next;
            free(flow);
            return;
        }
    }
    if (flow != NULL) {
        world_complain(world, "flow_close of a flow that is gone");
    }
}

static void program_outcome(struct event *event, const struct twist *twist,
                            const struct rule_reply *rule)
{
    struct nsh_exit *end = &event->end;
    *end = (struct nsh_exit){.started = true,
                             .status = rule->status,
                             .output = event->bytes,
                             .output_bytes = event->bytes_count,
                             .errors = event->errors,
                             .errors_bytes = strlen(event->errors),
                             .text = ""};
    switch (twist->kind) {
    case TWIST_STATUS:
        end->status = (int)twist->value;
        break;
    case TWIST_SIGNAL:
        end->status = 0;
        end->signal = (int)twist->value;
        break;
    case TWIST_SILENCE:
    case TWIST_SILENCE_EVER:
        end->code = NSH_TIMEOUT;
        break;
    case TWIST_DISCONNECT:
        end->code = NSH_DISCONNECTED;
        end->text = "the spawn helper died while the program ran";
        break;
    case TWIST_UNREACHABLE:
        end->code = NSH_NOT_FOUND;
        end->started = false;
        break;
    case TWIST_TOO_LONG:
        end->output_cut = true;
        break;
    case TWIST_NONE:
    case TWIST_GARBAGE:
    case TWIST_TRUNCATE:
    case TWIST_FLIP:
    case TWIST_TWICE:
    case TWIST_RESET:
    case TWIST_SLOW:
        break;
    }
}

static void spawn_describe(struct world *world, const struct nsh_spawn *spawn, struct textbuf *out)
{
    for (size_t i = 0; spawn->argv[i] != NULL; i++) {
        textbuf_addf(out, "%s%s", i == 0 ? "" : " ", spawn->argv[i]);
        no_secret_in(world, spawn->argv[i], "the arguments of a program");
    }
    for (size_t i = 0; spawn->env != NULL && spawn->env[i] != NULL; i++) {
        no_secret_in(world, spawn->env[i], "the environment of a program");
    }
    textbuf_add_char(out, '\n');
    textbuf_add(
        out, (struct text){spawn->input == NULL ? "" : spawn->input, (uint32_t)spawn->input_bytes});
}

static int fake_spawn(struct nsh_services *services, const struct nsh_spawn *spawn,
                      void (*done)(void *arg, const struct nsh_exit *exit), void *arg,
                      struct nsh_process **ret_process, struct nsh_error *err)
{
    struct world *world = world_of(services);
    struct textbuf text = {0};
    struct rule_reply rule;
    if (world_call_fails(world)) {
        return nsh_fail(err, NSH_LIMIT, "too many programs run or wait");
    }
    alloc_quiet(1);
    spawn_describe(world, spawn, &text);
    world_request_note(world, text.at);
    struct twist twist = world_exchange(world, CHANNEL_PROGRAM);
    rules_answer(world, text.at, twist.kind != TWIST_UNREACHABLE, &rule);
    world_exchange_note(world, strlen(rule.output), rule.effect, rule.refused, &twist);
    bool silent = twist.kind == TWIST_SILENCE || twist.kind == TWIST_SILENCE_EVER;
    struct event *event = event_add(world, EVENT_PROGRAM, silent ? spawn->timeout_ms + 2000 : 20);
    event->bytes = world_twisted(&twist, rule.output, strlen(rule.output), &event->bytes_count);
    event->errors = strdup(rule.errors);
    event->exited = done;
    event->arg = arg;
    program_outcome(event, &twist, &rule);
    world->programs_count++;
    *ret_process = (struct nsh_process *)(void *)event;
    textbuf_done(&text);
    free(rule.owned);
    alloc_quiet(-1);
    return 0;
}

/* The program ends at once, or after the two seconds that SIGTERM is given; done follows. */
static void fake_spawn_cancel(struct nsh_services *services, struct nsh_process *process)
{
    struct world *world = world_of(services);
    struct event *event = (struct event *)(void *)process;
    if (event == NULL || !event_drop(world, event, "spawn_cancel")) {
        return;
    }
    alloc_quiet(1);
    struct event *last = event_add(world, EVENT_PROGRAM, world->stubborn ? 2000 : 1);
    alloc_quiet(-1);
    last->exited = event->exited;
    last->arg = event->arg;
    last->end = (struct nsh_exit){.code = NSH_CANCELLED,
                                  .started = true,
                                  .signal = world->stubborn ? 9 : 15,
                                  .output = "",
                                  .errors = "",
                                  .text = "cancelled"};
    event_free(event);
}

static int fake_offload(struct nsh_services *services, void (*work)(void *arg),
                        void (*done)(void *arg), void *arg, struct nsh_error *err)
{
    struct world *world = world_of(services);
    if (world_call_fails(world)) {
        return nsh_fail(err, NSH_LIMIT, "too many jobs wait");
    }
    alloc_quiet(1);
    struct event *event = event_add(world, EVENT_OFFLOAD, 1);
    alloc_quiet(-1);
    event->work = work;
    event->fire = done;
    event->arg = arg;
    world->offloads_count++;
    return 0;
}

static void fake_complete(struct nsh_services *services, struct nsh_op *op,
                          const struct nsh_outcome *outcome)
{
    struct world *world = world_of(services);
    world->completed(world->completed_arg, op, outcome);
}

static void fake_observe(struct nsh_services *services, const char *host, const char *type,
                         const struct nsh_value *data)
{
    if (type == NULL || type[0] == 0) {
        world_complain(world_of(services), "observe() without a type");
    }
}

static void fake_event(struct nsh_services *services, const struct nsh_op *op,
                       const struct nsh_value *event, unsigned number)
{
    (void)services;
    (void)op;
    (void)event;
    (void)number;
}

static void fake_trace(struct nsh_services *services, const struct nsh_op *op, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
static void fake_trace(struct nsh_services *services, const struct nsh_op *op, const char *format,
                       ...)
{
    struct world *world = world_of(services);
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args); /* NOLINT: checked by the attribute. */
    va_end(args);
    alloc_quiet(1);
    no_secret_in(world, line, "a trace");
    textbuf_addf(&world->trace, "%s\n", line);
    alloc_quiet(-1);
}

void world_init(struct world *world, const struct subject *subject)
{
    *world = (struct world){
        .services =
            {
                .abi = NSH_ABI,
                .size = sizeof(struct nsh_services),
                .now_ms = fake_now_ms,
                .unix_ms = fake_unix_ms,
                .random = fake_random,
                .shared = fake_shared,
                .timer = fake_timer,
                .timer_cancel = fake_timer_cancel,
                .http = fake_http,
                .http_cancel = fake_http_cancel,
                .flow_open = fake_flow_open,
                .flow_send = fake_flow_send,
                .flow_close = fake_flow_close,
                .spawn = fake_spawn,
                .spawn_cancel = fake_spawn_cancel,
                .offload = fake_offload,
                .complete = fake_complete,
                .observe = fake_observe,
                .trace = fake_trace,
                .event = fake_event,
            },
        .subject = subject,
        .now_ms = 1000000,
        .random = 42,
    };
    streams_fill(&world->services);
    snprintf(world->state, sizeof world->state, "%s", nsh_get_text(subject->device, "state", ""));
    if (subject->datagrams != NULL) {
        world->datagram_peer = subject->datagrams->open(subject->device);
    }
    if (subject->streams != NULL) {
        world->stream_peer = subject->streams->open(subject->device);
    }
}

void world_done(struct world *world)
{
    streams_end(world);
    while (world->events != NULL) {
        struct event *event = world->events;
        world->events = event->next;
        event_free(event);
    }
    while (world->flows != NULL) {
        struct nsh_flow *flow = world->flows;
        world->flows = flow->next;
        free(flow);
    }
    if (world->datagram_peer != NULL) {
        world->subject->datagrams->close(world->datagram_peer);
    }
    if (world->stream_peer != NULL) {
        world->subject->streams->close(world->stream_peer);
    }
    textbuf_done(&world->requests);
    textbuf_done(&world->trace);
}
