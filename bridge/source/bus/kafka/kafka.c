/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafka by librdkafka, as a member of a consumer group. Offsets are stored when their messages are
 * durable, never before, and what is stored is committed every second, when partitions go to
 * another member, and at the end. A message has no way back in Kafka: one that makes no sense is
 * counted and passed over.
 *
 * The library has threads of its own; this file runs on the source's thread alone, callbacks too.
 */

#include "source/bus/bus.h"
#include "source/bus/bus_values.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TEXT_BYTES_MAX 512
#define TOPICS_MAX 64
#define HEADER_BYTES_MAX 1024

/* Where a message on its way stands. */
struct place {
    uint64_t tag;
    rd_kafka_topic_t *topic; /* A reference of ours. */
    int32_t partition;
    int64_t offset;
};

struct bus_link {
    rd_kafka_t *kafka;
    rd_kafka_queue_t *queue;
    int fd;
    bool paused, fatal;
    uint64_t tag;
    struct place *places;
    unsigned window, places_first, places_count;
    rd_kafka_message_t *message; /* What the last message borrows from. */
    rd_kafka_message_t *ahead;   /* Came while none was wanted. */
    char error[TEXT_BYTES_MAX];
    char id[TEXT_BYTES_MAX], partition[16], offset[24];
    char key[HEADER_BYTES_MAX];
    char values[BUS_PAIRS_MAX][HEADER_BYTES_MAX];
};

/* ---- opening ---- */

static int set(rd_kafka_conf_t *conf, const char *key, const char *value, struct nsh_error *err)
{
    char text[TEXT_BYTES_MAX];
    if (value == NULL ||
        rd_kafka_conf_set(conf, key, value, text, sizeof text) == RD_KAFKA_CONF_OK) {
        return 0;
    }
    return nsh_fail(err, NSH_INVALID, "%s", text);
}

static void on_error(rd_kafka_t *kafka, int code, const char *reason, void *opaque)
{
    struct bus_link *link = opaque;
    snprintf(link->error, sizeof link->error, "%.400s", reason);
    link->fatal = link->fatal || code == RD_KAFKA_RESP_ERR__FATAL;
}

static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
    /* What matters comes as an error. */
}

static int configure(rd_kafka_conf_t *conf, struct bus_link *link,
                     const struct bus_options *options, struct nsh_error *err)
{
    const struct nsh_value *settings = options->settings;
    bool tls = nsh_get_bool(settings, "tls", false), login = bus_text(settings, "user") != NULL;
    char session[24], client[128], fetch[24];
    snprintf(session, sizeof session, "%lld",
             (long long)nsh_get_int(settings, "session_timeout", 45000));
    snprintf(client, sizeof client, "nightshift-%.100s", options->name);
    snprintf(fetch, sizeof fetch, "%u", options->window);
    const struct bus_pair pairs[] = {
        {"bootstrap.servers", bus_text(settings, "brokers")},
        {"group.id", bus_text(settings, "group")},
        {"client.id", client},
        {"auto.offset.reset", bus_text(settings, "from")},
        {"session.timeout.ms", session},
        {"enable.auto.commit", "true"},
        {"enable.auto.offset.store", "false"},
        {"auto.commit.interval.ms", "1000"},
        {"queued.min.messages", fetch},
        {"queued.max.messages.kbytes", "16384"},
        {"socket.keepalive.enable", "true"},
        {"allow.auto.create.topics", "false"},
        {"security.protocol", tls && login ? "sasl_ssl"
                              : tls        ? "ssl"
                              : login      ? "sasl_plaintext"
                                           : "plaintext"},
        {"sasl.mechanism", login ? nsh_get_text(settings, "mechanism", "PLAIN") : NULL},
        {"sasl.username", bus_text(settings, "user")},
        {"sasl.password", login ? bus_text(settings, "password") : NULL},
        {"ssl.ca.location", tls ? bus_text(settings, "tls_ca") : NULL},
        {"ssl.certificate.location", tls ? bus_text(settings, "tls_cert") : NULL},
        {"ssl.key.location", tls ? bus_text(settings, "tls_key") : NULL},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && result == 0; i++) {
        result = set(conf, pairs[i].name, pairs[i].value, err);
    }
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_opaque(conf, link);
    return result;
}

