/* SPDX-License-Identifier: Apache-2.0 */
/* The BMCs of the inventory, when each is asked, and where its log was read to. */

#include "sel_private.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

#define REFUSED_MS (60 * 60 * INT64_C(1000)) /* Trying again would lock the account. */
#define PAUSE_MAX_MS (60 * 60 * INT64_C(1000))
#define DOUBLINGS_MAX 5
#define SOON_MS 5000   /* Our own store, or our own memory. */
#define JITTER_PART 10 /* A tenth of the interval, either way. */
#define ID_BYTES 400

/* ---- marks ---- */

void sel_mark_next(const struct sel_mark *mark, bool restarted,
                   uint8_t (*records)[SEL_RECORD_BYTES], size_t records_count,
                   struct sel_mark *ret_next)
{
    struct sel_mark next = *mark;
    size_t fresh = records_count < SEL_ANCHORS_MAX ? records_count : SEL_ANCHORS_MAX;
    size_t kept = restarted ? 0 : mark->anchors_count;
    kept = kept + fresh > SEL_ANCHORS_MAX ? SEL_ANCHORS_MAX - fresh : kept;
    for (size_t i = 0; i < fresh; i++) {
        memcpy(next.anchors[i], records[records_count - 1 - i], SEL_RECORD_BYTES);
    }
    for (size_t i = 0; i < kept; i++) {
        memcpy(next.anchors[fresh + i], mark->anchors[i], SEL_RECORD_BYTES);
    }
    next.anchors_count = fresh + kept;
    *ret_next = next;
}

void sel_anchors_write(const struct sel_mark *mark,
                       char text[SEL_ANCHORS_MAX * 2 * SEL_RECORD_BYTES + 1])
{
    text[0] = '\0';
    for (size_t i = 0; i < mark->anchors_count; i++) {
        sel_record_write(mark->anchors[i], text + i * 2 * SEL_RECORD_BYTES);
    }
}

void sel_mark_write(const struct sel_mark *mark, struct textbuf *out)
{
    char anchors[SEL_ANCHORS_MAX * 2 * SEL_RECORD_BYTES + 1];
    sel_anchors_write(mark, anchors);
    textbuf_addf(out, "{\"after\":\"%s\",\"seen\":\"%s\",\"past\":%s,\"full\":%s,\"at\":%lld}",
                 anchors, mark->seen, mark->past ? "true" : "false", mark->full ? "true" : "false",
                 (long long)mark->at_ms);
}

bool sel_mark_read(const char *text, struct sel_mark *ret_mark)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value value;
    struct sel_mark mark = {.anchors_count = 0};
    if (text == NULL || json_parse(text, strlen(text), &arena, &value, NULL) < 0) {
        return false;
    }
    const char *after = nsh_get_text(&value, "after", NULL);
    size_t chars = after == NULL ? 1 : strlen(after);
    if (chars % (2 * SEL_RECORD_BYTES) != 0 || chars / (2 * SEL_RECORD_BYTES) > SEL_ANCHORS_MAX) {
        return false;
    }
    for (size_t at = 0; at < chars; at += 2 * SEL_RECORD_BYTES) {
        char one[2 * SEL_RECORD_BYTES + 1];
        snprintf(one, sizeof one, "%.*s", 2 * SEL_RECORD_BYTES, after + at);
        if (!sel_record_hex(one, mark.anchors[mark.anchors_count++])) {
            return false;
        }
    }
    snprintf(mark.seen, sizeof mark.seen, "%s", nsh_get_text(&value, "seen", ""));
    mark.past = nsh_get_bool(&value, "past", false);
    mark.full = nsh_get_bool(&value, "full", false);
    mark.at_ms = nsh_get_int(&value, "at", 0);
    *ret_mark = mark;
    return true;
}

/* ---- when ---- */

/* Between 0 and below - 1; not secret, only different. */
static int64_t chance(struct sel_source *source, int64_t below)
{
    source->chance = source->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below <= 0 ? 0 : (int64_t)((source->chance >> 33) % (uint64_t)below);
}

void sel_bmc_later(struct sel_source *source, struct sel_bmc *bmc, int code)
{
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    int64_t pause_ms = source->every_ms;
    bool refused = code == NSH_AUTH || code == NSH_DENIED || code == NSH_MISMATCH;
    bool ours = code == NSH_LIMIT || code == NSH_IO || code == NSH_NOMEM || code == NSH_CANCELLED;
    bmc->failures = code == NSH_OK ? 0 : bmc->failures + !ours;
    if (ours) {
        pause_ms = SOON_MS < source->every_ms ? SOON_MS : source->every_ms;
    } else if (refused) {
        pause_ms = pause_ms > REFUSED_MS ? pause_ms : REFUSED_MS;
    } else if (code != NSH_OK) {
        unsigned doublings = bmc->failures < DOUBLINGS_MAX ? bmc->failures : DOUBLINGS_MAX;
        int64_t longer_ms = pause_ms << (doublings - 1);
        int64_t most_ms = pause_ms > PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
        pause_ms = longer_ms > most_ms ? most_ms : longer_ms;
    }
    int64_t part_ms = pause_ms / JITTER_PART;
    bmc->due_ms = now_ms + pause_ms - part_ms + chance(source, 2 * part_ms + 1);
}

