/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: any program as a function (JSON in, JSON out), and any fence agent by its own contract.
 * Never a shell. Limits on time, memory, output and environment are the spawn service's; the whole
 * process group ends on time-out.
 *
 * A fence agent's own "reboot" is not used: it says success even when the host did not come back. A
 * cycle here is off, status says off, on; the engine then reads the status.
 */

#include "abi/driver.h"
#include "exec_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS_COUNT_MAX 64

enum contract { CONTRACT_JSON, CONTRACT_FENCE };

struct nsh_device {
    struct nsh_services *services;
    enum contract contract;
    char *program;
    struct nsh_member *parameters; /* Owned copies: texts, numbers, booleans. */
    size_t parameters_count;
    uint64_t memory_bytes_max;
    size_t output_bytes_max;
    uint32_t cpu_s_max;
    bool metadata_read; /* The fence agent's parameters and actions were compared with ours. */
};

/* A call is one program, or for a fence agent a row of them. */
enum stage { STAGE_METADATA, STAGE_ONLY, STAGE_CYCLE_OFF, STAGE_CYCLE_PROOF, STAGE_CYCLE_ON };

struct exec_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct nsh_process *process;
    enum stage stage;
    const char *action;   /* Of the fence agent now running. */
    bool cancelled, sent; /* sent: a request with an effect left already. */
};

static const char *const contracts[] = {"json", "fence", NULL};

static const struct nsh_option options[] = {
    {.name = "program",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "Absolute path."},
    {.name = "contract",
     .type = NSH_STRING,
     .preset = "json",
     .choices = contracts,
     .help = "json: JSON in, JSON out. fence: a fence agent (key=value lines, its exit codes)."},
    {.name = "parameters",
     .type = NSH_MAP,
     .help =
         "Handed to the program: the fence agent's options, or `settings` of the JSON request."},
    {.name = "user", .type = NSH_STRING, .help = "Handed over as parameter `username`."},
    {.name = "password",
     .type = NSH_SECRET,
     .help = "Handed over as parameter `password`, on standard input only."},
    {.name = "memory_mib",
     .type = NSH_INT,
     .preset = "512",
     .min = "16",
     .max = "16384",
     .help = "Address space."},
    {.name = "cpu_s",
     .type = NSH_INT,
     .preset = "60",
     .min = "1",
     .max = "3600",
     .help = "Processor seconds."},
    {.name = "output_kib",
     .type = NSH_INT,
     .preset = "64",
     .min = "1",
     .max = "4096",
     .help = "Output, each stream."},
};

#define EXEC_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof, verb_timeout_ms,    \
                  verb_help)                                                                       \
    {                                                                                              \
        .name = (verb_name), .effect = (verb_effect), .flags = (verb_flags) | NSH_ANY_ARGS,        \
        .verify = (verb_verify), .proof = (verb_proof), .timeout_ms_default = (verb_timeout_ms),   \
        .help = (verb_help),                                                                       \
    }

static const struct nsh_verb verbs[] = {
    EXEC_VERB("power.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
              "json, fence: {\"power\": \"on\"|\"off\"}."),
    EXEC_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "power.status", "power=on",
              120000, "json, fence."),
    EXEC_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "power.status",
              "power=off", 120000, "json, fence."),
    EXEC_VERB("power.cycle", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on", 240000,
              "json; fence: off, status, on."),
    EXEC_VERB("reset.soft", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on", 120000,
              "json."),
    EXEC_VERB("reset.hard", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on", 120000,
              "json."),
    EXEC_VERB("identify", NSH_CHANGES, NSH_IDEMPOTENT, NULL, NULL, 30000, "json."),
    EXEC_VERB("log.read", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000, "json."),
    EXEC_VERB("probe", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000, "json."),
    EXEC_VERB("drain", NSH_CHANGES, NSH_IDEMPOTENT, NULL, NULL, 900000, "json."),
    EXEC_VERB("undrain", NSH_CHANGES, NSH_IDEMPOTENT, NULL, NULL, 60000, "json."),
    EXEC_VERB("evacuate", NSH_INTERRUPTS, NSH_EXCLUSIVE, NULL, NULL, 900000, "json."),
    EXEC_VERB("provision", NSH_DESTROYS, NSH_EXCLUSIVE, NULL, NULL, 900000, "json."),
    EXEC_VERB("release", NSH_DESTROYS, NSH_EXCLUSIVE, NULL, NULL, 900000, "json."),
    EXEC_VERB("add", NSH_CHANGES, NSH_EXCLUSIVE, NULL, NULL, 900000, "json."),
    EXEC_VERB("remove", NSH_DESTROYS, NSH_EXCLUSIVE, NULL, NULL, 900000, "json."),
    EXEC_VERB("notify", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "json."),
    EXEC_VERB("page", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "json."),
    EXEC_VERB("ticket", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "json."),
};

