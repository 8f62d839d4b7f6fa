/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of people and tools: a table; each is kept as a record with who asked. */

#include "engine_private.h"

#include <stdio.h>
#include <stdlib.h>

#define FREEZE_MS_MAX                                                                              \
    (30 * DAY_MS) /* A lease: longer ones are renewed by somebody who still cares. */

typedef int (*command_fn)(struct engine *engine, const struct engine_command *command,
                          struct nsh_error *err);

static const char *wanted(const struct engine_command *command, const char *name)
{
    const char *text = nsh_get_text(&command->args, name, "");
    return text;
}

static const char *owner_of(struct engine *engine, const struct engine_command *command)
{
    const char *owner = wanted(command, "owner");
    return owner[0] != 0 ? owner : scratch_printf(engine, "%.*s", PT(command->actor));
}

/* Who and why, for the reasons of what follows. */
static const char *by(struct engine *engine, const struct engine_command *command, const char *what)
{
    const char *reason = wanted(command, "reason");
    return scratch_printf(engine, "%s by %s%s%s", what, owner_of(engine, command),
                          reason[0] == 0 ? "" : ": ", reason);
}

static bool domain_exists(const struct engine *engine, const struct freeze *freeze)
{
    if (freeze->name == NULL) {
        return true;
    }
    struct text name = text_of(freeze->name);
    if (strcmp(freeze->kind, "host") == 0) {
        return inventory_host(engine->inventory, name) != NULL;
    }
    if (strcmp(freeze->kind, "policy") == 0) {
        return map_get(&engine->set->by_name, name) != NULL;
    }
    const struct domain_state *domain = map_get(&engine->domains, text_of(freeze->scope));
    return domain != NULL && domain->hosts_count > 0;
}

static int freeze_make(struct engine *engine, const struct engine_command *command,
                       struct freeze *freeze, struct nsh_error *err)
{
    int64_t for_ms = nsh_get_int(&command->args, "for_ms", 0);
    if (for_ms <= 0 || for_ms > FREEZE_MS_MAX) {
        return nsh_fail(err, NSH_INVALID, "a freeze lasts more than 0s and at most 30d");
    }
    if (wanted(command, "reason")[0] == 0) {
        return nsh_fail(err, NSH_INVALID, "a freeze needs a reason: others will ask");
    }
    int result = freeze_scope(engine, wanted(command, "scope"), freeze, err);
    if (result < 0) {
        return result;
    }
    if (!domain_exists(engine, freeze)) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: there is no such %s", freeze->scope, freeze->kind);
    }
    freeze->owner = engine_copy(engine, text_of(owner_of(engine, command)));
    freeze->reason = engine_copy(engine, text_of(wanted(command, "reason")));
    freeze->since_ms = engine->now_ms;
    freeze->expires_ms = engine->now_ms + for_ms;
    return freeze->owner == NULL || freeze->reason == NULL
               ? nsh_fail(err, NSH_NOMEM, "no memory for a freeze")
               : 0;
}

static int command_freeze(struct engine *engine, const struct engine_command *command,
                          struct nsh_error *err)
{
    if (engine->counters.freezes_active >= FREEZES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "there are %d freezes already", FREEZES_MAX);
    }
    struct freeze *freeze = engine_alloc(engine, sizeof *freeze);
    if (freeze == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a freeze");
    }
    int result = freeze_make(engine, command, freeze, err);
    if (result < 0) {
        freeze_free(engine, freeze);
        return result;
    }
    engine_id(engine, COUNT_FREEZE, "frz", freeze->id);
    freeze_arm(engine, freeze);
    if (freeze->name != NULL && strcmp(freeze->kind, "host") == 0) {
        host_touch(engine, map_get(&engine->hosts, text_of(freeze->name))); /* Its serial. */
    }
    engine_trace(engine, "freeze %s %s on", freeze->id, freeze->scope);
    struct textbuf *reply = &engine->reply;
    textbuf_add_char(reply, '{');
    json_chars(reply, "id", freeze->id);
    json_chars(reply, "scope", freeze->scope);
    textbuf_add_chars(reply, ",\"expires\":\"");
    textbuf_add_time(reply, freeze->expires_ms);
    textbuf_add_chars(reply, "\"");
    json_int(reply, "expires_ms", freeze->expires_ms);
    textbuf_add_char(reply, '}');
    return 0;
}

static int command_unfreeze(struct engine *engine, const struct engine_command *command,
                            struct nsh_error *err)
{
    const char *id = wanted(command, "id");
    for (struct freeze *freeze = engine->freezes; freeze != NULL; freeze = freeze->next) {
        if (!freeze->ended && (strcmp(freeze->id, id) == 0 || strcmp(freeze->scope, id) == 0)) {
            textbuf_add_char(&engine->reply, '{');
            json_chars(&engine->reply, "id", freeze->id);
            json_chars(&engine->reply, "scope", freeze->scope);
            textbuf_add_char(&engine->reply, '}');
            freeze_end(engine, freeze, by(engine, command, "ended"));
            return 0;
        }
    }
    return nsh_fail(err, NSH_NOT_FOUND, "%s: no such freeze", id);
}

static int command_cancel(struct engine *engine, const struct engine_command *command,
                          struct nsh_error *err)
{
    const char *id = wanted(command, "id");
    struct run *run = map_get(&engine->runs, text_of(id));
    if (run == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: no such run is alive", id);
    }
    engine_trace(engine, "run %s %s %s cancel", run->id, run->subject, run->policy_name);
    run_cancel(engine, run, by(engine, command, "cancelled"));
    textbuf_add_char(&engine->reply, '{');
    json_chars(&engine->reply, "id", run->id);
    json_chars(&engine->reply, "state", run_state_word(run->state));
    json_chars(&engine->reply, "text",
               run->ended ? "cancelled" : "it ends when what is in flight is known");
    textbuf_add_char(&engine->reply, '}');
    return 0;
}

