/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text out of the tables: metrics.def, and the trap receivers' own counters. */

#include "shell_private.h"
#include "sources.h"

#include "loop/drivers.h"
#include "shell_scrape.h"
#include "shell_series.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define METRICS_AGE_MS 1000 /* Not made anew before. */
#define METRICS_WAIT_MS 1000
#define LABELS_BYTES_MAX 320

struct metrics {
    const struct shell *shell;
    struct engine_counters engine;
    struct intake_figures intake;
    struct loop_figures loop;
    struct trap_figures traps;
    uint64_t calls_late, calls_running;
};

static void add_head(struct textbuf *out, const char *type, const char *name, const char *help)
{
    textbuf_addf(out, "# HELP nightshift_%s %s\n# TYPE nightshift_%s %s\n", name, help, name, type);
}

static void add_metric(struct textbuf *out, const char *type, const char *name, uint64_t value,
                       const char *help)
{
    add_head(out, type, name, help);
    textbuf_addf(out, "nightshift_%s %llu\n", name, (unsigned long long)value);
}

static void add_traps(struct textbuf *out, const struct trap_counters *counters)
{
#define TRAP_COUNTER(name, help)                                                                   \
    add_metric(out, "counter", "trap_" #name "_total", counters->name, help);
#include "source/trap/trap_counters.def"
#undef TRAP_COUNTER
}

static void add_syslog(struct textbuf *out, const struct syslog_figures *figures)
{
#define SYSLOG_COUNTER(name, help)                                                                 \
    add_metric(out, "counter", "syslog_" #name "_total", figures->name, help);
#include "source/syslog/syslog_counters.def"
#undef SYSLOG_COUNTER
    add_metric(out, "gauge", "syslog_connections_open", figures->connections_open,
               "senders connected by TCP and TLS");
}

static void add_refused(struct textbuf *out, const struct intake_figures *intake)
{
    add_head(out, "counter", "intake_refused_total", "batches that were not taken in, by reason");
    textbuf_addf(out, "nightshift_intake_refused_total{reason=\"full\"} %llu\n",
                 (unsigned long long)intake->refused_full);
    textbuf_addf(out, "nightshift_intake_refused_total{reason=\"store\"} %llu\n",
                 (unsigned long long)intake->refused_ill);
    textbuf_addf(out, "nightshift_intake_refused_total{reason=\"stopping\"} %llu\n",
                 (unsigned long long)intake->refused_stopping);
}

static void add_drivers(struct textbuf *out, const struct drivers *drivers)
{
    const struct nsh_driver *driver;
    size_t devices = 0, running = 0;
    add_head(out, "gauge", "driver_devices", "devices open, by driver");
    for (size_t i = 0; (driver = drivers_at(drivers, i)) != NULL; i++) {
        drivers_figures(drivers, driver, &devices, &running);
        textbuf_addf(out, "nightshift_driver_devices{driver=\"%s\"} %zu\n", driver->name, devices);
    }
    add_head(out, "gauge", "driver_calls_running", "calls running, by driver");
    for (size_t i = 0; (driver = drivers_at(drivers, i)) != NULL; i++) {
        drivers_figures(drivers, driver, &devices, &running);
        textbuf_addf(out, "nightshift_driver_calls_running{driver=\"%s\"} %zu\n", driver->name,
                     running);
    }
}

static void metrics_write(struct shell *shell, struct textbuf *out)
{
    struct metrics all = {.shell = shell};
    const struct metrics *m = &all;
    engine_count(shell->engine, &all.engine);
    intake_count(shell->intake, &all.intake);
    loop_count(shell->loop, &all.loop);
    if (shell->traps != NULL) {
        trap_listen_figures(shell->traps, &all.traps);
    }
    all.calls_late = drivers_late(shell->drivers);
    all.calls_running = drivers_running(shell->drivers);
#define METRIC(type, name, value, help) add_metric(out, #type, #name, (uint64_t)(value), help);
#include "metrics.def"
#undef METRIC
    add_refused(out, &all.intake);
    add_traps(out, &all.traps.counters);
    if (shell->syslog != NULL) {
        struct syslog_figures syslog = {0};
        syslog_listen_figures(shell->syslog, &syslog);
        add_syslog(out, &syslog);
    }
    add_drivers(out, shell->drivers);
    shell_series_metrics(shell, out);
    source_book_metrics(sources_book(shell->sources), out);
    shell_scrape_metrics(shell, out);
    figures_add(&shell->labelled, "store_commit_seconds",
                "from handing a batch over until it is durable", out);
    figures_add(&shell->labelled, "decisions_total",
                "decisions, each kept with its reason, by policy and result", out);
    figures_add(&shell->labelled, "actions_total",
                "calls of driver functions that ended, by driver, function and outcome", out);
    figures_add(&shell->labelled, "action_seconds",
                "from the start of a driver function to its end", out);
    add_head(out, "gauge", "uptime_seconds", "since the start");
    textbuf_addf(out, "nightshift_uptime_seconds %lld\n",
                 (long long)((shell_now(shell) - shell->started_ms) / 1000));
    add_head(out, "gauge", "last_heartbeat_timestamp_seconds", "the loop lives");
    textbuf_addf(out, "nightshift_last_heartbeat_timestamp_seconds %lld\n", (long long)time(NULL));
    add_head(out, "gauge", "build_info", "what runs");
    textbuf_addf(out, "nightshift_build_info{version=\"%s\"} 1\n", NIGHTSHIFT_VERSION);
}

void shell_metrics_record(struct shell *shell, const struct record *record)
{
    if (record->kind != RECORD_DECISION) {
        return;
    }
    char labels[LABELS_BYTES_MAX];
    snprintf(labels, sizeof labels, "policy=\"%.*s\",result=\"%.*s\"", (int)record->policy.count,
             record->policy.at, (int)record->state.count, record->state.at);
    figures_count(&shell->labelled, "decisions_total", labels);
}

void shell_metrics_make(struct shell *shell)
{
    CLEANUP(textbuf_donep) struct textbuf made = {0};
    metrics_write(shell, &made);
    pthread_mutex_lock(&shell->shared.mutex);
    struct textbuf before = shell->shared.metrics;
    shell->shared.metrics = made;
    made = before;
    shell->shared.metrics_number++;
    shell->shared.metrics_ms = intake_now_ms(shell->intake);
    shell->shared.metrics_wanted = false;
    pthread_cond_broadcast(&shell->shared.metrics_made);
    pthread_mutex_unlock(&shell->shared.mutex);
}

static bool metrics_old(struct shell *shell)
{
    return shell->shared.metrics_number == 0 ||
           intake_now_ms(shell->intake) - shell->shared.metrics_ms >= METRICS_AGE_MS;
}

/* Under the lock: until the loop made them anew, or it does not come to it. */
static void metrics_await(struct shell *shell)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += METRICS_WAIT_MS / 1000;
    uint64_t number = shell->shared.metrics_number;
    shell->shared.metrics_wanted = true;
    shell_wake(shell);
    while (shell->shared.metrics_number == number && !shell->shared.closed) {
        if (pthread_cond_timedwait(&shell->shared.metrics_made, &shell->shared.mutex, &until) !=
            0) {
            break;
        }
    }
}

struct text shell_metrics(struct shell *shell, struct arena *arena)
{
    uv_thread_t self = uv_thread_self();
    bool on_loop = uv_thread_equal(&self, &shell->thread) != 0;
    pthread_mutex_lock(&shell->shared.mutex);
    bool old = metrics_old(shell);
    if (old && !on_loop && !shell->shared.closed) {
        metrics_await(shell);
    }
    pthread_mutex_unlock(&shell->shared.mutex);
    if (old && on_loop) {
        shell_metrics_make(shell);
    }
    pthread_mutex_lock(&shell->shared.mutex);
    struct text text = arena_text(
        arena, (struct text){shell->shared.metrics.at == NULL ? "" : shell->shared.metrics.at,
                             (uint32_t)shell->shared.metrics.count});
    pthread_mutex_unlock(&shell->shared.mutex);
    return text;
}
