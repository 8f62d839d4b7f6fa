/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RIG_H
#define RIG_H

/*
 * A small world for the engine: an inventory and policies from text, a clock that the test moves, a
 * store that keeps the newest record of each object, and hosts whose controllers are well, lie,
 * hang, are busy or stop half-way. Everything happens in order of time; nothing sleeps.
 */

#include "../unit.h"

#include "base/json.h"
#include "engine/engine.h"
#include "fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RIG __attribute__((unused)) static
#define S INT64_C(1000)
#define MIN (60 * S)
#define HOUR (60 * MIN)
#define RIG_START INT64_C(1772445600000)

enum bmc {
    BMC_WELL,
    BMC_LIES,    /* Says done, does nothing. */
    BMC_ADMITS,  /* Its driver reads back and says "unverified". */
    BMC_MUTE,    /* Does it, and the answer is lost. */
    BMC_DEAF,    /* Does nothing, and no answer comes. */
    BMC_HALFWAY, /* Switches off, then the answer is lost and it stays off. */
    BMC_BUSY,    /* Asks to come back later; nothing is done. */
    BMC_GONE,    /* No connection. */
};

struct rig_host {
    char name[32];
    bool off;
    enum bmc bmc;
    uint32_t busy_times; /* BMC_BUSY: then it is well. */
    uint32_t offs, ons, orders;
    uint32_t unreadable; /* So many readings find nobody. */
    int probed;          /* How a probe ends; NSH_OK: it answers. */
    bool stays_ill;      /* A cycle does not heal it. */
    bool drained;
    uint32_t drains, undrains;
};

struct rig_due {
    int64_t at;
    char action[40];
    int code;
    bool effect_possible;
    int64_t retry_after_ms;
    char text[64];
    char power[8];
    bool clear; /* Not a result: the host's alarm ends. */
    char host[32], type[48];
};

struct rig_record {
    enum record_kind kind;
    bool live;
    int64_t time_ms;
    uint64_t number;
    char *id, *host, *state, *body;
};

struct rig {
    struct engine *engine;
    struct engine_output output;
    struct inventory *inventory;
    struct policy_set *set;
    int64_t now, wake;
    int64_t wall_offset; /* What the clock on the wall shows more. */
    uint64_t seq, through;
    bool hold_durable, hold_calls;
    uint32_t steps, kill_after; /* kill -9 after so many steps; 0: never. */
    bool lose, dead;            /* The last step was not durable yet. */
    struct rig_host hosts[256];
    size_t hosts_count;
    struct rig_due due[4096];
    size_t due_count;
    struct rig_record *records;
    size_t records_count, records_room;
    struct textbuf trace, all; /* all: every record, for comparing two engines. */
    struct textbuf page;       /* The last page's arguments. */
    uint32_t pages, calls, cancels;
    uint32_t words;      /* Said, heard or not. */
    char word_token[40]; /* Of the last. */
    int pager_code;      /* How it is down; NSH_OK: unreachable. */
    int64_t pager_after_ms;
    bool pager_down, no_memory_allowed;
    bool starved; /* Some step found no memory. */
    char reply[8192];
    struct nsh_error err;
    int result;
};

RIG const char *inventory_of(const char *hosts)
{
    static char text[65536];
    snprintf(text, sizeof text, "hosts: ( %s );", hosts);
    return text;
}

/* racks times hosts: r1h01 ... all in pool web, site dc1. */
RIG const char *racks_of(unsigned racks, unsigned hosts)
{
    static char text[262144];
    size_t count = 0;
    for (unsigned r = 1; r <= racks; r++) {
        for (unsigned h = 1; h <= hosts; h++) {
            count += (size_t)snprintf(text + count, sizeof text - count,
                                      "%s{ name = \"r%uh%02u\"; rack = \"r%u\"; site = \"dc1\"; "
                                      "pool = \"web\"; serial = \"S%u-%u\"; "
                                      "addresses = [\"10.%u.0.%u\"]; bmc = { driver = \"redfish\"; "
                                      "address = \"10.%u.1.%u\"; }; }",
                                      count == 0 ? "" : ", ", r, h, r, r, h, r, h, r, h);
        }
    }
    return inventory_of(text);
}

