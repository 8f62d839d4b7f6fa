/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A visit: what is new in a log, names of sensors that are not known yet, then the events and the
 * mark as one batch. The mark of the BMC moves on when that is durable; then what is still left is
 * read, or the visit is over.
 */

#include "sel_private.h"

#include <stdio.h>
#include <stdlib.h>

#define ID_BYTES 400
#define FREE_UNKNOWN 0xffff /* 64 KiB or more. */
#define FULL_GAP 10         /* Percent below which a full log has room again. */
#define SENSORS_TIMEOUT_MS 20000

struct sel_visit {
    struct sel_source *source;
    struct sel_bmc *bmc;
    size_t place;
    uint64_t call; /* 0: none. */
    bool pushing;
    uint8_t records[SEL_READ_MAX][SEL_RECORD_BYTES];
    size_t records_count;
    unsigned readings;
    bool more, full;
    struct sel_reading reading;
    struct sel_mark next;
    struct source_delivery delivery;
    struct arena arena; /* Of one batch. */
    struct textbuf mark;
};

static void ask_log(struct sel_visit *visit);

/* ---- the end ---- */

static void visit_free(struct sel_visit *visit)
{
    struct sel_source *source = visit->source;
    struct sel_bmc *bmc = visit->bmc;
    bmc->visit = NULL;
    source->visits[visit->place] = NULL;
    source->visits_count--;
    if (bmc->gone && !source->closing) {
        map_remove(&source->bmcs, text_of(bmc->address));
        sel_bmc_free(bmc);
    }
    arena_done(&visit->arena);
    textbuf_done(&visit->mark);
    free(visit);
    sel_maybe_done(source);
}

static void visit_end(struct sel_visit *visit, int code)
{
    sel_bmc_later(visit->source, visit->bmc, code);
    visit_free(visit);
}

/* Nothing came of it: it is asked again later. */
static void visit_fail(struct sel_visit *visit, int code, const char *text)
{
    struct sel_source *source = visit->source;
    struct sel_bmc *bmc = visit->bmc;
    bool news = bmc->why[0] == '\0';
    bmc->reached = false;
    snprintf(bmc->why, sizeof bmc->why, "%s: %.120s", nsh_code_word(code),
             text == NULL ? "" : text);
    source_complain(source->services->row, intake_now_ms(source->services->intake), bmc->why);
    if (news && code != NSH_CANCELLED) {
        CLEANUP(textbuf_donep) struct textbuf line = {0};
        textbuf_addf(&line, "source %s: the event log of %s cannot be read: %s",
                     source->config->name, bmc->host, bmc->why);
        source->services->log(source->services->arg, true, line.at);
    }
    visit_end(visit, code);
}

/* ---- telling ---- */

/* What was there before us: told when it is young enough, by its BMC's own clock. */
static bool is_old(const struct sel_visit *visit, const struct sel_record *record)
{
    int64_t age_s = sel_record_age_s(record, visit->reading.clock_s);
    return visit->bmc->mark.past && (age_s < 0 || age_s * 1000 > visit->source->backlog_ms);
}

static bool events_make(struct sel_visit *visit, struct source_events *events)
{
    struct sel_source *source = visit->source;
    struct arena *arena = &visit->arena;
    events->rule = -1;
    events->items = arena_array(arena, visit->records_count + 1, sizeof *events->items);
    bool made = events->items != NULL;
    for (size_t i = 0; made && i < visit->records_count; i++) {
        struct sel_record record;
        sel_record_read(visit->records[i], &record);
        if (is_old(visit, &record)) {
            events->ignored++;
            events->why = "it was in the log before we were, and is older than backlog";
            continue;
        }
        const char *name = record.of_sensor ? sel_bmc_name(visit->bmc, record.sensor_number) : NULL;
        made = sel_event(source->mapper, &record, name == NULL ? "" : name, &visit->reading, arena,
                         &events->items[events->count++]);
    }
    made = made && sel_events_overtake(events->items, events->count, arena);
    if (made && visit->full != visit->bmc->mark.full) {
        const struct sel_bmc *bmc = visit->bmc;
        made = sel_event_full(&visit->reading, visit->full, bmc->entries, bmc->free_bytes,
                              bmc->overflow, arena, &events->items[events->count++]);
    }
    return made;
}

static void on_durable(void *arg, bool durable, uint32_t duplicates)
{
    struct sel_visit *visit = arg;
    struct sel_bmc *bmc = visit->bmc;
    visit->pushing = false;
    if (durable) {
        bmc->mark = visit->next;
        bmc->known = true;
    }
    bool goes_on = visit->more && ++visit->readings < SEL_READINGS_MAX;
    if (durable && goes_on && !visit->source->closing && !bmc->gone) {
        ask_log(visit);
    } else {
        visit_end(visit, durable ? NSH_OK : NSH_CANCELLED);
    }
}

static bool same_mark(const struct sel_mark *a, const struct sel_mark *b)
{
    return a->anchors_count == b->anchors_count && a->past == b->past && a->full == b->full &&
           strcmp(a->seen, b->seen) == 0 &&
           memcmp(a->anchors, b->anchors, a->anchors_count * SEL_RECORD_BYTES) == 0;
}

