/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver host: keeps devices open and carries calls. A call ends exactly once towards its
 * caller, whatever the driver does: it is cancelled at its time-out, and ended without the driver
 * when that does not answer either.
 */

#include "base/assert.h"
#include "loop/drivers_private.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLS_COUNT_MAX 20000 /* 10,000 in flight is the design's figure. */
#define CANCEL_GRACE_MS 5000  /* For complete() after cancel(). */
#define TRACE_BYTES_MAX 8192  /* Evidence of one call; what is longer is cut and marked. */

struct host_device {
    char *key;
    struct arena arena; /* The settings it was opened with, unresolved. */
    struct nsh_value settings;
    const struct nsh_driver *driver;
    struct nsh_device *device;
    struct drivers *drivers;
    size_t calls_count;
    bool retired; /* Closed when its last call ended. */
};

enum call_state { CALL_STARTING, CALL_RUNNING, CALL_CANCELLING, CALL_ENDED, CALL_ABANDONED };

static const struct {
    const char *word;
    unsigned to;
} call_arrows[] = {
    [CALL_STARTING] = {"starting", 1u << CALL_RUNNING | 1u << CALL_ENDED},
    [CALL_RUNNING] = {"running", 1u << CALL_CANCELLING | 1u << CALL_ENDED},
    [CALL_CANCELLING] = {"cancelling", 1u << CALL_ENDED | 1u << CALL_ABANDONED},
    [CALL_ENDED] = {"ended", 0},
    [CALL_ABANDONED] = {"abandoned",
                        0}, /* Its caller was told; the driver still owes complete(). */
};

struct host_call {
    struct nsh_op op;
    struct host_device *device;
    struct arena arena;
    struct text action;
    struct textbuf trace;
    struct nsh_timer timer;
    struct nsh_outcome outcome; /* Of a call that completed before start returned. */
    enum call_state state;
    bool function;   /* Of the configuration. */
    int cancel_code; /* NSH_TIMEOUT or NSH_CANCELLED: why it is being cancelled. */
    bool completed;  /* complete() came while starting. */
};

static void call_move(struct host_call *call, enum call_state to)
{
    NSH_ASSERT((call_arrows[call->state].to & 1u << to) != 0);
    call->state = to;
}

/* ---- devices ---- */

static void device_free(struct host_device *device)
{
    device->driver->close(device->device);
    device->drivers->devices_open--;
    arena_done(&device->arena);
    free(device->key);
    free(device);
}

static void device_retire(struct host_device *device)
{
    if (!device->retired) {
        map_remove(&device->drivers->devices, text_of(device->key));
        device->retired = true;
    }
    if (device->calls_count == 0) {
        device_free(device);
    }
}

static void device_release(struct host_device *device)
{
    NSH_ASSERT(device->calls_count > 0);
    device->calls_count--;
    if (device->retired && device->calls_count == 0) {
        device_free(device);
    }
}