/* One rack of such hosts, with nodes of a cluster on them. */
RIG const char *nodes_of(unsigned hosts)
{
    static char text[65536];
    size_t count = 0;
    for (unsigned h = 1; h <= hosts; h++) {
        count += (size_t)snprintf(
            text + count, sizeof text - count,
            "%s{ name = \"r1h%02u\"; rack = \"r1\"; site = \"dc1\"; role = \"%s\"; "
            "bmc = { driver = \"redfish\"; address = \"10.1.1.%u\"; }; "
            "node = { driver = \"exec\"; }; }",
            count == 0 ? "" : ", ", h, h % 2 == 0 ? "web" : "db", h);
    }
    return inventory_of(text);
}

RIG struct inventory *inventory_text(const char *text)
{
    char path[] = "/tmp/engine-rig-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct diags diags = {0};
    struct inventory *inventory = fleet_load(path, &diags);
    if (inventory == NULL) {
        struct textbuf out = {0};
        diags_print(&diags, NULL, false, &out);
        fail_msg("%s", out.at);
    }
    unlink(path);
    diags_done(&diags);
    return inventory;
}

RIG struct policy_set *policies_text(const char *text, const struct policy_defaults *defaults)
{
    struct diags diags = {0};
    struct policy_defaults own = policy_defaults_builtin();
    own.settle_ms = 0;
    own.step_timeout_ms = 60 * S;
    own.guards.witnesses = 1; /* Tests of this guard ask for the two of the default. */
    struct policy_set *set =
        policy_load_text("test.policy", text, defaults == NULL ? &own : defaults, &diags);
    if (set == NULL) {
        struct textbuf out = {0};
        diags_print(&diags, text, false, &out);
        fail_msg("%s", out.at);
    }
    diags_done(&diags);
    return set;
}

RIG struct rig_host *rig_host(struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->hosts_count; i++) {
        if (strcmp(rig->hosts[i].name, name) == 0) {
            return &rig->hosts[i];
        }
    }
    assert_true(rig->hosts_count < ROWS(rig->hosts));
    struct rig_host *host = &rig->hosts[rig->hosts_count++];
    snprintf(host->name, sizeof host->name, "%s", name);
    return host;
}

/* ---- the store ---------------------------------------------------------------------------------
 */

RIG struct rig_record *rig_record(struct rig *rig, enum record_kind kind, const char *id)
{
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == kind && strcmp(rig->records[i].id, id) == 0) {
            return &rig->records[i];
        }
    }
    return NULL;
}

RIG char *rig_copy(struct text text)
{
    char *copy = calloc(1, (size_t)text.count + 1);
    assert_non_null(copy);
    if (text.count > 0) {
        memcpy(copy, text.at, text.count);
    }
    return copy;
}

RIG void record_done(struct rig_record *record)
{
    free(record->id);
    free(record->host);
    free(record->state);
    free(record->body);
}

RIG void rig_keep(struct rig *rig, const struct record *record, uint64_t number)
{
    char *id = rig_copy(record->id);
    struct rig_record *kept = rig_record(rig, record->kind, id);
    textbuf_addf(&rig->all, "%s %s %d %d %lld %.*s\n", record_word(record->kind), id, record->live,
                 record->remove, (long long)record->time_ms, (int)record->body.count,
                 record->body.at);
    if (kept == NULL) {
        if (rig->records_count == rig->records_room) {
            rig->records_room = rig->records_room == 0 ? 256 : rig->records_room * 2;
            rig->records = realloc(rig->records, rig->records_room * sizeof *rig->records);
            assert_non_null(rig->records);
        }
        kept = &rig->records[rig->records_count++];
    } else {
        record_done(kept);
    }
    *kept = (struct rig_record){.kind = record->kind,
                                .live = record->live && !record->remove,
                                .time_ms = record->time_ms,
                                .number = number,
                                .id = id,
                                .host = rig_copy(record->host),
                                .state = rig_copy(record->state),
                                .body = rig_copy(record->body)};
}

/* ---- the world ----------------------------------------------------------------------------------
 */

RIG struct rig_due *rig_due_add(struct rig *rig, int64_t at)
{
    assert_true(rig->due_count < ROWS(rig->due));
    struct rig_due *due = &rig->due[rig->due_count++];
    memset(due, 0, sizeof *due);
    due->at = at;
    return due;
}

