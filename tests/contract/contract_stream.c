/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the suite's world. Each connection and each write is an exchange: the peer gets the
 * bytes at once, its answer comes with the next callback, as the twist has it. Everything may be
 * short, late, cut, reset or stalled.
 */

#include "contract.h"

#include <stdio.h>
#include <stdlib.h>

#define STREAM_DELAY_MS 2
#define SLOW_BYTES 7
#define CONNECT_MS 10000
#define ANSWERS_MAX 8 /* Rules one call into the peer may ask. */

struct nsh_stream {
    struct nsh_stream *next;
    struct world *world;
    void (*ready)(void *arg, int code, const char *text);
    void *arg;
    void *connection;       /* The peer's; NULL: refused, or over. */
    struct event *pending;  /* ready() comes. */
    struct event *delivery; /* What is on its way arrives. */
    struct textbuf coming;
    bool coming_end, coming_break;
    char *input;
    size_t input_bytes, input_read;
    unsigned wanted;
    int code; /* Of the connection. */
    bool connected, ended, broken, slow, silent;
    bool written; /* Slow: this turn has taken its bytes. */
};

/* One call into the peer. */
struct talk {
    struct world *world;
    struct textbuf answer;
    struct rule_reply rules[ANSWERS_MAX];
    size_t rules_count;
    struct contract_reply *reply;
};

static struct world *world_of(struct nsh_services *services)
{
    return (struct world *)(void *)services;
}

static void talk_answer(void *arg, const uint8_t *bytes, size_t bytes_count)
{
    struct talk *talk = arg;
    textbuf_add(&talk->answer, (struct text){(const char *)bytes, (uint32_t)bytes_count});
}

static bool talk_ask(void *arg, const char *request, struct contract_answer *ret_answer)
{
    struct talk *talk = arg;
    if (talk->rules_count == ANSWERS_MAX) {
        abort();
    }
    struct rule_reply *rule = &talk->rules[talk->rules_count++];
    world_request_note(talk->world, request);
    rules_answer(talk->world, request, true, rule);
    talk->reply->effect = talk->reply->effect || rule->effect;
    talk->reply->refused = talk->reply->refused || rule->refused;
    *ret_answer = (struct contract_answer){.status = rule->status,
                                           .output = rule->output,
                                           .errors = rule->errors,
                                           .hang_up = rule->hang_up};
    return rule->found;
}

static void talk_done(struct talk *talk)
{
    for (size_t i = 0; i < talk->rules_count; i++) {
        free(talk->rules[i].owned);
    }
    textbuf_done(&talk->answer);
}

/* ---- callbacks ---- */

static void stream_schedule(struct nsh_stream *stream);

static bool stream_usable(const struct nsh_stream *stream)
{
    bool readable = stream->input_read < stream->input_bytes || stream->ended || stream->broken;
    return ((stream->wanted & NSH_STREAM_READ) != 0 && readable) ||
           ((stream->wanted & NSH_STREAM_WRITE) != 0 && (!stream->silent || stream->broken));
}

static void stream_fire(void *arg)
{
    struct nsh_stream *stream = arg;
    stream->pending = NULL;
    stream->written = false;
    if (!stream->connected) {
        stream->connected = true;
        stream->ready(stream->arg, stream->code, stream->code == NSH_OK ? "" : "as the suite says");
    } else if (stream_usable(stream)) {
        stream->wanted = 0;
        stream->ready(stream->arg, NSH_OK, "");
    }
}

static void stream_schedule(struct nsh_stream *stream)
{
    if (stream->pending == NULL && stream->connected && stream_usable(stream)) {
        alloc_quiet(1);
        stream->pending = world_later(stream->world, STREAM_DELAY_MS, stream_fire, stream);
        alloc_quiet(-1);
    }
}

/* ---- what the peer answers, and what becomes of it ---- */

static void input_add(struct nsh_stream *stream, const char *bytes, size_t count)
{
    size_t kept = stream->input_bytes - stream->input_read;
    char *input = malloc(kept + count + 1);
    if (input == NULL) {
        abort();
    }
    if (kept > 0) {
        memcpy(input, stream->input + stream->input_read, kept);
    }
    memcpy(input + kept, bytes, count);
    free(stream->input);
    stream->input = input;
    stream->input_bytes = kept + count;
    stream->input_read = 0;
}

