/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of driver functions: a host's binding or a configured service gives driver and settings. A
 * call that cannot start ends as a result like any other: nothing was done.
 */

#include "shell_private.h"

#include "base/assert.h"
#include "base/pack.h"
#include "loop/drivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEVICE_BYTES_MAX 320
#define SERVICE_PREFIX "service/"
#define RECEIVER_PREFIX "service/to/"
#define FUNCTION_PREFIX SERVICE_PREFIX "function/"
#define LABELS_BYTES_MAX 320

int shell_secret(void *arg, const char *reference, struct arena *arena, const char **ret_secret,
                 struct nsh_error *err)
{
    const struct shell *shell = arg;
    return config_secret(shell->generation->config, reference, arena, ret_secret, err);
}

/* ---- figures ---- */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void call_forget(struct shell_call *call)
{
    free(call->action);
    free(call);
}

/* Without memory a call is not counted, and goes its way. */
static void call_begin(struct shell *shell, const struct drivers_call *start)
{
    char labels[LABELS_BYTES_MAX];
    snprintf(labels, sizeof labels, "driver=\"%s\",action=\"%s\"", start->driver, start->verb);
    struct shell_call *call = calloc(1, sizeof *call + strlen(labels) + 1);
    if (call == NULL) {
        return;
    }
    memcpy(call->labels, labels, strlen(labels) + 1);
    call->begun_ns = now_ns();
    call->action = strdup(start->action);
    if (call->action == NULL || map_set(&shell->calls, text_of(call->action), call) < 0) {
        call_forget(call);
    }
}

static void call_count(struct shell *shell, const char *action, int code)
{
    struct shell_call *call = map_remove(&shell->calls, text_of(action));
    if (call == NULL) {
        return;
    }
    char labels[LABELS_BYTES_MAX + 64];
    snprintf(labels, sizeof labels, "%s,outcome=\"%s\"", call->labels, nsh_code_word(code));
    figures_count(&shell->labelled, "actions_total", labels);
    figures_observe(&shell->labelled, "action_seconds", call->labels,
                    (now_ns() - call->begun_ns) / 1000);
    call_forget(call);
}

void shell_calls_done(struct shell *shell)
{
    MAP_EACH (&shell->calls, entry) {
        call_forget(entry->value);
    }
    map_done(&shell->calls);
}

/* ---- results ---- */

static struct text result_text(struct shell_result *result, const char *chars)
{
    return chars == NULL || chars[0] == '\0' ? (struct text){"", 0}
                                             : arena_text(&result->arena, text_of(chars));
}

static struct shell_result *result_new(void)
{
    struct shell_result *result = calloc(1, sizeof *result);
    if (result != NULL) {
        return result;
    }
    shell_fatal("no memory for a call's result"); /* It is in doubt, and read at the next start. */
}

static void result_add(struct shell *shell, const char *action, const struct nsh_outcome *outcome,
                       const char *trace)
{
    struct shell_result *result = result_new();
    result->result = (struct engine_result){
        .action = result_text(result, action),
        .code = outcome->code,
        .effect_possible = outcome->effect_possible,
        .text = result_text(result, outcome->text),
        .retry_after_ms = outcome->retry_after_ms,
        .trace = result_text(result, trace),
    };
    struct nsh_value nothing = {.type = NSH_MAP};
    if (!arena_value(&result->arena, outcome->result == NULL ? &nothing : outcome->result,
                     &result->result.result)) {
        shell_fatal("no memory for a call's result");
    }
    *(shell->results_first == NULL ? &shell->results_first : &shell->results_last->next) = result;
    shell->results_last = result;
    shell->again = true;
    shell_wake(shell);
}