RIG void rig_heal(struct rig *rig, const char *host)
{
    if (rig_host(rig, host)->stays_ill) {
        return;
    }
    struct rig_due *due = rig_due_add(rig, rig->now + 20 * S);
    due->clear = true;
    snprintf(due->host, sizeof due->host, "%.*s", (int)strcspn(host, "/"), host);
    snprintf(due->type, sizeof due->type, "memory.uncorrectable");
}

RIG void power_order(struct rig *rig, struct rig_host *host, const char *verb, struct rig_due *due)
{
    bool cycle = strcmp(verb, "power.cycle") == 0 || strncmp(verb, "reset.", 6) == 0;
    bool on = strcmp(verb, "power.on") == 0;
    host->orders++;
    if (host->bmc == BMC_BUSY && host->busy_times > 0) {
        host->busy_times--;
        due->code = NSH_BUSY;
        return;
    }
    switch (host->bmc) {
    case BMC_GONE:
        due->code = NSH_UNREACHABLE;
        return;
    case BMC_LIES:
        return;
    case BMC_ADMITS:
        due->code = NSH_UNVERIFIED;
        due->effect_possible = true;
        snprintf(due->text, sizeof due->text, "said off, still on");
        return;
    case BMC_DEAF:
    case BMC_MUTE:
    case BMC_HALFWAY:
        due->code = NSH_TIMEOUT;
        due->effect_possible = true;
        due->at += 30 * S;
        break;
    case BMC_WELL:
    case BMC_BUSY:
        break;
    }
    if (host->bmc == BMC_DEAF) {
        return;
    }
    if (cycle || strcmp(verb, "power.off") == 0) {
        host->offs += !host->off;
        host->off = true;
    }
    if ((cycle && host->bmc != BMC_HALFWAY) || on) {
        host->ons += host->off;
        host->off = false;
        rig_heal(rig, host->name);
    }
    if (on && host->bmc == BMC_HALFWAY) {
        due->code = NSH_OK; /* Only the first answer was lost. */
        due->effect_possible = false;
    }
}

RIG void rig_call(struct rig *rig, const struct engine_call *call)
{
    char *verb = rig_copy(call->verb);
    char *host = rig_copy(call->host);
    if (call->binding == BINDING_OUTLET) { /* Something else that can be ill: "r1h01/outlet". */
        char outlet[64];
        snprintf(outlet, sizeof outlet, "%s/outlet", host);
        free(host);
        host = rig_copy(text_of(outlet));
    }
    rig->calls++;
    if (call->cancel) {
        rig->cancels++;
    } else {
        struct rig_due *due = rig_due_add(rig, rig->now + 2 * S);
        snprintf(due->action, sizeof due->action, "%.*s", (int)call->action.count, call->action.at);
        if (call->binding == BINDING_NONE) {
            due->at = rig->now + S / 10;
            int down = rig->pager_code == NSH_OK ? NSH_UNREACHABLE : rig->pager_code;
            due->code = rig->pager_down ? down : NSH_OK;
            due->retry_after_ms = rig->pager_down ? rig->pager_after_ms : 0;
            rig->words++;
            snprintf(rig->word_token, sizeof rig->word_token, "%s", due->action);
            if (!rig->pager_down) {
                rig->pages += strcmp(verb, "page") == 0;
                textbuf_clear(&rig->page);
                json_write(&call->args, &rig->page);
            }
        } else if (strcmp(verb, "power.status") == 0) {
            struct rig_host *state = rig_host(rig, host);
            due->at = rig->now + S / 10;
            due->code = state->bmc == BMC_GONE || state->unreadable > 0 ? NSH_UNREACHABLE : NSH_OK;
            state->unreadable -= state->unreadable > 0;
            snprintf(due->power, sizeof due->power, "%s", state->off ? "off" : "on");
        } else if (strcmp(verb, "probe") == 0) {
            due->code = rig_host(rig, host)->probed;
        } else if (strcmp(verb, "drain") == 0 || strcmp(verb, "undrain") == 0) {
            struct rig_host *state = rig_host(rig, host);
            due->code = state->bmc == BMC_GONE   ? NSH_UNREACHABLE
                        : state->bmc == BMC_MUTE ? NSH_TIMEOUT
                                                 : NSH_OK;
            due->effect_possible = due->code == NSH_TIMEOUT;
            state->drained = due->code == NSH_OK ? verb[0] == 'd' : state->drained;
            state->drains += verb[0] == 'd';
            state->undrains += verb[0] == 'u';
        } else if (strncmp(verb, "power.", 6) == 0 || strncmp(verb, "reset.", 6) == 0) {
            power_order(rig, rig_host(rig, host), verb, due);
        }
    }
    free(verb);
    free(host);
}

