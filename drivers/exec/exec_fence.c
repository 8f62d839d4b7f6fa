/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fence agents. Before the first use an agent's metadata is compared with what we would send it.
 *
 * An agent's own "reboot" is not used: it says success even when the host did not come back. A
 * cycle here is off, status says off, on; the engine then reads the status.
 */

#include "exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGS_COUNT_MAX 256

static const struct {
    const char *verb, *action;
} fence_actions[] = {
    {"power.status", "status"}, {"power.on", "on"}, {"power.off", "off"},    {"power.cycle", "off"},
    {"fence.status", "status"}, {"fence", "off"},   {"fence.release", "on"}, {"probe", "monitor"},
};

static int fence_run(struct exec_call *call, enum exec_stage stage, const char *action,
                     struct nsh_error *err)
{
    struct nsh_value parameters = nsh_map(call->device->parameters, call->device->parameters_count);
    char *input = NULL;
    call->stage = stage;
    call->action = action;
    int result =
        exec_fence_request(action, stage == STAGE_METADATA ? NULL : &parameters, &input, err);
    if (result < 0) {
        return result;
    }
    const char *const argv[] = {call->device->program, NULL};
    return exec_run(call, argv, input, err);
}

/* NULL: agents have no such thing. */
static const char *fence_action(const struct nsh_op *op)
{
    for (size_t i = 0; i < sizeof fence_actions / sizeof fence_actions[0]; i++) {
        if (strcmp(fence_actions[i].verb, op->verb->name) == 0) {
            return fence_actions[i].action;
        }
    }
    return exec_verb_is(op, "doctor") ? "monitor" : exec_verb_is(op, "list") ? "list" : NULL;
}

static int fence_begin(struct exec_call *call, struct nsh_error *err)
{
    bool cycle = strcmp(call->op->verb->name, "power.cycle") == 0;
    return fence_run(call, cycle ? STAGE_CYCLE_OFF : STAGE_ONLY, fence_action(call->op), err);
}

struct metadata_check {
    const struct nsh_device *device;
    const char *action; /* That we want. */
    bool found[EXEC_PARAMETERS_COUNT_MAX];
    bool on, wanted;
};

static bool name_is(const char *name, size_t name_bytes, const char *wanted)
{
    return strlen(wanted) == name_bytes && memcmp(name, wanted, name_bytes) == 0;
}

static void metadata_name(void *arg, bool action, const char *name, size_t name_bytes)
{
    struct metadata_check *check = arg;
    for (size_t i = 0; !action && i < check->device->parameters_count; i++) {
        check->found[i] =
            check->found[i] || name_is(name, name_bytes, check->device->parameters[i].name);
    }
    check->on = check->on || (action && name_is(name, name_bytes, "on"));
    check->wanted = check->wanted || (action && name_is(name, name_bytes, check->action));
}

/* Compare what the agent takes with what we would send; then go on with the verb. */
static void metadata_ended(struct exec_call *call, const struct nsh_exit *end)
{
    struct nsh_device *device = call->device;
    struct metadata_check check = {.device = device, .action = fence_action(call->op)};
    struct nsh_error err = {0};
    if (end->code != NSH_OK || end->status != 0 || end->signal != 0) {
        struct exec_reply reply;
        exec_fence_reply("metadata", end, &reply);
        exec_fail(call, reply.code == NSH_OK ? NSH_FAILED : reply.code, reply.words);
        return;
    }
    int result = exec_fence_metadata(end->output, end->output_bytes, metadata_name, &check, &err);
    for (size_t i = 0; result == 0 && i < device->parameters_count; i++) {
        if (!check.found[i]) {
            result = nsh_fail(&err, NSH_INVALID, "the fence agent knows no parameter '%s'",
                              device->parameters[i].name);
        }
    }
    bool cycle = strcmp(call->op->verb->name, "power.cycle") == 0;
    if (result == 0 && (!check.wanted || (cycle && !check.on))) {
        result = nsh_fail(&err, NSH_UNSUPPORTED, "the fence agent offers no '%s'",
                          check.wanted ? "on" : check.action);
    }
    if (result == 0) {
        device->metadata_read = true;
        result = fence_begin(call, &err);
    }
    if (result < 0) {
        exec_fail(call, -result, err.text);
    }
}

