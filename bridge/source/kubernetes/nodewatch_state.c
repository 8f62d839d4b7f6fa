/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes as they were told last, and what is told of a newer look at them. */

#include "nodewatch.h"

#include "source/map/source_map.h"

#include "abi/json_value.h"

#include <stdio.h>
#include <stdlib.h>

#define TAINT_BYTES_MAX 400 /* key (317), effect, value (63) */
#define GONE_CODE 410

enum status { STATUS_FALSE, STATUS_TRUE, STATUS_UNKNOWN, STATUSES_COUNT };
enum said { SAID_NOTHING, SAID_RAISE, SAID_CLEAR };

struct condition {
    char type[NODEWATCH_WORD_BYTES_MAX];
    enum status status;
    enum said said;
    int64_t changed_ms; /* lastTransitionTime; 0: it has none. */
    /* Changes within one second have the same time: how often each status came in it tells them
     * apart. The first time is 0, as it is after a restart. */
    uint32_t turns[STATUSES_COUNT];
};

struct node {
    char *name, *uid;
    uint32_t round; /* Of the list it was on last. */
    bool cordoned;
    struct condition *conditions;
    uint32_t conditions_count;
    char (*taints)[TAINT_BYTES_MAX]; /* "KEY=VALUE:EFFECT" */
    uint32_t taints_count;
};

static const char *const status_words[] = {"False", "True", "Unknown"};

/* ---- reading ---- */

static void node_free(struct node *node)
{
    if (node != NULL) {
        free(node->name);
        free(node->uid);
        free(node->conditions);
        free(node->taints);
        free(node);
    }
}

static bool is_listed(const struct nsh_value *list, const char *word)
{
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const struct nsh_value *item = &list->items[i];
        if (item->type == NSH_STRING && text_glob(text_of(item->text), text_of(word))) {
            return true;
        }
    }
    return false;
}

static bool is_good_when_true(const struct nodewatch *watch, const char *type)
{
    if (watch->good != NULL) {
        return strcmp(type, "Ready") == 0 || is_listed(watch->good, type);
    }
    return strcmp(type, "Ready") == 0 || strcmp(type, "EtcdIsVoter") == 0;
}

static bool condition_read(const struct nodewatch *watch, const struct nsh_value *value,
                           struct condition *ret_condition)
{
    const char *type = nsh_get_text(value, "type", "");
    const char *status = nsh_get_text(value, "status", "Unknown");
    if (type[0] == '\0' || strlen(type) >= sizeof ret_condition->type ||
        (watch->watched != NULL && !is_listed(watch->watched, type))) {
        return false;
    }
    *ret_condition = (struct condition){.status = STATUS_UNKNOWN};
    snprintf(ret_condition->type, sizeof ret_condition->type, "%s", type);
    for (enum status one = STATUS_FALSE; one <= STATUS_TRUE; one++) {
        if (strcmp(status, status_words[one]) == 0) {
            ret_condition->status = one;
        }
    }
    event_time_read(nsh_get_text(value, "lastTransitionTime", ""), &ret_condition->changed_ms);
    return true;
}

/* Taints that the control plane makes of conditions and of the cordon say nothing new. */
static bool taint_read(const struct nsh_value *value, char ret_taint[TAINT_BYTES_MAX])
{
    const char *key = nsh_get_text(value, "key", "");
    if (key[0] == '\0' || strncmp(key, "node.kubernetes.io/", 19) == 0 ||
        strncmp(key, "node.cloudprovider.kubernetes.io/", 33) == 0) {
        return false;
    }
    snprintf(ret_taint, TAINT_BYTES_MAX, "%.253s=%.63s:%.32s", key,
             nsh_get_text(value, "value", ""), nsh_get_text(value, "effect", ""));
    return true;
}

