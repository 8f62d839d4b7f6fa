/* SPDX-License-Identifier: Apache-2.0 */
/* What the analytics API calls things -> what we do; one alarm of a list. Both of its generations.
 */

#include "contrail.h"

#include "abi/json_value.h"
#include "base/json.h"
#include "source/map/source_push.h"

#define SYSTEM_PREFIX "default-global-system-config:"
#define DEFINED_PREFIX "system-defined-"
#define JSON_DEPTH_BYTES_MAX 4096 /* Of one JSON document in a text. */

/* The stream speaks of internal tables, the REST of those of its own. */
static const struct {
    const char *internal, *table;
} tables[] = {
    {"ObjectVRouter", "vrouter"},
    {"ObjectBgpRouter", "control-node"},
    {"bgp-router", "control-node"},
    {"ObjectCollectorInfo", "analytics-node"},
    {"collector", "analytics-node"},
    {"ObjectConfigNode", "config-node"},
    {"ObjectDatabaseInfo", "database-node"},
    {"ObjectConfigDatabaseInfo", "config-database-node"},
    {"ObjectAnalyticsAlarmInfo", "analytics-alarm-node"},
    {"ObjectAnalyticsSNMPInfo", "analytics-snmp-node"},
    {"ObjectVNTable", "virtual-network"},
    {"ObjectVMTable", "virtual-machine"},
    {"ObjectVMITable", "virtual-machine-interface"},
    {"ObjectSITable", "service-instance"},
    {"ServiceChain", "service-chain"},
    {"ObjectPRouter", "prouter"},
    {"ObjectBgpPeer", "bgp-peer"},
    {"ObjectXmppPeer", "xmpp-peer"},
};

const char *contrail_table(const char *table)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (strcmp(tables[i].internal, table) == 0) {
            return tables[i].table;
        }
    }
    return table;
}

bool contrail_type(const char *type, struct arena *arena, const char **ret_type,
                   const char **ret_qualifier)
{
    char word[CONTRAIL_TYPE_BYTES_MAX];
    size_t prefix = sizeof SYSTEM_PREFIX - 1;
    bool systems = strncmp(type, SYSTEM_PREFIX, prefix) == 0;
    const char *last = strrchr(type, ':');
    const char *own = last == NULL ? type : last + 1;
    bool defined = strncmp(own, DEFINED_PREFIX, sizeof DEFINED_PREFIX - 1) == 0;
    own += defined ? sizeof DEFINED_PREFIX - 1 : 0;
    source_kebab(own[0] == '\0' ? "unnamed" : own, word, sizeof word);
    *ret_type = arena_printf(arena, "contrail.%s", word);
    /* Rules of projects may have the same name: the whole of it tells them apart. */
    *ret_qualifier = last == NULL || (systems && defined) ? "" : type;
    return *ret_type != NULL;
}

/* Critical 0, major 1, minor 2; the generation before counted as syslog does. */
static enum severity severity_of_byte(int64_t byte, bool old)
{
    if (old || byte > 2) {
        return byte <= 2 ? SEVERITY_CRITICAL : byte == 3 ? SEVERITY_MAJOR : SEVERITY_WARNING;
    }
    return byte == 0 ? SEVERITY_CRITICAL : byte == 1 ? SEVERITY_MAJOR : SEVERITY_MINOR;
}

/* ---- conditions and their values: JSON in texts ---- */

static struct nsh_value twice(const struct nsh_value *value, struct arena *arena)
{
    struct nsh_value inner = nsh_null();
    if (value == NULL) {
        return nsh_null();
    }
    if (value->type != NSH_STRING || value->count > JSON_DEPTH_BYTES_MAX ||
        json_parse(value->text, value->count, arena, &inner, NULL) < 0) {
        return *value;
    }
    return inner;
}

/* "NodeStatus.process_info": a text, or {"keys": [...]}. */
static struct nsh_value operand_of(const struct nsh_value *operand, struct arena *arena)
{
    const struct nsh_value *keys = nsh_get(operand, "keys");
    const char *text = "";
    if (operand == NULL || operand->type == NSH_STRING) {
        return operand == NULL ? nsh_null() : *operand;
    }
    for (uint32_t i = 0; keys != NULL && keys->type == NSH_LIST && i < keys->count && i < 8; i++) {
        if (keys->items[i].type == NSH_STRING && text != NULL) {
            text =
                arena_printf(arena, "%.500s%s%.100s", text, i == 0 ? "" : ".", keys->items[i].text);
        }
    }
    return nsh_text(text);
}

static struct nsh_value against_of(const struct nsh_value *operand, struct arena *arena)
{
    const struct nsh_value *json = nsh_get(operand, "json_value");
    const struct nsh_value *attribute = nsh_get(operand, "uve_attribute");
    if (json != NULL) {
        return twice(json, arena);
    }
    return operand_of(attribute != NULL ? attribute : operand, arena);
}

