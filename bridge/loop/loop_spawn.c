/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs, through the spawn helper: requests go over a socket pair, exits come back. At most
 * SPAWN_RUNNING_MAX run, PROCESSES_MAX wait or run. When the helper dies, what ran ends as
 * disconnected (its effect is possible), and a new helper is started, at most one in RESTART_MS.
 */

#include "base/assert.h"
#include "loop/loop_private.h"
#include "loop/spawner/spawn_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 1024
#define INPUT_BYTES_MAX (4u << 20)
#define TEXTS_BYTES_MAX (256u << 10)
#define OUTPUT_BYTES_DEFAULT (64u << 10)
#define OUTPUT_BYTES_MAX (16u << 20)
#define MEMORY_BYTES_DEFAULT (512ull << 20)
#define KEPT_OUTPUT_BYTES (256u << 10)
#define CPU_S_DEFAULT 60
#define TIMEOUT_MS_DEFAULT 60000
#define RESTART_MS 1000
#define IDLE_MS 3600000 /* The timer always runs, so that its place in the heap is sure. */
#define GOODBYE_ROUNDS 100

struct nsh_process {
    struct nsh_process *next;
    uint64_t id;
    char *frame; /* Until it is handed to the helper. */
    size_t frame_bytes;
    void (*done)(void *arg, const struct nsh_exit *exit); /* NULL: nobody waits for it any more. */
    void (*said)(void *arg, bool errors, const char *bytes, size_t bytes_count);
    void *arg;
    bool kept;
};

struct processes {
    struct nsh_process *first, **last;
    size_t count;
};

struct spawner {
    struct loop *loop;
    uv_poll_t *poll; /* Its own allocation: closing takes a turn of the loop. NULL: no helper. */
    int fd;
    pid_t pid;
    int64_t started_ms;
    uint64_t id_last;
    size_t kept_count; /* Queued, running, or on their way out. */
    struct processes queued, running,
        cancelled; /* cancelled: before they ran; told on the next turn. */
    struct nsh_timer timer;
    char *out, *in;
    size_t out_count, out_room, in_count, in_room;
};

static void helper_event(uv_poll_t *poll, int status, int events);
static void spawner_turn(void *arg);

static void processes_add(struct processes *processes, struct nsh_process *process)
{
    if (processes->first == NULL) {
        processes->last = &processes->first;
    }
    process->next = NULL;
    *processes->last = process;
    processes->last = &process->next;
    processes->count++;
}

static bool processes_remove(struct processes *processes, struct nsh_process *process)
{
    for (struct nsh_process **slot = &processes->first; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == process) {
            *slot = process->next;
            if (processes->last == &process->next) {
                processes->last = slot;
            }
            processes->count--;
            return true;
        }
    }
    return false;
}

static void process_free(struct nsh_process *process)
{
    if (process->frame != NULL) {
        explicit_bzero(process->frame, process->frame_bytes);
    }
    free(process->frame);
    free(process);
}

static void process_tell(struct spawner *spawner, struct nsh_process *process,
                         const struct nsh_exit *end)
{
    spawner->kept_count -= process->kept;
    if (process->done != NULL) {
        process->done(process->arg, end);
    }
    process_free(process);
}

static void turn_soon(struct spawner *spawner, int64_t delay_ms)
{
    int result = loop_timer_start(spawner->loop, &spawner->timer, delay_ms, spawner_turn, spawner);
    NSH_ASSERT(result == 0 || spawner->loop->closing);
}

/* ---- the helper ---- */

