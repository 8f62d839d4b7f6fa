/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Am I blind?": what the daemon says of itself, sources that should speak and do not, and an
 * inventory that lost more of its hosts than a reload should. Nothing interrupting is done until it
 * is over, the hosts are back, or a person says that they are gone.
 */

#include "engine_private.h"

#include <stdio.h>

/* ---- sources -----------------------------------------------------------------------------------
 */

static int64_t heard_before(const struct guards_kept *kept, const char *source, int64_t now_ms)
{
    for (uint32_t i = 0; i < POLICY_SILENCES_MAX; i++) {
        if (kept->heard[i].ms != 0 && strcmp(kept->heard[i].source, source) == 0) {
            return kept->heard[i].ms;
        }
    }
    return now_ms;
}

/* What was watched before goes on; the silence of another one begins now: what never spoke is as
 * silent as what stopped. */
void blind_policies(struct engine *engine)
{
    const struct policy_guards *guards = engine->guards;
    struct heard heard[POLICY_SILENCES_MAX] = {0};
    for (uint32_t i = 0; i < guards->silences_count; i++) {
        const char *source = guards->silences[i].source;
        memcpy(heard[i].source, source, sizeof heard[i].source);
        heard[i].ms = heard_before(&engine->kept, source, engine->now_ms);
    }
    memcpy(engine->kept.heard, heard, sizeof heard);
}

void blind_heard(struct engine *engine, const struct event *items, size_t count)
{
    const struct policy_guards *guards = engine->guards;
    for (uint32_t s = 0; s < guards->silences_count; s++) {
        for (size_t i = 0; i < count && engine->kept.heard[s].ms < engine->now_ms; i++) {
            if (text_glob(text_of(guards->silences[s].source), items[i].source)) {
                bool back =
                    engine->now_ms - engine->kept.heard[s].ms > guards->silences[s].after_ms;
                engine->sources_back_ms = back ? engine->now_ms : engine->sources_back_ms;
                engine->kept.heard[s].ms = engine->now_ms;
            }
        }
    }
}

static bool source_is_silent(const struct engine *engine, uint32_t index, struct textbuf *text)
{
    const struct policy_silence *silence = &engine->guards->silences[index];
    int64_t silent_ms = engine->now_ms - engine->kept.heard[index].ms;
    if (silent_ms <= silence->after_ms) {
        return false;
    }
    textbuf_addf(text, "source %s silent for ", silence->source);
    textbuf_add_span(text, silent_ms);
    textbuf_add_chars(text, ", at most ");
    textbuf_add_duration(text, silence->after_ms);
    return true;
}

bool blind_sources(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->guards->silences_count; i++) {
        CLEANUP(textbuf_donep) struct textbuf silent = {0};
        if (source_is_silent(engine, i, &silent)) {
            return true;
        }
    }
    return engine->blind[0] != 0;
}

/* ---- the inventory -----------------------------------------------------------------------------
 */

static bool is_shrunken(const struct engine *engine, size_t lost, size_t before)
{
    return lost > SHRINK_HOSTS_MIN && lost * 100 > before * engine->guards->shrink_percent;
}

/* Hosts that were expected and are not there: by name, and by number after a restart. */
static size_t hosts_lost(struct engine *engine, const struct inventory *inventory)
{
    size_t lost = 0;
    MAP_EACH (&engine->hosts, entry) {
        const struct host_state *host = entry->value;
        lost += host->expected && host->moved.now == NULL &&
                inventory_host(inventory, host->key) == NULL;
    }
    size_t before = engine->kept.fleet_hosts;
    size_t fewer = before > inventory->hosts_count ? before - inventory->hosts_count : 0;
    return lost > fewer ? lost : fewer;
}

static void expect_these(struct engine *engine)
{
    MAP_EACH (&engine->hosts, entry) {
        struct host_state *host = entry->value;
        host->expected = host->host != NULL;
    }
    size_t count = engine->inventory->hosts_count;
    engine->kept.fleet_dirty = engine->kept.fleet_dirty || count != engine->kept.fleet_hosts;
    engine->kept.fleet_hosts = count;
}

/* After fleet_take(), when the records are known. */
void blind_inventory(struct engine *engine)
{
    struct guards_kept *kept = &engine->kept;
    size_t lost = hosts_lost(engine, engine->inventory);
    bool was = kept->shrunken[0] != 0;
    if (!is_shrunken(engine, lost, kept->fleet_hosts)) {
        kept->shrunken[0] = 0;
        kept->fleet_dirty = kept->fleet_dirty || was;
        expect_these(engine);
        if (was) {
            engine_trace(engine, "inventory is whole again");
        }
        return;
    }
    snprintf(kept->shrunken, sizeof kept->shrunken,
             "the inventory lost %zu of %zu hosts, more than %u %%: put them back, or confirm",
             lost, kept->fleet_hosts, engine->guards->shrink_percent);
    kept->fleet_dirty = true;
    engine_trace(engine, "blind: %s", kept->shrunken);
}

int blind_confirm(struct engine *engine, const char *why, struct nsh_error *err)
{
    struct guards_kept *kept = &engine->kept;
    if (kept->shrunken[0] == 0) {
        return nsh_fail(err, NSH_NOT_FOUND, "the inventory lost no hosts");
    }
    engine_trace(engine, "inventory %s", why);
    kept->shrunken[0] = 0;
    kept->fleet_dirty = true;
    expect_these(engine);
    textbuf_addf(&engine->reply, "{\"hosts\":%zu}", kept->fleet_hosts);
    return 0;
}

void blind_load(struct engine *engine, const struct nsh_value *value)
{
    int64_t hosts = nsh_get_int(value, "fleet_hosts", 0);
    if (hosts > 0) {
        engine->kept.fleet_hosts = (size_t)hosts;
    }
}

/* ---- the guard ---------------------------------------------------------------------------------
 */

/* Why we may not see; false: we do. */
bool blind_why(const struct engine *engine, struct textbuf *text)
{
    size_t start = text->count;
    if (engine->blind[0] != 0) {
        textbuf_addf(text, "%s", engine->blind);
    }
    if (engine->kept.shrunken[0] != 0) {
        textbuf_addf(text, "%s%s", text->count > start ? "; " : "", engine->kept.shrunken);
    }
    for (uint32_t i = 0; i < engine->guards->silences_count; i++) {
        CLEANUP(textbuf_donep) struct textbuf silent = {0};
        if (source_is_silent(engine, i, &silent)) {
            textbuf_addf(text, "%s%s", text->count > start ? "; " : "", silent.at);
        }
    }
    return text->count > start;
}

bool engine_is_blind(const struct engine *engine, struct textbuf *why)
{
    CLEANUP(textbuf_donep) struct textbuf own = {0};
    return engine->ready && blind_why(engine, why == NULL ? &own : why);
}
