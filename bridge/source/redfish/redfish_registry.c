/* SPDX-License-Identifier: Apache-2.0 */
#include "redfish_registry.h"

#include <stdlib.h>

#define PREFIX_BYTES_MAX 64
#define KEY_BYTES_MAX 128

/* ---- reading ---- */

static const char *kept(struct arena *arena, const char *text, size_t bytes_max)
{
    size_t count = text == NULL ? 0 : strlen(text);
    return count >= bytes_max ? "" : arena_copy(arena, text == NULL ? "" : text, count);
}

/* The first message that a message clears. */
static const char *clears_of(const struct nsh_value *message)
{
    const struct nsh_value *list = nsh_get(nsh_get(message, "ClearingLogic"), "ClearsMessage");
    bool any = list != NULL && list->type == NSH_LIST && list->count > 0 &&
               list->items[0].type == NSH_STRING;
    const char *clears = any ? list->items[0].text : "";
    const char *dot = strrchr(clears, '.'); /* Some say the whole MessageId. */
    return dot == NULL ? clears : dot + 1;
}

static int by_key(const void *a, const void *b)
{
    const struct redfish_message *left = a, *right = b;
    return strcmp(left->key, right->key);
}

static struct redfish_message *message_find(const struct redfish_registry *registry,
                                            const char *key)
{
    const struct redfish_message wanted = {.key = key};
    return registry->count == 0 ? NULL
                                : bsearch(&wanted, registry->messages, registry->count,
                                          sizeof *registry->messages, by_key);
}

static bool message_read(const struct nsh_member *member, struct arena *arena,
                         struct redfish_message *ret_message)
{
    const struct nsh_value *value = &member->value;
    const char *severity = nsh_get_text(value, "MessageSeverity", NULL);
    severity = severity == NULL ? nsh_get_text(value, "Severity", "") : severity;
    *ret_message = (struct redfish_message){
        .key = kept(arena, member->name, KEY_BYTES_MAX),
        .severity = kept(arena, severity, 32),
        .message = kept(arena, nsh_get_text(value, "Message", ""), REDFISH_WORDS_BYTES_MAX),
        .clears = kept(arena, clears_of(value), KEY_BYTES_MAX),
    };
    return ret_message->key != NULL && ret_message->severity != NULL &&
           ret_message->message != NULL && ret_message->clears != NULL;
}

int redfish_registry_read(const struct nsh_value *body, struct arena *arena,
                          struct redfish_registry *ret_registry, struct nsh_error *err)
{
    const struct nsh_value *messages = nsh_get(body, "Messages");
    const char *prefix = nsh_get_text(body, "RegistryPrefix", "");
    const char *version = nsh_get_text(body, "RegistryVersion", "");
    if (messages == NULL || messages->type != NSH_MAP || prefix[0] == '\0' ||
        strlen(prefix) >= PREFIX_BYTES_MAX || strlen(version) >= PREFIX_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "no message registry");
    }
    size_t room = messages->count > REDFISH_MESSAGES_MAX ? REDFISH_MESSAGES_MAX : messages->count;
    struct redfish_registry registry = {
        .prefix = kept(arena, prefix, PREFIX_BYTES_MAX),
        .version = kept(arena, version, PREFIX_BYTES_MAX),
        .messages = arena_array(arena, room + 1, sizeof *registry.messages),
        .cut = room < messages->count,
    };
    bool good = registry.prefix != NULL && registry.version != NULL && registry.messages != NULL;
    for (size_t i = 0; good && i < room; i++) {
        if (messages->members[i].value.type == NSH_MAP) {
            good = message_read(&messages->members[i], arena, &registry.messages[registry.count++]);
        }
    }
    if (!good) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    qsort(registry.messages, registry.count, sizeof *registry.messages, by_key);
    for (size_t i = 0; i < registry.count; i++) {
        struct redfish_message *ended = message_find(&registry, registry.messages[i].clears);
        if (ended != NULL && ended != &registry.messages[i]) {
            ended->clearable = true;
        }
    }
    *ret_registry = registry;
    return 0;
}

/* ---- finding ---- */

/* How well a registry fits "Lab.1.2": 0 not at all, 1 another version, 2 this one. */
static int fits(const struct redfish_registry *registry, struct text place)
{
    size_t count = strlen(registry->prefix);
    if (place.count == 0) {
        return 1; /* A key alone may be of any. */
    }
    if (place.count < count || memcmp(place.at, registry->prefix, count) != 0 ||
        (place.count > count && place.at[count] != '.')) {
        return 0;
    }
    struct text version = {place.at + count + 1, place.count - (uint32_t)count};
    version.count -= version.count > 0;
    bool same = version.count > 0 && version.count <= strlen(registry->version) &&
                memcmp(version.at, registry->version, version.count) == 0 &&
                (registry->version[version.count] == '.' || registry->version[version.count] == 0);
    return same ? 2 : 1;
}

