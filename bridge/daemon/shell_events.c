/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the intake through the journal into the engine. A batch is unpacked in place: texts borrow
 * from it until it is answered. The engine tells repeats, by (source, id): the journal keeps the
 * first, and the sender of a repeat is answered when that is durable.
 */

#include "shell_private.h"

#include "base/assert.h"
#include "fleet/fleet.h"

static void resolve(struct shell *shell, struct event *event)
{
    bool conflict = false;
    const struct host *host = fleet_resolve(shell->generation->inventory, event, &conflict);
    /* A name the inventory does not know is no host: it stays in the hints and the subject. */
    event->host = host == NULL ? (struct text){"", 0} : text_of(host->name);
    if (!conflict) {
        return;
    }
    shell->figures.conflicts++;
    if (shell_complain(shell, LOG_IDENTITY_CONFLICT)) {
        char source[128], hint[256];
        snprintf(source, sizeof source, "%.*s", (int)event->source.count, event->source.at);
        snprintf(hint, sizeof hint, "%.*s", (int)event->hint.count, event->hint.at);
        LOG(IDENTITY_CONFLICT, {"source", nsh_text(source)}, {"hint", nsh_text(hint)},
            {"host", nsh_text(host == NULL ? "" : host->name)});
    }
}

/* One event of the batch; the bytes it took, or negative: the rest is not read. */
static long event_read(struct shell *shell, const struct intake_item *item, size_t offset,
                       struct event *ret_event, struct nsh_error *err)
{
    long used = event_unpack(item->bytes + offset, item->bytes_count - offset, ret_event, err);
    if (used < 0) {
        return used;
    }
    ret_event->received_ms = item->received_ms;
    resolve(shell, ret_event);
    return used;
}

/* New ones into the journal, in the commit that holds what the engine made of them. */
static void events_keep(struct shell *shell, size_t count)
{
    const bool *repeats = shell->output.repeats;
    for (size_t i = 0; i < count; i++) {
        struct event *event = &shell->events[i];
        if (repeats[i]) {
            continue;
        }
        struct nsh_error err = {0};
        event->seq = store_next_seq(shell->store);
        if (store_batch_event(shell->store, event, &err) < 0) {
            /* The engine knows it by now, and cannot forget it. */
            shell_fatal(err.text);
        }
        shell->collecting_bytes += event_packed_bytes(event);
    }
}

/* Policies decide what an event costs: a step of many dear ones would hold up the rest. */
static void step_aim(struct shell *shell, uint64_t ns, size_t count)
{
    if (ns > SHELL_TURN_NS / 2 && count >= shell->step_events / 2) {
        shell->step_events = shell->step_events / 4 * 3;
    } else if (ns < SHELL_TURN_NS / 4 && count >= shell->step_events / 2) {
        shell->step_events += shell->step_events / 8 + 1;
    }
    shell->step_events =
        shell->step_events < SHELL_STEP_EVENTS_MIN ? SHELL_STEP_EVENTS_MIN : shell->step_events;
    shell->step_events =
        shell->step_events > SHELL_STEP_EVENTS_MAX ? SHELL_STEP_EVENTS_MAX : shell->step_events;
}

/* False: the engine took none of them. */
static bool events_step(struct shell *shell, size_t count)
{
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_EVENTS};
    input.events.items = shell->events;
    input.events.count = count;
    for (size_t i = 0; i < count; i++) {
        shell->events[i].seq = store_next_seq(shell->store) + i;
    }
    uint64_t begun_ns = uv_hrtime();
    if (shell_step(shell, &input, &err) < 0 && shell_complain(shell, LOG_ENGINE_REFUSED)) {
        LOG(ENGINE_REFUSED, {"input", nsh_text("events")}, {"text", nsh_text(err.text)});
    }
    if (shell->output.repeats == NULL) {
        return false;
    }
    events_keep(shell, count);
    step_aim(shell, uv_hrtime() - begun_ns, count);
    return true;
}

