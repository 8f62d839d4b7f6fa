/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_OBJECTS_H
#define ENGINE_ENGINE_OBJECTS_H

/*
 * The engine's objects: hosts and domains, alarms, activations, runs and their actions, freezes,
 * brakes. Part of engine_private.h, which says who owns and moves them.
 */

#include "base/heap.h"
#include "engine/engine.h"
#include "engine/engine_guards.h"
#include "engine/engine_move.h"

#define ID_BYTES 24

struct timer {
    struct heap_node node;
    void (*fire)(struct engine *engine, void *owner);
    void *owner;
};

struct stamp {
    int64_t ms;
    uint64_t action;
};

struct ring {
    struct stamp *items;
    uint32_t count, room;
};

/* Activations that wait for a run to end here. */
struct waiting {
    struct instance *first, *last;
};

struct brake;

struct domain_state {
    char *kind, *name;
    struct text key; /* "rack=r3" */
    uint32_t hosts_count;
    uint32_t recent_count; /* Hosts that broke within the window and no brake explains. */
    uint32_t brakes_inside;
    uint32_t explained; /* Counted when a brake is about to be released. */
    uint32_t runs;      /* Interrupting runs now. */
    struct ring interrupts;
    struct brake *brake;
    struct waiting waiting;
    struct instance *instances, *raising; /* All; active ones whose policy `raises` here. */
    struct host_state **members;          /* Those of the inventory; of domains. */
    uint32_t members_count;
    struct alarm *alarms;           /* Raised ones about the domain itself. */
    struct host_state *owner;       /* Of a part (a disk, an outlet): its host. */
    struct domain_state *part_next; /* Of the same host. */
};

struct host_state {
    char *name;
    struct text key;
    const struct host *host;       /* NULL: not in the inventory. */
    struct domain_state **domains; /* Smallest first. */
    uint32_t domains_count;
    struct ring interrupts;
    struct run *run;
    struct alarm *alarms;
    uint32_t unhealthy; /* Raised alarms that make it so. */
    bool recent;        /* On the list of those that broke within the window. */
    bool counted;       /* ... and in recent_count of its domains. */
    bool dirty;
    int64_t recent_ms;
    struct host_state *recent_previous, *recent_next;
    struct brake *brake; /* Which explains it. */
    struct host_state *brake_next;
    struct waiting waiting;
    struct instance *instances, *raising;
    /* Ladder memory, by chassis serial. */
    char *serial;
    uint32_t runs_count, escalations_count;
    char last_run[ID_BYTES];
    int64_t last_ms;
    struct host_state *dirty_next;
    struct hold *holds;
    struct lease *lease;
    struct domain_state *parts;
    uint32_t parts_count;
    bool expected; /* It was in the inventory that was believed last. */
    struct moved moved;
};

/* A type of event and the policies that may want it. */
struct type_state {
    struct text name;
    const struct policy **policies;
    uint32_t policies_count;
    struct index *index; /* engine_index.h; NULL: all policies are looked at. */
    uint64_t generation; /* Of the policy set it was made for. */
};

/* An alarm and an activation it feeds. */
struct link {
    struct alarm *alarm;
    struct instance *instance;
    bool known;       /* The condition gave true; otherwise it could not be told. */
    uint8_t branch;   /* Of a trigger that has several. */
    int64_t since_ms; /* True since, by the source's time. */
    struct link *alarm_next, *instance_next;
};

struct alarm {
    char id[ID_BYTES];
    struct text key; /* host, resource, type, qualifier */
    struct host_state *host;
    struct domain_state *domain; /* Without a host: what it is about, if that is a domain. */
    struct text host_name, type, resource, qualifier; /* In one block with key. */
    struct type_state *type_state;
    char *source, *name, *message;
    char *seconded; /* Another source that raised it too; NULL: none. */
    enum severity severity;
    bool raised, unhealthy, dirty, soon;
    uint64_t count, seq, content;
    int64_t raised_ms, changed_ms, cleared_ms, written_ms;
    int64_t raise_at, clear_at; /* By the source's time. */
    struct link *links;
    struct alarm *host_previous, *host_next;
    struct alarm *dirty_next, *gone_previous, *gone_next, *soon_next;
    bool gone;
};

enum instance_state { INST_IDLE, INST_PENDING, INST_SETTLING, INST_DEFERRED, INST_ACTIVE };
enum level { LEVEL_FALSE, LEVEL_UNKNOWN, LEVEL_TRUE };

struct window_entry {
    int64_t at;
    uint64_t distinct, group; /* 0: not asked for. */
};

