/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHELL_H
#define DAEMON_SHELL_H

/*
 * The shell around the engine: numbers events and steps the engine, commits what it says, starts
 * calls when their intent is durable, answers whoever waits. Everything here is called on the loop
 * thread unless said otherwise.
 *
 * The API's handlers reach it only through shell_post() and the intake: both are safe from any
 * thread and bounded.
 */

#include "base/arena.h"
#include "loop/intake.h"

struct shell;

/* How a request ended. On the loop thread, once, after what it changed is durable. All borrowed. */
struct shell_answer {
    int code;             /* NSH_OK, or the enum nsh_code of what was wrong; err says what. */
    struct text document; /* A JSON object; empty when code is not NSH_OK. */
    const struct nsh_error *err;
};

typedef void (*shell_answer_fn)(void *arg, const struct shell_answer *answer);

#define SHELL_REQUESTS_MAX 1024 /* Waiting at once; a person types slowly, a tool can wait. */

/*
 * Ask for something by name; args is a map and copied; actor says who ("uid:1000(ops)"). Any
 * thread.
 *
 * Engine commands (engine.h): freeze unfreeze run.cancel plan brake.release alarm.clear
 * The shell's own: status, hosts {host,state,limit}, host {id}, policies, policy {id}, drivers,
 * driver {id}, driver.doctor {id host}, freezes, reload
 *
 * -NSH_LIMIT      SHELL_REQUESTS_MAX wait already; nothing was taken
 * -NSH_CANCELLED  the daemon is stopping
 * -NSH_NOT_FOUND  no such command
 */
int shell_post(struct shell *shell, const char *name, const struct nsh_value *args,
               const char *actor, shell_answer_fn answer, void *arg, struct nsh_error *err);

struct intake *shell_intake(struct shell *shell); /* Any thread. */

/* The sources of the configuration. Any thread; what may be called from where says sources.h. */
struct sources *shell_sources(struct shell *shell);
/* Whether a call waits for an answer of that token. Any thread. */
bool shell_callback_waits(struct shell *shell, const char *token);

/* Prometheus text of all counters, made anew by the loop once a second at most; copied into arena.
 * Any thread. */
struct text shell_metrics(struct shell *shell, struct arena *arena);

/* True when it takes work: the store is healthy, configuration loaded. Otherwise reason says why
 * not. Any thread. */
bool shell_ready(struct shell *shell, char *reason, size_t reason_bytes);

/* Sequence of the newest durable event, for whoever follows them; wakes after it rises or wait_ms
 * passed: answer has document {"seq": N}. Any thread. */
int shell_follow(struct shell *shell, uint64_t after_seq, uint32_t wait_ms, shell_answer_fn answer,
                 void *arg, struct nsh_error *err);

#endif
