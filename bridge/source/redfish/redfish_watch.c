/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of each BMC beyond one inventory, and which way its trouble comes. */

#include "redfish_private.h"

#include "loop/intake.h"

#include <stdlib.h>

#define SHOWN_MAX 6 /* BMCs that the doctor names. */

int64_t redfish_clock_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

int64_t redfish_now_ms(const struct redfish_events *source)
{
    return intake_now_ms(source->services->intake);
}

static struct redfish_watch *watch_new(struct redfish_events *source, const char *address)
{
    struct redfish_watch *watch = calloc(1, sizeof *watch);
    char *copy = strdup(address);
    if (watch == NULL || copy == NULL) {
        free(watch);
        free(copy);
        return NULL;
    }
    bool asked = redfish_asked(source);
    int64_t now_ms = redfish_clock_ms();
    /* Each at its own moment, so that they do not come together. */
    int64_t moment = (int64_t)(text_hash(text_of(address)) % (uint64_t)source->poll_ms);
    watch->source = source;
    watch->address = copy;
    watch->way = asked                               ? REDFISH_WAY_UNKNOWN
                 : source->asks == REDFISH_ASKS_NONE ? REDFISH_WAY_POLL
                                                     : REDFISH_WAY_BY_HAND;
    watch->heard_ms = now_ms;
    watch->poll_due_ms = now_ms + moment;
    if (map_set(&source->watches, text_of(copy), watch) < 0) {
        free(copy);
        free(watch);
        return NULL;
    }
    redfish_ill_read(watch);
    return watch;
}

static void watch_free(struct redfish_watch *watch)
{
    redfish_poll_forget(watch);
    redfish_walk_forget(watch);
    redfish_registries_drop(watch);
    redfish_stream_end(watch);
    redfish_kept_free(watch);
    redfish_ill_done(watch);
    free(watch->told);
    free((char *)(uintptr_t)watch->address); /* Ours. */
    free(watch);
}

bool redfish_watches_renew(struct redfish_events *source, struct redfish_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct redfish_bmc *bmc = &table->items[i];
        bmc->watch = map_get(&source->watches, text_of(bmc->address));
        bmc->watch = bmc->watch == NULL ? watch_new(source, bmc->address) : bmc->watch;
        if (bmc->watch == NULL) {
            return false;
        }
    }
    return true;
}

/* Another login, or another way to it: what was refused may be well now. */
static void settings_changed(struct redfish_watch *watch)
{
    redfish_stream_end(watch);
    watch->due_ms = watch->poll_due_ms = redfish_clock_ms();
    watch->walk_due_ms = watch->walks_failed > 0 ? watch->due_ms : watch->walk_due_ms;
    watch->told_count = 0;
}

void redfish_watches_point(struct redfish_events *source)
{
    MAP_EACH (&source->watches, entry) {
        struct redfish_watch *watch = entry->value;
        const struct redfish_bmc *was = watch->bmc; /* Of the old table, which is still there. */
        watch->bmc = map_get(&source->table->by_address, text_of(watch->address));
        if (was != NULL && watch->bmc != NULL && !nsh_equal(was->settings, watch->bmc->settings)) {
            settings_changed(watch);
        }
        if (watch->bmc == NULL) {
            map_remove(&source->watches, text_of(watch->address));
            watch_free(watch);
        }
    }
}

void redfish_watches_end(struct redfish_events *source)
{
    MAP_EACH (&source->watches, entry) {
        redfish_stream_end(entry->value);
    }
}

void redfish_watches_free(struct redfish_events *source)
{
    MAP_EACH (&source->watches, entry) {
        watch_free(entry->value);
    }
    map_done(&source->watches);
}

/* ---- for people ---- */

const char *redfish_way_word(enum redfish_way way)
{
    static const char *const words[REDFISH_WAYS_COUNT] = {
        [REDFISH_WAY_UNKNOWN] = "not asked yet",
        [REDFISH_WAY_BY_HAND] = "events, subscribed by hand",
        [REDFISH_WAY_PUSH] = "events",
        [REDFISH_WAY_SSE] = "a stream of events",
        [REDFISH_WAY_POLL] = "no events",
    };
    return words[way];
}

static void bmc_show(const struct redfish_watch *watch, struct nsh_checks *checks)
{
    const char *reason = redfish_poll_reason(watch);
    bool bad = watch->poll_why[0] != '\0';
    if (bad) {
        nsh_check_add(checks, "polled", NSH_CHECK_WARNING, watch->poll_why,
                      "%.50s: %s; polled: %.80s", watch->address, redfish_way_word(watch->way),
                      reason);
    } else {
        nsh_check_add(checks, "polled", watch->polled_ms > 0 ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                      watch->polled_ms > 0 ? NULL : "its moment comes within `poll_every`",
                      "%.50s: %s; polled: %.80s", watch->address, redfish_way_word(watch->way),
                      reason);
    }
}

