/* SPDX-License-Identifier: Apache-2.0 */
#include "syslog_patterns.h"

#include "base/pack.h"

#include <stdio.h>

#define HINT_BYTES_MAX 600

/* ---- templates ---- */

/* The next ${NAME}; false: there is none. ret_before is what stands in front of it. */
static bool reference_next(struct text *rest, struct text *ret_before, struct text *ret_name)
{
    for (uint32_t i = 0; i + 3 <= rest->count; i++) {
        const char *end = rest->at[i] == '$' && rest->at[i + 1] == '{'
                              ? memchr(rest->at + i, '}', rest->count - i)
                              : NULL;
        if (end == NULL) {
            continue;
        }
        uint32_t after = (uint32_t)(end - rest->at) + 1;
        *ret_before = (struct text){rest->at, i};
        *ret_name = (struct text){rest->at + i + 2, after - i - 3};
        *rest = (struct text){rest->at + after, rest->count - after};
        return true;
    }
    return false;
}

bool syslog_template_good(struct text text, uint32_t groups_count)
{
    struct text before, name;
    while (reference_next(&text, &before, &name)) {
        int64_t number = 0;
        bool group = text_to_int(name, &number) && number >= 0 && number < groups_count;
        if (!group && !text_is(name, "program") && !text_is(name, "pid") &&
            !text_is(name, "host")) {
            return false;
        }
    }
    return true;
}

struct filling {
    const struct syslog_message *message;
    const struct text *groups;
    char *at;
    size_t count, room;
    bool lacking; /* A reference stood for nothing. */
};

static void fill_add(struct filling *filling, struct text text)
{
    size_t room = filling->room - filling->count;
    size_t count = text.count < room ? text.count : room;
    /* Never half a character. */
    while (count > 0 && count < text.count && ((unsigned char)text.at[count] & 0xc0) == 0x80) {
        count--;
    }
    if (count > 0) {
        memcpy(filling->at + filling->count, text.at, count);
    }
    filling->count += count;
}

static struct text reference_value(const struct filling *filling, struct text name)
{
    int64_t number = 0;
    if (text_to_int(name, &number)) {
        return filling->groups[number];
    }
    if (text_is(name, "program")) {
        return filling->message->program;
    }
    return text_is(name, "pid") ? filling->message->pid : filling->message->hostname;
}

static void fill_template(struct filling *filling, struct text template)
{
    struct text before, name;
    while (reference_next(&template, &before, &name)) {
        struct text value = reference_value(filling, name);
        filling->lacking = filling->lacking || value.count == 0;
        fill_add(filling, before);
        fill_add(filling, value);
    }
    fill_add(filling, template);
}

/* Empty when memory or a value is lacking. */
static struct text expand(struct syslog_mapper *mapper, struct text template,
                          const struct syslog_message *message, const struct text *groups)
{
    struct filling filling = {.message = message, .groups = groups, .room = EVENT_TEXT_BYTES_MAX};
    if (template.count == 0) {
        return TEXT("");
    }
    filling.at = arena_alloc(&mapper->arena, filling.room);
    if (filling.at == NULL) {
        return TEXT("");
    }
    fill_template(&filling, template);
    return filling.lacking ? TEXT("") : (struct text){filling.at, (uint32_t)filling.count};
}

/* ---- texts from outside ---- */

/* Valid UTF-8 without control characters, at most bytes_max of it: what is not becomes '?'. */
static struct text clean(struct syslog_mapper *mapper, struct text text, size_t bytes_max)
{
    char *at = arena_alloc(&mapper->arena, text.count + 1);
    size_t count = 0;
    for (uint32_t i = 0; at != NULL && i < text.count && count < bytes_max;) {
        unsigned char c = (unsigned char)text.at[i];
        uint32_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        bool good = c < 0x80 ? (c >= ' ' && c != 0x7f) || c == '\t'
                             : length <= text.count - i && text_is_utf8(text.at + i, length);
        if (good && count + length > bytes_max) {
            break;
        }
        memcpy(at + count, good ? text.at + i : "?", good ? length : 1);
        count += good ? length : 1;
        i += good ? length : 1;
    }
    return at == NULL ? TEXT("") : (struct text){at, (uint32_t)count};
}

static struct syslog_message clean_message(struct syslog_mapper *mapper,
                                           const struct syslog_message *from)
{
    struct syslog_message message = *from;
    message.hostname = clean(mapper, from->hostname, 255);
    message.program = clean(mapper, from->program, 128);
    message.pid = clean(mapper, from->pid, 128);
    message.msgid = clean(mapper, from->msgid, 128);
    message.elements = clean(mapper, from->elements, SYSLOG_MESSAGE_BYTES_MAX);
    message.message = clean(mapper, from->message, SYSLOG_MESSAGE_BYTES_MAX);
    return message;
}

/* ---- the event ---- */

static enum severity severity_from(uint8_t severity)
{
    static const enum severity grades[] = {SEVERITY_CRITICAL, SEVERITY_CRITICAL, SEVERITY_CRITICAL,
                                           SEVERITY_MAJOR,    SEVERITY_WARNING,  SEVERITY_INFO,
                                           SEVERITY_INFO,     SEVERITY_INFO};
    return grades[severity & 7];
}

