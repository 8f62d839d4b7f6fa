/* SPDX-License-Identifier: Apache-2.0 */
/* Objects and their alarms: what came is compared with what was told. */

#include "contrail.h"

#include "abi/json_value.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#define TOLD_UNSURE (-1) /* told_us: no time of a server. */

/* ---- queues ---- */

static void queue_add(struct contrail *contrail, struct contrail_alarm *alarm)
{
    struct contrail_queue *queue = &contrail->queue;
    if (alarm->queued) {
        return;
    }
    alarm->queued = true;
    alarm->queue_next = NULL;
    *(queue->last == NULL ? &queue->first : &queue->last->queue_next) = alarm;
    queue->last = alarm;
    queue->count++;
}

static void leaving_add(struct contrail *contrail, struct contrail_alarm *alarm)
{
    struct contrail_queue *queue = &contrail->leaving;
    if (alarm->leaving) {
        return;
    }
    alarm->leaving = true;
    alarm->leaving_next = NULL;
    *(queue->last == NULL ? &queue->first : &queue->last->leaving_next) = alarm;
    queue->last = alarm;
    queue->count++;
}

static void ack_add(struct contrail *contrail, struct contrail_alarm *alarm)
{
    struct contrail_queue *queue = &contrail->acks;
    if (alarm->ack_queued) {
        return;
    }
    alarm->ack_queued = true;
    alarm->ack_next = NULL;
    *(queue->last == NULL ? &queue->first : &queue->last->ack_next) = alarm;
    queue->last = alarm;
    queue->count++;
}

/* ---- objects and alarms ---- */

static void alarm_free(struct contrail_alarm *alarm)
{
    free(alarm->type);
    free(alarm->token);
    free(alarm->message);
    free(alarm->event_type);
    free(alarm->qualifier);
    free(alarm->data);
    free(alarm);
}

static void object_free(struct contrail_object *object)
{
    while (object->alarms != NULL) {
        struct contrail_alarm *alarm = object->alarms;
        object->alarms = alarm->next;
        alarm_free(alarm);
    }
    free(object->key);
    free(object->table);
    free(object->host);
    free(object);
}

void contrail_done(struct contrail *contrail)
{
    MAP_EACH (&contrail->objects, entry) {
        object_free(entry->value);
    }
    map_done(&contrail->objects);
    *contrail = (struct contrail){.source = contrail->source,
                                  .settle_ms = contrail->settle_ms,
                                  .acknowledges = contrail->acknowledges};
}

/* Without alarms nothing is known of it, but that a list which is awaited may be older. */
static void object_maybe_free(struct contrail *contrail, struct contrail_object *object)
{
    if (object->count == 0 && !contrail->listing) {
        map_remove(&contrail->objects, text_of(object->key));
        object_free(object);
    }
}

/* Gone, told so, and nothing of it anywhere. */
static void alarm_maybe_free(struct contrail *contrail, struct contrail_alarm *alarm)
{
    struct contrail_object *object = alarm->object;
    if (alarm->present || alarm->told || alarm->queued || alarm->leaving || alarm->ack_queued ||
        alarm->flying > 0) {
        return;
    }
    struct contrail_alarm **at = &object->alarms;
    while (*at != alarm) {
        at = &(*at)->next;
    }
    *at = alarm->next;
    alarm_free(alarm);
    object->count--;
    contrail->alarms--;
    object_maybe_free(contrail, object);
}

static struct contrail_object *object_make(struct contrail *contrail, const char *key,
                                           const char *table)
{
    struct contrail_object *object = calloc(1, sizeof *object);
    if (object == NULL) {
        return NULL;
    }
    object->key = strdup(key);
    object->table = strdup(table);
    if (object->key == NULL || object->table == NULL ||
        map_set(&contrail->objects, text_of(object->key), object) < 0) {
        object_free(object);
        return NULL;
    }
    const char *slash = strchr(object->key, '/');
    NSH_ASSERT(slash != NULL);
    object->name = slash + 1;
    return object;
}

static struct contrail_alarm *alarm_find(struct contrail_object *object, const char *event_type,
                                         const char *qualifier)
{
    struct contrail_alarm *alarm = object->alarms;
    while (alarm != NULL && (strcmp(alarm->event_type, event_type) != 0 ||
                             strcmp(alarm->qualifier, qualifier) != 0)) {
        alarm = alarm->next;
    }
    return alarm;
}