/* NULL: no memory. */
static struct node *node_read(const struct nodewatch *watch, const struct nsh_value *object)
{
    size_t conditions = nsh_at_count(object, "status.conditions");
    size_t taints = nsh_at_count(object, "spec.taints");
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    conditions = conditions > NODEWATCH_CONDITIONS_MAX ? NODEWATCH_CONDITIONS_MAX : conditions;
    taints = taints > NODEWATCH_TAINTS_MAX ? NODEWATCH_TAINTS_MAX : taints;
    node->name = strdup(nsh_at_text(object, "metadata.name", ""));
    node->uid = strdup(nsh_at_text(object, "metadata.uid", ""));
    node->conditions = calloc(conditions + 1, sizeof node->conditions[0]);
    node->taints = calloc(taints + 1, sizeof node->taints[0]);
    node->cordoned = nsh_at_bool(object, "spec.unschedulable", false);
    node->round = watch->round;
    if (node->name == NULL || node->uid == NULL || node->conditions == NULL ||
        node->taints == NULL) {
        node_free(node);
        return NULL;
    }
    for (size_t i = 0; i < conditions; i++) {
        node->conditions_count += condition_read(watch, nsh_at_item(object, "status.conditions", i),
                                                 &node->conditions[node->conditions_count]);
    }
    for (size_t i = 0; i < taints; i++) {
        node->taints_count +=
            taint_read(nsh_at_item(object, "spec.taints", i), node->taints[node->taints_count]);
    }
    return node;
}

/* ---- telling conditions ---- */

static const struct condition *condition_of(const struct node *node, const char *type)
{
    for (uint32_t i = 0; node != NULL && i < node->conditions_count; i++) {
        if (strcmp(node->conditions[i].type, type) == 0) {
            return &node->conditions[i];
        }
    }
    return NULL;
}

static const struct nsh_value *condition_value(const struct nsh_value *object, const char *type)
{
    for (size_t i = 0; i < nsh_at_count(object, "status.conditions"); i++) {
        const struct nsh_value *item = nsh_at_item(object, "status.conditions", i);
        if (strcmp(nsh_get_text(item, "type", ""), type) == 0) {
            return item;
        }
    }
    return NULL;
}

/* What a status means; nothing: what was said stays so. A silent kubelet makes all Unknown, which
 * says of Ready that it is not, and nothing of the others. */
static enum said meaning(const struct nodewatch *watch, const struct condition *condition)
{
    bool good = is_good_when_true(watch, condition->type);
    if (condition->status == STATUS_UNKNOWN) {
        return strcmp(condition->type, "Ready") == 0 ? SAID_RAISE : SAID_NOTHING;
    }
    return (condition->status == STATUS_TRUE) == good ? SAID_CLEAR : SAID_RAISE;
}

static enum severity severity_for(const char *type)
{
    size_t count = strlen(type);
    bool pressure = count > 8 && strcmp(type + count - 8, "Pressure") == 0;
    return pressure ? SEVERITY_MINOR : SEVERITY_MAJOR;
}

static struct text type_for(const struct nodewatch *watch, struct nodewatch_out *out,
                            const char *condition)
{
    char word[2 * NODEWATCH_WORD_BYTES_MAX];
    source_kebab(condition, word, sizeof word);
    const char *type = arena_printf(out->arena, "kubernetes.node.%s%s",
                                    is_good_when_true(watch, condition) ? "not-" : "", word);
    out->failed = out->failed || type == NULL;
    return text_of(type == NULL ? "" : type);
}

bool nodewatch_says(const struct nodewatch *watch, const char *node, const char *type,
                    struct nodewatch_out *out)
{
    const struct node *known = map_get(&watch->nodes, text_of(node));
    for (uint32_t i = 0; known != NULL && i < known->conditions_count; i++) {
        if (text_is(type_for(watch, out, known->conditions[i].type), type)) {
            return true;
        }
    }
    return false;
}

