/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: source_map
/*
 * What an event of a webhook costs, format by format: real bodies (a file of lines with `format`,
 * `body` and `headers`) are read as JSON, mapped by the format's conditions, and packed as the
 * journal takes them. One line of JSON: format -> nanoseconds of processor an event, for reading
 * and for mapping with packing, medians of the rounds; "bytes" is a mean body.
 *
 *     maprate FILE [ROUNDS]
 */

#include "base/json.h"
#include "source/map/source_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODIES_MAX 256
#define ROUNDS_MAX 99
#define REPEATS 200 /* Of all bodies of a format, in one round. */

struct body {
    const char *format;
    const char *text;
    size_t text_bytes;
    const struct nsh_value *headers;
};

struct all {
    struct body bodies[BODIES_MAX];
    size_t count;
    struct arena arena;
};

struct cost {
    double read_ns, map_ns;
    uint64_t events, bytes;
};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "maprate: %s: %s\n", what, why);
    exit(1);
}

static void body_add(struct all *all, const struct nsh_value *line)
{
    const struct nsh_value *body = nsh_get(line, "body");
    struct textbuf text = {0};
    if (all->count == BODIES_MAX || body == NULL) {
        die("a line", "has no body, or there are too many");
    }
    json_write(body, &text);
    all->bodies[all->count++] = (struct body){
        .format = nsh_get_text(line, "format", ""),
        .text = arena_copy(&all->arena, text.at, text.count),
        .text_bytes = text.count,
        .headers = nsh_get(line, "headers"),
    };
    textbuf_done(&text);
}

static void bodies_read(struct all *all, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    if (file == NULL) {
        die(path, "cannot be read");
    }
    for (ssize_t count; (count = getline(&line, &room, file)) > 0;) {
        struct nsh_value *value = arena_alloc(&all->arena, sizeof *value);
        struct nsh_error err = {0};
        if (value == NULL || json_parse(line, (size_t)count, &all->arena, value, &err) < 0) {
            die(path, err.text);
        }
        body_add(all, value);
    }
    free(line);
    fclose(file);
}

/* One body from its bytes to what the intake takes. */
static void one(const struct body *body, const struct source_map *map, struct arena *arena,
                struct cost *cost)
{
    struct nsh_error err = {0};
    struct nsh_value value;
    struct source_events events;
    const uint8_t *bytes = NULL;
    size_t bytes_count = 0;
    double begin = now_ns();
    int result = json_parse(body->text, body->text_bytes, arena, &value, &err);
    double read = now_ns();
    const struct source_message message = {
        .body = &value, .headers = body->headers, .name = body->format, .received_ms = 1};
    result = result < 0 ? result : source_map_run(map, &message, arena, &events, &err);
    result = result < 0 ? result : source_events_pack(&events, arena, &bytes, &bytes_count, &err);
    double mapped = now_ns();
    if (result < 0) {
        die(body->format, err.text);
    }
    cost->read_ns += read - begin;
    cost->map_ns += mapped - read;
    cost->events += events.count;
    cost->bytes += body->text_bytes;
    arena_reset(arena);
}

static struct cost round_run(const struct all *all, const char *format,
                             const struct source_map *map)
{
    struct cost cost = {0};
    struct arena arena = ARENA_INIT;
    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < all->count; i++) {
            if (strcmp(all->bodies[i].format, format) == 0) {
                one(&all->bodies[i], map, &arena, &cost);
            }
        }
    }
    arena_done(&arena);
    return cost;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void format_run(const struct all *all, const char *format, unsigned rounds, bool first)
{
    struct arena arena = ARENA_INIT;
    struct diags diags = {0};
    struct source_format found;
    double read_ns[ROUNDS_MAX], map_ns[ROUNDS_MAX];
    struct cost cost = {0};
    if (!source_format_read(format, NULL, (struct nsh_place){0}, &arena, &diags, &found)) {
        die(format, "is no format");
    }
    for (unsigned i = 0; i < rounds; i++) {
        cost = round_run(all, format, found.map);
        double events = (double)(cost.events > 0 ? cost.events : 1);
        read_ns[i] = cost.read_ns / events;
        map_ns[i] = cost.map_ns / events;
    }
    qsort(read_ns, rounds, sizeof read_ns[0], by_value);
    qsort(map_ns, rounds, sizeof map_ns[0], by_value);
    printf("%s\"%s\":{\"read_ns\":%.0f,\"map_ns\":%.0f,\"events\":%llu,\"bytes\":%llu}",
           first ? "" : ",", format, read_ns[rounds / 2], map_ns[rounds / 2],
           (unsigned long long)cost.events / REPEATS,
           (unsigned long long)(cost.bytes / (cost.events > 0 ? cost.events : 1)));
    diags_done(&diags);
    arena_done(&arena);
}

static bool is_first_of_its_format(const struct all *all, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(all->bodies[i].format, all->bodies[at].format) == 0) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct all all;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    if (argc < 2 || rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "maprate FILE [ROUNDS]\n");
        return 2;
    }
    bodies_read(&all, argv[1]);
    printf("{");
    for (size_t i = 0; i < all.count; i++) {
        if (is_first_of_its_format(&all, i)) {
            format_run(&all, all.bodies[i].format, rounds, i == 0);
        }
    }
    printf("}\n");
    arena_done(&all.arena);
    return 0;
}
