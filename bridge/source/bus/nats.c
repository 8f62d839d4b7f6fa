/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NATS JetStream: a durable consumer of a stream, pulled; each message is acknowledged when it is
 * durable. What makes no sense is terminated (+TERM): it does not come again.
 */

#include "bus_private.h"
#include "bus_stream.h"
#include "bus_values.h"
#include "nats_codec.h"

#include "base/json.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#define PACKET_BYTES_MAX (BUS_MESSAGE_BYTES_MAX + 65536u)
#define WRITE_MS 10000
#define PULL_MS 30000 /* A request for messages is over after this. */
#define PING_MS 15000
#define SILENCE_MS 45000
#define REPLY_BYTES_MAX 256
#define VALUE_BYTES_MAX 1024

struct bus_link {
    struct bus_stream *stream;
    size_t taken; /* Of what was peeked: the last message, to be passed over at the next call. */
    char inbox[48], wanted[512]; /* Where messages come; what asks for them. */
    uint64_t tag, settled;
    unsigned window;
    unsigned asked; /* Messages that the current request may still bring. */
    int64_t asked_ms, heard_ms, pinged_ms;
    char (*replies)[REPLY_BYTES_MAX]; /* By tag modulo window. */
    char subject[512], id[300], sequence[32];
    char names[BUS_PAIRS_MAX][128], values[BUS_PAIRS_MAX][VALUE_BYTES_MAX];
};

static void link_close(struct bus_link *link)
{
    if (link->stream != NULL) {
        bus_stream_close(link->stream);
    }
    free(link->replies);
}

static int say(struct bus_link *link, const char *text, struct nsh_error *err)
{
    return bus_stream_write(link->stream, text, strlen(text), WRITE_MS, err);
}

/* 1: a message, borrowed until the next call; 0: none within wait_ms. What the server wants to know
 * is answered. */
static int op_next(struct bus_link *link, int wait_ms, struct nats_op *ret_op,
                   struct nsh_error *err)
{
    int64_t until_ms = bus_clock_ms() + wait_ms;
    for (;;) {
        const uint8_t *bytes = NULL;
        size_t count = 0;
        bus_stream_take(link->stream, link->taken);
        link->taken = 0;
        int64_t left_ms = until_ms - bus_clock_ms();
        int over = bus_stream_peek(link->stream, PACKET_BYTES_MAX, left_ms > 0 ? (int)left_ms : 0,
                                   &bytes, &count, err);
        int result = bytes == NULL ? 0
                                   : nats_read((const char *)bytes, count, PACKET_BYTES_MAX, ret_op,
                                               &link->taken, err);
        if (result == 1) {
            link->heard_ms = bus_clock_ms();
            if (ret_op->kind == NATS_PING) {
                result = say(link, "PONG\r\n", err);
            } else if (ret_op->kind == NATS_ERR) {
                return nsh_fail(err, NSH_REFUSED, "the server says%.*s", (int)ret_op->payload.count,
                                ret_op->payload.at);
            } else if (ret_op->kind != NATS_OK) {
                return 1;
            }
            over = 0;
        }
        if (result < 0 || over < 0) {
            return result < 0 ? result : over;
        }
        if (result == 0 && left_ms <= 0) {
            return 0;
        }
    }
}

static int expect(struct bus_link *link, enum nats_kind kind, const char *what,
                  struct nats_op *ret_op, struct nsh_error *err)
{
    int result;
    do {
        result = op_next(link, BUS_OPEN_MS, ret_op, err);
        if (result <= 0) {
            return result < 0 ? nsh_wrap(err, "%s", what)
                              : nsh_fail(err, NSH_TIMEOUT, "%s: no answer", what);
        }
    } while (ret_op->kind != kind);
    return 0;
}

/* ---- opening ---- */

static void add_member(struct textbuf *out, const char *name, const char *text)
{
    if (text != NULL) {
        textbuf_addf(out, ",\"%s\":", name);
        textbuf_add_json(out, text_of(text));
    }
}