/* One condition that holds: {operand, operation, against, value}. */
static bool match_add(const struct nsh_value *one, struct arena *arena, struct nsh_value *items,
                      size_t *count)
{
    const struct nsh_value *rule = nsh_get(one, "condition");
    const struct nsh_value *match = nsh_at_item(one, "match", 0);
    rule = rule == NULL ? nsh_get(one, "rule") : rule;
    match = match == NULL ? one : match;
    struct nsh_member *members = arena_array(arena, 4, sizeof *members);
    if (members == NULL) {
        return false;
    }
    members[0] = (struct nsh_member){"operand", operand_of(nsh_get(rule, "operand1"), arena)};
    members[1] = (struct nsh_member){
        "operation", nsh_text(nsh_get_text(rule, "operation", nsh_get_text(rule, "oper", "")))};
    members[2] = (struct nsh_member){"against", against_of(nsh_get(rule, "operand2"), arena)};
    members[3] = (struct nsh_member){"value", twice(nsh_get(match, "json_operand1_value"), arena)};
    items[(*count)++] = nsh_map(members, 4);
    return true;
}

static struct nsh_value matches_of(const struct nsh_value *alarm, struct arena *arena)
{
    const char *any = "alarm_rules.or_list", *all = "and_list";
    size_t count = 0;
    struct nsh_value *items = arena_array(arena, CONTRAIL_MATCHES_MAX, sizeof *items);
    if (nsh_get(alarm, "any_of") != NULL) {
        any = "any_of";
        all = "all_of";
    }
    for (size_t i = 0; items != NULL && i < nsh_at_count(alarm, any); i++) {
        const struct nsh_value *group = nsh_at_item(alarm, any, i);
        for (size_t j = 0; j < nsh_at_count(group, all) && count < CONTRAIL_MATCHES_MAX; j++) {
            if (!match_add(nsh_at_item(group, all, j), arena, items, &count)) {
                break;
            }
        }
    }
    return nsh_list(items, count);
}

static bool data_pack(const struct nsh_value *data, struct arena *arena, struct contrail_item *item)
{
    struct text packed = source_pack_data(data, CONTRAIL_DATA_BYTES_MAX, arena);
    item->data = (const uint8_t *)packed.at;
    item->data_bytes = packed.count;
    return packed.count > 0;
}

/* With the conditions, or, when they are too long, without. */
static void data_make(const struct nsh_value *alarm, const char *table, const char *name,
                      struct arena *arena, struct contrail_item *item)
{
    const struct nsh_member members[] = {
        {"table", nsh_text(table)},
        {"name", nsh_text(name)},
        {"alarm", nsh_text(item->type)},
        {"raised_ms", nsh_int(item->time_us / 1000)},
        {"matches", matches_of(alarm, arena)},
    };
    struct nsh_value data = nsh_map(members, 5);
    if (!data_pack(&data, arena, item)) {
        data = nsh_map(members, 4);
        data_pack(&data, arena, item);
    }
}

/* ---- one alarm ---- */

/* A number, or one in a text. */
static bool number_read(const struct nsh_value *value, int64_t *ret_number)
{
    if (value != NULL && value->type == NSH_STRING) {
        return text_to_int((struct text){value->text, value->count}, ret_number);
    }
    if (value == NULL || value->type != NSH_INT) {
        return false;
    }
    *ret_number = value->integer;
    return true;
}

/* At most so many bytes of it, whole characters. */
static const char *cut(const char *text, size_t bytes_max, struct arena *arena)
{
    size_t count = strlen(text);
    if (count > bytes_max) {
        count = bytes_max;
        while (count > 0 && ((unsigned char)text[count] & 0xc0) == 0x80) {
            count--;
        }
    }
    return arena_copy(arena, text, count);
}

int contrail_item(const struct nsh_value *value, const char *table, const char *name,
                  struct arena *arena, struct contrail_item *ret_item, struct nsh_error *err)
{
    int64_t severity = 0, time_us = 0;
    struct contrail_item item = {
        .type = nsh_get_text(value, "type", ""),
        .token = nsh_get_text(value, "token", ""),
        .message = cut(nsh_get_text(value, "description", ""), CONTRAIL_MESSAGE_BYTES_MAX, arena),
        .acknowledged = nsh_get_bool(value, "ack", false),
    };
    if (item.type[0] == '\0' || strlen(item.type) >= CONTRAIL_TYPE_BYTES_MAX) {
        return nsh_fail(err, NSH_PROTOCOL, "an alarm of %.100s/%.100s has no type", table, name);
    }
    if (!number_read(nsh_get(value, "severity"), &severity) || severity < 0 || severity > 255) {
        return nsh_fail(err, NSH_PROTOCOL, "the alarm %.100s of %.100s/%.100s has no severity",
                        item.type, table, name);
    }
    if (number_read(nsh_get(value, "timestamp"), &time_us) && time_us > 0) {
        item.time_us = time_us;
    }
    if (strlen(item.token) > CONTRAIL_TOKEN_BYTES_MAX) {
        item.token = "";
    }
    item.severity = severity_of_byte(severity, nsh_get(value, "any_of") != NULL);
    if (item.message == NULL ||
        !contrail_type(item.type, arena, &item.event_type, &item.qualifier)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    data_make(value, table, name, arena, &item);
    *ret_item = item;
    return 0;
}
