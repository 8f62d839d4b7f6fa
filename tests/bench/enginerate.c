/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: engine fleet
/*
 * The engine alone: events a second on one core, with many policies and hosts; and its memory when
 * idle. One line of JSON for each kind of event.
 *
 *     enginerate [--hosts N] [--policies N] [--seconds N] [--shape SHAPE] [--rest 1] [--index 0]
 *                [--batches N]
 *
 * --batches N: that much work and no clock, for tools that count instructions.
 * --rest 1: conditions say more than an index can know. SHAPE tells policies apart: kinds (by type;
 * all kinds of events), or type, field (of events of one type), glob: then each event is a pulse
 * that matches exactly one policy.
 */

#include "base/pack.h"
#include "engine/engine.h"
#include "fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256
#define START INT64_C(1772445600000)

enum shape { SHAPE_KINDS, SHAPE_TYPE, SHAPE_FIELD, SHAPE_GLOB };
static const char *const shapes[] = {"kinds", "type", "field", "glob"};

struct bench {
    enum shape shape;
    bool rest;         /* Conditions say more than what the index knows. */
    struct text *data; /* Of each policy's events. */
    uint8_t (*packed)[32];
    struct engine *engine;
    struct engine_output output;
    struct inventory *inventory;
    struct policy_set *set;
    unsigned hosts, policies;
    int64_t now, seq;
    uint64_t events, records;
    uint64_t batches; /* 0: for some seconds. */
    char (*names)[16];
    char (*types)[32];
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long rss_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) {
        pages = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void step(struct bench *bench, struct engine_input *input)
{
    struct nsh_error err = {0};
    input->now_ms = bench->now;
    if (engine_step(bench->engine, input, &bench->output, &err) < 0) {
        fprintf(stderr, "enginerate: %s\n", err.text);
        exit(1);
    }
    bench->records += bench->output.records_count;
}

static struct inventory *inventory_make(struct bench *bench)
{
    char path[] = "/tmp/enginerate-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return NULL;
    }
    fprintf(file, "hosts: (");
    for (unsigned i = 0; i < bench->hosts; i++) {
        fprintf(
            file,
            "%s{ name = \"h%05u\"; rack = \"r%u\"; pool = \"p%u\"; site = \"s\"; bmc = { driver = "
            "\"redfish\"; address = \"10.%u.%u.%u\"; }; }\n",
            i == 0 ? "" : ", ", i, i / 40, i / 400, i / 65536, i / 256 % 256, i % 256);
        snprintf(bench->names[i], sizeof bench->names[i], "h%05u", i);
    }
    fprintf(file, ");\n");
    fclose(file);
    struct diags diags = {0};
    struct inventory *inventory = fleet_load(path, &diags);
    unlink(path);
    diags_done(&diags);
    return inventory;
}

/* Type of its events, and what its condition says beyond the severity. */
static void policy_name(struct bench *bench, unsigned i, char event[64], char condition[64])
{
    snprintf(bench->types[i], sizeof bench->types[i], "fault.kind%05u", i);
    snprintf(event, 64, "%s", bench->types[i]);
    if (bench->shape == SHAPE_FIELD) {
        snprintf(bench->types[i], sizeof bench->types[i], "fault.slot");
        snprintf(event, 64, "fault.slot");
    } else if (bench->shape == SHAPE_GLOB) {
        snprintf(bench->types[i], sizeof bench->types[i], "g%05u.fault", i);
        snprintf(event, 64, "g%05u.*", i);
    }
    condition[0] = '\0';
    if (bench->shape == SHAPE_FIELD) {
        snprintf(condition, 64, "event.data.slot == %u && ", i);
    }
}

static struct policy_set *policies_make(struct bench *bench)
{
    struct textbuf text = {0};
    textbuf_add_chars(&text, "policies: (");
    for (unsigned i = 0; i < bench->policies; i++) {
        char event[64], condition[64];
        policy_name(bench, i, event, condition);
        textbuf_addf(
            &text,
            "%s{ name = \"policy-%u\"; summary = \"s\"; owner = \"o\"; subject = \"host\"; "
            "mode = \"enforce\"; when = { event = \"%s\"; if = \"%sevent.severity >= critical%s\"; "
            "for = \"1h\"; }; unless = ( \"host.maintenance\" ); do = ( { step = \"tell\"; "
            "action = \"notify\"; with = { title = \"t\"; }; } ); }\n",
            i == 0 ? "" : ", ", i, event, condition, bench->rest ? " && host.pool != 'none'" : "");
    }
    textbuf_add_chars(&text, ");");
    struct policy_defaults defaults = policy_defaults_builtin();
    struct diags diags = {0};
    struct policy_set *set = policy_load_text("bench.policy", text.at, &defaults, &diags);
    if (set == NULL) {
        struct textbuf out = {0};
        diags_print(&diags, text.at, false, &out);
        fprintf(stderr, "%.2000s\n", out.at);
    }
    diags_done(&diags);
    textbuf_done(&text);
    return set;
}

/* What the source says: {"slot": N}, packed. */
static void data_make(struct bench *bench)
{
    for (unsigned i = 0; i < bench->policies; i++) {
        struct nsh_member member = {"slot", nsh_int(i)};
        struct nsh_value value = nsh_map(&member, 1);
        struct pack_writer packed = {.at = bench->packed[i], .room = sizeof bench->packed[i]};
        pack_value(&packed, &value);
        bench->data[i] = (struct text){(const char *)packed.at, (uint32_t)packed.count};
    }
}

enum kind { UNMATCHED, MATCHED, CHURN, PULSES };

/* One batch: of types no policy wants; of types one wants, raised once and repeated; raised and
 * cleared in turn. */