/* value: the condition as it came; NULL: the node is gone. */
static void tell_condition(const struct nodewatch *watch, const struct node *node,
                           const struct condition *condition, const struct nsh_value *value,
                           struct nodewatch_out *out)
{
    struct event *event = nodewatch_tell(watch, out, node->name);
    if (event == NULL) {
        return;
    }
    bool raise = condition->said == SAID_RAISE, gone = value == NULL;
    const char *status = gone ? "deleted" : status_words[condition->status];
    const char *reason = gone ? "" : nsh_get_text(value, "reason", "");
    const char *message = gone ? "the node was deleted" : nsh_get_text(value, "message", "");
    const struct nsh_member data[] = {
        {"node", nsh_text(node->name)},         {"condition", nsh_text(condition->type)},
        {"status", nsh_text(status)},           {"reason", nsh_text(reason)},
        {"cordoned", nsh_bool(node->cordoned)},
    };
    event->time_ms = condition->changed_ms;
    event->state = raise ? EVENT_RAISE : EVENT_CLEAR;
    event->severity = raise ? severity_for(condition->type) : SEVERITY_INFO;
    event->type = type_for(watch, out, condition->type);
    event->name = nodewatch_cut(out, condition->type);
    event->data = nodewatch_data(out, data, sizeof data / sizeof data[0]);
    const char *text = arena_printf(out->arena, "%s is %s%s%s%s%s", condition->type, status,
                                    reason[0] == '\0' ? "" : ", ", reason,
                                    message[0] == '\0' ? "" : ": ", message);
    const char *id =
        arena_printf(out->arena, "%s/%s/%s/%lld/%u", node->uid, condition->type, status,
                     (long long)condition->changed_ms, condition->turns[condition->status]);
    out->failed = out->failed || text == NULL || id == NULL;
    event->message = nodewatch_cut(out, text == NULL ? "" : text);
    /* Without a time nothing tells one change from the next: such events are never repeats. */
    event->id = condition->changed_ms == 0 ? TEXT("") : nodewatch_cut(out, id == NULL ? "" : id);
}

static struct event *tell_pulse(const struct nodewatch *watch, const struct node *node,
                                const char *word, const char *message, struct nodewatch_out *out)
{
    struct event *event = nodewatch_tell(watch, out, node->name);
    const char *type = arena_printf(out->arena, "kubernetes.node.%s", word);
    const struct nsh_member data[] = {{"node", nsh_text(node->name)},
                                      {"cordoned", nsh_bool(node->cordoned)}};
    if (event == NULL || type == NULL) {
        out->failed = true;
        return NULL;
    }
    event->state = EVENT_PULSE;
    event->severity = SEVERITY_INFO;
    event->type = text_of(type);
    event->name = TEXT("Node");
    event->message = nodewatch_cut(out, message);
    event->data = nodewatch_data(out, data, 2);
    return event;
}

/* It changed and came back while nobody looked: the state is what was told, and yet it is news. */
static void tell_flap(const struct nodewatch *watch, const struct node *node,
                      const struct condition *condition, struct nodewatch_out *out)
{
    char text[256];
    snprintf(text, sizeof text, "%s is %s again: it changed in between, unseen", condition->type,
             status_words[condition->status]);
    struct event *event = tell_pulse(watch, node, "flapped", text, out);
    if (event != NULL) {
        event->severity = SEVERITY_WARNING;
        event->time_ms = condition->changed_ms;
        event->resource = nodewatch_cut(out, condition->type);
    }
}

static void compare_condition(const struct nodewatch *watch, const struct node *old,
                              const struct node *node, struct condition *condition,
                              const struct nsh_value *object, struct nodewatch_out *out)
{
    const struct condition *before = condition_of(old, condition->type);
    enum said means = meaning(watch, condition),
              said = before == NULL ? SAID_NOTHING : before->said;
    bool same_status = before != NULL && before->status == condition->status;
    bool same_time = before != NULL && before->changed_ms == condition->changed_ms;
    condition->said = means == SAID_NOTHING ? said : means;
    if (same_time) {
        memcpy(condition->turns, before->turns, sizeof condition->turns);
        /* UINT32_MAX: it was not there yet in this second. */
        condition->turns[condition->status] += !same_status;
    } else {
        memset(condition->turns, 0xff, sizeof condition->turns);
        condition->turns[condition->status] = 0;
    }
    if (means == SAID_NOTHING || (same_status && same_time)) {
        return;
    }
    if (same_status && means == SAID_CLEAR && said == SAID_CLEAR && condition->changed_ms != 0) {
        tell_flap(watch, node, condition, out);
    }
    /* With a flap too: under the id that it has after a restart. */
    tell_condition(watch, node, condition, condition_value(object, condition->type), out);
}

/* ---- telling the rest ---- */

static bool has_taint(const struct node *node, const char *taint)
{
    for (uint32_t i = 0; i < node->taints_count; i++) {
        if (strcmp(node->taints[i], taint) == 0) {
            return true;
        }
    }
    return false;
}

