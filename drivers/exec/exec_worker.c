/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept workers: programs that stay and answer one line of JSON for each line they get. Started when
 * a call wants one, `workers` of them at most, each with one call at a time, so that a time limit
 * ends one call and one process. What they print is hostile: a line is bounded, an answer carries
 * the number of its question, and whoever speaks unasked is ended.
 */

#include "exec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_COUNT_MAX 256
#define BACKOFF_MS_FIRST 1000
#define BACKOFF_MS_MAX 60000
#define ERRORS_LINE_BYTES_MAX 400

struct worker {
    struct worker *next;
    struct nsh_device *device;
    struct nsh_process *process;
    struct nsh_timer *idle;
    struct exec_call *call; /* NULL: it waits for one. */
    uint64_t id;            /* Of the question. */
    char *line;             /* Of the answer, as far as it came. */
    size_t line_count, line_room;
    char errors[ERRORS_LINE_BYTES_MAX]; /* The line it writes on stderr, or wrote last. */
    size_t errors_count;
    bool errors_whole, answered; /* answered: it did its work at least once. */
};

static void pump(struct nsh_device *device);

/* ---- workers come and go ---- */

/* It is off the list; its process is gone or will be. */
static void worker_free(struct worker *worker)
{
    struct nsh_device *device = worker->device;
    for (struct worker **slot = &device->workers; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == worker) {
            *slot = worker->next;
            device->workers_count--;
            break;
        }
    }
    if (worker->idle != NULL) {
        device->services->timer_cancel(device->services, worker->idle);
    }
    if (worker->line != NULL) {
        explicit_bzero(worker->line, worker->line_room);
    }
    free(worker->line);
    free(worker);
}

static void worker_failed(struct worker *worker)
{
    struct nsh_device *device = worker->device;
    if (worker->answered) {
        device->failures = 0;
        return;
    }
    int64_t delay_ms = (int64_t)BACKOFF_MS_FIRST << (device->failures < 6 ? device->failures : 6);
    device->failures++;
    device->not_before_ms = device->services->now_ms(device->services) +
                            (delay_ms < BACKOFF_MS_MAX ? delay_ms : BACKOFF_MS_MAX);
}

/* SIGTERM to its group, SIGKILL two seconds later; it is never heard of again. */
static void worker_kill(struct worker *worker)
{
    struct nsh_services *services = worker->device->services;
    services->spawn_cancel(services, worker->process);
    worker_free(worker);
}

static void worker_idle(void *arg)
{
    struct worker *worker = arg;
    worker->idle = NULL;
    worker_kill(worker);
}

static void worker_rest(struct worker *worker)
{
    struct nsh_device *device = worker->device;
    if (device->idle_ms > 0 && worker->idle == NULL) {
        worker->idle =
            device->services->timer(device->services, device->idle_ms, worker_idle, worker);
    }
}

/* ---- what it says ---- */

static void errors_tell(struct worker *worker)
{
    struct nsh_device *device = worker->device;
    char words[ERRORS_LINE_BYTES_MAX + 256];
    worker->errors[worker->errors_count] = '\0';
    for (char *at = worker->errors; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f ? ' ' : *at;
    }
    exec_redact(device, worker->errors);
    snprintf(words, sizeof words, "%.200s: %s", device->program, worker->errors);
    device->services->trace(device->services, worker->call == NULL ? NULL : worker->call->op,
                            "stderr: %s", words);
    worker->errors_whole = true;
}

static void errors_take(struct worker *worker, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (worker->errors_whole && bytes[i] != '\n') {
            worker->errors_count = 0;
            worker->errors_whole = false;
        }
        if (bytes[i] == '\n' && !worker->errors_whole) {
            errors_tell(worker);
        } else if (bytes[i] != '\n' && worker->errors_count + 1 < sizeof worker->errors) {
            worker->errors[worker->errors_count++] = bytes[i];
        }
    }
    worker->errors[worker->errors_count] = '\0';
}

static bool blank(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isspace((unsigned char)bytes[i])) {
            return false;
        }
    }
    return true;
}

static bool line_add(struct worker *worker, const char *bytes, size_t count)
{
    if (worker->line_count + count > worker->device->output_bytes_max) {
        return false;
    }
    if (worker->line_count + count + 1 > worker->line_room) {
        size_t room = (worker->line_count + count + 1) * 2;
        char *grown = realloc(worker->line, room);
        if (grown == NULL) {
            return false;
        }
        worker->line = grown;
        worker->line_room = room;
    }
    memcpy(worker->line + worker->line_count, bytes, count);
    worker->line_count += count;
    worker->line[worker->line_count] = '\0';
    return true;
}

