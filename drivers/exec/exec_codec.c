/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to and replies from programs. No I/O; what programs print is hostile. */

#include "exec_codec.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MEMBERS_MAX 64

void exec_reply_done(struct exec_reply *reply)
{
    free(reply->memory);
    reply->memory = NULL;
}

static struct json_object *json_of(const struct nsh_value *value)
{
    struct json_object *object = NULL;
    switch (value->type) {
    case NSH_BOOL:
        return json_object_new_boolean(value->boolean);
    case NSH_INT:
        return json_object_new_int64(value->integer);
    case NSH_DOUBLE:
        return json_object_new_double(value->real);
    case NSH_STRING:
        return json_object_new_string_len(value->text, (int)value->count);
    case NSH_LIST:
        object = json_object_new_array();
        for (uint32_t i = 0; object != NULL && i < value->count; i++) {
            json_object_array_add(object, json_of(&value->items[i]));
        }
        return object;
    case NSH_MAP:
        object = json_object_new_object();
        for (uint32_t i = 0; object != NULL && i < value->count; i++) {
            json_object_object_add(object, value->members[i].name,
                                   json_of(&value->members[i].value));
        }
        return object;
    case NSH_NULL:
    case NSH_DURATION:
    case NSH_SECRET:
        break;
    }
    return NULL;
}

char *exec_json_request(const struct nsh_op *op, const struct nsh_value *parameters,
                        struct nsh_error *err)
{
    struct json_object *object = json_object_new_object();
    if (object == NULL) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return NULL;
    }
    json_object_object_add(object, "verb", json_object_new_string(op->verb->name));
    json_object_object_add(object, "host", json_object_new_string(op->host));
    json_object_object_add(object, "token", json_object_new_string(op->token));
    struct nsh_value nothing = {.type = NSH_MAP};
    json_object_object_add(object, "args", json_of(op->args == NULL ? &nothing : op->args));
    json_object_object_add(object, "settings", json_of(parameters == NULL ? &nothing : parameters));
    const char *printed = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
    char *copy = printed == NULL || strlen(printed) > EXEC_INPUT_BYTES_MAX ? NULL : strdup(printed);
    json_object_put(object);
    if (copy == NULL) {
        nsh_fail(err, NSH_LIMIT, "the request is larger than %d bytes", EXEC_INPUT_BYTES_MAX);
    }
    return copy;
}

/* One line of what a program said, without control characters. */
static void words_add(struct exec_reply *reply, const char *text, size_t count)
{
    size_t used = strlen(reply->words);
    for (size_t i = 0; i < count && used + 1 < sizeof reply->words; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n' && i + 1 >= count) {
            break;
        }
        reply->words[used++] = c < 0x20 || c >= 0x7f ? ' ' : (char)c;
    }
    reply->words[used] = 0;
}

/* How the program ended when it did not end by itself with an answer; false: it did. */
static bool ended_badly(const struct nsh_exit *end, bool interrupts, struct exec_reply *reply)
{
    if (end->code != NSH_OK) {
        reply->code = end->code;
        reply->effect_possible = interrupts && end->started;
        snprintf(reply->words, sizeof reply->words, "%s. ",
                 end->text != NULL && end->text[0] != 0 ? end->text : nsh_code_word(end->code));
        words_add(reply, end->errors == NULL ? "" : end->errors, end->errors_bytes);
        return true;
    }
    if (end->signal != 0) {
        reply->code = NSH_FAILED;
        reply->effect_possible = interrupts;
        snprintf(reply->words, sizeof reply->words, "ended by signal %d. ", end->signal);
        words_add(reply, end->errors == NULL ? "" : end->errors, end->errors_bytes);
        return true;
    }
    return false;
}

/* The members of a flat JSON object as a value map; nested values become their JSON text. */
static bool result_of(struct json_object *object, struct exec_reply *reply)
{
    size_t count = (size_t)json_object_object_length(object);
    if (count > REPLY_MEMBERS_MAX) {
        return false;
    }
    size_t bytes = count * sizeof(struct nsh_member) + 16;
    json_object_object_foreach(object, sized_name, sized_value)
    {
        bytes += strlen(sized_name) + 1 +
                 strlen(json_object_get_string(sized_value) == NULL
                            ? ""
                            : json_object_get_string(sized_value)) +
                 1;
    }
    struct nsh_member *members = calloc(1, bytes);
    if (members == NULL) {
        return false;
    }
    char *at = (char *)(members + count);
    size_t used = 0;
    json_object_object_foreach(object, name, value)
    {
        size_t name_bytes = strlen(name) + 1;
        memcpy(at, name, name_bytes);
        members[used].name = at;
        at += name_bytes;
        enum json_type type = json_object_get_type(value);
        if (type == json_type_boolean) {
            members[used].value = nsh_bool(json_object_get_boolean(value));
        } else if (type == json_type_int) {
            members[used].value = nsh_int(json_object_get_int64(value));
        } else if (type == json_type_double) {
            members[used].value = nsh_double(json_object_get_double(value));
        } else if (type != json_type_null) {
            const char *text = json_object_get_string(value);
            size_t text_bytes = strlen(text) + 1;
            memcpy(at, text, text_bytes);
            members[used].value = nsh_text(at);
            at += text_bytes;
        }
        used++;
    }
    reply->memory = members;
    reply->result = nsh_map(members, used);
    return true;
}

