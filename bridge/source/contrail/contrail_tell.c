/* SPDX-License-Identifier: Apache-2.0 */
/* An alarm as an event. */

#include "contrail.h"

/* Tables whose objects are machines, by their names. */
static const char *const machines[] = {
    "vrouter",       "control-node",         "analytics-node",       "config-node",
    "database-node", "config-database-node", "analytics-alarm-node", "analytics-snmp-node",
    "prouter",
};

/* "": nothing is known of which host it is. */
static const char *hint_of(const struct contrail_object *object, struct arena *arena)
{
    const char *name = object->name;
    const char *table = object->key;
    size_t count = (size_t)(name - 1 - table);
    if (object->host != NULL) {
        return arena_printf(arena, "host=%s", object->host);
    }
    if (strchr(name, ',') != NULL || strchr(name, '=') != NULL) {
        return "";
    }
    if (count == sizeof "virtual-machine" - 1 && strncmp(table, "virtual-machine", count) == 0) {
        return arena_printf(arena, "instance=%s,uuid=%s", name, name);
    }
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        if (strlen(machines[i]) == count && strncmp(machines[i], table, count) == 0) {
            return arena_printf(arena, "host=%s,node=%s", name, name);
        }
    }
    return "";
}

bool contrail_event(const struct contrail *contrail, const struct contrail_alarm *alarm,
                    int64_t now_ms, struct arena *arena, struct event *ret_event)
{
    const struct contrail_object *object = alarm->object;
    bool raised = contrail_is_raise(alarm);
    const char *hint = hint_of(object, arena);
    const char *said = alarm->message[0] != '\0' ? alarm->message
                       : alarm->type[0] != '\0'  ? alarm->type
                                                 : alarm->event_type;
    const char *words = arena_printf(arena, "%s%s", raised ? "" : "cleared: ", said);
    if (hint == NULL || words == NULL) {
        return false;
    }
    /* No id: we never tell anything twice, so none is a repeat. */
    *ret_event = (struct event){
        /* No time: what is told is what holds now. The server's is older than a clear that was told
         * when a partition was away for longer, and would lose the alarm. */
        .received_ms = now_ms,
        .severity = raised ? alarm->severity : SEVERITY_INFO,
        .state = raised ? EVENT_RAISE : EVENT_CLEAR,
        .source = text_of(contrail->source),
        .type = text_of(alarm->event_type),
        .subject = text_of(object->name),
        .resource = text_of(object->key),
        .qualifier = text_of(alarm->qualifier),
        .name = text_of(alarm->type),
        .message = text_of(words),
        .hint = text_of(hint),
        .data = {(const char *)alarm->data, alarm->data_bytes},
    };
    return true;
}
