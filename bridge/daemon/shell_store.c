/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits: everything the engine says and every event goes into the batch that collects; it leaves
 * when the writer is idle. What waits for a batch (senders, people, intents) goes on when the
 * writer says that it is durable.
 */

#include "shell_private.h"

#include "base/assert.h"
#include "base/json.h"

#include <stdio.h>
#include <time.h>

#define CLOCK_ID "shell-clock"
#define CLOCK_KEEP_MS 1000 /* How much of our time a crash may forget. */
#define RECORD_OVERHEAD 128
#define RECORDS_WAIT_MS 10                /* For company, where nobody waits for them. */
#define RECORDS_WAIT_BYTES_MAX (64 << 10) /* More is company enough. */

static uint64_t now_ns(void)
{
    return uv_hrtime();
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- opening ---- */

struct load {
    struct shell *shell;
    int64_t now_ms;
};

static int load_clock(struct load *load, const struct record *record)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;
    if (json_parse(record->body.at, record->body.count, &arena, &body, NULL) == 0) {
        int64_t kept_ms = nsh_get_int(&body, "now_ms", 0);
        load->now_ms = kept_ms > load->now_ms ? kept_ms : load->now_ms;
    }
    return 0;
}

static int load_record(void *arg, const struct record *record, struct nsh_error *err)
{
    struct load *load = arg;
    if (record->kind == RECORD_META && text_is(record->id, CLOCK_ID)) {
        return load_clock(load, record);
    }
    shell_shedding_known(load->shell, record);
    load->now_ms = record->time_ms > load->now_ms ? record->time_ms : load->now_ms;
    if (record->kind == RECORD_MARK) {
        return shell_mark_load(load->shell, record, err);
    }
    struct engine_input input = {.kind = INPUT_LOAD, .now_ms = load->now_ms, .record = record};
    return engine_step(load->shell->engine, &input, &load->shell->output, err);
}

/* So that who repeats himself over a restart is recognised. */
static int load_known(void *arg, const struct event *events, size_t count, struct nsh_error *err)
{
    struct shell *shell = arg;
    struct engine_input input = {.kind = INPUT_KNOWN};
    input.events.items = events;
    input.events.count = count;
    return shell_step(shell, &input, err);
}

static void store_news(void *arg)
{
    shell_wake(arg);
}

/* Engine time: the wall's, but never below what was kept. */
static void clock_start(struct shell *shell, int64_t kept_ms)
{
    int64_t wall = wall_ms();
    if (kept_ms > wall + 60 * 1000) {
        LOG(CLOCK_BEHIND, {"behind_ms", nsh_int(kept_ms - wall)},
            {"text", nsh_text("the wall clock is behind the store's newest record; time goes on "
                              "from there")});
    }
    intake_clock_set(shell->intake, kept_ms > wall ? kept_ms : wall);
}

int shell_store_open(struct shell *shell, struct nsh_error *err)
{
    const struct config *config = shell->generation->config;
    struct store_options options = {
        .path = config->store_path,
        .bytes_max = (uint64_t)config->store_bytes_max,
        .journal_keep_ms = config->store_journal_keep_ms,
        .wake = store_news,
        .wake_arg = shell,
    };
    int result = store_open(&options, &shell->store, err);
    if (result < 0) {
        return result;
    }
    struct load load = {.shell = shell};
    result = store_load(shell->store, load_record, &load, err);
    if (result < 0) {
        return nsh_wrap(err, "while loading the state from %s", config->store_path);
    }
    clock_start(shell, load.now_ms);
    result = store_recent(shell->store, shell_now(shell) - ENGINE_DEDUP_MS, ENGINE_DEDUP_MAX,
                          load_known, shell, err);
    if (result < 0) {
        return nsh_wrap(err, "while reading the journal's newest events");
    }
    shell->durable_seq = store_next_seq(shell->store) - 1;
    struct engine_input loaded = {.kind = INPUT_LOADED};
    return shell_step(shell, &loaded, err);
}

/* ---- the batch that collects ---- */

void shell_store_record(struct shell *shell, const struct record *record)
{
    struct nsh_error err = {0};
    if (store_batch_record(shell->store, record, &err) < 0) {
        /* The engine counts on it, and cannot be told otherwise. */
        shell_fatal(err.text);
    }
    shell->figures.records++;
    if (shell->collecting_bytes == 0) {
        shell->collecting_since_ms = shell_now(shell);
    }
    shell->collecting_bytes += RECORD_OVERHEAD + (size_t)record->body.count;
}

