/* SPDX-License-Identifier: Apache-2.0 */
/* The sources' documents, and their door to the shell. */

#include "shell_private.h"

#include "sources.h"

void shell_sources_list(struct shell *shell, struct shell_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    sources_list_json(shell->sources, shell_now(shell), &out);
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

void shell_source_doctor(struct shell *shell, struct shell_request *request)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    struct nsh_error err = {0};
    const char *id = nsh_get_text(&request->args, "id", "");
    if (sources_doctor_json(shell->sources, id, shell_now(shell), &out, &err) < 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

static void sources_log(void *arg, bool error, const char *text)
{
    (void)arg;
    (void)error;
    LOG(SOURCE_NEWS, {"text", nsh_text(text)});
}

static const struct inventory *inventory_now(void *arg)
{
    const struct shell *shell = arg;
    return shell->generation->inventory;
}

int shell_sources_new(struct shell *shell, struct nsh_error *err)
{
    const struct sources_options options = {
        .loop = shell->loop,
        .intake = shell->intake,
        .secret = shell_secret,
        .log = sources_log,
        .inventory = inventory_now,
        .arg = shell,
    };
    return sources_new(&options, &shell->sources, err);
}

void shell_sources_start(struct shell *shell)
{
    shell->sources_started = true;
    sources_apply(shell->sources, shell->generation);
}

struct sources *shell_sources(struct shell *shell)
{
    return shell->sources;
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void shell_sources_end(struct shell *shell)
{
    bool stopped = false;
    if (shell->sources == NULL) {
        return;
    }
    for (struct intake_item *item; (item = intake_take(shell->intake)) != NULL;) {
        intake_item_end(item, false); /* Sources wait for the answer to what they pushed. */
    }
    sources_stop(shell->sources, on_stopped, &stopped);
    while (!stopped) {
        uv_run(loop_uv(shell->loop), UV_RUN_ONCE);
    }
    sources_free(shell->sources);
    shell->sources = NULL;
}
