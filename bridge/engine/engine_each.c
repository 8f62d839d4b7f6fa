/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step with `each`: its action once for every item of a list, so many at once.
 *
 * Every item is a run of its own with one step (run-000007.2.3: of its second step), whose target
 * is the host that the item names: guards, budgets, claims, verification and restarts are those of
 * any other run. The step is over when all of them are. The list is made once, when the step
 * begins; an empty one is no target. Forbidden order: a run never ends before those it has begun.
 */

#include "engine_private.h"

#include <stdio.h>

#define EACH_AGAIN_MS (5 * SECOND_MS) /* Others are at work where the next item is. */
#define EACH_WORDS_MAX 8              /* Items that the text of a step names. */

static struct run_step *step_of(struct run *run)
{
    NSH_ASSERT(run->at < run->steps_count);
    return &run->steps[run->at];
}

bool each_is(const struct run *run)
{
    const struct run_step *step = run->at < run->steps_count ? &run->steps[run->at] : NULL;
    return step != NULL && run->parent_id[0] == 0 && step->step->each.program != NULL;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* What names the item: a text is its own name, a map has one. */
static const char *item_name(struct engine *engine, const struct nsh_value *value)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    if (value->type == NSH_STRING) {
        return scratch_printf(engine, "%.*s", (int)value->count, value->text);
    }
    const char *name = value->type == NSH_MAP ? nsh_get_text(value, "name", NULL) : NULL;
    if (name != NULL) {
        return name;
    }
    json_write(value, &text);
    return scratch_printf(engine, "%.200s", text.at == NULL ? "" : text.at);
}

static bool items_make(struct engine *engine, struct run *run, struct run_step *step,
                       const struct nsh_value *list)
{
    step->items = arena_array(&run->arena, list->count + 1, sizeof *step->items);
    if (step->items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        struct run_item *item = &step->items[i];
        const char *name = item_name(engine, &list->items[i]);
        item->name = run_keep(run, name);
        item->host = map_get(&engine->hosts, text_of(name));
        if (!arena_value(&run->arena, &list->items[i], &item->value)) {
            return false;
        }
        for (uint32_t before = 0; item->host != NULL && before < i; before++) {
            if (step->items[before].host == item->host && !verb_speaks(step->step->verb)) {
                item->state = STEP_SKIPPED;
                item->text = "stands in the list before";
                break;
            }
        }
    }
    step->items_count = list->count;
    return true;
}

/* What an undo goes back over: the last first, and only what was done. */
static bool items_undo(struct run *run, struct run_step *step)
{
    const struct run_step *source = step->source;
    step->items = arena_array(&run->arena, source->items_count + 1, sizeof *step->items);
    for (uint32_t i = source->items_count; step->items != NULL && i > 0; i--) {
        const struct run_item *done = &source->items[i - 1];
        if (done->did) {
            step->items[step->items_count++] =
                (struct run_item){.name = done->name, .host = done->host, .value = done->value};
        }
    }
    return step->items != NULL;
}

/* False after the step ended. */
static bool list_make(struct engine *engine, struct run *run, struct run_step *step)
{
    struct event event;
    struct scope scope;
    struct nsh_error err = {0};
    struct nsh_value list = nsh_null();
    if (step->source != NULL && items_undo(run, step)) {
        return true;
    }
    if (step->source != NULL) {
        step_failed(engine, run, "no memory for the items");
        return false;
    }
    scope_run(engine, run, &event, &scope);
    if (eval_value(&scope, step->step->each.program, &list, &err) < 0) {
        engine->counters.conditions_unknown++;
        step_failed(
            engine, run,
            scratch_printf(engine, "%s is not known: %s", step->step->each.source, err.text));
    } else if (list.type != NSH_LIST) {
        step_failed(engine, run,
                    scratch_printf(engine, "%s gave no list", step->step->each.source));
    } else if (list.count > POLICY_EACH_MAX) {
        step_failed(engine, run,
                    scratch_printf(engine, "%s has %u items, at most %d are worked on",
                                   step->step->each.source, list.count, POLICY_EACH_MAX));
    } else if (list.count == 0) {
        step_skipped(engine, run,
                     scratch_printf(engine, "%s is empty: no target", step->step->each.source));
    } else if (!items_make(engine, run, step, &list)) {
        step_failed(engine, run, "no memory for the items");
    } else {
        return true;
    }
    return false;
}

