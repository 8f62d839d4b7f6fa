/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSH_LINK_H
#define SSH_LINK_H

/*
 * One SSH connection over a stream: connect, keys, the host's key, log in, then one command after
 * the other, until it is closed. libssh2 never blocks here and never touches a socket: it reads and
 * writes through the stream.
 */

#include "abi/driver.h"
#include "ssh_codec.h"

#define SSH_TEXT_MAX 512
#define SSH_OUTPUT_MAX (64 * 1024) /* Kept of each of stdout and stderr; the rest is read away. */

/* Whom to connect to, and as whom; the device's, and it outlives its links. */
struct ssh_account {
    char host[SSH_HOST_MAX];
    uint16_t port;
    char *address; /* As configured, for texts. */
    char *user, *private_key, *passphrase, *certificate, *password, *known_hosts, *host_key;
    uint32_t connect_timeout_ms, login_timeout_ms, keep_ms, alive_ms;
};

/* How a command ended. Borrowed during done(). */
struct ssh_result {
    int code;                    /* NSH_OK: it ran and ended by itself. */
    bool sent;                   /* The command reached the host, or may have. */
    const char *text;            /* With a failure. */
    int status;                  /* Exit status; with signal it is 128. */
    const char *output, *errors; /* Clean, NUL-terminated. */
    bool output_cut, errors_cut;
};

struct ssh_link;

struct ssh_link *ssh_link_new(struct nsh_services *services, const struct ssh_account *account);
void ssh_link_free(struct ssh_link *link); /* Nobody is called back. */

/*
 * Run a command, connecting first when there is no session. done is called once, never from inside
 * this call; it may free the link or run the next command. A kept session that turns out to be dead
 * before the command was sent is made anew, once.
 */
int ssh_link_run(struct ssh_link *link, const char *command,
                 void (*done)(void *arg, const struct ssh_result *result), void *arg,
                 struct nsh_error *err);
bool ssh_link_sent(const struct ssh_link *link); /* The running command may have reached it. */

/* Nothing runs: watch the session; gone() is called when the host ends it, falls silent, or keep_ms
 * are over. */
bool ssh_link_keep(struct ssh_link *link, void (*gone)(void *arg), void *arg);

#endif