/* The whole batch; false: it was damaged, or there was no memory: it is not acknowledged. */
static bool batch_take(struct shell *shell, struct intake_item *item)
{
    struct nsh_error err = {0};
    size_t offset = 0, count = 0;
    uint32_t read = 0;
    bool taken = true;
    while (offset < item->bytes_count && taken) {
        long used = event_read(shell, item, offset, &shell->events[count], &err);
        if (used < 0) {
            break;
        }
        offset += (size_t)used;
        read++;
        if (++count >= shell->step_events) {
            taken = events_step(shell, count);
            count = 0;
        }
    }
    if (count > 0 && taken) {
        taken = events_step(shell, count);
    }
    if (!taken) {
        return false;
    }
    if (offset == item->bytes_count && read == item->events_count) {
        return true;
    }
    shell->figures.damaged++;
    shell->figures.events_lost += read < item->events_count ? item->events_count - read : 0;
    if (shell_complain(shell, LOG_EVENT_DAMAGED)) {
        LOG(EVENT_DAMAGED,
            {"text", nsh_text(err.code != 0 ? err.text : "a batch with another count of events")});
    }
    return false;
}

/* Answered when all it brought is durable: also what came before, of which it may be a repeat. */
static void item_await(struct shell *shell, struct intake_item *item)
{
    if (item->mark != NULL) {
        shell_mark_keep(shell, item->mark_id, item->mark);
    }
    item->batch = shell_pending_batch(shell);
    if (item->batch == 0) {
        intake_item_end(item, true);
        return;
    }
    item->next = NULL;
    *(shell->unacked_first == NULL ? &shell->unacked_first : &shell->unacked_last->next) = item;
    shell->unacked_last = item;
}

/* A batch too large to share a step, or damaged. */
static void item_take_alone(struct shell *shell, struct intake_item *item)
{
    struct engine_counters before, after;
    engine_count(shell->engine, &before);
    bool whole = batch_take(shell, item);
    engine_count(shell->engine, &after);
    item->duplicates = (uint32_t)(after.duplicates - before.duplicates);
    if (whole) {
        item_await(shell, item);
    } else {
        intake_item_end(item, false);
    }
}

/* Small batches that wait together (a request of the API is one event) go through the engine
 * together: a step costs as much as many events. */
struct gather {
    struct intake_item *items[SHELL_STEP_EVENTS_MAX];
    size_t items_count, events_count, bytes_count;
};

static void gather_step(struct shell *shell, struct gather *gather)
{
    bool taken = gather->events_count == 0 || events_step(shell, gather->events_count);
    size_t at = 0;
    for (size_t i = 0; i < gather->items_count; i++) {
        struct intake_item *item = gather->items[i];
        for (uint32_t n = 0; taken && n < item->events_count; n++) {
            item->duplicates += shell->output.repeats[at++];
        }
        if (taken) {
            item_await(shell, item);
        } else {
            intake_item_end(item, false);
        }
    }
    gather->items_count = gather->events_count = gather->bytes_count = 0;
    shell_store_submit(shell); /* An idle disk waits for nobody. */
}

/* False: it does not fit, or is damaged: nothing of it was gathered. */
static bool gather_add(struct shell *shell, struct gather *gather, struct intake_item *item)
{
    size_t offset = 0, count = gather->events_count;
    struct nsh_error err = {0};
    if (count + item->events_count > shell->step_events ||
        gather->items_count == SHELL_STEP_EVENTS_MAX) {
        return false;
    }
    for (uint32_t n = 0; n < item->events_count; n++) {
        long used = event_read(shell, item, offset, &shell->events[count + n], &err);
        if (used < 0) {
            return false;
        }
        offset += (size_t)used;
    }
    if (offset != item->bytes_count) {
        return false;
    }
    item->duplicates = 0;
    gather->items[gather->items_count++] = item;
    gather->events_count = count + item->events_count;
    gather->bytes_count += item->bytes_count;
    return true;
}

/* May another batch be taken now? */
static bool has_turn(struct shell *shell, const struct gather *gather)
{
    if (shell->store_health != STORE_OK ||
        shell->collecting_bytes + gather->bytes_count >= shell->collecting_max) {
        return false;
    }
    if (uv_hrtime() - shell->turn_ns < SHELL_TURN_NS) {
        return true;
    }
    shell->turn_over = true;
    return false;
}

void shell_events_take(struct shell *shell)
{
    struct intake_item *item;
    struct gather gather;
    gather.items_count = gather.events_count = gather.bytes_count = 0;
    while (has_turn(shell, &gather) && (item = intake_take(shell->intake)) != NULL) {
        if (gather_add(shell, &gather, item)) {
            continue;
        }
        gather_step(shell, &gather);
        if (!gather_add(shell, &gather, item)) {
            item_take_alone(shell, item);
            shell_store_submit(shell);
        }
    }
    if (gather.items_count > 0) {
        gather_step(shell, &gather);
    }
}
