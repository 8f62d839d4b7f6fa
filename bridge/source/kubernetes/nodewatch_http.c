/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the API server: a page of a list, or a watch. */

#include "nodewatch_link.h"

#include "abi/json_value.h"
#include "abi/kube_login.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CONNECT_MS 10000L
#define LIST_MS 60000L
#define WATCH_S_MIN 240
#define WATCH_S_SPREAD 120 /* So that not all clients come at once. */
#define SILENT_S 130L      /* Bookmarks come each minute; silence for longer: it is resumed. */

static const struct {
    const char *path, *fields;
} places[] = {
    [NODEWATCH_NODES] = {"/api/v1/nodes", ""},
    [NODEWATCH_EVENTS] = {"/api/v1/events",
                          "&fieldSelector=involvedObject.kind%3DNode%2Ctype%3DWarning"},
    [NODEWATCH_LEASES] = {"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", ""},
};

/* Read anew for each request: those of service accounts change hourly. */
static int token_of(const struct nodewatch_source *source, char token[KUBE_TOKEN_BYTES_MAX],
                    struct nsh_error *err)
{
    if (source->bearer_file != NULL) {
        return kube_token_read(source->bearer_file, token, err);
    }
    snprintf(token, KUBE_TOKEN_BYTES_MAX, "%s", source->token == NULL ? "" : source->token);
    return 0; /* How long it may be was looked at with the settings. */
}

static int headers_make(struct nodewatch_stream *stream, struct nsh_error *err)
{
    char token[KUBE_TOKEN_BYTES_MAX], line[KUBE_TOKEN_BYTES_MAX + 32];
    int result = token_of(stream->source, token, err);
    if (result < 0) {
        return result;
    }
    stream->headers = curl_slist_append(NULL, "Accept: application/json");
    if (stream->headers != NULL && token[0] != '\0') {
        snprintf(line, sizeof line, "Authorization: Bearer %s", token);
        struct curl_slist *more = curl_slist_append(stream->headers, line);
        result = more == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    }
    explicit_bzero(token, sizeof token);
    explicit_bzero(line, sizeof line);
    return stream->headers == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : result;
}

static unsigned chance(unsigned below)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        return 0;
    }
    return value % below;
}

static int url_make(struct nodewatch_stream *stream, unsigned watch_s, struct nsh_error *err)
{
    const char *base = stream->source->base, *path = places[stream->kind].path;
    const char *fields = places[stream->kind].fields;
    int count = 0;
    if (stream->phase == PHASE_WATCHES) {
        count = snprintf(stream->url, sizeof stream->url,
                         "%s%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s"
                         "&timeoutSeconds=%u%s",
                         base, path, stream->version, watch_s, fields);
    } else {
        char *next = stream->next == NULL ? NULL : curl_easy_escape(NULL, stream->next, 0);
        count = snprintf(stream->url, sizeof stream->url, "%s%s?limit=%d%s%s%s", base, path,
                         NODEWATCH_PAGE_ITEMS, fields,
                         next == NULL ? "" : "&continue=", next == NULL ? "" : next);
        curl_free(next);
    }
    return count < 0 || (size_t)count >= sizeof stream->url
               ? nsh_fail(err, NSH_PROTOCOL, "the server's version or page is too long")
               : 0;
}

/* A file, or the text itself, as a kubeconfig has it. */
static void pem_set(CURL *easy, CURLoption by_file, CURLoption by_text, const char *pem)
{
    if (strncmp(pem, "-----BEGIN ", 11) != 0) {
        curl_easy_setopt(easy, by_file, pem);
        return;
    }
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, by_text, &blob);
}

static void options_set(struct nodewatch_stream *stream, unsigned watch_s)
{
    const struct nodewatch_source *source = stream->source;
    CURL *easy = stream->easy;
    bool watches = stream->phase == PHASE_WATCHES;
    curl_easy_setopt(easy, CURLOPT_URL, stream->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, stream->headers);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, source->proxy == NULL ? "" : source->proxy);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, watches ? (long)watch_s * 1000L + LIST_MS : LIST_MS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, watches ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, watches ? SILENT_S : 0L);
    if (source->ca_file != NULL) {
        pem_set(easy, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB, source->ca_file);
    }
    if (source->client_cert != NULL) {
        pem_set(easy, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB, source->client_cert);
        pem_set(easy, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB,
                source->client_key != NULL ? source->client_key : source->client_cert);
    }
    if (source->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

int nodewatch_request(struct nodewatch_stream *stream, struct nsh_error *err)
{
    unsigned watch_s = WATCH_S_MIN + chance(WATCH_S_SPREAD);
    textbuf_clear(&stream->in);
    stream->outcome = NODEWATCH_TAKEN;
    stream->why = (struct nsh_error){0};
    int result = url_make(stream, watch_s, err);
    result = result < 0 ? result : headers_make(stream, err);
    if (result < 0) {
        nodewatch_request_end(stream);
        return result;
    }
    options_set(stream, watch_s);
    if (curl_multi_add_handle(stream->source->multi, stream->easy) != CURLM_OK) {
        nodewatch_request_end(stream);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return 0;
}

void nodewatch_request_end(struct nodewatch_stream *stream)
{
    curl_multi_remove_handle(stream->source->multi, stream->easy);
    curl_easy_setopt(stream->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(stream->headers);
    stream->headers = NULL;
}

/* What a Status object says. */
static void status_words(const struct nodewatch_stream *stream, long status, char *room,
                         size_t room_bytes)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body = nsh_null();
    struct nsh_error err = {0};
    const char *message = "";
    if (stream->in.count > 0 &&
        json_parse(stream->in.at, stream->in.count, &arena, &body, &err) == 0) {
        message = nsh_get_text(&body, "message", "");
    }
    snprintf(room, room_bytes, "HTTP status %ld%s%.140s", status, message[0] == '\0' ? "" : ": ",
             message);
}

void nodewatch_why(struct nodewatch_stream *stream, CURLcode code, long status, char *room,
                   size_t room_bytes)
{
    if (stream->outcome == NODEWATCH_FAILED) {
        snprintf(room, room_bytes, "%.200s", stream->why.text);
    } else if (status != 0 && status != 200) {
        status_words(stream, status, room, room_bytes);
    } else {
        snprintf(room, room_bytes, "%.200s", curl_easy_strerror(code));
    }
}