void shell_call_done(void *arg, const char *action, const struct nsh_outcome *outcome,
                     const char *trace)
{
    struct shell *shell = arg;
    if (strncmp(action, DOCTOR_PREFIX, strlen(DOCTOR_PREFIX)) == 0) {
        shell_doctor_done(shell, action, outcome);
        return;
    }
    if (strncmp(action, SOURCE_CALL_PREFIX, strlen(SOURCE_CALL_PREFIX)) == 0) {
        shell_source_call_done(shell, action, outcome);
        return;
    }
    call_count(shell, action, outcome->code);
    if (shell->stopping) {
        return; /* Cancelled because the daemon ends: in doubt, its state is read at the start. */
    }
    LOG(CALL_ENDED, {"action", nsh_text(action)}, {"code", nsh_text(nsh_code_word(outcome->code))},
        {"text", nsh_text(outcome->text == NULL ? "" : outcome->text)});
    result_add(shell, action, outcome, trace);
}

void shell_results_take(struct shell *shell)
{
    while (shell->results_first != NULL && !shell->stopped &&
           shell->collecting_bytes < SHELL_COLLECT_BYTES_LAST) {
        struct shell_result *result = shell->results_first;
        shell->results_first = result->next;
        struct nsh_error err = {0};
        struct engine_input input = {.kind = INPUT_RESULT, .result = result->result};
        shell->figures.results++;
        if (shell_step(shell, &input, &err) < 0 && shell_complain(shell, LOG_ENGINE_REFUSED)) {
            LOG(ENGINE_REFUSED, {"input", nsh_text("result")}, {"text", nsh_text(err.text)});
        }
        arena_done(&result->arena);
        free(result);
    }
}

/* ---- calls ---- */

static const struct config_service *service_of(const struct config *config, const char *verb)
{
    if (strcmp(verb, "notify") == 0) {
        return &config->notify;
    }
    return strcmp(verb, "ticket") == 0 ? &config->ticket : &config->pager;
}

/* For a verb of one driver: the first service that it is. */
static const char *verb_served(const struct config *config, const char *verb, const char *driver)
{
    static const char *const served[] = {"page", "notify", "ticket"};
    for (size_t i = 0; driver[0] != '\0' && i < sizeof served / sizeof served[0]; i++) {
        const struct config_service *service = service_of(config, served[i]);
        if (strcmp(verb, served[i]) != 0 && service->driver != NULL &&
            strcmp(service->driver, driver) == 0) {
            return served[i];
        }
    }
    return verb;
}

/* The receiver that the step names: its settings, and arguments without its name. False: the step
 * names none. */
static bool call_receiver(struct shell *shell, struct drivers_call *call, char *device,
                          struct nsh_error *err)
{
    const struct config *config = shell->generation->config;
    const char *to = nsh_get_text(call->args, "to", "");
    const struct config_receiver *receiver = config_receiver(config, to);
    if (to[0] == '\0') {
        return false;
    }
    if (receiver == NULL || receiver->service.driver == NULL) {
        nsh_fail(err, NSH_INVALID, "no receiver '%.64s': see `receivers` in %s", to, config->file);
        return true;
    }
    if (call->driver[0] != '\0' && strcmp(call->driver, receiver->service.driver) != 0) {
        nsh_fail(err, NSH_INVALID, "receiver %s is driven by %s, which has no %s", to,
                 receiver->service.driver, call->verb);
        return true;
    }
    struct nsh_member *members = arena_array(&shell->scratch, call->args->count, sizeof *members);
    struct nsh_value *args = arena_alloc(&shell->scratch, sizeof *args);
    if (members == NULL || args == NULL) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return true;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < call->args->count; i++) {
        if (strcmp(call->args->members[i].name, "to") != 0) {
            members[count++] = call->args->members[i];
        }
    }
    *args = nsh_map(members, count);
    call->args = args;
    call->driver = receiver->service.driver;
    call->settings = &receiver->service.settings;
    snprintf(device, DEVICE_BYTES_MAX, SERVICE_PREFIX "%s", receiver->place);
    return true;
}

/* For verbs without a host: the service of that verb; verbs of one driver take its settings when it
 * serves at all. */
