/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: librabbitmq
/*
 * amqp_load HOST PORT EXCHANGE KEY [FIRST COUNT]: publishes each line of stdin as a persistent
 * message and waits for the broker's confirmation of all; with FIRST and COUNT the lines are a
 * template in which @ is FIRST, FIRST+1 ... : a load.
 * EXCHANGE ? : how many messages wait in the queue KEY, those included that a consumer that left
 * did not acknowledge.
 */

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "amqp_load: %s\n", what);
        exit(1);
    }
}

static void publish(amqp_connection_state_t connection, char **argv, const char *text)
{
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG |
                                                    AMQP_BASIC_DELIVERY_MODE_FLAG,
                                          .content_type = amqp_cstring_bytes("application/json"),
                                          .delivery_mode = 2};
    must(amqp_basic_publish(connection, 1, amqp_cstring_bytes(argv[3]), amqp_cstring_bytes(argv[4]),
                            0, 0, &properties, amqp_cstring_bytes(text)) == AMQP_STATUS_OK,
         "publish");
}

/* Until the broker took charge of count messages. */
static void confirm(amqp_connection_state_t connection, uint64_t count)
{
    amqp_frame_t frame;
    uint64_t last = 0;
    while (last < count) {
        must(amqp_simple_wait_frame(connection, &frame) == AMQP_STATUS_OK, "no confirmation");
        must(frame.frame_type == AMQP_FRAME_METHOD &&
                 frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
             "refused");
        amqp_basic_ack_t *ack = frame.payload.method.decoded;
        last = ack->multiple || ack->delivery_tag > last ? ack->delivery_tag : last;
    }
}

static char *numbered(const char *template, long number)
{
    static char line[1 << 20];
    size_t count = 0;
    for (const char *at = template; *at != '\0' && count < sizeof line - 32; at++) {
        count += *at == '@' ? (size_t)sprintf(line + count, "%ld", number) : 1;
        if (*at != '@') {
            line[count - 1] = *at;
        }
    }
    line[count] = '\0';
    return line;
}

int main(int argc, char **argv)
{
    static char line[1 << 20];
    must(argc == 5 || argc == 7, "HOST PORT EXCHANGE KEY [FIRST COUNT]");
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    must(socket != NULL && amqp_socket_open(socket, argv[1], atoi(argv[2])) == AMQP_STATUS_OK,
         "connect");
    must(amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest")
                 .reply_type == AMQP_RESPONSE_NORMAL,
         "login");
    must(amqp_channel_open(connection, 1) != NULL && amqp_confirm_select(connection, 1) != NULL,
         "channel");
    uint64_t sent = 0;
    if (strcmp(argv[3], "?") == 0) {
        const amqp_queue_declare_ok_t *queue = amqp_queue_declare(
            connection, 1, amqp_cstring_bytes(argv[4]), 1, 0, 0, 0, amqp_empty_table);
        must(queue != NULL, "no such queue");
        printf("%u\n", queue->message_count);
        return 0;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        long first = argc == 7 ? atol(argv[5]) : 0, count = argc == 7 ? atol(argv[6]) : 1;
        for (long i = 0; i < count; i++, sent++) {
            publish(connection, argv, argc == 7 ? numbered(line, first + i) : line);
        }
    }
    confirm(connection, sent);
    amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
    printf("%llu\n", (unsigned long long)sent);
    return 0;
}
