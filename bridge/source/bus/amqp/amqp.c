/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMQP 0-9-1 by librabbitmq. One connection, one channel, one queue; acknowledged by hand, up to
 * and including, so that the broker keeps what is not durable. What makes no sense is rejected
 * without coming again: a dead-letter exchange of the queue keeps it.
 */

#include "source/bus/bus.h"
#include "source/bus/bus_values.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANNEL 1
#define HEARTBEAT_S 10
#define TEXT_BYTES_MAX 256

struct bus_link {
    amqp_connection_state_t connection;
    bool open; /* Its channel is. */
    bool has_envelope;
    amqp_envelope_t envelope; /* What the last message borrows from. */
    /* What came while none was wanted: as many as the prefetch at most. */
    amqp_envelope_t *ahead;
    unsigned ahead_first, ahead_count, window;
    char texts[BUS_PAIRS_MAX + 8][TEXT_BYTES_MAX];
    size_t texts_count;
};

static struct timeval seconds(int count)
{
    return (struct timeval){.tv_sec = count};
}

/* ---- what went wrong ---- */

static void close_words(const amqp_method_t *method, char *text, size_t room)
{
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *closed = method->decoded;
        snprintf(text, room, "the broker closed the connection: %d %.*s", closed->reply_code,
                 (int)closed->reply_text.len, (const char *)closed->reply_text.bytes);
    } else if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *closed = method->decoded;
        snprintf(text, room, "the broker closed the channel: %d %.*s", closed->reply_code,
                 (int)closed->reply_text.len, (const char *)closed->reply_text.bytes);
    } else {
        snprintf(text, room, "the broker sent %s", amqp_method_name(method->id));
    }
}

static int reply_fail(struct nsh_error *err, const char *what, amqp_rpc_reply_t reply)
{
    char text[TEXT_BYTES_MAX];
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
        close_words(&reply.reply, text, sizeof text);
        return nsh_fail(err, NSH_REFUSED, "%s: %s", what, text);
    }
    return nsh_fail(err, reply.library_error == AMQP_STATUS_TIMEOUT ? NSH_TIMEOUT : NSH_UNREACHABLE,
                    "%s: %s", what, amqp_error_string2(reply.library_error));
}

static int check(struct bus_link *link, const char *what, struct nsh_error *err)
{
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(link->connection);
    return reply.reply_type == AMQP_RESPONSE_NORMAL ? 0 : reply_fail(err, what, reply);
}

/* ---- opening ---- */

static int tls_set(amqp_socket_t *socket, const struct nsh_value *settings, struct nsh_error *err)
{
    const char *ca = bus_text(settings, "tls_ca"), *cert = bus_text(settings, "tls_cert"),
               *key = bus_text(settings, "tls_key");
    SSL_CTX *context = amqp_ssl_socket_get_context(socket);
    int status = AMQP_STATUS_OK;
    if (ca != NULL) {
        status = amqp_ssl_socket_set_cacert(socket, ca);
    } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
        status = AMQP_STATUS_SSL_ERROR;
    }
    if (status != AMQP_STATUS_OK) {
        return nsh_fail(err, NSH_INVALID, "tls_ca: %s", amqp_error_string2(status));
    }
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
    amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
    if (cert != NULL && key != NULL) {
        status = amqp_ssl_socket_set_key(socket, cert, key);
        if (status != AMQP_STATUS_OK) {
            return nsh_fail(err, NSH_INVALID, "tls_cert: %s", amqp_error_string2(status));
        }
    }
    return 0;
}

static int connect_socket(struct bus_link *link, const struct nsh_value *settings,
                          const struct bus_url *url, struct nsh_error *err)
{
    bool tls = strcmp(url->scheme, "amqps") == 0;
    struct timeval limit = seconds(BUS_OPEN_MS / 1000);
    int port = url->port != 0 ? url->port : tls ? 5671 : 5672;
    amqp_socket_t *socket =
        tls ? amqp_ssl_socket_new(link->connection) : amqp_tcp_socket_new(link->connection);
    if (socket == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = tls ? tls_set(socket, settings, err) : 0;
    if (result < 0) {
        return result;
    }
    int status = amqp_socket_open_noblock(socket, url->host, port, &limit);
    return status == AMQP_STATUS_OK ? 0
                                    : nsh_fail(err, NSH_UNREACHABLE, "%s:%d: %s", url->host, port,
                                               amqp_error_string2(status));
}

static int login(struct bus_link *link, const struct bus_options *options,
                 const struct bus_url *url, struct nsh_error *err)
{
    const char *user = bus_text(options->settings, "user");
    const char *password = bus_text(options->settings, "password");
    amqp_table_entry_t entries[] = {
        {.key = amqp_cstring_bytes("product"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("nightshift")}},
        {.key = amqp_cstring_bytes("connection_name"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(options->name)}},
    };
    amqp_table_t properties = {.num_entries = 2, .entries = entries};
    amqp_rpc_reply_t reply = amqp_login_with_properties(
        link->connection, url->path[0] == '\0' ? "/" : url->path, 0, 131072, HEARTBEAT_S,
        &properties, AMQP_SASL_METHOD_PLAIN, user == NULL ? "guest" : user,
        password == NULL ? "guest" : password);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        return reply_fail(err, "login", reply);
    }
    amqp_channel_open(link->connection, CHANNEL);
    int result = check(link, "channel", err);
    link->open = result == 0;
    return result;
}

