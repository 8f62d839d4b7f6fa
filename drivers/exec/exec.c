/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: any program as a function (JSON in, JSON out), and any fence agent by its own contract.
 * Never a shell. Limits on time, memory, output and environment are the spawn service's; the whole
 * process group ends on time-out.
 */

#include "exec.h"

#include "abi/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const contracts[] = {"json", "worker", "fence", NULL};

static const struct nsh_option options[] = {
    {.name = "program",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "Absolute path."},
    {.name = "contract",
     .type = NSH_STRING,
     .preset = "json",
     .choices = contracts,
     .help = "json: JSON in, JSON out. worker: the same by a program that stays, a line for each "
             "call. fence: a fence agent (key=value lines, its exit codes)."},
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
     .help = "Output, each stream; of a worker each answer."},
    {.name = "workers",
     .type = NSH_INT,
     .preset = "1",
     .min = "1",
     .max = "16",
     .help = "worker: so many processes at most, each with one call at a time."},
    {.name = "idle",
     .type = NSH_DURATION,
     .preset = "10m",
     .min = "0s",
     .max = "7d",
     .help = "worker: one that had nothing to do for so long is ended; 0s: never."},
};

#define EXEC_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof, verb_timeout_ms,    \
                  verb_help)                                                                       \
    {                                                                                              \
        NSH_PROVEN_VERB(verb_name, verb_effect, (verb_flags) | NSH_ANY_ARGS, verb_verify,          \
                        verb_proof, verb_timeout_ms, verb_help)                                    \
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
    EXEC_VERB("fence.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
              "json, fence: {\"power\": \"on\"|\"off\"}."),
    EXEC_VERB("fence", NSH_INTERRUPTS, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "fence.status", "power=off",
              120000, "json, fence."),
    EXEC_VERB("fence.release", NSH_CHANGES, NSH_IDEMPOTENT | NSH_EXCLUSIVE, "fence.status",
              "power=on", 120000, "json, fence."),
    EXEC_VERB("exec.list", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
              "json; fence: the plugs or machines that the device has."),
    EXEC_VERB("exec.doctor", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 60000,
              "For `driver doctor`: the program's file; fence: the parameters, and monitor."),
    EXEC_VERB("notify", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "json."),
    EXEC_VERB("page", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "json."),
    EXEC_VERB("ticket", NSH_CHANGES, NSH_NOTIFIES, NULL, NULL, 30000, "json."),
};

static void exec_close(struct nsh_device *device)
{
    exec_workers_end(device);
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
    if (device->parameters_count == EXEC_PARAMETERS_COUNT_MAX) {
        return nsh_fail(err, NSH_LIMIT, "more than %d parameters", EXEC_PARAMETERS_COUNT_MAX);
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

static bool own_option(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
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
    /* A fence agent by name has a table of its own: what is not of ours is its parameter. */
    for (uint32_t i = 0; result == 0 && i < settings->count; i++) {
        const struct nsh_member *member = &settings->members[i];
        if (!own_option(member->name) && member->value.type != NSH_NULL) {
            result = parameter_add(device, member->name, &member->value, err);
        }
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
    const char *contract = nsh_get_text(settings, "contract", "json");
    device->contract = strcmp(contract, "fence") == 0    ? CONTRACT_FENCE
                       : strcmp(contract, "worker") == 0 ? CONTRACT_WORKER
                                                         : CONTRACT_JSON;
    device->workers_max = (size_t)nsh_get_int(settings, "workers", 1);
    device->idle_ms = (uint32_t)nsh_get_int(settings, "idle", 0);
    device->memory_bytes_max = (uint64_t)nsh_get_int(settings, "memory_mib", 512) << 20;
    device->cpu_s_max = (uint32_t)nsh_get_int(settings, "cpu_s", 60);
    device->output_bytes_max = (size_t)nsh_get_int(settings, "output_kib", 64) << 10;
    device->program = strdup(program);
    device->parameters = calloc(EXEC_PARAMETERS_COUNT_MAX, sizeof *device->parameters);
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

void exec_end(struct exec_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    op->driver_data = NULL;
    free(call);
    services->complete(services, op, outcome);
}

void exec_redact(const struct nsh_device *device, char *words)
{
    for (size_t i = 0; i < device->parameters_count; i++) {
        const struct nsh_member *member = &device->parameters[i];
        if (!nsh_name_says_secret(member->name) || member->value.type != NSH_STRING ||
            member->value.count == 0) {
            continue;
        }
        for (char *at = words; (at = strstr(at, member->value.text)) != NULL;) {
            memset(at, '*', member->value.count);
        }
    }
}

void exec_fail(struct exec_call *call, int code, const char *text)
{
    char words[EXEC_WORDS_BYTES_MAX + 256];
    snprintf(words, sizeof words, "%.200s: %s", call->device->program, text);
    exec_redact(call->device, words);
    exec_end(call,
             &(struct nsh_outcome){.code = code, .effect_possible = call->sent, .text = words});
}

bool exec_verb_is(const struct nsh_op *op, const char *name)
{
    const char *dot = strchr(op->verb->name, '.');
    return dot != NULL && strcmp(dot + 1, name) == 0 && op->verb->effect == NSH_READS;
}

static void ended(void *arg, const struct nsh_exit *end)
{
    struct exec_call *call = arg;
    call->process = NULL;
    if (call->cancelled) {
        bool effect = call->sent || (call->stage != STAGE_METADATA && end->started &&
                                     call->op->verb->effect != NSH_READS);
        exec_end(call, &(struct nsh_outcome){
                           .code = NSH_CANCELLED, .effect_possible = effect, .text = "cancelled"});
    } else if (call->device->contract == CONTRACT_FENCE) {
        exec_fence_ended(call, end);
    } else {
        exec_json_ended(call, end);
    }
}

int exec_run(struct exec_call *call, const char *const *argv, char *input, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    int result = device->services->spawn(
        device->services,
        &(struct nsh_spawn){.argv = argv,
                            .input = input,
                            .input_bytes = input == NULL ? 0 : strlen(input),
                            .output_bytes_max = device->output_bytes_max,
                            .memory_bytes_max = device->memory_bytes_max,
                            .cpu_s_max = device->cpu_s_max,
                            .timeout_ms = call->op->timeout_ms},
        ended, call, &call->process, err);
    exec_request_free(input);
    return result;
}

static int exec_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct exec_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *call = (struct exec_call){.device = device, .op = op, .stage = STAGE_ONLY};
    op->driver_data = call;
    int result = device->contract == CONTRACT_FENCE ? exec_fence_start(call, err)
                                                    : exec_json_start(call, err);
    if (result < 0) {
        op->driver_data = NULL;
        free(call);
    }
    return result;
}

static void exec_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct exec_call *call = op->driver_data;
    if (call != NULL && device->contract == CONTRACT_WORKER && call->process == NULL) {
        exec_worker_cancel(call);
    } else if (call != NULL && !call->cancelled) {
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
