/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking an HTTP/1.1 request apart; pure, and fuzzed. Nothing is changed before all of a request is
 * there; then the head is cut into texts in place.
 */

#include "lab.h"

#include <string.h>
#include <strings.h>

#define BODY_BYTES_MAX (LAB_HTTP_REQUEST_MAX - 4096)

/* Digits and nothing else, as a length; SIZE_MAX: it is none, or beyond every bound. */
static size_t http_length(const char *at)
{
    size_t length = 0;

    at += strspn(at, " \t");
    if (*at < '0' || *at > '9') {
        return SIZE_MAX;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        if (length > LAB_HTTP_REQUEST_MAX) {
            return SIZE_MAX;
        }
        length = length * 10 + (size_t)(*at - '0');
    }
    at += strspn(at, " \t");
    return *at == '\r' || *at == '\n' || *at == '\0' ? length : SIZE_MAX;
}

/*
 * The length of the body that a head announces, before the head is cut. Two lengths that differ
 * are nobody's request: 400.
 */
static int http_body_bytes(const char *bytes, size_t head_bytes, size_t *ret_body_bytes)
{
    static const char name[] = "\ncontent-length:";
    size_t body_bytes = SIZE_MAX;

    for (size_t i = 0; i + sizeof name < head_bytes; i++) {
        if (strncasecmp(bytes + i, name, sizeof name - 1) != 0) {
            continue;
        }
        size_t length = http_length(bytes + i + sizeof name - 1);
        if (length == SIZE_MAX) {
            return 400;
        }
        if (body_bytes != SIZE_MAX && body_bytes != length) {
            return 400;
        }
        body_bytes = length;
    }
    *ret_body_bytes = body_bytes == SIZE_MAX ? 0 : body_bytes;
    return *ret_body_bytes > BODY_BYTES_MAX ? 413 : 200;
}

static void head_line(struct lab_http *head, const char *name, const char *value)
{
    struct lab_request *request = &head->request;

    if (strcasecmp(name, "authorization") == 0) {
        request->authorization = value;
    } else if (strcasecmp(name, "x-auth-token") == 0) {
        request->token = value;
    } else if (strcasecmp(name, "content-type") == 0) {
        request->content_type = value;
    } else if (strcasecmp(name, "if-match") == 0) {
        request->if_match = value;
    } else if (strcasecmp(name, "if-none-match") == 0) {
        request->if_none_match = value;
    } else if (strcasecmp(name, "last-event-id") == 0) {
        request->last_event_id = value;
    } else if (strcasecmp(name, "connection") == 0) {
        head->close =
            head->close ? strcasecmp(value, "keep-alive") != 0 : strcasecmp(value, "close") == 0;
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        head->chunked = true;
    }
}

static bool head_request_line(char *line, struct lab_http *head)
{
    char *method = strsep(&line, " ");
    char *path = line == NULL ? NULL : strsep(&line, " ");

    if (path == NULL || line == NULL || *method == '\0' || *path != '/' ||
        strncmp(line, "HTTP/1.", 7) != 0) {
        return false;
    }
    head->close = line[7] == '0';
    path[strcspn(path, "#")] = '\0';
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    head->request.query = query;
    head->request.method = method;
    head->request.path = path;
    return true;
}

static bool head_cut(char *bytes, struct lab_http *head)
{
    char *rest = bytes;
    char *line = strsep(&rest, "\n");

    if (!head_request_line(line, head)) {
        return false;
    }
    while ((line = strsep(&rest, "\n")) != NULL) {
        line[strcspn(line, "\r")] = '\0';
        char *value = strchr(line, ':');
        if (value == NULL) {
            continue;
        }
        *value++ = '\0';
        value += strspn(value, " \t");
        head_line(head, line, value);
    }
    return true;
}

int lab_http_parse(char *bytes, size_t bytes_count, struct lab_http *head)
{
    char *end = memmem(bytes, bytes_count, "\r\n\r\n", 4);

    if (end == NULL) {
        return 0;
    }
    head->head_bytes = (size_t)(end - bytes) + 4;
    int status = http_body_bytes(bytes, head->head_bytes, &head->body_bytes);
    if (status != 200) {
        return status;
    }
    if (bytes_count < head->head_bytes + head->body_bytes) {
        return 0;
    }
    end[2] = '\0';
    if (memchr(bytes, '\0', head->head_bytes - 2) != NULL || !head_cut(bytes, head)) {
        return 400;
    }
    return head->chunked ? 411 : 200;
}
