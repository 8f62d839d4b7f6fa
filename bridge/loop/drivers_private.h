/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRIVERS_PRIVATE_H
#define DRIVERS_PRIVATE_H

/* What the driver host's files share: modules (drivers_load.c), devices and calls (drivers.c). */

#include "loop/drivers.h"
#include "loop/loop_private.h"

#define DRIVERS_COUNT_MAX 128

struct module {
    void *handle;
    const struct nsh_driver *driver;
};

struct drivers {
    struct module modules[DRIVERS_COUNT_MAX];
    size_t modules_count;
    struct agents *agents; /* Fence agents by name; NULL: there is no exec driver. */
    struct loop *loop;     /* Since drivers_run(). */
    drivers_secret_fn secret;
    void *secret_arg;
    drivers_done_fn done;
    void *done_arg;
    void (*observe)(void *arg, const char *host, const char *type, const struct nsh_value *data);
    void *observe_arg;
    void (*told)(void *arg, const struct drivers_event *event);
    void (*said)(void *arg, const char *line);
    void *listener_arg;
    struct map devices;  /* key -> struct host_device */
    struct map calls;    /* action -> struct host_call; those not ended yet */
    size_t devices_open; /* Also the retired ones. */
    uint64_t late_count; /* Completions of calls that had been ended. */
    bool stopping;
};

/* ---- fence agents by name (drivers_agents.c); agents may be NULL in each ---- */

struct agents *agents_new(const struct nsh_driver *exec);
void agents_free(struct agents *agents);
/* NULL: no such agent, or it was not learned yet. */
const struct nsh_driver *agents_find(struct agents *agents, const char *name);
/* Asks the agent what it takes, once: up to 20 s. NULL: no such agent, or it does not say. */
const struct nsh_driver *agents_learn(struct agents *agents, const char *name);
bool agents_installed(const struct agents *agents, const char *name);
/* Those installed, by name; known: NULL until somebody asked for it. */
void agents_each(struct agents *agents,
                 void (*each)(void *arg, const char *name, const struct nsh_driver *known),
                 void *arg);
const char *agents_folder(void);

#endif
