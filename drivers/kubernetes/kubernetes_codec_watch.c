/* SPDX-License-Identifier: Apache-2.0 */
/* A watch: one JSON object a line, cut anywhere. */

#include "kubernetes_codec.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_BYTES_MIN 4096

static bool lines_grow(struct kube_lines *lines, size_t wanted)
{
    size_t room = lines->room < ROOM_BYTES_MIN ? ROOM_BYTES_MIN : lines->room;

    while (room < wanted) {
        room *= 2;
    }
    if (room == lines->room) {
        return true;
    }
    char *grown = realloc(lines->at, room);
    if (grown == NULL) {
        return false;
    }
    lines->at = grown;
    lines->room = room;
    return true;
}

int kube_lines_feed(struct kube_lines *lines, const char *bytes, size_t bytes_count,
                    bool (*each)(void *arg, const char *line, size_t line_bytes), void *arg)
{
    while (bytes_count > 0) {
        const char *end = memchr(bytes, '\n', bytes_count);
        size_t take = end == NULL ? bytes_count : (size_t)(end - bytes);
        if (lines->count + take > KUBE_LINE_BYTES_MAX) {
            return -NSH_LIMIT;
        }
        if (!lines_grow(lines, lines->count + take + 1)) {
            return -NSH_NOMEM;
        }
        memcpy(lines->at + lines->count, bytes, take);
        lines->count += take;
        lines->at[lines->count] = '\0';
        if (end == NULL) {
            return 0;
        }
        size_t line_bytes = lines->count;
        lines->count = 0;
        bytes += take + 1;
        bytes_count -= take + 1;
        if (line_bytes > 0 && !each(arg, lines->at, line_bytes)) {
            return 1;
        }
    }
    return 0;
}

void kube_lines_done(struct kube_lines *lines)
{
    free(lines->at);
    *lines = (struct kube_lines){0};
}

int kube_event_read(struct nsh_pool *pool, const char *line, size_t line_bytes,
                    struct kube_event *ret_event, struct nsh_error *err)
{
    static const struct {
        const char *word;
        enum kube_event_type type;
    } types[] = {{"ADDED", KUBE_ADDED},
                 {"MODIFIED", KUBE_MODIFIED},
                 {"DELETED", KUBE_DELETED},
                 {"BOOKMARK", KUBE_BOOKMARK},
                 {"ERROR", KUBE_ERROR}};
    struct nsh_value *whole = nsh_pool_alloc(pool, sizeof *whole);

    if (whole == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = nsh_json_read(pool, line, line_bytes, whole, err);
    if (result < 0) {
        return result == -NSH_INVALID ? nsh_fail(err, NSH_PROTOCOL, "the watch sent no JSON")
                                      : result;
    }
    const struct nsh_value *object = nsh_get(whole, "object");
    for (size_t i = 0; object != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(nsh_at_text(whole, "type", ""), types[i].word) != 0) {
            continue;
        }
        bool expired = types[i].type == KUBE_ERROR && nsh_at_int(object, "code", 0) == 410;
        *ret_event = (struct kube_event){
            .type = expired ? KUBE_EXPIRED : types[i].type,
            .object = object,
            .version = nsh_at_text(object, "metadata.resourceVersion", NULL),
        };
        return 0;
    }
    return nsh_fail(err, NSH_PROTOCOL, "the watch sent no event");
}
