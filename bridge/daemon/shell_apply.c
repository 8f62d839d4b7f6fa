/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies applied with confirm-or-undo: checked on a pool thread beside the ones in force, put in
 * their place, loaded as any reload does; and put back when nobody confirms in time, also when the
 * daemon was down meanwhile. Who did what is in the audit trail.
 */

#include "apply.h"
#include "shell_private.h"

#include "base/assert.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

struct apply {
    uv_work_t work;
    struct shell *shell;
    struct shell_request *request; /* NULL: the time is over. */
    struct generation *generation; /* That which says where the policies are. */
    struct apply_note note;
    bool undo; /* Else begin. */
    bool dry_run;
    size_t policies, warnings;
    struct textbuf mistakes; /* JSON, of what was staged. */
    struct nsh_error err;
};

static void apply_free(struct apply *apply)
{
    generation_unref(apply->generation);
    textbuf_done(&apply->mistakes);
    free(apply);
}

/* ---- the trail ---- */

static void trail(struct shell *shell, const char *name, const char *actor, const char *reason,
                  const char *result)
{
    CLEANUP(textbuf_donep) struct textbuf body = {0};
    char id[40];
    int64_t now_ms = shell_now(shell);
    snprintf(id, sizeof id, "apl-%lld-%u", (long long)now_ms, ++shell->applies);
    textbuf_addf(&body, "{\"id\":\"%s\",\"name\":\"%s\",\"actor\":", id, name);
    textbuf_add_json(&body, text_of(actor));
    textbuf_add_chars(&body, ",\"args\":{\"reason\":");
    textbuf_add_json(&body, text_of(reason));
    textbuf_addf(&body,
                 ",\"revision\":\"%016llx\"},\"state\":\"%s\",\"result\":\"%s\",\"time\":%lld}",
                 (unsigned long long)shell->generation->policies->revision, result, result,
                 (long long)now_ms);
    if (body.failed) {
        shell_fatal("out of memory");
    }
    shell_store_record(shell, &(struct record){.kind = RECORD_COMMAND,
                                               .time_ms = now_ms,
                                               .id = text_of(id),
                                               .state = text_of(result),
                                               .body = {body.at, (uint32_t)body.count}});
    LOG(COMMAND, {"name", nsh_text(name)}, {"actor", nsh_text(actor)}, {"code", nsh_text(result)});
}

static const char *folder_of(const struct shell *shell)
{
    return shell->generation->config->policies;
}

/* ---- answers ---- */

static void answer(struct shell *shell, struct shell_request *request, const char *state,
                   const struct apply *apply)
{
    CLEANUP(textbuf_donep) struct textbuf out = {0};
    textbuf_addf(&out,
                 "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"PolicyApply\",\"state\":\"%s\","
                 "\"policies\":%zu,\"revision\":\"%016llx\"",
                 state, shell->generation->policies->policies_count,
                 (unsigned long long)shell->generation->policies->revision);
    if (apply != NULL && apply->dry_run) {
        textbuf_addf(&out, ",\"staged_policies\":%zu", apply->policies);
    }
    if (shell->apply_until_ms > 0) {
        textbuf_addf(&out, ",\"until_ms\":%lld,\"left_ms\":%lld", (long long)shell->apply_until_ms,
                     (long long)(shell->apply_until_ms - shell_now(shell)));
    }
    if (apply != NULL && apply->mistakes.count > 0) {
        textbuf_addf(&out, ",\"warnings\":[%s]", apply->mistakes.at);
    }
    textbuf_add_char(&out, '}');
    shell_answer(shell, request, (struct text){out.at, (uint32_t)out.count});
}

/* ---- work on a pool thread ---- */

/* All that is wrong with what was staged, under the names people gave the files. */
static void tell_mistakes(struct apply *apply, const struct diags *diags)
{
    CLEANUP(textbuf_donep) struct textbuf words = {0};
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        const char *slash = diag->at.file == NULL ? NULL : strrchr(diag->at.file, '/');
        const char *file = slash == NULL ? "policies" : slash + 1;
        textbuf_clear(&words);
        textbuf_addf(&words, "%s:%u:%u: %s%s%s%s", file, diag->at.line, diag->at.column, diag->text,
                     diag->remedy == NULL ? "" : " (", diag->remedy == NULL ? "" : diag->remedy,
                     diag->remedy == NULL ? "" : ")");
        if (diag->level == DIAG_WARNING && words.at != NULL) {
            textbuf_add_chars(&apply->mistakes, apply->mistakes.count > 0 ? "," : "");
            textbuf_add_json(&apply->mistakes, text_of(words.at));
        } else if (diag->level == DIAG_ERROR && apply->err.code == 0) {
            nsh_fail(&apply->err, NSH_INVALID, "%zu error%s, nothing was changed: %s",
                     diags->errors_count, PLURAL(diags->errors_count),
                     words.at == NULL ? "" : words.at);
        }
    }
}

