/* SPDX-License-Identifier: Apache-2.0 */
/* The type `sel`: its keys, its rounds, its life, its doctor, records out of files. */

#include "sel_private.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 100
#define SCANNED_MAX 4096 /* BMCs looked at in one tick. */
#define SKEW_MS (60 * INT64_C(1000))
#define TOLD_MAX 3 /* BMCs that the doctor names of each kind. */
#define LINE_BYTES 160

static const struct nsh_option options[] = {
    {.name = "every",
     .type = NSH_DURATION,
     .preset = "5m",
     .min = "1s",
     .max = "1d",
     .help = "How often each BMC is asked. An unchanged log is one request, and a session for it."},
    {.name = "hosts",
     .type = NSH_STRING,
     .preset = "*",
     .help = "Hosts whose BMCs are asked, with * and ?; their binding bmc is of the driver ipmi."},
    {.name = "parallel",
     .type = NSH_INT,
     .preset = "64",
     .min = "1",
     .max = "512",
     .help = "BMCs that are asked at once."},
    {.name = "timeout",
     .type = NSH_DURATION,
     .preset = "60s",
     .min = "2s",
     .max = "10m",
     .help = "For one reading of a log, of at most 256 records."},
    {.name = "backlog",
     .type = NSH_DURATION,
     .preset = "1h",
     .min = "0s",
     .max = "30d",
     .help = "What a log held before it was read first is told when it is younger, by the BMC's "
             "own clock."},
    {.name = "names",
     .type = NSH_BOOL,
     .preset = "true",
     .help = "Read names of sensors out of the SDR repository, when there is something to tell."},
    {.name = "nearly_full",
     .type = NSH_INT,
     .preset = "90",
     .min = "20",
     .max = "100",
     .help = "Percent of its room at which a log is an alarm; it ends 10 below."},
    {.name = "traps",
     .type = NSH_STRING,
     .preset = "",
     .help = "Folder of the tables that say what an event means; none: that of traps."},
};

/* ---- tables ---- */

static int tables_read(const char *folder, struct trap_tables **ret_tables, struct nsh_error *err)
{
    struct diags diags = {0};
    int result = trap_tables_read(folder, &diags, ret_tables, err);
    diags_done(&diags);
    return result < 0 ? nsh_wrap(err, "tables of platform events in %s", folder) : 0;
}

/* ---- rounds ---- */

static void on_tick(uv_timer_t *timer)
{
    struct sel_source *source = timer->data;
    int64_t now_ms = (int64_t)uv_now(source->services->loop);
    sel_bmcs_renew(source);
    size_t used = source->bmcs.used;
    for (size_t i = 0; i < SCANNED_MAX && i < used; i++) {
        if (source->visits_count >= source->parallel) {
            return;
        }
        source->next = source->next + 1 >= used ? 0 : source->next + 1;
        struct sel_bmc *bmc = source->bmcs.entries[source->next].value;
        if (bmc != NULL && bmc->visit == NULL && !bmc->gone && bmc->due_ms <= now_ms) {
            sel_visit_begin(source, bmc);
        }
    }
}

/* ---- life ---- */

static void source_free(struct sel_source *source)
{
    sel_bmcs_free(source);
    trap_mapper_free(source->mapper);
    if (source->tables != NULL) {
        trap_tables_free(source->tables);
    }
    free(source);
}

