/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: posted by any thread, run on the loop, answered once what they changed is durable.
 * Bounds: SHELL_REQUESTS_MAX and SHELL_FOLLOWERS_MAX not answered yet.
 */

#include "shell_private.h"
#include "shell_scrape.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

static void run_engine(struct shell *shell, struct shell_request *request);
static void run_follow(struct shell *shell, struct shell_request *request);

static const struct shell_command commands[] = {
    {"freeze", run_engine, true},
    {"unfreeze", run_engine, true},
    {"run.cancel", run_engine, true},
    {"brake.release", run_engine, true},
    {"alarm.clear", run_engine, true},
    {"hold", run_engine, true},
    {"hold.release", run_engine, true},
    {"inventory.confirm", run_engine, true},
    {"approve", run_engine, true},
    {"deny", run_engine, true},
    {"veto", run_engine, true},
    {"approvals", run_engine, false},
    {"lease", run_engine, true},
    {"lease.renew", run_engine, true},
    {"lease.release", run_engine, true},
    {"fleetlock", run_engine, true},
    {"fleetlock.release", run_engine, true},
    {"plan", run_engine, false},
    {"status", shell_status, false},
    {"hosts", shell_hosts, false},
    {"host", shell_host, false},
    {"policies", shell_policies, false},
    {"policy", shell_policy, false},
    {"policy.score", shell_policy_score, false},
    {"drivers", shell_drivers, false},
    {"driver", shell_driver, false},
    {"driver.doctor", shell_doctor, false},
    {"freezes", shell_freezes, false},
    {"sources", shell_sources_list, false},
    {"source.doctor", shell_source_doctor, false},
    {"scrapes", shell_scrapes, false},
    {"reload", shell_reload_request, false},
    {"callback", shell_callback, false},
    {"policy.files", shell_policy_files, false},
    {"policies.apply", shell_policies_apply, true},
    {"policies.confirm", shell_policies_confirm, true},
    {"policies.undo", shell_policies_undo, true},
};

static const struct shell_command follow = {"follow", run_follow, false};

static void queue_add(struct shell_queue *queue, struct shell_request *request)
{
    request->next = NULL;
    *(queue->first == NULL ? &queue->first : &queue->last->next) = request;
    queue->last = request;
    queue->count++;
}

static struct shell_request *queue_take(struct shell_queue *queue)
{
    struct shell_request *request = queue->first;
    if (request != NULL) {
        queue->first = request->next;
        queue->count--;
    }
    return request;
}

/* ---- posting: any thread ---- */

