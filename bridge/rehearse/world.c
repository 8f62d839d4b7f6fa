/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's surroundings in a rehearsal: clock, durability, answers. */

#include "rehearse/world.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- answers ------------------------------------------------------------------------------------
 */

static struct stub *stub_find(struct world *world, const struct engine_call *call)
{
    for (size_t i = 0; i < world->stubs_count; i++) {
        struct stub *stub = &world->stubs[i];
        bool left = stub->times == 0 || stub->used < stub->times;
        if (left && text_is(call->verb, stub->action) &&
            (stub->host == NULL || text_is(call->host, stub->host))) {
            stub->used++;
            return stub;
        }
    }
    return NULL;
}

/* Also without a stub: looking does no harm, and words only reach the rehearsal. */
static bool harmless(const struct verb *verb)
{
    return verb != NULL && (verb->effect == NSH_READS || verb->binding == BINDING_NONE);
}

static void answer_fill(const struct world *world, const struct engine_call *call,
                        const struct stub *stub, struct world_answer *answer)
{
    const struct verb *verb = answer->verb;
    bool orders = !answer->reads && (verb == NULL || verb->binding != BINDING_NONE);
    int64_t timeout_ms = call->timeout_ms > 0 ? (int64_t)call->timeout_ms : WORLD_TIMEOUT_MS;
    int64_t after_ms = orders ? WORLD_ORDER_MS : 0;
    answer->code = NSH_OK;
    answer->does = orders;
    answer->text = "";
    if (stub != NULL) {
        answer->code = stub->fail;
        answer->text = stub->text;
        answer->reply = stub->reply;
        answer->does = orders && (stub->fail == NSH_OK || stub->does);
        after_ms = stub->after_ms >= 0         ? stub->after_ms
                   : stub->fail == NSH_TIMEOUT ? timeout_ms
                                               : after_ms;
    }
    if (after_ms > timeout_ms) { /* What carries calls out does not wait longer. */
        after_ms = timeout_ms;
        answer->code = NSH_TIMEOUT;
        answer->text = "no answer in time";
    }
    bool lost = answer->code == NSH_TIMEOUT || answer->code == NSH_DISCONNECTED ||
                answer->code == NSH_UNKNOWN || answer->code == NSH_UNVERIFIED;
    answer->effect_possible = orders && (lost || (stub != NULL && stub->does));
    answer->node.due = world->now_ms + after_ms;
}

static void call_take(struct world *world, const struct engine_call *call)
{
    const struct verb *verb = policy_set_verb(world->policies, call->verb);
    struct world_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL || call->action.count >= sizeof answer->action) {
        free(answer);
        nsh_fail(&world->err, NSH_NOMEM, "no memory for an answer");
        return;
    }
    struct stub *stub = stub_find(world, call);
    bool known = stub != NULL || world->all_well || harmless(verb);
    memcpy(answer->action, call->action.at, call->action.count);
    answer->verb = verb;
    answer->reads = verb != NULL && verb->effect == NSH_READS;
    const struct host *host =
        call->host.count == 0 ? NULL : inventory_host(world->inventory, call->host);
    answer->power_host = host == NULL ? -1 : (int64_t)host->index;
    answer->reply = nsh_null();
    answer_fill(world, call, stub, answer);
    if (!known) {
        answer->code = NSH_UNSUPPORTED;
        answer->does = answer->effect_possible = false;
        answer->text = "no stub";
    }
    answer->node.order = ++world->order;
    if (world->answers.count >= WORLD_ANSWERS_MAX || heap_add(&world->answers, &answer->node) < 0) {
        free(answer);
        nsh_fail(&world->err, NSH_LIMIT, "more than %d calls under way", WORLD_ANSWERS_MAX);
        return;
    }
    if (world->call != NULL) {
        world->call(world->arg, call, verb, known);
    }
}

static void call_cancel(struct world *world, const struct engine_call *call)
{
    for (size_t i = 0; i < world->answers.count; i++) {
        struct world_answer *answer = (struct world_answer *)world->answers.nodes[i];
        if (text_is(call->action, answer->action)) {
            heap_remove(&world->answers, &answer->node);
            answer->node.due = world->now_ms;
            answer->code = NSH_CANCELLED;
            answer->effect_possible = !answer->reads;
            if (heap_add(&world->answers, &answer->node) < 0) {
                nsh_fail(&world->err, NSH_NOMEM, "no memory for an answer");
            }
            return;
        }
    }
}

static void effect(struct world *world, const struct world_answer *answer)
{
    if (!answer->does || answer->verb == NULL || answer->power_host < 0 ||
        (size_t)answer->power_host >= world->off_count) {
        return;
    }
    const char *proof = answer->verb->proof;
    if (proof != NULL && strncmp(proof, "power=", 6) == 0) {
        world->off[answer->power_host] = strcmp(proof, "power=off") == 0;
    }
}

static int answer_give(struct world *world, struct world_answer *answer)
{
    heap_remove(&world->answers, &answer->node);
    effect(world, answer);
    bool off = answer->power_host >= 0 && (size_t)answer->power_host < world->off_count &&
               world->off[answer->power_host];
    struct nsh_member said_well[] = {{"power", nsh_text(off ? "off" : "on")},
                                     {"state", nsh_text("ready")}};
    struct nsh_value result = answer->reply;
    if (result.type == NSH_NULL && answer->reads && answer->code == NSH_OK) {
        result = nsh_map(said_well, 2);
    }
    struct engine_result said = {.action = text_of(answer->action),
                                 .code = answer->code,
                                 .effect_possible = answer->effect_possible,
                                 .result = result,
                                 .text = text_of(answer->text)};
    int status = world_step(world, &(struct engine_input){.kind = INPUT_RESULT, .result = said});
    free(answer);
    return status;
}

