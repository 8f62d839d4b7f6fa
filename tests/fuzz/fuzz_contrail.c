/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_contrail
/*
 * What an analytics API says, line by line, whatever it is: U update, L list, B a list begins, C
 * its end, T time passes, N what changed is told, D it is durable, A acknowledging. Nothing is told
 * as cleared that was not told as raised, and when all is gone nothing is left.
 */

#include "base/json.h"
#include "source/contrail/contrail.h"

#include <stdlib.h>

#define FLYING_MAX 256
#define STEP_MS 1000

struct world {
    struct contrail contrail;
    int64_t now_ms;
    struct contrail_alarm *flying[FLYING_MAX];
    bool raised[FLYING_MAX];
    size_t count;
};

static void land(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        contrail_landed(&world->contrail, world->flying[i], world->raised[i], i % 5 != 4);
    }
    world->count = 0;
}

static void tell(struct world *world)
{
    struct arena arena = ARENA_INIT;
    struct contrail_alarm *alarm;
    while (world->count < FLYING_MAX && (alarm = contrail_next(&world->contrail)) != NULL) {
        struct event event;
        bool raised = contrail_is_raise(alarm), told = alarm->told;
        if (!contrail_event(&world->contrail, alarm, world->now_ms, &arena, &event) ||
            (!raised && !told) || !text_is_utf8(event.message.at, event.message.count) ||
            event.message.count > EVENT_TEXT_BYTES_MAX || event.id.count > EVENT_TEXT_BYTES_MAX ||
            event.data.count > CONTRAIL_DATA_BYTES_MAX) {
            abort();
        }
        contrail_told(&world->contrail, alarm, raised);
        world->flying[world->count] = alarm;
        world->raised[world->count++] = raised;
    }
    arena_done(&arena);
}

static void acknowledge(struct world *world, uint8_t how)
{
    struct contrail_alarm *alarm = contrail_ack_next(&world->contrail, world->now_ms);
    static const enum contrail_ack ends[] = {ACK_DONE, ACK_WAITS, ACK_UNSURE, ACK_REFUSED};
    if (alarm != NULL) {
        contrail_ack_end(&world->contrail, alarm, ends[how % 4], alarm->time_us,
                         world->now_ms + STEP_MS);
    }
}

static void say(struct world *world, char what, const char *json, size_t count)
{
    struct arena arena = ARENA_INIT;
    struct nsh_value value;
    if (json_parse(json, count, &arena, &value, NULL) == 0) {
        if (what == 'U') {
            contrail_update(&world->contrail, &value, world->now_ms, NULL);
        } else if (contrail_list(&world->contrail, &value, world->now_ms, NULL) < 0) {
            contrail_list_end(&world->contrail);
        }
    }
    arena_done(&arena);
}

static void step(struct world *world, const char *line, size_t count)
{
    switch (line[0]) {
    case 'U':
    case 'L':
        say(world, line[0], line + 1, count - 1);
        break;
    case 'B':
        contrail_list_begin(&world->contrail);
        break;
    case 'C':
        contrail_list_end(&world->contrail);
        break;
    case 'T':
        world->now_ms += STEP_MS;
        contrail_settle(&world->contrail, world->now_ms);
        break;
    case 'N':
        tell(world);
        break;
    case 'D':
        land(world);
        break;
    case 'A':
        acknowledge(world, count > 1 ? (uint8_t)line[1] : 0);
        break;
    default:
        break;
    }
}

/* An empty list, and time: everything ends. */
static void all_ends(struct world *world)
{
    contrail_list_begin(&world->contrail);
    say(world, 'L', "{}", 2);
    for (int i = 0; i < 8; i++) {
        world->now_ms += STEP_MS;
        contrail_settle(&world->contrail, world->now_ms);
        while (world->contrail.queue.count > 0) {
            tell(world);
            land(world);
        }
        land(world);
        acknowledge(world, 0);
    }
    for (uint32_t left = world->contrail.acks.count; left > 0; left--) {
        acknowledge(world, 0);
    }
    if (world->contrail.alarms != 0 || world->contrail.objects.count != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.contrail = {.source = "fuzz", .settle_ms = 3 * STEP_MS}, .now_ms = 1};
    const char *at = (const char *)data;
    world.contrail.acknowledges = size % 2 == 0;
    while (size > 0) {
        const char *end = memchr(at, '\n', size);
        size_t count = end == NULL ? size : (size_t)(end - at);
        if (count > 0) {
            step(&world, at, count);
        }
        size -= count + (end != NULL);
        at += count + (end != NULL);
    }
    all_ends(&world);
    contrail_done(&world.contrail);
    return 0;
}