static struct contrail_alarm *alarm_make(struct contrail *contrail, struct contrail_object *object,
                                         const char *event_type, const char *qualifier)
{
    struct contrail_alarm *alarm = calloc(1, sizeof *alarm);
    if (alarm == NULL) {
        return NULL;
    }
    alarm->object = object;
    alarm->event_type = strdup(event_type);
    alarm->qualifier = strdup(qualifier);
    alarm->type = strdup("");
    alarm->token = strdup("");
    alarm->message = strdup("");
    if (alarm->event_type == NULL || alarm->qualifier == NULL || alarm->type == NULL ||
        alarm->token == NULL || alarm->message == NULL) {
        alarm_free(alarm);
        return NULL;
    }
    alarm->next = object->alarms;
    object->alarms = alarm;
    object->count++;
    contrail->alarms++;
    return alarm;
}

bool contrail_seed(struct contrail *contrail, const char *resource, const char *type,
                   const char *qualifier, const char *host, enum severity severity)
{
    const char *slash = strchr(resource, '/');
    char table[CONTRAIL_TABLE_BYTES_MAX];
    if (slash == NULL || (size_t)(slash - resource) >= sizeof table) {
        return true; /* Not one of ours. */
    }
    snprintf(table, sizeof table, "%.*s", (int)(slash - resource), resource);
    struct contrail_object *object = map_get(&contrail->objects, text_of(resource));
    object = object == NULL ? object_make(contrail, resource, table) : object;
    if (object == NULL) {
        return false;
    }
    if (object->host == NULL && host[0] != '\0') {
        object->host = strdup(host);
    }
    struct contrail_alarm *alarm = alarm_make(contrail, object, type, qualifier);
    if (alarm == NULL) {
        object_maybe_free(contrail, object);
        return false;
    }
    alarm->severity = alarm->told_severity = severity;
    alarm->present = alarm->told = alarm->durable = true;
    return true;
}

/* ---- what came ---- */

/* One alarm as it is now; NULL until text is new. False: no memory. */
static bool text_set(char **at, const char *text)
{
    if (strcmp(*at, text) == 0) {
        return true;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return false;
    }
    free(*at);
    *at = copy;
    return true;
}

static bool texts_set(struct contrail_alarm *alarm, const struct contrail_item *item)
{
    uint8_t *data = malloc(item->data_bytes + 1u);
    if (data == NULL || !text_set(&alarm->type, item->type) ||
        !text_set(&alarm->message, item->message)) {
        free(data);
        return false;
    }
    if (item->data_bytes > 0) {
        memcpy(data, item->data, item->data_bytes);
    }
    free(alarm->data);
    alarm->data = data;
    alarm->data_bytes = item->data_bytes;
    if (strcmp(alarm->token, item->token) != 0 && alarm->ack == ACK_REFUSED) {
        alarm->ack = ACK_NONE; /* Another token: it may be tried again. */
    }
    return text_set(&alarm->token, item->token);
}

/* The store has it as it is now: what was told of it last is durable. */
static bool is_kept(const struct contrail_alarm *alarm)
{
    return alarm->durable && alarm->told && alarm->told_us == alarm->time_us;
}

/* What it says of acknowledging; listed: it is newer than any try that is over. */
static void ack_look(struct contrail *contrail, struct contrail_alarm *alarm, bool listed)
{
    if (alarm->acknowledged) {
        alarm->ack = alarm->ack == ACK_SENT ? ACK_SENT : ACK_DONE;
        return;
    }
    if (alarm->ack == ACK_UNSURE && listed && contrail->round > alarm->ack_round) {
        alarm->ack = ACK_NONE;
    }
    if (contrail->acknowledges && alarm->ack == ACK_NONE && is_kept(alarm) &&
        alarm->token[0] != '\0') {
        alarm->ack = ACK_WAITS;
        ack_add(contrail, alarm);
    }
}