static struct nsh_value text_value(struct text text)
{
    return (struct nsh_value){.type = NSH_STRING, .count = text.count, .text = text.at};
}

static void pack_data(struct syslog_mapper *mapper, const struct syslog_message *message,
                      struct event *event)
{
    struct nsh_member members[7];
    size_t count = 0;
    members[count++] = (struct nsh_member){"facility", nsh_int(message->facility)};
    members[count++] =
        (struct nsh_member){"priority", nsh_text(syslog_severity_word(message->severity))};
    const struct {
        const char *name;
        struct text text;
    } texts[] = {{"program", message->program},
                 {"pid", message->pid},
                 {"msgid", message->msgid},
                 {"elements", message->elements},
                 {"message", message->message}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *kept = texts[i].text.count == 0
                         ? NULL
                         : arena_copy(&mapper->arena, texts[i].text.at, texts[i].text.count);
        if (kept != NULL) {
            members[count++] = (struct nsh_member){
                texts[i].name, text_value((struct text){kept, texts[i].text.count})};
        }
    }
    struct nsh_value map = nsh_map(members, count);
    struct pack_writer writer = {.room = EVENT_DATA_BYTES_MAX};
    pack_value(&writer, &map);
    writer = (struct pack_writer){.at = arena_alloc(&mapper->arena, writer.count + 1),
                                  .room = writer.count};
    if (writer.at != NULL) {
        pack_value(&writer, &map);
        event->data = (struct text){(const char *)writer.at, (uint32_t)writer.count};
    }
}

static bool is_local(struct text name)
{
    return name.count == 0 || text_is(name, "localhost") || text_is(name, "localhost.localdomain");
}

/*
 * The address is what cannot be made up over TCP and TLS; a name in a message can. So a name counts
 * only from a relay, whose own address says nothing about whose message it is.
 */
static struct text hint_of(struct syslog_mapper *mapper, const struct syslog_message *message,
                           const struct syslog_origin *origin)
{
    char *at = arena_alloc(&mapper->arena, HINT_BYTES_MAX);
    struct text name = message->hostname;
    int count;
    if (at == NULL) {
        return TEXT("");
    }
    if (!origin->relay || is_local(name) || memchr(name.at, ',', name.count) != NULL) {
        count = snprintf(at, HINT_BYTES_MAX, "addr=%.*s", (int)origin->address.count,
                         origin->address.at);
    } else {
        const char *dot = memchr(name.at, '.', name.count);
        count = snprintf(at, HINT_BYTES_MAX, "host=%.*s,addr=%.*s", (int)name.count, name.at,
                         (int)name.count, name.at);
        if (dot != NULL) {
            count = snprintf(at, HINT_BYTES_MAX, "host=%.*s,host=%.*s,addr=%.*s", (int)name.count,
                             name.at, (int)(dot - name.at), name.at, (int)name.count, name.at);
        }
    }
    return (struct text){at, count < 0 ? 0 : (uint32_t)count};
}

static struct text source_of(struct syslog_mapper *mapper, const struct syslog_origin *origin)
{
    char *at =
        arena_printf(&mapper->arena, "syslog/%.*s", (int)origin->address.count, origin->address.at);
    return at == NULL ? TEXT("syslog") : text_of(at);
}

bool syslog_map(struct syslog_mapper *mapper, const struct syslog_message *from,
                const struct syslog_origin *origin, struct event *ret_event)
{
    struct text groups[CEL_PATTERN_GROUPS_MAX];
    arena_reset(&mapper->arena);
    struct syslog_message message = clean_message(mapper, from);
    const struct syslog_row *row =
        mapper->patterns == NULL ? NULL
                                 : syslog_patterns_find(mapper->patterns, message.program,
                                                        message.message, &mapper->arena, groups);
    if (row == NULL && message.severity > mapper->unmatched_severity) {
        return false;
    }
    struct text line = message.message;
    struct event event = {
        .time_ms = message.time_ms,
        .received_ms = origin->received_ms,
        .severity = row == NULL ? severity_from(message.severity) : row->severity,
        .state = row == NULL ? EVENT_PULSE : row->state,
        .unmatched = row == NULL,
        .id = TEXT(""),
        .source = source_of(mapper, origin),
        .type = row == NULL ? TEXT("syslog.unmatched") : row->type,
        .subject = message.hostname,
        .host = TEXT(""),
        .resource = row == NULL ? TEXT("") : expand(mapper, row->resource, &message, groups),
        .qualifier = row == NULL ? TEXT("") : row->qualifier,
        .name = row == NULL ? message.program : row->name,
        .message = row == NULL ? TEXT("") : expand(mapper, row->message, &message, groups),
        .hint = hint_of(mapper, &message, origin),
        .data = TEXT(""),
    };
    if (event.message.count == 0) {
        event.message = clean(mapper, line, EVENT_TEXT_BYTES_MAX - 1);
    }
    if (event.name.count == 0) {
        event.name = TEXT("syslog");
    }
    pack_data(mapper, &message, &event);
    *ret_event = event;
    return true;
}

void syslog_mapper_done(struct syslog_mapper *mapper)
{
    arena_done(&mapper->arena);
}