/* ---- steps
 * ---------------------------------------------------------------------------------------- */

/* Allocations of the engine: unit.cmake has the linker send them here, so that one can fail. */
static bool rig_in_engine;
static uint64_t rig_allocations, rig_fail_at;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *at, size_t bytes);

RIG bool rig_fails(void)
{
    return rig_in_engine && ++rig_allocations == rig_fail_at;
}

void *__wrap_malloc(size_t bytes)
{
    return rig_fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return rig_fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *at, size_t bytes)
{
    return rig_fails() ? NULL : __real_realloc(at, bytes);
}

RIG void rig_step(struct rig *rig, struct engine_input *input);

RIG void rig_durable(struct rig *rig)
{
    rig_step(rig, &(struct engine_input){.kind = INPUT_DURABLE, .durable = rig->through});
}

RIG void rig_step(struct rig *rig, struct engine_input *input)
{
    if (rig->dead) {
        return;
    }
    input->now_ms = rig->now;
    input->wall_ms = rig->wall_offset == 0 ? 0 : rig->now + rig->wall_offset;
    uint64_t before = rig->through;
    memset(&rig->err, 0, sizeof rig->err);
    rig_in_engine = true;
    rig->result = engine_step(rig->engine, input, &rig->output, &rig->err);
    rig_in_engine = false;
    assert_true(rig->result != -NSH_NOMEM || rig->no_memory_allowed);
    rig->starved = rig->starved || rig->result == -NSH_NOMEM;
    rig->wake = rig->output.wake_ms;
    rig->through = rig->output.records_through;
    assert_int_equal(rig->through, before + rig->output.records_count);
    rig->dead = ++rig->steps == rig->kill_after;
    if (rig->dead && rig->lose) {
        return;
    }
    for (size_t i = 0; i < rig->output.records_count; i++) {
        rig_keep(rig, &rig->output.records[i], before + i + 1);
    }
    textbuf_add(&rig->trace, rig->output.trace);
    if (input->kind != INPUT_DURABLE) {
        snprintf(rig->reply, sizeof rig->reply, "%.*s", (int)rig->output.reply.count,
                 rig->output.reply.at);
    }
    bool more = rig->output.records_count > 0;
    int result = rig->result;
    for (size_t i = 0; i < rig->output.calls_count; i++) {
        rig_call(rig, &rig->output.calls[i]);
    }
    if (more && !rig->hold_durable) {
        rig_durable(rig);
    }
    rig->result = result;
}

RIG void rig_event(struct rig *rig, const struct event *event)
{
    struct event copy = *event;
    copy.seq = ++rig->seq;
    copy.received_ms = rig->now;
    rig_step(rig, &(struct engine_input){.kind = INPUT_EVENTS, .events = {&copy, 1}});
    assert_true(rig->dead || rig->no_memory_allowed || rig->result == 0);
}

RIG struct event event_of(const char *host, const char *type, enum event_state state)
{
    return (struct event){.host = text_of(host),
                          .type = text_of(type),
                          .state = state,
                          .severity = SEVERITY_CRITICAL,
                          .source = TEXT("test"),
                          .message = TEXT("it broke")};
}

RIG void rig_raise(struct rig *rig, const char *host, const char *type)
{
    struct event event = event_of(host, type, EVENT_RAISE);
    rig_event(rig, &event);
}

RIG void rig_clear(struct rig *rig, const char *host, const char *type)
{
    struct event event = event_of(host, type, EVENT_CLEAR);
    rig_event(rig, &event);
}

RIG void rig_pulse(struct rig *rig, const char *host, const char *type)
{
    struct event event = event_of(host, type, EVENT_PULSE);
    rig_event(rig, &event);
}

