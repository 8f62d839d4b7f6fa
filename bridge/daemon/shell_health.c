/* SPDX-License-Identifier: Apache-2.0 */
/* Own health: is the store well, do we see? The engine is told whenever that changes. */

#include "shell_private.h"
#include "sources.h"

#include <stdio.h>

#define RECEIVERS_GONE_MS 10000 /* A receiver that restarts is back long before. */

static const char *health_word(enum store_health health)
{
    switch (health) {
    case STORE_OK:
        return "ok";
    case STORE_FULL:
        return "full";
    case STORE_FAILING:
        return "failing";
    case STORE_CORRUPT:
    default:
        return "corrupt";
    }
}

void shell_health_step(struct shell *shell)
{
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_HEALTH};
    input.health.store_ok = shell->store_health == STORE_OK;
    input.health.blind = text_of(shell->blind);
    if (shell_step(shell, &input, &err) < 0 && shell_complain(shell, LOG_ENGINE_REFUSED)) {
        LOG(ENGINE_REFUSED, {"input", nsh_text("health")}, {"text", nsh_text(err.text)});
    }
}

void shell_health_ready(struct shell *shell)
{
    pthread_mutex_lock(&shell->shared.mutex);
    if (!shell->shared.closed) {
        shell->shared.ready = shell->store_health == STORE_OK;
        snprintf(shell->shared.reason, sizeof shell->shared.reason, "%s",
                 shell->shared.ready ? "" : shell->store_text);
    }
    pthread_mutex_unlock(&shell->shared.mutex);
}

bool shell_ready(struct shell *shell, char *reason, size_t reason_bytes)
{
    pthread_mutex_lock(&shell->shared.mutex);
    bool ready = shell->shared.ready;
    snprintf(reason, reason_bytes, "%s", shell->shared.reason);
    pthread_mutex_unlock(&shell->shared.mutex);
    return ready;
}

void shell_health_store(struct shell *shell, const struct store_done *done)
{
    if (done->health == shell->store_health) {
        return;
    }
    bool was_well = shell->store_health == STORE_OK;
    shell->store_health = done->health;
    snprintf(shell->store_text, sizeof shell->store_text, "%.*s", (int)sizeof done->text,
             done->text);
    if (done->health == STORE_OK) {
        LOG(STORE_WELL, {"ill_ms", nsh_int(shell_now(shell) - shell->store_ill_ms)});
        complaint_over(&shell->complaints[LOG_STORE_ILL]);
    } else {
        shell->store_ill_ms = was_well ? shell_now(shell) : shell->store_ill_ms;
        LOG(STORE_ILL, {"health", nsh_text(health_word(done->health))},
            {"text", nsh_text(shell->store_text)});
    }
    intake_gate_set(shell->intake, done->health == STORE_OK ? INTAKE_OPEN : INTAKE_ILL);
    shell_health_ready(shell);
    shell_health_step(shell);
}

static void say_silent(const char *source, int64_t silence_ms, char *reason, size_t reason_bytes)
{
    CLEANUP(textbuf_donep) struct textbuf silence = {0};
    textbuf_add_span(&silence, silence_ms);
    snprintf(reason, reason_bytes, "source %s silent for %s", source, silence.at);
}

static void look_at_traps(struct shell *shell, char *reason, size_t reason_bytes)
{
    struct trap_figures figures;
    int64_t now_ms = shell_now(shell);
    int64_t silence_ms = shell->generation->config->snmp_silence_ms;
    trap_listen_figures(shell->traps, &figures);
    if (figures.ready > 0) {
        shell->trap_ready_ms = now_ms;
    }
    if (figures.counters.events != shell->trap_events) {
        shell->trap_events = figures.counters.events;
        shell->trap_event_ms = now_ms;
    }
    if (now_ms - shell->trap_ready_ms > RECEIVERS_GONE_MS) {
        snprintf(reason, reason_bytes, "no trap receiver is running");
    } else if (silence_ms > 0 && now_ms - shell->trap_event_ms > silence_ms) {
        say_silent("trap", silence_ms, reason, reason_bytes);
    }
}

/* Any line counts, not only those that mean something: it is the way that must be open. */
static void look_at_syslog(struct shell *shell, char *reason, size_t reason_bytes)
{
    struct syslog_figures figures;
    int64_t now_ms = shell_now(shell);
    int64_t silence_ms = shell->generation->config->syslog_silence_ms;
    syslog_listen_figures(shell->syslog, &figures);
    shell_syslog_book(shell, &figures);
    if (figures.received - figures.malformed != shell->syslog_heard) {
        shell->syslog_heard = figures.received - figures.malformed;
        shell->syslog_heard_ms = now_ms;
    }
    if (reason[0] == '\0' && silence_ms > 0 && now_ms - shell->syslog_heard_ms > silence_ms) {
        say_silent("syslog", silence_ms, reason, reason_bytes);
    }
}

/* Why we may not see what happens; an empty text when we do. */
static void look_around(struct shell *shell, char *reason, size_t reason_bytes)
{
    reason[0] = '\0';
    if (shell->traps != NULL) {
        look_at_traps(shell, reason, reason_bytes);
    }
    if (shell->syslog != NULL) {
        look_at_syslog(shell, reason, reason_bytes);
    }
}

/* What the engine alone knows: sources that fell silent, an inventory that shrank. */
static void watch_engine(struct shell *shell)
{
    CLEANUP(textbuf_donep) struct textbuf why = {0};
    bool blind = shell->blind[0] == '\0' && engine_is_blind(shell->engine, &why);
    if (blind == shell->blind_engine) {
        return;
    }
    shell->blind_engine = blind;
    if (blind) {
        shell->blind_ms = shell_now(shell);
        LOG(BLIND, {"reason", nsh_text(why.at)});
    } else {
        LOG(SEES, {"blind_ms", nsh_int(shell_now(shell) - shell->blind_ms)});
    }
}

void shell_health_second(struct shell *shell)
{
    char reason[sizeof shell->blind];
    if (shell->stopping) {
        return;
    }
    look_around(shell, reason, sizeof reason);
    if (shell->sources_started) {
        sources_second(shell->sources, shell_now(shell), reason, sizeof reason);
    }
    watch_engine(shell);
    if (strcmp(reason, shell->blind) == 0) {
        return;
    }
    bool was_blind = shell->blind[0] != '\0';
    snprintf(shell->blind, sizeof shell->blind, "%s", reason);
    if (reason[0] != '\0') {
        shell->blind_ms = was_blind ? shell->blind_ms : shell_now(shell);
        LOG(BLIND, {"reason", nsh_text(reason)});
    } else {
        LOG(SEES, {"blind_ms", nsh_int(shell_now(shell) - shell->blind_ms)});
    }
    shell_health_step(shell);
}
