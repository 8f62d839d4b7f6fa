/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power: read, decide, act once, prove. Nothing is switched off when there is no way to switch it
 * on again afterwards. "Off" is believed when it was read OFF_READS times. A restart leaves the
 * power on: it is proven by the time of the last reset or by the boot progress, where the BMC tells
 * them.
 */

#include "redfish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFF_READS 2
#define FIRST_POLL_MS 250
#define TASK_POLL_MS 1000
#define REFUSALS_MAX 5 /* Of switching on right after off: some BMCs need a moment. */

enum act { ACT_NOTHING, ACT_REFUSE, ACT_ON, ACT_OFF, ACT_CYCLE, ACT_SOFT, ACT_HARD };

struct redfish_plan {
    const char *verb;
    enum act when_on, when_off;
};

static const struct redfish_plan plans[] = {
    {"power.on", ACT_NOTHING, ACT_ON},    {"power.off", ACT_OFF, ACT_NOTHING},
    {"power.cycle", ACT_CYCLE, ACT_ON},   {"reset.soft", ACT_SOFT, ACT_REFUSE},
    {"reset.hard", ACT_HARD, ACT_REFUSE},
};

/* What carries an act out; the first that the system allows. */
static const struct way {
    enum act act;
    enum redfish_reset reset;
    enum redfish_aim aim;
    bool then_on;
} ways[] = {
    {ACT_ON, REDFISH_ON, AIM_ON, false},
    {ACT_ON, REDFISH_FORCE_ON, AIM_ON, false},
    {ACT_OFF, REDFISH_FORCE_OFF, AIM_OFF, false},
    {ACT_CYCLE, REDFISH_FORCE_OFF, AIM_OFF, true}, /* Provable; PowerCycle shows little. */
    {ACT_CYCLE, REDFISH_POWER_CYCLE, AIM_CYCLE, false},
    {ACT_SOFT, REDFISH_GRACEFUL_RESTART, AIM_RESTART, false},
    {ACT_SOFT, REDFISH_GRACEFUL_SHUTDOWN, AIM_OFF, true},
    {ACT_HARD, REDFISH_FORCE_RESTART, AIM_RESTART, false},
    {ACT_HARD, REDFISH_FORCE_OFF, AIM_OFF, true},
};

bool power_plan(struct redfish_call *call)
{
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        if (strcmp(plans[i].verb, call->op->verb->name) == 0) {
            call->plan = &plans[i];
        }
    }
    return call->plan != NULL;
}

/* ---- results ---------------------------------------------------------------------------- */

void power_status(struct redfish_call *call, const struct redfish_system *system)
{
    struct nsh_member members[3] = {{"power", nsh_text(redfish_power_word(system->power))}};
    size_t count = 1;
    if (system->health != NULL) {
        members[count++] = (struct nsh_member){"health", nsh_text(system->health)};
    }
    if (system->boot != NULL) {
        members[count++] = (struct nsh_member){"boot", nsh_text(system->boot)};
    }
    struct nsh_value result = nsh_map(members, count);
    walk_done(call, &result);
}

static void power_done(struct redfish_call *call, bool changed)
{
    struct nsh_member members[4] = {
        {"power", nsh_text(redfish_power_word(call->power))},
        {"changed", nsh_bool(changed)},
    };
    size_t count = 2;
    if (changed) {
        members[count++] = (struct nsh_member){"reset", nsh_text(redfish_reset_word(call->reset))};
    }
    if (call->aim == AIM_RESTART && changed) {
        members[count++] = (struct nsh_member){"restart_seen", nsh_bool(call->moved)};
    }
    struct nsh_value result = nsh_map(members, count);
    walk_done(call, &result);
}

/* ---- deciding --------------------------------------------------------------------------- */

static bool allowed(const struct nsh_device *device, enum redfish_reset reset)
{
    return !device->resets_known || (device->resets & REDFISH_BIT(reset)) != 0;
}

static enum act power_act_of(const struct redfish_call *call)
{
    return call->power == REDFISH_POWER_OFF ? call->plan->when_off : call->plan->when_on;
}