static int check_staged(struct apply *apply)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const struct config *config = apply->generation->config;
    struct diags diags = {0};
    size_t verbs_count = 0;
    const struct verb *verbs = drivers_verbs(apply->shell->drivers, &arena, &verbs_count);
    const char *path = apply_staged(config->policies, &arena);
    if (path == NULL) {
        return nsh_fail(&apply->err, NSH_NOMEM, "out of memory");
    }
    struct policy_set *set = policy_load(path, &config->policy, verbs, verbs_count, &diags);
    tell_mistakes(apply, &diags);
    apply->policies = set == NULL ? 0 : set->policies_count;
    apply->warnings = diags.warnings_count;
    if (set == NULL && apply->err.code == 0) {
        nsh_fail(&apply->err, NSH_INVALID, "%zu error%s, nothing was changed", diags.errors_count,
                 PLURAL(diags.errors_count));
    }
    diags_done(&diags);
    policy_set_free(set);
    return -apply->err.code;
}

static void apply_work(uv_work_t *work)
{
    struct apply *apply = work->data;
    const char *folder = apply->generation->config->policies;
    if (apply->undo) {
        (void)apply_undo(folder, &apply->err); /* err says what was wrong. */
        return;
    }
    const struct nsh_value *args = &apply->request->args;
    static const struct nsh_value none = {.type = NSH_LIST};
    const struct nsh_value *files = nsh_get(args, "files");
    bool whole = nsh_get_bool(args, "whole", false);
    int result = apply_stage(folder, files == NULL ? &none : files, whole, &apply->err);
    result = result == 0 ? check_staged(apply) : result;
    if (result == 0 && !apply->dry_run) {
        (void)apply_begin(folder, &apply->note, &apply->err);
    }
}

/* ---- back on the loop ---- */

static void loaded(struct shell *shell, void *arg, const struct nsh_error *err)
{
    struct apply *apply = arg;
    const char *actor = apply->request == NULL ? "nightshift" : apply->request->actor;
    const char *name = apply->undo ? "policies.undo" : "policies.apply";
    bool well = err->code == 0;
    if (!apply->undo && well) {
        shell->apply_until_ms = apply->note.until_ms;
    } else if (apply->undo) {
        shell->apply_until_ms = 0;
    }
    trail(shell, name, actor, apply->note.reason, well ? "done" : nsh_code_word(err->code));
    if (apply->request != NULL && well) {
        answer(shell, apply->request, apply->undo ? "undone" : "waiting", apply);
    } else if (apply->request != NULL) {
        shell_answer_error(shell, apply->request, err);
    }
    if (!apply->undo && !well) { /* What was checked is not taken: put back what was. */
        shell->apply_until_ms = 1;
    }
    apply_free(apply);
}

static void apply_done(uv_work_t *work, int status)
{
    struct apply *apply = work->data;
    struct shell *shell = apply->shell;
    shell->applying = false;
    shell->jobs--;
    if (apply->err.code == 0 && !apply->dry_run && !shell->stopping) {
        shell_reload_then(shell, loaded, apply);
        return;
    }
    if (apply->err.code == 0 && shell->stopping) {
        nsh_fail(&apply->err, NSH_CANCELLED, "the daemon is stopping");
    }
    if (apply->request == NULL) {
        LOG(RELOAD_REFUSED, {"errors", nsh_int(1)}, {"first", nsh_text(apply->err.text)});
        shell->apply_until_ms = shell_now(shell) + APPLY_CONFIRM_MS_MIN; /* Once more, then. */
    } else if (apply->err.code != 0) {
        shell_answer_error(shell, apply->request, &apply->err);
    } else {
        answer(shell, apply->request, "checked", apply);
    }
    apply_free(apply);
    shell_wake(shell);
}

