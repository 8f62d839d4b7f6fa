/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pump: whatever woke the loop, the same round runs. What became durable first, because calls
 * and senders wait for it; then how calls ended, what people ask, new events, time; at last the
 * batch goes to the writer when that is idle.
 *
 * Forbidden: stepping the engine from inside a step (drivers may complete while a call is being
 * cancelled): results and requests queue, and the round comes again.
 */

#include "shell_private.h"

#include "base/assert.h"
#include "shell_scrape.h"
#include "shell_series.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 16 /* Then the loop's other business has its turn. */

int64_t shell_now(struct shell *shell)
{
    int64_t now_ms = intake_now_ms(shell->intake);
    shell->now_ms = now_ms > shell->now_ms ? now_ms : shell->now_ms;
    return shell->now_ms;
}

/* Calendars go by it; all else by shell_now(), which never steps. */
static int64_t wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void shell_wake(struct shell *shell)
{
    uv_async_send(&shell->async);
}

static void wake_from_anywhere(void *arg)
{
    shell_wake(arg);
}

bool shell_complain(struct shell *shell, enum log_event event)
{
    return complain(&shell->complaints[event], event, shell_now(shell));
}

void shell_fatal(const char *text)
{
    LOG(FATAL, {"text", nsh_text(text)});
    _exit(70); /* What is durable is right; the service manager starts us again from there. */
}

/* ---- steps ---- */

int shell_step(struct shell *shell, struct engine_input *input, struct nsh_error *err)
{
    input->now_ms = shell_now(shell);
    input->wall_ms = wall_clock_ms();
    int result = engine_step(shell->engine, input, &shell->output, err);
    struct engine_output *output = &shell->output;
    for (size_t i = 0; i < output->records_count; i++) {
        shell_store_record(shell, &output->records[i]);
        shell_metrics_record(shell, &output->records[i]);
    }
    shell->collected_through = output->records_through;
    shell->collecting_awaited = shell->collecting_awaited || output->intents_wait;
    shell->wake_ms = output->wake_ms;
    for (size_t i = 0; i < output->calls_count; i++) {
        shell_call(shell, &output->calls[i]);
    }
    return result;
}

static void tick(struct shell *shell)
{
    if (shell->wake_ms > shell_now(shell) || shell->collecting_bytes > SHELL_COLLECT_BYTES_LAST) {
        return;
    }
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_TICK};
    if (shell_step(shell, &input, &err) < 0 && shell_complain(shell, LOG_ENGINE_REFUSED)) {
        LOG(ENGINE_REFUSED, {"input", nsh_text("tick")}, {"text", nsh_text(err.text)});
    }
}

/* ---- the pump ---- */

static void on_timer(uv_timer_t *timer);

