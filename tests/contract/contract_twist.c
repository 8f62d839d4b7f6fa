/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, at which exchange, and what an answer looks like after it. */

#include "contract.h"

#include <stdlib.h>

static const char *const garbage[] = {
    "",
    "null",
    "[]",
    "{}",
    "0",
    "\"text\"",
    "{\"ok\":1}",
    "{\"ok\":true,\"result\":[1,2,{\"a\":{}}]}",
    "{\"ok\":false,\"code\":\"ok\",\"error\":null}",
    "{\"ok\":false,\"code\":7,\"error\":{\"a\":1},\"effect_possible\":\"x\"}",
    "<html><body>It works!</body></html>",
    "{\"a\":\"\xff\xfe\x01\x1b[31m\"}",
    "\x01\x02\x03\x7f\xff\x1b]0;title\x07\n\r\n\t",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"PowerState\":17,\"Members\":[{\"@odata.id\":42}],\"Actions\":\"none\"}",
    "Status: \xe2\x80\xae-FFO\n",
};
#define GARBAGE_COUNT (sizeof garbage / sizeof garbage[0])

/* Begin a service call that may fail; true: this one does. */
bool world_call_fails(struct world *world)
{
    world->calls_count++;
    return world->fail_call != 0 && world->calls_count == world->fail_call;
}

struct twist world_exchange(struct world *world, enum channel channel)
{
    unsigned number = ++world->exchanges_count;
    bool mine = world->twist.kind != TWIST_NONE &&
                (world->twist.exchange == number ||
                 (world->twist.kind == TWIST_SILENCE_EVER && number > world->twist.exchange));
    if (number <= EXCHANGES_MAX) {
        world->seen[number - 1].channel = channel;
    }
    return mine ? world->twist : (struct twist){0};
}

void world_exchange_note(struct world *world, size_t reply_bytes, bool effect, bool refused,
                         const struct twist *twist)
{
    if (world->exchanges_count <= EXCHANGES_MAX) {
        world->seen[world->exchanges_count - 1].reply_bytes = reply_bytes;
        world->seen[world->exchanges_count - 1].effect = effect;
    }
    if (!effect || twist->kind == TWIST_UNREACHABLE) {
        return;
    }
    world->effect_sent = true;
    bool spoilt = twist->kind == TWIST_GARBAGE || twist->kind == TWIST_TRUNCATE ||
                  twist->kind == TWIST_FLIP || twist->kind == TWIST_TWICE ||
                  twist->kind == TWIST_RESET || twist->kind == TWIST_SLOW;
    /* A datagram is sent again, and refused then. */
    bool late = world->exchanges_count <= EXCHANGES_MAX && twist->kind != TWIST_NONE &&
                world->seen[world->exchanges_count - 1].channel == CHANNEL_DATAGRAM;
    if (twist->kind == TWIST_STATUS || twist->kind == TWIST_TOO_LONG ||
        (refused && (spoilt || late))) {
        world->ambiguous = true; /* Which of them still are a clear no differs by protocol. */
    } else if (!refused || twist->kind != TWIST_NONE) {
        world->effect_unclear = true;
    }
}

char *world_twisted(const struct twist *twist, const char *bytes, size_t count, size_t *ret_count)
{
    if (twist->kind == TWIST_GARBAGE) {
        bytes = garbage[twist->value % GARBAGE_COUNT];
        count = strlen(bytes);
    } else if (twist->kind == TWIST_TRUNCATE && twist->value < count) {
        count = twist->value;
    }
    char *copy = malloc(count + 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, count);
    copy[count] = 0;
    if (twist->kind == TWIST_FLIP && twist->value < count) {
        copy[twist->value] = (char)(copy[twist->value] ^ 0x15);
    }
    *ret_count = count;
    return copy;
}
