/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXEC_H
#define EXEC_H

/*
 * What the driver's files share.
 *
 *   exec.c         the table of options and verbs, devices, where calls start and end
 *   exec_json.c    one program per call: JSON in, JSON out
 *   exec_worker.c  programs that stay: the same, one line for each call
 *   exec_fence.c   fence agents
 */

#include "abi/doctor.h"
#include "exec_codec.h"

#define EXEC_PARAMETERS_COUNT_MAX 160

enum exec_contract { CONTRACT_JSON, CONTRACT_WORKER, CONTRACT_FENCE };

struct worker;
struct exec_call;

struct nsh_device {
    struct nsh_services *services;
    enum exec_contract contract;
    char *program;
    struct nsh_member *parameters; /* Owned copies: texts, numbers, booleans. */
    size_t parameters_count;
    uint64_t memory_bytes_max;
    size_t output_bytes_max;
    uint32_t cpu_s_max;
    bool metadata_read; /* The fence agent's parameters were compared with ours. */
    /* Kept workers. */
    struct worker *workers;
    size_t workers_count, workers_max;
    uint32_t idle_ms;
    uint64_t questions;        /* Their numbers. */
    struct exec_call *waiting; /* For a worker that is free. */
    size_t waiting_count;
    unsigned failures;     /* Workers in a row that ended without an answer. */
    int64_t not_before_ms; /* None is started before. */
};

/* A call is one program, or for a fence agent a row of them. */
enum exec_stage {
    STAGE_METADATA,
    STAGE_ONLY,
    STAGE_CYCLE_OFF,
    STAGE_CYCLE_PROOF,
    STAGE_CYCLE_ON,
};

struct exec_call {
    struct exec_call *next; /* That waits for a worker. */
    struct nsh_device *device;
    struct nsh_op *op;
    struct nsh_process *process;
    enum exec_stage stage;
    const char *action;   /* Of the fence agent now running. */
    bool cancelled, sent; /* sent: a request with an effect left already. */
};

/* ---- endings (exec.c): the call is gone after each ---- */

void exec_end(struct exec_call *call, const struct nsh_outcome *outcome);
/* "PROGRAM: text", without our secrets. */
void exec_fail(struct exec_call *call, int code, const char *text);
/* Programs print what they were given: no secret of ours goes into a text. */
void exec_redact(const struct nsh_device *device, char *words);
/* Whether a verb is the driver's own of that name: "doctor" of "fence_apc.doctor". */
bool exec_verb_is(const struct nsh_op *op, const char *name);

/* Run argv with this input (owned; NULL: none); a failure to start ends nothing: the caller
 * does. */
int exec_run(struct exec_call *call, const char *const *argv, char *input, struct nsh_error *err);

/* ---- the contracts: start a call; its program ended ---- */

int exec_json_start(struct exec_call *call, struct nsh_error *err);
void exec_json_ended(struct exec_call *call, const struct nsh_exit *end);
/* What a program or worker answered; takes reply. line: as it was printed, for its events. */
void exec_json_answered(struct exec_call *call, struct exec_reply *reply, const char *line,
                        size_t line_bytes);
int exec_worker_start(struct exec_call *call, struct nsh_error *err);
void exec_worker_cancel(struct exec_call *call);
void exec_workers_end(struct nsh_device *device); /* No call is running. */
int exec_fence_start(struct exec_call *call, struct nsh_error *err);
void exec_fence_ended(struct exec_call *call, const struct nsh_exit *end);

#endif
