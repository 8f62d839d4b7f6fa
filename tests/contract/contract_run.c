/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One case: open a device, start one or two operations, let the world happen, close; and the
 * verdict.
 */

#include "contract.h"
#include "loop/drivers.h"
#include "model/verb.h"

#include <stdio.h>
#include <stdlib.h>

#define OPS_MAX 2
#define STEPS_MAX 20000 /* Callbacks of one case; more is a driver that spins. */
#define AFTER_MS 180000 /* For a completion that comes a second time. */

struct operation {
    struct nsh_op op;
    int started; /* What start returned. */
    bool counts, cancelled;
    unsigned completed_count;
    int code;
    bool effect_possible;
};

struct run {
    const struct run_case *how;
    struct world world;
    struct nsh_device *device;
    struct operation operations[OPS_MAX];
    bool closed, restarting, starting;
};

static char *clean_requests;

void run_remember_clean(const char *requests)
{
    free(clean_requests);
    clean_requests = requests == NULL ? NULL : strdup(requests);
}

/* ---- verdicts ---- */

static void text_verdict(struct world *world, const char *text, const char *what)
{
    size_t count = text == NULL ? 0 : strlen(text);
    if (count > TEXT_BYTES_MAX) {
        world_complain(world, "%s of %zu bytes, at most %d", what, count, TEXT_BYTES_MAX);
    }
    if (count > 0 && !text_is_utf8(text, count)) {
        world_complain(world, "%s is not UTF-8", what);
    }
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            world_complain(world, "%s holds control character %02x", what, (unsigned char)text[i]);
            break;
        }
    }
    if (count > 0 && strstr(text, CONTRACT_MARKER) != NULL) {
        world_complain(world, "%s tells a secret: %s", what, text);
    }
}

static const struct nsh_value *described(const struct run *run, const char *verb)
{
    return nsh_get(nsh_get(run->how->subject->device, "verbs"), verb);
}

static void result_verdict(struct run *run, const struct nsh_verb *verb,
                           const struct nsh_outcome *outcome)
{
    const struct nsh_value *wanted = nsh_get(described(run, verb->name), "result");
    if (outcome->result != NULL && outcome->result->type != NSH_MAP) {
        world_complain(&run->world, "%s: its result is no map", verb->name);
    }
    bool clean = run->how->twist.kind == TWIST_NONE && run->how->ops == 1 &&
                 (run->how->fail_alloc == 0 || verb->effect == NSH_READS);
    for (uint32_t i = 0; clean && wanted != NULL && i < wanted->count; i++) {
        const struct nsh_value *got = nsh_get(outcome->result, wanted->members[i].name);
        if (got == NULL || !nsh_equal(got, &wanted->members[i].value)) {
            world_complain(&run->world, "%s: result %s is not as described", verb->name,
                           wanted->members[i].name);
        }
    }
}

static void effect_verdict(struct run *run, const struct operation *operation)
{
    struct world *world = &run->world;
    const struct nsh_verb *verb = operation->op.verb;
    const char *word = nsh_code_word(operation->code);
    if (operation->code == NSH_OK || run->how->ops > 1) {
        return;
    }
    if (verb->effect == NSH_READS && operation->effect_possible) {
        world_complain(world, "%s only reads, but says an effect is possible (%s)", verb->name,
                       word);
    } else if (!world->effect_sent && operation->effect_possible && !world->effect_untold) {
        world_complain(world, "%s says an effect is possible (%s), but nothing that has one left",
                       verb->name, word);
    } else if (world->effect_unclear && !operation->effect_possible) {
        world_complain(world,
                       "%s says no effect is possible (%s), but a request left and was not refused",
                       verb->name, word);
    } else if (world->effect_sent && !world->effect_unclear && !world->ambiguous &&
               !operation->cancelled && run->how->fail_alloc == 0 && run->how->fail_call == 0 &&
               operation->effect_possible) {
        world_complain(world, "%s says an effect is possible (%s), but the peer clearly refused",
                       verb->name, word);
    }
}

static bool run_pending(const struct run *run)
{
    for (unsigned i = 0; i < OPS_MAX; i++) {
        const struct operation *operation = &run->operations[i];
        if (operation->counts && operation->started == 0 && operation->completed_count == 0) {
            return true;
        }
    }
    return false;
}

/* Close the device; what the driver asked of the services is given back. */
static void run_shut(struct run *run)
{
    struct world *world = &run->world;
    run->closed = true;
    run->how->subject->driver->close(run->device);
    run->device = NULL;
    if (world->shared != NULL) {
        world_complain(world, "after close() something is left in the place that devices share");
        world->shared = NULL;
    }
    if (world->timers_count > 0 || world->flows != NULL || world->programs_count > 0 ||
        world->offloads_count > 0 || world->streams != NULL) {
        world_complain(world, "after close(): %u timers, %u programs, %u jobs, %s, %s",
                       world->timers_count, world->programs_count, world->offloads_count,
                       world->flows != NULL ? "a flow" : "no flow",
                       world->streams != NULL ? "a stream" : "no stream");
    }
}