static void tell(struct sel_visit *visit)
{
    struct sel_source *source = visit->source;
    const struct source_services *services = source->services;
    struct source_events events = {0};
    char id[ID_BYTES];
    struct nsh_error err = {0};
    arena_done(&visit->arena);
    visit->arena = (struct arena)ARENA_INIT;
    visit->reading.host = visit->bmc->host; /* The inventory may have been loaded meanwhile. */
    textbuf_clear(&visit->mark);
    if (!events_make(visit, &events)) {
        visit_end(visit, NSH_NOMEM);
        return;
    }
    snprintf(id, sizeof id, "sel/%s/%s", source->config->name, visit->bmc->address);
    sel_mark_write(&visit->next, &visit->mark);
    bool moved = !visit->bmc->known || !same_mark(&visit->next, &visit->bmc->mark);
    visit->delivery = (struct source_delivery){
        .row = services->row,
        .received_ms = visit->reading.now_ms,
        .mark_id = moved ? id : NULL,
        .mark = moved ? visit->mark.at : NULL,
        .done = on_durable,
        .arg = visit,
    };
    source_count(services->row, SOURCE_COUNT_received, 1);
    visit->pushing = true;
    int result = source_push(services->intake, &events, &visit->delivery, &visit->arena, &err);
    if (result < 0) {
        visit->pushing = false;
        visit_end(visit, -result);
    }
}

/* ---- names ---- */

static void on_sensors(void *arg, const struct nsh_outcome *outcome)
{
    struct sel_visit *visit = arg;
    struct sel_bmc *bmc = visit->bmc;
    visit->call = 0;
    const struct nsh_value *list =
        outcome->result == NULL ? NULL : nsh_get(outcome->result, "sensors");
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const struct nsh_value *sensor = &list->items[i];
        sel_bmc_name_add(bmc, (uint8_t)nsh_get_int(sensor, "number", 0),
                         nsh_get_text(sensor, "name", ""));
    }
    /* Those it does not say, or all when it says nothing: not asked for again. */
    for (size_t i = 0; i < visit->records_count; i++) {
        struct sel_record record;
        sel_record_read(visit->records[i], &record);
        if (record.of_sensor) {
            sel_bmc_name_add(bmc, record.sensor_number, "");
        }
    }
    tell(visit);
}

/* Numbers of sensors in what is to be told whose names were never asked for. */
static size_t names_wanted(const struct sel_visit *visit, char numbers[2 * SEL_NAMES_MAX + 1])
{
    bool wanted[256] = {false};
    size_t count = 0;
    numbers[0] = '\0';
    for (size_t i = 0; i < visit->records_count; i++) {
        struct sel_record record;
        sel_record_read(visit->records[i], &record);
        bool asks = record.of_sensor && !is_old(visit, &record) &&
                    visit->bmc->names_count + count < SEL_NAMES_MAX &&
                    sel_bmc_name(visit->bmc, record.sensor_number) == NULL;
        if (asks && !wanted[record.sensor_number]) {
            wanted[record.sensor_number] = true;
            snprintf(numbers + 2 * count++, 3, "%02x", record.sensor_number);
        }
    }
    return count;
}

static int ask(struct sel_visit *visit, const char *verb, const struct nsh_value *args,
               void (*done)(void *arg, const struct nsh_outcome *outcome), struct nsh_error *err)
{
    const struct source_services *services = visit->source->services;
    bool names = done == on_sensors;
    int64_t timeout_ms = visit->source->timeout_ms;
    const struct source_call call = {
        .host = visit->bmc->host,
        .binding = BINDING_BMC,
        .driver = "ipmi",
        .verb = verb,
        .args = args,
        .timeout_ms =
            (uint32_t)(names && timeout_ms > SENSORS_TIMEOUT_MS ? SENSORS_TIMEOUT_MS : timeout_ms),
        .done = done,
        .arg = visit,
    };
    return services->call(services->arg, &call, &visit->call, err);
}

static void ask_names(struct sel_visit *visit)
{
    char numbers[2 * SEL_NAMES_MAX + 1];
    struct nsh_error err = {0};
    if (!visit->source->names || names_wanted(visit, numbers) == 0) {
        tell(visit);
        return;
    }
    const struct nsh_member members[] = {{"numbers", nsh_text(numbers)}};
    const struct nsh_value args = nsh_map(members, 1);
    if (ask(visit, "ipmi.sensors", &args, on_sensors, &err) < 0) {
        tell(visit); /* Without names. */
    }
}

/* ---- the log ---- */

static void records_take(struct sel_visit *visit, const struct nsh_value *result)
{
    const struct nsh_value *list = nsh_get(result, "records");
    visit->records_count = 0;
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        bool is_text = list->items[i].type == NSH_STRING;
        if (visit->records_count < SEL_READ_MAX && is_text &&
            sel_record_hex(list->items[i].text, visit->records[visit->records_count])) {
            visit->records_count++;
        }
    }
}

