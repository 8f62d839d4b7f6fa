/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_WEBHOOK_WEBHOOK_H
#define SOURCE_WEBHOOK_WEBHOOK_H

/*
 * Webhooks, `/v1/webhooks/NAME`: who may send (webhook_admit), before a byte of the body is looked
 * into. The map of the source says what a body means; the daemon's route brings both together.
 *
 * All that is configured must hold: networks, a token or password, a signature, a client
 * certificate. A source without any of them is refused at load, unless `anyone = true`.
 */

#include "source/map/source_type.h"

#define WEBHOOK_KEYS_MAX 8
#define WEBHOOK_NETWORKS_MAX 64
#define WEBHOOK_NAMES_MAX 16
#define WEBHOOK_SEEN_MAX 8192   /* Signatures remembered against replays; the oldest go. */
#define WEBHOOK_LINES_MAX 10000 /* Of a body of JSON lines. */
#define WEBHOOK_HEADERS_MAX 64  /* That a map may see. */
#define WEBHOOK_DIGEST_BYTES 32

extern const struct source_type source_type_webhook;

struct webhook;

/* A request as its sender made it. */
struct webhook_request {
    const char *body;
    size_t body_bytes;
    const char *peer; /* "10.0.0.1"; "" from the unix socket. */
    bool local; /* From the unix socket, by somebody who may operate: networks do not count. */
    const char
        *certificate; /* Names in a client certificate that was verified, one a line; NULL. */
    int64_t wall_ms;
    /* The first header of that name, or NULL. */
    const char *(*header)(void *arg, const char *name);
    void *arg;
};

/* What an admitted request has to be kept by: for webhook_seen(). */
struct webhook_ticket {
    bool signed_by_key;
    uint8_t digest[WEBHOOK_DIGEST_BYTES];
};

/*
 * May it send? Any thread.
 *
 * NSH_AUTH    no, or another, token, password or signature: HTTP 401
 * NSH_DENIED  from a network, or with a certificate, that may not: HTTP 403
 * NSH_STALE   signed too long ago (or ahead): HTTP 401
 * NSH_EXISTS  a replay of what was accepted: HTTP 200, nothing is done
 * NSH_BUSY    the sender's certificate is being fetched: HTTP 503
 * NSH_INVALID the body is not what its signature scheme needs: HTTP 400
 */
int webhook_admit(struct webhook *webhook, const struct webhook_request *request,
                  struct webhook_ticket *ret_ticket, struct nsh_error *err);

/* An admitted request became durable: its signature is not taken again. Any thread. */
void webhook_seen(struct webhook *webhook, const struct webhook_ticket *ticket, int64_t wall_ms);

/* The body as a value: JSON, or a list of the lines of JSON lines. NSH_INVALID. */
int webhook_body(const char *content_type, const char *body, size_t body_bytes, struct arena *arena,
                 struct nsh_value *ret_body, struct nsh_error *err);

uint32_t webhook_body_bytes_max(const struct webhook *webhook);

/* A header that a map may see: no credentials. */
bool webhook_header_shown(const struct webhook *webhook, const char *name);

#endif
