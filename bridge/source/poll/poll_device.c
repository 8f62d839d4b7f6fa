/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read of one device: who it is and since when it runs, then its tables, one after the other.
 * Rows are handed over when their table is whole, never a part of it.
 */

#include "poll_private.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_MS_MIN 30000 /* A read may take this long, or its interval when that is longer. */
#define UPTIME_WRAP UINT64_C(4294967296)
#define UPTIME_SLACK 500 /* Hundredths of a second that clocks may differ by between two reads. */
#define SYSTEM_OBJECTS 3

static void table_next(struct poll_device *device);

static int64_t clock_ms(const struct poll_device *device)
{
    return (int64_t)uv_now(device->source->services->loop);
}

static void device_end(struct poll_device *device, const char *why, bool reached)
{
    poll_link_rest(&device->link);
    poll_rows_done(device->rows);
    free(device->rows);
    device->rows = NULL;
    poll_device_over(device, why, reached);
}

/* ---- samples ---- */

struct handing {
    struct poll_device *device;
    struct poll_meaning *meaning;
};

#define OWN_LABELS 3

static size_t own_labels(const struct poll_device *device, struct sample_label *labels)
{
    labels[0] = (struct sample_label){TEXT("job"), text_of(device->source->config->name)};
    labels[1] = (struct sample_label){TEXT("host"), text_of(device->name)};
    labels[2] = (struct sample_label){TEXT("instance"), text_of(device->address)};
    return OWN_LABELS;
}

static int samples_decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    poll_mean_samples(((struct handing *)arg)->meaning, sink);
    return 0;
}

static void no_labels(void *arg, const struct sample_label *labels, size_t count)
{
}

static void no_value(void *arg, int64_t at_ms, double value)
{
}

static void samples_hand(struct poll_device *device,
                         int (*decode)(void *arg, const struct sample_sink *sink,
                                       struct nsh_error *err),
                         void *arg)
{
    const struct source_services *services = device->source->services;
    const struct sample_sink none = {no_labels, no_value, NULL};
    if (services->samples == NULL) {
        decode(arg, &none, NULL);
    } else {
        services->samples(services->arg, decode, arg, NULL);
    }
}

/* What a read says of itself. */
struct about {
    struct poll_device *device;
    bool up;
    double seconds;
};

static int about_decode(void *arg, const struct sample_sink *sink, struct nsh_error *err)
{
    const struct about *about = arg;
    const struct poll_device *device = about->device;
    struct sample_label labels[OWN_LABELS + 1];
    const struct {
        const char *name;
        double value;
        bool known;
    } rows[] = {
        {"snmp_up", about->up, true},
        {"snmp_poll_seconds", about->seconds, about->up},
        {"snmp_uptime_seconds", (double)device->uptime / 100.0, about->up && device->has_uptime},
    };
    own_labels(device, labels + 1);
    int64_t now_ms = intake_now_ms(device->source->services->intake);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].known) {
            labels[0] = (struct sample_label){TEXT(SAMPLE_METRIC), text_of(rows[i].name)};
            sink->labels(sink->arg, labels, OWN_LABELS + 1);
            sink->value(sink->arg, now_ms, rows[i].value);
        }
    }
    return 0;
}

static void about_hand(struct poll_device *device, bool up)
{
    struct about about = {device, up, (double)(clock_ms(device) - device->begun_ms) / 1000.0};
    samples_hand(device, about_decode, &about);
}

/* ---- tables ---- */

static void table_take(struct poll_device *device)
{
    struct poll_source *source = device->source;
    const struct poll_table *table = source->tables[device->table];
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct sample_label labels[OWN_LABELS];
    struct poll_meaning meaning = {
        .memory = &device->memory,
        .table = table,
        .rows = device->rows,
        .arena = &arena,
        .labels = labels,
        .labels_count = own_labels(device, labels),
        .at_ms = intake_now_ms(source->services->intake),
    };
    struct handing handing = {device, &meaning};
    samples_hand(device, samples_decode, &handing);
    struct poll_batch *batch = poll_batch_new(device, table);
    if (batch != NULL) {
        poll_mean_states(&meaning, poll_batch_turn, batch);
        uint64_t bit = UINT64_C(1) << device->table;
        if ((device->known & bit) == 0 && !device->rows->cut) {
            device->known |= bit;
            poll_standing_table(device, table, batch);
        }
        poll_batch_push(batch);
    }
    source->figures.samples += meaning.samples;
    source->figures.tables++;
    source->figures.rows += device->rows->count;
    if (device->rows->cut) {
        device->troubled = true;
        snprintf(device->why, sizeof device->why, "%s: only its first %d rows are looked at",
                 table->name, POLL_ROWS_MAX);
    }
}

static void on_walked(void *arg, int code, const char *why)
{
    struct poll_device *device = arg;
    struct poll_source *source = device->source;
    uint64_t bit = UINT64_C(1) << device->table;
    if (code == NSH_OK) {
        device->absent = device->rows->count == 0 ? device->absent | bit : device->absent & ~bit;
        table_take(device);
    } else {
        source->figures.malformed += code == NSH_PROTOCOL;
        device->troubled = true;
        snprintf(device->why, sizeof device->why, "%s", why);
        source_complain(source->services->row, intake_now_ms(source->services->intake), why);
    }
    if (code == NSH_TIMEOUT || code == NSH_UNREACHABLE) {
        device_end(device, why, false);
        return;
    }
    device->table++;
    table_next(device);
}

