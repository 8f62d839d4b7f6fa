/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Witnesses: before a host is switched off, fenced or destroyed, k signs on different paths must
 * speak. A sign is a raised alarm of the host, at least major (its path: who sent it, all traps
 * together), the event that began the run (the same), or a reading that the run made of the host
 * and that was answered (its path: the binding). A probe speaks only when it looked for the host
 * and found it silent: one that found it alive is no sign, and a service that could not be asked
 * says nothing about the host.
 *
 * Before the run, what its ladder is going to read counts as promised; before the action, only what
 * was seen does.
 */

#include "engine_private.h"

#define PATHS_MAX 16 /* More than any site asks for. */

struct signs {
    struct text paths[PATHS_MAX];
    uint32_t count;
    struct textbuf *text;
};

static bool path_is_new(struct signs *signs, struct text path)
{
    for (uint32_t i = 0; i < signs->count; i++) {
        if (text_equal(signs->paths[i], path)) {
            return false;
        }
    }
    if (signs->count == PATHS_MAX) {
        return false;
    }
    signs->paths[signs->count++] = path;
    return true;
}

/* Off is what its proof says; a verb may also call itself a fence. */
static bool wants_witnesses(const struct verb *verb)
{
    if (verb == NULL || verb_speaks(verb) || verb->restores || verb->effect < NSH_INTERRUPTS) {
        return false;
    }
    size_t count = verb->proof == NULL ? 0 : strlen(verb->proof);
    return verb->effect >= NSH_DESTROYS ||
           (count > 4 && strcmp(verb->proof + count - 4, "=off") == 0) ||
           strstr(verb->name, "fence") != NULL;
}

static bool is_reading(const struct policy_step *step)
{
    return step->kind == STEP_ACT && step->verb != NULL && !verb_speaks(step->verb) &&
           step->verb->effect == NSH_READS;
}

/* Traps are one path, whoever sent them: who can forge a datagram can forge two. */
static struct text path_of(struct text source)
{
    return text_starts(source, "trap/") ? TEXT("trap") : source;
}

static void sign_add(struct signs *signs, struct text path, const char *what, struct text of)
{
    if (path.count > 0 && path_is_new(signs, path_of(path))) {
        textbuf_addf(signs->text, "%s%s%.*s from %.*s", signs->count == 1 ? ": " : ", ", what,
                     PT(of), PT(path));
    }
}

static void alarms_speak(struct signs *signs, const struct host_state *host)
{
    for (const struct alarm *alarm = host->alarms; alarm != NULL; alarm = alarm->host_next) {
        if (alarm->raised && alarm->severity >= SEVERITY_MAJOR) {
            sign_add(signs, text_of(alarm->source == NULL ? "" : alarm->source), "", alarm->type);
            sign_add(signs, text_of(alarm->seconded == NULL ? "" : alarm->seconded), "",
                     alarm->type);
        }
    }
}

static void event_speaks(struct signs *signs, const struct ask *ask)
{
    struct event event;
    if (ask->scope != NULL && ask->scope->event != NULL) {
        sign_add(signs, ask->scope->event->source, "", ask->scope->event->type);
    } else if (ask->run != NULL && ask->run->event.count > 0 &&
               event_unpack((const uint8_t *)ask->run->event.at, ask->run->event.count, &event,
                            NULL) > 0) {
        sign_add(signs, event.source, "", event.type);
    }
}

static bool is_probe(const struct policy_step *step)
{
    return strcmp(step->verb->name, "probe") == 0;
}

static bool reading_spoke(const struct run_step *step)
{
    return is_probe(step->step) ? step->state == STEP_FAILED && step->silent
                                : step->state == STEP_OK;
}

/* Of a step with `each`: the reading of this host, or NULL. */
static const struct run_item *item_of(const struct run_step *step, const struct host_state *host)
{
    for (uint32_t i = 0; i < step->items_count; i++) {
        if (step->items[i].host == host && step->items[i].state == STEP_OK) {
            return &step->items[i];
        }
    }
    return NULL;
}

/* One item of a step with `each` knows what the steps before it read of its host. */
static void items_speak(struct signs *signs, const struct run *run, const struct host_state *host)
{
    for (uint32_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        const struct run_item *item =
            is_reading(step->step) && !is_probe(step->step) ? item_of(step, host) : NULL;
        if (item != NULL) {
            sign_add(signs, text_of(binding_word(item->via)), "reading ",
                     text_of(step->step->verb->name));
        }
    }
}

static void readings_speak(struct signs *signs, const struct run *run)
{
    for (uint32_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        if (is_reading(step->step) && reading_spoke(step)) {
            sign_add(signs, text_of(binding_word(step->via)), "reading ",
                     text_of(step->step->verb->name));
        }
    }
}

/* What the ladder reads before the first step that wants witnesses. */
static void ladder_promises(struct signs *signs, const struct policy *policy,
                            const struct host_state *host)
{
    for (size_t i = 0; i < policy->steps_count; i++) {
        const struct policy_step *step = &policy->steps[i];
        if (step->kind == STEP_ACT && wants_witnesses(step->verb)) {
            return;
        }
        if (is_reading(step)) {
            sign_add(signs, text_of(binding_word(reach_path(host, step->verb))),
                     "to be read: ", text_of(step->verb->name));
        }
    }
}

static const struct verb *asks_for(const struct ask *ask)
{
    if (ask->verb != NULL) {
        return wants_witnesses(ask->verb) ? ask->verb : NULL;
    }
    for (size_t i = 0; i < ask->policy->steps_count; i++) {
        const struct policy_step *step = &ask->policy->steps[i];
        if (step->kind == STEP_ACT && wants_witnesses(step->verb)) {
            return step->verb;
        }
    }
    return NULL;
}

bool witness_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct verb *verb = asks_for(ask);
    uint32_t need = engine->guards->witnesses;
    if (ask->policy->limits.witnesses > need) {
        need = ask->policy->limits.witnesses;
    }
    if (verb == NULL || ask->host == NULL) {
        textbuf_add_chars(text, "nothing is switched off or destroyed");
        return true;
    }
    CLEANUP(textbuf_donep) struct textbuf who = {0};
    struct signs signs = {.text = &who};
    alarms_speak(&signs, ask->host);
    event_speaks(&signs, ask);
    if (ask->run != NULL) {
        readings_speak(&signs, ask->run);
        if (ask->run->parent != NULL) {
            items_speak(&signs, ask->run->parent, ask->host);
        }
    } else {
        ladder_promises(&signs, ask->policy, ask->host);
    }
    textbuf_addf(text, "%u of %u witnesses on different paths for %s%s", signs.count, need,
                 verb->name, who.at == NULL ? "" : who.at);
    return signs.count >= need;
}
