/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload: the new generation is read and checked on a pool thread; the loop swaps it in between two
 * steps. When anything is wrong the old one stays, whole.
 */

#include "shell_private.h"
#include "shell_scrape.h"
#include "shell_series.h"
#include "sources.h"

#include "base/assert.h"
#include "loop/drivers.h"
#include "systemd.h"

#include <stdio.h>
#include <stdlib.h>

struct reload {
    uv_work_t work;
    struct shell *shell;
    struct shell_request *request; /* NULL: SIGHUP, or then. */
    void (*then)(struct shell *shell, void *arg, const struct nsh_error *err);
    void *arg;
    char *file;
    struct generation *generation;
    struct diags diags;
};

static void reload_work(uv_work_t *work)
{
    struct reload *reload = work->data;
    struct config *config = config_load(reload->file, &reload->diags);
    if (config != NULL) {
        reload->generation = generation_load(config, reload->shell->drivers, true, &reload->diags);
    }
}

/* All mistakes in one line, as far as an error's text goes. */
static void reload_words(const struct reload *reload, char *text, size_t room)
{
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    textbuf_addf(&words, "%zu error%s; what was loaded before stays", reload->diags.errors_count,
                 PLURAL(reload->diags.errors_count));
    for (size_t i = 0; i < reload->diags.count; i++) {
        const struct diag *diag = &reload->diags.items[i];
        if (diag->level != DIAG_ERROR) {
            continue;
        }
        textbuf_add_chars(&words, "; ");
        if (diag->at.file != NULL) {
            textbuf_addf(&words, "%s:%u:%u: ", diag->at.file, diag->at.line, diag->at.column);
        }
        textbuf_add_chars(&words, diag->text);
        if (diag->remedy != NULL) {
            textbuf_addf(&words, " (%s)", diag->remedy);
        }
    }
    snprintf(text, room, "%s", words.at == NULL ? "out of memory" : words.at);
}

static void go_back(struct shell *shell)
{
    struct nsh_error err = {0};
    if (shell_hand_over(shell, shell->generation, &err) < 0) {
        shell_fatal(err.text); /* It took them before: this is not the engine we know. */
    }
}

static void add_warnings(struct textbuf *out, const struct reload *reload,
                         const struct config *before)
{
    CLEANUP(textbuf_donep) struct textbuf fixed = {0};
    bool first = true;
    textbuf_add_chars(out, "\"warnings\":[");
    for (size_t i = 0; i < reload->diags.count; i++) {
        if (reload->diags.items[i].level == DIAG_WARNING) {
            textbuf_add_chars(out, first ? "" : ",");
            textbuf_add_json(out, text_of(reload->diags.items[i].text));
            first = false;
        }
    }
    config_fixed_differ(before, reload->generation->config, &fixed);
    if (fixed.count > 0) {
        textbuf_addf(out, "%s\"these keys need a restart: %s\"", first ? "" : ",", fixed.at);
        LOG(WARNED, {"text", nsh_text(fixed.at)});
    }
    textbuf_add_char(out, ']');
}

void shell_retire(struct shell *shell)
{
    struct generation **at = &shell->retired;
    while (*at != NULL) {
        struct generation *generation = *at;
        if (shell->engine != NULL && engine_policies_in_use(shell->engine, generation->policies)) {
            at = &generation->retired_next;
        } else {
            *at = generation->retired_next;
            generation_unref(generation);
        }
    }
}

static int reload_apply(struct shell *shell, struct reload *reload, struct textbuf *out,
                        struct nsh_error *err)
{
    int result = shell_hand_over(shell, reload->generation, err);
    if (result < 0) {
        go_back(shell);
        return result;
    }
    struct generation *before = shell->generation;
    shell->generation = reload->generation;
    shell_series_reload(shell); /* While the old signals are there. */
    textbuf_addf(out,
                 "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"Reload\",\"hosts\":%zu,"
                 "\"policies\":%zu,",
                 shell->generation->inventory->hosts_count,
                 shell->generation->policies->policies_count);
    add_warnings(out, reload, before->config);
    textbuf_add_char(out, '}');
    reload->generation = NULL;
    before->retired_next = shell->retired;
    shell->retired = before;
    shell_retire(shell);
    shell_scrape_begin(shell);
    drivers_refresh(shell->drivers, shell_device_settings, shell);
    if (shell->traps != NULL) {
        trap_listen_reload(shell->traps);
    }
    if (shell->syslog != NULL && shell->generation->syslog_patterns != NULL) {
        syslog_listen_patterns(shell->syslog, TAKE(shell->generation->syslog_patterns));
    }
    if (shell->sources_started) {
        sources_apply(shell->sources, shell->generation);
    }
    return 0;
}

