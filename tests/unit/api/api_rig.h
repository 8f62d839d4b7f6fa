/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_RIG_H
#define API_RIG_H

/* A server of the test's own, and a client that speaks HTTP/1.1 by hand: the test decides about
 * every byte and when it leaves. */

#include "../unit.h"

#include "api/api.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RIG_REPLY_BYTES (2 << 20)
#define RIG_WAIT_MS 10000 /* Nothing here takes that long unless it is broken. */

struct rig {
    char folder[64], socket[96];
    struct api *api;
    struct api_options options;
};

static inline void rig_open(struct rig *rig)
{
    *rig = (struct rig){.folder = "/tmp/nsh-api-XXXXXX", .options = {.unix_fd = -1}};
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->socket, sizeof rig->socket, "%s/api.sock", rig->folder);
    rig->options.unix_path = rig->socket;
    rig->options.arg = rig;
}

static inline void rig_start(struct rig *rig, const struct api_route *routes, size_t routes_count)
{
    struct nsh_error err = {0};
    if (api_start(&rig->options, routes, routes_count, &rig->api, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static inline void rig_close(struct rig *rig)
{
    api_stop(rig->api);
    rig->api = NULL;
    unlink(rig->socket);
    rmdir(rig->folder);
}

static inline int rig_connect(const struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", rig->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline int rig_connect_tcp(const struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(api_port(rig->api)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline bool rig_send(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

/* One more piece; 0: the peer closed. */
static inline size_t rig_read(int fd, char *bytes, size_t room)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, RIG_WAIT_MS), 1);
    ssize_t got = recv(fd, bytes, room, 0);
    return got <= 0 ? 0 : (size_t)got;
}

struct rig_reply {
    unsigned status; /* 0: the connection closed without an answer. */
    char *head, *body;
    size_t body_bytes;
    char bytes[RIG_REPLY_BYTES];
};

/* One whole answer with Content-Length (or none: head only when head_only). */
static inline void rig_receive(int fd, bool head_only, struct rig_reply *ret_reply)
{
    size_t used = 0, wanted = SIZE_MAX;
    *ret_reply = (struct rig_reply){.head = ret_reply->bytes};
    while (used < wanted) {
        size_t got = rig_read(fd, ret_reply->bytes + used, RIG_REPLY_BYTES - 1 - used);
        if (got == 0) {
            break;
        }
        used += got;
        ret_reply->bytes[used] = 0;
        char *end = strstr(ret_reply->bytes, "\r\n\r\n");
        if (ret_reply->body == NULL && end != NULL) {
            ret_reply->body = end + 4;
            const char *length = strcasestr(ret_reply->bytes, "Content-Length: ");
            bool has = length != NULL && length < end && !head_only;
            wanted = (size_t)(ret_reply->body - ret_reply->bytes) +
                     (has ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    if (ret_reply->body != NULL) {
        ret_reply->status = (unsigned)strtoul(ret_reply->bytes + 9, NULL, 10);
        ret_reply->body_bytes = used - (size_t)(ret_reply->body - ret_reply->bytes);
    }
}

static inline struct rig_reply *rig_reply_new(void)
{
    struct rig_reply *reply = calloc(1, sizeof *reply);
    assert_non_null(reply);
    return reply;
}

/* headers: "Name: value\r\n..." */
static inline void rig_ask(int fd, const char *method, const char *path, const char *headers,
                           const char *body, struct rig_reply *ret_reply)
{
    char head[4096];
    size_t body_bytes = body == NULL ? 0 : strlen(body);
    int count = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, path,
                         headers == NULL ? "" : headers);
    if (body != NULL) {
        count += snprintf(head + count, sizeof head - (size_t)count, "Content-Length: %zu\r\n",
                          body_bytes);
    }
    count += snprintf(head + count, sizeof head - (size_t)count, "\r\n");
    assert_true(rig_send(fd, head, (size_t)count));
    if (body != NULL) {
        assert_true(rig_send(fd, body, body_bytes));
    }
    rig_receive(fd, strcmp(method, "HEAD") == 0, ret_reply);
}

#endif
