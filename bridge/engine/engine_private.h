/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_PRIVATE_H
#define ENGINE_ENGINE_PRIVATE_H

/*
 * What the engine is made of. Objects are allocated one by one and found through maps in order of
 * insertion; time is kept in one heap; what changed in a step is on a list of dirty objects and
 * becomes one record each when the step ends.
 */

#include "engine/engine.h"

#include "base/assert.h"
#include "base/json.h"
#include "base/pack.h"
#include "engine/engine_objects.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

#define ENGINE_GAP_MS (30 * SECOND_MS) /* A tick later than that: the machine slept. */
#define ENGINE_HEARTBEAT_MS                                                                        \
    (10 * SECOND_MS)                    /* While something waits: how exactly a stop is known. */
#define ENGINE_STALE_MS (5 * MINUTE_MS) /* Unknown for so long: a pending state is dropped. */
#define ENGINE_AGAIN_MS (1 * MINUTE_MS) /* After a start: at least so long to say it again. */
#define ENGINE_QUEUE_CHECK_MS (10 * SECOND_MS)
#define ALARM_FORGET_MS                                                                            \
    (15 * MINUTE_MS) /* A cleared alarm is remembered: late raises, same id.                       \
                      */
#define ALARM_REPEAT_RECORD_MS                                                                     \
    (10 * SECOND_MS)    /* Counts of repeats are written at most so often. */
#define STAMPS_MAX 2048 /* Interrupts a domain remembers; limits are below. */
#define HOST_STAMPS_MAX 64
#define WINDOW_EVENTS_MAX 4096      /* Entries of one counting window. */
#define ALL_TRIES_MAX 256           /* Alarms of one `all` that are tried as the oldest. */
#define WINDOW_GROUPS_MAX 16        /* Kept by groups (`by`): so many times what one needs ... */
#define WINDOW_GROUP_EVENTS_MAX 512 /* ... but no more than this, or than one needs. */
#define TYPES_MAX 100000            /* Event types whose candidates are remembered. */
#define INSTANCES_MAX 1000000
#define FREEZES_MAX 1000
#define READ_TIMEOUT_MS (20 * SECOND_MS) /* One reading of a state. */
#define VERIFY_MS_MIN (30 * SECOND_MS)
#define VERIFY_EVERY_MS_MAX (5 * SECOND_MS)
#define VERIFY_DOUBT_GAP_MS                                                                        \
    (5 * SECOND_MS)                         /* In doubt, the proof must hold twice, so far apart.  \
                                             */
#define VERIFY_COMPLETE_MS (15 * SECOND_MS) /* Off for so long: nobody else will switch it on. */
#define COMPLETIONS_MAX 2                   /* Of one step: then a person. */
#define RESULT_GRACE_MS (15 * SECOND_MS) /* The driver host ends a call 5 s after its time-out. */
#define PAGE_ATTEMPTS_MAX 5
#define PAGE_RETRY_MS (15 * SECOND_MS)
#define BRAKE_PAGE_MS (5 * SECOND_MS) /* The page waits: one for the widest brake, whole list. */
#define BRAKES_INSIDE_MAX 3           /* So many braked domains in a wider one: it is that one. */
#define IDS_RESERVE 1000              /* Numbers reserved with one record. */
#define TEXT_KEPT_MAX 1024            /* Any text from outside, as kept. */

enum counter_id {
    COUNT_RUN,
    COUNT_ACTION,
    COUNT_DECISION,
    COUNT_ALARM,
    COUNT_FREEZE,
    COUNT_BRAKE,
    COUNT_COMMAND,
    COUNT_HOLD,
    COUNT_LEASE,
    COUNTERS_COUNT
};

/* A record that was handed over, until all were. */
struct loaded {
    enum record_kind kind;
    struct nsh_value value;
    struct loaded *next;
};

struct engine {
    struct arena load;
    struct loaded *loaded_first, *loaded_last;
    int64_t known_ms;         /* The newest time that a loaded record tells. */
    int64_t now_ms, clock_ms; /* clock_ms: the newest time that a record tells. */
    int64_t wall_offset_ms;   /* What the clock on the wall shows more. */
    int64_t promised_ms;      /* When the last step asked to be woken. */
    uint64_t waiting_count;   /* Activations that wait for time or for their turn. */
    int64_t sources_back_ms;  /* A source that was silent spoke again. */
    uint64_t operators_armed; /* Triggers that wait for what may not come. */
    bool loaded, ready, nomem;
    bool index_off;  /* For tests. */
    bool given_back; /* A run gave its host back while it waits. */
    bool store_ok, numbers_dirty, clock_dirty;
    struct engine_output *output;
    const struct inventory *inventory;
    const struct policy_set *set;
    struct set_use sets[SETS_MAX];
    uint32_t sets_count;
    uint64_t generation;
    const struct policy_guards *guards;
    int64_t stamp_keep_ms;

