/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a BMC: address, login and TLS as its binding has them. */

#include "redfish_private.h"

#define HEADERS_MAX 8

int redfish_peer_open(struct redfish_peer *peer, struct redfish_events *source,
                      const struct redfish_bmc *bmc, struct nsh_error *err)
{
    const struct source_services *services = source->services;
    struct arena *arena = &peer->arena;
    const char *scheme = strstr(bmc->address, "://");
    const char *authority = scheme == NULL ? bmc->address : scheme + 3;
    peer->source = source;
    peer->address = arena_text(arena, text_of(bmc->address)).at;
    peer->context = arena_text(arena, text_of(bmc->context)).at;
    if (!arena_value(arena, bmc->settings, &peer->settings)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    bool plain = strcmp(nsh_get_text(&peer->settings, "tls", "verify"), "none") == 0;
    peer->base = arena_printf(arena, "%s://%.*s", plain ? "http" : "https",
                              (int)strcspn(authority, "/?#"), authority);
    peer->user = nsh_get_text(&peer->settings, "user", NULL);
    const char *reference = nsh_get_text(&peer->settings, "password", NULL);
    if (reference != NULL) {
        int result = services->secret(services->arg, reference, arena, &peer->password, err);
        if (result < 0) {
            return result;
        }
    }
    return peer->address != NULL && peer->context != NULL && peer->base != NULL
               ? 0
               : nsh_fail(err, NSH_NOMEM, "out of memory");
}

void redfish_peer_done(struct redfish_peer *peer)
{
    if (peer->password != NULL) { /* The arena's bytes, which are ours. */
        explicit_bzero((void *)(uintptr_t)peer->password, strlen(peer->password));
        peer->password = NULL;
    }
    arena_done(&peer->arena);
}

int redfish_peer_call(struct redfish_peer *peer, const struct redfish_call *call,
                      void (*done)(void *arg, const struct nsh_http_reply *reply), void *arg,
                      struct nsh_http **ret_http, struct nsh_error *err)
{
    const char *headers[HEADERS_MAX + 4] = {"Accept: application/json", "OData-Version: 4.0"};
    size_t count = 2;
    CLEANUP(textbuf_donep) struct textbuf url = {0};
    if (call->body != NULL) {
        headers[count++] = "Content-Type: application/json";
    }
    for (size_t i = 0; call->headers != NULL && i < HEADERS_MAX && call->headers[i] != NULL; i++) {
        headers[count++] = call->headers[i];
    }
    textbuf_addf(&url, "%s%s", peer->base, call->path);
    if (url.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    const char *tls = nsh_get_text(&peer->settings, "tls", "verify");
    const struct nsh_http_request request = {
        .method = call->method,
        .url = url.at,
        .headers = headers,
        .body = call->body,
        .body_bytes = call->body_bytes,
        .reply_bytes_max =
            call->reply_bytes_max == 0 ? REDFISH_REPLY_BYTES_MAX : call->reply_bytes_max,
        .user = peer->user,
        .password = peer->password,
        .ca_file = nsh_get_text(&peer->settings, "ca_file", NULL),
        .pinned_key = nsh_get_text(&peer->settings, "pinned_key", NULL),
        .client_cert = nsh_get_text(&peer->settings, "client_cert", NULL),
        .client_key = nsh_get_text(&peer->settings, "client_key", NULL),
        .insecure = strcmp(tls, "insecure") == 0,
    };
    struct nsh_services *services = peer->source->services->services;
    return services->http(services, &request, done, arg, ret_http, err);
}
