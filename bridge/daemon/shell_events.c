/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the intake through the journal into the engine. A batch is unpacked in place: texts borrow
 * from it until it is answered. The journal keeps every event, repeats as well.
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

/* One event of the batch into the journal; the bytes it took, or negative: the rest is not read. */
static long event_take(struct shell *shell, const struct intake_item *item, size_t offset,
                       struct event *ret_event, struct nsh_error *err)
{
    long used = event_unpack(item->bytes + offset, item->bytes_count - offset, ret_event, err);
    if (used < 0) {
        return used;
    }
    ret_event->received_ms = item->received_ms;
    ret_event->seq = store_next_seq(shell->store);
    resolve(shell, ret_event);
    int result = store_batch_event(shell->store, ret_event, err);
    if (result < 0) {
        return result;
    }
    shell->collecting_bytes += (size_t)used;
    return used;
}

static void events_step(struct shell *shell, size_t count)
{
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_EVENTS};
    input.events.items = shell->events;
    input.events.count = count;
    if (shell_step(shell, &input, &err) < 0 && shell_complain(shell, LOG_ENGINE_REFUSED)) {
        LOG(ENGINE_REFUSED, {"input", nsh_text("events")}, {"text", nsh_text(err.text)});
    }
}

/* The whole batch; false: it was damaged, or there was no memory: it is not acknowledged. */
static bool batch_take(struct shell *shell, struct intake_item *item)
{
    struct nsh_error err = {0};
    size_t offset = 0, count = 0;
    uint32_t taken = 0;
    while (offset < item->bytes_count) {
        long used = event_take(shell, item, offset, &shell->events[count], &err);
        if (used < 0) {
            break;
        }
        offset += (size_t)used;
        taken++;
        if (++count == SHELL_STEP_EVENTS_MAX) {
            events_step(shell, count);
            count = 0;
        }
    }
    if (count > 0) {
        events_step(shell, count);
    }
    if (offset == item->bytes_count && taken == item->events_count) {
        return true;
    }
    shell->figures.damaged++;
    shell->figures.events_lost += taken < item->events_count ? item->events_count - taken : 0;
    if (shell_complain(shell, LOG_EVENT_DAMAGED)) {
        LOG(EVENT_DAMAGED,
            {"text", nsh_text(err.code != 0 ? err.text : "a batch with another count of events")});
    }
    return false;
}

static void item_await(struct shell *shell, struct intake_item *item)
{
    item->batch = store_batch_number(shell->store);
    item->next = NULL;
    *(shell->unacked_first == NULL ? &shell->unacked_first : &shell->unacked_last->next) = item;
    shell->unacked_last = item;
}

void shell_events_take(struct shell *shell)
{
    struct intake_item *item;
    struct engine_counters before, after;
    while (shell->store_health == STORE_OK && shell->collecting_bytes < SHELL_COLLECT_BYTES_MAX &&
           (item = intake_take(shell->intake)) != NULL) {
        engine_count(shell->engine, &before);
        bool whole = batch_take(shell, item);
        engine_count(shell->engine, &after);
        item->duplicates = (uint32_t)(after.duplicates - before.duplicates);
        if (whole) {
            item_await(shell, item);
        } else {
            intake_item_end(item, false);
        }
        shell_store_submit(shell); /* An idle disk waits for nobody. */
    }
}
