/* SPDX-License-Identifier: Apache-2.0 */
/* The status document: the daemon's own members, then the engine's. */

#include "shell_private.h"

#include "base/json.h"
#include "loop/drivers.h"

#include <stdio.h>

static void add_warning(struct textbuf *out, bool *first, const char *cause, const char *text)
{
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    textbuf_add_chars(&words, cause);
    textbuf_add_chars(&words, text);
    textbuf_add_chars(out, *first ? "" : ",");
    textbuf_add_json(out, (struct text){words.at, (uint32_t)words.count});
    *first = false;
}

/* What the engine warns of, without what is said already. */
static void add_engine_warnings(struct textbuf *out, bool *first, const struct nsh_value *engine)
{
    const struct nsh_value *warnings = nsh_get(engine, "warnings");
    for (uint32_t i = 0; warnings != NULL && warnings->type == NSH_LIST && i < warnings->count;
         i++) {
        const struct nsh_value *item = &warnings->items[i];
        struct text text = {item->text, item->count};
        if (item->type == NSH_STRING && !text_starts(text, "blind:") &&
            !text_starts(text, "the store")) {
            add_warning(out, first, item->text, "");
        }
    }
}

/* The engine's other members follow ours. */
static void add_engine(struct textbuf *out, const struct nsh_value *engine)
{
    for (uint32_t i = 0; engine->type == NSH_MAP && i < engine->count; i++) {
        if (strcmp(engine->members[i].name, "warnings") != 0) {
            textbuf_add_char(out, ',');
            textbuf_add_json(out, text_of(engine->members[i].name));
            textbuf_add_char(out, ':');
            json_write(&engine->members[i].value, out);
        }
    }
    textbuf_add_char(out, '}');
}

static void add_warnings(struct shell *shell, const struct nsh_value *engine, struct textbuf *out)
{
    bool first = true;
    const struct config *config = shell->generation->config;
    textbuf_add_chars(out, ",\"warnings\":[");
    if (shell->store_health != STORE_OK) {
        add_warning(out, &first, "the store is not healthy, nothing acts: ", shell->store_text);
    }
    if (shell->blind[0] != '\0') {
        add_warning(out, &first, "nothing interrupting is done, because blind: ", shell->blind);
    }
    if (shell->reload_text[0] != '\0') {
        add_warning(out, &first, "the last reload was refused: ", shell->reload_text);
    }
    if (shell->apply_until_ms > 0) {
        CLEANUP(textbuf_donep) struct textbuf left = {0};
        int64_t left_ms = shell->apply_until_ms - shell_now(shell);
        textbuf_add_span(&left, left_ms < 1000 ? 1000 : left_ms);
        add_warning(out, &first,
                    "policies were applied and wait for `nightshift policy confirm`; the old ones "
                    "come back in ",
                    left.at == NULL ? "" : left.at);
    }
    if (config->pager.driver == NULL) {
        add_warning(out, &first, "no pager is configured: where a ladder ends, nobody is woken",
                    "");
    }
    add_engine_warnings(out, &first, engine);
    textbuf_add_char(out, ']');
}

static void add_inputs(struct shell *shell, struct textbuf *out)
{
    struct intake_figures intake;
    intake_count(shell->intake, &intake);
    textbuf_addf(out, ",\"inputs\":{\"events\":%llu,\"waiting_bytes\":%zu,\"refused\":%llu",
                 (unsigned long long)intake.events, intake.waiting_bytes,
                 (unsigned long long)(intake.refused_full + intake.refused_ill));
    if (shell->traps != NULL) {
        struct trap_figures traps;
        trap_listen_figures(shell->traps, &traps);
        const struct trap_counters *counters = &traps.counters;
        uint64_t dropped = counters->dropped_info + counters->dropped_warning +
                           counters->dropped_minor + counters->dropped_major +
                           counters->dropped_critical + counters->dropped_fatal +
                           counters->kernel_drops;
        textbuf_addf(out,
                     ",\"trap_receivers\":\"%u/%u\",\"traps\":%llu,\"unmatched\":%llu,"
                     "\"malformed\":%llu,\"denied\":%llu,\"dropped\":%llu",
                     traps.ready, traps.receivers, (unsigned long long)counters->received,
                     (unsigned long long)counters->unmatched,
                     (unsigned long long)counters->malformed, (unsigned long long)counters->denied,
                     (unsigned long long)dropped);
    }
    if (shell->syslog != NULL) {
        struct syslog_figures figures = {0};
        syslog_listen_figures(shell->syslog, &figures);
        textbuf_addf(out, ",\"syslog\":%llu,\"syslog_events\":%llu,\"syslog_lost\":%llu",
                     (unsigned long long)figures.received, (unsigned long long)figures.events,
                     (unsigned long long)(syslog_drops(&figures) + figures.kernel_drops));
    }
    textbuf_add_char(out, '}');
}

static void add_store(struct shell *shell, struct textbuf *out)
{
    const struct shell_figures *figures = &shell->figures;
    uint64_t commits = figures->commits == 0 ? 1 : figures->commits;
    textbuf_addf(out,
                 ",\"store\":{\"state\":\"%s\",\"last_seq\":%llu,\"commits\":%llu,"
                 "\"commit_us\":%llu,\"commit_us_max\":%llu}",
                 shell->store_health == STORE_OK ? "ok" : "failing",
                 (unsigned long long)shell->durable_seq, (unsigned long long)figures->commits,
                 (unsigned long long)(figures->commit_us / commits),
                 (unsigned long long)figures->commit_us_max);
}

static void add_drivers(struct shell *shell, struct textbuf *out)
{
    const struct nsh_driver *driver;
    textbuf_add_chars(out, ",\"drivers\":{");
    for (size_t i = 0; (driver = drivers_at(shell->drivers, i)) != NULL; i++) {
        size_t devices = 0, running = 0;
        drivers_figures(shell->drivers, driver, &devices, &running);
        textbuf_addf(out, "%s\"%s\":\"%zu open, %zu running\"", i == 0 ? "" : ",", driver->name,
                     devices, running);
    }
    textbuf_add_char(out, '}');
}

void shell_status(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct engine_input input = {.kind = INPUT_COMMAND};
    input.command.name = TEXT("status");
    input.command.args = request->args;
    input.command.actor = text_of(request->actor);
    if (shell_step(shell, &input, &err) < 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    struct text reply = shell->output.reply;
    struct nsh_value engine = nsh_null();
    if (json_parse(reply.at, reply.count, &request->arena, &engine, &err) < 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    bool well = shell->store_health == STORE_OK && !engine_is_blind(shell->engine, NULL);
    textbuf_addf(&out,
                 "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"Status\",\"version\":\"%s\","
                 "\"uptime_ms\":%lld,\"health\":\"%s\",\"hosts\":%zu",
                 NIGHTSHIFT_VERSION, (long long)(shell_now(shell) - shell->started_ms),
                 well                              ? "ok"
                 : shell->store_health != STORE_OK ? "failed"
                                                   : "blind",
                 shell->generation->inventory->hosts_count);
    add_inputs(shell, &out);
    add_store(shell, &out);
    add_drivers(shell, &out);
    add_warnings(shell, &engine, &out);
    add_engine(&out, &engine);
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}
