/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt: domains of a hypervisor. The library is never in this process: it ends it when memory
 * runs out, and it blocks. Each call is one run of nightshift-libvirt (helper/), which gets the
 * request as JSON on its standard input, passwords included, and answers with one JSON object:
 *
 *     {"ok": true, "result": {"power": "on", ...}}
 *     {"ok": false, "code": "not-found", "error": "libvirt's words", "effect_possible": false}
 *
 * It keeps its own time, so that one that hangs still says whether an order had left. One that
 * ends without an answer leaves that open.
 */

#include "abi/driver.h"
#include "abi/json_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_BYTES_MAX (64u * 1024)
#define MEMORY_BYTES_MAX (512u << 20)
#define WORDS_BYTES_MAX 600
#define GRACE_MS 2000 /* What the helper leaves of a call's time to say that it is over. */

static const struct nsh_option options[] = {
    {.name = "uri",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "The hypervisor, such as qemu+tls://kvm1.example/system."},
    {.name = "domain",
     .type = NSH_STRING,
     .flags = NSH_IDENTIFIES,
     .help = "Name or UUID of the domain; the host's name when it is not set."},
    {.name = "uuid",
     .type = NSH_STRING,
     .help = "The domain's UUID: with another one nothing is done."},
    {.name = "user", .type = NSH_STRING, .help = "For hypervisors that ask for one (SASL, ESX)."},
    {.name = "password", .type = NSH_SECRET, .help = "Its password."},
    {.name = "helper",
     .type = NSH_STRING,
     .help = "Absolute path of nightshift-libvirt, when it is not where it was installed."},
};

static const struct nsh_option migrate_args[] = {
    {.name = "to",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED,
     .help = "URI of the other hypervisor, as the first one reaches it."},
};

#define HELPER NS_LIBEXEC_DIR "/nightshift-libvirt"

static const struct nsh_verb verbs[] = {
    {NSH_PROVEN_VERB("power.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
                     "Whether the domain is active; its state.")},
    {NSH_POWER_VERB("power.on", NSH_CHANGES, NSH_IDEMPOTENT, "power=on", 60000,
                    "Start, resume or wake.")},
    {NSH_POWER_VERB("power.off", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 60000,
                    "Destroy: as if the cord was pulled. Refused for a transient domain.")},
    {NSH_POWER_VERB("power.cycle", NSH_INTERRUPTS, 0, "power=on", 120000,
                    "Destroy, read that it is off, start.")},
    {NSH_POWER_VERB("reset.hard", NSH_INTERRUPTS, 0, "power=on", 60000, "The reset button.")},
    {NSH_POWER_VERB("reset.soft", NSH_INTERRUPTS, 0, "power=on", 60000,
                    "Ask the system inside to restart; accepted, not seen.")},
    {NSH_PROVEN_VERB("probe", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
                     "Silent when it is off, crashed or paused.")},
    {NSH_POWER_VERB("libvirt.shutdown", NSH_INTERRUPTS, NSH_IDEMPOTENT, "power=off", 300000,
                    "Ask the system inside to shut down, and wait for it.")},
    {NSH_PROVEN_VERB("libvirt.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
                     "State, reason, autostart, processors, memory, versions.")},
    {NSH_PROVEN_VERB("libvirt.migrate", NSH_CHANGES, NSH_EXCLUSIVE, NULL, NULL, 900000,
                     "Move it live to another hypervisor, and define it there."),
     .args = migrate_args, .args_count = sizeof migrate_args / sizeof migrate_args[0]},
    {NSH_PROVEN_VERB("libvirt.doctor", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, 30000,
                     "For `driver doctor`: the connection, its rights, the domain.")},
};

struct nsh_device {
    struct nsh_services *services;
    struct nsh_pool pool;
    struct nsh_value settings; /* A copy. */
    const char *password;      /* "" when there is none. */
};

struct call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct nsh_process *process;
    bool cancelled;
};

/* ---- devices ---- */

static void libvirt_close(struct nsh_device *device)
{
    nsh_pool_done(&device->pool);
    free(device);
}

static int libvirt_open(struct nsh_services *services, const struct nsh_value *settings,
                        struct nsh_device **ret_device, struct nsh_error *err)
{
    const char *helper = nsh_get_text(settings, "helper", "");
    if (helper[0] != '/' && helper[0] != 0) {
        return nsh_fail(err, NSH_INVALID, "helper wants an absolute path, got %s", helper);
    }
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL || !nsh_pool_value(&device->pool, settings, &device->settings)) {
        if (device != NULL) {
            libvirt_close(device);
        }
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    device->password = nsh_get_text(&device->settings, "password", "");
    *ret_device = device;
    return 0;
}

/* ---- endings ---- */

static void call_end(struct call *call, const struct nsh_outcome *outcome)
{
    struct nsh_services *services = call->device->services;
    struct nsh_op *op = call->op;
    op->driver_data = NULL;
    free(call);
    services->complete(services, op, outcome);
}

/* The library may repeat what it was given. */
static void redact(const struct nsh_device *device, char *words)
{
    size_t count = strlen(device->password);
    for (char *at = words; count > 0 && (at = strstr(at, device->password)) != NULL;) {
        memset(at, '*', count);
    }
}

static bool has_effect(const struct call *call)
{
    return call->op->verb->effect != NSH_READS;
}

static void call_fail(struct call *call, int code, bool effect_possible, const char *text)
{
    char words[WORDS_BYTES_MAX];
    snprintf(words, sizeof words, "%.200s: %s", nsh_get_text(&call->device->settings, "uri", ""),
             text);
    redact(call->device, words);
    call_end(call, &(struct nsh_outcome){
                       .code = code, .effect_possible = effect_possible, .text = words});
}