/* One policy on one subject. */
struct instance {
    struct text key;     /* policy, subject */
    struct text subject; /* In key: "r1h05", "rack=r3" */
    const struct policy *policy;
    uint32_t place;              /* Maybe that of the policy in a type's list: engine_index.c. */
    struct host_state *host;     /* The subject, when it is a host. */
    struct domain_state *domain; /* The subject, when it is a domain. */
    uint64_t number;
    enum instance_state state;
    enum level level;
    bool pulse, keeping, dirty, stored;
    bool unwatched; /* It waits, and was not seen again since a restart or a sleep. */
    struct link *links;
    struct timer timer, keep_timer, window_timer, forget_timer;
    int64_t since_ms; /* Known true since. */
    int64_t held_ms;  /* Known true before that. */
    int64_t unknown_ms;
    int64_t once_ms; /* Last run or refusal; INT64_MIN: never. */
    int64_t lag_ms;  /* How old the newest matching event was when it came. */
    int64_t decided_ms;
    int64_t keep_until_ms; /* keeping: until then. */
    struct window_entry *window;
    uint32_t window_count, window_room;
    struct operator_state *op;   /* engine_operator.h; NULL: nothing to remember. */
    struct series_state *series; /* engine_series.h; NULL: no samples. */
    int64_t metric_ms;           /* When its trigger was last asked of a sample; 0: not known. */
    struct matched *matched;     /* engine_matched.c; NULL: nobody wants them. */
    uint8_t *event;              /* Packed: the last one that matched. */
    size_t event_bytes, event_room;
    char alarm[ID_BYTES];
    char decision[ID_BYTES];
    struct run *run;
    struct waiting *waiting;
    struct instance *wait_previous, *wait_next;
    struct instance *raising_next, *subject_next, *subject_previous;
    bool raising;
    struct instance *dirty_next;
};

enum run_state {
    RUN_WAITING,
    RUN_RUNNING,
    RUN_VERIFYING,
    RUN_DONE,
    RUN_ESCALATED,
    RUN_REFUSED,
    RUN_EXPIRED,
    RUN_CANCELLED,
    RUN_STATES_COUNT
};

enum step_state { STEP_TODO, STEP_RUNNING, STEP_OK, STEP_FAILED, STEP_SKIPPED, STEP_REFUSED };

/* One of a step with `each`. */
struct run_item {
    const char *name;
    struct host_state *host; /* Its target; NULL: it names no host. */
    struct nsh_value value, result;
    enum step_state state;
    const char *text;
    char run[ID_BYTES];
    struct run *child; /* While it lives. */
    bool did;
    enum binding_kind via; /* What its action went by. */
};

struct run_step {
    const struct policy_step *step;
    const struct run_step *source; /* Of an undo: what it takes back. */
    struct run_item *items;
    uint32_t items_count;
    int64_t waits_ms; /* Since when the next item waits; 0: it does not. */
    bool did;         /* Its action is known to be done. */
    bool silent;      /* Its last attempt looked for the host, and found it silent. */
    enum step_state state;
    const char *text; /* In the run's arena; NULL: none. */
    int64_t started_ms, ended_ms;
    char action[ID_BYTES];
    struct nsh_value result;
    uint32_t attempts, completions;
    uint32_t way; /* Which of the host's bindings carries it out; 0: the first. */
    enum binding_kind via;
    const char *instead; /* Why not the first. */
};

#define RUN_STEPS_MAX (3 * POLICY_STEPS_MAX + 1)
#define RUN_ACTIONS_MAX 1024 /* Attempts of one run. */

struct run {
    char id[ID_BYTES];
    uint64_t number;
    struct arena arena;
    const struct policy *policy;
    const struct policy_set *set; /* NULL: a built-in policy. */
    const char *policy_name;      /* Own copy: outlives the set. */
    uint64_t policy_revision;
    enum policy_mode mode;
    struct instance *instance;
    struct host_state *host;
    struct domain_state *domain; /* Subject, when it is one. */
    const char *subject;
    char alarm[ID_BYTES];
    char decision[ID_BYTES];
    enum severity severity;
    enum run_state state;
    bool otherwise;    /* In `else`. */
    bool interrupting; /* Counts for concurrency. */
    bool cleared;      /* The activation ended. */
    bool pulse;
    bool effects, interrupted; /* Something was done; something interrupting was. */
    bool refused;              /* Began with a refusal: only `else`. */
    bool quiet; /* Its end needs no page: a brake's page or a person's freeze says it. */
    bool told;  /* A page, notice or ticket left. */
    bool owes;  /* Words of it are said on by a run of their own. */
    bool default_page;
    bool advancing, dirty, ended, woken, orphan;
    /* Those of do, of else, the built-in page, what undoes those of do (the last first). */
    struct run_step *steps;
    uint32_t steps_count, do_count, at;
    uint32_t page_at, undo_first;
    bool undoing, undone;
    enum run_state after; /* What comes when it is undone; RUN_RUNNING: else. */
    const char *after_reason;
    struct run *parent; /* Of one item of a step with `each`. */
    char parent_id[ID_BYTES];
    uint32_t item, children;
    struct nsh_value item_value;
    const char *reason, *failure, *failed_step, *failed_error, *cancel;
    const char *lost; /* Why it cannot go on: only what is in doubt is resolved. */
    int64_t started_ms, ended_ms, activity_ms;
    struct text event;    /* Packed, in the arena. */
    struct text *matched; /* The same: all that made it begin. */
    uint32_t matched_count;
    struct timer timer;
    struct gate *gate;     /* Of the step that asks; in the arena. */
    struct action *action; /* The one in progress. */
    struct action *actions, *actions_last;
    uint32_t actions_count;
    struct run *previous, *next, *dirty_next, *ended_next;
};

