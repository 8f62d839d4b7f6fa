/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: cel
/*
 * Evaluations per second of five conditions a policy really has, on one event, a host record and a
 * rack of 20 hosts. One JSON object on stdout; the figure of each condition is the best of RUNS, in
 * processor time: others on the machine cost little. With NAME COUNT that condition COUNT times and
 * no clock, for tools that count instructions.
 */

#include "base/json.h"
#include "cel/cel.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS 7
#define RUN_NS 100000000

static const struct cel_type double_type = {.kind = CEL_DOUBLE}, string_type = {.kind = CEL_STRING};
static const struct cel_field event_fields[] = {
    {.name = "id", .type = {.kind = CEL_STRING}},
    {.name = "type", .type = {.kind = CEL_STRING}},
    {.name = "severity", .type = {.kind = CEL_INT}},
    {.name = "sev", .type = {.kind = CEL_STRING}},
    {.name = "message", .type = {.kind = CEL_STRING}},
    {.name = "time", .type = {.kind = CEL_STRING}},
};
static const struct cel_field host_fields[] = {
    {.name = "labels", .type = {.kind = CEL_MAP, .of = &string_type}},
    {.name = "tags", .type = {.kind = CEL_LIST, .of = &string_type}},
    {.name = "last_reboot", .type = {.kind = CEL_STRING}},
    {.name = "state", .type = {.kind = CEL_STRING}},
    {.name = "role", .type = {.kind = CEL_STRING}},
};
static const struct cel_record event_record = {"event", event_fields, 6},
                               host_record = {"host", host_fields, 5};
static const struct cel_type host_type = {.kind = CEL_RECORD, .record = &host_record};
static const struct cel_field outlet_fields[] = {
    {.name = "amps", .type = {.kind = CEL_DOUBLE}},
    {.name = "rated_amps", .type = {.kind = CEL_DOUBLE}}};
static const struct cel_field pdu_fields[] = {
    {.name = "phase_amps", .type = {.kind = CEL_LIST, .of = &double_type}},
    {.name = "phase_limit", .type = {.kind = CEL_DOUBLE}}};
static const struct cel_field rack_fields[] = {
    {.name = "hosts", .type = {.kind = CEL_LIST, .of = &host_type}}};
static const struct cel_record outlet_record = {"outlet", outlet_fields, 2},
                               pdu_record = {"pdu", pdu_fields, 2},
                               rack_record = {"rack", rack_fields, 1};
static const struct cel_variable variables[] = {
    {.name = "event", .type = {.kind = CEL_RECORD, .record = &event_record}},
    {.name = "host", .type = {.kind = CEL_RECORD, .record = &host_record}},
    {.name = "outlet", .type = {.kind = CEL_RECORD, .record = &outlet_record}},
    {.name = "pdu", .type = {.kind = CEL_RECORD, .record = &pdu_record}},
    {.name = "rack", .type = {.kind = CEL_RECORD, .record = &rack_record}},
};

struct row {
    const char *name, *source;
    double target_ns;
};

static const struct row rows[] = {
    {"c1", "event.type == \"bmc.memory.uncorrectable\" && event.severity >= 4", 100},
    {"c2",
     "event.sev in [\"critical\",\"fatal\"] && host.labels[\"env\"] == \"prod\" && "
     "!(\"maintenance\" in host.tags)",
     300},
    {"c3", "outlet.amps / outlet.rated_amps > 0.8 && pdu.phase_amps.all(p, p < pdu.phase_limit)",
     500},
    {"c4",
     "rack.hosts.filter(h, h.state == \"down\").size() >= 3 && rack.hosts.exists(h, h.role == "
     "\"tor\")",
     4000},
    {"c5",
     "event.message.matches(\"^(DIMM|CPU)[0-9]+ .*uncorrectable\") && timestamp(event.time) - "
     "timestamp(host.last_reboot) > duration(\"1h\")",
     1300},
};

struct world {
    const struct nsh_value *values[5];
};