uint64_t shell_pending_batch(struct shell *shell)
{
    if (shell->collecting_bytes > 0) {
        shell->collecting_awaited = true; /* Who asks waits for it. */
        return store_batch_number(shell->store);
    }
    return shell->writing_batch;
}

/* Our time goes along with what is written anyway. */
static void clock_keep(struct shell *shell)
{
    int64_t now_ms = shell_now(shell);
    if (now_ms - shell->clock_kept_ms < CLOCK_KEEP_MS) {
        return;
    }
    char body[48];
    int count = snprintf(body, sizeof body, "{\"now_ms\":%lld}", (long long)now_ms);
    shell_store_record(shell, &(struct record){
                                  .kind = RECORD_META,
                                  .live = true,
                                  .time_ms = now_ms,
                                  .id = TEXT(CLOCK_ID),
                                  .body = {body, (uint32_t)count},
                              });
    shell->clock_kept_ms = now_ms;
}

/*
 * A commit costs a sync of the disk however little is in it, and who comes while it runs waits for
 * it. So that a call was sent, or how it ended, takes the next commit that somebody waits for: a
 * sender, a person, an intent. When there is none it goes alone, soon. Until then a crash finds the
 * call in doubt, as it does while it is under way.
 */
int64_t shell_store_due(const struct shell *shell)
{
    if (shell->collecting_bytes == 0 || shell->writing_batch != 0) {
        return INT64_MAX; /* The writer wakes us. */
    }
    return shell->collecting_awaited || shell->collecting_bytes > RECORDS_WAIT_BYTES_MAX
               ? INT64_MIN
               : shell->collecting_since_ms + RECORDS_WAIT_MS;
}

void shell_store_submit(struct shell *shell)
{
    if (shell_store_due(shell) > shell_now(shell)) {
        return;
    }
    clock_keep(shell);
    uint64_t number = store_batch_number(shell->store);
    uint64_t seq = store_next_seq(shell->store) - 1;
    if (!store_submit(shell->store)) {
        return;
    }
    shell->writing_batch = number;
    shell->writing_through = shell->collected_through;
    shell->writing_seq = seq;
    shell->writing_ns = now_ns();
    shell->writing_bytes = shell->collecting_bytes;
    shell->collecting_bytes = 0;
    shell->collecting_awaited = false;
}

/* ---- what became durable ---- */

static void senders_acknowledge(struct shell *shell)
{
    while (shell->unacked_first != NULL && shell->unacked_first->batch <= shell->durable_batch) {
        struct intake_item *item = shell->unacked_first;
        shell->unacked_first = item->next;
        intake_item_end(item, true);
    }
}

/* Grow while commits are quick and full, shrink when they take long. */
static void collect_aim(struct shell *shell, uint64_t us)
{
    size_t max = shell->collecting_max;
    if (us > SHELL_COMMIT_AIM_US) {
        max = max / 4 * 3;
    } else if (shell->writing_bytes >= max / 2) {
        max += max / 4;
    }
    max = max < SHELL_COLLECT_BYTES_MIN ? SHELL_COLLECT_BYTES_MIN : max;
    shell->collecting_max = max > SHELL_COLLECT_BYTES_MAX ? SHELL_COLLECT_BYTES_MAX : max;
}

static void commit_count(struct shell *shell)
{
    uint64_t us = (now_ns() - shell->writing_ns) / 1000;
    collect_aim(shell, us);
    shell->figures.commits++;
    figures_observe(&shell->labelled, "store_commit_seconds", "", us);
    shell->figures.commit_us += us;
    shell->figures.commit_us_max =
        us > shell->figures.commit_us_max ? us : shell->figures.commit_us_max;
}

static void batch_durable(struct shell *shell)
{
    uint64_t through = shell->writing_through;
    commit_count(shell);
    shell->durable_batch = shell->writing_batch;
    shell->durable_seq = shell->writing_seq;
    shell->writing_batch = 0;
    shell_store_submit(shell); /* The writer works on while the others hear. */
    senders_acknowledge(shell);
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_DURABLE, .durable = through};
    if (shell_step(shell, &input, &err) < 0 && shell_complain(shell, LOG_ENGINE_REFUSED)) {
        LOG(ENGINE_REFUSED, {"input", nsh_text("durable")}, {"text", nsh_text(err.text)});
    }
    shell_answers_durable(shell);
}

void shell_store_poll(struct shell *shell)
{
    struct store_done done;
    if (!store_poll(shell->store, &done)) {
        return;
    }
    shell_health_store(shell, &done);
    if (shell->writing_batch != 0 && done.batch >= shell->writing_batch) {
        batch_durable(shell);
    }
}