static int helper_start(struct spawner *spawner, struct nsh_error *err)
{
    const char *path = spawner->loop->options.spawn_helper;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
        return nsh_fail(err, NSH_IO, "socket pair: %s", strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_adddup2(&actions, fds[1], SPAWN_SOCKET);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, SPAWN_SOCKET + 1);
    char *const argv[] = {(char *)(uintptr_t) "nightshift-spawn", NULL};
    char *const env[] = {NULL};
    int error = posix_spawn(&spawner->pid, path, &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(fds[1]);
    spawner->poll = error == 0 ? calloc(1, sizeof *spawner->poll) : NULL;
    if (spawner->poll == NULL) {
        close(fds[0]);
        return nsh_fail(err, NSH_IO, "cannot start the spawn helper %s: %s", path,
                        strerror(error == 0 ? ENOMEM : error));
    }
    int result = uv_poll_init(&spawner->loop->uv, spawner->poll, fds[0]);
    NSH_ASSERT(result == 0);
    spawner->fd = fds[0];
    spawner->poll->data = spawner;
    spawner->started_ms = loop_now_ms();
    uv_poll_start(spawner->poll, UV_READABLE, helper_event);
    return 0;
}

static void poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void helper_end(struct spawner *spawner)
{
    uv_poll_stop(spawner->poll);
    uv_close((uv_handle_t *)spawner->poll, poll_closed);
    spawner->poll = NULL;
    close(spawner->fd); /* It reads the end of the stream, kills what runs, and goes. */
    for (int i = 0; i < GOODBYE_ROUNDS; i++) {
        if (waitpid(spawner->pid, NULL, WNOHANG) != 0) {
            return;
        }
        usleep(5000);
    }
    kill(spawner->pid, SIGKILL);
    waitpid(spawner->pid, NULL, 0);
}

/* It died. What ran may have had its effect; what was queued waits for the next one. */
static void helper_lost(struct spawner *spawner)
{
    struct processes lost = spawner->running;
    bool soon = loop_now_ms() - spawner->started_ms > RESTART_MS;
    helper_end(spawner);
    spawner->running = (struct processes){0};
    spawner->out_count = spawner->in_count = 0;
    spawner->loop->figures.spawn_helper_restarts++;
    turn_soon(spawner, soon ? 0 : RESTART_MS);
    for (struct nsh_process *process = lost.first, *next; process != NULL; process = next) {
        next = process->next;
        process_tell(spawner, process,
                     &(struct nsh_exit){.code = NSH_DISCONNECTED,
                                        .started = true,
                                        .output = "",
                                        .errors = "",
                                        .text = "the spawn helper died while the program ran"});
    }
}

static bool room_for(char **bytes, size_t *room, size_t count)
{
    if (count <= *room) {
        return true;
    }
    char *grown = realloc(*bytes, count * 2);
    if (grown == NULL) {
        return false;
    }
    *bytes = grown;
    *room = count * 2;
    return true;
}

static void helper_write(struct spawner *spawner)
{
    size_t sent = 0;
    while (sent < spawner->out_count) {
        ssize_t count =
            send(spawner->fd, spawner->out + sent, spawner->out_count - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break; /* Full, or gone: reading tells which. */
        }
        sent += (size_t)count;
    }
    if (sent > 0) {
        memmove(spawner->out, spawner->out + sent, spawner->out_count - sent);
        explicit_bzero(spawner->out + spawner->out_count - sent,
                       sent); /* Passwords travel as input. */
        spawner->out_count -= sent;
    }
    uv_poll_start(spawner->poll, UV_READABLE | (spawner->out_count > 0 ? UV_WRITABLE : 0),
                  helper_event);
}

static bool out_add(struct spawner *spawner, const void *bytes, size_t count)
{
    if (!room_for(&spawner->out, &spawner->out_room, spawner->out_count + count)) {
        return false;
    }
    memcpy(spawner->out + spawner->out_count, bytes, count);
    spawner->out_count += count;
    return true;
}

/* Hand queued programs to the helper while it may run more. */
static void queue_run(struct spawner *spawner)
{
    while (spawner->poll != NULL && spawner->running.count < SPAWN_RUNNING_MAX &&
           spawner->queued.count > 0) {
        struct nsh_process *process = spawner->queued.first;
        if (!out_add(spawner, process->frame, process->frame_bytes)) {
            return; /* At the next exit or request. */
        }
        processes_remove(&spawner->queued, process);
        explicit_bzero(process->frame, process->frame_bytes);
        free(process->frame);
        process->frame = NULL;
        processes_add(&spawner->running, process);
        helper_write(spawner);
    }
}

/* What a program that stays wrote; it may be cancelled by who hears it, but not freed. */
static void said_take(const struct nsh_process *process, const struct spawn_frame *frame,
                      const char *bytes)
{
    NSH_ASSERT(process->kept);
    if (process->said != NULL) {
        process->said(process->arg, frame->type == SPAWN_ERRORS, bytes, frame->bytes_count);
    }
}

static void exit_take(struct spawner *spawner, struct nsh_process *process, const char *bytes)
{
    struct spawn_exit from;
    bool running = processes_remove(&spawner->running, process);
    NSH_ASSERT(running);
    memcpy(&from, bytes, sizeof from);
    bytes += sizeof from;
    char *texts = malloc((size_t)from.output_bytes + from.errors_bytes + 2);
    struct nsh_exit end = {.code = from.code,
                           .status = from.status,
                           .signal = from.signal,
                           .started = from.started != 0,
                           .output_cut = from.output_cut != 0,
                           .errors_cut = from.errors_cut != 0,
                           .output = "",
                           .errors = "",
                           .text =
                               from.error != 0 ? strerror(from.error) : nsh_code_word(from.code)};
    if (texts == NULL) {
        end.code = NSH_NOMEM;
        end.text = "out of memory for the program's output";
    } else {
        memcpy(texts, bytes, from.output_bytes);
        texts[from.output_bytes] = 0;
        memcpy(texts + from.output_bytes + 1, bytes + from.output_bytes, from.errors_bytes);
        texts[from.output_bytes + 1 + from.errors_bytes] = 0;
        end.output = texts;
        end.output_bytes = from.output_bytes;
        end.errors = texts + from.output_bytes + 1;
        end.errors_bytes = from.errors_bytes;
    }
    process_tell(spawner, process, &end);
    free(texts);
}

static void frame_take(struct spawner *spawner, const struct spawn_frame *frame, const char *bytes)
{
    struct nsh_process *process = spawner->running.first;
    while (process != NULL && process->id != frame->id) {
        process = process->next;
    }
    NSH_ASSERT(process != NULL);
    if (frame->type == SPAWN_OUTPUT || frame->type == SPAWN_ERRORS) {
        said_take(process, frame, bytes);
        return;
    }
    NSH_ASSERT(frame->type == SPAWN_EXIT && frame->bytes_count >= sizeof(struct spawn_exit));
    exit_take(spawner, process, bytes);
}

/* The frames that are complete. A callback may spawn and cancel, but cannot end the helper. */
static void frames_take(struct spawner *spawner)
{
    size_t used = 0;
    while (spawner->in_count - used >= sizeof(struct spawn_frame)) {
        struct spawn_frame frame;
        memcpy(&frame, spawner->in + used, sizeof frame);
        if (spawner->in_count - used < sizeof frame + frame.bytes_count) {
            break;
        }
        frame_take(spawner, &frame, spawner->in + used + sizeof frame);
        used += sizeof frame + frame.bytes_count;
    }
    memmove(spawner->in, spawner->in + used, spawner->in_count - used);
    spawner->in_count -= used;
    queue_run(spawner);
}

static void helper_event(uv_poll_t *poll, int status, int events)
{
    struct spawner *spawner = poll->data;
    if ((events & UV_WRITABLE) != 0) {
        helper_write(spawner);
    }
    for (;;) {
        if (!room_for(&spawner->in, &spawner->in_room, spawner->in_count + 65536)) {
            helper_lost(spawner);
            return;
        }
        ssize_t got = read(spawner->fd, spawner->in + spawner->in_count,
                           spawner->in_room - spawner->in_count);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (got <= 0) {
            frames_take(spawner);
            helper_lost(spawner);
            return;
        }
        spawner->in_count += (size_t)got;
    }
    frames_take(spawner);
}

/* The next turn of the loop: tell those cancelled while queued, start a helper when one is needed.
 */
static void spawner_turn(void *arg)
{
    struct spawner *spawner = arg;
    struct nsh_error err = {0};
    turn_soon(spawner, IDLE_MS);
    for (struct nsh_process *process; (process = spawner->cancelled.first) != NULL;) {
        processes_remove(&spawner->cancelled, process);
        process_tell(spawner, process,
                     &(struct nsh_exit){.code = NSH_CANCELLED,
                                        .output = "",
                                        .errors = "",
                                        .text = "cancelled before it ran"});
    }
    if (spawner->poll == NULL && helper_start(spawner, &err) < 0) {
        for (struct nsh_process *process; (process = spawner->queued.first) != NULL;) {
            processes_remove(&spawner->queued, process);
            process_tell(
                spawner, process,
                &(struct nsh_exit){.code = NSH_IO, .output = "", .errors = "", .text = err.text});
        }
        return;
    }
    queue_run(spawner);
}

int spawner_init(struct loop *loop, struct nsh_error *err)
{
    if (loop->options.spawn_helper == NULL) {
        return 0;
    }
    struct spawner *spawner = calloc(1, sizeof *spawner);
    if (spawner == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    loop->spawner = spawner;
    spawner->loop = loop;
    if (loop_timer_start(loop, &spawner->timer, IDLE_MS, spawner_turn, spawner) < 0) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return helper_start(spawner, err);
}

void spawner_done(struct loop *loop)
{
    struct spawner *spawner = loop->spawner;
    if (spawner == NULL) {
        return;
    }
    loop_timer_stop(loop, &spawner->timer);
    if (spawner->poll != NULL) {
        helper_end(spawner);
    }
    struct processes *lists[] = {&spawner->queued, &spawner->running, &spawner->cancelled};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (struct nsh_process *process = lists[i]->first, *next; process != NULL;
             process = next) {
            next = process->next;
            process_free(process);
        }
    }
    free(spawner->out);
    free(spawner->in);
    free(spawner);
    loop->spawner = NULL;
}

/* ---- the service ---- */

static size_t texts_measure(const char *const *texts, uint32_t *ret_count)
{
    size_t bytes = 0;
    *ret_count = 0;
    for (; texts != NULL && texts[*ret_count] != NULL; (*ret_count)++) {
        bytes += strlen(texts[*ret_count]) + 1;
    }
    return bytes;
}

static char *texts_put(char *at, const char *const *texts)
{
    for (; texts != NULL && *texts != NULL; texts++) {
        at = stpcpy(at, *texts) + 1;
    }
    return at;
}

static uint64_t or_default(uint64_t value, uint64_t preset)
{
    return value == 0 ? preset : value;
}

static int frame_make(const struct nsh_spawn *spawn, struct nsh_process *process,
                      struct nsh_error *err)
{
    struct spawn_run run = {
        .memory_bytes_max = or_default(spawn->memory_bytes_max, MEMORY_BYTES_DEFAULT),
        .output_bytes_max = or_default(spawn->output_bytes_max, OUTPUT_BYTES_DEFAULT),
        .cpu_s_max = (uint32_t)or_default(spawn->cpu_s_max, CPU_S_DEFAULT),
        .timeout_ms = (uint32_t)or_default(spawn->timeout_ms, TIMEOUT_MS_DEFAULT),
        .input_bytes = (uint32_t)spawn->input_bytes,
        .kept = spawn->said != NULL,
    };
    if (spawn->said != NULL) {
        run.output_bytes_max = KEPT_OUTPUT_BYTES; /* Of one turn: it goes on at once. */
    }
    size_t texts_bytes =
        texts_measure(spawn->argv, &run.argv_count) + texts_measure(spawn->env, &run.env_count);
    run.texts_bytes = (uint32_t)texts_bytes;
    if (run.argv_count == 0 || spawn->argv[0][0] != '/') {
        return nsh_fail(err, NSH_INVALID, "a program is named by its absolute path");
    }
    if (spawn->input_bytes > INPUT_BYTES_MAX || texts_bytes > TEXTS_BYTES_MAX ||
        run.argv_count + run.env_count > SPAWN_TEXTS_MAX ||
        run.output_bytes_max > OUTPUT_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT,
                        "%s: arguments, environment, input or output over the limit",
                        spawn->argv[0]);
    }
    struct spawn_frame frame = {
        .bytes_count = (uint32_t)(sizeof run + texts_bytes + spawn->input_bytes),
        .type = SPAWN_RUN,
        .id = process->id,
    };
    process->frame_bytes = sizeof frame + frame.bytes_count;
    process->frame = malloc(process->frame_bytes);
    if (process->frame == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    char *at = process->frame;
    memcpy(at, &frame, sizeof frame);
    memcpy(at + sizeof frame, &run, sizeof run);
    at = texts_put(at + sizeof frame + sizeof run, spawn->argv);
    at = texts_put(at, spawn->env);
    if (spawn->input_bytes > 0) {
        memcpy(at, spawn->input, spawn->input_bytes);
    }
    return 0;
}

int service_spawn(struct nsh_services *services, const struct nsh_spawn *spawn,
                  void (*done)(void *arg, const struct nsh_exit *exit), void *arg,
                  struct nsh_process **ret_process, struct nsh_error *err)
{
    struct spawner *spawner = loop_of(services)->spawner;
    if (spawner == NULL) {
        return nsh_fail(err, NSH_UNSUPPORTED, "programs cannot be run: no spawn helper");
    }
    if (spawner->queued.count + spawner->running.count == PROCESSES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d programs run or wait", PROCESSES_MAX);
    }
    if (spawn->said != NULL && spawner->kept_count == SPAWN_KEPT_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%d programs are kept already", SPAWN_KEPT_MAX);
    }
    struct nsh_process *process = calloc(1, sizeof *process);
    if (process == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    process->id = ++spawner->id_last;
    process->done = done;
    process->said = spawn->said;
    process->kept = spawn->said != NULL;
    process->arg = arg;
    int result = frame_make(spawn, process, err);
    if (result < 0) {
        process_free(process);
        return result;
    }
    processes_add(&spawner->queued, process);
    spawner->kept_count += process->kept;
    loop_of(services)->figures.programs++;
    queue_run(spawner);
    if (spawner->poll == NULL && loop_now_ms() - spawner->started_ms > RESTART_MS) {
        turn_soon(spawner, 0);
    }
    *ret_process = process;
    return 0;
}

void service_spawn_cancel(struct nsh_services *services, struct nsh_process *process)
{
    struct spawner *spawner = loop_of(services)->spawner;
    if (process == NULL) {
        return;
    }
    if (process->kept) { /* It ends behind the back of who kept it. */
        process->done = NULL;
        process->said = NULL;
    }
    if (processes_remove(&spawner->queued, process)) {
        processes_add(&spawner->cancelled, process);
        turn_soon(spawner, 0);
        return;
    }
    struct spawn_frame frame = {.type = SPAWN_CANCEL, .id = process->id};
    if (spawner->poll != NULL && out_add(spawner, &frame, sizeof frame)) {
        helper_write(spawner);
    }
}

int service_spawn_tell(struct nsh_services *services, struct nsh_process *process,
                       const void *bytes, size_t bytes_count)
{
    struct spawner *spawner = loop_of(services)->spawner;
    struct spawn_frame frame = {
        .bytes_count = (uint32_t)bytes_count, .type = SPAWN_INPUT, .id = process->id};
    NSH_ASSERT(process->kept);
    if (process->frame != NULL || spawner->poll == NULL) {
        return -NSH_BUSY;
    }
    if (bytes_count > SPAWN_UNREAD_BYTES_MAX || spawner->out_count > INPUT_BYTES_MAX ||
        !room_for(&spawner->out, &spawner->out_room,
                  spawner->out_count + sizeof frame + bytes_count)) {
        return -NSH_LIMIT;
    }
    bool added = out_add(spawner, &frame, sizeof frame) && out_add(spawner, bytes, bytes_count);
    NSH_ASSERT(added); /* There was room. */
    helper_write(spawner);
    return 0;
}
