/* SPDX-License-Identifier: Apache-2.0 */
/* Redfish resources, read from JSON. No I/O; every reply is hostile. */

#include "redfish_codec.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * A megabyte of the densest JSON has 350,000 objects, which take 260 MB and 0.3 s of the loop.
 * Those signs within texts count too: what is a text depends on more than quotes, and logs are not
 * so dense.
 */
static bool too_dense(const char *bytes, size_t bytes_count)
{
    size_t signs = 0;
    for (size_t i = 0; i < bytes_count; i++) {
        signs += bytes[i] == ',' || bytes[i] == '{' || bytes[i] == '[';
    }
    return signs > REDFISH_SIGNS_MAX;
}

int redfish_parse(const char *bytes, size_t bytes_count, struct json_object **ret_doc,
                  struct nsh_error *err)
{
    if (too_dense(bytes, bytes_count)) {
        return nsh_fail(err, NSH_LIMIT, "the reply has more than %d values", REDFISH_SIGNS_MAX);
    }
    struct json_tokener *tokener = json_tokener_new_ex(REDFISH_DEPTH_MAX);
    if (tokener == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    struct json_object *doc = NULL;
    enum json_tokener_error failure = json_tokener_error_parse_eof;
    if (bytes_count > 0 && bytes_count <= INT32_MAX) {
        doc = json_tokener_parse_ex(tokener, bytes, (int)bytes_count);
        failure = json_tokener_get_error(tokener);
    }
    json_tokener_free(tokener);
    if (doc == NULL || !json_object_is_type(doc, json_type_object)) {
        json_object_put(doc);
        return nsh_fail(err, NSH_PROTOCOL, "the reply is no JSON object: %s",
                        failure == json_tokener_success    ? "it is something else"
                        : failure == json_tokener_continue ? "it ends too early"
                                                           : json_tokener_error_desc(failure));
    }
    *ret_doc = doc;
    return 0;
}

void redfish_free(struct json_object *doc)
{
    json_object_put(doc);
}

/* ---- members ---------------------------------------------------------------------------- */

static struct json_object *member_of(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    if (object == NULL || !json_object_is_type(object, json_type_object)) {
        return NULL;
    }
    json_object_object_get_ex(object, name, &value);
    return value;
}

static const char *text_of(struct json_object *value, size_t bytes_max)
{
    if (value == NULL || !json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    const char *text = json_object_get_string(value);
    size_t count = (size_t)json_object_get_string_len(value);
    return count > bytes_max || !redfish_text_clean(text, count) ? NULL : text;
}

static const char *text_at(struct json_object *object, const char *name)
{
    return text_of(member_of(object, name), REDFISH_TEXT_BYTES_MAX - 1);
}

static const char *path_of(struct json_object *value)
{
    const char *path = text_of(value, REDFISH_PATH_BYTES_MAX - 1);
    return path != NULL && redfish_path_good(path) ? path : NULL;
}

/* {"name": {"@odata.id": "/path"}} */
static const char *link_at(struct json_object *object, const char *name)
{
    return path_of(member_of(member_of(object, name), "@odata.id"));
}

/* {"name": [{"@odata.id": "/path"}, ...]}: the first. */
static const char *first_link_at(struct json_object *object, const char *name)
{
    struct json_object *list = member_of(object, name);
    if (list == NULL || !json_object_is_type(list, json_type_array)) {
        return NULL;
    }
    return path_of(member_of(json_object_array_get_idx(list, 0), "@odata.id"));
}

/* ---- root, sessions, collections -------------------------------------------------------- */

void redfish_root_read(struct json_object *doc, struct redfish_root *ret_root)
{
    *ret_root = (struct redfish_root){
        .systems = link_at(doc, "Systems"),
        .sessions = link_at(member_of(doc, "Links"), "Sessions"),
        .session_service = link_at(doc, "SessionService"),
    };
}

const char *redfish_session_service_read(struct json_object *doc)
{
    return link_at(doc, "Sessions");
}

const char *redfish_account_service_read(struct json_object *doc, int64_t *ret_lockout)
{
    struct json_object *lockout = member_of(doc, "AccountLockoutThreshold");
    if (lockout != NULL && json_object_is_type(lockout, json_type_int)) {
        *ret_lockout = json_object_get_int64(lockout);
    }
    return link_at(doc, "Accounts");
}

static bool bool_at(struct json_object *object, const char *name, bool fallback)
{
    struct json_object *member = member_of(object, name);
    return member != NULL && json_object_is_type(member, json_type_boolean)
               ? json_object_get_boolean(member)
               : fallback;
}

void redfish_account_read(struct json_object *doc, struct redfish_account *ret_account)
{
    *ret_account = (struct redfish_account){
        .user = text_at(doc, "UserName"),
        .role = text_at(doc, "RoleId"),
        .locked = bool_at(doc, "Locked", false),
        .disabled = !bool_at(doc, "Enabled", true),
        .change_password = bool_at(doc, "PasswordChangeRequired", false),
    };
}

int redfish_collection_read(struct json_object *doc, struct redfish_collection *ret_collection,
                            struct nsh_error *err)
{
    struct json_object *members = member_of(doc, "Members");
    if (members == NULL || !json_object_is_type(members, json_type_array)) {
        return nsh_fail(err, NSH_PROTOCOL, "the collection has no Members");
    }
    const char *next = path_of(member_of(doc, "Members@odata.nextLink"));
    *ret_collection = (struct redfish_collection){
        .count = json_object_array_length(members),
        .next = next != NULL ? next : path_of(member_of(doc, "@odata.nextLink")),
        .members = members,
    };
    return 0;
}

struct json_object *redfish_collection_at(const struct redfish_collection *collection, size_t index)
{
    return index < collection->count ? json_object_array_get_idx(collection->members, index) : NULL;
}

const char *redfish_collection_path(const struct redfish_collection *collection, size_t index)
{
    return path_of(member_of(redfish_collection_at(collection, index), "@odata.id"));
}

/* ---- systems ---------------------------------------------------------------------------- */

static const struct {
    const char *told, *word;
} powers[REDFISH_POWERS_COUNT] = {
    [REDFISH_POWER_UNKNOWN] = {"", "unknown"},
    [REDFISH_POWER_ON] = {"On", "on"},
    [REDFISH_POWER_OFF] = {"Off", "off"},
    [REDFISH_POWERING_ON] = {"PoweringOn", "powering-on"},
    [REDFISH_POWERING_OFF] = {"PoweringOff", "powering-off"},
    [REDFISH_PAUSED] = {"Paused", "paused"},
};

const char *redfish_power_word(enum redfish_power power)
{
    return powers[power].word;
}

static enum redfish_power power_of(const char *told)
{
    for (unsigned i = 1; told != NULL && i < REDFISH_POWERS_COUNT; i++) {
        if (strcmp(told, powers[i].told) == 0) {
            return i;
        }
    }
    return REDFISH_POWER_UNKNOWN;
}

static const char *const resets[REDFISH_RESETS_COUNT] = {
    [REDFISH_ON] = "On",
    [REDFISH_FORCE_OFF] = "ForceOff",
    [REDFISH_GRACEFUL_SHUTDOWN] = "GracefulShutdown",
    [REDFISH_GRACEFUL_RESTART] = "GracefulRestart",
    [REDFISH_FORCE_RESTART] = "ForceRestart",
    [REDFISH_FORCE_ON] = "ForceOn",
    [REDFISH_POWER_CYCLE] = "PowerCycle",
};

const char *redfish_reset_word(enum redfish_reset reset)
{
    return resets[reset];
}

/* false: it is no list. Types that are not used here are passed over. */
static bool resets_of(struct json_object *list, uint32_t *ret_resets)
{
    if (list == NULL || !json_object_is_type(list, json_type_array)) {
        return false;
    }
    uint32_t bits = 0;
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count && i < REDFISH_MEMBERS_MAX; i++) {
        const char *told = text_of(json_object_array_get_idx(list, i), REDFISH_TEXT_BYTES_MAX);
        for (unsigned r = 0; told != NULL && r < REDFISH_RESETS_COUNT; r++) {
            bits |= strcmp(told, resets[r]) == 0 ? REDFISH_BIT(r) : 0;
        }
    }
    *ret_resets = bits;
    return true;
}

static void led_read(struct json_object *doc, struct redfish_led *ret_led)
{
    struct json_object *location = member_of(doc, "LocationIndicatorActive");
    const char *led = text_at(doc, "IndicatorLED");
    ret_led->has_location = location != NULL && json_object_is_type(location, json_type_boolean);
    ret_led->has_indicator = led != NULL;
    ret_led->lit = ret_led->has_location
                       ? json_object_get_boolean(location) != 0
                       : led != NULL && (strcmp(led, "Lit") == 0 || strcmp(led, "Blinking") == 0);
}

void redfish_system_read(struct json_object *doc, struct redfish_system *ret_system)
{
    struct json_object *reset = member_of(member_of(doc, "Actions"), "#ComputerSystem.Reset");
    struct json_object *links = member_of(doc, "Links"), *status = member_of(doc, "Status");
    const char *action_info = path_of(member_of(reset, "@Redfish.ActionInfo"));
    *ret_system = (struct redfish_system){
        .power = power_of(text_at(doc, "PowerState")),
        .id = text_at(doc, "Id"),
        .serial = text_at(doc, "SerialNumber"),
        .sku = text_at(doc, "SKU"),
        .uuid = text_at(doc, "UUID"),
        .etag = text_at(doc, "@odata.etag"),
        .health = text_at(status, "Health"),
        .boot = text_at(member_of(doc, "BootProgress"), "LastState"),
        .reset_time = text_at(doc, "LastResetTime"),
        .reset_target = path_of(member_of(reset, "target")),
        .action_info = action_info != NULL ? action_info : link_at(reset, "@Redfish.ActionInfo"),
        .log_services = link_at(doc, "LogServices"),
        .chassis = first_link_at(links, "Chassis"),
        .manager = first_link_at(links, "ManagedBy"),
    };
    ret_system->resets_known =
        resets_of(member_of(reset, "ResetType@Redfish.AllowableValues"), &ret_system->resets);
    led_read(doc, &ret_system->led);
}

int redfish_action_info_read(struct json_object *doc, uint32_t *ret_resets, struct nsh_error *err)
{
    struct json_object *parameters = member_of(doc, "Parameters");
    size_t count = parameters != NULL && json_object_is_type(parameters, json_type_array)
                       ? json_object_array_length(parameters)
                       : 0;
    for (size_t i = 0; i < count && i < REDFISH_MEMBERS_MAX; i++) {
        struct json_object *parameter = json_object_array_get_idx(parameters, i);
        const char *name = text_at(parameter, "Name");
        if (name != NULL && strcmp(name, "ResetType") == 0 &&
            resets_of(member_of(parameter, "AllowableValues"), ret_resets)) {
            return 0;
        }
    }
    return nsh_fail(err, NSH_PROTOCOL, "the ActionInfo says nothing of ResetType");
}

/* ---- identity --------------------------------------------------------------------------- */

static bool uuid_digits(const char *text, char digits[33])
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        if (*text == '-') {
            continue;
        }
        char lower = (char)(*text >= 'A' && *text <= 'F' ? *text + 32 : *text);
        if (count == 32 || strchr("0123456789abcdef", lower) == NULL) {
            return false;
        }
        digits[count++] = lower;
    }
    digits[count] = '\0';
    return count == 32;
}

