/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies that have no end: pieces of their bodies are handed on while they come. Never from inside
 * libcurl, where a request cannot be cancelled: what a look at a socket brought is kept, and
 * delivered after it.
 */

#include "loop/loop_http.h"

#include <stdlib.h>

static void fresh_add(struct nsh_http *request)
{
    request->fresh = true;
    request->fresh_next = request->shard->fresh;
    request->shard->fresh = request;
}

void stream_took(struct nsh_http *request)
{
    long status = 0;
    if (request->received == NULL || request->fresh) {
        return;
    }
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) {
        return; /* An error's body is a reply like any other. */
    }
    fresh_add(request);
}

/* The request may be gone afterwards. */
static void tell_begun(struct nsh_http *request)
{
    const char *headers[HEADERS_COUNT_MAX + 1];
    long status = 0;
    void (*began)(void *arg, const struct nsh_http_reply *reply) = request->began;
    request->began = NULL;
    if (request->body_bytes > 0) {
        fresh_add(request);
    }
    http_headers(request, headers);
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    began(request->arg, &(struct nsh_http_reply){
                            .sent = true, .status = (int)status, .headers = headers, .body = ""});
}

void stream_deliver(struct http_shard *shard)
{
    while (shard->fresh != NULL) {
        struct nsh_http *request = shard->fresh;
        char *bytes = request->body;
        size_t bytes_count = request->body_bytes;
        shard->fresh = request->fresh_next;
        request->fresh = false;
        if (request->began != NULL) {
            tell_begun(request);
            continue;
        }
        if (bytes_count == 0) {
            continue;
        }
        request->body = NULL;
        request->body_bytes = request->body_room = 0;
        request->received(request->arg, bytes, bytes_count); /* The request may be gone now. */
        free(bytes);
    }
}

void stream_forget(struct nsh_http *request)
{
    struct nsh_http **at = &request->shard->fresh;
    if (!request->fresh) {
        return;
    }
    while (*at != request) {
        at = &(*at)->fresh_next;
    }
    *at = request->fresh_next;
    request->fresh = false;
}

void service_http_pause(struct nsh_services *services, struct nsh_http *request, bool paused)
{
    (void)services;
    /* Going on, libcurl looks at the socket by its timer, in the next turn: nothing is delivered
     * from inside this call. */
    curl_easy_pause(request->easy, paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}