/* Taints of one that the other does not have. */
static void tell_taints(const struct nodewatch *watch, const struct node *one,
                        const struct node *other, const char *word, struct nodewatch_out *out)
{
    for (uint32_t i = 0; i < one->taints_count; i++) {
        if (has_taint(other, one->taints[i])) {
            continue;
        }
        struct event *event = tell_pulse(watch, one, word, one->taints[i], out);
        if (event != NULL) {
            event->resource = nodewatch_cut(out, one->taints[i]);
        }
    }
}

static void node_compare(const struct nodewatch *watch, const struct node *old, struct node *node,
                         const struct nsh_value *object, struct nodewatch_out *out)
{
    for (uint32_t i = 0; i < node->conditions_count; i++) {
        compare_condition(watch, old, node, &node->conditions[i], object, out);
    }
    for (uint32_t i = 0; old != NULL && i < old->conditions_count; i++) {
        struct condition ended = old->conditions[i];
        if (ended.said == SAID_RAISE && condition_of(node, ended.type) == NULL) {
            ended.said = SAID_CLEAR;
            tell_condition(watch, node, &ended, NULL, out);
        }
    }
    if (old == NULL) {
        if (watch->listed) {
            tell_pulse(watch, node, "added", "a new node", out);
        }
        return;
    }
    if (old->cordoned != node->cordoned) {
        tell_pulse(watch, node, node->cordoned ? "cordoned" : "uncordoned",
                   node->cordoned ? "takes no new pods" : "takes pods again", out);
    }
    tell_taints(watch, node, old, "tainted", out);
    tell_taints(watch, old, node, "untainted", out);
}

static void node_gone(struct nodewatch *watch, const struct node *node, struct nodewatch_out *out)
{
    for (uint32_t i = 0; i < node->conditions_count; i++) {
        struct condition ended = node->conditions[i];
        if (ended.said == SAID_RAISE) {
            ended.said = SAID_CLEAR;
            tell_condition(watch, node, &ended, NULL, out);
        }
    }
    tell_pulse(watch, node, "deleted", "the node was deleted", out);
}

/* ---- lists and lines ---- */

static void node_remove(struct nodewatch *watch, const char *name, struct nodewatch_out *out)
{
    struct node *node = map_remove(&watch->nodes, text_of(name));
    if (node != NULL) {
        node_gone(watch, node, out);
        node_free(node);
    }
}

/* What node says, under the name that is the map's key. */
static void node_become(struct node *old, struct node *node)
{
    struct node before = *old;
    *old = *node;
    *node = before;
    node->name = old->name;
    old->name = before.name;
}

static void node_seen(struct nodewatch *watch, const struct nsh_value *object,
                      struct nodewatch_out *out)
{
    const char *name = nsh_at_text(object, "metadata.name", "");
    struct node *old = map_get(&watch->nodes, text_of(name));
    if (name[0] == '\0') {
        return;
    }
    if (old == NULL && watch->nodes.count >= NODEWATCH_NODES_MAX) {
        watch->full++;
        return;
    }
    if (old != NULL && strcmp(old->uid, nsh_at_text(object, "metadata.uid", "")) != 0) {
        node_remove(watch, name, out); /* Deleted and made again, unseen. */
        old = NULL;
    }
    struct node *node = node_read(watch, object);
    if (node == NULL) {
        out->failed = true;
        return;
    }
    node_compare(watch, old, node, object, out);
    if (old != NULL) {
        node_become(old, node);
        node_free(node);
    } else if (map_set(&watch->nodes, text_of(node->name), node) < 0) {
        node_free(node);
        out->failed = true;
    }
}

void nodewatch_list_begin(struct nodewatch *watch, enum nodewatch_kind kind)
{
    if (kind == NODEWATCH_NODES) {
        watch->round++;
        watch->full = 0;
    } else if (kind == NODEWATCH_LEASES) {
        watch->leases_round++;
    }
}

void nodewatch_list_page(struct nodewatch *watch, enum nodewatch_kind kind,
                         const struct nsh_value *list, struct nodewatch_out *out)
{
    for (size_t i = 0; i < nsh_at_count(list, "items"); i++) {
        const struct nsh_value *item = nsh_at_item(list, "items", i);
        if (kind == NODEWATCH_NODES) {
            node_seen(watch, item, out);
        } else if (kind == NODEWATCH_LEASES) {
            nodewatch_lease_seen(watch, item, out);
        } else {
            nodewatch_event(watch, item, out);
        }
    }
}

