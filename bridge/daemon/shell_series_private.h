/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SHELL_SERIES_PRIVATE_H
#define DAEMON_SHELL_SERIES_PRIVATE_H

#include "shell_private.h"
#include "shell_series.h"

#define SHELL_SERIES_KNOWN_MAX 4096 /* Alarms whose series did not come yet. */

struct shell_known {
    struct text signal, resource, host, subject;
    bool found;
};

struct shell_series {
    pthread_mutex_t mutex; /* Around table and requests. */
    struct series *table;
    struct {
        uint64_t taken, malformed, refused;
    } requests[SHELL_SERIES_DOORS_COUNT];
    struct batch *flying, *waiting; /* Turns under way, and who waits for them: shell_series.c. */
    uint64_t batches;
    /* The loop's own. */
    struct arena known_arena;
    struct shell_known *known;
    size_t known_count, known_left, known_cursor;
    char *path, *path_new;
    int64_t saved_ms;
    bool saving;
    uv_work_t work;
    int save_result;
    struct nsh_error save_err;
    uint64_t saves, saves_failed;
};

/* ---- shell_series_file.c ---- */

int shell_series_load(struct shell_series *series, struct nsh_error *err);
/* Any one thread; the table is locked for a slice at a time. */
int shell_series_save(struct shell_series *series, struct nsh_error *err);

/* ---- shell_series_known.c ---- */

int shell_series_known(struct shell *shell, struct nsh_error *err);
void shell_series_known_again(struct shell *shell);

#endif