RIG void rig_due_do(struct rig *rig, size_t index)
{
    struct rig_due due = rig->due[index];
    rig->due_count--;
    memmove(&rig->due[index], &rig->due[index + 1], (rig->due_count - index) * sizeof due);
    if (due.clear) {
        rig_clear(rig, due.host, due.type);
        return;
    }
    const struct nsh_member members[] = {{"power", nsh_text(due.power)}};
    struct engine_input input = {
        .kind = INPUT_RESULT,
        .result = {.action = text_of(due.action),
                   .code = due.code,
                   .effect_possible = due.effect_possible,
                   .retry_after_ms = (uint32_t)due.retry_after_ms,
                   .text = text_of(due.text),
                   .trace = TEXT("> POST Reset"),
                   .result = due.power[0] == 0 ? nsh_null() : nsh_map(members, 1)}};
    rig_step(rig, &input);
}

/* Let time pass to `at` (since the start), in order: what comes back, and ticks. */
RIG void rig_at(struct rig *rig, int64_t at)
{
    int64_t until = RIG_START + at;
    assert_true(until >= rig->now);
    for (unsigned i = 0; i < 1000000 && !rig->dead; i++) {
        size_t first = SIZE_MAX;
        for (size_t d = 0; !rig->hold_calls && d < rig->due_count; d++) {
            if (rig->due[d].at <= until &&
                (first == SIZE_MAX || rig->due[d].at < rig->due[first].at)) {
                first = d;
            }
        }
        bool tick = rig->wake <= until && (first == SIZE_MAX || rig->wake < rig->due[first].at);
        if (tick) {
            rig->now = rig->wake > rig->now ? rig->wake : rig->now;
            rig_step(rig, &(struct engine_input){.kind = INPUT_TICK});
        } else if (first != SIZE_MAX) {
            rig->now = rig->due[first].at > rig->now ? rig->due[first].at : rig->now;
            rig_due_do(rig, first);
        } else {
            rig->now = until;
            return;
        }
    }
    if (!rig->dead) {
        fail_msg("time does not pass");
    }
}

RIG void rig_health(struct rig *rig, bool store_ok, const char *blind)
{
    rig_step(rig,
             &(struct engine_input){.kind = INPUT_HEALTH,
                                    .health = {.store_ok = store_ok, .blind = text_of(blind)}});
}

RIG int rig_command(struct rig *rig, const char *name, const char *json)
{
    struct arena arena = ARENA_INIT;
    struct nsh_value args;
    assert_int_equal(json_parse(json, strlen(json), &arena, &args, NULL), 0);
    rig_step(rig,
             &(struct engine_input){
                 .kind = INPUT_COMMAND,
                 .command = {.name = text_of(name), .args = args, .actor = TEXT("uid:1000(ops)")}});
    arena_done(&arena);
    return rig->result;
}

/* ---- life
 * --------------------------------------------------------------------------------------------- */

RIG void rig_load(struct rig *rig)
{
    assert_int_equal(engine_new(&rig->engine, &rig->err), 0);
    rig->output = (struct engine_output){.trace_wanted = true};
    rig->through = 0;
    size_t count = rig->records_count;
    for (size_t i = 0; i < count; i++) {
        const struct rig_record *kept = &rig->records[i];
        if (!kept->live) {
            continue;
        }
        struct record record = {.kind = kept->kind,
                                .live = true,
                                .time_ms = kept->time_ms,
                                .id = text_of(kept->id),
                                .host = text_of(kept->host),
                                .state = text_of(kept->state),
                                .body = text_of(kept->body)};
        rig_step(rig, &(struct engine_input){.kind = INPUT_LOAD, .record = &record});
        assert_true(rig->no_memory_allowed || rig->result == 0);
    }
    rig_step(rig, &(struct engine_input){.kind = INPUT_INVENTORY, .inventory = rig->inventory});
    rig_step(rig, &(struct engine_input){.kind = INPUT_POLICIES, .policies = rig->set});
    rig_step(rig, &(struct engine_input){.kind = INPUT_LOADED});
    assert_true(rig->no_memory_allowed || rig->result == 0);
}

RIG struct rig *rig_new_with(const char *inventory, const char *policies,
                             const struct policy_defaults *defaults)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->now = RIG_START;
    rig->inventory = inventory_text(inventory);
    rig->set = policies_text(policies, defaults);
    rig_load(rig);
    return rig;
}

RIG struct rig *rig_new(const char *inventory, const char *policies)
{
    return rig_new_with(inventory, policies, NULL);
}