static const struct shell_command *command_of(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void request_free(struct shell_request *request)
{
    arena_done(&request->arena);
    free(request);
}

static struct shell_request *request_new(struct shell *shell, const struct shell_command *command,
                                         shell_answer_fn answer, void *arg)
{
    struct shell_request *request = calloc(1, sizeof *request);
    if (request != NULL) {
        request->shell = shell;
        request->command = command;
        request->answer = answer;
        request->arg = arg;
    }
    return request;
}

/* Takes request over; also on failure. */
static int post(struct shell *shell, struct shell_request *request, size_t *count, size_t count_max,
                struct nsh_error *err)
{
    int result = 0;
    pthread_mutex_lock(&shell->shared.mutex);
    if (shell->shared.closed) {
        result = nsh_fail(err, NSH_CANCELLED, "the daemon is stopping");
    } else if (*count == count_max) {
        result = nsh_fail(err, NSH_LIMIT, "%zu requests wait already", count_max);
    } else {
        (*count)++;
        queue_add(&shell->shared.posted, request);
    }
    pthread_mutex_unlock(&shell->shared.mutex);
    if (result < 0) {
        request_free(request);
        return result;
    }
    shell_wake(shell);
    return 0;
}

int shell_post(struct shell *shell, const char *name, const struct nsh_value *args,
               const char *actor, shell_answer_fn answer, void *arg, struct nsh_error *err)
{
    static const struct nsh_value nothing = {.type = NSH_MAP};
    const struct shell_command *command = command_of(name);
    if (command == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "there is no command '%.64s'", name);
    }
    struct shell_request *request = request_new(shell, command, answer, arg);
    if (request == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    request->actor = arena_copy(&request->arena, actor, strlen(actor));
    if (request->actor == NULL ||
        !arena_value(&request->arena, args == NULL ? &nothing : args, &request->args)) {
        request_free(request);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return post(shell, request, &shell->shared.requests_count, SHELL_REQUESTS_MAX, err);
}

int shell_follow(struct shell *shell, uint64_t after_seq, uint32_t wait_ms, shell_answer_fn answer,
                 void *arg, struct nsh_error *err)
{
    struct shell_request *request = request_new(shell, &follow, answer, arg);
    if (request == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    request->after_seq = after_seq;
    request->until_ms = intake_now_ms(shell->intake) + wait_ms;
    return post(shell, request, &shell->shared.followers_count, SHELL_FOLLOWERS_MAX, err);
}

/* ---- answering ---- */

static void request_end(struct shell *shell, struct shell_request *request,
                        const struct shell_answer *answer)
{
    pthread_mutex_lock(&shell->shared.mutex);
    if (request->command == &follow) {
        shell->shared.followers_count--;
    } else {
        shell->shared.requests_count--;
    }
    pthread_mutex_unlock(&shell->shared.mutex);
    if (request->command->changes) {
        LOG(COMMAND, {"name", nsh_text(request->command->name)},
            {"actor", nsh_text(request->actor)}, {"code", nsh_text(nsh_code_word(answer->code))});
    }
    request->answer(request->arg, answer);
    request_free(request);
}

void shell_answer_error(struct shell *shell, struct shell_request *request,
                        const struct nsh_error *err)
{
    NSH_ASSERT(err->code != 0);
    shell->figures.requests_refused++;
    request_end(shell, request, &(struct shell_answer){.code = err->code, .err = err});
}

void shell_answer(struct shell *shell, struct shell_request *request, struct text document)
{
    static const struct nsh_error none = {0};
    request->batch = request->command->changes ? shell_pending_batch(shell) : 0;
    if (request->batch == 0) {
        request_end(shell, request, &(struct shell_answer){.document = document, .err = &none});
        return;
    }
    request->document = arena_text(&request->arena, document);
    if (request->document.at == NULL) {
        request->document = TEXT("{}");
    }
    queue_add(&shell->awaiting, request);
}

static void follower_end(struct shell *shell, struct shell_request *request)
{
    static const struct nsh_error none = {0};
    char document[48];
    int count = snprintf(document, sizeof document, "{\"seq\":%llu}",
                         (unsigned long long)shell->durable_seq);
    request_end(shell, request,
                &(struct shell_answer){.document = {document, (uint32_t)count}, .err = &none});
}

void shell_answers_durable(struct shell *shell)
{
    static const struct nsh_error none = {0};
    while (shell->awaiting.first != NULL && shell->awaiting.first->batch <= shell->durable_batch) {
        struct shell_request *request = queue_take(&shell->awaiting);
        request_end(shell, request,
                    &(struct shell_answer){.document = request->document, .err = &none});
    }
}

int64_t shell_followers_due(struct shell *shell)
{
    int64_t now_ms = shell_now(shell);
    int64_t due_ms = INT64_MAX;
    struct shell_queue waiting = shell->followers;
    shell->followers = (struct shell_queue){0};
    for (struct shell_request *request; (request = queue_take(&waiting)) != NULL;) {
        if (shell->durable_seq > request->after_seq || now_ms >= request->until_ms) {
            follower_end(shell, request);
            continue;
        }
        due_ms = request->until_ms < due_ms ? request->until_ms : due_ms;
        queue_add(&shell->followers, request);
    }
    return due_ms;
}

static void run_follow(struct shell *shell, struct shell_request *request)
{
    queue_add(&shell->followers, request); /* timer_aim() looks at all of them. */
}

/* ---- running ---- */

static void run_engine(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    struct engine_input input = {.kind = INPUT_COMMAND};
    input.command.name = text_of(request->command->name);
    input.command.args = request->args;
    input.command.actor = text_of(request->actor);
    if (shell_step(shell, &input, &err) < 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    struct text reply = shell->output.reply;
    shell_answer(shell, request, reply.count == 0 ? TEXT("{}") : reply);
}

static void request_run(struct shell *shell, struct shell_request *request)
{
    struct nsh_error err = {0};
    shell->figures.requests++;
    if (shell->stopping) {
        nsh_fail(&err, NSH_CANCELLED, "the daemon is stopping");
    } else if (request->command->changes && shell->store_health != STORE_OK) {
        nsh_fail(&err, NSH_IO,
                 "the store is not healthy (%s): nothing can be changed, and nothing "
                 "acts meanwhile",
                 shell->store_text);
    }
    if (err.code != 0) {
        shell_answer_error(shell, request, &err);
        return;
    }
    request->command->run(shell, request);
}

void shell_requests_take(struct shell *shell)
{
    pthread_mutex_lock(&shell->shared.mutex);
    struct shell_queue posted = shell->shared.posted;
    shell->shared.posted = (struct shell_queue){0};
    bool metrics = shell->shared.metrics_wanted;
    pthread_mutex_unlock(&shell->shared.mutex);
    for (struct shell_request *request; (request = queue_take(&posted)) != NULL;) {
        request_run(shell, request);
    }
    if (metrics) {
        shell_metrics_make(shell);
    }
}

void shell_requests_end(struct shell *shell)
{
    struct nsh_error err = {0};
    nsh_fail(&err, NSH_CANCELLED, "the daemon is stopping");
    shell_requests_take(shell);
    struct shell_queue *const queues[] = {&shell->awaiting, &shell->followers};
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        for (struct shell_request *request; (request = queue_take(queues[i])) != NULL;) {
            shell_answer_error(shell, request, &err);
        }
    }
}

/* ---- jobs ---- */

static void job_work(uv_work_t *work)
{
    struct shell_job *job = work->data;
    struct store_reader *reader = NULL;
    job->result = store_reader_open(job->generation->config->store_path, &reader, &job->err);
    if (job->result == 0) {
        job->result = job->run(job, reader, &job->err);
        store_reader_close(reader);
    }
    if (job->result == 0 && job->document.failed) {
        job->result = nsh_fail(&job->err, NSH_LIMIT, "the answer is too long");
    }
}

static void job_done(uv_work_t *work, int status)
{
    struct shell_job *job = work->data;
    struct shell *shell = job->shell;
    shell->jobs--;
    generation_unref(job->generation);
    if (job->result < 0) {
        shell_answer_error(shell, job->request, &job->err);
    } else {
        shell_answer(shell, job->request,
                     (struct text){job->document.at, (uint32_t)job->document.count});
    }
    textbuf_done(&job->document);
    free(job);
    shell_wake(shell);
}

void shell_job(struct shell *shell, struct shell_request *request,
               int (*run)(struct shell_job *job, struct store_reader *reader,
                          struct nsh_error *err))
{
    struct shell_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        struct nsh_error err = {0};
        nsh_fail(&err, NSH_NOMEM, "out of memory");
        shell_answer_error(shell, request, &err);
        return;
    }
    job->work.data = job;
    job->shell = shell;
    job->request = request;
    job->generation = generation_ref(shell->generation);
    job->run = run;
    int result = uv_queue_work(loop_uv(shell->loop), &job->work, job_work, job_done);
    NSH_ASSERT(result == 0);
    shell->jobs++;
}
