/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHELL_PRIVATE_H
#define DAEMON_SHELL_PRIVATE_H

/* What the shell's files share. All of it belongs to the loop thread, but for what stands under
 * `shared`. */

#include "engine/engine.h"
#include "figures.h"
#include "log.h"
#include "loop/intake_owner.h"
#include "shell_life.h"
#include "store/store.h"

#include <pthread.h>
#include <uv.h>

#define SHELL_STEP_EVENTS_MAX 512
/* Of a batch that waits for the writer: no more events. What commits in SHELL_COMMIT_AIM_US, within
 * these bounds: who comes next waits for one that is written and one that collects. */
#define SHELL_COLLECT_BYTES_MAX (8u << 20)
#define SHELL_COLLECT_BYTES_MIN (256u << 10)
#define SHELL_COMMIT_AIM_US 15000
#define SHELL_TURN_NS 5000000u /* Then people, calls and sockets have theirs. */
#define SHELL_STEP_EVENTS_MIN 16
#define SHELL_COLLECT_BYTES_LAST                                                                   \
    (40u << 20) /* No more ticks and commands either: the store is ill. */
#define SHELL_FOLLOWERS_MAX 1024
#define SHELL_STOP_MS 5000
#define SHELL_SECOND_MS 1000
#define SHELL_NAME_BYTES_MAX 64

struct shell;
struct shell_request;

/* A row for each name shell_post() knows. */
struct shell_command {
    const char *name;
    void (*run)(struct shell *shell, struct shell_request *request);
    bool changes; /* Refused while the store is not well. */
};

struct shell_request {
    struct shell_request *next;
    struct shell *shell;
    const struct shell_command *command;
    struct arena arena;
    struct nsh_value args;
    const char *actor;
    shell_answer_fn answer;
    void *arg;
    uint64_t batch;       /* Answered when this batch is durable. */
    struct text document; /* Then. */
    uint64_t after_seq;   /* Of a follower. */
    int64_t until_ms;
};

struct shell_queue {
    struct shell_request *first, *last;
    size_t count;
};

/* How a call ended; waits for its step. */
struct shell_result {
    struct shell_result *next;
    struct arena arena;
    struct engine_result result;
};

/* Work on a pool thread for a request: reads the store and a generation, writes the document. */
struct shell_job {
    uv_work_t work;
    struct shell *shell;
    struct shell_request *request;
    struct generation *generation;
    int (*run)(struct shell_job *job, struct store_reader *reader, struct nsh_error *err);
    struct textbuf document;
    struct nsh_error err;
    int result;
};

/* A call under way: what its end is counted as. */
struct shell_call {
    uint64_t begun_ns;
    char *action;
    char labels[]; /* driver="ipmi",action="power.on" */
};

/* Events that were dropped, ever: below major, from major on, by the kernel; and replaced. */
struct shedding {
    uint64_t low, high, unread, folded;
};

struct shell_figures {
    uint64_t commits, commit_us, commit_us_max, records, damaged, conflicts, calls_started,
        calls_refused, results, requests, requests_refused, reloads, reloads_refused, events_lost,
        durable_us, durable_batches, events_told, events_told_refused, observed_lost;
};

struct shell {
    struct loop *loop;
    struct drivers *drivers;
    struct generation *generation;
    struct generation *retired; /* Older ones: runs finish with the policies they began with. */
    struct engine *engine;
    struct engine_output output;
    struct store *store;
    struct intake *intake;
    struct trap_listen *traps;
    struct syslog_listen *syslog;
    uint64_t syslog_heard, traps_heard; /* So many when the book of sources was written last. */
    struct scrape *scrape;              /* NULL: no exporter is scraped. */
    struct shell_series *series;        /* What signals watch: shell_series.h. */
    struct sources *sources;
    bool sources_started;
    struct map source_calls; /* Reading calls of sources, by their action. */
    uint64_t source_calls_count;
    struct map marks;     /* How far sources have read: id -> struct shell_mark. */
    struct arena scratch; /* Of one step's calls. */
    uv_async_t async;
    uv_timer_t timer, second;
    unsigned handles_count;
    uv_thread_t thread;
    int64_t started_ms; /* Engine time. */

    /* The pump. */
    bool pumping, again, turn_over, stopping, stopped;
    bool collecting_awaited; /* Somebody waits for what collects: it leaves at once. */
    uint64_t turn_ns;        /* When this turn of the loop began. */
    size_t step_events;      /* So many in a step: what takes no longer than half a turn. */
    int64_t now_ms, wake_ms;
    void (*stop_done)(void *arg);
    void *stop_arg;
    int64_t stop_until_ms;