static int declare(struct bus_link *link, const struct nsh_value *settings, struct nsh_error *err)
{
    amqp_bytes_t queue = amqp_cstring_bytes(nsh_get_text(settings, "queue", ""));
    const char *exchange = bus_text(settings, "exchange"), *key;
    bool make = nsh_get_bool(settings, "declare", false);
    amqp_queue_declare(link->connection, CHANNEL, queue, !make, 1, 0, 0, amqp_empty_table);
    int result = check(link, make ? "making the queue" : "the queue", err);
    for (uint32_t i = 0; make && exchange != NULL && result == 0; i++) {
        key = bus_item(settings, "keys", i);
        if (key == NULL && i > 0) {
            break;
        }
        amqp_queue_bind(link->connection, CHANNEL, queue, amqp_cstring_bytes(exchange),
                        amqp_cstring_bytes(key == NULL ? "#" : key), amqp_empty_table);
        result = check(link, "binding the queue", err);
    }
    return result;
}

static int consume(struct bus_link *link, const struct bus_options *options, struct nsh_error *err)
{
    amqp_basic_qos(link->connection, CHANNEL, 0, (uint16_t)options->window, 0);
    int result = check(link, "prefetch", err);
    if (result == 0) {
        amqp_basic_consume(link->connection, CHANNEL,
                           amqp_cstring_bytes(nsh_get_text(options->settings, "queue", "")),
                           amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
        result = check(link, "consuming", err);
    }
    return result;
}

static void link_close(struct bus_link *link)
{
    if (link->has_envelope) {
        amqp_destroy_envelope(&link->envelope);
    }
    for (; link->ahead_count > 0; link->ahead_count--) {
        amqp_destroy_envelope(
            &link->ahead[(link->ahead_first + link->ahead_count - 1) % link->window]);
    }
    free(link->ahead);
    if (link->connection != NULL) {
        if (link->open) {
            amqp_connection_close(link->connection, AMQP_REPLY_SUCCESS);
        }
        amqp_destroy_connection(link->connection);
    }
}

static int link_open(const struct bus_options *options, struct bus_link *link,
                     struct nsh_error *err)
{
    struct bus_url url;
    if (!bus_url_read(bus_text(options->settings, "url"), &url) ||
        (strcmp(url.scheme, "amqp") != 0 && strcmp(url.scheme, "amqps") != 0)) {
        return nsh_fail(err, NSH_INVALID,
                        "url is amqp://HOST:PORT/VHOST or amqps://..., without user");
    }
    link->connection = amqp_new_connection();
    if (link->connection == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    link->window = options->window;
    link->ahead = calloc(link->window, sizeof *link->ahead);
    int result = link->ahead == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                     : connect_socket(link, options->settings, &url, err);
    if (result == 0) {
        struct timeval limit = seconds(BUS_OPEN_MS / 1000);
        amqp_set_handshake_timeout(link->connection, &limit);
        amqp_set_rpc_timeout(link->connection, &limit);
        result = login(link, options, &url, err);
    }
    if (result == 0) {
        result = declare(link, options->settings, err);
    }
    if (result == 0) {
        result = consume(link, options, err);
    }
    return result;
}

/* ---- messages ---- */

static void link_watch(struct bus_link *link, struct pollfd *ret_poll)
{
    *ret_poll = (struct pollfd){.fd = amqp_get_sockfd(link->connection), .events = POLLIN};
}

static const char *keep(struct bus_link *link, amqp_bytes_t bytes)
{
    char *text = link->texts[link->texts_count++];
    snprintf(text, TEXT_BYTES_MAX, "%.*s", (int)bytes.len, (const char *)bytes.bytes);
    return text;
}

static const char *keep_field(struct bus_link *link, const amqp_field_value_t *field)
{
    char *text = link->texts[link->texts_count];
    switch (field->kind) {
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        return keep(link, field->value.bytes);
    case AMQP_FIELD_KIND_I64:
        snprintf(text, TEXT_BYTES_MAX, "%lld", (long long)field->value.i64);
        break;
    case AMQP_FIELD_KIND_I32:
        snprintf(text, TEXT_BYTES_MAX, "%d", field->value.i32);
        break;
    case AMQP_FIELD_KIND_BOOLEAN:
        snprintf(text, TEXT_BYTES_MAX, "%s", field->value.boolean ? "true" : "false");
        break;
    default:
        return NULL;
    }
    link->texts_count++;
    return text;
}

static void read_headers(struct bus_link *link, const amqp_basic_properties_t *properties,
                         struct bus_message *message)
{
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) == 0) {
        return;
    }
    for (int i = 0; i < properties->headers.num_entries && message->headers_count < BUS_PAIRS_MAX &&
                    link->texts_count + 10 < BUS_PAIRS_MAX + 8;
         i++) {
        const amqp_table_entry_t *entry = &properties->headers.entries[i];
        const char *name = keep(link, entry->key);
        const char *value = keep_field(link, &entry->value);
        if (value != NULL) {
            message->headers[message->headers_count++] = (struct bus_pair){name, value};
        }
    }
}

