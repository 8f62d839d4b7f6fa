/* SPDX-License-Identifier: Apache-2.0 */
/* What all events of a cluster have in common, and the Events of its nodes. */

#include "nodewatch.h"

#include "source/map/source_push.h"

#include "abi/json_value.h"

#include <stdio.h>

#define DATA_BYTES_MAX 8192
#define ROOM_MIN 16
#define TYPE_BYTES_MAX 160

static bool out_grow(struct nodewatch_out *out)
{
    uint32_t room = out->room == 0 ? ROOM_MIN : out->room * 2;
    struct event *items = arena_array(out->arena, room, sizeof *items);
    if (items == NULL) {
        return false;
    }
    if (out->count > 0) {
        memcpy(items, out->items, out->count * sizeof *items);
    }
    out->items = items;
    out->room = room;
    return true;
}

struct event *nodewatch_tell(const struct nodewatch *watch, struct nodewatch_out *out,
                             const char *node)
{
    const char *hint = arena_printf(out->arena, "node=%s", node);
    const char *subject = arena_copy(out->arena, node, strlen(node));
    if (hint == NULL || subject == NULL || (out->count == out->room && !out_grow(out))) {
        out->failed = true;
        return NULL;
    }
    struct event *event = &out->items[out->count++];
    *event = (struct event){
        .received_ms = out->now_ms,
        .source = text_of(watch->source),
        .subject = text_of(subject),
        .hint = text_of(hint),
    };
    return event;
}

struct text nodewatch_cut(struct nodewatch_out *out, const char *text)
{
    size_t count = strlen(text);
    if (count > EVENT_TEXT_BYTES_MAX) {
        count = EVENT_TEXT_BYTES_MAX;
        while (count > 0 && ((unsigned char)text[count] & 0xc0) == 0x80) {
            count--;
        }
    }
    struct text cut = arena_text(out->arena, (struct text){text, (uint32_t)count});
    out->failed = out->failed || cut.at == NULL;
    return cut.at == NULL ? TEXT("") : cut;
}

struct text nodewatch_data(struct nodewatch_out *out, const struct nsh_member *members,
                           size_t count)
{
    const struct nsh_value data = nsh_map(members, count);
    struct text packed = source_pack_data(&data, DATA_BYTES_MAX, out->arena);
    out->failed = out->failed || packed.at == NULL;
    return packed;
}

/* ---- Events of nodes ---- */

static bool known_already(struct nodewatch *watch, const char *id)
{
    uint64_t hash = text_hash(text_of(id));
    for (size_t i = 0; i < NODEWATCH_RECENT_MAX; i++) {
        if (watch->recent[i] == hash) {
            return true;
        }
    }
    watch->recent[watch->recent_next] = hash;
    watch->recent_next = (watch->recent_next + 1) % NODEWATCH_RECENT_MAX;
    return false;
}

/* When it was seen last; 0: it does not say. Newer writers use series and eventTime. */
static int64_t last_ms(const struct nsh_value *object)
{
    static const char *const places[] = {"series.lastObservedTime", "lastTimestamp", "eventTime",
                                         "metadata.creationTimestamp"};
    int64_t ms = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (event_time_read(nsh_at_text(object, places[i], ""), &ms)) {
            return ms;
        }
    }
    return 0;
}

void nodewatch_event(struct nodewatch *watch, const struct nsh_value *object,
                     struct nodewatch_out *out)
{
    const char *node = nsh_at_text(object, "involvedObject.name", "");
    const char *reason = nsh_get_text(object, "reason", "");
    const char *message = nsh_get_text(object, "message", "");
    int64_t count = nsh_at_int(object, "series.count", nsh_get_int(object, "count", 1));
    int64_t time_ms = last_ms(object);
    char word[TYPE_BYTES_MAX];
    if (node[0] == '\0' || strcmp(nsh_at_text(object, "involvedObject.kind", ""), "Node") != 0 ||
        strcmp(nsh_get_text(object, "type", ""), "Warning") != 0) {
        return;
    }
    const char *id = arena_printf(out->arena, "%.200s/%lld",
                                  nsh_at_text(object, "metadata.uid", ""), (long long)count);
    if (id == NULL) {
        out->failed = true;
        return;
    }
    if (known_already(watch, id) || time_ms < out->since_ms) {
        return;
    }
    struct event *event = nodewatch_tell(watch, out, node);
    if (event == NULL) {
        return;
    }
    source_kebab(reason[0] == '\0' ? "unnamed" : reason, word, sizeof word);
    const char *type = arena_printf(out->arena, "kubernetes.event.%s", word);
    out->failed = out->failed || type == NULL;
    const struct nsh_member data[] = {
        {"node", nsh_text(node)},
        {"reason", nsh_text(reason)},
        {"count", nsh_int(count)},
        {"component", nsh_text(nsh_at_text(object, "source.component",
                                           nsh_get_text(object, "reportingComponent", "")))},
    };
    event->time_ms = time_ms;
    event->severity = SEVERITY_WARNING;
    event->state = EVENT_PULSE;
    event->id = text_of(id);
    event->type = text_of(type == NULL ? "" : type);
    event->name = nodewatch_cut(out, reason);
    event->message = nodewatch_cut(out, message);
    event->data = nodewatch_data(out, data, sizeof data / sizeof data[0]);
}
