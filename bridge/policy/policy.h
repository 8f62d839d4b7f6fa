/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

/*
 * libconfig text -> a checked, immutable policy set, or diagnostics: all of them, each with its
 * place. The format: policies/LANGUAGE.md. The set borrows nothing but its own arena.
 */

#include "base/confscan.h"
#include "base/diag.h"
#include "base/map.h"
#include "cel/cel.h"
#include "model/event.h"
#include "model/verb.h"
#include "policy/policy_calendar.h"

enum policy_mode { POLICY_OBSERVE, POLICY_SUGGEST, POLICY_APPROVE, POLICY_ENFORCE };
enum policy_on_fail { ON_FAIL_ELSE, ON_FAIL_CONTINUE, ON_FAIL_STOP };

/*
 * Subjects: what a policy has one state and one run for. A host; or a failure domain named by its
 * kind ("rack", "feed", "pool", "site"): the event's host says which, or the event's subject
 * ("rack=r3"); or a part of a host ("disk", "outlet"): the event's resource says which.
 */
bool policy_subject_is_part(const char *subject);

/* Names or globs, as they were written. */
struct policy_names {
    const char *const *items;
    size_t count;
};
bool policy_names_match(const struct policy_names *names, struct text name);
bool policy_names_same(const struct policy_names *x, const struct policy_names *y);

struct policy_condition {
    struct cel_program *program; /* NULL: always true. */
    const char *source;          /* Canonical text, for explanations. */
    struct nsh_place at;
};

/* A text with ${...}: pieces of literal text and programs in turn. */
struct policy_template {
    const char *name;         /* The argument's name. */
    struct nsh_value literal; /* When pieces_count is 0. */
    /* Only one piece, a program: the argument has its type. Else all are joined to a text. */
    const struct policy_piece {
        const char *text;            /* Literal piece, or NULL. */
        struct cel_program *program; /* Or this. */
    } * pieces;
    size_t pieces_count;
};

enum policy_step_kind { STEP_ACT, STEP_CHECK, STEP_WAIT, STEP_WINDOW, STEP_ASK };

#define POLICY_ASK_BY_MAX 16
#define POLICY_ASK_COUNT_MAX 8

enum policy_on_timeout { ON_TIMEOUT_DENY, ON_TIMEOUT_ALLOW };

/* `approve` and `veto`: a person must say yes, or may say no. */
struct policy_ask {
    const char *by[POLICY_ASK_BY_MAX]; /* Users, groups, tokens. */
    size_t by_count;                   /* 0: every operator. */
    uint32_t count;                    /* So many different persons. */
    int64_t timeout_ms;                /* veto: the window. */
    enum policy_on_timeout on_timeout;
    struct policy_condition ask_if; /* Asked only when this is true, or not known. */
    const struct verb *tell;        /* Words to people when it begins; NULL: none. */
    const struct verb *verb;        /* What it is about; NULL: the steps below. */
    bool veto;
    bool of_mode;  /* There because of mode approve: in any other mode nobody is asked. */
    uint32_t skip; /* So many steps after it are what it is about; 0: it is a step of its own. */
};

struct policy_step {
    const char *name;
    enum policy_step_kind kind;
    const struct verb *verb; /* STEP_ACT. */
    const struct policy_template *with;
    size_t with_count;
    struct policy_condition run_if; /* `if` */
    struct policy_condition check;  /* STEP_CHECK. */
    int64_t within_ms, every_ms;    /* STEP_CHECK. */
    int64_t wait_ms;                /* STEP_WAIT. */
    int64_t timeout_ms;             /* STEP_ACT; 0: the verb's default. STEP_WINDOW: at most. */
    uint32_t calendar; /* 1 + its index. STEP_WINDOW: until it is open. STEP_ACT: only then. */
    const char *calendar_name;
    int64_t need_left_ms; /* And stays so for this long. */
    uint32_t retries;
    bool first_only; /* `fallback` = false: no other binding, whatever the inventory permits. */
    int64_t retry_delay_ms;
    enum policy_on_fail on_fail;          /* In `else` never ON_FAIL_ELSE. */
    bool need;                            /* STEP_CHECK. */
    const struct policy_condition *needs; /* STEP_ACT: all true right before it. */
    size_t needs_count;
    struct policy_condition each; /* A list: the action once for each item; NULL program: once. */
    struct cel_type item_type;
    uint32_t parallel;                       /* So many at once; 0: one. */
    const struct policy_step *undo;          /* What takes it back, or NULL. */
    const struct policy_ask *ask;            /* STEP_ASK. */
    const struct policy_ask *tells;          /* STEP_ACT: says that this is about to be asked. */
    const struct policy_ask *approve, *veto; /* As read; of a step that acts: steps before it. */
    struct nsh_place at;
};