static const struct nsh_value *variable(void *arg, size_t index)
{
    return ((struct world *)arg)->values[index];
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void make_world(struct arena *arena, struct nsh_value *all, struct world *world)
{
    struct textbuf json = {0};
    textbuf_add_chars(
        &json, "{\"event\":{\"id\":\"1\",\"type\":\"bmc.memory.uncorrectable\",\"severity\":4,"
               "\"sev\":\"critical\",\"message\":\"DIMM12 on CPU1 had an uncorrectable error\","
               "\"time\":\"2026-03-02T10:00:00Z\"},"
               "\"host\":{\"labels\":{\"site\":\"a\",\"env\":\"prod\"},\"tags\":[\"k8s\",\"gpu\"],"
               "\"last_reboot\":\"2026-02-02T10:00:00Z\",\"state\":\"up\",\"role\":\"node\"},"
               "\"outlet\":{\"amps\":13.4,\"rated_amps\":16},"
               "\"pdu\":{\"phase_amps\":[10,11.5,12],\"phase_limit\":16},\"rack\":{\"hosts\":[");
    for (int i = 0; i < 20; i++) {
        textbuf_addf(&json, "%s{\"name\":\"h%d\",\"state\":\"%s\",\"role\":\"%s\"}",
                     i == 0 ? "" : ",", i, i % 6 == 0 ? "down" : "up", i == 19 ? "tor" : "node");
    }
    textbuf_add_chars(&json, "]}}");
    if (json_parse(json.at, json.count, arena, all, NULL) < 0) {
        abort();
    }
    for (size_t i = 0; i < 5; i++) {
        world->values[i] = nsh_get(all, variables[i].name);
    }
    textbuf_done(&json);
}

static void repeat(const struct cel_program *program, const struct cel_inputs *inputs,
                   struct arena *arena, unsigned long count)
{
    struct cel_value value;
    for (unsigned long i = 0; i < count; i++) {
        if (cel_eval(program, inputs, arena, &value, NULL) < 0 || !value.boolean) {
            abort(); /* Every condition holds in this world. */
        }
        arena_reset(arena);
    }
}

static double measure(const struct cel_program *program, const struct cel_inputs *inputs)
{
    struct arena arena = ARENA_INIT;
    double start = now_ns(), ns = 0;
    unsigned long count = 0;
    while (ns < RUN_NS) {
        repeat(program, inputs, &arena, 1000);
        count += 1000;
        ns = now_ns() - start;
    }
    arena_done(&arena);
    return ns / (double)count;
}

static double measure_compile(const struct cel_env *env, const char *source)
{
    double start = now_ns();
    for (int i = 0; i < 500; i++) {
        struct arena arena = ARENA_INIT;
        struct cel_program *program = NULL;
        if (cel_compile(env, source, &arena, &program, NULL, NULL) < 0) {
            abort();
        }
        arena_done(&arena);
    }
    return (now_ns() - start) / 500;
}

int main(int argc, char **argv)
{
    struct arena arena = ARENA_INIT;
    struct nsh_value all;
    struct world world;
    struct cel_env env = {
        .variables = variables, .variables_count = 5, .wanted = {.kind = CEL_BOOL}};
    struct cel_inputs inputs = {.variable = variable, .arg = &world};
    make_world(&arena, &all, &world);
    bool counted = argc == 3;
    if (!counted) {
        printf("{\"bench\": \"cel\"");
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cel_program *program = NULL;
        struct cel_problem problems[CEL_PROBLEMS_MAX];
        size_t count = 0;
        if (cel_compile(&env, rows[i].source, &arena, &program, problems, &count) < 0) {
            fprintf(stderr, "%s: %s\n", rows[i].name, problems[0].text);
            return 1;
        }
        if (counted) {
            bool wanted = strcmp(argv[1], rows[i].name) == 0;
            struct arena scratch = ARENA_INIT;
            repeat(program, &inputs, &scratch, wanted ? strtoul(argv[2], NULL, 10) : 0);
            arena_done(&scratch);
            continue;
        }
        double best = 1e18;
        for (int run = 0; run < RUNS; run++) {
            double ns = measure(program, &inputs);
            best = ns < best ? ns : best;
        }
        printf(", \"%s\": {\"ns\": %.1f, \"per_second\": %.0f, \"target_ns\": %.0f, "
               "\"compile_us\": %.1f}",
               rows[i].name, best, 1e9 / best, rows[i].target_ns,
               measure_compile(&env, rows[i].source) / 1000);
    }
    printf("%s", counted ? "" : "}\n");
    arena_done(&arena);
    return 0;
}