/* ---- steps --------------------------------------------------------------------------------------
 */

int world_step(struct world *world, const struct engine_input *input)
{
    struct engine_input now = *input;
    now.now_ms = world->now_ms;
    int result = 0;
    bool more = true;
    while (more) {
        if (world->err.code != 0 || ++world->steps > world->steps_max) {
            return world->err.code != 0
                       ? -world->err.code
                       : nsh_fail(&world->err, NSH_LIMIT, "more than %llu steps of the engine",
                                  (unsigned long long)world->steps_max);
        }
        struct nsh_error err = {0};
        int status = engine_step(world->engine, &now, &world->output, &err);
        if (status < 0 && (status == -NSH_NOMEM || now.kind != INPUT_COMMAND)) {
            world->err = err;
            return status;
        }
        result = now.kind == INPUT_DURABLE ? result : status;
        const struct engine_output *output = &world->output;
        for (size_t i = 0; world->record != NULL && i < output->records_count; i++) {
            world->record(world->arg, &output->records[i]);
        }
        if (world->stepped != NULL) {
            world->stepped(world->arg, output);
        }
        for (size_t i = 0; i < output->calls_count; i++) {
            if (output->calls[i].cancel) {
                call_cancel(world, &output->calls[i]);
            } else {
                call_take(world, &output->calls[i]);
            }
        }
        more = output->records_count > 0;
        now = (struct engine_input){
            .kind = INPUT_DURABLE, .now_ms = world->now_ms, .durable = output->records_through};
    }
    return result;
}

int world_event(struct world *world, const struct event *event)
{
    struct event copy = *event;
    copy.seq = ++world->seq;
    copy.received_ms = world->now_ms;
    return world_step(world, &(struct engine_input){.kind = INPUT_EVENTS, .events = {&copy, 1}});
}

int64_t world_next(const struct world *world)
{
    struct heap_node *first = heap_first(&world->answers);
    int64_t wake_ms = world->output.wake_ms;
    return first != NULL && first->due <= wake_ms ? first->due : wake_ms;
}

int world_pass(struct world *world, int64_t until_ms)
{
    while (world_next(world) <= until_ms) {
        int64_t next_ms = world_next(world);
        world->now_ms = next_ms > world->now_ms ? next_ms : world->now_ms;
        struct heap_node *first = heap_first(&world->answers);
        bool answers = first != NULL && first->due <= world->output.wake_ms;
        int result = answers ? answer_give(world, (struct world_answer *)first)
                             : world_step(world, &(struct engine_input){.kind = INPUT_TICK});
        if (result < 0) {
            return result;
        }
    }
    world->now_ms = until_ms > world->now_ms ? until_ms : world->now_ms;
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static int off_room(struct world *world, size_t count)
{
    if (count <= world->off_count) {
        return 0;
    }
    bool *grown = realloc(world->off, count);
    if (grown == NULL) {
        return nsh_fail(&world->err, NSH_NOMEM, "no memory for the hosts");
    }
    memset(grown + world->off_count, 0, count - world->off_count);
    world->off = grown;
    world->off_count = count;
    return 0;
}

int world_inventory(struct world *world, const struct inventory *inventory)
{
    world->inventory = inventory;
    int result = off_room(world, inventory->hosts_count);
    return result < 0 ? result
                      : world_step(world, &(struct engine_input){.kind = INPUT_INVENTORY,
                                                                 .inventory = inventory});
}

int world_start(struct world *world, int64_t start_ms, const struct inventory *inventory,
                const struct policy_set *policies)
{
    world->now_ms = start_ms;
    world->inventory = inventory;
    return world_restart(world, start_ms, policies, NULL, 0);
}

static void answers_drop(struct world *world)
{
    struct heap_node *first = NULL;
    while ((first = heap_first(&world->answers)) != NULL) {
        effect(world, (struct world_answer *)first); /* Done, but nobody hears of it. */
        heap_remove(&world->answers, first);
        free(first);
    }
}

int world_restart(struct world *world, int64_t now_ms, const struct policy_set *policies,
                  const struct record *records, size_t records_count)
{
    answers_drop(world);
    engine_free(world->engine);
    world->engine = NULL;
    NSH_ASSERT(now_ms >= world->now_ms);
    world->now_ms = now_ms;
    world->policies = policies;
    int result = engine_new(&world->engine, &world->err);
    for (size_t i = 0; result == 0 && i < records_count; i++) {
        result =
            world_step(world, &(struct engine_input){.kind = INPUT_LOAD, .record = &records[i]});
    }
    const struct engine_input inputs[] = {
        {.kind = INPUT_INVENTORY, .inventory = world->inventory},
        {.kind = INPUT_POLICIES, .policies = policies},
        {.kind = INPUT_LOADED},
        {.kind = INPUT_HEALTH, .health = {.store_ok = true}},
    };
    result = result == 0 ? off_room(world, world->inventory->hosts_count) : result;
    for (size_t i = 0; result == 0 && i < sizeof inputs / sizeof inputs[0]; i++) {
        result = world_step(world, &inputs[i]);
    }
    return result;
}

void world_done(struct world *world)
{
    answers_drop(world);
    engine_free(world->engine);
    engine_output_done(&world->output);
    heap_done(&world->answers);
    free(world->off);
    world->engine = NULL;
    world->off = NULL;
}
