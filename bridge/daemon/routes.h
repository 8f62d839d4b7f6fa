/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ROUTES_H
#define DAEMON_ROUTES_H

/*
 * What the HTTP API offers: one table of routes. Handlers run on the server's threads; they read
 * from the store's reader of their request, or post to the shell (handed to them as request->arg)
 * and answer when it does.
 */

#include "api/api.h"
#include "shell.h"

/* api_options.admit: a callback that nothing waits for leads nowhere. */
bool routes_admit(void *arg, const struct api_route *route, const char *id);

const struct api_route *routes_table(size_t *ret_count);

#endif