const struct redfish_message *
redfish_registries_find(const struct redfish_registry *const *registries, size_t count,
                        const char *message_id, const struct redfish_registry **ret_registry)
{
    const char *dot = strrchr(message_id, '.');
    const char *key = dot == NULL ? message_id : dot + 1;
    const struct text place = {message_id, dot == NULL ? 0 : (uint32_t)(dot - message_id)};
    const struct redfish_message *best = NULL;
    int best_fit = 0;
    for (size_t i = 0; i < count; i++) {
        int fit = fits(registries[i], place);
        const struct redfish_message *found =
            fit > best_fit ? message_find(registries[i], key) : NULL;
        if (found != NULL) {
            best = found;
            best_fit = fit;
            *ret_registry = registries[i];
        }
    }
    return best;
}

/* ---- words ---- */

/* "The coolant of %1 is low." with the arguments of the record. */
static void words_fill(const char *message, const struct nsh_value *args, struct textbuf *out)
{
    for (const char *at = message; *at != '\0' && out->count < REDFISH_WORDS_BYTES_MAX; at++) {
        bool place = at[0] == '%' && at[1] >= '1' && at[1] <= '9';
        uint32_t index = place ? (uint32_t)(at[1] - '1') : 0;
        if (!place || args == NULL || args->type != NSH_LIST || index >= args->count ||
            args->items[index].type != NSH_STRING) {
            textbuf_add_char(out, *at);
            continue;
        }
        if (args->items[index].count < REDFISH_WORDS_BYTES_MAX) {
            textbuf_add_chars(out, args->items[index].text);
        }
        at++;
    }
}

static bool registry_member(const struct redfish_registry *registry,
                            const struct redfish_message *message, struct arena *arena,
                            struct nsh_member *ret_member)
{
    struct nsh_member *members = arena_array(arena, 4, sizeof *members);
    const char *name = arena_printf(arena, "%s.%s", registry->prefix, registry->version);
    const char *severity = kept(arena, message->severity, REDFISH_WORDS_BYTES_MAX);
    const char *clears = kept(arena, message->clears, REDFISH_WORDS_BYTES_MAX);
    if (members == NULL || name == NULL || severity == NULL || clears == NULL) {
        return false;
    }
    members[0] = (struct nsh_member){"Name", nsh_text(name)};
    members[1] = (struct nsh_member){"Severity", nsh_text(severity)};
    members[2] = (struct nsh_member){"Clears", nsh_text(clears)};
    members[3] = (struct nsh_member){"Clearable", nsh_bool(message->clearable)};
    *ret_member = (struct nsh_member){"Registry", nsh_map(members, 4)};
    return true;
}

int redfish_record_words(const struct nsh_value *record,
                         const struct redfish_registry *const *registries, size_t count,
                         struct arena *arena, struct nsh_value *ret_record)
{
    const struct redfish_registry *registry = NULL;
    const char *id = nsh_get_text(record, "MessageId", "");
    const struct redfish_message *message =
        redfish_registries_find(registries, count, id, &registry);
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    *ret_record = *record;
    if (message == NULL) {
        return 0;
    }
    struct nsh_member *members = arena_array(arena, record->count + 3, sizeof *members);
    size_t used = 0;
    for (uint32_t i = 0; members != NULL && i < record->count; i++) {
        if (strcmp(record->members[i].name, "Registry") != 0) { /* It is ours to say. */
            members[used++] = record->members[i];
        }
    }
    bool good = members != NULL && registry_member(registry, message, arena, &members[used++]);
    if (good && message->severity[0] != '\0' && nsh_get(record, "MessageSeverity") == NULL &&
        nsh_get(record, "Severity") == NULL) {
        const char *severity = kept(arena, message->severity, REDFISH_WORDS_BYTES_MAX);
        good = severity != NULL;
        members[used++] = (struct nsh_member){"MessageSeverity", nsh_text(severity)};
    }
    if (good && message->message[0] != '\0' && nsh_get(record, "Message") == NULL) {
        words_fill(message->message, nsh_get(record, "MessageArgs"), &words);
        const char *text = arena_text(arena, (struct text){words.at, (uint32_t)words.count}).at;
        good = text != NULL;
        members[used++] = (struct nsh_member){"Message", nsh_text(text)};
    }
    *ret_record = nsh_map(members, used);
    return good ? 0 : -NSH_NOMEM;
}
