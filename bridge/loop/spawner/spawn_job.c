/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program: its own session and group, limits, no new privileges, no descriptor but the three, a
 * minimal environment. Its output is read to the bound and thrown away beyond.
 */

#include "spawn_job.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES_MAX 256             /* RLIMIT_NOFILE of a program. */
#define FILE_BYTES_MAX (64 << 20) /* RLIMIT_FSIZE: it is no place to write dumps. */
#define MARK_BYTES_MAX 64
#define STRAY_ROUNDS_MAX 8

static const char *const minimal_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/",
    NULL};

struct launch {
    const struct spawn_run *run;
    char **argv, **env;
    int input, output, errors; /* The program's ends. */
};

static void limit_set(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit now, limit = {value, value};
    if (getrlimit(resource, &now) == 0 && now.rlim_max < limit.rlim_max) {
        limit = (struct rlimit){now.rlim_max, now.rlim_max};
    }
    setrlimit(resource, &limit);
}

/* In the child, between vfork and exec: system calls only. Returns the errno of what failed. */
static int child_run(const struct launch *launch)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < 32; number++) {
        signal(number, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (setsid() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || chdir("/") < 0) {
        return errno;
    }
    if (dup2(launch->input, 0) < 0 || dup2(launch->output, 1) < 0 || dup2(launch->errors, 2) < 0) {
        return errno;
    }
    if (close_range(3, ~0u, 0) < 0) {
        return errno;
    }
    limit_set(RLIMIT_CORE, 0);
    limit_set(RLIMIT_NOFILE, FILES_MAX);
    limit_set(RLIMIT_FSIZE, FILE_BYTES_MAX);
    if (!launch->run->kept) {
        limit_set(RLIMIT_CPU, launch->run->cpu_s_max);
    }
    limit_set(RLIMIT_AS, launch->run->memory_bytes_max);
    execve(launch->argv[0], launch->argv, launch->env);
    return errno;
}

/* The child shares our memory until exec: what it leaves in `error` is seen here. */
__attribute__((noinline)) static pid_t child_start(const struct launch *launch, volatile int *error)
{
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): a small helper, no
                            other way sets limits */
    if (pid == 0) {
        *error = child_run(launch); /* NOLINT(clang-analyzer-unix.Vfork): system calls only */
        _exit(127);
    }
    return pid;
}

static void split(char **into, uint32_t count, const char **texts)
{
    for (uint32_t i = 0; i < count; i++) {
        into[i] = (char *)(uintptr_t)*texts;
        *texts += strlen(*texts) + 1;
    }
    into[count] = NULL;
}

static int pipes_open(int fds[6])
{
    for (int i = 0; i < 6; i++) {
        fds[i] = -1;
    }
    for (int i = 0; i < 6; i += 2) {
        if (pipe2(&fds[i], O_CLOEXEC) < 0) {
            return errno;
        }
    }
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    fcntl(fds[2], F_SETFL, O_NONBLOCK);
    fcntl(fds[4], F_SETFL, O_NONBLOCK);
    return 0;
}

int job_start(struct spawn_job *job, const struct spawn_run *run, const char *texts,
              const char *input)
{
    char *argv[SPAWN_TEXTS_MAX + 1], *env[SPAWN_TEXTS_MAX + 8], mark[MARK_BYTES_MAX];
    int fds[6];
    volatile int error = 0;
    split(argv, run->argv_count, &texts);
    env[0] = mark;
    split(env + 1, run->env_count, &texts);
    uint32_t env_count = run->env_count + 1;
    for (size_t i = 0; run->env_count == 0 && minimal_env[i] != NULL; i++) {
        env[env_count++] = (char *)(uintptr_t)minimal_env[i];
    }
    snprintf(mark, sizeof mark, "NIGHTSHIFT_CALL=%d-%llu", (int)getpid(),
             (unsigned long long)job->id);
    env[env_count] = NULL;
    error = pipes_open(fds);
    if (error == 0 && run->input_bytes > 0) {
        job->input = malloc(run->input_bytes);
        job->input_room = run->input_bytes;
        error = job->input == NULL ? ENOMEM : 0;
    }
    if (error == 0) {
        struct launch launch = {run, argv, env, fds[0], fds[3], fds[5]};
        if (run->input_bytes > 0) {
            memcpy(job->input, input, run->input_bytes);
        }
        job->pid = child_start(&launch, &error);
        error = job->pid < 0 ? errno : error;
    }
    int ours[] = {fds[1], fds[2], fds[4]}, theirs[] = {fds[0], fds[3], fds[5]};
    for (size_t i = 0; i < 3; i++) {
        if (theirs[i] >= 0) {
            close(theirs[i]);
        }
    }
    job->input_fd = ours[0];
    job->input_count = run->input_bytes;
    job->kept = run->kept != 0;
    job->output = (struct spawn_stream){.fd = ours[1], .count_max = run->output_bytes_max};
    job->errors = (struct spawn_stream){.fd = ours[2], .count_max = run->output_bytes_max};
    return error;
}

