/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS below libcurl: buffers are given back while a connection idles, and each endpoint's newest
 * session is kept, so that a BMC which closes idle connections costs a short handshake. libcurl's
 * own cache holds eight sessions. Sessions stay in memory only. Bound: ENDPOINTS_MAX.
 */

#include "loop/loop_http.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#define ENDPOINTS_MAX 20000

struct tls_endpoint {
    char *key;
    SSL_SESSION *session;
};

unsigned http_fd_bits(const struct http *http, int fd)
{
    return (size_t)fd < http->fds_count ? http->fds[fd] : 0;
}

void http_fd_set(struct http *http, int fd, unsigned bits)
{
    if ((size_t)fd >= http->fds_count) {
        size_t count = (size_t)fd * 2 + 64;
        uint8_t *grown = bits != 0 ? realloc(http->fds, count) : NULL;
        if (grown == NULL) {
            return; /* Then its handshake is not queued behind others. */
        }
        memset(grown + http->fds_count, 0, count - http->fds_count);
        http->fds = grown;
        http->fds_count = count;
    }
    http->fds[fd] = (uint8_t)bits;
}

static struct tls_endpoint *endpoint_for(struct http *http, const char *key)
{
    struct tls_endpoint *endpoint = map_get(&http->sessions, text_of(key));
    if (endpoint != NULL) {
        return endpoint;
    }
    http->sessions.count_max = ENDPOINTS_MAX;
    endpoint = calloc(1, sizeof *endpoint);
    if (endpoint != NULL) {
        endpoint->key = strdup(key);
    }
    if (endpoint == NULL || endpoint->key == NULL ||
        map_set(&http->sessions, text_of(endpoint->key), endpoint) < 0) {
        if (endpoint != NULL) {
            free(endpoint->key);
        }
        free(endpoint);
        return NULL; /* Without a place for its session: a full handshake each time. */
    }
    return endpoint;
}

static int session_new(SSL *ssl, SSL_SESSION *session)
{
    struct tls_endpoint *endpoint = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(endpoint->session);
    endpoint->session = session;
    return 1; /* The reference is ours now. */
}

/* libcurl makes the SSL object after tls_prepare(): its handshake's start is the first chance to
 * hand over the session. */
static void handshake_info(const SSL *const_ssl, int where, int result)
{
    SSL *ssl = (SSL *)(uintptr_t)const_ssl;
    const struct tls_endpoint *endpoint = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if ((where & SSL_CB_HANDSHAKE_START) != 0 && endpoint->session != NULL &&
        SSL_get_session(ssl) == NULL) {
        SSL_set_session(ssl, endpoint->session);
    }
}

CURLcode tls_prepare(CURL *easy, void *context, void *arg)
{
    struct nsh_http *request = arg;
    SSL_CTX *ctx = context;
    struct tls_endpoint *endpoint = endpoint_for(request->shard->loop->http, request->endpoint);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (endpoint != NULL) {
        SSL_CTX_set_app_data(ctx, endpoint);
        SSL_CTX_sess_set_new_cb(ctx, session_new);
        SSL_CTX_set_info_callback(ctx, handshake_info);
    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
    return CURLE_OK;
}

void tls_sessions_done(struct http *http)
{
    MAP_EACH (&http->sessions, entry) {
        struct tls_endpoint *endpoint = entry->value;
        SSL_SESSION_free(endpoint->session);
        free(endpoint->key);
        free(endpoint);
    }
    map_done(&http->sessions);
}
