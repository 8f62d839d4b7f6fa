/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: engine fleet
/*
 * Memory of the engine for each subject and policy that has something to remember, by kind of
 * trigger: bytes of heap for one, its last event and its key included. One line of JSON a kind.
 *
 *     enginesize [--subjects N] [--policies N] [--bound BYTES]
 *
 * Each subject touches one policy of those; the others cost nothing. --bound: exit 1 above it, and
 * above 20 bytes more for each sample of a window.
 */

#include "base/pack.h"
#include "engine/engine.h"
#include "fleet/fleet.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 256
#define START INT64_C(1772445600000)

static const struct {
    const char *name, *when; /* %u: the policy's number. */
    enum event_state state;
    unsigned samples; /* Of its window; 0: it is about events. */
} kinds[] = {
    {"alarm", "event = \"a%u\"; for = \"1h\";", EVENT_RAISE, 0},
    {"count", "event = \"a%u\"; count = 5; within = \"1h\";", EVENT_PULSE, 0},
    {"absent", "event = \"a%u\"; absent = \"1h\";", EVENT_PULSE, 0},
    {"all", "all = ( { event = \"a%u\"; }, { event = \"b\"; } ); within = \"1h\";", EVENT_PULSE, 0},
    {"sequence", "sequence = ( { event = \"a%u\"; }, { event = \"b\"; } ); within = \"1h\";",
     EVENT_PULSE, 0},
    {"without", "event = \"a%u\"; without = { event = \"b\"; }; within = \"1h\";", EVENT_PULSE, 0},
    {"metric 1m", "metric = \"m%u\"; if = \"avg_over('m%u', '1m') > 90.0\";", EVENT_PULSE, 4},
    {"metric 1h", "metric = \"m%u\"; if = \"avg_over('m%u', '1h') > 90.0\";", EVENT_PULSE, 240},
};

struct bench {
    struct inventory *inventory;
    unsigned subjects, policies, kind;
    char (*names)[16];
};

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static struct inventory *inventory_make(struct bench *bench)
{
    char path[] = "/tmp/enginesize-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return NULL;
    }
    fprintf(file, "hosts: (");
    for (unsigned i = 0; i < bench->subjects; i++) {
        fprintf(file,
                "%s{ name = \"h%06u\"; rack = \"r%u\"; pool = \"p%u\"; site = \"s\"; bmc = { "
                "driver = \"redfish\"; address = \"10.%u.%u.%u\"; }; }\n",
                i == 0 ? "" : ", ", i, i / 40, i / 400, i / 65536, i / 256 % 256, i % 256);
        snprintf(bench->names[i], sizeof bench->names[i], "h%06u", i);
    }
    fprintf(file, ");\n");
    fclose(file);
    struct diags diags = {0};
    struct inventory *inventory = fleet_load(path, &diags);
    unlink(path);
    diags_done(&diags);
    return inventory;
}

static unsigned metrics_of(const struct bench *bench)
{
    return bench->policies < POLICY_METRICS_MAX ? bench->policies : POLICY_METRICS_MAX;
}

static struct policy_set *policies_make(const struct bench *bench)
{
    struct textbuf text = {0};
    struct policy_defaults defaults = policy_defaults_builtin();
    struct diags diags = {0};
    unsigned metrics = metrics_of(bench);
    defaults.metrics_count = 0;
    for (unsigned i = 0; i < metrics; i++) {
        struct policy_metric *metric = &defaults.metrics[defaults.metrics_count++];
        snprintf(metric->name, sizeof metric->name, "m%u", i);
        metric->interval_ms = 15000;
    }
    textbuf_add_chars(&text, "policies: (");
    /* A sample reaches every policy on its metric: one policy a metric. */
    unsigned policies = kinds[bench->kind].samples > 0 ? metrics : bench->policies;
    for (unsigned i = 0; i < policies; i++) {
        char number[16], when[256] = "";
        snprintf(number, sizeof number, "%u", i);
        size_t count = 0;
        for (const char *at = kinds[bench->kind].when; *at != 0 && count + 16 < sizeof when;) {
            bool here = strncmp(at, "%u", 2) == 0;
            count += (size_t)snprintf(when + count, sizeof when - count, "%s",
                                      here ? number : (char[]){*at, 0});
            at += here ? 2 : 1;
        }
        textbuf_addf(&text,
                     "%s{ name = \"policy-%u\"; subject = \"host\"; when = { %s }; do = ( { step = "
                     "\"tell\"; action = \"notify\"; with = { title = \"t\"; }; } ); }\n",
                     i == 0 ? "" : ", ", i, when);
    }
    textbuf_add_chars(&text, ");");
    struct policy_set *set = policy_load_text("bench.policy", text.at, &defaults, &diags);
    if (set == NULL) {
        struct textbuf out = {0};
        diags_print(&diags, text.at, false, &out);
        fprintf(stderr, "%.2000s\n", out.at);
        exit(1);
    }
    diags_done(&diags);
    textbuf_done(&text);
    return set;
}