static const struct way *way_find(const struct nsh_device *device, enum act act)
{
    bool on = allowed(device, REDFISH_ON) || allowed(device, REDFISH_FORCE_ON);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (ways[i].act == act && allowed(device, ways[i].reset) && (on || !ways[i].then_on)) {
            return &ways[i];
        }
    }
    return NULL;
}

static void resets_words(const struct nsh_device *device, char *room, size_t room_bytes)
{
    room[0] = '\0';
    for (unsigned i = 0; i < REDFISH_RESETS_COUNT; i++) {
        if (allowed(device, i)) {
            redfish_words_add(room, room_bytes, room[0] == '\0' ? "" : ", ", 2);
            redfish_words_add(room, room_bytes, redfish_reset_word(i), REDFISH_TEXT_BYTES_MAX);
        }
    }
}

/* The reset types are known: choose, and act. */
static void power_choose(struct redfish_call *call)
{
    const struct way *way = way_find(call->device, power_act_of(call));
    char words[160];

    if (way == NULL) {
        resets_words(call->device, words, sizeof words);
        walk_fail(call, NSH_UNSUPPORTED, "the system offers no reset type for %s; it offers %s",
                  call->op->verb->name, words[0] == '\0' ? "none" : words);
        return;
    }
    call->reset = way->reset;
    call->aim = way->aim;
    call->then_on = way->then_on;
    walk_move(call, WALK_ACT);
}

static bool power_in_transition(struct redfish_call *call)
{
    int64_t left_ms = walk_left_ms(call);
    int64_t now_ms = call->device->services->now_ms(call->device->services);
    if (call->power != REDFISH_POWERING_ON && call->power != REDFISH_POWERING_OFF) {
        return false;
    }
    if (call->settle_until_ms == 0) {
        call->settle_until_ms = now_ms + left_ms / 4;
    }
    return now_ms < call->settle_until_ms; /* Later it counts as on: a stuck start can be ended. */
}

static char *copy_of(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

/* Whether the BMC would show a restart. A system that did not come up may stay as it is after a
 * hard reset; after a soft one that means that it did not listen. */
static bool restart_shows(const struct redfish_call *call, const struct redfish_system *system)
{
    if (system->reset_time != NULL) {
        return true;
    }
    return system->boot != NULL &&
           (strcmp(system->boot, "OSRunning") == 0 ||
            (power_act_of(call) == ACT_SOFT && strcmp(system->boot, "None") != 0));
}

static bool power_remember(struct redfish_call *call, const struct redfish_system *system)
{
    struct nsh_device *device = call->device;
    if (device->reset_target == NULL || strcmp(device->reset_target, system->reset_target) != 0) {
        free(device->reset_target);
        device->reset_target = copy_of(system->reset_target);
    }
    if (system->resets_known) {
        device->resets = system->resets;
        device->resets_known = true;
    }
    call->watch = restart_shows(call, system);
    snprintf(call->boot, sizeof call->boot, "%s", system->boot == NULL ? "" : system->boot);
    snprintf(call->reset_time, sizeof call->reset_time, "%s",
             system->reset_time == NULL ? "" : system->reset_time);
    return device->reset_target != NULL;
}

void power_begin(struct redfish_call *call, const struct redfish_system *system)
{
    call->power = system->power;
    if (call->power == REDFISH_POWER_UNKNOWN) {
        walk_fail(call, NSH_UNKNOWN, "the BMC does not tell the power state");
        return;
    }
    if (power_in_transition(call)) {
        walk_pause(call, WALK_SETTLE, call->device->poll_ms);
        return;
    }
    enum act act = power_act_of(call);
    if (act == ACT_NOTHING && call->power == REDFISH_POWERING_ON) {
        call->aim = AIM_ON;
        walk_pause(call, WALK_PROVE, call->device->poll_ms);
    } else if (act == ACT_NOTHING) {
        power_done(call, false);
    } else if (act == ACT_REFUSE) {
        walk_fail(call, NSH_CONFLICT, "the host is off: nothing to restart");
    } else if (system->reset_target == NULL) {
        walk_fail(call, NSH_UNSUPPORTED, "the system offers no reset");
    } else if (!power_remember(call, system)) {
        walk_fail(call, NSH_NOMEM, "out of memory");
    } else if (!call->device->resets_known && system->action_info != NULL) {
        walk_get(call, WALK_INFO, system->action_info);
    } else {
        power_choose(call);
    }
}

void power_info_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct nsh_device *device = call->device;
    struct nsh_error err = {0};
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    int failed = redfish_action_info_read(doc, &device->resets, &err);
    redfish_free(doc);
    if (failed < 0) {
        walk_fail(call, err.code, "%s", err.text);
        return;
    }
    device->resets_known = true;
    power_choose(call);
}