void nodewatch_list_end(struct nodewatch *watch, enum nodewatch_kind kind,
                        struct nodewatch_out *out)
{
    if (kind == NODEWATCH_LEASES) {
        nodewatch_leases_end(watch, out);
    }
    if (kind != NODEWATCH_NODES) {
        return;
    }
    for (size_t i = 0; i < watch->nodes.used; i++) {
        struct node *node = watch->nodes.entries[i].value;
        if (node == NULL || node->round == watch->round) {
            continue;
        }
        node_gone(watch, node, out);
        /* Removing marks the entry, and moves none. */
        map_remove(&watch->nodes, text_of(node->name));
        node_free(node);
    }
    nodewatch_stood_end(watch, out);
    watch->listed = true;
}

static void line_take(struct nodewatch *watch, enum nodewatch_kind kind, const char *type,
                      const struct nsh_value *object, struct nodewatch_out *out)
{
    const char *name = nsh_at_text(object, "metadata.name", "");
    bool gone = strcmp(type, "DELETED") == 0;
    bool seen = strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0;
    switch (kind) {
    case NODEWATCH_NODES:
        if (gone) {
            node_remove(watch, name, out);
        } else if (seen) {
            node_seen(watch, object, out);
        }
        break;
    case NODEWATCH_LEASES:
        nodewatch_leases_heard(watch, out->now_ms, false);
        if (gone) {
            nodewatch_lease_gone(watch, name, out);
        } else if (seen) {
            nodewatch_lease_seen(watch, object, out);
        }
        break;
    case NODEWATCH_EVENTS:
    case NODEWATCH_KINDS_COUNT:
        if (seen) {
            nodewatch_event(watch, object, out);
        }
        break;
    }
}

static enum nodewatch_result line_error(const struct nsh_value *object, struct nsh_error *err)
{
    if (nsh_get_int(object, "code", 0) == GONE_CODE) {
        return NODEWATCH_EXPIRED;
    }
    nsh_fail(err, NSH_PROTOCOL, "the watch ends: %.160s",
             nsh_get_text(object, "message", "it does not say why"));
    return NODEWATCH_FAILED;
}

enum nodewatch_result nodewatch_line(struct nodewatch *watch, enum nodewatch_kind kind,
                                     const struct nsh_value *line, struct nodewatch_out *out,
                                     char version[NODEWATCH_VERSION_BYTES_MAX],
                                     struct nsh_error *err)
{
    const char *type = nsh_get_text(line, "type", "");
    const struct nsh_value *object = nsh_get(line, "object");
    const char *now = nsh_at_text(object, "metadata.resourceVersion", "");
    if (strcmp(type, "ERROR") == 0) {
        return line_error(object, err);
    }
    if (object == NULL || object->type != NSH_MAP || now[0] == '\0' ||
        strlen(now) >= NODEWATCH_VERSION_BYTES_MAX) {
        nsh_fail(err, NSH_PROTOCOL, "a line of the watch is no change of an object");
        return NODEWATCH_FAILED;
    }
    line_take(watch, kind, type, object, out);
    snprintf(version, NODEWATCH_VERSION_BYTES_MAX, "%s", now);
    return NODEWATCH_TAKEN;
}

void nodewatch_forget(struct nodewatch *watch)
{
    MAP_EACH (&watch->nodes, entry) {
        node_free(entry->value);
    }
    map_done(&watch->nodes);
    watch->nodes = (struct map){0};
    nodewatch_leases_forget(watch);
    watch->listed = false;
    memset(watch->recent, 0, sizeof watch->recent);
}

void nodewatch_count(const struct nodewatch *watch, uint32_t *ret_nodes, uint32_t *ret_raised)
{
    uint32_t raised = 0;
    MAP_EACH (&watch->nodes, entry) {
        const struct node *node = entry->value;
        for (uint32_t i = 0; i < node->conditions_count; i++) {
            raised += node->conditions[i].said == SAID_RAISE;
        }
    }
    *ret_nodes = (uint32_t)watch->nodes.count;
    *ret_raised = raised;
}