static bool table_wanted(const struct poll_device *device, uint32_t index)
{
    const struct poll_oid *only = device->source->only[index];
    bool fits = only->count == 0 || poll_oid_under(&device->object, only) ||
                poll_oid_compare(&device->object, only) == 0;
    bool absent = (device->absent >> index & 1) != 0;
    return fits && (!absent || device->rounds % POLL_ABSENT_ROUNDS == 0);
}

static void table_next(struct poll_device *device)
{
    const struct poll_source *source = device->source;
    while (device->table < source->tables_count && !table_wanted(device, device->table)) {
        device->table++;
    }
    if (device->table < source->tables_count) {
        poll_link_walk(&device->link, source->tables[device->table], device->rows, on_walked,
                       device);
    } else {
        about_hand(device, true);
        device_end(device, NULL, true);
    }
}

/* ---- who it is ---- */

/* An uptime that is lower than it must be by now is another life, but when it went round. */
static bool uptime_fell(const struct poll_device *device, uint32_t uptime, int64_t now_ms)
{
    uint64_t passed = (uint64_t)(now_ms - device->uptime_at_ms) / 10;
    uint64_t wanted = device->uptime + passed;
    if (!device->has_uptime || (uint64_t)uptime + UPTIME_SLACK >= wanted) {
        return false;
    }
    bool went_round = wanted + UPTIME_SLACK >= UPTIME_WRAP &&
                      (uint64_t)uptime + UPTIME_SLACK + UPTIME_WRAP >= wanted;
    /* Clocks of agents are not exact; but who counts on goes up. */
    return !went_round && uptime < device->uptime;
}

static void system_take(struct poll_device *device)
{
    const struct poll_answer *answer = &device->source->answer;
    const struct poll_value *values[SYSTEM_OBJECTS] = {NULL};
    int64_t now_ms = clock_ms(device);
    double number = 0;
    bool restarted = false;
    for (uint32_t i = 0; i < answer->count && i < SYSTEM_OBJECTS; i++) {
        values[i] = &answer->items[i].value;
    }
    if (values[0] != NULL && poll_value_number(values[0], &number)) {
        restarted = uptime_fell(device, (uint32_t)number, now_ms);
        device->uptime = (uint32_t)number;
        device->uptime_at_ms = now_ms;
        device->has_uptime = true;
    }
    if (values[1] != NULL && poll_value_number(values[1], &number)) {
        restarted = restarted || (device->has_boots && device->boots != (uint32_t)number);
        device->boots = (uint32_t)number;
        device->has_boots = true;
    }
    if (values[2] != NULL && values[2]->type == POLL_OID) {
        char chars[POLL_OID_CHARS_MAX];
        snprintf(chars, sizeof chars, "%.*s", (int)values[2]->octets.count, values[2]->octets.at);
        poll_oid_read(chars, &device->object);
    }
    if (restarted) {
        poll_memory_restart(&device->memory);
        device->absent = 0; /* It may have other hardware by now. */
        device->source->figures.restarts++;
        poll_tell_restart(device, (int64_t)device->uptime * 10);
    }
}

static void on_system(void *arg, int code, const char *why)
{
    struct poll_device *device = arg;
    if (code != NSH_OK) {
        poll_wire_forget(device->link.wire); /* Another machine may have its address. */
        about_hand(device, false);
        device_end(device, why, code != NSH_TIMEOUT && code != NSH_UNREACHABLE);
        return;
    }
    system_take(device);
    table_next(device);
}

static bool link_ready(struct poll_device *device, struct nsh_error *err)
{
    struct poll_source *source = device->source;
    if (device->link.wire == NULL &&
        poll_wire_new(&source->credentials, source->like, &device->link.wire, err) < 0) {
        return false;
    }
    device->rows = calloc(1, sizeof *device->rows);
    if (device->rows == NULL) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return false;
    }
    return true;
}

void poll_device_begin(struct poll_device *device)
{
    static const char *const objects[SYSTEM_OBJECTS] = {
        "1.3.6.1.2.1.1.3.0",      /* sysUpTime */
        "1.3.6.1.6.3.10.2.1.2.0", /* snmpEngineBoots */
        "1.3.6.1.2.1.1.2.0"};     /* sysObjectID */
    struct poll_source *source = device->source;
    struct nsh_error err = {0};
    int64_t longest = source->every_ms > READ_MS_MIN ? source->every_ms : READ_MS_MIN;
    device->begun_ms = clock_ms(device);
    device->link.deadline_ms = device->link.services->now_ms(device->link.services) + longest;
    device->table = 0;
    device->troubled = false;
    device->flying = true;
    source->flying++;
    if (!link_ready(device, &err)) {
        poll_device_over(device, err.text, true);
        return;
    }
    struct poll_ask *ask = &device->link.ask;
    ask->repetitions = 0;
    ask->count = SYSTEM_OBJECTS;
    for (uint32_t i = 0; i < SYSTEM_OBJECTS; i++) {
        bool read = poll_oid_read(objects[i], &ask->oids[i]);
        NSH_ASSERT(read);
    }
    if (poll_link_ask(&device->link, on_system, device, &err) < 0) {
        poll_wire_forget(device->link.wire);
        about_hand(device, false);
        device_end(device, err.text, false);
    }
}

void poll_device_stop(struct poll_device *device)
{
    if (device->flying) {
        device_end(device, NULL, true);
    }
}
