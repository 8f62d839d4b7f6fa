/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakers: an endpoint that failed so often in a row is left alone for a while, then one action
 * tries it, and what comes of that one decides. Every answer counts, also of a reading that
 * verifies; but readings are never stopped: to know is more than to be polite.
 */

#include "engine_private.h"

#include <stdio.h>
#include <stdlib.h>

#define BREAKERS_MAX 200000 /* As many as hosts. */

static const char *const state_words[] = {
    [BREAKER_CLOSED] = "closed",
    [BREAKER_OPEN] = "open",
    [BREAKER_HALF_OPEN] = "half-open",
};

/* What of a binding's settings says where it goes. */
static const char *endpoint_of(const struct binding *binding)
{
    static const char *const names[] = {"address", "url",     "endpoint",
                                        "cloud",   "cluster", "context"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = nsh_get_text(&binding->settings, names[i], "");
        if (value[0] != 0) {
            return value;
        }
    }
    return "";
}

/* In scratch; an empty text: it goes to no endpoint of a host. */
static struct text endpoint_key(struct engine *engine, const struct action *action)
{
    const struct host_state *host = action->run->host;
    if (action->verb->binding == BINDING_FUNCTION) {
        return text_of(scratch_printf(engine, "%s %s", action->verb->driver, action->verb->name));
    }
    const struct binding *binding = verb_speaks(action->verb) || host == NULL || host->host == NULL
                                        ? NULL
                                        : host_binding(host->host, action->binding);
    if (binding == NULL) {
        return TEXT("");
    }
    const char *endpoint = endpoint_of(binding);
    return text_of(
        scratch_printf(engine, "%s%s%s", binding->driver, endpoint[0] == 0 ? "" : " ", endpoint));
}

static void breaker_move(struct engine *engine, struct breaker *breaker, enum breaker_state state)
{
    engine->counters.breakers_open -= breaker->state != BREAKER_CLOSED;
    engine->counters.breakers_open += state != BREAKER_CLOSED;
    breaker->state = state;
    breaker->since_ms = engine->now_ms;
    breaker->probe = 0;
    breaker->dirty = engine->kept.breakers_dirty = true;
    engine_trace(engine, "breaker %.*s %s", PT(breaker->key), state_words[state]);
}

/* Open for longer each time that the one who tried got no answer. */
static void breaker_opens(struct engine *engine, struct breaker *breaker)
{
    int64_t open_ms = engine->guards->breaker_open_ms;
    for (uint32_t i = 0; i < breaker->opens && open_ms < engine->guards->breaker_open_ms_max; i++) {
        open_ms *= 2;
    }
    if (open_ms > engine->guards->breaker_open_ms_max) {
        open_ms = engine->guards->breaker_open_ms_max;
    }
    breaker->opens++;
    breaker->opens_total++;
    breaker->until_ms = engine->now_ms + open_ms;
    engine->counters.breakers_opened++;
    breaker_move(engine, breaker, BREAKER_OPEN);
}

static void breaker_free(struct breaker *breaker)
{
    char *key = NULL;
    memcpy(&key, &breaker->key.at, sizeof key);
    free(key);
    free(breaker);
}

static struct breaker *breaker_new(struct engine *engine, struct text key)
{
    struct map *map = &engine->kept.breakers;
    struct breaker *breaker =
        map->count >= BREAKERS_MAX ? NULL : engine_alloc(engine, sizeof *breaker);
    char *copy = breaker == NULL ? NULL : engine_copy(engine, key);
    if (copy == NULL) {
        free(breaker);
        return NULL;
    }
    *breaker = (struct breaker){.key = text_of(copy), .since_ms = engine->now_ms};
    if (map_set(map, breaker->key, breaker) < 0) {
        engine->nomem = true;
        breaker_free(breaker);
        return NULL;
    }
    return breaker;
}

/* ---- the guard ---------------------------------------------------------------------------------
 */