    struct map hosts;     /* name -> host_state */
    struct map domains;   /* "rack=r3" -> domain_state */
    struct map parts;     /* "disk=r1h05/3" -> domain_state with an owner */
    struct map quorums;   /* group -> quorum */
    struct map alarms;    /* key -> alarm */
    struct map alarm_ids; /* id -> alarm */
    struct map types;
    struct type_state type_spare; /* For types beyond TYPES_MAX. */
    struct map instances;
    struct map calls; /* call -> action that is out */
    struct map runs;  /* id -> run, living */
    struct heap timers;
    uint64_t instances_number, timer_number;

    struct run *runs_first, *runs_last;
    struct freeze *freezes;
    struct lease *leases;
    uint32_t leases_count;
    uint32_t owed_count; /* Runs whose words are owed. */
    struct brake *brakes;
    struct host_state *recent_first, *recent_last;
    struct timer recent_timer, gone_timer, soon_timer;
    struct alarm *gone_first, *gone_last; /* Cleared ones, remembered for a while. */
    struct alarm *soon_first, *soon_last; /* Repeated ones whose count is not written yet. */
    struct action *queue_first, *queue_last;
    struct waiting waiting_store; /* Activations that wait for the store. */
    struct dedup dedup;
    struct guards_kept kept;

    char blind[256];
    uint64_t durable, records_through;
    uint64_t numbers[COUNTERS_COUNT], reserved[COUNTERS_COUNT];

    struct alarm *dirty_alarms, *dirty_alarms_last;
    struct host_state *dirty_hosts, *dirty_hosts_last;
    struct instance *dirty_instances, *dirty_instances_last;
    struct run *dirty_runs, *dirty_runs_last, *ended_runs;
    struct action *dirty_actions, *dirty_actions_last;

    struct arena scratch; /* Of one event, decision or step. */
    struct textbuf key, json, trace;
    struct textbuf reply;
    struct engine_counters counters;
    uint64_t late_results, alarms_refused, parts_refused;
};

struct quorum {
    struct host_state **members;
    uint32_t count, room;
};

/* ---- engine.c: memory, timers, names, lists -------------------------------------------------- */

void scratch_relax(struct engine *engine); /* Between two things: nothing in scratch is needed. */
void *engine_alloc(struct engine *engine, size_t bytes); /* Zeroed; NULL notes it. */
/* What was written to engine->key; NULL when not all of it fitted in memory. */
struct text engine_key(struct engine *engine);
char *engine_copy(struct engine *engine, struct text text); /* At most TEXT_KEPT_MAX bytes. */
void engine_timer_set(struct engine *engine, struct timer *timer, int64_t due_ms, uint64_t order);
void engine_timer_stop(struct engine *engine, struct timer *timer);
uint64_t engine_number(struct engine *engine, enum counter_id id);
void engine_id(struct engine *engine, enum counter_id id, const char *prefix,
               char ret_id[ID_BYTES]);
