/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_MAP_SOURCE_OVER_H
#define SOURCE_MAP_SOURCE_OVER_H

/*
 * Alarms of what a source looked at and does not look at any more: a host or a device that left the
 * configuration, the selector or the inventory, also while the daemon was not there. Nobody else
 * would end them. They are those of the store that the source raised; each is cleared once, and
 * again when the clear could not be handed over. What is looked at again while its clear waits is
 * left alone: the clear would end what was raised since. A read that fails is repeated.
 *
 * On the loop thread. At most SOURCE_OVER_MAX wait, SOURCE_OVER_BATCH_MAX go at once.
 */

#include "base/map.h"
#include "source/map/source_again.h"
#include "source/map/source_push.h"
#include "source/map/source_type.h"

#define SOURCE_OVER_MAX 100000
#define SOURCE_OVER_BATCH_MAX 256
#define SOURCE_OVER_AGAIN_MS 1000 /* After a clear that could not be handed over. */

struct source_over {
    const struct source_services *services;
    const char *source; /* Its name. */
    /* Is what an alarm is about looked at? Asked when it is found, and when its end is told. */
    bool (*watched)(void *arg, const struct source_standing *alarm);
    /* What is on its way was answered: the owner may be waiting for that. */
    void (*settled)(void *arg);
    void *arg;
    bool sweep; /* Set by the owner: what is not looked at any more may have alarms. */
    /* Its own. */
    struct source_again again; /* The next read of what stands. */
    struct map items;          /* What waits, by what tells it apart. */
    struct arena arena;
    struct source_delivery delivery;
    bool telling;
    int64_t again_ms; /* By intake_now_ms(): not before. */
};

/*
 * Often, when what is looked at is known: looks through what stands, if it is to be, and tells what
 * waits, when nothing is on its way. True: of something that left and came back meanwhile an alarm
 * may stand, and its clear was not told.
 */
bool source_over_tick(struct source_over *over);
/* Not while telling. */
void source_over_done(struct source_over *over);

#endif