    /* Commits: one batch at the writer, one that collects. */
    size_t collecting_bytes, collecting_max, writing_bytes;
    int64_t collecting_since_ms;
    uint64_t collected_through;
    uint64_t writing_batch, writing_through, writing_seq; /* 0: the writer is idle. */
    uint64_t writing_ns;
    uint64_t durable_batch, durable_seq;
    int64_t clock_kept_ms; /* What the store knows of our time. */
    struct intake_item *unacked_first, *unacked_last;

    /* Calls. */
    struct shell_result *results_first, *results_last;
    struct map calls;      /* Action -> struct shell_call, until its end. */
    struct doctor *doctor; /* NULL: none runs. */
    uint64_t doctors;

    /* Requests on their way. */
    struct shell_queue running, awaiting, followers;
    size_t jobs;
    bool reloading, reload_again;

    /* Policies that wait to be confirmed. */
    bool applying;
    int64_t apply_until_ms; /* 0: none wait. */
    unsigned applies;

    /* Health. */
    enum store_health store_health;
    char store_text[256];
    int64_t store_ill_ms, blind_ms;
    char blind[160];
    bool blind_engine; /* It has reasons of its own: a source, the inventory. */
    int64_t trap_ready_ms;
    struct shedding shedding, shedding_since; /* Now, and when the alarm was raised. */
    int64_t shedding_ms;                      /* When something was dropped last. */
    /* Of the alarm, and of the worst that was dropped since it was calm; 0: none. */
    enum severity shedding_told, shedding_due;
    struct complaint complaints[LOG_EVENTS_COUNT];
    char reload_text[NSH_ERROR_TEXT_MAX]; /* What was wrong with the last one, or empty. */

    struct shell_figures figures;
    struct figures labelled;
    struct event events[SHELL_STEP_EVENTS_MAX];

    /* Shared with other threads. */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t metrics_made;
        struct shell_queue posted;
        size_t requests_count, followers_count; /* Not answered yet. */
        bool closed;
        bool ready;
        char reason[256];
        struct textbuf metrics;
        uint64_t metrics_number;
        int64_t metrics_ms;
        bool metrics_wanted;
    } shared;
};

/* ---- shell.c ---- */

int64_t shell_now(struct shell *shell); /* Engine time; never goes back. */
void shell_wake(struct shell *shell);   /* Pump soon. Any thread. */
/* One step; what it says is carried. The reply stays in shell->output. */
int shell_step(struct shell *shell, struct engine_input *input, struct nsh_error *err);
/* Inventory and policies of a generation into the engine. */
int shell_hand_over(struct shell *shell, const struct generation *generation,
                    struct nsh_error *err);
/* Let go of older generations that no run walks any more. */
void shell_retire(struct shell *shell);
/* The batch that will hold what was said so far, for somebody who waits for it; 0: all of it is
 * durable. */
uint64_t shell_pending_batch(struct shell *shell);
bool shell_complain(struct shell *shell, enum log_event event); /* Say it now? */
_Noreturn void shell_fatal(const char *text);

/* ---- shell_store.c: opening, commits, acknowledgements ---- */

int shell_store_open(struct shell *shell, struct nsh_error *err);
void shell_store_submit(struct shell *shell);
int64_t shell_store_due(const struct shell *shell); /* When a batch may leave: shell_now(). */
void shell_store_poll(struct shell *shell);
void shell_store_record(struct shell *shell, const struct record *record);

/* ---- shell_events.c ---- */

void shell_events_take(struct shell *shell); /* Batches of the intake, as far as there is room. */

/* ---- shell_calls.c ---- */

void shell_call(struct shell *shell, const struct engine_call *call);
void shell_call_done(void *arg, const char *action, const struct nsh_outcome *outcome,
                     const char *trace);
void shell_results_take(struct shell *shell);
void shell_calls_done(struct shell *shell);
int shell_secret(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                 struct nsh_error *err);
const struct nsh_value *shell_device_settings(void *arg, const char *device);
void shell_observed(void *arg, const char *host, const char *type, const struct nsh_value *data);

/* ---- shell_functions.c ---- */

struct drivers_event;
void shell_told(void *arg, const struct drivers_event *told);
void shell_said(void *arg, const char *line);
void shell_callback(struct shell *shell, struct shell_request *request);