/* ---- names ---- */

const char *sel_bmc_name(const struct sel_bmc *bmc, uint8_t number)
{
    for (size_t i = 0; i < bmc->names_count; i++) {
        if (bmc->names[i].number == number) {
            return bmc->names[i].text;
        }
    }
    return NULL;
}

void sel_bmc_name_add(struct sel_bmc *bmc, uint8_t number, const char *text)
{
    struct sel_name *names = bmc->names_count == SEL_NAMES_MAX || sel_bmc_name(bmc, number) != NULL
                                 ? NULL
                                 : realloc(bmc->names, (bmc->names_count + 1) * sizeof *names);
    if (names != NULL) {
        bmc->names = names;
        names[bmc->names_count].number = number;
        snprintf(names[bmc->names_count].text, SEL_NAME_BYTES, "%s", text);
        bmc->names_count++;
    }
}

/* ---- the inventory ---- */

void sel_bmc_free(struct sel_bmc *bmc)
{
    free(bmc->address);
    free(bmc->host);
    free(bmc->names);
    free(bmc);
}

static struct sel_bmc *bmc_new(struct sel_source *source, const char *address)
{
    char id[ID_BYTES];
    struct sel_bmc *bmc = calloc(1, sizeof *bmc);
    if (bmc == NULL) {
        return NULL;
    }
    bmc->address = strdup(address);
    if (bmc->address == NULL || map_set(&source->bmcs, text_of(bmc->address), bmc) < 0) {
        sel_bmc_free(bmc);
        return NULL;
    }
    snprintf(id, sizeof id, "sel/%s/%s", source->config->name, address);
    bmc->known = sel_mark_read(source->services->mark(source->services->arg, id), &bmc->mark);
    bmc->mark.past = bmc->mark.past || !bmc->known;
    bmc->due_ms = -1; /* To be spread. */
    bmc->gone = true; /* Until it has its host. */
    return bmc;
}

static void host_take(struct sel_source *source, const struct host *host)
{
    const struct binding *binding = host_binding(host, BINDING_BMC);
    const char *address = binding == NULL || strcmp(binding->driver, "ipmi") != 0
                              ? NULL
                              : nsh_get_text(&binding->settings, "address", NULL);
    if (address == NULL || !text_glob(text_of(source->hosts), text_of(host->name))) {
        return;
    }
    struct sel_bmc *bmc = map_get(&source->bmcs, text_of(address));
    if (bmc != NULL && !bmc->gone) {
        source->shared++; /* One log for two hosts: whose it is nobody can tell. */
        return;
    }
    bmc = bmc == NULL ? bmc_new(source, address) : bmc;
    char *name = bmc == NULL ? NULL : strdup(host->name);
    if (name != NULL) {
        free(bmc->host);
        bmc->host = name;
        bmc->gone = false;
    }
}

/* New ones are spread over an interval. */
static void spread(struct sel_source *source)
{
    int64_t now_ms = (int64_t)uv_now(source->services->loop), index = 0, count = 0;
    MAP_EACH (&source->bmcs, entry) {
        count += ((struct sel_bmc *)entry->value)->due_ms < 0;
    }
    MAP_EACH (&source->bmcs, entry) {
        struct sel_bmc *bmc = entry->value;
        if (bmc->due_ms < 0) {
            bmc->due_ms = now_ms + source->every_ms * index++ / (count > 0 ? count : 1);
        }
    }
}

void sel_bmcs_renew(struct sel_source *source)
{
    const struct inventory *inventory = source->services->inventory(source->services->arg);
    if (inventory == NULL || (source->listed && inventory->revision == source->revision)) {
        return;
    }
    source->listed = true;
    source->revision = inventory->revision;
    source->shared = 0;
    MAP_EACH (&source->bmcs, entry) {
        ((struct sel_bmc *)entry->value)->gone = true;
    }
    for (size_t i = 0; i < inventory->hosts_count; i++) {
        host_take(source, &inventory->hosts[i]);
    }
    MAP_EACH (&source->bmcs, entry) {
        struct sel_bmc *bmc = entry->value;
        if (bmc->gone && bmc->visit == NULL) {
            map_remove(&source->bmcs, text_of(bmc->address)); /* Marks the entry, moves none. */
            sel_bmc_free(bmc);
        }
    }
    spread(source);
}

void sel_bmcs_free(struct sel_source *source)
{
    MAP_EACH (&source->bmcs, entry) {
        sel_bmc_free(entry->value);
    }
    map_done(&source->bmcs);
}