static void json_read(struct json_object *object, bool interrupts, struct exec_reply *reply)
{
    struct json_object *ok = NULL, *member = NULL;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, "ok", &ok) ||
        !json_object_is_type(ok, json_type_boolean)) {
        reply->code = NSH_PROTOCOL;
        reply->effect_possible = interrupts;
        snprintf(reply->words, sizeof reply->words,
                 "wanted a JSON object with \"ok\": true or false on stdout");
        return;
    }
    if (json_object_get_boolean(ok)) {
        reply->code = NSH_OK;
        if (json_object_object_get_ex(object, "result", &member) &&
            json_object_is_type(member, json_type_object) && !result_of(member, reply)) {
            snprintf(reply->words, sizeof reply->words, "its result is too large and was left out");
        }
        return;
    }
    int code = json_object_object_get_ex(object, "code", &member)
                   ? nsh_code_of(json_object_get_string(member))
                   : -1;
    reply->code = code > 0 ? code : NSH_FAILED;
    reply->effect_possible = interrupts;
    if (json_object_object_get_ex(object, "effect_possible", &member)) {
        reply->effect_possible = json_object_get_boolean(member);
    }
    if (json_object_object_get_ex(object, "error", &member)) {
        words_add(reply, json_object_get_string(member), strlen(json_object_get_string(member)));
    }
}

void exec_json_reply(const struct nsh_exit *end, bool interrupts, struct exec_reply *ret_reply)
{
    *ret_reply = (struct exec_reply){.result = {.type = NSH_NULL}};
    if (ended_badly(end, interrupts, ret_reply)) {
        return;
    }
    if (end->status != 0) {
        ret_reply->code = NSH_FAILED;
        ret_reply->effect_possible = interrupts;
        snprintf(ret_reply->words, sizeof ret_reply->words, "exit status %d. ", end->status);
        words_add(ret_reply, end->errors, end->errors_bytes);
        return;
    }
    struct json_tokener *tokener =
        end->output_cut ? NULL : json_tokener_new_ex(NSH_VALUE_DEPTH_MAX);
    struct json_object *object =
        tokener == NULL ? NULL
                        : json_tokener_parse_ex(tokener, end->output, (int)end->output_bytes + 1);
    json_tokener_free(tokener);
    if (end->output_cut) {
        ret_reply->code = NSH_LIMIT;
        ret_reply->effect_possible = interrupts;
        snprintf(ret_reply->words, sizeof ret_reply->words, "it printed more than allowed");
    } else {
        json_read(object, interrupts, ret_reply);
    }
    json_object_put(object);
}

static bool key_ok(const char *key)
{
    if (!isalpha((unsigned char)key[0])) {
        return false;
    }
    for (const char *at = key; *at != 0; at++) {
        if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-') {
            return false;
        }
    }
    return true;
}

char *exec_fence_request(const char *action, const struct nsh_value *parameters,
                         struct nsh_error *err)
{
    char *text = malloc(EXEC_INPUT_BYTES_MAX);
    if (text == NULL) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return NULL;
    }
    size_t used = (size_t)snprintf(text, EXEC_INPUT_BYTES_MAX, "action=%s\n", action);
    for (uint32_t i = 0; parameters != NULL && i < parameters->count; i++) {
        const struct nsh_member *member = &parameters->members[i];
        char number[32];
        const char *value = number;
        if (member->value.type == NSH_STRING) {
            value = member->value.text;
        } else if (member->value.type == NSH_INT) {
            snprintf(number, sizeof number, "%lld", (long long)member->value.integer);
        } else if (member->value.type == NSH_BOOL) {
            snprintf(number, sizeof number, "%d", member->value.boolean);
        } else {
            nsh_fail(err, NSH_INVALID,
                     "parameter %s of a fence agent wants a text, number or boolean", member->name);
            free(text);
            return NULL;
        }
        if (!key_ok(member->name) || strpbrk(value, "\r\n") != NULL ||
            strcmp(member->name, "action") == 0) {
            nsh_fail(err, NSH_INVALID,
                     "parameter %s of a fence agent: a name is letters, digits, '_'; a value is "
                     "one line",
                     member->name);
            free(text);
            return NULL;
        }
        size_t room = EXEC_INPUT_BYTES_MAX - used;
        size_t wanted = (size_t)snprintf(text + used, room, "%s=%s\n", member->name, value);
        if (wanted >= room) {
            nsh_fail(err, NSH_LIMIT, "the parameters are larger than %d bytes",
                     EXEC_INPUT_BYTES_MAX);
            free(text);
            return NULL;
        }
        used += wanted;
    }
    return text;
}