static bool defers(struct engine *engine, struct ask *ask, struct breaker *breaker,
                   int64_t again_ms)
{
    breaker->deferred++;
    engine->counters.breaker_deferred++;
    ask->again_ms = again_ms < SECOND_MS ? SECOND_MS : again_ms;
    return false;
}

bool breaker_check(struct engine *engine, struct ask *ask, struct textbuf *text)
{
    struct text key = endpoint_key(engine, ask->action);
    struct breaker *breaker = key.count == 0 ? NULL : map_get(&engine->kept.breakers, key);
    if (breaker == NULL || breaker->state == BREAKER_CLOSED) {
        textbuf_addf(text, "endpoint %.*s: %u of %u failures in a row", PT(key),
                     breaker == NULL ? 0 : breaker->failures, engine->guards->breaker_failures);
        return true;
    }
    if (breaker->state == BREAKER_OPEN && engine->now_ms >= breaker->until_ms) {
        breaker_move(engine, breaker, BREAKER_HALF_OPEN);
    }
    textbuf_addf(text, "endpoint %.*s is %s: %u failures in a row, the last %s", PT(key),
                 state_words[breaker->state], breaker->failures, breaker->word);
    if (breaker->state == BREAKER_OPEN) {
        textbuf_add_chars(text, "; tried again in ");
        textbuf_add_span(text, breaker->until_ms - engine->now_ms);
        return defers(engine, ask, breaker, breaker->until_ms - engine->now_ms);
    }
    if (breaker->probe != 0 && breaker->probe != ask->action->number) {
        textbuf_add_chars(text, "; another action tries it");
        return defers(engine, ask, breaker, 0);
    }
    textbuf_add_chars(text, "; this one tries it");
    return true;
}

void breaker_sent(struct engine *engine, const struct action *action)
{
    struct text key = endpoint_key(engine, action);
    struct breaker *breaker = key.count == 0 ? NULL : map_get(&engine->kept.breakers, key);
    if (breaker != NULL && breaker->state == BREAKER_HALF_OPEN) {
        breaker->probe = action->number;
    }
}

/* ---- what came of it ---------------------------------------------------------------------------
 */

enum answer { ANSWER, NO_ANSWER, NOTHING_LEARNED };

/* Wrong credentials are no answer either: asking on locks accounts. */
static enum answer answer_of(int code)
{
    switch (code) {
    case NSH_TIMEOUT:
    case NSH_UNREACHABLE:
    case NSH_DISCONNECTED:
    case NSH_PROTOCOL:
    case NSH_AUTH:
        return NO_ANSWER;
    case NSH_NOMEM:
    case NSH_LIMIT:
    case NSH_CANCELLED:
    case NSH_UNKNOWN:
    case NSH_INVALID:
    case NSH_STALE:
    case NSH_IO:
    case NSH_FULL:
        return NOTHING_LEARNED; /* Ours, not the endpoint's. */
    default:
        return ANSWER;
    }
}

static void answered(struct engine *engine, struct breaker *breaker)
{
    breaker->failures = breaker->opens = 0;
    if (breaker->state != BREAKER_CLOSED) {
        breaker_move(engine, breaker, BREAKER_CLOSED);
    } else if (breaker->opens_total == 0) {
        map_remove(&engine->kept.breakers, breaker->key); /* Nothing to tell of it. */
        breaker_free(breaker);
    }
}

void breaker_result(struct engine *engine, const struct action *action, int code)
{
    enum answer answer = answer_of(code);
    struct text key = endpoint_key(engine, action);
    struct breaker *breaker = key.count == 0 ? NULL : map_get(&engine->kept.breakers, key);
    bool tried = breaker != NULL && breaker->probe == action->number;
    if (tried) {
        breaker->probe = 0;
    }
    if (key.count == 0 || answer == NOTHING_LEARNED || (breaker == NULL && answer == ANSWER)) {
        return;
    }
    if (answer == ANSWER) {
        answered(engine, breaker);
        return;
    }
    breaker = breaker == NULL ? breaker_new(engine, key) : breaker;
    if (breaker == NULL) {
        return;
    }
    breaker->failures++;
    breaker->failures_total++;
    breaker->word = nsh_code_word(code);
    bool often = breaker->failures >= engine->guards->breaker_failures;
    if (breaker->state == BREAKER_CLOSED ? often : breaker->state == BREAKER_HALF_OPEN && tried) {
        breaker_opens(engine, breaker);
    }
}