#define POLICY_METRICS_MAX 128
#define POLICY_METRIC_NAME_BYTES_MAX 63
#define POLICY_METRIC_UNIT_BYTES_MAX 15
#define POLICY_SERIES_MAX 8     /* Metrics one policy looks at. */
#define POLICY_SAMPLES_MAX 4096 /* Of one window. */

/* A metric of the catalogue: samples come as events of type POLICY_SAMPLE_TYPE with data.metric
 * and data.value. */
#define POLICY_SAMPLE_TYPE "metric.sample"

struct policy_metric {
    char name[POLICY_METRIC_NAME_BYTES_MAX + 1];
    char unit[POLICY_METRIC_UNIT_BYTES_MAX + 1];
    int64_t interval_ms; /* A sample is expected so often. */
    bool counter;        /* It only grows, and begins anew. */
};

/* What a policy looks at: the longest window of a metric; 0: its newest sample only. */
struct policy_series {
    const struct policy_metric *metric; /* Of the set's defaults. */
    int64_t window_ms;
};

/* What makes a trigger true. */
enum policy_trigger {
    TRIGGER_EVENT,    /* `event`, `if`, `count`: when->events and condition. */
    TRIGGER_ABSENT,   /* No event of the first branch for absent_ms. */
    TRIGGER_ALL,      /* Every branch, no more than within_ms apart. */
    TRIGGER_ANY,      /* Some branch. */
    TRIGGER_SEQUENCE, /* The branches in their order, in less than within_ms; none that ends it. */
    TRIGGER_WITHOUT,  /* The first branch, and none that ends it within within_ms. */
};

/* One condition of a trigger that has several. */
struct policy_branch {
    const char *const *events; /* Type names or globs. */
    size_t events_count;
    enum severity severity_min;
    struct policy_names from;          /* Sources of events; none: any. */
    struct policy_condition condition; /* `if` */
    const char *metric;                /* Samples of this instead of events. */
    bool ends;                         /* `unless` of a sequence, `without`. */
    struct nsh_place at;
};

#define POLICY_BRANCHES_MAX 16

struct policy_when {
    enum policy_trigger trigger;
    const char *const *events; /* Type names or globs; those of all branches. */
    size_t events_count;
    enum severity severity_min;
    struct policy_names from;          /* Sources of events; none: any. */
    const char *metric;                /* Samples of this instead of events. */
    struct policy_condition condition; /* `if` */
    struct policy_condition clear;     /* Once true: until `if` is false and this is true. */
    int64_t for_ms, settle_ms, keep_ms;
    uint32_t count; /* 0: not counted. */
    int64_t within_ms;
    struct policy_condition distinct; /* Counted once per value; program NULL: every event. */
    struct policy_condition by;       /* Counted apart per value; program NULL: together. */
    bool updates;                     /* A repeated raise occurs again. */
    int64_t absent_ms;
    struct policy_condition expect; /* TRIGGER_ABSENT: armed where this is true. */
    int64_t stale_after_ms;         /* Unknown for so long: dropped. -1: the default. */
    const struct policy_branch *branches;
    size_t branches_count; /* 0: TRIGGER_EVENT. */
};

/* Limits a policy sets for itself; -1 or NULL: the site's. */
struct policy_limits {
    int64_t once_within_ms;
    struct policy_concurrent {
        const char *kind; /* "rack", "pool", "site", "feed" */
        uint32_t count;
    } concurrent[8];
    size_t concurrent_count;
    struct policy_rate {
        const char *kind; /* "host", "rack", "pool", "site" */
        uint32_t count;
        int64_t window_ms;
    } rates[12];
    size_t rates_count;
    uint32_t witnesses;  /* 0: the site's. */
    uint32_t keep_ready; /* Percent of the host's pool; 0: the site's. */
};

/* What no other policy may do to the subject for a time, from the decision on. */
struct policy_hold {
    struct policy_names actions; /* None: nothing at all. */
    int64_t for_ms;
};