static void fence_end(struct exec_call *call, const struct exec_reply *reply, const char *power)
{
    struct nsh_member member = {"power", nsh_text(power)};
    struct nsh_value result = nsh_map(&member, 1);
    char words[EXEC_WORDS_BYTES_MAX + 256];
    snprintf(words, sizeof words, "%.200s %s: %s", call->device->program, call->action,
             reply->words[0] != 0 ? reply->words : nsh_code_word(reply->code));
    exec_end(call, &(struct nsh_outcome){.code = reply->code,
                                         .effect_possible = reply->effect_possible ||
                                                            (reply->code != NSH_OK && call->sent),
                                         .result = power == NULL ? NULL : &result,
                                         .text = words});
}

/* "plug,alias" lines as a list of maps. */
static void list_end(struct exec_call *call, const struct nsh_exit *end)
{
    struct nsh_member members[PLUGS_COUNT_MAX][2];
    struct nsh_value plugs[PLUGS_COUNT_MAX];
    size_t count = 0;
    char *lines = strndup(end->output, end->output_bytes), *rest = lines;
    if (lines == NULL) {
        exec_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    for (char *line; count < PLUGS_COUNT_MAX && (line = strtok_r(rest, "\r\n", &rest)) != NULL;) {
        char *comma = strchr(line, ',');
        if (comma == NULL || !exec_text_good(line)) {
            continue;
        }
        *comma = '\0';
        members[count][0] = (struct nsh_member){"plug", nsh_text(line)};
        members[count][1] = (struct nsh_member){"name", nsh_text(comma + 1)};
        plugs[count] = nsh_map(members[count], 2);
        count++;
    }
    struct nsh_member member = {"plugs", nsh_list(plugs, count)};
    struct nsh_value result = nsh_map(&member, 1);
    exec_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = &result, .text = ""});
    free(lines);
}

static void doctor_end(struct exec_call *call)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    struct nsh_checks checks = {0};
    nsh_check_add(&checks, "agent", NSH_CHECK_OK, NULL,
                  "knows all %zu parameters of the binding; monitor succeeds",
                  call->device->parameters_count);
    op->driver_data = NULL;
    free(call);
    nsh_checks_complete(services, op, &checks);
}

static void only_ended(struct exec_call *call, const struct nsh_exit *end,
                       const struct exec_reply *reply)
{
    if (reply->code == NSH_OK && exec_verb_is(call->op, "doctor")) {
        doctor_end(call);
    } else if (reply->code == NSH_OK && exec_verb_is(call->op, "list")) {
        list_end(call, end);
    } else {
        fence_end(call, reply, reply->power);
    }
}

static void action_ended(struct exec_call *call, const struct nsh_exit *end)
{
    struct exec_reply reply;
    struct nsh_error err = {0};
    int result = 0;
    exec_fence_reply(call->action, end, &reply);
    exec_redact(call->device, reply.words);
    call->device->services->trace(call->device->services, call->op, "%s %s: %s",
                                  call->device->program, call->action,
                                  reply.code == NSH_OK ? "ok" : reply.words);
    call->sent = call->sent || (call->stage == STAGE_CYCLE_OFF &&
                                (reply.code == NSH_OK || reply.effect_possible));
    if (reply.code != NSH_OK || call->stage == STAGE_ONLY || call->stage == STAGE_CYCLE_ON) {
        only_ended(call, end, &reply);
        return;
    }
    if (call->stage == STAGE_CYCLE_OFF) {
        result = fence_run(call, STAGE_CYCLE_PROOF, "status", &err);
    } else if (reply.power == NULL || strcmp(reply.power, "off") != 0) {
        reply.code = NSH_UNVERIFIED;
        snprintf(reply.words, sizeof reply.words,
                 "off was reported done, the status still says on");
        fence_end(call, &reply, NULL);
        return;
    } else {
        result = fence_run(call, STAGE_CYCLE_ON, "on", &err);
    }
    if (result < 0) {
        exec_fail(call, -result, err.text);
    }
}

void exec_fence_ended(struct exec_call *call, const struct nsh_exit *end)
{
    if (call->stage == STAGE_METADATA) {
        metadata_ended(call, end);
    } else {
        action_ended(call, end);
    }
}

int exec_fence_start(struct exec_call *call, struct nsh_error *err)
{
    if (fence_action(call->op) == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "%s: a fence agent has no %s", call->device->program,
                        call->op->verb->name);
    }
    return call->device->metadata_read ? fence_begin(call, err)
                                       : fence_run(call, STAGE_METADATA, "metadata", err);
}