static void streams_show(const struct redfish_events *source, size_t open,
                         struct nsh_checks *checks)
{
    if (source->streams_count > 0 || source->streams_broken > 0) {
        bool well = open == source->streams_count;
        nsh_check_add(checks, "streams", well ? NSH_CHECK_OK : NSH_CHECK_WARNING,
                      well ? NULL : "those that are not are polled meanwhile",
                      "%zu of %zu are open, %llu broke", open, source->streams_count,
                      (unsigned long long)source->streams_broken);
    }
}

static void reports_show(const struct redfish_events *source, size_t count,
                         struct nsh_checks *checks)
{
    size_t subscribed = 0;
    const struct redfish_watch *bad = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct redfish_watch *watch = source->table->items[i].watch;
        subscribed += watch->report_path[0] != '\0';
        bad = bad == NULL && watch->report_why[0] != '\0' ? watch : bad;
    }
    if (source->reports && bad == NULL) {
        nsh_check_add(checks, "reports", NSH_CHECK_OK, NULL,
                      "%zu of %zu BMCs are subscribed for metric reports", subscribed, count);
    } else if (source->reports) {
        nsh_check_add(checks, "reports", NSH_CHECK_WARNING, bad->report_why,
                      "%zu of %zu BMCs are subscribed for metric reports; not %.60s", subscribed,
                      count, bad->address);
    }
}

static void registries_show(const struct redfish_events *source, size_t count, size_t having,
                            struct nsh_checks *checks)
{
    size_t messages = 0, failed = 0;
    const struct redfish_watch *bad = NULL;
    for (size_t i = 0; i < source->shared_count; i++) {
        messages += source->shared[i]->registry.count;
    }
    for (size_t i = 0; i < count; i++) {
        const struct redfish_watch *watch = source->table->items[i].watch;
        failed += watch->walks_failed > 0;
        bad = bad == NULL && watch->walks_failed > 0 ? watch : bad;
    }
    if (source->registries) {
        nsh_check_add(
            checks, "registries", NSH_CHECK_OK, NULL,
            "%zu of %zu BMCs told their own: %zu that differ, %zu messages; for others the "
            "format's table serves",
            having, count, source->shared_count, messages);
    }
    if (bad != NULL) {
        nsh_check_add(checks, "registries", NSH_CHECK_WARNING, bad->walk_why,
                      "those of %zu BMCs were not read whole, and are tried again; so %.60s",
                      failed, bad->address);
    }
}

void redfish_ways_doctor(const struct redfish_events *source, struct nsh_checks *checks)
{
    size_t counts[REDFISH_WAYS_COUNT] = {0}, polled = 0, bad = 0, shown = 0, open = 0, having = 0;
    size_t blind = 0;
    size_t count = source->table == NULL ? 0 : source->table->count;
    for (size_t i = 0; i < count; i++) {
        const struct redfish_watch *watch = source->table->items[i].watch;
        bool polls = redfish_poll_reason(watch) != NULL;
        counts[watch->way]++;
        open += redfish_stream_open(watch);
        blind += watch->way == REDFISH_WAY_POLL && !polls;
        having += watch->registries_count > 0;
        polled += polls;
        bad += polls && watch->poll_why[0] != '\0';
    }
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (int way = 0; way < REDFISH_WAYS_COUNT; way++) {
        if (counts[way] > 0) {
            textbuf_addf(&text, "%s%zu %s", text.count == 0 ? "" : ", ", counts[way],
                         redfish_way_word((enum redfish_way)way));
        }
    }
    nsh_check_add(checks, "ways", bad == 0 ? NSH_CHECK_OK : NSH_CHECK_WARNING, NULL,
                  "%s; %zu polled, of which %zu did not answer well",
                  text.at == NULL ? "no BMCs" : text.at, polled, bad);
    nsh_check_add(checks, "polls", NSH_CHECK_OK, NULL,
                  "%llu polls were good, %llu were not; %zu at once at most",
                  (unsigned long long)source->polls_done, (unsigned long long)source->polls_failed,
                  redfish_poll_places(count));
    streams_show(source, open, checks);
    reports_show(source, count, checks);
    if (blind > 0) {
        nsh_check_add(checks, "blind", NSH_CHECK_WARNING, "poll = \"fallback\"",
                      "%zu BMCs send no events, and are not polled", blind);
    }
    registries_show(source, count, having, checks);
    for (int pass = 0; pass < 2; pass++) { /* What is wrong first. */
        for (size_t i = 0; i < count && shown < SHOWN_MAX; i++) {
            const struct redfish_watch *watch = source->table->items[i].watch;
            bool wrong = watch->poll_why[0] != '\0';
            if (redfish_poll_reason(watch) != NULL && wrong == (pass == 0)) {
                bmc_show(watch, checks);
                shown++;
            }
        }
    }
    if (polled > shown) {
        nsh_check_add(checks, "polled", NSH_CHECK_OK, NULL, "and %zu more", polled - shown);
    }
}