static bool alarm_take(struct contrail *contrail, struct contrail_object *object,
                       const struct contrail_item *item, bool listed)
{
    struct contrail_alarm *alarm = alarm_find(object, item->event_type, item->qualifier);
    if (alarm == NULL && object->count == CONTRAIL_ALARMS_MAX) {
        contrail->left_out++;
        return true;
    }
    alarm = alarm == NULL ? alarm_make(contrail, object, item->event_type, item->qualifier) : alarm;
    if (alarm == NULL) {
        return false;
    }
    bool another = alarm->time_us != 0 && alarm->time_us != item->time_us;
    alarm->seen = alarm->present = true;
    alarm->severity = item->severity;
    alarm->time_us = item->time_us;
    alarm->acknowledged = item->acknowledged;
    if (another && alarm->ack != ACK_SENT) {
        alarm->ack = ACK_NONE;
        alarm->ack_tries = 0;
        alarm->ack_due_ms = 0;
    }
    if (alarm->told && alarm->told_us == 0) {
        alarm->told_us = item->time_us;
    }
    if (!alarm->told || alarm->told_severity != alarm->severity ||
        alarm->told_us != alarm->time_us) {
        contrail->found += !alarm->queued;
        queue_add(contrail, alarm);
    }
    bool good = texts_set(alarm, item);
    ack_look(contrail, alarm, listed);
    return good;
}

static void alarm_leave(struct contrail *contrail, struct contrail_alarm *alarm, int64_t now_ms)
{
    if (alarm->present) {
        alarm->present = false;
        alarm->gone_ms = now_ms;
        contrail->found++;
        leaving_add(contrail, alarm);
    }
}

static void object_empty(struct contrail *contrail, struct contrail_object *object, int64_t now_ms)
{
    for (struct contrail_alarm *alarm = object->alarms; alarm != NULL; alarm = alarm->next) {
        alarm_leave(contrail, alarm, now_ms);
    }
}

/* alarms: a list, NULL or null: none. Read as a whole before any of it is taken. */
static int items_read(const struct nsh_value *alarms, const char *table, const char *name,
                      struct arena *arena, struct contrail_item **ret_items, uint32_t *ret_count,
                      struct nsh_error *err)
{
    uint32_t count = alarms == NULL || alarms->type == NSH_NULL ? 0 : alarms->count;
    if (count > 0 && alarms->type != NSH_LIST) {
        return nsh_fail(err, NSH_PROTOCOL, "the alarms of %.100s/%.200s are no list", table, name);
    }
    struct contrail_item *items = arena_array(arena, count + 1u, sizeof *items);
    int result = items == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        result = contrail_item(&alarms->items[i], table, name, arena, &items[i], err);
    }
    if (result == 0) {
        *ret_items = items;
        *ret_count = count;
    }
    return result;
}

struct look {
    const char *table; /* As REST calls it, or internal. */
    const char *name;
    const struct nsh_value *alarms;
    int64_t now_ms;
    bool listed;
};

static int items_take(struct contrail *contrail, struct contrail_object *object,
                      const struct contrail_item *items, uint32_t count, const struct look *look)
{
    bool good = true;
    for (struct contrail_alarm *alarm = object->alarms; alarm != NULL; alarm = alarm->next) {
        alarm->seen = false;
    }
    for (uint32_t i = 0; i < count; i++) {
        good = alarm_take(contrail, object, &items[i], look->listed) && good;
    }
    for (struct contrail_alarm *alarm = object->alarms; alarm != NULL && good;
         alarm = alarm->next) {
        if (!alarm->seen) {
            alarm_leave(contrail, alarm, look->now_ms);
        }
    }
    object->round = look->listed ? object->round : contrail->round;
    object->listed = contrail->round;
    return good ? 0 : -NSH_NOMEM;
}

static bool look_good(const struct look *look)
{
    return look->table[0] != '\0' && strlen(look->table) < CONTRAIL_TABLE_BYTES_MAX &&
           strpbrk(look->table, "/,:") == NULL && look->name[0] != '\0' &&
           strlen(look->name) < CONTRAIL_NAME_BYTES_MAX;
}