static const struct {
    const char *verb, *action;
} fence_actions[] = {
    {"power.status", "status"}, {"power.on", "on"},   {"power.off", "off"},
    {"power.cycle", "off"},     {"probe", "monitor"},
};

static void exec_close(struct nsh_device *device)
{
    for (size_t i = 0; i < device->parameters_count; i++) {
        free((char *)(uintptr_t)device->parameters[i].name);
        if (device->parameters[i].value.type == NSH_STRING) {
            explicit_bzero((char *)(uintptr_t)device->parameters[i].value.text,
                           device->parameters[i].value.count);
            free((char *)(uintptr_t)device->parameters[i].value.text);
        }
    }
    free(device->parameters);
    free(device->program);
    free(device);
}

static int parameter_add(struct nsh_device *device, const char *name, const struct nsh_value *value,
                         struct nsh_error *err)
{
    if (device->parameters_count == PARAMETERS_COUNT_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d parameters", PARAMETERS_COUNT_MAX);
    }
    if (value->type != NSH_STRING && value->type != NSH_INT && value->type != NSH_BOOL) {
        return nsh_fail(err, NSH_INVALID, "parameter %s wants a text, a number or a boolean", name);
    }
    struct nsh_member *member = &device->parameters[device->parameters_count];
    *member = (struct nsh_member){.name = strdup(name), .value = *value};
    if (value->type == NSH_STRING) {
        member->value.text = strdup(value->text);
    }
    if (member->name == NULL || (value->type == NSH_STRING && member->value.text == NULL)) {
        free((char *)(uintptr_t)member->name);
        if (value->type == NSH_STRING) {
            free((char *)(uintptr_t)member->value.text);
        }
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->parameters_count++;
    return 0;
}

static int parameters_take(struct nsh_device *device, const struct nsh_value *settings,
                           struct nsh_error *err)
{
    const struct nsh_value *given = nsh_get(settings, "parameters");
    const struct nsh_value *user = nsh_get(settings, "user"),
                           *password = nsh_get(settings, "password");
    int result = 0;
    for (uint32_t i = 0; result == 0 && given != NULL && given->type == NSH_MAP && i < given->count;
         i++) {
        result = parameter_add(device, given->members[i].name, &given->members[i].value, err);
    }
    if (result == 0 && user != NULL && user->type == NSH_STRING) {
        result = parameter_add(device, "username", user, err);
    }
    if (result == 0 && password != NULL && password->type == NSH_STRING) {
        result = parameter_add(device, "password", password, err);
    }
    return result;
}

static int exec_open(struct nsh_services *services, const struct nsh_value *settings,
                     struct nsh_device **ret_device, struct nsh_error *err)
{
    const char *program = nsh_get_text(settings, "program", "");
    if (program[0] != '/') {
        return nsh_fail(err, NSH_INVALID, "program wants an absolute path, got %s", program);
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->contract = strcmp(nsh_get_text(settings, "contract", "json"), "fence") == 0
                           ? CONTRACT_FENCE
                           : CONTRACT_JSON;
    device->memory_bytes_max = (uint64_t)nsh_get_int(settings, "memory_mib", 512) << 20;
    device->cpu_s_max = (uint32_t)nsh_get_int(settings, "cpu_s", 60);
    device->output_bytes_max = (size_t)nsh_get_int(settings, "output_kib", 64) << 10;
    device->program = strdup(program);
    device->parameters = calloc(PARAMETERS_COUNT_MAX, sizeof *device->parameters);
    int result = device->program == NULL || device->parameters == NULL
                     ? nsh_fail(err, NSH_NOMEM, "out of memory")
                     : parameters_take(device, settings, err);
    if (result < 0) {
        exec_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static void call_end(struct exec_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    op->driver_data = NULL;
    free(call);
    services->complete(services, op, outcome);
}

/* Programs print what they were given: no secret of ours goes into a text. */
static void redact(const struct nsh_device *device, char *words)
{
    for (size_t i = 0; i < device->parameters_count; i++) {
        const struct nsh_member *member = &device->parameters[i];
        if (strcmp(member->name, "password") != 0 || member->value.type != NSH_STRING ||
            member->value.count == 0) {
            continue;
        }
        for (char *at = words; (at = strstr(at, member->value.text)) != NULL;) {
            memset(at, '*', member->value.count);
        }
    }
}

static void call_fail(struct exec_call *call, int code, const char *text)
{
    char words[EXEC_WORDS_BYTES_MAX + 256];
    snprintf(words, sizeof words, "%.200s: %s", call->device->program, text);
    redact(call->device, words);
    call_end(call,
             &(struct nsh_outcome){.code = code, .effect_possible = call->sent, .text = words});
}

static void ended(void *arg, const struct nsh_exit *end);

/* Run the program with this input (owned); a failure to start ends nothing: the caller does. */
static int call_run(struct exec_call *call, char *input, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    const char *const argv[] = {device->program, NULL};
    int result =
        device->services->spawn(device->services,
                                &(struct nsh_spawn){.argv = argv,
                                                    .input = input,
                                                    .input_bytes = strlen(input),
                                                    .output_bytes_max = device->output_bytes_max,
                                                    .memory_bytes_max = device->memory_bytes_max,
                                                    .cpu_s_max = device->cpu_s_max,
                                                    .timeout_ms = call->op->timeout_ms},
                                ended, call, &call->process, err);
    exec_request_free(input);
    return result;
}

static int fence_run(struct exec_call *call, enum stage stage, const char *action,
                     struct nsh_error *err)
{
    struct nsh_value parameters = nsh_map(call->device->parameters, call->device->parameters_count);
    char *input = NULL;
    call->stage = stage;
    call->action = action;
    int result =
        exec_fence_request(action, stage == STAGE_METADATA ? NULL : &parameters, &input, err);
    return result < 0 ? result : call_run(call, input, err);
}

static const char *fence_action(const char *verb)
{
    for (size_t i = 0; i < sizeof fence_actions / sizeof fence_actions[0]; i++) {
        if (strcmp(fence_actions[i].verb, verb) == 0) {
            return fence_actions[i].action;
        }
    }
    return NULL;
}

static int fence_begin(struct exec_call *call, struct nsh_error *err)
{
    const char *verb = call->op->verb->name;
    return fence_run(call, strcmp(verb, "power.cycle") == 0 ? STAGE_CYCLE_OFF : STAGE_ONLY,
                     fence_action(verb), err);
}

struct metadata_check {
    const struct nsh_device *device;
    bool found[PARAMETERS_COUNT_MAX];
    bool on, off;
};

static void metadata_name(void *arg, bool action, const char *name, size_t name_bytes)
{
    struct metadata_check *check = arg;
    for (size_t i = 0; !action && i < check->device->parameters_count; i++) {
        const char *ours = check->device->parameters[i].name;
        check->found[i] =
            check->found[i] || (strlen(ours) == name_bytes && memcmp(ours, name, name_bytes) == 0);
    }
    check->on = check->on || (action && name_bytes == 2 && memcmp(name, "on", 2) == 0);
    check->off = check->off || (action && name_bytes == 3 && memcmp(name, "off", 3) == 0);
}

/* Compare what the agent takes with what we would send; then go on with the verb. */
static void metadata_ended(struct exec_call *call, const struct nsh_exit *end)
{
    struct nsh_device *device = call->device;
    struct metadata_check check = {.device = device};
    struct nsh_error err = {0};
    if (end->code != NSH_OK || end->status != 0 || end->signal != 0) {
        struct exec_reply reply;
        exec_fence_reply("metadata", end, &reply);
        call_fail(call, reply.code == NSH_OK ? NSH_FAILED : reply.code, reply.words);
        return;
    }
    int result = exec_fence_metadata(end->output, end->output_bytes, metadata_name, &check, &err);
    for (size_t i = 0; result == 0 && i < device->parameters_count; i++) {
        if (!check.found[i]) {
            result = nsh_fail(&err, NSH_INVALID, "the fence agent knows no parameter '%s'",
                              device->parameters[i].name);
        }
    }
    if (result == 0 && (!check.on || !check.off)) {
        result = nsh_fail(&err, NSH_UNSUPPORTED, "the fence agent offers no on and off");
    }
    if (result == 0) {
        device->metadata_read = true;
        result = fence_begin(call, &err);
    }
    if (result < 0) {
        call_fail(call, -result, err.text);
    }
}

static void fence_end(struct exec_call *call, const struct exec_reply *reply, const char *power)
{
    struct nsh_member member = {"power", nsh_text(power)};
    struct nsh_value result = nsh_map(&member, 1);
    char words[EXEC_WORDS_BYTES_MAX + 256];
    snprintf(words, sizeof words, "%.200s %s: %s", call->device->program, call->action,
             reply->words[0] != 0 ? reply->words : nsh_code_word(reply->code));
    call_end(call, &(struct nsh_outcome){.code = reply->code,
                                         .effect_possible = reply->effect_possible ||
                                                            (reply->code != NSH_OK && call->sent),
                                         .result = power == NULL ? NULL : &result,
                                         .text = words});
}

static void fence_ended(struct exec_call *call, const struct nsh_exit *end)
{
    struct exec_reply reply;
    struct nsh_error err = {0};
    int result = 0;
    exec_fence_reply(call->action, end, &reply);
    redact(call->device, reply.words);
    call->device->services->trace(call->device->services, call->op, "%s %s: %s",
                                  call->device->program, call->action,
                                  reply.code == NSH_OK ? "ok" : reply.words);
    call->sent = call->sent || (call->stage == STAGE_CYCLE_OFF &&
                                (reply.code == NSH_OK || reply.effect_possible));
    if (reply.code != NSH_OK || call->stage == STAGE_ONLY || call->stage == STAGE_CYCLE_ON) {
        fence_end(call, &reply, reply.power);
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
        call_fail(call, -result, err.text);
    }
}

static void ended(void *arg, const struct nsh_exit *end)
{
    struct exec_call *call = arg;
    call->process = NULL;
    if (call->cancelled) {
        bool effect = call->sent || (call->stage != STAGE_METADATA && end->started &&
                                     call->op->verb->effect != NSH_READS);
        call_end(call, &(struct nsh_outcome){
                           .code = NSH_CANCELLED, .effect_possible = effect, .text = "cancelled"});
        return;
    }
    if (call->device->contract == CONTRACT_FENCE) {
        if (call->stage == STAGE_METADATA) {
            metadata_ended(call, end);
        } else {
            fence_ended(call, end);
        }
        return;
    }
    struct exec_reply reply;
    exec_json_reply(end, call->op->verb->effect != NSH_READS, &reply);
    if (reply.code == NSH_OK && strcmp(call->op->verb->name, "power.status") == 0) {
        const char *power = nsh_get_text(&reply.result, "power", "");
        if (strcmp(power, "on") != 0 && strcmp(power, "off") != 0) {
            reply.code = NSH_PROTOCOL;
            snprintf(reply.words, sizeof reply.words,
                     "wanted \"power\": \"on\" or \"off\" in its result");
        }
    }
    char words[EXEC_WORDS_BYTES_MAX + 256];
    snprintf(words, sizeof words, "%.200s: %s", call->device->program,
             reply.words[0] != 0 ? reply.words : nsh_code_word(reply.code));
    redact(call->device, words);
    void *memory = reply.memory;
    call_end(call,
             &(struct nsh_outcome){.code = reply.code,
                                   .effect_possible = reply.effect_possible,
                                   .result = reply.code == NSH_OK && reply.result.type == NSH_MAP
                                                 ? &reply.result
                                                 : NULL,
                                   .text = words});
    free(memory);
}

static int exec_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    if (device->contract == CONTRACT_FENCE && fence_action(op->verb->name) == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "%s: a fence agent has no %s", device->program,
                        op->verb->name);
    }
    struct exec_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *call = (struct exec_call){.device = device, .op = op, .stage = STAGE_ONLY};
    op->driver_data = call;
    struct nsh_value parameters = nsh_map(device->parameters, device->parameters_count);
    int result = 0;
    if (device->contract == CONTRACT_JSON) {
        char *input = NULL;
        result = exec_json_request(op, &parameters, &input, err);
        result = result < 0 ? result : call_run(call, input, err);
    } else if (!device->metadata_read) {
        result = fence_run(call, STAGE_METADATA, "metadata", err);
    } else {
        result = fence_begin(call, err);
    }
    if (result < 0) {
        op->driver_data = NULL;
        free(call);
    }
    return result;
}

static void exec_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct exec_call *call = op->driver_data;
    if (call != NULL && !call->cancelled) {
        call->cancelled = true;
        device->services->spawn_cancel(device->services, call->process); /* ended() follows. */
    }
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "exec",
    .version = "1.0",
    .summary = "Any program as a function, and every installed fence agent.",
    .maturity = NSH_PROVEN,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = exec_open,
    .start = exec_start,
    .cancel = exec_cancel,
    .close = exec_close,
};