/* FenceAgentAPI and lib/fencing.py: the exit codes of failures. */
static const struct {
    int status;
    int code;
    bool nothing_done;
    const char *words;
} fence_exits[] = {
    {1, NSH_FAILED, false, "failed"},
    {2, NSH_INVALID, true, "wrong arguments"},
    {3, NSH_AUTH, true, "login denied"},
    {4, NSH_DISCONNECTED, false, "connection lost"},
    {5, NSH_TIMEOUT, false, "timed out"},
    {6, NSH_UNVERIFIED, false, "timed out waiting for power on"},
    {7, NSH_UNVERIFIED, false, "timed out waiting for power off"},
    {8, NSH_PROTOCOL, false, "the status is not available"},
    {10, NSH_INVALID, true, "no password given"},
    {11, NSH_DENIED, true, "privileges too low"},
    {12, NSH_NOT_FOUND, true, "no such machine"},
};

static bool output_says(const struct nsh_exit *end, const char *words)
{
    return end->output != NULL &&
           memmem(end->output, end->output_bytes, words, strlen(words)) != NULL;
}

void exec_fence_reply(const char *action, const struct nsh_exit *end, struct exec_reply *ret_reply)
{
    bool reads = strcmp(action, "status") == 0 || strcmp(action, "monitor") == 0 ||
                 strcmp(action, "metadata") == 0;
    *ret_reply = (struct exec_reply){.result = {.type = NSH_NULL}};
    if (ended_badly(end, !reads, ret_reply)) {
        return;
    }
    if (strcmp(action, "status") == 0 && end->status == 2 && output_says(end, "Status: OFF")) {
        ret_reply->power = "off";
        return;
    }
    if (end->status == 0) {
        if (strcmp(action, "status") == 0) {
            /* 0 without a word is "reachable and on" by the API; a word that says otherwise wins.
             */
            ret_reply->power = output_says(end, "Status: OFF") ? "off" : "on";
        } else if (strcmp(action, "on") == 0 || strcmp(action, "off") == 0) {
            ret_reply->power = action;
        }
        words_add(ret_reply, end->output, end->output_bytes);
        return;
    }
    ret_reply->code = NSH_FAILED;
    ret_reply->effect_possible = !reads;
    snprintf(ret_reply->words, sizeof ret_reply->words, "exit status %d. ", end->status);
    for (size_t i = 0; i < sizeof fence_exits / sizeof fence_exits[0]; i++) {
        if (fence_exits[i].status == end->status) {
            ret_reply->code = fence_exits[i].code;
            ret_reply->effect_possible = !reads && !fence_exits[i].nothing_done;
            snprintf(ret_reply->words, sizeof ret_reply->words, "%s (exit status %d). ",
                     fence_exits[i].words, end->status);
        }
    }
    words_add(ret_reply, end->errors, end->errors_bytes);
}

/* The value of attribute name= inside one tag, or NULL. */
static const char *tag_name(const char *tag, const char *tag_end, size_t *ret_bytes)
{
    static const char wanted[] = " name=\"";
    const char *at = memmem(tag, (size_t)(tag_end - tag), wanted, sizeof wanted - 1);
    if (at == NULL) {
        return NULL;
    }
    at += sizeof wanted - 1;
    const char *quote = memchr(at, '"', (size_t)(tag_end - at));
    *ret_bytes = quote == NULL ? 0 : (size_t)(quote - at);
    return quote == NULL ? NULL : at;
}

int exec_fence_metadata(const char *xml, size_t xml_bytes,
                        void (*fn)(void *arg, bool action, const char *name, size_t name_bytes),
                        void *arg, struct nsh_error *err)
{
    const char *end = xml + xml_bytes;
    if (memmem(xml, xml_bytes, "<resource-agent", 15) == NULL) {
        return nsh_fail(err, NSH_PROTOCOL, "its metadata is no <resource-agent>");
    }
    unsigned count = 0;
    for (const char *at = xml; at < end && count < EXEC_PARAMETERS_MAX; at++) {
        const char *open = memchr(at, '<', (size_t)(end - at));
        const char *close = open == NULL ? NULL : memchr(open, '>', (size_t)(end - open));
        if (close == NULL) {
            break;
        }
        bool parameter = (size_t)(close - open) > 11 && memcmp(open, "<parameter ", 11) == 0;
        bool action = (size_t)(close - open) > 8 && memcmp(open, "<action ", 8) == 0;
        size_t name_bytes = 0;
        const char *name = parameter || action ? tag_name(open, close, &name_bytes) : NULL;
        if (name != NULL) {
            fn(arg, action, name, name_bytes);
            count++;
        }
        at = close;
    }
    return count > 0 ? 0 : nsh_fail(err, NSH_PROTOCOL, "its metadata names no parameters");
}
