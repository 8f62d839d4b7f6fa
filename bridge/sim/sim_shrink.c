/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a world that fails to the smallest story that fails in the same way: time ends where it
 * failed, faults are taken away in ever smaller groups, hosts that nobody needs go, what is left
 * lasts shorter.
 */

#include "sim/sim_private.h"

#include <ctype.h>
#include <stdio.h>

struct shrink {
    struct sim_options options;
    struct sim_fault *faults; /* What fails; as long as options.faults_count. */
    struct sim_report report; /* How. */
    size_t runs, runs_max;
    char shape[512];
};

/* The violation without its figures: another host at another time is the same failure. */
static void shape_of(const char *violation, char shape[512])
{
    const char *at = strstr(violation, "ms: ");
    size_t count = 0;
    for (at = at == NULL ? violation : at; *at != '\0' && count < 511; at++) {
        if (!isdigit((unsigned char)*at)) {
            shape[count++] = *at;
        }
    }
    shape[count] = '\0';
}

/* Keeps it when it still fails in the same way. */
static bool still_fails(struct shrink *shrink, struct sim_options options,
                        const struct sim_fault *faults, size_t count)
{
    struct sim_report report;
    char shape[512];
    if (shrink->runs == shrink->runs_max) {
        return false;
    }
    shrink->runs++;
    options.faults = faults;
    options.faults_count = count;
    if (sim_run(&options, &report, NULL) != -NSH_FAILED) {
        return false;
    }
    shape_of(report.violation, shape);
    if (strcmp(shape, shrink->shape) != 0) {
        return false;
    }
    memmove(shrink->faults, faults, count * sizeof *faults);
    shrink->options = options;
    shrink->options.faults = shrink->faults;
    shrink->report = report;
    return true;
}

static void shorten_time(struct shrink *shrink)
{
    struct sim_options options = shrink->options;
    size_t count = 0;
    int64_t end_ms = shrink->report.violated_ms;
    while (count < options.faults_count && shrink->faults[count].at_ms <= end_ms) {
        count++;
    }
    options.duration_ms = end_ms < options.duration_ms ? end_ms : options.duration_ms;
    (void)still_fails(shrink, options, shrink->faults, count);
}

/* Without `size` of them from `from` on. */
static bool without(struct shrink *shrink, struct sim_fault *room, size_t from, size_t size)
{
    size_t count = shrink->options.faults_count;
    size_t after = from + size < count ? count - from - size : 0;
    memcpy(room, shrink->faults, from * sizeof *room);
    memcpy(room + from, shrink->faults + count - after, after * sizeof *room);
    return still_fails(shrink, shrink->options, room, from + after);
}

static void fewer_faults(struct shrink *shrink, struct sim_fault *room)
{
    for (size_t size = shrink->options.faults_count / 2; size > 0; size /= 2) {
        for (size_t from = 0; from < shrink->options.faults_count;) {
            if (!without(shrink, room, from, size)) {
                from += size;
            }
        }
    }
}

static void fewer_hosts(struct shrink *shrink)
{
    for (uint32_t hosts = 1; hosts < shrink->options.hosts_count; hosts *= 2) {
        struct sim_options options = shrink->options;
        options.hosts_count = hosts;
        if (still_fails(shrink, options, shrink->faults, options.faults_count)) {
            return;
        }
    }
}

static void shorter_faults(struct shrink *shrink, struct sim_fault *room)
{
    for (size_t i = 0; i < shrink->options.faults_count; i++) {
        for (unsigned half = 0; half < 6; half++) {
            size_t count = shrink->options.faults_count;
            memcpy(room, shrink->faults, count * sizeof *room);
            room[i].lasting_ms = room[i].lasting_ms / 2 + 1;
            if (!still_fails(shrink, shrink->options, room, count)) {
                break;
            }
        }
    }
}

static void story_write(const struct shrink *shrink, struct textbuf *out)
{
    textbuf_addf(out, "the smallest story, after %zu worlds: %zu faults, %u hosts\n", shrink->runs,
                 shrink->options.faults_count, shrink->options.hosts_count);
    for (size_t i = 0; i < shrink->options.faults_count; i++) {
        const struct sim_fault *fault = &shrink->faults[i];
        const struct sim_fault_row *row = sim_fault_row(fault->kind);
        textbuf_addf(out, "at %lld.%03llds  %-18s host %u for ", (long long)fault->at_ms / 1000,
                     (long long)fault->at_ms % 1000, row == NULL ? "traced" : row->name,
                     fault->host % shrink->options.hosts_count);
        textbuf_add_duration(out, fault->lasting_ms);
        textbuf_addf(out, "  (%s)\n", row == NULL ? fault->symptom->type : row->what);
    }
    textbuf_addf(out, "then       %s\n", shrink->report.violation);
}

int sim_shrink(const struct sim_options *options, size_t runs_max, struct textbuf *out,
               size_t *ret_faults_count)
{
    struct shrink shrink = {.options = *options, .runs_max = runs_max};
    size_t count = options->faults_count;
    if (options->faults == NULL) {
        if (sim_faults_make(options, &shrink.faults, &count) < 0) {
            return -NSH_NOMEM;
        }
    } else {
        shrink.faults = calloc(count + 1, sizeof *shrink.faults);
        NSH_ASSERT(shrink.faults != NULL);
        memcpy(shrink.faults, options->faults, count * sizeof *shrink.faults);
    }
    shrink.options.faults = shrink.faults;
    shrink.options.faults_count = count;
    if (shrink.options.hosts_count == 0) {
        shrink.options.hosts_count = (uint32_t)options->inventory->hosts_count;
    }
    struct sim_fault *room = calloc(count + 1, sizeof *room);
    NSH_ASSERT(room != NULL);
    int result = -NSH_INVALID;
    if (sim_run(&shrink.options, &shrink.report, NULL) == -NSH_FAILED) {
        shape_of(shrink.report.violation, shrink.shape);
        shorten_time(&shrink);
        fewer_faults(&shrink, room);
        fewer_hosts(&shrink);
        shorter_faults(&shrink, room);
        shorten_time(&shrink);
        story_write(&shrink, out);
        *ret_faults_count = shrink.options.faults_count;
        result = 0;
    }
    free(room);
    free(shrink.faults);
    return result;
}