void job_end_group(struct spawn_job *job, int signal_number)
{
    if (job->pid > 0) {
        kill(-job->pid, signal_number);
    }
}

/* Whether the process carries the mark in its environment. */
static bool marked(const char *pid, const char *mark)
{
    char path[64], bytes[8192];
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t count = read(fd, bytes, sizeof bytes - 1);
    close(fd);
    if (count <= 0) {
        return false;
    }
    bytes[count] = 0;
    for (const char *at = bytes; at < bytes + count; at += strlen(at) + 1) {
        if (strcmp(at, mark) == 0) {
            return true;
        }
    }
    return false;
}

void job_end_strays(const struct spawn_job *job)
{
    char path[64], children[4096], mark[MARK_BYTES_MAX];
    snprintf(mark, sizeof mark, "NIGHTSHIFT_CALL=%d-%llu", (int)getpid(),
             (unsigned long long)job->id);
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < STRAY_ROUNDS_MAX; round++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t count = fd < 0 ? -1 : read(fd, children, sizeof children - 1);
        bool found = false;
        if (fd >= 0) {
            close(fd);
        }
        children[count < 0 ? 0 : count] = 0;
        char *rest = children;
        for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
            pid_t pid = (pid_t)strtol(word, NULL, 10);
            if (pid > 0 && pid != job->pid && marked(word, mark)) {
                kill(pid, SIGKILL); /* Its children become ours: look again. */
                found = true;
            }
        }
        if (!found) {
            return;
        }
    }
}

static void stream_close(struct spawn_stream *stream)
{
    if (stream->fd >= 0) {
        close(stream->fd);
        stream->fd = -1;
    }
}

static void stream_keep(struct spawn_stream *stream, const char *bytes, size_t count)
{
    if (count > stream->count_max - stream->count) {
        stream->cut = true;
        count = stream->count_max - stream->count;
    }
    if (stream->count + count > stream->room) {
        size_t room = (stream->count + count) * 2;
        char *grown = realloc(stream->bytes, room);
        if (grown == NULL) {
            stream->cut = true;
            return;
        }
        stream->bytes = grown;
        stream->room = room;
    }
    memcpy(stream->bytes + stream->count, bytes, count);
    stream->count += count;
}

void stream_read(struct spawn_stream *stream)
{
    char bytes[16384];
    for (int round = 0; round < 16 && stream->fd >= 0; round++) {
        ssize_t count = read(stream->fd, bytes, sizeof bytes);
        if (count > 0) {
            stream_keep(stream, bytes, (size_t)count);
        } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            stream_close(stream);
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

bool job_tell(struct spawn_job *job, const char *bytes, size_t count)
{
    size_t unread = job->input_count - job->input_sent;
    if (unread + count > SPAWN_UNREAD_BYTES_MAX) {
        return false;
    }
    memmove(job->input, job->input + job->input_sent, unread);
    job->input_count = unread;
    job->input_sent = 0;
    if (unread + count > job->input_room) {
        size_t room = (unread + count) * 2;
        char *grown = malloc(room);
        if (grown == NULL) {
            return false;
        }
        memcpy(grown, job->input, unread);
        explicit_bzero(job->input, job->input_room); /* Passwords travel as input. */
        free(job->input);
        job->input = grown;
        job->input_room = room;
    }
    memcpy(job->input + unread, bytes, count);
    job->input_count += count;
    return true;
}

void job_write(struct spawn_job *job)
{
    while (job->input_fd >= 0 && !(job->kept && job->input_sent == job->input_count)) {
        ssize_t count = job->input_sent == job->input_count
                            ? 0
                            : write(job->input_fd, job->input + job->input_sent,
                                    job->input_count - job->input_sent);
        if (count > 0) {
            job->input_sent += (size_t)count;
        } else if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        } else { /* All written, or the program reads no more. */
            close(job->input_fd);
            job->input_fd = -1;
        }
    }
}

void job_free(struct spawn_job *job)
{
    if (job->input != NULL) {
        explicit_bzero(job->input, job->input_room);
    }
    if (job->input_fd >= 0) {
        close(job->input_fd);
    }
    stream_close(&job->output);
    stream_close(&job->errors);
    free(job->output.bytes);
    free(job->errors.bytes);
    free(job->input);
    free(job);
}