static int call_service(struct shell *shell, struct drivers_call *call, char *device,
                        struct nsh_error *err)
{
    const struct config *config = shell->generation->config;
    err->code = NSH_OK;
    if (call_receiver(shell, call, device, err)) {
        return -err->code;
    }
    const struct config_service *service =
        service_of(config, verb_served(config, call->verb, call->driver));
    if (service->driver == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "nothing is configured for %s: see `%s` in %s",
                        call->verb, service == &config->pager ? "pager" : call->verb, config->file);
    }
    if (call->driver[0] == '\0') {
        call->driver = service->driver;
    }
    if (strcmp(call->driver, service->driver) == 0) {
        call->settings = &service->settings;
    }
    snprintf(device, DEVICE_BYTES_MAX, SERVICE_PREFIX "%s",
             service == &config->notify   ? "notify"
             : service == &config->ticket ? "ticket"
                                          : "page");
    return 0;
}

static int call_host(struct shell *shell, enum binding_kind kind, struct drivers_call *call,
                     char *device, struct nsh_error *err)
{
    const struct host *host = inventory_host(shell->generation->inventory, text_of(call->host));
    if (host == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "host %s is not in the inventory any more", call->host);
    }
    const struct binding *binding = host_binding(host, kind);
    if (binding == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "host %s has no binding %s", host->name,
                        binding_word(kind));
    }
    if (call->driver[0] != '\0' && strcmp(call->driver, binding->driver) != 0) {
        return nsh_fail(err, NSH_UNSUPPORTED, "host %s: %s is driven by %s, not by %s", host->name,
                        binding_word(kind), binding->driver, call->driver);
    }
    call->driver = binding->driver;
    call->settings = &binding->settings;
    snprintf(device, DEVICE_BYTES_MAX, "%s/%s", host->name, binding_word(kind));
    return 0;
}

/* What the configuration declares: its own settings, whatever the host's bindings are. */
static int call_function(struct shell *shell, struct drivers_call *call, char *device,
                         struct nsh_error *err)
{
    const struct policy_declared *function =
        policy_function_find(&shell->generation->config->policy, text_of(call->verb));
    if (function == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "no function %s is configured any more", call->verb);
    }
    call->driver = function->driver;
    call->settings = &function->settings;
    call->function = &function->verb;
    snprintf(device, DEVICE_BYTES_MAX, FUNCTION_PREFIX "%s", function->verb.name);
    return 0;
}

static const char *chars_of(struct shell *shell, struct text text)
{
    const char *chars = arena_copy(&shell->scratch, text.count == 0 ? "" : text.at, text.count);
    return chars == NULL ? "" : chars;
}

static int call_start(struct shell *shell, const struct engine_call *call, const char *action,
                      struct nsh_error *err)
{
    char device[DEVICE_BYTES_MAX];
    struct drivers_call start = {
        .action = action,
        .host = chars_of(shell, call->host),
        .device = device,
        .driver = chars_of(shell, call->driver),
        .verb = chars_of(shell, call->verb),
        .args = &call->args,
        .timeout_ms = call->timeout_ms,
    };
    int result = call->binding == BINDING_NONE ? call_service(shell, &start, device, err)
                 : call->binding == BINDING_FUNCTION
                     ? call_function(shell, &start, device, err)
                     : call_host(shell, call->binding, &start, device, err);
    if (result < 0) {
        return result;
    }
    LOG(CALL_STARTED, {"action", nsh_text(action)}, {"verb", nsh_text(start.verb)},
        {"host", nsh_text(start.host)}, {"driver", nsh_text(start.driver)});
    call_begin(shell, &start); /* Before: it may end within. */
    result = drivers_start(shell->drivers, &start, err);
    if (result < 0) {
        call_count(shell, action, -result);
    }
    return result;
}

void shell_call(struct shell *shell, const struct engine_call *call)
{
    arena_reset(&shell->scratch);
    const char *action = chars_of(shell, call->action);
    if (call->cancel) {
        drivers_cancel(shell->drivers, action);
        return;
    }
    if (shell->stopping) {
        return; /* Its intent is kept: in doubt at the next start, and read then. */
    }
    struct nsh_error err = {0};
    int result = call_start(shell, call, action, &err);
    if (result == 0) {
        shell->figures.calls_started++;
        return;
    }
    shell->figures.calls_refused++;
    LOG(CALL_REFUSED, {"action", nsh_text(action)}, {"verb", nsh_text(chars_of(shell, call->verb))},
        {"host", nsh_text(chars_of(shell, call->host))}, {"code", nsh_text(nsh_code_word(-result))},
        {"text", nsh_text(err.text)});
    result_add(shell, action, &(struct nsh_outcome){.code = -result, .text = err.text}, NULL);
}

