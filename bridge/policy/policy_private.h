/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_POLICY_PRIVATE_H
#define POLICY_POLICY_PRIVATE_H

/* What the files of this room share while a set is loaded. */

#include "policy/policy.h"
#include "policy/policy_keys.h"

/* Which part of POLICY_VARIABLES a text may name. */
enum policy_scope { SCOPE_WHEN, SCOPE_STEP, SCOPE_ELSE, SCOPES_COUNT };

#define POLICY_NAME_BYTES_MAX 64
#define POLICY_TEXT_BYTES_MAX 1024
#define STEP_NAMES_MAX (2 * POLICY_STEPS_MAX)
#define POLICY_EVENTS_MAX 64 /* Types one policy listens to. */
#define POLICY_UNLESS_MAX 32
#define POLICY_PIECES_MAX 64 /* Of one template. */
#define POLICY_ARGS_MAX 32   /* Of one step. */
#define POLICY_FILES_MAX 20000
#define POLICY_ARENA_BYTES_MAX ((size_t)1 << 30)

struct policy_loader {
    struct policy_set *set;
    struct arena *arena;  /* The set's. */
    struct arena scratch; /* Of the file that is read. */
    struct diags *diags;
    const struct policy_calendars *calendars; /* While defaults are read. */
    const struct policy_declared *functions;  /* The site's. */
    size_t functions_count;
    const struct verb *extra_verbs;
    size_t extra_verbs_count;
    struct map verbs;        /* Those of drivers that are used: name -> struct verb of the set. */
    const char **verb_names; /* For did-you-mean, NULL-terminated. */
    struct map texts;        /* Texts kept in the set: equal ones once. */
    struct map names;        /* Policy name -> its struct nsh_place */
    struct arena keys;       /* Of the two below. */
    struct map envs;         /* Scope, type and names of steps -> struct cel_env of the set. */
    struct map types;        /* Event type -> its event_type_nearest(), or itself. */
    struct map programs;     /* Environment and source -> struct cel_program of the set. */
    struct policy *policies;
    size_t policies_count, policies_room;
    struct policy_mention *mentions; /* Event types that no table or source gives; newest first. */
    size_t mentions_count;
    bool no_memory;

    /* The policy that is read. */
    struct policy *policy;
    enum policy_scope scope;
    const char *subject;              /* Its kind, wherever the key stands; NULL: not known. */
    const struct cel_type *item_type; /* Of `item`, where it is known. */
    const char *step_names[STEP_NAMES_MAX]; /* Those that stand before, for `steps.NAME`. */
    size_t step_names_count;
    struct conf *interrupts; /* `action` of the first step that takes a host down. */
    bool verified;           /* A check stands after it. */
};

/* ---- policy_env.c ---- */

/* wanted: CEL_BOOL or CEL_DYN. */
const struct cel_env *policy_scope_env(enum policy_scope scope, enum cel_kind wanted);
/* The same, with `steps` as a record of the named steps; in the set's arena. NULL: out of memory.
 */
const struct cel_env *policy_steps_env(struct policy_loader *loader, enum cel_kind wanted);

/* The kind of subject of that name; NULL: there is none. */
const char *policy_subject_word(struct text word);
/* The subject has a variable of its own: `rack`, `disk` ... */
bool policy_has_own_name(const struct policy_loader *loader);

/* ---- policy_text.c: conditions and templates ---- */

void policy_condition_read(struct policy_loader *loader, struct conf *setting,
                           struct policy_condition *condition);
/* The same for a value of any type. */
void policy_value_read(struct policy_loader *loader, struct conf *setting,
                       struct policy_condition *condition);
/* A setting of `with`. */
void policy_template_read(struct policy_loader *loader, struct conf *setting,
                          struct policy_template *template);

/* ---- policy_lint.c: what is allowed, and probably not meant ---- */

/* Types named where; kept until the whole set is known, since a policy may raise them. */
#define POLICY_MENTIONS_MAX 20000
void policy_type_mention(struct policy_loader *loader, struct nsh_place at, struct text type);
/* Of one policy, while its settings are there; and where its values stand. */
void policy_lint_read(struct policy_loader *loader, struct conf *group);

/* ---- policy_lint_set.c: what policies are to each other ---- */

void policy_lint_set(struct policy_loader *loader);

/* ---- policy_steps.c ---- */

/* A list of steps; the loader's scope says which. */
void policy_steps_read(struct policy_loader *loader, struct conf *list, void *policy);
void policy_else_read(struct policy_loader *loader, struct conf *list, void *policy);

/* The verb that setting names; NULL after a diagnostic. */
const struct verb *policy_verb(struct policy_loader *loader, struct conf *setting);
/* A verb of a driver or a function, kept in the set: the caller's table need not outlive the
 * loading. */
const struct verb *policy_keep_verb(struct policy_loader *loader, const struct verb *verb);

/* ---- policy_stance.c: what a policy says beside its trigger and its steps ---- */

void policy_tags_read(struct policy_loader *loader, struct conf *setting, void *policy);
void policy_deny_read(struct policy_loader *loader, struct conf *setting, void *policy);
void policy_hold_read(struct policy_loader *loader, struct conf *setting, void *policy);
/* A key that the language will have; said instead of "unknown". */
void policy_tell_choose(struct policy_loader *loader, const struct conf *setting);
/* names: a struct policy_names. */
void policy_from_read(struct policy_loader *loader, struct conf *setting, void *names);
/* When the whole of it is read: no step of it does what it denies. */
void policy_deny_check(struct policy_loader *loader, struct conf *group);