static int device_open(struct drivers *drivers, const struct drivers_call *call,
                       const struct nsh_driver *driver, struct host_device **ret_device,
                       struct nsh_error *err)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    struct arena checked_arena = ARENA_INIT;
    struct nsh_value checked;
    struct host_device *device = calloc(1, sizeof *device);
    int result = device == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    if (result == 0) {
        device->key = strdup(call->device);
        device->driver = driver;
        device->drivers = drivers;
        if (device->key == NULL ||
            !arena_value(&device->arena, call->settings == NULL ? &nothing : call->settings,
                         &device->settings)) {
            result = nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    if (result == 0) {
        result = options_check(driver->options, driver->options_count, &device->settings,
                               drivers->secret, drivers->secret_arg, &checked_arena, &checked, err);
    }
    if (result == 0) {
        result = map_set(&drivers->devices, text_of(device->key), device);
    }
    if (result == 0) {
        result = driver->open(&drivers->loop->services, &checked, &device->device, err);
        if (result < 0) {
            map_remove(&drivers->devices, text_of(device->key));
        }
    }
    arena_done(&checked_arena);
    if (result < 0) {
        if (device != NULL) {
            arena_done(&device->arena);
            free(device->key);
        }
        free(device);
        nsh_wrap(err, "%s: driver %s", call->device, driver->name);
        return result;
    }
    drivers->devices_open++;
    *ret_device = device;
    return 0;
}

/* Hand new settings to an open device, when its driver can take them. */
static bool device_reload(struct host_device *device, const struct nsh_value *settings)
{
    struct drivers *drivers = device->drivers;
    const struct nsh_driver *driver = device->driver;
    struct arena arena = ARENA_INIT, checked_arena = ARENA_INIT;
    struct nsh_value copy, checked;
    bool taken = driver->reload != NULL && device->calls_count == 0 &&
                 arena_value(&arena, settings, &copy) &&
                 options_check(driver->options, driver->options_count, &copy, drivers->secret,
                               drivers->secret_arg, &checked_arena, &checked, NULL) == 0 &&
                 driver->reload(device->device, &checked, NULL) == 0;
    arena_done(&checked_arena);
    if (!taken) {
        arena_done(&arena);
        return false;
    }
    arena_done(&device->arena);
    device->arena = arena;
    device->settings = copy;
    return true;
}

static bool device_matches(const struct host_device *device, const struct nsh_driver *driver,
                           const struct nsh_value *settings)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    return device->driver == driver &&
           nsh_equal(&device->settings, settings == NULL ? &nothing : settings);
}

static int device_for(struct drivers *drivers, const struct drivers_call *call,
                      const struct nsh_driver *driver, struct host_device **ret_device,
                      struct nsh_error *err)
{
    struct host_device *device = map_get(&drivers->devices, text_of(call->device));
    if (device != NULL && !device_matches(device, driver, call->settings)) {
        if (device->driver != driver || call->settings == NULL ||
            !device_reload(device, call->settings)) {
            device_retire(device);
            device = NULL;
        }
    }
    if (device != NULL) {
        *ret_device = device;
        return 0;
    }
    return device_open(drivers, call, driver, ret_device, err);
}

void drivers_refresh(struct drivers *drivers,
                     const struct nsh_value *(*keep)(void *arg, const char *device), void *arg)
{
    for (size_t i = drivers->devices.used; i-- > 0;) { /* Backwards: removing may close the gap. */
        if (i >= drivers->devices.used || drivers->devices.entries[i].value == NULL) {
            continue;
        }
        struct host_device *device = drivers->devices.entries[i].value;
        const struct nsh_value *settings = keep(arg, device->key);
        if (settings == NULL || (!device_matches(device, device->driver, settings) &&
                                 !device_reload(device, settings))) {
            device_retire(device);
        }
    }
}

/* ---- calls ---- */

static void call_free(struct host_call *call)
{
    struct host_device *device = call->device;
    loop_timer_stop(device->drivers->loop, &call->timer);
    textbuf_done(&call->trace);
    arena_done(&call->arena);
    free(call);
    device_release(device);
}

/* Tell the caller, once. The call leaves the table first: the callback may start another. */
static void call_tell(struct host_call *call, const struct nsh_outcome *outcome)
{
    struct drivers *drivers = call->device->drivers;
    struct host_call *known = map_remove(&drivers->calls, call->action);
    NSH_ASSERT(known == call);
    drivers->done(drivers->done_arg, call->action.at, outcome,
                  call->trace.at == NULL ? "" : call->trace.at);
}

static void call_end(struct host_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_outcome told = *outcome;
    char words[512];
    if (call->state == CALL_CANCELLING && told.code == NSH_CANCELLED) {
        told.code = call->cancel_code;
        if (told.code == NSH_TIMEOUT) {
            snprintf(words, sizeof words, "not done within %u.%03u s%s%s",
                     call->op.timeout_ms / 1000, call->op.timeout_ms % 1000,
                     told.text == NULL ? "" : ": ", told.text == NULL ? "" : told.text);
            told.text = words;
        }
    }
    call_move(call, CALL_ENDED);
    call_tell(call, &told);
    call_free(call);
}