static void batch(struct bench *bench, enum kind kind, uint64_t number)
{
    static struct event events[BATCH];
    static char ids[BATCH][24];
    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t n = number * BATCH + i;
        unsigned host = (unsigned)(n % bench->hosts);
        bool clear = kind == CHURN && (number / 64) % 2 == 1;
        snprintf(ids[i], sizeof ids[i], "%llu", (unsigned long long)bench->seq);
        events[i] = (struct event){
            .seq = (uint64_t)++bench->seq,
            .received_ms = bench->now,
            .severity = SEVERITY_CRITICAL,
            .state = clear ? EVENT_CLEAR : EVENT_RAISE,
            .id = text_of(ids[i]),
            .source = TEXT("trap/127.0.0.1"),
            .type = kind == UNMATCHED ? TEXT("nobody.cares")
                                      : text_of(bench->types[host % bench->policies]),
            .host = text_of(
                bench->names[kind == CHURN ? (number % 64 * BATCH + i) % bench->hosts : host]),
            .resource = TEXT("psu/1"),
            .message = TEXT("PSU 1 failed"),
        };
        if (kind == PULSES) {
            events[i].state = EVENT_PULSE;
            events[i].type = text_of(bench->types[host % bench->policies]);
            events[i].data = bench->data[host % bench->policies];
        }
        if (kind == CHURN) {
            events[i].type = text_of(bench->types[(number % 64 * BATCH + i) % bench->policies]);
        }
    }
    bench->now += 1;
    step(bench, &(struct engine_input){.kind = INPUT_EVENTS, .events = {events, BATCH}});
    bench->events += BATCH;
    step(bench,
         &(struct engine_input){.kind = INPUT_DURABLE, .durable = bench->output.records_through});
}

static void measure(struct bench *bench, enum kind kind, const char *name, double seconds)
{
    uint64_t first = (bench->hosts > bench->policies ? bench->hosts : bench->policies) / BATCH + 1;
    for (uint64_t i = 0; i < first; i++) {
        batch(bench, kind, i); /* Alarms exist. */
    }
    bench->events = bench->records = 0;
    double from = seconds_now(), used = 0;
    for (uint64_t i = 0; bench->batches == 0 ? used < seconds : i < bench->batches; i++) {
        batch(bench, kind, i);
        used = i % 16 == 0 ? seconds_now() - from : used;
    }
    used = seconds_now() - from;
    printf("{\"bench\":\"engine\",\"kind\":\"%s\",\"policies\":%u,\"hosts\":%u,\"events_per_s\":%."
           "0f,\"records_per_event\":%.3f,"
           "\"rss_kib\":%ld}\n",
           name, bench->policies, bench->hosts, (double)bench->events / used,
           (double)bench->records / (double)bench->events, rss_kib());
    fflush(stdout);
}

static double option(int argc, char **argv, const char *name, double fallback)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return atof(argv[i + 1]);
        }
    }
    return fallback;
}

int main(int argc, char **argv)
{
    struct bench bench = {.hosts = (unsigned)option(argc, argv, "--hosts", 10000),
                          .policies = (unsigned)option(argc, argv, "--policies", 10000),
                          .now = START};
    double seconds = option(argc, argv, "--seconds", 2);
    bench.batches = (uint64_t)option(argc, argv, "--batches", 0);
    bench.rest = option(argc, argv, "--rest", 0) > 0;
    bench.names = calloc(bench.hosts, sizeof *bench.names);
    bench.types = calloc(bench.policies, sizeof *bench.types);
    bench.data = calloc(bench.policies, sizeof *bench.data);
    bench.packed = calloc(bench.policies, sizeof *bench.packed);
    for (int i = 1; i + 1 < argc; i++) {
        for (size_t k = 0; strcmp(argv[i], "--shape") == 0 && k < sizeof shapes / sizeof *shapes;
             k++) {
            bench.shape = strcmp(argv[i + 1], shapes[k]) == 0 ? (enum shape)k : bench.shape;
        }
    }
    bench.rest = bench.rest || bench.shape == SHAPE_KINDS;
    struct nsh_error err = {0};
    if (bench.names == NULL || bench.types == NULL || bench.data == NULL || bench.packed == NULL ||
        engine_new(&bench.engine, &err) < 0 || (bench.inventory = inventory_make(&bench)) == NULL ||
        (bench.set = policies_make(&bench)) == NULL) {
        fprintf(stderr, "enginerate: could not begin\n");
        return 1;
    }
    data_make(&bench);
    long before_kib = rss_kib();
    step(&bench, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = bench.inventory});
    step(&bench, &(struct engine_input){.kind = INPUT_POLICIES, .policies = bench.set});
    step(&bench, &(struct engine_input){.kind = INPUT_LOADED});
    printf("{\"bench\":\"engine\",\"kind\":\"idle\",\"policies\":%u,\"hosts\":%u,\"engine_kib\":%"
           "ld}\n",
           bench.policies, bench.hosts, rss_kib() - before_kib);
    if (bench.shape == SHAPE_KINDS) {
        measure(&bench, UNMATCHED, "unmatched", seconds);
        measure(&bench, MATCHED, "matched-repeats", seconds);
        measure(&bench, CHURN, "raise-and-clear", seconds);
    } else {
        engine_set_index(bench.engine, option(argc, argv, "--index", 1) > 0);
        measure(&bench, PULSES, shapes[bench.shape], seconds);
    }
    engine_free(bench.engine);
    engine_output_done(&bench.output);
    policy_set_free(bench.set);
    inventory_free(bench.inventory);
    free(bench.names);
    free(bench.types);
    free(bench.data);
    free(bench.packed);
    return 0;
}