/* ---- acting ----------------------------------------------------------------------------- */

void power_act(struct redfish_call *call)
{
    redfish_reset_body(call->reset, call->request.body);
    walk_request(call, "POST", call->device->reset_target);
}

static void power_prove_begin(struct redfish_call *call)
{
    uint32_t poll_ms = call->device->poll_ms;
    call->seen_count = 0;
    walk_pause(call, WALK_PROVE, poll_ms < FIRST_POLL_MS ? poll_ms : FIRST_POLL_MS);
}

static uint32_t task_wait_ms(const struct redfish_result *result)
{
    uint32_t wait_ms = redfish_retry_after_ms(nsh_http_header(result->reply, "retry-after"),
                                              nsh_http_header(result->reply, "date"));
    return wait_ms == 0 ? TASK_POLL_MS : wait_ms;
}

/* 202: the path to poll, or NULL when it names none. */
static char *task_path(const struct redfish_result *result)
{
    const char *location = nsh_http_header(result->reply, "location");
    char path[REDFISH_PATH_BYTES_MAX];
    struct json_object *doc = NULL;

    if (location != NULL && redfish_location_path(location, path)) {
        return strdup(path);
    }
    if (redfish_parse(result->reply->body, result->reply->body_bytes, &doc, NULL) < 0) {
        return NULL;
    }
    char *copy = copy_of(redfish_task_monitor(doc));
    redfish_free(doc);
    return copy;
}

/* Off was done, on is refused for the moment: nothing happened, so ask again soon. */
static bool act_refused_for_now(struct redfish_call *call, const struct redfish_result *result)
{
    uint32_t wait_ms = result->retry_after_ms;
    wait_ms = wait_ms == 0 ? call->device->poll_ms : wait_ms;
    if (!call->second || !result->refused || call->refusals == REFUSALS_MAX ||
        (result->code != NSH_CONFLICT && result->code != NSH_BUSY) ||
        walk_left_ms(call) <= wait_ms) {
        return false;
    }
    call->refusals++;
    walk_pause(call, WALK_REST, wait_ms);
    return true;
}

void power_act_answered(struct redfish_call *call, const struct redfish_result *result)
{
    call->request.body[0] = '\0';
    if (result->code != NSH_OK) {
        call->acted = call->acted || (result->sent && !result->refused);
        if (!act_refused_for_now(call, result)) {
            walk_fail_result(call, result);
        }
        return;
    }
    call->acted = true;
    if (result->status == 202) {
        free(call->task);
        call->task = task_path(result);
    }
    if (result->status == 202 && call->task != NULL) {
        walk_pause(call, WALK_TASK, task_wait_ms(result));
    } else {
        power_prove_begin(call); /* The power state tells how it went. */
    }
}

/* ---- tasks ------------------------------------------------------------------------------ */

void power_task(struct redfish_call *call)
{
    walk_request(call, "GET", call->task);
}

/* The monitor answers 202 while it runs, then as the action would have; or it is the Task itself.
 */
