/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: rdkafka
/*
 * kafka_mock: librdkafka's mock cluster in a process of its own, until stdin ends. Prints the
 * bootstrap servers; then obeys lines of stdin: "pub TOPIC FIRST COUNT TEMPLATE" (@ in the template
 * is the number), "ce TOPIC ID" (a CloudEvent in headers), "offset GROUP TOPIC PARTITIONS": what
 * the group committed, summed. Answers each with a line.
 */

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS 20000

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "kafka_mock: %s\n", what);
        exit(1);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *servers, const char *group)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (servers != NULL) {
        rd_kafka_conf_set(conf, "bootstrap.servers", servers, text, sizeof text);
    }
    if (group != NULL) {
        rd_kafka_conf_set(conf, "group.id", group, text, sizeof text);
    }
    rd_kafka_t *made = rd_kafka_new(type, conf, text, sizeof text);
    must(made != NULL, text);
    return made;
}

static void publish(rd_kafka_t *producer, const char *topic, long first, long count,
                    const char *template)
{
    for (long n = first; n < first + count; n++) {
        char line[4096];
        size_t used = 0;
        for (const char *at = template; *at != '\0' && used < sizeof line - 32; at++) {
            if (*at == '@') {
                used += (size_t)snprintf(line + used, 32, "%ld", n);
            } else {
                line[used++] = *at;
            }
        }
        while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(line, used),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                 RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(producer, 10);
        }
    }
    must(rd_kafka_flush(producer, LIMIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR, "flush");
    printf("ok\n");
}

static void publish_ce(rd_kafka_t *producer, const char *topic, const char *id)
{
    static char body[] = "{\"rpm\":0}";
    must(
        rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(body, sizeof body - 1),
            RD_KAFKA_V_HEADER("ce_specversion", "1.0", 3), RD_KAFKA_V_HEADER("ce_id", id, -1),
            RD_KAFKA_V_HEADER("ce_source", "/r", 2), RD_KAFKA_V_HEADER("ce_type", "fan.failed", 10),
            RD_KAFKA_V_HEADER("content-type", "application/json", 16),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR,
        "publish");
    must(rd_kafka_flush(producer, LIMIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR, "flush");
    printf("ok\n");
}

static void offsets(const char *servers, const char *group, const char *topic, int partitions)
{
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, servers, group);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    long long sum = 0;
    rd_kafka_topic_partition_list_add_range(list, topic, 0, partitions - 1);
    if (rd_kafka_committed(consumer, list, LIMIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < list->cnt; i++) {
            sum += list->elems[i].offset > 0 ? list->elems[i].offset : 0;
        }
    }
    printf("%lld\n", sum);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
}

int main(void)
{
    char line[8192];
    rd_kafka_t *owner = client(RD_KAFKA_PRODUCER, NULL, NULL);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(owner, 3);
    must(cluster != NULL, "no cluster");
    rd_kafka_mock_topic_create(cluster, "alarms", 4, 3);
    rd_kafka_mock_topic_create(cluster, "ce", 1, 3);
    const char *servers = rd_kafka_mock_cluster_bootstraps(cluster);
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, servers, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s\n", servers);
    while (fgets(line, sizeof line, stdin) != NULL) {
        char word[16], topic[64], group[64], template[4096];
        long first, count;
        int partitions;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "pub %63s %ld %ld %4095[^\n]", topic, &first, &count, template) == 4) {
            publish(producer, topic, first, count, template);
        } else if (sscanf(line, "offset %63s %63s %d", group, topic, &partitions) == 3) {
            offsets(servers, group, topic, partitions);
        } else if (sscanf(line, "%15s %63s %63s", word, topic, group) == 3) {
            publish_ce(producer, topic, group);
        } else {
            printf("what?\n");
        }
    }
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}