static void operation_cancel(struct run *run, struct operation *operation)
{
    if (operation->counts && operation->started == 0 && operation->completed_count == 0 &&
        !operation->cancelled) {
        operation->cancelled = true;
        run->how->subject->driver->cancel(run->device, &operation->op);
    }
}

static void completed(void *arg, struct nsh_op *op, const struct nsh_outcome *outcome)
{
    struct run *run = arg;
    struct operation *operation = (struct operation *)(void *)op;
    alloc_quiet(1);
    operation->completed_count++;
    operation->code = outcome->code;
    operation->effect_possible = outcome->effect_possible;
    if (operation->completed_count > 1) {
        world_complain(&run->world, "complete() for the %u. time", operation->completed_count);
    }
    if (run->closed) {
        world_complain(&run->world, "complete() after close()");
    }
    if (outcome->code < 0 || outcome->code >= NSH_CODES_COUNT) {
        world_complain(&run->world, "an outcome with code %d", outcome->code);
    }
    if (outcome->code != NSH_OK && (outcome->text == NULL || outcome->text[0] == 0)) {
        world_complain(&run->world, "a failure (%s) without a text", nsh_code_word(outcome->code));
    }
    text_verdict(&run->world, outcome->text, "the text of an outcome");
    if (outcome->code == NSH_OK && !run->restarting) {
        result_verdict(run, op->verb, outcome);
    }
    if (!run->restarting) {
        effect_verdict(run, operation);
    }
    alloc_quiet(-1);
    if (run->how->cancel_in_complete && operation == &run->operations[0]) {
        operation_cancel(run, &run->operations[1]);
    }
    if (run->how->close_in_complete && !run->starting && !run_pending(run) && !run->closed) {
        run_shut(run);
    }
}

/* ---- the life of a case ---- */

static void operation_start(struct run *run, struct operation *operation,
                            const struct nsh_verb *verb, struct arena *arena)
{
    struct nsh_error err = {0};
    struct nsh_value *args = arena_alloc(arena, sizeof *args);
    if (args == NULL ||
        options_check(verb->args, verb->args_count, nsh_get(described(run, verb->name), "args"),
                      NULL, NULL, arena, args, &err) < 0) {
        world_complain(&run->world, "%s: args as described: %s", verb->name, err.text);
        operation->started = -NSH_INVALID;
        return;
    }
    *operation = (struct operation){
        .op = {.verb = verb,
               .args = args,
               .token = "act-000001",
               .host = (verb->flags & NSH_NOTIFIES) != 0 ? "" : "r1h01",
               .timeout_ms = verb->timeout_ms_default},
    };
    alloc_quiet(-1);
    operation->started = run->how->subject->driver->start(run->device, &operation->op, &err);
    alloc_quiet(1);
    if (operation->started < 0 && operation->completed_count > 0) {
        world_complain(&run->world, "start refused, but complete() was called");
    }
    if (operation->started < 0 && (err.code != -operation->started || err.text[0] == 0)) {
        world_complain(&run->world, "start returned %d, its error says %d: %s", operation->started,
                       err.code, err.text);
    }
    if (operation->started > 0) {
        world_complain(&run->world, "start returned %d", operation->started);
    }
    text_verdict(&run->world, err.text, "the error of start");
}

/* Let things happen as the driver host does: cancel at the time-out, and wait no longer than its
 * grace. */
static void run_until_complete(struct run *run, int cancel_after)
{
    struct world *world = &run->world;
    int64_t deadline_ms = world->now_ms + run->operations[0].op.timeout_ms;
    bool cancelling = false;
    unsigned first = world->dispatched_count;
    for (unsigned steps = 0; run_pending(run) && steps < STEPS_MAX; steps++) {
        bool now = cancel_after >= 0 && world->dispatched_count - first >= (unsigned)cancel_after;
        if (!cancelling && (now || world_next_ms(world) > deadline_ms)) {
            cancelling = true;
            world->now_ms = now || world->now_ms > deadline_ms ? world->now_ms : deadline_ms;
            deadline_ms = world->now_ms + CANCEL_GRACE_MS;
            alloc_quiet(-1);
            operation_cancel(run, &run->operations[0]);
            operation_cancel(run, &run->operations[1]);
            alloc_quiet(1);
            continue;
        }
        if (cancelling && world_next_ms(world) > deadline_ms) {
            world_complain(world, "no complete() within %d s of cancel", CANCEL_GRACE_MS / 1000);
            return;
        }
        alloc_quiet(-1);
        world_step(world);
        alloc_quiet(1);
    }
    if (run_pending(run)) {
        world_complain(world, "%d callbacks and no complete()", STEPS_MAX);
    }
}

static const struct nsh_verb *reading_verb(const struct run *run)
{
    const struct nsh_driver *driver = run->how->subject->driver;
    for (size_t i = 0; i < driver->verbs_count; i++) {
        if (driver->verbs[i].effect == NSH_READS && described(run, driver->verbs[i].name) != NULL) {
            return &driver->verbs[i];
        }
    }
    return NULL;
}