static int hello(struct bus_link *link, const struct nsh_value *settings, bool tls,
                 struct nsh_error *err)
{
    struct nats_op op;
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_addf(&out,
                 "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"lang\":\"c\","
                 "\"protocol\":1,\"name\":\"nightshift\",\"tls_required\":%s",
                 tls ? "true" : "false");
    add_member(&out, "user", bus_text(settings, "user"));
    add_member(&out, "pass", bus_text(settings, "password"));
    add_member(&out, "auth_token", bus_text(settings, "token"));
    textbuf_add_chars(&out, "}\r\nPING\r\n");
    if (out.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = say(link, out.at, err);
    OPENSSL_cleanse(out.at, out.count);
    return result < 0 ? result : expect(link, NATS_PONG, "login", &op, err);
}

/* A request of JetStream's API; its answer must not have an "error". */
static int request(struct bus_link *link, const char *subject, const char *body,
                   struct nsh_error *err)
{
    struct nats_op op;
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value answer = nsh_null();
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_addf(&out, "PUB %s %s.api %zu\r\n%s\r\n", subject, link->inbox, strlen(body), body);
    int result = out.failed ? nsh_fail(err, NSH_NOMEM, "out of memory") : say(link, out.at, err);
    result = result < 0 ? result : expect(link, NATS_MSG, "JetStream", &op, err);
    if (result < 0) {
        return result;
    }
    if (nats_status(op.headers) == 503) {
        return nsh_fail(err, NSH_UNSUPPORTED, "the server has no JetStream for us");
    }
    result = json_parse(op.payload.at, op.payload.count, &arena, &answer, err);
    const struct nsh_value *error = result < 0 ? NULL : nsh_get(&answer, "error");
    return error == NULL ? result
                         : nsh_fail(err, NSH_REFUSED, "JetStream: %s",
                                    nsh_get_text(error, "description", "refused"));
}

static bool name_fits(const char *name)
{
    return name[0] != '\0' && strpbrk(name, " \t\r\n.*>/\\") == NULL && strlen(name) < 128;
}

/* The consumer is made, or is there with the same settings already. */
static int consumer_make(struct bus_link *link, const struct bus_options *options,
                         struct nsh_error *err)
{
    const struct nsh_value *settings = options->settings;
    const char *stream = nsh_get_text(settings, "stream", "");
    const char *consumer = nsh_get_text(settings, "consumer", "nightshift");
    char subject[400];
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    if (!name_fits(stream) || !name_fits(consumer)) {
        return nsh_fail(err, NSH_INVALID, "stream and consumer are names without . * > and blanks");
    }
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s", stream, consumer);
    textbuf_addf(&body,
                 "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"%s\",\"ack_policy\":"
                 "\"explicit\",\"deliver_policy\":\"all\",\"ack_wait\":%lld,\"max_ack_pending\":%u",
                 stream, consumer, (long long)nsh_get_int(settings, "ack_wait", 30000) * 1000000,
                 BUS_WINDOW_MAX);
    add_member(&body, "filter_subject", bus_text(settings, "subject"));
    textbuf_add_chars(&body, "}}");
    snprintf(link->wanted, sizeof link->wanted, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream,
             consumer);
    return body.failed ? nsh_fail(err, NSH_NOMEM, "out of memory")
                       : request(link, subject, body.at, err);
}

static int start(struct bus_link *link, const struct bus_options *options, struct nsh_error *err)
{
    struct bus_url url;
    struct nats_op op;
    uint8_t chance[12];
    char text[160];
    const struct nsh_value *settings = options->settings;
    bool good = bus_url_read(bus_text(settings, "url"), &url);
    bool tls = good && strcmp(url.scheme, "tls") == 0;
    if (!good || (!tls && strcmp(url.scheme, "nats") != 0)) {
        return nsh_fail(err, NSH_INVALID, "url is nats://HOST:PORT or tls://HOST:PORT");
    }
    RAND_bytes(chance, sizeof chance);
    snprintf(link->inbox, sizeof link->inbox, "_INBOX.");
    for (size_t i = 0; i < sizeof chance; i++) {
        snprintf(link->inbox + 7 + 2 * i, 3, "%02x", chance[i]);
    }
    int result =
        bus_stream_open(url.host, url.port != 0 ? url.port : 4222, BUS_OPEN_MS, &link->stream, err);
    /* The server speaks first, in the clear; then both go on with TLS. */
    result = result < 0 ? result : expect(link, NATS_INFO, "greeting", &op, err);
    if (result == 0 && tls) {
        bus_stream_take(link->stream, link->taken);
        link->taken = 0;
        result = bus_stream_tls(link->stream, settings, url.host, BUS_OPEN_MS, err);
    }
    result = result < 0 ? result : hello(link, settings, tls, err);
    snprintf(text, sizeof text, "SUB %s.* 1\r\n", link->inbox);
    result = result < 0 ? result : say(link, text, err);
    return result < 0 ? result : consumer_make(link, options, err);
}

static int link_open(const struct bus_options *options, struct bus_link *link,
                     struct nsh_error *err)
{
    link->window = options->window + 1;
    link->replies = calloc(link->window, sizeof *link->replies);
    return link->replies == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                 : start(link, options, err);
}

/* ---- messages ---- */

static void link_watch(struct bus_link *link, struct pollfd *ret_poll)
{
    bus_stream_watch(link->stream, ret_poll);
}

/* Ask for as many as may be on their way, when the last request is used up or over. */
static int ask(struct bus_link *link, struct nsh_error *err)
{
    char body[96], text[700];
    int64_t now_ms = bus_clock_ms();
    unsigned on_way = (unsigned)(link->tag - link->settled);
    if ((link->asked > 0 && now_ms - link->asked_ms < PULL_MS + 1000) ||
        on_way + 1 >= link->window) {
        return 0;
    }
    link->asked = link->window - 1 - on_way;
    link->asked_ms = now_ms;
    snprintf(body, sizeof body, "{\"batch\":%u,\"expires\":%lld}", link->asked,
             (long long)PULL_MS * 1000000);
    snprintf(text, sizeof text, "PUB %s %s.m %zu\r\n%s\r\n", link->wanted, link->inbox,
             strlen(body), body);
    return say(link, text, err);
}

static void copy_text(char *to, size_t room, struct text text)
{
    snprintf(to, room, "%.*s", (int)text.count, text.at);
}

static void read_headers(struct bus_link *link, struct text headers, struct bus_message *message)
{
    struct text name, value;
    while (message->headers_count < BUS_PAIRS_MAX && nats_header_next(&headers, &name, &value)) {
        size_t at = message->headers_count++;
        copy_text(link->names[at], sizeof link->names[at], name);
        copy_text(link->values[at], sizeof link->values[at], value);
        message->headers[at] = (struct bus_pair){link->names[at], link->values[at]};
    }
}

static void read_message(struct bus_link *link, const struct nats_op *op,
                         const struct nats_place *place, struct bus_message *message)
{
    message->tag = ++link->tag;
    message->bytes = op->payload.at;
    message->bytes_count = op->payload.count;
    message->again = place->delivered > 1;
    copy_text(link->subject, sizeof link->subject, op->subject);
    copy_text(link->sequence, sizeof link->sequence, place->sequence);
    snprintf(link->id, sizeof link->id, "%.*s/%s", (int)place->stream.count, place->stream.at,
             link->sequence);
    copy_text(link->replies[link->tag % link->window], REPLY_BYTES_MAX, op->reply);
    message->id = link->id;
    message->attributes[0] = (struct bus_pair){"subject", link->subject};
    message->attributes[1] = (struct bus_pair){"sequence", link->sequence};
    message->attributes_count = 2;
    read_headers(link, op->headers, message);
}

static int link_receive(struct bus_link *link, struct bus_message *ret_message,
                        struct nsh_error *err)
{
    struct nats_op op;
    struct nats_place place;
    int result = ask(link, err);
    while (result == 0 && (result = op_next(link, 0, &op, err)) == 1) {
        result = 0;
        if (op.kind != NATS_MSG) {
            continue;
        }
        if (nats_place_read(op.reply, &place) && op.reply.count < REPLY_BYTES_MAX) {
            link->asked -= link->asked > 0;
            read_message(link, &op, &place, ret_message);
            return 1;
        }
        int status = nats_status(op.headers);
        if (status >= 400 && status != 404 && status != 408 && status != 409) {
            return nsh_fail(err, NSH_REFUSED, "JetStream answers with status %d", status);
        }
        link->asked = 0; /* 404, 408, 409: that request is over. */
        result = ask(link, err);
    }
    return result;
}

static int link_settle(struct bus_link *link, uint64_t tag, bool kept, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    while (link->settled < tag) {
        const char *reply = link->replies[++link->settled % link->window];
        const char *word = kept ? "+ACK" : "+TERM";
        textbuf_addf(&out, "PUB %s %zu\r\n%s\r\n", reply, strlen(word), word);
    }
    if (out.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return out.count == 0 ? 0 : bus_stream_write(link->stream, out.at, out.count, WRITE_MS, err);
}

static int link_tend(struct bus_link *link, bool paused, struct nsh_error *err)
{
    int64_t now_ms = bus_clock_ms();
    if (!paused && now_ms - link->heard_ms > SILENCE_MS) {
        return nsh_fail(err, NSH_TIMEOUT, "the server is silent");
    }
    if (now_ms - link->pinged_ms < PING_MS) {
        return 0;
    }
    link->pinged_ms = now_ms;
    link->heard_ms = paused ? now_ms : link->heard_ms;
    return say(link, "PING\r\n", err);
}

const struct bus_transport bus_nats = BUS_TRANSPORT("nats");