/* ---- policy_ladder.c: keys of steps ---- */

void policy_each_read(struct policy_loader *loader, struct conf *setting, struct policy_step *step);
void policy_need_read(struct policy_loader *loader, struct conf *setting, void *object);
/* When the rest of the step is read. */
void policy_undo_finish(struct policy_loader *loader, struct conf *group, struct policy_step *step);

/* ---- policy_words.c ---- */

/* usual: what a failure leads to without a word. */
void policy_step_words(struct textbuf *words, const struct policy_step *step,
                       enum policy_on_fail usual);
void policy_branch_words(struct textbuf *words, const struct policy_when *when,
                         const struct policy_branch *branch);
void policy_hold_words(struct textbuf *words, const struct policy_hold *hold);

/* ---- policy_ask.c ---- */

/* `approve`, `veto`; NULL after a diagnostic. */
const struct policy_ask *policy_approve_read(struct policy_loader *loader, struct conf *setting);
const struct policy_ask *policy_veto_read(struct policy_loader *loader, struct conf *setting);

#define POLICY_ASK_STEPS_MAX 4 /* In front of a step: approve, veto, and who is told of each. */
/* Puts what asks for step in front of where it will stand; returns how many. */
size_t policy_ask_gates(struct policy_loader *loader, struct policy_step *step,
                        struct policy_step *gates);
/* The same for the whole ladder: `approve`, `veto` and mode approve of the policy. */
void policy_ask_ladder(struct policy_loader *loader, struct conf *group);

/* ---- policy_args.c ---- */

/* `with` of a step against what the verb takes. */
void policy_args_read(struct policy_loader *loader, struct conf *group, const struct verb *verb,
                      struct policy_step *step);
/* What a verb takes, of the vocabulary or of a function; false: its driver checks it. */
bool policy_args_of(const struct policy_loader *loader, const struct verb *verb,
                    const struct nsh_option **ret_args, size_t *ret_count);
/* When the step is read: nothing that a function requires is left out. */
void policy_args_required(struct policy_loader *loader, const struct conf *group,
                          const struct policy_step *step);

/* ---- policy_calendar_read.c ---- */

/* Adds "maintenance", which shipped policies name, unless the site has one. */
void policy_calendars_builtin(struct policy_calendars *calendars);
void policy_calendars_read(struct conf *list, struct policy_calendars *calendars,
                           struct diags *diags);
/* 1 + the index of the calendar that setting names; 0 after a diagnostic. */
uint32_t policy_calendar_of(const struct policy_calendars *calendars, struct conf *setting,
                            struct diags *diags);
/* Bits of all that setting names, one or a list. */
uint32_t policy_calendars_of(const struct policy_calendars *calendars, struct conf *setting,
                             struct diags *diags);
/* Tells the names in in_calendar('NAME') that are none. */
void policy_calendar_calls(struct policy_loader *loader, const struct cel_program *program,
                           const struct conf *setting);

/* ---- policy_limits.c ---- */

void policy_limits_read(struct policy_loader *loader, struct conf *group, void *policy);
/* "80%" -> 80; 0 after a diagnostic. */
uint32_t policy_percent_read(struct policy_loader *loader, struct conf *setting);

struct policy_rates {
    struct policy_rate *items;
    struct conf **at; /* Where each of them stands. */
    size_t count, room;
};

/* `rates`: { rack = ["2 in 10m", "4 in 1h"]; }. kinds: NULL-terminated. */
void policy_rates_read(struct conf *group, const char *const *kinds, struct policy_rates *rates,
                       struct diags *diags);

/* ---- policy_metric.c ---- */

void policy_metrics_builtin(struct policy_defaults *defaults);
void policy_metrics_read(struct policy_loader *loader, struct conf *list,
                         struct policy_defaults *defaults);
/* The metrics and windows that a program of the policy names; offset: of its text in setting. */
void policy_metrics_collect(struct policy_loader *loader, const struct conf *setting,
                            uint32_t offset, const struct cel_program *program);
/* The name of a metric; NULL after a diagnostic. */
const char *policy_metric_read(struct policy_loader *loader, struct conf *setting);

/* ---- policy_when.c ---- */

void policy_when_read(struct policy_loader *loader, struct conf *group, void *policy);
/* A type of events: dotted words, globs when allowed. NULL after a diagnostic. */
const char *policy_type_read(struct policy_loader *loader, struct conf *setting, bool globs);

/* ---- policy_read.c ---- */

void policy_read(struct policy_loader *loader, struct conf *group);

/* ---- policy_set.c ---- */

/* Texts and places outlive the file: they are kept in the set. */
const char *policy_keep(struct policy_loader *loader, const char *text);
struct nsh_place policy_keep_place(struct policy_loader *loader, struct nsh_place at);
void *policy_alloc(struct policy_loader *loader, size_t count, size_t bytes);

/* ---- policy_worst.c ---- */

/* What the set can do at worst; an error when that is more than the site allows. */
void policy_worst_find(struct policy_loader *loader);

#endif