/* Whatever happened: the device still works when the peer does. */
static void run_again(struct run *run, struct arena *arena)
{
    const struct nsh_verb *verb = reading_verb(run);
    if (verb == NULL || run->device == NULL) {
        return;
    }
    struct operation *operation = &run->operations[0];
    run->world.twist = (struct twist){0};
    run->world.silent = false;
    run->world.fail_call = 0;
    alloc_arm(0, false);
    alloc_quiet(1);
    run->restarting = true;
    run->operations[1].counts = false;
    operation_start(run, operation, verb, arena);
    operation->counts = true;
    run_until_complete(run, -1);
    const char *wanted = nsh_get_text(described(run, verb->name), "code", "ok");
    if (operation->started == 0 && operation->completed_count == 1 &&
        strcmp(nsh_code_word(operation->code), wanted) != 0) {
        world_complain(&run->world, "%s afterwards, with a good peer, ends as %s", verb->name,
                       nsh_code_word(operation->code));
    }
}

static void run_close(struct run *run)
{
    struct world *world = &run->world;
    int64_t end_ms = world->now_ms + AFTER_MS;
    while (world_next_ms(world) <= end_ms) { /* A second completion would come now. */
        world_step(world);
    }
    if (!run->closed) {
        run_shut(run);
    }
    while (world->http_count > 0 && world_step(world)) { /* A polite logout may be under way. */
    }
}

static void requests_verdict(struct run *run)
{
    struct textbuf *requests = &run->world.requests;
    if (clean_requests == NULL || requests->at == NULL || run->how->fail_alloc == 0) {
        return;
    }
    for (char *at = requests->at, *end; (end = strchr(at, '\x1e')) != NULL; at = end + 1) {
        char *copy = strndup(at, (size_t)(end - at) + 1);
        if (copy != NULL && strstr(clean_requests, copy) == NULL) {
            world_complain(&run->world, "with a failed allocation it sends what it never sends: %s",
                           copy);
        }
        free(copy);
    }
}

static int run_open(struct run *run)
{
    const struct subject *subject = run->how->subject;
    struct nsh_error err = {0};
    alloc_quiet(-1);
    int result =
        subject->driver->open(&run->world.services, &subject->settings, &run->device, &err);
    alloc_quiet(1);
    text_verdict(&run->world, err.text, "the error of open");
    if (result < 0 && (err.code != -result || err.text[0] == 0)) {
        world_complain(&run->world, "open returned %d, its error says %d: %s", result, err.code,
                       err.text);
    }
    if (result < 0 && run->how->fail_alloc == 0 && run->how->fail_call == 0) {
        world_complain(&run->world, "open: %s", err.text);
    }
    return result;
}

static void result_take(struct run *run, struct run_result *ret_result)
{
    const struct operation *first = &run->operations[0];
    ret_result->calls_count = run->world.calls_count;
    ret_result->dispatched_count = run->world.dispatched_count;
    ret_result->exchanges_count = run->world.exchanges_count;
    ret_result->code = first->started < 0 ? first->started : first->code;
    memcpy(ret_result->seen, run->world.seen, sizeof ret_result->seen);
}

void run_case(const struct run_case *how, struct run_result *ret_result)
{
    struct run run = {.how = how};
    struct arena arena = ARENA_INIT;
    *ret_result = (struct run_result){0};
    world_init(&run.world, how->subject);
    run.world.twist = how->twist;
    run.world.fail_call = how->fail_call;
    run.world.stubborn = how->stubborn;
    run.world.completed = completed;
    run.world.completed_arg = &run;
    alloc_arm(how->fail_alloc, how->fail_alloc_ever);
    alloc_quiet(1);
    if (run_open(&run) == 0) {
        run.starting = true; /* The driver host tells a completion inside start() only after it. */
        for (unsigned i = 0; i < how->ops; i++) {
            operation_start(&run, &run.operations[i], how->verb, &arena);
            run.operations[i].counts = true;
        }
        run.starting = false;
        run_until_complete(&run, how->cancel_after);
        result_take(&run, ret_result);
        ret_result->allocs_count = alloc_disarm();
        if (how->twist.kind == TWIST_NONE && how->fail_call == 0 && how->fail_alloc == 0 &&
            how->cancel_after < 0 && clean_requests == NULL && run.world.requests.at != NULL) {
            run_remember_clean(run.world.requests.at);
        }
        requests_verdict(&run);
        if (!run.closed) {
            run_again(&run, &arena);
        }
        alloc_disarm();
        run_close(&run);
    }
    ret_result->allocs_count =
        ret_result->allocs_count == 0 ? alloc_disarm() : ret_result->allocs_count;
    alloc_disarm();
    ret_result->violations_count = run.world.violations_count;
    world_done(&run.world);
    arena_done(&arena);
}
