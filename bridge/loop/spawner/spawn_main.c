/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nightshift-spawn: starts programs for the daemon, which is too big to fork without stopping its
 * loop.
 *
 * One thread, poll(2). It ends when the daemon does, and everything it started with it. Whatever a
 * program leaves behind is killed when it ends: its process group, and strays that left it (they
 * become our children).
 */

#include "abi/error.h"
#include "spawn_job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TERM_GRACE_MS 2000
#define POLLS_MAX (2 + 3 * SPAWN_RUNNING_MAX)

struct helper {
    struct spawn_job *jobs;
    unsigned jobs_count;
    int signals;
    char *in; /* Frames not complete yet. */
    size_t in_count, in_room;
};

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The daemon went away: so does everything. */
static _Noreturn void leave(struct helper *helper, int status)
{
    for (struct spawn_job *job = helper->jobs; job != NULL; job = job->next) {
        job_end_group(job, SIGKILL);
        job_end_strays(job);
    }
    _exit(status);
}

static void send_all(struct helper *helper, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t sent = write(SPAWN_SOCKET, at, count);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd poll_one = {.fd = SPAWN_SOCKET, .events = POLLOUT};
            poll(&poll_one, 1, -1);
        } else if (sent < 0 && errno != EINTR) {
            leave(helper, 0);
        } else if (sent > 0) {
            at += sent;
            count -= (size_t)sent;
        }
    }
}

static void exit_send(struct helper *helper, const struct spawn_job *job, struct spawn_exit *end)
{
    end->output_bytes = (uint32_t)job->output.count;
    end->errors_bytes = (uint32_t)job->errors.count;
    end->output_cut = job->output.cut;
    end->errors_cut = job->errors.cut;
    struct spawn_frame frame = {
        .bytes_count = (uint32_t)sizeof *end + end->output_bytes + end->errors_bytes,
        .type = SPAWN_EXIT,
        .id = job->id,
    };
    send_all(helper, &frame, sizeof frame);
    send_all(helper, end, sizeof *end);
    send_all(helper, job->output.bytes, end->output_bytes);
    send_all(helper, job->errors.bytes, end->errors_bytes);
}

/* What a program that stays wrote goes on at once. */
static void said_send(struct helper *helper, const struct spawn_job *job,
                      struct spawn_stream *stream)
{
    if (job->kept && stream->count > 0) {
        struct spawn_frame frame = {
            .bytes_count = (uint32_t)stream->count,
            .type = stream == &job->output ? SPAWN_OUTPUT : SPAWN_ERRORS,
            .id = job->id,
        };
        send_all(helper, &frame, sizeof frame);
        send_all(helper, stream->bytes, stream->count);
        stream->count = 0;
        stream->cut = false;
    }
}

static int code_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return NSH_NOT_FOUND;
    case EACCES:
    case EPERM:
        return NSH_DENIED;
    case ENOEXEC:
        return NSH_INVALID;
    case E2BIG:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return NSH_LIMIT;
    case ENOMEM:
        return NSH_NOMEM;
    default:
        return NSH_IO;
    }
}

static void run_take(struct helper *helper, uint64_t id, const char *bytes, size_t count)
{
    struct spawn_run run;
    struct spawn_job *job = calloc(1, sizeof *job);
    if (job == NULL || count < sizeof run) {
        leave(helper, 1);
    }
    memcpy(&run, bytes, sizeof run);
    job->id = id;
    int64_t now_ms = clock_ms();
    int error = job_start(job, &run, bytes + sizeof run, bytes + sizeof run + run.texts_bytes);
    if (error != 0) {
        if (job->pid > 0) {
            waitpid(job->pid, NULL, 0);
        }
        exit_send(helper, job, &(struct spawn_exit){.code = code_of_errno(error), .error = error});
        job_free(job);
        return;
    }
    job->deadline_ms = job->kept ? INT64_MAX : now_ms + run.timeout_ms;
    job->next = helper->jobs;
    helper->jobs = job;
    helper->jobs_count++;
    job_write(job);
}

static void job_stop(struct spawn_job *job, int code)
{
    if (job->code == 0) {
        job->code = code;
        job->kill_ms = clock_ms() + TERM_GRACE_MS;
        job_end_group(job, SIGTERM);
        job_end_group(job, SIGCONT); /* A stopped one does not see the first. */
    }
}

static void frame_take(struct helper *helper, const struct spawn_frame *frame, const char *bytes)
{
    if (frame->type == SPAWN_RUN) {
        run_take(helper, frame->id, bytes, frame->bytes_count);
        return;
    }
    for (struct spawn_job *job = helper->jobs; job != NULL; job = job->next) {
        if (job->id == frame->id && frame->type == SPAWN_CANCEL) {
            job_stop(job, NSH_CANCELLED);
        } else if (job->id == frame->id && !job_tell(job, bytes, frame->bytes_count)) {
            job_stop(job, NSH_LIMIT);
        } else if (job->id == frame->id) {
            job_write(job);
        }
    }
}