void each_begin(struct engine *engine, struct run *run)
{
    struct run_step *step = step_of(run);
    run_state_set(engine, run, RUN_RUNNING);
    if (list_make(engine, run, step)) {
        each_look(engine, run);
    }
}

/* ---- one item -------------------------------------------------------------------------------- */

struct run *each_child(struct engine *engine, struct run *parent, uint32_t number, const char *id)
{
    const struct run_step *step = step_of(parent);
    const struct run_item *item = &step->items[number];
    struct run *child = run_new(engine, &(struct run_order){.policy = parent->policy,
                                                            .set = parent->set,
                                                            .host = item->host,
                                                            .subject = item->name,
                                                            .alarm = parent->alarm,
                                                            .decision = parent->decision,
                                                            .id = id,
                                                            .event = parent->event,
                                                            .severity = parent->severity,
                                                            .pulse = parent->pulse,
                                                            .only = step->step});
    if (child == NULL) {
        return NULL;
    }
    child->parent = parent;
    child->item = number;
    child->cleared = parent->cleared;
    child->undoing = parent->undoing;
    snprintf(child->parent_id, sizeof child->parent_id, "%s", parent->id);
    if (!arena_value(&child->arena, &item->value, &child->item_value)) {
        child->item_value = nsh_null();
    }
    step->items[number].child = child;
    parent->children++;
    return child;
}

/* Whether others are at work where the item is; text says who. */
static bool item_may_begin(struct engine *engine, struct run *run, const struct run_item *item,
                           const char **ret_text)
{
    const struct verb *verb = step_of(run)->step->verb;
    struct guard_verdict verdict = {0};
    struct ask ask = {.stage = STAGE_RESUME,
                      .policy = run->policy,
                      .host = item->host,
                      .run = run,
                      .verb = verb,
                      .effect = verb->effect};
    if (item->host != NULL && item->host != run->host && !verb_speaks(verb)) {
        guards_ask(engine, &ask, &verdict);
    }
    *ret_text = scratch_printf(engine, "guard %s: %s", verdict.guard, verdict.text);
    return verdict.block == BLOCK_NONE && engine->runs.count < ENGINE_RUNS_MAX;
}

static void item_ends(struct run *run, struct run_item *item, enum step_state state,
                      const char *text)
{
    item->state = state;
    item->text = run_keep(run, text);
}

static void item_begin(struct engine *engine, struct run *run, uint32_t number)
{
    struct run_item *item = &step_of(run)->items[number];
    char id[ID_BYTES];
    snprintf(id, sizeof id, "%.*s.%u.%u", ID_BYTES - 10, run->id, run->at + 1, number + 1);
    struct run *child = each_child(engine, run, number, id);
    if (child == NULL) {
        item_ends(run, item, STEP_FAILED, "no memory for it");
        return;
    }
    item->state = STEP_RUNNING;
    snprintf(item->run, sizeof item->run, "%s", id);
    run_touch(engine, run);
    engine_trace(engine, "run %s %s %s started", child->id, child->subject, child->policy_name);
    step_advance(engine, child);
}

/* True: the next one may be tried. False: it must wait. */
static bool item_try(struct engine *engine, struct run *run, uint32_t number)
{
    struct run_step *step = step_of(run);
    const char *text = "";
    if (item_may_begin(engine, run, &step->items[number], &text)) {
        step->waits_ms = 0;
        item_begin(engine, run, number);
        return true;
    }
    if (step->waits_ms == 0) {
        step->waits_ms = engine->now_ms;
    }
    int64_t waited_ms = engine->now_ms - step->waits_ms;
    if (waited_ms < engine->guards->queue_ms || run->children > 0) {
        engine_timer_set(engine, &run->timer, engine->now_ms + EACH_AGAIN_MS,
                         run->number | UINT64_C(1) << 63);
        return false;
    }
    CLEANUP(textbuf_donep) struct textbuf waited = {0};
    textbuf_add_span(&waited, waited_ms);
    step->waits_ms = 0;
    item_ends(run, &step->items[number], STEP_REFUSED,
              scratch_printf(engine, "waited %s, and still %s", waited.at, text));
    run_touch(engine, run);
    return true;
}