/* ---- shell_source_calls.c ---- */

#define SOURCE_CALL_PREFIX "source-"
struct source_call;
int shell_source_call(void *arg, const struct source_call *call, uint64_t *ret_number,
                      struct nsh_error *err);
void shell_source_call_cancel(void *arg, uint64_t number);
void shell_source_call_done(struct shell *shell, const char *action,
                            const struct nsh_outcome *outcome);
void shell_source_calls_stop(struct shell *shell); /* Nobody waits for them any more. */
const char *shell_mark(void *arg, const char *id); /* NULL: none. */
int shell_mark_load(struct shell *shell, const struct record *record, struct nsh_error *err);
/* Into the commit that collects. */
void shell_mark_keep(struct shell *shell, const char *id, const char *mark);
void shell_marks_done(struct shell *shell);

/* ---- shell_doctor.c ---- */

void shell_driver(struct shell *shell, struct shell_request *request);
#define DOCTOR_PREFIX "doctor-"
void shell_doctor(struct shell *shell, struct shell_request *request);
void shell_doctor_done(struct shell *shell, const char *action, const struct nsh_outcome *outcome);
void shell_doctor_end(struct shell *shell); /* The daemon stops. */

/* ---- shell_requests.c ---- */

void shell_requests_take(struct shell *shell);
void shell_answer(struct shell *shell, struct shell_request *request, struct text document);
void shell_answer_error(struct shell *shell, struct shell_request *request,
                        const struct nsh_error *err);
void shell_answers_durable(struct shell *shell);
int64_t shell_followers_due(struct shell *shell); /* Answers those whose time is over; the next. */
void shell_requests_end(struct shell *shell);
/* Answer out of a pool thread. */
void shell_job(struct shell *shell, struct shell_request *request,
               int (*run)(struct shell_job *job, struct store_reader *reader,
                          struct nsh_error *err));

/* ---- shell_reload.c ---- */

void shell_reload_request(struct shell *shell, struct shell_request *request);
/* A reload of which then hears; none may be under way. */
void shell_reload_then(struct shell *shell,
                       void (*then)(struct shell *shell, void *arg, const struct nsh_error *err),
                       void *arg);

/* ---- shell_apply.c ---- */

void shell_policies_apply(struct shell *shell, struct shell_request *request);
void shell_policies_confirm(struct shell *shell, struct shell_request *request);
void shell_policies_undo(struct shell *shell, struct shell_request *request);
void shell_policy_files(struct shell *shell, struct shell_request *request);
void shell_apply_second(struct shell *shell);
/* At the start; undone: before it, the old set came back. */
void shell_apply_begin(struct shell *shell, bool undone);

/* ---- shell_hosts.c, shell_lists.c, shell_status.c, shell_metrics.c: documents ---- */

void shell_hosts(struct shell *shell, struct shell_request *request);
void shell_host(struct shell *shell, struct shell_request *request);
void shell_policies(struct shell *shell, struct shell_request *request);
void shell_policy(struct shell *shell, struct shell_request *request);
void shell_policy_score(struct shell *shell, struct shell_request *request); /* shell_score.c */
void shell_drivers(struct shell *shell, struct shell_request *request);
/* ",\"breakers\":[...]": endpoints that failed. */
void shell_add_breakers(struct shell *shell, struct textbuf *out);
void shell_freezes(struct shell *shell, struct shell_request *request);
void shell_status(struct shell *shell, struct shell_request *request);
void shell_metrics_make(struct shell *shell);
void shell_metrics_record(struct shell *shell, const struct record *record);

/* ---- shell_sources.c ---- */

int shell_sources_new(struct shell *shell, struct nsh_error *err);
void shell_sources_end(struct shell *shell); /* Closes and frees them; the intake is still there. */
void shell_sources_list(struct shell *shell, struct shell_request *request);
void shell_source_doctor(struct shell *shell, struct shell_request *request);

/* ---- shell_shedding.c ---- */

void shell_shedding_known(struct shell *shell, const struct record *record);
void shell_shedding_second(struct shell *shell);

/* ---- shell_health.c ---- */

void shell_health_store(struct shell *shell, const struct store_done *done);
void shell_health_second(struct shell *shell);
void shell_health_ready(struct shell *shell);
void shell_health_step(struct shell *shell);

/* shell_receivers.c: once a second; writes into reason why we are blind, or empties it. */
void shell_receivers_second(struct shell *shell, char *reason, size_t reason_bytes);

#endif