/* SMBIOS keeps the first three fields little-endian; BMCs tell them either way. */
static void uuid_swap(const char digits[33], char swapped[33])
{
    static const uint8_t order[] = {3, 2, 1, 0, 5, 4, 7, 6};
    memcpy(swapped, digits, 33);
    for (size_t i = 0; i < sizeof order; i++) {
        memcpy(swapped + 2 * i, digits + (size_t)2 * order[i], 2);
    }
}

static bool uuid_equal(const char *told, const char *wanted)
{
    char a[33], b[33], swapped[33];
    if (!uuid_digits(told, a) || !uuid_digits(wanted, b)) {
        return strcasecmp(told, wanted) == 0;
    }
    uuid_swap(b, swapped);
    return strcmp(a, b) == 0 || strcmp(a, swapped) == 0;
}

static bool serial_equal(const char *told, const char *wanted)
{
    return told != NULL && strcasecmp(told, wanted) == 0;
}

int redfish_identity_check(const struct redfish_system *system, const char *serial,
                           const char *uuid, struct nsh_error *err)
{
    const char *told = system->serial != NULL ? system->serial : system->sku;
    if (serial != NULL && told == NULL) {
        return nsh_fail(err, NSH_MISMATCH, "the BMC tells no serial number, the inventory says %s",
                        serial);
    }
    if (serial != NULL && !serial_equal(system->serial, serial) &&
        !serial_equal(system->sku, serial)) {
        return nsh_fail(err, NSH_MISMATCH,
                        "another machine: the BMC tells serial number %s, the inventory says %s",
                        told, serial);
    }
    if (uuid != NULL && system->uuid == NULL) {
        return nsh_fail(err, NSH_MISMATCH, "the BMC tells no UUID, the inventory says %s", uuid);
    }
    if (uuid != NULL && !uuid_equal(system->uuid, uuid)) {
        return nsh_fail(err, NSH_MISMATCH,
                        "another machine: the BMC tells UUID %s, the inventory says %s",
                        system->uuid, uuid);
    }
    return 0;
}