void each_child_ended(struct engine *engine, struct run *child)
{
    struct run *run = child->parent;
    struct run_step *step = step_of(run);
    NSH_ASSERT(run->children > 0);
    run->children--;
    run->effects = run->effects || child->effects;
    run->told = run->told || child->told;
    run->activity_ms = engine->now_ms;
    if (child->item < step->items_count) {
        const struct run_step *only = &child->steps[0];
        struct run_item *item = &step->items[child->item];
        bool ended = only->state != STEP_TODO && only->state != STEP_RUNNING;
        item->child = NULL;
        item_ends(run, item, ended ? only->state : STEP_FAILED,
                  only->text != NULL ? only->text : child->reason);
        item->did = only->did;
        item->via = only->via;
        if (only->result.type != NSH_MAP ||
            !arena_value(&run->arena, &only->result, &item->result)) {
            item->result = nsh_null();
        }
    }
    run_touch(engine, run);
    engine_timer_set(engine, &run->timer, engine->now_ms, run->number | UINT64_C(1) << 63);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const char *summary(struct engine *engine, const struct run_step *step)
{
    uint32_t done = 0, todo = 0, named = 0;
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    for (uint32_t i = 0; i < step->items_count; i++) {
        const struct run_item *item = &step->items[i];
        done += item->state == STEP_OK;
        todo += item->state == STEP_TODO;
        bool bad = item->state == STEP_FAILED || item->state == STEP_REFUSED;
        if (bad && named++ < EACH_WORDS_MAX) {
            textbuf_addf(&words, "; %s %s: %.200s", item->name, step_state_word(item->state),
                         item->text == NULL ? "" : item->text);
        }
    }
    if (named > EACH_WORDS_MAX) {
        textbuf_addf(&words, "; and %u more", named - EACH_WORDS_MAX);
    }
    if (todo > 0) {
        textbuf_addf(&words, "; %u not begun", todo);
    }
    return scratch_printf(engine, "%u of %u done%s", done, step->items_count,
                          words.at == NULL ? "" : words.at);
}

static void each_finish(struct engine *engine, struct run *run)
{
    struct run_step *step = step_of(run);
    bool bad = false, done = false;
    for (uint32_t i = 0; i < step->items_count; i++) {
        enum step_state state = step->items[i].state;
        bad = bad || state == STEP_FAILED || state == STEP_REFUSED;
        done = done || state == STEP_OK;
    }
    const char *text = summary(engine, step);
    if (bad) {
        step_failed(engine, run, text);
    } else if (done && run->cancel == NULL && run->lost == NULL) {
        step_done(engine, run, text);
    } else {
        step_skipped(engine, run, text);
    }
}

/* Nothing more of it is begun. */
static bool stopped(const struct run *run, const struct run_step *step)
{
    bool bad = false;
    for (uint32_t i = 0; i < step->items_count; i++) {
        bad = bad || step->items[i].state == STEP_FAILED || step->items[i].state == STEP_REFUSED;
    }
    bool cancelled = run->cancel != NULL && !run->undoing;
    return cancelled || (run->lost != NULL && !run->undoing) || step_cleared_skips(run, step) ||
           (bad && step->step->on_fail != ON_FAIL_CONTINUE && !run->otherwise);
}

void each_look(struct engine *engine, struct run *run)
{
    struct run_step *step = step_of(run);
    uint32_t most = step->step->parallel == 0 ? 1 : step->step->parallel;
    bool waits = false;
    for (uint32_t i = 0; i < step->items_count && !waits && run->children < most; i++) {
        if (step->items[i].state == STEP_TODO && !stopped(run, step)) {
            waits = !item_try(engine, run, i);
        }
    }
    if (run->children == 0 && !waits) {
        each_finish(engine, run);
    }
}

void each_cancel(struct engine *engine, struct run *run, const char *why)
{
    struct run_step *step = step_of(run);
    for (uint32_t i = 0; i < step->items_count; i++) {
        struct run *child = step->items[i].child;
        if (child != NULL && !child->ended) {
            run_cancel(engine, child, why);
        }
    }
}

void each_cleared(struct engine *engine, struct run *run)
{
    struct run_step *step = step_of(run);
    for (uint32_t i = 0; i < step->items_count; i++) {
        if (step->items[i].child != NULL) {
            step->items[i].child->cleared = true;
            run_touch(engine, step->items[i].child);
        }
    }
}

/* ---- what people and conditions see, and a restart is made from --------------------------------
 */

void each_write(struct textbuf *json, const struct run_step *step)
{
    textbuf_add_chars(json, ",\"items\":[");
    for (uint32_t i = 0; i < step->items_count; i++) {
        const struct run_item *item = &step->items[i];
        textbuf_add_chars(json, i == 0 ? "{" : ",{");
        json_chars(json, "name", item->name);
        json_chars(json, "host", item->host == NULL ? "" : item->host->name);
        json_chars(json, "run", item->run);
        json_chars(json, "state", step_state_word(item->state));
        json_chars(json, "text", item->text);
        json_bool(json, "did", item->did);
        if (item->via != BINDING_NONE) {
            json_chars(json, "via", binding_word(item->via));
        }
        if (item->result.type == NSH_MAP) {
            textbuf_add_chars(json, ",\"values\":");
            json_write(&item->result, json);
        }
        if (item->host == NULL) { /* A host is found again by its name. */
            textbuf_add_chars(json, ",\"item\":");
            json_write(&item->value, json);
        }
        textbuf_add_char(json, '}');
    }
    textbuf_add_char(json, ']');
}

static void item_restore(struct engine *engine, struct run *run, struct run_item *item,
                         const struct nsh_value *value)
{
    int state = step_state_of(nsh_get_text(value, "state", ""));
    const struct nsh_value *own = nsh_get(value, "item"), *result = nsh_get(value, "values");
    int via = binding_of(text_of(nsh_get_text(value, "via", "")));
    item->via = via < 0 ? BINDING_NONE : (enum binding_kind)via;
    item->state = state < 0 ? STEP_FAILED : (enum step_state)state;
    item->name = run_keep(run, nsh_get_text(value, "name", ""));
    item->text = run_keep(run, nsh_get_text(value, "text", ""));
    item->did = nsh_get_bool(value, "did", false);
    snprintf(item->run, sizeof item->run, "%s", nsh_get_text(value, "run", ""));
    const char *host = nsh_get_text(value, "host", "");
    if (host[0] != 0) {
        item->host = host_get(engine, text_of(host));
        own = item->host != NULL && item->host->host != NULL ? &item->host->host->record : own;
    }
    if (own == NULL || !arena_value(&run->arena, own, &item->value)) {
        item->value = nsh_text(item->name);
    }
    if (result == NULL || !arena_value(&run->arena, result, &item->result)) {
        item->result = nsh_null();
    }
}

void each_restore(struct engine *engine, struct run *run, struct run_step *step,
                  const struct nsh_value *items)
{
    if (items == NULL || items->type != NSH_LIST || items->count > POLICY_EACH_MAX) {
        return;
    }
    step->items = arena_array(&run->arena, items->count + 1, sizeof *step->items);
    for (uint32_t i = 0; step->items != NULL && i < items->count; i++) {
        item_restore(engine, run, &step->items[i], &items->items[i]);
        step->items_count++;
    }
}

/* Items whose run is not there any more: what they did is not known. */
void each_resume(struct engine *engine, struct run *run)
{
    struct run_step *step = step_of(run);
    for (uint32_t i = 0; i < step->items_count; i++) {
        struct run_item *item = &step->items[i];
        if (item->state == STEP_RUNNING && item->child == NULL) {
            item_ends(run, item, STEP_FAILED, "its run was lost over a restart");
        }
    }
    if (step->items_count == 0 && step->items == NULL) { /* It had not begun. */
        step->state = STEP_TODO;
        return;
    }
    each_look(engine, run);
}

struct nsh_value each_results(struct engine *engine, const struct run_step *step)
{
    struct nsh_value *list = arena_array(&engine->scratch, step->items_count + 1, sizeof *list);
    uint32_t count = 0;
    for (uint32_t i = 0; list != NULL && i < step->items_count; i++) {
        const struct run_item *item = &step->items[i];
        struct nsh_member *members = arena_array(&engine->scratch, 5, sizeof *members);
        bool ok = item->state == STEP_OK;
        if (members == NULL) {
            break;
        }
        members[0] = (struct nsh_member){"item", nsh_text(item->name)};
        members[1] =
            (struct nsh_member){"host", nsh_text(item->host == NULL ? "" : item->host->name)};
        members[2] = (struct nsh_member){"ok", nsh_bool(ok)};
        members[3] =
            (struct nsh_member){"error", nsh_text(ok || item->text == NULL ? "" : item->text)};
        members[4] = (struct nsh_member){"result", item->result.type == NSH_MAP ? item->result
                                                                                : nsh_map(NULL, 0)};
        list[count++] = nsh_map(members, 5);
    }
    return nsh_list(list, count);
}