static int sel_open(const struct source_services *services, const struct source_config *config,
                    void **ret_source, struct nsh_error *err)
{
    const struct nsh_value *settings = &config->settings;
    struct sel_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *source = (struct sel_source){
        .services = services,
        .config = config,
        .hosts = nsh_get_text(settings, "hosts", "*"),
        .every_ms = nsh_get_int(settings, "every", 300000),
        .backlog_ms = nsh_get_int(settings, "backlog", 3600000),
        .timeout_ms = nsh_get_int(settings, "timeout", 60000),
        .parallel = (size_t)nsh_get_int(settings, "parallel", 64),
        .nearly_full = nsh_get_int(settings, "nearly_full", 90),
        .names = nsh_get_bool(settings, "names", true),
        .chance = uv_hrtime(),
    };
    const char *folder = nsh_get_text(settings, "traps", "");
    folder = folder[0] != '\0' ? folder : services->traps(services->arg);
    int result = tables_read(folder, &source->tables, err);
    source->mapper = result < 0 ? NULL : trap_mapper_new(source->tables);
    if (source->mapper == NULL) {
        source_free(source);
        return result < 0 ? result : nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    uv_timer_init(services->loop, &source->tick);
    source->tick.data = source;
    source->ticking = true;
    uv_timer_start(&source->tick, on_tick, TICK_MS, TICK_MS);
    *ret_source = source;
    return 0;
}

void sel_maybe_done(struct sel_source *source)
{
    if (!source->closing || source->ticking || source->visits_count > 0) {
        return;
    }
    void (*done)(void *arg) = source->done;
    void *arg = source->arg;
    source_free(source);
    done(arg);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct sel_source *source = handle->data;
    source->ticking = false;
    sel_maybe_done(source);
}

static void sel_close(void *arg, void (*done)(void *arg), void *done_arg)
{
    struct sel_source *source = arg;
    source->closing = true;
    source->done = done;
    source->arg = done_arg;
    uv_close((uv_handle_t *)&source->tick, on_tick_closed); /* Keeps it until then. */
    sel_visits_stop(source);
}

/* ---- the doctor ---- */

struct tally {
    size_t count, reached, failed, unset, skewed, full;
    const struct sel_bmc *failures[TOLD_MAX], *worst, *largest, *fullest;
};

static int64_t off_ms(const struct sel_bmc *bmc)
{
    return bmc == NULL ? 0 : bmc->skew_ms < 0 ? -bmc->skew_ms : bmc->skew_ms;
}

static void tally_add(struct tally *tally, const struct sel_bmc *bmc)
{
    tally->count++;
    tally->reached += bmc->reached;
    if (bmc->why[0] != '\0') {
        if (tally->failed < TOLD_MAX) {
            tally->failures[tally->failed] = bmc;
        }
        tally->failed++;
    }
    if (!bmc->reached) {
        return;
    }
    tally->unset += bmc->unset;
    tally->skewed += bmc->has_skew && off_ms(bmc) > SKEW_MS;
    if (bmc->has_skew && off_ms(bmc) >= off_ms(tally->worst)) {
        tally->worst = bmc;
    }
    if (bmc->mark.full) {
        tally->full++;
        tally->fullest = bmc;
    }
    if (tally->largest == NULL || bmc->entries > tally->largest->entries) {
        tally->largest = bmc;
    }
}

static void doctor_bmcs(const struct sel_source *source, const struct tally *tally,
                        struct nsh_checks *checks)
{
    size_t waiting = tally->count - tally->reached - tally->failed;
    bool any = tally->count > 0;
    nsh_check_add(checks, "bmcs",
                  !any                ? NSH_CHECK_WARNING
                  : tally->failed > 0 ? NSH_CHECK_FAILED
                                      : NSH_CHECK_OK,
                  any ? NULL : "hosts need bmc = { driver = \"ipmi\"; ... } in the inventory",
                  "%zu BMCs: %zu answer, %zu do not, %zu were not asked yet", tally->count,
                  tally->reached, tally->failed, waiting);
    for (size_t i = 0; i < tally->failed && i < TOLD_MAX; i++) {
        const struct sel_bmc *bmc = tally->failures[i];
        nsh_check_add(checks, bmc->host, NSH_CHECK_FAILED, "nightshift driver doctor ipmi", "%s",
                      bmc->why);
    }
    if (source->shared > 0) {
        nsh_check_add(
            checks, "shared", NSH_CHECK_WARNING, "give each host the address of its own BMC",
            "%zu hosts have the BMC of another host: its log is told of that one", source->shared);
    }
}

static void doctor_logs(const struct tally *tally, struct nsh_checks *checks)
{
    const struct sel_bmc *largest = tally->largest;
    if (largest != NULL) {
        nsh_check_add(checks, "logs", NSH_CHECK_OK, NULL,
                      "the largest: %s, %lld entries, room for %lld", largest->host,
                      (long long)largest->entries,
                      (long long)largest->free_bytes / SEL_RECORD_BYTES);
    }
    if (tally->full > 0) {
        nsh_check_add(checks, "full", NSH_CHECK_WARNING,
                      "ipmitool sel save FILE, then ipmitool sel clear: nightshift never clears",
                      "%zu logs are full or nearly so, such as %s with %lld entries", tally->full,
                      tally->fullest->host, (long long)tally->fullest->entries);
    }
}

static void doctor_clocks(const struct tally *tally, struct nsh_checks *checks)
{
    CLEANUP(textbuf_donep) struct textbuf off = {0};
    if (tally->worst != NULL) {
        textbuf_add_duration(&off, off_ms(tally->worst) / 1000 * 1000);
        nsh_check_add(checks, "clocks", tally->skewed > 0 ? NSH_CHECK_WARNING : NSH_CHECK_OK,
                      tally->skewed > 0 ? "NTP in the BMC, or ipmitool sel time set now" : NULL,
                      "%zu are more than a minute off; the worst: %s, %s %s", tally->skewed,
                      tally->worst->host, off.at, tally->worst->skew_ms < 0 ? "behind" : "ahead");
    }
    if (tally->unset > 0) {
        nsh_check_add(checks, "unset", NSH_CHECK_WARNING, "ipmitool sel time set now",
                      "%zu BMCs have no time: their records cannot be dated", tally->unset);
    }
}

static void sel_doctor(void *arg, const struct source_config *config, struct nsh_checks *checks)
{
    const struct sel_source *source = arg;
    struct tally tally = {.count = 0};
    if (source == NULL) {
        return;
    }
    MAP_EACH (&source->bmcs, entry) {
        tally_add(&tally, entry->value);
    }
    doctor_bmcs(source, &tally, checks);
    doctor_logs(&tally, checks);
    doctor_clocks(&tally, checks);
    if (source->restarts > 0) {
        nsh_check_add(checks, "cleared", NSH_CHECK_OK, NULL,
                      "%llu times a log was cleared, or went around, between two visits",
                      (unsigned long long)source->restarts);
    }
}

/* ---- files ---- */

static int decode_with(const struct trap_tables *tables, const struct source_config *config,
                       const char *bytes, size_t bytes_count, struct arena *arena,
                       struct source_events *ret_events, struct nsh_error *err)
{
    uint8_t(*records)[SEL_RECORD_BYTES] = NULL;
    size_t count = 0;
    int result = sel_file_read(bytes, bytes_count, arena, &records, &count, err);
    struct trap_mapper *mapper = result < 0 ? NULL : trap_mapper_new(tables);
    struct event *items = arena_array(arena, count + 1, sizeof *items);
    const struct sel_reading reading = {.source = config->name, .host = "", .address = "file"};
    bool made = mapper != NULL && items != NULL;
    for (size_t i = 0; made && i < count; i++) {
        struct sel_record record;
        sel_record_read(records[i], &record);
        made = sel_event(mapper, &record, "", &reading, arena, &items[i]);
        if (made) { /* The tables end with this call. */
            struct event *event = &items[i];
            event->type = arena_text(arena, event->type);
            event->name = arena_text(arena, event->name);
            event->qualifier = event->qualifier.count == 0 ? (struct text){"", 0}
                                                           : arena_text(arena, event->qualifier);
            made = event->type.at != NULL && event->name.at != NULL && event->qualifier.at != NULL;
        }
    }
    trap_mapper_free(mapper);
    if (result == 0 && !made) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_events = (struct source_events){.items = items, .count = (uint32_t)count, .rule = -1};
    return result;
}

static int sel_decode(const struct source_config *config, const char *bytes, size_t bytes_count,
                      struct arena *arena, struct source_events *ret_events, struct nsh_error *err)
{
    const char *folder = nsh_get_text(&config->settings, "traps", "");
    const char *from_env = getenv("NIGHTSHIFT_TRAPS");
    struct trap_tables *tables = NULL;
    folder = folder[0] != '\0' ? folder : from_env != NULL ? from_env : NS_CONFIG_DIR "/traps";
    int result = tables_read(folder, &tables, err);
    if (result == 0) {
        result = decode_with(tables, config, bytes, bytes_count, arena, ret_events, err);
        trap_tables_free(tables);
    }
    return result;
}

const struct source_type source_type_sel = {
    .name = "sel",
    .summary = "reads the event logs of the hosts' BMCs over IPMI",
    .flags = SOURCE_RENEWS,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .open = sel_open,
    .close = sel_close,
    .doctor = sel_doctor,
    .decode = sel_decode,
};