static bool is_full(const struct sel_visit *visit)
{
    const struct sel_bmc *bmc = visit->bmc;
    int64_t room = bmc->entries + bmc->free_bytes / SEL_RECORD_BYTES;
    int64_t percent = room == 0 || bmc->free_bytes == FREE_UNKNOWN ? 0 : bmc->entries * 100 / room;
    int64_t bound = visit->source->nearly_full - (bmc->mark.full ? FULL_GAP : 0);
    return bmc->overflow || percent >= bound;
}

static void figures_take(struct sel_visit *visit, const struct nsh_value *result)
{
    struct sel_bmc *bmc = visit->bmc;
    const struct source_services *services = visit->source->services;
    int64_t clock_s = nsh_get_int(result, "clock", 0);
    visit->reading = (struct sel_reading){.source = visit->source->config->name,
                                          .host = bmc->host,
                                          .address = bmc->address,
                                          .now_ms = intake_now_ms(services->intake),
                                          .clock_s = (uint32_t)clock_s};
    if (clock_s != 0) {
        bmc->unset = clock_s < SEL_TIME_SET || clock_s == UINT32_MAX;
        bmc->has_skew = !bmc->unset;
        bmc->skew_ms = clock_s * 1000 - visit->reading.now_ms;
    }
    bmc->entries = nsh_get_int(result, "entries", 0);
    bmc->free_bytes = nsh_get_int(result, "free", FREE_UNKNOWN);
    bmc->overflow = nsh_get_bool(result, "overflow", false);
    bmc->reached = true;
    bmc->why[0] = '\0';
    source_heard(services->row, visit->reading.now_ms);
}

static void on_log(void *arg, const struct nsh_outcome *outcome)
{
    struct sel_visit *visit = arg;
    struct sel_bmc *bmc = visit->bmc;
    const struct nsh_value *result = outcome->result;
    visit->call = 0;
    if (outcome->code != NSH_OK || result == NULL) {
        visit_fail(visit, outcome->code == NSH_OK ? NSH_PROTOCOL : outcome->code, outcome->text);
        return;
    }
    bool unchanged = nsh_get_bool(result, "unchanged", false);
    bool restarted = nsh_get_bool(result, "restarted", false);
    figures_take(visit, result);
    records_take(visit, result);
    visit->more = nsh_get_bool(result, "more", false) && visit->records_count > 0;
    visit->full = is_full(visit);
    visit->source->restarts += restarted;
    bmc->unchanged = unchanged ? bmc->unchanged + 1 : 0;
    sel_mark_next(&bmc->mark, restarted, visit->records, visit->records_count, &visit->next);
    visit->next.full = visit->full;
    visit->next.at_ms = visit->more ? bmc->mark.at_ms : visit->reading.now_ms;
    visit->reading.since_ms = restarted ? 0 : bmc->mark.at_ms;
    if (!unchanged) {
        visit->next.past = bmc->mark.past && visit->more;
        snprintf(visit->next.seen, sizeof visit->next.seen, "%s",
                 visit->more ? "" : nsh_get_text(result, "state", ""));
    }
    ask_names(visit);
}

static void ask_log(struct sel_visit *visit)
{
    const struct sel_bmc *bmc = visit->bmc;
    char after[SEL_ANCHORS_MAX * 2 * SEL_RECORD_BYTES + 1];
    struct nsh_error err = {0};
    bool looks = bmc->unchanged >= SEL_LOOK_EACH;
    sel_anchors_write(&bmc->mark, after);
    const struct nsh_member members[] = {
        {"after", nsh_text(after)},
        {"seen", nsh_text(looks || !bmc->known ? "" : bmc->mark.seen)},
        {"count", nsh_int(SEL_READ_MAX)},
    };
    const struct nsh_value args = nsh_map(members, 3);
    int result = ask(visit, "ipmi.sel", &args, on_log, &err);
    if (result < 0) {
        visit_fail(visit, -result, err.text);
    }
}

void sel_visit_begin(struct sel_source *source, struct sel_bmc *bmc)
{
    size_t place = 0;
    struct sel_visit *visit = calloc(1, sizeof *visit);
    while (place < SEL_VISITS_MAX && source->visits[place] != NULL) {
        place++;
    }
    if (visit == NULL || place == SEL_VISITS_MAX) {
        free(visit);
        sel_bmc_later(source, bmc, NSH_NOMEM);
        return;
    }
    visit->source = source;
    visit->bmc = bmc;
    visit->place = place;
    visit->arena = (struct arena)ARENA_INIT;
    bmc->visit = visit;
    source->visits[place] = visit;
    source->visits_count++;
    ask_log(visit);
}

void sel_visits_stop(struct sel_source *source)
{
    const struct source_services *services = source->services;
    for (size_t i = 0; i < SEL_VISITS_MAX; i++) {
        struct sel_visit *visit = source->visits[i];
        if (visit != NULL && !visit->pushing) {
            if (visit->call != 0) {
                services->call_cancel(services->arg, visit->call);
            }
            visit_free(visit);
        }
    }
}
