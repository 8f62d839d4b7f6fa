/* SPDX-License-Identifier: Apache-2.0 */
/* The types of sources on brokers: their keys. */

#include "bus_private.h"

#define WINDOW_OPTION                                                                              \
    {                                                                                              \
        .name = "window", .type = NSH_INT, .preset = "256", .min = "1", .max = "4096",             \
        .help = "So many messages may be on their way to the disk; more are not fetched."          \
    }
#define TLS_OPTIONS                                                                                \
    {.name = "tls_ca",                                                                             \
     .type = NSH_STRING,                                                                           \
     .help = "Authority (PEM) that signed the broker's certificate; preset: the system's."},       \
        {.name = "tls_cert", .type = NSH_STRING, .help = "Our certificate (PEM)."},                \
    {                                                                                              \
        .name = "tls_key", .type = NSH_STRING, .help = "Its private key (PEM)."                    \
    }
#define LOGIN_OPTIONS                                                                              \
    {.name = "user", .type = NSH_STRING, .help = "Name for the broker."},                          \
    {                                                                                              \
        .name = "password", .type = NSH_SECRET, .help = "Its password."                            \
    }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct nsh_option amqp_options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "amqp://HOST:5672/VHOST or amqps://HOST:5671/VHOST."},
    {.name = "queue",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "The queue that is read: one that nobody else reads."},
    {.name = "declare",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Make the queue (durable) and bind it; else it must be there."},
    {.name = "exchange",
     .type = NSH_STRING,
     .help = "With declare: what the queue is bound to, such as nova."},
    {.name = "keys",
     .type = NSH_LIST,
     .help = "With declare: routing keys, such as [\"versioned_notifications.*\"]."},
    LOGIN_OPTIONS,
    TLS_OPTIONS,
    WINDOW_OPTION,
};

static const struct nsh_option kafka_options[] = {
    {.name = "brokers",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "HOST:PORT,HOST:PORT ..."},
    {.name = "group",
     .type = NSH_STRING,
     .preset = "nightshift",
     .help = "Consumer group: its members share the partitions, its offsets are kept there."},
    {.name = "topics",
     .type = NSH_LIST,
     .flags = NSH_REQUIRED,
     .help = "Topics; ^ begins a regular expression: [\"alarms\", \"^dc1-uve-topic-.*\"]."},
    {.name = "from",
     .type = NSH_STRING,
     .preset = "latest",
     .choices = (const char *const[]){"latest", "earliest", NULL},
     .help = "Where a group without offsets begins."},
    {.name = "mechanism",
     .type = NSH_STRING,
     .choices = (const char *const[]){"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL},
     .help = "How user and password are shown."},
    {.name = "tls", .type = NSH_BOOL, .preset = "false", .help = "TLS to the brokers."},
    {.name = "session_timeout",
     .type = NSH_DURATION,
     .preset = "45s",
     .min = "6s",
     .max = "5m",
     .help = "A member that is silent for so long has left the group."},
    LOGIN_OPTIONS,
    TLS_OPTIONS,
    WINDOW_OPTION,
};

static const struct nsh_option mqtt_options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "mqtt://HOST:1883 or mqtts://HOST:8883."},
    {.name = "client",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "Our client id: the broker keeps what comes while we are away under this name."},
    {.name = "topics",
     .type = NSH_LIST,
     .flags = NSH_REQUIRED,
     .help = "Topic filters: [\"dc1/+/alarm/#\"]."},
    LOGIN_OPTIONS,
    TLS_OPTIONS,
    WINDOW_OPTION,
};

static const struct nsh_option nats_options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "nats://HOST:4222 or tls://HOST:4222."},
    {.name = "stream",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "The JetStream stream that is read; it must be there."},
    {.name = "consumer",
     .type = NSH_STRING,
     .preset = "nightshift",
     .help = "Our durable consumer in it; made when it is not there."},
    {.name = "subject", .type = NSH_STRING, .help = "Only this subject of the stream."},
    {.name = "ack_wait",
     .type = NSH_DURATION,
     .preset = "30s",
     .min = "1s",
     .max = "10m",
     .help = "What is not acknowledged for so long comes again."},
    {.name = "token", .type = NSH_SECRET, .help = "A token instead of user and password."},
    LOGIN_OPTIONS,
    TLS_OPTIONS,
    WINDOW_OPTION,
};

#define BUS_TYPE(word, text)                                                                       \
    const struct source_type source_type_##word = {                                                \
        .name = #word,                                                                             \
        .summary = text,                                                                           \
        .flags = SOURCE_MAY_MAP,                                                                   \
        .options = word##_options,                                                                 \
        .options_count = COUNT(word##_options),                                                    \
        .open = bus_open,                                                                          \
        .close = bus_close,                                                                        \
        .decode = bus_decode_file,                                                                 \
        .doctor = bus_doctor,                                                                      \
    }

BUS_TYPE(amqp, "A queue of an AMQP 0-9-1 broker: RabbitMQ, and by it OpenStack's notifications");
BUS_TYPE(kafka, "Topics of Kafka, as a member of a consumer group");
BUS_TYPE(mqtt, "Topics of an MQTT broker, in a session that it keeps");
BUS_TYPE(nats, "A JetStream stream of NATS, by a durable consumer");
