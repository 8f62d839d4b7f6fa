/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_MAIL_H
#define NOTIFY_MAIL_H

/*
 * A connection that may become encrypted: the stream service below, OpenSSL with buffers in memory
 * between. ready() is called when it is connected, when it has become encrypted, when there is
 * something to read, and when it failed; in it everything may be done, closing as well.
 */

#include "notify.h"

struct notify_pipe {
    struct nsh_services *services;
    const char *host;
    uint16_t port;
    const struct notify_tls *tls; /* NULL: it stays in clear. */
    void (*ready)(void *arg, int code, const char *text);
    void *arg;
    /* The pipe's. */
    struct nsh_stream *stream;
    void *ssl; /* SSL; NULL: in clear. */
    char *output;
    size_t output_bytes, output_room;
    bool at_once, connected, shaken, ended, broken;
};

/* at_once: TLS from the start. */
int notify_pipe_open(struct notify_pipe *pipe, bool at_once, struct nsh_error *err);
int notify_pipe_encrypt(struct notify_pipe *pipe, struct nsh_error *err);
bool notify_pipe_secure(const struct notify_pipe *pipe);
/* Everything is taken, or false: no memory. */
bool notify_pipe_write(struct notify_pipe *pipe, const char *bytes, size_t bytes_count);
bool notify_pipe_written(const struct notify_pipe *pipe); /* All of it left. */
/* Bytes there are; 0: none now; -1: the peer has ended it. */
long notify_pipe_read(struct notify_pipe *pipe, char *room, size_t room_bytes);
void notify_pipe_close(struct notify_pipe *pipe);

#endif