/* ---- kept over a restart -----------------------------------------------------------------------
 */

const char *breaker_word(const struct breaker *breaker)
{
    return state_words[breaker->state];
}

/* Changes are rare: only when the state of one moves. */
void breakers_flush(struct engine *engine, breaker_write_fn write)
{
    if (!engine->kept.breakers_dirty) {
        return;
    }
    engine->kept.breakers_dirty = false;
    MAP_EACH (&engine->kept.breakers, entry) {
        struct breaker *breaker = entry->value;
        bool live = breaker->state != BREAKER_CLOSED;
        if (breaker->dirty && (live || breaker->written)) {
            write(engine, breaker, live);
            breaker->written = true;
        }
        breaker->dirty = false;
    }
}

static const char *code_word_of(const char *word)
{
    for (int code = 0; code < NSH_CODES_COUNT; code++) {
        if (strcmp(nsh_code_word(code), word) == 0) {
            return nsh_code_word(code);
        }
    }
    return nsh_code_word(NSH_UNKNOWN);
}

void breaker_load(struct engine *engine, const struct nsh_value *value)
{
    struct text key = text_of(nsh_get_text(value, "endpoint", ""));
    bool closed = strcmp(nsh_get_text(value, "state", ""), state_words[BREAKER_CLOSED]) == 0;
    struct breaker *breaker =
        key.count == 0 || closed || map_get(&engine->kept.breakers, key) != NULL
            ? NULL
            : breaker_new(engine, key);
    if (breaker == NULL) {
        return;
    }
    breaker->failures = (uint32_t)nsh_get_int(value, "failures", 0);
    breaker->opens = (uint32_t)nsh_get_int(value, "opens_in_a_row", 1);
    breaker->failures_total = (uint64_t)nsh_get_int(value, "failures_total", 0);
    breaker->opens_total = (uint64_t)nsh_get_int(value, "opens", 1);
    breaker->word = code_word_of(nsh_get_text(value, "last", ""));
    breaker->until_ms = nsh_get_int(value, "until_ms", 0); /* Half-open: over, so one may try. */
    breaker->written = true;
    breaker_move(engine, breaker, BREAKER_OPEN);
}

/* ---- shown -------------------------------------------------------------------------------------
 */

void breaker_json(const struct breaker *breaker, struct textbuf *json)
{
    json_text(json, "endpoint", breaker->key);
    json_chars(json, "state", state_words[breaker->state]);
    json_int(json, "failures", breaker->failures);
    json_int(json, "failures_total", (int64_t)breaker->failures_total);
    json_int(json, "opens", (int64_t)breaker->opens_total);
    json_int(json, "deferred", (int64_t)breaker->deferred);
    json_int(json, "since_ms", breaker->since_ms);
    json_int(json, "until_ms", breaker->state == BREAKER_OPEN ? breaker->until_ms : 0);
    json_chars(json, "last", breaker->word);
    json_int(json, "opens_in_a_row", breaker->opens);
}

void breakers_json(struct engine *engine, struct textbuf *json)
{
    textbuf_add_char(json, '[');
    MAP_EACH (&engine->kept.breakers, entry) {
        json_comma(json);
        textbuf_add_char(json, '{');
        breaker_json(entry->value, json);
        textbuf_add_char(json, '}');
    }
    textbuf_add_char(json, ']');
}

void breakers_free(struct engine *engine)
{
    MAP_EACH (&engine->kept.breakers, entry) {
        breaker_free(entry->value);
    }
    map_done(&engine->kept.breakers);
}
