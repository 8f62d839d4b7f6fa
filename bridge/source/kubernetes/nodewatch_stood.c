/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms that stood before the start: of a node that was deleted meanwhile, of a condition that it
 * has no longer, or that is not watched any more, no list and no watch says anything. So what is
 * not in the first list ends here.
 */

#include "nodewatch.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 16

struct nodewatch_standing {
    char *node, *type;
};

static bool stood_grow(struct nodewatch *watch)
{
    uint32_t count = watch->standing_count;
    if (count != 0 && (count < ROOM_MIN || (count & (count - 1)) != 0)) {
        return true; /* Its room is the next power of two. */
    }
    size_t room = count < ROOM_MIN ? ROOM_MIN : (size_t)count * 2;
    struct nodewatch_standing *items = realloc(watch->standing, room * sizeof *items);
    if (items == NULL) {
        return false;
    }
    watch->standing = items;
    return true;
}

bool nodewatch_stood(struct nodewatch *watch, const char *node, const char *type)
{
    if (node[0] == '\0' || watch->standing_count == NODEWATCH_STOOD_MAX) {
        return true;
    }
    struct nodewatch_standing one = {.node = strdup(node), .type = strdup(type)};
    if (one.node == NULL || one.type == NULL || !stood_grow(watch)) {
        free(one.node);
        free(one.type);
        return false;
    }
    watch->standing[watch->standing_count++] = one;
    return true;
}

static void stood_free(struct nodewatch *watch)
{
    for (uint32_t i = 0; i < watch->standing_count; i++) {
        free(watch->standing[i].node);
        free(watch->standing[i].type);
    }
    free(watch->standing);
    watch->standing = NULL;
    watch->standing_count = 0;
}

static void tell_end(const struct nodewatch *watch, const struct nodewatch_standing *one,
                     const char *why, struct nodewatch_out *out)
{
    struct event *event = nodewatch_tell(watch, out, one->node);
    if (event == NULL) {
        return;
    }
    const struct nsh_member data[] = {{"node", nsh_text(one->node)}};
    event->state = EVENT_CLEAR;
    event->severity = SEVERITY_INFO;
    event->type = nodewatch_cut(out, one->type);
    event->name = TEXT("Node");
    event->message = nodewatch_cut(out, why);
    event->data = nodewatch_data(out, data, 1);
}

void nodewatch_stood_end(struct nodewatch *watch, struct nodewatch_out *out)
{
    /* What was left out for want of room says nothing of who is gone. */
    for (uint32_t i = 0; i < watch->standing_count && watch->full == 0; i++) {
        const struct nodewatch_standing *one = &watch->standing[i];
        if (map_get(&watch->nodes, text_of(one->node)) == NULL) {
            tell_end(watch, one, "the node was deleted while nobody watched", out);
        } else if (!nodewatch_says(watch, one->node, one->type, out) &&
                   !nodewatch_lease_says(watch, one->type)) {
            tell_end(watch, one, "the node does not say it any more, or it is not watched", out);
        }
    }
    stood_free(watch);
}

void nodewatch_done(struct nodewatch *watch)
{
    nodewatch_forget(watch);
    stood_free(watch);
}