static void step(struct engine *engine, struct engine_output *output, struct engine_input *input)
{
    struct nsh_error err = {0};
    if (engine_step(engine, input, output, &err) < 0) {
        fprintf(stderr, "enginesize: %s\n", err.text);
        exit(1);
    }
}

/* Every subject says one thing that one policy remembers. */
static void touch(const struct bench *bench, struct engine *engine, struct engine_output *output)
{
    static struct event events[BATCH];
    static char types[BATCH][32];
    static uint8_t data[BATCH][64];
    bool sample = kinds[bench->kind].samples > 0;
    for (unsigned at = 0; at < bench->subjects;) {
        size_t count = 0;
        for (; count < BATCH && at < bench->subjects; count++, at++) {
            unsigned policy = at % (sample ? metrics_of(bench) : bench->policies);
            char metric[16];
            snprintf(metric, sizeof metric, "m%u", policy);
            snprintf(types[count], sizeof types[count], "a%u", policy);
            const struct nsh_member members[] = {{"metric", nsh_text(metric)},
                                                 {"value", nsh_double(1)}};
            const struct nsh_value map = nsh_map(members, 2);
            struct pack_writer writer = {.at = data[count], .room = sizeof data[count]};
            pack_value(&writer, &map);
            events[count] = (struct event){
                .seq = at + 1,
                .received_ms = START,
                .severity = SEVERITY_CRITICAL,
                .state = kinds[bench->kind].state,
                .source = TEXT("bench"),
                .type = sample ? TEXT(POLICY_SAMPLE_TYPE) : text_of(types[count]),
                .host = text_of(bench->names[at]),
                .message = TEXT("it broke"),
                .data = sample ? (struct text){(const char *)data[count], (uint32_t)writer.count}
                               : (struct text){0},
            };
        }
        step(engine, output,
             &(struct engine_input){
                 .kind = INPUT_EVENTS, .now_ms = START, .events = {events, count}});
    }
}

/* Bytes of one instance of the kind. */
static double measure(struct bench *bench)
{
    struct policy_set *set = policies_make(bench);
    struct engine *engine = NULL;
    struct engine_output output = {0};
    struct nsh_error err = {0};
    if (engine_new(&engine, &err) < 0) {
        exit(1);
    }
    step(engine, &output,
         &(struct engine_input){
             .kind = INPUT_INVENTORY, .now_ms = START, .inventory = bench->inventory});
    step(engine, &output,
         &(struct engine_input){.kind = INPUT_POLICIES, .now_ms = START, .policies = set});
    step(engine, &output, &(struct engine_input){.kind = INPUT_LOADED, .now_ms = START});
    size_t before = heap_bytes();
    touch(bench, engine, &output);
    size_t after = heap_bytes();
    double bytes = (double)(after - before) / bench->subjects;
    printf("{\"kind\":\"%s\",\"subjects\":%u,\"policies\":%u,\"instances\":%u,\"heap_bytes\":%zu,"
           "\"bytes_each\":%.0f}\n",
           kinds[bench->kind].name, bench->subjects, bench->policies, bench->subjects,
           after - before, bytes);
    fflush(stdout);
    engine_free(engine);
    engine_output_done(&output);
    policy_set_free(set);
    return bytes;
}

int main(int argc, char **argv)
{
    struct bench bench = {.subjects = 100000, .policies = 1000};
    double bound = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned value = (unsigned)strtoul(argv[i + 1], NULL, 10);
        bench.subjects = strcmp(argv[i], "--subjects") == 0 ? value : bench.subjects;
        bench.policies = strcmp(argv[i], "--policies") == 0 ? value : bench.policies;
        bound = strcmp(argv[i], "--bound") == 0 ? value : bound;
    }
    bench.names = calloc(bench.subjects, sizeof *bench.names);
    bench.inventory = bench.names == NULL ? NULL : inventory_make(&bench);
    if (bench.inventory == NULL) {
        fprintf(stderr, "enginesize: no inventory\n");
        return 1;
    }
    bool good = true;
    for (; bench.kind < sizeof kinds / sizeof kinds[0]; bench.kind++) {
        double bytes = measure(&bench);
        good = good && (bound <= 0 || bytes <= bound + 20.0 * kinds[bench.kind].samples);
    }
    inventory_free(bench.inventory);
    free(bench.names);
    return good ? 0 : 1;
}
