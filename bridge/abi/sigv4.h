/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NSH_SIGV4_H
#define NSH_SIGV4_H

/*
 * AWS Signature Version 4: what an HTTP request to AWS, or to what speaks like it, is signed with.
 *
 * Pure: the clock and the credentials are handed in. The request is signed as it will be sent, so
 * the caller sends exactly this method, host, path, query, body and these headers, and adds the
 * lines that come back. Nothing here keeps or shows a secret.
 */

#include "abi/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGV4_HEADERS_MAX 12       /* Of the caller's, signed. */
#define SIGV4_HEADER_BYTES_MAX 512 /* One of them. */
#define SIGV4_PARAMETERS_MAX 64    /* Of the query. */
#define SIGV4_SCOPE_BYTES_MAX 64   /* Region, service, key id; each. */
#define SIGV4_TOKEN_BYTES_MAX 4096 /* Session tokens of roles have one or two thousand. */
#define SIGV4_LINE_BYTES_MAX 1024  /* The Authorization line. */

struct sigv4_credentials {
    const char *key_id, *secret;
    const char *session_token; /* Of a role; NULL: none. */
};

struct sigv4_request {
    const char *method;
    const char *host;  /* As in the Host header: with the port unless it is the scheme's own. */
    const char *path;  /* As sent, percent-encoded; "" counts as "/". No "." or ".." or "//". */
    const char *query; /* As sent, without '?', percent-encoded, in any order; NULL: none. */
    const char *const *headers; /* "Name: value", to be signed; NULL-terminated; may be NULL. */
    const void *body;
    size_t body_bytes;
    const char *region, *service;
    int64_t
        unix_ms; /* The peer's clock as far as known: AWS refuses 5 minutes (some 15) of skew. */
};

/* Header lines to send besides the request's own. */
struct sigv4_lines {
    char date[40];                            /* "X-Amz-Date: 20150830T123600Z" */
    char authorization[SIGV4_LINE_BYTES_MAX]; /* "Authorization: AWS4-HMAC-SHA256 ..." */
    char token[SIGV4_TOKEN_BYTES_MAX + 32];   /* "X-Amz-Security-Token: ..."; "": none. */
};

/*
 * Sign a request.
 *
 * NSH_INVALID  it is not percent-encoded as AWS reads it, or a text has control characters.
 * NSH_LIMIT    a bound above.
 * NSH_NOMEM    the library had no memory for the hash.
 */
int sigv4_sign(const struct sigv4_credentials *credentials, const struct sigv4_request *request,
               struct sigv4_lines *ret_lines, struct nsh_error *err);

#endif
