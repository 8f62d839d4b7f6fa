/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STORE.series: a head, then slices: u32 bytes, u64 hash, bytes (series_save()). A slice that is
 * damaged ends the reading; what was before it is kept. Written beside, synced, renamed.
 */

#include "shell_series_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "nightshift series 1\n"
#define HEAD_BYTES (sizeof HEAD - 1)
#define SLICE_HEAD_BYTES 12

static int write_all(int fd, const void *bytes, size_t count, struct nsh_error *err)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t written = write(fd, at, count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return nsh_fail(err, NSH_IO, "%s", strerror(errno));
        }
        at += written;
        count -= (size_t)written;
    }
    return 0;
}

static uint64_t hash_of(const uint8_t *bytes, size_t count)
{
    return text_hash((struct text){(const char *)bytes, (uint32_t)count});
}

static int slices_write(struct shell_series *series, int fd, uint8_t *bytes, struct nsh_error *err)
{
    size_t cursor = 0;
    int result = write_all(fd, HEAD, HEAD_BYTES, err);
    while (result == 0) {
        struct pack_writer writer = {.at = bytes + SLICE_HEAD_BYTES,
                                     .room = SERIES_SLICE_BYTES_MAX};
        pthread_mutex_lock(&series->mutex);
        bool more = series_save(series->table, &cursor, &writer);
        pthread_mutex_unlock(&series->mutex);
        if (!more) {
            break;
        }
        if (writer.failed) {
            return nsh_fail(err, NSH_LIMIT, "a slice of series is too long");
        }
        struct pack_writer head = {.at = bytes, .room = SLICE_HEAD_BYTES};
        pack_u32(&head, (uint32_t)writer.count);
        pack_u64(&head, hash_of(writer.at, writer.count));
        result = write_all(fd, bytes, SLICE_HEAD_BYTES + writer.count, err);
    }
    return result;
}

static void folder_sync(const char *path)
{
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        CLEANUP(closep) int fd = open(folder[0] == '\0' ? "/" : folder, O_RDONLY | O_DIRECTORY);
        if (fd >= 0) {
            fsync(fd);
        }
    }
    free(folder);
}

int shell_series_save(struct shell_series *series, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    uint8_t *bytes = arena_alloc(&arena, SLICE_HEAD_BYTES + SERIES_SLICE_BYTES_MAX);
    CLEANUP(closep)
    int fd = open(series->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (bytes == NULL || fd < 0) {
        return nsh_fail(err, bytes == NULL ? NSH_NOMEM : NSH_IO, "%s: %s", series->path_new,
                        bytes == NULL ? "out of memory" : strerror(errno));
    }
    int result = slices_write(series, fd, bytes, err);
    if (result == 0 && fsync(fd) < 0) {
        result = nsh_fail(err, NSH_IO, "%s", strerror(errno));
    }
    if (result == 0 && rename(series->path_new, series->path) < 0) {
        result = nsh_fail(err, NSH_IO, "%s", strerror(errno));
    }
    if (result < 0) {
        unlink(series->path_new);
        return nsh_wrap(err, "%s", series->path_new);
    }
    folder_sync(series->path);
    return 0;
}

/* ---- loading ---- */

/* False: the end, or less than count. */
static bool read_all(int fd, void *bytes, size_t count)
{
    char *at = bytes;
    while (count > 0) {
        ssize_t got = read(fd, at, count);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        count -= (size_t)got;
    }
    return true;
}

/* 1: one more; 0: the end; or what is wrong. */
static int slice_read(struct shell_series *series, int fd, uint8_t *bytes, struct nsh_error *err)
{
    uint8_t chars[SLICE_HEAD_BYTES];
    if (!read_all(fd, chars, sizeof chars)) {
        return 0;
    }
    struct pack_reader head = {.at = chars, .count = sizeof chars};
    uint32_t count = unpack_u32(&head);
    uint64_t hash = unpack_u64(&head);
    struct pack_reader reader = {.at = bytes, .count = count};
    if (count > SERIES_SLICE_BYTES_MAX || !read_all(fd, bytes, count) ||
        hash_of(bytes, count) != hash || series_load(series->table, &reader) < 0) {
        return nsh_fail(err, NSH_CORRUPT,
                        "%s is damaged: what series learned is known in part only, the others "
                        "learn anew",
                        series->path);
    }
    return 1;
}

int shell_series_load(struct shell_series *series, struct nsh_error *err)
{
    char head[HEAD_BYTES];
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    uint8_t *bytes = arena_alloc(&arena, SERIES_SLICE_BYTES_MAX);
    CLEANUP(closep) int fd = open(series->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : nsh_fail(err, NSH_IO, "%s: %s", series->path, strerror(errno));
    }
    if (bytes == NULL || !read_all(fd, head, sizeof head) || memcmp(head, HEAD, sizeof head) != 0) {
        return nsh_fail(err, NSH_CORRUPT, "%s is no file of series of this version", series->path);
    }
    int result = 1;
    while (result == 1) {
        result = slice_read(series, fd, bytes, err);
    }
    return result;
}