/* ---- tasks ------------------------------------------------------------------------------ */

static void messages_add(struct json_object *list, char *words, size_t words_bytes)
{
    size_t count = list != NULL && json_object_is_type(list, json_type_array)
                       ? json_object_array_length(list)
                       : 0;
    for (size_t i = 0; i < count && i < REDFISH_MESSAGES_MAX; i++) {
        struct json_object *message = member_of(json_object_array_get_idx(list, i), "Message");
        if (message != NULL && json_object_is_type(message, json_type_string)) {
            redfish_words_add(words, words_bytes, words[0] == '\0' ? "" : " ", 1);
            redfish_words_add(words, words_bytes, json_object_get_string(message),
                              (size_t)json_object_get_string_len(message));
        }
    }
}

bool redfish_is_task(struct json_object *doc)
{
    return text_at(doc, "TaskState") != NULL;
}

enum redfish_task redfish_task_read(struct json_object *doc, char words[REDFISH_WORDS_BYTES_MAX])
{
    static const struct {
        const char *state;
        enum redfish_task task;
    } states[] = {
        {"Completed", REDFISH_TASK_DONE},     {"Exception", REDFISH_TASK_FAILED},
        {"Killed", REDFISH_TASK_FAILED},      {"Cancelled", REDFISH_TASK_FAILED},
        {"Interrupted", REDFISH_TASK_FAILED},
    };
    const char *state = text_at(doc, "TaskState"), *status = text_at(doc, "TaskStatus");
    enum redfish_task task = REDFISH_TASK_RUNNING;

