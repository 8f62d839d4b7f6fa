/* SPDX-License-Identifier: Apache-2.0 */
/* Own health: is the store well, do we see? The engine is told whenever that changes. */

#include "shell_private.h"
#include "sources.h"

#include <stdio.h>

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
    shell_receivers_second(shell, reason, sizeof reason);
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