enum action_state {
    ACTION_INTENDED,
    ACTION_SENT,
    ACTION_UNKNOWN,
    ACTION_VERIFYING,
    ACTION_DONE,
    ACTION_VERIFIED,
    ACTION_FAILED,
    ACTION_REFUSED,
    ACTION_CANCELLED,
    ACTION_STATES_COUNT
};

struct action {
    char id[ID_BYTES];
    char call[ID_BYTES + 8]; /* The call that is out or wanted: the id, or "id.3" for a reading. */
    uint64_t number;
    struct run *run;
    struct run_step *step;
    const struct verb *verb;
    const char *driver;
    enum binding_kind binding; /* Who carries it out. */
    const char *instead;       /* Which bindings before did nothing, and why; NULL: the first. */
    enum action_state state;
    struct nsh_value args;
    uint64_t needs; /* Record that must be durable; UINT64_MAX: not written yet. */
    bool queued;    /* Waits for it. */
    bool out;       /* A call is at the driver. */
    bool reading;   /* ... and only reads, to verify. */
    bool doubt;     /* Whether it took effect is not known. */
    bool undone;    /* It surely did nothing, or the last reading says so. */
    bool stamped;   /* Counted in the budgets. */
    bool proven_once;
    bool completes; /* Finishes another one. */
    bool dirty;
    uint32_t reads;
    int code;
    const char *doomed; /* The driver itself said it did not work. */
    const char *text, *trace;
    const char *seen; /* What the last reading said. */
    uint32_t attempt;
    int64_t sent_written_ms; /* Of the newest record, when that said `sent`. */
    int64_t intended_ms, sent_ms, ended_ms, deadline_ms, off_ms, retry_after_ms;
    uint32_t timeout_ms;
    struct timer timer;
    struct action *next, *queue_next, *dirty_next;
};

struct freeze {
    char id[ID_BYTES];
    char *scope, *kind, *name, *owner,
        *reason;   /* kind "all", "host", "rack" ...; name NULL for all */
    char *policy;  /* Whose `hold` it is; NULL: a person's freeze, which stops everything. */
    char *actions; /* Of a hold: globs of verbs with a blank between; NULL: all. */
    int64_t since_ms, expires_ms;
    bool ended, dirty;
    const struct host_state *follows; /* While an inventory is taken: whose name it takes. */
    struct timer timer;
    struct freeze *next;
};

struct brake {
    char id[ID_BYTES];
    uint64_t number;
    struct domain_state *domain;
    char *domain_key;
    char *reason;
    int64_t since_ms;
    struct host_state *hosts; /* Those it explains. */
    uint32_t hosts_count, hosts_most;
    bool paged, page_wanted, released, dirty, releasing;
    struct domain_state *wider[HOST_DOMAINS_MAX + 2];
    uint32_t wider_count;
    struct timer page_timer, release_timer;
    struct brake *next;
};

struct seen {
    uint64_t hash;
    int64_t ms;
};

struct seen_slot {
    uint32_t index; /* 1 + where in the ring; 0: empty. */
    uint32_t check; /* Of the same event: most others are told apart without a look at the ring. */
};

/* The last events by (source, id): a ring in order of arrival and slots that find in it. */
struct dedup {
    struct seen *ring;
    struct seen_slot *slots;
    uint32_t room, first, count, slots_count;
};

/* Policy sets that something still refers to. */
struct set_use {
    const struct policy_set *set;
    uint32_t runs;
};

#define SETS_MAX 64 /* A run may wait for a window for weeks. */

#endif