/* All alarms of an object. */
static int object_look(struct contrail *contrail, const struct look *look, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    char key[CONTRAIL_TABLE_BYTES_MAX + CONTRAIL_NAME_BYTES_MAX];
    struct contrail_item *items = NULL;
    uint32_t count = 0;
    const char *table = contrail_table(look->table);
    int result = items_read(look->alarms, table, look->name, &arena, &items, &count, err);
    if (result < 0) {
        return result;
    }
    snprintf(key, sizeof key, "%s/%s", table, look->name);
    struct contrail_object *object = map_get(&contrail->objects, text_of(key));
    if (object == NULL && count == 0 && (look->listed || !contrail->listing)) {
        return 0;
    }
    if (object == NULL && contrail->objects.count == CONTRAIL_OBJECTS_MAX) {
        contrail->left_out++;
        return 0;
    }
    object = object == NULL ? object_make(contrail, key, table) : object;
    if (object == NULL || (look->listed && !text_set(&object->table, look->table))) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (look->listed && object->round == contrail->round) {
        object->listed = contrail->round; /* The stream said something newer. */
        return 0;
    }
    result = items_take(contrail, object, items, count, look);
    object_maybe_free(contrail, object);
    return result < 0 ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

int contrail_update(struct contrail *contrail, const struct nsh_value *update, int64_t now_ms,
                    struct nsh_error *err)
{
    const char *key = nsh_get_text(update, "key", "");
    const char *type = nsh_get_text(update, "type", "UVEAlarms");
    const char *colon = strchr(key, ':'); /* The name may have more of them. */
    char table[CONTRAIL_TABLE_BYTES_MAX] = "";
    if (colon != NULL && (size_t)(colon - key) < sizeof table) {
        memcpy(table, key, (size_t)(colon - key));
        table[colon - key] = '\0';
    }
    const struct nsh_value *value = nsh_get(update, "value");
    const struct nsh_value *alarms = nsh_get(value, "alarms");
    bool good = value == NULL || value->type == NSH_NULL || value->type == NSH_MAP;
    const struct look look = {
        .table = table, .name = colon == NULL ? "" : colon + 1, .alarms = alarms, .now_ms = now_ms};
    if (nsh_get(update, "type") == NULL || !good || !look_good(&look)) {
        return nsh_fail(err, NSH_PROTOCOL, "an update without key, type or value: %.100s", key);
    }
    if (strcmp(type, "UVEAlarms") != 0) {
        return 0; /* Another part of the object. */
    }
    return object_look(contrail, &look, err);
}

/* ---- the list ---- */

void contrail_list_begin(struct contrail *contrail)
{
    contrail->round++;
    contrail->listing = true;
}

void contrail_list_end(struct contrail *contrail)
{
    contrail->listing = false;
    MAP_EACH (&contrail->objects, entry) {
        object_maybe_free(contrail, entry->value);
    }
}

/* One place of the list; take: else it is only read. */
static int place_look(struct contrail *contrail, const char *table, const struct nsh_value *place,
                      int64_t now_ms, bool take, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct contrail_item *items = NULL;
    uint32_t count = 0;
    const struct look look = {.table = table,
                              .name = nsh_get_text(place, "name", ""),
                              .alarms = nsh_at(place, "value.UVEAlarms.alarms"),
                              .now_ms = now_ms,
                              .listed = true};
    const struct nsh_value *value = nsh_get(place, "value");
    if (!look_good(&look) || value == NULL || value->type != NSH_MAP) {
        return nsh_fail(err, NSH_PROTOCOL, "an object of the list has no name or no value: %.100s",
                        look.name);
    }
    return take ? object_look(contrail, &look, err)
                : items_read(look.alarms, table, look.name, &arena, &items, &count, err);
}

static int list_walk(struct contrail *contrail, const struct nsh_value *list, int64_t now_ms,
                     bool take, struct nsh_error *err)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct nsh_value *places = &list->members[i].value;
        if (places->type != NSH_LIST) {
            return nsh_fail(err, NSH_PROTOCOL, "%.60s of the list is no list",
                            list->members[i].name);
        }
        for (uint32_t j = 0; j < places->count; j++) {
            int result =
                place_look(contrail, list->members[i].name, &places->items[j], now_ms, take, err);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

int contrail_list(struct contrail *contrail, const struct nsh_value *list, int64_t now_ms,
                  struct nsh_error *err)
{
    if (list->type != NSH_MAP) {
        return nsh_fail(err, NSH_PROTOCOL, "the list of alarms is no object");
    }
    int result = list_walk(contrail, list, now_ms, false, err);
    result = result < 0 ? result : list_walk(contrail, list, now_ms, true, err);
    if (result < 0) {
        return result;
    }
    MAP_EACH (&contrail->objects, entry) {
        struct contrail_object *object = entry->value;
        if (object->listed != contrail->round && object->round != contrail->round) {
            object_empty(contrail, object, now_ms);
        }
    }
    contrail_list_end(contrail);
    return 0;
}

/* ---- telling ---- */

void contrail_settle(struct contrail *contrail, int64_t now_ms)
{
    struct contrail_queue *leaving = &contrail->leaving;
    for (uint32_t left = leaving->count; left > 0; left--) {
        struct contrail_alarm *alarm = leaving->first;
        NSH_ASSERT(alarm != NULL);
        leaving->first = alarm->leaving_next;
        leaving->last = leaving->first == NULL ? NULL : leaving->last;
        leaving->count--;
        alarm->leaving = false;
        if (alarm->present) {
            continue; /* It came back. */
        }
        if (alarm->gone_ms + contrail->settle_ms > now_ms) {
            leaving_add(contrail, alarm);
        } else {
            queue_add(contrail, alarm);
        }
    }
}

bool contrail_is_raise(const struct contrail_alarm *alarm)
{
    bool there = alarm->present || alarm->leaving;
    return there && (!alarm->told || alarm->told_severity != alarm->severity ||
                     (alarm->told_us != 0 && alarm->told_us != alarm->time_us));
}

static bool is_clear(const struct contrail_alarm *alarm)
{
    return !alarm->present && !alarm->leaving && alarm->told;
}

struct contrail_alarm *contrail_next(struct contrail *contrail)
{
    struct contrail_queue *queue = &contrail->queue;
    while (queue->first != NULL) {
        struct contrail_alarm *alarm = queue->first;
        queue->first = alarm->queue_next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->count--;
        alarm->queued = false;
        if (contrail_is_raise(alarm) || is_clear(alarm)) {
            return alarm;
        }
        alarm_maybe_free(contrail, alarm);
    }
    return NULL;
}

void contrail_back(struct contrail *contrail, struct contrail_alarm *alarm)
{
    struct contrail_queue *queue = &contrail->queue;
    NSH_ASSERT(!alarm->queued);
    alarm->queued = true;
    alarm->queue_next = queue->first;
    queue->first = alarm;
    queue->last = queue->last == NULL ? alarm : queue->last;
    queue->count++;
}

void contrail_told(struct contrail *contrail, struct contrail_alarm *alarm, bool raised)
{
    (void)contrail;
    alarm->flying++;
    alarm->told = raised;
    alarm->durable = false;
    alarm->told_severity = alarm->severity;
    alarm->told_us = raised ? alarm->time_us : 0;
    if (!raised && alarm->ack != ACK_SENT) { /* Else its end is still to come. */
        alarm->ack = ACK_NONE;
    }
}

void contrail_landed(struct contrail *contrail, struct contrail_alarm *alarm, bool raised,
                     bool durable)
{
    NSH_ASSERT(alarm->flying > 0);
    alarm->flying--;
    if (!durable) { /* What the store knows of it is unknown: what holds then is told again. */
        alarm->told = true;
        alarm->told_us = TOLD_UNSURE;
        queue_add(contrail, alarm);
    } else if (raised && alarm->told && alarm->told_us == alarm->time_us) {
        alarm->durable = true;
        ack_look(contrail, alarm, false);
    }
    alarm_maybe_free(contrail, alarm);
}

/* ---- acknowledging ---- */

struct contrail_alarm *contrail_ack_next(struct contrail *contrail, int64_t now_ms)
{
    struct contrail_queue *queue = &contrail->acks;
    for (uint32_t left = queue->count; left > 0; left--) {
        struct contrail_alarm *alarm = queue->first;
        NSH_ASSERT(alarm != NULL);
        queue->first = alarm->ack_next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->count--;
        alarm->ack_queued = false;
        if (alarm->ack != ACK_WAITS || !alarm->present || !is_kept(alarm)) {
            alarm->ack = alarm->ack == ACK_WAITS ? ACK_NONE : alarm->ack;
            alarm_maybe_free(contrail, alarm);
        } else if (alarm->ack_due_ms > now_ms) {
            ack_add(contrail, alarm);
        } else {
            alarm->ack = ACK_SENT;
            alarm->ack_tries++;
            alarm->flying++;
            return alarm;
        }
    }
    return NULL;
}

void contrail_ack_end(struct contrail *contrail, struct contrail_alarm *alarm,
                      enum contrail_ack ack, int64_t time_us, int64_t due_ms)
{
    NSH_ASSERT(alarm->flying > 0 && alarm->ack != ACK_WAITS);
    alarm->flying--;
    alarm->ack_due_ms = due_ms;
    if (alarm->time_us != time_us) { /* It was raised anew meanwhile. */
        alarm->ack = ACK_NONE;
        ack_look(contrail, alarm, false);
    } else {
        alarm->acknowledged = alarm->acknowledged || ack == ACK_DONE;
        alarm->ack = alarm->acknowledged ? ACK_DONE : ack;
        alarm->ack_round = contrail->round;
        if (alarm->ack == ACK_WAITS) {
            ack_add(contrail, alarm);
        }
    }
    alarm_maybe_free(contrail, alarm);
}