/* It broke the contract: it goes, and its call failed with words. */
static void worker_breaks(struct worker *worker, int code, const char *text)
{
    struct nsh_device *device = worker->device;
    struct exec_call *call = worker->call;
    char words[EXEC_WORDS_BYTES_MAX];
    snprintf(words, sizeof words, "%s; the worker was ended", text);
    device->services->trace(device->services, call == NULL ? NULL : call->op, "%.200s: %s",
                            device->program, words);
    worker_failed(worker);
    worker_kill(worker);
    if (call != NULL) {
        call->sent = call->op->verb->effect != NSH_READS;
        pump(device); /* Before the call ends: with the last one the device goes. */
        exec_fail(call, code, words);
    }
}

/* A whole line. tail: something stood behind it. */
static void line_take(struct worker *worker, bool tail)
{
    struct nsh_device *device = worker->device;
    struct exec_call *call = worker->call;
    const struct nsh_exit end = {.code = NSH_OK,
                                 .started = true,
                                 .output = worker->line,
                                 .output_bytes = worker->line_count,
                                 .errors = ""};
    struct exec_reply reply;
    exec_json_reply(&end, call->op->verb->effect != NSH_READS, &reply);
    if (reply.id != (int64_t)worker->id || tail) {
        exec_reply_done(&reply);
        worker_breaks(worker, NSH_PROTOCOL,
                      tail ? "it said more than one line"
                           : "its answer has not the id it was asked");
        return;
    }
    worker->answered = true;
    device->failures = 0;
    worker->call = NULL;
    size_t count = worker->line_count;
    char *line = worker->line; /* Its own from here: the worker may be gone when the call ends. */
    worker->line = NULL;
    worker->line_count = worker->line_room = 0;
    pump(device);
    if (worker->call == NULL) {
        worker_rest(worker);
    }
    exec_json_answered(call, &reply, line, count);
    free(line);
}

static void said(void *arg, bool errors, const char *bytes, size_t count)
{
    struct worker *worker = arg;
    if (errors) {
        errors_take(worker, bytes, count);
        return;
    }
    if (worker->call == NULL) {
        if (!blank(bytes, count)) {
            worker_breaks(worker, NSH_PROTOCOL, "it spoke without being asked");
        }
        return;
    }
    const char *end = memchr(bytes, '\n', count);
    size_t used = end == NULL ? count : (size_t)(end - bytes);
    if (!line_add(worker, bytes, used)) {
        worker_breaks(worker, NSH_LIMIT, "its answer is longer than output_kib");
    } else if (end != NULL) {
        line_take(worker, !blank(end, count - used));
    }
}

static void ended(void *arg, const struct nsh_exit *end)
{
    struct worker *worker = arg;
    struct nsh_device *device = worker->device;
    struct exec_call *call = worker->call;
    char words[EXEC_WORDS_BYTES_MAX];
    const char *last = worker->errors;
    if (end->code != NSH_OK) {
        snprintf(words, sizeof words, "%.80s. %.300s", end->text, last);
    } else if (end->signal != 0) {
        snprintf(words, sizeof words, "the worker ended by signal %d. %.300s", end->signal, last);
    } else {
        snprintf(words, sizeof words, "the worker ended with status %d. %.300s", end->status, last);
    }
    worker_failed(worker);
    worker_free(worker);
    if (call != NULL) {
        call->sent = end->started && call->op->verb->effect != NSH_READS;
        pump(device);
        exec_fail(call, end->code != NSH_OK ? end->code : NSH_FAILED, words);
    }
}

/* ---- calls ---- */

static int worker_start(struct nsh_device *device, struct exec_call *call, const char *request,
                        struct nsh_error *err)
{
    struct nsh_services *services = device->services;
    const char *const argv[] = {device->program, NULL};
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    worker->device = device;
    worker->call = call;
    worker->id = device->questions;
    int result = services->spawn(services,
                                 &(struct nsh_spawn){.argv = argv,
                                                     .input = request,
                                                     .input_bytes = strlen(request),
                                                     .memory_bytes_max = device->memory_bytes_max,
                                                     .said = said},
                                 ended, worker, &worker->process, err);
    if (result < 0) {
        free(worker);
        return result;
    }
    worker->next = device->workers;
    device->workers = worker;
    device->workers_count++;
    return 0;
}