void power_task_answered(struct redfish_call *call, const struct redfish_result *result)
{
    char words[REDFISH_WORDS_BYTES_MAX] = "";
    struct json_object *doc = NULL;

    if (result->code == NSH_NOT_FOUND) {
        power_prove_begin(call); /* Finished, and its result is gone. */
        return;
    }
    if (result->code != NSH_OK) {
        walk_fail_result(call, result);
        return;
    }
    enum redfish_task task = result->status == 202 ? REDFISH_TASK_RUNNING : REDFISH_TASK_DONE;
    if (result->reply->body_bytes > 0 &&
        redfish_parse(result->reply->body, result->reply->body_bytes, &doc, NULL) == 0) {
        if (result->status == 202 || redfish_is_task(doc)) {
            task = redfish_task_read(doc, words);
        }
        redfish_free(doc);
    }
    if (task == REDFISH_TASK_FAILED) {
        walk_fail(call, NSH_FAILED, "the BMC's task for %s failed: %s",
                  redfish_reset_word(call->reset), words);
    } else if (task == REDFISH_TASK_DONE) {
        power_prove_begin(call);
    } else if (walk_left_ms(call) <= task_wait_ms(result)) {
        walk_fail(call, NSH_UNKNOWN, "the BMC's task for %s still runs",
                  redfish_reset_word(call->reset));
    } else {
        walk_pause(call, WALK_TASK, task_wait_ms(result));
    }
}

/* ---- proving ---------------------------------------------------------------------------- */

/* The state is not the one wanted, or cannot be read: look again, until time is up. */
static void prove_again(struct redfish_call *call, int code, const char *why)
{
    uint32_t poll_ms = call->device->poll_ms;
    if (walk_left_ms(call) > poll_ms) {
        walk_pause(call, WALK_PROVE, poll_ms);
    } else if (call->acted) {
        walk_fail(call, code, "accepted %s, but %s", redfish_reset_word(call->reset), why);
    } else {
        walk_fail(call, code, "%s", why);
    }
}

static bool differs(const char *told, const char *before)
{
    return told != NULL && before[0] != '\0' && strcmp(told, before) != 0;
}

static void prove_read(struct redfish_call *call, const struct redfish_system *system)
{
    char why[80];
    bool on = system->power == REDFISH_POWER_ON, off = system->power == REDFISH_POWER_OFF;
    bool restart = call->aim == AIM_RESTART || call->aim == AIM_CYCLE;
    bool must_move = call->aim == AIM_CYCLE || (call->aim == AIM_RESTART && call->watch);

    call->power = system->power;
    call->moved = call->moved || !on || differs(system->boot, call->boot) ||
                  differs(system->reset_time, call->reset_time);
    call->seen_count = off ? (uint8_t)(call->seen_count + 1) : 0;
    if (call->aim == AIM_OFF ? !off : !on) {
        snprintf(why, sizeof why, "the host is %s%s", off || on ? "still " : "",
                 redfish_power_word(system->power));
        prove_again(call, NSH_UNVERIFIED, why);
    } else if (call->aim == AIM_OFF && call->seen_count < OFF_READS) {
        walk_pause(call, WALK_PROVE, call->device->poll_ms);
    } else if (call->aim == AIM_OFF && call->then_on) {
        walk_pause(call, WALK_REST, call->device->off_time_ms);
    } else if (restart && must_move && !call->moved) {
        prove_again(call, NSH_UNVERIFIED, "the host did not restart");
    } else {
        power_done(call, call->acted);
    }
}

void power_prove_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_system system;
    struct json_object *doc = NULL;
    struct nsh_error err = {0};

    if (result->code != NSH_OK ||
        redfish_parse(result->reply->body, result->reply->body_bytes, &doc, &err) < 0) {
        call->seen_count = 0;
        prove_again(call, NSH_UNKNOWN, "the power state cannot be read since");
        return;
    }
    if (find_system(call, doc, &system, &err) < 0) {
        redfish_free(doc);
        walk_fail(call, err.code, "%s", err.text);
        return;
    }
    call->device->services->trace(call->device->services, call->op, "power state %s",
                                  redfish_power_word(system.power));
    prove_read(call, &system);
    redfish_free(doc);
}

/* Off long enough: on again. */
void power_rest_over(struct redfish_call *call)
{
    call->second = true;
    call->then_on = false;
    call->aim = AIM_ON;
    call->reset = allowed(call->device, REDFISH_ON) ? REDFISH_ON : REDFISH_FORCE_ON;
    walk_move(call, WALK_ACT);
}