    words[0] = '\0';
    for (size_t i = 0; state != NULL && i < sizeof states / sizeof states[0]; i++) {
        task = strcmp(state, states[i].state) == 0 ? states[i].task : task;
    }
    if (task == REDFISH_TASK_DONE && status != NULL && strcmp(status, "Critical") == 0) {
        task = REDFISH_TASK_FAILED;
    }
    if (task == REDFISH_TASK_FAILED) {
        redfish_words_add(words, REDFISH_WORDS_BYTES_MAX, state, strlen(state));
        messages_add(member_of(doc, "Messages"), words, REDFISH_WORDS_BYTES_MAX);
    }
    return task;
}

const char *redfish_task_monitor(struct json_object *doc)
{
    const char *monitor = path_of(member_of(doc, "TaskMonitor"));
    return monitor != NULL ? monitor : path_of(member_of(doc, "@odata.id"));
}

/* ---- errors ----------------------------------------------------------------------------- */

/* "Base.1.12.ActionParameterValueNotInList": the last part is what counts. */
static int code_of_message(const char *message_id, int code)
{
    static const struct {
        const char *key;
        int code;
    } keys[] = {
        {"ActionNotSupported", NSH_UNSUPPORTED},
        {"ActionParameterNotSupported", NSH_UNSUPPORTED},
        {"ActionParameterValueNotInList", NSH_UNSUPPORTED},
        {"OperationNotAllowed", NSH_UNSUPPORTED},
        {"PropertyNotWritable", NSH_UNSUPPORTED},
        {"PropertyUnknown", NSH_UNSUPPORTED},
        {"PropertyValueNotInList", NSH_UNSUPPORTED},
        {"ActionParameterValueConflict", NSH_CONFLICT},
        {"ResourceInUse", NSH_BUSY},
        {"ServiceInUnknownState", NSH_BUSY},
        {"ServiceTemporarilyUnavailable", NSH_BUSY},
        {"SessionLimitExceeded", NSH_BUSY},
        {"CreateLimitReachedForResource", NSH_BUSY},
        {"InsufficientPrivilege", NSH_DENIED},
        {"PasswordChangeRequired", NSH_AUTH},
    };
    const char *dot = strrchr(message_id, '.');
    const char *key = dot == NULL ? message_id : dot + 1;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i].key) == 0) {
            return keys[i].code;
        }
    }
    return code;
}