static int command_brake(struct engine *engine, const struct engine_command *command,
                         struct nsh_error *err)
{
    const char *id = wanted(command, "id");
    for (struct brake *brake = engine->brakes; brake != NULL; brake = brake->next) {
        if (!brake->released &&
            (strcmp(brake->id, id) == 0 || strcmp(brake->domain_key, id) == 0)) {
            textbuf_add_char(&engine->reply, '{');
            json_chars(&engine->reply, "id", brake->id);
            json_chars(&engine->reply, "domain", brake->domain_key);
            textbuf_add_char(&engine->reply, '}');
            brake_release(engine, brake, by(engine, command, "released"));
            return 0;
        }
    }
    return nsh_fail(err, NSH_NOT_FOUND, "%s: no such brake", id);
}

static int command_clear(struct engine *engine, const struct engine_command *command,
                         struct nsh_error *err)
{
    const char *id = wanted(command, "id");
    struct alarm *alarm = map_get(&engine->alarm_ids, text_of(id));
    if (alarm == NULL || !alarm->raised) {
        return nsh_fail(err, NSH_NOT_FOUND, "%s: no such alarm is raised", id);
    }
    alarm_end(engine, alarm, engine->now_ms);
    textbuf_add_char(&engine->reply, '{');
    json_chars(&engine->reply, "id", alarm->id);
    json_chars(&engine->reply, "state", "cleared");
    textbuf_add_char(&engine->reply, '}');
    return 0;
}

static int command_plan(struct engine *engine, const struct engine_command *command,
                        struct nsh_error *err)
{
    plan_reply(engine, &engine->reply);
    return 0;
}

static int command_status(struct engine *engine, const struct engine_command *command,
                          struct nsh_error *err)
{
    status_reply(engine, &engine->reply);
    return 0;
}

static int command_hold(struct engine *engine, const struct engine_command *command,
                        struct nsh_error *err)
{
    return hold_take(engine, &command->args, owner_of(engine, command), err);
}

static int command_hold_release(struct engine *engine, const struct engine_command *command,
                                struct nsh_error *err)
{
    return hold_release(engine, wanted(command, "id"), by(engine, command, "released"), err);
}

static int command_confirm(struct engine *engine, const struct engine_command *command,
                           struct nsh_error *err)
{
    return blind_confirm(engine, by(engine, command, "confirmed"), err);
}

static int command_breakers(struct engine *engine, const struct engine_command *command,
                            struct nsh_error *err)
{
    textbuf_add_chars(&engine->reply, "{\"breakers\":");
    breakers_json(engine, &engine->reply);
    textbuf_add_char(&engine->reply, '}');
    return 0;
}

static int command_approvals(struct engine *engine, const struct engine_command *command,
                             struct nsh_error *err)
{
    textbuf_add_chars(&engine->reply, "{\"items\":");
    approvals_json(engine, &engine->reply);
    textbuf_add_char(&engine->reply, '}');
    return 0;
}

static const struct {
    const char *name;
    command_fn run;
    bool kept; /* It changes something: who asked is recorded. */
} commands[] = {
    {"freeze", command_freeze, true},
    {"unfreeze", command_unfreeze, true},
    {"run.cancel", command_cancel, true},
    {"brake.release", command_brake, true},
    {"alarm.clear", command_clear, true},
    {"plan", command_plan, false},
    {"status", command_status, false},
    {"breakers", command_breakers, false},
    {"hold", command_hold, true},
    {"hold.release", command_hold_release, true},
    {"inventory.confirm", command_confirm, true},
    {"approve", command_approve, true},
    {"deny", command_deny, true},
    {"veto", command_deny, true},
    {"approvals", command_approvals, false},
    {"lease", command_lease, true},
    {"lease.renew", command_lease_renew, true},
    {"lease.release", command_lease_release, true},
    {"fleetlock", command_fleetlock, true},
    {"fleetlock.release", command_fleetlock_release, true},
};

static void command_record(struct engine *engine, const struct engine_command *command, int result,
                           const struct nsh_error *err)
{
    char id[ID_BYTES];
    engine_id(engine, COUNT_COMMAND, "cmd", id);
    struct textbuf *json = &engine->json;
    const char *state = result == 0 ? "done" : nsh_code_word(-result);
    textbuf_clear(json);
    textbuf_add_char(json, '{');
    json_chars(json, "id", id);
    json_text(json, "name", command->name);
    json_text(json, "actor", command->actor);
    textbuf_add_chars(json, ",\"args\":");
    json_write(&command->args, json);
    json_chars(json, "state", state);
    json_chars(json, "result", result < 0 && err != NULL ? err->text : state);
    json_int(json, "time", engine->now_ms);
    textbuf_add_char(json, '}');
    record_emit(engine, &(struct record){.kind = RECORD_COMMAND,
                                         .time_ms = engine->now_ms,
                                         .id = text_of(id),
                                         .state = text_of(state),
                                         .body = {json->at, (uint32_t)json->count}});
}

int command_run(struct engine *engine, const struct engine_command *command, struct nsh_error *err)
{
    struct nsh_error own = {0};
    err = err == NULL ? &own : err;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!text_is(command->name, commands[i].name)) {
            continue;
        }
        int result = commands[i].run(engine, command, err);
        if (commands[i].kept) {
            command_record(engine, command, result, err);
        }
        return result;
    }
    return nsh_fail(err, NSH_INVALID, "there is no command %.*s", PT(command->name));
}
