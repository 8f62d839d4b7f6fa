/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to and replies from programs. No I/O; what programs print is hostile. */

#include "exec_codec.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MEMBERS_MAX 64
#define EXIT_TEMPORARY 75 /* EX_TEMPFAIL */

void exec_reply_done(struct exec_reply *reply)
{
    free(reply->memory);
    reply->memory = NULL;
}

/* ---- requests ----
 * JSON is written here: a library's printer that runs out of memory prints half a text and does not
 * tell.
 */

struct input {
    char *at;
    size_t count;
    bool full;
};

static void input_add(struct input *input, const char *bytes, size_t count)
{
    if (count == 0 || input->full || input->count + count >= EXEC_INPUT_BYTES_MAX) {
        input->full = input->full || count > 0;
        return;
    }
    memcpy(input->at + input->count, bytes, count);
    input->count += count;
    input->at[input->count] = 0;
}

static void input_add_chars(struct input *input, const char *chars)
{
    input_add(input, chars, strlen(chars));
}

static void input_add_string(struct input *input, const char *chars, size_t count)
{
    input_add_chars(input, "\"");
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)chars[i];
        char escaped[8];
        if (c == '"' || c == '\\') {
            input_add(input, "\\", 1);
        }
        if (c < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
            input_add_chars(input, escaped);
        } else {
            input_add(input, &chars[i], 1);
        }
    }
    input_add_chars(input, "\"");
}

static void input_add_value(struct input *input, const struct nsh_value *value, unsigned depth)
{
    char number[40];
    if (depth > NSH_VALUE_DEPTH_MAX) {
        input->full = true;
        return;
    }
    switch (value->type) {
    case NSH_BOOL:
        input_add_chars(input, value->boolean ? "true" : "false");
        return;
    case NSH_INT:
        snprintf(number, sizeof number, "%lld", (long long)value->integer);
        input_add_chars(input, number);
        return;
    case NSH_DOUBLE:
        snprintf(number, sizeof number, "%.17g", value->real);
        input_add_chars(input, number);
        return;
    case NSH_STRING:
        input_add_string(input, value->text, value->count);
        return;
    case NSH_LIST:
        for (uint32_t i = 0; i < value->count; i++) {
            input_add_chars(input, i == 0 ? "[" : ",");
            input_add_value(input, &value->items[i], depth + 1);
        }
        input_add_chars(input, value->count == 0 ? "[]" : "]");
        return;
    case NSH_MAP:
        for (uint32_t i = 0; i < value->count; i++) {
            input_add_chars(input, i == 0 ? "{" : ",");
            input_add_string(input, value->members[i].name, strlen(value->members[i].name));
            input_add_chars(input, ":");
            input_add_value(input, &value->members[i].value, depth + 1);
        }
        input_add_chars(input, value->count == 0 ? "{}" : "}");
        return;
    case NSH_NULL:
    case NSH_DURATION:
    case NSH_SECRET:
        break;
    }
    input_add_chars(input, "null");
}

int exec_json_request(const struct nsh_op *op, const struct nsh_value *parameters, uint64_t id,
                      char **ret_request, struct nsh_error *err)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    const struct nsh_member members[] = {
        {"id", nsh_int((int64_t)id)},
        {"verb", nsh_text(op->verb->name)},
        {"host", nsh_text(op->host)},
        {"token", nsh_text(op->token)},
        {"args", op->args == NULL ? nothing : *op->args},
        {"settings", parameters == NULL ? nothing : *parameters},
    };
    size_t first = id == 0;
    struct nsh_value request = nsh_map(members + first, sizeof members / sizeof members[0] - first);
    struct input input = {.at = malloc(EXEC_INPUT_BYTES_MAX)};
    if (input.at == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    input_add_value(&input, &request, 0);
    input_add_chars(&input, id == 0 ? "" : "\n");
    if (input.full) {
        exec_request_free(input.at);
        return nsh_fail(err, NSH_LIMIT, "the request is larger than %d bytes",
                        EXEC_INPUT_BYTES_MAX);
    }
    *ret_request = input.at;
    return 0;
}

void exec_request_free(char *request)
{
    if (request != NULL) {
        explicit_bzero(request, EXEC_INPUT_BYTES_MAX);
        free(request);
    }
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
        const char *text = sized_value == NULL ? "" : json_object_get_string(sized_value);
        if (text == NULL) {
            return false; /* Out of memory. The text of a nested value is kept by json-c: the second
                             time below it is the same. */
        }
        bytes += strlen(sized_name) + 1 + strlen(text) + 1;
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
            size_t text_bytes = text == NULL ? 0 : strlen(text) + 1;
            if (text == NULL) {
                free(members);
                return false;
            }
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

static const char *member_text(struct json_object *object, const char *name)
{
    struct json_object *member = NULL;
    if (!json_object_object_get_ex(object, name, &member) ||
        !json_object_is_type(member, json_type_string)) {
        return NULL;
    }
    return json_object_get_string(member);
}

/* The program says no. */
static void json_refusal(struct json_object *object, bool effects, struct exec_reply *reply)
{
    struct json_object *possible = NULL;
    const char *word = member_text(object, "code"), *error = member_text(object, "error");
    int code = word == NULL ? -1 : nsh_code_of(word);
    reply->code = code > 0 ? code : NSH_FAILED;
    reply->effect_possible = effects;
    if (json_object_object_get_ex(object, "effect_possible", &possible) &&
        json_object_is_type(possible, json_type_boolean)) {
        reply->effect_possible = effects && json_object_get_boolean(possible);
    }
    if (error != NULL) {
        words_add(reply, error, strlen(error));
    }
}

static void json_read(struct json_object *object, bool effects, struct exec_reply *reply)
{
    struct json_object *ok = NULL, *result = NULL, *id = NULL;
    if (json_object_object_get_ex(object, "id", &id) && json_object_is_type(id, json_type_int)) {
        reply->id = json_object_get_int64(id);
    }
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, "ok", &ok) ||
        !json_object_is_type(ok, json_type_boolean)) {
        reply->code = NSH_PROTOCOL;
        reply->effect_possible = effects;
        snprintf(reply->words, sizeof reply->words,
                 "wanted one JSON object with \"ok\": true or false on stdout");
        return;
    }
    reply->answered = true;
    if (!json_object_get_boolean(ok)) {
        json_refusal(object, effects, reply);
        return;
    }
    reply->code = NSH_OK;
    if (json_object_object_get_ex(object, "result", &result) &&
        json_object_is_type(result, json_type_object) && !result_of(result, reply)) {
        reply->code = effects ? NSH_OK : NSH_LIMIT; /* To read is to have the result. */
        snprintf(reply->words, sizeof reply->words, "its result is too large and was left out");
    }
}