static void stream_arrived(void *arg)
{
    struct nsh_stream *stream = arg;
    stream->delivery = NULL;
    alloc_quiet(1);
    if (stream->coming.count > 0) {
        input_add(stream, stream->coming.at, stream->coming.count);
    }
    textbuf_done(&stream->coming);
    alloc_quiet(-1);
    stream->ended = stream->coming_end;
    stream->broken = stream->coming_break;
    if (stream->connected && stream->pending == NULL && stream_usable(stream)) {
        stream_fire(stream);
    }
}

static void answer_twist(struct nsh_stream *stream, const struct twist *twist,
                         const struct textbuf *answer, bool hang_up)
{
    enum twist_kind kind = twist->kind;
    stream->world->silent = stream->world->silent || kind == TWIST_SILENCE_EVER;
    stream->silent = stream->silent || kind == TWIST_SILENCE || stream->world->silent;
    stream->slow = stream->slow || kind == TWIST_SLOW;
    /* Behind bytes that came twice nothing makes sense, a clear no either. */
    stream->world->ambiguous = stream->world->ambiguous || kind == TWIST_TWICE;
    if (stream->silent) {
        return;
    }
    size_t count = 0;
    char *bytes = world_twisted(twist, answer->at == NULL ? "" : answer->at, answer->count, &count);
    for (int i = 0; kind != TWIST_DISCONNECT && i < (kind == TWIST_TWICE ? 2 : 1); i++) {
        textbuf_add(&stream->coming, (struct text){bytes, (uint32_t)count});
    }
    free(bytes);
    stream->coming_end =
        stream->coming_end || hang_up || kind == TWIST_DISCONNECT || kind == TWIST_TRUNCATE;
    stream->coming_break = stream->coming_break || kind == TWIST_RESET;
    bool any = stream->coming.count > 0 || stream->coming_end || stream->coming_break;
    if (any && stream->delivery == NULL) {
        stream->delivery = world_later(stream->world, STREAM_DELAY_MS, stream_arrived, stream);
    }
}

static void stream_talk(struct nsh_stream *stream, const void *bytes, size_t bytes_count,
                        const struct twist *twist)
{
    struct world *world = stream->world;
    const struct contract_peer *peer = world->subject->streams;
    struct talk talk = {.world = world};
    struct contract_reply reply = {.answer = talk_answer, .arg = &talk, .ask = talk_ask};
    talk.reply = &reply;
    if (bytes == NULL) {
        stream->connection = peer->connected(world->stream_peer, &reply);
    } else if (stream->connection != NULL) {
        peer->received(stream->connection, bytes, bytes_count, &reply);
    }
    world_exchange_note(world, talk.answer.count, reply.effect, reply.refused, twist);
    answer_twist(stream, twist, &talk.answer, reply.hang_up);
    talk_done(&talk);
}

/* ---- the services ---- */

static void connect_decide(struct nsh_stream *stream, uint32_t timeout_ms)
{
    struct world *world = stream->world;
    struct twist twist = world_exchange(world, CHANNEL_STREAM);
    bool silent = twist.kind == TWIST_SILENCE || twist.kind == TWIST_SILENCE_EVER || world->silent;
    if (silent) {
        world->silent = world->silent || twist.kind == TWIST_SILENCE_EVER;
        stream->code = NSH_TIMEOUT;
    } else if (twist.kind == TWIST_UNREACHABLE || world->stream_peer == NULL) {
        stream->code = NSH_UNREACHABLE;
    } else {
        stream_talk(stream, NULL, 0, &twist);
        stream->code = stream->connection == NULL ? NSH_UNREACHABLE : NSH_OK;
    }
    stream->pending =
        world_later(world, silent ? timeout_ms : STREAM_DELAY_MS, stream_fire, stream);
}

static int fake_stream_open(struct nsh_services *services, const struct nsh_stream_peer *peer,
                            void (*ready)(void *arg, int code, const char *text), void *arg,
                            struct nsh_stream **ret_stream, struct nsh_error *err)
{
    struct world *world = world_of(services);
    if (world_call_fails(world)) {
        return nsh_fail(err, NSH_LIMIT, "too many streams are open");
    }
    alloc_quiet(1);
    struct nsh_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        abort();
    }
    *stream =
        (struct nsh_stream){.next = world->streams, .world = world, .ready = ready, .arg = arg};
    world->streams = stream;
    connect_decide(stream, peer->connect_timeout_ms == 0 ? CONNECT_MS : peer->connect_timeout_ms);
    alloc_quiet(-1);
    *ret_stream = stream;
    return 0;
}