static void timer_aim(struct shell *shell)
{
    int64_t due_ms = shell->wake_ms;
    int64_t followers_ms = shell_followers_due(shell);
    due_ms = followers_ms < due_ms ? followers_ms : due_ms;
    int64_t store_ms = shell_store_due(shell);
    due_ms = store_ms < due_ms ? store_ms : due_ms;
    if (due_ms == INT64_MAX || shell->collecting_bytes > SHELL_COLLECT_BYTES_LAST) {
        uv_timer_stop(&shell->timer);
        return;
    }
    int64_t now_ms = shell_now(shell);
    uv_update_time(loop_uv(shell->loop));
    uv_timer_start(&shell->timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

static bool all_durable(struct shell *shell)
{
    struct intake_figures figures;
    intake_count(shell->intake, &figures);
    return figures.waiting_batches == 0 && shell_pending_batch(shell) == 0 &&
           shell->awaiting.count == 0 && shell->jobs == 0 && !shell->reloading;
}

static void stop_when_done(struct shell *shell)
{
    if (!shell->stopping || shell->stopped ||
        (!all_durable(shell) && shell_now(shell) < shell->stop_until_ms) || shell->jobs > 0 ||
        shell->reloading) { /* Pool threads come back to us: they are waited for. */
        return;
    }
    shell->stopped = true;
    uv_timer_stop(&shell->timer);
    shell_doctor_end(shell); /* While those who asked are still there. */
    shell_requests_end(shell);
    shell->stop_done(shell->stop_arg);
}

static void pump(struct shell *shell)
{
    if (shell->stopped) {
        return;
    }
    NSH_ASSERT(!shell->pumping);
    shell->pumping = true;
    shell->again = true;
    shell->turn_over = false;
    for (unsigned round = 0; shell->again && !shell->turn_over && round < ROUNDS_MAX; round++) {
        shell->again = false;
        shell_store_poll(shell);
        shell_results_take(shell);
        shell_requests_take(shell);
        if (round == 0) {
            shell->turn_ns = uv_hrtime(); /* Events have theirs, however long the others took. */
        }
        shell_events_take(shell);
        tick(shell);
        shell_store_submit(shell);
    }
    shell->pumping = false;
    if (shell->again || shell->turn_over) {
        shell_wake(shell);
    }
    timer_aim(shell);
    stop_when_done(shell);
}

static void on_async(uv_async_t *async)
{
    pump(async->data);
}

static void on_timer(uv_timer_t *timer)
{
    pump(timer->data);
}

static void on_second(uv_timer_t *timer)
{
    struct shell *shell = timer->data;
    shell_health_second(shell);
    shell_shedding_second(shell);
    shell_series_second(shell);
    shell_apply_second(shell);
    shell_retire(shell);
    pump(shell);
}

/* ---- life ---- */

static void handles_open(struct shell *shell)
{
    uv_loop_t *uv = loop_uv(shell->loop);
    uv_async_init(uv, &shell->async, on_async);
    uv_timer_init(uv, &shell->timer);
    uv_timer_init(uv, &shell->second);
    shell->async.data = shell->timer.data = shell->second.data = shell;
    shell->handles_count = 3;
    shell->thread = uv_thread_self();
}

static void on_closed(uv_handle_t *handle)
{
    struct shell *shell = handle->data;
    shell->handles_count--;
}

static void handles_close(struct shell *shell)
{
    uv_close((uv_handle_t *)&shell->async, on_closed);
    uv_close((uv_handle_t *)&shell->timer, on_closed);
    uv_close((uv_handle_t *)&shell->second, on_closed);
    while (shell->handles_count > 0) {
        uv_run(loop_uv(shell->loop), UV_RUN_NOWAIT);
    }
}

int shell_hand_over(struct shell *shell, const struct generation *generation, struct nsh_error *err)
{
    struct engine_input inventory = {.kind = INPUT_INVENTORY, .inventory = generation->inventory};
    struct engine_input policies = {.kind = INPUT_POLICIES, .policies = generation->policies};
    int result = shell_step(shell, &inventory, err);
    return result < 0 ? result : shell_step(shell, &policies, err);
}

static struct shell *shell_alloc(const struct shell_options *options)
{
    struct shell *shell = calloc(1, sizeof *shell);
    if (shell == NULL) {
        return NULL;
    }
    shell->loop = options->loop;
    shell->drivers = options->drivers;
    shell->generation = options->generation;
    shell->wake_ms = INT64_MAX;
    shell->collecting_max = SHELL_COLLECT_BYTES_MIN;
    shell->step_events = SHELL_STEP_EVENTS_MAX;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shell->shared.metrics_made, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&shell->shared.mutex, NULL);
    snprintf(shell->shared.reason, sizeof shell->shared.reason, "starting");
    handles_open(shell);
    return shell;
}

static void shell_release(struct shell *shell)
{
    shell->stopped = true;
    handles_close(shell);
    if (shell->store != NULL) {
        store_close(shell->store);
    }
    if (shell->engine != NULL) {
        engine_free(shell->engine);
        shell->engine = NULL;
    }
    shell_retire(shell);
    engine_output_done(&shell->output);
    shell_sources_end(shell);
    shell_marks_done(shell);
    intake_free(shell->intake);
    shell_series_close(shell);
    shell_calls_done(shell);
    figures_done(&shell->labelled);
    generation_unref(shell->generation);
    arena_done(&shell->scratch);
    textbuf_done(&shell->shared.metrics);
    pthread_mutex_destroy(&shell->shared.mutex);
    pthread_cond_destroy(&shell->shared.metrics_made);
    free(shell);
}

int shell_new(const struct shell_options *options, struct shell **ret_shell, struct nsh_error *err)
{
    struct shell *shell = shell_alloc(options);
    if (shell == NULL) {
        generation_unref(options->generation);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result = intake_new((size_t)shell->generation->config->intake_bytes_max, wake_from_anywhere,
                            shell, &shell->intake, err);
    if (result == 0) {
        result = shell_sources_new(shell, err);
    }
    if (result == 0) {
        result = engine_new(&shell->engine, err);
    }
    if (result == 0) {
        result = shell_store_open(shell, err);
    }
    if (result == 0) {
        result = shell_series_open(shell, err);
    }
    if (result == 0) {
        result = shell_hand_over(shell, shell->generation, err);
    }
    if (result == 0) {
        drivers_observer(shell->drivers, shell_observed, shell);
        drivers_listener(shell->drivers, shell_told, shell_said, shell);
        result = drivers_run(shell->drivers, shell->loop, shell_secret, shell, shell_call_done,
                             shell, err);
    }
    if (result < 0) {
        shell_release(shell);
        return result;
    }
    shell->started_ms = shell_now(shell);
    shell->trap_ready_ms = shell->started_ms;
    uv_timer_start(&shell->second, on_second, SHELL_SECOND_MS, SHELL_SECOND_MS);
    shell_health_ready(shell);
    shell_apply_begin(shell, options->undone);
    shell_scrape_begin(shell);
    shell_wake(shell);
    *ret_shell = shell;
    return 0;
}

void shell_syslog_set(struct shell *shell, struct syslog_listen *syslog)
{
    shell->syslog = syslog;
}

void shell_traps_set(struct shell *shell, struct trap_listen *traps)
{
    shell->traps = traps;
    shell->trap_ready_ms = shell_now(shell);
}

void shell_stop(struct shell *shell, void (*done)(void *arg), void *arg)
{
    NSH_ASSERT(!shell->stopping);
    shell->stopping = true;
    shell->stop_done = done;
    shell->stop_arg = arg;
    shell->stop_until_ms = shell_now(shell) + SHELL_STOP_MS;
    intake_gate_set(shell->intake, INTAKE_STOPPING);
    shell_scrape_stop(shell);
    shell_source_calls_stop(shell);
    pthread_mutex_lock(&shell->shared.mutex);
    shell->shared.closed = true;
    shell->shared.ready = false;
    snprintf(shell->shared.reason, sizeof shell->shared.reason, "stopping");
    pthread_mutex_unlock(&shell->shared.mutex);
    shell_wake(shell);
}

void shell_free(struct shell *shell)
{
    NSH_ASSERT(shell->stopped);
    shell_requests_end(shell);
    while (shell->unacked_first != NULL) {
        struct intake_item *item = shell->unacked_first;
        shell->unacked_first = item->next;
        intake_item_end(item, false);
    }
    while (shell->results_first != NULL) { /* In doubt: their state is read at the next start. */
        struct shell_result *result = shell->results_first;
        shell->results_first = result->next;
        arena_done(&result->arena);
        free(result);
    }
    shell_release(shell);
}

struct intake *shell_intake(struct shell *shell)
{
    return shell->intake;
}

const struct generation *shell_generation(const struct shell *shell)
{
    return shell->generation;
}

uint64_t shell_next_seq(const struct shell *shell)
{
    return store_next_seq(shell->store);
}