struct policy {
    const char *name, *summary, *owner, *subject, *raises;
    const char *file;
    struct nsh_place at;
    enum policy_mode mode;
    struct policy_when when;
    const struct policy_condition *unless;
    size_t unless_count;
    struct policy_limits limits;
    struct policy_names tags, deny; /* deny: verbs that no step of it may name. */
    const struct policy_hold *hold; /* NULL: none. */
    uint32_t calendar;              /* 1 + the index of the one that must be open; 0: none. */
    const char *calendar_name;
    bool names_matched;                      /* Some step asks for `matched`. */
    const struct policy_ask *approve, *veto; /* Before the first step. */
    const struct policy_step *steps;
    size_t steps_count;
    const struct policy_step *otherwise; /* `else` */
    size_t otherwise_count;
    struct policy_series series[POLICY_SERIES_MAX]; /* Metrics that any of its conditions names. */
    size_t series_count;
    struct policy_places {
        struct nsh_place name, settle, within; /* Of the values; file NULL: not written. */
    } places;
    uint64_t revision; /* Hash of the canonical text. */
    uint32_t index;
};

#define POLICY_SILENCES_MAX 16

/* A source that should speak: a glob over the sources of events, and how long it may be silent. */
struct policy_silence {
    char source[64];
    int64_t after_ms;
};

/* May a host be switched on that nobody holds off (power came back), or only nightshift's own? */
enum policy_power_on { POLICY_POWER_ON_FREE, POLICY_POWER_ON_OWN };

/* Guards that a policy can only tighten, and where nightshift.conf says them. */
enum policy_guard {
    POLICY_GUARD_RATES_HOST,
    POLICY_GUARD_RATES_RACK,
    POLICY_GUARD_RATES_POOL,
    POLICY_GUARD_RATES_SITE,
    POLICY_GUARD_CONCURRENT_RACK,
    POLICY_GUARD_CONCURRENT_SITE,
    POLICY_GUARD_WITNESSES,
    POLICY_GUARD_WORST,
    POLICY_GUARD_KEEP_READY,
    POLICY_GUARDS_PLACED
};

/* The site's guards (nightshift.conf, group `guards`) with their defaults of design section 6. */
struct policy_guards {
    uint32_t host_interrupts_max;                       /* 2 interrupting actions per host ... */
    int64_t host_interrupts_ms;                         /* ... in 24 h, then a person. */
    uint32_t pool_percent_max;                          /* 5 % of a pool at once, at least one. */
    uint32_t rack_concurrent_max;                       /* 1 */
    uint32_t site_concurrent_max;                       /* 10 */
    uint32_t site_10min_max, site_1h_max, site_24h_max; /* 10, 30, 100 interrupting actions. */
    uint32_t pool_10min_max, pool_1h_max, pool_24h_max; /* 0: as pool_percent. 3, 10, 30 */
    uint32_t rack_10min_max, rack_1h_max, rack_24h_max; /* 2, 4, 10 */
    uint32_t brake_hosts_min;                           /* 3 */
    uint32_t brake_percent;                             /* 20 */
    int64_t brake_window_ms;   /* Alarms raised within this long of each other: 5 min. */
    int64_t brake_hold_ms;     /* Stays on this long after it is no longer true: 10 min. */
    int64_t intent_max_age_ms; /* 10 min */
    int64_t event_max_age_ms;  /* 10 min */
    int64_t cooldown_ms;       /* once_within default: 1 h */
    int64_t queue_ms;          /* A deferred run waits at most: 10 min. */
    struct policy_silence silences[POLICY_SILENCES_MAX];
    uint32_t silences_count;
    uint32_t shrink_percent; /* 20 % of the hosts: an inventory that lost more is not believed. */
    enum policy_power_on power_on;
    uint32_t witnesses;          /* 2 signs on different paths before off, fence, destroy. */
    uint32_t keep_ready;         /* Percent of a pool that must stay ready; 0: not asked. */
    uint32_t ladder_runs_max;    /* 5 interrupting runs of a chassis ... */
    int64_t ladder_ms;           /* ... in 21 days, then a person. */
    uint32_t breaker_failures;   /* 5 in a row: the endpoint is left alone ... */
    int64_t breaker_open_ms;     /* ... for 30 s, twice as long each time ... */
    int64_t breaker_open_ms_max; /* ... up to 10 min. */
    uint32_t worst_rack_max, worst_pool_max, worst_site_max; /* 4, 10, 20 hosts in 10 min. */
    char file[256];                                          /* Where they are said; "": nowhere. */
    uint32_t lines[POLICY_GUARDS_PLACED];                    /* 0: not said. */
    uint32_t freeze_calendars; /* Bits: while one of them is open nothing is changed. */
};