static bool stream_known(struct world *world, const struct nsh_stream *stream, const char *what)
{
    for (const struct nsh_stream *one = world->streams; one != NULL; one = one->next) {
        if (one == stream) {
            return true;
        }
    }
    world_complain(world, "%s of a stream that is gone", what);
    return false;
}

static void fake_stream_want(struct nsh_services *services, struct nsh_stream *stream,
                             unsigned directions)
{
    if (stream_known(world_of(services), stream, "stream_want")) {
        stream->wanted = directions;
        stream_schedule(stream);
    }
}

static ssize_t fake_stream_read(struct nsh_services *services, struct nsh_stream *stream,
                                void *bytes, size_t bytes_max)
{
    if (!stream_known(world_of(services), stream, "stream_read") || !stream->connected ||
        stream->code != NSH_OK) {
        return -NSH_DISCONNECTED;
    }
    size_t count = stream->input_bytes - stream->input_read;
    if (count == 0 || (stream->slow && stream->written)) {
        return stream->broken ? -NSH_DISCONNECTED : stream->ended && count == 0 ? 0 : -NSH_BUSY;
    }
    count = count > bytes_max ? bytes_max : count;
    if (stream->slow) {
        count = count > SLOW_BYTES ? SLOW_BYTES : count;
        stream->written = true;
    }
    memcpy(bytes, stream->input + stream->input_read, count);
    stream->input_read += count;
    return (ssize_t)count;
}

static ssize_t fake_stream_write(struct nsh_services *services, struct nsh_stream *stream,
                                 const void *bytes, size_t bytes_count)
{
    struct world *world = world_of(services);
    if (!stream_known(world, stream, "stream_write") || !stream->connected ||
        stream->code != NSH_OK || stream->broken) {
        return -NSH_DISCONNECTED;
    }
    if (stream->slow && (stream->written || bytes_count == 0)) {
        return bytes_count == 0 ? 0 : -NSH_BUSY;
    }
    size_t count = stream->slow && bytes_count > SLOW_BYTES ? SLOW_BYTES : bytes_count;
    bool fails = world_call_fails(world);
    alloc_quiet(1);
    struct twist twist = world_exchange(world, CHANNEL_STREAM);
    stream->written = stream->slow;
    if (fails || twist.kind == TWIST_UNREACHABLE) {
        stream->broken = true;
        world->effect_sent = world->ambiguous = true; /* What it asked for stays unknown here. */
    } else {
        stream_talk(stream, bytes, count, &twist);
    }
    stream_schedule(stream);
    alloc_quiet(-1);
    return stream->broken ? -NSH_DISCONNECTED : (ssize_t)count;
}

static void stream_free(struct nsh_stream *stream)
{
    world_never(stream->world, stream->pending);
    world_never(stream->world, stream->delivery);
    textbuf_done(&stream->coming);
    if (stream->connection != NULL) {
        stream->world->subject->streams->disconnected(stream->connection);
    }
    free(stream->input);
    free(stream);
}

static void fake_stream_close(struct nsh_services *services, struct nsh_stream *stream)
{
    struct world *world = world_of(services);
    if (stream == NULL || !stream_known(world, stream, "stream_close")) {
        return;
    }
    struct nsh_stream **slot = &world->streams;
    while (*slot != stream) {
        slot = &(*slot)->next;
    }
    *slot = stream->next;
    alloc_quiet(1);
    stream_free(stream);
    alloc_quiet(-1);
}

void streams_fill(struct nsh_services *services)
{
    services->stream_open = fake_stream_open;
    services->stream_want = fake_stream_want;
    services->stream_read = fake_stream_read;
    services->stream_write = fake_stream_write;
    services->stream_close = fake_stream_close;
}

void streams_end(struct world *world)
{
    while (world->streams != NULL) {
        struct nsh_stream *stream = world->streams;
        world->streams = stream->next;
        stream_free(stream);
    }
}