/* It says no. */
static void refused(struct call *call, const struct nsh_value *reply)
{
    int code = nsh_code_of(nsh_get_text(reply, "code", ""));
    bool effect = has_effect(call) && nsh_get_bool(reply, "effect_possible", true);
    call_fail(call, code > NSH_OK ? code : NSH_FAILED, effect,
              nsh_get_text(reply, "error", "no reason given"));
}

static void succeeded(struct call *call, const struct nsh_value *reply)
{
    const struct nsh_value *result = nsh_get(reply, "result");
    const char *text = nsh_get_text(reply, "text", "");
    char words[WORDS_BYTES_MAX];
    if (result == NULL || result->type != NSH_MAP) {
        call_fail(call, NSH_PROTOCOL, has_effect(call), "the helper's answer has no result");
        return;
    }
    snprintf(words, sizeof words, "%.200s%s%.300s",
             nsh_get_text(&call->device->settings, "uri", ""), text[0] == 0 ? "" : ": ", text);
    redact(call->device, words);
    call_end(call, &(struct nsh_outcome){.code = NSH_OK, .result = result, .text = words});
}

/* How a run ended that gave no answer. */
static void unanswered(struct call *call, const struct nsh_exit *end)
{
    char words[256];
    bool effect = has_effect(call) && end->started;
    if (end->code != NSH_OK) {
        call_fail(call, end->code, effect, end->text == NULL ? "it did not run" : end->text);
        return;
    }
    if (end->signal != 0) {
        snprintf(words, sizeof words, "the helper was ended by signal %d", end->signal);
    } else {
        snprintf(words, sizeof words, "the helper ended with %d without an answer: %.120s",
                 end->status, end->errors_bytes == 0 ? "" : end->errors);
    }
    for (char *at = words; *at != 0; at++) {
        *at = *at < ' ' || *at > '~' ? ' ' : *at;
    }
    call_fail(call, NSH_PROTOCOL, effect, words);
}

static void ended(void *arg, const struct nsh_exit *end)
{
    struct call *call = arg;
    struct nsh_pool pool = {0};
    struct nsh_value reply = nsh_null();
    struct nsh_error err = {0};
    call->process = NULL;
    bool whole = end->code == NSH_OK && end->signal == 0 && end->status == 0 && !end->output_cut;
    int read =
        whole ? nsh_json_read(&pool, end->output, end->output_bytes, &reply, &err) : -NSH_PROTOCOL;
    const struct nsh_value *ok = read == 0 ? nsh_get(&reply, "ok") : NULL;
    if (call->cancelled) {
        call_fail(call, NSH_CANCELLED, has_effect(call) && end->started, "cancelled");
    } else if (read == -NSH_NOMEM) {
        call_fail(call, NSH_NOMEM, has_effect(call), "out of memory");
    } else if (ok == NULL || ok->type != NSH_BOOL) {
        unanswered(call, end);
    } else if (ok->boolean) {
        succeeded(call, &reply);
    } else {
        refused(call, &reply);
    }
    nsh_pool_done(&pool);
}

/* ---- calls ---- */

/* The request, in pool; NULL: out of memory. */
static const char *request_of(struct nsh_pool *pool, const struct nsh_device *device,
                              const struct nsh_op *op)
{
    const char *domain = nsh_get_text(&device->settings, "domain", "");
    struct nsh_member members[] = {
        {"verb", nsh_text(op->verb->name)},
        {"uri", nsh_text(nsh_get_text(&device->settings, "uri", ""))},
        {"domain", nsh_text(domain[0] == 0 ? op->host : domain)},
        {"uuid", nsh_text(nsh_get_text(&device->settings, "uuid", ""))},
        {"user", nsh_text(nsh_get_text(&device->settings, "user", ""))},
        {"password", nsh_text(device->password)},
        {"to", nsh_text(nsh_get_text(op->args, "to", ""))},
        {"timeout_ms", nsh_int(op->timeout_ms)},
    };
    struct nsh_value request = nsh_map(members, sizeof members / sizeof members[0]);
    return nsh_json_write(pool, &request);
}

static int libvirt_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct nsh_pool pool = {0};
    const char *helper = nsh_get_text(&device->settings, "helper", "");
    const char *const argv[] = {helper[0] == 0 ? HELPER : helper, NULL};
    struct call *call = calloc(1, sizeof *call);
    const char *input = request_of(&pool, device, op);
    int result = call == NULL || input == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    if (result == 0) {
        *call = (struct call){.device = device, .op = op};
        op->driver_data = call;
        result =
            device->services->spawn(device->services,
                                    &(struct nsh_spawn){.argv = argv,
                                                        .input = input,
                                                        .input_bytes = strlen(input),
                                                        .output_bytes_max = OUTPUT_BYTES_MAX,
                                                        .memory_bytes_max = MEMORY_BYTES_MAX,
                                                        .timeout_ms = op->timeout_ms + GRACE_MS},
                                    ended, call, &call->process, err);
    }
    nsh_pool_done(&pool);
    if (result < 0) {
        op->driver_data = NULL;
        free(call);
    }
    return result;
}

static void libvirt_cancel(struct nsh_device *device, struct nsh_op *op)
{
    struct call *call = op->driver_data;
    if (call != NULL && !call->cancelled) {
        call->cancelled = true;
        device->services->spawn_cancel(device->services, call->process); /* ended() follows. */
    }
}

const struct nsh_driver nsh_driver __attribute__((visibility("default"))) = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "libvirt",
    .version = "1.0",
    .summary = "Domains of QEMU/KVM, Xen, LXC, ESX and others, through libvirt.",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = libvirt_open,
    .start = libvirt_start,
    .cancel = libvirt_cancel,
    .close = libvirt_close,
};