/* Exit statuses other than 0: what sysexits.h calls a temporary failure did nothing. */
static void json_exit(const struct nsh_exit *end, bool effects, struct exec_reply *reply)
{
    bool later = end->status == EXIT_TEMPORARY;
    reply->code = later ? NSH_BUSY : NSH_FAILED;
    reply->effect_possible = effects && !later;
    snprintf(reply->words, sizeof reply->words, "exit status %d. ", end->status);
    words_add(reply, end->errors, end->errors_bytes);
}

void exec_json_reply(const struct nsh_exit *end, bool effects, struct exec_reply *ret_reply)
{
    *ret_reply = (struct exec_reply){.result = {.type = NSH_NULL}, .id = -1};
    if (ended_badly(end, effects, ret_reply)) {
        return;
    }
    if (end->status != 0) {
        json_exit(end, effects, ret_reply);
        return;
    }
    if (end->output_cut) {
        ret_reply->code = NSH_LIMIT;
        ret_reply->effect_possible = effects;
        snprintf(ret_reply->words, sizeof ret_reply->words, "it printed more than allowed");
        return;
    }
    struct json_tokener *tokener = json_tokener_new_ex(NSH_VALUE_DEPTH_MAX);
    struct json_object *object = NULL;
    if (tokener != NULL) {
        size_t count = end->output_bytes;
        while (count > 0 && isspace((unsigned char)end->output[count - 1])) {
            count--; /* Strict takes nothing after the object. */
        }
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        object = json_tokener_parse_ex(tokener, end->output, (int)count);
        if (json_tokener_get_error(tokener) != json_tokener_success) {
            json_object_put(object);
            object = NULL;
        }
        json_tokener_free(tokener);
    }
    json_read(object, effects, ret_reply);
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

/* One key=value line; a name or value that could be read as another line is refused. */
static int input_add_parameter(struct input *input, const struct nsh_member *member,
                               struct nsh_error *err)
{
    char number[32];
    const char *value = number;
    if (member->value.type == NSH_STRING) {
        value = member->value.text;
    } else if (member->value.type == NSH_INT) {
        snprintf(number, sizeof number, "%lld", (long long)member->value.integer);
    } else if (member->value.type == NSH_BOOL) {
        snprintf(number, sizeof number, "%d", member->value.boolean);
    } else {
        return nsh_fail(err, NSH_INVALID,
                        "parameter %.64s of a fence agent wants a text, number or boolean",
                        member->name);
    }
    if (!key_ok(member->name) || strpbrk(value, "\r\n") != NULL ||
        strcmp(member->name, "action") == 0) {
        return nsh_fail(err, NSH_INVALID,
                        "a parameter of a fence agent: its name is letters, digits, '_' and not "
                        "action; its value is one line");
    }
    input_add_chars(input, member->name);
    input_add_chars(input, "=");
    input_add_chars(input, value);
    input_add_chars(input, "\n");
    return 0;
}

int exec_fence_request(const char *action, const struct nsh_value *parameters, char **ret_request,
                       struct nsh_error *err)
{
    struct input input = {.at = malloc(EXEC_INPUT_BYTES_MAX)};
    int result = 0;
    if (input.at == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    input_add_chars(&input, "action=");
    input_add_chars(&input, action);
    input_add_chars(&input, "\n");
    for (uint32_t i = 0; result == 0 && parameters != NULL && i < parameters->count; i++) {
        result = input_add_parameter(&input, &parameters->members[i], err);
    }
    if (result == 0 && input.full) {
        result = nsh_fail(err, NSH_LIMIT, "the parameters are larger than %d bytes",
                          EXEC_INPUT_BYTES_MAX);
    }
    if (result < 0) {
        exec_request_free(input.at);
        return result;
    }
    *ret_request = input.at;
    return 0;
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

bool exec_text_good(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f) {
            return false;
        }
    }
    return true;
}

static bool output_says(const struct nsh_exit *end, const char *words)
{
    return end->output != NULL &&
           memmem(end->output, end->output_bytes, words, strlen(words)) != NULL;
}

void exec_fence_reply(const char *action, const struct nsh_exit *end, struct exec_reply *ret_reply)
{
    bool reads = strcmp(action, "status") == 0 || strcmp(action, "monitor") == 0 ||
                 strcmp(action, "metadata") == 0 || strcmp(action, "list") == 0;
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
