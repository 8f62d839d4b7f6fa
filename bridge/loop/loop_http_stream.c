/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies that have no end: pieces of their bodies are handed on while they come. Never from inside
 * libcurl, where a request cannot be cancelled: what a look at a socket brought is kept, and
 * delivered after it.
 */

#include "loop/loop_http.h"

#include <stdlib.h>

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
    request->fresh = true;
    request->fresh_next = request->shard->fresh;
    request->shard->fresh = request;
}

void stream_deliver(struct http_shard *shard)
{
    while (shard->fresh != NULL) {
        struct nsh_http *request = shard->fresh;
        char *bytes = request->body;
        size_t bytes_count = request->body_bytes;
        shard->fresh = request->fresh_next;
        request->fresh = false;
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
