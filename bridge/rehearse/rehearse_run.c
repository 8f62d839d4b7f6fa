/* SPDX-License-Identifier: Apache-2.0 */
/* One test, from its first event to the verdict. One that fails is run again for its story. */

#include "rehearse/rehearse_private.h"

#include <stdlib.h>

static int restart(struct rehearsal *rehearsal, struct observer *observer, int64_t down_ms)
{
    size_t count = 0;
    struct record *records =
        arena_array(&rehearsal->test, observer->kept.count + 1, sizeof *records);
    if (records == NULL) {
        return -NSH_NOMEM;
    }
    MAP_EACH (&observer->kept, entry) {
        const struct record *record = entry->value;
        if (record->live && !record->remove) {
            records[count++] = *record;
        }
    }
    struct world *world = observer->world;
    return world_restart(world, world->now_ms + down_ms, rehearsal->policies, records, count);
}

static int command(struct world *world, const char *name, struct nsh_value args, const char *actor)
{
    struct engine_input input = {
        .kind = INPUT_COMMAND,
        .command = {.name = text_of(name), .args = args, .actor = text_of(actor)}};
    return world_step(world, &input);
}

/* Who may not answer is refused, and that is all: a test may show it. */
static int answer(struct world *world, const char *name, const struct item *item)
{
    int status = command(world, name, item->args, item->actor);
    return status == -NSH_DENIED ? 0 : status;
}

/* The freeze that is in force: the newest record that lives. */
static int unfreeze(struct rehearsal *rehearsal, struct observer *observer)
{
    struct nsh_member *members = arena_array(&rehearsal->test, 3, sizeof *members);
    const char *id = NULL;
    MAP_EACH (&observer->kept, entry) {
        const struct record *record = entry->value;
        if (record->kind == RECORD_FREEZE && record->live && !record->remove) {
            id = record->id.at;
        }
    }
    if (members == NULL || id == NULL) {
        return 0;
    }
    members[0] = (struct nsh_member){"id", nsh_text(id)};
    members[1] = (struct nsh_member){"owner", nsh_text("test")};
    members[2] = (struct nsh_member){"reason", nsh_text("a test")};
    return command(observer->world, "unfreeze", nsh_map(members, 3), "test");
}

static int item_do(struct rehearsal *rehearsal, struct observer *observer, const struct item *item)
{
    struct world *world = observer->world;
    switch (item->kind) {
    case ITEM_EVENT:
        return world_event(world, &item->event);
    case ITEM_SET:
        return world_inventory(world, item->inventory);
    case ITEM_RESTART:
        return restart(rehearsal, observer, item->down_ms);
    case ITEM_FREEZE:
        return command(world, "freeze", item->args, "test");
    case ITEM_UNFREEZE:
        return unfreeze(rehearsal, observer);
    case ITEM_APPROVE:
        return answer(world, "approve", item);
    case ITEM_DENY:
        return answer(world, "deny", item);
    case ITEM_HEALTH:
        return world_step(world,
                          &(struct engine_input){.kind = INPUT_HEALTH, .health = item->health});
    case ITEM_STOP:
        break;
    }
    return 0;
}

static int timeline_do(struct rehearsal *rehearsal, struct observer *observer,
                       const struct test *test)
{
    struct world *world = observer->world;
    for (size_t i = 0; i < test->items_count; i++) {
        const struct item *item = &test->items[i];
        int64_t at_ms = rehearsal->start_ms + item->at_ms;
        if (item->at_ms > test->until_ms) {
            break;
        }
        /* What is due before comes before; what is due at the same time comes after. */
        int result = at_ms > world->now_ms ? world_pass(world, at_ms - 1) : 0;
        world->now_ms = at_ms > world->now_ms ? at_ms : world->now_ms;
        result = result == 0 ? item_do(rehearsal, observer, item) : result;
        if (result < 0) {
            return result;
        }
    }
    return world_pass(world, rehearsal->start_ms + test->until_ms);
}

static int story(struct rehearsal *rehearsal, const struct test *test, struct observer *observer,
                 struct nsh_error *err)
{
    arena_reset(&rehearsal->test);
    policy_set_mode(rehearsal->policies, test->mode);
    for (size_t i = 0; i < test->stubs_count; i++) {
        test->stubs[i].used = 0;
    }
    struct world world = {.stubs = test->stubs,
                          .stubs_count = test->stubs_count,
                          .steps_max = REHEARSE_STEPS_MAX,
                          .record = observe_record,
                          .call = observe_call,
                          .stepped = observe_step,
                          .arg = observer};
    world.output.trace_wanted = observer->trace != NULL;
    world.output.seen_wanted = observer->coverage != NULL;
    observer->rehearsal = rehearsal;
    observer->world = &world;
    observer->keeps = test->keeps;
    int result =
        world_start(&world, rehearsal->start_ms, rehearsal->inventory, rehearsal->policies);
    result = result == 0 ? timeline_do(rehearsal, observer, test) : result;
    observer->steps = world.steps;
    observer->world = NULL;
    world_done(&world);
    if (result == 0 && observer->no_memory) {
        return nsh_fail(err, NSH_NOMEM, "no memory to keep what happens");
    }
    return result == 0 ? 0 : nsh_fail(err, (enum nsh_code) - result, "%s", world.err.text);
}

/* The same again, this time written down. */
static const char *story_told(struct rehearsal *rehearsal, const struct test *test)
{
    CLEANUP(textbuf_donep) struct textbuf trace = {0};
    struct observer observer = {.trace = &trace};
    struct nsh_error err = {0};
    (void)story(rehearsal, test, &observer, &err); /* It ended the same way before. */
    observer_done(&observer);
    return arena_printf(&rehearsal->test, "%s", trace.at == NULL ? "" : trace.at);
}

int rehearsal_run(struct rehearsal *rehearsal, size_t index, struct coverage *coverage,
                  struct diags *diags, struct rehearsal_test *ret_test, struct nsh_error *err)
{
    const struct test *test = &rehearsal->tests[index];
    struct observer observer = {.coverage = coverage};
    size_t errors = diags->errors_count;
    struct nsh_error own = {0};
    if (coverage != NULL && index == 0) {
        coverage_policies(coverage, rehearsal->policies);
    }
    int result = story(rehearsal, test, &observer, &own);
    if (result == 0) {
        expectations_check(test, &observer, diags);
    } else if (result != -NSH_NOMEM) {
        diag_add(diags, DIAG_ERROR, test->shown.at, NULL, "the engine refused: %s", own.text);
    }
    *ret_test = test->shown;
    if (result == 0 && test->expects_count == 0) {
        ret_test->recorded = expectations_record(rehearsal, &observer, &rehearsal->test);
    }
    ret_test->steps = observer.steps;
    ret_test->failed = diags->errors_count > errors;
    observer_done(&observer);
    if (ret_test->failed) {
        ret_test->trace = story_told(rehearsal, test);
    }
    return result == -NSH_NOMEM ? nsh_fail(err, NSH_NOMEM, "%s", own.text) : 0;
}
