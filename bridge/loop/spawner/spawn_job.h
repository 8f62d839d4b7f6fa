/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAWN_JOB_H
#define SPAWN_JOB_H

/* One program the helper runs, from its frame to its exit. */

#include "spawn_wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct spawn_stream {
    int fd; /* -1: closed */
    char *bytes;
    size_t count, room, count_max;
    bool cut;
};

struct spawn_job {
    struct spawn_job *next;
    uint64_t id;
    pid_t pid; /* Also its process group and session. */
    int input_fd;
    char *input;
    size_t input_count, input_sent, input_room;
    bool kept;
    struct spawn_stream output, errors;
    int64_t deadline_ms, kill_ms; /* kill_ms: 0 until SIGTERM was sent. */
    int code;                     /* NSH_TIMEOUT or NSH_CANCELLED once it is being ended. */
};

/* Start what a RUN frame says. 0, or the errno of the failure. */
int job_start(struct spawn_job *job, const struct spawn_run *run, const char *texts,
              const char *input);
void job_end_group(struct spawn_job *job, int signal_number);
/* End processes that left the job's group but still carry its mark. */
void job_end_strays(const struct spawn_job *job);
void stream_read(struct spawn_stream *stream); /* What is there now. */
void job_write(struct spawn_job *job);
/* More input of a job that stays. False: it does not read, or there is no memory. */
bool job_tell(struct spawn_job *job, const char *bytes, size_t count);
void job_free(struct spawn_job *job);

#endif
