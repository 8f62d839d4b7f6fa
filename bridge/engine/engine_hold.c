/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: who drained a host, switched it off, or works on it. nightshift's own begin with the
 * intent of the action, so that they are as durable as it, and end when it surely did nothing,
 * found it so already, or was undone. Nothing is undone that somebody else holds, and no host
 * accepts work again that nightshift did not drain.
 */

#include "engine_private.h"

#include <stdio.h>
#include <stdlib.h>

#define HOLDS_MAX 100000

static const char *const what_words[] = {
    [HOLD_DRAINED] = "drained",
    [HOLD_OFF] = "off",
    [HOLD_MAINTENANCE] = "maintenance",
};

static int what_of(const char *word)
{
    for (int i = 0; i <= HOLD_MAINTENANCE; i++) {
        if (strcmp(what_words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

static bool proof_ends(const struct verb *verb, const char *end)
{
    size_t count = verb->proof == NULL ? 0 : strlen(verb->proof);
    return count > strlen(end) && strcmp(verb->proof + count - strlen(end), end) == 0;
}

/* What is held when the verb did its work; -1: nothing. */
static int verb_holds(const struct verb *verb)
{
    return strcmp(verb->name, "drain") == 0 ? HOLD_DRAINED
           : proof_ends(verb, "=off")       ? HOLD_OFF
                                            : -1;
}

/* What is no longer held then; -1: all stays. A cycle leaves the host on, too. */
static int verb_undoes(const struct verb *verb)
{
    return strcmp(verb->name, "undrain") == 0 ? HOLD_DRAINED
           : proof_ends(verb, "=on")          ? HOLD_OFF
                                              : -1;
}

static struct hold *hold_of(const struct host_state *host, int what)
{
    for (struct hold *hold = host == NULL ? NULL : host->holds; hold != NULL;
         hold = hold->host_next) {
        if (!hold->ended && (int)hold->what == what) {
            return hold;
        }
    }
    return NULL;
}

static void hold_touch(struct engine *engine, struct hold *hold)
{
    if (hold->dirty) {
        return;
    }
    hold->dirty = true;
    hold->dirty_next = engine->kept.dirty_holds;
    engine->kept.dirty_holds = hold;
}

static void hold_end(struct engine *engine, struct hold *hold, const char *why)
{
    hold->ended = true;
    engine->counters.holds_active--;
    char *reason = engine_copy(engine, text_of(why));
    if (reason != NULL) {
        free(hold->reason);
        hold->reason = reason;
    }
    engine_trace(engine, "hold %s %s %s ends: %s", hold->id, hold->host->name,
                 what_words[hold->what], why);
    hold_touch(engine, hold);
}

static void hold_free(struct engine *engine, struct hold *hold)
{
    struct hold **at = &hold->host->holds;
    while (*at != hold) {
        at = &(*at)->host_next;
    }
    *at = hold->host_next;
    at = &engine->kept.holds;
    while (*at != hold) {
        at = &(*at)->next;
    }
    *at = hold->next;
    engine->kept.holds_count--;
    free(hold->owner);
    free(hold->reason);
    free(hold);
}

static struct hold *hold_new(struct engine *engine, struct host_state *host, enum hold_what what,
                             const char *owner, const char *reason)
{
    struct hold *hold =
        engine->kept.holds_count >= HOLDS_MAX ? NULL : engine_alloc(engine, sizeof *hold);
    if (hold == NULL) {
        return NULL;
    }
    *hold = (struct hold){.host = host,
                          .what = what,
                          .owner = engine_copy(engine, text_of(owner)),
                          .reason = engine_copy(engine, text_of(reason)),
                          .since_ms = engine->now_ms};
    if (hold->owner == NULL || hold->reason == NULL) {
        free(hold->owner);
        free(hold->reason);
        free(hold);
        return NULL;
    }
    hold->host_next = host->holds;
    host->holds = hold;
    hold->next = engine->kept.holds;
    engine->kept.holds = hold;
    engine->kept.holds_count++;
    engine->counters.holds_active++;
    return hold;
}

/* ---- the guard ---------------------------------------------------------------------------------
 */

static bool own(const struct hold *hold)
{
    return strcmp(hold->owner, HOLD_OWNER) == 0;
}

static void hold_words(struct textbuf *text, const struct hold *hold)
{
    textbuf_addf(text, "%s is held %s by %s (%s", hold->host->name, what_words[hold->what],
                 hold->owner, hold->id);
    textbuf_addf(text, "%s%s): %s; since ", hold->run[0] == 0 ? "" : ", ", hold->run, hold->reason);
    textbuf_add_time(text, hold->since_ms);
}

/* Somebody's, which stops all that changes the host, or all that would switch it on. */
static const struct hold *hold_against(const struct ask *ask)
{
    const struct hold *work = hold_of(ask->host, HOLD_MAINTENANCE);
    const struct hold *off = hold_of(ask->host, HOLD_OFF);
    bool stops_off =
        ask->verb == NULL ? ask->effect >= NSH_INTERRUPTS : verb_undoes(ask->verb) == HOLD_OFF;
    return work != NULL ? work : off != NULL && !own(off) && stops_off ? off : NULL;
}

bool hold_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    const struct hold *against = hold_against(ask);
    if (against != NULL) {
        hold_words(text, against);
        ask->instead = ask->stage == STAGE_DECIDE ? BLOCK_SKIP : BLOCK_NONE;
        return false;
    }
    int what = ask->verb == NULL ? -1 : verb_undoes(ask->verb);
    if (what < 0 || ask->action->completes || ask->verb->effect >= NSH_INTERRUPTS) {
        textbuf_add_chars(text, "nothing is undone");
        return true;
    }
    const struct hold *hold = hold_of(ask->host, what);
    if (hold != NULL) {
        hold_words(text, hold);
        return own(hold);
    }
    bool free_to = what == HOLD_OFF && engine->guards->power_on == POLICY_POWER_ON_FREE;
    textbuf_addf(text, "nobody holds it %s%s", what_words[what],
                 free_to ? "" : ": nothing is undone that nightshift did not do");
    return free_to;
}

/* ---- nightshift's own --------------------------------------------------------------------------
 */

void hold_intended(struct engine *engine, const struct action *action)
{
    struct run *run = action->run;
    int what = verb_speaks(action->verb) ? -1 : verb_holds(action->verb);
    if (what < 0 || run->host == NULL || hold_of(run->host, what) != NULL) {
        return; /* Held already: by whoever it is. */
    }
    struct hold *hold =
        hold_new(engine, run->host, (enum hold_what)what, HOLD_OWNER,
                 scratch_printf(engine, "%s of %s", action->verb->name, run->policy_name));
    if (hold == NULL) {
        return;
    }
    engine_id(engine, COUNT_HOLD, "hld", hold->id);
    snprintf(hold->run, sizeof hold->run, "%s", run->id);
    snprintf(hold->action, sizeof hold->action, "%s", action->id);
    hold_touch(engine, hold);
}

static struct hold *hold_by(const struct action *action)
{
    struct hold *hold = action->run->host == NULL ? NULL : action->run->host->holds;
    while (hold != NULL && (hold->ended || strcmp(hold->action, action->id) != 0)) {
        hold = hold->host_next;
    }
    return hold;
}

/* What it did may never be known: then it stays ours. */
static bool surely_not(const struct action *action)
{
    return action->state == ACTION_CANCELLED ||
           ((action->state == ACTION_FAILED || action->state == ACTION_REFUSED) && action->undone);
}

void hold_ended(struct engine *engine, const struct action *action)
{
    bool well = action->state == ACTION_DONE || action->state == ACTION_VERIFIED;
    struct hold *hold = hold_by(action);
    if (hold != NULL && surely_not(action)) {
        hold_end(engine, hold, "it was not done");
    } else if (hold != NULL && well && !nsh_get_bool(&action->step->result, "changed", true)) {
        hold_end(engine, hold, "it was so already: somebody else's");
    }
    int what = well && !verb_speaks(action->verb) ? verb_undoes(action->verb) : -1;
    struct hold *undone = what < 0 ? NULL : hold_of(action->run->host, what);
    if (undone != NULL && own(undone)) {
        hold_end(engine, undone,
                 scratch_printf(engine, "undone by %s of %s", action->id, action->run->id));
    }
}

/* ---- people ------------------------------------------------------------------------------------
 */

static void hold_reply(struct engine *engine, const struct hold *hold)
{
    struct textbuf *json = &engine->reply;
    textbuf_add_char(json, '{');
    json_chars(json, "id", hold->id);
    json_chars(json, "host", hold->host->name);
    json_chars(json, "what", what_words[hold->what]);
    json_chars(json, "owner", hold->owner);
    json_chars(json, "state", hold->ended ? "released" : "held");
    textbuf_add_char(json, '}');
}

int hold_take(struct engine *engine, const struct nsh_value *args, const char *owner,
              struct nsh_error *err)
{
    const char *name = nsh_get_text(args, "host", "");
    const char *reason = nsh_get_text(args, "reason", "");
    int what = what_of(nsh_get_text(args, "what", "maintenance"));
    if (what < 0) {
        return nsh_fail(err, NSH_INVALID, "a host is held drained, off or maintenance, not %s",
                        nsh_get_text(args, "what", ""));
    }
    if (reason[0] == 0) {
        return nsh_fail(err, NSH_INVALID, "a hold needs a reason: others will ask");
    }
    if (inventory_host(engine->inventory, text_of(name)) == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: there is no such host", name);
    }
    struct host_state *host = host_get(engine, text_of(name));
    const struct hold *before = hold_of(host, what);
    if (before != NULL) {
        return nsh_fail(err, NSH_EXISTS, "%s is held %s by %s already (%s)", name, what_words[what],
                        before->owner, before->id);
    }
    if (strcmp(owner, HOLD_OWNER) == 0) {
        return nsh_fail(err, NSH_INVALID, "%s is nobody's name but the program's", owner);
    }
    struct hold *hold =
        host == NULL ? NULL : hold_new(engine, host, (enum hold_what)what, owner, reason);
    if (hold == NULL) {
        return nsh_fail(err, NSH_LIMIT, "no room for a hold");
    }
    engine_id(engine, COUNT_HOLD, "hld", hold->id);
    engine_trace(engine, "hold %s %s %s by %s", hold->id, name, what_words[what], owner);
    hold_touch(engine, hold);
    host_touch(engine, host); /* Its serial. */
    hold_reply(engine, hold);
    return 0;
}

int hold_release(struct engine *engine, const char *id, const char *why, struct nsh_error *err)
{
    for (struct hold *hold = engine->kept.holds; hold != NULL; hold = hold->next) {
        if (!hold->ended && strcmp(hold->id, id) == 0) {
            hold_end(engine, hold, why);
            hold_reply(engine, hold);
            return 0;
        }
    }
    return nsh_fail(err, NSH_NOT_FOUND, "%s: no such hold", id);
}

/* ---- kept --------------------------------------------------------------------------------------
 */

void hold_json(struct engine *engine, const struct hold *hold, struct textbuf *json)
{
    json_chars(json, "id", hold->id);
    json_chars(json, "host", hold->host->name);
    json_chars(json, "what", what_words[hold->what]);
    json_chars(json, "owner", hold->owner);
    json_chars(json, "reason", hold->reason);
    json_chars(json, "run", hold->run);
    json_chars(json, "action", hold->action);
    json_int(json, "since_ms", hold->since_ms);
    json_chars(json, "state", hold->ended ? "released" : "held");
}

void hold_load(struct engine *engine, const struct nsh_value *value)
{
    const char *name = nsh_get_text(value, "host", "");
    int what = what_of(nsh_get_text(value, "what", ""));
    struct host_state *host = name[0] == 0 ? NULL : host_by_record(engine, name);
    struct hold *hold = host == NULL || what < 0 ? NULL
                                                 : hold_new(engine, host, (enum hold_what)what,
                                                            nsh_get_text(value, "owner", ""),
                                                            nsh_get_text(value, "reason", ""));
    if (hold == NULL) {
        return;
    }
    hold->since_ms = nsh_get_int(value, "since_ms", 0);
    snprintf(hold->id, sizeof hold->id, "%s", nsh_get_text(value, "id", ""));
    snprintf(hold->run, sizeof hold->run, "%s", nsh_get_text(value, "run", ""));
    snprintf(hold->action, sizeof hold->action, "%s", nsh_get_text(value, "action", ""));
}

void holds_follow(struct engine *engine, struct host_state *from, struct host_state *to)
{
    while (from->holds != NULL) {
        struct hold *hold = from->holds;
        from->holds = hold->host_next;
        hold->host_next = to->holds;
        to->holds = hold;
        hold->host = to;
        hold_touch(engine, hold);
    }
}

void holds_written(struct engine *engine, struct hold *hold)
{
    hold->dirty = false;
    if (hold->ended) {
        hold_free(engine, hold);
    }
}

void holds_free(struct engine *engine)
{
    while (engine->kept.holds != NULL) {
        hold_free(engine, engine->kept.holds);
    }
}