static void call_abandon(void *arg)
{
    struct host_call *call = arg;
    char words[256];
    snprintf(words, sizeof words, "driver %s did not end %s within %d s of its cancel",
             call->device->driver->name, call->op.verb->name, CANCEL_GRACE_MS / 1000);
    call_move(call, CALL_ABANDONED);
    call_tell(call, &(struct nsh_outcome){
                        .code = call->cancel_code,
                        .effect_possible = call->op.verb->effect != NSH_READS,
                        .text = words,
                    });
    call->action = (struct text){0};
}

static void call_cancel(struct host_call *call, int code)
{
    struct drivers *drivers = call->device->drivers;
    if (call->state != CALL_RUNNING) {
        return; /* Being cancelled already, or its end is on the way. */
    }
    call->cancel_code = code;
    call_move(call, CALL_CANCELLING);
    int result = loop_timer_start(drivers->loop, &call->timer, CANCEL_GRACE_MS, call_abandon, call);
    NSH_ASSERT(result == 0); /* It ran as the time-out before: its place is kept. */
    call->device->driver->cancel(call->device->device, &call->op);
}

static void call_timeout(void *arg)
{
    call_cancel(arg, NSH_TIMEOUT);
}

static void call_end_later(void *arg)
{
    struct host_call *call = arg;
    call_end(call, &call->outcome);
}

/* complete() before start returned: keep the outcome, tell it from the loop. */
static void call_keep(struct host_call *call, const struct nsh_outcome *outcome)
{
    struct nsh_value *result = NULL;
    NSH_ASSERT(!call->completed);
    call->completed = true;
    call->outcome = *outcome;
    call->outcome.text = outcome->text == NULL
                             ? NULL
                             : arena_copy(&call->arena, outcome->text, strlen(outcome->text));
    if (outcome->result != NULL) {
        result = arena_alloc(&call->arena, sizeof *result);
        if (result == NULL || !arena_value(&call->arena, outcome->result, result)) {
            call->outcome.code = NSH_NOMEM;
            call->outcome.effect_possible = call->op.verb->effect != NSH_READS;
            result = NULL;
        }
    }
    call->outcome.result = result;
}

static void host_complete(void *arg, struct nsh_op *op, const struct nsh_outcome *outcome)
{
    struct host_call *call = CONTAINER_OF(op, struct host_call, op);
    NSH_ASSERT(call->state != CALL_ENDED);
    if (call->state == CALL_ABANDONED) {
        call->device->drivers->late_count++;
        call_free(call);
    } else if (call->state == CALL_STARTING) {
        call_keep(call, outcome);
    } else {
        call_end(call, outcome);
    }
}

static void host_trace(void *arg, const struct nsh_op *op, const char *line)
{
    const struct drivers *drivers = arg;
    if (op == NULL) {
        if (drivers->said != NULL) {
            drivers->said(drivers->listener_arg, line);
        }
        return;
    }
    const struct host_call *const_call =
        (const void *)((const char *)op - offsetof(struct host_call, op));
    struct host_call *call = (struct host_call *)(uintptr_t)const_call;
    if (call->trace.count + strlen(line) + 1 > TRACE_BYTES_MAX) {
        if (call->trace.count > 0 && call->trace.at[call->trace.count - 1] != '~') {
            textbuf_add_char(&call->trace, '~');
        }
        return;
    }
    if (call->trace.count > 0) {
        textbuf_add_char(&call->trace, '\n');
    }
    textbuf_add_safe(&call->trace, text_of(line));
}

/* What the configuration declares may be gone before the call is: its own copy. */
static const struct nsh_verb *function_copy(const struct nsh_verb *from, struct arena *arena)
{
    struct nsh_verb *verb = arena_alloc(arena, sizeof *verb);
    if (verb != NULL) {
        *verb = (struct nsh_verb){
            .name = arena_copy(arena, from->name, strlen(from->name)),
            .effect = from->effect,
            .flags = from->flags,
            .timeout_ms_default = from->timeout_ms_default,
            .help = "",
        };
    }
    return verb == NULL || verb->name == NULL ? NULL : verb;
}