static int worker_ask(struct worker *worker, struct exec_call *call, const char *request,
                      struct nsh_error *err)
{
    struct nsh_device *device = worker->device;
    int result =
        device->services->spawn_tell(device->services, worker->process, request, strlen(request));
    if (result < 0) {
        return nsh_fail(err, (enum nsh_code) - result, "the worker takes no more input");
    }
    if (worker->idle != NULL) {
        device->services->timer_cancel(device->services, worker->idle);
        worker->idle = NULL;
    }
    worker->call = call;
    worker->id = device->questions;
    return 0;
}

/* Give call to a worker. -NSH_BUSY: none is free, and none may be started. */
static int assign(struct nsh_device *device, struct exec_call *call, struct nsh_error *err)
{
    struct worker *worker = device->workers;
    char *request = NULL;
    while (worker != NULL && worker->call != NULL) {
        worker = worker->next;
    }
    if (worker == NULL && (device->workers_count == device->workers_max ||
                           device->services->now_ms(device->services) < device->not_before_ms)) {
        return nsh_fail(err, NSH_BUSY, "no worker is free");
    }
    struct nsh_value parameters = nsh_map(device->parameters, device->parameters_count);
    int result = exec_json_request(call->op, &parameters, ++device->questions, &request, err);
    if (result == 0) {
        result = worker != NULL ? worker_ask(worker, call, request, err)
                                : worker_start(device, call, request, err);
        exec_request_free(request);
    }
    return result;
}

static struct exec_call *waiting_take(struct nsh_device *device)
{
    struct exec_call *call = device->waiting;
    device->waiting = call->next;
    device->waiting_count--;
    call->next = NULL;
    return call;
}

static void refuse(struct exec_call *call)
{
    struct nsh_device *device = call->device;
    int64_t left_ms = device->not_before_ms - device->services->now_ms(device->services);
    char words[256];
    snprintf(words, sizeof words,
             "%.150s: the worker ended %u times without an answer; it is tried again in %lld s",
             device->program, device->failures, (long long)(left_ms + 999) / 1000);
    exec_end(call, &(struct nsh_outcome){.code = NSH_BUSY,
                                         .text = words,
                                         .retry_after_ms = left_ms > 0 ? (uint32_t)left_ms : 1});
}

/*
 * Calls that wait get workers that are free; when there is none and none may be started, they are
 * told. Something else keeps the device: it outlives this.
 */
static void pump(struct nsh_device *device)
{
    while (device->waiting != NULL) {
        struct nsh_error err = {0};
        int result = assign(device, device->waiting, &err);
        if (result == -NSH_BUSY && device->workers_count > 0) {
            return;
        }
        struct exec_call *call = waiting_take(device);
        if (result == -NSH_BUSY) {
            refuse(call);
        } else if (result < 0) {
            exec_fail(call, -result, err.text);
        }
    }
}

int exec_worker_start(struct exec_call *call, struct nsh_error *err)
{
    struct nsh_device *device = call->device;
    int result = device->waiting != NULL ? -NSH_BUSY : assign(device, call, err);
    if (result != -NSH_BUSY) {
        return result;
    }
    if (device->workers_count == 0) {
        refuse(call);
        return 0;
    }
    if (device->waiting_count == WAITING_COUNT_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%s: %d calls wait for a worker", device->program,
                        WAITING_COUNT_MAX);
    }
    struct exec_call **slot = &device->waiting;
    while (*slot != NULL) {
        slot = &(*slot)->next;
    }
    *slot = call;
    device->waiting_count++;
    return 0;
}

void exec_worker_cancel(struct exec_call *call)
{
    struct nsh_device *device = call->device;
    for (struct exec_call **slot = &device->waiting; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == call) {
            *slot = call->next;
            device->waiting_count--;
            exec_end(call, &(struct nsh_outcome){.code = NSH_CANCELLED,
                                                 .text = "cancelled before a worker was free"});
            return;
        }
    }
    for (struct worker *worker = device->workers; worker != NULL; worker = worker->next) {
        if (worker->call == call) {
            worker_failed(worker);
            worker_kill(worker);
            break;
        }
    }
    pump(device);
    exec_end(call, &(struct nsh_outcome){.code = NSH_CANCELLED,
                                         .effect_possible = call->op->verb->effect != NSH_READS,
                                         .text = "cancelled, and its worker was ended"});
}

void exec_workers_end(struct nsh_device *device)
{
    for (struct worker *worker = device->workers, *next; worker != NULL; worker = next) {
        next = worker->next;
        worker_kill(worker);
    }
}