static void read_message(struct bus_link *link, struct bus_message *message)
{
    const amqp_envelope_t *envelope = &link->envelope;
    const amqp_basic_properties_t *properties = &envelope->message.properties;
    link->texts_count = 0;
    message->tag = envelope->delivery_tag;
    message->again = envelope->redelivered != 0;
    message->bytes = envelope->message.body.bytes;
    message->bytes_count = envelope->message.body.len;
    if ((properties->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG) != 0) {
        message->content_type = keep(link, properties->content_type);
    }
    if ((properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0 && properties->message_id.len > 0) {
        message->id = keep(link, properties->message_id);
    }
    message->attributes[message->attributes_count++] =
        (struct bus_pair){"exchange", keep(link, envelope->exchange)};
    message->attributes[message->attributes_count++] =
        (struct bus_pair){"routing_key", keep(link, envelope->routing_key)};
    read_headers(link, properties, message);
}

/* A frame that is no delivery: what the broker wants to say. */
static int other_frame(struct bus_link *link, struct nsh_error *err)
{
    amqp_frame_t frame;
    char text[TEXT_BYTES_MAX];
    struct timeval now = {0};
    int status = amqp_simple_wait_frame_noblock(link->connection, &frame, &now);
    if (status == AMQP_STATUS_TIMEOUT) {
        return 0;
    }
    if (status != AMQP_STATUS_OK) {
        return nsh_fail(err, NSH_UNREACHABLE, "%s", amqp_error_string2(status));
    }
    if (frame.frame_type != AMQP_FRAME_METHOD) {
        return nsh_fail(err, NSH_PROTOCOL, "a frame out of order");
    }
    close_words(&frame.payload.method, text, sizeof text);
    return nsh_fail(err, NSH_UNREACHABLE, "%s", text);
}

/* 1: *ret_envelope is the caller's; 0: there is none now. */
static int pull(struct bus_link *link, amqp_envelope_t *ret_envelope, struct nsh_error *err)
{
    struct timeval now = {0};
    amqp_maybe_release_buffers(link->connection);
    amqp_rpc_reply_t reply = amqp_consume_message(link->connection, ret_envelope, &now, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        return 1;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
        reply.library_error == AMQP_STATUS_TIMEOUT) {
        return 0;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
        reply.library_error == AMQP_STATUS_UNEXPECTED_STATE) {
        return other_frame(link, err);
    }
    return reply_fail(err, "receiving", reply);
}

static int link_receive(struct bus_link *link, struct bus_message *ret_message,
                        struct nsh_error *err)
{
    int result = 1;
    if (link->has_envelope) {
        amqp_destroy_envelope(&link->envelope);
        link->has_envelope = false;
    }
    if (link->ahead_count > 0) {
        link->envelope = link->ahead[link->ahead_first];
        link->ahead_first = (link->ahead_first + 1) % link->window;
        link->ahead_count--;
    } else {
        result = pull(link, &link->envelope, err);
    }
    if (result == 1) {
        link->has_envelope = true;
        read_message(link, ret_message);
    }
    return result;
}

static int link_settle(struct bus_link *link, uint64_t tag, bool kept, struct nsh_error *err)
{
    int status = kept ? amqp_basic_ack(link->connection, CHANNEL, tag, 1)
                      : amqp_basic_reject(link->connection, CHANNEL, tag, 0);
    return status == AMQP_STATUS_OK
               ? 0
               : nsh_fail(err, NSH_UNREACHABLE, "acknowledging: %s", amqp_error_string2(status));
}

/* The library sends heartbeats, and misses the broker's, when it looks for messages: it has to also
 * while none is wanted. */
static int link_tend(struct bus_link *link, bool paused, struct nsh_error *err)
{
    int result = 1;
    while (paused && result == 1 && link->ahead_count < link->window) {
        unsigned at = (link->ahead_first + link->ahead_count) % link->window;
        result = pull(link, &link->ahead[at], err);
        link->ahead_count += result == 1;
    }
    return result < 0 ? result : 0;
}

__attribute__((visibility("default"))) const struct bus_transport bus_transport =
    BUS_TRANSPORT("amqp");
