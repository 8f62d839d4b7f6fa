/* SPDX-License-Identifier: Apache-2.0 */
/* What statuses mean, when to come back, and the words that web services put into a failure. Pure.
 */

#include "abi/rest_private.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_DEPTH_MAX 4 /* JSON within the text of JSON included. */

int nsh_rest_status_code(int status)
{
    static const struct {
        int status, code;
    } codes[] = {
        {400, NSH_REFUSED},     {401, NSH_AUTH},      {403, NSH_DENIED},   {404, NSH_NOT_FOUND},
        {405, NSH_UNSUPPORTED}, {406, NSH_PROTOCOL},  {407, NSH_AUTH},     {408, NSH_BUSY},
        {409, NSH_CONFLICT},    {410, NSH_NOT_FOUND}, {412, NSH_CONFLICT}, {415, NSH_PROTOCOL},
        {423, NSH_BUSY},        {425, NSH_BUSY},      {428, NSH_CONFLICT}, {429, NSH_BUSY},
        {501, NSH_UNSUPPORTED}, {503, NSH_BUSY},      {505, NSH_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return status >= 200 && status < 300   ? NSH_OK
           : status >= 400 && status < 500 ? NSH_REFUSED
           : status >= 500 && status < 600 ? NSH_FAILED
                                           : NSH_PROTOCOL;
}

uint32_t rest_retry_after_ms(const char *retry_after, int64_t date_ms)
{
    int64_t until_ms = 0, wait_ms = 0;
    if (retry_after == NULL) {
        return 0;
    }
    if (retry_after[0] >= '0' && retry_after[0] <= '9') {
        double seconds = strtod(retry_after, NULL);
        wait_ms = seconds < 1e6 ? (int64_t)(seconds * 1000) : NSH_REST_RETRY_MS_MAX;
    } else if (date_ms != 0 && nsh_time_http(retry_after, &until_ms)) {
        wait_ms = until_ms - date_ms;
    }
    return wait_ms <= 0                      ? 0
           : wait_ms > NSH_REST_RETRY_MS_MAX ? NSH_REST_RETRY_MS_MAX
                                             : (uint32_t)wait_ms;
}

/* ---- words ------------------------------------------------------------------------------ */

static void words_add(char *room, size_t room_bytes, const char *text, size_t count)
{
    while (count > 0 && strchr(" \t\r\n", text[count - 1]) != NULL) {
        count--;
    }
    if (count > 0 && room[0] != '\0') {
        nsh_line_add(room, room_bytes, ": ", 2);
    }
    nsh_line_add(room, room_bytes, text, count);
}

static bool json_words(const struct nsh_value *json, char *room, size_t room_bytes, unsigned depth);

/* A text is words, unless it holds JSON itself (Ironic's error_message does). */
static bool text_words(const struct nsh_value *text, char *room, size_t room_bytes, unsigned depth)
{
    struct nsh_pool pool = {0};
    struct nsh_value inner;
    bool found = false;
    if (text->text[0] == '{' && nsh_json_read(&pool, text->text, text->count, &inner, NULL) == 0) {
        found = json_words(&inner, room, room_bytes, depth + 1);
    }
    nsh_pool_done(&pool);
    if (!found && text->count > 0) {
        words_add(room, room_bytes, text->text, text->count);
        found = true;
    }
    return found;
}

/* The first that is there of the names under which services put words; objects and lists within. */
static bool json_words(const struct nsh_value *json, char *room, size_t room_bytes, unsigned depth)
{
    static const char *const names[] = {
        "faultstring", "message",       "Message", "msg",    "error_description", "detail",
        "details",     "error_message", "error",   "errors", "description",       "title",
        "reason",      "fault",         "data",    NULL};
    if (depth > WORDS_DEPTH_MAX || json == NULL) {
        return false;
    }
    if (json->type == NSH_STRING) {
        return text_words(json, room, room_bytes, depth);
    }
    if (json->type == NSH_LIST) {
        bool found = false;
        for (uint32_t i = 0; i < json->count && i < 3; i++) {
            found = json_words(&json->items[i], room, room_bytes, depth + 1) || found;
        }
        return found;
    }
    for (size_t i = 0; json->type == NSH_MAP && names[i] != NULL; i++) {
        const struct nsh_value *member = nsh_get(json, names[i]);
        if (member != NULL && json_words(member, room, room_bytes, depth + 1)) {
            return true;
        }
    }
    /* {"conflictingRequest": {"message": ..}}, {"name": ["this field is required"]} */
    bool found = false;
    for (uint32_t i = 0; json->type == NSH_MAP && i < json->count && i < 3; i++) {
        const struct nsh_value *member = &json->members[i].value;
        if (member->type == NSH_MAP) {
            found = json_words(member, room, room_bytes, depth + 1) || found;
        } else if (member->type == NSH_LIST && member->count > 0) {
            size_t used = strlen(room);
            words_add(room, room_bytes, json->members[i].name, strlen(json->members[i].name));
            bool more = json_words(member, room, room_bytes, depth + 1);
            found = found || more;
            if (!more) {
                room[used] = '\0';
            }
        }
    }
    return found;
}

/* What stands between <name> and the next '<'. */
static bool element_words(const char *body, const char *name, char *room, size_t room_bytes)
{
    const char *at = strstr(body, name);
    if (at == NULL) {
        return false;
    }
    at += strlen(name);
    words_add(room, room_bytes, at, strcspn(at, "<"));
    return true;
}

void nsh_rest_words(const char *body, size_t body_bytes, const struct nsh_value *json, char *room,
                    size_t room_bytes)
{
    size_t blanks = strspn(body, " \t\r\n");
    room[0] = '\0';
    if (json != NULL && json_words(json, room, room_bytes, 0)) {
        return;
    }
    if (body[blanks] == '<') {
        bool code = element_words(body, "<Code>", room, room_bytes);
        if (!element_words(body, "<Message>", room, room_bytes) && !code) {
            element_words(body, "<title>", room, room_bytes);
        }
        return;
    }
    if (body_bytes > blanks) {
        words_add(room, room_bytes, body + blanks, strlen(body + blanks));
    }
}