#define POLICY_FUNCTIONS_MAX 256
#define POLICY_FUNCTIONS_DRIVER "functions" /* What their verbs name as their driver. */

/* `functions` of nightshift.conf: what a policy says as it says a driver's verb. */
struct policy_declared {
    struct nsh_verb verb; /* Its name, effect, proof, time-out, and what it takes. */
    bool restores;
    const char *driver; /* What carries it out, and the settings of that. */
    struct nsh_value settings;
    struct nsh_place at;
};

struct policy_defaults {
    enum policy_mode mode;   /* POLICY_OBSERVE: new policies start there. */
    bool asks_always;        /* For rehearsals: the gate of mode approve is there in any mode. */
    int64_t step_timeout_ms; /* Already in the steps that say nothing. 0: the driver's, by verb. */
    uint32_t step_retries;   /* The same. */
    int64_t step_retry_delay_ms;
    int64_t settle_ms;
    int64_t stale_after_ms; /* What waits and is not known for so long is dropped: 5 min. */
    struct policy_guards guards;
    struct policy_calendars calendars; /* The site's. */
    struct policy_metric metrics[POLICY_METRICS_MAX];
    size_t metrics_count;
    const struct policy_declared *functions; /* Memory of whoever read them; a set keeps none. */
    size_t functions_count;
};

enum policy_worst_kind {
    POLICY_WORST_RACK,
    POLICY_WORST_POOL,
    POLICY_WORST_SITE,
    POLICY_WORST_COUNT
};

#define POLICY_WORST_NAMED_MAX 10 /* Policies that the refusal of a set names. */

/* When everything breaks at once: so many hosts of one domain are interrupted within 10 min. */
struct policy_worst {
    const char *kind;
    uint32_t hosts, limit;
    bool by_guard; /* What bounds it: the site's guards, or the limits of the policies. */
};

struct policy_set {
    struct arena arena;
    struct policy_defaults defaults;
    const struct cel_zone *zones[CALENDARS_MAX]; /* Of the calendars. */
    const struct policy *policies;
    size_t policies_count;
    const struct verb *functions; /* Those that were declared, whether or not a policy says them. */
    size_t functions_count;
    struct map by_name;
    struct map by_event;               /* Exact event type -> struct policy_list. */
    struct map by_metric;              /* Metric -> struct policy_list. */
    const struct policy *const *globs; /* Those with a glob: looked at for every new alarm. */
    size_t globs_count;
    uint64_t revision;
    struct policy_worst worst[POLICY_WORST_COUNT];
};

struct policy_list {
    const struct policy **items;
    size_t count, room;
};

#define POLICIES_MAX 20000
#define POLICY_STEPS_MAX 64
#define POLICY_EACH_MAX 256 /* Items of one step; more is no target, but a mistake. */
#define POLICY_PARALLEL_MAX 64
#define POLICY_RETRIES_MAX 10

struct policy_defaults policy_defaults_builtin(void);
/* `defaults`, `guards` and `calendars` of nightshift.conf. */
void policy_defaults_read(struct conf *root, struct policy_defaults *defaults, struct diags *diags);
/* `functions`, into arena; those that defaults has already stay when root says none. */
void policy_functions_read(struct conf *root, struct arena *arena, struct policy_defaults *defaults,
                           struct diags *diags);
const struct policy_declared *policy_function_find(const struct policy_defaults *defaults,
                                                   struct text name);
struct verb policy_function_verb(const struct policy_declared *function);
/* A verb of the vocabulary, or a function of the set; NULL: neither. */
const struct verb *policy_set_verb(const struct policy_set *set, struct text name);

/*
 * Load every *.policy of a folder (or one file). NULL when diags got an error. extra_verbs: the
 * verbs of the loaded drivers ("redfish.set_power_limit"), or NULL.
 */
struct policy_set *policy_load(const char *path, const struct policy_defaults *defaults,
                               const struct verb *extra_verbs, size_t extra_verbs_count,
                               struct diags *diags);
/* Several files or folders as one set. */
struct policy_set *policy_load_files(const char *const *paths, size_t paths_count,
                                     const struct policy_defaults *defaults, struct diags *diags);
struct policy_set *policy_load_text(const char *name, const char *text,
                                    const struct policy_defaults *defaults, struct diags *diags);
