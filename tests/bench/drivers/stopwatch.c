/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that measures how long it took to be called: `text` is the nanosecond at which the cause
 * was sent (CLOCK_MONOTONIC); each call appends the difference, in nanoseconds, as one line to
 * `file`. It reads a clock, which no real driver may.
 */

#include "abi/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct nsh_device {
    struct nsh_services *services;
    int fd;
};

static int stopwatch_open(struct nsh_services *services, const struct nsh_value *settings,
                          struct nsh_device **ret_device, struct nsh_error *err)
{
    const char *path = nsh_get_text(settings, "file", "");
    struct nsh_device *device = calloc(1, sizeof *device);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (device == NULL || fd < 0) {
        free(device);
        return nsh_fail(err, NSH_IO, "%s: %s", path, strerror(errno));
    }
    *device = (struct nsh_device){services, fd};
    *ret_device = device;
    return 0;
}

static int stopwatch_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    struct timespec now;
    char line[32];
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long sent = strtoll(nsh_get_text(op->args, "text", "0"), NULL, 10);
    int count = snprintf(line, sizeof line, "%lld\n",
                         (long long)now.tv_sec * 1000000000LL + now.tv_nsec - sent);
    if (write(device->fd, line, (size_t)count) != count) {
        return nsh_fail(err, NSH_IO, "%s", strerror(errno));
    }
    device->services->complete(device->services, op, &(struct nsh_outcome){.text = "noted"});
    return 0;
}

static void stopwatch_cancel(struct nsh_device *device, struct nsh_op *op)
{
}

static void stopwatch_close(struct nsh_device *device)
{
    close(device->fd);
    free(device);
}

static const struct nsh_option options[] = {
    {.name = "file", .type = NSH_STRING, .flags = NSH_REQUIRED, .help = "Where the times go."},
};

static const struct nsh_verb verbs[] = {
    {
        .name = "notify",
        .effect = NSH_CHANGES,
        .flags = NSH_NOTIFIES | NSH_ANY_ARGS,
        .timeout_ms_default = 5000,
        .help = "Note how late it is.",
    },
    {
        .name = "identify",
        .effect = NSH_CHANGES,
        .flags = NSH_IDEMPOTENT,
        .timeout_ms_default = 5000,
        .help = "Note when it was called.",
    },
};

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "stopwatch",
    .version = "1",
    .summary = "Measures how long it took to be called",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = 1,
    .verbs = verbs,
    .verbs_count = 1,
    .open = stopwatch_open,
    .start = stopwatch_start,
    .cancel = stopwatch_cancel,
    .close = stopwatch_close,
};
