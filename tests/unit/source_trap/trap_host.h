/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_TRAP_HOST_H
#define TEST_TRAP_HOST_H

/*
 * A daemon for tests: the real receivers and the real daemon's end of them, over an intake that
 * keeps what it gets and commits when it is told to. It stands in for bridge/loop's intake, whose
 * symbols it defines.
 */

#include "source/trap/trap_listen.h"

#include "base/assert.h"
#include "model/event.h"

#include <stdio.h>
#include <stdlib.h>

#define HOST_BATCHES_MAX 4096
#define HOST_EVENTS_MAX 4096

struct host_event {
    char id[40], source[64], type[96], name[128], resource[160], hint[256];
    enum severity severity;
    enum event_state state;
    bool unmatched;
};

struct intake {
    bool commit; /* Batches become durable at once; else they wait. */
    bool full;   /* Refuse everything. */
    bool keep;   /* Look into events. */
    struct intake_batch waiting[HOST_BATCHES_MAX];
    size_t waiting_count;
    struct host_event events[HOST_EVENTS_MAX];
    size_t events_kept;
    uint64_t events_count, bytes_count, batches_count;
};

int64_t intake_now_ms(struct intake *intake)
{
    return 1;
}

unsigned intake_load(const struct intake *intake)
{
    return 0;
}

static void host_copy(char *to, size_t room, struct text text)
{
    size_t count = text.count < room - 1 ? text.count : room - 1;
    if (count > 0) {
        memcpy(to, text.at, count);
    }
    to[count] = '\0';
}

static void host_keep(struct intake *intake, const struct intake_batch *batch)
{
    size_t offset = 0;
    uint32_t count = 0;
    while (offset < batch->bytes_count) {
        struct event event;
        struct nsh_error err = {0};
        long used = event_unpack(batch->bytes + offset, batch->bytes_count - offset, &event, &err);
        NSH_ASSERT(used > 0);
        offset += (size_t)used;
        count++;
        if (intake->events_kept < HOST_EVENTS_MAX) {
            struct host_event *kept = &intake->events[intake->events_kept++];
            *kept = (struct host_event){
                .severity = event.severity, .state = event.state, .unmatched = event.unmatched};
            host_copy(kept->id, sizeof kept->id, event.id);
            host_copy(kept->source, sizeof kept->source, event.source);
            host_copy(kept->type, sizeof kept->type, event.type);
            host_copy(kept->name, sizeof kept->name, event.name);
            host_copy(kept->resource, sizeof kept->resource, event.resource);
            host_copy(kept->hint, sizeof kept->hint, event.hint);
        }
    }
    NSH_ASSERT(count == batch->events_count);
}

int intake_push(struct intake *intake, const struct intake_batch *batch, struct nsh_error *err)
{
    if (intake->full || intake->waiting_count == HOST_BATCHES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "full");
    }
    intake->batches_count++;
    intake->events_count += batch->events_count;
    intake->bytes_count += batch->bytes_count;
    if (intake->keep) {
        host_keep(intake, batch);
    }
    intake->waiting[intake->waiting_count++] = *batch;
    return 0;
}

/* Everything that waits becomes durable (or not). */
static void host_commit(struct intake *intake, bool durable)
{
    size_t count = intake->waiting_count;
    for (size_t i = 0; i < count; i++) {
        intake->waiting[i].done(intake->waiting[i].arg, durable, 0);
    }
    intake->waiting_count = 0;
}

#endif