static void reload_end(struct shell *shell, struct reload *reload, const struct textbuf *out,
                       const struct nsh_error *err)
{
    shell->reloading = false;
    snprintf(shell->reload_text, sizeof shell->reload_text, "%s", err->text);
    if (err->code == 0) {
        shell->figures.reloads++;
        LOG(RELOADED, {"hosts", nsh_int((int64_t)shell->generation->inventory->hosts_count)},
            {"policies", nsh_int((int64_t)shell->generation->policies->policies_count)},
            {"warnings", nsh_int((int64_t)reload->diags.warnings_count)});
    } else {
        shell->figures.reloads_refused++;
        LOG(RELOAD_REFUSED, {"errors", nsh_int((int64_t)reload->diags.errors_count)},
            {"first", nsh_text(err->text)});
    }
    systemd_notify("READY=1");
    if (reload->then != NULL) {
        reload->then(shell, reload->arg, err);
    }
    if (reload->request != NULL && err->code == 0) {
        shell_answer(shell, reload->request, (struct text){out->at, (uint32_t)out->count});
    } else if (reload->request != NULL) {
        shell_answer_error(shell, reload->request, err);
    }
}

static void reload_done(uv_work_t *work, int status)
{
    struct reload *reload = work->data;
    struct shell *shell = reload->shell;
    struct nsh_error err = {0};
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    if (shell->stopping) {
        nsh_fail(&err, NSH_CANCELLED, "the daemon is stopping");
    } else if (reload->generation == NULL) {
        err.code = NSH_INVALID;
        reload_words(reload, err.text, sizeof err.text);
    } else {
        reload_apply(shell, reload, &out, &err);
    }
    reload_end(shell, reload, &out, &err);
    generation_unref(reload->generation);
    diags_done(&reload->diags);
    free(reload->file);
    free(reload);
    if (shell->reload_again) { /* A file may have changed after it was read. */
        shell->reload_again = false;
        shell_reload(shell);
    }
    shell_wake(shell);
}

static struct reload *reload_new(struct shell *shell, struct nsh_error *err)
{
    if (shell->reloading || shell->applying) {
        nsh_fail(err, NSH_BUSY, "a reload is under way");
        return NULL;
    }
    struct reload *reload = calloc(1, sizeof *reload);
    if (reload != NULL) {
        reload->file = strdup(shell->generation->config->file);
    }
    if (reload == NULL || reload->file == NULL) {
        free(reload);
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return NULL;
    }
    reload->work.data = reload;
    reload->shell = shell;
    return reload;
}

static void reload_queue(struct shell *shell, struct reload *reload)
{
    shell->reloading = true;
    systemd_notify("RELOADING=1");
    int result = uv_queue_work(loop_uv(shell->loop), &reload->work, reload_work, reload_done);
    NSH_ASSERT(result == 0);
}

void shell_reload_then(struct shell *shell,
                       void (*then)(struct shell *shell, void *arg, const struct nsh_error *err),
                       void *arg)
{
    struct nsh_error err = {0};
    struct reload *reload = reload_new(shell, &err);
    if (reload == NULL) {
        then(shell, arg, &err);
        return;
    }
    reload->then = then;
    reload->arg = arg;
    reload_queue(shell, reload);
}

static void reload_start(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    struct reload *reload = reload_new(shell, &err);
    if (reload == NULL) {
        if (request != NULL) {
            shell_answer_error(shell, request, &err);
        }
        return;
    }
    reload->request = request;
    reload_queue(shell, reload);
}

void shell_reload_request(struct shell *shell, struct shell_request *request)
{
    reload_start(shell, request);
}

void shell_reload(struct shell *shell)
{
    if (shell->reloading || shell->applying) {
        shell->reload_again = true; /* What is applied is loaded anew at its end. */
    } else if (!shell->stopping) {
        reload_start(shell, NULL);
    }
}
