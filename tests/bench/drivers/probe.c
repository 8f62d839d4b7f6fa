/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver for the shell's tests: writes each call it gets as a line to the file `log`, keeps a
 * power state per device, and answers late, never or badly when its settings say so.
 */

#include "abi/notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nsh_device {
    struct nsh_services *services;
    char log[256], answer[32], address[64];
    uint32_t delay_ms;
    bool off;
};

struct probe_call {
    struct nsh_device *device;
    struct nsh_op *op;
};

static int probe_open(struct nsh_services *services, const struct nsh_value *settings,
                      struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->delay_ms = (uint32_t)nsh_get_int(settings, "delay", 0);
    snprintf(device->log, sizeof device->log, "%s", nsh_get_text(settings, "log", ""));
    snprintf(device->answer, sizeof device->answer, "%s", nsh_get_text(settings, "answer", ""));
    snprintf(device->address, sizeof device->address, "%s", nsh_get_text(settings, "address", ""));
    *ret_device = device;
    return 0;
}

static void note(const struct probe_call *call)
{
    FILE *file = fopen(call->device->log, "a");
    if (file != NULL) {
        const struct nsh_op *op = call->op;
        fprintf(file, "%s %s %s\n", op->verb->name, op->host[0] == '\0' ? "-" : op->host,
                nsh_get_text(op->args, "title", nsh_get_text(op->args, "text", "")));
        fclose(file);
    }
}

static void probe_end(void *arg)
{
    struct probe_call *call = arg;
    struct nsh_device *device = call->device;
    struct nsh_services *services = device->services;
    bool fails = strcmp(device->answer, "fail") == 0 && call->op->verb->effect != NSH_READS;
    if (strcmp(call->op->verb->name, "power.off") == 0) {
        device->off = true;
    }
    struct nsh_member power = {"power", nsh_text(device->off ? "off" : "on")};
    struct nsh_value result = nsh_map(&power, 1);
    struct nsh_outcome outcome = {
        .code = fails ? NSH_REFUSED : NSH_OK,
        .result = fails ? NULL : &result,
        .text = fails ? "the probe refuses" : "",
    };
    services->complete(services, call->op, &outcome);
    free(call);
}

static int probe_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct probe_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *call = (struct probe_call){device, op};
    op->driver_data = call;
    note(call);
    if (strcmp(device->answer, "never") == 0) {
        return 0;
    }
    if (device->services->timer(device->services, device->delay_ms, probe_end, call) == NULL) {
        free(call);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return 0;
}

static void probe_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct probe_call *call = op->driver_data;
    if (strcmp(device->answer, "never") == 0) {
        device->services->complete(device->services, op,
                                   &(struct nsh_outcome){.code = NSH_CANCELLED,
                                                         .effect_possible = true,
                                                         .text = "cancelled"});
        free(call);
    } /* Else its timer fires soon. */
}

static void probe_close(struct nsh_device *device)
{
    free(device);
}

static const char *const answers[] = {"good", "fail", "never", NULL};

static const struct nsh_option options[] = {
    {.name = "address", .type = NSH_STRING, .flags = NSH_IDENTIFIES, .help = "Only for texts."},
    {.name = "instance", .type = NSH_STRING, .help = "Only for identity."},
    {.name = "node", .type = NSH_STRING, .help = "Only for identity."},
    {.name = "log", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "File of calls."},
    {.name = "answer", .type = NSH_STRING, .preset = "good", .choices = answers, .help = "How."},
    {.name = "delay", .type = NSH_DURATION, .preset = "1ms", .help = "Until the answer."},
    {.name = "password", .type = NSH_SECRET, .help = "Only resolved."},
};

static const struct nsh_option page_args[] = {
    {.name = "title", .type = NSH_STRING, .help = "One line."},
    NSH_NOTICE_ARGS("How soon.", "What belongs together."),
};

#define VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof)                          \
    {                                                                                              \
        NSH_PROVEN_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof, 2000,         \
                        "For tests.")                                                              \
    }

static const struct nsh_verb verbs[] = {
    VERB("power.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL),
    VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power.status", "power=on"),
    VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power.status", "power=off"),
    VERB("power.cycle", NSH_INTERRUPTS, NSH_EXCLUSIVE, "power.status", "power=on"),
    NSH_NOTICE_VERB("page", page_args, 2000, "For tests."),
};

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "probe",
    .version = "1",
    .summary = "For tests.",
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = probe_open,
    .start = probe_start,
    .cancel = probe_cancel,
    .close = probe_close,
};