static int args_take(struct host_call *call, const struct nsh_verb *verb,
                     const struct nsh_value *given, struct nsh_value *args, struct nsh_error *err)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    if ((verb->flags & NSH_ANY_ARGS) != 0) {
        given = given == NULL || given->type != NSH_MAP ? &nothing : given;
        bool copied = arena_value(&call->arena, given, args);
        return copied ? 0 : nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    int result =
        options_check(verb->args, verb->args_count, given, NULL, NULL, &call->arena, args, err);
    return result < 0 ? nsh_wrap(err, "arguments of %s", verb->name) : 0;
}

/* The arguments are checked against verb; the driver sees of a function what is copied. */
static int call_new(const struct drivers_call *from, struct host_device *device,
                    const struct nsh_verb *verb, struct host_call **ret_call, struct nsh_error *err)
{
    struct host_call *call = calloc(1, sizeof *call);
    struct nsh_value *args = NULL;
    int result = call == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
    if (result == 0) {
        args = arena_alloc(&call->arena, sizeof *args);
        call->action = arena_text(&call->arena, text_of(from->action));
        call->op = (struct nsh_op){
            .verb = from->function == NULL ? verb : function_copy(verb, &call->arena),
            .args = args,
            .token = call->action.at,
            .host = arena_copy(&call->arena, from->host == NULL ? "" : from->host,
                               from->host == NULL ? 0 : strlen(from->host)),
            .timeout_ms = from->timeout_ms == 0 ? verb->timeout_ms_default : from->timeout_ms,
        };
        call->device = device;
        call->function = from->function != NULL;
        if (args == NULL || call->action.at == NULL || call->op.host == NULL ||
            call->op.verb == NULL) {
            result = nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    result = result < 0 ? result : args_take(call, verb, from->args, args, err);
    if (result < 0) {
        if (call != NULL) {
            arena_done(&call->arena);
        }
        free(call);
        return result;
    }
    *ret_call = call;
    return 0;
}

/* A call whose start failed never happened. */
static int call_drop(struct host_call *call, int result)
{
    map_remove(&call->device->drivers->calls, call->action);
    call_free(call);
    return result;
}

int drivers_start(struct drivers *drivers, const struct drivers_call *from, struct nsh_error *err)
{
    const struct nsh_driver *driver = drivers_find(drivers, from->driver);
    const struct nsh_verb *verb = from->function != NULL ? from->function
                                  : driver == NULL       ? NULL
                                                         : driver_verb(driver, from->verb);
    struct host_device *device = NULL;
    struct host_call *call = NULL;
    if (driver == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "no driver '%s' is installed", from->driver);
    }
    if (verb == NULL || (from->function != NULL && !driver_takes_functions(driver))) {
        return nsh_fail(err, NSH_UNSUPPORTED, "driver %s has no %s", driver->name, from->verb);
    }
    if (drivers->stopping || drivers->calls.count == CALLS_COUNT_MAX) {
        return nsh_fail(err, drivers->stopping ? NSH_CANCELLED : NSH_LIMIT, "%s",
                        drivers->stopping ? "the daemon is stopping" : "20000 calls are running");
    }
    if (map_get(&drivers->calls, text_of(from->action)) != NULL) {
        return nsh_fail(err, NSH_EXISTS, "action %s is running", from->action);
    }
    int result = device_for(drivers, from, driver, &device, err);
    if (result == 0) {
        result = call_new(from, device, verb, &call, err);
    }
    if (result != 0) {
        return result;
    }
    device->calls_count++;
    if (map_set(&drivers->calls, call->action, call) < 0 ||
        loop_timer_start(drivers->loop, &call->timer, call->op.timeout_ms, call_timeout, call) <
            0) {
        return call_drop(call, nsh_fail(err, NSH_NOMEM, "out of memory"));
    }
    result = driver->start(device->device, &call->op, err);
    if (result < 0) {
        NSH_ASSERT(!call->completed);
        return call_drop(call, result);
    }
    call_move(call, CALL_RUNNING);
    if (call->completed) {
        result = loop_timer_start(drivers->loop, &call->timer, 0, call_end_later, call);
        NSH_ASSERT(result == 0);
    }
    return 0;
}

void drivers_cancel(struct drivers *drivers, const char *action)
{
    struct host_call *call = map_get(&drivers->calls, text_of(action));
    if (call != NULL && !call->completed) {
        call_cancel(call, NSH_CANCELLED);
    }
}

size_t drivers_running(const struct drivers *drivers)
{
    return drivers->calls.count;
}

void drivers_figures(const struct drivers *drivers, const struct nsh_driver *driver,
                     size_t *ret_devices, size_t *ret_calls)
{
    size_t devices = 0, calls = 0;
    MAP_EACH (&drivers->devices, entry) {
        const struct host_device *device = entry->value;
        devices += device->driver == driver;
        calls += device->driver == driver ? device->calls_count : 0;
    }
    *ret_devices = devices;
    *ret_calls = calls;
}

int drivers_run(struct drivers *drivers, struct loop *loop, drivers_secret_fn secret,
                void *secret_arg, drivers_done_fn done, void *done_arg, struct nsh_error *err)
{
    drivers->loop = loop;
    drivers->secret = secret;
    drivers->secret_arg = secret_arg;
    drivers->done = done;
    drivers->done_arg = done_arg;
    return 0;
}

static const struct nsh_value *keep_none(void *arg, const char *device)
{
    return NULL;
}

/* Ending a call leaves a gap in the table, and none is added while stopping: going by index is
 * safe. */
static void calls_cancel(struct drivers *drivers)
{
    for (size_t i = 0; i < drivers->calls.used; i++) {
        struct host_call *call = drivers->calls.entries[i].value;
        if (call != NULL && !call->completed && call->state == CALL_RUNNING) {
            call_cancel(call, NSH_CANCELLED);
        }
    }
}

void drivers_stop(struct drivers *drivers)
{
    drivers->stopping = true;
    if (drivers->loop == NULL) {
        return;
    }
    calls_cancel(drivers);
    drivers_refresh(drivers, keep_none, NULL);
}

uint64_t drivers_late(const struct drivers *drivers)
{
    return drivers->late_count;
}

void drivers_observer(struct drivers *drivers,
                      void (*observe)(void *arg, const char *host, const char *type,
                                      const struct nsh_value *data),
                      void *arg)
{
    drivers->observe = observe;
    drivers->observe_arg = arg;
}

static void host_observe(void *arg, const char *host, const char *type,
                         const struct nsh_value *data)
{
    struct drivers *drivers = arg;
    if (drivers->observe != NULL) {
        drivers->observe(drivers->observe_arg, host, type, data);
    }
}

void drivers_listener(struct drivers *drivers,
                      void (*told)(void *arg, const struct drivers_event *event),
                      void (*said)(void *arg, const char *line), void *arg)
{
    drivers->told = told;
    drivers->said = said;
    drivers->listener_arg = arg;
}

static void host_event(void *arg, const struct nsh_op *op, const struct nsh_value *event,
                       unsigned number)
{
    const struct drivers *drivers = arg;
    const struct host_call *call =
        (const void *)((const char *)op - offsetof(struct host_call, op));
    char source[128], id[128];
    snprintf(source, sizeof source, "%s/%s", call->function ? "function" : "driver",
             call->function ? op->verb->name : call->device->driver->name);
    snprintf(id, sizeof id, "%.100s/%u", op->token, number);
    if (drivers->told != NULL) {
        drivers->told(drivers->listener_arg, &(struct drivers_event){source, id, op->host, event});
    }
}

struct loop_hooks drivers_hooks(struct drivers *drivers)
{
    return (struct loop_hooks){.complete = host_complete,
                               .observe = host_observe,
                               .trace = host_trace,
                               .event = host_event,
                               .arg = drivers};
}