static int subscribe(struct bus_link *link, const struct nsh_value *settings, struct nsh_error *err)
{
    const char *topic;
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(4);
    for (uint32_t i = 0; i < TOPICS_MAX && (topic = bus_item(settings, "topics", i)) != NULL; i++) {
        rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(link->kafka, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : nsh_fail(err, NSH_INVALID, "topics: %s", rd_kafka_err2str(code));
}

/* A broker answers, or it is too early to subscribe. */
static int reach(struct bus_link *link, struct nsh_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(link->kafka, 0, NULL, &metadata, BUS_OPEN_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        return 0;
    }
    return nsh_fail(err, NSH_UNREACHABLE, "%s%s%s", rd_kafka_err2str(code),
                    link->error[0] == '\0' ? "" : ": ", link->error);
}

static void place_drop(struct bus_link *link)
{
    rd_kafka_topic_destroy(link->places[link->places_first].topic);
    link->places_first = (link->places_first + 1) % link->window;
    link->places_count--;
}

static void link_close(struct bus_link *link)
{
    while (link->places_count > 0) {
        place_drop(link);
    }
    if (link->message != NULL) {
        rd_kafka_message_destroy(link->message);
    }
    if (link->ahead != NULL) {
        rd_kafka_message_destroy(link->ahead);
    }
    if (link->queue != NULL) {
        rd_kafka_queue_io_event_enable(link->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(link->queue);
    }
    if (link->kafka != NULL) {
        rd_kafka_consumer_close(link->kafka); /* Commits what is stored, leaves the group. */
        rd_kafka_destroy(link->kafka);
    }
    if (link->fd >= 0) {
        close(link->fd);
    }
    free(link->places);
}

static int link_start(struct bus_link *link, const struct bus_options *options,
                      struct nsh_error *err)
{
    static const uint64_t one = 1;
    char text[TEXT_BYTES_MAX];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int result = configure(conf, link, options, err);
    link->kafka = result < 0 ? NULL : rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (link->kafka == NULL) {
        rd_kafka_conf_destroy(conf);
        return result < 0 ? result : nsh_fail(err, NSH_INVALID, "%s", text);
    }
    rd_kafka_poll_set_consumer(link->kafka);
    result = reach(link, err);
    if (result == 0) {
        result = subscribe(link, options->settings, err);
    }
    link->queue = rd_kafka_queue_get_consumer(link->kafka);
    rd_kafka_queue_io_event_enable(link->queue, link->fd, &one, sizeof one);
    return result;
}

static int link_open(const struct bus_options *options, struct bus_link *link,
                     struct nsh_error *err)
{
    link->window = options->window + 1;
    link->places = calloc(link->window, sizeof *link->places);
    link->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return link->places == NULL || link->fd < 0 ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                                : link_start(link, options, err);
}

/* ---- messages ---- */

static void link_watch(struct bus_link *link, struct pollfd *ret_poll)
{
    *ret_poll = (struct pollfd){.fd = link->fd, .events = POLLIN};
}

/* 1: link->ahead is a message. */
static int pull(struct bus_link *link, struct nsh_error *err)
{
    uint64_t count;
    ssize_t taken = read(link->fd, &count, sizeof count); /* Before looking, or news are missed. */
    (void)taken;
    rd_kafka_message_t *message;
    while (link->ahead == NULL && (message = rd_kafka_consumer_poll(link->kafka, 0)) != NULL) {
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            link->ahead = message;
            break;
        }
        snprintf(link->error, sizeof link->error, "%.400s", rd_kafka_message_errstr(message));
        bool gone = message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
                    message->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        link->fatal = link->fatal || gone;
        rd_kafka_message_destroy(message);
    }
    return link->fatal ? nsh_fail(err, NSH_UNREACHABLE, "%s", link->error) : link->ahead != NULL;
}

static void copy_bytes(char *to, size_t room, const void *bytes, size_t count)
{
    snprintf(to, room, "%.*s", (int)(count < room ? count : room - 1), (const char *)bytes);
}

static void read_headers(struct bus_link *link, struct bus_message *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t bytes;
    if (rd_kafka_message_headers(link->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    for (size_t i = 0;
         message->headers_count < BUS_PAIRS_MAX &&
         rd_kafka_header_get_all(headers, i, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        char *kept = link->values[message->headers_count];
        copy_bytes(kept, HEADER_BYTES_MAX, value == NULL ? "" : value, bytes);
        message->headers[message->headers_count++] = (struct bus_pair){name, kept};
        if (strcmp(name, "content-type") == 0) {
            message->content_type = kept;
        }
    }
}

static void read_message(struct bus_link *link, struct bus_message *message)
{
    const rd_kafka_message_t *from = link->message;
    const char *topic = rd_kafka_topic_name(from->rkt);
    snprintf(link->partition, sizeof link->partition, "%d", from->partition);
    snprintf(link->offset, sizeof link->offset, "%lld", (long long)from->offset);
    snprintf(link->id, sizeof link->id, "%s/%s/%s", topic, link->partition, link->offset);
    copy_bytes(link->key, sizeof link->key, from->key == NULL ? "" : from->key, from->key_len);
    message->tag = ++link->tag;
    message->bytes = from->payload == NULL ? "" : from->payload;
    message->bytes_count = from->len;
    message->id = link->id;
    const struct bus_pair attributes[] = {{"topic", topic},
                                          {"partition", link->partition},
                                          {"offset", link->offset},
                                          {"key", link->key}};
    memcpy(message->attributes, attributes, sizeof attributes);
    message->attributes_count = sizeof attributes / sizeof attributes[0];
    read_headers(link, message);
}

static void place_add(struct bus_link *link)
{
    unsigned at = (link->places_first + link->places_count++) % link->window;
    link->places[at] = (struct place){
        .tag = link->tag,
        /* The same handle for each of the topic: by count. */
        .topic = rd_kafka_topic_new(link->kafka, rd_kafka_topic_name(link->message->rkt), NULL),
        .partition = link->message->partition,
        .offset = link->message->offset,
    };
}

static int link_receive(struct bus_link *link, struct bus_message *ret_message,
                        struct nsh_error *err)
{
    if (link->paused) {
        rd_kafka_topic_partition_list_t *all = NULL;
        link->paused = false;
        if (rd_kafka_assignment(link->kafka, &all) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_resume_partitions(link->kafka, all);
            rd_kafka_topic_partition_list_destroy(all);
        }
    }
    int result = pull(link, err);
    if (result <= 0) {
        return result;
    }
    if (link->message != NULL) {
        rd_kafka_message_destroy(link->message);
    }
    link->message = link->ahead;
    link->ahead = NULL;
    read_message(link, ret_message);
    place_add(link);
    return 1;
}

static int link_settle(struct bus_link *link, uint64_t tag, bool kept, struct nsh_error *err)
{
    while (link->places_count > 0 && link->places[link->places_first].tag <= tag) {
        const struct place *place = &link->places[link->places_first];
        /* It fails for a partition that is another member's by now: who will have it again. */
        (void)rd_kafka_offset_store(place->topic, place->partition, place->offset);
        place_drop(link);
    }
    return 0;
}

/* A member that does not look is put out of the group: it looks, but for nothing. */
static int link_tend(struct bus_link *link, bool paused, struct nsh_error *err)
{
    rd_kafka_topic_partition_list_t *all = NULL;
    if (!paused) {
        return 0;
    }
    if (rd_kafka_assignment(link->kafka, &all) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_pause_partitions(link->kafka, all);
        rd_kafka_topic_partition_list_destroy(all);
        link->paused = true;
    }
    int result = pull(link, err);
    return result < 0 ? result : 0;
}

__attribute__((visibility("default"))) const struct bus_transport bus_transport =
    BUS_TRANSPORT("kafka");