void engine_call_out(struct engine *engine, const struct engine_call *call);
void engine_trace(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *scratch_printf(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* Never NULL. */

const char *engine_time(struct engine *engine, int64_t ms); /* RFC 3339, in scratch. */

#define PT(text) (int)(text).count, (text).at == NULL ? "" : (text).at /* for %.*s */

/* ---- engine_fleet.c: hosts and domains ---------------------------------------------------------
 */

struct host_state *host_get(struct engine *engine, struct text name);
struct domain_state *domain_get(struct engine *engine, const char *kind, struct text name);
void fleet_take(struct engine *engine, const struct inventory *inventory);
struct domain_state *host_domain_of(const struct host_state *host, const char *kind);
const struct quorum *host_quorum(const struct engine *engine, const struct host_state *host);
void host_touch(struct engine *engine, struct host_state *host);
void fleet_free(struct engine *engine);

/* ---- engine_domain.c: subjects that are no host; more in engine_domain.h ---- */

void domains_members(struct engine *engine); /* Anew, for another inventory. */
void parts_free(struct engine *engine);

/* ---- engine_ready.c: what is promised to people ---- */

/* A run of the policy begins: what it holds is held. */
void policy_holds(struct engine *engine, const struct instance *instance);

/* ---- engine_dedup.c
 * ------------------------------------------------------------------------------ */

void dedup_known(struct engine *engine, const struct event *items, size_t count);
bool dedup_seen(struct engine *engine, const struct event *event);
void dedup_ahead(const struct engine *engine, const struct event *event);
void dedup_done(struct engine *engine);

/* ---- engine_ahead.c
 * ------------------------------------------------------------------------------- */

/*
 * Memory that the events after items[index] will touch is asked for now, so that it is there when
 * their turn comes: with many hosts and policies most of an event's time is waiting for it. Reads
 * only; what it guesses wrong costs nothing else.
 */
void look_ahead(const struct engine *engine, const struct event *items, size_t count, size_t index);

/* ---- engine_alarm.c
 * ------------------------------------------------------------------------------- */

int64_t event_at(const struct engine *engine, const struct event *event); /* Effective time. */
void events_take(struct engine *engine, const struct event *items, size_t count);
void alarm_touch(struct engine *engine, struct alarm *alarm);
void alarm_end(struct engine *engine, struct alarm *alarm, int64_t at);
struct alarm *alarm_new(struct engine *engine, const struct event *event);
void alarm_raised(struct engine *engine, struct alarm *alarm); /* Counts it as raised. */
void alarm_free(struct engine *engine, struct alarm *alarm);
void alarm_gone_fire(struct engine *engine, void *owner);
void alarm_soon_fire(struct engine *engine, void *owner);

/* ---- engine_match.c: candidates, conditions, links
 * -------------------------------------------------- */

struct type_state *type_get(struct engine *engine, struct text name);
/* With the candidates of the current policies; type may be NULL. */
const struct type_state *type_ready(struct engine *engine, struct type_state *type,
                                    struct text name);
void match_raise(struct engine *engine, struct alarm *alarm, const struct event *event, bool fresh,
                 bool changed);
void match_clear(struct engine *engine, struct alarm *alarm);
bool match_pulse(struct engine *engine, const struct event *event); /* Some policy wanted it. */
struct link *link_add(struct engine *engine, struct alarm *alarm, struct instance *instance);
void link_drop(struct engine *engine, struct link *link);
enum level match_condition(struct engine *engine, const struct policy *policy,
                           const struct event *event, struct alarm *alarm);
enum level match_program(struct engine *engine, const struct policy *policy,
                         const struct policy_condition *condition, const struct event *event,
                         struct alarm *alarm);
/* The same for another of its subjects than the first: a host is on two feeds. */
enum level match_program_at(struct engine *engine, const struct policy *policy,
                            const struct policy_condition *condition, const struct event *event,
                            struct alarm *alarm, struct domain_state *domain);
typedef void (*match_subject_fn)(struct engine *engine, const struct policy *policy,
                                 struct host_state *host, struct domain_state *domain, void *arg);
void match_subjects(struct engine *engine, const struct policy *policy, struct host_state *host,
                    match_subject_fn fn, void *arg);

/* ---- engine_instance.c: idle, pending, settling, decided, active
 * -------------------------------------- */

struct instance *instance_find(struct engine *engine, const struct policy *policy,
                               struct host_state *host, struct domain_state *domain);
struct instance *instance_get(struct engine *engine, const struct policy *policy,
                              struct host_state *host, struct domain_state *domain);
void instance_event(struct engine *engine, struct instance *instance, const struct event *event,
                    const struct alarm *alarm);
void instance_level(struct engine *engine, struct instance *instance); /* Links changed. */
void instance_pulse(struct engine *engine, struct instance *instance);
void instance_level_set(struct engine *engine, struct instance *instance, enum level level);
void instance_pulse_over(struct engine *engine, struct instance *instance);
enum level instance_links_level(const struct instance *instance);
uint64_t instance_order(const struct instance *instance);             /* Of its timers. */
void instance_drop(struct engine *engine, struct instance *instance); /* Idle, without a word. */
void instance_touch(struct engine *engine, struct instance *instance);
bool instance_forgettable(const struct engine *engine, const struct instance *instance);
void instance_free(struct engine *engine, struct instance *instance);
void instance_raising(struct engine *engine, struct instance *instance, bool on);
void instance_state_set(struct engine *engine, struct instance *instance,
                        enum instance_state state);
void instances_unknown(struct engine *engine, int64_t since_ms); /* A gap: nobody watched. */
void instances_reload(struct engine *engine);
const char *instance_state_word(enum instance_state state);
int instance_state_of(const char *word);
void instance_unwait(struct instance *instance);
void instance_wait(struct instance *instance, struct waiting *waiting, bool front);
void instance_restore(struct engine *engine, struct instance *instance, enum instance_state state,
                      int64_t unknown_ms);
void instance_arm_forget(struct engine *engine, struct instance *instance);
int64_t policy_once_within(const struct engine *engine, const struct policy *policy);

/* ---- engine_eval.c: what conditions see
 * ------------------------------------------------------------------ */

struct scope {
    struct engine *engine;
    const struct event *event;
    struct host_state *host;
    struct domain_state *domain;
    const char *subject;
    const struct policy *policy;
    struct run *run;
    struct instance *instance; /* Whose samples; NULL: that of policy and subject. */
    const struct alarm *alarm;
    const char *alarm_id;
    uint64_t known; /* Operands of the condition that are true: cel_eval_rest(). */
    struct nsh_value values[POLICY_VARIABLES_COUNT];
    bool made[POLICY_VARIABLES_COUNT];
};

enum level eval_condition(struct scope *scope, const struct policy_condition *condition,
                          struct nsh_error *err);
void eval_explain(struct scope *scope, const struct policy_condition *condition,
                  struct textbuf *out);
int eval_value(struct scope *scope, const struct cel_program *program, struct nsh_value *ret_value,
               struct nsh_error *err);
int eval_arguments(struct scope *scope, const struct policy_step *step, struct arena *arena,
                   struct nsh_value *ret_args, struct nsh_error *err);
void scope_run(struct engine *engine, struct run *run, struct event *ret_event,
               struct scope *ret_scope);
/* policy: of a part, whose events are its own. */
/* A signal of that name is raised on the host; of a domain on one of its hosts, or on itself. */
bool eval_signal(const struct host_state *host, const struct domain_state *domain,
                 struct text name);
bool eval_active(const struct policy *policy, const struct host_state *host,
                 const struct domain_state *domain, struct text pattern);

#include "engine/engine_checks.h"

/* ---- engine_decide.c
 * ----------------------------------------------------------------------------------------------------
 */

void decide(struct engine *engine, struct instance *instance);
void decide_again(struct engine *engine, struct waiting *waiting);
void decide_unseen(struct engine *engine, struct instance *instance, const char *why);
void decide_dropped(struct engine *engine, struct instance *instance, const char *why);

/* ---- engine_run.c
 * ---------------------------------------------------------------------------------------------------------
 */

struct run_order {
    const struct policy *policy;
    const struct policy_set *set;
    struct instance *instance;
    struct host_state *host;
    struct domain_state *domain;
    const char *subject, *alarm, *decision;
    const char *id;    /* NULL: a new one. */
    struct text event; /* Packed. */
    enum severity severity;
    bool pulse;
    const char *refused;            /* Not NULL: why; only `else` is walked. */
    const struct policy_step *only; /* Not NULL: nothing but this step. */
};

struct run *run_new(struct engine *engine, const struct run_order *order);
void run_start(struct engine *engine, const struct run_order *order);
void run_claim(struct engine *engine, struct run *run, enum nsh_effect effect);
void run_cleared(struct engine *engine, struct run *run);
void run_cancel(struct engine *engine, struct run *run, const char *why);
void run_end(struct engine *engine, struct run *run, enum run_state state, const char *reason);
void run_touch(struct engine *engine, struct run *run);
void run_free(struct engine *engine, struct run *run);
void runs_wake(struct engine *engine); /* Those who waited for a run that ended. */
void runs_free_ended(struct engine *engine);
const char *run_state_word(enum run_state state);
int run_state_of(const char *word);
void run_state_set(struct engine *engine, struct run *run, enum run_state state);
void run_otherwise(struct engine *engine, struct run *run, const char *failure);
const struct policy *builtin_brake_policy(void);
const struct policy_step *builtin_page(void);

/* ---- engine_owed.c: words that did not arrive in time ---- */

const struct policy *builtin_owed_policy(void);
const struct policy_step *builtin_owed_step(void);
bool run_is_owed(const struct run *run);
/* A setting or argument is wrong: saying it again does not help. */
bool words_hopeless(const struct action *action);
/* The step of these words fails now: a run of its own says them on. Words only; else nothing. */
void owed_begin(struct engine *engine, const struct action *action);
/* Words of such a run did not arrive: later, or never. The run may be over. Always true. */
bool owed_again(struct engine *engine, struct action *action);
/* A verb of one driver, by a step that says it; NULL: none does. */
const struct verb *owed_verb(const struct engine *engine, const char *name);

const char *run_keep(struct run *run, const char *text); /* A copy in the run's arena. */
bool run_is_over(const struct run *run);

/* ---- engine_step.c: the rungs
 * ------------------------------------------------------------------------------------------------
 */

void step_advance(struct engine *engine, struct run *run);
void step_check(struct engine *engine, struct run *run);
void step_done(struct engine *engine, struct run *run, const char *text);
void step_failed(struct engine *engine, struct run *run, const char *text);
void step_unknown(struct engine *engine, struct run *run, const char *text);
void step_blocked(struct engine *engine, struct run *run, const struct guard_verdict *verdict);
/* Nothing of what it asked for is done: a person said so, or nobody answered. */
void step_denied(struct engine *engine, struct run *run, const char *text, bool person);
void step_retry(struct engine *engine, struct run *run, int64_t delay_ms, const char *text);
const char *step_state_word(enum step_state state);
int step_state_of(const char *word);

void step_skipped(struct engine *engine, struct run *run, const char *text);
/* The alarm is cleared, and the step would change something. */
bool step_cleared_skips(const struct run *run, const struct run_step *step);

/* ---- engine_action.c
 * ------------------------------------------------------------------------------------------------------------
 */

void action_begin(struct engine *engine, struct run *run, struct run_step *step,
                  const struct verb *verb, bool completes);
void action_queue(struct engine *engine, struct action *action);
void actions_release(struct engine *engine); /* What is durable leaves. */
void action_result(struct engine *engine, const struct engine_result *result);
void action_touch(struct engine *engine, struct action *action);
void action_move(struct engine *engine, struct action *action, enum action_state state);
void action_cancel(struct engine *engine, struct action *action, const char *why);
void action_unqueue(struct engine *engine, struct action *action);
struct action *action_new(struct engine *engine, struct run *run, struct run_step *step,
                          const struct verb *verb, const char *id);
void action_ends(struct engine *engine, struct action *action, enum action_state state,
                 const char *text);
const char *action_state_word(enum action_state state);
int action_state_of(const char *word);
bool verb_speaks(const struct verb *verb); /* To people; no host. */

/* ---- engine_reach.c: which of a host's bindings
 * ------------------------------------------------------------------------------------------------------------
 */

/* Who carries it out; false: nobody can, text says why. */
bool reach_choose(struct engine *engine, struct action *action, const char **ret_text);
/* It did certainly nothing: true when the step's next attempt goes by the next binding. Before
 * action_ends. */
bool reach_falls(struct engine *engine, struct action *action);
/* The same for one that this guard did not let go. */
bool reach_falls_unsent(struct engine *engine, struct action *action,
                        const struct guard_verdict *verdict);
/* The binding that a host's verb goes by first. */
enum binding_kind reach_path(const struct host_state *host, const struct verb *verb);

/* ---- engine_verify.c
 * ---------------------------------------------------------------------------------------------------------------
 */

void verify_begin(struct engine *engine, struct action *action);
void verify_result(struct engine *engine, struct action *action,
                   const struct engine_result *result);
void verify_read(struct engine *engine, struct action *action); /* The next reading. */
/* There is nobody to ask any more: as if it did not answer. */
void verify_gone(struct engine *engine, struct action *action);

/* ---- engine_page.c: what a person is told
 * -------------------------------------------------------------------------------------------- */

void page_arguments(struct engine *engine, struct run *run, struct nsh_value *args);

/* ---- engine_record.c
 * -----------------------------------------------------------------------------------------------------------------
 */

void json_comma(struct textbuf *json);                 /* Unless something was just opened. */
void json_raw(struct textbuf *json, const char *name); /* Its name; the value follows. */
void json_text(struct textbuf *json, const char *name, struct text text);
void json_chars(struct textbuf *json, const char *name, const char *chars); /* NULL: "" */
void json_int(struct textbuf *json, const char *name, int64_t value);
void json_bool(struct textbuf *json, const char *name, bool value);
void record_emit(struct engine *engine, const struct record *record);
void records_flush(struct engine *engine);

/* ---- engine_load.c, engine_load_run.c
 * ---------------------------------------------------------------------------------------------------------------------
 */

void load_runs(struct engine *engine);
int load_record(struct engine *engine, const struct record *record, struct nsh_error *err);
void load_finish(struct engine *engine);

/* ---- engine_command.c, engine_plan.c
 * ------------------------------------------------------------------------------------------------------
 */

int command_run(struct engine *engine, const struct engine_command *command, struct nsh_error *err);
void plan_reply(struct engine *engine, struct textbuf *json);
void status_reply(struct engine *engine, struct textbuf *json);

#include "engine/engine_each.h"
#include "engine_approve.h"
#include "engine_lease.h"
#include "engine_series.h"

#endif