static struct apply *apply_new(struct shell *shell, struct shell_request *request,
                               struct nsh_error *err)
{
    struct apply *apply = NULL;
    if (shell->applying || shell->reloading) {
        nsh_fail(err, NSH_BUSY, "policies are being loaded: try again in a moment");
        return NULL;
    }
    apply = calloc(1, sizeof *apply);
    if (apply == NULL) {
        nsh_fail(err, NSH_NOMEM, "out of memory");
        return NULL;
    }
    apply->work.data = apply;
    apply->shell = shell;
    apply->request = request;
    apply->generation = generation_ref(shell->generation);
    return apply;
}

static void apply_start(struct shell *shell, struct apply *apply)
{
    shell->applying = true;
    shell->jobs++;
    int result = uv_queue_work(loop_uv(shell->loop), &apply->work, apply_work, apply_done);
    NSH_ASSERT(result == 0);
}

/* ---- the doors ---- */

void shell_policies_apply(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    int64_t confirm_ms = nsh_get_int(&request->args, "confirm_within_ms", 0);
    struct apply *apply = apply_new(shell, request, &err);
    if (apply == NULL) {
        shell_answer_error(shell, request, &err);
        return;
    }
    apply->dry_run = nsh_get_bool(&request->args, "dry_run", false);
    apply->note.until_ms = shell_now(shell) + confirm_ms;
    snprintf(apply->note.actor, sizeof apply->note.actor, "%s", request->actor);
    snprintf(apply->note.reason, sizeof apply->note.reason, "%s",
             nsh_get_text(&request->args, "reason", ""));
    apply_start(shell, apply);
}

static bool waits(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    if (shell->apply_until_ms == 0) {
        nsh_fail(&err, NSH_NOT_FOUND, "no policies wait to be confirmed");
        shell_answer_error(shell, request, &err);
    }
    return shell->apply_until_ms != 0;
}

/* Removing one small file: no pool thread for that. */
void shell_policies_confirm(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    if (!waits(shell, request)) {
        return;
    }
    if (shell->applying || shell->reloading) {
        nsh_fail(&err, NSH_BUSY, "policies are being loaded: try again in a moment");
    } else {
        (void)apply_keep(folder_of(shell), &err);
    }
    if (err.code != 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    shell->apply_until_ms = 0;
    trail(shell, "policies.confirm", request->actor, nsh_get_text(&request->args, "reason", ""),
          "done");
    answer(shell, request, "confirmed", NULL);
}

void shell_policies_undo(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    struct apply *apply = waits(shell, request) ? apply_new(shell, request, &err) : NULL;
    if (apply != NULL) {
        apply->undo = true;
        snprintf(apply->note.reason, sizeof apply->note.reason, "%s",
                 nsh_get_text(&request->args, "reason", ""));
        apply_start(shell, apply);
    } else if (err.code != 0) {
        shell_answer_error(shell, request, &err);
    }
}

void shell_apply_second(struct shell *shell)
{
    struct nsh_error err = {0};
    if (shell->apply_until_ms == 0 || shell_now(shell) < shell->apply_until_ms || shell->stopping) {
        return;
    }
    struct apply *apply = apply_new(shell, NULL, &err);
    if (apply != NULL) { /* Else in a second. */
        apply->undo = true;
        snprintf(apply->note.reason, sizeof apply->note.reason, "nobody confirmed in time");
        apply_start(shell, apply);
    }
}

void shell_apply_begin(struct shell *shell, bool undone)
{
    struct apply_note note;
    if (undone) {
        trail(shell, "policies.undo", "nightshift", "nobody confirmed in time", "done");
    } else if (apply_waits(folder_of(shell), &note)) {
        shell->apply_until_ms = note.until_ms > 0 ? note.until_ms : 1;
    }
}

/* ---- what is there, for a difference ---- */

static int files_run(struct shell_job *job, struct store_reader *reader, struct nsh_error *err)
{
    struct textbuf *out = &job->document;
    textbuf_add_chars(out,
                      "{\"apiVersion\":\"nightshift/v1\",\"kind\":\"PolicyFileList\",\"items\":[");
    int result = apply_list(job->generation->config->policies, out, err);
    textbuf_add_chars(out, "]}");
    return result;
}

void shell_policy_files(struct shell *shell, struct shell_request *request)
{
    shell_job(shell, request, files_run);
}
