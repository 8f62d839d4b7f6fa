/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_DRIVERS_H
#define LOOP_DRIVERS_H

/*
 * The driver host: finds modules, checks settings and arguments against their tables, keeps devices
 * open, carries calls.
 */

#include "base/arena.h"
#include "base/diag.h"
#include "loop/loop.h"
#include "model/verb.h"

struct drivers;

/* Load every *.so of folder. A module of another ABI or a broken table is an error that names the
 * file. */
int drivers_load(const char *folder, struct drivers **ret_drivers, struct nsh_error *err);
void drivers_free(struct drivers *drivers); /* All devices closed before. */

/*
 * A module, or a fence agent by its name ("fence_apc"): the exec driver with a table made from what
 * the agent says of itself. drivers_find() knows only agents that drivers_learn() asked before;
 * that runs an agent which it does not know, or whose file changed: it may take a second, up to 20,
 * and is not for the loop's thread.
 */
const struct nsh_driver *drivers_find(const struct drivers *drivers, const char *name);
const struct nsh_driver *drivers_learn(const struct drivers *drivers, const char *name);
bool drivers_installed(const struct drivers *drivers, const char *name); /* Learned or not. */
const struct nsh_driver *drivers_at(const struct drivers *drivers,
                                    size_t index); /* NULL past the end: modules only. */
/* The fence agents installed; known: NULL while nobody asked for it. */
void drivers_agents_each(const struct drivers *drivers,
                         void (*each)(void *arg, const char *name, const struct nsh_driver *known),
                         void *arg);
const struct nsh_verb *driver_verb(const struct nsh_driver *driver,
                                   const char *name); /* NULL: it has none. */

/* It runs what others wrote: any verb, any arguments (exec, function). */
bool driver_takes_functions(const struct nsh_driver *driver);

/* The verbs that only one driver has, as struct verb for the policy checker; in arena. */
const struct verb *drivers_verbs(const struct drivers *drivers, struct arena *arena,
                                 size_t *ret_count);

/*
 * Check settings (or arguments) against a table of options: unknown names (did-you-mean), missing
 * required ones, types, ranges, choices; fill presets; durations become milliseconds; secrets are
 * resolved by `secret` (NULL: kept as they are).
 */
typedef int (*drivers_secret_fn)(void *arg, const char *reference, struct arena *arena,
                                 const char **ret_secret, struct nsh_error *err);
int options_check(const struct nsh_option *options, size_t options_count,
                  const struct nsh_value *given, drivers_secret_fn secret, void *secret_arg,
                  struct arena *arena, struct nsh_value *ret_checked, struct nsh_error *err);

/* A table of options: names, types, presets, ranges. */
int options_table_check(const struct nsh_option *options, size_t options_count,
                        struct nsh_error *err);

/* ---- calls (loop thread)
 * ------------------------------------------------------------------------------------- */

struct drivers_call {
    const char *action; /* Idempotency token. */
    const char *host;   /* "" when none. */
    const char *device; /* Key of the device: "r1h05/bmc", "service/page". One device is opened for
                           each key. */
    const char *driver;
    const char *verb;
    /* A function of the configuration, carried out by a driver that takes any (exec, function);
     * copied. NULL: `verb` is one of the driver's own. */
    const struct nsh_verb *function;
    const struct nsh_value *settings; /* As in the inventory. */
    const struct nsh_value *args;
    uint32_t timeout_ms; /* At this time the call is cancelled; when complete() does not follow
                            within 5 s it is ended as NSH_TIMEOUT with effect_possible, and a later
                            completion is counted and dropped. */
};

/* How a call ended; borrowed. Called exactly once for each drivers_start() that returned 0. */
typedef void (*drivers_done_fn)(void *arg, const char *action, const struct nsh_outcome *outcome,
                                const char *trace);

int drivers_run(struct drivers *drivers, struct loop *loop, drivers_secret_fn secret,
                void *secret_arg, drivers_done_fn done, void *done_arg, struct nsh_error *err);
int drivers_start(struct drivers *drivers, const struct drivers_call *call, struct nsh_error *err);
void drivers_cancel(struct drivers *drivers, const char *action);
/* Close the devices whose settings changed or whose key is gone; keep(arg, key) gives the settings
 * it has now or NULL. */
void drivers_refresh(struct drivers *drivers,
                     const struct nsh_value *(*keep)(void *arg, const char *device), void *arg);
size_t drivers_running(const struct drivers *drivers);
/* Open devices and running calls of one driver. */
void drivers_figures(const struct drivers *drivers, const struct nsh_driver *driver,
                     size_t *ret_devices, size_t *ret_calls);
/* Cancel all calls, close all devices; the loop must run until drivers_running() is 0. */
void drivers_stop(struct drivers *drivers);

/* Completions of calls that had been ended without their driver. */
uint64_t drivers_late(const struct drivers *drivers);

/* What drivers see on devices unasked; before drivers_run(). */
void drivers_observer(struct drivers *drivers,
                      void (*observe)(void *arg, const char *host, const char *type,
                                      const struct nsh_value *data),
                      void *arg);

/* An event that an answer brought. Borrowed. */
struct drivers_event {
    const char *source; /* "function/reseat_psu"; of a driver's verb "driver/exec". */
    const char *id;     /* When it says none. */
    const char *host;   /* Of the call; "" when none. */
    const struct nsh_value *event;
};

/* Events of answers, and lines for the log that belong to no call; before drivers_run(). */
void drivers_listener(struct drivers *drivers,
                      void (*told)(void *arg, const struct drivers_event *event),
                      void (*said)(void *arg, const char *line), void *arg);

/* The hooks of loop_new() that belong to the driver host. */
struct loop_hooks drivers_hooks(struct drivers *drivers);

#endif
