/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_EACH_H
#define ENGINE_ENGINE_EACH_H

/* Steps that are more than one action, calendars, and the events of a trigger. */

#include "engine_private.h"

/* ---- engine_calendar.c: calendars ---------------------------------------------------------------
 */

void wall_take(struct engine *engine, int64_t given_ms);
/* False: there is no calendar of that name. */
bool calendar_open(const struct engine *engine, const struct policy_set *set, struct text name,
                   bool *ret_open);
bool calendar_check(struct engine *engine, struct ask *ask, struct textbuf *text); /* A guard. */
void calendar_begin(struct engine *engine, struct run *run);
void calendar_look(struct engine *engine, struct run *run);
bool calendar_waits(const struct run *run);
bool calendar_is_away(const struct run *run); /* It waits, and its host is free for others. */

/* ---- engine_each.c: the action of a step for each item of a list ------------------------------
 */

bool each_is(const struct run *run); /* Where it stands is a step with `each`. */
void each_begin(struct engine *engine, struct run *run);
void each_look(struct engine *engine, struct run *run);
void each_cancel(struct engine *engine, struct run *run, const char *why);
void each_cleared(struct engine *engine, struct run *run);
struct run *each_child(struct engine *engine, struct run *parent, uint32_t number, const char *id);
void each_child_ended(struct engine *engine, struct run *child);
void each_write(struct textbuf *json, const struct run_step *step);
void each_restore(struct engine *engine, struct run *run, struct run_step *step,
                  const struct nsh_value *items);
void each_resume(struct engine *engine, struct run *run);
struct nsh_value each_results(struct engine *engine, const struct run_step *step);

/* ---- engine_undo.c: what an abandoned run takes back ------------------------------------------
 */

bool undo_begin(struct engine *engine, struct run *run, enum run_state after, const char *reason);
bool undo_wanted(const struct run_step *step);
void undo_finish(struct engine *engine, struct run *run);
/* Ends, when what it did is taken back. */
void run_abandon(struct engine *engine, struct run *run, enum run_state state, const char *reason);

/* ---- engine_matched.c: the events that made a trigger true ----------------------------------- */

struct nsh_value eval_event(struct scope *scope); /* engine_eval.c */
void matched_add(struct engine *engine, struct instance *instance, const struct event *event);
void matched_free(struct instance *instance);
void matched_take(struct run *run, const struct instance *instance);
struct nsh_value matched_list(struct scope *scope);
void matched_write_instance(struct textbuf *json, const struct instance *instance);
void matched_write_run(struct textbuf *json, const struct run *run);
void matched_load_instance(struct engine *engine, struct instance *instance,
                           const struct nsh_value *list);
void matched_load_run(struct engine *engine, struct run *run, const struct nsh_value *list);

#endif