/* kill -9: only what is durable is left; answers of the old process are lost. */
RIG void rig_kill(struct rig *rig)
{
    engine_free(rig->engine);
    engine_output_done(&rig->output);
    rig->engine = NULL;
    rig->dead = false;
    rig->kill_after = 0;
    size_t kept = 0;
    for (size_t i = 0; i < rig->due_count; i++) {
        if (rig->due[i].clear) {
            rig->due[kept++] = rig->due[i];
        }
    }
    rig->due_count = kept;
}

RIG void rig_start(struct rig *rig, int64_t at)
{
    rig->now = RIG_START + at;
    rig_load(rig);
}

RIG void rig_free(struct rig *rig)
{
    engine_free(rig->engine);
    engine_output_done(&rig->output);
    for (size_t i = 0; i < rig->records_count; i++) {
        record_done(&rig->records[i]);
    }
    free(rig->records);
    textbuf_done(&rig->trace);
    textbuf_done(&rig->all);
    textbuf_done(&rig->page);
    inventory_free(rig->inventory);
    policy_set_free(rig->set);
    free(rig);
}

/* ---- what is asked
 * ---------------------------------------------------------------------------------------- */

RIG unsigned trace_count(const struct rig *rig, const char *needle)
{
    unsigned count = 0;
    for (const char *at = rig->trace.at; at != NULL && (at = strstr(at, needle)) != NULL; at++) {
        count++;
    }
    return count;
}

#define assert_trace(rig, needle)                                                                  \
    do {                                                                                           \
        if (trace_count((rig), (needle)) == 0) {                                                   \
            fail_msg("no line \"%s\" in\n%s", (needle), (rig)->trace.at);                          \
        }                                                                                          \
    } while (0)

#define assert_no_trace(rig, needle)                                                               \
    do {                                                                                           \
        if (trace_count((rig), (needle)) != 0) {                                                   \
            fail_msg("a line \"%s\" in\n%s", (needle), (rig)->trace.at);                           \
        }                                                                                          \
    } while (0)

#define assert_count(rig, needle, wanted)                                                          \
    do {                                                                                           \
        if (trace_count((rig), (needle)) != (wanted)) {                                            \
            fail_msg("%u lines \"%s\", not %u, in\n%s", trace_count((rig), (needle)), (needle),    \
                     (unsigned)(wanted), (rig)->trace.at);                                         \
        }                                                                                          \
    } while (0)

/* The state of the newest record of a kind about a host, or "". */
RIG const char *rig_state(const struct rig *rig, enum record_kind kind, const char *host)
{
    const char *state = "";
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == kind && strcmp(rig->records[i].host, host) == 0) {
            state = rig->records[i].state;
        }
    }
    return state;
}

RIG const char *rig_body(const struct rig *rig, enum record_kind kind, const char *host)
{
    const char *body = "";
    for (size_t i = 0; i < rig->records_count; i++) {
        if (rig->records[i].kind == kind && strcmp(rig->records[i].host, host) == 0) {
            body = rig->records[i].body;
        }
    }
    return body;
}

#define assert_has(text, needle)                                                                   \
    do {                                                                                           \
        if ((text) == NULL || strstr((text), (needle)) == NULL) {                                  \
            fail_msg("no \"%s\" in %s", (needle), (text) == NULL ? "(nothing)" : (text));          \
        }                                                                                          \
    } while (0)

#define MEMORY_POLICY                                                                              \
    "policies: ( { name = \"memory-fatal\"; summary = \"cycle, verify, page\"; owner = \"dc\";\n"  \
    "  subject = \"host\"; mode = \"enforce\";\n"                                                  \
    "  when = { event = \"memory.uncorrectable\"; severity = \"major\"; settle = \"2s\"; };\n"     \
    "  unless = ( \"host.maintenance\" );\n"                                                       \
    "  limits = { once_within = \"1s\"; concurrent = { rack = 1; }; };\n"                          \
    "  do = ( { step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; },\n"                \
    "         { step = \"verify\"; check = \"cleared\"; within = \"2m\"; every = \"5s\"; } );\n"   \
    "  else = ( { step = \"page\"; action = \"page\";\n"                                           \
    "             with = { title = \"memory\"; text = \"${host.name}: ${failure}\"; }; } ); } );"

#endif