/* ---- devices after a reload ---- */

static const struct nsh_value *service_settings(const struct config_service *service)
{
    return service->driver == NULL ? NULL : &service->settings;
}

const struct nsh_value *shell_device_settings(void *arg, const char *device)
{
    const struct shell *shell = arg;
    const char *slash = strrchr(device, '/');
    NSH_ASSERT(slash != NULL);
    if (strncmp(device, FUNCTION_PREFIX, strlen(FUNCTION_PREFIX)) == 0) {
        const struct policy_declared *function =
            policy_function_find(&shell->generation->config->policy, text_of(slash + 1));
        return function == NULL ? NULL : &function->settings;
    }
    if (strncmp(device, RECEIVER_PREFIX, strlen(RECEIVER_PREFIX)) == 0) {
        const struct config_receiver *receiver =
            config_receiver(shell->generation->config, slash + 1);
        return receiver == NULL ? NULL : service_settings(&receiver->service);
    }
    if (strncmp(device, SERVICE_PREFIX, strlen(SERVICE_PREFIX)) == 0) {
        return service_settings(service_of(shell->generation->config, slash + 1));
    }
    const struct host *host = inventory_host(shell->generation->inventory,
                                             (struct text){device, (uint32_t)(slash - device)});
    int kind = binding_of(text_of(slash + 1));
    const struct binding *binding =
        host == NULL || kind < 0 ? NULL : host_binding(host, (enum binding_kind)kind);
    return binding == NULL ? NULL : &binding->settings;
}

/* ---- what devices tell unasked ---- */

static void observed_lost(struct shell *shell, const struct event *event, const char *why)
{
    shell->figures.observed_lost++;
    if (shell_complain(shell, LOG_OBSERVED_LOST)) {
        char host[64], type[64];
        snprintf(host, sizeof host, "%.*s", (int)event->host.count, event->host.at);
        snprintf(type, sizeof type, "%.*s", (int)event->type.count, event->type.at);
        LOG(OBSERVED_LOST, {"host", nsh_text(host)}, {"type", nsh_text(type)},
            {"text", nsh_text(why)});
    }
}

static int observed_push(struct shell *shell, const struct event *event, struct nsh_error *err)
{
    size_t bytes_count = event_packed_bytes(event);
    CLEANUP(freep) uint8_t *bytes = malloc(bytes_count);
    if (bytes == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    event_pack(event, bytes, bytes_count);
    const struct intake_batch batch = {.bytes = bytes,
                                       .bytes_count = bytes_count,
                                       .events_count = 1,
                                       .received_ms = event->received_ms};
    return intake_push(shell->intake, &batch, err);
}

void shell_observed(void *arg, const char *host, const char *type, const struct nsh_value *data)
{
    struct shell *shell = arg;
    struct nsh_error err = {0};
    uint8_t packed[4096];
    struct pack_writer writer = {.at = packed, .room = sizeof packed};
    if (data != NULL) {
        pack_value(&writer, data);
    }
    struct event event = {
        .severity = SEVERITY_INFO,
        .state = EVENT_PULSE,
        .received_ms = shell_now(shell),
        .source = TEXT("driver"),
        .type = text_of(type),
        .host = text_of(host),
        .subject = text_of(host),
        .message = writer.failed ? TEXT("what it told was too large, and is left out") : TEXT(""),
        .data = {(const char *)packed, writer.failed ? 0 : (uint32_t)writer.count},
    };
    if (event.type.count > EVENT_TEXT_BYTES_MAX || event.host.count > EVENT_TEXT_BYTES_MAX) {
        observed_lost(shell, &event, "a name of more than 1 KiB");
    } else if (observed_push(shell, &event, &err) < 0) {
        observed_lost(shell, &event, err.text);
    }
}