static void frames_take(struct helper *helper)
{
    if (helper->in_count == helper->in_room) {
        size_t room = helper->in_room == 0 ? 65536 : helper->in_room * 2;
        char *grown = room > 2 * (size_t)SPAWN_FRAME_BYTES_MAX ? NULL : realloc(helper->in, room);
        if (grown == NULL) {
            leave(helper, 1);
        }
        helper->in = grown;
        helper->in_room = room;
    }
    ssize_t got =
        read(SPAWN_SOCKET, helper->in + helper->in_count, helper->in_room - helper->in_count);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        leave(helper, 0);
    }
    helper->in_count += got > 0 ? (size_t)got : 0;
    size_t used = 0;
    while (helper->in_count - used >= sizeof(struct spawn_frame)) {
        struct spawn_frame frame;
        memcpy(&frame, helper->in + used, sizeof frame);
        if (helper->in_count - used < sizeof frame + frame.bytes_count) {
            break;
        }
        frame_take(helper, &frame, helper->in + used + sizeof frame);
        used += sizeof frame + frame.bytes_count;
    }
    explicit_bzero(helper->in, used); /* Passwords travel as input. */
    memmove(helper->in, helper->in + used, helper->in_count - used);
    helper->in_count -= used;
}

/* The program ended: nothing of it stays. Its group is killed before it is reaped, so that its
 * number still is its. */
static void job_ended(struct helper *helper, struct spawn_job *job)
{
    int status = 0;
    job_end_group(job, SIGKILL);
    job_end_strays(job);
    waitpid(job->pid, &status, 0);
    stream_read(&job->output);
    stream_read(&job->errors);
    said_send(helper, job, &job->output);
    said_send(helper, job, &job->errors);
    struct spawn_exit end = {
        .code = job->code,
        .started = 1,
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
    };
    for (struct spawn_job **slot = &helper->jobs; *slot != NULL; slot = &(*slot)->next) {
        if (*slot == job) {
            *slot = job->next;
            break;
        }
    }
    helper->jobs_count--;
    exit_send(helper, job, &end);
    job_free(job);
}

static void children_reap(struct helper *helper)
{
    struct signalfd_siginfo information[16];
    while (read(helper->signals, information, sizeof information) > 0) {
    }
    for (struct spawn_job *job = helper->jobs, *next; job != NULL; job = next) {
        siginfo_t ended = {0};
        next = job->next;
        if (waitid(P_PID, (id_t)job->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            ended.si_pid == job->pid) {
            job_ended(helper, job);
        }
    }
    for (;;) { /* Strays that were adopted and died; a job's own is left for the loop above. */
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 || ended.si_pid == 0) {
            return;
        }
        for (struct spawn_job *job = helper->jobs; job != NULL; job = job->next) {
            if (job->pid == ended.si_pid) {
                kill(getpid(), SIGCHLD);
                return;
            }
        }
        waitpid(ended.si_pid, NULL, WNOHANG);
    }
}

/* Time-outs; returns how long poll may wait. */
static int deadlines_run(struct helper *helper)
{
    int64_t now_ms = clock_ms(), next_ms = now_ms + 3600000;
    for (struct spawn_job *job = helper->jobs; job != NULL; job = job->next) {
        if (job->code == 0 && job->deadline_ms <= now_ms) {
            job_stop(job, NSH_TIMEOUT);
        }
        if (job->code != 0 && job->kill_ms <= now_ms) {
            job_end_group(job, SIGKILL);
            job->kill_ms = now_ms + TERM_GRACE_MS;
        }
        int64_t due_ms = job->code == 0 ? job->deadline_ms : job->kill_ms;
        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    return (int)(next_ms - now_ms);
}

static void turn(struct helper *helper)
{
    struct pollfd polls[POLLS_MAX];
    nfds_t count = 0;
    polls[count++] = (struct pollfd){.fd = SPAWN_SOCKET, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = helper->signals, .events = POLLIN};
    for (struct spawn_job *job = helper->jobs; job != NULL && count + 3 <= POLLS_MAX;
         job = job->next) {
        bool nothing = job->kept && job->input_sent == job->input_count;
        polls[count++] = (struct pollfd){.fd = nothing ? -1 : job->input_fd, .events = POLLOUT};
        polls[count++] = (struct pollfd){.fd = job->output.fd, .events = POLLIN};
        polls[count++] = (struct pollfd){.fd = job->errors.fd, .events = POLLIN};
    }
    if (poll(polls, count, deadlines_run(helper)) <= 0) {
        return;
    }
    for (struct spawn_job *job = helper->jobs; job != NULL; job = job->next) {
        job_write(job);
        stream_read(&job->output);
        stream_read(&job->errors);
        said_send(helper, job, &job->output);
        said_send(helper, job, &job->errors);
    }
    if ((polls[1].revents & POLLIN) != 0) {
        children_reap(helper);
    }
    if (polls[0].revents != 0) {
        frames_take(helper);
    }
}

int main(void)
{
    struct helper helper = {0};
    sigset_t signals;
    if (fcntl(SPAWN_SOCKET, F_GETFD) < 0) {
        fprintf(stderr, "nightshift-spawn is started by nightshiftd, not by hand\n");
        return 2;
    }
    fcntl(SPAWN_SOCKET, F_SETFD, FD_CLOEXEC);
    fcntl(SPAWN_SOCKET, F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);  /* A terminal's interrupt is for the daemon to handle. */
    signal(SIGTERM, SIG_IGN); /* It goes when the daemon goes. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    helper.signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    for (;;) {
        turn(&helper);
    }
}