void policy_set_free(struct policy_set *set);
/* For rehearsals, where nothing real is touched: as if every policy had said this mode. */
void policy_set_mode(struct policy_set *set, enum policy_mode mode);

/* ",\"worst_case\":[...]", and one line for people. */
void policy_add_worst(struct textbuf *out, const struct policy_set *set);
void policy_worst_words(struct textbuf *out, const struct policy_set *set);
/* Where nightshift.conf says it; file NULL: nowhere, it is built in. */
struct nsh_place policy_guard_place(const struct policy_guards *guards, enum policy_guard guard);

/* A JSON object but for its closing brace: the caller may add members. */
void policy_add_json(struct textbuf *out, const struct policy *policy, bool details);

/*
 * The text of policies or of their tests in its form: blanks and indentation, nothing else. The
 * result formatted again is itself. False: brackets too deep, a text or comment without
 * an end, or no memory.
 */
bool policy_format(const char *text, struct textbuf *out);

/* The same trigger: what it remembers is kept over a reload. */
bool policy_series_same(const struct policy *x, const struct policy *y); /* The same rings. */
bool policy_when_same(const struct policy_when *x, const struct policy_when *y);

bool policy_takes_down(const struct policy *policy); /* A step interrupts, or destroys. */

const char *policy_mode_word(enum policy_mode mode);
int policy_mode_of(struct text word); /* enum policy_mode, or -1 */

/* ---- the names conditions may use; the engine supplies them by these indexes
 * ---------------------------------- */

/*
 * Texts for what is text; severities are numbers (model/severity.def); times are RFC 3339 texts
 * ("2026-03-02T10:00:00.000Z": timestamp(event.time)). A field that is not known is "" or absent.
 *
 * What a condition may name grows: `when` and `unless` see the first part, steps also the second,
 * steps of `else` all.
 */
enum policy_variable {              /* env->variables */
                       VAR_EVENT,   /* id source type subject time severity state host resource
                                       qualifier name   message data: what the source sent, a map */
                       VAR_HOST,    /* As the inventory has it (model/host.h, record): id name role
                                       rack site room    row pool serial uuid maintenance quorum labels
                                       addresses */
                       VAR_SUBJECT, /* name kind */
                       VAR_POLICY,  /* name owner mode summary */
                       VAR_ALARM,   /* id type severity resource count raised text */
                       VAR_INFO,    /* int: the severities */
                       VAR_WARNING,
                       VAR_MINOR,
                       VAR_MAJOR,
                       VAR_CRITICAL,
                       VAR_FATAL,
                       VAR_SELF, /* The subject by its own name (rack, disk ...), unless it is a
                                    host: name kind hosts, of parts also host */
                       POLICY_WHEN_VARIABLES,
                       VAR_RUN = POLICY_WHEN_VARIABLES, /* id attempt */
                       VAR_STEPS,   /* One member for each step that ended: ok error result */
                       VAR_CLEARED, /* bool: this activation has ended */
                       VAR_MATCHED, /* The events that made the condition true: a list */
                       VAR_HOSTS,   /* Those of the subject: a list of what VAR_HOST has */
                       VAR_ITEM,    /* In `with` and `need` of a step with `each` only */
                       POLICY_STEP_VARIABLES,
                       VAR_FAILED = POLICY_STEP_VARIABLES, /* step error */
                       VAR_FAILURE,                        /* string: "step cycle failed: ..." */
                       POLICY_VARIABLES_COUNT
};

enum policy_function {                 /* env->functions */
                       FN_ACTIVE,      /* active(string type) -> bool: raised on the subject or on a
                                          domain it is in; globs allowed; the argument is a literal */
                       FN_IN_CALENDAR, /* in_calendar(string name) -> bool: that calendar of the
                                          site is open now; a literal too */
                       FN_SIGNAL,      /* signal(string name) -> bool: that signal (`signals` of
                                          nightshift.conf) is raised on the subject; globs allowed */
                       /* Of samples of the subject: (metric[, window[, ahead]]) -> double, all
                          literals; unknown with too few samples. */
                       FN_METRIC,
                       FN_AVG_OVER,
                       FN_MIN_OVER,
                       FN_MAX_OVER,
                       FN_RATE_OVER,
                       FN_DELTA_OVER,
                       FN_PREDICT,
                       FN_ANOMALY,
                       POLICY_FUNCTIONS_COUNT
};

/* All of them: what steps of `else` see. */
const struct cel_env *policy_env(void);

#endif