int redfish_error_read(const char *body, size_t body_bytes, int code,
                       char words[REDFISH_WORDS_BYTES_MAX])
{
    struct json_object *doc = NULL;
    words[0] = '\0';
    if (redfish_parse(body, body_bytes, &doc, NULL) < 0) {
        return code;
    }
    struct json_object *error = member_of(doc, "error");
    struct json_object *info = member_of(error, "@Message.ExtendedInfo");
    if (info == NULL) {
        info = member_of(doc, "@Message.ExtendedInfo");
    }
    if (info != NULL && json_object_is_type(info, json_type_array)) {
        const char *id = text_at(json_object_array_get_idx(info, 0), "MessageId");
        code = id == NULL ? code : code_of_message(id, code);
        messages_add(info, words, REDFISH_WORDS_BYTES_MAX);
    }
    struct json_object *message = member_of(error, "message");
    if (words[0] == '\0' && message != NULL && json_object_is_type(message, json_type_string)) {
        redfish_words_add(words, REDFISH_WORDS_BYTES_MAX, json_object_get_string(message),
                          (size_t)json_object_get_string_len(message));
    }
    redfish_free(doc);
    return code;
}

/* ---- logs ------------------------------------------------------------------------------- */

const char *redfish_log_choose(const struct redfish_collection *collection)
{
    static const char *const names[] = {"sel", "iml", "eventlog", "log1", "event", "log"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        for (size_t i = 0; i < collection->count && i < REDFISH_MEMBERS_MAX; i++) {
            const char *path = redfish_collection_path(collection, i);
            size_t count = path == NULL ? 0 : strlen(path);
            while (count > 1 && path[count - 1] == '/') {
                count--;
            }
            size_t name_bytes = strlen(names[n]);
            if (count > name_bytes && path[count - name_bytes - 1] == '/' &&
                strncasecmp(path + count - name_bytes, names[n], name_bytes) == 0) {
                return path;
            }
        }
    }
    return redfish_collection_path(collection, 0);
}

const char *redfish_log_entries(struct json_object *doc)
{
    return link_at(doc, "Entries");
}

static void copy_at(struct json_object *object, const char *name, char *room, size_t room_bytes)
{
    struct json_object *value = member_of(object, name);
    room[0] = '\0';
    if (value != NULL && json_object_is_type(value, json_type_string)) {
        redfish_words_add(room, room_bytes, json_object_get_string(value),
                          (size_t)json_object_get_string_len(value));
    }
}

bool redfish_entry_read(struct json_object *doc, struct redfish_entry *ret_entry)
{
    const char *created = text_at(doc, "Created");
    *ret_entry = (struct redfish_entry){.time_s = created == NULL ? 0 : redfish_time_s(created)};
    copy_at(doc, "Id", ret_entry->id, sizeof ret_entry->id);
    copy_at(doc, "Severity", ret_entry->severity, sizeof ret_entry->severity);
    copy_at(doc, "SensorType", ret_entry->sensor, sizeof ret_entry->sensor);
    copy_at(doc, "MessageId", ret_entry->message_id, sizeof ret_entry->message_id);
    copy_at(doc, "Message", ret_entry->message, sizeof ret_entry->message);
    return ret_entry->id[0] != '\0' || ret_entry->message[0] != '\0';
}

/* ---- requests --------------------------------------------------------------------------- */

static size_t json_escape(const char *text, char *out)
{
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c < 0x20) {
            used += (size_t)sprintf(out + used, "\\u%04x", *c);
        } else {
            if (*c == '"' || *c == '\\') {
                out[used++] = '\\';
            }
            out[used++] = (char)*c;
        }
    }
    out[used] = '\0';
    return used;
}

/* By hand: a JSON library that runs out of memory in the middle writes another password. */
char *redfish_login_body(const char *user, const char *password)
{
    static const char begin[] = "{\"UserName\":\"", middle[] = "\",\"Password\":\"", end[] = "\"}";
    size_t room = sizeof begin + sizeof middle + sizeof end + 6 * (strlen(user) + strlen(password));
    char *body = malloc(room);
    if (body == NULL) {
        return NULL;
    }
    char *at = stpcpy(body, begin);
    at = stpcpy(at + json_escape(user, at), middle);
    stpcpy(at + json_escape(password, at), end);
    return body;
}

void redfish_reset_body(enum redfish_reset reset, char room[64])
{
    snprintf(room, 64, "{\"ResetType\":\"%s\"}", resets[reset]);
}

void redfish_led_body(const struct redfish_led *led, bool lit, char room[64])
{
    if (led->has_location) {
        snprintf(room, 64, "{\"LocationIndicatorActive\":%s}", lit ? "true" : "false");
    } else {
        snprintf(room, 64, "{\"IndicatorLED\":\"%s\"}", lit ? "Blinking" : "Off");
    }
}
